"""The analysis as Markdown: what the protocol lists, section by section.

Works nothing out: figures are the ledger's and the lessons'.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from agent_loops.reporting import categories
from agent_loops.reporting.ledger import Ledger
from agent_loops.reporting.lessons import Lessons

READING = "<!-- agent-loops:reading -->"
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!&])")


def escape(text: str) -> str:
    """Text that Markdown shows as it stands."""
    return _SPECIAL.sub(r"\\\1", text)


def render(ledger: Ledger, lessons: Lessons) -> str:
    """The page; its last section is the marked place for the agent's reading."""
    sections = {
        "Summary": _summary(ledger),
        "What Worked": _worked(lessons),
        "What Didn't Work": [f"- {item.text}" for item in lessons.failed],
        "Crashes": [f"- {escape(item.text)}: {_named(item.numbers)}" for item in lessons.crashes],
        "Metric Progression": [
            f"- #{row.number} {row.text}: {escape(row.description)}" for row in lessons.progression
        ],
        "Diminishing Returns": [lessons.diminishing],
        "To Review": [f"- #{row.number}: {escape(why)}" for row, why in lessons.to_review],
        "What To Try Next": [f"- {escape(text)}" for text in lessons.suggestions],
        "Cost and Machine": [f"- {label}: {text}" for label, text in lessons.cost],
        "How categories were chosen": [categories.RULE],
    }
    lines = [f"# Analysis of {escape(ledger.tag)}", ""]
    for title, body in sections.items():
        lines += [f"## {title}", "", *(filter(None, body) if any(body) else ["Nothing."]), ""]
    return "\n".join([*lines, READING, ""])


def _summary(ledger: Ledger) -> list[str]:
    counts = ledger.counts
    told = ", ".join(f"{count} {status}" for status, count in counts.items())
    return [
        f"- {len(ledger.rows)} experiments: {told}",
        f"- {escape(ledger.sentence or ledger.standing)}"
        * bool(ledger.sentence or ledger.standing),
    ]


def _worked(lessons: Lessons) -> list[str]:
    return [
        f"- {item.name}: {item.kept} of {item.tried} kept"
        for item in lessons.categories
        if item.kept
    ]


def _named(numbers: Iterable[int]) -> str:
    return ", ".join(f"#{number}" for number in numbers)
