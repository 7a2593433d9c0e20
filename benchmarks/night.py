"""A night on examples/tiny_lm: a real campaign of over a hundred experiments, by a script.

    python benchmarks/night.py FOLDER [--experiments 120] [--seed 1]

Every experiment is a real training through `agent-loops try`, as an agent calls it. The researcher
draws at random: an edit file of `ideas/` that was not tried yet, or one constant of the code as it
is then, changed; it does not learn from what happened. In the end the best is confirmed on fresh
seeds, and the report is written. Takes about seven seconds an experiment. What the picture of the
README shows was made by this. Taken up where it stopped when it is called again.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

from agent_loops import demo  # noqa: E402

COMMAND = [sys.executable, "-E", "-s", str(ROOT / "scripts" / "agent-loops.py")]
CONSTANT = re.compile(r"^([A-Z_]+) = ([0-9.e-]+)(  #.*)$", re.MULTILINE)
SHARES = ("MOMENTUM", "WARMUP", "WARMDOWN", "DROPOUT", "LABEL_SMOOTHING")
LEFT_OUT = ("cheat", "hang")  # refused, or half a minute each for nothing
IDEAS_SHARE = 0.3


def call(project: Path, *words: str, stdin: str = "") -> str:
    """One command's answer; refusals are answers too."""
    done = subprocess.run(
        [*COMMAND, *words], cwd=project, input=stdin, capture_output=True, text=True, check=False
    )
    if done.returncode not in (0, 3):
        raise SystemExit(f"{words}: {done.stderr or done.stdout}")
    return done.stdout


def ideas(draw: random.Random, train: Path) -> Iterator[tuple[str, str]]:
    """What to try and its edit, without end; each edit file is offered once."""
    files = [
        path
        for path in sorted((ROOT / "examples/tiny_lm/ideas").glob("*.edit"))
        if not path.name.startswith(LEFT_OUT)
    ]
    draw.shuffle(files)
    while True:
        if files and draw.random() < IDEAS_SHARE:
            path = files.pop()
            words = path.stem.split("-")
            yield " ".join(word for word in words[1:] if not word.isdigit()), path.read_text()
        else:
            yield changed_constant(draw, train.read_text())


def changed_constant(draw: random.Random, code: str) -> tuple[str, str]:
    """One constant times a random factor; a share moves within 0 to 0.5."""
    name, old, comment = draw.choice(CONSTANT.findall(code))
    if name in SHARES:
        new = f"{draw.uniform(0, 0.5):.2g}"
    elif old.isdigit():
        new = str(max(1, round(int(old) * math.exp(draw.gauss(0, 0.5)))))
    else:
        new = f"{float(old) * math.exp(draw.gauss(0, 0.5)):.2g}"
    edit = (
        f"train.py\n<<<<<<< SEARCH\n{name} = {old}{comment}\n=======\n"
        f"{name} = {new}{comment}\n>>>>>>> REPLACE\n"
    )
    return f"{name.lower().replace('_', ' ')} {old} → {new}", edit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--experiments", type=int, default=120)
    parser.add_argument("--seed", type=int, default=1)
    parsed = parser.parse_args()
    project = parsed.folder / "tiny_lm"
    if not project.exists():
        demo.copy_example(project)
        print(call(project, "setup"))
        print(call(project, "try", "baseline"))
    done = json.loads(call(project, "status", "--json"))["experiments"]
    draw = random.Random(parsed.seed * 1_000_003 + done)
    for idea, edit in ideas(draw, project / "train.py"):
        if done >= parsed.experiments:
            break
        answer = json.loads(call(project, "try", idea, "--edit", "-", "--json", stdin=edit))
        if answer["status"] != "refused":  # the value it had, or code that was tried before
            done = answer["experiment"]
            print(f"#{done} {answer['status']:8} {answer['metric']} {idea}", flush=True)
    print(call(project, "confirm"))
    print(call(project, "report"))


if __name__ == "__main__":
    main()
