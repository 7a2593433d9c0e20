"""The peak memory of a run: of its processes on the GPUs where the system tells, else in RAM.

Takes samples: a peak shorter than the time between two of them may be missed.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from agent_loops import processes

_MIB = 1 << 20
_RSS_EVERY_S = 1.0
_RSS_SHARE = 50  # a sample may cost one fiftieth of the time until the next, on a crowded machine
_GPU_EVERY_S = 5.0
_GPU_LIMIT_S = 10.0
_GPU_QUERY = "--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits"


class PeakMemory:
    """Call `sample` as often as you like: it returns at once and paces itself.

    `find_all` finds the run's processes. Shared pages count once for each process that has them.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        find_all: Callable[[], Sequence[processes.Process]],
    ) -> None:
        self._find_all = find_all
        self._pids: set[int] = set()
        self._rss_bytes = 0
        self._rss_at = 0.0
        self._rss_every_s = _RSS_EVERY_S / 8
        self._gpu = _GpuQuery(environment)
        self._own_peak_bytes = _peak_bytes(resource.getrusage(resource.RUSAGE_SELF))
        self._largest_bytes = 0

    @property
    def helper_pid(self) -> int | None:
        """The process, and session, of a query under way: none of the run's."""
        return self._gpu.pid

    def reaped(self, pid: int, usage: resource.struct_rusage) -> None:
        """Tells that a child has ended, and its number may be used again."""
        if pid == self._gpu.pid:
            self._gpu.pid = None
        else:
            self._largest_bytes = max(self._largest_bytes, _peak_bytes(usage))

    def sample(self, now: float) -> None:
        """`now` is in seconds, monotonic."""
        if now >= self._rss_at:
            began = time.process_time()  # not the wall clock: others' load is no cost of ours
            found = self._find_all()
            self._pids = {process.pid for process in found}
            self._rss_bytes = max(self._rss_bytes, sum(p.rss_bytes for p in found))
            cost_s = time.process_time() - began
            self._rss_every_s = min(2 * self._rss_every_s, _RSS_EVERY_S)
            self._rss_at = now + max(self._rss_every_s, _RSS_SHARE * cost_s)
        self._gpu.poll(now, self._pids)

    def finish(self) -> None:
        """No more samples; ends a query under way."""
        self._gpu.end()

    def peak(self) -> tuple[float | None, str]:
        """MiB and what they are, `vram` or `rss`; None and the empty word where nobody knows."""
        if self._gpu.peak_mib > 0:
            return self._gpu.peak_mib, "vram"
        # A process starts with the peak of the one it was forked from, so a figure no larger than
        # that says little: it stands only where there is no other.
        inherited = self._largest_bytes <= self._own_peak_bytes
        largest_bytes = 0 if inherited and self._rss_bytes else self._largest_bytes
        known = max(self._rss_bytes, largest_bytes)
        return (round(known / _MIB, 3), "rss") if known else (None, "")


class _GpuQuery:
    """`nvidia-smi` from the run's PATH, one at a time, never waited for."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.pid: int | None = None
        self.peak_mib = 0.0
        self._environment = environment
        self._program = _which("nvidia-smi", environment)
        self._next_at = 0.0
        self._end_at = 0.0
        self._answer: int | None = None
        self._text = b""

    def poll(self, now: float, pids: set[int]) -> None:
        if self._answer is not None:
            self._read(pids)
            if self._answer is not None and now >= self._end_at:
                self.end()
        elif self._program and self.pid is None and now >= self._next_at:
            self._start(now)

    def _start(self, now: float) -> None:
        self._next_at = now + _GPU_EVERY_S
        self._end_at = now + _GPU_LIMIT_S
        self._text = b""
        answer, output = os.pipe()
        os.set_blocking(answer, False)
        try:
            self.pid = processes.spawn(
                [self._program, *_GPU_QUERY],
                environment=self._environment,
                workspace=Path("/"),
                output=output,
            )
            self._answer = answer
        except OSError:
            self._program = ""
            os.close(answer)
        finally:
            os.close(output)

    def _read(self, pids: set[int]) -> None:
        assert self._answer is not None
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(self._answer, 65536):
                self._text += chunk
            self._close()
            self.peak_mib = max(self.peak_mib, used_mib(self._text, pids))

    def _close(self) -> None:
        if self._answer is not None:
            os.close(self._answer)
            self._answer = None

    def end(self) -> None:
        self._close()
        if self.pid is not None:
            with contextlib.suppress(OSError):
                os.killpg(self.pid, signal.SIGKILL)


def used_mib(answer: bytes, pids: set[int]) -> float:
    """The sum over the rows `pid, MiB` of `answer` whose pid is one of `pids`; others are passed.

    A process has a row for each GPU. Where the driver cannot tell, it says `[N/A]`.
    """
    total = 0.0
    for row in answer.splitlines():
        pid, _, mib = row.partition(b",")
        with contextlib.suppress(ValueError):
            if int(pid) in pids:
                total += int(mib)
    return total


def _which(program: str, environment: Mapping[str, str]) -> str:
    for folder in os.get_exec_path(environment):
        path = os.path.join(folder, program)
        if os.path.isabs(path) and os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return ""


def _peak_bytes(usage: resource.struct_rusage) -> int:
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
