"""The process that leads one run from `go` to its receipt: starts, watches, ends and measures.

Knows nothing of who asked for it: by then the caller may be dead.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import NoReturn

from agent_loops import files, machine, memory, processes
from agent_loops.errors import AgentLoopsError

SCHEMA = 1
GO = b"g"
ERROR_LOG = "supervisor.log"
CLEANUP_LOG = "cleanup.log"
_TICK_S = 0.25
_SETTLE_S = 0.25  # a normal exit's helpers (multiprocessing has one) may take this long to follow
_CLEANUP_LIMIT_S = 60.0
_MEASURE_LIMIT_S = 300.0  # a regular expression can take for ever
_RECEIPT_RETRY_S = 60.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended.

    `kind` is `exited`, `signalled`, `timed_out`, `log_limit`, `stopped` or `supervisor_failed`;
    `stage` is `run` or `eval`; `exit_code` and `signal` say how the command itself ended, where it
    did. A shell that passes on its child's death by signal n has exited, with 128 + n.
    """

    kind: str
    exit_code: int | None
    signal: int | None
    stage: str


@dataclass(frozen=True, slots=True)
class RunEnd:
    """What is known when the run and its evaluation are over. `wall_s` is the run's alone.

    `peak_memory_mib` is the run's too, of `memory_kind` `vram` or `rss`. `survivors` are the
    processes that outlived a normal exit and were ended.
    """

    outcome: Outcome
    wall_s: float
    eval_wall_s: float | None
    elapsed_s: float
    peak_memory_mib: float | None
    memory_kind: str
    survivors: int


def _measure_nothing(_: RunEnd) -> Mapping[str, object]:
    return {}


def _prepare_nothing(_: str) -> None:
    return


@dataclass(frozen=True, slots=True)
class RunSpec:
    """One run. The commands are for `bash -c`; `environment` is complete but for the marker.

    `eval_command` runs after a successful command, with the prelude as well; `cleanup_command`
    after every run, without it, its output in `cleanup.log` beside the receipt. `prepare` is called
    with `run` or `eval` before each is started, `measure` after both; both in the supervisor, and
    when one raises, the outcome is `supervisor_failed`. The receipt holds what `measure` answers.
    """

    command: str
    workspace: Path
    log: Path
    receipt: Path
    run_lock: Path
    environment: Mapping[str, str]
    marker: str
    timeout_s: float
    prelude: str = ""
    eval_command: str = ""
    eval_log: Path | None = None
    cleanup_command: str = ""
    log_limit_bytes: int = 1 << 30
    measure: Callable[[RunEnd], Mapping[str, object]] = _measure_nothing
    prepare: Callable[[str], None] = _prepare_nothing

    def __post_init__(self) -> None:
        if not self.marker or "\0" in self.marker:
            raise ValueError("marker must be a word")
        if self.eval_command and self.eval_log is None:
            raise ValueError("eval_command needs an eval_log")


def serve(
    spec: RunSpec, control: int, report: int, *, lifeline: bool, grace_s: float, lock_wait_s: float
) -> None:
    """The supervisor's life: lock, report, `GO` through `control`, the run.

    `report` gets one line of JSON: `pid` and `start_time`, or `error` and whether it is `busy`.
    The end of `control` before `GO` ends it with nothing done; with a `lifeline` the end of
    `control` stops the run. The lock is released by the end of the process.
    """
    try:
        files.take_lock(spec.run_lock, wait_s=lock_wait_s)
    except AgentLoopsError as error:
        busy = isinstance(error, files.LockBusy)
        files.write_all(report, encode({"busy": busy, "error": str(error)}) + b"\n")
        return
    with _error_log(spec.receipt.with_name(ERROR_LOG)):
        supervisor = _Supervisor(spec, grace_s=grace_s)
        files.write_all(report, encode(_identity()) + b"\n")
        os.close(report)
        supervisor.get_ready()
        if os.read(control, 1) == GO:
            if lifeline:
                supervisor.stop_with(control)
            supervisor.run()


def encode(value: object) -> bytes:
    """Strict JSON in UTF-8. A path that is not UTF-8 becomes the JSON escapes that stand for it."""
    return files.dump_json(value).encode("utf-8", "backslashreplace")


def _identity() -> dict[str, object]:
    myself = processes.look(os.getpid())
    if myself is None:
        raise AgentLoopsError("processes cannot be listed here; mount /proc, then try again")
    return {"pid": myself.pid, "start_time": processes.start_time(myself)}


@contextlib.contextmanager
def _error_log(path: Path) -> Iterator[None]:
    """Standard error for the block, and what it raises; no file is left where nothing was said."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    os.dup2(fd, 2)
    try:
        yield
    except Exception:
        _complain()
        raise
    finally:
        with contextlib.suppress(OSError):
            if os.fstat(fd).st_size == 0:
                path.unlink()


def _complain() -> None:
    with contextlib.suppress(OSError):
        files.write_all(2, traceback.format_exc().encode("utf-8", "backslashreplace"))


def _script(prelude: str, command: str) -> str:
    # The colon is there because a group of comments alone would be an error.
    return f"{{ :\n{prelude}\n}} || exit $?\n{command}" if prelude.strip() else command


@contextlib.contextmanager
def _at_most(limit_s: float) -> Iterator[None]:
    """Interrupts the block, the engine of regular expressions included, with a TimeoutError."""

    def ring(*_: object) -> NoReturn:
        raise TimeoutError(f"measuring took longer than {limit_s:g} s")

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, limit_s, 1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


@dataclass(frozen=True, slots=True)
class _Stage:
    """How one command went; `log_bytes` is what it wrote."""

    outcome: Outcome
    wall_s: float = 0.0
    log_bytes: int = 0
    survivors: int = 0


class _Supervisor:
    """One run. Its `_stopped` is set by SIGTERM at any time, and looked at between two steps."""

    def __init__(self, spec: RunSpec, *, grace_s: float) -> None:
        self._spec = spec
        self._grace_s = grace_s
        self._environment = {**spec.environment, processes.MARKER_VARIABLE: spec.marker}
        self._stopped = False
        self._command = 0
        self._ended: tuple[int, float] | None = None
        self._sessions: set[int] = set()
        self._keeps_orphans = False
        self._memory = memory.PeakMemory(self._environment, self._find_for_sample)
        self._peak: tuple[float | None, str] = (None, "")
        self._lifeline: int | None = None
        wake, wake_write = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(wake_write, False)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        self._poll = select.poll()
        self._poll.register(wake, select.POLLIN)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(signum, self._stop)

    def _stop(self, *_: object) -> None:
        self._stopped = True

    def get_ready(self) -> None:
        """What takes time and can be done while the caller writes its record."""
        self._keeps_orphans = processes.adopt_orphans()

    def stop_with(self, lifeline: int) -> None:
        """The run is stopped when the other end of this pipe is closed."""
        self._lifeline = lifeline
        self._poll.register(lifeline, select.POLLIN)

    def run(self) -> None:
        """Everything, in order: run, evaluation, measurement, receipt, cleanup."""
        with contextlib.suppress(FileNotFoundError):
            self._spec.receipt.unlink()
        try:
            self._write(self._receipt())
        finally:
            if self._spec.cleanup_command:
                self._clean_up()

    # The record.

    def _receipt(self) -> dict[str, object]:
        spec = self._spec
        started_at = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        began = time.monotonic()
        stages, reason = self._stages()
        end = self._run_end(stages, began)
        measured: dict[str, object] = {}
        try:
            with _at_most(_MEASURE_LIMIT_S):
                measured = dict(spec.measure(end))
            encode(measured)
        except Exception as error:
            _complain()
            reason = reason or _describe(error)
            measured = {}
            end = replace(end, outcome=replace(end.outcome, kind="supervisor_failed"))
        return {
            "schema": SCHEMA,
            "marker": spec.marker,
            **asdict(end),
            "reason": reason,
            "started_at": started_at,
            "host": machine.host(),
            "boot_id": machine.boot_id(),
            "log": str(spec.log),
            "eval_log": str(spec.eval_log) if len(stages) > 1 else None,
            "log_bytes": stages[0].log_bytes,
            "measured": measured,
        }

    def _stages(self) -> tuple[list[_Stage], str]:
        """The run, and the evaluation if it came to that; and why they failed, if it was us."""
        spec = self._spec
        plan = [("run", spec.command, spec.log)]
        if spec.eval_command and spec.eval_log:
            plan.append(("eval", spec.eval_command, spec.eval_log))
        stages: list[_Stage] = []
        for name, command, log in plan:
            try:
                stages.append(self._stage(name, command, log))
            except Exception as error:
                _complain()
                self._end()
                stages.append(_Stage(Outcome("supervisor_failed", None, None, name)))
                return stages, _describe(error)
            outcome = stages[-1].outcome
            if outcome.kind != "exited" or outcome.exit_code != 0:
                break
        return stages, ""

    def _run_end(self, stages: list[_Stage], began: float) -> RunEnd:
        peak_mib, kind = self._peak
        return RunEnd(
            outcome=stages[-1].outcome,
            wall_s=round(stages[0].wall_s, 3),
            eval_wall_s=round(stages[1].wall_s, 3) if len(stages) > 1 else None,
            elapsed_s=round(time.monotonic() - began, 3),
            peak_memory_mib=peak_mib,
            memory_kind=kind,
            survivors=sum(stage.survivors for stage in stages),
        )

    def _write(self, receipt: Mapping[str, object]) -> None:
        data = encode(receipt) + b"\n"
        deadline = time.monotonic() + _RECEIPT_RETRY_S
        while True:
            try:
                files.write_atomic(self._spec.receipt, data, mode=0o600)
                return
            except AgentLoopsError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(0.5)

    # One command.

    def _stage(self, name: str, command: str, log: Path) -> _Stage:
        if self._stopped:
            return _Stage(Outcome("stopped", None, None, name))
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_TRUNC | os.O_CLOEXEC
        output = os.open(log, flags, 0o666)
        try:
            self._spec.prepare(name)
            began = time.monotonic()
            self._start(_script(self._spec.prelude, command), output)
            cut_short = self._watch(name, output, began + self._spec.timeout_s)
            self._memory.finish()
            survivors = self._end() if cut_short or self._outlived() else 0
            if name == "run":
                self._peak = self._memory.peak()
            size = os.fstat(output).st_size
        finally:
            os.close(output)
        if not cut_short and size > self._spec.log_limit_bytes:
            cut_short = "log_limit"
        outcome, ended = self._outcome(name, cut_short)
        return _Stage(outcome, ended - began, size, 0 if cut_short else survivors)

    def _start(self, script: str, output: int) -> None:
        self._ended = None
        self._command = processes.spawn(
            ["bash", "-c", script],
            environment=self._environment,
            workspace=self._spec.workspace,
            output=output,
        )
        if not self._keeps_orphans:
            self._sessions.add(self._command)

    def _watch(self, name: str, output: int, deadline: float) -> str:
        """Waits for the command's end; names what cuts it short, or is empty."""
        while self._ended is None:
            now = time.monotonic()
            if self._stopped and name != "cleanup":
                return "stopped"
            if now >= deadline:
                return "timed_out"
            if os.fstat(output).st_size > self._spec.log_limit_bytes:
                return "log_limit"
            if name == "run":
                self._memory.sample(now)
            self._pause(min(_TICK_S, deadline - now))
        return ""

    def _outcome(self, stage: str, cut_short: str) -> tuple[Outcome, float]:
        """How the command ended, and when."""
        if self._ended is None:  # not even SIGKILL reached it
            return Outcome(cut_short, None, None, stage), time.monotonic()
        status, at = self._ended
        code = os.waitstatus_to_exitcode(status)
        if code < 0:
            return Outcome(cut_short or "signalled", None, -code, stage), at
        return Outcome(cut_short or "exited", code, None, stage), at

    def _clean_up(self) -> None:
        """Runs `cleanup_command`. Whatever goes wrong with it is said in its log alone."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        output = os.open(self._spec.receipt.with_name(CLEANUP_LOG), flags, 0o600)
        try:
            self._start(self._spec.cleanup_command, output)
            self._watch("cleanup", output, time.monotonic() + _CLEANUP_LIMIT_S)
            self._end()
        except OSError as error:
            files.write_all(output, encode(str(error)) + b"\n")
        finally:
            os.close(output)

    # Its processes.

    def _pause(self, seconds: float) -> None:
        """Until a child ends, a signal comes or the time is over."""
        for fd, _ in self._poll.poll(max(seconds, 0) * 1000):
            if fd == self._lifeline:
                self._stopped = True
                self._poll.unregister(fd)
            else:
                with contextlib.suppress(BlockingIOError):
                    os.read(fd, 4096)
        self._reap()

    def _reap(self) -> bool:
        """Collects every child that has ended; says whether there are others."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self._command:
                self._ended = (status, time.monotonic())
            self._memory.reaped(pid, usage)

    def _find_for_sample(self) -> list[processes.Process]:
        # Where orphans stay in the tree, no environment need be read.
        return self._find(None if self._keeps_orphans else self._spec.marker)

    def _living(self) -> list[processes.Process]:
        if self._keeps_orphans and not self._reap():
            return []  # nothing can have left the tree, and no child is left
        return self._find(self._spec.marker)

    def _find(self, marker: str | None) -> list[processes.Process]:
        return processes.find(
            marker,
            root=os.getpid(),
            sessions=self._sessions,
            spared_session=self._memory.helper_pid,
        )

    def _outlived(self) -> bool:
        """Whether something still lives a moment after the command has ended."""
        settled = time.monotonic() + _SETTLE_S
        while self._living():
            left_s = settled - time.monotonic()
            if left_s <= 0:
                return True
            self._pause(min(left_s, _TICK_S / 10))
        return False

    def _end(self) -> int:
        return processes.end(self._living, grace_s=self._grace_s, pause=self._pause)


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
