"""What the probe costs a training: steps a second with it and without, by turns, in one run.

    python benchmarks/probe_overhead.py [--pairs 6] [--steps 800]

Trains examples/nano_gpt (needs torch; on the GPU where there is one) for a fixed number of steps in
processes of their own, and says the median of the ratios of a pair, with the smallest and largest.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

from agent_loops.probing import attaching  # noqa: E402


def seconds_of(steps: int, results: Path | None) -> float:
    """Seconds of one training's steps, by its own clock."""
    command = f"{sys.executable} train.py"
    done = subprocess.run(
        ["bash", "-c", command if results is None else attaching.with_probe(command, results)],
        cwd=ROOT / "examples" / "nano_gpt", check=True, capture_output=True, text=True,
        stdin=subprocess.DEVNULL,
        env={
            **os.environ, "NANO_GPT_STEPS": str(steps), "NANO_GPT_BUDGET_S": "9999",
            "AGENT_LOOPS_SEED": "1", "PYTHONDONTWRITEBYTECODE": "1",
        },
    )  # fmt: skip
    match = re.search(r"training_seconds:\s+([\d.]+)", done.stdout)
    assert match is not None, done.stdout
    return float(match[1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=6)
    parser.add_argument("--steps", type=int, default=800)
    arguments = parser.parse_args()
    ratios = []
    for pair in range(arguments.pairs):
        with tempfile.TemporaryDirectory() as folder:
            results = Path(folder)
            order = [None, results] if pair % 2 else [results, None]
            took = {place: seconds_of(arguments.steps, place) for place in order}
            facts = json.loads((results / "probe.json").read_text())
        ratios.append(took[results] / took[None])
        looks = facts["looks"]
        print(
            f"without {took[None]:.2f} s, with {took[results]:.2f} s: {ratios[-1]:.4f}; "
            f"{looks['full'] + looks['part']} steps' layers, {looks['light']} lightly, own time "
            f"{facts['own_s']:.3f} s",
            flush=True,
        )
    print(
        f"median {statistics.median(ratios):.4f} ({min(ratios):.4f} to {max(ratios):.4f}) of the "
        f"time without, {facts.get('device', 'CPU')}, torch {facts['torch']}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
