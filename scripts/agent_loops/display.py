"""Text from outside made short, clean and masked, so that it can be shown to a person or a model.

Does not judge what the text says; a secret of an unknown shape in no variable is not recognised.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

MASKED = "[masked]"

_TAIL_BYTES = 256 << 10
_LINE_CHARS = 2000
_LAST_LINES = 8
_MIN_SECRET_CHARS = 6
_NEAR_END_LINES = 60

_CODES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-~]"
)
# Letters that show as nothing, and the variation selectors in which hidden text is carried.
_INVISIBLE = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5") | {
    chr(c) for c in (*range(0xFE00, 0xFE0F), *range(0xE0100, 0xE01F0))
}
_ZWJ = "\u200d"


def clean(text: str, limit: int) -> str:
    """One line of at most `limit` characters that can neither move a cursor nor hide anything."""
    return _cut(_one_line(text), limit)


def _one_line(text: str) -> str:
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    text = _CODES.sub("", text)
    kept: list[str] = []
    for at, char in enumerate(text):
        if char.isspace():
            kept.append(" ")
        elif char == _ZWJ:
            kept += char if kept and _joins(kept[-1], text[at + 1 : at + 2]) else ""
        elif char.isprintable() and char not in _INVISIBLE:
            kept.append(char)
    return " ".join("".join(kept).split())


def _joins(before: str, after: str) -> bool:
    """Whether a zero-width joiner between the two is part of an emoji."""
    return (before == "\ufe0f" or unicodedata.category(before) in ("So", "Sk")) and (
        after != "" and unicodedata.category(after) == "So"
    )


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    if limit < 1:
        return ""
    at = limit - 1
    while at > 0 and (_continues(text[at]) or text[at - 1] == _ZWJ):
        at -= 1
    flags = len(text[:at]) - len(text[:at].rstrip("".join(map(chr, range(0x1F1E6, 0x1F200)))))
    if flags % 2 and "\U0001f1e6" <= text[at] <= "\U0001f1ff":
        at -= 1
    return text[:at].rstrip() + "…"


def _continues(char: str) -> bool:
    """Whether `char` belongs to the one before it."""
    return (
        char == _ZWJ
        or unicodedata.category(char).startswith("M")
        or "\U0001f3fb" <= char <= "\U0001f3ff"
    )


# --- secrets ------------------------------------------------------------------------------------

_SECRET_NAME = re.compile(
    r"SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|APIKEY|PRIVATE|(?:^|_)(?:PASS|PAT|PWD|DSN|COOKIE)$"
    r"|(?:KEY|TOKEN|AUTH)$|(?:^|_)(?:KEY|TOKEN)(?:_|\d|$)",
    re.IGNORECASE,
)
_NOT_SECRET_NAME = re.compile(
    r"^(?:OLD)?PWD$|_(?:FILE|PATH|DIR|SOCK|URL|HOST|NAME)$|^SSH_AUTH_SOCK$"
)
_SHAPES = (
    r"\bsk-(?=[\w-]*\d)[\w-]{16,}",
    r"\b(?:gh[opusr]_|github_pat_|glpat-|hf_|npm_|pypi-|dckr_pat_|r8_|xox[abeprs]-|shp(?:at|ss)_)[\w-]{16,}",
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    r"\bAIza[\w-]{30,}",
    r"\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?",
    r"(?<=://)[^\s:/@]{0,200}:[^\s/@]{1,200}(?=@)",
    r"(?i:(?<=\bbearer )|(?<=\bbasic ))[\w.~+/=-]{8,}",
)
_ASSIGNED = (
    r"((?i:(?:api|access|auth|hf|secret|private|bot)[_-]?(?:key|token)|secret|passw(?:or)?d|passphrase)"
    r"[\"']?\s?[:=]\s?[\"']?)(?!\[masked\])[^\s\"',;&]{6,}"
)


def secret_values(environ: Mapping[str, str]) -> list[str]:
    """Values of variables whose names look secret, longest first; of multi-line ones each line.

    Numbers, switches and the paths of files (`…_FILE`) are no secrets: masking 100000 because of
    MAX_TOKEN would hide results.
    """
    found: set[str] = set()
    for name, value in environ.items():
        if not _SECRET_NAME.search(name) or _NOT_SECRET_NAME.search(name):
            continue
        if name.upper().endswith("CREDENTIALS") and value.startswith(("/", "~")):
            continue
        for part in {value, *value.splitlines()}:
            part = part.strip()
            dull = part.replace(".", "").isdigit() and len(part) < 12
            if len(part) >= _MIN_SECRET_CHARS and not dull:
                found.add(part)
    return sorted(found, key=lambda value: (-len(value), value))


def mask(text: str, secrets: Sequence[str]) -> str:
    """`text` with the `secrets` and everything of a token's shape replaced by `[masked]`."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _MIN_SECRET_CHARS:
            text = text.replace(secret, MASKED)
    for shape in _SHAPES:
        text = re.sub(shape, MASKED, text)
    return re.sub(_ASSIGNED, rf"\1{MASKED}", text)


# --- the tail of a log --------------------------------------------------------------------------

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


@dataclass(frozen=True, slots=True)
class _Traceback:
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
    return mask(_one_line(line), secrets)


def _fit(lines: Sequence[str], limit: int, *, first: str) -> str:
    """Joins whole lines from the start or the end while they fit; the first of them may be cut."""
    ordered = [line for line in (lines if first == "start" else reversed(lines)) if line]
    kept: list[str] = []
    room = limit
    for whole in ordered:
        line = _cut(whole, min(room, max(limit // 2, 200)))
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
        line = _RANK.sub("", _CODES.sub("", raw))
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
