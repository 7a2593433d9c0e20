"""The command line called within this process, and pictures of a project before and after.

For calls that start no run: those belong into a process of their own (`Project.call`).
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from agent_loops import cli
from support import Answer, Project

_DISPOSABLE = frozenset(
    "lock run.lock setup.lock harness.cache.json fold.cache.json device.cache.json".split()
)
_templates: dict[Path, Path] = {}

Picture = dict[str, tuple[object, ...]]


class Terminal:
    """One person's (or agent's) terminal in a folder."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.folder = folder
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def call(
        self, *words: str, stdin: str | bytes = b"", env: Mapping[str, str] | None = None
    ) -> Answer:
        """Runs one command and returns what it answered; an uncaught exception fails the test."""
        data = stdin.encode() if isinstance(stdin, str) else stdin
        with self._monkeypatch.context() as patch:
            patch.chdir(self.folder)
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
            for name, value in (env or {}).items():
                patch.setenv(name, value)
            self._capsys.readouterr()
            code = cli.main(list(words))
        seen = self._capsys.readouterr()
        values = json.loads(seen.out) if "--json" in words and seen.out.strip() else {}
        return Answer(code, seen.out, seen.err, values)

    def ask(
        self, *words: str, stdin: str | bytes = b"", env: Mapping[str, str] | None = None
    ) -> Answer:
        return self.call(*words, "--json", stdin=stdin, env=env)


def measured(target: Path, factory: pytest.TempPathFactory) -> Project:
    """A project at `target` whose campaign has its baseline; measured once and then copied."""
    key = factory.getbasetemp()
    if key not in _templates:
        template = Project(factory.mktemp("measured") / "project")
        template.baseline()
        _templates[key] = template.root
    shutil.copytree(_templates[key], target, symlinks=True)
    return _Copied(target)


class _Copied(Project):
    """A project whose files are there already."""

    def __init__(self, root: Path) -> None:  # not super(): that writes the files anew
        self.root = root


def picture(root: Path) -> Picture:
    """Everything below `root` but locks and caches: kind, mode and bytes; times of users' files."""
    found: Picture = {}
    for folder, folders, names in os.walk(root):
        for name in [*folders, *names]:
            if name in _DISPOSABLE:
                continue
            full = Path(folder, name)
            path = os.path.relpath(full, root)
            status = full.lstat()
            ours = path.startswith(("sandbox", ".agent-loops"))
            if stat.S_ISLNK(status.st_mode):
                content: object = os.readlink(full)
            elif stat.S_ISREG(status.st_mode):
                content = full.read_bytes()
            else:
                content = None
            times = 0 if ours or stat.S_ISDIR(status.st_mode) else status.st_mtime_ns
            found[path] = (status.st_mode, content, times)
    return found


def changes(before: Picture, after: Picture) -> list[str]:
    """Paths that differ; a journal that only gained `refused` events does not."""
    differing = []
    for path in sorted(before.keys() | after.keys()):
        old, new = before.get(path), after.get(path)
        if old == new:
            continue
        if path.endswith("journal.jsonl") and old is not None and new is not None:
            begin, end = old[1], new[1]
            assert isinstance(begin, bytes)
            assert isinstance(end, bytes)
            added = [json.loads(line)["event"] for line in end[len(begin) :].splitlines()]
            if end.startswith(begin) and set(added) == {"refused"}:
                continue
        differing.append(path)
    return differing


_DROP = (
    "import ctypes, os, sys\n"
    "for capability in (1, 2):  # to override, or to read and search, whatever the permissions\n"
    "    ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)\n"
    "os.execv(sys.argv[1], sys.argv[1:])\n"
)


@contextlib.contextmanager
def ordinary_user(project: Project) -> Iterator[None]:
    """The project's calls without root's power over permissions; skips where that stays."""
    plain = project.command
    wrapper = [sys.executable, "-c", _DROP]
    if os.geteuid() == 0:
        locked = project.root.parent / "locked"
        locked.mkdir(mode=0)
        probe = "import os, sys; os.listdir(sys.argv[1])"
        done = subprocess.run(
            [*wrapper, sys.executable, "-c", probe, str(locked)], capture_output=True, check=False
        )
        if done.returncode == 0:
            pytest.skip("root keeps its power over permissions here")
        vars(project)["command"] = lambda *words: [*wrapper, *plain(*words)]
    try:
        yield
    finally:
        vars(project).pop("command", None)
