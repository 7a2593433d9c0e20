"""Programs that run another: `env X=1 PROGRAM`, `timeout 5 PROGRAM`, `xargs PROGRAM`, `find -exec`.

Knows the common ones, with the options that take a value; a wrapper that is not in the tables is
judged as the program that it is.
"""

from __future__ import annotations

import os
import re

import listings
from expand import UNKNOWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from calls import Call

# Options that take the next word, and how many words stand before the program.
_WRAPPERS: dict[str, tuple[str, int]] = {
    "nohup": ("", 0),
    "time": ("-f -o --format --output", 0),
    "timeout": ("-k -s --kill-after --signal", 1),
    "gtimeout": ("-k -s --kill-after --signal", 1),
    "nice": ("-n --adjustment", 0),
    "ionice": ("-c -n -p --class --classdata", 0),
    "stdbuf": ("-i -o -e", 0),
    "setsid": ("", 0),
    "sudo": ("-u -g -h -p -C -D -R -T --user --group --chdir", 0),
    "doas": ("-u -C", 0),
    "command": ("", 0),
    "builtin": ("", 0),
    "exec": ("-a", 0),
    "coproc": ("", 0),
    "unbuffer": ("", 0),
    "chrt": ("-T -P -D", 1),
    "taskset": ("", 1),
    "numactl": ("-C -N -m -i", 0),
    "caffeinate": ("-t -w", 0),
    "busybox": ("", 0),
    "toybox": ("", 0),
    "strace": ("-e -o -p -s -u -P", 0),
    "ltrace": ("-e -o -p -s -u", 0),
    "chroot": ("", 1),
    "unshare": ("", 0),
    "systemd-run": ("-u -p --unit --property", 0),
    "prlimit": ("", 0),
    "setarch": ("", 1),
    "watch": ("-n --interval", 0),
    "then": ("", 0),
    "noglob": ("", 0),
    "nocorrect": ("", 0),
    "rlwrap": ("", 0),
    "catchsegv": ("", 0),
    "dumb-init": ("", 0),
    "tini": ("", 0),
}
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_XARGS_VALUED = frozenset("-I -n -P -L -d -E -s -a --max-args --max-procs --delimiter".split())


def unwrap(call: Call) -> None:
    """Takes the prefixes off `call.argv`, and notes what they do to the environment."""
    while call.argv:
        name = call.name
        if name == "env":
            _env(call)
        elif name in _WRAPPERS and not _only_looks(call.argv):
            _strip(call, *_WRAPPERS[name])
        else:
            return


def _only_looks(argv: list[str]) -> bool:
    """`command -v x`, which runs nothing."""
    return (argv[0] == "command" and argv[1:2] and argv[1] in ("-v", "-V")) or len(argv) == 1


def _strip(call: Call, valued: str, before: int) -> None:
    argv, index, takes = call.argv, 1, valued.split()
    if call.name in ("strace", "time") and "-o" in argv[:-1]:
        call.writes = [*call.writes, argv[argv.index("-o") + 1]]
    while index < len(argv) and argv[index].startswith("-") and argv[index] != "-":
        if argv[index] == "--":
            index += 1
            break
        index += 2 if argv[index] in takes else 1
    while call.name in ("sudo", "doas") and index < len(argv) and _ASSIGNMENT.match(argv[index]):
        _assign(call, argv[index])
        index += 1
    call.argv = argv[index + before :]


def _assign(call: Call, word: str) -> None:
    name, _, value = word.partition("=")
    call.assigned = {**call.assigned, name: [value]}


def _env(call: Call) -> None:
    argv, index = call.argv, 1
    while index < len(argv):
        word = argv[index]
        index += 1
        if word in ("-u", "--unset"):
            call.cleared.append("".join(argv[index : index + 1]))
            index += 1
        elif word.startswith("--unset=") or (word.startswith("-u") and len(word) > 2):
            call.cleared.append(word.split("=")[-1] if "=" in word else word[2:])
        elif word in ("-C", "--chdir") or word.startswith(("-C", "--chdir=")):
            folder = word.partition("=")[2] if word.startswith("--") else word[2:]
            index += not folder
            call.scope = call.scope.copy()
            call.scope.cwds = call.scope.absolute(folder or "".join(argv[index - 1 : index]))
        elif re.match(r"-[iv0]*S|--split-string(=|\Z)", word):
            text = word.partition("=")[2] if word.startswith("--") else word.partition("S")[2]
            if not text:
                text = "".join(argv[index : index + 1])
                index += 1
            argv = [*argv[:index], *text.split(), *argv[index:]]
        elif word in ("-", "-i", "--ignore-environment"):
            call.cleared.append("*")
        elif _ASSIGNMENT.match(word):
            _assign(call, word)
        elif not word.startswith("-"):
            index -= 1
            break
    call.argv = argv[index:]


def inner_calls(call: Call) -> list[list[str] | str]:
    """The commands that this one runs, besides itself: as words, or as a shell's text."""
    name, argv = call.name, call.argv
    if name in _MANAGERS:
        return _run_by_manager(argv)
    if name in ("su", "script", "flock", "runuser") and "-c" in argv[:-1]:
        return [argv[argv.index("-c") + 1]]
    inner = _INNER.get(name)
    return inner(call) if inner else []


def _by_script(call: Call) -> list[list[str] | str]:
    joined = re.match(r"-[a-zA-Z]*c\Z", "".join(call.argv[1:2]))
    return ["".join(call.argv[2:3])] if joined else []


def _by_flock(call: Call) -> list[list[str] | str]:
    words = [word for word in call.argv[1:] if not word.startswith("-")]
    return [words[1:]]


def _by_awk(call: Call) -> list[list[str] | str]:
    """What awk's `system` and its pipes start."""
    code = re.compile(r'system\(\s*"([^"]*)"|\|&?\s*"([^"]+)"|"([^"]+)"\s*\|\s*getline')
    return [next(filter(None, found), "") for word in call.argv for found in code.findall(word)]


def _by_fd(call: Call) -> list[list[str] | str]:
    argv: list[str] = []
    for word in call.argv:
        joined = re.match(r"(-[xX]|--exec(?:-batch)?)=?(.*)", word, re.DOTALL)
        argv += [part for part in joined.groups() if part] if joined else [word]
    starts = ("-x", "-X", "--exec", "--exec-batch")
    places = [index for index, word in enumerate(argv) if word in starts]
    found = listings.printed(argv, call.scope, None) or UNKNOWN
    return [_with_places(argv[place + 1 :], found.split("\n")) for place in places]


def _run_by_manager(argv: list[str]) -> list[list[str] | str]:
    """`uv run [options] PROGRAM`; the options that take a value are passed over."""
    if "run" not in argv[1:]:
        return []
    words = argv[argv.index("run", 1) + 1 :]
    valued = {"--with", "--python", "-p", "-n", "--name", "--extra", "--group", "--directory"}
    valued |= {"--project", "--env-file", "--with-requirements", "--package", "--index"}
    while words and words[0].startswith("-") and words[0] not in ("-m", "-c", "-"):
        if words[0] in ("--module", "--script"):
            break
        words = words[2:] if words[0] in valued else words[1:]
    if words[:1] and (words[0] in ("-m", "-", "--module") or words[0].endswith(".py")):
        words = ["python", *words]  # as uv does
    elif words[:1] == ["--script"] or words[:1] == ["-s"]:
        words = ["python", *words[1:]]
    return [words]


def _xargs(call: Call) -> list[str]:
    argv, index, pattern = call.argv, 1, ""
    while index < len(argv) and argv[index].startswith("-"):
        word = argv[index]
        if word in ("-I", "--replace"):
            pattern = "".join(argv[index + 1 : index + 2])
        elif word.startswith("-I"):
            pattern = word[2:]
        if word in ("-a", "--arg-file"):
            call.feed.text = None
        index += 2 if word in _XARGS_VALUED else 1
    words = argv[index:]
    text = call.feed.text
    places = [UNKNOWN] if text is None else re.split(r"[\n\0 \t]+", text.strip())
    if not pattern:
        return [*words, *places]
    return [
        word.replace(pattern, place)
        for word in words
        for place in (places if pattern in word else [""])
        if place or pattern not in word
    ]


def _executed_by_find(call: Call) -> list[list[str] | str]:
    argv = call.argv
    found = listings.found_files(argv, call.scope)
    calls: list[list[str] | str] = []
    for index, word in enumerate(argv):
        if word in ("-exec", "-execdir", "-ok", "-okdir"):
            end = next((at for at in range(index, len(argv)) if argv[at] in (";", "+")), len(argv))
            calls.append(_with_places(argv[index + 1 : end], found))
    return calls


def _with_places(words: list[str], places: list[str]) -> list[str]:
    """The command with the files that were found in the place of `{}`."""
    if not any("{}" in word for word in words):
        return [*words, *places]
    shell = os.path.basename(words[0]) in ("sh", "bash", "zsh", "dash") if words else False
    out: list[str] = []
    for word in words:
        if word == "{}":
            out += places
        elif "{}" in word and shell:
            out.append(word.replace("{}", " ".join(places)))
        elif "{}" in word:
            out += [word.replace("{}", place) for place in places]
        else:
            out.append(word)
    return out


def _parallel(argv: list[str]) -> str:
    words = [word for word in argv[1:] if not word.startswith("-")]
    for mark in (":::", ":::+", "::::"):
        if mark in words:
            place = words.index(mark)
            return " ".join(_with_places(words[:place], words[place + 1 :]))
    return " ".join(_with_places(words, [UNKNOWN]))


def _in_a_terminal(argv: list[str]) -> list[list[str] | str]:
    """What tmux or screen start, or type into a shell that they have open."""
    if any(word in ("send-keys", "send", "stuff") for word in argv):
        return [word for word in argv[1:] if " " in word]
    commands: list[list[str] | str] = [word for word in argv[1:] if " " in word]
    place = next((at for at, word in enumerate(argv[1:], 1) if _is_start(word)), 0)
    return commands or ([_after_options(argv[place + 1 :])] if place else [])


def _is_start(word: str) -> bool:
    return word in ("new-session", "new", "new-window", "neww", "split-window", "-dm", "-dmS")


def _after_options(words: list[str]) -> list[str]:
    while words and words[0].startswith("-"):
        words = words[2:] if words[0] in ("-s", "-n", "-t", "-c", "-x", "-y") else words[1:]
    return words


_MANAGERS = frozenset("uv poetry pipenv pdm hatch rye pixi conda mamba micromamba".split())
_INNER: dict[str, Callable[[Call], list[list[str] | str]]] = {
    "xargs": lambda call: [_xargs(call)],
    "find": _executed_by_find,
    "parallel": lambda call: [_parallel(call.argv)],
    "script": _by_script,
    "flock": _by_flock,
    "tmux": lambda call: _in_a_terminal(call.argv),
    "screen": lambda call: _in_a_terminal(call.argv),
    "at": lambda call: [call.feed.text or ""],
    "batch": lambda call: [call.feed.text or ""],
    "hyperfine": lambda call: [word for word in call.argv[1:] if " " in word],
    "awk": _by_awk,
    "gawk": _by_awk,
    "mawk": _by_awk,
    "fd": _by_fd,
    "fdfind": _by_fd,
}
