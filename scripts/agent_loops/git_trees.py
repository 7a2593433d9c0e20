"""Trees and index entries by plumbing: builds a commit's tree without the user's index or files.

Paths are relative to the work tree's root. Knows no branch and no campaign, and writes no file that
the user sees; the one thing of the user's that it changes is the index entries it is told to.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from agent_loops import files
from agent_loops.errors import Refused
from agent_loops.git_commands import Git, GitFailed, locked_by

_LOCK_WAIT_S = 0.3
_ATTEMPTS = 4
_LITTER_AGE_S = 3600.0
_COPY = "agent-loops-index-"
# A temporary index is whole and plain, whatever the user's own index is.
_PLAIN_INDEX = ("core.splitIndex=false", "core.sparseCheckout=false", "core.untrackedCache=false")


@dataclass(frozen=True, slots=True)
class Entry:
    """One path's content in a tree or an index: mode as git writes it, and blob id."""

    mode: str
    blob: str


@dataclass(frozen=True, slots=True)
class Change:
    """One path in two trees; None where it is absent."""

    old: Entry | None
    new: Entry | None


@dataclass(frozen=True, slots=True)
class Staged:
    """One index entry; `flag` is `S` for skip-worktree, `stage` is not "0" in a conflict."""

    path: str
    entry: Entry
    stage: str
    flag: str


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes that a file is to have, before git's filters."""

    data: bytes
    executable: bool


def nul(paths: Sequence[str]) -> bytes:
    """The paths as git's `-z --stdin` takes them."""
    return b"".join(os.fsencode(path) + b"\0" for path in paths)


def parents(path: str) -> list[str]:
    """The folders above `path`, without the root."""
    return [str(folder) for folder in PurePosixPath(path).parents if str(folder) != "."]


@dataclass(frozen=True, slots=True)
class Trees:
    """The trees and the index of the work tree at `top`; `git_dir` is this work tree's own."""

    top: Path
    git_dir: Path

    @property
    def git(self) -> Git:
        """git, at the root of the work tree."""
        return Git(self.top)

    def staged(self, git: Git, paths: Sequence[str] = ()) -> Iterator[Staged]:
        """Index entries at or below `paths`, relative to `git.folder`; all where there are none."""
        for record in git.run("ls-files", "-s", "-t", "-z", "--", *paths).records:
            fields, _, path = record.partition("\t")
            flag, mode, blob, stage = fields.split(" ")
            yield Staged(path, Entry(mode, blob), stage, flag)

    def entries(self, commit: str, paths: Collection[str]) -> dict[str, Entry]:
        """What `commit` holds at exactly these paths."""
        if not paths:
            return {}
        found: dict[str, Entry] = {}
        for record in self.git.run(
            "ls-tree", "-r", "-z", "--full-tree", commit, "--", *paths
        ).records:
            fields, _, path = record.partition("\t")
            mode, _, blob = fields.split(" ")
            if path in paths:
                found[path] = Entry(mode, blob)
        return found

    def changes(self, old: str, new: str, paths: Collection[str]) -> dict[str, Change]:
        """Those of exactly these paths that differ between two commits or trees."""
        if old == new or not paths:
            return {}
        command = ("diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev")
        records = iter(self.git.run(*command, old, new, "--", *paths).records)
        found: dict[str, Change] = {}
        for fields, path in zip(records, records, strict=True):
            before, after, old_blob, new_blob, _ = fields.removeprefix(":").split(" ")
            if path in paths:
                found[path] = Change(
                    Entry(before, old_blob) if int(before) else None,
                    Entry(after, new_blob) if int(after) else None,
                )
        return found

    def changed_files(self, paths: Sequence[str], commit: str = "HEAD") -> set[str]:
        """Those of these work-tree files that `commit` does not hold as they are.

        Reads the files: neither stat data nor an assume-unchanged flag is trusted.
        """
        with tempfile.TemporaryDirectory(prefix="agent-loops-") as name:
            (objects := Path(name, "objects")).mkdir()
            real = re.sub(r'(["\\])', r"\\\1", str(self._common_dir() / "objects"))
            variables = {
                "GIT_INDEX_FILE": str(Path(name, "index")),
                "GIT_OBJECT_DIRECTORY": str(objects),
                "GIT_ALTERNATE_OBJECT_DIRECTORIES": f'"{real}"'.replace("\n", "\\n"),
            }
            git = Git(self.top, variables, _PLAIN_INDEX)
            git.run("read-tree", commit)
            git.run("update-index", "--add", "--remove", "-z", "--stdin", stdin=nul(paths))
            command = ("diff-index", "--cached", "--no-renames", "--name-only", "-z", commit)
            return set(git.run(*command).records) & set(paths)

    def _common_dir(self) -> Path:
        try:
            named = (self.git_dir / "commondir").read_bytes().removesuffix(b"\n")
        except FileNotFoundError:
            return self.git_dir
        return Path(os.path.normpath(self.git_dir / os.fsdecode(named)))

    def config(self) -> dict[str, str]:
        """The settings in force here; sections and keys in lower case."""
        listed = self.git.run("config", "-z", "--list").records
        return {key: value for key, _, value in (record.partition("\n") for record in listed)}

    def overlay(
        self,
        parent: str,
        files: Mapping[str, Content],
        gone: Sequence[str],
        *,
        config: Mapping[str, str],
    ) -> str:
        """The tree of `parent` with `files` laid over it and `gone` taken out, as `git add` would.

        Raises:
            GitFailed: a required filter failed, or something that is no file is in the way.
        """
        # In a work tree of its own and not by `hash-object`, which does not know the parent's
        # bytes and would turn every line of a file that was committed with CRLF.
        with tempfile.TemporaryDirectory(prefix="agent-loops-") as name:
            variables = {
                "GIT_DIR": str(self.git_dir),
                "GIT_INDEX_FILE": str(Path(name, "index")),
                "GIT_WORK_TREE": str(Path(name, "tree")),
            }
            git = Git(self.top, variables, _PLAIN_INDEX)
            self._lay_out(Path(name, "tree"), files, {*gone}, config)
            git.run("read-tree", parent)
            if gone:
                git.run("update-index", "--force-remove", "-z", "--stdin", stdin=nul(gone))
            listed = nul(list(files))
            added = git.run("update-index", "--add", "-z", "--stdin", stdin=listed)
            if "Ignoring path" in added.err:
                raise GitFailed("update-index", added.err)
            return git.run("write-tree").line

    def _lay_out(
        self,
        tree: Path,
        files: Mapping[str, Content],
        gone: Collection[str],
        config: Mapping[str, str],
    ) -> None:
        for path in files:
            if path.startswith("/") or ".." in PurePosixPath(path).parts:
                raise ValueError(f"{path!r} is not inside the project")
        folders = {"", *(folder for path in files for folder in parents(path))}
        taken = {*files, *gone, *folders, ".git"}
        with_filters = _has_filters(config)
        for folder in sorted(folders):
            (tree / folder).mkdir()
            with contextlib.suppress(OSError), os.scandir(self.top / folder) as found:
                for one in found:
                    if str(PurePosixPath(folder, one.name)) in taken:
                        continue
                    if one.name == ".gitattributes" and not one.is_symlink():
                        shutil.copyfile(one.path, tree / folder / one.name)
                    elif with_filters:  # a filter may be a script of the project's
                        (tree / folder / one.name).symlink_to(one.path)
        for path, content in files.items():
            (tree / path).write_bytes(content.data)
            (tree / path).chmod(0o755 if content.executable else 0o644)

    def recommit(self, commit: str, parent: str, entries: Mapping[str, Entry | None]) -> str:
        """`commit` again, word for word, as `entries` over the tree of another parent."""
        with tempfile.TemporaryDirectory(prefix="agent-loops-") as name:
            variables = {"GIT_INDEX_FILE": str(Path(name, "index"))}
            git = Git(self.top, variables, _PLAIN_INDEX)
            git.run("read-tree", parent)
            _set_entries(git, entries)
            tree = git.run("write-tree").line
        headers, gap, message = self.git.run("cat-file", "commit", commit).out.partition(b"\n\n")
        kept = re.sub(rb"(?m)^(tree|parent) .*\n", b"", headers)
        text = b"tree %s\nparent %s\n" % (tree.encode(), parent.encode()) + kept + gap + message
        return self.git.run("hash-object", "-t", "commit", "-w", "--stdin", stdin=text).line

    def move_index(self, head_file: bytes, changes: Mapping[str, Change]) -> None:
        """Takes index entries from old to new; one that holds anything else is the user's.

        Works on a copy, and swaps it in under git's lock if nobody touched the index meanwhile.
        Does nothing where `HEAD` is no longer the file `head_file`.

        Raises:
            Refused: the index is locked, or busy.
        """
        index = self.git_dir / "index"
        for _ in range(_ATTEMPTS):
            if not changes or not index.exists():
                return
            with self._copied(index) as (copy, seen):
                if not self._edit(Git(self.top, {"GIT_INDEX_FILE": str(copy)}), changes):
                    return
                with _index_lock(index, copy):
                    if (self.git_dir / "HEAD").read_bytes() != head_file:
                        return
                    if _stamp(index) == seen:
                        os.replace(copy, index)
                        return
        raise Refused("git", "the index keeps changing", next_step="let the other git commands end")

    def _edit(self, git: Git, changes: Mapping[str, Change]) -> bool:
        held = {one.path: one for one in self.staged(git, list(changes))}
        entries: dict[str, Entry | None] = {}
        for path, change in changes.items():
            there = held.get(path)
            if there == (there and change.old and Staged(path, change.old, "0", there.flag)):
                entries[path] = change.new
        if not entries:
            return False
        _set_entries(git, entries)
        if present := [path for path, entry in entries.items() if entry]:
            # Without fresh stat data every later `git status` would read these files again.
            git.run("add", "--refresh", "--", *present, expected=range(256))
        return True

    @contextlib.contextmanager
    def _copied(self, index: Path) -> Iterator[tuple[Path, tuple[int, ...]]]:
        for left in self.git_dir.glob(_COPY + "*"):  # by a kill
            if time.time() - left.stat().st_ctime > _LITTER_AGE_S:
                left.unlink()
        seen = _stamp(index)
        fd, name = tempfile.mkstemp(prefix=_COPY, dir=self.git_dir)
        os.close(fd)
        try:
            # With its times: git trusts an entry's stat data only where the index is younger.
            shutil.copy2(index, name)
            yield Path(name), seen
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)


def _has_filters(config: Mapping[str, str]) -> bool:
    """Whether a filter other than Git LFS, which needs no file of the project's, is set up."""
    return any(
        key.startswith("filter.")
        and key.endswith((".clean", ".process"))
        and not command.startswith(("git-lfs ", "git lfs "))
        for key, command in config.items()
    )


def _stamp(path: Path) -> tuple[int, ...]:
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


@contextlib.contextmanager
def _index_lock(index: Path, copy: Path) -> Iterator[None]:
    """Holds git's own lock on `index`, as a link to `copy`, so that one left by a kill is known."""
    lock = index.with_name("index.lock")
    deadline = time.monotonic() + _LOCK_WAIT_S
    with files.locked(copy, wait_s=_LOCK_WAIT_S):
        while not _linked(copy, lock):
            if _left_by_a_kill(lock, index):
                lock.unlink(missing_ok=True)
            elif time.monotonic() > deadline:
                raise locked_by(lock)
            else:
                time.sleep(0.01)
        try:
            yield
        finally:
            lock.unlink()


def _linked(copy: Path, lock: Path) -> bool:
    """Makes `lock` if nobody has; false where somebody has."""
    try:
        os.link(copy, lock)
    except FileExistsError:
        return False
    except OSError:  # a file system without links: what a kill leaves there is the user's to remove
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        except FileExistsError:
            return False
    return True


def _left_by_a_kill(lock: Path, index: Path) -> bool:
    """Whether `lock` is a link of ours whose maker, who held the file itself locked, is dead."""
    for known in (index, *index.parent.glob(_COPY + "*")):
        with contextlib.suppress(OSError):
            if known.samefile(lock):
                return not files.is_locked(lock)
    return False


def _set_entries(git: Git, entries: Mapping[str, Entry | None]) -> None:
    """Sets index entries; None removes. Another entry is never replaced to make room."""
    gone = [f"./{path}" for path, entry in entries.items() if entry is None]
    added = [
        part
        for path, entry in entries.items()
        if entry
        for part in ("--cacheinfo", f"{entry.mode},{entry.blob},{path}")
    ]
    try:
        git.run("update-index", "--add", "--force-remove", *gone, *added)
    except GitFailed as error:
        if "appears as both a file" not in error.stderr:
            raise
        raise Refused(
            "git",
            f"another file is in the way of the candidate's: {error}",
            next_step="move or unstage that file",
            files=list(entries),
        ) from error
