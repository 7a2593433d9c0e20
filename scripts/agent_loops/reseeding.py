"""Finds the seeds that stand in files, and tells a change of nothing but seeds from a real one.

Reads syntax only: a seed that is computed, or given under a name that does not say so, is not seen,
and what reseeds inside a loop, where it did not before, counts as a real change.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from agent_loops import seed_syntax, seeds
from agent_loops.unseeding import Seed, Unseeding

_SHOWN = 60  # characters of a seed's place
_ORDER = ("call", "constant", "default")
_CONFIGURATION = frozenset(
    ".yaml .yml .toml .ini .cfg .conf .json .jsonc .gin .env .sh .bash".split()
)
_SETTING = re.compile(
    r"""(?P<head>(?<![\w.-])-{0,2}(?P<name>[A-Za-z][\w-]*)["']?
    (?:\s*(?:=>|[:=(])\s*|[ \t]+)["']?)(?P<value>-?\d+\b(?!\.)|null\b|None\b|~)""",
    re.VERBOSE,
)
_WHOLE_LINE = re.compile(
    r"""\s*(?:export\s+)?["']?(?P<name>[A-Za-z][\w-]*)["']?\s*[:=]\s*["']?
    (?:-?\d+|null|None|~)["']?\s*[,;]?\s*""",
    re.VERBOSE,
)


def seeds_in(path: str, data: bytes) -> list[Seed]:
    """Every place of a seed in the file; empty where it cannot be read."""
    return _read(path, data)[1]


def hard_coded(sources: Mapping[str, bytes], *, given: bool) -> list[tuple[str, Seed]]:
    """The seeds that make every run the same draw, the plainest first.

    Args:
        sources: the editable files.
        given: whether code or command uses the seed of the run: then a constant or an option's
            default is overruled, and only what a call states outright stays.
    """
    found = [
        (path, seed)
        for path, data in sorted(sources.items())
        for seed in seeds_in(path, data)
        if seed.number and not seed.divides_data and (seed.kind == "call" or not given)
    ]
    return sorted(found, key=lambda item: _ORDER.index(item[1].kind))


def advice(sources: Mapping[str, bytes], *, given: bool) -> tuple[str, str] | None:
    """What a person should know of the hard-coded seeds, and the remedy; None without any."""
    found = hard_coded(sources, given=given)
    if not found:
        return None
    places = [f"{path}:{seed.line} {_cut(seed.text)}" for path, seed in found[:3]]
    more = f" and {len(found) - 3} more" if found[3:] else ""
    if given and not any(_sets_stream(seed) for _, seed in found):
        said = f"fixed in every run ({'; '.join(places)}{more})"
        return said, "right for what makes the data, wrong for the training: it has the run's own"
    said = f"hard-coded ({'; '.join(places)}{more}): {seeds.SAME_DRAW}"
    return said, seeds.mend(found[0][1].number)


def _sets_stream(seed: Seed) -> bool:
    """Whether it seeds the library as a whole, and so the training; else one generator."""
    return seed_syntax.sets_stream(seed.text.partition("(")[0])


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 2]} …"


def is_seed_only(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> bool:
    """Whether the two differ, and in nothing but seeds, comments and formatting.

    A seed that comes or goes is one; code that now takes the seed of the run is a mend, and none.
    """
    changed = [path for path in before.keys() | after.keys() if before.get(path) != after.get(path)]
    if not changed or any(path not in before or path not in after for path in changed):
        return False
    mended = [path for path in changed if _given(path, after[path]) > _given(path, before[path])]
    if mended or not changes_seed(before, after):
        return False
    return all(_is_same_without(path, before[path], after[path]) for path in changed)


def changes_seed(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> bool:
    """Whether a seed came, went or has another value; moved lines are no change."""
    for path in before.keys() & after.keys():
        old, new = before[path], after[path]
        if old != new and _texts(path, old) != _texts(path, new):
            return True
    return False


def _given(path: str, data: bytes) -> int:
    """How many seeds are taken from the run."""
    return sum(seeds.VARIABLE in text for text in _texts(path, data))


def _texts(path: str, data: bytes) -> list[str]:
    return sorted(seed.text for seed in seeds_in(path, data))


def _is_same_without(path: str, before: bytes, after: bytes) -> bool:
    old, new = _read(path, before)[0], _read(path, after)[0]
    return old is not None and old == new


def _read(path: str, data: bytes) -> tuple[str | None, list[Seed]]:
    """The file's meaning without its seeds, and these; None where it is not to be read."""
    if PurePosixPath(path).suffix not in (".py", ".pyi"):
        return _read_text(path, data)
    try:
        unseeding = Unseeding()
        return ast.dump(unseeding.visit(ast.parse(data))), unseeding.found
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None, []


def _read_text(path: str, data: bytes) -> tuple[str | None, list[Seed]]:
    """The same for a file that is no Python: `name: 42`, `--seed 42`, `srand(42)`."""
    try:
        lines = data.decode().splitlines()
    except UnicodeDecodeError:
        return None, []
    found: list[Seed] = []
    kept: list[str] = []
    has_comments = PurePosixPath(path).suffix in _CONFIGURATION
    for number, line in enumerate(lines, 1):
        bare = _without_comment(line) if has_comments else line
        masked = _masked(bare, number, found)
        whole = _WHOLE_LINE.fullmatch(bare)
        if bare.strip() and not (whole and seeds.is_seed_name(whole["name"])):
            # A last line gains a comma where another follows it.
            kept.append(masked.rstrip().rstrip(","))
    return "\n".join(kept), found


def _masked(line: str, number: int, found: list[Seed]) -> str:
    def mask(match: re.Match[str]) -> str:
        name, value = match["name"], match["value"]
        if not (seeds.is_seed_name(name) or name == "srand"):
            return match[0]
        is_number = value.lstrip("-").isdigit()
        found.append(Seed("constant", match[0].strip(), value if is_number else "", number))
        return match["head"]

    return _SETTING.sub(mask, line)


def _without_comment(line: str) -> str:
    if re.match(r"\s*(?:#|//|;)", line):
        return ""
    return line if re.search(r"[\"'].*#", line) else re.sub(r"\s+#.*$", "", line)
