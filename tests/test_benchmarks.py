"""Each benchmark runs, at the smallest size, and prints one whole table; no figure is judged."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(
    ("name", "words", "rows", "said"),
    [
        ("try_overhead", ["--experiments", "3", "--rounds", "1"], 3, "| 3 | branches |"),
        ("end_of_run", ["--rounds", "1", "--polls", "0.1"], 5, "polling with `sleep 0.1`"),
        ("metric_reading", ["--sizes-mb", "0.5", "--rounds", "1"], 8, "| 0.5 MB, carr"),
        ("hook_latency", ["--rounds", "1"], 8, "| idle, any hook |"),
        ("report_size", ["--experiments", "3", "--rounds", "1"], 1, "| 3 |"),
    ],
)
def test_it_prints_a_table(
    tmp_path: Path, name: str, words: list[str], rows: int, said: str
) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / f"benchmarks/{name}.py", *words],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    head, rule, *body = done.stdout[done.stdout.index("|") :].splitlines()
    assert rule == "|" + "---|" * (head.count("|") - 1)
    cells = head.replace("\\|", "").count("|")
    assert [line for line in body if line.replace("\\|", "").count("|") != cells] == []
    assert len(body) == rows
    assert said in done.stdout
    assert list(tmp_path.iterdir()) == []
