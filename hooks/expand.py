"""Expands a word as bash would, with what is known before the command runs.

What only running would tell becomes UNKNOWN within the text; a variable that may have several
values has them all. Files are matched as they lie on the disk now.
"""

from __future__ import annotations

import os
import re

from syntax import Arith, Lit, Proc, Sub, Var, Word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from syntax import Function, Part, Script

UNKNOWN = "\ue0ff"  # no command may hold it: see `shell.parse`
_SPECIAL = "*?[]{},~ \t\n\\-"
_HIDE = {ord(char): 0xE000 + ord(char) for char in _SPECIAL}
_SHOW = {after: before for before, after in _HIDE.items()}
MOST_BYTES = 128 << 10
_MOST_VALUES = 24
_MOST_FIELDS = 4000
_MOST_TEXT = 16 << 20
_BRACE = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(-?\d+|[A-Za-z])\.\.(-?\d+|[A-Za-z])\Z")


class Scope:
    """What a command finds: folders it may be in, variables, functions, links made before."""

    def __init__(self, cwd: str) -> None:
        self.cwds = [cwd]
        self.vars: dict[str, list[str]] = {}
        self.functions: dict[str, Function] = {}
        self.aliases: dict[str, str] = {}
        self.links: dict[str, str] = {}
        self.files: dict[str, str] = {}  # written earlier in the same command
        self.positional: list[str] = []
        self.maybe = 0  # above 0 what is assigned may not be: earlier values stay possible

    def copy(self) -> Scope:
        """For a subshell, which changes nothing outside; links lie on the disk."""
        other = Scope("")
        other.cwds = list(self.cwds)
        other.vars = dict(self.vars)
        other.functions = dict(self.functions)
        other.aliases = dict(self.aliases)
        other.links = self.links
        other.files = self.files
        other.positional = self.positional
        other.maybe = self.maybe
        return other

    def assign(self, name: str, values: list[str]) -> None:
        earlier = self.vars.get(name.rstrip("+"), []) if self.maybe or name.endswith("+") else []
        if name.endswith("+"):
            name, values = name[:-1], [head + text for head in earlier or [""] for text in values]
        before = earlier if self.maybe else []
        self.vars[name] = list(dict.fromkeys([*before, *values]))[:_MOST_VALUES]

    def values(self, name: str) -> list[str]:
        if name in self.vars:
            return self.vars[name] or [""]
        if name == "PWD":
            return list(self.cwds)
        if name.isdigit():
            number = int(name)
            return [self.positional[number - 1]] if 0 < number <= len(self.positional) else [""]
        if name in ("@", "*"):
            return [" ".join(self.positional)]
        if name in ("?", "#", "$", "!", "-", "RANDOM", "SECONDS", "LINENO", "REPLY"):
            return [UNKNOWN]
        return [os.environ.get(name, UNKNOWN)]

    def absolute(self, path: str) -> list[str]:
        """The path in each folder that the command may be in; a link made before is followed."""
        if not path.isascii() or "\0" in path:
            path = path.encode("utf-8", "replace").decode().replace("\0", UNKNOWN)
        if os.path.isabs(path):
            places = [os.path.normpath(path)]
        else:
            places = [os.path.normpath(f"{cwd}/{path}") for cwd in self.cwds]
        if "../" in path and UNKNOWN not in path:  # behind a link, `..` is where that leads
            made = [self._followed(os.path.join(cwd, path)) for cwd in self.cwds]
            places += [
                f"{os.path.realpath(os.path.dirname(one))}/{os.path.basename(one)}" for one in made
            ]
            places = list(dict.fromkeys(places))
        return [self._followed(place) for place in places]

    def read(self, name: str) -> str | None:
        """A small text file's content; None where it is none, or not there."""
        for path in self.absolute(name):
            if path in self.files:
                return self.files[path]
            try:
                if os.path.isfile(path) and os.path.getsize(path) <= MOST_BYTES:
                    with open(path, encoding="utf-8", errors="replace") as stream:
                        return stream.read()
            except (OSError, ValueError):
                continue
        return None

    def _followed(self, path: str) -> str:
        for link, target in self.links.items():
            if path == link or path.startswith(link + "/"):
                return target + path[len(link) :]
        return path


class Expander:
    """Words to fields. `run` walks a substitution and returns what it prints, or None."""

    def __init__(self, scope: Scope, run: Callable[[Script], str | None]) -> None:
        self.scope = scope
        self.run = run

    def fields(self, word: Word) -> list[str]:
        """The arguments that the word becomes; a word of nothing but quotes is one of them."""
        if len(word.parts) == 1 and isinstance(word.parts[0], Lit) and word.parts[0].quoted:
            return [word.parts[0].text]
        found: list[str] = []
        for text in self._texts(word):
            for braced in _braces(text):
                for field in self._split(braced):
                    found += self._paths(_tilde(field))
        if not found and any(_keeps_empty(part) for part in word.parts):
            found = [""]
        return list(dict.fromkeys(found))[:_MOST_FIELDS] if len(found) > 1 else found

    def text(self, word: Word) -> list[str]:
        """The values of a word where bash neither splits nor matches: an assignment, a string."""
        return [_tilde(text).translate(_SHOW) for text in self._texts(word)]

    def choices(self, word: Word) -> list[list[str]]:
        """What the word becomes for each value that its variables may have."""
        found = []
        for text in self._texts(word):
            fields = [field for braced in _braces(text) for field in self._split(braced)]
            found.append([path for field in fields for path in self._paths(_tilde(field))])
        return found

    def _texts(self, word: Word) -> list[str]:
        """Every text that the word may become, quoted characters hidden from what follows."""
        texts = [""]
        for part in word.parts:
            values = self._part(part)
            texts = [text + value for text in texts for value in values][:_MOST_VALUES]
            if sum(map(len, texts)) > _MOST_TEXT:
                raise MemoryError  # x="$x$x", again and again
        return texts

    def _part(self, part: Part) -> list[str]:
        if isinstance(part, Lit):
            return [part.text.translate(_HIDE) if part.quoted else part.text]
        if isinstance(part, Arith):
            self._texts(part.inner)
            return [UNKNOWN]
        if isinstance(part, Proc):
            self.run(part.script)
            return ["/dev/fd/" + UNKNOWN]
        if isinstance(part, Sub):
            value = self.run(part.script)
            values = [UNKNOWN if value is None else value.rstrip("\n")]
        else:
            values = self._variable(part)
        return [value.translate(_HIDE) for value in values] if part.quoted else values

    def _variable(self, part: Var) -> list[str]:
        values = self.scope.values(part.name)
        if part.arg is None:
            return values
        args = [arg.translate(_SHOW) for arg in self._texts(part.arg)]
        return list(
            dict.fromkeys(_applied(part.op, value, arg) for value in values for arg in args)
        )

    def _split(self, text: str) -> list[str]:
        own = self.scope.vars.get("IFS")
        if own:
            text = re.sub(f"[{re.escape(''.join(own))}]", " ", text) if "".join(own) else text
        return text.split()

    def _paths(self, field: str) -> list[str]:
        """The files that a pattern matches; the pattern itself where there is none."""
        if any(char in field for char in "*?[") and UNKNOWN not in field:
            found = [path for cwd in self.scope.cwds for path in _matches(field, cwd)]
            if found:
                return found
        return [field.translate(_SHOW)]


def _keeps_empty(part: Part) -> bool:
    return isinstance(part, (Lit, Var, Sub)) and part.quoted


def _applied(op: str, value: str, arg: str) -> str:
    """`${name OP arg}`, where it can be known."""
    if op in ("-", ":-", "=", ":="):
        return arg if value == UNKNOWN or (not value and op[0] == ":") else value
    if op in ("+", ":+"):
        return arg if value else ""
    if op in ("", "?", ":?") and (op != "?" or not arg):
        return value if op != "?" else UNKNOWN
    if UNKNOWN in value or UNKNOWN in arg:
        return UNKNOWN
    if op in ("#", "##", "%", "%%"):
        return _trimmed(op, value, arg)
    if op in ("/", "//"):
        old, _, new = arg.partition("/")
        if not old or any(char in old for char in "*?[#%"):
            return UNKNOWN
        return value.replace(old, new, 1 if op == "/" else -1)
    if op == ":":
        return _cut(value, arg)
    if op in ("^^", ",,"):
        return value.upper() if op == "^^" else value.lower()
    return UNKNOWN


def _trimmed(op: str, value: str, pattern: str) -> str:
    matching = re.compile(_regex(pattern) + r"\Z", re.DOTALL)
    lengths = list(range(len(value) + 1))
    if op in ("##", "%%"):
        lengths.reverse()
    for length in lengths:
        head, tail = value[:length], value[length:]
        if op[0] == "#" and matching.match(head):
            return tail
        if op[0] == "%" and matching.match(value[len(value) - length :]):
            return value[: len(value) - length]
    return value


def _cut(value: str, arg: str) -> str:
    try:
        numbers = [int(number) for number in arg.split(":")]
    except ValueError:
        return UNKNOWN
    start = numbers[0] if numbers[0] >= 0 else max(0, len(value) + numbers[0])
    if len(numbers) == 1:
        return value[start:]
    return value[start : start + numbers[1]] if numbers[1] >= 0 else value[start : numbers[1]]


def _tilde(text: str) -> str:
    if text == "~" or text.startswith("~/"):
        return os.path.expanduser("~") + text[1:]
    return text


def _braces(text: str) -> list[str]:
    """`a{b,c}` as `ab ac`, `{1..3}` as `1 2 3`."""
    if "{" not in text:
        return [text]
    done: list[str] = []
    waiting = [text]
    while waiting and len(done) + len(waiting) < _MOST_FIELDS:
        text = waiting.pop()
        for found in _BRACE.finditer(text):
            choices = _choices(found.group(1))
            if choices:
                head, tail = text[: found.start()], text[found.end() :]
                waiting += [head + choice + tail for choice in reversed(choices)]
                break
        else:
            done.append(text)
    return done + waiting


def _choices(inner: str) -> list[str]:
    if "," in inner:
        return inner.split(",")
    found = _RANGE.match(inner)
    if not found:
        return []
    first, last = found.groups()
    if first.lstrip("-").isdigit() and last.lstrip("-").isdigit():
        low, high = int(first), int(last)
        step = 1 if high >= low else -1
        return [str(number) for number in range(low, high + step, step)[:100]]
    if len(first) == len(last) == 1:
        step = 1 if last >= first else -1
        return [chr(code) for code in range(ord(first), ord(last) + step, step)]
    return []


def _regex(pattern: str) -> str:
    """A file name's pattern as a regular expression; hidden characters are themselves."""
    out, index = [], 0
    while index < len(pattern):
        char = pattern[index]
        index += 1
        if char == "*":
            out.append(".*")
        elif char == "?":
            out.append(".")
        elif char == "[":
            classes = re.match(r"[!^]?\]?(\[:\w+:\]|[^]])*", pattern[index:])  # [[:alpha:]]
            end = index + classes.end() if classes else -1
            end = end if pattern[end : end + 1] == "]" else -1
            if end < 0:
                out.append(r"\[")
                continue
            inner = pattern[index:end].translate(_SHOW).replace("\\", r"\\").replace("[", r"\[")
            inner = "^" + inner[1:] if inner[:1] in ("!", "^") else inner
            out.append("." if "[:" in inner else f"[{inner}]")
            index = end + 1
        else:
            out.append(re.escape(char.translate(_SHOW)))
    return "".join(out)


def _matches(pattern: str, cwd: str) -> list[str]:
    """The paths that match, as the pattern writes them: absolute, or from `cwd`."""
    found = ["/"] if pattern.startswith("/") else [""]
    for piece in [piece for piece in pattern.split("/") if piece]:
        shown = piece.translate(_SHOW)
        if not any(char in piece for char in "*?["):
            found = [path + shown for path in found if os.path.lexists(_at(cwd, path + shown))]
        else:
            found = [path + name for path in found for name in _names(_at(cwd, path), piece)]
        found = [path + "/" for path in found[:_MOST_FIELDS]]
    return [path.rstrip("/") for path in found]


def _names(folder: str, piece: str) -> list[str]:
    try:
        matching = re.compile(_regex(piece) + r"\Z", re.DOTALL)
        names = sorted(os.listdir(folder or "."))
    except (OSError, re.error, ValueError):
        return []
    if piece == "**":
        return names
    return [
        name
        for name in names
        if matching.match(name) and (not name.startswith(".") or piece.startswith("."))
    ]


def _at(cwd: str, path: str) -> str:
    return path if path.startswith("/") else f"{cwd}/{path}"
