"""`agent-loops setup --allow`: proposed to anybody, written by a yes in a terminal alone."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from agent_loops import cli
from agent_loops.readiness import json_edits
from support import Project, commit_all, git

NAME = ".claude/settings.local.json"
GRANTED = {
    "permissions": {"allow": ["Bash(agent-loops:*)", "Skill(agent-loops:*)"]},
    "env": {"BASH_DEFAULT_TIMEOUT_MS": "600000", "CLAUDE_CODE_STOP_HOOK_BLOCK_CAP": "0"},
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "p")


def settings(project: Project) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(project.read(NAME))
    return value


def in_terminal(
    project: Project, *words: str, types: str, env: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Calls the command at a terminal of its own, where somebody types; the code and the screen."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        project.command("setup", "--allow", *words), cwd=project.root, stdin=theirs, stdout=theirs,
        stderr=theirs, env={**os.environ, **(env or {})}, start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )  # fmt: skip
    os.close(theirs)
    screen, asked, deadline = b"", False, time.monotonic() + 60
    while time.monotonic() < deadline:
        if not select.select([ours], [], [], 1.0)[0]:
            if asked and types == "\x03":
                os.write(ours, b"\x03")  # Python may lose one that comes while it runs a finalizer
            continue
        try:
            data = os.read(ours, 4096)
        except OSError:  # Linux says so where the other side is closed
            break
        if not data:
            break
        screen += data
        if b"Type yes" in screen and not asked:
            asked = True
            os.write(ours, types.encode())
    code = process.wait(timeout=60)
    os.close(ours)
    return code, screen.decode().replace("\r\n", "\n")


def test_a_yes_in_a_terminal_writes_it(project: Project) -> None:
    code, screen = in_terminal(project, types="yes\n")
    assert code == 0
    assert '+    "allow": [' in screen
    assert settings(project) == GRANTED
    assert not (project.root / ".agent-loops").exists(), "a campaign was begun"
    assert (project.root / NAME).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("types", ["no\n", "y\n", "\n", "yes please\n", "\x04", "\x03"])
def test_anything_else_writes_nothing(project: Project, types: str) -> None:
    code, screen = in_terminal(project, types=types)
    assert code == (130 if types == "\x03" else 0)
    assert "Type yes" in screen
    assert not (project.root / ".claude").exists()


def test_a_pipe_is_nobodys_consent(project: Project) -> None:
    answer = project.call("setup", "--allow", stdin="yes\n")
    assert answer.code == 0
    assert "--- /dev/null\n" in answer.out
    assert "nothing is written: the person runs it in a terminal" in answer.out
    assert not (project.root / ".claude").exists()


def test_an_agents_shell_is_not_asked_even_at_a_terminal(project: Project) -> None:
    code, screen = in_terminal(project, types="yes\n", env={"CLAUDECODE": "1"})
    assert code == 0
    assert "Type yes" not in screen
    assert not (project.root / ".claude").exists()


def test_json_shows_what_is_added_and_asks_nobody(project: Project) -> None:
    answer = project.ask("setup", "--allow")
    assert (answer["status"], answer["adds"]) == ("proposed", GRANTED)
    code, screen = in_terminal(project, "--json", types="yes\n")
    assert (code, json.loads(screen)["status"]) == (0, "proposed")
    assert not (project.root / ".claude").exists()


def test_no_flag_gives_consent() -> None:
    [actions] = [
        action.choices for action in cli._parser("setup")._actions if action.dest == "command"
    ]
    options = set(actions["setup"]._option_string_actions)
    assert options == {"-h", "--help", "--json", "--from", "--allow"}


OWN = """{
\t"model": "opus",
\t"permissions": {
\t\t"deny": ["WebFetch"],
\t\t"allow": ["Bash(ls:*)"]
\t},
\t"env": {"BASH_DEFAULT_TIMEOUT_MS": "30000", "TOKEN": "sk-aaaabbbbccccdddd1111"},
\t"odd":   [1,2 ,3]
}
"""
THEN = """{
\t"model": "opus",
\t"permissions": {
\t\t"deny": ["WebFetch"],
\t\t"allow": ["Bash(ls:*)", "Bash(agent-loops:*)", "Skill(agent-loops:*)"]
\t},
\t"env": {"BASH_DEFAULT_TIMEOUT_MS": "600000", "TOKEN": "sk-aaaabbbbccccdddd1111", \
"CLAUDE_CODE_STOP_HOOK_BLOCK_CAP": "0"},
\t"odd":   [1,2 ,3]
}
"""


def test_all_else_of_the_file_stays_as_it_is(project: Project) -> None:
    path = project.write(NAME, OWN)
    path.chmod(0o644)
    code, screen = in_terminal(project, types="yes\n")
    assert (code, project.read(NAME)) == (0, THEN)
    assert path.stat().st_mode & 0o777 == 0o644
    assert "sk-aaaabbbbccccdddd1111" not in screen
    again = project.ask("setup", "--allow")
    assert (again["status"], again["adds"], again["diff"]) == ("nothing to add", {}, "")


@pytest.mark.parametrize(
    ("path", "there", "missing"),
    [
        (".claude/settings.json", {"permissions": {"allow": ["Bash"]}}, {"Skill(agent-loops:*)"}),
        (".claude/settings.json", {"env": {"BASH_DEFAULT_TIMEOUT_MS": "900000"}},
         {"Bash(agent-loops:*)", "Skill(agent-loops:*)"}),
        (NAME, {"permissions": {"allow": ["Bash(agent-loops *)", "Skill(agent-loops *)"]}}, set()),
        (NAME, {"permissions": {"allow": ["Bash(agent-loops status:*)"]}},
         {"Bash(agent-loops:*)", "Skill(agent-loops:*)"}),
    ],
)  # fmt: skip
def test_what_is_granted_already_is_not_added(
    project: Project, path: str, there: dict[str, Any], missing: set[str]
) -> None:
    project.write(path, json.dumps(there))
    adds = project.ask("setup", "--allow")["adds"]
    assert set(adds.get("permissions", {}).get("allow", ())) == missing
    assert ("BASH_DEFAULT_TIMEOUT_MS" in adds["env"]) == ("env" not in there)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "no JSON object"),
        ("{nope", "not JSON"),
        ('{"a": 1} // mine', "not JSON"),
        ('{"permissions": []}', "permissions is no object"),
        ('{"permissions": {"allow": "Bash"}}', "permissions.allow is no list"),
        ('{"env": 3}', "env is no object"),
        (b"\xff", "not JSON"),
    ],
)
def test_a_file_that_cannot_be_added_to_is_left_alone(
    project: Project, text: str | bytes, words: str
) -> None:
    path = project.write(NAME, text)
    before = path.read_bytes()
    answer = project.ask("setup", "--allow")
    assert (answer.code, answer["kind"]) == (3, "settings")
    assert words in answer["reason"]
    assert path.read_bytes() == before


@pytest.mark.parametrize("place", [".claude", NAME])
def test_nothing_is_written_through_a_link(project: Project, tmp_path: Path, place: str) -> None:
    target = tmp_path / "elsewhere"
    if place == ".claude":
        target.mkdir()
    else:
        target.write_text("{}")
        (project.root / ".claude").mkdir()
    (project.root / place).symlink_to(target)
    code, screen = in_terminal(project, types="yes\n")
    assert code == 3
    assert "is a link" in screen
    assert target.is_dir() or target.read_text() == "{}"


def test_a_file_that_changes_while_the_person_reads_is_not_overwritten(project: Project) -> None:
    from agent_loops.errors import Refused
    from agent_loops.readiness import grants

    def ask(_: object) -> str:
        project.write(NAME, '{"model": "opus"}')
        return "yes"

    with pytest.raises(Refused, match="changed meanwhile"):
        grants.run(project.root, os.environ, ask=ask)
    assert settings(project) == {"model": "opus"}


def test_it_says_what_git_would_do_with_the_file(project: Project) -> None:
    commit_all(project.root)
    [note] = project.ask("setup", "--allow")["notes"]
    assert f"**/{NAME} in .git/info/exclude" in note
    with (project.root / ".git/info/exclude").open("a") as stream:
        stream.write(f"**/{NAME}\n")
    assert project.ask("setup", "--allow")["notes"] == []
    project.write(NAME, "{}\n")
    git(project.root, "add", "-f", NAME)
    [note] = project.ask("setup", "--allow")["notes"]
    assert f"git tracks {NAME}" in note


def test_in_a_part_of_a_repository_it_says_where_sessions_begin(tmp_path: Path) -> None:
    project = Project(tmp_path / "whole" / "part")
    commit_all(tmp_path / "whole")
    notes = project.ask("setup", "--allow")["notes"]
    assert f"started in {project.root}, not further up" in notes[-1]
    hostile = Project(tmp_path / "whole" / "part\x1b[2J")
    assert "\x1b" not in hostile.call("setup", "--allow").out


def test_it_needs_no_campaign_and_leaves_one_alone(project: Project) -> None:
    (project.root / "loop.run.yaml").unlink()
    assert project.ask("setup", "--allow")["file"] == str(project.root / NAME)
    project.bind()
    project.baseline()
    before = project.journal()
    (project.root / "deeper").mkdir()
    answer = project.ask("setup", "--allow", cwd=project.root / "deeper")
    assert answer["file"] == str(project.root / NAME)
    assert project.journal() == before
    assert project.ask("setup", "--allow", "--from", "t1").code == 2


# --- the text ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["{}", "{}\n", "{\n}\n", "{ }", '{"a": 1}', '{"a":\r\n  1\r\n}\r\n', '{\n  "a": {}\n}\n',
     '{\n    "permissions": {\n        "allow": []\n    }\n}', '{"permissions": {"allow": [\n]}}',
     '{"permissions": {"allow": ["x\\"]}"], "b": "}"}}', ' {"permissions":{}}',
     '{"permissions": 1, "permissions": {"allow": ["last counts"]}}'],
)  # fmt: skip
def test_whatever_the_layout_the_rest_stays_and_json_stays_json(text: str) -> None:
    new = json_edits.add_items(text, ("permissions", "allow"), ["one", "two"])
    new = json_edits.set_value(new, ("env", "A"), "1")
    before, after = json.loads(text), json.loads(new)
    allow = before.setdefault("permissions", {}).setdefault("allow", [])
    allow += ["one", "two"]
    before["env"] = {"A": "1"}
    assert after == before
    assert ("\r\n" in text) == ("\r\n" in new)
    assert "\n" not in new.replace("\r\n", "") or "\r\n" not in text
    kept = [line.strip().rstrip("}]") for line in text.splitlines() if line.count('"') == 2]
    assert [line for line in kept if line not in new] == []


def test_a_new_file_is_laid_out_by_lines() -> None:
    new = json_edits.add_items("{}\n", ("permissions", "allow"), ["one"])
    expected = '{\n  "permissions": {\n    "allow": [\n      "one"\n    ]\n  }\n}\n'
    assert new == expected


# --- the wait that the limit allows ------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "wait_s"),
    [("", 110), ("600000", 585), ("120000", 105), ("20000", 10), ("x", 110), ("0", 110)],
)
def test_an_agent_waits_as_long_as_the_host_lets_it(limit: str, wait_s: float) -> None:
    environ = {"BASH_DEFAULT_TIMEOUT_MS": limit} if limit else {}
    assert cli._wait_in_host_s(environ) == wait_s


def test_a_wait_without_a_word_ends_before_the_hosts_limit(project: Project) -> None:
    project.bind(run_cmd=f"sleep 30; {sys.executable} train.py")
    project.setup()
    began = time.monotonic()
    env = {"CLAUDECODE": "1", "BASH_DEFAULT_TIMEOUT_MS": "3000"}
    answer = project.ask("try", "baseline", env=env)
    assert answer["status"] == "running"
    assert time.monotonic() - began < 15
    assert project.call("stop", "--kill").code == 0
