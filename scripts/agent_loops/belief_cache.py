"""Keeps what the noise-aware rule made of a long campaign's findings, which is slow to work out.

Disposable: whatever is wrong with it, the findings are gone through anew.
"""

from __future__ import annotations

from typing import Any

from agent_loops import __version__, files
from agent_loops.errors import AgentLoopsError
from agent_loops.paths import CampaignPaths
from agent_loops.state import Campaign

MOST_BEHIND = 8
"""Findings that need no file: going through one costs some 15 ms."""


def save(campaign: Campaign, paths: CampaignPaths, *, saved: int) -> int:
    """Writes the belief where the file, which holds `saved` findings, is far behind.

    Returns:
        How many it holds now. A full disk is no reason to fail.
    """
    belief = campaign.settled_belief
    if belief is None or campaign.believed - saved < MOST_BEHIND:
        return min(saved, campaign.believed)
    value = {**_identity(campaign, campaign.believed), "belief": list(belief.numbers)}
    try:
        files.write_atomic(
            paths.belief_cache, files.dump_json(value).encode(), mode=0o600, durable=False
        )
    except (AgentLoopsError, ValueError):
        return saved
    return campaign.believed


def recall(campaign: Campaign, paths: CampaignPaths) -> int:
    """Lets the campaign begin with what the file holds, and returns how many findings that is."""
    from agent_loops.keeping import rule

    try:
        value = files.load_json(files.read_regular(paths.belief_cache))
        count = int(value["count"])
        belief = rule.Belief(tuple(map(float, value.pop("belief"))))
        if not campaign.believed < count < len(campaign.findings):
            return campaign.believed
        if value != _identity(campaign, count):
            return 0
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return 0
    campaign.settled_belief, campaign.believed = belief, count
    return count


def _identity(campaign: Campaign, count: int) -> dict[str, Any]:
    """What tells one beginning of one campaign's findings from another."""
    last = campaign.findings[count - 1]
    return {
        "version": __version__,
        "tag": campaign.tag,
        "epoch": campaign.epoch,
        "paired": campaign.paired,
        "count": count,
        "last": [last.experiment, last.what, list(last.losses)],
    }
