"""notify_cmd: what is told, once, by a real command that cannot harm the experiment."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from agent_loops import campaigns, desktop, events, files, notices, notifier
from agent_loops.paths import ProjectPaths
from copies import copied
from support import PYTHON, Project, edit_block, processes_with, until

TRAIN = """\
import os, sys
LR = 0.5
if os.path.exists("../weather"):
    sys.exit(open("../weather").read())
print("val_bpb:", LR)
"""
# One line a call, as a whole: two calls may run at once.
TO_FILE = f'{PYTHON} -c \'import sys; open("../told", "a").write(sys.stdin.read())\''


@pytest.fixture
def project(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A campaign with its baseline, 0.5, that writes what it tells beside the project."""

    def make(root: Path) -> Project:
        made = Project(root, train=TRAIN)
        made.bind(notify_cmd=TO_FILE, max_experiments=9)
        made.baseline()
        return made

    return copied(tmp_path / "a 'project' of\nmine", tmp_path_factory, "notices", make)


def lr(project: Project, value: str, idea: str = "lr") -> str:
    """Tries another value of LR over the incumbent's; the verdict."""
    present = next(line for line in project.read("train.py").splitlines() if line[:2] == "LR")
    block = edit_block("train.py", present, f"LR = {value}")
    answer = project.ask("try", idea, "--edit", "-", stdin=block)
    assert answer.code == 0, answer
    return str(answer["status"])


def told(project: Project, count: int) -> list[dict[str, Any]]:
    """What the command was given, once it is as much as expected."""
    path = project.root.parent / "told"
    until(lambda: path.exists() and path.read_text().count("\n") >= count)

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    lines = [json.loads(line, parse_constant=refuse) for line in path.read_text().splitlines()]
    assert len(lines) == count, [line["text"] for line in lines]
    return lines


def no_more_than(project: Project, count: int) -> None:
    """Nothing is on its way: whatever was started has ended."""
    until(lambda: not processes_with("agent_loops.notifier"))
    told(project, count)


def test_a_new_best_is_told_once_and_nothing_else(project: Project) -> None:
    assert lr(project, "0.7") == "discard"
    assert lr(project, "0.25", "schedule: less") == "keep"
    [best] = told(project, 1)
    assert best == {
        "schema": 1, "event": "best", "tag": "t1", "project": str(project.root),
        "metric": "val_bpb", "direction": "minimize", "experiment": 3, "value": 0.25,
        "baseline": 0.5, "gain": 0.25, "idea": "schedule: less", "reason": "",
        "counts": {"experiments": 3, "keep": 2, "discard": 1, "crash": 0},
        "text": "t1: new best #3 val_bpb 0.25 (0.25 better than the baseline): schedule: less",
    }  # fmt: skip
    for words in (["wait"], ["status"], ["pause"], ["resume"], ["wait"]):
        assert project.ask(*words).code == 0
    no_more_than(project, 1)


def test_a_best_that_was_turned_down_does_not_make_the_old_one_news(project: Project) -> None:
    lr(project, "0.25")
    lr(project, "0.125")
    assert project.ask("override", "3", "discard", "--why", "ugly").code == 0
    assert [line["experiment"] for line in told(project, 2)] == [2, 3]
    no_more_than(project, 2)


def test_a_stop_condition_is_told_once_and_again_after_new_rules(project: Project) -> None:
    project.bind(notify_cmd=TO_FILE, max_experiments=2)
    assert project.ask("rebaseline", "--why", "fewer")["status"] == "rebaselined"
    lr(project, "0.7")
    [end] = told(project, 1)
    assert (end["event"], end["reason"]) == ("end", "finished (max_experiments: 2 done)")
    assert end["text"].startswith("t1: finished (max_experiments: 2 done); 2 experiments, best #1")
    assert project.ask("try", "x")["kind"] == "finished"
    project.ask("wait")
    no_more_than(project, 1)
    project.bind(notify_cmd=TO_FILE, max_experiments=3)
    assert project.ask("rebaseline", "--why", "more")["status"] == "rebaselined"
    lr(project, "0.8")
    assert [line["event"] for line in told(project, 2)] == ["end", "end"]


def test_a_clock_that_ran_out_is_told_by_whoever_looks_next(project: Project) -> None:
    assert project.ask("resume", "--until", "1s").code == 0
    until(lambda: project.ask("status")["status"] == "finished")
    no_more = project.root.parent / "told"
    assert not no_more.exists()  # status only reads
    assert project.ask("try", "x")["kind"] == "finished"
    assert told(project, 1)[0]["reason"].startswith("finished (resume --until: it is past")


def test_stopping_is_told_each_time_it_is_done(project: Project) -> None:
    for _ in range(2):
        assert project.ask("stop", "--why", "enough").code == 0
        assert project.ask("stop").code == 0
        assert project.ask("resume").code == 0
    assert [line["reason"] for line in told(project, 2)] == ["stopped by the person: enough"] * 2
    assert project.ask("pause").code == 0
    no_more_than(project, 2)


def test_no_secret_leaves_the_machine(project: Project) -> None:
    token, password = "hf_" + "a1" * 12, "correct horse"
    why = f"the hub refused {token} and {password}"
    assert project.ask("stop", "--why", why, env={"DB_PASSWORD": password}).code == 0
    (line,) = told(project, 1)
    assert line["reason"] == "stopped by the person: the hub refused [masked] and [masked]"
    assert token not in json.dumps(line)
    assert password not in json.dumps(line)


def test_a_machine_that_broke_is_told(project: Project) -> None:
    project.write("../weather", "ValueError: shapes")
    for value in ("0.4", "0.3", "0.2"):
        assert lr(project, value) == "crash"
    crashes, broke = told(project, 2)
    assert {crashes["event"], broke["event"]} == {"trouble"}
    assert crashes["reason"].startswith("3 crashes in a row")
    assert broke["reason"].startswith("the machine broke, not the ideas")
    assert broke["counts"]["crash"] == 3
    project.ask("status")
    project.ask("wait")
    no_more_than(project, 2)


def test_a_kill_before_it_was_told_leaves_it_to_the_next_command(project: Project) -> None:
    store = campaigns.find_store(ProjectPaths(project.root))
    with store.locked():
        store.append(events.Paused(by="engine", reason="the machine broke"))
    project.ask("wait")
    [trouble] = told(project, 1)
    assert trouble["event"] == "trouble"


@pytest.mark.parametrize(
    "command",
    ["false", "echo no >&2; exit 7", "no-such-program", "kill -9 $$", "exec 0<&-; true", "if"],
)
def test_a_command_that_fails_changes_nothing(project: Project, command: str) -> None:
    project.bind(notify_cmd=command, max_experiments=9)
    assert project.ask("rebaseline", "--why", "x")["changed"] == ["notify_cmd"]
    assert lr(project, "0.25") == "keep"
    assert "notify" not in str(project.ask("wait")["notes"])


def test_what_it_says_goes_to_a_log_that_is_bounded(project: Project) -> None:
    flood = f"{PYTHON} -c 'print(\"x\" * 10_000_000)'; touch ../done; exit 3"
    project.bind(notify_cmd=flood, max_experiments=9)
    project.ask("rebaseline", "--why", "x")
    lr(project, "0.25")
    log = project.sandbox / "notify.log"
    until(log.exists)
    assert (project.root.parent / "done").exists()  # it was not blocked, nor killed
    assert log.stat().st_size < notifier.MOST_OUTPUT_BYTES + 200
    assert log.read_text().endswith("ended with exit code 3\n")
    assert log.stat().st_mode & 0o777 == 0o600


def test_a_log_that_grew_keeps_its_end(tmp_path: Path) -> None:
    log = tmp_path / "notify.log"
    for number in range(20):
        notifier._append(log, f"{number} ".encode() * (notifier.MOST_OUTPUT_BYTES // 3))
    assert log.stat().st_size <= notifier.MOST_LOG_BYTES
    assert log.read_text().endswith(" 19\n") or log.read_text().endswith("19 \n")


def test_a_command_that_hangs_holds_nothing_up_and_is_ended(tmp_path: Path) -> None:
    """With what it started, also where that left its session and ignores SIGTERM."""
    stubborn = (
        "import os, signal, time; signal.signal(15, signal.SIG_IGN); os.setsid()\n"
        "open('up', 'w'); time.sleep(600)"
    )
    command = f"trap '' TERM; {PYTHON} -c {shlex.quote(stubborn)} & wait; sleep 600"
    began = time.monotonic()
    notifier.start(
        ["bash", "-c", f": a-notice-of-{tmp_path.name}; {command}"], b"{}\n",
        environment={"PATH": "/usr/bin:/bin", "MINE": str(tmp_path)}, workspace=tmp_path,
        log=tmp_path / "log", limit_s=1.0,
    )  # fmt: skip
    assert time.monotonic() - began < 1.0
    until((tmp_path / "up").exists)
    until((tmp_path / "log").exists)
    assert "ended after its limit of 1 s" in (tmp_path / "log").read_text()
    until(lambda: not processes_with(str(tmp_path)))


def test_the_answer_does_not_wait_for_a_command_that_hangs(project: Project) -> None:
    project.bind(notify_cmd="touch ../up; sleep 25", max_experiments=9)
    project.ask("rebaseline", "--why", "x")
    began = time.monotonic()
    assert lr(project, "0.25") == "keep"
    assert time.monotonic() - began < 15
    until((project.root.parent / "up").exists)
    [pid, *_] = processes_with("agent_loops.notifier")
    environment = Path(f"/proc/{pid}/environ").read_bytes()
    assert b"CLAUDE" not in environment
    for other in processes_with(f"{project.sandbox}/notify.log"):
        subprocess.run(["kill", "-9", str(other)], check=False)
    for other in processes_with("sleep 25"):
        subprocess.run(["kill", "-9", str(other)], check=False)


def test_hostile_words_in_an_idea_stay_words(project: Project) -> None:
    idea = "lr: $(touch ../pwned) `touch ../pwned` '; touch ../pwned # \x1b[31m\u202e <b>&\" \ud800"
    assert lr(project, "0.25", idea.encode("utf-8", "replace").decode()) == "keep"
    [best] = told(project, 1)
    assert "$(touch ../pwned)" in best["text"]
    assert "\x1b" not in best["text"]
    assert "\u202e" not in best["text"]
    assert "\n" not in best["text"]
    assert not (project.root.parent / "pwned").exists()


def test_nothing_is_imported_or_written_where_nothing_tells(tmp_path: Path) -> None:
    project = Project(tmp_path / "p", train=TRAIN)
    project.baseline()
    assert lr(project, "0.25") == "keep"
    assert not (project.sandbox / "notified.json").exists()
    code = (
        "import sys; sys.path.insert(0, sys.argv.pop(1)); from agent_loops.cli import main; "
        "main(['wait']); print('agent_loops.notices' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(Path(notices.__file__).parent.parent)],
        cwd=project.root, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.endswith("False\n")


def test_the_desktop_is_told_of_trouble_and_of_an_end_that_nobody_made(
    project: Project, tmp_path: Path
) -> None:
    project.bind(max_experiments=9)
    assert project.ask("rebaseline", "--why", "x")["changed"] == ["notify_cmd"]
    programs = tmp_path / "bin"
    programs.mkdir()
    program = programs / "notify-send"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@" > ../shown\n')
    program.chmod(0o755)
    at_desktop = {"DISPLAY": ":0", "DBUS_SESSION_BUS_ADDRESS": "unix:path=/x",
                  "PATH": f"{programs}:/usr/bin:/bin"}  # fmt: skip
    store = campaigns.find_store(ProjectPaths(project.root))
    with store.locked() as campaign:
        store.append(events.Paused(by="engine", reason="the machine broke <b>"))
        notices.tell(store, {**at_desktop, "CI": "true"})
        files.write_atomic(store.paths.told, b"{}")
        notices.tell(store, at_desktop)  # after seconds the person is still there
        files.write_atomic(store.paths.told, b"{}")
        campaign.active_s = 3600.0
        notices.tell(store, at_desktop)
    shown = project.root.parent / "shown"
    until(lambda: shown.exists() and shown.read_text().count("\n") >= 4)
    assert shown.read_text().splitlines()[:3] == ["--app-name=agent-loops", "--", "agent-loops t1"]
    assert "the machine broke &lt;b&gt;" in shown.read_text()


@pytest.mark.parametrize(
    "variables",
    [
        {}, {"DISPLAY": ":0"}, {"DISPLAY": ":0", "DBUS_SESSION_BUS_ADDRESS": "x", "CI": "1"},
        {"DISPLAY": ":0", "DBUS_SESSION_BUS_ADDRESS": "x", "SSH_CONNECTION": "1 2 3 4"},
    ],
)  # fmt: skip
def test_no_desktop_is_made_up(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    assert not desktop.is_there(variables)
