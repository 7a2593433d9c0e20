"""Questions to OpenAlex, and what its answers say.

Sends nothing: `fetching` does, with the address or key. Shapes: https://developers.openalex.org
"""

from __future__ import annotations

from typing import Any

from agent_loops import files
from agent_loops.literature import paper_ids, records
from agent_loops.literature.paper_ids import PaperId
from agent_loops.literature.records import Paper, Query

_FIELDS = (
    "id,doi,title,display_name,publication_year,authorships,cited_by_count,primary_location,"
    "best_oa_location,abstract_inverted_index"
)
_MOST_WORDS = 3000


def knows(paper: PaperId) -> bool:
    """Whether it can be asked for a paper of such a name."""
    return paper.kind in ("OpenAlex", "DOI", "arXiv")


def search(text: str, limit: int) -> Query:
    return _query("/works", search=text, per_page=str(limit), select=_FIELDS)


def one(paper: PaperId) -> Query:
    return _query(f"/works/{_name(paper)}", select=_FIELDS)


def citations(work: str, limit: int) -> Query:
    """Of a paper by OpenAlex's own name for it, W and digits."""
    return _query(
        "/works", filter=f"cites:{work}", per_page=str(limit), select=_FIELDS,
        sort="cited_by_count:desc",
    )  # fmt: skip


def read_list(data: bytes) -> list[Paper]:
    value = files.load_json(data)
    if not isinstance(value, dict) or not isinstance(value.get("results"), list):
        raise ValueError("no results")
    return [paper for item in value["results"] if (paper := _paper(item)) is not None]


def read_one(data: bytes) -> list[Paper]:
    paper = _paper(files.load_json(data))
    return [paper] if paper is not None else []


def work_of(data: bytes) -> str:
    """OpenAlex's own name of the one work; "" where it gave none."""
    found = paper_ids.find(str(records.fields(files.load_json(data)).get("id", "")))
    return found.value if found is not None and found.kind == "OpenAlex" else ""


def _query(path: str, **parameters: str) -> Query:
    return Query(records.OPENALEX, path, parameters)


def _name(paper: PaperId) -> str:
    from urllib.parse import quote

    if paper.kind == "OpenAlex":
        return paper.value
    doi = paper.value if paper.kind == "DOI" else f"10.48550/arxiv.{paper.number}"
    return "doi:" + quote(doi, safe="/")


def _paper(value: object) -> Paper | None:
    item = records.fields(value)
    given = [paper_ids.find(str(item.get(key) or "")) for key in ("doi", "id")]
    name = next(filter(None, given), None)
    if name is None:
        return None
    authors = [
        records.fields(records.fields(one).get("author")).get("display_name")
        for one in records.items(item.get("authorships"))
    ]
    place = records.fields(item.get("primary_location"))
    return Paper(
        source=records.OPENALEX,
        id=str(name),
        url=records.url_of(item.get("doi")) or records.url_of(item.get("id")),
        title=records.title_of(item.get("title") or item.get("display_name")),
        authors=records.names_of(authors),
        year=records.count_of(item.get("publication_year")),
        venue=records.quoted(records.fields(place.get("source")).get("display_name"), 100),
        cited=records.count_of(item.get("cited_by_count")),
        abstract=_abstract(item.get("abstract_inverted_index")),
        pdf=records.url_of(records.fields(item.get("best_oa_location")).get("pdf_url")),
    )


def _abstract(index: Any) -> str:
    """The words of an inverted index in their order."""
    placed = [
        (at, word)
        for word, places in records.fields(index).items()
        for at in records.items(places)[:_MOST_WORDS]
        if isinstance(at, int)
    ]
    return records.quoted(" ".join(word for _, word in sorted(placed)[:_MOST_WORDS]))
