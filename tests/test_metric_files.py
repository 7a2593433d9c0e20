"""The metric from files: only from what this run wrote, and with the run's own words for a miss."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from agent_loops import metric_files
from agent_loops.metric import Direction, LogFacts, MetricSpec
from agent_loops.metric_files import find_metric_files, fingerprint, read_metric_file


def read(
    path: Path,
    text: str | bytes,
    *,
    name: str = "metrics.json",
    key: str | None = None,
    **spec: Any,
) -> LogFacts:
    file = path / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    spec.setdefault("direction", Direction.MINIMIZE)
    return read_metric_file([file], {}, key=key, spec=MetricSpec("val_loss", **spec))


def value(*args: Any, **kwargs: Any) -> float:
    facts = read(*args, **kwargs)
    assert facts.reading is not None, facts.problem
    return facts.reading.value


# --- which files --------------------------------------------------------------------------------


def test_files_are_found_in_the_project_and_in_the_run_folder(tmp_path: Path) -> None:
    project = tmp_path / "my [project]\n"
    run_dir = project / "out *"
    for folder in (project / "a" / "b", run_dir):
        folder.mkdir(parents=True)
        (folder / "metrics.json").write_text("{}")
    (project / "a" / "metrics.json").mkdir()
    os.mkfifo(project / "metrics.json")
    both = {"run_dir": run_dir, "project": project}
    assert find_metric_files("{run_dir}/*.json", **both) == [run_dir / "metrics.json"]
    assert find_metric_files("**/metrics.json", **both) == [
        project / "a" / "b" / "metrics.json",
        run_dir / "metrics.json",
    ]
    assert find_metric_files("nothing/*.json", **both) == []


def test_only_what_this_run_wrote_counts(tmp_path: Path) -> None:
    file = tmp_path / "metrics.json"
    spec = MetricSpec("val_loss", Direction.MINIMIZE)
    assert read_metric_file([], {}, key=None, spec=spec).problem == "no file matches `metric_file`"
    file.write_text('{"val_loss": 0.5}')
    before = fingerprint([file, tmp_path / "missing"])
    assert list(before) == [str(file)]
    facts = read_metric_file([file], before, key=None, spec=spec)
    assert facts.reading is None
    assert facts.problem == "metrics.json was not written by this run"
    other = tmp_path / "other"
    other.write_text('{"val_loss": 0.4}')
    os.utime(other, ns=(0, before[str(file)][1]))
    os.replace(other, file)  # same size, same time: the inode tells
    facts = read_metric_file([file], before, key=None, spec=spec)
    assert facts.reading is not None
    assert facts.reading.value == 0.4


def test_of_several_files_the_newest_is_read_or_all_are_reduced(tmp_path: Path) -> None:
    paths = [tmp_path / f"fold{n}.json" for n in range(4)]
    for n, path in enumerate(paths):
        path.write_text(f'{{"val_loss": 0.{n + 1}}}')
        os.utime(path, ns=(0, 10**9 * (10 - n)))
    before = fingerprint(paths[:1])
    spec = MetricSpec("val_loss", Direction.MINIMIZE)
    facts = read_metric_file(paths, before, key=None, spec=spec)
    assert facts.reading is not None
    assert facts.reading.value == 0.2
    assert facts.reading.notes == ("3 metric files were written; the newest, fold1.json, was read",)
    spec = MetricSpec("val_loss", Direction.MINIMIZE, reduce="median")
    facts = read_metric_file(paths, before, key=None, spec=spec)
    assert facts.reading is not None
    assert (facts.reading.value, facts.reading.matches) == (0.3, 3)


# --- JSON ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "key", "expected"),
    [
        ('{"val_loss": 0.50}', None, 0.5),
        ('{"val_loss": 1}', None, 1),
        ('{"val_loss": "0.5"}', None, 0.5),
        ('\ufeff{"val_loss": 0.5}', None, 0.5),
        ('{"a": {"b": [1, {"c": 0.5}]}}', "a.b.1.c", 0.5),
        ('{"a": {"b": [1, 0.5]}}', "a.b.-1", 0.5),
        ('{"eval.loss": 0.5}', "eval.loss", 0.5),
        ('{"run": {"eval.loss": {"mean": 0.5}}}', "run.eval.loss.mean", 0.5),
        ('{"val_loss": [0.9, 0.7, 0.5]}', None, 0.5),
        ('[{"val_loss": 0.9}, {"other": 1}, {"val_loss": 0.5}]', None, 0.5),
        ('[{"val_loss": 0.9}, {"val_loss": 0.5}]', "0.val_loss", 0.9),
    ],
)
def test_json_is_followed_to_its_key(
    tmp_path: Path, text: str, key: str | None, expected: float
) -> None:
    assert value(tmp_path, text, key=key) == expected


@pytest.mark.parametrize(
    ("text", "key", "expected"),
    [
        ('{"a": [{"b": 1}, {"b": 2}, {"b": 6}]}', "a.*.b", 3),
        ('{"a": {"x": {"b": 1}, "y": {"b": 3}, "z": {"c": 9}}}', "a.*.b", 2),
        ('{"a": [{"b": [1, 2]}, {"b": [3, 6]}]}', "a.*.b.*", 3),
        ('{"a": [1, 2]}', "a.*", 1.5),
        ('{"a": {"*": {"b": 4}, "x": {"b": 1}}}', "a.*.b", 4),
    ],
)
def test_a_star_stands_for_all_that_is_there(
    tmp_path: Path, text: str, key: str, expected: float
) -> None:
    assert value(tmp_path, text, key=key, reduce="mean") == expected


@pytest.mark.parametrize(
    ("text", "key", "instead"),
    [
        ('{"a": {"min": 1, "mean": 2}}', "a.med", "instead of `med` there is min, mean"),
        ('{"a": [{"min": 1}]}', "a.*.med", "instead of `med` there is min"),
        ('{"a": [1, 2]}', "a.7", "instead of `7` there is a list of 2"),
        ('{"a": [1, 2]}', "a.b", "instead of `b` there is a list of 2"),
        ('{"a": []}', "a.*.b", "there is nothing for `*`"),
        ('{"a": 1}', "a.b", "instead of `b` there is a single value"),
        (
            json.dumps({f"k{n}": n for n in range(99)}),
            "b",
            "instead of `b` there is k0, k1, k2, k3, k4, k5, k6, k7, …",
        ),
    ],
)
def test_what_is_there_instead_of_the_key_is_named(
    tmp_path: Path, text: str, key: str, instead: str
) -> None:
    facts = read(tmp_path, text, key=key, reduce="mean")
    assert facts.problem == f"metrics.json: `{key}` is not in it; {instead}"


def test_json_keeps_the_printed_digits_and_gives_the_numbers_beside(tmp_path: Path) -> None:
    facts = read(tmp_path, '{"val_loss": 0.500, "peak_vram_mb": 512.0, "ok": true, "x": null}')
    assert facts.reading is not None
    assert (facts.reading.text, facts.reading.decimals) == ("0.500", 3)
    assert facts.reading.line == "metrics.json: val_loss = 0.500"
    assert facts.scalars == {"peak_vram_mb": 512.0}
    assert (facts.peak_memory_mb, facts.memory_kind) == (512.0, "vram")


@pytest.mark.parametrize(
    "text", ['{"val_loss": NaN}', '{"val_loss": -Infinity}', '{"val_loss": 1e999}']
)
def test_json_that_is_not_finite_is_a_problem_of_its_own(tmp_path: Path, text: str) -> None:
    facts = read(tmp_path, text)
    assert facts.reading is None
    assert facts.problem.startswith("val_loss is ")


def test_lists_are_picked_from_and_reduced(tmp_path: Path) -> None:
    text = '{"val_loss": [0.5, 0.25, 0.75]}'
    assert value(tmp_path, text, pick="best") == 0.25
    assert value(tmp_path, text, pick="best", direction=Direction.MAXIMIZE) == 0.75
    assert value(tmp_path, text, reduce="mean") == 0.5
    assert value(tmp_path, text, reduce="median") == 0.5


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty"),
        ("{", "is not JSON"),
        ('{"other": 1}', "`val_loss` is not in it"),
        ("[]", "`val_loss` is not in it"),
        ('{"val_loss": null}', "`val_loss` is 'None', which is not a number"),
        ('{"val_loss": true}', "which is not a number"),
        ('{"val_loss": "1,234"}', "which is not a number"),
        ('{"val_loss": {"a": 1}}', "which is not a number"),
        ("[" * 100_000, "is not JSON"),
        (b"\xff\x00\xfe", "is not JSON"),
    ],
)
def test_a_file_without_the_number_says_why(
    tmp_path: Path, text: str | bytes, problem: str
) -> None:
    facts = read(tmp_path, text)
    assert facts.reading is None
    assert facts.problem.startswith("metrics.json: ")
    assert problem in facts.problem


def test_a_huge_or_unreadable_file_is_not_read(tmp_path: Path) -> None:
    with mock.patch.object(metric_files, "_FILE_BYTES", 5):
        assert "larger than" in read(tmp_path, '{"val_loss": 0.5}').problem
    folder = tmp_path / "gone.json"
    with mock.patch.object(metric_files, "fingerprint", return_value={str(folder): (1, 1, 1)}):
        spec = MetricSpec("val_loss", Direction.MINIMIZE)
        facts = read_metric_file([folder], {}, key=None, spec=spec)
    assert "cannot be read: No such file" in facts.problem


# --- JSONL --------------------------------------------------------------------------------------

LINES = '{"step": 1, "val_loss": 0.4}\n{"step": 2, "val_loss": 0.6}\n{"step": 3}\n'


@pytest.mark.parametrize("name", ["log.jsonl", "log.ndjson", "log.json", "log.txt"])
def test_of_jsonl_the_last_line_with_the_key_counts(tmp_path: Path, name: str) -> None:
    facts = read(tmp_path, LINES, name=name)
    assert facts.reading is not None
    assert (facts.reading.value, facts.reading.matches, facts.reading.notes) == (0.6, 2, ())
    assert facts.scalars == {"step": 2}
    assert value(tmp_path, LINES, name=name, pick="best") == 0.4


def test_a_torn_or_foreign_line_of_jsonl_is_skipped_with_a_note(tmp_path: Path) -> None:
    facts = read(tmp_path, LINES + '{"step": 4, "val_lo', name="log.jsonl")
    assert facts.reading is not None
    assert facts.reading.value == 0.6
    assert facts.reading.notes == ("the last line of the metric file is torn and was skipped",)
    facts = read(tmp_path, LINES + "warning: x\n" + LINES, name="log.jsonl")
    assert facts.reading is not None
    assert facts.reading.notes == ("1 lines of the metric file are not JSON and were skipped",)


# --- CSV ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_of_csv_the_last_filled_cell_of_the_column_counts(
    tmp_path: Path, delimiter: str, end: str
) -> None:
    rows = ["step,train_loss,val_loss", "1,0.9,", "1,,0.40", "2,0.8,", "2,,0.60", "3,0.7,", ""]
    text = end.join(rows).replace(",", delimiter) + end
    facts = read(tmp_path, text, name="metrics.csv")
    assert facts.reading is not None
    assert (facts.reading.value, facts.reading.text) == (0.6, "0.60")
    assert facts.scalars == {"step": 2}
    assert value(tmp_path, text, name="metrics.csv", pick="best") == 0.4
    assert value(tmp_path, text, name="metrics.csv", key="train_loss") == 0.7


def test_csv_understands_quotes_blanks_and_marks(tmp_path: Path) -> None:
    text = '\ufeff"step", val_loss ,"a, note"\n1, 0.5 ,"x, y"\n'
    assert value(tmp_path, text, name="metrics.csv") == 0.5


def test_csv_problems_are_plain(tmp_path: Path) -> None:
    facts = read(tmp_path, "step,loss\n1,2\n", name="metrics.csv")
    assert facts.problem == "metrics.csv: has no column `val_loss`; its columns: step, loss"
    facts = read(tmp_path, "step;val_loss\n1;0,5\n", name="metrics.csv")
    assert "`val_loss` is '0,5', which is not a number" in facts.problem
    facts = read(tmp_path, "step,val_loss\n", name="metrics.csv")
    assert "`val_loss` is not in it" in facts.problem
    facts = read(tmp_path, "step,val_loss\n1,nan\n", name="metrics.csv")
    assert facts.problem == "val_loss is nan"


def test_a_torn_or_unreadable_last_row_is_noted(tmp_path: Path) -> None:
    facts = read(tmp_path, "val_loss,step\n0.5,1\n0.4", name="metrics.csv")
    assert facts.reading is not None
    assert facts.reading.value == 0.5
    assert facts.reading.notes == ("the last row of the metric file is torn and was skipped",)
    facts = read(tmp_path, "val_loss,step\n0.5,1\nn/a,2\n", name="metrics.csv")
    assert facts.reading is not None
    assert "the last `val_loss` is not a number" in facts.reading.notes[0]
