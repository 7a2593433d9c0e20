"""One experiment as far as it has come, its runs and readings, and which run it needs next; pure.

Knows nothing of the others: what they amount to together is `state`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any, NamedTuple

from agent_loops import decide, events

CONFIRM = "confirm"
REFERENCE = "reference"
ANALYSIS = "analysis"
_WARMUP = "warmup"
# Runs that say nothing of the experiment's own code, or are not to be pooled with others.
_OTHERS = ("canary", "checks", REFERENCE, CONFIRM, ANALYSIS)


class Run(NamedTuple):
    """One execution of `run_cmd`; `finished` is None while it goes on or is lost."""

    number: int
    started: events.RunStarted
    boot_id: str
    time: str
    finished: events.RunFinished | None = None

    @property
    def what_for(self) -> str:
        """Its purpose, or the script of the analysis that it ran."""
        return self.started.script or self.started.purpose

    @property
    def reading(self) -> float | None:
        """The metric value that counts, in metric units."""
        if self.finished is None or self.finished.crash_kind or self.finished.outcome == "lost":
            return None
        return self.finished.value if self.started.purpose != _WARMUP else None


def is_own(purpose: str) -> bool:
    """Whether such a run is of the experiment's own code, and to be judged."""
    return purpose != _WARMUP and purpose not in _OTHERS


def readings_of(runs: Sequence[Run]) -> tuple[float, ...]:
    """What those of the runs that count have read, in metric units."""
    return tuple(run.reading for run in runs if run.reading is not None)


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
    plan: tuple[str, ...] = ()
    analysed: events.Analysed | None = None

    @property
    def attempt(self) -> tuple[Run, ...]:
        """The runs of the present attempt: a baseline that crashed may be tried anew."""
        runs = self.runs[self.first_run_of_attempt :]
        return tuple(run for run in runs if run.started.purpose not in _OTHERS)

    @property
    def measured(self) -> Run | None:
        """The run that an analysis rests on: the attempt's first with a reading, else its last."""
        own = [run for run in self.attempt if is_own(run.started.purpose)]
        return next((run for run in own if run.reading is not None), own[-1] if own else None)

    def rests_on_next(self, purpose: str) -> bool:
        """Whether an analysis would rest on the next run, if that gave a reading."""
        measured = self.measured
        return is_own(purpose) and (measured is None or measured.reading is None)

    @property
    def references(self) -> tuple[Run, ...]:
        """The incumbent's runs that this experiment is compared with, where it is paired."""
        return tuple(run for run in self.runs if run.started.purpose == REFERENCE)

    @property
    def pairs(self) -> tuple[tuple[float, float], ...]:
        """Readings of the candidate and of the incumbent, taken one beside the other."""
        return tuple(zip(self.readings, readings_of(self.references), strict=False))

    @property
    def checks(self) -> events.RunFinished | None:
        """How this attempt's `checks_cmd` ended; None before that, also when it was lost once."""
        runs = self.runs[self.first_run_of_attempt :]
        ended = [run.finished for run in runs if run.started.purpose == "checks" and run.finished]
        lost_once = len(ended) == 1 and ended[0].outcome == "lost"
        return ended[-1] if ended and not lost_once else None

    @property
    def readings(self) -> tuple[float, ...]:
        """Those of this attempt, in metric units."""
        return readings_of(self.attempt)

    @property
    def last_finished(self) -> events.RunFinished | None:
        finished = [run.finished for run in self.attempt if run.finished is not None]
        return finished[-1] if finished else None

    @property
    def last_reading(self) -> events.RunFinished | None:
        found = [run.finished for run in self.attempt if run.reading is not None]
        return found[-1] if found else None

    @property
    def is_mid_pair(self) -> bool:
        """Whether a reading waits for the one that is to stand beside it."""
        others = readings_of(self.references)
        return self.started.paired and len(self.readings) != len(others)

    @property
    def may_be_decided(self) -> bool:
        """Whether it has all readings that were asked for, and more are the rule's wish alone.

        A baseline's are not: everything else is judged by them.
        """
        asked_for = len(self.readings) >= self.started.runs_wanted
        return asked_for and not self.started.baseline and not self.is_mid_pair

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
    value["analysed"] = experiment.analysed._asdict() if experiment.analysed else None
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
    analysed = events.Analysed(**as_tuples(value["analysed"])) if value["analysed"] else None
    started = events.ExperimentStarted(**as_tuples(value["started"]))
    parts = {"started": started, "runs": runs, "decided": decided, "analysed": analysed}
    return Experiment(**{**as_tuples(value), **parts})


def as_tuples(value: Mapping[str, Any]) -> dict[str, Any]:
    """An event's fields as they were before they became JSON, which knows no tuples."""
    return {key: tuple(item) if isinstance(item, list) else item for key, item in value.items()}


def key_of(epoch: int, code: str) -> str:
    """Readings are pooled where the code, the harness and the bindings are the same."""
    return f"{epoch}:{code}"


def is_here(run: Run, *, host: str, boot_id: str) -> bool:
    """Whether a run was started on this machine; its name may have changed since it booted."""
    return run.started.host == host or (boot_id != "" and run.boot_id == boot_id)


def purpose_of_next_run(experiment: Experiment) -> str:
    """Why the open experiment needs another run: measure, retry, repeat; empty where it does not.

    A machine's fault (a lost run too) is tried again once; an idea's crash is not, nor is a run
    during which somebody edited the code: they may be at it still.
    """
    own = [run for run in experiment.attempt if run.finished is not None]
    if experiment.pruned:
        return ""
    if _has_failed(own):
        again = _WARMUP if own[-1].started.purpose == _WARMUP else "retry"
        return again if _may_run_again(own) else ""
    if _has_failed(experiment.references):
        return REFERENCE if _may_run_again(experiment.references) else ""
    ended_well = sum(run.finished is not None and not run.finished.crash_kind for run in own)
    if ended_well < experiment.started.warmups:
        return _WARMUP
    readings, references = len(experiment.readings), len(readings_of(experiment.references))
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
