"""Turns the expressions that scripts print into lines with holes, as they will stand in the log.

Evaluates nothing: names that are constants in the file are filled in, the rest stays a hole.
"""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

_MOST = 4  # alternatives of one text: `f"{split} loss"` for train and val
_LONGEST = 400


@dataclass(frozen=True, slots=True)
class Hole:
    """A place where a value is printed. `expr` is its source, `spec` a `format` specification."""

    expr: str
    spec: str = ""
    text: bool = False  # surely words, not a number

    def sample(self, number: float) -> str:
        """`number` as this hole prints it; a word where the hole is no number."""
        if self.text:
            return "abc"
        spec = self.spec
        for value in (number, int(number), str(number)):
            try:
                return format(value, spec)
            except (ValueError, TypeError):
                continue
        return str(number)

    @property
    def digits(self) -> int | None:
        """Digits after the point that are printed; None where all are."""
        match = re.search(r"\.(\d+)([fFeEgG%]?)$", self.spec)
        if match and match[2] in ("f", "F", "%", "e", "E"):
            return int(match[1])
        if match and match[2] in ("g", "G", ""):
            return max(0, int(match[1]) - 1)
        return 0 if self.spec[-1:] == "d" else None


Piece: TypeAlias = "str | Hole"
Line: TypeAlias = tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Scope:
    """What names stand for: texts, and the templates that were assigned to them."""

    texts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    lines: Mapping[str, Sequence[ast.expr]] = field(default_factory=dict)

    def of(self, name: str) -> Sequence[str]:
        return self.texts.get(name, ())[:_MOST]


_WORDS = re.compile(
    r"(?i)(?:^|[._])(?:name|path|dir|folder|file|filename|fname|desc|mode|split"
    r"|phase|prefix|stage|label|title|header|"
    r"msg|message|device|tag|key|k|args|config|cfg|model|ckpt|checkpoint|date|string"
    r"|str|info|timestamp|cmd|url|now)"
    r"(?:\(\))?$|strftime|datetime|__name__|os\.path|json\.dumps|\.join\(|get_lr_str"
    r"|timedelta|\bstr\("
)


_RAISED = re.compile(r"(?:e|ex|exc|err|exception)|.*\.__\w+__|traceback\..*")


def lines_of(  # noqa: C901 - one case for each form
    node: ast.expr, scope: Scope, depth: int = 0
) -> list[Line]:
    """Every way the text of `node` may come out, at most a few."""
    if depth > 6:
        return [(_hole(node),)]
    match node:
        case ast.Constant(value=str(text)):
            return [(text,)]
        case ast.Constant(value=value):
            return [(str(value),)]
        case ast.JoinedStr(values=values):
            return _joined([_formatted(value, scope, depth) for value in values])
        case ast.BinOp(left=left, op=ast.Add(), right=right) if _has_text(node):
            return _joined([lines_of(left, scope, depth + 1), lines_of(right, scope, depth + 1)])
        case ast.BinOp(left=left, op=ast.Mod(), right=right):
            return _percent(left, right, scope, depth) or [(_hole(node),)]
        case ast.BinOp(left=ast.Constant(value=str(text)), op=ast.Mult()):
            return [(text * 3,)]
        case ast.Call(func=ast.Attribute(value=value, attr="format"), args=args, keywords=keywords):
            return _format(value, args, keywords, scope, depth) or [(_hole(node),)]
        case ast.Call(
            func=ast.Attribute(value=ast.Constant(value=str(by)), attr="join"),
            args=[ast.List(elts=items) | ast.Tuple(elts=items)],
        ):
            return _joined(_between([lines_of(item, scope, depth + 1) for item in items], by))
        case ast.Call(
            func=ast.Name(id="str" | "float" | "int" | "repr" | "colorstr"), args=[inner]
        ):
            return lines_of(inner, scope, depth + 1)
        case ast.Call(
            func=ast.Attribute(
                value=value,
                attr="upper"
                | "capitalize"
                | "title"
                | "lower"
                | "strip"
                | "rjust"
                | "ljust" as how,
            )
        ):
            found = lines_of(value, scope, depth + 1)
            return [
                tuple(
                    getattr(p, how)() if isinstance(p, str) and how not in ("rjust", "ljust") else p
                    for p in line
                )
                for line in found
            ]
        case ast.Name(id=name):
            if texts := scope.of(name):
                return [(text,) for text in texts]
            assigned = [
                one
                for one in scope.lines.get(name, ())
                if not isinstance(one, ast.Constant) or isinstance(one.value, str)
            ]
            if assigned and depth < 4:
                found = [line for one in assigned[-2:] for line in lines_of(one, scope, depth + 2)]
                return found[:_MOST]
    return [(_hole(node),)]


def _has_text(node: ast.expr) -> bool:
    """Whether a sum is one of texts: some leaf of it is."""
    match node:
        case ast.BinOp(left=left, right=right, op=ast.Add()):
            return _has_text(left) or _has_text(right)
        case ast.Constant(value=value):
            return isinstance(value, str)
        case ast.JoinedStr() | ast.BinOp(op=ast.Mod()):
            return True
        case ast.Call(
            func=ast.Attribute(attr="format" | "join" | "ljust" | "rjust") | ast.Name(id="str")
        ):
            return True
    return False


def printed(args: Sequence[ast.expr], scope: Scope, sep: str = " ") -> list[Line]:
    """What `print(*args)` writes."""
    return _joined(_between([lines_of(arg, scope) for arg in args], sep))


def _hole(node: ast.expr, spec: str = "") -> Hole:
    try:
        text = ast.unparse(node)[:120]
    except (RecursionError, ValueError):
        text = "?"
    wordy = bool(_WORDS.search(text) or _RAISED.fullmatch(text)) and not re.search(
        r"[dfegEG%]$", spec
    )
    return Hole(text, spec, text=wordy or (spec.endswith("s") and wordy))


def _between(parts: Sequence[list[Line]], by: str) -> list[list[Line]]:
    found: list[list[Line]] = []
    for part in parts:
        if found:
            found.append([(by,)])
        found.append(part)
    return found


def _joined(parts: Sequence[list[Line]]) -> list[Line]:
    """The product of alternatives, cut to a few, with neighbouring texts melted together."""
    lines: list[Line] = [()]
    for part in parts:
        options = part if len(lines) * len(part) <= _MOST else part[:1]
        lines = [(*line, *option) for line in lines for option in options]
    return [_melt(line) for line in lines]


def _melt(line: Sequence[Piece]) -> Line:
    found: list[Piece] = []
    for piece in line:
        if isinstance(piece, str) and found and isinstance(found[-1], str):
            found[-1] = (found[-1] + piece)[:_LONGEST]
        elif piece != "":
            found.append(piece)
    return tuple(found)


def _formatted(value: ast.expr, scope: Scope, depth: int) -> list[Line]:
    if not isinstance(value, ast.FormattedValue):
        return lines_of(value, scope, depth + 1)
    spec = ""
    if isinstance(value.format_spec, ast.JoinedStr):
        spec = "".join(
            str(v.value) if isinstance(v, ast.Constant) else "4" for v in value.format_spec.values
        )
    if isinstance(value.value, ast.Constant) and isinstance(value.value.value, float):
        return [(_hole(value.value, spec),)]
    inner = lines_of(value.value, scope, depth + 2)
    if all(isinstance(piece, str) for line in inner for piece in line):
        return inner
    if not re.search(r"[dfegEG%]$", spec) and any(len(line) > 1 for line in inner):
        return inner
    return [(_hole(value.value, spec),)]


_PERCENT = re.compile(
    r"%(?:\((\w+)\))?([-+ #0]*)(\*|\d*)(?:\.(\*|\d+))?[hlL]{0,2}([diouxXeEfFgGcrsa%])"
)


def _percent(left: ast.expr, right: ast.expr, scope: Scope, depth: int) -> list[Line]:
    values = list(right.elts) if isinstance(right, ast.Tuple) else [right]
    named = _dict_of(right)
    found: list[Line] = []
    for line in lines_of(left, scope, depth + 1):
        text = "".join(piece for piece in line if isinstance(piece, str))
        if "%" not in text:
            continue
        found += _fill(text, values, named, scope, depth)
    return found[:_MOST]


def _fill(
    text: str, values: list[ast.expr], named: Mapping[str, ast.expr], scope: Scope, depth: int
) -> list[Line]:
    parts: list[list[Line]] = []
    rest = [value for value in values if not isinstance(value, ast.Starred)]
    end = 0
    for match in _PERCENT.finditer(text):
        parts.append([(text[end : match.start()],)])
        end = match.end()
        if match[5] == "%":
            parts.append([("%",)])
            continue
        value = named.get(match[1] or "") if match[1] else rest.pop(0) if rest else None
        width = "" if match[3] in ("", "*") else match[3]
        kind = "d" if match[5] in "diu" else "" if match[5] in "rsa" else match[5]
        spec = f"{width}.{match[4]}{kind}" if match[4] and kind else f"{width}{kind}"
        spec = spec if kind else ""
        parts.append(_value(value, spec, scope, depth))
    return _joined([*parts, [(text[end:],)]])


def _value(value: ast.expr | None, spec: str, scope: Scope, depth: int) -> list[Line]:
    if value is None:
        return [(Hole("?", spec),)]
    if not re.search(r"[dfegEG%]$", spec):
        inner = lines_of(value, scope, depth + 1)
        if all(isinstance(piece, str) for line in inner for piece in line) or len(inner[0]) > 1:
            return inner
    return [(_hole(value, spec),)]


def _dict_of(node: ast.expr) -> dict[str, ast.expr]:
    match node:
        case ast.Dict(keys=keys, values=values):
            return {
                k.value: v
                for k, v in zip(keys, values, strict=False)
                if isinstance(k, ast.Constant) and isinstance(k.value, str)
            }
        case ast.Call(func=ast.Name(id="dict"), keywords=keywords):
            return {k.arg: k.value for k in keywords if k.arg}
    return {}


def _format(
    base: ast.expr,
    args: Sequence[ast.expr],
    keywords: Sequence[ast.keyword],
    scope: Scope,
    depth: int,
) -> list[Line]:
    named = {keyword.arg: keyword.value for keyword in keywords if keyword.arg}
    found: list[Line] = []
    for line in lines_of(base, scope, depth + 1):
        if not all(isinstance(piece, str) for piece in line):
            continue
        try:
            fields = list(string.Formatter().parse("".join(str(piece) for piece in line)))
        except ValueError:
            continue
        parts: list[list[Line]] = []
        number = 0
        for literal, name, spec, _ in fields:
            parts.append([(literal,)])
            if name is None:
                continue
            head = re.split(r"[.\[]", name)[0]
            index = int(head) if head.isdigit() else number
            number += not head
            value = (
                args[index]
                if (not head or head.isdigit()) and index < len(args)
                else named.get(head)
            )
            spec = re.sub(r"\{[^}]*\}", "4", spec or "")
            if value is not None and name == head:
                parts.append(_value(value, spec, scope, depth))
            else:
                parts.append([(Hole(name or "?", spec, text=bool(_WORDS.search(name))),)])
        found += _joined(parts)
    return found[:_MOST]


# --- the names of holes -------------------------------------------------------------------------

_ENDS = re.compile(
    r"[,;|│\t\n\[\]{}<>•*#()!?]|(?<!\w)-+(?!\w)|\s{3,}|=>|->|={2,}>?|(?<=[:=])\s|\s/\s|\.{2,}"
)
_SIGNS = " \t:=|│┃\"'`*(["


def label_before(text: str) -> str:
    """The words that name the number which follows `text` on its line."""
    text = text.rsplit("\n", 1)[-1].rsplit("\r", 1)[-1]
    bare = text.rstrip(_SIGNS + "\u2502")
    if not bare or len(text) - len(bare) > 80:
        return ""
    piece = _ENDS.split(bare)[-1].strip(" .-\u2013\"'`")
    if not re.search(r"[A-Za-z]", piece):
        return ""
    return piece[-60:]


def holes_of(line: Line) -> Iterator[tuple[int, Hole, str]]:
    """Each hole's place in `line`, with the words right before it."""
    for at, piece in enumerate(line):
        if isinstance(piece, Hole):
            before = line[at - 1] if at and isinstance(line[at - 1], str) else ""
            yield at, piece, label_before(str(before))


def sample_of(at: int) -> float:
    """A number that stands for the hole at place `at`; no two places share one."""
    return (at + 1) * 11 + 0.4375


def render(line: Line) -> str:
    """The line as it may stand in a log, with a different number in each hole."""
    return "".join(
        p if isinstance(p, str) else p.sample(sample_of(at)) for at, p in enumerate(line)
    )
