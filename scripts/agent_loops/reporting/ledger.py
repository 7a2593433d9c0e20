"""A campaign as every report tells it: one row an experiment, and what they amount to; pure.

Knows neither journal nor files: rows come from a campaign's record or from another tool's table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from agent_loops.decide import CRASH, DISCARD, KEEP
from agent_loops.objective import Direction

OPEN = "open"


class Row(NamedTuple):
    """One experiment. Metric, gains and intervals are in metric units, positive gains are better.

    `status` is keep, discard, crash or OPEN. `metric` is the mean of its `readings`, None without
    any; `text` the same at the precision that was printed; `metric_name` what was measured, "" for
    the ledger's metric: a rebaseline may have chosen another one. `gain` is over what it was
    compared with, as the keep rule takes it, `gain_low` to `gain_high` its 90% interval. `best` is
    the incumbent's estimated metric after it, `best_low` to `best_high` its 90% interval. `wall_s`
    is one run's, `machine_s` all runs' that it took. Times are UTC in ISO 8601, "" where unknown.
    `session` is that of the agent that tried it; `by_name` says in what other terms a table told it
    (`baseline` as a status, a commit as its name). `takes_back` is the kept experiment without
    whose change the incumbent was measured.
    """

    number: int
    status: str
    description: str
    kind: str = ""
    reason: str = ""
    why: str = ""
    risk: str = ""
    metric: float | None = None
    text: str = ""
    readings: tuple[float, ...] = ()
    source: str = ""
    gain: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None
    probability: float | None = None
    noise: float | None = None
    best: float | None = None
    best_low: float | None = None
    best_high: float | None = None
    base: int | None = None
    epoch: int = 0
    is_baseline: bool = False
    is_rehearsal: bool = False
    began_utc: str = ""
    ended_utc: str = ""
    wall_s: float | None = None
    machine_s: float = 0.0
    runs: int = 0
    memory_gb: float | None = None
    memory_kind: str = ""
    lines_added: int = 0
    lines_removed: int = 0
    commit: str = ""
    code: str = ""
    session: str = ""
    override_why: str = ""
    notes: tuple[str, ...] = ()
    findings: str = ""
    predictions: str = ""
    basis: str = ""
    by_name: str = ""
    takes_back: int | None = None
    metric_name: str = ""

    @property
    def is_idea(self) -> bool:
        """Whether it tried something new, and was decided.

        A baseline, a rehearsal, more readings of the same code, and a kept change taken out do not.
        """
        again = self.is_baseline or self.is_rehearsal or self.kind == "repeat"
        return not again and self.takes_back is None and self.status != OPEN


class Claim(NamedTuple):
    """What was gained over the baseline, with its 90% interval, and how sure it is to be real."""

    gain: float
    low: float
    high: float
    probability: float


class Ledger(NamedTuple):
    """The whole campaign. `baseline`, `incumbent` and `best` are experiments' numbers.

    `state` is active, paused, stopped or finished, with `state_reason`. `sentence` is the morning
    claim, word for word, and `confirmed` its verdict; "" where nothing was confirmed, and then
    `standing` says what there is instead. `is_confirmed` tells whether that is about the present
    best. `source` is where the rows come from, as a person would write it; `machine` and
    `environment` on what they were measured. `pruned_runs` were ended early, which saved
    `saved_s` seconds; of the `let_go_on` that looked as hopeless `let_go_on_kept` were kept.
    """

    tag: str
    metric: str
    direction: Direction
    rows: tuple[Row, ...]
    source: str
    baseline: int | None = None
    incumbent: int | None = None
    best: int | None = None
    state: str = "finished"
    state_reason: str = ""
    claim: Claim | None = None
    gain: float | None = None
    sentence: str = ""
    standing: str = ""
    confirmed: str = ""
    is_confirmed: bool = False
    refused: int = 0
    active_s: float = 0.0
    began_utc: str = ""
    ended_utc: str = ""
    machine: Mapping[str, str] = {}
    environment: Mapping[str, str] = {}
    settings: Mapping[str, str] = {}
    pruned_runs: int = 0
    saved_s: float = 0.0
    let_go_on: int = 0
    let_go_on_kept: int = 0
    notes: tuple[str, ...] = ()

    def row(self, number: int | None) -> Row | None:
        """The row of an experiment; None where there is none."""
        if number is None:
            return None
        at = number - 1
        if 0 <= at < len(self.rows) and self.rows[at].number == number:
            return self.rows[at]
        return next((row for row in self.rows if row.number == number), None)

    @property
    def counts(self) -> dict[str, int]:
        """How many were kept, discarded and crashed, baselines among them, rehearsals not."""
        told = [row.status for row in self.rows if not row.is_rehearsal]
        return {status: told.count(status) for status in (KEEP, DISCARD, CRASH)}

    @property
    def ideas(self) -> list[Row]:
        return [row for row in self.rows if row.is_idea]

    @property
    def kept(self) -> list[Row]:
        """The ideas that were kept, without baselines and what was taken out again later."""
        rows = [row for row in self.rows if row.status == KEEP]
        taken_out = {row.takes_back for row in rows}
        return [row for row in rows if row.is_idea and row.number not in taken_out]

    @property
    def epoch(self) -> int:
        """The last one: gains of others are over another baseline, maybe by another metric."""
        return self.rows[-1].epoch if self.rows else 0

    @property
    def since(self) -> str:
        """` since the rebaseline` where there was one, for what is of the last epoch alone."""
        return " since the rebaseline" if self.epoch else ""

    def measures(self, row: Row) -> bool:
        """Whether what was measured then is the ledger's metric."""
        return row.metric_name in ("", self.metric)

    def text_of(self, row: Row) -> str:
        """A row's metric as it was printed, with its name where that is not the ledger's."""
        return row.text if not row.text or self.measures(row) else f"{row.metric_name} {row.text}"

    @property
    def machine_s(self) -> float:
        return sum(row.machine_s for row in self.rows)

    @property
    def estimate(self) -> float | None:
        """The incumbent's metric as the claim has it; None where no noise is known."""
        baseline = self.row(self.baseline)
        if self.claim is None or baseline is None or baseline.metric is None:
            return None
        return self.direction.worse_by(baseline.metric, -self.claim.gain)

    @property
    def gain_percent(self) -> float | None:
        """The gain in percent of the baseline's metric; None where that says nothing."""
        baseline = self.row(self.baseline)
        gain = self.claim.gain if self.claim else self.gain
        if gain is None or baseline is None or not baseline.metric:
            return None
        return 100.0 * gain / abs(baseline.metric)
