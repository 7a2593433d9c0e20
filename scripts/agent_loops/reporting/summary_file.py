"""The campaign's figures as one strict JSON object, for programs; units stand in the names.

Works nothing out: figures are the ledger's and the lessons'.
"""

from __future__ import annotations

from typing import Any

from agent_loops.reporting.ledger import Ledger
from agent_loops.reporting.lessons import Lessons

SCHEMA = 1


def values(ledger: Ledger, lessons: Lessons) -> dict[str, Any]:
    """Everything of it, ready for JSON."""
    claim = ledger.claim
    return {
        "schema": SCHEMA,
        "tag": ledger.tag,
        "metric": ledger.metric,
        "direction": ledger.direction.value,
        "state": ledger.state,
        "experiments": len(ledger.rows),
        "counts": ledger.counts,
        "gain": claim.gain if claim else ledger.gain,
        "gain_interval": [claim.low, claim.high] if claim else None,
        "gain_percent": ledger.gain_percent,
        "machine_s": round(ledger.machine_s, 1),
        "categories": [
            {
                "name": item.name, "tried": item.tried, "kept": item.kept,
                "crashed": item.crashed, "gain": item.gain,
                "largest": item.largest.number if item.largest else None,
            }
            for item in lessons.categories
        ],
    }  # fmt: skip
