"""How far a run says it has come, and when it will be over by that or by earlier runs.

Opens nothing: lines and seconds come in. What a line counts it does not know: two counts that
disagree say nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from agent_loops.curves import median

_OF = re.compile(r"(?<![\w.,/:-])(\d{1,12})\s?(?:/|of)\s?(\d{1,12})(?![\w/:]|\.\d)", re.IGNORECASE)
_PERCENT = re.compile(r"(?<![\w.+-])(\d{1,3}(?:\.\d+)?)\s?%")
_SAME = 0.02
_LEAST = 0.02  # before that a run's start counts for too much


class Estimate(NamedTuple):
    """How much longer a run takes, in seconds, of what share is done, and by what that is known."""

    left_s: float
    done: float
    by: str


def share_of(line: str) -> float | None:
    """What part of the run is done, by a line: `step 30/100`, `45%`; None where it is unclear."""
    counts = [(int(a), int(b)) for a, b in _OF.findall(line)]
    shares = [a / b for a, b in counts if 0 <= a <= b and b > 1]
    shares += [float(value) / 100 for value in _PERCENT.findall(line)[:1]]
    if not shares or max(shares) - min(shares) > _SAME or max(shares) > 1:
        return None
    return shares[0]


def estimate(elapsed_s: float, line: str, earlier_s: Sequence[float]) -> Estimate | None:
    """When a run will be over: by what it prints, else by the median of earlier runs' seconds."""
    share = share_of(line)
    if share is not None and share >= _LEAST:
        return Estimate(elapsed_s * (1 - share) / share, share, "its own progress")
    if not earlier_s:
        return None
    usual_s = median(earlier_s)
    if elapsed_s >= usual_s or usual_s <= 0:
        return None
    return Estimate(usual_s - elapsed_s, elapsed_s / usual_s, "earlier runs")
