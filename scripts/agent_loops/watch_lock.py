"""Lets one watchdog at a time look after a project, and names its client to whoever comes next.

Says nothing of clients that nobody watches.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

from agent_loops import files, machine, processes
from agent_loops.errors import Refused


class WatchLock:
    """Held from its making until the process ends; nothing that is started inherits it."""

    def __init__(self, path: Path) -> None:
        """Takes it.

        Raises:
            Refused: another watch holds it, or the client of one that was killed is still alive.
        """
        try:
            self._fd = files.take_lock(path, wait_s=0)
        except files.LockBusy:
            holder = files.read_object(path).get("watch")
            raise Refused(
                "watched", f"`agent-loops watch` is at work here already: process {holder}",
                next_step="leave it to that one, or end it first",
            ) from None  # fmt: skip
        client = files.read_object(path)
        if _is_alive(client):
            os.close(self._fd)
            raise Refused(
                "client alive",
                f"the client of a watch that was killed is still alive: process {client['client']}",
                next_step="go on in it, or end it; then the same command again",
            )
        self.name_client(0)

    def name_client(self, pid: int) -> None:
        """Notes the client that was started; 0 for none."""
        process = processes.look(pid) if pid else None
        note = {
            "watch": os.getpid(),
            "client": pid,
            "birth": process.birth if process else 0.0,
            "boot_id": machine.boot_id(),
        }
        with contextlib.suppress(OSError):  # a full disk is no reason to leave a client alone
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, files.dump_json(note).encode() + b"\n", 0)

    def release(self) -> None:
        """Lets the next one in; what was noted stays, for a client may be alive still."""
        os.close(self._fd)


def _is_alive(note: dict[str, Any]) -> bool:
    pid = note.get("client")
    if not isinstance(pid, int) or pid < 2 or note.get("boot_id") != machine.boot_id():
        return False
    process = processes.look(pid)
    return process is not None and process.alive and process.birth == note.get("birth")
