"""A disk that is full, at every write: nothing is lost, and it is said in one line.

AGENT_LOOPS_TEST_FULL=1 walks through every step of everything.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent_loops import files
from faults import CLIENT, SUPERVISOR, Commands, Fault, strides
from small_campaign import (
    DISCARD,
    EDITED,
    KEEP,
    NAME,
    Call,
    begun,
    better,
    copied,
    files_of,
    quick_folder,
    record,
    small,
    the_same_again,
)
from support import Answer, Project


@pytest.fixture(scope="module")
def commands() -> Iterator[Commands]:
    served = Commands()
    yield served
    served.close()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    quick = quick_folder(tmp_path)
    yield quick
    shutil.rmtree(quick)


def one_line_that_says_so(answer: Answer) -> None:
    assert answer.code == 1
    assert answer["status"] == "failed"
    assert "no space left" in answer["reason"].lower()
    said = answer["reason"].replace("\n", "\\n")
    assert answer.err == f"agent-loops: {said}\n"


def whole_files(project: Project, *states: Project) -> None:
    """Every file is as one of these left it; none is cut off, gone or new."""
    allowed: dict[str, set[tuple[bytes, int]]] = {}
    for state in states:
        for name, content in files_of(state).items():
            allowed.setdefault(name, set()).add(content)
    in_all = set.intersection(*(set(files_of(state)) for state in states))
    found = files_of(project)
    assert in_all <= found.keys()
    for name, content in found.items():
        assert content in allowed.get(name, ()), name


def walk(
    commands: Commands,
    template: Project,
    call: Call,
    *,
    role: int = CLIENT,
    kind: str = "full for good",
    stride: int = 1,
    ends: Callable[[Commands, Project], object] = lambda _, __: None,
) -> int:
    """Fills the disk at step 1, 1 + stride, … and frees it again; returns how often it mattered."""
    room = template.root.parent / "walk"
    edited = copied(template, room / "edited" / NAME)
    call.prepare(edited)
    reference = copied(edited, room / "reference" / NAME)
    assert commands(reference, *call.words, stdin=call.stdin).code == 0
    ends(commands, reference)
    expected = record(reference)
    step, failed = 1, 0
    while True:
        project = copied(edited, room / str(step) / NAME)
        answer = commands(
            project, *call.words, stdin=call.stdin, fault=Fault(kind, role, step, quiet=True)
        )
        if not commands.struck:
            assert answer.code == 0, answer
            shutil.rmtree(room)
            return failed
        print(f"step {commands.struck}", answer)
        assert "Traceback" not in answer.err
        if answer.code:
            failed += 1
            one_line_that_says_so(answer)
        whole_files(project, template, edited, reference)
        if answer.code or role == CLIENT:
            call.again(commands, project, call, step)
        ends(commands, project)
        assert without_faults(record(project)) == without_faults(expected)
        shutil.rmtree(room / str(step))
        step += stride


def without_faults(found: dict[str, Any]) -> dict[str, Any]:
    """A run that the disk cut short is tried again: one more."""
    tried = found["tried"]
    assert all(one["runs"] <= 2 for one in tried.values())
    return {**found, "tried": {number: {**one, "runs": 0} for number, one in tried.items()}}


def test_client_on_a_full_disk_at_every_write_of_try(commands: Commands, folder: Path) -> None:
    template = begun(commands, folder)
    assert walk(commands, template, KEEP, stride=strides(4)) > 10
    assert walk(commands, template, DISCARD, kind="full", stride=strides(5)) > 8
    assert walk(commands, template, EDITED, stride=strides(9)) > 4


def test_supervisor_on_a_full_disk_at_every_write(commands: Commands, folder: Path) -> None:
    template = begun(commands, folder)
    # What keeps the supervisor from starting is told; what comes later is done again by itself.
    assert walk(commands, template, KEEP, role=SUPERVISOR, kind="full") > 1


def baseline(commands: Commands, project: Project) -> None:
    assert commands(project, "try", "baseline")["status"] == "keep"


def test_setup_on_a_full_disk(commands: Commands, folder: Path) -> None:
    call = Call(["setup"], again=setup_again)
    template = small(folder / NAME)
    assert walk(commands, template, call, stride=strides(4), ends=baseline) > 7


def setup_again(commands: Commands, project: Project, call: Call, _: int) -> None:
    answer = commands(project, *call.words)
    assert answer.code in (0, 3), answer
    assert len(project.events("campaign_started")) == 1


def test_other_commands_on_a_full_disk(commands: Commands, folder: Path) -> None:
    template = begun(commands, folder)
    better(template)
    assert commands(template, "try", "better")["status"] == "keep"
    for words in (["checkout", "1"], ["override", "2", "discard", "--why", "w"], ["pause"]):
        call = Call(words, again=the_same_again)
        assert walk(commands, template, call, stride=strides(3)) > 1


# ---- a real one ---------------------------------------------------------------------------------

# Fills the campaign's own small file system up to `room` pages, tries, frees it, and goes on.
DRIVER = """\
import os, sys
from pathlib import Path
sys.path[:0] = sys.argv[2:4]
from small_campaign import files_of
from faults import Commands
from support import Project

root = Path(sys.argv[1])
project = Project.__new__(Project)
project.root = root
sandbox = project.sandbox
filler = sandbox / "filler"
commands = Commands()


def call(*words):
    answer = commands(project, *words)
    assert "Traceback" not in answer.err, answer
    return answer


assert call("setup").code == 0
assert call("try", "baseline")["status"] == "keep"
for room in [*range(0, 8), 10, 14, 20]:
    project.write("parts/a.txt", f"val_bpb: {1.9 - room / 100:.6f}\\n")
    edited = files_of(project)
    with filler.open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(bytes(4096))
        except OSError:
            pass
    fd = os.open(filler, os.O_RDWR)
    os.ftruncate(fd, max(0, os.fstat(fd).st_size // 4096 - room) * 4096)
    os.close(fd)
    idea = f"with {room} pages left"
    answer = call("try", idea, "--wait-s", "2")
    assert answer.code in (0, 1), answer
    if answer.code == 1:
        assert "no space left" in answer["reason"].lower(), answer
    assert files_of(project) == edited or answer["status"] == "crash", (room, answer)
    print(room, answer.code, answer["status"], answer["reason"], flush=True)
    filler.unlink()
    answer = call("wait")
    if answer["description"] != idea or answer["status"] == "crash":
        if answer["description"] == idea:
            assert answer["kind"] == "machine", answer
            assert call("checkout", str(answer["experiment"])).code == 0
        answer = call("try", idea)
    assert (answer.code, answer["status"]) == (0, "keep"), answer
    assert files_of(project) == edited
    journal = project.journal()
    assert [item["seq"] for item in journal] == list(range(1, len(journal) + 1))
    rows = project.rows()
    assert [row[0] for row in rows] == [str(n) for n in range(1, len(rows) + 1)]
commands.close()
print("done")
"""


def test_a_small_file_system_that_fills_up(tmp_path: Path) -> None:
    project = small(tmp_path / "p", metric_pattern="val_bpb: ([0-9.]+)")
    project.sandbox.mkdir(parents=True)
    mount = 'mount -t tmpfs -o size=1m tmpfs "$1" && shift && exec "$@"'
    inside = ["unshare", "--mount", "sh", "-c", mount, "sh", str(project.sandbox)]
    if (
        not shutil.which("unshare")
        or subprocess.run([*inside, "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("mounting a file system is not permitted here")
    paths = [str(Path(__file__).parent), str(Path(files.__file__).parent.parent)]
    done = subprocess.run(
        [*inside, sys.executable, "-c", DRIVER, str(project.root), *paths],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    print(done.stdout)
    assert done.stdout.endswith("done\n")
