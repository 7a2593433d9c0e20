"""What an agent at work does all the time: the guard is not in its way."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from guarded import asked, placed, remember, shared
from support import Project

TABLE = yaml.safe_load((Path(__file__).parent / "guard_innocents.yaml").read_text())


@pytest.fixture
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """One campaign for all rows: the guard changes nothing of it."""
    project = shared(tmp_path_factory, "innocentü")
    remember(project, loops=True)
    return project


def rows(name: str) -> list[Any]:
    return [
        pytest.param(row, id=(row if isinstance(row, str) else json.dumps(row))[:70])
        for row in TABLE[name]
    ]


def test_the_table_is_long() -> None:
    assert len(TABLE["left_to_the_host"]) >= 50


@pytest.mark.parametrize("row", rows("left_to_the_host"))
def test_it_is_neither_refused_nor_approved(row: str | Mapping[str, Any], project: Project) -> None:
    assert asked(project, placed(row, project)).kind == ""


@pytest.mark.parametrize("row", rows("allowed_without_a_prompt"))
def test_it_is_allowed_without_a_prompt(row: str | Mapping[str, Any], project: Project) -> None:
    assert asked(project, placed(row, project)).kind == "allow"
