"""Finds a number in a results file: in JSON by a dotted path, in a CSV by its column, in any text.

Opens no file: bytes in, numbers out. What an agent wrote is data: nothing of it is believed to be
small, flat or finite.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

_NUMBER = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_FOLDER = re.compile(r"(?:results(?:-[0-9]+)?|analysis)/")
_MOST_KEYS = 5000
_DEEPEST = 20
_LONGEST_PLACE = 200
_LONGEST_NUMBER = 40
_SURE = 1e-9  # what binary fractions do to decimal ones


class Place(NamedTuple):
    """Where a number stands: a file below an experiment's folder, and its key or column there.

    `experiment` is None where the text names none, `key` "" where any number of the file will do.
    """

    experiment: int | None
    path: str
    key: str = ""

    def __str__(self) -> str:
        where = f"iter{self.experiment}/" if self.experiment is not None else ""
        return f"{where}{self.path}" + (f":{self.key}" if self.key else "")


def place(text: str) -> Place:
    """Reads `results/summary.json:dead_share_max`, `analysis/x.csv` or `iter7/results/…`.

    What it gives is read back from its own text: no backtick is a part of it.

    Raises:
        ValueError: it is no such place, and why.
    """
    path, _, key = (part.strip() for part in text.replace("`", "").partition(":"))
    number = None
    if len(text) > _LONGEST_PLACE:
        raise ValueError(f"{text[:80]!r}… is longer than {_LONGEST_PLACE} characters")
    if named := re.match(r"iter(0*[1-9][0-9]{0,8})/", path):
        number, path = int(named[1]), path[named.end() :]
    parts = path.split("/")
    if path.startswith(("/", "~")) or ".." in parts or "\\" in path:
        raise ValueError(f"{text[:80]!r} leads out of the experiment's folder")
    if not _FOLDER.match(path) or not all(parts) or "." in parts or not path.isprintable():
        raise ValueError(f"{text[:80]!r} is no file in results/ or analysis/")
    return Place(number, path, key)


def in_results(text: str) -> str:
    """The text of a place; a bare file name, as `analyze` prints it, is one in results/."""
    text = text.strip().lstrip("`")
    path = text.partition(":")[0]
    is_bare = "/" not in path and path.endswith((".json", ".csv", ".tsv"))
    return f"results/{text}" if is_bare else text


def value_of(text: str) -> float:
    """The finite number that a text is.

    Raises:
        ValueError: it is none.
    """
    if len(text) > _LONGEST_NUMBER or not re.fullmatch(_NUMBER, text):
        raise ValueError(f"{text[:40]!r} is no number")
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:40]!r} is too large for a number")
    return value


def agrees(text: str, value: float) -> bool:
    """Whether `text` is the value to the digits that are given, of which one alone says nothing."""
    given = value_of(text)
    mantissa, _, exponent = text.lower().partition("e")
    digits = mantissa.lstrip("+-").replace(".", "")
    if given == value or not given:
        return given == value and len(digits) > 1
    step = 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
    near = abs(given - value) <= step / 2 * (1 + _SURE) + abs(value) * 1e-12
    return near and len(digits.lstrip("0")) > 1


def at(data: bytes, path: str, key: str) -> list[float]:
    """The numbers at `key` of a file, in its order, those that are not finite too.

    In JSON one at most; in a table the whole column; without a key every number of the text.
    """
    if not key:
        return [float(found) for found in re.findall(_NUMBER, data.decode("utf-8", "replace"))]
    if path.endswith(".json"):
        return [_as_number(item) for item in _found(_json(data), key) if _is_number(item)][:1]
    return _column(data, path, key)


def keys(data: bytes, path: str) -> list[str]:
    """What numbers a file has names for."""
    if path.endswith(".json"):
        return [key for key, _ in _flat(_json(data), "", 0)]
    return _rows(data, path)[0] if path.endswith((".csv", ".tsv")) else []


def shown(value: float) -> str:
    return f"{value:.5g}"


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _found(value: Any, key: str, depth: int = 0) -> Iterator[Any]:
    """What stands at a dotted path; names may hold dots themselves."""
    if not key:
        yield value
        return
    if depth > _DEEPEST:
        return
    if isinstance(value, list):
        head, _, rest = key.partition(".")
        if head.isascii() and head.isdigit() and len(head) < 10 and int(head) < len(value):
            yield from _found(value[int(head)], rest, depth + 1)
    elif isinstance(value, dict):
        ends = [match.start() for match in re.finditer(r"\.", key)][:_DEEPEST]
        for end in (len(key), *reversed(ends)):
            if key[:end] in value:
                yield from _found(value[key[:end]], key[end + 1 :], depth + 1)


def _flat(value: Any, prefix: str, depth: int) -> list[tuple[str, Any]]:
    """Each number of a JSON value, with its path."""
    if _is_number(value):
        return [(prefix, value)]
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    found: list[tuple[str, Any]] = []
    for name, item in items if depth <= _DEEPEST else ():
        found += _flat(item, f"{prefix}.{name}" if prefix else str(name), depth + 1)
        if len(found) > _MOST_KEYS:
            break
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _as_number(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _rows(data: bytes, path: str) -> list[list[str]]:
    import csv  # only tables need it

    text = data.decode("utf-8", "replace").replace("\0", "")
    delimiter = "\t" if path.endswith(".tsv") else ","
    try:
        found = [row for row in csv.reader(text.splitlines(), delimiter=delimiter) if row]
    except csv.Error:
        found = []
    return found or [[]]


def _column(data: bytes, path: str, key: str) -> list[float]:
    """A table's column by its header, with or without the unit behind it."""
    head, *rows = _rows(data, path)
    names = [name.strip() for name in head]
    short = [re.split(r"[\s\[(]", name)[0] for name in names]
    index = names.index(key) if key in names else short.index(key) if key in short else -1
    cells = [row[index].strip() for row in rows if 0 <= index < len(row)]
    return [float(cell) for cell in cells if re.fullmatch(rf"{_NUMBER}|[-+]?(?:nan|inf)", cell)]
