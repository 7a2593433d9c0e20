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
    assert "sandbox/t1/approaches.md" in said
    assert "`agent-loops try 'APPROACH: …' --move swing`" in said
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
    said = refused(move(project, "merge", "lr: with act", "0.05", "0.03"))
    assert "names the experiments that it merges" in said
    assert "--move merge" in said
    assert "of two approaches" in refused(move(project, "merge", "lr: #2 with #4", "0.05", "0.03"))
    assert "#3 was built on #2 and holds it already" in refused(
        move(project, "merge", "lr: #2 with #3", "0.05", "0.03")
    )
    status = project.ask("status")["next"]
    assert "a swing or merge is due, `agent-loops try 'APPROACH: …' --move swing` or" in status
    assert move(project, "swing", "both: wider", "0.05", "0.03")["status"] == "keep"
    assert move(project, "exploit", "lr: more", "0.06", "0.05")["status"] == "discard"


def test_two_approaches_from_one_base_may_be_merged(project: Project) -> None:
    assert move(project, "swing", "act: other", "0.005")["status"] == "discard"
    assert move(project, "swing", "lr: higher", "0.03")["status"] == "keep"
    merged = move(project, "merge", "lr: #2 with #3", "0.05", "0.03")
    assert merged["status"] == "keep", merged


def test_a_merge_is_proposed_of_what_gained_and_is_not_in_the_incumbent(project: Project) -> None:
    move(project, "swing", "lr: higher", "0.03")
    assert project.ask("checkout", "1").code == 0
    better = move(project, "swing", "act: other", "0.025")
    assert better["status"] == "discard"  # than the incumbent, but better than the baseline
    page = (project.sandbox / "approaches.md").read_text()
    assert "To merge with the incumbent #2: #3 (act)." in page


def test_a_crash_may_be_mended_as_the_move_that_it_was(project: Project) -> None:
    assert move(project, "swing", "act: other", "1 / 0")["status"] == "crash"
    assert move(project, "swing", "act: other", "0.02")["status"] == "keep"
    assert move(project, "swing", "lr: higher", "0.03", "0.02")["status"] == "keep"
    assert move(project, "exploit", "lr: far", "0.2", "0.03")["status"] == "discard"
    assert move(project, "exploit", "lr: farther", "1 / 0", "0.03")["status"] == "crash"
    assert move(project, "exploit", "lr: farther", "0.3", "0.03")["status"] == "discard"
    assert "after 2 exploits" in refused(move(project, "exploit", "lr: more", "0.4", "0.03"))


def test_after_a_mended_analysis_the_due_move_is_told(project: Project) -> None:
    tried = lr("0.03") + plan(row("a.py", "a.txt")) + new_file("analysis/a.py", "1 / 0\n")
    lacking = attempt(project, tried, "--move", "swing", text="lr: higher")
    assert "analyze --run 2" in lacking["next"]
    assert "agent-loops analyze --run 2 --edit -" in project.ask("status")["next"]
    edit = new_file("analysis/a.py", "open('analysis/a.txt', 'w').write('1.0')\n")
    mended = project.ask("analyze", "--run", "--edit", "-", stdin=edit)
    assert "a swing is due, `agent-loops try 'APPROACH: …' --move swing`" in mended["next"]
    assert mended["next"] == project.ask("status")["next"]


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
    assert "To merge" not in text  # #3 gained nothing on #2, which it was built on
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
