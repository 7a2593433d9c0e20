"""Makes the branch for review and its text from what the campaign has kept.

Runs nothing; writes one new ref, the objects behind it, and one file in the campaign's folder.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from agent_loops import answers, display, files
from agent_loops.answers import Answer
from agent_loops.errors import AgentLoopsError, Refused
from agent_loops.finalizing import ancestry, commits, messages, pull_request, wording
from agent_loops.finalizing.ancestry import Step
from agent_loops.finalizing.commits import Planned
from agent_loops.journal import utc_now
from agent_loops.loop import Loop
from agent_loops.reporting import own_ledger
from agent_loops.reporting.ledger import Ledger, Row
from agent_loops.state import Campaign
from agent_loops.workspace import Workspace, candidate_files

if TYPE_CHECKING:  # imported where a repository is asked for
    from agent_loops.branches import Repository
    from agent_loops.review_branch import Proposed, ReviewBranch

_SHORT = 12


class Review(NamedTuple):
    """What is to be made: commits over the campaign's first one, on a branch."""

    branch: ReviewBranch
    base: str
    chain: Sequence[Step]
    planned: Sequence[Planned]
    messages: Sequence[str]
    ledger: Ledger
    overall: str


def of(run: Loop, *, squash: bool) -> Review:
    """What the branch would be now; nothing is written.

    Raises:
        Refused: there is nothing to review, or nothing to build it on.
    """
    campaign = run.campaign
    if campaign.incumbent is None:
        raise Refused(
            "no experiment", "nothing has been measured yet", next_step="`agent-loops try baseline`"
        )
    chain = ancestry.steps(run.workspace)
    branch = _branch(run.workspace, chain)
    base = campaign.started.base
    if not commits.remaining(chain):
        raise Refused(
            "nothing kept", f"the incumbent #{campaign.incumbent.number} is the code that the "
            "campaign began with: there is nothing to review",
            next_step="go on with `agent-loops try`",
        )  # fmt: skip
    planned = commits.squashed(chain) if squash else commits.plan(chain)
    ledger = own_ledger.of(run, utc_now())
    overall = wording.overall(ledger, _confirmed(campaign))
    ledger = _as_decided(campaign, ledger)
    word = messages.Messages(
        campaign, ledger, overall, display.secret_values(run.workspace.environ)
    )
    said = [word.of_all(one) if squash else word.of(one) for one in planned]
    return Review(branch, base, chain, planned, said, ledger, overall)


def _confirmed(campaign: Campaign) -> Mapping[str, Any] | None:
    """The claim, where it is about the code that is proposed."""
    claim, standing = _claim(campaign)
    made = campaign.confirmed
    return made.claims[0] if made is not None and claim and not standing else None


def _as_decided(campaign: Campaign, ledger: Ledger) -> Ledger:
    """Each row with the readings that its gain is of, without later ones of the same code."""
    return ledger._replace(
        rows=tuple(row._replace(text=_as_read(campaign, row)) for row in ledger.rows)
    )


def _as_read(campaign: Campaign, row: Row) -> str:
    decided = campaign.experiments[row.number].decided
    if decided is None or not row.text or not decided.metric_text:
        return row.text
    several = f" (mean of {decided.readings})" if decided.readings > 1 else ""
    return f"{decided.metric_text}{several}"


def _branch(workspace: Workspace, chain: Sequence[Step]) -> ReviewBranch:
    """The branch, once it is sure that it can be built."""
    from agent_loops.review_branch import ReviewBranch, name_for

    campaign = workspace.campaign
    repository = _repository(workspace)
    branch = ReviewBranch(repository, name_for(campaign.tag))
    by_hand = _by_hand(campaign, chain)
    base = campaign.started.base
    if not base:
        raise Refused(
            "git", "the campaign began where nothing was committed: there is no commit to build on",
            next_step=by_hand,
        )  # fmt: skip
    if not branch.has_commit(base):
        raise Refused(
            "git", f"the commit that the campaign began at, {base}, is not in this repository "
            "any more",
            next_step=f"`git fetch REMOTE {base}` where another has it; else {by_hand}",
        )  # fmt: skip
    repository.check_can_hold(sorted(chain[-1].after), next_step=by_hand)
    return branch


def _repository(workspace: Workspace) -> Repository:
    from agent_loops.branches import Repository

    repository = Repository.find(workspace.root)
    if repository is None:
        number = workspace.campaign.incumbent_number
        raise Refused(
            "git", "this project is in no git repository, so there is no branch to make",
            next_step=f"`agent-loops checkout {number}` puts the best code into the files; for "
            "another campaign `git init` and commit first",
        )  # fmt: skip
    return repository


def _by_hand(campaign: Campaign, chain: Sequence[Step]) -> str:
    paths = sorted(chain[-1].after)
    named = shlex.join(paths[:5]) + (" …" if paths[5:] else "")
    return f"`agent-loops checkout {campaign.incumbent_number}`, then `git add {named}` and commit"


def make(run: Loop, review: Review, *, told: Sequence[str] = (),
         left_in: Sequence[tuple[int, str]] = ()) -> Answer:  # fmt: skip
    """Makes the branch and the text; where it is there just so already, the text alone.

    Args:
        run: the campaign's loop.
        review: what is to be made.
        told: notes of what was done before.
        left_in: kept experiments that were to be taken out and were not, with the reasons.

    Raises:
        Refused: a branch of this name holds something else.
    """
    proposed = _proposed(review)
    built = review.branch.build(review.base, proposed)
    if built[-1] == review.base:
        raise Refused(
            "nothing kept", "the incumbent's code is what was committed when the campaign began",
            next_step="go on with `agent-loops try`",
        )  # fmt: skip
    is_new = review.branch.make(built[-1])
    made = _made(review, built)
    foreign = _foreign(run.workspace, review)
    text = pull_request.render(
        review.ledger, _told(run, review, made, foreign),
        display.secret_values(run.workspace.environ),
    )  # fmt: skip
    path = run.store.paths.pull_request
    files.make_dir(path.parent)
    files.write_atomic(path, text.encode("utf-8", "replace"), mode=0o644)
    notes = [*told, *_notes(run, review, foreign)]
    return _answer(run, review, made, is_new=is_new, notes=notes, left_in=left_in)


def is_there(review: Review) -> bool:
    """Whether the branch is there already, just as it would be made."""
    there = review.branch.commit
    return there is not None and review.branch.build(review.base, _proposed(review))[-1] == there


def _proposed(review: Review) -> list[Proposed]:
    from agent_loops.review_branch import Proposed

    found, before = [], set(review.chain[0].after)
    for planned, message in zip(review.planned, review.messages, strict=True):
        when = planned.steps[-1].experiment.time if planned.steps else ""
        when = when or review.chain[-1].experiment.time
        found.append(
            Proposed(
                candidate_files(planned.tree), sorted(before - planned.tree.keys()),
                message, datetime.fromisoformat(when),
            )
        )  # fmt: skip
        before = set(planned.tree)
    return found


def _made(review: Review, built: Sequence[str]) -> list[pull_request.Commit]:
    """The commits that there are; one that changed nothing is none."""
    found, before = [], review.base
    for commit, planned, message in zip(built, review.planned, review.messages, strict=True):
        ideas = tuple(
            (step.number, step.experiment.replaced) for step in planned.steps if step.is_idea
        )
        if commit != before:
            found.append(pull_request.Commit(commit, message.partition("\n")[0], ideas))
        before = commit
    return found


def _foreign(workspace: Workspace, review: Review) -> tuple[str, ...]:
    """Harness files that the branch does not hold as they lie in the project."""
    try:
        paths = sorted(workspace.harness().files)
    except AgentLoopsError:
        return ()
    paths = [path for path in paths if path not in review.chain[-1].after]
    return tuple(
        display.clean(path, 200)
        for path in review.branch.repository.untracked_or_changed(paths, review.base)
    )


def _told(
    run: Loop, review: Review, made: Sequence[pull_request.Commit], foreign: tuple[str, ...]
) -> pull_request.Told:
    campaign = run.campaign
    claim, standing = _claim(campaign)
    baselines = [step.experiment for step in review.chain[1:] if step.experiment.started.baseline]
    return pull_request.Told(
        branch=review.branch.name, base=review.base, commits=tuple(made),
        overall=review.overall,
        claim=claim, standing=standing, foreign=foreign,
        rebaselines=tuple(item.started.description for item in baselines),
        dropped=tuple(_dropped(review.chain)),
    )  # fmt: skip


def _dropped(chain: Sequence[Step]) -> list[tuple[int, str]]:
    found = []
    for step in chain:
        number, decided = step.experiment.started.takes_back, step.experiment.decided
        if number is not None:
            why = decided.reason if decided is not None else ""
            found.append((number, f"without it, experiment {step.number}: {why}"))
    return found


def _claim(campaign: Campaign) -> tuple[str, str]:
    """The sentence as an agent may see it, and what is to be known of it."""
    made, incumbent = campaign.confirmed, campaign.incumbent
    assert incumbent is not None
    if made is None:
        return "", (
            "Nothing was confirmed on fresh runs: the figures above are those that the ideas were "
            "chosen by, and the luckiest of many readings promises too much."
        )
    if campaign.experiments[made.experiment].started.code == incumbent.started.code:
        return made.sentence, ""
    return made.sentence, (
        f"This was confirmed for experiment {made.experiment}. The code here is that of experiment "
        f"{incumbent.number}, which was not confirmed."
    )


def _notes(run: Loop, review: Review, foreign: Sequence[str]) -> list[str]:
    campaign, repository = run.campaign, review.branch.repository
    notes = []
    if campaign.open is not None and not campaign.open.settled:
        number = campaign.open.number
        notes.append(f"#{number} is not settled yet; this is #{campaign.incumbent_number}")
    if foreign:
        notes.append(
            f"measured with {', '.join(foreign[:3])}{' …' if foreign[3:] else ''} as not committed "
            "where the campaign began: the branch does not hold that"
        )
    if _claim(campaign)[1]:
        notes.append("this code is not confirmed: `agent-loops confirm`")
    if repository.names_nobody:
        notes.append("git knows no name: the commits are by agent-loops (see user.name)")
    if repository.wants_signatures:
        notes.append("the commits are not signed, as your own are")
    return notes


def _answer(
    run: Loop,
    review: Review,
    made: Sequence[pull_request.Commit],
    *,
    is_new: bool,
    notes: Sequence[str],
    left_in: Sequence[tuple[int, str]],
) -> Answer:
    branch, path = review.branch.name, run.workspace.shown(run.store.paths.pull_request)
    base, tip = review.base[:_SHORT], made[-1].commit[:_SHORT]
    count = f"{len(made)} commit{'' if len(made) == 1 else 's'}"
    there = "" if is_new else ", which was there already"
    notes = [*notes, *run.workspace.take_told()]
    next_step = f"git log -p {base}..{branch}"
    dropped = [number for number, _ in _dropped(review.chain)]
    values = {
        "schema": answers.SCHEMA, "status": "finalized", "branch": branch,
        "commit": made[-1].commit, "base": review.base, "is_new": is_new, "text": path,
        "commits": [
            {"commit": one.commit, "subject": one.subject,
             "experiments": [number for number, _ in one.ideas]}
            for one in made
        ],
        "incumbent": answers.place(run.campaign, run.campaign.incumbent),
        "dropped": dropped, "left_in": [{"experiment": n, "why": why} for n, why in left_in],
        "notes": notes, "next": next_step,
    }  # fmt: skip
    holds = f"ends at {tip} with the code of #{run.campaign.incumbent_number}"
    lines = [
        f"branch {branch}{there}: {count} on {base}, {holds}",
        f"text for a pull request: {path}",
        f"taken out: {', '.join(f'#{n}' for n in dropped)}" if dropped else "",
        *[f"left in #{number}: {why}" for number, why in left_in],
        *[f"note: {note}" for note in notes],
        f"next: {next_step}",
    ]
    return Answer(values, lines)
