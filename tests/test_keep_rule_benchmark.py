"""The keep rule in campaigns whose truth is known: a small part of benchmarks/keep_rule.py.

In plain Python, so that nothing but numpy is needed; seeded, so that it is the same each time.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
REPLICATES = 4
RUNS = 40


@pytest.fixture(scope="module")
def benchmark() -> Iterator[Any]:
    """Imports a module of the benchmark; all are forgotten afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NUMBA_DISABLE_JIT", "1")
        patch.syspath_prepend(str(BENCHMARKS))
        yield importlib.import_module
    for name in [name for name in sys.modules if name.split(".")[0] in ("campaigns", "keep_rule")]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def sheets(benchmark: Any) -> list[Any]:
    """What --quick plays, looked at at the end of each campaign."""
    cells, figures = benchmark("campaigns.cells"), benchmark("campaigns.figures")
    chosen = benchmark("keep_rule").for_quick()
    played = cells.play_all(chosen, replicates=REPLICATES, processes=1)
    found: list[Any] = figures.sheets(chosen, played)
    return found


def real(sheets: list[Any]) -> list[Any]:
    return [sheet for sheet in sheets if sheet.cell.world.name != "pure noise"]


def test_it_gains_about_what_keeping_whatever_is_lower_gains(
    benchmark: Any, sheets: list[Any]
) -> None:
    figures, rules = benchmark("campaigns.figures"), benchmark("campaigns.rules")
    for sheet in real(sheets):
        its = figures.share([sheet], rules.OURS, rules.LOWER)
        assert its.mean >= 0.9 - 2 * its.error, sheet.cell.name
    assert figures.share(real(sheets), rules.OURS, rules.LOWER).mean >= 0.9


def test_it_claims_no_more_than_is_true(benchmark: Any, sheets: list[Any]) -> None:
    figures, rules = benchmark("campaigns.figures"), benchmark("campaigns.rules")
    ours = figures.average([figures.mean(sheet.over(rules.OURS)) for sheet in real(sheets)])
    lower = figures.average([figures.mean(sheet.over(rules.LOWER)) for sheet in real(sheets)])
    assert ours.mean <= 0.1 + 2 * ours.error
    assert lower.mean > 0.5  # what the rule is there for


def test_pure_noise_is_not_claimed_as_a_gain(benchmark: Any, sheets: list[Any]) -> None:
    rules = benchmark("campaigns.rules")
    (noise,) = [sheet for sheet in sheets if sheet.cell.world.name == "pure noise"]
    assert noise.columns[rules.OURS]["claims"].sum() == 0
    assert noise.columns[rules.LOWER]["claims"].sum() > 0


def test_nothing_beats_the_oracle_by_more_than_chance(benchmark: Any, sheets: list[Any]) -> None:
    figures, rules = benchmark("campaigns.figures"), benchmark("campaigns.rules")
    for sheet in real(sheets):
        for rule in (rules.OURS, rules.LOWER):
            its = figures.share([sheet], rule)
            assert its.mean <= 1.05 + 3 * its.error, (sheet.cell.name, rule)


def test_every_rule_meets_the_same_ideas_and_the_same_luck(
    benchmark: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told by what `play` reads: reading j of idea k is the incumbent's level plus the same."""
    play, rules = benchmark("campaigns.play"), benchmark("campaigns.rules")
    noise, worlds = benchmark("campaigns.noise"), benchmark("campaigns.worlds")
    world = worlds.named("rich")
    luck = noise.draw(world, noise.NORMAL, 1.0, runs=RUNS, replicate=3)
    met: dict[str, dict[float, float]] = {}
    original = play.read
    for name in rules.RULES:
        of_rule = met.setdefault(name, {})

        def read(level: float, drawn: float, *rest: float, seen: dict = of_rule) -> float:
            seen[drawn] = original(level, drawn, *rest) - level
            return original(level, drawn, *rest)

        monkeypatch.setattr(play, "read", read)
        rules.campaign(rules.RULES[name], world, luck, np.array([12]), baselines=2)
    everything: dict[float, float] = {}
    for of_rule in met.values():
        assert len(of_rule) == 12
        for drawn, apart in of_rule.items():
            assert everything.setdefault(drawn, apart) == pytest.approx(apart)
    assert all(drawn in luck.luck for drawn in everything)


def test_the_same_draw_serves_every_sigma(benchmark: Any) -> None:
    noise, worlds = benchmark("campaigns.noise"), benchmark("campaigns.worlds")
    small, large = (
        noise.draw(worlds.named("std"), noise.NORMAL, sigma, runs=RUNS, replicate=1)
        for sigma in (0.5, 2.0)
    )
    assert np.array_equal(small.ideas, large.ideas)
    assert np.array_equal(4 * small.sigma, large.sigma)
    other = noise.draw(worlds.named("std"), noise.NORMAL, 0.5, runs=RUNS, replicate=2)
    assert not np.array_equal(small.luck, other.luck)


def test_every_mixture_is_one_whatever_was_kept(benchmark: Any) -> None:
    worlds = benchmark("campaigns.worlds")
    halves = [world.half for world in worlds.WORLDS]
    assert halves.count("tune") == halves.count("report") >= 6
    rng = np.random.default_rng(1)
    for world in worlds.WORLDS:
        numbers, state = world.numbers(), np.zeros(worlds.STATE)
        parts = np.zeros((worlds.PARTS, 2))
        for _ in range(60):
            shift = worlds.mixture(numbers, state, parts, True)  # noqa: FBT003
            assert parts[:, 0].sum() == pytest.approx(1.0), world.name
            assert parts[:, 0].min() >= 0
            worlds.keep(numbers, state, worlds.effect(parts, shift, *rng.random(2)))
            worlds.next_idea(numbers, state, rng.random())


def test_the_posterior_of_an_effect_is_what_integration_gives(benchmark: Any) -> None:
    effects = benchmark("campaigns.effects")
    parts = np.array([[0.1, -1.0], [0.05, -4.0], [0.25, 0.0], [0.6, 2.0]])
    d = np.linspace(-60, 60, 240_001)
    width = d[1] - d[0]
    prior = np.where(d < 0, 0.1 * np.exp(d) + 0.05 / 4 * np.exp(d / 4), 0.3 * np.exp(-d / 2))
    prior[d == 0] = 0.0
    for y, s, shift in ((-3.0, 0.7, 0.0), (0.2, 1.3, 0.0), (2.0, 0.5, 0.4), (-0.5, 2.0, 0.4)):
        null = np.exp(-0.5 * ((y - shift) / s) ** 2) / (s * np.sqrt(2 * np.pi))
        likelihood = np.exp(-0.5 * ((y - shift - d) / s) ** 2) / (s * np.sqrt(2 * np.pi))
        joint = prior * likelihood * width
        expected = [
            joint.sum() + 0.25 * null,
            ((d + shift) * joint).sum() + shift * 0.25 * null,
            ((d + shift) ** 2 * joint).sum() + shift**2 * 0.25 * null,
        ]
        out = np.zeros(5)
        effects.effect(y, s, parts, shift, out)
        assert out[:3] == pytest.approx(expected, rel=2e-3)


def test_a_share_knows_its_error(benchmark: Any) -> None:
    """Of campaigns that are paired exactly nothing is left to chance."""
    cells, figures, rules = (
        benchmark(f"campaigns.{name}") for name in ("cells", "figures", "rules")
    )
    gain = np.random.default_rng(5).normal(3.0, 1.0, 50)
    cell = cells.Cell(cells.WORLDS[0], cells.NORMAL, 1.0, 2, (100,), (rules.OURS, rules.ORACLE))
    columns = {rules.OURS: {"gain": 0.5 * gain}, rules.ORACLE: {"gain": gain}}
    its = figures.share([figures.Sheet(cell, 100, columns)], rules.OURS)
    assert its == pytest.approx((0.5, 0.0), abs=1e-12)


SHORT = """\
import keep_rule_tiny_lm as benchmark
benchmark.STEPS, benchmark.FRESH = 20, 2
lab = benchmark.Lab(benchmark.first_code())
assert lab.read(lab.first, 1) == lab.read(lab.first, 1) != lab.read(lab.first, 2)
assert lab.runs == 2
diverging = benchmark.edit_file(benchmark.measure.idea("nan-"))(lab.first)
assert benchmark.math.isinf(lab.read(diverging, 1))
benchmark.main()
"""


def test_campaigns_of_real_training_end_in_a_table(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SHORT, "--campaigns", "2", "--runs", "4"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(BENCHMARKS)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = done.stdout[done.stdout.index("| rule |") :].splitlines()
    assert [row.split("|")[1].strip() for row in rows[2:]] == [
        "keep if lower", "2 sigma", "**noise-aware**",
    ]  # fmt: skip
