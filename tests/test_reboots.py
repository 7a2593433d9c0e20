"""A clock that jumps, a reboot, a second host, a reused pid: nothing is lost, nobody is hit."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from agent_loops import processes
from faults import Commands
from small_campaign import (
    RUN_SH,
    begun,
    better,
    copied,
    marked_processes,
    markers_of,
    quick_folder,
    record,
)
from support import Project, until

DAY_S = 86400.0


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


@pytest.fixture
def project(commands: Commands, folder: Path) -> Iterator[Project]:
    project = begun(commands, folder)
    yield project
    for pid in marked_processes(markers_of(project)):
        os.kill(pid, signal.SIGKILL)


def start(commands: Commands, project: Project) -> dict[str, Any]:
    """Starts a run that goes on; returns its run_started."""
    project.write("run.sh", "sleep 600 & sleep 600\n")
    answer = commands(project, "try", "a long one", "--wait-s", "0")
    assert (answer.code, answer["status"]) == (0, "running"), answer
    return running(project)


def running(project: Project) -> dict[str, Any]:
    """The last run_started, once all of the run is there."""
    started = project.events("run_started")[-1]
    until(lambda: len(marked_processes([started["marker"]])) >= 3)
    return started


def power_cut(started: dict[str, Any]) -> None:
    os.kill(started["pid"], signal.SIGKILL)
    for pid in marked_processes([started["marker"]]):
        os.kill(pid, signal.SIGKILL)
    until(lambda: not marked_processes([started["marker"]]))
    until(lambda: not is_alive(started["pid"]))


def is_alive(pid: int) -> bool:
    process = processes.look(pid)
    return process is not None and process.alive


def rewrite(project: Project, event: str, **changes: object) -> None:
    """Changes fields of the last such event in the journal."""
    path = project.sandbox / "journal.jsonl"
    lines = path.read_text().splitlines()
    index = max(i for i, line in enumerate(lines) if f'"event":"{event}"' in line)
    lines[index] = json.dumps({**json.loads(lines[index]), **changes})
    path.write_text("\n".join(lines) + "\n")


# ---- a reboot -----------------------------------------------------------------------------------


def test_a_run_lost_to_a_reboot_is_run_again_once(commands: Commands, project: Project) -> None:
    power_cut(start(commands, project))
    rewrite(project, "run_started", boot_id=str(uuid.uuid4()))
    answer = commands(project, "wait", "--wait-s", "0")
    assert (answer.code, answer["status"]) == (0, "running")
    lost = project.events("run_finished")[-1]
    assert (lost["outcome"], lost["crash_kind"], lost["run"]) == ("lost", "machine", 1)
    again = running(project)
    assert (again["run"], again["purpose"]) == (2, "retry")
    power_cut(again)
    rewrite(project, "run_started", boot_id=str(uuid.uuid4()))
    answer = commands(project, "wait")
    assert (answer.code, answer["status"]) == (0, "crash")
    assert (answer["kind"], answer["reason"]) == ("machine", "run lost")
    assert len(project.events("run_started")) == 1 + 2
    assert project.read("run.sh") == RUN_SH
    assert project.rows()[1] == ["2", "0.000000", "0.0", "crash", "a long one"]
    better(project)
    assert commands(project, "try", "the next")["status"] == "keep"


def test_lost_code_is_no_duplicate(commands: Commands, project: Project) -> None:
    power_cut(start(commands, project))
    assert commands(project, "wait", "--wait-s", "0")["status"] == "running"
    power_cut(running(project))
    assert commands(project, "wait")["reason"] == "run lost"
    start(commands, project)
    assert project.events("experiment_started")[-1]["experiment"] == 3
    assert commands(project, "stop", "--kill").code == 0


def test_a_receipt_from_before_the_reboot_is_taken_up(commands: Commands, project: Project) -> None:
    better(project)
    answer = commands(project, "try", "a better one", "--wait-s", "0")
    until(lambda: (project.sandbox / "iter2/run.json").exists())
    if answer["status"] == "running":
        rewrite(project, "run_started", boot_id=str(uuid.uuid4()))
    answer = commands(project, "wait")
    assert (answer["status"], answer["description"]) == ("keep", "a better one")
    assert len(project.events("run_started")) == 2


# ---- a pid that is somebody else's --------------------------------------------------------------


@pytest.fixture
def innocent() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "600"])
    # Older than any run, by more than the clock's grain.
    until(lambda: time.time() - psutil.Process(process.pid).create_time() > 2)
    yield process
    assert process.poll() is None, "an innocent process was signalled"
    process.kill()
    process.wait()


@pytest.mark.parametrize("words", [["wait", "--wait-s", "0"], ["stop", "--kill"]])
def test_a_reused_pid_is_never_signalled(
    commands: Commands,
    project: Project,
    innocent: subprocess.Popen[bytes],
    words: list[str],
) -> None:
    power_cut(start(commands, project))
    rewrite(project, "run_started", pid=innocent.pid)
    answer = commands(project, *words)
    assert answer.code == 0
    assert innocent.poll() is None
    assert project.events("run_finished")[-1]["outcome"] == "lost"
    if words[0] == "wait":
        assert project.events("run_started")[-1]["purpose"] == "retry"
        assert commands(project, "stop", "--kill").code == 0
    assert innocent.poll() is None


def test_a_reused_pid_of_a_live_run_is_never_signalled(
    commands: Commands, project: Project, innocent: subprocess.Popen[bytes]
) -> None:
    """The journal names a wrong pid while the run goes on: it is ended by its marker."""
    started = start(commands, project)
    rewrite(project, "run_started", pid=innocent.pid)
    assert commands(project, "stop", "--kill").code == 0
    assert not marked_processes([started["marker"]])
    assert innocent.poll() is None


def test_a_clock_set_during_a_run_hides_no_supervisor(commands: Commands, project: Project) -> None:
    """Start times are known by the clock: set by a day, they are a day off."""
    started = start(commands, project)
    rewrite(project, "run_started", pid_start=started["pid_start"] - DAY_S)
    assert commands(project, "stop", "--kill").code == 0
    assert project.events("run_finished")[-1]["outcome"] == "stopped"
    assert not marked_processes([started["marker"]])
    assert project.read("run.sh") == RUN_SH


# ---- two hosts ----------------------------------------------------------------------------------


def test_a_run_on_another_host_is_no_lost_run(commands: Commands, project: Project) -> None:
    power_cut(start(commands, project))
    rewrite(project, "run_started", host="elsewhere", boot_id="another")
    before = (project.sandbox / "journal.jsonl").read_bytes()
    for words in (["wait"], ["try", "another"], ["override", "1", "discard", "--why", "x"],
                  ["checkout", "1"], ["rebaseline", "--why", "x"]):  # fmt: skip
        answer = commands(project, *words)
        assert (answer.code, answer["kind"]) == (3, "running elsewhere"), (words, answer)
        assert "elsewhere" in answer["reason"]
        assert "elsewhere" in answer["next"]
    assert commands(project, "status").code == 0
    assert (project.sandbox / "journal.jsonl").read_bytes() == before


def test_a_copy_of_a_project_leaves_the_runs_of_the_original_alone(
    commands: Commands, project: Project
) -> None:
    started = start(commands, project)
    copy = copied(project, project.root.with_name("copy"))
    assert commands(copy, "wait", "--wait-s", "0").code == 0
    assert "is a copy" in copy.events("run_finished")[-1]["notes"][0]
    assert commands(copy, "stop", "--kill").code == 0
    assert len(marked_processes([started["marker"]])) >= 3
    assert commands(project, "stop", "--kill").code == 0
    assert not marked_processes([started["marker"]])


# ---- what a lost run left -----------------------------------------------------------------------


def test_cleaning_up_after_a_lost_run_holds_nobody_up(commands: Commands, folder: Path) -> None:
    gate = "echo begun >> ../cleaning; while [ ! -e ../go ]; do sleep 0.01; done"
    (folder / "go").touch()
    project = begun(commands, folder, cleanup_cmd=gate)
    power_cut(start(commands, project))
    (folder / "cleaning").unlink()
    (folder / "go").unlink()
    waiting = subprocess.Popen(
        project.command("wait", "--wait-s", "0"), cwd=project.root, stdout=subprocess.DEVNULL
    )
    until((folder / "cleaning").exists)
    began = time.monotonic()
    assert commands(project, "note", "meanwhile").code == 0
    assert commands(project, "status").code == 0
    assert time.monotonic() - began < 5
    (folder / "go").touch()
    assert waiting.wait() == 0
    assert [item["outcome"] for item in project.events("run_finished")] == ["exited", "lost"]
    assert commands(project, "stop", "--kill").code == 0


def test_a_cleanup_that_fails_after_a_lost_run_is_noted(commands: Commands, folder: Path) -> None:
    project = begun(commands, folder, cleanup_cmd="exit 3")
    power_cut(start(commands, project))
    assert commands(project, "wait", "--wait-s", "0").code == 0
    [note] = project.events("run_finished")[-1]["notes"]
    assert note == "cleanup_cmd after the lost run: exited, see cleanup.log"
    assert commands(project, "stop", "--kill").code == 0


def test_a_receipt_from_another_host_is_taken_up(commands: Commands, project: Project) -> None:
    better(project)
    started: dict[str, Any] = {}
    commands(project, "try", "a better one", "--wait-s", "0")
    until(lambda: (project.sandbox / "iter2/run.json").exists())
    if not project.events("settled")[1:]:
        started = project.events("run_started")[-1]
        until(lambda: not is_alive(started["pid"]))
        rewrite(project, "run_started", host="elsewhere", boot_id="another")
    answer = commands(project, "wait")
    assert (answer.code, answer["status"]) == (0, "keep")
    assert record(project)["tried"][2]["runs"] == 1


def test_a_run_of_a_dead_host_is_given_up_by_stop_kill(
    commands: Commands, project: Project
) -> None:
    power_cut(start(commands, project))
    rewrite(project, "run_started", host="elsewhere", boot_id="another")
    assert commands(project, "stop", "--kill").code == 0
    assert project.events("run_finished")[-1]["outcome"] == "lost"
    assert commands(project, "resume").code == 0
    answer = commands(project, "wait", "--wait-s", "0")
    assert (answer.code, answer["status"]) == (0, "running")
    assert commands(project, "stop", "--kill").code == 0


# ---- a clock that jumps -------------------------------------------------------------------------


def hours(project: Project, commands: Commands) -> float:
    """How much active time the campaign has used, from the refusal that names it."""
    answer = commands(project, "try", "over the limit")
    assert (answer.code, answer["kind"]) == (3, "finished"), answer
    return float(answer["reason"].rpartition("stop_after: ")[2].split(" h")[0])


@pytest.mark.parametrize("jumps", [(DAY_S, 0.0), (-DAY_S, 0.0), (DAY_S, -DAY_S), (-DAY_S, DAY_S)])
def test_a_clock_that_jumps_changes_no_verdict(
    commands: Commands, folder: Path, jumps: tuple[float, float]
) -> None:
    project = begun(commands, folder, stop_after="2h")
    for number, jump in enumerate(jumps, 2):
        project.write("parts/a.txt", f"val_bpb: {2 - number / 10}\n")
        answer = commands(project, "try", f"idea {number}", clock_s=jump)
        assert (answer.code, answer["status"]) == (0, "keep"), answer
        assert 0 <= answer["wall_s"] < 60
        assert 0 <= answer["elapsed_s"] < 60
    project.write("parts/a.txt", "val_bpb: 1.0\n")
    answer = commands(project, "try", "the last")
    assert (answer.code, answer["status"], answer["experiment"]) == (0, "keep", 4)
    found = record(project)
    assert [row[0] for row in found["rows"]] == ["1", "2", "3", "4"]
    assert [one["runs"] for one in found["tried"].values()] == [1, 1, 1, 1]


def test_a_clock_that_jumps_while_a_run_goes_on(commands: Commands, project: Project) -> None:
    started = start(commands, project)
    for jump in (DAY_S, -DAY_S):
        answer = commands(project, "wait", "--wait-s", "0", clock_s=jump)
        assert (answer.code, answer["status"]) == (0, "running")
        assert answer["elapsed_s"] >= 0
    assert marked_processes([started["marker"]])
    assert commands(project, "stop", "--kill", clock_s=DAY_S).code == 0
    assert not marked_processes([started["marker"]])
    assert record(project)["tried"][2]["verdict"] == "crash"


def test_a_jump_forward_uses_up_little_active_time(commands: Commands, folder: Path) -> None:
    project = begun(commands, folder, stop_after="20 min")
    better(project)
    assert commands(project, "try", "tomorrow", clock_s=DAY_S)["status"] == "keep"
    project.write("parts/a.txt", "val_bpb: 1.0\n")
    answer = commands(project, "try", "the day after", clock_s=2 * DAY_S)
    assert answer.code == 0
    project.write("parts/a.txt", "val_bpb: 0.5\n")
    # Two silences of a day each count for 15 minutes.
    assert hours(project, commands) == pytest.approx(0.5, abs=0.05)


def test_stop_at_is_met_when_the_clock_says_so(commands: Commands, folder: Path) -> None:
    project = begun(commands, folder, stop_at="07:30")
    better(project)
    answer = commands(project, "try", "too late", clock_s=DAY_S)
    assert (answer.code, answer["kind"]) == (3, "finished")
    assert commands(project, "try", "in time")["status"] == "keep"


# ---- a receipt that comes just when it is looked for --------------------------------------------


def test_a_second_terminal_takes_no_running_run_for_lost(
    commands: Commands, project: Project
) -> None:
    """Waiting from two terminals: one of them records the end, none records a loss."""
    project.write("run.sh", "sleep 0.3; cat parts/*.txt\n")
    project.write("parts/a.txt", "val_bpb: 1.5\n")
    assert commands(project, "try", "slow", "--wait-s", "0")["status"] == "running"
    waiting = [
        subprocess.Popen(project.command("wait", "--json"), cwd=project.root,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(3)
    ]  # fmt: skip
    for one in waiting:
        out, err = one.communicate(timeout=60)
        assert (one.returncode, err) == (0, b"")
        assert json.loads(out)["status"] == "keep"
    assert [item["outcome"] for item in project.events("run_finished")] == ["exited", "exited"]
