"""How often to look: as often as costs less than a hundredth of the time that has passed."""

from __future__ import annotations

import time

FULL, PART, LIGHT, HELD_OUT = "full", "part", "light", "held out"
"""Everything that a step shows; the same of a quarter of the layers, by turns; its phases, its
batch and what the model said to it alone; what it says in evaluation. Each has a purse of its own:
evaluation comes last. The whole is looked at in the beginning, and where something goes wrong."""
_SHARES = {FULL: 0.0, PART: 0.002, LIGHT: 0.003, HELD_OUT: 0.001}
_AT_FIRST = {HELD_OUT: 3}


class Pace:
    """Measures what the probe itself costs, and says when it may look again, and how."""

    def __init__(self) -> None:
        self.own_s = 0.0  # by the wall clock
        self.own_cpu_s = 0.0  # without what the machine did in between for others
        self._entered = (0.0, 0.0)
        self._began_s = time.perf_counter()
        self._spent_s = dict.fromkeys(_SHARES, 0.0)
        self.looks = dict.fromkeys(_SHARES, 0)

    def __enter__(self) -> None:
        """Around whatever the probe does itself; not nested."""
        self._entered = (time.perf_counter(), time.thread_time())

    def __exit__(self, *_: object) -> None:
        self.own_s += time.perf_counter() - self._entered[0]
        self.own_cpu_s += time.thread_time() - self._entered[1]

    def begin_training(self) -> None:
        """Loading is no training: its time buys nothing."""
        self._began_s = time.perf_counter()

    def may_look(self, *kinds: str) -> str:
        """Which of these ways of looking may be afforded now, the first; "" for none."""
        passed_s = time.perf_counter() - self._began_s
        for kind in kinds:
            looks, spent_s = self.looks[kind], self._spent_s[kind]
            if looks < _AT_FIRST.get(kind, 0):
                return kind
            if spent_s + spent_s / max(1, looks) < _SHARES[kind] * passed_s:
                return kind
        return ""

    def looked(self, kind: str, cost_s: float) -> None:
        self.looks[kind] += 1
        self._spent_s[kind] += cost_s
