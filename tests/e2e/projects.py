"""Small repositories to run campaigns on, and their record, as it lies on disk."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from model import Turn, bash
from support import Project, commit_all, edit_block

# A metric by the constants; a number of them for what runs do: crash, hang.
TRAIN = """\
import time

import prepare

LR = 0.01
WIDTH = 8
SECONDS = 0.0

if __name__ == "__main__":
    time.sleep(SECONDS)
    print(f"val_bpb:          {prepare.loss(LR, WIDTH):.6f}")
    print("peak_vram_mb:     512.0")
"""
BEGIN = "/agent-loops:karpathy"


class Gate:
    """Holds runs up until it is opened; what a test waits for then needs no particular time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.open()

    def open(self) -> None:
        self._path.touch()

    def close(self) -> None:
        self._path.unlink()

    @property
    def run_cmd(self) -> str:
        path = shlex.quote(str(self._path))
        return f"until [ -e {path} ]; do sleep 0.05; done; python3 train.py"


class Campaign(Project):
    """A project in a git repository, all committed."""

    def __init__(self, root: Path, **bindings: object) -> None:
        super().__init__(root, train=TRAIN)
        usual: dict[str, object] = {"run_cmd": "python3 train.py", "budget": "60 s"}
        self.bind(**{**usual, **bindings})
        self.commit()

    def commit(self) -> str:
        return commit_all(self.root)

    def rebind(self, **bindings: object) -> None:
        self.bind(**{"run_cmd": "python3 train.py", "budget": "60 s", **bindings})
        self.commit()

    @property
    def pointer(self) -> dict[str, Any]:
        return dict(json.loads((self.root / ".agent-loops/active.json").read_text()))

    @property
    def verdicts(self) -> list[tuple[str, str]]:
        """Status and description of each row."""
        return [(row[3], row[4]) for row in self.rows()]

    @property
    def count(self) -> int:
        """How many experiments are settled."""
        return len(self.rows()) if (self.sandbox / "results.tsv").exists() else 0


def attempt(
    idea: str, search: str, replace: str, *, wait_s: float = 60, tokens: int = 1000
) -> Turn:
    """One experiment as the skill says it: an edit by blocks and the run, in one command."""
    block = edit_block("train.py", search, replace)
    command = f"agent-loops try '{idea}' --wait-s {wait_s} --edit - <<'EDIT'\n{block}EDIT"
    return bash(command, tokens=tokens, timeout=600000)


BASELINE = bash("agent-loops try baseline --wait-s 60", timeout=600000)
WAIT = bash("agent-loops wait --wait-s 60", timeout=600000)
SETUP = bash("agent-loops setup")
