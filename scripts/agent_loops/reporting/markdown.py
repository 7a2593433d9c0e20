"""Text of others in a Markdown page: as it stands, or cleaned where it may be Markdown itself.

Judges no text; a page that is shown by a program that allows raw HTML stays free of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from agent_loops import display

_SPECIAL = re.compile(r"([\\`*{}\[\]<>|~&]|:(?=//)|(?<!\w)_|_(?!\w))")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_HEADING = re.compile(r"^ {0,3}#{1,6}[ \t]+(.*)$")
_UNDERLINE = re.compile(r"^ {0,3}(?:=+|-+)\s*$")


def escape(text: str) -> str:
    """One line that Markdown shows as it stands, behind something that begins the line."""
    return _SPECIAL.sub(r"\\\1", display.one_line(text))


def row(cells: Iterable[str]) -> str:
    """A table's line; `cells` are Markdown already."""
    return f"| {' | '.join(cells)} |"


def table(head: Sequence[str], body: Iterable[Sequence[str]]) -> list[str]:
    """A table; empty where it has no body."""
    lines = [row(cells) for cells in body]
    return [row(head), row("---" for _ in head), *lines] if lines else []


def tame(text: str) -> str:
    """Somebody's Markdown without raw HTML, pictures, or headings that look like the page's own."""
    text = display.TERMINAL_CODES.sub("", text)
    lines = [_tame_line(line) for line in text.replace("\r\n", "\n").split("\n")]
    return "\n".join(lines).strip("\n")


def _tame_line(line: str) -> str:
    start = len(line) - len(line.lstrip(" \t"))
    line = line[:start].replace("\t", "    ") + display.one_line(line)
    if heading := _HEADING.match(line):
        return f"#### {heading[1]}"
    if _UNDERLINE.match(line):
        return "***" if line.strip().startswith("-") and len(line.strip()) > 2 else ""
    return _TAG.sub("&lt;", line).replace("![", "!\\[")
