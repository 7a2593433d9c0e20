"""Keys as they are pressed, for as long as a view lasts.

Prints nothing, and leaves the terminal as it was.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_MOST_BYTES = 1024


class Keys:
    """What is typed in this process's terminal, without waiting for a line's end."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def within(self, seconds: float) -> str:
        """What is typed within so long, at once where there is something; q where it is closed."""
        try:
            ready, _, _ = select.select([self._fd], [], [], seconds)
            typed = os.read(self._fd, _MOST_BYTES) if ready else None
        except OSError:
            return "q"
        return "" if typed is None else typed.decode("utf-8", "replace") or "q"


@contextmanager
def opened() -> Iterator[Keys]:
    """The keys. SIGTERM ends as Ctrl-C does; Ctrl-Z does nothing, lest it leaves a torn screen."""
    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    handlers = {
        signal.SIGTERM: signal.signal(signal.SIGTERM, _interrupt),
        signal.SIGTSTP: signal.signal(signal.SIGTSTP, signal.SIG_IGN),
    }
    tty.setcbreak(fd)
    try:
        yield Keys(fd)
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
