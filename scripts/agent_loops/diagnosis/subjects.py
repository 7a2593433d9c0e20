"""What `doctor` looks at: a project, its bindings and its campaign, as far as they can be read.

Refuses nothing: what kept a part from being read is held beside the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from agent_loops import bindings as binding_files
from agent_loops import campaigns
from agent_loops.bindings import Bindings
from agent_loops.campaigns import Store
from agent_loops.errors import AgentLoopsError, Refused, UsageError
from agent_loops.inference import infer, proposal
from agent_loops.inference.survey import find_root
from agent_loops.paths import BINDINGS_NAME, ProjectPaths


class Trouble(NamedTuple):
    """Why `part` could not be read, and what leads on."""

    part: str
    reason: str
    next_step: str


class Subject(NamedTuple):
    """`bindings` are those of the file or, where it is not there, what `infer` would write.

    `sandbox` is the campaign's folder, made or not. A campaign's `bindings` are still the file's.
    A prelude or a program that is asked something is ended after `limit_s`.
    """

    project: ProjectPaths
    environ: Mapping[str, str]
    bindings: Bindings | None = None
    sandbox: Path | None = None
    store: Store | None = None
    trouble: Trouble | None = None
    limit_s: float = 30.0

    @property
    def root(self) -> Path:
        return self.project.root

    @property
    def is_open(self) -> bool:
        """Whether there is a campaign that was not stopped."""
        return self.store is not None and self.store.campaign.stopped is None


def look_at(start: Path, environ: Mapping[str, str]) -> Subject:
    """The project around `start`."""
    try:
        project = campaigns.find_project(start)
    except UsageError:
        return _without_bindings(start, environ)
    subject = Subject(project, environ)
    try:
        bindings = campaigns.read_bindings(project, default_tag=campaigns.tag_of_today())
        subject = subject._replace(
            bindings=bindings, sandbox=campaigns.sandbox_of(project, bindings)
        )
    except UsageError as error:
        return _troubled(subject, "bindings", str(error), f"mend {project.bindings}")
    try:
        store = campaigns.find_store(project)
    except Refused:
        return subject
    except (AgentLoopsError, OSError, ValueError) as error:
        step = "put the campaign's folder back from a copy, or move it away and begin anew"
        return _troubled(subject, "journal", str(error), step)
    return subject._replace(store=store, sandbox=store.paths.root)


def _troubled(subject: Subject, part: str, reason: str, next_step: str) -> Subject:
    return subject._replace(trouble=Trouble(part, reason, next_step))


def _without_bindings(start: Path, environ: Mapping[str, str]) -> Subject:
    root = find_root(start)
    subject = Subject(ProjectPaths(root), environ)
    text = proposal.as_yaml(infer.infer(root))
    if not text:
        step = f"write {BINDINGS_NAME} (metric, run_cmd, editable_files); `agent-loops infer` helps"
        return _troubled(subject, "bindings", f"no {BINDINGS_NAME} in {root}", step)
    bindings = binding_files.parse(text, default_tag=campaigns.tag_of_today())
    subject = subject._replace(
        bindings=bindings, sandbox=campaigns.sandbox_of(subject.project, bindings)
    )
    reason = f"no {BINDINGS_NAME} in {root}; the rest is about what `agent-loops infer` proposes"
    return _troubled(subject, "bindings", reason, "agent-loops infer --write")
