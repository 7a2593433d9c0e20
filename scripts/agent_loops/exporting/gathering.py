"""Gathers a campaign for a tool: facts, figures, parameters, curves, and the files to attach.

Knows no tool. What leaves is masked; figures of a holdout are not among it, whoever asks, for an
agent can read what was exported.
"""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from agent_loops import claimed, display, files, progress, snapshots
from agent_loops.errors import AgentLoopsError
from agent_loops.experiments import Experiment
from agent_loops.exporting import exported, varying
from agent_loops.exporting.exported import Campaign, Curve, Run
from agent_loops.loop import Loop
from agent_loops.reporting import changes, own_ledger
from agent_loops.reporting.ledger import OPEN, Ledger, Row

_HEAD_BYTES, _TAIL_BYTES = 64 << 10, 192 << 10  # of a log
_TITLE = 200


class Gathered:
    """One campaign as it stands. Experiments that are not decided yet are left out."""

    def __init__(self, run: Loop, now: datetime) -> None:
        environ = self.environ = run.workspace.environ
        self._workspace = run.workspace
        self._secrets = display.secret_values(environ)
        shown = Loop(run.store, run.workspace.root, claimed.as_agent(environ))
        self._ledger: Ledger = own_ledger.of(shown, now)
        started = run.campaign.started
        told = files.sha256(started.salt.encode())[:8]
        self._identity = f"{exported.key(self._ledger.tag, longest=60)}-{told}"
        self.rows = [row for row in self._ledger.rows if row.status != OPEN]
        self.under_way = [row.number for row in self._ledger.rows if row.status == OPEN]
        self._parameters = varying.of({row.number: self._code(row.number) for row in self.rows})

    def campaign(self) -> Campaign:
        ledger = self._ledger
        about = {**ledger.settings, **ledger.machine, **ledger.environment}
        if ledger.sentence or ledger.standing:
            about["claim"] = ledger.sentence or ledger.standing
        texts: dict[str, list[str]] = {}
        for row in self.rows:
            for name, text in self._masked_parameters(row.number).items():
                texts.setdefault(name, []).append(text)
        return Campaign(
            identity=self._identity,
            tag=self._safe(ledger.tag),
            project=self._safe(display.clean(self._workspace.root.name, 80)) or "project",
            metric=ledger.metric,
            minimize=ledger.direction.value == "minimize",
            about=about,
            parameters={name: exported.span(found) for name, found in texts.items()},
        )

    def runs(self) -> Iterator[Run]:
        """Each experiment, without files to attach and without its digest."""
        for row in self.rows:
            yield self._run(row, self._workspace.campaign.experiments[row.number])

    def runs_with_files(self, folder: Path) -> Iterator[Run]:
        """Each experiment, its files laid out below `folder` to be attached."""
        for row, run in zip(self.rows, self.runs(), strict=True):
            experiment = self._workspace.campaign.experiments[row.number]
            contents = dict(self._attached(row, experiment))
            own = folder / str(row.number)
            for path, data in contents.items():
                files.make_dir((own / path).parent)
                (own / path).write_bytes(data)
            whole = run._replace(folder=str(own), files=tuple(sorted(contents)))
            yield exported.digested(whole, contents)

    def _run(self, row: Row, experiment: Experiment) -> Run:
        return Run(
            number=row.number,
            identity=f"{self._identity}-{row.number}",
            title=display.cut(f"#{row.number} {row.description}".rstrip(), _TITLE),
            status=row.status,
            metric=row.metric_name,
            epoch=row.epoch,
            labels=self._labels(row),
            figures=_figures(row),
            parameters=self._masked_parameters(row.number),
            readings=row.readings,
            curves=tuple(self._curves(experiment)),
            began_s=exported.seconds(row.began_utc),
            ended_s=exported.seconds(row.ended_utc),
        )

    def _labels(self, row: Row) -> dict[str, str]:
        role = "baseline" if row.is_baseline else "rehearsal" if row.is_rehearsal else "idea"
        values = {
            "campaign": self._safe(self._ledger.tag), "status": row.status, "kind": row.kind,
            "reason": row.reason, "role": role, "description": row.description, "why": row.why,
            "risk": row.risk, "base": f"#{row.base}" if row.base is not None else "",
            "commit": row.commit, "code": row.code, "source": row.source,
            "memory_kind": row.memory_kind, "overridden": row.override_why,
            "notes": "; ".join(dict.fromkeys(row.notes)), "basis": row.basis,
            "began_utc": row.began_utc, "ended_utc": row.ended_utc,
        }  # fmt: skip
        return {name: values[name] for name in exported.LABELS if values[name]}

    def _masked_parameters(self, number: int) -> dict[str, str]:
        """With their names beside them, which may say that it is a secret."""
        found = {}
        for name, text in self._parameters.get(number, {}).items():
            shown = self._safe(f"{name}={display.one_line(text)}")
            found[name] = shown.partition("=")[2] if shown.startswith(f"{name}=") else "[masked]"
        return found

    def _curves(self, experiment: Experiment) -> Iterator[Curve]:
        for run in experiment.attempt:
            recorded = progress.recorded(self._workspace, experiment.number, run.number)
            began_s = exported.seconds(run.time)
            if recorded is None or began_s is None:
                continue
            for name, curve in recorded[0].curves.items():
                points = [point for point in curve.points if all(map(math.isfinite, point))]
                if points:
                    yield Curve(name, run.number, began_s, points)

    def _attached(self, row: Row, experiment: Experiment) -> Iterator[tuple[str, bytes]]:
        change = changes.of(self._workspace, row.number)
        if change.lines:
            yield "diff.patch", self._masked("\n".join([*change.lines, ""]).encode())
        yield "verdict.json", self._masked(self._verdict(row).encode() + b"\n")
        for run in experiment.attempt:
            path = self._workspace.store.paths.log(row.number, run.number)
            if log := self._log(path):
                yield path.name, log
        yield from self._saved_code(row.number)

    def _verdict(self, row: Row) -> str:
        values = {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in row._asdict().items()
        }
        return files.dump_json({"campaign": self._ledger.tag, **values}, indent=1)

    def _saved_code(self, number: int) -> Iterator[tuple[str, bytes]]:
        taken = set()
        for path, data in self._code(number).items():
            parts = [re.sub(r"[^\w. -]", "_", part) for part in path.split("/")]
            name = "/".join(["code", *parts])
            if name in taken:
                name += f"-{files.sha256(path.encode('utf-8', 'surrogateescape'))[:6]}"
            taken.add(name)
            yield name, self._masked(data)

    def _code(self, number: int) -> Mapping[str, bytes]:
        try:
            saved: snapshots.Tree = self._workspace.saved(number)
        except AgentLoopsError:
            return {}  # damaged: `show` says so
        return {path: state.data for path, state in saved.items()}

    def _log(self, path: Path) -> bytes:
        """A log without terminal codes; of a long one the beginning and the end."""
        try:
            with files.open_regular(path) as stream:
                size = stream.seek(0, 2)
                stream.seek(0)
                data = stream.read(_HEAD_BYTES + _TAIL_BYTES)
                if size > len(data):
                    left_out = size - len(data)
                    stream.seek(size - _TAIL_BYTES)
                    words = f"\n… {left_out} bytes are left out here …\n".encode()
                    data = data[:_HEAD_BYTES] + words + stream.read(_TAIL_BYTES)
        except OSError:
            return b""
        text = display.TERMINAL_CODES.sub("", data.decode("utf-8", "replace"))
        return self._masked(text.encode())

    def _masked(self, data: bytes) -> bytes:
        try:
            text = data.decode()
        except UnicodeDecodeError:
            return data
        return self._safe(text).encode()

    def _safe(self, text: str) -> str:
        return display.mask(text.encode("utf-8", "replace").decode(), self._secrets)


def _figures(row: Row) -> dict[str, float]:
    values: Sequence[tuple[str, float | None]] = (
        ("estimated_best", row.best), ("estimated_best_low", row.best_low),
        ("estimated_best_high", row.best_high), ("gain", row.gain), ("gain_low", row.gain_low),
        ("gain_high", row.gain_high), ("probability", row.probability), ("noise", row.noise),
        ("runs", row.runs), ("wall_s", row.wall_s), ("machine_s", row.machine_s),
        ("memory_gb", row.memory_gb), ("lines_added", row.lines_added),
        ("lines_removed", row.lines_removed), (row.metric_name, row.metric),
    )  # fmt: skip
    return {
        name: float(value) for name, value in values if value is not None and math.isfinite(value)
    }


def folder() -> tempfile.TemporaryDirectory[str]:
    """Where files lie until a tool has taken them; for the person alone."""
    return tempfile.TemporaryDirectory(prefix="agent-loops-export-")
