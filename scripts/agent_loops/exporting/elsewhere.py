"""Hands a campaign to a tool in the Python that has it: lines of JSON in, one line out.

Reads no campaign and decides nothing. It is run by its file's name, also by a Python that has no
agent-loops; the first line that it prints says whether the tool is there.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any, TextIO

_OLDEST = (3, 10)


def main(module: str, library: str, out: str) -> int:
    """Says whether `library` is here, then hands what comes on standard input to `module`."""
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is no answer
    # The library's folder in the place of this file's own, whose names could hide other modules.
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[0] = os.path.dirname(os.path.dirname(here))
    python = ".".join(map(str, sys.version_info[:3]))
    is_here = sys.version_info >= _OLDEST and importlib.util.find_spec(library) is not None
    _say(answer, {"python": python, "ready": is_here, "old": sys.version_info < _OLDEST})
    if not is_here:
        return 0
    writer = importlib.import_module("agent_loops.exporting." + module)
    return _write(answer, writer, out)


def _write(answer: TextIO, writer: Any, out: str) -> int:
    from agent_loops.exporting import exported

    campaign = exported.campaign_from(sys.stdin.buffer.readline())
    runs = map(exported.run_from, sys.stdin.buffer)
    try:
        written = writer.write(campaign, runs, Path(out))
    except Exception as error:  # noqa: BLE001 - whatever a library raises, the person reads it
        said = " ".join(str(error).split())[:600]
        _say(answer, {"error": type(error).__name__ + ": " + said})
        return 1
    answer.write(exported.to_line(written) + "\n")
    answer.close()
    return 0


def _say(answer: TextIO, values: object) -> None:
    answer.write(json.dumps(values) + "\n")
    answer.flush()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
