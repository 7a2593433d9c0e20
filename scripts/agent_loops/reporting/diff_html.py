"""A diff as HTML: what came and went in lines of their own, code in colours; always escaped.

Reads no file; a diff that is too long is cut, and `Shown.left_out` says by how much.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING, NamedTuple

from agent_loops import display

if TYPE_CHECKING:
    from pygments.lexer import Lexer

_LINE_CHARS = 240
# The few kinds of tokens that are worth a colour, by the name of Pygments' CSS classes.
_COLOURED = {"k": "k", "s": "s", "c": "c", "m": "n", "nf": "f", "nc": "f", "nd": "f"}


class Shown(NamedTuple):
    """`html` of the lines that are shown, and how many more there are."""

    html: str
    left_out: int = 0


def plain(lines: Sequence[str], *, most_lines: int, most_chars: int) -> Shown:
    """Each line that came in <ins>, each that went in <del>, those that name places in <b>."""
    kept = list(_fitting(lines, most_lines, most_chars))
    html = [
        _place(line) if _is_place(kept, at) else _wrapped(line, escape(line))
        for at, line in enumerate(kept)
    ]
    return Shown("".join(html), len(lines) - len(kept))


def highlighted(lines: Sequence[str], *, most_lines: int, most_chars: int) -> Shown:
    """`plain` with the tokens of the language in colours, by the file's name."""
    kept = list(_fitting(lines, most_lines, most_chars))
    html: list[str] = []
    hunk: list[str] = []
    lexer: Lexer | None = None
    for at, line in enumerate(kept):
        if not _is_place(kept, at):
            hunk.append(line)
            continue
        html += [*_hunk(hunk, lexer), _place(line)]
        hunk = []
        if line.startswith("+++ "):
            lexer = _lexer(line[4:])
    return Shown("".join([*html, *_hunk(hunk, lexer)]), len(lines) - len(kept))


def visible(line: str) -> str:
    """A line of code or log with its spacing, and nothing in it that is hidden or moves text."""
    if line.isascii() and line.isprintable():
        return line
    line = display.TERMINAL_CODES.sub("", line).rstrip("\r\n").expandtabs(4)
    return "".join(
        char if char.isprintable() or unicodedata.category(char) == "Zs" else f"⟨{ord(char):04x}⟩"
        for char in line
    )


def _fitting(lines: Sequence[str], most_lines: int, most_chars: int) -> Iterator[str]:
    left = most_chars
    for line in lines[:most_lines]:
        shown = display.cut(visible(line[: 4 * _LINE_CHARS]), _LINE_CHARS)
        left -= len(shown) + 1
        if left < 0:
            return
        yield shown


def _is_place(lines: Sequence[str], at: int) -> bool:
    """Whether a line names a file or a place in it; a line that went may begin with `--- `, too."""
    line = lines[at]
    if line.startswith("--- "):
        return at + 1 < len(lines) and lines[at + 1].startswith("+++ ")
    if line.startswith("+++ "):
        return at > 0 and lines[at - 1].startswith("--- ")
    return line.startswith("@@")


def _place(line: str) -> str:
    return f"<b>{escape(line)}\n</b>"


def _wrapped(line: str, html: str) -> str:
    if line.startswith("+"):
        return f"<ins>{html}\n</ins>"
    if line.startswith("-"):
        return f"<del>{html}\n</del>"
    return f"{html}\n"


def _lexer(path: str) -> Lexer | None:
    from pygments.lexers import get_lexer_for_filename
    from pygments.util import ClassNotFound

    try:
        return get_lexer_for_filename(
            path.removeprefix("b/").strip(), stripnl=False, ensurenl=False
        )
    except ClassNotFound:
        return None


def _hunk(lines: Sequence[str], lexer: Lexer | None) -> Iterator[str]:
    """The lines of one hunk; its tokens are those of the text without the signs before it."""
    if lexer is None or not lines:
        yield from (_wrapped(line, escape(line)) for line in lines)
        return
    text = "\n".join(line[1:] for line in lines)
    coloured = "".join(_tokens(text, lexer)).split("\n")
    if len(coloured) != len(lines):
        coloured = [escape(line[1:]) for line in lines]
    for line, html in zip(lines, coloured, strict=True):
        yield _wrapped(line, escape(line[:1]) + html)


def _tokens(text: str, lexer: Lexer) -> Iterator[str]:
    from pygments.token import STANDARD_TYPES

    for kind, value in lexer.get_tokens(text):
        short = next(STANDARD_TYPES[k] for k in reversed(kind.split()) if k in STANDARD_TYPES)
        name = _COLOURED.get(short) or _COLOURED.get(short[:1])
        for at, part in enumerate(value.split("\n")):
            yield "\n" if at else ""
            if part:
                yield f'<i class="{name}">{escape(part)}</i>' if name else escape(part)
