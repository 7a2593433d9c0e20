"""Writes a campaign as event files of TensorBoard: one folder an experiment, one for the campaign.

Needs no TensorFlow. Replaces its own files alone, by their names.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from agent_loops.exporting.exported import Campaign, Curve, Run, Written, key

_ENDING = ".agent-loops"
_LONGEST_TEXT = 50_000
_SHOWN = ("diff.patch", "verdict.json", "run.log")

_NEW, _REPLACED, _SAME = "new", "replaced", "same"


def write(campaign: Campaign, runs: Iterable[Run], out: Path) -> Written:
    """Adds what is new and replaces what changed."""
    top = out / key(campaign.identity)
    told: list[Run] = []
    done: list[str] = []
    for run in runs:
        lies = next(top.glob(f"{run.number:04d}-*"), None)
        folder = lies or top / f"{run.number:04d}-{_word(run.labels.get('description', ''))}"
        events = _events_of_run(campaign, run)
        done.append(_replace(folder, run.digest, run.began_s or 0.0, events))
        told.append(run._replace(curves=(), files=()))
    if told:
        version = "-".join(run.digest for run in told)
        began_s = told[0].began_s or 0.0
        _replace(top, _short(version), began_s, _events_of_campaign(campaign, told))
    look = f"tensorboard --logdir {shlex.quote(str(top))}"
    added, updated, unchanged = (done.count(word) for word in (_NEW, _REPLACED, _SAME))
    return Written(str(top), added, updated, unchanged, look)


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _word(text: str) -> str:
    """A description as a part of a folder's name."""
    return re.sub(r"[^A-Za-z0-9]+", "-", text)[:48].strip("-") or "experiment"


def _replace(folder: Path, digest: str, began_s: float, events: Iterator[bytes]) -> str:
    """Writes the events where they are not there yet."""
    old = sorted(folder.glob(f"events.out.tfevents.*{_ENDING}"))
    name = f"events.out.tfevents.{int(began_s):010d}.{digest}{_ENDING}"
    if [path.name for path in old] == [name]:
        return _SAME
    from tensorboard.summary.writer.record_writer import RecordWriter

    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{name}.tmp"
    with temporary.open("wb") as stream:
        writer = RecordWriter(stream)
        for event in events:
            writer.write(event)
        writer.flush()
    os.replace(temporary, folder / name)
    for path in old:
        if path.name != name:
            path.unlink()
    return _REPLACED if old else _NEW


def _event(at_s: float, **more: Any) -> bytes:
    from tensorboard.compat.proto.event_pb2 import Event as Proto

    return bytes(Proto(wall_time=at_s, **more).SerializeToString())


def _scalar(tag: str, value: float, step: int, at_s: float) -> bytes:
    from tensorboard.compat.proto.summary_pb2 import Summary

    item = Summary.Value(tag=tag, simple_value=value)
    return _event(at_s, step=step, summary=Summary(value=[item]))


def _text(tag: str, text: str, at_s: float) -> bytes:
    """Indented by four, so that markup is shown as it was written."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
    from tensorboard.plugins.text.metadata import create_summary_metadata

    shown = "\n".join(f"    {line}" for line in text[:_LONGEST_TEXT].splitlines())
    metadata = create_summary_metadata(display_name=tag, description="")
    tensor = TensorProto(
        dtype="DT_STRING", string_val=[shown.encode()],
        tensor_shape=TensorShapeProto(dim=[]),
    )  # fmt: skip
    item = Summary.Value(tag=f"{tag}/text_summary", metadata=metadata, tensor=tensor)
    return _event(at_s, step=0, summary=Summary(value=[item]))


def _events_of_run(campaign: Campaign, run: Run) -> Iterator[bytes]:
    """Steps of curves are milliseconds since the run's start, those of readings their number."""
    from tensorboard.plugins.hparams import api_pb2, summary_v2

    began_s, ended_s = run.began_s or 0.0, run.end_s
    yield _event(began_s, file_version="brain.Event:2")
    parameters = {key(name): campaign.value(name, text) for name, text in run.parameters.items()}
    parameters |= {"agent_loops/status": run.status, "agent_loops/experiment": run.number}
    start = summary_v2.hparams_pb(parameters, trial_id=run.identity, start_time_secs=began_s)
    yield _event(began_s, summary=start)
    for curve in run.curves:
        yield from _curve(curve)
    for index, value in enumerate(run.readings):
        yield _scalar(key(f"reading/{run.metric}"), value, index + 1, ended_s)
    for name, value in run.figures.items():
        yield _scalar(key(name), value, run.number, ended_s)
    about = "\n".join(f"{name}: {text}" for name, text in run.labels.items())
    yield _text("about", about, ended_s)
    for name in _SHOWN:
        if name in run.files:
            content = (Path(run.folder) / name).read_text("utf-8", "replace")
            yield _text(name, content, ended_s)
    failed, done = api_pb2.STATUS_FAILURE, api_pb2.STATUS_SUCCESS
    yield _event(ended_s, summary=_session_end(failed if run.crashed else done, ended_s))


def _session_end(status: int, ended_s: float) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import metadata, plugin_data_pb2

    info = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=ended_s)
    data = plugin_data_pb2.HParamsPluginData(session_end_info=info)
    item = Summary.Value(
        tag=metadata.SESSION_END_INFO_TAG, metadata=metadata.create_summary_metadata(data)
    )
    return Summary(value=[item])


def _curve(curve: Curve) -> Iterator[bytes]:
    tag = key(curve.key())
    for at_s, value in curve.points:
        yield _scalar(tag, value, round(at_s * 1000), curve.began_s + at_s)


def _events_of_campaign(campaign: Campaign, runs: list[Run]) -> Iterator[bytes]:
    """What parameters there are, and the campaign's figures by the experiment's number."""
    from tensorboard.plugins.hparams import summary_v2 as hp

    yield _event(runs[0].began_s or 0.0, file_version="brain.Event:2")
    columns = [
        hp.HParam(key(name), _domain(hp, ends, [run.parameters.get(name, "") for run in runs]))
        for name, ends in campaign.parameters.items()
    ]
    columns += [
        hp.HParam("agent_loops/status", _domain(hp, (), [run.status for run in runs])),
        hp.HParam("agent_loops/experiment", _domain(hp, (1, runs[-1].number), ())),
    ]
    names = (campaign.metric, "gain", "wall_s", "memory_gb")
    metrics = [hp.Metric(key(name), display_name=name) for name in dict.fromkeys(names)]
    yield _event(runs[0].began_s or 0.0, summary=hp.hparams_config_pb(columns, metrics))
    for run in runs:
        for name in (campaign.metric, "estimated_best"):
            if run.metric == campaign.metric and name in run.figures:
                tag = key(f"campaign/{name}")
                yield _scalar(tag, run.figures[name], run.number, run.end_s)
    about: Mapping[str, str] = {"metric": campaign.metric, **campaign.about}
    text = "\n".join(f"{name}: {value}" for name, value in about.items())
    yield _text("campaign", text, runs[-1].end_s)


def _domain(hp: Any, ends: Sequence[float], texts: Sequence[str]) -> Any:
    """What values there are: between two numbers, or these texts."""
    if ends:
        return hp.RealInterval(*map(float, ends))
    return hp.Discrete(sorted(set(filter(None, texts))) or [""])
