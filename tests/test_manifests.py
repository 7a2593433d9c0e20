"""What the host, pip and a reader are told about the project agrees."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

import agent_loops

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent


def read(name: str) -> dict[str, Any]:
    text = (ROOT / name).read_text(encoding="utf-8")
    value: dict[str, Any] = json.loads(text) if name.endswith(".json") else tomllib.loads(text)
    return value


@pytest.fixture
def plugin() -> dict[str, Any]:
    return read(".claude-plugin/plugin.json")


@pytest.fixture
def marketplace() -> dict[str, Any]:
    return read(".claude-plugin/marketplace.json")


@pytest.fixture
def project() -> dict[str, Any]:
    value: dict[str, Any] = read("pyproject.toml")["project"]
    return value


def test_versions_agree(
    plugin: dict[str, Any], marketplace: dict[str, Any], project: dict[str, Any]
) -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## v?\[?(\d+\.\d+\.\d+)", changelog, re.MULTILINE)
    assert newest, "CHANGELOG.md has no heading with a version"
    versions = {
        "plugin.json": plugin["version"],
        "marketplace.json": marketplace["metadata"]["version"],
        "marketplace.json, plugin": marketplace["plugins"][0]["version"],
        "pyproject.toml": project["version"],
        "agent_loops": agent_loops.__version__,
        "CHANGELOG.md": newest[1],
    }
    assert len(set(versions.values())) == 1, versions


def test_marketplace_offers_this_repository_as_the_plugin(
    plugin: dict[str, Any], marketplace: dict[str, Any], project: dict[str, Any]
) -> None:
    (entry,) = marketplace["plugins"]
    assert entry["source"] == "./"
    assert {plugin["name"], entry["name"], marketplace["name"], project["name"]} == {"agent-loops"}
    for key in ("description", "homepage", "repository", "license", "keywords"):
        assert plugin[key] == entry[key], key
    assert plugin["license"] == project["license"]
    assert plugin["repository"] == project["urls"]["Homepage"]


def test_plugin_names_no_hooks_file(plugin: dict[str, Any], marketplace: dict[str, Any]) -> None:
    """The host finds hooks/hooks.json by itself; naming it makes it a duplicate."""
    assert "hooks" not in plugin
    assert "hooks" not in marketplace["plugins"][0]


def test_repository_is_a_string(plugin: dict[str, Any]) -> None:
    assert isinstance(plugin["repository"], str)


def test_commands_can_be_run() -> None:
    for name in ("bin/agent-loops", "tests/run", ".ci/run"):
        path = ROOT / name
        assert os.access(path, os.X_OK), name
        assert path.read_bytes().startswith(b"#!"), name


def test_license_is_what_is_declared(project: dict[str, Any]) -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert text.startswith(f"{project['license']} License")
    assert "agent-loops contributors" in text


def test_oldest_python_is_the_same_everywhere(project: dict[str, Any]) -> None:
    settings = read("pyproject.toml")["tool"]
    assert project["requires-python"] == ">=3.10"
    assert settings["mypy"]["python_version"] == "3.10"
    assert settings["ruff"]["target-version"] == "py310"
    assert "(3, 10)" in (ROOT / "bin" / "agent-loops").read_text(encoding="utf-8")
