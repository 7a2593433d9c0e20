"""Measures the incumbent without one kept change after the other, as experiments of the campaign.

Decides nothing: each is kept or not by the campaign's own rule, and what is killed is taken up.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from agent_loops import answers, trying
from agent_loops.answers import Answer
from agent_loops.errors import Refused
from agent_loops.finalizing import ancestry, removals
from agent_loops.finalizing.removals import Bound, Kept
from agent_loops.loop import Loop
from agent_loops.state import Campaign
from agent_loops.trying import Idea, Removal

# What is wrong with one candidate alone; anything else stands in every one's way.
_ITS_OWN = ("locked", "seed only")
_AGAIN = "the same command again, once the run is over or to wait for it"


class Outcome(NamedTuple):
    """What came of it; `waiting` is the answer where a run still goes on."""

    waiting: Answer | None
    left_in: tuple[tuple[int, str], ...] = ()
    notes: tuple[str, ...] = ()


def is_due(loop: Loop, bound: Bound) -> bool:
    """Whether anything is still to be measured, or is being measured."""
    if _is_removal_under_way(loop.campaign):
        return True
    return bool(_to_measure(_outlook(loop))) and not removals.past(loop.campaign, bound)


def _outlook(loop: Loop) -> list[Kept]:
    return removals.outlook(loop.campaign, ancestry.steps(loop.workspace))


def _to_measure(outlook: list[Kept]) -> list[Removal]:
    return [kept.removal for kept in outlook if kept.removal is not None]


def run(loop: Loop, bound: Bound, *, wait_s: float | None, say: Callable[[str], None]) -> Outcome:
    """Measures as far as the bound, the time to wait and the campaign's own limits let it.

    Raises:
        Refused: something stands in the way of any measurement.
    """
    deadline = trying.deadline_after(wait_s)
    refused: dict[int, str] = {}
    notes: list[str] = []
    told = False
    while True:
        if waiting := _under_way(loop, deadline):
            return Outcome(waiting)
        left = [one for one in _to_measure(_outlook(loop)) if one.of not in refused]
        if not left:
            break
        if why := removals.past(loop.campaign, bound):
            notes.append(f"{why}: {_named(left)} not measured")
            break
        if not told:
            others = sum(kept.removal is None for kept in _outlook(loop))
            say(_cost(loop.campaign, len(left), bound) + _unmeasured(others))
            told = True
        try:
            _measure(loop, left[0], deadline)
        except Refused as error:
            if error.kind in _ITS_OWN:
                refused[left[0].of] = error.reason
                continue
            if error.kind != "finished" or not removals.series(loop.campaign):
                raise
            notes.append(f"{error.reason}: {_named(left)} not measured")
            break
    why_not = [(kept.number, kept.why) for kept in _outlook(loop) if kept.removal is None]
    left_in = [*removals.verdicts(loop.campaign), *why_not, *refused.items()]
    return Outcome(None, tuple(sorted(left_in)), tuple(notes))


def _is_removal_under_way(campaign: Campaign) -> bool:
    last = campaign.last
    return campaign.under_way and last is not None and last.started.takes_back is not None


def _under_way(loop: Loop, deadline: float | None) -> Answer | None:
    """Waits for a removal that is not over yet; refuses while anything else goes on."""
    trying.take_up_what_ended(loop)
    if not _is_removal_under_way(loop.campaign):
        trying.refuse_under_way(loop.workspace, loop.campaign)
        return None
    answer = trying.finish(loop, deadline)
    return _waiting(answer) if loop.campaign.under_way else None


def _waiting(answer: Answer) -> Answer:
    """The answer of an experiment under way; where nobody holds it, the way on is this command."""
    next_step = str(answer.values["next"])
    if next_step == "agent-loops wait":
        next_step = _AGAIN
    lines = [line for line in answer.lines if not line.startswith("next: ")]
    return Answer({**answer.values, "next": next_step}, [*lines, f"next: {next_step}"])


def _measure(loop: Loop, removal: Removal, deadline: float | None) -> None:
    """One removal, from the record of it to its verdict, or as far as the deadline lets it."""
    campaign = loop.campaign
    if campaign.wants_baseline:
        raise Refused(
            "no baseline", "there is no baseline yet to compare with",
            next_step="`agent-loops try baseline`",
        )  # fmt: skip
    description = campaign.experiments[removal.of].started.description
    trying.try_idea(
        loop,
        Idea(
            f"without #{removal.of}: {description}",
            why=f"if the metric is as good without the change of #{removal.of}, it is not needed",
        ),
        edit=None,
        repeat=removals.runs_of_one(campaign),
        wait_s=None if deadline is None else max(0.0, deadline - time.monotonic()),
        removal=removal,
    )


def _named(left: list[Removal]) -> str:
    return ", ".join(f"#{one.of}" for one in left) + (" is" if len(left) == 1 else " are")


def _unmeasured(count: int) -> str:
    """The others that are told of in the end."""
    if not count:
        return ""
    others = "one other stays" if count == 1 else f"{count} others stay"
    return f"; {others} in without that, and why is said in the end"


def _cost(campaign: Campaign, count: int, bound: Bound) -> str:
    one = removals.cost_of_one(campaign)
    runs, seconds = count * (one.runs or 0), count * (one.seconds or 0.0)
    limits = [f"{bound.runs} runs"] if bound.runs is not None else []
    limits += [answers.duration(bound.seconds)] if bound.seconds is not None else []
    within = f", within {' and '.join(limits)}" if limits else ""
    changes = "the kept change" if count == 1 else f"each of {count} kept changes"
    about = f", about {answers.duration(seconds)}" if seconds else ""
    return f"measuring without {changes}, what gained least first: {runs} runs{about}{within}"
