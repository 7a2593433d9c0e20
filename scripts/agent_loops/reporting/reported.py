"""`agent-loops report`: picture, page, analysis and summary of a campaign, or of a table.

Measures and decides nothing, and takes no lock of the campaign: it may run beside a run.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path

from agent_loops import __version__, answers, campaigns, claimed, display, files
from agent_loops.answers import Answer
from agent_loops.errors import UsageError
from agent_loops.loop import Loop
from agent_loops.objective import Direction
from agent_loops.paths import CampaignPaths, ReportPaths
from agent_loops.reporting import (
    analysis_page,
    contexts,
    details,
    foreign_ledger,
    lessons,
    own_ledger,
    progress_picture,
    readings,
    report_folder,
    report_page,
    summary_file,
)
from agent_loops.reporting.changes import Change
from agent_loops.reporting.ledger import Ledger
from agent_loops.reporting.report_page import Made, Page


def of_campaign(run: Loop, reading: str | None = None) -> Answer:
    """Writes the report of the project's campaign; a `reading` replaces the agent's last one."""
    now = datetime.now(timezone.utc)
    # An agent may read these files: they say of a holdout what it may see.
    seen = Loop(run.store, run.workspace.root, claimed.as_agent(run.workspace.environ))
    ledger = own_ledger.of(seen, now)
    detail_of = details.reader(run.workspace)
    context = contexts.in_words(run.workspace.environ, (row.session for row in ledger.rows))
    learnt = lessons.learn(ledger, lambda number: detail_of(number).change, context)
    paths = ReportPaths(run.store.paths.report)
    page = Page(ledger, learnt, Made("agent-loops report", now, __version__), detail_of)
    _write(paths, page._replace(reading=_reading(paths, ledger, reading, run.workspace.environ)))
    confirmed, standing = claimed.standing(run.workspace)
    claim = str(confirmed["sentence"]) if confirmed else standing
    answer = _answer(ledger, claim, run.workspace.shown(paths.root))
    return answer if reading is None else _with_reading(answer)


def of_table(
    table: Path,
    *,
    metric: str | None,
    direction: str | None,
    reading: str | None,
    environ: Mapping[str, str],
) -> Answer:
    """Writes the report of another tool's table: into the folder of the project's campaign where
    there is one, since a file beside the code counts as one that joined it; else into `report/`.

    Raises:
        AgentLoopsError: the table cannot be read; the message names line and column.
        Refused: files of these names lie there that no report wrote.
    """
    ledger = foreign_ledger.read(table, Direction(direction) if direction else None, metric)
    paths = ReportPaths(_folder_for(table))
    report_folder.refuse_foreign(paths)
    words = ["agent-loops", "report", str(table)]
    words += ["--metric", metric] if metric else []
    words += ["--direction", direction] if direction else []
    made = Made(display.clean(shlex.join(words), 200), datetime.now(timezone.utc), __version__)
    learnt = lessons.learn(ledger, lambda _: Change())
    page = Page(ledger, learnt, made, reading=_reading(paths, ledger, reading, environ))
    _write(paths, page)
    answer = _answer(ledger, ledger.standing, str(paths.root))
    return answer if reading is None else _with_reading(answer)


def _folder_for(table: Path) -> Path:
    try:
        root = campaigns.find_root(campaigns.find_project(Path.cwd()))
    except UsageError:
        root = None
    if root is None:
        return Path("report")
    return Path(os.path.relpath(CampaignPaths(root).table_report(table.name)))


def _write(paths: ReportPaths, page: Page) -> None:
    ledger, learnt = page.ledger, page.lessons
    summary = files.dump_json(summary_file.values(ledger, learnt), indent=1)
    analysis = analysis_page.render(ledger, learnt, page.reading)
    report_folder.write(paths, {
        paths.picture: progress_picture.png(ledger),
        paths.page: report_page.render(page).encode("utf-8", "replace"),
        paths.analysis: analysis.encode("utf-8", "replace"),
        paths.summary: f"{summary}\n".encode("utf-8", "replace"),
    })  # fmt: skip


def _reading(
    paths: ReportPaths, ledger: Ledger, text: str | None, environ: Mapping[str, str]
) -> str:
    """The agent's reading as it is kept; without a `text` what it wrote before."""
    if text is not None:
        secrets = display.secret_values(environ)
        return readings.written(text, experiments=len(ledger.rows), secrets=secrets)
    return report_folder.reading(paths)


def _with_reading(answer: Answer) -> Answer:
    return answer._replace(lines=[*answer.lines, "reading put into analysis.md and report.html"])


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
        f"{ledger.tag} ({ledger.state}): {display.counted(len(ledger.rows))}: {told}",
        claim or "nothing gained yet, so there is nothing to claim",
        f"open {folder}/{names[0]}",
        f"beside it: {', '.join(names[1:])}",
    ]
    return Answer(values, lines)
