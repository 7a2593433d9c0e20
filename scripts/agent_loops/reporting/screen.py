"""Draws lines in a terminal: in colour, and over and over on a screen of their own.

Colours only repeat what the words say; where NO_COLOR is set there are none.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text

NARROWEST = 24
_LABELS = (
    "metric experiments pace running gain best incumbent baseline device pruned ends open files:"
).split()
_WORDS = {
    "active": "green", "paused": "yellow", "stopped": "red", "finished": "cyan",
    "keep": "green", "crash": "red", "discard": "dim",
}  # fmt: skip
_HEAD = re.compile(r"campaign \S+  (active|paused|stopped|finished)\b")
_ROW = re.compile(r"#\d+ +(keep|discard|crash)\b")
_SAID = re.compile(r"(confirmed|confirms) +(improved|inconclusive|not improved|nothing yet)?")
_VERDICTS = {"improved": "bold green", "not improved": "bold red"}
_WARNINGS = ("in the way:", "edited:", "paused:", "stopped:", "open ")


class Bar(NamedTuple):
    """A bar below the line that begins with `below`; `done` is the share of it that is full."""

    below: str
    done: float
    beside: str


def columns(*, at_most: int) -> int:
    """How many columns this process's terminal has, at least a few."""
    from rich.console import Console

    return max(NARROWEST, min(at_most, Console().width))


def coloured(lines: Sequence[str]) -> list[str]:
    """The lines with the codes that colour them in this process's terminal."""
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    with console.capture() as captured:
        for line in lines:
            console.print(_styled(line))
    return captured.get().splitlines()


def _styled(line: str) -> Text:
    from rich.text import Text

    text = Text(line, no_wrap=True, overflow="crop")
    first = line.split(" ", 1)[0]
    if first in _LABELS and (len(line) > len(first)):
        text.stylize("cyan", 0, len(first))
    for pattern in (_HEAD, _ROW):
        if match := pattern.match(line):
            text.stylize(_WORDS[match[1]], *match.span(1))
            text.stylize("bold" if pattern is _HEAD else "", 0, match.start(1))
    if match := _SAID.match(line):
        text.stylize("cyan", *match.span(1))
        if match[2]:
            text.stylize(_VERDICTS.get(match[2], "bold yellow"), *match.span(2))
    if line.startswith(_WARNINGS):
        text.stylize("yellow")
    if (at := line.find("next: ")) >= 0 and line.startswith(("files:", "next:")):
        text.stylize("bold", at)
    return text


class Screen:
    """A screen that is drawn anew each time; what the terminal showed comes back after it."""

    def __init__(self, live: Live) -> None:
        self._live = live

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines, as they are now."""
        return os.get_terminal_size(self._live.console.file.fileno())

    def draw(self, lines: Sequence[str], bar: Bar | None, foot: str) -> None:
        """Shows the lines from the top, the bar among them, and `foot` below."""
        from rich.console import Group, RenderableType
        from rich.text import Text

        parts: list[RenderableType] = []
        for line in lines:
            parts.append(_styled(line))
            if bar is not None and line.startswith(bar.below):
                parts.append(self._bar(bar))
        parts.append(Text(foot, style="dim", no_wrap=True, overflow="crop"))
        # COLUMNS and LINES, where set (importing readline does so), would hold it at one size.
        self._live.console.size = self.size
        self._live.update(Group(*parts), refresh=True)

    def _bar(self, bar: Bar) -> Text:
        from rich.text import Text

        width = max(4, min(80, self.size[0]) - 10 - len(bar.beside) - 1)
        full = round(min(1.0, max(0.0, bar.done)) * width)
        text = Text(" " * 10, no_wrap=True, overflow="crop")
        text.append("━" * full, style="green")
        text.append("┈" * (width - full), style="dim")
        return text.append(f" {bar.beside}")


@contextmanager
def opened() -> Iterator[Screen]:
    """A screen in this process's terminal, for as long as the context lasts."""
    from rich.console import Console
    from rich.live import Live

    console = Console(highlight=False)
    with Live(console=console, screen=True, auto_refresh=False) as live:
        yield Screen(live)
