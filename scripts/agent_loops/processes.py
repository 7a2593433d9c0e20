"""Starts a process in a session of its own; finds and ends all that came of it, wherever it went.

Cannot reach another user's process, nor one that a daemon (docker, cron, a batch system) started.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from agent_loops.errors import AgentLoopsError

MARKER_VARIABLE = "AGENT_LOOPS_RUN"
KILL_S = 10.0  # how long SIGKILL is repeated: only a fork bomb or a dead disk needs a second pass
_PASS_S = 0.02


class Process(NamedTuple):
    """One process at one instant. `pid` and `birth` together are never reused within a boot.

    `birth` is in seconds, from an origin that the system chooses. `alive` is false for what has
    ended and only waits to be reaped.
    """

    pid: int
    parent: int
    group: int
    session: int
    birth: float
    rss_bytes: int
    alive: bool


class _System(Protocol):
    def pids(self) -> Iterable[int]: ...
    def look(self, pid: int) -> Process | None: ...
    def environment(self, pid: int) -> bytes: ...
    def start_time(self, process: Process) -> float: ...


class _Procfs:
    """Linux: read directly, because a scan must cost milliseconds and psutil may be missing."""

    def __init__(self) -> None:
        self._tick_s = 1 / os.sysconf("SC_CLK_TCK")
        self._page_bytes = os.sysconf("SC_PAGE_SIZE")

    def pids(self) -> Iterable[int]:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]

    def look(self, pid: int) -> Process | None:
        stat = _read(f"/proc/{pid}/stat")
        if not stat:
            return None
        # The name stands in parentheses and may itself hold any byte, hence the last one.
        field = stat.rpartition(b")")[2].split()
        threads = int(field[17])
        return Process(
            pid=pid,
            parent=int(field[1]),
            group=int(field[2]),
            session=int(field[3]),
            birth=int(field[19]) * self._tick_s,
            rss_bytes=int(field[21]) * self._page_bytes,
            # A process whose first thread has ended looks like a zombie while others go on.
            alive=field[0] not in (b"Z", b"X") or threads > 1,
        )

    def environment(self, pid: int) -> bytes:
        return _read(f"/proc/{pid}/environ")

    def start_time(self, process: Process) -> float:
        for line in _read("/proc/stat").splitlines():
            if line.startswith(b"btime "):
                return process.birth + int(line.split()[1])
        return process.birth


class _Psutil:
    """Every other system."""

    def __init__(self) -> None:
        try:
            import psutil
        except ImportError:
            raise AgentLoopsError(
                "on this system the Python package psutil is needed: python3 -m pip install psutil"
            ) from None
        self._psutil: Any = psutil

    def pids(self) -> Iterable[int]:
        return list(self._psutil.pids())

    def look(self, pid: int) -> Process | None:
        try:
            process = self._psutil.Process(pid)
            with process.oneshot():
                return Process(
                    pid=pid,
                    parent=process.ppid(),
                    group=os.getpgid(pid),
                    session=os.getsid(pid),
                    birth=process.create_time(),
                    rss_bytes=process.memory_info().rss,
                    alive=process.status() != self._psutil.STATUS_ZOMBIE,
                )
        except (self._psutil.Error, OSError):
            return None

    def environment(self, pid: int) -> bytes:
        try:
            pairs = self._psutil.Process(pid).environ().items()
        except (self._psutil.Error, OSError):
            return b""
        return b"".join(os.fsencode(f"{name}={value}") + b"\0" for name, value in pairs)

    def start_time(self, process: Process) -> float:
        return process.birth


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except OSError:  # ended meanwhile, or another user's
        return b""


@functools.cache
def system() -> _System:
    """How processes are looked at here.

    Raises:
        AgentLoopsError: nothing on this machine can; the message names what to install.
    """
    return _Procfs() if sys.platform.startswith("linux") else _Psutil()


def look(pid: int) -> Process | None:
    """The process, or None when there is none."""
    return system().look(pid)


def start_time(process: Process) -> float:
    """When it started, in seconds since the epoch, equal to psutil's `create_time`."""
    return system().start_time(process)


def find(
    marker: str | None,
    *,
    root: int | None = None,
    first: tuple[int, float] | None = None,
    sessions: Collection[int] = (),
    spared_session: int | None = None,
) -> list[Process]:
    """Every living process that belongs to the run with this marker, the calling one excepted.

    That is: what descends from `root`, the process with the pid and birth of `first`, what is in
    one of `sessions`, what carries the marker in its environment, and all that descends from those;
    less the members of `spared_session`.
    """
    here = system()
    table = [process for pid in here.pids() if (process := here.look(pid)) is not None]
    children: dict[int, list[Process]] = defaultdict(list)
    for process in table:
        children[process.parent].append(process)
    found: dict[int, Process] = {}

    def collect(pending: list[Process]) -> None:
        while pending:
            process = pending.pop()
            if process.pid not in found:
                found[process.pid] = process
                pending.extend(children[process.pid])

    if root is not None:
        collect(list(children[root]))
    collect([p for p in table if (p.pid, p.birth) == first])
    collect([p for p in table if p.session in sessions or p.group in sessions])
    if marker is not None:
        needle = os.fsencode(f"\0{MARKER_VARIABLE}={marker}\0")
        others = [p for p in table if p.pid not in found]
        collect([p for p in others if needle in b"\0" + here.environment(p.pid)])
    return [
        process
        for process in found.values()
        if process.alive and process.pid != os.getpid() and process.session != spared_session
    ]


def end(
    find_all: Callable[[], Sequence[Process]],
    *,
    grace_s: float,
    pause: Callable[[float], object] = time.sleep,
) -> int:
    """SIGTERM, `grace_s`, then SIGKILL until `find_all` finds none; returns how many there were.

    `find_all` is asked again and again, so what is started meanwhile is ended too. Gives up
    `KILL_S` after the first SIGKILL; a process that may not be signalled is left at once.
    """
    asked: set[tuple[int, float]] = set()
    refused: set[tuple[int, float]] = set()
    kill_from = time.monotonic() + grace_s
    empty_passes = 0
    while empty_passes < 2:  # a process between fork and exec shows no environment for a moment
        found = [p for p in find_all() if (p.pid, p.birth) not in refused]
        empty_passes = 0 if found else empty_passes + 1
        now = time.monotonic()
        if now > kill_from + KILL_S:
            break
        for process in found:
            key = (process.pid, process.birth)
            try:
                if now >= kill_from:
                    _kill(process)
                elif key not in asked:
                    _ask(process)
                asked.add(key)
            except PermissionError:
                refused.add(key)
        if found or (empty_passes == 1 and asked):
            pause(_PASS_S)
    return len(asked)


def _ask(process: Process) -> None:
    _send(process, signal.SIGTERM)
    _send(process, signal.SIGCONT)  # a stopped process could not answer


def _kill(process: Process) -> None:
    if process.group > 1 and process.group != os.getpgrp() and _is_same(process):
        # The group dies in one step, so that a fork bomb cannot outrun the list. It is one of the
        # run's: the run began in a session of its own, and groups do not reach across sessions.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.group, signal.SIGKILL)
    _send(process, signal.SIGKILL)


def _is_same(process: Process) -> bool:
    current = look(process.pid)
    return current is not None and current.birth == process.birth


def _send(process: Process, signum: int) -> None:
    if _is_same(process):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signum)


def spawn(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str],
    workspace: Path,
    output: int,
    stdin: int | None = None,
) -> int:
    """Starts `argv` in a new session; all output goes to `output`.

    Standard input is the descriptor `stdin`, else empty.

    Returns its pid once it really runs. It gets no other descriptor, and no signal is ignored
    or blocked in it.

    Raises:
        OSError: it could not be started; nothing runs.
    """
    error_read, error_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            os.chdir(workspace)
            os.dup2(os.open(os.devnull, os.O_RDONLY) if stdin is None else stdin, 0)
            os.dup2(output, 1)
            os.dup2(output, 2)
            signal.set_wakeup_fd(-1)
            reset_signals()
            os.execvpe(argv[0], list(argv), environment)
        except OSError as error:
            os.write(error_write, f"{error.errno} {error.filename or argv[0]}".encode())
        except ValueError:  # a NUL byte in a word or in the environment
            os.write(error_write, f"{errno.EINVAL} {argv[0]}".encode())
        finally:
            os._exit(127)
    os.close(error_write)
    with open(error_read, "rb") as report:
        failure = report.read()
    if failure:
        os.waitpid(pid, 0)
        number, _, name = failure.partition(b" ")
        raise OSError(int(number), os.strerror(int(number)), os.fsdecode(name))
    return pid


def reset_signals() -> None:
    """Gives every signal its default action, and blocks none."""
    for signum in signal.valid_signals():
        with contextlib.suppress(OSError, ValueError):  # SIGKILL, SIGSTOP
            signal.signal(signum, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def adopt_orphans() -> bool:
    """Makes all orphaned descendants children of this process; false where that is not to be had.

    Where it is, a descendant can neither leave the tree nor end unseen.
    """
    pr_set_child_subreaper = 36
    return _prctl(pr_set_child_subreaper, 1)


def can_adopt_orphans() -> bool:
    """Whether `adopt_orphans` is to be had here; changes nothing."""
    pr_get_child_subreaper = 37
    return _prctl(pr_get_child_subreaper, bytearray(8))


def _prctl(option: int, argument: int | bytearray) -> bool:
    """Linux's call of that name; false where it is not there or says no."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        import ctypes

        value = argument if isinstance(argument, int) else (ctypes.c_char * 8).from_buffer(argument)
        return bool(ctypes.CDLL(None).prctl(option, value, 0, 0, 0) == 0)
    except (ImportError, OSError, AttributeError):
        return False
