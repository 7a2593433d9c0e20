"""Each of the four scripts alone: from anywhere, on any Python, one JSON object for an answer."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from agent_loops import files
from support import SCRIPTS, until

RAW = os.fsdecode(b"caf\xe9.py")  # a name that is no UTF-8
LINE = "--id 3 --metric val_bpb=0.9 --status keep --memory-gb 2.54 --description x".split()


class Case:
    """How one script is called in a folder: usages that answer, and usages that are mistakes."""

    def __init__(self, good: Sequence[str], *wrong: Sequence[str]) -> None:
        self.good = list(good)
        self.wrong = [list(one) for one in wrong]


CASES = {
    "run_with_timeout.py": Case(
        ["--timeout-s", "20", "--log", "run.log", "--", "sh", "-c", "echo val_bpb: 0.5"],
        [], ["--timeout-s", "0", "--log", "x", "--", "true"], ["--timeout-s", "9", "--log", "x"],
    ),
    "extract_metric.py": Case(
        ["--metric", "val_bpb", "train.log"],
        [], ["train.log"], ["--metric", "x", "--pattern", "(", "train.log"],
        ["--metric", "x", "--pattern", "no group", "train.log"],
    ),
    "log_result.py": Case(
        ["--results", "results.tsv", *LINE],
        [], [*LINE], ["--results", "r.tsv", *LINE, "--metric", "val_bpb"],
        ["--results", "r.tsv", *LINE, "--metric", "val_bpb=nan"],
        ["--results", "r.tsv", *LINE, "--metric", "val_bpb="],
        ["--results", "r.tsv", *LINE, "--metric", "=1"],
        ["--results", "r.tsv", *LINE, "--metric", "a\tb=1"],
        ["--results", "r.tsv", *LINE, "--id", "../x"],
        ["--results", "r.tsv", *LINE, "--id", ""],
        ["--results", "r.tsv", *LINE, "--memory-gb", "much"],
        ["--results", "r.tsv", *LINE, "--status", "great"],
        ["--results", "r.tsv", *LINE, "--stat", "keep"],
    ),
    "snapshot.py": Case(
        ["save", "--root", "saved", "--iter", "1", "train.log"],
        [], ["save"], ["remove", "--root", "saved"], ["save", "--root", "saved", "train.log"],
        ["save", "--root", "saved", "--iter", "1"],
        ["save", "--root", "saved", "--iter", "0", "train.log"],
        ["save", "--root", "saved", "--iter", "x", "train.log"],
        ["save", "--root", "saved", "--iter", "1", "nowhere.py"],
        ["save", "--root", "saved", "--iter", "1", "../outside.py"],
        ["save", "--root", "saved", "--iter", "1", "."],
        ["save", "--root", "saved", "--iter", "1", "link.py"],
    ),
}  # fmt: skip
NAMES = sorted(CASES)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "some\nwork here"
    folder.mkdir()
    (folder / "train.log").write_text("step 1\nval_bpb: 0.5\n")
    (folder / "link.py").symlink_to("train.log")
    (tmp_path / "outside.py").write_text("")
    return folder


@pytest.fixture(scope="session")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has none of our dependencies, nor any other package."""
    folder = tmp_path_factory.mktemp("bare") / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    probe = "import importlib.util as u, sys; sys.exit(any(map(u.find_spec, sys.argv[1:])))"
    subprocess.run([python, "-c", probe, "yaml", "psutil", "git", "pathspec"], check=True)
    return python


def run(
    script: Path | str,
    *words: str,
    cwd: Path,
    python: Path | str = sys.executable,
    env: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    path = SCRIPTS / script if isinstance(script, str) else script
    return subprocess.run(
        [python, "-E", "-s", path, *words],
        cwd=cwd, capture_output=True, timeout=60, check=False, env={**os.environ, **(env or {})},
    )  # fmt: skip


def answer(script: Path | str, *words: str, cwd: Path, code: int = 0, **more: Any) -> Any:
    """The one JSON object that the script prints; its exit code must be `code`."""
    done = run(script, *words, cwd=cwd, **more)
    assert done.returncode == code, done
    assert done.stdout.endswith(b"\n")

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    return json.loads(done.stdout.decode(), parse_constant=refuse)


# ---- all four ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_help_says_what_it_does(name: str, work: Path) -> None:
    done = run(name, "--help", cwd=work)
    assert done.returncode == 0
    assert done.stderr == b""
    text = done.stdout.decode()
    assert text.startswith(f"usage: {name} ")
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize("name", NAMES)
def test_a_mistake_exits_2_says_which_and_does_nothing(name: str, work: Path) -> None:
    before = sorted(path.name for path in work.rglob("*"))
    for words in [*CASES[name].wrong, ["--nonsense", *CASES[name].good]]:
        done = run(name, *words, cwd=work)
        assert done.returncode == 2, (words, done)
        assert done.stdout == b"", words
        assert b"Traceback" not in done.stderr
        assert b"loop.run.yaml" not in done.stderr, words
        assert done.stderr.strip(), words
    assert sorted(path.name for path in work.rglob("*")) == before


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("way", ["as it lies", "link", "link to the folder", "copy", "relative"])
def test_it_runs_from_a_foreign_folder_however_it_is_called(
    name: str, way: str, work: Path, tmp_path: Path, bare_python: Path
) -> None:
    script = SCRIPTS / name
    if way == "link":
        script = tmp_path / "a link\n"
        script.symlink_to(SCRIPTS / name)
    elif way == "link to the folder":
        (tmp_path / "linked").symlink_to(SCRIPTS)
        script = tmp_path / "linked" / name
    elif way == "copy":
        ignore = shutil.ignore_patterns("__pycache__", ".mypy_cache")
        script = shutil.copytree(SCRIPTS, tmp_path / "co py", ignore=ignore) / name
    elif way == "relative":
        script = Path(os.path.relpath(SCRIPTS / name, work))
    values = answer(script, *CASES[name].good, cwd=work, python=bare_python)
    assert isinstance(values, dict)
    assert not (work / "__pycache__").exists()


@pytest.mark.parametrize("name", ["log_result.py", "extract_metric.py", "snapshot.py"])
def test_a_missing_folder_or_file_fails_without_a_traceback(name: str, work: Path) -> None:
    words = {
        "log_result.py": ["--results", "no/folder/results.tsv", *LINE],
        "extract_metric.py": ["--metric", "x", "nowhere.log"],
        "snapshot.py": ["restore", "--root", "nowhere", "--iter", "1"],
    }[name]
    done = run(name, *words, cwd=work)
    assert done.returncode == 1
    assert b"no" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_an_ascii_terminal_is_no_obstacle(name: str, work: Path) -> None:
    """Python started with an encoding that cannot say everything."""
    shutil.copy(work / "train.log", work / "naïve.log")
    words = ["naïve.log" if word == "train.log" else word for word in CASES[name].good]
    words = ["naïve \U0001f600" if word == "x" else word for word in words]
    path = SCRIPTS / name
    done = subprocess.run(
        [sys.executable, path, *words], cwd=work, capture_output=True, check=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
    )  # fmt: skip
    json.loads(done.stdout)


# ---- run_with_timeout and extract_metric together ----------------------------------------------


def test_a_run_and_its_metric_on_a_bare_python(work: Path, bare_python: Path) -> None:
    command = 'echo "val_bpb: 0.75"; echo "peak_vram_mb: 2048"; exit 3'
    receipt = answer(
        "run_with_timeout.py", "--timeout-s", "20", "--log", "out.log", "--", "sh", "-c", command,
        cwd=work, python=bare_python,
    )  # fmt: skip
    assert receipt["outcome"]["exit_code"] == 3
    values = answer(
        "extract_metric.py", "--metric", "val_bpb", "out.log", cwd=work, python=bare_python
    )
    assert (values["value"], values["line"], values["matches"]) == (0.75, "val_bpb: 0.75", 1)
    assert values["peak_memory_mb"] == 2048


@pytest.mark.parametrize(
    ("log", "problem"),
    [(b"", "empty"), (b"val_bpb: nan\n", "nan"), (b"loss: 1\n\xff\x00\n", "val_bpb")],
)
def test_no_metric_is_told_with_a_tail(work: Path, log: bytes, problem: str) -> None:
    (work / "x.log").write_bytes(log)
    values = answer("extract_metric.py", "--metric", "val_bpb", "x.log", cwd=work, code=1)
    assert values["value"] is None
    assert problem in values["problem"]
    assert len(values["tail"]) <= 600


def test_the_last_or_the_best_value(work: Path) -> None:
    (work / "x.log").write_text("val_bpb: 0.5\nval_bpb: 0.75\nacc=0.25\n")
    ask = ["extract_metric.py", "--metric", "val_bpb", "x.log"]
    assert answer(*ask, cwd=work)["value"] == 0.75
    assert answer(*ask, "--pick", "best", cwd=work)["value"] == 0.5
    assert answer(*ask, "--pattern", r"acc=([\d.]+)", cwd=work)["value"] == 0.25


# ---- log_result --------------------------------------------------------------------------------


def log(work: Path, *words: str, code: int = 0) -> Any:
    return answer("log_result.py", "--results", "results.tsv", *LINE, *words, cwd=work, code=code)


def test_a_row_has_the_columns_of_the_protocol(work: Path) -> None:
    assert log(work, "--description", "it's\ta \x1b[31mtest\n\n of\r\nit")["row"] == [
        "3", "0.9", "2.5", "keep", "it's a test of it",
    ]  # fmt: skip
    log(work, "--id", "0123abc", "--metric", "val_bpb=1.50e-3", "--memory-gb", "0.04")
    log(work, "--status", "crash", "--metric", "val_bpb=")
    log(work, "--status", "crash", "--metric", "val_bpb=nan")
    assert (work / "results.tsv").read_bytes().split(b"\n") == [
        b"iter\tval_bpb\tmemory_gb\tstatus\tdescription",
        b"3\t0.9\t2.5\tkeep\tit's a test of it",
        b"0123abc\t1.50e-3\t0.0\tkeep\tx",
        b"3\t0.000000\t0.0\tcrash\tx",
        b"3\t0.000000\t0.0\tcrash\tx",
        b"",
    ]


def test_the_first_id_names_the_first_column(work: Path) -> None:
    assert log(work, "--id", "0123456789abcdef0123456789abcdef01234567")["row"][0] == "0123456"
    assert (work / "results.tsv").read_text().startswith("commit\tval_bpb\t")


@pytest.mark.parametrize("target", ["results.tsv", "a link.tsv"])
def test_beside_a_journal_no_row_is_written_by_hand(work: Path, target: str) -> None:
    campaign = work / "sandbox"
    campaign.mkdir()
    (campaign / "journal.jsonl").write_text("")
    (campaign / "results.tsv").write_text("kept by the engine\n")
    (work / "a link.tsv").symlink_to(campaign / "results.tsv")
    path = f"sandbox/{target}" if target == "results.tsv" else target
    values = answer("log_result.py", "--results", path, *LINE, cwd=work, code=3)
    assert (values["status"], values["kind"]) == ("refused", "journal")
    assert "agent-loops try" in values["next"]
    assert (campaign / "results.tsv").read_text() == "kept by the engine\n"
    assert sorted(path.name for path in campaign.iterdir()) == ["journal.jsonl", "results.tsv"]


@pytest.mark.parametrize(
    ("header", "next_step"),
    [
        (b"iter\tloss\tmemory_gb\tstatus\tdescription\n", "--metric loss=VALUE"),
        (b"iter\tval_bpb\tmemory_gb\tduration_s\tstatus\tdescription\n", "another file"),
        (b"val_bpb\n", "another file"),
        (b"\n", "another file"),
        (b"\xff\xfe\x00", "another file"),
    ],
)
def test_another_header_is_refused(work: Path, header: bytes, next_step: str) -> None:
    (work / "results.tsv").write_bytes(header)
    values = log(work, code=3)
    assert values["kind"] == "header"
    assert next_step in values["next"]
    assert (work / "results.tsv").read_bytes() == header


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("last", [True, False])
def test_line_ends_and_a_missing_last_one(work: Path, end: bytes, *, last: bool) -> None:
    rows = [b"commit\tval_bpb\tmemory_gb\tstatus\tdescription", b"0123abc\t1.0\t0.0\tkeep\tbase"]
    (work / "results.tsv").write_bytes(end.join(rows) + (end if last else b""))
    log(work)
    wanted = end.join([*rows, b"3\t0.9\t2.5\tkeep\tx", b""])
    assert (work / "results.tsv").read_bytes() == wanted


def test_an_empty_file_gets_its_header(work: Path) -> None:
    (work / "results.tsv").write_bytes(b"")
    log(work)
    assert (work / "results.tsv").read_bytes().count(b"\n") == 2


def test_rows_of_two_processes_at_once_are_all_there(work: Path) -> None:
    command = [sys.executable, "-E", "-s", SCRIPTS / "log_result.py", "--results", "results.tsv"]
    programs = [
        subprocess.Popen(
            [*command, *LINE, "--id", str(number), "--description", f"{number} " * 40],
            cwd=work, stdout=subprocess.DEVNULL,
        )
        for number in range(1, 13)
    ]  # fmt: skip
    assert [program.wait(60) for program in programs] == [0] * 12
    header, *rows = (work / "results.tsv").read_text().splitlines()
    assert header.startswith("iter\tval_bpb\t")
    assert sorted(int(row.split("\t")[0]) for row in rows) == list(range(1, 13))
    for row in rows:
        number, text = row.split("\t")[0], row.split("\t")[4]
        assert text.startswith(f"{number} {number} ")


def test_a_row_waits_for_whoever_writes(work: Path) -> None:
    lock = work / "results.tsv.lock"
    command = [sys.executable, "-E", "-s", SCRIPTS / "log_result.py", "--results", "results.tsv"]
    with files.locked(lock, wait_s=0):
        program = subprocess.Popen([*command, *LINE], cwd=work, stdout=subprocess.DEVNULL)
        process = psutil.Process(program.pid)
        until(lambda: any(Path(one.path).name == lock.name for one in process.open_files()))
        assert not (work / "results.tsv").exists()
        (work / "results.tsv").write_text("iter\tval_bpb\tmemory_gb\tstatus\tdescription\n")
    assert program.wait(60) == 0
    assert (work / "results.tsv").read_text().count("val_bpb") == 1


# ---- snapshot ----------------------------------------------------------------------------------


def shot(work: Path, action: str, *words: str, code: int = 0, **more: Any) -> Any:
    return answer("snapshot.py", action, "--root", "../saved", *words, cwd=work, code=code, **more)


def test_save_change_diff_restore_list(work: Path, bare_python: Path) -> None:
    code = {"train.py": b"LR = 1\r\nX = 2\r\n", "a b/model.py": b"\xff\0", "new\nline.py": b""}
    for path, data in code.items():
        (work / path).parent.mkdir(exist_ok=True)
        (work / path).write_bytes(data)
    (work / "train.py").chmod(0o755)
    saved = shot(work, "save", "--iter", "1", *code, python=bare_python)
    assert saved["files"] == sorted(code)
    (work / "train.py").write_bytes(b"LR = 3\r\nX = 2\r\n")
    (work / "train.py").chmod(0o644)
    (work / "a b/model.py").unlink()
    changed = shot(work, "diff", "--iter", "1", python=bare_python)
    assert changed["differing"] == ["a b/model.py", "train.py"]
    assert (changed["lines_added"], changed["lines_removed"]) == (1, 2)
    assert "-LR = 1" in changed["diff"]
    shot(work, "save", "--iter", "2", "train.py")
    back = shot(work, "restore", "--iter", "1", python=bare_python)
    assert (back["restored"], back["rescued"], back["rescue"]) == (changed["differing"], [], None)
    assert {path: (work / path).read_bytes() for path in code} == code
    assert (work / "train.py").stat().st_mode & 0o777 == 0o755
    listed = shot(work, "list", python=bare_python)["snapshots"]
    assert [(one["iter"], one["files"]) for one in listed] == [(1, sorted(code)), (2, ["train.py"])]
    assert listed[0]["digest"] == saved["digest"]


def test_one_file_of_several_is_restored(work: Path) -> None:
    for name in ("a.py", "b.py"):
        (work / name).write_text("1")
    shot(work, "save", "--iter", "1", "a.py", "b.py")
    for name in ("a.py", "b.py"):
        (work / name).write_text("2")
    assert shot(work, "restore", "--iter", "1", "a.py")["restored"] == ["a.py"]
    assert ((work / "a.py").read_text(), (work / "b.py").read_text()) == ("1", "2")
    done = run("snapshot.py", "restore", "--root", "../saved", "--iter", "1", "c.py", cwd=work)
    assert done.returncode == 2
    assert b"a.py, b.py" in done.stderr


def test_unsaved_edits_are_rescued(work: Path) -> None:
    (work / "train.py").write_text("saved")
    shot(work, "save", "--iter", "7", "train.py")
    (work / "train.py").write_text("nowhere else")
    back = shot(work, "restore", "--iter", "7")
    assert back["rescued"] == ["train.py"]
    assert Path(back["rescue"], "train.py").read_text() == "nowhere else"
    assert (work / "train.py").read_text() == "saved"
    again = shot(work, "restore", "--iter", "7")
    assert (again["restored"], again["rescued"], again["rescue"]) == ([], [], None)


@pytest.mark.parametrize(
    "name", ["a[1].py", "*.py", "!x.py", "#x.py", "-dash.py", "x ", "dir/what?.py", RAW]
)
def test_names_are_taken_literally(work: Path, name: str, bare_python: Path) -> None:
    full = work / name
    full.parent.mkdir(exist_ok=True)
    full.write_text("mine")
    (work / "a1.py").write_text("another")
    words = ["--iter", "1", "--", name] if name.startswith("-") else ["--iter", "1", name]
    assert shot(work, "save", *words, python=bare_python)["files"] == [name]
    full.write_text("changed")
    assert shot(work, "diff", "--iter", "1")["differing"] == [name]
    assert shot(work, "restore", "--iter", "1", python=bare_python)["rescued"] == [name]
    assert full.read_text() == "mine"
    assert (work / "a1.py").read_text() == "another"
    assert shot(work, "list")["snapshots"][0]["files"] == [name]


def test_a_number_is_saved_once_and_never_beside_a_journal(work: Path) -> None:
    shot(work, "save", "--iter", "3", "train.log")
    values = shot(work, "save", "--iter", "3", "train.log", code=3)
    assert values["kind"] == "exists"
    assert "4" in values["next"]
    (work.parent / "saved" / "journal.jsonl").write_text("")
    assert shot(work, "save", "--iter", "4", "train.log", code=3)["kind"] == "journal"
    assert shot(work, "diff", "--iter", "3")["differing"] == []


def test_a_link_is_not_written_through(work: Path) -> None:
    (work / "train.py").write_text("saved")
    shot(work, "save", "--iter", "1", "train.py")
    (work / "train.py").unlink()
    (work / "train.py").symlink_to(work.parent / "outside.py")
    done = run("snapshot.py", "restore", "--root", "../saved", "--iter", "1", cwd=work)
    assert done.returncode == 2
    assert b"symlink" in done.stderr
    assert (work.parent / "outside.py").read_text() == ""


def test_a_damaged_snapshot_is_refused_and_does_not_bar_the_others(work: Path) -> None:
    (work / "train.py").write_text("one")
    shot(work, "save", "--iter", "1", "train.py")
    (work / "train.py").write_text("two")
    shot(work, "save", "--iter", "2", "train.py")
    (work.parent / "saved/iter1/code_snapshot/train.py").write_text("forged")
    done = run("snapshot.py", "restore", "--root", "../saved", "--iter", "1", cwd=work)
    assert done.returncode == 1
    assert b"iter1" in done.stderr
    (work / "train.py").write_text("forged")
    back = shot(work, "restore", "--iter", "2")
    assert back["rescued"] == ["train.py"]
    assert (work / "train.py").read_text() == "two"
