"""A campaign as its record says it is, and what follows from that; pure.

Changed by `fold` alone: the same events give the same campaign.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from agent_loops import decide, events, evidence
from agent_loops.bindings import ANALYSIS_FIRST, Bindings
from agent_loops.evidence import Finding
from agent_loops.experiments import Experiment, Experiments, key_of, purpose_of_next_run

if TYPE_CHECKING:  # imported where it is asked
    from agent_loops.keeping.rule import Belief

CRASHES_BEFORE_CANARY = 3


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
    gains that it saw from the baseline on, in metric units.
    `pruned_runs` were ended early, which saved `saved_s`; the experiments in `let_go_on` had one
    that was not, although it looked as hopeless.
    `analysing` is the experiment whose analysis is under way, and how many runs it had before it;
    `unanalysed` the one whose plan lacks a file; `measured` is what the plans have measured so far.
    `confirming` is under way, `confirmed` the last claim under the present bindings and harness,
    `confirmations` how often each code was confirmed; `last_seed` is the highest that a run had.
    `corpus` is what was found in the literature, `implemented` the experiments that tried each
    finding, `retired` those of an earlier `family` of architectures, with the one that came.
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
        self.baseline_number: int | None = None
        self.counts: dict[str, int] = {}
        self.rehearsals = 0
        self.analysing: tuple[int, int] | None = None
        self.unanalysed: int | None = None
        self.measured: list[str] = []
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
        self.corpus: list[events.FindingNoted] = []
        self.implemented: dict[str, list[int]] = {}
        self.retired: dict[str, str] = {}
        self.family = ""
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
    def paired(self) -> bool:
        """Whether the incumbent is run beside each idea."""
        return self.bindings.compare == "paired"

    @property
    def analysis_first(self) -> bool:
        """Whether an idea needs an anchor, a prediction and a plan."""
        return self.bindings.loop == ANALYSIS_FIRST

    @property
    def is_held(self) -> bool:
        """Whether no run is to be begun, by the person's word or the engine's."""
        return self.paused is not None or self.stopped is not None

    @property
    def under_way(self) -> bool:
        """Whether anything is not settled; an open baseline that crashed waits for its next try."""
        open_ = self.open
        waits = open_ is None or (open_.is_open_baseline and open_.settled)
        return self.open_run is not None or self.analysing is not None or not waits

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

    def finding(self, name: str) -> events.FindingNoted | None:
        """A finding of the literature by its name."""
        return next((item for item in self.corpus if item.name == name), None)

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
        if not self.findings:
            return None
        last = len(self.findings) - 1
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


def losses_of(campaign: Campaign, experiment: Experiment, *, paired: bool) -> tuple[float, ...]:
    """An experiment's own readings as the rule takes them: smaller is better; or by pairs."""
    sign = campaign.bindings.direction.sign
    if paired:
        return tuple(sign * (own - other) for own, other in experiment.pairs)
    return tuple(sign * reading for reading in experiment.readings)
