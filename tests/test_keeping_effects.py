"""The posterior of one candidate's effect, against sums over fine grids."""

from __future__ import annotations

import math

import numpy as np
import pytest

from agent_loops.keeping import effects

CASES = [(-2.0, 1.2, 1.0), (0.0, 0.5, 3.0), (1.5, 1.0, 0.4), (-6.0, 1.0, 2.0), (3.0, 0.8, 0.05)]


def normal(x: np.ndarray | float, deviation: float) -> np.ndarray:
    return np.exp(-0.5 * (np.asarray(x) / deviation) ** 2) / (deviation * math.sqrt(2 * math.pi))


def summed(y: float, s: float, mean: float) -> tuple[float, float, float]:
    """Density of y and the first two moments of d, -d ~ Exp(mean)."""
    gains = np.linspace(0.0, 40 * mean, 400_001)
    weights = np.exp(-gains / mean) / mean * normal(y + gains, s)
    weights[0] /= 2
    step = gains[1]
    total = weights.sum()
    return total * step, -(weights * gains).sum() / total, (weights * gains**2).sum() / total


@pytest.mark.parametrize(("y", "s", "a"), CASES)
def test_an_improvement_s_posterior_is_the_integral(y: float, s: float, a: float) -> None:
    assert effects.improvement(y, s, a) == pytest.approx(summed(y, s, a), rel=1e-4)


def test_both_forms_of_an_improvement_meet_where_they_change() -> None:
    y, s = 29.0, 1.0
    just_below = effects.improvement(y, s, 1 / 0.999999)
    just_above = effects.improvement(y, s, 1 / 1.000001)
    assert just_below[1:] == pytest.approx(just_above[1:], rel=1e-2)
    assert math.log(just_below[0]) == pytest.approx(math.log(just_above[0]), abs=5e-3)


@pytest.mark.parametrize("tau", [0.0, 0.2])
@pytest.mark.parametrize("y", [-5.0, -1.0, 0.0, 2.0])
def test_the_mixture_s_posterior_is_the_integral(y: float, tau: float) -> None:
    s, w, p0, a, b = 1.1, 0.15, 0.3, 1.5, 2.5
    near, far, harm = summed(y, s, a), summed(y, s, 5 * a), summed(-y, s, b)
    shares = np.array([w * (1 - tau) * near[0], w * tau * far[0], (1 - w - p0) * harm[0]])
    null = p0 * float(normal(y, s))
    z = shares.sum() + null
    gain = -(shares[0] * near[1] + shares[1] * far[1]) / z
    square = (shares[0] * near[2] + shares[1] * far[2] + shares[2] * harm[2]) / z
    found = effects.posterior(y, s, w, p0, a, b, tau)
    expected = (z, gain, -shares[2] * harm[1] / z, square, shares[:2].sum() / z, shares[2] / z)
    assert found == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("y", [-1e6, -1e3, 1e3, 1e6])
def test_a_reading_out_of_all_reach_is_believed_to_the_nearer_side(y: float) -> None:
    z, gain, harm, square, better, worse = effects.posterior(y, 1.0, 0.1, 0.3, 1.0, 1.0, 0.0)
    assert z > 0
    assert (better, worse) == ((1.0, 0.0) if y < 0 else (0.0, 1.0))
    assert harm - gain == pytest.approx(y, rel=0.01)
    assert square >= (harm - gain) ** 2 * 0.999
