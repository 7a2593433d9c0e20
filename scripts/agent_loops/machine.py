"""Says which machine this is, and which start of it.

Promises no more than the system tells: `boot_id` is empty where the system has none.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path

_LINUX_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def host() -> str:
    """The machine's own name, as `uname -n` gives it."""
    return os.uname().nodename


@functools.cache
def boot_id() -> str:
    """A name for the time since the machine was started; another one after every start."""
    try:
        return _LINUX_BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        pass
    if os.uname().sysname != "Darwin":
        return ""
    with os.popen("sysctl -n kern.bootsessionuuid 2>/dev/null") as answer:
        return answer.read().strip()
