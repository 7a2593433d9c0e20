"""What ideas are worth: mixtures of improvements, nulls and harms whose truth is known.

Says nothing of noise or rules. A change's effect is what it adds to the loss: negative is better.

A mixture is a list of parts (share, mean of an exponential distribution): a negative mean is an
improvement, zero a null, a positive one a harm. In some worlds it depends on what was kept so far.
The first eight are those of the study behind the rule; the others are closer to what a night of
research looks like. Rules are tuned on one half and reported on the other.
"""

from __future__ import annotations

import zlib
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from campaigns.compiled import njit

Array = NDArray[np.float64]
PARTS = 4


class World(NamedTuple):
    """Parts of the mixture, best first, and what changes it while a campaign goes on."""

    name: str
    half: str
    """`tune`, `report`, or `both`."""
    parts: tuple[tuple[float, float], ...]
    shrink: float = 1.0
    """Improvements shrink by this factor with each change that is kept."""
    crowding: float = 0.0
    """Each change that is kept costs this share of all that was gained before."""
    room: float = 0.0
    """How much can be gained in all; effects shrink with what is left of it. 0: no bound."""
    early: int = 0
    """After so many ideas improvements are a tenth as frequent. 0: never."""
    streaks: float = 0.0
    """How likely a good or a bad phase of the researcher goes on with the next idea. 0: none."""
    unlock: float = 0.0
    """A kept gain above this makes improvements thrice as frequent for 15 ideas. 0: none."""

    @property
    def gain(self) -> float:
        """The typical gain: the mean of an improvement. Noise is told in this unit."""
        better = [(share, -mean) for share, mean in self.parts if mean < 0]
        total = sum(share for share, _ in better)
        return sum(share * mean for share, mean in better) / total if better else 1.0

    @property
    def key(self) -> int:
        """A number for the name, the same in every process."""
        return zlib.crc32(self.name.encode())

    def numbers(self) -> Array:
        """What the compiled functions take: the knobs, then share and mean of each part."""
        knobs = [self.shrink, self.crowding, self.room, self.early, self.streaks, self.unlock]
        parts = [*self.parts, *[(0.0, 0.0)] * (PARTS - len(self.parts))]
        return np.array([*knobs, *(number for part in parts for number in part)], np.float64)


WORLDS = (
    World("std", "tune", ((0.15, -1), (0.2, 0), (0.65, 3))),
    World("rare", "report", ((0.05, -1), (0.3, 0), (0.65, 3))),
    World("late", "tune", ((0.05, -0.5), (0.5, 0), (0.45, 1))),
    World("rich", "report", ((0.3, -1), (0.1, 0), (0.6, 2))),
    World("nulls", "tune", ((0.02, -1), (0.9, 0), (0.08, 1))),
    World("jumps", "report", ((0.03, -5), (0.1, -0.3), (0.3, 0), (0.57, 2))),
    World("interacting", "report", ((0.15, -1), (0.2, 0), (0.65, 3)), crowding=0.03),
    World("diminishing", "tune", ((0.15, -1), (0.2, 0), (0.65, 3)), shrink=0.95),
    World("early", "tune", ((0.3, -1.5), (0.2, 0), (0.5, 2)), early=30),
    World("streaks", "report", ((0.15, -1), (0.2, 0), (0.65, 2)), streaks=0.9),
    World("tiny", "tune", ((0.45, -0.2), (0.2, 0), (0.35, 0.6))),
    World("left", "report", ((0.25, -1), (0.2, 0), (0.55, 2)), room=12.0),
    World("unlocks", "tune", ((0.08, -1), (0.3, 0), (0.62, 2)), unlock=1.0),
    World("tweaks", "report", ((0.4, -0.5), (0.2, 0), (0.4, 0.5))),
)
PURE_NOISE = World("pure noise", "both", ((1.0, 0),))
"""The A/A world: whatever is claimed here is false."""

# Places in the numbers of a world, and in the state of one campaign's world.
_SHRINK, _CROWDING, _ROOM, _EARLY, _STREAKS, _UNLOCK, _FIRST = range(7)
_KEPT, _GAINED, _IDEAS, _GOOD, _UNLOCKED = range(5)
STATE = 5
_GOOD_SHARE = 0.25  # of the ideas that come in a good phase; improvements are thrice as frequent


def _begin(state: Array) -> None:
    """Nothing kept yet; the first phase is a bad one."""
    for i in range(len(state)):
        state[i] = 0.0


def _mixture(world: Array, state: Array, parts: Array, phase: bool) -> float:  # noqa: FBT001 (numba)
    """Writes shares and means of the next idea's mixture into `parts`; returns what is added to
    each effect. Where `phase` is false, what a good or bad phase does is averaged over."""
    more = 1.0
    if world[_EARLY] > 0 and state[_IDEAS] >= world[_EARLY]:
        more *= 0.1
    if world[_STREAKS] > 0 and phase:
        more *= 3.0 if state[_GOOD] > 0 else (1.0 - 3.0 * _GOOD_SHARE) / (1.0 - _GOOD_SHARE)
    if world[_UNLOCK] > 0 and state[_IDEAS] < state[_UNLOCKED]:
        more *= 3.0
    scale = world[_SHRINK] ** state[_KEPT]
    left = 1.0
    if world[_ROOM] > 0:
        left = max(0.05, 1.0 - state[_GAINED] / world[_ROOM])
    better = 0.0
    worse = 0.0
    for i in range(PARTS):
        share = world[_FIRST + 2 * i]
        mean = world[_FIRST + 2 * i + 1]
        if mean < 0:
            share *= more
            parts[i, 0] = share
            parts[i, 1] = mean * scale * left
            better += share
        else:
            parts[i, 0] = share
            parts[i, 1] = mean * left
            worse += share
    for i in range(PARTS):  # what improvements gained in frequency, the others lost
        if world[_FIRST + 2 * i + 1] >= 0 and worse > 0:
            parts[i, 0] *= (1.0 - better) / worse
    return world[_CROWDING] * max(0.0, state[_GAINED])


def _effect(parts: Array, shift: float, which: float, size: float) -> float:
    """The effect that a uniform and a standard exponential number stand for."""
    for i in range(PARTS):
        which -= parts[i, 0]
        if which < 0:
            return shift + parts[i, 1] * size
    return shift


def _next(world: Array, state: Array, change: float) -> None:
    """Another idea comes; `change` (uniform) says whether the researcher's phase changes."""
    state[_IDEAS] += 1
    if world[_STREAKS] > 0:
        stays = world[_STREAKS]
        if state[_GOOD] > 0:
            state[_GOOD] = 1.0 if change < stays else 0.0
        elif change > 1.0 - (1.0 - stays) * _GOOD_SHARE / (1.0 - _GOOD_SHARE):
            state[_GOOD] = 1.0


def _keep(world: Array, state: Array, effect: float) -> None:
    """The idea under way is kept."""
    state[_KEPT] += 1
    state[_GAINED] -= effect
    if world[_UNLOCK] > 0 and -effect > world[_UNLOCK]:
        state[_UNLOCKED] = state[_IDEAS] + 15


begin, mixture, effect = njit(_begin), njit(_mixture), njit(_effect)
next_idea, keep = njit(_next), njit(_keep)


def named(name: str) -> World:
    """The world of that name. KeyError where there is none."""
    return {world.name: world for world in (*WORLDS, PURE_NOISE)}[name]
