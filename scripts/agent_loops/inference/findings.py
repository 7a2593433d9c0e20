"""What `infer` answers: proposed bindings with evidence and confidence, questions, cautions.

Holds, and judges nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from agent_loops.inference.cautions import Caution

Confidence = Literal["high", "medium", "low"]


Kind = Literal["bindings", "which", "question", "nothing"]


@dataclass(frozen=True, slots=True)
class Value:
    """One proposed binding. `value` is what loop.run.yaml would hold."""

    value: Any
    evidence: str
    confidence: Confidence


@dataclass(slots=True)
class Finding:
    """What was found. `answer` says what is asked of the person, if anything."""

    answer: Kind
    bindings: dict[str, Value] = field(default_factory=dict)
    question: str = ""
    choices: list[str] = field(default_factory=list)
    warnings: list[Caution] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    seed: str = "none"
    outputs: list[str] = field(default_factory=list)
    budget: str = "none"
    metric_source: str = ""
    example: str = ""
    runners_up: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def value(self, key: str) -> Any:
        found = self.bindings.get(key)
        return found.value if found else None
