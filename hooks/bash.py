"""Decides about a Bash command: plain ones of agent-loops at once, the others by `judge`.

What cannot be parsed is never allowed, and refused only where it names what is protected; what
cannot be read in time or memory is refused, as the host would let it pass.
"""

from __future__ import annotations

import os
import re

import commands
import limits
import withheld
from calls import Call, Feed
from expand import Scope
from ground import Ground
from shell import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from campaign import Campaign, Session

_PLAINLY = "This command cannot be checked: write it plainly, one step at a time."
_TOO_MUCH = "This command takes too long to check: write it shorter, one step at a time."


def decided(command: str, here: Campaign, session: Session, cwd: str) -> tuple[str, str]:
    """The decision ("" leaves it to the host) and its reason."""
    ground = Ground(here)
    try:
        with limits.bounded():
            return _read(command, ground, session, cwd)
    except (limits.TooMuch, MemoryError):
        return "deny", _TOO_MUCH
    except Exception:  # noqa: BLE001 - a fault of ours is one that a command may be written to raise
        return ("deny", _PLAINLY) if _names_protected(command, ground) else ("", "")


def _read(command: str, ground: Ground, session: Session, cwd: str) -> tuple[str, str]:
    script = parse(command)
    words = commands.plain_words(script, ground, cwd)
    if words:
        return _of_plain(words, ground, session, cwd)
    from judge import Judge  # takes long to import, and plain commands need none of it

    reason = Judge(ground, session, cwd).refusal(script)
    return ("deny", reason) if reason else ("", "")


def _of_plain(words: list[str], ground: Ground, session: Session, cwd: str) -> tuple[str, str]:
    """A command of agent-loops with nothing around it."""
    name = words[0]
    call = Call(["agent-loops", *words], Scope(ground.root), Feed())
    reason = commands.refusal(call, session, active=True, halted_by="")
    if reason:
        return "deny", reason
    if name not in commands.ALLOWED or not _reads_here(words, ground, cwd):
        return "", ""
    if name == "try":
        session.experiments()
    return "allow", f"agent-loops {name}"


def _reads_here(words: list[str], ground: Ground, cwd: str) -> bool:
    """Whether files given to the command lie in the project: it shows parts of them."""
    home = os.path.realpath(os.path.expanduser("~")) + "/"
    for option in ("--edit", "--idea-file", "--plan"):
        for word, after in zip(words, [*words[1:], ""]):
            path = after if word == option else word.partition("=")[2]
            if not word.startswith(option) or path == "-":
                continue
            real = os.path.realpath(os.path.join(cwd, path))
            scratch = real.startswith(("/tmp/", "/private/tmp/")) and not real.startswith(home)
            if not real.startswith(ground.root + "/") and not scratch:
                return False
    return True


def only_asks(command: str, here: Campaign, cwd: str) -> bool:
    """Whether it is a plain command that only tells how the campaign stands."""
    return bool(set(_words_in_time(command, here, cwd)[:1]) & commands.READING)


def _words_in_time(command: str, here: Campaign, cwd: str) -> list[str]:
    """The words behind `agent-loops` of a plain command; none of any other."""
    try:
        with limits.bounded():
            return commands.plain_words(parse(command), Ground(here), cwd)
    except (limits.TooMuch, Exception):  # noqa: BLE001 - as above
        return []


def while_halted(command: str, here: Campaign, session: Session, cwd: str) -> tuple[str, str]:
    """Refuses `resume` to an agent whose campaign the person halted; what it reports it may ask."""
    if only_asks(command, here, cwd):
        return "allow", "how the campaign ended"
    if here.state == "finished" and _words_in_time(command, here, cwd)[:1] == ["confirm"]:
        return "allow", "agent-loops confirm"
    from walk import Walker

    walker = Walker()
    try:
        with limits.bounded():
            walker.script(parse(command), Scope(cwd), Feed())
    except (limits.TooMuch, Exception):  # noqa: BLE001 - as above
        return ("deny", _PLAINLY) if "agent-loops" in command else ("", "")
    for call in walker.calls:
        if reason := withheld.refusal(call, Ground(here)):
            return "deny", reason
        if commands.is_ours(call) and "resume" in commands.words_of(call)[:2]:
            reason = commands.refusal(call, session, active=False, halted_by=here.text("halted_by"))
            if reason:
                return "deny", reason
    return "", ""


def _names_protected(command: str, ground: Ground) -> bool:
    """Whether the text, with its quoting taken out, names something of the campaign's."""
    bare = command.translate({39: None, 34: None, 92: None, 10: " "})
    names = [os.path.basename(ground.sandbox), ".agent-loops", "agent-loops", "loop.run.yaml"]
    names += ["journal.jsonl", "results.tsv", *sorted(ground.harness)[:2000]]
    found = set(re.findall(r"[\w./-]+", bare))
    tails = {word.rsplit("/", 1)[-1] for word in found}
    return (
        any(name in found or name in tails for name in names)
        or ground.shown(ground.sandbox) in bare
    )
