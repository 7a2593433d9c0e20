"""Runs git so that neither the caller's git context nor the user's hooks can bend what it does.

Knows no campaign: arguments and bytes in, bytes out, and a plain message where git says no.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agent_loops.errors import AgentLoopsError, Refused

_LIMIT_S = 120.0

# Where a person's own settings live. Everything else that starts with GIT_ is dropped: inside a
# git hook, or below a tool that works on another repository, it names the wrong repository.
_KEPT = re.compile(
    r"GIT_(CONFIG_(GLOBAL|SYSTEM|NOSYSTEM|COUNT|(KEY|VALUE)_\d+)|ATTR_NOSYSTEM|EXEC_PATH"
    r"|DISCOVERY_ACROSS_FILESYSTEM)"
)
_FIXED = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_EDITOR": "false",
    "LC_ALL": "C",
    "LANGUAGE": "C",
}
_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=",
    "core.safecrlf=false",
    "commit.gpgSign=false",
    "gc.auto=0",
    "i18n.commitEncoding=UTF-8",
)


class GitMissing(AgentLoopsError):
    """There is no git program."""


class GitFailed(AgentLoopsError):
    """git ended with an exit code that the caller did not expect; `stderr` is what it said."""

    def __init__(self, command: str, stderr: str) -> None:
        lines = [line for line in stderr.splitlines() if line.strip()]
        said = [line for line in lines if line.startswith(("fatal:", "error:"))] or lines
        super().__init__(f"git {command}: {'; '.join(said[-2:]) or 'failed without a word'}")
        self.stderr = stderr


@dataclass(frozen=True, slots=True)
class Answer:
    """What one git process answered."""

    code: int
    out: bytes
    err: str

    @property
    def line(self) -> str:
        """The output without its last newline."""
        return os.fsdecode(self.out.removesuffix(b"\n"))

    @property
    def records(self) -> list[str]:
        """NUL-terminated records; names that are not UTF-8 come through `os.fsencode` unharmed."""
        return [os.fsdecode(record) for record in self.out.split(b"\0") if record]


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    own = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") or _KEPT.fullmatch(name)
    }
    return {**own, **_FIXED, **extra}


@dataclass(frozen=True, slots=True)
class Git:
    """git, started in `folder`, with `variables` and `settings` on top of the fixed ones."""

    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    settings: Sequence[str] = ()

    def run(self, *arguments: str, stdin: bytes = b"", expected: Sequence[int] = (0,)) -> Answer:
        """Runs one command to its end.

        Raises:
            GitMissing: there is no git program.
            Refused: a lock file is in the way.
            GitFailed: an exit code not in `expected`.
        """
        options = [part for setting in (*_SETTINGS, *self.settings) for part in ("-c", setting)]
        try:
            # subprocess, not GitPython: importing it costs half the time a whole `try` may take,
            # and it can add variables to git's environment but not take any away.
            ended = subprocess.run(
                ["git", *options, *arguments],
                cwd=self.folder,
                env=_environment(self.variables),
                input=stdin,
                capture_output=True,
                timeout=_LIMIT_S,
            )
        except FileNotFoundError as error:
            if not self.folder.is_dir():
                raise AgentLoopsError(f"{self.folder}: no such folder") from error
            raise GitMissing("no git program on PATH; install git, or use snapshots") from error
        except subprocess.TimeoutExpired as error:
            raise GitFailed(arguments[0], f"no end after {_LIMIT_S:.0f} s; stopped") from error
        answer = Answer(ended.returncode, ended.stdout, os.fsdecode(ended.stderr))
        if answer.code not in expected:
            raise _explain(arguments[0], answer.err)
        return answer


def _explain(command: str, stderr: str) -> AgentLoopsError:
    foreign = r"(?:dubious ownership in|unsafe) repository (?:at |\()'(.*?)'"
    owner = re.search(foreign, stderr, re.DOTALL)
    if owner:
        command = f"git config --global --add safe.directory {shlex.quote(owner[1])}"
        return AgentLoopsError(
            f"{owner[1]} belongs to another user and git will not work in it; "
            f"if you trust it, run: {command}"
        )
    lock = re.search(r"Unable to create '(.*?\.lock)': File exists", stderr, re.DOTALL)
    if lock:
        return locked_by(Path(lock[1]))
    return GitFailed(command, stderr)


def locked_by(lock: Path) -> Refused:
    """The refusal for a lock file that git, or a killed git, holds."""
    return Refused(
        "git",
        f"another git command holds {lock}",
        next_step=f"let it end; if no git is running: rm {shlex.quote(str(lock))}",
    )
