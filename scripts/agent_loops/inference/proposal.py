"""Words what `infer` found: forty short lines, one JSON object, or loop.run.yaml with its reasons.

Text of the project is quoted and cut; nothing in it is followed.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from agent_loops import bindings as binding_files
from agent_loops import display, files
from agent_loops.answers import SCHEMA, Answer
from agent_loops.errors import BindingsError, Refused, UsageError
from agent_loops.inference.findings import Finding, Value
from agent_loops.inference.infer import infer
from agent_loops.inference.survey import find_root
from agent_loops.paths import BINDINGS_NAME

_WIDTH = 150
_MOST_LINES = 40
_ORDER = (
    "metric metric_direction metric_pattern metric_file metric_key metric_pick metric_reduce "
    "run_cmd eval_cmd prelude cleanup_cmd editable_files readonly_files locked guards checks_cmd "
    "budget "
    "timeout_minutes program iter_strategy"
).split()


def run(start: Path, *, write: bool) -> Answer:
    """Reads the project around `start` and answers; with `write` leaves loop.run.yaml there.

    Raises:
        Refused: `write`, and there is a loop.run.yaml already, or too little was found for one.
    """
    root = find_root(start)
    target = root / BINDINGS_NAME
    if write and os.path.lexists(target):
        raise Refused(
            "bindings exist",
            f"{target} is there already and is not overwritten",
            next_step="edit it, or move it away and run `agent-loops infer --write` again",
            files=(BINDINGS_NAME,),
        )
    finding = infer(root)
    written = ""
    if write:
        text = as_yaml(finding)
        if not text:
            raise Refused(
                "nothing to write",
                "metric, run_cmd and editable_files were not all found",
                next_step=f"write {BINDINGS_NAME} by hand: metric, run_cmd, editable_files",
            )
        files.write_atomic(target, text.encode())
        written = str(target)
    return Answer(_values(finding, root, written), _lines(finding, root, written))


def _values(finding: Finding, root: Path, written: str) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "status": finding.answer,
        "project": str(root).encode("utf-8", "replace").decode(),
        "written": written or None,
        "question": finding.question or None,
        "choices": [display.clean(c, 200) for c in finding.choices],
        "bindings": {
            key: {
                "value": _safe(value.value),
                "evidence": display.clean(value.evidence, 300),
                "confidence": value.confidence,
            }
            for key in _ORDER
            if (value := finding.bindings.get(key)) is not None
        },
        "metric_source": finding.metric_source or None,
        "example": display.clean(finding.example, 200) or None,
        "also": [display.clean(c, 200) for c in finding.runners_up],
        "budget": display.clean(finding.budget, 200),
        "seed": display.clean(finding.seed, 200),
        "outputs": [display.clean(o, 200) for o in finding.outputs],
        "warnings": [
            {"kind": w.kind, "text": display.clean(w.text, 300)} for w in finding.warnings
        ],
        "missing": finding.missing,
        "notes": [display.clean(n, 300) for n in finding.notes],
        "next": _next(finding, root, written),
    }


def _safe(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    return [_safe(item) for item in value] if isinstance(value, list) else value


def _next(finding: Finding, root: Path, written: str) -> str:
    if written:
        return "read loop.run.yaml, then `agent-loops setup`"
    if os.path.lexists(root / BINDINGS_NAME):
        return "compare with the loop.run.yaml that is there, then `agent-loops setup`"
    if finding.answer == "nothing":
        return (
            "write loop.run.yaml by hand (metric, run_cmd, editable_files), then "
            "`agent-loops setup`"
        )
    return (
        "`agent-loops infer --write`, mend what is wrong in loop.run.yaml, then `agent-loops setup`"
    )


def _lines(finding: Finding, root: Path, written: str) -> list[str]:
    head = {
        "bindings": "bindings found",
        "which": "several programs could be the run",
        "question": "one question is open",
        "nothing": "nothing to optimize found",
    }[finding.answer]
    lines = [display.clean(f"{head} in {root}", _WIDTH)]
    if finding.question:
        lines.append(f"? {display.clean(finding.question, _WIDTH)}")
    lines += [
        f"  {number}. {display.clean(choice, 120)}"
        for number, choice in enumerate(finding.choices[:6], 1)
    ]
    for key in _ORDER:
        value = finding.bindings.get(key)
        if value is not None:
            lines.append(
                display.clean(
                    f"{key}: {_shown(value.value)}  [{value.confidence}] {value.evidence}",
                    _WIDTH + 40,
                )
            )
    if finding.example:
        lines.append(f"  read from a line like: {display.clean(finding.example, 110)!r}")
    if finding.runners_up:
        lines.append(display.clean("  also printed: " + "; ".join(finding.runners_up), _WIDTH))
    if finding.answer != "nothing":
        lines.append(
            display.clean(
                f"seed: {finding.seed}; writes: "
                f"{', '.join(finding.outputs[:4]) or 'nothing found'}",
                _WIDTH,
            )
        )
    lines += [
        f"! {display.clean(w.text, _WIDTH + 20)}"
        for w in finding.warnings[: _MOST_LINES - len(lines) - 4]
    ]
    lines += [f"missing: {display.clean(m, _WIDTH)}" for m in finding.missing[:2]]
    lines += [display.clean(n, _WIDTH) for n in finding.notes[:2]]
    if written:
        lines.append(f"written: {display.clean(written, _WIDTH)}")
    return [*lines[: _MOST_LINES - 1], f"next: {_next(finding, root, written)}"]


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def as_yaml(finding: Finding) -> str:
    """loop.run.yaml with each value's evidence; empty where it would not be valid bindings."""
    chosen = {key: finding.bindings[key] for key in _ORDER if key in finding.bindings}
    for _ in range(len(chosen)):
        text = _yaml(finding, chosen)
        try:
            binding_files.parse(text, default_tag="check")
        except BindingsError as error:
            if error.key not in chosen or error.key in ("metric", "run_cmd", "editable_files"):
                return ""
            del chosen[error.key]
            continue
        except UsageError:
            return ""
        return text
    return ""


def _yaml(finding: Finding, chosen: dict[str, Value]) -> str:
    lines = [
        (
            "# Proposed by `agent-loops infer`. Each value has its evidence above it; "
            "mend what is wrong."
        )
    ]
    if finding.question:
        lines.append(f"# open question: {display.clean(finding.question, 200)}")
    lines += [f"#   {display.clean(choice, 160)}" for choice in finding.choices[:8]]
    for key, value in chosen.items():
        lines.append(f"# {value.confidence}: {display.clean(value.evidence, 200)}")
        lines.append(f"{key}: {files.dump_json(_safe(value.value))}")
    lines += [f"# warning: {display.clean(w.text, 240)}" for w in finding.warnings]
    return "\n".join(lines) + "\n"
