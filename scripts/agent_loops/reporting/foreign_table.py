"""A table of results as other tools and people write it: its columns, told by name or by place.

Guesses nothing that is not plain: what cannot be read is an error that names line and column.
"""

from __future__ import annotations

import csv
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from agent_loops import display, files
from agent_loops.errors import AgentLoopsError
from agent_loops.objective import Direction

MOST_BYTES = 16 << 20
STATUS = {
    word: status
    for status, words in {
        "keep": "keep kept keeps accept accepted improved best win adopted",
        "discard": "discard discarded revert reverted reject rejected worse dropped",
        "crash": "crash crashed fail failed error oom timeout",
        "baseline": "baseline reference",
    }.items()
    for word in words.split()
}
"""What is written for a status, and what it means."""
_NAMES = {
    "name": "commit iter iteration experiment exp id run run_id git_commit #",
    "memory_gb": "memory_gb memory mem_gb vram_gb peak_memory_gb",
    "memory_mb": "peak_vram_mb vram_mb memory_mb peak_memory_mb",
    "duration_s": "duration_s duration seconds time_s total_seconds wall_s",
    "status": "status verdict decision outcome",
    "description": "description idea change notes",
}
_ROLE = {name: role for role, names in _NAMES.items() for name in names.split()}
_PLAIN = ("name", "metric", "memory_gb", "status", "description")
_EXTENDED = ("name", "metric", "memory_gb", "duration_s", "status", "description")
_MISSING = frozenset(("", "-", "\u2014", "na", "n/a", "nan", "none", "null", "inf", "-inf", "+inf"))
_LARGEST = 1e300  # what lies beyond diverged, as an infinity did
_SMALLER = re.compile(
    r"(?:^|_)(?:loss|bpb|bpc|perplexity|ppl|error|err|mse|rmse|mae|wer|cer|nll|fid|rmsle|latency)"
    r"(?:$|_)"
)
_LARGER = re.compile(
    r"(?:^|_)(?:acc|accuracy|auc|f1|f05|map|iou|miou|dice|r2|bleu|rouge|recall|precision|psnr|"
    r"ssim|mfu|throughput|sharpe|ndcg|mrr|auroc|auprc)(?:$|_|@)"
)
_JUDGED = re.compile(r"(?:^|_)(?:val|valid|validation|dev|eval|test)(?:$|_)")


class Line(NamedTuple):
    """One experiment's line: its number in the file, and a cell for each column."""

    number: int
    cells: tuple[str, ...]


class Table(NamedTuple):
    """`roles` says what each column is: name, metric, memory_gb, memory_mb, duration_s, status,
    description; "" is any other.
    """

    path: Path
    roles: tuple[str, ...]
    names: tuple[str, ...]
    lines: tuple[Line, ...]

    @property
    def metric(self) -> str:
        return self.names[self.roles.index("metric")]

    def cell(self, line: Line, role: str) -> str:
        """What the line says there; "" where the table has no such column."""
        return line.cells[self.roles.index(role)] if role in self.roles else ""

    def value(self, line: Line, role: str) -> float | None:
        """The number there; None where it is missing or no finite one can hold it.

        Raises:
            AgentLoopsError: it is something else.
        """
        text = self.cell(line, role)
        if text.lower() in _MISSING:
            return None
        number = _number(text.removesuffix("s") if role == "duration_s" else text)
        if number is None:
            raise self.error(line, role, f"{display.clean(text, 40)!r} is no number")
        return number if abs(number) <= _LARGEST else None

    def error(self, line: Line, role: str, problem: str) -> AgentLoopsError:
        at = self.roles.index(role)
        name = display.clean(self.names[at], 40)
        return AgentLoopsError(f"{self.path}:{line.number}: column {at + 1} ({name}): {problem}")


def direction_of(metric: str) -> Direction | None:
    """The direction that a metric's name says beyond doubt; None where it does not."""
    name = metric.lower()
    smaller, larger = bool(_SMALLER.search(name)), bool(_LARGER.search(name))
    if smaller == larger:
        return None
    return Direction.MINIMIZE if smaller else Direction.MAXIMIZE


def read(path: Path, metric: str | None = None) -> Table:
    """The table in a file.

    Columns are told by their header, in any order, or without one by being `commit <metric>
    memory_gb status description`, with `duration_s` before the status if there are six. They are
    separated by tabs, else commas, else blanks. The column named `metric` holds it; without that
    the one column of numbers whose name says which way is better, held-out data's before others,
    else the one column of numbers that has no other role.

    Raises:
        AgentLoopsError: it cannot be read; names file, line and column.
    """
    raw = list(_split(path))
    if not raw:
        raise AgentLoopsError(f"{path}: no experiment in it")
    names = tuple(cell.lower() for cell in raw[0].cells)
    if any(_ROLE.get(name) == "status" for name in names):
        head, *body = raw
        roles = _roles(path, head, body, metric)
    else:
        head, body = raw[0], raw
        roles = names = _roles_by_place(path, head)
        if metric not in (None, "metric"):
            raise AgentLoopsError(f"{path}:{head.number}: no header, so no column {metric[:40]!r}")
    shown = head.cells if body is not raw else names
    return Table(path, roles, shown, tuple(_fitted(path, roles, shown, line) for line in body))


def _split(path: Path) -> Iterator[Line]:
    """The lines that hold something, with their cells; one separator for the whole file."""
    text = _text(path)
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    first = next((line for line in lines if line.strip()), "")
    separator = "\t" if "\t" in first else "," if "," in first else " "
    for number, line in enumerate(lines, 1):
        try:
            cells = tuple(cell.strip() for cell in _cells(line, separator))
        except csv.Error as error:
            raise AgentLoopsError(f"{path}:{number}: cannot be read as CSV: {error}") from None
        if any(cells):
            yield Line(number, cells)


def _text(path: Path) -> str:
    try:
        with files.open_regular(path) as stream:
            data = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise files.explain(error, path) from error
    if len(data) > MOST_BYTES:
        raise AgentLoopsError(f"{path}: larger than {MOST_BYTES >> 20} MiB, so no such table")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise AgentLoopsError(f"{path}:{line}: not UTF-8 text") from error


def _cells(line: str, separator: str) -> list[str]:
    if separator == ",":
        return next(csv.reader([line], skipinitialspace=True), [])
    return line.split("\t") if separator in line and separator == "\t" else line.split()


def _roles(path: Path, head: Line, body: Sequence[Line], metric: str | None) -> tuple[str, ...]:
    """What each column is, by the header; of two for one role the last, as descriptions stand."""
    names = [cell.lower() for cell in head.cells]
    roles = [_ROLE.get(name, "") for name in names]
    roles = [role if role not in roles[at + 1 :] else "" for at, role in enumerate(roles)]
    found: Mapping[str, int]
    if metric is not None:
        found = {name: at for at, name in enumerate(names) if name == metric.strip().lower()}
    else:
        # Of two columns of one name the first.
        found = _likeliest({
            names[at]: at for at in reversed(range(len(names)))
            if names[at] and not roles[at] and _holds_numbers(body, at)
        })  # fmt: skip
    if len(found) == 1:
        at = next(iter(found.values()))
        return (*roles[:at], "metric", *roles[at + 1 :])
    if not body:
        raise AgentLoopsError(f"{path}: only a header, no experiment in it")
    raise _no_metric(path, head, [head.cells[at] for at in sorted(found.values())])


def _no_metric(path: Path, head: Line, found: Sequence[str]) -> AgentLoopsError:
    place = f"{path}:{head.number}"
    if not found:
        shown = display.clean(", ".join(head.cells), 200)
        return AgentLoopsError(f"{place}: no column holds a metric: {shown}")
    shown = display.clean(" or ".join(found), 200)
    command = shlex.join(["agent-loops", "report", str(path), "--metric", found[0]])
    return AgentLoopsError(
        f"{place}: the metric could be {shown}; say which: `{display.clean(command, 300)}`"
    )


def _holds_numbers(body: Sequence[Line], at: int) -> bool:
    """Whether at least half of what a column holds are numbers."""
    told = [line.cells[at] for line in body if at < len(line.cells)]
    told = [text for text in told if text.lower() not in _MISSING]
    return bool(told) and 2 * sum(_number(text) is not None for text in told) >= len(told)


def _likeliest(found: Mapping[str, int]) -> Mapping[str, int]:
    """Of columns of numbers those that are a metric by their name, of held-out data first."""
    known = {name: at for name, at in found.items() if direction_of(name) is not None}
    judged = {name: at for name, at in known.items() if _JUDGED.search(name)}
    return judged or known or found


def _roles_by_place(path: Path, line: Line) -> tuple[str, ...]:
    for roles in (_PLAIN, _EXTENDED):
        at = roles.index("status")
        if len(line.cells) > at and line.cells[at].lower() in STATUS:
            return roles
    raise AgentLoopsError(
        f"{path}:{line.number}: neither a header with a column `status` nor the columns "
        "commit, metric, memory_gb, status, description"
    )


def _fitted(path: Path, roles: Sequence[str], names: Sequence[str], line: Line) -> Line:
    """A cell for each column: missing ones at the end are empty, the last takes what is over."""
    wanted, cells = len(roles), line.cells
    if len(cells) > wanted and roles[-1] == "description":
        cells = (*cells[: wanted - 1], " ".join(cells[wanted - 1 :]))
    if not roles.index("status") < len(cells) <= wanted:
        raise AgentLoopsError(
            f"{path}:{line.number}: column {len(cells)} is the last, {wanted} are expected: "
            f"{display.clean(', '.join(names), 200)}"
        )
    return Line(line.number, (*cells, *[""] * (wanted - len(cells))))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
