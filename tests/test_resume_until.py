"""`resume --until`: the person sets a new end without measuring anything anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import Project, until


def test_a_new_end_is_kept_and_can_be_moved(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.baseline()
    assert project.ask("resume", "--until", "1s").code == 0
    project.edit("LR = 0.01", "LR = 0.04")
    until(lambda: project.ask("status")["status"] == "finished")
    answer = project.ask("try", "lr")
    assert (answer.code, answer["kind"]) == (3, "finished")
    assert "it is past " in answer["reason"]
    assert project.ask("resume", "--until", "8h").code == 0
    assert project.ask("try", "lr")["status"] == "keep"


def test_a_clock_time_is_the_next_one(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.bind(stop_after="1 s")
    project.baseline()
    assert project.ask("resume", "--until", "07:30").code == 0
    assert project.events("resumed")[-1]["until_utc"]
    assert project.ask("status")["status"] == "active"


@pytest.mark.parametrize("word", ["25:00", "soon", "8", "-1h", "0s", "99999999999h", "9e9h"])
def test_what_is_no_time_is_told(tmp_path: Path, word: str) -> None:
    project = Project(tmp_path / "p")
    project.baseline()
    answer = project.call("resume", f"--until={word}")
    assert answer.code == 2
    assert "--until" in answer.err
    assert answer.err.count("\n") == 1
