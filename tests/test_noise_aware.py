"""The noise-aware rule in real campaigns: how often code is run, what is kept, what is said."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from support import Project

# Each run draws its own noise, as training does: by a counter beside the code, so that a test
# knows the readings.
NOISY = """\
import pathlib

LR = 0.01
DRAWS = [0.0, 0.9, -0.7, 0.4, -1.1, 0.3, 1.0, -0.2, -0.9, 0.6, 0.1, -0.5]

if __name__ == "__main__":
    runs = pathlib.Path("runs.json")
    n = int(runs.read_text()) if runs.exists() else 0
    runs.write_text(str(n + 1))
    noise = 0.002 * DRAWS[n % len(DRAWS)]
    print(f"val_bpb: {1.0 + abs(LR - 0.05) + noise:.6f}")
"""
EDIT = """\
train.py
<<<<<<< SEARCH
LR = {old}
=======
LR = {new}
>>>>>>> REPLACE
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "a project", train=NOISY)
    made.bind(keep_rule="noise-aware", compare="single")
    return made


def move(project: Project, old: str, new: str) -> Any:
    """One experiment that changes LR; returns its answer."""
    answer = project.ask("try", f"lr {new}", "--edit", "-", stdin=EDIT.format(old=old, new=new))
    assert answer.code == 0, answer
    return answer


def runs(project: Project, experiment: int) -> list[tuple[str, int | None]]:
    """Purpose and whose code, of each run."""
    return [
        (event["purpose"], event["code_of"])
        for event in project.journal()
        if event["event"] == "run_started" and event["experiment"] == experiment
    ]


def test_a_short_baseline_is_run_five_times_and_a_deterministic_one_tells_no_noise(
    tmp_path: Path,
) -> None:
    project = Project(tmp_path / "p")
    project.bind(keep_rule="noise-aware")
    project.baseline()
    assert runs(project, 1) == [("measure", None)] + [("repeat", None)] * 4
    answer = project.ask("try", "wider", "--edit", "-", stdin=EDIT.format(old="0.01", new="0.02"))
    assert (answer["status"], answer["kind"]) == ("keep", "better")
    assert answer["gain"] == {
        "gain": pytest.approx(0.01), "low": pytest.approx(0.01), "high": pytest.approx(0.01),
        "probability": 1.0, "worse": 0.0, "noise": 0.0, "readings": 1,
    }  # fmt: skip
    assert runs(project, 2) == [("measure", None)]  # nothing more could be learnt
    worse = project.ask("try", "back", "--edit", "-", stdin=EDIT.format(old="0.02", new="0.015"))
    assert (worse["status"], worse["kind"]) == ("discard", "worse")


@pytest.mark.parametrize(("bound", "count"), [(1, 1), (3, 3), (None, 5)])
def test_baseline_runs_says_how_often(project: Project, bound: int | None, count: int) -> None:
    project.bind(keep_rule="noise-aware", baseline_runs=bound)
    project.baseline()
    assert len(runs(project, 1)) == count


def test_a_clear_gain_is_kept_and_a_clear_loss_is_not_each_with_its_interval(
    project: Project,
) -> None:
    project.baseline()
    kept = move(project, "0.01", "0.045")
    assert (kept["status"], kept["kind"]) == ("keep", "better")
    gain = kept["gain"]
    assert gain["low"] < gain["gain"] < gain["high"]
    assert 0 < gain["noise"] < 0.02
    lost = move(project, "0.045", "0.3")
    assert (lost["status"], lost["kind"]) == ("discard", "worse")
    assert lost["gain"]["high"] < 0
    text = project.call("show", "2").out
    assert "(gain 0.0" in text
    assert "90%:" in text
    status = project.ask("status")
    low, high = status["gain_interval"]
    assert low < 0.035 < high
    assert status["gain_probability"] > 0.9
    assert "over the baseline, 90%:" in project.call("status").out


def test_what_is_larger_is_better_where_it_is_maximized(project: Project) -> None:
    project.edit("1.0 + abs(LR - 0.05) + noise", "1.0 - abs(LR - 0.05) + noise")
    project.bind(keep_rule="noise-aware", compare="single", metric_direction="maximize")
    project.baseline()
    assert move(project, "0.01", "0.045")["status"] == "keep"
    assert project.ask("status")["gain"] > 0
    assert move(project, "0.045", "0.3")["status"] == "discard"


def test_the_incumbent_stands_at_its_estimate_not_at_its_luckiest_reading(
    project: Project,
) -> None:
    project.baseline()
    kept = move(project, "0.01", "0.014")
    assert kept["status"] == "keep"
    incumbent = project.call("show", "1").out
    assert re.search(r"incumbent is now #2 \(read [0-9.]+, estimated [0-9.]+\)", incumbent)
    shown = project.call("status").out
    assert re.search(r"^best      #2 read [0-9.]+, estimated [0-9.]+  ", shown, re.MULTILINE)
    assert max(map(len, shown.splitlines())) <= 80
    status = project.ask("status")
    assert status["incumbent"]["metric"] > kept["metric"]  # a part of such a gain is luck


# ---- simpler, or not worth it -------------------------------------------------------------------


def test_equal_and_shorter_is_kept(project: Project) -> None:
    project.write("train.py", NOISY.replace("LR = 0.01\n", "LR = 0.01\nUNUSED = 1\nMORE = 2\n"))
    project.baseline()
    edit = "train.py\n<<<<<<< SEARCH\nUNUSED = 1\nMORE = 2\n=======\n>>>>>>> REPLACE\n"
    answer = project.ask("try", "delete what is unused", "--edit", "-", stdin=edit)
    assert (answer["status"], answer["kind"]) in (("keep", "simpler"), ("keep", "better"))
    if answer["kind"] == "simpler":
        assert "2 lines fewer" in answer["reason"]


def test_equal_and_shorter_is_kept_without_noise_too(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.write("train.py", project.read("train.py").replace("WIDTH = 8\n", "WIDTH = 8\nX = 1\n"))
    project.bind(keep_rule="noise-aware")
    project.baseline()
    edit = "train.py\n<<<<<<< SEARCH\nX = 1\n=======\n>>>>>>> REPLACE\n"
    answer = project.ask("try", "delete what is unused", "--edit", "-", stdin=edit)
    assert (answer["status"], answer["kind"]) == ("keep", "simpler")
    longer = "train.py\n<<<<<<< SEARCH\nWIDTH = 8\n=======\nWIDTH = 8\nY = 1\n>>>>>>> REPLACE\n"
    answer = project.ask("try", "add what is unused", "--edit", "-", stdin=longer)
    assert (answer["status"], answer["kind"]) == ("discard", "equal")


def test_a_gain_within_the_noise_is_not_worth_twenty_lines_but_may_be_overridden(
    project: Project,
) -> None:
    project.baseline()
    ballast = "".join(f"X{n} = {n}\n" for n in range(25))
    for lr in ("0.0105", "0.011", "0.0115", "0.012", "0.0125", "0.013"):
        answer = project.ask(
            "try", f"lr {lr} and much else", "--edit", "-",
            stdin=EDIT.format(old="0.01", new=f"{lr}\n{ballast}"),
        )  # fmt: skip
        assert answer["status"] == "discard", answer
        if answer["kind"] == "complexity":
            break
    assert answer["kind"] == "complexity"
    assert "26 lines more" in answer["reason"]
    turned = project.ask("override", str(answer["experiment"]), "keep", "--why", "they are fine")
    assert (turned.code, turned["status"]) == (0, "keep")
    status = project.ask("status")
    assert status["incumbent"]["experiment"] == answer["experiment"]
    assert status["best"]["experiment"] == answer["experiment"]


# ---- pairs --------------------------------------------------------------------------------------


def test_pairs_alternate_and_the_kept_code_lies_in_the_files_afterwards(project: Project) -> None:
    project.bind(keep_rule="noise-aware", compare="paired")
    project.baseline()
    kept = move(project, "0.01", "0.045")
    assert kept["status"] == "keep"
    own, other = ("measure", None), ("reference", 1)
    again = ("repeat", None)
    assert runs(project, 2) == [own, other, other, again, again, other]
    drawn = [event["seed"] for event in project.journal() if event["event"] == "run_started"]
    assert drawn[:5] == [1, 2, 3, 4, 5]  # each its own, but that the two of a pair share one
    first, _, second, _, third, _ = drawn[5:]
    assert drawn[5:] == [first, first, second, second, third, third]
    assert len({first, second, third, *drawn[:5]}) == 8
    assert "LR = 0.045" in project.read("train.py")
    lost = move(project, "0.045", "0.3")
    assert lost["status"] == "discard"
    assert runs(project, 3) == [own, ("reference", 2)]
    assert "LR = 0.045" in project.read("train.py")
    assert project.ask("status")["edited"] is None


def test_ideas_are_not_paired_unless_that_is_asked_for(project: Project) -> None:
    """Pairs cost twice the runs, and were measured to gain a third of what single readings do."""
    project.bind(keep_rule="noise-aware")
    project.baseline()
    move(project, "0.01", "0.3")
    assert runs(project, 2) == [("measure", None)]


def test_a_drift_that_misleads_single_readings_does_not_mislead_pairs(tmp_path: Path) -> None:
    """The machine slows down with every run by a third of what the idea gains."""
    deltas = {}
    for compare in ("single", "paired"):
        drifting = NOISY.replace("noise = 0.002", "noise = 0.012 * n + 0.002")
        project = Project(tmp_path / compare, train=drifting)
        project.bind(keep_rule="noise-aware", compare=compare)
        project.baseline()
        answer = move(project, "0.01", "0.045")
        deltas[compare] = answer["delta"]
    assert deltas["single"] < 0.01
    assert answer["status"] == "keep"
    assert 0.03 < deltas["paired"] < 0.06


def test_pairs_under_the_plain_rule_are_judged_by_their_median(project: Project) -> None:
    project.bind(keep_rule="plain", compare="paired", runs=3)
    project.baseline()
    assert len(runs(project, 1)) == 3
    kept = move(project, "0.01", "0.045")
    assert (kept["status"], kept["gain"]) == ("keep", None)
    assert len(runs(project, 2)) == 6
    assert kept["delta"] == pytest.approx(0.035, abs=0.005)


def test_a_reference_that_crashes_is_the_machines_fault_and_nothing_is_kept(
    project: Project,
) -> None:
    """The second run of the incumbent finds its disk gone, and so does the one after it."""
    project.bind(keep_rule="noise-aware", compare="paired")
    project.edit('print(f"val_bpb', 'assert LR != 0.01 or n < 5, "gone"\n    print(f"val_bpb')
    project.baseline()
    answer = move(project, "0.01", "0.045")
    assert (answer["status"], answer["kind"]) == ("crash", "machine")
    assert "the incumbent's run beside it failed" in answer["reason"]
    assert "LR = 0.01" in project.read("train.py")
    assert project.ask("status")["incumbent"]["experiment"] == 1


def test_a_kill_between_two_runs_of_a_pair_loses_neither_record_nor_code(project: Project) -> None:
    slow = NOISY.replace("    noise =", "    import time\n    time.sleep(1.5)\n    noise =")
    project.write("train.py", slow)
    project.bind(keep_rule="noise-aware", compare="paired", baseline_runs=2)
    project.baseline()
    started = project.ask(
        "try", "lr", "--edit", "-", "--wait-s", "0", stdin=EDIT.format(old="0.01", new="0.045")
    )
    assert started["status"] == "running"
    deadline = time.monotonic() + 60
    while ("reference", 1) not in runs(project, 2):
        project.ask("wait", "--wait-s", "0")
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert "LR = 0.01\n" in project.read("train.py")  # the incumbent's, while it runs
    event = [item for item in project.journal() if item["event"] == "run_started"][-1]
    os.kill(event["pid"], signal.SIGKILL)
    answer = project.ask("wait")
    assert answer["status"] == "keep", answer
    assert "LR = 0.045" in project.read("train.py")
    outcomes = [item["outcome"] for item in project.journal() if item["event"] == "run_finished"]
    assert outcomes.count("lost") == 1


def test_warmups_come_first_and_do_not_count(project: Project) -> None:
    project.bind(keep_rule="noise-aware", compare="single", warmup_runs=2, baseline_runs=2)
    project.baseline()
    assert runs(project, 1) == [
        ("warmup", None), ("warmup", None), ("measure", None), ("repeat", None),
    ]  # fmt: skip
    decided = [item for item in project.journal() if item["event"] == "decided"][-1]
    assert decided["readings"] == 2


def test_a_first_run_that_was_slow_is_told_with_the_key_that_mends_it(project: Project) -> None:
    project.edit("    noise =", "    import time\n    time.sleep(0.0 if n else 1.5)\n    noise =")
    project.bind(keep_rule="noise-aware", baseline_runs=2)
    project.setup()
    notes = " ".join(project.ask("try", "baseline")["notes"])
    assert "faster than the first: `warmup_runs: 1`" in notes


# ---- the record ---------------------------------------------------------------------------------


def test_the_same_record_gives_the_same_belief_with_and_without_its_caches(
    project: Project,
) -> None:
    project.baseline()
    values = ["0.01", "0.012", "0.014", "0.016", "0.018", "0.02", "0.022", "0.024", "0.026"]
    here = values[0]
    for new in [*values[1:], "0.028", "0.03"]:
        if move(project, here, new)["status"] == "keep":
            here = new
    before = project.ask("status")
    caches = [path for path in project.sandbox.iterdir() if "cache" in path.name]
    assert "belief.cache.json" in [path.name for path in caches]
    for path in caches:
        path.unlink()
    after = project.ask("status")
    keys = ("gain", "gain_interval", "gain_probability", "best", "incumbent")
    assert [before[key] for key in keys] == [after[key] for key in keys]


def test_a_cache_that_a_run_wrote_is_not_believed(project: Project) -> None:
    forging = NOISY.replace(
        "    noise =",
        "    import glob\n"
        "    for path in glob.glob('sandbox/t1/belief.cache.json'):\n"
        "        text = pathlib.Path(path).read_text()\n"
        "        pathlib.Path(path).write_text(text.replace('0.', '9.'))\n"
        "    noise =",
    )
    project.write("train.py", forging)
    project.baseline()
    here = "0.01"
    for step in range(12):
        new = f"{0.0105 + 0.0005 * step:.4f}"
        if move(project, here, new)["status"] == "keep":
            here = new
    status = project.ask("status")
    assert abs(status["gain"]) < 0.05


def test_a_campaign_begun_under_the_plain_rule_goes_on_by_it(tmp_path: Path) -> None:
    """Its record and its bindings are as an earlier version wrote them."""
    project = Project(tmp_path / "p")
    project.bind(keep_rule="plain")
    project.baseline()
    path = project.sandbox / "journal.jsonl"
    lines = []
    for line in path.read_text().splitlines():
        event = json.loads(line)
        if "bindings" in event:
            for key in ("baseline_runs", "warmup_runs", "runs", "compare", "prune", "confirm_s"):
                event["bindings"].pop(key)
        for key in ("code_of", "paired", "warmups", "gain", "noise", "probability", "standing"):
            event.pop(key, None)
        lines.append(json.dumps(event))
    path.write_text("\n".join(lines) + "\n")
    project.bind(keep_rule=None)
    project.write("loop.run.yaml", project.read("loop.run.yaml") + "# a remark\n")
    answer = project.ask("try", "lr", "--edit", "-", stdin=EDIT.format(old="0.01", new="0.02"))
    assert (answer.code, answer["status"], answer["gain"]) == (0, "keep", None), answer
    assert runs(project, 2) == [("measure", None)]


def test_setup_says_what_the_baseline_costs_and_buys(project: Project) -> None:
    project.bind(keep_rule="noise-aware", budget="5 min")
    assert "2 runs, about 10 min: they tell the noise" in project.call("setup").out


def test_a_repeat_of_the_incumbents_own_code_sharpens_what_is_known_of_it(
    project: Project,
) -> None:
    project.baseline()
    move(project, "0.01", "0.045")
    before = project.ask("status")["gain_interval"]
    answer = project.ask("try", "again", "--repeat", "4")
    assert answer["kind"] == "repeat"
    assert answer["gain"] is None  # on itself there is none
    after = project.ask("status")["gain_interval"]
    assert after[1] - after[0] < before[1] - before[0]


@pytest.mark.parametrize("compare", ["single", "paired"])
def test_a_run_that_is_stopped_in_the_middle_leaves_the_readings_there_are(
    project: Project, compare: str
) -> None:
    slow = NOISY.replace(
        "    noise =", "    import time\n    time.sleep(60 if n == 3 else 0)\n    noise ="
    )
    project.write("train.py", slow)
    project.bind(keep_rule="noise-aware", compare=compare)
    project.setup()
    assert project.ask("try", "baseline", "--wait-s", "0")["status"] == "running"
    deadline = time.monotonic() + 60
    counted = project.root / "runs.json"
    while not (counted.exists() and counted.read_text() == "4"):
        project.ask("wait", "--wait-s", "0.1")
        assert time.monotonic() < deadline
    assert project.ask("stop", "--kill").code == 0
    answer = project.ask("wait")
    assert (answer["status"], answer["kind"]) == ("keep", "baseline")
    project.ask("resume")
    decided = [item["verdict"] for item in project.journal() if item["event"] == "decided"]
    assert decided == ["repeat", "repeat", "repeat", "keep"]
    answer = move(project, "0.01", "0.3")
    assert answer["status"] == "discard", answer


# ---- what goes on, and what ends ----------------------------------------------------------------


def test_a_broken_idea_does_not_spoil_the_rule_for_those_that_follow(project: Project) -> None:
    project.baseline()
    assert move(project, "0.01", "9.0")["status"] == "discard"
    assert move(project, "0.01", "1e200")["status"] == "discard"
    kept = move(project, "0.01", "0.045")
    assert kept["status"] == "keep"
    assert kept["gain"]["probability"] > 0.9


def test_a_pause_while_more_readings_are_wanted_leaves_a_verdict_and_the_incumbents_code(
    project: Project,
) -> None:
    slow = "    import time\n    time.sleep(0 if n < 5 else 2)\n    noise ="
    project.edit("    noise =", slow)
    project.bind(keep_rule="noise-aware", compare="paired")
    project.baseline()
    edit = EDIT.format(old="0.01", new="0.045")
    started = project.ask("try", "lr", "--edit", "-", "--wait-s", "0", stdin=edit)
    assert started["status"] == "running"
    assert project.ask("pause").code == 0
    answer = project.ask("wait")
    assert answer["status"] == "keep", answer
    assert runs(project, 2) == [("measure", None), ("reference", 1)]  # a pair is one measurement
    assert any("readings there are" in note for note in answer["notes"])
    assert "LR = 0.045\n" in project.read("train.py")


def test_readings_of_the_same_code_from_before_count_when_it_is_tried_again(
    project: Project,
) -> None:
    project.baseline()
    lost = move(project, "0.01", "0.0")
    assert lost["status"] == "discard"
    edit = EDIT.format(old="0.01", new="0.0")
    again = project.ask("try", "once more", "--repeat", "1", "--edit", "-", stdin=edit)
    assert again["gain"]["readings"] > lost["gain"]["readings"]
    assert again["status"] == "discard"


def test_a_warmup_that_was_lost_is_followed_by_a_warmup(project: Project) -> None:
    """The first reading that counts would else be one of a cold cache."""
    slow = NOISY.replace(
        "    noise =", "    import time\n    time.sleep(0 if n else 60)\n    noise ="
    )
    project.write("train.py", slow)
    project.bind(keep_rule="noise-aware", warmup_runs=1, baseline_runs=2)
    project.setup()
    assert project.ask("try", "baseline", "--wait-s", "0")["status"] == "running"
    deadline = time.monotonic() + 60
    while not (project.root / "runs.json").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(project.events("run_started")[-1]["pid"], signal.SIGKILL)
    assert project.ask("wait")["status"] == "keep"
    assert [purpose for purpose, _ in runs(project, 1)] == ["warmup", "warmup", "measure", "repeat"]
