"""Commands in another program's words: `fakeroot rm F`, `--pager='rm F'`, `PAGER='rm F'`.

Looks for the usual programs that change files, by their names: it knows neither the program around
them nor its options. What only repeats text (echo, grep, a commit's message) is passed over.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from calls import Call

_CHANGING = "rm mv cp dd tee truncate shred unlink rmdir chmod ln sed".split()
_NAMES = frozenset((*_CHANGING, "sh", "bash", "dash", "zsh"))
# `!rm F`, `|rm F`, `.shell rm F`, `1e rm F`, `--pager=/bin/rm F`, `-Orm F`
_WITHIN = re.compile(
    rf"(?:^|[^\w./-]|^-[A-Za-z])(?:[\w./-]*/)?((?:{'|'.join(_CHANGING)})[ \t]+[^\n]+)", re.MULTILINE
)
# Their words are text, or files that they only read.
_TEXTS = frozenset(
    "echo printf grep egrep fgrep rg ag ack cat tac nl head tail bat wc ls which type "
    "whatis apropos info help tldr test [ true false : expr diff cmp uniq cut tr jq yq column "
    "pgrep pkill ps kill notify-send logger wall mail gh glab apt-cache dpkg curl read alias hash "
    "agent-loops node perl ruby command builtin export declare local typeset readonly".split()
)
# What stands on their standard input may be commands.
_FED = frozenset("ed ex vi vim at batch crontab make sqlite3 gdb ssh sftp dc tclsh expect".split())
_GIT_TEXTS = frozenset("commit tag notes grep log merge shortlog rev-list".split())
_STARTED = re.compile(
    r"(\w*PAGER|\w*EDITOR|VISUAL|BROWSER|PROMPT_COMMAND|LESSOPEN|LESSCLOSE|GIT_EXTERNAL_DIFF"
    r"|GIT_SSH(_COMMAND)?|\w*ASKPASS|GIT_PROXY_COMMAND|RSYNC_RSH)\Z"
)
_SOURCED = {"BASH_ENV": "bash", "ENV": "sh", "PYTHONSTARTUP": "python", "--rcfile": "bash"}
_SOURCED["--init-file"] = "bash"
_EXPORTING = frozenset("export declare typeset readonly local".split())
_ENDS = re.compile(r"[\"'`;})]")


def commands(call: Call) -> list[list[str] | str]:
    """What this program may start: as words, or as a shell's text."""
    name, argv = call.name, call.argv
    found: list[list[str] | str] = []
    given = [(variable, value) for variable, values in call.assigned.items() for value in values]
    if name in _EXPORTING:
        given += [(word.partition("=")[0], word.partition("=")[2]) for word in argv[1:]]
    given += [pair for pair in zip(argv, argv[1:]) if pair[0] in ("--rcfile", "--init-file")]
    for variable, value in given:
        if _STARTED.match(variable):
            found.append(value.lstrip("|!- "))
        elif variable in _SOURCED:
            found.append([_SOURCED[variable], value])
        else:
            found += _within(value)
    if name == "rg":
        found += _by_ripgrep(argv)
    if _is_text(name, argv):
        return found
    place = next((at for at, word in enumerate(argv) if at and _base(word) in _NAMES), 0)
    if place and _base(argv[0]) not in _NAMES:
        found.append(argv[place:])
    texts = [*argv[1:], (call.feed.text or "") if name in _FED else ""]
    return found + [text for word in texts for text in _within(word)]


def _within(text: str) -> list[str]:
    """Commands in a text, with all that follows on the line, and up to what may end them."""
    found: list[str] = []
    for command in _WITHIN.findall(text):
        found += [command, _ENDS.split(command)[0], command.rpartition("/")[0]]
    return [command for command in dict.fromkeys(found) if command]


def _by_ripgrep(argv: list[str]) -> list[list[str] | str]:
    """`--pre PROGRAM`, which is started for each file."""
    words = [part for word in argv for part in word.split("=", 1)]
    starts = [after for word, after in zip(words, words[1:]) if word in ("--pre", "--hostname-bin")]
    return [[start, *argv[1:]] for start in starts]


def _is_text(name: str, argv: list[str]) -> bool:
    if name == "git":
        return bool(_GIT_TEXTS & set(argv[1:6]))
    return not argv or name in _TEXTS or bool(re.match(r"(python|pypy)[\d.]*\Z", name))


def _base(word: str) -> str:
    return word.rpartition("/")[2]
