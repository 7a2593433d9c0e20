"""What a project's prose says about a number: that it matters, and which way is better.

Prose may lie: it weighs, and never decides alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent_loops.objective import Direction


@dataclass(frozen=True, slots=True)
class Papers:
    """What the project's prose says, lower case: README, and program.md apart."""

    readme: str
    program: str

    def worth(self, name: str) -> float:
        found = 0.0
        telling = len(name) > 3 and bool(re.search(r"[_/@\d]|\w \w|-", name))
        pattern = re.compile(rf"(?<![\w.]){re.escape(name.lower())}(?!\w)")
        if telling and pattern.search(self.program):
            found += 4
        if telling and pattern.search(self.readme):
            found += 1.5
        return found

    def direction(self, name: str) -> Direction | None:
        """Which way is better, where prose says so near the name."""
        for text in (self.program, self.readme):
            for match in re.finditer(re.escape(name.lower()), text):
                near = text[max(0, match.start() - 120) : match.end() + 120]
                lower = bool(
                    re.search(r"lower (?:is|wins|=|the) ?(?:better)?|lowest|minimi[sz]e", near)
                )
                higher = bool(
                    re.search(r"higher (?:is|wins|=|the) ?(?:better)?|highest|maximi[sz]e", near)
                )
                if lower != higher:
                    return Direction.MINIMIZE if lower else Direction.MAXIMIZE
        return None
