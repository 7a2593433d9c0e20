"""Which coding clients are open, and when one last wrote a word, by what Claude Code leaves behind.

Reads its configuration folder, whose format is its own: where it has another one, nothing is found.
"""

from __future__ import annotations

import contextlib
import glob
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from agent_loops import files, processes

_MOST_BYTES = 64 << 10
_SAME_START_S = 0.05


def leading(environ: Mapping[str, str], session: str) -> int | None:
    """The pid of a client of this user's that has the session open; None where there is none."""
    for path in sorted(_home(environ).glob("sessions/*.json")) if session else ():
        client = files.read_object(path)
        if client.get("sessionId") == session and _is_alive(client):
            return int(client["pid"])
    return None


def are_told(environ: Mapping[str, str]) -> bool:
    """Whether the host says at all which of its clients are open: an older one does not."""
    return any(_home(environ).glob("sessions/*.json"))


def session_of(environ: Mapping[str, str], pid: int) -> str:
    """The session that the client with this pid has open; "" where it does not say."""
    session = files.read_object(_home(environ) / "sessions" / f"{pid}.json").get("sessionId")
    return session if isinstance(session, str) else ""


class LastWord(NamedTuple):
    """When the conversation grew last, in seconds since the epoch, and its `error` if it ended so.

    The error is the client's own message that the model could not be reached; mostly empty.
    """

    at: float = 0.0
    error: str = ""


def last_word(environ: Mapping[str, str], session: str) -> LastWord:
    """The end of a session's conversation; where there is none, an empty one of long ago."""
    newest = transcript(environ, session)
    return LastWord(_mtime(newest), _error(newest)) if newest else LastWord()


def transcript(environ: Mapping[str, str], session: str) -> str:
    """The file that holds a session's conversation; "" where there is none."""
    if not session or not session.replace("-", "").isalnum():
        return ""
    # The folder is named after the project in a way that changed between versions.
    paths = glob.glob(f"{glob.escape(str(_home(environ)))}/projects/*/{session}.jsonl")
    return max(paths, key=_mtime, default="")


def _error(path: str) -> str:
    """What the client said in the model's place, where that was the last that was said."""
    try:
        with files.open_regular(Path(path)) as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - _MOST_BYTES))
            lines = stream.read().splitlines()
    except OSError:
        return ""
    for line in reversed(lines):
        if b'"type":"assistant"' not in line and b'"type": "assistant"' not in line:
            continue
        with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError):
            said = files.load_json(line)
            if said["type"] == "assistant":
                parts = said["message"]["content"] if said.get("isApiErrorMessage") is True else []
                return "\n".join(str(part.get("text") or "") for part in parts)
    return ""


def _home(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("CLAUDE_CONFIG_DIR") or Path.home() / ".claude")


def _is_alive(client: Mapping[str, Any]) -> bool:
    """Whether the process still is that client: a killed one leaves its file; pids come back."""
    pid, start = client.get("pid"), client.get("procStart")
    process = processes.look(pid) if isinstance(pid, int) and pid > 1 else None
    if process is None or not process.alive:
        return False
    if sys.platform.startswith("linux") and isinstance(start, str) and start.isdecimal():
        birth = int(start) / os.sysconf("SC_CLK_TCK")
        return abs(process.birth - birth) < _SAME_START_S
    return True


def _mtime(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0
