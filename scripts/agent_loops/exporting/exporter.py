"""Starts the Python that has a tool, and sends it a campaign.

Knows no tool: what is written where is for the module that is named.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

from agent_loops import display, environment
from agent_loops.errors import AgentLoopsError
from agent_loops.exporting import elsewhere, exported, gathering
from agent_loops.exporting.exported import Written
from agent_loops.exporting.gathering import Gathered


class NoLibrary(Exception):
    """The Python has not what is needed: no such library, or it `is_old` itself."""

    def __init__(self, python: str, *, is_old: bool) -> None:
        super().__init__(python)
        self.python = python
        self.is_old = is_old


def write_here(gathered: Gathered, module: str, out: Path) -> Written:
    """For what needs no library."""
    writer = importlib.import_module(f"agent_loops.exporting.{module}")
    written: Written = writer.write(gathered.campaign(), gathered.runs(), out)
    return written


def write(gathered: Gathered, module: str, library: str, program: str, out: Path) -> Written:
    """Has `module` write with `library` in the Python `program`.

    Raises:
        NoLibrary: it cannot, and nothing was written.
        AgentLoopsError: the library failed; what it said.
    """
    # Ours is started as the launcher starts it, another as the person would.
    own = ["-E", "-s"] if program == sys.executable else []
    words = [program, *own, elsewhere.__file__, module, library, str(out)]
    environ = environment.without_hosts(gathered.environ)
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            words, cwd=out, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        _await_ready(process.stdout, program, said)
        try:
            with gathering.folder() as folder, process.stdin as stream:
                _send(gathered, stream, Path(folder))
                stream.flush()
                stream.close()
                answer = process.stdout.read()
        except BrokenPipeError:
            answer = process.stdout.read()
        return _written(answer, said)


def _await_ready(stdout: IO[bytes], program: str, said: IO[bytes]) -> None:
    try:
        told = json.loads(stdout.readline())
    except ValueError:
        raise AgentLoopsError(f"{program}: {_last_words(said)}; is it a Python?") from None
    if not told["ready"]:
        raise NoLibrary(told["python"], is_old=told["old"])


def _send(gathered: Gathered, stream: IO[bytes], folder: Path) -> None:
    stream.write(exported.to_line(gathered.campaign()).encode() + b"\n")
    for run in gathered.runs_with_files(folder):
        stream.write(exported.to_line(run).encode() + b"\n")


def _written(answer: bytes, said: IO[bytes]) -> Written:
    try:
        told = json.loads(answer)
    except ValueError:
        told = {"error": _last_words(said)}
    if "error" in told:
        raise AgentLoopsError(f"{display.clean(told['error'], 600)}; mend that, then export again")
    return exported.written_from(answer)


def _last_words(said: IO[bytes]) -> str:
    said.seek(0)
    lines = said.read()[-4000:].decode("utf-8", "replace").strip().splitlines()
    return display.clean(lines[-1], 300) if lines else "it said nothing"
