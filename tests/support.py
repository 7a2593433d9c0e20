"""A small project to run campaigns on, and the command line as a user calls it.

The training script is deterministic: its metric is a pure function of constants in the file, so
that a test says which verdict it expects.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ROOT / "scripts"
PYTHON = shlex.quote(sys.executable)
ENTRY = (
    f"import sys; sys.path.insert(0, {str(SCRIPTS)!r}); "
    "from agent_loops.cli import main; sys.exit(main())"
)

TRAIN = """\
import prepare

LR = 0.01
WIDTH = 8

if __name__ == "__main__":
    print("step 1", end="\\r")
    print("---")
    print(f"val_bpb:          {prepare.loss(LR, WIDTH):.6f}")
    print("peak_vram_mb:     512.0")
"""
PREPARE = """\
def loss(lr, width):
    return 1.0 + abs(lr - 0.05) + 1.0 / width
"""


@dataclass(frozen=True)
class Answer:
    """One call's outcome. `values` is the JSON object, empty for a text answer."""

    code: int
    out: str
    err: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, key: str) -> Any:
        return self.values[key]


class Project:
    """A folder with train.py (editable), prepare.py (harness) and loop.run.yaml."""

    def __init__(self, root: Path, *, train: str = TRAIN, prepare: str = PREPARE) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        self.write("train.py", train)
        self.write("prepare.py", prepare)
        self.bind()

    def bind(self, **changes: object) -> None:
        """Writes loop.run.yaml; a value of None leaves a key out."""
        values: dict[str, object] = {
            "metric": "val_bpb",
            "run_cmd": f"{PYTHON} train.py",
            "editable_files": ["train.py"],
            "budget": "20 s",
            "run_tag": "t1",
            "keep_rule": "plain",
        }
        values.update(changes)
        lines = [f"{key}: {json.dumps(item)}" for key, item in values.items() if item is not None]
        self.write("loop.run.yaml", "\n".join(lines) + "\n")

    def write(self, path: str, content: str | bytes) -> Path:
        full = self.root / path
        full.parent.mkdir(parents=True, exist_ok=True)
        full.write_bytes(content if isinstance(content, bytes) else content.encode())
        return full

    def read(self, path: str) -> str:
        return (self.root / path).read_text()

    def edit(self, old: str, new: str, path: str = "train.py") -> None:
        """Replaces text that occurs exactly once."""
        text = self.read(path)
        assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times"
        self.write(path, text.replace(old, new))

    @property
    def sandbox(self) -> Path:
        return self.root / "sandbox" / "t1"

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-E", "-s", "-c", ENTRY, *words]

    def call(
        self,
        *words: str,
        stdin: str | bytes = b"",
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        timeout_s: float = 120,
    ) -> Answer:
        """Runs the command line in a process of its own."""
        done = subprocess.run(
            self.command(*words),
            input=stdin if isinstance(stdin, bytes) else stdin.encode(),
            capture_output=True,
            cwd=cwd or self.root,
            env={**os.environ, **(env or {})},
            timeout=timeout_s,
            check=False,
        )
        out = done.stdout.decode()
        values = json.loads(out) if "--json" in words and out.strip() else {}
        return Answer(done.returncode, out, done.stderr.decode(), values)

    def ask(self, *words: str, stdin: str | bytes = b"", **more: Any) -> Answer:
        """`call` with --json."""
        return self.call(*words, "--json", stdin=stdin, **more)

    def setup(self) -> Answer:
        answer = self.ask("setup")
        assert answer.code == 0, answer
        return answer

    def baseline(self) -> Answer:
        """Sets up and measures the baseline."""
        self.setup()
        answer = self.ask("try", "baseline")
        assert (answer.code, answer["status"]) == (0, "keep"), answer
        return answer

    def rows(self) -> list[list[str]]:
        """results.tsv without its header."""
        lines = (self.sandbox / "results.tsv").read_text().splitlines()
        return [line.split("\t") for line in lines[1:]]

    def journal(self) -> list[dict[str, Any]]:
        lines = (self.sandbox / "journal.jsonl").read_bytes().splitlines()
        return [json.loads(line) for line in lines]

    def events(self, name: str) -> list[dict[str, Any]]:
        return [item for item in self.journal() if item["event"] == name]


def git(root: Path, *words: str, stdin: bytes = b"") -> str:
    """Runs git with an identity of its own and returns what it prints."""
    identity = ["-c", "user.name=Tester", "-c", "user.email=tester@example.org"]
    done = subprocess.run(
        ["git", *identity, *words], cwd=root, input=stdin, capture_output=True, check=True
    )
    return done.stdout.decode("utf-8", "surrogateescape").strip()


def commit_all(root: Path, message: str = "begin") -> str:
    if not (root / ".git").exists():
        git(root, "init", "-q", "-b", "main")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", message)
    return git(root, "rev-parse", "HEAD")


def edit_block(path: str, search: str, replace: str) -> str:
    """The text that `--edit` takes."""
    return f"{path}\n<<<<<<< SEARCH\n{search}\n=======\n{replace}\n>>>>>>> REPLACE\n"


def processes_with(text: str) -> list[int]:
    """Process ids whose environment or command line holds `text` (Linux)."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            seen = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if text.encode() in seen:
            found.append(int(entry.name))
    return found


def until(condition: Callable[[], object], *, timeout_s: float = 30) -> None:
    """Waits until the condition holds; fails loudly if it never does."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)


def unwrapped(answer: Answer) -> str:
    """What it printed, without the line ends that a narrow terminal needs."""
    return " ".join(answer.out.split())


def words(answer: Answer, *expected: str) -> Sequence[str]:
    """Those of `expected` that the answer does not contain."""
    return [word for word in expected if word not in answer.out + answer.err]
