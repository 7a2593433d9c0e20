"""What the hooks remembered of the host's sessions on a project: one small file each.

Only reads. A session without such a file is one in which the hooks did not run, or were not asked.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import NamedTuple

from agent_loops import files
from agent_loops.paths import ProjectPaths


class Session(NamedTuple):
    """`seen` is when a hook last ran in it, or its transcript grew, in seconds since the epoch.

    `loops` is false where the person spoke last: its agent may end its turn. `at_work` is false
    where it has ended its turn.
    """

    name: str
    seen: float
    mode: str
    transcript: str
    loops: bool
    at_work: bool = True


def remembered(project: ProjectPaths) -> list[Session]:
    """Every session that the hooks saw, the last one first."""
    found = [_read(path) for path in project.sessions.glob("*.json")]
    return sorted((item for item in found if item is not None), key=lambda item: -item.seen)


def _read(path: Path) -> Session | None:
    try:
        value = files.load_json(files.read_regular(path))
        seen = float(value.get("seen") or path.stat().st_mtime)
        mode, transcript = str(value.get("mode") or ""), str(value.get("transcript") or "")
    except (OSError, ValueError, AttributeError, TypeError):
        return None
    if transcript:
        with contextlib.suppress(OSError):
            seen = max(seen, Path(transcript).stat().st_mtime)
    return Session(
        path.stem,
        seen,
        mode,
        transcript,
        value.get("loops") is not False,
        value.get("at_work") is not False,
    )
