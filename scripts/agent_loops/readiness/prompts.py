"""Whether the host would ask the person at night, or let the agent end its turn, by what was seen.

What no experiment has shown yet is said to be unseen: nothing is taken for granted here.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from agent_loops import answers, campaigns, open_clients
from agent_loops.diagnosis import hook_checks, host_checks, sessions
from agent_loops.diagnosis.checks import Check, missing, ok, warn
from agent_loops.diagnosis.sessions import Session
from agent_loops.diagnosis.subjects import Subject
from agent_loops.readiness import grants, transcripts
from agent_loops.readiness.transcripts import Seen
from agent_loops.state import Campaign

NAME = "prompts"
# Last night's session says nothing of the mode in which this evening's was started.
_STALE_S = 12 * 3600.0
_WATCH = "start the loop by /agent-loops:karpathy, watch one idea, then `agent-loops ready` again"


class Evidence(NamedTuple):
    """Of the session that leads: what its hooks remembered, and what its transcript shows.

    `tried` counts the experiments of the campaign that a session of the host's began.
    """

    session: Session | None
    seen: Seen | None
    tried: int

    @property
    def mode(self) -> str:
        """The permission mode, as last seen."""
        return (self.seen.mode if self.seen else "") or (self.session.mode if self.session else "")


def evidence(subject: Subject, campaign: Campaign) -> Evidence:
    """Of the calling session, else of the one that the campaign belongs to, else the last seen."""
    remembered = sessions.remembered(subject.project)
    wanted = campaigns.session_of(subject.environ) or campaign.session
    named = [item for item in remembered if item.name == wanted]
    session = next(iter(named if wanted else remembered), None)
    seen = transcripts.read(Path(session.transcript)) if session and session.transcript else None
    tried = sum(
        bool(item.started.session) and not item.started.rehearsal
        for item in campaign.experiments.values()
    )
    return Evidence(session, seen, tried)


def look(subject: Subject, found: Evidence) -> Iterator[Check]:
    """Fine, or what would make the host ask, refuse or do nothing."""
    in_the_way = list(_settings(subject))
    in_the_way += _hooks(found)
    in_the_way += _mode(found)
    in_the_way += _refusals(found)
    in_the_way += _at_the_loop(subject, found)
    yield from in_the_way
    refused = found.seen is not None and found.seen.refused
    if not refused and not any(check.state == "missing" for check in in_the_way):
        yield ok(NAME, f"none expected: {_seen(found)}")


def _settings(subject: Subject) -> Iterator[Check]:
    """Rules against our commands, hooks of others, and what the person has not granted."""
    for maker in (host_checks.permissions, hook_checks.hooks):
        for check in maker(subject):
            if check.state != "ok":
                yield check._replace(name=NAME)
    if grants.propose(subject.root, subject.environ).adds:
        said = "not granted: commands beside plain agent-loops ones may be asked about"
        yield warn(NAME, said, "agent-loops setup --allow")


def _hooks(found: Evidence) -> Iterator[Check]:
    tries = found.tried or (found.seen.tries if found.seen else 0)
    ago_s = time.time() - found.session.seen if found.session is not None else 0.0
    if found.session is not None and tries and ago_s < _STALE_S:
        return
    if found.session is not None and tries:
        yield missing(NAME, f"no session was seen for {answers.duration(ago_s)}", _WATCH)
    elif found.session is not None:
        yield missing(NAME, "not seen yet: no agent has made an experiment here", _WATCH)
    elif found.tried:
        said = "the plugin's hooks did not run in the session that experiments: nothing keeps it on"
        yield missing(NAME, said, "agent-loops doctor")
    else:
        yield missing(NAME, "not seen yet: no session has been at this campaign", _WATCH)


def _mode(found: Evidence) -> Iterator[Check]:
    match found.mode:
        case "plan":
            yield missing(
                NAME, "the session is in plan mode: nothing is run", "Shift+Tab leaves it"
            )
        case "bypassPermissions":
            said = "the session bypasses permissions: nothing is asked, and only our hooks protect"
            yield warn(NAME, said, "the default mode is enough for the loop")


def _refusals(found: Evidence) -> Iterator[Check]:
    if found.seen is not None and found.seen.refused:
        said = f"{found.seen.refused} of {found.seen.commands} agent-loops commands were refused"
        yield warn(NAME, f"{said} in this session", "agent-loops setup --allow")


def _at_the_loop(subject: Subject, found: Evidence) -> Iterator[Check]:
    """Whether anybody goes on with it; who asks "can I leave it?" has spoken last."""
    session = found.session
    if session is None:
        return
    if not session.loops:
        said = "the person spoke last: the agent may end its turn until its next experiment"
        yield warn("loop", said, "/agent-loops:karpathy, as the last word to it")
    if campaigns.session_of(subject.environ) == session.name:
        return  # it is asking
    told = open_clients.are_told(subject.environ)
    if told and open_clients.leading(subject.environ, session.name) is None:
        said = "nobody is at it: no client has the session open that leads the campaign"
        yield missing("loop", said, "`claude`, then /agent-loops:karpathy")
    elif session.loops and not session.at_work:
        said = "nobody is at it: the agent has ended its turn"
        yield missing("loop", said, "/agent-loops:karpathy in its client")
    elif found.seen is not None and found.seen.interrupted:
        said = "nobody is at it: the agent was interrupted"
        yield missing("loop", said, "/agent-loops:karpathy in its client")


def _seen(found: Evidence) -> str:
    words = []
    if found.session is not None:
        ago = answers.duration(max(0.0, time.time() - found.session.seen))
        words.append(f"hooks seen {ago} ago in {found.mode or 'an unknown'} mode")
    if found.mode == "dontAsk":
        words.append("what would be asked is refused")
    if found.seen is not None:
        words.append(f"{found.seen.commands} commands, none refused")
    elif found.tried:
        words.append(f"{found.tried} experiments by an agent")
    return ", ".join(words)
