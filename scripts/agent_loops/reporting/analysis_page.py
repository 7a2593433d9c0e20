"""The analysis as Markdown: the protocol's sections, and a marked place for the agent's words.

Works nothing out: figures are the ledger's and the lessons'. Texts from outside are shown as they
stand.
"""

from __future__ import annotations

from collections.abc import Sequence

from agent_loops import answers, display
from agent_loops.decide import CRASH, KEEP
from agent_loops.reporting import categories, gains, readings, reviews
from agent_loops.reporting.ledger import Ledger, Row
from agent_loops.reporting.lessons import Lessons
from agent_loops.reporting.markdown import escape, table
from agent_loops.reporting.patterns import Pattern

_MOST_NUMBERS = 12  # as the page


def render(ledger: Ledger, lessons: Lessons, reading: str = "") -> str:
    """The page. `reading` is the agent's, as `readings.of_page` found or `written` made it."""
    sections = {
        "Summary": _summary(ledger),
        "What Worked": _worked(ledger, lessons),
        "What Didn't Work": _did_not_work(ledger, lessons),
        "Crashes": [_pattern(item) for item in lessons.crashes],
        "Metric Progression": _progression(ledger),
        "Diminishing Returns": [escape(lessons.diminishing)],
        "To Review": _to_review(ledger, lessons),
        "What To Try Next": [f"- {escape(text)}" for text in lessons.suggestions],
        "Cost and Machine": _cost(ledger, lessons),
        "How Categories Were Chosen": [categories.RULE],
    }
    lines = [f"# Analysis of {escape(ledger.tag)}", ""]
    for title, body in sections.items():
        lines += [f"## {title}", "", *(body or ["Nothing."]), ""]
    return "\n".join([*lines, *readings.section(reading)])


def _summary(ledger: Ledger) -> list[str]:
    counts = ledger.counts
    lines = [
        f"{display.counted(len(ledger.rows))}: "
        + ", ".join(f"{count} {status}" for status, count in counts.items()),
        f"{escape(ledger.metric)}, to {ledger.direction.value}",
    ]
    for name, number in (("baseline", ledger.baseline), ("best", ledger.best)):
        if (row := ledger.row(number)) is not None:
            lines.append(f"{name}: {_told(ledger, row)}")
    if ledger.estimate is not None and ledger.incumbent != ledger.baseline:
        row = ledger.row(ledger.incumbent)
        estimate = answers.format_metric(ledger.estimate, [row.text if row else "", ""])
        lines.append(f"estimated, as the gain is: #{ledger.incumbent} {estimate}")
    lines += _gain(ledger)
    if ledger.sentence:
        since = "" if ledger.is_confirmed else " (of an earlier best)"
        lines.append(f"the claim{since}: **{escape(ledger.sentence)}**")
    elif ledger.standing:
        lines.append(escape(ledger.standing))
    lines.append(f"the campaign is {escape(ledger.state)}"
                 + (f": {escape(ledger.state_reason)}" if ledger.state_reason else ""))  # fmt: skip
    lines += [escape(note) for note in ledger.notes]
    return [f"- {line}" for line in lines]


def _gain(ledger: Ledger) -> list[str]:
    if not ledger.kept or not (said := gains.in_words(ledger)):
        return []
    return [f"gain as recorded: {said}" + ("" if ledger.claim else ", noise not known")]


def _worked(ledger: Ledger, lessons: Lessons) -> list[str]:
    """A table of all categories, then the kept ideas of each."""
    rows = [
        (item.name, str(item.tried), str(item.kept), f"{item.gain:.4g}" if item.largest else "",
         f"#{item.largest.number} ({item.largest.gain:.4g}) {escape(item.largest.description)}"
         if item.largest else "")
        for item in lessons.categories
    ]  # fmt: skip
    lines = table(("category", "tried", "kept", f"gained{ledger.since}", "largest win"), rows)
    for item in lessons.categories:
        kept = [row for row in lessons.progression if lessons.category_of[row.number] == item.name]
        if kept:
            lines += ["", f"{item.name}:", "", *(f"- {_told(ledger, row)}" for row in kept)]
    return lines


def _did_not_work(ledger: Ledger, lessons: Lessons) -> list[str]:
    lines = [_pattern(item) for item in (*lessons.failed, *lessons.dead_ends)]
    if lessons.near_misses:
        lines += [""] if lines else []
        lines += ["Near misses, which might help together with something else:", ""]
        lines += [f"- {_told(ledger, row)}" for row in lessons.near_misses]
    return lines


def _progression(ledger: Ledger) -> list[str]:
    rows = [row for row in ledger.rows if row.status == KEEP and (row.is_baseline or row.is_idea)]
    return table(
        ("#", ledger.metric.replace("|", "\\|"), "gain", "90% interval", "running best", "change"),
        [
            (str(row.number), escape(ledger.text_of(row)) or "-", _number(row.gain), _interval(row),
             _number(row.best), escape(row.description))
            for row in rows
        ],
    )  # fmt: skip


def _to_review(ledger: Ledger, lessons: Lessons) -> list[str]:
    about_all = reviews.of_all(ledger)
    lines = [f"- all: {escape(about_all)}"] if about_all else []
    return lines + [f"- {_told(ledger, row)}: {escape(why)}" for row, why in lessons.to_review]


def _cost(ledger: Ledger, lessons: Lessons) -> list[str]:
    told = (
        *lessons.cost, *ledger.machine.items(), *ledger.environment.items(),
        *ledger.settings.items(), ("from", ledger.source),
    )  # fmt: skip
    return [f"- {escape(label)}: {escape(text)}" for label, text in told if text]


def _told(ledger: Ledger, row: Row) -> str:
    value = f" {escape(ledger.text_of(row))}" if row.text and row.status != CRASH else ""
    return f"#{row.number}{value} {escape(row.description)}"


def _pattern(item: Pattern) -> str:
    return f"- {escape(item.text)} ({_named(item.numbers)})"


def _named(numbers: Sequence[int]) -> str:
    shown = ", ".join(f"#{number}" for number in numbers[:_MOST_NUMBERS])
    more = len(numbers) - _MOST_NUMBERS
    return f"{shown} and {more} more" if more > 0 else shown


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _interval(row: Row) -> str:
    if row.gain_low is None or row.gain_high is None:
        return ""
    return f"{row.gain_low:.3g} to {row.gain_high:.3g}"
