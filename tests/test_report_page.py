"""The report: its picture, its page in a real browser, and the command that writes them."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from html.parser import HTMLParser
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import made_ledgers
from agent_loops import files
from agent_loops.objective import Direction
from agent_loops.paths import ReportPaths
from agent_loops.reporting import chart, diff_html, drawing, lessons, progress_picture, report_page
from agent_loops.reporting.changes import Change
from agent_loops.reporting.details import Detail
from agent_loops.reporting.ledger import Ledger
from agent_loops.reporting.report_page import Made, Page
from browser import complaints, opened, size
from faults import Commands, Fault
from made_ledgers import HOSTILE
from support import Project, edit_block
from terminal import measured

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

MADE = Made("agent-loops report", datetime(2026, 3, 6, 7, 0, tzinfo=timezone.utc), "0.1.0")
NAMES = {"report.html", "progress.png", "analysis.md", "summary.json"}


def page_of(ledger: Ledger, read: Any = made_ledgers.detail, **more: Any) -> str:
    learnt = lessons.learn(ledger, lambda n: read(n).change if read else Change())
    return report_page.render(Page(ledger, learnt, MADE, read, **more))


def only_crashes() -> Ledger:
    whole = made_ledgers.long(9)
    rows = [
        row._replace(status="crash", metric=None, text="", gain=None, best=None, best_low=None,
                     best_high=None, is_baseline=row.number == 1)
        for row in whole.rows
    ]  # fmt: skip
    return whole._replace(
        rows=tuple(rows), baseline=None, incumbent=None, best=None, claim=None, gain=None,
        standing="",
    )  # fmt: skip


# ---- the picture -------------------------------------------------------------------------------

LEDGERS = {
    "none": made_ledgers.long(1)._replace(rows=(), claim=None, gain=None),
    "one": made_ledgers.long(1),
    "two": made_ledgers.long(2),
    "twenty": made_ledgers.long(20),
    "measured anew": made_ledgers.long(60, epochs=3),
    "larger is better": made_ledgers.long(60, direction=Direction.MAXIMIZE),
    "only crashes": only_crashes(),
    "hostile": made_ledgers.hostile(),
}


@pytest.mark.parametrize("name", LEDGERS)
def test_every_campaign_has_a_picture_without_a_display_and_without_a_warning(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    data = progress_picture.png(LEDGERS[name])
    assert data.startswith(b"\x89PNG")
    assert struct.unpack(">II", data[16:24]) == (1560, 850)


def test_what_has_no_value_is_never_drawn_as_one() -> None:
    told = chart.of(made_ledgers.long(300))
    without = [point for point in told.points if point.kind in chart.LANES]
    assert without
    assert all(point.y is None for point in without)
    assert {point.number for point in told.points} == set(range(1, 301))


def test_where_nothing_was_measured_there_is_no_scale() -> None:
    page = page_of(only_crashes())
    assert '<text class="tick" text-anchor="end"' in page  # the lane's name
    assert "measured yet" in page
    assert not drawing.of(chart.of(only_crashes()), width=1060, height=430, size=12,
                          most_labels=20).y_ticks  # fmt: skip
    assert not re.search(r'<i class="l (keep|best|base|discard)">', page)


@pytest.mark.parametrize("direction", Direction)
def test_an_outlier_is_at_the_edge_and_does_not_flatten_the_rest(direction: Direction) -> None:
    calm = made_ledgers.long(40, direction=direction)
    at = next(k for k, row in enumerate(calm.rows) if k > 20 and row.status == "discard")
    for far in (1e9, -1e9, 1e300, -1e300):
        rows = [*calm.rows]
        rows[at] = rows[at]._replace(metric=far)
        told = chart.of(calm._replace(rows=tuple(rows)))
        before = chart.of(calm)
        assert told.high - told.low <= 2 * (before.high - before.low)
        (point,) = (point for point in told.points if point.number == at + 1)
        assert (point.beyond, point.y) == ((1, told.high) if far > 0 else (-1, told.low))


def test_an_axis_is_of_one_metric_and_the_rest_is_named() -> None:
    whole = made_ledgers.long(60, epochs=3)
    assert chart.of(whole).separators == (21, 41)
    assert chart.of(whole).left_out == ""
    rows = [
        row._replace(metric_name="loss", metric=row.metric and 50.0)
        if not row.epoch else row
        for row in whole.rows
    ]  # fmt: skip
    mixed = whole._replace(rows=tuple(rows))
    told = chart.of(mixed)
    assert (told.first, told.last, told.separators) == (21, 60, (41,))
    assert told.high < 5
    assert {row.number for row in told.wins} <= set(range(21, 61))
    assert told.left_out == "not drawn: #1 to #20, which measured loss"
    assert told.left_out in html.unescape(page_of(mixed))
    nothing = chart.of(whole._replace(metric="acc", rows=tuple(
        row._replace(metric_name="val_bpb") for row in whole.rows
    )))  # fmt: skip
    assert nothing.points == ()
    assert "#1 to #60" in nothing.left_out
    assert progress_picture.png(mixed).startswith(b"\x89PNG")


@pytest.mark.parametrize("count", [20, 120, 1000])
def test_the_largest_wins_are_named_and_no_name_lies_over_another(count: int) -> None:
    told = chart.of(made_ledgers.long(count))
    sheet = drawing.of(told, width=1060, height=430, size=12, most_labels=20)
    assert 2 <= len(sheet.labels) <= 20
    assert told.wins[0].number in {label.number for label in sheet.labels}
    for one, other in combinations(sheet.labels, 2):
        assert not one.meets(other)
    assert all(label.box.inside(sheet.area) for label in sheet.labels)


@pytest.mark.parametrize(
    ("low", "high"), [(0.9, 1.3), (-1, 1), (0, 1e-9), (1e9, 1.0001e9), (-1e150, 1e150)]
)
def test_ticks_are_round_apart_and_within(low: float, high: float) -> None:
    found = chart.ticks(low, high, 6)
    assert 2 <= len(found) <= 13
    assert all(low - 1e-9 * abs(low) <= value <= high + 1e-9 * abs(high) for value, _ in found)
    if high < 1e9:
        assert len({text for _, text in found}) == len(found)


# ---- the page as text --------------------------------------------------------------------------


class Seen(HTMLParser):
    """What a reader of the page's markup meets: tags with their attributes, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_claim_stands_word_for_word_at_the_head() -> None:
    sentence = "improved: #13 val_bpb 2.4 → 1.3 in 5 fresh runs each (p < 0.0001)"
    ledger = made_ledgers.long(13)._replace(
        sentence=sentence, standing=f"confirmed {sentence}", confirmed="improved", is_confirmed=True
    )
    text = Seen(page_of(ledger)).text
    assert text.index(sentence) < text.index("Every experiment")
    later = ledger._replace(
        standing=f"confirmed {sentence}; the best is #14 now, which is not confirmed",
        is_confirmed=False,
    )
    text = Seen(page_of(later)).text
    assert "but not for the present best" in text
    assert text.count(sentence) == 1
    assert "the best is #14 now, which is not confirmed" in text


@pytest.mark.parametrize(
    ("name", "headline"),
    [
        ("none", "val_bpb: nothing tried yet"),
        ("one", "val_bpb: nothing gained yet"),
        ("only crashes", "val_bpb: no baseline yet"),
    ],
)
def test_a_campaign_without_a_gain_claims_none(name: str, headline: str) -> None:
    text = Seen(page_of(LEDGERS[name])).text
    assert headline in text
    assert "%) better" not in text


def test_nothing_is_said_of_what_is_not_there() -> None:
    none = LEDGERS["none"]._replace(baseline=None, standing="", refused=0, state="active")
    page = page_of(none)
    assert "Is it real?" not in page
    assert "0 kept" not in page
    assert "<code>agent-loops try baseline</code>" in page
    bare = made_ledgers.long(4)._replace(
        machine={}, environment={}, settings={},
        rows=tuple(row._replace(machine_s=0.0) for row in made_ledgers.long(4).rows),
    )  # fmt: skip
    page = page_of(bare, None)
    assert "A table of 4 experiments." in page
    assert "The campaign is finished" not in page
    assert "Machine and cost" not in page
    worked = page.partition("What worked")[2].partition("</table>")[0]
    assert "1 of 2" in worked
    assert "0 of" not in worked


def test_what_is_to_be_known_of_every_gain_stands_at_the_review() -> None:
    whole = made_ledgers.long(20)
    rows = tuple(row._replace(source="self-reported") for row in whole.rows)
    assert "val_bpb is self-reported by the code that is edited" in page_of(
        whole._replace(rows=rows)
    )


def test_a_gain_that_may_be_chance_is_called_so() -> None:
    ledger = made_ledgers.long(20)
    assert ledger.claim is not None
    unsure = ledger._replace(claim=ledger.claim._replace(low=-0.001))
    assert "which may be chance" in Seen(page_of(unsure)).text
    sure = ledger._replace(claim=ledger.claim._replace(low=0.001))
    assert "which may be chance" not in Seen(page_of(sure)).text


def test_the_page_loads_nothing_and_runs_only_what_stands_in_it() -> None:
    text = page_of(made_ledgers.hostile(), made_ledgers.hostile_detail)
    seen = Seen(text)
    policy = next(
        attributes["content"] or ""
        for tag, attributes in seen.tags
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert "http" not in policy
    for tag, attributes in seen.tags:
        assert tag not in ("link", "iframe", "object", "base", "form", "img")
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")]
        assert all((attributes.get(name) or "#").startswith("#") for name in ("href", "src"))


def test_texts_are_shown_as_they_are_and_never_as_markup_or_template() -> None:
    text = page_of(made_ledgers.hostile(), made_ledgers.hostile_detail)
    assert html.escape("<script>document.title='owned'</script>").replace("&#x27;", "&#39;") in text
    assert "{{ 7 * 7 }}" in text
    assert "49" not in Seen(re.sub(r"(?s)<svg.*?</svg>", "", text)).text[:300]
    assert text.count("<script>") == 2
    assert text.count("</script>") == 2
    assert "\x00" not in text


def test_hidden_characters_of_a_diff_are_shown() -> None:
    lines = ("+if access:\u202e }\u2066 // admin", "-a\x1b[31mred\x07", " \tkept\u200b")
    shown = diff_html.plain(lines, most_lines=9, most_chars=900).html
    assert "⟨202e⟩" in shown
    assert "⟨2066⟩" in shown
    assert "⟨200b⟩" in shown
    assert "\x1b" not in shown
    assert "ared⟨0007⟩" in shown


def test_a_long_diff_is_cut_and_the_command_for_the_rest_stands_there() -> None:
    lines = tuple(f"+line {k} of a change that goes on and on" for k in range(5000))

    def read(_: int) -> Detail:
        return Detail(Change(lines, ("train.py",)), "", "")

    text = page_of(made_ledgers.long(13), read)
    assert len(text) < 300_000
    assert re.search(r"4\d\d\d more lines: <code>agent-loops diff 2</code>", text)


@pytest.mark.parametrize("text", ["x = '''never closed", "\t\t)", "é\r", "def f(:", ""])
def test_highlighting_shows_every_line_whatever_the_code(text: str) -> None:
    lines = (
        "--- a/x.py",
        "+++ b/x.py",
        "@@ -1,3 +1,3 @@",
        f"-{text}",
        f"+{text}",
        "--- not a head",
    )
    shown = diff_html.highlighted(lines, most_lines=99, most_chars=9000)
    plain = diff_html.plain(lines, most_lines=99, most_chars=9000)
    assert Seen(shown.html).text == Seen(plain.html).text
    assert shown.left_out == 0
    assert (shown.html.count("<ins>"), shown.html.count("<del>")) == (1, 2)


def test_a_thousand_wordy_experiments_stay_within_three_megabytes() -> None:
    whole = made_ledgers.long(1000)
    wordy = [
        row._replace(description=row.description * 4, why="because " * 20, notes=("a note " * 12,))
        for row in whole.rows
    ]
    change = Change(tuple(f"+    self.layer_{k} = Linear(width, width)" for k in range(200)))

    def read(number: int) -> Detail:
        return Detail(change, "step 100 loss 3.2\n" * 30, f"sandbox/mar5/iter{number}/run.log")

    text = page_of(whole._replace(rows=tuple(wordy)), read)
    assert len(text.encode()) <= 3_000_000
    assert text.count("<ins>") > 3000  # something of every change is there


# ---- in a browser ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with opened(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def show(chromium: Chrome, tmp_path: Path) -> Any:
    """Opens a page at a width; what the console says of it fails the test."""

    def opens(text: str, *, width: int = 1280, at: str = "") -> Chrome:
        place = tmp_path / "a report.html"
        place.write_text(text, encoding="utf-8", errors="replace")
        size(chromium, width, 900)
        chromium.get("about:blank")
        chromium.get(f"{place.as_uri()}{at}")
        return chromium

    complaints(chromium)
    yield opens
    assert complaints(chromium) == []


def rows_shown(browser: Chrome) -> list[int]:
    shown = "[...document.querySelectorAll('#table tbody')].filter((body) => !body.hidden)"
    script = f"return {shown}.map((body) => body.id)"
    return [int(name[1:]) for name in browser.execute_script(script)]


def click(browser: Chrome, selector: str) -> None:
    browser.execute_script("document.querySelector(arguments[0]).click()", selector)


@pytest.mark.parametrize("width", [390, 1280])
def test_hostile_texts_are_text_at_either_width(show: Any, width: int) -> None:
    page = show(page_of(made_ledgers.hostile(), made_ledgers.hostile_detail), width=width)
    for number in range(1, 12):
        click(page, f"#e{number} .open")
    assert "owned" in page.title  # as the tag says it, not as its script would
    assert page.title.startswith("<script>")
    assert page.execute_script("return document.querySelectorAll('img, b.bold').length") == 0
    assert page.execute_script("return document.scripts.length") == 2
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
    body = page.execute_script("return document.getElementById('e1').textContent")
    assert HOSTILE[0] in body


def test_sorting_filtering_and_searching_answer(show: Any) -> None:
    ledger = made_ledgers.long(60)
    page = show(page_of(ledger))
    gains = {row.number: row.gain for row in ledger.rows}
    click(page, ".sort[data-key=gain]")
    told = [gains[number] for number in rows_shown(page)]
    known = [gain for gain in told if gain is not None]
    assert known == sorted(known)
    assert told[: len(known)] == known  # what has none comes last
    click(page, ".sort[data-key=gain]")
    assert [gains[number] for number in rows_shown(page)][: len(known)] == known[::-1]
    sorted_by = page.execute_script(
        "return [...document.querySelectorAll('[aria-sort]')].map(h => h.ariaSort + h.textContent)"
    )
    assert sorted_by == ["descendingGain"]
    click(page, ".filter[data-status=crash]")
    crashed = {row.number for row in ledger.rows if row.status == "crash"}
    assert set(rows_shown(page)) == crashed
    click(page, ".filter[data-status=all]")
    page.find_element("id", "search").send_keys("muon")
    assert set(rows_shown(page)) == {r.number for r in ledger.rows if "Muon" in r.description}
    assert page.find_element("id", "shown").text == f"{len(rows_shown(page))} of 60"


def test_search_reads_changes_that_nobody_opened_and_no_markup(show: Any) -> None:
    page = show(page_of(made_ledgers.long(30)))
    box = page.find_element("id", "search")
    box.send_keys("scale=17)")
    assert rows_shown(page) == [17]
    box.clear()
    box.send_keys("<ins>")
    assert rows_shown(page) == []


def test_the_keyboard_opens_an_experiment_with_its_change_in_colours(show: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    page = show(page_of(made_ledgers.long(13)))
    button = page.find_element("css selector", "#e2 .open")
    assert button.get_attribute("aria-expanded") == "false"
    button.send_keys(Keys.ENTER)
    assert button.get_attribute("aria-expanded") == "true"
    change = page.find_element("css selector", "#e2 pre.diff")
    assert "self.gate" in change.text
    added = change.find_element("css selector", "ins")
    removed = change.find_element("css selector", "del")
    colours = {item.value_of_css_property("background-color") for item in (added, removed)}
    assert len(colours) == 2
    assert page.find_element("css selector", "#e2 pre.log").is_displayed()
    button.send_keys(Keys.SPACE)
    assert not change.is_displayed()
    skip = page.find_element("css selector", ".skip")
    assert page.execute_script("return arguments[0].getBoundingClientRect().right < 0", skip)
    page.execute_script("arguments[0].focus()", skip)
    assert page.execute_script("return arguments[0].getBoundingClientRect().left >= 0", skip)


def test_a_link_to_an_experiment_opens_it(show: Any) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    page = show(page_of(made_ledgers.long(40)), at="#e30")
    assert page.find_element("css selector", "#e30 pre.diff").is_displayed()
    page.execute_script("location.hash = 'e3'")
    within = "return document.activeElement.closest('tbody')?.id"
    WebDriverWait(page, 20).until(lambda _: page.execute_script(within) == "e3")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_texts_stand_out_from_what_is_behind_them(show: Any, theme: str) -> None:
    page = show(page_of(made_ledgers.long(60)), at="#e2")
    features = [{"name": "prefers-color-scheme", "value": theme}]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    try:
        assert page.execute_script(CONTRAST) == []
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


# Texts with less than 4.5 between their colour and that of the first opaque box behind them.
CONTRAST = """
const parts = (css) => (css.match(/[\\d.]+/g) || []).map(Number);
const light = (c) => c.slice(0, 3).map((v) => v / 255)
  .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
  .reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0);
const behind = (node) => {
  for (let at = node; at; at = at.parentElement) {
    const colour = parts(getComputedStyle(at).backgroundColor);
    if (colour.length === 3 || colour[3] === 1) return colour;
  }
  return [255, 255, 255];
};
const poor = new Set();
for (const node of document.body.querySelectorAll('*')) {
  const own = [...node.childNodes].some((c) => c.nodeType === 3 && c.textContent.trim());
  if (!own || node.closest('svg, noscript, script, style') || !node.checkVisibility()) continue;
  const [a, b] = [light(parts(getComputedStyle(node).color)), light(behind(node))];
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (ratio < 4.5) poor.add(`${node.tagName}.${node.className}: ${ratio.toFixed(2)}`);
}
return [...poor];
"""


def test_without_scripts_everything_can_still_be_read() -> None:
    """As a reader without scripts parses it: what <noscript> holds is markup then."""
    text = page_of(made_ledgers.long(13))
    seen = Seen(text)
    assert sum(tag == "details" for tag, _ in seen.tags) >= 13
    assert "self.gate" in seen.text


def test_a_thousand_experiments_are_there_and_answer_within_a_second(show: Any) -> None:
    page = show(page_of(made_ledgers.long(1000)))
    script = "return performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
    assert float(page.execute_script(script)) < 5000  # a test's machine is busy; see benchmarks/
    click(page, ".sort[data-key=gain]")
    assert len(rows_shown(page)) == 1000


# ---- the command -------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return measured(tmp_path / "a project", tmp_path_factory)


def written(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".lock"}


def test_report_of_a_campaign_with_one_experiment_and_then_more(project: Project) -> None:
    answer = project.call("report")
    assert answer.code == 0, answer
    assert "open sandbox/t1/report/report.html" in answer.out
    assert len(answer.out.splitlines()) <= 6
    folder = project.sandbox / "report"
    assert set(written(folder)) == NAMES
    better = edit_block("train.py", "LR = 0.01", "LR = 0.02")
    assert project.ask("try", "LR 0.02", "--edit", "-", stdin=better)["status"] == "keep"
    broken = edit_block("train.py", "LR = 0.02", "LR = 1 / 0")
    assert project.ask("try", "broken <b>", "--edit", "-", stdin=broken)["status"] == "crash"
    answer = project.ask("report")
    assert answer.code == 0, answer
    assert answer["counts"] == {"keep": 2, "discard": 0, "crash": 1}
    text = (folder / "report.html").read_text()
    assert "broken &lt;b&gt;" in text
    assert "LR = <i class=" in text or "LR <i" in text
    assert json.loads((folder / "summary.json").read_text())["tag"] == "t1"


def test_report_without_a_campaign_names_the_next_command(tmp_path: Path) -> None:
    bare = Project(tmp_path / "bare")
    answer = bare.call("report")
    assert answer.code == 3
    assert "agent-loops setup" in answer.out + answer.err
    bare.setup()
    answer = bare.call("report")
    assert answer.code == 0, answer
    assert "nothing tried yet" in (bare.sandbox / "report" / "report.html").read_text()


def test_report_while_a_run_goes_on(project: Project) -> None:
    block = edit_block("train.py", "LR = 0.01", "LR = 0.01\nimport time; time.sleep(600)")
    answer = project.ask("try", "a slow one", "--wait-s", "0", "--edit", "-", stdin=block)
    assert answer["status"] == "running", answer
    try:
        done = project.call("report")
        assert done.code == 0, done
        text = (project.sandbox / "report" / "report.html").read_text()
        assert "Running when this page was made: #2, a slow one." in text
    finally:
        assert project.call("stop", "--kill").code == 0


@pytest.mark.parametrize("what", ["write"])  # to rename takes no room
def test_a_full_disk_leaves_the_report_as_it_was(project: Project, what: str) -> None:
    commands = Commands()
    try:
        assert commands(project, "report").code == 0
        folder = project.sandbox / "report"
        before = written(folder)
        project.call("note", "so that the next report differs")
        failed, step = 0, 1
        while True:
            answer = commands(project, "report", fault=Fault("full", 0, step, quiet=True, at=what))
            if not commands.struck:
                assert answer.code == 0, answer
                break
            assert "Traceback" not in answer.err
            if answer.code:
                failed += 1
                assert "no space left" in answer["reason"].lower()
                assert written(folder).keys() == before.keys()
                assert written(folder) == before
                assert files.leftovers(folder) == []
            step += 1
        assert failed > 2
    finally:
        commands.close()


TABLE = (
    "commit\tval_loss\tmemory_gb\tstatus\tdescription\r\n"
    "a1b2c3d\t3.25\t12.1\tkeep\tbaseline\r\n"
    "b2c3d4e\t3.10\t12.3\tkeep\twarm up <i>longer</i>\r\n"
    "c3d4e5f\t0.000000\t0.0\tcrash\tdouble the width\r\n"
)


def report_of(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "agent_loops", "report", *words]
    environ = {**os.environ, "PYTHONPATH": str(Path(report_page.__file__).parents[2])}
    return subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, check=False
    )


def test_a_table_in_a_project_joins_nothing_to_what_is_measured(project: Project) -> None:
    project.write("results of another.tsv", TABLE)
    done = project.call("report", "results of another.tsv")
    assert done.code == 0, done
    folder = project.sandbox / "report" / "tables" / "results of another.tsv"
    assert "open sandbox/t1/report/tables/results of another.tsv/report.html" in done.out
    assert set(written(folder)) == NAMES
    assert not (project.root / "report").exists()
    better = edit_block("train.py", "LR = 0.01", "LR = 0.02")
    assert project.ask("try", "LR 0.02", "--edit", "-", stdin=better)["status"] == "keep"


def test_only_what_a_report_wrote_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "results.tsv").write_text(TABLE)
    assert report_of(tmp_path, "results.tsv").returncode == 0
    assert report_of(tmp_path, "results.tsv", "--direction", "maximize").returncode == 0
    assert report_of(tmp_path, "results.tsv").returncode == 0
    own = tmp_path / "report" / "progress.png"
    own.write_bytes(b"a picture of the person's own")
    done = report_of(tmp_path, "results.tsv")
    assert done.returncode != 0
    assert "progress.png is there already" in done.stdout + done.stderr
    assert own.read_bytes() == b"a picture of the person's own"


def test_another_tools_table_is_reported_in_the_current_folder(tmp_path: Path) -> None:
    (tmp_path / "results.tsv").write_bytes(TABLE.encode())
    done = report_of(tmp_path, "results.tsv")
    assert done.returncode == 0, done
    assert "open report/report.html" in done.stdout
    assert set(written(tmp_path / "report")) == NAMES
    text = (tmp_path / "report/report.html").read_text()
    assert "val_loss: 0.15 (4.62%) better" in text
    assert "&lt;i&gt;longer" in text
    assert "agent-loops diff" not in text
    assert report_of(tmp_path, "results.tsv").returncode == 0  # its own report it may replace


def test_files_that_no_report_wrote_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "results.tsv").write_bytes(TABLE.encode())
    (tmp_path / "report").mkdir()
    (tmp_path / "report/analysis.md").write_text("my thesis")
    done = report_of(tmp_path, "results.tsv")
    assert done.returncode == 3
    assert "report/analysis.md" in done.stdout + done.stderr
    assert written(tmp_path / "report") == {"analysis.md": b"my thesis"}


@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_lock_of_another_is_not_written_into(tmp_path: Path, kind: str) -> None:
    (tmp_path / "results.tsv").write_bytes(TABLE.encode())
    (tmp_path / "report").mkdir()
    lock = ReportPaths(tmp_path / "report").lock
    own, text = (tmp_path / "mine", "") if kind == "link" else (lock, "my own\n")
    own.write_text(text)
    if kind == "link":
        lock.symlink_to(own)
    done = report_of(tmp_path, "results.tsv")
    assert done.returncode == 3, done
    assert "not as a report of agent-loops wrote it" in done.stdout + done.stderr
    assert own.read_text() == text
    assert not written(tmp_path / "report")


def test_a_table_that_cannot_be_read_says_where(tmp_path: Path) -> None:
    (tmp_path / "results.tsv").write_text(TABLE.replace("3.10", "three"))
    done = report_of(tmp_path, "results.tsv")
    assert done.returncode == 1
    assert "results.tsv:3" in done.stderr or "line 3" in done.stderr
    assert not (tmp_path / "report").exists()
    (tmp_path / "results.tsv").write_text(TABLE.replace("val_loss", "score"))
    assert "--direction" in report_of(tmp_path, "results.tsv").stderr
    done = report_of(tmp_path, "results.tsv", "--direction", "maximize")
    assert done.returncode == 0, done
    shutil.rmtree(tmp_path / "report")
