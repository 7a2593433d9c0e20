"""How the engine attaches the probe to a command.

Makes text alone: it starts nothing, and the command may run without ever meeting the probe.
"""

from __future__ import annotations

import shlex
from pathlib import Path

SITE = Path(__file__).resolve().parent / "site"


def with_probe(command: str, results: Path) -> str:
    """The command with the probe's folder on its PYTHONPATH, in front of what a prelude put there.

    What is no Python, or leaves PYTHONPATH aside (`python -I`, a container), runs as it is.
    """
    site = shlex.quote(str(SITE))
    return (
        f"export AGENT_LOOPS_PROBE={shlex.quote(str(results))} "
        f'PYTHONPATH={site}"${{PYTHONPATH:+:$PYTHONPATH}}"\n{command}'
    )
