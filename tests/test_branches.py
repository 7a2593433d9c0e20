"""Candidates become commits; nothing of the user's changes. Real repositories throughout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent_loops import git_commands
from agent_loops.branches import CandidateFile, Repository, Tip
from agent_loops.errors import AgentLoopsError, BindingsError, Refused

WHEN = datetime(2031, 3, 5, 4, 5, 6, tzinfo=timezone.utc)
BASE = b"lr = 1\n"
NEXT = b"lr = 2\n"
BRANCH = "refs/heads/autoresearch/mar5"
ODD_NAMES = ["a b.py", 'q"uote.py', "new\nline.py", "naïve.py", "-dash.py", ":(top)x.py", "*.py"]


class Work:
    """A repository in a folder with a space and a newline in its name."""

    def __init__(self, top: Path, *options: str) -> None:
        self.top = top
        top.mkdir(parents=True, exist_ok=True)
        self.git("init", "-q", *options)
        self.git("symbolic-ref", "HEAD", "refs/heads/main")
        self.git("config", "user.name", "Ada")
        self.git("config", "user.email", "ada@example.org")

    def git(self, *arguments: str, ok: bool = True, env: Mapping[str, str] | None = None) -> str:
        ended = subprocess.run(
            ["git", *arguments],
            cwd=self.top,
            capture_output=True,
            env={**os.environ, **(env or {})},
        )
        assert not ok or ended.returncode == 0, ended.stderr
        return os.fsdecode(ended.stdout)

    def write(self, path: str, data: bytes) -> Path:
        file = self.top / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        return file

    def commit(self, message: str = "more", **files: bytes) -> str:
        for path, data in files.items():
            self.write(path.replace("__", "."), data)
        self.git("add", "-A")
        self.git("commit", "-q", "--no-verify", "--allow-empty", "-m", message)
        return self.head

    @property
    def head(self) -> str:
        return self.git("rev-parse", "HEAD").strip()

    @property
    def status(self) -> str:
        return self.git("status", "--porcelain", "-z", env={"GIT_OPTIONAL_LOCKS": "0"})

    @property
    def repository(self) -> Repository:
        found = Repository.find(self.top)
        assert found is not None
        return found

    def blob(self, commit: str, path: str) -> bytes:
        ended = subprocess.run(
            ["git", "cat-file", "blob", f"{commit}:{path}"],
            cwd=self.top, capture_output=True, check=True,
        )  # fmt: skip
        return ended.stdout

    def files(self) -> dict[str, bytes]:
        found = {}
        for folder, names, leaves in os.walk(self.top):
            if ".git" in names:
                names.remove(".git")
            for leaf in leaves:
                path = Path(folder, leaf)
                found[str(path.relative_to(self.top))] = path.read_bytes()
        return found


@pytest.fixture
def work(tmp_path: Path) -> Work:
    made = Work(tmp_path / "my\nproject here")
    made.write("train.py", BASE)
    made.write("data.txt", b"1\n")
    made.commit("base")
    return made


@pytest.fixture
def started(work: Work) -> Work:
    work.repository.start_branch("mar5")
    return work


def file(path: str = "train.py", data: bytes = NEXT, *, executable: bool = False) -> CandidateFile:
    return CandidateFile(path, data, executable)


def candidate(
    work: Work,
    *files: CandidateFile,
    deleted: Sequence[str] = (),
    parent: str = "",
    message: str = "idea",
) -> str:
    return work.repository.commit_candidate(
        parent=parent or work.head, files=files, deleted=deleted, message=message, when=WHEN
    )


def keep(work: Work, *files: CandidateFile, deleted: Sequence[str] = ()) -> str:
    """What the loop does for a kept candidate whose bytes lie in the work tree."""
    old = work.head
    for one in files:
        work.write(one.path, one.data).chmod(0o755 if one.executable else 0o644)
    for path in deleted:
        (work.top / path).unlink()
    new = candidate(work, *files, deleted=deleted)
    return work.repository.advance("mar5", old=old, new=new, files=files, deleted=deleted)


def refusal(call: object, *arguments: object, **named: object) -> Refused:
    with pytest.raises(Refused) as caught:
        call(*arguments, **named)  # type: ignore[operator]
    assert caught.value.kind == "git"
    assert caught.value.next_step
    return caught.value


class TestFinding:
    def test_no_repository_or_a_bare_one_is_none(self, tmp_path: Path) -> None:
        assert Repository.find(tmp_path) is None
        subprocess.run(["git", "init", "-q", "--bare", tmp_path / "bare"], check=True)
        assert Repository.find(tmp_path / "bare") is None

    def test_no_git_program_is_none(self, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", "/nowhere")
        assert Repository.find(work.top) is None

    def test_inside_the_git_folder_there_is_no_work_tree(self, work: Work) -> None:
        assert Repository.find(work.top / ".git") is None

    def test_a_damaged_repository_is_an_error(self, work: Work) -> None:
        (work.top / ".git/HEAD").write_bytes(b"\0\0\0")
        with pytest.raises(AgentLoopsError, match="damaged"):
            Repository.find(work.top)

    def test_an_empty_git_folder_is_no_repository(self, tmp_path: Path) -> None:
        (tmp_path / ".git").mkdir()
        assert Repository.find(tmp_path) is None

    def test_foreign_git_variables_do_not_misdirect(
        self, work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = Work(tmp_path / "other")
        other.commit("x", f=b"")
        before = other.git("for-each-ref")
        monkeypatch.setenv("GIT_DIR", str(other.top / ".git"))
        monkeypatch.setenv("GIT_WORK_TREE", str(other.top))
        monkeypatch.setenv("GIT_INDEX_FILE", str(other.top / ".git/index"))
        monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(other.top / ".git/objects"))
        monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'core.bare=true'")
        repository = Repository.find(work.top)
        assert repository is not None
        assert repository.top == work.top
        commit = repository.start_branch("mar5")
        new = repository.commit_candidate(
            parent=commit, files=[file()], deleted=[], message="m", when=WHEN
        )
        repository.advance("mar5", old=commit, new=new, files=[file()], deleted=[])
        for name in list(os.environ):
            if name.startswith("GIT_") and not name.startswith("GIT_CONFIG_"):
                monkeypatch.delenv(name)
        monkeypatch.delenv("GIT_CONFIG_PARAMETERS")
        assert work.head == new
        assert other.git("for-each-ref") == before

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
    def test_another_owner_gets_the_command_that_helps(self, work: Work) -> None:
        os.chown(work.top / ".git", 12345, 12345)
        os.chown(work.top, 12345, 12345)
        with pytest.raises(AgentLoopsError, match=r"(?s)safe.directory '.*project here'") as caught:
            Repository.find(work.top)
        assert "belongs to another user" in str(caught.value)


class TestReading:
    def test_tracked_files_are_regular_and_below_the_project(self, work: Work) -> None:
        sub = work.top / "sub"
        for name in ODD_NAMES:
            work.write(f"sub/{name}", b"")
        (sub / "link.py").symlink_to("a b.py")
        inner = Work(sub / "module")
        inner.commit("x", f=b"")
        work.write("sub/run.sh", b"").chmod(0o755)
        work.commit("more")
        work.write("sub/untracked.py", b"")
        repository = Repository.find(sub)
        assert repository is not None
        assert repository.tracked_files() == sorted([*ODD_NAMES, "run.sh"], key=os.fsencode)

    def test_a_name_that_is_not_utf8_survives(self, work: Work) -> None:
        name = os.fsdecode(b"caf\xe9.py")
        try:
            work.write(name, b"")
        except OSError:
            pytest.skip("the file system takes UTF-8 names only")
        work.commit()
        assert name in work.repository.tracked_files()

    def test_sparse_files_are_left_out(self, work: Work) -> None:
        work.write("far/x.py", b"")
        work.commit()
        work.git("sparse-checkout", "set", "near")
        assert work.repository.tracked_files() == ["data.txt", "train.py"]

    def test_harness_changes_are_found_whatever_the_flags_say(self, work: Work) -> None:
        names = [
            "same.py",
            "edited.py",
            "staged.py",
            "assumed.py",
            "mode.py",
            "gone.py",
            *ODD_NAMES,
        ]
        for name in names:
            work.write(name, b"0\n")
        work.commit()
        for name in ("edited.py", "staged.py", "assumed.py", "*.py"):
            work.write(name, b"1\n")
        work.git("add", "staged.py")
        work.git("update-index", "--assume-unchanged", "assumed.py")
        (work.top / "mode.py").chmod(0o755)
        (work.top / "gone.py").unlink()
        work.write("new.py", b"")
        objects = work.git("count-objects")
        changed = work.repository.untracked_or_changed([*names, "new.py"])
        assert changed == [
            "edited.py",
            "staged.py",
            "assumed.py",
            "mode.py",
            "gone.py",
            "*.py",
            "new.py",
        ]
        assert work.git("count-objects") == objects

    def test_line_endings_alone_are_no_change(self, work: Work) -> None:
        work.commit("crlf", train__py=b"a\r\nb\r\n")
        work.git("config", "core.autocrlf", "true")
        assert work.repository.untracked_or_changed(["train.py"]) == []

    def test_in_a_linked_worktree_the_objects_are_the_main_ones(
        self, work: Work, tmp_path: Path
    ) -> None:
        work.git("worktree", "add", "-q", "--detach", str(tmp_path / 'li:nk"ed'))
        repository = Repository.find(tmp_path / 'li:nk"ed')
        assert repository is not None
        (repository.top / "data.txt").write_bytes(b"2\n")
        assert repository.untracked_or_changed(["data.txt", "train.py"]) == ["data.txt"]

    def test_head_names_branch_commit_and_operation(self, work: Work) -> None:
        assert work.repository.head().branch == "main"
        assert work.repository.head().commit == work.head
        work.git("checkout", "-q", "--detach")
        assert work.repository.head().branch is None

    def test_an_unborn_head_has_no_commit(self, tmp_path: Path) -> None:
        unborn = Work(tmp_path / "r")
        assert unborn.repository.head().commit is None
        assert unborn.repository.untracked_or_changed(["a.py"]) == ["a.py"]
        assert "no commit" in refusal(unborn.repository.check_can_start, "mar5", []).reason
        assert "no commit" in refusal(unborn.repository.start_branch, "mar5").reason


def under_way(work: Work, operation: str) -> None:
    """Brings `operation` to where it stops for a conflict, on the branch it was called from."""
    here = work.git("symbolic-ref", "--short", "HEAD").strip()
    work.git("checkout", "-q", "-b", "side", "HEAD")
    work.commit("side", data__txt=b"side\n")
    work.git("checkout", "-q", here)
    work.commit("here", data__txt=b"here\n")
    if operation == "am":
        patch = work.git("format-patch", "-1", "--stdout", "side")
        (work.top.parent / "p.patch").write_text(patch)
        work.git("am", "-q", str(work.top.parent / "p.patch"), ok=False)
    elif operation == "revert":
        work.commit("again", data__txt=b"again\n")
        work.git("revert", "--no-edit", "HEAD~1", ok=False)
    elif operation == "bisect":
        work.git("bisect", "start")
    else:
        work.git(operation, "side", ok=False)


class TestStarting:
    def test_a_clean_repository_may_start(self, work: Work) -> None:
        before = work.files(), work.git("for-each-ref"), (work.top / ".git/index").read_bytes()
        work.repository.check_can_start("mar5", ["train.py", "new.py"])
        assert before == (
            work.files(),
            work.git("for-each-ref"),
            (work.top / ".git/index").read_bytes(),
        )

    @pytest.mark.parametrize(
        "operation", ["merge", "rebase", "cherry-pick", "revert", "am", "bisect"]
    )
    def test_an_operation_under_way_is_refused(self, work: Work, operation: str) -> None:
        under_way(work, operation)
        assert work.repository.head().operation == operation
        refused = refusal(work.repository.check_can_start, "mar5", ["train.py"])
        assert operation in refused.reason
        assert f"git {operation}" in refused.next_step

    def test_several_picks_stopped_in_between_are_an_operation(self, work: Work) -> None:
        under_way(work, "merge")
        work.git("merge", "--abort")
        work.git("checkout", "-q", "side")
        work.commit("more", x__py=b"")
        work.git("checkout", "-q", "main")
        work.git("cherry-pick", "side~1", "side", ok=False)
        work.commit("resolved")
        assert work.repository.head().operation == "cherry-pick"

    @pytest.mark.parametrize("taken", ["autoresearch/mar5", "autoresearch/mar5/x", "autoresearch"])
    def test_a_taken_name_is_refused(self, work: Work, taken: str) -> None:
        work.git("branch", taken)
        assert taken in refusal(work.repository.check_can_start, "mar5", []).reason

    def test_candidates_of_an_earlier_campaign_are_not_replaced(self, work: Work) -> None:
        work.repository.keep_ref("mar5", "1", work.head)
        assert work.repository.has_refs("mar5")
        refused = refusal(work.repository.check_can_start, "mar5", [])
        assert "refs/agent-loops/mar5" in refused.reason
        assert "run_tag" in refused.next_step
        work.repository.check_can_start("mar", [])

    def test_a_taken_name_is_seen_in_packed_refs(self, work: Work) -> None:
        work.git("branch", "autoresearch/mar5")
        work.git("pack-refs", "--all")
        refusal(work.repository.check_can_start, "mar5", [])

    def test_a_name_git_does_not_allow(self, work: Work) -> None:
        with pytest.raises(BindingsError, match="run_tag"):
            work.repository.check_can_start("a..b", [])

    def test_editable_files_git_cannot_hold_are_refused(self, work: Work) -> None:
        inner = Work(work.top / "module")
        inner.commit("x", f=b"")
        work.write("real/f.py", b"")
        (work.top / "link.py").symlink_to("train.py")
        (work.top / "folder").symlink_to("real")
        work.commit()
        shutil.rmtree(inner.top / ".git")
        for path, why in (
            ("module/f", "repository of its own"),
            ("link.py", "is a symlink"),
            ("folder/f.py", "symlink folder"),
        ):
            refused = refusal(work.repository.check_can_start, "mar5", ["train.py", path])
            assert why in refused.reason
            assert refused.files == (path,)

    def test_an_editable_file_left_out_by_sparse_checkout_is_refused(self, work: Work) -> None:
        work.write("far/x.py", b"")
        work.commit()
        work.git("sparse-checkout", "set", "near")
        assert "left out" in refusal(work.repository.check_can_start, "t", ["far/x.py"]).reason

    def test_staged_bytes_that_are_nowhere_else_are_refused(self, work: Work) -> None:
        work.write("train.py", b"staged\n")
        work.git("add", "train.py")
        work.repository.check_can_start("mar5", ["train.py"])
        work.write("train.py", b"later\n")
        refused = refusal(work.repository.check_can_start, "mar5", ["train.py"])
        assert refused.files == ("train.py",)
        assert "staged" in refused.reason
        work.git("reset", "-q")
        work.write("new.py", b"x\n")
        work.git("add", "-N", "new.py")
        work.repository.check_can_start("mar5", ["train.py", "new.py"])

    def test_conflicts_left_by_a_stash_are_refused(self, work: Work) -> None:
        work.write("train.py", b"stashed\n")
        work.git("stash", "-q")
        work.commit("x", train__py=b"other\n")
        work.git("stash", "pop", ok=False)
        assert "conflicts" in refusal(work.repository.check_can_start, "t", ["train.py"]).reason

    def test_starting_moves_head_and_nothing_else(self, work: Work) -> None:
        work.write("train.py", b"dirty\n")
        work.write("data.txt", b"staged\n")
        work.git("add", "data.txt")
        before = work.files(), (work.top / ".git/index").read_bytes()
        assert work.repository.start_branch("mar5") == work.head
        assert before == (work.files(), (work.top / ".git/index").read_bytes())
        assert work.git("rev-parse", "--abbrev-ref", "@{-1}").strip() == "main"
        assert work.repository.head().branch == "autoresearch/mar5"
        assert work.repository.start_branch("mar5") == work.head

    def test_starting_again_after_a_kill_in_the_middle(self, work: Work) -> None:
        work.git("branch", "autoresearch/mar5")
        assert work.repository.start_branch("mar5") == work.head
        assert work.repository.head().branch == "autoresearch/mar5"

    def test_starting_never_takes_over_another_branch(self, work: Work) -> None:
        work.git("branch", "autoresearch/mar5")
        work.commit()
        refusal(work.repository.start_branch, "mar5")

    def test_starting_detached_works(self, work: Work) -> None:
        work.git("checkout", "-q", "--detach")
        work.repository.check_can_start("mar5", ["train.py"])
        assert work.repository.start_branch("mar5") == work.head


class TestOnBranch:
    def test_in_step(self, started: Work) -> None:
        tip = started.repository.check_on_branch(
            "mar5", [file(data=BASE)], [started.head], ["old.py"]
        )
        assert tip == Tip(started.head, in_step=True)

    def test_not_moved_yet_is_out_of_step(self, started: Work) -> None:
        base = started.head
        tip = started.repository.check_on_branch("mar5", [file()], [base], [])
        assert tip == Tip(base, in_step=False)
        tip = started.repository.check_on_branch("mar5", [], [base], ["train.py"])
        assert tip == Tip(base, in_step=False)

    def test_other_commits_on_top_are_fine_and_may_be_out_of_step(self, started: Work) -> None:
        base = started.head
        on_top = started.commit("mine", notes__md=b"x\n")
        check = started.repository.check_on_branch
        assert check("mar5", [file(data=BASE)], [base], []) == Tip(on_top, in_step=True)
        assert check("mar5", [file()], [base], []) == Tip(on_top, in_step=False)

    def test_a_commit_that_changed_an_editable_file_is_refused(self, started: Work) -> None:
        base = started.head
        started.commit("mine", train__py=b"mine\n")
        refused = refusal(started.repository.check_on_branch, "mar5", [file(data=BASE)], [base], [])
        assert refused.files == ("train.py",)
        assert f"git reset --soft {base}" in refused.next_step

    def test_an_amended_tip_is_refused(self, started: Work) -> None:
        base = started.head
        started.git("commit", "-q", "--amend", "-m", "other")
        refused = refusal(started.repository.check_on_branch, "mar5", [file()], [base], [])
        assert "no longer builds" in refused.reason
        assert base in refused.next_step

    def test_another_branch_is_refused_with_the_way_back(self, started: Work) -> None:
        base = started.head
        for step in (["checkout", "-q", "main"], ["checkout", "-q", "--detach"]):
            started.git(*step)
            refused = refusal(started.repository.check_on_branch, "mar5", [], [base], [])
            assert refused.next_step == "git switch autoresearch/mar5"
        started.git("branch", "-D", "autoresearch/mar5")
        assert "is gone" in refusal(started.repository.check_on_branch, "mar5", [], [], []).reason

    @pytest.mark.parametrize("operation", ["merge", "rebase", "cherry-pick"])
    def test_an_operation_under_way_is_refused(self, started: Work, operation: str) -> None:
        under_way(started, operation)
        refused = refusal(started.repository.check_on_branch, "mar5", [], [started.head], [])
        assert operation in refused.reason

    @pytest.mark.parametrize("autocrlf", ["true", "input"])
    def test_line_endings_do_not_look_like_edits(self, started: Work, autocrlf: str) -> None:
        started.git("config", "core.autocrlf", autocrlf)
        base = started.head
        crlf = file(data=BASE.replace(b"\n", b"\r\n"))
        assert started.repository.check_on_branch("mar5", [crlf], [base], []).in_step

    def test_modes_count_only_where_the_file_system_has_them(self, started: Work) -> None:
        check, base = started.repository.check_on_branch, started.head
        assert not check("mar5", [file(data=BASE, executable=True)], [base], []).in_step
        started.git("config", "core.fileMode", "false")
        assert check("mar5", [file(data=BASE, executable=True)], [base], []).in_step


class TestCommitting:
    def test_commit_holds_the_given_bytes_whatever_lies_around(self, started: Work) -> None:
        started.write("train.py", b"in the work tree\n")
        started.write("data.txt", b"staged\n")
        started.git("add", "data.txt")
        started.write("data.txt", b"unstaged\n")
        started.write("untracked.py", b"")
        before = started.files(), started.git("for-each-ref"), started.status
        base = started.head
        made = candidate(started, file(), file("new.py", b"n\n"), message="the idea\n\nwhy")
        assert started.blob(made, "train.py") == NEXT
        assert started.git("diff-tree", "-r", "--name-status", base, made).split() == [
            "A", "new.py", "M", "train.py",
        ]  # fmt: skip
        assert before == (started.files(), started.git("for-each-ref"), started.status)
        shown = started.git("show", "-s", "--format=%an|%ae|%cn|%ce|%ai|%ct|%P|%B", made)
        assert shown.strip() == (
            f"Ada|ada@example.org|Ada|ada@example.org|2031-03-05 04:05:06 +0000|"
            f"{int(WHEN.timestamp())}|{base}|the idea\n\nwhy"
        )

    def test_same_arguments_same_commit_and_no_change_is_the_parent(self, started: Work) -> None:
        assert candidate(started, file()) == candidate(started, file())
        assert candidate(started, file(data=BASE), deleted=["never.py"]) == started.head

    def test_ignored_files_can_be_candidates(self, started: Work) -> None:
        started.write(".gitignore", b"*.py\n")
        started.commit()
        assert started.blob(candidate(started, file("new.py")), "new.py") == NEXT

    def test_modes_deletions_and_renames(self, started: Work) -> None:
        made = candidate(started, file("src/moved.py", BASE, executable=True), deleted=["train.py"])
        listed = started.git("ls-tree", "-r", "--format=%(objectmode) %(path)", made, ok=False)
        listed = listed or started.git("ls-tree", "-r", made)
        assert "100755" in listed
        assert "src/moved.py" in listed
        assert "train.py" not in listed
        made = candidate(started, file("train.py/inner.py"), deleted=["train.py"])
        assert started.blob(made, "train.py/inner.py") == NEXT

    def test_a_file_that_is_not_ours_is_never_replaced(self, started: Work) -> None:
        with pytest.raises(AgentLoopsError, match=r"data\.txt"):
            candidate(started, file("data.txt/x.py"))

    def test_a_path_that_leaves_the_project_is_a_bug(self, started: Work) -> None:
        with pytest.raises(ValueError, match="not inside"):
            candidate(started, file("../x.py"))
        with pytest.raises(AgentLoopsError, match="git"):
            candidate(started, file(".git/x.py"))

    @pytest.mark.parametrize("name", ODD_NAMES)
    def test_odd_names_are_literal(self, started: Work, name: str) -> None:
        started.write("other.py", b"o\n")
        base = started.commit()
        tip = keep(started, file(name))
        assert started.git("diff-tree", "-r", "--name-only", "-z", base, tip).split("\0")[0] == name
        assert started.status == ""
        assert started.repository.check_on_branch("mar5", [file(name)], [tip], []).in_step
        keep(started, deleted=[name])
        assert started.status == ""

    @pytest.mark.parametrize(
        ("autocrlf", "attributes", "committed", "given", "kept"),
        [
            ("true", b"", b"a\n", b"b\r\n", b"b\n"),
            ("input", b"", b"a\n", b"b\r\n", b"b\n"),
            ("true", b"", b"a\r\n", b"b\r\n", b"b\r\n"),  # committed with CRLF: stays so
            ("false", b"*.py text eol=crlf\n", b"a\n", b"b\r\n", b"b\n"),
            ("false", b"*.py -text\n", b"a\n", b"b\r\n", b"b\r\n"),
            ("false", b"", b"a\n", b"b\r\n", b"b\r\n"),
        ],
    )
    def test_line_endings_as_git_add_would(
        self,
        started: Work,
        autocrlf: str,
        attributes: bytes,
        committed: bytes,
        given: bytes,
        kept: bytes,
    ) -> None:
        started.commit("raw", train__py=committed)
        started.git("config", "core.autocrlf", autocrlf)
        started.git("config", "core.safecrlf", "true")
        started.write(".gitattributes", attributes)
        tip = keep(started, file(data=given))
        assert started.blob(tip, "train.py") == kept
        assert (started.top / "train.py").read_bytes() == given
        assert started.status == "?? .gitattributes\0"
        assert started.repository.check_on_branch("mar5", [file(data=given)], [tip], []).in_step

    def test_clean_filters_apply_even_scripts_of_the_project(self, started: Work) -> None:
        started.write("tools/clean.sh", b"#!/bin/sh\nsed s/secret/HIDDEN/\n").chmod(0o755)
        started.write(".gitattributes", b"*.py filter=hide\n")
        started.git("config", "filter.hide.clean", "./tools/clean.sh")
        started.git("config", "filter.hide.required", "true")
        started.commit()
        tip = keep(started, file(data=b"secret\n"))
        assert started.blob(tip, "train.py") == b"HIDDEN\n"
        assert started.status == ""

    def test_a_failing_filter_is_named(self, started: Work) -> None:
        started.write(".gitattributes", b"*.py filter=bad\n")
        started.git("config", "filter.bad.clean", "false")
        started.git("config", "filter.bad.required", "true")
        with pytest.raises(AgentLoopsError, match="clean filter 'bad' failed"):
            candidate(started, file())

    def test_pointer_files_of_others_stay_as_they_are(self, started: Work) -> None:
        pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
        os.utime(started.write("model.bin", pointer), (1, 1))  # else git itself asks the filter
        started.commit("pointer")
        started.write(".gitattributes", b"*.bin filter=lfs\n")
        started.git("config", "filter.lfs.process", "git-lfs filter-process-that-is-not-there")
        started.git("config", "filter.lfs.required", "true")
        tip = keep(started, file())
        assert started.blob(tip, "model.bin") == pointer

    def test_without_identity_agent_loops_signs(self, started: Work) -> None:
        started.git("config", "--unset", "user.name")
        started.git("config", "--unset", "user.email")
        started.git("config", "user.useConfigOnly", "true")
        tip = keep(started, file())
        shown = started.git("show", "-s", "--format=%an <%ae> %cn <%ce>", tip).strip()
        assert shown == "agent-loops <agent-loops@localhost> agent-loops <agent-loops@localhost>"

    def test_signing_is_never_asked_for(self, started: Work) -> None:
        started.git("config", "commit.gpgsign", "true")
        started.git("config", "gpg.program", "/nowhere/gpg")
        assert "gpgsig" not in started.git("cat-file", "commit", keep(started, file()))

    def test_a_message_is_kept_as_it_is(self, started: Work) -> None:
        started.git("config", "i18n.commitEncoding", "latin1")
        made = candidate(started, file(), message="#1 naïve \0 x\n# not a comment")
        raw = started.git("cat-file", "commit", made)
        assert raw.endswith("#1 naïve   x\n# not a comment\n")
        assert "encoding" not in raw

    def test_no_hook_runs(self, started: Work, tmp_path: Path) -> None:
        ran = tmp_path / "ran"
        names = ["pre-commit", "commit-msg", "post-commit", "prepare-commit-msg",
                 "reference-transaction", "post-index-change", "post-checkout",
                 "fsmonitor-watchman"]  # fmt: skip
        for folder in (started.top / ".git/hooks", tmp_path / "hooks"):
            folder.mkdir(exist_ok=True)
            for name in names:
                (folder / name).write_text(f"#!/bin/sh\necho {name} >> '{ran}'\nexit 1\n")
                (folder / name).chmod(0o755)
        base = started.head
        for where in (None, str(tmp_path / "hooks")):
            if where:
                started.git("config", "core.hooksPath", where)
                started.git("config", "core.fsmonitor", f"{where}/fsmonitor-watchman")
            old = started.repository.head().commit
            files = [file(data=f"{where}\n".encode())]
            new = started.repository.commit_candidate(
                parent=old or base, files=files, deleted=[], message="m", when=WHEN
            )
            started.repository.keep_ref("mar5", "1", new)
            started.repository.advance("mar5", old=old or base, new=new, files=files, deleted=[])
        started.repository.start_branch("mar6")
        assert not ran.exists()

    def test_candidates_are_kept_by_a_ref(self, started: Work) -> None:
        made = candidate(started, file())
        for _ in range(2):
            started.repository.keep_ref("mar5", "7", made)
        assert started.git("rev-parse", "refs/agent-loops/mar5/7").strip() == made


class TestMoving:
    def test_advance_leaves_a_clean_status(self, started: Work) -> None:
        base = started.head
        tip = keep(started, file(), file("src/new.py", b"n\n"))
        assert started.head == tip != base
        assert started.status == ""
        keep(started, file("src/moved.py", b"n\n"), deleted=["src/new.py"])
        assert started.status == ""
        assert "agent-loops" in started.git("reflog", "-1", BRANCH)
        assert started.git("diff-files") == ""  # the stat data is fresh

    def test_advance_twice_is_advance_once(self, started: Work) -> None:
        base = started.head
        tip = keep(started, file())
        again = started.repository.advance("mar5", old=base, new=tip, files=[file()], deleted=[])
        assert again == tip == started.head

    @pytest.mark.parametrize("killed_at", ["_swap", "_move_index"])
    def test_a_kill_in_the_middle_is_found_and_mended(
        self, started: Work, monkeypatch: pytest.MonkeyPatch, killed_at: str
    ) -> None:
        base = started.head
        started.write("train.py", NEXT)
        new = candidate(started, file())
        repository = started.repository

        def killed(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            if killed_at == "_swap":
                patch.setattr(Repository, "_swap", killed)
            else:
                patch.setattr("agent_loops.git_trees.os.replace", killed)
            with pytest.raises(KeyboardInterrupt):
                repository.advance("mar5", old=base, new=new, files=[file()], deleted=[])
        assert not repository.check_on_branch("mar5", [file()], [base, new], []).in_step
        assert repository.advance("mar5", old=base, new=new, files=[file()], deleted=[]) == new
        assert started.status == ""
        assert not list((started.top / ".git").glob("*agent-loops*"))

    def test_what_the_user_staged_is_left_alone(self, started: Work) -> None:
        base = started.head
        started.write("train.py", b"mine\n")
        started.git("add", "train.py")
        started.write("train.py", NEXT)
        new = candidate(started, file())
        started.repository.advance("mar5", old=base, new=new, files=[file()], deleted=[])
        assert started.head == new
        assert started.git("show", ":train.py") == "mine\n"

    def test_flags_and_intents_of_other_entries_survive(self, started: Work) -> None:
        for name in ("assumed", "skipped"):
            started.write(name, b"0\n")
        started.commit()
        started.git("update-index", "--assume-unchanged", "assumed")
        started.git("update-index", "--skip-worktree", "skipped")
        started.write("intended", b"x\n")
        started.git("add", "-N", "intended")
        before = started.git(
            "ls-files", "-s", "-v", "-z", "--debug", "assumed", "skipped", "intended"
        )
        keep(started, file())
        after = started.git(
            "ls-files", "-s", "-v", "-z", "--debug", "assumed", "skipped", "intended"
        )
        assert before == after
        assert started.status == " A intended\0"

    def test_an_edit_as_old_as_the_index_is_still_seen_by_git(self, started: Work) -> None:
        second = 1_600_000_000
        started.git("config", "core.trustctime", "false")
        os.utime(started.top / "data.txt", (second, second))
        started.git("update-index", "--refresh")
        started.write("data.txt", b"2\n")
        os.utime(started.top / "data.txt", (second, second))
        os.utime(started.top / ".git/index", (second, second))
        keep(started, file())
        assert started.status == " M data.txt\0"

    @pytest.mark.parametrize("setting", ["core.splitIndex", "core.untrackedCache", "index.version"])
    def test_other_kinds_of_index(self, started: Work, setting: str) -> None:
        started.git("config", setting, "4" if setting == "index.version" else "true")
        started.git("update-index", "--force-write-index", ok=False)
        started.write("mine.txt", b"m\n")
        started.git("add", "mine.txt")
        keep(started, file())
        assert started.status == "A  mine.txt\0"
        started.git("fsck", "--strict")

    def test_the_users_commits_stay_below_ours(self, started: Work) -> None:
        base = started.head
        new = candidate(started, file(), file("src/new.py"), deleted=["old.py"])
        started.write("train.py", NEXT)
        started.write("src/new.py", NEXT)
        started.write("notes.md", b"mine\n")
        started.git("add", "notes.md")
        started.git("commit", "-q", "-m", "mine")
        mine = started.head
        arguments = {"old": base, "new": new, "files": [file(), file("src/new.py")], "deleted": []}
        tip = started.repository.advance("mar5", **arguments)  # type: ignore[arg-type]
        assert started.git("rev-parse", f"{tip}^").strip() == mine
        assert started.blob(tip, "train.py") == NEXT
        assert started.blob(tip, "notes.md") == b"mine\n"
        assert started.git("show", "-s", "--format=%an %ct %B", tip) == started.git(
            "show", "-s", "--format=%an %ct %B", new
        )
        assert started.repository.advance("mar5", **arguments) == tip  # type: ignore[arg-type]
        later = started.commit("later", notes__md=b"more\n")
        assert started.repository.advance("mar5", **arguments) == later  # type: ignore[arg-type]

    def test_a_candidate_built_below_the_users_commit_does_not_drop_it(self, started: Work) -> None:
        new = candidate(started, file())
        mine = started.commit("mine", notes__md=b"mine\n")
        tip = started.repository.advance("mar5", old=mine, new=new, files=[file()], deleted=[])
        assert started.git("rev-parse", f"{tip}^").strip() == mine

    def test_a_users_commit_of_editable_files_is_refused(self, started: Work) -> None:
        base = started.head
        new = candidate(started, file())
        mine = started.commit("mine", train__py=b"mine\n")
        refused = refusal(
            started.repository.advance, "mar5", old=base, new=new, files=[file()], deleted=[]
        )
        assert refused.files == ("train.py",)
        assert started.head == mine
        assert started.status == ""

    def test_an_amended_tip_is_refused(self, started: Work) -> None:
        base = started.head
        new = candidate(started, file())
        started.git("commit", "-q", "--amend", "-m", "other")
        amended = started.head
        refused = refusal(
            started.repository.advance, "mar5", old=base, new=new, files=[file()], deleted=[]
        )
        assert "no longer builds" in refused.reason
        assert started.head == amended

    def test_on_another_branch_the_ref_moves_and_the_index_does_not(self, started: Work) -> None:
        base = started.head
        started.git("checkout", "-q", "main")
        started.write("data.txt", b"staged\n")
        started.git("add", "data.txt")
        index = (started.top / ".git/index").read_bytes()
        new = candidate(started, file(), parent=base)
        started.repository.advance("mar5", old=base, new=new, files=[file()], deleted=[])
        assert (started.top / ".git/index").read_bytes() == index
        assert started.git("rev-parse", BRANCH).strip() == new
        assert started.head == base

    def test_a_switch_in_the_last_moment_leaves_the_index_alone(
        self, started: Work, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        base = started.head
        new = candidate(started, file())
        from agent_loops.git_trees import Trees

        edit = Trees._edit

        def switch_meanwhile(*arguments: object) -> bool:
            done = edit(*arguments)  # type: ignore[arg-type]
            started.git("checkout", "-q", "main")
            return done

        monkeypatch.setattr(Trees, "_edit", switch_meanwhile)
        started.repository.advance("mar5", old=base, new=new, files=[file()], deleted=[])
        assert started.git("rev-parse", BRANCH).strip() == new
        assert started.head == base
        assert started.status == ""

    def test_staging_in_the_last_moment_is_not_lost(
        self, started: Work, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        base = started.head
        new = candidate(started, file())
        started.write("train.py", NEXT)
        started.write("mine.txt", b"m\n")
        from agent_loops.git_trees import Trees

        edit = Trees._edit
        calls: list[int] = []

        def stage_meanwhile(*arguments: object) -> bool:
            done = edit(*arguments)  # type: ignore[arg-type]
            if not calls:
                started.git("add", "mine.txt")
            calls.append(1)
            return done

        monkeypatch.setattr(Trees, "_edit", stage_meanwhile)
        started.repository.advance("mar5", old=base, new=new, files=[file()], deleted=[])
        assert len(calls) == 2
        assert started.status == "A  mine.txt\0"

    def test_a_commit_in_the_last_moment_stays_below_ours(
        self, started: Work, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        base = started.head
        new = candidate(started, file())
        started.write("train.py", NEXT)
        swap = Repository._swap
        calls: list[str] = []

        def commit_meanwhile(self: Repository, tag: str, old: str, to: str) -> bool:
            if not calls:
                started.write("notes.md", b"n\n")
                started.git("add", "notes.md")
                started.git("commit", "-q", "-m", "mine", "notes.md")
            calls.append(to)
            return swap(self, tag, old, to)

        monkeypatch.setattr(Repository, "_swap", commit_meanwhile)
        tip = started.repository.advance("mar5", old=base, new=new, files=[file()], deleted=[])
        assert tip == started.head
        assert started.status == ""
        assert started.git("log", "-1", "--format=%s", f"{tip}^").strip() == "mine"

    @pytest.mark.parametrize("lock", ["index.lock", "refs/heads/autoresearch/mar5.lock"])
    def test_a_lock_is_refused_by_name_and_works_once_it_is_gone(
        self, started: Work, lock: str
    ) -> None:
        base = started.head
        started.write("train.py", NEXT)
        new = candidate(started, file())
        path = started.top / ".git" / lock
        path.touch()
        arguments = {"old": base, "new": new, "files": [file()], "deleted": []}
        refused = refusal(started.repository.advance, "mar5", **arguments)
        assert str(path) in refused.next_step
        assert started.head == base
        path.unlink()
        started.repository.advance("mar5", **arguments)  # type: ignore[arg-type]
        assert started.head == new
        assert started.status == ""

    def test_a_file_of_the_users_in_the_way_in_the_index_is_refused(self, started: Work) -> None:
        base = started.head
        started.write("src", b"a file\n")
        started.git("add", "src")
        (started.top / "src").unlink()
        new = candidate(started, file("src/new.py"))
        refusal(
            started.repository.advance,
            "mar5", old=base, new=new, files=[file("src/new.py")], deleted=[],
        )  # fmt: skip
        assert started.git("show", ":src") == "a file\n"
        assert started.head == base

    @pytest.mark.parametrize("operation", ["merge", "rebase"])
    def test_not_in_the_middle_of_an_operation(self, started: Work, operation: str) -> None:
        base = started.head
        new = candidate(started, file())
        under_way(started, operation)
        refusal(started.repository.advance, "mar5", old=base, new=new, files=[], deleted=[])

    def test_retreat_goes_back(self, started: Work) -> None:
        base = started.head
        tip = keep(started, file(), file("new.py"))
        (started.top / "new.py").unlink()
        started.write("train.py", BASE)
        arguments = {"files": [file(data=BASE)], "deleted": ["new.py"], "message": "back",
                     "when": WHEN, "tip": tip, "to": base}  # fmt: skip
        for _ in range(2):
            assert started.repository.retreat("mar5", **arguments) == base  # type: ignore[arg-type]
        assert started.head == base
        assert started.status == ""

    def test_retreat_below_the_users_commit_adds_one(self, started: Work) -> None:
        base = started.head
        tip = keep(started, file())
        mine = started.commit("mine", notes__md=b"n\n")
        started.write("train.py", BASE)
        arguments = {"files": [file(data=BASE)], "deleted": [], "message": "back",
                     "when": WHEN, "tip": tip, "to": base}  # fmt: skip
        back = started.repository.retreat("mar5", **arguments)  # type: ignore[arg-type]
        assert started.git("rev-parse", f"{back}^").strip() == mine
        assert started.blob(back, "train.py") == BASE
        assert started.status == ""
        assert started.repository.retreat("mar5", **arguments) == back  # type: ignore[arg-type]

    def test_retreat_from_a_candidate_without_a_change_stays(self, started: Work) -> None:
        base = started.head
        arguments = {"files": [file(data=BASE)], "deleted": [], "message": "back", "when": WHEN}
        for tip in (base, started.commit("mine", notes__md=b"n\n")):
            stays = started.repository.retreat("mar5", **arguments, tip=tip, to=tip)  # type: ignore[arg-type]
            assert stays == started.head

    def test_retreat_keeps_what_the_user_committed_in_between(self, started: Work) -> None:
        base = started.head
        mine = started.commit("mine", notes__md=b"n\n")
        tip = keep(started, file())
        started.write("train.py", BASE)
        arguments = {"files": [file(data=BASE)], "deleted": [], "message": "back",
                     "when": WHEN, "tip": tip, "to": base}  # fmt: skip
        for _ in range(2):
            assert started.repository.retreat("mar5", **arguments) == mine  # type: ignore[arg-type]
        assert started.status == ""


class TestPlaces:
    def everything(self, repository: Repository, work: Work) -> None:
        """One campaign's git life, in whatever kind of repository this is."""
        data = (repository.project / "train.py").read_bytes()
        repository.check_can_start("mar5", ["train.py"])
        base = repository.start_branch("mar5")
        assert repository.check_on_branch("mar5", [file(data=data)], [base], []).in_step
        (repository.project / "train.py").write_bytes(NEXT)
        (repository.project / "pkg").mkdir()
        (repository.project / "pkg/new.py").write_bytes(BASE)
        files = [file(), file("pkg/new.py", BASE)]
        new = repository.commit_candidate(
            parent=base, files=files, deleted=[], message="m", when=WHEN
        )
        repository.keep_ref("mar5", "2", new)
        assert repository.advance("mar5", old=base, new=new, files=files, deleted=[]) == new
        assert repository.check_on_branch("mar5", files, [base, new], ["x.py"]).in_step
        assert repository.untracked_or_changed(["train.py", "pkg/new.py"]) == []
        assert sorted(repository.tracked_files())[-2:] == ["pkg/new.py", "train.py"]
        status = subprocess.run(
            ["git", "status", "--porcelain"],
            cwd=repository.project,
            capture_output=True,
            check=True,
        )
        assert status.stdout == b""
        work.git("fsck", "--strict")

    def test_a_project_in_a_subfolder(self, work: Work) -> None:
        work.write("a b/proj/train.py", BASE)
        work.commit()
        found = Repository.find(work.top / "a b/proj")
        assert found is not None
        assert found.top == work.top
        self.everything(found, work)
        assert work.blob("HEAD", "train.py") == BASE
        assert work.blob("HEAD", "a b/proj/train.py") == NEXT

    def test_a_linked_worktree(self, work: Work, tmp_path: Path) -> None:
        work.git("worktree", "add", "-q", str(tmp_path / "linked"))
        found = Repository.find(tmp_path / "linked")
        assert found is not None
        self.everything(found, work)
        assert work.status == ""
        assert work.repository.head().branch == "main"

    def test_inside_a_submodule(self, work: Work, tmp_path: Path) -> None:
        inner = Work(tmp_path / "inner")
        inner.commit("x", train__py=BASE)
        work.git(
            "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner.top), "sub"
        )
        work.commit()
        found = Repository.find(work.top / "sub")
        assert found is not None
        assert found.top == work.top / "sub"
        self.everything(found, inner)

    def test_sha256(self, tmp_path: Path) -> None:
        try:
            made = Work(tmp_path / "r", "--object-format=sha256")
        except AssertionError:
            pytest.skip("this git knows no SHA-256 repositories")
        made.commit("x", train__py=BASE)
        self.everything(made.repository, made)
        assert len(made.head) == 64

    def test_packed_refs_and_objects(self, work: Work) -> None:
        work.git("branch", "other")
        work.git("pack-refs", "--all")
        work.git("gc", "-q")
        self.everything(work.repository, work)

    def test_sparse_checkout(self, work: Work) -> None:
        work.write("far/x.py", b"far\n")
        work.commit()
        work.git("sparse-checkout", "init", "--cone")
        work.git("sparse-checkout", "set", "near")
        work.git("config", "index.sparse", "true")
        work.git("sparse-checkout", "reapply", ok=False)
        before = work.git("ls-files", "-s", "-v", "far/x.py")
        base = work.repository.start_branch("mar5")
        tip = keep(work, file())
        assert work.blob(tip, "far/x.py") == b"far\n"
        assert work.git("ls-files", "-s", "-v", "far/x.py") == before
        assert work.status == ""
        assert not (work.top / "far").exists()
        assert work.repository.check_on_branch("mar5", [file()], [base], []).in_step

    def test_under_git_with_submodules_around(self, work: Work, tmp_path: Path) -> None:
        inner = Work(tmp_path / "inner")
        inner.commit("x", f=b"")
        work.git(
            "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner.top), "sub"
        )
        work.commit()
        work.write("sub/f", b"dirty\n")
        work.repository.start_branch("mar5")
        before = work.git("ls-files", "-s", "sub")
        keep(work, file())
        assert work.git("ls-files", "-s", "sub") == before
        assert work.status == " M sub\0"


def test_git_is_asked_in_english_without_prompt_or_editor(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("GIT_TRACE", "1")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "alias.env")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "!env")
    shown = dict(
        line.split("=", 1)
        for line in git_commands.Git(work.top.parent).run("env").line.splitlines()
        if "=" in line
    )
    assert shown["LC_ALL"] == "C"
    assert shown["GIT_TERMINAL_PROMPT"] == "0"
    assert "GIT_TRACE" not in shown


# Any repository, any candidate: what is not ours is not touched.

_NAMES = ["train.py", "a b.py", "src/x.py", "src/-y.py", "lib/z.txt", "n\nl.py", "ü.py"]
_OURS = frozenset({"train.py", "src/x.py", "n\nl.py", "new/file.py"})
_BYTES = st.sampled_from([b"", b"1\n", b"2\r\n", b"three\nlines\n", b"\0\xff", b"no end"])


@st.composite
def _cases(draw: st.DrawFn) -> dict[str, object]:
    def some(names: Sequence[str]) -> dict[str, bytes]:
        return draw(st.dictionaries(st.sampled_from(sorted(names)), _BYTES, max_size=5))

    return {
        "committed": some(_NAMES),
        "staged": some(_NAMES),
        "unstaged": some(_NAMES),
        "untracked": some(["u.py", "src/u.log", "*.py", "lib/u"]),
        "ours": some(sorted(_OURS)),
        "executable": draw(st.booleans()),
        "deleted": draw(st.sets(st.sampled_from(sorted(_OURS)), max_size=2)),
        "autocrlf": draw(st.sampled_from(["true", "input", "false"])),
        "flagged": draw(st.sampled_from(["--assume-unchanged", "--skip-worktree"])),
    }


def _index(work: Work) -> dict[str, str]:
    entries: dict[str, str] = {}
    for record in work.git("ls-files", "-s", "-v", "-z").split("\0")[:-1]:
        fields, _, path = record.partition("\t")
        entries[path] = fields
    return entries


def _others(work: Work) -> Iterator[object]:
    """Everything that is not the campaign's."""
    yield work.files()
    yield {path: fields for path, fields in _index(work).items() if path not in _OURS}
    refs = work.git("for-each-ref", "--format=%(refname) %(objectname)").splitlines()
    yield [ref for ref in refs if "autoresearch/mar5" not in ref and "agent-loops" not in ref]
    yield work.git("stash", "list", "-p")
    logs = work.top / ".git/logs"
    own = {logs / "HEAD", logs / BRANCH}
    yield {
        path: path.read_bytes() for path in logs.rglob("*") if path.is_file() and path not in own
    }


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(case=_cases())
def test_nothing_of_the_users_is_touched(case: dict[str, object], tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(dir=tmp_path) as name:
        work = Work(Path(name, "r"))
        sets = {key: value for key, value in case.items() if isinstance(value, dict)}
        for path, data in {"keep.txt": b"k\n", **sets["committed"]}.items():
            work.write(path, data)
        work.commit("base")
        work.write("keep.txt", b"stashed\n")
        work.git("stash", "-q")
        work.git("update-index", str(case["flagged"]), "keep.txt")
        work.git("config", "core.autocrlf", str(case["autocrlf"]))
        base = work.repository.start_branch("mar5")
        for path, data in sets["staged"].items():
            work.write(path, data)
        work.git("add", "-A")
        for path, data in {**sets["unstaged"], **sets["untracked"]}.items():
            work.write(path, data)
        before, index = list(_others(work)), _index(work)
        at_base = work.git("ls-tree", "-r", "-z", base)

        assert isinstance(case["deleted"], set)
        deleted = sorted(case["deleted"] - set(sets["ours"]))
        files = [
            file(path, data, executable=bool(case["executable"]))
            for path, data in sets["ours"].items()
        ]
        new = candidate(work, *files, deleted=deleted, parent=base)
        work.repository.keep_ref("mar5", "1", new)
        tip = work.repository.advance("mar5", old=base, new=new, files=files, deleted=deleted)

        assert tip == new == work.head
        assert list(_others(work)) == before
        at_tip = work.git("ls-tree", "-r", "-z", tip)
        for path, fields in _index(work).items():
            if fields != index.get(path):  # moved: from what the base held, to what the tip holds
                mode, blob = fields.split(" ")[1:3]
                assert f"{mode} blob {blob}\t{path}\0" in at_tip
                if path in index:
                    mode, blob = index[path].split(" ")[1:3]
                    assert f"{mode} blob {blob}\t{path}\0" in at_base
        listed = {record.partition("\t")[2] for record in at_tip.split("\0")[:-1]}
        assert listed == (
            {record.partition("\t")[2] for record in at_base.split("\0")[:-1]} - set(deleted)
        ) | set(sets["ours"])
        assert work.repository.check_on_branch("mar5", files, [base], deleted).in_step
        assert "error" not in work.git("fsck", "--strict")


def test_a_call_costs_little(started: Work) -> None:
    """Far above what it takes, to hold on a loaded machine: no process more than is needed."""
    counted: list[str] = []
    run = subprocess.run

    def counting(command: Sequence[str], **named: object) -> object:
        counted.append(command[0])
        return run(command, **named)  # type: ignore[call-overload,unused-ignore]

    base = started.head
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess, "run", counting)
        repository = Repository.find(started.top)
        assert repository is not None
        repository.check_on_branch("mar5", [file(data=BASE)], [base], [])
        assert len(counted) == 3
        counted.clear()
        new = repository.commit_candidate(
            parent=base, files=[file()], deleted=[], message="m", when=WHEN
        )
        repository.advance("mar5", old=base, new=new, files=[file()], deleted=[])
        assert len(counted) <= 14
    assert "git" not in sys.modules  # importing GitPython takes longer than all of this
