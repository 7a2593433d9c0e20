"""Writes the text of a pull request: what, measured how and on what, the claim, what failed; pure.

Claims nothing of its own: the sentence is the record's, word for word, as an agent may see it.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from agent_loops import answers, decide, display
from agent_loops.finalizing import wording
from agent_loops.reporting.ledger import Ledger, Row

_MOST_FAILED = 15
_SETTINGS = {
    "run_cmd": "Training", "eval_cmd": "Evaluation", "checks_cmd": "Checks before a keep",
    "editable_files": "Editable files", "keep_rule": "Rule for a keep",
    "compare": "Compared with the incumbent",
}  # fmt: skip
_SOURCES = {
    "evaluated": "The value is read from the evaluation command's own output.",
    "measured": "The value is measured from outside by agent-loops.",
    "self-reported": "The value is what the training script itself prints.",
}


class Commit(NamedTuple):
    """One commit of the branch, and the ideas in it, each with what it was compared with."""

    commit: str
    subject: str
    ideas: tuple[tuple[int, int | None], ...]


class Told(NamedTuple):
    """What the text tells beside the ledger.

    `overall` is what was gained in all, in words; `claim` is the confirmed sentence, "" without
    one, and `standing` what is to be known of it; `foreign` are harness files that the branch does
    not hold as they were measured; `rebaselines` the reasons of those; `dropped` what was taken out
    again, with the reason.
    """

    branch: str
    base: str
    commits: tuple[Commit, ...]
    overall: str
    claim: str
    standing: str
    foreign: tuple[str, ...] = ()
    rebaselines: tuple[str, ...] = ()
    dropped: tuple[tuple[int, str], ...] = ()


def render(ledger: Ledger, told: Told, secrets: Sequence[str]) -> str:
    """The text, in Markdown."""
    sections = [
        f"# {told.overall}, {wording.better(ledger)}\n",
        _section("What", _what(ledger, told)),
        _section("The claim", _claim(told, secrets)),
        _section("Measured how", _how(ledger, told, secrets)),
        _section("On what", _table(ledger.machine)),
        _section("What was tried and did not help", _failed(ledger, told)),
        _section("How to reproduce", _reproduce(ledger, told)),
    ]
    return "\n".join(section for section in sections if section)


def _section(title: str, lines: Iterator[str]) -> str:
    text = "\n".join(lines)
    return f"## {title}\n\n{text}\n" if text else ""


def _what(ledger: Ledger, told: Told) -> Iterator[str]:
    yield (
        f"{wording.counts(ledger)}, in campaign {wording.code(ledger.tag)} of agent-loops. Each "
        "figure is against the code as it was before that idea, by the readings that decided it. "
        "A gain with an interval is an estimate, smaller than the difference of two readings: what "
        "is chosen was lucky too."
    )
    yield ""
    for commit in told.commits:
        if not commit.ideas:
            yield f"- {wording.code(commit.commit[:12])} {commit.subject}"
        for number, compared_with in commit.ideas:
            row, before = ledger.row(number), ledger.row(compared_with)
            assert row is not None
            change = wording.change(ledger, before, row), wording.gain(row)
            said = _without(ledger, row) or ", ".join(filter(None, change))
            yield _item(row, commit.commit, said)


def _without(ledger: Ledger, row: Row) -> str:
    """What its last removal showed, which nothing was chosen by; "" without one."""
    for other in reversed(ledger.rows):
        measured = other.takes_back == row.number and other.epoch == ledger.rows[-1].epoch
        if measured and other.status == decide.DISCARD and (said := wording.gain(other)):
            return f"without it (experiment {other.number}) {said}"
    return ""


def _item(row: Row, commit: str, said: str) -> str:
    figures = ", ".join(filter(None, (said, wording.effort(row))))
    text = wording.code(row.description)
    return f"- {wording.code(commit[:12])} experiment {row.number}: {text}: {figures}"


def _claim(told: Told, secrets: Sequence[str]) -> Iterator[str]:
    if told.claim:
        yield "```text"
        yield wording.masked(told.claim, secrets)
        yield "```"
        yield ""
    if told.standing:
        yield told.standing


def _how(ledger: Ledger, told: Told, secrets: Sequence[str]) -> Iterator[str]:
    for key, label in _SETTINGS.items():
        if key in ledger.settings:
            yield f"- {label}: {wording.code(ledger.settings[key])}"
    row = ledger.row(ledger.incumbent)
    if row is not None and row.source in _SOURCES:
        yield f"- {_SOURCES[row.source]}"
    yield (
        f"- {sum(one.runs for one in ledger.rows)} runs, "
        f"{answers.duration(ledger.machine_s)} of the machine in all"
    )
    for why in told.rebaselines:
        yield (
            "- Bindings or harness were changed and the code measured anew, so that figures from "
            f"before do not compare with later ones: {wording.code(wording.masked(why, secrets))}"
        )
    if told.foreign:
        names = ", ".join(wording.code(path) for path in told.foreign)
        yield (
            "- **This branch does not hold these files as they were when it was measured**, since "
            f"the loop never commits what it may not edit: {names}"
        )


def _table(values: Mapping[str, str]) -> Iterator[str]:
    for key, value in values.items():
        yield f"- {wording.plain(key, ())}: {wording.code(value)}"


def _failed(ledger: Ledger, told: Told) -> Iterator[str]:
    for number, why in told.dropped:
        row = ledger.row(number)
        if row is not None:
            text, reason = wording.code(row.description), wording.code(why)
            yield f"- experiment {number}: {text}: kept at first, taken out again: {reason}"
    failed = [
        row for row in ledger.ideas
        if row.status != decide.KEEP and row.takes_back is None and row.kind != "repeat"
    ]  # fmt: skip
    # What nearly helped tells a reviewer more than what was far off, and crashes least.
    failed.sort(key=lambda row: (row.gain is None, -(row.gain or 0.0), row.number))
    for row in failed[:_MOST_FAILED]:
        said = wording.gain(row) or wording.code(display.cut(row.reason or row.kind, 120))
        text = wording.code(display.cut(row.description, 200))
        yield f"- experiment {row.number}: {text}: {row.status}, {said}"
    if len(failed) > _MOST_FAILED:
        yield f"- and {len(failed) - _MOST_FAILED} more, further behind or crashed"


def _reproduce(ledger: Ledger, told: Told) -> Iterator[str]:
    yield "```sh"
    yield f"git switch {shlex.quote(told.branch)}    # based on {told.base}"
    for key in ("run_cmd", "eval_cmd"):
        if ledger.settings.get(key):
            yield ledger.settings[key]
    yield "```"
    yield ""
    yield (
        "In the project that was measured, `agent-loops confirm` runs the best and the baseline "
        "again on fresh seeds and makes the claim anew."
    )
