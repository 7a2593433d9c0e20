"""A run's log as it grows: its curves so far, read a little further at each look.

Keeps no file open and writes nothing. When a value was printed between two looks is not known; the
lines count as evenly spread over that time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from agent_loops import files
from agent_loops.curves import Curve, Reader
from agent_loops.objective import MetricSpec

_MOST_PIECES = 300
_LEAST_BYTES, _MOST_BYTES = 200, 2 << 10  # of one piece: of what is longer, its end


class GrowingLog:
    """The log at `path`."""

    def __init__(self, path: Path, spec: MetricSpec) -> None:
        self.path = path
        self._spec = spec
        self._begin()

    def _begin(self) -> None:
        self._reader = Reader(self._spec)
        self._read = 0
        self._seen_s = 0.0

    def look(self, elapsed_s: float) -> Mapping[str, Curve]:
        """The curves up to now, `elapsed_s` seconds after the run began."""
        try:
            with files.open_regular(self.path) as stream:
                size = stream.seek(0, 2)
                if size < self._read:
                    self._begin()  # somebody emptied it
                for begin, end, share in _pieces(self._read, size):
                    stream.seek(begin)
                    at_s = self._seen_s + share * max(elapsed_s - self._seen_s, 0.0)
                    self._reader.feed(stream.read(end - begin), at_s, skipped=begin > self._read)
                    self._read = end
        except OSError:
            return {}
        self._seen_s = max(elapsed_s, self._seen_s)
        return self._reader.curves()


def _pieces(read: int, size: int) -> Iterator[tuple[int, int, float]]:
    """Where each piece of what is new begins and ends, and after what share of the time."""
    span = size - read
    count = min(_MOST_PIECES, -(-span // _LEAST_BYTES))
    for at in range(1, count + 1):
        end = read + span * at // count
        begin = max(read + span * (at - 1) // count, end - _MOST_BYTES)
        yield begin, end, at / count
