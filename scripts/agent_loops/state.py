"""Folds the journal's events into the campaign, and says which step comes next.

Pure: the same events give the same campaign; what only the machine can tell (is the run's lock
held, is its receipt there) is passed in.
"""

from __future__ import annotations

import enum
import json
import math
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from agent_loops import calibration, decide, events, evidence, files
from agent_loops.bindings import Bindings
from agent_loops.evidence import Finding
from agent_loops.objective import Direction

if TYPE_CHECKING:  # imported where it is asked
    from agent_loops.keeping.rule import Belief

CRASHES_BEFORE_CANARY = 3
# Longer silences between two events are sleep, a closed laptop or a person's night, not work.
_LONGEST_PAUSE_THAT_COUNTS_S = 900.0
CONFIRM = "confirm"
REFERENCE = "reference"
_WARMUP = "warmup"
# Runs that say nothing of the experiment's own code, or are not to be pooled with others.
_OTHERS = ("canary", "checks", REFERENCE, CONFIRM)


class Run(NamedTuple):
    """One execution of `run_cmd`; `finished` is None while it goes on or is lost."""

    number: int
    started: events.RunStarted
    boot_id: str
    time: str
    finished: events.RunFinished | None = None

    @property
    def reading(self) -> float | None:
        """The metric value that counts, in metric units."""
        if self.finished is None or self.finished.crash_kind or self.finished.outcome == "lost":
            return None
        return self.finished.value if self.started.purpose != _WARMUP else None


class Experiment(NamedTuple):
    """One idea tried, as far as it has come."""

    number: int
    started: events.ExperimentStarted
    epoch: int
    time: str
    runs: tuple[Run, ...] = ()
    first_run_of_attempt: int = 0
    runs_wanted: int = 1
    decided: events.Decided | None = None
    verdict: str = ""
    override_why: str = ""
    replaced: int | None = None
    settled: bool = False
    commit: str = ""
    notes: tuple[str, ...] = ()

    @property
    def attempt(self) -> tuple[Run, ...]:
        """The runs of the present attempt: a baseline that crashed may be tried anew."""
        runs = self.runs[self.first_run_of_attempt :]
        return tuple(run for run in runs if run.started.purpose not in _OTHERS)

    @property
    def references(self) -> tuple[Run, ...]:
        """The incumbent's runs that this experiment is compared with, where it is paired."""
        return tuple(run for run in self.runs if run.started.purpose == REFERENCE)

    @property
    def pairs(self) -> tuple[tuple[float, float], ...]:
        """Readings of the candidate and of the incumbent, taken one beside the other."""
        own = [run.reading for run in self.attempt if run.reading is not None]
        others = [run.reading for run in self.references if run.reading is not None]
        return tuple(zip(own, others, strict=False))

    @property
    def checks(self) -> events.RunFinished | None:
        """How this attempt's `checks_cmd` ended; None before that, also when it was lost once."""
        runs = self.runs[self.first_run_of_attempt :]
        ended = [run.finished for run in runs if run.started.purpose == "checks" and run.finished]
        lost_once = len(ended) == 1 and ended[0].outcome == "lost"
        return ended[-1] if ended and not lost_once else None

    @property
    def readings(self) -> tuple[float, ...]:
        return tuple(
            run.reading
            for run in self.runs
            if run.reading is not None and run.started.purpose != CONFIRM
        )

    @property
    def last_finished(self) -> events.RunFinished | None:
        finished = [run.finished for run in self.attempt if run.finished is not None]
        return finished[-1] if finished else None

    @property
    def last_reading(self) -> events.RunFinished | None:
        found = [run.finished for run in self.attempt if run.reading is not None]
        return found[-1] if found else None

    @property
    def pruned(self) -> str:
        """Why this attempt was ended early without being a crash; empty where it was not."""
        last = self.last_finished
        ended_early = last is not None and last.outcome == "pruned" and not last.crash_kind
        return last.hopeless if last is not None and ended_early else ""

    @property
    def is_open_baseline(self) -> bool:
        """A baseline without a reading: it stays open until one of its runs yields one."""
        return self.started.baseline and self.verdict != decide.KEEP


class Experiments(MutableMapping[int, Experiment]):
    """Experiments by number: 1, 2, 3 and so on, without gaps.

    Those that come from a cache lie as JSON until they are asked for: a command looks at a few,
    and there may be ten thousand.
    """

    def __init__(self, lines: Iterable[bytes] = ()) -> None:
        self._items: list[Experiment | bytes] = list(lines)

    def __getitem__(self, number: int) -> Experiment:
        if not 1 <= number <= len(self._items):
            raise KeyError(number)
        item = self._items[number - 1]
        if isinstance(item, bytes):
            item = self._items[number - 1] = experiment_from_json(json.loads(item))
        return item

    def __setitem__(self, number: int, experiment: Experiment) -> None:
        if number == len(self._items) + 1:
            self._items.append(experiment)
        elif 1 <= number <= len(self._items):
            self._items[number - 1] = experiment
        else:
            raise KeyError(number)

    def __delitem__(self, number: int) -> None:
        raise TypeError("no experiment is ever forgotten")

    def __iter__(self) -> Iterator[int]:
        return iter(range(1, len(self._items) + 1))

    def __reversed__(self) -> Iterator[int]:
        return iter(range(len(self._items), 0, -1))

    def __len__(self) -> int:
        return len(self._items)

    def lines(self) -> Iterator[bytes]:
        """One line of JSON an experiment."""
        for item in self._items:
            yield (
                item if isinstance(item, bytes) else json.dumps(_experiment_to_json(item)).encode()
            )


def _experiment_to_json(experiment: Experiment) -> dict[str, Any]:
    value = experiment._asdict()
    value["started"] = experiment.started._asdict()
    value["decided"] = experiment.decided._asdict() if experiment.decided else None
    value["runs"] = [
        {
            "number": run.number,
            "started": run.started._asdict(),
            "boot_id": run.boot_id,
            "time": run.time,
            "finished": run.finished._asdict() if run.finished else None,
        }
        for run in experiment.runs
    ]
    return value


def experiment_from_json(value: Mapping[str, Any]) -> Experiment:
    """The inverse of what `Experiments.lines` writes."""
    runs = tuple(
        Run(
            run["number"],
            events.RunStarted(**run["started"]),
            run["boot_id"],
            run["time"],
            events.RunFinished(**as_tuples(run["finished"])) if run["finished"] else None,
        )
        for run in value["runs"]
    )
    decided = events.Decided(**as_tuples(value["decided"])) if value["decided"] else None
    started = events.ExperimentStarted(**as_tuples(value["started"]))
    return Experiment(**{**as_tuples(value), "started": started, "runs": runs, "decided": decided})


def as_tuples(value: Mapping[str, Any]) -> dict[str, Any]:
    """An event's fields as they were before they became JSON, which knows no tuples."""
    return {key: tuple(item) if isinstance(item, list) else item for key, item in value.items()}


class Campaign:
    """The fold. Changed by `apply` alone.

    `readings` and `by_code` (the first experiment that was judged by one) are by epoch and code;
    `holders` is the last experiment of any code; `contenders` are those of the present epoch
    that may be the best, with their codes. `metrics` names what each epoch measured, `table_from`
    is the first experiment whose metric is the present one, and `gain_before` what was gained in
    it before the last rebaseline: each epoch's gain over its own baseline. `rehearsals` counts
    those that have a verdict. `until_utc` is the end that `resume --until` set, in place of
    `stop_at` and `stop_after`; `switched_seq` is the record of the last pause, stop or resume.
    `findings` are what the noise-aware rule learns from in the present epoch, `believed` how many
    of them `settled_belief` holds; `standings` tell which of the kept ones is best: the sums of the
    gains that it saw from the baseline on, in metric units; `paired` says whether ideas are run
    beside the incumbent.
    `pruned_runs` were ended early, which saved `saved_s`; the experiments in `let_go_on` had one
    that was not, although it looked as hopeless.
    `confirming` is under way, `confirmed` the last claim under the present bindings and harness,
    `confirmations` how often each code was confirmed; `last_seed` is the highest that a run had.
    """

    def __init__(
        self,
        *,
        started: events.CampaignStarted,
        bindings: Bindings,
        bindings_digest: str,
        bindings_file: str,
        harness_digest: str,
        stop_at_utc: str,
        session: str,
    ) -> None:
        self.started = started
        self.bindings = bindings
        self.bindings_digest = bindings_digest
        self.bindings_file = bindings_file
        self.harness_digest = harness_digest
        self.stop_at_utc = stop_at_utc
        self.until_utc = ""
        self.session = session
        self.epoch = 0
        self.metrics = [bindings.metric]
        self.table_from = 1
        self.gain_before = 0.0
        self.experiments = Experiments()
        self.incumbent_number: int | None = None
        self.open_number: int | None = None
        self.open_run: tuple[int, int] | None = None
        self.rebaseline_why = ""
        self.paused: events.Paused | None = None
        self.stopped: events.Stopped | None = None
        self.switched_seq = 0
        self.crashes_in_row = 0
        self.canary_due = False
        self.canary_crash = ""
        self.pending_notes: list[str] = []
        self.outputs: list[str] = []
        self.readings: dict[str, list[float]] = {}
        self.by_code: dict[str, int] = {}
        self.holders: dict[str, int] = {}
        self.contenders: dict[int, str] = {}
        self.findings: list[Finding] = []
        self.believed = 0
        self.settled_belief: Belief | None = None
        self.standings: dict[int, float] = {}
        self.paired = False
        self.baseline_number: int | None = None
        self.counts: dict[str, int] = {}
        self.rehearsals = 0
        self.confirming: events.ConfirmationStarted | None = None
        self.confirmed: events.Confirmed | None = None
        self.confirmations: dict[str, int] = {}
        self.claimed_after = 0
        self.last_seed = 0
        self.commits: list[str] = []
        self.found_best: tuple[int, int] | None = None  # (seq, number): asked for many times
        self.found_belief: tuple[list[Finding], Belief | None] | None = None
        self.refusals = 0
        self.pruned_runs = 0
        self.saved_s = 0.0
        self.let_go_on: list[int] = []
        self.active_s = 0.0
        self.seq = 0
        self.last_time = ""

    @property
    def tag(self) -> str:
        return self.started.tag

    @property
    def incumbent(self) -> Experiment | None:
        number = self.incumbent_number
        return None if number is None else self.experiments[number]

    @property
    def open(self) -> Experiment | None:
        return None if self.open_number is None else self.experiments[self.open_number]

    @property
    def last(self) -> Experiment | None:
        return self.experiments[len(self.experiments)] if self.experiments else None

    @property
    def under_way(self) -> bool:
        """Whether anything is not settled; an open baseline that crashed waits for its next try."""
        open_ = self.open
        waits = open_ is None or (open_.is_open_baseline and open_.settled)
        return self.open_run is not None or not waits

    @property
    def waits_for_run(self) -> bool:
        """Whether the open experiment's next run is not begun: held by a pause or a stop."""
        open_ = self.open
        return (
            self.open_run is None
            and open_ is not None
            and not open_.verdict
            and purpose_of_next_run(open_) != ""
        )

    @property
    def next_number(self) -> int:
        return len(self.experiments) + 1

    @property
    def wants_baseline(self) -> bool:
        """No reading to compare with yet: at the beginning, or after a rebaseline."""
        incumbent = self.incumbent
        return incumbent is None or incumbent.epoch != self.epoch

    @property
    def baseline(self) -> Experiment | None:
        """The baseline of the present bindings and harness, once it has a reading."""
        number = self.baseline_number
        return None if number is None else self.experiments[number]

    @property
    def done(self) -> int:
        """How many experiments have a verdict, rehearsals among them."""
        return sum(self.counts.values()) + self.rehearsals

    @property
    def tried(self) -> int:
        """How many experiments were begun that are no rehearsal."""
        open_ = self.open
        rehearses = open_ is not None and open_.started.rehearsal and not open_.verdict
        return len(self.experiments) - self.rehearsals - int(rehearses)

    def metric_of(self, experiment: Experiment) -> float | None:
        """The mean of all readings of an experiment's code, in metric units."""
        found = self.readings.get(key_of(experiment.epoch, experiment.started.code))
        return decide.estimate(found) if found else None

    def estimate_of(self, experiment: Experiment) -> float | None:
        """What the metric of an experiment's code is taken to be, in metric units.

        The mean of its readings, but for what was kept in spite of noise: being kept, it was lucky.
        """
        decided, baseline = experiment.decided, self.baseline
        metric = self.metric_of(baseline) if baseline is not None else None
        kept = experiment.verdict == decide.KEEP and experiment.epoch == self.epoch
        if not kept or metric is None or decided is None or not decided.noise:
            return self.metric_of(experiment)
        return self.bindings.direction.worse_by(metric, -(decided.standing or 0.0))

    @property
    def belief(self) -> Belief | None:
        """What the noise-aware rule makes of this epoch's findings; None without any.

        The last one is left out of what is kept: an override may still turn it.
        """
        last = max(len(self.findings) - 1, 0)
        if self.believed < last:
            new = self.findings[self.believed : last]
            self.settled_belief = evidence.believe(new, self.settled_belief, paired=self.paired)
            self.believed = last
        new = self.findings[last:]
        if self.found_belief is None or self.found_belief[0] != new:
            belief = evidence.believe(new, self.settled_belief, paired=self.paired)
            self.found_belief = (new, belief)
        return self.found_belief[1]

    def metric_name(self, experiment: Experiment) -> str:
        """What was measured when the experiment was tried."""
        return self.metrics[experiment.epoch]

    def stamp_for(self, experiment: Experiment | None = None) -> Mapping[str, str]:
        """On what the readings were measured with which one of this experiment is to be compared.

        Empty where there are none yet, or they are older than stamps.
        """
        for other in (self.baseline, self.incumbent, experiment):
            if other is not None and other.epoch == self.epoch:
                for run in other.attempt:
                    if run.finished is not None and run.reading is not None and run.finished.stamp:
                        return run.finished.stamp
        return {}

    def gain_of(self, experiment: Experiment | None) -> float | None:
        """How much better than the present baseline; None where the two cannot be compared."""
        baseline = self.baseline
        if experiment is None or baseline is None or experiment.epoch != baseline.epoch:
            return None
        new, old = self.estimate_of(experiment), self.metric_of(baseline)
        return None if new is None or old is None else self.bindings.direction.gain(new, old)

    @property
    def has_gained(self) -> bool:
        """Whether the best is other code than the baseline."""
        best, baseline = self.best, self.baseline
        return (
            best is not None and baseline is not None and best.started.code != baseline.started.code
        )

    @property
    def is_confirmed(self) -> bool:
        """Whether the last claim is about the best as it is now."""
        best, claim = self.best, self.confirmed
        if best is None or claim is None:
            return False
        return self.experiments[claim.experiment].started.code == best.started.code

    @property
    def claimed_last(self) -> bool:
        """Whether nothing was tried since the last claim."""
        return self.confirmed is not None and self.claimed_after == len(self.experiments)

    @property
    def reserved_s(self) -> float:
        """The time before the end in which nothing is tried: once there is a gain to confirm."""
        confirm_s = self.bindings.confirm_s
        return confirm_s if confirm_s is not None and self.has_gained else 0.0

    @property
    def best(self) -> Experiment | None:
        """The experiment with the best estimate under the present bindings and harness."""
        if self.found_best is not None and self.found_best[0] == self.seq:
            return self.experiments.get(self.found_best[1])
        merits = self.standings or {
            contender: self.bindings.direction.gain(decide.estimate(self.readings[key]), 0.0)
            for contender, key in self.contenders.items()
        }
        number = max(merits, key=merits.__getitem__, default=0)  # the first of equal ones
        self.found_best = (self.seq, number)
        return self.experiments.get(number)

    def stop_reason(self, now: datetime) -> str:
        """Which stop condition is met; empty while none is."""
        bindings, open_ = self.bindings, self.open
        # A baseline that crashed stays open: it is still to be done.
        done = self.done - int(open_ is not None and open_.settled) - self.rehearsals
        if bindings.max_experiments is not None and done >= bindings.max_experiments:
            return f"max_experiments: {done} done"
        if time_is_up := self.time_is_up(now):
            return time_is_up
        best = self.best
        metric = self.estimate_of(best) if best is not None else None
        if bindings.target is not None and metric is not None:
            reached = metric == bindings.target or bindings.direction.better(
                metric, bindings.target
            )
            if reached:
                return f"target: {bindings.metric} {metric:g} reaches {bindings.target:g}"
        return ""

    def time_is_up(self, now: datetime) -> str:
        """Which end by the clock or by active time is past; empty while none is."""
        end, stop_after_s, reserved_s = self.tries_end_utc, self.bindings.stop_after_s, 0.0
        if end or stop_after_s is not None:
            reserved_s = self.reserved_s
        kept = "; the rest is set aside for `agent-loops confirm`" if reserved_s else ""
        if self.until_utc or stop_after_s is None:
            stop_after_s = math.inf
        if self.active_s >= stop_after_s - reserved_s:
            return f"stop_after: {self.active_s / 3600:.1f} h of active time used{kept}"
        if end and now >= datetime.fromisoformat(end):
            key = "resume --until" if self.until_utc else "stop_at"
            return f"{key}: it is past {local_clock(end, now)}{kept}"
        return ""

    @property
    def ends_by_time(self) -> bool:
        """Whether a clock or the active time ends it, which is the person's use of the machine."""
        return bool(self.end_utc) or self.bindings.stop_after_s is not None

    @property
    def end_utc(self) -> str:
        """When the clock ends the campaign; empty where it does not."""
        return self.until_utc or self.stop_at_utc

    @property
    def tries_end_utc(self) -> str:
        """When the clock ends the tries: before the end, where time is set aside to confirm."""
        end = self.end_utc
        reserved_s = self.reserved_s if end else 0.0
        if not reserved_s:
            return end
        return (datetime.fromisoformat(end) - timedelta(seconds=reserved_s)).isoformat()

    def bind(self, bindings: Bindings, stop_at_utc: str) -> None:
        """Takes over new bindings; an end changed in them replaces that of `resume --until`."""
        ends = {(item.stop_at, item.stop_after_s) for item in (self.bindings, bindings)}
        if len(ends) > 1:
            self.until_utc = ""
        self.bindings = bindings
        self.stop_at_utc = stop_at_utc


def local_clock(utc: str, now: datetime) -> str:
    """A time as the person's clock shows it, with its day where that is not today's."""
    then, today = datetime.fromisoformat(utc).astimezone(), now.astimezone().date()
    days = (then.date() - today).days
    day = "" if not days else " tomorrow" if days == 1 else f" on {then.date()}"
    return f"{then:%H:%M}{day}"


def key_of(epoch: int, code: str) -> str:
    """Readings are pooled where the code, the harness and the bindings are the same."""
    return f"{epoch}:{code}"


class Step(enum.Enum):
    """What `loop` does next; each row of the design's table of gaps."""

    START_RUN = "start the next run of the open experiment"
    AWAIT_RUN = "a run is alive"
    TAKE_RECEIPT = "the run ended and left its receipt"
    ELSEWHERE = "the run was started on another host and left no receipt yet"
    LOST = "no process, no receipt"
    CHECK = "every reading is in, and it would be kept: do its checks pass?"
    DECIDE = "every run is in"
    SETTLE = "files, branch and table follow the decision"
    CANARY = "three crashes in a row: does the incumbent still run?"
    PAUSE = "the incumbent crashed too: the machine broke"
    CONFIRM = "a confirmation's next run is due"
    CLAIM = "a confirmation's runs are all in"
    IDLE = "nothing is under way"


def is_here(run: Run, *, host: str, boot_id: str) -> bool:
    """Whether a run was started on this machine; its name may have changed since it booted."""
    return run.started.host == host or (boot_id != "" and run.boot_id == boot_id)


def next_step(
    campaign: Campaign, *, run_locked: bool, receipt: bool, host: str, boot_id: str
) -> Step:
    """The one step that follows from the record and from what the machine shows."""
    if campaign.open_run is not None:
        if run_locked:
            return Step.AWAIT_RUN
        if receipt:
            return Step.TAKE_RECEIPT
        experiment, run = campaign.open_run
        here = is_here(campaign.experiments[experiment].runs[run - 1], host=host, boot_id=boot_id)
        return Step.LOST if here else Step.ELSEWHERE
    if campaign.canary_crash:
        return Step.PAUSE
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


def purpose_of_next_run(experiment: Experiment) -> str:
    """Why the open experiment needs another run: measure, retry, repeat; empty where it does not.

    A machine's fault (a lost run too) is tried again once; an idea's crash is not, nor is a run
    during which somebody edited the code: they may be at it still.
    """
    own = [run for run in experiment.attempt if run.finished is not None]
    if _has_failed(own):
        return "retry" if _may_run_again(own) else ""
    if _has_failed(experiment.references):
        return REFERENCE if _may_run_again(experiment.references) else ""
    ended_well = sum(run.finished is not None and not run.finished.crash_kind for run in own)
    if ended_well < experiment.started.warmups:
        return _WARMUP
    readings = sum(run.reading is not None for run in own)
    references = sum(run.reading is not None for run in experiment.references)
    own_turn = "repeat" if readings else "measure"
    if not experiment.started.paired:
        return own_turn if readings < experiment.runs_wanted else ""
    if readings != references:
        return REFERENCE if references < readings else own_turn
    if readings >= experiment.runs_wanted:
        return ""
    # Candidate, incumbent, incumbent, candidate, and so on: a drift falls on both alike.
    return REFERENCE if readings % 2 else own_turn


def _has_failed(runs: Sequence[Run]) -> bool:
    ended = [run.finished for run in runs if run.finished is not None]
    return bool(ended) and ended[-1].crash_kind != ""


def _may_run_again(runs: Sequence[Run]) -> bool:
    """Whether the last of them, which failed, was the first fault of the machine."""
    ended = [run.finished for run in runs if run.finished is not None]
    faults = sum(item.crash_kind == "machine" for item in ended)
    last = ended[-1]
    return last.crash_kind == "machine" and last.outcome != "stopped" and faults == 1


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
    )
    if earlier is not None and earlier.verdict:
        campaign.counts[earlier.verdict] -= 1
    campaign.holders[event.code] = event.experiment
    campaign.commits += [item for item in (event.parent_commit, event.commit) if item]
    campaign.open_number = event.experiment
    if event.session:
        campaign.session = event.session


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
    _change(campaign, event.experiment, **changes)


def _learn(campaign: Campaign, experiment: Experiment, event: events.Decided) -> None:
    """Takes a verdict's readings over into what the noise-aware rule goes by."""
    what = evidence.KEPT if event.verdict == decide.KEEP else evidence.DISCARDED
    if experiment.started.baseline:
        what = evidence.BEGUN
        readings = [run.reading for run in experiment.attempt if run.reading is not None]
        walls = [run.finished.wall_s for run in experiment.attempt if run.finished]
        campaign.paired = calibration.is_paired(campaign.bindings, readings, walls[-1])
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


def _stand(campaign: Campaign, event: events.Decided) -> None:
    """Notes how a kept experiment stands to the baseline, before it becomes the incumbent."""
    before = campaign.standings.get(campaign.incumbent_number or 0, 0.0)
    campaign.standings[event.experiment] = before + (event.gain or 0.0)


def losses_of(campaign: Campaign, experiment: Experiment, *, paired: bool) -> tuple[float, ...]:
    """An experiment's own readings as the rule takes them: smaller is better; or by pairs."""
    sign = 1.0 if campaign.bindings.direction is Direction.MINIMIZE else -1.0
    if paired:
        return tuple(sign * (own - other) for own, other in experiment.pairs)
    return tuple(sign * run.reading for run in experiment.attempt if run.reading is not None)


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


_HANDLERS: dict[type, Any] = {
    events.ExperimentStarted: _experiment_started,
    events.RunStarted: _run_started,
    events.RunFinished: _run_finished,
    events.ChecksFinished: _checks_finished,
    events.Decided: _decided,
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
}
