"""Readings in, verdict out: tables, and what must hold for all numbers."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_loops import calibration, decide
from agent_loops.bindings import parse
from agent_loops.keeping.rule import Judgement
from agent_loops.objective import Direction

DOWN, UP = Direction.MINIMIZE, Direction.MAXIMIZE
finite = st.floats(allow_nan=False, allow_infinity=False, width=32)
readings = st.lists(finite, min_size=1, max_size=8)


def verdict(
    candidate: list[float], incumbent: list[float], direction: Direction, over_budget: str = ""
) -> tuple[str, str]:
    found = decide.decide(candidate, incumbent, direction=direction, over_budget=over_budget)
    assert found.reason
    return found.status, found.kind


@pytest.mark.parametrize(
    ("candidate", "incumbent", "direction", "status", "kind"),
    [
        ([0.9], [1.0], DOWN, "keep", "better"),
        ([1.1], [1.0], DOWN, "discard", "worse"),
        ([1.0], [1.0], DOWN, "discard", "equal"),
        ([0.9], [1.0], UP, "discard", "worse"),
        ([1.1], [1.0], UP, "keep", "better"),
        ([1.0], [1.0], UP, "discard", "equal"),
        ([0.0], [-0.0], DOWN, "discard", "equal"),
        ([-2.0], [-1.0], DOWN, "keep", "better"),
        ([-2.0], [-1.0], UP, "discard", "worse"),
        ([1.0 - 2**-53], [1.0], DOWN, "keep", "better"),
        # by the mean of all readings, not by the best or the last of them
        ([0.1, 2.0], [1.0], DOWN, "discard", "worse"),
        ([2.0, 0.1, 0.1], [1.0], DOWN, "keep", "better"),
        ([0.9], [1.0, 0.7], DOWN, "discard", "worse"),
        ([0.8], [1.0, 0.7], DOWN, "keep", "better"),
        ([1.0, 2.0], [1.5], DOWN, "discard", "equal"),
        # sums are exact: ten times 0.1 is as good as 0.1
        ([0.1] * 10, [0.1], DOWN, "discard", "equal"),
        ([0.1] * 10, [0.1], UP, "discard", "equal"),
        # sums past the largest number
        ([1.7e308, 1.7e308], [1.7e308], DOWN, "discard", "equal"),
        ([1.7e308, 1.7e308, 1.0], [1.7e308], DOWN, "keep", "better"),
        ([-1.7e308, -1.7e308], [1.7e308, 1.7e308], DOWN, "keep", "better"),
        # nothing to compare with
        ([5.0], [], DOWN, "keep", "baseline"),
        ([5.0, 6.0], [], UP, "keep", "baseline"),
    ],
)
def test_the_plain_rule(
    candidate: list[float], incumbent: list[float], direction: Direction, status: str, kind: str
) -> None:
    assert verdict(candidate, incumbent, direction) == (status, kind)


@pytest.mark.parametrize("candidate", [[0.5], [1.0], [2.0]])
@pytest.mark.parametrize("direction", [DOWN, UP])
def test_over_budget_is_no_keep_however_good(candidate: list[float], direction: Direction) -> None:
    why = "took 40.0 s where the baseline took 5.0 s"
    found = decide.decide(candidate, [1.0], direction=direction, over_budget=why)
    assert found == decide.Verdict("discard", "over budget", why)


def test_a_baseline_cannot_be_over_the_budget_that_it_sets() -> None:
    assert verdict([1.0], [], DOWN, "took long") == ("keep", "baseline")


@pytest.mark.parametrize(
    ("values", "mean"),
    [
        ([1.5], 1.5),
        ([1.0, 2.0], 1.5),
        ([0.1] * 10, 0.1),
        ([1e16, 1.0, -1e16], 1 / 3),
        ([-0.0], 0.0),
    ],
)
def test_the_estimate_is_the_mean(values: list[float], mean: float) -> None:
    assert decide.estimate(values) == mean


@given(readings)
def test_the_estimate_lies_among_its_readings(values: list[float]) -> None:
    slack = 1e-9 * max(map(abs, values))
    assert min(values) - slack <= decide.estimate(values) <= max(values) + slack


@given(readings)
def test_the_order_of_readings_says_nothing(values: list[float]) -> None:
    assert decide.estimate(values) == decide.estimate(values[::-1])


@given(finite, finite)
def test_of_two_at_most_one_replaces_the_other(a: float, b: float) -> None:
    """No two ideas can replace each other in turn for ever."""
    for direction in (DOWN, UP):
        there = verdict([a], [b], direction)
        back = verdict([b], [a], direction)
        assert {there, back} in (
            {("keep", "better"), ("discard", "worse")},
            {("discard", "equal")},
        )


@given(readings, readings)
def test_the_two_directions_mirror_each_other(new: list[float], old: list[float]) -> None:
    mirrored = verdict([-value for value in new], [-value for value in old], UP)
    assert verdict(new, old, DOWN) == mirrored


@given(readings, readings)
def test_a_keep_is_a_gain(new: list[float], old: list[float]) -> None:
    for direction in (DOWN, UP):
        gain = direction.gain(decide.estimate(new), decide.estimate(old))
        assert (verdict(new, old, direction)[0] == "keep") == (gain > 0)
        assert math.isfinite(gain)


# ---- the simplicity criterion -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gain", "lines", "told"),
    [(2.0, 30, True), (6.0, 30, False), (2.0, 10, False), (-3.0, 30, False), (0.5, 30, False)],
)
def test_a_small_gain_for_many_lines_is_pointed_out_and_a_loss_is_not(
    gain: float, lines: int, *, told: bool
) -> None:
    verdict = "keep" if gain > 0 else "discard"
    judgement = Judgement(verdict, gain, gain - 1, gain + 1, 0.9, 0.05, 1.0)
    weighed = decide.Weighed(judgement, behind=0.0, more_lines=lines, pairs=0)
    assert bool(decide.advice(weighed)) == told


@pytest.mark.parametrize(
    ("gain", "behind", "lines", "status"),
    [
        (-0.4, 0.4, -3, "keep"),  # as good within half of one run's noise, and shorter
        (-0.7, 0.7, -3, "discard"),
        (-0.1, 0.7, -3, "discard"),  # small steps down from the best ever do not add up
        (-0.4, 0.4, 0, "discard"),
    ],
)
def test_equal_is_within_half_a_deviation_of_incumbent_and_best(
    gain: float, behind: float, lines: int, status: str
) -> None:
    judgement = Judgement("discard", gain, gain - 1, gain + 1, 0.2, 0.4, 1.0)
    weighed = decide.Weighed(judgement, behind=behind, more_lines=lines, pairs=0)
    assert decide.weigh(weighed).status == status


@pytest.mark.parametrize(
    ("gain", "low", "lines", "status"),
    [
        (0.0, -0.9, 0, "keep"),  # one change fewer, at no line more
        (-0.4, -0.9, 0, "keep"),
        (-0.4, -1.4, 0, "discard"),  # it may well have been worth something
        (-0.7, -0.9, 0, "discard"),
        (0.0, -0.9, 1, "discard"),
    ],
)
def test_an_incumbent_without_a_change_is_simpler_where_little_can_be_lost(
    gain: float, low: float, lines: int, status: str
) -> None:
    judgement = Judgement("discard", gain, low, gain + 1, 0.2, 0.4, 1.0)
    weighed = decide.Weighed(judgement, behind=0.0, more_lines=lines, pairs=0, takes_back=True)
    assert decide.weigh(weighed).status == status
    again = decide.weigh(weighed._replace(may_repeat=True))
    assert (again.status == "repeat") == (low < -1 and status == "discard")
    assert verdict([gain], [gain], DOWN) == ("discard", "equal")
    plain = decide.decide([1.0], [1.0], direction=DOWN, is_simpler=True)
    assert (plain.status, plain.kind) == ("keep", "simpler")
    assert decide.decide([1.1], [1.0], direction=DOWN, is_simpler=True).status == "discard"


@pytest.mark.parametrize(
    ("walls_s", "told"),
    [((60.0, 56.5), True), ((60.0, 58.0), False), ((1.0, 0.6), False), ((60.0, 60.0), False)],
)
def test_a_warmup_is_proposed_where_the_second_run_was_over_a_twentieth_faster(
    walls_s: tuple[float, float], *, told: bool
) -> None:
    bindings = parse("metric: a\nrun_cmd: b\neditable_files: c.py\n", default_tag="t")
    assert bool(calibration.warmup_advice(bindings, walls_s)) == told


def test_a_baseline_near_the_largest_number_is_described_too() -> None:
    bindings = parse("metric: a\nrun_cmd: b\neditable_files: c.py\n", default_tag="t")
    assert calibration.found(bindings, [1e200, 1.1e200]).startswith("one run's noise is about 7.1e")


def test_chances_are_not_told_as_if_they_were_sizes() -> None:
    judgement = Judgement("keep", 0.02441, 0.022, 0.0268, 0.97, 0.001, 0.01)
    assert decide.in_words(judgement) == (
        "gain 0.02441, 90%: 0.022 to 0.027; 97% likely better, under 1% likely worse"
    )
