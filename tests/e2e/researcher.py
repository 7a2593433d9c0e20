"""A scripted researcher: ideas whose verdicts are known, and what the record must say of them.

It takes the campaign's word for nothing: what it expects is worked out here, from the constants
that it edits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from model import Request, Turn, bash
from projects import BASELINE, attempt

Row = tuple[str, str, str]  # status, metric, description


def metric(lr: float, width: int) -> str:
    return f"{1.0 + abs(lr - 0.05) + 1.0 / width:.6f}"


@dataclass
class Researcher:
    """Each method is one idea: what is answered to the model's request, and the row it leaves."""

    width: int = 8
    lr: float = 0.01
    rows: list[Row] = field(default_factory=list)
    tokens: int = 1000

    @property
    def next(self) -> int:
        return len(self.rows) + 1

    def _row(self, status: str, value: str, idea: str) -> None:
        self.rows.append((status, value, idea))

    def baseline(self) -> Turn:
        self._row("keep", metric(self.lr, self.width), "baseline")
        return BASELINE

    def good(self) -> Turn:
        idea, old = f"arch: width {self.width + 1}", self.width
        self.width += 1
        self._row("keep", metric(self.lr, self.width), idea)
        return attempt(idea, f"WIDTH = {old}", f"WIDTH = {self.width}", tokens=self.tokens)

    def bad(self) -> Turn:
        worse = self.lr - self.next * 1e-5
        idea = f"lr: {worse:.5f}"
        self._row("discard", metric(worse, self.width), idea)
        return attempt(idea, f"LR = {self.lr}", f"LR = {worse:.5f}", tokens=self.tokens)

    def crash(self) -> Turn:
        number = self.next
        idea = f"arch: a name that is not there {number}"
        self._row("crash", "0.000000", idea)
        return attempt(idea, f"WIDTH = {self.width}", f"WIDTH = width_{number}")

    def mended(self) -> Iterator[Turn]:
        """The crash before, in two steps: its code again, and the name put right."""
        number = len(self.rows)
        assert self.rows[-1][0] == "crash"
        yield bash(f"agent-loops checkout {number}")
        idea = f"arch: the name put right {self.next}"
        self.width += 1
        self._row("keep", metric(self.lr, self.width), idea)
        yield attempt(idea, f"WIDTH = width_{number}", f"WIDTH = {self.width}")

    def nan(self) -> Turn:
        idea = f"lr: not a number {self.next}"
        self._row("crash", "0.000000", idea)
        return attempt(idea, f"LR = {self.lr}", f'LR = {self.next} * float("nan")')

    def hang(self) -> Turn:
        idea = f"schedule: sleep {self.next}"
        self._row("crash", "0.000000", idea)
        return attempt(idea, "SECONDS = 0.0", f"SECONDS = {1000 + self.next}")

    def verdict_is_told(self, request: Request) -> None:
        """Whether the model has just been told what the last row says."""
        status, value, _ = self.rows[-1]
        assert f"#{len(self.rows)} {status}" in request.last, request.last
        assert status == "crash" or value in request.last, request.last
