"""Says whether the person sits at a desktop that shows notifications, and which words call it.

Starts nothing. A terminal over ssh has no desktop, and CI is nobody's.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_OSASCRIPT = (
    "on run argv",
    "display notification (item 2 of argv) with title (item 1 of argv)",
    "end run",
)


def is_there(environ: Mapping[str, str]) -> bool:
    """Whether there is one, as far as variables tell."""
    if environ.get("CI") or environ.get("SSH_CONNECTION"):
        return False
    if sys.platform == "darwin":
        return True
    return bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY")) and bool(
        environ.get("DBUS_SESSION_BUS_ADDRESS")
    )


def command(title: str, text: str) -> list[str]:
    """The program to start; hostile words in the text stay words."""
    if sys.platform == "darwin":
        lines = [word for line in _OSASCRIPT for word in ("-e", line)]
        return ["osascript", *lines, "--", title, text]
    # The body is markup there.
    return ["notify-send", "--app-name=agent-loops", "--", title, text.translate(_ESCAPES)]
