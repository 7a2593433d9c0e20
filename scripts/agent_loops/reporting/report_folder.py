"""Writes the files of a report into a folder, all of them or none; reads what is kept of them.

Overwrites what a report wrote before, and nothing else.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

from agent_loops import files
from agent_loops.errors import Refused
from agent_loops.paths import ReportPaths
from agent_loops.reporting import readings

_LOCK_WAIT_S = 20.0
_DIGESTS = re.compile(rb"[0-9a-f\n]*")


def refuse_foreign(paths: ReportPaths) -> None:
    """Lets a report into a folder of the person's own only where it overwrites a report.

    Raises:
        Refused: one of its files is there already, and is not as a report of ours left it.
    """
    written = _written(paths)
    there = [path for path in paths.all if os.path.lexists(path) and _digest(path) not in written]
    if not there:
        return
    raise Refused(
        "foreign files",
        f"{there[0]} is there already, and is not as a report of agent-loops wrote it",
        files=[str(path) for path in there],
        next_step="move it away, or run the same command in another folder",
    )  # fmt: skip


def reading(paths: ReportPaths) -> str:
    """What the agent wrote of the campaign; "" where it has not yet."""
    try:
        return readings.of_page(files.read_regular(paths.analysis).decode("utf-8", "replace"))
    except OSError:
        return ""


def _written(paths: ReportPaths) -> list[str]:
    """Digests of all that was ever written there."""
    try:
        return files.read_regular(paths.lock).decode("ascii", "replace").split()
    except OSError:
        return []


def _digest(path: Path) -> str:
    try:
        return files.sha256(files.read_regular(path))
    except OSError:
        return ""  # a link, a folder, not to be read: none that a report wrote


def _remember(paths: ReportPaths, contents: Mapping[Path, bytes]) -> None:
    """Before anything is replaced: whichever files a kill leaves, they are known as ours."""
    written = _written(paths)
    new = [digest for data in contents.values() if (digest := files.sha256(data)) not in written]
    files.append(paths.lock, "\n".join(["", *new, ""]).encode("ascii"))


def _refuse_foreign_lock(lock: Path) -> None:
    """What is written into it must not reach another file through a link, nor a person's own."""
    if not os.path.lexists(lock):
        return
    with contextlib.suppress(OSError):
        if not lock.is_symlink() and _DIGESTS.fullmatch(files.read_regular(lock)):
            return
    raise Refused(
        "foreign files",
        f"{lock} is not as a report of agent-loops wrote it",
        files=[str(lock)],
        next_step="move it away, then run the same command again",
    )


def write(paths: ReportPaths, contents: Mapping[Path, bytes]) -> None:
    """Replaces the files of a report.

    Raises:
        AgentLoopsError: the report is as it was before; the message says why.
    """
    folder = paths.root
    files.make_dir(folder)
    _refuse_foreign_lock(paths.lock)
    with files.locked(paths.lock, wait_s=_LOCK_WAIT_S):
        for left in files.leftovers(folder):
            left.unlink(missing_ok=True)
        ready: list[tuple[Path, Path]] = []
        try:
            for path, data in contents.items():
                ready.append((files.write_temporary(path, data), path))
            _remember(paths, contents)
            for temporary, path in ready:
                os.replace(temporary, path)
        except OSError as error:
            raise files.explain(error, folder) from error
        finally:
            for temporary, _ in ready:
                with contextlib.suppress(OSError):
                    temporary.unlink()
