#!/usr/bin/env python3
"""Appends one row to a results.tsv of the manual protocol, with the five columns it has.

Refused beside a journal: there the engine keeps the record, and no number is typed.
"""

from __future__ import annotations

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import argparse
import math
import re
from pathlib import Path

from agent_loops import display, entry, files
from agent_loops.errors import Refused, UsageError

STATUSES = ("keep", "discard", "crash")
CRASHED_METRIC, CRASHED_MEMORY = "0.000000", "0.0"


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    parser = entry.Parser(prog="log_result.py", description=__doc__)
    parser.add_argument("--results", required=True, type=Path, metavar="FILE")
    parser.add_argument("--id", required=True, help="the commit (7 characters), or the iteration")
    parser.add_argument("--metric", required=True, metavar="NAME=VALUE")
    parser.add_argument("--memory-gb", default="0.0", metavar="G", help="peak memory")
    parser.add_argument("--status", required=True, choices=STATUSES)
    parser.add_argument("--description", required=True, metavar="TEXT")
    return parser.parse_args(argv)


def number(text: str, what: str) -> str:
    """The number as it was given, so that its digits stay."""
    try:
        finite = math.isfinite(float(text))
    except ValueError:
        finite = False
    if not finite:
        raise UsageError(f"{what}: {text!r} is not a finite number")
    return text.strip()


def log(arguments: argparse.Namespace) -> dict[str, object]:
    """Appends the row and returns it."""
    results: Path = arguments.results
    if Path(os.path.realpath(results)).with_name("journal.jsonl").exists():
        raise Refused(
            "journal",
            f"{results}: kept by the engine; its rows are not written by hand",
            next_step="run `agent-loops try`",
        )
    name, separator, value = arguments.metric.rpartition("=")
    if not separator or not name or re.search(r"[\t\r\n]", name):
        raise UsageError(f"--metric: {arguments.metric!r} is not NAME=VALUE")
    if not re.fullmatch(r"[\w.-]{1,64}", arguments.id):
        raise UsageError(f"--id: {arguments.id!r} is no commit and no iteration")
    crashed = arguments.status == "crash"
    first = "commit" if re.fullmatch(r"[0-9a-f]{7,64}", arguments.id) else "iter"
    row = [
        arguments.id[:7] if first == "commit" else arguments.id,
        CRASHED_METRIC if crashed and value in ("", "nan") else number(value, "--metric"),
        CRASHED_MEMORY if crashed else f"{float(number(arguments.memory_gb, '--memory-gb')):.1f}",
        arguments.status,
        display.clean(arguments.description, 200),
    ]
    with files.locked(results.with_name(results.name + ".lock"), wait_s=10):
        header = [first, name, "memory_gb", "status", "description"]
        text = "\t".join(row) + "\n"
        if not results.exists() or results.stat().st_size == 0:
            text = "\t".join(header) + "\n" + text
        else:
            with results.open(encoding="utf-8", errors="replace", newline="") as stream:
                line = stream.readline()
            present = line.rstrip("\r\n").split("\t")
            if present[1:] != header[1:]:
                raise Refused(
                    "header",
                    f"{results}: its columns are {', '.join(present)}",
                    next_step=f"write to another file, or give --metric {present[1]}=VALUE"
                    if len(present) == len(header)
                    else "write to another file",
                )
            if not results.read_bytes().endswith(b"\n"):
                text = "\n" + text
            if line.endswith("\r\n"):
                text = text.replace("\n", "\r\n")
        files.append(results, text.encode())
    return {"schema": 1, "results": str(results), "row": row}


if __name__ == "__main__":
    sys.exit(entry.run(lambda: log(parse())))
