"""Exploration: which kind of move is due, swing, merge or exploit, by what became of the last ones.

Judges no idea: whether two of them are of one kind is told by the word before their colon.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from agent_loops import decide
from agent_loops.bindings import Explore
from agent_loops.experiments import Experiment
from agent_loops.state import Campaign

SWING, MERGE, EXPLOIT = MOVES = ("swing", "merge", "exploit")
_KIND = re.compile(r"\s*([^:\s][^:]{0,23}):")


def kind_of(description: str) -> str:
    """The approach that an idea names before its colon; "" without one."""
    found = _KIND.match(description)
    return found[1].strip().lower() if found else ""


def due(campaign: Campaign) -> str:
    """What the next move must be, in words; "" where the evidence decides."""
    rules = campaign.bindings.explore
    if rules is None:
        return ""
    left = rules.swings - len(_swings(campaign))
    if left > 0:
        return SWING
    return f"{SWING} or {MERGE}" if _is_stuck(campaign, rules) else ""


def problem(campaign: Campaign, move: str, description: str, why: str) -> str:
    """Why this move may not be made now; "" where it may."""
    wanted = due(campaign)
    if not move:
        return f"this campaign explores: say which move it is, --move {wanted or 'exploit'}"
    if wanted and move not in wanted:
        return f"a {wanted} is due, {_reason(campaign)}; this is given as --move {move}"
    if move == SWING:
        return _problem_of_swing(campaign, kind_of(description))
    return _problem_of_merge(campaign, f"{description} {why}") if move == MERGE else ""


def tried(campaign: Campaign) -> Iterator[Experiment]:
    """The ideas of the present epoch that have a verdict, newest first."""
    for number in reversed(campaign.experiments):
        experiment = campaign.experiments[number]
        if experiment.epoch != campaign.epoch:
            return
        if experiment.verdict and not (experiment.started.baseline or experiment.started.rehearsal):
            yield experiment


def _swings(campaign: Campaign) -> list[str]:
    """The kinds of the swings so far; one that the machine spoilt does not count."""
    return [
        kind_of(item.started.description)
        for item in tried(campaign)
        if item.started.move == SWING and not _is_spoilt(item)
    ]


def _is_spoilt(item: Experiment) -> bool:
    return (
        item.verdict == decide.CRASH and item.decided is not None and item.decided.kind == "machine"
    )


def _is_stuck(campaign: Campaign, rules: Explore) -> bool:
    """Whether as many exploits as may be followed one another, and none was kept."""
    count = 0
    for item in tried(campaign):
        if item.started.move in (SWING, MERGE) or item.verdict == decide.KEEP:
            break
        count += item.started.move == EXPLOIT  # a simplification is none
    return count >= rules.stagnation


def _reason(campaign: Campaign) -> str:
    rules = campaign.bindings.explore
    assert rules is not None
    made = len(_swings(campaign))
    if made < rules.swings:
        return f"{made} of the first {rules.swings} are made"
    return f"after {rules.stagnation} exploits in a row without a keep"


def _problem_of_swing(campaign: Campaign, kind: str) -> str:
    kinds = [item for item in dict.fromkeys(_swings(campaign)) if item]
    if not kind:
        return "a swing begins with its approach and a colon, `arch: …`, to be told from others"
    if kind in kinds:
        return f"a swing is of another kind than those before it: {', '.join(kinds)}"
    return ""


def _problem_of_merge(campaign: Campaign, text: str) -> str:
    numbers = {int(number) for number in re.findall(r"#(\d{1,9})\b", text)}
    named = [campaign.experiments[number] for number in sorted(numbers)
             if number in campaign.experiments]  # fmt: skip
    kinds = {kind_of(item.started.description) for item in named if item.verdict}
    if len(kinds) < 2:
        return "a merge names the experiments that it merges, of two approaches: `… of #3 and #5`"
    return ""
