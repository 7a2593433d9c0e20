"""The person at the terminal speaks, interrupts, clears: the loop ends its turn, or goes on."""

from __future__ import annotations

import json
import signal
import threading

import pytest

from client import Host
from model import Model, Play, Request, bash, say, use
from projects import BASELINE, BEGIN, WAIT, Campaign, Gate, attempt
from screens import Terminal
from support import until

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("tmux")]

MODE = ("--permission-mode", "default")
IDEA = ("lr: up", "LR = 0.01", "LR = 0.02")
FURTHER = ("lr: further up", "LR = 0.02", "LR = 0.03")


def loops(project: Campaign) -> bool:
    """What the hooks remember of the one session: whether the loop is to run."""
    (path,) = (project.root / ".agent-loops/sessions").glob("*.json")
    return bool(json.loads(path.read_text())["loops"])


def gated(host: Host, project: Campaign, *, max_experiments: int) -> Gate:
    """A campaign set up, whose runs end when the gate is open, as it is at first."""
    gate = Gate(project.root.parent / "open")
    project.rebind(max_experiments=max_experiments, run_cmd=gate.run_cmd)
    host.agent_loops(project.root, "setup")
    return gate


def test_a_word_from_the_person_lets_the_turn_end_and_the_command_goes_on(
    host: Host, project: Campaign
) -> None:
    gate = gated(host, project, max_experiments=3)

    def script(request: Request) -> Play:
        yield BASELINE
        gate.close()
        request = yield attempt(*IDEA)
        assert "how far are we?" in request.last
        request = yield say("0.01 better so far.")
        assert BEGIN in request.last
        yield attempt(*FURTHER)
        yield say("That is the end.")

    with (
        Model(host.network, script) as model,
        Terminal(host, project.root, model, *MODE) as terminal,
    ):
        terminal.type(BEGIN)
        terminal.until(lambda: len(project.events("run_started")) == 2, "the second run")
        terminal.type("how far are we?")
        gate.open()
        terminal.sees("0.01 better so far.")
        terminal.is_idle()
        assert len(model.main) == 3  # nobody was sent on
        assert project.pointer["state"] == "active"
        terminal.type(BEGIN)
        terminal.sees("That is the end.")
        assert not terminal.is_prompted()
    assert [status for status, _ in project.verdicts] == ["keep"] * 3


def test_an_interrupt_leaves_the_run_alive_and_the_loop_is_taken_up(
    host: Host, project: Campaign
) -> None:
    gate = gated(host, project, max_experiments=2)

    def script(request: Request) -> Play:
        yield BASELINE
        gate.close()
        request = yield attempt(*IDEA)
        assert "running   #2 for" in request.last
        gate.open()
        request = yield WAIT
        assert "#2 keep" in request.last
        yield say("That is the end.")

    with (
        Model(host.network, script) as model,
        Terminal(host, project.root, model, *MODE) as terminal,
    ):
        terminal.type(BEGIN)
        terminal.until(lambda: len(project.events("run_started")) == 2, "the second run")
        terminal.keys("Escape")
        terminal.sees("Interrupted")
        terminal.type(BEGIN)
        terminal.sees("That is the end.")
        assert not terminal.is_prompted()
    assert project.verdicts == [("keep", "baseline"), ("keep", "lr: up")]
    assert len(project.events("run_started")) == 2


def test_a_cleared_conversation_is_another_session_which_takes_over(
    host: Host, project: Campaign
) -> None:
    project.rebind(max_experiments=2)
    host.agent_loops(project.root, "setup")

    def script(request: Request) -> Play:
        yield BASELINE
        host.agent_loops(project.root, "pause")
        yield say("Paused.")
        request = yield bash("agent-loops status")
        yield bash("agent-loops resume --take-over")
        request = yield attempt(*IDEA)
        assert "#2 keep" in request.last
        yield say("That is the end.")

    with (
        Model(host.network, script) as model,
        Terminal(host, project.root, model, *MODE) as terminal,
    ):
        terminal.type(BEGIN)
        terminal.sees("Paused.")
        first = project.pointer["session"]
        terminal.type("/clear")
        terminal.until(lambda: "Paused." not in terminal.screen, "an empty screen")
        terminal.type(BEGIN)
        terminal.sees("That is the end.")
        assert not terminal.is_prompted()
    assert first
    assert project.pointer["session"] not in ("", first)
    assert project.verdicts == [("keep", "baseline"), ("keep", "lr: up")]


def test_a_word_typed_while_the_model_thinks_is_the_last_word_until_it_has_heard_it(
    host: Host, project: Campaign
) -> None:
    """The experiment that it was about to begin does not unsay it: it may stop when asked to."""
    host.agent_loops(project.root, "setup")
    typed = threading.Event()

    def script(request: Request) -> Play:
        yield BASELINE
        assert typed.wait(60)
        request = yield attempt(*IDEA)
        assert "please stop after this one" in request.last
        request = yield bash("agent-loops stop --why 'the person asked'")
        assert "campaign t1 is stopped" in request.last
        yield say("Stopped, as you asked.")

    with (
        Model(host.network, script) as model,
        Terminal(host, project.root, model, *MODE) as terminal,
    ):
        terminal.type(BEGIN)
        terminal.until(lambda: len(model.main) == 2, "the baseline's verdict")
        terminal.type("please stop after this one")
        terminal.is_soon(lambda: not loops(project))  # an older client tells when it is heard
        typed.set()
        terminal.sees("Stopped, as you asked.")
        assert not terminal.is_prompted()
    assert project.pointer["state"] == "stopped"
    assert project.verdicts == [("keep", "baseline"), ("keep", "lr: up")]


@pytest.mark.parametrize("mode", ["default", "dontAsk"])
def test_limits_that_come_with_the_command_are_set_in_a_campaign_under_way(
    host: Host, project: Campaign, mode: str
) -> None:
    """A time and a count, by one session and then the next, without a prompt."""
    host.agent_loops(project.root, "setup")
    bindings = str(project.root / "loop.run.yaml")

    timed = [bash("agent-loops resume --until 8h"), BASELINE]
    counted = [
        use("Read", file_path=bindings),
        use(
            "Edit", file_path=bindings,
            old_string="run_tag:", new_string="max_experiments: 2\nrun_tag:",
        ),
        bash("agent-loops rebaseline --why 'the person set a limit'"),
        attempt(*IDEA),
        say("That is the end."),
    ]  # fmt: skip
    with Model(host.network, timed) as model:
        running = host.start(project.root, model, f"{BEGIN} for 8h", "--permission-mode", mode)
        until(lambda: project.count == 1)
        running.kill(signal.SIGKILL)
    assert "is active until" in model.heard
    with Model(host.network, counted) as model:
        host.agent_loops(project.root, "resume", "--take-over")
        ended = host.run(project.root, model, f"{BEGIN} 2 experiments", "--permission-mode", mode)
    assert ended.denied == []
    assert project.pointer["state"] == "finished"
    assert [status for status, _ in project.verdicts] == ["keep", "keep"]
