"""Questions to the Semantic Scholar Academic Graph, and what its answers say.

Sends nothing: `fetching` does. Shapes: https://api.semanticscholar.org/api-docs/graph
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from agent_loops import files
from agent_loops.literature import paper_ids, records
from agent_loops.literature.paper_ids import PaperId
from agent_loops.literature.records import Paper, Passage, Query

_FIELDS = "externalIds,url,title,abstract,tldr,venue,year,authors,citationCount,openAccessPdf"
_BRIEF = "externalIds,url,title,venue,year,authors,citationCount"
_PREFIX = {"arXiv": "ARXIV:", "DOI": "DOI:", "CorpusId": "CorpusId:", "S2": ""}


def knows(paper: PaperId) -> bool:
    """Whether it can be asked for a paper of such a name."""
    return paper.kind in _PREFIX


def search(text: str, limit: int) -> Query:
    return _query("/graph/v1/paper/search", query=text, limit=str(limit), fields=_FIELDS)


def one(paper: PaperId) -> Query:
    return _query(f"/graph/v1/paper/{_path(paper)}", fields=_FIELDS)


def citations(paper: PaperId, limit: int) -> Query:
    wanted = ",".join(["contexts", "isInfluential", *_BRIEF.split(",")])
    return _query(f"/graph/v1/paper/{_path(paper)}/citations", limit=str(limit), fields=wanted)


def snippets(paper: PaperId, text: str, limit: int) -> Query:
    return _query("/graph/v1/snippet/search", query=text, paperIds=_name(paper), limit=str(limit))


def read_search(data: bytes) -> list[Paper]:
    return _known(_paper(item) for item in _data(data))


def read_one(data: bytes) -> list[Paper]:
    return _known([_paper(_object(data))])


def read_citations(data: bytes) -> list[Passage]:
    """The papers that cite it, those that it influenced first, with the words of one mention."""
    found = []
    for item in sorted(_data(data), key=lambda item: not records.fields(item).get("isInfluential")):
        item = records.fields(item)
        paper = _paper(item.get("citingPaper"))
        contexts = [records.quoted(text) for text in records.items(item.get("contexts"))]
        if paper is not None:
            found.append(Passage(paper, next(filter(None, contexts), "")))
    return found


def read_snippets(data: bytes) -> list[Passage]:
    found = []
    for item in _data(data):
        snippet = records.fields(records.fields(item).get("snippet"))
        about = records.fields(records.fields(item).get("paper"))
        text = records.quoted(snippet.get("text"))
        corpus_id = str(about.get("corpusId", ""))
        if not text or not corpus_id.isdecimal():
            continue
        paper = Paper(
            records.SEMANTIC_SCHOLAR, f"CorpusId:{corpus_id}", "",
            records.title_of(about.get("title")), records.names_of(about.get("authors")),
        )  # fmt: skip
        found.append(Passage(paper, text, records.quoted(snippet.get("section"), 100)))
    return found


def _query(path: str, **parameters: str) -> Query:
    return Query(records.SEMANTIC_SCHOLAR, path, parameters)


def _name(paper: PaperId) -> str:
    return _PREFIX[paper.kind] + paper.number


def _path(paper: PaperId) -> str:
    return quote(_name(paper), safe=":")


def _object(data: bytes) -> dict[str, Any]:
    value = files.load_json(data)
    if not isinstance(value, dict):
        raise ValueError("no object")
    return value


def _data(data: bytes) -> list[Any]:
    """The list of a list answer; without any hit Semantic Scholar leaves it out."""
    value = _object(data)
    if "data" not in value and "total" not in value:
        raise ValueError("no data")
    return records.items(value.get("data"))


def _known(papers: Any) -> list[Paper]:
    return [paper for paper in papers if paper is not None]


def _paper(value: object) -> Paper | None:
    item = records.fields(value)
    name = _id_of(item)
    if not name:
        return None
    authors = [records.fields(author).get("name") for author in records.items(item.get("authors"))]
    return Paper(
        source=records.SEMANTIC_SCHOLAR,
        id=name,
        url=records.url_of(item.get("url")),
        title=records.title_of(item.get("title")),
        authors=records.names_of(authors),
        year=records.count_of(item.get("year")),
        venue=records.quoted(item.get("venue"), 100),
        cited=records.count_of(item.get("citationCount")),
        summary=records.quoted(records.fields(item.get("tldr")).get("text")),
        abstract=records.quoted(item.get("abstract")),
        pdf=records.url_of(records.fields(item.get("openAccessPdf")).get("url")),
    )


def _id_of(item: Any) -> str:
    """The id that most sources know, of those that were given."""
    others = records.fields(item.get("externalIds"))
    for kind, prefix in (("ArXiv", "arXiv:"), ("DOI", "DOI:")):
        if found := paper_ids.find(prefix + str(others.get(kind, ""))):
            return str(found)
    own = paper_ids.find(str(item.get("paperId", "")))
    return str(own) if own else ""
