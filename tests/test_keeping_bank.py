"""What the bank makes of readings, against brute force over incumbent, baseline and effect."""

from __future__ import annotations

import math

import numpy as np
import pytest

from agent_loops.keeping import bank, claims, quantiles, renewal, summaries

SHARE, NULLS, GAIN, HARM = 0.2, 0.3, 1.2, 1.5
WIDE = 17.0


def one_hypothesis(sigma: float, rare: float) -> list[float]:
    """A bank whose first hypothesis is known, and the only one that matters."""
    state = [0.0] * bank.LENGTH
    bank.fill(state, 2.0, 1.0)
    bank.place(state, 0.0, 2.0, 0.0, 0.0)
    for i in range(bank.SIZE):
        state[bank.WEIGHT + i] = -1e4
    for column, value in {
        bank.SIGMA: sigma, bank.SHARE: SHARE, bank.NULLS: NULLS, bank.GAIN: GAIN, bank.HARM: HARM,
        bank.TAIL: 0.0, bank.RARE: rare, bank.WEIGHT: 0.0,
        bank.M: 0.3, bank.V: 0.6, bank.M0: 1.0, bank.V0: 0.9, bank.C0: 0.35,
    }.items():  # fmt: skip
        state[column] = value
    return state


def density(x: np.ndarray | float, variance: float) -> np.ndarray:
    return np.exp(-0.5 * np.asarray(x) ** 2 / variance) / math.sqrt(2 * math.pi * variance)


def likelihood(readings: list[float], level: np.ndarray, rare: float) -> np.ndarray:
    """Of readings in units of the noise, with at most one outlier, as the bank has it."""
    n, x = len(readings), np.array(readings)
    usual = (1 - rare) ** n * np.prod([density(value - level, 1.0) for value in x], axis=0)
    prior = n * rare * (1 - rare) ** (n - 1)
    if n == 1:
        return usual + prior * density(x[0] - level, WIDE)
    if n == 2:
        apart = float(density(x[0] - x[1], 1 + WIDE))
        return usual + prior * density(x.mean() - level, (1 + WIDE) / 4) * apart
    far = max(x, key=lambda value: abs(value - np.median(x)))
    rest = np.delete(x, np.flatnonzero(x == far)[0])
    rare_one = np.prod([density(value - level, 1.0) for value in rest], axis=0)
    return usual + prior * rare_one * float(density(far - rest.mean(), WIDE + 1 / (n - 1)))


def brute(readings: list[float], rare: float) -> dict[str, float]:
    """Sums over a grid of incumbent, baseline and effect; the state of `one_hypothesis`."""
    level = np.linspace(-4.5, 5.0, 96)
    base = np.linspace(-5.0, 7.0, 81)
    size = np.linspace(-16.0, 16.0, 1601)
    middle = len(size) // 2
    step = size[1] - size[0]
    effect = np.where(size < 0, SHARE / GAIN * np.exp(-np.abs(size) / GAIN), 0.0)
    effect += np.where(size > 0, (1 - SHARE - NULLS) / HARM * np.exp(-np.abs(size) / HARM), 0.0)
    effect *= step
    # Half a step to either side of 0 belongs to each exponential; then comes the null.
    better, worse = SHARE / GAIN * step / 2, (1 - SHARE - NULLS) / HARM * step / 2
    effect[middle] = better + worse + NULLS
    whole = np.array([[0.6, 0.35], [0.35, 0.9]])
    inverse = np.linalg.inv(whole)
    t, b = np.meshgrid(level - 0.3, base - 1.0, indexing="ij")
    joint = np.exp(-0.5 * (inverse[0, 0] * t**2 + 2 * inverse[0, 1] * t * b + inverse[1, 1] * b**2))
    joint /= 2 * math.pi * math.sqrt(np.linalg.det(whole))
    joint *= (level[1] - level[0]) * (base[1] - base[0])
    seen = likelihood(readings, level[:, None] + size[None, :], rare) * effect[None, :]
    z = float((joint.sum(1) * seen.sum(1)).sum())
    pair = joint.sum(1)[:, None] * seen / z  # incumbent and effect
    new = level[:, None] + size[None, :]
    triple = joint / joint.sum(1)[:, None]  # baseline given incumbent
    base_of = triple @ base
    base2_of = triple @ base**2
    at_zero = pair[:, middle].sum() / effect[middle]
    found = {
        "z": z, "gain": -(pair * np.minimum(size, 0)).sum(),
        "harm": (pair * np.maximum(size, 0)).sum(), "square": (pair * size**2).sum(),
        "better": pair[:, :middle].sum() + at_zero * better,
        "worse": pair[:, middle + 1 :].sum() + at_zero * worse,
        "old": (pair * level[:, None]).sum(), "new": (pair * new).sum(),
        "base": (pair * base_of[:, None]).sum(),
    }  # fmt: skip
    found["old_v"] = (pair * level[:, None] ** 2).sum() - found["old"] ** 2
    found["new_v"] = (pair * new**2).sum() - found["new"] ** 2
    found["both"] = (pair * new * level[:, None]).sum() - found["old"] * found["new"]
    found["base_v"] = (pair * base2_of[:, None]).sum() - found["base"] ** 2
    found["old_base"] = (pair * (level * base_of)[:, None]).sum() - found["old"] * found["base"]
    found["new_base"] = (pair * new * base_of[:, None]).sum() - found["new"] * found["base"]
    return {name: float(value) for name, value in found.items()}


READINGS = [
    [-1.5],
    [-6.0],
    [2.0],
    [-1.0, -2.5],
    [-1.0, -7.0],
    [-1.2, -0.3, -2.0],
    [-1.2, -1.0, 6.0],
]


@pytest.mark.parametrize("readings", READINGS, ids=str)
def test_a_look_at_a_candidate_is_the_sum_over_a_grid(readings: list[float]) -> None:
    rare, sigma = 0.05, 1.0
    state, summary = one_hypothesis(sigma, rare), [0.0] * 6
    summaries.summarise(readings, len(readings), 0.0, summary)
    total, *rest = bank.look(state, 0, summary)
    expected = brute(readings, rare)
    names = ["gain", "harm", "square", "better", "worse", "old", "new", "old_v", "new_v", "both"]
    constant = (2 * math.pi) ** (-0.5 * (len(readings) - 1))
    assert math.exp(total) * constant == pytest.approx(expected["z"], rel=2e-3)
    assert rest == pytest.approx([expected[name] for name in names], rel=4e-3, abs=2e-3)


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("readings", READINGS, ids=str)
def test_learning_is_the_sum_over_a_grid(readings: list[float], kept: bool) -> None:  # noqa: FBT001
    rare, sigma = 0.05, 2.0
    state, summary = one_hypothesis(sigma, rare), [0.0] * 6
    summaries.summarise([sigma * reading for reading in readings], len(readings), 0.0, summary)
    bank.learn(state, summary, kept)
    expected = brute(readings, rare)
    now = "new" if kept else "old"
    found = [state[column] for column in (bank.M, bank.V, bank.M0, bank.V0, bank.C0)]
    names = [now, f"{now}_v", "base", "base_v", f"{now}_base"]
    assert found == pytest.approx([expected[name] for name in names], rel=4e-3, abs=3e-3)


def test_hypotheses_are_weighted_by_likelihood() -> None:
    state, summary = one_hypothesis(1.0, 0.05), [0.0] * 6
    for column in range(bank.COLUMNS):
        state[bank.HEAD + column * bank.SIZE + 1] = state[bank.HEAD + column * bank.SIZE]
    state[bank.SIGMA + 1] = 3.0
    readings = [-1.0, 0.5, -2.0, 1.0]
    summaries.summarise(readings, 4, 0.0, summary)
    first, second = bank.look(state, 0, summary)[0], bank.look(state, 1, summary)[0]
    bank.learn(state, summary, kept=False)
    assert state[bank.WEIGHT] - state[bank.WEIGHT + 1] == pytest.approx(first - second)
    # The same readings in units of sigma 3, each a density in metric units.
    wide = brute([reading / 3.0 for reading in readings], 0.05)["z"] / 3.0**4
    narrow = brute(readings, 0.05)["z"]
    assert math.exp(first - second) == pytest.approx(narrow / wide, rel=5e-3)


def test_reading_the_incumbent_again_is_the_update_of_two_normals() -> None:
    state, summary = one_hypothesis(2.0, 0.0), [0.0] * 6
    summaries.summarise([2.0, 3.0], 2, 0.0, summary)
    bank.read_again(state, summary)
    # Prior N(.3, .6) in units of sigma; two readings of mean 1.25, variance .5.
    v = 1 / (1 / 0.6 + 2)
    m = v * (0.3 / 0.6 + 2 * 1.25)
    r = 0.35 / 0.6
    expected = [m, v, 1.0 + r * (m - 0.3), 0.9 - r * 0.35 + r * r * v, r * v]
    found = [state[column] for column in (bank.M, bank.V, bank.M0, bank.V0, bank.C0)]
    assert found == pytest.approx(expected)


def test_the_summary_leaves_out_the_reading_farthest_from_the_median() -> None:
    summary = [0.0] * 6
    summaries.summarise([11.0, 10.0, 19.0, 12.0], 4, 10.0, summary)
    assert summary == pytest.approx([4, 3.0, 50.0, 1.0, 2.0, 8.0])


@pytest.mark.parametrize("p", [1e-5, 0.02, 0.4, 0.5, 0.75, 0.999])
def test_quantiles_invert_distributions(p: float) -> None:
    assert 0.5 * math.erfc(-quantiles.normal_quantile(p) / math.sqrt(2)) == pytest.approx(
        p, rel=1e-5
    )
    one, two = quantiles.chi_square_quantile(p, 1.0), quantiles.chi_square_quantile(p, 2.0)
    assert math.erf(math.sqrt(one / 2)) == pytest.approx(p, rel=1e-5)
    assert 1 - math.exp(-two / 2) == pytest.approx(p, rel=1e-6)


def test_the_noise_that_two_readings_leave_open_is_the_posterior() -> None:
    """P(sigma < x | d) = P(|Z| > d / (sqrt 2 x)), the prior being 1/sigma."""
    state = [0.0] * bank.LENGTH
    bank.fill(state, 0.5, 1.0)  # readings 1 apart
    for x in (0.5, 1.0, 3.0):
        share = sum(state[bank.SIGMA + i] < x for i in range(bank.SIZE)) / bank.SIZE
        assert share == pytest.approx(math.erfc(1 / (math.sqrt(2) * x) / math.sqrt(2)), abs=0.01)


def spread_bank() -> list[float]:
    state, summary = [0.0] * bank.LENGTH, [0.0] * 6
    bank.fill(state, 1.0, 1.0)
    bank.place(state, 0.0, 2.0, 0.0, 0.0)
    for reading in (0.4, -1.5, 2.0, 6.0, 0.9, 3.0):
        summaries.summarise([reading], 1, 0.0, summary)
        bank.learn(state, summary, reading < 0)
    return state


def moments(state: list[float]) -> tuple[np.ndarray, np.ndarray]:
    weights = np.exp(state[bank.WEIGHT : bank.WEIGHT + bank.SIZE])
    points = [[renewal.coordinate(state, k, i) for i in range(bank.SIZE)] for k in range(5)]
    return np.average(points, axis=1, weights=weights), np.cov(points, aweights=weights, ddof=0)


def test_renewal_keeps_what_the_bank_believes() -> None:
    state = spread_bank()
    mean, covariance = moments(state)
    before = [0.0] * 3
    claims.spread(state, before)
    renewal.renew(state)
    after = [0.0] * 3
    claims.spread(state, after)
    assert renewal.effective(state) == pytest.approx(bank.SIZE)
    new_mean, new_covariance = moments(state)
    deviations = np.sqrt(np.diag(covariance))
    assert np.abs(new_mean - mean).max() < 0.1 * deviations.max()
    assert np.sqrt(np.diag(new_covariance)) == pytest.approx(deviations, rel=0.15)
    assert after == pytest.approx(before, rel=0.1)


def test_a_claim_is_the_mixture_of_the_hypotheses() -> None:
    state = spread_bank()
    weights = np.exp(state[bank.WEIGHT : bank.WEIGHT + bank.SIZE])
    weights /= weights.sum()
    sigma, m, v, m0, v0, c0 = (
        np.array(state[column : column + bank.SIZE])
        for column in (bank.SIGMA, bank.M, bank.V, bank.M0, bank.V0, bank.C0)
    )
    rng = np.random.default_rng(5)
    which = rng.choice(bank.SIZE, 400_000, p=weights)
    deviation = np.sqrt(v0 + v - 2 * c0)
    drawn = (sigma * (m0 - m))[which] + (sigma * deviation)[which] * rng.standard_normal(400_000)
    figures = [0.0] * 3
    claims.spread(state, figures)
    assert figures[:2] == pytest.approx([drawn.mean(), drawn.std()], rel=0.02)
    for p in (0.05, 0.5, 0.95):
        value = claims.quantile(state, p, figures[0], figures[1])
        assert claims.below(state, value) == pytest.approx(p, abs=1e-4)
        assert (drawn < value).mean() == pytest.approx(p, abs=0.005)
