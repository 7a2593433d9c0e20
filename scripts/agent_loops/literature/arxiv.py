"""Questions to arXiv's API and its HTML pages, and what the Atom answers say.

Sends nothing: `fetching` does. Shapes: https://info.arxiv.org/help/api/user-manual.html
"""

from __future__ import annotations

import re
from typing import Any

from agent_loops.literature import paper_ids, records
from agent_loops.literature.paper_ids import PaperId
from agent_loops.literature.records import Paper, Query

_ATOM = "{http://www.w3.org/2005/Atom}"
_SCHEMA = "{http://arxiv.org/schemas/atom}"
_MOST_WORDS = 12


def search(text: str, limit: int) -> Query:
    words = re.findall(r"\w+", text)[:_MOST_WORDS]  # a hyphen is an operator there
    return Query(
        records.ARXIV,
        "/api/query",
        {
            "search_query": " AND ".join(f"all:{word}" for word in words),
            "max_results": str(limit),
            "sortBy": "relevance",
        },
    )


def one(paper: PaperId) -> Query:
    return Query(records.ARXIV, "/api/query", {"id_list": paper.value, "max_results": "1"})


def full_text(paper: PaperId) -> Query:
    return Query(records.ARXIV, f"/html/{paper.value}", {})


def read(data: bytes) -> list[Paper]:
    """The papers of a feed.

    Raises:
        ValueError: it is no Atom feed, or arXiv's word that the question was wrong.
    """
    found = []
    for entry in _feed(data).findall(f"{_ATOM}entry"):
        given = _text(entry, f"{_ATOM}id")
        if "/api/errors" in given:
            raise ValueError("arXiv found the question wrong")
        name = paper_ids.find(given)
        if name is not None and name.kind == "arXiv":
            found.append(_paper(entry, name, given))
    return found


def _feed(data: bytes) -> Any:
    from defusedxml import DefusedXmlException, ElementTree

    try:
        feed = ElementTree.fromstring(data)
    except (ElementTree.ParseError, DefusedXmlException, LookupError) as error:
        raise ValueError("no XML that is taken") from error
    if feed.tag != f"{_ATOM}feed":
        raise ValueError("no Atom feed")
    return feed


def _paper(entry: Any, name: PaperId, url: str) -> Paper:
    links = entry.findall(f"{_ATOM}link")
    pdf = next((link.get("href") for link in links if link.get("title") == "pdf"), "")
    year = _text(entry, f"{_ATOM}published")[:4]
    return Paper(
        source=records.ARXIV,
        id=str(name._replace(value=name.number)),
        url=records.url_of(url.strip()),
        title=records.title_of(_text(entry, f"{_ATOM}title")),
        authors=records.names_of(
            [_text(author, f"{_ATOM}name") for author in entry.findall(f"{_ATOM}author")]
        ),
        year=int(year) if year.isascii() and year.isdigit() else None,
        venue=records.quoted(_text(entry, f"{_SCHEMA}journal_ref"), 100),
        abstract=records.quoted(_text(entry, f"{_ATOM}summary")),
        pdf=records.url_of(pdf),
    )


def _text(element: Any, tag: str) -> str:
    return element.findtext(tag) or ""
