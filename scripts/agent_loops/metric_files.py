"""Reads the metric from a JSON, JSONL or CSV file that this very run wrote.

A file that the run left untouched is never read; neither is one above 64 MiB.
"""

from __future__ import annotations

import contextlib
import csv
import glob
import io
import json
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from agent_loops import display
from agent_loops.metric import (
    Hit,
    Hits,
    LogFacts,
    MetricSpec,
    choose,
)
from agent_loops.printed import memory_kind, memory_mb, printed_number

Print = tuple[int, int, int]

_FILE_BYTES = 64 << 20
_SCALARS = 40
_NAMES = 8


class _Unreadable(Exception):
    """A file that gives no value; `str()` is why."""


class _Number(float):
    """A number of a JSON file that remembers how it was printed."""

    text: str

    def __new__(cls, text: str) -> _Number:
        number = super().__new__(cls, text)
        number.text = text
        return number


def find_metric_files(pattern: str, *, run_dir: Path, project: Path) -> list[Path]:
    """The regular files that match, sorted. `pattern` is a glob (`**` too), relative to `project`.

    `{run_dir}` in it stands for the folder of the run.
    """
    full = pattern.replace("{run_dir}", glob.escape(str(run_dir)))
    found = glob.glob(os.path.join(glob.escape(str(project)), full), recursive=True)
    return sorted(path for path in map(Path, set(found)) if path.is_file())


def fingerprint(paths: Sequence[Path]) -> dict[str, Print]:
    """Size, mtime (ns) and inode of each file that is there."""
    found = {}
    for path in paths:
        try:
            about = path.stat()
        except OSError:
            continue
        if stat.S_ISREG(about.st_mode):
            found[str(path)] = (about.st_size, about.st_mtime_ns, about.st_ino)
    return found


def read_metric_file(
    paths: Sequence[Path], before: Mapping[str, Print], *, key: str | None, spec: MetricSpec
) -> LogFacts:
    """The reading from those of `paths` that are new or changed since the fingerprint `before`.

    `key` (the metric's name by default) is a dotted path into JSON, or a column of CSV; `*` in the
    path gives several values. Of several
    files the newest is read, or with a `reduce` each gives one value; a list of values, the records
    of a JSONL and the rows of a CSV are picked from or reduced as the lines of a log are.
    """
    now = fingerprint(paths)
    written = [
        path for path in paths if str(path) in now and now[str(path)] != before.get(str(path))
    ]
    if not written:
        names = ", ".join(path.name for path in paths[:3])
        return LogFacts(
            None,
            f"{names} was not written by this run" if paths else "no file matches `metric_file`",
        )
    written.sort(key=lambda path: (now[str(path)][1], str(path)))
    several = len(written) > 1
    notes: list[str] = []
    if several and spec.reduce == "none":
        newest = written[-1]
        notes.append(
            f"{len(written)} metric files were written; the newest, {newest.name}, was read"
        )
        written = [newest]
    hits = Hits()
    scalars: dict[str, float] = {}
    for path in written:
        try:
            values, scalars = _values(path, key or spec.name, notes)
        except _Unreadable as error:
            return LogFacts(None, f"{path.name}: {error}")
        for hit in values[-1:] if several and spec.reduce != "none" else values:
            hits.add(hit, spec)
    reading, problem = choose(hits, spec, problem="no value")
    if reading is not None and notes:
        reading = reading.with_notes(notes)
    peaks = [(mb, memory_kind(n)) for n, v in scalars.items() if (mb := memory_mb(n, v))]
    peak_mb, kind = peaks[-1] if peaks else (None, "")
    return LogFacts(reading, problem, peak_mb, kind, scalars)


def _values(path: Path, key: str, notes: list[str]) -> tuple[list[Hit], dict[str, float]]:
    """Every value of `key` in a file, at least one, in order; and the numbers beside the last."""
    try:
        with path.open("rb") as stream:
            data = stream.read(_FILE_BYTES + 1)
    except OSError as error:
        raise _Unreadable(f"cannot be read: {error.strerror}") from None
    if len(data) > _FILE_BYTES:
        raise _Unreadable(f"is larger than {_FILE_BYTES >> 20} MiB")
    text = data.decode("utf-8-sig", "replace")
    if not text.strip():
        raise _Unreadable("is empty")
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv") or (suffix not in _JSON and text.lstrip()[0] not in "{["):
        records: Iterator[Any] = _csv_records(text, key, notes)
    else:
        records = _json_records(text, notes)
    found: list[tuple[Any, Any]] = []
    instead = ""
    for record in records:
        try:
            value = _resolve(record, key.split("."))
        except LookupError as error:
            instead = f"; {error}"
            continue
        found += [(item, record) for item in (value if isinstance(value, list) else [value])]
    readable = [(hit, record) for value, record in found if (hit := _hit(path, key, value))]
    if not readable:
        if found:
            raise _Unreadable(f"`{key}` is {str(found[-1][0])[:40]!r}, which is not a number")
        raise _Unreadable(f"`{key}` is not in it{instead}")
    if _hit(path, key, found[-1][0]) is None:
        notes.append(f"{path.name}: the last `{key}` is not a number; an earlier one was taken")
    return [hit for hit, _ in readable], _beside(readable[-1][1], key)


_JSON = (".json", ".jsonl", ".ndjson")


def _json_records(text: str, notes: list[str]) -> Iterator[Any]:
    """The records of a JSON or JSONL text; a top-level list of objects is a list of records."""
    try:
        whole = _loads(text)
    except ValueError:
        yield from _jsonl_records(text, notes)
        return
    if isinstance(whole, list) and whole and all(isinstance(item, dict) for item in whole):
        yield from ({**item, str(i): item} for i, item in enumerate(whole))
    else:
        yield whole


def _jsonl_records(text: str, notes: list[str]) -> Iterator[Any]:
    lines = [line for line in text.split("\n") if line.strip()]
    bad = 0
    for number, line in enumerate(lines, start=1):
        try:
            yield _loads(line)
        except ValueError as error:
            if number == 1:
                raise _Unreadable(f"is not JSON: {error}") from None
            if number == len(lines):
                notes.append("the last line of the metric file is torn and was skipped")
            else:
                bad += 1
    if bad:
        notes.append(f"{bad} lines of the metric file are not JSON and were skipped")


def _loads(text: str) -> Any:
    try:
        return json.loads(text, parse_float=_Number, parse_int=_Number, parse_constant=_Number)
    except RecursionError:
        raise ValueError("nested too deep") from None


def _csv_records(text: str, key: str, notes: list[str]) -> Iterator[dict[str, str]]:
    """The rows that have something in the column `key`; a torn last row is skipped."""
    header = next(line for line in text.splitlines() if line.strip())
    delimiter = max(",;\t", key=header.count)
    rows = csv.reader(io.StringIO(text.lstrip(), newline=""), delimiter=delimiter)
    try:
        names = [name.strip() for name in next(rows)]
        if key not in names:
            raise _Unreadable(f"has no column `{key}`; its columns: {', '.join(names[:12])}")
        column = names.index(key)
        rest = [row for row in rows if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise _Unreadable(f"is not CSV: {error}") from None
    if rest and len(rest[-1]) < len(names) and not text.endswith("\n"):
        notes.append("the last row of the metric file is torn and was skipped")
        rest.pop()
    for row in rest:
        if column < len(row) and row[column].strip():
            yield dict(zip(names, (cell.strip() for cell in row), strict=False))


def _resolve(value: Any, parts: Sequence[str]) -> Any:
    """Follows a dotted path; a name that itself has dots in it is found too.

    `*` stands for everything in a list or an object: what of it has the rest is listed.

    Raises:
        LookupError: there is nothing there; it says what is.
    """
    if not parts:
        return value
    if isinstance(value, dict):
        for length in range(len(parts), 0, -1):
            name = ".".join(parts[:length])
            if name in value:
                return _resolve(value[name], parts[length:])
    if isinstance(value, dict | list) and parts[0] == "*":
        return _resolve_each(list(value.values() if isinstance(value, dict) else value), parts[1:])
    if isinstance(value, list) and parts[0].lstrip("-").isdecimal():
        with contextlib.suppress(IndexError):
            return _resolve(value[int(parts[0])], parts[1:])
    raise LookupError(f"instead of `{parts[0]}` there is {_held(value)}")


def _resolve_each(values: Sequence[Any], parts: Sequence[str]) -> list[Any]:
    found: list[Any] = []
    lost = LookupError("there is nothing for `*`")
    for value in values:
        try:
            one = _resolve(value, parts)
        except LookupError as error:
            lost = error
            continue
        found += one if isinstance(one, list) else [one]
    if not found:
        raise lost
    return found


def _held(value: Any) -> str:
    if isinstance(value, dict):
        names = ", ".join(display.cut(str(name), 40) for name in list(value)[:_NAMES])
        return f"{names}, …" if len(value) > _NAMES else names or "nothing"
    return f"a list of {len(value)}" if isinstance(value, list) else "a single value"


def _hit(path: Path, key: str, value: object) -> Hit | None:
    if isinstance(value, _Number):
        text = value.text
    elif isinstance(value, str):
        text = value
    else:
        return None
    number = printed_number(text.encode("utf-8", "replace"))
    line = f"{path.name}: {key} = {text}".encode("utf-8", "replace")
    return Hit(number[0], number[1], line) if number else None


def _beside(record: Any, key: str) -> dict[str, float]:
    """The other finite numbers of a flat record, at most 40."""
    found: dict[str, float] = {}
    for name, value in record.items() if isinstance(record, dict) else ():
        number = printed_number(value.encode()) if isinstance(value, str) else None
        if isinstance(value, _Number) or number:
            plain = float(number[0]) if number else float(value)
            if name != key and abs(plain) < float("inf") and len(found) < _SCALARS:
                found[name] = plain
    return found
