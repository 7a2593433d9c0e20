"""What `doctor` finds: one thing a check, fine, a warning or missing, in one clean line.

Judges nothing: the checks themselves lie in `machine_checks`, `host_checks`, `hook_checks`,
`project_checks` and `campaign_checks`.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from agent_loops import display
from agent_loops.diagnosis.subjects import Subject
from agent_loops.errors import AgentLoopsError

State = Literal["missing", "warn", "ok"]
_LONGEST_LINE = 240
_LIMIT_S = 10.0


class Check(NamedTuple):
    """One answer. `missing` is in the way of an experiment, `warn` may harm one."""

    name: str
    state: State
    line: str
    next: str = ""


# Named as the check is named where it cannot be made.
CheckMaker: TypeAlias = Callable[[Subject], Iterator[Check]]


def ok(name: str, line: str) -> Check:
    return Check(name, "ok", _shown(line))


def warn(name: str, line: str, next_step: str = "") -> Check:
    return Check(name, "warn", _shown(line), _shown(next_step))


def missing(name: str, line: str, next_step: str) -> Check:
    return Check(name, "missing", _shown(line), _shown(next_step))


def _shown(text: str) -> str:
    """Commands, paths and what programs say come from outside."""
    return display.clean(display.mask(text, []), _LONGEST_LINE)


def make(makers: Sequence[CheckMaker], subject: Subject) -> Iterator[Check]:
    """Makes every check; one that fails is a warning and keeps none of the others."""
    for maker in makers:
        try:
            yield from maker(subject)
        except (AgentLoopsError, OSError, ImportError) as error:
            name = maker.__name__.replace("_", " ")
            yield warn(name, f"could not be looked at: {error}")


class Reply(NamedTuple):
    """What a program answered; `code` is None where it could not be started or did not end."""

    code: int | None
    out: str
    err: str

    @property
    def said(self) -> str:
        """The last line that says something, of its errors before its output."""
        lines = [line for line in f"{self.out}\n{self.err}".splitlines() if line.strip()]
        return display.clean(lines[-1], 120) if lines else "no word"


def ask(
    words: Sequence[str],
    *,
    environ: Mapping[str, str],
    folder: Path,
    limit_s: float = _LIMIT_S,
) -> Reply:
    """Runs a program that only answers, without input; at the limit all it started is ended."""
    try:
        process = subprocess.Popen(
            words, cwd=folder, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, errors="replace", start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        return Reply(None, "", error.strerror or str(error))
    with process:
        try:
            out, err = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return Reply(None, "", f"no answer after {limit_s:g} s")
    return Reply(process.returncode, out, err)
