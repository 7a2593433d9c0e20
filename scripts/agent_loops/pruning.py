"""Says whether a run is hopeless, from what it printed so far and from every kept run's curve.

Pure, and slow to condemn: an idea that is ended wrongly is lost, a hopeless run costs minutes. It
cannot see what a run does not print.

- *diverged*: the loss or the metric is not finite any more, and stays so; or, from 40% of the
  budget on, it lies beyond all that any kept run ever showed by as much as they ever improved,
  and rises.
- *stalled*: from 40% on, no output for five times the longest silence of any kept run, a tenth of
  the budget and five seconds.
- *far worse*: from 40% to 90%, for a while, worse than every kept run was at any time since two
  thirds of this one's own time (pauses are not counted), by more than the sum of: twice what any of
  them gained from here to its end; a one-sided 99.5% prediction interval of their spread (Student's
  t, as few as two of them say little); two deviations of single points; a fiftieth of their whole
  descent. And at the pace of its last fifth of the budget it would not reach them by the end. Where
  a run is not ended by the clock, it may be slower for as long as it may last.
"""

from __future__ import annotations

import bisect
import itertools
import math
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from agent_loops.curves import Broken, Curve, Progress, Track
from agent_loops.display import clean
from agent_loops.objective import mean, median

DIVERGED = "diverged"
STALLED = "stalled"
FAR_WORSE = "far worse"

EARLIEST = 0.4
_LATEST = 0.9  # then there is little left to save, and a reading is worth more
_FEWEST_KEPT = 2
_FEWEST_POINTS = 5
_FEWEST_LATELY = 3
_WINDOW = 0.05
_WHILE = 0.05
_PACE = 0.2
_GRID = 8
_SILENCES = 5.0
_LEAST_SILENCE = 0.1
_LEAST_SILENCE_S = 5.0
_SILENT_BY_NATURE = 0.15
_NON_FINITE_IN_A_ROW = 2
_NON_FINITE_FOR = 0.01
_PAUSE = 3.0  # a gap of more than so many usual ones is a pause: compiling, evaluating
_NOISES = 2.0
_LEAST_MARGIN = 0.02
_TO_COME = 2.0
_OWN_TIME = 2 / 3
_OVERFLOWS = re.compile(r"ppl|perplexity")
# Student's t, one-sided 99.5%, by degrees of freedom from 1 on; the last stands for more.
_T = (63.66, 9.925, 5.841, 4.604, 4.032, 3.707, 3.499, 3.355, 3.250, 3.169, 3.106, 3.055)


class Finding(NamedTuple):
    """Why a run is hopeless. `is_crash`: let go on it would give no reading, not a bad one."""

    kind: str
    reason: str
    at_s: float
    is_crash: bool


class Terms(NamedTuple):
    """What one run may be judged by.

    `budget_s` is what a whole run takes, 0 where nobody knows; `longest_s` what this one may take
    without being the worse for that. `lower_is_better` is of the metric;
    of what else is printed, lower always is. `by_value`: the metric depends on how well training
    goes; `by_pace`: the change leaves alone how far a run comes in a second; `by_loss`: it leaves
    alone what the printed loss means; `by_silence`: it leaves alone when something is printed.
    """

    metric: str
    lower_is_better: bool
    budget_s: float
    longest_s: float
    kept: Sequence[Progress]
    by_value: bool = True
    by_pace: bool = True
    by_loss: bool = True
    by_silence: bool = True


class Judge:
    """Judges one run, again and again; what the kept runs say is worked out once."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self.budget_s = terms.budget_s
        self._panels: dict[str, _Panel | None] = {}

    def non_finite(self, broken: Sequence[Broken], curves: Mapping[str, Curve]) -> str:
        """Which quantity is lost for good; "" while none is. Holds at any time."""
        for item in broken if self._terms.by_value else ():
            known = [run.curves[item.name] for run in self._terms.kept if item.name in run.curves]
            if any(curve.non_finite for curve in known) or not (known or item.was_finite):
                continue  # there it comes and goes, or is not known yet in the beginning
            if math.isinf(item.value) and (not item.was_finite or _OVERFLOWS.search(item.name)):
                continue  # the exponential of a large loss, which may fall yet
            usual_s = _usual_gap(_changes(curves[item.name])) if item.name in curves else 0.0
            lasts_s = max(_NON_FINITE_FOR * self._terms.budget_s, 3 * usual_s)
            if item.times >= _NON_FINITE_IN_A_ROW and item.last_s - item.since_s >= lasts_s:
                since = f"since {item.step}" if item.step else f"after {item.since_s:.0f} s"
                return f"{clean(item.name, 40)} is {item.value} {since}"
        return ""

    def silent(self, now_s: float, last_output_s: float) -> str:
        """What to say of a run that has stalled; "" where it has not, or may be silent."""
        terms = self._terms
        if not (self._has_begun(now_s) and terms.by_silence and self._has_enough(terms.kept)):
            return ""
        silences = [run.longest_silence_s for run in terms.kept]
        if any(run.longest_silence_s > _SILENT_BY_NATURE * run.wall_s for run in terms.kept):
            return ""
        silent_s, longest_s = now_s - last_output_s, max(silences)
        least_s = max(_LEAST_SILENCE * terms.budget_s, _LEAST_SILENCE_S, _SILENCES * longest_s)
        if silent_s < least_s:
            return ""
        return (
            f"no output for {silent_s:.0f} s, where no kept run paused for over {longest_s:.1f} s"
        )

    def behind(self, curves: Mapping[str, Curve], now_s: float) -> tuple[str, str]:
        """Whether it diverged or is far worse, and what to say of that; ("", "") for neither."""
        terms = self._terms
        if not (terms.by_value and self._has_begun(now_s)) or now_s > _LATEST * terms.budget_s:
            return "", ""
        names = self._comparable(curves)
        for kind, may in ((DIVERGED, True), (FAR_WORSE, terms.by_pace)):
            said = [self._said(kind, name, curves[name]) for name in names] if may else []
            if said and all(said):  # more than one loss is printed: all must agree
                return kind, said[0]
        return "", ""

    def _has_begun(self, now_s: float) -> bool:
        return 0 < EARLIEST * self._terms.budget_s <= now_s

    @staticmethod
    def _has_enough(kept: Sequence[Progress]) -> bool:
        return len(kept) >= _FEWEST_KEPT

    def _comparable(self, curves: Mapping[str, Curve]) -> list[str]:
        """The metric where it is printed on the way, else every loss that tells of progress."""
        terms = self._terms
        usable = [
            name for name, curve in curves.items()
            if len(curve.points) >= _FEWEST_POINTS
            and self._has_begun(curve.points[-1][0])
            and self._panel(name) is not None
        ]  # fmt: skip
        if terms.metric in usable:
            return [terms.metric]
        return usable if terms.by_loss else []

    def _panel(self, name: str) -> _Panel | None:
        if name not in self._panels:
            kept = [run.curves.get(name, Curve(())) for run in self._terms.kept]
            enough = self._has_enough(self._terms.kept) and all(
                len(curve.points) >= _FEWEST_POINTS for curve in kept
            )
            sign = -1 if name == self._terms.metric and not self._terms.lower_is_better else 1
            panel = _Panel(kept, sign, self._terms) if enough else None
            self._panels[name] = panel if panel is not None and panel.tells else None
        return self._panels[name]

    def _said(self, kind: str, name: str, curve: Curve) -> str:
        panel = self._panel(name)
        assert panel is not None
        own = panel.track(curve)
        holds = panel.diverges(own) if kind == DIVERGED else panel.is_far_behind(own)
        if not holds:
            return ""
        shown, now_s = clean(name, 40), own.times[-1]
        value = f"{shown} {panel.sign * (own.at(now_s) or 0.0):.4g}"
        if kind == DIVERGED:
            return f"{value} and rising, where it began with {panel.sign * own.first:.4g}"
        bound = "most" if panel.sign > 0 else "least"
        return (
            f"{value} where every kept run had at {bound} {panel.sign * panel.worst_at(now_s):.4g}"
        )


class _Panel:
    """The kept runs' curves of one quantity; lower is better in all that it says."""

    def __init__(self, kept: Sequence[Curve], sign: int, terms: Terms) -> None:
        self.sign = sign
        self._budget_s = terms.budget_s
        self._longest_s = max(terms.longest_s, terms.budget_s)
        self._own_time = min(_OWN_TIME, self._budget_s / self._longest_s)
        self._kept = [self.track(curve) for curve in kept]
        self._descents = [track.first - track.last for track in self._kept]
        self._noise = max(track.noise() for track in self._kept)

    @property
    def tells(self) -> bool:
        """Whether it fell in every kept run, by more than noise: else it is no progress."""
        return min(self._descents) > 2 * self._noise

    def track(self, curve: Curve) -> Track:
        return Track(curve, sign=self.sign, window_s=_WINDOW * self._budget_s)

    def worst_at(self, time_s: float) -> float:
        return max(self._values_at(time_s))

    def _values_at(self, time_s: float) -> list[float]:
        return [
            value if (value := track.at(time_s)) is not None else track.first
            for track in self._kept
        ]

    def diverges(self, own: Track) -> bool:
        """Whether it is beyond all that was ever seen by a whole descent, and rises."""
        lately, now_s = self._lately(own), own.times[-1]
        seen = max(own.first, *(max(track.values) for track in self._kept))
        limit = seen + max(self._descents)
        earlier, now = own.at(now_s - _PACE / 2 * self._budget_s), own.at(now_s)
        rises = earlier is not None and now is not None and now > earlier
        return rises and bool(lately) and all(value > limit for _, value in lately)

    def is_far_behind(self, own: Track) -> bool:
        lately = self._lately(own)
        behind = bool(lately) and all(value > self._limit(own, at) for at, value in lately)
        return behind and not self._arrives(own)

    def _lately(self, own: Track) -> list[tuple[float, float]]:
        """The last points, smoothed, of at least a while; none where there are too few yet."""
        since_s = own.times[-1] - _WHILE * self._budget_s
        begin = min(bisect.bisect_right(own.times, since_s) - 1, len(own.times) - _FEWEST_LATELY)
        if begin < 0 or own.times[begin] < EARLIEST * self._budget_s:
            return []
        return [(at, value) for at in own.times[begin:] if (value := own.at(at)) is not None]

    def _limit(self, own: Track, time_s: float) -> float:
        """What is worse than this at that time is far worse."""
        from_s = _moving_s(own.times, time_s) * self._own_time
        grid = [from_s + (time_s - from_s) * step / (_GRID - 1) for step in range(_GRID)]
        columns = [self._values_at(at) for at in grid]
        count = len(self._kept)
        spread = math.sqrt(mean([_deviation(column) ** 2 for column in columns]))
        interval = _T[min(count - 1, len(_T)) - 1] * spread * math.sqrt(1 + 1 / count)
        to_come = max(
            value - track.last for value, track in zip(columns[-1], self._kept, strict=True)
        )
        margin = _TO_COME * max(to_come, 0.0) + interval + _NOISES * self._noise
        return max(map(max, columns)) + margin + _LEAST_MARGIN * max(self._descents)

    def _arrives(self, own: Track) -> bool:
        """Whether at its own late pace it would reach the worst kept run's end in time."""
        now_s, span_s = own.times[-1], _PACE * self._budget_s
        now, before = own.at(now_s), own.at(now_s - span_s)
        assert now is not None
        if before is None:
            return True  # it has hardly begun
        gain = (before - now) / span_s * max(self._longest_s - now_s, 0.0)
        return now - gain <= max(track.last for track in self._kept)


def _deviation(values: Sequence[float]) -> float:
    """The sample standard deviation, of at least two values."""
    middle = mean(values)
    return math.sqrt(sum((value - middle) ** 2 for value in values) / (len(values) - 1))


def _usual_gap(times: Sequence[float]) -> float:
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    return median(gaps) if gaps else 0.0


def _moving_s(times: Sequence[float], until_s: float) -> float:
    """Seconds up to a time without pauses: those before the first point, and far longer gaps."""
    usual_s = _PAUSE * _usual_gap(times)
    past = [time_s for time_s in times if time_s <= until_s]
    gaps = zip([0.0, *past], past, strict=False)
    return sum(min(later - earlier, usual_s) for earlier, later in gaps)


def _changes(curve: Curve) -> list[float]:
    """When the value was another than before: a display may repeat one many times."""
    times, last = [], math.nan
    for time_s, value in curve.points:
        if value != last:
            times.append(time_s)
            last = value
    return times


def ended(finding: Finding, budget_s: float) -> str:
    """The line that the verdict on a run that was ended early gives for its reason."""
    if finding.is_crash:
        return f"{finding.kind}: {finding.reason} (ended early)"
    return f"pruned at {_of(finding.at_s, budget_s)}: {finding.reason}"


def let_go_on(finding: Finding, budget_s: float) -> str:
    """What is noted where such a run was not ended."""
    at = _of(finding.at_s, budget_s)
    return f"looked hopeless at {at}, let go on for the count: {finding.reason}"


def _of(at_s: float, whole_s: float) -> str:
    """`2.1 of 5 min`."""
    if whole_s < 90:
        return f"{at_s:.1f} of {whole_s:.3g} s"
    if whole_s < 5400:
        return f"{at_s / 60:.1f} of {whole_s / 60:.3g} min"
    return f"{at_s / 3600:.1f} of {whole_s / 3600:.3g} h"
