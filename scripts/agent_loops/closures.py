"""Which files of the project a script stands on: imports, Hydra targets, configs it is given.

Follows what is plain to see in the syntax tree; imports made from computed names are not seen.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from agent_loops.survey import Survey

_MOST = 300


def closure(survey: Survey, script: str) -> list[str]:
    """The script and every Python file of the project that it imports, nearest first."""
    pending = [script]
    found: list[str] = []
    seen: set[str] = set()
    while pending and len(found) < _MOST:
        path = pending.pop(0)
        if path in seen:
            continue
        seen.add(path)
        found.append(path)
        pending += [p for p in imported(survey, path, script) if p not in seen]
        if path == script and _uses_hydra(survey, path):
            pending += [p for p in hydra_targets(survey) if p not in seen]
    return found


def imported(survey: Survey, path: str, script: str = "") -> dict[str, set[str]]:
    """The project's files that one file imports, with the names that it takes from each."""
    tree = survey.tree(path) if path.endswith(".py") else None
    found: dict[str, set[str]] = {}
    if tree is None:
        return found
    bases = _bases(path, script)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                for file in _files(survey, bases, alias.name):
                    found.setdefault(file, set()).add(alias.asname or alias.name.rsplit(".", 1)[-1])
        elif isinstance(node, ast.ImportFrom):
            for file, name in _from(survey, bases, path, node):
                found.setdefault(file, set()).update(name)
        elif isinstance(node, ast.Call) and _executes(node):
            for arg in ast.walk(node):
                if isinstance(arg, ast.Constant) and isinstance(arg.value, str) and arg.value in survey:
                    found.setdefault(arg.value, set())
    return found


def _executes(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Name) and node.func.id in ("exec", "open")


def _bases(path: str, script: str) -> tuple[str, ...]:
    """Where imports are looked for: beside the file, beside the script, the root, src/, above."""
    own = f"{PurePosixPath(path).parent}/".removeprefix("./")
    beside = f"{PurePosixPath(script).parent}/".removeprefix("./") if script else ""
    above = f"{PurePosixPath(path).parent.parent}/".removeprefix("./") if "/" in path else ""
    return tuple(dict.fromkeys((own, beside, "", "src/", above, "scripts/", "lib/", "code/")))


def _from(survey: Survey, bases: Iterable[str], path: str, node: ast.ImportFrom) -> Iterator[tuple[str, set[str]]]:
    names = {alias.name for alias in node.names}
    module = node.module or ""
    if node.level:
        base = PurePosixPath(path).parent
        for _ in range(node.level - 1):
            base = base.parent
        bases = (f"{base}/".removeprefix("./"),)
    for name in names:
        inner = list(_files(survey, bases, f"{module}.{name}" if module else name))
        leaf = f"{name}.py"
        for file in inner:
            if file.endswith((f"/{leaf}", f"/{name}/__init__.py")) or file == leaf:
                yield file, {name}
            else:
                yield file, {name}
    if module:
        for file in _files(survey, bases, module):
            yield file, names


def _files(survey: Survey, bases: Iterable[str], module: str) -> Iterator[str]:
    parts = module.split(".")
    for base in bases:
        found = [
            path
            for depth in range(1, len(parts) + 1)
            for path in (f"{base}{'/'.join(parts[:depth])}.py", f"{base}{'/'.join(parts[:depth])}/__init__.py")
            if path in survey
        ]
        if found:
            yield from found
            return


def _uses_hydra(survey: Survey, path: str) -> bool:
    return bool(re.search(r"\bhydra\b|instantiate_from_config|LightningCLI|import_module\(|get_obj_from_str", survey.text(path)))


def hydra_targets(survey: Survey) -> list[str]:
    """Files that configurations name with `_target_:` or `target:` as what to build."""
    found: dict[str, None] = {}
    for path in survey.with_suffix(".yaml", ".yml")[:200]:
        for module in re.findall(r"(?m)^\s*(?:\{\s*)?.*?\b(?:_target_|target|class_path):\s*[\"']?([\w.]+)", survey.text(path)):
            stem = module.rsplit(".", 1)[0]
            for file in _files(survey, ("", "src/"), stem):
                found.setdefault(file)
    return list(found)
