"""The ledger: a campaign as every report tells it, from its record."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path

from agent_loops import campaigns
from agent_loops.loop import Loop
from agent_loops.reporting import changes, own_ledger
from agent_loops.reporting.ledger import Ledger
from support import PYTHON, Project, edit_block

TRAIN = """\
import os
LR = 0.0
seed = int(os.environ["AGENT_LOOPS_SEED"])
assert LR < 9, "far too high"
print(f"val_bpb: {2.0 - LR + (seed * 37 % 11 - 5) / 1000:.6f}")
"""


def loop_of(project: Project) -> Loop:
    found = campaigns.find_project(project.root)
    return Loop(campaigns.find_store(found), found.root, dict(os.environ))


def ledger_of(project: Project) -> Ledger:
    return own_ledger.of(loop_of(project), datetime.now(timezone.utc))


def tried(project: Project, old: str, new: str, text: str) -> None:
    answer = project.call(
        "try", text, "--edit", "-", stdin=edit_block("train.py", f"LR = {old}", f"LR = {new}")
    )
    assert answer.code == 0, answer


def test_rows_say_what_was_tried_and_the_running_best_has_its_interval(tmp_path: Path) -> None:
    project = Project(tmp_path / "p", train=TRAIN)
    project.bind(run_cmd=f"{PYTHON} train.py", keep_rule="noise-aware", baseline_runs=5)
    project.baseline()
    tried(project, "0.0", "0.5", "a \x1b[31mhigher\x1b[0m rate")
    tried(project, "0.5", "0.2", "a lower rate")
    tried(project, "0.5", "9.5", "far too high")
    ledger = ledger_of(project)
    assert [row.status for row in ledger.rows] == ["keep", "keep", "discard", "crash"]
    assert ledger.counts == {"keep": 2, "discard": 1, "crash": 1}
    assert [row.number for row in ledger.ideas] == [2, 3, 4]
    assert [row.number for row in ledger.kept] == [2]
    first, higher, lower, crashed = ledger.rows
    assert first.is_baseline
    assert len(first.readings) == 5
    assert higher.description == "a higher rate"
    assert higher.gain is not None
    assert higher.gain_low is not None
    assert higher.gain_high is not None
    assert 0.4 < higher.gain_low <= higher.gain <= higher.gain_high < 0.6
    assert lower.gain is not None
    assert lower.gain < 0
    assert (crashed.metric, crashed.text, crashed.readings) == (None, "", ())
    assert "far too high" in crashed.reason
    # The incumbent's interval after #2 is what was known of it when #3 was decided.
    for row in (higher, lower, crashed):
        assert row.best is not None
        assert row.best_low is not None
        assert row.best_high is not None
        assert 1.4 < row.best_low < row.best < row.best_high < 1.6
    assert ledger.claim is not None
    assert ledger.gain_percent is not None
    assert 20 < ledger.gain_percent < 30
    assert ledger.machine_s > 0
    assert first.began_utc < first.ended_utc <= ledger.ended_utc


def test_a_change_is_the_diff_to_what_it_was_built_on(tmp_path: Path) -> None:
    project = Project(tmp_path / "p", train=TRAIN)
    project.bind(run_cmd=f"{PYTHON} train.py")
    project.baseline()
    tried(project, "0.0", "0.5", "a higher rate")
    workspace = loop_of(project).workspace
    assert changes.of(workspace, 1) == changes.Change()
    change = changes.of(workspace, 2)
    assert change.files == ("train.py",)
    assert [line for line in change.lines if line[:1] in "+-"][2:] == ["-LR = 0.0", "+LR = 0.5"]
    (project.sandbox / "iter2/code_snapshot/train.py").write_text("something else\n")
    assert "damaged" in changes.of(workspace, 2).problem
