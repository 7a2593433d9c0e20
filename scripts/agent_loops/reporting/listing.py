"""What was tried: all of it or what is asked for, the near misses, the dead ends, all in brief.

Writes nothing and takes no lock; judges nothing that was not judged when it was decided.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, NamedTuple

from agent_loops import answers, display
from agent_loops.answers import Answer
from agent_loops.loop import Loop
from agent_loops.reporting import compact, line_changes, near_misses, own_ledger, selecting, tried
from agent_loops.reporting.dashboard import row_text
from agent_loops.reporting.ledger import Ledger, Row
from agent_loops.reporting.selecting import Wanted
from agent_loops.reporting.tried import DeadEnd, Idea
from agent_loops.reporting.widths import cut, wrap

_COLUMNS = 80


class _View(NamedTuple):
    """What is shown of the rows: these of them, more for the JSON object, and the lines."""

    rows: Sequence[Row]
    values: Mapping[str, Any]
    lines: Sequence[str]


def history(run: Loop, wish: Wanted, *, view: str) -> Answer:
    """The experiments that are wanted. `view` is one of VIEWS, or "" for a list.

    What is near is judged over the whole campaign, dead ends over what is wanted.
    """
    ledger = own_ledger.of(run, datetime.now(timezone.utc))
    rows, notes = selecting.select(run, ledger.rows, wish)
    seen = VIEWS[view](run, ledger, rows)
    near = near_misses.measure(ledger.rows)
    values = {
        "schema": answers.SCHEMA,
        "experiments": [_values(run, row, is_near=near.is_near(row)) for row in seen.rows],
        **seen.values,
        "notes": notes,
    }
    lines = seen.lines if rows else [_nothing(ledger)]
    return Answer(values, [*lines, *(f"note: {note}" for note in notes)])


def _nothing(ledger: Ledger) -> str:
    if not ledger.rows:
        return "nothing tried yet"
    if len(ledger.rows) == 1:
        return "the experiment does not fit these filters: `agent-loops history` shows it"
    return f"none of the {len(ledger.rows)} fits these filters: `agent-loops history` lists all"


def _values(run: Loop, row: Row, *, is_near: bool) -> dict[str, Any]:
    """One experiment as JSON; the first nine keys are those that there always were."""
    item = run.campaign.experiments[row.number]
    return {
        "experiment": row.number,
        "status": row.status,
        "kind": row.kind,
        "metric": row.metric,
        "metric_name": run.campaign.metric_name(item),
        "delta": item.decided.delta if item.decided else None,
        "lines_added": row.lines_added,
        "lines_removed": row.lines_removed,
        "description": item.started.description,
        "gain": row.gain,
        "gain_interval": None if row.gain_low is None else [row.gain_low, row.gain_high],
        "near_miss": is_near,
        "base": row.base,
        "reason": row.reason,
        "wall_s": row.wall_s,
        "began": row.began_utc or None,
        "commit": row.commit,
    }


# --- views ----------------------------------------------------------------------------------------


def _all(_run: Loop, ledger: Ledger, rows: Sequence[Row]) -> _View:
    return _View(rows, {}, [cut(row_text(ledger, row), _COLUMNS) for row in rows])


def _near_misses(_run: Loop, ledger: Ledger, rows: Sequence[Row]) -> _View:
    """The nearest first."""
    wanted = {row.number for row in rows}
    near = [row for row in near_misses.of(ledger.rows) if row.number in wanted]
    rule = wrap(f"near misses: {near_misses.RULE}", _COLUMNS, _COLUMNS, 9)
    lines = [*rule, *(_near_line(ledger, row) for row in near)] if near else ["no near misses"]
    return _View(near, {"rule": near_misses.RULE}, lines)


def _near_line(ledger: Ledger, row: Row) -> str:
    by = "" if row.gain is None else f"{row.gain:+.3g}"
    text = ledger.text_of(row) or "-"
    return cut(f"#{row.number:<4} {text:>12} {by:>9}  {row.description}", _COLUMNS)


def _dead_ends(run: Loop, ledger: Ledger, rows: Sequence[Row]) -> _View:
    """What was tried several times in vain, the most often first."""
    found = tried.dead_ends(_ideas(run, ledger, rows))
    values = [
        {"name": item.name, "values": list(item.values), "since": item.since or None,
         "experiments": list(item.numbers)}
        for item in found
    ]  # fmt: skip
    lines = [_dead_line(item) for item in found]
    none = ["no dead ends: nothing failed three times over"]
    return _View(rows, {"dead_ends": values}, lines or none)


def _dead_line(item: DeadEnd) -> str:
    numbers = " ".join(f"#{number}" for number in item.numbers)
    return display.clean(f"{item.text}: {numbers}", 300)


def _compact(run: Loop, ledger: Ledger, rows: Sequence[Row]) -> _View:
    """All of it in a few kilobytes."""
    ideas = _ideas(run, ledger, rows)
    made = compact.render(ideas, [_head(ledger, rows)])
    values = {
        "compact": made.text,
        "left_out": made.left_out,
        "ideas": [_idea_values(idea) for idea in ideas],
    }
    return _View(rows, values, made.text.splitlines())


def _ideas(run: Loop, ledger: Ledger, rows: Sequence[Row]) -> list[Idea]:
    recent = {row.number for row in rows[-tried.MOST_DIFFS :]}
    return tried.ideas_of(rows, ledger.rows, line_changes.reader(run, recent))


def _head(ledger: Ledger, rows: Sequence[Row]) -> str:
    best = ledger.row(ledger.best)
    told = ", ".join(f"{count} {status}" for status, count in ledger.counts.items())
    better = "lower" if ledger.direction.sign > 0 else "higher"
    shown = f"{len(rows)} of " if len(rows) < len(ledger.rows) else ""
    many = display.counted(len(ledger.rows))
    said = f"{shown}{many} ({told}); {ledger.metric}, {better} is better"
    return said + (f"; best #{best.number} {ledger.text_of(best)}" if best is not None else "")


def _idea_values(idea: Idea) -> dict[str, Any]:
    return {
        "experiment": idea.row.number, "mark": idea.mark,
        "settings": [setting._asdict() for setting in idea.settings],
        "words": list(idea.words), "cause": idea.cause,
    }  # fmt: skip


VIEWS: dict[str, Callable[[Loop, Ledger, Sequence[Row]], _View]] = {
    "": _all, "near-misses": _near_misses, "dead-ends": _dead_ends, "compact": _compact,
}  # fmt: skip
