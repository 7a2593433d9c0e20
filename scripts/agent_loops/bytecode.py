"""Drops compiled modules that a run may have forged, and which the next process would load.

Does not look into them: what came or changed while untrusted code ran goes, honest or not.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from agent_loops import scan

Stamps = dict[str, tuple[int, int]]
"""Inode and ctime (ns) by path: whoever writes a file, moves it or links it changes one of them."""


def stamps(prefix: Path) -> Stamps:
    """What lies under `prefix` now."""
    return {entry.path: _stamp(entry) for entry in _entries(prefix)}


def drop_new(prefix: Path, before: Stamps) -> None:
    """Removes whatever under `prefix` is not as it was when `before` was taken."""
    for entry in _entries(prefix):
        if before.get(entry.path) != _stamp(entry):
            _remove(entry.path)


def drop_project(prefix: Path, project: Path) -> None:
    """Removes the project's own: an edit within a second can make them stale, a run forge them.

    Those of environments inside the project stay: they are many, and take long to compile.
    """
    for entry in _entries(Path(f"{prefix}{project}"), beside=project):
        _remove(entry.path)


def _entries(folder: Path, *, beside: Path | None = None) -> Iterator[os.DirEntry[str]]:
    """Whatever is no folder, links to folders too; nothing of environments that lie in `beside`."""
    pending = [(os.fspath(folder), beside)]
    while pending:
        path, source = pending.pop()
        with contextlib.suppress(OSError), os.scandir(path) as entries:
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False):
                    yield entry
                elif source is None:
                    pending.append((entry.path, None))
                elif not scan.is_environment(source / entry.name):
                    pending.append((entry.path, source / entry.name))


def _stamp(entry: os.DirEntry[str]) -> tuple[int, int]:
    status = entry.stat(follow_symlinks=False)
    return status.st_ino, status.st_ctime_ns


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)
