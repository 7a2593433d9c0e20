"""Search/replace blocks: applied all or none, to exactly the lines they name.

Touches no file: bytes in, bytes out. Does not guess: a block that fits nowhere, or twice, is
refused with the nearest lines. A line of content cannot be one of the two outer markers.

The format, as `agent-loops try --edit` takes it:

    train.py
    <<<<<<< SEARCH
    lines as they stand in the file, whole, and enough of them to be there once
    =======
    what to put in their place; nothing deletes them
    >>>>>>> REPLACE

More blocks for the same file may follow without its name. An empty search makes a new file. The
first `=======` ends the search, so a search cannot hold such a line; a replacement can.
"""

from __future__ import annotations

import difflib
import posixpath
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from agent_loops.errors import Refused

_OPEN = "<" * 7 + " SEARCH"
_MIDDLE = "=" * 7
_CLOSE = ">" * 7 + " REPLACE"
_NEXT_STEP = "correct the block and call `agent-loops try` again"
_BOM = b"\xef\xbb\xbf"

_NEAR_LINES = 5
_NEAR_CHARS = 120
_PROBLEMS = 3


@dataclass(frozen=True, slots=True)
class Block:
    """One replacement. `search` and `replace` are whole lines, each ended by a newline, or "".

    `path` is "" where none was named; `line` is where its first marker stands in the edit text.
    """

    path: str
    search: str
    replace: str
    line: int


@dataclass(frozen=True, slots=True)
class _Region:
    """Bytes `start` to `end` of one file become `replacement`."""

    start: int
    end: int
    replacement: bytes
    number: int


def _refused(reason: str, files: Iterable[str] = ()) -> Refused:
    named = [path for path in dict.fromkeys(files) if path]
    return Refused("edit", reason, files=named, next_step=_NEXT_STEP)


# --- reading the text ---------------------------------------------------------------------------


def parse(text: str) -> tuple[Block, ...]:
    """The blocks of an edit text, in order. Markdown fences around blocks are ignored.

    Raises:
        Refused: kind "edit", where the text is not blocks and file names only.
    """
    if not text.strip():
        raise _refused("the edit is empty")
    lines = text.split("\n")
    blocks: list[Block] = []
    path, named_at, at = "", 0, 0
    while at < len(lines):
        line = lines[at].rstrip()
        if line == _OPEN:
            block, at = _block(lines, at, path, len(blocks) + 1)
            blocks.append(block)
            named_at = 0
            continue
        at += 1
        if not line.strip() or line.lstrip().startswith("```"):
            continue
        name = _file_name(line)
        if named_at or not name:
            stray = named_at if name else at
            raise _refused(_stray(lines[stray - 1], stray))
        path, named_at = name, at
    if named_at:
        raise _refused(_stray(lines[named_at - 1], named_at))
    return tuple(blocks)


def _block(lines: Sequence[str], at: int, path: str, number: int) -> tuple[Block, int]:
    """The block whose first marker is `lines[at]`, and the index after its last."""
    middle, end = -1, -1
    for index in range(at + 1, len(lines)):
        line = lines[index].rstrip()
        if line == _MIDDLE and middle < 0:
            middle = index
        elif line == _CLOSE:
            end = index
            break
        elif line == _OPEN:
            break
    which = f"block {number} (line {at + 1} of the edit)"
    if end < 0:
        raise _refused(f"{which} is cut off: no `{_CLOSE}` line ends it", [path])
    if middle < 0:
        raise _refused(f"{which} has no `{_MIDDLE}` line between search and replacement", [path])
    search = "".join(f"{line}\n" for line in lines[at + 1 : middle])
    replace = "".join(f"{line}\n" for line in lines[middle + 1 : end])
    return Block(path, search, replace, at + 1), end + 1


def _file_name(line: str) -> str:
    """The path that a line names (`` `a.py` ``, `### a.py`, `**a.py**`, `a.py:`), or ""."""
    text = re.sub(r"^#{1,6}\s+", "", line.strip())
    quoted = re.fullmatch(r"(`+|\*\*)(.+?)\1:?", text)
    if quoted:
        text = quoted[2].strip("`").strip()
    else:
        text = text.removesuffix(":").rstrip()
        if re.search(r"\s", text) and not re.fullmatch(r"[^:;!?]+\.\w{1,8}", text):
            return ""
    if not text or re.match(r"<<<<<<<|=======|>>>>>>>|@@|---|\+\+\+", text):
        return ""
    return posixpath.normpath(text) if text.startswith("./") else text


def _stray(line: str, number: int) -> str:
    shown = _shown(line.strip())
    if re.match(r"(?:---|\+\+\+|@@|diff --git) ?", line):
        return (
            f"line {number} is of a unified diff (`{shown}`); write search/replace blocks instead"
        )
    if re.match(r"\s*(?:<{5,}|={5,}|>{5,})", line):
        return (
            f"line {number}, `{shown}`, is no marker in its place; the markers are `{_OPEN}`,"
            f" `{_MIDDLE}` and `{_CLOSE}`, each alone on its line"
        )
    return f"line {number} is neither a file name before a block nor part of one: `{shown}`"


# --- applying -----------------------------------------------------------------------------------


def apply(
    blocks: Sequence[Block], files: Mapping[str, bytes], *, allowed: Callable[[str], bool]
) -> dict[str, bytes]:
    """The changed and the new files, by path. `files` are the editable files that exist.

    Every block is matched against the bytes in `files`, not against what an earlier block made.
    Lines outside the matches keep every byte; so does a missing final newline. In a file whose
    every line ends in CR LF, blocks match and are written with such line ends.

    Raises:
        Refused: kind "edit"; nothing is applied unless everything can be.
    """
    if not blocks:
        raise _refused("the edit holds no block")
    regions: dict[str, list[_Region]] = {}
    made: dict[str, bytes] = {}
    problems: list[str] = []
    concerned: list[str] = []
    for number, block in enumerate(blocks, start=1):
        path = block.path or _only_file(files)
        found = _place(block, number, path, files, made, allowed, brief=bool(problems))
        if isinstance(found, str):
            problems.append(f"block {number} (line {block.line} of the edit): {found}")
            concerned.append(path)
        elif found is not None:
            regions.setdefault(path, []).append(found)
        else:
            made[path] = _encode(block.replace)
    for path, places in regions.items():
        places.sort(key=lambda region: (region.start, region.end))
        for first, second in pairwise(places):
            if second.start < first.end:
                numbers = sorted((first.number, second.number))
                problems.append(
                    f"{path}: blocks {numbers[0]} and {numbers[1]} overlap; make them one"
                )
                concerned.append(path)
    if problems:
        more = len(problems) - _PROBLEMS
        shown = problems[:_PROBLEMS] + ([f"and {more} more"] if more > 0 else [])
        raise _refused("\n".join(shown), concerned)
    changed = {path: _spliced(files[path], places) for path, places in regions.items()}
    changed = {path: data for path, data in changed.items() if data != files[path]} | made
    if not changed:
        raise _refused("the edit changes nothing", regions)
    return changed


def _place(
    block: Block,
    number: int,
    path: str,
    files: Mapping[str, bytes],
    made: Mapping[str, bytes],
    allowed: Callable[[str], bool],
    *,
    brief: bool,
) -> _Region | str | None:
    """Where the block goes; None for a new file; else why it goes nowhere."""
    problem = _path_problem(path, files, allowed)
    if problem:
        return problem
    data = files.get(path)
    if block.search == "":
        if data or path in made:
            there = "is made twice" if path in made else "exists; an empty search makes a new file"
            return f"{path} {there}"
        return None if data is None or block.replace else f"{path} is empty already"
    if data is None:
        return f"{path} does not exist; an empty search makes it{_suggestion(path, files)}"
    if block.search == block.replace:
        return f"{path}: search and replacement are the same"
    search, replace = _as_in(data, block)
    starts = _occurrences(_padded(data), search)
    if len(starts) == 1:
        end = starts[0] + len(search)
        if end > len(data):  # the file's last line has no newline, and keeps none
            replace = replace[: -len(_line_end(data))] if replace else replace
            end = len(data)
        return _Region(starts[0], end, replace, number)
    if starts:
        at = ", ".join(str(data.count(b"\n", 0, start) + 1) for start in starts[:12])
        more = ", …" if len(starts) > 12 else ""
        return (
            f"{path}: its search is there {len(starts)} times, at lines {at}{more};"
            " add neighbouring lines until it is there once"
        )
    if part := _part_of_line(data, search):
        return f"{path}: its search is a part of a line, and SEARCH must be whole lines:\n{part}"
    return f"{path}: its search is nowhere in the file" + _nearest(data, search, brief=brief)


def _path_problem(path: str, files: Mapping[str, bytes], allowed: Callable[[str], bool]) -> str:
    if not path:
        return (
            f"it names no file, and there are {len(files)} editable files; put the name of one on"
            " the line before it" + _suggestion("", files)
        )
    if path.startswith(("/", "~")) or ".." in path.split("/"):
        return f"{_shown(path)} is outside the project; use a path relative to it"
    if "\\" in path or posixpath.normpath(path) != path or not path.isprintable():
        return f"{_shown(path)} is not a plain relative path with `/`"
    if not allowed(path):
        return f"{_shown(path)} is not editable, so it stays as it is{_suggestion(path, files)}"
    return ""


def _suggestion(path: str, files: Mapping[str, bytes]) -> str:
    near = difflib.get_close_matches(path, files, n=1, cutoff=0.7)
    if near:
        return f"; did you mean {near[0]}?"
    names = sorted(files)
    return f"; editable: {', '.join(names[:5])}{', …' if len(names) > 5 else ''}" if names else ""


def _only_file(files: Mapping[str, bytes]) -> str:
    return next(iter(files)) if len(files) == 1 else ""


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _line_end(data: bytes) -> bytes:
    """CR LF where every line of `data` ends so, else LF."""
    ends = data.count(b"\n")
    return b"\r\n" if ends and data.count(b"\r\n") == ends else b"\n"


def _as_in(data: bytes, block: Block) -> tuple[bytes, bytes]:
    """Search and replacement with the line ends of `data`."""
    search, replace = _encode(block.search), _encode(block.replace)
    if _line_end(data) == b"\r\n":
        search = re.sub(rb"\r?\n", b"\r\n", search)
        replace = re.sub(rb"\r?\n", b"\r\n", replace)
    return search, replace


def _padded(data: bytes) -> bytes:
    """`data` with a line end after its last line."""
    return data if not data or data.endswith(b"\n") else data + _line_end(data)


def _occurrences(data: bytes, search: bytes) -> list[int]:
    """Every offset at which `search` stands on whole lines; it ends in a newline itself."""
    found = []
    first_line = (0, len(_BOM)) if data.startswith(_BOM) else (0,)
    at = data.find(search)
    while at >= 0:
        if at in first_line or data[at - 1 : at] == b"\n":
            found.append(at)
        at = data.find(search, at + 1)
    return found


def _spliced(data: bytes, regions: Sequence[_Region]) -> bytes:
    parts, at = [], 0
    for region in regions:
        parts += [data[at : region.start], region.replacement]
        at = region.end
    return b"".join([*parts, data[at:]])


# --- the nearest lines --------------------------------------------------------------------------


def _nearest(data: bytes, search: bytes, *, brief: bool) -> str:
    """A hint and the lines most like `search`, with their numbers; `brief`: only where they are."""
    have = _padded(data).decode("utf-8", "replace").split("\n")[:-1]
    want = search.decode("utf-8", "replace").split("\n")[:-1]
    start = _best_offset(have, want)
    if start is None:
        return "; no line is like it"
    there = have[max(0, start) : start + len(want)]
    first = next((i for i, line in enumerate(want) if have[start + i : start + i + 1] != [line]), 0)
    hint = _hint(there, want)
    if brief:
        return f"; nearest at line {start + 1}{hint}"
    low = max(0, min(start + first - 1, len(have) - _NEAR_LINES))
    high = min(len(have), low + _NEAR_LINES)
    shown = [
        _numbered(index, have[index], mark=index == start + first) for index in range(low, high)
    ]
    return f"{hint}. Nearest:\n" + "\n".join(shown)


def _part_of_line(data: bytes, search: bytes) -> str:
    """The first line, with its number, of a place where `search` begins or ends inside a line."""
    wanted = search.strip()
    at = data.find(wanted)
    if at < 0 or not wanted:
        return ""
    start = data.rfind(b"\n", 0, at) + 1
    end = data.find(b"\n", at + len(wanted))
    if data[start : end if end >= 0 else len(data)].strip() == wanted:
        return ""  # whole lines: it is the blanks around them that differ
    number = data.count(b"\n", 0, at)
    return _numbered(number, data.decode("utf-8", "replace").split("\n")[number], mark=True)


def _numbered(index: int, line: str, *, mark: bool) -> str:
    return f"{'>' if mark else ' '}{index + 1:>5}: {_shown(line)}"


def _best_offset(have: Sequence[str], want: Sequence[str]) -> int | None:
    """The line of `have` (from 0) at which most of `want`'s lines stand, blanks at ends aside."""
    places: dict[str, list[int]] = {}
    for index, line in enumerate(have):
        places.setdefault(line.strip(), []).append(index)
    votes: dict[int, float] = {}
    for index, line in enumerate(want):
        at = places.get(line.strip(), ()) if line.strip() else ()
        for place in at[:200]:
            if place >= index:
                votes[place - index] = votes.get(place - index, 0.0) + 1 / len(at)
    if votes:
        return min(votes, key=lambda offset: (-votes[offset], offset))
    telling = max(want, key=lambda line: len(line.strip()))
    near = difflib.get_close_matches(telling.strip()[:400], list(places)[:20_000], n=1, cutoff=0.5)
    return max(0, places[near[0]][0] - want.index(telling)) if near else None


def _hint(have: Sequence[str], want: Sequence[str]) -> str:
    """What sort of difference it is, where only blanks or line ends differ."""
    if len(have) != len(want):
        return ""
    if [h + "\r" for h in have] == list(want):
        return " (the block's lines end in CR LF, the file's do not)"
    if [h.removesuffix("\r") for h in have] == list(want):
        return " (some lines of the file end in CR LF, others do not)"
    if [h.rstrip() for h in have] == [w.rstrip() for w in want]:
        return " (only blanks at the ends of lines differ)"
    if [h.strip() for h in have] == [w.strip() for w in want]:
        tabs = any("\t" in _indent(h) for h in have) != any("\t" in _indent(w) for w in want)
        return f" (only the indentation differs{': tabs against spaces' if tabs else ''})"
    return ""


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _shown(line: str) -> str:
    text = "".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in line.rstrip("\r\n"))
    return text if len(text) <= _NEAR_CHARS else text[: _NEAR_CHARS - 1] + "…"
