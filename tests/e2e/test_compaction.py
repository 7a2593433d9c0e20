"""The context is compacted in the middle, several times: the next step is the next experiment."""

from __future__ import annotations

import pytest

from client import Host
from model import Model, Play, Request, say
from projects import BASELINE, BEGIN, WAIT, Campaign, attempt
from researcher import Researcher

pytestmark = pytest.mark.e2e

# What the scripted model says a request was long, for the client to compact before the next.
FULL = 150_000
WINDOW = {"CLAUDE_CODE_AUTO_COMPACT_WINDOW": "100000"}
SUMMARY = "It went on as before."


def remembers_nothing_but_goes_on(request: Request, researcher: Researcher) -> None:
    """What an agent needs whose memory is the summary: the rules, the place, the next command."""
    assert SUMMARY in request.text
    assert "agent-loops: campaign t1 is active" in request.text
    assert "led by this session" in request.text
    assert "Where the person wants" not in request.text
    assert "Next: one idea, `agent-loops try 'CATEGORY: IDEA'" in request.text
    assert f"#{len(researcher.rows)} {researcher.rows[-1][0]}" in request.text
    assert "## Standing rules" in request.text


def test_no_experiment_is_lost_or_repeated(host: Host, project: Campaign) -> None:
    project.rebind(max_experiments=16)
    host.agent_loops(project.root, "setup")
    researcher = Researcher()
    compacted: list[int] = []

    def script(request: Request) -> Play:
        request = yield researcher.baseline()
        while len(researcher.rows) < 16:
            researcher.tokens = FULL if len(researcher.rows) % 4 == 0 else 1000
            request = yield (researcher.good if len(researcher.rows) % 2 else researcher.bad)()
            if researcher.tokens == FULL:
                compacted.append(len(researcher.rows))
                remembers_nothing_but_goes_on(request, researcher)
            else:
                researcher.verdict_is_told(request)
        yield say("the end")

    with Model(host.network, script) as model:
        ended = host.run(project.root, model, BEGIN, **WINDOW)
    assert compacted == [5, 9, 13]
    assert [request.kind for request in model.requests].count("compaction") == 3
    assert len(model.main) == 17  # the experiments and the end: no step more
    assert [(row[3], row[1], row[4]) for row in project.rows()] == researcher.rows
    assert (ended.denied, ended.result["result"]) == ([], "the end")


def test_a_run_that_is_alive_is_waited_for(host: Host, project: Campaign) -> None:
    project.rebind(max_experiments=2)
    host.agent_loops(project.root, "setup")

    def script(request: Request) -> Play:
        request = yield BASELINE
        edit = ("SECONDS = 0.0", "SECONDS = 2.0")
        request = yield attempt("schedule: slow", *edit, wait_s=0.3, tokens=FULL)
        assert SUMMARY in request.text
        assert "A run is alive. Next: `agent-loops wait --wait-s 580`" in request.text
        request = yield WAIT
        assert "#2 discard" in request.last
        yield say("the end")

    with Model(host.network, script) as model:
        ended = host.run(project.root, model, BEGIN, **WINDOW)
    assert project.verdicts == [("keep", "baseline"), ("discard", "schedule: slow")]
    assert len(project.events("run_started")) == 2
    assert (ended.denied, ended.result["result"]) == ([], "the end")
