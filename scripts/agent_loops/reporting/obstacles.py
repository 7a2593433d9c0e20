"""Why the next idea would be refused before it is looked at, and what its files hold already.

Takes nothing out of the way: each names the command that does.
"""

from __future__ import annotations

from collections.abc import Callable

from agent_loops import candidates, display, gates, snapshots
from agent_loops.errors import AgentLoopsError, Refused
from agent_loops.loop import Loop


def of(run: Loop) -> tuple[str, ...]:
    """Why the next `try` would be refused, and what to do."""
    found = []
    checks: tuple[Callable[[], None], ...] = (
        lambda: gates.refuse_changed_bindings(run.workspace, run.campaign),
        lambda: gates.refuse_changed_harness(run.workspace, save=False),
        lambda: gates.refuse_elsewhere(run.workspace, run.campaign),
    )
    if run.campaign.analysis_first:
        from agent_loops import grounding

        checks = (*checks, lambda: grounding.refuse_unanalysed(run.workspace, run.campaign))
    for refuse in checks:
        try:
            refuse()
        except Refused as error:
            found.append(f"{display.cut(error.reason, 200)}; {error.next_step}")
        except AgentLoopsError as error:
            found.append(str(error))
    return tuple(found)


def edited(run: Loop) -> str:
    """What the editable files hold where that is not what the next idea builds on."""
    try:
        present = run.workspace.present()
        changed = snapshots.differing(present, candidates.base_of(run.workspace, run.campaign))
    except AgentLoopsError as error:
        return str(error)
    if not changed:
        return ""
    holder = run.campaign.holders.get(snapshots.digest(present))
    names = ", ".join(display.clean(path, 80) for path in changed[:5])
    return f"{names}: the code of #{holder}" if holder else f"{names}, not tried yet"
