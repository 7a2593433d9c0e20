"""The figures and the sentence of a confirmation, without a campaign."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Sequence

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from agent_loops import confirmation, sentences
from agent_loops.confirmation import Figures, Subject, figures, holm, verdict
from agent_loops.objective import Direction
from agent_loops.sentences import sentence

MIN, MAX = Direction.MINIMIZE, Direction.MAXIMIZE
BETTER = (1.2101, 1.2120, 1.2089, 1.2110, 1.2099)
BEFORE = (1.2345, 1.2366, 1.2330, 1.2341, 1.2370)
ALIKE = (1.23, 1.22, 1.25, 1.21, 1.24), (1.22, 1.23, 1.24, 1.215, 1.26)


def found(candidate: Sequence[float], baseline: Sequence[float], way: Direction = MIN) -> Figures:
    result = figures(candidate, baseline, way)
    assert result is not None
    return result


def subject(
    candidate: Sequence[float],
    baseline: Sequence[float],
    *,
    recorded: float = 0.03,
    failures: tuple[str, ...] = (),
    remarks: tuple[str, ...] = (),
) -> Subject:
    return Subject(
        "#12", "val_bpb", figures(candidate, baseline, MIN), recorded, failures, remarks
    )  # fmt: skip


def test_figures_are_those_of_the_library() -> None:
    made = found(BETTER, BEFORE)
    gains = [old - new for new, old in zip(BETTER, BEFORE, strict=True)]
    test = stats.ttest_rel(BEFORE, BETTER)
    low, high = test.confidence_interval(0.95)
    assert made.gain == pytest.approx(statistics.mean(gains))
    assert made.deviation == pytest.approx(statistics.stdev(BETTER))
    assert made.baseline_deviation == pytest.approx(statistics.stdev(BEFORE))
    assert (made.low, made.high) == (pytest.approx(low), pytest.approx(high))
    assert made.t_p == pytest.approx(test.pvalue)
    assert made.rank_p == stats.wilcoxon(gains, method="exact").pvalue == 0.0625


def test_figures_of_an_example_worked_by_hand() -> None:
    """Gains 1, 2, 3, 4, 5: mean 3, deviation sqrt(2.5), standard error sqrt(.5), t = 4.2426."""
    made = found((9, 8, 7, 6, 5), (10, 10, 10, 10, 10))
    assert made.gain == 3
    assert made.gain_deviation == pytest.approx(math.sqrt(2.5))
    assert made.low == pytest.approx(3 - 2.776445 * math.sqrt(0.5), abs=1e-6)
    assert made.high == pytest.approx(3 + 2.776445 * math.sqrt(0.5), abs=1e-6)
    assert made.t_p == pytest.approx(0.013236, abs=1e-5)
    assert made.effect == pytest.approx(3 / math.sqrt(2.5) * (1 - 3 / 15))
    assert made.detectable == pytest.approx((2.776445 + 0.940965) * math.sqrt(0.5), abs=1e-5)
    assert made.rank_agrees


def test_what_is_said_to_be_detectable_is_detected_four_times_in_five() -> None:
    rng, hits, trials = random.Random(7), 0, 600
    wanted = stats.t.ppf([0.975, 0.8], 9).sum() / math.sqrt(10)  # for a deviation of 1
    for _ in range(trials):
        gains = [rng.gauss(wanted, 1) for _ in range(10)]
        hits += stats.ttest_1samp(gains, 0).pvalue < 0.05
    assert 0.75 < hits / trials < 0.85


@pytest.mark.parametrize("pairs", [5, 6, 12])
def test_pure_noise_is_seldom_called_improved(pairs: int) -> None:
    rng, claims, trials = random.Random(3), 0, 300
    for _ in range(trials):
        sides = [[rng.gauss(0, 1) for _ in range(pairs)] for _ in range(2)]
        claims += verdict(subject(*sides)) == "improved"
    assert claims / trials <= 0.03 + 0.02  # two deviations of the count


def test_ties_among_few_are_counted_exactly() -> None:
    """Gains 1, 1, 1, 1, 2: all better, so that 2 of the 32 ways of signs are as far out."""
    made = found((9, 9, 9, 9, 8), (10, 10, 10, 10, 10))
    assert made.rank_p == pytest.approx(0.0625)
    assert made.rank_agrees


def test_many_pairs_with_ties_and_zeros_are_ranked_too() -> None:
    made = found([9.0] * 10 + [10.0] * 4 + [8.0] * 10, [10.0] * 24)
    assert made.rank_p is not None
    assert made.rank_p < 0.001


def test_improved_says_figures_interval_and_tests() -> None:
    assert sentence(subject(BETTER, BEFORE)) == (
        "improved: #12 val_bpb 1.2350 ± 0.0017 → 1.2104 ± 0.0012 in 5 fresh runs each "
        "(gain 0.0247, 95% interval 0.0228 to 0.0265; paired t p < 0.0001, Wilcoxon p = 0.062)"
    )


def test_worse_is_not_improved() -> None:
    said = sentence(subject(BEFORE, BETTER))
    assert said.startswith("not improved: #12 val_bpb 1.2104 ± 0.0012 → 1.2350 ± 0.0017")
    assert "gain -0.0247, 95% interval -0.0265 to -0.0228" in said


def test_noise_is_inconclusive_and_says_what_could_have_been_told() -> None:
    said = sentence(subject(*ALIKE))
    assert said.startswith("inconclusive at this scale: #12 val_bpb 1.233 ± 0.018 → 1.230 ± 0.016")
    assert said.endswith("5 runs each could tell a difference of 0.022")


def test_a_gain_of_which_less_than_a_tenth_can_be_left_is_not_improved() -> None:
    candidate = (1.0001, 1.0, 0.9999, 1.0001, 1.0)
    made = subject(candidate, (1.0,) * 5, recorded=0.03)
    assert verdict(made) == "not improved"
    assert "less than a tenth of the recorded 0.03 is left" in sentence(made)
    assert verdict(made._replace(recorded=0.0001)) == "inconclusive"


def test_where_the_ranks_do_not_agree_nothing_is_claimed() -> None:
    """Four of five pairs are better: the t-test is sure (p = 0.018), the ranks are not."""
    made = subject([10 - gain for gain in (1, 1.1, 1.2, 1.3, -0.01)], [10.0] * 5)
    assert made.figures is not None
    assert made.figures.low is not None
    assert made.figures.low > 0
    assert (made.figures.rank_p, made.figures.rank_agrees) == (0.125, False)
    assert verdict(made) == "inconclusive"
    assert sentence(made).endswith("the rank test does not agree: the gain rests on few pairs")


@pytest.mark.parametrize(
    ("candidate", "word", "words"),
    [
        (1.0, "improved", "val_bpb 1.1 → 1 in 5 fresh runs each (gain 0.1, the same in every run"),
        (1.1, "not improved", "val_bpb 1.1 → 1.1 in 5 fresh runs each (gain 0, the same in every"),
        (1.2, "not improved", "(gain -0.1, the same in every run: no test is possible or needed"),
    ],
)
def test_a_deterministic_metric_is_said_as_it_is(candidate: float, word: str, words: str) -> None:
    said = sentence(subject([candidate] * 5, [1.1] * 5))
    assert said.startswith(f"{word}: ")
    assert words in said
    assert "says nothing of other seeds" in said


def test_the_same_difference_in_every_pair_needs_no_test() -> None:
    made = subject((1.0, 1.1, 1.2, 1.3, 1.4), (1.1, 1.2, 1.3, 1.4, 1.5))
    assert "gain 0.1, the same in every pair: no test is possible or needed)" in sentence(made)
    assert verdict(made) == "improved"


@pytest.mark.parametrize("pairs", [1, 2, 4])
def test_fewer_than_five_pairs_claim_nothing(pairs: int) -> None:
    made = subject(BETTER[:pairs], BEFORE[:pairs])
    assert verdict(made) == "inconclusive"
    assert "a claim needs at least 5 complete pairs" in sentence(made)


def test_code_that_crashed_has_not_improved() -> None:
    failed = ("2 of 7 runs of #12 crashed (CUDA out of memory)",)
    for sides in ((BETTER, BEFORE), ([1.0] * 5, [1.1] * 5)):
        made = subject(*sides, failures=failed)
        assert verdict(made) == "inconclusive"
        assert "2 of 7 runs of #12 crashed (CUDA out of memory)" in sentence(made)
    assert sentence(subject((), (), failures=failed)) == (
        "inconclusive at this scale: #12; 2 of 7 runs of #12 crashed (CUDA out of memory)"
    )
    assert "no pair of runs is complete" in sentence(subject((), ()))


def test_remarks_follow_and_the_rebaseline_is_named() -> None:
    made = subject(BETTER, BEFORE, remarks=("claim 2 on this code",))
    said = sentence(made._replace(since=" since the rebaseline"))
    assert said.startswith("improved since the rebaseline: #12 ")
    assert said.endswith("; claim 2 on this code")


def test_a_holdout_is_told_with_and_without_its_figures() -> None:
    training, holdout = subject(BETTER, BEFORE), subject(*ALIKE)._replace(metric="val_bpb on the x")
    whole = sentences.sentence_beside(holdout, training)
    assert whole.startswith("inconclusive at this scale: #12 val_bpb on the x 1.233")
    assert "; in training val_bpb 1.2350 ± 0.0017 → 1.2104 ± 0.0012" in whole
    public = sentences.sentence_without_figures(holdout, training)
    assert public.startswith(
        "inconclusive at this scale: #12 val_bpb on the x, 5 fresh runs each; its figures are for"
    )
    assert "1.23" not in public.partition("in training")[0]


def test_holm_corrects_step_by_step() -> None:
    assert holm([0.01, 0.04, 0.03]) == (pytest.approx(0.03), pytest.approx(0.06), 0.06)
    assert holm([0.5, 0.6]) == (1.0, 1.0)
    assert holm([]) == ()


def test_the_best_of_several_is_judged_by_corrected_p_values() -> None:
    alone = found((9.9, 8.5, 9.6, 8.9, 9.2), (10.0, 10.1, 9.9, 9.8, 10.0))
    assert alone.t_p is not None
    assert 0.01 < alone.t_p < 0.05
    noise = [found(*(side[i:] + side[:i] for side in ALIKE)) for i in range(4)]
    together = confirmation.corrected([alone, None, *noise])
    first = together[0]
    assert first is not None
    assert first.t_p == pytest.approx(5 * alone.t_p)
    assert together[1] is None
    assert first.rank_agrees == alone.rank_agrees
    one = Subject("#2", "m", alone, 1.0)
    assert verdict(one) == "improved"
    assert verdict(one._replace(figures=first, compared=5)) == "inconclusive"
    assert "corrected for 5 comparisons" in sentence(one._replace(figures=first, compared=5))


def test_how_many_pairs_would_tell() -> None:
    made = found([1 - gain for gain in (0.3, -0.1, 0.4, 0.2, -0.05)], [1.0] * 5)
    assert made.needed is not None
    assert 6 <= made.needed <= confirmation.MOST_PAIRS
    assert found(*ALIKE).needed is None  # a gain so small needs more than the most


def test_tiny_and_huge_metrics_are_readable() -> None:
    tiny = sentence(subject([1e-6, 2e-6, 1.5e-6, 1.1e-6, 1e-6], [3e-6, 3.1e-6, 3.3e-6, 3e-6, 4e-6]))
    assert "0.00000328 ± 0.00000042 → 0.00000132 ± 0.00000043" in tiny
    huge = sentence(subject([5e9, 5.1e9, 5.2e9, 5e9, 5e9], [6e9, 6.2e9, 6.1e9, 6e9, 6.3e9]))
    assert "6120000000 ± 130384048 → 5060000000 ± 89442719" in huge


def test_the_largest_numbers_break_nothing() -> None:
    made = found([1e308, -1e308, 1e308, 1e300, 1.0], [-1e308, 1e308, 1e308, 0.0, 5.0])
    assert verdict(Subject("#1", "m", made, 1.0)) == "inconclusive"


readings = st.floats(-1e6, 1e6, allow_nan=False).map(lambda value: round(value, 6))
pairs = st.lists(st.tuples(readings, readings), min_size=1, max_size=8)


@settings(deadline=None, max_examples=40)
@given(pairs)
def test_either_direction_is_the_same_with_its_sign_turned(both: list[tuple[float, float]]) -> None:
    new, old = [pair[0] for pair in both], [pair[1] for pair in both]
    turned = found([-value for value in new], [-value for value in old], MAX)
    straight = found(new, old, MIN)
    assert turned._replace(mean=-turned.mean, baseline_mean=-turned.baseline_mean) == straight


@settings(deadline=None, max_examples=40)
@given(pairs)
def test_swapped_sides_have_the_opposite_gain(both: list[tuple[float, float]]) -> None:
    new, old = [pair[0] for pair in both], [pair[1] for pair in both]
    one, other = found(new, old), found(old, new)
    assert other.gain == -one.gain
    assert other.gain_deviation == pytest.approx(one.gain_deviation)
    if one.low is not None and one.high is not None:
        assert other.low == pytest.approx(-one.high, rel=1e-6, abs=1e-12)
        assert (other.t_p, other.rank_p) == (pytest.approx(one.t_p), pytest.approx(one.rank_p))
    words = {verdict(Subject("#1", "m", item, 0.0)) for item in (one, other)}
    assert words != {"improved"}


@settings(deadline=None, max_examples=40)
@given(pairs, st.floats(0, 1e6))
def test_the_sentence_and_the_verdict_agree(both: list[tuple[float, float]], rec: float) -> None:
    made = subject([pair[0] for pair in both], [pair[1] for pair in both], recorded=rec)
    word = verdict(made)
    assert sentence(made).startswith(word)
    figs = made.figures
    assert figs is not None
    if word == "improved":
        assert figs.gain > 0
        assert figs.pairs >= 5
        assert all(new <= old for new, old in both) or len(both) > 5
    assume(figs.low is not None)
    assert figs.low is not None
    assert figs.high is not None
    assert figs.low <= figs.gain <= figs.high
    assert 0 <= (figs.t_p or 0.0) <= 1
    assert 0 < (figs.rank_p or 0.0) <= 1
