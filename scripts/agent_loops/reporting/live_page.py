"""The campaign's page as it stands at each moment, and what of it is new since a reader last asked.

Only reads, and only when it is asked. What an agent may not see of a holdout is not in it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from html import escape
from threading import Lock
from typing import Any
from urllib.parse import parse_qs

from agent_loops import __version__, campaigns, claimed, display, files, pointer
from agent_loops.curves import Curve
from agent_loops.errors import AgentLoopsError
from agent_loops.loop import Loop
from agent_loops.paths import ReportPaths
from agent_loops.progress import recorded
from agent_loops.reporting import (
    details,
    lessons,
    loss_svg,
    own_ledger,
    pace,
    page_parts,
    report_folder,
    report_page,
    under_way,
)
from agent_loops.reporting.details import Detail
from agent_loops.reporting.growing_log import GrowingLog
from agent_loops.reporting.ledger import OPEN, Ledger, Row
from agent_loops.reporting.page_server import Reply
from agent_loops.reporting.report_page import Live, Made, Page
from agent_loops.reporting.under_way import UnderWay

_REST = 4.0  # times as long as drawing took: it may not keep a processor busy


class LivePage:
    """The page of the project's campaign, whichever that is at the time."""

    def __init__(self, run: Loop) -> None:
        self._environ = claimed.as_agent(run.workspace.environ)
        self._project = run.store.project
        self._lock = Lock()
        self._run = Loop(run.store, run.workspace.root, self._environ)
        self._running = _Running()
        self._details = _Details()
        self._versions = page_parts.Versions()
        self._ledger: Ledger | None = None
        self._reading = ""
        self._category_of: Mapping[int, str] = {}
        self._page = ""
        self._problem = ""
        self._seen: list[object] = [None]
        self._rests_until_s = 0.0

    def reply(self, path: str, query: str) -> Reply | None:
        """The page, or what is new of it; None for any other path."""
        if path not in ("", "updates"):
            return None
        with self._lock:
            now = datetime.now(timezone.utc)
            self._look(now)
            if path == "":
                return Reply(self._page.encode("utf-8", "replace"), "text/html; charset=utf-8")
            values = self._new(parse_qs(query).get("seen", [""])[0], now)
        data = files.dump_json(values).encode("utf-8", "replace") if values else b""
        return Reply(data, "application/json")

    def _look(self, now: datetime) -> None:
        """Draws the page anew where the record has changed."""
        paths = self._run.store.paths
        files_seen = (self._project.active, paths.journal, ReportPaths(paths.report).analysis)
        seen: list[object] = [
            *map(files.mark, files_seen),
            pointer.state_word(self._run.campaign, now),
        ]
        if seen == self._seen or time.monotonic() < self._rests_until_s:
            return
        try:
            if seen[0] != self._seen[0]:
                store = campaigns.find_store(self._project)
                if store.paths != self._run.store.paths:
                    self._run = Loop(store, store.project.root, self._environ)
            self._run.store.refresh()
            self._draw(now)
            self._problem = ""
        except (AgentLoopsError, OSError) as error:
            self._problem = display.clean(str(error), 400)
        self._seen = seen

    def _draw(self, now: datetime) -> None:
        began_s = time.monotonic()
        ledger = own_ledger.of(self._run, now)
        reading = report_folder.reading(ReportPaths(self._run.store.paths.report))
        if (ledger, reading) == (self._ledger, self._reading):
            return
        detail_of = self._details.reader(self._run, ledger)
        learnt = lessons.learn(ledger, lambda number: detail_of(number).change)
        number = self._versions.number + 1
        made = Made("agent-loops serve", now, __version__)
        live = Live(
            _section(ledger, number),
            report_page.template("live.js"),
            report_page.template("live.css"),
        )
        self._page = report_page.render(Page(ledger, learnt, made, detail_of, reading, live))
        unchanged = _unchanged(self._ledger, ledger, self._category_of, learnt.category_of)
        self._versions.take(page_parts.split(self._page), unchanged=unchanged)
        self._ledger, self._reading, self._category_of = ledger, reading, learnt.category_of
        ended_s = time.monotonic()
        self._rests_until_s = ended_s + _REST * (ended_s - began_s)

    def _new(self, seen: str, now: datetime) -> dict[str, Any] | None:
        """All that a reader does not know yet who knows what `seen` stands for; None: nothing."""
        ledger = self._ledger
        running = self._running.look(self._run, now)
        told = {"now": running, "problem": self._problem}
        steady = {k: v for k, v in running.items() if not k.endswith("_s")} if running else None
        digest = files.sha256(files.dump_json([steady, self._problem]).encode("utf-8", "replace"))
        known, _, known_digest = seen.partition(".")
        version = int(known) if known.isascii() and known.isdigit() else 0
        if version == self._versions.number and known_digest == digest[:16]:
            return None
        parts = self._versions.after(version)
        return {
            **told, "seen": f"{self._versions.number}.{digest[:16]}",
            "tag": ledger.tag if ledger else "", "order": self._versions.order,
            "parts": parts.outline, "rows": parts.rows,
            "idle": _last(ledger, now) if ledger and not running else None,
        }  # fmt: skip


class _Running:
    """The run under way, with its curve and that of the incumbent."""

    def __init__(self) -> None:
        self._log: GrowingLog | None = None
        self._earlier: tuple[object, dict[str, Curve]] = None, {}

    def look(self, run: Loop, now: datetime) -> dict[str, Any] | None:
        found = under_way.look(run, now, latest=pace.LATEST)
        if found is None:
            self._log = None
            return None
        path = run.store.paths.log(found.experiment, found.run)
        if self._log is None or self._log.path != path:
            self._log = GrowingLog(path, run.campaign.bindings.metric_spec)
        name, svg = loss_svg.draw(self._log.look(found.elapsed_s), self._incumbents(run))
        return {**_told(run, found), "curve": name, "svg": svg}

    def _incumbents(self, run: Loop) -> dict[str, Curve]:
        """What the incumbent's last run printed; read once."""
        incumbent = run.campaign.incumbent
        measured = [one.number for one in incumbent.runs if one.reading] if incumbent else []
        if incumbent is None or not measured:
            return {}
        which = run.store.paths.root, incumbent.number, measured[-1]
        if which != self._earlier[0]:
            found = recorded(run.workspace, incumbent.number, measured[-1])
            self._earlier = which, dict(found[0].curves) if found else {}
        return self._earlier[1]


def _told(run: Loop, found: UnderWay) -> dict[str, Any]:
    started = run.campaign.experiments[found.experiment].started
    estimate = found.estimate
    return {
        "experiment": found.experiment,
        "description": display.clean(started.description, 300),
        "purpose": found.purpose,
        "run": found.run,
        "printed": found.printed,
        "elapsed_s": round(found.elapsed_s, 1),
        "left_s": round(estimate.left_s, 1) if estimate else None,
        "by": estimate.by if estimate else "",
        "usual_s": round(found.usual_s, 1) if found.usual_s else None,
    }


class _Details:
    """What lies in the experiments' files, read once for each that is settled."""

    def __init__(self) -> None:
        self._kept: dict[object, Detail] = {}

    def reader(self, run: Loop, ledger: Ledger) -> Callable[[int], Detail]:
        read, rows = details.reader(run.workspace), {row.number: row for row in ledger.rows}

        def detail_of(number: int) -> Detail:
            row = rows[number]
            key = ledger.tag, number, row.runs, row.code
            if row.status == OPEN:
                return read(number)
            if key not in self._kept:
                self._kept[key] = read(number)
            return self._kept[key]

        return detail_of


def _unchanged(
    before: Ledger | None, after: Ledger, was: Mapping[int, str], is_now: Mapping[int, str]
) -> set[str]:
    """The rows of which there is nothing new to say: changes are cut shorter as there are more."""
    if before is None or before.tag != after.tag:
        return set()
    rows: dict[int, Row] = {row.number: row for row in before.rows}
    return {
        f"e{row.number}"
        for row in after.rows
        if row.status != OPEN
        and rows.get(row.number) == row
        and was.get(row.number) == is_now.get(row.number)
    }


def _last(ledger: Ledger, now: datetime) -> dict[str, Any] | None:
    """What ran last, and how many seconds ago that ended; None where nothing has."""
    ended = [row for row in ledger.rows if row.ended_utc]
    if not ended:
        return None
    last = max(ended, key=lambda row: row.ended_utc)
    return {
        "experiment": last.number,
        "description": last.description,
        "status": last.status,
        "ended_s": max(0.0, (now - datetime.fromisoformat(last.ended_utc)).total_seconds()),
    }


def _section(ledger: Ledger, version: int) -> str:
    """The place of what changes from second to second; the page's script fills it."""
    html = report_page.template("live.html")
    return html.replace("VERSION", str(version)).replace("TAG", escape(ledger.tag))
