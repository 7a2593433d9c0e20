"""The campaign's figures as one strict JSON object, for programs; units stand in the names.

Works nothing out: figures are the ledger's and the lessons'. Texts are the record's, cleaned;
whoever shows them escapes them.
"""

from __future__ import annotations

import math
from typing import Any

from agent_loops.reporting import trends
from agent_loops.reporting.ledger import Ledger, Row
from agent_loops.reporting.lessons import Lessons
from agent_loops.reporting.patterns import Pattern

SCHEMA = 1


def values(ledger: Ledger, lessons: Lessons) -> dict[str, Any]:
    """Everything of it, ready for JSON. What is not known is null, never zero.

    Metric, gains and intervals are in metric units, positive gains are better, intervals are 90%.
    """
    claim = ledger.claim
    return {
        "schema": SCHEMA,
        "tag": ledger.tag,
        "source": ledger.source,
        "state": ledger.state,
        "state_reason": ledger.state_reason,
        "began_utc": ledger.began_utc or None,
        "ended_utc": ledger.ended_utc or None,
        "metric": ledger.metric,
        "direction": ledger.direction.value,
        "experiments": len(ledger.rows),
        "ideas": len(ledger.ideas),
        "counts": ledger.counts,
        "refused": ledger.refused,
        "baseline": _place(ledger.row(ledger.baseline)),
        "incumbent": _place(ledger.row(ledger.incumbent)),
        "best": _place(ledger.row(ledger.best)),
        "estimate": _finite(ledger.estimate),
        "gain": _finite(claim.gain if claim else ledger.gain),
        "gain_interval": [_finite(claim.low), _finite(claim.high)] if claim else None,
        "gain_probability": claim.probability if claim else None,
        "gain_percent": _finite(ledger.gain_percent),
        "confirmed": {
            "sentence": ledger.sentence,
            "verdict": ledger.confirmed,
            "of_present_best": ledger.is_confirmed,
        } if ledger.sentence else None,
        "categories": [
            {
                "name": item.name, "tried": item.tried, "kept": item.kept,
                "crashed": item.crashed, "gain": _finite(item.gain),
                "largest": _place(item.largest),
            }
            for item in lessons.categories
        ],
        "failed": _patterns(lessons.failed),
        "dead_ends": _patterns(lessons.dead_ends),
        "crashes": _patterns(lessons.crashes),
        "near_misses": [_place(row) for row in lessons.near_misses],
        "progression": [_place(row) for row in lessons.progression],
        "diminishing_returns": lessons.diminishing,
        "to_review": [
            {"experiment": row.number, "why": why} for row, why in lessons.to_review
        ],
        "suggestions": list(lessons.suggestions),
        "cost": {
            "machine_s": round(ledger.machine_s, 1),
            "span_s": round(trends.span(ledger), 1),
            "runs": sum(row.runs for row in ledger.rows),
            "pruned_runs": ledger.pruned_runs,
            "saved_s": round(ledger.saved_s, 1),
        },
        "machine": dict(ledger.machine),
        "environment": dict(ledger.environment),
        "settings": dict(ledger.settings),
    }  # fmt: skip


def _patterns(items: tuple[Pattern, ...]) -> list[dict[str, Any]]:
    return [{"text": item.text, "experiments": list(item.numbers)} for item in items]


def _place(row: Row | None) -> dict[str, Any] | None:
    if row is None:
        return None
    known = row.gain_low is not None and row.gain_high is not None
    return {
        "experiment": row.number, "description": row.description,
        "metric": _finite(row.metric), "metric_name": row.metric_name or None,
        "gain": _finite(row.gain),
        "gain_interval": [_finite(row.gain_low), _finite(row.gain_high)] if known else None,
        "commit": row.commit or None,
    }  # fmt: skip


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
