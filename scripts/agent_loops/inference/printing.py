"""Finds what a source file prints, logs or writes: Python by its syntax tree, the rest by patterns.

Follows names within one file; what a dependency prints is known only where it is well known.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import Literal

from agent_loops.inference import scopes
from agent_loops.inference.templates import Hole, Line, Scope, lines_of, printed

Via = Literal["print", "progress", "logger", "file", "framework"]
_MOST = 600


@dataclass(frozen=True, slots=True)
class Output:
    """One line that a file puts out. `where` is the function around it, empty at the top level.

    `via` says where a reader meets it: on the log (`print`), in a progress bar, in a logger's
    files (TensorBoard, wandb, Lightning), in a file of its own, or from a framework's own print.
    """

    path: str
    number: int
    line: Line
    via: Via = "print"
    where: str = ""
    depth: int = 0  # of loops around it, within its function
    tool: str = "print"
    file: str = ""
    key: str = ""


_LOG_NAMES = frozenset(
    [
        "print",
        "print0",
        "print_",
        "rprint",
        "log",
        "info",
        "warning",
        "write",
        "echo",
        "print_rank_0",
        "print_rank0",
        "print_log",
        "print_main",
        "rank_zero_info",
        "rank_zero_print",
        "pprint",
        "cprint",
        "master_print",
        "log_print",
        "log_info",
        "log_message",
        "say",
        "print_once",
        "logprint",
        "print_and_log",
        "print_on_main",
        "puts",
        "log_string",
        "log_line",
        "print_master",
        "secho",
        "printl",
    ]
)
_LOGGERS = re.compile(
    r"(?i)(?:wandb|run|writer|tb|summary|mlflow|logger|neptune|comet|experiment"
    r"|tracker|clearml|aim|trackio|swanlab|metrics?_?writer|tensorboard\w*|sw)$"
)
_LOGGING = frozenset(
    "log log_dict log_metrics log_metric add_scalar add_scalars scalar set_postfix set_postfix_str "
    "set_description report logkv record record_tabular log_scalar".split()
)
_STREAMS = frozenset("sys.stdout stdout tqdm tqdm.tqdm pbar bar sys.stderr".split())
_MATHS = frozenset("math np torch jnp numpy F tf jax".split())
MAIN = "__main__"  # `where` of what only the file itself, run as a script, does
_INDENT = (ast.For, ast.While, ast.AsyncFor)


def outputs_of(path: str, tree: ast.Module) -> list[Output]:
    """Everything that a Python file puts out, in the order of its lines."""
    reader = _Reader(path, tree)
    reader.visit(tree, "", 0)
    return sorted(reader.found[:_MOST], key=lambda output: output.number)


class _Reader:
    """One walk over a file; knows the constants, the printers and the functions around."""

    def __init__(self, path: str, tree: ast.Module) -> None:
        self.path = path
        self.found: list[Output] = []
        self.scopes: list[Scope] = [scopes.scope_of(tree)]
        self.inside: list[ast.FunctionDef | ast.AsyncFunctionDef] = []
        nodes = list(ast.walk(tree))
        self.printers = scopes.printers(nodes)
        self.called = scopes.constant_arguments(nodes)
        self.summary = any(
            isinstance(n, ast.FunctionDef) and n.name == "display_summary" for n in nodes
        )

    def visit(self, node: ast.AST, where: str, depth: int) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                self.inside.append(child)
                self.visit(child, f"{where}.{child.name}" if where else child.name, 0)
                self.inside.pop()
                del self.scopes[len(self.inside) + 1 :]
            elif isinstance(child, ast.ClassDef):
                self.visit(child, f"{where}.{child.name}" if where else child.name, 0)
            elif isinstance(child, ast.If) and not where and "__name__" in ast.unparse(child.test):
                self.visit(child, MAIN, 0)
            else:
                if isinstance(child, ast.Call):
                    self.call(child, where, depth)
                self.visit(child, where, depth + isinstance(child, _INDENT))

    @property
    def scope(self) -> Scope:
        """What names stand for here; made when it is first asked for."""
        while len(self.scopes) <= len(self.inside):
            self.scopes.append(self._inner(self.inside[len(self.scopes) - 1]))
        return self.scopes[-1]

    def _inner(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> Scope:
        own = scopes.scope_of(function)
        outer = self.scopes[-1]
        texts = {**outer.texts, **own.texts}
        names = [arg.arg for arg in (*function.args.args, *function.args.kwonlyargs)]
        called = self.called.get(function.name, {})
        texts.update({name: values for name, values in called.items() if name in names})
        return Scope(texts, {**outer.lines, **own.lines})

    def add(
        self,
        node: ast.Call,
        line: Line,
        where: str,
        depth: int,
        *,
        via: Via = "print",
        tool: str = "print",
        file: str = "",
        key: str = "",
    ) -> None:
        if len(self.found) < _MOST:
            self.found.append(
                Output(self.path, node.lineno, line, via, where, depth, tool, file, key)
            )

    def call(self, node: ast.Call, where: str, depth: int) -> None:
        name, owner = scopes.called_name(node)
        if name in _LOGGING and self._logged(node, name, owner, where, depth):
            return
        if name == "dump" and owner.endswith("json") and len(node.args) >= 2:
            self._dumped(node, where, depth)
        elif name == "AverageMeter" and node.args:
            self._meter(node, where, depth)
        elif name == "write" and owner not in _STREAMS:
            self._written(node, owner, where, depth)
        elif "progress" in name and name not in _LOG_NAMES:
            self._own_bar(node, where, depth)
        elif name in _LOG_NAMES or name in self.printers:
            self._shown(node, name, owner, where, depth)

    def _shown(self, node: ast.Call, name: str, owner: str, where: str, depth: int) -> None:
        """A call that prints, unless it is a logarithm or a logger's own `log(name, value)`."""
        if name in ("log", "info", "warning", "report", "record") and _math(node, owner):
            return
        key = _bare_name(node.args[0]) if name == "log" and owner and len(node.args) > 1 else ""
        if key:
            line: Line = (f"{key}=", Hole("logged"))
            self.add(node, line, where, depth, via="logger", tool=owner, key=key)
            return
        args = list(node.args)
        if name in self.printers and name not in _LOG_NAMES:
            at = self.printers[name]
            args = args[at : at + 1]
        self._print(node, args, self.scope, where, depth)

    def _print(
        self, node: ast.Call, args: list[ast.expr], scope: Scope, where: str, depth: int
    ) -> None:
        sep = " "
        for keyword in node.keywords:
            if keyword.arg == "sep" and isinstance(keyword.value, ast.Constant):
                sep = str(keyword.value.value)
            if keyword.arg == "file" and ast.unparse(keyword.value) not in (
                "sys.stdout",
                "sys.stderr",
            ):
                return
        if (
            args
            and isinstance(args[0], ast.Constant)
            and isinstance(args[0].value, str)
            and "%" in args[0].value
            and len(args) > 1
            and scopes.called_name(node)[0] != "print"
        ):
            args = [ast.BinOp(args[0], ast.Mod(), ast.Tuple(args[1:], ast.Load()))]
            ast.fix_missing_locations(args[0])
        for arg in args:
            if (values := scopes.dict_items(arg, scope)) and len(args) <= 2:
                pieces = (p for key, value in values for p in _item(key, value, scope))
                self.add(node, tuple(pieces), where, depth)
                return
        for line in printed(args, scope, sep):
            self.add(node, line, where, depth)

    def _logged(self, node: ast.Call, name: str, owner: str, where: str, depth: int) -> bool:
        """A progress bar's or a logger's call; whether it is one."""
        if name in ("set_postfix", "set_postfix_str", "set_description"):
            self._bar(node, where, depth)
            return True
        if owner.split(".")[0] in _MATHS:
            return True
        lightning = owner == "self" and name in ("log", "log_dict")
        known = (
            lightning or _LOGGERS.search(owner) or name in ("add_scalar", "add_scalars", "logkv")
        )
        keys = self._keys(node, name, plain=lightning or owner == "wandb") if known else None
        if keys is None:
            return False
        bar = any(k.arg == "prog_bar" and getattr(k.value, "value", False) for k in node.keywords)
        via: Via = "progress" if bar else "logger"
        tool = "Lightning" if lightning else owner.rsplit(".", 1)[-1]
        for key in keys:
            if re.search(r"[A-Za-z]", key) and len(key) < 80:
                self.add(node, (f"{key}=", Hole(key)), where, depth, via=via, tool=tool, key=key)
        return True

    def _keys(self, node: ast.Call, name: str, *, plain: bool) -> list[str] | None:
        """The names that a logger's call gives; None where it is a logger of messages."""
        if not node.args:
            return []
        arg = node.args[0]
        keys = [key for key, _ in scopes.dict_items(arg, self.scope)]
        if keys and not isinstance(arg, ast.JoinedStr | ast.Constant):
            return keys
        if name in ("log", "log_metrics") and not plain and not isinstance(arg, ast.Dict):
            return None
        lines = lines_of(arg, self.scope)
        return ["".join(p if isinstance(p, str) else "*" for p in line) for line in lines]

    def _bar(self, node: ast.Call, where: str, depth: int) -> None:
        """What a progress bar shows beside its progress."""
        skipped = (None, "refresh", "ordered_dict")
        names = [k.arg for k in node.keywords if k.arg not in skipped]
        items = [key for arg in node.args[:1] for key, _ in scopes.dict_items(arg, self.scope)]
        lines: list[Line] = [(f"{name}=", Hole(str(name))) for name in [*names, *items]]
        if not items and node.args:
            lines += lines_of(node.args[0], self.scope)
        for line in lines:
            self.add(node, line, where, depth, via="progress", tool="tqdm")

    def _own_bar(self, node: ast.Call, where: str, depth: int) -> None:
        """A progress bar of the project's own, which is handed the text to show."""
        for arg in node.args:
            if isinstance(arg, ast.BinOp | ast.JoinedStr | ast.Call):
                for line in lines_of(arg, self.scope):
                    if any(isinstance(piece, str) for piece in line):
                        self.add(node, line, where, depth, via="progress", tool="progress bar")

    def _dumped(self, node: ast.Call, where: str, depth: int) -> None:
        scope = self.scope
        items = scopes.dict_items(node.args[0], scope)
        file = scopes.opened(node.args[1], scope, scope)
        for key, _ in items:
            self.add(
                node,
                (f'"{key}": ', Hole(key)),
                where,
                depth,
                via="file",
                tool="json",
                file=file,
                key=key,
            )

    def _meter(self, node: ast.Call, where: str, depth: int) -> None:
        first = node.args[0]
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            spec = (
                node.args[1].value
                if len(node.args) > 1 and isinstance(node.args[1], ast.Constant)
                else ""
            )
            spec = str(spec).lstrip(":")
            self.add(
                node,
                (f"{first.value} ", Hole("meter", spec), " (", Hole("meter.avg", spec), ")"),
                where,
                depth + 1,
            )
            if self.summary and not re.search(r"train", where):
                self.add(node, (" * ", f"{first.value} ", Hole("meter.avg", ".3f")), where, depth)

    def _written(self, node: ast.Call, owner: str, where: str, depth: int) -> None:
        file = ""
        for name, values in self.scope.lines.items():
            if name == owner:
                file = next(
                    (f for v in values if (f := scopes.opened(v, self.scope, self.scope))), ""
                )
        if not node.args:
            return
        arg = node.args[0]
        inner = arg.left if isinstance(arg, ast.BinOp) and isinstance(arg.op, ast.Add) else arg
        if isinstance(inner, ast.Call) and scopes.called_name(inner)[0] == "dumps":
            for key, _ in scopes.dict_items(inner.args[0], self.scope):
                self.add(
                    node,
                    (f'"{key}": ', Hole(key)),
                    where,
                    depth,
                    via="file",
                    tool="json",
                    file=file,
                    key=key,
                )
            return
        for line in lines_of(arg, self.scope):
            self.add(node, line, where, depth, via="file", tool="text", file=file)


def _item(key: str, value: ast.expr, scope: Scope) -> Line:
    """A printed dictionary's item: a number by its key, a text in its quotes."""
    if not isinstance(value, ast.JoinedStr):
        return (f"'{key}': ", Hole(key), ", ")
    line = lines_of(value, scope)[0]
    if len(line) == 1 and isinstance(line[0], Hole):
        return (f"'{key}': '", Hole(key, line[0].spec), "', ")
    return (f"'{key}': ", Hole(key, text=True), ", ")


def _bare_name(node: ast.expr) -> str:
    """A text that is one word, such as the name under which a value is logged."""
    text = node.value if isinstance(node, ast.Constant) else ""
    return text if isinstance(text, str) and re.fullmatch(r"[\w/@.-]{2,60}", text) else ""


def _math(node: ast.Call, owner: str) -> bool:
    """Whether `log` is the logarithm."""
    if owner == "self" or owner.split(".")[0] in (*_MATHS, "cmath"):
        return not (node.args and isinstance(node.args[0], ast.JoinedStr))
    return False
