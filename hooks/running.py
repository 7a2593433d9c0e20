"""Runs beside the engine: the campaign's own command started by hand, and signals to its processes.

Compares scripts by the file they are, modules by their words; a changed copy of the script under
another name is not recognized. What it measures is in nobody's record.
"""

from __future__ import annotations

import os
import re

from calls import Feed
from expand import UNKNOWN, Scope
from ground import Ground
from shell import Unparsable, parse
from walk import SHELLS, Walker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from calls import Call
    from inline import Code

_RUN = (
    "`{}` is what agent-loops runs and measures: `agent-loops try 'IDEA' --edit -` runs it; a run "
    "beside it takes its device and is recorded nowhere."
)
_KILL = (
    "The run's time limit is the engine's: `agent-loops wait`. Ending it is the person's, by "
    "`agent-loops stop --kill`."
)
_PYTHON = re.compile(r"(python|pypy)[\d.]*[a-z]*\Z")
_LAUNCHING = frozenset(
    "torchrun accelerate deepspeed ipython kernprof coverage srun mpirun mpiexec horovodrun nsys "
    "ncu py-spy gdb node ruby perl julia Rscript uv poetry conda mamba deno bun lua php java "
    "viztracer scalene pipenv pdm hatch ray sbatch bash sh zsh dash".split()
)
_RUNNING_MODULES = frozenset(
    "pdb cProfile profile trace runpy torch.distributed.run torch.distributed.launch coverage "
    "accelerate.commands.launch deepspeed kernprof line_profiler memory_profiler viztracer scalene "
    "debugpy accelerate.commands.accelerate_cli".split()
)
_TRIVIAL = frozenset(
    "echo cat cd export source . true false test [ set mkdir rm sleep ls date env printf umask "
    "ulimit hostname nvidia-smi pwd which python python3 git cp mv ln tee grep tail head".split()
)
_VALUED_BY_PYTHON = ("-W", "-X", "--check-hash-based-pycs")


class Runs:
    """What a command executes: files, modules with their words, other programs with theirs."""

    def __init__(self) -> None:
        self.files: set[str] = set()
        self.modules: list[tuple[str, frozenset[str]]] = []
        self.programs: list[tuple[str, frozenset[str]]] = []


def of_campaign(ground: Ground) -> Runs:
    """What run_cmd and eval_cmd execute."""
    runs = Runs()
    for key in ("run_cmd", "eval_cmd"):
        text = str(ground.campaign.pointer.get(key) or "")
        walker = Walker()
        try:
            walker.script(parse(re.sub(r"\{\w+\}", "1", text)), Scope(ground.root), Feed())
        except Unparsable:
            continue
        for call in walker.calls:
            if call.argv and not call.loose:
                _note(call, runs)
    return runs


def _note(call: Call, runs: Runs) -> None:
    name, words = call.name, call.argv[1:]
    file = _own_file(call)
    if file:
        runs.files.add(file)
        return
    script, module, rest = python_words(words) if _PYTHON.match(name) else ("", "", words)
    if module:
        runs.modules.append((module, frozenset(rest)))
        runs.files |= set(_module_files(call, module))
    elif script:
        runs.files |= set(_existing(call, script))
    elif name in SHELLS:
        plain = [word for word in words if not word.startswith("-")]
        runs.files |= set(_existing(call, plain[0])) if plain and "-c" not in words else set()
    elif name in _LAUNCHING:
        runs.files |= {path for word in words for path in _existing(call, word)}
        if "-m" in words[:-1]:
            runs.files |= set(_module_files(call, words[words.index("-m") + 1]))
    elif name not in _TRIVIAL and not _PYTHON.match(name):
        runs.programs.append((name, frozenset(words)))


def _own_file(call: Call) -> str:
    """The program itself, where it is a file in the project such as ./train.sh."""
    word = call.argv[0]
    if "/" not in word or UNKNOWN in word:
        return ""
    found = [place for place in _existing(call, word) if not os.access(place, os.X_OK)
             or not _PYTHON.match(os.path.basename(place))]  # fmt: skip
    return found[0] if found and call.name not in SHELLS else ""


def _existing(call: Call, word: str) -> list[str]:
    if UNKNOWN in word:
        return []
    return [os.path.realpath(place) for place in call.then.absolute(word) if os.path.isfile(place)]


def python_words(words: list[str]) -> tuple[str, str, list[str]]:
    """The script, the module of `-m`, and the words behind; all empty for `-c` or stdin."""
    index = 0
    while index < len(words) and words[index].startswith("-"):
        word = words[index]
        if word == "-" or (not word.startswith("--") and "c" in word and "m" not in word):
            return "", "", []
        found = re.match(r"-[a-zA-Z]*?m(.*)", word) if not word.startswith("--") else None
        if found:
            module = found.group(1) or "".join(words[index + 1 : index + 2])
            return "", module, words[index + (1 if found.group(1) else 2) :]
        index += 2 if word in _VALUED_BY_PYTHON else 1
    return "".join(words[index : index + 1]), "", words[index + 1 :]


def _module_files(call: Call, module: str) -> list[str]:
    path = module.replace(".", "/")
    names = [f"{base}{path}{end}" for base in ("", "src/") for end in (".py", "/__main__.py")]
    return [place for name in names for place in _existing(call, name)]


def refusal(call: Call, own: Runs, ground: Ground) -> str:
    """Why this would run what the engine runs."""
    if not call.argv or {"--help", "-h", "--version"} & set(call.argv[1:]):
        return ""
    made = Runs()
    _note(call, made)
    name, words = call.name, call.argv[1:]
    _, module, rest = python_words(words) if _PYTHON.match(name) else ("", "", words)
    if module in _RUNNING_MODULES:
        made.files |= {path for word in rest for path in _existing(call, word)}
    for file in made.files:
        if _is_same(file, own.files):
            return _RUN.format(ground.shown(file))
    if name == "make":
        return _RUN.format("make") if _has_program("make", frozenset(words), own) else ""
    modules = [(module, frozenset(rest))] if module else []
    for mine, mine_words in own.modules:
        if any(mine == other and mine_words <= found for other, found in modules):
            return _RUN.format(f"python -m {mine}")
        if name == mine.rpartition(".")[2] and mine_words <= frozenset(words):
            return _RUN.format(mine)
    if module and _has_program(module, frozenset(rest), own):
        return _RUN.format(module)
    return _RUN.format(name) if _has_program(name, frozenset(words), own) else ""


def _has_program(name: str, words: frozenset[str], own: Runs) -> bool:
    return any(mine == name and mine_words <= words for mine, mine_words in own.programs)


def _is_same(file: str, own: set[str]) -> bool:
    """Whether it is one of the scripts, or an exact copy of one."""
    if file in own:
        return True
    for mine in own:
        try:
            if os.path.getsize(mine) == os.path.getsize(file) > 0:
                with open(mine, "rb") as one, open(file, "rb") as other:
                    if one.read() == other.read():
                        return True
        except OSError:
            continue
    return False


def refusal_of_code(code: Code, call: Call, own: Runs, ground: Ground) -> str:
    """Why this code would run what the engine runs: an import runs a script without a guard."""
    if call.feed.text and any(_holds(file, call.feed.text) for file in own.files):
        return _RUN.format(ground.shown(min(own.files)))
    files = [path for name in code.files for path in _existing(call, name)]
    files += [path for name in code.modules for path in _module_files(call, name)]
    for file in files:
        if _is_same(file, own.files):
            return _RUN.format(ground.shown(file))
    return ""


def _holds(file: str, text: str) -> bool:
    """Whether the code that is piped into an interpreter is that file's."""
    try:
        with open(file, encoding="utf-8", errors="replace") as stream:
            return stream.read().strip() == text.strip()
    except OSError:
        return False


def refusal_of_agents(call: Call) -> str:
    """Why no second agent may be started: what it does is nobody's, and no hook of ours sees it."""
    looks = {"--version", "-v", "--help", "-h", "mcp", "doctor", "plugin", "config", "update"}
    if call.name != "claude" or looks & set(call.argv[1:2]):
        return ""
    return "A second agent would work in the project unguarded: do it yourself, or ask the person."


def refusal_to_kill(call: Call, ground: Ground) -> str:
    """Why this signal may not be sent while a run is alive."""
    name, words = call.name, call.argv[1:]
    if name not in ("kill", "pkill", "killall", "killall5", "skill", "fuser", "xkill", "slay"):
        return ""
    if not ground.campaign.run_is_alive:
        return ""
    if name == "fuser":
        return _KILL if any(re.match(r"-[a-zA-Z]*k", word) for word in words) else ""
    if name != "kill":
        return _KILL
    if words[:1] in (["-l"], ["-L"], ["-0"]) or words[:2] == ["-s", "0"]:
        return ""
    targets = words[1:] if words[:1] and words[0].startswith("-") and len(words) > 1 else words
    targets = targets[1:] if words[:1] in (["-s"], ["-n"]) else targets
    return _KILL if any(_is_of_run(word) for word in targets) else ""


def _is_of_run(word: str) -> bool:
    """Whether a process is a run's, or may be: on systems that do not show its environment."""
    if word.startswith("%") or word == "--":
        return False
    if not word.isdigit():
        return True  # a group, or one that only running tells
    try:
        with open(f"/proc/{word}/environ", "rb") as stream:
            return b"AGENT_LOOPS_RUN=" in stream.read()
    except FileNotFoundError:
        return not os.path.isdir("/proc/self")
    except OSError:
        return True
