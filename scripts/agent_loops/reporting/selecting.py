"""Which experiments a person or an agent wants to see: by status, words, changed files, numbers.

Reads manifests, never the saved code: a manifest that is damaged is named.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from agent_loops import files, scan
from agent_loops.decide import CRASH, DISCARD, KEEP
from agent_loops.errors import UsageError
from agent_loops.loop import Loop
from agent_loops.reporting.ledger import OPEN, Row

STATUSES = (KEEP, DISCARD, CRASH, OPEN)


class Wanted(NamedTuple):
    """What was asked for; an empty field asks for nothing. `first` to `last` are numbers."""

    statuses: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    path: str = ""
    first: int = 1
    last: int | None = None


def wanted(*, statuses: str, text: str, path: str, numbers: str) -> Wanted:
    """What the words of a command line ask for.

    Raises:
        UsageError: a status or a range that is none.
    """
    chosen = tuple(part.strip().lower() for part in statuses.split(",") if part.strip())
    unknown = [part for part in chosen if part not in STATUSES]
    if unknown:
        known = ", ".join(STATUSES)
        raise UsageError(f"--status {unknown[0][:40]!r}: no such status; there are {known}")
    first, last = _range(numbers)
    return Wanted(chosen, tuple(text.casefold().split()), path, first, last)


def _range(text: str) -> tuple[int, int | None]:
    match = re.fullmatch(r"(\d{0,9})(?:(\.\.)(\d{0,9}))?", text.replace("#", ""), re.ASCII)
    if match is None or text == "..":
        raise UsageError(f"{text[:40]!r}: no range; give 10..20, 10.., ..20 or 10")
    first = int(match[1] or 1)
    last = (int(match[3]) if match[3] else None) if match[2] else (first if match[1] else None)
    if last is not None and last < first:
        raise UsageError(f"{text[:40]!r}: ends before it begins; give {last}..{first}")
    return first, last


def select(run: Loop, rows: Sequence[Row], wish: Wanted) -> tuple[list[Row], list[str]]:
    """The rows that are wanted, and notes of those of which it cannot be told."""
    last = len(rows) if wish.last is None else wish.last
    found = [
        row
        for row in rows[max(0, wish.first - 1) : last]
        if (not wish.statuses or row.status in wish.statuses)
        and all(word in row.description.casefold() for word in wish.words)
    ]
    if not wish.path:
        return found, []
    changes = changing(run, wish.path)
    told = [(row, changes(row)) for row in found]
    lost = [f"#{row.number}" for row, changed in told if changed is None]
    note = f"no manifest of {', '.join(lost[:5])}{' and others' if len(lost) > 5 else ''}"
    return [row for row, changed in told if changed], [note] if lost else []


def changing(run: Loop, pattern: str) -> Callable[[Row], bool | None]:
    """Tells whether an experiment changed a file that matches; None where no manifest says.

    The pattern is a path, a name or a gitignore-style glob.
    """
    matches = scan.matcher([pattern])
    loaded: dict[int, Mapping[str, str] | None] = {}

    def manifest(number: int) -> Mapping[str, str] | None:
        if number not in loaded:
            loaded[number] = _entries(run, number)
        return loaded[number]

    def changes(row: Row) -> bool | None:
        if row.base is None:
            return False
        before, after = manifest(row.base), manifest(row.number)
        if before is None or after is None:
            return None
        paths = (path for path in before.keys() | after.keys()
                 if before.get(path) != after.get(path))  # fmt: skip
        return any(path == pattern or matches(path) for path in paths)

    return changes


def _entries(run: Loop, number: int) -> Mapping[str, str] | None:
    """By path what identifies an experiment's file."""
    try:
        content = files.load_json(run.store.paths.manifest(number).read_bytes())
        return {str(item["path"]): f"{item['mode']} {item['sha256']}" for item in content["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        return None
