"""Writes a campaign as offline runs of Weights & Biases, which `wandb sync` uploads.

Values have the times of the experiment, but a run begins when it is exported: wandb sets that.
Asks no network unless WANDB_MODE=online says so; a run that was uploaded is left as it lies, and
where it changed another is laid beside it under the same id.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from agent_loops.exporting.exported import Campaign, Run, Written, key

_DIGEST = "agent-loops.json"
_ANOTHER_RUNS = ("WANDB_RUN_ID", "WANDB_RESUME", "WANDB_SWEEP_ID", "WANDB_DIR", "WANDB_TAGS")
_LONGEST_NAME, _LONGEST_TAG = 128, 64
_UPLOAD_LIMIT_S = 3600  # it tries an unreachable server for ever


class NotUploaded(Exception):
    """The runs were written, and `wandb sync` failed; `str()` says how to go on."""


def write(campaign: Campaign, runs: Iterable[Run], out: Path) -> Written:
    """Adds what is new and lays changed runs anew.

    Raises:
        NotUploaded: WANDB_MODE is online, and they could not be uploaded.
    """
    is_online = os.environ.get("WANDB_MODE") == "online"
    # What it sends of its own accord, and where what it keeps would else lie.
    os.environ.update(WANDB_MODE="offline", WANDB_ERROR_REPORTING="false", WANDB_SILENT="true")
    os.environ.setdefault("WANDB_DATA_DIR", str(out))
    for name in _ANOTHER_RUNS:
        os.environ.pop(name, None)
    added = updated = unchanged = 0
    folder = out / "wandb"
    for run in runs:
        lies = _lying(folder, run)
        if lies and _digest_of(lies[-1]) == run.digest:
            unchanged += 1
            continue
        added, updated = added + (not lies), updated + bool(lies)
        for old in lies:
            if not list(old.glob("*.synced")):
                shutil.rmtree(old)
        _write_run(campaign, run, out)
    ours = f"offline-run-*-{key(campaign.identity)}-*"  # others' runs may lie beside them
    new = [path for path in sorted(folder.glob(ours)) if not list(path.glob("*.synced"))]
    if is_online and new:
        _sync(["sync", *map(str, new)])
    look = "" if is_online else f"wandb sync {shlex.quote(str(folder))}/{ours}"
    return Written(str(folder), added, updated, unchanged, look)


def _sync(words: list[str]) -> None:
    environ = {**os.environ, "WANDB_MODE": "online"}
    there = f"the runs lie in {Path(words[-1]).parent}"
    try:
        done = subprocess.run(
            [sys.executable, "-m", "wandb", *words], env=environ, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, errors="replace", timeout=_UPLOAD_LIMIT_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        hours = _UPLOAD_LIMIT_S // 3600
        raise NotUploaded(f"wandb sync took more than {hours} h; {there}") from None
    if done.returncode:
        told = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise NotUploaded(f"wandb sync: {' '.join(told)}; {there}")


def _lying(folder: Path, run: Run) -> list[Path]:
    return sorted(folder.glob(f"offline-run-*-{key(run.identity)}"))


def _digest_of(folder: Path) -> str:
    try:
        return str(json.loads((folder / "files" / _DIGEST).read_bytes())["digest"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _write_run(campaign: Campaign, run: Run, out: Path) -> None:
    """The digest goes last: without it the next export lays the run anew."""
    import wandb

    labels = run.labels
    settings = wandb.Settings(
        console="off", disable_git=True, disable_code=True, disable_job_creation=True, silent=True,
        x_disable_stats=True, x_disable_meta=True, x_save_requirements=False,
    )  # fmt: skip
    parameters = {key(name): campaign.value(name, text) for name, text in run.parameters.items()}
    about = {"agent_loops": {**labels, "experiment": run.number}}
    tags = [labels["role"], run.status, labels.get("kind", "")]
    writer = wandb.init(
        project=os.environ.get("WANDB_PROJECT") or key(campaign.project, longest=_LONGEST_NAME),
        group=key(campaign.identity), job_type=labels["role"], id=key(run.identity),
        name=run.title[:_LONGEST_NAME], notes=labels.get("reason", ""), dir=str(out),
        tags=list(dict.fromkeys(tag[:_LONGEST_TAG] for tag in tags if tag)),
        config={**parameters, **about}, settings=settings,
    )  # fmt: skip
    for name, by in (("curve/*", "elapsed_s"), ("reading/*", "reading_number")):
        writer.define_metric(by, hidden=True)
        writer.define_metric(name, step_metric=by)
    for row in _history(run):
        writer.log(row)
    writer.summary.update({key(name): value for name, value in run.figures.items()})
    kept = Path(writer.dir)
    for path in run.files:
        (kept / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(Path(run.folder) / path, kept / path)
    (kept / _DIGEST).write_text(json.dumps({"digest": run.digest}))
    for path in (*run.files, _DIGEST):
        writer.save(str(kept / path), base_path=str(kept), policy="end")
    writer.finish(exit_code=1 if run.crashed else 0)


def _history(run: Run) -> Iterator[dict[str, Any]]:
    """Curves by seconds since the run's start, all quantities of one moment in a row; readings."""
    rows: dict[tuple[int, float], dict[str, Any]] = {}
    for curve in run.curves:
        for at_s, value in curve.points:
            row = rows.setdefault((curve.run, at_s), {"elapsed_s": at_s})
            row |= {"_timestamp": curve.began_s + at_s, "_runtime": at_s}
            row[key(curve.key())] = value
    for place in sorted(rows):
        yield rows[place]
    for index, value in enumerate(run.readings):
        name = key(f"reading/{run.metric}")
        yield {"reading_number": index + 1, name: value, "_timestamp": run.end_s}
