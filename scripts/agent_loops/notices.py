"""Tells the person what happened: a new best, trouble, the end; each of them at most once.

Changes nothing of the campaign and never fails: what cannot be told is dropped. A kill between
noting that something is told and telling it loses that one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from agent_loops import answers, desktop, display, environment, files, notifier, rounds
from agent_loops.campaigns import Store
from agent_loops.errors import AgentLoopsError
from agent_loops.experiments import Experiment
from agent_loops.journal import utc_now
from agent_loops.state import CRASHES_BEFORE_CANARY, Campaign

SCHEMA = 1
_IDEA_CHARACTERS = 200
_TEXT_CHARACTERS = 500
# Whoever plays with a campaign of minutes sits in front of it.
_LEFT_ALONE_S = 600.0


class Notice(NamedTuple):
    """One thing to tell. `event` is best, trouble or end; `key` tells it from all others."""

    event: str
    key: str
    reason: str


def tell(store: Store, environ: Mapping[str, str]) -> None:
    """Tells what is news since the last time. The caller holds the campaign's lock."""
    with contextlib.suppress(AgentLoopsError, OSError, ValueError):
        told = files.read_object(store.paths.told)  # what was told last of each event
        news = [notice for notice in due(store.campaign) if told.get(notice.event) != notice.key]
        news = [notice for notice in news if not _is_an_earlier_best(notice, told)]
        if not news:
            return
        told.update({notice.event: notice.key for notice in news})
        data = files.dump_json(told).encode() + b"\n"
        files.write_atomic(store.paths.told, data, mode=0o600, durable=False)
        for notice in news:
            send(store, environ, notice)


def due(campaign: Campaign) -> list[Notice]:
    """What there is to tell, told before or not."""
    found = []
    best = campaign.best
    if best is not None and best.settled and not best.started.baseline:
        found.append(Notice("best", str(best.number), ""))
    if campaign.canary_due and campaign.last is not None:
        reason = f"{CRASHES_BEFORE_CANARY} crashes in a row; the incumbent is run to see why"
        found.append(Notice("trouble", f"crashes {campaign.last.number}", reason))
    switch = campaign.paused
    if switch is not None and switch.by == "engine":
        found.append(Notice("trouble", f"paused {campaign.switched_seq}", switch.reason))
    end = _end(campaign)
    return [*found, end] if end is not None else found


def _end(campaign: Campaign) -> Notice | None:
    if (stopped := campaign.stopped) is not None:
        why = f": {stopped.reason}" if stopped.reason else ""
        return Notice("end", f"stopped {campaign.switched_seq}", f"stopped by {stopped.by}{why}")
    if campaign.paused is not None or campaign.under_way:
        return None
    if rounds.is_due(campaign, utc_now()):
        return None  # the claim comes first
    reason = campaign.stop_reason(utc_now())
    if not reason:
        return None
    rules = f"{campaign.switched_seq} {campaign.bindings_digest[:12]}"
    claim = campaign.confirmed.sentence if campaign.confirmed and campaign.is_confirmed else ""
    said = f"finished ({reason})" + (f"; {claim}" if claim else "")
    return Notice("end", f"finished {reason.partition(':')[0]} {rules}", said)


def _is_an_earlier_best(notice: Notice, told: Mapping[str, Any]) -> bool:
    """Whether a later best was rejected, or read worse when repeated: the old one is no news."""
    last = str(told.get("best", ""))
    return notice.event == "best" and last.isdecimal() and int(notice.key) < int(last)


def send(store: Store, environ: Mapping[str, str], notice: Notice) -> None:
    """Starts what tells it, if anything does; without a promise that it arrives."""
    campaign = store.campaign
    summary = summarize(campaign, str(store.project.root), notice)
    secrets = display.secret_values(environ)
    for key in ("idea", "reason", "text"):  # they leave the machine
        summary[key] = display.mask(summary[key], secrets)
    command = campaign.bindings.notify_cmd
    if command:
        argv = ["bash", "-c", command]
    elif _is_for_desktop(campaign, environ, notice):
        argv = desktop.command(f"agent-loops {campaign.tag}", str(summary["text"]))
    else:
        return
    with contextlib.suppress(OSError):
        notifier.start(
            argv,
            files.dump_json(summary).encode("utf-8", "backslashreplace") + b"\n",
            environment=environment.without_hosts(environ),
            workspace=store.project.root,
            log=store.paths.notify_log,
        )


def _is_for_desktop(campaign: Campaign, environ: Mapping[str, str], notice: Notice) -> bool:
    """Without a notify_cmd: trouble, and an end that the person did not make."""
    by_hand = campaign.stopped is not None and campaign.stopped.by == "the person"
    left_alone = campaign.active_s >= _LEFT_ALONE_S and not by_hand
    return notice.event != "best" and left_alone and desktop.is_there(environ)


def summarize(campaign: Campaign, project: str, notice: Notice) -> dict[str, Any]:
    """What the command gets on standard input."""
    best, baseline = campaign.best, campaign.baseline
    return {
        "schema": SCHEMA,
        "event": notice.event,
        "tag": campaign.tag,
        "project": project,
        "metric": campaign.bindings.metric,
        "direction": campaign.bindings.metric_direction,
        "experiment": best.number if best else None,
        "value": campaign.metric_of(best) if best else None,
        "baseline": campaign.metric_of(baseline) if baseline else None,
        "gain": campaign.gain_of(best),
        "idea": display.clean(best.started.description, _IDEA_CHARACTERS) if best else "",
        "reason": display.clean(notice.reason, _TEXT_CHARACTERS),
        "counts": {
            "experiments": len(campaign.experiments),
            **{word: campaign.counts.get(word, 0) for word in ("keep", "discard", "crash")},
        },
        "text": _text(campaign, notice),
    }


def _text(campaign: Campaign, notice: Notice) -> str:
    best = campaign.best
    if notice.event == "best" and best is not None:
        idea = display.clean(best.started.description, _IDEA_CHARACTERS)
        said = f"new {_standing(campaign, best)}: {idea}"
    else:
        said = f"{notice.reason}; {in_words(campaign)}"
    return display.clean(f"{campaign.tag}: {said}", _TEXT_CHARACTERS)


def in_words(campaign: Campaign) -> str:
    """How many experiments there were, and the best of them."""
    best, count = campaign.best, len(campaign.experiments)
    standing = _standing(campaign, best) if best is not None else "no reading yet"
    said = f"{display.counted(count)}, {standing}"
    if campaign.confirmed is not None and campaign.is_confirmed:
        return f"{said}; {campaign.confirmed.sentence}"
    return said


def _standing(campaign: Campaign, best: Experiment) -> str:
    figures = f"best #{best.number} {campaign.bindings.metric} "
    figures += answers.metric_text(campaign, best)
    gain = campaign.gain_of(best)
    return figures + (f" ({gain:.4g} better than the baseline)" if gain else " (the baseline's)")
