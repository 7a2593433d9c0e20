"""The entry point alone: what it answers, and with which exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import run_with_timeout
from agent_loops import processes, supervise

SCRIPT = Path(run_with_timeout.__file__).resolve()
DEADLINE_S = 60


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder. What was run there is over, with all its processes, in the end."""
    monkeypatch.setattr(supervise, "GRACE_S", 0.5)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for lock in tmp_path.glob("*.lock"):
        assert supervise.wait_for_end(lock, DEADLINE_S)
    for receipt in tmp_path.glob("*.json"):
        marker = json.loads(receipt.read_bytes())["marker"]
        lock = receipt.with_name(receipt.name + ".lock")
        assert supervise.find_processes(marker, lock) == []


def run(capfd: pytest.CaptureFixture[str], *argv: str) -> tuple[int, dict[str, Any]]:
    code = run_with_timeout.main(argv)
    answer: dict[str, Any] = json.loads(capfd.readouterr().out)
    return code, answer


LIMIT = ("--timeout-s", "60", "--log", "log")


def test_answers_with_the_receipt(work: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, answer = run(capfd, *LIMIT, "--", "sh", "-c", "echo out; exit 3")
    assert code == 0
    assert answer["outcome"]["exit_code"] == 3
    assert (work / "log").read_text() == "out\n"
    assert json.loads((work / "log.receipt.json").read_bytes()) == answer


def test_time_out_is_an_answer(work: Path, capfd: pytest.CaptureFixture[str]) -> None:
    argv = ("--timeout-s", "0.3", "--log", "log", "--receipt", "r.json", "--", "sleep", "1000")
    code, answer = run(capfd, *argv)
    assert code == 0
    assert answer["outcome"]["kind"] == "timed_out"
    assert (work / "r.json").exists()


@pytest.mark.usefixtures("work")
@pytest.mark.parametrize(
    "words", [["a  b", "", "*", "$HOME", "it's", "\n", "--", "~", "ä"], ["-n"], ["--help"]]
)
def test_words_arrive_as_they_are(capfd: pytest.CaptureFixture[str], words: list[str]) -> None:
    code = "import json, sys; print(json.dumps(sys.argv[1:]))"
    run(capfd, *LIMIT, "--", sys.executable, "-c", code, *words)
    assert json.loads(Path("log").read_bytes()) == words


@pytest.mark.parametrize("name", ["if", "echo", "A=1", "-x", "a b", "exec"])
def test_first_word_is_a_program(work: Path, capfd: pytest.CaptureFixture[str], name: str) -> None:
    folder = work / "bin"
    folder.mkdir()
    program = folder / name
    program.write_text("#!/bin/sh\necho this one\n")
    program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "environ", environment)
        run(capfd, *LIMIT, "--", name)
    assert (work / "log").read_text() == "this one\n"


@pytest.mark.usefixtures("work")
def test_missing_program_is_an_answer(capfd: pytest.CaptureFixture[str]) -> None:
    code, answer = run(capfd, *LIMIT, "--", "no-such-program")
    assert (code, answer["outcome"]["exit_code"]) == (0, 127)


@pytest.mark.usefixtures("work")
@pytest.mark.parametrize(
    "argv",
    [
        [],
        [*LIMIT],
        [*LIMIT, "--"],
        [*LIMIT, "true"],
        ["--log", "log", "--", "true"],
        ["--timeout-s", "5", "--", "true"],
        *(
            ["--timeout-s", value, "--log", "log", "--", "true"]
            for value in ("0", "-1", "nan", "inf", "x")
        ),
    ],
)
def test_wrong_usage_is_told(capfd: pytest.CaptureFixture[str], argv: list[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        run_with_timeout.main(argv)
    assert exited.value.code == 2
    told = capfd.readouterr()
    assert told.out == ""
    assert "usage:" in told.err
    assert not Path("log").exists()


@pytest.mark.usefixtures("work")
def test_help_is_given(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        run_with_timeout.main(["--help"])
    assert exited.value.code == 0
    told = capfd.readouterr().out
    for flag in ("--timeout-s", "--log", "--receipt", "--detach", "Exit codes"):
        assert flag in told


def test_folder_that_cannot_be_made_fails(work: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (work / "file").touch()
    assert run_with_timeout.main(["--timeout-s", "5", "--log", "file/log", "--", "true"]) == 1
    told = capfd.readouterr()
    assert told.out == ""
    assert "file" in told.err


def test_second_run_with_one_receipt_is_refused(
    work: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervise, "LOCK_WAIT_S", 0.1)
    wait = ("--", "sh", "-c", "until [ -e told ]; do sleep 0.02; done")
    code, answer = run(capfd, *LIMIT, "--detach", *wait)
    assert code == 0
    assert set(answer) == {"pid", "receipt"}
    assert run_with_timeout.main([*LIMIT, "--", "true"]) == 3
    assert "under way" in capfd.readouterr().err
    assert not Path(answer["receipt"]).exists()
    (work / "told").touch()
    assert supervise.wait_for_end(work / "log.receipt.json.lock", DEADLINE_S)
    assert json.loads(Path(answer["receipt"]).read_bytes())["outcome"]["exit_code"] == 0


# As a program.


def test_works_from_a_foreign_folder_through_a_symlink_on_a_bare_python(work: Path) -> None:
    link = work / "a link\n"
    link.symlink_to(SCRIPT)
    bare = ["-I", "-S"] if sys.platform.startswith("linux") else ["-I"]
    answer = subprocess.run(
        [sys.executable, *bare, link, *LIMIT, "--", "sh", "-c", "echo $0 $PYTHONUNBUFFERED"],
        capture_output=True,
        check=True,
        timeout=DEADLINE_S,
    )
    assert json.loads(answer.stdout)["outcome"]["exit_code"] == 0
    assert answer.stderr == b""
    assert (work / "log").read_text() == "sh 1\n"


def start(work: Path) -> subprocess.Popen[bytes]:
    program = subprocess.Popen(
        [sys.executable, SCRIPT, *LIMIT, "--", "sh", "-c", "echo $$ > pid; exec sleep 1000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + DEADLINE_S
    while not ((work / "pid").exists() and (work / "pid").read_text().endswith("\n")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return program


def test_interrupt_stops_the_run_and_answers(work: Path) -> None:
    program = start(work)
    program.send_signal(signal.SIGINT)
    out, err = program.communicate(timeout=DEADLINE_S)
    assert (program.returncode, err) == (0, b"")
    assert json.loads(out)["outcome"]["kind"] == "stopped"


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
def test_run_ends_with_a_killed_program(work: Path, signum: signal.Signals) -> None:
    program = start(work)
    program.send_signal(signum)
    program.communicate(timeout=DEADLINE_S)
    assert supervise.wait_for_end(work / "log.receipt.json.lock", DEADLINE_S)
    assert json.loads((work / "log.receipt.json").read_bytes())["outcome"]["kind"] == "stopped"
    left = processes.look(int((work / "pid").read_text()))
    assert left is None or not left.alive
