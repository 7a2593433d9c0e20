"""Judges `agent-loops` commands: which run without asking, and which are the person's.

A command is plain where nothing else rides along: one simple command of literal words, at most with
a here-document whose delimiter is quoted.
"""

from __future__ import annotations

import os

from expand import UNKNOWN
from ground import own_command
from syntax import Script, Simple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from calls import Call
    from campaign import Session
    from ground import Ground

ALLOWED = frozenset(
    "try wait status history show diff note checkout override infer doctor ready pause stop "
    "rebaseline resume report confirm papers analyze finalize".split()
)
READING = frozenset("wait status history show diff".split())
_PERSONS = {
    "pause": "go on with `agent-loops try`, or `agent-loops note` what is wrong",
    "stop": "go on with `agent-loops try`; a stop condition or the person ends the loop",
    "rebaseline": "leave bindings and harness as they are and go on with `agent-loops try`",
    "resume": "end your turn and report the best; the person resumes",
}
_TEXTS = (
    "Nothing is substituted in the texts of agent-loops: write them in single quotes, and the "
    "here-document's delimiter too, `<<'EDIT'`."
)
_POSING = (
    "agent-loops knows its session by its environment: run it as it is, with nothing before it."
)
_IDENTITY = frozenset(("CLAUDE_CODE_SESSION_ID", "CLAUDECODE", "AGENT_LOOPS_RUN"))


def is_ours(call: Call) -> bool:
    """Whether this call starts agent-loops, by any of its names."""
    if not call.argv:
        return False
    if call.name in ("agent-loops", "agent-loops.py", "agent_loops"):
        return True
    words = call.argv[1:4]
    if call.name == "run" and call.argv[0].endswith(".agent-loops/run"):
        return True
    if call.name.startswith(("python", "pypy", "sh", "bash", "uv")):
        return "agent_loops" in words or any(
            word.endswith(("agent-loops.py", "bin/agent-loops", ".agent-loops/run"))
            for word in words
        )
    return False


def words_of(call: Call) -> list[str]:
    """The subcommand and what follows it."""
    argv = call.argv
    for index, word in enumerate(argv[:4]):
        if word.endswith(("agent-loops", "agent-loops.py", "agent_loops", ".agent-loops/run")):
            return argv[index + 1 :]
    return argv[1:]


def plain_words(script: Script, ground: Ground, cwd: str) -> list[str]:
    """The words behind `agent-loops` of a plain command; none where it is not plain."""
    if len(script.items) != 1 or script.items[0][1] not in ("", ";"):
        return []
    node = script.items[0][0]
    if not isinstance(node, Simple) or node.assigns or not node.words:
        return []
    if any(redirect.op != "<<" or not redirect.quoted for redirect in node.redirects):
        return []
    if len(node.redirects) > 1 or any(redirect.fd not in ("", "0") for redirect in node.redirects):
        return []
    words = [word.plain if word.is_literal else None for word in node.words]
    if any(word is None for word in words):
        return []
    found = [word or "" for word in words]
    return found[1:] if _is_own(found[0], ground, cwd) else []


def _is_own(word: str, ground: Ground, cwd: str) -> bool:
    if word == "agent-loops":
        return True
    if "/" not in word or "/../" in f"/{word}":  # `..` may lead out through a link
        return False
    place = os.path.normpath(os.path.join(cwd, word))
    return place in (own_command(), f"{ground.root}/.agent-loops/run")


def refusal(call: Call, session: Session, *, active: bool, halted_by: str) -> str:
    """Why the agent may not run this agent-loops command."""
    words = words_of(call)
    if (set(call.cleared) & {"*", *_IDENTITY}) or (set(call.assigned) & _IDENTITY):
        return _POSING
    if any(set(call.then.vars) & {name} for name in _IDENTITY):
        return _POSING
    if not call.loose and (not call.literal or any(UNKNOWN in word for word in words)):
        return _TEXTS
    name = next((word for word in words if not word.startswith("-")), "")
    if name not in _PERSONS or (session.spoke if active else session.may_resume):
        return ""
    if name == "resume" and halted_by == "engine" and not active:
        return "" if not any(word.startswith("--until") for word in words) else _persons(name)
    if name == "resume" and active and not any(word.startswith("--until") for word in words):
        return "The campaign is active, there is nothing to resume: go on with `agent-loops try`."
    return _persons(name)


def _persons(name: str) -> str:
    return f"`agent-loops {name}` is the person's switch: {_PERSONS[name]}."


def refusal_to_pose(call: Call) -> str:
    """Why the session's name may not be changed."""
    if call.name in ("unset", "export", "declare", "typeset", "readonly") and any(
        word.partition("=")[0] in _IDENTITY for word in call.argv[1:]
    ):
        return _POSING
    return _POSING if not call.argv and set(call.assigned) & _IDENTITY else ""
