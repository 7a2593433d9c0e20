"""What the campaigns of cells say: means with standard errors. Prints nothing.

Gains are in metric units, in which the typical gain of most worlds is about 1; over-claims in
sigmas. A share is a ratio of sums of gains over cells whose campaigns are paired; its standard
error is by the delta method.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from campaigns.cells import Cell, Played, column
from campaigns.rules import LOWER, ORACLE, PAIRED, RULES, TOLD, TOLD_ALL
from campaigns.worlds import Array


class Figure(NamedTuple):
    """A mean and its standard error."""

    mean: float
    error: float

    def __str__(self) -> str:
        return f"{self.mean:.2f} ± {self.error:.2f}"


class Sheet(NamedTuple):
    """The campaigns of one cell at one number of runs."""

    cell: Cell
    runs: int
    columns: dict[str, dict[str, Array]]
    """By rule and figure, one number a campaign."""

    @property
    def rules(self) -> tuple[str, ...]:
        return self.cell.rules

    @property
    def sigma(self) -> float:
        """Mean sigma until now, in metric units; where there is no noise the typical gain."""
        noise, end = self.cell.noise, self.cell.marks[-1]
        mean = 1.0 + (noise.swelling - 1.0) * 0.5 * self.runs / end
        return (self.cell.sigma * mean or 1.0) * self.cell.world.gain

    def gain(self, rule: str) -> Array:
        """True gains."""
        return self.columns[rule]["gain"]

    def over(self, rule: str) -> Array:
        """Reported minus true gain, in sigmas."""
        own = self.columns[rule]
        return (own["claimed"] - own["gain"]) / self.sigma

    def covered(self, rule: str) -> Array:
        """1 where the true gain lies in the 90% interval."""
        own = self.columns[rule]
        slack = 1e-9 * (1.0 + np.abs(own["gain"]))
        inside = (own["low"] - slack <= own["gain"]) & (own["gain"] <= own["high"] + slack)
        return inside.astype(np.float64)

    def repeated(self, rule: str) -> Array:
        """Share of the runs that were repeats."""
        return self.columns[rule]["repeats"] / self.runs


FIGURES: dict[str, Callable[[Sheet, str], Array]] = {
    "gain": Sheet.gain,
    "over-claim": Sheet.over,
    "coverage": Sheet.covered,
    "claims": lambda sheet, rule: sheet.columns[rule]["claims"],
    "repeats": Sheet.repeated,
    "lines for nothing": lambda sheet, rule: sheet.columns[rule]["for_nothing"],
}


def sheets(cells: Sequence[Cell], played: Sequence[Played]) -> list[Sheet]:
    """One sheet for each cell and mark."""
    names = ("gain", "claimed", "low", "high", "claims", "repeats", "for_nothing")
    return [
        Sheet(
            cell,
            runs,
            {
                rule: {name: column(campaigns[rule], name, mark) for name in names}
                for rule in cell.rules
            },
        )
        for cell, campaigns in zip(cells, played, strict=True)
        for mark, runs in enumerate(cell.marks)
    ]


def mean(values: Array) -> Figure:
    """Of independent campaigns."""
    return Figure(float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values))))


def average(figures: Sequence[Figure]) -> Figure:
    """Of independent figures, all of one weight."""
    count = len(figures)
    error = math.sqrt(sum(figure.error**2 for figure in figures)) / count
    return Figure(sum(figure.mean for figure in figures) / count, error)


def share(chosen: Sequence[Sheet], rule: str, reference: str = ORACLE) -> Figure:
    """A rule's true gain, summed over sheets, as a share of another's. NaN where there is none."""
    total = sum(float(sheet.gain(rule).mean()) for sheet in chosen)
    whole = sum(float(sheet.gain(reference).mean()) for sheet in chosen)
    if whole <= 0:
        return Figure(math.nan, math.nan)
    ratio = total / whole
    variance = sum(
        mean(sheet.gain(rule) - ratio * sheet.gain(reference)).error ** 2 for sheet in chosen
    )
    return Figure(ratio, math.sqrt(variance) / whole)


def best_other(sheet: Sheet, rule: str) -> str:
    """The rule with the most true gain but for this one, its other forms and the oracle."""
    others = [name for name in sheet.rules if name not in (rule, PAIRED, TOLD, TOLD_ALL, ORACLE)]
    return max(others, key=lambda name: float(sheet.gain(name).mean()), default=LOWER)


Told = list[float] | None


def of_cell(sheet: Sheet) -> dict[str, list[Told]]:
    """By rule the figures of FIGURES, then the share of the oracle: mean and standard error. None
    for the coverage of a rule without intervals and the share of an oracle that gained nothing."""
    table: dict[str, list[Told]] = {}
    for rule in sheet.rules:
        row: list[Told] = [
            list(mean(of(sheet, rule))) if name != "coverage" or RULES[rule].has_interval else None
            for name, of in FIGURES.items()
        ]
        its = share([sheet], rule)
        row.append(None if math.isnan(its.mean) else list(its))
        table[rule] = row
    return table
