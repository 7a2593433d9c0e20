"""`agent-loops status`: 80 columns and 1.5 KB whatever was written, and what it says of a run."""

from __future__ import annotations

import os
import pty
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_loops import campaigns, display
from agent_loops.loop import Loop
from agent_loops.reporting import (
    dashboard,
    dashboard_values,
    fitting,
    pace,
    printed_progress,
    sighting,
    widths,
)
from agent_loops.reporting.fitting import Item
from agent_loops.reporting.ledger import Row
from long_records import Tried, begun, lengthen
from support import PYTHON, Answer, Project, until

ODD = [
    "日本語の説明文" * 40, "🚀👩\u200d🔬🇩🇪" * 60, "e\u0301\u0302\u0303" * 200, "x" * 5000,
    "\u0645\u0631\u062d\u0628\u0627 " * 50, "\x1b[31mred\x1b[0m\x07 a\tb\r\nc \u202egnp.exe",
    "` $(rm) <b>&", "\u2764\ufe0f" * 100, "",
]  # fmt: skip


def loop_of(project: Project) -> Loop:
    found = campaigns.find_project(project.root)
    return Loop(campaigns.find_store(found), found.root, dict(os.environ))


def fits(answer: Answer, columns: int = 80) -> str:
    assert answer.code == 0, answer
    lines = answer.out.splitlines()
    assert max(map(widths.columns, lines)) <= columns, answer.out
    assert len(answer.out.encode()) <= 1501
    assert len(lines) <= 24
    return answer.out


# ---- size ----------------------------------------------------------------------------------------

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=300).map(display.one_line)
ITEMS = st.builds(
    Item, st.sampled_from(["", " ", "best", "confirmed"]), TEXTS | st.sampled_from(ODD),
    st.integers(0, 9), st.integers(1, 9),
)  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(st.lists(ITEMS, max_size=25), st.integers(24, 80), st.integers(200, 1500))
def test_any_texts_fit_and_what_matters_most_stays_longest(
    items: list[Item], columns: int, most_bytes: int
) -> None:
    items = [item._replace(text=display.one_line(item.text)) for item in items]
    items.append(Item("", "next: agent-loops try", 0))
    shown = fitting.fit(items, columns=columns, most_bytes=most_bytes, most_lines=24)
    assert all(widths.columns(line) <= columns for line in shown)
    assert len(shown) <= 24
    if shown:
        assert sum(len(line.encode()) + 1 for line in shown) <= most_bytes


def test_a_rank_is_left_out_before_a_lower_one() -> None:
    items = [Item("", f"{rank} " + "x" * 60, rank) for rank in (0, 5, 9, 5, 1)]
    for limit, left in ((400, "05951"), (260, "0551"), (200, "051"), (130, "01"), (70, "0")):
        shown = fitting.fit(items, columns=80, most_bytes=limit, most_lines=9)
        assert "".join(line[0] for line in shown) == left


@pytest.mark.parametrize(
    ("text", "columns"),
    [("abc", 3), ("日本", 4), ("e\u0301", 1), ("👩\u200d🔬", 2), ("❤\ufe0f", 2), ("é…→", 3)],
)
def test_columns_are_those_of_a_terminal(text: str, columns: int) -> None:
    assert widths.columns(text) == columns
    assert widths.cut(text * 30, 10).endswith("…")
    assert widths.columns(widths.cut(text * 30, 10)) <= 10


def test_hostile_words_everywhere_fit(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.bind(max_experiments=500, stop_after="9h", stop_at="07:30", target=0.1)
    begun(project)
    lengthen(project, [Tried(display.clean(text, 200), "keep", 0.1) for text in ODD])
    for text in ODD[:6]:
        project.call("note", text)
    project.write("prepare.py", project.read("prepare.py") + "# changed\n")
    out = fits(project.call("status"))
    for words in ("campaign t1  active", "experiments 11/500: 10 keep", "gain", "best      #3",
                  "in the way: the harness", "next: agent-loops try"):  # fmt: skip
        assert words in out, (words, out)
    assert out.replace("\u200d", "").replace("\n", "").isprintable()  # emoji are joined by it
    project.call("stop", "--why", ODD[0])
    assert "next: agent-loops resume" in fits(project.call("status"))
    value = project.ask("status")
    assert "x" * 150 in value["notes"][3]
    assert value["recent"][1]["description"].startswith("\u2764")


# ---- what it says --------------------------------------------------------------------------------

SLOW = (
    "import os, time\nLR = 0.01\nprint('step 25/100 loss 3.5', flush=True)\n"
    "while os.path.exists('../hold'): time.sleep(0.01)\nprint('val_bpb:', 1 + LR)\n"
)


def test_a_run_under_way_has_its_end_estimated_by_what_it_prints(tmp_path: Path) -> None:
    project = Project(tmp_path / "p", train=SLOW)
    project.baseline()
    (tmp_path / "hold").touch()
    project.edit("LR = 0.01", "LR = 0.001")
    project.ask("try", "slower", "--wait-s", "0")
    until(lambda: project.ask("status")["running"]["progress"])
    running = project.ask("status")["running"]
    assert (running["done"], running["estimated_by"]) == (0.25, "its own progress")
    assert running["left_s"] == pytest.approx(3 * running["elapsed_s"], abs=0.5)
    assert running["usual_s"] > 0
    out = fits(project.call("status"))
    assert "left by its own progress" in out
    assert "\n          step 25/100 loss 3.5\n" in out
    (tmp_path / "hold").unlink()
    project.ask("wait")


@pytest.mark.parametrize(
    ("line", "share"),
    [
        ("step 30/100", 0.3), ("epoch 3 of 10", 0.3), (" 45%|████  | 450/1000 [00:30<00:37]", 0.45),
        ("45.5% done", 0.455), ("[12/48] loss 2.1", 0.25), ("epoch 1/2 step 10/100", None),
        ("accuracy 91.2%, step 10/100", None), ("loss 2.1 lr 1/3e-4", None),
        ("2026/11/21 done", None),
        ("120%", None), ("http://1/2", None), ("", None), ("step 30", None),
    ],
)  # fmt: skip
def test_what_a_line_says_of_how_far_a_run_is(line: str, share: float | None) -> None:
    assert printed_progress.share_of(line) == share


def test_without_a_word_of_its_own_a_run_ends_as_earlier_ones_did() -> None:
    found = printed_progress.estimate(30, "loss 2", [50, 100, 3000])
    assert found == (70, 0.3, "earlier runs")
    assert printed_progress.estimate(200, "loss 2", [50, 100, 3000]) is None
    assert printed_progress.estimate(1, "step 1/100", [10]) == (9, 0.1, "earlier runs")
    assert printed_progress.estimate(1, "", []) is None


def test_the_pace_leaves_a_pause_out() -> None:
    began = datetime(2026, 1, 1, tzinfo=timezone.utc)

    def row(number: int, minute: int) -> Row:
        at = began + timedelta(minutes=minute)
        ended = at + timedelta(minutes=5)
        return Row(number, "keep", "", began_utc=at.isoformat(), ended_utc=ended.isoformat(),
                   machine_s=240)  # fmt: skip

    found = pace.of([row(1, 0), row(2, 6), row(3, 12), row(4, 600)])
    assert found is not None
    assert found.experiments_per_hour == pytest.approx(4 * 60 / 22)
    assert found.busy == pytest.approx(16 / 22)
    assert pace.of([row(1, 0)]) is None


def test_who_wakes_up_sees_that_nothing_runs_and_what_is_left(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.bind(max_experiments=10)
    begun(project)
    run = loop_of(project)
    later = datetime.now(timezone.utc) + timedelta(hours=3)
    sight = sighting.look(run, later)
    lines = dashboard.lines(run, sight)
    assert lines[0] == "campaign t1  active; nothing runs, for 3.0 h"
    value = dashboard_values.of(run, sight)
    assert value["pace"]["of_experiments"] == 2
    assert value["left_s"] == pytest.approx(
        8 / value["pace"]["experiments_per_hour"] * 3600, abs=0.1
    )
    assert "to go" in next(line for line in lines if line.startswith("pace"))
    assert [row["experiment"] for row in value["recent"]] == [2, 1]


@pytest.mark.parametrize("columns", [24, 30, 50])
def test_a_narrow_terminal_has_all_that_matters(tmp_path: Path, columns: int) -> None:
    project = begun(Project(tmp_path / "p"))
    run = loop_of(project)
    sight = sighting.look(run, datetime.now(timezone.utc))
    lines = dashboard.lines(run, sight, columns=columns, most_lines=12)
    assert len(lines) <= 12
    assert max(map(widths.columns, lines)) <= columns
    assert "next: agent-loops try" in " ".join(" ".join(lines).split())


# ---- in a terminal -------------------------------------------------------------------------------


def in_terminal(project: Project, *words: str, **environ: str) -> str:
    """What a command prints where its output is a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        project.command(*words), stdin=theirs, stdout=theirs, stderr=theirs, cwd=project.root,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", **environ},
    ) as process:  # fmt: skip
        os.close(theirs)
        seen = b""
        while True:
            try:
                seen += os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
        process.wait(60)
    os.close(ours)
    return seen.decode()


def test_a_terminal_has_colour_unless_it_is_told_not_to(tmp_path: Path) -> None:
    project = begun(Project(tmp_path / "p"))
    plain = project.call("status").out
    assert "\x1b" not in plain
    coloured = in_terminal(project, "status")
    assert "\x1b[32mactive" in coloured
    assert display.TERMINAL_CODES.sub("", coloured).replace("\r\n", "\n") == plain
    for environ in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert "\x1b[3" not in in_terminal(project, "status", **environ)
    assert "\x1b" not in in_terminal(project, "status", "--json")


def test_watching_without_a_terminal_names_the_command_that_answers_once(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.setup()
    answer = project.call("status", "--watch")
    assert (answer.code, answer.out) == (2, "")
    assert "`agent-loops status` answers once" in answer.err


def test_the_best_is_named_with_its_commit(tmp_path: Path) -> None:
    from support import commit_all

    project = Project(tmp_path / "p")
    project.bind(iter_strategy="branches", run_cmd=f"{PYTHON} train.py")
    commit_all(project.root)
    begun(project)
    commit = project.ask("status")["best_commit"]
    assert len(commit) == 7
    assert f"best      #1 1.165000  {commit}  baseline" in project.call("status").out
