"""What the layers show: dead and saturated units, scale by depth, gradients, updates, idle weights.

Pure. Healthy bounds are the field's rules of thumb: an update of about a thousandth of a weight
(Karpathy, CS231n), activations whose scale keeps within an order of magnitude over the depth
(Glorot and Bengio 2010, He et al. 2015).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from agent_loops.insight.finding import COLLAPSED, MOST, Finding, between
from agent_loops.insight.samples import Change, Layer, Samples, latest
from agent_loops.objective import median

_DEAD = (0.3, 0.9)
_SATURATED = (0.4, 0.9)
_GROWTH = (30.0, 300.0)
_UPDATE = (0.02, 0.2)
_SPREAD = 1e4


def findings(samples: Samples) -> Iterator[Finding]:
    """Findings about the layers, most of them of the last step that was looked at whole."""
    last = latest(samples.layers)
    yield from _dead(last)
    yield from _saturated(last)
    yield from _scale(samples.layers)
    yield from _collapse(last)
    yield from _untrained(samples)
    yield from _gradients(samples.changes)
    yield from _updates(samples.changes)
    yield from _non_finite(samples)


def summary(samples: Samples) -> dict[str, float]:
    """The figures that predictions and anchors may name."""
    last = latest(samples.layers)
    figures = {
        "dead_share_max": _most([layer.dead_share for layer in last]),
        "saturated_share_max": _most([layer.saturated_share for layer in last]),
        "activation_growth": _growth(samples.layers),
        "update_to_weight_median": median(list(_ratios(samples.changes).values())),
        "update_to_weight_max": _most(list(_ratios(samples.changes).values())),
        "gradient_rms_median": median([change.gradient for change in samples.changes]),
        "gradient_rms_min": min(_by_name(samples.changes, "gradient").values(), default=math.nan),
        "cosine_max": _most([layer.cosine for layer in last if layer.side == "out"]),
    }
    if samples.changes:
        found = next(_non_finite(samples), None)
        figures["first_non_finite_step"] = found.value if found is not None else -1.0
    if samples.parameters:
        idle = sum(parameter.size for parameter in samples.parameters if not parameter.is_trained)
        figures["parameters"] = float(sum(parameter.size for parameter in samples.parameters))
        figures["parameters_not_trained"] = float(idle)
    for layer in last:
        if layer.dead_share > 0:
            name = f"dead_share[{layer.name}]"
            figures[name] = max(figures.get(name, 0.0), layer.dead_share)
    return {key: value for key, value in figures.items() if math.isfinite(value)}


def _most(values: Sequence[float]) -> float:
    return max((value for value in values if value == value), default=math.nan)


def _dead(last: Sequence[Layer]) -> Iterator[Finding]:
    dead = [layer for layer in last if layer.dead_share >= 0.05]
    if not dead:
        return
    worst = max(dead, key=lambda layer: layer.dead_share)
    side = "what goes into" if worst.side == "in" else "what comes out of"
    yield Finding(
        "dead_share_max", worst.dead_share, "activations.csv",
        f"{worst.dead_share:.0%} of the units in {side} {worst.name} never give anything",
        "dead units: a bias or a step that was too large pushed them where the slope is zero; "
        "a smaller rate, another initialisation or a leaky activation",
        between(worst.dead_share, *_DEAD, worst=9.5),
    )  # fmt: skip


def _saturated(last: Sequence[Layer]) -> Iterator[Finding]:
    saturated = [layer for layer in last if layer.saturated_share >= 0.1]
    if not saturated:
        return
    worst = max(saturated, key=lambda layer: layer.saturated_share)
    yield Finding(
        "saturated_share_max", worst.saturated_share, "activations.csv",
        f"{worst.saturated_share:.0%} of {worst.name} ({worst.kind}) is saturated",
        "inputs too large: gradients vanish there; normalise, or initialise smaller",
        between(worst.saturated_share, *_SATURATED),
    )  # fmt: skip


def _stream(layers: Sequence[Layer], step: int) -> list[Layer]:
    """What the blocks of a model give, in their order: modules with children, least deep first."""
    blocks = [
        layer
        for layer in layers
        if layer.step == step and layer.side == "out" and layer.name.rpartition(".")[2].isdigit()
    ]
    depth = min((layer.name.count(".") for layer in blocks), default=0)
    return sorted((la for la in blocks if la.name.count(".") == depth), key=lambda la: la.order)


def _growth(layers: Sequence[Layer]) -> float:
    """How much larger the last block's output is than the first's, as drawn."""
    first = min((layer.step for layer in layers), default=0)
    stream = _stream(layers, first)
    if len(stream) < 2 or not stream[0].deviation > 0:
        return math.nan
    return stream[-1].deviation / stream[0].deviation


def _scale(layers: Sequence[Layer]) -> Iterator[Finding]:
    growth = _growth(layers)
    if not math.isfinite(growth) or 1 / 3 < growth < 3:
        return
    which = "grows" if growth > 1 else "shrinks"
    factor = max(growth, 1 / growth) if growth > 0 else math.inf
    yield Finding(
        "activation_growth", growth, "activations.csv",
        f"the scale of activations {which} {factor:.3g} times from the first block to the last",
        "the initialisation explodes or vanishes with depth: scale residual branches down, "
        "or normalise",
        between(factor, *_GROWTH),
    )  # fmt: skip


def _collapse(last: Sequence[Layer]) -> Iterator[Finding]:
    alike = [layer for layer in last if layer.cosine >= 0.9 and layer.side == "out"]
    if not alike:
        return
    worst = max(alike, key=lambda layer: layer.cosine)
    yield Finding(
        "cosine_max", worst.cosine, "activations.csv",
        f"{worst.name} gives nearly the same for every sample (mean cosine {worst.cosine:.2f})",
        "collapse: the samples are not told apart there; its input, its rate or its normalisation",
        min(between(worst.cosine, *COLLAPSED, worst=6.0), 4.9 if worst.cosine < 0.999 else MOST),
    )  # fmt: skip


def _untrained(samples: Samples) -> Iterator[Finding]:
    idle = [parameter for parameter in samples.parameters if not parameter.is_trained]
    if not idle:
        return
    size, whole = sum(p.size for p in idle), sum(p.size for p in samples.parameters)
    where = _common([parameter.name for parameter in idle])
    yield Finding(
        "parameters_not_trained", float(size), "parameters.json",
        f"{where}: {size:,} of {whole:,} parameters are not trained (frozen, or in no optimizer)",
        "a frozen block; unless that is meant, let it learn",
        8.5 if size < whole / 2 else 6.0,  # most of a model is frozen on purpose
    )  # fmt: skip


def _common(names: Sequence[str]) -> str:
    """What the names begin with, as whole words."""
    words = [name.split(".") for name in names]
    shared = []
    for parts in zip(*words, strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return ".".join(shared) or f"{names[0]} and others"


def _settled(changes: Sequence[Change]) -> list[Change]:
    """Without the first step, whose rate is often near zero, where there is another."""
    first = min((change.step for change in changes), default=0)
    later = [change for change in changes if change.step > first]
    return later or list(changes)


def _by_name(changes: Sequence[Change], figure: str) -> Mapping[str, float]:
    found: dict[str, list[float]] = {}
    for change in _settled(changes):
        found.setdefault(change.name, []).append(getattr(change, figure))
    return {name: median(values) for name, values in found.items()}


def _ratios(changes: Sequence[Change]) -> dict[str, float]:
    """The median ratio of update to weight of each matrix; of biases it says little."""
    large = _by_name([change for change in changes if change.weight > 0], "ratio")
    return {name: value for name, value in large.items() if "bias" not in name}


def telling_ratios(changes: Sequence[Change]) -> dict[str, float]:
    """The same; none where there is but one step: of the first, which a warmup makes small, nothing
    follows."""
    return _ratios(changes) if len({change.step for change in changes}) > 1 else {}


def _gradients(changes: Sequence[Change]) -> Iterator[Finding]:
    sizes = _by_name(changes, "gradient")
    usual = median(list(sizes.values()))
    if not usual > 0:
        return
    name, least = min(sizes.items(), key=lambda item: item[1])
    if least < usual / _SPREAD:
        yield Finding(
            "gradient_rms_min", least, "gradients.csv",
            f"hardly any gradient reaches {name} ({least:.2g}; usual is {usual:.2g})",
            "it cannot learn: what lies behind it is dead, saturated or detached",
            7.5 if least == 0 else 5.5,
        )  # fmt: skip


def _updates(changes: Sequence[Change]) -> Iterator[Finding]:
    ratios = telling_ratios(changes)
    if not ratios:
        return
    usual = median(list(ratios.values()))
    if usual > 0.01:
        yield Finding(
            "update_to_weight_median", usual, "gradients.csv",
            f"one step changes a weight by {usual:.2g} of its size (healthy: about .001 to .01)",
            "the learning rate is too high for these weights: lower it, or warm up longer",
            between(usual, *_UPDATE),
        )  # fmt: skip
    elif usual < 1e-5:
        yield Finding(
            "update_to_weight_median", usual, "gradients.csv",
            f"one step changes a weight by only {usual:.2g} of its size",
            "the learning rate is too low for the time there is",
            5.0,
        )  # fmt: skip


def _non_finite(samples: Samples) -> Iterator[Finding]:
    layers = [layer for layer in samples.layers if layer.non_finite > 0]
    changes = [change for change in samples.changes if change.non_finite > 0]
    if not (layers or changes):
        return
    at_layer = min(layers, key=lambda la: (la.step, la.order), default=None)
    at_change = min(changes, key=lambda change: change.step, default=None)
    if at_layer is not None and (at_change is None or at_layer.step <= at_change.step):
        step, where, file = at_layer.step, f"what {at_layer.name} gives", "activations.csv"
    else:
        assert at_change is not None
        step, where, file = at_change.step, f"the gradient of {at_change.name}", "gradients.csv"
    lost = samples.facts.get("first_non_finite_loss_step")
    step = min(step, lost) if isinstance(lost, int) else step
    yield Finding(
        "first_non_finite_step", float(step), file,
        f"not finite from step {step} on, first seen in {where}",
        "an overflow or a division by zero begins there: clip, lower the rate, add an epsilon",
        MOST,
    )  # fmt: skip
