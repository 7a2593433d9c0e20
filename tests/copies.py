"""Projects that are made once in a session of tests, and then copied: a baseline costs a second."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from support import Project

_made: dict[tuple[Path, str], Path] = {}


class Copied(Project):
    """A project whose files are there already."""

    def __init__(self, root: Path) -> None:  # not super(): that writes the files anew
        self.root = root


def copied(
    target: Path, factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Project]
) -> Project:
    """A copy at `target` of what `make` makes in the folder it is given; made once for a `name`."""
    key = (factory.getbasetemp(), name)
    if key not in _made:
        _made[key] = make(factory.mktemp("made") / "project").root
    shutil.copytree(_made[key], target, symlinks=True)
    return Copied(target)
