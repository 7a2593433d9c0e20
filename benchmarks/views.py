"""What looking at a campaign costs: `status` and `history`, beside what one would type instead.

    python benchmarks/views.py [--experiments 10 1000 10000] [--rounds 9]

The campaign is a real one whose record was made longer, with ideas as agents have them and their
saved code (tests/long_records.py). Beside it the plain tools on its results.tsv: `column -t | tail`
and `awk` over all rows. Prints the machine and a Markdown table: median seconds of whole processes,
and each one's ratio to the plain one, all from this one run.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests")]

import long_records
from support import Project

COMMAND = [sys.executable, "-E", "-s", str(ROOT / "scripts" / "agent-loops.py")]
TABLE = "sandbox/t1/results.tsv"
PLAIN = {
    "column": f"column -t -s '\t' {TABLE} | tail -n 20",
    "awk": f"awk -F '\\t' '{{ n[$4]++; print }} END {{ for (s in n) print n[s], s }}' {TABLE}",
}
VIEWS: Sequence[tuple[tuple[str, ...], str]] = (
    (("status",), "column"),
    (("history",), "awk"),
    (("history", "--text", "gate"), "awk"),
    (("history", "--file", "*.py"), "awk"),
    (("history", "--near-misses"), "awk"),
    (("history", "--dead-ends"), "awk"),
    (("history", "--compact"), "awk"),
)


def campaign(folder: Path, experiments: int) -> Project:
    """A campaign of so many experiments, its tables and caches as the last `try` left them."""
    project = long_records.begun(Project(folder))
    long_records.lengthen(project, list(long_records.realistic(experiments - 2)))
    subprocess.run([*COMMAND, "note", "x"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    subprocess.run([*COMMAND, "wait"], cwd=folder, check=False, stdout=subprocess.DEVNULL)
    return project


def measure(words: Sequence[str], folder: Path, rounds: int) -> tuple[float, int]:
    """Median seconds of a command, and how many bytes it prints."""
    times, size = [], 0
    for _ in range(rounds + 1):
        began = time.perf_counter()
        done = subprocess.run(words, cwd=folder, check=True, stdout=subprocess.PIPE)
        times.append(time.perf_counter() - began)
        size = len(done.stdout)
    return statistics.median(times[1:]), size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, nargs="+", default=[10, 1000, 10000])
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    print(
        f"{time.strftime('%Y-%m-%d')}, {machine}, load {os.getloadavg()[0]:.1f}, "
        f"Python {platform.python_version()}\n"
    )
    print("| experiments | view | time | bytes | plain | time | bytes | ratio |")
    print("|---|---|---|---|---|---|---|---|")
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else None  # ten thousand snapshots are synced
    with tempfile.TemporaryDirectory(dir=memory) as temporary:
        for experiments in arguments.experiments:
            folder = Path(temporary, str(experiments))
            campaign(folder, experiments)
            plain = {
                name: measure(["sh", "-c", command], folder, arguments.rounds)
                for name, command in PLAIN.items()
            }
            for words, beside in VIEWS:
                took, size = measure([*COMMAND, *words], folder, arguments.rounds)
                other, other_size = plain[beside]
                print(
                    f"| {experiments:,} | `{' '.join(words)}` | {took:.3f} s | {size:,} "
                    f"| `{beside}` | {other:.3f} s | {other_size:,} | {took / other:.0f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
