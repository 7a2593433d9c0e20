"""Folds the journal's events into the campaign; pure: the same events give the same campaign.

Believes no line that a run could have written itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from agent_loops import decide, events, evidence, files
from agent_loops.bindings import Bindings
from agent_loops.evidence import Finding
from agent_loops.experiments import CONFIRM, Experiment, Run, key_of
from agent_loops.state import CRASHES_BEFORE_CANARY, Campaign, losses_of

# Longer silences between two events are sleep, a closed laptop or a person's night, not work.
_LONGEST_PAUSE_THAT_COUNTS_S = 900.0


def fold(records: Iterable[events.Record], campaign: Campaign | None = None) -> Campaign | None:
    """Applies records in their order, from nothing or on top of an earlier fold.

    Raises:
        ValueError: the first event of a journal is not `campaign_started`.
    """
    for record in records:
        if campaign is None:
            campaign = _begin(record)
        else:
            apply(campaign, record)
    return campaign


def _begin(record: events.Record) -> Campaign:
    started = record.event
    if not isinstance(started, events.CampaignStarted):
        raise ValueError(f"begins with {events.NAMES[type(started)]}, not with campaign_started")
    campaign = Campaign(
        started=started,
        bindings=Bindings.from_json(started.bindings),
        bindings_digest=started.bindings_digest,
        bindings_file=started.bindings_file,
        harness_digest=started.harness_digest,
        stop_at_utc=started.stop_at_utc,
        session=started.session,
    )
    campaign.seq = record.seq
    campaign.last_time = record.time
    return campaign


def apply(campaign: Campaign, record: events.Record) -> None:
    """Applies one record.

    Raises:
        ValueError: it is none that the program would have written here; nothing was applied.
    """
    event = record.event
    if campaign.open_run is not None and not isinstance(event, events.MEANWHILE):
        _refuse_forged(campaign, event)
    if not isinstance(event, (events.RunFinished, events.ChecksFinished, events.Resumed)):
        campaign.active_s += _seconds_between(campaign.last_time, record.time)
    campaign.seq = record.seq
    campaign.last_time = record.time
    handler = _HANDLERS.get(type(event))
    if handler is not None:
        handler(campaign, event, record)


def _refuse_forged(campaign: Campaign, event: events.Event) -> None:
    """The run under way could write lines of its own; but only its receipt holds the seal."""
    assert campaign.open_run is not None
    name = events.NAMES[type(event)]
    if not isinstance(event, (events.RunFinished, events.ChecksFinished)):
        raise ValueError(f"{name} while a run is under way: agent-loops did not write this line")
    number, run = campaign.open_run
    seal_digest = campaign.experiments[number].runs[run - 1].started.seal_digest
    is_lost = isinstance(event, events.RunFinished) and event.outcome == "lost"
    sealed = not seal_digest or files.sha256(event.seal.encode()) == seal_digest
    if (event.experiment, event.run) != (number, run) or not (is_lost or sealed):
        raise ValueError(f"{name} without the seal of its run: agent-loops did not write this line")


def _seconds_between(earlier: str, later: str) -> float:
    """Seconds from one time stamp to the next, never negative: a clock may jump."""
    gap = (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()
    return min(max(gap, 0.0), _LONGEST_PAUSE_THAT_COUNTS_S)


def _change(campaign: Campaign, number: int, **changes: Any) -> None:
    campaign.experiments[number] = campaign.experiments[number]._replace(**changes)


def _experiment_started(
    campaign: Campaign, event: events.ExperimentStarted, record: events.Record
) -> None:
    earlier = campaign.experiments.get(event.experiment)
    campaign.experiments[event.experiment] = Experiment(
        number=event.experiment,
        started=event,
        epoch=campaign.epoch,
        time=record.time,
        runs=earlier.runs if earlier else (),
        first_run_of_attempt=len(earlier.runs) if earlier else 0,
        runs_wanted=event.runs_wanted,
        notes=event.notes,
        plan=event.plan,
    )
    if earlier is not None and earlier.verdict:
        campaign.counts[earlier.verdict] -= 1
    campaign.holders[event.code] = event.experiment
    campaign.commits += [item for item in (event.parent_commit, event.commit) if item]
    campaign.open_number = event.experiment
    if event.session:
        campaign.session = event.session
    if event.basis:
        campaign.implemented.setdefault(event.basis, []).append(event.experiment)


def _run_started(campaign: Campaign, event: events.RunStarted, record: events.Record) -> None:
    runs = campaign.experiments[event.experiment].runs
    run = Run(event.run, event, record.boot_id, record.time)
    _change(campaign, event.experiment, runs=(*runs, run))
    campaign.open_run = (event.experiment, event.run)
    campaign.last_seed = max(campaign.last_seed, event.seed)


def _run_finished(campaign: Campaign, event: events.RunFinished, _: events.Record) -> None:
    experiment = campaign.experiments[event.experiment]
    runs = list(experiment.runs)
    run = runs[event.run - 1]._replace(finished=event)
    runs[event.run - 1] = run
    _change(campaign, event.experiment, runs=tuple(runs))
    campaign.open_run = None
    campaign.active_s += event.elapsed_s or 0.0
    campaign.outputs.extend(event.outputs)
    if event.outcome == "pruned":
        campaign.pruned_runs += 1
        campaign.saved_s += event.saved_s
    elif event.hopeless:
        campaign.let_go_on.append(event.experiment)
    if run.reading is not None and run.started.purpose != CONFIRM:
        holder = campaign.experiments[run.started.code_of or event.experiment]
        key = key_of(experiment.epoch, holder.started.code)
        campaign.readings.setdefault(key, []).append(run.reading)
    if run.started.purpose == "canary" and not _is_lost_once(runs):
        campaign.canary_due = False
        campaign.crashes_in_row = 0
        if event.crash_kind and not _says_nothing(event):
            campaign.canary_crash = event.crash_reason


def _checks_finished(
    campaign: Campaign, event: events.ChecksFinished, record: events.Record
) -> None:
    finished = events.RunFinished(
        experiment=event.experiment, run=event.run, outcome=event.outcome,
        exit_code=event.exit_code, crash_kind="" if event.passed else "idea",
        crash_reason=event.reason, wall_s=event.wall_s, elapsed_s=event.elapsed_s,
    )  # fmt: skip
    _run_finished(campaign, finished, record)


def _says_nothing(finished: events.RunFinished) -> bool:
    """Whether it was the person's doing, which tells neither of ideas nor of the machine."""
    return finished.outcome == "stopped" or finished.crash_kind in ("edited", "elsewhere")


def _is_lost_once(runs: Sequence[Run]) -> bool:
    """Whether the last of these checks of an incumbent was lost, and not the one before it too."""
    outcomes = [
        run.finished.outcome if run.finished and run.started.purpose == "canary" else ""
        for run in runs[-2:]
    ]
    return outcomes[-1] == "lost" and outcomes[:-1] != ["lost"]


def _decided(campaign: Campaign, event: events.Decided, _: events.Record) -> None:
    experiment = campaign.experiments[event.experiment]
    if event.verdict == decide.REPEAT:
        _change(campaign, event.experiment, runs_wanted=experiment.runs_wanted + 1)
        return
    changes: dict[str, Any] = {"decided": event, "verdict": event.verdict}
    if experiment.started.rehearsal:
        campaign.rehearsals += 1
    else:
        campaign.counts[event.verdict] = campaign.counts.get(event.verdict, 0) + 1
    if event.metric is not None:
        key = key_of(experiment.epoch, experiment.started.code)
        campaign.by_code.setdefault(key, event.experiment)
        if event.kind not in ("over budget", "guard", "checks", "repeat", decide.REHEARSAL):
            campaign.contenders[event.experiment] = key
        _learn(campaign, experiment, event)
    if event.verdict == decide.KEEP:
        changes["replaced"] = campaign.incumbent_number
        campaign.incumbent_number = event.experiment
        if experiment.started.baseline:
            campaign.baseline_number = event.experiment
    ended = [run.finished for run in (*experiment.attempt, *experiment.references) if run.finished]
    if experiment.started.rehearsal or any(map(_says_nothing, ended)):
        pass
    elif event.verdict == decide.CRASH and not experiment.started.baseline:
        campaign.crashes_in_row += 1
        campaign.canary_due = campaign.crashes_in_row >= CRASHES_BEFORE_CANARY
    else:
        campaign.crashes_in_row = 0
    if campaign.analysis_first and event.metric is not None and not experiment.started.rehearsal:
        campaign.analysing = (event.experiment, len(experiment.runs))
    _change(campaign, event.experiment, **changes)


def _learn(campaign: Campaign, experiment: Experiment, event: events.Decided) -> None:
    """Takes a verdict's readings over into what the noise-aware rule goes by."""
    what = evidence.KEPT if event.verdict == decide.KEEP else evidence.DISCARDED
    if experiment.started.baseline:
        what = evidence.BEGUN
        campaign.findings, campaign.settled_belief, campaign.believed = [], None, 0
    if campaign.bindings.keep_rule != "noise-aware":
        return
    if event.kind in ("repeat", decide.REHEARSAL):
        what = evidence.READ_AGAIN
    losses = losses_of(campaign, experiment, paired=experiment.started.paired)
    if losses:
        campaign.findings.append(Finding(experiment.number, what, losses))
    if event.verdict == decide.KEEP:
        _stand(campaign, event)
    elif what == evidence.READ_AGAIN and event.standing is not None:
        _stand_anew(campaign, event.standing)


def _stand(campaign: Campaign, event: events.Decided) -> None:
    """Notes how a kept experiment stands to the baseline, before it becomes the incumbent."""
    before = campaign.standings.get(campaign.incumbent_number or 0, 0.0)
    campaign.standings[event.experiment] = before + (event.gain or 0.0)


def _stand_anew(campaign: Campaign, standing: float) -> None:
    """More readings of the incumbent's code tell better what it gained."""
    incumbent = campaign.incumbent
    if incumbent is not None and incumbent.decided is not None:
        decided = incumbent.decided._replace(standing=standing)
        _change(campaign, incumbent.number, decided=decided)


def _analysis_started(campaign: Campaign, event: events.AnalysisStarted, _: events.Record) -> None:
    experiment = campaign.experiments[event.experiment]
    campaign.analysing = (event.experiment, len(experiment.runs))
    if event.plan:
        _change(campaign, event.experiment, plan=event.plan)


def _analysed(campaign: Campaign, event: events.Analysed, _: events.Record) -> None:
    campaign.analysing = None
    _change(campaign, event.experiment, analysed=event)
    campaign.measured += [item for item in event.measured if item not in campaign.measured]
    if event.missing:
        campaign.unanalysed = event.experiment
    elif campaign.unanalysed == event.experiment:
        campaign.unanalysed = None


def _settled(campaign: Campaign, event: events.Settled, _: events.Record) -> None:
    experiment = campaign.experiments[event.experiment]
    told = (*experiment.notes, *event.notes, *campaign.pending_notes)
    campaign.pending_notes = []
    commit = event.commit or experiment.commit
    if commit and commit != experiment.started.commit:
        campaign.commits.append(commit)
    _change(campaign, event.experiment, settled=True, commit=commit, notes=told)
    if not campaign.experiments[event.experiment].is_open_baseline:
        campaign.open_number = None


def _overridden(campaign: Campaign, event: events.Overridden, _: events.Record) -> None:
    experiment = campaign.experiments[event.experiment]
    if event.verdict == decide.KEEP and experiment.verdict != decide.KEEP:
        _change(campaign, event.experiment, replaced=campaign.incumbent_number)
        if experiment.decided is not None and experiment.decided.metric is not None:
            key = key_of(experiment.epoch, experiment.started.code)
            campaign.contenders[event.experiment] = key
            if campaign.standings:
                _stand(campaign, experiment.decided)
        campaign.incumbent_number = event.experiment
    elif event.verdict == decide.DISCARD and experiment.verdict == decide.KEEP:
        campaign.incumbent_number = experiment.replaced
        campaign.contenders.pop(event.experiment, None)  # what was rejected is not the best
        campaign.standings.pop(event.experiment, None)
    if campaign.findings and campaign.findings[-1].experiment == event.experiment:
        what = evidence.KEPT if event.verdict == decide.KEEP else evidence.DISCARDED
        campaign.findings[-1] = campaign.findings[-1]._replace(what=what)
    campaign.counts[experiment.verdict] -= 1
    campaign.counts[event.verdict] = campaign.counts.get(event.verdict, 0) + 1
    _change(
        campaign, event.experiment,
        verdict=event.verdict, override_why=event.why, settled=False, notes=(),
    )  # fmt: skip
    campaign.open_number = event.experiment


def _rebaselined(campaign: Campaign, event: events.Rebaselined, _: events.Record) -> None:
    gained = campaign.gain_of(campaign.incumbent) or 0.0
    before, now = campaign.bindings, Bindings.from_json(event.bindings)
    campaign.bind(now, event.stop_at_utc)
    campaign.bindings_digest = event.bindings_digest
    campaign.bindings_file = event.bindings_file
    campaign.harness_digest = event.harness_digest
    if not event.measured_anew:
        return
    campaign.rebaseline_why = event.why
    if now.metric != before.metric:
        campaign.table_from = campaign.next_number
    same = (now.metric, now.direction) == (before.metric, before.direction)
    campaign.gain_before = campaign.gain_before + gained if same else 0.0
    campaign.epoch += 1
    campaign.metrics.append(now.metric)
    campaign.outputs = []
    campaign.contenders = {}
    campaign.findings, campaign.settled_belief, campaign.believed = [], None, 0
    campaign.standings = {}
    campaign.unanalysed = None
    campaign.confirmed = None
    campaign.baseline_number = None
    campaign.open_number = None
    campaign.crashes_in_row = 0
    campaign.canary_due = False


def _paused(campaign: Campaign, event: events.Paused, record: events.Record) -> None:
    campaign.paused = event
    campaign.switched_seq = record.seq
    campaign.canary_crash = ""


def _stopped(campaign: Campaign, event: events.Stopped, record: events.Record) -> None:
    campaign.stopped = event
    campaign.switched_seq = record.seq


def _resumed(campaign: Campaign, event: events.Resumed, record: events.Record) -> None:
    campaign.switched_seq = record.seq
    campaign.paused = None
    campaign.stopped = None
    campaign.crashes_in_row = 0
    campaign.canary_due = False  # the person says to go on
    campaign.canary_crash = ""
    if event.take_over or not campaign.session:
        campaign.session = event.session
    if event.until_utc:
        campaign.until_utc = event.until_utc


def _noted(campaign: Campaign, event: events.Note, _: events.Record) -> None:
    campaign.pending_notes.append(event.text)


def _refused(campaign: Campaign, _event: events.RefusedTry, _: events.Record) -> None:
    campaign.refusals += 1


def _confirmation_started(
    campaign: Campaign, event: events.ConfirmationStarted, _: events.Record
) -> None:
    campaign.confirming = event


def _confirmed(campaign: Campaign, event: events.Confirmed, _: events.Record) -> None:
    started = campaign.confirming
    for number in started.subjects if started is not None else ():
        experiment = campaign.experiments[number]
        key = key_of(experiment.epoch, experiment.started.code)
        campaign.confirmations[key] = campaign.confirmations.get(key, 0) + 1
    campaign.confirming = None
    campaign.confirmed = event
    campaign.claimed_after = len(campaign.experiments)


def _finding_noted(campaign: Campaign, event: events.FindingNoted, _: events.Record) -> None:
    names = [item.name for item in campaign.corpus]
    if event.name in names:  # noted again: corrected before anything was tried by it
        campaign.corpus[names.index(event.name)] = event
    else:
        campaign.corpus.append(event)


def _family_changed(campaign: Campaign, event: events.FamilyChanged, _: events.Record) -> None:
    campaign.family = event.family
    campaign.retired |= dict.fromkeys(event.retired, event.family)


_HANDLERS: dict[type, Any] = {
    events.ExperimentStarted: _experiment_started,
    events.RunStarted: _run_started,
    events.RunFinished: _run_finished,
    events.ChecksFinished: _checks_finished,
    events.Decided: _decided,
    events.AnalysisStarted: _analysis_started,
    events.Analysed: _analysed,
    events.Settled: _settled,
    events.Overridden: _overridden,
    events.Rebaselined: _rebaselined,
    events.Paused: _paused,
    events.Stopped: _stopped,
    events.Resumed: _resumed,
    events.Note: _noted,
    events.RefusedTry: _refused,
    events.ConfirmationStarted: _confirmation_started,
    events.Confirmed: _confirmed,
    events.FindingNoted: _finding_noted,
    events.FamilyChanged: _family_changed,
}
