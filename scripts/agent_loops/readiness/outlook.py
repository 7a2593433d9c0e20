"""How many experiments fit into what is left of a campaign, and whether their files do.

Foresees no idea: an experiment is taken to last as the last ones did, and to leave as much.
"""

from __future__ import annotations

import itertools
import statistics
from datetime import datetime
from typing import NamedTuple

from agent_loops.experiments import Experiment
from agent_loops.state import Campaign

_NIGHT_S = 8 * 3600.0
_INTERVALS = 10
_FEWEST_INTERVALS = 2
# What an agent thinks and writes between two runs, where none was seen at it yet.
_THINKING_S = 60.0


class Outlook(NamedTuple):
    """That many `experiments` of `each_s` seconds fit into `left_s`.

    `basis` says where the seconds come from, `end` what ends it ("" where nothing does: then a
    night is taken).
    """

    experiments: int
    each_s: float
    left_s: float
    basis: str
    end: str


def fits(campaign: Campaign, now: datetime) -> Outlook | None:
    """What fits; None before there is a baseline with its time."""
    found = _seconds_each(campaign)
    if found is None:
        return None
    each_s, basis = found
    left_s, end = _time_left(campaign, now)
    count = int(left_s / each_s)
    most = campaign.bindings.max_experiments
    if most is not None:
        left = max(0, most - (campaign.done - campaign.rehearsals))
        if left <= count or not end:
            count, end = left, f"max_experiments {most}"
            left_s = count * each_s
    return Outlook(count, each_s, left_s, basis, end)


def _seconds_each(campaign: Campaign) -> tuple[float, str] | None:
    """The median from one start to the next, by which thinking counts too; else the baseline's."""
    starts = [
        datetime.fromisoformat(item.time).timestamp()
        for item in itertools.islice(
            filter(_is_idea, map(campaign.experiments.__getitem__, reversed(campaign.experiments))),
            _INTERVALS + 1,
        )
        if item.epoch == campaign.epoch
    ]
    intervals = [later - earlier for later, earlier in itertools.pairwise(starts)]
    if len(intervals) >= _FEWEST_INTERVALS:
        each_s = max(statistics.median(intervals), 1.0)
        return each_s, f"as the last {len(intervals)} took"
    baseline = campaign.baseline
    reading = baseline.last_reading if baseline is not None else None
    elapsed_s = reading.elapsed_s or reading.wall_s if reading is not None else None
    if elapsed_s is None:
        return None
    return elapsed_s + _THINKING_S, "the baseline's time and a minute to think"


def _is_idea(experiment: Experiment) -> bool:
    return not experiment.started.rehearsal and not experiment.started.baseline


def _time_left(campaign: Campaign, now: datetime) -> tuple[float, str]:
    """Seconds until the first end by time, and its name; a night where there is none."""
    ends: list[tuple[float, str]] = []
    if campaign.end_utc:
        end = datetime.fromisoformat(campaign.end_utc)
        ends.append(((end - now).total_seconds(), f"{end.astimezone():%H:%M}"))
    stop_after_s = campaign.bindings.stop_after_s
    if stop_after_s is not None and not campaign.until_utc:
        ends.append((stop_after_s - campaign.active_s, "stop_after"))
    left_s, name = min(ends, default=(_NIGHT_S, ""))
    reserved_s = campaign.bindings.confirm_s or 0.0 if ends else 0.0  # there will be gains by then
    return max(left_s - reserved_s, 0.0), name
