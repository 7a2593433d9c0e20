"""The entry point: one JSON object, honest exit codes, from anywhere, for a log of any size."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "extract_metric.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("extract_metric", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    path = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = path
    return module


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "run.log"
    path.write_text("val_loss: 0.500\npeak_vram_mb: 512\nepochs: 3\n")
    return path


def strict(text: str) -> dict[str, Any]:
    def refuse(name: str) -> None:
        raise AssertionError(name)

    answer: dict[str, Any] = json.loads(text, parse_constant=refuse)
    return answer


def test_a_value_is_answered_as_one_json_object(
    script: ModuleType, log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script.main(["--metric", "val_loss", str(log)]) == 0
    assert strict(capsys.readouterr().out) == {
        "value": 0.5,
        "text": "0.500",
        "unit": "",
        "line": "val_loss: 0.500",
        "matches": 1,
        "peak_memory_mb": 512.0,
        "memory_kind": "vram",
        "scalars": {"peak_vram_mb": 512.0, "epochs": 3.0},
        "notes": [],
    }


def test_pattern_direction_and_pick_are_passed_on(
    script: ModuleType, log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log.write_text("fold 0.5\nfold 0.9\nfold 0.7\n")
    call = ["--metric", "acc", "--pattern", r"^fold (\S+)$", str(log)]
    for extra, value in (
        ([], 0.7),
        (["--pick", "best"], 0.5),
        (["--pick", "best", "--direction", "maximize"], 0.9),
    ):
        assert script.main([*call, *extra]) == 0
        assert strict(capsys.readouterr().out)["value"] == value


def test_without_a_value_the_problem_and_a_masked_tail_are_answered(
    script: ModuleType,
    log: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MY_API_KEY", "hunter22hunter")
    log.write_text("login hunter22hunter\nValueError: \x1b[31mno\n")
    assert script.main(["--metric", "val_loss", str(log)]) == 1
    answer = strict(capsys.readouterr().out)
    assert answer["value"] is None
    assert answer["problem"] == "no line matches `val_loss:` (2 lines)"
    assert answer["tail"] == "login [masked]\nValueError: no"
    log.write_text("val_loss: nan\n")
    assert script.main(["--metric", "val_loss", str(log)]) == 1
    assert strict(capsys.readouterr().out)["problem"] == "val_loss is nan"


def test_the_line_is_masked(
    script: ModuleType,
    log: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MY_API_KEY", "hunter22")
    log.write_text("hunter22 hf_" + "a1B2" * 8 + " val_loss: 1\n")
    assert script.main(["--metric", "val_loss", str(log)]) == 0
    assert strict(capsys.readouterr().out)["line"] == "[masked] [masked] val_loss: 1"
    log.write_text("hunter22 val_loss: 1\n")
    assert script.main(["--metric", "val_loss", str(log)]) == 0
    assert strict(capsys.readouterr().out)["line"] == "[masked] val_loss: 1"


def test_a_missing_log_fails_with_a_message(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (tmp_path / "missing", tmp_path):
        assert script.main(["--metric", "val_loss", str(path)]) == 1
        out, err = capsys.readouterr()
        assert strict(out)["value"] is None
        assert "check the path of the log" in err


@pytest.mark.parametrize(
    "call",
    [
        [],
        ["--metric", "m"],
        ["--metric", "m", "--pattern", "(", "x.log"],
        ["--metric", "m", "--pattern", "no group", "x.log"],
        ["--metric", "", "x.log"],
        ["--metric", "m", "--pick", "first", "x.log"],
    ],
)
def test_a_wrong_call_is_usage(
    script: ModuleType, call: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        script.main(call)
    assert caught.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "usage:" in err


def test_help_names_every_option(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        script.main(["--help"])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    for option in ("--metric", "--pattern", "--direction", "--pick", "LOG", "exit codes"):
        assert option in shown


def test_it_runs_uninstalled_through_a_link_from_a_foreign_folder(
    log: Path, tmp_path: Path
) -> None:
    foreign = tmp_path / "a folder\nwith a newline"
    foreign.mkdir()
    link = foreign / "extract"
    link.symlink_to(SCRIPT)
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(link), "--metric", "val_loss", str(log)],
        cwd=foreign,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert strict(done.stdout)["value"] == 0.5


@pytest.mark.skipif(sys.platform != "linux", reason="a child's own peak is read from /proc")
@pytest.mark.parametrize("name", ["val_loss", "missing"])
def test_a_log_of_1_gb_takes_little_memory(tmp_path: Path, name: str) -> None:
    path = tmp_path / "big.log"
    with path.open("wb") as stream:
        stream.truncate(10**9)
        stream.seek(0, 2)
        stream.write(b"\nval_loss: 0.5\n" + b"x" * 50_000)
    code = (
        "import runpy, sys\n"
        "try:\n"
        "    runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "finally:\n"
        "    print(open('/proc/self/status').read(), file=sys.stderr)\n"
    )
    call = f"import sys; sys.argv = {[str(SCRIPT), '--metric', name, str(path)]!r}; exec({code!r})"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", call], capture_output=True, text=True, check=False
    )
    assert strict(done.stdout)["value"] == (0.5 if name == "val_loss" else None)
    peak_kib = next(line for line in done.stderr.splitlines() if line.startswith("VmHWM:"))
    assert int(peak_kib.split()[1]) < 50 << 10
