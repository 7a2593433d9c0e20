"""Which kept changes are worth a measurement without them, in which order, and what that takes.

Runs nothing: what is measured and what is kept of it is the engine's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from agent_loops import decide, scan, snapshots
from agent_loops.experiments import Experiment
from agent_loops.finalizing import ancestry
from agent_loops.finalizing.ancestry import Step
from agent_loops.state import Campaign
from agent_loops.trying import Removal

# One lucky reading would take out what a keep's readings have put in: as many as pairs of a keep.
_RUNS_WITH_NOISE = 3


class Bound(NamedTuple):
    """How much may be measured: seconds of the machine, runs; None where that is not limited."""

    seconds: float | None = None
    runs: int | None = None


class Kept(NamedTuple):
    """A kept change, and what is to be done about it: a `removal`, or why there is none."""

    number: int
    removal: Removal | None
    why: str = ""


def series(campaign: Campaign) -> list[Experiment]:
    """The last removals with nothing else tried in between: what one `--minimal` has measured."""
    found = []
    for number in reversed(campaign.experiments):
        item = campaign.experiments[number]
        if item.started.rehearsal:
            continue
        if item.started.takes_back is None or item.epoch != campaign.epoch:
            break
        found.append(item)
    return found[::-1]


def spent(campaign: Campaign) -> Bound:
    """What the series has taken so far."""
    ended = [run.finished for item in series(campaign) for run in item.runs if run.finished]
    return Bound(sum(one.elapsed_s or one.wall_s or 0.0 for one in ended), len(ended))


def runs_of_one(campaign: Campaign) -> int:
    """How many readings a removal gets at least: one, where no noise is known."""
    belief = campaign.belief
    if belief is None:
        return campaign.bindings.runs
    from agent_loops.keeping import rule

    claim = rule.claim(belief)
    return max(campaign.bindings.runs, _RUNS_WITH_NOISE if claim.low < claim.high else 1)


def cost_of_one(campaign: Campaign) -> Bound:
    """What one removal takes, if the rule asks for no further reading."""
    bindings, incumbent = campaign.bindings, campaign.incumbent
    runs = runs_of_one(campaign) * (2 if campaign.paired else 1) + bindings.warmup_runs
    reading = incumbent.last_reading if incumbent is not None else None
    each_s = (reading.elapsed_s or reading.wall_s or 0.0) if reading is not None else 0.0
    return Bound(each_s * runs, runs)


def past(campaign: Campaign, bound: Bound) -> str:
    """Why no further removal fits; "" where one does."""
    used, one = spent(campaign), cost_of_one(campaign)
    if bound.runs is not None and (used.runs or 0) + (one.runs or 0) > bound.runs:
        return f"{used.runs} of {bound.runs} runs are used, and one more change takes {one.runs}"
    if bound.seconds is not None and (used.seconds or 0.0) + (one.seconds or 0.0) > bound.seconds:
        return "the budget is used up"
    return ""


def outlook(campaign: Campaign, chain: Sequence[Step]) -> list[Kept]:
    """The kept changes in the incumbent, the one that gained least first: it is cheapest to lose.

    Those that this series has measured are not among them.
    """
    measured = {item.started.takes_back for item in series(campaign)}
    measured |= ancestry.taken_back(chain)
    ideas = [step for step in chain[1:] if step.is_idea and step.number not in measured]
    ideas.sort(key=lambda step: (_gain(step), step.number))
    return [_kept(campaign, step, chain[-1].after) for step in ideas]


def _gain(step: Step) -> float:
    decided = step.experiment.decided
    if decided is None:
        return 0.0
    return (decided.gain if decided.gain is not None else decided.delta) or 0.0


def _kept(campaign: Campaign, step: Step, whole: snapshots.Tree) -> Kept:
    merged = ancestry.carried(whole, step.after, step.before)
    if merged.collisions:
        return Kept(step.number, None, f"later changes build on it ({merged.collisions[0]})")
    if merged.tree == whole:
        return Kept(step.number, None, "nothing of it is left")
    editable = scan.matcher(campaign.bindings.editable_files)
    fixed = [path for path in snapshots.differing(whole, merged.tree) if not editable(path)]
    if fixed:
        return Kept(step.number, None, f"{fixed[0]} is not editable any more")
    added, removed = snapshots.changed_lines(whole, merged.tree)
    if added > removed:
        return Kept(step.number, None, f"it is simpler with it: {added - removed} lines fewer")
    tree = {path: state for path, state in merged.tree.items() if editable(path)}
    return Kept(step.number, Removal(step.number, tree))


def verdicts(campaign: Campaign) -> list[tuple[int, str]]:
    """What the series has measured and not taken out, each with the reason."""
    found = []
    for item in series(campaign):
        number, decided = item.started.takes_back, item.decided
        if number is not None and item.verdict and item.verdict != decide.KEEP:
            reason = decided.reason if decided is not None else ""
            found.append((number, f"without it (#{item.number}) {item.verdict}: {reason}"))
    return found
