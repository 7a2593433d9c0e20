"""Where the time and the memory went: input-bound or compute-bound, room.

Pure; knows one process alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from agent_loops.insight.finding import Finding, between
from agent_loops.insight.samples import Phases, Samples, Step
from agent_loops.objective import median

_WAITING = (0.25, 0.7)
_FULL = 0.5
_PHASES = ("data_s", "forward_s", "backward_s", "optimizer_s")


def findings(samples: Samples) -> Iterator[Finding]:
    split = shares(samples.phases)
    if split:
        yield _busy(split)
    yield from _memory(samples.facts)


def summary(samples: Samples) -> dict[str, float]:
    """The figures that predictions and anchors may name."""
    found = {f"{name[:-2]}_share": share for name, share in shares(samples.phases).items()}
    found["steps_per_s"] = _rate(samples.steps)
    memory = _memory_mib(samples.facts)
    if memory is not None:
        found["memory_used_share"] = memory[0] / memory[1]
    return {key: value for key, value in found.items() if math.isfinite(value)}


def shares(phases: Sequence[Phases]) -> dict[str, float]:
    """Each training phase's share of a step, of medians: one step may have met a hiccup."""
    medians = {name: median([getattr(step, name) for step in phases]) for name in _PHASES}
    whole = sum(medians.values())
    return {name: value / whole for name, value in medians.items()} if 0 < whole < math.inf else {}


def _rate(steps: Sequence[Step]) -> float:
    """Steps a second, of the last four fifths."""
    later = steps[len(steps) // 5 :]
    if len(later) < 2 or not later[-1].time_s > later[0].time_s:
        return math.nan
    return (later[-1].step - later[0].step) / (later[-1].time_s - later[0].time_s)


def _busy(shares: Mapping[str, float]) -> Finding:
    waiting = shares["data_s"]
    split = ", ".join(f"{name[:-2]} {share:.0%}" for name, share in shares.items())
    if waiting >= _WAITING[0] / 2:
        return Finding(
            "data_share", waiting, "phases.csv",
            f"input-bound: {waiting:.0%} of a step goes by before the model is called ({split})",
            "the loader is the bottleneck: prefetch, workers, pinned memory, vectorise what "
            "prepares a batch",
            between(waiting, *_WAITING),
        )  # fmt: skip
    return Finding(
        "data_share", waiting, "phases.csv", f"compute-bound: {split}",
        "a faster step is a faster model: its shapes, fusing, precision", 0.5,
    )  # fmt: skip


def _memory_mib(facts: Mapping[str, object]) -> tuple[float, float] | None:
    """What was used at most of the device's memory, and how much there is."""
    used, whole = facts.get("peak_allocated_mib"), facts.get("total_memory_mib")
    if isinstance(used, (int, float)) and isinstance(whole, (int, float)) and whole > 0:
        return used, whole
    return None


def _memory(facts: Mapping[str, object]) -> Iterator[Finding]:
    memory = _memory_mib(facts)
    if memory is not None and memory[0] < _FULL * memory[1]:
        used, whole = memory
        yield Finding(
            "memory_used_share", used / whole, "probe.json",
            f"{used / 1024:.1f} of {whole / 1024:.1f} GiB of the device's memory are used at most",
            "there is room for a larger batch or model",
            0.8,
        )  # fmt: skip
