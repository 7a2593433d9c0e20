"""Watches one run's progress from its supervisor: keeps its curve, and says when it is hopeless.

Ends nothing itself, and never fails a run: what cannot be read is as if it had not been printed.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent_loops import crashes, files, snapshots
from agent_loops.bindings import BUILT_IN_METRICS
from agent_loops.curves import Progress, Reader
from agent_loops.errors import AgentLoopsError
from agent_loops.experiments import Experiment, key_of
from agent_loops.objective import median
from agent_loops.state import Campaign
from agent_loops.workspace import Workspace

if TYPE_CHECKING:  # most runs are over before anything is judged
    from agent_loops.pruning import Finding, Judge, Terms

_FIRST_LOOK_S = 0.2
_PIECE_BYTES = 16 << 10  # of what comes faster, the end
_MOST_KEPT = 12
_ONE_IN = 20
_PURPOSES = ("measure", "retry")
_SPEED = (
    r"(?i)(?:^|[\W_])(?:s|sec|secs|seconds|ms|us|ns|min|time|walltime|runtime|elapsed|duration"
    r"|latency|throughput|speed|speedup|fps|qps|tps|it|its|tok|tokens|samples|flops|[gt]?flops|mfu"
    r"|memory|mem|vram|ram|rss|[kmg]i?b|bytes|params|size|cost|watts?|energy|p50|p9\d)(?:$|[\W_])"
)


class Observer:
    """Looks at one run. `judge` is asked for when it is first needed; None: nothing ends the run.

    That is from `earliest_s` on, or when a value is lost: other runs' curves take time to load.
    `whole_s` is what a whole run would have taken; `lets_go_on`: the finding is only noted.
    """

    def __init__(
        self,
        *,
        log: Path,
        curve: Path,
        reader: Reader,
        judge: Callable[[], Judge | None],
        earliest_s: float,
        whole_s: Callable[[], float],
        lets_go_on: bool,
    ) -> None:
        self._log = log
        self._curve = curve
        self._reader = reader
        self._judge = judge
        self._earliest_s = earliest_s
        self._whole_s = whole_s
        self._lets_go_on = lets_go_on
        self._read = 0
        self._judged_s = 0.0
        self._is_sound = True
        self.finding: Finding | None = None

    def look(self, size: int, elapsed_s: float) -> bool:
        """Takes what is new in the log, of `size` bytes now; true where the run is to be ended."""
        if elapsed_s < _FIRST_LOOK_S:
            return False
        self._is_sound = False  # until it comes back: it is cut off where it takes too long
        grew = self._take(size, elapsed_s)
        is_time = elapsed_s >= self._earliest_s or self._reader.broken()
        if self.finding is None and is_time and (judge := self._judge()) is not None:
            # A comparison takes some milliseconds; a hundred times in a run is often enough.
            is_due = grew and elapsed_s - self._judged_s >= judge.budget_s / 100
            self._judged_s = elapsed_s if is_due else self._judged_s
            self.finding = self._found(judge, elapsed_s, compares=is_due)
        self._is_sound = True
        return self.finding is not None and not self._lets_go_on

    def _found(self, judge: Judge, now_s: float, *, compares: bool) -> Finding | None:
        from agent_loops import pruning
        from agent_loops.pruning import Finding

        reader = self._reader
        broken = reader.broken()
        if broken and (reason := judge.non_finite(broken, reader.curves())):
            return Finding(pruning.DIVERGED, reason, now_s, is_crash=True)
        if reason := judge.silent(now_s, reader.last_output_s):
            return Finding(pruning.STALLED, reason, now_s, is_crash=True)
        kind, reason = judge.behind(reader.curves(), now_s) if compares else ("", "")
        return Finding(kind, reason, now_s, is_crash=False) if kind else None

    def _take(self, size: int, elapsed_s: float) -> bool:
        if size < self._read:
            self._read = 0  # somebody emptied it
        if size == self._read:
            return False
        begin = max(self._read, size - _PIECE_BYTES)
        try:
            with files.open_regular(self._log) as stream:
                stream.seek(begin)
                piece = stream.read(size - begin)
        except OSError:
            return False
        self._reader.feed(piece, elapsed_s, skipped=begin > self._read)
        self._read = size
        return True

    def crash(self) -> crashes.Crash | None:
        """What a run that was ended early is recorded as; None where it is a discard."""
        if self.finding is None or not self.finding.is_crash:
            return None
        return crashes.Crash("idea", self._in_words(self.finding))

    def _in_words(self, finding: Finding) -> str:
        from agent_loops import pruning

        judge = self._judge()
        assert judge is not None  # it found it
        word = pruning.let_go_on if self._lets_go_on else pruning.ended
        return word(finding, judge.budget_s)

    def finish(self, wall_s: float) -> dict[str, Any]:
        """Keeps the curve; what the receipt says of it."""
        if not self._is_sound or wall_s < _FIRST_LOOK_S:
            return {}
        with contextlib.suppress(OSError):
            self._take(os.stat(self._log).st_size, wall_s)
        data = files.dump_json(self._reader.finish(wall_s).to_json()).encode() + b"\n"
        try:
            files.write_atomic(self._curve, data, mode=0o644, durable=False)
        except AgentLoopsError:
            return {}  # a full disk: without a curve nothing is compared with this run
        said: dict[str, Any] = {"curve_sha256": files.sha256(data)}
        if self.finding is not None:
            said |= {
                "hopeless": self._in_words(self.finding),
                "hopeless_at_s": round(self.finding.at_s, 3),
                "saved_s": 0.0 if self._lets_go_on else self._saved_s(wall_s),
            }
        return said

    def _saved_s(self, wall_s: float) -> float:
        return round(max(self._whole_s() - wall_s, 0.0), 3)


def observer(
    workspace: Workspace, experiment: Experiment, run: int, *, purpose: str, marker: str
) -> Observer:
    """The observer of a run that is about to start, or has just started."""
    from agent_loops.pruning import EARLIEST

    campaign, paths = workspace.campaign, workspace.store.paths
    kept = functools.cache(lambda: list(_kept(workspace)))

    @functools.cache
    def judge() -> Judge | None:
        if not _may_end(campaign, experiment, purpose):
            return None
        from agent_loops.pruning import Judge

        return Judge(_terms(workspace, experiment, kept()))

    def whole_s() -> float:
        return median([run.wall_s for run in kept()] or [campaign.bindings.budget.amount])

    return Observer(
        log=paths.log(experiment.number, run),
        curve=paths.curve(experiment.number, run),
        reader=Reader(campaign.bindings.metric_spec),
        judge=judge,
        earliest_s=EARLIEST * _stated_s(campaign),
        whole_s=whole_s,
        lets_go_on=lets_go_on(marker),
    )


def lets_go_on(marker: str) -> bool:
    """Whether this run is the one in twenty that is never ended early, to see what is lost."""
    return int(hashlib.sha256(marker.encode()).hexdigest(), 16) % _ONE_IN == 0


def _may_end(campaign: Campaign, experiment: Experiment, purpose: str) -> bool:
    """Only the first reading of an idea: one that is asked for again is no hopeless one."""
    key = key_of(experiment.epoch, experiment.started.code)
    started = experiment.started
    return (
        campaign.bindings.prune == "safe"
        and purpose in _PURPOSES
        and not (started.baseline or started.rehearsal or campaign.wants_baseline)
        and not campaign.readings.get(key)
    )


def _terms(workspace: Workspace, experiment: Experiment, kept: list[Progress]) -> Terms:
    from agent_loops import themes
    from agent_loops.pruning import Terms

    bindings = workspace.campaign.bindings
    budget_s = _budget_s(workspace.campaign, kept)
    slack = bindings.budget_slack
    longest_s = slack.limit_s(budget_s) if slack is not None else math.inf
    if bindings.budget.kind == "time":
        longest_s = budget_s
    trees = workspace.readable(experiment.started.base or 0, experiment.number)
    diff = snapshots.unified_diff(*trees) if len(trees) == 2 else None
    about = themes.ALL if diff is None else themes.of_change(diff)
    is_speed = bindings.metric in BUILT_IN_METRICS or re.search(_SPEED, bindings.metric) is not None
    return Terms(
        metric=bindings.metric,
        lower_is_better=bindings.metric_direction == "minimize",
        budget_s=budget_s,
        longest_s=longest_s,
        kept=kept,
        by_value=not is_speed,
        by_pace=themes.SCHEDULE not in about and longest_s < math.inf,
        by_loss=themes.LOSS not in about,
        by_silence=themes.OUTPUT not in about,
    )


def _budget_s(campaign: Campaign, kept: list[Progress]) -> float:
    """What a whole run takes: the budget, or what a kept run took where that is more."""
    return max([_stated_s(campaign), *(run.wall_s for run in kept)])


def _stated_s(campaign: Campaign) -> float:
    """The budget where it is a time, and what the record says that the baseline took."""
    budget, baseline = campaign.bindings.budget, campaign.baseline
    stated_s = budget.amount if budget.kind == "time" else 0.0
    reading = baseline.last_reading if baseline is not None else None
    return max(stated_s, (reading.wall_s if reading is not None else None) or 0.0)


def _kept(workspace: Workspace) -> Iterator[Progress]:
    """The curves of the baseline and of the latest kept experiments, every run of theirs."""
    campaign = workspace.campaign
    chain: dict[int, Experiment] = {}
    baseline = campaign.baseline
    following = campaign.incumbent
    while following is not None and following.epoch == campaign.epoch and len(chain) < _MOST_KEPT:
        chain[following.number] = following
        number = following.replaced
        following = None if number is None else campaign.experiments[number]
    if baseline is not None:
        chain[baseline.number] = baseline
    for experiment in chain.values():
        for run in experiment.runs:
            if run.reading is not None and run.finished is not None:
                found = recorded(workspace, experiment.number, run.number)
                if found is not None and found[1] == run.finished.receipt_digest:
                    yield found[0]


def recorded(workspace: Workspace, number: int, run: int) -> tuple[Progress, str] | None:
    """A run's curve with its receipt's digest, where the receipt vouches for it."""
    paths = workspace.store.paths
    try:
        receipt = files.read_regular(paths.receipt(number, run))
        curve = files.read_regular(paths.curve(number, run))
        measured: Mapping[str, Any] = files.load_json(receipt)["measured"]
        if measured.get("curve_sha256") != files.sha256(curve):
            return None
        return Progress.from_json(files.load_json(curve)), files.sha256(receipt)
    except (OSError, KeyError, TypeError, ValueError, AttributeError):
        return None
