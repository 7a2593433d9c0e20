"""Reads a project in bounded time and memory: names of files, texts, syntax trees, git's state.

Runs nothing of the project. What is too large, binary or unreadable is passed over and counted.
"""

from __future__ import annotations

import ast
import contextlib
import itertools
import os
import re
import time
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from agent_loops import scan
from agent_loops.errors import AgentLoopsError
from agent_loops.git_commands import Git, GitMissing

_MOST_FILES = 40_000
_MOST_SECONDS = 4.0  # of walking; what was found until then is what there is
_FILE_BYTES = 1 << 20
_ALL_BYTES = 64 << 20
_MOST_NEIGHBOURS = 2_000
_TOLD = re.compile(r"(?<![\w/:.])[\w-][\w.-]*(?:/[\w.-]+)+\.\w{1,6}\b")
_LONGEST_LINE = 20_000  # minified or generated
_OUTSIDE = frozenset(
    "third_party thirdparty 3rdparty external extern vendor vendored deps "
    "submodules bower_components "
    "dist build site _build egg-info wandb mlruns lightning_logs checkpoints outputs".split()
)
_MARKERS = (
    "pyproject.toml setup.py setup.cfg requirements.txt package.json Cargo.toml go.mod Makefile "
    "CMakeLists.txt environment.yml program.md train.py main.py README.md "
    "README.rst README readme.md"
).split()


@dataclass(slots=True)
class Survey:
    """One project as it was read. Paths are posix, relative to `root`, shallow ones first."""

    root: Path
    files: tuple[str, ...]
    sizes: dict[str, int]
    cut: bool  # there is more than was looked at
    git: bool = False
    clean: bool = False
    tracked: frozenset[str] | None = None
    passed_over: list[str] = field(default_factory=list)
    _texts: dict[str, str] = field(default_factory=dict)
    _trees: dict[str, ast.Module | None] = field(default_factory=dict)
    _left: int = _ALL_BYTES
    _names: frozenset[str] = frozenset()
    memory: dict[tuple[str, ...], Any] = field(
        default_factory=dict
    )  # of whoever derives from files

    def __contains__(self, path: str) -> bool:
        return path in self._names

    def text(self, path: str) -> str:
        """The file's text; empty where it cannot be read, is binary or enormous."""
        if path in self._texts:
            return self._texts[path]
        text = ""
        if path in self._names:
            text = self._read(path)
        self._texts[path] = text
        return text

    def _read(self, path: str) -> str:
        if self.sizes.get(path, 0) > _FILE_BYTES or self._left <= 0:
            self.passed_over.append(path)
            return ""
        try:
            data = (self.root / path).read_bytes()[: _FILE_BYTES + 1]
        except OSError:
            self.passed_over.append(path)
            return ""
        self._left -= len(data)
        if b"\0" in data[:8192] or len(data) > _FILE_BYTES:
            self.passed_over.append(path)
            return ""
        return data.decode("utf-8", "replace").replace("\r\n", "\n")

    def tree(self, path: str) -> ast.Module | None:
        """The syntax tree of a Python file; None where it is none."""
        if path not in self._trees:
            self._trees[path] = self._parsed(path)
        return self._trees[path]

    def _parsed(self, path: str) -> ast.Module | None:
        text = self.text(path)
        if not text or max(map(len, text.splitlines()), default=0) > _LONGEST_LINE:
            return None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None

    def with_suffix(self, *suffixes: str) -> list[str]:
        return [path for path in self.files if path.endswith(suffixes)]

    def named(self, *names: str) -> list[str]:
        """Files of one of these names, in any folder."""
        wanted = {name.lower() for name in names}
        return [path for path in self.files if PurePosixPath(path).name.lower() in wanted]

    def first(self, *names: str) -> str:
        """The first of these files that is there at the root; else empty."""
        return next((name for name in names if name in self._names), "")

    def matching(self, patterns: Iterable[str]) -> list[str]:
        """The files that patterns of `editable_files` stand for."""
        matches = scan.matcher(patterns)
        return [path for path in self.files if matches(path)]

    def line_of(self, path: str, needle: str) -> int:
        """The number of the first line that holds `needle`; 0 where none does."""
        for number, line in enumerate(self.text(path).splitlines(), 1):
            if needle in line:
                return number
        return 0


def of(root: Path) -> Survey:
    """Looks at the project in `root`."""
    names: list[str] = []
    sizes: dict[str, int] = {}
    cut = False
    begun = time.monotonic()
    for path, entry in scan.walk(root):
        if path.endswith("/") or not scan.is_regular(entry) or _outside(path):
            continue
        if len(names) >= _MOST_FILES or time.monotonic() - begun > _MOST_SECONDS:
            cut = True
            break
        names.append(path)
        try:
            sizes[path] = entry.stat(follow_symlinks=False).st_size
        except OSError:
            sizes[path] = 0
    if cut:
        _add_told(root, names, sizes)
    git, clean, tracked = _git(root)
    if tracked:
        ignored = _ignored_folders(names, tracked)
        names = [name for name in names if name in tracked or name.split("/")[0] not in ignored]
    names.sort(key=lambda name: (name.count("/"), name))
    return Survey(root, tuple(names), sizes, cut, git, clean, tracked, _names=frozenset(names))


def _add_told(root: Path, names: list[str], sizes: dict[str, int]) -> None:
    """Adds what the papers at the top name, with its neighbours, where not all was looked at."""
    known = set(names)
    for paper in (name for name in _MARKERS if name in known and not name.endswith(".py")):
        with contextlib.suppress(OSError):
            text = (root / paper).read_text(encoding="utf-8", errors="replace")[:_FILE_BYTES]
            for told in dict.fromkeys(_TOLD.findall(text)):
                folder = PurePosixPath(told).parent
                full = (root / told).resolve()
                if told in known or not full.is_file() or not full.is_relative_to(root.resolve()):
                    continue
                for entry in itertools.islice(os.scandir(root / folder), _MOST_NEIGHBOURS):
                    path = (folder / entry.name).as_posix()
                    if path not in known and scan.is_regular(entry):
                        known.add(path)
                        names.append(path)
                        sizes[path] = entry.stat(follow_symlinks=False).st_size


def _outside(path: str) -> bool:
    """Whether a file is somebody else's, or made by a build or a run."""
    return any(part in _OUTSIDE or part.endswith(".egg-info") for part in path.split("/")[:-1])


def _ignored_folders(names: Iterable[str], tracked: frozenset[str]) -> set[str]:
    """Top folders without one tracked file: downloads and outputs."""
    return {n.split("/")[0] for n in names if "/" in n} - {t.split("/")[0] for t in tracked}


def _git(root: Path) -> tuple[bool, bool, frozenset[str] | None]:
    """Whether git tracks something here, whether it is clean, and what it tracks."""
    try:
        git = Git(root)
        answer = git.run("ls-files", "-z", "--cached", expected=(0, 128))
        if answer.code != 0 or not answer.records:
            return False, False, None
        status = git.run(
            "status", "--porcelain", "-uno", "--ignore-submodules", "--", ".", expected=(0, 1, 128)
        )
        return True, status.code == 0 and not status.out.strip(), frozenset(answer.records)
    except (AgentLoopsError, GitMissing, OSError):
        return False, False, None


def find_root(start: Path) -> Path:
    """The project around `start`: itself where it looks like one, else the nearest such folder.

    Looks up no further than git's own root; without git `start` is the project.
    """
    start = start.resolve()
    if any((start / name).is_file() for name in _MARKERS):
        return start
    try:
        answer = Git(start).run("rev-parse", "--show-toplevel", expected=(0, 128))
    except (AgentLoopsError, OSError):
        return start
    if answer.code != 0:
        return start
    top = Path(answer.line)
    for folder in (start, *start.parents):
        if folder == top or any((folder / name).is_file() for name in _MARKERS):
            return folder
        if top not in folder.parents:
            break
    return start


_README = re.compile(r"(?i)(?:^|/)readme(?:\.(?:md|rst|txt|markdown|org))?$")


def readmes(survey: Survey) -> list[str]:
    """README files and other prose with commands in it, the root's first; at most forty."""
    found = [path for path in survey.files if _README.search(path)]
    more = [
        p
        for p in survey.files
        if p.endswith((".md", ".rst"))
        and p not in found
        and p.count("/") < 2
        and not re.search(
            r"(?i)change|licen|contribut|conduct|security|claude|agents?\.md|copilot"
            r"|history|release|todo|roadmap",
            p,
        )
    ]
    return (found + more)[:40]
