"""What may stand in a command's way: each gate passes, or refuses with the next command.

A refusal changes nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from agent_loops import (
    campaigns,
    decide,
    devices,
    environment,
    integrity,
    restoring,
    rounds,
    seeds,
    snapshots,
    stamps,
)
from agent_loops.bindings import KEY_OF_FIELD, Bindings, differing, fixed_keys_in
from agent_loops.candidates import Candidate
from agent_loops.errors import Refused
from agent_loops.experiments import key_of
from agent_loops.journal import utc_now
from agent_loops.locks import Lock
from agent_loops.state import Campaign
from agent_loops.workspace import Workspace

_LAST_IDEAS = 20  # looked through where a change touches a seed


def no_experiment(campaign: Campaign, number: int) -> Refused:
    """The refusal of a number that no experiment has."""
    if not campaign.experiments:
        return Refused(
            "no experiment", "nothing has been tried yet", next_step="`agent-loops try baseline`"
        )
    return Refused(
        "no experiment", f"there is no experiment {number}",
        next_step="`agent-loops history` lists them",
    )  # fmt: skip


def refuse_unless_open(workspace: Workspace, campaign: Campaign) -> None:
    """Stopped, paused, another session's, changed bindings, or a stop condition met."""
    refuse_switched_off(campaign)
    refuse_other_session(workspace, campaign)
    refuse_changed_bindings(workspace, campaign)
    refuse_finished(campaign)


def refuse_switched_off(campaign: Campaign) -> None:
    """The person said stop, or pause, or the machine broke."""
    for word, switch in (("stopped", campaign.stopped), ("paused", campaign.paused)):
        if switch is not None:
            why = f": {switch.reason}" if switch.reason else ""
            raise Refused(
                word, f"the campaign was {word} by {switch.by}{why}",
                next_step="`agent-loops resume` goes on",
            )  # fmt: skip


def way_on(campaign: Campaign) -> str:
    """How a finished campaign goes on: time is granted, another limit is raised."""
    if campaign.time_is_up(utc_now()):
        return "`agent-loops resume --until T` (07:30, or 8h)"
    return "raise the limit in loop.run.yaml, then `agent-loops rebaseline --why …`"


def refuse_finished(campaign: Campaign) -> None:
    """A stop condition of the bindings, or of `resume --until`, is met."""
    now = utc_now()
    reason = campaign.stop_reason(now)
    if reason:
        raise Refused(
            "finished", f"a stop condition is met: {reason}",
            next_step=f"{rounds.closing_words(campaign, now)}; to go on, {way_on(campaign)}",
        )  # fmt: skip


def refuse_other_session(workspace: Workspace, campaign: Campaign) -> None:
    """One session at a time leads a campaign; a person's terminal always may.

    A session that only set it up does not lead it yet.
    """
    session = campaigns.session_of(workspace.environ)
    if session and campaign.session and session != campaign.session and campaign.experiments:
        raise Refused(
            "another session", f"campaign {campaign.tag} belongs to session {campaign.session}",
            next_step="`agent-loops resume --take-over` if that session is over",
        )  # fmt: skip


def refuse_changed_bindings(workspace: Workspace, campaign: Campaign) -> None:
    """The measurement is what was frozen; a changed file is no silent change of rules."""
    if campaigns.bindings_file_digest(workspace.store.project) == campaign.bindings_file:
        return  # the usual case, and a yaml parser is slow to import
    present = campaigns.present_bindings(workspace.store.project, campaign)
    changed = differing(campaign.bindings, present)
    if not changed:
        return
    refuse_another_campaigns(campaign, present)
    keys = ", ".join(sorted(KEY_OF_FIELD[name] for name in changed))
    raise Refused(
        "bindings", f"loop.run.yaml changed since it was frozen: {keys}", files=["loop.run.yaml"],
        next_step="undo the change, or `agent-loops rebaseline --why …` to go on with it",
    )  # fmt: skip


def refuse_another_campaigns(campaign: Campaign, present: Bindings) -> None:
    """What names a campaign is that of another one, where it changed."""
    fixed = fixed_keys_in(differing(campaign.bindings, present), present)
    if fixed:
        keys = " and ".join(fixed)
        raise Refused(
            "bindings", f"{keys} in loop.run.yaml changed, which cannot change within a campaign",
            files=["loop.run.yaml"],
            next_step=f"put {keys} back; or, for a new campaign, `agent-loops stop` and "
            "`agent-loops setup`",
        )  # fmt: skip


def refuse_what_was_tried(campaign: Campaign, candidate: Candidate, *, repeat: bool) -> None:
    """The incumbent's own code, or what has a reading already, is not run by mistake."""
    if campaign.wants_baseline or repeat:
        return
    code = candidate.code
    incumbent = campaign.incumbent
    assert incumbent is not None
    if code == incumbent.started.code:
        raise Refused(
            "nothing edited", f"the code is the incumbent's (#{incumbent.number})",
            files=sorted(candidate.tree)[:5],
            next_step="edit an editable file, or `--edit`; `--repeat` measures the incumbent again",
        )  # fmt: skip
    earlier = campaign.by_code.get(key_of(campaign.epoch, code))
    if earlier is not None:
        experiment = campaign.experiments[earlier]
        metric = experiment.decided.metric_text if experiment.decided else ""
        raise Refused(
            "duplicate",
            f"the same code as #{earlier} ({experiment.started.description[:80]}): "
            f"{experiment.verdict}, {campaign.bindings.metric} {metric or 'none'}",
            next_step=_or_undo("another idea; `--repeat` runs it again", candidate),
        )  # fmt: skip


def refuse_seed_only(workspace: Workspace, campaign: Campaign, candidate: Candidate) -> None:
    """A lucky seed is no improvement, be it the incumbent's code or that of an earlier idea."""
    base, code = _contents(candidate.base), _contents(candidate.tree)
    if campaign.wants_baseline or not seeds.may_concern(base, code):
        return
    from agent_loops import reseeding  # it reads syntax trees, and most ideas touch no seed

    assert campaign.incumbent_number is not None
    for number, before in _alike(workspace, campaign, candidate):
        if reseeding.is_seed_only(before, code):
            whose = (
                "incumbent's" if number == campaign.incumbent_number else "code of an idea tried"
            )
            raise Refused(
                "seed only", f"the {whose} (#{number}) but for its seed: a lucky seed is no "
                "improvement",
                files=sorted(path for path in code if code[path] != before.get(path))[:5],
                next_step=_or_undo(
                    "another idea; or, to learn the noise, `--repeat N` on the incumbent as it is",
                    candidate,
                ),
            )  # fmt: skip


def _contents(tree: snapshots.Tree) -> dict[str, bytes]:
    return {path: item.data for path, item in tree.items()}


def _alike(
    workspace: Workspace, campaign: Campaign, candidate: Candidate
) -> Iterator[tuple[int, dict[str, bytes]]]:
    """The incumbent's files, and those of the last ideas that had a reading."""
    assert campaign.incumbent_number is not None
    yield campaign.incumbent_number, _contents(candidate.base)
    for number in itertools.islice(reversed(campaign.experiments), _LAST_IDEAS):
        experiment = campaign.experiments[number]
        if number == campaign.incumbent_number or experiment.epoch != campaign.epoch:
            continue
        if experiment.verdict != decide.CRASH:
            yield from ((number, _contents(tree)) for tree in workspace.readable(number))


def _or_undo(next_step: str, candidate: Candidate) -> str:
    """A refusal changes nothing, so an edit made by hand is where it was."""
    return "; ".join(filter(None, (next_step, candidate.left_behind)))


def refuse_touched_locks(campaign: Campaign, candidate: Candidate) -> None:
    """Parts of the editable files that define the measurement stay as they are."""
    for text in campaign.bindings.locked:
        lock = Lock.parse(text)
        before, after = candidate.base.get(lock.path), candidate.tree.get(lock.path)
        try:
            found = [lock.find(item.data) if item else () for item in (before, after)]
        except (SyntaxError, ValueError) as error:
            raise Refused(
                "locked", f"{lock.path} holds {lock.name}, which is locked, and is no Python: "
                f"{error}", files=[lock.path], next_step="mend the edit",
            ) from error  # fmt: skip
        if found[0] != found[1]:
            raise Refused(
                "locked", f"the change touches {text}, which defines the measurement",
                files=[lock.path],
                next_step=_or_undo(f"leave {lock.name} as it is; another edit", candidate),
            )  # fmt: skip


def refuse_elsewhere(workspace: Workspace, campaign: Campaign) -> None:
    """Figures of one device, or of one set of packages, are not compared with another's."""
    before = campaign.stamp_for()
    if campaign.wants_baseline or not before:
        return
    now = _stamp_before_run(workspace, campaign, before)
    changed = stamps.differing(before, now)
    if changed:
        raise Refused(
            "elsewhere",
            f"the readings so far were measured on {stamps.in_words(before, changed)}; here it is "
            f"{stamps.in_words(now, changed)}",
            next_step=stamps.BACK_OR_ANEW,
        )  # fmt: skip


def _stamp_before_run(
    workspace: Workspace, campaign: Campaign, before: stamps.Stamp
) -> dict[str, str]:
    """What a run would be measured on, as far as that is known before its prelude has run.

    What is learnt here is kept by the run, if it comes to one: a refusal changes nothing.
    """
    command, known = campaign.bindings.run_cmd, devices.load(workspace.store.paths.device_cache)
    environ = environment.without_hosts(workspace.environ)
    if not campaign.bindings.prelude:
        return devices.stamp(command, environ, folder=workspace.root, known=known)
    gpus = devices.gpus_here(environ, known)
    if gpus is None or stamps.could_be_among(before.get("device", ""), gpus):
        return {}  # the prelude may choose it
    return devices.seen(command, environ, known)


def harness_changes(workspace: Workspace, *, save: bool = True) -> integrity.Changes:
    """What is not as it was frozen; `save` what was hashed, for the next look."""
    stamps = integrity.Stamps(workspace.store.paths.stat_cache)
    changes = integrity.check(workspace.harness(), workspace.scope(), stamps)
    if save:
        stamps.save()
    return changes


def refuse_unwritable(workspace: Workspace, candidate: Candidate) -> None:
    """What the idea changes can be put in place now, and put back after it."""
    present = workspace.present()
    changing = {
        path
        for other in (present, candidate.base)
        for path in snapshots.differing(other, candidate.tree)
    }
    unwritable = restoring.unwritable(workspace.root, changing)
    if unwritable:
        raise Refused(
            "not writable", f"cannot be replaced: {', '.join(unwritable[:5])}", files=unwritable,
            next_step="make them and their folders writable (`chmod u+w`, `chattr -i`, or mount "
            "the disk for writing), then try again",
        )  # fmt: skip


def refuse_changed_harness(workspace: Workspace, *, save: bool = True) -> None:
    """The measurement is made by the frozen harness, and by nothing that joined it."""
    changes = harness_changes(workspace, save=save)
    if not changes:
        return
    if changes.changed or changes.missing:
        raise Refused(
            "harness", f"the harness is not as it was frozen: {changes.describe()}",
            files=changes.files,
            next_step="put these files back; if the change is meant, the person runs "
            "`agent-loops rebaseline --why …`",
        )  # fmt: skip
    raise Refused(
        "scope", f"files appeared that could change what is measured: {changes.describe()}",
        files=changes.files,
        next_step="move them out of the project; if they belong to it, the person runs "
        "`agent-loops rebaseline --why …`",
    )  # fmt: skip
