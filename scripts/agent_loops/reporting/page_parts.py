"""A page in parts that can be replaced one by one, and which of them changed since when; pure.

Does not read HTML in general: it knows the outline of our own page, in which all text is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

# No text on the page can end an element before its end: every "<" in it is escaped.
_OUTLINE = re.compile(
    r'<header>.*?</header>|<dl class="figures">.*?</dl>'
    r'|<section aria-labelledby="(?P<section>[\w-]+)">.*?</section>',
    re.DOTALL,
)
_ROW = re.compile(r'<tbody id="(e\d+)".*?</tbody>\n?', re.DOTALL)


class Parts(NamedTuple):
    """The page's parts by name, in their order, and the rows of its table; all as HTML."""

    outline: dict[str, str]
    rows: dict[str, str]


def split(html: str) -> Parts:
    """The parts of a whole page. The part that holds the table is without its rows."""
    rows = {match[1]: match[0] for match in _ROW.finditer(html)}
    outline = {}
    for match in _OUTLINE.finditer(_ROW.sub("", html)):
        name = match["section"] or ("header" if match[0].startswith("<header") else "figures")
        outline[name] = match[0]
    return Parts(outline, rows)


class Versions:
    """Numbers the versions of a page, and knows with which each part became what it is."""

    def __init__(self) -> None:
        self.number = 0
        self._parts = Parts({}, {})
        self._since: dict[str, int] = {}

    def take(self, parts: Parts, *, unchanged: Collection[str] = ()) -> None:
        """The next version; the rows named in `unchanged` count as they were, if they were."""
        self.number += 1
        rows = {
            name: self._parts.rows.get(name, html) if name in unchanged else html
            for name, html in parts.rows.items()
        }
        before = {**self._parts.outline, **self._parts.rows}
        self._parts = Parts(parts.outline, rows)
        for name, html in {**parts.outline, **rows}.items():
            if before.get(name) != html:
                self._since[name] = self.number

    @property
    def order(self) -> list[str]:
        """The names of all parts but the rows."""
        return list(self._parts.outline)

    def after(self, number: int) -> Parts:
        """What became other than it was in an earlier version."""
        return Parts(*(
            {name: html for name, html in part.items() if self._since[name] > number}
            for part in self._parts
        ))  # fmt: skip
