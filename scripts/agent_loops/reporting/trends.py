"""How the campaign's gains came in time, and what they cost.

Pure, and foresees nothing: what the next hours will bring is not said here.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from datetime import datetime

from agent_loops import answers
from agent_loops.decide import CRASH, DISCARD, KEEP
from agent_loops.reporting import pace
from agent_loops.reporting.ledger import Ledger, Row

_FEWEST = 9
_PARTS = ("first", "second", "last")


def diminishing(ideas: Sequence[Row], kept: Iterable[Row], since: str = "") -> str:
    """What each third of the ideas gained, in one sentence; fewer than nine tell nothing.

    The ideas are of one epoch; `kept` are those that count as kept, `since` says since when.
    """
    if len(ideas) < _FEWEST:
        return (
            f"1 idea{since} is too few to tell."
            if len(ideas) == 1
            else (f"{len(ideas)} ideas{since} are too few to tell.")
        )
    numbers = {row.number for row in kept}
    if not any(row.number in numbers for row in ideas):
        return f"None of {len(ideas)} ideas{since} was kept."
    ends = [0, len(ideas) // 3, 2 * len(ideas) // 3, len(ideas)]
    thirds = [ideas[start:end] for start, end in itertools.pairwise(ends)]
    gains = [sum(row.gain or 0.0 for row in rows if row.number in numbers) for rows in thirds]
    told = [
        f"the {name} (#{rows[0].number} to #{rows[-1].number}) {gain:.4g}"
        for name, rows, gain in zip(_PARTS, thirds, gains, strict=True)
    ]
    return (
        f"Of thirds of the ideas{since}, {', '.join(told)} gained{_slower(gains)}{_since(ideas)}."
    )


def _slower(gains: Sequence[float]) -> str:
    total = sum(gains)
    if total <= 0:
        return ""
    share = gains[-1] / total
    if share < 1 / 6:
        return f": returns diminish, the last third brought {share:.0%} of the whole"
    if share > 1 / 2:
        return f": no sign of an end, the last third brought {share:.0%} of the whole"
    return f", the last {share:.0%} of the whole"


def _since(ideas: Sequence[Row]) -> str:
    since = idle(ideas)
    last = next((row for row in reversed(ideas) if row.status == KEEP), None)
    if last is None or since < 2:
        return ""
    return f"; nothing was kept in the {since} ideas since #{last.number}"


def idle(ideas: Sequence[Row]) -> int:
    """How many ideas at the end were tried without a keep."""
    return next((n for n, row in enumerate(reversed(ideas)) if row.status == KEEP), len(ideas))


def cost(ledger: Ledger, context: str = "") -> tuple[tuple[str, str], ...]:
    """What it took, as (label, text): only what the record knows.

    Per percent is said only of a gain that is above zero, with its interval where one is known.
    """
    machine_s, ideas, kept = ledger.machine_s, ledger.ideas, ledger.kept
    found: list[tuple[str, str]] = []
    if not machine_s:
        return (("context", context),) if context else ()
    runs = sum(row.runs for row in ledger.rows)
    found.append(("machine time", f"{answers.duration(machine_s)} in {_runs(runs)}"))
    for status, label in ((DISCARD, "on discarded ideas"), (CRASH, "on crashes")):
        spent = sum(row.machine_s for row in ideas if row.status == status)
        if spent:
            found.append((label, f"{answers.duration(spent)} ({spent / machine_s:.0%})"))
    if span_s := span(ledger):
        found.append(("time it was active", answers.duration(span_s)))
    if went := pace.of(ledger.rows):
        found.append(("pace", pace.in_words(went)))
    if kept:
        found.append(("per kept idea", answers.duration(machine_s / len(kept))))
    found += _per_percent(ledger)
    if ledger.pruned_runs:
        found.append(
            (
                "saved by pruning",
                f"{answers.duration(ledger.saved_s)} in {_runs(ledger.pruned_runs)}",
            )
        )
    return (*found, ("context", context)) if context else tuple(found)


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"


def _per_percent(ledger: Ledger) -> list[tuple[str, str]]:
    percent, claim = ledger.gain_percent, ledger.claim
    if percent is None or percent <= 0 or (claim is not None and claim.low <= 0):
        return []
    machine_s = sum(row.machine_s for row in ledger.rows if row.epoch == ledger.epoch)
    each = answers.duration(machine_s / percent)
    if claim is None:
        return [("per percent gained", f"{each} (as recorded, not confirmed)")]
    ends = [answers.duration(machine_s * claim.gain / (percent * end))
            for end in (claim.high, claim.low)]  # fmt: skip
    return [("per percent gained", f"{each} (90%: {ends[0]} to {ends[1]})")]


def span(ledger: Ledger) -> float:
    """Seconds of active time, else from the first start to the last end; 0 where unknown."""
    if ledger.active_s:
        return ledger.active_s
    try:
        began, ended = map(datetime.fromisoformat, (ledger.began_utc, ledger.ended_utc))
        return max(0.0, (ended - began).total_seconds())
    except (ValueError, TypeError):
        return 0.0
