"""The rule as others call it: the same readings, the same verdict; no unit and no zero matters."""

from __future__ import annotations

import json
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_loops.keeping import bank, rounding, rule
from agent_loops.keeping.rule import Belief, Judgement

HISTORY = st.lists(
    st.lists(st.floats(-20, 20).map(lambda x: round(x, 3)), min_size=1, max_size=3), max_size=4
)
BASELINES = st.tuples(st.floats(-1, 1), st.floats(0.05, 3)).map(lambda x: [x[0], x[0] + x[1]])
FEW = settings(max_examples=12, deadline=None)


def told(
    baseline: list[float], history: list[list[float]], *, scale: float = 1.0, shift: float = 0.0
) -> tuple[Belief, list[Judgement]]:
    """Belief and judgements after a history in which the rule's own decisions were followed."""

    def moved(readings: list[float]) -> list[float]:
        return [shift + scale * reading for reading in readings]

    belief, found = rule.begin(moved(baseline)), []
    for readings in history:
        found.append(rule.judge(belief, moved(readings), most=len(readings)))
        belief = rule.settle(belief, moved(readings), kept=found[-1].verdict == "keep")
    return belief, found


@FEW
@given(BASELINES, HISTORY)
def test_the_same_readings_give_the_same_verdict(
    baseline: list[float], history: list[list[float]]
) -> None:
    assert told(baseline, history) == told(baseline, history)


@FEW
@given(BASELINES, HISTORY, st.sampled_from([2.0**-20, 0.5, 1024.0]))
def test_units_do_not_matter(
    baseline: list[float], history: list[list[float]], scale: float
) -> None:
    belief, found = told(baseline, history)
    scaled, others = told(baseline, history, scale=scale)
    for one, other in zip(found, others, strict=True):
        assert one.verdict == other.verdict
        expected = [scale * x for x in (one.gain, one.low, one.high, one.noise)]
        assert [other.gain, other.low, other.high, other.noise] == pytest.approx(expected)
        assert (other.probability, other.worse) == pytest.approx((one.probability, one.worse))
    claim, other_claim = rule.claim(belief), rule.claim(scaled)
    assert other_claim[:3] == pytest.approx([scale * x for x in claim[:3]], rel=1e-5, abs=1e-12)


@FEW
@given(BASELINES, HISTORY, st.sampled_from([-3.0, 40.0]))
def test_where_zero_lies_does_not_matter(
    baseline: list[float], history: list[list[float]], shift: float
) -> None:
    _, found = told(baseline, history)
    _, others = told(baseline, history, shift=shift)
    for one, other in zip(found, others, strict=True):
        if abs(one.gain) > 1e-6 * one.noise:
            assert one.verdict == other.verdict
        assert other[1:] == pytest.approx(one[1:], rel=1e-4, abs=1e-6)


@FEW
@given(BASELINES, HISTORY)
def test_a_judgement_is_in_order(baseline: list[float], history: list[list[float]]) -> None:
    _, found = told(baseline, history)
    for one in found:
        assert one.low <= one.gain <= one.high
        assert min(one.probability, one.worse) >= 0
        assert one.probability + one.worse <= 1 + 1e-9
        assert (one.verdict == "keep") == (one.gain > 0)


@FEW
@given(BASELINES, HISTORY)
def test_a_belief_comes_back_from_json(baseline: list[float], history: list[list[float]]) -> None:
    belief, _ = told(baseline, history)
    text = json.dumps(belief, allow_nan=False)
    again = Belief(*(tuple(field) for field in json.loads(text)))
    assert again == belief
    assert rule.judge(again, [0.5]) == rule.judge(belief, [0.5])


def test_a_belief_does_not_grow() -> None:
    belief, _ = told([0.0, 1.0], [[0.5], [2.0, 2.5], [-3.0]])
    assert len(belief.numbers) == bank.LENGTH


def test_judging_changes_nothing() -> None:
    belief = rule.begin([1.0, 1.2])
    before = Belief(tuple(belief.numbers))
    rule.judge(belief, [0.4])
    assert belief == before


@pytest.mark.parametrize("baseline", [[1.23456789], [1.23456789] * 3])
def test_without_noise_what_reads_lower_is_better(baseline: list[float]) -> None:
    belief = rule.begin(baseline)
    assert rule.judge(belief, [1.23456788]).verdict == "keep"
    assert rule.judge(belief, [1.23456789]).verdict == "discard"
    assert rule.judge(belief, [1.23456799]) == (
        "discard", pytest.approx(-1e-7), pytest.approx(-1e-7), pytest.approx(-1e-7), 0.0, 1.0, 0.0,
    )  # fmt: skip
    belief = rule.settle(belief, [1.13456789], kept=True)
    belief = rule.settle(belief, [1.33456789], kept=False)
    assert rule.claim(belief) == (*[pytest.approx(0.1)] * 3, 1.0)


def test_noise_that_shows_later_is_taken_up() -> None:
    belief = rule.settle(rule.begin([1.23456789]), [1.13456789], kept=True)
    judged = rule.judge(belief, [1.12345678, 1.14567891, 1.11345678])
    assert 0.005 < judged.noise < 0.05
    belief = rule.settle(belief, [1.12345678, 1.14567891, 1.11345678], kept=False)
    claim = rule.claim(belief)
    assert claim.low < 0.1 < claim.high
    assert claim.high - claim.low > 0.02


def test_noise_that_shows_in_the_incumbent_is_taken_up() -> None:
    belief = rule.begin([1.23456789, 1.23456789])
    belief = rule.reread(belief, [1.25456789])
    assert rule.judge(belief, [1.2]).noise > 0.003


def test_equal_readings_of_a_rounded_metric_are_no_proof() -> None:
    belief = rule.begin([0.91, 0.91])
    judged = rule.judge(belief, [0.9])
    assert judged.noise > 0.002
    assert judged.probability < 0.9
    assert rule.judge(belief, [0.7], most=1).verdict == "keep"


@pytest.mark.parametrize(
    ("readings", "step"),
    [
        ([0.91], 0.01),
        ([0.912], 0.001),
        ([0.9123], 1e-4),
        ([0.912345], 0),
        ([153.0], 1),
        ([1 / 3], 0),
    ],
)
def test_the_step_of_a_metric_shows_in_its_digits(readings: list[float], step: float) -> None:
    assert rounding.step(readings, len(readings), readings[0]) == pytest.approx(step)


def test_rereading_narrows_the_claim() -> None:
    belief = rule.settle(rule.begin([1.0, 1.1]), [0.2], kept=True)
    wide = rule.claim(belief)
    narrow = rule.claim(rule.reread(belief, [0.25, 0.3]))
    assert narrow.high - narrow.low < wide.high - wide.low


def test_an_override_is_believed_no_more_than_the_readings() -> None:
    belief = rule.begin([1.0, 1.1])
    kept = rule.claim(rule.settle(belief, [1.5], kept=True))
    assert kept.gain < -0.1
    assert kept.probability < 0.2
    assert rule.claim(rule.settle(belief, [1.5], kept=False)).gain == 0.0


def test_pairs_are_judged_without_an_incumbent_s_reading() -> None:
    belief = rule.begin([0.1, -0.08, 0.05], paired=True)
    assert rule.judge(belief, [-1.0, -1.1, -0.9]).verdict == "keep"
    assert rule.judge(belief, [0.6]).verdict == "discard"
    belief = rule.settle(belief, [-1.0, -1.1, -0.9], kept=True)
    belief = rule.settle(belief, [0.6], kept=False)
    belief = rule.settle(belief, [-0.5, -0.45, -0.55], kept=True)
    claim = rule.claim(belief)
    assert claim.low < 1.5 < claim.high
    assert claim.probability > 0.99


def test_pairs_without_noise_add_up() -> None:
    belief = rule.begin([0.0, 0.0], paired=True)
    belief = rule.settle(belief, [-0.25], kept=True)
    belief = rule.settle(belief, [-0.5], kept=True)
    assert rule.claim(belief) == (0.75, 0.75, 0.75, 1.0)


def test_of_pure_noise_little_is_claimed() -> None:
    rng = random.Random(4)
    belief = rule.begin([rng.gauss(0, 1), rng.gauss(0, 1)])
    for _ in range(30):
        readings: list[float] = []
        verdict = "repeat"
        while verdict == "repeat":
            readings.append(rng.gauss(0, 1))
            verdict = rule.judge(belief, readings).verdict
        belief = rule.settle(belief, readings, kept=verdict == "keep")
    claim = rule.claim(belief)
    assert claim.low < 0 < claim.high + 0.5
    assert claim.probability < 0.95


@pytest.mark.parametrize(("metric", "step"), [(37.0, 1.0), (1.165, 0.001)])
def test_many_equal_readings_of_a_rounded_metric_are_proof_enough(
    metric: float, step: float
) -> None:
    belief = rule.begin([metric] * 5)
    for steps in (1, 2, 7):
        better = rule.judge(belief, [round(metric - steps * step, 6)])
        assert (better.verdict, better.noise) == ("keep", 0.0)
        assert better.gain == pytest.approx(steps * step)
    assert rule.judge(belief, [metric + step]).verdict == "discard"
    assert rule.judge(belief, [metric])[:2] == ("discard", 0.0)


@pytest.mark.parametrize("equal", [1, 2, 3, 5])
def test_repeats_of_a_metric_without_noise_end_soon(equal: int) -> None:
    belief = rule.begin([37.0] * equal)
    assert rule.judge(belief, [20.0] * 2).verdict == "keep"
    assert rule.judge(belief, [35.0] * 3).verdict == "keep"
    assert rule.judge(belief, [39.0] * 3).verdict == "discard"


def test_noise_that_shows_in_repeats_alone_does_not_ask_for_all_repeats() -> None:
    belief = rule.begin([1.23456789])
    assert rule.judge(belief, [1.03456789, 1.03456999]).verdict == "keep"
    assert rule.judge(belief, [1.43456789, 1.43456999]).verdict == "discard"


# ---- what lies far off ---------------------------------------------------------------------------


@pytest.mark.parametrize("broken", [1.03, 1.3, 2.0, 1e9, 1e200])
def test_a_broken_idea_teaches_nothing(broken: float) -> None:
    """It would stretch the effects that are expected, until nothing is run twice any more."""
    belief = rule.begin([1.0, 1.0012, 0.9996, 1.0003, 0.9991])
    judgement = rule.judge(belief, [broken])
    assert (judgement.verdict, judgement.probability < 0.01) == ("discard", True)
    assert rule.settle(belief, [broken], kept=False) == belief


@pytest.mark.parametrize("paired", [False, True])
def test_a_gain_beyond_all_expectation_is_taken_as_read(*, paired: bool) -> None:
    belief = rule.begin([0.001, -0.0005, 0.0003], paired=paired)
    judgement = rule.judge(belief, [-1e9])
    assert (judgement.verdict, judgement.gain) == ("keep", pytest.approx(1e9))
    claim = rule.claim(rule.settle(belief, [-1e9], kept=True))
    assert claim.gain == pytest.approx(1e9)
    assert claim.probability == 1.0


@pytest.mark.parametrize("readings", [[1.0, 1.1], [1e160, 1.1e160], [1e308, -1e308]])
@pytest.mark.parametrize("candidate", [[1e308], [-1e308], [1e308, -1e308], [0.0]])
def test_the_largest_numbers_get_a_finite_verdict(
    readings: list[float], candidate: list[float]
) -> None:
    belief = rule.begin(readings)
    judgement = rule.judge(belief, candidate)
    assert all(math.isfinite(value) for value in judgement[1:])
    after = rule.settle(belief, candidate, kept=judgement.verdict == "keep")
    assert all(math.isfinite(value) for value in rule.claim(after))
