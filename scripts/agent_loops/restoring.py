"""Puts saved files back into the workspace without losing anyone's edit.

Touches nothing outside the editable paths it is given, and never looks through a link.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath

from agent_loops import files
from agent_loops.errors import AgentLoopsError
from agent_loops.snapshots import FileState, OddFile, Tree, differing, read_one

_SECOND_NS = 1_000_000_000


def restore(
    workspace: Path,
    target: Tree,
    *,
    present: Tree,
    odd: Sequence[str] = (),
    known: Sequence[Tree],
    latest: Path,
    rescue: Callable[[], Path],
    rescued: Callable[[Path, Sequence[str]], object] = lambda _folder, _paths: None,
) -> tuple[Path | None, list[str]]:
    """Makes the editable files equal `target`.

    A file that equals neither the target nor any `known` (saved) tree is an edit of somebody's:
    it is first saved under `rescue()`. What else stands in the way, such as a link, a pipe, a
    folder or a file too large, is moved there as it is.

    Args:
        present: the editable files as just read; files outside it are never touched.
        odd: editable paths at which something else lies, as `snapshots.survey` found them.
        latest: a file of ours whose time is the latest that any restored file had.
        rescued: called with the folder and the paths saved there, before anything is replaced,
            and once more for each edit that came in at the last moment.

    Returns:
        The rescue folder (None where nothing had to be saved) and the paths saved there.
    """
    changes = differing(present, target)
    edited = [
        path
        for path in changes
        if path in present and not any(tree.get(path) == present[path] for tree in known)
    ]
    moving = {_in_the_way(workspace, path, present) for path in (*odd, *target)} - {""}
    aside = _Aside(workspace, rescue, rescued)
    aside.take(edited, present, sorted(moving))
    for folder in {(workspace / path).parent for path in present.keys() | target.keys()}:
        for leftover in files.leftovers(folder):
            _clear_leftover(workspace, leftover, (target, present, *known), aside)
    for path in sorted(changes, key=target.__contains__):  # what goes may stand in a new one's way
        change = _Change(workspace, path, present.get(path), aside, latest)
        try:
            if path in target:
                change.write(target[path])
            else:
                change.remove()
        except OSError as error:
            raise files.explain(error, workspace / path) from error
    return aside.folder, aside.paths


def unwritable(workspace: Path, paths: Iterable[str]) -> list[str]:
    """Those of `paths` that could not be replaced or removed: read-only folders, frozen files."""
    return sorted(path for path in paths if _is_unwritable(workspace / path))


def _is_unwritable(full: Path) -> bool:
    folder = next(above for above in full.parents if above.exists())
    if not os.access(folder, os.W_OK | os.X_OK):
        return True
    try:
        status = full.lstat()
    except OSError:
        return False
    # A file that its owner made read-only is replaced all the same; `chattr +i` forbids more.
    meant_to_be_written = status.st_mode & stat.S_IWUSR and os.geteuid() in (0, status.st_uid)
    return bool(meant_to_be_written) and not os.access(full, os.W_OK)


def _in_the_way(workspace: Path, path: str, present: Tree) -> str:
    """The first thing at `path`, or on the way to it, that is neither in `present` nor empty."""
    for parent in [str(folder) for folder in reversed(PurePosixPath(path).parents)][1:]:
        full = workspace / parent
        if full.is_symlink() or (full.exists() and not full.is_dir() and parent not in present):
            return parent
    full = workspace / path
    if full.is_dir() and not full.is_symlink():
        return path if _holds_others(workspace, path, present) else ""
    return path if os.path.lexists(full) and path not in present else ""


def _holds_others(workspace: Path, folder: str, present: Tree) -> bool:
    for root, folders, names in os.walk(workspace / folder):
        links = [name for name in folders if os.path.islink(os.path.join(root, name))]
        below = PurePosixPath(os.path.relpath(root, workspace))
        if any(str(below / name) not in present for name in (*names, *links)):
            return True
    return False


class _Aside:
    """Where edits go that a restore would overwrite, and what stands in its way."""

    def __init__(
        self,
        workspace: Path,
        rescue: Callable[[], Path],
        rescued: Callable[[Path, Sequence[str]], object],
    ) -> None:
        self._workspace, self._rescue, self._rescued = workspace, rescue, rescued
        self.folder: Path | None = None
        self.paths: list[str] = []

    def take(self, edited: Sequence[str], present: Tree, moving: Sequence[str]) -> None:
        """Copies the edits and moves the rest; told of before anything is gone."""
        for path in edited:
            place = self._place(path)
            files.write_atomic(place, present[path].data, mode=present[path].mode)
        if edited or moving:
            self._tell([*edited, *moving])
        for path in moving:
            self._move(self._workspace / path, path)

    def take_late(self, full: Path, path: str) -> None:
        """Moves what was found at `path` at the last moment and lies at `full` now."""
        if self._move(full, path):
            self._tell([path])

    def _tell(self, paths: Sequence[str]) -> None:
        self.paths += paths
        if self.folder is None:
            self.folder = self._rescue()
        self._rescued(self.folder, paths)

    def _place(self, path: str) -> Path:
        """A free name for `path`: where a link or a file lies on the way to it, a flat one."""
        if self.folder is None:
            self.folder = self._rescue()
        while _in_the_way(self.folder, path, {}) or os.path.lexists(self.folder / path):
            path = path.replace("/", "~") + "~"
        place = self.folder / path
        files.make_dir(place.parent)
        return place

    def _move(self, full: Path, path: str) -> bool:
        place = self._place(path)
        try:
            os.rename(full, place)
        except FileNotFoundError:
            return False
        except OSError:  # the campaign's folder may lie on another disk
            import shutil

            try:
                shutil.move(full, place)
            except (OSError, shutil.Error) as error:
                raise AgentLoopsError(
                    f"{full}: cannot be moved to {place}: {error}; move it away yourself, then "
                    "run the same command again"
                ) from error
        files.fsync_dir(place.parent)
        files.fsync_dir(full.parent)
        return True


def _clear_leftover(workspace: Path, leftover: Path, known: Iterable[Tree], aside: _Aside) -> None:
    """Removes what a kill left, unless an edit that came in at that moment is in it."""
    path = leftover.relative_to(workspace).as_posix()
    with contextlib.suppress(OddFile):
        state = read_one(workspace, path)
        if state is None:
            return
        # A write that a kill cut off is the beginning of what was to be written.
        if any(item.data.startswith(state.data) for tree in known for item in tree.values()):
            leftover.unlink()
            return
    aside.take_late(leftover, path)


class _Change:
    """One path that is to be written or removed; `expected` is what was read there before."""

    def __init__(
        self, workspace: Path, path: str, expected: FileState | None, aside: _Aside, latest: Path
    ) -> None:
        self._workspace, self._path, self._expected = workspace, path, expected
        self._aside, self._latest = aside, latest
        self._full = workspace / path

    def write(self, state: FileState) -> None:
        full = self._full
        _clear_empty_folders(full)
        files.make_dir(full.parent)
        mtime_ns = self._later_ns()
        temporary = files.write_temporary(
            full, state.data, mode=state.mode, mtime_ns=mtime_ns, like=full
        )
        try:
            self._put(temporary)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        self._remember(mtime_ns)
        files.fsync_dir(full.parent)

    def _put(self, temporary: Path) -> None:
        """Gives the new content its name; whatever had it until then is looked at."""
        full = self._full
        if os.path.lexists(full) and files.exchange(temporary, full):
            self._part_with(temporary)
            return
        outs: list[Path] = []  # where there is no swap, the name is nobody's for a moment
        while not _give_name(temporary, full):
            out = files.temporary_name(full.with_name(f"{full.name}{len(outs)}"))
            with contextlib.suppress(FileNotFoundError):
                os.rename(full, out)
                outs.append(out)
        for out in outs:
            self._part_with(out)

    def remove(self) -> None:
        out = files.temporary_name(self._full)
        try:
            self._remember(self._full.lstat().st_mtime_ns)
            os.rename(self._full, out)
        except FileNotFoundError:
            return
        self._part_with(out)
        files.fsync_dir(self._full.parent)

    def _part_with(self, out: Path) -> None:
        """Removes what came out, or keeps it where it is not what had been read."""
        if self._is_expected(out):
            out.unlink()
            return
        if os.path.lexists(self._full):
            later = max(self._full.lstat().st_mtime_ns, out.lstat().st_mtime_ns + _SECOND_NS)
            os.utime(self._full, ns=(later, later), follow_symlinks=False)
        self._aside.take_late(out, self._path)

    def _is_expected(self, full: Path) -> bool:
        path = full.relative_to(self._workspace).as_posix()
        with contextlib.suppress(OddFile):
            return read_one(self._workspace, path) == self._expected
        return False

    def _later_ns(self) -> int:
        """A time stamp at least a whole second past any earlier content's.

        Bytecode caches and build tools compare whole seconds and sizes; two contents of one size
        within a second would look the same to them.
        """
        here = _mtime_ns(self._full)
        earlier = _mtime_ns(self._latest) if here is None else here
        return max(time.time_ns(), 0 if earlier is None else earlier + _SECOND_NS)

    def _remember(self, mtime_ns: int) -> None:
        """For the day when a file that is gone by then comes back."""
        latest = _mtime_ns(self._latest)
        if latest is not None and latest >= mtime_ns:
            return
        with contextlib.suppress(OSError):
            self._latest.touch(mode=0o600)
            os.utime(self._latest, ns=(mtime_ns, mtime_ns))


def _mtime_ns(full: Path) -> int | None:
    try:
        return full.lstat().st_mtime_ns
    except OSError:
        return None


def _give_name(temporary: Path, full: Path) -> bool:
    """Names a new file, unless something has got that name by now."""
    try:
        os.link(temporary, full)  # a rename would replace
    except FileExistsError:
        return False
    except OSError:  # not every disk knows links
        if os.path.lexists(full):
            return False
        os.rename(temporary, full)
        return True
    temporary.unlink()
    return True


def _clear_empty_folders(full: Path) -> None:
    """Removes a folder that stands where a file is to be, if there is no file in it."""
    if full.is_dir() and not full.is_symlink():
        for folder, _, _ in os.walk(full, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(folder)
