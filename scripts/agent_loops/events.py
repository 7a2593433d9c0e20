"""The journal's vocabulary: one frozen dataclass an event, each field with its unit.

Says nothing about what the events mean together; that is `state`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignStarted:
    """The bindings are frozen and the harness hashed; nothing has run.

    `bindings_file` is the SHA-256 of loop.run.yaml, `repository` where the code came from.
    """

    name: ClassVar[str] = "campaign_started"
    tag: str
    project: str
    bindings: Mapping[str, Any]
    bindings_digest: str
    harness_digest: str
    bindings_file: str = ""
    code: str
    base: str = ""
    branch: str = ""
    repository: Mapping[str, str] = field(default_factory=dict)
    session: str = ""
    salt: str
    environment: Mapping[str, str]
    device: Mapping[str, Any]
    stop_at_utc: str = ""
    program_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentStarted:
    """The candidate is saved under `iter<experiment>/`; its first run may start."""

    name: ClassVar[str] = "experiment_started"
    experiment: int
    description: str
    idea: str = ""
    why: str = ""
    risk: str = ""
    code: str
    base: int | None = None
    baseline: bool = False
    runs_wanted: int = 1
    lines_added: int = 0
    lines_removed: int = 0
    commit: str = ""
    parent_commit: str = ""
    session: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """A supervisor holds run.lock; `pid_start` is its start in seconds since the epoch."""

    name: ClassVar[str] = "run_started"
    experiment: int
    run: int
    purpose: str
    marker: str
    host: str
    pid: int
    pid_start: float
    timeout_s: float
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished:
    """What the receipt says, or that there is none (`outcome` "lost").

    `crash_kind` is "" where there is a reading that counts, else "idea" or "machine".
    """

    name: ClassVar[str] = "run_finished"
    experiment: int
    run: int
    outcome: str
    exit_code: int | None = None
    value: float | None = None
    value_text: str = ""
    source: str = ""
    unit: str = ""
    matches: int = 0
    crash_kind: str = ""
    crash_reason: str = ""
    wall_s: float | None = None
    elapsed_s: float | None = None
    memory_gb: float | None = None
    memory_kind: str = ""
    outputs: tuple[str, ...] = ()
    environment_changed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    receipt_digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChecksFinished:
    """The checks before a keep have ended."""

    name: ClassVar[str] = "checks_finished"
    experiment: int
    passed: bool
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """`verdict` is keep, discard, crash, or repeat (one more run of the candidate).

    `delta` is in units of the metric, positive is better.
    """

    name: ClassVar[str] = "decided"
    experiment: int
    verdict: str
    kind: str
    reason: str
    metric: float | None = None
    metric_text: str = ""
    delta: float | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """The editable files, the branch and results.tsv agree with the last decision."""

    name: ClassVar[str] = "settled"
    experiment: int
    commit: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Overridden:
    """The agent or the person used the simplicity criterion on the last experiment."""

    name: ClassVar[str] = "overridden"
    experiment: int
    verdict: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedTry:
    """A candidate was refused before any run."""

    name: ClassVar[str] = "refused"
    kind: str
    reason: str
    files: tuple[str, ...] = ()
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescued:
    """Edits that a write would have replaced were saved under `folder`."""

    name: ClassVar[str] = "rescued"
    folder: str
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebaselined:
    """New bindings or a mended harness: readings before and after are never compared."""

    name: ClassVar[str] = "rebaselined"
    why: str
    bindings: Mapping[str, Any]
    bindings_digest: str
    bindings_file: str = ""
    harness_digest: str
    stop_at_utc: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """The run under way is finished and recorded, then `try` is refused."""

    name: ClassVar[str] = "paused"
    by: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """`try` is welcome again; `session` owns the campaign where it is not empty."""

    name: ClassVar[str] = "resumed"
    session: str = ""
    take_over: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """Final until `resume`."""

    name: ClassVar[str] = "stopped"
    by: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A word of the person's that the next answer shows."""

    name: ClassVar[str] = "note"
    text: str


Event = (
    CampaignStarted
    | ExperimentStarted
    | RunStarted
    | RunFinished
    | ChecksFinished
    | Decided
    | Settled
    | Overridden
    | RefusedTry
    | Rescued
    | Rebaselined
    | Paused
    | Resumed
    | Stopped
    | Note
)
_BY_NAME: dict[str, type[Event]] = {kind.name: kind for kind in Event.__args__}
_FIELD_NAMES = {
    kind: frozenset(item.name for item in dataclasses.fields(kind)) for kind in _BY_NAME.values()
}


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the journal. `time` is UTC in ISO 8601; `seq` counts from 1 without gaps."""

    seq: int
    time: str
    boot_id: str
    event: Event
    v: int = field(default=VERSION)


def to_json(record: Record) -> dict[str, Any]:
    """The line's object, fields in their order."""
    head = {
        "v": record.v,
        "seq": record.seq,
        "time": record.time,
        "boot_id": record.boot_id,
        "event": record.event.name,
    }
    return head | dataclasses.asdict(record.event)


def from_json(value: object) -> Record:
    """The inverse of `to_json`; unknown fields are left alone, they stay in the file.

    Raises:
        ValueError: not a record, an unknown event, or a newer version.
    """
    if not isinstance(value, dict):
        raise ValueError("not an object")
    if value.get("v") != VERSION:
        raise ValueError(f"version {value.get('v')!r}: written by a newer agent-loops; update it")
    kind = _BY_NAME.get(value.get("event", ""))
    if kind is None:
        raise ValueError(f"unknown event {value.get('event')!r}: update agent-loops")
    known = _FIELD_NAMES[kind]
    fields = {
        key: tuple(item) if isinstance(item, list) else item
        for key, item in value.items()
        if key in known
    }
    try:
        event = cast("Any", kind)(**fields)
        return Record(int(value["seq"]), str(value["time"]), str(value["boot_id"]), event)
    except (TypeError, KeyError) as error:
        raise ValueError(f"incomplete {kind.name}: {error}") from error
