"""The demo: the scripted campaign plays to its end, and says where to look at it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from agent_loops import cli, demo
from support import ROOT


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A baseline, one idea, one that was tried before."""
    monkeypatch.setenv("TINY_LM_BUDGET_S", "0.2")
    monkeypatch.setattr(demo, "_STEPS", demo._STEPS[1:3])


@pytest.mark.usefixtures("short")
def test_all_is_told_on_standard_output(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "a demo"
    assert cli.main(["demo", "--keep", str(folder)]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    told = [
        "$ agent-loops setup",
        "$ agent-loops try baseline",
        "#2 ",
        "refused (duplicate)",
        "Best:",
    ]
    assert [words for words in told if words not in out] == []
    commands = [line for line in out.splitlines() if line.startswith("  cd ")]
    assert len(commands) == 5
    assert commands[-2:] == [commands[0].replace("history", word) for word in ("report", "serve")]
    # The launcher would build an environment first.
    history = commands[0].replace(str(ROOT / "bin/agent-loops"), "echo")
    done = subprocess.run(["sh", "-c", history], capture_output=True, text=True, check=True)
    assert done.stdout == "history\n"
    assert (folder / "tiny_lm/sandbox").is_dir()


@pytest.mark.usefixtures("short")
def test_json_is_alone_on_standard_output(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "_STEPS", ())
    assert cli.main(["demo", "--json", "--keep", str(tmp_path)]) == 0
    out, err = capfd.readouterr()
    assert json.loads(out)["rows"][0]["description"] == "baseline"
    assert "$ agent-loops setup" in err


def test_every_step_has_its_edit() -> None:
    for step in demo._STEPS:
        assert demo._edit_file(ROOT / "examples/tiny_lm", step).is_file()


def test_a_folder_that_is_not_empty_is_left_alone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").touch()
    assert cli.main(["demo", "--keep", str(tmp_path)]) == 2
    assert "is not empty" in capfd.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
