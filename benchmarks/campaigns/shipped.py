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


def _begin(state: Array, readings: Array, count: int, sigma: float) -> None:  # noqa: ARG001
    for i in range(len(state)):
        state[i] = 0.0
    _start(state, readings, count, False, zeros(_SUMMARY), zeros(_SCRATCH))  # noqa: FBT003


def _begin_paired(state: Array, readings: Array, count: int, sigma: float) -> None:  # noqa: ARG001
    for i in range(len(state)):
        state[i] = 0.0
    _start(state, readings, count, True, zeros(_SUMMARY), zeros(_SCRATCH))  # noqa: FBT003


def _judge(
    state: Array, readings: Array, count: int, sigma: float, parts: Array, shift: float  # noqa: ARG001
) -> int:  # fmt: skip
    figures = zeros(_FIGURES)
    _weigh(state, readings, count, MOST, zeros(_SUMMARY), figures)
    return int(figures[0])


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
judge_paired, settle, claim = njit(_judge_paired), njit(_settle), njit(_claim)
