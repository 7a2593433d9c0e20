"""Finds what a source file prints, logs or writes: Python by its syntax tree, the rest by patterns.

Follows names within one file; what a dependency prints is known only where it is well known.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from agent_loops.templates import Hole, Line, Scope, lines_of, printed

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
    "print print0 print_ rprint log info warning write echo print_rank_0 print_rank0 print_log print_main "
    "rank_zero_info rank_zero_print pprint cprint master_print log_print log_info log_message say "
    "print_once logprint print_and_log print_on_main puts log_string log_line print_master secho printl".split()
)
_LOGGERS = re.compile(
    r"(?i)(?:wandb|run|writer|tb|summary|mlflow|logger|neptune|comet|experiment|tracker|clearml|aim|trackio|swanlab|metrics?_?writer|tensorboard\w*|sw)$"
)
_NOT_SHOWN = re.compile(r"(?i)(?:debug|warn|error|exception|critical)$")
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
        self.scopes: list[Scope] = [_scope_of(tree)]
        self.inside: list[ast.FunctionDef | ast.AsyncFunctionDef] = []
        nodes = list(ast.walk(tree))
        self.printers = _printers(nodes)
        self.called = _constant_arguments(nodes)
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
        own = _scope_of(function)
        outer = self.scopes[-1]
        texts = {**outer.texts, **own.texts}
        names = [arg.arg for arg in (*function.args.args, *function.args.kwonlyargs)]
        for name, values in self.called.get(function.name, {}).items():
            if name in names:
                texts[name] = values
        return Scope(texts, {**outer.lines, **own.lines})

    def add(self, node: ast.Call, line: Line, where: str, depth: int, **more: str) -> None:
        if len(self.found) < _MOST:
            self.found.append(
                Output(self.path, node.lineno, line, where=where, depth=depth, **more)
            )  # type: ignore[arg-type]

    def call(self, node: ast.Call, where: str, depth: int) -> None:
        name, owner = _called_name(node)
        if name in (
            "log",
            "log_dict",
            "log_metrics",
            "log_metric",
            "add_scalar",
            "add_scalars",
            "scalar",
            "set_postfix",
            "set_postfix_str",
            "set_description",
            "report",
            "logkv",
            "record",
            "record_tabular",
            "log_scalar",
        ) and self._logged(node, name, owner, where, depth):
            return
        if name == "dump" and owner.endswith("json") and len(node.args) >= 2:
            self._dumped(node, where, depth)
        elif (
            (name == "AverageMeter"
            and node.args
            and owner == "")
            or (name == "AverageMeter" and node.args)
        ):
            self._meter(node, where, depth)
        elif name in ("print_columns",):
            return
        elif name in _LOG_NAMES or name in self.printers:
            if name == "write" and owner not in (
                "sys.stdout",
                "stdout",
                "tqdm",
                "tqdm.tqdm",
                "pbar",
                "bar",
                "sys.stderr",
            ):
                self._written(node, owner, where, depth)
                return
            if name in ("log", "info", "warning", "report", "record") and _math(node, owner):
                return
            if name == "log" and owner and len(node.args) > 1 and _bare_name(node.args[0]):
                self.add(node, (f"{_bare_name(node.args[0])}=", Hole("logged")), where, depth, via="logger", tool=owner, key=_bare_name(node.args[0]))
                return
            args = list(node.args)
            if name in self.printers and name not in _LOG_NAMES:
                at = self.printers[name]
                args = args[at : at + 1]
            self._print(node, args, self.scope, where, depth)
        elif name == "echo" and owner in ("click", "typer"):
            self._print(node, list(node.args), self.scope, where, depth)

    def _print(
        self, node: ast.Call, args: list[ast.expr], scope: Scope, where: str, depth: int
    ) -> None:
        sep, end = " ", "\n"
        for keyword in node.keywords:
            if keyword.arg in ("sep", "end") and isinstance(keyword.value, ast.Constant):
                text = str(keyword.value.value)
                sep, end = (text, end) if keyword.arg == "sep" else (sep, text)
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
            and _called_name(node)[0] != "print"
        ):
            args = [ast.BinOp(args[0], ast.Mod(), ast.Tuple(args[1:], ast.Load()))]
            ast.fix_missing_locations(args[0])
        for arg in args:
            if (values := _dict_items(arg, scope)) and len(args) <= 2:
                self.add(
                    node,
                    tuple(p for k, _ in values for p in (f"'{k}': ", Hole(k), ", ")),
                    where,
                    depth,
                )
                return
        for line in printed(args, scope, sep):
            self.add(node, line if end == "\n" or not line else line, where, depth)

    def _logged(self, node: ast.Call, name: str, owner: str, where: str, depth: int) -> bool:
        scope = self.scope
        if name in ("set_postfix", "set_postfix_str", "set_description"):
            for keyword in node.keywords:
                if keyword.arg not in (None, "refresh", "ordered_dict"):
                    self.add(
                        node,
                        (f"{keyword.arg}=", Hole(keyword.arg or "")),
                        where,
                        depth,
                        via="progress",
                        tool="tqdm",
                    )
            for arg in node.args[:1]:
                items = _dict_items(arg, scope)
                for key, _ in items:
                    self.add(
                        node, (f"{key}=", Hole(key)), where, depth, via="progress", tool="tqdm"
                    )
                if not items:
                    for line in lines_of(arg, scope):
                        self.add(node, line, where, depth, via="progress", tool="tqdm")
            return True
        if owner.startswith("math") or owner in (
            "np",
            "torch",
            "jnp",
            "numpy",
            "F",
            "tf",
            "tf.math",
            "jax.numpy",
        ):
            return True
        lightning = owner == "self" and name in ("log", "log_dict")
        if (
            not lightning
            and not _LOGGERS.search(owner)
            and name not in ("add_scalar", "add_scalars", "logkv")
        ):
            return False
        keys: list[str] = []
        for arg in node.args[:1]:
            keys += [key for key, _ in _dict_items(arg, scope)]
            if (not keys and name != "log_metrics") or isinstance(arg, ast.JoinedStr | ast.Constant):
                if (
                    name in ("log", "log_metrics")
                    and not lightning
                    and not isinstance(arg, ast.Dict)
                    and owner not in ("wandb",)
                ):
                    return False
                keys += [
                    "".join(p if isinstance(p, str) else "*" for p in line)
                    for line in lines_of(arg, scope)
                ]
        bar = any(
            k.arg == "prog_bar" and isinstance(k.value, ast.Constant) and k.value.value
            for k in node.keywords
        )
        tool = "Lightning" if lightning else owner.rsplit(".", 1)[-1]
        for key in keys:
            if re.search(r"[A-Za-z]", key) and len(key) < 80:
                self.add(
                    node,
                    (f"{key}=", Hole(key)),
                    where,
                    depth,
                    via="progress" if bar else "logger",
                    tool=tool,
                    key=key,
                )
        return True

    def _dumped(self, node: ast.Call, where: str, depth: int) -> None:
        scope = self.scope
        items = _dict_items(node.args[0], scope)
        file = _opened(node.args[1], scope, scope)
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
                file = next((f for v in values if (f := _opened(v, self.scope, self.scope))), "")
        if not node.args:
            return
        arg = node.args[0]
        inner = arg.left if isinstance(arg, ast.BinOp) and isinstance(arg.op, ast.Add) else arg
        if isinstance(inner, ast.Call) and _called_name(inner)[0] == "dumps":
            for key, _ in _dict_items(inner.args[0], self.scope):
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


def _bare_name(node: ast.expr) -> str:
    """A text that is one word, such as the name under which a value is logged."""
    text = node.value if isinstance(node, ast.Constant) else ""
    return text if isinstance(text, str) and re.fullmatch(r"[\w/@.-]{2,60}", text) else ""


def _math(node: ast.Call, owner: str) -> bool:
    """Whether `log` is the logarithm."""
    if owner.split(".")[0] in (
        "math",
        "np",
        "torch",
        "jnp",
        "numpy",
        "F",
        "tf",
        "jax",
        "self",
        "cmath",
    ):
        return not (node.args and isinstance(node.args[0], ast.JoinedStr))
    return False


def _called_name(node: ast.Call) -> tuple[str, str]:
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


def _dict_items(node: ast.expr, scope: Scope, depth: int = 0) -> list[tuple[str, ast.expr]]:
    """The keys that are plain to see of a dictionary, also of one that was assigned to a name."""
    found: list[tuple[str, ast.expr]] = []
    match node:
        case ast.Dict(keys=keys, values=values):
            for key, value in zip(keys, values, strict=False):
                if key is None:
                    found += _dict_items(value, scope, depth + 1)
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
            return _dict_items(inner, scope, depth + 1)
        case ast.Call(func=ast.Name(id="str" | "OrderedDict"), args=[inner, *_]) if depth < 3:
            return _dict_items(inner, scope, depth + 1)
        case ast.Name(id=name) if depth < 3:
            for value in scope.lines.get(name, ())[-3:]:
                if not isinstance(value, ast.Name):
                    found += _dict_items(value, scope, depth + 1)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right) if depth < 3:
            return _dict_items(left, scope, depth + 1) + _dict_items(right, scope, depth + 1)
    return found[:30]


def _opened(node: ast.expr, scope: Scope, opens: Scope, depth: int = 0) -> str:
    """The last part of the name of the file that `node` writes to; empty where it is not plain."""
    match node:
        case ast.Call(func=ast.Name(id="open") | ast.Attribute(attr="open"), args=[target, *_]):
            return _file_name(target, scope)
        case ast.Call(func=ast.Attribute(attr="open", value=target)):
            return _file_name(target, scope)
        case ast.Name(id=name) if depth < 2:
            for value in scope.lines.get(name, ()):
                if found := _opened(value, scope, opens, depth + 1):
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


def _scope_of(node: ast.Module | ast.FunctionDef | ast.AsyncFunctionDef) -> Scope:
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
        (isinstance(node, ast.Constant) and isinstance(node.value, str)) or isinstance(node, ast.JoinedStr)
        or (isinstance(node, ast.BinOp) and _texty(node.left, node.right))
        for node in nodes
    )  # fmt: skip


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


def _printers(nodes: Sequence[ast.AST]) -> dict[str, int]:
    """Functions of the file that print one of their parameters, and which."""
    found: dict[str, int] = {}
    for node in nodes:
        if not isinstance(node, ast.FunctionDef) or not node.args.args:
            continue
        names = [arg.arg for arg in node.args.args if arg.arg != "self"]
        if len(names) > 8 or node.end_lineno is None or node.end_lineno - node.lineno > 30:
            continue
        for inner in ast.walk(node):
            if isinstance(inner, ast.Call) and _called_name(inner)[0] in ("print", "info", "write"):
                for arg in inner.args[:2]:
                    if isinstance(arg, ast.Name) and arg.id in names and names.index(arg.id) < 2:
                        found.setdefault(node.name, names.index(arg.id))
    return found


def _constant_arguments(nodes: Sequence[ast.AST]) -> dict[str, dict[str, list[str]]]:
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


# --- other languages ----------------------------------------------------------------------------

_LITERAL = r'"((?:[^"\\\n]|\\.)*)"'
_OTHER = re.compile(
    rf"(?:\bf?printf0?\s*\((?:\s*std(?:out|err)\s*,)?|\bprintln!\s*\(|\bprint!\s*\(|fmt\.Printf\s*\(|log\.Printf\s*\(|@printf\s*\(?|"
    rf"fmt::print\s*\(|std::format\s*\(|console\.log\s*\(|\bcat\s*\(|sprintf\s*\(|println\s*\(|fmt\.Println\s*\(|std::println\s*\()\s*{_LITERAL}"
)
_CPP_STREAM = re.compile(r"(?:std::)?c(?:out|err)\s*<<\s*([^;]{1,400});")
_VERB = re.compile(
    r"%[-+ #0]*(?:\*|\d*)(?:\.(\*|\d+))?(?:h|l|ll|z|L)?([diouxXeEfFgGcsvtq])|\$?\{([^{}]*)\}|%%"
)


def other_outputs(path: str, text: str) -> list[Output]:
    """What a file in another language prints, found by the shape of its calls."""
    found = []
    for match in _OTHER.finditer(text):
        literal = (
            match[1]
            .replace("\\n", "\n")
            .replace("\\t", "\t")
            .replace('\\"', '"')
            .replace("\\r", "\r")
        )
        for part in literal.split("\n"):
            line = _verbs(part)
            if line:
                found.append(Output(path, text.count("\n", 0, match.start()) + 1, line))
    for match in _CPP_STREAM.finditer(text):
        pieces: list[str | Hole] = []
        for part in re.split(r"<<", match[1]):
            part = part.strip()
            literal_part = re.fullmatch(_LITERAL, part)
            if literal_part:
                pieces.append(literal_part[1].replace("\\n", "\n").replace("\\t", "\t"))
            elif part not in ("std::endl", "endl", "'\\n'") and not part.startswith(
                ("std::set", "std::fixed", "setprecision")
            ):
                pieces.append(Hole(part[:80]))
        if any(isinstance(p, Hole) for p in pieces):
            found.append(Output(path, text.count("\n", 0, match.start()) + 1, tuple(pieces)))
    return sorted(found, key=lambda output: output.number)[:_MOST]


def _verbs(text: str) -> Line:
    pieces: list[str | Hole] = []
    end = 0
    for match in _VERB.finditer(text):
        pieces.append(text[end : match.start()])
        end = match.end()
        if match[0] == "%%":
            pieces.append("%")
            continue
        kind = match[2] or ""
        digits = (
            match[1] if match[1] and match[1] != "*" else "6" if kind in "fFeE" and kind else ""
        )
        spec = (
            f".{digits}{kind}"
            if kind and kind in "fFeEgG" and digits
            else "d"
            if kind and kind in "diu"
            else ""
        )
        if match[3] and (inner := re.search(r":[^}]*?\.(\d+)", match[0])):
            spec = f".{inner[1]}f"
        pieces.append(Hole(match[3] or "?", spec, text=kind in ("s", "c", "q") and kind != ""))
    pieces.append(text[end:])
    return tuple(p for p in pieces if p != "")
