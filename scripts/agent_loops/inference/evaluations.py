"""Finds a program that measures what the run has trained: a candidate for `eval_cmd`.

Takes only what a paper shows with its command; which checkpoint it reads only a person can say.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from agent_loops.inference import commanding, contenders
from agent_loops.inference.contenders import Contender, Papers
from agent_loops.inference.recipes import Command
from agent_loops.inference.survey import Survey

_MOST = 4  # to look into
_STEM = re.compile(
    r"(?i)^(?:eval|evaluate|evaluation|test|val|validate|score)(?:$|[_-])|[_-]eval(?:uate)?$"
)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A documented command that prints a measure of quality."""

    text: str
    place: str
    script: str
    metric: Contender


def find(
    survey: Survey, script: str, commands: Sequence[Command], papers: Papers
) -> Evaluation | None:
    """The first such command of the papers; those beside the program that trains come first."""
    own = PurePosixPath(script).parent
    apart = [c for c in commands if c.script != script and _measures(PurePosixPath(c.script), own)]
    apart.sort(key=lambda c: PurePosixPath(c.script).parent != own)
    for command in apart[:_MOST]:
        found = contenders.of_script(survey, command.script, papers)
        if found and found[0].source == "log" and found[0].score >= 4 and not found[0].speed:
            text = commanding.as_shown(survey, command)
            return Evaluation(text, command.place, command.script, found[0])
    return None


def _measures(program: PurePosixPath, beside: PurePosixPath) -> bool:
    """Whether a file is called an evaluation, near the program that trains."""
    if program.suffix != ".py" or program.parts[0] in ("test", "tests"):
        return False
    near = program.parent == beside or len(program.parts) <= 2
    return near and bool(_STEM.search(program.stem))
