#!/usr/bin/env python3
"""Saves, restores, compares and lists copies of files: `iter<N>/code_snapshot` below a folder.

FILEs are relative to the current folder. A file that restoring would change and that is saved in
no snapshot is first copied to `rescue/`.
"""

from __future__ import annotations

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import argparse
import contextlib
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path

from agent_loops import entry, files, restoring, snapshots
from agent_loops.errors import BindingsError, Refused, UsageError
from agent_loops.paths import CampaignPaths


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    parser = entry.Parser(prog="snapshot.py", description=__doc__)
    parser.add_argument("action", choices=("save", "restore", "diff", "list"))
    parser.add_argument("--root", required=True, type=Path, metavar="DIR", help="holds iter<N>/")
    parser.add_argument("--iter", type=int, metavar="N")
    parser.add_argument("files", nargs="*", metavar="FILE")
    arguments = parser.parse_intermixed_args(argv)  # FILEs come behind the options
    if arguments.action != "list" and (arguments.iter is None or arguments.iter < 1):
        raise UsageError(f"{arguments.action}: give --iter N, from 1")
    return arguments


def names(given: list[str]) -> list[str]:
    """The FILEs as posix paths below the current folder."""
    here = Path(os.path.realpath("."))
    found = []
    for name in given:
        full = Path(os.path.abspath(here / name))
        if not full.is_relative_to(here):
            raise UsageError(f"{name}: not below the current folder {here}")
        found.append(full.relative_to(here).as_posix())
    return found


def read(given: Iterable[str]) -> dict[str, snapshots.FileState]:
    """Those of the files that exist; the names are no patterns here."""
    try:
        return snapshots.read_files(Path.cwd(), given)
    except BindingsError as error:
        raise UsageError(error.problem) from error


def save(paths: CampaignPaths, number: int, given: list[str]) -> dict[str, object]:
    if not given:
        raise UsageError("save: name the files to save")
    if paths.journal.exists():
        raise Refused(
            "journal",
            f"{paths.root}: kept by the engine",
            next_step="run `agent-loops try`, or give another --root",
        )
    if paths.manifest(number).exists():
        raise Refused(
            "exists",
            f"iter{number} is saved already",
            next_step=f"give another --iter, the next is {max(saved(paths), default=0) + 1}",
        )
    tree = read(given)
    missing = [name for name in given if name not in tree]
    if missing:
        raise UsageError(f"{missing[0]}: no such file")
    digest = snapshots.save(
        tree, code=paths.snapshot(number), manifest=paths.manifest(number), before={}
    )
    return {"schema": 1, "iter": number, "digest": digest, "files": sorted(tree)}


def saved(paths: CampaignPaths) -> list[int]:
    """The numbers of the snapshots there are."""
    found = [path.parent.name[4:] for path in paths.root.glob("iter*/manifest.json")]
    return sorted(int(name) for name in found if name.isdigit())


def load(paths: CampaignPaths, number: int, given: list[str]) -> dict[str, snapshots.FileState]:
    tree = snapshots.load(code=paths.snapshot(number), manifest=paths.manifest(number))
    missing = [name for name in given if name not in tree]
    if missing:
        raise UsageError(f"{missing[0]}: not in iter{number}, which holds {', '.join(tree)}")
    return {path: state for path, state in tree.items() if not given or path in given}


def restore(paths: CampaignPaths, number: int, given: list[str]) -> dict[str, object]:
    target = load(paths, number, given)
    present = read(sorted(target))
    others = []
    for other in saved(paths):
        with contextlib.suppress(snapshots.SnapshotError):  # a damaged one has saved nothing
            others.append(load(paths, other, []))
    stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S.%fZ")

    def rescue() -> Path:
        folder = paths.rescue / f"{number}-{stamp}"
        files.make_dir(folder)
        return folder

    folder, rescued = restoring.restore(
        Path.cwd(), target, present=present, known=others, latest=paths.latest, rescue=rescue
    )
    return {
        "schema": 1,
        "iter": number,
        "restored": snapshots.differing(present, target),
        "rescued": rescued,
        "rescue": str(folder) if folder else None,
    }


def diff(paths: CampaignPaths, number: int, given: list[str]) -> dict[str, object]:
    before = load(paths, number, given)
    after = read(sorted(before))
    added, removed = snapshots.changed_lines(before, after)
    return {
        "schema": 1,
        "iter": number,
        "differing": snapshots.differing(before, after),
        "lines_added": added,
        "lines_removed": removed,
        "diff": "\n".join(snapshots.unified_diff(before, after)),
    }


def listing(paths: CampaignPaths) -> dict[str, object]:
    rows = []
    for number in saved(paths):
        content = files.load_json(paths.manifest(number).read_bytes())
        rows.append(
            {"iter": number, "digest": content["digest"],
             "files": [item["path"] for item in content["files"]]}
        )  # fmt: skip
    return {"schema": 1, "root": str(paths.root), "snapshots": rows}


def act(arguments: argparse.Namespace) -> dict[str, object]:
    paths = CampaignPaths(Path(os.path.abspath(arguments.root)))
    given = names(arguments.files)
    if arguments.action == "save":
        return save(paths, arguments.iter, given)
    if arguments.action == "restore":
        return restore(paths, arguments.iter, given)
    if arguments.action == "diff":
        return diff(paths, arguments.iter, given)
    return listing(paths)


if __name__ == "__main__":
    sys.exit(entry.run(lambda: act(parse())))
