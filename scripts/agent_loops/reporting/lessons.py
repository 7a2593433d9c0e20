"""What a campaign teaches: what worked and what did not, what to look at, what to try next.

Invents nothing: every lesson is worked out from the record by a rule that its docstring says, and
one that the record does not show is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from agent_loops import display
from agent_loops.decide import KEEP
from agent_loops.reporting import (
    categories,
    near_misses,
    patterns,
    proposals,
    reviews,
    trends,
    tried,
)
from agent_loops.reporting.changes import Change
from agent_loops.reporting.ledger import Ledger, Row
from agent_loops.reporting.patterns import Category, Pattern
from agent_loops.themes import is_changed

_MOST_NEAR = 10


class Lessons(NamedTuple):
    """All of it; figures are in metric units, and positive gains are better.

    `progression` is what was kept, in order. `to_review` are the kept changes that a person should
    read first, each with the reasons; `near_misses` the nearest ten. `cost` are labels with their
    texts. `category_of` says of each idea, by its number, in which category it was counted.
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
    category_of: Mapping[int, str]


def learn(ledger: Ledger, change_of: Callable[[int], Change], context: str = "") -> Lessons:
    """The lessons of a campaign.

    `change_of` is asked once for each idea; `context` is what the campaign took of the agent's,
    in words, where that is known.
    """
    ideas = ledger.ideas
    kept: dict[int, Change] = {}
    lines: dict[int, Sequence[str]] = {}
    category_of: dict[int, str] = {}
    for row in ideas:
        change = change_of(row.number)
        category_of[row.number] = categories.category_of(row.description, change.lines)
        if row.number > ideas[-1].number - tried.MOST_DIFFS:
            lines[row.number] = [line for line in change.lines if is_changed(line)]
        if row.status == KEEP:
            kept[row.number] = change
    table = patterns.table(ideas, category_of, ledger.kept, ledger.epoch)
    near = near_misses.of(ideas)
    in_vain = tried.dead_ends(tried.ideas_of(ideas, ledger.rows, lambda n: lines.get(n, ())))
    dead_ends = tuple(Pattern(display.clean(item.text, 200), item.numbers) for item in in_vain)
    return Lessons(
        categories=table,
        failed=patterns.failed(table, ideas, category_of),
        crashes=patterns.crashes(ledger.rows),
        near_misses=near[:_MOST_NEAR],
        dead_ends=dead_ends,
        progression=tuple(ledger.kept),
        diminishing=trends.diminishing(
            [row for row in ideas if row.epoch == ledger.epoch], ledger.kept, ledger.since
        ),
        suggestions=(
            *proposals.baseline(ledger),
            *proposals.proposals(ideas, table, category_of, near, dead_ends),
        ),
        to_review=reviews.to_review(ledger.kept, kept.__getitem__),
        cost=trends.cost(ledger, context),
        category_of=category_of,
    )
