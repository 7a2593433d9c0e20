"""What a catalogue says of a paper, cleaned and cut: every record names its source, id and URL.

Makes nothing up: what a source did not give is empty, and a record without an id is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from agent_loops import display

SEMANTIC_SCHOLAR = "Semantic Scholar"
ARXIV = "arXiv"
OPENALEX = "OpenAlex"

_TITLE_CHARACTERS = 300
_TEXT_CHARACTERS = 4000
_NAME_CHARACTERS = 80
_MOST_AUTHORS = 10
# Hosts give words between such brackets a meaning of their own.
_TAG = re.compile(r"</?[A-Za-z!?][^<>]{0,300}>")
_URL = re.compile(r"https?://[!-~]{1,400}")


class Query(NamedTuple):
    """One question to one source; no key is ever part of it."""

    source: str
    path: str
    parameters: Mapping[str, str]


class Paper(NamedTuple):
    """One paper as `source` describes it. `id` is what the next command takes."""

    source: str
    id: str
    url: str
    title: str
    authors: tuple[str, ...] = ()
    year: int | None = None
    venue: str = ""
    cited: int | None = None
    summary: str = ""
    abstract: str = ""
    pdf: str = ""


class Passage(NamedTuple):
    """Words of a paper: a passage of it, or of one that cites it."""

    paper: Paper
    text: str
    section: str = ""


def quoted(value: object, characters: int = _TEXT_CHARACTERS) -> str:
    """A source's text on one line, without markup or anything that a terminal obeys."""
    if not isinstance(value, str):
        return ""
    text = value[: 4 * characters]
    while (plain := _TAG.sub(" ", text)) != text:
        text = plain
    return display.clean(text, characters)


def title_of(value: object) -> str:
    return quoted(value, _TITLE_CHARACTERS)


def names_of(values: object) -> tuple[str, ...]:
    """Authors' names, the first of them."""
    found = [quoted(item, _NAME_CHARACTERS) for item in items(values)[:_MOST_AUTHORS]]
    return tuple(name for name in found if name)


def url_of(value: object) -> str:
    """A web address as it was given; "" for anything else."""
    return value if isinstance(value, str) and _URL.fullmatch(value) else ""


def count_of(value: object) -> int | None:
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9
    return value if is_count and isinstance(value, int) else None


def items(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def fields(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
