"""Lists a project's files once, without environments, caches and our own folders.

Reads names and stats only; what the files hold is for others.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from agent_loops import files
from agent_loops.paths import STATE_DIR_NAME

_SKIPPED_NAMES = frozenset(
    f"{STATE_DIR_NAME} .git .hg .svn .jj .claude __pycache__ .ipynb_checkpoints .mypy_cache "
    ".pytest_cache .ruff_cache .hypothesis .tox .nox .idea .vscode "
    ".eggs .direnv".split()
)
_PACKAGES = ("site-packages", "node_modules")
_ENVIRONMENTS = ("pyvenv.cfg", "conda-meta")
# A folder with one of these is an environment or another campaign's record, whatever its name.
_SKIPPED_IF_HOLDS = (*_ENVIRONMENTS, "journal.jsonl")
_GLOB_CHARACTERS = frozenset("*?[!")


def walk(root: Path, *, skip: Sequence[Path] = ()) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yields (posix path relative to `root`, entry) of every file and symlink, sorted by folder.

    An environment, and a folder of others' packages, is not entered; it is yielded itself, its
    path ending in a slash, so that one that appears (made to hide modules from us) can be noticed.
    Folders in `skip`, unreadable and symlinked folders are not entered either.
    """
    skipped = {os.fspath(path) for path in skip}
    pending: list[tuple[str, str, os.DirEntry[str] | None]] = [("", os.fspath(root), None)]
    while pending:
        prefix, folder, this = pending.pop()
        try:
            with os.scandir(folder) as iterator:
                entries = sorted(iterator, key=lambda entry: entry.name)
        except OSError:
            continue
        if this is not None and any(entry.name in _SKIPPED_IF_HOLDS for entry in entries):
            yield prefix, this
            continue
        for entry in entries:
            path = prefix + entry.name
            if entry.is_dir(follow_symlinks=False):
                if entry.name in _SKIPPED_NAMES:
                    continue
                if entry.name in _PACKAGES:
                    yield path + "/", entry
                elif entry.path not in skipped:
                    pending.append((path + "/", entry.path, entry))
            elif entry.name != ".git" and not files.is_temporary(entry.name):
                yield path, entry


def is_environment(folder: Path) -> bool:
    """Whether it holds others' packages: a virtual or conda environment, or what lies in one."""
    return folder.name in _PACKAGES or any((folder / name).exists() for name in _ENVIRONMENTS)


def has_glob(pattern: str) -> bool:
    """Whether a pattern is more than one file's name."""
    return any(char in _GLOB_CHARACTERS for char in pattern) or pattern.endswith("/")


def matcher(patterns: Iterable[str]) -> Callable[[str], bool]:
    """A predicate for posix paths: plain names match exactly, the rest as in .gitignore."""
    patterns = tuple(patterns)
    plain = frozenset(pattern for pattern in patterns if not has_glob(pattern))
    globs = [pattern for pattern in patterns if has_glob(pattern)]
    if not globs:
        return plain.__contains__
    from pathspec import GitIgnoreSpec

    spec = GitIgnoreSpec.from_lines(globs)
    return lambda path: path in plain or spec.match_file(path)


def as_regexes(patterns: Iterable[str]) -> list[tuple[str, bool]]:
    """The same as `matcher`, for readers without its library: whichever matches last decides.

    Returns:
        Regular expressions for `re.match` on a posix path, each with whether it takes or excepts.
    """
    patterns = tuple(patterns)
    globs = [pattern for pattern in patterns if has_glob(pattern)]
    found: list[tuple[str, bool]] = []
    if globs:
        from pathspec import GitIgnoreSpec

        found = [
            (one.regex.pattern, one.include)
            for one in GitIgnoreSpec.from_lines(globs).patterns
            if one.include is not None and one.regex is not None
        ]
    plain = [pattern for pattern in patterns if not has_glob(pattern)]
    return [*found, *((re.escape(pattern) + r"\Z", True) for pattern in plain)]


def is_regular(entry: os.DirEntry[str]) -> bool:
    """Whether the entry itself, not what it links to, is a regular file."""
    try:
        return stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode)
    except OSError:
        return False
