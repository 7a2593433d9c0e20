"""The anchor of an idea: a number of an earlier experiment's results that it rests on.

Opens no file, and does not judge whether the idea follows from it.
"""

from __future__ import annotations

import difflib
import re
from typing import NamedTuple

from agent_loops import display, figures
from agent_loops.figures import Place

EXAMPLE = "--anchor results/summary.json:dead_share_max=0.97"


class Anchor(NamedTuple):
    """A number at a place, with the digits that were given."""

    place: Place
    value: str

    def __str__(self) -> str:
        return f"{self.place}{'=' if self.place.key else ':'}{self.value}"


def parse(text: str) -> Anchor:
    """Reads `FILE:KEY=VALUE`, or `FILE:VALUE` for a file that has no keys.

    Raises:
        ValueError: it is neither, and why.
    """
    file, colon, rest = text.strip().partition(":")
    key, equals, value = rest.rpartition("=")
    if not colon or not value.strip():
        raise ValueError(f"{display.clean(text, 80)!r} is not FILE:KEY=VALUE: `{EXAMPLE}`")
    figures.value_of(value.strip())
    key = key.strip() if equals else ""
    return Anchor(figures.place(f"{file}:{key}"), value.strip())


def holds(anchor: Anchor, data: bytes) -> bool:
    """Whether the file has that number there, to the digits given."""
    found = figures.at(data, anchor.place.path, anchor.place.key)
    return any(figures.agrees(anchor.value, value) for value in found)


def held_instead(anchor: Anchor, data: bytes) -> str:
    """What the file does hold, where it does not hold the anchor."""
    path, key = anchor.place.path, anchor.place.key
    found = figures.at(data, path, key)
    if not found:
        return f"has no {display.clean(key, 60)!r}{_nearest(key, figures.keys(data, path))}"
    one_digit = len(re.sub(r"[eE].*|[^1-9]", "", anchor.value)) < 2
    more = ": give at least two digits" if one_digit else ""
    if not key:
        wanted = figures.value_of(anchor.value)
        near = figures.shown(min(found, key=lambda value: abs(value - wanted)))
        return f"does not hold {anchor.value}; the nearest number in it is {near}{more}"
    if len(found) > 1:
        return f"has no {anchor.value} in column {display.clean(key, 60)!r}{_range(found)}{more}"
    return f"holds {display.clean(key, 60)}={figures.shown(found[0])}{more}"


def _range(found: list[float]) -> str:
    finite = [value for value in found if abs(value) != float("inf") and value == value]
    if not finite:
        return ", where nothing is finite"
    return f", which goes from {figures.shown(min(finite))} to {figures.shown(max(finite))}"


def _nearest(key: str, known: list[str]) -> str:
    parts = [name for name in known if key and key.lower() in name.lower()]
    near = parts[:3] or difflib.get_close_matches(key, known, n=3, cutoff=0.5) or known[:5]
    return f"; it has {', '.join(display.clean(name, 60) for name in near)}" if near else ""
