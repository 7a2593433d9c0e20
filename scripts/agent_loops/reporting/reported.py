"""`agent-loops report`: picture, page, analysis and summary of a campaign, written into a folder.

Measures and decides nothing, and takes no lock of the campaign: it may run beside a run.
"""

from __future__ import annotations

from datetime import datetime, timezone

from agent_loops import __version__, answers, claimed, files
from agent_loops.answers import Answer
from agent_loops.loop import Loop
from agent_loops.paths import ReportPaths
from agent_loops.reporting import (
    analysis_page,
    details,
    lessons,
    own_ledger,
    progress_picture,
    report_folder,
    report_page,
    summary_file,
)
from agent_loops.reporting.ledger import Ledger
from agent_loops.reporting.lessons import Lessons
from agent_loops.reporting.report_page import Made, Page


def of_campaign(run: Loop) -> Answer:
    """Writes the report of the project's campaign."""
    now = datetime.now(timezone.utc)
    # An agent may read these files: they say of a holdout what it may see.
    seen = Loop(run.store, run.workspace.root, {**run.workspace.environ, "CLAUDECODE": "1"})
    ledger = own_ledger.of(seen, now)
    detail_of = details.reader(run.workspace)
    learnt = lessons.learn(ledger, lambda number: detail_of(number).change)
    made = Made("agent-loops report", now, __version__)
    paths = ReportPaths(run.store.paths.report)
    _write(paths, Page(ledger, learnt, made, detail_of))
    confirmed, standing = claimed.standing(run.workspace)
    claim = str(confirmed["sentence"]) if confirmed else standing
    return _answer(ledger, claim, run.workspace.shown(paths.root))


def _write(paths: ReportPaths, page: Page) -> None:
    ledger, learnt = page.ledger, page.lessons
    summary = files.dump_json(summary_file.values(ledger, learnt), indent=1)
    report_folder.write(paths.root, {
        paths.picture: progress_picture.png(ledger),
        paths.page: report_page.render(page).encode("utf-8", "replace"),
        paths.analysis: _analysis(paths, ledger, learnt).encode("utf-8", "replace"),
        paths.summary: f"{summary}\n".encode("utf-8", "replace"),
    })  # fmt: skip


def _analysis(paths: ReportPaths, ledger: Ledger, learnt: Lessons) -> str:
    """The analysis, with the reading that somebody wrote at its end kept."""
    text = analysis_page.render(ledger, learnt)
    try:
        before = files.read_regular(paths.analysis).decode("utf-8", "replace")
    except OSError:
        return text
    reading = before.partition(analysis_page.READING)[2]
    return text.partition(analysis_page.READING)[0] + analysis_page.READING + (reading or "\n")


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
