"""Which of an experiment's runs its analysis rests on, where there are several."""

from __future__ import annotations

import json
from pathlib import Path

from grounded import attempt, lr, new_file, plan, project_in, row

FAILS_ONCE = """\
import os
import pathlib
import sys

LR = 0.01

if __name__ == "__main__":
    results = pathlib.Path(sys.argv[1]).parent / "results"
    results.mkdir(exist_ok=True)
    (results / "steps.csv").write_text("step,loss\\n0,9.5\\n")
    once = pathlib.Path(sys.argv[1]).parent / "once"
    if LR > 0.02 and not once.exists():
        once.touch()
        raise OSError(28, "No space left on device")
    (results / "steps.csv").write_text(f"step,loss\\n0,{LR}\\n")
    print(f"val_bpb: {1 - LR}")
"""
BY_SEED = """\
import os
import pathlib
import sys

LR = 0.01

if __name__ == "__main__":
    results = pathlib.Path(sys.argv[1]).parent / "results"
    results.mkdir(exist_ok=True)
    pathlib.Path(sys.argv[1], "seed.txt").write_text(os.environ["AGENT_LOOPS_SEED"])
    print(f"val_bpb: {1 - LR + 0.1 * int(os.environ['AGENT_LOOPS_SEED'])}")
"""
LOOKS = """\
import json
import os
import pathlib

run, before = pathlib.Path(os.environ["AGENT_LOOPS_RUN_DIR"]), os.environ["AGENT_LOOPS_BEFORE"]
log = pathlib.Path(os.environ["AGENT_LOOPS_LOG"]).name
loss = open("results/steps.csv").read().split(",")[-1].strip()
json.load(open("results/summary.json"))
there = pathlib.Path(before, "results", "summary.json").is_file()
open("analysis/seen.txt", "w").write(f"{loss} {there} {run.name} {log}")
"""


def test_after_a_run_without_a_reading_results_are_those_of_the_next(tmp_path: Path) -> None:
    project = project_in(tmp_path / "p")
    project.write("train.py", FAILS_ONCE)
    project.baseline()
    edit = lr("0.03") + plan(row("see.py", "seen.txt")) + new_file("analysis/see.py", LOOKS)
    answer = attempt(
        project, edit, anchor="results/summary.json:val_bpb=0.99",
        predict="results/steps.csv:loss < 1",
    )  # fmt: skip
    assert answer["status"] == "keep", answer
    folder = project.sandbox / "iter2"
    assert (folder / "analysis" / "seen.txt").read_text() == "0.03 True out-2 run-2.log"
    assert any(note.startswith("held: loss < 1 (0.03)") for note in answer["notes"])
    assert "9.5" in (folder / "results-1" / "steps.csv").read_text()


def test_a_baseline_that_crashed_leaves_its_results_aside(tmp_path: Path) -> None:
    project = project_in(tmp_path / "p")
    fault, of_the_idea = 'OSError(28, "No space left on device")', 'ValueError("odd")'
    project.write("train.py", FAILS_ONCE.replace("LR > 0.02", "True").replace(fault, of_the_idea))
    project.setup()
    assert project.ask("try", "baseline")["status"] == "crash"
    assert project.ask("try", "baseline")["status"] == "keep"
    folder = project.sandbox / "iter1"
    assert "0.01" in (folder / "results" / "steps.csv").read_text()
    assert "9.5" in (folder / "results-1" / "steps.csv").read_text()


def test_with_repeats_a_script_and_the_results_are_of_one_run(tmp_path: Path) -> None:
    project = project_in(tmp_path / "p")
    project.write("train.py", BY_SEED)
    project.baseline()
    script = (
        "import os, pathlib\n"
        "seed = pathlib.Path(os.environ['AGENT_LOOPS_RUN_DIR'], 'seed.txt').read_text()\n"
        "open('analysis/seed.txt', 'w').write(seed)\n"
    )
    edit = lr("0.2") + plan(row("see.py", "seed.txt")) + new_file("analysis/see.py", script)
    metric = json.loads((project.sandbox / "iter1/results/summary.json").read_text())["val_bpb"]
    answer = attempt(
        project, edit, "--repeat", "2", anchor=f"results/summary.json:val_bpb={metric}",
        predict="results/summary.json:val_bpb < 0.95",
    )  # fmt: skip
    seeds = [item["seed"] for item in project.events("run_started")]
    assert answer["status"], answer
    summary = json.loads((project.sandbox / "iter2/results/summary.json").read_text())
    assert summary["val_bpb"] == 0.9  # the first run's, under seed 1
    seen = (project.sandbox / "iter2" / "analysis" / "seed.txt").read_text()
    assert (seen, seeds[1:3]) == ("1", [1, 2])
    assert answer["metric"] == 0.95
    assert any(note.startswith("did not hold: val_bpb < 0.95 (0.95)") for note in answer["notes"])


def test_a_time_out_of_the_first_run_names_what_limits_it(tmp_path: Path) -> None:
    project = project_in(tmp_path / "p", timeout_minutes=0.02)
    project.write("train.py", "import time\nLR = 0.01\ntime.sleep(60)\n")
    project.setup()
    answer = project.ask("try", "baseline")
    assert answer["status"] == "crash"
    assert "`timeout_minutes` in loop.run.yaml" in answer["next"]


def test_one_printed_loss_is_no_curve(tmp_path: Path) -> None:
    project = project_in(tmp_path / "p")
    project.write("train.py", "LR = 0.01\nprint('loss: 3.25')\nprint('val_bpb: 1.5')\n")
    project.baseline()
    summary = json.loads((project.sandbox / "iter1/results/summary.json").read_text())
    assert not {"train_loss_first", "train_loss_last", "steps"} & set(summary)
