"""Projects whose training or benchmark is a target of a Makefile around somebody else's program.

What that program prints is known only from what the project itself searches its log for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent_loops.inference import metric_names
from agent_loops.inference.metric_names import Sense
from agent_loops.inference.survey import Survey

_TARGET = re.compile(r"(?m)^(train|training|bench|benchmark|fit|experiment|run)\s*:(?!=)")
_SEARCHED = re.compile(
    r"(?:grep|sed|awk|rg)\b[^\n]*?[\"'](?:s/)?[\^/]*\.?\*?([A-Za-z][\w @./%-]{2,40})"
)
_SETTING = re.compile(r"(?m)^(\w*(?:EPOCHS|ITERATIONS|ITERS|STEPS))\s*[:?]?=\s*(\d+)")


@dataclass(frozen=True, slots=True)
class Target:
    """One target that could be the run."""

    run_cmd: str
    place: str
    metric: str
    judged: Sense
    metric_place: str
    setting: str
    seed: str


def find(survey: Survey) -> Target | None:
    """The target that trains or measures, if the project has one."""
    path = survey.first("Makefile", "makefile")
    text = survey.text(path) if path else ""
    match = _TARGET.search(text)
    if match is None:
        return None
    metric, judged, place = _searched(survey, path)
    setting = _SETTING.search(text)
    shown = ""
    command = f"make {match[1]}"
    if setting:
        shown = f"{setting[1]} = {setting[2]} ({path}:{_line(text, setting.start())})"
        command += f" {setting[1]}={setting[2]}"
    seed = re.search(r"(?m)^(\w*SEED)\s*[:?]?=\s*(\d+)", text)
    told = (
        f"variable {seed[1]} = {seed[2]} ({path}:{_line(text, seed.start())})" if seed else "none"
    )
    return Target(
        command, f"{path}:{_line(text, match.start())}", metric, judged, place, shown, told
    )


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


def _searched(survey: Survey, path: str) -> tuple[str, Sense, str]:
    """The likeliest metric among what the project greps for."""
    best = ("", metric_names.NOTHING, "", -9.0)
    for file in [path, *survey.with_suffix(".sh", ".py", ".md")[:40]]:
        text = survey.text(file)
        for match in _SEARCHED.finditer(text):
            name = match[1].strip()
            judged = metric_names.sense(name)
            worth = (
                judged.weight
                + {"val": 6.0, "test": 4.0, "": 0.0, "train": -7.0}[metric_names.split_of(name)]
            )
            if judged.weight and worth > best[3]:
                best = (name, judged, f"{file}:{_line(text, match.start())}", worth)
    return best[:3]
