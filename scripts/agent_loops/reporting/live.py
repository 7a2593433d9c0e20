"""The dashboard as it changes: drawn anew when the record or the log does, until q or Ctrl-C.

Only looks: it holds no lock, and a campaign that ends, pauses or is replaced goes on without it.
"""

from __future__ import annotations

import time
from datetime import datetime, timezone

from agent_loops import answers, campaigns, display, files
from agent_loops.errors import AgentLoopsError
from agent_loops.loop import Loop
from agent_loops.reporting import dashboard, keyboard, screen, sighting, widths
from agent_loops.reporting.screen import Bar, Screen
from agent_loops.reporting.sighting import Sight

_LOOK_S = 0.25
_RUNNING_S = 1.0
_IDLE_S = 10.0

Marks = tuple[object, ...]


def watch(run: Loop) -> Loop:
    """Shows the campaign until a person ends it; returns the one that was shown last."""
    view = _View(run)
    try:
        with screen.opened() as shown, keyboard.opened() as keys:
            while True:
                view.draw(shown)
                if "q" in keys.within(_LOOK_S).lower():
                    break
    except KeyboardInterrupt:
        pass
    return view.run


class _View:
    """What was seen last, and what tells that it may be otherwise by now."""

    def __init__(self, run: Loop) -> None:
        self.run = run
        self._sight: Sight | None = None
        self._problem = ""
        self._seen: Marks = ()
        self._seen_s = 0.0
        self._size = (0, 0)

    def draw(self, shown: Screen) -> None:
        """Looks again where something has changed, or some time has passed; then draws it."""
        marks, size = self._marks(), shown.size
        running = self._sight is not None and self._sight.running is not None
        due_s = _RUNNING_S if running else _IDLE_S
        is_due = marks != self._seen or time.monotonic() - self._seen_s >= due_s
        if is_due:
            self._look(marks)
        if is_due or size != self._size:
            self._size = size
            self._put(shown)

    def _look(self, marks: Marks) -> None:
        try:
            if marks[:1] != self._seen[:1]:
                store = campaigns.find_store(self.run.store.project)
                self.run = Loop(store, store.project.root, self.run.workspace.environ)
            else:
                self.run.store.refresh()
            self._sight = sighting.look(self.run, datetime.now(timezone.utc))
            self._problem = ""
        except (AgentLoopsError, OSError) as error:
            self._problem = f"as it was before: {display.one_line(str(error))}"
        self._seen, self._seen_s = marks, time.monotonic()

    def _marks(self) -> Marks:
        """What differs once the pointer, the record or the log is another, or has grown."""
        store = self.run.store
        open_run = store.campaign.open_run
        log = store.paths.log(*open_run) if open_run is not None else None
        return (
            files.mark(store.project.active),
            files.mark(store.paths.journal),
            log and files.mark(log),
        )

    def _put(self, shown: Screen) -> None:
        width, height = shown.size
        columns = max(screen.NARROWEST, min(dashboard.COLUMNS, width))
        bar = _bar(self._sight) if self._sight is not None else None
        lines = widths.wrap(self._problem, columns, columns, 3) if self._problem else []
        if self._sight is not None:
            room = height - 1 - len(lines) - (bar is not None)
            lines += dashboard.lines(
                self.run, self._sight, columns=columns, most_lines=max(3, room)
            )
        shown.draw(lines, bar, f"q ends; drawn at {datetime.now().astimezone():%H:%M:%S}")


def _bar(sight: Sight) -> Bar | None:
    """How far the run is: by its estimate, else of what it usually takes or may take at most."""
    running = sight.running
    if running is None:
        return None
    if running.estimate is not None:
        done, left = running.estimate.done, answers.duration(running.estimate.left_s)
        return Bar("running", done, f"{done:.0%}, {left} left")
    whole_s = running.timeout_s
    done = running.elapsed_s / whole_s if whole_s else 0.0
    return Bar("running", done, "of the limit")
