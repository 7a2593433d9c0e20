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
