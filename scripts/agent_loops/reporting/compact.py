"""Everything that was tried in a few kilobytes, for an agent: what not to try again, what is near.

Leaves out figures and reasons, and where that is not enough the ideas that failed longest ago,
which it counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from agent_loops.reporting.telling_words import Telling
from agent_loops.reporting.tried import CRASHED, KEPT, MARKS, NEAR, WORSE, Idea

MOST_BYTES = 4096
LEGEND = "+ kept, ~ near miss, - worse, x crashed; a parameter's values by what became of them"
_FACTORED = "a(b,c): a b, a c"
_MORE = "left out {count} older: `agent-loops history --status discard,crash` has all"
_TITLES = {KEPT: "kept", NEAR: "near misses", WORSE: "worse"}
_SPREAD = 8
_FEWEST_BYTES = 3  # that an idea takes which is told by a word
_WORTH = 6  # bytes: below that the brackets are dearer than the word


class _Detail(NamedTuple):
    """How much is told: words of an idea by its mark, numbers, and how tightly it is written.

    Where `spread` is set, many values of a kind are told by the smallest and the largest.
    """

    kept: int
    failed: int
    numbers: bool
    tight: bool
    spread: bool = False


_DETAILS = (
    _Detail(8, 8, numbers=True, tight=False),
    _Detail(6, 4, numbers=True, tight=False),
    _Detail(4, 3, numbers=True, tight=False),
    _Detail(3, 2, numbers=True, tight=True),
    _Detail(3, 2, numbers=False, tight=True),
    _Detail(2, 1, numbers=False, tight=True),
    _Detail(1, 1, numbers=False, tight=True),
    _Detail(1, 1, numbers=False, tight=True, spread=True),
)


class Compact(NamedTuple):
    """The text, and how many ideas are not in it."""

    text: str
    left_out: int


def render(ideas: Sequence[Idea], head: Sequence[str], *, most_bytes: int = MOST_BYTES) -> Compact:
    """The ideas behind the `head` lines, in as many words as fit."""
    begin = [*head, LEGEND] if ideas else list(head)
    order = sorted(ideas, key=_importance)
    worded = [at for at, idea in enumerate(order) if idea.words]
    hopeless = set(worded[: max(0, len(worded) - most_bytes // _FEWEST_BYTES)])
    order = [idea for at, idea in enumerate(order) if at not in hopeless]
    telling = Telling([idea.words for idea in order if idea.words])
    for detail in () if hopeless else _DETAILS:
        text = _text(begin, ideas, telling, detail)
        if len(text.encode()) <= most_bytes:
            return Compact(text, 0)
    return _without_oldest(begin, order, telling, most_bytes, already=len(hopeless))


def _importance(idea: Idea) -> tuple[int, bool, int]:
    """What is told least of all comes first: the oldest failures, those without a parameter."""
    rank = {WORSE: 0, CRASHED: 0, NEAR: 1, KEPT: 2}
    return rank[idea.mark], bool(idea.settings), idea.row.number


def _without_oldest(
    begin: Sequence[str], order: Sequence[Idea], telling: Telling, most_bytes: int, *, already: int
) -> Compact:
    """The text at the least detail with as few of the first left out as it takes."""
    low, high = 1, len(order)
    while low < high:
        middle = (low + high) // 2
        text = _cut(begin, order[middle:], already + middle, telling)
        low, high = (low, middle) if len(text.encode()) <= most_bytes else (middle + 1, high)
    return Compact(_cut(begin, order[low:], already + low, telling), already + low)


def _cut(begin: Sequence[str], left: Sequence[Idea], gone: int, telling: Telling) -> str:
    ideas = sorted(left, key=lambda idea: idea.row.number)
    return _text([*begin, _MORE.format(count=gone)], ideas, telling, _DETAILS[-1])


def _text(begin: Sequence[str], ideas: Sequence[Idea], telling: Telling, detail: _Detail) -> str:
    words = _words(ideas, telling, detail)
    is_factored = any("(" in one for _, told in words for one in told)
    lines = [*begin, *([_FACTORED] if is_factored else []), *_parameters(ideas, detail)]
    between = ";" if detail.tight else "; "
    for title, told in words:
        lines.append(f"{title}: {between.join(told)}")
    return "\n".join(lines)


# --- ideas that set parameters -------------------------------------------------------------------


def _parameters(ideas: Sequence[Idea], detail: _Detail) -> list[str]:
    """A line for each parameter, the most tried first: `DEPTH +8 -4 6 x32`."""
    groups: dict[str, list[Idea]] = {}
    for idea in ideas:
        if idea.settings:
            groups.setdefault(idea.key, []).append(idea)
    ordered = sorted(groups.values(), key=lambda group: -len(group))
    return [f"{group[0].name} {_values(group, detail)}" for group in ordered]


def _values(group: Sequence[Idea], detail: _Detail) -> str:
    parts = []
    for mark in MARKS:
        values = list(dict.fromkeys(_value(idea, detail) for idea in group if idea.mark == mark))
        if detail.spread and len(values) > _SPREAD and mark in (WORSE, CRASHED):
            values = _spread(values)
        if values:
            parts.append(mark + " ".join(values))
    return " ".join(parts)


def _value(idea: Idea, detail: _Detail) -> str:
    value = idea.value
    if detail.tight and "&" not in value and value.startswith(("0.", "-0.")):
        value = value.replace("0.", ".", 1)
    if idea.mark == CRASHED and not detail.tight:
        value += f"({idea.cause})" if idea.cause else ""
    return value


def _spread(values: Sequence[str]) -> list[str]:
    """Many values as their ends: `.1..4(12)`."""
    try:
        ordered = sorted(values, key=float)
    except ValueError:
        return list(values)
    return [f"{ordered[0]}..{ordered[-1]}({len(ordered)})"]


# --- ideas that are told by words ----------------------------------------------------------------


def _words(ideas: Sequence[Idea], telling: Telling, detail: _Detail) -> list[tuple[str, list[str]]]:
    """Titles with their ideas: kept, near misses, worse, and crashes by their cause."""
    found: dict[str, list[_Told]] = {}
    order = sorted((idea for idea in ideas if idea.words), key=lambda idea: MARKS.index(idea.mark))
    for idea in order:
        is_telling = idea.mark in (KEPT, NEAR)
        said = telling.fewest(idea.words, detail.kept if is_telling else detail.failed)
        number = f"#{idea.row.number} " if detail.numbers and is_telling else ""
        found.setdefault(_title(idea), []).append(_Told(number, said))
    tell = _factored if detail.tight else _plainly
    return [(title, tell(list(dict.fromkeys(told)))) for title, told in found.items()]


class _Told(NamedTuple):
    """An idea as it is told: its number or "", and its words."""

    number: str
    words: tuple[str, ...]


def _title(idea: Idea) -> str:
    if idea.mark == CRASHED:
        return f"crashed, {idea.cause}" if idea.cause else "crashed"
    return _TITLES[idea.mark]


def _plainly(told: Sequence[_Told]) -> list[str]:
    return [one.number + " ".join(one.words) for one in told]


def _factored(told: Sequence[_Told]) -> list[str]:
    """Ideas that share a word are told behind it: `tied(gate,head)` is a tied gate, a tied head."""
    left, found = list(told), list[str]()
    while True:
        counts = Counter(word for one in left if len(one.words) > 1 for word in one.words)
        saved = {word: (count - 1) * len(word) for word, count in counts.items()}
        word = max(saved, key=saved.__getitem__, default="")
        if not word or saved[word] < _WORTH:
            return [*found, *_plainly(left)]
        group = [one for one in left if word in one.words and len(one.words) > 1]
        rests = (
            one.number + " ".join(other for other in one.words if other != word) for one in group
        )
        found.append(f"{word}({','.join(rests)})")
        left = [one for one in left if one not in group]
