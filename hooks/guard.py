"""PreToolUse: spares the loop's own work a prompt, and refuses what would spoil a measurement.

A guard against slips and temptations, not a sandbox: it sees the words of a command, not what a
program does. What it misses, the engine's digests of harness and candidate catch before and after
each run; where the training script itself is dishonest, only `eval_cmd` measures out of its reach.
It says nothing about everything else, which stays with the host's own permissions; and nothing
where it fails itself.
"""

from __future__ import annotations

import os

import campaign
import ground as grounds
from campaign import Campaign, Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_EDITING = ("Edit", "MultiEdit", "Write", "NotebookEdit")
_COMMANDS = ("Bash", "Monitor")
_READING = ("Read", "Grep")
_SCHEDULING = ("ScheduleWakeup", "CronCreate")
_SCHEDULED = (
    "What you schedule would pass for the person's word: `agent-loops wait` waits for the run, and "
    "the loop goes on by itself."
)
_HOST = ("", "")


def main() -> None:
    event = campaign.read_event()
    here, session = campaign.found(event)
    if not here.is_ours:
        return
    session.agent_acts()
    decision, reason = _decided(event, here, session)
    if decision == "allow":
        session.save(**campaign.seen(event))  # `agent-loops ready` tells what was seen
    if decision:
        campaign.answer(
            {
                "hookSpecificOutput": {
                    "hookEventName": "PreToolUse",
                    "permissionDecision": decision,
                    "permissionDecisionReason": f"agent-loops: {reason}",
                }
            }
        )


def _decided(event: dict[str, Any], here: Campaign, session: Session) -> tuple[str, str]:
    """The decision ("" leaves it to the host) and its reason."""
    tool, given = str(event.get("tool_name")), event.get("tool_input")
    given = given if isinstance(given, dict) else {}
    cwd = os.path.realpath(str(event.get("cwd") or here.root))
    if tool == "Skill":
        if given.get("skill") in campaign.LOOPS and here.state == "active":
            session.save(loops=True)
        return _HOST
    if tool in _READING and session.loops and (reason := _withheld(given, here, cwd)):
        return "deny", reason
    if here.state != "active":
        return _while_halted(given, here, session, cwd) if tool in _COMMANDS else _HOST
    if not here.is_led_by(session) and not _takes(tool, given, here):
        return _of_onlooker(given, here, cwd) if tool in _COMMANDS else _HOST
    if tool in _SCHEDULING:
        return ("deny", _SCHEDULED) if session.loops else _HOST
    if tool in _EDITING:
        path = str(given.get("file_path") or given.get("notebook_path") or "")
        path = os.path.normpath(os.path.join(cwd, path)) if _is_path(path) else ""
        return _of_edit(path, here, session) if path else _HOST
    if tool == "Read":
        return _of_read(given, here)
    if tool == "Grep":
        return _HOST
    return _of_command(str(given.get("command") or ""), here, session, cwd)


def _withheld(given: dict[str, Any], here: Campaign, cwd: str) -> str:
    """Why a file may not be shown, whether the campaign is active or over."""
    path = str(given.get("file_path") or given.get("path") or "")
    if not _is_path(path) or not os.path.isdir(os.path.join(here.sandbox, "holdout")):
        return ""
    import withheld

    return withheld.refusal_of_path(os.path.join(cwd, path), grounds.Ground(here))


def _is_path(path: str) -> bool:
    return bool(path) and "\0" not in path and path.encode("utf-8", "replace").decode() == path


def _takes(tool: str, given: dict[str, Any], here: Campaign) -> bool:
    """Whether the session takes a campaign that nobody leads yet, by its first experiment."""
    return tool in _COMMANDS and here.is_free and " try " in f"{given.get('command')} "


def _while_halted(
    given: dict[str, Any], here: Campaign, session: Session, cwd: str
) -> tuple[str, str]:
    """The person halted it, or it is over: only the person lets it go on; the agent may report."""
    command = str(given.get("command") or "")
    bare = command.translate({39: None, 34: None, 92: None})
    if not session.loops or not any(word in bare for word in ("resume", "agent-loops", "holdout")):
        return _HOST
    import bash

    return bash.while_halted(command, here, session, cwd)


def _of_onlooker(given: dict[str, Any], here: Campaign, cwd: str) -> tuple[str, str]:
    """Any session may ask how another's campaign stands."""
    command = str(given.get("command") or "")
    if "agent-loops" not in command:
        return _HOST
    import bash

    return ("allow", "how the campaign stands") if bash.only_asks(command, here, cwd) else _HOST


def _of_edit(path: str, here: Campaign, session: Session) -> tuple[str, str]:
    ground = grounds.Ground(here)
    if session.spoke and path == f"{here.root}/loop.run.yaml":
        return _HOST  # the person may have asked for another limit
    reason = ground.refusal(path)
    if reason:
        return "deny", reason
    real = os.path.realpath(path)
    if ground.is_editable(real) and _is_plain_file(path):
        return "allow", "an editable file of the campaign"
    return ("allow", "the agent's own notes") if ground.is_note(real) else _HOST


def _is_plain_file(path: str) -> bool:
    return not os.path.islink(path) and (os.path.isfile(path) or not os.path.lexists(path))


def _of_read(given: dict[str, Any], here: Campaign) -> tuple[str, str]:
    path = str(given.get("file_path") or "")
    if not _is_path(path):
        return _HOST
    if grounds.is_of_skills(path):
        return "allow", "a file of the skill"
    import logs

    reason = logs.refusal_to_read(given, grounds.Ground(here)) if ".log" in path else ""
    return ("deny", reason) if reason else _HOST


def _of_command(command: str, here: Campaign, session: Session, cwd: str) -> tuple[str, str]:
    import bash

    return bash.decided(command, here, session, cwd)
