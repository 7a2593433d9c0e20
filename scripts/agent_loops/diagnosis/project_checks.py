"""What is missing or in the way in the project: bindings, files, commands, git.

Runs no training, and nothing of the project before a person has set a campaign up with it: the
prelude is only read till then, and an interpreter that lies in the project is not started.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping

from agent_loops import commands, setup, snapshots, supervisor
from agent_loops.bindings import Bindings
from agent_loops.branches import Repository
from agent_loops.campaigns import Store
from agent_loops.diagnosis.checks import Check, CheckMaker, make, missing, ok, warn
from agent_loops.diagnosis.interpreters import MARK, bash, may_run_prelude, packages
from agent_loops.diagnosis.subjects import Subject
from agent_loops.errors import AgentLoopsError, BindingsError, Refused
from agent_loops.inference import cautions, infer
from agent_loops.paths import BINDINGS_NAME, CampaignPaths
from agent_loops.workspace import freeze_harness, refuse_dirty_harness

_NOTES_LIMIT_S = 1.0
# Prints, after the mark, those of its arguments that the shell does not know as programs.
_WHICH = (
    f"printf '\\n%s\\n' '{MARK}'; "
    'for word in "$@"; do command -v -- "$word" >/dev/null 2>&1 || printf "%s\\n" "$word"; done'
)
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
    for key in ("prelude", "run_cmd", "eval_cmd", "cleanup_cmd", "notify_cmd"):
        text = str(getattr(bound, key))
        reply = bash(subject, "-nc", text)
        if reply.code:
            broken = True
            yield missing("programs", f"{key}: {reply.said}", f"mend `{key}` in {BINDINGS_NAME}")
        elif key != "prelude":
            wanted = dict.fromkeys(commands.programs(text), key) | wanted
    if not broken:
        yield from _found(subject, bound, wanted)


def _found(subject: Subject, bound: Bindings, wanted: Mapping[str, str]) -> Iterator[Check]:
    """Which of the programs the shell knows; `wanted` says for which binding."""
    if not may_run_prelude(subject, bound):
        said = "not tried: the prelude is not run before a campaign has been set up with it"
        yield warn("programs", said, "read the prelude, then `agent-loops setup`")
        return
    reply = bash(subject, "-c", supervisor.script(bound.prelude, _WHICH), "bash", *wanted)
    _, mark, answer = reply.out.rpartition(f"\n{MARK}\n")
    if not mark:
        if bound.prelude:
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
        if caution.kind == "data first":
            yield ok(caution.kind, f"a reminder, nothing was looked for: {caution.text}")
        else:
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


def cuda(subject: Subject) -> Iterator[Check]:
    """Whether code that names CUDA finds no NVIDIA GPU here."""
    path = subject.environ.get("PATH")
    if (
        subject.bindings is None
        or sys.platform == "darwin"
        or shutil.which("nvidia-smi", path=path)
    ):
        return
    for name, item in sorted(_editable(subject, subject.bindings).items()):
        if found := re.search(rb"\bcuda\b", item.data):
            place = f"{name}:{1 + item.data.count(10, 0, found.start())}"
            step = "run it where the GPU is; or fit the code to the CPU, before setup"
            yield warn("cuda", f"{place} names cuda, and there is no nvidia-smi here", step)
            return


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


def seed(subject: Subject) -> Iterator[Check]:
    """Whether the code states its own seed; before a campaign, while that is easily mended."""
    if subject.bindings is None:
        return
    advice = setup.seed_advice(
        subject.project, subject.bindings, _editable(subject, subject.bindings)
    )
    if advice is not None:
        yield warn("seed", *advice)


MAKERS: tuple[CheckMaker, ...] = (
    bindings, editable_files, programs, packages, budget, seed, before_the_first_run, cuda,
    harness, repository,
)  # fmt: skip


def notes(store: Store) -> list[str]:
    """What setup tells of the programs and packages that the commands lack; it is in no way.

    Nothing where a prelude is to bring them: setup runs none.
    """
    bound = store.campaign.bindings
    if bound.prelude.strip():
        return []
    subject = Subject(
        store.project, os.environ, bound, store.paths.root, store, limit_s=_NOTES_LIMIT_S
    )
    found = make((programs, packages), subject)
    return [f"{check.line}; {check.next}" for check in found if check.state == "missing"]
