"""Sees from outside how a project's campaign stands, for whoever watches the agent at work on it.

Changes the record only where it is asked to: to settle what ended, and to tell the person.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from agent_loops import (
    campaigns,
    confirm,
    confirmation,
    files,
    notices,
    open_clients,
    pointer,
    rounds,
)
from agent_loops.campaigns import Store
from agent_loops.errors import AgentLoopsError, Refused, UsageError
from agent_loops.journal import utc_now
from agent_loops.loop import Loop
from agent_loops.open_clients import LastWord
from agent_loops.paths import ProjectPaths

ENDED = ("paused", "stopped", "finished")


class Standing(NamedTuple):
    """The campaign at one instant. `state` is active, paused, stopped, finished, none, unreadable.

    `progress` grows with each experiment and each verdict; `moved_at` is when anything was recorded
    last, in seconds since the epoch. `is_to_confirm` says that time was set aside for the claim,
    and that it is due or under way.
    """

    state: str
    tag: str = ""
    session: str = ""
    progress: int = 0
    moved_at: float = 0.0
    is_running: bool = False
    reason: str = ""
    words: str = ""
    is_to_confirm: bool = False


class Lookout:
    """Looks again and again; what did not change is not read anew."""

    def __init__(self, start: Path, environ: Mapping[str, str]) -> None:
        self._start = start
        self._environ = environ
        self._store: Store | None = None
        self._pointer: tuple[int, int] | None = None

    @property
    def project(self) -> ProjectPaths:
        """The project around the folder; before setup wrote its bindings, the folder itself."""
        try:
            return campaigns.find_project(self._start)
        except UsageError:
            return ProjectPaths(Path(os.path.realpath(self._start)))

    def look(self) -> Standing:
        """How it stands now; never fails."""
        try:
            store = self._find()
            return Standing("none") if store is None else _standing(store)
        except (AgentLoopsError, OSError, ValueError) as error:
            self._store = None
            return Standing("unreadable", reason=str(error))

    def _find(self) -> Store | None:
        project = self.project
        stamp = _stamp(project.active)
        if self._store is None or stamp != self._pointer or self._store.project != project:
            self._pointer, self._store = stamp, None
            try:
                self._store = campaigns.find_store(project)
            except Refused as refused:
                if refused.kind != "no campaign":
                    raise
        if self._store is not None:
            self._store.refresh()
        return self._store

    def client_elsewhere(self, session: str, *, but: int) -> int | None:
        """The pid of another living client that has the campaign's session open."""
        pid = open_clients.leading(self._environ, session)
        return None if pid == but else pid

    def last_word(self, session: str) -> LastWord:
        return open_clients.last_word(self._environ, session)

    def session_of(self, client: int) -> str:
        """The session that the client has open; "" where it does not say."""
        return open_clients.session_of(self._environ, client)

    def loops(self, session: str) -> bool:
        """Whether the person's last word in it was to let the loop run, as the hooks know."""
        name = re.sub(r"[^A-Za-z0-9-]", "_", session) or "none"
        return files.read_object(self.project.sessions / f"{name}.json").get("loops") is True

    def tell(self) -> None:
        """Notifies of what is news: a clock that ran out is noticed by nobody else."""
        with contextlib.suppress(AgentLoopsError, OSError):
            if (store := self._find()) is not None:
                with store.locked():
                    Loop(store, store.project.root, self._environ).tell_the_person()

    def settle(self) -> None:
        """Takes up a run that ended, so that no candidate is left in the files; starts none."""
        with contextlib.suppress(AgentLoopsError, OSError):
            if (store := self._find()) is not None:
                run = Loop(store, store.project.root, self._environ)
                run.advance(deadline=time.monotonic(), start_runs=False)

    def confirm(self, wait_s: float) -> str:
        """Begins the claim that is due, or goes on with it for so long; why it cannot be made."""
        try:
            if (store := self._find()) is not None:
                run = Loop(store, store.project.root, self._environ)
                confirm.run(
                    run, runs=confirmation.FEWEST_PAIRS, top=1, wait_s=wait_s,
                    say=lambda _: None, by=confirm.BY_ITSELF,
                )  # fmt: skip
        except (AgentLoopsError, OSError) as error:
            return str(error)
        return ""

    def trouble(self, reason: str) -> None:
        """Notifies of what the record does not say."""
        with contextlib.suppress(AgentLoopsError, OSError):
            if (store := self._find()) is not None:
                notices.send(store, self._environ, notices.Notice("trouble", "", reason))


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def _standing(store: Store) -> Standing:
    campaign, now = store.campaign, utc_now()
    state = pointer.state_word(campaign, now)
    halted = campaign.stopped or campaign.paused
    reason = f"by {halted.by}: {halted.reason}".rstrip(": ") if halted is not None else ""
    return Standing(
        state=state,
        tag=campaign.tag,
        session=campaign.session,
        progress=len(campaign.experiments) + campaign.done + 1,
        moved_at=store.paths.journal.stat().st_mtime,
        is_running=files.is_locked(store.paths.run_lock),
        reason=reason or campaign.stop_reason(now),
        words=notices.in_words(campaign),
        is_to_confirm=rounds.is_due(campaign, now),
    )
