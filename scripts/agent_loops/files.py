"""Writes that survive a kill at any instant, locks, and strict JSON.

Knows nothing of campaigns: paths and bytes come from the caller.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from agent_loops.errors import AgentLoopsError, Refused

_CHUNK_BYTES = 1 << 20
_TEMPORARY_PREFIX, _TEMPORARY_SUFFIX = ".agent-loops.", ".tmp"


class DiskFull(AgentLoopsError):
    """No room, no quota, or a read-only folder: what was there before is unchanged."""


def explain(error: OSError, path: Path) -> AgentLoopsError:
    """The failure of a write, in words that lead on."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(f"{path}: no space left; free some room, then run the same command again")
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return AgentLoopsError(f"{path}: not writable; make its folder writable, then try again")
    return AgentLoopsError(f"{path}: {error.strerror}")


def write_all(fd: int, data: bytes) -> None:
    """Writes every byte, however often the system takes only a part."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def fsync_dir(path: Path) -> None:
    """Makes creations and renames in `path` survive a power cut."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def make_dir(path: Path, *, mode: int = 0o777) -> None:
    """Creates the folder and its parents where they are missing.

    Raises:
        AgentLoopsError: it cannot be created; the message says why.
    """
    try:
        path.mkdir(mode=mode, parents=True, exist_ok=True)
    except OSError as error:
        raise explain(error, path) from error


def write_atomic(path: Path, data: bytes, *, mode: int | None = None, durable: bool = True) -> None:
    """Replaces `path` by `data`: a reader sees the old or the new content, never a mixture.

    `mode` are permission bits; without it an existing file keeps its own. What can be derived
    anew need not be `durable`: a power cut may then leave the old content, or a broken one.

    Raises:
        AgentLoopsError: nothing was replaced; the message says why.
    """
    if mode is None:
        with contextlib.suppress(OSError):
            mode = stat.S_IMODE(path.stat().st_mode)
    temporary = write_temporary(path, data, mode=mode, durable=durable)
    try:
        os.replace(temporary, path)
        if durable:
            fsync_dir(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise explain(error, path) from error


def write_temporary(
    path: Path,
    data: bytes,
    *,
    mode: int | None = None,
    mtime_ns: int | None = None,
    like: Path | None = None,
    durable: bool = True,
) -> Path:
    """Writes `data` beside `path` under a name of ours, which a rename then makes `path`.

    Owner and extended attributes (access lists among them) are those of `like`, where it exists
    and the system lets us.

    Raises:
        AgentLoopsError: nothing was written; the message says why.
    """
    temporary = temporary_name(path)
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        try:
            write_all(fd, data)
            if like is not None:
                _take_after(fd, like)
            if mode is not None:
                os.fchmod(fd, mode)  # after the owner, whose change clears bits
            if mtime_ns is not None:
                os.utime(fd, ns=(mtime_ns, mtime_ns))
            if durable:
                os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise explain(error, path) from error
    return temporary


def _take_after(fd: int, like: Path) -> None:
    """Gives a file the owner and the extended attributes of another, as far as it goes."""
    with contextlib.suppress(OSError):
        status, own = like.lstat(), os.fstat(fd)
        if (status.st_uid, status.st_gid) != (own.st_uid, own.st_gid):
            os.fchown(fd, status.st_uid if os.geteuid() == 0 else -1, status.st_gid)
    if sys.platform == "linux":  # elsewhere the library has no such calls
        with contextlib.suppress(OSError):
            for name in os.listxattr(like, follow_symlinks=False):
                with contextlib.suppress(OSError):
                    os.setxattr(fd, name, os.getxattr(like, name, follow_symlinks=False))


def exchange(first: Path, second: Path) -> bool:
    """Swaps what two names stand for, in one step; False where the system cannot."""
    if sys.platform != "linux":
        return False
    import ctypes  # slow to import

    at_cwd, swap = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:
        return False
    return bool(rename(at_cwd, os.fsencode(first), at_cwd, os.fsencode(second), swap) == 0)


def temporary_name(path: Path) -> Path:
    """A name beside `path` that `is_temporary` knows; always the same for this process."""
    # Not the name itself: that may be as long as a name can be.
    own = f"{os.getpid()}.{sha256(os.fsencode(path.name))[:8]}"
    return path.with_name(f"{_TEMPORARY_PREFIX}{own}{_TEMPORARY_SUFFIX}")


def is_temporary(name: str) -> bool:
    """Whether a file of this name is one of `write_atomic`'s that a kill left behind."""
    return name.startswith(_TEMPORARY_PREFIX) and name.endswith(_TEMPORARY_SUFFIX)


def leftovers(folder: Path) -> list[Path]:
    """What killed writes left in `folder`. The caller keeps other writers out of it."""
    try:
        return [folder / name for name in sorted(os.listdir(folder)) if is_temporary(name)]
    except OSError:
        return []


def append(path: Path, data: bytes) -> None:
    """Appends durably: after an error the file is as long as it was before.

    The caller holds the lock that guards `path`.
    """
    try:
        created = not path.exists()
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            before = os.fstat(fd).st_size
            try:
                write_all(fd, data)
                os.fsync(fd)
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(fd, before)
                raise
        finally:
            os.close(fd)
        if created:
            fsync_dir(path.parent)
    except OSError as error:
        raise explain(error, path) from error


def open_regular(path: Path) -> BinaryIO:
    """Opens a file to be read that a run could have replaced: a pipe would block for ever.

    Raises:
        OSError: there is none, or it is no regular file.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return os.fdopen(fd, "rb")


def read_regular(path: Path) -> bytes:
    """All that `open_regular` gives."""
    with open_regular(path) as stream:
        return stream.read()


def read_text(path: Path, most_bytes: int) -> str:
    """At most so much of a regular file, whatever its encoding; "" where there is none."""
    try:
        with open_regular(path) as stream:
            return stream.read(most_bytes).decode("utf-8", "replace")
    except OSError:
        return ""


def mark(path: Path) -> tuple[int, int, int] | None:
    """What differs once a file is another, or has grown; None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def sha256(data: bytes) -> str:
    """Hexadecimal SHA-256 of `data`."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Hexadecimal SHA-256 of a file of any size, in constant memory."""
    digest = hashlib.sha256()
    with open_regular(path) as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def dump_json(value: object, *, indent: int | None = None) -> str:
    """Strict JSON: NaN and infinities are a `ValueError`, and text stays readable UTF-8."""
    return json.dumps(
        value,
        allow_nan=False,
        ensure_ascii=False,
        indent=indent,
        separators=(",", ":") if indent is None else None,
    )


def load_json(text: str | bytes) -> Any:
    """Strict JSON; raises `ValueError` on anything else, NaN included."""
    return json.loads(text, parse_constant=_refuse_constant)


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file; an empty one where there is no such file, or something else."""
    try:
        value = load_json(read_regular(path))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


class LockBusy(Refused):
    """Somebody else holds the lock."""

    def __init__(self, reason: str) -> None:
        super().__init__("busy", reason, next_step="run the same command again in a moment")


@contextlib.contextmanager
def locked(path: Path, *, wait_s: float) -> Iterator[None]:
    """Holds an exclusive flock on `path` (created if missing) for the block.

    The lock file is never removed: removing it would let two holders in.

    Raises:
        LockBusy: it was not to be had within `wait_s` seconds.
    """
    fd = take_lock(path, wait_s=wait_s)
    try:
        yield
    finally:
        os.close(fd)


def take_lock(path: Path, *, wait_s: float) -> int:
    """Takes an exclusive flock and returns its descriptor; closing it releases the lock."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise explain(error, path) from error
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return fd
        except BlockingIOError:
            if time.monotonic() >= deadline:
                os.close(fd)
                raise LockBusy(f"{path}: held by another process") from None
            time.sleep(0.005)


def is_locked(path: Path) -> bool:
    """Whether some process holds an exclusive flock on `path`; takes nothing that lasts."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
