"""The hooks as the host starts them: processes with its JSON on standard input."""

from __future__ import annotations

import ast
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import PYTHON, Project, edit_block, until

ROOT = Path(__file__).resolve().parent.parent
HOOKS = ROOT / "hooks"
ME, OTHER = "11111111-aaaa", "22222222-bbbb"
LOOP = "/agent-loops:karpathy until 07:30"
# Waits for the file `go`, so that a test decides when a run ends.
WAITING = f"while ! [ -e ../go ]; do sleep 0.02; done; {PYTHON} train.py"


def fire(
    name: str,
    root: Path,
    *,
    session: str = ME,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
    **event: object,
) -> dict[str, Any]:
    """One hook, whole; what it answers, or nothing."""
    done = subprocess.run(
        [str(HOOKS / "hook"), name],
        input=json.dumps({"session_id": session, "cwd": str(root), **event}).encode(),
        capture_output=True,
        cwd=cwd or root,
        env={
            **os.environ,
            "CLAUDE_PROJECT_DIR": str(root),
            "CLAUDE_CODE_SESSION_ID": session,
            **(env or {}),
        },
        check=False,
        timeout=30,
    )
    assert (done.returncode, done.stderr) == (0, b""), done
    answer = json.loads(done.stdout) if done.stdout else {}
    assert isinstance(answer, dict)
    return answer


def says(prompt: str, root: Path, **more: Any) -> None:
    assert fire("person", root, prompt=prompt, **more) == {}


def reason(root: Path, **more: Any) -> str:
    """Why the agent may not end its turn; "" where it may."""
    answer = fire("keep_going", root, **more)
    assert answer.get("decision") in ("block", None)
    return str(answer.get("reason", ""))


def context(root: Path, **more: Any) -> str:
    answer = fire("reorient", root, **more)
    inner = answer.get("hookSpecificOutput", {})
    assert inner.get("hookEventName", "SessionStart") == "SessionStart"
    return str(inner.get("additionalContext", ""))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A campaign with its baseline, led by session ME."""
    project = Project(tmp_path / "a project")
    project.setup()
    begun(project, "baseline")
    return project


def begun(project: Project, *words: str, session: str = ME, **more: Any) -> Any:
    answer = project.ask("try", *words, env={"CLAUDE_CODE_SESSION_ID": session}, **more)
    assert answer.code == 0, answer
    return answer


def lower(value: float) -> str:
    return edit_block("train.py", "LR = 0.01", f"LR = {value}")


@pytest.fixture
def running(project: Project) -> Iterator[Project]:
    """The same, with a run under way that ends where the test writes `go`."""
    project.bind(run_cmd=WAITING, timeout_minutes=2)
    go = project.root.parent / "go"
    go.touch()
    assert project.ask("rebaseline", "--why", "waits").code == 0
    go.unlink()
    begun(project, "lr: lower", "--wait-s", "0", "--edit", "-", stdin=lower(0.02))
    yield project
    go.touch()
    assert project.ask("wait").code == 0


@pytest.mark.parametrize("name", ["guard", "person", "keep_going", "reorient"])
def test_nothing_happens_where_there_is_no_campaign(tmp_path: Path, name: str) -> None:
    event = {"prompt": LOOP, "tool_name": "Bash", "tool_input": {"command": "git reset --hard"}}
    assert fire(name, tmp_path, **event) == {}
    assert list(tmp_path.iterdir()) == []


def test_idle_hooks_start_no_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "python3").write_text("#!/bin/sh\necho started >&2\nexit 7\n")
    (tools / "python3").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    assert fire("guard", tmp_path) == {}


def test_the_campaign_is_found_from_a_folder_below(project: Project) -> None:
    below = project.root / "src" / "deep"
    below.mkdir(parents=True)
    assert "campaign t1" in context(project.root, cwd=below, env={"CLAUDE_PROJECT_DIR": ""})
    elsewhere = project.root.parent
    assert "campaign t1" in context(project.root, cwd=elsewhere)


@pytest.mark.parametrize("name", ["keep_going", "reorient", "person"])
def test_a_record_that_came_with_a_repository_is_not_believed(
    project: Project, tmp_path: Path, name: str
) -> None:
    says(LOOP, project.root)
    clone = tmp_path / "clone"
    shutil.copytree(project.root, clone)
    (clone / "sandbox/t1").chmod(0o755)  # git carries no modes but the run bit
    before = sorted(clone.rglob("*"))
    assert fire(name, clone, prompt=LOOP) == {}
    assert sorted(clone.rglob("*")) == before


def test_nothing_that_the_pointer_names_is_executed(project: Project, tmp_path: Path) -> None:
    evil = project.write("evil", f"#!/bin/sh\ntouch '{tmp_path}/executed'\n")
    evil.chmod(0o755)
    pointer = json.loads(project.read(".agent-loops/active.json"))
    pointer["python"] = str(evil)
    project.write(".agent-loops/active.json", json.dumps(pointer, indent=1))
    assert "campaign t1" in context(project.root)
    assert not (tmp_path / "executed").exists()


class TestReorient:
    def test_a_new_context_learns_all_it_needs(self, project: Project) -> None:
        begun(project, "lr: lower", "--edit", "-", stdin=lower(0.02))
        edit = edit_block("train.py", "WIDTH = 8", "WIDTH = 7")
        begun(project, "arch: narrower", "--edit", "-", stdin=edit)
        edit = edit_block("train.py", "LR = 0.02", "LR = oops")
        begun(project, "lr: broken", "--edit", "-", stdin=edit)
        assert project.ask("note", "prefer small models").code == 0
        says(LOOP, project.root)
        text = context(project.root, source="compact")
        assert len(text.encode()) <= 1500
        for part in (
            "campaign t1", "led by this session", "No run is alive", "agent-loops try",
            "minimize val_bpb", "train.py", "baseline #1 1.165000", "incumbent #2 1.155000",
            "#4 crash lr: broken", "#3 discard 1.172857 arch: narrower", "“prefer small models”",
            "lr 2 (1 kept)", "arch 1 (0 kept)", "Near misses: #3", "goes on until",
        ):  # fmt: skip
            assert part in text, part

    def test_dead_ends_are_named(self, project: Project) -> None:
        for width in (5, 6, 7):
            edit = edit_block("train.py", "WIDTH = 8", f"WIDTH = {width}")
            begun(project, f"arch: width {width}", "--edit", "-", stdin=edit)
        assert "Dead ends so far: arch" in context(project.root)

    def test_a_live_run_is_waited_for(self, running: Project) -> None:
        says(LOOP, running.root)
        assert "A run is alive. Next: `agent-loops wait" in context(running.root)

    def test_another_session_is_told_to_keep_off(self, project: Project) -> None:
        text = context(project.root, session=OTHER)
        assert "led by another session" in text
        assert "Touch nothing" in text
        assert "agent-loops try" not in text

    def test_without_the_persons_word_it_does_not_send_on(self, project: Project) -> None:
        assert "goes on until" in context(project.root)
        says("what is this project about?", project.root)
        assert "Where the person wants the loop to go on" in context(project.root)

    def test_hostile_text_is_short_and_clean(self, project: Project) -> None:
        idea = "lr: \x1b[31mred\x07 " + "x" * 3000
        begun(project, idea, "--edit", "-", stdin=lower(0.02))
        for number in range(6):
            assert project.ask("note", f"{number} " + "ü" * 2000).code == 0
        text = context(project.root)
        assert len(text.encode()) <= 1500
        assert "\x1b" not in text
        assert "\x07" not in text

    def test_a_table_that_somebody_wrote_in_is_cleaned(self, project: Project) -> None:
        table = project.read("sandbox/t1/results.tsv")
        table = table.replace("keep", "keep\x1b[2J").replace("1.165", "1\x07" + "6" * 3000)
        project.write("sandbox/t1/results.tsv", table.replace("baseline", "\x1b[2J: baseline"))
        says(LOOP, project.root)
        told = reason(project.root)
        assert len(told) < 600
        for text in (told, context(project.root)):
            assert "#1 keep" in text
            assert "\x1b" not in text
            assert "\x07" not in text

    @pytest.mark.parametrize("switch", ["pause", "stop"])
    def test_a_halted_campaign_says_nothing(self, project: Project, switch: str) -> None:
        assert project.ask(switch).code == 0
        assert context(project.root) == ""


class TestKeepGoing:
    def test_the_agent_is_sent_on_with_the_next_step(self, project: Project) -> None:
        says(LOOP, project.root)
        begun(project, "lr: lower", "--edit", "-", stdin=lower(0.02))
        text = reason(project.root)
        for part in ("do not end", "#2 1.155000", "#1 1.165000", "#2 keep", "agent-loops try"):
            assert part in text, part

    def test_after_setup_alone_it_may_end_its_turn(self, tmp_path: Path) -> None:
        project = Project(tmp_path / "p")
        assert project.ask("setup", env={"CLAUDE_CODE_SESSION_ID": ME}).code == 0
        assert reason(project.root) == ""
        begun(project, "baseline")
        assert "agent-loops try" in reason(project.root)

    def test_after_the_persons_word_it_may_end_its_turn(self, project: Project) -> None:
        says(LOOP, project.root)
        assert reason(project.root)
        says("that is enough for today", project.root)
        assert reason(project.root) == ""
        says("/agent-loops:karpathy", project.root)
        assert reason(project.root)

    @pytest.mark.parametrize(
        "prompt", ["<task-notification>\n<task-id>b7</task-id>", "/agent-loops:status"]
    )
    def test_what_is_no_word_of_the_persons_changes_nothing(
        self, project: Project, prompt: str
    ) -> None:
        says(LOOP, project.root)
        says(prompt, project.root)
        assert reason(project.root)

    def test_another_session_may_end_its_turn(self, project: Project) -> None:
        says(LOOP, project.root, session=OTHER)
        assert reason(project.root, session=OTHER) == ""

    def test_a_campaign_begun_in_a_terminal_is_led_by_who_loops(self, tmp_path: Path) -> None:
        project = Project(tmp_path / "p")
        project.baseline()
        assert reason(project.root) == ""
        says(LOOP, project.root)
        assert reason(project.root)
        assert reason(project.root, session=OTHER) == ""

    @pytest.mark.parametrize("switch", ["pause", "stop"])
    def test_a_halted_campaign_lets_it_end(self, project: Project, switch: str) -> None:
        says(LOOP, project.root)
        assert project.ask(switch).code == 0
        assert reason(project.root) == ""

    def test_a_stop_condition_lets_it_end(self, project: Project) -> None:
        says(LOOP, project.root)
        project.bind(max_experiments=2)
        assert project.ask("rebaseline", "--why", "a limit").code == 0
        assert reason(project.root)
        begun(project, "lr: lower", "--edit", "-", stdin=lower(0.02))
        assert reason(project.root) == ""

    @pytest.mark.parametrize("switch", ["pause", "stop"])
    def test_a_pointer_that_a_kill_left_behind_is_not_trusted(
        self, project: Project, switch: str
    ) -> None:
        says(LOOP, project.root)
        stale = project.read(".agent-loops/active.json")
        assert project.ask(switch).code == 0
        project.write(".agent-loops/active.json", stale)
        assert reason(project.root) == ""
        assert context(project.root) == ""
        assert project.ask("resume").code == 0
        begun(project, 'lr: says "event":"paused"', "--edit", "-", stdin=lower(0.02))
        assert reason(project.root)

    def test_a_pointer_behind_a_resume_does_not_end_the_loop(self, project: Project) -> None:
        says(LOOP, project.root)
        assert project.ask("pause").code == 0
        stale = project.read(".agent-loops/active.json")
        assert project.ask("resume").code == 0
        project.write(".agent-loops/active.json", stale)
        assert reason(project.root)

    def test_an_end_by_the_clock_is_noticed_though_no_command_came(self, project: Project) -> None:
        says(LOOP, project.root)
        assert project.ask("resume", "--until", "8h").code == 0
        assert reason(project.root)
        pointer = json.loads(project.read(".agent-loops/active.json"))
        pointer["end_utc"] = "2026-01-01T00:00:00+00:00"
        project.write(".agent-loops/active.json", json.dumps(pointer, indent=1))
        assert reason(project.root) == ""

    def test_a_live_run_is_waited_for(self, running: Project) -> None:
        says(LOOP, running.root)
        assert "agent-loops wait" in reason(running.root)

    def test_a_wait_in_the_background_wakes_the_agent(self, running: Project) -> None:
        says(LOOP, running.root)
        task = {"status": "running", "type": "shell", "command": "agent-loops wait --wait-s 580"}
        assert reason(running.root, background_tasks=[task]) == ""
        unattended = {"CLAUDE_CODE_ENTRYPOINT": "sdk-cli"}
        assert reason(running.root, background_tasks=[task], env=unattended)
        endless = "tail -f .agent-loops/x"
        assert reason(running.root, background_tasks=[{**task, "command": endless}])
        assert reason(running.root, background_tasks=[{**task, "status": "completed"}])

    def test_a_stale_lock_file_is_no_run(self, project: Project) -> None:
        says(LOOP, project.root)
        assert (project.sandbox / "run.lock").exists()
        assert "agent-loops try" in reason(project.root)

    def test_a_run_that_was_killed_is_taken_up(self, running: Project) -> None:
        says(LOOP, running.root)
        os.kill(running.events("run_started")[-1]["pid"], signal.SIGKILL)
        until(lambda: "not settled" in reason(running.root, session=ME))
        (running.root.parent / "go").touch()

    def test_the_same_without_progress_is_not_said_for_ever(self, project: Project) -> None:
        says(LOOP, project.root)
        assert [bool(reason(project.root)) for _ in range(4)] == [True, True, True, False]
        told = fire("keep_going", project.root)
        assert "/agent-loops:karpathy" in told["systemMessage"]
        begun(project, "lr: lower", "--edit", "-", stdin=lower(0.02))
        assert reason(project.root)

    def test_refusals_and_notes_are_no_progress(self, project: Project) -> None:
        says(LOOP, project.root)
        sent_on = []
        for _ in range(4):
            sent_on.append(bool(reason(project.root)))
            edit = edit_block("train.py", "NOT THERE", "AT ALL")
            refused = project.ask(
                "try", "x", "--edit", "-", stdin=edit, env={"CLAUDE_CODE_SESSION_ID": ME}
            )
            assert refused.code == 3
            assert project.ask("note", "again").code == 0
        assert sent_on == [True, True, True, False]

    def test_a_long_run_may_be_waited_for_again_and_again(self, running: Project) -> None:
        says(LOOP, running.root)
        memory = running.root / f".agent-loops/sessions/{ME}.json"
        for _ in range(6):
            assert reason(running.root)
            data = json.loads(memory.read_text())
            memory.write_text(json.dumps({**data, "blocked_at": data["blocked_at"] - 580}))
        assert [bool(reason(running.root)) for _ in range(4)][-1] is False


class TestThePersonsWord:
    @pytest.mark.parametrize(
        "command", ["agent-loops resume --until 07:30", "agent-loops rebaseline --why 'a limit'"]
    )
    def test_limits_that_came_with_the_loops_command_can_be_set(
        self, project: Project, command: str
    ) -> None:
        says(LOOP, project.root)
        bindings = {"file_path": str(project.root / "loop.run.yaml")}
        edit = {"tool_name": "Edit", "tool_input": bindings}
        assert decision(project.root, command) == "allow"
        assert fire("guard", project.root, **edit) == {}
        assert reason(project.root)  # and the loop goes on
        assert decision(project.root, "agent-loops try 'lr: up'") == "allow"
        assert decision(project.root, command) == "deny"
        answer = fire("guard", project.root, **edit)["hookSpecificOutput"]
        assert answer["permissionDecision"] == "deny"

    def test_a_session_that_only_set_it_up_does_not_lead_it(self, tmp_path: Path) -> None:
        project = Project(tmp_path / "p")
        assert project.ask("setup", env={"CLAUDE_CODE_SESSION_ID": OTHER}).code == 0
        says(LOOP, project.root)
        assert "try baseline" in reason(project.root)
        assert decision(project.root, "agent-loops try baseline") == "allow"
        begun(project, "baseline")
        assert "led by another session" in context(project.root, session=OTHER)

    def test_who_only_looks_on_may_ask_how_it_stands(self, project: Project) -> None:
        says("how are the experiments going?", project.root, session=OTHER)
        ask = {"tool_name": "Bash", "tool_input": {"command": "agent-loops status"}}
        answer = fire("guard", project.root, session=OTHER, **ask)["hookSpecificOutput"]
        assert answer["permissionDecision"] == "allow"
        ask["tool_input"] = {"command": "agent-loops try 'mine'"}
        assert fire("guard", project.root, session=OTHER, **ask) == {}

    def test_they_are_told_what_waits_for_them(self, project: Project) -> None:
        answer = fire("reorient", project.root, session=OTHER)
        assert "/agent-loops:karpathy goes on" in answer["systemMessage"]
        says(LOOP, project.root)
        assert "systemMessage" not in fire("reorient", project.root)

    def test_one_typed_while_the_agent_works_is_not_unsaid_by_what_it_was_about_to_do(
        self, project: Project
    ) -> None:
        says(LOOP, project.root)
        assert decision(project.root, "agent-loops status") == "allow"
        says("please stop after this", project.root)
        assert decision(project.root, "agent-loops try 'lr: thought of before'") == "allow"
        assert reason(project.root) == ""
        assert decision(project.root, "agent-loops stop --why 'the person said so'") == "allow"
        assert decision(project.root, "agent-loops try 'lr: on they go'") == "allow"
        assert decision(project.root, "agent-loops stop") == "deny"
        assert reason(project.root)

    def test_one_typed_after_the_turn_is_heard_at_once(self, project: Project) -> None:
        says(LOOP, project.root)
        says("how is it going?", project.root)
        assert reason(project.root) == ""  # the turn ends
        says("fine, go on", project.root)
        assert decision(project.root, "agent-loops try 'lr: on they go'") == "allow"
        assert reason(project.root)

    @pytest.mark.parametrize("switch", ["pause", "stop"])
    def test_what_they_halted_they_let_go_on(self, project: Project, switch: str) -> None:
        says(LOOP, project.root)
        assert project.ask(switch).code == 0
        assert decision(project.root, "agent-loops resume") == "deny"
        says(LOOP, project.root)
        assert decision(project.root, "agent-loops resume") != "deny"


def decision(root: Path, command: str) -> str:
    """The guard's: allow, deny, or "" where it is the host's."""
    given = {"tool_name": "Bash", "tool_input": {"command": command}}
    answer = fire("guard", root, **given).get("hookSpecificOutput", {})
    return str(answer.get("permissionDecision", ""))


def test_sessions_of_last_month_are_forgotten(project: Project) -> None:
    says(LOOP, project.root, session=OTHER)
    folder = project.root / ".agent-loops/sessions"
    os.utime(folder / f"{OTHER}.json", (0, 0))
    says(LOOP, project.root)
    assert [path.name for path in folder.iterdir()] == [f"{ME}.json"]


def test_what_cannot_be_forgotten_keeps_no_session_from_being_remembered(project: Project) -> None:
    stray = project.root / ".agent-loops/sessions/a folder"
    stray.mkdir(parents=True)
    os.utime(stray, (0, 0))
    says(LOOP, project.root)
    assert (stray.parent / f"{ME}.json").exists()


class TestFaults:
    @pytest.mark.parametrize("name", ["keep_going", "reorient", "person"])
    @pytest.mark.parametrize(
        "data", [b'{"state": "active"', b'[\n "state": "active"\n', b'{"state": "active"} \xff']
    )
    def test_a_broken_pointer_blocks_nothing(
        self, project: Project, name: str, data: bytes
    ) -> None:
        project.write(".agent-loops/active.json", data)
        done = subprocess.run(
            [str(HOOKS / "hook"), name], input=b"{}", cwd=project.root, capture_output=True,
            check=False, timeout=30,
        )  # fmt: skip
        assert done.returncode != 2, "exit 2 blocks"
        assert done.stdout == b""

    @pytest.mark.parametrize("name", ["keep_going", "reorient", "person"])
    def test_a_folder_that_cannot_be_written_blocks_nothing(
        self, project: Project, name: str
    ) -> None:
        project.write(".agent-loops/sessions", b"a file in the folder's place")
        done = subprocess.run(
            [str(HOOKS / "hook"), name],
            input=json.dumps({"session_id": ME, "prompt": LOOP}).encode(),
            cwd=project.root, capture_output=True, check=False, timeout=30,
        )  # fmt: skip
        assert done.returncode != 2

    def test_nothing_is_written_through_a_link(self, project: Project, tmp_path: Path) -> None:
        target = tmp_path / "elsewhere"
        target.mkdir()
        (project.root / ".agent-loops/sessions").symlink_to(target)
        says(LOOP, project.root)
        assert list(target.iterdir()) == []

    def test_a_session_name_is_no_path(self, project: Project) -> None:
        says(LOOP, project.root, session="../../../etc/x")
        (made,) = (project.root / ".agent-loops/sessions").iterdir()
        assert made.name == "_________etc_x.json"


def modules() -> list[Path]:
    return sorted(HOOKS.glob("*.py"))


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.name)
def test_hooks_need_the_standard_library_of_python_3_9_alone(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 9))
    own = {module.stem for module in modules()}
    names = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert names <= own | set(sys.stdlib_module_names)


def test_an_agent_makes_the_claim_for_which_time_was_set_aside(tmp_path: Path) -> None:
    project = Project(tmp_path / "a project")
    project.bind(stop_after="2 h", confirm_time="2 h")
    project.setup()
    begun(project, "baseline")
    says(LOOP, project.root)
    assert reason(project.root).startswith("Campaign t1 is active")
    assert begun(project, "lr: lower", "--edit", "-", stdin=lower(0.02))["status"] == "keep"
    said = reason(project.root)
    assert said.startswith("Campaign t1 is finished but for its claim: do not end your turn.")
    assert "`agent-loops confirm --wait-s 580`" in said
    assert "Next: `agent-loops confirm`" in context(project.root)
    call = {"tool_name": "Bash", "tool_input": {"command": "agent-loops confirm --wait-s 580"}}
    allowed = fire("guard", project.root, **call)["hookSpecificOutput"]
    assert allowed["permissionDecision"] == "allow"
    assert reason(project.root, session=OTHER) == ""
    answer = project.ask("confirm", env={"CLAUDE_CODE_SESSION_ID": ME})
    assert answer["verdict"] == "improved"
    assert reason(project.root) == ""
    assert context(project.root) == ""


def test_a_claim_under_way_is_waited_for(running: Project) -> None:
    """Also in a campaign that is active: somebody asked for it."""
    go = running.root.parent / "go"
    go.touch()
    assert running.ask("wait")["status"] == "keep"
    go.unlink()
    env = {"CLAUDE_CODE_SESSION_ID": ME}
    assert running.ask("confirm", "--wait-s", "0", env=env)["status"] == "running"
    says(LOOP, running.root)
    assert "agent-loops wait" in reason(running.root)
    assert running.ask("stop", "--kill").code == 0
    go.touch()


def test_reminders_say_what_an_idea_needs_in_the_analysis_first_loop(project: Project) -> None:
    assert "--anchor" not in reason(project.root)
    project.bind(loop="ml-autoresearch")
    assert project.ask("rebaseline", "--why", "another protocol").code == 0
    assert len(project.events("run_started")) == 1  # no reading depends on it
    said = reason(project.root)
    assert "--anchor FILE:KEY=VALUE --predict" in said
    assert "analysis/plan.md" in said
    assert "--anchor FILE:KEY=VALUE" in context(project.root)
