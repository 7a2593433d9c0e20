"""When a run is hopeless, and when it only looks so; on curves alone, without a run."""

from __future__ import annotations

import bisect
import math
import random
from collections.abc import Callable, Mapping, Sequence

import pytest

from agent_loops.curves import Broken, Curve, Progress, Track
from agent_loops.pruning import DIVERGED, FAR_WORSE, Finding, Judge, Terms, ended, let_go_on

BUDGET_S = 300.0
Shape = Callable[[float], float]


def falling(x: float) -> float:
    """A usual training loss by the share of the budget."""
    return 3 + 5 * (1 + 60 * x) ** -0.5


def curve(
    shape: Shape = falling, *, every_s: float = 2.0, noise: float = 0.0, seed: int = 0
) -> Curve:
    rng = random.Random(seed)
    times = [every_s * n for n in range(1, int(BUDGET_S / every_s))]
    return Curve([(at, shape(at / BUDGET_S) + rng.gauss(0, noise)) for at in times])


def kept_runs(
    count: int = 3,
    *,
    name: str = "loss",
    silence_s: float = 3.0,
    spread: float = 0.01,
    **more: float,
) -> list[Progress]:
    """Runs that were kept, each a little apart from the others."""
    return [
        Progress(
            BUDGET_S,
            silence_s,
            {name: curve(lambda x, n=n: falling(x) + spread * n, seed=n, **more)},  # type: ignore[misc, arg-type]
        )
        for n in range(count)
    ]


def judge(kept: Sequence[Progress] | None = None, **terms: object) -> Judge:
    values = {"metric": "val_bpb", "lower_is_better": True, "budget_s": BUDGET_S}
    values["longest_s"] = BUDGET_S
    values |= {"kept": kept_runs() if kept is None else kept, **terms}
    return Judge(Terms(**values))  # type: ignore[arg-type]


def until(whole: Curve, now_s: float) -> Curve:
    return Curve(whole.points[: bisect.bisect_right(whole.points, (now_s, math.inf))])


def condemned(
    judging: Judge, whole: Curve | Mapping[str, Curve], *, every_s: float = 3.0
) -> tuple[str, float]:
    """What it was condemned for in a run that is looked at all the time, and when."""
    curves = {"loss": whole} if isinstance(whole, Curve) else whole
    for look in range(1, int(BUDGET_S / every_s)):
        now_s = look * every_s
        kind, said = judging.behind({name: until(c, now_s) for name, c in curves.items()}, now_s)
        if kind:
            assert said
            return kind, now_s
    return "", BUDGET_S


# ---- far worse ---------------------------------------------------------------------------------


def test_a_run_that_learns_nothing_is_ended_soon_after_two_fifths() -> None:
    kind, at_s = condemned(judge(), curve(lambda x: max(falling(x), 7.0), noise=0.05))
    assert kind == FAR_WORSE
    assert 0.4 * BUDGET_S < at_s < 0.5 * BUDGET_S


def test_what_is_said_names_both_values() -> None:
    stuck = curve(lambda x: max(falling(x), 7.0))
    _, said = judge().behind({"loss": until(stuck, 150)}, 150)
    assert said == "loss 7 where every kept run had at most 3.939"


def test_a_metric_that_is_to_grow_is_judged_the_other_way_round() -> None:
    kept = [
        Progress(BUDGET_S, 3, {"acc": curve(lambda x: 100 - 10 * falling(x), seed=n, noise=0.01)})
        for n in range(3)
    ]
    judging = judge(kept, metric="acc", lower_is_better=False)
    assert condemned(judging, {"acc": curve(lambda x: min(100 - 10 * falling(x), 30))})[0]
    assert condemned(judging, {"acc": curve(lambda x: 105 - 10 * falling(x))})[0] == ""
    stuck = {"acc": until(curve(lambda x: min(100 - 10 * falling(x), 30)), 150)}
    assert "where every kept run had at least 60" in judging.behind(stuck, 150)[1]


INNOCENT: dict[str, Shape] = {
    "as the others": falling,
    "better": lambda x: falling(x) - 0.5,
    "a little worse": lambda x: falling(x) + 0.3,
    "begins far above": lambda x: falling(x) + 30 * math.exp(-20 * x),
    "falls evenly": lambda x: 8 - 5 * x,
    "at half the speed": lambda x: falling(x / 2),
    "waits for a fifth": lambda x: falling(max(0.0, x - 0.2)),
    "another exponent": lambda x: 2 + 6 * (1 + 60 * x) ** -0.35,
    "a jump": lambda x: falling(x) + (5.0 if 0.5 < x < 0.52 else 0.0),
    "late gains": lambda x: falling(x) + 0.9 - 2.2 * max(0.0, x - 0.5),
    "noisy": lambda x: falling(x) + 0.4 * math.sin(4001 * x),
}


@pytest.mark.parametrize("name", INNOCENT)
@pytest.mark.parametrize("count", [2, 3, 6])
def test_the_innocent_go_on(name: str, count: int) -> None:
    assert condemned(judge(kept_runs(count)), curve(INNOCENT[name], noise=0.02)) == ("", BUDGET_S)


STUCK = curve(lambda x: max(falling(x), 7.0))


@pytest.mark.parametrize(
    ("judging", "curves"),
    [
        pytest.param(judge(kept_runs(1)), {"loss": STUCK}, id="one kept run tells no spread"),
        pytest.param(judge([]), {"loss": STUCK}, id="no kept run"),
        pytest.param(judge(kept_runs(2, spread=0.4)), {"loss": STUCK}, id="two that lie far apart"),
        pytest.param(judge(by_pace=False), {"loss": STUCK}, id="the schedule was touched"),
        pytest.param(judge(by_loss=False), {"loss": STUCK}, id="the loss means something else"),
        pytest.param(judge(by_value=False), {"loss": STUCK}, id="the metric is a speed"),
        pytest.param(judge(budget_s=0.0), {"loss": STUCK}, id="nobody knows how long it takes"),
        pytest.param(judge(), {"train_loss": STUCK}, id="it is called otherwise now"),
        pytest.param(judge(), {}, id="nothing is printed"),
        pytest.param(judge(), {"loss": Curve(STUCK.points[::40])}, id="it is printed three times"),
        pytest.param(
            judge([*kept_runs(), Progress(BUDGET_S, 3, {})]), {"loss": STUCK},
            id="a kept run printed nothing",
        ),
        pytest.param(
            judge([Progress(BUDGET_S, 3, {"loss": curve(lambda x: 2 + 0 * x, noise=0.3, seed=n)})
                   for n in range(4)]), {"loss": STUCK}, id="no progress in the kept runs either",
        ),
        pytest.param(
            judge([Progress(BUDGET_S, 3, {"loss": curve(lambda x: 8 - falling(x), seed=n)})
                   for n in range(4)]), {"loss": STUCK}, id="a loss that grows by nature",
        ),
        pytest.param(
            judge([Progress(BUDGET_S, 3, {"loss": curve(), "val_loss": curve()})] * 3),
            {"loss": STUCK, "val_loss": curve()}, id="the other loss is as it should be",
        ),
        pytest.param(
            judge([Progress(BUDGET_S, 3, {"loss": curve(), "val_bpb": curve()})] * 3),
            {"loss": STUCK, "val_bpb": curve()}, id="the metric itself is as it should be",
        ),
    ],
)  # fmt: skip
def test_where_curves_say_nothing_nobody_is_ended(judging: Judge, curves: dict[str, Curve]) -> None:
    assert condemned(judging, curves) == ("", BUDGET_S)


def test_the_metric_printed_on_the_way_may_be_compared_though_the_loss_changed() -> None:
    kept = kept_runs(name="val_bpb")
    assert condemned(judge(kept, by_loss=False), {"val_bpb": STUCK})[0] == FAR_WORSE


def test_pauses_do_not_count() -> None:
    """Half of the time until now went into compiling: what it shows is what was to be expected."""
    begins = curve(falling, every_s=1.0)
    late = Curve([(at + 100, value) for at, value in begins.points if at + 100 < BUDGET_S])
    assert condemned(judge(), late) == ("", BUDGET_S)
    evaluates = Curve([(at + 12 * (at // 20), value) for at, value in begins.points])
    assert condemned(judge(), evaluates) == ("", BUDGET_S)


def test_a_run_that_the_clock_does_not_end_may_be_slower() -> None:
    slow = curve(lambda x: falling(x / 4))
    assert condemned(judge(), slow)[0] == FAR_WORSE
    assert condemned(judge(longest_s=4 * BUDGET_S), slow) == ("", BUDGET_S)
    assert condemned(judge(longest_s=2 * BUDGET_S), STUCK)[0] == FAR_WORSE


def test_the_end_of_a_run_is_left_to_its_reading() -> None:
    breaks = curve(lambda x: falling(x) if x < 0.88 else 8.0)
    assert condemned(judge(), breaks) == ("", BUDGET_S)


# ---- diverged ----------------------------------------------------------------------------------


def exploding(x: float) -> float:
    return falling(x) if x < 0.3 else falling(0.3) * math.exp(12 * (x - 0.3))


def test_a_loss_far_beyond_all_that_was_seen_and_rising_is_ended_whatever_was_changed() -> None:
    kind, at_s = condemned(judge(by_pace=False), curve(exploding))
    assert kind == DIVERGED
    assert at_s > 0.4 * BUDGET_S
    _, said = judge(by_pace=False).behind({"loss": until(curve(exploding), 160)}, 160)
    assert said == "loss 51.58 and rising, where it began with 6.727"


def test_a_loss_that_jumped_and_falls_again_is_not() -> None:
    peak = curve(lambda x: falling(x) + 60 * max(0.0, 0.7 - abs(x - 0.3)))
    assert condemned(judge(by_pace=False), peak) == ("", BUDGET_S)


def broken(**changes: object) -> Broken:
    values = {"name": "loss", "value": math.nan, "since_s": 40.0, "last_s": 50.0, "times": 9}
    values |= {"step": "step 40", "was_finite": True, **changes}
    return Broken(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (broken(), "loss is nan since step 40"),
        (broken(step=""), "loss is nan after 40 s"),
        (broken(value=math.inf), "loss is inf since step 40"),
        (broken(was_finite=False), "loss is nan since step 40"),  # in every kept run it was finite
        (broken(name="val_loss"), "val_loss is nan since step 40"),
        (broken(name="val_loss", was_finite=False), ""),
        (broken(times=1), ""),
        (broken(last_s=42.0), ""),
        (broken(value=math.inf, was_finite=False), ""),
        (broken(value=math.inf, name="ppl"), ""),
    ],
)
def test_a_value_that_is_not_finite_any_more(found: Broken, said: str) -> None:
    """At any time; one alone may be a batch that is skipped."""
    assert judge().non_finite([found], {"loss": until(curve(), 38)}) == said


def test_a_value_that_is_shown_for_long_must_be_lost_for_longer() -> None:
    """A bar may repeat one value of a slow step many times."""
    slow = {"loss": curve(every_s=20.0)}
    assert judge().non_finite([broken()], slow) == ""
    assert judge().non_finite([broken(last_s=101.0)], slow)


def test_where_kept_runs_lose_it_too_it_says_nothing() -> None:
    kept = [Progress(BUDGET_S, 3, {"loss": curve()._replace(non_finite=1)})]
    assert judge(kept).non_finite([broken()], {}) == ""
    assert judge(by_value=False).non_finite([broken()], {}) == ""


# ---- stalled -----------------------------------------------------------------------------------


LONG = kept_runs(silence_s=20)
QUICK = [run._replace(wall_s=8, longest_silence_s=0.2) for run in kept_runs()]


@pytest.mark.parametrize(
    ("judging", "now_s", "last_s", "said"),
    [
        (judge(), 160, 120, "no output for 40 s, where no kept run paused for over 3.0 s"),
        (judge(), 160, 135, ""),  # less than a tenth of the budget
        (judge(), 119, 10, ""),  # the first two fifths
        (judge(LONG), 200, 110, ""),  # less than five times theirs
        (judge(LONG), 215, 110, "no output for 105 s, where no kept run paused for over 20.0 s"),
        (judge(kept_runs(silence_s=50)), 299, 10, ""),  # silent by nature
        (judge(kept_runs(1)), 299, 10, ""),
        (judge(by_silence=False), 299, 10, ""),
        (
            judge(by_pace=False, by_loss=False, by_value=False),
            160,
            120,
            "no output for 40 s, where",
        ),
        (judge(QUICK, budget_s=8.0), 7, 2.5, ""),  # a machine may be busy for some seconds
    ],
)
def test_a_silence(judging: Judge, now_s: float, last_s: float, said: str) -> None:
    found = judging.silent(now_s, last_s)
    assert found.startswith(said)
    assert bool(found) == bool(said)


# ---- words -------------------------------------------------------------------------------------


def test_a_finding_is_one_plain_line() -> None:
    worse = Finding(
        FAR_WORSE, "loss 4.31 where every kept run had at most 3.35", 126, is_crash=False
    )
    assert ended(worse, 300) == (
        "pruned at 2.1 of 5 min: loss 4.31 where every kept run had at most 3.35"
    )
    lost = Finding(DIVERGED, "loss is nan since step 40", 9, is_crash=True)
    assert ended(lost, 300) == "diverged: loss is nan since step 40 (ended early)"
    assert let_go_on(lost, 8.5) == (
        "looked hopeless at 9.0 of 8.5 s, let go on for the count: loss is nan since step 40"
    )
    assert ended(worse._replace(at_s=7200), 36000).startswith("pruned at 2.0 of 10 h: ")


# ---- how often it is wrong ---------------------------------------------------------------------


def family(rng: random.Random) -> Callable[[], Curve]:
    """A random kind of training; what it makes differs as its repeated runs do.

    Their speed, their offset and their drift, independent or lasting noise, with outliers or not.
    """
    a, b, p, c = rng.uniform(0, 4), rng.uniform(0.5, 8), rng.uniform(0.2, 1.5), rng.uniform(1, 30)
    shapes: list[Shape] = [
        lambda t: a + b * ((t + c) / c) ** -p,
        lambda t: a + b * math.exp(-t / (20 * c)),
        lambda t: a + b * math.exp(-t / 2),
        lambda t: a + b * (1 - t / BUDGET_S),
        lambda t: a + b * (0.3 if t > 0.55 * BUDGET_S else 1) * math.exp(-t / BUDGET_S),
    ]
    shape = rng.choice(shapes)
    between, within = b * 10 ** rng.uniform(-4, -0.5), b * 10 ** rng.uniform(-4, -0.3)
    lasting, jitter = rng.choice([0, 0, 0.9]), rng.choice([0, 0.02, 0.1, 0.2])
    every_s, heavy = rng.choice([3.0, 10.0, 20.0]), rng.random() < 0.3

    def one() -> Curve:
        offset, drift, start_s = rng.gauss(0, between), rng.gauss(0, between), rng.uniform(1, 20)
        speed, held, points, at = math.exp(rng.gauss(0, jitter)), 0.0, [], start_s
        while at < BUDGET_S:
            shock = rng.gauss(0, 1) / (math.sqrt(rng.gammavariate(1.5, 2 / 3)) if heavy else 1)
            held = lasting * held + math.sqrt(1 - lasting**2) * shock
            value = shape((at - start_s) * speed) + offset + drift * at / BUDGET_S + within * held
            points.append((at, value))
            at += every_s
        return Curve(points)

    return one


@pytest.mark.parametrize("count", [2, 3, 5])
def test_of_runs_like_the_kept_ones_under_one_in_a_hundred_is_ended(count: int) -> None:
    rng = random.Random(count)
    runs = wrong = 0
    for _ in range(60):
        one = family(rng)
        judging = judge([Progress(BUDGET_S, 20, {"loss": one()}) for _ in range(count)])
        for _ in range(4):
            runs += 1
            wrong += condemned(judging, one(), every_s=15.0)[0] != ""
    assert wrong / runs < 0.01


def test_of_other_trainings_most_that_end_badly_are_ended_and_hardly_any_that_end_well(
    record_property: Callable[[str, object], None],
) -> None:
    """Ideas of another exponent, level, speed and start, against runs with a little noise."""
    rng = random.Random(3)

    def training(a: float, b: float, c: float, p: float, start_s: float, speed: float) -> Curve:
        times = [start_s + 2 * n for n in range(int((BUDGET_S - start_s) / 2))]
        return Curve([
            (at, a + b * (((at - start_s) * speed + c) / c) ** -p + rng.gauss(0, b / 200))
            for at in times
        ])  # fmt: skip

    def end(whole: Curve) -> float:
        return Track(whole, sign=1, window_s=15).last

    good = wrong = bad = caught = 0
    for _ in range(60):
        a, b, c, p = rng.uniform(0, 3), rng.uniform(1, 8), rng.uniform(1, 20), rng.uniform(0.2, 1.2)
        curves = [training(a + rng.gauss(0, b / 500), b, c, p, 15, 1) for _ in range(4)]
        judging = judge([Progress(BUDGET_S, 20, {"loss": item}) for item in curves])
        worst = max(map(end, curves))
        for _ in range(4):
            idea = training(
                a * rng.uniform(0.6, 1.3), b * rng.uniform(0.5, 2.5), c * math.exp(rng.gauss(0, 1)),
                p * math.exp(rng.gauss(0, 0.4)), 15 + rng.expovariate(1 / 20),
                math.exp(rng.gauss(-0.5, 0.5)),
            )  # fmt: skip
            is_ended = condemned(judging, idea, every_s=15.0)[0] != ""
            if end(idea) < worst:
                good, wrong = good + 1, wrong + is_ended
            else:
                bad, caught = bad + 1, caught + is_ended
    record_property("figures", f"wrongly ended {wrong} of {good}, rightly {caught} of {bad}")
    assert wrong / good < 0.02
    assert caught / bad > 0.3
