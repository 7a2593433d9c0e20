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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
    """What is measured: the baseline with these edit files applied, in this order."""

    name: str
    edits: tuple[Path, ...]


Result = float | str  # bits per byte, or in words how a run ended without them


def apply_edit(folder: Path, edit: Path) -> None:
    """Applies search/replace blocks. ValueError where a search text does not occur just once."""
    blocks = BLOCK.findall(edit.read_text("utf-8"))
    if not blocks:
        raise ValueError(f"{edit.name}: no edit block")
    for name, search, replacement in blocks:
        text = (folder / name).read_text("utf-8")
        found = text.count(search)
        if found != 1:
            raise ValueError(f"{edit.name}: its search text is {found} times in {name}, not once")
        (folder / name).write_text(text.replace(search, replacement), "utf-8")


def run_once(edits: Sequence[Path], *, budget_s: float) -> Result:
    """One run of train.py with `edits` applied to a fresh copy."""
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


def ideas(patterns: Sequence[str]) -> list[Subject]:
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
    load = f"load {os.getloadavg()[0]:.1f}"  # above the number of cores, runs get fewer steps
    return f"{platform.system()}, {cores}, {load}, Python {platform.python_version()}"


def measure(
    subjects: Sequence[Subject], *, repeats: int, budget_s: float
) -> dict[Subject, list[Result]]:
    """`repeats` results of each subject, taken round by round."""
    results: dict[Subject, list[Result]] = {subject: [] for subject in subjects}
    for round_number in range(1, repeats + 1):
        for number, subject in enumerate(subjects, 1):
            progress = f"round {round_number}/{repeats}, {number}/{len(subjects)}"
            print(f"\r{progress}  ", end="", file=sys.stderr, flush=True)
            results[subject].append(run_once(subject.edits, budget_s=budget_s))
    print(file=sys.stderr)
    return results


def table(results: Mapping[Subject, Sequence[Result]]) -> str:
    """A Markdown table; the first subject is the baseline. A positive gain is better."""
    rows = ["| idea | median val_bpb | gain | noise |", "|---|---:|---:|---:|"]
    baseline = None
    for subject, its_results in results.items():
        scores = [result for result in its_results if isinstance(result, float)]
        endings = sorted({result for result in its_results if isinstance(result, str)})
        if endings:
            rows.append(f"| {subject.name} | {'; '.join(endings)} | | |")
            continue
        median = statistics.median(scores)
        gain = "" if baseline is None else f"{baseline - median:+.3f}"
        baseline = median if baseline is None else baseline
        noise = f"{statistics.stdev(scores):.3f}" if len(scores) > 1 else ""
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
    results = measure(
        [Subject("baseline", ()), *ideas(arguments.patterns)],
        repeats=arguments.repeats,
        budget_s=arguments.budget_s,
    )
    print(f"{arguments.repeats} runs each, {arguments.budget_s:g} s of training, {machine()}\n")
    print(table(results))


if __name__ == "__main__":
    main()
