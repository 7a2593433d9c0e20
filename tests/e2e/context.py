"""What a conversation holds from the model's first answer on: who wrote how many characters of it.

Counts text as the model reads it; tokens, and the client's framing of a message, are not seen.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from model import pieces


@dataclass(frozen=True)
class Cost:
    """Characters: written by the agent, answered by its tools, added by the host and its hooks."""

    written: int
    answered: int
    added: int

    @classmethod
    def of(cls, messages: Iterable[Mapping[str, Any]]) -> Cost:
        written = answered = added = 0
        begun = itertools.dropwhile(lambda message: message["role"] != "assistant", messages)
        for message in begun:
            for kind, text in pieces(message["content"]):
                if message["role"] == "assistant":
                    written += len(text)
                elif kind == "tool_result":
                    answered += len(text)
                else:
                    added += len(text)
        return cls(written, answered, added)

    def told(self, experiments: int, requests: int, took_s: float) -> str:
        parts = ((self.written, "written"), (self.answered, "answered"), (self.added, "added"))
        counted = ", ".join(f"{number / experiments:.0f} {name}" for number, name in parts)
        return (
            f"{experiments} experiments: {took_s / experiments:.2f} s, "
            f"{requests / experiments:.2f} requests and characters {counted} each"
        )
