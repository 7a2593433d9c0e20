"""Exploration: which kind of move is due, swing, merge or exploit, by what became of the last ones.

Judges no idea: whether two of them are of one kind is told by the word before their colon.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from agent_loops import decide
from agent_loops.bindings import Explore
from agent_loops.experiments import Experiment
from agent_loops.state import Campaign

SWING, MERGE, EXPLOIT = "swing", "merge", "exploit"
_COMMANDS = {
    SWING: "`agent-loops try 'APPROACH: …' --move swing`",
    MERGE: "`agent-loops try 'merge: #A with #B' --move merge`",
    EXPLOIT: "`agent-loops try 'APPROACH: …' --move exploit`",
}
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


def command(moves: str) -> str:
    """How such moves are made."""
    return " or ".join(text for move, text in _COMMANDS.items() if move in moves)


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
    """The kinds of the swings so far; a crash showed nothing, and its mend is the swing."""
    return [
        kind_of(item.started.description)
        for item in tried(campaign)
        if item.started.move == SWING and item.verdict != decide.CRASH
    ]


def _is_stuck(campaign: Campaign, rules: Explore) -> bool:
    """Whether as many exploits as may be followed one another, and none was kept."""
    count = 0
    for item in tried(campaign):
        if item.verdict == decide.CRASH:
            continue  # it may be mended, as the move that it was
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
    named = [item for item in named if item.verdict]
    pairs = [(a, b) for a, b in itertools.combinations(named, 2)
             if kind_of(a.started.description) != kind_of(b.started.description)]  # fmt: skip
    if not pairs:
        return "a merge names the experiments that it merges, of two approaches: `… of #3 and #5`"
    if all(a.number in ancestors(campaign, b.number) for a, b in pairs):
        earlier, later = pairs[-1]
        return f"#{later.number} was built on #{earlier.number} and holds it already"
    return ""


def ancestors(campaign: Campaign, number: int) -> set[int]:
    """The experiments that one was built on, whose code is in it; itself too."""
    found: set[int] = set()
    base: int | None = number
    while base is not None and base not in found:
        found.add(base)
        base = campaign.experiments[base].started.base
    return found


def to_merge(campaign: Campaign) -> list[Experiment]:
    """The best of each approach that gained on what it was built on, and is not in the incumbent.

    What was merged already is no approach of its own.
    """
    held = ancestors(campaign, campaign.incumbent_number) if campaign.incumbent_number else set()
    best: dict[str, tuple[float, Experiment]] = {}
    for item in tried(campaign):
        gain = _gain_on_base(campaign, item)
        if item.number in held or item.started.move == MERGE or gain <= 0:
            continue
        kind = kind_of(item.started.description)
        if kind not in best or gain > best[kind][0]:
            best[kind] = (gain, item)
    return [item for _, item in sorted(best.values(), key=lambda pair: -pair[0])]


def _gain_on_base(campaign: Campaign, item: Experiment) -> float:
    """Positive is better, as it was read; 0 where nothing was."""
    base = campaign.experiments.get(item.started.base or 0)
    metric, before = campaign.metric_of(item), campaign.metric_of(base) if base else None
    if item.verdict == decide.CRASH or metric is None or before is None:
        return 0.0
    return campaign.bindings.direction.gain(metric, before)
