"""One question at a time to each source, and not too soon after the last, whoever of us asks.

Knows only the processes of this user on this machine.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from agent_loops import files

# What the sources ask for: arXiv one connection and three seconds, Semantic Scholar one a second,
# with a key too.
INTERVALS_S = {"Semantic Scholar": 1.0, "arXiv": 3.0, "OpenAlex": 0.1}
_LONGEST_TURN_S = 30.0


@contextlib.contextmanager
def turn(folder: Path, source: str) -> Iterator[None]:
    """Waits until the source may be asked, and is the only one to ask it for the block.

    Raises:
        LockBusy: others have asked it for too long.
    """
    name = source.replace(" ", "-").lower()
    stamp = folder / f"{name}.asked"
    with files.locked(folder / f"{name}.lock", wait_s=_LONGEST_TURN_S):
        time.sleep(_left_s(stamp, INTERVALS_S[source]))
        try:
            yield
        finally:
            files.write_atomic(stamp, b"", durable=False)


def _left_s(stamp: Path, interval_s: float) -> float:
    """What is left of the interval; a clock that was set back does not lengthen it."""
    try:
        since = time.time() - os.stat(stamp).st_mtime
    except OSError:
        return 0.0
    return min(max(interval_s - since, 0.0), interval_s)
