"""Finds the locked parts of a file, in a form that only a change of meaning changes.

Python is read as a syntax tree, anything else by named regions. Cannot see a part replaced from
outside the file, by name or at run time; for that there is `eval_cmd`.
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


def _in_python(data: bytes, dotted: str) -> tuple[str, ...]:
    """Definitions of `name` or `Class.name`, and every statement that binds or deletes the name.

    Comments, blank lines and formatting are no part of a syntax tree, so they may change.
    """
    import ast

    scope: ast.AST = ast.parse(data)
    *outer, name = dotted.split(".")
    for part in outer:
        inner = [node for node in ast.iter_child_nodes(scope) if _defines(node, part)]
        if not inner:
            return ()
        scope = inner[-1]
    definitions = (node for node in ast.walk(scope) if node is not scope and _concerns(node, name))
    return tuple(ast.dump(node) for node in definitions)


def _concerns(node: object, name: str) -> bool:
    import ast

    return _defines(node, name) or (isinstance(node, ast.stmt) and _binds(node, name))


def _defines(node: object, name: str) -> bool:
    import ast

    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return isinstance(node, kinds) and node.name == name


def _binds(statement: object, name: str) -> bool:
    """Whether the statement itself, not one inside it, gives the name another value."""
    import ast

    targets: list[ast.expr] = []
    if isinstance(statement, (ast.Assign, ast.Delete)):
        targets = list(statement.targets)
    elif isinstance(statement, (ast.AugAssign, ast.AnnAssign, ast.For, ast.AsyncFor)):
        targets = [statement.target]
    elif isinstance(statement, (ast.With, ast.AsyncWith)):
        targets = [item.optional_vars for item in statement.items if item.optional_vars]
    elif isinstance(statement, (ast.Import, ast.ImportFrom)):
        return any((item.asname or item.name.split(".")[0]) == name for item in statement.names)
    elif isinstance(statement, ast.Global):
        return name in statement.names
    for target in targets:
        for node in ast.walk(target):
            if isinstance(node, ast.Name) and node.id == name:
                return True
            if isinstance(node, ast.Attribute) and node.attr == name:
                return True  # module.evaluate = …
    return False


def _in_regions(data: bytes, name: str) -> tuple[str, ...]:
    """The text between `region: NAME` and `endregion`, whatever the comment sign is."""
    pattern = _REGION.replace(b"NAME", re.escape(name.encode()))
    found = re.findall(pattern, data, re.DOTALL | re.MULTILINE)
    return tuple(text.decode("utf-8", "surrogateescape") for text in found)
