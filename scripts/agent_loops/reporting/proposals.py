"""What to try next, from what was tried: near misses, what pays, what is untried, what to mend.

Invents no idea: each proposal follows from experiments that it names, or from their absence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from agent_loops import display
from agent_loops.decide import CRASH, DISCARD
from agent_loops.reporting import patterns, trends
from agent_loops.reporting.categories import CATEGORIES, OTHER, SIMPLIFICATION
from agent_loops.reporting.ledger import Ledger, Row
from agent_loops.reporting.patterns import Category, Pattern

_FEWEST = 3
_STALE = 10
_MOST_CRASHES = 3
_SHOWN = 60


def baseline(ledger: Ledger) -> Iterator[str]:
    """What has to come before all ideas, as long as the campaign has none to compare them with."""
    if ledger.baseline is None and ledger.state != "finished":
        first = "Mend what crashed, then measure" if ledger.counts[CRASH] else "Measure"
        yield f"{first} the code as it stands: `agent-loops try baseline`."


def proposals(
    ideas: Sequence[Row],
    table: Sequence[Category],
    category_of: Mapping[int, str],
    near: Sequence[Row],
    dead_ends: Sequence[Pattern],
) -> tuple[str, ...]:
    """Each in one sentence, the likeliest first."""
    if not ideas:
        return ()
    return (
        *_combine(near, category_of),
        *_repeat(ideas),
        *_what_pays(ideas, table),
        *_mend(ideas),
        *_untried(table),
        *_leave(dead_ends),
        *_larger_step(ideas),
    )


def _combine(near: Sequence[Row], category_of: Mapping[int, str]) -> Iterator[str]:
    """The two closest near misses of different categories, together."""
    if len(near) < 2:
        return
    first = near[0]
    other = next(
        (row for row in near[1:] if category_of[row.number] != category_of[first.number]), near[1]
    )
    yield f"Try near misses together: {_named(first)} and {_named(other)}."


def _repeat(ideas: Sequence[Row]) -> Iterator[str]:
    """The discarded idea whose interval reaches highest above zero, measured again."""
    open_ = [
        (row.gain_high, row)
        for row in ideas
        if row.status == DISCARD
        and row.gain is not None
        and row.gain > 0
        and row.gain_low is not None
        and row.gain_high is not None
        and row.gain_low < 0 < row.gain_high
    ]
    if open_:
        high, row = max(open_, key=lambda item: item[0])
        yield f"Measure {_named(row)} again: its gain is {row.gain_low:.2g} to {high:.2g} (90%)."


def _what_pays(ideas: Sequence[Row], table: Sequence[Category]) -> Iterator[str]:
    """The category of at least three ideas that was kept most often, if oftener than all were."""
    known = [item for item in table if item.tried >= _FEWEST and item.kept >= 2]
    known = [item for item in known if item.name != OTHER]
    if not known:
        return
    best = max(known, key=lambda item: item.kept / item.tried)
    kept = sum(item.kept for item in table)
    if best.kept * len(ideas) > kept * best.tried and best.largest is not None:
        yield (
            f"Go on with {best.name}: {best.kept} of {best.tried} kept, where {kept} of "
            f"{len(ideas)} were in all; most was gained by {_named(best.largest)}."
        )


def _mend(ideas: Sequence[Row]) -> Iterator[str]:
    """Crashes of ideas that no later one mended: code that could not run says nothing of them."""
    crashed = [row for row in ideas if row.status == CRASH and row.kind != "machine"]
    mended = patterns.mended(ideas)
    open_ = [row for row in crashed if row.number not in mended]
    if open_:
        shown = "; ".join(_named(row) for row in open_[-_MOST_CRASHES:])
        more = f" and {len(open_) - _MOST_CRASHES} more" if len(open_) > _MOST_CRASHES else ""
        yield f"Mend what crashed and was not measured: {shown}{more}."


def _untried(table: Sequence[Category]) -> Iterator[str]:
    tried = {item.name for item in table}
    missing = [name for name in CATEGORIES if name not in tried and name != OTHER]
    if SIMPLIFICATION in missing:
        missing.remove(SIMPLIFICATION)
        yield "Try to take something away: no simplification was tried."
    if missing:
        yield f"No idea yet was about {', '.join(missing)}."


def _leave(dead_ends: Sequence[Pattern]) -> Iterator[str]:
    if dead_ends:
        subjects = "; ".join(item.text.partition(":")[0] for item in dead_ends[:5])
        yield f"Leave alone what was tried in vain: {subjects}."


def _larger_step(ideas: Sequence[Row]) -> Iterator[str]:
    since = trends.idle(ideas)
    if since >= _STALE:
        yield (
            f"The last {since} ideas brought nothing: take a step of another kind, or stop and "
            "confirm what there is."
        )


def _named(row: Row) -> str:
    return f"#{row.number} ({display.cut(row.description, _SHOWN)})"
