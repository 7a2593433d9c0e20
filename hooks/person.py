"""UserPromptSubmit: remembers whether the person's last word was to let the loop run.

Says nothing and judges no words: after anything but the loop's own commands the agent may end its
turn, and may pause or stop, until it tries the next idea.
"""

from __future__ import annotations

import campaign

_BEGINS_LOOP = tuple(f"/{name}" for name in campaign.LOOPS)
# Notices that the host puts in the person's place, and questions that change nothing.
_NO_WORD = ("<task-notification", "<system-reminder", "<local-command", "/agent-loops:status")


def main() -> None:
    event = campaign.read_event()
    prompt = str(event.get("prompt") or "").lstrip()
    if prompt.startswith(_NO_WORD):
        return
    here, session = campaign.found(event)
    if here.is_ours:
        begins = prompt.startswith(_BEGINS_LOOP)
        session.person_speaks(event, begins=begins, halted=here.state != "active")
