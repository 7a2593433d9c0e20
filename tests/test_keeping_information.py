"""What a further reading is worth, against direct integration over the next reading."""

from __future__ import annotations

import math

import numpy as np
import pytest

from agent_loops.keeping import bank, effects, information

SHARE, NULLS, GAIN, HARM, V = 0.2, 0.3, 1.2, 1.5, 0.3


def one_world() -> tuple[list[float], list[float], float]:
    state, table = [0.0] * bank.LENGTH, [0.0] * information.TABLE
    bank.fill(state, 2.0, 1.0)
    for i in range(bank.SIZE):
        state[bank.WEIGHT + i] = -1e4
    for column, value in {
        bank.SIGMA: 1.0, bank.SHARE: SHARE, bank.NULLS: NULLS, bank.GAIN: GAIN, bank.HARM: HARM,
        bank.TAIL: 0.0, bank.WEIGHT: 0.0, bank.V: V,
    }.items():  # fmt: skip
        state[column] = value
    return state, table, information.survey(state, table)


def densities(y: np.ndarray, n: float) -> tuple[np.ndarray, np.ndarray]:
    """z, and z times the expected gain, where n readings have the mean y."""
    s = math.sqrt(1 / n + V)
    found = np.array([effects.posterior(x, s, SHARE, NULLS, GAIN, HARM, 0.0) for x in y.tolist()])
    return found[:, 0], found[:, 0] * (found[:, 1] - found[:, 2])


def planned_by_brute_force(price: float) -> tuple[float, list[tuple[float, float]]]:
    """Value beyond deciding at once, and where going on is best, on a grid six times as fine."""
    y = np.linspace(-14.0, 14.0, 1401)
    step = y[1] - y[0]
    ends = []
    z, gain = densities(y, information.MOST)
    value = np.maximum(0.0, gain)
    for n in range(information.MOST - 1, 0, -1):
        kernel = np.exp(-0.5 * (y[:, None] - y[None, :]) ** 2 * n * (n + 1))
        kernel /= kernel.sum(1, keepdims=True)
        z, gain = densities(y, n)
        on = kernel @ value - price * z
        stop = np.maximum(0.0, gain)
        inside = y[(on > stop + 1e-9) & (np.abs(y) < 7)]
        ends.append((inside.min(), inside.max()) if len(inside) else (math.nan, math.nan))
        value = np.maximum(on, stop)
    return float(((value - stop)[np.abs(y) < 7] * step).sum()), ends[::-1]


@pytest.mark.parametrize("price", [0.01, 0.04])
def test_planning_is_backward_induction(price: float) -> None:
    state, table, _ = one_world()
    found = information.plan(state, table, price)
    total, ends = planned_by_brute_force(price)
    assert found == pytest.approx(total, rel=0.05)
    for n, (low, high) in enumerate(ends, 1):
        s = math.sqrt(1 / n + V)
        keeping, discarding = state[bank.KEEPING + n - 1], state[bank.DISCARDING + n - 1]
        _, _, harm, *_ = effects.posterior(low, s, SHARE, NULLS, GAIN, HARM, 0.0)
        _, gain, *_ = effects.posterior(high, s, SHARE, NULLS, GAIN, HARM, 0.0)
        # The regrets at the ends; where hardly anything is open, the table's points may miss it.
        if high - low > 0.25:
            assert keeping == pytest.approx(harm, rel=0.12)
            assert discarding == pytest.approx(gain, rel=0.12)


def test_deciding_at_once_brings_the_integral_of_what_is_better() -> None:
    _, table, whole = one_world()
    y = np.linspace(-40.0, 20.0, 60_001)
    _, gain = densities(y, 1)
    expected = np.maximum(0.0, gain).sum() * (y[1] - y[0])
    assert whole - information.missed(table) == pytest.approx(expected, rel=2e-3)


def test_the_price_is_what_a_run_brings() -> None:
    """The fixed point of gain of an idea - price/2 x repeats."""
    state, table, whole = one_world()
    information.appraise(state, table, 8)
    price = state[bank.PRICE]
    brings = whole - information.missed(table) + information.plan(state, table, price / 2)
    assert brings == pytest.approx(price, rel=1e-4)


def test_a_dear_run_is_not_spent_on_repeats() -> None:
    state, table, _ = one_world()
    state[bank.NOISE] = 1.0
    assert information.plan(state, table, 10.0) == 0.0
    assert not information.is_due(state, 1, 0.3, 0.29)


def test_a_free_run_is_spent_on_what_is_open_and_not_on_what_is_clear() -> None:
    state, table, _ = one_world()
    information.plan(state, table, 0.02)
    state[bank.NOISE] = 1.0
    assert information.is_due(state, 1, 0.3, 0.29)
    assert information.is_due(state, 1, 0.29, 0.3)
    assert not information.is_due(state, 1, 5.0, 1e-4)
    assert not information.is_due(state, 1, 1e-4, 5.0)
