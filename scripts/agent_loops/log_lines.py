"""A log as blocks of whole, plain lines, from either end and in bounded memory.

Opens nothing, and does not know what a line says. A line end is a newline, a carriage return, a
backspace or a movement of the cursor; of a line longer than 64 KiB only the end is kept.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False  # typing's constant, without typing's import
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

_WINDOW_BYTES = 256 << 10
_CHUNK_BYTES = 256 << 10
LINE_BYTES = 64 << 10
_SHOWN_CHARS = 200

_MOVES = re.compile(rb"\x1b\[[\d;]{0,9}[ABDEFGHf]")
_CODES = re.compile(
    rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)|[()*+][0-9A-Z]|[@-Z\\^_=>78c])"
)


def _read(stream: BinaryIO, at: int, size: int) -> bytes:
    stream.seek(at)
    parts = []
    while size > 0 and (part := stream.read(size)):
        parts.append(part)
        size -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def backwards(stream: BinaryIO, end: int) -> Iterator[bytes]:
    """Blocks of whole lines, the last block first; the first is at most 256 KiB."""
    carry, size = b"", _WINDOW_BYTES
    while end > 0:
        start = max(0, end - size)
        chunk = _read(stream, start, end - start)
        end, size = start, _CHUNK_BYTES
        first = _first_end(chunk)
        if start == 0:
            yield chunk + carry
        elif first < 0:
            carry = (chunk + carry)[-LINE_BYTES:]
        else:
            yield chunk[first + 1 :] + carry
            carry = chunk[: first + 1][-LINE_BYTES - 1 :]


def forwards(stream: BinaryIO) -> Iterator[bytes]:
    """Blocks of whole lines, in order."""
    carry = b""
    stream.seek(0)
    while chunk := stream.read(_CHUNK_BYTES):
        last = max(chunk.rfind(b"\n"), chunk.rfind(b"\r"), chunk.rfind(b"\b"))
        if last < 0:
            carry = (carry + chunk)[-LINE_BYTES:]
        else:
            yield carry + chunk[: last + 1]
            carry = chunk[last + 1 :]
    yield carry


def _first_end(chunk: bytes) -> int:
    ends = [at for sign in (b"\n", b"\r", b"\b") if (at := chunk.find(sign)) >= 0]
    return min(ends, default=-1)


def plain(block: bytes) -> bytes:
    """Every line end as a newline, cursor movements too, and no ANSI codes."""
    if b"\r" in block:
        block = block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    block = block.replace(b"\b", b"\n")
    if b"\x1b" in block:
        block = _CODES.sub(b"", _MOVES.sub(b"\n", block))
    return block


def lines_with(block: bytes, literal: bytes) -> Iterator[bytes]:
    """The lines that contain `literal` (all, where it is empty), each cut to its last 64 KiB."""
    at = block.find(literal)
    while at >= 0:
        end = block.find(b"\n", at)
        end = len(block) if end < 0 else end
        yield block[max(block.rfind(b"\n", 0, at) + 1, end - LINE_BYTES) : end]
        at = block.find(literal, end if literal else end + 1)


def clean(raw: bytes) -> str:
    """`raw` on one line, without what does not print."""
    text = raw.decode("utf-8", "replace")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def clip(text: str, limit: int) -> str:
    """`text` in at most `limit` characters."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def shown_line(line: bytes, at: int) -> str:
    """`line` for display; of a long one, the part about byte `at`."""
    whole = clean(line)
    if len(whole) <= _SHOWN_CHARS:
        return whole
    before = clean(line[:at])
    before = before if len(before) <= 60 else "…" + before[-59:]
    return clip(f"{before} {clean(line[at : at + 4 * _SHOWN_CHARS])}".strip(), _SHOWN_CHARS)
