"""Writes the files of a report into a folder, all of them or none.

Overwrites what a report wrote before, and nothing else.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

from agent_loops import files
from agent_loops.errors import Refused
from agent_loops.paths import ReportPaths

GENERATOR = '<meta name="generator" content="agent-loops">'
_HEAD_BYTES = 2000
_LOCK_WAIT_S = 20.0


def refuse_foreign(paths: ReportPaths) -> None:
    """Lets a report into a folder of the person's own only where it overwrites a report.

    Raises:
        Refused: one of its files is there already, and no report of ours beside it.
    """
    there = [path for path in paths.all if os.path.lexists(path)]
    if not there or _is_ours(paths.page):
        return
    raise Refused(
        "foreign files", f"{there[0]} is there already, and no report of agent-loops wrote it",
        files=[str(path) for path in there],
        next_step="move it away, or run the same command in another folder",
    )  # fmt: skip


def _is_ours(page: Path) -> bool:
    try:
        with files.open_regular(page) as stream:
            return GENERATOR.encode() in stream.read(_HEAD_BYTES)
    except OSError:
        return False


def write(folder: Path, contents: Mapping[Path, bytes]) -> None:
    """Replaces the files of a report.

    Raises:
        AgentLoopsError: the report is as it was before; the message says why.
    """
    files.make_dir(folder)
    with files.locked(folder / ".lock", wait_s=_LOCK_WAIT_S):
        for left in files.leftovers(folder):
            left.unlink(missing_ok=True)
        written: list[tuple[Path, Path]] = []
        try:
            for path, data in contents.items():
                written.append((files.write_temporary(path, data), path))
        except BaseException:
            for temporary, _ in written:
                with contextlib.suppress(OSError):
                    temporary.unlink()
            raise
        for temporary, path in written:
            os.replace(temporary, path)
