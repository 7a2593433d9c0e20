"""`agent-loops report`: picture, page, analysis and summary of a campaign, written into a folder.

Measures and decides nothing, and takes no lock of the campaign: it may run beside a run.
"""

from __future__ import annotations

from datetime import datetime, timezone

from agent_loops import __version__, answers, claimed, display, files
from agent_loops.answers import Answer
from agent_loops.loop import Loop
from agent_loops.paths import ReportPaths
from agent_loops.reporting import (
    analysis_page,
    details,
    lessons,
    own_ledger,
    progress_picture,
    readings,
    report_folder,
    report_page,
    summary_file,
)
from agent_loops.reporting.ledger import Ledger
from agent_loops.reporting.report_page import Made, Page


def of_campaign(run: Loop, reading: str | None = None) -> Answer:
    """Writes the report of the project's campaign; a `reading` replaces the agent's last one."""
    now = datetime.now(timezone.utc)
    # An agent may read these files: they say of a holdout what it may see.
    seen = Loop(run.store, run.workspace.root, {**run.workspace.environ, "CLAUDECODE": "1"})
    ledger = own_ledger.of(seen, now)
    detail_of = details.reader(run.workspace)
    learnt = lessons.learn(ledger, lambda number: detail_of(number).change)
    made = Made("agent-loops report", now, __version__)
    paths = ReportPaths(run.store.paths.report)
    said = (
        _reading(paths)
        if reading is None
        else readings.written(
            reading,
            experiments=len(ledger.rows),
            secrets=display.secret_values(run.workspace.environ),
        )
    )
    _write(paths, Page(ledger, learnt, made, detail_of), said)
    confirmed, standing = claimed.standing(run.workspace)
    claim = str(confirmed["sentence"]) if confirmed else standing
    return _answer(ledger, claim, run.workspace.shown(paths.root))


def _write(paths: ReportPaths, page: Page, reading: str) -> None:
    ledger, learnt = page.ledger, page.lessons
    summary = files.dump_json(summary_file.values(ledger, learnt), indent=1)
    report_folder.write(paths.root, {
        paths.picture: progress_picture.png(ledger),
        paths.page: report_page.render(page).encode("utf-8", "replace"),
        paths.analysis: analysis_page.render(ledger, learnt, reading).encode("utf-8", "replace"),
        paths.summary: f"{summary}\n".encode("utf-8", "replace"),
    })  # fmt: skip


def _reading(paths: ReportPaths) -> str:
    """What the agent wrote before; "" where there is none."""
    try:
        return readings.of_page(files.read_regular(paths.analysis).decode("utf-8", "replace"))
    except OSError:
        return ""


def _answer(ledger: Ledger, claim: str, folder: str) -> Answer:
    counts = ledger.counts
    told = ", ".join(f"{count} {status}" for status, count in counts.items())
    names = ["report.html", "progress.png", "analysis.md", "summary.json"]
    values = {
        "schema": answers.SCHEMA, "status": "written", "tag": ledger.tag, "state": ledger.state,
        "experiments": len(ledger.rows), "counts": counts, "claim": claim,
        "files": [f"{folder}/{name}" for name in names],
    }  # fmt: skip
    lines = [
        f"{ledger.tag} ({ledger.state}): {len(ledger.rows)} experiments: {told}",
        claim or "nothing gained yet, so there is nothing to claim",
        f"open {folder}/{names[0]}",
        f"beside it: {', '.join(names[1:])}",
    ]
    return Answer(values, lines)
