"""What the guard allows runs without a prompt, what it denies reaches the model as a reason.

In the modes that people leave it in, and in turns that no skill has opened: what a skill allows
holds for its own turn alone.
"""

from __future__ import annotations

import pytest

from cheats import cheats
from client import Host
from model import Model, Play, Request, bash, use
from projects import BASELINE, BEGIN, WAIT, Campaign, attempt

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("mode", ["default", "dontAsk"])
def test_the_loops_own_work_is_done_and_the_rest_is_refused_with_a_reason(
    host: Host, project: Campaign, mode: str
) -> None:
    project.rebind(max_experiments=4)
    host.agent_loops(project.root, "setup")
    with Model(host.network, [BASELINE]) as model:
        host.run(project.root, model, BEGIN, "--permission-mode", mode)
    skill = str(host.plugin / "skills/karpathy/references/strategy.md")
    train, note = str(project.root / "train.py"), project.sandbox / "iter1/analysis/why.md"
    own = [
        (attempt("lr: up", "LR = 0.01", "LR = 0.02"), "#2 keep"),
        (WAIT, "#2 keep"),
        (bash("agent-loops history"), "lr: up"),
        (bash("agent-loops diff 2"), "+LR = 0.02"),
        (bash("agent-loops note 'seen on the way'"), ""),
        (bash(".agent-loops/run status"), "campaign t1"),
        (use("Read", file_path=skill), "#"),
        (use("Read", file_path=train), "LR = 0.02"),
        (use("Read", file_path=str(project.root / "prepare.py")), "def loss"),
        (use("Write", file_path=str(note), content="it helps\n"), "created"),
        (use("Edit", file_path=train, old_string="LR = 0.02", new_string="LR = 0.03"), "updated"),
        (bash("agent-loops try 'lr: by hand'"), "#3 keep"),
    ]
    refused = cheats(project.root)

    def script(request: Request) -> Play:
        for turn, says in own:
            request = yield turn
            assert says in request.last, request.last
            assert "requires approval" not in request.last
        for cheat in refused:
            request = yield cheat.turn
            assert "agent-loops: " in request.last
            assert cheat.says in request.last, request.last
        request = yield attempt("lr: the last", "LR = 0.03", "LR = 0.04")

    before = {name: project.read(name) for name in ("prepare.py", "loop.run.yaml")}
    with Model(host.network, script) as model:
        words = ["--continue", "--permission-mode", mode]
        ended = host.run(project.root, model, "go on, please", *words)
    asked = [dict(call.input) for cheat in refused for call in cheat.turn.calls]
    assert [call["tool_input"] for call in ended.denied] == asked
    assert {name: project.read(name) for name in before} == before
    ideas = ["baseline", "lr: up", "lr: by hand", "lr: the last"]
    assert project.verdicts == [("keep", idea) for idea in ideas]
    assert note.read_text() == "it helps\n"
