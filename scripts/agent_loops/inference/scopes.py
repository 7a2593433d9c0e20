"""What names stand for within one Python file: texts, templates, dictionaries, opened files.

Follows plain assignments, loops over literals and calls with constant texts; nothing across files.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence

from agent_loops.inference.templates import Scope, lines_of


def called_name(node: ast.Call) -> tuple[str, str]:
    """`logger.info` → ("info", "logger")."""
    match node.func:
        case ast.Name(id=name):
            return name, ""
        case ast.Attribute(attr=name, value=owner):
            try:
                return name, ast.unparse(owner)[:80]
            except (RecursionError, ValueError):
                return name, "?"
    return "", ""


def dict_items(  # noqa: C901 - one case for each form
    node: ast.expr, scope: Scope, depth: int = 0
) -> list[tuple[str, ast.expr]]:
    """The keys that are plain to see of a dictionary, also of one that was assigned to a name."""
    found: list[tuple[str, ast.expr]] = []
    match node:
        case ast.Dict(keys=keys, values=values):
            for key, value in zip(keys, values, strict=False):
                if key is None:
                    found += dict_items(value, scope, depth + 1)
                elif isinstance(key, ast.Constant):
                    if isinstance(key.value, str):
                        found.append((key.value, value))
                elif isinstance(key, ast.JoinedStr | ast.BinOp):
                    for line in lines_of(key, scope):
                        text = "".join(p if isinstance(p, str) else "*" for p in line)
                        found.append((text, value))
        case ast.DictComp(key=key, value=value):
            for line in lines_of(key, scope):
                text = "".join(p if isinstance(p, str) else "*" for p in line)
                if re.search(r"[A-Za-z]", text):
                    found.append((text, value))
        case ast.Call(func=ast.Name(id="dict"), keywords=keywords):
            found += [(k.arg, k.value) for k in keywords if k.arg]
        case ast.Call(func=ast.Attribute(attr="dumps"), args=[inner, *_]) if depth < 3:
            return dict_items(inner, scope, depth + 1)
        case ast.Call(func=ast.Name(id="str" | "OrderedDict"), args=[inner, *_]) if depth < 3:
            return dict_items(inner, scope, depth + 1)
        case ast.Name(id=name) if depth < 3:
            for value in scope.lines.get(name, ())[-3:]:
                if not isinstance(value, ast.Name):
                    found += dict_items(value, scope, depth + 1)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right) if depth < 3:
            return dict_items(left, scope, depth + 1) + dict_items(right, scope, depth + 1)
    return found[:30]


def opened(node: ast.expr, scope: Scope, opens: Scope, depth: int = 0) -> str:
    """The last part of the name of the file that `node` writes to; empty where it is not plain."""
    match node:
        case ast.Call(func=ast.Name(id="open") | ast.Attribute(attr="open"), args=[target, *_]):
            return _file_name(target, scope)
        case ast.Call(func=ast.Attribute(attr="open", value=target)):
            return _file_name(target, scope)
        case ast.Name(id=name) if depth < 2:
            for value in scope.lines.get(name, ()):
                if found := opened(value, scope, opens, depth + 1):
                    return found
    return ""


def _file_name(node: ast.expr, scope: Scope) -> str:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name):
            for value in scope.lines.get(inner.id, ()):
                for text in ast.walk(value):
                    if (
                        isinstance(text, ast.Constant)
                        and isinstance(text.value, str)
                        and re.search(r"\.\w{2,5}$", text.value)
                    ):
                        return text.value
        if (
            isinstance(inner, ast.Constant)
            and isinstance(inner.value, str)
            and re.search(r"\.\w{2,5}$", inner.value)
        ):
            return inner.value
    return ""


def scope_of(  # noqa: C901 - one case for each form
    node: ast.Module | ast.FunctionDef | ast.AsyncFunctionDef,
) -> Scope:
    """Texts and templates that names stand for in one function or at the top of a file."""
    texts: dict[str, list[str]] = {}
    lines: dict[str, list[ast.expr]] = {}
    for child in _own(node):
        match child:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                lines.setdefault(name, []).append(value)
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    texts.setdefault(name, []).append(value.value)
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                lines.setdefault(name, []).append(value)
            case ast.AugAssign(target=ast.Name(id=name), op=ast.Add(), value=value):
                before = lines.get(name)
                if before and _texty(before[-1], value):
                    before[-1] = ast.BinOp(before[-1], ast.Add(), value)
            case ast.For(target=target, iter=iterated):
                _loop(target, iterated, texts)
            case ast.comprehension(target=target, iter=iterated):
                _loop(target, iterated, texts)
            case ast.With(items=items):
                for item in items:
                    if isinstance(item.optional_vars, ast.Name):
                        lines.setdefault(item.optional_vars.id, []).append(item.context_expr)
    args = node.args if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else None
    if args and args.defaults:
        positional = [*args.posonlyargs, *args.args]
        for arg, default in zip(positional[-len(args.defaults) :], args.defaults, strict=True):
            if isinstance(default, ast.Constant) and isinstance(default.value, str):
                texts.setdefault(arg.arg, []).append(default.value)
    return Scope({k: list(dict.fromkeys(v)) for k, v in texts.items()}, lines)


def _texty(*nodes: ast.expr) -> bool:
    """Whether one of the sides of `+=` is a text."""
    return any(
        (isinstance(node, ast.Constant) and isinstance(node.value, str))
        or isinstance(node, ast.JoinedStr)
        or (isinstance(node, ast.BinOp) and _texty(node.left, node.right))
        for node in nodes
    )


def _own(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes of one function, without those of functions in it."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(
            child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda
        ):
            yield from _own(child)


def _loop(target: ast.expr, iterated: ast.expr, texts: dict[str, list[str]]) -> None:
    if isinstance(iterated, ast.List | ast.Tuple | ast.Set) and isinstance(target, ast.Name):
        values = [
            v.value
            for v in iterated.elts
            if isinstance(v, ast.Constant) and isinstance(v.value, str)
        ]
        if values:
            texts.setdefault(target.id, []).extend(values)
        return
    if isinstance(iterated, ast.List | ast.Tuple) and isinstance(target, ast.Tuple):
        for at, name in enumerate(target.elts):
            values = [
                row.elts[at].value  # type: ignore[attr-defined]
                for row in iterated.elts
                if isinstance(row, ast.Tuple)
                and at < len(row.elts)
                and isinstance(row.elts[at], ast.Constant)
                and isinstance(row.elts[at].value, str)  # type: ignore[attr-defined]
            ]
            if values and isinstance(name, ast.Name):
                texts.setdefault(name.id, []).extend(values)


def printers(nodes: Sequence[ast.AST]) -> dict[str, int]:
    """Functions of the file that print one of their parameters, and which."""
    found: dict[str, int] = {}
    for node in nodes:
        if not isinstance(node, ast.FunctionDef) or not node.args.args:
            continue
        names = [arg.arg for arg in node.args.args if arg.arg != "self"]
        if len(names) > 8 or node.end_lineno is None or node.end_lineno - node.lineno > 30:
            continue
        for inner in ast.walk(node):
            if isinstance(inner, ast.Call) and called_name(inner)[0] in ("print", "info", "write"):
                for arg in inner.args[:2]:
                    if isinstance(arg, ast.Name) and arg.id in names and names.index(arg.id) < 2:
                        found.setdefault(node.name, names.index(arg.id))
    return found


def constant_arguments(nodes: Sequence[ast.AST]) -> dict[str, dict[str, list[str]]]:
    """For each function of the file, the texts that its parameters are called with."""
    functions = {
        node.name: [arg.arg for arg in node.args.args if arg.arg not in ("self", "cls")]
        for node in nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    found: dict[str, dict[str, list[str]]] = {}
    for node in nodes:
        if not isinstance(node, ast.Call):
            continue
        name = (
            node.func.id
            if isinstance(node.func, ast.Name)
            else node.func.attr
            if isinstance(node.func, ast.Attribute)
            else ""
        )
        names = functions.get(name)
        if names is None:
            continue
        given = [
            *zip(names, node.args, strict=False),
            *((k.arg, k.value) for k in node.keywords if k.arg),
        ]
        for parameter, value in given:
            if isinstance(value, ast.Constant) and isinstance(value.value, str) and parameter:
                values = found.setdefault(name, {}).setdefault(parameter, [])
                if value.value not in values:
                    values.append(value.value)
    return found
