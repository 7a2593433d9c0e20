"""Words approaches.md: what was tried by approach, how it ended, and what could be merged.

Writes nothing; every line follows from the record.
"""

from __future__ import annotations

from collections.abc import Sequence

from agent_loops import decide, display, exploring
from agent_loops.experiments import Experiment
from agent_loops.state import Campaign

_MOST_LINES = 5
_DESCRIPTION = 80


def render(campaign: Campaign) -> str:
    """The whole page."""
    by_kind: dict[str, list[Experiment]] = {}
    for item in exploring.tried(campaign):
        by_kind.setdefault(exploring.kind_of(item.started.description) or "other", []).append(item)
    ranked = sorted(by_kind.items(), key=lambda pair: -_best_delta(campaign, pair[1]))
    baseline, incumbent = campaign.baseline, campaign.incumbent
    lines = ["# Approaches", ""]
    if baseline is not None and incumbent is not None:
        measured = f"{campaign.bindings.metric} ({campaign.bindings.metric_direction})"
        lines += [f"Baseline #{baseline.number}, incumbent #{incumbent.number}; {measured}.", ""]
    lines += [f"Due next: {exploring.due(campaign) or 'any move'}.", ""]
    for kind, items in ranked:
        lines += _section(campaign, kind, items)
    named = [f"#{item.number} ({exploring.kind_of(item.started.description) or 'other'})"
             for item in exploring.to_merge(campaign)[:_MOST_LINES]]  # fmt: skip
    if named and incumbent is not None:
        lines += [f"To merge with the incumbent #{incumbent.number}: {', '.join(named)}.", ""]
    return "\n".join(lines)


def _section(campaign: Campaign, kind: str, items: Sequence[Experiment]) -> list[str]:
    kept = sum(item.verdict == decide.KEEP for item in items)
    lines = [f"## {display.clean(kind, 40)}: {len(items)} tried, {kept} kept", ""]
    ranked = sorted(items, key=lambda item: -_delta(campaign, item))
    for item in ranked[:_MOST_LINES]:
        text = item.decided.metric_text if item.decided else ""
        move = f" {item.started.move}" if item.started.move else ""
        lines.append(
            f"- #{item.number}{move} {item.verdict} {text or 'no reading'}: "
            f"{display.clean(item.started.description, _DESCRIPTION)}"
        )
        if item.analysed and item.analysed.findings:
            lines.append(f"  {display.clean(item.analysed.findings, 160)}")
    if len(ranked) > _MOST_LINES:
        lines.append(f"- and {len(ranked) - _MOST_LINES} more")
    return [*lines, ""]


def _best_delta(campaign: Campaign, items: Sequence[Experiment]) -> float:
    return max(_delta(campaign, item) for item in items)


def _delta(campaign: Campaign, item: Experiment) -> float:
    """How much better than the baseline; minus infinity where there is no reading."""
    gain = campaign.gain_of(item)
    return float("-inf") if gain is None else gain
