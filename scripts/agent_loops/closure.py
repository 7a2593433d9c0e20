"""Finds the project's files that commands name, and what these import.

Reads them without running them: what is imported by a computed name is not seen.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath


def import_closure(workspace: Path, commands: Sequence[str]) -> set[str]:
    """Python files of the project that the commands name, and what these import, transitively.

    Links on the way to a script are among them.
    """
    pending = [path for command in commands for path in _named_scripts(workspace, command)]
    closure: set[str] = set()
    while pending:
        path = pending.pop()
        if path in closure:
            continue
        closure.add(path)
        pending.extend(_local_imports(workspace, path))
    return closure


def _named_scripts(workspace: Path, command: str, folder: str = "") -> Iterable[str]:
    """Scripts and modules of the project in a shell's command, which begins in `folder`."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        words = list(lexer)
    except ValueError:
        words = command.split()
    for before, word in zip(["", *words], words, strict=False):
        if before == "cd":
            folder = os.path.join(folder, word)
        elif before == "-m":
            yield from _module_files(workspace, _prefix(folder), word)
        elif before.startswith("-") and before.endswith("c") and " " in word:
            yield from _named_scripts(workspace, word, folder)
        else:
            yield from _script(workspace, os.path.join(folder, word))


def _prefix(folder: str) -> str:
    path = os.path.normpath(folder)
    return "" if path == "." else f"{path}/"


def _script(workspace: Path, name: str) -> Iterable[str]:
    """The project's script of this name, the links on the way to it, and where they lead."""
    full = os.path.normpath(workspace / name)
    if not os.path.isfile(full) or not (full.endswith((".py", ".sh")) or os.access(full, os.X_OK)):
        return
    if Path(full).is_relative_to(workspace):
        path = PurePosixPath(os.path.relpath(full, workspace))
        yield from (str(link) for link in (path, *path.parents) if (workspace / link).is_symlink())
    real, root = os.path.realpath(full), os.path.realpath(workspace)
    if real.startswith(f"{root}/"):
        yield real.removeprefix(f"{root}/")


def _module_files(workspace: Path, folder: str, module: str) -> Iterable[str]:
    """Files that `module` stands for: imported from `folder`, the project's root or src/."""
    parts = module.split(".")
    for base in dict.fromkeys((folder, "", "src/")):
        found = False
        for depth in range(1, len(parts) + 1):
            stem = base + "/".join(parts[:depth])
            for path in (f"{stem}.py", f"{stem}/__init__.py", f"{stem}/__main__.py"):
                if (workspace / path).is_file():
                    found = True
                    yield path
        if found:
            return


def _local_imports(workspace: Path, path: str) -> Iterable[str]:
    if not path.endswith(".py"):
        return
    import ast  # slow to import, and only setup looks at syntax trees

    try:
        tree = ast.parse((workspace / path).read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return
    folder = "" if "/" not in path else path.rsplit("/", 1)[0] + "/"
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _module_files(workspace, folder, alias.name)
        elif isinstance(node, ast.ImportFrom):
            base = folder
            for _ in range(node.level - 1):
                base = base.rstrip("/").rpartition("/")[0] + "/" if "/" in base.rstrip("/") else ""
            names = [alias.name for alias in node.names if alias.name != "*"]
            stem = f"{node.module}." if node.module else ""
            for module in [node.module or "", *(stem + name for name in names)]:
                if module:
                    yield from _module_files(workspace, base, module)
