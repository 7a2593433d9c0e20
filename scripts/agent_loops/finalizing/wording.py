"""The figures and descriptions of experiments in words that a code host shows as they are; pure.

Chooses nothing: which experiments are told of is for `messages` and `pull_request`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from agent_loops import answers, decide, display
from agent_loops.reporting.ledger import Ledger, Row

_NUMBER_SIGN = re.compile(r"#(?=\d)")


def plain(text: str, secrets: Sequence[str], limit: int = 400) -> str:
    """One clean line without secrets; `#7` would be an issue of the repository's, and closed."""
    return _NUMBER_SIGN.sub("no. ", masked(text, secrets, limit))


def masked(text: str, secrets: Sequence[str], limit: int = 2000) -> str:
    """One clean line without secrets, word for word."""
    return display.cut(display.mask(display.one_line(text), secrets), limit)


def code(text: str) -> str:
    """A clean line as code in Markdown, where neither markup, links nor names mean anything."""
    runs = [len(run) for run in re.findall(r"`+", text)]
    fence = "`" * (max(runs, default=0) + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}" if text else ""


def gain(row: Row) -> str:
    """`gain 0.0134, 90% interval 0.012 to 0.015, 97% sure to be better`; "" where none is known."""
    if row.gain is None:
        return ""
    word = "gain" if row.gain >= 0 else "loss"
    low, high = row.gain_low, row.gain_high
    if low is None or high is None or row.probability is None:
        return f"{word} {abs(row.gain):.4g}"
    if low == high:
        return f"{word} {abs(row.gain):.4g}, no noise seen"
    if row.gain < 0:
        low, high = -high, -low
    sure = decide.percent(row.probability)
    return f"{word} {abs(row.gain):.4g}, 90% interval {low:.3g} to {high:.3g}, {sure} to be better"


def change(ledger: Ledger, before: Row | None, row: Row) -> str:
    """`val_bpb 2.2549 -> 2.0087`, or the value alone where there is nothing to compare with."""
    metric = row.metric_name or ledger.metric
    if before is None or not before.text or before.epoch != row.epoch:
        return f"{metric} {row.text}" if row.text else ""
    return f"{metric} {before.text} -> {row.text}"


def overall(ledger: Ledger, confirmed: Mapping[str, Any] | None) -> str:
    """`val_bpb 2.2549 -> 2.0087`: as confirmed, else as estimated, which is said.

    `confirmed` is the claim of the present best, None without one.
    """
    first, last = ledger.row(ledger.baseline), ledger.row(ledger.incumbent)
    assert last is not None
    if confirmed is not None and confirmed.get("mean") is not None:
        ends, verdict = (confirmed["baseline_mean"], confirmed["mean"]), confirmed["verdict"]
        mark = "" if verdict == "improved" else f" ({verdict})"
    else:
        gain, mark = ledger.claim.gain if ledger.claim else ledger.gain, " (not confirmed)"
        if first is None or first.metric is None or gain is None:
            return f"{change(ledger, first, last)}{mark}"
        ends = (first.metric, ledger.direction.worse_by(first.metric, -gain))
    old, new = (_number(end, row) for end, row in zip(ends, (first, last), strict=True))
    return f"{ledger.metric} {old} -> {new}{mark}"


def _number(value: float, row: Row | None) -> str:
    """As the row's reading was printed, where it is that."""
    if row is None or row.metric is None:
        return answers.format_metric(value, [])
    if math.isclose(value, row.metric, rel_tol=1e-9):
        return row.text
    return answers.format_metric(value, [row.text, ""])


def effort(row: Row) -> str:
    runs = f"{row.runs} run{'' if row.runs == 1 else 's'}"
    lines = f"+{row.lines_added} -{row.lines_removed} lines"
    return f"{runs}, {answers.duration(row.machine_s)} of the machine, {lines}"


def better(ledger: Ledger) -> str:
    return "lower is better" if ledger.direction.sign > 0 else "higher is better"


def counts(ledger: Ledger) -> str:
    """How many ideas were tried and what became of them."""
    ideas = ledger.ideas
    told = [row.status for row in ideas]
    out = told.count(decide.KEEP) - len(ledger.kept)
    again = f" ({out} taken out again)" if out else ""
    each = ", ".join(
        f"{told.count(status)} {word}"
        for status, word in ((decide.KEEP, f"kept{again}"), (decide.DISCARD, "discarded"),
                             (decide.CRASH, "crashed"))
    )  # fmt: skip
    return f"{len(ideas)} ideas tried: {each}"
