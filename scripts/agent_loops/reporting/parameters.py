"""Which parameters an idea set to what, from its changed lines or else its description; pure.

Reads lines, not programs: `name = value`, `name: value` and `name=value` with a plain value. An
idea whose change is more than that has no parameters here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_MOST = 3
_MOST_WORDS = 3
_VALUE = (
    r"[-+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:e[-+]?\d+)?(?:\s?\*\*\s?\d+|\^\d+)?(?:/\d+(?:\.\d+)?)?"
    r"|True|False|None|\"[\w./-]{0,30}\"|'[\w./-]{0,30}'|\((?:[-+]?[\d.]+(?:e[-+]?\d+)?,? ?){1,4}\)"
)
_SETTING = re.compile(
    rf"(?:^|(?<=[\s,({{.\[]))[\"']?([A-Za-z_]\w*)[\"']?(?:: ?[\w.\[\]]+ ?=| ?[=:]) ?({_VALUE})"
    r"(?=$|[\s,)}\];#])",
    re.IGNORECASE,
)
# "softcap 15 to 17", "embedding LR 0.6->0.8", "n_layer from 12 to 8", "batch 2^17 → 2^16"
_NUMBER = (
    r"[-+]?(?:\d[\d_]*(?:\.\d+)?|\.\d+)(?:e[-+]?\d+)?"
    r"(?:\^\d+|\*\*\d+|[kKMx%](?![A-Za-z]))?(?:/\d+)?"
)
_NAME = r"[A-Za-z][\w.]*(?:[ _/-][A-Za-z][\w.]*){0,2}"
_FROM_TO = re.compile(
    rf"({_NAME}):? (?:from )?\(?({_NUMBER})\)?(?: ?(?:->|→|=>) ?| to )\(?({_NUMBER})(?![\w.])"
)
_TO = re.compile(rf"({_NAME}) (?:to|at) ({_NUMBER})(?![\w.])")
_EQUALS = re.compile(rf"({_NAME}) ?= ?({_NUMBER}|True|False|None)(?![\w.])")
_PLAIN = re.compile(rf"^({_NAME}) ({_NUMBER})(?![\w.])")
_VERBS = frozenset(
    "a an the increase decrease raise lower reduce set use try change bump cut halve double add "
    "with and to from even more less much higher smaller larger at of for re test retest back "
    "slightly further again tiny small big large".split()
)
_AFTERTHOUGHT = re.compile(
    r"\s[\u2013\u2014|]\s| - |[;]|\s\((?:hypothesis|evidence|re-?test)|: val_"
)


class Setting(NamedTuple):
    """One parameter set to a value, both as they are written."""

    name: str
    value: str

    @property
    def key(self) -> str:
        """The name by which ideas are put together: `embedding LR` is `embedding_lr`."""
        return re.sub(r"[\s/-]+", "_", self.name).lower()


def settings_of(description: str, diff: Sequence[str]) -> tuple[Setting, ...]:
    """What the idea set, by its changed lines; where they do not tell, by its description."""
    found = of_diff(diff) or of_description(description)
    return found if len(found) <= _MOST else ()


def of_diff(diff: Sequence[str]) -> tuple[Setting, ...]:
    """The parameters that were changed, where the diff is about little else."""
    removed = [line[1:] for line in diff if line.startswith("-") and not line.startswith("---")]
    added = [line[1:] for line in diff if line.startswith("+") and not line.startswith("+++")]
    before = dict(_settings(removed))
    found = [Setting(*item) for item in _settings(added)
             if before.get(item[0], item[1]) != item[1]]  # fmt: skip
    code = [line for line in added if line.strip() and not line.strip().startswith("#")]
    about = sum(any(item.name in line for item in found) for line in code)
    return tuple(dict.fromkeys(found)) if 2 * about >= len(code) else ()


def _settings(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        for match in _SETTING.finditer(line):
            yield match[1], match[2].strip("\"'")


def of_description(text: str) -> tuple[Setting, ...]:
    """The same from a person's words: `name 1 -> 2`, else `name=2`, `name to 2`, or `name 2`."""
    head = head_of(text)
    for pattern in (_FROM_TO, _EQUALS, _TO, _PLAIN):
        matches = [(_name(match[1]), match) for match in pattern.finditer(head)]
        found = [Setting(name, match[match.lastindex or 2]) for name, match in matches if name]
        if found:
            return tuple(dict.fromkeys(found))
    return ()


def _name(words: str) -> str:
    """The name without the words before it that only say what is done with it."""
    parts = words.split()
    while parts and parts[0].lower() in _VERBS:
        parts.pop(0)
    while parts and parts[-1].lower() in _VERBS:
        parts.pop()
    return "_".join(parts[-_MOST_WORDS:])


def head_of(text: str) -> str:
    """A description up to where it says why, or what came of it."""
    cut = _AFTERTHOUGHT.search(text, 3)
    return text[: cut.start()] if cut else text
