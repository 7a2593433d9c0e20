"""Starts a run that the journal names before it begins, so that a kill leaves none unrecorded.

Knows nothing of what is run, nor where its files are: that is the caller's.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from agent_loops import events, files, machine, supervise
from agent_loops.experiments import Experiment
from agent_loops.supervisor import RunSpec
from agent_loops.workspace import Workspace


def launch(
    workspace: Workspace,
    experiment: Experiment,
    spec_of: Callable[[str, str], RunSpec],
    *,
    purpose: str,
    seed: int,
    code_of: int | None = None,
    script: str = "",
) -> None:
    """Starts the experiment's next run, as `spec_of(marker, seal)` says."""
    number = len(experiment.runs) + 1
    workspace.store.paths.receipt(experiment.number, number).unlink(missing_ok=True)
    marker, seal = os.urandom(16).hex(), os.urandom(16).hex()
    spec = spec_of(marker, seal)
    launched = supervise.launch(spec)
    try:
        workspace.store.append(
            events.RunStarted(
                experiment=experiment.number, run=number, purpose=purpose, marker=marker,
                host=machine.host(), pid=launched.pid, pid_start=launched.start_time,
                timeout_s=spec.timeout_s, seed=seed, seal_digest=digest_of(seal),
                code_of=code_of, script=script,
            )
        )  # fmt: skip
    except BaseException:
        launched.abandon()
        raise
    launched.go()


def digest_of(seal: object) -> str:
    """What the journal holds of a seal; a receipt may hold anything in its place."""
    return files.sha256(str(seal).encode())
