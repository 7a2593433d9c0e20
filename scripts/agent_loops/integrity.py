"""Freezes what defines the measurement, and names what changed or appeared.

Sees files, not behaviour: code that the candidate reaches by other ways (a download, another
folder of the machine) is for `eval_cmd` and the person's sandbox.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from agent_loops import closure, display, events, files, scan
from agent_loops.errors import AgentLoopsError, BindingsError
from agent_loops.paths import CampaignPaths

MAX_DATA_BYTES = 1 << 20
_SOURCE = frozenset(
    ".py .pyc .pyi .pyx .pxd .so .dylib .pyd .sh .bash .c .cc .cpp .cxx .cu .cuh .h .hh .hpp "
    ".rs .go .java .kt .scala .swift .js .mjs .cjs .ts .jl .r .R .lua .rb .pl .f90 "
    ".zig .hs .ml .m .mk .cmake .gin .nix".split()
)
# A `.pth` is a checkpoint more often than a start-up file: it is watched, and a run may write it.
_CONFIGURATION = frozenset(
    ".yaml .yml .json .toml .ini .cfg .conf .env .properties .lock .pth".split()
)
_SOURCE_NAMES = frozenset("Makefile Dockerfile justfile Justfile Snakefile".split())
_PROSE_AND_PICTURES = frozenset(
    ".md .rst .adoc .tex .bib .pdf .doc .docx .odt .ipynb .png .jpg .jpeg .gif .svg .webp .bmp "
    ".tif .tiff .ico .mp4 .mov .webm .mp3 .wav .html .htm .log".split()
)
_PROSE_NAMES = re.compile(
    r"(README|LICEN[CS]E|CHANGELOG|AUTHORS|NOTICE|COPYING|TODO|CITATION)(\..*)?|\.git.*|results\.tsv",
    re.IGNORECASE,
)
_BINDINGS = frozenset({"loop.run.yaml"})


class Harness(NamedTuple):
    """What was frozen: digests of the harness, and the other source files that stood about.

    `files` maps posix path to SHA-256, or to where a link leads; `bystanders` are the other source
    and configuration files, links and environments that stood about: they may change, but none may
    join them. Without git (`by_git` false) `files` holds also what earlier runs wrote. `large` are
    data files left out for their size; they are told at setup and not recorded.
    """

    files: Mapping[str, str]
    bystanders: frozenset[str]
    by_git: bool = True
    large: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        return files.sha256(
            files.dump_json(sorted(self.files.items())).encode("utf-8", "surrogateescape")
        )


class Changes(NamedTuple):
    """What no longer is as it was frozen; all empty where nothing is wrong."""

    changed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    appeared: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.changed or self.missing or self.appeared)

    @property
    def files(self) -> tuple[str, ...]:
        return (*self.changed, *self.missing, *self.appeared)

    def describe(self) -> str:
        """One line, at most five names of each sort."""
        parts = [
            f"{word}: {_shown(names[:5])}" + (f" and {len(names) - 5} more" if names[5:] else "")
            for word, names in (
                ("changed", self.changed), ("missing", self.missing), ("new", self.appeared),
            )
            if names
        ]  # fmt: skip
        return "; ".join(parts)


def _shown(names: Sequence[str]) -> str:
    return ", ".join(display.clean(name, 200) for name in names)


class Scope(NamedTuple):
    """Where to look. `is_editable` and the outputs are never part of the harness."""

    workspace: Path
    skip: tuple[Path, ...]
    is_editable: Callable[[str], bool]
    outputs: tuple[str, ...] = ()

    def is_output(self, path: str) -> bool:
        return any(
            path.startswith(output) if output.endswith("/") else path == output
            for output in self.outputs
        )


def is_source(path: str) -> bool:
    """Whether a file of this name is code: never a mere output, whoever wrote it."""
    name = PurePosixPath(path).name
    return PurePosixPath(path).suffix in _SOURCE or name in _SOURCE_NAMES


def is_watched(path: str) -> bool:
    """Whether a new file of this name could change what runs."""
    pure = PurePosixPath(path)
    return is_source(path) or (pure.suffix or pure.name) in _CONFIGURATION  # `.env` is all name


def _could_run(path: str, entry: os.DirEntry[str]) -> bool:
    """Code, configuration, an environment, or a link, behind which there could be either."""
    return is_watched(path) or path.endswith("/") or entry.is_symlink()


def _may_be_harness(path: str) -> bool:
    pure = PurePosixPath(path)
    if path in _BINDINGS or pure.suffix in _PROSE_AND_PICTURES:
        return False
    return not _PROSE_NAMES.fullmatch(pure.name) and not path.startswith((".github/", ".claude/"))


def freeze(
    scope: Scope,
    *,
    tracked: Collection[str] | None,
    readonly: Sequence[str],
    commands: Sequence[str],
) -> Harness:
    """Hashes the harness as it lies.

    Args:
        tracked: files that git tracks; None without git, and then every file counts.
        readonly: explicit harness files or patterns, of any size and kind.
        commands: `run_cmd` and `eval_cmd`, whose local imports belong to the harness.

    Raises:
        BindingsError: a `readonly_files` entry matches nothing.
    """
    listed: dict[str, os.DirEntry[str]] = {}
    bystanders: set[str] = set()
    links: set[str] = set()
    for path, entry in scan.walk(scope.workspace, skip=scope.skip):
        if entry.is_symlink():
            links.add(path)
        elif scan.is_regular(entry) and not scope.is_editable(path):
            listed[path] = entry
        if _could_run(path, entry):
            bystanders.add(path)
    explicit: set[str] = set()
    for pattern in readonly:
        matches = scan.matcher([pattern])
        found = {path for path in listed if matches(path)}
        if scope.is_editable(pattern) and not scan.has_glob(pattern):
            raise BindingsError("readonly_files", pattern, "is one of the editable_files too")
        if not found:
            raise BindingsError("readonly_files", pattern, "no such file in the project")
        explicit |= found
    candidates = listed.keys() if tracked is None else listed.keys() & set(tracked)
    chosen = {
        path
        for path in candidates
        if _may_be_harness(path) and (is_source(path) or not _is_large(listed[path]))
    }
    chosen |= closure.import_closure(scope.workspace, commands) & (listed.keys() | links)
    chosen = {path for path in chosen if not scope.is_output(path)} | explicit
    return Harness(
        {path: _digest(scope.workspace / path) for path in sorted(chosen)},
        frozenset(bystanders - chosen),
        tracked is not None,
        tuple(
            sorted(p for p in candidates - chosen if _may_be_harness(p) and _is_large(listed[p]))
        ),
    )


def _digest(full: Path) -> str:
    """SHA-256 of a file; of a link, where it leads."""
    return f"-> {os.readlink(full)}" if full.is_symlink() else files.sha256_file(full)


def _is_large(entry: os.DirEntry[str]) -> bool:
    return _size(entry) > MAX_DATA_BYTES


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_size
    except OSError:
        return 0


def save(harness: Harness, path: Path) -> None:
    """Writes the frozen harness; it is not changed again."""
    content = {
        "schema": 1, "files": dict(harness.files), "bystanders": sorted(harness.bystanders),
        "by_git": harness.by_git,
    }  # fmt: skip
    files.write_atomic(path, files.dump_json(content, indent=1).encode("utf-8", "surrogateescape"))


def load(path: Path, *, digest: str) -> Harness:
    """Reads a frozen harness back.

    Raises:
        AgentLoopsError: it is missing, damaged, or not the one the journal names.
    """
    try:
        content = files.load_json(path.read_bytes().decode("utf-8", "surrogateescape"))
        harness = Harness(
            dict(content["files"]), frozenset(content["bystanders"]), content["by_git"]
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AgentLoopsError(
            f"{path}: damaged or missing ({error}); `agent-loops rebaseline --why …` makes it anew"
        ) from error
    if harness.digest != digest:
        raise AgentLoopsError(
            f"{path}: not the harness of this campaign's journal; "
            "`agent-loops rebaseline --why …` freezes it anew"
        )
    return harness


_LEFT = "/"  # no file's path


def _inode_and_ctime(entry: os.DirEntry[str]) -> list[int]:
    status = entry.stat(follow_symlinks=False)
    return [status.st_ino, status.st_ctime_ns]


class Stamps:
    """What each harness file was when it was last hashed; kept in `path`, which is disposable.

    Held in memory while a run goes on, since the run could write that file. Source among the
    outputs is as the last run left it, or somebody else wrote it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known = _load_stamps(path)
        self._changed = False

    def is_of_a_run(self, path: str, entry: os.DirEntry[str]) -> bool:
        """Whether an output is as the last run left it, as far as anybody knows."""
        left = self._known.get(_LEFT)
        return not isinstance(left, dict) or left.get(path) == _inode_and_ctime(entry)

    def begin_run(self) -> None:
        """From here on outputs are the run's to write, and these stamps are in memory alone."""
        self._known.pop(_LEFT, None)
        self._path.unlink(missing_ok=True)

    def end_run(self, scope: Scope) -> None:
        """Takes the source among the outputs as the run left it."""
        found = scan.walk(scope.workspace, skip=scope.skip) if scope.outputs else ()
        self._known[_LEFT] = {
            path: _inode_and_ctime(entry)
            for path, entry in found
            if is_source(path) and scope.is_output(path)
        }

    def digest(self, path: str, full: Path) -> str:
        """SHA-256 of a file, hashed again where size, times or inode differ from the last time.

        Raises:
            OSError: there is none.
        """
        status = full.lstat()
        if stat.S_ISLNK(status.st_mode):
            return _digest(full)
        if not stat.S_ISREG(status.st_mode):
            return "not a regular file"
        stamp = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
        match self._known.get(path):
            case [then, str(seen)] if then == stamp:
                return seen
        seen = files.sha256_file(full)
        self._known[path] = [stamp, seen]
        self._changed = True
        return seen

    def save(self, *, distrusted: bool = False) -> None:
        """Writes what is new; all of it where the file is `distrusted`."""
        if distrusted or self._changed:
            data = files.dump_json(self._known).encode("utf-8", "surrogateescape")
            files.write_atomic(self._path, data, durable=False)
            self._changed = False


def check(harness: Harness, scope: Scope, stamps: Stamps) -> Changes:
    """Compares the project with the frozen harness."""
    changed, missing = [], []
    for path, wanted in harness.files.items():
        if scope.is_output(path):
            continue
        try:
            seen = stamps.digest(path, scope.workspace / path)
        except OSError:
            missing.append(path)
            continue
        if seen != wanted:
            changed.append(path)
    return Changes(tuple(changed), tuple(missing), tuple(sorted(_appeared(harness, scope, stamps))))


def _appeared(harness: Harness, scope: Scope, stamps: Stamps) -> Iterable[str]:
    for path, entry in scan.walk(scope.workspace, skip=scope.skip):
        if path in harness.files or path in harness.bystanders or not _could_run(path, entry):
            continue
        if path in _BINDINGS or scope.is_editable(path):
            continue
        if scope.is_output(path) and (not is_source(path) or stamps.is_of_a_run(path, entry)):
            continue
        if path.endswith("/") and _is_campaign(scope.workspace, path):
            continue
        yield path


def _is_campaign(workspace: Path, folder: str) -> bool:
    """Whether the folder is the one that a campaign of this project was set up in."""
    paths = CampaignPaths(workspace / folder)
    try:
        with paths.journal.open("rb") as stream:
            event = events.from_json(files.load_json(stream.readline())).event
        if not isinstance(event, events.CampaignStarted):
            return False
        load(paths.harness(0), digest=event.harness_digest)
    except (OSError, ValueError, AgentLoopsError):
        return False
    own = workspace / str(event.bindings.get("sandbox_root"))
    return os.path.realpath(own) == os.path.realpath(paths.root)


def _load_stamps(path: Path) -> dict[str, object]:
    try:
        value = files.load_json(files.read_regular(path).decode("utf-8", "surrogateescape"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def outputs_of(
    changes: Changes, harness: Harness, scope: Scope
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What the baseline run wrote, as paths and as folders that hold nothing but outputs.

    Such a folder may be older than the campaign: the next run writes another subfolder of `wandb/`.
    Second come the source files that are none: they were changed, or lie among others.
    """
    written = {*changes.changed, *changes.missing}
    holders: set[str] = set()
    for path in harness.files:
        parents = [str(parent) for parent in PurePosixPath(path).parents]
        # Without git a file further down may well be an earlier run's.
        holders.update(parents if harness.by_git or is_source(path) else parents[:1])
    for path in changes.appeared:
        folders = []
        for parent in map(str, PurePosixPath(path).parents):
            if parent == "." or parent in holders or _holds_editable(scope, parent):
                break
            folders.append(parent)
        written.add(f"{folders[-1]}/" if folders else path)
    sources = {path for path in written if is_source(path)}
    return tuple(sorted(written - sources)), tuple(sorted(sources))


def _holds_editable(scope: Scope, folder: str) -> bool:
    root = scope.workspace / folder
    return any(scope.is_editable(f"{folder}/{path}") for path, _ in scan.walk(root))


def gaps(harness: Harness, workspace: Path, editable: Collection[str], eval_cmd: str) -> list[str]:
    """What a person should know was not frozen, and how to mend that."""
    told = []
    if eval_cmd and not closure.import_closure(workspace, [eval_cmd]) & harness.files.keys():
        told.append(
            "eval_cmd names no file of the project that is frozen: what scores may change unseen; "
            "name its files in readonly_files"
        )
    if eval_cmd and "{run_dir}" not in eval_cmd:
        told.append(
            "eval_cmd does not name {run_dir}: where a run saves nothing, it measures what an "
            "earlier run left"
        )
    free = sorted(path for path in harness.bystanders - set(editable) if is_source(path))
    if free:
        more = f" and {len(free) - 5} more" if free[5:] else ""
        told.append(
            f"not frozen, since git does not track them: {_shown(free[:5])}{more}; "
            "readonly_files freezes them"
        )
    if harness.large:
        more = f" and {len(harness.large) - 5} more" if harness.large[5:] else ""
        told.append(
            f"not frozen, since they are larger than 1 MiB: {_shown(harness.large[:5])}{more}; "
            "readonly_files freezes them"
        )
    return told


def metric_lines(tree: Mapping[str, bytes], metric: str) -> dict[tuple[str, bytes], int]:
    """Lines of editable code that name the metric: {(path, stripped line): line number}."""
    name = re.compile(rb"(?<![\w.])" + re.escape(metric.encode()) + rb"(?!\w)")
    return {
        (path, line.strip()): number
        for path, data in tree.items()
        for number, line in enumerate(data.splitlines(), 1)
        if name.search(line)
    }
