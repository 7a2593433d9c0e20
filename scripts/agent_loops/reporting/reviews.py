"""Which kept changes a person should read first, and why.

Accuses nobody: a reason is a fact about the change, and most such changes are honest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from agent_loops import themes
from agent_loops.decide import MANY_LINES
from agent_loops.reporting.changes import Change
from agent_loops.reporting.ledger import Ledger, Row

_MEASURING = frozenset(
    "metric metrics eval evals evaluate evaluation val validate validation test tests score "
    "accuracy holdout".split()
)
_DRAWING = frozenset("data dataset datasets tokenizer split seed seeds".split())
# As the verdict's notes flag them.
_FLAGGED = ("lines that name", "changes a seed")
_SHOWN = 4


def of_all(ledger: Ledger) -> str:
    """What is to be known of every kept change alike; "" where there is nothing."""
    if {row.source for row in ledger.rows if row.source} == {"self-reported"}:
        return f"{ledger.metric} is self-reported by the code that is edited"
    return ""


def to_review(
    kept: Sequence[Row], change_of: Callable[[int], Change]
) -> tuple[tuple[Row, str], ...]:
    """The kept changes with a reason to look, those that touch the measurement first.

    In this order: a note of the verdict that it changes lines that name the metric, or a seed; an
    overridden verdict; changed lines that name an evaluation, then data or a seed; a metric that
    the edited code reports itself where others were evaluated; a diff that cannot be read; new
    files; at least 20 lines more.
    """
    mixed = len({row.source for row in kept if row.source}) > 1
    found = [(row, list(_reasons(row, change_of(row.number), mixed=mixed))) for row in kept]
    ranked = sorted((item for item in found if item[1]), key=lambda item: min(item[1])[0])
    return tuple((row, "; ".join(why for _, why in sorted(whys))) for row, whys in ranked)


def _reasons(row: Row, change: Change, *, mixed: bool) -> Iterator[tuple[int, str]]:
    """Each with its rank: the lower, the sooner it is to be read."""
    flagged = [note for note in row.notes if any(words in note for words in _FLAGGED)]
    yield from ((0, note) for note in flagged)
    if row.override_why:
        yield 1, f"its verdict was overridden: {row.override_why}"
    words = _words(change.lines)
    for rank, kinds in ((2, _MEASURING), (3, _DRAWING)):
        if not flagged and (named := [word for word in words if word in kinds]):
            yield rank, f"its changed lines name {', '.join(named[:_SHOWN])}"
    if mixed and row.source == "self-reported":
        yield 4, "the edited code reports this metric itself, others were evaluated"
    if change.problem:
        yield 5, f"its change cannot be read: {change.problem}"
    if any(line.startswith("--- /dev/null") for line in change.lines):
        yield 6, "it adds a file"
    if (more := row.lines_added - row.lines_removed) >= MANY_LINES:
        yield 7, f"it makes the code {more} lines longer"


def _words(lines: Iterable[str]) -> list[str]:
    found: dict[str, None] = {}
    for line in lines:
        if themes.is_changed(line):
            found.update(dict.fromkeys(themes.words(line[1:])))
    return list(found)
