"""What is to be seen of a campaign as one JSON object, in which nothing is cut.

Looks at nothing itself.
"""

from __future__ import annotations

from typing import Any

from agent_loops import answers, claimed
from agent_loops.experiments import Experiment
from agent_loops.loop import Loop
from agent_loops.reporting import sighting
from agent_loops.reporting.ledger import Ledger, Row
from agent_loops.reporting.sighting import Sight
from agent_loops.reporting.under_way import UnderWay
from agent_loops.state import Campaign


def of(run: Loop, sight: Sight) -> dict[str, Any]:
    """The object, by the names that design and `status --json` give them."""
    campaign, ledger = run.campaign, sight.ledger
    bindings, counts, claim = campaign.bindings, campaign.counts, ledger.claim
    found: dict[str, Any] = {
        "schema": answers.SCHEMA,
        "status": ledger.state,
        "tag": campaign.tag,
        "metric": bindings.metric,
        "direction": bindings.metric_direction,
        "experiments": len(campaign.experiments),
        "rehearsals": campaign.rehearsals,
        "max_experiments": bindings.max_experiments,
        "counts": {key: counts.get(key, 0) for key in sighting.COUNTED},
        "refused": campaign.refusals,
        "baseline": answers.place(campaign, campaign.baseline),
        "incumbent": _place(campaign, ledger, campaign.incumbent),
        "best": _place(campaign, ledger, campaign.best),
        "best_commit": sighting.commit(ledger.row(ledger.best)) or None,
        "gain": claim.gain if claim else ledger.gain,
        "gain_percent": ledger.gain_percent,
        "gain_interval": [claim.low, claim.high] if claim else None,
        "gain_probability": claim.probability if claim else None,
        "confirmed": claimed.standing(run.workspace)[0],
        "confirming": list(campaign.confirming.subjects) if campaign.confirming else None,
        "gain_before_rebaseline": campaign.gain_before,
        "stamp": dict(campaign.stamp_for()),
        "pruned": {
            "runs": ledger.pruned_runs, "saved_s": round(ledger.saved_s, 1),
            "let_go_on": ledger.let_go_on, "of_these_kept": ledger.let_go_on_kept,
        },
        "active_s": round(campaign.active_s, 1),
        "running": _running_values(sight.running),
        "unrecorded": sight.unrecorded,
        "stop_reason": campaign.stop_reason(sight.now),
        "end": campaign.end_utc or None,
        "stop_conditions": sighting.limits(campaign, sight.now),
        "left_s": _rounded(sight.left_s),
        "pace": sight.pace._asdict() if sight.pace else None,
        "recent": [_recent_values(row) for row in sighting.recent(sight)],
        "paused": campaign.paused.reason if campaign.paused else None,
        "stopped": campaign.stopped.reason if campaign.stopped else None,
        "notes": campaign.pending_notes,
        "in_the_way": list(sight.in_the_way),
        "edited": sight.edited or None,
        "sandbox": ledger.source,
        "next": sight.next_step,
    }  # fmt: skip
    last = campaign.last
    if last is not None and campaign.open_run is None and last.verdict:
        found["last"] = {"experiment": last.number, "status": last.verdict}
    return found


def _place(campaign: Campaign, ledger: Ledger, item: Experiment | None) -> dict[str, Any] | None:
    """`metric` is estimated, as the gain is."""
    found = answers.place(campaign, item)
    is_incumbent = found is not None and found["experiment"] == ledger.incumbent
    if found is not None and is_incumbent and ledger.estimate is not None:
        found["metric"] = ledger.estimate
    return found


def _running_values(running: UnderWay | None) -> dict[str, Any] | None:
    if running is None:
        return None
    estimate = running.estimate
    return {
        "experiment": running.experiment,
        "run": running.run,
        "purpose": running.purpose,
        "elapsed_s": round(running.elapsed_s, 1),
        "timeout_s": running.timeout_s,
        "host": running.host,
        "progress": running.printed,
        "usual_s": _rounded(running.usual_s),
        "left_s": _rounded(estimate.left_s) if estimate else None,
        "done": round(estimate.done, 3) if estimate else None,
        "estimated_by": estimate.by if estimate else None,
    }


def _recent_values(row: Row) -> dict[str, Any]:
    return {
        "experiment": row.number, "status": row.status, "metric": row.metric, "gain": row.gain,
        "description": row.description,
    }  # fmt: skip


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)
