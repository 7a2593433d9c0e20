"""Stop: sends the agent on while its campaign is active, or its claim is to be made, with the next
step.

Lets it end its turn where the campaign is halted, is another session's, where the person spoke
last, and after a few times without any progress: a fault must not burn tokens all night.
"""

from __future__ import annotations

import os
import time

import campaign
from campaign import Campaign, Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MOST_BLOCKS = 3
# Whoever comes back later than this has waited in between, or thought: no busy loop.
_QUICK_S = 60.0
_WAIT = "`agent-loops wait --wait-s 580` (Bash timeout 600000)"
_CONFIRM = "`agent-loops confirm --wait-s 580` (Bash timeout 600000)"
_WAITING = tuple(
    f"agent-loops {name}" for name in ("try", "wait", "ready", "rebaseline", "confirm", "finalize")
)
_TRY_ANALYSED = (
    "`agent-loops try 'IDEA' --anchor FILE:KEY=VALUE --predict 'FILE:KEY < NUMBER' --wait-s 580 "
    "--edit - <<'EDIT'` with analysis/plan.md (Bash timeout 600000)"
)
_TRY = "`agent-loops try 'IDEA' --wait-s 580 --edit - <<'EDIT'` (Bash timeout 600000)"


def main() -> None:
    event = campaign.read_event()
    here, session = campaign.found(event)
    if here.is_ours and not _sends_on(event, here, session) and session.data:
        session.save(at_work=False)


def _sends_on(event: dict[str, Any], here: Campaign, session: Session) -> bool:
    """Says what comes next, where the turn may not end here."""
    if not session.loops or not here.is_led_by(session):
        return False
    if here.state != "active" and not here.is_to_confirm:
        return False
    session.save(**campaign.seen(event))
    alive, progress, now = here.run_is_alive, here.progress, time.time()
    if alive and _is_woken_by_the_end(event):
        return False
    blocks = _blocks_without_progress(session, progress, now, alive=alive)
    if blocks >= _MOST_BLOCKS:
        what = f"the agent ended its turn {blocks} times without a step and is not sent on again"
        way_on = f"the campaign waits until you type {here.skill}"
        campaign.answer({"systemMessage": f"agent-loops: {what}; {way_on}"})
        return False
    session.save(blocks=blocks + 1, progress=progress, blocked_at=now)
    campaign.answer({"decision": "block", "reason": _reason(here, alive=alive)})
    return True


def _is_woken_by_the_end(event: dict[str, Any]) -> bool:
    """Whether a command of ours waits in the background; without a person (-p) it is not kept."""
    if os.environ.get("CLAUDE_CODE_ENTRYPOINT", "").startswith("sdk"):
        return False
    tasks = event.get("background_tasks")
    return any(
        task.get("status") == "running"
        and any(words in str(task.get("command")) for words in _WAITING)
        for task in (tasks if isinstance(tasks, list) else [])
        if isinstance(task, dict)
    )


def _blocks_without_progress(session: Session, progress: int, now: float, *, alive: bool) -> int:
    """How often in a row the same was said in vain."""
    blocks, then = session.data.get("blocks"), session.data.get("blocked_at")
    if not isinstance(blocks, int) or session.data.get("progress") != progress:
        return 0
    waited = alive and isinstance(then, (int, float)) and now - then > _QUICK_S
    return 0 if waited else blocks


def _reason(here: Campaign, *, alive: bool) -> str:
    head = f"Campaign {here.text('tag')} is active: do not end your turn."
    if here.is_to_confirm:
        head = f"Campaign {here.text('tag')} is finished but for its claim: do not end your turn."
        if not here.is_unsettled:
            return f"{head} Time was set aside for it: call {_CONFIRM}; report its sentence."
        return f"{head} It is being confirmed; call {_WAIT}, then report the sentence."
    if alive:
        return f"{head} A run is alive; call {_WAIT} and go on with its verdict."
    if here.is_unsettled:
        return f"{head} An experiment is not settled; call {_WAIT}, which takes it up."
    lines = [head]
    if incumbent := here.metric_of("incumbent"):
        lines.append(f"Incumbent {incumbent}, baseline {here.metric_of('baseline')}.")
    lines += [f"Last: {row.in_words(80)}." for row in here.rows(1)]
    call = _TRY_ANALYSED if here.analysis_first else _TRY
    next_step = f"Next: another idea, {call}." if incumbent else "Next: `agent-loops try baseline`."
    return " ".join([*lines, next_step, "Only the person, or a stop condition, ends the loop."])
