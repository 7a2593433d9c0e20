"""How fast a campaign goes: experiments an hour, the share of time in which the machine was busy.

Of the rows it is given: for what is to come the latest say more than what was before.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple

from agent_loops.reporting.ledger import OPEN, Row

LATEST = 20
_LONGEST_GAP = 4.0  # times what an experiment takes: a longer one is a pause, and no part of it


class Pace(NamedTuple):
    """`busy` is the share of the time, pauses left out, in which a run went on: 0 to 1."""

    experiments_per_hour: float
    busy: float
    of_experiments: int


def of(rows: Sequence[Row]) -> Pace | None:
    """The pace over these rows, in their order; None where fewer than two are decided."""
    ended = [row for row in rows if row.status != OPEN and row.began_utc and row.ended_utc]
    if len(ended) < 2:
        return None
    spans = [(_time(row.began_utc), _time(row.ended_utc), row.machine_s) for row in ended]
    longest_s = _LONGEST_GAP * max(sum(end - begin for begin, end, _ in spans) / len(spans), 60.0)
    whole_s = sum(end - begin for begin, end, _ in spans)
    gaps = [b[0] - a[1] for a, b in pairwise(spans)]
    whole_s += sum(gap for gap in gaps if 0 < gap <= longest_s)
    if whole_s <= 0:
        return None
    busy_s = sum(min(machine_s, end - begin) for begin, end, machine_s in spans)
    return Pace(3600.0 * len(ended) / whole_s, min(1.0, busy_s / whole_s), len(ended))


def in_words(pace: Pace) -> str:
    """`461 an hour, machine busy 65%`."""
    per_hour = pace.experiments_per_hour
    shown = f"{per_hour:,.0f}" if per_hour >= 100 else f"{per_hour:.2g}"
    return f"{shown} an hour, machine busy {pace.busy:.0%}"


def _time(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
