"""What a campaign gained, in the same figures wherever it is told.

Judges nothing: the figures are the ledger's.
"""

from __future__ import annotations

from agent_loops.reporting.ledger import Ledger


def amount(ledger: Ledger) -> str:
    """The gain over the baseline, and in percent where that says something; "" without one."""
    gain = ledger.claim.gain if ledger.claim else ledger.gain
    if gain is None:
        return ""
    percent = ledger.gain_percent
    return f"{gain:.4g}" + (f" ({percent:.3g}%)" if percent is not None else "")


def in_words(ledger: Ledger) -> str:
    """The same with what it is over, and its 90% interval where the noise is known."""
    said, claim = amount(ledger), ledger.claim
    interval = f", 90%: {claim.low:.3g} to {claim.high:.3g}" if claim else ""
    return f"{said} over the baseline{interval}" if said else ""
