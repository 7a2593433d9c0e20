"""The fewest words by which an idea is told from the others; pure.

Counts words, and knows what none of them means but for those that say nothing, or turn an idea
round.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from agent_loops.reporting.parameters import head_of

_WORD = re.compile(r"[^\W_][\w.+#^*/'-]*")
_LONGEST = 18
# Not `drop` and `skip`, of which there are drop paths and skip connections.
_WITHOUT = frozenset("no not remove removed without disable delete off".split())
_SAYS_NOTHING = frozenset(
    "a an the and or of to in on at by as is it its be for from with into over per via use using "
    "used try tried trying test tested set make made add added adding new more less than "
    "change changed bump replace replaced switch only all "
    "each every both but then this that very slightly better worse too best improved regressed "
    "idea experiment baseline again retry re val loss score metric steps step hypothesis evidence "
    "back full one two first last same".split()
)
NO = "no"


def words_of(description: str) -> list[str]:
    """The words that say something, in their order; NO stands before what is taken out."""
    found: list[str] = []
    for word in _WORD.findall(head_of(description)):
        low = word.strip(".'-/*").lower()
        if low in _WITHOUT:
            found.append(NO)
        elif low and low not in _SAYS_NOTHING:
            found.append(low[:_LONGEST])
    while found and found[-1] == NO:
        found.pop()
    return found or [word[:_LONGEST] for word in _WORD.findall(description)[:1]]


class Telling:
    """Chooses words for the ideas of one list, which are told from each other by them."""

    def __init__(self, ideas: Sequence[Sequence[str]]) -> None:
        self._ideas = [frozenset(words) for words in ideas]
        self._holders: dict[str, set[int]] = {}
        for at, words in enumerate(self._ideas):
            for word in words:
                self._holders.setdefault(word, set()).add(at)
        self.shared = Counter({word: len(at) for word, at in self._holders.items()})

    def fewest(self, words: Sequence[str], least: int) -> tuple[str, ...]:
        """At least so many of the words, where there are so many, and what it takes beyond that.

        The rarest first, in the order in which they stand; what is taken out stays so.
        """
        places = sorted(
            (at for at, word in enumerate(words) if word != NO),
            key=lambda at: (words[at].isalpha() is False, len(self._holders[words[at]]), at),
        )
        chosen: set[int] = set()
        holders: set[int] | None = None
        for at in dict.fromkeys(places):
            if len(chosen) >= least and holders is not None and len(holders) <= 1:
                break
            if len(chosen) >= max(least, 3):
                break
            more = self._holders[words[at]]
            narrowed = more if holders is None else holders & more
            if len(chosen) >= least and holders is not None and len(narrowed) == len(holders):
                continue
            chosen.add(at)
            holders = narrowed
        return tuple(_with_no(words, at) for at in sorted(chosen))


def _with_no(words: Sequence[str], at: int) -> str:
    """The word, behind NO where it was taken out."""
    return f"{NO} {words[at]}" if at and words[at - 1] == NO else words[at]
