"""Says how a confirmation stands and what was claimed: to the person all of it, to an agent not the
holdout's figures.

Works nothing out: the figures are the record's, or lie in a file of which the record has the
digest.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from agent_loops import answers, confirmation, events, files, rounds, sentences, steps
from agent_loops.answers import Answer
from agent_loops.campaigns import session_of
from agent_loops.state import Campaign
from agent_loops.workspace import Workspace

HOW = "`agent-loops confirm`"


def is_for_agent(environ: Mapping[str, str]) -> bool:
    """Whether an agent reads the answer."""
    return bool(environ.get("CLAUDECODE") or session_of(environ))


def as_agent(environ: Mapping[str, str]) -> dict[str, str]:
    """The same for what an agent may come to read, whoever asks: it says nothing of a holdout."""
    return {**environ, "CLAUDECODE": "1"}


def claim(workspace: Workspace) -> Answer:
    """The last claim: one line for each experiment, what it cost, what would tell more."""
    campaign = workspace.campaign
    made = campaign.confirmed
    assert made is not None
    claims = _seen_claims(workspace, made)
    first = claims[0]
    next_step = _next(campaign, first)
    values = {
        "schema": answers.SCHEMA, "status": "confirmed", **_head(workspace, made),
        "claims": claims, "pairs": made.pairs, "runs": made.runs, "machine_s": made.machine_s,
        "best": answers.place(campaign, campaign.best), "notes": list(workspace.take_told()),
        "next": next_step,
    }  # fmt: skip
    lines = [str(claim["sentence"]) for claim in claims]
    effect = first.get("hedges_g_z")
    size = f"; effect size {effect:.2g} (Hedges' g_z)" if effect is not None else ""
    recorded = sentences.number(float(first["recorded_gain"]))
    lines.append(f"cost {made.runs} runs, {answers.duration(made.machine_s)} of the machine{size}; "
                 f"recorded before: gain {recorded}")  # fmt: skip
    lines += [f"note: {note}" for note in values["notes"]]
    return Answer(values, [*lines, f"next: {next_step}" if next_step else ""])


def _head(workspace: Workspace, made: events.Confirmed) -> dict[str, Any]:
    campaign = workspace.campaign
    first = _seen_claims(workspace, made)[0]
    return {
        "verdict": made.verdict, "sentence": first["sentence"], "experiment": made.experiment,
        "baseline": campaign.baseline_number, "is_best": campaign.is_confirmed,
        "holdout": bool(made.holdout),
    }  # fmt: skip


def _seen_claims(workspace: Workspace, made: events.Confirmed) -> list[dict[str, Any]]:
    """The claims as the reader may see them; where a holdout's file was changed, as the record."""
    shown = [dict(claim) for claim in made.claims]
    if not made.holdout or is_for_agent(workspace.environ):
        return shown
    for path in sorted(workspace.store.paths.holdout.glob("claim-*.json")):
        try:
            data = files.read_regular(path)
            if files.sha256(data) == made.holdout:
                held_out = files.load_json(data)["claims"]
                return [
                    {**whole, "training": training}
                    for whole, training in zip(held_out, shown, strict=True)
                ]
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return [
        {**claim, "sentence": f"{claim['sentence']}; the holdout's file is gone or changed"}
        for claim in shown
    ]


def _next(campaign: Campaign, first: Mapping[str, Any]) -> str:
    needed, pairs = first.get("pairs_needed"), int(first["pairs"])
    if campaign.stopped is not None or campaign.paused is not None:
        return ""
    if first["verdict"] == confirmation.INCONCLUSIVE and needed and needed > pairs:
        return f"`agent-loops confirm --runs {needed}` would tell a gain of this size"
    if campaign.stop_reason(datetime.now(timezone.utc)):
        return "report this sentence as it stands, and claim nothing else"
    return ""


def standing(workspace: Workspace) -> tuple[dict[str, Any] | None, str]:
    """For `status`: the last claim's values, and the line that says what is confirmed."""
    campaign = workspace.campaign
    made = campaign.confirmed
    if campaign.confirming is not None:
        return None, f"confirms  {_in_words(campaign)}"
    if made is not None:
        values = _head(workspace, made)
        best = campaign.best
        since = "" if campaign.is_confirmed or best is None else (
            f"; the best is #{best.number} now, which is not confirmed: {HOW}"
        )  # fmt: skip
        return values, f"confirmed {values['sentence']}{since}"
    if campaign.has_gained:
        return (
            None,
            f"confirmed nothing yet: {HOW} ({cost(campaign, 1, confirmation.FEWEST_PAIRS)})",
        )
    return None, ""


def cost(campaign: Campaign, subjects: int, pairs: int) -> str:
    """What so many pairs would take: `10 runs, about 51.0 min`."""
    numbers = rounds.subjects(campaign, subjects)
    baseline = campaign.baseline
    sides = (*numbers, *([baseline.number] if baseline is not None else []))
    each_s = rounds.pair_s(campaign, sides)
    about = f", about {answers.duration(each_s * pairs)}" if each_s else ""
    return f"{len(sides) * pairs} runs{about}"


def progress(workspace: Workspace) -> Answer:
    """How the confirmation under way stands."""
    campaign = workspace.campaign
    started = campaign.confirming
    assert started is not None
    sides = (*started.subjects, started.baseline)
    done, of = _done(campaign, started), len(sides) * started.runs
    left_s = rounds.pair_s(campaign, sides) / len(sides) * (of - done)
    held = campaign.open_run is None
    switch = campaign.paused or campaign.stopped
    next_step = "agent-loops resume" if held and switch else "agent-loops wait"
    line = _in_words(campaign)
    if left_s:
        line += f"; about {answers.duration(left_s)} left"
    if held and switch:
        line += f"; held: the campaign is {'paused' if campaign.paused else 'stopped'}"
    notes = list(workspace.take_told())
    values = {
        "schema": answers.SCHEMA, "status": "running", "confirming": list(started.subjects),
        "baseline": started.baseline, "runs_done": done, "runs": of, "left_s": round(left_s, 1),
        "held": held and switch is not None, "until": started.until_utc or None, "notes": notes,
        "next": next_step,
    }  # fmt: skip
    lines = [line, *[f"note: {note}" for note in notes], f"next: {next_step}"]
    return Answer(values, lines)


def _done(campaign: Campaign, started: events.ConfirmationStarted) -> int:
    due = steps.next_to_confirm(campaign)
    order = list(steps.confirming_order(started))
    return len(order) if due is None else order.index(due)


def _in_words(campaign: Campaign) -> str:
    started = campaign.confirming
    assert started is not None
    names = ", ".join(f"#{number}" for number in started.subjects)
    of = (len(started.subjects) + 1) * started.runs
    at = min(_done(campaign, started) + 1, of)
    goes = "run" if campaign.open_run is not None else "before run"
    return f"{names} against the baseline #{started.baseline}: {goes} {at} of {of}"
