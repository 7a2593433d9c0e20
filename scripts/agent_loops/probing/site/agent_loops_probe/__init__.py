"""Samples a PyTorch training from within: what happened in it, without a change to its result.

Runs in the training's own process and environment, on Python 3.8 and torch 2.1 or newer. Draws no
random number, changes no tensor, and reads what torch offers to be read: optimizer step hooks,
module forward hooks. What it costs is kept under a hundredth of the run's time by sampling less
often. Any fault of its own takes it off, with a note; the training goes on.
"""

from __future__ import annotations

from typing import Any

OLDEST = (2, 1)


def attach(torch: Any, folder: str) -> None:
    """Attaches to this process's torch; what is seen is written to `folder`, which exists."""
    from .files import Files

    files = Files(folder)
    version = tuple(int(part) for part in torch.__version__.split(".")[:2])
    if version < OLDEST:
        files.note("torch %s is older than 2.1: nothing is sampled" % torch.__version__)
        return
    from .probe import Probe

    Probe(torch, files).attach()
