"""Runs longer than the client lets a command take, or than the client lives; a model that fails."""

from __future__ import annotations

import signal

import pytest

from client import Host
from model import Fault, Model, Play, Request, bash, say
from projects import BASELINE, BEGIN, WAIT, Campaign, attempt
from screens import Terminal
from small_campaign import marked_processes, markers_of
from support import until

pytestmark = pytest.mark.e2e

IDEA = ("lr: up", "LR = 0.01", "LR = 0.02")
# The client's limits for a command, in place of two and ten minutes.
LIMITS = {"BASH_DEFAULT_TIMEOUT_MS": "1500", "BASH_MAX_TIMEOUT_MS": "1500"}
RUN_S = 4
SLOW = f"python3 -c 'import time; time.sleep({RUN_S})'; python3 train.py"
# Retries are the client's business; here it gives up soon.
HASTY = {"CLAUDE_CODE_MAX_RETRIES": "1"}


@pytest.fixture
def slow(host: Host, project: Campaign) -> Campaign:
    project.rebind(max_experiments=2, run_cmd=SLOW)
    host.agent_loops(project.root, "setup")
    return project


def test_a_run_past_the_bash_limit_is_waited_for_by_a_model_that_nobody_wakes(
    host: Host, slow: Campaign
) -> None:
    """In -p: the command goes to the background, and the turn may not end while the run lives."""

    def script(request: Request) -> Play:
        request = yield BASELINE
        assert "background" in request.last
        request = yield say("It runs; I will hear of it.")
        assert "A run is alive; call `agent-loops wait" in request.last
        while "#1 keep" not in request.last:
            request = yield bash("agent-loops wait --wait-s 1")
        request = yield attempt(*IDEA, wait_s=0.5)
        while "running" in request.last:
            request = yield bash("agent-loops wait --wait-s 1")
        assert "#2 keep" in request.last
        yield say("That is the end.")

    with Model(host.network, script) as model:
        ended = host.run(slow.root, model, BEGIN, **LIMITS)
    assert slow.verdicts == [("keep", "baseline"), ("keep", "lr: up")]
    assert len(slow.events("run_started")) == 2
    assert (ended.denied, ended.result["result"]) == ([], "That is the end.")


@pytest.mark.usefixtures("tmux")
def test_the_end_of_a_run_past_the_bash_limit_wakes_an_idle_agent(
    host: Host, slow: Campaign
) -> None:
    def script(request: Request) -> Play:
        request = yield BASELINE
        assert "background" in request.last
        request = yield say("It runs; I will hear of it.")
        assert "<task-notification>" in request.last
        request = yield WAIT
        assert "#1 keep" in request.last
        request = yield attempt(*IDEA)
        request = yield say("And the second.")
        assert "<task-notification>" in request.last
        yield WAIT
        yield say("That is the end.")

    with (
        Model(host.network, script) as model,
        Terminal(host, slow.root, model, "--permission-mode", "default", **LIMITS) as terminal,
    ):
        terminal.type(BEGIN)
        terminal.sees("It runs; I will hear of it.")
        terminal.is_idle()
        asked = len(model.main)
        assert slow.count == 0
        terminal.sees("That is the end.", timeout_s=60)
        assert asked == 2  # nobody asked in between
        assert not terminal.is_prompted()
    assert slow.verdicts == [("keep", "baseline"), ("keep", "lr: up")]


@pytest.mark.parametrize("ending", ["closed terminal", "KILL"])
@pytest.mark.usefixtures("tmux")
def test_a_run_outlives_its_session_and_the_next_takes_it_up(
    host: Host, slow: Campaign, ending: str
) -> None:
    with Model(host.network, [BASELINE]) as model:
        if ending == "KILL":
            with host.start(slow.root, model, BEGIN) as running:
                until(lambda: slow.events("run_started"))
                running.kill(signal.SIGKILL)
        else:
            with Terminal(host, slow.root, model, "--permission-mode", "default") as terminal:
                terminal.type(BEGIN)
                terminal.until(lambda: slow.events("run_started"), "the run")
    assert marked_processes(markers_of(slow))
    assert not (slow.sandbox / "iter1/run.json").exists()
    # Nobody is there, and the run comes to its end.
    until(lambda: (slow.sandbox / "iter1/run.json").exists())
    until(lambda: not marked_processes(markers_of(slow)))

    def script(request: Request) -> Play:
        request = yield WAIT
        assert "#1 keep" in request.last
        request = yield attempt(*IDEA)
        assert "refused (another session)" in request.last
        yield bash("agent-loops resume --take-over")
        yield attempt(*IDEA)
        yield say("That is the end.")

    with Model(host.network, script) as model:
        ended = host.run(slow.root, model, BEGIN)
    assert slow.verdicts == [("keep", "baseline"), ("keep", "lr: up")]
    assert len(slow.events("run_started")) == 2
    assert (ended.denied, ended.result["result"]) == ([], "That is the end.")


def test_stop_kill_in_another_terminal_ends_a_run_that_nobody_waits_for(
    host: Host, slow: Campaign
) -> None:
    with (
        Model(host.network, [BASELINE]) as model,
        host.start(slow.root, model, BEGIN) as running,
    ):
        until(lambda: slow.events("run_started"))
        running.kill(signal.SIGKILL)
    assert marked_processes(markers_of(slow))
    host.agent_loops(slow.root, "stop", "--kill")
    assert not marked_processes(markers_of(slow))
    assert slow.pointer["state"] == "stopped"


def test_errors_of_the_model_that_pass_are_not_seen(host: Host, project: Campaign) -> None:
    project.rebind(max_experiments=2)
    host.agent_loops(project.root, "setup")
    faults = [Fault(429, {"retry-after": "1"}), Fault(529), Fault(500)]
    with Model(host.network, [BASELINE, *faults, attempt(*IDEA), say("end")]) as model:
        ended = host.run(project.root, model, BEGIN)
    assert project.verdicts == [("keep", "baseline"), ("keep", "lr: up")]
    assert (ended.code, ended.denied, ended.result["result"]) == (0, [], "end")


@pytest.mark.parametrize("status", [429, 529, 500])
def test_errors_of_the_model_that_stay_end_the_client_and_nothing_else(
    host: Host, project: Campaign, status: int
) -> None:
    project.rebind(max_experiments=2)
    host.agent_loops(project.root, "setup")
    with Model(host.network, [BASELINE, *[Fault(status)] * 20]) as model:
        ended = host.run(project.root, model, BEGIN, **HASTY)
    assert (ended.code, ended.result["api_error_status"]) == (1, status)
    assert len(model.main) <= 4  # no hook of ours keeps a client at it that cannot go on
    assert project.verdicts == [("keep", "baseline")]
    assert project.pointer["state"] == "active"
    with Model(host.network, [attempt(*IDEA), say("end")]) as model:
        ended = host.run(project.root, model, BEGIN, "--continue")
    assert project.verdicts == [("keep", "baseline"), ("keep", "lr: up")]
    assert (ended.code, ended.denied) == (0, [])
