"""What is in a campaign's way: its record, its run under way, changed bindings, a changed harness.

Takes up nothing: a lost run is told of, and recorded by the next command.
"""

from __future__ import annotations

from collections.abc import Iterator

from agent_loops import display, files, gates, machine, pointer
from agent_loops.diagnosis.checks import Check, CheckMaker, missing, ok, warn
from agent_loops.diagnosis.subjects import Subject
from agent_loops.errors import Refused
from agent_loops.journal import utc_now
from agent_loops.workspace import Workspace


def journal(subject: Subject) -> Iterator[Check]:
    trouble, store = subject.trouble, subject.store
    if trouble is not None and trouble.part == "journal":
        yield missing("journal", trouble.reason, trouble.next_step)
    elif store is not None:
        records = f"{store.campaign.seq} records, none damaged"
        with store.paths.journal.open("rb") as stream:
            stream.seek(-1, 2)
            torn = stream.read() != b"\n"
        yield ok("journal", records + (", the last cut off and set aside next" if torn else ""))


def campaign(subject: Subject) -> Iterator[Check]:
    """Its state, and whether it is this session's."""
    store = subject.store
    if store is None:
        if subject.trouble is None:
            yield ok("campaign", "none yet: `agent-loops setup` begins one")
        return
    found = store.campaign
    word = pointer.state_word(found, utc_now())
    line = f"{found.tag} is {word}, {display.counted(len(found.experiments))}"
    if found.paused is not None and subject.is_open:
        why = f": {found.paused.reason}" if found.paused.reason else ""
        yield warn("campaign", f"{line}, by {found.paused.by}{why}", "agent-loops resume")
        return
    yield ok("campaign", line)
    if subject.is_open:
        try:
            gates.refuse_other_session(Workspace(store, subject.root, subject.environ), found)
        except Refused as error:
            yield warn("session", error.reason, error.next_step)


def incumbent(subject: Subject) -> Iterator[Check]:
    """Whether the code that ideas build on can be read back."""
    if subject.store is None or subject.store.campaign.incumbent is None:
        return
    workspace = Workspace(subject.store, subject.store.project.root, {})
    try:
        workspace.incumbent_tree()
    except Refused as refused:
        yield missing("incumbent", refused.reason, refused.next_step)
    else:
        yield ok("incumbent", f"#{subject.store.campaign.incumbent_number} can be put back")


def run_under_way(subject: Subject) -> Iterator[Check]:
    store = subject.store
    if store is None or store.campaign.open_run is None:
        return
    number, index = store.campaign.open_run
    started = store.campaign.experiments[number].runs[index - 1].started
    if files.is_locked(store.paths.run_lock):
        yield ok("run", f"experiment {number} is running")
    elif started.host != machine.host():
        said = f"experiment {number} was started on {started.host}"
        yield warn("run", said, "see there, or `agent-loops stop --kill` to give it up")
    else:
        yield warn("run", f"experiment {number} has ended, unrecorded", "agent-loops wait")


def frozen_files(subject: Subject) -> Iterator[Check]:
    """Whether bindings and harness are still what was frozen."""
    store = subject.store
    if store is None or not subject.is_open:
        return
    workspace = Workspace(store, subject.root, subject.environ)
    try:
        gates.refuse_changed_bindings(workspace, store.campaign)
    except Refused as error:
        yield missing("frozen bindings", error.reason, error.next_step)
    changes = gates.harness_changes(workspace, save=False)
    if changes:
        step = "put these files back, or `agent-loops rebaseline --why …`"
        yield missing("frozen harness", changes.describe(), step)
    else:
        yield ok("frozen harness", f"{len(workspace.harness().files)} files, unchanged")


def sandbox(subject: Subject) -> Iterator[Check]:
    """Whether git and the project's tools pass over the campaign's folder."""
    store = subject.store
    if store is None:
        return
    for folder in (store.paths.root, subject.project.state_dir):
        if not (folder / ".gitignore").is_file():
            step = f"echo '*' > '{folder}/.gitignore'"
            yield warn("sandbox", f"{folder} is not ignored by git any more", step)
            return
    yield ok("sandbox", f"{store.paths.root}, ignored by git")


MAKERS: tuple[CheckMaker, ...] = (
    journal,
    campaign,
    incumbent,
    run_under_way,
    frozen_files,
    sandbox,
)
