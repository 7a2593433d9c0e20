"""Adds to a JSON text and leaves every byte of the rest as it is: order, indentation, line ends.

Knows nothing of what the keys mean, and nothing of comments: such a text is no JSON.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

_DECODER = json.JSONDecoder()
_INDENT = "  "


class Span(NamedTuple):
    """Where a value stands in the text: `text[start:end]`."""

    start: int
    end: int


def add_items(text: str, path: tuple[str, ...], items: list[str]) -> str:
    """The text with these strings at the end of the list at `path`, which is made where needed."""
    if not items:
        return text
    found = find(text, path)
    if found is None:
        return set_value(text, path, items)
    return _insert(text, found, [json.dumps(item, ensure_ascii=False) for item in items])


def set_value(text: str, path: tuple[str, ...], value: Any) -> str:
    """The text with this value at `path`; the objects around it are made where needed.

    Raises:
        ValueError: something else than an object stands on the way.
    """
    found = find(text, path)
    if found is not None:
        return text[: found.start] + json.dumps(value, ensure_ascii=False) + text[found.end :]
    *outer, key = path
    around = find(text, tuple(outer))
    if around is None:
        return set_value(text, tuple(outer), {key: value})
    if text[around.start] != "{":
        raise ValueError(f"{'.'.join(outer)} is no object")
    in_line = _is_in_line(text[around.start + 1 : around.end - 1])
    shown = json.dumps(value, indent=None if in_line else _step_of(text), ensure_ascii=False)
    inner = _indent_at(text, around.start) + _step_of(text)
    member = f"{json.dumps(key, ensure_ascii=False)}: " + shown.replace("\n", f"\n{inner}")
    return _insert(text, around, [member])


def find(text: str, path: tuple[str, ...]) -> Span | None:
    """The value at `path`; None where a key on the way is not there.

    Raises:
        ValueError: the text is no JSON, or what stands on the way is no object.
    """
    start = _skip(text, 0)
    _, end = _DECODER.raw_decode(text, start)
    found = Span(start, end)
    for key in path:
        if text[found.start] != "{":
            raise ValueError(f"{key} is looked for in what is no object")
        member = _members(text, found.start).get(key)
        if member is None:
            return None
        found = member
    return found


def _members(text: str, start: int) -> dict[str, Span]:
    """An object's values by key; of a key that is there twice the last one, which counts."""
    members: dict[str, Span] = {}
    at = _skip(text, start + 1)
    while text[at] != "}":
        key, at = _DECODER.raw_decode(text, at)
        at = _skip(text, _skip(text, at) + 1)  # over the colon
        _, end = _DECODER.raw_decode(text, at)
        members[key] = Span(at, end)
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return members


def _insert(text: str, container: Span, members: list[str]) -> str:
    """The text with members at the end of a list or an object, laid out as those before them."""
    close = container.end - 1
    body = text[container.start + 1 : close]
    last = close - len(body) + len(body.rstrip())
    if _is_in_line(body):
        return text[:last] + "".join(f", {member}" for member in members) + text[last:]
    outer = _indent_at(text, container.start)
    as_before = re.match(r"[ \t\r]*\n([ \t]*)\S", body)
    inner = as_before[1] if as_before else outer + _step_of(text)
    added = "," if body.strip() else ""
    added += ",".join(f"\n{inner}{member}" for member in members)
    rest = text[last:]
    if not body.strip():
        added, rest = f"{added}\n{outer}", text[close:]
    if "\r\n" in text:
        added = added.replace("\n", "\r\n")
    return text[:last] + added + rest


def _is_in_line(body: str) -> bool:
    return bool(body.strip()) and "\n" not in body


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def _indent_at(text: str, at: int) -> str:
    """What the line begins with on which `at` lies."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip())]


def _step_of(text: str) -> str:
    """One step of the text's indentation."""
    found = re.search(r"\{[ \t]*\r?\n([ \t]+)\"", text)
    return found[1] if found else _INDENT
