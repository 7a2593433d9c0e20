#!/usr/bin/env python3
"""Runs a command with a time limit and ends everything it started; prints one JSON object.

Does not read the log: see extract_metric.py.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

if tuple(sys.version_info) < (3, 10):
    sys.exit("run_with_timeout.py: needs Python 3.10 or newer; run it with python3.10")
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

from agent_loops import files, supervise
from agent_loops.errors import EXIT_FAILED, EXIT_OK, EXIT_REFUSED, AgentLoopsError
from agent_loops.supervisor import RunSpec, encode

_EPILOG = """\
Standard output gets the receipt: outcome (kind, exit_code, signal, stage), wall_s,
peak_memory_mib with its memory_kind, survivors, log_bytes and so on. With --detach it gets pid
and receipt, at once; the run goes on whatever happens to its caller, and the receipt appears at
its end. SIGTERM to that pid stops the run.

At the limit everything the command started gets SIGTERM, and SIGKILL 10 seconds later. The words
after -- are the program and its arguments, as they are: for a shell's features write
  -- bash -c 'make && ./train > out.txt'

Exit codes: 0 the run ended, however it went; 1 failed; 2 usage; 3 refused, because another run
with this receipt is under way.
"""


def _seconds(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and value > 0):
        raise ValueError(text)
    return value


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="run_with_timeout.py",
        usage="%(prog)s --timeout-s S --log FILE [--receipt FILE] [--detach] -- COMMAND ...",
        description="Runs COMMAND with a time limit and ends everything it started.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--timeout-s", type=_seconds, required=True, metavar="S", help="seconds")
    parser.add_argument(
        "--log", type=Path, required=True, metavar="FILE", help="gets all output; emptied first"
    )
    parser.add_argument(
        "--receipt", type=Path, metavar="FILE", help="default: the log's name and .receipt.json"
    )
    parser.add_argument("--detach", action="store_true", help="do not wait")
    if "--" not in argv:
        parser.parse_args(argv)
        parser.error("put -- and the command at the end")
    at = list(argv).index("--")
    arguments = parser.parse_args(argv[:at])
    arguments.command = list(argv[at + 1 :])
    if not arguments.command:
        parser.error("no command after --")
    return arguments


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "'\"'\"'") + "'"


def _spec(arguments: argparse.Namespace) -> RunSpec:
    log: Path = arguments.log.absolute()
    receipt: Path = (arguments.receipt or log.with_name(log.name + ".receipt.json")).absolute()
    return RunSpec(
        # With `exec`, a word is a program even where the shell has a builtin or keyword like it.
        command="exec -- " + " ".join(map(_quoted, arguments.command)),
        workspace=Path.cwd(),
        log=log,
        receipt=receipt,
        run_lock=receipt.with_name(receipt.name + ".lock"),
        environment={"PYTHONUNBUFFERED": "1", **os.environ},
        marker=os.urandom(16).hex(),
        timeout_s=arguments.timeout_s,
    )


def main(argv: Sequence[str]) -> int:
    """Answers on standard output, complains on standard error, returns the exit code."""
    arguments = _parse(argv)
    try:
        spec = _spec(arguments)
        if arguments.detach:
            launch = supervise.launch(spec)
            launch.go()
            answer: dict[str, object] = {"pid": launch.pid, "receipt": str(spec.receipt)}
        else:
            answer = supervise.run_in_foreground(spec)
    except files.LockBusy:
        return _complain(
            f"another run with the receipt {spec.receipt} is under way; wait for it, or give"
            " another --receipt",
            EXIT_REFUSED,
        )
    except AgentLoopsError as error:
        return _complain(str(error), error.exit_code)
    except OSError as error:
        return _complain(str(error), EXIT_FAILED)
    sys.stdout.buffer.write(encode(answer) + b"\n")
    return EXIT_OK


def _complain(message: str, code: int) -> int:
    sys.stderr.write(f"run_with_timeout.py: {message}\n")
    return code


def _exit() -> NoReturn:
    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    _exit()
