"""What a campaign teaches: what worked and what did not, by category; what to look at and try next.

Invents nothing: every lesson names its experiments, and one that the record does not show is left
out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from agent_loops import answers, decide
from agent_loops.reporting import categories
from agent_loops.reporting.changes import Change
from agent_loops.reporting.ledger import Ledger, Row

_LARGE_LINES = 20
_NEAR = 5


class Category(NamedTuple):
    """What became of the ideas of one category; `gain` is what its kept ones gained together."""

    name: str
    tried: int
    kept: int
    crashed: int
    largest: Row | None
    gain: float


class Pattern(NamedTuple):
    """What several experiments have in common, and which these are."""

    text: str
    numbers: tuple[int, ...]


class Lessons(NamedTuple):
    """All of it. `progression` is what was kept, in order; `to_review` are kept changes, and why.

    `category_of` says for every idea, by its number, in which category it was counted.
    """

    categories: tuple[Category, ...]
    failed: tuple[Pattern, ...]
    crashes: tuple[Pattern, ...]
    near_misses: tuple[Row, ...]
    dead_ends: tuple[Pattern, ...]
    progression: tuple[Row, ...]
    diminishing: str
    suggestions: tuple[str, ...]
    to_review: tuple[tuple[Row, str], ...]
    cost: tuple[tuple[str, str], ...]
    category_of: dict[int, str]


def learn(ledger: Ledger, change_of: Callable[[int], Change]) -> Lessons:
    """The lessons of a campaign. `change_of` is asked once for each idea."""
    found = {
        row.number: categories.category_of(row.description, change_of(row.number).lines)
        for row in ledger.ideas
    }
    table = _categories(ledger.ideas, found)
    return Lessons(
        categories=table,
        failed=_failed(table, ledger.ideas, found),
        crashes=_crashes(ledger.ideas),
        near_misses=_near_misses(ledger.ideas),
        dead_ends=(),
        progression=tuple(ledger.kept),
        diminishing="",
        suggestions=(),
        to_review=tuple(
            (row, f"{row.lines_added - row.lines_removed} lines more")
            for row in ledger.kept
            if row.lines_added - row.lines_removed > _LARGE_LINES
        ),
        cost=_cost(ledger),
        category_of=found,
    )


def _categories(ideas: Sequence[Row], found: dict[int, str]) -> tuple[Category, ...]:
    table = []
    for name in categories.CATEGORIES:
        rows = [row for row in ideas if found[row.number] == name]
        kept = [row for row in rows if row.status == decide.KEEP]
        gained = [row for row in kept if row.gain is not None]
        if rows:
            table.append(
                Category(
                    name=name,
                    tried=len(rows),
                    kept=len(kept),
                    crashed=sum(row.status == decide.CRASH for row in rows),
                    largest=max(gained, key=lambda row: row.gain or 0.0, default=None),
                    gain=sum(row.gain or 0.0 for row in gained),
                )
            )
    return tuple(sorted(table, key=lambda item: (-item.gain, -item.kept, -item.tried)))


def _failed(
    table: Sequence[Category], ideas: Sequence[Row], found: dict[int, str]
) -> tuple[Pattern, ...]:
    """A category of three ideas or more of which none was kept."""
    return tuple(
        Pattern(
            f"none of {item.tried} {item.name} ideas was kept",
            tuple(row.number for row in ideas if found[row.number] == item.name),
        )
        for item in table
        if item.tried >= 3 and not item.kept
    )


def _crashes(ideas: Sequence[Row]) -> tuple[Pattern, ...]:
    """The crashes by their kind."""
    kinds: dict[str, list[int]] = {}
    for row in ideas:
        if row.status == decide.CRASH:
            kinds.setdefault(row.kind or "crash", []).append(row.number)
    return tuple(Pattern(kind, tuple(numbers)) for kind, numbers in kinds.items())


def _near_misses(ideas: Sequence[Row]) -> tuple[Row, ...]:
    """What was discarded though its gain was above zero, the largest first."""
    near = [row for row in ideas if row.status == decide.DISCARD and (row.gain or 0.0) > 0]
    return tuple(sorted(near, key=lambda row: -(row.gain or 0.0))[:_NEAR])


def _cost(ledger: Ledger) -> tuple[tuple[str, str], ...]:
    kept = len(ledger.kept)
    cost = [("device time", answers.duration(ledger.machine_s))] if ledger.machine_s else []
    if cost and kept:
        cost.append(("per kept idea", answers.duration(ledger.machine_s / kept)))
    return tuple(cost)
