"""Every failure the program can answer with, and its exit code.

Library code raises these and neither prints nor exits; the command line words them.
"""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from pathlib import Path

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_REFUSED = 3


# Bounded: a few YAML aliases can stand for a list of billions.
_REPR = reprlib.Repr()
_REPR.maxlevel = 3
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = 120


class AgentLoopsError(Exception):
    """The operation failed; `str()` is one line that names the next action."""

    exit_code = EXIT_FAILED


class UsageError(AgentLoopsError):
    """The command line or the bindings are wrong; nothing was done."""

    exit_code = EXIT_USAGE


class BindingsError(UsageError):
    """One binding is wrong. Names the key, the value (None: missing) and what is allowed."""

    def __init__(self, key: str, value: object, allowed: str) -> None:
        shown = _REPR.repr(value)
        if len(shown) > 120:
            shown = shown[:117] + "..."
        self.key = key
        self.problem = f"missing; {allowed}" if value is None else f"{shown}: {allowed}"
        super().__init__(f"loop.run.yaml: {key}: {self.problem}")


class Refused(AgentLoopsError):
    """Nothing was run and nothing changed, on purpose.

    `kind` is one stable word or two for programs, `files` are the files concerned, and `next_step`
    is the one command or action that leads on.
    """

    exit_code = EXIT_REFUSED

    def __init__(
        self, kind: str, reason: str, *, next_step: str, files: Sequence[str] = ()
    ) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason
        self.next_step = next_step
        self.files = tuple(files)


class JournalError(AgentLoopsError):
    """The record is damaged, or was written by a newer version; it is never guessed at."""

    def __init__(self, path: Path, line: int, reason: str) -> None:
        super().__init__(f"{path}:{line}: {reason}")
        self.path = path
        self.line = line
        self.reason = reason
