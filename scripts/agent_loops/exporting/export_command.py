"""The command `export`: a campaign into the tool that the person names.

Writes into the tool alone, nothing into the record; finds no tool by itself, but says which Python
has it.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path

from agent_loops import answers, commands, display, files
from agent_loops.answers import Answer
from agent_loops.errors import Refused, UsageError
from agent_loops.exporting import exporter
from agent_loops.exporting.exported import Campaign, Written
from agent_loops.exporting.gathering import Gathered
from agent_loops.exporting.targets import TARGETS, Target
from agent_loops.loop import Loop

_SHOWN_PARAMETERS = 8


def run(loop: Loop, to: str, out: str | None, python: str | None) -> Answer:
    """Exports what is decided; what is there already stays."""
    target = TARGETS[to]
    if python is not None and not target.library:
        raise UsageError(f"--python names the Python that has a library, and {to} needs none")
    folder = Path(out).absolute() if out else loop.store.paths.exports / to
    _refuse_among_code(loop, to, folder)
    gathered = Gathered(loop, datetime.now(timezone.utc))
    if not gathered.rows:
        raise Refused(
            "nothing to export", "no experiment is decided yet",
            next_step="agent-loops wait" if gathered.under_way else "agent-loops try baseline",
        )  # fmt: skip
    files.make_dir(folder)
    if target.library:
        program = _program(python)
        try:
            written = exporter.write(gathered, target.module, target.library, program, folder)
        except exporter.NoLibrary as missing:
            raise _refused(loop, to, target, program, missing) from None
    else:
        written = exporter.write_here(gathered, target.module, folder)
    return _answer(loop, gathered, gathered.campaign(), to, written)


def _refuse_among_code(loop: Loop, to: str, folder: Path) -> None:
    """Files that join the project's own count as a change of what is measured."""
    real, root = (Path(os.path.realpath(path)) for path in (folder, loop.store.project.root))
    own = Path(os.path.realpath(loop.store.paths.root))
    if real.is_relative_to(root) and not real.is_relative_to(own):
        raise Refused(
            "inside the project",
            f"--out {display.clean(str(folder), 200)} lies in the project: what is written there "
            "could count as a change of what is measured",
            next_step=f"`agent-loops export --to {to}` writes into "
            f"{loop.workspace.shown(loop.store.paths.exports / to)}; or name a folder outside "
            f"the project: --out {shlex.quote(str(root.with_name(f'{root.name}-{to}')))}",
        )


def _program(python: str | None) -> str:
    """The Python that is asked for, else ours."""
    if python is None:
        return sys.executable
    found = shutil.which(python) if "/" not in python else os.path.abspath(python)
    if not found or not os.access(found, os.X_OK):
        raise UsageError(f"--python {python}: no such program")
    return found


def _refused(
    loop: Loop, to: str, target: Target, program: str, missing: exporter.NoLibrary
) -> Refused:
    """Says which Python has it, where the one that trains does; else how this one gets it."""
    environ = loop.workspace.environ
    install = _install(program, target.needs, environ)
    has_it = _python_with(target.library, loop)
    if missing.is_old:
        reason = f"{program} is Python {missing.python}; an export needs 3.10 or newer"
        step = f"agent-loops export --to {to}, without --python or with another"
    else:
        reason = f"{program} has no {target.library}"
        step = install
    if has_it and has_it != program:
        step = f"agent-loops export --to {to} --python {shlex.quote(has_it)}"
    elif program == sys.executable:
        step += f"; or name a Python that has it: `agent-loops export --to {to} --python …`"
    return Refused("missing library", reason, next_step=step)


def _install(program: str, needs: tuple[str, ...], environ: Mapping[str, str]) -> str:
    """The command that installs into exactly this Python, which uv may have made without pip."""
    words = " ".join(map(shlex.quote, needs))
    quoted = shlex.quote(program)
    folder = Path(program).parent.parent
    if any(folder.glob("lib/python3*/site-packages/pip")) or not (folder / "pyvenv.cfg").exists():
        return f"{quoted} -m pip install {words}"
    if shutil.which("uv", path=environ.get("PATH")):
        return f"uv pip install --python {quoted} {words}"
    return f"{quoted} -m ensurepip && {quoted} -m pip install {words}"


def _python_with(library: str, loop: Loop) -> str:
    """The Python that `run_cmd` names, where the library lies beside it; "" elsewhere.

    Only looks: what lies in a project is not started to find out.
    """
    bindings = loop.campaign.bindings
    for word in commands.programs(bindings.run_cmd):
        if not re.search(r"(?:^|/)python[\d.]*$", word):
            continue
        path = loop.workspace.environ.get("PATH", os.defpath)
        found = shutil.which(word, path=path) if "/" not in word else ""
        place = Path(found or os.path.normpath(loop.workspace.root / word))
        if any(place.parent.parent.glob(f"lib*/python3*/*-packages/{library}")):
            return str(place)
    return ""


def _answer(
    loop: Loop, gathered: Gathered, campaign: Campaign, to: str, written: Written
) -> Answer:
    count = len(gathered.rows)
    place = display.clean(written.place, 500)
    if os.path.isabs(place):
        place = loop.workspace.shown(Path(place))
    told = f"{written.added} new, {written.updated} changed, {written.unchanged} as they were"
    many = display.counted(count)
    lines = [f"exported {many} of {campaign.tag} to {to}: {told}", f"where: {place}"]
    names = [display.clean(name, 60) for name in campaign.parameters]
    if names:
        more = f" and {len(names) - _SHOWN_PARAMETERS} more" if names[_SHOWN_PARAMETERS:] else ""
        lines.append(f"parameters: {', '.join(names[:_SHOWN_PARAMETERS])}{more}")
    notes = [*written.notes]
    if gathered.under_way:
        shown = ", ".join(f"#{number}" for number in gathered.under_way)
        notes.append(f"{shown} is under way and left out: export again when it is decided")
    lines += [f"note: {note}" for note in notes]
    lines += [f"open it: {written.open_with}"] if written.open_with else []
    values = {
        "schema": answers.SCHEMA, "status": "exported", "to": to, "place": written.place,
        "experiments": count, "added": written.added, "updated": written.updated,
        "unchanged": written.unchanged, "parameters": list(campaign.parameters), "notes": notes,
        "open_with": written.open_with, "next": "",
    }  # fmt: skip
    return Answer(values, lines)
