"""Numbers whose names stand elsewhere: in the head of a printed table, in a list of CSV columns.

Needs head and rows in one file; a table whose columns change from run to run is not understood.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass

from agent_loops.inference import metric_names, templates
from agent_loops.inference.printing import Output
from agent_loops.inference.templates import Hole

_NUMBER = r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"


@dataclass(frozen=True, slots=True)
class Cell:
    """A number in a row of a table: which hole it is, what its column is called, how it is read."""

    output: Output
    at: int
    name: str
    pattern: str


def cells(outputs: Sequence[Output]) -> list[Cell]:
    """The named cells of every printed table of one file."""
    found: list[Cell] = []
    shown = [o for o in outputs if o.via in ("print", "progress")]
    for at, head in enumerate(shown):
        names = _head(head)
        if not names:
            continue
        for row in shown[at + 1 : at + 9]:
            found += _row(row, names)
    return found


def _head(output: Output) -> list[str]:
    text = "".join(p for p in output.line if isinstance(p, str)).strip()
    if any(isinstance(p, Hole) and not p.text for p in output.line) or "\n" in text:
        return []
    names = text.split()
    plain = all(re.fullmatch(r"[A-Za-z][\w@./()%:-]*", name) for name in names)
    return (
        names
        if len(names) >= 3 and plain and any(metric_names.sense(n).weight for n in names)
        else []
    )


def _row(row: Output, names: Sequence[str]) -> list[Cell]:
    text = templates.render(row.line)
    columns = text.split()
    holes = list(templates.holes_of(row.line))
    if len(columns) != len(names) or len(holes) < 2:
        return []
    found = []
    for at, hole, _ in holes:
        sample = hole.sample(templates.sample_of(at)).strip()
        index = next((i for i, column in enumerate(columns) if column.startswith(sample)), -1)
        if index >= 0 and not hole.text and metric_names.sense(names[index]).weight:
            pattern = rf"^\s*(?:\S+\s+){{{index}}}{_NUMBER}(?:[a-z]{{1,2}})?\b"
            found.append(Cell(row, at, names[index], pattern))
    return found


def csv_files(text: str) -> list[str]:
    """Names of CSV files in a source that tell of results."""
    files = re.findall(r"[\"']([\w./{}-]*\.csv)[\"']", text)
    return [
        f for f in files if re.search(r"(?i)result|metric|log|history|progress|score|summary", f)
    ]


def csv_columns(path: str, tree: ast.Module, text: str) -> list[Output]:
    """Names of columns that a list of texts gives to a CSV file of the run."""
    file = next(iter(csv_files(text)), "") if ".csv" in text else None
    found: list[Output] = []
    if file is None and not re.search(r"[\"']\w+/\w+[\"'],", text):
        return found
    for node in ast.walk(tree):
        if not isinstance(node, ast.List | ast.Tuple) or len(node.elts) < 3:
            continue
        names = [
            n.value for n in node.elts if isinstance(n, ast.Constant) and isinstance(n.value, str)
        ]
        measured = [
            n for n in names if metric_names.sense(n).weight and re.fullmatch(r"[\w/@.:-]{2,40}", n)
        ]
        if len(names) < len(node.elts) - 1 or len(measured) < 2:
            continue
        if not any("/" in name for name in names) and not file:
            continue
        found += [
            Output(
                path,
                node.lineno,
                (f"{name}: ", Hole(name)),
                via="file",
                tool="csv",
                file=file or "",
                key=name,
            )
            for name in measured
        ]
    return found[:30]
