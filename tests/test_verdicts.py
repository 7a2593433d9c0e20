"""From readings to verdicts, and what a person sees and steers: through the command line alone."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from copies import copied
from support import PYTHON, Answer, Project, edit_block, processes_with, until

TRAIN = """\
import os

LOSS = 1.0

if __name__ == "__main__":
    print("val_bpb:", LOSS)
"""
GATED = """\
import os, time
print("begun", flush=True)
while not os.path.exists("../go"):
    time.sleep(0.01)
LOSS = 0.5
"""


class Campaigns:
    """Makes projects with a baseline; one is measured for each sort of bindings, then copied."""

    def __init__(self, folder: Path, factory: pytest.TempPathFactory) -> None:
        self._folder = folder
        self._factory = factory

    def __call__(self, train: str = TRAIN, **bindings: object) -> Project:

        def make(root: Path) -> Project:
            project = Project(root, train=train)
            project.bind(**bindings)
            project.baseline()
            return project

        name = json.dumps([train, bindings])
        return copied(self._folder / "project", self._factory, name, make)


@pytest.fixture(autouse=True)
def same_home(throwaway_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for baseline and idea, whichever test measured the baseline."""
    shared = throwaway_home.parent / "home-of-verdicts"
    shared.mkdir(exist_ok=True)
    monkeypatch.setenv("HOME", str(shared))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(shared / ".gitconfig"))


@pytest.fixture
def campaign(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Campaigns:
    return Campaigns(tmp_path, tmp_path_factory)


def loss(project: Project, value: str, *words: str, old: str = "1.0", **more: Any) -> Answer:
    """Tries another LOSS, from the incumbent's."""
    block = edit_block("train.py", f"LOSS = {old}", f"LOSS = {value}")
    return project.ask("try", f"loss {value}", *words, "--edit", "-", stdin=block, **more)


def receipt(project: Project, number: int, name: str = "run.json") -> dict[str, Any]:
    value = json.loads((project.sandbox / f"iter{number}" / name).read_text())
    assert isinstance(value, dict)
    return value


# ---- the plain rule ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("direction", "value", "status", "kind", "delta"),
    [
        ("minimize", "0.9", "keep", "better", 0.1),
        ("minimize", "1.1", "discard", "worse", -0.1),
        ("minimize", "1.00", "discard", "equal", 0.0),
        ("maximize", "1.1", "keep", "better", 0.1),
        ("maximize", "0.9", "discard", "worse", -0.1),
        ("maximize", "10 / 10", "discard", "equal", 0.0),
        ("minimize", "1 - 1e-12", "keep", "better", 1e-12),
        ("minimize", "-1e300", "keep", "better", 1e300),
    ],
)
def test_better_is_kept_equal_or_worse_is_not(
    campaign: Campaigns, direction: str, value: str, status: str, kind: str, delta: float
) -> None:
    project = campaign(metric_direction=direction)
    answer = loss(project, value)
    assert (answer["status"], answer["kind"]) == (status, kind)
    assert answer["delta"] == pytest.approx(delta, rel=1e-3)
    kept = status == "keep"
    assert answer["incumbent"]["experiment"] == (2 if kept else 1)
    assert answer["incumbent"] == answer["best"]
    assert f"LOSS = {value if kept else '1.0'}\n" in project.read("train.py")
    assert project.rows()[1][3] == status
    plain = project.call("wait").out
    wanted = {"better": "better than", "worse": "worse than", "equal": "no better than"}[kind]
    assert wanted in plain


def test_ideas_build_on_what_was_kept(campaign: Campaigns) -> None:
    project = campaign()
    assert loss(project, "0.8")["status"] == "keep"
    assert loss(project, "0.9", old="0.8")["status"] == "discard"
    answer = loss(project, "0.7", old="0.8")
    assert (answer["status"], answer["experiment"]) == ("keep", 4)
    assert answer["delta"] == pytest.approx(0.1)
    assert [row[3] for row in project.rows()] == ["keep", "keep", "discard", "keep"]
    assert [row[1] for row in project.rows()] == ["1.0", "0.8", "0.9", "0.7"]


# ---- repeats -----------------------------------------------------------------------------------

# Run k of an experiment prints the k-th of its values.
NOISY = """\
import os
VALUES = [1.0, 1.0]
turn = int(open("../turn").read()) if os.path.exists("../turn") else 0
open("../turn", "w").write(str(turn + 1))
print("val_bpb:", VALUES[turn % len(VALUES)])
"""


def noisy(project: Project, values: list[object], *words: str) -> Answer:
    project.write("../turn", "0")
    project.write("train.py", NOISY.replace("[1.0, 1.0]", str(values)))
    return project.ask("try", "noisy", *words)


def test_repeats_are_pooled_by_their_mean(campaign: Campaigns) -> None:
    project = campaign(NOISY)
    answer = noisy(project, [0.5, 1.5, 0.7], "--repeat", "3")
    assert answer["metric"] == pytest.approx(0.9)
    assert (answer["status"], answer["delta"]) == ("keep", pytest.approx(0.1))
    assert [item["seed"] for item in project.events("run_started")][1:] == [1, 2, 3]
    assert float(project.rows()[1][1]) == pytest.approx(0.9)
    for name in ("run.json", "run-2.json", "run-3.json", "run.log", "run-2.log", "run-3.log"):
        assert (project.sandbox / "iter2" / name).exists()
    shown = project.ask("show", "2")
    assert [item["metric"] for item in shown["runs"]] == [0.5, 1.5, 0.7]
    assert [item["purpose"] for item in shown["runs"]] == ["measure", "repeat", "repeat"]


def test_the_incumbents_own_code_adds_to_its_estimate(campaign: Campaigns) -> None:
    project = campaign(NOISY)
    answer = noisy(project, [1.0, 1.0], "--repeat")
    assert (answer["experiment"], answer["status"], answer["kind"]) == (2, "discard", "repeat")
    assert "2 readings" in answer["reason"]
    assert answer["incumbent"] == answer["best"] == {"experiment": 1, "metric": 1.0}
    assert project.read("train.py") == NOISY
    assert [row[3] for row in project.rows()] == ["keep", "discard"]


def test_a_better_estimate_raises_the_bar(campaign: Campaigns) -> None:
    """Readings of the incumbent are 1.0 and then 0.5; 0.8 was better than the first alone."""
    train = NOISY.replace("[1.0, 1.0]", "[1.0, 0.5]")
    project = campaign(train)
    project.write("../turn", "1")
    answer = project.ask("try", "again", "--repeat", "1")
    assert answer["incumbent"] == {"experiment": 1, "metric": 0.75}
    assert answer["delta"] == 0
    assert noisy(project, [0.8])["kind"] == "worse"
    assert project.read("train.py") == train
    answer = noisy(project, [0.7])
    assert (answer["status"], answer["delta"]) == ("keep", pytest.approx(0.05))


def test_an_earlier_discard_gets_a_second_chance(campaign: Campaigns) -> None:
    project = campaign(NOISY)
    assert noisy(project, [1.2, 0.4])["status"] == "discard"
    project.write("train.py", NOISY.replace("[1.0, 1.0]", "[1.2, 0.4]"))
    assert project.ask("try", "once more")["kind"] == "duplicate"
    project.write("../turn", "1")
    answer = project.ask("try", "once more", "--repeat")
    assert (answer["experiment"], answer["status"]) == (3, "keep")
    assert answer["metric"] == pytest.approx(0.8)  # the mean of all readings of this code
    assert answer["incumbent"] == {"experiment": 3, "metric": answer["metric"]}


def test_a_crash_among_repeats_is_a_crash(campaign: Campaigns) -> None:
    project = campaign(NOISY)
    answer = noisy(project, [0.5, "nan", 0.4], "--repeat", "3")
    assert (answer["status"], answer["metric"], answer["delta"]) == ("crash", None, None)
    assert "NaN" in answer["reason"]
    assert project.rows()[1][1:4] == ["0.000000", "0.0", "crash"]
    assert len(project.events("run_finished")) == 3
    assert answer["best"]["experiment"] == 1


# ---- notes -------------------------------------------------------------------------------------

PRINTS = 'print("val_bpb: 0.500000")\n'


def test_that_each_epoch_prints_the_metric_is_told_once_and_of_the_baseline(
    tmp_path: Path,
) -> None:
    epochs = "import time\nLR = 3\nfor e in range(3): print('val_bpb:', LR - e + time.time() % 1)\n"
    project = Project(tmp_path / "p", train=epochs)
    project.bind(baseline_runs=3)
    told = [note for note in project.baseline()["notes"] if "different values" in note]
    assert len(told) == 1
    project.edit("LR = 3", "LR = 2.5")
    assert "different values" not in " ".join(project.ask("try", "lower")["notes"])


@pytest.mark.parametrize(
    ("name", "train", "bindings", "note"),
    [
        ("several values", 'print("val_bpb: 0.3")\n' + PRINTS, {}, "2 different values of val_bpb"),
        ("printed twice", PRINTS * 2, {}, "val_bpb is printed 2 times, by the baseline once"),
        ("too few digits", 'print("val_bpb: 0.9")\n', {}, "steps of 0.1: too coarse for this gain"),
        ("unit", 'print("val_bpb: 0.5 %")\n', {}, "unit changed: none before, % now"),
        ("metric line", PRINTS, {}, "changes lines that name val_bpb (train.py:"),
        (
            "memory", PRINTS + 'print("peak_vram_mb: 3072.0")\n', {"memory_limit_gb": 2},
            "memory 3.0 GB is past memory_limit_gb 2",
        ),
        (
            "survivors", "import subprocess\nsubprocess.Popen(['sleep', '600'])\n" + PRINTS, {},
            "ended 1 process that outlived the run",
        ),
        (
            "unread", PRINTS + 'print("val_bpb: 0,4")\n', {},
            "after the line that was read: `val_bpb: 0,4` has a comma",
        ),
    ],
)  # fmt: skip
def test_what_makes_a_reading_doubtful_is_noted(
    campaign: Campaigns, name: str, train: str, bindings: dict[str, Any], note: str
) -> None:
    project = campaign(**bindings)
    project.write("train.py", train)
    answer = project.ask("try", name)
    assert answer["status"] == "keep"
    assert [told for told in answer["notes"] if note in told], answer["notes"]
    assert note in project.call("wait").out
    assert answer["notes"] == project.ask("show", "2")["notes"]


def test_a_plain_verdict_has_no_notes(campaign: Campaigns) -> None:
    project = campaign()
    assert loss(project, "0.5")["notes"] == []
    assert "note:" not in project.call("wait").out


def test_the_baseline_says_who_reports_the_metric(campaign: Campaigns) -> None:
    answer = campaign().ask("wait")
    assert answer["source"] == "self-reported"
    assert "val_bpb is self-reported by the code that is edited" in answer["notes"]


def test_another_environment_than_the_baselines_is_noted(campaign: Campaigns) -> None:
    project = campaign()
    answer = loss(project, "0.7", env={"OMP_NUM_THREADS": "1", "TERM": "dumb", "CLAUDE_X": "1"})
    assert answer["notes"] == ["environment differs from the baseline's: OMP_NUM_THREADS"]
    assert loss(project, "0.4", old="0.7")["notes"] == []
    written = (project.sandbox / "journal.jsonl").read_text()
    assert "OMP_NUM_THREADS" in written
    assert os.environ["HOME"] not in written.replace(str(project.root), "")  # names, no values


def test_the_environment_is_the_baselines_still_after_a_check_of_the_incumbent(
    campaign: Campaigns,
) -> None:
    project = campaign()
    for number in range(3):
        loss(project, f"{number} / 0", env={"NEW": "1"})
    assert project.events("run_started")[-1]["purpose"] == "canary"
    answer = loss(project, "0.9", env={"NEW": "1"})
    assert "environment differs from the baseline's: NEW" in answer["notes"]


def test_a_note_of_the_persons_is_in_the_next_verdict_and_in_no_other(campaign: Campaigns) -> None:
    project = campaign()
    assert project.call("note", "look at the\nscheduler \x1b[31m").out.startswith("noted")
    before = project.ask("wait")["notes"]
    assert not [note for note in before if "scheduler" in note]
    said = "the person says: look at the scheduler"
    assert loss(project, "0.7")["notes"] == [said]
    assert project.ask("wait")["notes"] == [said]  # the same verdict once more
    assert loss(project, "0.4", old="0.7")["notes"] == []


def test_a_note_during_a_run_is_in_its_verdict(campaign: Campaigns) -> None:
    project = running(campaign())
    project.call("note", "hurry")
    project.write("../go", "")
    assert "the person says: hurry" in project.ask("wait")["notes"]


# ---- what a run writes -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keep", "left"),
    [("best", [3]), ("kept", [1, 3]), ("all", [1, 2, 3, 4]), ("none", [])],
)
def test_outputs_are_kept_as_asked(campaign: Campaigns, keep: str, left: list[int]) -> None:
    # The project has a folder of the same name, which is no business of ours.
    train = TRAIN.replace("import os", "import os, sys") + (
        "    os.makedirs('out', exist_ok=True)\n"
        "    for folder in ('out', sys.argv[1]):\n"
        "        open(folder + '/model.bin', 'w').write('x')\n"
    )
    project = campaign(train, keep_outputs=keep, run_cmd=f"{PYTHON} train.py {{run_dir}}")
    loss(project, "1.1")
    loss(project, "0.9")
    loss(project, "1 / 0", old="0.9")
    found = [n for n in range(1, 5) if (project.sandbox / f"iter{n}/out").exists()]
    assert found == left
    assert (project.root / "out/model.bin").exists()
    for number in range(1, 5):
        assert (project.sandbox / f"iter{number}/run.log").exists()
        assert (project.sandbox / f"iter{number}/code_snapshot/train.py").exists()


# ---- receipts ----------------------------------------------------------------------------------


def test_a_receipt_binds_the_reading_to_all_it_came_from(campaign: Campaigns) -> None:
    project = campaign()
    loss(project, "0.9")
    started = project.events("campaign_started")[0]
    run = project.events("run_started")[1]
    finished = project.events("run_finished")[1]
    idea = project.events("experiment_started")[1]
    path = project.sandbox / "iter2/run.json"
    value = receipt(project, 2)
    measured = value["measured"]
    assert value["marker"] == run["marker"] != receipt(project, 1)["marker"]
    assert measured["value"] == 0.9
    assert measured["code"] == idea["code"]
    manifest = json.loads((project.sandbox / "iter2/manifest.json").read_text())
    assert manifest["digest"] == idea["code"] != started["code"]
    assert measured["harness"] == started["harness_digest"]
    assert measured["bindings"] == started["bindings_digest"]
    log = project.sandbox / "iter2/run.log"
    assert measured["log_sha256"] == hashlib.sha256(log.read_bytes()).hexdigest()
    assert finished["receipt_digest"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert measured["environment"].keys() >= {"HOME", "PATH"}
    assert os.environ["HOME"] not in json.dumps(measured)
    assert (value["host"], value["outcome"]["kind"]) == (os.uname().nodename, "exited")
    assert path.stat().st_mode & 0o077 == 0


# ---- views -------------------------------------------------------------------------------------


@pytest.fixture
def long_campaign(campaign: Campaigns) -> Project:
    """Kept, discarded, crashed and refused, with long words."""
    project = campaign()
    words = "a rather long description of what is tried here, " * 10
    for value, old in (("0.9", "1.0"), ("0.95", "0.9"), ("1 / 0", "0.9"), ("0.8", "0.9")):
        block = edit_block("train.py", f"LOSS = {old}", f"LOSS = {value}")
        project.ask("try", words, "--why", "it may help", "--edit", "-", stdin=block)
    project.ask("try", "nothing")
    return project


def sized(answer: Answer, *, lines: int) -> str:
    assert answer.code == 0, answer
    shown = answer.out.splitlines()
    assert len(shown) <= lines
    assert max(map(len, shown)) <= 80, answer.out
    assert len(answer.out.encode()) <= 1500
    return answer.out


def test_status_is_a_short_dashboard(long_campaign: Project) -> None:
    text = sized(long_campaign.call("status"), lines=20)
    for words in (
        "campaign t1  active", "experiments 5: 3 keep, 1 discard, 1 crash; 1 refused",
        "baseline  #1 1.0", "incumbent #5 0.8", "best      #5 0.8", "gain      0.2 (20%) over",
        "sandbox/t1", "agent-loops try",
    ):  # fmt: skip
        assert words in text, text
    value = long_campaign.ask("status")
    assert value["counts"] == {"keep": 3, "discard": 1, "crash": 1}
    assert (value["status"], value["experiments"], value["refused"]) == ("active", 5, 1)
    assert value["gain"] == pytest.approx(0.2)
    assert value["baseline"] == {"experiment": 1, "metric": 1.0}
    assert value["running"] is None


def test_status_of_a_run_under_way(campaign: Campaigns) -> None:
    project = running(campaign())
    value = project.ask("status")["running"]
    assert (value["experiment"], value["run"], value["progress"]) == (2, 1, "begun")
    assert 0 <= value["elapsed_s"] < value["timeout_s"]
    assert "running   #2 for" in sized(project.call("status"), lines=20)
    project.write("../go", "")
    project.ask("wait")


def test_history_has_a_line_for_each(long_campaign: Project) -> None:
    text = sized(long_campaign.call("history"), lines=5)
    assert [line.split()[:3] for line in text.splitlines()] == [
        ["#1", "keep", "1.0"], ["#2", "keep", "0.9"], ["#3", "discard", "0.95"],
        ["#4", "crash", "-"], ["#5", "keep", "0.8"],
    ]  # fmt: skip
    rows = long_campaign.ask("history")["experiments"]
    assert [row["kind"] for row in rows] == ["baseline", "better", "worse", "idea", "better"]
    assert [row["metric"] for row in rows] == [1.0, 0.9, 0.95, None, 0.8]
    assert all(len(row["description"]) <= 200 for row in rows)


def test_show_tells_one_experiment(long_campaign: Project) -> None:
    answer = long_campaign.ask("show", "4")
    assert (answer["experiment"], answer["status"], answer["kind"]) == (4, "crash", "idea")
    assert answer["why"] == "it may help"
    [run] = answer["runs"]
    assert (run["outcome"], run["exit_code"], run["metric"]) == ("exited", 1, None)
    assert "ZeroDivisionError" in run["crash"]
    for name in (run["log"], run["receipt"], answer["code"]):
        assert (long_campaign.root / name).exists()
    text = long_campaign.call("show", "4").out
    assert len(text) <= 1500
    assert "why: it may help" in text
    missing = long_campaign.ask("show", "6")
    assert (missing.code, missing["kind"]) == (3, "no experiment")


def test_diff_is_the_change_of_one_experiment(long_campaign: Project) -> None:
    answer = long_campaign.ask("diff", "5")
    assert (answer["base"], answer["lines_added"], answer["lines_removed"]) == (2, 1, 1)
    for words in ("--- a/train.py", "+++ b/train.py", "-LOSS = 0.9", "+LOSS = 0.8"):
        assert words in answer["diff"].splitlines()
    assert sized(long_campaign.call("diff", "5"), lines=12).strip() == answer["diff"].strip()
    assert long_campaign.ask("diff", "1")["diff"] == ""


# ---- stop conditions ---------------------------------------------------------------------------


def test_the_last_allowed_experiment_is_run_and_no_other(campaign: Campaigns) -> None:
    project = campaign(max_experiments=3)
    assert loss(project, "0.9")["next"] == ""
    answer = loss(project, "0.8", old="0.9")
    assert (answer["status"], answer["experiment"]) == ("keep", 3)
    assert "finished (max_experiments: 3 done)" in answer["next"]
    answer = loss(project, "0.7", old="0.8")
    assert (answer.code, answer["kind"]) == (3, "finished")
    status = project.ask("status")
    assert (status["status"], status["stop_reason"]) == ("finished", "max_experiments: 3 done")
    assert json.loads(project.read(".agent-loops/active.json"))["state"] == "finished"


@pytest.mark.parametrize(("direction", "value"), [("minimize", "0.5"), ("maximize", "1.5")])
def test_a_target_that_is_reached_ends_the_campaign(
    campaign: Campaigns, direction: str, value: str
) -> None:
    project = campaign(metric_direction=direction, target=float(value))
    near = "0.6" if direction == "minimize" else "1.4"
    assert loss(project, near)["next"] == ""
    answer = loss(project, value, old=near)
    assert f"finished (target: val_bpb {value} reaches {value})" in answer["next"]
    assert loss(project, "7", old=value)["kind"] == "finished"


def test_active_time_that_is_used_up_ends_the_campaign(campaign: Campaigns) -> None:
    project = campaign(stop_after="4 s")
    status = project.ask("status")
    assert 0 < status["active_s"] < 4
    assert status["status"] == "active"
    block = edit_block("train.py", "LOSS = 1.0", "import time\ntime.sleep(4)\nLOSS = 0.9")
    answer = project.ask("try", "slow", "--edit", "-", stdin=block)
    assert answer["status"] == "keep"
    assert "finished (stop_after: " in answer["next"]
    assert loss(project, "0.8", old="0.9")["kind"] == "finished"


def test_a_clock_time_ends_the_campaign_when_it_is_past(campaign: Campaigns) -> None:
    """Set an hour back at setup, it means tomorrow's; the night is made to pass in the record."""
    an_hour_ago = (datetime.now() - timedelta(hours=1)).strftime("%H:%M")  # noqa: DTZ005 - the person's clock
    project = campaign(stop_at=an_hour_ago)
    at = datetime.fromisoformat(project.events("campaign_started")[0]["stop_at_utc"])
    ahead = at - datetime.now(timezone.utc)
    assert timedelta(hours=21) < ahead < timedelta(hours=25)  # a change of the clocks included
    assert loss(project, "0.9")["next"] == ""

    journal = project.sandbox / "journal.jsonl"
    past = (datetime.now(timezone.utc) - timedelta(minutes=1)).isoformat(timespec="seconds")
    text = journal.read_text()
    journal.write_text(text.replace(at.isoformat(timespec="seconds"), past))
    answer = loss(project, "0.8", old="0.9")
    assert (answer.code, answer["kind"]) == (3, "finished")
    local = datetime.fromisoformat(past).astimezone().strftime("%H:%M")
    assert f"stop_at: it is past {local}" in answer["reason"]
    assert project.ask("status")["status"] == "finished"


# ---- pause, stop -------------------------------------------------------------------------------


def running(project: Project) -> Project:
    """Experiment 2 has begun, and goes on until the file `go` appears beside the project."""
    block = edit_block("train.py", "import os\n\nLOSS = 1.0", GATED.strip())
    answer = project.ask("try", "gated", "--wait-s", "0", "--edit", "-", stdin=block)
    assert (answer.code, answer["status"], answer["experiment"]) == (0, "running", 2), answer
    log = project.sandbox / "iter2/run.log"
    until(lambda: log.exists() and "begun" in log.read_text())
    return project


@pytest.fixture(autouse=True)
def nothing_left(tmp_path: Path) -> Iterator[None]:
    """Lets go what a failed test left running; a test that passed left nothing."""
    yield
    (tmp_path / "go").touch()
    until(lambda: not processes_with(str(tmp_path)))


def test_a_run_under_way_is_answered_as_running(campaign: Campaigns) -> None:
    project = running(campaign())
    answer = project.ask("wait", "--wait-s", "0")
    assert (answer["status"], answer["kind"], answer["reason"]) == ("running", "", "")
    assert answer["metric"] is answer["delta"] is None
    assert 0 <= answer["elapsed_s"] < answer["timeout_s"]
    assert answer["next"] == "agent-loops wait"
    text = project.call("wait", "--wait-s", "0.1").out
    assert text.startswith("#2 running  for ")
    assert text.count("\n") <= 5
    project.write("../go", "")
    assert project.ask("wait")["status"] == "keep"


def test_pause_lets_the_run_end_and_records_it(campaign: Campaigns) -> None:
    project = running(campaign())
    assert project.ask("pause", "--why", "lunch")["running"] is True
    project.write("../go", "")
    answer = project.ask("wait")
    assert (answer["status"], answer["metric"]) == ("keep", 0.5)
    assert "paused" in answer["next"]
    refused = loss(project, "0.4", old="0.5")
    assert (refused.code, refused["kind"]) == (3, "paused")
    assert project.ask("resume")["status"] == "active"
    assert loss(project, "0.4", old="0.5")["status"] == "keep"


def test_stop_with_kill_ends_the_run_and_loses_nothing(campaign: Campaigns) -> None:
    project = running(campaign())
    before = project.sandbox / "iter2/code_snapshot/train.py"
    idea = before.read_text()
    answer = project.ask("stop", "--kill")
    assert (answer.code, answer["status"], answer["running"]) == (0, "stopped", False)
    assert processes_with(str(project.root)) == []
    assert project.read("train.py") == TRAIN
    answer = project.ask("wait")
    assert (answer["status"], answer["kind"]) == ("crash", "machine")
    assert "stopped" in answer["reason"]
    assert project.rows()[1][3] == "crash"
    assert [run["purpose"] for run in project.events("run_started")] == ["measure"] * 2
    assert loss(project, "0.9")["kind"] == "stopped"

    assert project.ask("resume")["status"] == "active"
    project.write("../go", "")
    project.write("train.py", idea)
    answer = project.ask("try", "gated, now")
    assert (answer["experiment"], answer["status"], answer["metric"]) == (3, "keep", 0.5)


def test_stop_without_kill_lets_the_run_end(campaign: Campaigns) -> None:
    project = running(campaign())
    assert project.ask("stop")["running"] is True
    project.write("../go", "")
    assert project.ask("wait")["status"] == "keep"
    assert loss(project, "0.4", old="0.5")["kind"] == "stopped"


def test_pause_between_repeats_holds_the_rest(campaign: Campaigns) -> None:
    project = campaign()
    block = edit_block("train.py", "import os\n\nLOSS = 1.0", GATED.strip())
    project.ask("try", "gated", "--repeat", "2", "--wait-s", "0", "--edit", "-", stdin=block)
    project.ask("pause")
    project.write("../go", "")
    until(lambda: project.ask("wait").values["notes"] != [])
    answer = project.ask("wait")
    assert answer["status"] == "running"
    assert "held: the campaign is paused" in "; ".join(answer["notes"])
    assert len(project.events("run_finished")) == 2
    project.ask("resume")
    answer = project.ask("wait")
    assert (answer["status"], answer["metric"]) == ("keep", 0.5)
    assert len(project.events("run_finished")) == 3


# ---- what a run gets ---------------------------------------------------------------------------

TELLS = """\
import json, os, sys
about = {
    "environ": dict(os.environ), "cwd": os.getcwd(), "stdin": os.readlink("/proc/self/fd/0"),
    "input": sys.stdin.read(), "argv": sys.argv[1:], "session": os.getsid(0),
}
json.dump(about, open("../about", "w"))
print("val_bpb: 1.0")
"""


def test_a_run_gets_the_callers_environment_less_the_hosts(tmp_path: Path) -> None:
    project = Project(tmp_path / "my project", train=TELLS)
    project.bind(run_cmd=f"{PYTHON} train.py {{seed}} {{n}} {{tag}} {{budget}} {{run_dir}}")
    project.setup()
    (project.root / "sub").mkdir()
    hosts = {
        "CLAUDECODE": "1", "CLAUDE_CODE_SESSION_ID": "s1", "CLAUDE_PLUGIN_ROOT": "/p",
        "AGENT_LOOPS_PYTHON": "/usr/bin/python3",
    }  # fmt: skip
    mine = {"CUDA_VISIBLE_DEVICES": "0", "MY_TOKEN": "s3cret-value", "CLAUDETTE": "not the host's"}
    answer = project.call(
        "try", "baseline", "--wait-s", "60", stdin="typed", env=hosts | mine,
        cwd=project.root / "sub",
    )  # fmt: skip
    assert answer.code == 0, answer
    about = json.loads(project.read("../about"))
    environ = about["environ"]
    assert not environ.keys() & hosts.keys()
    assert {key: environ[key] for key in mine} == mine
    assert environ["PATH"] == os.environ["PATH"]
    assert environ["PYTHONUNBUFFERED"] == "1"
    assert environ["PYTHONPYCACHEPREFIX"] == str(project.sandbox / "bytecode")
    assert environ["AGENT_LOOPS_SEED"] == "1"
    assert environ["AGENT_LOOPS_RUN"] == project.events("run_started")[0]["marker"]
    ours = {"PYTHONUNBUFFERED", "PYTHONPYCACHEPREFIX", "AGENT_LOOPS_SEED", "AGENT_LOOPS_RUN"}
    shells = {"_", "SHLVL", "PWD", "OLDPWD", "LC_CTYPE"}
    assert environ.keys() - os.environ.keys() - mine.keys() <= ours | shells
    assert (about["cwd"], about["stdin"], about["input"]) == (str(project.root), "/dev/null", "")
    assert about["argv"] == ["1", "1", "t1", "20", str(project.sandbox / "iter1/out")]
    assert about["session"] != os.getsid(0)
    record = (project.sandbox / "journal.jsonl").read_text() + json.dumps(receipt(project, 1))
    assert "s3cret-value" not in record


# ---- what runs is what is saved ----------------------------------------------------------------

MODULE = "VALUE = {}\n"
USES = "import model\nprint('val_bpb:', model.VALUE)\n"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """train.py prints what model.py holds, 0.75; both are editable."""
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    project = Project(tmp_path / "project", train=USES)
    project.write("model.py", MODULE.format(0.75))
    project.bind(editable_files=["train.py", "model.py"])
    return project


FORGE = (
    "import importlib._bootstrap_external as b, os, sys\n"
    "source, target = sys.argv[1:]\n"
    "about = os.stat(source)\n"
    "code = compile('VALUE = 0.001', source, 'exec')\n"
    "data = b._code_to_timestamp_pyc(code, int(about.st_mtime), about.st_size)\n"
    "os.makedirs(os.path.dirname(target), exist_ok=True)\n"
    "open(target, 'wb').write(data)\n"
)


def _forge(project: Project, target: Path) -> None:
    """Compiled code of another model.py, which Python takes for this one's."""
    source = project.root / "model.py"
    subprocess.run([sys.executable, "-c", FORGE, str(source), str(target)], check=True)


def _cache_name() -> str:
    return f"model.{sys.implementation.cache_tag}.pyc"


def test_stale_bytecode_in_the_project_is_not_what_runs(package: Project) -> None:
    _forge(package, package.root / "__pycache__" / _cache_name())
    assert package.baseline()["metric"] == 0.75


def test_forged_bytecode_in_our_own_folder_is_not_what_runs(package: Project) -> None:
    package.baseline()
    folder = Path(f"{package.sandbox / 'bytecode'}{package.root}")
    assert (folder / _cache_name()).exists()
    package.edit("print(", "print(end='', sep=''); print(")
    _forge(package, folder / _cache_name())
    answer = package.ask("try", "no change of the value")
    assert (answer["metric"], answer["kind"]) == (0.75, "equal")


def test_bytecode_that_a_run_forges_for_its_evaluation_is_not_what_evaluates(
    package: Project,
) -> None:
    package.write("score.py", USES)
    package.bind(eval_cmd=f"{PYTHON} score.py")
    target = Path(f"{package.sandbox / 'bytecode'}{package.root}") / _cache_name()
    source = package.root / "model.py"
    package.write(
        "train.py", f"import sys\nsys.argv = ['', {str(source)!r}, {str(target)!r}]\n{FORGE}"
    )
    answer = package.baseline()
    assert (answer["metric"], answer["source"]) == (0.75, "evaluated")


def test_an_edit_of_the_same_size_within_a_second_is_what_runs(package: Project) -> None:
    package.baseline()
    about = (package.root / "model.py").stat()
    for value, status in ((0.85, "discard"), (0.65, "keep"), (0.55, "keep"), (0.60, "discard")):
        before = package.read("model.py")
        package.write("model.py", MODULE.format(f"{value:.2f}"))
        os.utime(package.root / "model.py", ns=(about.st_atime_ns, about.st_mtime_ns))
        answer = package.ask("try", f"value {value}")
        assert (answer["metric"], answer["status"]) == (value, status)
        if status == "discard":
            assert package.read("model.py") == before
    answer = package.ask("try", "again", "--repeat")
    assert (answer["kind"], answer["metric"]) == ("repeat", 0.55)
