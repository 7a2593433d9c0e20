"""Finds the project and its campaign, and keeps fold and journal together under the lock.

Runs nothing and decides nothing; `loop` does, with what is opened here.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from agent_loops import (
    belief_cache,
    events,
    files,
    fold,
    fold_cache,
    machine,
    pointer,
    results,
    shim,
    state,
)
from agent_loops import bindings as binding_files
from agent_loops.bindings import Bindings
from agent_loops.errors import AgentLoopsError, BindingsError, Refused, UsageError
from agent_loops.journal import Journal, utc_now
from agent_loops.paths import BINDINGS_NAME, CampaignPaths, ProjectPaths

_LOCK_WAIT_S = 10.0
# Folding this many records anew costs a few milliseconds; a longer tail is worth a cache file.
_RECORDS_BETWEEN_CACHES = 500


def session_of(environ: Mapping[str, str]) -> str:
    """The host's session, or "" for a person's terminal."""
    return environ.get("CLAUDE_CODE_SESSION_ID", "")


def find_project(start: Path) -> ProjectPaths:
    """The nearest folder, from `start` upwards, that holds loop.run.yaml.

    Raises:
        UsageError: there is none.
    """
    start = Path(os.path.realpath(start))
    for folder in (start, *start.parents):
        if (folder / BINDINGS_NAME).is_file():
            return ProjectPaths(folder)
    raise UsageError(
        f"no {BINDINGS_NAME} in {start} or above it; write one there "
        "(metric, run_cmd, editable_files), then run `agent-loops setup`"
    )


def read_bindings(
    project: ProjectPaths, *, default_tag: str, default_rule: str = "noise-aware"
) -> Bindings:
    """Reads and checks the project's loop.run.yaml."""
    try:
        text = project.bindings.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{project.bindings}: cannot be read: {error}") from error
    return binding_files.parse(text, default_tag=default_tag, default_rule=default_rule)


def present_bindings(project: ProjectPaths, campaign: state.Campaign) -> Bindings:
    """What loop.run.yaml says of a campaign now; where it names neither, by its own tag and rule.

    A campaign that began under another default goes on by it.
    """
    rule = campaign.bindings.keep_rule
    return read_bindings(project, default_tag=campaign.tag, default_rule=rule)


def bindings_digest(bindings: Bindings) -> str:
    """SHA-256 over the resolved bindings."""
    return files.sha256(files.dump_json(bindings.to_json()).encode())


def bindings_file_digest(project: ProjectPaths) -> str:
    """SHA-256 over loop.run.yaml as it lies; "" where it cannot be read."""
    try:
        return files.sha256_file(project.bindings)
    except OSError:
        return ""


def sandbox_of(project: ProjectPaths, bindings: Bindings) -> Path:
    """The campaign's folder, absolute.

    Raises:
        BindingsError: it would be the project itself or a folder above it.
    """
    root = Path(os.path.realpath(project.root / bindings.sandbox_root))
    if root == project.root or root in project.root.parents:
        raise BindingsError(
            "sandbox_root", bindings.sandbox_root, "a folder of its own below the project"
        )
    return root


class Store:
    """One campaign: its paths, journal and fold."""

    def __init__(
        self,
        project: ProjectPaths,
        paths: CampaignPaths,
        journal: Journal,
    ) -> None:
        self.project = project
        self.paths = paths
        self.journal = journal
        self._open()

    def _open(self) -> None:
        self._inode = self.paths.journal.stat().st_ino
        self.campaign, self._offset = _folded(self.journal, self.paths)
        self._since_cache = 0
        self._remembered = 0

    @property
    def is_copy(self) -> bool:
        """Whether the project was copied with this record, and the original is still there."""
        original = Path(self.campaign.started.project)
        return (
            self.paths.root.is_relative_to(self.project.root)
            and has_campaign(original / self.paths.root.relative_to(self.project.root))
            and not original.samefile(self.project.root)
        )

    @contextlib.contextmanager
    def locked(self) -> Iterator[state.Campaign]:
        """Holds the campaign's lock, with the fold brought up to date."""
        if not self.paths.journal.exists():
            raise AgentLoopsError(
                f"{self.paths.root}: the campaign's record is gone, a run under way is not ended; "
                "put the folder back; or see to the editable files, which may hold an idea that "
                "was not measured, and begin anew with `agent-loops setup`"
            )
        with files.locked(self.paths.lock, wait_s=_LOCK_WAIT_S):
            self.refresh()
            if self.journal.set_broken_line_aside(self._offset):
                name = self.paths.torn.name
                self.append(events.Note(text=f"the record's last line was broken: it is in {name}"))
            if self._since_cache > _RECORDS_BETWEEN_CACHES:
                fold_cache.save(self.campaign, self.paths, offset=self._offset)
                self._since_cache = 0
            self._remembered = belief_cache.save(self.campaign, self.paths, saved=self._remembered)
            yield self.campaign

    def work_out_belief(self) -> None:
        """Goes through the findings so far, so that the next verdict need not wait for that."""
        campaign = self.campaign
        if len(campaign.findings) - campaign.believed > belief_cache.MOST_BEHIND:
            self._remembered = belief_cache.recall(campaign, self.paths)
        _ = campaign.belief

    def refresh(self) -> None:
        """Folds what others have appended since.

        A supervisor may have put the journal back: then all is folded anew, for what was folded may
        be what its run had written.
        """
        if self.paths.journal.stat().st_ino != self._inode:
            self._open()
        records = self.journal.records(offset=self._offset, first_line=self.campaign.seq + 1)
        for offset, record in records:
            try:
                fold.apply(self.campaign, record)
            except ValueError as error:
                raise self.journal.damaged(record.seq, str(error)) from error
            self._offset = offset
            self._since_cache += 1

    def append(self, event: events.Event) -> None:
        """Writes an event and applies it. The caller holds the lock and has folded."""
        record = self.journal.append(event, seq=self.campaign.seq + 1)
        fold.apply(self.campaign, record)
        self._offset = self.paths.journal.stat().st_size

    def write_derived(self) -> None:
        """Brings the tables and active.json up to the journal, the shim to this installation.

        They are derived: where one cannot be written it is left as it is, and no command fails.
        """
        for path in (self.paths.results, self.project.active):
            _make_way(path)
        with contextlib.suppress(AgentLoopsError, OSError):
            results.write(self.campaign, self.paths.results)
        with contextlib.suppress(AgentLoopsError, OSError):
            self._write_corpus()
        with contextlib.suppress(AgentLoopsError, OSError):
            pointer.write(self.campaign, self.project, self.paths)
        if self.campaign.bindings.explore is not None:
            with contextlib.suppress(AgentLoopsError, OSError):
                self._write_approaches()
        shim.write(self.project)

    def _write_corpus(self) -> None:
        if not self.campaign.corpus:
            return
        from agent_loops.literature import corpus

        _make_way(self.paths.corpus)
        data = corpus.render(self.campaign).encode("utf-8", "replace")
        if not self.paths.corpus.exists() or self.paths.corpus.read_bytes() != data:
            files.write_atomic(self.paths.corpus, data, mode=0o644, durable=False)

    def _write_approaches(self) -> None:
        from agent_loops import approaches  # only exploration has any

        data, path = approaches.render(self.campaign).encode(), self.paths.approaches
        _make_way(path)
        if not path.is_file() or path.read_bytes() != data:
            files.write_atomic(path, data, mode=0o644, durable=False)


def _make_way(path: Path) -> None:
    """Moves aside what lies in a derived file's place and is no file."""
    if os.path.lexists(path) and not path.is_file():
        with contextlib.suppress(OSError):
            path.rename(path.with_name(f"{path.name}.moved-{utc_now():%Y%m%dT%H%M%S%fZ}"))


def open_store(project: ProjectPaths, paths: CampaignPaths) -> Store:
    """Opens a campaign by its folder.

    Raises:
        JournalError: the record is damaged or newer than this program.
    """
    journal = Journal(paths, boot_id=machine.boot_id())
    store = Store(project, paths, journal)
    store.refresh()
    return store


def _folded(journal: Journal, paths: CampaignPaths) -> tuple[state.Campaign, int]:
    """The campaign as a cache has it, else as it began, and the offset behind that."""
    cached = fold_cache.load(paths)
    if cached is not None:
        return cached
    try:
        offset, first = next(journal.records())
        campaign = fold.fold([first])
    except StopIteration:
        again = f"{paths.journal}: empty; run `agent-loops setup` again"
        raise AgentLoopsError(again) from None
    except ValueError as error:
        raise AgentLoopsError(f"{paths.journal}:1: {error}") from error
    assert campaign is not None
    return campaign, offset


def find_root(project: ProjectPaths) -> Path | None:
    """The folder of the project's campaign, which is not opened; None where there is none yet."""
    return _active_root(project) or _latest_root(project)


def find_store(project: ProjectPaths) -> Store:
    """Opens the project's campaign: the active one, else the one begun last.

    Raises:
        Refused: there is none yet.
    """
    root = find_root(project)
    if root is None:
        raise Refused("no campaign", "no campaign here yet", next_step="run `agent-loops setup`")
    store = open_store(project, CampaignPaths(root))
    original = Path(store.campaign.started.project)
    if original != project.root and not root.is_relative_to(project.root):
        _refuse_shared_record(store, original)
    return store


def _refuse_shared_record(store: Store, original: Path) -> None:
    """A record outside the project is led by the project it was made for, not by its copies."""
    if not (original / BINDINGS_NAME).is_file() or original.samefile(store.project.root):
        return
    raise Refused(
        "another project", f"the campaign in {store.paths.root} is that of {original}",
        next_step="work there; or set another sandbox_root in this copy's loop.run.yaml and run "
        "`agent-loops setup`",
    )  # fmt: skip


def named_store(project: ProjectPaths) -> Store:
    """Opens the campaign that loop.run.yaml names, else the active one.

    Raises:
        Refused: there is none yet, or another one has not ended.
    """
    active = find_store(project)
    try:
        root = sandbox_of(project, present_bindings(project, active.campaign))
    except UsageError:
        return active
    if root == Path(os.path.realpath(active.paths.root)) or not has_campaign(root):
        return active
    refuse_unless_ended(active.campaign)
    return open_store(project, CampaignPaths(root))


def refuse_unless_ended(campaign: state.Campaign) -> None:
    """One campaign at a time works on a project's files: this one must be stopped and settled."""
    if campaign.stopped is None:
        raise Refused(
            "campaign exists", f"campaign {campaign.tag} exists and is open",
            next_step="`agent-loops try` continues it; for another one `agent-loops stop`, then "
            "`agent-loops setup` (where loop.run.yaml has a run_tag: with another one)",
        )  # fmt: skip
    if not campaign.under_way:
        return
    next_step = "`agent-loops wait` settles it (or `stop --kill`); then the same command again"
    if campaign.waits_for_run:
        next_step = f"set `run_tag: {campaign.tag}`, `agent-loops resume`, then `agent-loops wait`"
    raise Refused(
        "campaign exists",
        f"campaign {campaign.tag} was stopped, but its experiment {campaign.open_number or ''} is "
        "not settled: the candidate may still lie in the editable files",
        next_step=next_step,
    )


def _active_root(project: ProjectPaths) -> Path | None:
    """The folder that active.json points to; it is derived, so it is believed only if it fits."""
    try:
        pointer = files.load_json(project.active.read_bytes())
        root = project.root / str(pointer["sandbox"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return root if has_campaign(root) else None


def campaign_root(project: ProjectPaths, tag: str) -> Path | None:
    """The folder of the project's campaign of that tag."""
    bindings = read_bindings(project, default_tag="*")
    pattern = bindings.sandbox_root
    if bindings.run_tag != "*":
        pattern = pattern.replace(bindings.run_tag, tag)
    root = project.root / pattern.replace("*", tag)
    return root if has_campaign(root) else None


def _latest_root(project: ProjectPaths) -> Path | None:
    """The campaign begun last among those that sandbox_root can name."""
    try:
        pattern = read_bindings(project, default_tag="*").sandbox_root.removeprefix("./")
    except UsageError:
        return None
    base = Path(pattern) if pattern.startswith("/") else project.root / pattern
    parts = base.parts
    split = next((i for i, part in enumerate(parts) if "*" in part), len(parts))
    top = Path(*parts[:split])
    found = top.glob("/".join(parts[split:])) if split < len(parts) else [top]
    roots = [root for root in found if has_campaign(root)]
    return max(roots, key=lambda root: (root / "journal.jsonl").stat().st_mtime, default=None)


def has_campaign(root: Path) -> bool:
    """Whether a campaign was begun in the folder: a first record that a kill cut off is none."""
    try:
        with CampaignPaths(root).journal.open("rb") as stream:
            return stream.readline().endswith(b"\n")
    except OSError:
        return False


def tag_of_today() -> str:
    """The default tag, by the person's own calendar."""
    return binding_files.tag_of_day(utc_now().astimezone().date())
