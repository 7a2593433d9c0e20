"""The guard in each state of a campaign and of a session, as a process of its own."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from guarded import (
    SESSION,
    Decision,
    asked,
    copied,
    event_of,
    placed,
    point,
    remember,
    run_alive,
    shared,
)
from support import ROOT, Project

EDIT_TRAIN = {"Edit": {"file_path": "ROOT/train.py", "old_string": "a", "new_string": "b"}}
LONG_TRY = (
    "agent-loops try 'idea: x' --why 'w' --wait-s 580 --edit - <<'EDIT'\ntrain.py\n"
    "<<<<<<< SEARCH\n" + "a = $b `c` 'd' \"e\" (f)\n" * 500 + "=======\nz\n>>>>>>> REPLACE\nEDIT\n"
)


@pytest.fixture
def project(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Project:
    """A campaign of its own for each test, copied from one that was really set up."""
    twin = copied(shared(tmp_path_factory, "project"), tmp_path / "a 'project' of\nmine ü")
    remember(twin, loops=True)
    return twin


def ask(project: Project, row: str | Mapping[str, Any], **changes: Any) -> Decision:
    return asked(project, placed(row, project), **changes)


def loops(project: Project) -> bool:
    """What the session's file says."""
    path = project.root / f".agent-loops/sessions/{SESSION}.json"
    return path.exists() and bool(json.loads(path.read_text()).get("loops"))


def test_a_folder_of_any_name_is_guarded(project: Project) -> None:
    assert ask(project, "rm prepare.py").kind == "deny"
    assert ask(project, "cd .. && rm -rf *").kind == "deny"
    assert ask(project, EDIT_TRAIN).kind == "allow"


def test_a_denial_is_said_as_the_host_wants_it(project: Project) -> None:
    reason = ask(project, "rm prepare.py").reason
    assert reason.startswith("agent-loops: prepare.py is part of the harness")
    assert "agent-loops rebaseline" in reason


def test_another_session_and_no_campaign_hear_nothing(project: Project, tmp_path: Path) -> None:
    assert ask(project, "rm prepare.py", session_id="another").kind == ""
    other = Project(tmp_path / "other")
    assert ask(other, "rm prepare.py").kind == ""


def test_a_record_that_came_with_a_repository_decides_nothing(project: Project) -> None:
    project.sandbox.chmod(0o755)
    journal = project.sandbox / "journal.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b'"project":"', b'"project":"/elsewhere', 1))
    assert ask(project, EDIT_TRAIN).kind == ""


def test_the_person_may_have_it_paused_and_the_agent_may_not(project: Project) -> None:
    for command in ("pause", "stop", "rebaseline --why x"):
        assert ask(project, f"agent-loops {command}").kind == "deny"
    remember(project, loops=False)
    for command in ("pause", "stop --kill", "rebaseline --why x", "resume --until 07:30"):
        assert ask(project, f"agent-loops {command}").kind == "allow"


def test_the_first_experiment_takes_the_persons_word(project: Project) -> None:
    remember(project, loops=False)
    assert ask(project, "agent-loops status").kind == "allow"
    assert not loops(project)
    assert ask(project, "agent-loops try 'x' --edit - <<'E'\nx\nE").kind == "allow"
    assert loops(project)


def test_the_loops_skill_begins_the_loop(project: Project) -> None:
    remember(project, loops=False)
    assert ask(project, {"Skill": {"skill": "agent-loops:status"}}).kind == ""
    assert not loops(project)
    assert ask(project, {"Skill": {"skill": "agent-loops:karpathy"}}).kind == ""
    assert loops(project)


def test_a_campaign_of_nobodys_is_taken_by_the_first_experiment(project: Project) -> None:
    point(project, session="")
    (project.root / f".agent-loops/sessions/{SESSION}.json").unlink()
    assert ask(project, "rm prepare.py").kind == ""
    assert ask(project, "agent-loops try baseline").kind == "allow"
    assert ask(project, "rm prepare.py").kind == "deny"


@pytest.mark.parametrize("words", [("pause",), ("stop",)])
def test_what_the_person_halted_only_the_person_resumes(
    project: Project, words: tuple[str, ...]
) -> None:
    assert project.call(*words).code == 0
    for command in (
        "agent-loops resume",
        "agent-loops resume --until 07:30",
        "cd . && agent-loops resume",
        "bash -c 'agent-loops resume'",
        "agent-loops 're'sume --take-over",
        "env -u CLAUDE_CODE_SESSION_ID agent-loops resume",
        "PLUGIN/bin/agent-loops resume",
    ):
        assert ask(project, command).kind == "deny", command
    assert ask(project, "rm prepare.py").kind == "", "the person may be mending the harness"
    remember(project, loops=False)
    assert ask(project, "agent-loops resume").kind == ""


def test_a_pause_of_the_engines_own_may_be_resumed(project: Project) -> None:
    point(project, state="paused", halted_by="engine")
    assert ask(project, "agent-loops resume").kind == ""
    assert ask(project, "agent-loops resume --until 23:00").kind == "deny"


def test_a_limit_that_was_reached_is_the_persons(project: Project) -> None:
    point(project, end_utc="2020-01-01T00:00:00+00:00")
    assert ask(project, "agent-loops resume --until 8h").kind == "deny"
    assert ask(project, "rm prepare.py").kind == ""


def test_no_edit_while_a_run_is_alive(project: Project) -> None:
    with run_alive(project):
        decision = ask(project, EDIT_TRAIN)
        assert decision.kind == "deny"
        assert "agent-loops wait" in decision.reason
        assert "--edit" in decision.reason
        assert ask(project, "agent-loops wait").kind == "allow"
    assert ask(project, EDIT_TRAIN).kind == "allow"


def test_only_the_runs_own_processes_are_out_of_reach(project: Project) -> None:
    with run_alive(project) as pid:
        assert ask(project, f"kill -9 {pid}").kind == "deny"
        assert ask(project, f"kill {os.getpid()}").kind == ""
    assert ask(project, f"kill {os.getpid()}").kind == ""
    assert ask(project, "pkill -f server").kind == ""


def test_a_link_in_an_editable_files_place_is_not_approved(project: Project) -> None:
    (project.root / "train.py").unlink()
    (project.root / "train.py").symlink_to("prepare.py")
    assert ask(project, EDIT_TRAIN).kind == "deny"
    (project.root / "train.py").unlink()
    (project.root / "train.py").symlink_to("README.md")
    assert ask(project, EDIT_TRAIN).kind == ""


def test_an_analysis_folder_that_leads_elsewhere_is_not_approved(project: Project) -> None:
    (project.sandbox / "iter1/analysis").symlink_to(project.root)
    row = {"Write": {"file_path": "ROOT/sandbox/t1/iter1/analysis/prepare.py", "content": "x"}}
    assert ask(project, row).kind == "deny"


def test_another_campaigns_record_is_kept_too(project: Project) -> None:
    earlier = project.root / "sandbox/mar5"
    earlier.mkdir()
    (earlier / "journal.jsonl").write_text("{}\n")
    (earlier / "harness.json").write_text("{}\n")
    assert ask(project, "rm sandbox/mar5/journal.jsonl").kind == "deny"


def test_a_repository_around_the_project_is_guarded_too(project: Project) -> None:
    (project.root / ".git").rename(project.root.parent / ".git")
    assert ask(project, "rm -rf ../.git").kind == "deny"
    assert ask(project, "git reset --hard").kind == "deny"
    assert ask(project, "git -C .. clean -fd").kind == "deny"
    assert ask(project, "git -C /tmp clean -fd").kind == ""


def test_a_project_without_git_leaves_git_alone(project: Project) -> None:
    shutil.rmtree(project.root / ".git")
    assert ask(project, "cd /tmp && git init x && cd x && git reset --hard").kind == ""
    assert ask(project, "rm prepare.py").kind == "deny"


def test_a_harness_file_with_a_long_name_is_guarded(project: Project) -> None:
    name = "/".join(["a-folder-with-a-long-name"] * 8) + "/metric.py"
    path = project.sandbox / "harness.json"
    content = json.loads(path.read_text())
    content["files"][name] = "0"
    path.write_text(json.dumps(content))
    assert ask(project, f"echo x > {name}").kind == "deny"


def test_globs_decide_what_is_editable_as_in_the_engine(project: Project) -> None:
    point(project, editable_regexes=[[r"^(?:.+/)?[^/]+\.py(?:/.*)?$", True], [r"^tools/", False]])
    allowed = {"Write": {"file_path": "ROOT/notes/model.py", "content": "x"}}
    assert ask(project, allowed).kind == "allow"
    assert ask(project, {"Write": {"file_path": "ROOT/tools/metric.py"}}).kind == "deny"


def cpu_of_children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_the_whole_process_is_quick(project: Project) -> None:
    """The budget is 40 ms on a quiet machine, twice what Python takes; by CPU time here."""
    assert len(LONG_TRY) > 10_000
    bare = [sys.executable, "-E", "-s", "-S", "-c", "import json, re, fcntl"]
    times: dict[str, list[float]] = {"bare": [], "guard": []}
    for _ in range(20):
        started = cpu_of_children_s()
        subprocess.run(bare, check=True)
        times["bare"].append(cpu_of_children_s() - started)
        started = cpu_of_children_s()
        assert ask(project, LONG_TRY).kind == "allow"
        times["guard"].append(cpu_of_children_s() - started)
    assert min(times["guard"]) < 3 * min(times["bare"]), times


def test_no_slow_module_is_imported(project: Project) -> None:
    event = json.dumps(event_of("cd x && git log | head", project.root))
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT / 'hooks')!r}); "
        f"sys.argv = ['guard', {str(project.root)!r}]; "
        "import guard; guard.main(); print(' '.join(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-E", "-s", "-S", "-c", code],
        input=event, capture_output=True, text=True, check=True,
    )  # fmt: skip
    slow = {"pathlib", "typing", "tempfile", "datetime", "subprocess", "ast", "inspect"}
    assert not slow & set(done.stderr.split())


@pytest.mark.parametrize("seed", range(3))
def test_any_text_leaves_the_guard_alive(project: Project, seed: int) -> None:
    chance = random.Random(seed)
    pieces = [
        "rm prepare.py",
        "$(",
        ")",
        "`",
        "'",
        '"',
        "<<E",
        "\nE\n",
        "{",
        "}",
        "((",
        "))",
        "|",
        ";",
    ]
    pieces += [
        "${x",
        "if ",
        "then ",
        "fi",
        "case x in",
        "esac",
        "\\",
        "\x00",
        "\ue0ff",
        "é",
        " ",
        "\udce9",
    ]
    for _ in range(8):
        text = "".join(chance.choice(pieces) for _ in range(30))
        ask(project, text)
    for odd in (None, 3, [], "", "(" * 5000, "$(" * 3000, "a" * 300_000, "{a,b}" * 40):
        ask(project, {"Bash": {"command": odd}})
    for given in ({}, {"file_path": None}, {"file_path": ""}, {"file_path": "\x00"}, []):
        for tool in ("Edit", "Read", "Write", "NotebookEdit", "Skill", "Bash"):
            ask(project, {tool: given})
