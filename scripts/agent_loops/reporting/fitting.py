"""Makes labelled texts fit so many columns and bytes, the least important cut first.

Does not judge what is important: each text comes with its rank.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from agent_loops.reporting import widths

_LABEL = 10
_SHORTEST = 24


class Item(NamedTuple):
    """One text behind its label; the higher its `rank`, the sooner it is cut, then left out.

    It takes at most `most_lines`. Rank 0 is never left out, and only cut where nothing else helps.
    """

    label: str
    text: str
    rank: int = 0
    most_lines: int = 1


def fit(items: Sequence[Item], *, columns: int, most_bytes: int, most_lines: int) -> list[str]:
    """The items as lines, in their order, within all three limits."""
    left = list(items)
    while True:
        blocks = [_lines(item, columns) for item in left]
        lines = [line for block in blocks for line in block]
        over = sum(len(line.encode()) + 1 for line in lines) - most_bytes
        if (over <= 0 and len(lines) <= most_lines) or not left:
            return lines
        at = _least_important(left, blocks)
        shorter = _shortened(left[at], blocks[at], columns)
        left[at : at + 1] = [shorter] if shorter is not None else []


def _least_important(items: Sequence[Item], blocks: Sequence[Sequence[str]]) -> int:
    """The highest rank's; of rank 0 the one that takes most bytes."""
    rank = max(item.rank for item in items)
    sizes = [
        sum(len(line.encode()) for line in block) if item.rank == rank else -1
        for item, block in zip(items, blocks, strict=True)
    ]
    # Of equals the last: the rows of a table are shortened from its end.
    return max(range(len(sizes)), key=lambda at: (sizes[at] if not rank else sizes[at] >= 0, at))


def _shortened(item: Item, block: Sequence[str], columns: int) -> Item | None:
    """The item with a line less, else left out; one of rank 0 loses a quarter at a time."""
    if len(block) > 1:
        return item._replace(most_lines=len(block) - 1)
    if item.rank:
        return None
    room = min(columns - _LABEL, widths.columns(item.text)) * 3 // 4
    if room < _SHORTEST:
        return None
    return item._replace(text=widths.cut(item.text, room))


def _lines(item: Item, columns: int) -> list[str]:
    if not item.label:
        return widths.wrap(item.text, columns, columns, item.most_lines)
    label = f"{item.label:{_LABEL - 1}} "
    begin = widths.columns(label)
    found = widths.wrap(item.text, columns - begin, columns - _LABEL, item.most_lines)
    return [label + found[0], *(" " * _LABEL + line for line in found[1:])] if found else []
