"""Which step comes next, from the record and from what the machine shows; pure.

Does none of them: that is for `loop`.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence

from agent_loops import events
from agent_loops.experiments import ANALYSIS, CONFIRM, Run, is_here, purpose_of_next_run
from agent_loops.state import Campaign


class Step(enum.Enum):
    """What `loop` does next; each row of the design's table of gaps."""

    START_RUN = "start the next run of the open experiment"
    AWAIT_RUN = "a run is alive"
    TAKE_RECEIPT = "the run ended and left its receipt"
    ELSEWHERE = "the run was started on another host and left no receipt yet"
    LOST = "no process, no receipt"
    CHECK = "every reading is in, and it would be kept: do its checks pass?"
    DECIDE = "every run is in"
    ANALYSE = "the verdict stands: the next script of the analysis plan is due"
    CONCLUDE = "every script of the plan has run"
    SETTLE = "files, branch and table follow the decision"
    CANARY = "three crashes in a row: does the incumbent still run?"
    PAUSE = "the incumbent crashed too: the machine broke"
    CONFIRM = "a confirmation's next run is due"
    CLAIM = "a confirmation's runs are all in"
    IDLE = "nothing is under way"


def next_step(
    campaign: Campaign, *, run_locked: bool, receipt: bool, host: str, boot_id: str
) -> Step:
    """The one step that follows from the record and from what the machine shows."""
    if campaign.open_run is not None:
        return _of_open_run(
            campaign, run_locked=run_locked, receipt=receipt, host=host, boot_id=boot_id
        )
    if campaign.canary_crash:
        return Step.PAUSE
    if campaign.analysing is not None:
        return Step.CONCLUDE if next_script(campaign) is None else Step.ANALYSE
    open_ = campaign.open
    if open_ is None and campaign.canary_due:
        return Step.CANARY
    if open_ is None and campaign.confirming is not None:
        return Step.CLAIM if next_to_confirm(campaign) is None else Step.CONFIRM
    if open_ is None:
        return Step.IDLE
    if not open_.verdict:
        return Step.START_RUN if purpose_of_next_run(open_) else Step.DECIDE
    if not open_.settled:
        return Step.SETTLE
    return Step.IDLE  # an open baseline waits for the next `try`


def _of_open_run(
    campaign: Campaign, *, run_locked: bool, receipt: bool, host: str, boot_id: str
) -> Step:
    assert campaign.open_run is not None
    if run_locked:
        return Step.AWAIT_RUN
    if receipt:
        return Step.TAKE_RECEIPT
    experiment, run = campaign.open_run
    here = is_here(campaign.experiments[experiment].runs[run - 1], host=host, boot_id=boot_id)
    return Step.LOST if here else Step.ELSEWHERE


def next_script(campaign: Campaign) -> str | None:
    """The script of the analysis under way that is due; None after all, or where one was stopped.

    What was lost to a kill or a power cut runs again once.
    """
    if campaign.analysing is None:
        return None
    from agent_loops import plans  # only the analysis-first loop has any

    number, before = campaign.analysing
    experiment = campaign.experiments[number]
    runs = [run for run in experiment.runs[before:] if run.started.purpose == ANALYSIS]
    if runs and runs[-1].finished is not None and runs[-1].finished.outcome == "stopped":
        return None
    for script in plans.scripts(plans.rows_of(experiment.plan)):
        ended = [run.finished for run in runs if run.started.script == script and run.finished]
        if not ended or (len(ended) == 1 and ended[0].outcome == "lost"):
            return script
    return None


def confirming_order(started: events.ConfirmationStarted) -> Iterator[tuple[int, int]]:
    """Experiment and seed of each run: there and back again, so that a drift falls on all alike."""
    sides = (*started.subjects, started.baseline)
    for pair in range(started.runs):
        for number in sides if pair % 2 == 0 else reversed(sides):
            yield number, started.first_seed + pair


def next_to_confirm(campaign: Campaign) -> tuple[int, int] | None:
    """Experiment and seed of the confirmation's run that is due or under way; None after all."""
    if campaign.confirming is None:
        return None
    for number, seed in confirming_order(campaign.confirming):
        if not _is_made(runs_to_confirm(campaign, number, seed)):
            return number, seed
    return None


def runs_to_confirm(campaign: Campaign, number: int, seed: int) -> list[Run]:
    """The runs of an experiment with one seed of a confirmation: two, where one was no fault."""
    runs = campaign.experiments[number].runs
    return [run for run in runs if run.started.purpose == CONFIRM and run.started.seed == seed]


def _is_made(runs: Sequence[Run]) -> bool:
    """Whether it is over: what was not the code's own fault is tried again once."""
    finished = [run.finished for run in runs if run.finished is not None]
    if not finished or finished[-1].crash_kind in ("", "idea"):
        return bool(finished)
    return len(finished) > 1
