"""Runs a coding client in this terminal as if it had been started by hand, and outlives it.

Judges nothing: how it ended and what it said is for `watchdog`. Not for a client's grandchildren.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_TAIL_BYTES = 16 << 10
_GRACE_S = 10.0
# What a client that was killed may have left: reports of mouse, focus, pastes and keys switched on,
# a hidden cursor, colours, and half a screen below it.
_TERMINAL_AS_BEFORE = (
    "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1004l\x1b[?2004l\x1b[<u\x1b[>4m"
    "\x1b[?25h\x1b[0m\r\n\x1b[J"
)


class Client:
    """One started client. With `reads` its output passes through us, so that its end is kept."""

    def __init__(
        self,
        words: Sequence[str],
        *,
        workspace: Path,
        environ: Mapping[str, str],
        reads: bool,
        is_first: bool,
    ) -> None:
        """Starts it.

        Raises:
            OSError: there is no such program, or it cannot be started.
        """
        self._pipes: dict[int, int] = {}
        self._tail = b""
        output = subprocess.PIPE if reads else None
        # What came on a pipe was read by the first one.
        is_used = not is_first and not os.isatty(0)
        self._process = subprocess.Popen(
            list(words),
            cwd=workspace,
            env=dict(environ),
            stdin=subprocess.DEVNULL if is_used else None,
            stdout=output,
            stderr=output,
        )
        self.pid = self._process.pid
        for stream, ours in ((self._process.stdout, 1), (self._process.stderr, 2)):
            if stream is not None:
                os.set_blocking(stream.fileno(), False)
                self._pipes[stream.fileno()] = ours

    @property
    def tail(self) -> str:
        """The end of what it said; empty for one that has the terminal to itself."""
        return self._tail.decode("utf-8", "replace")

    def wait(self, terminal: Terminal, seconds: float) -> int | None:
        """Waits so long at most, or until a signal comes; the exit code once it has ended.

        Minus the signal where one ended it.
        """
        for fd in terminal.pause(seconds, list(self._pipes)):
            self._pass_on(fd)
        code = self._poll()
        if code is not None:
            for fd in list(self._pipes):
                self._pass_on(fd)
            self._close()
        return code

    def _poll(self) -> int | None:
        """Looks after it; stops with it, where the person suspended it."""
        if self._process.returncode is not None:
            return self._process.returncode
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG | os.WUNTRACED)
        except ChildProcessError:
            return self._process.poll()
        if pid and os.WIFSTOPPED(status):
            os.kill(os.getpid(), signal.SIGTSTP)  # comes back with the shell's `fg`
            os.kill(self.pid, signal.SIGCONT)
        elif pid:
            self._process.returncode = os.waitstatus_to_exitcode(status)
        return self._process.returncode

    def _pass_on(self, fd: int) -> None:
        """What there is to read now, to where it belongs."""
        while True:
            try:
                data = os.read(fd, 1 << 16)
            except BlockingIOError:
                return
            if not data:
                del self._pipes[fd]
                return
            self._tail = (self._tail + data)[-_TAIL_BYTES:]
            with contextlib.suppress(OSError):
                view = memoryview(data)
                while view:
                    view = view[os.write(self._pipes[fd], view) :]

    def _close(self) -> None:
        """What it started may still hold the other ends, and is not waited for."""
        self._pipes.clear()
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def end(self, terminal: Terminal, *, grace_s: float = _GRACE_S) -> int:
        """SIGTERM, the grace, SIGKILL; its exit code. What it started is left alone."""
        deadline = time.monotonic() + grace_s
        self._send(signal.SIGTERM)
        while (left_s := deadline - time.monotonic()) > 0:
            code = self.wait(terminal, min(left_s, 0.1))
            if code is not None:
                return code
        self._send(signal.SIGKILL)
        while (code := self.wait(terminal, 0.1)) is None:
            pass
        return code

    def _send(self, signum: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signum)


class Terminal:
    """This process's side of the terminal: its signals, its settings, and when somebody typed.

    `signal` is the first of the signals that ask us to end, of Ctrl-C and another one that other; 0
    while none came.
    """

    def __init__(self) -> None:
        self.signal: int = 0
        self._wakeup, self._write = os.pipe()
        for fd in (self._wakeup, self._write):
            os.set_blocking(fd, False)
        self._settings = _settings()

    @contextlib.contextmanager
    def handling(self) -> Iterator[None]:
        """Notes signals for the block instead of dying of them."""
        before: dict[int, Any] = {}
        for signum in (*_ENDING, signal.SIGCHLD):
            if signal.getsignal(signum) is not signal.SIG_IGN:  # nohup
                before[signum] = signal.signal(signum, self._note)
        old = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(old)
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(self._wakeup)
            os.close(self._write)

    def _note(self, signum: int, _: FrameType | None) -> None:
        # Ctrl-C may be the client's own: it hides none of the others.
        if signum in _ENDING and self.signal in (0, signal.SIGINT):
            self.signal = int(signum)

    def pause(self, seconds: float, readable: Sequence[int] = ()) -> list[int]:
        """Until the time is over or a signal comes; which of the descriptors can be read."""
        ready, _, _ = select.select([self._wakeup, *readable], [], [], max(0.0, seconds))
        with contextlib.suppress(BlockingIOError):
            while self._wakeup in ready and os.read(self._wakeup, 4096):
                pass
        return [fd for fd in ready if fd != self._wakeup]

    def restore(self, *, was_killed: bool) -> None:
        """Puts the terminal back as it was before the client, which may have had no time to."""
        if self._settings is None:
            return
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTOU])
        with contextlib.suppress(termios.error, OSError):
            termios.tcsetattr(0, termios.TCSADRAIN, self._settings)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        if was_killed and os.isatty(1):
            sys.stdout.write(_TERMINAL_AS_BEFORE)
            sys.stdout.flush()

    def typed_at(self) -> float:
        """When somebody typed here last, in seconds since the epoch; 0 where nobody can."""
        try:
            return os.fstat(0).st_atime if os.isatty(0) else 0.0
        except OSError:
            return 0.0


def _settings() -> list[Any] | None:
    try:
        return termios.tcgetattr(0) if os.isatty(0) else None
    except (termios.error, OSError):
        return None
