"""Ends a check that takes too much time or memory, before the host ends the hook and goes on.

Stops the reading alone: whoever asks decides what an unread command is worth.
"""

from __future__ import annotations

import contextlib
import resource
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

# The host waits 10 s for a hook, then lets the command pass. Processor time tells a hard command
# from a busy machine; the clock is for what blocks, such as a pipe that nobody writes to.
_PROCESSOR_S = 3.0
_CLOCK_S = 7.0
_MOST_BYTES = 1 << 30


class TooMuch(BaseException):
    """Not an Exception: what is meant to pass over a missing file passes over this as well."""


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """Raises TooMuch in the midst of the body; MemoryError where it needs too much."""
    soft, most = resource.getrlimit(resource.RLIMIT_AS)
    own = _MOST_BYTES if most == resource.RLIM_INFINITY else min(_MOST_BYTES, most)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (own, most))
    signal.signal(signal.SIGPROF, _stop)
    signal.signal(signal.SIGALRM, _stop)
    signal.setitimer(signal.ITIMER_PROF, _PROCESSOR_S)
    signal.setitimer(signal.ITIMER_REAL, _CLOCK_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_AS, (soft, most))


def _stop(_: int, __: FrameType | None) -> None:
    raise TooMuch
