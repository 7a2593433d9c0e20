"""What neither the guard nor the engine prevents, and what does: `eval_cmd`, or a sandbox.

The rows are those of guard_bypasses.yaml; without the remedy each of them works, as is shown too.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from guarded import SESSION, asked, copied, remember, shared
from support import PYTHON, Answer, Project, commit_all

TABLE = yaml.safe_load((Path(__file__).parent / "guard_bypasses.yaml").read_text())
TRAIN = """\
import json, sys
import prepare

LR = 0.01
json.dump(LR, open(f"{sys.argv[1]}/model.json", "w"))
print(f"val_bpb: {prepare.loss(LR, 8):.6f}")
"""
EVALUATE = """\
import json, sys
import prepare

print(f"val_bpb: {prepare.loss(json.load(open(f'{sys.argv[1]}/model.json')), 8):.6f}")
"""
TRUTH = 1.165
SESSION_OF_AGENT = {"CLAUDE_CODE_SESSION_ID": SESSION, "CLAUDECODE": "1"}


def rows(kind: str) -> list[object]:
    groups = [group for group in TABLE if group["stopped_by"] == kind]
    assert all(group["why"] for group in groups)
    return [row for group in groups for row in group["rows"]]


def tried(root: Path, code: str, **bindings: object) -> Answer:
    """An experiment with `code` at the head of the training script."""
    project = Project(root, train=TRAIN)
    project.write("evaluate.py", EVALUATE)
    project.bind(run_cmd=f"{PYTHON} train.py {{run_dir}}", **bindings)
    commit_all(root)
    for words in (("setup",), ("try", "baseline")):
        assert project.call(*words, env=SESSION_OF_AGENT).code == 0
    project.write("train.py", f"{code}\n{TRAIN}")
    return project.ask("try", "an idea", env=SESSION_OF_AGENT)


@pytest.mark.parametrize("row", rows("eval_cmd"), ids=str)
def test_only_eval_cmd_measures_rightly(row: Mapping[str, str], tmp_path: Path) -> None:
    code = row["train.py"]
    cheated = tried(tmp_path / "without", code)
    assert cheated["metric"] is None or cheated["metric"] < 0.01, cheated
    assert "self-reported" in str(cheated["source"])
    evaluated = tried(tmp_path / "with", code, eval_cmd=f"{PYTHON} evaluate.py {{run_dir}}")
    assert evaluated["metric"] == pytest.approx(TRUTH), evaluated
    assert evaluated["status"] == "discard", "equal code measures equal"


@pytest.mark.parametrize("row", rows("sandbox"))
def test_only_a_sandbox_prevents_it_and_it_is_not_passed_over(
    row: str, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    project = copied(shared(tmp_path_factory, "limited"), tmp_path / "copy")
    remember(project, loops=True)
    assert asked(project, row).kind == "", "the guard has learned to see it: move the row"
    done = subprocess.run(["bash", "-c", row], cwd=project.root, capture_output=True, check=False)
    assert done.returncode == 0, done
    answer = project.call("try", "an idea", env=SESSION_OF_AGENT)
    assert answer.code != 0, answer
    assert "next" in answer.err + answer.out or "journal" in answer.err + answer.out
    shutil.rmtree(project.root)
