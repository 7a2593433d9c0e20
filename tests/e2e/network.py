"""A network with loopback alone, where this machine allows one: nothing in it reaches the world.

Elsewhere it is the machine's own, and only the environment keeps the client to itself.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence

_NEW_NETWORK = 0x40000000  # CLONE_NEWNET
# Brings loopback up without `ip`, which is not everywhere, says so, and stays while it is wanted.
_HOLD = """
import fcntl, socket, struct, sys
up = struct.pack("16sh", b"lo", 0x41)
fcntl.ioctl(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 0x8914, up)
print("up", flush=True)
sys.stdin.read()
"""


class Network:
    """One network; `within` starts a command in it, `listen` opens a door to this process."""

    def __init__(self) -> None:
        self._holder: subprocess.Popen[str] | None = None
        tools = [shutil.which("unshare"), shutil.which("nsenter")]
        if os.geteuid() != 0 or not all(tools):
            return
        holder = subprocess.Popen(
            ["unshare", "-n", sys.executable, "-I", "-c", _HOLD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert holder.stdout is not None
        if holder.stdout.readline() == "up\n":
            self._holder = holder
        else:
            self._end(holder)

    @property
    def is_isolated(self) -> bool:
        return self._holder is not None

    def within(self, command: Sequence[str]) -> list[str]:
        if self._holder is None:
            return list(command)
        return ["nsenter", f"--net=/proc/{self._holder.pid}/ns/net", *command]

    def listen(self) -> socket.socket:
        """A listening socket on a free port of this network's loopback."""
        made: list[socket.socket] = []
        thread = threading.Thread(target=lambda: made.append(self._listen()))
        thread.start()  # a thread has its own network, and takes it with it
        thread.join()
        return made[0]

    def _listen(self) -> socket.socket:
        if self._holder is not None:
            with open(f"/proc/{self._holder.pid}/ns/net", "rb") as place:
                libc = ctypes.CDLL(None, use_errno=True)
                if libc.setns(place.fileno(), _NEW_NETWORK) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
        return socket.create_server(("127.0.0.1", 0), backlog=64)

    def close(self) -> None:
        if self._holder is not None:
            self._end(self._holder)

    @staticmethod
    def _end(holder: subprocess.Popen[str]) -> None:
        assert holder.stdin is not None
        assert holder.stdout is not None
        holder.stdin.close()
        holder.wait()
        holder.stdout.close()
