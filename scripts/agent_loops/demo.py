"""Plays a whole campaign on examples/tiny_lm, a scripted researcher in the agent's place.

Real training and the same commands that an agent uses; only the ideas are fixed. Touches nothing
but a folder of its own.
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent_loops import answers
from agent_loops.answers import Answer
from agent_loops.errors import AgentLoopsError, UsageError

_LIBRARY = Path(__file__).resolve().parent
_ENTRY = (
    f"import sys; sys.path.insert(0, {str(_LIBRARY.parent)!r}); "
    "from agent_loops.cli import main; sys.exit(main())"
)


@dataclass(frozen=True, slots=True)
class _Step:
    """One idea of the researcher: what it says, the edit file, and what should come of it."""

    says: str
    idea: str
    edit: str


_LEFT_OUT = ("__pycache__", "sandbox", ".agent-loops", "ideas", "measure.py")

# Each applies whatever was kept before it; which are kept is up to the measurement.
_STEPS = (
    _Step("An idea that should help.", "no dropout: three seconds are too short for it", "help-07"),
    _Step("One that should hurt.", "sigmoid units", "hurt-13"),
    _Step("Forgetful: that was tried a minute ago.", "sigmoid, perhaps?", "hurt-13"),
    _Step("On it goes.", "no weight decay", "help-09"),
    _Step("A good idea with a bug in it.", "byte counts under the network", "crash-"),
    _Step("The same, mended.", "byte counts under the network, mended", "mended"),
    _Step("", "a higher learning rate", "hurt-01"),
    _Step("", "no label smoothing", "help-08"),
    _Step("A clever one: change how the score is computed.", "score in nats", "cheat-01"),
    _Step("", "let the learning rate fall to zero", "help-02"),
    _Step("Too bold.", "learning rate far too high", "nan-"),
    _Step("One that never ends.", "every byte in every batch", "hang-"),
    _Step("", "a richer embedding", "help-06"),
    _Step("", "a longer context", "help-05"),
)


def run(folder: Path | None, *, say: Callable[[str], object]) -> Answer:
    """Plays the campaign and tells where its files are.

    Args:
        folder: where to work, created if missing and empty otherwise; None for a temporary folder.
        say: prints a line of what is going on.
    """
    source = _example()
    if folder is None:
        folder = Path(tempfile.mkdtemp(prefix="agent-loops-demo-"))
    elif folder.exists() and any(folder.iterdir()):
        raise UsageError(f"--keep {folder}: is not empty; name a new folder")
    project = folder.resolve() / "tiny_lm"
    copy_example(project)
    began = time.monotonic()
    say(f"A small language model in {project}")
    say("Its training script is edited, run for 3 seconds, measured; the score is val_bpb,")
    say("bits per byte: lower is better.\n")

    def call(says: str, shown: Sequence[str], words: Sequence[str] = ()) -> None:
        if says:
            say(f"# {says}")
        say(f"$ agent-loops {shlex.join(shown)}")
        say("\n".join(f"  {line}" for line in _answer_of(project, words or shown)) + "\n")

    call("Every file but train.py is frozen.", ["setup"])
    call("First the baseline, nothing edited.", ["try", "baseline"])
    for step in _STEPS:
        edit = _edit_file(source, step)
        words = ["try", step.idea, "--edit"]
        call(step.says, [*words, edit.name], [*words, str(edit)])
    call("In the morning.", ["status"])
    return _closing(project, time.monotonic() - began)


def copy_example(project: Path) -> None:
    """The example in a folder of its own, to be run with this very Python."""
    shutil.copytree(_example(), project, ignore=shutil.ignore_patterns(*_LEFT_OUT))
    _bind(project)


def _command() -> str:
    """What a person types to call agent-loops: the launcher where this is the repository."""
    launcher = _LIBRARY.parent.parent / "bin/agent-loops"
    return shlex.quote(str(launcher)) if launcher.is_file() else "agent-loops"


def _example() -> Path:
    """The example, in the repository or in the installed package."""
    for folder in (_LIBRARY.parent.parent / "examples/tiny_lm", _LIBRARY / "_examples/tiny_lm"):
        if (folder / "train.py").is_file():
            return folder
    raise AgentLoopsError("examples/tiny_lm is missing; install agent-loops again")


def _edit_file(source: Path, step: _Step) -> Path:
    mended = step.edit == "mended"
    found = [
        path
        for path in sorted((source / "ideas").glob("*.edit"))
        if path.stem.endswith("-mended") == mended and (mended or path.name.startswith(step.edit))
    ]
    if not found:
        raise AgentLoopsError(f"{source / 'ideas'}: no edit file {step.edit}; install it again")
    return found[0]


def _bind(project: Path) -> None:
    """Runs the example with this very Python, which has numpy; a user's python3 may not."""
    bindings = project / "loop.run.yaml"
    text = bindings.read_text(encoding="utf-8")
    command = json.dumps(f"{shlex.quote(sys.executable)} train.py")
    lines = [
        f"run_cmd: {command}" if line.startswith("run_cmd:") else line for line in text.splitlines()
    ]
    bindings.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _answer_of(project: Path, words: Sequence[str]) -> list[str]:
    """Runs one command as an agent would; the lines that it answers."""
    done = subprocess.run(
        [sys.executable, "-E", "-s", "-c", _ENTRY, *words],
        cwd=project, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode not in (0, 3):
        raise AgentLoopsError(f"the demo failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout.splitlines()


def _closing(project: Path, took_s: float) -> Answer:
    results = next(project.glob("sandbox/*/results.tsv"))
    sandbox = results.parent
    pointer: dict[str, Any] = json.loads((project / ".agent-loops/active.json").read_text())
    best = pointer["best"]
    table = [line.split("\t") for line in results.read_text(encoding="utf-8").splitlines()]
    look = f"cd {shlex.quote(str(project))} && {_command()} "
    lines = ["\t".join(row).expandtabs(12) for row in table]
    lines += [
        f"Best: #{best}, code in {sandbox / f'iter{best}' / 'code_snapshot'}",
        f"Every experiment: {sandbox}  (results.tsv, journal.jsonl, iter<N>/)",
        f"Took {took_s:.0f} s. To look around there:",
        *(
            f"  {look}{words}"
            for words in ("history", f"show {best}", f"diff {best}", "report", "serve")
        ),
    ]
    values = {
        "schema": answers.SCHEMA,
        "status": "demo",
        "project": str(project),
        "sandbox": str(sandbox),
        "best": best,
        "rows": [dict(zip(table[0], row, strict=True)) for row in table[1:]],
        "took_s": round(took_s, 1),
    }
    return Answer(values, lines)
