"""The prediction of an idea: a comparison that will hold in its own results, if it helps.

Opens no file. Where the comparison does not hold, the idea did not do what it was to do, whatever
the metric says.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Sequence
from typing import NamedTuple

from agent_loops import display, figures
from agent_loops.figures import Place

_COMPARISONS = {
    "<": operator.lt, "<=": operator.le, "≤": operator.le,
    ">": operator.gt, ">=": operator.ge, "≥": operator.ge,
}  # fmt: skip
_FORM = re.compile(r"\s*(?P<place>[^<>≤≥;]+?)\s*(?P<sign><=|>=|[<>≤≥])\s*(?P<rest>.+)", re.DOTALL)
_SECOND = re.compile(r"[\w./:-]+\s*(?:<=|>=|[<>≤≥])\s*[-+]?\.?[0-9][\w.+-]*")
_WORDS = 200
_LONGEST = 1000


class Prediction(NamedTuple):
    """One comparison; `prose` is what the agent said beside it."""

    place: Place
    sign: str
    bound: str
    prose: str = ""

    def __str__(self) -> str:
        said = f"{self.place} {self.sign} {self.bound}"
        return f"{said}; {self.prose}" if self.prose else said


class Outcome(NamedTuple):
    """What became of one: `held` is None where there is no number to compare."""

    held: bool | None
    said: str


def parse(text: str) -> Prediction:
    """Reads `FILE:KEY < NUMBER`, with prose behind a semicolon.

    Raises:
        ValueError: there is no comparison that could be checked.
    """
    match = _FORM.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        raise ValueError(f"{display.clean(text, 80)!r} has no comparison that can be checked")
    bound, _, prose = match["rest"].partition(";")
    if second := _SECOND.search(prose):
        raise ValueError(
            f"{display.clean(second[0], 80)!r} behind the semicolon would not be checked: give "
            "--predict twice"
        )
    figures.value_of(bound.strip())
    place = figures.place(figures.in_results(match["place"]))
    if place.experiment is not None:
        raise ValueError("a prediction is of the experiment's own results: leave iter<N>/ out")
    if not place.key:
        raise ValueError(f"{place} names no key of the file: `{place}:KEY`")
    return Prediction(place, match["sign"], bound.strip(), display.clean(prose, _WORDS))


def example(key: str, value: float) -> str:
    """A prediction in the form that is asked for, about a number that there is."""
    place = f"results/summary.json:{display.clean(key, 60) or 'train_loss_last'}"
    return f"--predict '{place} < {figures.shown(value)}; and the loss falls'"


def check(prediction: Prediction, data: bytes | None) -> Outcome:
    """Whether it held; `data` is the file's content, None where there is no file to read."""
    found = figures.at(data, prediction.place.path, prediction.place.key) if data else []
    if not found:
        return Outcome(None, f"{_key(prediction)} {_comparison(prediction)} (not measured)")
    return compared(prediction, found[-1])


def compared(prediction: Prediction, value: float) -> Outcome:
    """Whether it held of this value."""
    held = _COMPARISONS[prediction.sign](value, figures.value_of(prediction.bound))
    said = f"{_key(prediction)} {_comparison(prediction)} ({figures.shown(value)})"
    return Outcome(held, said)


def _key(prediction: Prediction) -> str:
    return display.clean(prediction.place.key, 60)


def _comparison(prediction: Prediction) -> str:
    return f"{prediction.sign} {prediction.bound}"


def in_words(outcomes: Sequence[Outcome]) -> str:
    """All of them in one line; "" without any."""
    words = {True: "held", False: "did not hold", None: "unknown"}
    parts = []
    for held, word in words.items():
        said = [outcome.said for outcome in outcomes if outcome.held is held]
        parts += [f"{word}: {', '.join(said)}"] if said else []
    return "; ".join(parts)
