"""One campaign: ideas come, a rule says keep, discard or repeat, the truth is written down.

The same code plays compiled rules and, as plain Python, the shipped one. A rule is four functions
over a state of its own:

    begin(state, readings, count, sigma)                          the baseline was read
    judge(state, readings, count, sigma, parts, shift) -> int     DISCARD, KEEP or REPEAT
    settle(state, readings, count, sigma, parts, shift, kept)     the decision was made
    claim(state, out)                                             gain, low, high, claimed (0 or 1)

`sigma` is the true deviation, `parts` and `shift` the true mixture: only rules that are said to
know them may look.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from campaigns import worlds
from campaigns.compiled import njit, zeros
from campaigns.worlds import Array

DISCARD, KEEP, REPEAT = 0, 1, 2
MOST = 6
"""Readings of one candidate at most."""

FIGURES = (
    "gain", "claimed", "low", "high", "claims", "repeats", "for_nothing", "kept", "ideas",
)  # fmt: skip
_LINES = 12.0  # mean number of lines that a change adds


def _play(
    world: Array, ideas: Array, luck: Array, sigma: Array, offset: Array, step: float,
    baselines: int, pairs: int, marks: Array, begin: Any, judge: Any, settle: Any, claim: Any,
    state: Any, out: Array,
) -> None:  # fmt: skip
    """Plays until the last of `marks` (numbers of runs); row i of `out` is how it stood at mark i:
    after the last decision that was made by then. With `pairs` (0 or 1) a reading is a difference:
    candidate less incumbent, of the baseline's readings two of its own, at two runs each."""
    truth = zeros(worlds.STATE)
    parts = np.zeros((worlds.PARTS, 2))
    known = np.zeros((worlds.PARTS, 2))
    readings = zeros(MOST + 2)
    said = zeros(4)
    level, runs, mark, idea = 0.0, 0, 0, 0
    tally = zeros(4)  # repeats, lines for nothing, kept changes, decided ideas
    worlds.begin(truth)
    for i in range(baselines):
        readings[i] = read(level, luck[0, i], sigma[runs], offset[runs], step)
        runs += 1
        if pairs:
            readings[i] -= read(level, luck[0, MOST + i], sigma[runs], offset[runs], step)
            runs += 1
    begin(state, readings, baselines, sigma[0])
    while True:
        idea += 1
        shift = worlds.mixture(world, truth, parts, True)  # noqa: FBT003 (numba)
        worlds.mixture(world, truth, known, False)  # noqa: FBT003 (numba)
        effect = worlds.effect(parts, shift, ideas[idea, 0], ideas[idea, 3])
        count, verdict = 0, REPEAT
        while verdict == REPEAT:
            while runs + pairs >= marks[mark]:
                claim(state, said)
                write(out, mark, -level, said, tally)
                mark += 1
                if mark == len(marks):
                    return
            now = sigma[runs]
            readings[count] = read(level + effect, luck[idea, count], now, offset[runs], step)
            runs += 1
            if pairs:  # the incumbent's own code, right after
                again = luck[idea, MOST + count]
                readings[count] -= read(level, again, sigma[runs], offset[runs], step)
                runs += 1
            count += 1
            verdict = judge(state, readings, count, now, known, shift)
        settle(state, readings, count, sigma[runs - 1], known, shift, verdict == KEEP)
        tally[0] += (count - 1) * (1 + pairs)
        tally[3] += 1
        if verdict == KEEP:
            level += effect
            tally[2] += 1
            worlds.keep(world, truth, effect)
            if effect >= 0:
                tally[1] += -_LINES * np.log(1.0 - ideas[idea, 2])
        worlds.next_idea(world, truth, ideas[idea, 1])


def _read(level: float, luck: float, sigma: float, offset: float, step: float) -> float:
    value = float(level + sigma * luck + offset)
    return round(value / step) * step if step > 0 else value


def _write(out: Array, mark: int, gain: float, said: Array, counts: Array) -> None:
    out[mark, 0] = gain
    for i in range(4):
        out[mark, 1 + i] = said[i]
        out[mark, 5 + i] = counts[i]


read, write, play = njit(_read), njit(_write), njit(_play)
