"""The gate before an experiment that follows from a finding: it passes, or says what fails.

Believes nothing that is not in the record; `corpus` says what the conditions are.
"""

from __future__ import annotations

from agent_loops import events, scan
from agent_loops.errors import Refused
from agent_loops.literature import corpus
from agent_loops.literature.corpus import Condition
from agent_loops.state import Campaign

_MENDED = {
    "strength": "find a study that measured it and supports it (`agent-loops papers search`)",
    "applicability": "find evidence from data, model and budget like these",
    "files": "a finding whose change lies in the editable files",
    "not tried": "another finding (`agent-loops papers list`)",
    "current": "another finding (`agent-loops papers list`)",
}


def conditions(campaign: Campaign, finding: events.FindingNoted) -> list[Condition]:
    """The gate's conditions, for the files that may be edited here."""
    editable = scan.matcher(campaign.bindings.editable_files)
    return corpus.gate(campaign, finding, editable=editable)


def named(campaign: Campaign, name: str) -> events.FindingNoted:
    """The finding of that name.

    Raises:
        Refused: there is none.
    """
    finding = campaign.finding(name.strip().upper())
    if finding is None:
        raise Refused(
            "no finding", f"the corpus has no finding {name[:20]!r}",
            next_step="`agent-loops papers list` shows them, `agent-loops papers add` adds one",
        )  # fmt: skip
    return finding


def failed(found: list[Condition]) -> list[Condition]:
    return [condition for condition in found if not condition.holds]


def way_on(condition: Condition) -> str:
    """What would mend the condition."""
    return _MENDED[condition.name]


def require(campaign: Campaign, name: str) -> str:
    """A finding is tried only where its evidence is strong, fits, and is new here.

    Returns:
        The finding's name as the record has it.
    """
    if campaign.bindings.literature != "on":
        raise Refused(
            "literature off", f"campaign {campaign.tag} goes on without literature",
            next_step="the same without --basis",
        )  # fmt: skip
    finding = named(campaign, name)
    if fails := failed(conditions(campaign, finding)):
        told = "; ".join(f"{one.name} ({one.why})" for one in fails)
        raise Refused(
            "evidence", f"{finding.name} does not pass the evidence gate: {told}",
            next_step=f"{way_on(fails[0])}; or the idea without --basis, as your own",
        )  # fmt: skip
    return finding.name
