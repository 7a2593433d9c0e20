"""What is missing or in the way in Claude Code: limits, permissions, the plugin, the folder.

Asks no running session: only files, the environment, and `claude --version`.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator

from agent_loops.diagnosis import host_settings
from agent_loops.diagnosis.checks import Check, CheckMaker, ask, missing, ok, warn
from agent_loops.diagnosis.host_settings import PLUGIN
from agent_loops.diagnosis.subjects import Subject

# What the skills ask for, and what the command line itself waits for where nobody says more.
_SKILLS_CALL_MS = 600_000
_OWN_WAIT_MS = 120_000
# Since 2.1.91 the commands of a plugin are on PATH, without which there is no experiment; since
# 2.1.145 a hook is told at a turn's end what still runs in the background.
MIN_CLIENT = (2, 1, 145)


def _is_there(subject: Subject) -> bool:
    """Whether Claude Code is used here at all, as far as can be seen."""
    environ = subject.environ
    return bool(
        environ.get("CLAUDECODE")
        or shutil.which("claude", path=environ.get("PATH"))
        or host_settings.config_folder(environ).is_dir()
    )


def claude_code(subject: Subject) -> Iterator[Check]:
    name = "claude code"
    where = "called from a session" if subject.environ.get("CLAUDECODE") else "called from a shell"
    program = shutil.which("claude", path=subject.environ.get("PATH"))
    if program is None:
        yield ok(name, f"{where}; claude is not on PATH")
        return
    reply = ask([program, "--version"], environ=subject.environ, folder=subject.root)
    found = re.search(r"(\d+)\.(\d+)\.(\d+)", reply.out)
    if reply.code != 0:
        yield warn(name, f"`claude --version` fails: {reply.said}", "claude doctor")
    elif found and tuple(map(int, found.groups())) < MIN_CLIENT:
        least = ".".join(map(str, MIN_CLIENT))
        yield warn(name, f"{reply.said}: older than {least}, which the hooks need", "claude update")
    else:
        yield ok(name, f"{reply.said}, {where}")


def command(subject: Subject) -> Iterator[Check]:
    """Whether `agent-loops` can be typed."""
    name = "agent-loops"
    found = shutil.which(name, path=subject.environ.get("PATH"))
    if found:
        yield ok(name, found)
    elif subject.project.shim.is_file():
        yield ok(name, f"not on PATH; in this project {subject.project.shim} calls it")
    else:
        step = "`agent-loops setup` makes .agent-loops/run, which calls it"
        yield ok(name, f"not on PATH; {step}")


def plugin(subject: Subject) -> Iterator[Check]:
    if not _is_there(subject):
        yield ok("plugin", "Claude Code is not used here")
        return
    settings = host_settings.read(subject)
    names = [name for name, _ in host_settings.installed(subject.environ)]
    for name in (name for name in names if name.partition("@")[0] == PLUGIN):
        if host_settings.is_enabled(settings, name) is False:
            _, path = host_settings.last(settings, "enabledPlugins", name)
            yield warn("plugin", f"{name} is switched off in {path}", f"/plugin enable {name}")
        else:
            yield ok("plugin", f"{name} is installed")
        return
    if folder := host_settings.on_path(subject.environ):
        yield ok("plugin", f"loaded for this session from {folder}")
        return
    own = host_settings.config_folder(subject.environ)
    for skills in (
        own / "skills",
        subject.root / ".claude/skills",
        subject.root / ".agents/skills",
    ):
        if (skills / "karpathy/SKILL.md").is_file():
            yield ok("plugin", f"only its skills, in {skills}")
            return
    step = "/plugin marketplace add agent-loops/agent-loops, then /plugin install agent-loops"
    yield warn("plugin", "not installed in Claude Code: its skills are not there", step)


def settings_files(subject: Subject) -> Iterator[Check]:
    for item in host_settings.read(subject):
        if item.problem:
            yield warn("settings", f"{item.path}: {item.problem}", f"mend {item.path}")


def bash_limits(subject: Subject) -> Iterator[Check]:
    """How long one command of the agent's may take, as the host works it out."""
    name = "bash limits"
    settings = host_settings.read(subject)
    text, place = host_settings.variable(settings, subject.environ, "BASH_DEFAULT_TIMEOUT_MS")
    usual = _positive(text) or _OWN_WAIT_MS
    if usual < _OWN_WAIT_MS:
        said = f"BASH_DEFAULT_TIMEOUT_MS={usual} in {place}: a run takes many `wait`s"
        yield warn(name, said, "agent-loops setup --allow")
    text, place = host_settings.variable(settings, subject.environ, "BASH_MAX_TIMEOUT_MS")
    most = max(_positive(text) or _SKILLS_CALL_MS, usual)
    if most < _SKILLS_CALL_MS:
        said = f"BASH_MAX_TIMEOUT_MS={most} in {place}: `--wait-s 580` is cut off"
        yield warn(name, said, f"remove it, or wait by `--wait-s {max(most // 1000 - 20, 1)}`")
    if usual >= _OWN_WAIT_MS and most >= _SKILLS_CALL_MS:
        yield ok(name, f"a command may take {usual // 1000} s, {most // 1000} s where it is asked")


def _positive(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0


def permissions(subject: Subject) -> Iterator[Check]:
    """Rules that deny `agent-loops`, or make the host ask each time."""
    name = "permissions"
    settings = host_settings.read(subject)
    in_the_way = False
    for rule, path in host_settings.rules(settings, "deny"):
        in_the_way = True
        yield missing(name, f"{rule} is denied in {path}: no experiment", f"edit {path}")
    for rule, path in host_settings.rules(settings, "ask"):
        in_the_way = True
        yield warn(name, f"{rule} is asked about in {path}: a prompt for each", f"edit {path}")
    mode, place = host_settings.last(settings, "permissions", "defaultMode")
    allowed = [str(path) for _, path in host_settings.rules(settings, "allow")]
    if mode == "plan" or (mode == "dontAsk" and not allowed):
        in_the_way = True
        yield warn(name, f"defaultMode is {mode} in {place}: nothing is run", f"edit {place}")
    if mode == "bypassPermissions" and os.geteuid() == 0 and not subject.environ.get("IS_SANDBOX"):
        in_the_way = True
        said = f"defaultMode is {mode} in {place}, which is refused to root"
        yield warn(name, said, "remove it: the default mode is enough for the loop")
    if not in_the_way:
        by = f"by {allowed[-1]}" if allowed else "by its skills, and by its hook in a campaign"
        yield ok(name, f"agent-loops is allowed {by}")
    sandboxed, place = host_settings.last(settings, "sandbox", "enabled")
    excluded, _ = host_settings.last(settings, "sandbox", "excludedCommands")
    if sandboxed is True and not any(str(item).startswith(PLUGIN) for item in excluded or ()):
        said = f"Bash is sandboxed in {place}: a run may be cut off with the command that began it"
        yield warn(name, said, "add agent-loops to `sandbox.excludedCommands` there")


def folder(subject: Subject) -> Iterator[Check]:
    """Whether the project can be written in: its record's pointer, and what is put back."""
    if os.access(subject.root, os.W_OK | os.X_OK):
        yield ok("folder", f"{subject.root} is writable")
    else:
        step = "make it writable (`chmod u+w`, or mount the disk for writing)"
        yield missing("folder", f"{subject.root} is read-only: nothing can be put back there", step)


MAKERS: tuple[CheckMaker, ...] = (
    claude_code, command, plugin, settings_files, bash_limits, permissions, folder,
)  # fmt: skip
