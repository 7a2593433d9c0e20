"""Writes the files of a report into a folder, all of them or none; reads what is kept of them.

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
from agent_loops.reporting import readings

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


def reading(paths: ReportPaths) -> str:
    """What the agent wrote of the campaign; "" where it has not yet."""
    try:
        return readings.of_page(files.read_regular(paths.analysis).decode("utf-8", "replace"))
    except OSError:
        return ""


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
        ready: list[tuple[Path, Path]] = []
        try:
            for path, data in contents.items():
                ready.append((files.write_temporary(path, data), path))
            for temporary, path in ready:
                os.replace(temporary, path)
        except OSError as error:
            raise files.explain(error, folder) from error
        finally:
            for temporary, _ in ready:
                with contextlib.suppress(OSError):
                    temporary.unlink()
