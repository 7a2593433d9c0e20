"""Carries a change over to other content, line by line, or says where the two collide; pure.

Does not know what lines mean: a merge without a collision may be wrong, and so it is measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple


class _Hunk(NamedTuple):
    """Lines `start` to `end` of the base become `lines`."""

    start: int
    end: int
    lines: tuple[bytes, ...]


def merge(current: bytes, base: bytes, other: bytes) -> bytes | None:
    """`current` with what changed from `base` to `other`; None where both changed the same place.

    Lines that merely touch do not collide, unlike in `git merge-file`: hyperparameters stand one
    below the other.
    """
    if current in (base, other):
        return other
    if base == other:
        return current
    if any(b"\0" in one for one in (current, base, other)):
        return None
    old = base.splitlines(keepends=True)
    ours = list(_hunks(old, current.splitlines(keepends=True)))
    theirs = [hunk for hunk in _hunks(old, other.splitlines(keepends=True)) if hunk not in ours]
    if any(_collide(one, another) for one in ours for another in theirs):
        return None
    return b"".join(_applied(old, sorted([*ours, *theirs])))


def _hunks(old: Sequence[bytes], new: Sequence[bytes]) -> Iterator[_Hunk]:
    from difflib import SequenceMatcher

    start, end = 0, 0
    while start < min(len(old), len(new)) and old[start] == new[start]:
        start += 1
    while end < min(len(old), len(new)) - start and old[-1 - end] == new[-1 - end]:
        end += 1
    left, right = old[start : len(old) - end], new[start : len(new) - end]
    for tag, first, last, from_, to in SequenceMatcher(None, left, right).get_opcodes():
        if tag == "replace" and last - first == to - from_:
            # Each line for itself, so that another's change of the next line does not collide.
            for at in range(last - first):
                one = first + start + at
                yield _Hunk(one, one + 1, (right[from_ + at],))
        elif tag != "equal":
            yield _Hunk(first + start, last + start, tuple(right[from_:to]))


def _collide(one: _Hunk, another: _Hunk) -> bool:
    if one.start == one.end and another.start == another.end:
        return one.start == another.start
    if one.start == one.end:
        return another.start < one.start < another.end
    if another.start == another.end:
        return one.start < another.start < one.end
    return max(one.start, another.start) < min(one.end, another.end)


def _applied(old: Sequence[bytes], hunks: Sequence[_Hunk]) -> Iterator[bytes]:
    at = 0
    for hunk in hunks:
        yield from old[at : hunk.start]
        yield from hunk.lines
        at = hunk.end
    yield from old[at:]
