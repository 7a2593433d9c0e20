"""Kills every process of ours at every step; the record ends as if nothing had happened.

AGENT_LOOPS_TEST_FULL=1 walks through every step of everything; without it the core path is walked
whole and the rest in strides.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

import grounded
from faults import CLIENT, LAUNCHER, RUN, SUPERVISOR, Commands, Fault, strides
from small_campaign import (
    CRASH,
    DISCARD,
    EDIT,
    EDITED,
    KEEP,
    NAME,
    NAME_ITSELF,
    RUN_SH,
    Call,
    begun,
    better,
    broken,
    copied,
    editable,
    end_runs,
    files_of,
    marked_processes,
    markers_of,
    quick_folder,
    record,
    small,
    the_same_again,
)
from support import Answer, Project, commit_all, git, until


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


def walk(
    commands: Commands,
    template: Project,
    call: Call,
    *,
    role: int = CLIENT,
    kind: str = "kill",
    stride: int = 1,
    at: str = "",
    ends: Callable[[Commands, Project], object] = lambda _, __: None,
) -> int:
    """Kills at step 1, 1 + stride, … until the command gets through; returns how many were hit.

    Where there is an `at`, steps are those that name it.
    """
    room = template.root.parent / "walk"
    reference = copied(template, room / "reference" / NAME)
    call.prepare(reference)
    assert commands(reference, *call.words, stdin=call.stdin).code == 0
    ends(commands, reference)
    expected = record(reference)
    step = 1
    while True:
        project = copied(template, room / str(step) / NAME)
        call.prepare(project)
        fault = Fault(kind, role, step, at=at)
        answer = commands(project, *call.words, fault=fault, stdin=call.stdin)
        if not commands.struck:
            assert answer.code == 0, answer
            shutil.rmtree(room)
            print(f"{(step - 1) // stride} {kind}s in {role} of {call.words[:2]}")
            return (step - 1) // stride
        print(f"killed at step {commands.struck}")
        if role == CLIENT or kind == "power cut":
            assert answer.code == -signal.SIGKILL, answer
        if kind == "power cut":
            end_runs(project)
        call.again(commands, project, call, step)
        ends(commands, project)
        assert record(project) == expected
        shutil.rmtree(room / str(step))
        step += stride


def test_client_killed_at_every_step_of_a_keep(commands: Commands, folder: Path) -> None:
    assert walk(commands, begun(commands, folder), KEEP) > 80


def test_client_killed_at_every_step_of_a_discard(commands: Commands, folder: Path) -> None:
    assert walk(commands, begun(commands, folder), DISCARD) > 80


def test_supervisor_killed_at_every_step(commands: Commands, folder: Path) -> None:
    template = begun(commands, folder)
    assert walk(commands, template, KEEP, role=SUPERVISOR) > 15
    assert walk(commands, template, KEEP, role=LAUNCHER) > 0
    assert walk(commands, template, CRASH, role=SUPERVISOR, stride=strides(4)) > 3


def test_power_cut_at_every_step_of_the_supervisor(commands: Commands, folder: Path) -> None:
    template = begun(commands, folder)
    assert walk(commands, template, KEEP, role=SUPERVISOR, kind="power cut") > 15
    assert walk(commands, template, KEEP, kind="power cut", stride=strides(9)) > 8


def test_client_killed_on_other_ways_through_try(commands: Commands, folder: Path) -> None:
    template = begun(commands, folder)
    assert walk(commands, template, CRASH, stride=strides(9)) > 8
    assert walk(commands, template, EDITED, stride=strides(9)) > 8


def analysed_once(_: Commands, project: Project) -> None:
    """The results of the second experiment and its one verdict are there."""
    results = project.sandbox / "iter2" / "results"
    assert json.loads((results / "summary.json").read_text())["val_bpb"] == 1.25
    assert sorted(path.name for path in results.iterdir()) == [
        "findings.json", "findings.md", "summary.json",
    ]  # fmt: skip
    for event in ("decided", "analysed", "settled"):
        assert [item["experiment"] for item in project.events(event)].count(2) == 1


def test_client_killed_between_a_reading_and_its_analysis(commands: Commands, folder: Path) -> None:
    template = begun(commands, folder, loop="ml-autoresearch", probe="off")
    place = "results/summary.json:val_bpb"
    wanted = ("--anchor", f"{place}=2.0", "--predict", f"{place} < 1.5; it falls")
    edit = EDIT + grounded.plan(grounded.row(output=place))
    call = Call(["try", "by blocks", *wanted, "--edit", "-"], stdin=edit)
    assert walk(commands, template, call, at="iter2/results", ends=analysed_once) > 6


def fresh(folder: Path, **bindings: object) -> Project:
    project = small(folder / NAME, **bindings)
    if bindings:
        commit_all(project.root)
    return project


def baseline(commands: Commands, project: Project) -> None:
    """The campaign is found, whole, and its baseline can be measured."""
    answer = commands(project, "try", "baseline")
    assert answer.code == 0, answer
    assert answer["status"] == "keep"


def test_client_killed_at_every_step_of_setup(commands: Commands, folder: Path) -> None:
    call = Call(["setup"], again=setup_again)
    assert walk(commands, fresh(folder), call, ends=baseline, stride=strides(3)) > 10


def test_client_killed_at_the_baseline(commands: Commands, folder: Path) -> None:
    template = fresh(folder)
    assert commands(template, "setup").code == 0
    assert walk(commands, template, Call(["try", "baseline"]), stride=strides(6)) > 10


def test_client_killed_at_a_mended_baseline(commands: Commands, folder: Path) -> None:
    template = fresh(folder)
    broken(template)
    code = editable(template)
    assert commands(template, "setup").code == 0
    assert commands(template, "try", "baseline")["status"] == "crash"

    def ends(_: Commands, project: Project) -> None:
        saved = project.sandbox / "iter1/attempt-1/code_snapshot"
        assert {name: (saved / name).read_bytes() for name in code} == {
            name: data for name, (data, _) in code.items()
        }

    def mend(project: Project) -> None:
        project.write("run.sh", RUN_SH)

    call = Call(["try", "mended"], prepare=mend)
    assert walk(commands, template, call, stride=strides(9), ends=ends) > 5


def setup_again(commands: Commands, project: Project, call: Call, _: int) -> None:
    answer = commands(project, *call.words)
    assert answer.code in (0, 3), answer
    if answer.code == 3:
        assert answer["kind"] == "campaign exists"
        assert len(project.events("campaign_started")) == 1


def test_client_killed_with_branches(commands: Commands, folder: Path) -> None:
    call = Call(["setup"], again=setup_again)
    project = fresh(folder / "setup", iter_strategy="branches")
    assert walk(commands, project, call, ends=baseline, stride=strides(9)) > 4
    template = begun(commands, folder / "try", iter_strategy="branches")
    assert walk(commands, template, KEEP, stride=strides(16)) > 6
    assert walk(commands, template, DISCARD, stride=strides(25)) > 4
    assert walk(commands, template, KEEP, role=SUPERVISOR, stride=strides(8)) > 1


def equal_but_shorter(project: Project) -> None:
    """Two lines fewer, the same metric."""
    project.write("parts/b.txt", "")


def tried(
    commands: Commands, project: Project, idea: str, edit: Callable[[Project], object]
) -> Answer:
    edit(project)
    answer = commands(project, "try", idea)
    assert answer.code == 0, answer
    return answer


@pytest.mark.parametrize("strategy", ["snapshots", "branches"])
def test_client_killed_at_override(commands: Commands, folder: Path, strategy: str) -> None:
    template = begun(commands, folder, iter_strategy=strategy)
    assert tried(commands, template, "shorter", equal_but_shorter)["status"] == "discard"
    call = Call(["override", "2", "keep", "--why", "simpler"], again=the_same_again)
    assert walk(commands, template, call, stride=strides(5)) > 4
    assert commands(template, *call.words).code == 0
    call = Call(["override", "2", "discard", "--why", "on second thought"], again=the_same_again)
    assert walk(commands, template, call, stride=strides(5)) > 4


def test_client_killed_at_pause_and_resume(commands: Commands, folder: Path) -> None:
    template = begun(commands, folder)
    for words in (["pause"], ["resume"]):
        call = Call(words, again=the_same_again)
        assert walk(commands, template, call) > 5
        assert commands(template, *words).code == 0


def test_client_killed_at_checkout(commands: Commands, folder: Path) -> None:
    template = begun(commands, folder)
    assert tried(commands, template, "better", better)["status"] == "keep"
    call = Call(["checkout", "1"], again=the_same_again)
    assert walk(commands, template, call, stride=strides(2)) > 12


def test_no_edit_is_lost_when_a_checkout_is_killed(commands: Commands, folder: Path) -> None:
    template = begun(commands, folder)
    assert tried(commands, template, "better", better)["status"] == "keep"
    edits = {"parts/a.txt": b"an unsaved thought\n", "parts/d.txt": b"another\n"}

    def edit(project: Project) -> None:
        for name, data in edits.items():
            project.write(name, data)

    def ends(_: Commands, project: Project) -> None:
        told = project.events("rescued")
        assert {name for item in told for name in item["files"]} == edits.keys()
        for item in told:
            for name in item["files"]:
                assert (project.root / item["folder"] / name).read_bytes() == edits[name]

    call = Call(["checkout", "1"], prepare=edit, again=the_same_again)
    assert walk(commands, template, call, stride=strides(4), ends=ends) > 8


def changed_bindings(project: Project) -> None:
    text = project.read("loop.run.yaml").replace("60 s", "50 s")
    project.write("loop.run.yaml", text)
    project.write("prepare.py", "def loss():\n    return 0\n")


@pytest.mark.parametrize("strategy", ["snapshots", "branches"])
def test_client_killed_at_rebaseline(commands: Commands, folder: Path, strategy: str) -> None:
    template = begun(commands, folder, iter_strategy=strategy)
    assert tried(commands, template, "better", better)["status"] == "keep"
    changed_bindings(template)
    if strategy == "branches":
        git(template.root, "add", "prepare.py", "loop.run.yaml")
        git(template.root, "commit", "-q", "-m", "a mended harness")
    call = Call(["rebaseline", "--why", "a mended harness"], again=rebaseline_again)
    assert walk(commands, template, call, stride=strides(16)) > 4


def rebaseline_again(commands: Commands, project: Project, call: Call, _: int) -> None:
    answer = commands(project, "wait")
    assert answer.code == 0, answer
    if "rebaseline: " not in answer["description"]:
        assert commands(project, *call.words).code == 0


def confirmed_in_the_end(commands: Commands, project: Project, call: Call, _: int) -> None:
    """Goes on with what was begun; begins where nothing was."""
    answer = commands(project, "wait")
    assert answer.code == 0, answer
    if answer["status"] != "confirmed":
        answer = commands(project, *call.words)
        assert answer.code == 0, answer
    assert answer["verdict"] == "improved"


def of_one_claim(_: Commands, project: Project) -> None:
    (started,) = project.events("confirmation_started")
    (claim,) = project.events("confirmed")
    assert (claim["pairs"], claim["claims"][0]["seeds"]) == (5, [2, 3, 4, 5, 6])
    assert started["subjects"] == [2]
    assert not list(project.sandbox.glob("iter*/out-*"))


@pytest.mark.parametrize("strategy", ["snapshots", "branches"])
def test_killed_at_a_confirmation(commands: Commands, folder: Path, strategy: str) -> None:
    template = begun(commands, folder, iter_strategy=strategy)
    assert tried(commands, template, "better", better)["status"] == "keep"
    call = Call(["confirm"], again=confirmed_in_the_end)
    assert walk(commands, template, call, ends=of_one_claim, stride=strides(67)) > 8
    by_supervisor = walk(
        commands, template, call, role=SUPERVISOR, ends=of_one_claim, stride=strides(4)
    )
    assert by_supervisor > 3


# ---- the run, and what becomes of it ------------------------------------------------------------


def sleeping(project: Project) -> None:
    """A run that goes on until it is killed, with a child of its own."""
    project.write("run.sh", "sleep 600 & sleep 600; cat parts/*.txt\n")


def start(commands: Commands, project: Project) -> dict[str, Any]:
    """Starts a run that goes on; returns its run_started."""
    sleeping(project)
    answer = commands(project, "try", "a long one", "--wait-s", "0")
    assert (answer.code, answer["status"]) == (0, "running"), answer
    started = project.events("run_started")[-1]
    until(lambda: len(marked_processes([started["marker"]])) >= 3)
    return started


def test_stop_kill_killed_at_every_step(commands: Commands, folder: Path) -> None:
    template = begun(commands, folder)
    call = Call(
        ["stop", "--kill"], prepare=lambda project: start(commands, project), again=the_same_again
    )
    assert walk(commands, template, call, stride=strides(6)) > 8


def test_a_killed_training_process_is_a_crash_that_says_so(
    commands: Commands, folder: Path
) -> None:
    project = begun(commands, folder)
    started = start(commands, project)
    run, *_ = psutil.Process(started["pid"]).children()
    os.kill(run.pid, signal.SIGKILL)
    answer = commands(project, "wait")
    assert (answer.code, answer["status"]) == (0, "crash")
    assert "killed by signal 9" in answer["reason"]
    assert record(project)["tried"][2]["runs"] == 1
    assert project.read("run.sh") == RUN_SH


def test_a_run_killed_before_its_exec_is_a_crash_that_says_so(
    commands: Commands, folder: Path
) -> None:
    project = begun(commands, folder)
    better(project)
    answer = commands(project, "try", "killed", fault=Fault("kill", RUN, 1))
    assert "os.exec" in commands.struck
    assert (answer.code, answer["status"]) == (0, "crash")
    assert "killed by signal 9" in answer["reason"]
    assert record(project)["tried"][2]["runs"] == 1


def test_all_processes_killed_at_once(commands: Commands, folder: Path) -> None:
    project = begun(commands, folder)
    started = start(commands, project)
    os.kill(started["pid"], signal.SIGKILL)
    for pid in marked_processes([started["marker"]]):
        os.kill(pid, signal.SIGKILL)
    answer = commands(project, "wait", "--wait-s", "0")
    assert (answer.code, answer["status"]) == (0, "running")
    again = project.events("run_started")[-1]
    assert (again["run"], again["purpose"]) == (2, "retry")
    assert commands(project, "stop", "--kill").code == 0
    assert record(project)["tried"][2]["runs"] == 1


def test_orphans_of_a_killed_supervisor_are_ended_and_the_run_is_run_again(
    commands: Commands, folder: Path
) -> None:
    project = begun(commands, folder)
    started = start(commands, project)
    orphans = marked_processes([started["marker"]])
    os.kill(started["pid"], signal.SIGKILL)
    answer = commands(project, "wait", "--wait-s", "0")
    assert (answer.code, answer["status"]) == (0, "running")
    assert not any(psutil.pid_exists(pid) and is_alive(pid) for pid in orphans)
    lost, again = project.events("run_finished")[-1], project.events("run_started")[-1]
    assert (lost["outcome"], lost["crash_kind"]) == ("lost", "machine")
    assert lost["notes"] == [f"ended {len(orphans)} processes of the lost run"]
    assert (again["run"], again["purpose"]) == (2, "retry")
    assert again["marker"] != started["marker"]
    assert commands(project, "stop", "--kill").code == 0
    assert not marked_processes(markers_of(project))


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_client_killed_while_the_machine_is_checked(commands: Commands, folder: Path) -> None:
    """Three crashes in a row run the incumbent; that it crashes too is never forgotten."""
    template = begun(
        commands, folder, run_cmd=f"{NAME_ITSELF}; sh run.sh && test ! -e broken-machine"
    )
    template.write("broken-machine", "")
    for number in (2, 3):
        template.write("parts/a.txt", f"val_bpb: 1.{number}\n")
        assert commands(template, "try", f"idea {number}")["status"] == "crash"

    def again(commands: Commands, project: Project, call: Call, _: int) -> None:
        if commands(project, "wait")["description"] != call.words[1]:
            assert commands(project, *call.words).code == 0

    def ends(_: Commands, project: Project) -> None:
        (paused,) = project.events("paused")
        assert paused["by"] == "engine"
        assert "the incumbent crashes too" in paused["reason"]

    call = Call(["try", "idea 4"], prepare=better, again=again)
    assert walk(commands, template, call, stride=strides(11), ends=ends) > 8


@pytest.mark.parametrize("role", [CLIENT, LAUNCHER], ids=["the check", "its caller"])
def test_a_rehearsal_killed_at_any_step_is_taken_up(
    commands: Commands, folder: Path, role: int
) -> None:
    """Whatever dies of the check at bedtime, the next one ends what is left and answers."""
    template = begun(commands, folder)
    step = 1
    while True:
        project = copied(template, folder / str(step) / NAME)
        before = files_of(project)
        answer = commands(project, "ready", fault=Fault("kill", role, step))
        if not commands.struck:
            assert answer.code == 0, answer
            break
        again = commands(project, "ready")
        assert again.code == 0, again
        assert again["rehearsal"]["restored"] is True, again
        assert files_of(project) == before
        assert not marked_processes(markers_of(project))
        ran = (project.root.parent / "runs").read_text().split()
        assert len(ran) == len(set(ran)), "one run was executed twice"
        step += strides(12)
    assert step > 12
