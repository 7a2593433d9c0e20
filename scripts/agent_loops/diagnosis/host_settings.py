"""Reads the settings that Claude Code reads: the person's, the project's, the managed ones.

Writes none, and knows nothing of the command line with which a session was started.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from agent_loops import display, files
from agent_loops.diagnosis.subjects import Subject

PLUGIN = "agent-loops"
# What the agent types; rules and hooks are asked about these.
COMMANDS = ("agent-loops status", "agent-loops try 'an idea' --edit -")
MANAGED = {
    "darwin": Path("/Library/Application Support/ClaudeCode/managed-settings.json"),
    "linux": Path("/etc/claude-code/managed-settings.json"),
}
# Asked before a tool is used; may rewrite what it wrote; asked when a turn ends.
_BLOCKING = {
    "PreToolUse": ("Bash", "Edit", "Write", "Read"),
    "PostToolUse": ("Edit", "Write"),
    "Stop": ("the turn's end",),
}


class Settings(NamedTuple):
    """One file. `problem` is empty where it could be read."""

    path: Path
    values: Mapping[str, Any]
    problem: str = ""

    def part(self, name: str) -> Mapping[str, Any]:
        """A part that is a mapping; empty where it is not there or something else."""
        found = self.values.get(name)
        return found if isinstance(found, dict) else {}


class Hook(NamedTuple):
    """A hook of somebody's that is called for what the loop does."""

    event: str
    tool: str
    command: str
    path: Path


def config_folder(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("CLAUDE_CONFIG_DIR") or Path(environ.get("HOME") or "/", ".claude"))


def read(subject: Subject) -> list[Settings]:
    """Every file that is there, the one that overrides the others last."""
    own = config_folder(subject.environ)
    folders = [folder / ".claude" for folder in (subject.root, *subject.root.parents)][::-1]
    paths = [own / "settings.json"]
    for name in ("settings.json", "settings.local.json"):
        paths += [folder / name for folder in folders if folder != own]
    managed = MANAGED.get(sys.platform)
    paths += [managed] if managed else []
    return [_read(path) for path in paths if path.is_file()]


def _read(path: Path) -> Settings:
    try:
        values = files.load_json(path.read_bytes())
    except OSError as error:
        return Settings(path, {}, error.strerror or "cannot be read")
    except ValueError as error:
        return Settings(path, {}, f"not JSON: {error}")
    if not isinstance(values, dict):
        return Settings(path, {}, "not a JSON object")
    return Settings(path, values)


def last(settings: Sequence[Settings], *keys: str) -> tuple[Any, Path | None]:
    """The value that counts of a nested key, and its file; (None, None) where nobody sets it."""
    found: tuple[Any, Path | None] = (None, None)
    for item in settings:
        values: Any = item.values
        for key in keys:
            values = values.get(key) if isinstance(values, dict) else None
        if values is not None:
            found = values, item.path
    return found


def variable(
    settings: Sequence[Settings], environ: Mapping[str, str], name: str
) -> tuple[str, str]:
    """An environment variable as the host sees it, and where it is set: settings come first."""
    value, path = last(settings, "env", name)
    if path is not None:
        return str(value), str(path)
    return environ.get(name, ""), "the environment"


def rules(settings: Sequence[Settings], kind: str) -> Iterator[tuple[str, Path]]:
    """Permission rules of a kind (`deny`, `ask`, `allow`) that match one of our commands."""
    for item in settings:
        for rule in _list(item.part("permissions").get(kind)):
            if any(_matches(str(rule), command) for command in COMMANDS):
                yield str(rule), item.path


def _matches(rule: str, command: str) -> bool:
    match = re.fullmatch(r"Bash(?:\((.*)\))?", rule.strip(), re.DOTALL)
    if match is None:
        return False
    pattern = match[1]
    if pattern is None:
        return True
    if pattern.endswith(":*"):
        prefix = pattern[:-2]
        return command == prefix or command.startswith(prefix + " ") or not prefix
    return bool(re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), command, re.DOTALL))


def hooks(settings: Sequence[Settings], environ: Mapping[str, str]) -> Iterator[Hook]:
    """Hooks of settings files and of other plugins that run around the steps of the loop."""
    sources = [*settings, *_plugin_hooks(settings, environ)]
    for item in sources:
        for event, tools in _BLOCKING.items():
            for group in _list(item.part("hooks").get(event)):
                tool = next((tool for tool in tools if _is_for(group, tool, event)), "")
                for hook in _list(group.get("hooks")) if tool else ():
                    if isinstance(hook, dict):
                        said = hook.get("command") or hook.get("url") or hook.get("type")
                        command = display.clean(display.mask(str(said), []), 60)
                        yield Hook(event, tool, command, item.path)


def _is_for(group: object, tool: str, event: str) -> bool:
    if not isinstance(group, dict):
        return False
    if event == "Stop":
        return True  # it knows no matcher
    matcher = str(group.get("matcher") or "*")
    if matcher == "*":
        return True
    if re.fullmatch(r"[\w|, -]+", matcher):  # as the client reads it: names, else an expression
        return tool in re.split(r"[|,\s]+", matcher)
    try:
        return bool(re.search(matcher, tool))
    except re.error:
        return False


def _plugin_hooks(settings: Sequence[Settings], environ: Mapping[str, str]) -> Iterator[Settings]:
    for name, folder in installed(environ):
        path = folder / "hooks" / "hooks.json"
        if is_enabled(settings, name) and name.partition("@")[0] != PLUGIN and path.is_file():
            yield _read(path)


def managed_only(settings: Sequence[Settings]) -> Path | None:
    """The organization's file that lets no hooks but its own run; None without one."""
    for item in settings:
        is_managed = item.path in MANAGED.values()
        if is_managed and item.values.get("allowManagedHooksOnly") is True:
            return item.path
    return None


def on_path(environ: Mapping[str, str]) -> str:
    """The folder of the plugin whose `bin/` the host has put on PATH."""
    for folder in os.get_exec_path(environ):
        root = Path(folder).parent
        try:
            manifest = files.load_json((root / ".claude-plugin/plugin.json").read_bytes())
        except (OSError, ValueError):
            continue
        if isinstance(manifest, dict) and manifest.get("name") == PLUGIN:
            return str(root)
    return ""


def plugin_folder(settings: Sequence[Settings], environ: Mapping[str, str]) -> Path | None:
    """Our plugin as the host has it; None where it is no plugin here."""
    if found := on_path(environ):
        return Path(found)
    for name, folder in installed(environ):
        if name.partition("@")[0] == PLUGIN and is_enabled(settings, name) is not False:
            return folder
    return None


def is_enabled(settings: Sequence[Settings], plugin: str) -> bool | None:
    """Whether a plugin, `NAME@MARKETPLACE`, is switched on; None where nobody says."""
    value, path = last(settings, "enabledPlugins", plugin)
    return None if path is None else value is not False


def installed(environ: Mapping[str, str]) -> list[tuple[str, Path]]:
    """Each installed plugin, `NAME@MARKETPLACE`, and its folder."""
    record = _read(config_folder(environ) / "plugins" / "installed_plugins.json")
    return [
        (name, Path(entry["installPath"]))
        for name, entries in record.part("plugins").items()
        for entry in (entries if isinstance(entries, list) else [entries])
        if isinstance(entry, dict) and isinstance(entry.get("installPath"), str)
    ]


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
