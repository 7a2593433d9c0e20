"""Keeps whole run logs out of the context: measures what a command or a read would print of one.

Knows the usual readers; what a script of one's own prints is not seen, and the host cuts output
over 30,000 characters.
"""

from __future__ import annotations

import os
import re

from expand import UNKNOWN
from ground import Ground

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from calls import Call

MOST = 4096
_MOST_SCANNED = 4 << 20
_DUMPING = frozenset(
    "cat less more most nl tac rev strings od xxd hexdump hd base64 bat batcat fold fmt expand pr "
    "sort uniq col paste tr sed awk gawk mawk view zcat dd cut column pygmentize sponge tee".split()
)
_SHORTENING = frozenset(
    "head tail grep egrep fgrep rg ag wc awk gawk mawk cut md5sum sha256sum sha1sum cksum sum "
    "python python3 jq perl ruby datamash uniq sqlite3 xargs agent-loops diff cmp".split()
)
_GREPPING = frozenset("grep egrep fgrep rg ag".split())
_COUNTED = re.compile(r"([+-]?\d+)([kKMGb]?)[BiB]*\Z")
_UNITS = {"": 1, "b": 512, "k": 1024, "K": 1024, "M": 1 << 20, "G": 1 << 30}


def _reason(ground: Ground, path: str) -> str:
    found = re.search(r"iter(\d+)/", path)
    show = f"`agent-loops show {found.group(1)}`" if found else "`agent-loops show N`"
    size = os.path.getsize(path) // 1024
    shown = ground.shown(path)
    return f"Too much of a log of {size} KB for the context: `tail -c 2000 {shown}`, or {show}."


def refusal(call: Call, ground: Ground) -> str:
    """Why this program's output would fill the context with a log."""
    name = call.name
    logs = _logs(call, ground)
    if not logs or call.feed.to_file or not call.argv:
        return ""
    if name in ("tail", "head"):
        words = call.argv[1:]
        if name == "tail" and any(re.match(r"-[a-zA-Z0-9]*[fF]|--follow", word) for word in words):
            return "A followed log never ends: `agent-loops wait` answers when the run ends."
        printed = sum(_ended(path, words, at_end=name == "tail") for path in logs)
    elif name in _GREPPING:
        printed = sum(_grepped(path, call.argv[1:]) for path in logs)
    elif name in _DUMPING or name in ("read", "echo", "printf"):
        printed = 0 if _is_short(name, call.argv[1:]) else sum(map(os.path.getsize, logs))
        printed = printed or (_ranged(logs[0], call.argv[1:]) if name == "sed" else 0)
    else:
        return ""
    stages = call.feed.downstream
    piped = _piped(name, logs[0], stages)
    if piped is not None:
        printed, stages = piped, stages[1:]
    if printed <= MOST or _is_shortened(stages):
        return ""
    return _reason(ground, logs[0])


def _logs(call: Call, ground: Ground) -> list[str]:
    """The large logs of the campaign that it reads, by name or as its input."""
    found = []
    words = [word.removeprefix("if=") for word in call.argv[1:]]
    for word in dict.fromkeys([*words, *call.feed.sources]):
        if ".log" not in word and UNKNOWN not in word:
            continue
        for place in call.then.absolute(word):
            real = os.path.realpath(place) if UNKNOWN not in place else place
            if ground.is_log(real) and _size(real) > MOST:
                found.append(real)
    return found


def _piped(name: str, log: str, stages: list[list[str]]) -> int | None:
    """What `cat LOG | tail -n 5` lets through, where head or tail is the next stage."""
    following = os.path.basename(stages[0][0]) if stages and stages[0] else ""
    if name not in ("cat", "nl", "tac") or following not in ("head", "tail"):
        return None
    return _ended(log, stages[0][1:], at_end=following == "tail")


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except (OSError, ValueError):
        return 0


def _is_shortened(stages: list[list[str]]) -> bool:
    """Whether a later stage of the pipe lets only a part through."""
    for argv in stages:
        name = os.path.basename(argv[0]) if argv else ""
        if name in _GREPPING and not any(_is_match_all(word) for word in _pattern(argv[1:])):
            return True
        if name in ("tail", "head"):
            return not any(word.startswith("+") for word in argv[1:]) and not _is_wide(argv[1:])
        if name in ("awk", "gawk", "sed"):
            if _is_short(name, argv[1:]):
                return True
        elif name in _SHORTENING and name not in _GREPPING:
            return True
    return False


def _is_wide(words: list[str]) -> bool:
    count, unit = _count(words)
    return (unit == "lines" and abs(count) > 1000) or (unit == "bytes" and abs(count) > 4 * MOST)


def _is_short(name: str, words: list[str]) -> bool:
    """Whether a filter prints a part only, as far as its words tell."""
    if name in ("awk", "gawk", "mawk"):
        plain = [word for word in words if not word.startswith("-")]
        code = plain[0].strip() if plain else ""
        return code not in ("1", "{print}", "{ print }", "{print $0}", "{ print $0 }", "//", "")
    if name == "sed":
        quiet = any(re.match(r"-[a-zA-Z]*n|--quiet|--silent", word) for word in words)
        code = next((word for word in words if not word.startswith("-")), "")
        return (quiet and code.strip() not in ("p", "1,$p", "//p", "/./p")) or bool(
            re.match(r"\d+q|\$!d|/.+/!d", code)
        )
    if name == "dd":
        return any(word.startswith("count=") for word in words)
    return name in ("cut", "od", "xxd", "hexdump") and any(
        re.match(r"-[NlcfL]", word) for word in words
    )


def _ranged(path: str, words: list[str]) -> int:
    """What `sed -n 'A,Bp'` prints."""
    found = re.match(r"(\d+),(\d+|\$)p", next((word for word in words if word[:1] != "-"), ""))
    if not found:
        return 0
    first, last = found.groups()
    with open(path, "rb") as stream:
        lines = stream.read(_MOST_SCANNED).split(b"\n")
    taken = lines[int(first) - 1 :] if last == "$" else lines[int(first) - 1 : int(last)]
    return sum(len(line) + 1 for line in taken)


def _count(words: list[str]) -> tuple[int, str]:
    """How much head or tail print: (10, "lines")."""
    for index, word in enumerate(words):
        after = "".join(words[index + 1 : index + 2])
        for option, unit in (
            ("-n", "lines"),
            ("-c", "bytes"),
            ("--lines", "lines"),
            ("--bytes", "bytes"),
        ):
            value = after if word == option else ""
            if word.startswith(option) and len(word) > len(option):
                value = word[len(option) :].lstrip("=")
            if word[:1] == "-" and word[:2] != "--" and word.endswith(option[1]) and len(word) > 2:
                value = value if _COUNTED.match(value) else after
            found = _COUNTED.match(value)
            if found:
                return int(found.group(1)) * _UNITS.get(found.group(2), 1) or 0, unit
        if re.match(r"[-+]\d+\Z", word):
            return int(word.lstrip("-")) if word[0] == "-" else int(word), "lines"
    return 10, "lines"


def _ended(path: str, words: list[str], *, at_end: bool) -> int:
    """How many bytes head or tail would print."""
    size = _size(path)
    count, unit = _count(words)
    from_start = at_end and any(re.search(r"(^|[nc=])\+\d", word) for word in words)
    if from_start or (not at_end and count < 0):
        return max(0, size - abs(count)) if unit == "bytes" else size
    if unit == "bytes":
        return min(size, abs(count))
    with open(path, "rb") as stream:
        if at_end:
            stream.seek(max(0, size - (1 << 20)))
        data = stream.read(1 << 20)
    lines = data.split(b"\n")
    if at_end and lines and not lines[-1]:
        lines = lines[:-1]
    taken = lines[-abs(count) :] if at_end else lines[: abs(count)]
    return sum(len(line) + 1 for line in taken) if count else 0


def _pattern(words: list[str]) -> list[str]:
    given = [after for word, after in zip(words, words[1:]) if word in ("-e", "--regexp")]
    plain = [word for word in words if not word.startswith("-") or word == "-"]
    return given or plain[:1]


def _is_match_all(pattern: str) -> bool:
    return pattern in ("", ".", ".*", "^", "$", ".+", "^.*$", "^.*", ".*$", "[^x]", r"\|", "|")


def _grepped(path: str, words: list[str]) -> int:
    """How many bytes grep would print, for patterns that Python reads alike."""
    if any(re.match(r"-[a-zA-Z]*[clLqo]|--count|--only|--quiet|--files", word) for word in words):
        return 0
    patterns = _pattern(words)
    if any(_is_match_all(pattern) for pattern in patterns) or not patterns:
        return _size(path)
    fixed = any(re.match(r"-[a-zA-Z]*F", word) for word in words)
    flags = re.IGNORECASE if any(re.match(r"-[a-zA-Z]*i", word) for word in words) else 0
    inverted = any(re.match(r"-[a-zA-Z]*v|--invert", word) for word in words)
    most = _most_matches(words)
    try:
        texts = [re.escape(text) if fixed else text.replace(r"\|", "|") for text in patterns]
        forms = [re.compile(text.encode(), flags) for text in texts]
        with open(path, "rb") as stream:
            lines = stream.read(_MOST_SCANNED).split(b"\n")
    except (re.error, OSError):
        return 0
    found = [line for line in lines if any(form.search(line) for form in forms) != inverted]
    printed = sum(len(line) + 1 for line in found[:most])
    widest = max((len(line) for line in found[:most]), default=0)
    return printed if widest > MOST or printed > 4 * MOST or inverted else 0


def _most_matches(words: list[str]) -> int | None:
    for word, after in zip(words, [*words[1:], ""]):
        value = after if word == "-m" else word[2:] if word.startswith("-m") else ""
        if value.isdigit():
            return int(value)
    return None


def refusal_to_read(tool: dict[str, Any], ground: Ground) -> str:
    """Why the Read tool would fill the context with a log."""
    path = os.path.realpath(str(tool.get("file_path") or ""))
    if not ground.is_log(path) or _size(path) <= MOST:
        return ""
    limit, offset = tool.get("limit"), tool.get("offset")
    if not isinstance(limit, int):
        return _reason(ground, path)
    first = offset if isinstance(offset, int) and offset > 0 else 1
    with open(path, "rb") as stream:
        lines = stream.read(_MOST_SCANNED).split(b"\n")[first - 1 : first - 1 + limit]
    printed = sum(min(len(line), 2000) + 8 for line in lines)  # the tool cuts longer lines
    return _reason(ground, path) if printed > 4 * MOST else ""


def refusal_to_dump(path: str, ground: Ground) -> str:
    """For code that prints a file as it is."""
    real = os.path.realpath(path)
    return _reason(ground, real) if ground.is_log(real) and _size(real) > MOST else ""
