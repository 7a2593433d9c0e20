"""The agent's own reading of a campaign: its marked place in analysis.md, and what may stand there.

Computes nothing of the campaign; what the agent writes is kept as its words, and called so.
"""

from __future__ import annotations

from collections.abc import Sequence

from agent_loops import display
from agent_loops.errors import Refused
from agent_loops.reporting import markdown

BEGIN = "<!-- agent-loops:reading -->"
END = "<!-- /agent-loops:reading -->"
MOST_CHARS = 12_000
HEADING = "## The Agent's Reading"
_NONE = "None yet: `agent-loops report --reading FILE` puts one here."
_WHOSE = "Written by the agent that ran the campaign; nothing below is computed or checked."


def of_page(page: str) -> str:
    """The reading that a page holds, as it stands there; "" without one."""
    _, begins, rest = page.partition(f"{BEGIN}\n")
    reading, ends, _ = rest.partition(f"\n{END}")
    return reading.strip("\n") if begins and ends and _NONE not in reading else ""


def section(reading: str) -> list[str]:
    """The section's lines: the reading in its marked place, or what to do to have one."""
    return [HEADING, "", BEGIN, reading or _NONE, END, ""]


def written(text: str, *, experiments: int, secrets: Sequence[str]) -> str:
    """A text as it is put into the marked place.

    Raises:
        Refused: there is nothing in it, or it is too long.
    """
    tamed = markdown.tame(display.mask(text, secrets))
    if not tamed.strip():
        raise Refused("reading", "it is empty", next_step="write what the report means, then again")
    if len(tamed) > MOST_CHARS:
        raise Refused(
            "reading",
            f"it has {len(tamed)} characters, {MOST_CHARS} are allowed",
            next_step="shorten it, then again",
        )
    count = display.counted(experiments)
    return f"*{_WHOSE} As of {count}.*\n\n{tamed}"
