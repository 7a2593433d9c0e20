"""Makes one new branch for review beside the person's: commits over a base, and a ref to the last.

Moves no branch that is there, and touches neither HEAD, nor the index, nor a file of the work tree.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from agent_loops.branches import CandidateFile, Repository
from agent_loops.errors import Refused
from agent_loops.git_commands import Git, GitFailed


@dataclass(frozen=True, slots=True)
class Proposed:
    """One commit to be: these files laid over the tree of the one before, `deleted` taken out."""

    files: Sequence[CandidateFile]
    deleted: Sequence[str]
    message: str
    when: datetime


def name_for(tag: str) -> str:
    return f"autoresearch/{tag}-review"


@dataclass(frozen=True, slots=True)
class ReviewBranch:
    """The branch of that name, which may be there already."""

    repository: Repository
    name: str

    @property
    def _git(self) -> Git:
        return Git(self.repository.top)

    @property
    def _ref(self) -> str:
        return f"refs/heads/{self.name}"

    @property
    def commit(self) -> str | None:
        """Where it stands; None where there is none.

        Raises:
            Refused: another branch's name leaves no room for it.
        """
        listed = self._git.run("for-each-ref", "--format=%(refname) %(objectname)", "refs/heads")
        for line in listed.line.split("\n"):
            ref, _, commit = line.rpartition(" ")
            if ref == self._ref:
                return commit
            if ref and (ref.startswith(self._ref + "/") or self._ref.startswith(ref + "/")):
                raise self._in_the_way(ref.removeprefix("refs/heads/"), "leaves no room for it")
        return None

    def _in_the_way(self, branch: str, why: str) -> Refused:
        rename = f"git branch -m {shlex.quote(branch)} NEW-NAME"
        return Refused(
            "branch exists", f"the branch {branch} {why}",
            next_step=f"`{rename}` keeps it under another name; then the same command again",
        )  # fmt: skip

    def has_commit(self, commit: str) -> bool:
        """Whether the commit is here with its tree: it may be collected, or was never fetched."""
        asked = self._git.run("cat-file", "-e", f"{commit}^{{tree}}", expected=(0, 1, 128))
        return asked.code == 0

    def build(self, base: str, proposed: Sequence[Proposed]) -> list[str]:
        """Writes the commits, one on the other, and returns them; a ref to them is not made.

        One that changes nothing is left out and stands as the one before. The same arguments give
        the same commits.

        Raises:
            AgentLoopsError: git or a required filter failed; the message says why.
        """
        found, parent = [], base
        for one in proposed:
            parent = self.repository.commit_candidate(
                parent=parent, files=one.files, deleted=one.deleted,
                message=one.message, when=one.when,
            )  # fmt: skip
            found.append(parent)
        return found

    def make(self, commit: str) -> bool:
        """Makes the branch at `commit`; False where it was there already, just so.

        Raises:
            Refused: it is there, with other commits.
        """
        there = self.commit
        if there is None:
            why = "branch: Created by agent-loops finalize"
            absent = "0" * len(commit)
            try:
                self._git.run("update-ref", "-m", why, self._ref, commit, absent)
            except GitFailed:
                there = self.commit
                if there is None:
                    raise
            else:
                return True
        if there != commit:
            raise self._in_the_way(self.name, "is there already, with other commits")
        return False

    def refuse_if_there(self, why: str) -> None:
        """Refuses before anything is run for a branch that could not be made in the end."""
        if self.commit is not None:
            raise self._in_the_way(self.name, why)
