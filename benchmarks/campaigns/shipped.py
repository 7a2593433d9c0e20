"""The rule that ships, played as it is: its own functions on its own flat state, compiled.

A copy of the package is imported for it, so that the program's own functions stay what they are.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from campaigns.compiled import njit, zeros
from campaigns.play import KEEP, MOST, REPEAT
from campaigns.worlds import Array

SCRIPTS = Path(__file__).resolve().parent.parent.parent / "scripts"
_PACKAGE = "agent_loops.keeping"
_VALUES = {"begin", "judge", "settle", "reread", "claim"}  # they make tuples of names: not compiled
_CLAIMED = 0.95
# As the engine asks: nothing that is read later mends a claim made of pairs.
_PAIRS_OF_A_KEEP = 3


def _own_copy() -> dict[str, ModuleType]:
    """The modules of the package by their last name, imported anew and compiled."""
    if str(SCRIPTS) not in sys.path:
        sys.path.insert(0, str(SCRIPTS))
    parent = importlib.import_module("agent_loops")
    before = {name: sys.modules.pop(name) for name in list(sys.modules) if _ours(name)}
    importlib.import_module(f"{_PACKAGE}.rule")
    modules = {name: sys.modules.pop(name) for name in list(sys.modules) if _ours(name)}
    sys.modules.update(before)
    if _PACKAGE in before:
        parent.keeping = before[_PACKAGE]  # type: ignore[attr-defined]
    for module in modules.values():
        for name, value in list(vars(module).items()):
            if isinstance(value, FunctionType) and name not in _VALUES:
                setattr(module, name, njit(value))
    return {name.rpartition(".")[2]: module for name, module in modules.items()}


def _ours(name: str) -> bool:
    return name == _PACKAGE or name.startswith(f"{_PACKAGE}.")


_MODULES = _own_copy()
rule: Any = _MODULES["rule"]
STATE: int = _MODULES["bank"].LENGTH
_FIGURES, _SUMMARY, _SCRATCH = rule.FIGURES, rule.SUMMARY, rule.SCRATCH
_start, _weigh, _take, _gained = rule.start, rule.weigh, rule.take, rule.gained
_awaken, _place = rule.awaken, _MODULES["bank"].place
_appraise = _MODULES["information"].appraise
_SIZE, _SIGMA = _MODULES["bank"].SIZE, _MODULES["bank"].SIGMA
_SHARE, _NULLS = _MODULES["bank"].SHARE, _MODULES["bank"].NULLS
_GAIN, _HARM, _TAIL = _MODULES["bank"].GAIN, _MODULES["bank"].HARM, _MODULES["bank"].TAIL
_STEPS = 8
_LARGE = 5.0  # how many times the others' mean that of the larger improvements is


def _begin(state: Array, readings: Array, count: int, sigma: float) -> None:  # noqa: ARG001
    for i in range(len(state)):
        state[i] = 0.0
    _start(state, readings, count, False, zeros(_SUMMARY), zeros(_SCRATCH))  # noqa: FBT003


def _begin_paired(state: Array, readings: Array, count: int, sigma: float) -> None:  # noqa: ARG001
    for i in range(len(state)):
        state[i] = 0.0
    _start(state, readings, count, True, zeros(_SUMMARY), zeros(_SCRATCH))  # noqa: FBT003


def _begin_told(state: Array, readings: Array, count: int, sigma: float) -> None:
    """The same rule, told the noise: what it still lacks, no knowledge of the noise buys."""
    begin(state, readings, count, sigma)
    if sigma > 0:
        mean = 0.0
        for i in range(count):
            mean += readings[i] / count
        _awaken(state, sigma * sigma, 1.0)
        for i in range(_SIZE):
            state[_SIGMA + i] = sigma
        _place(state, mean, float(count), mean, 0.0)
        _appraise(state, zeros(_SCRATCH), _STEPS)


def _judge(
    state: Array, readings: Array, count: int, sigma: float, parts: Array, shift: float  # noqa: ARG001
) -> int:  # fmt: skip
    figures = zeros(_FIGURES)
    _weigh(state, readings, count, MOST, zeros(_SUMMARY), figures)
    return int(figures[0])


def _judge_told(
    state: Array, readings: Array, count: int, sigma: float, parts: Array, shift: float
) -> int:
    """Told the mixture too, as well as its family of effects can say it."""
    if sigma > 0:
        tell(state, sigma, parts)
    return int(judge(state, readings, count, sigma, parts, shift))


def _tell(state: Array, sigma: float, parts: Array) -> None:
    better = gain = worse = harm = largest = tail = 0.0
    for i in range(len(parts)):
        if parts[i, 1] < 0:
            better += parts[i, 0]
            gain -= parts[i, 0] * parts[i, 1]
            if -parts[i, 1] > largest:
                largest, tail = -parts[i, 1], parts[i, 0]
        elif parts[i, 1] > 0:
            worse += parts[i, 0]
            harm += parts[i, 0] * parts[i, 1]
    tail = tail / better if 0 < tail < better else 0.0
    for i in range(_SIZE):
        state[_SHARE + i] = better
        state[_NULLS + i] = max(0.0, 1.0 - better - worse)
        state[_TAIL + i] = tail
        state[_GAIN + i] = gain / better / (1.0 + (_LARGE - 1.0) * tail) / sigma
        state[_HARM + i] = harm / worse / sigma


def _judge_paired(
    state: Array, readings: Array, count: int, sigma: float, parts: Array, shift: float
) -> int:
    verdict = judge(state, readings, count, sigma, parts, shift)
    return REPEAT if verdict == KEEP and count < _PAIRS_OF_A_KEEP else int(verdict)


def _settle(
    state: Array, readings: Array, count: int, sigma: float, parts: Array, shift: float,  # noqa: ARG001
    kept: bool,  # noqa: FBT001 (numba)
) -> None:  # fmt: skip
    _take(state, readings, count, kept, zeros(_SUMMARY), zeros(_SCRATCH))


def _claim(state: Array, out: Array) -> None:
    figures = zeros(_FIGURES)
    _gained(state, figures)
    for i in range(3):
        out[i] = figures[i]
    out[3] = 1.0 if figures[3] >= _CLAIMED else 0.0


begin, begin_paired, judge = njit(_begin), njit(_begin_paired), njit(_judge)
begin_told, tell, judge_told = njit(_begin_told), njit(_tell), njit(_judge_told)
judge_paired, settle, claim = njit(_judge_paired), njit(_settle), njit(_claim)
