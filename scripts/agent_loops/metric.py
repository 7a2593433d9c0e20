"""Reads one scalar out of a log of any size, from its end and in bounded memory.

Opens no file and judges no value. Does not read UTF-16, nor numbers that only a header row names.
"""

from __future__ import annotations

import math
import re
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from agent_loops.log_lines import (
    LINE_BYTES,
    backwards,
    clean,
    clip,
    forwards,
    lines_with,
    plain,
    shown_line,
)
from agent_loops.objective import SEVERAL, mean
from agent_loops.objective import Direction as Direction
from agent_loops.objective import MetricSpec as MetricSpec
from agent_loops.printed import (
    CLOSING,
    NUMBER,
    SIGN,
    WRAPPERS,
    decimals,
    peak_memory,
    printed_number,
    scalars_in,
    unit_after,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import BinaryIO

_COUNTED_BYTES = 16 << 20  # of a larger log its size is told, not its lines
_NEAR_LINES = 40

_LONGER_NAME = rb"[\w./@-]"


class Reading(NamedTuple):
    """One finite value. `text` is what was printed, `line` where, cleaned and cut for display.

    `matches` counts the whole log for `best`, `mean` and `median`; for `last` it counts the final
    256 KiB, or just the line where the value stands before them.
    """

    value: float
    text: str
    unit: str
    matches: int
    line: str
    notes: tuple[str, ...]

    @property
    def decimals(self) -> int:
        """Digits printed after the decimal point; `1.5e-3` has four."""
        return decimals(self.text)

    def with_notes(self, notes: Sequence[str]) -> Reading:
        """The same with `notes` added."""
        return self._replace(notes=(*self.notes, *notes))


class LogFacts(NamedTuple):
    """What a log says. `problem` is why there is no reading, and empty where there is one.

    Memory is in units of 2**20 bytes, as the scripts that print "MB" mean it; its kind is "vram",
    "ram" or, where none was printed, "". `scalars` are other printed numbers near the end.
    """

    reading: Reading | None
    problem: str = ""
    peak_memory_mb: float | None = None
    memory_kind: str = ""
    scalars: Mapping[str, float] = MappingProxyType({})


def compile_pattern(spec: MetricSpec) -> re.Pattern[bytes]:
    """The expression that finds the metric in one line; its only group is the number.

    Raises:
        ValueError: there is no name, or `pattern` is no expression with exactly one group.
    """
    if spec.pattern is None:
        if not spec.name.strip():
            raise ValueError("the metric has no name")
        name = re.escape(spec.name.encode("utf-8", "surrogateescape"))
        # The name comes first and looks back on itself: a literal prefix makes the search fast.
        return re.compile(
            name + rb"(?<!" + _LONGER_NAME + name + rb")" + CLOSING
            + rb"(?:[ \t]{0,200}" + SIGN + rb"[ \t]{0,200}|[ \t]{1,200})"
            + rb"\*{0,2}[ \t]{0,8}" + WRAPPERS + rb"{0,4} {0,4}(" + NUMBER + rb")"
        )  # fmt: skip
    try:
        pattern = re.compile(spec.pattern.encode("utf-8", "surrogateescape"))
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{spec.pattern!r} is not a regular expression: {error}") from None
    if pattern.groups != 1:
        raise ValueError(
            f"{spec.pattern!r} has {pattern.groups} groups; it needs exactly one, around the number"
            " (write other groups as `(?:…)`)"
        )
    return pattern


def read_log(stream: BinaryIO, spec: MetricSpec) -> LogFacts:
    """Reads the metric, peak memory and other scalars from a seekable log.

    `last` stops at the first match from the end; `best`, `mean` and `median` scan it all.

    Raises:
        ValueError: see `compile_pattern`.
    """
    finder = _Finder(spec)
    size = stream.seek(0, 2)
    blocks = backwards(stream, size)
    window = plain(next(blocks, b""))
    finder.size = size
    finder.lines = 0 if window.endswith(b"\n") else 1
    near = [line for line in window.split(b"\n") if line and not line.isspace()]
    memory_mb, kind = peak_memory(window)
    scalars = scalars_in(near, spec.name)
    if finder.backwards:
        _find_last(finder, window, blocks)
        notes = finder.distinct(near[-_NEAR_LINES:])
    else:
        for block in forwards(stream):
            finder.take_all(plain(block))
        notes = []
    problem = "the log is empty"
    if size and finder.hits.last is None:
        problem = finder.unread or finder.no_match() + _similar(spec, scalars)
    reading, problem = choose(finder.hits, spec, problem=problem)
    if reading is not None and (notes or finder.unread):
        notes += [f"after the line that was read: {finder.unread}"] if finder.unread else []
        reading = reading.with_notes(notes)
    return LogFacts(reading, problem, memory_mb, kind, scalars)


# --- what was found -----------------------------------------------------------------------------


class Hit:
    """One readable value, and where it stood: in `line`, from byte `at` to `end`."""

    __slots__ = ("_unit", "at", "end", "line", "text", "value")

    def __init__(self, text: str, unit: str, line: bytes, at: int = 0, end: int = -1) -> None:
        self.text = text
        self.value = float(text)
        self._unit = unit
        self.line = line
        self.at = at
        self.end = end

    @property
    def unit(self) -> str:
        return self._unit or (unit_after(self.line, self.end) if self.end >= 0 else "")

    def shown(self) -> str:
        return shown_line(self.line, self.at)


class Hits:
    """The values of one log, in order, and no more of them than the reading needs."""

    __slots__ = ("best", "count", "last", "non_finite", "values")

    def __init__(self) -> None:
        self.values: list[float] = []
        self.last: Hit | None = None
        self.best: Hit | None = None
        self.count = 0
        self.non_finite = 0

    def add(self, hit: Hit, spec: MetricSpec) -> None:
        self.count += 1
        self.last = hit
        if spec.reduce != "none":
            self.values.append(hit.value)
        if not math.isfinite(hit.value):
            self.non_finite += 1
        elif self.best is None or spec.direction.better(hit.value, self.best.value):
            self.best = hit


def choose(hits: Hits, spec: MetricSpec, *, problem: str) -> tuple[Reading | None, str]:
    """The reading of `hits` under `spec`, or why there is none.

    `problem` is what to say where nothing was found.
    """
    last = hits.last
    if last is None:
        return None, problem
    if spec.reduce != "none":
        return _reduced(hits, last, spec)
    hit = last if spec.pick == "last" else hits.best or last
    if not math.isfinite(hit.value):
        return None, f"{spec.name} is {hit.value}"
    notes: tuple[str, ...] = ()
    if spec.pick == "best" and hits.non_finite:
        notes = (f"{hits.non_finite} of {hits.count} values of {spec.name} are not finite",)
    return Reading(hit.value, hit.text, hit.unit, hits.count, hit.shown(), notes), ""


def _reduced(hits: Hits, last: Hit, spec: MetricSpec) -> tuple[Reading | None, str]:
    values, count = hits.values, hits.count
    if hits.non_finite:
        return None, f"{spec.name} is not finite in {hits.non_finite} of {count} values"
    digits = decimals(last.text)
    if spec.reduce == "mean":
        value = mean(values)
        digits += len(str(count - 1)) if count > 1 else 0  # what a mean of `count` values resolves
    else:
        middle = sorted(values)[(count - 1) // 2 : count // 2 + 1]
        value = mean(middle)
        digits += int(len(middle) == 2)
    note = f"{spec.reduce} of {count} values, {min(values):g} to {max(values):g}"
    return Reading(value, f"{value:.{digits}f}", last.unit, count, last.shown(), (note,)), ""


# --- finding ------------------------------------------------------------------------------------


class _Finder:
    """Finds hits in blocks of plain lines, and remembers what was named but not readable."""

    def __init__(self, spec: MetricSpec) -> None:
        self.spec = spec
        self.pattern = compile_pattern(spec)
        self.own = spec.pattern is not None
        self.backwards = spec.reduce == "none" and spec.pick == "last"
        name = spec.name.encode("utf-8", "surrogateescape")
        self.literal = name if spec.pattern is None else required_text(spec.pattern)
        self.hits = Hits()
        self.unread = ""
        self.lines = 0
        self.size = 0
        self._mention: re.Pattern[bytes] | None = None

    @property
    def mention(self) -> re.Pattern[bytes]:
        """A place that names the metric as if to report it; compiled only where it is needed."""
        if self._mention is None:
            name = re.escape(self.literal)
            self._mention = re.compile(
                name + rb"(?<!" + _LONGER_NAME + name + rb")" + CLOSING + rb"(?:[ \t]{0,200}"
                + SIGN + rb"|[ \t]{1,200}(?=[-+]?[\d.]))[ \t]{0,200}(?=[^\s{])"
            )  # fmt: skip
        return self._mention

    def skips(self, block: bytes) -> bool:
        """Whether `block` can hold nothing; a search over it all is far cheaper than its lines."""
        self.lines += block.count(b"\n") if self.size <= _COUNTED_BYTES else 0
        if self.literal not in block:
            return True
        if self.own or self.pattern.search(block):
            return False
        if self.unread and self.backwards:  # what was met first stands nearer to the end
            return True
        return self.mention.search(block) is None

    def in_line(self, line: bytes) -> list[Hit]:
        found = []
        for match in self.pattern.finditer(line):
            if not self.own:
                text, unit = match[1].decode(), ""
            elif match[1] is not None and (number := printed_number(match[1])):
                text, unit = number
            else:
                continue
            found.append(Hit(text, unit, line, match.start(), match.end(1)))
        return found

    def take_all(self, block: bytes) -> None:
        if self.skips(block):
            return
        for line in lines_with(block, self.literal):
            found = self.in_line(line)
            if found:
                self.unread = ""
            else:
                self.unread = self._unreadable(line) or self.unread
            for hit in found:
                self.hits.add(hit, self.spec)

    def take_last(self, block: bytes, *, count_all: bool) -> bool:
        """Takes the last line with a hit, and with `count_all` every one before it."""
        pending: list[Hit] = []
        for line in reversed(list(lines_with(block, self.literal))):
            found = self.in_line(line)
            if not found and not pending:
                self.unread = self.unread or self._unreadable(line)
            pending += reversed(found)
            if pending and not count_all:
                break
        for hit in reversed(pending):
            self.hits.add(hit, self.spec)
        return bool(pending)

    def _unreadable(self, line: bytes) -> str:
        """What to say of a line that names the metric as if to report it, without a number."""
        if self.own:
            match = next((m for m in self.pattern.finditer(line) if m[1]), None)
            return f"`{clip(clean(match[1]), 60)}` is not a number" if match else ""
        match = self.mention.search(line)
        if match is None:
            return ""
        rest = line[match.end() :]
        comma = re.match(rb"[-+]?\d+,\d", rest)
        why = "has a comma in its number; print it without" if comma else "has no readable number"
        return f"`{clip(clean(line[match.start() :]), 60)}` {why}"

    def distinct(self, lines: Iterable[bytes]) -> list[str]:
        """A note where `lines` hold several different values, so that `last` may be arbitrary."""
        texts: dict[float | str, str] = {}
        for line in lines:
            if self.literal in line:
                for hit in self.in_line(line[-LINE_BYTES:]):
                    value = hit.text if math.isnan(hit.value) else hit.value
                    texts.pop(value, None)  # the latest stand last
                    texts[value] = hit.text
        if len(texts) < 2:
            return []
        shown = ", ".join(list(texts.values())[-3:])
        more = "…, " if len(texts) > 3 else ""
        where = f"in the last {_NEAR_LINES} lines ({more}{shown})"
        return [f"{len(texts)} {SEVERAL} {self.spec.name} {where}; the last was taken"]

    def no_match(self) -> str:
        shown = self.spec.pattern if self.spec.pattern is not None else f"{self.spec.name}:"
        lines = self.size <= _COUNTED_BYTES
        counted = f"{self.lines} lines" if lines else f"{self.size >> 20} MiB"
        return f"no line matches `{clip(shown, 80)}` ({counted})"


def _find_last(finder: _Finder, window: bytes, blocks: Iterator[bytes]) -> None:
    if not finder.skips(window) and finder.take_last(window, count_all=True):
        return
    for block in blocks:
        text = plain(block)
        if not finder.skips(text) and finder.take_last(text, count_all=False):
            return


def required_text(pattern: str) -> bytes:
    """Plain text that every match of `pattern` contains, or nothing where that is not plain to see.

    Chunks without it need no search. Groups, classes and repeated characters are left out.
    """
    if "|" in pattern or "(?" in pattern:
        return b""
    rest = re.sub(r"\\.", "\0", pattern, flags=re.DOTALL)
    rest = re.sub(r"\[\^?\]?[^\]]*\]", "\0", rest)
    rest = re.sub(r"\([^()]*\)", "\0", rest)
    rest = re.sub(r".(?:[*?]|\{[^}]*\})", "\0", rest, flags=re.DOTALL)
    runs = re.findall(r"[\w /:=,%-]+", rest)
    return max(runs, key=len, default="").encode()


def _similar(spec: MetricSpec, scalars: Mapping[str, float]) -> str:
    wanted = re.sub(r"\W|_", "", spec.name).lower()
    alike = [n for n in scalars if len(wanted) > 2 and wanted in re.sub(r"\W|_", "", n).lower()]
    return "; printed instead: " + ", ".join(f"`{n}`" for n in alike[-3:]) if alike else ""
