"""What experiments have put into an agent's context, from the transcript that the host writes.

Counts what is there and estimates nothing: where the host writes otherwise, there is no answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from agent_loops import files

# A night's transcript may be long; its end tells enough.
_MOST_BYTES = 32 << 20
_OURS = re.compile(r"(?:^|[\s;&|/(])agent-loops\s+([a-z]+)(?![\w./])")
# What experiments take; the rest is asked for once, or by the person.
_OF_THE_LOOP = frozenset("try wait status history show diff override checkout note".split())
_INTERRUPTED = "[Request interrupted by user"
_REFUSED = ("Permission to use ", "The user doesn't want to ", "This command requires approval")


class Seen(NamedTuple):
    """Of one session: its `agent-loops` commands in the loop, and what they cost in context.

    `written` and `answered` are characters of those commands and of their results; `requests` are
    the model's from the first `try` to the last of them, `tokens` what the context grew by
    meanwhile (0: not known).
    `refused` are commands of ours that the host or the person turned down; `mode` is the
    permission mode of the last prompt. `interrupted` is whether the person did so last.
    """

    commands: int = 0
    tries: int = 0
    written: int = 0
    answered: int = 0
    requests: int = 0
    tokens: int = 0
    refused: int = 0
    mode: str = ""
    interrupted: bool = False

    @property
    def characters_each(self) -> int | None:
        return (self.written + self.answered) // self.tries if self.tries else None

    @property
    def requests_each(self) -> float | None:
        return self.requests / self.tries if self.tries else None

    @property
    def tokens_each(self) -> int | None:
        return self.tokens // self.tries if self.tries and self.tokens > 0 else None


def read(path: Path) -> Seen | None:
    """What the transcript shows; None where it cannot be read."""
    reader = _Reader()
    try:
        for entry in _entries(path):
            reader.take(entry)
    except OSError:
        return None
    return reader.seen()


def _entries(path: Path) -> Iterator[Mapping[str, Any]]:
    """What was said in the session itself, not in its subagents."""
    with files.open_regular(path) as stream:
        size = stream.seek(0, 2)
        stream.seek(max(0, size - _MOST_BYTES))
        for line in stream:
            if b'"message"' not in line:
                continue
            try:
                entry = files.load_json(line)
            except ValueError:
                continue  # the first, cut off; or one that is being written
            if isinstance(entry, dict) and not entry.get("isSidechain"):
                yield entry


class _Reader:
    def __init__(self) -> None:
        self._ours: set[str] = set()
        self._requests: set[str] = set()
        self._since_ours: set[str] = set()
        self._contexts: list[int] = []
        self._count = dict.fromkeys(("commands", "tries", "written", "answered", "refused"), 0)
        self._mode = ""
        self._interrupted = False

    def take(self, entry: Mapping[str, Any]) -> None:
        message = entry.get("message")
        if not isinstance(message, dict):
            return
        if entry.get("type") == "user":
            self._mode = str(entry.get("permissionMode") or self._mode)
        before = self._count["commands"]
        content = message.get("content")
        self._interrupted = _text_of(content).startswith(_INTERRUPTED)
        for block in content if isinstance(content, list) else ():
            if isinstance(block, dict) and block.get("type") == "tool_use":
                self._take_call(block)
            elif isinstance(block, dict) and block.get("type") == "tool_result":
                self._take_result(block)
        if entry.get("type") == "assistant" and self._count["tries"]:
            self._since_ours.add(str(message.get("id")))
            if self._count["commands"] > before:
                self._requests |= self._since_ours
                self._contexts.append(_context_of(message.get("usage")))

    def _take_call(self, block: Mapping[str, Any]) -> None:
        given = block.get("input")
        command = str(given.get("command") or "") if isinstance(given, dict) else ""
        found = _OF_THE_LOOP.intersection(_OURS.findall(command.partition("<<")[0]))
        if block.get("name") != "Bash" or not found:
            return
        self._ours.add(str(block.get("id")))
        self._count["commands"] += 1
        self._count["tries"] += "try" in found
        self._count["written"] += len(command)

    def _take_result(self, block: Mapping[str, Any]) -> None:
        if str(block.get("tool_use_id")) not in self._ours:
            return
        text = _text_of(block.get("content"))
        self._count["answered"] += len(text)
        self._count["refused"] += text.startswith(_REFUSED)

    def seen(self) -> Seen:
        known = [size for size in self._contexts if size]
        return Seen(
            **self._count, requests=len(self._requests), mode=self._mode,
            interrupted=self._interrupted,
            tokens=known[-1] - known[0] if known else 0,
        )  # fmt: skip


def _context_of(usage: object) -> int:
    """Tokens that the model read for a request; 0 where it is not said."""
    if not isinstance(usage, dict):
        return 0
    names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    return sum(value for name in names if isinstance(value := usage.get(name), int))


def _text_of(content: object) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "".join(str(part.get("text") or "") for part in parts if isinstance(part, dict))
