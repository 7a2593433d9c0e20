"""What the keep rule gains and claims, in campaigns whose truth is known.

    python benchmarks/keep_rule.py --tune                 a useful answer in about a minute
    python benchmarks/keep_rule.py --report [--replicates 400] [--processes 2]
    python benchmarks/keep_rule.py --quick                half a minute; needs no numba
    python benchmarks/keep_rule.py --picture docs/keep_rule.svg     from the last report's figures

Ideas come from worlds (`campaigns/worlds.py`) half of which are for tuning, half for the report.
Each rule meets the same ideas and the same luck. A run of a repeat counts as a run, so does a
second baseline. The rule that ships is played by its own functions, compiled with numba where that
is installed (`pip install -e '.[bench]'`). Prints Markdown tables and whether each goal is met.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from campaigns import cells, figures, picture, tables, worlds
from campaigns.cells import Cell
from campaigns.compiled import COMPILED
from campaigns.figures import Sheet
from campaigns.goals import goals
from campaigns.rules import LOWER, ORACLE, OURS
from campaigns.worlds import PURE_NOISE

RESULTS = Path(__file__).resolve().parent / "results" / "keep_rule.md"
_FEWER = 4  # the campaigns that show what is missing need no fine figures
QUICK = (("std", 0.25), ("rich", 1.0), ("tweaks", 2.0))  # world, sigma


def for_quick() -> list[Cell]:
    """Small enough for plain Python."""
    rules = (LOWER, OURS, ORACLE)
    found = [
        Cell(worlds.named(name), cells.NORMAL, sigma, 2, (40,), rules) for name, sigma in QUICK
    ]
    return [*found, Cell(PURE_NOISE, cells.NORMAL, 1.0, 2, (40,), rules)]


def played(chosen: Sequence[Cell], arguments: argparse.Namespace) -> list[Sheet]:
    found = cells.play_all(
        chosen, replicates=arguments.replicates, processes=arguments.processes,
        minutes=arguments.minutes,
    )  # fmt: skip
    return figures.sheets(chosen, found)


def gains(sheets: Sequence[Sheet]) -> dict[str, np.ndarray]:
    """Our rule's true gains, campaign by campaign, by cell and runs."""
    return {
        f"{number} {sheet.cell.name} {sheet.runs}": sheet.gain(OURS)
        for number, sheet in enumerate(sheets)
    }


def compared(sheets: Sequence[Sheet], before: Path) -> str:
    """By noise: what was gained beyond the saved result, as a share of the oracle's gain. The
    campaigns are the same ones, so the standard error is that of the differences."""
    saved = np.load(before)
    own = gains(sheets)
    lines = []
    for runs in sorted({sheet.runs for sheet in sheets}):
        for name, group in tables.by_noise(sheets, runs).items():
            keys = [f"{sheets.index(s)} {s.cell.name} {s.runs}" for s in group]
            whole = sum(float(sheet.gain(ORACLE).mean()) for sheet in group)
            each = [figures.mean(own[key] - saved[key]) for key in keys]
            error = sum(its.error**2 for its in each) ** 0.5 / whole
            change = sum(its.mean for its in each) / whole
            lines.append(f"{runs} runs, {name}: {change:+.3f} ± {error:.3f}")
    return "\n".join(lines)


def tune(arguments: argparse.Namespace) -> None:
    """The tuning half: shares, over-claims, coverage, goals."""
    sheets = played(cells.for_tuning(cells.half("tune")), arguments)
    print(tables.markdown(sheets))
    print("\n" + "\n".join(map(str, goals(sheets))))
    if arguments.against:
        print(f"\nGain beyond {arguments.against}, as a share of the oracle's:")
        print(compared(sheets, arguments.against))
    if arguments.save:
        np.savez_compressed(arguments.save, **gains(sheets))


def report(arguments: argparse.Namespace) -> None:
    """The reporting half, and its files."""
    chosen = cells.for_report(cells.half("report"))
    began = time.monotonic()
    everything = played(chosen, arguments)
    sheets = [sheet for sheet in everything if sheet.runs in cells.TABLES]
    arguments.replicates = max(1, arguments.replicates // _FEWER)
    told = played(cells.told(cells.half("report")), arguments)
    replicates = len(sheets[0].gain(OURS))
    head = (
        f"{len(chosen)} cells, {replicates} campaigns each under every rule, "
        f"{time.monotonic() - began:.0f} s on {arguments.processes} processes, rules "
        f"{'compiled with numba' if COMPILED else 'in plain Python'}."
    )
    said = "\n".join(f"- {goal}" for goal in goals(sheets))
    why = (
        f"## What it lacks to the oracle\n\nThe same rule at {told[0].runs} runs, told more of the "
        f"truth, {len(told[0].gain(OURS))} campaigns each: true gain as a share of the oracle's."
        f"\n\n{tables.missing(told)}"
    )
    text = f"{head}\n\n## Goals\n\n{said}\n\n{why}\n\n{tables.markdown(sheets)}\n"
    print(text)
    every = f"## Every cell\n\n{tables.by_cell(sheets)}\n"
    arguments.output.parent.mkdir(exist_ok=True)
    arguments.output.write_text(f"# The keep rule, measured\n\n{text}\n{every}", "utf-8")
    arguments.output.with_suffix(".json").write_text(
        tables.as_json(sheets, everything, replicates=replicates), "utf-8"
    )


def quick(arguments: argparse.Namespace) -> None:
    """A seeded part that ends in seconds."""
    sheets = played(for_quick(), arguments)
    print(tables.markdown(sheets))


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--tune", action="store_true", help="the tuning half of the worlds")
    what.add_argument("--report", action="store_true", help="the reporting half, in full")
    what.add_argument("--picture", type=Path, help="draw the curves of the last report there")
    what.add_argument("--quick", action="store_true", help="a small part, the same each time")
    parser.add_argument("--replicates", type=int, help="campaigns of a cell and rule")
    parser.add_argument(
        "--minutes", type=float, default=math.inf, help="end with what was played by then"
    )
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument(
        "--output", type=Path, default=RESULTS, help="where --report writes; .json beside it"
    )
    parser.add_argument("--save", type=Path, help="--tune: keep our gains in this .npz")
    parser.add_argument("--against", type=Path, help="--tune: compare with one that was kept")
    arguments = parser.parse_args(argv)
    default = 400 if arguments.report else 40 if arguments.tune else 4
    arguments.replicates = arguments.replicates or default
    if arguments.picture:
        picture.draw(json.loads(RESULTS.with_suffix(".json").read_text()), arguments.picture)
    else:
        (report if arguments.report else tune if arguments.tune else quick)(arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
