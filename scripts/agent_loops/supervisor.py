"""The process that leads one run from `go` to its receipt, and cleans up after it.

Knows nothing of who asked for it: by then the caller may be dead.
"""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple, NoReturn

from agent_loops import files, machine, processes
from agent_loops.errors import AgentLoopsError
from agent_loops.watch import Ending, Watch

SCHEMA = 1
GO = b"g"
ERROR_LOG = "supervisor.log"
CLEANUP_LOG = "cleanup.log"
_CLEANUP_LIMIT_S = 60.0
_MEASURE_LIMIT_S = 300.0  # a regular expression can take for ever
_LOOK_LIMIT_S = 1.0
_RECEIPT_RETRY_S = 60.0


class Outcome(NamedTuple):
    """How a run ended.

    `kind` is `exited`, `signalled`, `timed_out`, `log_limit`, `pruned`, `stopped` or
    `supervisor_failed`; `stage` is `run`, `eval` or `holdout`; `exit_code` and `signal` say how the
    command itself ended, where it did. A shell that passes on its child's death by signal n has
    exited, with 128 + n.
    """

    kind: str
    exit_code: int | None
    signal: int | None
    stage: str


class RunEnd(NamedTuple):
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


def _nothing_meanwhile() -> None:
    return


def _see_nothing(_size: int, _elapsed_s: float) -> bool:
    return False


def _evaluate_always() -> bool:
    return True


class RunSpec(NamedTuple):
    """One run. The commands are for `bash -c`; `environment` is complete but for the marker.

    `eval_command` runs after a successful command, with the prelude as well, and after it
    `holdout_command`; `cleanup_command` after every run, without it, its output in `cleanup.log`
    beside the receipt. `prepare` is called with `run`, `eval` or `holdout` before each is started,
    `meanwhile` as soon as it runs, `measure` after all; where `may_evaluate` says no between them,
    the evaluations that follow are left out. All in the supervisor, and when one raises, the
    outcome is `supervisor_failed`. `look` is shown the run some times a second (see `Watch.run`);
    once it raises or takes a second, no more. The receipt holds what `measure` answers, and the
    `seal`: the run knows its marker, but not that.
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
    holdout_command: str = ""
    holdout_log: Path | None = None
    cleanup_command: str = ""
    log_limit_bytes: int = 1 << 30
    measure: Callable[[RunEnd], Mapping[str, object]] = _measure_nothing
    prepare: Callable[[str], None] = _prepare_nothing
    meanwhile: Callable[[], None] = _nothing_meanwhile
    may_evaluate: Callable[[], bool] = _evaluate_always
    look: Callable[[int, float], bool] = _see_nothing
    seal: str = ""


def check(spec: RunSpec) -> None:
    """Raises `ValueError` for a spec that cannot be run."""
    if not spec.marker or "\0" in spec.marker:
        raise ValueError("marker must be a word")
    if spec.eval_command and spec.eval_log is None:
        raise ValueError("eval_command needs an eval_log")
    if spec.holdout_command and spec.holdout_log is None:
        raise ValueError("holdout_command needs a holdout_log")


def serve(
    spec: RunSpec, control: int, report: int, *, lifeline: bool, grace_s: float, lock_wait_s: float
) -> None:
    """The supervisor's life: lock, report, `GO` through `control`, the run.

    `report` gets one line of JSON: `pid` and `start_time`, or `error` and whether it is `busy`.
    The end of `control` before `GO` ends it with nothing done; with a `lifeline` the end of
    `control` stops the run. The lock is released by the end of the process.
    """
    try:
        lock = files.take_lock(spec.run_lock, wait_s=lock_wait_s)
    except AgentLoopsError as error:
        busy = isinstance(error, files.LockBusy)
        files.write_all(report, encode({"busy": busy, "error": str(error)}) + b"\n")
        return
    with _error_log(spec.receipt.with_name(ERROR_LOG)):
        supervisor = _Supervisor(spec, lock, grace_s=grace_s)
        files.write_all(report, encode(_identity()) + b"\n")
        os.close(report)
        supervisor.watch.adopt_orphans()  # meanwhile the caller writes its record
        if os.read(control, 1) == GO:
            if lifeline:
                supervisor.watch.stop_with(control)
            supervisor.run()


def first_process(run_lock: Path, marker: str) -> tuple[int, float] | None:
    """Pid and birth of what the run with this marker started last; None where nobody knows."""
    try:
        match files.load_json(files.read_regular(run_lock)):
            case [str(whose), str(boot_id), int(pid), int(birth) | float(birth)]:
                return (pid, birth) if (whose, boot_id) == (marker, machine.boot_id()) else None
    except (OSError, ValueError):
        pass
    return None


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
    fd = _open_output(path, 0o600)
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


def _open_output(path: Path, mode: int) -> int:
    """Opens a file to append to. A pipe that a run put there is refused: it would block for ever.

    Raises:
        OSError: it cannot be opened, or nobody reads the pipe that is there.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    fd = os.open(path, flags | os.O_NONBLOCK, mode)
    os.set_blocking(fd, True)
    return fd


def _complain() -> None:
    import traceback  # only here: most runs never complain

    with contextlib.suppress(OSError):
        files.write_all(2, traceback.format_exc().encode("utf-8", "backslashreplace"))


def script(prelude: str, command: str) -> str:
    """What `bash -c` is given: the command runs only where the prelude succeeds."""
    # The colon is there because a group of comments alone would be an error.
    return f"{{ :\n{prelude}\n}} || exit $?\n{command}" if prelude.strip() else command


@contextlib.contextmanager
def _at_most(limit_s: float) -> Iterator[None]:
    """Interrupts the block, the engine of regular expressions included, with a TimeoutError."""

    def ring(*_: object) -> NoReturn:
        raise TimeoutError(f"it took longer than {limit_s:g} s")

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, limit_s, 1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


class _Supervisor:
    """One run: what its plan and its record are. `watch` knows its processes."""

    def __init__(self, spec: RunSpec, lock: int, *, grace_s: float) -> None:
        self._spec = spec
        self._lock = lock
        self._is_blind = False
        self.watch = Watch(
            environment=spec.environment,
            marker=spec.marker,
            workspace=spec.workspace,
            grace_s=grace_s,
            started=self._note_first_process,
        )

    def _note_first_process(self, pid: int) -> None:
        """Leaves in the lock what finds the command if we are killed, and it wiped its marker."""
        process = processes.look(pid)
        if process is not None:
            first = encode([self._spec.marker, machine.boot_id(), pid, process.birth])
            with contextlib.suppress(OSError):  # on a full disk the marker must do
                os.ftruncate(self._lock, 0)
                os.pwrite(self._lock, first, 0)

    def run(self) -> None:
        """Everything, in order: run, evaluation, measurement, receipt, cleanup."""
        with contextlib.suppress(FileNotFoundError):
            self._spec.receipt.unlink()
        try:
            self._write(self._receipt())
        finally:
            if self._spec.cleanup_command:
                self._clean_up()

    def _receipt(self) -> dict[str, object]:
        spec = self._spec
        started_at = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        began = time.monotonic()
        endings, reason = self._stages()
        end = _run_end(endings, time.monotonic() - began)
        measured: dict[str, object] = {}
        try:
            with _at_most(_MEASURE_LIMIT_S):
                measured = dict(spec.measure(end))
            encode(measured)
        except Exception as error:  # noqa: BLE001  the caller's code; the record says what it was
            _complain()
            reason = reason or _describe(error)
            measured = {}
            end = end._replace(outcome=end.outcome._replace(kind="supervisor_failed"))
        return {
            "schema": SCHEMA,
            "marker": spec.marker,
            "seal": spec.seal,
            **end._asdict(),
            "outcome": end.outcome._asdict(),
            "reason": reason,
            "started_at": started_at,
            "host": machine.host(),
            "boot_id": machine.boot_id(),
            "log": str(spec.log),
            "eval_log": str(spec.eval_log) if "eval" in endings else None,
            "log_bytes": endings["run"].log_bytes,
            "measured": measured,
        }

    def _stages(self) -> tuple[dict[str, Ending], str]:
        """How run and, if it came to that, evaluation went; and what failed if it was us."""
        spec = self._spec
        plan = [("run", spec.command, spec.log)]
        if spec.eval_command and spec.eval_log:
            plan.append(("eval", spec.eval_command, spec.eval_log))
        if spec.holdout_command and spec.holdout_log:
            plan.append(("holdout", spec.holdout_command, spec.holdout_log))
        endings: dict[str, Ending] = {}
        for name, command, log in plan:
            try:
                if name != "run" and not spec.may_evaluate():
                    break
                endings[name] = self._stage(name, command, log)
            except Exception as error:  # noqa: BLE001  a run that ends without a receipt is lost
                _complain()
                self.watch.end_all()
                endings[name] = _not_run("supervisor_failed")
                return endings, _describe(error)
            if (endings[name].kind, endings[name].exit_code) != ("exited", 0):
                break
        return endings, ""

    def _stage(self, name: str, command: str, log: Path) -> Ending:
        if self.watch.stopped:
            return _not_run("stopped")
        output = _open_output(log, 0o666)
        if stat.S_ISREG(os.fstat(output).st_mode):
            os.ftruncate(output, 0)
        try:
            self._spec.prepare(name)
            return self.watch.run(
                script(self._spec.prelude, command),
                output,
                limit_s=self._spec.timeout_s,
                log_limit_bytes=self._spec.log_limit_bytes,
                meanwhile=self._spec.meanwhile,
                look=self._look if name == "run" else _see_nothing,
            )
        finally:
            os.close(output)

    def _look(self, size: int, elapsed_s: float) -> bool:
        """What the caller's `look` says; an ill-made pattern of its must not stop the watch."""
        if self._is_blind:
            return False
        try:
            with _at_most(_LOOK_LIMIT_S):
                return self._spec.look(size, elapsed_s)
        except Exception:  # noqa: BLE001  the caller's code; a run goes on without it
            _complain()
            self._is_blind = True
            return False

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

    def _clean_up(self) -> None:
        """Runs `cleanup_command`. Whatever goes wrong with it is said in its log alone."""
        output = _open_output(self._spec.receipt.with_name(CLEANUP_LOG), 0o600)
        try:
            self.watch.run(
                self._spec.cleanup_command,
                output,
                limit_s=_CLEANUP_LIMIT_S,
                log_limit_bytes=self._spec.log_limit_bytes,
                stoppable=False,
            )
        except OSError as error:
            files.write_all(output, encode(str(error)) + b"\n")
        finally:
            os.close(output)


def _not_run(kind: str) -> Ending:
    return Ending(
        kind=kind,
        exit_code=None,
        signal=None,
        wall_s=0.0,
        log_bytes=0,
        survivors=0,
        peak_memory_mib=None,
        memory_kind="",
    )


def _run_end(endings: Mapping[str, Ending], elapsed_s: float) -> RunEnd:
    run, evaluation = endings["run"], endings.get("eval")
    stage, last = list(endings.items())[-1]
    return RunEnd(
        outcome=Outcome(last.kind, last.exit_code, last.signal, stage),
        wall_s=round(run.wall_s, 3),
        eval_wall_s=round(evaluation.wall_s, 3) if evaluation else None,
        elapsed_s=round(elapsed_s, 3),
        peak_memory_mib=run.peak_memory_mib,
        memory_kind=run.memory_kind,
        survivors=sum(ending.survivors for ending in endings.values()),
    )


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
