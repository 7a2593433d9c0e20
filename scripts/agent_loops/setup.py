"""Begins a campaign: everything is checked before anything is written.

Runs nothing: the first `try` measures the baseline.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from agent_loops import (
    __version__,
    answers,
    campaigns,
    devices,
    environment,
    events,
    files,
    fold,
    integrity,
    machine,
    pointer,
    restoring,
    scan,
    snapshots,
)
from agent_loops.bindings import Bindings, next_clock_time
from agent_loops.branches import Repository
from agent_loops.campaigns import Store
from agent_loops.errors import BindingsError, Refused
from agent_loops.journal import Journal, utc_now
from agent_loops.locks import Lock
from agent_loops.paths import CampaignPaths, ProjectPaths
from agent_loops.workspace import freeze_harness, refuse_dirty_harness

_OURS = frozenset(
    ".gitignore rescue harness.json harness.cache.json iter1 lock run.lock journal.jsonl "
    "journal.torn".split()
)


@dataclass(frozen=True, slots=True)
class Begun:
    """What setup has to tell a person."""

    store: Store
    editable: tuple[str, ...]
    harness: integrity.Harness
    metric_lines: tuple[str, ...]
    program: str
    notes: tuple[str, ...]
    origin: str = ""


def begin(project: ProjectPaths, environ: Mapping[str, str], *, from_tag: str = "") -> Begun:
    """Checks the bindings, then makes the branch, the campaign's folder and its journal.

    Args:
        project: the project's paths.
        environ: the caller's environment.
        from_tag: an earlier campaign whose incumbent's code this one begins with.

    Raises:
        BindingsError: a binding is wrong.
        Refused: the tag or another campaign exists, or git is in no state to begin.
    """
    campaigns.read_bindings(project, default_tag="x")  # a mistake is told before anything is made
    pointer.make_state_dir(project)
    with files.locked(project.setup_lock, wait_s=5.0):
        bindings = _with_free_tag(project)
        return _begin_locked(project, bindings, environ, from_tag)


def _begin_locked(
    project: ProjectPaths, bindings: Bindings, environ: Mapping[str, str], from_tag: str
) -> Begun:
    paths = CampaignPaths(campaigns.sandbox_of(project, bindings))
    refuse_foreign_folder(paths.root)
    present = snapshots.read(project.root, bindings.editable_files, skip=(paths.root,))
    earlier, origin = _code_of(project, bindings, from_tag) if from_tag else ({}, "")
    tree = {**present, **earlier}
    snapshots.require_all(tree, bindings.editable_files)
    check_locks(bindings, tree)
    if bindings.program is not None and not (project.root / bindings.program).is_file():
        raise BindingsError("program", bindings.program, "no such file")
    repository = Repository.find(project.root)
    if bindings.iter_strategy == "branches":
        if repository is None:
            raise Refused(
                "git", "iter_strategy: branches needs a git repository, and this folder is in none",
                next_step="`git init` and commit, or set `iter_strategy: snapshots`",
            )  # fmt: skip
        if not _began_before(paths, repository, bindings.run_tag):
            repository.check_can_start(bindings.run_tag, sorted(tree))
    harness = freeze_harness(project.root, paths, bindings, repository)
    if bindings.iter_strategy == "branches":
        assert repository is not None
        refuse_dirty_harness(repository, harness)

    files.make_dir(paths.root, mode=0o700)
    os.chmod(paths.root, 0o700)
    files.write_atomic(paths.root / ".gitignore", b"*\n")
    integrity.save(harness, paths.harness(0))
    code = snapshots.save(tree, code=paths.snapshot(1), manifest=paths.manifest(1), before={})
    notes = _put(project, paths, tree, present) if from_tag else ()
    base, branch = "", ""
    if repository is not None:
        base = repository.head().commit or ""
    if bindings.iter_strategy == "branches":
        assert repository is not None
        base = repository.start_branch(bindings.run_tag)
        branch = f"autoresearch/{bindings.run_tag}"
    salt = secrets.token_hex(8)
    started = events.CampaignStarted(
        tag=bindings.run_tag,
        project=str(project.root),
        bindings=bindings.to_json(),
        bindings_digest=campaigns.bindings_digest(bindings),
        harness_digest=harness.digest,
        bindings_file=campaigns.bindings_file_digest(project),
        code=code,
        base=base,
        branch=branch,
        repository=repository.provenance() if repository is not None else {},
        session=campaigns.session_of(environ),
        salt=salt,
        environment=environment.fingerprint(environ, salt=salt),
        device=devices.describe(environ),
        stop_at_utc=stop_at_utc(bindings, utc_now()),
        program_version=__version__,
    )
    journal = Journal(paths, boot_id=machine.boot_id())
    with files.locked(paths.lock, wait_s=5.0):
        record = journal.append(started, seq=1)
    campaign = fold.fold([record])
    assert campaign is not None
    store = campaigns.open_store(project, paths)
    store.write_derived()
    lines = integrity.metric_lines(
        {path: file.data for path, file in tree.items()}, bindings.metric
    )
    return Begun(
        store,
        tuple(sorted(tree)),
        harness,
        tuple(f"{path}:{number}" for (path, _), number in lines.items()),
        bindings.program or "",
        (
            *notes,
            *_hard_link_notes(project, tree),
            *_seed_notes(project, bindings, tree),
            *integrity.gaps(harness, project.root, tree.keys(), bindings.eval_cmd),
        ),
        origin,
    )


def seed_advice(
    project: ProjectPaths, bindings: Bindings, tree: snapshots.Tree
) -> tuple[str, str] | None:
    """Which hard-coded seeds the editable files hold, and how to mend it; None without any."""
    from agent_loops import closure, reseeding, seeds

    code = {path: item.data for path, item in tree.items()}
    named = closure.import_closure(project.root, [bindings.run_cmd])
    others = (project.root / path for path in named - code.keys())
    given = seeds.is_given(f"{bindings.prelude}\n{bindings.run_cmd}") or seeds.is_read(
        [*code.values(), *(path.read_bytes() for path in others if path.is_file())]
    )
    return reseeding.advice(code, given=given)


def _seed_notes(project: ProjectPaths, bindings: Bindings, tree: snapshots.Tree) -> tuple[str, ...]:
    advice = seed_advice(project, bindings, tree)
    return (f"seed: {'; '.join(advice)}",) if advice else ()


def _hard_link_notes(project: ProjectPaths, tree: snapshots.Tree) -> tuple[str, ...]:
    names = snapshots.with_other_names(project.root, tree)[:5]
    said = "a hard link; its other names keep the content they have now"
    return (f"{', '.join(names)}: {said}",) if names else ()


def _code_of(
    project: ProjectPaths, bindings: Bindings, tag: str
) -> tuple[dict[str, snapshots.FileState], str]:
    """The incumbent's code of an earlier campaign, as far as editable in this one; and its name."""
    root = campaigns.campaign_root(project, tag)
    if root is None:
        raise Refused(
            "no campaign", f"there is no campaign {tag} in this project",
            next_step="`agent-loops setup` without --from, or with the tag of another",
        )  # fmt: skip
    store = campaigns.open_store(project, CampaignPaths(root))
    incumbent = store.campaign.incumbent
    if incumbent is None:
        raise Refused(
            "no campaign", f"campaign {tag} has kept nothing yet",
            next_step="`agent-loops setup` without --from",
        )  # fmt: skip
    saved = snapshots.load(
        code=store.paths.snapshot(incumbent.number), manifest=store.paths.manifest(incumbent.number)
    )
    editable = scan.matcher(bindings.editable_files)
    metric = answers.metric_text(store.campaign, incumbent)
    origin = f"#{incumbent.number} of {tag} ({store.campaign.bindings.metric} {metric})"
    best = store.campaign.best
    if best is not None and best.number != incumbent.number:
        origin += f", its incumbent; its best is #{best.number}"
    return {path: item for path, item in saved.items() if editable(path)}, origin


def _put(
    project: ProjectPaths, paths: CampaignPaths, tree: snapshots.Tree, present: snapshots.Tree
) -> tuple[str, ...]:
    """Puts that code into the editable files; what lay there is set aside first."""
    folder, saved = restoring.restore(
        project.root, tree, present=present, known=[], latest=paths.latest,
        rescue=lambda: paths.rescue / f"0-{utc_now():%Y%m%dT%H%M%SZ}",
    )  # fmt: skip
    if folder is None:
        return ()
    shown = os.path.relpath(folder, project.root)
    return (f"{', '.join(saved[:5])}: what lay there before is in {shown}",)


def check_locks(bindings: Bindings, tree: snapshots.Tree) -> None:
    """Raises `BindingsError` where a lock names nothing that the editable files hold."""
    for text in bindings.locked:
        lock = Lock.parse(text)
        if lock.path not in tree:
            allowed = "a part of an editable file; other files are the harness"
            raise BindingsError("locked", text, allowed)
        try:
            found = lock.find(tree[lock.path].data)
        except (SyntaxError, ValueError) as error:
            raise BindingsError("locked", text, f"{lock.path} is no Python: {error}") from error
        if not found:
            advice = lock.advice(tree[lock.path].data)
            raise BindingsError("locked", text, f"{lock.path} has no {lock.name}{advice}")


def _with_free_tag(project: ProjectPaths) -> Bindings:
    """Resolves the run tag: the given one must be new, today's gets a suffix where it is taken."""
    today = campaigns.tag_of_today()
    bindings = campaigns.read_bindings(project, default_tag=today)
    given = campaigns.read_bindings(project, default_tag="x").run_tag != "x"
    _refuse_open_campaign(project)
    if given:  # what git has of that name is told with its reason later
        if campaigns.has_campaign(campaigns.sandbox_of(project, bindings)):
            raise Refused(
                "campaign exists", f"campaign {bindings.run_tag} exists already",
                next_step="`agent-loops resume` continues it; or set another run_tag, or none",
            )  # fmt: skip
        return bindings
    repository = Repository.find(project.root) if bindings.iter_strategy == "branches" else None
    suffix = 1
    while _taken(project, bindings, repository):
        suffix += 1
        bindings = campaigns.read_bindings(project, default_tag=f"{today}-{suffix}")
    return bindings


def _refuse_open_campaign(project: ProjectPaths) -> None:
    try:
        campaign = campaigns.find_store(project).campaign
    except Refused:
        return
    campaigns.refuse_unless_ended(campaign)


def _taken(project: ProjectPaths, bindings: Bindings, repository: Repository | None) -> bool:
    paths = CampaignPaths(campaigns.sandbox_of(project, bindings))
    if campaigns.has_campaign(paths.root):
        return True
    if repository is None or _began_before(paths, repository, bindings.run_tag):
        return False
    tag = bindings.run_tag
    return repository.branch_commit(tag) is not None or repository.has_refs(tag)


def _began_before(paths: CampaignPaths, repository: Repository, tag: str) -> bool:
    """Whether a setup was killed after it had made the branch and before the first record."""
    if not paths.harness(0).exists() or campaigns.has_campaign(paths.root):
        return False
    return repository.branch_commit(tag) == repository.head().commit


def refuse_foreign_folder(root: Path) -> None:
    """A folder that holds anything but a setup's leftovers is somebody's; it is left alone."""
    try:
        names = {name for name in os.listdir(root) if not files.is_temporary(name)}
    except FileNotFoundError:
        return
    except OSError as error:
        raise BindingsError(
            "sandbox_root", str(root), f"a folder of its own: {error.strerror}"
        ) from error
    if names - _OURS:
        raise BindingsError(
            "sandbox_root", str(root),
            f"a new or empty folder; this one holds {min(names - _OURS)}",
        )  # fmt: skip


def stop_at_utc(bindings: Bindings, now: datetime) -> str:
    """The next time that the clock shows `stop_at`, in UTC; empty without one."""
    return next_clock_time(bindings.stop_at, now) if bindings.stop_at is not None else ""
