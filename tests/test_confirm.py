"""`agent-loops confirm`: the morning claim of real campaigns, whatever happens to it on the way."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from copies import copied
from support import PYTHON, Answer, Project, commit_all, git, processes_with, until

# The reading depends on the seed and on the code; SPREAD is the deviation between runs.
TRAIN = """\
import os, random, sys, time

GAIN = 0.0
SPREAD = 0.01
SHARED = False
noise = random.Random(f"{os.environ['AGENT_LOOPS_SEED']}{'' if SHARED else GAIN}").gauss(0, 1)
print(f"val_bpb: {2.0 - GAIN + SPREAD * noise:.6f}")
"""
AGENT = {"CLAUDECODE": "1", "CLAUDE_CODE_SESSION_ID": "11111111-aaaa-4bbb-8ccc-222222222222"}


def begun(root: Path, train: str = TRAIN, **bindings: object) -> Project:
    """A campaign with its baseline."""
    project = Project(root, train=train)
    project.bind(**bindings)
    if bindings.get("iter_strategy") == "branches":
        commit_all(project.root)
    project.baseline()
    return project


def tried(project: Project, old: str, new: str, *, expected: str = "keep") -> Answer:
    project.edit(old, new)
    answer = project.ask("try", f"{old} becomes {new}")
    assert (answer.code, answer["status"]) == (0, expected), answer
    return answer


def gained(root: Path, gain: float = 0.2, train: str = TRAIN, **bindings: object) -> Project:
    """A campaign with a baseline and one kept idea."""
    project = begun(root, train, **bindings)
    tried(project, "GAIN = 0.0", f"GAIN = {gain}")
    return project


@pytest.fixture
def project(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return copied(tmp_path / "a 'project'", tmp_path_factory, "gained", gained)


def confirming_runs(project: Project) -> list[dict[str, Any]]:
    return [item for item in project.events("run_started") if item["purpose"] == "confirm"]


def test_a_real_gain_is_improved_by_pairs_on_fresh_seeds_in_alternation(project: Project) -> None:
    before = project.read("train.py")
    answer = project.ask("confirm")
    assert (answer.code, answer["status"], answer["verdict"]) == (0, "confirmed", "improved")
    assert answer["sentence"].startswith("improved: #2 val_bpb 2.0")
    assert "in 5 fresh runs each" in answer["sentence"]
    assert "paired t p < 0.0001, Wilcoxon p = 0.062" in answer["sentence"]
    assert "10 runs, about" in answer.err
    runs = confirming_runs(project)
    assert [item["experiment"] for item in runs] == [2, 1, 1, 2, 2, 1, 1, 2, 2, 1]
    seeds = [item["seed"] for item in runs]
    assert seeds == [2, 2, 3, 3, 4, 4, 5, 5, 6, 6]
    claim = answer["claims"][0]
    assert claim["seeds"] == [2, 3, 4, 5, 6]
    low, high = claim["interval_95"]
    assert low < 0.2 < high
    assert claim["hedges_g_z"] > 1
    assert project.read("train.py") == before
    assert answer["runs"] == 10
    # It counts for no verdict and no pooled reading.
    status = project.ask("status")
    assert status["experiments"] == 2
    assert project.rows() == [row for row in project.rows() if len(row) == 5]
    assert project.ask("history")["experiments"][0]["metric"] == pytest.approx(
        project.events("decided")[0]["metric"]
    )
    assert status["confirmed"]["sentence"] == answer["sentence"]
    assert answer["sentence"] in project.call("status").out
    assert project.ask("wait")["sentence"] == answer["sentence"]


def test_nothing_gained_is_said_and_nothing_is_run(tmp_path: Path) -> None:
    project = begun(tmp_path / "p")
    answer = project.ask("confirm")
    assert (answer.code, answer["status"]) == (0, "nothing gained")
    assert answer["sentence"].startswith("nothing was gained yet: the best is the baseline #1")
    assert confirming_runs(project) == []


def test_without_a_baseline_it_is_refused(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.setup()
    answer = project.ask("confirm")
    assert (answer.code, answer["kind"]) == (3, "no baseline")
    assert "agent-loops try baseline" in answer["next"]


@pytest.mark.parametrize("words", [["--runs", "4"], ["--runs", "x"], ["--top", "0"]])
def test_too_few_runs_are_a_matter_of_usage(project: Project, words: Sequence[str]) -> None:
    assert project.call("confirm", *words).code == 2


def test_while_an_experiment_goes_on_it_is_refused(project: Project) -> None:
    project.edit("GAIN = 0.2", "GAIN = 0.3; time.sleep(60)")
    assert project.ask("try", "slow", "--wait-s", "0")["status"] == "running"
    answer = project.ask("confirm")
    assert (answer.code, answer["kind"]) == (3, "running")
    assert project.call("stop", "--kill").code == 0


def test_a_lucky_reading_is_not_claimed(tmp_path: Path) -> None:
    """Other noise, nothing else: the campaign kept it, the fresh runs tell."""
    train = TRAIN.replace("SPREAD * noise", "SPREAD * noise + LUCK * (seed == '1')").replace(
        "noise = ", "LUCK = 0.0\nseed = os.environ['AGENT_LOOPS_SEED']\nnoise = "
    )
    project = begun(tmp_path / "p", train)
    tried(project, "LUCK = 0.0", "LUCK = -0.5")
    answer = project.ask("confirm")
    assert answer["verdict"] == "not improved"
    assert answer["claims"][0]["recorded_gain"] == pytest.approx(0.5)
    assert "the same in every pair" in answer["sentence"]


def test_a_small_gain_in_much_noise_is_inconclusive(tmp_path: Path) -> None:
    train = TRAIN.replace("SPREAD = 0.01", "SPREAD = 1.0")
    project = gained(tmp_path / "p", 1.0, train.replace("2.0 - GAIN", "2.0 - GAIN / 10"))
    answer = project.ask("confirm")
    assert answer["verdict"] == "inconclusive"
    assert "5 runs each could tell a difference of" in answer["sentence"]


def test_a_deterministic_metric_is_told_from_a_noisy_one(tmp_path: Path) -> None:
    project = gained(tmp_path / "p", 0.2, TRAIN.replace("SPREAD = 0.01", "SPREAD = 0.0"))
    assert project.ask("confirm")["sentence"].startswith(
        "improved: #2 val_bpb 2 → 1.8 in 5 fresh runs each (gain 0.2, the same in every run"
    )


def test_a_metric_to_maximize_is_read_the_other_way(tmp_path: Path) -> None:
    train = TRAIN.replace("2.0 - GAIN", "2.0 + GAIN")
    project = gained(tmp_path / "p", 0.2, train, metric_direction="maximize")
    answer = project.ask("confirm")
    assert answer["verdict"] == "improved"
    assert answer["claims"][0]["gain"] == pytest.approx(0.2, abs=0.05)


def test_several_are_compared_with_the_baseline_at_once(project: Project) -> None:
    tried(project, "GAIN = 0.2", "GAIN = 0.4")
    tried(project, "GAIN = 0.4", "GAIN = 0.1", expected="discard")
    tried(project, "GAIN = 0.4", "GAIN = -0.5", expected="discard")
    answer = project.ask("confirm", "--top", "5")
    assert answer["verdict"] == "improved"
    assert [claim["experiment"] for claim in answer["claims"]] == [3, 2, 4]
    assert "corrected for 3 comparisons" in answer["sentence"]
    assert answer["notes"] == ["3 of 5 read better than the baseline"]
    order = [item["experiment"] for item in confirming_runs(project)]
    assert order[:8] == [3, 2, 4, 1, 1, 4, 2, 3]
    assert len(order) == 20


def crashing_on(seed: int) -> str:
    return f"if os.environ['AGENT_LOOPS_SEED'] == '{seed}': raise ValueError('shapes')\n"


def test_code_that_crashes_on_a_fresh_seed_has_not_improved(tmp_path: Path) -> None:
    project = begun(tmp_path / "p")
    tried(project, "GAIN = 0.0\n", f"GAIN = 0.2\n{crashing_on(3)}")
    answer = project.ask("confirm")
    assert answer["verdict"] == "inconclusive"
    assert "1 of 5 runs of #2 crashed (ValueError: shapes" in answer["sentence"]
    assert answer["pairs"] == 4
    assert len(confirming_runs(project)) == 10


def test_a_guard_that_does_not_hold_is_no_improvement(tmp_path: Path) -> None:
    train = TRAIN + "print('passed:', 9 if GAIN and os.environ['AGENT_LOOPS_SEED'] == '4' else 10)"
    guards = {"passed": {"pattern": r"passed: (\d+)", "min": "baseline"}}
    answer = gained(tmp_path / "p", 0.2, train, guards=guards).ask("confirm")
    assert answer["verdict"] == "inconclusive"
    assert "1 of 5 runs of #2 broke a guard (passed 9 is under 10)" in answer["sentence"]


def test_what_the_machine_broke_is_run_again_once(tmp_path: Path) -> None:
    """The disk is full at one run, and at one other twice."""
    project = gained(tmp_path / "p", run_cmd=f"sh ../faulty.sh && {PYTHON} train.py")
    faulty = (
        "echo x >> ../runs-$AGENT_LOOPS_SEED; n=$(wc -l < ../runs-$AGENT_LOOPS_SEED)\n"
        "if [ $AGENT_LOOPS_SEED$n = 21 ] || [ $AGENT_LOOPS_SEED$n = 41 ] "
        "|| [ $AGENT_LOOPS_SEED$n = 42 ]; then "
        'echo "OSError: [Errno 28] No space left on device"; exit 1; fi\n'
    )
    project.write("../faulty.sh", faulty)
    answer = project.ask("confirm")
    assert answer["pairs"] == 4
    assert answer["runs"] == 12
    assert answer["verdict"] == "inconclusive"
    assert "1 of 5 runs of #2 did not count (OSError: [Errno 28]" in answer["sentence"]
