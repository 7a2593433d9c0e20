"""What keep rules gain and claim in real training: examples/tiny_lm under a random researcher.

    python benchmarks/keep_rule_tiny_lm.py [--campaigns 20] [--runs 50]

Each campaign starts from `train.py` with the first five helping ideas applied, where what is left
to gain is about as large as the noise. Ideas are drawn at random: the edit files of `ideas/` (not
those that crash, hang or cheat) and random changes of a constant, some of which change nothing.
All rules meet the same ideas in the same order, though not on the same incumbent, and the same
seeds. A run that diverges is a discard and counts. In the end the final code and the campaign's
first code are trained on fresh seeds; the true gain is the difference of those means.

The training is that of `train.py` itself, in this process and short: where it reads the clock, it
reads one that counts work (a constant for each step, and each weight times each window of the
batch), so that the same code and seed give the same reading on any machine, however busy, and a
reading is taken once. A larger model gets fewer steps, as under a real budget. Scored are fewer of
the held-out bytes. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import math
import os
import random
import re
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

for _library in ("OPENBLAS", "OMP", "MKL", "VECLIB_MAXIMUM"):
    os.environ[f"{_library}_NUM_THREADS"] = "1"  # before numpy comes with the example

ROOT = Path(__file__).resolve().parent.parent
TINY_LM = ROOT / "examples" / "tiny_lm"
sys.path[:0] = [str(ROOT / "scripts"), str(TINY_LM)]

import measure  # noqa: E402
import prepare  # noqa: E402

from agent_loops.keeping import rule as noise_aware  # noqa: E402

EDITS = ("help-", "hurt-", "flat-", "later-")
STEPS = 600  # of the first code
FRESH = 8  # seeds on which the final code is scored
CONSTANT = re.compile(r"^([A-Z_]+) = ([0-9.e-]+)(  #.*)$", re.MULTILINE)
prepare.EVAL_BYTES = 6144  # a quarter: otherwise half the time goes there
prepare.TIME_BUDGET = 1.0


class WorkClock:
    """Stands in for the module `time` in a run: seconds of work done, the budget being 1."""

    def __init__(self) -> None:
        self.now = 0.0
        self.step = 0.0

    def monotonic(self) -> float:
        self.now += self.step
        return self.now


def work(namespace: dict[str, Any]) -> float:
    """What a step costs: as much again as a step's overhead for 100,000 weights times windows."""
    weights = sum(math.prod(shape) for shape in namespace["weight_shapes"]().values())
    return 1.0 + float(weights * namespace["BATCH_SIZE"]) / 100_000


class Lab:
    """Trains code with seeds; remembers every reading."""

    def __init__(self, first: str) -> None:
        self.first = first
        self.runs = 0
        self._readings: dict[tuple[str, int], float] = {}
        self._step = 0.0
        self._step = 1.0 / STEPS / work(self._namespace(first))

    def read(self, code: str, seed: int) -> float:
        """val_bpb; infinite where training fails."""
        key = (hashlib.sha256(code.encode()).hexdigest(), seed)
        if key not in self._readings:
            self.runs += 1
            self._readings[key] = self._train(code, seed)
        return self._readings[key]

    def _namespace(self, code: str) -> dict[str, Any]:
        namespace: dict[str, Any] = {"__name__": "train"}
        exec(compile(code, "train.py", "exec"), namespace)
        return namespace

    def _train(self, code: str, seed: int) -> float:
        namespace = self._namespace(code)
        clock = WorkClock()
        clock.step = self._step * work(namespace)
        namespace["time"] = clock
        os.environ["AGENT_LOOPS_SEED"] = str(seed)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            try:
                namespace["main"]()
            except (SystemExit, ArithmeticError, ValueError):
                return math.inf
        found = re.search(r"^val_bpb:\s+(\S+)$", printed.getvalue(), re.MULTILINE)
        value = float(found[1]) if found else math.inf
        return value if math.isfinite(value) else math.inf


Idea = Callable[[str], str | None]
"""The code with the idea applied; None where it does not apply."""


def edit_file(path: Path) -> Idea:
    blocks = measure.BLOCK.findall(path.read_text("utf-8"))

    def apply(code: str) -> str | None:
        for _, search, replacement in blocks:
            if code.count(search) != 1:
                return None
            code = code.replace(search, replacement)
        return code

    return apply


def change_of_constant(draw: random.Random) -> Idea:
    """One constant of train.py times a random factor; a share moves within 0 to 0.5."""
    name = draw.choice(
        ["CONTEXT", "EMBED_DIM", "WIDTH", "INIT_SCALE", "BATCH_SIZE", "LEARNING_RATE", "MOMENTUM",
         "WEIGHT_DECAY", "GRAD_CLIP", "WARMUP", "WARMDOWN", "DROPOUT", "LABEL_SMOOTHING",
         "PROGRESS_EVERY"]
    )  # fmt: skip
    factor, share = math.exp(draw.gauss(0, 0.4)), draw.uniform(0, 0.5)

    def apply(code: str) -> str | None:
        found = re.search(rf"^{name} = ([0-9.e-]+)", code, re.MULTILINE)
        if found is None:
            return None
        old = float(found[1])
        if found[1].isdigit():
            value = repr(max(1, round(old * factor)))
        elif name in ("MOMENTUM", "WARMUP", "WARMDOWN", "DROPOUT", "LABEL_SMOOTHING"):
            value = f"{share:.3g}"
        else:
            value = f"{old * factor:.6g}"
        changed = code[: found.start(1)] + value + code[found.end(1) :]
        return None if changed == code else changed

    return apply


class Outcome(NamedTuple):
    """What one campaign left, in val_bpb; `low` and `high` are the claim's, where it has any."""

    code: str
    claimed: float
    low: float
    high: float
    kept: int


class Lower:
    """Keeps what reads lower than the incumbent did by more than so many deviations."""

    def __init__(self, margin: float) -> None:
        self._margin = margin

    def begin(self, read: Callable[[], float]) -> None:
        self._first = self._incumbent = read()

    def decide(self, read: Callable[[], float]) -> bool:
        reading = read()
        keeps = reading < self._incumbent - self._margin
        if keeps:
            self._incumbent = reading
        return keeps

    def claim(self) -> tuple[float, float, float]:
        gain = self._first - self._incumbent
        return gain, gain, gain


class NoiseAware:
    """The rule that ships."""

    def begin(self, read: Callable[[], float]) -> None:
        self._belief = noise_aware.begin([read(), read()])

    def decide(self, read: Callable[[], float]) -> bool:
        readings: list[float] = []
        verdict = noise_aware.REPEAT
        while verdict == noise_aware.REPEAT:
            reading = read()
            if not math.isfinite(reading):
                return False  # a crash is no reading
            readings.append(reading)
            verdict = noise_aware.judge(self._belief, readings).verdict
        kept = verdict == noise_aware.KEEP
        self._belief = noise_aware.settle(self._belief, readings, kept=kept)
        return kept

    def claim(self) -> tuple[float, float, float]:
        found = noise_aware.claim(self._belief)
        return found.gain, found.low, found.high


class Ended(Exception):
    """The campaign's runs are used up; what is undecided is left out."""


def play(lab: Lab, keeper: Any, ideas: Sequence[Path], *, campaign: int, runs: int) -> Outcome:
    """One campaign of so many runs. Reading j of idea k has the same seed under every rule."""
    draw = random.Random(campaign)
    left, code, kept, number = runs, lab.first, 0, 0

    def reader(of: str) -> Callable[[], float]:
        seeds = iter(range(1_000_000 * campaign + 100 * number, 1_000_000 * (campaign + 1)))

        def read() -> float:
            nonlocal left
            if left == 0:
                raise Ended
            left -= 1
            return lab.read(of, next(seeds))

        return read

    with contextlib.suppress(Ended):
        keeper.begin(reader(code))
        while True:
            path, constant = draw.choice(ideas), change_of_constant(draw)
            idea = edit_file(path) if draw.random() < 0.3 else constant
            number += 1
            candidate = idea(code)
            if candidate is not None and keeper.decide(reader(candidate)):
                code, kept = candidate, kept + 1
    return Outcome(code, *keeper.claim(), kept)


def first_code() -> str:
    """`train.py` with the first five ideas of the example's stack."""
    code = (TINY_LM / "train.py").read_text("utf-8")
    for prefix in measure.STACK[:5]:
        applied = edit_file(measure.idea(prefix))(code)
        assert applied is not None, prefix
        code = applied
    return code


def scored(lab: Lab, code: str) -> float:
    """Mean val_bpb on seeds that no campaign used."""
    return statistics.fmean(lab.read(code, 900_000_000 + seed) for seed in range(FRESH))


def mean_and_error(values: Sequence[float]) -> str:
    error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return f"{statistics.fmean(values):+.4f} ± {error:.4f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--campaigns", type=int, default=20)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument(
        "--minutes", type=float, default=math.inf, help="end with the campaigns played by then"
    )
    arguments = parser.parse_args()
    began = time.monotonic()
    lab = Lab(first_code())
    ideas = [path for path in sorted(measure.IDEAS.glob("*.edit")) if path.stem.startswith(EDITS)]
    baseline = [lab.read(lab.first, 900_000_000 + seed) for seed in range(FRESH)]
    sigma = statistics.stdev(baseline)
    keepers: dict[str, Callable[[], Any]] = {
        "keep if lower": lambda: Lower(0.0),
        "2 sigma": lambda: Lower(2 * sigma),
        "**noise-aware**": NoiseAware,
    }
    outcomes: dict[str, list[Outcome]] = {name: [] for name in keepers}
    truths: dict[str, list[float]] = {name: [] for name in keepers}
    for campaign in range(arguments.campaigns):
        for name, make in keepers.items():
            outcome = play(lab, make(), ideas, campaign=campaign, runs=arguments.runs)
            outcomes[name].append(outcome)
            truths[name].append(statistics.fmean(baseline) - scored(lab, outcome.code))
        passed = time.monotonic() - began
        print(f"{campaign + 1} campaigns, {passed:.0f} s, {lab.runs} runs", file=sys.stderr)
        if passed > 60 * arguments.minutes:
            break
    print(
        f"{campaign + 1} campaigns a rule of {arguments.runs} runs; start "
        f"{statistics.fmean(baseline):.4f} val_bpb, deviation of a run there {sigma:.4f}; "
        f"{lab.runs} runs were trained.\n"
    )
    print("| rule | true gain on fresh seeds | claimed gain | claimed less true | kept changes |")
    print("|---|---|---|---|---|")
    for name, ended in outcomes.items():
        apart = [its.claimed - true for its, true in zip(ended, truths[name], strict=True)]
        row = [truths[name], [its.claimed for its in ended], apart]
        kept = statistics.fmean(its.kept for its in ended)
        print(f"| {name} | {' | '.join(map(mean_and_error, row))} | {kept:.1f} |")


if __name__ == "__main__":
    main()
