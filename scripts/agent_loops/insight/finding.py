"""One finding of an analysis, and how findings are ranked.

Pure; where a bound lies is told by who makes the finding.
"""

from __future__ import annotations

from typing import NamedTuple

FAULT = 5.0
"""From this severity on it is a fault: something that a healthy training does not show."""
MOST = 10.0
COLLAPSED = 0.97, 1.0
"""For `between`: the mean cosine of samples that are not told apart."""


class Finding(NamedTuple):
    """What was seen, where, and what it usually means.

    `key` names the figure in `summary.json`, `file` the table that it was worked out from, in the
    results' folder; `severity` runs from 0, worth knowing, to MOST.
    """

    key: str
    value: float
    file: str
    text: str
    means: str
    severity: float

    @property
    def is_fault(self) -> bool:
        return self.severity >= FAULT


def worst_class(
    name: object, *, errors: int, rows: int, all_rate: float, file: str, confused: str,
    severity: float,
) -> Finding:  # fmt: skip
    """The class that is wrong most often, beside the rate of all; `confused` is what is taken for
    what."""
    return Finding(
        "class_error_max", errors / rows, file,
        f"class {name} is wrong in {errors / rows:.0%} of {rows} rows (all: {all_rate:.0%}); most "
        f"often {confused}",
        "this class is rare, badly labelled or not told apart: look at its rows", severity,
    )  # fmt: skip


def between(value: float, low: float, high: float, *, worst: float = 9.0) -> float:
    """A severity: FAULT where the value is `low`, `worst` from `high` on, little below `low`."""
    share = (value - low) / (high - low)
    if share < 0:
        return max(0.0, FAULT * (1 + share) - 1.0)
    return FAULT + min(1.0, share) * (worst - FAULT)
