"""A small project with a campaign, and the guard as the host calls it: JSON in, JSON out."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from small_campaign import copied
from support import ROOT, TRAIN, Project, commit_all

SESSION = "5e5510aa-0000-4000-8000-000000000001"
EVIL_SH = "#!/bin/sh\nrm prepare.py ../prepare.py\n"
EVIL_PY = "import os\nos.remove('prepare.py')\n"
_SHARED: dict[str, Project] = {}
EVIL_DYNAMIC = "n = 'yp.eraperp'[::-1]\nopen(n, 'a').write('#')\n"


@dataclass(frozen=True)
class Decision:
    """What the guard answered; `kind` is "" where it left the call to the host."""

    kind: str
    reason: str = ""


def built(root: Path) -> Project:
    """A campaign with its baseline, led by SESSION, and files that a bypass may use."""
    project = Project(root, train="#!/usr/bin/env python3\n" + TRAIN)
    (root / "train.py").chmod(0o755)
    project.write("tools/metric.py", "def score(x):\n    return x\n")
    project.write("tools/plot.py", "import sys\nprint(sys.argv)\n")
    project.write("README.md", "# A project\n")
    project.write("notes/a.md", "a note\n")
    project.write("Makefile", "train:\n\tpython train.py\n")
    _write_helpers(project)
    commit_all(root)
    session = {"CLAUDE_CODE_SESSION_ID": SESSION, "CLAUDECODE": "1"}
    for words in (("setup",), ("try", "baseline")):
        answer = project.call(*words, env=session)
        assert answer.code == 0, answer
    _write_logs(project)
    return project


def shared(factory: pytest.TempPathFactory, name: str) -> Project:
    """One such campaign for all tests of a file, in a folder called `name`: building is slow."""
    if name not in _SHARED:
        _SHARED[name] = built(factory.mktemp("guarded") / name)
    return _SHARED[name]


def _write_helpers(project: Project) -> None:
    """Scripts that a bypass may start; they are there from the beginning, so they are harness."""
    project.write("notes/evil.sh", EVIL_SH)
    (project.root / "notes/evil.sh").chmod(0o755)
    project.write("notes/evil.py", EVIL_PY)
    project.write("notes/dynamic.py", EVIL_DYNAMIC)
    project.write("notes/prepare.py", "x = 1\n")
    project.write("notes/copy_of_train.py", project.read("train.py"))
    project.write("notes/evil.mk", "all:\n\t@printf '#' >> $$(printf 'yp.eraperp' | rev)\n")


def _write_logs(project: Project) -> None:
    """Other names of a harness file, and logs that are long or wide."""
    (project.root / "alias.py").symlink_to("prepare.py")
    (project.root / "hard.py").hardlink_to(project.root / "prepare.py")
    lines = "".join(f"step {number} loss {1 / (number + 1):.6f}\n" for number in range(4000))
    project.write("sandbox/t1/iter1/run.log", lines)
    project.write("sandbox/t1/iter1/wide.log", lines.replace("\n", "\r") + "\nval_bpb: 1.0\n")


def placed(value: Any, project: Project, **more: str) -> Any:
    """A row of the table with its placeholders filled in."""
    if isinstance(value, dict):
        return {key: placed(item, project, **more) for key, item in value.items()}
    if not isinstance(value, str):
        return value
    names = {"ROOT": str(project.root), "HOME/": f"{os.environ['HOME']}/", "PLUGIN": str(ROOT)}
    names |= {"DIGITS": "9" * 5000, "LETTERS": "a" * 5000}
    for name, text in {**names, **more}.items():
        value = value.replace(name, text)
    return value


def event_of(row: str | Mapping[str, Any], cwd: Path) -> dict[str, Any]:
    tool, given = ("Bash", {"command": row}) if isinstance(row, str) else next(iter(row.items()))
    return {"session_id": SESSION, "cwd": str(cwd), "hook_event_name": "PreToolUse",
            "permission_mode": "default", "tool_name": tool, "tool_input": given}  # fmt: skip


def asked(project: Project, row: str | Mapping[str, Any], **changes: Any) -> Decision:
    """The guard's answer to a tool call, as a process of its own."""
    environ = {**os.environ, "CLAUDE_CODE_SESSION_ID": SESSION}
    environ["PATH"] = f"{Path(sys.executable).parent}:{environ['PATH']}"
    done = subprocess.run(
        [str(ROOT / "hooks" / "hook"), "guard"],
        input=json.dumps({**event_of(row, project.root), **changes}).encode(),
        capture_output=True, cwd=project.root, env=environ, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b""), done
    if not done.stdout:
        return Decision("")
    answer = json.loads(done.stdout)["hookSpecificOutput"]
    assert answer["hookEventName"] == "PreToolUse"
    return Decision(answer["permissionDecision"], answer["permissionDecisionReason"])


def remember(project: Project, *, loops: bool, session: str = SESSION) -> None:
    """The session's file, as the hooks keep it."""
    project.write(f".agent-loops/sessions/{session}.json", json.dumps({"loops": loops}))


def point(project: Project, **changes: object) -> None:
    """Changes the pointer alone, for what the guard makes of it."""
    path = project.root / ".agent-loops/active.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}, indent=1) + "\n")


@contextlib.contextmanager
def run_alive(project: Project) -> Iterator[int]:
    """A run, as far as the guard looks: its lock is held, and a process carries its marker."""
    environ = {**os.environ, "AGENT_LOOPS_RUN": "a-marker"}
    process = subprocess.Popen(["sleep", "600"], env=environ)
    with open(project.sandbox / "run.lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield process.pid
        finally:
            process.kill()
            process.wait()


__all__ = ["Decision", "asked", "built", "copied", "placed", "point", "remember", "run_alive"]
