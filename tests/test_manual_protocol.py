"""The protocol by hand, as its page prints it, on a real repository: nothing is lost."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "skills" / "karpathy" / "references" / "manual-protocol.md"
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
ONCE, BASELINE, SETTLE_BASELINE, RUN, DISCARD, BRANCH, COMMIT = BLOCKS
SHELLS = [name for name in ("sh", "bash", "zsh") if shutil.which(name)]

TRAIN = """\
import prepare
import sys
sys.path.insert(0, "src of it")
import knobs

print("step 1\\rstep 2\\rval_bpb: 9.0\\r", end="")
print(f"val_bpb:          {prepare.loss(knobs.LR):.6f}")
print("peak_vram_mb:     512.0")
"""
KNOBS = "LR = 0.01\n"
PREPARE = "def loss(lr):\n    return 1.0 + abs(lr - 0.05)\n"


class ByHand:
    """A repository with files staged, changed and untracked, and the page's blocks for it."""

    def __init__(self, root: Path, shell: str = "sh") -> None:
        self.root, self.shell = root, shell
        self.written: set[bytes] = set()  # all that ever stood in an editable file
        root.mkdir()
        self.git("init", "-q")
        self.git("config", "user.email", "a@example.org")
        self.git("config", "user.name", "A")
        self.write("train.py", TRAIN)
        self.write("src of it/knobs.py", KNOBS)
        (root / "prepare.py").write_text(PREPARE)
        (root / "notes.txt").write_text("first\n")
        self.git("add", "-A")
        self.git("commit", "-qm", "start")
        (root / "notes.txt").write_text("staged\n")
        self.git("add", "notes.txt")
        (root / "notes.txt").write_text("staged, then changed\n")
        (root / "mine.txt").write_text("untracked\n")

    def git(self, *words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=self.root, capture_output=True, text=True, check=True
        )
        return done.stdout

    def write(self, path: str, text: str) -> None:
        full = self.root / path
        full.parent.mkdir(exist_ok=True)
        full.write_text(text)
        self.written.add(text.encode())

    def do(
        self, script: str, *, limit_s: str = "600", better: str = "lower", ok: bool = True
    ) -> str:
        """Runs a block of the page, adapted to this project."""
        for old, new in (
            ("run='uv run train.py'", f"run='\"{sys.executable}\" train.py'"),
            ("files='train.py'", "files='train.py\nsrc of it/knobs.py\nlater.py'"),
            ("limit_s=600", f"limit_s={limit_s}"),
            ("better=lower", f"better={better}"),
        ):
            script = script.replace(old, new)
        done = subprocess.run(
            [self.shell, "-c", script],
            cwd=self.root,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode == 0) == ok, (script[:200], done.stdout, done.stderr)
        return done.stdout + done.stderr

    def call(self, script: str, *, ok: bool = True) -> str:
        return self.do(f". ./sandbox/mar5/loop.sh\n{script}", ok=ok)

    def begin(self, **more: str) -> None:
        self.do(ONCE, **more)
        self.do(BASELINE)
        self.do(SETTLE_BASELINE)

    def rows(self) -> list[list[str]]:
        lines = (self.root / "sandbox/mar5/results.tsv").read_text().splitlines()
        return [line.split("\t") for line in lines]

    def saved(self) -> set[bytes]:
        return {path.read_bytes() for path in (self.root / "sandbox").rglob("*.py")}

    def knobs(self) -> str:
        return (self.root / "src of it" / "knobs.py").read_text()


@pytest.fixture(params=SHELLS)
def hand(request: pytest.FixtureRequest, tmp_path: Path) -> ByHand:
    return ByHand(tmp_path / "a project", request.param)


@pytest.fixture
def in_sh(tmp_path: Path) -> ByHand:
    return ByHand(tmp_path / "a project")


def test_a_campaign_by_the_page_decides_rightly_and_loses_nothing(hand: ByHand) -> None:
    head, status = hand.git("rev-parse", "HEAD"), hand.git("status", "--porcelain")
    hand.begin()
    hand.write("src of it/knobs.py", "LR = 0.09\n")
    assert "iter2 discard 1.040000 (incumbent 1.040000)" in hand.do(RUN)  # equal is no gain
    hand.do(DISCARD.replace("start\n", ""))
    assert hand.knobs() == KNOBS
    assert "next: iter3; incumbent: iter1 1.040000" in hand.call("start")

    hand.write("src of it/knobs.py", "LR = 0.04\n")
    assert "iter3 keep 1.010000 (incumbent 1.040000)" in hand.call("run_one 3")
    hand.call("settle 3 keep 'lr: up'; start")

    hand.write("later.py", "new = 1\n")
    hand.write("src of it/knobs.py", "LR = nonsense\n")
    assert "iter4 crash: exit 1" in hand.call("run_one 4")
    assert "no reading" in hand.call("settle 4 keep 'never'", ok=False)
    hand.write("train.py", "# an edit that nobody has saved\n")
    told = hand.call("settle 4 crash 'lr:\ta\nslip'; start")
    assert "unsaved edit of train.py" in told
    assert "next: iter5; incumbent: iter3" in told
    assert hand.knobs() == "LR = 0.04\n"
    assert not (hand.root / "later.py").exists()
    assert (hand.root / "train.py").read_text() == TRAIN

    hand.call("put 4")
    assert (hand.root / "later.py").read_text() == "new = 1\n"
    hand.call("start")
    assert hand.written <= hand.saved() | {TRAIN.encode()}
    assert hand.rows() == [
        ["iter", "val_bpb", "memory_gb", "status", "description"],
        ["1", "1.040000", "0.5", "keep", "baseline"],
        ["2", "1.040000", "0.5", "discard", "lr: matrix rate 0.04 to 0.06"],
        ["3", "1.010000", "0.5", "keep", "lr: up"],
        ["4", "0.000000", "0.0", "crash", "lr: a slip"],
    ]
    assert hand.git("rev-parse", "HEAD") == head
    assert hand.git("status", "--porcelain") == f"{status.rstrip()}\n".replace(
        "?? mine.txt", ' M "src of it/knobs.py"\n?? mine.txt'
    )
    assert (hand.root / "notes.txt").read_text() == "staged, then changed\n"
    assert hand.git("show", ":notes.txt") == "staged\n"


def test_higher_can_be_better(in_sh: ByHand) -> None:
    in_sh.begin(better="higher")
    in_sh.write("src of it/knobs.py", "LR = 0.99\n")
    assert "iter2 keep" in in_sh.call("run_one 2")


def test_nan_at_the_end_is_a_crash_whatever_stood_before(in_sh: ByHand) -> None:
    in_sh.begin()
    in_sh.write("src of it/knobs.py", "LR = float('nan')\n")
    assert "iter2 crash" in in_sh.call("run_one 2")


def test_a_hung_run_is_ended_with_its_children(in_sh: ByHand) -> None:
    in_sh.begin(limit_s="1")
    in_sh.write("train.py", "import os, time\nos.fork()\ntime.sleep(50)\n")
    started = time.monotonic()
    assert "iter2 crash" in in_sh.call("run_one 2")
    assert time.monotonic() - started < 15


def test_a_kill_in_mid_run_is_taken_up(in_sh: ByHand) -> None:
    in_sh.begin()
    in_sh.write("train.py", "import time\ntime.sleep(50)\n")
    killed = subprocess.Popen(
        ["sh", "-c", ". ./sandbox/mar5/loop.sh; run_one 2"], cwd=in_sh.root, start_new_session=True
    )
    log = in_sh.root / "sandbox/mar5/iter2/run.log"
    while not log.exists():
        time.sleep(0.02)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert "iter2 is not settled" in in_sh.call("start", ok=False)
    assert "iter2 crash: exit unknown" in in_sh.call("judge 2")
    in_sh.call("settle 2 crash 'killed'; start")
    assert (in_sh.root / "train.py").read_text() == TRAIN
    assert in_sh.written <= in_sh.saved()


def test_a_changed_harness_and_a_second_use_of_a_number_are_refused(in_sh: ByHand) -> None:
    in_sh.begin()
    assert "there already" in in_sh.call("run_one 1", ok=False)
    assert "is settled" in in_sh.call("settle 1 keep 'again'", ok=False)
    (in_sh.root / "prepare.py").write_text("def loss(lr):\n    return 0.0\n")
    assert "the harness changed" in in_sh.call("run_one 2", ok=False)
    assert not (in_sh.root / "sandbox/mar5/iter2").exists()


def test_beginning_twice_leaves_the_first_campaign_alone(in_sh: ByHand) -> None:
    in_sh.begin()
    assert "holds a campaign already" in in_sh.do(ONCE, ok=False)
    assert len(in_sh.rows()) == 2


def test_a_commit_holds_the_editable_file_alone(in_sh: ByHand) -> None:
    hook = in_sh.root / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    in_sh.begin()
    in_sh.do(BRANCH)
    in_sh.write("train.py", TRAIN + "# kept\n")
    in_sh.do(COMMIT)
    assert in_sh.git("show", "--name-only", "--format=%s", "HEAD").split("\n")[2:] == [
        "train.py",
        "",
    ]
    assert in_sh.git("symbolic-ref", "--short", "HEAD").strip() == "autoresearch/mar5"
    assert in_sh.git("show", ":notes.txt") == "staged\n"
    assert "sandbox" not in in_sh.git("status", "--porcelain")


def test_the_shell_file_is_clean(tmp_path: Path) -> None:
    check = shutil.which("shellcheck")
    if check is None:
        pytest.skip("no shellcheck here")
    (text,) = re.findall(r"<<'LOOP'\n(.*?)^LOOP$", ONCE, re.DOTALL | re.MULTILINE)
    script = tmp_path / "loop.sh"
    script.write_text(f"#!/bin/sh\n{text}")
    done = subprocess.run([check, str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
