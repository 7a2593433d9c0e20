"""The environment that runs get, and a fingerprint of it that gives no value away.

Pure: the caller passes its environment in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

# The host's own variables say nothing about the project and change with every session.
_HOSTS = ("CLAUDECODE", "CLAUDE_", "AGENT_LOOPS_")
# Differ from one terminal to the next without changing what a run computes.
_VOLATILE = frozenset(
    "_ PWD OLDPWD SHLVL TERM COLORTERM COLUMNS LINES WINDOWID DISPLAY TMUX TMUX_PANE STY "
    "SSH_CLIENT SSH_CONNECTION SSH_TTY SSH_AUTH_SOCK DBUS_SESSION_BUS_ADDRESS XDG_SESSION_ID "
    "TERM_PROGRAM TERM_PROGRAM_VERSION TERM_SESSION_ID PS1 PROMPT_COMMAND LS_COLORS HISTFILE "
    "INVOCATION_ID JOURNAL_STREAM GIT_EDITOR PYTEST_CURRENT_TEST COREPACK_ENABLE_AUTO_PIN".split()
)


def for_runs(environ: Mapping[str, str], *, bytecode: str, seed: int) -> dict[str, str]:
    """The caller's environment less the host's variables, plus what every run gets.

    Args:
        environ: the caller's environment.
        bytecode: folder for compiled modules, so that stale or forged ones in the project
            are not what runs.
        seed: given as AGENT_LOOPS_SEED to code that wants it.
    """
    return without_hosts(environ) | {
        "PYTHONUNBUFFERED": "1",
        "PYTHONPYCACHEPREFIX": bytecode,
        "AGENT_LOOPS_SEED": str(seed),
    }


def without_hosts(environ: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment less the host's variables and ours."""
    return {key: value for key, value in environ.items() if not key.startswith(_HOSTS)}


def fingerprint(environ: Mapping[str, str], *, salt: str) -> dict[str, str]:
    """Each variable's name with a salted, shortened hash of its value."""
    return {
        key: hashlib.sha256(f"{salt}\0{key}\0{value}".encode(errors="replace")).hexdigest()[:12]
        for key, value in sorted(environ.items())
        if key not in _VOLATILE and not key.startswith(_HOSTS)
    }


def changed_names(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[str, ...]:
    """Names of the variables that came, went or changed their value."""
    return tuple(
        sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
    )


def _in_receipt(receipt: Mapping[str, object]) -> Mapping[str, str]:
    """The environment's fingerprint in a receipt; empty where there is none."""
    measured = receipt.get("measured")
    found = measured.get("environment") if isinstance(measured, dict) else None
    return found if isinstance(found, dict) else {}


def changed_since(baseline: Mapping[str, object], receipt: Mapping[str, object]) -> tuple[str, ...]:
    """Variables whose value is not the baseline's."""
    before, after = _in_receipt(baseline), _in_receipt(receipt)
    return changed_names(before, after) if before and after else ()
