"""What of the project may not be written in a campaign, and what may without asking.

Compares paths as they lie on the disk now, through links of both kinds. A path that only running
tells is not seen; the engine digests harness and candidate before and after each run.
"""

from __future__ import annotations

import json
import os
import re
import sys

import listings
from expand import UNKNOWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from campaign import Campaign

_PLUGIN = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
_OWN_NOTES = re.compile(r"iter[0-9*]+/analysis(/|\Z)")
_HARNESS = (
    "{} is part of the harness, which measures, and stays as it is. Where it must change, ask the "
    "person; `agent-loops rebaseline` is theirs."
)
_BINDINGS = "{} is the person's: ask them to change it and to run `agent-loops rebaseline`."
_RECORD = (
    "{} is the campaign's record, which agent-loops alone writes: read it with `agent-loops "
    "history` or `show N`; your own notes go to {}/iter<N>/analysis/."
)
_ENGINE = "{} belongs to agent-loops itself: leave it; `agent-loops doctor` says what is wrong."
_GIT = "{} is git's own: use git's commands, or leave it."
_SETTINGS = "{} holds the host's settings, which are the person's: ask them."
_ALIVE = (
    "A run is alive and would be shown as a crash if {} changed: `agent-loops wait` first, or "
    "give the change with `agent-loops try --edit` afterwards."
)


class Ground:
    """The project's paths, sorted into what is whose."""

    def __init__(self, campaign: Campaign) -> None:
        self.root = campaign.root
        self.sandbox = os.path.realpath(campaign.sandbox)
        self.holdout = f"{self.sandbox}/holdout"
        self.harness = _harness(campaign)
        self.campaign = campaign
        home = os.path.expanduser("~")
        cache = os.environ.get("XDG_CACHE_HOME") or f"{home}/.cache"
        self._engine = [_PLUGIN, os.path.realpath(f"{cache}/agent-loops")]
        self._settings = [f"{self.root}/.claude/settings", f"{home}/.claude/settings"]
        self._git = f"{listings.repository(self.root) or self.root}/.git"
        self._inodes: dict[tuple[int, int], str] | None = None
        regexes = campaign.pointer.get("editable_regexes")
        self._editable = [
            (re.compile(pair[0]), bool(pair[1]))
            for pair in (regexes if isinstance(regexes, list) else [])
        ]

    def shown(self, path: str) -> str:
        """The path from the project's root, where it lies in it."""
        short = path[len(self.root) + 1 :] if path.startswith(self.root + "/") else path
        return short.replace(UNKNOWN, "*")[:120]

    def is_editable(self, path: str) -> bool:
        if not path.startswith(self.root + "/"):
            return False
        name, takes = path[len(self.root) + 1 :], False
        for regex, include in self._editable:
            if regex.match(name):
                takes = include
        return takes

    def is_note(self, path: str) -> bool:
        """Whether it is in one of the campaign's folders for the agent's own analysis."""
        inside = path.startswith(self.sandbox + "/")
        return inside and bool(_OWN_NOTES.match(path[len(self.sandbox) + 1 :]))

    def refusal(self, path: str) -> str:
        """Why this file may not be written; "" where nothing is against it."""
        for place in dict.fromkeys((path, os.path.realpath(path))):
            reason = self._of_place(place)
            if reason:
                return reason
        return self._linked(path)

    def refusal_of_tree(self, path: str) -> str:
        """Why this may not be removed, moved or rewritten with all that is in it."""
        place = f"{os.path.realpath(os.path.dirname(path))}/{os.path.basename(path)}".rstrip("/")
        reason = self._of_place(place)
        if not reason and sys.platform == "darwin":
            reason = self._linked(place)
        if reason or UNKNOWN in place or "*" in place:
            return reason
        if self.is_editable(place) and self.campaign.run_is_alive:
            return _ALIVE.format(self.shown(place))
        for kept in (self.sandbox, f"{self.root}/.agent-loops", f"{self.root}/loop.run.yaml"):
            if kept.startswith(place + "/"):
                return self._of_place(kept)
        for kept in self._engine:
            if kept.startswith(place + "/") and not self._is_project(place):
                return _ENGINE.format(kept)
        return self._harness_under(place)

    def _is_project(self, place: str) -> bool:
        return place == self.root or place.startswith(self.root + "/")

    def _harness_under(self, place: str) -> str:
        if place == self.root or self.root.startswith(place + "/"):
            return _HARNESS.format(self.shown(min(self.harness))) if self.harness else ""
        prefix = place[len(self.root) + 1 :] + "/"
        if not place.startswith(self.root + "/"):
            return ""
        name = next((name for name in self.harness if name.startswith(prefix)), "")
        return _HARNESS.format(name) if name else ""

    def _of_place(self, place: str) -> str:
        if UNKNOWN in place or "*" in place:
            return self._of_pattern(place)
        if self.is_note(place):
            return ""
        if self.is_editable(place):
            return _ALIVE.format(self.shown(place)) if self.campaign.run_is_alive else ""
        shown = self.shown(place)
        if place == f"{self.root}/loop.run.yaml":
            return _BINDINGS.format(shown)
        if _is_in(place, self.sandbox) or _is_in(place, f"{self.root}/.agent-loops"):
            return _RECORD.format(shown, self.shown(self.sandbox))
        if _is_in(place, self._git):
            return _GIT.format(shown)
        if place.startswith(self.root + "/"):
            return self._of_project(place, shown)
        if place.startswith(tuple(self._settings)) and place.endswith(".json"):
            return _SETTINGS.format(shown)
        return _ENGINE.format(shown) if any(_is_in(place, own) for own in self._engine) else ""

    def _of_project(self, place: str, shown: str) -> str:
        if place[len(self.root) + 1 :] in self.harness:
            return _HARNESS.format(shown)
        if place.startswith(self._settings[0]):
            return _SETTINGS.format(shown)
        if _PLUGIN.startswith(self.root + "/") and _is_in(place, _PLUGIN):
            return _ENGINE.format(shown)
        return _RECORD.format(shown, shown) if self._is_other_record(place) else ""

    def _is_other_record(self, place: str) -> bool:
        """Whether an earlier campaign's record is around it."""
        while len(place) > len(self.root):
            if os.path.isfile(f"{place}/journal.jsonl") and os.path.isfile(f"{place}/harness.json"):
                return True
            place = os.path.dirname(place)
        return False

    def _of_pattern(self, place: str) -> str:
        """A path with a part that is not known: judged by the folder before it, or by its form."""
        known = re.split(f"[*{UNKNOWN}]", place)[0]
        folder = known[: known.rfind("/")] or "/"
        if _is_in(folder, self.sandbox) or _is_in(folder, f"{self.root}/.agent-loops"):
            return "" if self.is_note(known) else _RECORD.format(self.shown(place), self.sandbox)
        if not place.startswith(self.root + "/"):
            return ""
        if known.endswith("/") and place[len(known)] == UNKNOWN:
            return ""  # nothing of its name is known: the host's permissions decide
        parts = re.split(rf"(\*\*/?|\*|{UNKNOWN})", place)
        wild = {"*": "[^/]*", UNKNOWN: "[^/]*", "**": ".*", "**/": "(.*/)?"}
        form = re.compile("".join(wild.get(part) or re.escape(part) for part in parts) + r"\Z")
        for name in (*self.harness, "loop.run.yaml"):
            if form.match(f"{self.root}/{name}"):
                return _HARNESS.format(name)
        return ""

    def _linked(self, path: str) -> str:
        """A file with several names may be one of ours by another."""
        try:
            found = os.stat(path)
        except (OSError, ValueError):
            return ""
        # On macOS a name in other letters is the same file.
        single = found.st_nlink < 2 and sys.platform != "darwin"
        if single or not os.path.isfile(path) or self.is_editable(path):
            return ""
        if self._inodes is None:
            self._inodes = {}
            names = [*self.harness, "loop.run.yaml", *self._records()]
            for name in names:
                place = os.path.join(self.root, name)
                try:
                    other = os.stat(place)
                except OSError:
                    continue
                self._inodes[(other.st_dev, other.st_ino)] = place
        other_name = self._inodes.get((found.st_dev, found.st_ino))
        return self._of_place(other_name) if other_name else ""

    def _records(self) -> list[str]:
        names: list[str] = []
        for folder, folders, files in os.walk(self.sandbox):
            if len(names) > 5000:
                break
            folders[:] = [name for name in folders if name not in ("analysis", "bytecode")]
            names += [f"{folder}/{name}" for name in files]
        return names

    def is_log(self, path: str) -> bool:
        return path.startswith(self.sandbox + "/") and path.endswith(".log")


def _is_in(place: str, folder: str) -> bool:
    return place == folder or place.startswith(folder + "/")


def _harness(campaign: Campaign) -> frozenset[str]:
    name = os.path.basename(campaign.text("harness") or "harness.json")
    try:
        with open(os.path.join(campaign.sandbox, name), "rb") as stream:
            return frozenset(json.load(stream)["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return frozenset()


def is_of_skills(path: str) -> bool:
    return os.path.realpath(path).startswith(f"{_PLUGIN}/skills/")


def own_command() -> str:
    return f"{_PLUGIN}/bin/agent-loops"
