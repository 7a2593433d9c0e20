"""How long after a run's end its result is answered, beside what agents do without agent-loops.

    python benchmarks/end_of_run.py [--rounds 15] [--polls 1 5 30]

The training script's last act is to write down the time; what counts is the time from there until
the command that waits has answered and ended. Plain foreground is `train > run.log; grep`. Polling
asks every so many seconds whether the process of a run in the background is still there, as an
agent does whose one command may not take as long as the run; the run's length is random within one
such interval, and all rounds of one interval go on at the same time, for they only sleep. Prints a
Markdown table: median and longest seconds, and the median's ratio to plain foreground, all from
this one run.

`run_with_timeout.py` only notices the end. `try` and `wait` also read the metric, check the
harness, decide, put the code back and record it durably.
"""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from try_overhead import COMMAND, ROOT, make

# The number in the first line makes it another idea each time.
TRAINING = "# {n}\nsleep {seconds:.3f}\necho loss: 2.0\ndate +%s.%N > {ended}\n"
PLAIN = "sh train.sh > run.log 2>&1; grep '^loss:' run.log"
POLLING = (
    "sh train.sh > run.log 2>&1 & while kill -0 $!; do sleep {every}; done 2>/dev/null; "
    "grep '^loss:' run.log"
)
TIMED = [sys.executable, str(ROOT / "scripts/run_with_timeout.py"), "--timeout-s", "600"]


def write(folder: Path, n: int, seconds: float) -> Path:
    """The training script; returns the file that will hold the time of its end."""
    ended = folder.parent / f"{folder.name}-ended"
    (folder / "train.sh").write_text(TRAINING.format(n=n, seconds=seconds, ended=ended))
    return ended


def after_the_end(folder: Path, n: int, seconds: float, command: Sequence[str]) -> float:
    """Seconds from the run's end to the command's."""
    ended = write(folder, n, seconds)
    return waited(folder, ended, command)


def waited(folder: Path, ended: Path, command: Sequence[str]) -> float:
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return time.time() - float(ended.read_text())


def by_wait(folder: Path, n: int, seconds: float) -> float:
    """The same where another command has started the run."""
    ended = write(folder, n, seconds)
    began = [*COMMAND, "try", f"idea {n}", "--wait-s", "0"]
    subprocess.run(began, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return waited(folder, ended, [*COMMAND, "wait"])


def by_polling(folder: Path, every: float, rounds: int) -> list[float]:
    """All rounds at once, each in a folder of its own."""
    command = ["sh", "-c", POLLING.format(every=every)]

    def one(n: int) -> float:
        own = folder / f"poll-{every:g}-{n}"
        own.mkdir(parents=True)
        return after_the_end(own, n, 0.3 + random.random() * every, command)

    with ThreadPoolExecutor(rounds) as pool:
        return list(pool.map(one, range(rounds)))


def in_turn(rounds: int, one: Callable[[int], float]) -> list[float]:
    """After a round that does not count: files are cached then."""
    return [one(n) for n in range(rounds + 1)][1:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--polls", type=float, nargs="*", default=[1, 5, 30], metavar="S")
    arguments = parser.parse_args()
    rounds = arguments.rounds
    with tempfile.TemporaryDirectory() as temporary:
        plain, ours = Path(temporary, "plain"), Path(temporary, "ours")
        plain.mkdir()
        make(ours, "snapshots")
        write(ours, 0, 0.3)
        for words in (["setup"], ["try", "baseline"]):
            subprocess.run([*COMMAND, *words], cwd=ours, check=True, stdout=subprocess.DEVNULL)
        timed = [*TIMED, "--log", "run.log", "--", "sh", "train.sh"]
        found = {
            "plain foreground, then `grep`": in_turn(
                rounds, lambda n: after_the_end(plain, n, 0.3, ["sh", "-c", PLAIN])
            ),
            "`run_with_timeout.py`": in_turn(rounds, lambda n: after_the_end(plain, n, 0.3, timed)),
            "`agent-loops try`": in_turn(
                rounds, lambda n: after_the_end(ours, n + 1, 0.3, [*COMMAND, "try", f"idea {n}"])
            ),
            # Long enough that the second command waits for a while.
            "`agent-loops wait`": in_turn(rounds, lambda n: by_wait(ours, n + 1000, 1.5)),
        }
        for every in arguments.polls:
            name = f"polling with `sleep {every:g}`"
            found[name] = by_polling(Path(temporary), every, rounds)
    reference = statistics.median(next(iter(found.values())))
    print("| answered after the run's end by | median | longest | ratio |")
    print("|---|---|---|---|")
    for name, seconds in found.items():
        median = statistics.median(seconds)
        row = f"{median * 1000:.0f} ms | {max(seconds) * 1000:.0f} ms | {median / reference:.1f}"
        print(f"| {name} | {row} |")


if __name__ == "__main__":
    main()
