"""Tables of results as other tools and people write them: read where plain, else said where not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from agent_loops.decide import CRASH, DISCARD, KEEP
from agent_loops.errors import AgentLoopsError
from agent_loops.objective import Direction
from agent_loops.reporting import (
    analysis_page,
    foreign_ledger,
    foreign_table,
    lessons,
    progress_picture,
    summary_file,
)
from agent_loops.reporting.changes import Change
from agent_loops.reporting.ledger import Ledger
from support import PYTHON, Project

HEAD = "commit\tval_bpb\tmemory_gb\tstatus\tdescription"
ROWS = (
    "a1b2c3d\t0.9979\t44.0\tkeep\tbaseline",
    "b2c3d4e\t0.9932\t44.2\tkeep\thigher lr",
    "c3d4e5f\t1.0050\t44.0\tdiscard\tGeLU",
    "d4e5f6a\t0.000000\t0.0\tcrash\ttwice as wide",
    "e5f6a7b\t0.9900\t40.0\tkeep\tless weight decay",
)


def table(tmp_path: Path, *lines: str, end: str = "\n", data: bytes | None = None) -> Path:
    path = tmp_path / "results.tsv"
    path.write_bytes(data if data is not None else end.join([*lines, ""]).encode())
    return path


def read(tmp_path: Path, *lines: str, end: str = "\n") -> Ledger:
    return foreign_ledger.read(table(tmp_path, *lines, end=end))


def told(ledger: Ledger) -> Sequence[tuple[str, float | None, float | None]]:
    return [(row.status, row.metric, row.memory_gb) for row in ledger.rows]


def test_the_plain_five_columns(tmp_path: Path) -> None:
    ledger = read(tmp_path, HEAD, *ROWS)
    assert (ledger.metric, ledger.direction) == ("val_bpb", Direction.MINIMIZE)
    assert (ledger.baseline, ledger.best, ledger.incumbent) == (1, 5, 5)
    assert ledger.counts == {KEEP: 3, DISCARD: 1, CRASH: 1}
    assert [row.number for row in ledger.kept] == [2, 5]
    assert ledger.gain == pytest.approx(0.0079)
    first, second, third, crash, last = ledger.rows
    assert first.is_baseline
    assert first.gain is None
    assert second.gain == pytest.approx(0.0047)
    assert third.gain == pytest.approx(-0.0118)
    assert (crash.metric, crash.text, crash.memory_gb) == (None, "", None)
    assert crash.best == second.metric
    assert (last.text, last.commit, last.base) == ("0.9900", "e5f6a7b", 2)
    assert "cannot tell a gain from noise" in ledger.standing


def test_the_extended_six_columns_with_baseline_as_a_status(tmp_path: Path) -> None:
    ledger = read(
        tmp_path,
        "commit\tval_loss\tmemory_gb\tduration_s\tstatus\tdescription",
        "a1b2c3d\t2.5\t4.0\t301\tbaseline\tas it is",
        "b2c3d4e\t2.4\t4.0\t300s\tkeep\tlr",
    )
    first, second = ledger.rows
    assert first.is_baseline
    assert (first.status, first.by_name) == (KEEP, "baseline")
    assert (first.wall_s, second.machine_s) == (301.0, 300.0)
    assert ledger.machine_s == 601.0


@pytest.mark.parametrize("end", ["\r\n", "\r", "\n\n"])
def test_line_ends_and_a_byte_order_mark_do_not_matter(tmp_path: Path, end: str) -> None:
    plain = told(read(tmp_path, HEAD, *ROWS))
    assert told(read(tmp_path, "\ufeff" + HEAD, *ROWS, end=end)) == plain


@pytest.mark.parametrize("separator", [",", " ", "  "])
def test_commas_and_blanks_in_place_of_tabs(tmp_path: Path, separator: str) -> None:
    plain = read(tmp_path, HEAD, *ROWS)
    ledger = read(tmp_path, *(line.replace("\t", separator) for line in (HEAD, *ROWS)))
    assert told(ledger) == told(plain)
    assert [row.description for row in ledger.rows] == [row.description for row in plain.rows]


def test_without_a_header_by_the_place_of_the_status(tmp_path: Path) -> None:
    path = table(tmp_path, *ROWS)
    with pytest.raises(AgentLoopsError, match="--direction minimize"):
        foreign_ledger.read(path)
    ledger = foreign_ledger.read(path, Direction.MINIMIZE)
    assert (ledger.metric, ledger.best) == ("metric", 5)


def test_missing_cells_are_missing_and_never_zero(tmp_path: Path) -> None:
    ledger = read(
        tmp_path, HEAD, ROWS[0], "b\t\t\tdiscard", "c\t-\tn/a\tdiscard\tx", "d\tnan\t\tcrash\ty",
        "e\t0.000000\t0.0\tdiscard\tended early",
    )  # fmt: skip
    assert told(ledger)[1:] == [(DISCARD, None, None)] * 2 + [
        (CRASH, None, None),
        (DISCARD, None, None),
    ]
    assert ledger.rows[1].description == ""


@pytest.mark.parametrize(
    ("word", "status"),
    [("KEEP", KEEP), ("kept", KEEP), ("reverted", DISCARD), ("Discarded", DISCARD),
     ("fail", CRASH), ("error", CRASH), ("crash (OOM)", CRASH)],
)  # fmt: skip
def test_other_words_for_a_status(tmp_path: Path, word: str, status: str) -> None:
    ledger = read(tmp_path, HEAD, ROWS[0], f"b\t0.5\t1.0\t{word}\tx")
    assert ledger.rows[1].status == status
    assert ledger.rows[1].by_name == ("" if word == word.lower() == status else word.lower()) or (
        word.lower() == status
    )


def test_other_columns_in_any_order_become_notes(tmp_path: Path) -> None:
    ledger = read(
        tmp_path,
        "status\tthread\tval_acc\tpeak_vram_mb\tdescription\tmfu\tcommit",
        "keep\tsweep\t0.5\t2048\tbaseline\t39.8\ta",
        "keep\tsweep\t0.7\t4096\tdeeper\t\tb",
    )
    assert (ledger.metric, ledger.direction) == ("val_acc", Direction.MAXIMIZE)
    assert ledger.gain == pytest.approx(0.2)
    assert ledger.rows[0].memory_gb == 2.0
    assert ledger.rows[0].notes == ("thread: sweep", "mfu: 39.8")
    assert ledger.rows[1].notes == ("thread: sweep",)


def test_a_tab_or_comma_too_many_belongs_to_the_description(tmp_path: Path) -> None:
    ledger = read(tmp_path, HEAD, ROWS[0], "b\t0.9\t1\tkeep\tdepth 9\twider")
    assert ledger.rows[1].description == "depth 9 wider"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([HEAD, ROWS[0], "b\tgood\t1\tkeep\tx"], "results.tsv:3: column 2 (val_bpb): 'good' is no"),
        ([HEAD, "", "b\t0.9\t1 GB\tkeep\tx"], "results.tsv:3: column 3 (memory_gb): '1 GB' is no"),
        ([HEAD, "b\t0.9\t1\tperhaps\tx"], "results.tsv:2: column 4 (status): 'perhaps' is not"),
        ([HEAD, ROWS[0], "b\t0.9"], "results.tsv:3: column 2 is the last, 5 are expected"),
        ([HEAD], "only a header"),
        ([], "no experiment in it"),
        (["a\tb\tc"], "results.tsv:1: neither a header with a column `status` nor"),
        (["status\tdescription", "keep\tx"], "results.tsv:1: no column holds a metric"),
        (["commit\tscore\tstatus", "a\t1\tkeep"], "whether a larger score is better"),
    ],
)
def test_what_is_not_plain_is_said_with_line_and_column(
    tmp_path: Path, lines: list[str], said: str
) -> None:
    with pytest.raises(AgentLoopsError) as raised:
        read(tmp_path, *lines)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_files_that_are_no_tables(tmp_path: Path) -> None:
    for data in (b"\xff\xfe\x00", b"ok\nstatus\xff"):
        with pytest.raises(AgentLoopsError, match=r"results\.tsv:\d: not UTF-8"):
            foreign_ledger.read(table(tmp_path, data=data))
    with pytest.raises(AgentLoopsError):
        foreign_ledger.read(tmp_path / "none.tsv")
    with pytest.raises(AgentLoopsError):
        foreign_ledger.read(tmp_path)


@pytest.mark.parametrize(
    ("metric", "direction"),
    [("val_loss", "minimize"), ("val_bpb", "minimize"), ("test_rmse", "minimize"),
     ("perplexity", "minimize"), ("roc_auc", "maximize"), ("Accuracy", "maximize"),
     ("mAP@50", "maximize"), ("score", ""), ("gloss", ""), ("loss_accuracy", "")],
)  # fmt: skip
def test_a_direction_is_guessed_only_where_the_name_says_it(metric: str, direction: str) -> None:
    found = foreign_table.direction_of(metric)
    assert (found.value if found else "") == direction


def test_our_own_table_reads_as_what_was_recorded(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.bind(run_cmd=f"{PYTHON} train.py")
    project.baseline()
    project.edit("lr = 0.1", "lr = 0.2") if "lr = 0.1" in project.read("train.py") else None
    ledger = foreign_ledger.read(project.sandbox / "results.tsv", Direction.MINIMIZE)
    assert ledger.baseline == 1
    assert ledger.rows[0].description == "baseline"


def test_hostile_cells_are_text(tmp_path: Path) -> None:
    bad = "\x1b[31m<script>\u202e | `x` <!-- agent-loops:reading -->"
    ledger = read(tmp_path, HEAD, ROWS[0], f"{bad}\t0.9\t1\tkeep\t{bad}")
    learnt = lessons.learn(ledger, lambda _: Change())
    page = analysis_page.render(ledger, learnt)
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert "<script" not in page.replace("\\<script", "")
    assert page.count("\n<!-- agent-loops:reading -->\n") == 1
    summary_file.values(ledger, learnt)


def test_the_metric_is_the_column_whose_name_is_one(tmp_path: Path) -> None:
    ledger = read(tmp_path, "exp,seed,val_loss,status", "a,7,2.5,keep", "b,8,2.4,keep")
    assert (ledger.metric, ledger.best) == ("val_loss", 2)
    assert ledger.rows[0].notes == ("seed: 7",)
    ledger = read(tmp_path, "exp,train_loss,val_loss,status", "a,7,2.5,keep", "b,8,2.4,keep")
    assert ledger.metric == "val_loss"


def test_two_columns_that_could_be_the_metric_are_named(tmp_path: Path) -> None:
    lines = ("exp,seed,score,status", "a,7,2.5,keep", "b,8,2.4,keep")
    path = table(tmp_path, *lines)
    said = r"tsv:1: the metric could be seed or score; say which: `.*--metric seed`"
    with pytest.raises(AgentLoopsError, match=said):
        foreign_ledger.read(path)
    ledger = foreign_ledger.read(path, Direction.MAXIMIZE, "Score")
    assert (ledger.metric, ledger.best) == ("score", 1)
    with pytest.raises(AgentLoopsError, match="no column holds a metric"):
        foreign_ledger.read(path, Direction.MAXIMIZE, "other")
    with pytest.raises(AgentLoopsError, match="no header, so no column 'score'"):
        foreign_ledger.read(table(tmp_path, *ROWS), Direction.MINIMIZE, "score")


@pytest.mark.parametrize("diverged", ["1e400", "1e308", "-1e308", "inf"])
def test_a_reading_that_diverged_is_missing_also_in_the_first_row(
    tmp_path: Path, diverged: str
) -> None:
    rows = (f"a\t{diverged}\t1\tdiscard\tx", ROWS[0], "b\t-1e308\t1\tdiscard\ty", ROWS[1])
    ledger = read(tmp_path, HEAD, *rows)
    assert [row.metric for row in ledger.rows] == [None, 0.9979, None, 0.9932]
    progress_picture.png(ledger)  # warnings are errors


def test_a_cell_that_is_too_large_for_csv_is_said_with_its_line(tmp_path: Path) -> None:
    long = "x" * 131_073
    with pytest.raises(AgentLoopsError, match=r"results\.tsv:2: cannot be read as CSV: field"):
        read(tmp_path, HEAD.replace("\t", ","), f"a,0.5,1,keep,{long}")


def test_one_experiment_is_one_and_a_baseline_alone_gained_nothing(tmp_path: Path) -> None:
    ledger = read(tmp_path, HEAD, ROWS[0])
    page = analysis_page.render(ledger, lessons.learn(ledger, lambda _: Change()))
    assert "- 1 experiment: 1 keep" in page
    assert "gain as recorded" not in page
    ledger = read(tmp_path, HEAD, *ROWS[:2])
    page = analysis_page.render(ledger, lessons.learn(ledger, lambda _: Change()))
    assert "gain as recorded: 0.0047 (0.471%) over the baseline, noise not known" in page


def test_near_misses_alone_begin_without_a_blank_line(tmp_path: Path) -> None:
    ledger = read(tmp_path, HEAD, *ROWS)
    learnt = lessons.learn(ledger, lambda _: Change())
    learnt = learnt._replace(failed=(), dead_ends=(), near_misses=(ledger.rows[2],))
    page = analysis_page.render(ledger, learnt)
    assert "## What Didn't Work\n\nNear misses, which" in page
