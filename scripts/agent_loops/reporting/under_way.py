"""The run that goes on: since when, what it printed last, and when it will be over.

Asks the lock whether it lives; looks at nothing but its log.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from agent_loops import display, files, machine, tails
from agent_loops.experiments import Run, is_here
from agent_loops.loop import Loop
from agent_loops.objective import median
from agent_loops.reporting import printed_progress
from agent_loops.reporting.printed_progress import Estimate

_LINE = 200


class UnderWay(NamedTuple):
    """One run. `usual_s` is the median of earlier runs like it, None without any."""

    experiment: int
    run: int
    purpose: str
    elapsed_s: float
    timeout_s: float
    host: str
    printed: str
    usual_s: float | None
    estimate: Estimate | None


def look(run: Loop, now: datetime, *, latest: int) -> UnderWay | None:
    """The run under way; None where there is none, or where it ended without a record.

    Its end is estimated from those of the `latest` experiments' runs that were for the same.
    """
    campaign = run.campaign
    if campaign.open_run is None:
        return None
    number, index = campaign.open_run
    open_ = campaign.experiments[number].runs[index - 1]
    here = is_here(open_, host=machine.host(), boot_id=machine.boot_id())
    if here and not files.is_locked(run.store.paths.run_lock):
        return None
    elapsed_s = max(0.0, (now - datetime.fromisoformat(open_.time)).total_seconds())
    log = run.store.paths.log_of(number, index, open_.started.script)
    printed = _last_line(run, log)
    earlier_s = _earlier(run, open_, latest)
    return UnderWay(
        experiment=number,
        run=index,
        purpose=open_.started.purpose,
        elapsed_s=elapsed_s,
        timeout_s=open_.started.timeout_s,
        host=open_.started.host,
        printed=printed,
        usual_s=median(earlier_s) if earlier_s else None,
        estimate=printed_progress.estimate(elapsed_s, printed, earlier_s),
    )


def _last_line(run: Loop, log: Path) -> str:
    secrets = display.secret_values(run.workspace.environ)
    try:
        with files.open_regular(log) as stream:
            lines = tails.tail(stream, limit=400, secrets=secrets).splitlines()
    except OSError:
        return ""
    return display.clean(lines[-1], _LINE) if lines else ""


# Runs of these take a whole training; a check or an analysis only as long as another one.
_TRAININGS = frozenset("measure repeat retry reference canary confirm warmup".split())


def _earlier(run: Loop, open_: Run, latest: int) -> Sequence[float]:
    """How long earlier runs of the kind took that ended by themselves, in seconds."""
    campaign, purpose = run.campaign, open_.started.purpose
    alike = _TRAININGS if purpose in _TRAININGS else frozenset((purpose,))
    last = len(campaign.experiments)
    numbers = {*range(max(1, last - latest + 1), last + 1), campaign.baseline_number or last}
    experiments = [campaign.experiments[number] for number in numbers]
    runs = [one for item in experiments if item.epoch == campaign.epoch for one in item.runs]
    ended = [one.finished for one in runs if one.finished and one.started.purpose in alike]
    return [
        one.elapsed_s
        for one in ended
        if one.elapsed_s and one.outcome == "exited" and not one.crash_kind
    ]
