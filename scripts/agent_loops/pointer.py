"""Writes `.agent-loops/active.json`, by which the hooks and later commands find the campaign.

Derived from the record, so that whatever lies there is only believed where it fits.
"""

from __future__ import annotations

import contextlib
import os
from datetime import datetime
from typing import Any

from agent_loops import answers, files, rounds, scan
from agent_loops.errors import Refused
from agent_loops.journal import utc_now
from agent_loops.paths import CampaignPaths, ProjectPaths
from agent_loops.state import Campaign


def write(campaign: Campaign, project: ProjectPaths, paths: CampaignPaths) -> None:
    """Brings the pointer up to the campaign."""
    content = _content(campaign, project, paths)
    data = files.dump_json(content, indent=1).encode() + b"\n"
    with contextlib.suppress(OSError):
        if project.active.read_bytes() == data:
            return
    make_state_dir(project)
    files.write_atomic(project.active, data, durable=False)


def _content(campaign: Campaign, project: ProjectPaths, paths: CampaignPaths) -> dict[str, Any]:
    """What a hook needs to know, and cannot work out with the standard library alone.

    A shell reads `state`, one key a line: see `hooks/hook`.
    """
    bindings, halted = campaign.bindings, campaign.stopped or campaign.paused
    incumbent, best = campaign.incumbent, campaign.best
    relative = paths.root.is_relative_to(project.root)
    return {
        "schema": 1,
        "state": state_word(campaign, utc_now()),
        "tag": campaign.tag,
        "loop": campaign.bindings.loop,
        "sandbox": os.path.relpath(paths.root, project.root) if relative else str(paths.root),
        "session": campaign.session,
        "halted_by": halted.by if halted else "",
        "end_utc": campaign.tries_end_utc,
        "confirm": rounds.is_wanted(campaign),
        "confirm_until_utc": campaign.end_utc,
        "harness": paths.harness(campaign.epoch).name,
        "editable_files": list(bindings.editable_files),
        "editable_regexes": scan.as_regexes(bindings.editable_files),
        "metric": bindings.metric,
        "direction": bindings.metric_direction,
        "program": bindings.program or "",
        "run_cmd": bindings.run_cmd,
        "eval_cmd": bindings.eval_cmd,
        "experiments": len(campaign.experiments),
        "incumbent": incumbent.number if incumbent else None,
        "best": best.number if best else None,
        "baseline": campaign.baseline_number,
        "metrics": {
            str(item.number): answers.metric_text(campaign, item)
            for item in (campaign.baseline, incumbent, best)
            if item is not None
        },
    }


def state_word(campaign: Campaign, now: datetime) -> str:
    """active, paused, stopped or finished."""
    if campaign.stopped is not None:
        return "stopped"
    if campaign.paused is not None:
        return "paused"
    return "finished" if campaign.stop_reason(now) else "active"


def make_state_dir(project: ProjectPaths) -> None:
    """Creates .agent-loops/, invisible to git.

    Raises:
        Refused: it is a link; what it leads to is somebody's.
    """
    if project.state_dir.is_symlink():
        name = project.state_dir.name
        raise Refused(
            "state folder", f"{name} is a link, and nothing is written through it",
            files=[name], next_step=f"move {name} away; agent-loops makes a folder of that name",
        )  # fmt: skip
    files.make_dir(project.state_dir)
    ignore = project.state_dir / ".gitignore"
    if not ignore.exists():
        files.write_atomic(ignore, b"*\n")
