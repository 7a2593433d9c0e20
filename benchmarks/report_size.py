"""What `agent-loops report` takes, how large its page is, and how soon the page answers.

    python benchmarks/report_size.py [--experiments 10 1000 10000] [--rounds 3]

Each campaign is a real one whose last experiment (its records, its files) was repeated. Beside it
what a person would run otherwise: a script of ten lines that draws results.tsv with matplotlib and
writes one PNG. Opening is until the page's script has run in headless Chromium, sorting until the
frame after the click; both less nothing, beside a page of ten experiments. Without Chromium and
selenium these are left out. Prints a Markdown table: medians of this one run.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from try_overhead import TRAINING, call, make

BY_HAND = """\
import csv, matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
rows = list(csv.DictReader(open("sandbox/bench/results.tsv"), delimiter="\\t"))
loss = [float(row["loss"]) for row in rows]
colours = [{"keep": "g", "discard": "grey"}.get(row["status"], "r") for row in rows]
best = [min(loss[: k + 1]) for k in range(len(loss))] if len(loss) < 2000 else loss
plt.figure(figsize=(12, 6))
plt.scatter(range(len(loss)), loss, c=colours)
plt.step(range(len(loss)), best)
plt.savefig("progress.png", dpi=130)
"""
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
OPENED = "return performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
SORTED = """
const done = arguments[0], began = performance.now();
document.querySelector('.sort[data-key=metric]').click();
requestAnimationFrame(() => setTimeout(() => done(performance.now() - began)));
"""


def campaign(folder: Path, experiments: int) -> None:
    """A real campaign, made longer by repeating its second experiment with its files."""
    make(folder, "snapshots")
    call(folder, "setup")
    call(folder, "try", "baseline")
    (folder / "train.sh").write_text("# 1\n" + TRAINING.format(loss=2.0))
    call(folder, "try", "what the others repeat")
    root = folder / "sandbox/bench"
    records = [json.loads(line) for line in (root / "journal.jsonl").read_text().splitlines()]
    first = next(k for k, item in enumerate(records) if item.get("experiment") == 2)
    seq, lines = records[-1]["seq"], []
    for number in range(3, experiments + 1):
        for record in records[first:]:
            seq += 1
            lines.append(json.dumps({**record, "seq": seq, "experiment": number}) + "\n")
        shutil.copytree(root / "iter2", root / f"iter{number}")
    with (root / "journal.jsonl").open("a") as stream:
        stream.writelines(lines)
    call(folder, "status")
    with (root / "results.tsv").open("a") as stream:
        row = (root / "results.tsv").read_text().splitlines()[-1]
        stream.writelines(f"{row}\n" for _ in range(experiments - 2))


def median_s(rounds: int, work: Callable[[], object]) -> float:
    times = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times[1:])


def by_hand(folder: Path) -> None:
    subprocess.run([sys.executable, "-c", BY_HAND], cwd=folder, check=True)


@contextmanager
def browser() -> Iterator[Any]:
    """Chromium; None where it or selenium is missing."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    try:
        from selenium.webdriver import Chrome, ChromeOptions
        from selenium.webdriver.chrome.service import Service
    except ImportError:
        chromium = None
    if not chromium or not driver:
        yield None
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = ChromeOptions()
        options.binary_location = chromium
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        opened = Chrome(options=options, service=Service(driver))
        try:
            yield opened
        finally:
            opened.quit()


def seen(opened: Any, page: Path, rounds: int) -> tuple[str, str]:
    """Median seconds until the page is ready, and until a sort is answered."""
    if opened is None:
        return "-", "-"
    ready, answered = [], []
    for _ in range(rounds + 1):
        opened.get("about:blank")
        opened.get(page.as_uri())
        ready.append(float(opened.execute_script(OPENED)) / 1000)
        answered.append(float(opened.execute_async_script(SORTED)) / 1000)
    return f"{statistics.median(ready[1:]):.2f} s", f"{statistics.median(answered[1:]):.2f} s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--experiments", type=int, nargs="+", default=[10, 1000, 10000])
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    print(f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
    print("| experiments | `report` | to a script by hand | report.html | opens in | sorts in |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary, browser() as opened:
        for experiments in arguments.experiments:
            folder = Path(temporary, str(experiments))
            campaign(folder, experiments)
            hand_s = median_s(arguments.rounds, lambda at=folder: by_hand(at))
            ours_s = median_s(arguments.rounds, lambda at=folder: call(at, "report"))
            page = folder / "sandbox/bench/report/report.html"
            ready, answered = seen(opened, page, arguments.rounds)
            print(
                f"| {experiments} | {ours_s:.1f} s | {ours_s / hand_s:.1f} | "
                f"{page.stat().st_size / 1e6:.2f} MB | {ready} | {answered} |",
                flush=True,
            )  # fmt: skip


if __name__ == "__main__":
    main()
