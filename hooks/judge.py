"""Asks each rule about each program call that a command would make; the first refusal counts.

Sees what `walk` follows and what `inline` reads, nothing of what a program does by itself: that is
for the engine's digests before and after each run, and for `eval_cmd`.
"""

from __future__ import annotations

import os
import re

import commands
import git_rules
import installs
import logs
import running
import withheld
import writers
from calls import Call, Feed
from expand import UNKNOWN, Scope
from walk import Walker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from campaign import Session
    from ground import Ground
    from inline import Code
    from syntax import Script

_PYTHON = re.compile(r"(python|pypy)[\d.]*[a-z]*\Z")
_OTHERS = frozenset("perl ruby node php lua R Rscript julia deno bun".split())
_PIPED = "What is piped into an interpreter cannot be checked: write the code plainly, `-c '…'`."
_BLIND = "Code that names {} and writes cannot be checked: {}"


class Judge:
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
            or withheld.refusal(call, self.ground)
            or logs.refusal(call, self.ground)
            or running.refusal(call, self.own, self.ground)
            or running.refusal_to_kill(call, self.ground)
            or running.refusal_of_agents(call)
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
            return _PIPED if _is_fed_with_code(call) else ""
        import inline as reader  # parses Python, which takes time to import

        python = bool(_PYTHON.match(call.name))
        code = reader.read_python(text) if python else reader.read_other(text)
        self._walk_commands(code, call)
        return (
            self._of_targets(code, call)
            or running.refusal_of_code(code, call, self.own, self.ground)
            or withheld.refusal_of_code(code, call, self.ground)
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


def _is_fed_with_code(call: Call) -> bool:
    """Whether an interpreter with nothing to run reads unknown code from a pipe."""
    runs = _PYTHON.match(call.name) or call.name in ("perl", "ruby", "node", "php")
    bare = not call.argv[1:] or call.argv[1:] == ["-"]
    return bool(runs) and bare and call.feed.fed and not call.loose


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
