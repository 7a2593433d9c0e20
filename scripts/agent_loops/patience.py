"""How often a client that ends too early is started again, how soon, and when that is over.

Pure: how each client ended comes in. Knows no campaign, only whether its record grew.
"""

from __future__ import annotations

from typing import NamedTuple

from agent_loops import display
from agent_loops.client_words import Said

GO_ON_S = 5.0
_FIRST_WAIT_S = 60.0
_LONGEST_WAIT_S = 1800.0
_AFTER_RESET_S = 60.0
_QUICK_S = 15.0
# Without progress in the record: half a day of waiting; a quarter of an hour for a client that
# never did anything; a few times for a login, which may be renewed elsewhere.
MOST_FRUITLESS = 24
MOST_QUICK = 5
MOST_LOGINS = 3
_NOT_FOUND = (126, 127)


class Ended(NamedTuple):
    """How one client ended: by `itself`, by us because it was `quiet`, or by a `signal` to us.

    `code` is minus the signal where one killed it; `progressed` whether the record grew meanwhile,
    `runs_on` whether a run still does.
    """

    words: tuple[str, ...]
    code: int
    said: Said
    cause: str
    lasted_s: float
    progressed: bool
    runs_on: bool = False

    @property
    def is_quick(self) -> bool:
        """Whether it failed before it can have done anything."""
        return self.code != 0 and self.lasted_s < _QUICK_S and self.cause == "itself"

    def in_words(self) -> str:
        if self.cause == "quiet":
            return "the client sat still"
        how = f"was killed by signal {-self.code}" if self.code < 0 else f"ended ({self.code})"
        return f"the client {how}" + (f": {self.last_words}" if self.last_words else "")

    @property
    def last_words(self) -> str:
        return display.clean(self.said.line, 160)


class Patience:
    """Counts what led nowhere since the last progress."""

    def __init__(self) -> None:
        self._ever_progressed = False
        self._fruitless = self._quick = self._logins = 0

    def count(self, ended: Ended) -> str:
        """Takes one more ending; why it has been too much, or "" to go on."""
        if ended.progressed:
            self._ever_progressed = True
            self._fruitless = self._quick = self._logins = 0
        kind = ended.said.kind
        self._fruitless += not ended.progressed or kind in ("limit", "server")
        self._logins += kind == "login"
        self._quick += kind == "nothing" and ended.is_quick
        return self._too_much(ended)

    def _too_much(self, ended: Ended) -> str:
        new = not self._ever_progressed
        if new and ended.is_quick and ended.code in _NOT_FOUND:
            return f"{ended.words[0]} cannot be started (exit code {ended.code})"
        if self._logins >= (1 if new else MOST_LOGINS):
            return f"the client has no login: {ended.last_words}"
        if new and self._quick >= MOST_QUICK:
            return f"{ended.in_words()}, {self._quick} times soon after its start"
        if self._fruitless >= MOST_FRUITLESS and not ended.runs_on:
            return f"{self._fruitless} starts without any progress; {ended.in_words()}"
        return ""

    def wait_s(self, ended: Ended, now: float) -> float:
        """How long to wait before the next start; `now` in seconds since the epoch."""
        if ended.said.until is not None:
            return max(ended.said.until.timestamp() - now, 0.0) + _AFTER_RESET_S
        if not self._fruitless or ended.cause == "quiet":
            return GO_ON_S  # sitting still was the waiting
        return float(min(_FIRST_WAIT_S * 2 ** (self._fruitless - 1), _LONGEST_WAIT_S))
