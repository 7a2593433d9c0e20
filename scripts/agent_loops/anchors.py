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


def example(key: str, value: float) -> str:
    """An anchor in the form that is asked for, that would hold; "" as key where there is none."""
    shown = f"{value:#.3g}".rstrip(".")
    return f"--anchor results/summary.json:{display.clean(key, 60)}={shown}" if key else EXAMPLE


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
    file, colon, rest = figures.in_results(text).partition(":")
    key, equals, value = rest.rpartition("=")
    if not colon or not value.strip():
        raise ValueError(f"{display.clean(text, 80)!r} is not FILE:KEY=VALUE")
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
        return f"has no {display.clean(key, 60)!r}{nearest(key, figures.keys(data, path))}"
    one_digit = len(re.sub(r"[eE].*|[^1-9]", "", anchor.value)) < 2
    more = ": give at least two digits" if one_digit and _is_rounded(anchor.value, found) else ""
    if not key:
        wanted = figures.value_of(anchor.value)
        near = figures.shown(min(found, key=lambda value: abs(value - wanted)))
        return f"does not hold {anchor.value}; the nearest number in it is {near}{more}"
    if len(found) > 1:
        return f"has no {anchor.value} in column {display.clean(key, 60)!r}{_range(found)}{more}"
    return f"holds {display.clean(key, 60)}={figures.shown(found[0])}{more}"


def _is_rounded(text: str, found: list[float]) -> bool:
    """Whether one digit is all that is wrong with it."""
    given = figures.value_of(text)
    return any(given in (value, float(f"{value:.0e}")) for value in found)


def _range(found: list[float]) -> str:
    finite = [value for value in found if abs(value) != float("inf") and value == value]
    if not finite:
        return ", where nothing is finite"
    return f", which goes from {figures.shown(min(finite))} to {figures.shown(max(finite))}"


def nearest(key: str, known: list[str]) -> str:
    """What is there of a like name."""
    parts = [name for name in known if key and key.lower() in name.lower()]
    near = parts[:3] or difflib.get_close_matches(key, known, n=3, cutoff=0.5) or known[:5]
    return f"; it has {', '.join(display.clean(name, 60) for name in near)}" if near else ""
