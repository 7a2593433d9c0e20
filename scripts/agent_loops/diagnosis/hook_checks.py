"""Which hooks of others stand beside the loop's, and whether the plugin's own ones run.

Starts none of them: what a hook of somebody's would answer is not known here.
"""

from __future__ import annotations

import os
import shlex
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from agent_loops import answers
from agent_loops.diagnosis import host_settings, sessions
from agent_loops.diagnosis.checks import Check, CheckMaker, ok, warn
from agent_loops.diagnosis.subjects import Subject

_HOOKS_NAMED = 3
_DOES = {
    "PreToolUse": "may refuse an experiment, or a look at its log",
    "PostToolUse": "may change an edit",
    "Stop": "may end the loop's turn, or send the agent elsewhere",
}
_STARTER = "hooks/hook"


def hooks(subject: Subject) -> Iterator[Check]:
    """Hooks of others that are asked before our steps, rewrite an edit, or act at a turn's end."""
    settings = host_settings.read(subject)
    off, path = host_settings.last(settings, "disableAllHooks")
    if off is True:
        yield warn("hooks", f"disableAllHooks in {path}: the plugin's do not run", f"edit {path}")
        return
    managed = host_settings.managed_only(settings)
    if managed is not None:
        said = f"allowManagedHooksOnly in {managed}: the plugin's hooks run only if it enables it"
        yield warn("hooks", said, "ask whoever manages these settings")
    found = list(host_settings.hooks(settings, subject.environ))
    for hook in found[:_HOOKS_NAMED]:
        said = f"{hook.event} on {hook.tool} {_DOES[hook.event]}: `{hook.command}` in {hook.path}"
        yield warn("hooks", said, "see that it lets the loop through, or switch it off meanwhile")
    if len(found) > _HOOKS_NAMED:
        yield warn("hooks", f"and {len(found) - _HOOKS_NAMED} more of this kind")
    if not found:
        yield ok("hooks", "no other hook on Bash, Edit, Write, Read or the turn's end")


def own_hooks(subject: Subject) -> Iterator[Check]:
    """Whether the plugin's own hooks can be started, and whether they were seen at work."""
    name = "own hooks"
    settings = host_settings.read(subject)
    folder = host_settings.plugin_folder(settings, subject.environ)
    cannot, step = _cannot_run(folder, subject.environ) if folder is not None else ("", "")
    if cannot:
        yield warn(name, f"{cannot}: nothing guards, nothing keeps the loop on", step)
    else:
        yield _seen_at_work(subject, name)


def _cannot_run(folder: Path, environ: Mapping[str, str]) -> tuple[str, str]:
    """What keeps the hooks of the plugin in `folder` from starting, and the way on."""
    starter = folder / _STARTER
    if not starter.is_file():
        return f"{starter} is not there", "/plugin update agent-loops"
    if not os.access(starter, os.X_OK):
        return f"{starter} is not executable", f"chmod +x {shlex.quote(str(starter))}"
    if not shutil.which("python3", path=environ.get("PATH")) and not _has_environment(environ):
        return "there is no python3 on PATH", "install Python 3.9 or newer"
    return "", ""


def _has_environment(environ: Mapping[str, str]) -> bool:
    """Whether the command's own Python is built, which the hooks take first."""
    cache = environ.get("XDG_CACHE_HOME") or f"{environ.get('HOME', '')}/.cache"
    return any(Path(cache, "agent-loops").glob("env-*/bin/python"))


def _seen_at_work(subject: Subject, name: str) -> Check:
    remembered = sessions.remembered(subject.project)
    if remembered:
        ago = answers.duration(max(0.0, time.time() - remembered[0].seen))
        mode = f", {remembered[0].mode} mode" if remembered[0].mode else ""
        return ok(name, f"seen at work {ago} ago{mode}")
    if subject.is_open and subject.store is not None and subject.store.campaign.session:
        said = "a session leads this campaign, and no hook was seen at work in it"
        return warn(name, said, "/plugin shows whether agent-loops is on; then begin a new session")
    return ok(name, "no session has been at a campaign here yet")


MAKERS: tuple[CheckMaker, ...] = (hooks, own_hooks)
