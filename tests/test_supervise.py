"""Runs real processes: what they do to get away, and what becomes of caller and supervisor."""

from __future__ import annotations

import json
import os
import re
import resource
import shlex
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from agent_loops import files, machine, memory, processes, supervise, supervisor
from agent_loops.errors import AgentLoopsError
from agent_loops.supervise import RunEnd, RunSpec

DEADLINE_S = 60.0
SCRIPTS = Path(supervise.__file__).resolve().parent.parent
linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a subreaper")


def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"in vain: {what}"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    process = processes.look(pid)
    return process is not None and process.alive


def python(code: str) -> str:
    """A shell command that runs `code`, and is replaced by it."""
    return f"exec {shlex.quote(sys.executable)} -c {shlex.quote(textwrap.dedent(code))}"


class Runs:
    """Makes runs in one folder, and knows in the end whether they left a process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.specs: list[RunSpec] = []
        self.supervisors: list[int] = []

    def spec(self, command: str, **changes: Any) -> RunSpec:
        iteration = self.folder / "iter1"
        spec = RunSpec(
            command=command,
            workspace=self.folder,
            log=iteration / "run.log",
            receipt=iteration / "run.json",
            run_lock=self.folder / "run.lock",
            environment=dict(os.environ),
            marker=os.urandom(8).hex(),
            timeout_s=DEADLINE_S,
        )
        spec = spec._replace(**changes)
        self.specs.append(spec)
        return spec

    def start(self, spec: RunSpec) -> supervise.Launch:
        launch = supervise.launch(spec)
        self.supervisors.append(launch.pid)
        launch.go()
        return launch

    def result(self, spec: RunSpec) -> dict[str, Any]:
        assert supervise.wait_for_end(spec.run_lock, DEADLINE_S), "the run does not end"
        receipt: dict[str, Any] = files.load_json(spec.receipt.read_bytes())
        assert receipt["marker"] == spec.marker
        return receipt

    def run(self, command: str, **changes: Any) -> dict[str, Any]:
        spec = self.spec(command, **changes)
        self.start(spec)
        return self.result(spec)

    def pid_from(self, name: str) -> int:
        """The number that a process of the run wrote to the file `name`."""
        path = self.folder / name
        until(lambda: path.exists() and path.read_text().endswith("\n"), f"{name} is written")
        return int(path.read_text())

    def left_behind(self) -> list[int]:
        for spec in self.specs:
            supervise.wait_for_end(spec.run_lock, DEADLINE_S)
        left = [
            process.pid
            for spec in self.specs
            for process in supervise.find_processes(spec.marker, spec.run_lock)
        ]
        for spec in self.specs:
            supervise.end_processes(spec.marker, spec.run_lock)
        # The lock is free a moment before its holder is gone.
        until(lambda: not any(map(alive, self.supervisors)), "the supervisors are gone")
        return left


@pytest.fixture(params=["plain", 'it\'s a "näme"\nwith $(false) `lines` '])
def odd_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runs]:
    monkeypatch.setattr(supervise, "GRACE_S", 0.5)
    made = Runs(tmp_path)
    yield made
    assert made.left_behind() == []


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system without /proc and without a subreaper."""
    other = processes._Psutil()
    monkeypatch.setattr(processes, "system", lambda: other)
    monkeypatch.setattr(processes, "adopt_orphans", lambda: False)


HANG = "echo $$ > pid; sleep 1000"
# Leaves group, session and parent; `inner` goes on in the grandchild.
DAEMON = """
import os, signal, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        {inner}
        with open("daemon", "w") as out:
            print(os.getpid(), file=out)
        time.sleep(1000)
    os._exit(0)
os.wait()
"""


def daemon(inner: str = "pass") -> str:
    return f"{shlex.quote(sys.executable)} -c {shlex.quote(DAEMON.format(inner=inner))}"


WAIT_FOR_DAEMON = "until [ -s daemon ]; do sleep 0.02; done"


# How a run ends.


@pytest.mark.parametrize("code", [0, 1, 2, 77, 255])
def test_exit_code_is_the_commands(runs: Runs, code: int) -> None:
    receipt = runs.run(f"exit {code}")
    assert receipt["outcome"] == {
        "kind": "exited",
        "exit_code": code,
        "signal": None,
        "stage": "run",
    }


def test_death_by_a_signal_is_told(runs: Runs) -> None:
    outcome = runs.run("kill -SEGV $$")["outcome"]
    assert (outcome["kind"], outcome["exit_code"]) == ("signalled", None)
    assert outcome["signal"] == signal.SIGSEGV


def test_receipt_says_everything(runs: Runs) -> None:
    receipt = runs.run("printf 12345")
    assert receipt["schema"] == 1
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", receipt["started_at"])
    assert receipt["host"] == machine.host() != ""
    assert receipt["boot_id"] == machine.boot_id()
    assert 0 < receipt["wall_s"] <= receipt["elapsed_s"]
    assert receipt["eval_wall_s"] is None
    assert receipt["eval_log"] is None
    assert receipt["log"] == str(runs.specs[0].log)
    assert receipt["log_bytes"] == 5
    assert receipt["survivors"] == 0
    assert receipt["measured"] == {}
    assert receipt["reason"] == ""
    assert runs.specs[0].receipt.stat().st_mode & 0o777 == 0o600
    assert sorted(p.name for p in runs.specs[0].receipt.parent.iterdir()) == ["run.json", "run.log"]


def test_hang_is_killed_at_the_limit(runs: Runs) -> None:
    receipt = runs.run(HANG, timeout_s=0.5)
    assert receipt["outcome"]["kind"] == "timed_out"
    assert receipt["outcome"]["signal"] == signal.SIGTERM
    assert receipt["wall_s"] >= 0.5
    assert not alive(runs.pid_from("pid"))


def test_command_that_ignores_sigterm_is_killed_after_the_grace(runs: Runs) -> None:
    receipt = runs.run(f"trap '' TERM; {HANG}; sleep 1000", timeout_s=0.5)
    assert receipt["outcome"]["kind"] == "timed_out"
    assert receipt["outcome"]["signal"] == signal.SIGKILL
    assert receipt["wall_s"] >= 1.0


def test_command_may_use_the_grace_to_save_its_work(runs: Runs) -> None:
    receipt = runs.run("trap 'echo saved; exit 3' TERM; sleep 1000 & wait", timeout_s=0.5)
    assert receipt["outcome"]["kind"] == "timed_out"
    assert receipt["outcome"]["exit_code"] == 3
    assert runs.specs[0].log.read_text() == "saved\n"


def test_stopped_command_ends_at_the_limit(runs: Runs) -> None:
    assert runs.run("kill -STOP $$", timeout_s=0.5)["outcome"]["kind"] == "timed_out"


def test_end_is_noticed_at_once(runs: Runs) -> None:
    spec = runs.spec("date +%s.%N")
    runs.start(spec)
    assert supervise.wait_for_end(spec.run_lock, DEADLINE_S)
    assert time.time() - float(spec.log.read_text()) < 2


def test_log_past_its_limit_ends_the_run(runs: Runs) -> None:
    receipt = runs.run("yes", log_limit_bytes=1 << 20)
    assert receipt["outcome"]["kind"] == "log_limit"
    assert receipt["log_bytes"] > 1 << 20


def test_log_past_its_limit_is_told_of_a_run_that_was_quicker(runs: Runs) -> None:
    receipt = runs.run("head -c 2000 /dev/zero", log_limit_bytes=1000)
    assert receipt["outcome"]["kind"] == "log_limit"
    assert receipt["outcome"]["exit_code"] == 0


def test_sigterm_to_the_supervisor_stops_the_run(runs: Runs) -> None:
    spec = runs.spec(HANG)
    launch = runs.start(spec)
    pid = runs.pid_from("pid")
    os.kill(launch.pid, signal.SIGTERM)
    assert runs.result(spec)["outcome"]["kind"] == "stopped"
    assert not alive(pid)


def test_sigterm_before_go_stops_the_run_before_it_begins(runs: Runs) -> None:
    spec = runs.spec("touch ran")
    launch = supervise.launch(spec)
    os.kill(launch.pid, signal.SIGTERM)
    launch.go()
    assert runs.result(spec)["outcome"]["kind"] == "stopped"
    assert not (runs.folder / "ran").exists()


# What a command gets.


def test_environment_is_as_given_with_the_marker(runs: Runs) -> None:
    given = {"PATH": os.environ["PATH"], "ODD": "a b\n'ä\udcff=", "EMPTY": ""}
    runs.run("env -0", environment=given)
    pairs = runs.specs[0].log.read_bytes().split(b"\0")[:-1]
    seen = dict(os.fsdecode(pair).split("=", 1) for pair in pairs)
    for name in ("PWD", "OLDPWD", "SHLVL", "_"):  # bash's own
        seen.pop(name, None)
    assert seen == {**given, "AGENT_LOOPS_RUN": runs.specs[0].marker}


def test_command_gets_no_input_no_descriptor_and_default_signals(runs: Runs) -> None:
    inherited = os.dup2(0, os.open(runs.folder, os.O_RDONLY))  # dup2 makes it inheritable
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        receipt = runs.run(
            python(
                """
                import os, signal, sys
                assert sys.stdin.read() == ""
                assert os.getsid(0) == os.getpid()
                for fd in range(3, 200):
                    try:
                        os.fstat(fd)
                    except OSError:
                        continue
                    raise SystemExit(f"descriptor {fd} is open")
                assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL
                assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
                assert not signal.pthread_sigmask(signal.SIG_BLOCK, ())
                """
            )
        )
    finally:
        signal.signal(signal.SIGUSR1, before)
        os.close(inherited)
    assert receipt["outcome"]["exit_code"] == 0, runs.specs[0].log.read_text()


def test_log_holds_all_output_and_nothing_of_before(runs: Runs) -> None:
    runs.run("echo a long line of the first run")
    runs.run("printf '\\000\\377'; printf x >&2; printf '\\r\\n'")
    assert runs.specs[1].log.read_bytes() == b"\0\xffx\r\n"


def test_one_line_of_200_mb_is_no_burden(runs: Runs) -> None:
    receipt = runs.run("head -c 200000000 /dev/zero | tr '\\000' x")
    assert receipt["log_bytes"] == 200_000_000
    runs.specs[0].log.unlink()


def test_any_folder_name_will_do(runs: Runs, odd_name: str) -> None:
    folder = runs.folder / odd_name
    folder.mkdir()
    receipt = runs.run(
        "pwd -P",
        workspace=folder,
        log=folder / f"{odd_name}.log",
        receipt=folder / f"{odd_name}.json",
        run_lock=folder / f"{odd_name}.lock",
        cleanup_command="touch cleaned",
    )
    assert receipt["log"] == str(folder / f"{odd_name}.log")
    assert (folder / f"{odd_name}.log").read_text() == f"{folder.resolve()}\n"
    assert (folder / "cleaned").exists()


@linux_only
def test_folder_name_that_is_no_text_will_do(runs: Runs) -> None:
    folder = Path(os.fsdecode(os.fsencode(runs.folder) + b"/\xff\xfe"))
    folder.mkdir()
    receipt = runs.run("true", workspace=folder, log=folder / "log", receipt=folder / "json")
    assert receipt["log"] == str(folder / "log")


def test_missing_folders_of_log_and_receipt_are_made(runs: Runs) -> None:
    receipt = runs.run("echo x", log=runs.folder / "a/b/log", receipt=runs.folder / "c/d/json")
    assert receipt["log_bytes"] == 2


# Prelude, evaluation, cleanup.


def test_command_sees_what_the_prelude_set(runs: Runs) -> None:
    (runs.folder / "activate").write_text("greeting=hello\n")
    runs.run('echo "$greeting"', prelude="source ./activate && true  # a comment")
    assert runs.specs[0].log.read_text() == "hello\n"


@pytest.mark.parametrize("prelude", ["false", "(exit 9) && true", "source ./missing", "exit 4"])
def test_failed_prelude_keeps_the_command_from_running(runs: Runs, prelude: str) -> None:
    receipt = runs.run("touch ran", prelude=prelude, eval_command="touch ran", eval_log=Path("x"))
    code = {"false": 1, "(exit 9) && true": 9, "source ./missing": 1, "exit 4": 4}[prelude]
    assert receipt["outcome"]["exit_code"] == code
    assert not (runs.folder / "ran").exists()


@pytest.mark.parametrize("prelude", ["# nothing", "\n", ":; # x"])
def test_empty_prelude_is_none(runs: Runs, prelude: str) -> None:
    assert runs.run("exit 5", prelude=prelude)["outcome"]["exit_code"] == 5


def test_evaluation_has_its_own_log_and_the_prelude(runs: Runs) -> None:
    log = runs.folder / "eval.log"
    receipt = runs.run("echo train", prelude="x=1", eval_command="echo eval $x", eval_log=log)
    assert receipt["outcome"] == {
        "kind": "exited",
        "exit_code": 0,
        "signal": None,
        "stage": "eval",
    }
    assert receipt["eval_wall_s"] > 0
    assert receipt["eval_log"] == str(log)
    assert runs.specs[0].log.read_text() == "train\n"
    assert log.read_text() == "eval 1\n"


@pytest.mark.parametrize(
    ("command", "changes", "kind"),
    [
        ("exit 1", {}, "exited"),
        ("sleep 1000", {"timeout_s": 0.2}, "timed_out"),
        ("kill -KILL $$", {}, "signalled"),
        ("yes", {"log_limit_bytes": 1000}, "log_limit"),
    ],
)
def test_failed_run_is_not_evaluated(
    runs: Runs, command: str, changes: dict[str, Any], kind: str
) -> None:
    receipt = runs.run(
        command, eval_command="touch evaluated", eval_log=runs.folder / "eval.log", **changes
    )
    assert (receipt["outcome"]["kind"], receipt["outcome"]["stage"]) == (kind, "run")
    assert receipt["eval_wall_s"] is None
    assert not (runs.folder / "evaluated").exists()


def test_evaluation_has_the_same_limit(runs: Runs) -> None:
    receipt = runs.run(
        "true", eval_command="sleep 1000", eval_log=runs.folder / "eval.log", timeout_s=1
    )
    assert receipt["outcome"]["kind"] == "timed_out"
    assert receipt["outcome"]["stage"] == "eval"


def test_nothing_of_the_run_is_alive_at_the_evaluation(runs: Runs) -> None:
    receipt = runs.run(
        f"{daemon()}; {WAIT_FOR_DAEMON}",
        eval_command='! kill -0 "$(cat daemon)"',
        eval_log=runs.folder / "eval.log",
    )
    assert receipt["outcome"]["exit_code"] == 0
    assert receipt["survivors"] == 1


@pytest.mark.parametrize(
    ("command", "timeout_s"), [("true", DEADLINE_S), ("exit 1", DEADLINE_S), ("sleep 1000", 0.2)]
)
def test_cleanup_follows_every_run_and_its_receipt(
    runs: Runs, command: str, timeout_s: float
) -> None:
    receipt = runs.run(
        command,
        timeout_s=timeout_s,
        prelude="true",
        cleanup_command='ls iter1/run.json; echo "$AGENT_LOOPS_RUN"; exit 9',
    )
    assert receipt["outcome"]["stage"] == "run"
    said = (runs.folder / "iter1/cleanup.log").read_text()
    assert said == f"iter1/run.json\n{receipt['marker']}\n"


def test_cleanup_has_a_short_limit_and_leaves_nothing(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "_CLEANUP_LIMIT_S", 1.0)
    runs.run("true", cleanup_command=f"{daemon()}; {HANG}")
    assert not alive(runs.pid_from("pid"))
    assert not alive(runs.pid_from("daemon"))


# What the caller adds.


def test_measure_is_told_how_it_went_and_its_answer_is_recorded(runs: Runs) -> None:
    def measure(end: RunEnd) -> Mapping[str, object]:
        return {"code": end.outcome.exit_code, "eval": end.eval_wall_s, "name": "välue"}

    receipt = runs.run("exit 7", measure=measure)
    assert receipt["measured"] == {"code": 7, "eval": None, "name": "välue"}


def _raise(_: object) -> Mapping[str, object]:
    raise KeyError("no such metric")


def _not_a_number(_: object) -> Mapping[str, object]:
    return {"value": float("nan")}


def _for_ever(_: object) -> Mapping[str, object]:
    return {"match": bool(re.match(r"(a+)+$", "a" * 60 + "b"))}


@pytest.mark.parametrize(
    ("measure", "reason"),
    [(_raise, "KeyError"), (_not_a_number, "ValueError"), (_for_ever, "TimeoutError")],
)
def test_failed_measurement_is_told(
    runs: Runs,
    monkeypatch: pytest.MonkeyPatch,
    measure: Callable[[RunEnd], Mapping[str, object]],
    reason: str,
) -> None:
    monkeypatch.setattr(supervisor, "_MEASURE_LIMIT_S", 0.5)
    receipt = runs.run("true", measure=measure)
    assert receipt["outcome"]["kind"] == "supervisor_failed"
    assert receipt["outcome"]["exit_code"] == 0
    assert receipt["reason"].startswith(reason)
    assert receipt["measured"] == {}
    assert reason in (runs.folder / "iter1/supervisor.log").read_text()


def test_prepare_comes_before_each_command(runs: Runs) -> None:
    def prepare(stage: str) -> None:
        with (runs.folder / "order").open("a") as out:
            print("prepare", stage, file=out)

    runs.run(
        "echo run >> order",
        eval_command="echo eval >> order",
        eval_log=runs.folder / "eval.log",
        prepare=prepare,
    )
    order = (runs.folder / "order").read_text().split("\n")
    assert order == ["prepare run", "run", "prepare eval", "eval", ""]


def test_failed_preparation_is_told_and_nothing_run(runs: Runs) -> None:
    def prepare(stage: str) -> None:
        raise RuntimeError(f"no {stage}")

    receipt = runs.run("touch ran", prepare=prepare)
    assert receipt["outcome"]["kind"] == "supervisor_failed"
    assert receipt["reason"] == "RuntimeError: no run"
    assert not (runs.folder / "ran").exists()


def test_missing_workspace_is_told(runs: Runs) -> None:
    receipt = runs.run("true", workspace=runs.folder / "missing")
    assert receipt["outcome"]["kind"] == "supervisor_failed"
    assert "missing" in receipt["reason"]


def test_missing_bash_is_told(runs: Runs) -> None:
    receipt = runs.run("true", environment={"PATH": str(runs.folder)})
    assert receipt["outcome"]["kind"] == "supervisor_failed"
    assert "bash" in receipt["reason"]


def test_log_that_cannot_be_opened_is_told(runs: Runs) -> None:
    receipt = runs.run("true", log=runs.folder)
    assert receipt["outcome"]["kind"] == "supervisor_failed"
    assert "IsADirectoryError" in receipt["reason"]


def test_receipt_is_tried_again(runs: Runs) -> None:
    spec = runs.spec("mv iter1 away; echo $$ > pid")
    runs.start(spec)
    runs.pid_from("pid")
    (runs.folder / "iter1").mkdir()
    assert runs.result(spec)["outcome"]["kind"] == "exited"


def test_spec_without_a_marker_or_a_needed_log_is_refused(runs: Runs) -> None:
    with pytest.raises(ValueError, match="marker"):
        supervise.launch(runs.spec("true", marker=""))
    with pytest.raises(ValueError, match="eval_log"):
        supervise.launch(runs.spec("true", eval_command="true")._replace(eval_log=None))


# What tries to get away.


def test_daemon_dies_at_the_limit(runs: Runs) -> None:
    runs.run(f"{daemon()}; {HANG}", timeout_s=1)
    assert not alive(runs.pid_from("daemon"))


@linux_only
@pytest.mark.parametrize("then", [HANG, WAIT_FOR_DAEMON])
def test_daemon_without_the_marker_dies_too(runs: Runs, then: str) -> None:
    inner = (
        "os.environ.get('CLEAN') or os.execve(sys.executable, [sys.executable, '-c', "
        '\'import os, time; print(os.getpid(), file=open("daemon", "w"), flush=True);'
        " time.sleep(1000)'], {'CLEAN': '1'})"
    )
    receipt = runs.run(f"{daemon(inner)}; {then}", timeout_s=2)
    assert not alive(runs.pid_from("daemon"))
    assert receipt["survivors"] == (1 if then == WAIT_FOR_DAEMON else 0)


def test_survivor_of_a_normal_exit_is_ended_and_counted(runs: Runs) -> None:
    receipt = runs.run("sleep 1000 & echo $! > pid; exit 3")
    assert receipt["outcome"]["exit_code"] == 3
    assert receipt["survivors"] == 1
    assert not alive(runs.pid_from("pid"))


def test_survivor_that_ignores_sigterm_is_ended(runs: Runs) -> None:
    inner = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    receipt = runs.run(f"{daemon(inner)}; {WAIT_FOR_DAEMON}")
    assert receipt["survivors"] == 1
    assert receipt["wall_s"] < receipt["elapsed_s"]
    assert not alive(runs.pid_from("daemon"))


def test_helper_that_ends_a_moment_later_is_no_survivor(runs: Runs) -> None:
    receipt = runs.run("sleep 0.05 & exit 0")
    assert receipt["survivors"] == 0


@linux_only
def test_process_whose_first_thread_has_ended_dies_too(runs: Runs) -> None:
    code = """
        import ctypes, threading, time
        threading.Thread(target=time.sleep, args=(1000,)).start()
        print("ready", flush=True)
        ctypes.CDLL(None).pthread_exit(None)
        """
    command = python(code).removeprefix("exec ")
    runs.run(f"{command} & echo $! > pid; until [ -s iter1/run.log ]; do sleep 0.02; done")
    assert not alive(runs.pid_from("pid"))


@linux_only
def test_process_that_flees_from_pid_to_pid_is_caught(runs: Runs) -> None:
    runs.run(
        python(
            """
            import os, signal, time
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                if os.fork():
                    os._exit(0)
                os.setsid()
            open("away", "w").close()
            """
        )
    )
    assert not (runs.folder / "away").exists()


def test_many_stubborn_processes_die(runs: Runs) -> None:
    runs.run(
        python(
            """
            import os, signal, time
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            for number in range(60):
                if os.fork() == 0:
                    if number % 2:
                        os.setsid()
                    time.sleep(1000)
            time.sleep(1000)
            """
        ),
        timeout_s=1,
    )


@pytest.mark.usefixtures("elsewhere")
def test_elsewhere_daemons_and_survivors_die_as_well(runs: Runs) -> None:
    runs.run(f"{daemon()}; {HANG}", timeout_s=1.5)
    assert not alive(runs.pid_from("daemon"))
    (runs.folder / "daemon").unlink()
    receipt = runs.run(f"{daemon()}; {WAIT_FOR_DAEMON}; sleep 1000 & exit 3")
    assert receipt["survivors"] >= 1
    assert receipt["peak_memory_mib"] > 0
    assert not alive(runs.pid_from("daemon"))


def test_start_time_is_the_one_that_psutil_tells(runs: Runs) -> None:
    launch = supervise.launch(runs.spec("true"))
    assert launch.start_time == pytest.approx(psutil.Process(launch.pid).create_time(), abs=0.02)
    launch.abandon()


# Callers and supervisors that die.

CALLER = """
import os, sys, time
from pathlib import Path
sys.path.insert(0, {scripts!r})
from agent_loops import supervise
spec = supervise.RunSpec(
    command={command!r}, workspace=Path({folder!r}), log=Path({folder!r}, "iter1/run.log"),
    receipt=Path({folder!r}, "iter1/run.json"), run_lock=Path({folder!r}, "run.lock"),
    environment=dict(os.environ), marker={marker!r}, timeout_s=60)
launch = supervise.launch(spec)
{then}
print(launch.pid, flush=True)
time.sleep(1000)
"""


def start_caller(runs: Runs, spec: RunSpec, then: str) -> tuple[subprocess.Popen[str], int]:
    code = CALLER.format(
        scripts=str(SCRIPTS),
        command=spec.command,
        folder=str(runs.folder),
        marker=spec.marker,
        then=then,
    )
    caller = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert caller.stdout is not None
    supervisor_pid = int(caller.stdout.readline())
    caller.stdout.close()
    runs.supervisors.append(supervisor_pid)
    return caller, supervisor_pid


UNTIL_TOLD = "echo $$ > pid; until [ -e told ]; do sleep 0.02; done; echo done"


@pytest.mark.parametrize("how", ["process", "group", "session", "tree"])
def test_run_outlives_its_caller(runs: Runs, how: str) -> None:
    spec = runs.spec(UNTIL_TOLD)
    caller, supervisor_pid = start_caller(runs, spec, "launch.go()")
    runs.pid_from("pid")
    victims = {
        "process": lambda: [caller.pid],
        "group": lambda: [p for p in psutil.pids() if _of(os.getpgid, p) == caller.pid],
        "session": lambda: [p for p in psutil.pids() if _of(os.getsid, p) == caller.pid],
        "tree": lambda: [p.pid for p in psutil.Process(caller.pid).children(recursive=True)],
    }[how]()
    assert supervisor_pid not in victims
    for pid in {*victims, caller.pid}:
        os.kill(pid, signal.SIGKILL)
    caller.wait()
    (runs.folder / "told").touch()
    assert runs.result(spec)["outcome"]["exit_code"] == 0
    assert spec.log.read_text() == "done\n"


def _of(what: Callable[[int], int], pid: int) -> int:
    try:
        return what(pid)
    except OSError:
        return -1


def test_nothing_runs_when_the_caller_dies_before_go(runs: Runs) -> None:
    spec = runs.spec("touch ran")
    caller, supervisor_pid = start_caller(runs, spec, "")
    assert files.is_locked(spec.run_lock)
    caller.kill()
    caller.wait()
    assert supervise.wait_for_end(spec.run_lock, DEADLINE_S)
    until(lambda: not alive(supervisor_pid), "the supervisor leaves")
    assert list((runs.folder / "iter1").iterdir()) == []
    assert not (runs.folder / "ran").exists()


def test_abandoned_launch_leaves_all_as_it_was(runs: Runs) -> None:
    spec = runs.spec("touch ran")
    spec.receipt.parent.mkdir()
    spec.receipt.write_text("old")
    launch = supervise.launch(spec)
    launch.abandon()
    assert supervise.wait_for_end(spec.run_lock, DEADLINE_S)
    assert spec.receipt.read_text() == "old"
    assert [p.name for p in spec.receipt.parent.iterdir()] == ["run.json"]
    assert not (runs.folder / "ran").exists()


def test_receipt_of_before_is_gone_while_the_run_goes_on(runs: Runs) -> None:
    spec = runs.spec(UNTIL_TOLD)
    spec.receipt.parent.mkdir()
    spec.receipt.write_text("old")
    runs.start(spec)
    runs.pid_from("pid")
    assert not spec.receipt.exists()
    (runs.folder / "told").touch()
    runs.result(spec)


def test_what_a_killed_supervisor_left_is_found_and_ended(runs: Runs) -> None:
    spec = runs.spec(f"trap '' TERM; {daemon()}; echo $$ > pid; while :; do sleep 1000; done")
    launch = runs.start(spec)
    pids = {runs.pid_from("pid"), runs.pid_from("daemon")}
    os.kill(launch.pid, signal.SIGKILL)
    assert supervise.wait_for_end(spec.run_lock, DEADLINE_S)
    assert not spec.receipt.exists()
    assert pids <= {process.pid for process in supervise.find_processes(spec.marker, spec.run_lock)}
    assert supervise.end_processes(spec.marker, spec.run_lock) >= 2
    assert supervise.find_processes(spec.marker, spec.run_lock) == []
    assert not any(map(alive, pids))


@linux_only
def test_what_a_killed_supervisor_left_is_found_without_its_marker(runs: Runs) -> None:
    spec = runs.spec("exec env -i bash -c 'echo $$ > pid; sleep 1000; :'")
    launch = runs.start(spec)
    pid = runs.pid_from("pid")
    os.kill(launch.pid, signal.SIGKILL)
    assert supervise.wait_for_end(spec.run_lock, DEADLINE_S)
    assert supervise.find_processes("x" + spec.marker, spec.run_lock) == []
    assert pid in {p.pid for p in supervise.find_processes(spec.marker, spec.run_lock)}
    assert supervise.end_processes(spec.marker, spec.run_lock) == 2
    assert not alive(pid)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'["m", "b", "1", 2.0]', b"\xff"])
def test_a_damaged_lock_names_no_process(tmp_path: Path, content: bytes) -> None:
    lock = tmp_path / "run.lock"
    assert supervise.find_processes("m", lock) == []
    lock.write_bytes(content)
    assert supervise.find_processes("m", lock) == []


def test_another_runs_processes_are_left_alone(runs: Runs) -> None:
    spec = runs.spec(UNTIL_TOLD)
    runs.start(spec)
    pid = runs.pid_from("pid")
    assert supervise.end_processes(spec.marker[:-1], spec.run_lock) == 0
    assert supervise.end_processes("x" + spec.marker, spec.run_lock) == 0
    assert alive(pid)
    (runs.folder / "told").touch()
    assert runs.result(spec)["outcome"]["exit_code"] == 0


def test_go_after_the_supervisors_death_is_no_error(runs: Runs) -> None:
    spec = runs.spec("true")
    launch = supervise.launch(spec)
    os.kill(launch.pid, signal.SIGKILL)
    until(lambda: not files.is_locked(spec.run_lock), "the lock is released")
    launch.go()
    launch.abandon()
    assert not spec.receipt.exists()


def test_caller_gets_no_child_and_keeps_its_signals(runs: Runs) -> None:
    before = {p.pid for p in psutil.Process().children()}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    handler = signal.getsignal(signal.SIGINT)
    runs.run("true")
    assert {p.pid for p in psutil.Process().children()} == before
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask
    assert signal.getsignal(signal.SIGINT) == handler


def test_callers_locks_are_not_kept_alive(runs: Runs) -> None:
    spec = runs.spec(UNTIL_TOLD)
    other = runs.folder / "lock"
    with files.locked(other, wait_s=1):
        runs.start(spec)
    assert not files.is_locked(other)
    (runs.folder / "told").touch()
    runs.result(spec)


# The lock.


def test_lock_is_held_until_the_cleanup_is_over(runs: Runs) -> None:
    spec = runs.spec("true", cleanup_command=UNTIL_TOLD)
    launch = supervise.launch(spec)
    assert files.is_locked(spec.run_lock)
    launch.go()
    runs.pid_from("pid")
    assert spec.receipt.exists()
    assert files.is_locked(spec.run_lock)
    assert not supervise.wait_for_end(spec.run_lock, 0.05)
    (runs.folder / "told").touch()
    assert supervise.wait_for_end(spec.run_lock, DEADLINE_S)


def test_second_launch_on_one_lock_is_refused(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervise, "LOCK_WAIT_S", 0.2)
    spec = runs.spec(UNTIL_TOLD)
    runs.start(spec)
    runs.pid_from("pid")
    with pytest.raises(files.LockBusy):
        supervise.launch(runs.spec("touch second"))
    (runs.folder / "told").touch()
    assert runs.result(spec)["outcome"]["kind"] == "exited"
    assert not (runs.folder / "second").exists()


def test_two_launches_from_one_caller_are_independent(runs: Runs) -> None:
    first = runs.spec("touch first", run_lock=runs.folder / "lock1")
    second = runs.spec("true", run_lock=runs.folder / "lock2", receipt=runs.folder / "second")
    waiting = supervise.launch(first)
    runs.start(second)
    assert runs.result(second)["outcome"]["exit_code"] == 0
    waiting.abandon()
    assert supervise.wait_for_end(first.run_lock, DEADLINE_S)
    assert not (runs.folder / "first").exists()


def test_launch_that_cannot_make_its_folder_says_so(runs: Runs) -> None:
    (runs.folder / "file").touch()
    spec = runs.spec("true", receipt=runs.folder / "file" / "run.json")
    with pytest.raises(AgentLoopsError, match="file"):
        supervise.launch(spec)


def test_launch_whose_lock_cannot_be_opened_says_so(runs: Runs) -> None:
    (runs.folder / "lock").mkdir()
    spec = runs.spec("true", run_lock=runs.folder / "lock")
    with pytest.raises(AgentLoopsError, match="lock"):
        supervise.launch(spec)
    runs.specs.clear()


def test_wait_for_a_lock_that_never_was_is_over(tmp_path: Path) -> None:
    assert supervise.wait_for_end(tmp_path / "missing", 0)


def test_foreground_run_returns_its_receipt(runs: Runs) -> None:
    spec = runs.spec("exit 6")
    assert supervise.run_in_foreground(spec)["outcome"]["exit_code"] == 6


# Memory.

ALLOCATE = "data = bytearray(200 << 20)"


def test_memory_of_all_processes_is_sampled(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_RSS_SHARE", 0)  # where samples are dear, the next is far off
    child = python(f"import time; {ALLOCATE}; time.sleep(2.5)")
    receipt = runs.run(f"({child}) & ({child}) & wait")
    assert receipt["memory_kind"] == "rss"
    assert 400 < receipt["peak_memory_mib"] < 600


def test_memory_of_a_run_too_short_to_sample_is_known(runs: Runs) -> None:
    # A process starts with the peak of the one that forked it: here the test runner's.
    least_mib = 200 + resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    receipt = runs.run(python(f"data = bytearray({least_mib} << 20)"))
    assert receipt["memory_kind"] == "rss"
    assert least_mib < receipt["peak_memory_mib"] < least_mib + 100


def test_memory_of_the_evaluation_does_not_count(runs: Runs) -> None:
    receipt = runs.run("true", eval_command=python(ALLOCATE), eval_log=runs.folder / "eval.log")
    # The child of a fork counts as large as its parent was, here the test runner.
    runner_mib = psutil.Process().memory_info().rss / (1 << 20)
    assert receipt["peak_memory_mib"] is None or receipt["peak_memory_mib"] < runner_mib + 100


def fake_gpu(runs: Runs, monkeypatch: pytest.MonkeyPatch, script: str) -> dict[str, str]:
    monkeypatch.setattr(memory, "_GPU_EVERY_S", 0.05)
    folder = runs.folder / "bin"
    folder.mkdir()
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\ncd {shlex.quote(str(runs.folder))}\n{script}\n")
    program.chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


def test_memory_on_the_gpu_is_taken_where_it_is_told(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = fake_gpu(
        runs,
        monkeypatch,
        'test -s pid || exit; p=$(cat pid); echo "$*" > query; echo x >> calls\n'
        'echo "$p, 1000"; echo "$p, 500"; echo "$p, [N/A]"; echo "1, 99999"; echo "No devices"',
    )
    receipt = runs.run(
        "echo $$ > pid; until [ $(cat calls | wc -l) -ge 3 ]; do sleep 0.05; done 2> /dev/null",
        environment=environment,
    )
    assert (receipt["peak_memory_mib"], receipt["memory_kind"]) == (1500, "vram")
    query = (runs.folder / "query").read_text()
    assert query == "--query-compute-apps=pid,used_memory --format=csv,noheader,nounits\n"


def test_gpu_query_that_hangs_delays_nothing(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_GPU_LIMIT_S", 0.5)
    environment = fake_gpu(runs, monkeypatch, "trap '' TERM; echo x >> calls; sleep 1000")
    receipt = runs.run(
        "until [ $(cat calls | wc -l) -ge 2 ]; do sleep 0.05; done 2> /dev/null",
        environment=environment,
    )
    assert receipt["memory_kind"] == "rss"
    assert receipt["survivors"] == 0


def test_gpu_query_that_fails_is_no_harm(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = fake_gpu(runs, monkeypatch, "")
    (runs.folder / "bin/nvidia-smi").write_text("#!/no/such/program\n")
    assert runs.run("true", environment=environment)["outcome"]["exit_code"] == 0


def test_gpu_answer_is_summed_over_the_runs_processes() -> None:
    answer = b"10, 100\n11, 20\n12, 3\n10, 4\nNo running processes found\n11, [N/A]\n,\n"
    assert memory.used_mib(answer, {10, 11}) == 124
    assert memory.used_mib(b"", {10}) == 0


# The machine.


def test_boot_id_and_host_are_words() -> None:
    assert machine.boot_id() == machine.boot_id()
    assert json.dumps([machine.boot_id(), machine.host()])
    assert "\n" not in machine.boot_id() + machine.host()


# Who looks while a command runs.


def test_who_looks_may_end_the_run_but_neither_its_evaluation_nor_its_cleanup(runs: Runs) -> None:
    seen = runs.folder / "seen"

    def look(size: int, elapsed_s: float) -> bool:
        with seen.open("a") as stream:
            stream.write(f"{size} {elapsed_s:.3f}\n")
        return size >= len("two words\n")

    more = {"eval_command": "echo evaluated", "eval_log": runs.folder / "iter1/eval.log"}
    receipt = runs.run("echo two words; exec sleep 1000", look=look, cleanup_command=":", **more)
    assert receipt["outcome"] == {
        "kind": "pruned", "exit_code": None, "signal": signal.SIGTERM, "stage": "run",
    }  # fmt: skip
    assert not (runs.folder / "iter1/eval.log").exists()
    looks = [line.split() for line in seen.read_text().splitlines()]
    assert looks[-1][0] == "10"
    assert all(float(elapsed_s) <= receipt["wall_s"] for _, elapsed_s in looks)

    receipt = runs.run("true", look=lambda *_: (runs.folder / "iter1/eval.log").exists(), **more)
    assert receipt["outcome"]["kind"] == "exited"


@pytest.mark.parametrize("fault", ["raises", "takes for ever"])
def test_who_cannot_look_is_asked_no_more_and_the_run_goes_on(runs: Runs, fault: str) -> None:
    def look(_size: int, _elapsed_s: float) -> bool:
        if fault == "raises":
            raise ValueError("cannot look")
        (runs.folder / "looks").open("a").write("x")
        while True:
            pass

    receipt = runs.run("sleep 1.6", look=look)
    assert receipt["outcome"]["kind"] == "exited"
    said = (runs.folder / "iter1/supervisor.log").read_text()
    assert said.count("Traceback") == 1
    expected = "cannot look" if fault == "raises" else "TimeoutError: it took longer than 1 s"
    assert expected in said
