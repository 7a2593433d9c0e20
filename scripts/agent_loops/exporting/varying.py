"""The parameters of a campaign: the constants that differ between any two of its experiments.

Does not judge whether one of them mattered.
"""

from __future__ import annotations

from collections.abc import Mapping

from agent_loops.exporting import constants
from agent_loops.exporting.constants import Constant

_MOST_NAMES = 200


def of(experiments: Mapping[int, Mapping[str, bytes]]) -> dict[int, dict[str, str]]:
    """Of each experiment's files the constants that are not the same in all of them, by name.

    A name belongs to the file in which it stood first; elsewhere the file's name is put before it.
    That way a later experiment renames nothing. At most 200, those that were changed first.
    """
    owners: dict[str, str] = {}
    read: dict[tuple[str, bytes], dict[str, Constant] | None] = {}
    found: dict[int, dict[str, Constant]] = {}
    whole: set[int] = set()
    for number, files in experiments.items():
        here = found[number] = {}
        whole.add(number)
        for path in sorted(files):
            key = path, files[path]
            if key not in read:
                read[key] = constants.of_file(*key)
            if (stated := read[key]) is None:
                whole.discard(number)
            for name, constant in (stated or {}).items():
                owner = owners.setdefault(name, path)
                here[name if owner == path else f"{path}/{name}"] = constant
    names = _changed_names(found, whole)
    return {
        number: {name: here[name].text for name in names if name in here}
        for number, here in found.items()
    }


def _changed_names(found: Mapping[int, Mapping[str, Constant]], whole: set[int]) -> list[str]:
    """In the order in which they were first changed. `whole`: all files of these could be read."""
    first: dict[str, Constant] = {}
    changed: dict[str, None] = {}
    compared = 0
    for number, here in found.items():
        for name, constant in here.items():
            known = first.setdefault(name, constant)
            came = known is constant and compared > 0 and not constant.incidental
            if came or known.text != constant.text:
                changed.setdefault(name)
        if number in whole:
            compared += 1
            for name, constant in first.items():
                if name not in here and not constant.incidental:
                    changed.setdefault(name)
    return list(changed)[:_MOST_NAMES]
