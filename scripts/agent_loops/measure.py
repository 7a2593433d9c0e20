"""Turns an ended run into the measured part of its receipt; called inside the supervisor.

Compares with nothing: what a reading means is for `decide`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agent_loops import crashes, display, files, integrity, metric_files, snapshots, tails
from agent_loops.bindings import Bindings
from agent_loops.metric import Direction, LogFacts, MetricSpec, Reading, read_log
from agent_loops.supervisor import RunEnd

_WHOLE_LOG_BYTES = 64 << 20
_TAIL_BYTES = 1 << 20
_MIB_PER_GB = 1024.0
_FULL_BYTES = 64 << 10


@dataclass(slots=True)
class Measurement:
    """All that is needed to read a run's result, fixed before the run begins.

    `stamps` are of before the run too, and held in memory since then: the run could write any file.
    """

    bindings: Bindings
    bindings_digest: str
    tree: snapshots.Tree
    harness: integrity.Harness
    scope: integrity.Scope
    stamps: integrity.Stamps
    log: Path
    eval_log: Path
    run_dir: Path
    files_before: Mapping[str, tuple[int, int, int]]
    environment: Mapping[str, str]
    secrets: Sequence[str]
    timeout_s: float
    is_baseline: bool
    is_mended: bool
    holdout_log: Path | None = None
    _outputs: set[str] = field(default_factory=set)

    def may_evaluate(self) -> bool:
        """Whether code and harness are still what is to be measured; `self` tells why not."""
        return self._tampering() is None

    def __call__(
        self, end: RunEnd, *, record: str, ended_early: crashes.Crash | None = None
    ) -> dict[str, object]:
        """The receipt's `measured`: the reading or why there is none, and every digest.

        `record` says what the run did to the campaign's record, if anything; `ended_early` what a
        run that was pruned counts as, where it is a crash at all.
        """
        facts = self._facts(end)
        reading = facts.reading
        result: dict[str, object] = {
            "value": reading.value if reading else None,
            "value_text": reading.text if reading else "",
            "unit": reading.unit if reading else "",
            "matches": reading.matches if reading else 0,
            "source": self.bindings.metric_source,
            "notes": [self._masked(note) for note in reading.notes] if reading else [],
            "crash_kind": "",
            "crash_reason": "",
            "code": snapshots.digest(self.tree),
            "harness": self.harness.digest,
            "bindings": self.bindings_digest,
            "environment": dict(self.environment),
            "guards": self._guards() if _ended_well(end) else {},
            "log_sha256": _log_digest(self._metric_log),
            # Its value is read by whoever may see it.
            "holdout_sha256": _log_digest(self.holdout_log) if self.holdout_log else "",
        }
        result |= self._memory(end, facts)
        crash = crashes.Crash("idea", record) if record else None
        crash = crash or self._tampering() or self._broken_guard(result)
        outputs = (*self.scope.outputs, *self._outputs)
        self.stamps.end_run(self.scope._replace(outputs=outputs))
        self.stamps.save(distrusted=True)
        result["outputs"] = [] if crash else sorted(self._outputs)
        if crash is None and end.outcome.kind == "pruned":
            crash = ended_early
        elif crash is None and (reading is None or not _ended_well(end)):
            crash = self._crash(end, facts)
        if crash is not None:
            result |= {"crash_kind": crash.kind, "crash_reason": crash.reason}
        return result

    def checks(self, end: RunEnd, *, record: str) -> dict[str, object]:
        """The same for a run of `checks_cmd`: it passes with exit code 0, else says why not."""
        passed = _ended_well(end) and not record
        reason = record if passed or record else self._crash(end, LogFacts(None, "")).reason
        if not record and end.outcome.kind == "exited" and end.outcome.exit_code:
            # A suite's last line sums up; what was raised on the way may have been expected.
            with self.log.open("rb") as stream:
                said = tails.tail(stream, limit=2000, secrets=self.secrets).strip()
            last = said.rpartition("\n")[2]
            reason = f"exit code {end.outcome.exit_code}" + (f": {last}" if last else "")
        return {
            "passed": passed,
            "crash_reason": reason,
            "log_sha256": _log_digest(self.log),
        }

    def _guards(self) -> dict[str, float | None]:
        """Each guard's number, from the training's log or, if it is not there, the evaluation's."""
        found: dict[str, float | None] = {}
        for guard in self.bindings.guards:
            spec = MetricSpec(guard.name, Direction.MINIMIZE, guard.pattern)
            found[guard.name] = None
            for log in (self.log, self.eval_log):
                try:
                    with log.open("rb") as stream:
                        reading = read_log(stream, spec).reading
                except OSError:
                    continue
                if reading is not None:
                    found[guard.name] = reading.value
                    break
        return found

    def _broken_guard(self, result: Mapping[str, object]) -> crashes.Crash | None:
        """Why the baseline itself does not hold; later runs are judged by `verdicts`."""
        guards = result["guards"]
        if not self.is_baseline or not isinstance(guards, dict):
            return None
        for guard in self.bindings.guards if guards else ():
            number = guards[guard.name]
            if reason := guard.broken(number, number):
                return crashes.Crash("idea", f"the baseline breaks a guard: {reason}")
        return None

    @property
    def _metric_log(self) -> Path:
        return self.eval_log if self.bindings.eval_cmd else self.log

    def _facts(self, end: RunEnd) -> LogFacts:
        spec = self.bindings.metric_spec
        if not _ended_well(end):
            return LogFacts(None, "")
        if self.bindings.eval_cmd and end.outcome.stage == "run":
            return LogFacts(None, "eval_cmd did not run")
        if self.bindings.metric == "wall_s":
            return _built_in(end.wall_s, "s")
        if self.bindings.metric == "memory_gb":
            mib = end.peak_memory_mib
            return (
                _built_in(mib / _MIB_PER_GB, "GB")
                if mib
                else LogFacts(None, "memory was not measured")
            )
        if self.bindings.metric_file is not None:
            paths = metric_files.find_metric_files(
                self.bindings.metric_file, run_dir=self.run_dir, project=self.scope.workspace
            )
            return metric_files.read_metric_file(
                paths, self.files_before, key=self.bindings.metric_key, spec=spec
            )
        try:
            with files.open_regular(self._metric_log) as stream:
                return read_log(stream, spec)
        except OSError as error:
            return LogFacts(None, f"the log cannot be read: {error.strerror}")

    def _memory(self, end: RunEnd, facts: LogFacts) -> dict[str, object]:
        """From the run's own output where it prints it, else as measured; its kind goes along."""
        reported = facts
        if facts.peak_memory_mb is None and (self.bindings.eval_cmd or self.bindings.metric_file):
            try:
                with files.open_regular(self.log) as stream:
                    reported = read_log(stream, self.bindings.metric_spec)
            except OSError:
                reported = facts
        if reported.peak_memory_mb is not None:
            kind = f"reported {reported.memory_kind}".strip()
            return {"memory_gb": reported.peak_memory_mb / _MIB_PER_GB, "memory_kind": kind}
        if end.peak_memory_mib is not None:
            return {
                "memory_gb": end.peak_memory_mib / _MIB_PER_GB,
                "memory_kind": end.memory_kind,
            }
        return {"memory_gb": None, "memory_kind": ""}

    def _tampering(self) -> crashes.Crash | None:
        """Why this reading may not count: the code or the harness is not what was measured."""
        present, odd = snapshots.survey(
            self.scope.workspace, self.bindings.editable_files, skip=self.scope.skip
        )
        if odd or snapshots.digest(present) != snapshots.digest(self.tree):
            edited = ", ".join(sorted({*odd, *snapshots.differing(present, self.tree)})[:5])
            return crashes.Crash(
                "edited", f"someone, or the run itself, edited {edited} while the run went on"
            )
        changes = integrity.check(self.harness, self.scope, self.stamps)
        if not changes:
            return None
        if self.is_baseline:
            outputs, sources = integrity.outputs_of(changes, self.harness, self.scope)
            if self.is_mended:  # what the person's own code leaves alone is no output
                sources = tuple(sorted({*sources, *changes.changed, *changes.missing}))
            if sources:
                known = set(sources) & self.harness.files.keys()
                what = "changed the harness" if known else "wrote source files among others"
                shown = display.clean(", ".join(sources[:5]), 200)
                return crashes.Crash("idea", f"the baseline run {what}: {shown}")
            self._outputs.update(outputs)
            return None
        return crashes.Crash("idea", f"the run changed the harness: {changes.describe()}")

    def _crash(self, end: RunEnd, facts: LogFacts) -> crashes.Crash:
        if end.outcome.stage == "holdout" and not _ended_well(end):
            # What it printed is not for the record.
            code = end.outcome.exit_code
            how = f"exit code {code}" if code is not None else end.outcome.kind.replace("_", " ")
            return crashes.Crash("idea", f"holdout_cmd: {how}")
        log = self.log if end.outcome.stage == "run" else self._metric_log
        try:
            with files.open_regular(log) as stream:
                tail = tails.tail(stream, limit=2000, secrets=self.secrets)
        except OSError:
            tail = ""
        crash = crashes.classify(
            outcome_kind=end.outcome.kind,
            exit_code=end.outcome.exit_code,
            signal=end.outcome.signal,
            stage=end.outcome.stage,
            problem=self._masked(facts.problem) or self._over_log_limit(end),
            tail=tail,
            timeout_s=self.timeout_s,
        )
        died = end.outcome.kind in ("exited", "signalled")
        if died and crash.kind == "idea" and _is_full(log.parent):
            # What the run said of it could not be written either.
            return crashes.Crash("machine", f"disk full: {crash.reason}")
        return crash

    def _masked(self, text: str) -> str:
        return display.mask(text, self.secrets)

    def _over_log_limit(self, end: RunEnd) -> str:
        if end.outcome.kind != "log_limit":
            return ""
        return f"log grew past {self.bindings.log_limit_mb:g} MB (log_limit_mb)"


def _ended_well(end: RunEnd) -> bool:
    return end.outcome.kind == "exited" and end.outcome.exit_code == 0


def _built_in(value: float, unit: str) -> LogFacts:
    text = f"{value:.3f}"
    reading = Reading(value=value, text=text, unit=unit, matches=1, line="", notes=())
    return LogFacts(reading)


def _is_full(folder: Path) -> bool:
    """Whether the disk has no room left for a line of a log."""
    try:
        status = os.statvfs(folder)
    except OSError:
        return False
    return status.f_bavail * status.f_frsize < _FULL_BYTES


def _log_digest(path: Path) -> str:
    """SHA-256 of the log; of a log past 64 MiB its last MiB, and the digest says so."""
    digest = hashlib.sha256()
    try:
        with files.open_regular(path) as stream:
            size = stream.seek(0, 2)
            stream.seek(0 if size <= _WHOLE_LOG_BYTES else size - _TAIL_BYTES)
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
    except OSError:
        return ""
    return digest.hexdigest() + ("" if size <= _WHOLE_LOG_BYTES else " (last MiB)")
