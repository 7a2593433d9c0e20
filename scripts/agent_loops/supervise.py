"""Runs one command under a supervisor that outlives the caller, and waits for its end.

Does not judge: what was measured comes from the caller's `measure`, and a verdict from `decide`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
import warnings
from pathlib import Path
from typing import Any, NoReturn

from agent_loops import files, processes
from agent_loops.errors import AgentLoopsError
from agent_loops.supervisor import ERROR_LOG, GO, check, encode, first_process, serve
from agent_loops.supervisor import Outcome as Outcome
from agent_loops.supervisor import RunEnd as RunEnd
from agent_loops.supervisor import RunSpec as RunSpec

GRACE_S = 10.0  # between SIGTERM and SIGKILL
LOCK_WAIT_S = 5.0
_POLL_S = 0.01


class Launch:
    """A supervisor that holds the lock and waits for `go`; if the caller dies first, it leaves.

    `start_time` is the supervisor's, equal to psutil's `create_time`. SIGTERM to `pid` stops the
    run, with a receipt.
    """

    def __init__(self, pid: int, start_time: float, control: int, *, lifeline: bool) -> None:
        self.pid = pid
        self.start_time = start_time
        self._control = control
        self._lifeline = lifeline

    def go(self) -> None:
        """Starts the run and returns at once. A supervisor killed meanwhile is a lost run."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._control, GO)
        if not self._lifeline:
            self.abandon()

    def abandon(self) -> None:
        """Nothing is run. After `go` it does nothing."""
        if self._control >= 0:
            os.close(self._control)
            self._control = -1


def launch(spec: RunSpec) -> Launch:
    """Starts an orphaned supervisor that waits for `go`.

    A receipt at `spec.receipt` is removed at `go`; its marker tells an older one from this run's.

    Raises:
        files.LockBusy: another run holds `run_lock`.
        AgentLoopsError: it could not be started; the message says why.
    """
    return _launch(spec, lifeline=False)


def run_in_foreground(spec: RunSpec) -> dict[str, Any]:
    """Runs to the end and returns the receipt. Ctrl-C or the caller's death stops the run.

    Raises:
        files.LockBusy: another run holds `run_lock`.
        AgentLoopsError: it could not be started, or left no receipt.
    """
    started = _launch(spec, lifeline=True)
    try:
        started.go()
        wait_for_end(spec.run_lock, None)
    except KeyboardInterrupt:
        started.abandon()
        wait_for_end(spec.run_lock, None)
    finally:
        started.abandon()
    try:
        receipt: dict[str, Any] = files.load_json(spec.receipt.read_bytes())
    except (OSError, ValueError):
        raise AgentLoopsError(
            f"{spec.receipt}: no receipt: the supervisor was killed, or the disk is full; run it"
            " again"
        ) from None
    return receipt


def wait_for_end(run_lock: Path, timeout_s: float | None) -> bool:
    """Waits until nobody holds `run_lock`; false when somebody still does after `timeout_s`."""
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    while files.is_locked(run_lock):
        left_s = _POLL_S if deadline is None else min(_POLL_S, deadline - time.monotonic())
        if left_s <= 0:
            return False
        time.sleep(left_s)
    return True


def find_processes(marker: str, run_lock: Path) -> list[processes.Process]:
    """The living processes of a run: the command, what carries the marker, what they started.

    Sees only processes whose environment may be read: one's own, or all of them for root.
    """
    return processes.find(marker, first=first_process(run_lock, marker))


def end_processes(marker: str, run_lock: Path) -> int:
    """Ends what a killed supervisor left: SIGTERM, `GRACE_S`, SIGKILL. Returns how many."""
    first = first_process(run_lock, marker)
    return processes.end(lambda: processes.find(marker, first=first), grace_s=GRACE_S)


def _launch(spec: RunSpec, *, lifeline: bool) -> Launch:
    check(spec)
    processes.system()
    logs = [path for path in (spec.log, spec.eval_log, spec.holdout_log) if path is not None]
    for path in (spec.receipt, spec.run_lock, *logs):
        files.make_dir(path.parent)
    _fill_standard_descriptors()
    control_read, control = os.pipe()
    report, report_write = os.pipe()
    # No signal may run the caller's handlers in the child.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        with warnings.catch_warnings():
            # Python warns of a fork beside threads; the child takes no lock that they could hold.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
            if child == 0:
                _detach(spec, control_read, report_write, lifeline=lifeline)
    except OSError as error:
        os.close(control)
        os.close(report)
        raise AgentLoopsError(f"no process could be started: {error.strerror}") from error
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.close(control_read)
        os.close(report_write)
    try:
        pid, start_time = _await_report(spec, child, report)
    except BaseException:
        os.close(control)
        raise
    return Launch(pid, start_time, control, lifeline=lifeline)


def _fill_standard_descriptors() -> None:
    """A caller may have closed its standard input; no pipe of ours may get that number."""
    fd = os.open(os.devnull, os.O_RDWR)
    if fd <= 2:
        _fill_standard_descriptors()
    else:
        os.close(fd)


def _await_report(spec: RunSpec, child: int, report: int) -> tuple[int, float]:
    with open(report, "rb") as stream:
        answer: dict[str, Any] = files.load_json(stream.readline() or b"{}")
    with contextlib.suppress(ChildProcessError):
        os.waitpid(child, 0)
    if "pid" not in answer:
        kind = files.LockBusy if answer.get("busy") else AgentLoopsError
        log = spec.receipt.with_name(ERROR_LOG)
        raise kind(answer.get("error") or f"the supervisor was killed; {log} may say more")
    return answer["pid"], answer["start_time"]


def _detach(spec: RunSpec, control: int, report: int, *, lifeline: bool) -> NoReturn:
    """The forked child: becomes the supervisor, in a session of its own, with init for a parent."""
    try:
        os.setsid()
        if os.fork() > 0:
            os._exit(0)
        os.setsid()
        _cut_off(keep=(control, report))
        serve(
            spec,
            control,
            report,
            lifeline=lifeline,
            grace_s=GRACE_S,
            lock_wait_s=LOCK_WAIT_S,
        )
    except Exception as error:  # noqa: BLE001  nothing may return into the caller's stack
        with contextlib.suppress(OSError):  # told before, if the pipe is closed
            files.write_all(report, encode({"error": f"the supervisor failed: {error}"}) + b"\n")
    finally:
        os._exit(0)


def _cut_off(*, keep: tuple[int, ...]) -> None:
    """Gives signals their default actions, and leaves nothing inherited open but `keep`."""
    processes.reset_signals()
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    null = os.open(os.devnull, os.O_RDWR)
    try:
        inherited = [int(name) for name in os.listdir("/dev/fd")]
    except OSError:
        inherited = list(range(1024))
    for fd in inherited:
        # Replaced, not closed: an object of the caller's may close its number once more, and must
        # not hit a file of ours.
        if fd not in (*keep, null):
            with contextlib.suppress(OSError):
                os.fstat(fd)  # the listing's own descriptor is gone
                os.dup2(null, fd, inheritable=fd <= 2)
    os.close(null)
