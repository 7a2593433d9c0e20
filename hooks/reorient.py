"""SessionStart: tells an agent without memory where the campaign stands, in at most 1.5 KB.

Figures and words come from the campaign's files and are data; the rules of the loop are the
skill's.
"""

from __future__ import annotations

import json

import campaign
from campaign import Campaign, Row, Session

_MOST_BYTES = 1500
_LAST = 4
_NOTES = 3
_NOTE = b'"event":"note"'
_BY_THE_PERSON = "the person says: "
_DEAD_END = 3
_NO_IDEA = "rehearsal"  # of the incumbent's own code


def main() -> None:
    event = campaign.read_event()
    here, session = campaign.found(event)
    if here.is_to_confirm and here.is_ours and session.loops:
        campaign.answer(_told(_claim(here)))
        return
    if here.state != "active" or not here.is_ours:
        return
    text = "\n".join(_fitted(_lines(here, session)))
    told = _told(text)
    if not session.loops:
        way_on = f"{here.skill} goes on with it"
        told["systemMessage"] = f"agent-loops: campaign {here.text('tag')} is active; {way_on}"
    campaign.answer(told)


def _told(text: str) -> dict[str, object]:
    return {"hookSpecificOutput": {"hookEventName": "SessionStart", "additionalContext": text}}


def _claim(here: Campaign) -> str:
    """What is left to do of a campaign in which nothing more is tried."""
    step = "`agent-loops wait --wait-s 580`" if here.is_unsettled else "`agent-loops confirm`"
    return (
        f"agent-loops: campaign {here.text('tag')} is finished but for its claim, for which time "
        f"was set aside. Next: {step}, then report its sentence as it stands."
    )


def _lines(here: Campaign, session: Session) -> list[str]:
    """Most important first: what does not fit is cut from the end."""
    rows = here.rows()
    lines = [_head(here, session), _next(here, session), _standing(here)]
    if rows:
        lines.append("Last: " + "; ".join(row.in_words(60) for row in reversed(rows[-_LAST:])))
    notes = _notes(here)
    if notes:
        lines.append("The person's notes: " + "; ".join(f"“{note}”" for note in notes))
    lines += _tried(here, rows)
    return [line for line in lines if line]


def _head(here: Campaign, session: Session) -> str:
    led = "led by this session"
    if not here.text("session"):
        led = "led by no session yet"
    elif not here.is_led_by(session):
        led = "led by another session"
    folder = campaign.clean(here.root, 200)
    return f"agent-loops: campaign {here.text('tag')} is active in {folder}, {led}."


def _next(here: Campaign, session: Session) -> str:
    if here.text("session") and not here.is_led_by(session):
        return (
            f"Touch nothing of it. Where the person starts the loop here ({here.skill}): "
            "`agent-loops resume --take-over`, then `agent-loops status`."
        )
    if here.run_is_alive:
        step = "A run is alive. Next: `agent-loops wait --wait-s 580` (Bash timeout 600000)."
    elif here.is_unsettled:
        step = "No run is alive; one ended. Next: `agent-loops wait`, which takes it up."
    elif not here.metric_of("incumbent"):
        step = "No run is alive. Next: `agent-loops try baseline --wait-s 580`."
    elif here.analysis_first:
        step = (
            "No run is alive. Next: look at the last results (`agent-loops analyze`), then one "
            "idea, `agent-loops try 'CATEGORY: IDEA' --anchor FILE:KEY=VALUE --predict 'FILE:KEY < "
            "NUMBER' --wait-s 580 --edit - <<'EDIT'`, with analysis/plan.md among its blocks."
        )
    else:
        step = (
            "No run is alive. Next: one idea, `agent-loops try 'CATEGORY: IDEA' --wait-s 580 "
            "--edit - <<'EDIT'` (file name, then <<<<<<< SEARCH / ======= / >>>>>>> REPLACE)."
        )
    if session.loops:
        return f"{step} The loop goes on until `agent-loops` answers finished, paused or stopped."
    return f"Where the person wants the loop to go on: {step}"


def _standing(here: Campaign) -> str:
    goal = f"Goal: {here.text('direction')} {here.text('metric')}"
    files = here.pointer.get("editable_files")
    if isinstance(files, list):
        goal += f"; editable: {campaign.clean(', '.join(map(str, files)), 120)}"
    if here.text("program"):
        goal += f"; the person's goals: {here.text('program')}"
    places = [
        f"{name} {here.metric_of(name)}"
        for name in ("baseline", "incumbent", "best")
        if here.metric_of(name)
    ]
    return f"{goal}. {', '.join(places) or 'No baseline yet'}."


def _notes(here: Campaign) -> list[str]:
    """The person's last words, newest first."""
    try:
        with open(here.journal, "rb") as stream:
            data = stream.read()
    except OSError:
        return []
    texts: list[str] = []
    end = len(data)
    while len(texts) < _NOTES and (at := data.rfind(_NOTE, 0, end)) >= 0:
        end = data.rfind(b"\n", 0, at) + 1
        try:
            text = json.loads(data[end : data.find(b"\n", at)])["text"]
        except (ValueError, KeyError, TypeError):
            continue
        if isinstance(text, str) and text.startswith(_BY_THE_PERSON):
            texts.append(campaign.clean(text[len(_BY_THE_PERSON) :], 110))
    return texts


def _tried(here: Campaign, rows: list[Row]) -> list[str]:
    """What was tried in each category, where nothing was gained, and what came close."""
    groups: dict[str, list[Row]] = {}
    for row in rows[1:]:
        if row.category == _NO_IDEA:
            continue
        groups.setdefault(row.category or "other", []).append(row)
    by_size = sorted(groups.items(), key=lambda item: -len(item[1]))
    counted = [f"{name} {len(group)} ({_kept(group)} kept)" for name, group in by_size[:10]]
    dead = [name for name, group in by_size if len(group) >= _DEAD_END and not _kept(group)]
    lines = ["Tried: " + ", ".join(counted)] if counted else []
    if dead:
        lines.append("Dead ends so far: " + ", ".join(dead[:6]))
    near = _near_misses(here, rows)
    if near:
        lines.append("Near misses: " + "; ".join(row.in_words(60) for row in near))
    lines.append("All of it: `agent-loops history --compact`.")
    return lines


def _kept(group: list[Row]) -> int:
    return sum(row.status == "keep" for row in group)


def _near_misses(here: Campaign, rows: list[Row]) -> list[Row]:
    """The discards nearest to the incumbent's metric."""
    number = here.pointer.get("incumbent")
    try:
        incumbent = float(rows[int(str(number)) - 1].metric)
        pairs = [
            (abs(float(row.metric) - incumbent), row)
            for row in rows
            if row.status == "discard" and row.metric and row.category != _NO_IDEA
        ]
    except (ValueError, IndexError):
        return []
    return [row for _, row in sorted(pairs, key=lambda pair: pair[0])[:2]]


def _fitted(lines: list[str]) -> list[str]:
    """As many of the lines as fit, the last one cut."""
    fitted: list[str] = []
    room = _MOST_BYTES
    for line in lines:
        data = line.encode()
        if len(data) > room:
            short = data[: max(0, room - 4)].decode("utf-8", "ignore").rstrip()
            return [*fitted, f"{short}…"] if len(short) > 40 else fitted
        fitted.append(line)
        room -= len(data) + 1
    return fitted
