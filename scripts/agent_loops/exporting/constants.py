"""Finds the named constants of code: `LEARNING_RATE = 0.2`, `lr: 0.1`, `--lr 0.1`.

Reads Python as syntax, JSON as values, everything else line by line; runs nothing, and leaves out
what a file states twice with different values.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, NamedTuple

_LONGEST = 250
_DEEPEST = 12
_MOST_IN_FILE = 5000
_SETTINGS = frozenset((".yaml", ".yml", ".toml", ".ini", ".cfg", ".conf", ".gin", ".env"))
_SHELL = frozenset((".sh", ".bash", ".sbatch", ".slurm"))
_ASSIGNED = r"""(\s*)(?:-\s+)?['"]?([A-Za-z_][\w./-]*)['"]?\s*[:=]\s*(.*)"""
_OPTION = (
    r"(?<!\S)(?:--([A-Za-z][\w.-]*)[= ]\s*|([A-Za-z_]\w*)=)"
    r"""('[^']*'|"[^"]*"|[^\s-]\S*|-[\d.]\S*)"""
)


class Constant(NamedTuple):
    """`text` is its value, numbers as Python writes them.

    An `incidental` one (a keyword of a call, a function's local) comes and goes with the code
    around it: only another value of it says that it was changed.
    """

    text: str
    incidental: bool = False


def of_file(path: str, data: bytes) -> dict[str, Constant] | None:
    """The constants of one file by name; None where it cannot be read as what it is."""
    text = data.decode("utf-8", "replace")
    suffix = PurePosixPath(path).suffix.lower()
    try:
        if suffix == ".py":
            return _unambiguous(_of_python(_parsed(text)))
        if suffix == ".json":
            return _unambiguous(_of_value(json.loads(text), "", 0))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if suffix in _SETTINGS:
        return _unambiguous(_of_settings(text))
    if suffix in _SHELL or text.startswith(("#!/bin/sh", "#!/bin/bash", "#!/usr/bin/env bash")):
        return _unambiguous(_of_command_lines(text))
    return {}


def _parsed(text: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of an escape in somebody's text
        return ast.parse(text)


_Found = Iterator[tuple[str, Constant]]


def _unambiguous(found: _Found) -> dict[str, Constant]:
    kept: dict[str, Constant] = {}
    twice: set[str] = set()
    for name, constant in found:
        if kept.setdefault(name, constant).text != constant.text:
            twice.add(name)
        if len(kept) >= _MOST_IN_FILE:
            break
    return {name: constant for name, constant in kept.items() if name not in twice}


def _of_value(value: Any, name: str, depth: int) -> _Found:
    if isinstance(value, dict) and depth < _DEEPEST:
        for key, item in value.items():
            yield from _of_value(item, f"{name}.{key}" if name else str(key), depth + 1)
    elif name and not isinstance(value, dict):
        yield name, Constant((value if isinstance(value, str) else json.dumps(value))[:_LONGEST])


def _of_settings(text: str) -> _Found:
    """`key: value` and `key = value`, under what they are indented or the `[section]` before."""
    section = ""
    above: list[tuple[int, str]] = []
    for line in text.splitlines():
        if head := re.fullmatch(r"\s*\[+([^\[\]=]+)\]+\s*", line):
            section, above = f"{head[1].strip()}.", []
            continue
        match = re.fullmatch(_ASSIGNED, line[:1000])
        if match is None:
            continue
        indent, name, value = len(match[1]), match[2], _written(match[3])
        above = [item for item in above if item[0] < indent]
        if value:
            yield section + ".".join([*(key for _, key in above), name]), Constant(value)
        else:
            above.append((indent, name))


def _of_command_lines(text: str) -> _Found:
    for line in text.splitlines():
        if not line.lstrip().startswith("#"):
            for match in re.finditer(_OPTION, line[:4000]):
                yield match[1] or match[2], Constant(_written(match[3]))


def _written(text: str) -> str:
    """A value without quotes and without the comment behind it."""
    text = text.strip()
    if quoted := re.match(r"'([^']*)'|\"([^\"]*)\"", text):
        return (quoted[1] or quoted[2] or "")[:_LONGEST]
    text = re.sub(r"\s+#.*|^#.*", "", text).strip().rstrip(";,")
    return text[:_LONGEST]


# They hold nothing that could be stated.
_LEAVES = (ast.Name, ast.Constant, ast.expr_context, ast.operator, ast.cmpop, ast.alias, ast.Pass)


def _of_python(tree: ast.Module) -> _Found:
    """In the order of the text; each with the classes and functions that it stands in."""
    waiting: list[tuple[ast.AST, str, bool]] = [(tree, "", False)]
    while waiting:
        node, prefix, is_local = waiting.pop()
        if isinstance(node, ast.ClassDef):
            prefix += f"{node.name}."
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            prefix, is_local = f"{prefix}{node.name}.", True
            yield from _defaults(node.args, prefix)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            yield from _assigned(node, prefix, is_local=is_local)
        elif isinstance(node, ast.Call):
            yield from _called(node)
        below = [item for item in ast.iter_child_nodes(node) if not isinstance(item, _LEAVES)]
        waiting += [(item, prefix, is_local) for item in reversed(below)]


def _assigned(node: ast.Assign | ast.AnnAssign, prefix: str, *, is_local: bool) -> _Found:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    for target in targets:
        values = node.value
        if isinstance(target, ast.Tuple) and isinstance(values, ast.Tuple):
            pairs = list(zip(target.elts, values.elts, strict=False))
        else:
            pairs = [(target, values)] if values is not None else []
        for place, value in pairs:
            name = _dotted(place)
            if name.startswith("self."):
                owner = prefix.split(".")[-3:-2] or [""]
                yield from _stated(f"{owner[0]}.{name[5:]}".lstrip("."), value, incidental=is_local)
            elif name:
                yield from _stated(prefix + name, value, incidental=is_local)


def _defaults(arguments: ast.arguments, prefix: str) -> _Found:
    placed = [*arguments.posonlyargs, *arguments.args]
    named = placed[len(placed) - len(arguments.defaults) :]
    pairs = [
        *zip(named, arguments.defaults, strict=True),
        *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
    ]
    for argument, value in pairs:
        if value is not None:
            yield from _stated(prefix + argument.arg, value, incidental=False)


def _called(call: ast.Call) -> _Found:
    """An option's default by the option's name; a keyword by that of what is called."""
    called = _dotted(call.func).rpartition(".")[2]
    texts = [item.value for item in call.args if isinstance(item, ast.Constant)]
    flags = [text for text in texts if isinstance(text, str) and text.startswith("--")]
    for keyword in call.keywords:
        if called in ("add_argument", "option"):
            if flags and keyword.arg == "default":
                name = max(flags, key=len).lstrip("-").replace("-", "_")
                yield from _stated(name, keyword.value, incidental=False)
        elif called and keyword.arg:
            yield from _stated(f"{called}.{keyword.arg}", keyword.value, incidental=True)


def _stated(name: str, value: ast.expr, *, incidental: bool) -> _Found:
    if isinstance(value, ast.Dict):
        for key, item in zip(value.keys, value.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield from _stated(f"{name}.{key.value}", item, incidental=incidental)
        return
    text = _text_of(value)
    if text is not None:
        yield name, Constant(text[:_LONGEST], incidental)


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (before := _dotted(node.value)):
        return f"{before}.{node.attr}"
    if isinstance(node, ast.Subscript) and (before := _dotted(node.value)):
        key = node.slice.value if isinstance(node.slice, ast.Constant) else None
        return f"{before}.{key}" if isinstance(key, str) else ""
    return ""


def _text_of(node: ast.expr) -> str | None:
    """A constant's value in words: of a literal, simple arithmetic, or a name such as `nn.GELU`."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else repr(node.value)
    if isinstance(node, ast.Attribute):
        return _dotted(node) or None
    number = _number(node)
    if number is not None:
        return repr(number)
    if isinstance(node, ast.Tuple | ast.List) and len(node.elts) <= 20:
        parts = [_text_of(item) for item in node.elts]
        if None not in parts:
            return ", ".join(filter(None, parts))
    return None


def _number(node: ast.expr) -> int | float | None:
    if isinstance(node, ast.Constant):
        value = node.value
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        value = _number(node.operand)
        return None if value is None else -value if isinstance(node.op, ast.USub) else value
    if not isinstance(node, ast.BinOp):
        return None
    left, right = _number(node.left), _number(node.right)
    return None if left is None or right is None else _reckoned(node.op, left, right)


def _reckoned(op: ast.operator, left: float, right: float) -> int | float | None:
    try:
        match op:
            case ast.Add():
                return left + right
            case ast.Sub():
                return left - right
            case ast.Mult():
                return left * right
            case ast.Div():
                return left / right
            case ast.Pow() if abs(left) <= 1000 and abs(right) <= 30:
                return float(result) if isinstance(result := left**right, float) else int(result)
    except (ArithmeticError, TypeError):
        return None
    return None
