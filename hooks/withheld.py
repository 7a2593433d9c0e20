"""Keeps what the holdout printed from the agent: ideas that are chosen by it would overfit to it.

Sees paths, patterns and readers of whole folders by a command's words. What a program of the
agent's own reads is not seen.
"""

from __future__ import annotations

import fnmatch
import os
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from calls import Call
    from ground import Ground
    from inline import Code

_REASON = (
    "The holdout's values are the person's: ideas that are chosen by them overfit to them. "
    "`agent-loops confirm` says what they come to."
)
# They tell of a file's name, size or place, not what is in it.
_NAMING = frozenset(
    "ls stat du wc file test [ cd pushd mkdir echo printf readlink realpath basename dirname "
    "agent-loops chmod touch pwd".split()
)
_GREPPING = frozenset("grep egrep fgrep zgrep".split())
_IGNORING = frozenset("rg ag".split())  # what git ignores, as the campaign's folder does
_COPYING = frozenset("cp tar rsync scp zip".split())


def refusal(call: Call, ground: Ground) -> str:
    """Why this program may not be started: it would show the holdout's values."""
    if call.name in _NAMING or not call.argv or not os.path.isdir(ground.holdout):
        return ""
    words = [word.removeprefix("if=") for word in [*call.argv[1:], *call.feed.sources]]
    places = [place for word in words for place in call.then.absolute(word)]
    if any(_is_withheld(place, ground) for place in places):
        return _REASON
    if not _reads_folders(call):
        return ""
    above = [place for place in places if _is_above(place, ground)]
    named = any(os.path.isdir(place) for place in places)
    if not named and call.name in _GREPPING:
        above = [place for place in call.then.absolute(".") if _is_above(place, ground)]
    return f"{_REASON} Leave it out: `--exclude-dir=holdout`." if above else ""


def refusal_of_path(path: str, ground: Ground) -> str:
    """Why this file may not be shown."""
    return _REASON if _is_withheld(path, ground) else ""


def refusal_of_code(code: Code, call: Call, ground: Ground) -> str:
    """Why this code may not be run: it names a file of the holdout."""
    for name in code.names:
        if "holdout" in name and len(name) < 1000 and "\n" not in name:
            for folder in ("", *code.folders):
                for place in call.then.absolute(os.path.join(folder, name)):
                    if _is_withheld(place, ground):
                        return _REASON
    return ""


def _is_withheld(place: str, ground: Ground) -> bool:
    if re.search(r"[*?\[]", place):
        return any(fnmatch.fnmatch(path, place) for path in _files(ground))
    real = os.path.realpath(place)
    return real == ground.holdout or real.startswith(ground.holdout + "/")


def _files(ground: Ground) -> list[str]:
    try:
        return [f"{ground.holdout}/{name}" for name in os.listdir(ground.holdout)]
    except OSError:
        return []


def _is_above(place: str, ground: Ground) -> bool:
    real = os.path.realpath(place)
    return ground.holdout.startswith(real.rstrip("/") + "/")


def _reads_folders(call: Call) -> bool:
    words = call.argv[1:]
    if any(word.startswith("--exclude-dir") and "holdout" in word for word in words):
        return False
    if call.name in _GREPPING:
        return any(
            re.match(r"-[a-zA-Z]*[rR]", word) or word in ("--recursive", "--dereference-recursive")
            for word in words
        )
    if call.name in _IGNORING:
        return any(re.match(r"-[a-zA-Z]*[uU]|--no-ignore|--unrestricted", word) for word in words)
    return call.name in _COPYING
