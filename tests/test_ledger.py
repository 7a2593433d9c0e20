"""The ledger: a campaign as every report tells it, from its record."""

from __future__ import annotations

import json
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


def test_a_report_shows_no_secrets(tmp_path: Path) -> None:
    secret, token = "hush-4f7d1c90b2", "hf_" + "abCD" * 8
    project = Project(tmp_path / "p", train=TRAIN)
    project.bind(run_cmd=f"{PYTHON} train.py {token}")
    project.baseline()
    # Where it is cut, the beginning of a secret is left of it.
    idea = f"a rate as {secret} has it {'x' * (300 - 36)} {secret}"
    answer = project.call(
        "try", idea, "--why", f"key {secret}", "--risk", secret, "--edit", "-",
        stdin=edit_block("train.py", "LR = 0.0", "LR = 0.5"),
    )  # fmt: skip
    assert answer.code == 0, answer
    assert project.call("stop", "--why", f"no more of {secret}").code == 0
    assert project.call("report", env={"MY_API_KEY": secret}).code == 0
    for name in ("report.html", "analysis.md", "summary.json"):
        text = (project.sandbox / "report" / name).read_text()
        assert "masked" in text, name
        assert "hush-" not in text, name
        assert token not in text, name


BOTH = TRAIN + 'print(f"acc: {0.1 + LR / 5:.4f}")\n'


def test_what_another_metric_measured_is_told_by_its_name(tmp_path: Path) -> None:
    project = Project(tmp_path / "p", train=BOTH)
    project.bind(run_cmd=f"{PYTHON} train.py")
    project.baseline()
    tried(project, "0.0", "0.5", "a higher rate")
    project.bind(run_cmd=f"{PYTHON} train.py", metric="acc", metric_direction="maximize")
    assert project.ask("rebaseline", "--why", "acc it is")["status"] == "keep"
    tried(project, "0.5", "0.9", "a far higher rate")
    ledger = ledger_of(project)
    assert ledger.metric == "acc"
    assert [row.metric_name for row in ledger.rows] == ["val_bpb", "val_bpb", "acc", "acc"]
    first, higher, anew, best = ledger.rows
    assert [row.text for row in (anew, best)] == ["0.2000", "0.2800"]
    assert float(higher.text) == higher.metric
    assert ledger.text_of(best) == "0.2800"
    assert ledger.text_of(first) == f"val_bpb {first.text}"
    listed = project.call("history").out.splitlines()
    assert f"val_bpb {higher.text}  a higher rate" in listed[1]
    assert " 0.2800  a far higher rate" in listed[3]
    assert project.call("report").code == 0
    folder = project.sandbox / "report"
    analysis = (folder / "analysis.md").read_text()
    assert f"#2 val_bpb {higher.text} a higher rate" in analysis
    assert "| 4 | 0.2800 |" in analysis
    page = (folder / "report.html").read_text()
    assert f'data-v="">val_bpb {higher.text}</td>' in page
    assert f'data-v="{best.metric}">0.2800</td>' in page
    assert "not drawn: #1 to #2, which measured val_bpb" in page
    summary = json.loads((folder / "summary.json").read_text())
    assert [item["metric_name"] for item in summary["progression"]] == ["val_bpb", "acc"]
