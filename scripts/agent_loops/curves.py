"""Reads a training's progress out of its output as it grows: values by elapsed seconds.

Opens nothing and has no clock: bytes and times come in. Does not read numbers that only a header
row names, nor parts of a loss (`aux loss: 2`, `G loss 1`): they need not fall.
"""

from __future__ import annotations

import bisect
import functools
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from agent_loops.log_lines import LINE_BYTES, lines_with, plain
from agent_loops.metric import compile_pattern, required_text
from agent_loops.objective import MetricSpec, mean, median
from agent_loops.printed import CLOSING, NUMBER, SIGN, WRAPPERS, printed_number

SCHEMA = 1
_MOST_POINTS = 300
_MOST_NAMES = 8
_FINEST_S = 0.1
_LARGEST = 1e300  # two such values can still be subtracted

# The patterns below are for a block in small letters, which is faster than to ignore the case.
_CORE = rb"(?:loss|nll|ppl|perplexity|bpb|bpc|cross[_ -]?entropy|rmse|mse|mae)"
# What may stand before or behind the word without making it a part of the loss or another one.
_QUALIFIER = (
    rb"(?:train(?:ing)?|tr|val(?:id(?:ation)?)?|eval(?:uation)?|test|dev|avg\.?|average|mean|total"
    rb"|running|batch|epoch|step|iter|smooth(?:ed)?|ema|lm|mlm|clm|ce|nll)"
)
_TO_NUMBER = (
    CLOSING + rb"(?:[ \t]{0,80}" + SIGN + rb"[ \t]{0,80}|[ \t]{1,80})"
    + rb"\*{0,2}[ \t]{0,8}" + WRAPPERS + rb"{0,4} {0,4}(" + NUMBER + rb")"
)  # fmt: skip
# "best loss: 2.1" and "value loss 3" are no progress; "done, loss 2.1" and "INFO loss 2.1" are.
_HARMLESS = frozenset(b"and with has is info debug done complete completed finished".split())
_STEP = rb"(?i)\b(step|iter(?:ation)?|epoch)\b\W{0,4}(\d{1,12})"
_BEFORE_BYTES = 64


class _Patterns(NamedTuple):
    """Compiled only where there is a run to read: they take some milliseconds."""

    core: re.Pattern[bytes]
    to_number: re.Pattern[bytes]
    before: re.Pattern[bytes]


@functools.cache
def _patterns() -> _Patterns:
    return _Patterns(
        re.compile(_CORE),
        re.compile(rb"((?:[_/]" + _QUALIFIER + rb"){0,2})" + _TO_NUMBER),
        re.compile(
            rb"(?:^|[^\w./@-])(?:([a-z]+) )??((?:" + _QUALIFIER + rb"[ _/.-]){0,3})\Z", re.MULTILINE
        ),
    )


class Curve(NamedTuple):
    """One quantity: (elapsed seconds, value) in their order, all finite and as printed.

    Of many values close together it holds the means. `non_finite` counts what is left out.
    """

    points: Sequence[tuple[float, float]]
    non_finite: int = 0


class Progress(NamedTuple):
    """What one run printed on its way. Times are seconds since its start.

    `longest_silence_s` is the longest time without any output, from the start and to the end too.
    """

    wall_s: float
    longest_silence_s: float
    curves: Mapping[str, Curve]

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "wall_s": round(self.wall_s, 3),
            "longest_silence_s": round(self.longest_silence_s, 3),
            "curves": {
                name: {
                    "points": [[round(at, 3), float(f"{value:.7g}")] for at, value in curve.points],
                    "non_finite": curve.non_finite,
                }
                for name, curve in self.curves.items()
            },
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Progress:
        """The inverse of `to_json`.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        curves = {
            str(name): Curve(
                [(float(at), float(number)) for at, number in curve["points"]],
                int(curve["non_finite"]),
            )
            for name, curve in value["curves"].items()
        }
        return cls(float(value["wall_s"]), float(value["longest_silence_s"]), curves)


class Broken(NamedTuple):
    """A quantity whose last `times` values were not finite: what it was, and since when.

    `step` is such as "step 40", "" where its line names none; `last_s` is the last value's time.
    """

    name: str
    value: float
    since_s: float
    last_s: float
    times: int
    step: str
    was_finite: bool


class Reader:
    """Takes a run's output piece by piece."""

    def __init__(self, spec: MetricSpec) -> None:
        self._spec = spec
        self._metric = compile_pattern(spec)
        _patterns()  # now, while the training starts, not when it ends
        self._literal = required_text(spec.pattern or "")
        self._carry = b""
        self._series: dict[str, _Series] = {}
        self.last_output_s = 0.0
        self._longest_silence_s = 0.0

    def feed(self, piece: bytes, at_s: float, *, skipped: bool = False) -> None:
        """Takes what was printed up to `at_s`; `skipped`: not right behind the piece before."""
        self._longest_silence_s = max(self._longest_silence_s, at_s - self.last_output_s)
        self.last_output_s = at_s
        raw = piece if skipped else self._carry + piece
        last = max(raw.rfind(b"\n"), raw.rfind(b"\r"), raw.rfind(b"\b"))
        if last < 0 and skipped:
            self._carry = b""
            return
        self._carry = raw[last + 1 :][-LINE_BYTES:]
        begins = 0
        if skipped:  # in the midst of a line
            ends = [raw.find(end) for end in (b"\n", b"\r") if raw.find(end) >= 0]
            begins = min(ends, default=last) + 1
        self._take(plain(raw[begins : last + 1]), at_s)

    def finish(self, wall_s: float) -> Progress:
        """The whole run; nothing may be fed after that."""
        self._take(plain(self._carry), self.last_output_s)
        self._carry = b""
        silence_s = max(self._longest_silence_s, wall_s - self.last_output_s)
        return Progress(wall_s, silence_s, self.curves())

    def curves(self) -> dict[str, Curve]:
        """The quantities so far, by their names."""
        return {name: series.curve() for name, series in self._series.items()}

    def broken(self) -> list[Broken]:
        """The quantities whose last value was not finite."""
        return [
            Broken(
                name, series.broken_value, series.broken_since_s, series.last_s,
                series.broken_count, series.broken_step, bool(series.bins),
            )
            for name, series in self._series.items()
            if series.broken_count
        ]  # fmt: skip

    def _take(self, block: bytes, at_s: float) -> None:
        found: dict[str, list[tuple[float, int]]] = {}
        for name, text, place in self._values(block):
            found.setdefault(name, []).append((float(text), place))
        for name, values in found.items():
            if name not in self._series and len(self._series) >= _MOST_NAMES:
                continue
            series = self._series.setdefault(name, _Series())
            for value, place in values:
                if not math.isfinite(value) and not series.broken_count:
                    series.broken_step = _step_in(block, place)
                series.note(value, at_s)
            series.add([value for value, _ in values if math.isfinite(value)], at_s)

    def _values(self, block: bytes) -> Iterator[tuple[str, bytes, int]]:
        """Name, number and place of every value in a block of whole lines."""
        taken = set()
        for match in self._of_metric(block):
            if self._spec.pattern is None:
                text = match[1]
            else:
                number = printed_number(match[1]) if match[1] is not None else None
                if number is None:
                    continue
                text = number[0].encode()
            taken.add(match.start(1))
            yield self._spec.name, text, match.start(1)
        for name, text, place in _losses(block.lower()):
            if place not in taken:
                yield name, text, place

    def _of_metric(self, block: bytes) -> Iterable[re.Match[bytes]]:
        if self._spec.pattern is None:
            return self._metric.finditer(block)
        lines = lines_with(block, self._literal)  # for `^`, and lest `\s` passes a line's end
        return (match for line in lines for match in self._metric.finditer(line))


def _losses(lower: bytes) -> Iterator[tuple[str, bytes, int]]:
    """Every loss in a block of small letters: its name, number and place."""
    patterns, behind = _patterns(), 0
    for core in patterns.core.finditer(lower):
        number = patterns.to_number.match(lower, core.end()) if core.start() >= behind else None
        if number is None:
            continue
        behind = number.end()
        before = patterns.before.search(lower[max(0, core.start() - _BEFORE_BYTES) : core.start()])
        if before is not None and (before[1] is None or before[1] in _HARMLESS):
            name = (before[2] + core[0] + number[1]).decode("ascii", "replace")
            yield re.sub(r"[ /.-]+", "_", name), number[2], number.start(2)


def _step_in(block: bytes, place: int) -> str:
    begin = block.rfind(b"\n", 0, place) + 1
    end = block.find(b"\n", place)
    match = re.search(_STEP, block[begin : end if end >= 0 else len(block)][:LINE_BYTES])
    return f"{match[1].decode().lower()} {match[2].decode()}" if match else ""


class _Series:
    """One quantity on its way: means of neighbouring values, the wider the more there are."""

    def __init__(self) -> None:
        self.bins: list[tuple[float, float, int]] = []  # mean time, mean, how many
        self.broken_count = 0
        self.broken_since_s = self.last_s = self.broken_value = 0.0
        self.broken_step = ""
        self._non_finite = 0
        self._width_s = _FINEST_S
        self._began_s = -math.inf

    def note(self, value: float, at_s: float) -> None:
        """Counts values in a row that are not finite."""
        self.last_s = at_s
        if math.isfinite(value):
            self.broken_count = 0
            return
        if not self.broken_count:
            self.broken_since_s = at_s
        self.broken_value = value
        self.broken_count += 1
        self._non_finite += 1

    def add(self, values: Sequence[float], at_s: float) -> None:
        """Takes finite values that were printed up to `at_s`."""
        if not values:
            return
        value = mean([min(max(item, -_LARGEST), _LARGEST) for item in values])
        if self.bins and at_s - self._began_s < self._width_s:
            self.bins[-1] = _merged(self.bins[-1], (at_s, value, len(values)))
            return
        self._began_s = at_s
        self.bins.append((at_s, value, len(values)))
        if len(self.bins) > _MOST_POINTS:
            pairs = zip(self.bins[::2], self.bins[1::2], strict=False)
            odd = self.bins[len(self.bins) // 2 * 2 :]
            self.bins = [_merged(*pair) for pair in pairs] + odd
            self._width_s *= 2

    def curve(self) -> Curve:
        return Curve([(at, value) for at, value, _ in self.bins], self._non_finite)


def _merged(
    first: tuple[float, float, int], second: tuple[float, float, int]
) -> tuple[float, float, int]:
    count = first[2] + second[2]
    share = second[2] / count
    at_s, value = (a + (b - a) * share for a, b in zip(first[:2], second[:2], strict=True))
    return at_s, value, count


class Track:
    """A curve to be asked for its value at any time, smoothed: lower is better.

    `sign` is -1 for what is to grow. The value at a time is the median of the points in the
    `window_s` before it, of at least the last three; before the first point there is none.
    """

    def __init__(self, curve: Curve, *, sign: int, window_s: float) -> None:
        self.times = [at for at, _ in curve.points]
        self.values = [sign * value for _, value in curve.points]
        self._window_s = window_s

    def at(self, time_s: float) -> float | None:
        end = bisect.bisect_right(self.times, time_s)
        if not end:
            return None
        begin = bisect.bisect_right(self.times, time_s - self._window_s)
        return median(self.values[max(0, min(begin, end - 3)) : end])

    @property
    def first(self) -> float:
        """The median of the first three values."""
        return median(self.values[:3])

    @property
    def last(self) -> float:
        found = self.at(math.inf)
        assert found is not None
        return found

    def noise(self) -> float:
        """The deviation of single points from their neighbours, robust against a few jumps.

        Half the second difference of independent noise has the variance 1.5 times its own.
        """
        triples = zip(self.values, self.values[1:], self.values[2:], strict=False)
        bends = [abs(b - (a + c) / 2) for a, b, c in triples]
        return 1.4826 * median(bends) / math.sqrt(1.5) if bends else 0.0
