"""Keeps every candidate as a commit and the incumbent as the tip of `autoresearch/<tag>`.

Never writes a file of the work tree, an index entry that the user changed, or a ref of the user's;
nothing here is read back to restore code: the snapshots hold the bytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from agent_loops.errors import AgentLoopsError, BindingsError, Refused
from agent_loops.git_commands import Git, GitFailed, GitMissing
from agent_loops.git_trees import Content, Entry, Trees, parents

_ATTEMPTS = 4
_OPERATION_ENDS = {
    "merge": "git merge --continue, or git merge --abort",
    "rebase": "git rebase --continue, or git rebase --abort",
    "cherry-pick": "git cherry-pick --continue, or git cherry-pick --abort",
    "revert": "git revert --continue, or git revert --abort",
    "am": "git am --continue, or git am --abort",
    "bisect": "git bisect reset",
}


@dataclass(frozen=True, slots=True)
class CandidateFile:
    """One editable file: `path` is relative to the project, with `/` between its parts."""

    path: str
    data: bytes
    executable: bool


@dataclass(frozen=True, slots=True)
class Head:
    """`branch` is None where HEAD is detached, `commit` where there is none yet."""

    branch: str | None
    commit: str | None
    operation: str


@dataclass(frozen=True, slots=True)
class Tip:
    """`in_step` is False where the branch has not been moved to the incumbent yet."""

    commit: str
    in_step: bool


# From a commit of the user's on the branch to a commit on top of it that holds our files.
_OnTop: TypeAlias = Callable[[str], str]


def _branch(tag: str) -> str:
    return f"autoresearch/{tag}"


def _refs(tag: str) -> str:
    return f"refs/agent-loops/{tag}"


def _switch(tag: str) -> str:
    return f"git switch {shlex.quote(_branch(tag))}"


def _blob(data: bytes, like: str) -> str:
    """The id git gives to these bytes unfiltered, by the algorithm of the id `like`."""
    algorithm = "sha1" if len(like) == 40 else "sha256"
    return hashlib.new(algorithm, b"blob %d\0" % len(data) + data).hexdigest()


def _damaged(folder: Path) -> Path | None:
    """The nearest `.git` above that is meant to be a repository; sandboxes leave empty ones."""
    for above in (folder, *folder.parents):
        marker = above / ".git"
        if marker.is_file() or any(
            (marker / name).exists() for name in ("HEAD", "objects", "refs")
        ):
            return marker
    return None


def _identity(config: Mapping[str, str]) -> dict[str, str]:
    """Author and committer as the user set them, else agent-loops."""
    found: dict[str, str] = {}
    for role in ("author", "committer"):
        for part, default in (("name", "agent-loops"), ("email", "agent-loops@localhost")):
            variable = f"GIT_{role}_{part}".upper()
            candidates = (os.environ.get(variable), config.get(f"{role}.{part}"))
            for value in (*candidates, config.get(f"user.{part}"), default):
                if value and value.strip(" .,:;<>\"\\'\n"):  # git takes no name of only these
                    found[variable] = value
                    break
    return found


@dataclass(frozen=True, slots=True)
class Repository:
    """A git work tree that holds a project; `top` is its root, `project` a folder in it."""

    top: Path
    project: Path
    git_dir: Path

    @classmethod
    def find(cls, project: Path) -> Repository | None:
        """The repository whose work tree holds `project`; None without git or a work tree.

        Raises:
            AgentLoopsError: there is one, but it is damaged, or git does not trust its owner.
        """
        # A path may hold newlines; the "true" between the two tells them apart.
        ask = ("rev-parse", "--show-toplevel", "--is-inside-work-tree", "--absolute-git-dir")
        try:
            answer = Git(project).run(*ask, expected=(0, 1, 128))
        except GitMissing:
            return None
        if answer.code == 0:
            top, inside, git_dir = answer.line.partition("\ntrue\n")
            if not inside:
                return None
            return cls(Path(top), project.resolve(), Path(git_dir))
        if "must be run in a work tree" in answer.err or answer.err.startswith("xcrun:"):
            return None
        if "not a git repository" not in answer.err:
            Git(project).run(*ask)
        damaged = _damaged(project.resolve())
        if damaged and "mount point" not in answer.err:
            raise AgentLoopsError(
                f"{damaged} is there, but git finds no repository in it: it is damaged; "
                "see what `git status` says, mend it or move it away"
            )
        return None

    @property
    def _trees(self) -> Trees:
        return Trees(self.top, self.git_dir)

    @property
    def _git(self) -> Git:
        return self._trees.git

    def _in_tree(self, path: str) -> str:
        return str(PurePosixPath(self.project.relative_to(self.top).as_posix()) / path)

    def _in_project(self, path: str) -> str:
        prefix = self.project.relative_to(self.top).as_posix()
        return path if prefix == "." else path.removeprefix(prefix + "/")

    # What is there

    def tracked_files(self) -> list[str]:
        """The regular files that the index holds below the project; no submodules or symlinks.

        Files that a sparse checkout leaves out are left out too.
        """
        found: dict[str, None] = {}
        for staged in self._trees.staged(Git(self.project)):
            if staged.entry.mode not in ("100644", "100755"):
                continue
            if staged.flag == "S" and not (self.project / staged.path).exists():
                continue
            found[staged.path] = None
        return list(found)

    def untracked_or_changed(self, paths: Sequence[str], commit: str = "HEAD") -> list[str]:
        """Those of `paths` whose bytes or mode in the work tree are not what `commit` holds.

        The files themselves are read: no stat data and no assume-unchanged flag is trusted.
        """
        if not paths or (commit == "HEAD" and self.head().commit is None):
            return list(paths)
        wanted = {self._in_tree(path): path for path in paths}
        links = self._submodules()
        changed = {path for path in wanted if self._obstacle(path, links)}
        plain = [path for path in wanted if path not in changed]
        changed |= self._trees.changed_files(plain, commit)
        return [path for tree_path, path in wanted.items() if tree_path in changed]

    def head(self) -> Head:
        """Where HEAD is, and which operation of git's is half done."""
        named = self._git.run("symbolic-ref", "-q", "HEAD", expected=(0, 1))
        commit = self._git.run("rev-parse", "-q", "--verify", "HEAD^{commit}", expected=(0, 1, 128))
        return Head(
            branch=named.line.removeprefix("refs/heads/") if named.code == 0 else None,
            commit=commit.line if commit.code == 0 else None,
            operation=self._operation(),
        )

    def _operation(self) -> str:
        there = set(os.listdir(self.git_dir))
        if "rebase-merge" in there:
            return "rebase"
        if "rebase-apply" in there:
            return "am" if (self.git_dir / "rebase-apply/applying").exists() else "rebase"
        for name, operation in (
            ("MERGE_HEAD", "merge"),
            ("CHERRY_PICK_HEAD", "cherry-pick"),
            ("REVERT_HEAD", "revert"),
        ):
            if name in there:
                return operation
        with contextlib.suppress(OSError):  # several picks, stopped between two of them
            todo = (self.git_dir / "sequencer/todo").read_bytes()
            return "revert" if todo.startswith(b"revert") else "cherry-pick"
        return "bisect" if "BISECT_LOG" in there else ""

    def _submodules(self) -> frozenset[str]:
        staged = self._trees.staged(self._git)
        return frozenset(one.path for one in staged if one.entry.mode == "160000")

    def _obstacle(self, path: str, submodules: Collection[str]) -> str:
        """Why git cannot hold `path`, given from the top, as a file of this repository."""
        for folder in parents(path):
            if folder in submodules or (self.top / folder / ".git").exists():
                return f"lies in {folder}, a git repository of its own"
            if (self.top / folder).is_symlink():
                return f"lies behind the symlink {folder}"
        return "is a symlink" if (self.top / path).is_symlink() else ""

    # Starting

    def check_can_start(self, tag: str, paths: Sequence[str]) -> None:
        """Refuses where a campaign with these editable paths cannot be kept on a branch.

        Raises:
            Refused: the reason, the files concerned, and what to do.
            BindingsError: no branch can have this name.
        """
        head = self.head()
        if head.commit is None:
            raise Refused(
                "git",
                "the repository has no commit yet",
                next_step="git add . && git commit -m 'before the campaign'",
            )
        self.check_no_operation()
        self._check_name_is_free(tag)
        step = "edit editable_files, or use iter_strategy: snapshots"
        self.check_can_hold(paths, next_step=step)
        self._check_index_of([self._in_tree(path) for path in paths])

    def check_can_hold(self, paths: Sequence[str], *, next_step: str) -> None:
        """Refuses where a commit of this repository cannot hold one of these paths."""
        links = self._submodules()
        for path in paths:
            if obstacle := self._obstacle(self._in_tree(path), links):
                raise Refused(
                    "git",
                    f"{path} {obstacle}; it cannot be committed from here",
                    next_step=next_step,
                    files=[path],
                )

    def check_no_operation(self) -> None:
        if operation := self._operation():
            raise Refused(
                "git", f"a {operation} is under way", next_step=_OPERATION_ENDS[operation]
            )

    def _check_name_is_free(self, tag: str) -> None:
        name = f"refs/heads/{_branch(tag)}"
        valid = self._git.run("check-ref-format", name, expected=(0, 1))
        if valid.code:
            raise BindingsError("run_tag", tag, "git allows no branch of that name")
        listed = self._git.run("for-each-ref", "--format=%(refname)", "refs/heads/autoresearch")
        for other in listed.line.split("\n"):
            if other == name or other.startswith(name + "/") or name.startswith(other + "/"):
                branch = shlex.quote(other.removeprefix("refs/heads/"))
                raise Refused(
                    "git",
                    f"the branch {branch} is there already",
                    next_step=f"choose another run_tag, or: git branch -m {branch} NEW-NAME",
                )
        if self.has_refs(tag):
            raise Refused(
                "git",
                f"an earlier campaign {tag} left its candidates in {_refs(tag)}",
                next_step="choose another run_tag: a new campaign would replace them",
            )

    def _check_index_of(self, paths: Sequence[str]) -> None:
        if not paths:
            return
        at_head = self._trees.entries("HEAD", paths)
        empty = _blob(b"", self._git.run("rev-parse", "HEAD").line)  # as after `git add -N`
        edited = self._git.run("diff", "--name-only", "--no-ext-diff", "-z", "--", *paths).records
        for staged in self._trees.staged(self._git, paths):
            path, entry = staged.path, staged.entry
            if path not in paths:
                continue
            if staged.stage != "0":
                reason, step = "has merge conflicts", "git add {}"
            elif staged.flag == "S":
                reason, step = "is left out of the work tree", "git sparse-checkout disable"
            elif entry == at_head.get(path) or path not in edited or entry.blob == empty:
                continue
            else:
                reason = "is staged with content that is neither committed nor in the file"
                step = "git add {} (stages the file as it is), or git commit"
            shown = self._in_project(path)
            step = step.format(shlex.quote(shown))
            raise Refused("git", f"{shown} {reason}", next_step=step, files=[shown])

    def branch_commit(self, tag: str) -> str | None:
        """The tip of the campaign's branch; None where there is no such branch."""
        name = f"refs/heads/{_branch(tag)}"
        there = self._git.run("rev-parse", "-q", "--verify", name, expected=(0, 1))
        return None if there.code else there.line

    def provenance(self) -> dict[str, str]:
        """Where the code came from: commit, `git describe`, first remote without credentials.

        Told with every campaign's record; what git will not say is left out.
        """
        import git

        found: dict[str, str] = {}
        try:
            with git.Repo(self.top) as repository:
                found["commit"] = repository.head.commit.hexsha
                if repository.remotes:
                    found["remote"] = re.sub(r"//[^/@]*@", "//", repository.remotes[0].url)
            # Not `describe --dirty`, nor through GitPython: it writes the index and runs a hook.
            changed = self._git.run("status", "--porcelain", "--untracked-files=no").out
            described = self._git.run("describe", "--always", "--tags").line
            found["describe"] = described + ("-dirty" if changed else "")
        except (git.GitError, GitFailed, ValueError, OSError):
            pass
        return found

    @property
    def names_nobody(self) -> bool:
        """Whether git has no name or address to commit by, so that commits are agent-loops'."""
        return "agent-loops@localhost" in _identity(self._trees.config()).values()

    @property
    def wants_signatures(self) -> bool:
        """Whether the person's own commits are signed; ours are not."""
        said = self._git.run("config", "--type=bool", "--get-all", "commit.gpgSign")
        return said.line.split("\n")[:-1][-1:] == ["true"]  # the last one is our own

    def start_branch(self, tag: str) -> str:
        """Makes the branch at HEAD's commit and points HEAD at it, as `git checkout -b` does.

        Index and work tree stay as they are. Safe to call again after a kill. Returns the commit.
        """
        head, name = self.head(), f"refs/heads/{_branch(tag)}"
        if head.commit is None:
            raise Refused("git", "the repository has no commit yet", next_step="git commit")
        if head.branch == _branch(tag):
            return head.commit
        there = self.branch_commit(tag)
        if there is None:
            absent = "0" * len(head.commit)
            why = "branch: Created from HEAD"
            self._git.run("update-ref", "-m", why, name, head.commit, absent)
        elif there != head.commit:
            raise Refused(
                "git",
                f"the branch {_branch(tag)} is there already, at another commit",
                next_step=_switch(tag),
            )
        why = f"checkout: moving from {head.branch or head.commit} to {_branch(tag)}"
        self._git.run("symbolic-ref", "-m", why, "HEAD", name)
        return head.commit

    # Each experiment

    def check_on_branch(
        self,
        tag: str,
        expected: Sequence[CandidateFile],
        known: Collection[str],
        removed: Sequence[str],
    ) -> Tip:
        """Whether HEAD is on the campaign's branch and its tip holds the incumbent's files.

        `known` are the campaign's commits, oldest first where they have an order; `removed` are
        editable paths that the incumbent deleted.

        Raises:
            Refused: it is not; the reason, the files and the next command.
        """
        self.check_no_operation()
        tip, is_head = self._tip(tag)
        if not is_head:
            where = self.head()
            raise Refused(
                "git",
                f"HEAD is at {where.branch or where.commit}, not on {_branch(tag)}",
                next_step=self.way_back(tag),
            )
        ours = tip if tip in known else self._nearest(tip, known)
        back = ours or next(reversed(list(known)), "COMMIT")
        step = f"git reset --soft {back} (keeps every file and what is staged)"
        if ours is None:
            raise Refused(
                "git",
                f"{_branch(tag)} no longer builds on this campaign's commits",
                next_step=step,
            )
        differing = self._differing(tip, expected, removed)
        if differing and ours != tip and self._trees.changes(ours, tip, differing):
            shown = [self._in_project(path) for path in differing]
            raise Refused(
                "git",
                f"a commit on {_branch(tag)} changed editable files: {', '.join(shown[:5])}",
                next_step=step,
                files=shown,
            )
        return Tip(tip, in_step=not differing)

    def has_tracked_below(self, folder: Path) -> bool:
        """Whether the index holds a file in `folder`."""
        return bool(self._git.run("ls-files", "-z", "--", str(folder)).out)

    def way_back(self, tag: str) -> str:
        """Commands that check out the branch and keep what has been changed here."""
        name = f"refs/heads/{_branch(tag)}"
        there = self._git.run("diff", "--name-only", "-z", "--no-ext-diff", "HEAD", name)
        here = self._git.run("diff", "--name-only", "-z", "--no-ext-diff", "HEAD")
        tracked = set(self._git.run("ls-files", "-z").records)
        unsaved = {
            path
            for path in there.records
            if path not in tracked and os.path.lexists(self.top / path)
        }
        in_the_way = sorted(set(there.records) & (unsaved | set(here.records)))
        if not in_the_way:
            return _switch(tag)
        paths = shlex.join(self._in_project(path) for path in in_the_way)
        untracked = " -u" if unsaved else ""
        return f"git stash push{untracked} -- {paths} && {_switch(tag)} && git stash pop"

    def _tip(self, tag: str) -> tuple[str, bool]:
        """The branch's commit, and whether this work tree's HEAD is on the branch."""
        name = f"refs/heads/{_branch(tag)}"
        shown = self._git.run("for-each-ref", "--format=%(HEAD)%(objectname) %(refname)", name)
        for line in shown.line.split("\n"):
            commit, _, found = line[1:].partition(" ")
            if line and found == name:
                return commit, line[0] == "*"
        raise Refused(
            "git",
            f"the branch {_branch(tag)} is gone",
            next_step=f"git switch -c {shlex.quote(_branch(tag))} COMMIT, with a commit from: "
            f"git for-each-ref {shlex.quote(_refs(tag))}",
        )

    def _nearest(self, tip: str, known: Collection[str]) -> str | None:
        ours = frozenset(known)
        history = self._git.run("rev-list", tip).line.splitlines()
        return next((commit for commit in history if commit in ours), None)

    def _differing(
        self, commit: str, files: Sequence[CandidateFile], removed: Sequence[str]
    ) -> list[str]:
        """Paths, from the top, that `commit` does not hold as given."""
        wanted = {self._in_tree(file.path): file for file in files}
        absent = [self._in_tree(path) for path in removed]
        held = self._trees.entries(commit, [*wanted, *absent])
        as_is = {
            path: Entry("100755" if file.executable else "100644", _blob(file.data, commit))
            for path, file in wanted.items()
        }
        if held == as_is:
            return []
        # Line endings, filters or core.fileMode may be what differs: git itself decides.
        tree = self._tree(commit, files, removed, self._trees.config())
        return list(self._trees.changes(commit, tree, [*wanted, *absent]))

    def commit_candidate(
        self,
        *,
        parent: str,
        files: Sequence[CandidateFile],
        deleted: Sequence[str],
        message: str,
        when: datetime,
    ) -> str:
        """Commits `parent` with just these files laid over it; returns `parent` if nothing differs.

        Filters and line endings apply as in `git add`. No ref, index or file changes, and the same
        arguments give the same commit.

        Raises:
            AgentLoopsError: git or a required filter failed; the message says why.
        """
        config = self._trees.config()
        tree = self._tree(parent, files, deleted, config)
        if tree == self._git.run("rev-parse", f"{parent}^{{tree}}").line:
            return parent
        stamp = f"@{int(when.timestamp())} +0000"
        variables = _identity(config)
        variables |= {"GIT_AUTHOR_DATE": stamp, "GIT_COMMITTER_DATE": stamp}
        text = (message.replace("\0", " ").rstrip("\n") + "\n").encode("utf-8", "replace")
        command = ("commit-tree", tree, "-p", parent, "-F", "-")
        return Git(self.top, variables).run(*command, stdin=text).line

    def _tree(
        self,
        parent: str,
        files: Sequence[CandidateFile],
        deleted: Sequence[str],
        config: Mapping[str, str],
    ) -> str:
        contents = {self._in_tree(file.path): Content(file.data, file.executable) for file in files}
        gone = [self._in_tree(path) for path in deleted]
        return self._trees.overlay(parent, contents, gone, config=config)

    def keep_ref(self, tag: str, name: str, commit: str) -> None:
        """Keeps `commit` from being collected, as `refs/agent-loops/<tag>/<name>`."""
        self._git.run("update-ref", f"{_refs(tag)}/{name}", commit)

    def has_refs(self, tag: str) -> bool:
        """Whether candidates of a campaign of this tag are kept here, whatever its branch is."""
        listed = self._git.run("for-each-ref", "--count=1", "--format=%(refname)", _refs(tag))
        return bool(listed.line)

    # Moving the branch

    def advance(
        self,
        tag: str,
        *,
        old: str,
        new: str,
        files: Sequence[CandidateFile],
        deleted: Sequence[str],
    ) -> str:
        """Moves the branch from `old` to `new`, and the index entries of these files with it.

        Where the user committed other things on top of `old`, the same files are committed on top
        of that. Safe to call again after a kill or a refusal. Returns the branch's commit.

        Raises:
            Refused: it cannot be done now; the branch was not moved.
        """
        paths = self._paths(files, deleted)

        def on_top(tip: str) -> str:
            changes = self._trees.changes(old, new, paths)
            return self._trees.recommit(new, tip, {path: one.new for path, one in changes.items()})

        if not self._is_ancestor(old, new):  # else what the user committed below `old` would go
            new = on_top(old)
        return self._move(tag, old, new, paths, on_top)

    def retreat(
        self,
        tag: str,
        *,
        files: Sequence[CandidateFile],
        deleted: Sequence[str],
        message: str,
        when: datetime,
        tip: str,
        to: str,
    ) -> str:
        """Takes the branch from `tip` back to `to`, which holds these files.

        Where the user committed other things in between, back to the last of those; where on top
        of `tip`, a commit of these files is added. Otherwise as `advance`.
        """
        paths = self._paths(files, deleted)

        def on_top(current: str) -> str:
            return self.commit_candidate(
                parent=current, files=files, deleted=deleted, message=message, when=when
            )

        back = to
        if tip != to:  # a candidate without a change is its own parent
            below = self._git.run("rev-parse", f"{tip}^").line
            back = on_top(tip) if self._trees.changes(to, below, paths) else below
        return self._move(tag, tip, back, paths, on_top)

    def _paths(self, files: Sequence[CandidateFile], deleted: Sequence[str]) -> frozenset[str]:
        return frozenset(self._in_tree(path) for path in (*(f.path for f in files), *deleted))

    def _move(self, tag: str, old: str, new: str, paths: Collection[str], on_top: _OnTop) -> str:
        self.check_no_operation()
        for _ in range(_ATTEMPTS):
            head_file = (self.git_dir / "HEAD").read_bytes()
            tip, is_head = self._tip(tag)
            target = self._target(tag, tip, old, new, paths, on_top)
            # The index goes first: after a kill in between, the branch is found out of step and
            # moved again. The other way round nobody would look at the index again.
            if is_head:
                self._trees.move_index(head_file, self._trees.changes(old, target, paths))
            if tip == target or self._swap(tag, tip, target):
                return target
        raise Refused(
            "git", f"{_branch(tag)} keeps moving", next_step="let the other git commands end"
        )

    def _target(
        self, tag: str, tip: str, old: str, new: str, paths: Collection[str], on_top: _OnTop
    ) -> str:
        if tip in (old, new):
            return new
        if self._is_ancestor(old, tip):
            if not self._trees.changes(new, tip, paths):
                return tip
            if not (changes := self._trees.changes(old, tip, paths)):
                return on_top(tip)
            shown = [self._in_project(path) for path in changes]
            reason = f"a commit on {_branch(tag)} changed editable files: {', '.join(shown[:5])}"
        else:
            shown, reason = [], f"{_branch(tag)} no longer builds on {old}"
        step = f"git reset --soft {old} (on {_branch(tag)}; keeps every file and what is staged)"
        raise Refused("git", reason, next_step=step, files=shown)

    def _is_ancestor(self, old: str, new: str) -> bool:
        asked = self._git.run("merge-base", "--is-ancestor", old, new, expected=(0, 1))
        return asked.code == 0

    def _swap(self, tag: str, old: str, new: str) -> bool:
        name, why = f"refs/heads/{_branch(tag)}", f"agent-loops: to {new[:12]}"
        try:
            self._git.run("update-ref", "-m", why, name, new, old)
        except GitFailed as error:
            if "but expected" in error.stderr:
                return False
            raise
        return True
