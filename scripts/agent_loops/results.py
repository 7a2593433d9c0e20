"""Derives results.tsv from the campaign; notebooks of the protocol read it unchanged.

Never reads it back: the journal is the truth. One column holds one metric: what was measured by
another, before a rebaseline, is not in the table.
"""

from __future__ import annotations

from pathlib import Path

from agent_loops import decide, display, files
from agent_loops.experiments import Experiment
from agent_loops.state import Campaign


def header(campaign: Campaign) -> list[str]:
    """The column names: the protocol's five, and the extra ones where they were asked for."""
    bindings = campaign.bindings
    first = "commit" if bindings.iter_strategy == "branches" else "iter"
    extra = set(bindings.ledger_columns)
    extra |= {"analysis_summary"} if campaign.analysis_first else set()
    after_memory = ["duration_s"] if "duration_s" in extra else []
    before_text = [name for name in ("analysis_summary", "literature_basis") if name in extra]
    return [
        first, bindings.metric, "memory_gb", *after_memory, "status", *before_text, "description",
    ]  # fmt: skip


def row(campaign: Campaign, experiment: Experiment) -> list[str]:
    """One decided experiment's cells; a crash shows zeros, as the protocol has it.

    Another one without a reading was pruned: its metric is `nan`, lest a zero look like the best.
    """
    reading = experiment.last_reading
    crashed = experiment.verdict == decide.CRASH or reading is None
    metric, memory, seconds = "0.000000", "0.0", "0"
    finished = experiment.last_finished if crashed else reading
    if finished is not None and finished.wall_s is not None:
        seconds = f"{finished.wall_s:.0f}"
    if not crashed and reading is not None:
        metric = experiment.decided.metric_text if experiment.decided else reading.value_text
        memory = _memory(reading.memory_gb) if reading.memory_gb is not None else "0.0"
    if experiment.verdict != decide.CRASH and reading is None:
        metric = "nan"
    first = str(experiment.number)
    if campaign.bindings.iter_strategy == "branches":
        first = (experiment.commit or experiment.started.commit)[:7]
    cells = {
        "memory_gb": memory, "duration_s": seconds, "status": experiment.verdict,
        "analysis_summary": experiment.analysed.findings if experiment.analysed else "",
        "literature_basis": _basis(campaign, experiment),
        "description": experiment.started.description,
    }  # fmt: skip
    return [first, metric, *(cells[name] for name in header(campaign)[2:])]


def _basis(campaign: Campaign, experiment: Experiment) -> str:
    """The finding that it tried, and whose that is."""
    finding = campaign.finding(experiment.started.basis) if experiment.started.basis else None
    return display.clean(f"{finding.name} {finding.paper}", 200) if finding is not None else ""


def _memory(gb: float) -> str:
    """To a tenth, as the protocol has it; 0.0 is a crash, so a small run shows its megabytes."""
    return f"{gb:.1f}" if gb >= 0.1 else f"{gb:.3f}"


def render(campaign: Campaign) -> str:
    """The whole table, one line an experiment that was decided."""
    lines = ["\t".join(header(campaign))]
    lines += [
        "\t".join(row(campaign, experiment))
        for experiment in campaign.experiments.values()
        if experiment.verdict and experiment.number >= campaign.table_from
    ]
    return "\n".join(lines) + "\n"


def write(campaign: Campaign, path: Path) -> None:
    """Brings the file up to the campaign; a row that is there already is left alone.

    Usually one row is missing at the end, and is appended: a campaign may have ten thousand.
    """
    try:
        present = path.read_bytes()
    except FileNotFoundError:
        present = b""
    last = campaign.last
    if last is not None and not last.verdict:
        last = campaign.experiments.get(last.number - 1)
    if last is not None and last.number < campaign.table_from:
        last = None
    new = _line(row(campaign, last)) if last is not None else b""
    begins_right = present.startswith(_line(header(campaign)))
    missing = 1 + campaign.done - (campaign.table_from - 1) - present.count(b"\n")
    if begins_right and missing == 0 and present.endswith(b"\n" + new):
        return
    if begins_right and missing == 1 and last is not None and present.endswith(b"\n"):
        before = campaign.experiments.get(last.number - 1)
        if before is None or present.endswith(b"\n" + _line(row(campaign, before))):
            files.append(path, new)
            return
    rewrite(campaign, path)


def rewrite(campaign: Campaign, path: Path) -> None:
    """Writes the whole table: an earlier row has changed."""
    files.write_atomic(path, render(campaign).encode(), mode=0o644, durable=False)


def _line(cells: list[str]) -> bytes:
    return ("\t".join(cells) + "\n").encode()
