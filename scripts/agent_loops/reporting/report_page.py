"""The campaign as one HTML file that opens anywhere, offline; everything in it is escaped.

Works nothing out: figures are the ledger's and the lessons'. Writes no file.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from datetime import datetime
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from agent_loops import answers, display
from agent_loops.decide import CRASH, DISCARD, KEEP, percent
from agent_loops.reporting import categories, chart, diff_html, drawing, gains, pace, reviews
from agent_loops.reporting.details import Detail
from agent_loops.reporting.diff_html import Shown
from agent_loops.reporting.ledger import OPEN, Ledger, Row
from agent_loops.reporting.lessons import Lessons

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES = Path(__file__).with_name("templates")
_STATUSES = (KEEP, DISCARD, CRASH, OPEN)
_PAGE_CHARS = 2_150_000  # with what marks it up at most 3 MB at 1,000 experiments
_ROW_CHARS = 1000  # of markup and figures in each row
_KEPT_CHARS, _MOST_COLOURED = 120_000, 150  # of the changes that were kept, colours cost twice
_LOG_CHARS = 600
_MOST_REVIEWED = 30
# Control characters, and those that turn the direction of the text after them.
_HIDDEN = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufffe\uffff]")
_NOTHING, _MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"
_MOST_DETAILED = 2000
_MOST_LINES = 120
_FEWEST_CHARS, _MOST_CHARS = 300, 8000


class Made(NamedTuple):
    """How the page came about."""

    command: str
    at: datetime
    version: str


class Live(NamedTuple):
    """What a page that is served has besides: `section` is trusted HTML, shown under the head.

    `script` and `style` run in the page; `connect` is what they may connect to.
    """

    section: str = ""
    script: str = ""
    style: str = ""
    connect: str = "'self'"


class Detailed(NamedTuple):
    """An experiment's files as the page shows them. `problem` says why there is no change."""

    diff: Shown
    problem: str
    log: str
    log_name: str


class Page(NamedTuple):
    """All that a page tells. `detail_of` is None where there are no files: a foreign table.

    `reading` is what the agent wrote of it.
    """

    ledger: Ledger
    lessons: Lessons
    made: Made
    detail_of: Callable[[int], Detail] | None = None
    reading: str = ""
    live: Live | None = None


def render(page: Page) -> str:
    """The whole file."""
    ledger = page.ledger
    told = _Details(page)
    picture = chart.of(ledger)
    styles = [template("report.css")] + ([page.live.style] if page.live else [])
    scripts = [template("report.js")] + ([page.live.script] if page.live else [])
    early = "document.documentElement.className='js'"
    text = _environment().get_template("report.html.jinja").render(
        ledger=ledger, lessons=page.lessons, made=page.made, live=page.live, reading=page.reading,
        has_files=page.detail_of is not None, names=chart.NAMES,
        rule=categories.RULE, most_reviewed=_MOST_REVIEWED, statuses=_STATUSES,
        detail=told.of, chart=picture,
        wide=drawing.of(picture, width=1060, height=430, size=12, most_labels=20),
        narrow=drawing.of(picture, width=360, height=330, size=11, most_labels=6),
        headline=_headline(ledger), standing=_standing(ledger),
        gained=gains.in_words(ledger).replace("-", _MINUS) if ledger.kept else "",
        about_all=reviews.of_all(ledger), open_count=_open_count(ledger),
        pace=pace.in_words(went) if (went := pace.of(ledger.rows)) else "",
        open_row=next((row for row in ledger.rows if row.status == OPEN), None),
        early=early, styles=styles, scripts=scripts,
        policy=_policy(styles, [early, *scripts], page.live),
    )  # fmt: skip
    return _HIDDEN.sub("", text)


def _open_count(ledger: Ledger) -> int:
    return sum(row.status == OPEN and not row.is_rehearsal for row in ledger.rows)


def _headline(ledger: Ledger) -> str:
    """What was gained, in a line."""
    gain = ledger.claim.gain if ledger.claim else ledger.gain
    if gain is not None and gain > 0 and ledger.kept:
        by = f"{gains.amount(ledger)} better".replace("-", _MINUS)
        chance = ", which may be chance" if ledger.claim and ledger.claim.low <= 0 else ""
        return f"{ledger.metric}: {by}{chance}"
    if not ledger.rows:
        return f"{ledger.metric}: nothing tried yet"
    if ledger.baseline is None:
        return f"{ledger.metric}: no baseline yet"
    return f"{ledger.metric}: nothing gained yet"


def _standing(ledger: Ledger) -> str:
    """What is said beside the sentence of the claim, or in its place."""
    if not ledger.standing and not ledger.sentence:
        return "There is no gain to confirm." if ledger.rows else ""
    rest = ledger.standing.partition(ledger.sentence)[2] if ledger.sentence else ledger.standing
    return " ".join(rest.lstrip("; ").split())


def _policy(styles: list[str], scripts: list[str], live: Live | None) -> str:
    """Nothing runs but what stands in this file, nothing is loaded from anywhere."""
    rules = [
        "default-src 'none'",
        f"style-src {' '.join(map(_digest, styles))}",
        f"script-src {' '.join(map(_digest, scripts))}",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    return "; ".join([*rules, f"connect-src {live.connect}"] if live else rules)


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def template(name: str) -> str:
    """A file of the page as it lies in `templates`."""
    return (_TEMPLATES / name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters.update(
        duration=_duration, signed=signed, number=number, like=like, percent=percent, when=when,
        ticked=_ticked, raw=_trusted, memory=answers.memory,
    )  # fmt: skip
    environment.tests["number"] = lambda value: isinstance(value, int | float)
    return environment


def _trusted(html: str) -> Any:
    from markupsafe import Markup

    return Markup(html)


def _ticked(text: str) -> Any:
    """A message's `commands` in a font of their own; the rest as it stands."""
    return _trusted(re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text)))


def _duration(seconds: float | None) -> str:
    return _NOTHING if seconds is None else answers.duration(seconds)


def number(value: float | None) -> str:
    """A figure as people read it."""
    return _NOTHING if value is None else f"{value:.3g}".replace("-", _MINUS)


def like(value: float | None, text: str) -> str:
    """A figure with as many decimals as a reading was printed with, at most five."""
    if value is None:
        return _NOTHING
    plain = re.fullmatch(r"-?\d+(?:\.(\d+))?", text)
    if plain is None or abs(value) >= 1e7:
        return f"{value:.6g}".replace("-", _MINUS)
    return f"{value:.{min(len(plain[1] or ''), 5)}f}".replace("-", _MINUS)


def signed(value: float | None) -> str:
    """A gain or a loss, with its sign."""
    return _NOTHING if value is None else f"{value:+.3g}".replace("-", _MINUS)


def when(text: str) -> str:
    """A recorded time in this machine's time zone, which the page names once."""
    try:
        return datetime.fromisoformat(text).astimezone().strftime("%d %b %H:%M")
    except ValueError:
        return display.clean(text, 30)


class _Details:
    """Changes and logs as the page shows them: cut where the page would grow too large."""

    def __init__(self, page: Page) -> None:
        self._read = page.detail_of
        rows = page.ledger.rows
        newest = len(rows) - _MOST_DETAILED
        self._told = {
            row.number for at, row in enumerate(rows) if at >= newest or row.status == KEEP
        }
        room = _PAGE_CHARS - sum(_ROW_CHARS + _length(row) for row in rows)
        self._chars = _within(room // max(1, len(self._told)), _FEWEST_CHARS, _MOST_CHARS)
        kept = len(page.ledger.kept)
        self._of_kept = _within(_KEPT_CHARS // max(1, kept), self._chars, _MOST_CHARS)
        self._coloured = kept <= _MOST_COLOURED
        self._shown: dict[int, Detailed] = {}

    def of(self, row: Row) -> Detailed | None:
        """None where there is nothing of it in the page; `agent-loops diff` has it."""
        if self._read is None or row.number not in self._told:
            return None
        if row.number not in self._shown:
            found = self._read(row.number)
            log = display.cut(found.log, min(self._chars // 3, _LOG_CHARS))
            coloured = self._coloured and row.status == KEEP and not row.is_baseline
            make = diff_html.highlighted if coloured else diff_html.plain
            chars = self._of_kept if row.status == KEEP else self._chars - len(log)
            diff = make(found.change.lines, most_lines=_MOST_LINES, most_chars=chars)
            problem = found.change.problem
            self._shown[row.number] = Detailed(diff, problem, log, found.log_name)
        return self._shown[row.number]


def _length(row: Row) -> int:
    texts = (row.description, row.reason, row.why, row.risk, row.findings, row.predictions)
    return sum(map(len, (*texts, row.override_why, *row.notes)))


def _within(value: int, least: int, most: int) -> int:
    return min(max(value, least), most)
