"""Makes the decision about a finished experiment from the campaign's readings; pure.

The rule itself is `decide`; here it is fed, and what a reader should know is noted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent_loops import answers, calibration, decide, events, verdict_notes
from agent_loops.experiments import Experiment, key_of
from agent_loops.objective import Direction
from agent_loops.state import Campaign, losses_of

if TYPE_CHECKING:  # imported where readings are judged
    from agent_loops.keeping.rule import Belief

REHEARSED = "a rehearsal, never kept"


def decided(campaign: Campaign, experiment: Experiment, *, closing: bool = False) -> events.Decided:
    """The decision on an experiment whose runs are all in; `closing` asks for no further one."""
    finished, reading = experiment.last_finished, experiment.last_reading
    assert finished is not None
    if experiment.pruned:
        return events.Decided(
            experiment=experiment.number, verdict=decide.DISCARD, kind=decide.PRUNED,
            reason=experiment.pruned, notes=tuple(verdict_notes.of_runs(experiment)),
        )  # fmt: skip
    if finished.crash_kind == "idea" or reading is None:
        lost_twice = finished.outcome == "lost"
        return events.Decided(
            experiment=experiment.number,
            verdict=decide.CRASH,
            # An edit meanwhile, by whomever, is no fault of the machine's.
            kind="machine" if finished.crash_kind in ("machine", "elsewhere") else "idea",
            reason="run lost" if lost_twice else finished.crash_reason,
            notes=tuple(verdict_notes.of_runs(experiment)),
        )
    failed_checks = _failed_checks(experiment)
    if failed_checks and experiment.started.baseline:
        return events.Decided(
            experiment=experiment.number, verdict=decide.CRASH, kind="idea",
            reason=f"the baseline itself: {failed_checks}",
            notes=tuple(verdict_notes.of_runs(experiment)),
        )  # fmt: skip
    if missing := _missing_baseline(campaign, experiment) or _failed_reference(experiment):
        return missing
    incumbent = _compared_with(campaign, experiment)
    weighed = _weighed(campaign, experiment, closing=closing)
    verdict = _verdict(campaign, experiment, weighed)
    if verdict.status == decide.REPEAT:
        return events.Decided(experiment.number, decide.REPEAT, verdict.kind, verdict.reason)
    if experiment.started.rehearsal:
        trouble = f"; {verdict.reason}" if verdict.kind in ("over budget", "guard") else ""
        reason = f"{REHEARSED}{trouble}"
        verdict = decide.Verdict(decide.DISCARD, decide.REHEARSAL, reason)
    candidate = _readings(campaign, experiment)
    metric = decide.estimate(candidate)
    delta: float | None = None
    if incumbent is not None:
        delta = _delta(campaign, experiment)
        if incumbent.started.code == experiment.started.code:
            verdict = decide.Verdict(
                decide.DISCARD, "repeat",
                f"the incumbent's own code: it has {len(candidate)} readings now",
            )  # fmt: skip
    texts = [
        run.finished.value_text
        for run in experiment.attempt
        if run.finished and run.reading is not None
    ]
    alike = len(set(candidate)) == 1
    return events.Decided(
        experiment=experiment.number,
        verdict=verdict.status,
        kind=verdict.kind,
        reason=verdict.reason,
        metric=metric,
        metric_text=answers.format_metric(metric, texts[:1] if alike else [*texts, ""]),
        delta=delta,
        notes=verdict_notes.of_verdict(campaign, experiment, reading, delta, weighed),
        readings=len(candidate),
        **_figures(campaign, experiment, weighed),
    )


def _missing_baseline(campaign: Campaign, experiment: Experiment) -> events.Decided | None:
    """One more run of a baseline that has too few readings to tell the noise."""
    if not experiment.started.baseline or _failed_checks(experiment) or _is_cut_short(experiment):
        return None
    reading = experiment.last_reading
    wanted = calibration.baseline_runs(campaign.bindings, reading.wall_s if reading else None)
    have = len(experiment.readings)
    if have >= wanted:
        return None
    reason = f"reading {have} of the baseline's {wanted}"
    return events.Decided(experiment.number, decide.REPEAT, "baseline", reason)


def _is_cut_short(experiment: Experiment) -> bool:
    """Whether the last run failed and is not tried again: the readings there are must do."""
    last = experiment.last_finished
    return last is not None and last.crash_kind != ""


def _failed_reference(experiment: Experiment) -> events.Decided | None:
    """A candidate whose incumbent failed beside it cannot be compared: the machine's fault."""
    ended = [run.finished for run in experiment.references if run.finished is not None]
    if not ended or not ended[-1].crash_kind:
        return None
    return events.Decided(
        experiment=experiment.number, verdict=decide.CRASH, kind="machine",
        reason=f"the incumbent's run beside it failed: {ended[-1].crash_reason}",
        notes=tuple(verdict_notes.of_runs(experiment)),
    )  # fmt: skip


def _weighed(campaign: Campaign, experiment: Experiment, *, closing: bool) -> decide.Weighed | None:
    """What the noise-aware rule says of a candidate; None where nothing is to be weighed."""
    if campaign.bindings.keep_rule != "noise-aware" or experiment.started.baseline:
        return None
    incumbent, belief = campaign.incumbent, campaign.belief
    if experiment.started.paired:
        losses = losses_of(campaign, experiment, paired=True)
    else:
        sign = campaign.bindings.direction.sign
        losses = tuple(sign * reading for reading in _readings(campaign, experiment))
    if belief is None or incumbent is None or not losses:
        return None
    if incumbent.started.code == experiment.started.code or experiment.started.rehearsal:
        return None
    from agent_loops.keeping import rule

    cut_short = closing or _is_cut_short(experiment)
    judgement = rule.judge(belief, losses, most=len(losses) if cut_short else rule.MOST)
    more_lines = experiment.started.lines_added - experiment.started.lines_removed
    pairs = len(losses) if experiment.started.paired and not cut_short else 0
    return decide.Weighed(
        judgement, _behind(campaign, judgement.gain), more_lines, pairs,
        takes_back=experiment.started.takes_back is not None,
        may_repeat=not cut_short and len(experiment.readings) < rule.MOST,
    )  # fmt: skip


def _figures(
    campaign: Campaign, experiment: Experiment, weighed: decide.Weighed | None
) -> dict[str, Any]:
    """What a decision records of the noise-aware rule's view, in metric units."""
    belief = campaign.belief
    if belief is None:
        return {}
    from agent_loops.keeping import rule

    if weighed is None:
        return {"standing": rule.claim(_reread(belief, campaign, experiment)).gain}
    judgement, before = weighed.judgement, rule.claim(belief)
    return {
        "gain": judgement.gain, "gain_low": judgement.low, "gain_high": judgement.high,
        "probability": judgement.probability, "worse": judgement.worse, "noise": judgement.noise,
        "standing": before.gain + judgement.gain,
        "base_gain": before.gain, "base_low": before.low, "base_high": before.high,
    }  # fmt: skip


def _reread(belief: Belief, campaign: Campaign, experiment: Experiment) -> Belief:
    """The belief with what more readings of the incumbent's own code tell of it."""
    from agent_loops.keeping import rule

    losses = losses_of(campaign, experiment, paired=False)
    return belief if campaign.paired or not losses else rule.reread(belief, losses)


def _delta(campaign: Campaign, experiment: Experiment) -> float:
    """How much better than the incumbent as read: between means, or the median over pairs."""
    if experiment.pairs:
        import statistics  # slow, and most campaigns compare with what was read before

        return -statistics.median(losses_of(campaign, experiment, paired=True))
    candidate = _readings(campaign, experiment)
    known = _readings(campaign, campaign.incumbent)
    return campaign.bindings.direction.gain(decide.estimate(candidate), decide.estimate(known))


def needs_checks(campaign: Campaign, experiment: Experiment, *, closing: bool) -> bool:
    """Whether `checks_cmd` is to be run now: for what would be kept, or could be by override."""
    finished = experiment.last_finished
    if not campaign.bindings.checks_cmd or experiment.checks is not None:
        return False
    if experiment.started.rehearsal:
        return False
    if finished is None or finished.crash_kind or experiment.pruned:
        return False
    if _missing_baseline(campaign, experiment) or _failed_reference(experiment):
        return False
    weighed = _weighed(campaign, experiment, closing=closing)
    verdict = _verdict(campaign, experiment, weighed)
    if verdict.status != decide.DISCARD:
        return verdict.status == decide.KEEP
    figures = _figures(campaign, experiment, weighed)
    decision = events.Decided(experiment.number, *verdict, **figures)
    return not obstacle_to_keeping(campaign, experiment, decision)


def obstacle_to_keeping(
    campaign: Campaign, experiment: Experiment, decision: events.Decided
) -> str:
    """Why a discard may not be overridden; empty where it may.

    Equal and simpler may be kept; a worse one only within the tolerance, or within what one run's
    noise is, with fewer lines.
    """
    if decision.kind in ("over budget", "guard", "checks", "repeat", decide.REHEARSAL):
        return f"{decision.kind}: {decision.reason}"
    if decision.kind == decide.PRUNED:
        return f"it has no reading that could be kept: {decision.reason}"
    best = campaign.best
    best_metric = campaign.metric_of(best) if best is not None else None
    if not _readings(campaign, experiment) or best_metric is None:
        return "there is no reading to compare"
    gain, behind = _gain_and_lag(campaign, experiment, decision, best_metric)
    if gain > 0:
        return ""  # not worth its lines, or discarded by an override: a matter of taste
    if experiment.started.lines_removed <= experiment.started.lines_added:
        return "not better, and no simpler: it has no fewer lines than the incumbent"
    tolerance = campaign.bindings.override_tolerance.of(best_metric)
    if behind > max(tolerance, decision.noise or 0.0):
        return f"worse than the best by {behind:.4g}, more than override_tolerance {tolerance:.4g}"
    return ""


def _gain_and_lag(
    campaign: Campaign, experiment: Experiment, decision: events.Decided, best_metric: float
) -> tuple[float, float]:
    """How much better than the incumbent, and how much worse than the best: as taken, or read."""
    if decision.gain is not None:
        return decision.gain, _behind(campaign, decision.gain)
    metric = decide.estimate(_readings(campaign, experiment))
    behind = -campaign.bindings.direction.gain(metric, best_metric)
    return _delta(campaign, experiment), behind


def _behind(campaign: Campaign, gain: float) -> float:
    """How much worse than the best what gains so much on the incumbent is, in metric units."""
    standing = campaign.standings.get(campaign.incumbent_number or 0, 0.0) + gain
    return max(campaign.standings.values(), default=standing) - standing


def _verdict(
    campaign: Campaign, experiment: Experiment, weighed: decide.Weighed | None
) -> decide.Verdict:
    """What the rule says of the readings there are, and of the checks if they have run."""
    candidate = _readings(campaign, experiment)
    known = _readings(campaign, _compared_with(campaign, experiment))
    direction = campaign.bindings.direction
    if experiment.pairs:
        candidate, known, direction = [_delta(campaign, experiment)], [0.0], Direction.MAXIMIZE
    return decide.decide(
        candidate,
        known,
        direction=direction,
        over_budget=_over_budget(campaign, experiment),
        broken_guard=_broken_guard(campaign, experiment),
        failed_checks=_failed_checks(experiment),
        weighed=weighed,
        is_simpler=_takes_back(experiment),
    )


def _takes_back(experiment: Experiment) -> bool:
    """Whether it is the incumbent less one change, at no more lines."""
    started = experiment.started
    return started.takes_back is not None and started.lines_added <= started.lines_removed


def _compared_with(campaign: Campaign, experiment: Experiment) -> Experiment | None:
    return campaign.incumbent if not experiment.started.baseline else None


def _readings(campaign: Campaign, experiment: Experiment | None) -> list[float]:
    """Every reading of an experiment's code."""
    if experiment is None:
        return []
    return campaign.readings.get(key_of(experiment.epoch, experiment.started.code), [])


def _failed_checks(experiment: Experiment) -> str:
    checks = experiment.checks
    if checks is None or not checks.crash_kind:
        return ""
    return f"checks_cmd did not pass: {checks.crash_reason}"


def _broken_guard(campaign: Campaign, experiment: Experiment) -> str:
    baseline = campaign.baseline.last_reading if campaign.baseline else None
    for run in experiment.attempt:
        if run.finished is None or run.reading is None or baseline is None:
            continue
        for guard in campaign.bindings.guards:
            number = run.finished.guards.get(guard.name)
            if reason := guard.broken(number, baseline.guards.get(guard.name)):
                return reason
    return ""


def _over_budget(campaign: Campaign, experiment: Experiment) -> str:
    baseline, slack = campaign.baseline, campaign.bindings.budget_slack
    reading = experiment.last_reading
    if baseline is None or slack is None or baseline.last_reading is None or reading is None:
        return ""
    base_s, wall_s = baseline.last_reading.wall_s, reading.wall_s
    if base_s is None or wall_s is None or wall_s <= slack.limit_s(base_s):
        return ""
    return f"took {wall_s:.1f} s where the baseline took {base_s:.1f} s"
