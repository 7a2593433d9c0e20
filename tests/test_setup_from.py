"""`setup --from`: a campaign begins with what an earlier one has kept, and loses nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import TRAIN, Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A stopped campaign t1 whose incumbent has LR 0.04; train.py was edited since."""
    made = Project(tmp_path / "p")
    made.baseline()
    made.edit("LR = 0.01", "LR = 0.04")
    assert made.ask("try", "lr")["status"] == "keep"
    assert made.ask("stop").code == 0
    made.bind(run_tag="t2")
    made.write("train.py", TRAIN + "# my own\n")
    return made


def test_the_kept_code_is_put_in_and_the_present_one_set_aside(project: Project) -> None:
    answer = project.ask("setup", "--from", "t1")
    assert answer.code == 0, answer
    assert "LR = 0.04" in project.read("train.py")
    (note,) = answer["notes"]
    rescued = list((project.root / "sandbox/t2/rescue").rglob("train.py"))
    assert [path.read_text() for path in rescued] == [TRAIN + "# my own\n"]
    assert str(rescued[0].parent.relative_to(project.root)) in note
    assert project.ask("try", "baseline")["status"] == "keep"
    assert project.ask("status")["tag"] == "t2"


def test_an_unknown_tag_is_refused_and_nothing_is_changed(project: Project) -> None:
    answer = project.ask("setup", "--from", "t9")
    assert (answer.code, answer["kind"]) == (3, "no campaign")
    assert project.read("train.py") == TRAIN + "# my own\n"
    assert not (project.root / "sandbox/t2").exists()


def test_it_says_whose_code_that_is_and_where_the_best_is_another(project: Project) -> None:
    project.bind()
    assert project.ask("resume").code == 0
    assert project.ask("checkout", "2").code == 0
    project.edit("LR = 0.04", "LR = 0.0395")
    project.edit('    print("---")\n', "")
    assert project.ask("try", "a line less")["status"] == "discard"
    assert project.ask("override", "3", "keep", "--why", "a line less")["best"]["experiment"] == 2
    assert project.ask("stop").code == 0
    project.bind(run_tag="t2")
    answer = project.call("setup", "--from", "t1")
    assert "begins    with #3 of t1 (val_bpb 1.135500), its incumbent; its best is #2" in answer.out
