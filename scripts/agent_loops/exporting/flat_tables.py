"""A campaign as flat tables: a row an experiment, readings, curves, and what columns mean.

Writes nothing, and rounds nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from agent_loops.exporting.exported import FIGURES, LABELS, Campaign, Run

Cell = str | int | float | None
NUMBER, COUNT, TEXT = "number", "count", "text"
_COUNTED = ("runs", "lines")  # units


class Column(NamedTuple):
    """`kind` is NUMBER, COUNT (a whole number) or TEXT; `unit` "" for a text."""

    name: str
    kind: str
    unit: str
    meaning: str


class Table(NamedTuple):
    """`rows` hold a cell for each column, None where nothing is known."""

    name: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]


_EXPERIMENT = Column("experiment", COUNT, "1", "its number; the first is the baseline")
_EPOCH = Column("epoch", COUNT, "1", "rebaselines before it: figures compare within one alone")
_RUN = Column("run", COUNT, "1", "which of its runs")


def of(campaign: Campaign, runs: Iterable[Run]) -> list[Table]:
    """The tables `experiments`, `readings`, `curves`, and `columns`, which documents them."""
    told = list(runs)
    readings = [
        (run.number, index + 1, value, run.metric)
        for run in told
        for index, value in enumerate(run.readings)
    ]
    curves = [
        (run.number, curve.run, curve.name, at_s, value)
        for run in told
        for curve in run.curves
        for at_s, value in curve.points
    ]
    made = [
        _experiments(campaign, told),
        Table("readings", [_EXPERIMENT, *_READING], readings),
        Table("curves", [_EXPERIMENT, _RUN, *_CURVE], curves),
    ]
    meanings = [Column(name, TEXT, "", "") for name in ("table", "column", "kind", "unit")]
    rows = [
        (table.name, column.name, column.kind, column.unit, column.meaning)
        for table in made
        for column in table.columns
    ]
    return [*made, Table("columns", [*meanings, Column("meaning", TEXT, "", "")], rows)]


_READING = (
    Column("reading", COUNT, "1", "which"),
    Column("value", NUMBER, "metric", "the metric as that run read it"),
    Column("metric", TEXT, "", "what was measured: a rebaseline may have chosen another"),
)
_CURVE = (
    Column("quantity", TEXT, "", "what was printed"),
    Column("elapsed_s", NUMBER, "s", "since the run's start"),
    Column("value", NUMBER, "as printed", "its value, of many close together their mean"),
)


def _experiments(campaign: Campaign, runs: Sequence[Run]) -> Table:
    better = "lower" if campaign.minimize else "higher"
    metric = Column(
        _metric_column(campaign.metric),
        NUMBER,
        "metric",
        f"mean of its readings; {better} is better",
    )
    labels = [Column(name, TEXT, "", meaning) for name, meaning in LABELS.items()]
    figures = [
        Column(name, COUNT if unit in _COUNTED else NUMBER, unit, meaning)
        for name, (unit, meaning) in FIGURES.items()
    ]
    parameters = [
        Column(
            f"param.{name}", NUMBER if ends else TEXT, "", "as the code of that experiment has it"
        )
        for name, ends in campaign.parameters.items()
    ]
    rows = [
        (
            run.number,
            run.epoch,
            run.figures.get(campaign.metric),
            *(run.labels.get(name) for name in LABELS),
            *(_cell(run.figures.get(column.name), column) for column in figures),
            *(
                campaign.value(name, run.parameters[name]) if name in run.parameters else None
                for name in campaign.parameters
            ),
        )
        for run in runs
    ]
    return Table("experiments", [_EXPERIMENT, _EPOCH, metric, *labels, *figures, *parameters], rows)


def _cell(value: float | None, column: Column) -> Cell:
    return int(value) if value is not None and column.kind == COUNT else value


def _metric_column(metric: str) -> str:
    """The metric's own name, but for one that a column has already."""
    taken = {_EXPERIMENT.name, _EPOCH.name, *LABELS, *FIGURES}
    return f"metric.{metric}" if metric in taken or metric.startswith("param.") else metric
