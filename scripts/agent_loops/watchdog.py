"""Keeps a coding client going while a campaign is active: starts it again, waits, or gives up.

Never types into it: on its screen there may be a question that only the person may answer, and an
Enter would answer it. A client that sits still is ended and its session resumed instead.
"""

from __future__ import annotations

import shlex
import signal
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple

from agent_loops import answers, client_words, display, pointer
from agent_loops.answers import Answer
from agent_loops.client_command import ClientCommand
from agent_loops.client_process import Client
from agent_loops.client_words import Said
from agent_loops.errors import AgentLoopsError, Refused
from agent_loops.lookout import ENDED, Lookout, Standing
from agent_loops.patience import GO_ON_S, Ended, Patience
from agent_loops.state import local_clock
from agent_loops.succession import Succession
from agent_loops.surroundings import Surroundings
from agent_loops.watch_lock import WatchLock

QUIET_S = 1800.0
_QUIET_AFTER_RESET_S = 120.0
_LOOK_S = 2.0
_AFTER_CTRL_C_S = 3.0


class Ending(NamedTuple):
    """Why the watch is over. `status` is the campaign's, or left, or gave up."""

    status: str
    text: str
    next_step: str = ""


def run(start: Path, words: Sequence[str], environ: Mapping[str, str]) -> Answer:
    """Watches until there is nothing more to go on with.

    Raises:
        Refused: somebody else watches, or leads the campaign; nothing was started.
        AgentLoopsError: it gave up; the message says why, and the person was notified.
    """
    command = ClientCommand.parse(words)
    if environ.get("CLAUDECODE"):
        raise Refused(
            "inside a client", "watch starts a client, and this is one",
            next_step="the person runs it in a terminal of their own",
        )  # fmt: skip
    lookout = Lookout(start, environ)
    project = lookout.project
    pointer.make_state_dir(project)
    lock = WatchLock(project.watch_lock)
    try:
        world = Surroundings(project.root, environ)
        with world.terminal.handling():
            ending = Watchdog(command, lookout, world, lock).run()
    finally:
        lock.release()
    if ending.status == "gave up":
        raise AgentLoopsError(f"{ending.text}; {ending.next_step}")
    standing = lookout.look()
    values = {
        "schema": answers.SCHEMA, "status": ending.status, "tag": standing.tag or None,
        "reason": ending.text, "running": standing.is_running, "next": ending.next_step,
    }  # fmt: skip
    return Answer(values, [ending.text, f"next: {ending.next_step}" if ending.next_step else ""])


class Watchdog:
    """The rules: what is done after each client, and what ends the watch."""

    def __init__(
        self, command: ClientCommand, lookout: Lookout, world: Surroundings, lock: WatchLock
    ) -> None:
        self._command = command
        self._lookout = lookout
        self._world = world
        self._lock = lock
        self._prints = command.prints or not world.has_terminal
        self._client_pid = 0
        self._own_session = ""
        self._patience = Patience()
        self._succession = Succession(command)
        self._told_of = ("", False)

    def run(self) -> Ending:
        """Starts the client as given, then again and again; returns when there is an end."""
        self._refuse_doubling()
        words: tuple[str, ...] = self._command.words
        while True:
            ended = self._let_run(words)
            if isinstance(ended, Ending):
                return ended
            ending = self._ending(ended)
            if ending is None and (why := self._patience.count(ended)):
                ending = self._give_up(why)
            if ending is None:
                words, wait_s = self._next(ended)
                ending = self._wait(wait_s)
            if ending is not None:
                return ending

    def _refuse_doubling(self) -> None:
        standing = self._look()
        if standing.state != "active":
            return
        pid = self._lookout.client_elsewhere(standing.session, but=0)
        if pid is not None:
            raise Refused(
                "client alive",
                f"campaign {standing.tag} is led by another client, process {pid}",
                next_step="end that client (the run goes on), then the same command again",
            )

    def _look(self) -> Standing:
        """How it stands; the person is told of an end that nobody else can notice."""
        standing = self._lookout.look()
        now = (standing.state, standing.is_running)
        if now != self._told_of:
            self._told_of = now
            if standing.state in ENDED:
                self._lookout.tell()
                if not standing.is_running:
                    self._lookout.settle()  # its agent may sit at a limit until the morning
        return standing

    def _session(self, standing: Standing) -> str:
        """The session that goes on: the campaign's, or before its first experiment the client's."""
        return standing.session or self._own_session

    # ---- while a client lives ----

    def _let_run(self, words: tuple[str, ...]) -> Ended | Ending:
        before, began = self._look(), self._world.now()
        is_first = not self._client_pid
        try:
            client = self._world.start(words, reads=self._prints, is_first=is_first)
        except OSError as error:
            return self._give_up(
                f"{error.filename or words[0]} cannot be started: {error.strerror}"
            )
        self._client_pid, self._own_session = client.pid, ""
        self._lock.name_client(client.pid)
        try:
            code, cause = self._follow(client, began)
        except BaseException:
            client.end(self._world.terminal)  # nobody would look after it, nor give up its terminal
            self._world.terminal.restore(was_killed=True)
            raise
        self._lock.name_client(0)
        self._world.terminal.restore(was_killed=code in (-signal.SIGKILL, 137))
        after = self._look()
        return Ended(
            words=words,
            code=code,
            said=self._said(client, after, began, code),
            cause=cause,
            lasted_s=self._world.now() - began,
            progressed=after.progress > before.progress,
            runs_on=after.is_running,
        )

    def _said(self, client: Client, standing: Standing, began: float, code: int) -> Said:
        """Its last words; of one that had the terminal to itself those in its conversation."""
        said = client_words.understood(client.tail, _utc(self._world.now()))
        if code == 0 and said.until is None:
            return Said("nothing")  # an agent that ends its turn may speak of logins and limits
        if said.kind == "nothing":
            word = self._lookout.last_word(self._session(standing))
            if word.at >= began:
                return client_words.understood(word.error, _utc(word.at))
        return said

    def _follow(self, client: Client, began: float) -> tuple[int, str]:
        """Its exit code, and what ended it."""
        terminal = self._world.terminal
        while True:
            code = client.wait(terminal, _LOOK_S)
            if terminal.signal and code is None:
                code = self._after_signal(client)
            if code is not None:
                return code, "signal" if terminal.signal else "itself"
            self._own_session = self._lookout.session_of(client.pid) or self._own_session
            if not terminal.signal and self._is_quiet(self._look(), began):
                self._world.say("nothing has moved for long: ending the client, to resume it")
                return client.end(terminal), "quiet"

    def _after_signal(self, client: Client) -> int | None:
        """Passes it on; Ctrl-C has reached a client in this terminal already, and is its own."""
        terminal = self._world.terminal
        if terminal.signal == signal.SIGINT and not self._prints:
            code = client.wait(terminal, _AFTER_CTRL_C_S)
            if code is None and terminal.signal == signal.SIGINT:
                terminal.signal = 0
            return code
        return client.end(terminal)

    def _is_quiet(self, standing: Standing, began: float) -> bool:
        """Whether the loop should be going on, and nothing has moved: no run, record or word.

        Nor a key: where the person spoke last, or types, the client is theirs.
        """
        session = self._session(standing)
        if standing.state != "active" or standing.is_running or not self._lookout.loops(session):
            return False
        word = self._lookout.last_word(session)
        signs = (began, standing.moved_at, self._world.terminal.typed_at(), word.at)
        quiet_s = self._world.now() - max(signs)
        # Read as of when it was said: "resets 3am" is another day's after three.
        until = client_words.understood(word.error, _utc(word.at)).until
        if until is None:
            return quiet_s >= QUIET_S
        return quiet_s >= _QUIET_AFTER_RESET_S and self._world.now() >= until.timestamp()

    # ---- after it ended ----

    def _ending(self, ended: Ended) -> Ending | None:
        """Why it is not started again; None where the campaign waits for it."""
        standing = self._look()
        if ended.cause == "signal":
            return self._left(standing, "interrupted")
        if standing.state in ENDED:
            return self._ended(standing)
        if standing.state == "unreadable":
            return self._give_up(f"the campaign cannot be read: {standing.reason}")
        by_hand = ended.cause == "itself" and ended.code in (0, 130, -signal.SIGINT)
        if by_hand and not self._prints:
            return self._left(standing, "the client was ended by hand")
        if standing.state == "none" and ended.said.kind not in ("limit", "server"):
            return self._give_up(f"{ended.in_words()}, and no campaign was begun")
        return None

    def _ended(self, standing: Standing) -> Ending:
        """The campaign is over, but for the claim for which time was set aside: no client is left
        that would make it."""
        said = False
        while standing.is_to_confirm and not self._world.terminal.signal:
            if not said:
                self._world.say(f"campaign {standing.tag} is finished: confirming the best")
            said = True
            if why := self._lookout.confirm(_LOOK_S):
                self._lookout.trouble(f"the best could not be confirmed: {why}")
                break
            standing = self._look()
        if said:
            self._lookout.tell()
            standing = self._look()
        return _campaign_ended(standing)

    def _left(self, standing: Standing, why: str) -> Ending:
        if standing.state in ENDED:
            return _campaign_ended(standing)
        if standing.state != "active":
            return Ending("left", f"{why}; no campaign is under way")
        runs = "; its run goes on, and the result waits" if standing.is_running else ""
        words = self._succession.words(self._session(standing), has_campaign=True)
        again = shlex.join(["agent-loops", "watch", "--", *words])
        text = f"{why}; campaign {standing.tag} is active and nobody works on it{runs}"
        return Ending("left", f"{text}; {standing.words}", f"to go on: {again}")

    def _give_up(self, why: str) -> Ending:
        clean = display.clean(why, 300)
        self._lookout.trouble(f"the watch gave up: {clean}")
        self._lookout.settle()
        again = shlex.join(["agent-loops", "watch", "--", *self._command.words])
        return Ending("gave up", f"watch gave up: {clean}", f"mend it, then: {again}")

    def _next(self, ended: Ended) -> tuple[tuple[str, ...], float]:
        """The words of the next start, and how long to wait before it."""
        standing = self._look()
        session, has_campaign = self._session(standing), standing.state != "none"
        was_lost = self._succession.lost(ended, session)
        wait_s = GO_ON_S if was_lost else self._patience.wait_s(ended, self._world.now())
        now = _utc(self._world.now())
        at = local_clock((now + timedelta(seconds=wait_s)).isoformat(), now)
        who = self._succession.in_words(session, has_campaign=has_campaign)
        self._world.say(
            f"{ended.in_words()}; again in {answers.duration(wait_s)} ({at}), {who}. "
            "Ctrl-C ends this"
        )
        return self._succession.words(session, has_campaign=has_campaign), wait_s

    def _wait(self, seconds: float) -> Ending | None:
        """Waits, and as long as another client leads the campaign; an end that comes meanwhile."""
        until = self._world.now() + seconds
        said = 0
        while True:
            standing = self._look()
            if self._world.terminal.signal:
                return self._left(standing, "interrupted")
            if standing.state in ENDED:
                return self._ended(standing)
            left_s = until - self._world.now()
            if left_s <= 0:
                pid = self._lookout.client_elsewhere(standing.session, but=self._client_pid)
                if pid is None:
                    return None
                if pid != said:
                    self._world.say(f"process {pid}, another client, leads the campaign; waiting")
                said = pid
            self._world.rest(min(left_s, _LOOK_S) if left_s > 0 else _LOOK_S)


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)


def _campaign_ended(standing: Standing) -> Ending:
    reason = f" ({standing.reason})" if standing.reason else ""
    text = f"campaign {standing.tag} is {standing.state}{reason}; {standing.words}"
    return Ending(standing.state, text, "agent-loops status; `agent-loops resume` goes on")
