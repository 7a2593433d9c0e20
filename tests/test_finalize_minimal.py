"""`finalize --minimal`: kept changes that turn out not to matter are measured and left out."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from faults import CLIENT, Commands, Fault, strides
from grounded import attempt, lr, plan, project_in, row
from support import Answer, Project, commit_all, git
from test_finalize import BRANCH, STRATEGIES, blob, everything, finalized, refused, subjects, tried

# Clipping helps only as long as nothing is normalized: once both are in, it does nothing.
TRAIN = """\
LR = 0.01
CLIP = 0
WIDTH = 8
NORM = 0
DEPTH = 1
if __name__ == "__main__":
    rough = 0.5 if not CLIP and not NORM else 0.0
    loss = 1 + abs(LR - 0.05) + 1 / WIDTH + rough - 0.25 * NORM
    print(f"val_bpb: {loss:.6f}")
"""


def campaign(root: Path, strategy: str = "snapshots", **bindings: object) -> Project:
    """Four kept ideas, of which the second, clipping, does nothing any more."""
    project = Project(root, train=TRAIN)
    project.bind(iter_strategy=strategy, **bindings)
    commit_all(root)
    project.baseline()
    for idea, old, new in (
        ("a higher rate", "LR = 0.01", "LR = 0.04"),
        ("clip", "CLIP = 0", "CLIP = 1"),
        ("wider", "WIDTH = 8", "WIDTH = 16"),
        ("normalize", "NORM = 0", "NORM = 1"),
    ):
        assert tried(project, idea, old, new)["status"] == "keep"
    return project


def removals(project: Project) -> list[tuple[int, str]]:
    """Which kept experiments were measured without, in order, each with the verdict."""
    verdicts = {item["experiment"]: item["verdict"] for item in project.events("decided")}
    return [
        (item["takes_back"], verdicts[item["experiment"]])
        for item in project.events("experiment_started")
        if item["takes_back"] is not None
    ]


def _measured(project: Project) -> list[tuple[int, int]]:
    """The removals' own numbers, each with what was taken out."""
    started = project.events("experiment_started")
    return [(one["experiment"], one["takes_back"]) for one in started if one["takes_back"]]


@STRATEGIES
@pytest.mark.parametrize("rule", ["plain", "noise-aware"])
def test_a_change_that_does_nothing_is_taken_out_and_the_others_stay(
    tmp_path: Path, strategy: str, rule: str
) -> None:
    project = campaign(tmp_path / "p", strategy, keep_rule=rule)
    base = git(project.root, "rev-parse", "main")
    answer = finalized(project, "--minimal")
    assert sorted(removals(project)) == [
        (2, "discard"), (3, "keep"), (4, "discard"), (5, "discard"),
    ]  # fmt: skip
    assert answer["dropped"] == [3]
    assert [item["experiment"] for item in answer["left_in"]] == [2, 4, 5]
    assert subjects(project.root, base) == ["a higher rate", "wider", "normalize"]
    expected = (
        TRAIN.replace("LR = 0.01", "LR = 0.04")
        .replace("= 8", "= 16")
        .replace("NORM = 0", "NORM = 1")
    )
    assert blob(project.root, BRANCH, "train.py").decode() == expected
    assert project.read("train.py") == expected
    first = git(project.root, "diff", "--stat", f"{BRANCH}~2", f"{BRANCH}~1")
    assert "1 insertion(+), 1 deletion(-)" in first
    text = (project.sandbox / "report" / "pull-request.md").read_text()
    assert "experiment 3: `clip`: kept at first, taken out again" in text
    assert "4 ideas tried: 4 kept (1 taken out again), 0 discarded" in text
    without = {of: item for item, of in _measured(project)}
    assert f"`a higher rate`: without it (experiment {without[2]}) loss 0.03" in text
    shown = project.call("show", "6").out + project.call("history").out
    assert "without #" in shown


def test_what_gained_least_is_measured_first_and_no_more_than_the_bound(tmp_path: Path) -> None:
    project = campaign(tmp_path / "p")
    answer = finalized(project, "--minimal", "--runs", "1")
    assert removals(project) == [(2, "discard")]  # it gained 0.03, the others more
    assert "1 of 1 runs are used" in " ".join(answer["notes"])
    assert len(answer["commits"]) == 4
    again = finalized(project, "--minimal", "--runs", "1")  # the same command asks for no more
    assert (again["is_new"], len(removals(project))) == (False, 1)
    assert refused(project, "--minimal", "--runs", "9")["kind"] == "branch exists"
    assert len(removals(project)) == 1
    git(project.root, "branch", "-D", BRANCH)
    assert finalized(project, "--minimal", "--runs", "9")["dropped"] == [3]
    assert len(removals(project)) == 4


def test_a_budget_too_small_for_one_run_measures_nothing(tmp_path: Path) -> None:
    project = campaign(tmp_path / "p")
    answer = project.ask("finalize", "--minimal", "--budget", "0.001 s")
    assert answer.code == 0, answer
    assert removals(project) == []
    assert "the budget is used up" in " ".join(answer["notes"])


def test_what_it_will_cost_is_said_before_anything_runs(tmp_path: Path) -> None:
    project = campaign(tmp_path / "p")
    answer = finalized(project, "--minimal", "--budget", "1h")
    assert answer.err.startswith(
        "measuring without each of 4 kept changes, what gained least first"
    )
    assert "within 60.0 min" in answer.err


def test_a_change_that_later_ones_build_on_is_left_in_and_so_is_a_simplification(
    tmp_path: Path,
) -> None:
    project = Project(tmp_path / "p", train=TRAIN.replace("DEPTH = 1\n", "A = 1\nB = 2\nC = 3\n"))
    commit_all(project.root)
    project.baseline()
    assert tried(project, "a rate", "LR = 0.01", "LR = 0.02")["status"] == "keep"
    assert tried(project, "the rate again", "LR = 0.02", "LR = 0.04")["status"] == "keep"
    shorter = tried(project, "shorter", "WIDTH = 8\nNORM = 0\nA = 1\nB = 2\nC = 3",
                    "WIDTH = 16\nNORM = 0")  # fmt: skip
    assert shorter["status"] == "keep"
    answer = finalized(project, "--minimal")
    told = {item["experiment"]: item["why"] for item in answer["left_in"]}
    assert told[2] == "later changes build on it (train.py)"
    assert told[4] == "it is simpler with it: 3 lines fewer"
    assert removals(project) == [(3, "discard")]
    assert "; 2 others stay in without that" in answer.err


def test_ideas_that_do_not_come_apart_are_one_commit(tmp_path: Path) -> None:
    """The second idea changes the line of the first and the third puts it back."""
    train = """\
M = 1
N = 0
if __name__ == "__main__":
    print("val_bpb:", {(1, 0): 5, (2, 0): 4, (3, 0): 3, (2, 1): 2, (1, 1): 2}[M, N])
"""
    project = Project(tmp_path / "p", train=train)
    base = commit_all(project.root)
    project.baseline()
    assert tried(project, "two", "M = 1", "M = 2")["status"] == "keep"
    assert tried(project, "three", "M = 2", "M = 3")["status"] == "keep"
    assert tried(project, "two and N", "M = 3\nN = 0", "M = 2\nN = 1")["status"] == "keep"
    answer = finalized(project, "--minimal")
    assert answer["dropped"] == [2]
    assert subjects(project.root, base) == ["2 ideas kept in campaign t1"]
    message = " ".join(git(project.root, "log", "-1", "--format=%B", BRANCH).split())
    assert "leaves lines that do not merge" in message
    assert "- Experiment 3: three." in message
    assert "- Experiment 4: two and N." in message
    assert blob(project.root, BRANCH, "train.py") == project.read("train.py").encode()
    assert "M = 1\nN = 1" in project.read("train.py")


def test_where_there_is_noise_one_lucky_reading_takes_nothing_out(tmp_path: Path) -> None:
    noisy = TRAIN.replace(
        'print(f"val_bpb: {loss:.6f}")',
        """import pathlib
    runs = pathlib.Path("runs.json")
    n = int(runs.read_text()) if runs.exists() else 0
    runs.write_text(str(n + 1))
    noise = [0.0, 0.9, -0.7, 0.4, -1.1, 0.3, 1.0, -0.2, -0.9, 0.6, 0.1, -0.5][n % 12]
    print(f"val_bpb: {loss + 0.002 * noise:.6f}")""",
    )
    project = Project(tmp_path / "p", train=noisy)
    project.bind(keep_rule="noise-aware", compare="single")
    commit_all(project.root)
    project.baseline()
    assert tried(project, "clip", "CLIP = 0", "CLIP = 1")["status"] == "keep"
    assert tried(project, "normalize", "NORM = 0", "NORM = 1")["status"] == "keep"
    answer = finalized(project, "--minimal")
    assert answer["dropped"] == [2]
    assert removals(project) == [(3, "discard"), (2, "keep")]
    runs = [item["experiment"] for item in project.events("run_finished")]
    assert min(runs.count(4), runs.count(5)) >= 3


def test_it_stops_where_the_campaign_is_paused_and_goes_on_after(tmp_path: Path) -> None:
    project = campaign(tmp_path / "p")
    assert project.call("pause").code == 0
    assert refused(project, "--minimal")["kind"] == "paused"
    assert git(project.root, "branch", "--list", BRANCH) == ""
    assert project.call("resume").code == 0
    assert finalized(project, "--minimal")["dropped"] == [3]


def test_a_limit_of_the_campaign_holds_for_it_too(tmp_path: Path) -> None:
    project = campaign(tmp_path / "p", max_experiments=7)
    answer = finalized(project, "--minimal")
    assert len(removals(project)) == 2
    assert "max_experiments: 7 done" in " ".join(answer["notes"])
    other = campaign(tmp_path / "q", max_experiments=5)
    assert refused(other, "--minimal")["kind"] == "finished"


def test_edits_by_hand_are_not_lost(tmp_path: Path) -> None:
    project = campaign(tmp_path / "p")
    project.edit("DEPTH = 1", "DEPTH = 2")
    answer = refused(project, "--minimal")
    assert answer["kind"] == "edits"
    assert "DEPTH = 2" in project.read("train.py")
    assert removals(project) == []


def test_a_run_that_goes_on_is_answered_and_the_same_command_goes_on(tmp_path: Path) -> None:
    project = Project(tmp_path / "p", train=TRAIN)
    slow = "while test -e ../hold; do sleep 0.01; done; python3 train.py"
    project.bind(run_cmd=slow)
    commit_all(project.root)
    project.baseline()
    assert tried(project, "wider", "WIDTH = 8", "WIDTH = 16")["status"] == "keep"
    (tmp_path / "hold").touch()
    answer = project.ask("finalize", "--minimal", "--wait-s", "0.2")
    assert (answer.code, answer["status"]) == (0, "running")
    assert "the same command again" in answer["next"]
    assert git(project.root, "branch", "--list", BRANCH) == ""
    (tmp_path / "hold").unlink()
    assert finalized(project, "--minimal")["left_in"][0]["experiment"] == 2
    assert len(removals(project)) == 1


def test_in_the_analysis_first_loop_a_removal_needs_no_plan(tmp_path: Path) -> None:
    project = project_in(tmp_path / "p")
    commit_all(project.root)
    project.baseline()
    kept = attempt(project, lr("0.03") + plan(row()))
    assert (kept.code, kept["status"]) == (0, "keep"), kept
    answer = finalized(project, "--minimal")
    assert removals(project) == [(2, "discard")]
    assert len(answer["commits"]) == 1
    last = attempt(project, lr("0.04", old="0.03") + plan(row()))
    assert last["kind"] != "analysis", last


# ---- kills ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def commands() -> Iterator[Commands]:
    served = Commands()
    yield served
    served.close()


def outcome(project: Project) -> dict[str, Any]:
    """What must be the same whatever was killed on the way: commits' ids hold the times."""
    return {
        "removals": removals(project),
        "rows": [row[3:] for row in project.rows()],
        "log": git(project.root, "log", "--format=%s %T", BRANCH),
        "code": project.read("train.py"),
        "runs": len([one for one in project.events("run_finished") if one["outcome"] != "lost"]),
        "status": git(project.root, "status", "--porcelain"),
    }


def copied(project: Project, root: Path) -> Project:
    shutil.copytree(project.root, root, symlinks=True)
    twin = Project.__new__(Project)
    twin.root = root
    return twin


@STRATEGIES
def test_killed_anywhere_it_is_taken_up_and_ends_the_same(
    commands: Commands, tmp_path: Path, strategy: str
) -> None:
    template = campaign(tmp_path / "walk" / "p", strategy)
    moved = template.root.rename(tmp_path / "template")
    template.root = moved

    def again(name: str) -> Project:
        shutil.rmtree(tmp_path / "walk")
        return copied(template, tmp_path / "walk" / name)

    reference = again("p")
    assert commands(reference, "finalize", "--minimal").code == 0
    expected = outcome(reference)
    step, hit = 1, 0
    while True:
        project = again("p")
        died = commands(project, "finalize", "--minimal", fault=Fault("kill", CLIENT, step))
        if died.code == 0:
            break
        assert died.code == -9, died
        hit += 1
        answer: Answer = commands(project, "finalize", "--minimal")
        assert answer.code == 0, (step, commands.struck, answer)
        assert outcome(project) == expected, (step, commands.struck)
        step += strides(37)
    assert hit > 3


@STRATEGIES
def test_killed_while_the_branch_is_made_nothing_but_it_changes(
    commands: Commands, tmp_path: Path, strategy: str
) -> None:
    project = campaign(tmp_path / "p", strategy)
    before = everything(project.root)
    step = 1
    while True:
        died = commands(project, "finalize", fault=Fault("kill", CLIENT, step))
        after = everything(project.root)
        new_locks = {name for name in after if name.endswith(".lock")} - before.keys()
        assert {name: after[name] for name in after.keys() - new_locks} == before
        if died.code == 0:
            break
        step += strides(5)
    assert died["commit"] == git(project.root, "rev-parse", BRANCH)
