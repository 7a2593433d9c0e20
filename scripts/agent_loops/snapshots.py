"""Saves the editable files' bytes exactly, and reads them back.

The one byte store: nothing here asks git or writes into the workspace; `restoring` does that.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import compress, count
from operator import ne
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from agent_loops import files, scan
from agent_loops.errors import AgentLoopsError, BindingsError

MAX_FILE_BYTES = 1 << 20
_CONTEXT = 3
_KEY = "editable_files"
ALLOWED = "regular files of at most 1 MiB inside the project, no symlinks"


class SnapshotError(AgentLoopsError):
    """A saved snapshot is missing or damaged."""


class OddFile(BindingsError):
    """At an editable path lies something else than a file that can be saved."""

    def __init__(self, path: str, what: str) -> None:
        super().__init__(_KEY, path, f"{what}; {ALLOWED}")
        self.path = path
        self.what = what


class FileState(NamedTuple):
    """One file's content and permission bits."""

    data: bytes
    mode: int

    @property
    def executable(self) -> bool:
        return bool(self.mode & stat.S_IXUSR)


Tree = Mapping[str, FileState]
"""Editable files by posix path relative to the project; a path that is missing does not exist."""


def read(
    workspace: Path, patterns: Sequence[str], *, skip: Sequence[Path] = ()
) -> dict[str, FileState]:
    """Reads the editable files that exist now.

    Raises:
        OddFile: a file is a symlink, not regular, too large, or unreadable.
    """
    return read_files(workspace, _present(workspace, patterns, skip))


def survey(
    workspace: Path, patterns: Sequence[str], *, skip: Sequence[Path] = ()
) -> tuple[dict[str, FileState], list[str]]:
    """What `read` would read, and the paths over which it would raise."""
    tree: dict[str, FileState] = {}
    odd: list[str] = []
    for path in _present(workspace, patterns, skip):
        try:
            tree |= read_files(workspace, [path])
        except OddFile:
            odd.append(path)
    return tree, odd


def read_files(workspace: Path, paths: Iterable[str]) -> dict[str, FileState]:
    """Reads those of `paths`, names and not patterns, that exist; raises as `read`."""
    tree: dict[str, FileState] = {}
    for path in paths:
        state = read_one(workspace, path)
        if state is not None:
            tree[path] = state
    return tree


def require_all(tree: Tree, patterns: Sequence[str]) -> None:
    """Raises `BindingsError` where a named file does not exist or a pattern matches none."""
    for pattern in patterns:
        if pattern.startswith("!"):
            continue
        matches = scan.matcher([pattern])
        if not any(matches(path) for path in tree):
            raise BindingsError(_KEY, pattern, f"no such file; {ALLOWED}")


def _present(workspace: Path, patterns: Sequence[str], skip: Sequence[Path]) -> list[str]:
    plain = [path for path in patterns if not scan.has_glob(path)]
    found = {path for path in plain if os.path.lexists(workspace / path)}
    if len(plain) < len(patterns):
        matches = scan.matcher(patterns)
        found.update(
            path
            for path, _ in scan.walk(workspace, skip=skip)
            if matches(path) and not path.endswith("/")
        )
    return sorted(found)


def _lies_behind_link(workspace: Path, path: str) -> bool:
    parents = PurePosixPath(path).parents
    return any((workspace / parent).is_symlink() for parent in parents if str(parent) != ".")


def read_one(workspace: Path, path: str) -> FileState | None:
    """Reads one file, if it is there, without following a link anywhere on the way to it.

    Raises:
        OddFile: it is none that can be saved.
    """
    full = workspace / path
    if _lies_behind_link(workspace, path):
        raise OddFile(path, "lies behind a symlink")
    try:
        fd = os.open(full, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        what = "is a symlink" if full.is_symlink() else f"cannot be read: {error.strerror}"
        raise OddFile(path, what) from error
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise OddFile(path, "is not a regular file")
        if status.st_size > MAX_FILE_BYTES:
            size = f"{status.st_size / MAX_FILE_BYTES:.1f} MiB"
            raise OddFile(path, f"is too large ({size})")
        with os.fdopen(os.dup(fd), "rb") as stream:
            return FileState(stream.read(MAX_FILE_BYTES + 1), stat.S_IMODE(status.st_mode))
    finally:
        os.close(fd)


def with_other_names(workspace: Path, tree: Tree) -> list[str]:
    """Those of the files that are hard links: replacing one leaves its other names behind."""
    return [path for path in tree if (workspace / path).lstat().st_nlink > 1]


def digest(tree: Tree) -> str:
    """SHA-256 over paths, executable bits and contents; equal trees run the same code."""
    lines = [
        f"{'x' if state.executable else '-'} {files.sha256(state.data)} {path}"
        for path, state in sorted(tree.items())
    ]
    return files.sha256("\0".join(lines).encode("utf-8", "surrogateescape"))


def save(tree: Tree, *, code: Path, manifest: Path, before: Tree) -> str:
    """Writes the snapshot and, last, its manifest; returns the tree's digest.

    One that is there already is left alone: a kill while it is replaced would leave none.

    Args:
        tree: the files as they are run.
        code: the `code_snapshot` folder; replaced as a whole.
        manifest: the manifest's path.
        before: the files this candidate grew from; those missing now become tombstones.

    Raises:
        AgentLoopsError: it could not be written.
    """
    content = _manifest(tree, before)
    data = files.dump_json(content, indent=1).encode("utf-8", "backslashreplace")
    if _is_saved(tree, code=code, manifest=manifest, data=data):
        return str(content["digest"])
    files.make_dir(manifest.parent)
    manifest.unlink(missing_ok=True)  # without a manifest what lies in `code` counts for nothing
    for leftover in sorted(code.rglob("*"), reverse=True) if code.exists() else ():
        if leftover.is_dir() and not leftover.is_symlink():
            leftover.rmdir()
        else:
            leftover.unlink()
    for path, state in tree.items():
        target = code / path
        files.make_dir(target.parent)
        files.write_atomic(target, state.data, mode=state.mode)
    files.write_atomic(manifest, data)
    return str(content["digest"])


def _manifest(tree: Tree, before: Tree) -> dict[str, object]:
    entries = [
        {"path": path, "mode": f"{state.mode:04o}", "size": len(state.data),
         "sha256": files.sha256(state.data)}
        for path, state in sorted(tree.items())
    ]  # fmt: skip
    return {
        "schema": 1,
        "digest": digest(tree),
        "files": entries,
        "deleted": sorted(before.keys() - tree.keys()),
    }


def _is_saved(tree: Tree, *, code: Path, manifest: Path, data: bytes) -> bool:
    try:
        return manifest.read_bytes() == data and load(code=code, manifest=manifest) == tree
    except (OSError, SnapshotError):
        return False


def load(*, code: Path, manifest: Path) -> dict[str, FileState]:
    """Reads a snapshot back and checks every byte against its manifest.

    Raises:
        SnapshotError: it is missing or damaged; the message names the file.
    """
    try:
        content = files.load_json(manifest.read_bytes())
        tree: dict[str, FileState] = {}
        for entry in content["files"]:
            data = (code / entry["path"]).read_bytes()
            if files.sha256(data) != entry["sha256"]:
                raise SnapshotError(f"{code / entry['path']}: differs from its manifest")
            tree[entry["path"]] = FileState(data, int(entry["mode"], 8))
        if digest(tree) != content["digest"]:
            raise SnapshotError(f"{manifest}: names other files than were saved")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SnapshotError(f"{manifest}: damaged or missing: {error}") from error
    return tree


def differing(present: Tree, target: Tree) -> list[str]:
    """Paths whose content, mode or existence differs."""
    return sorted(
        path for path in present.keys() | target.keys() if present.get(path) != target.get(path)
    )


def changed_lines(before: Tree, after: Tree) -> tuple[int, int]:
    """Counts (lines added, lines removed) between two trees."""
    added = removed = 0
    for path in differing(before, after):
        old = before[path].data.splitlines() if path in before else []
        new = after[path].data.splitlines() if path in after else []
        plus, minus = _line_counts(old, new)
        added += plus
        removed += minus
    return added, removed


def _line_counts(old: list[bytes], new: list[bytes]) -> tuple[int, int]:
    from difflib import SequenceMatcher

    start = 0
    while start < min(len(old), len(new)) and old[start] == new[start]:
        start += 1
    end = 0
    while end < min(len(old), len(new)) - start and old[-1 - end] == new[-1 - end]:
        end += 1
    old, new = old[start : len(old) - end], new[start : len(new) - end]
    same = sum(block.size for block in SequenceMatcher(None, old, new).get_matching_blocks())
    return len(new) - same, len(old) - same


def unified_diff(before: Tree, after: Tree) -> Iterator[str]:
    """Lines of a unified diff between two trees; undecodable bytes are replaced."""
    for path in differing(before, after):
        old = before[path].data.decode("utf-8", "replace").splitlines() if path in before else []
        new = after[path].data.decode("utf-8", "replace").splitlines() if path in after else []
        if old != new:
            yield f"--- a/{path}" if path in before else "--- /dev/null"
            yield f"+++ b/{path}" if path in after else "+++ /dev/null"
            yield from _hunks(old, new)
        if path in before and path in after and before[path].mode != after[path].mode:
            yield f"mode {before[path].mode:o} -> {after[path].mode:o}  {path}"


def _hunks(old: list[str], new: list[str]) -> Iterator[str]:
    """The hunks of two files' lines.

    What both begin and end with is set aside first: it is most of them, and difflib is slow.
    """
    from difflib import SequenceMatcher

    head = _alike(old, new)
    tail = _alike(old[head:][::-1], new[head:][::-1])
    ends = len(old) - tail, len(new) - tail
    matcher = SequenceMatcher(None, old[head : ends[0]], new[head : ends[1]])
    opcodes = [
        ("equal", 0, head, 0, head),
        *(
            (tag, i + head, j + head, k + head, m + head)
            for tag, i, j, k, m in matcher.get_opcodes()
        ),
        ("equal", ends[0], len(old), ends[1], len(new)),
    ]
    matcher.get_opcodes = lambda: opcodes  # type: ignore[method-assign]
    for group in matcher.get_grouped_opcodes(_CONTEXT):  # asks for the opcodes of the whole
        (_, old_at, _, new_at, _), (_, _, old_end, _, new_end) = group[0], group[-1]
        yield f"@@ -{_place(old_at, old_end)} +{_place(new_at, new_end)} @@"
        for tag, i, j, k, m in group:
            if tag == "equal":
                yield from (f" {line}" for line in old[i:j])
                continue
            yield from (f"-{line}" for line in old[i:j])
            yield from (f"+{line}" for line in new[k:m])


def _place(start: int, end: int) -> str:
    """A hunk's place as diffs write it: an empty one is named by the line before it."""
    length = end - start
    return f"{start + 1}" if length == 1 else f"{start + (length > 0)},{length}"


def _alike(one: Sequence[str], other: Sequence[str]) -> int:
    """How many lines both begin with."""
    differing = compress(count(), map(ne, one, other))
    return next(differing, min(len(one), len(other)))
