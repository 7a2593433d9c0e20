"""One program that a command would start, with all that is known about it before it runs.

Values only: `walk` makes them, the rules judge them.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from expand import Scope


class Feed:
    """Where a command's input comes from, and where its output goes."""

    __slots__ = ("downstream", "fed", "sources", "text", "to_file")

    def __init__(self) -> None:
        self.fed = False  # by a pipe
        self.text: str | None = None  # its input, where it is known
        self.sources: list[str] = []  # files that it reads as its input
        self.downstream: list[list[str]] = []
        self.to_file = False

    def copy(self) -> Feed:
        other = Feed()
        for name in self.__slots__:
            setattr(other, name, getattr(self, name))
        return other


class Call:
    """One program, function or redirect that the command would start."""

    __slots__ = (
        "argv",
        "assigned",
        "cleared",
        "feed",
        "literal",
        "loose",
        "scope",
        "then",
        "writes",
    )

    def __init__(self, argv: list[str], scope: Scope, feed: Feed) -> None:
        self.argv = argv
        self.scope = scope  # changes while the walk goes on; `then` is how it was
        self.then = scope
        self.feed = feed
        self.assigned: dict[str, list[str]] = {}
        self.cleared: list[str] = []  # variables that it does not get; "*" for all
        self.writes: list[str] = []  # files that its redirects open for writing
        self.literal = True  # nothing of its words or texts is expanded
        self.loose = False  # it stands in a file that is run, not in the command itself

    @property
    def name(self) -> str:
        return os.path.basename(self.argv[0]) if self.argv else ""
