"""`agent-loops watch`: each rule with a client of the test's own, a real record, a quick clock."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import select
import shlex
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from agent_loops import open_clients, pointer
from agent_loops.client_command import ClientCommand
from agent_loops.errors import Refused
from agent_loops.lookout import Lookout, Standing
from agent_loops.surroundings import Surroundings
from agent_loops.watch_lock import WatchLock
from agent_loops.watchdog import Ending, Watchdog
from copies import copied
from support import ENTRY, Project, until

LEADER = "11111111-aaaa-4bbb-8ccc-222222222222"
PROMPT = "/agent-loops:karpathy"
# Writes down how it was started, then does the next line of ../plan; the last one again and again.
CLIENT = """\
import json, os, sys
plan = open("../plan").read().split("\\0")
with open("../starts", "a") as stream:
    stream.write(json.dumps(sys.argv[1:]) + "\\n")
count = len(open("../starts").readlines())
os.execvp("bash", ["bash", "-c", plan[min(count, len(plan)) - 1]])
"""


@pytest.fixture
def project(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A campaign that a session leads, with its baseline."""

    def make(root: Path) -> Project:
        made = Project(root)
        made.bind(notify_cmd="cat >> ../told")
        made.setup()
        env = {"CLAUDE_CODE_SESSION_ID": LEADER}
        assert made.ask("try", "baseline", env=env)["status"] == "keep"
        return made

    return copied(tmp_path / "a 'project'", tmp_path_factory, "watch", make)


class Quick(Surroundings):
    """Waits take no time, and the clock believes that they did."""

    def __init__(self, root: Path, *, interactive: bool) -> None:
        super().__init__(root, os.environ)
        self.has_terminal = interactive
        self.offset_s = 0.0
        self.leap_s = 0.0
        self.waited: list[float] = []
        self.said: list[str] = []
        self.while_waiting: Callable[[], object] = lambda: None

    def now(self) -> float:
        return time.time() + self.offset_s

    def rest(self, seconds: float) -> None:
        self.waited[-1] += max(seconds, self.leap_s)
        self.offset_s += max(seconds, self.leap_s)
        self.while_waiting()

    def say(self, text: str) -> None:
        self.said.append(text)
        self.waited.append(0.0)


class Watched:
    """One watch over a fake client with a plan: a shell line for each start."""

    def __init__(self, project: Project, *words: str, interactive: bool = False) -> None:
        self.project = project
        self.root = project.root
        program = project.root.parent / "claude"
        program.write_text(f"#!{sys.executable}\n{CLIENT}")
        program.chmod(0o755)
        self.program = str(program)
        self.command = ClientCommand.parse([self.program, *words])
        self.lookout = Lookout(self.root, os.environ)
        self.world = Quick(self.root, interactive=interactive)

    def run(self, *plan: str) -> Ending:
        (self.root.parent / "plan").write_text("\0".join(plan))
        pointer.make_state_dir(self.lookout.project)
        lock = WatchLock(self.lookout.project.watch_lock)
        try:
            with self.world.terminal.handling():
                return Watchdog(self.command, self.lookout, self.world, lock).run()
        finally:
            lock.release()

    @property
    def starts(self) -> list[list[str]]:
        path = self.root.parent / "starts"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def call(self, *words: str, session: str = LEADER) -> str:
        """The shell line of an agent that calls agent-loops."""
        call = shlex.join(self.project.command(*words))
        return f"CLAUDE_CODE_SESSION_ID={session} {call} >/dev/null"

    def experiment(self, rate: float, **more: str) -> str:
        return f"sed -i 's/^LR =.*/LR = {rate}/' train.py; {self.call('try', 'lr', **more)}"


def loops(project: Project, *, value: bool) -> None:
    """What the hooks remember of the session that leads."""
    sessions = project.root / ".agent-loops/sessions"
    sessions.mkdir()
    (sessions / f"{LEADER}.json").write_text(json.dumps({"loops": value}))


def told(project: Project) -> list[str]:
    path = project.root.parent / "told"
    lines = path.read_text().splitlines() if path.exists() else []
    return [str(json.loads(line)["text"]) for line in lines]


# ---- going on ----------------------------------------------------------------------------------


def test_a_client_that_was_killed_is_started_again_in_its_session(project: Project) -> None:
    watched = Watched(project, "-p", "--model", "opus", "set it up\nfor me", "--verbose")
    ending = watched.run("kill -9 $$", watched.call("pause"))
    assert watched.starts == [
        ["-p", "--model", "opus", "set it up\nfor me", "--verbose"],
        [PROMPT, "--resume", LEADER, "-p", "--model", "opus", "--verbose"],
    ]
    assert ending.status == "paused"
    assert "campaign t1 is paused (by the agent); 1 experiment, best #1" in ending.text
    assert "was killed by signal 9; again in 60.0 s" in watched.world.said[0]


def test_what_a_record_calls_a_session_is_no_option_of_the_client(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.setup()
    option = "--dangerously-skip-permissions"
    env = {"CLAUDE_CODE_SESSION_ID": option}
    assert project.ask("try", "baseline", env=env)["status"] == "keep"
    watched = Watched(project, "-p")
    watched.run("kill -9 $$", watched.call("pause", session=option))
    assert watched.starts == [["-p"], [PROMPT, "-p"]]
    assert option not in watched.world.said[0]


def test_an_end_of_p_with_progress_goes_on_at_once_and_resets_the_waits(project: Project) -> None:
    watched = Watched(project, "-p")
    plan = ["exit 1", "exit 1", f"sleep 0; {watched.experiment(0.04)}", watched.call("pause")]
    assert watched.run(*plan).status == "paused"
    assert [round(item) for item in watched.world.waited] == [60, 5, 5]


@pytest.mark.parametrize(
    ("words", "at_least_s", "at_most_s"),
    [
        ("Claude AI usage limit reached|{epoch}", 7200, 7400),
        ("API Error: 529 overloaded_error", 60, 64),
        ("You've hit your session limit", 60, 64),
    ],
)
def test_limits_and_server_errors_are_waited_out(
    project: Project, words: str, at_least_s: float, at_most_s: float
) -> None:
    watched = Watched(project, "-p")
    watched.world.leap_s = 10.0
    said = words.format(epoch=int(time.time()) + 7200)
    assert (
        watched.run(f"echo {shlex.quote(said)}; exit 1", watched.call("pause")).status == "paused"
    )
    assert at_least_s <= watched.world.waited[0] <= at_most_s + 10
    assert watched.starts[1][1:3] == ["--resume", LEADER]  # a limit says nothing of the session


def test_waits_double_up_to_half_an_hour_and_then_it_gives_up(project: Project) -> None:
    watched = Watched(project, "-p")
    watched.world.leap_s = 60.0
    ending = watched.run("echo 'API Error: 500'; exit 1")
    assert ending.status == "gave up"
    assert "24 starts without any progress; the client ended (1): API Error: 500" in ending.text
    waits = [round(item / 60) for item in watched.world.waited]
    assert waits[:7] == [1, 2, 4, 8, 16, 30, 30]
    assert 9 < sum(watched.world.waited) / 3600 < 12
    until(lambda: told(project))
    assert told(project)[0].startswith("t1: the watch gave up: 24 starts without any progress")
    assert "agent-loops watch --" in ending.next_step


def test_a_client_that_says_nothing_and_ends_at_once_is_given_up_soon(project: Project) -> None:
    watched = Watched(project, "-p")
    ending = watched.run("exit 3")
    assert ending.status == "gave up"
    assert "5 times soon after its start" in ending.text
    assert sum(watched.world.waited) < 1200
    assert "--resume" in watched.starts[1]
    assert "--resume" not in watched.starts[2]  # the session may be what is broken


@pytest.mark.parametrize("words", ["Not logged in · Please run /login", "Invalid API key"])
def test_without_a_login_it_gives_up_at_once(project: Project, words: str) -> None:
    watched = Watched(project, "-p")
    ending = watched.run(f"echo {shlex.quote(words)}; exit 1")
    assert ending.status == "gave up"
    assert f"no login: {words}" in ending.text
    assert len(watched.starts) == 1


def test_a_program_that_is_not_there_is_given_up_at_once(project: Project) -> None:
    watched = Watched(project)
    watched.command = ClientCommand.parse(["no-such-client-at-all", "-p"])
    ending = watched.run("")
    assert ending.status == "gave up"
    assert "no-such-client-at-all cannot be started: No such file" in ending.text
    watched = Watched(project)
    watched.command = ClientCommand.parse(["env", "no-such-client-at-all"])
    assert "exit code 127" in watched.run("").text


def test_a_session_that_cannot_be_resumed_is_followed_by_a_new_one(project: Project) -> None:
    watched = Watched(project, "-p", "--plugin-dir", "x")
    gone = f"echo 'No conversation found with session ID: {LEADER}'; exit 1"
    new = "99999999-aaaa-4bbb-8ccc-222222222222"
    takes_over = watched.call("resume", "--take-over", session=new)
    ending = watched.run(
        "kill -9 $$", gone, f"{takes_over}; kill -9 $$", watched.call("pause", session=new)
    )
    assert ending.status == "paused"
    assert [words[:3] for words in watched.starts[1:]] == [
        [PROMPT, "--resume", LEADER],
        [PROMPT, "-p", "--plugin-dir"],
        [PROMPT, "--resume", new],
    ]
    assert round(watched.world.waited[1]) == 5


def test_a_client_that_sits_still_is_ended_and_resumed(project: Project) -> None:
    watched = Watched(project, interactive=True)
    loops(project, value=True)
    began = watched.world.now

    def now() -> float:
        """An hour passes as soon as the first client is up."""
        sits = (project.root.parent / "up").exists() and len(watched.starts) == 1
        return began() + (3600.0 if sits else 0.0)

    watched.world.now = now  # type: ignore[method-assign]
    ending = watched.run("touch ../up; exec sleep 600", watched.call("pause"))
    assert ending.status == "paused"
    assert watched.starts[1] == [PROMPT, "--resume", LEADER]
    assert "nothing has moved for long" in watched.world.said[0]


@pytest.mark.parametrize("reason", ["the person spoke last", "a run", "a word", "recently"])
def test_a_client_that_is_not_idle_is_left_alone(project: Project, reason: str) -> None:
    watched = Watched(project, interactive=True)
    loops(project, value=reason != "the person spoke last")
    now = time.time() + (1000 if reason == "recently" else 1e6)
    if reason == "a word":
        transcript = Path.home() / f".claude/projects/-x/{LEADER}.jsonl"
        transcript.parent.mkdir(parents=True)
        transcript.touch()
        os.utime(transcript, (now - 60, now - 60))
    lock = WatchLock(project.root / ".agent-loops/watch.lock")
    watched.world.now = lambda: now  # type: ignore[method-assign]
    dog = Watchdog(watched.command, watched.lookout, watched.world, lock)
    standing = watched.lookout.look()
    assert standing.state == "active"
    assert not dog._is_quiet(standing._replace(is_running=reason == "a run"), 0.0)
    if reason == "a run":
        assert dog._is_quiet(standing, 0.0)
    lock.release()


def conversation(at: float, *said: dict[str, object]) -> None:
    """What the client keeps of the leading session, written last at that time."""
    path = Path.home() / f".claude/projects/-x/{LEADER}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in said))
    os.utime(path, (at, at))


def words(text: str, *, is_error: bool = True) -> dict[str, object]:
    return {
        "type": "assistant", "isApiErrorMessage": is_error,
        "message": {"role": "assistant", "content": [{"type": "text", "text": text}]},
    }  # fmt: skip


def test_a_client_at_a_limit_is_left_alone_until_its_reset(project: Project) -> None:
    """Also one that has the terminal to itself: its conversation says when that is."""
    watched = Watched(project, interactive=True)
    loops(project, value=True)
    began = time.time()
    said_at = began + 1000.0
    limit = words("You've hit your session limit · resets in 5h")
    conversation(said_at, words("so far", is_error=False), limit, {"type": "system"})
    lock = WatchLock(project.root / ".agent-loops/watch.lock")
    dog = Watchdog(watched.command, watched.lookout, watched.world, lock)
    standing = watched.lookout.look()

    def is_quiet_after(seconds: float) -> bool:
        watched.world.offset_s = said_at + seconds - time.time()
        return dog._is_quiet(standing, began)

    assert not is_quiet_after(4 * 3600)
    assert not is_quiet_after(5 * 3600 - 5)
    assert is_quiet_after(5 * 3600 + 5)
    conversation(said_at, limit, words("on again", is_error=False))
    assert not is_quiet_after(1700)
    assert is_quiet_after(1900)
    lock.release()


def test_an_interactive_clients_last_words_stand_in_its_conversation(project: Project) -> None:
    watched = Watched(project, interactive=True)
    watched.world.leap_s = 60.0
    limit = words("You've hit your session limit · resets in 5h")
    conversation(time.time() + 5, limit)
    assert watched.run("kill -9 $$", watched.call("pause")).status == "paused"
    assert 5 * 3600 < watched.world.waited[0] < 5 * 3600 + 200


OTHER_FORMAT = '{"type":"assistant","isApiErrorMessage":true,"message":{"content":"API Error"}}'


@pytest.mark.parametrize(
    "text",
    ["", "no JSON", '{"type":"assistant"}', '{"type":"assistant","a', '["type"]', OTHER_FORMAT],
)
def test_a_conversation_in_another_format_says_nothing(text: str) -> None:
    conversation(time.time())
    path = next((Path.home() / ".claude/projects/-x").iterdir())
    path.write_text(text)
    assert open_clients.last_word({}, LEADER).error == ""
    assert open_clients.last_word({}, "../x").at == 0.0


def test_no_campaign_yet_is_no_obstacle(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    watched = Watched(project, "-p", "set it up")
    limit = "echo 'You have hit your session limit'; echo \"You've hit your limit\"; exit 1"
    begins = f"{watched.call('setup')}; {watched.call('try', 'baseline')}; kill -9 $$"
    assert watched.run(limit, begins, watched.call("pause")).status == "paused"
    assert watched.starts[0] == watched.starts[1] == ["-p", "set it up"]
    assert watched.starts[2] == [PROMPT, "--resume", LEADER, "-p"]


def test_not_even_bindings_yet(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    (project.root / "loop.run.yaml").rename(tmp_path / "later.yaml")
    watched = Watched(project, "-p")
    begins = f"mv ../later.yaml loop.run.yaml; {watched.call('setup')}; kill -9 $$"
    assert watched.run(begins, watched.call("pause")).status == "paused"


def test_a_client_that_died_before_its_first_experiment_is_resumed(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.setup()
    watched = Watched(project, "-p")
    folder = Path.home() / ".claude/sessions"
    folder.mkdir(parents=True)
    entry = f'{{"pid": \'$$\', "sessionId": "{LEADER}"}}'
    says = f"echo '{entry}' > {shlex.quote(str(folder))}/$$.json; touch ../up; exec sleep 600"
    seen = watched.lookout.session_of

    def look(client: int) -> str:
        """Ends the client as soon as it said which session it has."""
        session = seen(client)
        if session and len(watched.starts) == 1:
            os.kill(client, signal.SIGKILL)
        return session

    watched.lookout.session_of = look  # type: ignore[method-assign]
    assert watched.run(says, watched.call("pause")).status == "paused"
    assert watched.starts[1] == [PROMPT, "--resume", LEADER, "-p"]


# ---- ending ------------------------------------------------------------------------------------


def test_the_person_who_ends_the_client_ends_the_watch(project: Project) -> None:
    watched = Watched(project, "do it", "--model", "opus", interactive=True)
    ending = watched.run("exit 0")
    assert ending.status == "left"
    assert "campaign t1 is active and nobody works on it" in ending.text
    assert ending.next_step.startswith("to go on: agent-loops watch -- ")
    assert ending.next_step.endswith(f"{PROMPT} --resume {LEADER} --model opus")


def test_a_pause_while_it_waits_is_noticed_within_seconds(project: Project) -> None:
    watched = Watched(project, "-p")
    watched.world.while_waiting = lambda: (
        project.ask("pause") if watched.world.waited[-1] == 10 else None
    )
    ending = watched.run("echo 'usage limit reached'; exit 1")
    assert (ending.status, len(watched.starts)) == ("paused", 1)
    assert watched.world.waited == [10]


def test_a_stop_condition_while_it_waits_ends_it_and_is_told(project: Project) -> None:
    watched = Watched(project, "-p")

    def wait() -> None:
        assert project.ask("resume", "--until", "1s").code == 0
        until(lambda: watched.lookout.look().state == "finished")

    watched.world.while_waiting = wait
    ending = watched.run("echo 'usage limit reached'; exit 1")
    assert ending.status == "finished"
    assert "resume --until: it is past" in ending.text
    assert "best #1 val_bpb 1.165" in ending.text
    until(lambda: told(project))
    assert len(told(project)) == 1
    assert told(project)[0].startswith("t1: finished (resume --until: it is past")


def test_a_run_that_ended_while_nobody_looked_is_settled_at_the_end(project: Project) -> None:
    watched = Watched(project, "-p")
    tries = watched.experiment(0.04).replace("try lr", "try lr --wait-s 0")

    def stop() -> None:
        until(lambda: not watched.lookout.look().is_running)
        assert project.ask("stop").code == 0

    watched.world.while_waiting = stop
    assert watched.run(f"{tries}; kill -9 $$").status == "stopped"
    assert [row[3] for row in project.rows()] == ["keep", "keep"]


def test_a_campaign_that_ends_is_not_gone_on_with(project: Project) -> None:
    watched = Watched(project, "-p")
    ending = watched.run(f"{watched.call('stop', '--why', 'good enough')}; exit 1")
    assert (ending.status, len(watched.starts)) == ("stopped", 1)
    assert "is stopped (by the agent: good enough)" in ending.text


def test_a_client_without_a_campaign_is_not_started_again(tmp_path: Path) -> None:
    watched = Watched(Project(tmp_path / "p"), "-p")
    ending = watched.run("exit 0")
    assert ending.status == "gave up"
    assert "no campaign was begun" in ending.text
    watched = Watched(Project(tmp_path / "q"), interactive=True)
    assert watched.run("exit 0").status == "left"


def test_a_damaged_record_is_no_loop(project: Project) -> None:
    watched = Watched(project, "-p")
    ending = watched.run("sed -i '2s/.*/broken/' sandbox/t1/journal.jsonl; exit 1")
    assert ending.status == "gave up"
    assert "journal.jsonl:2" in ending.text


# ---- never two -----------------------------------------------------------------------------------


@contextlib.contextmanager
def another_client(session: str) -> Iterator[int]:
    """A living process that says of itself that it is a client with that session open."""
    process = subprocess.Popen(["sleep", "600"])
    folder = Path.home() / ".claude/sessions"
    folder.mkdir(parents=True, exist_ok=True)
    start = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[19]
    entry = {"pid": process.pid, "sessionId": session, "procStart": start}
    (folder / f"{process.pid}.json").write_text(json.dumps(entry))
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


def test_a_campaign_that_another_client_leads_is_not_doubled(project: Project) -> None:
    watched = Watched(project, "-p")
    with another_client(LEADER) as pid, pytest.raises(Refused, match=f"process {pid}"):
        watched.run("exit 0")
    assert watched.starts == []


def test_it_waits_while_another_client_leads(project: Project) -> None:
    watched = Watched(project, "-p")
    with contextlib.ExitStack() as stack:

        def wait() -> None:
            if len(watched.world.waited) == 1 and watched.world.waited[0] < 10:
                if watched.world.waited[0] == 2:
                    stack.enter_context(another_client(LEADER))
            elif len(watched.world.waited) == 2 and watched.world.waited[1] >= 100:
                stack.close()

        watched.world.while_waiting = wait
        assert watched.run("kill -9 $$", watched.call("pause")).status == "paused"
    assert "another client, leads the campaign; waiting" in watched.world.said[1]
    assert 98 <= watched.world.waited[1] <= 104


def test_a_killed_client_that_left_its_file_is_no_other(project: Project) -> None:
    with another_client(LEADER):
        pass
    watched = Watched(project, "-p")
    assert watched.run(watched.call("pause")).status == "paused"


def watch(project: Project, *words: str, **more: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        project.command("watch", "--json", "--", *words), cwd=project.root, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more,  # type: ignore[call-overload]
    )  # fmt: skip


def client(root: Path, script: str) -> Sequence[str]:
    path = root.parent / "claude"
    path.write_text(f"#!/bin/bash\n{script}\n")
    path.chmod(0o755)
    return [str(path), "-p"]


def test_a_second_watch_is_refused_and_the_first_passes_signals_on(project: Project) -> None:
    marks = "trap 'touch ../got-term; kill %1; exit 5' TERM; touch ../up; sleep 600 & wait"
    first = watch(project, *client(project.root, marks))
    until((project.root.parent / "up").exists)
    second = watch(project, "true")
    out, _ = second.communicate(timeout=30)
    assert second.returncode == 3
    assert json.loads(out)["reason"].endswith(f"process {first.pid}")
    first.terminate()
    out, err = first.communicate(timeout=30)
    assert (first.returncode, err) == (0, "")
    assert json.loads(out)["status"] == "left"
    assert "campaign t1 is active" in json.loads(out)["reason"]
    assert (project.root.parent / "got-term").exists()


def test_a_client_that_outlived_its_watch_is_not_doubled(project: Project) -> None:
    first = watch(project, *client(project.root, "touch ../up; exec sleep 600"))
    until((project.root.parent / "up").exists)
    lock = project.root / ".agent-loops/watch.lock"
    until(lambda: json.loads(lock.read_text())["client"] > 1)
    alive = json.loads(lock.read_text())["client"]
    first.kill()
    first.communicate()
    second = watch(project, "true")
    out, _ = second.communicate(timeout=30)
    os.kill(alive, signal.SIGKILL)
    assert second.returncode == 3
    assert json.loads(out)["reason"].endswith(f"process {alive}")
    until(lambda: not Path(f"/proc/{alive}").exists())
    third = watch(project, *client(project.root, shlex.join(project.command("stop"))))
    assert third.wait(30) == 0
    third.communicate()


def test_what_it_is_given_is_passed_on_and_nothing_of_ours(project: Project) -> None:
    script = 'printf "%s\\n" "$@"; env | cut -d= -f1 | sort > ../env; echo oops >&2; cat\n'
    script += f"{shlex.join(project.command('pause'))}; exit 1"
    words = [*client(project.root, script), "--json", "--", "two words", "$HOME"]
    done = subprocess.run(
        project.command("watch", "--", *words), cwd=project.root, input="from the person",
        capture_output=True, text=True, check=False, timeout=60,
        env={**os.environ, "MINE": "1"},
    )  # fmt: skip
    assert done.returncode == 0
    assert done.stdout.startswith("-p\n--json\n--\ntwo words\n$HOME\nfrom the person")
    seen = set((project.root.parent / "env").read_text().split())
    assert "oops" in done.stderr
    assert "MINE" in seen
    assert not {name for name in seen if name.startswith(("AGENT_LOOPS", "_al_"))}


def test_it_is_not_started_by_an_agent(project: Project) -> None:
    answer = project.ask("watch", env={"CLAUDECODE": "1"})
    assert answer.code == 2
    done = project.call("watch", "--", "true", env={"CLAUDECODE": "1"})
    assert done.code == 3
    assert "a terminal of their own" in done.out


def test_the_two_dashes_are_not_forgotten_in_vain(project: Project) -> None:
    done = project.call("watch", "claude", "-p")
    assert done.code == 2
    assert "agent-loops watch -- claude -p" in " ".join(done.err.split())


def test_what_an_agent_says_at_its_end_is_no_trouble(project: Project) -> None:
    watched = Watched(project, "-p")
    end = "echo 'wandb: Not logged in. Please run /login'; exit 0"
    assert watched.run(end, watched.call("pause")).status == "paused"


@pytest.mark.parametrize("flag", ["--bg", "--background", "--cloud", "--desktop"])
def test_a_client_that_leaves_is_not_watched(project: Project, flag: str) -> None:
    done = project.call("watch", "--", "claude", flag)
    assert done.code == 2
    assert flag in done.err


# ---- the terminal ------------------------------------------------------------------------------

AT_THE_TERMINAL = """\
import json, os, signal, sys, termios, time, tty

def show(**values):
    print("SEEN " + json.dumps(values), end="\\r\\n", flush=True)

def resized(*_):
    show(size=list(os.get_terminal_size(0)))

signal.signal(signal.SIGWINCH, resized)
show(ttys=[os.isatty(fd) for fd in range(3)], group=os.getpgrp() == os.tcgetpgrp(0))
resized()
if len(sys.argv) > 1 and sys.argv[1] == "wait":
    tty.setraw(0)
    show(typed=os.read(0, 10).decode())
    os.kill(os.getpid(), signal.SIGKILL)
open("../again", "w").close()
sys.exit(0)
"""


def test_the_terminal_is_the_clients_own(project: Project) -> None:
    """Keys (Ctrl-C among them), size and settings; a killed client does not leave it raw."""
    path = project.root.parent / "claude"
    path.write_text(f"#!{sys.executable}\n{AT_THE_TERMINAL}")
    path.chmod(0o755)
    library, main = ENTRY.split("; from ")
    patience = "import agent_loops.patience as p; p._FIRST_WAIT_S = 0.1"
    quick = f"{library}; {patience}; from {main}"
    words = [sys.executable, "-E", "-s", "-c", quick, "watch", "--", str(path), "wait"]
    pid, master = pty.fork()
    if pid == 0:
        os.chdir(project.root)
        os.execv(words[0], words)
    seen = b""

    def until_seen(text: bytes) -> None:
        nonlocal seen
        deadline = time.monotonic() + 30
        while text not in seen:
            left_s = deadline - time.monotonic()
            assert left_s > 0, seen
            assert select.select([master], [], [], left_s)[0], seen
            try:
                seen += os.read(master, 4096)
            except OSError:  # the other end was closed
                raise AssertionError(seen) from None

    until_seen(b'"ttys": [true, true, true], "group": true')
    until_seen(b'"size"')
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 77, 0, 0))
    until_seen(b'"size": [77, 33]')
    until(lambda: not termios.tcgetattr(master)[3] & termios.ICANON)
    os.write(master, b"\x03")
    until_seen(b'"typed": "\\u0003"')
    until_seen(b"was killed by signal 9")
    assert termios.tcgetattr(master)[3] & termios.ICANON
    until_seen(b"the client was ended by hand; campaign t1 is active")
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert (project.root.parent / "again").exists()
    os.close(master)


def test_ctrl_c_while_it_waits_ends_it(project: Project) -> None:
    first = watch(project, *client(project.root, "touch ../up; echo 'usage limit reached'; exit 1"))
    assert first.stderr is not None
    assert "Ctrl-C ends this" in first.stderr.readline()
    first.send_signal(signal.SIGINT)
    out, _ = first.communicate(timeout=30)
    *passed_on, answer = out.splitlines()
    assert passed_on == ["usage limit reached"]
    assert (first.returncode, json.loads(answer)["status"]) == (0, "left")


def test_a_signal_behind_ctrl_c_is_not_lost(project: Project) -> None:
    """An interactive client has Ctrl-C to itself; who closes the terminal then means it."""
    watched = Watched(project, interactive=True)
    me = os.getpid()
    plan = f"trap 'exit 7' TERM; kill -INT {me}; kill -TERM {me}; while :; do sleep 0.1; done"
    assert watched.run(plan).status == "left"
    assert watched.world.terminal.signal == signal.SIGTERM


def test_a_watch_that_fails_leaves_no_client_behind(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched(project)
    up = project.root.parent / "up"
    look = Lookout.look

    def fails(lookout: Lookout) -> Standing:
        if up.exists():
            raise ZeroDivisionError
        return look(lookout)

    monkeypatch.setattr(Lookout, "look", fails)
    with pytest.raises(ZeroDivisionError):
        watched.run("echo $$ > ../pid; touch ../up; exec sleep 600")
    with pytest.raises(ProcessLookupError):
        os.kill(int((project.root.parent / "pid").read_text()), 0)


STOPS_ITSELF = """\
import os, signal, sys
open("../up", "w").close()
os.kill(os.getpid(), signal.SIGSTOP)
print("AWAKE", flush=True)
"""


def test_suspending_the_client_gives_the_shell_back(project: Project) -> None:
    """As Ctrl-Z does in a client that has the keyboard to itself; `fg` goes on with both."""
    path = project.root.parent / "claude"
    path.write_text(f"#!{sys.executable}\n{STOPS_ITSELF}")
    path.chmod(0o755)
    pid, master = pty.fork()
    if pid == 0:
        os.chdir(project.root)
        os.execvp("bash", ["bash", "--norc", "--noprofile", "-i"])
    call = shlex.join(project.command("watch", "--", str(path)))
    os.write(master, f"PS1=; stty -echo\n{call}\n".encode())
    seen = b""
    for text, answer in (
        (b"Stopped", b"echo back at the she''ll; fg\n"),
        (b"back at the shell", b""),
        (b"AWAKE", b""),
        (b"the client was ended by hand", b"exit\n"),
    ):
        deadline = time.monotonic() + 30
        while text not in seen:
            left_s = deadline - time.monotonic()
            assert left_s > 0, seen
            assert select.select([master], [], [], left_s)[0], seen
            seen += os.read(master, 4096)
        os.write(master, answer)
    os.waitpid(pid, 0)
    os.close(master)


def test_without_a_shell_a_suspended_client_goes_on(project: Project) -> None:
    """Nobody could type `fg`: in a tmux window of its own, say."""
    script = "kill -STOP $$; touch ../on; " + shlex.join(project.command("pause"))
    alone = watch(project, *client(project.root, script), start_new_session=True)
    assert alone.wait(30) == 0
    alone.communicate()
    assert (project.root.parent / "on").exists()


def test_the_claim_is_made_where_no_client_is_left_for_it(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.bind(notify_cmd="cat >> ../told", stop_after="2 h", confirm_time="2 h")
    project.setup()
    env = {"CLAUDE_CODE_SESSION_ID": LEADER}
    assert project.ask("try", "baseline", env=env)["status"] == "keep"
    watched = Watched(project, "-p")
    ending = watched.run(watched.experiment(0.04))
    assert ending.status == "finished"
    assert len(watched.starts) == 1
    assert "finished: confirming the best" in watched.world.said[0]
    (started,) = project.events("confirmation_started")
    assert started["by"] == "the end of the campaign"
    (claim,) = project.events("confirmed")
    assert claim["verdict"] == "improved"
    assert claim["sentence"] in ending.text
    until(lambda: any(claim["sentence"][:60] in line for line in told(project)))
