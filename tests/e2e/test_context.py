"""The benchmark of what an experiment puts into the context plays in the real client."""

from __future__ import annotations

import subprocess
import sys

import pytest

from support import ROOT


@pytest.mark.usefixtures("host")
def test_an_experiment_is_one_request() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks/context_characters.py", "--ideas", "2"],
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if line]
    requests = {row[0]: row[1] for row in rows if len(row) > 1}
    assert requests["`agent-loops try --edit -`"] == "1.0"
    assert requests["plain protocol, Edit tool"] == "5.5"
    assert int(requests["karpathy"]) > 5000
