"""Kills every process of ours at every step; the record ends as if nothing had happened.

AGENT_LOOPS_TEST_FULL=1 walks through every step of everything; without it the core path is walked
whole and the rest in strides.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from faults import (
    CLIENT,
    FULL,
    LAUNCHER,
    RUN,
    SUPERVISOR,
    Commands,
    Fault,
    copied,
    editable,
    files_of,
    small,
)
from support import Answer, Project, commit_all, edit_block, git, processes_with, until

from agent_loops import files

NAME = "a 'project' of\nmine ü"
EDIT = edit_block("parts/a.txt", "val_bpb: 2.0", "val_bpb: 1.25") + edit_block(
    "parts/new.txt", "", "a new file\n"
)


@pytest.fixture
def commands() -> Iterator[Commands]:
    served = Commands()
    yield served
    served.close()


@dataclass(frozen=True)
class Call:
    """A command that is killed, and what a caller does who finds that it died."""

    words: Sequence[str]
    stdin: str = ""
    prepare: Callable[[Project], object] = lambda _: None
    again: Callable[[Commands, Project, Call, int], object] = field(
        default=lambda commands, project, call, step: try_again(commands, project, call, step)
    )


def try_again(commands: Commands, project: Project, call: Call, step: int) -> None:
    """Asks how it stands and tries again if nothing is known of it; or tries again at once."""
    if step % 2:
        answer = commands(project, "wait")
        assert answer.code in (0, 3), answer
        if answer.code == 3 or answer["description"] != call.words[1]:
            answer = commands(project, *call.words, stdin=call.stdin)
            assert answer.code == 0, answer
        return
    answer = commands(project, *call.words, stdin=call.stdin)
    if answer.code == 3:
        # It had been recorded, and is under way again or was settled by this very call.
        assert answer["kind"] in ("running", "nothing edited", "duplicate", "edit"), answer
        answer = commands(project, "wait")
    assert answer.code == 0, answer
    assert answer["description"] == call.words[1]


def the_same_again(commands: Commands, project: Project, call: Call, step: int) -> None:
    """Calls it once more; it may turn out to be done."""
    answer = commands(project, *call.words, stdin=call.stdin)
    assert answer.code in (0, 3), answer
    if step % 2:
        assert commands(project, "wait").code == 0


def record(project: Project) -> dict[str, Any]:
    """What must be the same in the end, whatever was killed on the way."""
    journal = project.journal()
    assert [item["seq"] for item in journal] == list(range(1, len(journal) + 1))
    assert not files.is_locked(project.sandbox / "run.lock")
    for item in journal:
        if item["event"] == "run_started":
            assert not processes_with(item["marker"])
    tried: dict[int, dict[str, Any]] = {}
    for item in journal:
        if item["event"] == "experiment_started":
            kept = ("description", "code", "base", "baseline", "lines_added", "lines_removed")
            assert item["experiment"] not in tried, "recorded twice"
            tried[item["experiment"]] = {name: item[name] for name in kept} | {"runs": 0, "lost": 0}
        elif item["event"] == "run_finished":
            tried[item["experiment"]]["lost" if item["outcome"] == "lost" else "runs"] += 1
        elif item["event"] in ("decided", "overridden"):
            tried[item["experiment"]] |= {"verdict": item["verdict"]}
        elif item["event"] == "settled":
            tried[item["experiment"]] |= {"settled": True}
    lost = [one.pop("lost") for one in tried.values()]
    assert sum(lost) <= 1, "run again more than once"
    rows = project.rows()
    if branch_of(project):
        rows = [row[1:] for row in rows]
    active = json.loads((project.root / ".agent-loops/active.json").read_text())
    return {
        "tried": tried,
        "rows": rows,
        "files": files_of(project),
        "active": active,
        "rescued": [item["files"] for item in journal if item["event"] == "rescued"],
        "epochs": sum(item["event"] == "rebaselined" for item in journal),
        "branch": branch_of(project),
    }


def branch_of(project: Project) -> dict[str, Any]:
    """The commits and trees that a person sees; their ids hold the time."""
    if not (project.root / ".git").exists():
        return {}
    git(project.root, "fsck", "--strict", "--no-dangling")
    head = git(project.root, "symbolic-ref", "HEAD")
    refs = git(project.root, "for-each-ref", "--format=%(refname)", "refs/agent-loops").split("\n")
    return {
        "head": head,
        "log": git(project.root, "log", "--format=%s %T"),
        "status": git(project.root, "status", "--porcelain"),
        "refs": refs,
        "litter": [path.name for path in (project.root / ".git").iterdir()
                   if path.name.startswith(("agent-loops", "index."))],
    }  # fmt: skip


def walk(
    commands: Commands,
    template: Project,
    call: Call,
    *,
    role: int = CLIENT,
    kind: str = "kill",
    stride: int = 1,
    ends: Callable[[Commands, Project], object] = lambda _, __: None,
    expected: dict[str, Any] | None = None,
) -> int:
    """Kills at step 1, 1 + stride, … until the command gets through; returns how many were hit."""
    room = template.root.parent / "walk"
    if expected is None:
        reference = copied(template, room / "reference" / NAME)
        call.prepare(reference)
        assert commands(reference, *call.words, stdin=call.stdin).code == 0
        ends(commands, reference)
        expected = record(reference)
    step = 1
    while True:
        project = copied(template, room / str(step) / NAME)
        call.prepare(project)
        fault = Fault(kind, role, step)
        answer = commands(project, *call.words, fault=fault, stdin=call.stdin)
        if not commands.struck:
            assert answer.code == 0, answer
            assert step > 1, "no step was found"
            shutil.rmtree(room)
            return step // stride
        where = f"step {commands.struck}"
        if role == CLIENT or kind == "power cut":
            assert answer.code == -signal.SIGKILL, (where, answer)
        try:
            if kind == "power cut":
                end_runs(project)
            call.again(commands, project, call, step)
            ends(commands, project)
            found = record(project)
            found["branch"].pop("litter", None), expected["branch"].pop("litter", None)
            assert found == expected
        except BaseException as error:
            error.add_note(where) if hasattr(error, "add_note") else None
            print(where, answer, sep="\n")
            raise
        shutil.rmtree(room / str(step))
        step += stride


def end_runs(project: Project) -> None:
    """What a power cut does to the training itself."""
    journal = project.sandbox / "journal.jsonl"
    if journal.exists():
        for line in journal.read_bytes().splitlines():
            item = json.loads(line) if line.endswith(b"}") else {}
            for pid in processes_with(item.get("marker", "no marker")):
                os.kill(pid, signal.SIGKILL)


def strides(stride: int) -> int:
    return 1 if FULL else stride


# ---- where the walks begin --------------------------------------------------------------------


def begun(commands: Commands, root: Path, **bindings: object) -> Project:
    """A campaign with its baseline."""
    project = small(root / NAME, **bindings)
    if bindings.get("iter_strategy") == "branches":
        commit_all(project.root)
    assert commands(project, "setup").code == 0
    answer = commands(project, "try", "baseline")
    assert answer.code == 0, answer
    assert answer["status"] == "keep"
    return project


def better(project: Project) -> None:
    """Edits one file, adds one, removes one."""
    project.write("parts/a.txt", "val_bpb: 1.5\n")
    project.write("parts/c.txt", "a third\n")
    (project.root / "parts/b.txt").unlink()


def worse(project: Project) -> None:
    better(project)
    project.write("parts/a.txt", "val_bpb: 2.5\n")


def broken(project: Project) -> None:
    better(project)
    project.write("run.sh", "echo 'ValueError: shapes'; exit 3\n")


KEEP = Call(["try", "a better one"], prepare=better)
DISCARD = Call(["try", "a worse one"], prepare=worse)
CRASH = Call(["try", "a broken one"], prepare=broken)
EDITED = Call(["try", "by blocks", "--edit", "-"], stdin=EDIT)


def test_client_killed_at_every_step_of_a_keep(commands: Commands, tmp_path: Path) -> None:
    assert walk(commands, begun(commands, tmp_path), KEEP) > 50


def test_client_killed_at_every_step_of_a_discard(commands: Commands, tmp_path: Path) -> None:
    assert walk(commands, begun(commands, tmp_path), DISCARD) > 60
