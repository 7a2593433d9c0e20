"""`resume --until`: the person sets a new end without measuring anything anew."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from agent_loops import switches
from agent_loops.errors import UsageError
from support import Project, until


def test_a_new_end_is_kept_and_can_be_moved(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.baseline()
    assert project.ask("resume", "--until", "1s").code == 0
    project.edit("LR = 0.01", "LR = 0.04")
    until(lambda: project.ask("status")["status"] == "finished")
    answer = project.ask("try", "lr")
    assert (answer.code, answer["kind"]) == (3, "finished")
    assert "resume --until: it is past " in answer["reason"]
    assert "`agent-loops resume --until T`" in answer["next"]
    assert "`agent-loops resume --until T`" in project.ask("resume")["next"]
    assert project.ask("resume", "--until", "8h").code == 0
    assert project.ask("try", "lr")["status"] == "keep"


def test_a_clock_time_is_the_next_one(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.bind(stop_after="1 s")
    project.baseline()
    in_two_hours = (datetime.now().astimezone() + timedelta(hours=2)).strftime("%H:%M")
    assert project.ask("resume", "--until", in_two_hours).code == 0
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


def test_the_end_is_told(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.bind(target=0.5)
    project.baseline()
    at = (datetime.now().astimezone() + timedelta(hours=8)).strftime("%H:%M")
    told = project.call("resume", "--until", "8h").out
    assert f"is active until {at}" in told or "tomorrow" in told
    assert "in 8.0 h" in told
    (line,) = [item for item in project.call("status").out.splitlines() if item[:4] == "ends"]
    assert "in 8.0 h" in line
    assert "val_bpb reaches 0.5" in line


@pytest.mark.parametrize(
    ("clock", "word", "hours"),
    [
        ("04:22:30", "04:20", None),
        ("04:22:30", "04:22", None),
        ("00:10:00", "23:50", None),
        ("23:00:00", "07:30", 8.5),
        ("09:00:00", "07:30", 22.5),
    ],
)
def test_a_clock_time_just_past_is_not_tomorrow(
    monkeypatch: pytest.MonkeyPatch, clock: str, word: str, hours: float | None
) -> None:
    now = datetime.fromisoformat(f"2026-11-20 {clock}").astimezone()
    monkeypatch.setattr(switches, "utc_now", lambda: now)
    if hours is None:
        with pytest.raises(UsageError, match="has just passed"):
            switches._end_of(word)
    else:
        assert datetime.fromisoformat(switches._end_of(word)) - now == timedelta(hours=hours)


def test_the_end_outlives_a_rebaseline_that_changes_no_end(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.bind(stop_after="1 h")
    project.baseline()
    assert project.ask("resume", "--until", "8h").code == 0
    end = project.ask("status")["end"]
    project.bind(stop_after="1 h", max_experiments=9)
    project.edit("LR = 0.01", "LR = 0.02")
    assert project.ask("try", "lr")["reason"].endswith("max_experiments")
    assert project.ask("rebaseline", "--why", "more")["changed"] == ["max_experiments"]
    assert project.ask("status")["end"] == end
    project.bind(stop_after="2 h", max_experiments=9)
    assert project.ask("rebaseline", "--why", "longer")["changed"] == ["stop_after"]
    assert project.ask("status")["end"] is None
