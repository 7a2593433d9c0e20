"""The rules by name, and one campaign of one rule. Knows no statistics."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from campaigns import oracle, play, shipped, simple, study
from campaigns.compiled import COMPILED, as_python, zeros
from campaigns.noise import Draws
from campaigns.worlds import Array, World

OURS = "noise-aware"
PAIRED = "noise-aware, paired"
TOLD = "noise-aware, told sigma"
TOLD_ALL = "noise-aware, told sigma and mixture"
ONCE = "posterior, no repeats"
STUDY = "the study's rule"
ORACLE = "oracle"
LOWER = "keep if lower"


class Rule(NamedTuple):
    """`baselines` is how many readings of the baseline it wants; 0: as many as the cell says.
    `begin` is the module's own unless given."""

    name: str
    judge: Any
    module: Any
    baselines: int
    has_interval: bool
    paired: bool = False
    begin: Any = None


RULES = {
    rule.name: rule
    for rule in (
        Rule(LOWER, simple.lower, simple, 1, has_interval=False),
        Rule("fixed 2 sigma", simple.two_sigma, simple, 1, has_interval=False),
        Rule("gain / MAD", simple.mad, simple, 1, has_interval=False),
        Rule("confirmation", simple.confirmation, simple, 1, has_interval=False),
        Rule(ONCE, study.judge_once, study, 2, has_interval=True),
        Rule(STUDY, study.judge, study, 2, has_interval=True),
        Rule(OURS, shipped.judge, shipped, 0, has_interval=True),
        Rule(
            PAIRED, shipped.judge_paired, shipped, 0, has_interval=True, paired=True,
            begin=shipped.begin_paired,
        ),
        Rule(TOLD, shipped.judge, shipped, 1, has_interval=True, begin=shipped.begin_told),
        Rule(
            TOLD_ALL, shipped.judge_told, shipped, 1, has_interval=True, begin=shipped.begin_told
        ),
        Rule(ORACLE, oracle.judge, oracle, 1, has_interval=True),
    )
}  # fmt: skip


def campaign(rule: Rule, world: World, draws: Draws, marks: Array, *, baselines: int) -> Array:
    """Figures of `play.FIGURES`, one row a mark (numbers of runs, ascending)."""
    module = rule.module
    state = zeros(module.STATE)
    if rule.name == ORACLE:
        state[oracle.TAILS] = draws.tails
    out = np.zeros((len(marks), len(play.FIGURES)))
    player = play.play if COMPILED else as_python(play.play)
    player(
        world.numbers(), draws.ideas, draws.luck, draws.sigma, draws.offset, draws.step,
        rule.baselines or baselines, int(rule.paired), marks, rule.begin or module.begin,
        rule.judge, module.settle, module.claim, state, out,
    )  # fmt: skip
    return out
