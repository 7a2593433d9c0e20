"""Says what is missing or in the way on this machine, in this host, in this project.

Changes nothing, and repairs nothing: each finding names the command that does.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from agent_loops import answers, display
from agent_loops.answers import Answer
from agent_loops.diagnosis import (
    campaign_checks,
    checks,
    hook_checks,
    host_checks,
    machine_checks,
    project_checks,
    subjects,
)
from agent_loops.diagnosis.checks import Check

_MOST_LINES = 25
_IN_WORDS = ("data first", "gpu", "claude code")  # fine, and a person wants to know what it is
_AREAS = (
    ("project", (*project_checks.MAKERS, *campaign_checks.MAKERS)),
    ("machine", machine_checks.MAKERS),
    ("host", (*host_checks.MAKERS, *hook_checks.MAKERS)),
)


def run(start: Path, environ: Mapping[str, str]) -> Answer:
    """Makes every check of the project around `start`.

    Args:
        start: a folder in the project.
        environ: the caller's environment, whose PATH and settings runs and the host have too.
    """
    subject = subjects.look_at(start, environ)
    found = [(area, check) for area, makers in _AREAS for check in checks.make(makers, subject)]
    by_state = {
        state: [check for _, check in found if check.state == state]
        for state in ("missing", "warn", "ok")
    }
    worst = next(state for state in by_state if by_state[state])
    first = next((check.next for check in by_state[worst] if check.next), "")
    values = {
        "schema": answers.SCHEMA, "status": worst, "project": str(subject.root),
        "missing": len(by_state["missing"]), "warnings": len(by_state["warn"]),
        "fine": len(by_state["ok"]), "next": first,
        "checks": [{"area": area, **check._asdict()} for area, check in found],
    }  # fmt: skip
    return Answer(values, _lines(by_state["missing"] + by_state["warn"], by_state["ok"]))


def _lines(troubles: list[Check], fine: list[Check]) -> list[str]:
    lines: list[str] = []
    for told, check in enumerate(troubles):
        lines.append(f"{check.state:8} {check.name}: {check.line}")
        if check.next:
            lines.append(f"{'':8} next: {check.next}")
        left = len(troubles) - told - 1
        if left and len(lines) > _MOST_LINES - 4:
            lines.append(f"and {left} more: `agent-loops doctor --json`")
            break
    room = max(0, _MOST_LINES - 4 - len(lines))
    worded = [f"{'fine':8} {check.name}: {check.line}" for check in fine if check.name in _IN_WORDS]
    lines += worded[:room]
    names = ", ".join(dict.fromkeys(check.name for check in fine))
    return [*lines, display.clean(f"{len(fine)} fine: {names}", 300)]
