"""`agent-loops confirm`: measures the best and the baseline on fresh seeds, and makes the claim.

Refuses while anything else goes on; what is under way already it takes up instead of beginning.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from agent_loops import answers, claimed, events, gates, rounds, trying
from agent_loops.answers import Answer
from agent_loops.campaigns import session_of
from agent_loops.candidates import Candidate
from agent_loops.errors import Refused
from agent_loops.journal import utc_now
from agent_loops.loop import Loop
from agent_loops.state import Campaign

BY_ITSELF = "the end of the campaign"


def run(
    loop: Loop,
    *,
    runs: int,
    top: int,
    wait_s: float | None,
    say: Callable[[str], None],
    by: str = "",
) -> Answer:
    """Carries a confirmation to its claim, or as far as it gets in `wait_s`.

    Args:
        loop: the campaign's loop.
        runs: how many runs of each experiment, at least `confirmation.FEWEST_PAIRS`.
        top: how many experiments are compared with the baseline, the best first.
        wait_s: seconds after which it is answered as running; None for ever.
        say: told what it will cost, before anything is run.
        by: who asked for it; where it is empty, whoever calls.

    Raises:
        Refused: nothing was run, and why.
    """
    deadline = trying.deadline_after(wait_s)
    trying.take_up_what_ended(loop)
    with loop.store.locked() as campaign:
        if campaign.confirming is None:
            trying.refuse_under_way(loop.workspace, campaign)
            answer = _refused_or_known(loop, campaign)
            if answer is not None:
                return answer
            say(_begin(loop, campaign, runs=runs, top=top, by=by))
    loop.advance(deadline=deadline)
    loop.store.refresh()
    return loop.answer_last()


def _refused_or_known(loop: Loop, campaign: Campaign) -> Answer | None:
    """The answer where there is nothing to run.

    Raises:
        Refused: something is in the way.
    """
    gates.refuse_switched_off(campaign)
    gates.refuse_other_session(loop.workspace, campaign)
    gates.refuse_changed_bindings(loop.workspace, campaign)
    if campaign.wants_baseline:
        raise Refused(
            "no baseline", "there is no baseline yet to compare with",
            next_step="`agent-loops try baseline`",
        )  # fmt: skip
    if not campaign.has_gained:
        return _nothing_gained(campaign)
    if session_of(loop.workspace.environ):
        if campaign.is_confirmed:
            loop.workspace.told.append(
                "claimed before; of many claims one is lucky, so another is the person's to ask for"
            )
            return claimed.claim(loop.workspace)
        _refuse_early_look(campaign)
        _refuse_late_claim(campaign)
    gates.refuse_changed_harness(loop.workspace)
    return None


def _nothing_gained(campaign: Campaign) -> Answer:
    baseline = campaign.baseline
    assert baseline is not None
    sentence = (
        f"nothing was gained yet: the best is the baseline #{baseline.number} "
        f"({campaign.bindings.metric} {answers.metric_text(campaign, baseline)})"
    )
    values = {
        "schema": answers.SCHEMA, "status": "nothing gained", "sentence": sentence,
        "baseline": baseline.number, "best": answers.place(campaign, campaign.best),
        "next": "",
    }  # fmt: skip
    return Answer(values, [sentence])


def _refuse_early_look(campaign: Campaign) -> None:
    """A holdout is looked at once, at the end: ideas chosen by it would overfit to it."""
    if campaign.bindings.holdout_cmd and not campaign.stop_reason(utc_now()):
        raise Refused(
            "holdout", "the holdout is looked at when the campaign is finished, or by the person",
            next_step="go on with `agent-loops try`",
        )  # fmt: skip


def _refuse_late_claim(campaign: Campaign) -> None:
    """Past its end the campaign has no time, and only the person knows what the machine is for."""
    if rounds.is_over(campaign, utc_now()):
        raise Refused(
            "no time", "the campaign's end is past, and the machine is the person's again",
            next_step="report the best as not confirmed; the person may call `agent-loops "
            "confirm`, or `agent-loops resume --until T` (07:30, or 8h)",
        )  # fmt: skip


def _begin(loop: Loop, campaign: Campaign, *, runs: int, top: int, by: str) -> str:
    """Records what is to be compared; says what it costs."""
    now = utc_now()
    subjects = rounds.subjects(campaign, top)
    baseline = campaign.baseline
    assert baseline is not None
    sides = (*subjects, baseline.number)
    until = rounds.end_utc(campaign, now)
    pairs = _pairs_in_time(campaign, sides, until, runs, now)
    codes = []
    for number in sides:
        tree = loop.workspace.saved(number)
        base = loop.workspace.incumbent_tree()
        gates.refuse_unwritable(loop.workspace, Candidate(tree, base, None, ()))
        codes.append(campaign.experiments[number].started.code)
    agent = session_of(loop.workspace.environ)
    loop.store.append(
        events.ConfirmationStarted(
            subjects=subjects, baseline=baseline.number, runs=pairs,
            first_seed=campaign.last_seed + 1, codes=tuple(codes),
            recorded=rounds.recorded_gains(campaign, subjects),
            by=by or ("the agent" if agent else "the person"), until_utc=until,
        )
    )  # fmt: skip
    loop.store.write_derived()
    if pairs < runs:
        loop.workspace.told.append(f"only {pairs} of {runs} pairs fit before the campaign's end")
    if len(subjects) < top:
        loop.workspace.told.append(f"{len(subjects)} of {top} read better than the baseline")
    return (
        f"confirming {', '.join(f'#{number}' for number in subjects)} against the baseline "
        f"#{baseline.number}: {claimed.cost(campaign, len(subjects), pairs)}"
    )


def _pairs_in_time(
    campaign: Campaign, sides: tuple[int, ...], until: str, runs: int, now: datetime
) -> int:
    fit = rounds.fitting(campaign, sides, until, now)
    if fit < rounds.FEWEST_THAT_FIT:
        each = answers.duration(rounds.pair_s(campaign, sides))
        raise Refused(
            "no time", f"a pair of runs takes {each}, and the campaign ends before "
            f"{rounds.FEWEST_THAT_FIT} of them are over",
            next_step="`agent-loops resume --until T` (07:30, or 8h), then again; or after the end",
        )  # fmt: skip
    return min(runs, fit)
