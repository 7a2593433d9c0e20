"""What a person reads: the words of setup, of the baseline, of one experiment and of the gain."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from support import PYTHON, Answer, Project, commit_all, edit_block

OR_LONGER = ", or twice the baseline's time if longer"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "a project")


def lr(project: Project, value: str, *words: str, old: str = "0.01") -> Answer:
    """Tries another LR; 0.05 is the best there is."""
    block = edit_block("train.py", f"LR = {old}", f"LR = {value}")
    answer = project.call("try", f"LR {value}", *words, "--edit", "-", stdin=block)
    assert answer.code == 0, answer
    return answer


# ---- setup -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bindings", "lines"),
    [
        (
            {},
            [
                "campaign t1  (snapshots, files in sandbox/t1)",
                "metric    val_bpb (minimize), as the training script reports it",
                f"time      budget 20.0 s; a run is killed after 40.0 s{OR_LONGER}",
                "editable  1 file: train.py",
                "frozen    1 file: prepare.py",
            ],
        ),
        (
            {
                "metric": "wall_s", "budget": "30 epochs", "timeout_minutes": 7,
                "editable_files": ["*.py", "*.json"],
            },
            [
                "metric    wall_s (minimize), measured by agent-loops",
                "time      budget 30 epochs; a run is killed after 7.0 min",
                "editable  6 files: c0.json, c1.json, c2.json, c3.json, …",
                "frozen    nothing",
            ],
        ),
        (
            {"eval_cmd": f"{PYTHON} train.py", "iter_strategy": "branches"},
            [
                "branch    autoresearch/t1 is checked out now; `git switch -` goes back",
                "metric    val_bpb (minimize), as eval_cmd measures it",
                "frozen    5 files: c0.json, c1.json, c2.json, c3.json, …",
            ],
        ),
    ],
)  # fmt: skip
def test_setup_tells_what_will_be_done(
    project: Project, bindings: Mapping[str, object], lines: list[str]
) -> None:
    project.bind(**bindings)
    if bindings:
        for number in range(4):
            project.write(f"c{number}.json", "{}")
    if "iter_strategy" in bindings:
        commit_all(project.root)
    answer = project.call("setup")
    assert answer.code == 0, answer
    assert [line for line in lines if line not in answer.out.splitlines()] == [], answer.out
    assert answer.out.splitlines()[-1] == "next: agent-loops try baseline"


# ---- the baseline ------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["snapshots", "branches"])
def test_a_baseline_is_called_one_whatever_was_typed(project: Project, strategy: str) -> None:
    project.bind(iter_strategy=strategy)
    commit_all(project.root)
    project.setup()
    answer = project.ask("try", "a higher learning rate")
    assert (answer["status"], answer["description"]) == ("keep", "baseline")
    note = "nothing was edited: this is the baseline; the idea is still to be tried"
    assert note in answer["notes"]
    assert project.rows()[0][4] == "baseline"
    assert project.events("experiment_started")[0]["idea"] == "a higher learning rate"
    project.bind(iter_strategy=strategy, budget="30 s")
    answer = project.ask("rebaseline", "--why", "more time")
    assert answer["description"] == "baseline (rebaseline: more time)"
    assert note not in answer["notes"]
    project.bind(iter_strategy=strategy, budget="40 s")
    answer = project.ask("rebaseline", "--why", "yet more")
    assert answer["description"] == "baseline (rebaseline: yet more)"


def test_a_baseline_that_is_called_one_has_no_note(project: Project) -> None:
    assert project.baseline()["notes"] == ["val_bpb is self-reported by the code that is edited"]


def test_a_checkout_before_the_baseline_leads_to_it(project: Project) -> None:
    project.setup()
    project.edit("LR = 0.01", "LR = 0.05")
    assert project.ask("try", "higher")["kind"] == "baseline first"
    assert project.ask("checkout", "1")["next"] == "agent-loops try baseline"
    assert project.ask("try")["status"] == "keep"
    assert project.ask("checkout", "1")["next"].startswith("edit, then `agent-loops try")


def test_a_baseline_that_crashes_says_what_to_do_after_a_change_of_the_bindings(
    project: Project,
) -> None:
    project.bind(run_cmd="python trian.py")
    project.setup()
    assert "`agent-loops rebaseline --why …`" in project.ask("try", "baseline")["next"]
    project.bind()
    assert project.ask("rebaseline", "--why", "a typing error")["status"] == "keep"


# ---- one experiment ----------------------------------------------------------------------------


def test_show_names_the_idea_what_it_was_built_on_and_its_repeats(project: Project) -> None:
    project.baseline()
    lr(project, "0.03", "--repeat", "2")
    answer = lr(project, "0.02", old="0.03")
    assert "mean of" not in answer.out
    shown = project.call("show", "2").out
    for words in (
        "#2 keep  val_bpb 1.145000, mean of 2 (0.02 better", "idea: LR 0.03",
        "built on #1: baseline", "is the incumbent now",
    ):  # fmt: skip
        assert words in shown
    assert "incumbent stays #2 1.145000" in project.call("show", "3").out
    assert "incumbent is now #2 1.145000" in project.call("show", "1").out
    assert "built on" not in project.call("show", "1").out


def test_the_gain_is_that_of_what_is_kept(project: Project) -> None:
    project.baseline()
    lr(project, "0.03", "--repeat", "2")
    line = "gain      0.02 (1.72%) over the baseline, by means of 2 and 1 readings"
    assert line in project.call("status").out.splitlines()
    assert project.ask("override", "2", "discard", "--why", "too clever").code == 0
    status = project.ask("status")
    assert (status["gain"], status["best"]["experiment"]) == (0, 1)
    assert "gain" not in project.call("status").out
    lr(project, "0.02")
    line = "gain      0.01 (0.858%) over the baseline, by single readings"
    assert line in project.call("status").out.splitlines()


# ---- the table ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("printed_mb", "cell"),
    [("45060.2", "44.0"), ("512.0", "0.5"), ("102.4", "0.1"), ("44.0", "0.043"), ("2.0", "0.002")],
)
def test_memory_of_a_small_run_is_no_zero(tmp_path: Path, printed_mb: str, cell: str) -> None:
    train = f"print('val_bpb: 1.0')\nprint('peak_vram_mb: {printed_mb}')\n"
    project = Project(tmp_path / "project", train=train)
    project.baseline()
    assert project.rows()[0][2] == cell


def test_what_was_rejected_by_override_is_not_the_best(project: Project) -> None:
    project.baseline()
    project.edit("LR = 0.01", "LR = 0.04")
    assert project.ask("try", "a trick")["best"]["experiment"] == 2
    assert project.ask("override", "2", "discard", "--why", "a trick")["best"]["experiment"] == 1
    assert project.ask("override", "2", "keep", "--why", "no trick")["best"]["experiment"] == 2


def test_an_edit_on_top_of_another_experiment_says_so(project: Project) -> None:
    project.baseline()
    project.edit("LR = 0.01", "LR = 0.001")
    assert project.ask("try", "lower")["status"] == "discard"
    project.ask("checkout", "2")
    answer = project.ask(
        "try", "on it", "--edit", "-", stdin=edit_block("train.py", "LR = 0.001", "LR = 0.002")
    )
    assert "built on #2, whose code lies in the files" in answer["notes"]
