"""Names of modules and weights, which they keep while they live: nothing is held for its name."""

from __future__ import annotations

import weakref
from typing import Any


class Names:
    """By identity, which the next thing may have once one is gone."""

    def __init__(self) -> None:
        self._of: dict[int, tuple[Any, str]] = {}

    def __bool__(self) -> bool:
        return bool(self._of)

    def give(self, thing: Any, name: str) -> None:
        self._of[id(thing)] = weakref.ref(thing), name

    def of(self, thing: Any) -> str | None:
        known, name = self._of.get(id(thing), (None, ""))
        return name if known is not None and known() is thing else None


def plain(name: str) -> str:
    """A module's or parameter's name without what wrappers add to it."""
    return ".".join(part for part in name.split(".") if part not in ("module", "_orig_mod"))
