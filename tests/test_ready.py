"""`agent-loops ready` in real campaigns: what was rehearsed is said, nothing else believed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections import namedtuple
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from agent_loops.readiness import transcripts
from support import ROOT, TRAIN, Answer, Project, commit_all, edit_block, git, processes_with, until

SESSION = "11111111-2222-3333-4444-555555555555"
SLOW = TRAIN.replace("import prepare\n", "import prepare, time\n").replace(
    '    print("---")\n', "    time.sleep(SECONDS)\n"
)


def training(seconds: float) -> str:
    """Takes this long, and is no different otherwise."""
    return SLOW.replace("SECONDS", str(seconds))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path / "p", train=training(0.5))
    project.bind(max_experiments=20)
    return project


def names(answer: Answer, key: str = "reasons") -> list[str]:
    return [item["name"] for item in answer[key]]


def said(answer: Answer, name: str, key: str = "reasons") -> str:
    return "; ".join(
        f"{item['reason']} -> {item['next']}" for item in answer[key] if item["name"] == name
    )


def entry(kind: str, content: list[dict[str, Any]], **more: object) -> str:
    message = {"role": kind, "content": content, **more.pop("message", {})}  # type: ignore[dict-item]
    return json.dumps({"type": kind, "message": message, **more}) + "\n"


def call(number: int, command: str, result: str, *, tokens: int = 0) -> str:
    """A Bash call of the agent's and what came back, as the client writes them."""
    use = {"type": "tool_use", "id": f"t{number}", "name": "Bash", "input": {"command": command}}
    usage = {"input_tokens": 10, "cache_read_input_tokens": tokens, "output_tokens": 50}
    back = {"type": "tool_result", "tool_use_id": f"t{number}", "content": result}
    return entry("assistant", [use], message={"id": f"m{number}", "usage": usage}) + entry(
        "user", [back]
    )


def remember(project: Project, *, mode: str = "default", transcript: Path | None = None) -> None:
    """What the hooks leave of a session."""
    project.write(
        f".agent-loops/sessions/{SESSION}.json",
        json.dumps({"loops": True, "seen": time.time(), "mode": mode,
                    "transcript": str(transcript or "")}),
    )  # fmt: skip


def lead(project: Project, idea: str = "lr: more", old: str = "0.01", new: str = "0.02") -> Answer:
    """An experiment of an agent's, in a session of the host's."""
    answer = project.ask(
        "try", idea, "--edit", "-", stdin=edit_block("train.py", f"LR = {old}", f"LR = {new}"),
        env={"CLAUDE_CODE_SESSION_ID": SESSION, "CLAUDECODE": "1"},
    )  # fmt: skip
    assert answer.code == 0, answer
    return answer


def grant(project: Project) -> None:
    adds = project.ask("setup", "--allow")["adds"]
    project.write(".claude/settings.local.json", json.dumps(adds))


def test_a_first_call_measures_the_baseline_and_rehearses(project: Project) -> None:
    project.setup()
    before = project.read("train.py")
    answer = project.ask("ready")
    assert answer.code == 0, answer
    assert answer["baseline"]["experiment"] == 1
    rehearsed = answer["rehearsal"]
    assert (rehearsed["experiment"], rehearsed["resumed"], rehearsed["restored"]) == (2, True, True)
    assert 0 <= rehearsed["noticed_s"] < 5
    assert answer["noise"]["difference"] == 0
    assert project.read("train.py") == before
    started, decided = project.events("experiment_started")[-1], project.events("decided")[-1]
    assert started["rehearsal"] is True
    assert (decided["verdict"], decided["kind"]) == ("discard", "rehearsal")
    assert project.call("diff", "2").out.count("\n+") == 2  # +++ and one blank line


def test_what_was_proven_is_not_run_again(project: Project) -> None:
    project.baseline()
    first = project.ask("ready")
    count = len(project.journal())
    again = project.ask("ready")
    assert len(project.journal()) == count
    assert again["rehearsal"] == first["rehearsal"]
    lead(project)  # a better incumbent: its own rehearsal
    answer = project.ask("ready")
    assert answer["rehearsal"]["experiment"] == 4
    assert project.events("experiment_started")[-1]["base"] == 3


def test_a_rehearsal_is_no_idea(project: Project) -> None:
    """Not the best, not one of max_experiments, no duplicate, no step to the canary, never kept."""
    project.bind(max_experiments=2)
    project.write("prepare.py", (
        "import os\n"
        "def loss(lr, width):\n"
        "    n = len(open('calls').read()) if os.path.exists('calls') else 0\n"
        "    open('calls', 'a').write('x')\n"
        "    return 2.0 - n / 10 + abs(lr - 0.05)\n"
    ))  # fmt: skip
    project.baseline()
    answer = project.ask("ready")
    assert answer["rehearsal"]["experiment"] == 2
    assert answer["noise"]["difference"] == pytest.approx(0.1)
    status = project.ask("status")
    assert status["status"] == "active"
    assert (status["best"]["experiment"], status["incumbent"]["experiment"]) == (1, 1)
    refused = project.ask("override", "2", "keep", "--why", "it was better")
    assert (refused.code, refused["kind"]) == (3, "override")
    assert "rehearsal" in refused["reason"]
    assert lead(project)["experiment"] == 3
    assert project.ask("status")["status"] == "finished"
    counted = "experiments 2/2: 2 keep, 0 discard, 0 crash (1 rehearsed)"
    assert counted in project.call("status").out


def test_a_cached_fold_knows_rehearsals(project: Project) -> None:
    project.baseline()
    project.ask("ready")
    from agent_loops import campaigns, fold_cache

    store = campaigns.find_store(campaigns.find_project(project.root))
    fold_cache.save(store.campaign, store.paths, offset=store._offset)
    loaded = fold_cache.load(store.paths)
    assert loaded is not None
    assert (loaded[0].rehearsals, loaded[0].experiments[2].started.rehearsal) == (1, True)


def test_an_older_record_has_no_rehearsals() -> None:
    from agent_loops import events

    value = {"v": 1, "seq": 1, "time": "t", "boot_id": "b", "event": "experiment_started",
             "experiment": 1, "description": "d", "code": "c", "of_tomorrow": 3}  # fmt: skip
    event = events.from_json(value).event
    assert isinstance(event, events.ExperimentStarted)
    assert event.rehearsal is False


def test_the_difference_of_two_runs_is_a_first_look_at_the_noise(project: Project) -> None:
    project.write("prepare.py", "import os\ndef loss(lr, width):\n    "
                  "return 1 + int(os.environ['AGENT_LOOPS_RUN'][:4], 16) / 6553600\n")  # fmt: skip
    project.baseline()
    answer = project.call("ready")
    difference = project.ask("ready")["noise"]["difference"]
    assert 0 < difference < 0.01
    assert f"two runs of the same code differ by {difference:.4g}: gains" in answer.out


def test_a_terminal_without_a_session_is_told_what_was_not_seen(project: Project) -> None:
    project.baseline()
    answer = project.ask("ready")
    assert answer["status"] == "not ready"
    assert names(answer) == ["prompts"]
    assert "not seen yet" in said(answer, "prompts")
    assert "/agent-loops:karpathy" in said(answer, "prompts")
    text = project.call("ready").out
    assert text.startswith("not safe to leave: prompts\n")
    assert len(text.splitlines()) <= 20
    assert max(map(len, text.splitlines())) < 200


def test_safe_to_leave_after_an_agents_experiment(project: Project, tmp_path: Path) -> None:
    project.baseline()
    lead(project)
    path = tmp_path / "transcript.jsonl"
    path.write_text(
        entry("user", [], permissionMode="default")
        + call(1, "agent-loops doctor", "x" * 100)
        + call(2, "agent-loops try 'lr: more' --edit - <<'EDIT'\ntry\nEDIT", "y" * 200, tokens=1000)
        + call(3, "agent-loops wait --wait-s 580", "z" * 50, tokens=1300)
        + call(4, "agent-loops ready", "not counted")
        + call(5, "ls", "not counted")
        + '{"message": torn'
    )
    remember(project, transcript=path)
    grant(project)
    answer = project.ask("ready")
    assert (answer["status"], answer["reasons"]) == ("ready", []), answer
    assert answer["prompts"]["mode"] == "default"
    assert answer["context"]["experiments"] == 1
    assert answer["context"]["requests_each"] == 2
    assert answer["context"]["tokens_each"] == 300
    assert answer["fits"]["experiments"] == 18
    text = project.call("ready").out
    assert text.startswith("safe to leave\n")
    assert "none expected: hooks seen" in text
    assert "in default mode, 2 commands, none refused" in text


@pytest.mark.parametrize(
    ("mode", "status", "words"),
    [
        ("plan", "not ready", "plan mode"),
        ("dontAsk", "ready", ""),
        ("acceptEdits", "ready", ""),
        ("bypassPermissions", "ready", "bypasses permissions"),
    ],
)
def test_the_permission_mode_counts(project: Project, mode: str, status: str, words: str) -> None:
    project.baseline()
    lead(project)
    remember(project, mode=mode)
    grant(project)
    answer = project.ask("ready")
    assert answer["status"] == status, answer
    assert words in said(answer, "prompts") + said(answer, "prompts", "cautions")


def test_whoever_spoke_last_is_told_that_nothing_keeps_the_agent_on(project: Project) -> None:
    project.baseline()
    lead(project)
    remember(project)
    grant(project)
    assert said(project.ask("ready"), "loop", "cautions") == ""
    path = f".agent-loops/sessions/{SESSION}.json"
    project.write(path, json.dumps({**json.loads(project.read(path)), "loops": False}))
    answer = project.ask("ready")
    assert answer["status"] == "ready"
    assert "/agent-loops:karpathy" in said(answer, "loop", "cautions")


def test_last_weeks_session_vouches_for_nothing(project: Project) -> None:
    project.baseline()
    lead(project)
    remember(project)
    path = f".agent-loops/sessions/{SESSION}.json"
    project.write(path, json.dumps({**json.loads(project.read(path)), "seen": time.time() - 1e6}))
    assert "no session was seen for" in said(project.ask("ready"), "prompts")


def test_experiments_without_hooks_are_not_taken_for_safe(project: Project) -> None:
    project.baseline()
    lead(project)
    answer = project.ask("ready")
    assert "hooks did not run" in said(answer, "prompts")
    assert "agent-loops doctor" in said(answer, "prompts")


def test_a_rule_against_it_is_in_the_way(project: Project) -> None:
    project.baseline()
    lead(project)
    remember(project)
    project.write(".claude/settings.json", '{"permissions": {"deny": ["Bash(agent-loops:*)"]}}')
    answer = project.ask("ready")
    assert answer["status"] == "not ready"
    assert "is denied" in said(answer, "prompts")


def test_a_rehearsal_that_crashes_is_not_safe(project: Project) -> None:
    project.write("prepare.py", (
        "import os\n"
        "def loss(lr, width):\n"
        "    if os.path.exists('once'):\n"
        "        raise OSError('the second run finds what the first one left')\n"
        "    open('once', 'w').close()\n"
        "    return 1.0\n"
    ))  # fmt: skip
    project.baseline()
    answer = project.ask("ready")
    assert answer["status"] == "not ready"
    assert "#2, the incumbent's own code, crashed" in said(answer, "rehearsal")
    assert "agent-loops show 2" in said(answer, "rehearsal")


def test_a_baseline_that_crashes_is_said_and_not_tried_for_ever(project: Project) -> None:
    project.write("prepare.py", "raise ValueError('no data')\n")
    project.setup()
    answer = project.ask("ready")
    assert names(answer)[0] == "baseline"
    count = len(project.events("run_started"))
    again = project.ask("ready")
    assert "no data" in said(again, "baseline")
    assert len(project.events("run_started")) == count


@pytest.mark.parametrize(
    ("prepare", "name", "step"),
    [
        (lambda p: p.call("pause"), "paused", "agent-loops resume"),
        (lambda p: p.call("stop"), "stopped", "agent-loops resume"),
        (lambda p: p.write("prepare.py", p.read("prepare.py") + "#\n"), "harness", "put these"),
        (lambda p: p.edit("0.01", "0.03"), "edits", "agent-loops checkout 1"),
        (lambda p: p.bind(max_experiments=1), "bindings", "rebaseline"),
    ],
)
def test_what_refuses_an_idea_is_said_with_its_way_on(
    project: Project, prepare: Any, name: str, step: str
) -> None:
    project.baseline()
    prepare(project)
    answer = project.ask("ready")
    assert (answer.code, answer["status"]) == (0, "not ready")
    assert name in names(answer)
    assert step in said(answer, name)
    assert len(project.events("experiment_started")) == 1


def test_an_edit_after_the_rehearsal_is_seen_too(project: Project) -> None:
    project.baseline()
    project.ask("ready")
    project.edit("0.01", "0.03")
    answer = project.ask("ready")
    assert "agent-loops checkout 1" in said(answer, "rehearsal")
    assert answer["rehearsal"]["restored"] is False


def test_another_sessions_campaign(project: Project) -> None:
    project.baseline()
    lead(project)
    answer = project.ask("ready", env={"CLAUDE_CODE_SESSION_ID": "other", "CLAUDECODE": "1"})
    assert "another session" in names(answer)


def test_a_call_that_may_not_wait_is_taken_up_by_the_next(tmp_path: Path) -> None:
    project = Project(tmp_path / "p", train=training(2))
    project.baseline()
    answer = project.ask("ready", "--wait-s", "0")
    assert (answer["status"], answer["experiment"]) == ("running", 2)
    assert answer["next"] == "agent-loops ready"
    answer = project.ask("ready")
    assert (answer["rehearsal"]["experiment"], answer["rehearsal"]["resumed"]) == (2, True)
    assert len(project.events("run_started")) == 2


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_check_leaves_a_run_that_wait_takes_up(
    tmp_path: Path, signum: signal.Signals
) -> None:
    project = Project(tmp_path / "p", train=training(3))
    project.baseline()
    process = subprocess.Popen(
        project.command("ready"), cwd=project.root, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    until(lambda: len(project.events("run_started")) == 2)
    os.killpg(process.pid, signum)
    process.wait(timeout=30)
    answer = project.ask("wait")
    assert (answer["experiment"], answer["status"], answer["kind"]) == (2, "discard", "rehearsal")
    assert len(project.events("run_started")) == 2
    until(lambda: not processes_with(f"{project.root}"), timeout_s=10)
    assert project.ask("ready")["rehearsal"]["resumed"] is True


def test_the_agents_experiment_is_waited_for_and_recorded_first(tmp_path: Path) -> None:
    project = Project(tmp_path / "p", train=training(3))
    project.baseline()
    project.edit("0.01", "0.02")
    assert project.ask("try", "lr: more", "--wait-s", "0")["status"] == "running"
    answer = project.ask("ready")
    assert answer["rehearsal"]["experiment"] == 3
    assert [row[3] for row in project.rows()] == ["keep", "keep", "discard"]
    assert "LR = 0.02" in project.read("train.py")


def test_with_branches_the_rehearsal_is_a_commit_off_the_branch(project: Project) -> None:
    project.bind(iter_strategy="branches")
    commit_all(project.root)
    project.baseline()
    tip = git(project.root, "rev-parse", "HEAD")
    answer = project.ask("ready")
    assert answer["rehearsal"]["restored"] is True
    assert git(project.root, "rev-parse", "HEAD") == tip
    assert git(project.root, "status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("files", "chosen"),
    [
        ({"a.txt": "words\n", "train.py": TRAIN}, "train.py"),
        ({"a.json": "{}", "b.bin": b"\xff\xfe"}, "a.json"),
        ({"train.py": TRAIN.replace("\n", "\r\n")}, "train.py"),
        ({"empty.py": "", "x.md": "text"}, "x.md"),
    ],
)
def test_the_blank_line_goes_where_it_means_nothing(
    files: Mapping[str, str | bytes], chosen: str
) -> None:
    from agent_loops.readiness import rehearsal
    from agent_loops.snapshots import FileState

    base = {
        name: FileState(text if isinstance(text, bytes) else text.encode(), 0o644)
        for name, text in files.items()
    }
    tree = rehearsal._with_blank_line(base)
    changed = [name for name in base if tree[name] != base[name]]
    assert changed == [chosen]
    end = b"\r\n" if base[chosen].data.endswith(b"\r\n") else b"\n"
    assert tree[chosen].data == base[chosen].data + end


def test_nothing_that_a_line_can_end_is_refused() -> None:
    from agent_loops.errors import Refused
    from agent_loops.readiness import rehearsal
    from agent_loops.snapshots import FileState

    with pytest.raises(Refused, match="no editable file"):
        rehearsal._with_blank_line({"w.bin": FileState(b"\xff\x00", 0o644)})


# --- the transcript ----------------------------------------------------------------------------


def test_a_transcript_that_is_not_there_is_not_known(tmp_path: Path) -> None:
    assert transcripts.read(tmp_path / "none.jsonl") is None


def test_refusals_and_subagents_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    aside = json.loads(call(9, "agent-loops try other", "x").splitlines()[0])
    aside["isSidechain"] = True
    path.write_text(
        call(1, "cd p && agent-loops try 'a'", "Permission to use Bash has been denied because …")
        + call(2, "grep agent-loops README.md", "agent-loops try")
        + json.dumps(aside) + "\n[]\n"
        + call(3, "agent-loops try 'b'", "#2 keep")
    )  # fmt: skip
    seen = transcripts.read(path)
    assert seen is not None
    assert (seen.commands, seen.tries, seen.refused) == (2, 2, 1)
    assert seen.tokens_each is None


# --- the machine -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("apps", "key", "words"),
    [
        ("", "", "GPU 0 NVIDIA H100, 79.6 GB: idle"),
        ("GPU-a, 4711, 20480, python\n", "cautions", "held by python (pid 4711, 20.0 GB)"),
    ],
)
def test_whoever_else_is_on_the_device_is_named(
    project: Project, tmp_path: Path, apps: str, key: str, words: str
) -> None:
    program = tmp_path / "bin/nvidia-smi"
    program.parent.mkdir()
    gpu = "0, GPU-a, NVIDIA H100, 81559, 4\n"
    program.write_text(
        "#!/bin/sh\n"
        f"case $1 in --query-gpu=*) printf '%s' '{gpu}' ;; *) printf '%s' '{apps}' ;; esac\n"
    )
    program.chmod(0o755)
    project.baseline()
    env = {"PATH": f"{program.parent}:{os.environ['PATH']}"}
    answer = project.ask("ready", env=env)
    if key:
        assert words in said(answer, "device", key)
    else:
        assert words in project.call("ready", env=env).out


def test_files_that_do_not_fit_on_the_disk_are_in_the_way(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    from agent_loops import campaigns
    from agent_loops.loop import Loop
    from agent_loops.readiness import readiness, sights

    project.baseline()
    project.ask("ready")
    store = campaigns.find_store(campaigns.find_project(project.root))
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(sights.shutil, "disk_usage", lambda _: usage(10**6, 10**6, 1000))
    answer = readiness.run(Loop(store, project.root, os.environ), wait_s=None)
    reasons = [item for item in answer.values["reasons"] if item["name"] == "disk"]
    assert "keep_outputs" in reasons[0]["next"]
    assert answer.values["disk"]["needed_bytes"] > 1000


# --- what the hooks remember -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hook", "more"),
    [("person", {"prompt": "/agent-loops:karpathy"}), ("keep_going", {"background_tasks": []})],
)
def test_hooks_remember_that_they_ran_and_how(
    project: Project, hook: str, more: dict[str, object]
) -> None:
    from agent_loops.diagnosis import sessions
    from agent_loops.paths import ProjectPaths

    project.baseline()
    project.write(f".agent-loops/sessions/{SESSION}.json", '{"loops": true, "seen": 1}')
    event = {"session_id": SESSION, "permission_mode": "acceptEdits",
             "transcript_path": "/home/me/t.jsonl", **more}  # fmt: skip
    subprocess.run(
        [ROOT / "hooks/hook", hook], input=json.dumps(event).encode(), cwd=project.root,
        env={**os.environ, "CLAUDE_CODE_SESSION_ID": SESSION}, check=True, capture_output=True,
    )  # fmt: skip
    [session] = sessions.remembered(ProjectPaths(project.root))
    assert (session.name, session.mode) == (SESSION, "acceptEdits")
    assert session.transcript == "/home/me/t.jsonl"
    assert time.time() - session.seen < 60


def test_a_new_context_is_not_told_of_rehearsals_as_tries(project: Project) -> None:
    project.baseline()
    project.ask("ready")
    lead(project)
    project.ask("ready")
    done = subprocess.run(
        [ROOT / "hooks/hook", "reorient"], input=b'{"session_id": "x", "source": "startup"}',
        cwd=project.root, check=True, capture_output=True,
    )  # fmt: skip
    text = json.loads(done.stdout)["hookSpecificOutput"]["additionalContext"]
    assert "Tried: lr 1 (1 kept)" in text
    assert "rehearsal" not in text.partition("Tried:")[2]
