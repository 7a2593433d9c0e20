"""What lies in the files of one experiment: its change, and the end of its log, masked.

Reads; what is gone or damaged is said, and stops no report.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache
from typing import NamedTuple

from agent_loops import display, files
from agent_loops.reporting import changes
from agent_loops.reporting.changes import Change
from agent_loops.workspace import Workspace

_LOG_CHARS = 600
_BASES = 4  # trees that are remembered: the base of an idea is mostly that of the last


class Detail(NamedTuple):
    """`log` is the end of its own last run's log, named `log_name`; "" where there is none."""

    change: Change = Change()
    log: str = ""
    log_name: str = ""


def reader(workspace: Workspace) -> Callable[[int], Detail]:
    """Reads each experiment once, however often it is asked for."""
    secrets = display.secret_values(workspace.environ)
    saved = lru_cache(maxsize=_BASES)(workspace.saved)

    @cache
    def read(number: int) -> Detail:
        change = changes.of(workspace, number, saved)
        masked = display.mask("\n".join(change.lines), secrets)
        lines = tuple(masked.split("\n")) if masked else ()
        return Detail(change._replace(lines=lines), *_log(workspace, number, secrets))

    return read


def _log(workspace: Workspace, number: int, secrets: list[str]) -> tuple[str, str]:
    from agent_loops import tails

    own = workspace.campaign.experiments[number].attempt
    path = workspace.store.paths.log(number, own[-1].number if own else 1)
    try:
        with files.open_regular(path) as stream:
            text = tails.tail(stream, limit=_LOG_CHARS, secrets=secrets)
    except OSError:
        return "", ""
    return text, workspace.shown(path)
