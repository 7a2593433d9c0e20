"""The journal's vocabulary: one immutable record an event, each field with its unit.

Says nothing about what the events mean together; that is `state`.

Named tuples, not dataclasses: making sixteen of those cost a quarter of what a `try` may take.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

VERSION = 1


class CampaignStarted(NamedTuple):
    """The bindings are frozen and the harness hashed; nothing has run.

    `bindings_file` is the SHA-256 of loop.run.yaml, `repository` where the code came from.
    """

    tag: str
    project: str
    bindings: Mapping[str, Any]
    bindings_digest: str
    harness_digest: str
    code: str
    salt: str
    environment: Mapping[str, str]
    repository: Mapping[str, str]
    device: Mapping[str, Any]
    program_version: str
    bindings_file: str = ""
    base: str = ""
    branch: str = ""
    session: str = ""
    stop_at_utc: str = ""


class ExperimentStarted(NamedTuple):
    """The candidate is saved under `iter<experiment>/`; its first run may start.

    A `rehearsal` is no idea: it is the incumbent's code once more, and is never kept. `warmups`
    runs come before the first that counts; where it is `paired`, a run of the incumbent goes with
    each of the candidate's. `basis` is the finding of the literature that it tries, or "". In the
    analysis-first loop it rests on `anchors`, `predictions` and the rows of a `plan`; `move` is
    what it does in exploration, and `axes` in how many distant places it changes the code.
    `takes_back` is the kept experiment without whose change the incumbent is measured.
    """

    experiment: int
    description: str
    code: str
    idea: str = ""
    why: str = ""
    risk: str = ""
    base: int | None = None
    baseline: bool = False
    runs_wanted: int = 1
    lines_added: int = 0
    lines_removed: int = 0
    commit: str = ""
    parent_commit: str = ""
    session: str = ""
    notes: tuple[str, ...] = ()
    rehearsal: bool = False
    warmups: int = 0
    paired: bool = False
    basis: str = ""
    anchors: tuple[str, ...] = ()
    predictions: tuple[str, ...] = ()
    plan: tuple[str, ...] = ()
    move: str = ""
    axes: int = 0
    takes_back: int | None = None


class RunStarted(NamedTuple):
    """A supervisor holds run.lock; `pid_start` is its start in seconds since the epoch.

    `seal_digest` is the SHA-256 of what only the supervisor knows until its receipt is there;
    `code_of` is the experiment whose code is run, where that is not this one's; `script` is the
    analysis script that is run in its place.
    """

    experiment: int
    run: int
    purpose: str
    marker: str
    host: str
    pid: int
    pid_start: float
    timeout_s: float
    seed: int
    seal_digest: str = ""
    code_of: int | None = None
    script: str = ""


class RunFinished(NamedTuple):
    """What the receipt says, or that there is none (`outcome` "lost").

    `crash_kind` is "" where there is a reading that counts, else "idea", "machine", "edited" or
    "elsewhere": `stamp`, on what it was measured, is not that of the readings to compare with; ""
    also where the run was ended early because it was far behind (`outcome` "pruned").
    `hopeless` says why a run was ended early, or looked so at `hopeless_at_s` and was let go on;
    `saved_s` is what it would have taken beyond that.
    `seal` is the receipt's, of which the run itself knew but the digest. `holdout` is the SHA-256
    of the log of `holdout_cmd`, whose value no agent is to find in the record.
    """

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
    guards: Mapping[str, float | None] = {}
    outputs: tuple[str, ...] = ()
    environment_changed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    hopeless: str = ""
    hopeless_at_s: float | None = None
    saved_s: float = 0.0
    receipt_digest: str = ""
    seal: str = ""
    stamp: Mapping[str, str] = {}
    holdout: str = ""


class ChecksFinished(NamedTuple):
    """A run of `checks_cmd`, or of an analysis script, has left its receipt.

    `reason` says why it did not pass.
    """

    experiment: int
    run: int
    passed: bool
    outcome: str
    reason: str = ""
    exit_code: int | None = None
    wall_s: float | None = None
    elapsed_s: float | None = None
    seal: str = ""


class Decided(NamedTuple):
    """`verdict` is keep, discard, crash, or repeat (one more run of the candidate).

    `metric` is the mean of `readings` readings; `delta`, `gain` and the others are in its units,
    positive is better. `gain` is what the noise-aware rule makes of the readings, `gain_low` to
    `gain_high` its 90% interval, `probability` that the candidate is better at all and `worse` that
    it is worse, `noise` the deviation of one reading, `standing` the estimated gain over the
    baseline; `base_gain` with `base_low` to `base_high` is the incumbent's, as it was known before.
    `foretold` is the SHA-256 of the results that its predictions are of, before a script of the
    analysis ran.
    """

    experiment: int
    verdict: str
    kind: str
    reason: str
    metric: float | None = None
    metric_text: str = ""
    delta: float | None = None
    notes: tuple[str, ...] = ()
    readings: int = 0
    gain: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None
    probability: float | None = None
    worse: float | None = None
    noise: float | None = None
    standing: float | None = None
    base_gain: float | None = None
    base_low: float | None = None
    base_high: float | None = None
    foretold: str = ""


class AnalysisStarted(NamedTuple):
    """An experiment's analysis scripts are to run once more; a `plan` replaces the one before."""

    experiment: int
    plan: tuple[str, ...] = ()


class Analysed(NamedTuple):
    """An experiment's analysis is as complete as it gets by itself.

    `missing` are the rows of its plan without their file, and why; `measured` what the others
    measure. `predictions` says in words what became of them, of which `held` held. `findings` is
    the digest of what was found, in one line, and `notes` what went wrong beside it.
    """

    experiment: int
    missing: tuple[str, ...] = ()
    measured: tuple[str, ...] = ()
    predictions: str = ""
    held: int = 0
    findings: str = ""
    notes: tuple[str, ...] = ()


class Settled(NamedTuple):
    """The editable files, the branch and results.tsv agree with the last decision."""

    experiment: int
    commit: str = ""
    notes: tuple[str, ...] = ()


class Overridden(NamedTuple):
    """The agent or the person used the simplicity criterion on the last experiment."""

    experiment: int
    verdict: str
    why: str


class RefusedTry(NamedTuple):
    """A candidate was refused before any run."""

    kind: str
    reason: str
    files: tuple[str, ...] = ()
    description: str = ""


class Rescued(NamedTuple):
    """Edits that a write would have replaced were saved under `folder`."""

    folder: str
    files: tuple[str, ...]


class Rebaselined(NamedTuple):
    """New bindings or a mended harness: readings before and after are never compared.

    Where no reading depends on what changed, `measured_anew` is false and readings go on.
    """

    why: str
    bindings: Mapping[str, Any]
    bindings_digest: str
    harness_digest: str
    bindings_file: str = ""
    stop_at_utc: str = ""
    measured_anew: bool = True


class Paused(NamedTuple):
    """The run under way is finished and recorded, then `try` is refused."""

    by: str
    reason: str = ""


class Resumed(NamedTuple):
    """`try` is welcome again; `session` owns the campaign where it is not empty.

    `until_utc` is a new end, in place of `stop_at` and `stop_after`; empty where they stay.
    """

    session: str = ""
    take_over: bool = False
    until_utc: str = ""


class Stopped(NamedTuple):
    """Final until `resume`."""

    by: str
    reason: str = ""


class ConfirmationStarted(NamedTuple):
    """What the campaign has gained is to be measured on fresh seeds: `runs` of each experiment.

    `subjects` are compared with `baseline`, the best first; `codes` are the digests of their files
    and, last, of the baseline's; `recorded` the gain of each so far. Pair k has the seed
    `first_seed` + k. No pair is begun that would not be over by `until_utc`, "" without an end.
    """

    subjects: tuple[int, ...]
    baseline: int
    runs: int
    first_seed: int
    codes: tuple[str, ...]
    recorded: tuple[float, ...]
    by: str
    until_utc: str = ""


class Confirmed(NamedTuple):
    """The claim. `verdict` is improved, inconclusive or not improved; `sentence` says it all.

    Both are the best one's; `claims` has an object for each experiment, with its figures. With a
    holdout they are what an agent may see, and the whole is in the file with digest `holdout`.
    """

    experiment: int
    verdict: str
    sentence: str
    claims: tuple[Mapping[str, Any], ...]
    pairs: int
    runs: int
    machine_s: float
    holdout: str = ""


class Note(NamedTuple):
    """A word of the person's that the next answer shows."""

    text: str


class FindingNoted(NamedTuple):
    """What a paper is read to say. `paper` is its id at `source`, which gave `url` and `title`.

    `source` is "web" where the agent opened the page itself. `applies` says of data, model and
    budget whether what the evidence is from is like what is here: yes, partly or no.
    """

    name: str
    source: str
    paper: str
    url: str
    title: str
    claim: str
    level: str
    scope: str
    relevance: str
    verdict: str
    applies: Mapping[str, str] = {}
    files: tuple[str, ...] = ()


class FamilyChanged(NamedTuple):
    """The architecture is of another `family` now; the findings `retired` were about the last."""

    family: str
    retired: tuple[str, ...] = ()


Event = (
    CampaignStarted
    | ExperimentStarted
    | RunStarted
    | RunFinished
    | ChecksFinished
    | Decided
    | AnalysisStarted
    | Analysed
    | Settled
    | Overridden
    | RefusedTry
    | Rescued
    | Rebaselined
    | Paused
    | Resumed
    | Stopped
    | Note
    | ConfirmationStarted
    | Confirmed
    | FindingNoted
    | FamilyChanged
)
MEANWHILE = (Note, Paused, Resumed, Stopped, RefusedTry, Rescued, FindingNoted, FamilyChanged)
"""What may be recorded while a run is under way, besides its end."""
NAMES: dict[type[Event], str] = {
    CampaignStarted: "campaign_started",
    ExperimentStarted: "experiment_started",
    RunStarted: "run_started",
    RunFinished: "run_finished",
    ChecksFinished: "checks_finished",
    Decided: "decided",
    AnalysisStarted: "analysis_started",
    Analysed: "analysed",
    Settled: "settled",
    Overridden: "overridden",
    RefusedTry: "refused",
    Rescued: "rescued",
    Rebaselined: "rebaselined",
    Paused: "paused",
    Resumed: "resumed",
    Stopped: "stopped",
    Note: "note",
    ConfirmationStarted: "confirmation_started",
    Confirmed: "confirmed",
    FindingNoted: "finding_noted",
    FamilyChanged: "family_changed",
}
_BY_NAME = {name: kind for kind, name in NAMES.items()}


class NewerRecord(ValueError):
    """A line that a newer agent-loops wrote; nothing is wrong with it."""


class Record(NamedTuple):
    """One line of the journal. `time` is UTC in ISO 8601; `seq` counts from 1 without gaps."""

    seq: int
    time: str
    boot_id: str
    event: Event
    v: int = VERSION


def to_json(record: Record) -> dict[str, Any]:
    """The line's object, fields in their order."""
    head = {
        "v": record.v,
        "seq": record.seq,
        "time": record.time,
        "boot_id": record.boot_id,
        "event": NAMES[type(record.event)],
    }
    return head | record.event._asdict()


def from_json(value: object) -> Record:
    """The inverse of `to_json`; unknown fields are left alone, they stay in the file.

    Raises:
        NewerRecord: an unknown event, or a newer version.
        ValueError: not a record.
    """
    if not isinstance(value, dict):
        raise ValueError("not an object")
    if not isinstance(value.get("v"), int):
        raise ValueError("not a record")
    if value["v"] != VERSION:
        raise NewerRecord(f"version {value.get('v')!r}: written by a newer agent-loops; update it")
    kind = _BY_NAME.get(value.get("event", ""))
    if kind is None:
        raise NewerRecord(f"unknown event {value.get('event')!r}: update agent-loops")
    fields = {
        key: tuple(item) if isinstance(item, list) else item
        for key, item in value.items()
        if key in kind._fields
    }
    try:
        event = cast("Any", kind)(**fields)
        return Record(int(value["seq"]), str(value["time"]), str(value["boot_id"]), event)
    except (TypeError, KeyError) as error:
        raise ValueError(f"incomplete {NAMES[kind]}: {error}") from error
