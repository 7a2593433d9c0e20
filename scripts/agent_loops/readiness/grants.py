"""What only the person may grant: proposes it as a diff, and writes it where they consent.

Consent is the word yes, typed in a terminal: no flag, no pipe and no agent's shell gives it. What
makes itself a terminal is not seen here; that is a command that the host asks the person about.

It goes into `.claude/settings.local.json`, not into `settings.json`: one person's consent is not
the team's to inherit by a pull, and a local file's rules count without the folder being trusted.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from agent_loops import answers, display, files
from agent_loops.answers import Answer
from agent_loops.diagnosis import host_settings
from agent_loops.diagnosis.host_settings import Settings
from agent_loops.diagnosis.subjects import Subject
from agent_loops.errors import AgentLoopsError, Refused
from agent_loops.git_commands import Git
from agent_loops.paths import ProjectPaths
from agent_loops.readiness import json_edits

NAME = ".claude/settings.local.json"
# The guard lets plain commands through by itself, while a campaign is active. These are for the
# rest: commands joined by a pipe or `&&`, before a campaign is there, and a skill that the model
# starts (a skill with `allowed-tools` is asked about without it).
RULES = ("Bash(agent-loops:*)", "Skill(agent-loops:*)")
# BASH_MAX_TIMEOUT_MS is not needed: the host takes the larger of the two for the maximum.
_USUAL_LIMIT_MS = 600_000
_LIMIT, _STOP_CAP = "BASH_DEFAULT_TIMEOUT_MS", "CLAUDE_CODE_STOP_HOOK_BLOCK_CAP"
# Of the host's own cap nothing is left to do: the hook itself gives up after a few vain blocks.
_NO_CAP = "0"
_CONTEXT_LINES = 2
_CONSENT = "yes"


class Proposal(NamedTuple):
    """What is to be added. `before` is None where there is no file yet."""

    path: Path
    before: str | None
    after: str
    rules: tuple[str, ...]
    variables: Mapping[str, str]
    notes: tuple[str, ...] = ()

    @property
    def adds(self) -> dict[str, Any]:
        """What is new, as the settings have it."""
        found: dict[str, Any] = {}
        if self.rules:
            found["permissions"] = {"allow": list(self.rules)}
        if self.variables:
            found["env"] = dict(self.variables)
        return found

    @property
    def diff(self) -> list[str]:
        """A unified diff, without what looks like a secret."""
        lines = difflib.unified_diff(
            (self.before or "").splitlines(), self.after.splitlines(),
            fromfile=NAME if self.before is not None else "/dev/null", tofile=NAME,
            lineterm="", n=_CONTEXT_LINES,
        )  # fmt: skip
        return [display.mask(_visible(line), []) for line in lines]


def _visible(line: str) -> str:
    return "".join(char if char.isprintable() or char == "\t" else "?" for char in line)


def run(
    root: Path, environ: Mapping[str, str], *, ask: Callable[[Sequence[str]], str] | None
) -> Answer:
    """Proposes, and writes where the person says yes.

    Args:
        root: the project's folder.
        environ: the caller's environment.
        ask: shows lines and returns what the person typed; None where no person is there.

    Raises:
        Refused: the file is none that can be added to.
    """
    proposal = propose(root, environ)
    if not proposal.adds:
        return _answer(proposal, "nothing to add", [f"nothing to add: {NAME} has it all"])
    shown = [*proposal.diff, *(_visible(f"note: {note}") for note in proposal.notes)]
    if ask is None:
        line = "nothing is written: the person runs it in a terminal of their own, and types yes"
        return _answer(proposal, "proposed", [*shown, line, f"next: {_COMMAND}"])
    if ask([*shown, "", *_meaning(proposal)]).strip().lower() != _CONSENT:
        return _answer(proposal, "not written", ["nothing is written"])
    write(proposal)
    begin = "a session reads its variables when it starts: begin a new one"
    return _answer(proposal, "written", [f"written: {NAME}", f"next: {begin}"])


_COMMAND = "agent-loops setup --allow"


def _meaning(proposal: Proposal) -> list[str]:
    meanings = {
        RULES[0]: "every agent-loops command runs without a prompt in this project",
        RULES[1]: "the agent may start this plugin's skills by itself",
        _LIMIT: "a command of the agent's may take 10 minutes before the host cuts in",
        _STOP_CAP: "the host does not end the loop's turn by its own count",
    }
    added = [*proposal.rules, *proposal.variables]
    return [f"{name}: {meanings[name]}" for name in added]


def _answer(proposal: Proposal, status: str, lines: list[str]) -> Answer:
    values = {
        "schema": answers.SCHEMA, "status": status, "file": str(proposal.path),
        "adds": proposal.adds, "diff": "\n".join(proposal.diff), "notes": list(proposal.notes),
        "next": _COMMAND if status == "proposed" else "",
    }  # fmt: skip
    return Answer(values, lines)


def propose(root: Path, environ: Mapping[str, str]) -> Proposal:
    """What is missing of the grants, and the file with it.

    Raises:
        Refused: the file cannot be read, is a link, or holds something else than a JSON object.
    """
    path = root / NAME
    before = _read(path)
    known = _that_count(root, environ)
    rules = tuple(rule for rule in RULES if not _is_allowed(known, rule))
    variables = _missing_variables(known)
    after = before if before is not None else "{}\n"
    try:
        after = json_edits.add_items(after, ("permissions", "allow"), list(rules))
        for name, value in variables.items():
            after = json_edits.set_value(after, ("env", name), value)
    except ValueError as error:
        raise _odd(path, str(error)) from error
    notes = (
        (*_overruled(known, path, variables), *_git_notes(root, path)) if after != before else ()
    )
    return Proposal(path, before, after, rules, variables, notes)


def _read(path: Path) -> str | None:
    """The file's text; None where there is none."""
    for place in (path.parent, path):
        if place.is_symlink():
            raise _odd(path, f"{place.name} is a link, and nothing is written through it")
    if os.path.lexists(path.parent) and not path.parent.is_dir():
        raise _odd(path, f"{path.parent.name} is no folder")
    if not os.path.lexists(path):
        return None
    try:
        text = files.read_regular(path).decode("utf-8")
        values = files.load_json(text)
    except OSError as error:
        raise _odd(path, f"it cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise _odd(path, f"it is not JSON: {error}") from error
    if reason := _not_settings(values):
        raise _odd(path, reason)
    return text


def _not_settings(values: object) -> str:
    """What is in the place of an object or a list that is added to; empty where nothing is."""
    if not isinstance(values, dict):
        return "it holds no JSON object"
    permissions, env = values.get("permissions", {}), values.get("env", {})
    allow = permissions.get("allow", []) if isinstance(permissions, dict) else []
    parts = (("permissions", permissions, dict), ("permissions.allow", allow, list),
             ("env", env, dict))  # fmt: skip
    return "; ".join(
        f"{name} is no {'list' if kind is list else 'object'}"
        for name, found, kind in parts
        if not isinstance(found, kind)
    )


def _odd(path: Path, reason: str) -> Refused:
    return Refused(
        "settings", f"{NAME}: {reason}", files=[str(path)],
        next_step=f"mend {NAME}, then `{_COMMAND}`",
    )  # fmt: skip


def _that_count(root: Path, environ: Mapping[str, str]) -> list[Settings]:
    """The settings of a session that is started in the project's folder."""
    folders = {root / ".claude", host_settings.config_folder(environ)}
    settings = host_settings.read(Subject(ProjectPaths(root), environ))
    return [
        item
        for item in settings
        if item.path.parent in folders or item.path in host_settings.MANAGED.values()
    ]


def _is_allowed(settings: Sequence[Settings], rule: str) -> bool:
    """Whether some file says the same, or allows all of the tool."""
    tool, _, inside = rule.partition("(")
    prefix = inside.removesuffix(":*)")
    same = {rule, f"{tool}({prefix} *)", tool, f"{tool}(*)", f"{tool}(:*)"}
    allowed: list[Any] = []
    for item in settings:
        found = item.part("permissions").get("allow")
        allowed += found if isinstance(found, list) else []
    return any(str(item).strip() in same for item in allowed)


def _missing_variables(settings: Sequence[Settings]) -> dict[str, str]:
    missing = {}
    limit, _ = host_settings.last(settings, "env", _LIMIT)
    if not (str(limit).isdigit() and int(limit) >= _USUAL_LIMIT_MS):
        missing[_LIMIT] = str(_USUAL_LIMIT_MS)
    cap, _ = host_settings.last(settings, "env", _STOP_CAP)
    if str(cap) != _NO_CAP:
        missing[_STOP_CAP] = _NO_CAP
    return missing


def _overruled(settings: Sequence[Settings], path: Path, variables: Mapping[str, str]) -> list[str]:
    """What the organization's settings say otherwise: they come last."""
    notes: list[str] = []
    for item in (item for item in settings if item.path in host_settings.MANAGED.values()):
        set_there = [name for name in variables if name in item.part("env")]
        notes += [f"{item.path} sets {name}, which overrules {path.name}" for name in set_there]
        if item.values.get("allowManagedPermissionRulesOnly") is True:
            notes.append(f"{item.path} lets no permission rules but its own count")
    return notes


def _git_notes(root: Path, path: Path) -> list[str]:
    """Whether the file would be committed with the project, and where sessions must begin."""
    git, name, notes = Git(root), str(path), []
    try:
        top = git.run("rev-parse", "--show-toplevel", expected=(0, 128))
        if top.code != 0:
            return []
        if git.run("ls-files", "--error-unmatch", "--", name, expected=(0, 1)).code == 0:
            notes.append(
                f"git tracks {NAME}: what you grant would be committed, and counts only in a "
                f"trusted folder; `git rm --cached {NAME}` keeps it yours"
            )
        elif _is_shown(Git(root, {"GIT_LITERAL_PATHSPECS": "0"}), name):
            notes.append(
                f"git would list it as new: the line **/{NAME} in .git/info/exclude hides it"
            )
        if Path(top.line).resolve() != root.resolve():
            notes.append(f"it counts in sessions that are started in {root}, not further up")
    except AgentLoopsError:
        return []
    return notes


def _is_shown(git: Git, name: str) -> bool:
    """Whether git would list it as new; `check-ignore` takes no literal paths."""
    return git.run("check-ignore", "-q", "--", name, expected=(0, 1)).code == 1


def write(proposal: Proposal) -> None:
    """Puts the file there, whole or not at all.

    Raises:
        Refused: it changed since it was shown.
    """
    if _read(proposal.path) != proposal.before:
        raise Refused(
            "settings", f"{NAME} changed meanwhile", files=[str(proposal.path)], next_step=_COMMAND
        )
    files.make_dir(proposal.path.parent)
    mode = None if proposal.before is not None else 0o600
    files.write_atomic(proposal.path, proposal.after.encode(), mode=mode)
