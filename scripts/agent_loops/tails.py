"""The end of a log in a few hundred clean characters: what a person would look at after a crash.

Does not say what went wrong; that is for `crashes`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO, NamedTuple

from agent_loops.display import TERMINAL_CODES, cut, mask, one_line

_TAIL_BYTES = 256 << 10
_LINE_CHARS = 2000
_LAST_LINES = 8
_NEAR_END_LINES = 60

_RANK = re.compile(r"^(?:\[(?:rank)?\d+\]:?\s?|\((?:\w+ )?pid=\d+[^)]*\)\s?|\s*[|+] )")
_HEADER = re.compile(r"^\s*(?:Exception Group )?Traceback \(most recent call last\):\s*$")
_FRAME = re.compile(r'^\s*File "(?P<path>[^"]+)", line (?P<line>\d+)(?:, in (?P<function>.+))?\s*$')
_RAISED = re.compile(r"^(?:(?:[A-Za-z_]\w*\.)+[A-Za-z_]\w*|[A-Z]\w*)(?::|$)")
_LIBRARY = re.compile(
    r"[/\\](?:site|dist)-packages[/\\]|[/\\]lib(?:64)?[/\\]python\d|^<|[/\\]conda[/\\]pkgs"
)
# These only report that something else failed; an earlier traceback tells more.
_WRAPPER = re.compile(
    r"ChildFailedError|CalledProcessError|SimplifiedTraceback|ProcessExitedException"
)
_LAST_WORDS = re.compile(
    r"\bKilled\b|core dumped|Segmentation fault|Bus error|oom[-_ ]kill|Out of memory"
    r"|slurmstepd: error",
    re.IGNORECASE,
)


class _Traceback(NamedTuple):
    raised: str
    place: str
    ends_at: int


def tail(stream: BinaryIO, *, limit: int, secrets: Sequence[str] = ()) -> str:
    """What matters at the end of a seekable log, in at most `limit` characters, masked.

    Of a Python traceback: the exception, then `file:line in function: code` for the deepest frame
    outside libraries. Otherwise the last lines. Progress lines show their last state.
    """
    lines = list(_last_states(stream))
    found = [t for t in _tracebacks(lines) if t.ends_at >= len(lines) - _NEAR_END_LINES]
    telling = [t for t in found if not _WRAPPER.search(t.raised)] or found
    if telling:
        last = telling[-1]
        chosen = [last.raised, last.place]
        chosen += [line for line in lines[last.ends_at + 1 :] if _LAST_WORDS.search(line)][-1:]
        return _fit([_safe(line, secrets) for line in chosen], limit, first="start")
    kept: list[str] = []
    for line in lines[-4 * _LAST_LINES :]:
        safe = _safe(line, secrets)
        if safe and safe not in kept[-1:]:
            kept.append(safe)
    return _fit(kept[-_LAST_LINES:], limit, first="end")


def _safe(line: str, secrets: Sequence[str]) -> str:
    # Cleaned first, lest a code inside a secret hides it; cut last, lest half of one is shown.
    return mask(one_line(line), secrets)


def _fit(lines: Sequence[str], limit: int, *, first: str) -> str:
    """Joins whole lines from the start or the end while they fit; the first of them may be cut."""
    ordered = [line for line in (lines if first == "start" else reversed(lines)) if line]
    kept: list[str] = []
    room = limit
    for whole in ordered:
        line = cut(whole, min(room, max(limit // 2, 200)))
        if not line or (kept and room < min(12, len(whole))):
            break
        kept.append(line)
        room -= len(line) + 1
    return "\n".join(kept if first == "start" else reversed(kept))


def _last_states(stream: BinaryIO) -> Iterator[str]:
    """The non-empty lines of the log's end, each as it stood when the next one began."""
    size = stream.seek(0, 2)
    start = max(0, size - _TAIL_BYTES)
    stream.seek(start)
    text = stream.read(size - start).decode("utf-8", "replace")
    for number, line in enumerate(text.split("\n")):
        states = [part for part in re.split(r"[\r\x08]", line) if part.strip()]
        if not states or (number == 0 and start > 0 and len(states) == 1 and "\n" in text):
            continue
        yield states[-1][-_LINE_CHARS:] if number == 0 else states[-1][:_LINE_CHARS]


def _tracebacks(lines: Sequence[str]) -> Iterator[_Traceback]:
    """Every finished traceback, those of syntax errors (which have no header) included."""
    frames: list[str] = []
    for at, raw in enumerate(lines):
        line = _RANK.sub("", TERMINAL_CODES.sub("", raw))
        frame = _FRAME.match(line)
        if _HEADER.match(line):
            frames = []
        elif frame:
            code = _RANK.sub("", lines[at + 1]) if at + 1 < len(lines) else ""
            frames.append(_place(frame, code.strip() if code.startswith("    ") else ""))
        elif frames and not line.startswith((" ", "\t")):
            if _RAISED.match(line):
                if line.endswith(":") and at + 1 < len(lines):
                    line = f"{line} {lines[at + 1].strip()}"
                own = [place for place in frames if not _LIBRARY.search(place)]
                yield _Traceback(line, _short((own or frames)[-1]), at)
            frames = []


def _place(frame: re.Match[str], code: str) -> str:
    function = f" in {frame['function']}" if frame["function"] else ""
    shown = "" if _FRAME.match(code) or not code or set(code) <= set("~^ ") else f": {code}"
    return f"{frame['path']}:{frame['line']}{function}{shown}"


def _short(place: str) -> str:
    """The place with only the name of its file: the folders are the reader's own."""
    path, colon, rest = place.partition(":")
    return re.split(r"[/\\]", path)[-1] + colon + rest
