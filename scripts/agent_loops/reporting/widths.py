"""How many columns of a terminal a text takes; cuts and wraps it by columns.

Knows no terminal: one that draws a character wider than Unicode says is not followed.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

_CUT = "…"
_VARIATION = "\ufe0f"
_JOINER = "\u200d"


def columns(text: str) -> int:
    """The columns that a clean line takes: two for CJK and emoji, none for what combines."""
    return len(text) if text.isascii() else sum(_widths(text))


def _widths(text: str) -> Iterator[int]:
    """What each character adds."""
    before, last = "", 0
    for char in text:
        if char == _VARIATION:
            width = int(last == 1)  # turns a sign into an emoji, which is wide
        elif before == _JOINER:
            width = 0  # one emoji with the one before
        else:
            width = _width(char)
        yield width
        before, last = char, width


def _width(char: str) -> int:
    if char.isascii():
        return 1
    if char == _JOINER or unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def cut(text: str, most: int) -> str:
    """At most so many columns, and three bytes for each: what combines takes no column."""
    if columns(text) <= most and len(text.encode()) <= 3 * most:
        return text
    if most < 1:
        return ""
    kept = text[: _fitting(text, most - 1, 3 * (most - 1))]
    return kept.rstrip() + _CUT


def _fitting(text: str, most: int, most_bytes: int) -> int:
    """How many characters fit: whole ones, with all that combines with them."""
    used, size, whole = 0, 0, 0
    for at, (char, width) in enumerate(zip(text, _widths(text), strict=True)):
        if width and char != _VARIATION:
            whole = at
        used, size = used + width, size + len(char.encode())
        if used > most or size > most_bytes:
            return whole
    return len(text)


def wrap(text: str, first: int, rest: int, most_lines: int) -> list[str]:
    """The text in lines of `first` columns, then `rest`; cut where `most_lines` are too few."""
    lines: list[str] = []
    words = text.split(" ")
    while words:
        room = rest if lines else first
        if len(lines) == most_lines - 1:
            lines.append(cut(" ".join(words), room))
            break
        line = words.pop(0)
        while words and columns(line) + 1 + columns(words[0]) <= room:
            line += " " + words.pop(0)
        if columns(line) > room:  # one long word: a path, or a script without spaces
            at = max(1, _fitting(line, room, 3 * room))
            words.insert(0, line[at:])
            line = line[:at]
        lines.append(line)
    return lines
