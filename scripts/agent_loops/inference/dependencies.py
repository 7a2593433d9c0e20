"""Which files of the project a script stands on: imports, Hydra targets, configs it is given.

Follows what is plain to read in the text; imports made from computed names are not seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from agent_loops.inference.survey import Survey

_MOST = 300


def closure(survey: Survey, script: str, configs: Iterable[str] = ()) -> list[str]:
    """The script and every Python file of the project that it imports, nearest first.

    Of what configurations name as targets all is taken, or that of `configs` alone.
    """
    key = ("closure", script, *configs)
    known: list[str] | None = survey.memory.get(key)
    if known is not None:
        return known
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
            targets = hydra_targets(survey, configs) or hydra_targets(survey)
            pending += [p for p in targets if p not in seen]
    survey.memory[key] = found
    return found


def imported(survey: Survey, path: str, script: str = "") -> dict[str, set[str]]:
    """The project's files that one file imports, with the names that it takes from each."""
    key = ("imported", path, str(PurePosixPath(script).parent) if script else "")
    if key not in survey.memory:
        survey.memory[key] = _imported(survey, path, script)
    found: dict[str, set[str]] = survey.memory[key]
    return found


_IMPORT = re.compile(
    r"(?m)^[ \t]*(?:from[ \t]+(\.*)([\w.]*)[ \t]+import[ \t]+(\([^)]*\)|[^\n#;]*)"
    r"|import[ \t]+([^\n#;]*))"
)
_EXECUTED = re.compile(r"\b(?:exec|open)\([^\n]{0,40}[\"']([\w./-]+\.py)[\"']")


def _imported(survey: Survey, path: str, script: str) -> dict[str, set[str]]:
    """Read from the text: a syntax tree of every file of a large project takes minutes."""
    found: dict[str, set[str]] = {}
    bases = _bases(path, script)
    text = survey.text(path) if path.endswith(".py") else ""
    for match in _IMPORT.finditer(text):
        dots, module, names, plain = match.groups()
        if plain is not None:
            for alias in plain.split(","):
                parts = alias.split()
                for file in _files(survey, bases, parts[0]) if parts else ():
                    found.setdefault(file, set()).add(parts[-1].rsplit(".", 1)[-1])
            continue
        wanted = {
            name.split()[0]
            for name in re.sub(r"#[^\n]*|[()]", "", names).split(",")
            if name.strip()
        }
        for file, taken in _from(survey, bases, path, dots, module, wanted):
            found.setdefault(file, set()).update(taken)
    for match in _EXECUTED.finditer(text):
        if match[1] in survey:
            found.setdefault(match[1], set())
    return found


def _bases(path: str, script: str) -> tuple[str, ...]:
    """Where imports are looked for: beside the file, beside the script, the root, src/, above."""
    own = f"{PurePosixPath(path).parent}/".removeprefix("./")
    beside = f"{PurePosixPath(script).parent}/".removeprefix("./") if script else ""
    above = f"{PurePosixPath(path).parent.parent}/".removeprefix("./") if "/" in path else ""
    return tuple(dict.fromkeys((own, beside, "", "src/", above, "scripts/", "lib/", "code/")))


def _from(
    survey: Survey, bases: Iterable[str], path: str, dots: str, module: str, names: set[str]
) -> Iterator[tuple[str, set[str]]]:
    if dots:
        base = PurePosixPath(path).parent
        for _ in range(len(dots) - 1):
            base = base.parent
        bases = (f"{base}/".removeprefix("./"),)
    for name in names:
        for file in _files(survey, bases, f"{module}.{name}" if module else name):
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
            for path in (
                f"{base}{'/'.join(parts[:depth])}.py",
                f"{base}{'/'.join(parts[:depth])}/__init__.py",
            )
            if path in survey
        ]
        if found:
            yield from found
            return


def _uses_hydra(survey: Survey, path: str) -> bool:
    return bool(
        re.search(
            r"\bhydra\b|instantiate_from_config|LightningCLI|import_module\(|get_obj_from_str",
            survey.text(path),
        )
    )


def hydra_targets(survey: Survey, configs: Iterable[str] = ()) -> list[str]:
    """Files that configurations name with `_target_:` or `target:` as what to build."""
    found: dict[str, None] = {}
    for path in [*configs] or survey.with_suffix(".yaml", ".yml")[:200]:
        for module in re.findall(
            r"(?m)^\s*(?:\{\s*)?.*?\b(?:_target_|target|class_path):\s*[\"']?([\w.]+)",
            survey.text(path),
        ):
            stem = module.rsplit(".", 1)[0]
            for file in _files(survey, ("", "src/"), stem):
                found.setdefault(file)
    return list(found)
