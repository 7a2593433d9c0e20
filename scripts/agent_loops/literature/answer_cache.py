"""Answers of the sources on disk, for a week, so that nobody is asked the same thing twice.

Bytes as they came, never a key: no question holds one. Safe under several processes: a file is
replaced whole, and one that is gone is asked for again.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping
from pathlib import Path

from agent_loops import files
from agent_loops.errors import AgentLoopsError
from agent_loops.literature.records import Query

_LONGEST_AGE_S = 7 * 86400.0
_MOST_BYTES = 64 << 20
_SUFFIX = ".answer"


def folder(environ: Mapping[str, str]) -> Path:
    """The user's cache folder for this, made where it is missing.

    Raises:
        AgentLoopsError: there is nowhere to keep anything.
    """
    base = environ.get("XDG_CACHE_HOME", "")
    home = environ.get("HOME", "")
    if not base.startswith("/"):
        if not home.startswith("/"):
            raise AgentLoopsError("no cache folder: set HOME or XDG_CACHE_HOME to a full path")
        base = f"{home}/.cache"
    made = Path(base) / "agent-loops" / "papers"
    files.make_dir(made, mode=0o700)
    return made


def name_of(base: str, query: Query) -> str:
    """The name of the answer's file; `base` is the address that was asked."""
    words = [base, query.path, sorted(query.parameters.items())]
    return files.sha256(files.dump_json(words).encode("utf-8", "replace")) + _SUFFIX


def get(path: Path) -> bytes | None:
    """What was kept, where it is not too old."""
    try:
        with files.open_regular(path) as stream:
            age_s = time.time() - os.fstat(stream.fileno()).st_mtime
            return stream.read() if -60.0 < age_s < _LONGEST_AGE_S else None
    except OSError:
        return None


def put(path: Path, answer: bytes) -> None:
    """Keeps an answer; a full disk is no reason to fail."""
    with contextlib.suppress(AgentLoopsError, OSError):
        files.write_atomic(path, answer, mode=0o600, durable=False)
        _make_room(path.parent)


def _make_room(place: Path) -> None:
    """Removes what is too old, then the oldest until the rest is small enough."""
    kept = []
    for path in place.glob(f"*{_SUFFIX}"):
        with contextlib.suppress(OSError):
            status = path.stat()
            kept.append((status.st_mtime, status.st_size, path))
    left, too_old = sum(size for _, size, _ in kept), time.time() - _LONGEST_AGE_S
    for mtime, size, path in sorted(kept):
        if mtime >= too_old and left <= _MOST_BYTES:
            break
        path.unlink(missing_ok=True)
        left -= size
