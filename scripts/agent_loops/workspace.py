"""One workspace of a campaign: its editable files, its harness, its repository.

Starts nothing and decides nothing; every write of editable files goes through `put`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from agent_loops import display, events, files, integrity, restoring, scan, snapshots
from agent_loops.bindings import Bindings
from agent_loops.campaigns import Store
from agent_loops.errors import AgentLoopsError, Refused
from agent_loops.paths import CampaignPaths
from agent_loops.state import Campaign

if TYPE_CHECKING:  # imported where a repository is asked for: snapshots do without git
    from agent_loops.branches import CandidateFile, Repository


class Workspace:
    """The folder `root`, in which the editable files lie and the runs take place.

    Nothing assumes that it is the current directory. `environ` is the caller's environment;
    `told` collects notes for the answer under way.
    """

    def __init__(self, store: Store, root: Path, environ: Mapping[str, str]) -> None:
        self.store = store
        self.root = root
        self.environ = environ
        self.told: list[str] = []

    @property
    def campaign(self) -> Campaign:
        return self.store.campaign

    def saved(self, number: int) -> dict[str, snapshots.FileState]:
        """An experiment's files, exactly as run, from whichever snapshot holds them.

        A kill before a baseline's next attempt is recorded leaves the attempt before it set aside,
        and where it was the next one, or a part of that.

        Raises:
            snapshots.SnapshotError: no snapshot that can be read holds them.
        """
        experiment = self.campaign.experiments.get(number)
        if experiment is None:
            return self._load(number)
        code = experiment.started.code
        problem: AgentLoopsError | None = None
        for holder in (number, self.campaign.holders.get(code, number)):
            try:
                tree = self._load(holder)
            except snapshots.SnapshotError as error:
                problem = problem or error
                continue
            if snapshots.digest(tree) == code:
                return tree
        for tree in reversed(self.attempts(number)):
            if snapshots.digest(tree) == code:
                return tree
        what = problem or f"{self.store.paths.snapshot(number)}: other code than was run"
        raise snapshots.SnapshotError(f"the saved code of #{number} is damaged: {what}") from None

    def _load(self, number: int) -> dict[str, snapshots.FileState]:
        paths = self.store.paths
        return snapshots.load(code=paths.snapshot(number), manifest=paths.manifest(number))

    def readable(self, *numbers: int) -> list[dict[str, snapshots.FileState]]:
        """The files of these experiments, but for those whose snapshot was damaged."""
        trees = []
        for number in numbers:
            with contextlib.suppress(snapshots.SnapshotError):
                trees.append(self.saved(number))
        return trees

    def attempts(self, number: int) -> list[dict[str, snapshots.FileState]]:
        """The files of a baseline's earlier attempts, oldest first."""
        manifests = sorted(
            self.store.paths.experiment(number).glob("attempt-*/manifest.json"),
            key=lambda path: path.stat().st_mtime_ns,
        )
        return [
            snapshots.load(code=path.with_name("code_snapshot"), manifest=path)
            for path in manifests
        ]

    def present(self) -> dict[str, snapshots.FileState]:
        """The editable files as they lie now.

        Raises:
            Refused: something else lies at one of their paths.
        """
        try:
            return snapshots.read(
                self.root, self.campaign.bindings.editable_files, skip=(self.store.paths.root,)
            )
        except snapshots.OddFile as odd:
            number = self.campaign.incumbent_number or 1
            raise Refused(
                "odd file", f"{odd.path} {odd.what}; editable files are {snapshots.ALLOWED}",
                files=[odd.path],
                next_step=f"put a file there; or `agent-loops checkout {number}` moves it into "
                f"rescue/ and puts the code of #{number} back",
            ) from odd  # fmt: skip

    def survey(self) -> tuple[dict[str, snapshots.FileState], list[str]]:
        """`present`, but for the paths at which something else lies; and those."""
        return snapshots.survey(
            self.root, self.campaign.bindings.editable_files, skip=(self.store.paths.root,)
        )

    def incumbent_tree(self) -> dict[str, snapshots.FileState]:
        """The files that the next idea builds on; before a baseline, those of setup.

        Raises:
            Refused: they are damaged; names an experiment that can be read.
        """
        number = self.campaign.incumbent_number or 1
        try:
            return self.saved(number)
        except snapshots.SnapshotError as error:
            other = next((n for n in reversed(self.campaign.experiments) if self.readable(n)), None)
            next_step = "put it back from a backup"
            if other is not None:
                next_step += (
                    f"; or `agent-loops checkout {other}`, then "
                    "`agent-loops rebaseline --why …` goes on from there"
                )
            saved = self.store.paths.snapshot(number)
            raise Refused(
                "damaged", str(error), files=[self.shown(saved)], next_step=next_step
            ) from error

    def deleted(self, tree: snapshots.Tree) -> list[str]:
        """Editable paths that existed at the campaign's beginning or since, but not in `tree`."""
        before = self.readable(1, self.campaign.incumbent_number or 1)
        return sorted({path for one in before for path in one} - tree.keys())

    def put(self, target: snapshots.Tree, *, known: Sequence[snapshots.Tree], number: int) -> None:
        """Makes the editable files equal `target`, and records what had to be rescued."""
        present, odd = self.survey()
        if self.holds(present):
            known = [*known, present]
        restoring.restore(
            self.root, target, present=present, odd=odd, known=[*known, target],
            latest=self.store.paths.latest,
            rescue=lambda: self._rescue_folder(number), rescued=self._record_rescue,
        )  # fmt: skip

    def holds(self, tree: snapshots.Tree) -> bool:
        """Whether an experiment has just these files, and they can still be read back."""
        code = snapshots.digest(tree)
        number = self.campaign.holders.get(code)
        if number is None:
            return False
        with contextlib.suppress(snapshots.SnapshotError):
            return code in map(snapshots.digest, [self.saved(number), *self.attempts(number)])
        return False

    def _record_rescue(self, folder: Path, paths: Sequence[str]) -> None:
        shown = self.shown(folder)
        self.store.append(events.Rescued(folder=shown, files=tuple(paths)))
        names = ", ".join(display.clean(path, 200) for path in paths[:5])
        self.told.append(f"edits of {names} were set aside in {shown}")

    def _rescue_folder(self, number: int) -> Path:
        stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        folder = self.store.paths.rescue / f"{number}-{stamp}"
        suffix = 1
        while folder.exists():
            suffix += 1
            folder = self.store.paths.rescue / f"{number}-{stamp}-{suffix}"
        files.make_dir(folder)
        return folder

    def shown(self, path: Path) -> str:
        """A path as a person in the project's folder would write it."""
        if path.is_relative_to(self.store.project.root):
            return os.path.relpath(path, self.store.project.root)
        return str(path)

    def scope(self) -> integrity.Scope:
        return scope_of(
            self.root, self.store.paths, self.campaign.bindings, tuple(self.campaign.outputs)
        )

    def harness(self) -> integrity.Harness:
        return integrity.load(
            self.store.paths.harness(self.campaign.epoch), digest=self.campaign.harness_digest
        )

    def repository(self) -> Repository:
        from agent_loops.branches import Repository

        repository = Repository.find(self.root)
        if repository is None:
            raise AgentLoopsError("the git repository is gone; put it back, then try again")
        return repository

    def take_told(self) -> tuple[str, ...]:
        """The notes collected so far; they are told once."""
        told = tuple(self.told)
        self.told.clear()
        return told


def scope_of(
    workspace: Path, paths: CampaignPaths, bindings: Bindings, outputs: tuple[str, ...] = ()
) -> integrity.Scope:
    """Where the harness is looked for."""
    return integrity.Scope(workspace, (paths.root,), scan.matcher(bindings.editable_files), outputs)


def freeze_harness(
    workspace: Path, paths: CampaignPaths, bindings: Bindings, repository: Repository | None
) -> integrity.Harness:
    """Hashes the harness of a project as it lies."""
    return integrity.freeze(
        scope_of(workspace, paths, bindings),
        tracked=repository.tracked_files() if repository is not None else None,
        readonly=bindings.readonly_files,
        commands=(bindings.run_cmd, bindings.eval_cmd, bindings.checks_cmd, bindings.holdout_cmd),
    )


def refuse_dirty_harness(repository: Repository, harness: integrity.Harness) -> None:
    """The commits would hold other code than was measured."""
    dirty = repository.untracked_or_changed(sorted(harness.files))
    if dirty:
        shown = ", ".join(dirty[:5])
        raise Refused(
            "dirty harness", f"not as committed: {shown}", files=dirty,
            next_step="commit these files, or set `iter_strategy: snapshots`",
        )  # fmt: skip


def candidate_files(tree: snapshots.Tree) -> list[CandidateFile]:
    """The tree in the words of `branches`."""
    from agent_loops.branches import CandidateFile

    return [CandidateFile(path, item.data, item.executable) for path, item in sorted(tree.items())]
