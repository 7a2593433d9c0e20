"""Takes every seed out of a Python syntax tree, and remembers what it took.

What comes out is there to be compared, not to be run.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import NamedTuple, cast

from agent_loops import seeds
from agent_loops.seed_syntax import (
    declares_seed,
    divides_data,
    dotted,
    is_number,
    is_own_seeder,
    is_seed,
    is_simple,
    is_stated,
    is_text,
    makes_stream,
    may_vary,
    names_seed,
    names_seeds,
    only_asks,
    sets_stream,
)

_HARMLESS_IMPORTS = frozenset({"random", "numpy", "torch", "os", "jax", "tensorflow", "jax.random"})
_SHOWN = 60  # characters


class Seed(NamedTuple):
    """One place of a seed. `kind` is `call`, `constant` or `default` (of an option or parameter).

    `number` is its first figure as written, "" where the seed is only passed on or None;
    `divides_data` marks what draws a split.
    """

    kind: str
    text: str
    number: str
    line: int
    divides_data: bool = False


class Unseeding(ast.NodeTransformer):
    """Drops what would only seed and stands outside loops; elsewhere masks the value."""

    def __init__(self) -> None:
        self.found: list[Seed] = []
        self._loops = 0
        self._splits = 0
        self._in_class = False
        self._defined: set[str] = set()
        self._seeding_functions: set[str] = set()

    def visit_Module(self, node: ast.Module) -> ast.AST:
        functions = (ast.FunctionDef, ast.AsyncFunctionDef)
        self._defined = {item.name for item in ast.walk(node) if isinstance(item, functions)}
        return self._with_body(node, node.body)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST | None:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST | None:
        return self._function(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST | None:
        """A function that does nothing but seed goes as a whole, and so do calls of it."""
        loops, in_class, self._loops, self._in_class = self._loops, self._in_class, 0, False
        was_empty = _is_empty(node.body)
        self._with_body(node, node.body)
        self._loops, self._in_class = loops, in_class
        if was_empty or node.decorator_list or in_class or not _is_empty(node.body):
            return node
        self._seeding_functions.add(node.name)
        return None

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        in_class, self._in_class = self._in_class, True
        self._with_body(node, node.body)
        self._in_class = in_class
        return node

    def visit_For(self, node: ast.For) -> ast.AST:
        return self._loop(node)

    def visit_AsyncFor(self, node: ast.AsyncFor) -> ast.AST:
        return self._loop(node)

    def visit_While(self, node: ast.While) -> ast.AST:
        return self._loop(node)

    def _loop(self, node: ast.For | ast.AsyncFor | ast.While) -> ast.AST:
        self._loops += 1
        self._with_body(node, node.body)
        self._loops -= 1
        return node

    def visit_With(self, node: ast.With) -> ast.AST:
        return self._with_body(node, node.body)

    def visit_Try(self, node: ast.Try) -> ast.AST:
        return self._with_body(node, node.body)

    def visit_If(self, node: ast.If) -> ast.AST | None:
        """`if torch.cuda.is_available(): torch.cuda.manual_seed_all(7)` goes as a whole."""
        was_empty = _is_empty(node.body)
        self._with_body(node, node.body)
        is_empty = not was_empty and _is_empty(node.body) and not node.orelse
        return None if is_empty and only_asks(node.test) else node

    def _with_body(self, node: ast.AST, body: list[ast.stmt]) -> ast.AST:
        if isinstance(body[0] if body else None, ast.Expr):
            first = cast("ast.Expr", body[0])
            if is_text(first.value):
                del body[0]  # a docstring
        self.generic_visit(node)
        if not body:
            body.append(ast.Pass())
        return node

    def visit_Import(self, node: ast.Import) -> ast.AST | None:
        harmless = all(alias.name in _HARMLESS_IMPORTS for alias in node.names)
        return None if harmless else node

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        call = node.value
        drops = isinstance(call, ast.Call) and not self._loops and self._only_seeds(call)
        self.generic_visit(node)
        return None if drops else node

    def _only_seeds(self, call: ast.Call) -> bool:
        name = dotted(call.func)
        known = sets_stream(name) and name not in self._defined
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        return (known or name in self._seeding_functions) and all(map(is_simple, given))

    def visit_Call(self, node: ast.Call) -> ast.AST:
        name = dotted(node.func)
        splits = divides_data(name)
        self._splits += splits
        if declares_seed(name, node):
            self._mask_default(node, node.args)
        self._take_arguments(name, node)
        self.generic_visit(node)
        self._splits -= splits
        if name == ".manual_seed" and not node.args:
            return cast("ast.Attribute", node.func).value  # Generator().manual_seed(7)
        return node

    def _take_arguments(self, name: str, node: ast.Call) -> None:
        streams = sets_stream(name) or makes_stream(name)
        several = streams and name.endswith("Rngs")  # one stream a keyword
        shown = ast.unparse(node)
        for item in list(node.keywords):
            named = item.arg is not None and seeds.is_seed_name(item.arg)
            if (named or several) and is_seed(item.value):
                text = f"{name}({ast.unparse(item)})" if len(shown) > _SHOWN else shown
                self._remember("call", text, node, item.value)
                node.keywords.remove(item)
        if not node.args:
            return
        first = node.args[0]
        if streams and is_simple(first):
            self._remember("call", shown, node, first)
            del node.args[0]
        elif is_own_seeder(name) and is_stated(first):
            self._remember("call", shown, node, first)
            node.args[0] = ast.Constant(None)

    def _mask_default(self, node: ast.Call, places: list[ast.expr]) -> None:
        """The default of an option or variable that is a seed."""
        shown = ast.unparse(node)
        for item in node.keywords:
            if item.arg == "default" and is_stated(item.value):
                self._remember("default", shown, node, item.value)
                item.value = ast.Constant(None)
        for index, value in enumerate(places):
            if is_stated(value) and not (isinstance(value, ast.Constant) and value.value is None):
                self._remember("default", shown, node, value)
                places[index] = ast.Constant(None)

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        target = node.targets[0]
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            self._assign_several(target.elts, node.value.elts)
        elif all(map(names_seed, node.targets)) and is_seed(node.value):
            self._remember("constant", ast.unparse(node), node, node.value)
            return self._assigned(node)
        elif all(map(names_seeds, node.targets)) and isinstance(node.value, (ast.List, ast.Tuple)):
            self._mask_list(node, node.value)
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        if node.value is not None and names_seed(node.target):
            if is_seed(node.value):
                text = f"{ast.unparse(node.target)} = {ast.unparse(node.value)}"
                self._remember("constant", text, node, node.value)
                return self._assigned(node)
            if isinstance(node.value, ast.Call):
                self._mask_default(node.value, node.value.args)  # field(default=42)
        return self.generic_visit(node)

    def _assigned(self, node: ast.Assign | ast.AnnAssign) -> ast.AST | None:
        if not self._loops and not self._in_class:
            return None
        node.value = ast.Constant(None)
        return node

    def _assign_several(self, targets: list[ast.expr], values: list[ast.expr]) -> None:
        if len(targets) != len(values):
            return
        for index, (target, value) in enumerate(zip(targets, values, strict=True)):
            if names_seed(target) and is_seed(value):
                text = f"{ast.unparse(target)} = {ast.unparse(value)}"
                self._remember("constant", text, value, value)
                values[index] = ast.Constant(None)

    def _mask_list(self, node: ast.Assign, value: ast.List | ast.Tuple) -> None:
        """Each by itself: how many seeds there are is no matter of luck."""
        if value.elts and all(map(is_number, value.elts)):
            self._remember("constant", ast.unparse(node), node, value)
            value.elts = [ast.Constant(None) for _ in value.elts]

    def visit_Dict(self, node: ast.Dict) -> ast.AST:
        kept: list[tuple[ast.expr | None, ast.expr]] = []
        for key, value in zip(node.keys, node.values, strict=True):
            named = isinstance(key, ast.Constant) and seeds.is_seed_name(str(key.value))
            if key is not None and named and is_seed(value):
                text = f"{ast.unparse(key)}: {ast.unparse(value)}"
                self._remember("constant", text, value, value)
            else:
                kept.append((key, value))
        node.keys, node.values = [key for key, _ in kept], [value for _, value in kept]
        return self.generic_visit(node)

    def visit_arguments(self, node: ast.arguments) -> ast.AST:
        placed = [*node.posonlyargs, *node.args]
        self._mask_parameters(placed[len(placed) - len(node.defaults) :], node.defaults)
        self._mask_parameters(node.kwonlyargs, node.kw_defaults)
        return self.generic_visit(node)

    def _mask_parameters(
        self, parameters: Sequence[ast.arg], defaults: list[ast.expr] | list[ast.expr | None]
    ) -> None:
        for index, (parameter, value) in enumerate(zip(parameters, defaults, strict=True)):
            if value is not None and seeds.is_seed_name(parameter.arg) and is_stated(value):
                text = f"{parameter.arg}={ast.unparse(value)}"
                self._remember("default", text, parameter, value)
                defaults[index] = ast.Constant(None)

    def _remember(self, kind: str, text: str, node: ast.expr | ast.stmt | ast.arg,
                  value: ast.expr) -> None:  # fmt: skip
        number = ""
        if is_stated(value) or isinstance(value, ast.Call):
            parts = [part.value for part in ast.walk(value) if isinstance(part, ast.Constant)]
            named = [part for part in parts if isinstance(part, str) and not part.isdigit()]
            # Of a call only `getenv("SEED", 5)` states one, and the variable of the run's is given.
            given = seeds.VARIABLE in named or may_vary(value)
            if is_stated(value) or (named and not given):
                number = next((str(part) for part in parts if str(part).isdigit()), "")
        self.found.append(Seed(kind, text, number, node.lineno, self._splits > 0))


def _is_empty(body: Sequence[ast.stmt]) -> bool:
    return all(isinstance(item, ast.Pass) for item in body)
