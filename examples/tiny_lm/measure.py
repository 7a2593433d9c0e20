"""Measures every idea in ideas/ against the baseline and prints the tables of README.md.

    python3 measure.py                      everything, five runs each: about fifteen minutes
    python3 measure.py --repeats 3 'help-*' only these

Each idea is applied to a copy in a temporary folder; nothing here is changed. The runs go round,
one of each and then again, so that a busy spell of the machine falls on all alike. Standard library
only (train.py needs numpy).
"""

import argparse
import fnmatch
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
IDEAS = HERE / "ideas"
SOURCES = ("prepare.py", "train.py")
# Applied one on another, in this order; the first five are "the best five" of README.md.
STACK = ("help-02", "help-09", "help-07", "help-08", "help-06", "help-05", "later-01")
BLOCK = re.compile(
    r"^(\S+)\n<<<<<<< SEARCH\n(.*?)=======\n(.*?)>>>>>>> REPLACE$", re.DOTALL | re.MULTILINE
)
VAL_BPB = re.compile(r"^val_bpb:\s+(\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured: edit files, applied in order to a fresh copy, and what each run gave."""

    name: str
    edits: tuple[Path, ...]
    val_bpb: list[float] = field(default_factory=list)
    endings: list[str] = field(default_factory=list)  # how the runs without a score ended


def apply_edit(folder: Path, edit: Path) -> None:
    """Applies search/replace blocks. ValueError where a search text does not occur just once."""
    blocks = BLOCK.findall(edit.read_text())
    if not blocks:
        raise ValueError(f"{edit.name}: no edit block")
    for name, search, replacement in blocks:
        text = (folder / name).read_text()
        found = text.count(search)
        if found != 1:
            raise ValueError(f"{edit.name}: its search text is {found} times in {name}, not once")
        (folder / name).write_text(text.replace(search, replacement))


def run_once(edits: Sequence[Path], *, budget_s: float) -> float | str:
    """One run of train.py with `edits` applied. → bits per byte, or how it ended without them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for source in SOURCES:
            shutil.copy(HERE / source, folder)
        for edit in edits:
            apply_edit(folder, edit)
        try:
            done = subprocess.run(
                [sys.executable, "train.py"],
                cwd=folder,
                env={**os.environ, "TINY_LM_BUDGET_S": str(budget_s)},
                capture_output=True,
                text=True,
                timeout=3 * budget_s + 10,
            )
        except subprocess.TimeoutExpired:
            return "never ends"
    found = VAL_BPB.search(done.stdout)
    if done.returncode == 0 and found:
        return float(found[1])
    if "FAIL" in done.stdout:
        return "FAIL"
    return (done.stderr.strip().splitlines() or ["no output"])[-1]


def idea(prefix: str) -> Path:
    """The one idea file whose name starts so."""
    (found,) = IDEAS.glob(f"{prefix}*.edit")
    return found


def subjects(patterns: Sequence[str]) -> list[Subject]:
    """The ideas that match, and the growing stack where nothing was asked for by name."""
    found = [
        Subject(path.stem, (path,))
        for path in sorted(IDEAS.glob("*.edit"))
        if any(fnmatch.fnmatch(path.stem, pattern) for pattern in patterns or ["*"])
        and not path.stem.startswith("cheat-")  # a score of theirs would mean nothing
    ]
    if not patterns:
        for count in range(2, len(STACK) + 1):
            edits = tuple(map(idea, STACK[:count]))
            found.append(Subject(f"stack of {count}: … + {edits[-1].stem}", edits))
    return found


def machine() -> str:
    """One line about where the figures come from."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        named = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(), re.MULTILINE)
        model = named[1] if named else model
    cores = f"{os.cpu_count()} cores of {model}"
    return f"{platform.system()}, {cores}, Python {platform.python_version()}"


def measure(all_subjects: Sequence[Subject], *, repeats: int, budget_s: float) -> None:
    """Fills in the results, round by round."""
    for round_number in range(1, repeats + 1):
        for number, subject in enumerate(all_subjects, 1):
            progress = f"round {round_number}/{repeats}, {number}/{len(all_subjects)}"
            print(f"\r{progress}  ", end="", file=sys.stderr, flush=True)
            result = run_once(subject.edits, budget_s=budget_s)
            if isinstance(result, float):
                subject.val_bpb.append(result)
            else:
                subject.endings.append(result)
    print(file=sys.stderr)


def table(baseline: Subject, others: Sequence[Subject]) -> str:
    """A Markdown table. A positive gain is better; the noise is one run's standard deviation."""
    middle = statistics.median(baseline.val_bpb)
    rows = ["| idea | median val_bpb | gain | noise |", "|---|---:|---:|---:|"]
    for subject in (baseline, *others):
        if subject.endings:
            rows.append(f"| {subject.name} | {'; '.join(sorted(set(subject.endings)))} | | |")
            continue
        median = statistics.median(subject.val_bpb)
        noise = f"{statistics.stdev(subject.val_bpb):.3f}" if len(subject.val_bpb) > 1 else ""
        gain = "" if subject is baseline else f"{middle - median:+.3f}"
        rows.append(f"| {subject.name} | {median:.3f} | {gain} | {noise} |")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Measures the ideas in ideas/ against the baseline."
    )
    parser.add_argument(
        "patterns", nargs="*", metavar="IDEA", help="only ideas whose name matches, e.g. 'help-*'"
    )
    parser.add_argument("--repeats", type=int, default=5, help="runs of each (default 5)")
    parser.add_argument(
        "--budget-s", type=float, default=3.0, help="training seconds of each run (default 3)"
    )
    arguments = parser.parse_args()
    baseline, others = Subject("baseline", ()), subjects(arguments.patterns)
    measure([baseline, *others], repeats=arguments.repeats, budget_s=arguments.budget_s)
    print(f"{arguments.repeats} runs each, {arguments.budget_s:g} s of training, {machine()}\n")
    print(table(baseline, others))


if __name__ == "__main__":
    main()
