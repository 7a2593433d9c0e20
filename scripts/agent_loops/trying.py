"""`try` and `wait`: one experiment from the idea to its verdict.

Everything is checked before anything is written; from the first record on a kill loses nothing.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from agent_loops import campaigns, candidates, display, events, gates, snapshots
from agent_loops.answers import Answer
from agent_loops.candidates import Candidate
from agent_loops.errors import Refused, UsageError
from agent_loops.experiments import ANALYSIS, Experiment
from agent_loops.journal import utc_now
from agent_loops.loop import Loop
from agent_loops.state import Campaign
from agent_loops.workspace import Workspace, candidate_files

if TYPE_CHECKING:  # imported in the loop that asks for it
    from agent_loops.grounding import Claims, Draft, Grounds

DESCRIPTION_CHARACTERS = 200
WHY_CHARACTERS = 1000


class Idea(NamedTuple):
    """What is tried, in the agent's words; `why` and `risk` may be empty.

    `basis` is the finding of the literature that it follows from, "" where there is none.
    """

    text: str
    why: str = ""
    risk: str = ""
    basis: str = ""

    @property
    def description(self) -> str:
        """One clean line for the table."""
        return display.clean(self.text, DESCRIPTION_CHARACTERS)


class Removal(NamedTuple):
    """A candidate that is the incumbent without the change of one kept experiment, `of`."""

    of: int
    tree: snapshots.Tree


def deadline_after(wait_s: float | None) -> float | None:
    return None if wait_s is None else time.monotonic() + wait_s


def try_idea(
    run: Loop,
    idea: Idea,
    *,
    edit: str | None,
    repeat: int | None,
    wait_s: float | None,
    claims: Claims | None = None,
    removal: Removal | None = None,
) -> Answer:
    """One experiment: checks, runs, measures, decides, keeps or restores, records.

    Args:
        run: the campaign's loop.
        idea: what is tried.
        edit: search/replace blocks to apply to the incumbent, or None to run the files as edited.
        repeat: how many runs; given at all, code that was tried before may run again.
        wait_s: seconds after which a run that still goes on is answered as running.
        claims: what the idea is said to rest on, in the analysis-first loop.
        removal: the candidate, where it is made of the record instead of an edit; it is no new
            idea, and rests on nothing.

    Raises:
        Refused: nothing was run; the reason, the files and the next command.
        UsageError: there are claims, and it is another loop.
    """
    deadline = deadline_after(wait_s)
    take_up_what_ended(run)
    with run.store.locked() as campaign:
        gates.refuse_unless_open(run.workspace, campaign)
        refuse_under_way(run.workspace, campaign)
        try:
            if idea.basis:
                from agent_loops.literature import basis  # most campaigns have no literature

                idea = idea._replace(basis=basis.require(campaign, idea.basis))
            draft = None
            if removal is None:
                draft = _draft(run.workspace, campaign, edit, claims)
            base = candidates.base_of(run.workspace, campaign)
            tip = ""
            if campaign.bindings.iter_strategy == "branches":
                expected = base if campaign.incumbent is not None else {}
                tip = stand_on_branch(run.workspace, campaign, expected)
            blocks = edit if draft is None else draft.edit
            if removal is None:
                candidate = candidates.make(run.workspace, campaign, base, blocks)
            else:
                candidate = candidates.made_elsewhere(run.workspace, campaign, base, removal.tree)
            gates.refuse_changed_harness(run.workspace)
            gates.refuse_elsewhere(run.workspace, campaign)
            gates.refuse_touched_locks(campaign, candidate)
            gates.refuse_what_was_tried(campaign, candidate, repeat=repeat is not None)
            gates.refuse_seed_only(run.workspace, campaign, candidate)
            gates.refuse_unwritable(run.workspace, candidate)
            grounds = _grounds(run.workspace, candidate, idea, draft)
            wanted = max(repeat or 1, campaign.bindings.runs)
            start(
                run.workspace, campaign, candidate, idea,
                tip=tip, runs_wanted=wanted, grounds=grounds,
                takes_back=removal.of if removal is not None else None,
            )  # fmt: skip
        except Refused as error:
            run.store.append(
                events.RefusedTry(
                    kind=error.kind, reason=display.clean(error.reason, 500),
                    files=error.files[:20], description=idea.description,
                )
            )  # fmt: skip
            raise _telling(error, run.workspace) from None
    return finish(run, deadline)


def _draft(
    workspace: Workspace, campaign: Campaign, edit: str | None, claims: Claims | None
) -> Draft | None:
    """What the analysis-first loop is told beside an idea; None in another loop."""
    if campaign.analysis_first:
        from agent_loops import grounding

        return grounding.draft(workspace, campaign, edit, claims)
    if claims is not None:
        raise UsageError(
            "--anchor, --predict, --plan and --move belong to `loop: ml-autoresearch`, and this "
            f"campaign is `loop: {campaign.bindings.loop}`: leave them out"
        )
    return None


def _grounds(
    workspace: Workspace, candidate: Candidate, idea: Idea, draft: Draft | None
) -> Grounds | None:
    if draft is None:
        return None
    from agent_loops import grounding

    return grounding.check(workspace, candidate, draft, description=idea.description, why=idea.why)


def wait(run: Loop, *, wait_s: float | None) -> Answer:
    """Waits for the run under way; with none, repeats the last verdict."""
    return finish(run, deadline_after(wait_s))


def finish(run: Loop, deadline: float | None) -> Answer:
    run.advance(deadline=deadline)
    run.store.refresh()
    return run.answer_last()


def take_up_what_ended(run: Loop) -> None:
    """Settles an experiment whose caller went away, and says so in the answer.

    A run that still goes on, or goes on again because it was lost, is left alone.
    """
    with run.store.locked() as campaign:
        before = campaign.open
        unfinished = before is not None and not (before.is_open_baseline and before.settled)
    run.advance(deadline=time.monotonic())
    if unfinished and before is not None and run.campaign.open_number != before.number:
        ended = run.campaign.experiments[before.number]
        reason = ended.decided.reason if ended.decided else ""
        what = "; ".join((f"{ended.verdict}, {reason}", *ended.notes))
        run.workspace.told.append(f"#{ended.number} had ended meanwhile: {what}")


def refuse_if_running(run: Loop) -> None:
    """Takes up what ended; refuses while something goes on."""
    take_up_what_ended(run)
    with run.store.locked() as campaign:
        refuse_under_way(run.workspace, campaign)


def refuse_under_way(workspace: Workspace, campaign: Campaign) -> None:
    """Refuses while an experiment, a check of the machine or a confirmation goes on."""
    if campaign.confirming is not None:
        raise _telling(_confirming(), workspace)
    if not campaign.under_way:
        return
    number = campaign.open_number or (campaign.analysing or (None,))[0]
    reason = f"experiment {number} is under way"
    if campaign.open_run is not None and campaign.open_number is None:
        number, index = campaign.open_run
        reason = f"the incumbent #{number} is being run to check the machine"
        started = campaign.experiments[number].runs[index - 1].started
        if started.purpose == ANALYSIS:
            reason = f"{started.script} of #{number} is running"
    refusal = Refused("running", reason, next_step="`agent-loops wait` for its verdict")
    raise _telling(refusal, workspace)


def _confirming() -> Refused:
    return Refused(
        "confirming", "the best is being confirmed",
        next_step="`agent-loops wait` goes on with it; `agent-loops stop --kill` ends it with the "
        "runs that it has",
    )  # fmt: skip


def _telling(refusal: Refused, workspace: Workspace) -> Refused:
    """The refusal, with what happened on the way to it."""
    told = workspace.take_told()
    if not told:
        return refusal
    return Refused(
        refusal.kind, "; ".join((refusal.reason, *told)),
        next_step=refusal.next_step, files=refusal.files,
    )  # fmt: skip


def start(
    workspace: Workspace,
    campaign: Campaign,
    candidate: Candidate,
    idea: Idea,
    *,
    tip: str,
    runs_wanted: int = 1,
    rehearsal: bool = False,
    grounds: Grounds | None = None,
    takes_back: int | None = None,
) -> None:
    """Saves the candidate and records the experiment; from here on a kill loses nothing.

    `tip` is the commit that the branch stands at, "" without one.
    """
    open_ = campaign.open
    number = open_.number if open_ is not None else campaign.next_number
    raw = idea.text if idea.text.strip() != idea.description else ""
    notes = candidate.notes
    baseline = campaign.wants_baseline
    if baseline and idea.text.strip() != baseline_text(campaign):
        raw = idea.text
        idea = idea._replace(text=baseline_text(campaign))
        if not snapshots.differing(candidate.tree, candidate.base):
            notes += ("nothing was edited: this is the baseline; the idea is still to be tried",)
    commit = ""
    if tip:
        commit = _commit(workspace, campaign, candidate, idea, tip=tip)
    if open_ is not None:
        _set_attempt_aside(workspace, open_)
    paths = workspace.store.paths
    snapshots.save(
        candidate.tree, code=paths.snapshot(number), manifest=paths.manifest(number),
        before=candidate.base,
    )  # fmt: skip
    more: dict[str, Any] = {}
    if grounds is not None:
        from agent_loops import grounding

        more = grounding.save(grounds, paths.experiment(number))
    added, removed = snapshots.changed_lines(candidate.base, candidate.tree)
    led_by, incumbent = campaign.session, campaign.incumbent
    same = incumbent is not None and candidate.code == incumbent.started.code
    workspace.store.append(
        events.ExperimentStarted(
            experiment=number,
            description=idea.description,
            idea=raw,
            why=display.clean(idea.why, WHY_CHARACTERS),
            risk=display.clean(idea.risk, WHY_CHARACTERS),
            code=candidate.code,
            base=candidate.base_number,
            baseline=baseline,
            runs_wanted=runs_wanted,
            lines_added=added,
            lines_removed=removed,
            commit=commit,
            parent_commit=tip,
            session=campaigns.session_of(workspace.environ),
            notes=(*notes, *workspace.told),
            rehearsal=rehearsal,
            warmups=campaign.bindings.warmup_runs,
            paired=campaign.paired and not (baseline or rehearsal or same),
            basis="" if baseline else idea.basis,
            takes_back=takes_back,
            **more,
        )
    )
    if campaign.session != led_by:
        workspace.store.write_derived()  # the hooks are to know it while the run goes on
    workspace.told.clear()


def baseline_text(campaign: Campaign) -> str:
    """What a baseline is called, whatever was typed: the table must not credit it with an idea."""
    if not campaign.epoch:
        return "baseline"
    why, incumbent = f"rebaseline: {campaign.rebaseline_why}", campaign.incumbent
    if incumbent is None:
        return f"baseline ({why})"
    return f"{incumbent.started.description.partition(' (rebaseline: ')[0]} ({why})"


def _set_attempt_aside(workspace: Workspace, experiment: Experiment) -> None:
    """Keeps the code of a baseline attempt that crashed beside the one that follows."""
    paths = workspace.store.paths
    tree = workspace.saved(experiment.number)
    if snapshots.digest(tree) != experiment.started.code:
        return  # done before: this is a later attempt that was saved but never recorded
    folder = paths.experiment(experiment.number) / f"attempt-{len(experiment.runs)}"
    snapshots.save(
        tree, code=folder / "code_snapshot",
        manifest=folder / "manifest.json", before={},
    )  # fmt: skip


def _commit(
    workspace: Workspace, campaign: Campaign, candidate: Candidate, idea: Idea, *, tip: str
) -> str:
    """The candidate as a commit on the branch's tip, with a ref of its own."""
    repository, open_ = workspace.repository(), campaign.open
    expected = candidate.base if campaign.incumbent is not None else {}
    deleted = workspace.deleted(expected) if expected else []
    number = open_.number if open_ is not None else campaign.next_number
    commit = repository.commit_candidate(
        parent=tip,
        files=candidate_files(candidate.tree),
        deleted=sorted((expected.keys() | set(deleted)) - candidate.tree.keys()),
        message=_commit_message(idea, number),
        when=utc_now(),
    )
    if open_ is not None and open_.started.commit:
        repository.keep_ref(campaign.tag, _attempt(open_), open_.started.commit)
    repository.keep_ref(campaign.tag, str(number), commit)
    return commit


def _attempt(experiment: Experiment) -> str:
    """A name for the code of a baseline attempt that crashed."""
    return f"{experiment.number}-attempt-{len(experiment.runs)}"


def stand_on_branch(workspace: Workspace, campaign: Campaign, expected: snapshots.Tree) -> str:
    """Checks that the branch stands at the incumbent, and moves it there if a kill left it behind.

    Args:
        expected: the incumbent's files; empty before there is an incumbent.

    Returns:
        The tip's commit.

    Raises:
        Refused: it does not; the next command puts it right.
    """
    repository = workspace.repository()
    incumbent = campaign.incumbent
    deleted = workspace.deleted(expected) if expected else []
    tip = repository.check_on_branch(
        campaign.tag,
        expected=candidate_files(expected),
        known=[campaign.started.base, *campaign.commits],
        removed=deleted,
    )
    if tip.in_step or incumbent is None:
        return tip.commit
    return repository.advance(
        campaign.tag,
        old=tip.commit,
        new=incumbent.commit or incumbent.started.commit,
        files=candidate_files(expected),
        deleted=deleted,
    )


def _commit_message(idea: Idea, number: int) -> str:
    parts = [idea.description, ""]
    if idea.why:
        parts.append(f"Why: {display.clean(idea.why, WHY_CHARACTERS)}")
    parts.append(f"Experiment: {number}")
    return "\n".join(parts) + "\n"
