"""Runs the incumbent's code once more by a caller that is killed, and says what that proved.

Proves nothing about ideas: it is one blank line away from the incumbent, and never kept.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple, NoReturn

from agent_loops import (
    candidates,
    decide,
    events,
    files,
    gates,
    snapshots,
    trying,
    verdicts,
)
from agent_loops.candidates import Candidate
from agent_loops.errors import AgentLoopsError, Refused
from agent_loops.experiments import Experiment
from agent_loops.loop import Loop
from agent_loops.state import Campaign
from agent_loops.workspace import Workspace

# Begins with a category, so that whoever counts ideas by category can leave it out.
DESCRIPTION = "rehearsal: the incumbent's code and one blank line"
_KILLED = "the process that began the rehearsal was killed while its run went on"
_MOST_FOR_A_KILL = 2
# A blank line at the end means nothing in these; in a text that is data it may.
_CODE = frozenset(
    ".py .pyi .c .cc .cpp .cu .cuh .h .hpp .rs .go .java .kt .scala .js .mjs .ts .tsx .jl .r .lua "
    ".rb .swift .f90 .sql .sh .yaml .yml .toml .ini .cfg .json .jsonc .css .html .cmake".split()
)


class Proof(NamedTuple):
    """What a settled rehearsal of the present incumbent showed.

    `noticed_s` is from the run's receipt to the record of its end, None where that is not known;
    `difference` is between the two readings, in metric units; `trouble` is what would have kept
    an idea from being kept: over budget, a guard.
    """

    experiment: int
    killed: bool
    noticed_s: float | None
    difference: float | None
    wall_s: float | None
    trouble: str = ""


def under_way(campaign: Campaign) -> bool:
    open_ = campaign.open
    return open_ is not None and open_.started.rehearsal


def last(campaign: Campaign) -> Experiment | None:
    """The last rehearsal of the incumbent's code under the present bindings, settled or not."""
    for experiment in reversed(campaign.experiments):
        item = campaign.experiments[experiment]
        if item.epoch != campaign.epoch:
            return None
        if item.started.rehearsal and item.started.base == campaign.incumbent_number:
            return item
    return None


def is_due(run: Loop) -> bool:
    """Whether one more would tell more: what ends at once may end before its caller is killed."""
    proven = proof(run)
    if proven is not None and proven.killed:
        return False
    return proven is None or _count(run.campaign) < _MOST_FOR_A_KILL


def _count(campaign: Campaign) -> int:
    return sum(
        item.started.rehearsal
        and item.epoch == campaign.epoch
        and item.started.base == campaign.incumbent_number
        for item in campaign.experiments.values()
    )


def proof(run: Loop) -> Proof | None:
    """What is proven already; None where no rehearsal of this incumbent got through."""
    experiment, incumbent = last(run.campaign), run.campaign.incumbent
    if experiment is None or incumbent is None or not experiment.settled:
        return None
    reading = experiment.last_reading
    if experiment.verdict != decide.DISCARD or reading is None:
        return None
    metrics = run.campaign.metric_of(experiment), run.campaign.metric_of(incumbent)
    difference = None if None in metrics else abs(float(metrics[0] or 0) - float(metrics[1] or 0))
    return Proof(
        experiment.number, _KILLED in experiment.notes, _noticed_s(run, experiment),
        difference, reading.wall_s, _trouble(experiment),
    )  # fmt: skip


def _trouble(experiment: Experiment) -> str:
    decided = experiment.decided
    return decided.reason.partition(verdicts.REHEARSED)[2].strip("; ") if decided else ""


def _noticed_s(run: Loop, experiment: Experiment) -> float | None:
    """From the receipt's own time to that of the record, by the same clock."""
    number = experiment.attempt[-1].number
    with contextlib.suppress(OSError):
        ended = run.store.paths.receipt(experiment.number, number).stat().st_mtime
        for _, record in run.store.journal.records():
            event = record.event
            if isinstance(event, events.RunFinished) and (event.experiment, event.run) == (
                experiment.number, number,
            ):  # fmt: skip
                noticed = datetime.fromisoformat(record.time).timestamp() - ended
                return noticed if noticed > -1 else None
    return None


def rehearse(run: Loop, deadline: float | None) -> None:
    """Begins a rehearsal, kills what began it, and takes the run up; returns at the deadline.

    Raises:
        Refused: nothing was run, and why.
    """
    trying.refuse_if_running(run)
    caller = _Caller(lambda: _begin(run))
    try:
        caller.await_word()
    except BaseException:
        caller.leave()  # an interrupted check leaves a run alive, not one that was never begun
        raise
    went_on = files.is_locked(run.store.paths.run_lock)
    caller.kill()
    with run.store.locked() as campaign:
        if under_way(campaign) and went_on:
            run.store.append(events.Note(text=_KILLED))
    take_up(run, deadline)


def take_up(run: Loop, deadline: float | None) -> None:
    """What `wait` does: the run's end is met, its verdict recorded, the files put back."""
    run.advance(deadline=deadline)
    run.store.refresh()


def _begin(run: Loop) -> None:
    """Records the rehearsal and starts its run, as `try` does with an idea."""
    workspace = run.workspace
    with run.store.locked() as campaign:
        gates.refuse_unless_open(workspace, campaign)
        base = candidates.base_of(workspace, campaign)
        _refuse_edits(workspace, campaign, base)
        tip = ""
        if campaign.bindings.iter_strategy == "branches":
            tip = trying.stand_on_branch(workspace, campaign, base)
        candidate = Candidate(_with_blank_line(base), base, campaign.incumbent_number, ())
        gates.refuse_changed_harness(workspace)
        gates.refuse_touched_locks(campaign, candidate)
        gates.refuse_unwritable(workspace, candidate)
        trying.start(
            workspace, campaign, candidate, trying.Idea(DESCRIPTION), tip=tip, rehearsal=True
        )
    run.advance(deadline=time.monotonic())


def _refuse_edits(workspace: Workspace, campaign: Campaign, base: snapshots.Tree) -> None:
    edited = snapshots.differing(workspace.present(), base)
    if edited:
        raise Refused(
            "edits", f"edited since the incumbent: {', '.join(edited[:5])}", files=edited,
            next_step="`agent-loops try 'IDEA'` measures the edit; `agent-loops checkout "
            f"{campaign.incumbent_number}` sets it aside",
        )  # fmt: skip


def _with_blank_line(base: snapshots.Tree) -> snapshots.Tree:
    """The tree with a line end more in one file: source code sooner than other text.

    Raises:
        Refused: no file is text.
    """
    texts = [path for path in sorted(base) if _takes_a_line(base[path].data)]
    if not texts:
        raise Refused(
            "rehearsal", "no editable file is a text that could end in one blank line more",
            files=sorted(base)[:5], next_step="watch one idea by hand before you leave",
        )  # fmt: skip
    code = [path for path in texts if os.path.splitext(path)[1].lower() in _CODE]
    path = (code or texts)[0]
    item = base[path]
    line_end = b"\r\n" if item.data.endswith(b"\r\n") else b"\n"
    return {**base, path: item._replace(data=item.data + line_end)}


def _takes_a_line(data: bytes) -> bool:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    full = len(data) + 2 > snapshots.MAX_FILE_BYTES
    return bool(text.strip()) and "\0" not in text and not text.endswith("\\") and not full


class _Caller:
    """A process of its own that does one thing, says how it went, and then waits to be killed.

    It ends by itself where this process ends first.
    """

    def __init__(self, begin: Callable[[], None]) -> None:
        self._word, word = os.pipe()
        lifeline, self._lifeline = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._word)
            os.close(self._lifeline)
            _serve(begin, word, lifeline)
        os.close(word)
        os.close(lifeline)

    def await_word(self) -> None:
        """Returns once it has begun.

        Raises:
            Refused: it was refused.
            AgentLoopsError: it failed.
        """
        with os.fdopen(self._word, "rb") as stream:
            line = stream.readline()
        word: dict[str, Any] = files.load_json(line) if line.endswith(b"\n") else {}
        if "refused" in word:
            kind, reason, next_step, paths = word["refused"]
            raise Refused(kind, reason, next_step=next_step, files=paths)
        if "began" not in word:
            raise AgentLoopsError(str(word.get("failed", "the rehearsal's caller ended at once")))

    def kill(self) -> None:
        """With all of its group; the run has left that."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)
        self.leave()

    def leave(self) -> None:
        """Lets it come to its end, which is at hand once it has begun."""
        os.close(self._lifeline)
        os.waitpid(self._pid, 0)


def _serve(begin: Callable[[], None], word: int, lifeline: int) -> NoReturn:
    """The forked process: nothing may return into the caller's stack."""
    try:
        os.setsid()
        try:
            begin()
            said: dict[str, Any] = {"began": True}
        except Refused as error:
            said = {"refused": [error.kind, error.reason, error.next_step, list(error.files)]}
        except Exception as error:  # noqa: BLE001  told to the one who waits
            said = {"failed": str(error) or repr(error)}
        files.write_all(word, files.dump_json(said).encode() + b"\n")
        os.read(lifeline, 1)
    finally:
        os._exit(0)
