"""Asks the sources in their order until one answers; what each of the others said is told.

Invents nothing: where no source answers, that is the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from agent_loops.errors import AgentLoopsError
from agent_loops.literature import (
    answer_cache,
    arxiv,
    credentials,
    fetching,
    full_text,
    openalex,
    paper_ids,
    records,
    semantic_scholar,
)
from agent_loops.literature.fetching import Unanswered, Unknown
from agent_loops.literature.paper_ids import PaperId
from agent_loops.literature.records import Paper, Passage, Query

Item = TypeVar("Item")
SOURCES = {"s2": records.SEMANTIC_SCHOLAR, "arxiv": records.ARXIV, "openalex": records.OPENALEX}
_INSTEAD = (
    "turn to your own web search; cite only pages that you really opened, and say that no "
    "catalogue was reached"
)


class Found(NamedTuple):
    """What one source answered, and why others before it did not."""

    source: str
    items: Sequence[Paper] | Sequence[Passage]
    unanswered: Mapping[str, str]

    @property
    def papers(self) -> list[Paper]:
        return [item.paper if isinstance(item, Passage) else item for item in self.items]


class Library:
    """The sources as this user may ask them."""

    def __init__(self, environ: Mapping[str, str], state_dir: Path | None) -> None:
        self._environ = environ
        self._credentials = credentials.find(environ, state_dir)
        self._folder = answer_cache.folder(environ)
        self._bases = {source: fetching.base_of(source, environ) for source in SOURCES.values()}

    def search(self, text: str, *, limit: int, source: str = "") -> Found:
        """Papers on a subject; from the one `source` where it is named.

        Raises:
            AgentLoopsError: no source answered.
        """
        ways: dict[str, Callable[[], Sequence[Paper]]] = {
            records.SEMANTIC_SCHOLAR: lambda: self._ask(
                semantic_scholar.search(text, limit), semantic_scholar.read_search
            ),
            records.ARXIV: lambda: self._ask(arxiv.search(text, limit), arxiv.read),
            records.OPENALEX: lambda: self._ask(openalex.search(text, limit), openalex.read_list),
        }
        return self._first({source: ways[source]} if source else ways)

    def one(self, paper: PaperId) -> Found:
        """What is known of one paper.

        Raises:
            AgentLoopsError: no source answered, or none knows it.
        """
        ways: dict[str, Callable[[], Sequence[Paper]]] = {}
        if semantic_scholar.knows(paper):
            ways[records.SEMANTIC_SCHOLAR] = lambda: self._ask(
                semantic_scholar.one(paper), semantic_scholar.read_one
            )
        if paper.kind == "arXiv":
            ways[records.ARXIV] = lambda: self._ask(arxiv.one(paper), arxiv.read)
        if openalex.knows(paper):
            ways[records.OPENALEX] = lambda: self._ask(openalex.one(paper), openalex.read_one)
        found = self._first(ways)
        if not found.items:
            raise AgentLoopsError(
                f"no source knows {paper}: check the id with `agent-loops papers search`; "
                "a paper that cannot be found is not cited"
            )
        return found

    def citations(self, paper: PaperId, *, limit: int) -> Found:
        """Papers that cite it, with their words where the source has them."""
        ways: dict[str, Callable[[], Sequence[Passage]]] = {}
        if semantic_scholar.knows(paper):
            ways[records.SEMANTIC_SCHOLAR] = lambda: self._ask(
                semantic_scholar.citations(paper, limit), semantic_scholar.read_citations
            )
        if openalex.knows(paper):
            ways[records.OPENALEX] = lambda: self._citations_of_work(paper, limit)
        return self._first(ways)

    def snippets(self, paper: PaperId, text: str, *, limit: int) -> Found:
        """Passages of one paper that fit a question; only Semantic Scholar has them."""
        if not semantic_scholar.knows(paper):
            name = next((item.id for item in self.one(paper).papers), "")
            known = paper_ids.find(name)
            paper = known if known is not None else paper
        asked = semantic_scholar.snippets(paper, text, limit)
        return self._first(
            {records.SEMANTIC_SCHOLAR: lambda: self._ask(asked, semantic_scholar.read_snippets)}
            if semantic_scholar.knows(paper)
            else {}
        )

    def text_of(self, paper: PaperId) -> str:
        """The whole text, cleaned, a paragraph a line; "" where it is not to be had as HTML."""
        if paper.kind != "arXiv":
            return ""
        try:
            return "".join(self._ask(arxiv.full_text(paper), full_text.read))
        except (Unanswered, Unknown):
            return ""

    def _citations_of_work(self, paper: PaperId, limit: int) -> list[Passage]:
        work = paper.value
        if paper.kind != "OpenAlex":
            work = "".join(self._ask(openalex.one(paper), lambda data: [openalex.work_of(data)]))
        if not work:
            raise Unknown("no such paper")
        papers = self._ask(openalex.citations(work, limit), openalex.read_list)
        return [Passage(item, "") for item in papers]

    def _ask(self, query: Query, read: Callable[[bytes], list[Item]]) -> list[Item]:
        """One source's answer, from the cache where it is there; only what can be read is kept."""
        if query.source == records.OPENALEX and not any(self._credentials[1:]):
            raise Unanswered("set OPENALEX_MAILTO or OPENALEX_API_KEY to ask it")
        base = self._bases[query.source]
        kept = self._folder / answer_cache.name_of(base, query)
        answer = answer_cache.get(kept)
        if answer is not None:
            try:
                return read(answer)
            except (ValueError, RecursionError):
                kept.unlink(missing_ok=True)
        answer = fetching.fetch(base, query, self._credentials, self._folder)
        try:
            found = read(answer)
        except (ValueError, RecursionError):
            raise Unanswered("its answer makes no sense") from None
        answer_cache.put(kept, answer)
        return found

    def _first(
        self,
        ways: Mapping[str, Callable[[], Sequence[Paper]]]
        | Mapping[str, Callable[[], Sequence[Passage]]],
    ) -> Found:
        """The first answer with anything in it, else an empty one."""
        unanswered: dict[str, str] = {}
        empty = ""
        for source, ask in ways.items():
            try:
                found = ask()
            except Unanswered as error:
                unanswered[source] = str(error)
                continue
            except Unknown:
                found = []
            if found:
                return Found(source, found, unanswered)
            empty = empty or source
        if not empty:
            raise NoSource(unanswered)
        return Found(empty, [], unanswered)


class NoSource(AgentLoopsError):
    """No source answered; the message says why each did not, and what to do instead."""

    def __init__(self, unanswered: Mapping[str, str]) -> None:
        said = "; ".join(f"{source}: {why}" for source, why in unanswered.items())
        super().__init__(
            f"no source answered ({said or 'none takes such an id'}); next: {_INSTEAD}"
        )
