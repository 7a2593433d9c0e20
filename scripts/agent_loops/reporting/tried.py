"""What became of each idea and what it set, and the ideas put together by what they changed; pure.

Tells neither why one failed nor whether it would now: what it was tried on has changed since.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from agent_loops import decide, display
from agent_loops.reporting import near_misses, parameters, telling_words
from agent_loops.reporting.ledger import Row
from agent_loops.reporting.parameters import Setting

KEPT, NEAR, WORSE, CRASHED = "+", "~", "-", "x"
MARKS = (KEPT, NEAR, WORSE, CRASHED)
MOST_DIFFS = 2000
"""Of so many experiments, the latest, changes are read; for earlier ones the words have to do."""
_FEWEST = 3
_CAUSE = 24
_RAISED = re.compile(r"^(?:[\w.]*\.)?([A-Z]\w*(?:Error|Exception|Interrupt|Exit))\b")


class Idea(NamedTuple):
    """One idea that was decided. `settings` are empty where it is told by its `words`."""

    row: Row
    mark: str
    settings: tuple[Setting, ...]
    words: tuple[str, ...]
    cause: str

    @property
    def name(self) -> str:
        """The parameters that it set, in one word; "" where it set none."""
        return "&".join(setting.name for setting in self.settings)

    @property
    def key(self) -> str:
        """`name`, however it is spelt."""
        return "&".join(setting.key for setting in self.settings)

    @property
    def value(self) -> str:
        return "&".join(setting.value for setting in self.settings)


def ideas_of(
    rows: Sequence[Row], all_rows: Sequence[Row], diff_of: Callable[[int], Sequence[str]]
) -> list[Idea]:
    """The ideas among the rows. `diff_of` gives an experiment's diff, () where there is none."""
    near = near_misses.measure(all_rows)
    found = []
    for row in rows:
        if not row.is_idea:
            continue
        diff = diff_of(row.number)
        settings = parameters.settings_of(row.description, diff)
        named = telling_words.words_of(row.description) or [f"#{row.number}"]
        words = () if settings else tuple(named)
        crashed = row.status == decide.CRASH
        mark = CRASHED if crashed else KEPT if row.status == decide.KEEP else WORSE
        mark = NEAR if near.is_near(row) else mark
        found.append(Idea(row, mark, settings, words, cause_of(row.reason) if crashed else ""))
    return found


def cause_of(reason: str) -> str:
    """A crash's cause in a word or two: the exception's name, or how the reason begins."""
    raised = _RAISED.match(reason)
    return raised[1] if raised else display.cut(re.split(r"[:;,(]", reason)[0].strip(), _CAUSE)


class DeadEnd(NamedTuple):
    """What was tried several times and never kept: a parameter's values, or ideas about a word."""

    name: str
    values: tuple[str, ...]
    ideas: tuple[Idea, ...]
    since: int

    @property
    def numbers(self) -> tuple[int, ...]:
        return tuple(idea.row.number for idea in self.ideas)

    @property
    def text(self) -> str:
        """`DEPTH: 3 tried, none kept (6, 3, 4)`."""
        since = f" since #{self.since} was kept" if self.since else ""
        values = f" ({', '.join(self.values)})" if self.values else ""
        crashed = sum(idea.mark == CRASHED for idea in self.ideas)
        told = f", {crashed} crashed" if crashed else ""
        return f"{self.name}: {len(self.ideas)} tried, none kept{since}{told}{values}"


def dead_ends(ideas: Sequence[Idea]) -> list[DeadEnd]:
    """Parameters, and words of ideas without one, of three ideas or more of which none was kept.

    For a parameter only what came behind the last of its values that was kept: `since` is that
    experiment's number, 0 where none was. An idea counts for one word, the one that most share.
    """
    found = [*_of_parameters(ideas), *_of_words(ideas)]
    return sorted(found, key=lambda item: (-len(item.ideas), item.ideas[0].row.number))


def _of_parameters(ideas: Iterable[Idea]) -> list[DeadEnd]:
    groups: dict[str, list[Idea]] = {}
    since: dict[str, int] = {}
    for idea in ideas:
        for key in {setting.key for setting in idea.settings}:
            if idea.mark == KEPT:
                groups[key], since[key] = [], idea.row.number
            else:
                groups.setdefault(key, []).append(idea)
    return [
        DeadEnd(_spelt(key, group), tuple(_values(key, group)), tuple(group), since.get(key, 0))
        for key, group in groups.items()
        if len(group) >= _FEWEST
    ]


def _spelt(key: str, group: Sequence[Idea]) -> str:
    return next(s.name for idea in group for s in idea.settings if s.key == key)


def _values(key: str, group: Sequence[Idea]) -> Iterable[str]:
    values = (s.value for idea in group for s in idea.settings if s.key == key)
    return dict.fromkeys(values)


def _of_words(ideas: Sequence[Idea]) -> list[DeadEnd]:
    failed = [idea for idea in ideas if idea.words and idea.mark != KEPT]
    kept = {word for idea in ideas if idea.mark == KEPT for word in idea.words}
    found = []
    left = failed
    while left:
        shared = telling_words.Telling([idea.words for idea in left]).shared
        telling = [(n, word) for word, n in shared.items()
                   if word not in kept and word != telling_words.NO]  # fmt: skip
        most, word = max(telling, default=(0, ""))
        if most < _FEWEST:
            break
        group = tuple(idea for idea in left if word in idea.words)
        found.append(DeadEnd(word, (), group, 0))
        left = [idea for idea in left if word not in idea.words]
    return found
