"""Reads what one run left in its results' folder, and in its log's curves.

All of it was written inside the training process: it is data, of bounded size, and may be torn or
nonsense. What cannot be read is left out. Says nothing about what it means.
"""

from __future__ import annotations

import contextlib
import csv
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from agent_loops import display, files

_LARGEST_BYTES = 48 << 20
_LARGEST_WHOLE = 1 << 53
_MOST_ROWS = 200_000  # more than the probe writes
_NAME_CHARACTERS = 80
_T = TypeVar("_T")


class Step(NamedTuple):
    """One optimizer step; `loss` is NaN where none was seen, `time_s` since the probe began."""

    step: int
    time_s: float
    loss: float
    learning_rate: float


class Phases(NamedTuple):
    """Seconds of one step."""

    step: int
    data_s: float
    forward_s: float
    backward_s: float
    optimizer_s: float
    evaluation_s: float


class Layer(NamedTuple):
    """One layer's pass in one step, what went `in` or came `out`; shares are of its units."""

    step: int
    order: int
    name: str
    kind: str
    side: str
    deviation: float
    largest: float
    dead_share: float
    saturated_share: float
    cosine: float
    non_finite: float


class Change(NamedTuple):
    """One parameter's step: root mean squares of gradient, weight and update."""

    step: int
    name: str
    gradient: float
    weight: float
    update: float
    ratio: float
    non_finite: float


class Fit(NamedTuple):
    """What the model said to some targets. `errors` among the surest quarter stand beside those
    that its own confidence `expected`."""

    step: int
    mode: str
    rows: int
    loss: float
    accuracy: float
    surest: int
    errors: float
    expected: float
    classes: int


class Batch(NamedTuple):
    """The means of one batch's rows: their mean, and their variance."""

    step: int
    what: str
    rows: int
    mean: float
    variance: float


class Parameter(NamedTuple):
    name: str
    size: int
    is_trained: bool


class Samples(NamedTuple):
    """All there is of one run; empty where the probe was not attached."""

    steps: Sequence[Step] = ()
    phases: Sequence[Phases] = ()
    layers: Sequence[Layer] = ()
    changes: Sequence[Change] = ()
    fits: Sequence[Fit] = ()
    batches: Sequence[Batch] = ()
    parameters: Sequence[Parameter] = ()
    facts: Mapping[str, Any] = {}
    classes: Mapping[str, Any] = {}
    notes: Sequence[str] = ()


def latest(layers: Sequence[Layer]) -> list[Layer]:
    """What was last seen of each layer's side, in the order of the pass."""
    found: dict[tuple[str, str], Layer] = {}
    for layer in layers:
        known = found.get((layer.name, layer.side))
        if known is None or known.step <= layer.step:
            found[layer.name, layer.side] = layer
    return sorted(found.values(), key=lambda layer: layer.order)


def read(folder: Path) -> Samples:
    """What lies in a results' folder."""
    return Samples(
        steps=_table(folder / "steps.csv", _step),
        phases=_table(folder / "phases.csv", _phases),
        layers=_table(folder / "activations.csv", _layer),
        changes=_table(folder / "gradients.csv", _change),
        fits=_table(folder / "losses.csv", _fit),
        batches=_table(folder / "batches.csv", _batch),
        parameters=_parameters(folder / "parameters.json"),
        facts=mapping(folder / "probe.json"),
        classes=mapping(folder / "classes.json"),
        notes=_notes(folder / "notes.txt"),
    )


Row = Mapping[str, str]


def _step(row: Row) -> Step:
    return Step(_whole(row["step"]), *_numbers(row, "time_s", "loss", "learning_rate"))


def _phases(row: Row) -> Phases:
    return Phases(_whole(row["step"]), *_numbers(row, *(f"{name}_s" for name in _PHASES)))


def _layer(row: Row) -> Layer:
    names = _name(row["layer"]), _name(row["kind"]), row["side"]
    return Layer(_whole(row["step"]), _whole(row["order"]), *names, *_numbers(row, *_OF_LAYER))


def _change(row: Row) -> Change:
    return Change(_whole(row["step"]), _name(row["parameter"]), *_numbers(row, *_OF_CHANGE))


def _fit(row: Row) -> Fit:
    loss, accuracy, errors, expected = _numbers(
        row, "loss", "accuracy", "confident_errors", "confident_expected"
    )
    return Fit(
        _whole(row["step"]), row["mode"], _whole(row["rows"]), loss, accuracy,
        _whole(row["confident_rows"]), errors, expected, _whole(row["classes"]),
    )  # fmt: skip


def _batch(row: Row) -> Batch:
    rows = _whole(row["rows"])
    return Batch(_whole(row["step"]), row["what"], rows, *_numbers(row, "mean", "variance_within"))


_PHASES = ("data", "forward", "backward", "optimizer", "evaluation")
_OF_LAYER = ("deviation", "largest", "dead_share", "saturated_share", "cosine", "non_finite")
_OF_CHANGE = ("gradient_rms", "weight_rms", "update_rms", "update_to_weight", "non_finite")


def _name(text: str) -> str:
    return display.clean(text, _NAME_CHARACTERS)


def _whole(text: str) -> int:
    """A count or a number of steps: one that floats tell from its neighbours.

    Raises:
        ValueError: it is none.
    """
    if not 0 <= (value := int(text)) <= _LARGEST_WHOLE:
        raise ValueError(f"{text[:40]!r} is no count")
    return value


def _numbers(row: Row, *names: str) -> list[float]:
    return [float(text) if (text := row[name]) else math.nan for name in names]


def _table(path: Path, make: Callable[[Row], _T]) -> list[_T]:
    """The rows of a table; one that is torn or no row of it is left out."""
    text = files.read_text(path, _LARGEST_BYTES).replace("\0", "")
    reader, found = csv.DictReader(text.splitlines()), []
    for _ in range(_MOST_ROWS):
        try:
            row = next(reader)
            if None not in row.values():
                found.append(make(row))
        except StopIteration:
            break
        except (KeyError, TypeError, ValueError, csv.Error):
            continue
    return found


def _json(path: Path) -> Any:
    try:
        return json.loads(
            files.read_text(path, _LARGEST_BYTES) or "null",
            parse_int=_finite, parse_float=_finite, parse_constant=_finite,
        )  # fmt: skip
    except (ValueError, RecursionError):
        return None


def _finite(text: str) -> int | float | None:
    """A number of a JSON file; null where it is none that can be reckoned with."""
    with contextlib.suppress(ValueError):
        return _whole(text)
    value = float(text)
    return value if math.isfinite(value) else None


def mapping(path: Path) -> Mapping[str, Any]:
    """The JSON object in a file; an empty one where there is none."""
    found = _json(path)
    return found if isinstance(found, dict) else {}


def _parameters(path: Path) -> list[Parameter]:
    found = _json(path)
    return [
        Parameter(
            _name(str(item.get("name"))), count if isinstance(count, int) else 0,
            bool(item.get("requires_grad")) and bool(item.get("in_optimizer")),
        )
        for item in (found if isinstance(found, list) else [])
        if isinstance(item, dict)
        for count in [item.get("count")]
    ]  # fmt: skip


def _notes(path: Path) -> list[str]:
    return [
        display.clean(line, 200) for line in files.read_text(path, _LARGEST_BYTES).splitlines()[:10]
    ]
