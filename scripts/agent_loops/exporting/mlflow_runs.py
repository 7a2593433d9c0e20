"""Writes a campaign into MLflow: one run an experiment, found again by its tags.

Asks no server unless MLFLOW_TRACKING_URI names one; removes no run, and takes nothing back that
somebody added there.
"""

from __future__ import annotations

import logging
import os
import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent_loops.exporting.exported import Campaign, Curve, Run, Written, key

if TYPE_CHECKING:
    from mlflow import MlflowClient

_CAMPAIGN, _IDENTITY, _DIGEST = (
    "agent_loops.identity", "agent_loops.experiment", "agent_loops.digest",
)  # fmt: skip
_MOST_PARAMETERS, _MOST_METRICS = 100, 1000  # in one call
_LONGEST_TAG, _LONGEST_NAME = 5000, 250


def write(campaign: Campaign, runs: Iterable[Run], out: Path) -> Written:
    """Adds what is new and mends what changed; `out` is for a store of its own."""
    own = f"sqlite:///{out / 'mlflow.db'}"
    place = os.environ.get("MLFLOW_TRACKING_URI") or own
    for name in ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK"):
        os.environ.setdefault(name, "true")
    os.environ.pop("MLFLOW_ENABLE_ASYNC_LOGGING", None)  # the digest is to come last
    from mlflow import MlflowClient

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    client = MlflowClient(tracking_uri=place)
    artifacts = (out / "artifacts").as_uri() if place == own else None
    where = _experiment_of(client, campaign, artifacts)
    known = {run.data.tags[_IDENTITY]: run for run in _known(client, where, campaign)}
    added = updated = unchanged = 0
    for run in runs:
        there = known.get(run.identity)
        if there is None:
            _write_run(client, run, _created(client, where, campaign, run))
            added += 1
        elif there.data.tags.get(_DIGEST) != run.digest:
            _write_run(client, run, there)
            updated += 1
        else:
            unchanged += 1
    look = f"mlflow ui --backend-store-uri {shlex.quote(own)}" if place == own else ""
    return Written(place, added, updated, unchanged, look)


def _experiment_of(client: MlflowClient, campaign: Campaign, artifacts: str | None) -> str:
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or f"{campaign.project} {campaign.identity}"
    found = client.get_experiment_by_name(name)
    if found is None:
        about = {key(name): text[:_LONGEST_TAG] for name, text in campaign.about.items()}
        return str(client.create_experiment(name, artifact_location=artifacts, tags=about))
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def _known(client: MlflowClient, where: str, campaign: Campaign) -> Iterator[Any]:
    token = None
    while True:
        page = client.search_runs(
            [where], f"tags.`{_CAMPAIGN}` = '{campaign.identity}'", page_token=token
        )
        yield from (run for run in page if _IDENTITY in run.data.tags)
        token = page.token
        if not token:
            return


def _created(client: MlflowClient, where: str, campaign: Campaign, run: Run) -> Any:
    # By these it is found again, even where a kill leaves it half written.
    tags = {_CAMPAIGN: campaign.identity, _IDENTITY: run.identity}
    began_ms = round((run.began_s or 0) * 1000)
    name = run.title[:_LONGEST_NAME]
    return client.create_run(where, start_time=began_ms, run_name=name, tags=tags)


def _write_run(client: MlflowClient, run: Run, there: Any) -> None:
    """The digest goes last: without it the next export completes the run."""
    from mlflow.entities import Param, RunTag

    number, data = there.info.run_id, there.data
    new = {key(name): text for name, text in run.parameters.items()}
    params = [Param(name, text) for name, text in new.items() if name not in data.params]
    for begin in range(0, len(params), _MOST_PARAMETERS):
        client.log_batch(number, params=params[begin : begin + _MOST_PARAMETERS])
    metrics = [*_figures(run, data.metrics), *_series(client, run, there)]
    for begin in range(0, len(metrics), _MOST_METRICS):
        client.log_batch(number, metrics=metrics[begin : begin + _MOST_METRICS])
    if run.files:
        client.log_artifacts(number, run.folder)
    tags = {name: text[:_LONGEST_TAG] for name, text in _tags(run).items()}
    client.log_batch(number, tags=[RunTag(name, text) for name, text in tags.items()])
    ended_ms = round(run.end_s * 1000)
    client.set_terminated(number, "FAILED" if run.crashed else "FINISHED", end_time=ended_ms)
    client.set_tag(number, _DIGEST, run.digest)


def _tags(run: Run) -> dict[str, str]:
    told = {
        "mlflow.note.content": run.labels.get("reason", ""),
        "mlflow.source.name": "agent-loops",
        "mlflow.source.git.commit": run.labels.get("commit", ""),
    }
    return {name: text for name, text in {**told, **run.labels}.items() if text}


def _figures(run: Run, known: Mapping[str, float]) -> Iterator[Any]:
    """What is not there yet. Of values at one step the latest counts: a changed one is later."""
    from mlflow.entities import Metric

    at_ms = round(run.end_s * 1000)
    for name, value in run.figures.items():
        before = known.get(key(name))
        if before != value:
            yield Metric(key(name), value, at_ms if before is None else _now_ms(), 0)


def _now_ms() -> int:
    import time

    return round(time.time() * 1000)


def _series(client: MlflowClient, run: Run, there: Any) -> Iterator[Any]:
    """Readings by their number, curves by milliseconds since the run's start."""
    from mlflow.entities import Metric

    readings = [(index + 1, value) for index, value in enumerate(run.readings)]
    at_ms = round(run.end_s * 1000)
    found = {key(f"reading/{run.metric}"): [(step, value, at_ms) for step, value in readings]}
    found |= {key(curve.key()): list(_points(curve)) for curve in run.curves}
    for name, points in found.items():
        steps: set[int] = set()
        if name in there.data.metrics:
            steps = {item.step for item in client.get_metric_history(there.info.run_id, name)}
        for step, value, time_ms in points:
            if step not in steps:
                yield Metric(name, value, time_ms, step)


def _points(curve: Curve) -> Iterator[tuple[int, float, int]]:
    for at_s, value in curve.points:
        yield round(at_s * 1000), value, round((curve.began_s + at_s) * 1000)
