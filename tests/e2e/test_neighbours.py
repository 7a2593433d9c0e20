"""Beside other people's plugins: ours goes on, or says what is in the way."""

from __future__ import annotations

from pathlib import Path

import pytest

import neighbours
from client import Host
from model import Model, Play, Request, bash, say, use
from projects import BASELINE, BEGIN, Campaign, attempt

pytestmark = pytest.mark.e2e

IDEA = ("lr: up", "LR = 0.01", "LR = 0.02")


def test_beside_a_plugin_that_hides_logs_and_forbids_resets_it_goes_on(
    host: Host, project: Campaign, tmp_path: Path
) -> None:
    folder = tmp_path / "strict"
    name = neighbours.make(folder, "strict", "PreToolUse", neighbours.STRICT)
    host.install_plugin(folder, name)
    project.rebind(max_experiments=4)
    host.agent_loops(project.root, "setup")

    def script(request: Request) -> Play:
        yield BASELINE
        request = yield attempt("arch: a slip", "WIDTH = 8", "WIDTH = eight")
        assert "#2 crash" in request.last
        assert "NameError" in request.last  # what a log would be opened for is in the answer
        request = yield bash("tail -c 2000 sandbox/t1/iter2/run.log")
        assert "STRICT: no logs" in request.last
        request = yield use("Read", file_path=str(project.sandbox / "iter2/run.log"))
        assert "STRICT: no logs" in request.last
        yield bash("agent-loops checkout 2")
        request = yield attempt("arch: put right", "WIDTH = eight", "WIDTH = 9")
        assert "#3 keep" in request.last
        request = yield attempt("lr: down", "LR = 0.01", "LR = 0.001")
        assert "#4 discard" in request.last
        yield say("the end")

    with Model(host.network, script) as model:
        ended = host.run(project.root, model, BEGIN)
    assert [status for status, _ in project.verdicts] == ["keep", "crash", "keep", "discard"]
    assert "LR = 0.01\nWIDTH = 9" in project.read("train.py")
    assert [call["tool_name"] for call in ended.denied] == ["Bash", "Read"]
    assert ended.result["result"] == "the end"
    assert "PreToolUse on Bash" in host.agent_loops(project.root, "doctor")


def test_a_plugin_that_forbids_our_experiments_is_named(
    host: Host, project: Campaign, tmp_path: Path
) -> None:
    folder = tmp_path / "deaf"
    name = neighbours.make(folder, "deaf", "PreToolUse", neighbours.DEAF)
    host.install_plugin(folder, name)
    host.agent_loops(project.root, "setup")

    def script(request: Request) -> Play:
        yield BASELINE
        request = yield attempt(*IDEA)
        assert "DEAF: no here-documents" in request.last  # whoever denies, denies for all
        request = yield bash("agent-loops doctor")
        assert "may refuse an experiment" in request.last
        assert "/deaf/" in request.last  # where it lies
        yield say("A plugin is in the way.")

    with Model(host.network, script) as model:
        ended = host.run(project.root, model, BEGIN)
    assert len(ended.denied) == 1
    assert project.verdicts == [("keep", "baseline")]
    assert "LR = 0.01" in project.read("train.py")


def test_beside_a_plugin_that_loops_too_both_are_heard_and_neither_is_held_up(
    host: Host, project: Campaign, tmp_path: Path
) -> None:
    folder = tmp_path / "looping"
    name = neighbours.make(folder, "looping", "Stop", neighbours.LOOPING)
    host.install_plugin(folder, name)
    project.write(".claude/looping.local.md", "1\n4\nImprove the documentation.")
    project.rebind(max_experiments=3)
    host.agent_loops(project.root, "setup")

    def script(request: Request) -> Play:
        yield BASELINE
        request = yield say("Done?")
        assert "Improve the documentation." in request.last
        assert "Campaign t1 is active: do not end your turn." in request.last
        yield attempt(*IDEA)
        request = yield say("Done now?")
        assert "Improve the documentation." in request.last
        assert "Last: #2 keep" in request.last
        request = yield attempt("lr: further", "LR = 0.02", "LR = 0.03")
        assert "the campaign is finished" in request.last
        request = yield say("The report.")
        assert "Improve the documentation." in request.last
        assert "Campaign t1" not in request.last  # ours is over, theirs is not
        yield say("And the documentation.")

    with Model(host.network, script) as model:
        ended = host.run(project.root, model, BEGIN)
    assert [status for status, _ in project.verdicts] == ["keep"] * 3
    assert (ended.denied, ended.result["result"]) == ([], "And the documentation.")
    assert not (project.root / ".claude/looping.local.md").exists()
