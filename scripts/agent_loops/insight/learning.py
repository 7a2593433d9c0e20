"""What the learning shows: loss by step, headroom at the cut-off, fit, labels, batches.

Pure: figures in, findings out; it does not read what they were worked out from.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from agent_loops.insight.finding import MOST, Finding, between, worst_class
from agent_loops.insight.samples import Batch, Fit, Samples, Step
from agent_loops.objective import median

_BLOCKS = 12
_FEWEST_STEPS = 24
_BEGIN = (1.5, 4.0)
_SPIKES = (0.02, 0.15)
_ALIKE = (4.0, 40.0)
_CONTRADICTED = (0.06, 0.2)
_FEWEST_BATCHES = 6
_EVAL_ROWS = 200
_FEWEST_LATELY = 5
_FEWEST_ROWS = 20  # of a class
_MORE_TIME = 0.1  # headroom is what a tenth more time would bring


class Headroom(NamedTuple):
    """What the loss would gain in a tenth more time, with the standard error; more is better."""

    gain: float
    error: float


def findings(samples: Samples) -> Iterator[Finding]:
    yield from _unfit_for_evaluation(samples)
    yield from _beginning(samples)
    yield from _instability(samples.steps)
    yield from _order(samples.batches)
    yield from _labels(samples.fits)
    yield from _fit(samples)
    yield from _classes(samples.classes)
    yield from _more_time(samples.steps)


def summary(samples: Samples) -> dict[str, float]:
    """The figures that predictions and anchors may name."""
    losses = _losses(samples.steps)
    train, held_out = _of("train", samples.fits), _of("eval", samples.fits)
    found = {
        "train_loss_first": losses[0] if losses else math.nan,
        "train_loss_last": median(losses[-max(1, len(losses) // 20) :]),
        "learning_rate_max": max((step.learning_rate for step in samples.steps), default=math.nan),
        "spike_share": _spike_share(losses),
        "rise_share": _rise(losses),
        "batch_likeness": _likeness([b for b in samples.batches if b.what == "inputs"]),
        "eval_loss": _weighted(held_out, "loss"),
        "eval_accuracy": _weighted(held_out, "accuracy"),
        "train_accuracy_last": _weighted(_late(train), "accuracy"),
        "label_contradictions": _contradictions(samples.fits)[0],
    }
    first = _first_fit(samples)
    if first is not None:
        found["first_loss_to_chance"] = first[1]
    for name in ("dropout_without_gradient", "batchnorm_without_gradient"):
        count = samples.facts.get(name)
        found[name] = float(count) if isinstance(count, int) else math.nan
    if samples.steps:
        found["steps"] = float(max(step.step for step in samples.steps) + 1)
    headroom = extrapolated(samples.steps)
    if headroom is not None:
        found |= {"headroom": headroom.gain, "headroom_error": headroom.error}
    return {key: value for key, value in found.items() if math.isfinite(value)}


def _losses(steps: Sequence[Step]) -> list[float]:
    return [step.loss for step in steps if math.isfinite(step.loss)]


def _of(mode: str, fits: Sequence[Fit]) -> list[Fit]:
    return [fit for fit in fits if fit.mode == mode and math.isfinite(fit.loss)]


def _late(fits: Sequence[Fit]) -> list[Fit]:
    """Those of the last third of the training."""
    last = max((fit.step for fit in fits), default=0)
    return [fit for fit in fits if fit.step >= last * 2 / 3]


def _weighted(fits: Sequence[Fit], figure: str) -> float:
    rows = sum(fit.rows for fit in fits)
    return sum(getattr(fit, figure) * fit.rows for fit in fits) / rows if rows else math.nan


def _unfit_for_evaluation(samples: Samples) -> Iterator[Finding]:
    for name, what in (("dropout", "dropout is active"), ("batchnorm", "batch norm is learning")):
        count = samples.facts.get(f"{name}_without_gradient", 0)
        if isinstance(count, int) and count > 0:
            yield Finding(
                f"{name}_without_gradient", float(count), "probe.json",
                f"{what} in passes without gradients ({count} times)",
                "the model is evaluated in training mode: call `model.eval()` before, or measure "
                "less than it can",
                9.0,
            )  # fmt: skip


def _first_fit(samples: Samples) -> tuple[Fit, float] | None:
    """The fit of the very first step, and how its loss compares with that of guessing evenly."""
    first = min(_of("train", samples.fits), key=lambda fit: fit.step, default=None)
    if first is None or first.step > 0 or first.classes < 2:
        return None
    return first, first.loss / math.log(first.classes)


def _beginning(samples: Samples) -> Iterator[Finding]:
    found = _first_fit(samples)
    if found is not None and found[1] > 1.15:
        first, ratio = found
        chance = math.log(first.classes)
        yield Finding(
            "first_loss_to_chance", ratio, "losses.csv",
            f"the first loss is {first.loss:.3g}, {ratio:.2g} times that of guessing evenly among "
            f"{first.classes} classes ({chance:.3g})",
            "the initialisation explodes: its outputs are large before anything was learnt; "
            "initialise smaller, or scale the head down",
            between(ratio, *_BEGIN, worst=9.5),
        )  # fmt: skip


def _spike_share(losses: Sequence[float]) -> float:
    """Share of steps far above what surrounds them; of the steps after the first fifth."""
    if len(losses) < _FEWEST_STEPS:
        return math.nan
    half, spikes, seen = 8, 0, 0
    for place in range(len(losses) // 5, len(losses)):
        around = list(losses[max(0, place - half) : place + half + 1])
        middle = median(around)
        spread = 1.4826 * median([abs(value - middle) for value in around])
        spikes += losses[place] > middle + 6 * spread and losses[place] > 1.05 * middle
        seen += 1
    return spikes / seen


def _instability(steps: Sequence[Step]) -> Iterator[Finding]:
    losses = _losses(steps)
    lost = sum(math.isinf(step.loss) for step in steps)
    share = _spike_share(losses)
    if lost or share >= _SPIKES[0] / 2:
        share = max(lost / max(1, len(steps)), share)  # in this order: it may be NaN
        yield Finding(
            "spike_share", share, "steps.csv",
            f"the loss jumps in {share:.1%} of the steps",
            "unstable: a lower rate, a longer warmup, clipping",
            MOST if lost else between(share, *_SPIKES, worst=7.0),
        )  # fmt: skip
    rise = _rise(losses)
    if rise > 0.1:
        yield Finding(
            "rise_share", rise, "steps.csv",
            f"the loss rose again by {rise:.0%} of what it had fallen",
            "it diverges late: a lower rate, or one that falls",
            between(rise, 0.15, 0.6, worst=8.0),
        )  # fmt: skip


def _rise(losses: Sequence[float]) -> float:
    """By how much of what it had fallen the loss rose again; NaN where there is too little."""
    if len(losses) < _FEWEST_STEPS:
        return math.nan
    lowest, last = min(_blocks(losses)), _blocks(losses)[-1]
    return (last - lowest) / max(1e-9, losses[0] - lowest)


def _blocks(values: Sequence[float]) -> list[float]:
    """Means of equal parts, in their order."""
    count = min(_BLOCKS, len(values))
    edges = [round(k * len(values) / count) for k in range(count + 1)]
    return [sum(values[a:b]) / (b - a) for a, b in itertools.pairwise(edges)]


def _likeness(batches: Sequence[Batch]) -> float:
    """How much more batches differ from each other than their rows would have them.

    The F ratio of a one-way analysis of variance over the means of rows: about 1 where rows are
    drawn independently, larger where those of one batch are of one kind.
    """
    usable = [b for b in batches if b.rows > 3 and math.isfinite(b.mean) and b.variance >= 0]
    if len(usable) < _FEWEST_BATCHES:
        return math.nan
    within = sum(b.variance for b in usable) / len(usable)
    centre = sum(b.mean for b in usable) / len(usable)
    rows = sum(b.rows for b in usable) / len(usable)
    between_batches = sum(_squared(b.mean - centre) for b in usable) / (len(usable) - 1)
    return rows * between_batches / within if within > 0 else math.nan


def _squared(value: float) -> float:
    return value * value  # infinite where it is too large; a power would raise


def _order(batches: Sequence[Batch]) -> Iterator[Finding]:
    kinds = {what: [b for b in batches if b.what == what] for what in ("inputs", "targets")}
    what, ratio = max(
        ((what, _likeness(found)) for what, found in kinds.items()),
        key=lambda item: item[1] if item[1] == item[1] else -1.0,
    )
    if ratio > 2.5:
        yield Finding(
            "batch_likeness", ratio, "batches.csv",
            f"the rows of a batch are of one kind: batches differ {ratio:.3g} times as much in "
            f"their {what} as rows drawn at random would make them",
            "the data is fed in order: shuffle it",
            between(ratio, *_ALIKE, worst=9.0),
        )  # fmt: skip


def _contradictions(fits: Sequence[Fit]) -> tuple[float, float]:
    """How much more often training than evaluation contradicts what the model is surest of, with
    the standard error; in both beyond what its own confidence expects, so that smoothed labels and
    a model that got better in between do not look like wrong ones."""
    train, held_out = _late(_of("train", fits)), _of("eval", fits)
    rows, other = sum(fit.surest for fit in train), sum(fit.surest for fit in held_out)
    if rows < _EVAL_ROWS or other < _EVAL_ROWS / 2:
        return math.nan, math.nan
    p, q = _rate(train, "errors"), _rate(held_out, "errors")
    beyond = p - _rate(train, "expected"), q - _rate(held_out, "expected")
    variance = p * (1 - p) / rows + q * (1 - q) / other
    if not variance >= 0:
        return math.nan, math.nan  # no rates
    return beyond[0] - beyond[1], math.sqrt(variance)


def _rate(fits: Sequence[Fit], figure: str) -> float:
    total: float = sum(getattr(fit, figure) * fit.surest for fit in fits)
    return total / sum(fit.surest for fit in fits)


def _labels(fits: Sequence[Fit]) -> Iterator[Finding]:
    more, error = _contradictions(fits)
    if more > 0.02 and more > 3 * error:
        yield Finding(
            "label_contradictions", more, "losses.csv",
            f"training contradicts what the model is surest of {more:.0%} ± {error:.0%} more often "
            "than evaluation does, beyond what its confidence expects",
            "labels of the training data are partly wrong (or its augmentation changes them)",
            between(more, *_CONTRADICTED, worst=9.0),
        )  # fmt: skip


def _fit(samples: Samples) -> Iterator[Finding]:
    train, held_out = _late(_of("train", samples.fits)), _of("eval", samples.fits)
    if not train or not held_out:
        return
    seen, unseen = _weighted(train, "loss"), _weighted(held_out, "loss")
    gap = unseen - seen
    if gap > 0.1 * seen:
        yield Finding(
            "eval_loss", unseen, "losses.csv",
            f"held-out loss {unseen:.4g} stands {gap:.2g} above training's {seen:.4g}",
            "overfitting: regularise, use more data, train shorter or smaller",
            min(4.9, 2 + 6 * gap / max(seen, 0.05)),
        )  # fmt: skip
    elif -gap < 0.1 * seen:
        yield Finding(
            "eval_loss", unseen, "losses.csv",
            f"held-out loss {unseen:.4g} is about that of training ({seen:.4g})",
            "no overfitting: what is missing is capacity, rate or steps",
            1.0,
        )  # fmt: skip


def _classes(found: Mapping[str, Any]) -> Iterator[Finding]:
    """The class that evaluation got wrong most often, of those with enough rows."""
    table, pairs = found.get("classes"), found.get("confused")
    try:
        rows = {
            _count(item["class"]): (_count(item["rows"]), _count(item["errors"]))
            for item in table or ()
        }
        pair = next(iter(pairs or ()), None)
        mixed = (_count(pair["is"]), _count(pair["taken_for"])) if pair else None
    except (KeyError, TypeError, ValueError):
        return
    enough = {name: counts for name, counts in rows.items() if counts[0] >= _FEWEST_ROWS}
    if len(enough) < 2 or mixed is None:
        return
    worst = max(enough, key=lambda name: enough[name][1] / enough[name][0])
    count, errors = enough[worst]
    whole = sum(errors for _, errors in rows.values()) / sum(count for count, _ in rows.values())
    yield worst_class(
        worst, errors=errors, rows=count, all_rate=whole, file="classes.json",
        confused=f"{mixed[0]} is taken for {mixed[1]}", severity=1.2,
    )  # fmt: skip


def _count(value: object) -> int:
    if not isinstance(value, int) or value < 0:
        raise ValueError(f"{value!r} is no count")
    return value


def extrapolated(steps: Sequence[Step]) -> Headroom | None:
    """What a tenth more time would bring, from how the loss fell over the last third.

    A line through the means of its parts over the logarithm of the time (a power law over so short
    a piece), by least squares; the error is that of its slope.
    """
    began_s = 2 * steps[0].time_s - steps[1].time_s if len(steps) > 1 else 0.0
    known = [(step.time_s - began_s, step.loss) for step in steps if math.isfinite(step.loss)]
    known = [(at_s, loss) for at_s, loss in known if at_s > 0]
    known = known[len(known) * 2 // 3 :]
    if len(known) < _FEWEST_LATELY:
        return None
    losses = _blocks([loss for _, loss in known])
    times = _blocks([math.log(at) for at, _ in known])
    count, x, y = len(times), sum(times) / len(times), sum(losses) / len(losses)
    spread = sum(_squared(time - x) for time in times)
    if not spread > 0:
        return None  # a clock that stands still
    slope = sum((t - x) * (v - y) for t, v in zip(times, losses, strict=True)) / spread
    left = sum(_squared(v - y - slope * (t - x)) for t, v in zip(times, losses, strict=True))
    error = math.sqrt(left / (count - 2) / spread)
    further = math.log1p(_MORE_TIME)
    found = Headroom(-slope * further, error * further)
    return found if all(map(math.isfinite, found)) else None


def _more_time(steps: Sequence[Step]) -> Iterator[Finding]:
    headroom = extrapolated(steps)
    if headroom is None:
        return
    gain, error = headroom
    if gain > 2 * error:
        text = f"still falling at the end: a tenth more time would bring {gain:.2g} ± {error:.1g}"
        means = "speed is a gain here: cheaper steps, larger rate, a schedule that ends in time"
    else:
        text = f"flat at the end: a tenth more time would bring {gain:.1g} ± {error:.1g}"
        means = "time is not what is missing: capacity, data or regularisation is"
    yield Finding("headroom", gain, "steps.csv", text, means, 2.0 if gain > 2 * error else 1.5)
