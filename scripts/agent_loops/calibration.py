"""How often the baseline is run, and what its readings show; pure.

Runs nothing: `verdicts` asks it whether the baseline's readings are enough.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from agent_loops.bindings import Bindings
from agent_loops.objective import mean

# Below this wall time of a run, more readings of the baseline are cheap.
_SHORT_S = 60.0
_SHORT_BASELINE, _LONG_BASELINE = 5, 2
_FASTER = 0.05
_JITTER_S = 0.5


def baseline_runs(bindings: Bindings, wall_s: float | None) -> int:
    """How many readings the baseline gets: what tells the noise that ideas are judged by.

    Args:
        bindings: of the campaign.
        wall_s: how long one run takes, in seconds; None where that is not known yet.
    """
    if bindings.baseline_runs is not None:
        return bindings.baseline_runs
    if bindings.keep_rule == "plain":
        return bindings.runs
    if wall_s is None:
        wall_s = bindings.budget.amount if bindings.budget.kind == "time" else _SHORT_S
    return max(bindings.runs, _SHORT_BASELINE if wall_s < _SHORT_S else _LONG_BASELINE)


def cost(bindings: Bindings) -> str:
    """What the baseline's readings cost and buy, for setup to say; empty under the plain rule."""
    if bindings.keep_rule == "plain":
        return ""
    runs = baseline_runs(bindings, None)
    if runs == 1:
        return "1 run: no noise is known until something runs twice, any better reading is kept"
    buys = "the noise that ideas are judged by"
    if bindings.baseline_runs is None and bindings.budget.kind != "time":
        return f"{_SHORT_BASELINE} runs if one takes under a minute, else {_LONG_BASELINE}: {buys}"
    each_s = bindings.budget.amount if bindings.budget.kind == "time" else 0.0
    time = f", about {runs * each_s / 60:.0f} min" if each_s >= _SHORT_S else ""
    return f"{runs} runs{time}: they tell {buys}"


def found(bindings: Bindings, readings: Sequence[float]) -> str:
    """What the baseline's readings showed, and what follows; empty under the plain rule."""
    if bindings.keep_rule == "plain" or len(readings) < 2:
        return ""
    if len(set(readings)) == 1:
        return f"{len(readings)} equal readings: no noise, so one reading of an idea is enough"
    centre = mean(readings)
    apart = math.hypot(*(reading - centre for reading in readings))  # squares could overflow
    deviation = apart / math.sqrt(len(readings) - 1)
    return f"one run's noise is about {deviation:.2g}"


def warmup_advice(bindings: Bindings, walls_s: Sequence[float]) -> str:
    """That the first run was slowed by what later ones find done; empty where it was not.

    Args:
        bindings: of the campaign.
        walls_s: wall times of the baseline's runs, in seconds, in their order.
    """
    if bindings.warmup_runs or len(walls_s) < 2:
        return ""
    if walls_s[0] - walls_s[1] <= max(_FASTER * walls_s[0], _JITTER_S):
        return ""
    faster = 1 - walls_s[1] / walls_s[0]
    return (
        f"the second run was {faster:.0%} faster than the first: `warmup_runs: 1`, where speed "
        "matters to the metric"
    )
