"""What `agent-loops try` and `status` cost beyond the run, beside the plain protocol's commands.

    python benchmarks/try_overhead.py [--experiments 10 1000 10000] [--rounds 15]

Every campaign is a real one whose journal was made longer by repeating real records. The plain
protocol is what the agent would type for one discarded idea: commit, run into a log, grep, append
a row, reset; less its run as well. Prints the machine and a Markdown table: median seconds and
their ratio to the plain protocol's, all from this one run. Other work on the machine adds to all.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

COMMAND = [sys.executable, "-E", "-s", str(ROOT / "scripts" / "agent-loops.py")]
BINDINGS = """\
metric: loss
run_cmd: sh train.sh
editable_files: [train.sh]
run_tag: bench
iter_strategy: {strategy}
"""
# A quarter of a second: what is done while a run goes on costs nobody anything.
TRAINING = "sleep 0.25\necho loss: {loss}\n"
PLAIN = """\
sed -i 's/^# .*/# {n}/' train.sh
git commit -qam 'idea {n}'
sh train.sh > run.log 2>&1
loss=$(grep '^loss:' run.log | cut -d' ' -f2)
printf '%s\\t%s\\t0.0\\tdiscard\\tidea\\n' "$(git rev-parse --short HEAD)" "$loss" >> results.tsv
git reset -q --hard HEAD~1
"""


def make(folder: Path, strategy: str) -> None:
    """A git repository with a training script that takes a moment."""
    folder.mkdir(parents=True)
    (folder / "train.sh").write_text("# 0\n" + TRAINING.format(loss=1.0))
    (folder / ".gitignore").write_text("results.tsv\nrun.log\n")
    (folder / "loop.run.yaml").write_text(BINDINGS.format(strategy=strategy))
    commit_all(folder)


def commit_all(folder: Path) -> None:
    """Makes the folder a git repository with one commit."""
    identity = ["-c", "user.name=bench", "-c", "user.email=bench@example.org"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "begin"]):
        subprocess.run(["git", *identity, *words], cwd=folder, check=True)
    for key, value in (("user.name", "bench"), ("user.email", "bench@example.org")):
        subprocess.run(["git", "config", key, value], cwd=folder, check=True)


def call(folder: Path, *words: str) -> float:
    """Seconds that one command took."""
    began = time.perf_counter()
    subprocess.run([*COMMAND, *words], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def lengthen(folder: Path, experiments: int) -> None:
    """Repeats the records of the last experiment until there are so many."""
    journal = folder / "sandbox/bench/journal.jsonl"
    records = [json.loads(line) for line in journal.read_text().splitlines()]
    first = next(i for i, item in enumerate(records) if item.get("experiment") == 2)
    pattern, seq, lines = records[first:], records[-1]["seq"], []
    for number in range(3, experiments + 1):
        for record in pattern:
            seq += 1
            copy: dict[str, Any] = {**record, "seq": seq, "experiment": number}
            if "code" in copy:
                copy["code"] = f"{number:064x}"
            lines.append(json.dumps(copy, separators=(",", ":")))
    with journal.open("a") as stream:
        stream.write("".join(line + "\n" for line in lines))
    for number in range(3, experiments + 1):
        (folder / f"sandbox/bench/iter{number}").mkdir()


def measure_try(folder: Path, rounds: int) -> tuple[float, float]:
    """Median seconds of `try` beyond its run, and of `status`."""
    tries, states = [], []
    for n in range(rounds + 1):
        (folder / "train.sh").write_text(f"# try {n} {os.getpid()}\n" + TRAINING.format(loss=2.0))
        took = call(folder, "try", f"idea {n}")
        last = max((folder / "sandbox/bench").glob("iter*/run.json"), key=os.path.getmtime)
        tries.append(took - json.loads(last.read_text())["wall_s"])
        states.append(call(folder, "status"))
    return statistics.median(tries[1:]), statistics.median(states[1:])


def measure_python(rounds: int) -> float:
    """Median seconds of a Python that does nothing: no command of ours can take less."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-E", "-s", "-c", "pass"], check=True)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def measure_plain(folder: Path, rounds: int) -> float:
    """Median seconds of the plain protocol for one idea, less the run."""
    began = time.perf_counter()
    subprocess.run(["sh", "train.sh"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    run_s, times = time.perf_counter() - began, []
    for n in range(1, rounds + 1):
        began = time.perf_counter()
        subprocess.run(["sh", "-c", PLAIN.format(n=n)], cwd=folder, check=True)
        times.append(time.perf_counter() - began - run_s)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, nargs="+", default=[10, 1000, 10000])
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        plain = Path(temporary, "plain")
        make(plain, "snapshots")
        bare_s = measure_python(arguments.rounds)
        plain_s = measure_plain(plain, arguments.rounds)
        machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
        print(
            f"{time.strftime('%Y-%m-%d')}, {machine}, load {os.getloadavg()[0]:.1f}, "
            f"Python {platform.python_version()}: `python -c pass` takes {bare_s:.3f} s\n"
        )
        print("| experiments | strategy | `try` beyond its run | ratio | `status` | ratio |")
        print("|---|---|---|---|---|---|")
        print(f"| plain protocol | | {plain_s:.3f} s | 1.0 | | |")
        for strategy in ("snapshots", "branches"):
            for experiments in arguments.experiments:
                folder = Path(temporary, f"{strategy}-{experiments}")
                make(folder, strategy)
                call(folder, "setup")
                call(folder, "try", "baseline")
                (folder / "train.sh").write_text("# first\n" + TRAINING.format(loss=3.0))
                call(folder, "try", "first idea")
                lengthen(folder, experiments)
                try_s, status_s = measure_try(folder, arguments.rounds)
                print(
                    f"| {experiments} | {strategy} | {try_s:.3f} s | {try_s / plain_s:.1f} "
                    f"| {status_s:.3f} s | {status_s / plain_s:.1f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
