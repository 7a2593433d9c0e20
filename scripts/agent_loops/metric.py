"""Reads one scalar out of a log of any size, from its end and in bounded memory.

Opens no file and judges no value; does not read UTF-16, nor numbers that only a table's header names.
"""

from __future__ import annotations

import enum
import math
import re
from dataclasses import dataclass

TYPE_CHECKING = False  # typing's constant, without typing's import: start-up is most of the time here
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import BinaryIO, Literal

_WINDOW_BYTES = 256 << 10  # always read: the notes, scalars and memory come from it
_CHUNK_BYTES = 1 << 20
_LINE_BYTES = 64 << 10  # of a longer line, its end
_NEAR_LINES = 40
_SCALAR_LINES = 100
_SCALARS = 40
_SHOWN_CHARS = 200

# A number may be followed by a unit, never by more digits, `_`, `.x` (0.32.ckpt) or `:5` (a clock).
# An integer before a comma and a digit is refused: 1,234 and 0,32 would otherwise read as 1 and 0.
_UNIT_CHAR = rb"(?:[A-Za-z%/]|\xc2\xb5)"
_NUMBER = (
    rb"[-+]?(?:(?!\d+,\d)(?:\d{1,400}(?:\.\d{0,400})?|\.\d{1,400})(?:[eE][-+]?\d{1,4})?"
    rb"(?![\d_]|[eE][-+]?\d|\.\w|:\d)(?=" + _UNIT_CHAR + rb"{0,10}(?!\w))"
    rb"|(?:[nN][aA][nN]|[iI][nN][fF](?:[iI][nN][iI][tT][yY])?)(?!\w))"
)
_WRAPPERS = (  # tensor(0.3, device='cuda:0'), np.float64(0.3), [0.3], "0.3"; a list of several is refused
    rb"(?:(?:(?:np|numpy|jnp|torch|tf)\.)?"
    rb"(?:[Tt]ensor|float\d{0,3}|bfloat16|[Aa]rray|DeviceArray|Decimal)?\("
    rb"|<tf\.Tensor[^<>\n]{0,80}numpy=|\[(?=[^],\n]{0,400}\])|[\"'])"
)
_SIGN = rb"(?:[:=|]|\xe2\x94\x82|\xe2\x94\x83)"  # the last two are the table rules │ and ┃
_CLOSING = rb"[\"'`*]{0,3}"
_LONGER_NAME = rb"[\w./@-]"
_KNOWN_UNIT = (
    rb"%|[mun]?s|\xc2\xb5s|secs?|seconds|min|minutes|h|hours|[kKMGT]?i?B|bytes|[MG]?Hz|[kmMG]?[WJ]"
    rb"|[MGT]?FLOPS?|(?:it|tok|tokens?|samples?|steps?|images?|img)/s(?:ec)?|dB|bits?|nats"
)
_MOVES = re.compile(rb"\x1b\[[\d;]{0,9}[ABDEFGHf]")
_CODES = re.compile(
    rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)|[()*+][0-9A-Z]|[@-Z\\^_=>78c])"
)


class Direction(enum.Enum):
    """Which way the metric improves."""

    MINIMIZE = "minimize"
    MAXIMIZE = "maximize"

    def better(self, a: float, b: float) -> bool:
        """Whether `a` is strictly better than `b`."""
        return self.gain(a, b) > 0

    def gain(self, new: float, old: float) -> float:
        """How much better `new` is than `old`; positive is better."""
        return old - new if self is Direction.MINIMIZE else new - old


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """What to look for. `pattern` is a regular expression with one group, applied line by line.

    With a `reduce`, every value in the log counts and `pick` does not.
    """

    name: str
    direction: Direction
    pattern: str | None = None
    pick: Literal["last", "best"] = "last"
    reduce: Literal["none", "mean", "median"] = "none"


@dataclass(frozen=True, slots=True)
class Reading:
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


@dataclass(frozen=True, slots=True)
class LogFacts:
    """What a log says. `problem` is why there is no reading, and empty where there is one.

    Memory is in units of 2**20 bytes, as the scripts that print "MB" mean it; its kind is "vram",
    "ram" or, where none was printed, "". `scalars` are other printed numbers near the end.
    """

    reading: Reading | None
    problem: str
    non_finite: bool
    peak_memory_mb: float | None
    memory_kind: str
    scalars: Mapping[str, float]


def decimals(text: str) -> int:
    """Digits after the decimal point of a printed number, its exponent taken into account."""
    mantissa, _, exponent = text.lower().partition("e")
    fraction = mantissa.partition(".")[2]
    return max(0, len(fraction) - int(exponent or 0)) if mantissa[-1:].isdigit() else 0


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
            name + rb"(?<!" + _LONGER_NAME + name + rb")" + _CLOSING
            + rb"(?:[ \t]{0,200}" + _SIGN + rb"[ \t]{0,200}|[ \t]{1,200})"
            + rb"\*{0,2}[ \t]{0,8}" + _WRAPPERS + rb"{0,4} {0,4}(" + _NUMBER + rb")"
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


def printed_number(text: bytes) -> tuple[str, str] | None:
    """Splits `0.32`, `12 ms` or `tensor(0.3)` into number and unit; None for anything else."""
    match = re.fullmatch(
        rb"\s*" + _WRAPPERS + rb"{0,4}\s*(" + _NUMBER + rb")\s?(" + _UNIT_CHAR + rb"{0,10})\W*", text
    )
    return (match[1].decode(), match[2].decode("utf-8", "replace")) if match else None


def read_log(stream: BinaryIO, spec: MetricSpec) -> LogFacts:
    """Reads the metric, peak memory and other scalars from a seekable log.

    `last` stops at the first match from the end; `best`, `mean` and `median` scan it all.

    Raises:
        ValueError: see `compile_pattern`.
    """
    finder = _Finder(spec)
    size = stream.seek(0, 2)
    blocks = _backwards(stream, size)
    window = _plain(next(blocks, b""))
    finder.lines = 0 if window.endswith(b"\n") else 1
    near = [line for line in window.split(b"\n") if line and not line.isspace()]
    memory_mb, kind = _peak_memory(window)
    scalars = _scalars(near[-_SCALAR_LINES:], spec.name)
    if spec.reduce == "none" and spec.pick == "last":
        _find_last(finder, window, blocks)
        notes = finder.distinct(near[-_NEAR_LINES:])
    else:
        for block in _forwards(stream):
            finder.take_all(_plain(block))
        notes = []
    problem = "the log is empty"
    if size and finder.hits.last is None:
        problem = finder.problem() + _similar(spec, scalars)
    reading, problem, non_finite = choose(finder.hits, spec, problem=problem)
    if reading is not None and (notes or finder.unread):
        notes += [f"after the line that was read: {finder.unread}"] if finder.unread else []
        reading = _with_notes(reading, notes)
    return LogFacts(reading, problem, non_finite, memory_mb, kind, scalars)


# --- what was found -----------------------------------------------------------------------------


class Hit:
    """One readable value, and where it stood: at byte `at` of `line`."""

    __slots__ = ("at", "line", "text", "unit", "value")

    def __init__(self, text: str, unit: str, line: bytes, at: int = 0) -> None:
        self.text = text
        self.value = float(text)
        self.unit = unit
        self.line = line
        self.at = at

    def shown(self) -> str:
        return _shown(self.line, self.at)


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


def choose(hits: Hits, spec: MetricSpec, *, problem: str) -> tuple[Reading | None, str, bool]:
    """The reading of `hits` under `spec`, or the problem and whether a value was not finite.

    `problem` is what to say where nothing was found.
    """
    last = hits.last
    if last is None:
        return None, problem, False
    if spec.reduce != "none":
        return _reduced(hits, last, spec)
    hit = last if spec.pick == "last" else hits.best or last
    if not math.isfinite(hit.value):
        return None, f"{spec.name} is {hit.value}", True
    notes: tuple[str, ...] = ()
    if spec.pick == "best" and hits.non_finite:
        notes = (f"{hits.non_finite} of {hits.count} values of {spec.name} are not finite",)
    return Reading(hit.value, hit.text, hit.unit, hits.count, hit.shown(), notes), "", False


def _reduced(hits: Hits, last: Hit, spec: MetricSpec) -> tuple[Reading | None, str, bool]:
    values, count = hits.values, hits.count
    if hits.non_finite:
        return None, f"{spec.name} is not finite in {hits.non_finite} of {count} values", True
    digits = decimals(last.text)
    if spec.reduce == "mean":
        value = math.fsum(values) / count
        digits += len(str(count - 1)) if count > 1 else 0  # what a mean of `count` values resolves
    else:
        middle = sorted(values)[(count - 1) // 2 : count // 2 + 1]
        value = math.fsum(middle) / len(middle)
        digits += int(len(middle) == 2)
    note = f"{spec.reduce} of {count} values, {min(values):g} to {max(values):g}"
    return Reading(value, f"{value:.{digits}f}", last.unit, count, last.shown(), (note,)), "", False


def _with_notes(reading: Reading, notes: Sequence[str]) -> Reading:
    every = (*reading.notes, *notes)
    r = reading
    return Reading(r.value, r.text, r.unit, r.matches, r.line, every)


# --- finding ------------------------------------------------------------------------------------


class _Finder:
    """Finds hits in cleaned blocks of whole lines, and remembers what was named but not readable."""

    def __init__(self, spec: MetricSpec) -> None:
        self.spec = spec
        self.pattern = compile_pattern(spec)
        self.own = spec.pattern is not None
        name = spec.name.encode("utf-8", "surrogateescape")
        self.literal = name if spec.pattern is None else required_text(spec.pattern)
        self.hits = Hits()
        self.unread = ""
        self.lines = 0
        self._mention: re.Pattern[bytes] | None = None

    @property
    def mention(self) -> re.Pattern[bytes]:
        """A place that names the metric as if to report it; compiled only where it is needed."""
        if self._mention is None:
            name = re.escape(self.literal)
            self._mention = re.compile(
                name + rb"(?<!" + _LONGER_NAME + name + rb")" + _CLOSING
                + rb"(?:[ \t]{0,200}" + _SIGN + rb"|[ \t]{1,200}(?=[-+]?[\d.]))[ \t]{0,200}(?=[^\s{])"
            )  # fmt: skip
        return self._mention

    def skips(self, block: bytes) -> bool:
        """Whether `block` can hold nothing; a search over it all is far cheaper than its lines."""
        self.lines += block.count(b"\n")
        if self.literal not in block:
            return True
        if self.own or self.pattern.search(block):
            return False
        return bool(self.unread) or self.mention.search(block) is None

    def in_line(self, line: bytes) -> list[Hit]:
        found = []
        for match in self.pattern.finditer(line):
            if not self.own:
                text, unit = match[1].decode(), _unit_after(line, match.end(1))
            elif match[1] is not None and (number := printed_number(match[1])):
                text, unit = number[0], number[1] or _unit_after(line, match.end(1))
            else:
                continue
            found.append(Hit(text, unit, line, match.start()))
        return found

    def take_all(self, block: bytes) -> None:
        if self.skips(block):
            return
        for line in _lines_with(block, self.literal):
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
        for line in reversed(list(_lines_with(block, self.literal))):
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
            return f"`{_clip(_clean(match[1]), 60)}` is not a number" if match else ""
        match = self.mention.search(line)
        if match is None:
            return ""
        rest = line[match.end() :]
        comma = re.match(rb"[-+]?\d+,\d", rest)
        why = "has a comma in its number; print it without" if comma else "has no readable number"
        return f"`{_clip(_clean(line[match.start() :]), 60)}` {why}"

    def distinct(self, lines: Iterable[bytes]) -> list[str]:
        """A note where `lines` hold several different values, so that `last` may be arbitrary."""
        texts: dict[float, str] = {}
        for line in lines:
            if self.literal in line:
                for hit in self.in_line(line[-_LINE_BYTES:]):
                    texts.pop(hit.value, None)
                    texts[hit.value] = hit.text
        if len(texts) < 2:
            return []
        shown = ", ".join(list(texts.values())[-3:])
        more = "…, " if len(texts) > 3 else ""
        return [
            f"{len(texts)} different values of {self.spec.name} in the last {_NEAR_LINES} lines"
            f" ({more}{shown}); the last was taken"
        ]

    def problem(self) -> str:
        if self.unread:
            return self.unread
        shown = self.spec.pattern if self.spec.pattern is not None else f"{self.spec.name}:"
        return f"no line matches `{_clip(shown, 80)}` ({self.lines} lines)"


def _find_last(finder: _Finder, window: bytes, blocks: Iterator[bytes]) -> None:
    if not finder.skips(window) and finder.take_last(window, count_all=True):
        return
    for block in blocks:
        plain = _plain(block)
        if not finder.skips(plain) and finder.take_last(plain, count_all=False):
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


def _unit_after(line: bytes, at: int) -> str:
    match = re.compile(
        rb"([A-Za-z%]" + _UNIT_CHAR + rb"{0,9}|\xc2\xb5s)(?!\w)| (" + _KNOWN_UNIT + rb")(?![\w/])"
    ).match(line, at)
    return (match[1] or match[2]).decode("utf-8", "replace") if match else ""


# --- bytes, blocks and lines --------------------------------------------------------------------


def _read(stream: BinaryIO, at: int, size: int) -> bytes:
    stream.seek(at)
    parts = []
    while size > 0 and (part := stream.read(size)):
        parts.append(part)
        size -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _backwards(stream: BinaryIO, end: int) -> Iterator[bytes]:
    """Blocks of whole lines, the last block first; the first is the window."""
    carry, size = b"", _WINDOW_BYTES
    while end > 0:
        start = max(0, end - size)
        chunk = _read(stream, start, end - start)
        end, size = start, _CHUNK_BYTES
        first = _first_end(chunk)
        if start == 0:
            yield chunk + carry
        elif first < 0:
            carry = (chunk + carry)[-_LINE_BYTES:]
        else:
            yield chunk[first + 1 :] + carry
            carry = chunk[:first][-_LINE_BYTES:]


def _forwards(stream: BinaryIO) -> Iterator[bytes]:
    """Blocks of whole lines, in order."""
    carry = b""
    stream.seek(0)
    while chunk := stream.read(_CHUNK_BYTES):
        last = max(chunk.rfind(b"\n"), chunk.rfind(b"\r"), chunk.rfind(b"\b"))
        if last < 0:
            carry = (carry + chunk)[-_LINE_BYTES:]
        else:
            yield carry + chunk[: last + 1]
            carry = chunk[last + 1 :]
    yield carry


def _first_end(chunk: bytes) -> int:
    ends = [at for sign in (b"\n", b"\r", b"\b") if (at := chunk.find(sign)) >= 0]
    return min(ends, default=-1)


def _plain(block: bytes) -> bytes:
    """Every line end as a newline, cursor movements too, and no ANSI codes."""
    if b"\r" in block:
        block = block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    block = block.replace(b"\b", b"\n")
    if b"\x1b" in block:
        block = _CODES.sub(b"", _MOVES.sub(b"\n", block))
    return block


def _lines_with(block: bytes, literal: bytes) -> Iterator[bytes]:
    """The lines that contain `literal` (all, where it is empty), each cut to its last 64 KiB."""
    at = block.find(literal)
    while at >= 0:
        end = block.find(b"\n", at)
        end = len(block) if end < 0 else end
        yield block[max(block.rfind(b"\n", 0, at) + 1, end - _LINE_BYTES) : end]
        at = block.find(literal, end if literal else end + 1)


def _clean(raw: bytes) -> str:
    text = raw.decode("utf-8", "replace")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _clip(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _shown(line: bytes, at: int) -> str:
    """`line` for display; of a long one, the part about byte `at`."""
    whole = _clean(line)
    if len(whole) <= _SHOWN_CHARS:
        return whole
    before = _clean(line[:at])
    before = before if len(before) <= 60 else "…" + before[-59:]
    return _clip(f"{before} {_clean(line[at : at + 4 * _SHOWN_CHARS])}".strip(), _SHOWN_CHARS)


# --- other numbers near the end -----------------------------------------------------------------


def _scalars(lines: Sequence[bytes], metric: str) -> dict[str, float]:
    """The last value of each `name: number`, a whole line or several in one, at most 40 names."""
    sign = rb"[\"'`*]{0,3}[ \t]{0,80}" + _SIGN + rb"[ \t]{0,80}" + _WRAPPERS + rb"{0,2}"
    whole = re.compile(
        rb"[ \t|*\xe2\x94\x82]{0,80}([A-Za-z][\w ./@%()-]{0,47}?)" + sign + rb"(" + _NUMBER + rb")"
        + rb" ?" + _UNIT_CHAR + rb"{0,10}\W{0,80}"
    )  # fmt: skip
    pair = re.compile(rb"(?<![\w./@-])([A-Za-z_][\w./@%-]{0,47})" + sign + rb"(" + _NUMBER + rb")")
    found: dict[str, float] = {}
    for line in reversed(lines):
        if len(line) > 1000:
            continue
        one = whole.fullmatch(line)
        for match in [one] if one else reversed(list(pair.finditer(line))):
            name, value = match[1].decode().strip(), float(match[2])
            if name != metric and name not in found and math.isfinite(value):
                found[name] = value
        if len(found) >= _SCALARS:
            break
    return dict(reversed(list(found.items())[:_SCALARS]))


def _similar(spec: MetricSpec, scalars: Mapping[str, float]) -> str:
    wanted = re.sub(r"\W|_", "", spec.name).lower()
    alike = [n for n in scalars if len(wanted) > 2 and wanted in re.sub(r"\W|_", "", n).lower()]
    return "; printed instead: " + ", ".join(f"`{n}`" for n in alike[-3:]) if alike else ""


_MIB = {"k": 2**-10, "m": 1.0, "g": 2.0**10, "t": 2.0**20, "b": 2.0**-20}


def memory_mb(name: str, value: float, unit: str = "") -> float | None:
    """`value` in units of 2**20 bytes where `name` says it is a peak of memory, else None."""
    lower = name.lower()
    if not re.search(r"peak|max", lower) or not re.search(
        r"(?<![a-z])(?:mem|memory|vram|(?:ru_?)?(?:max)?rss|ram|resident)(?![a-z])", lower
    ):
        return None
    if not math.isfinite(value) or value <= 0:  # a CPU run prints 0.0: nothing was measured
        return None
    named = re.findall(r"(?<![a-z])([kmgt])(?:i?b|bytes)(?![a-z])|(?<![a-z])(b)ytes(?![a-z])", lower)
    if unit:
        letter = unit[0].lower()
    elif named:
        letter = "".join(named[-1])
    elif re.search(r"max_memory_(?:allocated|reserved)", lower):  # torch.cuda answers in bytes
        letter = "b"
    elif re.search(r"max[ _]mem$", lower):  # torchvision's and detectron2's loggers print MB
        letter = "m"
    else:
        return None
    return value * _MIB[letter] if letter in _MIB else None


def memory_kind(name: str) -> str:
    """ "vram" where `name` is about a device (or PyTorch's device allocator), else "ram"."""
    device = r"vram|cuda|gpu|max_memory_(?:allocated|reserved)|max[ _]mem(?![a-z])"
    return "vram" if re.search(device, name.lower()) else "ram"


def _peak_memory(window: bytes) -> tuple[float | None, str]:
    """The last printed peak of memory."""
    lower = window.lower()
    if not any(word in lower for word in (b"mem", b"ram", b"rss", b"resident")):
        return None, ""
    pattern = re.compile(
        rb"((?:peak|max)[\w ./()-]{0,48}?)[\"']?[ \t]{0,20}" + _SIGN + rb"?[ \t]{0,20}[\"']?"
        rb"(?<![\w.])(?!\d+,\d)(\d{1,30}(?:\.\d{0,30})?(?:e[-+]?\d{1,3})?)[ \t]?((?:[kmgt]i?b?|bytes)(?![a-z]))?"
    )
    for line in reversed(lower.split(b"\n")):
        if b"peak" not in line and b"max" not in line:
            continue
        line = line[-_LINE_BYTES // 16 :]
        for match in reversed(list(pattern.finditer(line))):
            unit = (match[3] or b"").decode()
            value = memory_mb(match[1].decode(), float(match[2]), unit)
            if value is not None:
                about = line[max(0, match.start() - 24) : match.end(1)]
                return value, memory_kind(about.decode("utf-8", "replace"))
    return None, ""
