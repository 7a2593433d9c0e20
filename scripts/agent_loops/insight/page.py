"""Writes what a run's results say: `summary.json`, `findings.json`, `findings.md`, in their folder.

Computes no statistic itself, and draws nothing: the pictures are `pictures`'.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from agent_loops import files, result_files
from agent_loops.curves import Progress
from agent_loops.insight import layers, learning, machine_time, written
from agent_loops.insight.finding import Finding
from agent_loops.insight.samples import Samples, Step, mapping

SUMMARY = "summary.json"
FINDINGS = "findings.json"
PAGE = "findings.md"
_SHOWN = 6
_SOURCES = (layers, learning, machine_time)


class Page(NamedTuple):
    """An analysis: findings, the most unusual first; figures by name; notes on what is missing."""

    findings: Sequence[Finding]
    summary: Mapping[str, float]
    notes: Sequence[str]

    @property
    def faults(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.is_fault]


def analyse(
    samples: Samples, *, progress: Progress | None, metric: str, outputs: Path | None
) -> Page:
    """What a run's samples say.

    Args:
        samples: what lies in the results' folder; maybe nothing.
        progress: what the run's log showed, for where no probe was attached.
        metric: the metric's name, which is no training loss.
        outputs: the run's own folder, which may hold predictions and embeddings.
    """
    notes = list(samples.notes)
    if not samples.steps:
        samples = samples._replace(steps=_printed(progress, metric))
        seen = "what it printed is all that is known" if samples.steps else "no curve was printed"
        notes.append(f"the probe saw no training step: {seen}")
    found = [finding for source in _SOURCES for finding in source.findings(samples)]
    if outputs is not None:
        found += written.findings(outputs)
    summary = {key: value for source in _SOURCES for key, value in source.summary(samples).items()}
    for finding in found:
        summary.setdefault(finding.key, finding.value)
    ordered = sorted(found, key=lambda finding: -finding.severity)
    return Page(ordered, {k: v for k, v in summary.items() if math.isfinite(v)}, notes)


def _printed(progress: Progress | None, metric: str) -> list[Step]:
    """The curve of the loss that was printed most often, as steps."""
    if progress is None:
        return []
    curves = {name: curve for name, curve in progress.curves.items() if name != metric}
    points = max((curve.points for curve in curves.values()), key=len, default=())
    if len(points) < 2:
        return []  # the mean of all that was printed: no curve, and no value that was ever seen
    return [Step(number, at_s, value, math.nan) for number, (at_s, value) in enumerate(points)]


def write(results: Path, page: Page, before: Mapping[str, float]) -> None:
    """Writes it beside what it was read from. `before` are the incumbent's figures, maybe none.

    Raises:
        NoResult: the folder is a link.
    """
    summary = {key: _round(value) for key, value in sorted(page.summary.items())}
    for name, text in (
        (FINDINGS, files.dump_json(items(page, before), indent=1) + "\n"),
        (PAGE, _markdown(page, before)),
        (SUMMARY, files.dump_json(summary, indent=1) + "\n"),  # last: where it is, all is
    ):
        result_files.write(results.parent, f"{results.name}/{name}", text.encode())


def items(page: Page, before: Mapping[str, float]) -> list[dict[str, Any]]:
    """The findings as JSON has them."""
    return [
        {
            "key": finding.key, "value": _round(finding.value), "file": finding.file,
            "incumbent": _round(before.get(finding.key)), "text": finding.text,
            "means": finding.means, "severity": round(finding.severity, 1),
            "fault": finding.is_fault,
        }
        for finding in page.findings
    ]  # fmt: skip


def _round(value: float | None) -> float | None:
    return float(f"{value:.6g}") if value is not None and math.isfinite(value) else None


def read_summary(results: Path) -> dict[str, float]:
    """The figures of an earlier analysis; none where there is none."""
    return {
        key: float(value)
        for key, value in mapping(results / SUMMARY).items()
        if isinstance(value, (int, float))
    }


def _markdown(page: Page, before: Mapping[str, float]) -> str:
    rows = ["| | finding | value | incumbent | what it usually means | file |"]
    rows.append("|---" * 6 + "|")
    for finding in page.findings:
        known = before.get(finding.key)
        rows.append(
            f"| {'**fault**' if finding.is_fault else ''} | {_cell(finding.text)} | "
            f"`{finding.key}` {finding.value:.4g} | {'' if known is None else f'{known:.4g}'} | "
            f"{_cell(finding.means)} | {finding.file} |"
        )
    notes = [f"- {_cell(note)}" for note in page.notes]
    return "\n".join(["# Findings", "", *rows, "", *notes]).rstrip() + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "/")


def shown(page: Page, before: Mapping[str, float], folder: str) -> list[str]:
    """The lines that are printed: how many there are and where, then the most unusual."""
    faults = len(page.faults)
    head = f"{faults} fault{'' if faults == 1 else 's'}" if faults else "no fault"
    lines = [f"{head} in {len(page.findings)} findings; figures and tables in {folder}"]
    for number, finding in enumerate(page.findings[:_SHOWN], 1):
        known = before.get(finding.key)
        beside = "" if known is None else f" (incumbent {known:.3g})"
        mark = "FAULT " if finding.is_fault else ""
        lines.append(
            f"{number}. {mark}{finding.text}{beside} [{SUMMARY}:{finding.key}={finding.value:.4g}]"
            + (f": {finding.means}" if finding.is_fault or number <= 2 else "")
        )
    return lines + [f"note: {note}" for note in page.notes[:2]]
