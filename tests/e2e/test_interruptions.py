"""The client is killed, or the agent would rather stop: the campaign is taken up, or goes on."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from client import Host
from model import Answer, Model, Play, Request, bash, say
from projects import BASELINE, BEGIN, WAIT, Campaign, attempt
from small_campaign import marked_processes, markers_of
from support import until

pytestmark = pytest.mark.e2e

IDEA = ("lr: up", "LR = 0.01", "LR = 0.02")
SLOW = "python3 -c 'import time; time.sleep(1.5)'; python3 train.py"


class Moment:
    """The point of a script where the test does something before it goes on."""

    def __init__(self) -> None:
        self._reached, self._done = threading.Event(), threading.Event()

    def __call__(self) -> None:
        """Called by the script."""
        self._reached.set()
        assert self._done.wait(60)

    def is_reached(self) -> bool:
        return self._reached.is_set()

    def wait(self) -> None:
        assert self._reached.wait(60)

    def is_over(self) -> None:
        self._done.set()


def interrupted(phase: str, project: Campaign, moment: Moment) -> Iterator[Answer]:
    """The second experiment up to the point where the client is killed."""
    if phase == "before the run":
        moment()
        yield attempt(*IDEA)
    elif phase == "during the run":
        yield attempt(*IDEA)
    elif phase == "after the run, nothing decided":
        yield attempt(*IDEA, wait_s=0.1)
        until(lambda: (project.sandbox / "iter2/run.json").exists())
        moment()
    else:
        yield attempt(*IDEA)
        moment()


def is_there(phase: str, project: Campaign, moment: Moment) -> bool:
    if phase == "during the run":
        return len(project.events("run_started")) == 2
    return moment.is_reached()


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL], ids=["TERM", "KILL"])
@pytest.mark.parametrize(
    "phase",
    ["before the run", "during the run", "after the run, nothing decided", "after the verdict"],
)
def test_a_killed_session_is_resumed_where_it_was(
    host: Host, project: Campaign, phase: str, ending: signal.Signals
) -> None:
    if phase in ("during the run", "after the run, nothing decided"):
        project.rebind(run_cmd=SLOW, max_experiments=3)
    else:
        project.rebind(max_experiments=3)
    host.agent_loops(project.root, "setup")
    moment = Moment()

    def first(_: Request) -> Play:
        yield BASELINE
        yield from interrupted(phase, project, moment)

    with Model(host.network, first) as model, host.start(project.root, model, BEGIN) as running:
        until(lambda: (project.sandbox / "journal.jsonl").exists())
        until(lambda: is_there(phase, project, moment))
        running.kill(ending)
        moment.is_over()
    session = project.pointer["session"]

    def second(request: Request) -> Play:
        # What the agent is told is what it does.
        assert "led by this session" in request.text
        if phase in ("during the run", "after the run, nothing decided"):
            request = yield WAIT
            assert "#2 keep" in request.last
        elif phase == "before the run":
            request = yield attempt(*IDEA)
            assert "#2 keep" in request.last
        else:
            assert "#2" in request.text
        request = yield attempt("lr: further up", "LR = 0.02", "LR = 0.03")
        assert "#3 keep" in request.last
        yield say("0.02 better")

    words = ["--resume", session] if ending == signal.SIGKILL else ["--continue"]
    with Model(host.network, second) as model:
        ended = host.run(project.root, model, BEGIN, *words)
    assert project.verdicts == [
        ("keep", "baseline"),
        ("keep", "lr: up"),
        ("keep", "lr: further up"),
    ]
    assert len(project.events("run_started")) == 3  # no run twice
    assert not marked_processes(markers_of(project))
    assert ended.session == session
    assert (ended.denied, ended.result["result"]) == ([], "0.02 better")


def test_two_sessions_on_one_campaign(host: Host, project: Campaign) -> None:
    host.agent_loops(project.root, "setup")
    moment = Moment()

    def leader(request: Request) -> Play:
        request = yield BASELINE
        moment()
        request = yield attempt(*IDEA)
        assert "refused (another session)" in request.last
        yield say("the person moved it elsewhere")

    def visitor(request: Request) -> Play:
        assert "led by another session" in request.text
        assert "Touch nothing of it" in request.text
        yield say("I look on")

    def heir(request: Request) -> Play:
        request = yield attempt(*IDEA)
        assert "refused (another session)" in request.last
        request = yield bash("agent-loops resume --take-over")
        request = yield attempt(*IDEA)
        assert "#2 keep" in request.last
        moment.is_over()
        until(lambda: not running.is_alive)
        host.agent_loops(project.root, "stop")
        yield say("mine")

    with Model(host.network, leader) as first, host.start(project.root, first, BEGIN) as running:
        moment.wait()
        with Model(host.network, visitor) as other:
            assert host.run(project.root, other, "hello").result["result"] == "I look on"
            assert len(other.main) == 1  # it is not held up
        with Model(host.network, heir) as other:
            taken = host.run(project.root, other, BEGIN)
            assert (taken.denied, taken.result["result"]) == ([], "mine")
        ended = running.ended()
    assert first.failures == []
    assert ended.result["result"] == "the person moved it elsewhere"
    assert project.verdicts == [("keep", "baseline"), ("keep", "lr: up")]


def test_an_agent_that_asks_or_says_it_is_done_is_sent_on(host: Host, project: Campaign) -> None:
    project.rebind(max_experiments=3)
    host.agent_loops(project.root, "setup")

    def script(request: Request) -> Play:
        request = yield say("I am ready when you are.")
        assert "Campaign t1 is active: do not end your turn." in request.last
        assert "Next: `agent-loops try baseline`" in request.last
        yield BASELINE
        request = yield say("Shall I continue with the learning rate?")
        assert "Incumbent #1 1.165000, baseline #1 1.165000." in request.last
        assert "Next: another idea, `agent-loops try 'IDEA'" in request.last
        yield attempt(*IDEA, wait_s=0.01)
        request = yield say("I will look at it later.")
        assert "agent-loops wait --wait-s 580" in request.last
        yield WAIT
        request = yield say("All done, a gain of 0.01!")
        assert "Last: #2 keep 1.155000 lr: up." in request.last
        yield attempt("lr: further", "LR = 0.02", "LR = 0.03")
        yield say("the report")

    with Model(host.network, script) as model:
        ended = host.run(project.root, model, BEGIN)
    assert (ended.denied, ended.result["result"]) == ([], "the report")
    assert [status for status, _ in project.verdicts] == ["keep"] * 3
    assert project.pointer["state"] == "finished"


def test_an_agent_that_does_nothing_is_let_go_after_a_few_times(
    host: Host, project: Campaign
) -> None:
    host.agent_loops(project.root, "setup")
    with Model(host.network, [BASELINE, *[say("I cannot go on.")] * 20]) as model:
        ended = host.run(project.root, model, BEGIN)
    assert len(model.main) == 2 + 3
    told = [event for event in ended.events if "the campaign waits until you type" in str(event)]
    assert len(told) == 1
    assert project.pointer["state"] == "active"


@pytest.mark.parametrize("switch", ["pause", "stop"])
def test_a_switch_in_another_terminal_ends_it_until_the_person_says_otherwise(
    host: Host, project: Campaign, switch: str
) -> None:
    host.agent_loops(project.root, "setup")

    def script(request: Request) -> Play:
        yield BASELINE
        host.agent_loops(project.root, switch)
        request = yield attempt(*IDEA)
        assert f"refused ({switch}" in request.last
        request = yield bash("agent-loops resume")
        assert "the person's switch" in request.last
        request = yield bash("agent-loops history")
        assert "baseline" in request.last
        yield say("the report")

    with Model(host.network, script) as model:
        ended = host.run(project.root, model, BEGIN)
    assert (len(model.main), ended.result["result"]) == (5, "the report")
    assert project.verdicts == [("keep", "baseline")]
    assert "LR = 0.01" in project.read("train.py")

    def again(request: Request) -> Play:
        assert "next: agent-loops resume" in request.last
        yield bash("agent-loops resume")
        request = yield attempt(*IDEA)
        assert "#2 keep" in request.last
        request = yield say("Shall I go on?")
        assert "do not end your turn" in request.last
        host.agent_loops(project.root, switch)
        yield say("the second report")

    with Model(host.network, again) as model:
        ended = host.run(project.root, model, BEGIN, "--continue")
    assert (ended.denied, ended.result["result"]) == ([], "the second report")
