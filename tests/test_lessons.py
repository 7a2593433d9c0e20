"""Lessons: what a campaign's record shows, each naming its experiments, nothing invented."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from agent_loops import campaigns
from agent_loops.decide import CRASH, DISCARD, KEEP
from agent_loops.loop import Loop
from agent_loops.objective import Direction
from agent_loops.reporting import analysis_page, changes, lessons, own_ledger, summary_file
from agent_loops.reporting.changes import Change
from agent_loops.reporting.ledger import Claim, Ledger, Row
from agent_loops.reporting.lessons import Lessons
from support import PYTHON, Project, edit_block

TRAIN = """\
import os
LR = 0.0
DROPOUT = 0.5
seed = int(os.environ["AGENT_LOOPS_SEED"])
assert LR < 9, "far too high"
print(f"val_bpb: {2.0 - LR + DROPOUT + (seed * 37 % 11 - 5) / 1000:.6f}")
"""


def nothing(_: int) -> Change:
    return Change()


def learn(*rows: Row, change_of: Callable[[int], Change] = nothing, **more: object) -> Lessons:
    return lessons.learn(ledger(*rows)._replace(**more), change_of)


def ledger(*rows: Row) -> Ledger:
    baseline = Row(1, KEEP, "baseline", metric=2.0, text="2.0", is_baseline=True)
    return Ledger(
        tag="mar5", metric="val_bpb", direction=Direction.MINIMIZE, rows=(baseline, *rows),
        source="here", baseline=1,
    )  # fmt: skip


def row(
    number: int, status: str, description: str, gain: float | None = None, **more: object
) -> Row:
    return Row(number, status, description, gain=gain)._replace(**more)


def tried(project: Project, old: str, new: str, text: str) -> None:
    answer = project.call("try", text, "--edit", "-", stdin=edit_block("train.py", old, new))
    assert answer.code == 0, answer


def test_a_real_campaign_teaches_what_was_done_in_it(tmp_path: Path) -> None:
    project = Project(tmp_path / "a project", train=TRAIN)
    project.bind(run_cmd=f"{PYTHON} train.py", keep_rule="noise-aware", baseline_runs=3)
    project.baseline()
    tried(project, "LR = 0.0", "LR = 0.5", "twice as fast")
    tried(project, "DROPOUT = 0.5", "DROPOUT = 0.9", "more dropout")
    tried(project, "LR = 0.5", "LR = 9.5", "far higher")
    line = TRAIN.splitlines()[-1]
    tried(project, line, line.replace("2.0", "1.5"), "another sum")
    found = campaigns.find_project(project.root)
    run = Loop(campaigns.find_store(found), found.root, dict(os.environ))
    made = own_ledger.of(run, datetime.now(timezone.utc))
    learnt = lessons.learn(made, lambda number: changes.of(run.workspace, number))
    told = {item.name: (item.tried, item.kept, item.crashed) for item in learnt.categories}
    assert told["hyperparameters"] == (3, 2, 1)
    assert told["regularization"] == (1, 0, 0)
    assert [item.number for item in learnt.progression] == [2, 5]
    ((crash,),) = [item.numbers for item in learnt.crashes]
    assert crash == 4
    assert "far too high" in learnt.crashes[0].text
    # What changes the line that prints the metric is to be read first.
    assert learnt.to_review[0][0].number == 5
    assert "name val_bpb" in learnt.to_review[0][1]
    assert any("#4" in text and "Mend" in text for text in learnt.suggestions)
    assert dict(learnt.cost)["machine time"].endswith("runs")
    values = summary_file.values(made, learnt)
    assert json.loads(json.dumps(values, allow_nan=False)) == values
    assert values["gain_interval"][0] <= values["gain"] <= values["gain_interval"][1]
    assert values["cost"]["machine_s"] > 0


def test_a_category_is_told_by_what_its_kept_ideas_gained() -> None:
    learnt = learn(
        row(2, KEEP, "depth 9", 0.01), row(3, KEEP, "depth 10", 0.2), row(4, KEEP, "lr 0.1", 0.05),
        row(5, DISCARD, "lr 0.2", -0.1), row(6, CRASH, "depth 99"),
    )  # fmt: skip
    first, second = learnt.categories
    assert (first.name, first.tried, first.kept, first.crashed) == ("architecture", 3, 2, 1)
    assert first.largest is not None
    assert first.largest.number == 3
    assert abs(first.gain - 0.21) < 1e-12
    assert (second.name, second.gain) == ("hyperparameters", 0.05)


def test_what_did_not_work_is_a_pattern_only_from_three_ideas_on() -> None:
    two = [row(n, DISCARD, f"dropout 0.{n}", -0.1) for n in (2, 3)]
    assert learn(*two).failed == ()
    learnt = learn(*two, row(4, DISCARD, "dropout 0.4", -0.2))
    assert [(item.text, item.numbers) for item in learnt.failed] == [
        ("regularization: none of 3 ideas was kept", (2, 3, 4))
    ]
    assert learnt.dead_ends[0].text == "dropout: 3 tried, none kept (0.2, 0.3, 0.4)"


def test_discards_for_other_reasons_and_those_the_noise_hid_are_patterns() -> None:
    learnt = learn(
        row(2, DISCARD, "lr 1", 0.1, kind="over budget"),
        row(3, DISCARD, "depth 2", 0.0, kind="equal", gain_low=-0.1, gain_high=0.2),
        row(4, DISCARD, "lr 3", -0.3, kind="worse", gain_low=-0.4, gain_high=-0.2),
    )
    assert [item.numbers for item in learnt.failed] == [(2,), (3,)]
    assert "over budget" in learnt.failed[0].text


def test_crashes_are_grouped_by_reason_and_the_mended_ones_named() -> None:
    learnt = learn(
        row(2, CRASH, "wide", kind="idea", reason="out of memory: 12 GiB"),
        row(3, CRASH, "wider", kind="idea", reason="out of memory: 24.5 GiB"),
        row(4, KEEP, "Wide, mended", 0.1),
        row(5, CRASH, "lr 9", kind="idea", reason="NaN"),
    )
    memory, nan = learnt.crashes
    assert memory.numbers == (2, 3)
    assert memory.text.endswith("mended: #2 by #4")
    assert nan.numbers == (5,)
    (mend,) = [text for text in learnt.suggestions if text.startswith("Mend")]
    assert "#3" in mend
    assert "#5" in mend
    assert "#2" not in mend


def test_a_crash_that_stands_alone_is_named_once() -> None:
    (nan,) = learn(row(2, CRASH, "lr 9", reason="NaN"), row(3, KEEP, "lr 9, clipped", 0.1)).crashes
    assert (nan.text, nan.numbers) == ("NaN; mended by #3", (2,))


def test_a_baseline_that_crashed_is_a_crash_and_comes_first() -> None:
    crashed = Row(1, CRASH, "baseline", reason="No module named torch", is_baseline=True)
    whole = ledger()._replace(rows=(crashed,), baseline=None, state="active")
    learnt = lessons.learn(whole, nothing)
    assert [item.numbers for item in learnt.crashes] == [(1,)]
    assert learnt.suggestions == (
        "Mend what crashed, then measure the code as it stands: `agent-loops try baseline`.",
    )
    again = Row(2, "open", "baseline", is_baseline=True)
    learnt = lessons.learn(whole._replace(rows=(crashed, again)), nothing)
    assert "mended" not in learnt.crashes[0].text
    assert lessons.learn(whole._replace(rows=()), nothing).suggestions == (
        "Measure the code as it stands: `agent-loops try baseline`.",
    )


def test_near_misses_are_the_closest_that_were_not_kept() -> None:
    learnt = learn(
        row(2, KEEP, "lr 1", 0.2), row(3, DISCARD, "lr 2", -0.05), row(4, DISCARD, "depth 3", 0.01),
        row(5, DISCARD, "depth 4", -0.4), row(6, DISCARD, "depth 5", None),
        row(7, DISCARD, "dropout 0.3", -0.3, noise=0.5),
    )  # fmt: skip
    assert [item.number for item in learnt.near_misses] == [4, 3, 7]
    assert learnt.suggestions[0] == "Try near misses together: #4 (depth 3) and #3 (lr 2)."


def test_diminishing_returns_are_told_by_thirds() -> None:
    gains = [0.5, 0.3, 0.2, 0.1, -1, -1, 0.01, -1, -1]
    rows = [
        row(n, KEEP if gain > 0 else DISCARD, f"lr {n}", gain) for n, gain in enumerate(gains, 2)
    ]
    said = learn(*rows).diminishing
    assert "the first (#2 to #4) 1, the second (#5 to #7) 0.1, the last (#8 to #10) 0.01" in said
    assert "returns diminish, the last third brought 1%" in said
    assert said.endswith("nothing was kept in the 2 ideas since #8.")
    assert learn(*rows[:8]).diminishing == "8 ideas are too few to tell."
    assert "None of 9" in learn(*(item._replace(status=DISCARD) for item in rows)).diminishing


def test_kept_changes_that_touch_the_measurement_come_first() -> None:
    lines = {
        2: ("--- /dev/null", "+++ b/x.py", "+x = 1"),
        3: ("--- a/t.py", "+++ b/t.py", "-eval_batches = 9", "+eval_batches = 3"),
        4: ("--- a/t.py", "+++ b/t.py", "-lr = 9", "+lr = 3"),
        5: ("--- a/t.py", "+++ b/t.py", "-random.seed(1)", "+random.seed(2)"),
        6: (),
    }
    note = "changes lines that name val_bpb (t.py:4): look whether the measurement is the same"
    learnt = learn(
        row(2, KEEP, "a", 0.1), row(3, KEEP, "b", 0.1), row(4, KEEP, "c", 0.1),
        row(5, KEEP, "d", 0.1, override_why="simpler"), row(6, KEEP, "e", 0.1, notes=("x", note)),
        row(7, DISCARD, "f", -0.1, override_why="no", lines_added=99),
        change_of=lambda number: Change(lines.get(number, ())),
    )  # fmt: skip
    assert [item.number for item, _ in learnt.to_review] == [6, 5, 3, 2]
    whys = {item.number: why for item, why in learnt.to_review}
    assert whys[6] == note
    assert whys[5] == "its verdict was overridden: simpler; its changed lines name seed"
    assert whys[3] == "its changed lines name eval"
    assert whys[2] == "it adds a file"


def test_long_and_unreadable_kept_changes_are_to_be_read() -> None:
    learnt = learn(
        row(2, KEEP, "a", 0.1, lines_added=30, lines_removed=5),
        row(3, KEEP, "b", 0.1, lines_added=19),
        change_of=lambda number: Change(problem="damaged") if number == 3 else Change(),
    )
    assert {item.number: why for item, why in learnt.to_review} == {
        2: "it makes the code 25 lines longer",
        3: "its change cannot be read: damaged",
    }


def test_suggestions_name_what_pays_what_is_untried_and_a_long_standstill() -> None:
    rows = [row(2, KEEP, "lr 1", 0.2), row(3, KEEP, "lr 2", 0.1), row(4, DISCARD, "lr 3", -0.5)]
    rows += [row(n, DISCARD, f"depth {n}", -0.5) for n in range(5, 16)]
    said = "\n".join(learn(*rows).suggestions)
    assert "Go on with hyperparameters: 2 of 3 kept, where 2 of 14 were in all" in said
    assert "most was gained by #2 (lr 1)" in said
    assert "no simplification was tried" in said
    assert "No idea yet was about optimizer, schedule, " in said
    assert "Leave alone what was tried in vain: depth." in said
    assert "The last 12 ideas brought nothing" in said
    assert learn().suggestions == ()


def test_an_undecided_gain_is_worth_another_measurement() -> None:
    rows = [
        row(2, DISCARD, "lr 1", 0.01, gain_low=-0.1, gain_high=0.12),
        row(3, DISCARD, "lr 2", 0.02, gain_low=-0.1, gain_high=0.3),
        row(4, DISCARD, "lr 3", -0.2, gain_low=-0.9, gain_high=0.9),
    ]
    assert "Measure #3 (lr 2) again: its gain is -0.1 to 0.3 (90%)." in learn(*rows).suggestions


def test_cost_is_what_is_known_and_per_percent_only_of_a_gain() -> None:
    rows = [row(2, KEEP, "lr 1", 0.2, machine_s=600.0, runs=2), row(3, CRASH, "x", machine_s=200.0)]
    told = dict(learn(*rows, active_s=1600.0, gain=0.2).cost)
    assert told["machine time"] == "13.3 min in 2 runs"
    assert told["on crashes"] == "3.3 min (25%)"
    assert told["time it was active"] == "26.7 min"
    assert told["per percent gained"] == "80.0 s (as recorded, not confirmed)"
    sure = dict(learn(*rows, claim=Claim(0.2, 0.1, 0.4, 0.99)).cost)
    assert sure["per percent gained"] == "80.0 s (90%: 40.0 s to 2.7 min)"
    for claim in (Claim(0.2, -0.1, 0.4, 0.8), Claim(-0.1, -0.2, 0.0, 0.1)):
        assert "per percent gained" not in dict(learn(*rows, claim=claim).cost)
    assert learn(row(2, KEEP, "lr 1", 0.2)).cost == ()


def test_campaigns_without_ideas_or_keeps_teach_that() -> None:
    for rows in ((), (row(2, CRASH, "x"),), (row(2, DISCARD, "lr 1", -0.1),)):
        learnt = learn(*rows)
        assert learnt.progression == ()
        assert learnt.to_review == ()
        json.dumps(summary_file.values(ledger(*rows), learnt), allow_nan=False)


def test_ten_thousand_experiments_are_learnt_from() -> None:
    kinds = (KEEP, DISCARD, CRASH, DISCARD)
    rows = [
        row(n, kinds[n % 4], f"lr {n} and depth {n % 97}", 0.01, reason=f"reason {n % 7}")
        for n in range(2, 10_001)
    ]
    lines = ("--- a/t.py", "+++ b/t.py", *["-lr = 1", "+lr = 2"] * 20)
    learnt = learn(*rows, change_of=lambda _: Change(lines))
    assert sum(item.tried for item in learnt.categories) == 9_999


def test_gains_are_summed_over_what_came_since_the_rebaseline() -> None:
    anew = row(4, KEEP, "baseline", is_baseline=True, epoch=1, machine_s=100.0)
    rows = (
        row(2, KEEP, "depth 9", 7.0, machine_s=900.0), row(3, KEEP, "lr 0.1", 0.5), anew,
        row(5, KEEP, "depth 10", 0.2, epoch=1, machine_s=100.0),
        *(row(n, DISCARD, f"lr {n}", -0.1, epoch=1) for n in range(6, 14)),
    )  # fmt: skip
    learnt = learn(*rows, baseline=4, gain=0.2)
    told = {item.name: (item.kept, item.gain, item.largest) for item in learnt.categories}
    assert told["architecture"] == (2, 0.2, rows[3])
    assert told["hyperparameters"] == (1, 0.0, None)
    assert learnt.diminishing.startswith(
        "Of thirds of the ideas since the rebaseline, the first (#5 to #7) 0.2, "
    )
    page = analysis_page.render(ledger(*rows)._replace(baseline=4), learnt)
    assert "gained since the rebaseline" in page
    assert "| hyperparameters | 9 | 1 |  |  |" in page


def test_a_percent_costs_the_machine_time_since_the_rebaseline() -> None:
    anew = row(3, KEEP, "baseline", is_baseline=True, epoch=1, metric=2.0, machine_s=100.0)
    better = row(4, KEEP, "lr 0.2", 0.2, epoch=1, machine_s=100.0)
    learnt = learn(row(2, KEEP, "lr 0.1", machine_s=9000.0), anew, better, baseline=3, gain=0.2)
    assert dict(learnt.cost)["per percent gained"].startswith("20.0 s ")


def test_an_idea_that_was_taken_out_again_is_no_win() -> None:
    rows = (
        row(2, KEEP, "depth 9", 0.3), row(3, KEEP, "depth 10", 0.1),
        row(4, KEEP, "without #2", 0.0, takes_back=2),
        row(5, DISCARD, "without #3", -0.1, takes_back=3),
    )  # fmt: skip
    learnt = learn(*rows)
    (only,) = learnt.categories
    assert (only.tried, only.kept, only.gain, only.largest) == (2, 1, 0.1, rows[1])
    worked = analysis_page.render(ledger(*rows), learnt).partition("## What Didn't Work")[0]
    assert "#3 depth 10" in worked
    assert "#2" not in worked


def test_the_progression_is_in_the_order_of_the_experiments() -> None:
    anew = row(4, KEEP, "baseline", is_baseline=True, epoch=1)
    rows = (row(2, KEEP, "lr 0.1", 0.1), row(3, KEEP, "lr 0.2", 0.1), anew,
            row(5, KEEP, "lr 0.3", 0.1, epoch=1))  # fmt: skip
    whole = ledger(*rows)._replace(baseline=4)
    page = analysis_page.render(whole, lessons.learn(whole, nothing))
    table = page.partition("## Metric Progression")[2].partition("##")[0]
    assert [line.split()[1] for line in table.splitlines() if line[:3] > "| 0"][:6] == [
        "1", "2", "3", "4", "5"
    ]  # fmt: skip
