"""What reading the metric of a log costs, beside `tail | grep` and `grep` on the same log.

    python benchmarks/metric_reading.py [--sizes-mb 1 100 1000] [--rounds 7]

Each log is a training's: progress and the metric in turn, the last value near the end; once with
line feeds, once with carriage returns alone, as progress bars write, so that the whole log is one
line to `grep`. It is read once before anything is timed, and lies in the page cache. Prints a
Markdown table: median seconds with their ratio to `tail | grep`, the largest process's peak
memory, and how many characters are answered, all from this one run.

Starting bare Python takes longer than all of `tail | grep`; the row says by how much. A process is
never measured below the memory of the program that started it: the row of `true` shows that floor.
"""

from __future__ import annotations

import argparse
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
EXTRACT = [sys.executable, str(ROOT / "scripts/extract_metric.py"), "--metric", "val_loss"]
ENDS = {"line feeds": b"\n", "carriage returns": b"\r"}
_ROWS_IN_A_BLOCK = 20_000


class Cost(NamedTuple):
    """Of one command: seconds, MiB, and bytes on standard output."""

    wall_s: float
    peak_mib: float
    answered: int


def write_log(path: Path, size_mb: float, end: bytes) -> None:
    """A log of about that size; the last value stands some hundred bytes before its end."""
    block = b"".join(
        b"step %06d  train_loss: 1.%04d  lr: 3.0e-4  dt: 12.3ms  tok/sec: 98765%s" % (n, n, end)
        if n % 1000
        else b"val_loss: 0.98%04d%s" % (n % 10_000, end)
        for n in range(_ROWS_IN_A_BLOCK)
    )
    left = int(size_mb * 1e6)
    with path.open("wb") as log:
        while left > 0:
            left -= log.write(block[:left])
        log.write(end + b"val_loss: 0.912345" + end + b"peak_vram_mb: 1234.5" + end)


def cost(command: str) -> Cost:
    """Runs a shell command; what it answers is counted while it goes by, and not kept."""
    began = time.perf_counter()
    process = subprocess.Popen(["sh", "-c", command], stdout=subprocess.PIPE)
    assert process.stdout is not None
    answered = 0
    while chunk := process.stdout.read1(1 << 16):
        answered += len(chunk)
    _, status, usage = os.wait4(process.pid, 0)
    took = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    if process.returncode != 0:
        raise SystemExit(f"{command}: exit code {process.returncode}")
    return Cost(took, usage.ru_maxrss / (1 << (20 if sys.platform == "darwin" else 10)), answered)


def measure(command: str, rounds: int) -> Cost:
    """Median seconds, the largest of the others."""
    costs = [cost(command) for _ in range(rounds)]
    return Cost(
        statistics.median(one.wall_s for one in costs),
        max(one.peak_mib for one in costs),
        max(one.answered for one in costs),
    )


def commands(log: Path) -> dict[str, str]:
    """Each way to the metric, the one that the others are compared with first."""
    name = shlex.quote(str(log))
    return {
        "`tail -c 100000 \\| grep`": f"tail -c 100000 {name} | grep val_loss:",
        "`grep`": f"grep val_loss: {name}",
        "`extract_metric.py`": f"{shlex.join(EXTRACT)} {name}",
    }


def row(log: str, name: str, found: Cost, reference: Cost) -> str:
    ratio = found.wall_s / reference.wall_s
    return (
        f"| {log} | {name} | {found.wall_s * 1000:.1f} ms | {ratio:.1f} "
        f"| {found.peak_mib:.0f} MB | {found.answered} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes-mb", type=float, nargs="+", default=[1, 100, 1000])
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    print("| log | read by | median | ratio | peak memory | characters answered |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        log = Path(temporary, "run.log")
        for size in arguments.sizes_mb:
            for kind, end in ENDS.items():
                write_log(log, size, end)
                ways = commands(log)
                for command in ways.values():
                    cost(command)
                found = {name: measure(way, arguments.rounds) for name, way in ways.items()}
                reference = next(iter(found.values()))
                for name, one in found.items():
                    print(row(f"{size:g} MB, {kind}", name, one, reference), flush=True)
        bare = {"`python -c pass`": f"{shlex.quote(sys.executable)} -c pass", "`true`": "true; :"}
        for name, command in bare.items():
            print(row("none", name, measure(command, arguments.rounds), reference))


if __name__ == "__main__":
    main()
