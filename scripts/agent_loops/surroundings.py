"""What a watchdog has around it: the clock, the terminal, and a client that it can start.

Decides nothing; a test puts another clock in its place.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from agent_loops.client_process import Client, Terminal


class Surroundings:
    """`has_terminal` is whether a client here talks to a person, and not to a pipe."""

    def __init__(self, workspace: Path, environ: Mapping[str, str]) -> None:
        self.terminal = Terminal()
        self.has_terminal = os.isatty(0) and os.isatty(1)
        self._workspace = workspace
        self._environ = environ

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def rest(self, seconds: float) -> None:
        """Lets so much time pass, less where a signal comes."""
        self.terminal.pause(seconds)

    def start(self, words: Sequence[str], *, reads: bool, is_first: bool) -> Client:
        return Client(
            words, workspace=self._workspace, environ=self._environ, reads=reads, is_first=is_first
        )

    def say(self, text: str) -> None:
        with contextlib.suppress(OSError):  # the terminal may be gone
            sys.stderr.write(f"agent-loops: {text}\n")
            sys.stderr.flush()
