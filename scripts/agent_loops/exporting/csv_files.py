"""Writes a campaign as CSV files, each replaced as a whole.

A text that a spreadsheet would take for a formula gets an apostrophe before it; nothing else is
changed.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from agent_loops import files
from agent_loops.exporting import flat_tables
from agent_loops.exporting.exported import Campaign, Run, Written
from agent_loops.exporting.flat_tables import Cell, Table

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write(campaign: Campaign, runs: Iterable[Run], out: Path) -> Written:
    """Writes every table anew."""
    made = flat_tables.of(campaign, runs)
    for table in made:
        files.write_atomic(out / f"{table.name}.csv", _text(table).encode(), durable=False)
    return Written(str(out), len(made[0].rows), 0, 0)


def _text(table: Table) -> str:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow([_harmless(column.name) for column in table.columns])
    writer.writerows([_harmless(cell) for cell in row] for row in table.rows)
    return stream.getvalue()


def _harmless(cell: Cell) -> Cell:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
