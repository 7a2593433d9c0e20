"""What is approved as a plain command starts nothing else: bash and zsh are asked."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from support import ROOT

PIECES = [
    *"; # \" ' $ ` ( ) & | = { } ~ ! [ ] * ^ < > \\ a - E 0".split(), " ", "\n", "\n", "\t", "\r",
    "\v", "\f", "\N{NO-BREAK SPACE}", "\\\n", "\nE", "\nE\n", "echo RAN", "\necho RAN\n", "<<",
]  # fmt: skip
DELIMITERS = ["'E'", '"E"', "\\E", "$'E'", "'\tE'", "'E\n'", "-'\tE'", "-'E'", "E''", '"E"\\\n']


@pytest.fixture
def plain_words(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "hooks"))
    import commands
    import shell

    assert Path(sys.modules["commands"].__file__ or "").parent == ROOT / "hooks"
    ground: Any = SimpleNamespace(root="/nowhere")

    def words(text: str) -> list[str]:
        try:
            return commands.plain_words(shell.parse(text), ground, "/nowhere")
        except shell.Unparsable:
            return []

    return words


def ran(name: str, command: str, folder: Path) -> bool:
    """Whether anything but agent-loops was started."""
    script = 'agent-loops() { :; }; eval "$1" </dev/null'
    done = subprocess.run(
        [name, "-c", script, "_", command], cwd=folder, capture_output=True, timeout=60, check=False
    )
    return b"RAN" in done.stdout


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", ["bash", "zsh"])
def test_nothing_rides_along(name: str, seed: int, plain_words: Any, tmp_path: Path) -> None:
    if not shutil.which(name):
        pytest.skip(f"no {name} here")
    generator, found = random.Random(seed), 0
    for _ in range(150):
        head = f"<<{generator.choice(DELIMITERS)}\n"
        pieces = generator.choices(PIECES, k=generator.randint(0, 6))
        command = f"agent-loops note x {head}{''.join(pieces)}\n\tE\necho RAN\n\tE\n"
        if plain_words(command):
            found += 1
            assert not ran(name, command, tmp_path), command
    assert found > 20
