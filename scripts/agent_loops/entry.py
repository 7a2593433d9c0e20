"""What the four scripts share: argument errors as exceptions, one handler, JSON on stdout.

Standard library only; the scripts run uninstalled.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from typing import NoReturn

from agent_loops.errors import EXIT_FAILED, EXIT_OK, AgentLoopsError, Refused, UsageError
from agent_loops.files import dump_json


class Parser(argparse.ArgumentParser):
    """Raises instead of exiting, so that one handler words every mistake."""

    def __init__(self, **options: object) -> None:
        super().__init__(allow_abbrev=False, **options)  # type: ignore[arg-type]

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; `{self.prog} --help` shows the usage")


def run(action: Callable[[], Mapping[str, object]]) -> int:
    """Prints the action's answer as one JSON object and returns the exit code."""
    values: Mapping[str, object]
    code = EXIT_OK
    try:
        values = action()
    except Refused as error:
        code = error.exit_code
        values = {
            "schema": 1, "status": "refused", "kind": error.kind, "reason": error.reason,
            "files": list(error.files), "next": error.next_step,
        }  # fmt: skip
    except AgentLoopsError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_FAILED
    # Whatever the terminal's encoding; a name that is no UTF-8 is escaped as JSON has it.
    sys.stdout.buffer.write(dump_json(values).encode("utf-8", "backslashreplace") + b"\n")
    sys.stdout.flush()
    return code
