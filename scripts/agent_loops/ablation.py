"""In how many distant places a change touches the code, and what to do where it was several.

Sees lines, not meaning: two places may serve one idea.
"""

from __future__ import annotations

from collections.abc import Mapping

_NEAR_LINES = 20
_SEVERAL = 2


def axes(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> int:
    """How many groups of changed lines there are, further apart than a screen or in other files."""
    from difflib import SequenceMatcher  # slow to import, and only the analysis-first loop asks

    count = 0
    for path in sorted(before.keys() | after.keys()):
        old, new = (tree.get(path, b"").splitlines() for tree in (before, after))
        if old == new:
            continue
        if path not in before or path not in after:
            count += 1
            continue
        end = None
        for tag, first, last, _, _ in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
            if tag == "equal":
                continue
            count += end is None or first - end > _NEAR_LINES
            end = last
    return count


def advice(places: int) -> str:
    """The next step after a keep that touched several places; "" where it did not."""
    if places <= _SEVERAL:
        return ""
    return (
        f"the kept change touches {places} distant places: an ablation next, `try --edit` that "
        "takes one of them back, tells which of them the gain comes from"
    )
