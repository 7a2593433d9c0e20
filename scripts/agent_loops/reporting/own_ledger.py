"""Makes the ledger of a campaign of ours, from its record.

Measures and decides nothing: what the record does not say is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta

from agent_loops import answers, claimed, decide, display, pointer
from agent_loops.experiments import CONFIRM, Experiment
from agent_loops.loop import Loop
from agent_loops.reporting.ledger import OPEN, Claim, Ledger, Row
from agent_loops.state import Campaign

_DESCRIPTION = 300
_REASON = 400
_NOTE = 300
_SENTENCE = 2000
_SETTINGS = (
    "loop", "keep_rule", "run_cmd", "eval_cmd", "checks_cmd", "editable_files", "iter_strategy",
    "compare", "prune",
)  # fmt: skip

Shown = Callable[[str, int], str]


def of(run: Loop, now: datetime) -> Ledger:
    """The ledger as the record stands. A run under way is an open row."""
    run.store.work_out_belief()
    campaign, shown = run.campaign, _shown_by(run)
    rows = tuple(_with_intervals(campaign, list(_rows(campaign, shown)), claim_of(campaign)))
    ledger = _told(run, rows, now, shown)
    return ledger._replace(
        began_utc=rows[0].began_utc if rows else "",
        ended_utc=max((row.ended_utc for row in rows), default=""),
    )


def brief(run: Loop, now: datetime, *, latest: int) -> Ledger:
    """The same with few rows, as quick at ten thousand experiments as at ten.

    They are the baseline's, the incumbent's and the best one's, and the `latest`; when it began and
    ended, and the running best, are left out.
    """
    run.store.work_out_belief()
    campaign, last = run.campaign, len(run.campaign.experiments)
    marked = (campaign.baseline, campaign.incumbent, campaign.best)
    numbers = {item.number for item in marked if item is not None}
    numbers |= set(range(max(1, last - latest + 1), last + 1))
    shown = _shown_by(run)
    rows = tuple(_row(campaign, campaign.experiments[number], shown) for number in sorted(numbers))
    return _told(run, rows, now, shown)


def _shown_by(run: Loop) -> Shown:
    """`display.clean` without secrets: what a report says may be read by many.

    Masked before it is cut, for half a secret is not known as one.
    """
    secrets = display.secret_values(run.workspace.environ)

    def shown(text: str, limit: int) -> str:
        text = display.one_line(text)
        return display.cut(display.mask(text, secrets), limit) if text else ""

    return shown


def _told(run: Loop, rows: tuple[Row, ...], now: datetime, shown: Shown) -> Ledger:
    campaign = run.campaign
    confirmed, standing = claimed.standing(run.workspace)
    switch = campaign.stopped or campaign.paused
    kept = [n for n in campaign.let_go_on if campaign.experiments[n].verdict == decide.KEEP]
    return Ledger(
        tag=campaign.tag,
        metric=campaign.bindings.metric,
        direction=campaign.bindings.direction,
        rows=rows,
        source=run.workspace.shown(run.store.paths.root),
        baseline=campaign.baseline_number,
        incumbent=campaign.incumbent_number,
        best=campaign.best.number if campaign.best else None,
        state=pointer.state_word(campaign, now),
        state_reason=shown((switch.reason if switch else "") or campaign.stop_reason(now), _REASON),
        claim=claim_of(campaign),
        gain=campaign.gain_of(campaign.incumbent),
        sentence=shown(str(confirmed["sentence"]), _SENTENCE) if confirmed else "",
        standing=shown(standing, _SENTENCE),
        confirmed=str(confirmed["verdict"]) if confirmed else "",
        is_confirmed=campaign.is_confirmed,
        refused=campaign.refusals,
        active_s=campaign.active_s,
        machine=_texts(campaign.stamp_for(), shown),
        environment=_texts(campaign.started.repository, shown),
        settings=_settings(campaign, shown),
        pruned_runs=campaign.pruned_runs,
        saved_s=campaign.saved_s,
        let_go_on=len(campaign.let_go_on),
        let_go_on_kept=len(kept),
    )


def claim_of(campaign: Campaign) -> Claim | None:
    """What the noise-aware rule says was gained; None where no noise is known."""
    belief = campaign.belief
    if belief is None:
        return None
    from agent_loops.keeping import rule

    claim = rule.claim(belief)
    return Claim(*claim) if claim.low < claim.high else None


def _texts(values: Mapping[str, object], shown: Shown) -> dict[str, str]:
    return {shown(str(key), 40): shown(str(value), 200) for key, value in values.items()}


def _settings(campaign: Campaign, shown: Shown) -> dict[str, str]:
    values = campaign.bindings.to_json()
    found = {key: values.get(key) for key in _SETTINGS}
    return {
        key: shown(", ".join(map(str, value)) if isinstance(value, list) else str(value), 300)
        for key, value in found.items()
        if value not in (None, "", [], ())
    }  # fmt: skip


def _rows(campaign: Campaign, shown: Shown) -> Iterator[Row]:
    best: tuple[int, float] | None = None
    for item in campaign.experiments.values():
        row = _row(campaign, item, shown)
        if item.verdict == decide.KEEP:
            estimate = campaign.estimate_of(item)
            best = (item.epoch, estimate) if estimate is not None else best
        if best is not None and best[0] == item.epoch:
            row = row._replace(best=best[1])
        yield row


def _row(campaign: Campaign, item: Experiment, shown: Shown) -> Row:
    decided, finished = item.decided, item.last_reading or item.last_finished
    crashed = item.verdict == decide.CRASH
    elapsed = [run.finished.elapsed_s or run.finished.wall_s or 0.0
               for run in item.runs if run.finished]  # fmt: skip
    gain = decided.gain if decided and decided.gain is not None else None
    return Row(
        number=item.number,
        status=item.verdict or OPEN,
        description=shown(item.started.description, _DESCRIPTION),
        kind=decided.kind if decided else "",
        reason=shown(decided.reason, _REASON) if decided else "",
        why=shown(item.started.why, _REASON),
        risk=shown(item.started.risk, _REASON),
        metric=campaign.metric_of(item) if not crashed else None,
        text=answers.figure(campaign, item) if not crashed else "",
        readings=item.readings if not crashed else (),
        source=item.last_reading.source if item.last_reading else "",
        gain=gain if gain is not None else decided.delta if decided else None,
        gain_low=decided.gain_low if decided else None,
        gain_high=decided.gain_high if decided else None,
        probability=decided.probability if decided else None,
        noise=decided.noise if decided else None,
        base=item.started.base,
        epoch=item.epoch,
        is_baseline=item.started.baseline,
        is_rehearsal=item.started.rehearsal,
        began_utc=item.time,
        ended_utc=_ended(item),
        wall_s=finished.wall_s if finished else None,
        machine_s=sum(elapsed),
        runs=len(item.runs),
        memory_gb=finished.memory_gb if finished else None,
        memory_kind=finished.memory_kind if finished else "",
        lines_added=item.started.lines_added,
        lines_removed=item.started.lines_removed,
        commit=item.commit or item.started.commit,
        code=item.started.code,
        session=item.started.session,
        override_why=shown(item.override_why, _REASON),
        notes=tuple(shown(note, _NOTE) for note in dict.fromkeys(
            (*(decided.notes if decided else ()), *item.notes)
        )),
        findings=shown(item.analysed.findings, _REASON) if item.analysed else "",
        predictions=shown(item.analysed.predictions, _REASON) if item.analysed else "",
        basis=shown(item.started.basis, 40),
        takes_back=item.started.takes_back,
        metric_name=campaign.metric_name(item),
    )  # fmt: skip


def _ended(item: Experiment) -> str:
    """When its last run was over; "" where none is."""
    ended = [run for run in item.runs if run.finished and run.started.purpose != CONFIRM]
    if not ended:
        return ""
    last = ended[-1]
    took = (last.finished.elapsed_s or last.finished.wall_s or 0.0) if last.finished else 0.0
    try:
        return (datetime.fromisoformat(last.time) + timedelta(seconds=took)).isoformat()
    except (ValueError, OverflowError):
        return ""


def _with_intervals(campaign: Campaign, rows: list[Row], claim: Claim | None) -> Iterator[Row]:
    """The interval of the running best: as it was known when the next experiment was decided.

    Older records do not hold it.
    """
    after: Claim | None = claim
    epoch = campaign.epoch
    found: list[Row] = []
    for row in reversed(rows):
        if row.epoch != epoch:
            epoch, after = row.epoch, None
        found.append(_with_interval(campaign, row, after) if after is not None else row)
        decided = campaign.experiments[row.number].decided
        if decided is not None and decided.base_gain is not None:
            low, high = decided.base_low, decided.base_high
            assert low is not None
            assert high is not None
            after = Claim(decided.base_gain, low, high, 0.0) if low < high else None
    return reversed(found)


def _with_interval(campaign: Campaign, row: Row, claim: Claim) -> Row:
    baseline = campaign.baseline
    metric = campaign.metric_of(baseline) if baseline is not None else None
    if metric is None or row.best is None or baseline is None or row.epoch != baseline.epoch:
        return row
    ends = [campaign.bindings.direction.worse_by(metric, -gain) for gain in claim[:3]]
    return row._replace(best=ends[0], best_low=min(ends[1:]), best_high=max(ends[1:]))
