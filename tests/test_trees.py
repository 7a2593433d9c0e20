"""Whatever state a user's tree is in: it works, or it is refused with the reason.

No byte that is not the campaign's changes, and nobody's newer edit is lost.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from support import Answer, Project, commit_all, edit_block, git, until
from terminal import Terminal

# Reads its metric at the start, and ends when nobody holds it.
RUN = 'm=$(cat train.py); while test -e "$HOLD"; do sleep 0.01; done; printf "%s\\n" "$m"'
BASE = b"val_bpb: 1.5\n"
BOTH = pytest.mark.parametrize("strategy", ["snapshots", "branches"])
IDENTITY = "git -c user.name=Tester -c user.email=tester@example.org"
BRANCHES = pytest.mark.parametrize("strategy", ["branches"])
OURS = ("sandbox", ".agent-loops")
OUR_REFS = ("refs/heads/autoresearch/", "refs/agent-loops/")
RAW = os.fsdecode(b"caf\xe9.md")  # a name that is no UTF-8


class Tree(Project):
    """A project whose run prints its editable file, in a person's git work tree."""

    def __init__(self, root: Path, strategy: str, terminal: Terminal) -> None:
        self.strategy = strategy
        self.terminal = terminal
        self.hold = root.parent / "hold"
        self.editable = ["train.py"]
        os.environ["HOLD"] = str(self.hold)
        super().__init__(root, train=BASE.decode())
        self.write("README.md", "about\n")
        self.write("conf.yaml", "a: 1\n")

    def bind(self, **changes: object) -> None:
        super().bind(
            **{"iter_strategy": self.strategy, "run_cmd": RUN, "editable_files": self.editable,
               **changes}
        )  # fmt: skip

    def edits(self, *patterns: str, command: str = "cat src/a src/b") -> None:
        """Makes other files the editable ones."""
        self.editable = list(patterns)
        self.bind(run_cmd=command)

    def ask(self, *words: str, stdin: str | bytes = b"", **more: object) -> Answer:
        return self.terminal.ask(*words, stdin=stdin, **more)  # type: ignore[arg-type]

    def idea(self, data: bytes | str, *words: str) -> Answer:
        """Edits train.py by hand and tries it."""
        self.write("train.py", data)
        return self.tried(*words)

    def tried(self, *words: str, stdin: str = "") -> Answer:
        answer = self.ask("try", "an idea", *words, stdin=stdin)
        assert answer.code == 0, answer
        return answer

    def refused(self, *words: str, says: str, next_step: str = "") -> Answer:
        """Nothing is run, and nothing below the project changes."""
        before = self.bytes()
        answer = self.ask(*words)
        assert answer.code == 3, answer
        assert says in answer["reason"], answer
        assert next_step in answer["next"], answer
        assert self.bytes() == before
        return answer

    def start(self, data: bytes | str = b"val_bpb: 1.25\n") -> None:
        """Begins an experiment whose run goes on until `go`."""
        self.hold.touch()
        answer = self.idea(data, "--wait-s", "0")
        assert answer["status"] == "running", answer
        log = self.sandbox / f"iter{answer['experiment']}" / "run.log"
        until(log.exists)

    def go(self) -> Answer:
        self.hold.unlink()
        answer = self.ask("wait")
        assert answer.code == 0, answer
        return answer

    @property
    def train(self) -> bytes:
        return (self.root / "train.py").read_bytes()

    def bytes(self) -> dict[str, tuple[int, bytes]]:
        """Every file of the work tree that is not the campaign's record: mode and content."""
        found = {}
        for folder, names, leaves in os.walk(self.root):
            if Path(folder) == self.root:
                names[:] = [name for name in names if name not in (*OURS, ".git")]
            for name in [*leaves, *(n for n in names if Path(folder, n).is_symlink())]:
                full = Path(folder, name)
                link = full.is_symlink()
                data = os.fsencode(os.readlink(full)) if link else full.read_bytes()
                found[os.path.relpath(full, self.root)] = (full.lstat().st_mode, data)
        return found

    def theirs(self) -> dict[str, object]:
        """All that is the user's: files, index entries, refs, settings."""
        inside = git(self.root, "ls-files", "-s", "-t", "-v", "-z", "--full-name").split("\0")
        refs = git(self.root, "for-each-ref", "--format=%(refname) %(objectname)").split("\n")
        files = {path: item for path, item in self.bytes().items() if not self.is_editable(path)}
        return {
            "files": files,
            "index": [line for line in inside if not self.is_editable(line.partition("\t")[2])],
            "refs": [line for line in refs if not line.startswith(OUR_REFS)],
            "config": git(self.root, "config", "--list", "--local"),
            "stash": git(self.root, "stash", "list"),
        }

    def is_editable(self, path: str) -> bool:
        return any(
            path.startswith(item[:-2]) if item.endswith("/**") else path == item
            for item in self.editable
        )

    @property
    def status(self) -> str:
        return git(self.root, "status", "--porcelain", "--untracked-files=all")

    @property
    def tip(self) -> str:
        return git(self.root, "rev-parse", "autoresearch/t1")

    def ref(self, number: int) -> str:
        return git(self.root, "rev-parse", f"refs/agent-loops/t1/{number}")

    def blob(self, commit: str, path: str = "train.py") -> bytes:
        done = subprocess.run(
            ["git", "cat-file", "blob", f"{commit}:./{path}"],
            cwd=self.root, capture_output=True, check=True,
        )  # fmt: skip
        return done.stdout

    def rescued(self) -> dict[str, bytes]:
        """What lies in rescue/, by path."""
        folder = self.sandbox / "rescue"
        return {
            str(path.relative_to(folder).relative_to(path.relative_to(folder).parts[0])):
                path.read_bytes()
            for path in folder.rglob("*") if path.is_file()
        }  # fmt: skip

    def campaign(self) -> None:
        """Baseline, kept, worse, crash, kept by --edit, discarded by override, checkout."""
        begun = self.ask("setup")
        assert begun.code == 0, begun
        verdicts = [
            self.ask("try", "baseline"),
            self.idea(b"val_bpb: 1.25\n"),
            self.idea(b"val_bpb: 1.375\n"),
            self.idea(b"oops\n"),
            self.tried("--edit", "-", stdin=block("1.25", "1.125")),
        ]  # fmt: skip
        statuses = [one["status"] for one in verdicts]
        assert statuses == ["keep", "keep", "discard", "crash", "keep"], verdicts
        assert self.train == b"val_bpb: 1.125\n"
        if self.strategy == "branches":
            assert self.blob(self.tip) == self.train
        assert self.ask("override", "5", "discard", "--why", "no").code == 0
        assert self.train == b"val_bpb: 1.25\n"
        assert self.ask("checkout", "3").code == 0
        assert self.train == b"val_bpb: 1.375\n"
        assert self.ask("checkout", "2").code == 0
        assert self.train == b"val_bpb: 1.25\n"
        assert self.rescued() == {}


def block(old: str, new: str) -> str:
    """An edit of train.py from one metric to another."""
    return edit_block("train.py", f"val_bpb: {old}", f"val_bpb: {new}")


@pytest.fixture
def tree(
    strategy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Tree:  # fmt: skip
    monkeypatch.setenv("HOLD", "")
    root = tmp_path / "my project"
    return Tree(root, strategy, Terminal(root, monkeypatch, capsys))


def begun(tree: Tree) -> Tree:
    """Committed, set up, and the baseline measured."""
    commit_all(tree.root)
    assert tree.ask("setup").code == 0
    assert tree.ask("try", "baseline")["status"] == "keep"
    return tree


# ---- the user's own state ----------------------------------------------------------------------


@BOTH
def test_staged_unstaged_untracked_and_ignored_work_stays(tree: Tree) -> None:
    for name in "staged.md unstaged.md both.md renamed.md deleted.md gone.md x.md".split():
        tree.write(name, f"{name}\n" * 9)
    tree.write(".gitignore", "*.log\nignored/\n")
    commit_all(tree.root)
    tree.write("staged.md", "staged")
    tree.write("both.md", "staged")
    tree.write(RAW, "staged")
    git(tree.root, "add", "staged.md", "both.md", RAW)
    git(tree.root, "mv", "renamed.md", "new name.md")
    git(tree.root, "rm", "-q", "--cached", "gone.md")
    git(tree.root, "update-index", "--assume-unchanged", "x.md")
    tree.write("both.md", "unstaged")
    tree.write("unstaged.md", "unstaged\r\n")
    tree.write("x.md", "assumed unchanged")
    (tree.root / "deleted.md").unlink()
    (tree.root / "README.md").chmod(0o755)
    tree.write("untracked\n.md", "new")
    tree.write("out.log", "ignored")
    tree.write("ignored/weights", b"\0\xff")
    (tree.root / "link").symlink_to("nowhere")
    git(tree.root, "stash", "store", "-m", "kept aside", git(tree.root, "stash", "create"))
    before, status = tree.theirs(), tree.status
    tree.campaign()
    assert tree.theirs() == before
    changed = [] if tree.strategy == "branches" else [" M train.py"]
    assert sorted(tree.status.split("\n")) == sorted([*status.split("\n"), *changed])


@BOTH
def test_a_clean_tree_stays_clean_but_for_kept_code(tree: Tree) -> None:
    commit_all(tree.root)
    tree.campaign()
    assert tree.status == ("M train.py" if tree.strategy == "snapshots" else "")
    assert tree.ask("checkout", "1").code == 0
    assert tree.status == ("" if tree.strategy == "snapshots" else "M train.py")


@BOTH
def test_an_editable_file_that_is_dirty_or_untracked_at_the_start(tree: Tree) -> None:
    tree.edits("src/**")
    tree.write("src/a", "loss: 1\n")
    commit_all(tree.root)
    tree.write("src/a", "loss: 2\n")
    tree.write("src/b", BASE)
    before = tree.theirs()
    assert tree.ask("setup").code == 0
    assert tree.ask("try", "baseline")["status"] == "keep"
    assert (tree.read("src/a"), tree.read("src/b")) == ("loss: 2\n", BASE.decode())
    tree.write("src/b", "val_bpb: 1.75\n")
    assert tree.tried()["status"] == "discard"
    assert (tree.read("src/a"), tree.read("src/b")) == ("loss: 2\n", BASE.decode())
    assert tree.theirs() == before
    if tree.strategy == "branches":
        assert tree.blob(tree.tip, "src/b") == BASE


@BRANCHES
def test_a_dirty_harness_is_refused_at_setup(tree: Tree) -> None:
    commit_all(tree.root)
    head = git(tree.root, "rev-parse", "HEAD")
    for change, named in (
        (lambda: tree.write("conf.yaml", "a: 2\n"), "conf.yaml"),
        (lambda: git(tree.root, "rm", "-q", "--cached", "prepare.py"), "conf.yaml"),
    ):
        change()
        answer = tree.refused("setup", says=named, next_step="snapshots")
        assert answer["kind"] == "dirty harness"
    git(tree.root, "reset", "-q", "--hard")
    (tree.root / "conf.yaml").chmod(0o755)
    tree.refused("setup", says="conf.yaml", next_step="commit")
    (tree.root / "conf.yaml").chmod(0o644)
    git(tree.root, "update-index", "--assume-unchanged", "conf.yaml")
    tree.write("conf.yaml", "a: 3\n")
    tree.refused("setup", says="conf.yaml", next_step="commit")
    assert git(tree.root, "for-each-ref", "refs/heads/autoresearch", "refs/agent-loops") == ""
    assert git(tree.root, "symbolic-ref", "HEAD") == "refs/heads/main"
    assert git(tree.root, "rev-parse", "HEAD") == head


@BRANCHES
def test_a_harness_that_became_dirty_is_refused_by_name(tree: Tree) -> None:
    begun(tree)
    tree.write("conf.yaml", "a: 2\n")
    tree.write("train.py", "val_bpb: 1.25\n")
    tree.refused("try", "an idea", says="conf.yaml")


# ---- what git does to files --------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("how", ["autocrlf", "attributes", "mixed"])
def test_line_ends_stay_as_they_are(tree: Tree, how: str) -> None:
    git(tree.root, "init", "-q", "-b", "main")
    if how == "autocrlf":
        git(tree.root, "config", "core.autocrlf", "true")
        tree.write("train.py", "val_bpb: 1.5\r\n")
    elif how == "attributes":
        tree.write(".gitattributes", "*.py text eol=crlf\n")
        tree.write("prepare.py", "x = 1\r\n")
        tree.write("train.py", "val_bpb: 1.5\r\n")
    else:
        tree.write("train.py", "val_bpb: 1.5\r\n# one\n# two\r\r\n")
        tree.write(".gitattributes", "*.py text=auto\n")
    commit_all(tree.root, "with line ends")
    base = tree.train
    assert b"\r\n" in base
    before = tree.theirs()
    assert tree.ask("setup").code == 0
    assert tree.ask("try", "baseline")["status"] == "keep"
    assert tree.idea(base.replace(b"1.5", b"1.75"))["status"] == "discard"
    assert tree.train == base
    assert tree.status == ""
    better = base.replace(b"1.5", b"1.25")
    assert tree.idea(better)["status"] == "keep"
    assert tree.train == better
    if how != "mixed":
        worse = block("1.25", "1.875")
        assert tree.tried("--edit", "-", stdin=worse)["status"] == "discard"
    assert tree.train == better
    assert tree.theirs() == before
    if tree.strategy == "branches":
        assert tree.status == ""
        if how != "mixed":
            assert tree.blob(tree.tip) == b"val_bpb: 1.25\n"


@BOTH
@pytest.mark.parametrize("required", ["true", "false"])
def test_a_filter_changes_what_is_committed_and_not_what_is_run(tree: Tree, required: str) -> None:
    commit_all(tree.root)
    git(tree.root, "config", "filter.keys.clean", "sed s/s3cret/KEY/")
    git(tree.root, "config", "filter.keys.smudge", "sed s/KEY/s3cret/")
    git(tree.root, "config", "filter.keys.required", required)
    tree.write(".gitattributes", "train.py filter=keys\n")
    tree.write("train.py", "val_bpb: 1.5\n# s3cret KEY\n")
    begun(tree)
    assert tree.idea("val_bpb: 1.25\n# s3cret KEY\n")["status"] == "keep"
    assert tree.idea("val_bpb: 1.75\n# s3cret KEY\n")["status"] == "discard"
    assert tree.train == b"val_bpb: 1.25\n# s3cret KEY\n"
    if tree.strategy == "branches":
        assert tree.blob(tree.tip) == b"val_bpb: 1.25\n# KEY KEY\n"
        assert tree.blob(tree.ref(3)) == b"val_bpb: 1.75\n# KEY KEY\n"
        assert tree.status == ""


@BOTH
def test_large_file_pointers_stay_pointers(tree: Tree) -> None:
    """As where git-lfs is set up but not installed, and the files were never fetched."""
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 9\n"
    tree.write("model.bin", pointer)
    tree.write(".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n")
    commit_all(tree.root)
    before = tree.theirs()
    tree.campaign()
    assert tree.theirs() == before
    tree.write("train.py", "val_bpb: 1\n")
    for name in ("clean", "smudge", "process"):
        git(tree.root, "config", f"filter.lfs.{name}", f"no-such-program {name}")
    git(tree.root, "config", "filter.lfs.required", "true")
    assert tree.tried()["status"] == "keep"
    assert tree.read("model.bin") == pointer


@BOTH
def test_executable_bits_follow_the_verdict(tree: Tree) -> None:
    begun(tree)
    (tree.root / "train.py").chmod(0o755)
    answer = tree.idea("val_bpb: 1.75\n")
    assert answer["status"] == "discard"
    assert stat.S_IMODE((tree.root / "train.py").stat().st_mode) == 0o644
    (tree.root / "train.py").chmod(0o755)
    assert tree.tried()["status"] == "discard"  # the bit alone is another candidate
    assert stat.S_IMODE((tree.root / "train.py").stat().st_mode) == 0o644
    (tree.root / "train.py").chmod(0o755)
    assert tree.idea("val_bpb: 1.25\n")["status"] == "keep"
    assert stat.S_IMODE((tree.root / "train.py").stat().st_mode) == 0o755
    if tree.strategy == "branches":
        modes = [git(tree.root, "ls-tree", tree.ref(n), "train.py")[:6] for n in (1, 2, 3, 4)]
        assert modes == ["100644", "100755", "100755", "100755"]
        assert tree.status == ""


@BOTH
def test_new_deleted_and_renamed_files_come_and_go(tree: Tree) -> None:
    tree.edits("src/**", command="cat src/a")
    (tree.root / "train.py").unlink()
    base = {"src/a": "val_bpb: 1.5\n", "src/b": "b\n", "src/deep/c d": "c\n"}
    for path, text in base.items():
        tree.write(path, text)
    begun(tree)

    def now() -> dict[str, str]:
        found = (tree.root / "src").rglob("*")
        return {str(p.relative_to(tree.root)): p.read_text() for p in found if p.is_file()}

    def rework(metric: str) -> dict[str, str]:
        tree.write("src/a", f"val_bpb: {metric}\n")
        (tree.root / "src/b").rename(tree.root / "src/renamed")
        (tree.root / "src/deep/c d").unlink()
        (tree.root / "src/deep").rmdir()
        tree.write("src/naïve\nnew", "new\n")
        tree.write("src/.gitignore", "naïve*\n")
        return now()

    rework("1.75")
    assert tree.tried()["status"] == "discard"
    assert now() == base
    reworked = rework("1.25")
    assert tree.tried()["status"] == "keep"
    assert now() == reworked
    tree.write("src/renamed", "again\n")
    (tree.root / "src/naïve\nnew").unlink()
    tree.write("src/b", "oops\n")
    tree.write("src/a", "oops\n")
    assert tree.tried()["status"] == "crash"
    assert now() == reworked
    assert tree.ask("checkout", "1").code == 0
    assert now() == base
    assert tree.ask("checkout", "4").code == 0
    assert now()["src/b"] == "oops\n"
    assert tree.ask("checkout", "3").code == 0
    assert now() == reworked
    assert tree.rescued() == {}
    if tree.strategy == "branches":
        held = git(tree.root, "ls-tree", "-r", "-z", "--name-only", tree.tip, "src").split("\0")
        assert sorted(filter(None, held)) == sorted(reworked)
        assert tree.status == ""


@BOTH
def test_edits_of_one_size_within_a_second_are_told_apart(tree: Tree) -> None:
    begun(tree)
    full = tree.root / "train.py"
    for number in (1, 2, 3, 4):
        stamp = full.stat()
        tree.write("train.py", f"val_bpb: 1.{number}\n")
        os.utime(full, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
        answer = tree.tried()
        assert answer["metric"] == 1 + number / 10
        assert answer["status"] == ("keep" if number == 1 else "discard")
        assert tree.train == b"val_bpb: 1.1\n"
        assert full.stat().st_mtime_ns >= stamp.st_mtime_ns + (number > 1) * 10**9
    assert tree.status == ("M train.py" if tree.strategy == "snapshots" else "")


# ---- where HEAD is -----------------------------------------------------------------------------


def _merge(tree: Tree) -> None:
    git(tree.root, "switch", "-q", "-c", "side")
    tree.write("conflict.md", "side")
    commit_all(tree.root)
    git(tree.root, "switch", "-q", "main")
    tree.write("conflict.md", "main")
    commit_all(tree.root)


def _merging(tree: Tree) -> None:
    _merge(tree)
    _fails(tree, "merge", "side")


def _rebasing(tree: Tree) -> None:
    _merge(tree)
    _fails(tree, "rebase", "side")


def _picking(tree: Tree) -> None:
    _merge(tree)
    _fails(tree, "cherry-pick", "side")


def _fails(tree: Tree, *words: str) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        git(tree.root, *words)


@BOTH
@pytest.mark.parametrize(
    ("begin", "abort"),
    [(_merging, "merge --abort"), (_rebasing, "rebase --abort"), (_picking, "cherry-pick --abort")],
)
def test_an_operation_under_way_at_setup(
    tree: Tree, begin: Callable[[Tree], None], abort: str
) -> None:
    commit_all(tree.root)
    begin(tree)
    before, status = tree.theirs(), tree.status
    if tree.strategy == "branches":
        tree.refused("setup", says="under way", next_step=f"git {abort}")
        assert not tree.sandbox.exists()
        git(tree.root, *abort.split(" "))
        tree.campaign()
        return
    tree.campaign()
    assert tree.theirs() == before
    assert tree.status == f"{status}\n M train.py"
    git(tree.root, *abort.split(" "))


@BRANCHES
def test_an_operation_under_way_at_a_try(tree: Tree) -> None:
    begun(tree)
    git(tree.root, "branch", "aside", "HEAD")
    tree.write("conflict.md", "ours")
    git(tree.root, "add", "conflict.md")
    git(tree.root, "commit", "-q", "-m", "ours")
    git(tree.root, "switch", "-q", "aside")
    tree.write("conflict.md", "theirs")
    git(tree.root, "add", "conflict.md")
    git(tree.root, "commit", "-q", "-m", "theirs")
    git(tree.root, "switch", "-q", "autoresearch/t1")
    _fails(tree, "merge", "aside")
    before = tree.theirs()
    tree.write("train.py", "val_bpb: 1.25\n")
    tree.refused("try", "an idea", says="a merge is under way", next_step="git merge --abort")
    assert tree.theirs() == before
    git(tree.root, "merge", "--abort")
    assert tree.tried()["status"] == "keep"


@BRANCHES
def test_an_operation_that_begins_during_a_run_delays_the_branch_only(tree: Tree) -> None:
    begun(tree)
    base = tree.tip
    tree.start()
    git(tree.root, "bisect", "start")
    answer = tree.go()
    assert answer["status"] == "keep"
    assert any("bisect is under way" in note for note in answer["notes"])
    assert tree.tip == base
    git(tree.root, "bisect", "reset", "HEAD")
    assert tree.idea("val_bpb: 1.75\n")["status"] == "discard"
    assert tree.blob(tree.tip) == b"val_bpb: 1.25\n"
    assert tree.status == ""


@BOTH
def test_a_detached_head(tree: Tree) -> None:
    commit_all(tree.root)
    git(tree.root, "checkout", "-q", "--detach")
    tree.campaign()
    where = subprocess.run(
        ["git", "symbolic-ref", "-q", "--short", "HEAD"], cwd=tree.root, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert where.stdout.strip() == ("autoresearch/t1" if tree.strategy == "branches" else "")
    git(tree.root, "checkout", "-q", "--detach")
    tree.write("train.py", "val_bpb: 1\n")
    if tree.strategy == "branches":
        tree.refused("try", "an idea", says="HEAD is at", next_step="git switch autoresearch/t1")
        git(tree.root, "switch", "-q", "autoresearch/t1")
    assert tree.tried()["status"] == "keep"


@BOTH
def test_commits_of_the_user_between_tries(tree: Tree) -> None:
    begun(tree)
    assert tree.idea("val_bpb: 1.375\n")["status"] == "keep"
    tree.write("README.md", "more\n")
    git(tree.root, "commit", "-q", "-m", "about", "README.md")
    mine = git(tree.root, "rev-parse", "HEAD")
    assert tree.idea("val_bpb: 1.75\n")["status"] == "discard"
    answer = tree.idea("val_bpb: 1.25\n")
    assert answer["status"] == "keep"
    assert git(tree.root, "merge-base", "HEAD", mine) == mine
    assert git(tree.root, "show", "HEAD:README.md") == "more"
    assert tree.train == b"val_bpb: 1.25\n"
    if tree.strategy == "branches":
        assert answer["commit"] == tree.tip == git(tree.root, "rev-parse", "HEAD")
        assert tree.status == ""


@BRANCHES
def test_a_commit_of_the_users_on_editable_files_is_refused(tree: Tree) -> None:
    begun(tree)
    tree.write("train.py", "val_bpb: 1.25\n")
    git(tree.root, "commit", "-q", "-m", "by hand", "train.py")
    says = "changed editable files: train.py"
    answer = tree.refused("try", "an idea", says=says, next_step="git reset --soft")
    assert answer["files"] == ["train.py"]
    command = answer["next"].partition(" (")[0]
    subprocess.run(command, shell=True, cwd=tree.root, check=True)
    assert tree.train == b"val_bpb: 1.25\n"
    assert tree.tried()["status"] == "keep"
    assert tree.status == ""


@BOTH
@pytest.mark.parametrize("metric", ["1.25", "1.75"])
def test_a_commit_of_the_users_during_a_run(tree: Tree, metric: str) -> None:
    begun(tree)
    tree.start(f"val_bpb: {metric}\n")
    tree.write("README.md", "more\n")
    git(tree.root, "commit", "-q", "-m", "about", "README.md")
    mine = git(tree.root, "rev-parse", "HEAD")
    answer = tree.go()
    kept = metric == "1.25"
    assert answer["status"] == ("keep" if kept else "discard")
    assert git(tree.root, "merge-base", "HEAD", mine) == mine
    assert tree.train == (f"val_bpb: {metric}\n".encode() if kept else BASE)
    if tree.strategy == "branches":
        assert tree.blob(tree.tip) == tree.train
        assert tree.tip == (answer["commit"] if kept else mine)
        assert tree.status == ""


@BOTH
@pytest.mark.parametrize("metric", ["1.25", "1.75"])
def test_a_switch_to_another_branch_during_a_run(tree: Tree, metric: str) -> None:
    begun(tree)
    tree.start(f"val_bpb: {metric}\n")
    git(tree.root, "switch", "-q", "-c", "elsewhere")
    there = git(tree.root, "rev-parse", "HEAD")
    before = tree.theirs()
    answer = tree.go()
    kept = metric == "1.25"
    assert answer["status"] == ("keep" if kept else "discard")
    assert git(tree.root, "symbolic-ref", "--short", "HEAD") == "elsewhere"
    assert git(tree.root, "rev-parse", "elsewhere") == there
    assert tree.theirs() == before
    assert tree.train == (f"val_bpb: {metric}\n".encode() if kept else BASE)
    if tree.strategy == "branches":
        assert tree.blob(tree.tip) == tree.train
        tree.write("train.py", "val_bpb: 1.125\n")
        back = "git switch autoresearch/t1"
        said = tree.refused("try", "an idea", says="HEAD is at elsewhere", next_step=back)
        assert ("git stash push -- train.py && " in said["next"]) is kept
        subprocess.run(
            ["bash", "-c", said["next"].replace("git stash push", f"{IDENTITY} stash push")],
            cwd=tree.root, check=not kept, capture_output=True,
        )  # fmt: skip
        assert git(tree.root, "symbolic-ref", "--short", "HEAD") == "autoresearch/t1"
        if kept:  # both changed the same line: git shows both, and keeps the stash
            assert git(tree.root, "show", "stash@{0}:train.py") == "val_bpb: 1.125"
            git(tree.root, "reset", "-q")
    assert tree.idea("val_bpb: 1.125\n")["status"] == "keep"


@BRANCHES
def test_the_way_back_to_the_branch_takes_what_was_kept_along(tree: Tree) -> None:
    begun(tree)
    tree.start("val_bpb: 1.25\n")
    git(tree.root, "switch", "-q", "main")
    assert tree.go()["status"] == "keep"
    tree.write("README.md", "mine, not committed\n")
    said = tree.refused("try", "an idea", says="HEAD is at main", next_step="git stash push -- ")
    command = said["next"].replace("git stash push", f"{IDENTITY} stash push")
    subprocess.run(["bash", "-c", command], cwd=tree.root, check=True, capture_output=True)
    assert git(tree.root, "symbolic-ref", "--short", "HEAD") == "autoresearch/t1"
    assert (tree.train, tree.read("README.md")) == (b"val_bpb: 1.25\n", "mine, not committed\n")
    assert git(tree.root, "stash", "list") == ""
    assert tree.idea("val_bpb: 1.125\n")["status"] == "keep"


@BRANCHES
def test_a_switch_that_changes_the_editable_file_loses_nothing(tree: Tree) -> None:
    commit_all(tree.root)
    git(tree.root, "switch", "-q", "-c", "theirs")
    tree.write("train.py", "val_bpb: 9\n# theirs\n")
    commit_all(tree.root)
    git(tree.root, "switch", "-q", "main")
    begun_at = commit_all(tree.root, "more") if tree.status else git(tree.root, "rev-parse", "HEAD")
    assert tree.ask("setup").code == 0
    assert tree.ask("try", "baseline")["status"] == "keep"
    tree.start()
    git(tree.root, "switch", "-q", "--discard-changes", "theirs")
    answer = tree.go()
    assert (answer["status"], answer["kind"]) == ("crash", "idea")
    assert "edited train.py while the run went on" in answer["reason"]
    assert git(tree.root, "show", "theirs:train.py") == "val_bpb: 9\n# theirs"
    assert tree.rescued() == {"train.py": b"val_bpb: 9\n# theirs\n"}
    assert tree.tip == begun_at


# ---- edits during a run ------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("edit", ["content", "mode", "deleted", "new"])
def test_an_edit_of_an_editable_file_during_a_run_is_set_aside(tree: Tree, edit: str) -> None:
    tree.edits("src/**", command=RUN.replace("train.py", "src/train.py"))
    (tree.root / "train.py").unlink()
    full = tree.write("src/train.py", BASE)
    begun(tree)
    tree.hold.touch()
    tree.write("src/train.py", "val_bpb: 1.25\n")
    assert tree.tried("--wait-s", "0")["status"] == "running"
    until((tree.sandbox / "iter2" / "run.log").exists)
    if edit == "content":
        tree.write("src/train.py", "val_bpb: 1.25\n# the user's newer line\n")
    elif edit == "mode":
        full.chmod(0o755)
    elif edit == "deleted":
        full.unlink()
    else:
        tree.write("src/user's\nnew.py", "the user's\n")
    answer = tree.go()
    assert (answer["status"], answer["kind"]) == ("crash", "idea")
    assert "while the run went on" in answer["reason"]
    assert full.read_bytes() == BASE
    assert stat.S_IMODE(full.stat().st_mode) == 0o644
    assert [path.name for path in (tree.root / "src").iterdir()] == ["train.py"]
    rescued = {
        "content": {"src/train.py": b"val_bpb: 1.25\n# the user's newer line\n"},
        "mode": {"src/train.py": b"val_bpb: 1.25\n"},
        "deleted": {},
        "new": {"src/user's\nnew.py": b"the user's\n"},
    }[edit]
    if edit in ("content", "new"):
        assert tree.rescued() == rescued
        note = next(note for note in answer["notes"] if "rescue" in note)
        assert "user's new.py" in note if edit == "new" else "src/train.py" in note
        assert Path(tree.root, note.rpartition(" in ")[2], *rescued).is_file()
        assert [event["files"] for event in tree.events("rescued")] == [[*rescued]]
    plain = tree.terminal.call("wait")
    assert plain.out.count("\n") <= 5
    assert "`agent-loops checkout 2`" in answer["next"]
    assert tree.ask("checkout", "2").code == 0
    assert tree.ask("try", "the same again")["status"] == "keep"


@BOTH
def test_an_edit_of_the_kept_code_after_the_run_stays(tree: Tree) -> None:
    begun(tree)
    tree.start()
    tree.hold.unlink()
    until((tree.sandbox / "iter2" / "run.json").exists)
    tree.write("train.py", "val_bpb: 1.25\n# begun already\n")
    assert tree.ask("wait")["status"] == "keep"
    assert tree.train == b"val_bpb: 1.25\n# begun already\n"
    tree.start("val_bpb: 1.75\n")
    tree.hold.unlink()
    until((tree.sandbox / "iter3" / "run.json").exists)
    tree.write("train.py", "val_bpb: 1.75\n# begun already\n")
    assert tree.ask("wait")["status"] == "discard"
    assert tree.train == b"val_bpb: 1.25\n"
    assert tree.rescued() == {"train.py": b"val_bpb: 1.75\n# begun already\n"}


@BOTH
def test_hand_edits_and_blocks_never_meet(tree: Tree) -> None:
    begun(tree)
    tree.write("train.py", "val_bpb: 1.5\n# begun by hand\n")
    before = tree.bytes()
    words = ("try", "an idea", "--edit", "-")
    answer = tree.ask(*words, stdin=block("1.5", "1.25"))
    assert (answer.code, answer["kind"], answer["files"]) == (3, "edits", ["train.py"])
    assert tree.bytes() == before
    assert "`agent-loops checkout 1`" in answer["next"]
    assert tree.ask("checkout", "1").code == 0
    assert tree.rescued() == {"train.py": b"val_bpb: 1.5\n# begun by hand\n"}
    answer = tree.tried("--edit", "-", stdin=block("1.5", "1.25"))
    assert (answer["status"], tree.train) == ("keep", b"val_bpb: 1.25\n")


@BRANCHES
def test_the_branch_is_looked_at_before_the_code(tree: Tree) -> None:
    """Another branch has other files; what they hold says nothing of the idea."""
    begun(tree)
    git(tree.root, "stash", "-qu")
    git(tree.root, "switch", "-q", "main")
    tree.refused("try", "nothing edited", says="not on autoresearch/t1", next_step="git switch")


@BOTH
def test_an_edit_of_another_file_during_a_run(tree: Tree) -> None:
    begun(tree)
    tree.start()
    tree.write("README.md", "edited meanwhile\n")
    tree.write("notes.txt", "written meanwhile\n")
    before = tree.theirs()
    assert tree.go()["status"] == "keep"
    assert tree.theirs() == before
    tree.start("val_bpb: 1.125\n")
    tree.write("conf.yaml", "a: edited meanwhile\n")
    before = tree.theirs()
    answer = tree.go()
    assert answer["status"] == "crash"
    assert "conf.yaml" in answer["reason"]
    assert tree.train == b"val_bpb: 1.25\n"
    assert tree.theirs() == before


# ---- kinds of repositories ---------------------------------------------------------------------


@BOTH
def test_a_project_with_a_submodule(tree: Tree) -> None:
    library = tree.root.parent / "library"
    library.mkdir()
    (library / "lib.py").write_text("x = 1\n")
    commit_all(library)
    commit_all(tree.root)
    allow = ["-c", "protocol.file.allow=always"]
    git(tree.root, *allow, "submodule", "add", "-q", str(library), "src/lib")
    commit_all(tree.root, "with a library")
    (tree.root / "src/lib/lib.py").write_text("x = 2\n")  # dirty, and the user's
    before, status = tree.theirs(), tree.status
    tree.campaign()
    assert tree.theirs() == before
    assert status in tree.status


@BRANCHES
def test_editable_files_in_a_submodule_cannot_be_committed(tree: Tree) -> None:
    library = tree.root.parent / "library"
    library.mkdir()
    (library / "lib.py").write_text("x = 1\n")
    commit_all(library)
    commit_all(tree.root)
    allow = ["-c", "protocol.file.allow=always"]
    git(tree.root, *allow, "submodule", "add", "-q", str(library), "lib")
    tree.edits("train.py", "lib/lib.py", command=RUN)
    commit_all(tree.root, "with a library")
    tree.refused("setup", says="lib, a git repository of its own", next_step="snapshots")
    assert not tree.sandbox.exists()


@BOTH
def test_a_sparse_checkout(tree: Tree) -> None:
    for name in ("other/a.py", "other/b.yaml", "docs/c.md"):
        tree.write(name, "left out")
    commit_all(tree.root)
    git(tree.root, "sparse-checkout", "set", "--no-cone", "/*", "!/other/")
    assert not (tree.root / "other").exists()
    before = tree.theirs()
    tree.campaign()
    assert tree.theirs() == before
    assert not (tree.root / "other").exists()
    if tree.strategy == "branches":
        assert git(tree.root, "show", f"{tree.tip}:other/a.py") == "left out"


@BOTH
def test_a_linked_worktree(tree: Tree) -> None:
    commit_all(tree.root)
    main = tree.root.with_name("main work")
    tree.root.rename(main)
    git(main, "worktree", "add", "-q", "-b", "linked", str(tree.root))
    (main / "train.py").write_text("the main work tree's\n")
    status = git(main, "status", "--porcelain")
    tree.campaign()
    assert (main / "train.py").read_text() == "the main work tree's\n"
    assert git(main, "symbolic-ref", "--short", "HEAD") == "main"
    assert git(main, "status", "--porcelain") == status
    assert (tree.root / ".git").is_file()


@BOTH
def test_a_project_in_a_subfolder_of_a_repository(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    top = tree.root
    commit_all(top)
    root = top / "exp eriments" / "one"
    nested = Tree(root, tree.strategy, Terminal(root, monkeypatch, capsys))
    commit_all(top, "with a project")
    tree.write("train.py", "outside, dirty\n")
    tree.write("conf.yaml", "outside: dirty\n")
    git(top, "add", "conf.yaml")
    status = git(top, "status", "--porcelain")
    nested.campaign()
    kept = [] if tree.strategy == "branches" else ['M "exp eriments/one/train.py"']
    assert [line.strip() for line in git(top, "status", "--porcelain").split("\n")] == [
        *[line.strip() for line in status.split("\n")][:1], *kept,
        *[line.strip() for line in status.split("\n")][1:],
    ]  # fmt: skip
    assert tree.train == b"outside, dirty\n"
    if tree.strategy == "branches":
        assert nested.blob(nested.tip) == b"val_bpb: 1.25\n"


@BOTH
def test_a_repository_without_a_commit(tree: Tree) -> None:
    git(tree.root, "init", "-q")
    git(tree.root, "add", "prepare.py")
    if tree.strategy == "branches":
        tree.refused("setup", says="no commit yet", next_step="git commit")
        assert not tree.sandbox.exists()
        return
    tree.campaign()
    assert git(tree.root, "ls-files") == "prepare.py"


@BOTH
def test_a_bare_or_absent_repository(tree: Tree) -> None:
    if tree.strategy == "branches":
        tree.refused("setup", says="git repository", next_step="git init")
        assert not tree.sandbox.exists()
        return
    tree.campaign()
    assert not (tree.root / ".git").exists()


@BOTH
def test_no_git_program_at_all(tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit_all(tree.root)
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("sh", "bash", "cat", "sleep", "printf", "test"):
        found = shutil.which(name)
        assert found
        (programs / name).symlink_to(found)
    head = (tree.root / ".git" / "HEAD").read_bytes()
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(programs))
        assert shutil.which("git") is None
        if tree.strategy == "branches":
            tree.refused("setup", says="git", next_step="snapshots")
            assert not tree.sandbox.exists()
            return
        tree.campaign()
    assert (tree.root / ".git" / "HEAD").read_bytes() == head


@BRANCHES
def test_git_gone_in_the_middle_of_a_campaign(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(tree)
    tree.write("train.py", "val_bpb: 1.25\n")
    (tmp_path / "empty").mkdir()
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(tmp_path / "empty"))
        answer = tree.ask("try", "an idea")
        assert answer.code == 1
        assert "git" in answer["reason"]
    assert tree.train == b"val_bpb: 1.25\n"
    assert tree.tried()["status"] == "keep"


@BRANCHES
@pytest.mark.parametrize("how", ["unset", "empty", "only dots"])
def test_nobody_has_told_git_a_name(
    tree: Tree, how: str, throwaway_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit_all(tree.root)
    git(tree.root, "config", "user.useConfigOnly", "true")
    if how != "unset":
        name = "" if how == "empty" else "..."
        (throwaway_home / ".gitconfig").write_text(f"[user]\n\tname = {name}\n\temail = {name}\n")
    monkeypatch.setenv("EMAIL", "")
    tree.campaign()
    author = git(tree.root, "log", "-1", "--format=%an <%ae>")
    assert author == "agent-loops <agent-loops@localhost>"


@BRANCHES
def test_a_persons_name_is_on_the_commits(tree: Tree) -> None:
    commit_all(tree.root)
    git(tree.root, "config", "user.name", "Ada L\u00f6velace")
    git(tree.root, "config", "user.email", "ada@example.org")
    tree.campaign()
    log = git(tree.root, "log", "-1", "--format=%an %cn %ae %s%n%b", tree.ref(2))
    assert log == "Ada L\u00f6velace Ada L\u00f6velace ada@example.org an idea\nExperiment: 2"


@BOTH
def test_hooks_of_the_users_are_not_run(tree: Tree, throwaway_home: Path) -> None:
    commit_all(tree.root)
    marks = tree.root.parent / "hooks ran"
    marks.mkdir()
    folders = [tree.root / ".git" / "hooks", throwaway_home / "hooks"]
    names = (
        "pre-commit commit-msg prepare-commit-msg post-commit post-checkout post-index-change "
        "reference-transaction post-rewrite pre-auto-gc fsmonitor-watchman"
    )
    for folder in folders:
        folder.mkdir(exist_ok=True)
        for name in names.split(" "):
            hook = folder / name
            hook.write_text(f"#!/bin/sh\ntouch '{marks}/{name}'\nexit 1\n")
            hook.chmod(0o755)
    (throwaway_home / ".gitconfig").write_text(f"[core]\n\thooksPath = {folders[1]}\n")
    tree.campaign()
    assert list(marks.iterdir()) == []


@BRANCHES
def test_signing_is_left_out(tree: Tree, throwaway_home: Path) -> None:
    commit_all(tree.root)
    (throwaway_home / ".gitconfig").write_text(
        "[commit]\n\tgpgSign = true\n[tag]\n\tgpgSign = true\n[gpg]\n\tprogram = false\n"
        "[merge]\n\tgpgSign = true\n[core]\n\teditor = false\n"
    )
    tree.campaign()
    assert "gpgsig" not in git(tree.root, "cat-file", "commit", tree.tip)


# ---- the branch --------------------------------------------------------------------------------


@BRANCHES
def test_kept_ideas_are_the_branch_and_every_idea_has_a_ref(tree: Tree) -> None:
    base = commit_all(tree.root)
    assert tree.ask("setup")["branch"] == "autoresearch/t1"
    assert git(tree.root, "symbolic-ref", "--short", "HEAD") == "autoresearch/t1"
    assert tree.ask("try", "baseline")["status"] == "keep"
    kept = tree.idea("val_bpb: 1.25\n")
    assert tree.tip == kept["commit"] == tree.ref(2)
    assert git(tree.root, "rev-parse", "HEAD^") == base
    worse, crashed = tree.idea("val_bpb: 1.75\n"), tree.idea("oops\n")
    assert (worse["status"], crashed["status"]) == ("discard", "crash")
    assert tree.tip == kept["commit"]
    assert [tree.blob(tree.ref(n)) for n in (1, 2, 3, 4)] == [
        BASE, b"val_bpb: 1.25\n", b"val_bpb: 1.75\n", b"oops\n",
    ]  # fmt: skip
    assert git(tree.root, "rev-parse", f"{tree.ref(4)}^") == kept["commit"]
    assert [row[0] for row in tree.rows()] == [tree.ref(n)[:7] for n in (1, 2, 3, 4)]
    git(tree.root, "gc", "-q", "--prune=now")
    assert tree.blob(tree.ref(4)) == b"oops\n"
    assert git(tree.root, "rev-parse", "main") == base
    assert tree.status == ""


@BRANCHES
@pytest.mark.parametrize("given", ["t1", None])
def test_a_second_campaign_of_the_same_name_replaces_no_candidate(
    tree: Tree, given: str | None
) -> None:
    tree.bind(run_tag=given)
    commit_all(tree.root)
    tag = tree.ask("setup")["tag"]
    assert tree.ask("try", "baseline")["status"] == "keep"
    refs = git(tree.root, "for-each-ref", f"refs/agent-loops/{tag}")
    assert tree.ask("stop").code == 0
    git(tree.root, "switch", "-q", "main")
    git(tree.root, "branch", "-q", "-D", f"autoresearch/{tag}")
    shutil.rmtree(tree.root / "sandbox")
    again = tree.ask("setup")
    assert again.code == (3 if given else 0), again
    if given:
        assert f"refs/agent-loops/{tag}" in again["reason"]
    else:
        assert again["tag"] == f"{tag}-2"
    assert git(tree.root, "for-each-ref", f"refs/agent-loops/{tag}") == refs


@BRANCHES
def test_every_attempt_at_a_baseline_keeps_its_commit(tree: Tree) -> None:
    attempts = ("no metric", "none again", "val_bpb: 1.5")
    tree.write("train.py", attempts[0])
    commit_all(tree.root)
    assert tree.ask("setup").code == 0
    for text in attempts:
        assert tree.idea(text)["experiment"] == 1
    refs = ("1-attempt-1", "1-attempt-2", "1")
    kept = [git(tree.root, "show", f"refs/agent-loops/t1/{ref}:train.py") for ref in refs]
    assert kept == list(attempts)


@BRANCHES
def test_override_moves_the_branch_back_and_on_again(tree: Tree) -> None:
    begun(tree)
    first = tree.idea("val_bpb: 1.25\n")["commit"]
    second = tree.idea("val_bpb: 1.125\n")["commit"]
    assert tree.tip == second
    assert tree.ask("override", "3", "discard", "--why", "ugly").code == 0
    assert (tree.tip, tree.train, tree.status) == (first, b"val_bpb: 1.25\n", "")
    assert tree.ref(3) == second
    assert tree.ask("override", "3", "keep", "--why", "well").code == 0
    assert (tree.tip, tree.train, tree.status) == (second, b"val_bpb: 1.125\n", "")
    tree.write("README.md", "more\n")
    git(tree.root, "commit", "-q", "-m", "about", "README.md")
    assert tree.ask("override", "3", "discard", "--why", "ugly").code == 0
    assert tree.blob(tree.tip) == tree.train == b"val_bpb: 1.25\n"
    assert git(tree.root, "show", f"{tree.tip}:README.md") == "more"
    assert tree.status == ""
    assert tree.idea("val_bpb: 1.0625\n")["status"] == "keep"


# ---- generated trees and users -----------------------------------------------------------------

_NAMES = ["a.md", "b c.md", "new\nline.md", "naïve.md", RAW, "docs/d.md", "-x.md", "*.md", "k.png"]
_BYTES = st.binary(max_size=12)


def _contents(*places: Path) -> set[bytes]:
    return {path.read_bytes() for place in places for path in place.rglob("*") if path.is_file()}


def _stored(tree: Tree) -> set[bytes]:
    """Every content in the snapshots and in rescue/."""
    return _contents(tree.sandbox / "rescue", *tree.sandbox.glob("iter*/**/code_snapshot"))


_History: TypeAlias = tuple[str, list[tuple[str, str, bytes]], list[tuple[str, bytes]]]


@st.composite
def _histories(draw: st.DrawFn) -> _History:
    """A strategy, the user's files with what git knows of each, and what happens then."""
    strategy = draw(st.sampled_from(["snapshots", "branches"]))
    names = draw(st.lists(st.sampled_from(_NAMES), unique=True, max_size=5))
    kinds = st.sampled_from(["committed", "modified", "staged", "untracked", "ignored", "deleted"])
    files = [(name, draw(kinds), draw(_BYTES)) for name in names]
    steps = st.tuples(
        st.sampled_from(["edit", "new", "delete", "other", "good", "bad", "crash", "blocks",
                         "checkout", "override", "commit"]),
        _BYTES,
    )  # fmt: skip
    return strategy, files, draw(st.lists(steps, min_size=3, max_size=6))


def _lay_out(tree: Tree, files: Sequence[tuple[str, str, bytes]]) -> None:
    tree.edits("src/**", command="cat src/train")
    (tree.root / "train.py").unlink()
    tree.write("src/train", BASE)
    tree.write("src/other", b"\r\n\xff")
    tree.write(".gitignore", "ignored-*\n")
    for name, kind, data in files:
        if kind not in ("untracked", "ignored"):
            tree.write(name, data)
    commit_all(tree.root)
    for name, kind, data in files:
        if kind in ("modified", "staged"):
            tree.write(name, data + b"changed")
        if kind == "staged":
            git(tree.root, "--literal-pathspecs", "add", "--", name)
            tree.write(name, data + b"changed again")
        elif kind == "untracked":
            tree.write(name, data)
        elif kind == "ignored":
            tree.write(f"ignored-{name.replace('/', '-')}", data)
        elif kind == "deleted":
            (tree.root / name).unlink()


_BLOCK = "src/b{0}\n<<<<<<< SEARCH\n=======\n{0}\n>>>>>>> REPLACE\n"


def _edit(tree: Tree, kind: str, number: int, data: bytes) -> None:
    """What a user or an agent does by hand before the engine is called."""
    match kind:
        case "edit":
            tree.write("src/other", data)
        case "new":
            tree.write(f"src/deep/{data.hex()[:6]}.txt", data)
        case "delete":
            (tree.root / "src/other").unlink(missing_ok=True)
        case "other":
            tree.write("theirs.md", data)
        case "commit":
            tree.write("committed.md", data + b"%d" % number)
            git(tree.root, "add", "committed.md")
            git(tree.root, "commit", "-q", "-m", "theirs", "--", "committed.md")
        case "good" | "bad" | "crash":
            value = {"good": 1.5 - number / 1000, "bad": 2 + number, "crash": "oops"}[kind]
            tree.write("src/train", f"val_bpb: {value}\n# {number}\n")


def _call(tree: Tree, kind: str, number: int, data: bytes) -> None:
    """What the engine is asked to do; every refusal is fine."""
    words, stdin = ["try", "an idea"], ""
    if kind == "blocks":
        words, stdin = ["try", "blocks", "--edit", "-"], _BLOCK.format(number)
    elif kind == "checkout":
        words = ["checkout", str(1 + len(data) % 3)]
    elif kind == "override":
        last = len(tree.events("experiment_started"))
        words = ["override", str(last), "discard" if len(data) % 2 else "keep", "--why", "x"]
    answer = tree.ask(*words, stdin=stdin)
    assert answer.code in (0, 3), answer


@settings(
    max_examples=12, phases=[Phase.generate], deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(history=_histories())
def test_no_byte_of_anybodys_is_lost_or_changed(
    history: _History,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    strategy, files, steps = history
    root = tmp_path_factory.mktemp("generated") / "pro ject"
    monkeypatch.setenv("HOLD", "")
    tree = Tree(root, strategy, Terminal(root, monkeypatch, capsys))
    _lay_out(tree, files)
    theirs = tree.theirs()
    assert tree.ask("setup").code == 0
    assert tree.ask("try", "baseline")["status"] == "keep"
    for number, (kind, data) in enumerate(steps, 1):
        _edit(tree, kind, number, data)
        if kind in ("other", "commit"):
            theirs = tree.theirs()
        elif kind not in ("edit", "new", "delete"):
            before, stored = _contents(root / "src"), _stored(tree)
            _call(tree, kind, number, data)
            assert before <= _contents(root / "src") | _stored(tree)
            assert stored <= _stored(tree)
        assert tree.theirs() == theirs
    shutil.rmtree(root.parent)
