"""`checks_cmd`: what must pass before a keep."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from agent_loops import files
from support import Answer, Project, edit_block, until

TRAIN = """\
LR = 3
SAFE = True
# a comment that could go
# and another
print(f"val_bpb: {1 / LR:.4f}")
"""
CHECKS = "grep -q '^SAFE = True' train.py || { echo '1 failed: it is not safe'; exit 4; }"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "p", train=TRAIN)
    made.bind(checks_cmd=CHECKS)
    return made


def try_edit(project: Project, idea: str, search: str, replace: str) -> Answer:
    return project.ask("try", idea, "--edit", "-", stdin=edit_block("train.py", search, replace))


def test_checks_run_before_a_keep_only(project: Project) -> None:
    project.baseline()
    assert try_edit(project, "worse", "LR = 3", "LR = 2")["kind"] == "worse"
    assert try_edit(project, "better", "LR = 3", "LR = 4")["status"] == "keep"
    checked = project.events("checks_finished")
    assert [(event["experiment"], event["passed"]) for event in checked] == [(1, True), (3, True)]


def test_failed_checks_are_a_discard_that_says_why(project: Project) -> None:
    project.baseline()
    answer = try_edit(project, "unsafe", "LR = 3\nSAFE = True", "LR = 9\nSAFE = False")
    assert (answer["status"], answer["kind"]) == ("discard", "checks")
    assert answer["reason"] == "checks_cmd did not pass: exit code 4: 1 failed: it is not safe"
    assert answer["log"].endswith("iter2/run-2.log")
    assert "run 2 (checks): exit code 4" in project.call("show", "2").out
    assert "run 2 (checks): passed" in project.call("show", "1").out
    assert answer["incumbent"]["experiment"] == answer["best"]["experiment"] == 1
    assert project.read("train.py") == TRAIN
    refused = project.ask("override", "2", "keep", "--why", "I like it")
    assert refused.code == 3
    assert "checks_cmd did not pass" in refused["reason"]


def test_what_override_could_keep_is_checked_too(project: Project) -> None:
    project.baseline()
    simpler = "# a comment that could go\n# and another\n"
    assert try_edit(project, "simpler", simpler.rstrip(), "")["kind"] == "equal"
    assert project.events("checks_finished")[-1]["experiment"] == 2
    assert project.ask("override", "2", "keep", "--why", "two lines less")["status"] == "keep"
    assert try_edit(project, "simpler still", "LR = 3\nSAFE = True", "LR = 3")["kind"] == "checks"


def test_a_baseline_that_fails_its_checks_stays_open(project: Project) -> None:
    project.edit("SAFE = True", "SAFE = False")
    project.setup()
    answer = project.ask("try", "baseline")
    assert (answer["status"], answer["kind"]) == ("crash", "idea")
    assert answer["reason"].startswith("the baseline itself: checks_cmd did not pass")
    project.edit("SAFE = False", "SAFE = True")
    assert project.ask("try", "baseline")["status"] == "keep"


def test_a_killed_check_is_run_again_once(project: Project) -> None:
    project.bind(checks_cmd="while [ -e ../slow ]; do sleep 0.05; done")
    project.baseline()
    (project.root.parent / "slow").touch()
    project.edit("LR = 3", "LR = 4")
    for _ in range(2):
        running = project.ask("try", "better", "--wait-s", "2")
        if running.code:  # the second time round it is under way
            running = project.ask("wait", "--wait-s", "2")
        assert running["status"] == "running"
        assert "its reading is in; checks_cmd is running" in running["notes"]
        started = project.events("run_started")[-1]
        assert started["purpose"] == "checks"
        os.kill(started["pid"], signal.SIGKILL)
        until(lambda: not files.is_locked(project.sandbox / "run.lock"))
    answer = project.ask("wait", "--wait-s", "5")
    assert (answer["status"], answer["kind"]) == ("discard", "checks")
    assert "run lost" in answer["reason"]
    assert "LR = 3" in project.read("train.py")


def test_stopping_in_the_middle_of_checks_discards(project: Project) -> None:
    project.bind(checks_cmd="while [ -e ../slow ]; do sleep 0.05; done")
    project.baseline()
    (project.root.parent / "slow").touch()
    project.edit("LR = 3", "LR = 4")
    assert project.ask("try", "better", "--wait-s", "2")["status"] == "running"
    project.ask("stop", "--kill")
    assert project.rows()[-1][3] == "discard"
    assert project.events("decided")[-1]["reason"] == (
        "checks_cmd did not pass: stopped by the person"
    )
