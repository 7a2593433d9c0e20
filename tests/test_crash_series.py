"""Crashes that are not the end: faults tried again, three in a row, a baseline that stays open."""

from __future__ import annotations

from pathlib import Path

import pytest

from copies import copied
from support import PYTHON, Answer, Project, edit_block, until

# What befalls a run stands in files beside the project: `weather` every run, `fault` just one.
TRAIN = """\
import os, sys

LR = 0.5


def befall(path):
    if os.path.exists(path):
        text = open(path).read()
        if path == "../fault":
            os.unlink(path)
        sys.exit(text)


befall("../fault")
befall("../weather")
print("val_bpb:", LR)
"""
FAULTS = {
    "disk full": "OSError: [Errno 28] No space left on device: 'model.pt'",
    "network": "requests.exceptions.ConnectionError: Max retries exceeded with url: /data",
    "GPU busy": "RuntimeError: CUDA error: all CUDA-capable devices are busy or unavailable",
}


@pytest.fixture
def project(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A campaign with its baseline, 0.5."""

    def make(root: Path) -> Project:
        made = Project(root, train=TRAIN)
        made.baseline()
        return made

    return copied(tmp_path / "project", tmp_path_factory, "series", make)


def lr(project: Project, value: str, *words: str) -> Answer:
    """Tries another value of LR, from the incumbent's code."""
    block = edit_block("train.py", "LR = 0.5", f"LR = {value}")
    return project.ask("try", f"LR {value}", *words, "--edit", "-", stdin=block)


def fail(project: Project, *words: str) -> Answer:
    """Tries an idea that crashes by its own fault; never the same code twice."""
    number = len(project.events("experiment_started"))
    return lr(project, f"{number} / 0", *words)


def purposes(project: Project) -> list[str]:
    return [item["purpose"] for item in project.events("run_started")]


# ---- the machine's faults ----------------------------------------------------------------------


@pytest.mark.parametrize("name", FAULTS)
def test_a_machine_fault_is_tried_again_once(project: Project, name: str) -> None:
    project.write("../fault", FAULTS[name])
    answer = lr(project, "0.4")
    assert (answer["status"], answer["metric"], answer["kind"]) == ("keep", 0.4, "better")
    assert purposes(project) == ["measure", "measure", "retry"]
    [note] = [note for note in answer["notes"] if "tried again" in note]
    assert note.startswith("run 1 was tried again: ")
    assert [row[3] for row in project.rows()] == ["keep", "keep"]
    log = (project.sandbox / "iter2/run.log").read_text()
    assert FAULTS[name] in log  # of the run that failed too
    assert answer["log"] == "sandbox/t1/iter2/run-2.log"


@pytest.mark.parametrize("name", FAULTS)
def test_a_machine_fault_twice_is_a_crash_and_no_duplicate(project: Project, name: str) -> None:
    project.write("../weather", FAULTS[name])
    answer = lr(project, "0.4")
    assert (answer["status"], answer["kind"]) == ("crash", "machine")
    assert FAULTS[name][-20:] in answer["reason"] or name in answer["reason"].lower()
    assert "the same idea again" in answer["next"]
    assert purposes(project) == ["measure", "measure", "retry"]
    (project.root / "../weather").unlink()
    answer = lr(project, "0.4")
    assert (answer["experiment"], answer["status"], answer["metric"]) == (3, "keep", 0.4)


def test_a_fault_of_the_machine_and_then_of_the_idea_is_the_ideas(project: Project) -> None:
    project.write("../fault", FAULTS["disk full"])
    block = edit_block("train.py", 'print("val_bpb:", LR)', "print(1 / 0)")
    answer = project.ask("try", "x", "--edit", "-", stdin=block)
    assert (answer["status"], answer["kind"]) == ("crash", "idea")
    assert "ZeroDivisionError" in answer["reason"]
    assert len(purposes(project)) == 3


def test_a_crash_of_the_idea_is_not_tried_again(project: Project) -> None:
    assert fail(project)["kind"] == "idea"
    assert purposes(project) == ["measure", "measure"]


def test_a_fault_between_repeats_costs_one_run_more(project: Project) -> None:
    project.write("../fault", FAULTS["network"])
    answer = lr(project, "0.4", "--repeat", "2")
    assert (answer["status"], answer["metric"]) == ("keep", 0.4)
    assert purposes(project)[1:] == ["measure", "retry", "repeat"]


def test_repeats_that_the_machine_ends_are_judged_by_the_readings_there_are(
    project: Project,
) -> None:
    fault = FAULTS["disk full"]
    breaks = f"print('val_bpb:', 0.4)\nopen('../weather', 'w').write({fault!r})"
    block = edit_block("train.py", 'print("val_bpb:", LR)', breaks)
    answer = project.ask("try", "x", "--repeat", "3", "--edit", "-", stdin=block)
    assert (answer["status"], answer["metric"], answer["kind"]) == ("keep", 0.4, "better")
    assert purposes(project)[1:] == ["measure", "repeat", "retry"]
    assert "1 of 3 runs count: " in "; ".join(answer["notes"])
    assert answer["wall_s"] is not None
    assert project.rows()[1][3] == "keep"


def test_repeats_that_the_person_ends_are_judged_by_the_readings_there_are(
    project: Project,
) -> None:
    hang = "print('val_bpb:', 0.6)\nif sys.argv[1:] == ['2']: __import__('time').sleep(600)"
    block = edit_block("train.py", 'print("val_bpb:", LR)', hang)
    project.bind(run_cmd=f"{PYTHON} train.py {{seed}}")
    assert project.ask("rebaseline", "--why", "seeds")["status"] == "keep"
    words = ["try", "x", "--repeat", "3", "--edit", "-", "--wait-s", "0"]
    assert project.ask(*words, stdin=block)["status"] == "running"
    until(lambda: purposes(project)[-1] == "repeat" or project.ask("wait", "--wait-s", "0") is None)
    assert project.ask("stop", "--kill").code == 0
    answer = project.ask("wait")
    assert (answer["status"], answer["metric"]) == ("discard", 0.6)
    assert "1 of 3 runs count: stopped by the person" in answer["notes"]


def test_a_crash_among_repeats_is_no_verdict_that_the_code_is_refused_for(
    project: Project,
) -> None:
    breaks = "print('val_bpb:', 0.4 if sys.argv[1:] == ['1'] else 1 / 0)"
    project.bind(run_cmd=f"{PYTHON} train.py {{seed}}")
    assert project.ask("rebaseline", "--why", "seeds")["status"] == "keep"
    block = edit_block("train.py", 'print("val_bpb:", LR)', breaks)
    words = ["try", "x", "--edit", "-"]
    assert project.ask(*words, "--repeat", "2", stdin=block)["kind"] == "idea"
    assert project.ask(*words, stdin=block)["status"] == "crash"


def test_a_crash_is_told_shortly_however_long_its_words_and_folders(tmp_path: Path) -> None:
    project = Project(tmp_path / "project", train="raise ValueError('x' * 900)\n")
    project.bind(sandbox_root=str(tmp_path / ("s" * 200)))
    project.setup()
    said = project.call("try", "baseline").out
    assert said.startswith("#1 crash  (idea) ValueError: xxx")
    assert len(said) <= 600
    assert "run.log" in said
    assert "next: " in said


# ---- three in a row ----------------------------------------------------------------------------


def test_after_three_crashes_the_incumbent_is_run_and_it_was_the_ideas(project: Project) -> None:
    for _ in range(2):
        assert fail(project)["notes"] == []
    answer = fail(project)
    assert (answer["experiment"], answer["status"]) == (4, "crash")
    told = "; ".join(answer["notes"])
    assert "three crashes in a row: running the incumbent #1" in told
    assert "the incumbent still runs: it was the ideas" in told
    assert "checkout 4" in answer["next"]
    assert purposes(project)[-1] == "canary"
    assert len(project.rows()) == 4
    assert project.read("train.py") == TRAIN
    answer = lr(project, "0.4")
    assert (answer["experiment"], answer["status"], answer["delta"]) == (5, "keep", 0.5 - 0.4)


def test_only_crashes_in_a_row_count(project: Project) -> None:
    fail(project)
    fail(project)
    assert lr(project, "0.6")["status"] == "discard"
    fail(project)
    fail(project)
    assert "canary" not in purposes(project)
    fail(project)
    for _ in range(2):
        fail(project)
    assert purposes(project).count("canary") == 1
    fail(project)
    assert purposes(project).count("canary") == 2


def test_when_the_incumbent_crashes_too_the_campaign_pauses(project: Project) -> None:
    project.write("../weather", "RuntimeError: CUDA error: unspecified launch failure")
    lr(project, "0.4")
    lr(project, "0.3")
    answer = lr(project, "0.2")
    told = "; ".join(answer["notes"])
    assert "the machine broke, not the ideas: the incumbent crashes too" in told
    assert "unspecified launch failure" in told
    assert "resume" in answer["next"]
    assert [row[3] for row in project.rows()] == ["keep", "crash", "crash", "crash"]
    assert project.read("train.py") == TRAIN
    status = project.ask("status")
    assert (status["status"], status["experiments"]) == ("paused", 4)
    assert "the machine broke" in status["paused"]
    refused = lr(project, "0.1")
    assert (refused.code, refused["kind"]) == (3, "paused")
    assert "the machine broke" in refused["reason"]

    (project.root / "../weather").unlink()
    assert project.ask("resume")["status"] == "active"
    answer = lr(project, "0.4")
    assert (answer["experiment"], answer["status"]) == (5, "keep")
    assert purposes(project).count("canary") == 1


def test_faults_of_the_machine_count_too(project: Project) -> None:
    project.write("../weather", FAULTS["disk full"])
    for value in ("0.4", "0.3", "0.2"):
        answer = lr(project, value)
    assert "the machine broke" in "; ".join(answer["notes"])


def test_a_caller_that_goes_away_learns_it_from_wait(project: Project) -> None:
    fail(project)
    fail(project)
    assert fail(project, "--wait-s", "0")["status"] == "running"
    answer = project.ask("wait")
    assert (answer["experiment"], answer["status"]) == (4, "crash")
    assert "the incumbent still runs" in "; ".join(answer["notes"])


def test_the_person_may_go_on_without_the_check(project: Project) -> None:
    """Paused while the third crash went on; nothing is run behind the back of who edits now."""
    slow = edit_block(
        "train.py", "LR = 0.5",
        "import time\nwhile not os.path.exists('../go'):\n    time.sleep(0.01)\nLR = 1 / 0",
    )  # fmt: skip
    fail(project)
    fail(project)
    project.ask("try", "slow", "--wait-s", "0", "--edit", "-", stdin=slow)
    project.ask("pause")
    project.write("../go", "")
    assert project.ask("wait")["status"] == "crash"
    project.ask("resume")
    project.edit("LR = 0.5", "LR = 0.4")
    answer = project.ask("try", "mine")
    assert (answer.code, answer["status"]) == (0, "keep"), answer
    assert "canary" not in purposes(project)


def test_an_edit_made_before_a_late_check_is_set_aside_and_named(project: Project) -> None:
    """As if a kill had come between the third crash and the check of the incumbent."""
    for _ in range(3):
        fail(project)
    journal = project.sandbox / "journal.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    *_, last = [at for at, line in enumerate(lines) if '"settled"' in line]
    journal.write_text("".join(lines[: last + 1]))
    project.edit("LR = 0.5", "LR = 0.4")
    refused = project.ask("try", "mine")
    assert (refused.code, refused["kind"]) == (3, "running")
    [rescued] = project.events("rescued")
    assert rescued["folder"] in refused["reason"]
    assert "LR = 0.4" in (project.root / rescued["folder"] / "train.py").read_text()
    answer = project.ask("wait")
    assert "the incumbent still runs" in "; ".join(answer["notes"])
    assert project.read("train.py") == TRAIN


def test_a_check_of_the_incumbent_keeps_outputs_as_asked(tmp_path: Path) -> None:
    project = Project(tmp_path / "tidy", train=TRAIN)
    project.bind(keep_outputs="none")
    project.baseline()
    for _ in range(3):
        fail(project)
    assert purposes(project)[-1] == "canary"
    assert list(project.sandbox.glob("iter*/out*")) == []


def test_a_check_of_the_incumbent_that_is_stopped_blames_nobody(project: Project) -> None:
    # Runs well once, as the baseline; then it hangs until it is stopped.
    train = TRAIN.replace(
        "print(", "while os.path.exists('../hang'):\n    __import__('time').sleep(0.01)\nprint("
    )
    made = Project(project.root.parent / "hanging", train=train)
    made.baseline()
    for _ in range(2):
        fail(made)
    made.write("../hang", "")
    assert fail(made, "--wait-s", "0")["status"] == "running"
    until(lambda: _goes_on(made))
    assert "check the machine" in "; ".join(made.ask("wait", "--wait-s", "0")["notes"])
    refused = lr(made, "0.4")
    assert (refused.code, refused["kind"]) == (3, "running")
    assert "the incumbent #1 is being run to check the machine" in refused["reason"]
    assert made.ask("stop", "--kill")["status"] == "stopped"
    assert [item["reason"] for item in made.events("paused")] == []
    (made.root / "../hang").unlink()
    made.ask("resume")
    assert lr(made, "0.4")["status"] == "keep"


def _goes_on(project: Project) -> bool:
    project.ask("wait", "--wait-s", "0")
    return "canary" in purposes(project)


# ---- the baseline stays open -------------------------------------------------------------------

NEEDS_DATA = "LR = float(open('data.txt').read())\nprint('val_bpb:', LR)\n"


def test_a_baseline_that_crashes_stays_open_until_its_data_is_there(tmp_path: Path) -> None:
    project = Project(tmp_path / "project", train=NEEDS_DATA)
    project.bind(max_experiments=2)
    project.setup()
    for _ in range(4):  # crashes of the baseline are no row of ideas that failed
        answer = project.ask("try", "baseline")
        assert (answer["experiment"], answer["status"], answer["kind"]) == (1, "crash", "idea")
        assert "FileNotFoundError" in answer["reason"]
        assert answer["incumbent"] is answer["best"] is None
        assert "try baseline" in answer["next"]
        assert project.rows() == [["1", "0.000000", "0.0", "crash", "baseline"]]
    assert set(purposes(project)) == {"measure"}
    assert project.ask("status")["next"] == "agent-loops try baseline"

    project.write("data.txt", "0.5")
    answer = project.ask("try", "baseline")
    assert (answer["experiment"], answer["status"], answer["metric"]) == (1, "keep", 0.5)
    assert project.rows() == [["1", "0.5", project.rows()[0][2], "keep", "baseline"]]
    assert not [note for note in answer["notes"] if "mended" in note]
    project.edit("open('data.txt').read()", "0.4")
    assert project.ask("try", "an idea")["delta"] == pytest.approx(0.1)


@pytest.mark.parametrize("by_edit", [False, True])
def test_code_mended_in_the_open_baseline_is_the_baseline(tmp_path: Path, by_edit: bool) -> None:  # noqa: FBT001 - pytest's own way to give a value
    broken, worse, good = "print(1 / 0)\n", "print(1 / 0, 2)\n", "print('val_bpb: 0.5')\n"
    project = Project(tmp_path / "project", train=broken)
    project.setup()

    def attempt(old: str, new: str) -> Answer:
        if by_edit:
            block = edit_block("train.py", old.strip(), new.strip())
            return project.ask("try", "mended", "--edit", "-", stdin=block)
        project.write("train.py", new)
        return project.ask("try", "mended")

    assert project.ask("try", "baseline")["status"] == "crash"
    assert project.read("train.py") == broken
    assert attempt(broken, worse)["status"] == "crash"
    assert project.read("train.py") == worse  # what is being mended is left as it is
    answer = attempt(worse, good)
    assert (answer["experiment"], answer["status"], answer["kind"]) == (1, "keep", "baseline")
    assert "runs as the mended baseline" in "; ".join(answer["notes"])
    assert [row[3:] for row in project.rows()] == [["keep", "baseline"]]
    assert project.events("experiment_started")[-1]["idea"] == "mended"

    folder = project.sandbox / "iter1"
    assert (folder / "attempt-1/code_snapshot/train.py").read_text() == broken
    assert (folder / "attempt-2/code_snapshot/train.py").read_text() == worse
    assert (folder / "code_snapshot/train.py").read_text() == good
    logs = sorted(path.name for path in folder.glob("run*.log"))
    assert logs == ["run-2.log", "run-3.log", "run.log"]
    project.edit("0.5", "0.6")
    assert project.ask("try", "an idea")["status"] == "discard"
    assert project.read("train.py") == good


@pytest.mark.parametrize("stopped", [False, True])
def test_a_baseline_is_mended_whatever_ended_it(tmp_path: Path, stopped: bool) -> None:  # noqa: FBT001 - pytest's own way to give a value
    train = TRAIN + ("__import__('time').sleep(600)\n" if stopped else "")
    project = Project(tmp_path / "project", train=train)
    project.setup()
    if stopped:
        project.ask("try", "baseline", "--wait-s", "0")
        project.ask("stop", "--kill")
        project.ask("resume")
    else:
        project.write("../weather", FAULTS["disk full"])
        project.ask("try", "baseline")
        assert purposes(project) == ["measure", "retry"]
    answer = project.ask("wait")
    assert (answer["status"], answer["kind"]) == ("crash", "machine")
    project.write("train.py", "print('val_bpb: 0.5')\n")
    answer = project.ask("try", "less to write")
    assert (answer["experiment"], answer["status"], answer["metric"]) == (1, "keep", 0.5)
    assert "runs as the mended baseline" in "; ".join(answer["notes"])
    assert len(project.rows()) == 1
    [first] = (project.sandbox / "iter1").glob("attempt-*/code_snapshot/train.py")
    assert first.read_text() == train


def test_a_crashed_baseline_is_no_experiment_done(tmp_path: Path) -> None:
    project = Project(tmp_path / "project", train=NEEDS_DATA)
    project.bind(max_experiments=1)
    project.setup()
    assert project.ask("try", "baseline")["status"] == "crash"
    project.write("data.txt", "0.5")
    assert project.ask("try", "baseline")["status"] == "keep"
    assert project.ask("try", "more")["kind"] == "finished"


def test_a_harness_that_is_broken_is_mended_through_rebaseline(tmp_path: Path) -> None:
    project = Project(tmp_path / "project", prepare="loss = None\n")
    project.setup()
    assert project.ask("try", "baseline")["status"] == "crash"
    project.write("prepare.py", "def loss(lr, width):\n    return 1.5\n")
    refused = project.ask("try", "baseline")
    assert (refused.code, refused["kind"]) == (3, "harness")
    answer = project.ask("rebaseline", "--why", "loss was missing")
    assert (answer["experiment"], answer["status"], answer["metric"]) == (2, "keep", 1.5)
    assert [row[3] for row in project.rows()] == ["crash", "keep"]
