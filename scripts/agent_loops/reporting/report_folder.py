"""Writes the files of a report into a folder, all of them or none.

Overwrites what a report wrote before, and nothing else.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

from agent_loops import files

_LOCK_WAIT_S = 20.0


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
