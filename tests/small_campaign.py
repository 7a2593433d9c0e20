"""A campaign whose runs take milliseconds, and all that must be the same in the end."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from agent_loops import files
from faults import Commands
from support import Project, commit_all, edit_block, git

NAME_ITSELF = "echo $AGENT_LOOPS_RUN >> ../runs"
RUN_SH = "cat parts/*.txt\n"
BASE_PARTS = {"a.txt": "val_bpb: 2.0\n", "b.txt": "depth 1\nwidth 1\n"}


def small(root: Path, **bindings: object) -> Project:
    """A project whose run takes milliseconds, with files to change, to add and to remove."""
    project = Project(root)
    (root / "train.py").unlink()
    usual = {
        "run_cmd": f"{NAME_ITSELF}; sh run.sh",
        "editable_files": ["run.sh", "parts/*.txt"],
        "budget": "60 s",
    }
    project.bind(**{**usual, **bindings})
    project.write("run.sh", RUN_SH)
    (root / "run.sh").chmod(0o755)
    for name, text in BASE_PARTS.items():
        project.write(f"parts/{name}", text)
    project.write("notes of mine.txt", "not yours\n")
    return project


def quick_folder(tmp_path: Path) -> Path:
    """A folder where fsync costs nothing, if there is one: kills do not need the disk."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK) or shutil.disk_usage(memory).free < 30 << 20:
        return tmp_path
    return Path(tempfile.mkdtemp(prefix="agent-loops-test-", dir=memory))


def marked_processes(markers: Collection[str]) -> list[int]:
    """Living processes of any of these runs."""
    needles = [f"AGENT_LOOPS_RUN={marker}".encode() for marker in markers]
    found = []
    for pid in psutil.pids():
        try:
            seen = Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            continue
        if any(needle in seen for needle in needles):
            found.append(pid)
    return found


def copied(project: Project, root: Path) -> Project:
    """The same project, with all that was recorded, in another folder."""
    shutil.copytree(project.root, root, symlinks=True)
    twin = Project.__new__(Project)
    twin.root = root
    return twin


def files_of(project: Project) -> dict[str, tuple[bytes, int]]:
    """Everything that is not ours to change at will: content and mode by path."""
    found = {}
    for path in sorted(project.root.rglob("*")):
        name = path.relative_to(project.root).as_posix()
        ours = name.startswith(("sandbox/", ".agent-loops/", ".git/"))
        if path.is_file() and not ours:
            found[name] = (path.read_bytes(), path.stat().st_mode & 0o7777)
    return found


def editable(project: Project) -> dict[str, tuple[bytes, int]]:
    """The editable files alone."""
    return {
        name: state
        for name, state in files_of(project).items()
        if name == "run.sh" or name.startswith("parts/")
    }


NAME = "a 'project' of\nmine ü"
EDIT = edit_block("parts/a.txt", "val_bpb: 2.0", "val_bpb: 1.25") + (
    "parts/new.txt\n<<<<<<< SEARCH\n=======\na new file\n>>>>>>> REPLACE\n"
)


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
        if answer.code == 3 or tried_last(project) != call.words[1]:
            answer = commands(project, *call.words, stdin=call.stdin)
            assert answer.code == 0, answer
        return
    answer = commands(project, *call.words, stdin=call.stdin)
    if answer.code == 3:
        # It had been recorded, and is under way again or was settled by this very call.
        assert answer["kind"] in ("running", "nothing edited", "duplicate", "edit"), answer
        answer = commands(project, "wait")
    assert answer.code == 0, answer
    assert tried_last(project) == call.words[1]


def tried_last(project: Project) -> str:
    """What was said of the experiment begun last: a baseline is called one, whatever was said."""
    lines = (
        (project.sandbox / "journal.jsonl").read_bytes().split(b"\n")[:-1]
    )  # half a line is none
    started = [item for item in map(json.loads, lines) if item["event"] == "experiment_started"]
    return str(started[-1]["idea"] or started[-1]["description"])


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
    assert not marked_processes(markers_of(project))
    ran = project.root.parent / "runs"
    executed = ran.read_text().split() if ran.exists() else []
    assert len(executed) == len(set(executed)), "one run was executed twice"
    assert set(executed) <= set(markers_of(project)), "a run was executed that is not recorded"
    tried: dict[int, dict[str, Any]] = {}
    for item in journal:
        if item["event"] == "experiment_started":
            kept = ("description", "code", "base", "baseline", "lines_added", "lines_removed")
            values = {name: item[name] for name in kept}
            attempts = tried.get(item["experiment"], {"attempts": 0, "runs": 0, "lost": 0})
            assert not attempts["attempts"] or item["baseline"], "recorded twice"
            attempts["attempts"] += 1
            tried[item["experiment"]] = attempts | values
        elif item["event"] == "run_finished":
            tried[item["experiment"]]["lost" if item["outcome"] == "lost" else "runs"] += 1
        elif item["event"] in ("decided", "overridden"):
            tried[item["experiment"]] |= {"verdict": item["verdict"]}
        elif item["event"] == "settled":
            tried[item["experiment"]] |= {"settled": True}
    lost = [one.pop("lost") for one in tried.values()]
    assert sum(lost) <= 1, "run again more than once"
    # Measured memory is never quite the same, and a commit's id holds the time.
    rows = [row[:2] + row[3:] for row in project.rows()]
    if branch_of(project):
        rows = [row[1:] for row in rows]
    active = json.loads((project.root / ".agent-loops/active.json").read_text())
    return {
        "tried": tried,
        "rows": rows,
        "files": files_of(project),
        "active": active,
        "outputs": sorted({path.parent.name for path in project.sandbox.glob("iter*/out*")}),
        # An edit may be saved twice; what is told of is told of once or twice too.
        "rescued": {
            name for item in journal if item["event"] == "rescued" for name in item["files"]
        },
        "epochs": sum(item["event"] == "rebaselined" for item in journal),
        "branch": branch_of(project),
    }


def markers_of(project: Project) -> list[str]:
    return [item["marker"] for item in project.events("run_started")]


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
        "locks": [path.name for path in (project.root / ".git").rglob("*.lock")],
    }


def end_runs(project: Project) -> None:
    """What a power cut does to supervisor and training."""
    journal = project.sandbox / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True) if journal.exists() else []
    items = [json.loads(line) for line in lines if line.endswith(b"\n")]
    started = [item for item in items if item["event"] == "run_started"]
    for item in started:
        with contextlib.suppress(psutil.NoSuchProcess):
            supervisor = psutil.Process(item["pid"])
            if abs(supervisor.create_time() - item["pid_start"]) < 0.5:
                supervisor.kill()
    for pid in marked_processes([item["marker"] for item in started]):
        os.kill(pid, signal.SIGKILL)


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
