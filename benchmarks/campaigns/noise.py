"""What stands between a change's effect and its reading: noise, drift and rounding, seeded.

The numbers depend on the world, the replicate and the number of the idea and of the reading alone,
so that every rule meets the same ideas and the same luck. Noise of every size and kind is made from
the same draws.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from campaigns.worlds import Array, World

READINGS = 12
"""Readings that are drawn for an idea: six of its code, and six of the incumbent's for pairs."""


class Noise(NamedTuple):
    """How a reading differs from the truth. Sigma is the deviation of one reading."""

    name: str
    tails: float = 0.0
    """Degrees of freedom of a Student distribution, scaled to deviation 1; 0: normal."""
    swelling: float = 1.0
    """Sigma's factor at the campaign's end, where it grows all the time."""
    wander: float = 0.0
    """Step of a random walk of all readings, in sigmas a run."""
    rounded: float = 0.0
    """Readings are rounded to multiples of this many sigmas."""


NORMAL = Noise("normal")
KINDS = (
    NORMAL,
    Noise("t(3)", tails=3),
    Noise("sigma doubles", swelling=2),
    Noise("readings drift", wander=0.1),
    Noise("rounded", rounded=1.0),
)


class Draws(NamedTuple):
    """All the luck of one campaign. Row k is idea k; row 0 of `luck` is the baseline."""

    ideas: Array
    """Uniform: which part, phase, and lines; standard exponential: size of the effect."""
    luck: Array
    """Readings' noise, in sigmas, of mean 0 and deviation 1."""
    sigma: Array
    """Sigma at each run, in metric units."""
    offset: Array
    """What is added to every reading at each run, in metric units."""
    step: float
    """What readings are rounded to multiples of; 0: not."""
    tails: float
    """As in `Noise`."""


def draw(world: World, noise: Noise, sigma: float, *, runs: int, replicate: int) -> Draws:
    """The luck of one campaign of so many runs; `sigma` in typical gains."""
    rng = np.random.default_rng([20261121, world.key, replicate])
    uniform = rng.random((runs + 1, 3))
    ideas = np.column_stack([uniform, rng.standard_exponential(runs + 1)])
    normal = rng.standard_normal((runs + 1, READINGS))
    chi = rng.standard_gamma(noise.tails / 2 or 1.0, (runs + 1, READINGS))
    walk, start = rng.standard_normal(runs + 1).cumsum(), rng.random()
    scale = sigma * world.gain
    luck = normal * np.sqrt((noise.tails - 2) / 2 / chi) if noise.tails else normal
    swelling = np.linspace(1.0, noise.swelling, runs + 1)
    offset = 10.0 + start + noise.wander * scale * walk
    return Draws(ideas, luck, scale * swelling, offset, noise.rounded * scale, noise.tails)
