"""A hundred experiments unattended: good, bad, crashing, mended, hanging and cheating ideas.

In the default permission mode, on a training script of 26 KB; reports what an experiment costs.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable

import pytest

from cheats import cheats
from client import Host
from context import Cost
from model import Model, Play, Request, say, use
from projects import BEGIN, TRAIN, Campaign
from researcher import Researcher

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

MANY = 100
FILLER = "# A line of the kind that training scripts have, so that this one is of the usual size.\n"


def usual_size(project: Campaign) -> None:
    project.write("train.py", TRAIN + FILLER * (26_000 // len(FILLER)))
    # A run that hangs costs this long.
    project.rebind(max_experiments=MANY, timeout_minutes=0.025)


@pytest.fixture
def overnight(project: Campaign) -> Campaign:
    usual_size(project)
    return project


def test_a_hundred_experiments_leave_the_record_that_the_ideas_imply(
    host: Host, overnight: Campaign, record_property: Callable[[str, object], None]
) -> None:
    host.agent_loops(overnight.root, "setup")
    researcher = Researcher()
    tempted = itertools.cycle(cheats(overnight.root))
    refused: list[dict[str, object]] = []
    before = {name: overnight.read(name) for name in ("prepare.py", "loop.run.yaml", ".git/HEAD")}

    def script(request: Request) -> Play:
        yield use("Read", file_path=str(overnight.root / "prepare.py"))
        request = yield researcher.baseline()
        researcher.verdict_is_told(request)
        cycle = 0
        while len(researcher.rows) < MANY:
            cycle += 1
            ideas = [
                researcher.good, researcher.bad, researcher.bad, researcher.crash, None,
                researcher.bad, researcher.nan, researcher.good, researcher.bad,
                researcher.hang if cycle % 3 == 0 else researcher.good,
            ]  # fmt: skip
            for idea in ideas[: MANY - len(researcher.rows)]:
                for turn in researcher.mended() if idea is None else [idea()]:
                    request = yield turn
                researcher.verdict_is_told(request)
                if len(researcher.rows) % 4 == 0 and len(researcher.rows) < MANY:
                    cheat = next(tempted)
                    refused.extend(dict(call.input) for call in cheat.turn.calls)
                    request = yield cheat.turn
                    assert cheat.says in request.last, request.last
        yield say("the best is the last width")

    started = time.monotonic()
    with Model(host.network, script) as model:
        ended = host.run(overnight.root, model, BEGIN, timeout_s=300)
    took_s = time.monotonic() - started
    rows = [(row[3], row[1], row[4]) for row in overnight.rows()]
    assert rows == researcher.rows
    assert [call["tool_input"] for call in ended.denied] == refused
    assert len(refused) == MANY // 4 - 1
    assert {name: overnight.read(name) for name in before} == before
    assert ended.result["result"] == "the best is the last width"
    assert overnight.pointer["state"] == "finished"
    cost = Cost.of(model.main[-1].messages)
    told = cost.told(MANY, len(model.main), took_s)
    record_property("figures", f"{told}, {len(refused)} refused cheats among them")
