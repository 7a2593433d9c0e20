"""The guard keeps what the holdout printed from the agent, in a campaign and after it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from guarded import asked, placed, point, remember, shared
from support import Project


@pytest.fixture
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = shared(tmp_path_factory, "with a holdout")
    project.write("sandbox/t1/holdout/iter1-run-2.log", "val_bpb: 7.125\n")
    project.write("sandbox/t1/holdout/claim-2.json", "{}\n")
    remember(project, loops=True)
    return project


REFUSED = [
    "cat sandbox/t1/holdout/iter1-run-2.log",
    "tail -n 1 'ROOT/sandbox/t1/holdout/iter1-run-2.log'",
    "grep val_bpb sandbox/t1/holdout/*",
    "grep -h val_bpb sandbox/t1/*/*.log",
    "grep -r val_bpb sandbox",
    "grep -rn val_bpb .",
    "cd sandbox/t1 && grep -R val_bpb",
    "rg -uu val_bpb sandbox",
    "cp -r sandbox/t1 /tmp/x",
    "head < sandbox/t1/holdout/iter1-run-2.log",
    "python3 -c \"print(open('sandbox/t1/holdout/iter1-run-2.log').read())\"",
    {"Read": {"file_path": "ROOT/sandbox/t1/holdout/iter1-run-2.log"}},
    {"Grep": {"pattern": "val_bpb", "path": "sandbox/t1/holdout"}},
]
LEFT_ALONE = [
    "ls sandbox/t1/holdout",
    "grep -rn val_bpb . --exclude-dir=holdout",
    "grep -n holdout loop.run.yaml",
    "grep -rn LR tools",
    "rg val_bpb",
    {"Grep": {"pattern": "val_bpb"}},
    {"Read": {"file_path": "ROOT/prepare.py"}},
]


@pytest.mark.parametrize("row", REFUSED, ids=str)
def test_its_values_are_not_shown(project: Project, row: str | Mapping[str, Any]) -> None:
    decision = asked(project, placed(row, project))
    assert decision.kind == "deny", decision
    assert "agent-loops confirm" in decision.reason


@pytest.mark.parametrize("row", LEFT_ALONE, ids=str)
def test_all_else_is_read_as_before(project: Project, row: str | Mapping[str, Any]) -> None:
    assert asked(project, placed(row, project)).kind != "deny"


@pytest.mark.parametrize("row", [REFUSED[0], REFUSED[2], REFUSED[-1], REFUSED[-2]], ids=str)
def test_nor_after_the_campaign(project: Project, row: str | Mapping[str, Any]) -> None:
    """What an agent saw in the first night it would use in the next."""
    try:
        point(project, state="finished")
        assert asked(project, placed(row, project)).kind == "deny"
    finally:
        point(project, state="active")
