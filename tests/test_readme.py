"""The README is true: its commands and keys exist, its links resolve, its first evening works."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from agent_loops import bindings, cli
from support import ROOT, SCRIPTS, commit_all, git

README = (ROOT / "README.md").read_text(encoding="utf-8")
TEXTS = [README, (ROOT / "examples/tiny_lm/README.md").read_text(encoding="utf-8")]
TRAIN = """\
LR = 0.02
print(f"val_loss: {1 + abs(LR - 0.05):.6f}")
"""


def section(title: str) -> str:
    """The text under a heading of the second level."""
    return README.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def options_of(command: str) -> set[str]:
    parser = cli._parser(command)
    [commands] = [
        action for action in parser._actions if isinstance(action, argparse._SubParsersAction)
    ]
    return set(commands.choices[command]._option_string_actions)


def test_a_flag_belongs_to_the_command_of_its_row() -> None:
    rows = re.findall(r"^\| (`.+?) \| (.+?) \|$", section("Commands"), re.MULTILINE)
    assert len(rows) > 8
    for names, meaning in rows:
        commands = re.findall(r"`([a-z]+)[^`]*`", names)
        known: set[str] = set().union(*(options_of(command) for command in commands))
        assert set(re.findall(r"--[a-z-]+", names + meaning)) <= known, names


def test_every_key_of_the_bindings_exists() -> None:
    rows = re.findall(r"^\| (`.+?) \|", section("Bindings"), re.MULTILINE)
    keys = {key for row in rows for key in re.findall(r"`([a-z_]+)`", row)}
    assert len(keys) > 15
    assert keys <= set(bindings.KEY_OF_FIELD.values())


@pytest.mark.parametrize("text", TEXTS, ids=["README", "tiny_lm"])
def test_links_resolve(text: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        assert target.startswith("https://") or (ROOT / target).exists(), target


def test_the_first_evening_works_as_written(tmp_path: Path) -> None:
    """Follows the page in a new project, with its bindings, its blocks and its commands."""
    text = section("Your own first campaign")
    [written] = blocks(text, "yaml")
    begin, by_hand, by_block = blocks(text, "sh")
    (tmp_path / "train.py").write_text(TRAIN)
    # As a campaign of yesterday may have it, and with the commits of the other strategy.
    (tmp_path / "loop.run.yaml").write_text(
        written + "run_tag: nov21\niter_strategy: branches\nprelude: 'python() { "
        f'"{sys.executable}" "$@"; }}\'\n'
    )
    commit_all(tmp_path)
    programs = tmp_path.with_name("bin")
    programs.mkdir()
    (programs / "agent-loops").write_text(
        f'#!/bin/sh\nexec "{sys.executable}" -E -s "{SCRIPTS / "agent-loops.py"}" "$@"\n'
    )
    (programs / "agent-loops").chmod(0o755)

    def shell(script: str) -> str:
        done = subprocess.run(
            ["bash", "-ec", script], cwd=tmp_path, capture_output=True, text=True, check=False,
            env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"},
        )  # fmt: skip
        assert done.returncode == 0, done
        return done.stdout

    assert "#1 keep  val_loss 1.030000" in shell(begin)
    assert "#2 keep  val_loss 1.010000" in shell(by_block)
    (tmp_path / "train.py").write_text(TRAIN.replace("0.02", "0.09"))
    assert "#3 discard" in shell(by_hand)
    assert "LR = 0.04" in (tmp_path / "train.py").read_text()
    shell("agent-loops pause; agent-loops resume; agent-loops status")
    remove, refs = blocks(section("Files"), "sh")
    shell(remove)
    shell(refs)
    assert git(tmp_path, "for-each-ref", "--format=%(refname)") == "refs/heads/main"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".git", "train.py"]
