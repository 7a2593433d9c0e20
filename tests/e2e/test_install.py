"""Installed as the README says: the listing, the slash commands, setup with questions or not."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from client import Host
from model import Model, Play, Request, bash, say, use
from projects import BASELINE, BEGIN, SETUP, Campaign, attempt
from screens import Terminal
from support import ROOT

pytestmark = pytest.mark.e2e

SKILLS = ("analyze", "karpathy", "literature-search", "ml-autoresearch", "setup", "status")
QUESTION = {
    "question": "Metric: val_bpb, minimize?",
    "header": "Metric",
    "multiSelect": False,
    "options": [
        {"label": "val_bpb (Recommended)", "description": "train.py prints it"},
        {"label": "another", "description": "say which"},
    ],
}


def description(skill: str) -> str:
    """A skill's description as one line."""
    text = (ROOT / "skills" / skill / "SKILL.md").read_text()
    (found,) = re.findall(r"^description: >-\n((?:  .*\n)+)", text, re.MULTILINE)
    return " ".join(found.split())


def test_the_readmes_commands_install_it(
    bare_host: Callable[[Path], Host], plugin: Path, tmp_path: Path
) -> None:
    readme = (ROOT / "README.md").read_text()
    assert "/plugin marketplace add agent-loops/agent-loops\n" in readme
    assert "/plugin install agent-loops@agent-loops\n" in readme
    home = tmp_path / "home"
    home.mkdir()
    host = bare_host(home)
    for manifest in (".", ".claude-plugin/plugin.json"):
        host.claude("plugin", "validate", "--strict", manifest, cwd=plugin)
    host.install_plugin(plugin)
    listed = host.claude("plugin", "list")
    assert "agent-loops@agent-loops" in listed
    assert "failed" not in listed.lower()
    host.claude("plugin", "uninstall", "agent-loops@agent-loops")
    assert "agent-loops@agent-loops" not in host.claude("plugin", "list")


def test_the_model_is_told_of_each_skill_in_its_own_words(host: Host, project: Campaign) -> None:
    with Model(host.network, [say("hello")]) as model:
        ended = host.run(project.root, model, "hello")
    (request,) = model.main
    for skill in SKILLS:
        (listed,) = re.findall(rf"^- agent-loops:{skill}: (.*)$", request.text, re.MULTILINE)
        assert listed == description(skill)  # the client would cut what is too long
    assert re.search(r'agent-loops:karpathy: .*"run experiments overnight"', request.text)
    # Without a campaign the plugin says nothing else and keeps out of the way.
    assert request.text.count("agent-loops") == len(SKILLS) + 1  # the setup skill names its command
    assert (ended.result["result"], ended.denied) == ("hello", [])
    assert not (project.root / ".agent-loops").exists()


@pytest.mark.parametrize("skill", SKILLS)
def test_a_slash_command_brings_the_skill_and_where_the_campaign_stands(
    host: Host, project: Campaign, skill: str
) -> None:
    host.agent_loops(project.root, "setup")
    host.agent_loops(project.root, "stop")
    with Model(host.network, [bash("agent-loops status")]) as model:
        ended = host.run(project.root, model, f"/agent-loops:{skill} until 07:30")
    first, second = model.main[:2]
    assert "campaign t1  stopped" in first.last
    if skill != "status":
        assert "until 07:30" in first.last
    assert "!`agent-loops" not in first.last
    assert "campaign t1" in second.last
    assert ended.denied == []


def test_a_loop_from_the_command_needs_no_permission(host: Host, project: Campaign) -> None:
    project.rebind(max_experiments=2)
    idea = attempt("lr: up", "LR = 0.01", "LR = 0.04")
    with Model(host.network, [SETUP, BASELINE, idea, say("0.03 better")]) as model:
        ended = host.run(project.root, model, BEGIN)
    assert "#2 keep  val_bpb 1.135000" in model.heard
    assert project.verdicts == [("keep", "baseline"), ("keep", "lr: up")]
    assert (ended.code, ended.result["result"], ended.denied) == (0, "0.03 better", [])


def test_literature_needs_no_permission(host: Host, project: Campaign) -> None:
    """Neither the command nor the role that the skill refers to."""
    project.rebind(literature="on")
    host.agent_loops(project.root, "setup")
    role = str(host.plugin / "roles" / "research-subagent.md")
    listed = bash("agent-loops papers list")
    script = [use("Read", file_path=role), listed, say("nothing is known yet")]
    with Model(host.network, script) as model:
        ended = host.run(project.root, model, "/agent-loops:literature-search gates low")
    assert "Where one of these is missing, take it from" in model.heard
    assert "0 findings, 0 may be tried" in model.heard
    assert (ended.code, ended.denied) == (0, [])


def test_a_skill_that_the_model_loads_itself_wants_the_persons_permission_once(
    host: Host, project: Campaign
) -> None:
    """A rule of the person's, which nothing of ours may set by itself."""
    project.rebind(max_experiments=1)
    load = use("Skill", skill="agent-loops:karpathy", args="for an hour")
    script = [load, say("it needs a permission")]
    with Model(host.network, script) as model:
        ended = host.run(project.root, model, "run experiments overnight")
    assert [call["tool_name"] for call in ended.denied] == ["Skill"]
    assert "The karpathy loop" not in model.heard

    allowed = "Skill(agent-loops:*)"
    with Model(host.network, [load, SETUP, BASELINE]) as model:
        ended = host.run(
            project.root, model, "run experiments overnight", "--allowedTools", allowed
        )
    assert "The person's words with this command (may be empty): for an hour" in model.heard
    assert "#1 keep  val_bpb" in model.heard
    assert ended.denied == []


def test_setup_where_nobody_can_answer_takes_what_is_recommended(
    host: Host, project: Campaign
) -> None:
    (project.root / "loop.run.yaml").unlink()
    project.commit()

    def script(request: Request) -> Play:
        assert "AskUserQuestion" not in request.tools
        assert "no loop.run.yaml" in request.last
        request = yield bash("agent-loops infer")
        assert "val_bpb" in request.last
        request = yield bash("agent-loops infer --write")
        request = yield use("Read", file_path=str(project.root / "loop.run.yaml"))
        request = yield use(
            "Edit",
            file_path=str(project.root / "loop.run.yaml"),
            old_string="metric_direction:",
            new_string="run_tag: t1\nmetric_direction:",
        )
        request = yield bash("agent-loops setup")
        assert "campaign t1" in request.last
        yield say("val_bpb, as recommended")

    with Model(host.network, script) as model:
        ended = host.run(project.root, model, "/agent-loops:setup")
    assert project.pointer["metric"] == "val_bpb"
    assert project.pointer["editable_files"] == ["train.py"]
    assert ended.denied == []
    # Setup is no loop: the turn may end.
    assert ended.result["result"] == "val_bpb, as recommended"


@pytest.mark.usefixtures("tmux")
@pytest.mark.parametrize("mode", ["default", "auto"])
def test_setup_asks_the_person_who_is_there_and_nothing_else(
    host: Host, project: Campaign, mode: str
) -> None:
    script = [use("AskUserQuestion", questions=[QUESTION]), SETUP, say("the campaign is begun")]
    with (
        Model(host.network, script) as model,
        Terminal(host, project.root, model, "--permission-mode", mode) as terminal,
    ):
        terminal.type("/agent-loops:setup")
        terminal.choose("Enter to select")
        terminal.sees("the campaign is begun")
        assert not terminal.is_prompted()
    assert '"Metric: val_bpb, minimize?"="val_bpb (Recommended)"' in model.main[1].last
    assert "campaign t1" in model.main[2].last
    assert project.pointer["state"] == "active"
