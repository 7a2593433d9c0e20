"""Writes a campaign as Parquet files, each replaced as a whole, units in the columns' metadata.

Converts nothing: a number is a double, a count a 64-bit integer, a time a text in ISO 8601.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from agent_loops import files
from agent_loops.exporting import flat_tables
from agent_loops.exporting.exported import Campaign, Run, Written
from agent_loops.exporting.flat_tables import Table


def write(campaign: Campaign, runs: Iterable[Run], out: Path) -> Written:
    """Writes every table anew."""
    made = flat_tables.of(campaign, runs)
    for table in made:
        files.write_atomic(out / f"{table.name}.parquet", _bytes(table), durable=False)
    return Written(str(out), len(made[0].rows), 0, 0)


def _bytes(table: Table) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    kinds = {
        flat_tables.NUMBER: pa.float64(),
        flat_tables.COUNT: pa.int64(),
        flat_tables.TEXT: pa.string(),
    }
    fields = [
        pa.field(
            column.name, kinds[column.kind],
            metadata={"unit": column.unit, "meaning": column.meaning},
        )
        for column in table.columns
    ]  # fmt: skip
    cells = zip(*table.rows, strict=True) if table.rows else [()] * len(fields)
    columns = [
        pa.array(list(values), type=field.type) for values, field in zip(cells, fields, strict=True)
    ]
    made = pa.Table.from_arrays(columns, schema=pa.schema(fields))
    sink = pa.BufferOutputStream()
    parquet.write_table(made, sink)
    return bytes(sink.getvalue().to_pybytes())
