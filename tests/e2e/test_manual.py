"""Only the skills' folders, as `npx skills add` copies them: the protocol by hand loses nothing.

On the example, a real training script, in a repository with things that nobody has committed. The
person allows the shell here: without hooks there is nobody who could allow the loop alone.
"""

from __future__ import annotations

import re
import shutil
import signal
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from client import Host
from model import Answer, Model, Play, Request, bash, say, use
from support import ROOT, commit_all, git, until
from test_manual_protocol import BASELINE, ONCE, RUN, SETTLE_BASELINE

pytestmark = pytest.mark.e2e

GRANTED = ("--permission-mode", "acceptEdits", "--allowedTools", "Bash")
STEP = ". ./sandbox/mar5/loop.sh\n{}"


class Repository:
    """The example with its history, a staged, a changed and an untracked file."""

    def __init__(self, root: Path) -> None:
        self.root = root
        shutil.copytree(ROOT / "examples/tiny_lm", root)
        shutil.copytree(ROOT / "skills", root / ".claude/skills")
        (root / "loop.run.yaml").unlink()
        self.head = commit_all(root)
        (root / "program.md").write_text("staged\n")
        git(root, "add", "program.md")
        (root / "program.md").write_text("staged, then changed\n")
        (root / "mine.txt").write_text("untracked\n")
        self.status = git(root, "status", "--porcelain")
        self.written = {self.train}

    @property
    def train(self) -> str:
        return (self.root / "train.py").read_text()

    @property
    def saved(self) -> set[str]:
        return {path.read_text() for path in (self.root / "sandbox").rglob("train.py")}

    @property
    def rows(self) -> list[list[str]]:
        lines = (self.root / "sandbox/mar5/results.tsv").read_text().splitlines()
        return [line.split("\t") for line in lines[1:]]

    def edit(self, old: str, new: str) -> Answer:
        self.written.add(self.train.replace(old, new))
        path = str(self.root / "train.py")
        return use("Edit", file_path=path, old_string=old, new_string=new)


@pytest.fixture
def alone(bare_host: Callable[[Path], Host], tmp_path: Path) -> Iterator[Host]:
    """A machine without the plugin, whose python3 has what the example needs."""
    home = tmp_path / "home"
    home.mkdir()
    host = bare_host(home)
    (python,) = sorted(host.cache.glob("agent-loops/env-*/bin/python"))[-1:]
    host.extra = {"TINY_LM_BUDGET_S": "0.3", "TINY_LM_PYTHON": str(python)}
    return host


def adapted(block: str) -> str:
    return (
        block.replace("run='uv run train.py'", "run='\"$TINY_LM_PYTHON\" train.py'")
        .replace("limit_s=600", "limit_s=60")
        .replace("run_one 2", "run_one {n}")
    )


def test_the_protocol_by_hand_in_the_client_loses_nothing(alone: Host, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "a project")
    iter4 = repository.root / "sandbox/mar5/iter4"

    def idea(
        number: int, old: str, new: str, request: Request
    ) -> Generator[Answer, Request, Request]:
        assert f"next: iter{number}" in request.last
        yield use("Read", file_path=str(repository.root / "train.py"))
        yield repository.edit(old, new)
        return (yield bash(adapted(RUN).format(n=number)))

    def settled(number: int, request: Request) -> Answer:
        (word,) = re.findall(rf"^iter{number} (\w+)", request.last, re.MULTILINE)
        return bash(STEP.format(f"settle {number} {word} 'idea {number}'; start"))

    def first(request: Request) -> Play:
        assert "not found" in request.last  # the command, where the skill asks how it stands
        page = repository.root / ".claude/skills/karpathy/references/manual-protocol.md"
        request = yield use("Read", file_path=str(page))
        assert "The protocol by hand" in request.last
        yield bash(adapted(ONCE))
        request = yield bash(BASELINE)
        assert "iter1 keep" in request.last
        yield bash(SETTLE_BASELINE)
        request = yield bash(STEP.format("start"))
        request = yield from idea(2, "DROPOUT = 0.15", "DROPOUT = 0.0", request)
        request = yield settled(2, request)
        request = yield from idea(3, "WIDTH = 32", "WIDTH = nothing", request)
        assert "iter3 crash" in request.last
        request = yield settled(3, request)
        yield from idea(4, "MOMENTUM = 0.0", "MOMENTUM = 0.1", request)

    with (
        Model(alone.network, first) as model,
        alone.start(repository.root, model, "/karpathy overnight", *GRANTED) as running,
    ):
        until(lambda: model.failures or (iter4 / "run.log").exists(), timeout_s=90)
        running.kill(signal.SIGKILL)
    assert model.failures == []
    until((iter4 / "exit").exists)

    def second(request: Request) -> Play:
        request = yield bash(STEP.format("start"))
        assert "iter4 is not settled" in request.last
        request = yield bash(STEP.format("judge 4"))
        request = yield settled(4, request)
        assert "next: iter5" in request.last
        yield say("taken up")

    with Model(alone.network, second) as model:
        ended = alone.run(repository.root, model, "/karpathy", "--continue", *GRANTED)
    assert (ended.denied, ended.result["result"]) == ([], "taken up")
    assert [row[0] for row in repository.rows] == ["1", "2", "3", "4"]
    assert [row[3] for row in repository.rows][::2] == ["keep", "crash"]
    assert repository.written <= repository.saved
    kept = [row[0] for row in repository.rows if row[3] == "keep"][-1]
    incumbent = repository.root / f"sandbox/mar5/iter{kept}/code_snapshot/train.py"
    assert repository.train == incumbent.read_text()
    # Nothing of the person's was touched.
    assert git(repository.root, "rev-parse", "HEAD") == repository.head
    left = git(repository.root, "status", "--porcelain").replace(" M train.py\n", "")
    assert left == repository.status
    assert (repository.root / "program.md").read_text() == "staged, then changed\n"
    assert git(repository.root, "show", ":program.md") == "staged"
