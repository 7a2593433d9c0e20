"""Names of papers: arXiv numbers, DOIs and the catalogues' own, in the one spelling of each.

Asks nobody: a well-formed name may be that of no paper.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from agent_loops.errors import UsageError

_ARXIV = r"\d{4}\.\d{4,5}(?:v\d{1,3})?|[a-z][a-z-]{1,20}(?:\.[A-Z]{2})?/\d{7}(?:v\d{1,3})?"
_DOI = r"10\.\d{4,9}/[!-~]{1,200}"
_FORMS = (
    ("arXiv", rf"(?:arxiv:|https?://(?:export\.)?arxiv\.org/(?:abs|pdf|html)/)?({_ARXIV})(?:\.pdf)?"),
    ("DOI", rf"(?:doi:|https?://(?:dx\.)?doi\.org/)?({_DOI})"),
    ("CorpusId", r"CorpusId:(\d{1,12})"),
    ("OpenAlex", r"(?:openalex:|https?://openalex\.org/)?(W\d{4,12})"),
    ("S2", r"(?:https?://www\.semanticscholar\.org/paper/(?:[^/]{1,200}/)?)?([0-9a-f]{40})"),
)  # fmt: skip
_PATTERNS = [(kind, re.compile(pattern, re.IGNORECASE)) for kind, pattern in _FORMS]
_ARXIV_DOI = re.compile(rf"10\.48550/arxiv\.({_ARXIV})", re.IGNORECASE)


class PaperId(NamedTuple):
    """`kind` is arXiv, DOI, CorpusId, OpenAlex or S2 (Semantic Scholar's forty digits)."""

    kind: str
    value: str

    def __str__(self) -> str:
        bare = self.kind in ("OpenAlex", "S2")
        return self.value if bare else f"{self.kind}:{self.value}"

    @property
    def number(self) -> str:
        """The value without the version of an arXiv paper."""
        return re.sub(r"v\d+$", "", self.value) if self.kind == "arXiv" else self.value


def parse(text: str) -> PaperId:
    """The paper that a word names.

    Raises:
        UsageError: it names none, in any spelling.
    """
    found = find(text)
    if found is None:
        raise UsageError(
            f"{text[:80]!r} names no paper: arXiv:2002.05202, DOI:10.…, CorpusId:…, an id or URL "
            "that `agent-loops papers search` showed"
        )
    return found


def find(text: str) -> PaperId | None:
    """The same, None where it names none."""
    for kind, pattern in _PATTERNS:
        match = pattern.fullmatch(text.strip())
        if match is None:
            continue
        if kind == "DOI" and (number := _ARXIV_DOI.fullmatch(match[1])):
            return PaperId("arXiv", number[1])
        return PaperId(kind, match[1].upper() if kind == "OpenAlex" else match[1])
    return None
