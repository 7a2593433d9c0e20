"""Ways round the guard, from a table that a reader can extend: who stops each."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from guarded import SESSION, asked, copied, placed, point, remember, run_alive, shared
from support import Project

TABLE = yaml.safe_load((Path(__file__).parent / "guard_bypasses.yaml").read_text())
KINDS = ("guard", "engine", "host")
ROWS = {
    kind: [
        pytest.param(row, group, id=(row if isinstance(row, str) else json.dumps(row))[:70])
        for group in TABLE
        if group["stopped_by"] == kind
        for row in group["rows"]
    ]
    for kind in KINDS
}


@pytest.fixture
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """One campaign for all rows: the guard changes nothing of it."""
    project = shared(tmp_path_factory, "bypassedü")
    remember(project, loops=True)
    return project


def test_the_table_is_long_and_of_known_kinds() -> None:
    assert sum(len(group["rows"]) for group in TABLE) >= 100
    assert {group["stopped_by"] for group in TABLE} <= {*KINDS, "eval_cmd", "sandbox"}


@pytest.mark.parametrize(("row", "group"), ROWS["guard"])
def test_the_guard_refuses(
    row: str | Mapping[str, Any], group: Mapping[str, Any], project: Project, tmp_path: Path
) -> None:
    if "run_cmd" in group:
        project = copied(project, tmp_path / "copy")
        point(project, run_cmd=group["run_cmd"])
    if group.get("alive"):
        with run_alive(project) as pid:
            decision = asked(project, placed(row, project, RUN_PID=str(pid)))
    else:
        decision = asked(project, placed(row, project))
    assert decision.kind == "deny", decision
    assert group["says"] in decision.reason
    assert len(decision.reason) < 500, "a reason is one or two short sentences"


@pytest.mark.parametrize(("row", "group"), ROWS["host"])
def test_the_guard_leaves_it_to_the_host(
    row: str | Mapping[str, Any], group: Mapping[str, Any], project: Project
) -> None:
    assert group["why"]
    assert asked(project, placed(row, project)).kind == ""


def untouched(project: Project, root: Path) -> Project:
    """A copy without the links, which are none of the project's."""
    twin = copied(project, root)
    for name in ("hard.py", "alias.py"):
        (twin.root / name).unlink()
    return twin


def test_the_engine_goes_on_where_nothing_was_done(project: Project, tmp_path: Path) -> None:
    twin = untouched(project, tmp_path / "copy")
    twin.edit("LR = 0.01", "LR = 0.02")
    answer = twin.ask("try", "an idea", env={"CLAUDE_CODE_SESSION_ID": SESSION})
    assert (answer.code, answer["status"]) == (0, "keep"), answer


@pytest.mark.parametrize(("row", "group"), ROWS["engine"])
def test_the_engine_catches_what_the_guard_does_not_see(
    row: str | Mapping[str, str], group: Mapping[str, Any], project: Project, tmp_path: Path
) -> None:
    twin = untouched(project, tmp_path / "copy")
    journal, rows = (twin.sandbox / "journal.jsonl").read_bytes(), twin.rows()
    if isinstance(row, str):
        command = placed(row, twin)
        assert asked(twin, command).kind == "", "the guard has learned to see it: move the row"
        words = ["bash", "-c", command]
        done = subprocess.run(words, cwd=twin.root, capture_output=True, check=False)
        assert done.returncode == 0, done
    else:
        twin.write("train.py", f"{row['train.py']}\n{twin.read('train.py')}")
    answer = twin.ask("try", "an idea", env={"CLAUDE_CODE_SESSION_ID": SESSION})
    if group["then"] != "restored":
        assert group["names"] in json.dumps(answer.values)
    if group["then"] == "refused":
        assert (answer.code, answer["status"]) == (3, "refused"), answer
    if group["then"] == "crash":
        assert answer["status"] == "crash", answer
    assert twin.rows()[: len(rows)] == rows
    assert (twin.sandbox / "journal.jsonl").read_bytes().startswith(journal)
