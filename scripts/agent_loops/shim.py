"""Keeps `.agent-loops/run`: a person's shell without the command calls this installation by it.

Finds no other installation: a shim whose own is gone says so, and the next experiment rewrites it.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from pathlib import Path

from agent_loops import files
from agent_loops.errors import AgentLoopsError
from agent_loops.paths import ProjectPaths

_TEXT = """\
#!/bin/sh
{header}
# Derived: agent-loops writes it anew when its installation has moved.
if ! [ -x {program} ]; then
    printf '%s is gone; install agent-loops again, and its next command mends this file\\n' {program} >&2
    exit 1
fi
exec {command} "$@"
"""  # noqa: E501  a shell script's own line
_HEADER = "# Calls agent-loops from anywhere in this project, e.g.: .agent-loops/run status"
# An installed package has no launcher. The current folder, first on the path of a `-c`, must not
# stand in for a module.
_ENTRY = (
    "import sys; sys.path[:] = filter(None, sys.path); "
    "from agent_loops.cli import main; sys.exit(main())"
)


def write(project: ProjectPaths) -> None:
    """Makes the shim call the installation that this code belongs to; `.agent-loops/` is there.

    Where it cannot be written, or a file of the person's has its name, it is left out: no
    experiment fails for it.
    """
    command = _command()
    text = _TEXT.format(
        header=_HEADER, program=shlex.quote(command[0]), command=shlex.join(command)
    )
    data = os.fsencode(text)
    if os.path.lexists(project.shim):
        present = _ours(project.shim)
        if present is None or (present == data and os.access(project.shim, os.X_OK)):
            return
    with contextlib.suppress(AgentLoopsError):
        files.write_atomic(project.shim, data, mode=0o755, durable=False)


def _ours(path: Path) -> bytes | None:
    """The content of a shim; None where it is anything else. A power cut may leave it empty."""
    with contextlib.suppress(OSError):
        if path.is_file() and not path.is_symlink():
            data = path.read_bytes()
            return data if not data or os.fsencode(_HEADER) in data else None
    return None


def _command() -> list[str]:
    launcher = Path(os.path.realpath(__file__)).parents[2] / "bin" / "agent-loops"
    if os.access(launcher, os.X_OK):
        return [str(launcher)]
    return [sys.executable, "-c", _ENTRY]
