"""Keeps the fold of a journal's beginning, so that a long campaign opens as fast as a short one.

Disposable: whatever is wrong with it, the journal is folded anew.
"""

from __future__ import annotations

import os
from typing import Any

from agent_loops import __version__, events, files
from agent_loops.bindings import Bindings
from agent_loops.errors import AgentLoopsError
from agent_loops.evidence import Finding
from agent_loops.experiments import Experiments, as_tuples
from agent_loops.paths import CampaignPaths
from agent_loops.state import Campaign

_TAIL_BYTES = 4096
_REQUIRED = ("bindings_digest", "bindings_file", "harness_digest", "stop_at_utc", "session")
_NESTED = (
    "found_best", "found_belief", "settled_belief", "believed", "started", "bindings",
    "experiments", "paused", "stopped", "confirming", "confirmed",
    "corpus",
)  # fmt: skip


def save(campaign: Campaign, paths: CampaignPaths, *, offset: int) -> None:
    """Writes the fold of the journal's first `offset` bytes; a full disk is no reason to fail."""
    head: dict[str, Any] = {
        "version": __version__,
        "offset": offset,
        "tail": _tail(paths, offset),
        "started": campaign.started._asdict(),
        "bindings": campaign.bindings.to_json(),
        "paused": campaign.paused._asdict() if campaign.paused else None,
        "stopped": campaign.stopped._asdict() if campaign.stopped else None,
        "confirming": campaign.confirming._asdict() if campaign.confirming else None,
        "confirmed": campaign.confirmed._asdict() if campaign.confirmed else None,
        "corpus": [item._asdict() for item in campaign.corpus],
        "rest": {name: value for name, value in vars(campaign).items() if name not in _NESTED},
    }
    try:
        lines = [files.dump_json(head).encode(), *campaign.experiments.lines()]
        files.write_atomic(paths.fold_cache, b"\n".join(lines), mode=0o600, durable=False)
    except (AgentLoopsError, ValueError):
        return


def load(paths: CampaignPaths) -> tuple[Campaign, int] | None:
    """The campaign and the offset up to which it is folded; None where there is no good cache."""
    try:
        first, *lines = paths.fold_cache.read_bytes().split(b"\n")
        head = files.load_json(first)
        offset = int(head["offset"])
        if head["version"] != __version__ or head["tail"] != _tail(paths, offset):
            return None
        rest = dict(head["rest"])
        for name in ("contenders", "standings"):
            rest[name] = {int(key): item for key, item in rest[name].items()}
        rest["findings"] = [
            Finding(number, what, tuple(losses)) for number, what, losses in rest["findings"]
        ]
        for name in ("open_run", "analysing"):
            rest[name] = tuple(rest[name]) if rest[name] else None
        campaign = Campaign(
            started=events.CampaignStarted(**head["started"]),
            bindings=Bindings.from_json(head["bindings"]),
            **{name: rest.pop(name) for name in _REQUIRED},
        )
        if rest.keys() != vars(campaign).keys() - {*_NESTED, *_REQUIRED}:
            return None
        vars(campaign).update(rest)
        campaign.paused = events.Paused(**head["paused"]) if head["paused"] else None
        campaign.stopped = events.Stopped(**head["stopped"]) if head["stopped"] else None
        if head["confirming"]:
            campaign.confirming = events.ConfirmationStarted(**as_tuples(head["confirming"]))
        if head["confirmed"]:
            campaign.confirmed = events.Confirmed(**as_tuples(head["confirmed"]))
        campaign.corpus = [events.FindingNoted(**as_tuples(item)) for item in head["corpus"]]
        campaign.experiments = Experiments(lines)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return campaign, offset


def _tail(paths: CampaignPaths, offset: int) -> str:
    """Digest of the last 4 KiB before `offset`, which tells one journal from another."""
    with paths.journal.open("rb") as stream:
        if offset > stream.seek(0, os.SEEK_END):
            raise ValueError("the journal is shorter than the cache says")
        stream.seek(max(0, offset - _TAIL_BYTES))
        return files.sha256(stream.read(min(offset, _TAIL_BYTES)))
