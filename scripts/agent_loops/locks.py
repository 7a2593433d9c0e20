"""Finds the locked parts of a file, in a form that only a change of meaning changes.

Python is read as a syntax tree, anything else by named regions. Cannot see a part replaced from
outside the file, or at run time (globals, setattr, exec); for that there is `eval_cmd`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_REGION = rb"^[^\n]*\bregion:?[ \t]+NAME\b[^\n]*\n(.*?)^[^\n]*\bendregion\b"


class Lock(NamedTuple):
    """`path::name`: a function, class or constant of a Python file, or a named region."""

    path: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Lock:
        """Raises `ValueError` where it is not `path::name`."""
        path, separator, name = text.partition("::")
        if not separator or not path or not name.strip():
            raise ValueError("a file and a name, e.g. `train.py::evaluate`")
        return cls(path.removeprefix("./"), name.strip())

    def find(self, data: bytes) -> tuple[str, ...]:
        """Every place in the file's content that defines the name; empty where there is none.

        Raises:
            SyntaxError: a Python file that is none.
        """
        if self.path.endswith((".py", ".pyi")):
            return _in_python(data, self.name)
        return _in_regions(data, self.name)

    def advice(self, data: bytes) -> str:
        """What to do where nothing was found; empty where the name is not in the file at all."""
        if self.path.endswith((".py", ".pyi")) and _is_argument(data, self.name):
            constant = self.name.upper()
            return f", but an argument of that name: write `{constant} = …` and lock {constant}"
        return ""


def _in_python(data: bytes, dotted: str) -> tuple[str, ...]:
    """Definitions of `name` or `Class.name`, and everything that binds, hides or deletes the name.

    Comments, blank lines and formatting are no part of a syntax tree, so they may change.
    """
    import ast

    tree: ast.AST = ast.parse(data)
    scope = tree
    *outer, name = dotted.split(".")
    for part in outer:
        inner = [node for node in ast.iter_child_nodes(scope) if _defines(node, part)]
        if not inner:
            return ()
        scope = inner[-1]
    nodes = [node for node in ast.walk(scope) if node is not scope]
    held = [node for node in nodes if _defines(node, name) or _gives_value(node, name)]
    if not held:
        return ()
    found = [ast.dump(node) for node in held]
    found += [dump for node in nodes for dump in _hidden_by(node, name)]
    if outer:  # Class.name = …, and another Class
        for node in ast.walk(tree):
            if _gives_value(node, outer[0]) or _gives_value(node, dotted):
                found.append(ast.dump(node))
            found += _hidden_by(node, outer[0])
    return tuple(found)


def _defines(node: object, name: str) -> bool:
    import ast

    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return isinstance(node, kinds) and node.name == name


def _gives_value(node: object, name: str) -> bool:
    """Whether it is a simple statement that binds or deletes the name, by whatever expression."""
    import ast

    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return any((item.asname or item.name.split(".")[0]) == name for item in node.names)
    compound = hasattr(node, "body") or hasattr(node, "cases")
    return isinstance(node, ast.stmt) and not compound and _has_target(node, name)


def _has_target(part: object, name: str) -> bool:
    import ast

    assert isinstance(part, ast.AST)
    for node in ast.walk(part):
        bound: set[str | None] = set()
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            bound = {node.id}
        elif isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
            bound = {node.attr, ast.unparse(node)}  # module.evaluate = …
        elif isinstance(node, ast.arg):
            bound = {node.arg}
        elif isinstance(node, (ast.MatchAs, ast.MatchStar)):
            bound = {node.name}
        elif isinstance(node, ast.MatchMapping):
            bound = {node.rest}
        if name in bound:
            return True
    return False


def _hidden_by(node: object, name: str) -> list[str]:
    """The parts of it, the statements inside it left out, through which a name may mean another."""
    import ast

    if isinstance(node, (ast.Global, ast.Nonlocal)) and name in node.names:
        return [ast.dump(node)]
    if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
        return [ast.dump(node)]
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return _parameters(node.args, name)
    if isinstance(node, ast.ExceptHandler):
        return [f"{name}: {node.type and ast.dump(node.type)}"] if node.name == name else []
    if not (hasattr(node, "body") or hasattr(node, "cases") or hasattr(node, "pattern")):
        return []  # a simple statement, or a part of one
    assert isinstance(node, ast.AST)
    inner = (ast.stmt, ast.ExceptHandler, ast.match_case)
    head = [part for part in ast.iter_child_nodes(node) if not isinstance(part, inner)]
    if not any(_has_target(part, name) for part in head):
        return []
    return [ast.dump(part) for part in head]


def _is_argument(data: bytes, name: str) -> bool:
    import ast

    return any(
        isinstance(node, (ast.arg, ast.keyword)) and node.arg == name
        for node in ast.walk(ast.parse(data))
    )


def _parameters(args: object, name: str) -> list[str]:
    """A parameter of that name, with its default."""
    import ast

    assert isinstance(args, ast.arguments)
    placed = [*args.posonlyargs, *args.args]
    defaults = [*[None] * (len(placed) - len(args.defaults)), *args.defaults, *args.kw_defaults]
    pairs = list(zip([*placed, *args.kwonlyargs], defaults, strict=True))
    pairs += [(arg, None) for arg in (args.vararg, args.kwarg) if arg is not None]
    return [
        ast.dump(arg) + (ast.dump(default) if default is not None else "")
        for arg, default in pairs
        if arg.arg == name
    ]


def _in_regions(data: bytes, name: str) -> tuple[str, ...]:
    """The text between `region: NAME` and `endregion`, whatever the comment sign is."""
    pattern = _REGION.replace(b"NAME", re.escape(name.encode()))
    found = re.findall(pattern, data, re.DOTALL | re.MULTILINE)
    return tuple(text.decode("utf-8", "surrogateescape") for text in found)
