"""What is missing or in the way in the project: bindings, files, commands, git.

Runs no training, and nothing of the project before a person has set a campaign up with it: the
prelude is only read till then, and an interpreter that lies in the project is not started.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from agent_loops import closure, commands, environment, gates, setup, snapshots, supervisor
from agent_loops.bindings import Bindings
from agent_loops.branches import Repository
from agent_loops.diagnosis.checks import Check, CheckMaker, Reply, ask, missing, ok, warn
from agent_loops.diagnosis.subjects import Subject
from agent_loops.errors import AgentLoopsError, BindingsError, Refused
from agent_loops.inference import cautions, infer
from agent_loops.paths import BINDINGS_NAME, CampaignPaths
from agent_loops.workspace import Workspace, freeze_harness, refuse_dirty_harness

_PRELUDE_LIMIT_S = 30.0
_MARK = "agent-loops has come through the prelude"
# Prints, after the mark, those of its arguments that the shell does not know as programs.
_WHICH = (
    f"printf '\\n%s\\n' '{_MARK}'; "
    'for word in "$@"; do command -v -- "$word" >/dev/null 2>&1 || printf "%s\\n" "$word"; done'
)
# Imports nothing, and takes no module of the project for its own: the modules are only looked for.
_ABSENT = (
    "import sys; here = sys.path.pop(0); import importlib.util as u; sys.path.insert(0, here); "
    f"print('\\n{_MARK}'); print(*[n for n in sys.argv[1:] if u.find_spec(n) is None])"
)
_PYTHON = re.compile(r"(?:^|/)python[\d.]*$")
_TOLD = ("data first", "downloads", "terminal", "queue", "fixed output", "resumes")


def bindings(subject: Subject) -> Iterator[Check]:
    trouble = subject.trouble
    if trouble is not None and trouble.part == "bindings":
        yield missing("bindings", trouble.reason, trouble.next_step)
    elif subject.bindings is not None:
        yield ok("bindings", f"{subject.bindings.metric} by `{subject.bindings.run_cmd}`")


def editable_files(subject: Subject) -> Iterator[Check]:
    """Everything that setup wants of the files that may be edited, of `locked` and `program`."""
    bound = subject.bindings
    if bound is None:
        return
    try:
        tree = _editable(subject, bound)
        snapshots.require_all(tree, bound.editable_files)
        setup.check_locks(bound, tree)
    except BindingsError as error:
        yield missing("editable files", str(error), f"mend `{error.key}` in {BINDINGS_NAME}")
    else:
        yield ok("editable files", ", ".join(sorted(tree)))
    if bound.program is not None and not (subject.root / bound.program).is_file():
        step = f"write it, or mend `program` in {BINDINGS_NAME}"
        yield missing("program", f"{bound.program}: no such file", step)


def _editable(subject: Subject, bound: Bindings) -> dict[str, snapshots.FileState]:
    skip = [subject.sandbox] if subject.sandbox else []
    return snapshots.read(subject.root, bound.editable_files, skip=skip)


def programs(subject: Subject) -> Iterator[Check]:
    """Whether the shell that runs the commands can read them, and finds what they call."""
    bound = subject.bindings
    if bound is None or not shutil.which("bash", path=subject.environ.get("PATH")):
        return
    wanted: dict[str, str] = {}
    broken = False
    for key in ("prelude", "run_cmd", "eval_cmd", "cleanup_cmd"):
        text = str(getattr(bound, key))
        reply = _bash(subject, "-nc", text)
        if reply.code != 0:
            broken = True
            yield missing("programs", f"{key}: {reply.said}", f"mend `{key}` in {BINDINGS_NAME}")
        elif key != "prelude":
            wanted = dict.fromkeys(commands.programs(text), key) | wanted
    if broken:
        return
    if not _may_run_prelude(subject, bound):
        said = "not tried: the prelude is not run before a campaign has been set up with it"
        yield warn("programs", said, "read the prelude, then `agent-loops setup`")
        return
    reply = _bash(subject, "-c", supervisor.script(bound.prelude, _WHICH), "bash", *wanted)
    _, mark, answer = reply.out.rpartition(f"\n{_MARK}\n")
    if not mark:
        yield missing("prelude", f"fails: {reply.said}", f"mend `prelude` in {BINDINGS_NAME}")
        return
    lost = answer.splitlines()
    for word in lost:
        yield _lost(subject, word, wanted.get(word, "run_cmd"))
    if not lost:
        yield ok("programs", ", ".join(wanted))


def _lost(subject: Subject, word: str, key: str) -> Check:
    if "/" not in word:
        step = f"install it, name another in `{key}`, or activate its environment in `prelude`"
        return missing("programs", f"{key}: {word} is not on PATH", step)
    if (subject.root / word).is_file():
        return missing("programs", f"{key}: {word} is not executable", f"chmod +x {word}")
    return missing("programs", f"{key}: {word} is not there", f"mend `{key}` in {BINDINGS_NAME}")


def packages(subject: Subject) -> Iterator[Check]:
    """Whether the interpreter that a command names finds what its scripts import at their top."""
    bound = subject.bindings
    if bound is None or not _may_run_prelude(subject, bound):
        return
    for key in ("run_cmd", "eval_cmd"):
        text = str(getattr(bound, key))
        named = [word for word in commands.programs(text) if _PYTHON.search(word)]
        wanted = _imports(subject, text)
        if not named or not wanted:
            continue
        if not _may_start(subject, named[0]):
            said = f"{key}: not tried: {named[0]} is a file of the project"
            yield warn("packages", said, "look at it, then `agent-loops setup`")
            continue
        look = supervisor.script(bound.prelude, '"$0" -c "$@"')
        reply = _bash(subject, "-c", look, named[0], _ABSENT, *wanted)
        _, mark, answer = reply.out.rpartition(f"\n{_MARK}\n")
        absent = answer.split()
        if absent:
            step = f"install them for {named[0]}, or activate their environment in `prelude`"
            yield missing("packages", f"{key}: {named[0]} has no {', '.join(absent)}", step)
        elif mark:
            yield ok("packages", f"{key}: {', '.join(wanted)}")


def _may_run_prelude(subject: Subject, bound: Bindings) -> bool:
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


def _bash(subject: Subject, *words: str) -> Reply:
    """bash with the environment that runs get, but for bytecode: nothing is left behind."""
    environ = environment.for_runs(subject.environ, bytecode=os.devnull, seed=1)
    return ask(
        ["bash", *words],
        environ={**environ, "PYTHONDONTWRITEBYTECODE": "1"},
        folder=subject.root,
        limit_s=_PRELUDE_LIMIT_S,
    )


def budget(subject: Subject) -> Iterator[Check]:
    """Whether an edit could change how long a run is."""
    bound = subject.bindings
    if bound is None:
        return
    text = f"{bound.prelude} {bound.run_cmd} {bound.eval_cmd}"
    if bound.budget.kind == "epochs" and "{budget}" not in text and not bound.locked:
        step = "pin it in run_cmd (`--epochs {budget}`), or name its constant in `locked`"
        yield warn("budget", "the epochs stand in code that may be edited", step)
    else:
        unit = {"time": " s", "epochs": " epochs", "none": "none"}[bound.budget.kind]
        yield ok("budget", f"{bound.budget.placeholder}{unit} a run")


def before_the_first_run(subject: Subject) -> Iterator[Check]:
    """What reading the code says of data, prompts and outputs; a baseline has shown the rest."""
    campaign = subject.store.campaign if subject.store else None
    if subject.bindings is None or (campaign is not None and not campaign.wants_baseline):
        return
    for caution in _cautions(subject, subject.bindings):
        yield warn(caution.kind, caution.text)


def _cautions(subject: Subject, bound: Bindings) -> list[cautions.Caution]:
    finding = infer.infer(subject.root)
    scripts = [word for word in str(finding.value("run_cmd") or "").split() if "." in word]
    if not any(word in bound.run_cmd.split() for word in scripts):
        return []  # read of another program than the one that is run
    outside = "{run_dir}" not in bound.run_cmd
    about_outputs = ("fixed output", "resumes")
    return [
        caution
        for caution in finding.warnings
        if caution.kind in _TOLD and (outside or caution.kind not in about_outputs)
    ]


def repository(subject: Subject) -> Iterator[Check]:
    """Whether git lets the campaign begin, or go on; snapshots ask only that it is not broken."""
    name, bound = "repository", subject.bindings
    try:
        found = Repository.find(subject.root)
        head = found.head() if found is not None else None
    except AgentLoopsError as error:
        yield missing(name, str(error), "see what `git status` says")
        return
    in_branches = bound is not None and bound.iter_strategy == "branches"
    if found is None or head is None:
        if in_branches:
            step = "`git init` and commit, or set `iter_strategy: snapshots`"
            yield missing(name, "none around this folder; iter_strategy: branches needs one", step)
        else:
            yield ok(name, "none; snapshots do without")
        return
    where = head.branch or f"no branch (detached at {(head.commit or '')[:9]})"
    doing = f", a {head.operation} under way" if head.operation else ""
    try:
        if in_branches and bound is not None:
            _ask_git(subject, bound, found)
        yield ok(name, f"on {where}{doing}")
    except Refused as error:
        files = f" ({', '.join(error.files[:3])})" if error.files else ""
        yield missing(name, f"on {where}: {error.reason}{files}", error.next_step)


def _ask_git(subject: Subject, bound: Bindings, found: Repository) -> None:
    """Raises what the next command would refuse with."""
    if subject.store is None:
        found.check_can_start(bound.run_tag, sorted(_editable(subject, bound)))
        paths = CampaignPaths(subject.sandbox or subject.root)
        refuse_dirty_harness(found, freeze_harness(subject.root, paths, bound, found))
    elif subject.is_open:
        found.check_no_operation()
        tag, head = subject.store.campaign.tag, found.head()
        if head.branch != f"autoresearch/{tag}":
            raise Refused(
                "git", f"not on the campaign's branch autoresearch/{tag}",
                next_step=found.way_back(tag),
            )  # fmt: skip


def harness(subject: Subject) -> Iterator[Check]:
    """Whether what `readonly_files` names is there, before a campaign has frozen it."""
    bound = subject.bindings
    if bound is None or subject.store is not None or subject.sandbox is None:
        return
    try:
        frozen = freeze_harness(
            subject.root, CampaignPaths(subject.sandbox), bound, Repository.find(subject.root)
        )
        setup.refuse_foreign_folder(subject.sandbox)
    except BindingsError as error:
        yield missing("harness", str(error), f"mend `{error.key}` in {BINDINGS_NAME}")
    else:
        yield ok("harness", f"{len(frozen.files)} files would be frozen")


MAKERS: tuple[CheckMaker, ...] = (
    bindings, editable_files, programs, packages, budget, before_the_first_run, harness, repository,
)  # fmt: skip
