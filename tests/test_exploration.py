"""Exploration: swings first, then what the evidence says, and no endless exploiting."""

from __future__ import annotations

from pathlib import Path

import pytest

from grounded import ANCHOR, attempt, lr, new_file, plan, project_in, row
from support import Answer, Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = project_in(tmp_path / "p", explore="swings=2, stagnation=2")
    made.baseline()
    return made


def move(project: Project, kind: str | None, text: str, rate: str, was: str = "0.01") -> Answer:
    """One idea that changes LR; its plan asks for what nobody has measured yet."""
    tried = len(project.events("experiment_started"))
    flags = ("--move", kind) if kind else ()
    edit = lr(rate, was) + plan(row("look.py", f"{tried}.txt"))
    edit += new_file("analysis/look.py", f"open('analysis/{tried}.txt', 'w').write('1.0')\n")
    return attempt(project, edit, *flags, text=text, anchor=f"iter1/{ANCHOR}")


def refused(answer: Answer) -> str:
    assert (answer.code, answer["kind"]) == (3, "exploration"), answer
    return f"{answer['reason']} | {answer['next']}"


def test_swings_of_different_kinds_come_first(project: Project) -> None:
    assert "say which move it is, --move swing" in refused(move(project, None, "lr: a", "0.03"))
    said = refused(move(project, "exploit", "lr: a", "0.03"))
    assert "a swing is due, 0 of the first 2 are made" in said
    assert "approaches.md" in said
    assert "begins with its approach" in refused(move(project, "swing", "something", "0.03"))
    assert move(project, "swing", "lr: higher", "0.03")["status"] == "keep"
    assert "of another kind than those before it: lr" in refused(
        move(project, "swing", "lr: higher still", "0.04", "0.03")
    )
    assert move(project, "swing", "act: other", "0.02", "0.03")["status"] == "discard"
    assert move(project, "exploit", "lr: higher still", "0.04", "0.03")["status"] == "keep"


def test_after_exploits_without_a_keep_a_swing_or_a_merge_is_required(project: Project) -> None:
    move(project, "swing", "lr: higher", "0.03")
    move(project, "swing", "act: other", "0.02", "0.03")
    move(project, "exploit", "lr: far", "0.2", "0.03")
    move(project, "exploit", "lr: farther", "0.3", "0.03")
    said = refused(move(project, "exploit", "lr: farthest", "0.4", "0.03"))
    assert "a swing or merge is due, after 2 exploits in a row without a keep" in said
    page = (project.sandbox / "approaches.md").read_text()
    assert "Due next: swing or merge." in page
    assert "names the experiments that it merges" in refused(
        move(project, "merge", "lr: with act", "0.05", "0.03")
    )
    assert "of two approaches" in refused(move(project, "merge", "lr: #2 with #4", "0.05", "0.03"))
    assert move(project, "merge", "lr: #2 with #3", "0.05", "0.03")["status"] == "keep"
    assert move(project, "exploit", "lr: more", "0.06", "0.05")["status"] == "discard"


def test_approaches_are_kept_from_the_record(project: Project) -> None:
    move(project, "swing", "lr: higher", "0.03")
    move(project, "swing", "act: other", "0.02", "0.03")
    page = project.sandbox / "approaches.md"
    text = page.read_text()
    assert "Baseline #1, incumbent #2; val_bpb (minimize)." in text
    assert "## lr: 1 tried, 1 kept" in text
    assert "- #2 swing keep 1.145000: lr: higher" in text
    assert "1 of 1 predictions held" in text
    assert "## act: 1 tried, 0 kept" in text
    assert "To merge: the best of each approach, #2 (lr), #3 (act)." in text
    page.unlink()
    project.ask("wait")
    assert page.read_text() == text


def test_without_explore_there_are_no_moves(tmp_path: Path) -> None:
    project = project_in(tmp_path / "p")
    project.baseline()
    answer = project.call("try", "lr: a", "--move", "swing", "--edit", "-", stdin=lr("0.03"))
    assert answer.code == 2
    assert "--move is for campaigns with `explore`" in answer.err
    assert not (project.sandbox / "approaches.md").exists()
