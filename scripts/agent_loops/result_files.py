"""Opens, writes and removes files of one experiment's folder, and nothing outside it.

Believes nothing of what lies there: links are not followed, pipes not opened, and what is too large
is not read.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from agent_loops import files

MOST_BYTES = 64 << 20


class NoResult(Exception):
    """There is no such file to read; `str()` says why in a few words."""


def read(folder: Path, path: str) -> bytes:
    """A file's content.

    Raises:
        NoResult: it is missing, empty, no regular file, reached by a link, or too large to read.
    """
    with _opened(folder, path) as descriptor:
        size = _size(descriptor)
        if size > MOST_BYTES:
            raise NoResult(f"is {size >> 20} MiB, more than {MOST_BYTES >> 20}: write less into it")
        with os.fdopen(os.dup(descriptor), "rb") as stream:
            return stream.read(MOST_BYTES)


def size_of(folder: Path, path: str) -> int:
    """Its size in bytes, however large.

    Raises:
        NoResult: it is missing, empty, no regular file, or reached by a link.
    """
    with _opened(folder, path) as descriptor:
        return _size(descriptor)


def has_results(folder: Path) -> bool:
    """Whether any file of results lies there."""
    path = folder / "results"
    with contextlib.suppress(OSError):
        return not path.is_symlink() and any(path.iterdir())
    return False


def names(folder: Path) -> list[str]:
    """The files of results and analysis that lie there, by name."""
    found = []
    for path in [folder / "results", *sorted(folder.glob("results-*")), folder / "analysis"]:
        if path.is_dir() and not path.is_symlink():
            with os.scandir(path) as entries:
                found += [f"{path.name}/{entry.name}" for entry in entries
                          if entry.is_file(follow_symlinks=False)]  # fmt: skip
    return sorted(found)


def write(folder: Path, path: str, data: bytes) -> None:
    """Writes one file below `folder`, making its folder.

    Raises:
        NoResult: its folder is a link.
    """
    place = folder / path
    if place.parent.is_symlink() or folder.is_symlink():
        raise NoResult("lies behind a link")
    files.make_dir(place.parent)
    files.write_atomic(place, data)


def remove(folder: Path, path: str) -> None:
    """Removes what an earlier script wrote there; a folder or what is behind a link stays."""
    *parents, name = path.split("/")
    with contextlib.suppress(NoResult, OSError), _folder(folder, parents) as descriptor:
        os.unlink(name, dir_fd=descriptor)


@contextlib.contextmanager
def _opened(folder: Path, path: str) -> Iterator[int]:
    *parents, name = path.split("/")
    with _folder(folder, parents) as parent:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(name, flags, dir_fd=parent)
        except OSError as error:
            raise NoResult(_why(error, parent, name)) from None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise NoResult("is no regular file")
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _folder(folder: Path, parents: list[str]) -> Iterator[int]:
    """Goes down step by step, so that no part of the way is a link."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    try:
        descriptor = os.open(folder, flags)
    except OSError:
        raise NoResult("is not there") from None
    try:
        for part in parents:
            try:
                below = os.open(part, flags | os.O_NOFOLLOW, dir_fd=descriptor)
            except OSError as error:
                raise NoResult(_why(error, descriptor, part)) from None
            os.close(descriptor)
            descriptor = below
        yield descriptor
    finally:
        os.close(descriptor)


def _why(error: OSError, parent: int, name: str) -> str:
    with contextlib.suppress(OSError):
        if stat.S_ISLNK(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
            return "is a link, or behind one"
    if isinstance(error, FileNotFoundError):
        return "is not there"
    return f"cannot be opened: {error.strerror}"


def _size(descriptor: int) -> int:
    size = os.fstat(descriptor).st_size
    if size == 0:
        raise NoResult("is empty")
    return size
