#!/usr/bin/env python3
"""Prints the metric that a training log reports as one JSON object; reads from the log's end.

Reads no bindings and keeps no record. Works uninstalled, from any folder, on the standard library.
"""

from __future__ import annotations

import argparse
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

from agent_loops import metric  # the library lies beside this script

_TAIL_CHARS = 600


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="extract_metric.py",
        description="Print the metric that a log reports, as one JSON object.",
        epilog="exit codes: 0 a finite value was found; 1 none was (`problem` says why); 2 usage",
    )
    parser.add_argument("log", metavar="LOG", help="the log of one run")
    parser.add_argument("--metric", required=True, metavar="NAME", help="the name that is printed")
    parser.add_argument("--pattern", metavar="RE", help="regular expression, one group, by line")
    parser.add_argument("--direction", choices=["minimize", "maximize"], default="minimize")
    parser.add_argument("--pick", choices=["last", "best"], default="last", help="default: last")
    options = parser.parse_args(argv)
    options.spec = metric.MetricSpec(
        options.metric, metric.Direction(options.direction), options.pattern, options.pick
    )
    try:
        metric.compile_pattern(options.spec)
    except ValueError as error:
        parser.error(str(error))
    return options


def main(argv: list[str] | None = None) -> int:
    options = _arguments(argv)
    answer: dict[str, object] = {"value": None}
    try:
        with open(options.log, "rb") as stream:
            facts = metric.read_log(stream, options.spec)
            reading = facts.reading
            answer |= {
                "value": reading.value if reading else None,
                "text": reading.text if reading else None,
                "unit": reading.unit if reading else "",
                "line": _masked(reading.line) if reading else None,
                "matches": reading.matches if reading else 0,
                "peak_memory_mb": facts.peak_memory_mb,
                "memory_kind": facts.memory_kind,
                "scalars": dict(facts.scalars),
                "notes": [_masked(note) for note in reading.notes] if reading else [],
            }
            if reading is None:
                from agent_loops import display, tails

                secrets = display.secret_values(os.environ)
                answer["problem"] = display.mask(facts.problem, secrets)
                answer["tail"] = tails.tail(stream, limit=_TAIL_CHARS, secrets=secrets)
    except OSError as error:
        answer["problem"] = f"{options.log}: {error.strerror or error}; check the path of the log"
        print(answer["problem"], file=sys.stderr)
    json.dump(answer, sys.stdout, allow_nan=False)
    print()
    return 1 if answer["value"] is None else 0


def _masked(text: str) -> str:
    # Loading the masks takes longer than all the reading. Tokens are long, and values are at hand.
    words = text.split()
    short = max(map(len, words), default=0) < 12 and "earer" not in text
    if short and not any(len(value) > 5 and value in text for value in os.environ.values()):
        return text
    from agent_loops import display

    return display.mask(text, display.secret_values(os.environ))


if __name__ == "__main__":
    sys.exit(main())
