"""Which campaigns are played: cells of world, noise, sigma and baselines; and playing them all.

A cell's figures come back as they are, one row a campaign; `figures` says what they mean.
"""

from __future__ import annotations

import math
import multiprocessing
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from campaigns.noise import KINDS, NORMAL, Noise, draw
from campaigns.play import FIGURES
from campaigns.rules import ONCE, ORACLE, OURS, PAIRED, RULES, STUDY, TOLD, TOLD_ALL, campaign
from campaigns.worlds import PURE_NOISE, WORLDS, Array, World

SIGMAS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
CURVE = tuple(range(10, 101, 10))
"""Numbers of runs that the picture shows."""
TABLES = (50, 100, 300)
"""Numbers of runs that tables show and goals are about."""
USUAL = tuple(name for name in RULES if name not in (PAIRED, TOLD, TOLD_ALL))
_CHUNK = 10


class Cell(NamedTuple):
    """One table entry's campaigns. `marks` are the numbers of runs at which it is looked at."""

    world: World
    noise: Noise
    sigma: float
    baselines: int
    marks: tuple[int, ...]
    rules: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.world.name}, {self.noise.name} {self.sigma:g}, {self.baselines} baselines"


Played = dict[str, Array]
"""By rule, an array of campaigns, marks, figures."""


def _cells(
    worlds: Sequence[World], noise: Noise, sigmas: Sequence[float], *, baselines: int = 2,
    marks: tuple[int, ...] = (50, 100), rules: tuple[str, ...] = USUAL,
) -> list[Cell]:  # fmt: skip
    return [
        Cell(world, noise, sigma, baselines, marks, rules)
        for sigma, world in product(sigmas, worlds)
    ]


def half(name: str) -> list[World]:
    """The worlds of one half: `tune` or `report`."""
    return [world for world in WORLDS if world.half == name]


def for_report(worlds: Sequence[World]) -> list[Cell]:
    """All cells of the report."""
    student, doubles, drift, rounded = KINDS[1:]
    plain = tuple(name for name in USUAL if name not in (ONCE, STUDY))
    compared, paired = (*plain, STUDY), (*plain, PAIRED)
    return [
        *_cells(worlds, NORMAL, (0.0, 0.25, 4.0)),
        *_cells(worlds, NORMAL, (0.5, 2.0), marks=CURVE),
        *_cells(worlds, NORMAL, (1.0,), marks=(*CURVE, 300)),
        *_cells(worlds, student, (0.25, 1.0, 4.0), rules=plain),
        *_cells(worlds, doubles, (1.0,), rules=compared),
        *_cells(worlds, drift, (1.0,), rules=paired),
        *_cells(worlds, rounded, (0.5,), rules=plain),
        *_cells(worlds, NORMAL, (1.0,), baselines=5, rules=plain),
        *(cell for noise in KINDS for cell in _cells([PURE_NOISE], noise, (1.0,), rules=paired)),
    ]


def told(worlds: Sequence[World]) -> list[Cell]:
    """What the rule lacks to the oracle: the same rule, told more and more of the truth."""
    rules = (OURS, TOLD, TOLD_ALL, ORACLE)
    return _cells(worlds, NORMAL, SIGMAS[1:], marks=(100,), rules=rules)


def for_tuning(worlds: Sequence[World]) -> list[Cell]:
    """A useful answer in a minute."""
    student, doubles = KINDS[1:3]
    few = tuple(name for name in USUAL if name not in (ONCE, STUDY))
    return [
        *_cells(worlds, NORMAL, SIGMAS[1:], rules=few),
        *_cells(worlds, student, (1.0,), rules=few),
        *_cells(worlds, doubles, (1.0,), rules=few),
        *(c for noise in KINDS for c in _cells([PURE_NOISE], noise, (1.0,), rules=(OURS, ORACLE))),
    ]


def play_some(task: tuple[int, Cell, range]) -> tuple[int, Played]:
    """Those replicates of a cell under all its rules, each on the same draws."""
    number, cell, replicates = task
    marks = np.array(cell.marks)
    rows: dict[str, list[Array]] = {name: [] for name in cell.rules}
    for replicate in replicates:
        luck = draw(cell.world, cell.noise, cell.sigma, runs=cell.marks[-1], replicate=replicate)
        for name in cell.rules:
            played = campaign(RULES[name], cell.world, luck, marks, baselines=cell.baselines)
            rows[name].append(played)
    return number, {name: np.array(found) for name, found in rows.items()}


def play_all(
    cells: Sequence[Cell], *, replicates: int, processes: int, minutes: float = math.inf
) -> list[Played]:
    """Every cell, `replicates` campaigns a rule, or as many rounds of them as those minutes allow,
    one at least; says on stderr how far it is."""
    starts = range(0, replicates, _CHUNK)
    tasks = [
        (number, cell, range(start, min(start + _CHUNK, replicates)))
        for start in starts
        for number, cell in enumerate(cells)
    ]
    rounds: list[list[Played]] = [[] for _ in starts]
    began = time.monotonic()
    play_some((0, cells[0]._replace(rules=tuple(RULES)), range(1)))  # compiled before the fork
    print(f"compiled in {time.monotonic() - began:.0f} s", file=sys.stderr)
    told = 0.0
    for done, (_, played) in enumerate(_in_turn(tasks, processes), 1):
        rounds[(done - 1) // len(cells)].append(played)
        passed = time.monotonic() - began
        if passed - told > 30 or done == len(tasks):
            told = passed
            print(
                f"{done}/{len(tasks)} in {passed:.0f} s, "
                f"about {passed / done * (len(tasks) - done):.0f} s to go",
                file=sys.stderr, flush=True,
            )  # fmt: skip
        if passed > 60 * minutes and done >= len(cells):
            break
    whole = [parts for parts in rounds if len(parts) == len(cells)]
    return [
        {name: np.concatenate([parts[number][name] for parts in whole]) for name in cell.rules}
        for number, cell in enumerate(cells)
    ]


def _in_turn(
    tasks: Sequence[tuple[int, Cell, range]], processes: int
) -> Iterator[tuple[int, Played]]:
    """In the order of the tasks, whatever the number of processes."""
    if processes < 2:
        yield from map(play_some, tasks)
        return
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        yield from pool.imap(play_some, tasks)


def column(played: Array, figure: str, mark: int = 0) -> Array:
    """One figure of every campaign at one of the marks."""
    values: Array = played[:, mark, FIGURES.index(figure)]
    return values
