"""Which git commands would take something from the campaign, or from the person's work.

Judges the project's own repository alone; git's aliases and what a hook of the repository does are
not seen. The engine commits and restores without these commands, and checks the branch itself.
"""

from __future__ import annotations

import os
import re

import listings
from expand import UNKNOWN
from ground import Ground

TYPE_CHECKING = False
if TYPE_CHECKING:
    from calls import Call

_VALUED = frozenset("-C -c --git-dir --work-tree --namespace --exec-path --config-env".split())
_STARTING = re.compile(
    r"alias\.|core\.(hookspath|fsmonitor|pager|editor|sshcommand|askpass|gitproxy)|pager\.|include"
    r"|diff\.(.*\.)?(external|textconv|command)|(diff|merge)tool\.|merge\..*\.driver|filter\."
    r"|gpg\..*program|credential\.|sequence\.editor|remote\..*\.(uploadpack|receivepack)|protocol\."
)
_PROGRAMS = {  # options that take a program
    "grep": r"-[a-zA-Z]*O|--open-files",
    "difftool": r"-x|--ext",
    "fetch": r"--upload-pack",
    "pull": r"--upload-pack",
    "clone": r"-u|--upload-pack",
    "ls-remote": r"--upload-pack|--exec",
    "push": r"--receive-pack|--exec",
    "archive": r"--exec",
}
_KEEPS = "agent-loops puts code back itself"
_BACK = f"{_KEEPS}: `agent-loops checkout N` for an experiment's code, `agent-loops status` first."
_HISTORY = "In a campaign the branch's history stays: commit on top, or ask the person."
_BRANCH = (
    "In a campaign the branch stays: for an experiment's code `agent-loops checkout N`; "
    "to look at another branch `git show BRANCH:FILE`."
)
_PUSH = "No forced or deleting push: `git push origin BRANCH` adds to what is there; else ask."
_ADD = "The record and what git ignores is never added: `git add` the one kept file by name."
_ALWAYS = {
    "stash": f"`git stash` takes edits away unrecorded. {_BACK}",
    "rebase": _HISTORY, "merge": _HISTORY, "pull": _HISTORY, "cherry-pick": _HISTORY,
    "revert": _HISTORY, "am": _HISTORY, "filter-branch": _HISTORY, "filter-repo": _HISTORY,
    "update-ref": _HISTORY, "replace": _HISTORY, "bisect": _BRANCH, "prune": _HISTORY,
    "apply": "Give the change with `agent-loops try 'IDEA' --edit -` instead of `git apply`.",
    "checkout-index": _BACK, "read-tree": _BACK, "sparse-checkout": _BACK, "lost-found": "",
}  # fmt: skip


def refusal(call: Call, ground: Ground) -> str:
    """Why this git command is refused; "" where it is not."""
    command = _parsed(call)
    if command is None or not _is_ours(command, ground):
        return ""
    if any(_starts_programs(item) for item in command.config) or command.brings_a_program():
        return "git with an alias or a program of its own cannot be checked: write it plainly."
    if UNKNOWN in command.name:
        return "the guard cannot see which git command this is: write its name plainly."
    return _of_command(command, ground)


def _starts_programs(setting: str) -> bool:
    """Whether a setting, `NAME=VALUE`, makes git start something of the agent's."""
    name, _, value = setting.lower().partition("=")
    return bool(_STARTING.match(name)) and value not in ("", "cat", "true", "false", "less")


class _Command:
    """git's words: those before the subcommand understood, those behind it as given."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.folders = list(call.then.cwds)
        self.repository = ""
        self.config: list[str] = []
        self.name = ""
        self.words: list[str] = []
        self.plain: list[str] = []

    def has(self, *options: str) -> bool:
        """Whether an option is there; a short one also within a cluster."""
        return any(
            word == option or (option.startswith("--") and word.startswith(option + "="))
            or (len(option) == 2 and re.match(r"-[a-zA-Z]+\Z", word) and option[1] in word[1:])
            for word in self.words for option in options
        )  # fmt: skip

    def brings_a_program(self) -> bool:
        options = _PROGRAMS.get(self.name, "")
        return bool(options) and any(re.match(options, word) for word in self.words)

    def places(self, path: str) -> list[str]:
        if path.startswith(":"):
            path = re.sub(r"^:(/|\([^)]*\))", "", path) or "."
        return [os.path.normpath(os.path.join(folder, path)) for folder in self.folders]


def _parsed(call: Call) -> _Command | None:
    command, words = _Command(call), call.argv[1:]
    command.config += [
        f"{key}={UNKNOWN}"
        for name, keys in call.assigned.items()
        if name.startswith("GIT_CONFIG_KEY") or name == "GIT_CONFIG_PARAMETERS"
        for key in keys
    ]
    given = call.assigned.get("GIT_DIR") or call.then.vars.get("GIT_DIR")
    command.repository = given[0] if given else ""
    while words and words[0].startswith("-"):
        word, _, value = words[0].partition("=")
        if word in _VALUED and not (value and word.startswith("--")):
            value = "".join(words[1:2])
            words = words[1:]
        words = words[1:]
        if word == "-C":
            command.folders = [os.path.join(folder, value) for folder in command.folders]
        elif word == "-c":
            command.config.append(value)
        elif word == "--git-dir":
            command.repository = value
    if not words:
        return None
    command.name, command.words = words[0], words[1:]
    command.plain = [word for word in command.words if not word.startswith("-")]
    return command


def _is_ours(command: _Command, ground: Ground) -> bool:
    own = listings.repository(ground.root)
    if not own:
        return False
    if command.repository:
        places = [os.path.dirname(place) or place for place in command.places(command.repository)]
        return any(os.path.realpath(place) == own for place in places) or UNKNOWN in str(places)
    found = [listings.repository(os.path.realpath(place)) for place in command.folders
             if UNKNOWN not in place]  # fmt: skip
    return not found or own in found or len(found) < len(command.folders)


def _of_command(command: _Command, ground: Ground) -> str:
    name, words = command.name, command.words
    if name == "stash":
        return "" if words[:1] and words[0] in ("list", "show") else _ALWAYS[name]
    if name == "apply" and command.has("--check", "--stat", "--numstat", "--summary"):
        return "" if not command.has("--apply") else _ALWAYS[name]
    if name in _ALWAYS:
        return _ALWAYS[name]
    rule = _RULES.get(name)
    return rule(command, ground) if rule else _outputs(command, ground)


def _outputs(command: _Command, ground: Ground) -> str:
    """`git diff --output=F`, `git archive -o F`."""
    for word, after in zip(command.words, [*command.words[1:], ""]):
        path = after if word in ("-o", "--output") else ""
        if word.startswith("--o") and "--output".startswith(word.partition("=")[0]):
            path = word.partition("=")[2] or after
        if command.name == "bundle" and word == "create":
            path = after
        for place in command.places(path) if path else []:
            if reason := ground.refusal(place):
                return reason
    return ""


def _add(command: _Command, ground: Ground) -> str:
    if command.has("-f", "--force"):
        return _ADD
    for path in command.plain:
        for place in command.places(path):
            if (place + "/").startswith((ground.sandbox + "/", f"{ground.root}/.agent-loops/")):
                return _ADD
    return ""


def _reset(command: _Command, _: Ground) -> str:
    if command.has("--hard", "--merge", "--keep"):
        return f"`git reset --hard` loses edits. {_BACK}"
    words = command.plain[:1] if "--" not in command.words[:1] else []
    moves = words and re.match(r"HEAD[~^@]|@[~^{]|[0-9a-f]{7,40}\Z|.*[~^@]\d*\Z", words[0])
    return _HISTORY if moves and not any(map(os.path.lexists, command.places(words[0]))) else ""


def _clean(command: _Command, _: Ground) -> str:
    if command.has("-n", "--dry-run"):
        return ""
    return "`git clean` deletes what nobody recorded: remove single files of yours by name."


def _push(command: _Command, _: Ground) -> str:
    forced = command.has("-f", "-d", "--mirror", "--delete", "--prune")
    forced = forced or any(word.startswith("--force") for word in command.words)
    return _PUSH if forced or any(word[:1] in ("+", ":") for word in command.plain) else ""


def _checkout(command: _Command, ground: Ground) -> str:
    words = command.words
    if "--" in words:
        return _paths(command, words[words.index("--") + 1 :], ground) or (
            _BACK if not words[words.index("--") + 1 :] else "")  # fmt: skip
    plain = command.plain
    if command.has("-b", "-B", "--orphan", "--detach", "-d", "-t", "--track", "-p", "--patch"):
        return _BRANCH
    if not plain:
        return _BACK if command.has("-f", "--force") else ""
    are_paths = [any(map(os.path.lexists, command.places(path))) for path in plain]
    paths = plain if all(are_paths) else plain[1:]
    return _paths(command, paths, ground) if paths else _BRANCH


def _switch(command: _Command, _: Ground) -> str:
    return _BRANCH if command.words else ""


def _restore(command: _Command, ground: Ground) -> str:
    if command.has("--staged", "-S") and not command.has("--worktree", "-W"):
        return ""
    return _paths(command, command.plain, ground)


def _paths(command: _Command, paths: list[str], ground: Ground) -> str:
    """Files that git would overwrite or remove: the campaign's, or the candidate's."""
    for path in paths:
        for place in command.places(path):
            reason = ground.refusal_of_tree(place) or ground.refusal(place)
            if reason:
                return reason
            if ground.is_editable(place) or _holds_editable(place, ground):
                return f"{ground.shown(place)} is the candidate. {_BACK}"
    return ""


def _holds_editable(place: str, ground: Ground) -> bool:
    return os.path.isdir(place) and any(
        ground.is_editable(found) for found in listings.walked(place)
    )


def _commit(command: _Command, _: Ground) -> str:
    return _HISTORY if command.has("--amend") else ""


def _branch(command: _Command, _: Ground) -> str:
    changing = command.has("-D", "-f", "-M", "-m", "-C", "--force", "--move", "--delete")
    return _HISTORY if changing else ""


def _reflog(command: _Command, _: Ground) -> str:
    return _HISTORY if command.plain[:1] in (["expire"], ["delete"]) else ""


def _fetch(command: _Command, _: Ground) -> str:
    """`+a:b` and `a:b` write branches."""
    return _HISTORY if any(":" in word and "://" not in word for word in command.plain[1:]) else ""


def _gc(command: _Command, _: Ground) -> str:
    return _HISTORY if any(word.startswith("--prune") for word in command.words) else ""


def _worktree(command: _Command, _: Ground) -> str:
    return _HISTORY if command.plain[:1] in (["remove"], ["move"], ["prune"]) else ""


def _config(command: _Command, _: Ground) -> str:
    names = [word.lower() for word in command.plain]
    looking = command.has("--get", "--get-all", "--get-regexp", "--list", "-l", "--unset")
    changing = len(names) > 1 and not looking and any(
        _STARTING.match(name) or re.match(r"core\.(worktree|bare)", name) for name in names
    )  # fmt: skip
    return "git's settings stay as they are in a campaign: ask the person." if changing else ""


def _symbolic_ref(command: _Command, _: Ground) -> str:
    return _BRANCH if len(command.plain) > 1 or command.has("-d", "--delete") else ""


def _rm(command: _Command, ground: Ground) -> str:
    return "" if command.has("--cached", "-n") else _paths(command, command.plain, ground)


def _submodule(command: _Command, _: Ground) -> str:
    changing = command.plain[:1] in (["update"], ["foreach"], ["deinit"])
    return "Submodules stay as they are in a campaign: ask the person." if changing else ""


_RULES = {
    "add": _add, "stage": _add, "reset": _reset, "clean": _clean, "push": _push,
    "checkout": _checkout, "switch": _switch, "restore": _restore, "commit": _commit,
    "branch": _branch, "reflog": _reflog, "fetch": _fetch, "gc": _gc, "worktree": _worktree,
    "config": _config,
    "symbolic-ref": _symbolic_ref, "rm": _rm, "mv": _rm, "submodule": _submodule,
}  # fmt: skip
