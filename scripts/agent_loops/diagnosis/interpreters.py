"""Asks the shell and the Python that run the commands what they find, and where.

Runs no code of the project: a top-level module is looked for without being imported.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from agent_loops import closure, commands, environment, gates, snapshots, supervisor
from agent_loops.bindings import Bindings
from agent_loops.branches import Repository
from agent_loops.diagnosis.checks import Check, Reply, ask, missing, ok, warn
from agent_loops.diagnosis.subjects import Subject
from agent_loops.errors import AgentLoopsError
from agent_loops.workspace import Workspace

MARK = "agent-loops has come through the prelude"
# Prints each module's name with the places it would be imported from, none where it is absent:
# as a program in the folder named first would, which is where Python looks first.
_FIND = f"""
import sys
here = sys.path.pop(0)  # a module of the project's is not taken for Python's own
import importlib.util, os
sys.path.insert(0, here)
if sys.path[0] == "":
    sys.path[0] = os.path.abspath(sys.argv[1])
print("\\n{MARK}")
for name in sys.argv[2:]:
    spec = importlib.util.find_spec(name)
    places = list(spec.submodule_search_locations or [spec.origin]) if spec else []
    print(name, *map(os.path.realpath, filter(None, places)), sep="\\t")
"""
_PYTHON = re.compile(r"(?:^|/)python[\d.]*$")
_SCRIPT = r"\s+(?:-[A-Za-z]\S*\s+)*([^\s;&|-]\S*\.py)\b"
_PYTHONPATH = re.compile(r"""\b(PYTHONPATH=(?:'[^']*'|"[^"]*"|[^\s;&|'"])*)""")
# What changes, while the command runs, where a module is imported from.
_MOVES = re.compile(r"\b(?:cd|pushd|install|develop)\b")
_REARRANGES = re.compile(r"\bsys\.path\b|\bpythonpath\b")
_SETTINGS = "pyproject.toml pytest.ini .pytest.ini setup.cfg tox.ini conftest.py".split()


def bash(subject: Subject, *words: str) -> Reply:
    """bash with the environment that runs get, but for bytecode: nothing is left behind."""
    environ = environment.for_runs(subject.environ, bytecode=os.devnull, seed=1)
    return ask(
        ["bash", *words],
        environ={**environ, "PYTHONDONTWRITEBYTECODE": "1"},
        folder=subject.root,
        limit_s=subject.limit_s,
    )


def packages(subject: Subject) -> Iterator[Check]:
    """Whether the interpreter that a command names finds what its scripts import at their top.

    What the editable files hold must be found there, and not in another checkout: edits would
    have no effect.
    """
    bound = subject.bindings
    if bound is None or not may_run_prelude(subject, bound):
        return
    for key in ("run_cmd", "eval_cmd"):
        text = str(getattr(bound, key))
        named = next((word for word in commands.programs(text) if _PYTHON.search(word)), "")
        wanted, own = _imports(subject, text), _own(subject, bound, text)
        if not named or not (wanted or own):
            continue
        if not _may_start(subject, named):
            said = f"{key}: not tried: {named} is a file of the project"
            yield warn("packages", said, "look at it, then `agent-loops setup`")
            continue
        found = _find(subject, bound, text, named, [*wanted, *own])
        absent = [name for name in wanted if found.get(name) == []]
        elsewhere = {
            name: found[name][0]
            for name, place in own.items()
            if found.get(name) and os.path.realpath(subject.root / place) not in found[name]
        }
        for name, place in elsewhere.items():
            folder = PurePosixPath(own[name]).parent
            yield missing(
                "packages", f"{key}: {named} imports {name} from {place}, not from this project",
                f"`{named} -m pip install -e .`, or `PYTHONPATH={folder} {named} …` in `{key}`",
            )  # fmt: skip
        if absent:
            step = f"install them for {named}, or activate their environment in `prelude`"
            yield missing("packages", f"{key}: {named} has no {', '.join(absent)}", step)
        elif found and not elsewhere:
            yield ok("packages", f"{key}: {', '.join(found)}")


def may_run_prelude(subject: Subject, bound: Bindings) -> bool:
    """Whether a person has set up a campaign with it, or there is none to run."""
    return not bound.prelude or _is_set_up(subject)


def _is_set_up(subject: Subject) -> bool:
    """Whether a person has begun a campaign with exactly these bindings."""
    if subject.store is None:
        return False
    workspace = Workspace(subject.store, subject.root, subject.environ)
    try:
        gates.refuse_changed_bindings(workspace, subject.store.campaign)
    except AgentLoopsError:
        return False
    return True


def _may_start(subject: Subject, interpreter: str) -> bool:
    """Whether it is no file of the project, or one of an environment that git does not track."""
    if _is_set_up(subject):
        return True
    found = interpreter
    if "/" not in interpreter:
        found = shutil.which(interpreter, path=subject.environ.get("PATH")) or interpreter
    path = Path(os.path.normpath(subject.root / found))
    root = Path(os.path.realpath(subject.root))
    folder = Path(os.path.realpath(path.parent))
    if not folder.is_relative_to(root):
        return not Path(os.path.realpath(path)).is_relative_to(root)
    if not (folder.parent / "pyvenv.cfg").is_file():
        return False
    repository = Repository.find(subject.root)
    return repository is not None and not repository.has_tracked_below(folder.parent)


def _find(
    subject: Subject, bound: Bindings, command: str, python: str, names: list[str]
) -> dict[str, list[str]]:
    """Where Python would import each module from in this command; empty where it cannot be asked.

    Of the command only a PYTHONPATH that it sets is taken over.
    """
    given = " ".join(_PYTHONPATH.findall(command)[-1:])
    look = supervisor.script(bound.prelude, f'{given} "$0" -c "$@"')
    script = re.search(re.escape(python) + _SCRIPT, command)
    folder = str(PurePosixPath(script[1]).parent) if script else "."
    _, mark, answer = bash(subject, "-c", look, python, _FIND, folder, *names).out.rpartition(
        f"\n{MARK}\n"
    )
    rows = [line.split("\t") for line in answer.splitlines()] if mark else []
    return {name: places for name, *places in rows}


def _own(subject: Subject, bound: Bindings, command: str) -> Mapping[str, str]:
    """The packages that hold editable files, by the names that they are imported by.

    None where the command or the project rearranges what Python searches.
    """
    files = [*_SETTINGS, *closure.import_closure(subject.root, [command])]
    beside = subject.root.glob("*/conftest.py")
    rearranged = map(_rearranges, (*(subject.root / name for name in files), *beside))
    if _MOVES.search(command) or any(rearranged):
        return {}
    try:
        editable = snapshots.read(
            subject.root, bound.editable_files, skip=[subject.sandbox] if subject.sandbox else []
        )
    except AgentLoopsError:
        return {}  # told by the check of the editable files
    tops = {_top(subject.root, path) for path in editable if path.endswith(".py")}
    names = {PurePosixPath(top).stem: top for top in sorted(tops) if top}
    return {name: names[name] for name in names if name not in sys.stdlib_module_names}


def _rearranges(path: Path) -> bool:
    try:
        return bool(_REARRANGES.search(path.read_text(encoding="utf-8", errors="replace")))
    except OSError:
        return False


def _top(root: Path, path: str) -> str:
    """The outermost package around a file, or a module that lies in src/; "" for a script."""
    top = PurePosixPath(path)
    while top.parent.name and (root / top.parent / "__init__.py").is_file():
        top = top.parent
    imported = str(top) != path or str(top.parent) == "src"
    return str(top) if imported and top.stem.isidentifier() else ""


def _imports(subject: Subject, command: str) -> list[str]:
    """Modules from outside the project that a command's scripts cannot start without."""
    found: set[str] = set()
    local: set[str] = set()
    for path in closure.import_closure(subject.root, [command]):
        file = subject.root / path
        try:
            tree = ast.parse(file.read_bytes())
        except (OSError, SyntaxError, ValueError):
            continue
        local.update(entry.name.removesuffix(".py") for entry in file.parent.iterdir())
        for node in tree.body:
            if isinstance(node, ast.Import):
                found.update(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return sorted(found - local - sys.stdlib_module_names)
