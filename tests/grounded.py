"""A project whose runs leave results, and ideas that rest on them: for the analysis-first loop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support import PYTHON, Answer, Project, edit_block

TRAIN = """\
import json
import pathlib
import sys

import prepare

LR = 0.01
WIDTH = 8
EXTRA = 0

if __name__ == "__main__":
    results = pathlib.Path(sys.argv[1]).parent / "results"
    results.mkdir(exist_ok=True)
    dead = 0.97 if LR < 0.02 else 0.31
    summary = {"train_loss_last": 1.0 + LR, "dead_share_max": dead, "headroom": 0.04}
    (results / "summary.json").write_text(json.dumps(summary))
    (results / "layers.csv").write_text(f"layer,dead_share [1]\\n0,{dead}\\n1,0.02\\n")
    finding = {"key": "dead_share_max", "value": dead, "means": "most units never fire"}
    (results / "findings.json").write_text(json.dumps([finding]))
    print(f"val_bpb:          {prepare.loss(LR, WIDTH):.6f}")
"""
ANCHOR = "results/summary.json:dead_share_max=0.97"
PREDICTION = "results/summary.json:dead_share_max < 0.5; units come alive"
HEAD = """\
| script | output | question | expected if it helped | expected if not |
|---|---|---|---|---|
"""
SCRIPT = """\
import json

summary = json.load(open("results/summary.json"))
import train

with open("analysis/dead.csv", "w") as out:
    out.write(f"lr,dead\\n{train.LR},{summary['dead_share_max']}\\n")
print("written")
"""


def row(script: str = "analyze", output: str = "results/summary.json:dead_share_max") -> str:
    return f"| {script} | {output} | how many units are dead? | under half | as before |\n"


def new_file(path: str, text: str) -> str:
    return f"{path}\n<<<<<<< SEARCH\n=======\n{text}>>>>>>> REPLACE\n"


def plan(*rows: str) -> str:
    return new_file("analysis/plan.md", HEAD + "".join(rows or (row(),)))


def lr(new: str, old: str = "0.01") -> str:
    return edit_block("train.py", f"LR = {old}", f"LR = {new}")


def project_in(root: Path, **bindings: object) -> Project:
    project = Project(root, train=TRAIN)
    bind(project, **bindings)
    return project


def bind(project: Project, **bindings: object) -> None:
    project.bind(
        loop="ml-autoresearch", run_cmd=f"{PYTHON} train.py {{run_dir}}",
        analysis_timeout="20 s", **{"probe": "off", **bindings},
    )  # fmt: skip


def attempt(
    project: Project,
    edit: str,
    *more: str,
    text: str = "act: another rate wakes dead units",
    anchor: str | None = ANCHOR,
    predict: str | None = PREDICTION,
    **call: Any,
) -> Answer:
    """One `try` with all that it needs, but for what is None."""
    flags = [
        *(("--anchor", anchor) if anchor else ()),
        *(("--predict", predict) if predict else ()),
    ]
    return project.ask("try", text, *flags, *more, "--edit", "-", stdin=edit, **call)
