"""What a harmless command would print, where looking at the disk tells: echo, pwd, ls, find.

Starts nothing. A list is rather too long than too short: conditions that would shorten it are not
evaluated, except for names.
"""

from __future__ import annotations

import os
import re

from expand import _SHOW, UNKNOWN, Scope, _regex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_ENTRIES = 3000
_LEFT_OUT = frozenset((".git", ".venv", "venv", "node_modules", "__pycache__"))
_FILTERS = frozenset("cat sort uniq tac grep egrep head tail".split())
_PRINTING = frozenset("ls find fd fdfind git grep rg egrep ag".split())


def printed(argv: list[str], scope: Scope, text: str | None) -> str | None:
    """Standard output, or None where it is not known."""
    if not argv:
        return None
    name = os.path.basename(argv[0])
    words = argv[1:]
    if name in _OF_WORDS:
        return _OF_WORDS[name](words)
    if name == "pwd":
        return scope.cwds[0]
    if name in ("realpath", "readlink", "greadlink"):
        plain = [word for word in words if not word.startswith("-")]
        return "\n".join(os.path.realpath(path) for word in plain for path in scope.absolute(word))
    if name in _FILTERS and text is not None and (not words or name not in ("cat", "head")):
        return _filtered(name, words, text)
    if name in ("cat", "head"):
        return _content(words, scope)
    if name == "git" and words[:2] == ["rev-parse", "--show-toplevel"]:
        return repository(scope.cwds[0]) or UNKNOWN
    return _listed(name, argv, scope) if name in _PRINTING else None


def _filtered(name: str, words: list[str], text: str) -> str:
    """The lines that a filter lets through; all of them where it is not plain which."""
    if name not in ("grep", "egrep") or len(words) != 1 or not re.match(r"[\w./-]+\Z", words[0]):
        return text
    return "\n".join(line for line in text.split("\n") if re.search(words[0], line))


def _echoed(words: list[str]) -> str:
    escapes = False
    while words and re.match(r"-[neE]+\Z", words[0]):
        escapes = escapes or "e" in words[0]
        words = words[1:]
    text = " ".join(words)
    return _unescaped(text) if escapes else text


def _unescaped(text: str) -> str:
    text = re.sub(r"\\x([0-9a-fA-F]{1,2})", lambda found: chr(int(found.group(1), 16)), text)
    text = re.sub(r"\\0?([0-7]{1,3})", lambda found: chr(int(found.group(1), 8) & 255), text)
    return text.replace("\\n", "\n").replace("\\t", "\t").replace("\0", "")


def _formatted(words: list[str]) -> str | None:
    if not words or words[0].startswith("-"):
        return None
    pattern, args = _unescaped(words[0]), list(words[1:])
    if "%" not in pattern:
        return pattern
    if re.sub(r"%%|%s|%b|%q", "", pattern).count("%"):
        return None
    count = len(re.findall(r"%[sbq]", pattern))
    out = ""
    while args or not out:
        turn, args = args[:count], args[count:]
        values = iter([*turn, *[""] * (count - len(turn))])
        out += "".join(
            "%" if piece == "%%" else next(values) if re.match(r"%[sbq]\Z", piece) else piece
            for piece in re.split(r"(%[%sbq])", pattern)
        )
        if not count:
            break
    return out


_OF_WORDS: dict[str, Callable[[list[str]], str | None]] = {
    "echo": _echoed,
    "printf": _formatted,
    "dirname": lambda words: os.path.dirname("".join(words[-1:])) or ".",
    "which": lambda words: "".join(words[-1:]),
    "command": lambda words: "".join(words[-1:]),
    "basename": lambda words: "".join(words[:1]).split("/")[-1],
}


def _content(words: list[str], scope: Scope) -> str | None:
    plain = [word for word in words if not word.startswith("-")]
    texts = []
    for path in [path for word in plain for path in scope.absolute(word)]:
        try:
            if not os.path.isfile(path) or os.path.getsize(path) > 4096:
                return None  # a device has no size, and no end
            with open(path, encoding="utf-8", errors="replace") as stream:
                texts.append(stream.read())
        except (OSError, ValueError):
            return None
    return "".join(texts) or None


def repository(folder: str) -> str:
    """The working tree of git around a folder; "" where there is none."""
    while not os.path.lexists(f"{folder}/.git"):
        parent = os.path.dirname(folder)
        if parent == folder:
            return ""
        folder = parent
    return folder


def _listed(name: str, argv: list[str], scope: Scope) -> str | None:
    plain = [word for word in argv[1:] if not word.startswith("-")]
    if name == "ls":
        return "\n".join(_names(plain or ["."], scope))
    if name == "find":
        return "\n".join(found_files(argv, scope))
    if name == "git":
        named = plain[:1] == ["ls-files"] or "--name-only" in argv
        return "\n".join(_under(["."], scope)) if named else None
    if name in ("grep", "egrep", "rg", "ag"):
        files = any(re.match(r"-[a-zA-Z]*l|--files", word) for word in argv[1:])
        return "\n".join(_under(plain[1:] or ["."], scope)) if files else None
    return "\n".join(_under(["."], scope))


def _names(words: list[str], scope: Scope) -> list[str]:
    found = []
    for word in words:
        for path in scope.absolute(word):
            if os.path.isdir(path):
                found += sorted(os.listdir(path))
            else:
                found.append(word)
    return found


def _under(words: list[str], scope: Scope) -> list[str]:
    return [path for word in words for place in scope.absolute(word) for path in walked(place)]


def walked(place: str) -> list[str]:
    found = [place]
    for folder, folders, names in os.walk(place):
        folders[:] = [name for name in folders if name not in _LEFT_OUT]
        found += [f"{folder}/{name}" for name in (*folders, *names)]
        if len(found) > _MOST_ENTRIES:
            return [*found, f"{place}/{UNKNOWN}"]
    return found


def found_files(argv: list[str], scope: Scope) -> list[str]:
    """What `find` would find, by its folders and the names it asks for."""
    places, words = [], argv[1:]
    while words and not words[0].startswith(("-", "(", "!")):
        places.append(words.pop(0))
    patterns = {
        word: _following(words, word) for word in ("-name", "-iname", "-path", "-wholename")
    }
    paths = _under(places or ["."], scope)
    if "-type" in words:
        kind = "".join(_following(words, "-type")[:1])
        paths = [path for path in paths if os.path.isdir(path) == (kind == "d")]
    names = [*patterns["-name"], *patterns["-iname"]]
    if names and "!" not in words and "-not" not in words:
        tests = [re.compile(_regex(name) + r"\Z", re.IGNORECASE | re.DOTALL) for name in names]
        paths = [path for path in paths if any(test.match(path.split("/")[-1]) for test in tests)]
    return paths


def _following(words: list[str], option: str) -> list[str]:
    return [after.translate(_SHOW) for word, after in zip(words, words[1:]) if word == option]
