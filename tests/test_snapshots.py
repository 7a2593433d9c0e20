"""What is saved comes back byte for byte, and an edit of somebody's is never overwritten."""

from __future__ import annotations

import itertools
import json
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from agent_loops import files, restoring, snapshots
from agent_loops.errors import BindingsError
from agent_loops.snapshots import FileState, SnapshotError, Tree
from faults import Commands
from small_campaign import BASE_PARTS, begun
from support import Answer, Project

SECOND_NS = 1_000_000_000
RAW = os.fsdecode(b"caf\xe9-\xff.py")  # a name that is no UTF-8

CONTENTS = [
    pytest.param(b"a = 1\r\nb = 2\r\n", id="crlf"),
    pytest.param(b"a\rb\n\rc", id="mixed-line-ends"),
    pytest.param(bytes(range(256)), id="binary"),
    pytest.param(b"", id="empty"),
    pytest.param(b"no newline at the end", id="no-newline"),
    pytest.param("\ufeffgr\u00fc\u00dfe = '\U0001f600'\n".encode(), id="bom-and-emoji"),
    pytest.param(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", id="lfs"),
    pytest.param(b"\0" * snapshots.MAX_FILE_BYTES, id="largest"),
]
NAMES = [
    "train.py", "a b.py", "new\nline.py", "tab\t.py", "q\"u'ote.py", "-dash.py", "naïve.py",
    "na\u0308ive.py", "\u202eyp.niart", "deep/er/still/x.py", "back\\slash.py", "a[1].py",
    ".hidden.py", "x" * 251 + ".py", RAW, f"fo lder/{RAW}",
]  # fmt: skip


class Store:
    """A project's folder and a place for its snapshots."""

    def __init__(self, root: Path) -> None:
        self.work = root / "my\nproject here"
        self.root = root / "saved"
        self.work.mkdir(parents=True)
        self.root.mkdir()

    def write(self, path: str, data: bytes = b"x", mode: int = 0o644) -> Path:
        full = self.work / path
        full.parent.mkdir(parents=True, exist_ok=True)
        full.write_bytes(data)
        full.chmod(mode)
        return full

    def read(self, *patterns: str) -> dict[str, FileState]:
        return snapshots.read(self.work, patterns or ("**",))

    def save(self, tree: Tree, number: int = 1, before: Tree | None = None) -> str:
        folder = self.root / f"iter{number}"
        return snapshots.save(
            tree, code=folder / "code_snapshot", manifest=folder / "manifest.json",
            before=before if before is not None else {},
        )  # fmt: skip

    def load(self, number: int = 1) -> dict[str, FileState]:
        folder = self.root / f"iter{number}"
        return snapshots.load(code=folder / "code_snapshot", manifest=folder / "manifest.json")

    def manifest(self, number: int = 1) -> dict[str, object]:
        content = json.loads((self.root / f"iter{number}" / "manifest.json").read_bytes())
        assert isinstance(content, dict)
        return content

    @property
    def rescue(self) -> Path:
        return self.root / "rescue"

    def restore(
        self, target: Tree, *, known: Sequence[Tree] = (), present: Tree | None = None
    ) -> list[str]:
        survey = snapshots.survey(self.work, ["**"]) if present is None else (present, [])
        folder, saved = restoring.restore(
            self.work, target, present=survey[0], odd=survey[1], known=known,
            latest=self.root / "latest", rescue=self.make_rescue,
        )  # fmt: skip
        assert (folder == self.rescue) == bool(saved)
        return saved

    def make_rescue(self) -> Path:
        self.rescue.mkdir(parents=True, exist_ok=True)
        return self.rescue


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


# ---- save and load -----------------------------------------------------------------------------


@pytest.mark.parametrize("data", CONTENTS)
def test_every_byte_comes_back(store: Store, data: bytes) -> None:
    full = store.write("train.py", data)
    store.save(store.read())
    assert store.load() == {"train.py": FileState(data, 0o644)}
    full.write_bytes(b"something else")
    store.restore(store.load())
    assert full.read_bytes() == data


@pytest.mark.parametrize("name", NAMES)
def test_every_name_comes_back(store: Store, name: str) -> None:
    full = store.write(name, b"first")
    tree = store.read()
    assert list(tree) == [name]
    store.save(tree)
    assert store.load() == tree
    full.write_bytes(b"second")
    assert store.restore(store.load()) == [name]
    assert full.read_bytes() == b"first"
    assert (store.rescue / name).read_bytes() == b"second"


@pytest.mark.parametrize("mode", [0o644, 0o755, 0o600, 0o700, 0o664, 0o444, 0o4755])
def test_permission_bits_come_back(store: Store, mode: int) -> None:
    full = store.write("run.sh", b"echo\n", mode)
    store.save(store.read())
    assert store.load()["run.sh"] == FileState(b"echo\n", mode)
    full.chmod(0o640)
    store.restore(store.load())
    assert mode_of(full) == mode


def test_a_tree_of_nothing_is_saved_too(store: Store) -> None:
    store.save({})
    assert store.load() == {}


def test_the_manifest_says_what_was_saved_and_what_was_deleted(store: Store) -> None:
    before = {"gone.py": FileState(b"old", 0o644), "kept.py": FileState(b"k", 0o644)}
    tree = {"kept.py": FileState(b"k\r\n", 0o755), f"new/{RAW}": FileState(b"", 0o644)}
    digest = store.save(tree, before=before)
    manifest = store.manifest()
    assert manifest["deleted"] == ["gone.py"]
    assert manifest["digest"] == digest == snapshots.digest(tree)
    assert manifest["files"] == [
        {"path": "kept.py", "mode": "0755", "size": 3,
         "sha256": "fd3bae74e9dfe1304c334f1e390a794411582ffaf782fae3577136cf16d31ab1"},
        {"path": f"new/{RAW}", "mode": "0644", "size": 0,
         "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    ]  # fmt: skip


def test_a_snapshot_saved_again_holds_only_the_new_files(store: Store) -> None:
    store.save({"a": FileState(b"1", 0o644), "b/c/d": FileState(b"2", 0o644)})
    store.save({"a/x": FileState(b"3", 0o644)})
    code = store.root / "iter1" / "code_snapshot"
    assert [p.relative_to(code).as_posix() for p in code.rglob("*") if p.is_file()] == ["a/x"]
    assert store.load() == {"a/x": FileState(b"3", 0o644)}


def _cut(code: Path, manifest: Path) -> None:
    del manifest
    (code / "a.py").write_bytes(b"aa")


def _other(code: Path, manifest: Path) -> None:
    del manifest
    (code / "a.py").write_bytes(b"bbb")


def _lost(code: Path, manifest: Path) -> None:
    del manifest
    (code / "a.py").unlink()


def _folder(code: Path, manifest: Path) -> None:
    del manifest
    (code / "a.py").unlink()
    (code / "a.py").mkdir()


def _no_manifest(code: Path, manifest: Path) -> None:
    del code
    manifest.unlink()


def _torn_manifest(code: Path, manifest: Path) -> None:
    del code
    manifest.write_bytes(manifest.read_bytes()[:-20])


def _other_json(code: Path, manifest: Path) -> None:
    del code
    manifest.write_bytes(b"[1, 2]")


def _entry_taken_out(code: Path, manifest: Path) -> None:
    del code
    content = json.loads(manifest.read_bytes())
    content["files"].pop()
    manifest.write_text(json.dumps(content))


def _mode_turned(code: Path, manifest: Path) -> None:
    del code
    manifest.write_text(manifest.read_text().replace('"0755"', '"0644"'))


@pytest.mark.parametrize(
    "damage",
    [_cut, _other, _lost, _folder, _no_manifest, _torn_manifest, _other_json, _entry_taken_out,
     _mode_turned],
)  # fmt: skip
def test_a_damaged_snapshot_is_never_used(store: Store, damage: object) -> None:
    store.save({"a.py": FileState(b"aaa", 0o644), "b.py": FileState(b"b", 0o755)})
    folder = store.root / "iter1"
    assert callable(damage)
    damage(folder / "code_snapshot", folder / "manifest.json")
    with pytest.raises(SnapshotError, match=r"iter1"):
        store.load()


def test_the_digest_tells_code_apart_and_nothing_else() -> None:
    tree = {"a": FileState(b"1", 0o644), "b": FileState(b"2", 0o644)}
    same = {"b": FileState(b"2", 0o600), "a": FileState(b"1", 0o664)}
    assert snapshots.digest(tree) == snapshots.digest(same)
    others: list[Tree] = [
        {}, {"a": tree["a"]}, {**tree, "a": FileState(b"1\n", 0o644)},
        {**tree, "a": FileState(b"1", 0o755)}, {"A": tree["a"], "b": tree["b"]},
        {"a": tree["b"], "b": tree["a"]}, {**tree, "c": FileState(b"", 0o644)},
        {**tree, RAW: FileState(b"", 0o644)},
    ]  # fmt: skip
    assert len({snapshots.digest(one) for one in [tree, *others]}) == 1 + len(others)


# ---- read --------------------------------------------------------------------------------------


def test_patterns_are_those_of_gitignore_and_names_are_exact(store: Store) -> None:
    for path in (
        "src/a.py", "src/deep/b.py", "src/c.txt", "src/.git/config", "src/__pycache__/a.pyc",
        "src/venv/pyvenv.cfg", "src/venv/lib/m.py", "other.py", "sub/other.py",
    ):  # fmt: skip
        store.write(path)
    assert list(store.read("src/**")) == ["src/a.py", "src/c.txt", "src/deep/b.py"]
    assert list(store.read("src/**", "!src/deep/**")) == ["src/a.py", "src/c.txt"]
    assert list(store.read("src/*.py")) == ["src/a.py"]
    assert list(store.read("other.py")) == ["other.py"]
    assert list(store.read("/oth*.py")) == ["other.py"]


def test_a_repository_inside_is_not_edited(store: Store) -> None:
    """A submodule and a linked worktree have a file named .git."""
    store.write("src/lib/.git", b"gitdir: ../../.git/modules/lib\n")
    store.write("src/lib/x.py")
    assert list(store.read("src/**")) == ["src/lib/x.py"]


def test_what_kills_left_behind_is_no_file_of_the_projects(store: Store) -> None:
    store.write("src/a.py")
    litter = store.write("src/.agent-loops.77.0123abcd.tmp")
    tree = store.read("src/**")
    assert list(tree) == ["src/a.py"]
    store.restore(tree)
    assert not litter.exists()


def test_a_named_file_that_is_gone_is_simply_not_there(store: Store) -> None:
    assert store.read("train.py") == {}
    with pytest.raises(BindingsError, match=r"train\.py"):
        snapshots.require_all({}, ["train.py"])
    with pytest.raises(BindingsError, match="no such file"):
        snapshots.require_all({"a": FileState(b"", 0o644)}, ["a", "src/**"])
    snapshots.require_all({"src/a": FileState(b"", 0o644)}, ["src/**", "!src/b"])


@pytest.mark.parametrize("kind", ["link", "dangling", "behind", "folder", "fifo", "large"])
@pytest.mark.parametrize("pattern", ["src/a.py", "src/**"])
def test_only_regular_files_are_read(store: Store, kind: str, pattern: str) -> None:
    full = store.work / "src" / "a.py"
    full.parent.mkdir()
    if kind == "link":
        full.symlink_to(store.write("elsewhere.py"))
    elif kind == "dangling":
        full.symlink_to("nowhere")
    elif kind == "behind":
        store.write("real/a.py")
        full.parent.rmdir()
        full.parent.symlink_to("real")
    elif kind == "folder":
        full.mkdir()
    elif kind == "fifo":
        os.mkfifo(full)
    else:
        full.write_bytes(b"\0" * (snapshots.MAX_FILE_BYTES + 1))
    if pattern == "src/**" and kind in ("behind", "folder"):
        assert store.read(pattern) == {}
        return
    with pytest.raises(BindingsError, match=r"src/a\.py"):
        store.read(pattern)


# ---- restore -----------------------------------------------------------------------------------


def test_new_deleted_renamed_and_changed_files_are_all_put_back(store: Store) -> None:
    store.write("same.py", b"same")
    store.write("changed.py", b"before")
    store.write("renamed.py", b"content")
    store.write("deleted/deep/x.py", b"gone soon", 0o755)
    target = store.read()
    (store.work / "changed.py").write_bytes(b"after")
    (store.work / "renamed.py").rename(store.work / "new name.py")
    (store.work / "deleted/deep/x.py").unlink()
    (store.work / "deleted/deep").rmdir()
    store.write("new/one.py", b"new")
    candidate = store.read()
    untouched = (store.work / "same.py").stat()
    assert store.restore(target, known=[candidate]) == []
    assert store.read() == target
    assert mode_of(store.work / "deleted/deep/x.py") == 0o755
    now = (store.work / "same.py").stat()
    assert (now.st_ino, now.st_mtime_ns) == (untouched.st_ino, untouched.st_mtime_ns)
    assert store.restore(candidate, known=[target]) == []
    assert store.read() == candidate


@pytest.mark.parametrize("deep", ["x", "x/y/z.py"])
def test_a_file_that_became_a_folder_and_back(store: Store, deep: str) -> None:
    target = {"thing": FileState(b"a file", 0o644), "zoo": FileState(b"", 0o644)}
    candidate = {f"thing/{deep}": FileState(b"in a folder", 0o644)}
    for one, other in ((target, {}), (candidate, target), (target, candidate)):
        store.restore(one, known=[other])
        assert store.read() == one


def test_a_folder_that_holds_something_is_moved_aside_as_a_whole(store: Store) -> None:
    store.write("thing/theirs.bin", b"somebody's")
    assert store.restore({"thing": FileState(b"a file", 0o644)}, present={}) == ["thing"]
    assert (store.work / "thing").read_bytes() == b"a file"
    assert (store.rescue / "thing/theirs.bin").read_bytes() == b"somebody's"


def test_what_is_saved_nowhere_is_rescued_first(store: Store) -> None:
    target = {"a.py": FileState(b"target", 0o644), "b.py": FileState(b"target", 0o644)}
    candidate = {**target, "a.py": FileState(b"candidate", 0o644)}
    store.write("a.py", b"candidate")
    store.write("b.py", b"somebody's", 0o755)
    store.write("sub/new.py", b"somebody's new file")
    assert store.restore(target, known=[candidate]) == ["b.py", "sub/new.py"]
    assert store.read() == target
    assert (store.rescue / "b.py").read_bytes() == b"somebody's"
    assert mode_of(store.rescue / "b.py") == 0o755
    assert (store.rescue / "sub/new.py").read_bytes() == b"somebody's new file"
    assert not (store.rescue / "a.py").exists()


def test_bytes_saved_under_another_name_are_rescued_all_the_same(store: Store) -> None:
    target = {"a.py": FileState(b"one", 0o644), "b.py": FileState(b"two", 0o644)}
    store.write("a.py", b"two")
    store.write("b.py", b"two")
    assert store.restore(target) == ["a.py"]


TARGETS = [
    pytest.param({"s/a.py": FileState(b"target", 0o644)}, id="written"),
    pytest.param({}, id="removed"),
]


def at_the_last_moment(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Lets something happen when all is read and the new content lies ready."""
    for name in ("temporary_name", "write_temporary"):
        plain = getattr(files, name)

        def late(*given: object, plain: Callable[..., object] = plain, **more: object) -> object:
            result = plain(*given, **more)
            if acting and Path(str(given[0])).name == "a.py":
                acting.pop()()
            return result

        monkeypatch.setattr(files, name, late)
    acting = [act]


@pytest.fixture(params=["exchange", "without exchange"])
def exchanging(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also as on a system or a disk that cannot swap two names."""
    if request.param != "exchange":
        monkeypatch.setattr(files, "exchange", lambda _first, _second: False)


@pytest.mark.usefixtures("exchanging")
@pytest.mark.parametrize("how", ["written", "replaced", "removed", "linked", "a folder now"])
@pytest.mark.parametrize("target", TARGETS)
def test_what_comes_in_at_the_last_moment_is_rescued(
    store: Store, monkeypatch: pytest.MonkeyPatch, target: Tree, how: str
) -> None:
    full = store.write("s/a.py", b"seen")
    present = store.read("s/**")

    def act() -> None:
        if how == "written":
            full.write_bytes(b"newer")
            return
        full.unlink()
        if how == "replaced":
            full.write_bytes(b"newer")
        elif how == "linked":
            full.symlink_to("newer")
        elif how == "a folder now":
            store.write("s/a.py/newer", b"newer")

    at_the_last_moment(monkeypatch, act)
    saved = store.restore(target, known=[present], present=present)
    assert store.read("s/**") == target
    assert saved == ([] if how == "removed" else ["s/a.py"])
    rescued = store.rescue / "s/a.py"
    if how == "linked":
        assert os.readlink(rescued) == "newer"
    elif how != "removed":
        newer = rescued / "newer" if how == "a folder now" else rescued
        assert newer.read_bytes() == b"newer"
    assert [path.name for path in (store.work / "s").iterdir()] == [*(["a.py"] if target else [])]


@pytest.mark.usefixtures("exchanging")
def test_a_file_that_appears_at_the_last_moment_is_rescued(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = {"s/a.py": FileState(b"target", 0o644)}
    at_the_last_moment(monkeypatch, lambda: store.write("s/a.py", b"just made"))
    assert store.restore(target, present={}) == ["s/a.py"]
    assert store.read("s/**") == target
    assert (store.rescue / "s/a.py").read_bytes() == b"just made"


def test_an_edit_that_a_kill_left_under_a_name_of_ours_is_rescued(store: Store) -> None:
    """A kill between the exchange and the look at what came out."""
    target = {"a.py": FileState(b"target", 0o644)}
    store.write("a.py", b"target")
    store.write(".agent-loops.77.0123abcd.tmp", b"somebody's")
    store.write(".agent-loops.78.0123abcd.tmp", b"tar")  # a write that was cut off
    assert store.restore(target) == [".agent-loops.77.0123abcd.tmp"]
    assert (store.rescue / ".agent-loops.77.0123abcd.tmp").read_bytes() == b"somebody's"
    assert [path.name for path in store.work.iterdir()] == ["a.py"]


def odd_link(full: Path) -> None:
    full.symlink_to(full.parent.parent / "victim.txt")


def odd_large(full: Path) -> None:
    full.write_bytes(b"\0" * (snapshots.MAX_FILE_BYTES + 1))


def odd_folder(full: Path) -> None:
    full.mkdir()
    (full / "theirs").write_bytes(b"theirs")


@pytest.mark.parametrize("make", [odd_link, odd_large, odd_folder, os.mkfifo])
@pytest.mark.parametrize("target", TARGETS)
def test_what_is_no_file_is_moved_aside_as_it_is(
    store: Store, target: Tree, make: Callable[[Path], None]
) -> None:
    victim = store.write("victim.txt", b"seen")
    (store.work / "s").mkdir()
    make(store.work / "s/a.py")
    kind = stat.S_IFMT((store.work / "s/a.py").lstat().st_mode)
    present, odd = snapshots.survey(store.work, ["s/a.py"])
    assert (present, odd) == ({}, ["s/a.py"])
    folder, saved = restoring.restore(
        store.work, target, present=present, odd=odd, known=[],
        latest=store.root / "latest", rescue=store.make_rescue,
    )  # fmt: skip
    assert (folder, saved) == (store.rescue, ["s/a.py"])
    assert store.read("s/a.py") == target
    assert stat.S_IFMT((store.rescue / "s/a.py").lstat().st_mode) == kind
    assert victim.read_bytes() == b"seen"


@pytest.mark.parametrize("target", [{"s/t/a.py": FileState(b"target", 0o644)}, {}])
@pytest.mark.parametrize("folder", ["s", "s/t"])
@pytest.mark.parametrize("what", ["link", "file"])
def test_what_stands_in_place_of_a_folder_is_moved_and_never_looked_through(
    store: Store, target: Tree, folder: str, what: str
) -> None:
    store.write("s/t/a.py", b"seen")
    outside = store.work.parent / "outside"
    (store.work / folder).rename(outside)
    if what == "link":
        (store.work / folder).symlink_to(outside)
    else:
        store.write(folder, b"theirs")
    present, odd = snapshots.survey(store.work, ["s/t/a.py"])
    moved = bool(target) or what == "link"
    _, saved = restoring.restore(
        store.work, target, present=present, odd=odd, known=[],
        latest=store.root / "latest", rescue=store.make_rescue,
    )  # fmt: skip
    assert saved == ([folder] if moved else [])
    assert store.read("s/t/a.py") == target
    if moved:
        rescued = store.rescue / folder
        assert rescued.is_symlink() if what == "link" else rescued.read_bytes() == b"theirs"
    left = {path.name: path.read_bytes() for path in outside.rglob("*") if path.is_file()}
    assert left == {"a.py": b"seen"}


def test_a_hard_link_elsewhere_keeps_its_content(store: Store) -> None:
    full = store.write("a.py", b"shared")
    os.link(full, twin := store.work.parent / "twin")
    present = store.read()
    store.restore({"a.py": FileState(b"target", 0o644)}, known=[present])
    assert (twin.read_bytes(), full.read_bytes()) == (b"shared", b"target")


def test_contents_of_one_size_within_a_second_differ_in_whole_seconds(store: Store) -> None:
    full = store.write("a.py", b"LR = 1")
    first, second = FileState(b"LR = 1", 0o644), FileState(b"LR = 2", 0o644)
    stamps = [full.stat().st_mtime_ns]
    for state in (second, first, second, first):
        store.restore({"a.py": state}, known=[store.read()])
        assert full.read_bytes() == state.data
        stamps.append(full.stat().st_mtime_ns)
    for earlier, later in itertools.pairwise(stamps):
        assert later - earlier >= SECOND_NS


def test_a_file_that_was_gone_comes_back_a_second_later_than_it_ever_was(store: Store) -> None:
    stamps = []
    for data in (b"LR = 1", b"LR = 2", b"LR = 3"):
        for _ in range(2):
            store.restore({"a.py": FileState(data, 0o644)}, known=[store.read()])
        stamps.append((store.work / "a.py").stat().st_mtime_ns)
        store.restore({}, known=[store.read()])
    for earlier, later in itertools.pairwise(stamps):
        assert later - earlier >= SECOND_NS


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to others")
def test_owner_and_attributes_stay(store: Store) -> None:
    full = store.write("a.py", b"seen", 0o640)
    os.chown(full, 1234, 2345)
    try:
        os.setxattr(full, "user.note", b"theirs")
    except OSError:
        pytest.skip("no attributes on this disk")
    store.restore({"a.py": FileState(b"target", 0o640)}, known=[store.read()])
    status = full.stat()
    assert full.read_bytes() == b"target"
    assert (status.st_uid, status.st_gid, mode_of(full)) == (1234, 2345, 0o640)
    assert os.getxattr(full, "user.note") == b"theirs"


def test_a_time_far_ahead_is_passed_too(store: Store) -> None:
    full = store.write("a.py", b"LR = 1")
    ahead = 4_000_000_000 * SECOND_NS
    os.utime(full, ns=(ahead, ahead))
    store.restore({"a.py": FileState(b"LR = 2", 0o644)}, known=[store.read()])
    assert full.stat().st_mtime_ns >= ahead + SECOND_NS


def test_nothing_to_do_writes_nothing(store: Store) -> None:
    full = store.write("a.py", b"x")
    before = full.stat()
    assert store.restore(store.read()) == []
    after = full.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert not store.rescue.exists()


# ---- what changed ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "counts"),
    [
        (b"a\nb\nc\n", b"a\nB\nc\n", (1, 1)),
        (b"a\nb\n", b"a\n", (0, 1)),
        (b"", b"a\nb", (2, 0)),
        (b"a\r\nb\r\n", b"a\nb\n", (0, 0)),
        (b"x\n" * 5000, b"x\n" * 5001, (1, 0)),
    ],
)
def test_lines_are_counted(before: bytes, after: bytes, counts: tuple[int, int]) -> None:
    old, new = {"a": FileState(before, 0o644)}, {"a": FileState(after, 0o644)}
    assert snapshots.changed_lines(old, new) == counts


def test_the_diff_names_new_deleted_and_executable_files() -> None:
    before = {"gone": FileState(b"x\n", 0o644), "tool": FileState(b"t\n", 0o644)}
    after = {"new": FileState(b"\xff\n", 0o644), "tool": FileState(b"t\n", 0o755)}
    lines = list(snapshots.unified_diff(before, after))
    assert lines[:2] == ["--- a/gone", "+++ /dev/null"]
    assert "--- /dev/null" in lines
    assert "+++ b/new" in lines
    assert lines[-1] == "mode 644 -> 755  tool"


# ---- a snapshot that is damaged ------------------------------------------------------------------


@pytest.fixture
def commands() -> Iterator[Commands]:
    served = Commands()
    yield served
    served.close()


def run_that(commands: Commands, project: Project, value: str, does: str) -> Answer:
    project.write("parts/a.txt", f"val_bpb: {value}\n")
    project.write("run.sh", f"cat parts/*.txt\n{does}\n")
    return commands(project, "try", f"to {value}")


def test_a_candidate_whose_snapshot_is_gone_is_settled_all_the_same(
    commands: Commands, tmp_path: Path
) -> None:
    project = begun(commands, tmp_path)
    answer = run_that(commands, project, "2.5", "rm -r sandbox/t1/iter2/code_snapshot")
    assert (answer.code, answer["status"]) == (0, "discard"), answer
    assert any("saved code of #2 is damaged" in note for note in answer["notes"])
    assert project.read("parts/a.txt") == BASE_PARTS["a.txt"]
    [rescued] = project.sandbox.glob("rescue/*/parts/a.txt")
    assert rescued.read_text() == "val_bpb: 2.5\n"


def test_an_incumbent_whose_snapshot_is_damaged_is_read_from_another_holder(
    commands: Commands, tmp_path: Path
) -> None:
    project = begun(commands, tmp_path)
    assert commands(project, "try", "again", "--repeat")["experiment"] == 2
    answer = run_that(commands, project, "2.5", "echo >> sandbox/t1/iter1/code_snapshot/run.sh")
    assert (answer.code, answer["status"]) == (0, "discard"), answer
    assert project.read("parts/a.txt") == BASE_PARTS["a.txt"]


def test_what_leads_on_from_a_damaged_incumbent_works(commands: Commands, tmp_path: Path) -> None:
    project = begun(commands, tmp_path)
    answer = run_that(commands, project, "2.5", "rm -rf sandbox/t1/iter1/code_snapshot")
    assert (answer.code, answer["status"]) == (0, "discard"), answer
    assert any("agent-loops checkout 2" in note for note in answer["notes"]), answer
    answer = commands(project, "try", "the next")
    assert (answer.code, answer["kind"]) == (3, "damaged"), answer
    assert "agent-loops checkout 2" in answer["next"]
    project.write("run.sh", "cat parts/*.txt\n")
    doctor = commands(project, "doctor")
    assert any("saved code of #1 is damaged" in str(item) for item in doctor["checks"])
    assert commands(project, "checkout", "2").code == 0
    answer = commands(project, "rebaseline", "--why", "the disk")
    assert (answer.code, answer["status"]) == (0, "keep"), answer
