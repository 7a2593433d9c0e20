"""Which words start the next client: the session that leads the campaign, a new one, or as given.

Pure: what became of the last client comes in.
"""

from __future__ import annotations

import re

from agent_loops.client_command import ClientCommand
from agent_loops.patience import Ended

# A record may come with a repository: what it calls a session must not be an option of the client.
_SESSION = re.compile(r"[A-Za-z0-9][\w-]{0,99}", re.ASCII)


class Succession:
    """Remembers which sessions cannot be resumed."""

    def __init__(self, command: ClientCommand) -> None:
        self._command = command
        self._not_resumable: set[str] = set()

    def words(self, session: str, *, has_campaign: bool) -> tuple[str, ...]:
        """The next start's; `session` leads the campaign, or nobody does where it is empty."""
        if not has_campaign:
            return self._command.words
        if self._goes_on(session):
            return self._command.resuming(session)
        return self._command.afresh()

    def in_words(self, session: str, *, has_campaign: bool) -> str:
        if not has_campaign:
            return "as it was started"
        if self._goes_on(session):
            return f"session {session} goes on"
        return "a new session takes the campaign over"

    def _goes_on(self, session: str) -> bool:
        return bool(_SESSION.fullmatch(session)) and session not in self._not_resumable

    def lost(self, ended: Ended, session: str) -> bool:
        """Whether the session was to go on and cannot: the client says so, or ended at once."""
        if not session or session not in ended.words or ended.progressed:
            return False
        kind = ended.said.kind
        if kind == "no session" or (ended.is_quick and kind == "nothing"):
            self._not_resumable.add(session)
            return True
        return False
