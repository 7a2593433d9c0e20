"""Makes a ledger of another tool's table of results, as people and agents write it by hand.

Such a table holds neither noise nor diffs: gains are differences of single readings, and nothing
in it is confirmed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from agent_loops import display
from agent_loops.decide import CRASH, DISCARD, KEEP
from agent_loops.errors import AgentLoopsError
from agent_loops.objective import Direction
from agent_loops.reporting import foreign_table
from agent_loops.reporting.foreign_table import Line, Table
from agent_loops.reporting.ledger import Ledger, Row

_BASELINE = "baseline"
_STANDING = (
    "confirmed nothing: a table of single readings cannot tell a gain from noise, and of the best "
    "of many the recorded gain is too large"
)


def read(path: Path, direction: Direction | None = None, metric: str | None = None) -> Ledger:
    """The table's ledger, by its column `metric`, else by the only one that can be it.

    Without `direction` the metric's name must say which way is better.

    A crash has no metric, nor has a discarded experiment whose metric and memory are both zero.
    What other columns hold becomes notes.

    Raises:
        AgentLoopsError: the file cannot be read, or a line in it; names line and column.
    """
    table = foreign_table.read(path, metric)
    found = direction or foreign_table.direction_of(table.metric)
    if found is None:
        raise AgentLoopsError(
            f"{path}: it is not plain whether a larger {display.clean(table.metric, 40)} is "
            "better; say --direction minimize or --direction maximize"
        )
    rows = [_row(table, line, number) for number, line in enumerate(table.lines, 1)]
    return _ledger(path, table.metric, found, tuple(_compared(rows, found)))


def _row(table: Table, line: Line, number: int) -> Row:
    word = table.cell(line, "status").lower()
    status = foreign_table.STATUS.get(word.partition(" ")[0])
    if status is None:
        raise table.error(
            line, "status",
            f"{display.clean(word, 40)!r} is not keep, discard, crash or baseline",
        )  # fmt: skip
    description = display.clean(table.cell(line, "description"), 300)
    is_baseline = status == _BASELINE or (
        number == 1 and status == KEEP and description.lower().startswith(_BASELINE)
    )
    metric, memory_gb = table.value(line, "metric"), _memory_gb(table, line)
    if status == CRASH or (status == DISCARD and not metric and not memory_gb):
        metric = memory_gb = None
    duration_s = table.value(line, "duration_s")
    return Row(
        number=number,
        status=KEEP if status == _BASELINE else status,
        description=description or (_BASELINE if is_baseline else ""),
        metric=metric,
        text=table.cell(line, "metric") if metric is not None else "",
        readings=(metric,) if metric is not None else (),
        is_baseline=is_baseline,
        wall_s=duration_s or None,
        machine_s=duration_s or 0.0,
        runs=1,
        memory_gb=memory_gb or None,
        commit=display.clean(table.cell(line, "name"), 40),
        by_name=word if word != status or is_baseline else "",
        notes=_notes(table, line),
    )


def _memory_gb(table: Table, line: Line) -> float | None:
    in_gb, in_mb = table.value(line, "memory_gb"), table.value(line, "memory_mb")
    return in_gb if in_gb is not None or in_mb is None else in_mb / 1024


def _notes(table: Table, line: Line) -> tuple[str, ...]:
    """What the columns of no known role hold."""
    told = zip(table.roles, table.names, line.cells, strict=True)
    return tuple(
        display.clean(f"{name}: {cell}", 200) for role, name, cell in told if not role and cell
    )


def _compared(rows: Sequence[Row], direction: Direction) -> Iterator[Row]:
    """Each with its gain over what was kept last, and with the kept metric after it."""
    kept: Row | None = None
    for row in rows:
        if kept is not None and not row.is_baseline:
            gain = None
            if row.metric is not None and kept.metric is not None:
                gain = direction.gain(row.metric, kept.metric)
            row = row._replace(gain=gain, base=kept.number)
        if row.status == KEEP and row.metric is not None:
            kept = row
        yield row._replace(best=kept.metric if kept is not None else None)


def _ledger(path: Path, metric: str, direction: Direction, rows: tuple[Row, ...]) -> Ledger:
    kept = [(row.metric, row) for row in rows if row.status == KEEP and row.metric is not None]
    first = next(((value, row) for value, row in kept if row.is_baseline), None)
    best = min(kept, key=lambda item: direction.sign * item[0], default=None)
    return Ledger(
        tag=display.clean(path.stem, 60),
        metric=display.clean(metric, 60),
        direction=direction,
        rows=rows,
        source=display.clean(str(path), 300),
        baseline=first[1].number if first else None,
        incumbent=kept[-1][1].number if kept else None,
        best=best[1].number if best else None,
        gain=direction.gain(best[0], first[0]) if best and first else None,
        standing=_STANDING,
        notes=("a table of another tool: it holds no diffs and tells no noise",),
    )
