"""What the runs of a confirmation showed of each experiment that is compared with the baseline.

Runs and records nothing. What `holdout_cmd` printed is read here alone, and what comes of it is
kept apart from what the record may hold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from agent_loops import confirmation, display, events, experiments, files, sentences, steps
from agent_loops.confirmation import Subject
from agent_loops.experiments import Experiment, Run
from agent_loops.state import Campaign
from agent_loops.workspace import Workspace

_REASON_CHARACTERS = 80


def claims(
    workspace: Workspace, started: events.ConfirmationStarted, shortfall: str
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The claim of each subject as the record has it, and as only the person may see it."""
    trained = _judged(workspace, started, _Trained(workspace), shortfall)
    if not workspace.campaign.bindings.holdout_cmd:
        return [judged.as_json(sentences.sentence(judged.subject)) for judged in trained], []
    held_out = _judged(workspace, started, _HeldOut(workspace), shortfall)
    shown, whole = [], []
    for training, holdout in zip(trained, held_out, strict=True):
        public = sentences.sentence_without_figures(holdout.subject, training.subject)
        shown.append(training.as_json(public) | {"verdict": confirmation.verdict(holdout.subject)})
        full = sentences.sentence_beside(holdout.subject, training.subject)
        whole.append(holdout.as_json(full))
    return shown, whole


def _sides(started: events.ConfirmationStarted) -> tuple[int, ...]:
    return (*started.subjects, started.baseline)


def all_runs(campaign: Campaign, started: events.ConfirmationStarted) -> list[Run]:
    """Every run that was made for it, those that were made again too."""
    seeds = range(started.first_seed, started.first_seed + started.runs)
    return [
        run
        for number in _sides(started)
        for seed in seeds
        for run in steps.runs_to_confirm(campaign, number, seed)
    ]


class _Slot(NamedTuple):
    """What became of one seed of one experiment: its last run."""

    seed: int
    run: Run
    value: float | None


class _Pairs(NamedTuple):
    """Seeds, with the readings of a subject and of the baseline in their order."""

    seeds: tuple[int, ...]
    new: tuple[float, ...]
    old: tuple[float, ...]


class _Judged(NamedTuple):
    experiment: int
    subject: Subject
    pairs: _Pairs

    def as_json(self, sentence: str) -> dict[str, Any]:
        return {
            "experiment": self.experiment,
            "verdict": confirmation.verdict(self.subject),
            "sentence": sentence,
            "recorded_gain": self.subject.recorded,
            **confirmation.as_json(self.subject.figures),
            "seeds": list(self.pairs.seeds),
            "readings": list(self.pairs.new),
            "baseline_readings": list(self.pairs.old),
        }


class _Trained:
    """The training's own metric, or that of eval_cmd."""

    what = ""

    def __init__(self, workspace: Workspace) -> None:
        self.label = workspace.campaign.bindings.metric

    def __call__(self, _: int, run: Run) -> float | None:
        return run.reading


class _HeldOut:
    """What holdout_cmd printed, where its log is still what it was when the run ended."""

    what = "without a value on the holdout"

    def __init__(self, workspace: Workspace) -> None:
        self._paths = workspace.store.paths
        self._spec = workspace.campaign.bindings.metric_spec
        self.label = f"{workspace.campaign.bindings.metric} on the holdout"

    def __call__(self, number: int, run: Run) -> float | None:
        from agent_loops.metric import read_log

        path = self._paths.holdout_log(number, run.number)
        if run.reading is None or run.finished is None:
            return None
        try:
            if files.sha256_file(path) != run.finished.holdout:
                return None
            with files.open_regular(path) as stream:
                reading = read_log(stream, self._spec).reading
        except OSError:
            return None
        return reading.value if reading is not None else None


def _judged(
    workspace: Workspace,
    started: events.ConfirmationStarted,
    value_of: _Trained | _HeldOut,
    shortfall: str,
) -> list[_Judged]:
    campaign = workspace.campaign
    slots = {number: _slots(campaign, number, started, value_of) for number in _sides(started)}
    pairs = [_pairs(slots[number], slots[started.baseline]) for number in started.subjects]
    direction = campaign.bindings.direction
    figures = confirmation.corrected(
        [confirmation.figures(item.new, item.old, direction) for item in pairs]
    )
    of_baseline = _trouble(campaign, started.baseline, slots[started.baseline], value_of.what)
    judged = []
    for index, number in enumerate(started.subjects):
        failures, faults = _trouble(campaign, number, slots[number], value_of.what)
        short = f"{len(pairs[index].seeds)} of {started.runs} pairs: {shortfall}"
        again = _nth(campaign, campaign.experiments[number])
        remarks = [*of_baseline[0], *of_baseline[1], *faults, short if shortfall else "", again]
        subject = Subject(
            name=f"#{number}", metric=value_of.label, figures=figures[index],
            recorded=started.recorded[index], failures=tuple(failures),
            remarks=tuple(filter(None, remarks)), compared=len(started.subjects),
            since=" since the rebaseline" if campaign.epoch else "",
        )  # fmt: skip
        judged.append(_Judged(number, subject, pairs[index]))
    return judged


def _pairs(subject: Sequence[_Slot], baseline: Sequence[_Slot]) -> _Pairs:
    """The seeds of which both have a value."""
    before = {slot.seed: slot.value for slot in baseline}
    found = [
        (slot.seed, slot.value, old)
        for slot in subject
        if slot.value is not None and (old := before.get(slot.seed)) is not None
    ]
    return _Pairs(
        tuple(seed for seed, _, _ in found),
        tuple(new for _, new, _ in found),
        tuple(old for _, _, old in found),
    )


def _slots(
    campaign: Campaign,
    number: int,
    started: events.ConfirmationStarted,
    value_of: Callable[[int, Run], float | None],
) -> list[_Slot]:
    slots = []
    for seed in range(started.first_seed, started.first_seed + started.runs):
        ended = [run for run in steps.runs_to_confirm(campaign, number, seed) if run.finished]
        if ended:
            slots.append(_Slot(seed, ended[-1], value_of(number, ended[-1])))
    return slots


def _trouble(
    campaign: Campaign, number: int, slots: Sequence[_Slot], what: str
) -> tuple[list[str], list[str]]:
    """What the code did wrong in these runs, and what was not its fault."""
    crashed, broken, lost, without = [], [], [], 0
    for slot in slots:
        finished = slot.run.finished
        assert finished is not None
        if finished.crash_kind == "idea":
            crashed.append(finished.crash_reason)
        elif finished.crash_kind:
            lost.append(finished.crash_reason)
        elif reason := _broken_guard(campaign, finished):
            broken.append(reason)
        elif slot.value is None:
            without += 1
    said = [
        _said(items, len(slots), number, how)
        for items, how in ((crashed, "crashed"), (broken, "broke a guard"))
        if items
    ]
    if without:
        said.append(f"{without} of {len(slots)} runs of #{number} ended {what}")
    faults = [_said(lost, len(slots), number, "did not count")] if lost else []
    return said, faults


def _said(reasons: Sequence[str], of: int, number: int, how: str) -> str:
    reason = display.clean(reasons[0], _REASON_CHARACTERS)
    return f"{len(reasons)} of {of} runs of #{number} {how} ({reason})"


def _broken_guard(campaign: Campaign, finished: events.RunFinished) -> str:
    baseline = campaign.baseline.last_reading if campaign.baseline else None
    for guard in campaign.bindings.guards if baseline is not None else ():
        assert baseline is not None
        limit = baseline.guards.get(guard.name)
        if reason := guard.broken(finished.guards.get(guard.name), limit):
            return reason
    return ""


def _nth(campaign: Campaign, experiment: Experiment) -> str:
    """That it is not the first claim on this code: of many, one is lucky."""
    key = experiments.key_of(experiment.epoch, experiment.started.code)
    earlier = campaign.confirmations.get(key, 0)
    return f"claim {earlier + 1} on this code" if earlier else ""
