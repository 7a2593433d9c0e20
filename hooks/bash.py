"""Decides about a Bash command: parses it, follows it, and asks each rule about each call in it.

What cannot be parsed is never allowed, and refused only where it names what is protected.
"""

from __future__ import annotations

import os
import re

import commands
import git_rules
import installs
import logs
import running
import writers
from calls import Call, Feed
from expand import UNKNOWN, Scope
from ground import Ground
from shell import Unparsable, parse
from syntax import Script
from walk import SHELLS, Walker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from campaign import Campaign, Session
    from inline import Code

_PLAINLY = "This command cannot be checked: write it plainly, one step at a time."
_PYTHON = re.compile(r"(python|pypy)[\d.]*[a-z]*\Z")
_OTHERS = frozenset("perl ruby node php lua R Rscript julia deno bun".split())
_BLIND = "Code that names {} and writes cannot be checked: {}"


def decided(command: str, here: Campaign, session: Session, cwd: str) -> tuple[str, str]:
    """The decision ("" leaves it to the host) and its reason."""
    ground = Ground(here)
    try:
        script = parse(command)
        words = commands.plain_words(script, ground, cwd)
        if words:
            return _of_plain(words, ground, session)
        reason = _Judge(ground, session, cwd).refusal(script)
    except (Unparsable, RecursionError):
        reason = _PLAINLY if _names_protected(command, ground) else ""
    return ("deny", reason) if reason else ("", "")


def _of_plain(words: list[str], ground: Ground, session: Session) -> tuple[str, str]:
    """A command of agent-loops with nothing around it."""
    name = words[0]
    call = Call(["agent-loops", *words], Scope(ground.root), Feed())
    reason = commands.refusal(call, session, active=True, halted_by="")
    if reason:
        return "deny", reason
    if name not in commands.ALLOWED or not _reads_here(words, ground):
        return "", ""
    if name == "try" and session.heard and ground.campaign.text("session") in ("", session.name):
        session.save(loops=True)
    return "allow", f"agent-loops {name}"


def _reads_here(words: list[str], ground: Ground) -> bool:
    """Whether files given to the command lie in the project: it shows parts of them."""
    home = os.path.realpath(os.path.expanduser("~")) + "/"
    for option in ("--edit", "--idea-file"):
        for word, after in zip(words, [*words[1:], ""]):
            path = after if word == option else word.partition("=")[2]
            if not word.startswith(option) or path == "-":
                continue
            real = os.path.realpath(os.path.join(ground.root, path))
            scratch = real.startswith(("/tmp/", "/private/tmp/")) and not real.startswith(home)
            if not real.startswith(ground.root + "/") and not scratch:
                return False
    return True


def while_halted(command: str, here: Campaign, session: Session, cwd: str) -> tuple[str, str]:
    """Refuses `resume` to an agent whose campaign the person halted; what it reports it may ask."""
    walker, ground = Walker(), Ground(here)
    try:
        script = parse(command)
        if set(commands.plain_words(script, ground, cwd)[:1]) & commands.READING:
            return "allow", "how the campaign ended"
        walker.script(script, Scope(cwd), Feed())
    except (Unparsable, RecursionError):
        return ("deny", _PLAINLY) if "agent-loops" in command else ("", "")
    for call in walker.calls:
        if commands.is_ours(call) and "resume" in commands.words_of(call)[:2]:
            reason = commands.refusal(call, session, active=False, halted_by=here.text("halted_by"))
            if reason:
                return "deny", reason
    return "", ""


class _Judge:
    """One command's calls before all rules; the first refusal counts."""

    def __init__(self, ground: Ground, session: Session, cwd: str) -> None:
        self.ground = ground
        self.session = session
        self.cwd = cwd
        self.own = running.of_campaign(ground)
        self.walker = Walker()

    def refusal(self, script: Script) -> str:
        self.walker.script(script, Scope(self.cwd), Feed())
        index = 0
        while index < len(self.walker.calls):  # code that is read on the way adds calls
            reason = self._of_call(self.walker.calls[index])
            if reason:
                return reason
            index += 1
        complaints = self.walker.complaints
        return f"{complaints[0][0].upper()}{complaints[0][1:]}." if complaints else ""

    def _of_call(self, call: Call) -> str:
        reason = self._of_writes(call) or commands.refusal_to_pose(call)
        if reason or not call.argv:
            return reason
        if commands.is_ours(call):
            return commands.refusal(call, self.session, active=True, halted_by="")
        if call.name == "git":
            return git_rules.refusal(call, self.ground)
        return (
            installs.refusal(call.argv)
            or logs.refusal(call, self.ground)
            or running.refusal(call, self.own, self.ground)
            or running.refusal_to_kill(call, self.ground)
            or self._of_code(call)
        )

    def _of_writes(self, call: Call) -> str:
        for kind, path in writers.targets(call):
            for place in call.then.absolute(path):
                deep = kind == writers.TREE
                reason = self.ground.refusal_of_tree(place) if deep else ""
                reason = reason or ("" if deep else self.ground.refusal(place))
                if reason:
                    return reason
        return ""

    def _of_code(self, call: Call) -> str:
        text, inline = _code_of(call)
        if text is None:
            return ""
        import inline as reader  # parses Python, which takes time to import

        python = bool(_PYTHON.match(call.name))
        code = reader.read_python(text) if python else reader.read_other(text)
        self._walk_commands(code, call)
        return (
            self._of_targets(code, call)
            or running.refusal_of_code(code, call, self.own, self.ground)
            or self._of_blind(code, call, inline=inline)
        )

    def _walk_commands(self, code: Code, call: Call) -> None:
        for command in code.commands:
            if isinstance(command, str):
                if command.strip(UNKNOWN + " "):
                    self.walker.text(command, call.then.copy())
            elif command and command[0].strip(UNKNOWN):
                made = Call(command, call.then.copy(), Feed())
                self.walker.call(made)

    def _of_targets(self, code: Code, call: Call) -> str:
        rules: tuple[tuple[list[str], Callable[[str], str]], ...] = (
            (code.writes, self.ground.refusal),
            (code.trees, lambda path: self.ground.refusal_of_tree(path)),
            (code.trees, self.ground.refusal),
            (code.dumps, lambda path: logs.refusal_to_dump(path, self.ground)),
        )
        for paths, rule in rules:
            for path in paths:
                for folder in ("", *code.folders):
                    for place in call.then.absolute(os.path.join(folder, path)):
                        if reason := rule(place):
                            return reason
        return ""

    def _of_blind(self, code: Code, call: Call, *, inline: bool) -> str:
        """Code whose targets are not known, and that names what is protected."""
        unknown = any(not path.strip(UNKNOWN) for path in [*code.writes, *code.trees])
        if not inline or not (code.is_blind or unknown):
            return ""
        for name in (*code.names, *call.argv[1:]):
            if not name or len(name) > 300 or "\n" in name or name in (".", "/", ".."):
                continue
            for place in call.then.absolute(name):
                if reason := self.ground.refusal(place):
                    return _BLIND.format(name, reason)
        return ""


def _code_of(call: Call) -> tuple[str | None, bool]:
    """The code that an interpreter is given, and whether it stands in the command itself."""
    name, words = call.name, call.argv[1:]
    python = bool(_PYTHON.match(name))
    if not python and name not in _OTHERS:
        return None, False
    flag = re.compile(r"-[a-zA-Z]*c\Z" if python else r"-[a-zA-Z0-9]*[eErpn]\Z|--eval\Z")
    for index, word in enumerate(words):
        if flag.match(word) and index + 1 < len(words):
            return words[index + 1], True
        if python and re.match(r"-[a-zA-Z]*c.", word):
            return word.split("c", 1)[1], True
        if not word.startswith("-") or word == "-":
            break
    script, module, _ = running.python_words(words)
    if script and script != "-" and not module:
        return call.then.read(script), False
    return (call.feed.text, True) if not module else (None, False)


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


__all__ = ["SHELLS", "decided", "while_halted"]
