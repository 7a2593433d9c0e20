"""What a confirmation would compare and cost, whether it fits, and whether it is due; pure.

Starts nothing: in which order the runs come stands in `state`, and what they showed is for
`confirmation`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from agent_loops import decide, events
from agent_loops.bindings import Bindings
from agent_loops.experiments import CONFIRM, Experiment
from agent_loops.state import Campaign

FEWEST_THAT_FIT = 2
"""With fewer pairs there is not even a deviation."""


def subjects(campaign: Campaign, top: int) -> tuple[int, ...]:
    """The best, and up to `top` in all that read better than the baseline; each code once.

    Empty where the best is the baseline's own code: nothing was gained.
    """
    best, baseline = campaign.best, campaign.baseline
    if best is None or baseline is None or not campaign.has_gained:
        return ()
    found = {best.started.code: best.number}
    for number in _by_gain(campaign) if top > 1 else ():
        experiment = campaign.experiments[number]
        if experiment.started.code != baseline.started.code and _gain(campaign, number) > 0:
            found.setdefault(experiment.started.code, number)
    return tuple(found.values())[:top]


def _by_gain(campaign: Campaign) -> list[int]:
    readable = [number for number in campaign.contenders if _has_reading(campaign, number)]
    return sorted(readable, key=lambda number: -_gain(campaign, number))


def _has_reading(campaign: Campaign, number: int) -> bool:
    return campaign.experiments[number].verdict != decide.CRASH


def _gain(campaign: Campaign, number: int) -> float:
    return campaign.gain_of(campaign.experiments[number]) or 0.0


def recorded_gains(campaign: Campaign, numbers: tuple[int, ...]) -> tuple[float, ...]:
    """What the campaign says that each has gained over the baseline."""
    return tuple(_gain(campaign, number) for number in numbers)


def pair_s(campaign: Campaign, numbers: tuple[int, ...]) -> float:
    """How long one run of each of these takes, by their last runs; 0 where that is not known."""
    return sum(_run_s(campaign.experiments[number]) for number in numbers)


def _run_s(experiment: Experiment) -> float:
    """Runs to confirm sooner than others: a holdout takes its time too."""
    ended = [run for run in experiment.runs if run.finished is not None and run.reading is not None]
    confirming = [run for run in ended if run.started.purpose == CONFIRM]
    last = (confirming or ended)[-1:]
    return last[0].finished.elapsed_s or 0.0 if last and last[0].finished is not None else 0.0


def end_utc(campaign: Campaign, now: datetime) -> str:
    """The campaign's end, by the clock or by active time, where it is yet to come; else "".

    A campaign that is over has no end any more: whoever confirms it then knows what time it is.
    """
    ends = [datetime.fromisoformat(campaign.end_utc)] if campaign.end_utc else []
    stop_after_s = campaign.bindings.stop_after_s
    if stop_after_s is not None and not campaign.until_utc:
        ends.append(now + timedelta(seconds=stop_after_s - campaign.active_s))
    end = min(ends, default=now)
    return end.isoformat(timespec="seconds") if end > now else ""


def fitting(campaign: Campaign, numbers: tuple[int, ...], until_utc: str, now: datetime) -> int:
    """How many pairs would be over by then; a large number without an end, or without figures."""
    each_s = pair_s(campaign, numbers)
    if not until_utc or each_s <= 0:
        return 10**9
    left_s = (datetime.fromisoformat(until_utc) - now).total_seconds()
    return max(0, int(left_s / each_s))


def has_time(campaign: Campaign, started: events.ConfirmationStarted, now: datetime) -> bool:
    """Whether one more pair would be over by the confirmation's end."""
    numbers = (*started.subjects, started.baseline)
    if started.until_utc and now >= datetime.fromisoformat(started.until_utc):
        return False
    return fitting(campaign, numbers, started.until_utc, now) >= 1


def is_wanted(campaign: Campaign) -> bool:
    """Whether time is set aside for a claim that is not made yet, or one is under way."""
    if campaign.confirming is not None:
        return True
    set_aside = campaign.bindings.confirm_s is not None
    return set_aside and campaign.has_gained and not campaign.is_confirmed


def is_due(campaign: Campaign, now: datetime) -> bool:
    """Whether the next step is to confirm: finished, with time set aside, and enough of it left."""
    if campaign.paused is not None or campaign.stopped is not None:
        return False
    if campaign.confirming is not None:
        return True
    if not is_wanted(campaign) or not campaign.stop_reason(now):
        return False
    is_by_time = bool(campaign.time_is_up(now))
    until = end_utc(campaign, now)
    if is_by_time and not until:
        return False  # its end is past
    baseline = campaign.baseline
    assert baseline is not None
    numbers = (*subjects(campaign, 1), baseline.number)
    return fitting(campaign, numbers, until, now) >= FEWEST_THAT_FIT


def is_over(campaign: Campaign, now: datetime) -> bool:
    """Whether the end by time is past: then the machine is the person's again."""
    return campaign.ends_by_time and not end_utc(campaign, now)


def closing_words(campaign: Campaign, now: datetime) -> str:
    """What an agent does when its campaign is finished."""
    if campaign.is_confirmed:
        return "report the sentence that `agent-loops status` has"
    if not campaign.has_gained:
        return "report the best"
    if not is_over(campaign, now):
        return "`agent-loops confirm`, then report its sentence as it stands"
    return "report the best as not confirmed: `agent-loops confirm` is the person's to call now"


def shortage(bindings: Bindings) -> str:
    """That the time set aside is too short for a claim; empty where it is not, or is not known."""
    confirm_s, budget = bindings.confirm_s, bindings.budget
    if confirm_s is None or budget.kind != "time":
        return ""
    from agent_loops.confirmation import FEWEST_PAIRS  # no `try` needs it

    fit = int(confirm_s / (2 * budget.amount))
    if fit >= FEWEST_PAIRS:
        return ""
    return f"confirm_time has room for {fit} pairs of runs, and a claim needs {FEWEST_PAIRS}"
