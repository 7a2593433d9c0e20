"""Runs one command, watches it, and ends all that it started; notices its end at once.

Keeps no record: how it ended is returned. Needs a process of its own, since it reaps all children.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from agent_loops import memory, processes

_TICK_S = 0.25
# A process that forks and ends, over and over, may be missed by many a look at the list; that a
# child is left tells of it.
_LOOKS = 20
_SETTLE_S = 0.25  # a normal exit's helpers (multiprocessing has one) may take this long to follow


class Ending(NamedTuple):
    """How one command went: `exited`, `signalled`, or what cut it short.

    That is `timed_out`, `log_limit`, `pruned` or `stopped`. `exit_code` and `signal` are both None
    where not even SIGKILL ended it. `survivors` outlived a normal exit. `log_bytes` is what was
    written.
    """

    kind: str
    exit_code: int | None
    signal: int | None
    wall_s: float
    log_bytes: int
    survivors: int
    peak_memory_mib: float | None
    memory_kind: str


def _see_nothing(_size: int, _elapsed_s: float) -> bool:
    return False


class Watch:
    """Runs commands, one after the other, in a process that has no other children.

    SIGTERM, SIGINT and SIGHUP to that process stop the command; `stopped` stays true then.
    `started` is told the pid of each.
    """

    def __init__(
        self,
        *,
        environment: Mapping[str, str],
        marker: str,
        workspace: Path,
        grace_s: float,
        started: Callable[[int], None],
    ) -> None:
        self.stopped = False
        self._environment = {**environment, processes.MARKER_VARIABLE: marker}
        self._marker = marker
        self._workspace = workspace
        self._grace_s = grace_s
        self._started = started
        self._memory = self._new_memory()
        self._command = 0
        self._ended: tuple[int, float] | None = None
        self._sessions: set[int] = set()
        self._keeps_orphans = False
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

    def _new_memory(self) -> memory.PeakMemory:
        return memory.PeakMemory(self._environment, self._find_for_sample)

    def _stop(self, *_: object) -> None:
        self.stopped = True

    def adopt_orphans(self) -> None:
        """To be called before the first command. It takes some milliseconds."""
        self._keeps_orphans = processes.adopt_orphans()

    def stop_with(self, lifeline: int) -> None:
        """Stops the command when the other end of this pipe is closed."""
        self._lifeline = lifeline
        self._poll.register(lifeline, select.POLLIN)

    def run(
        self,
        script: str,
        output: int,
        *,
        limit_s: float,
        log_limit_bytes: int,
        stoppable: bool = True,
        meanwhile: Callable[[], None] = lambda: None,
        look: Callable[[int, float], bool] = _see_nothing,
    ) -> Ending:
        """Runs `bash -c script` with all its output to the file `output`.

        `meanwhile` is called once, as soon as the command runs; `look` some times a second, with
        the bytes written and the seconds since the start: true ends the command as `pruned`.

        Raises:
            OSError: it could not be started.
        """
        self._memory = self._new_memory()
        began = time.monotonic()
        self._start(script, output)
        meanwhile()
        cut_short = self._watch(
            output, began, limit_s=limit_s, log_limit_bytes=log_limit_bytes, stoppable=stoppable,
            look=look,
        )  # fmt: skip
        self._memory.finish()
        survivors = self.end_all() if cut_short or self._outlived() else 0
        size = os.fstat(output).st_size
        if not cut_short and size > log_limit_bytes:
            cut_short = "log_limit"
        code, ended = self._exit_code()
        kind = "exited" if code is None or code >= 0 else "signalled"
        peak_mib, memory_kind = self._memory.peak()
        return Ending(
            kind=cut_short or kind,
            exit_code=code if code is None or code >= 0 else None,
            signal=-code if code is not None and code < 0 else None,
            wall_s=ended - began,
            log_bytes=size,
            survivors=0 if cut_short else survivors,
            peak_memory_mib=peak_mib,
            memory_kind=memory_kind,
        )

    def end_all(self) -> int:
        """Ends whatever the commands started: SIGTERM, the grace, SIGKILL. Returns how many."""
        return processes.end(self._living, grace_s=self._grace_s, pause=self._pause)

    def _start(self, script: str, output: int) -> None:
        self._ended = None
        self._command = processes.spawn(
            ["bash", "-c", script],
            environment=self._environment,
            workspace=self._workspace,
            output=output,
        )
        self._started(self._command)
        if not self._keeps_orphans:
            self._sessions.add(self._command)

    def _watch(
        self,
        output: int,
        began: float,
        *,
        limit_s: float,
        log_limit_bytes: int,
        stoppable: bool,
        look: Callable[[int, float], bool],
    ) -> str:
        """Waits for the command's end; names what cuts it short, or is empty."""
        deadline = began + limit_s
        while self._ended is None:
            now = time.monotonic()
            if self.stopped and stoppable:
                return "stopped"
            if now >= deadline:
                return "timed_out"
            size = os.fstat(output).st_size
            if size > log_limit_bytes:
                return "log_limit"
            if look(size, now - began):
                return "pruned"
            self._memory.sample(now)
            self._pause(min(_TICK_S, deadline - now))
        return ""

    def _exit_code(self) -> tuple[int | None, float]:
        """The exit code, or minus the signal, and when; None where it has not ended."""
        if self._ended is None:
            return None, time.monotonic()
        status, at = self._ended
        return os.waitstatus_to_exitcode(status), at

    def _pause(self, seconds: float) -> None:
        """Until a child ends, a signal comes or the time is over."""
        for fd, _ in self._poll.poll(max(seconds, 0) * 1000):
            if fd == self._lifeline:
                self.stopped = True
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
        return self._find(None if self._keeps_orphans else self._marker)

    def _living(self) -> list[processes.Process]:
        found: list[processes.Process] = []
        for _ in range(_LOOKS):
            if self._keeps_orphans and not self._reap():
                return []  # nothing can have left the tree, and no child is left
            found = self._find(self._marker)
            if found or not self._keeps_orphans or self._memory.helper_pid is not None:
                break
        return found

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
