"""Says at bedtime whether a campaign may be left alone, from one rehearsed experiment.

Vouches for nothing that was not seen: an idea may still crash, and a machine may break.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from agent_loops import answers, gates, trying
from agent_loops.answers import Answer
from agent_loops.diagnosis import subjects
from agent_loops.diagnosis.checks import Check, missing
from agent_loops.errors import Refused
from agent_loops.loop import Loop
from agent_loops.readiness import prompts, rehearsal, sights

_NEXT = "agent-loops ready"


def run(loop: Loop, *, wait_s: float | None) -> Answer:
    """Rehearses where that was not done for the present incumbent; then says what was seen.

    Args:
        loop: the campaign's loop.
        wait_s: seconds after which a run that still goes on is answered as running.
    """
    deadline = trying.deadline_after(wait_s)
    obstacle: Check | None = None
    try:
        if not _rehearsed(loop, deadline):
            return _running(loop)
    except Refused as refusal:
        obstacle = missing(refusal.kind, refusal.reason, refusal.next_step)
    loop.store.refresh()
    return _answer(loop, obstacle)


def _rehearsed(loop: Loop, deadline: float | None) -> bool:
    """Measures the baseline and rehearses, as far as that is still to be done; false: it runs."""
    if loop.campaign.under_way:  # whatever it is: between two ideas there is room for a rehearsal
        rehearsal.take_up(loop, deadline)
        if loop.campaign.under_way:
            gates.refuse_switched_off(loop.campaign)  # its next run is held
            return False
    trying.refuse_if_running(loop)
    campaign = loop.campaign
    gates.refuse_unless_open(loop.workspace, campaign)
    if campaign.wants_baseline:
        if campaign.open is not None:
            return True  # its baseline crashed: that is to be mended, not tried again and again
        left_s = None if deadline is None else max(0.0, deadline - time.monotonic())
        trying.try_idea(loop, trying.Idea("baseline"), edit=None, repeat=None, wait_s=left_s)
        if campaign.under_way or campaign.wants_baseline:
            return not campaign.under_way
    gates.refuse_changed_harness(loop.workspace)
    if rehearsal.is_due(loop):
        rehearsal.rehearse(loop, deadline)
    return not loop.campaign.under_way


def _running(loop: Loop) -> Answer:
    answer = loop.answer_last()
    number = loop.campaign.open_number
    values = {
        "schema": answers.SCHEMA, "status": "running", "experiment": number,
        "elapsed_s": answer.values["elapsed_s"], "timeout_s": answer.values["timeout_s"],
        "next": _NEXT,
    }  # fmt: skip
    return Answer(values, [answer.lines[0], f"next: {_NEXT}, which goes on with it"])


def _answer(loop: Loop, obstacle: Check | None) -> Answer:
    subject = subjects.look_at(loop.store.project.root, loop.workspace.environ)
    proof = rehearsal.proof(loop)
    found = prompts.evidence(subject, loop.campaign)
    parts = {
        "campaign": sights.campaign_part(loop, obstacle),
        "baseline": sights.baseline_part(loop),
        "rehearsal": sights.rehearsal_part(loop, proof, obstacle),
        "noise": sights.noise_part(proof),
        "prompts": sights.prompts_part(subject, found),
        "fits": sights.fits_part(loop),
        "disk": sights.disk_part(loop, proof),
        "device": sights.device_part(loop, subject),
        "context": sights.context_part(found),
    }
    checks = [check for part in parts.values() for check in part.checks]
    blocking = [check for check in checks if check.state == "missing"]
    cautions = [check for check in checks if check.state == "warn"]
    next_step = next((check.next for check in (*blocking, *cautions) if check.next), "")
    values: dict[str, Any] = {
        "schema": answers.SCHEMA,
        "status": "not ready" if blocking else "ready",
        "tag": loop.campaign.tag,
        "reasons": [{"name": one.name, "reason": one.line, "next": one.next} for one in blocking],
        "cautions": [{"name": one.name, "reason": one.line, "next": one.next} for one in cautions],
        **{name: part.values for name, part in parts.items() if part.values},
        "next": next_step,
    }
    return Answer(values, _lines(blocking, checks))


def _lines(blocking: Sequence[Check], checks: Sequence[Check]) -> list[str]:
    first = "safe to leave"
    if blocking:
        first = "not safe to leave: " + ", ".join(dict.fromkeys(one.name for one in blocking))
    lines = [first]
    for check in checks:
        mark = {"missing": "no: ", "warn": "look: ", "ok": ""}[check.state]
        step = f"; {check.next}" if check.next and check.state == "warn" else ""
        lines.append(f"{check.name:10} {mark}{check.line}{step}")
        if check.state == "missing":
            lines.append(f"{'':10} next: {check.next}")
    return lines
