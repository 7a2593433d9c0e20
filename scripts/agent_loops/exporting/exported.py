"""A campaign on its way out: one run an experiment, in terms that every tool has.

Opens nothing, and knows no tool. Runs in the Python of a training too, so it needs nothing but the
standard library.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

# What a run's text facts and figures are, with the unit: what every tool and table calls them.
LABELS = {
    "campaign": "the campaign's tag",
    "status": "keep, discard or crash",
    "kind": "why, in a word or two",
    "reason": "why, in a sentence",
    "role": "baseline, idea or rehearsal",
    "description": "what was tried",
    "why": "why it should have helped",
    "risk": "what could have gone wrong",
    "base": "the experiment that it was built on",
    "commit": "its commit, with branches",
    "code": "SHA-256 of the editable files as run",
    "source": "evaluated by eval_cmd, self-reported or measured",
    "memory_kind": "what memory_gb counts",
    "overridden": "why a person or an agent turned the verdict",
    "notes": "what the verdict noted",
    "basis": "the finding of the literature that it tries",
    "began_utc": "when it began",
    "ended_utc": "when its last run ended",
}
FIGURES = {
    "estimated_best": ("metric", "the incumbent's estimated metric after this experiment"),
    "estimated_best_low": ("metric", "lower end of its 90% interval"),
    "estimated_best_high": ("metric", "upper end of its 90% interval"),
    "gain": ("metric", "over what it was compared with; positive is better"),
    "gain_low": ("metric", "lower end of the gain's 90% interval"),
    "gain_high": ("metric", "upper end of the gain's 90% interval"),
    "probability": ("1", "how likely the gain is real"),
    "noise": ("metric", "standard deviation of single readings"),
    "runs": ("runs", "how many it took"),
    "wall_s": ("s", "time of one run"),
    "machine_s": ("s", "time of all its runs"),
    "memory_gb": ("GB", "peak memory; memory_kind says of what"),
    "lines_added": ("lines", "added to the editable files"),
    "lines_removed": ("lines", "removed from them"),
}


class Curve(NamedTuple):
    """A quantity that one run printed on its way: seconds since `began_s`, value."""

    name: str
    run: int
    began_s: float
    points: Sequence[tuple[float, float]]

    def key(self, prefix: str = "curve") -> str:
        """Its name in a tool: the first run's is the plain one."""
        return f"{prefix}/{self.name}" + (f"/run-{self.run}" if self.run > 1 else "")


class Run(NamedTuple):
    """One experiment, which measured `metric`. Times are seconds since 1970, None where unknown.

    `labels` and `figures` hold what is known of LABELS and FIGURES, `figures` the metric too under
    its own name. `readings` are in metric units, and compare within one `epoch` alone. `files` are
    paths below `folder`, where they lie to be attached. `digest` changes with anything of it.
    """

    number: int
    identity: str
    title: str
    status: str
    metric: str
    epoch: int
    labels: Mapping[str, str]
    figures: Mapping[str, float]
    parameters: Mapping[str, str]
    readings: Sequence[float] = ()
    curves: Sequence[Curve] = ()
    began_s: float | None = None
    ended_s: float | None = None
    folder: str = ""
    files: Sequence[str] = ()
    digest: str = ""

    @property
    def crashed(self) -> bool:
        return self.status == "crash"

    @property
    def end_s(self) -> float:
        """When it ended; when it began where that is all that is known."""
        return self.ended_s or self.began_s or 0.0


class Campaign(NamedTuple):
    """What all runs have in common. `identity` is told apart from campaigns of the same tag.

    `parameters` are the lowest and the highest value of each; none where one is no number.
    """

    identity: str
    tag: str
    project: str
    metric: str
    minimize: bool
    about: Mapping[str, str]
    parameters: Mapping[str, Sequence[float]]

    def value(self, name: str, text: str) -> int | float | str:
        """A parameter's value: a number where it is one in every run, for one type has each."""
        found = number(text) if self.parameters.get(name) else None
        return text if found is None else found


class Written(NamedTuple):
    """What a tool took: how many runs were new to it, changed, and there already."""

    place: str
    added: int
    updated: int
    unchanged: int
    open_with: str = ""
    notes: Sequence[str] = ()


def to_line(value: Campaign | Run | Written) -> str:
    """One line of strict JSON."""
    plain: dict[str, Any] = value._asdict()
    return json.dumps(plain, allow_nan=False)


def run_from(line: str | bytes) -> Run:
    """The inverse of `to_line`."""
    run = Run(**json.loads(line))
    return run._replace(curves=tuple(Curve(*curve) for curve in run.curves))


def campaign_from(line: str | bytes) -> Campaign:
    return Campaign(**json.loads(line))


def written_from(line: str | bytes) -> Written:
    return Written(**json.loads(line))


def digested(run: Run, contents: Mapping[str, bytes]) -> Run:
    """The run with its digest, over all of it and the contents of its files."""
    told = hashlib.sha256(to_line(run._replace(folder="", digest="")).encode())
    for path in sorted(contents):
        told.update(f"\0{path}\0".encode("utf-8", "surrogateescape"))
        told.update(hashlib.sha256(contents[path]).digest())
    return run._replace(digest=told.hexdigest()[:16])


def seconds(utc: str) -> float | None:
    """Seconds since the epoch of a time in ISO 8601; None where it is none."""
    try:
        found = datetime.fromisoformat(utc).timestamp()
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def key(name: str, *, longest: int = 200) -> str:
    """A name that every tool takes as a key: letters, digits and `_ - . /`, no empty part.

    Two names that would become the same stay apart.
    """
    made = re.sub(r"[^A-Za-z0-9_./-]", "_", name)
    made = "/".join(part for part in made.split("/") if part.strip(".")) or "_"
    if made == name and len(made) <= longest:
        return made
    told = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:6]
    return f"{made[: longest - 7]}-{told}"


def span(texts: Sequence[str]) -> tuple[float, ...]:
    """The lowest and the highest of the numbers; nothing where one of the texts is none."""
    found = [number(text) for text in texts]
    values = [float(value) for value in found if value is not None]
    return (min(values), max(values)) if values and len(values) == len(texts) else ()


def number(text: str) -> int | float | None:
    """The finite number that a parameter's value is; None where it is something else."""
    if not re.fullmatch(r"[-+]?(\d+|(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?)", text) or len(text) > 40:
        return None
    if re.fullmatch(r"[-+]?\d{1,15}", text):
        return int(text)
    value = float(text)
    return value if math.isfinite(value) else None
