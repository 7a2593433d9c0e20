"""Makes sure that a proposed metric can be read: tries it on the lines that the script prints.

A synthetic log stands for the real one; what a script prints besides is as far as it was found.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

from agent_loops import metric
from agent_loops.inference import metric_names, templates
from agent_loops.inference.templates import Hole, Line
from agent_loops.objective import Direction, MetricSpec

_NUMBER = r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
_PLAIN = re.compile(r"[^\W\d_][\w./@%+ -]{0,58}|[^\W\d_][\w./@%+ ()-]{0,58}\)")


@dataclass(frozen=True, slots=True)
class Readable:
    """How to read one hole: the name, and a pattern where the name alone does not do."""

    name: str
    pattern: str | None
    example: str
    unique: bool  # no other line of the script is taken for it


def how_to_read(line: Line, at: int, others: Sequence[str], *, fallback: str) -> Readable:
    """The name (and pattern) that reads the hole `at` of `line`, and no line of `others`."""
    own = templates.render(line)
    wanted = _number(line, at)
    label = _label(line, at)
    for name in _names(label):
        if _reads(own, MetricSpec(name, Direction.MINIMIZE), wanted) and not _taken(
            others, MetricSpec(name, Direction.MINIMIZE)
        ):
            return Readable(name, None, _shown(own), unique=True)
    name = (_names(label) or [fallback])[0]
    first = ""
    for pattern in _patterns(line, at):
        spec = MetricSpec(name, Direction.MINIMIZE, pattern=pattern)
        try:
            good = _reads(own, spec, wanted)
        except ValueError:
            continue
        if good and not _taken(others, spec):
            return Readable(name, pattern, _shown(own), unique=True)
        first = first or (pattern if good else "")
    for short in _names(label):
        if _reads(own, MetricSpec(short, Direction.MINIMIZE), wanted):
            return Readable(short, None, _shown(own), unique=False)
    return Readable(name, first or None, _shown(own), unique=False)


def _label(line: Line, at: int) -> str:
    before = line[at - 1] if at and isinstance(line[at - 1], str) else ""
    return templates.label_before(str(before))


def _names(label: str) -> list[str]:
    """Spellings of the label to try as a name, the longest sensible one first."""
    parts = label.split()
    if parts and parts[-1].lower() in ("is", "of", "to", "at", "was", "on", "in", "reached"):
        return []
    found = [" ".join(parts[-n:]) for n in (4, 3, 2, 1) if len(parts) >= n]
    if len(parts) > 4:
        found = found[1:]
    return [
        name
        for name in found
        if _PLAIN.fullmatch(name) and (metric_names.sense(name).weight or len(parts) == 1)
    ]


def _number(line: Line, at: int) -> float | None:
    hole = line[at]
    assert isinstance(hole, Hole)
    match = re.search(r"[-+]?\d[\d,]*\.?\d*(?:e[-+]?\d+)?", hole.sample(templates.sample_of(at)))
    return float(match[0].replace(",", "")) if match else None


def _reads(text: str, spec: MetricSpec, wanted: float | None) -> bool:
    reading = metric.read_log(io.BytesIO((text + "\n").encode()), spec).reading
    return reading is not None and wanted is not None and abs(reading.value - wanted) < 1e-9


def _taken(others: Sequence[str], spec: MetricSpec) -> bool:
    """Whether another line would be read as this metric."""
    pattern = metric.compile_pattern(spec)
    return any(pattern.search(other.encode()) for other in others)


def _shown(text: str) -> str:
    return text.strip("\r\n").splitlines()[-1][:160] if text.strip() else ""


def _patterns(line: Line, at: int) -> list[str]:
    """Expressions for the hole, from its own words outwards to the start of the line."""
    found = []
    after = line[at + 1] if at + 1 < len(line) and isinstance(line[at + 1], str) else ""
    tail = re.match(r"\s?[A-Za-z%/]{1,8}\b|%", str(after).split("\n")[0])
    ending = _escaped(tail[0]) if tail else ""
    for start in range(at - 1, -1, -1):
        pieces = line[start:at]
        prefix = "".join(_escaped(p) if isinstance(p, str) else r"\s*\S+?" for p in pieces)
        text = pieces[0] if isinstance(pieces[0], str) else ""
        if isinstance(pieces[0], str):
            lead = "^" if "\n" in text or (start == 0 and not text[:1].isspace()) else ""
            found.append(_tidy(lead + prefix + r"\s*" + _NUMBER))
            if ending:
                found.append(_tidy(lead + prefix + r"\s*" + _NUMBER + ending))
    if not found or at == 0:
        found.append(_tidy(r"^\s*" + _NUMBER + (ending or r"\s*$")))
    return found


def _escaped(text: str) -> str:
    """The last line of a text as an expression that any run of blanks satisfies."""
    text = text.rsplit("\n", 1)[-1].rsplit("\r", 1)[-1]
    return re.sub(r"(?:\\?\s)+", r"\\s+", re.escape(text))


def _tidy(pattern: str) -> str:
    pattern = (
        pattern.replace(r"\s+\s*", r"\s+").replace(r"\s*\s*", r"\s*").replace(r"\s*\s+", r"\s+")
    )
    return re.sub(r"\\([=:,'\"<>/#%&~@!-])", r"\1", pattern)
