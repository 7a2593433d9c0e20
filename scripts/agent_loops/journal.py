"""Appends events durably and replays them; the journal is the only truth.

Never rewrites a line. Callers hold the campaign's lock while they append.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import datetime, timezone

from agent_loops import events, files
from agent_loops.errors import JournalError
from agent_loops.paths import CampaignPaths

_MEND = (
    "put the file back from a backup, or move its folder away and begin anew with "
    "`agent-loops setup`"
)


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

        A torn tail (no newline at the end) is not a record: it is left for the next append.

        Raises:
            JournalError: a whole line is not a record, or `seq` has a gap.
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
                    raise JournalError(path, expected, f"{error}; {_MEND}") from error
                if record.seq != expected:
                    reason = f"seq {record.seq}: a line is missing; {_MEND}"
                    raise JournalError(path, expected, reason)
                yield offset, record
                expected += 1

    def append(self, event: events.Event, *, seq: int) -> events.Record:
        """Writes one event durably and returns its record. The caller holds the lock.

        Raises:
            AgentLoopsError: it could not be written; the journal is as it was.
        """
        self._set_torn_tail_aside()
        record = events.Record(
            seq, self._now().isoformat(timespec="milliseconds"), self._boot_id, event
        )
        text = files.dump_json(events.to_json(record))
        line = text.encode("utf-8", "backslashreplace") + b"\n"  # names that are no UTF-8
        files.append(self._paths.journal, line)
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
