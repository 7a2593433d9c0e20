"""Appends events durably and replays them; the journal is the only truth.

Never rewrites a line. Callers hold the campaign's lock while they append.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path

from agent_loops import events, files
from agent_loops.errors import JournalError
from agent_loops.paths import CampaignPaths

_MEND = (
    "put the file back from a backup, or move its folder away and begin anew with "
    "`agent-loops setup`"
)


_LOCK_WAIT_S = 10.0


def utc_now() -> datetime:
    return datetime.now(timezone.utc)


class Journal:
    """One campaign's journal.

    `boot_id` names the machine's present boot; `now` is injected where a test needs it.
    """

    def __init__(
        self, paths: CampaignPaths, *, boot_id: str, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._paths = paths
        self._boot_id = boot_id
        self._now = now

    def records(
        self, *, offset: int = 0, first_line: int = 1
    ) -> Iterator[tuple[int, events.Record]]:
        """Yields every whole line after `offset` bytes with the offset behind it.

        A torn tail (no newline at the end, or no record in the last line) is left to be set aside.

        Raises:
            JournalError: a line before others is not a record, or `seq` has a gap.
        """
        path = self._paths.journal
        expected = first_line
        with path.open("rb") as stream:
            stream.seek(offset)
            for line in stream:
                if not line.endswith(b"\n"):
                    return
                offset += len(line)
                try:
                    record = events.from_json(files.load_json(line))
                except events.NewerRecord as error:
                    raise JournalError(path, expected, str(error)) from error
                except ValueError as error:
                    if expected > 1 and not stream.peek(1):
                        return
                    raise self.damaged(expected, str(error)) from error
                if record.seq != expected:
                    raise self.damaged(expected, f"seq {record.seq}: a line is missing")
                yield offset, record
                expected += 1

    def damaged(self, line: int, reason: str) -> JournalError:
        """What is wrong with a line, and what can be done."""
        return JournalError(self._paths.journal, line, f"{reason}; {_MEND}")

    def append(self, event: events.Event, *, seq: int) -> events.Record:
        """Writes one event durably and returns its record. The caller holds the lock.

        Raises:
            AgentLoopsError: it could not be written; the journal is as it was.
        """
        self._set_torn_tail_aside()
        record = events.Record(
            seq, self._now().isoformat(timespec="milliseconds"), self._boot_id, event
        )
        files.append(self._paths.journal, _line(record))
        return record

    def _set_torn_tail_aside(self) -> None:
        """Moves a line without its newline, cut off by a kill, to journal.torn."""
        path = self._paths.journal
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            size = os.fstat(fd).st_size
            if size == 0 or os.pread(fd, 1, size - 1) == b"\n":
                return
            start = _line_start(fd, size)
            files.append(self._paths.torn, os.pread(fd, size - start, start) + b"\n")
            os.ftruncate(fd, start)
            os.fsync(fd)
        finally:
            os.close(fd)

    def set_broken_line_aside(self, end: int) -> bool:
        """Moves a whole last line that is no record, behind `end`, to journal.torn.

        The caller holds the lock and has read all records: they end at `end`.
        """
        path = self._paths.journal
        if path.stat().st_size == end:
            return False
        with path.open("rb+") as stream:
            stream.seek(end)
            broken = stream.read()
            if not broken.endswith(b"\n"):
                return False  # a kill's, which the next append sets aside without a word
            files.append(self._paths.torn, broken)
            stream.truncate(end)
            os.fsync(stream.fileno())
        return True


class Guard:
    """The record as it was when a run began, held where that run cannot reach it."""

    def __init__(self, paths: CampaignPaths) -> None:
        self._paths = paths
        self._before = files.read_regular(paths.journal)
        self._caches = {path: _stamp(path) for path in (paths.fold_cache, paths.belief_cache)}

    def mend(self) -> str:
        """Puts the record back where the run changed it; "" or what was done.

        What people's commands recorded meanwhile stays. The changed record is set aside. A folder
        that is gone is not made again: somebody moved it away.
        """
        journal = self._paths.journal
        if not journal.parent.is_dir():
            return ""
        with files.locked(self._paths.lock, wait_s=_LOCK_WAIT_S):
            for path, stamp in self._caches.items():
                if _stamp(path) != stamp:
                    path.unlink(missing_ok=True)
            now = None
            with contextlib.suppress(OSError):
                now = files.read_regular(journal)
            meanwhile, untouched = self._meanwhile(now or b"")
            if untouched:
                return ""
            what = f"the run changed the record: {journal.name} was put back"
            aside = journal.with_name(f"journal.changed-{utc_now():%Y%m%dT%H%M%S%fZ}")
            if now is not None:  # copied: a kill here must not leave a campaign without a record
                files.write_atomic(aside, now, mode=0o600)
            elif os.path.lexists(journal):
                os.rename(journal, aside)
            if os.path.lexists(aside):
                what += f", what it made of it is {aside.name}"
            for path in self._caches:
                path.unlink(missing_ok=True)
            files.write_atomic(journal, self._before + meanwhile, mode=0o600)
        return what

    def _meanwhile(self, now: bytes) -> tuple[bytes, bool]:
        """The lines of people's commands since the run began, and whether there are no others."""
        untouched = now.startswith(self._before)
        seq = before = self._before.count(b"\n")
        kept = []
        for line in io.BytesIO(now[len(self._before) :] if untouched else now):
            if not line.endswith(b"\n"):
                break  # a kill's; the next append sets it aside
            try:
                record = events.from_json(files.load_json(line))
            except ValueError:
                untouched = False
                continue
            if record.seq <= before and not untouched:
                continue
            if not isinstance(record.event, events.MEANWHILE):
                untouched = False
                continue
            seq += 1
            if record.seq != seq:
                untouched = False
            kept.append(line if record.seq == seq else _line(record._replace(seq=seq)))
        return b"".join(kept), untouched


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_ctime_ns  # a run can set any other time


def _line(record: events.Record) -> bytes:
    text = files.dump_json(events.to_json(record))
    return text.encode("utf-8", "backslashreplace") + b"\n"  # names that are no UTF-8


def _line_start(fd: int, size: int) -> int:
    """The offset behind the last newline before `size`."""
    end = size
    while end > 0:
        begin = max(0, end - 65536)
        newline = os.pread(fd, end - begin, begin).rfind(b"\n")
        if newline >= 0:
            return begin + newline + 1
        end = begin
    return 0
