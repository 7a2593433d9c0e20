"""How much of the processors others use, at a moment at which no run of ours is under way.

Names nobody: whose work it is, a person sees by top.
"""

from __future__ import annotations

import time
from pathlib import Path

BUSY = 0.5
"""From this share on times and readings suffer."""
_LOOK_S = 0.4


def busy_share() -> float | None:
    """The part of the processors' time that is used, over a moment; None where nobody tells."""
    first = _processor_times()
    time.sleep(_LOOK_S)
    second = _processor_times()
    if first is None or second is None or second[1] <= first[1]:
        return None
    return min(max((second[0] - first[0]) / (second[1] - first[1]), 0.0), 1.0)


def _processor_times() -> tuple[float, float] | None:
    """Ticks that were used, and all; None where no Linux tells."""
    try:
        line = Path("/proc/stat").read_text().partition("\n")[0].split()[1:9]
    except OSError:
        return None  # the load of the last minute would be that of our own run
    ticks = [float(one) for one in line]
    idle = ticks[3] + ticks[4]
    return sum(ticks) - idle, sum(ticks)
