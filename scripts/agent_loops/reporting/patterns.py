"""What experiments have in common: what became of each category, and why ideas failed.

Pure, and explains nothing: that several ideas failed alike is a fact, why they did is not known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from agent_loops.decide import CRASH, DISCARD, KEEP
from agent_loops.reporting.categories import CATEGORIES
from agent_loops.reporting.ledger import Row

_FEWEST = 3
_MOST = 10
_NUMBER = re.compile(r"\d[\d.,]*")
_RARE = 0.1


class Category(NamedTuple):
    """What became of the ideas of one category.

    `gain` is what its kept ideas gained together, in metric units as the keep rule took each of
    them, `largest` the kept one that gained most: both of those of the last epoch, for gains over
    another baseline do not add to them.
    """

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


def table(
    ideas: Sequence[Row], category_of: Mapping[int, str], kept: Iterable[Row], epoch: int
) -> tuple[Category, ...]:
    """Every category that was tried, the one that gained most first.

    `kept` are the ideas that count as kept, `epoch` is the last one.
    """
    by_name: dict[str, list[Row]] = {name: [] for name in CATEGORIES}
    for row in ideas:
        by_name[category_of[row.number]].append(row)
    numbers = {row.number for row in kept}
    found = [_category(name, rows, numbers, epoch) for name, rows in by_name.items() if rows]
    return tuple(sorted(found, key=lambda item: (-item.gain, -item.kept, -item.tried)))


def _category(name: str, rows: Sequence[Row], numbers: Collection[int], epoch: int) -> Category:
    kept = [row for row in rows if row.number in numbers]
    gains = [(row.gain, row) for row in kept if row.gain is not None and row.epoch == epoch]
    return Category(
        name=name,
        tried=len(rows),
        kept=len(kept),
        crashed=sum(row.status == CRASH for row in rows),
        largest=max(gains, key=lambda item: item[0])[1] if gains else None,
        gain=sum((gain for gain, _ in gains), 0.0),
    )


def failed(
    categories: Sequence[Category], ideas: Sequence[Row], category_of: Mapping[int, str]
) -> tuple[Pattern, ...]:
    """What did not work, as patterns.

    A category of at least three ideas of which none was kept, or of at least ten of which at most
    every tenth was; ideas that were discarded for the same reason other than a worse metric; and
    those whose interval holds zero, which the noise hid.
    """
    found = []
    for item in categories:
        numbers = tuple(row.number for row in ideas if category_of[row.number] == item.name)
        if item.tried >= _FEWEST and not item.kept:
            crashed = f", {item.crashed} crashed" if item.crashed else ""
            text = f"{item.name}: none of {item.tried} ideas was kept{crashed}"
            found.append(Pattern(text, numbers))
        elif item.tried >= 1 / _RARE and item.kept <= _RARE * item.tried:
            text = f"{item.name}: only {item.kept} of {item.tried} ideas kept"
            found.append(Pattern(text, numbers))
    discarded = [row for row in ideas if row.status == DISCARD]
    for kind, rows in _grouped(discarded, lambda row: row.kind).items():
        if kind not in ("", "worse", "equal"):
            found.append(_pattern(f"discarded for another reason than the metric: {kind}", rows))
    unclear = [row for row in discarded if _is_unclear(row)]
    if unclear:
        found.append(_pattern("neither shown better nor worse: the noise is larger", unclear))
    return tuple(found)


def _is_unclear(row: Row) -> bool:
    low, high = row.gain_low, row.gain_high
    return low is not None and high is not None and low < 0 < high


def crashes(rows: Sequence[Row]) -> tuple[Pattern, ...]:
    """The crashes by their reason, numbers in it aside; the most frequent first.

    One is called mended where one that did not crash begins with its description.
    """
    crashed = [row for row in rows if row.status == CRASH]
    by = mended(rows)
    found = []
    for alike in _grouped(
        crashed, lambda row: _NUMBER.sub("0", f"{row.kind}|{row.reason}")
    ).values():
        text = ": ".join(dict.fromkeys(part for part in (alike[0].kind, alike[0].reason) if part))
        told = [_mending(row.number, by[row.number], alike) for row in alike if row.number in by]
        more = f" and {len(told) - _MOST} more" if len(told) > _MOST else ""
        text = text or "no reason recorded"
        if told:
            text += "; mended: " if len(alike) > 1 else "; mended "
        text += ", ".join(told[:_MOST]) + more
        found.append(_pattern(text, alike))
    return tuple(sorted(found, key=lambda item: -len(item.numbers)))


def _mending(crash: int, by: int, alike: Sequence[Row]) -> str:
    """Names the crash only beside others: a crash that is alone is named behind the text."""
    return f"#{crash} by #{by}" if len(alike) > 1 else f"by #{by}"


def mended(rows: Sequence[Row]) -> dict[int, int]:
    """Which crashes were mended, and by which: the first that was measured and whose description
    begins with the crash's.
    """
    crashed: dict[str, list[int]] = {}
    for row in rows:
        if row.status == CRASH and (said := row.description.strip().lower()):
            crashed.setdefault(said, []).append(row.number)
    lengths = {len(said) for said in crashed}
    found: dict[int, int] = {}
    for row in rows:
        if row.status not in (KEEP, DISCARD):
            continue
        said = row.description.strip().lower()
        begins = [said[:length] for length in lengths if length <= len(said)]
        for number in (n for text in begins for n in crashed.get(text, ())):
            found.setdefault(number, row.number)
    return found


def _grouped(rows: Iterable[Row], key: Callable[[Row], str]) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups


def _pattern(text: str, rows: Iterable[Row]) -> Pattern:
    return Pattern(text, tuple(row.number for row in rows))
