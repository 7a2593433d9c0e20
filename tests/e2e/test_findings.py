"""The analysis-first loop in the client: a scripted researcher that follows the page of findings.

On examples/nano_gpt with two faults planted; it knows a cure for each finding, and nothing of
which faults there are.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from agent_loops import edits
from client import ROOT, Host
from model import Model, Play, Request, Turn, bash, say
from support import Project, commit_all, edit_block

if os.environ.get("AGENT_LOOPS_TORCH") != "required":
    pytest.importorskip("torch")

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

NANO_GPT = ROOT / "examples" / "nano_gpt"
PLANTED = ("dropout-at-evaluation", "learning-rate-ten-times")
# By finding: what is changed, and below what the number is then.
SCORE = "    val_bpb = prepare.evaluate_bpb(lambda seen: model(seen.to(device)).cpu(), val)"
CURES = {
    "dropout_without_gradient": (
        "eval: leave training mode", 1.0,
        edit_block("train.py", SCORE, f"    model.eval()\n{SCORE}"),
    ),
    "update_to_weight_median": (
        "lr: a tenth", 0.02,
        edit_block("train.py", "LEARNING_RATE = 3e-2  # at its highest", "LEARNING_RATE = 3e-3"),
    ),
}  # fmt: skip
TOP = re.compile(r"^1\. FAULT .*\[summary\.json:(\w+)=([^\]]+)\]", re.MULTILINE)
PLAN = """\
analysis/plan.md
<<<<<<< SEARCH
=======
| script | output | question | expected if it helped | expected if not |
|---|---|---|---|---|
| analyze | results/summary.json:{key} | is it cured? | below {bound} | as before |
| analysis/tail.py | analysis/tail.csv:loss | how low does it get? | lower | as low |
>>>>>>> REPLACE
analysis/tail.py
<<<<<<< SEARCH
=======
import csv

losses = [float(row["loss"]) for row in csv.DictReader(open("results/steps.csv"))][-20:]
with open("analysis/tail.csv", "w") as out:
    out.write("loss" + chr(10) + str(sum(losses) / len(losses)) + chr(10))
>>>>>>> REPLACE
"""


def sick(root: Path) -> Project:
    """The example with the faults planted, in a repository of its own."""
    project = Project(root)
    text = (NANO_GPT / "train.py").read_bytes()
    for fault in PLANTED:
        blocks = edits.parse((NANO_GPT / "faults" / f"{fault}.edit").read_text())
        text = edits.apply(blocks, {"train.py": text}, allowed=lambda _: True)["train.py"]
    (root / "train.py").write_bytes(text)
    shutil.copy(NANO_GPT / "prepare.py", root / "prepare.py")
    limits = "NANO_GPT_STEPS=150 NANO_GPT_BUDGET_S=999 OMP_NUM_THREADS=1"
    project.bind(
        loop="ml-autoresearch", run_cmd=f"{limits} {sys.executable} train.py", budget="5 min",
        max_experiments=3, keep_rule="plain",
    )  # fmt: skip
    commit_all(root)
    return project


def cure(key: str, value: str) -> Turn:
    """One experiment that follows from a finding."""
    idea, bound, block = CURES[key]
    stream = block + PLAN.format(key=key, bound=bound)
    return bash(
        f"agent-loops try '{idea}' --anchor results/summary.json:{key}={value} "
        f"--predict 'results/summary.json:{key} < {bound}; it is cured' --wait-s 300 --edit - "
        f"<<'EDIT'\n{stream}EDIT", timeout=600000,
    )  # fmt: skip


def test_a_researcher_that_follows_the_findings_cures_what_was_planted(
    host: Host, tmp_path: Path
) -> None:
    project = sick(tmp_path / "a project")
    host.agent_loops(project.root, "setup")
    cured = []

    def script(request: Request) -> Play:
        request = yield bash("agent-loops try baseline --wait-s 300", timeout=600000)
        assert "#1 keep" in request.last, request.last
        for number in range(1, 4):
            request = yield bash(f"agent-loops analyze {number}")
            found = TOP.search(request.last)
            if found is None:
                break
            cured.append(found[1])
            request = yield cure(found[1], found[2])
            assert f"#{number + 1} keep" in request.last, request.last
            assert f"held: {found[1]} < " in request.last, request.last
        assert "no fault in" in request.last, request.last
        yield say("cured")

    with Model(host.network, script) as model:
        ended = host.run(project.root, model, "/agent-loops:ml-autoresearch", timeout_s=500)
    assert ended.denied == []
    assert ended.result["result"] == "cured"
    assert sorted(cured) == sorted(CURES)
    rows = project.rows()
    assert [row[-3] for row in rows] == ["keep", "keep", "keep"]
    values = [float(row[1]) for row in rows]
    assert values[0] > values[1] > values[2]
    assert (project.sandbox / "iter3" / "analysis" / "tail.csv").read_text().startswith("loss\n")
