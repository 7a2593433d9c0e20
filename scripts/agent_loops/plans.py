"""The analysis plan: which script answers which question in which file, and what is expected.

Reads a Markdown table and runs nothing; whether the files are there is for `analyses`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

from agent_loops import display, figures

NAME = "plan.md"
BUILT_IN = "analyze"
"""The diagnostics that agent-loops computes itself, in results/."""
MOST_BYTES = 64 << 10
_MOST_ROWS = 20
_CELL_CHARACTERS = 200
_BRIEF = 50
_COLUMNS = ("script", "output", "question", "expected if it helped", "expected if not")
FORM = "| script | output | question | expected if it helped | expected if not |"
EXAMPLE = f"{FORM} with a row such as | analyze | results/summary.json:headroom | … | … | … |"
_SCRIPT = re.compile(r"analysis/[A-Za-z0-9][A-Za-z0-9_.-]{0,79}\.py")


class Row(NamedTuple):
    """One question. `output` is a file below iter<N>/, with `:KEY` where one number answers it."""

    script: str
    output: str
    question: str
    if_helped: str
    if_not: str

    @property
    def dimension(self) -> str:
        """What is measured, whatever is asked of it."""
        return f"{self.script} → {self.output}"

    def __str__(self) -> str:
        return " | ".join(self)


def parse(text: str) -> tuple[Row, ...]:
    """Reads plan.md.

    Raises:
        ValueError: what is wrong with it, or missing.
    """
    if len(text.encode("utf-8", "replace")) > MOST_BYTES:
        raise ValueError(f"the plan is larger than {MOST_BYTES >> 10} KB: a table of a few rows")
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), start=1)]
    table = [(number, _cells(line)) for number, line in lines if line.startswith("|")]
    start = next((at for at, (_, cells) in enumerate(table) if _is_head(cells)), None)
    if start is None:
        raise ValueError(f"the plan holds no table with the columns {FORM}")
    rows: dict[str, Row] = {}
    for number, cells in table[start + 1 :]:
        if all(re.fullmatch(r":?-*:?", cell) for cell in cells):
            continue
        row = _row(number, cells)
        if row.dimension in rows:
            raise ValueError(f"line {number} of the plan measures {row.dimension} a second time")
        rows[row.dimension] = row
    if not rows:
        raise ValueError(f"the plan's table has no row; {EXAMPLE}")
    if len(rows) > _MOST_ROWS:
        raise ValueError(f"the plan has {len(rows)} rows: at most {_MOST_ROWS}")
    return tuple(rows.values())


def rows_of(texts: Sequence[str]) -> tuple[Row, ...]:
    """The rows as the record has them, one text each."""
    return tuple(Row(*text.split(" | ", maxsplit=4)) for text in texts)


def scripts(rows: Sequence[Row]) -> tuple[str, ...]:
    """The agent's own scripts, each once, in the plan's order."""
    return tuple(dict.fromkeys(row.script for row in rows if row.script != BUILT_IN))


def has_news(rows: Sequence[Row], measured: Collection[str]) -> bool:
    """Whether a row measures what no earlier plan of the campaign has."""
    return any(row.dimension not in measured for row in rows)


def lacking(missing: Sequence[str], rows: int) -> str:
    """What has no answer: the one as it is told, of several the script and its reason in brief."""
    if len(missing) == 1:
        return missing[0]
    told = []
    for text in missing:
        dimension, _, why = text.partition(": ")
        script, _, output = dimension.partition(" → ")
        name = output if script == BUILT_IN else script.removeprefix("analysis/")
        told.append(f"{name} {display.cut(re.sub(r'^exit code [0-9]+: ', '', why), _BRIEF)}")
    return f"{len(missing)} of {rows} rows: {'; '.join(dict.fromkeys(told))}"


def is_script(path: str) -> bool:
    """Whether it is where an agent's own script may lie."""
    return _SCRIPT.fullmatch(path) is not None


def _cells(line: str) -> list[str]:
    parts = re.split(r"(?<!\\)\|", line.strip().removeprefix("|").removesuffix("|"))
    return [display.clean(part.replace("\\|", "/"), _CELL_CHARACTERS) for part in parts]


def _is_head(cells: Sequence[str]) -> bool:
    words = [cell.lower() for cell in cells]
    return len(words) == len(_COLUMNS) and words[0].startswith("script") and "output" in words[1]


def _row(number: int, cells: list[str]) -> Row:
    missing = [name for name, cell in zip(_COLUMNS, [*cells, *[""] * 5], strict=False) if not cell]
    if missing or len(cells) != len(_COLUMNS):
        what = f"lacks {', '.join(missing)}" if missing else f"has {len(cells)} cells, not 5"
        raise ValueError(f"line {number} of the plan {what}; {FORM}")
    script, output = (cell.strip("`* ") for cell in cells[:2])
    script = script.removeprefix("agent-loops ").strip()
    if script != BUILT_IN and "/" not in script:
        script = f"analysis/{script}"
    if script != BUILT_IN and not is_script(script):
        raise ValueError(
            f"line {number} of the plan: {script!r} is neither `{BUILT_IN}` nor analysis/NAME.py"
        )
    folder = "results" if script == BUILT_IN else "analysis"
    if "/" not in output.partition(":")[0]:
        output = f"{folder}/{output}"
    try:
        place = figures.place(output)
    except ValueError as error:
        raise ValueError(f"line {number} of the plan: {error}") from error
    if place.experiment is not None or not place.path.startswith(folder):
        raise ValueError(f"line {number} of the plan: {script} writes in {folder}/, not {output!r}")
    if place.path in (script, f"analysis/{NAME}") or place.path.endswith((".py", ".log")):
        raise ValueError(f"line {number} of the plan: {output!r} is no file of results")
    return Row(script, str(place), *cells[2:])
