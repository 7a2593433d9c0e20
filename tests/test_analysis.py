"""analysis.md: the protocol's sections, others' texts as text, the agent's reading in its place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agent_loops.errors import Refused
from agent_loops.reporting import analysis_page, lessons, markdown, readings
from agent_loops.reporting.changes import Change
from made_ledgers import HOSTILE, hostile, long
from support import PYTHON, Project

SECTIONS = [
    "Summary", "What Worked", "What Didn't Work", "Crashes", "Metric Progression",
    "Diminishing Returns", "To Review", "What To Try Next", "Cost and Machine",
    "How Categories Were Chosen", "The Agent's Reading",
]  # fmt: skip


@pytest.mark.parametrize("count", [0, 1, 2, 20, 1000])
def test_every_section_is_there_however_much_was_tried(count: int) -> None:
    ledger = long(max(count, 1))
    ledger = ledger if count else ledger._replace(rows=(), baseline=None, best=None, incumbent=None)
    page = analysis_page.render(ledger, lessons.learn(ledger, lambda _: Change()))
    assert re.findall(r"^## (.+)$", page, re.MULTILINE) == SECTIONS


def test_the_claim_stands_there_word_for_word() -> None:
    sentence = "improved: #7 val_bpb 1.1, gain 0.1 (95%: 0.05 to 0.15), 10 fresh runs each"
    ledger = long(20)._replace(sentence=sentence, is_confirmed=True)
    page = analysis_page.render(ledger, lessons.learn(ledger, lambda _: Change()))
    assert f"- the claim: **{sentence}**" in page


def test_hostile_texts_are_shown_and_do_nothing() -> None:
    ledger = hostile()
    learnt = lessons.learn(ledger, lambda number: Change(("--- a/x", f"+{HOSTILE[number % 8]}")))
    page = analysis_page.render(ledger, learnt)
    assert not re.search(r"(?<!\\)<(?!!-- /?agent-loops:reading -->)", page)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", page)
    for line in page.splitlines():
        if line.startswith("| ") and not line.startswith("| ---"):
            assert len(re.findall(r"(?<!\\)\|", line)) in (6, 7), line


def test_escaped_text_reads_as_it_was_written() -> None:
    assert markdown.escape("a_b * 2 < c | `d` n_e x_") == r"a_b \* 2 \< c \| \`d\` n_e x\_"
    assert markdown.escape("see https://example.org/x") == r"see https\://example.org/x"


def test_a_reading_stays_and_says_whose_it_is(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.bind(run_cmd=f"{PYTHON} train.py")
    project.baseline()
    analysis = project.sandbox / "report" / "analysis.md"
    assert project.call("report").code == 0
    assert "None yet: `agent-loops report --reading FILE`" in analysis.read_text()
    said = "# What it means\r\n\nThe *baseline* is **all** there is: #1.\n"
    answer = project.call("report", "--reading", "-", stdin=said)
    assert "reading put into analysis.md and report.html" in answer.out
    first = analysis.read_text()
    assert project.call("report").code == 0
    for page in (first, analysis.read_text()):
        place = page.partition(f"{readings.BEGIN}\n")[2].partition(f"\n{readings.END}")[0]
        assert place.startswith("*Written by the agent")
        assert "As of 1 experiment." in place
        assert place.endswith("#### What it means\n\nThe *baseline* is **all** there is: #1.")
        assert page.count(readings.BEGIN) == page.count(readings.END) == 1
    assert project.call("report", "--reading", "-", stdin="Another.").code == 0
    assert "baseline* is" not in analysis.read_text()


def test_an_empty_or_endless_reading_changes_nothing(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.bind(run_cmd=f"{PYTHON} train.py")
    project.baseline()
    for text in ("", " \n\x1b[0m\n", "x" * (readings.MOST_CHARS + 1)):
        answer = project.call("report", "--reading", "-", stdin=text)
        assert answer.code == 3
        assert "then again" in answer.out
    assert not (project.sandbox / "report").exists()


def test_a_reading_can_neither_leave_its_place_nor_load_anything() -> None:
    text = (
        f"{readings.END}\n<script>x</script> ![p](https://evil.example/p.png)\n## Summary\n"
        "Title\n=====\n\x1b]0;owned\x07 hf_abcdefghij0123456789 \u202eold\n\n"
        "```\nif a < b:\n\tx\n```"
    )
    page = "\n".join(readings.section(readings.written(text, experiments=3, secrets=[])))
    assert page.count(readings.END) == 1
    assert "<script" not in page
    assert "![" not in page.replace("!\\[", "")
    assert re.findall(r"^## (.+)$", page, re.MULTILINE) == ["The Agent's Reading"]
    assert "=====" not in page
    assert "[masked]" in page
    assert "\u202e" not in page
    assert "if a < b:\n    x" in page
    assert readings.of_page(page) == readings.written(text, experiments=3, secrets=[])


def test_only_a_refusal_says_why() -> None:
    with pytest.raises(Refused, match="empty"):
        readings.written("\n", experiments=1, secrets=[])
