"""The switches of a program: argparse, click, absl, dataclasses, `--name=value` globals.

Reads declarations; whether a switch has an effect is for a run to say.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass

from agent_loops.inference.survey import Survey


@dataclass(frozen=True, slots=True)
class Option:
    """One switch. `flag` is how it is written on the command line, `style` ends it: " " or "="."""

    name: str  # with underscores, without dashes
    flag: str
    default: object
    path: str
    number: int
    style: str = " "
    required: bool = False
    short: str = ""  # `-o` beside `--output`

    @property
    def place(self) -> str:
        return f"{self.path}:{self.number}"

    @property
    def spelled(self) -> str:
        """An expression for the switch on a command line, up to its value."""
        spellings = "|".join(map(re.escape, filter(None, (self.flag, self.short))))
        return rf"(?<!\S)(?:{spellings})[= ]\s*"


def options_of(survey: Survey, script: str, files: Sequence[str]) -> dict[str, Option]:
    """The switches of `script`, those declared in its own file first."""
    found: dict[str, Option] = {}
    for path in (p for p in files[:80] if p.endswith(".py")):
        declares = path == script or re.search(
            r"add_argument|DEFINE_\w+\(|\.option\(", survey.text(path)
        )
        tree = survey.tree(path) if declares else None
        if tree is None:
            continue
        for option in _declared(path, tree, script):
            found.setdefault(option.name, option)
    text, tree = survey.text(script), survey.tree(script)
    more: list[Option] = []
    if tree and any("globals()[" in survey.text(path) for path in files):
        more += _globals(script, tree)
    if "merge_from_args" in text:
        more += _nodes(survey, files)
    if tree and "Fire(" in text:
        more += _fired(script, tree)
    for option in more:
        found.setdefault(option.name, option)
    if re.search(r"(?s)HfArgumentParser.*TrainingArguments", text):
        for name, default in (
            ("num_train_epochs", 3),
            ("output_dir", None),
            ("seed", 42),
            ("max_steps", -1),
        ):
            found.setdefault(
                name,
                Option(
                    name, f"--{name}", default, script, survey.line_of(script, "TrainingArguments")
                ),
            )
    return found


def _declared(path: str, tree: ast.Module, script: str) -> list[Option]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            option = _argument(path, node)
            if option:
                found.append(option)
        elif isinstance(node, ast.ClassDef) and path == script and _is_cli_class(node, tree):
            found += _fields(path, node)
    return found


def _argument(path: str, node: ast.Call) -> Option | None:
    called = (
        node.func.attr
        if isinstance(node.func, ast.Attribute)
        else node.func.id
        if isinstance(node.func, ast.Name)
        else ""
    )
    texts = [
        arg.value
        for arg in node.args
        if isinstance(arg, ast.Constant) and isinstance(arg.value, str)
    ]
    keywords = {k.arg: k.value for k in node.keywords if k.arg}
    if called in ("add_argument", "option"):
        flags = [text for text in texts if text.startswith("--")]
        if not flags:
            return None
        flag = max(flags, key=len)
        default = _constant(keywords.get("default"))
        required = _constant(keywords.get("required")) is True
        return Option(
            flag.lstrip("-").replace("-", "_"),
            flag,
            default,
            path,
            node.lineno,
            required=required,
            short=next((text for text in texts if re.fullmatch(r"-\w", text)), ""),
        )
    if called.startswith("DEFINE_") and texts:
        value = _constant(node.args[1]) if len(node.args) > 1 else None
        return Option(texts[0], f"--{texts[0]}", value, path, node.lineno, "=")
    return None


def _is_cli_class(node: ast.ClassDef, tree: ast.Module) -> bool:
    """Whether a dataclass is the command line (tyro, HfArgumentParser, simple_parsing)."""
    name = node.name
    text = ast.unparse(tree)
    return bool(
        re.search(
            rf"(?:tyro\.cli|HfArgumentParser|simple_parsing\.parse|draccus|pyrallis"
            rf"|parse_args?_into|ArgumentParser)\(?[^\n]*\b{name}\b",
            text,
        )
    )


def _fields(path: str, node: ast.ClassDef) -> list[Option]:
    return [
        Option(
            item.target.id,
            f"--{item.target.id.replace('_', '-')}",
            _constant(item.value),
            path,
            item.lineno,
        )
        for item in node.body
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
    ]


def _fired(path: str, tree: ast.Module) -> list[Option]:
    """The arguments of the function that `fire.Fire(function)` makes a command line of."""
    names = {
        node.args[0].id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).endswith("Fire")
        and node.args
        and isinstance(node.args[0], ast.Name)
    }
    found = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name in names:
            values = [
                *[None] * (len(node.args.args) - len(node.args.defaults)),
                *node.args.defaults,
            ]
            found += [
                Option(arg.arg, f"--{arg.arg}", _constant(value), path, arg.lineno)
                for arg, value in zip(node.args.args, values, strict=True)
            ]
    return found


def _globals(path: str, tree: ast.Module) -> list[Option]:
    """Top-level constants that a configurator overrides by `--name=value`."""
    return [
        Option(
            item.targets[0].id, f"--{item.targets[0].id}", item.value.value, path, item.lineno, "="
        )
        for item in tree.body
        if isinstance(item, ast.Assign)
        and isinstance(item.targets[0], ast.Name)
        and isinstance(item.value, ast.Constant)
    ]


def _nodes(survey: Survey, files: Sequence[str]) -> list[Option]:
    """Settings of a configuration tree that is changed by `--part.name=value`."""
    found = []
    for path in files:
        for match in re.finditer(
            r"(?m)(?:\b\w+\.)?(max_iters|seed|work_dir|max_epochs"
            r"|epochs)\s*=\s*(None|[\d.]+|['\"][^'\"]*['\"])",
            survey.text(path),
        ):
            part = "system" if match[1] in ("seed", "work_dir") else "trainer"
            value: object = None if match[2] == "None" else match[2].strip("'\"")
            number = survey.text(path).count("\n", 0, match.start()) + 1
            found.append(Option(match[1], f"--{part}.{match[1]}", value, path, number, "="))
    return found


def _constant(node: ast.expr | None) -> object:
    """The value of a plain expression; None where it is not plain."""
    if node is None:
        return None
    if isinstance(node, ast.Call) and ast.unparse(node.func) in ("int", "float", "str"):
        return _constant(node.args[0]) if node.args else None
    if isinstance(node, ast.Call) and node.keywords:
        return next((_constant(k.value) for k in node.keywords if k.arg == "default"), None)
    try:
        return ast.literal_eval(node)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        texts = [
            n.value
            for n in ast.walk(node)
            if isinstance(n, ast.Constant) and isinstance(n.value, str)
        ]
        if texts:
            return texts[-1]
        return number_in(ast.unparse(node)) if isinstance(node, ast.BinOp) else None


def number_in(text: str) -> float | None:
    """The value of `5 * 60` or `2**14`."""
    if not re.fullmatch(r"[\d\s.*_()+-]{1,40}", text) or text.count("**") > 1:
        return None
    try:
        left, _, right = text.partition("**")
        if right:
            base, power = float(left), float(right)
            return base**power if abs(power) < 64 and abs(base) < 1e6 else None
        value = 1.0
        for factor in text.replace("_", "").split("*"):
            value *= float(factor.strip(" ()"))
        return value
    except (ValueError, OverflowError):
        return None
