"""How often the baseline is run, and whether each idea is run beside the incumbent; pure.

Runs nothing: `state` asks it how many runs are due.
"""

from __future__ import annotations

from collections.abc import Sequence

from agent_loops.bindings import Bindings

SHORT_S = 60.0
"""Below this wall time of a run, machines drift by more than ideas gain, and runs are cheap."""
_SHORT_BASELINE, _LONG_BASELINE = 5, 2
_FASTER = 0.05


def baseline_runs(bindings: Bindings, wall_s: float | None) -> int:
    """How many readings the baseline gets: what tells the noise that ideas are judged by.

    Args:
        bindings: of the campaign.
        wall_s: how long one run takes, in seconds; None where that is not known yet.
    """
    if bindings.baseline_runs is not None:
        return bindings.baseline_runs
    if bindings.keep_rule == "plain":
        return 1
    if wall_s is None:
        wall_s = bindings.budget.amount if bindings.budget.kind == "time" else SHORT_S
    return _SHORT_BASELINE if wall_s < SHORT_S else _LONG_BASELINE


def is_paired(bindings: Bindings, readings: Sequence[float], wall_s: float | None) -> bool:
    """Whether the incumbent is run again beside each idea.

    By itself only where a run is short and the baseline's readings differ: where they are all
    equal there is nothing that a second run of the same code would tell.
    """
    if bindings.compare != "auto":
        return bindings.compare == "paired"
    differ = len(set(readings)) > 1
    short = wall_s is not None and wall_s < SHORT_S
    return bindings.keep_rule == "noise-aware" and short and differ


def warmup_advice(bindings: Bindings, walls_s: Sequence[float]) -> str:
    """That the first run was slowed by what later ones find done; empty where it was not.

    Args:
        bindings: of the campaign.
        walls_s: wall times of the baseline's runs, in seconds, in their order.
    """
    if bindings.warmup_runs or len(walls_s) < 2 or walls_s[1] >= (1 - _FASTER) * walls_s[0]:
        return ""
    faster = 1 - walls_s[1] / walls_s[0]
    return (
        f"the second run was {faster:.0%} faster than the first: `warmup_runs: 1`, where speed "
        "matters to the metric"
    )
