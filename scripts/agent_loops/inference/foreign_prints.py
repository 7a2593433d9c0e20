"""What sources in other languages than Python print, found by the shape of their calls.

Knows printf and its relatives, Rust's and JavaScript's braces, C++ streams; no names across lines.
"""

from __future__ import annotations

import re

from agent_loops.inference.printing import Output
from agent_loops.inference.templates import Hole, Line

_MOST = 600
_LITERAL = r'"((?:[^"\\\n]|\\.)*)"'


_OTHER = re.compile(
    rf"(?:\bf?printf0?\s*\((?:\s*std(?:out|err)\s*,)?|\bprintln!\s*\(|\bprint!\s*\("
    rf"|fmt\.Printf\s*\(|log\.Printf\s*\(|@printf\s*\(?|"
    rf"fmt::print\s*\(|std::format\s*\(|console\.log\s*\(|\bcat\s*\(|sprintf\s*\("
    rf"|println\s*\(|fmt\.Println\s*\(|std::println\s*\()\s*{_LITERAL}"
)


_CPP_STREAM = re.compile(r"(?:std::)?c(?:out|err)\s*<<\s*([^;]{1,400});")


_VERB = re.compile(
    r"%[-+ #0]*(?:\*|\d*)(?:\.(\*|\d+))?(?:h|l|ll|z|L)?([diouxXeEfFgGcsvtq])|\$?\{([^{}]*)\}|%%"
)


def other_outputs(path: str, text: str) -> list[Output]:
    """What a file in another language prints, found by the shape of its calls."""
    found = []
    for match in _OTHER.finditer(text):
        literal = (
            match[1]
            .replace("\\n", "\n")
            .replace("\\t", "\t")
            .replace('\\"', '"')
            .replace("\\r", "\r")
        )
        for part in literal.split("\n"):
            line = _verbs(part)
            if line:
                found.append(Output(path, text.count("\n", 0, match.start()) + 1, line))
    for match in _CPP_STREAM.finditer(text):
        pieces: list[str | Hole] = []
        for part in re.split(r"<<", match[1]):
            part = part.strip()
            literal_part = re.fullmatch(_LITERAL, part)
            if literal_part:
                pieces.append(literal_part[1].replace("\\n", "\n").replace("\\t", "\t"))
            elif part not in ("std::endl", "endl", "'\\n'") and not part.startswith(
                ("std::set", "std::fixed", "setprecision")
            ):
                pieces.append(Hole(part[:80]))
        if any(isinstance(p, Hole) for p in pieces):
            found.append(Output(path, text.count("\n", 0, match.start()) + 1, tuple(pieces)))
    return sorted(found, key=lambda output: output.number)[:_MOST]


def _verbs(text: str) -> Line:
    pieces: list[str | Hole] = []
    end = 0
    for match in _VERB.finditer(text):
        pieces.append(text[end : match.start()])
        end = match.end()
        if match[0] == "%%":
            pieces.append("%")
            continue
        kind = match[2] or ""
        digits = (
            match[1] if match[1] and match[1] != "*" else "6" if kind in "fFeE" and kind else ""
        )
        spec = (
            f".{digits}{kind}"
            if kind and kind in "fFeEgG" and digits
            else "d"
            if kind and kind in "diu"
            else ""
        )
        if match[3] and (inner := re.search(r":[^}]*?\.(\d+)", match[0])):
            spec = f".{inner[1]}f"
        pieces.append(Hole(match[3] or "?", spec, text=kind in ("s", "c", "q") and kind != ""))
    pieces.append(text[end:])
    return tuple(p for p in pieces if p != "")
