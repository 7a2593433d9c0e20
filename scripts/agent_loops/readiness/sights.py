"""What a person wants to know before they go to bed, one look each: as checks, and as figures.

Changes nothing; what has to be done before there is anything to see is the caller's.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any, NamedTuple

from agent_loops import answers, decide, pointer, snapshots
from agent_loops.diagnosis import machine_checks
from agent_loops.diagnosis.checks import Check, missing, ok, warn
from agent_loops.diagnosis.machine_checks import size_in_words
from agent_loops.diagnosis.subjects import Subject
from agent_loops.errors import AgentLoopsError, Refused
from agent_loops.journal import utc_now
from agent_loops.loop import Loop
from agent_loops.readiness import bystanders, outlook, prompts, rehearsal
from agent_loops.readiness.prompts import Evidence
from agent_loops.readiness.rehearsal import Proof

_LATE_S = 5.0
_MUCH_OF_FREE = 0.5


class Part(NamedTuple):
    """What one look found, and the same for programs."""

    checks: tuple[Check, ...]
    values: dict[str, Any]


def campaign_part(loop: Loop, obstacle: Check | None) -> Part:
    campaign = loop.campaign
    word = pointer.state_word(campaign, utc_now())
    if obstacle is not None:
        return Part((obstacle,), {"state": word})
    end = answers.end_in_words(campaign, utc_now())
    line = f"{campaign.tag} is {word}" + (f" until {end}" if end else "")
    return Part((ok("campaign", line),), {"state": word, "end": campaign.end_utc or None})


def baseline_part(loop: Loop) -> Part:
    campaign = loop.campaign
    baseline = campaign.baseline
    reading = baseline.last_reading if baseline is not None else None
    if baseline is None or reading is None:
        open_ = campaign.open
        said = open_.decided.reason if open_ is not None and open_.decided else "none yet"
        step = "mend it, then `agent-loops try baseline`" if open_ else "agent-loops try baseline"
        return Part((missing("baseline", said, step),), {})
    incumbent = campaign.incumbent
    text = answers.metric_text(campaign, baseline)
    line = f"#{baseline.number} {campaign.bindings.metric} {text}, "
    line += answers.duration(reading.wall_s)
    if incumbent is not None and incumbent.number != baseline.number:
        line += f"; the incumbent is #{incumbent.number} {answers.metric_text(campaign, incumbent)}"
    values = {
        "experiment": baseline.number, "metric": campaign.metric_of(baseline),
        "wall_s": reading.wall_s, "incumbent": answers.place(campaign, incumbent),
    }  # fmt: skip
    return Part((ok("baseline", line),), values)


def rehearsal_part(loop: Loop, proof: Proof | None, obstacle: Check | None) -> Part:
    """Restore, resume and wake-up, each as it was seen."""
    if proof is None:
        last = rehearsal.last(loop.campaign)
        if obstacle is not None or loop.campaign.wants_baseline:
            return Part((), {})
        said, step = "none got through", "agent-loops ready"
        if last is not None and last.verdict == decide.CRASH and last.decided is not None:
            said = f"#{last.number}, the incumbent's own code, crashed: {last.decided.reason}"
            step = f"agent-loops show {last.number}"
        return Part((missing("rehearsal", said, step),), {})
    restored = _is_restored(loop)
    values = {
        "experiment": proof.experiment, "resumed": proof.killed, "restored": restored,
        "noticed_s": None if proof.noticed_s is None else round(proof.noticed_s, 3),
        "wall_s": proof.wall_s,
    }  # fmt: skip
    return Part(tuple(_rehearsal_checks(loop, proof, restored=restored)), values)


def _rehearsal_checks(loop: Loop, proof: Proof, *, restored: bool) -> Iterator[Check]:
    words = [f"#{proof.experiment}"]
    if proof.killed:
        words.append("its caller was killed, the run went on and was taken up")
    if proof.noticed_s is not None:
        words.append(f"its end met in {max(proof.noticed_s, 0):.2f} s")
    if restored:
        words.append("files restored byte for byte")
    yield ok("rehearsal", f"{words[0]}: " + "; ".join(words[1:]))
    if not restored:
        step = f"agent-loops checkout {loop.campaign.incumbent_number}"
        yield missing("rehearsal", "the editable files are not the incumbent's", step)
    if proof.trouble:
        step = "the same code must pass: see budget_slack and guards"
        yield warn("rehearsal", f"an idea would be discarded: {proof.trouble}", step)
    if not proof.killed:
        yield warn("rehearsal", "its run was over too soon to lose its caller: resume was not seen")
    if proof.noticed_s is not None and proof.noticed_s > _LATE_S:
        said = f"the end of the run was met {answers.duration(proof.noticed_s)} late"
        yield warn("rehearsal", said, "a slow disk, or a `cleanup_cmd` that takes its time?")


def _is_restored(loop: Loop) -> bool:
    try:
        incumbent = loop.workspace.incumbent_tree()
        return not snapshots.differing(loop.workspace.present(), incumbent)
    except AgentLoopsError:
        return False


def noise_part(proof: Proof | None) -> Part:
    if proof is None or proof.difference is None:
        return Part((), {})
    if not proof.difference:
        line = "two runs of the same code gave the same figure"
    else:
        line = (
            f"two runs of the same code differ by {proof.difference:.4g}: "
            "gains smaller than that may be luck"
        )
    return Part((ok("noise", line),), {"difference": proof.difference})


def prompts_part(subject: Subject, found: Evidence) -> Part:
    try:
        checks = tuple(prompts.look(subject, found))
    except Refused as refusal:
        checks = (missing(prompts.NAME, refusal.reason, refusal.next_step),)
    values = {
        "expected": any(check.state == "missing" for check in checks),
        "mode": found.mode or None, "hooks_seen": found.session is not None,
        "experiments_by_agent": found.tried,
    }  # fmt: skip
    return Part(checks, values)


def fits_part(loop: Loop) -> Part:
    found = outlook.fits(loop.campaign, utc_now())
    if found is None:
        return Part((), {})
    until = f"until {found.end}" if found.end else "in 8 h; no end is set"
    line = (
        f"about {found.experiments} experiments {until}, {answers.duration(found.each_s)} each, "
        f"{found.basis}"
    )
    check = ok("fits", line)
    if not found.experiments:
        check = warn("fits", f"no experiment fits {until}", "agent-loops resume --until T")
    return Part((check,), found._asdict())


def disk_part(loop: Loop, proof: Proof | None) -> Part:
    """Room for what that many experiments leave, by what the rehearsal left."""
    found = outlook.fits(loop.campaign, utc_now())
    if proof is None or found is None:
        return Part((), {})
    each = machine_checks.bytes_in(loop.store.paths.experiment(proof.experiment))
    free = shutil.disk_usage(loop.store.paths.root).free
    needed = each * found.experiments
    line = f"{size_in_words(needed)} for these ({size_in_words(each)} each), "
    line += f"{size_in_words(free)} free"
    check, step = ok("disk", line), "free some room, or set log_limit_mb, keep_outputs"
    if needed > free:
        check = missing("disk", line, step)
    elif needed > free * _MUCH_OF_FREE:
        check = warn("disk", line, step)
    return Part((check,), {"each_bytes": each, "needed_bytes": needed, "free_bytes": free})


def device_part(loop: Loop, subject: Subject) -> Part:
    """Whether somebody else is at work here, where no run of ours is."""
    busy = None if loop.campaign.under_way else bystanders.busy_share()
    gpus = [one._replace(name="device") for one in machine_checks.gpu(subject)]
    sleepy = [one._replace(name="device") for one in machine_checks.sleep(subject)]
    checks = [one for one in (*gpus, *sleepy) if one.state != "ok"]
    idle = [f"{one.line}: idle" for one in gpus if one.line[:3] == "GPU" and one.state == "ok"]
    cpu = f"CPU {busy:.0%} busy with others' work" if busy is not None else "CPU not measured"
    line = "; ".join([*idle, cpu])
    if busy is not None and busy > bystanders.BUSY:
        checks.append(warn("device", line, "end it, or times and readings will suffer"))
    elif not checks:
        checks = [ok("device", line)]
    return Part(tuple(checks), {"cpu_busy": None if busy is None else round(busy, 3)})


def context_part(found: Evidence) -> Part:
    seen = found.seen
    if seen is None or seen.characters_each is None or seen.requests_each is None:
        return Part((ok("context", "not known yet: no agent's experiment was seen"),), {})
    line = f"{seen.characters_each} characters and {seen.requests_each:.1f} requests an experiment"
    if seen.tokens_each is not None:
        line += f", {seen.tokens_each} tokens"
    values = {
        "experiments": seen.tries, "characters_each": seen.characters_each,
        "requests_each": round(seen.requests_each, 2), "tokens_each": seen.tokens_each,
    }  # fmt: skip
    return Part((ok("context", f"{line}, over {seen.tries}"),), values)
