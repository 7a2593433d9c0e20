"""Starts a program that tells the person something, in a process of its own, and returns at once.

Knows neither campaigns nor what is told. Whatever becomes of the program, the caller never hears.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from agent_loops import files, processes

LIMIT_S = 30.0
MOST_OUTPUT_BYTES = 16 << 10  # of one program
MOST_LOG_BYTES = 128 << 10
_GRACE_S = 2.0
_TICK_S = 0.05
_ENTRY = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); from agent_loops.notifier import main; main()"
)


def start(
    argv: Sequence[str],
    text: bytes,
    *,
    environment: Mapping[str, str],
    workspace: Path,
    log: Path,
    limit_s: float = LIMIT_S,
) -> None:
    """Runs `argv` in `workspace` with `text` on its standard input, detached.

    After `limit_s` all that came of it is ended. Output is appended to `log`, which is bounded.
    `text` must fit into a pipe.

    Raises:
        OSError: it could not be started.
    """
    library = Path(__file__).resolve().parent.parent
    words = [sys.executable, "-E", "-s", "-c", _ENTRY, str(library), str(log), str(limit_s), *argv]
    read_end, write_end = os.pipe()
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.set_blocking(write_end, False)
        os.write(write_end, text)
        processes.spawn(
            words, environment=environment, workspace=workspace, output=null, stdin=read_end
        )
    finally:
        for fd in (read_end, write_end, null):
            os.close(fd)


def main() -> None:
    """The detached process: `LOG LIMIT_S PROGRAM…`."""
    log, limit_s, *argv = sys.argv[1:]
    said = _run(argv, float(limit_s))
    with contextlib.suppress(OSError):
        _append(Path(log), said)


def _run(argv: Sequence[str], limit_s: float) -> bytes:
    """Runs it to its end or its limit; the beginning of what it said, and how it ended."""
    processes.adopt_orphans()
    marker = os.urandom(16).hex()
    read_end, write_end = os.pipe()
    try:
        child = processes.spawn(
            argv,
            environment={**os.environ, processes.MARKER_VARIABLE: marker},
            workspace=Path.cwd(),
            output=write_end,
            stdin=0,
        )
    except OSError as error:
        return f"cannot be started: {error.strerror}: {error.filename}\n".encode()
    os.close(write_end)
    said, status = _follow(child, read_end, time.monotonic() + limit_s)
    if status is None:
        find = lambda: processes.find(marker, root=os.getpid(), sessions=[child])  # noqa: E731
        processes.end(find, grace_s=_GRACE_S)
        return said + f"\nended after its limit of {limit_s:g} s\n".encode()
    return said if status == 0 else said + f"\nended with exit code {status}\n".encode()


def _follow(child: int, output: int, deadline: float) -> tuple[bytes, int | None]:
    """Reads until the program ended and its output is closed; None where it did not in time."""
    said, status, is_open = b"", None, True
    while (left_s := deadline - time.monotonic()) > 0:
        wait_s = min(left_s, _TICK_S)
        if not is_open:
            time.sleep(wait_s)
        elif select.select([output], [], [], wait_s)[0]:
            data = os.read(output, 1 << 16)
            is_open = bool(data)
            said += data[: MOST_OUTPUT_BYTES - len(said)]
        if status is None:
            pid, ended = os.waitpid(child, os.WNOHANG)
            status = os.waitstatus_to_exitcode(ended) if pid else None
        if status is not None and not is_open:
            return said, status
    return said, None


def _append(log: Path, said: bytes) -> None:
    """Adds one program's words; of a log that grew too long its later half stays."""
    stamp = time.strftime("%Y-%m-%d %H:%M:%S")
    entry = f"{stamp}\n".encode() + said.rstrip() + b"\n"
    if log.is_symlink():
        return  # nothing is written through a link
    before = files.read_regular(log) if log.exists() else b""
    if len(before) + len(entry) > MOST_LOG_BYTES:
        before = before[-MOST_LOG_BYTES // 2 :]
    files.write_atomic(log, before + entry, mode=0o600, durable=False)
