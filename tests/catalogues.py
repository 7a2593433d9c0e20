"""A server on this machine that answers as the literature's catalogues do, and misbehaves on order.

The shapes are those that the APIs document; the papers are made up.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

S2_SEARCH = "/graph/v1/paper/search"
S2_SNIPPETS = "/graph/v1/snippet/search"
S2_PAPER = "/graph/v1/paper/ARXIV:2002.05202"
S2_CITATIONS = f"{S2_PAPER}/citations"
ARXIV = "/api/query"
ARXIV_HTML = "/html/2002.05202"
OPENALEX = "/works"
HEX = "0123456789abcdef0123456789abcdef01234567"


def s2_paper(**changes: Any) -> dict[str, Any]:
    """One paper as the Academic Graph gives it."""
    return {
        "paperId": HEX,
        "externalIds": {"ArXiv": "2002.05202", "DBLP": "journals/corr/x", "CorpusId": 211096588},
        "url": f"https://www.semanticscholar.org/paper/{HEX}",
        "title": "Gates in small networks",
        "abstract": "We put gates into small networks. The loss falls by 3%.",
        "venue": "arXiv.org",
        "year": 2020,
        "citationCount": 812,
        "openAccessPdf": {"url": "https://arxiv.org/pdf/2002.05202", "status": None},
        "tldr": {"model": "tldr@v2.0.0", "text": "Gates help small networks."},
        "authors": [{"authorId": "1846258", "name": "A. Researcher"}],
        **changes,
    }  # fmt: skip


def s2_list(*papers: Mapping[str, Any]) -> dict[str, Any]:
    return {"total": len(papers), "offset": 0, "data": list(papers)}


def s2_snippet(text: str) -> dict[str, Any]:
    return {
        "snippet": {
            "text": text,
            "snippetKind": "body",
            "section": "4 Ablations",
            "snippetOffset": {"start": 24506, "end": 25694},
            "annotations": {"sentences": [{"start": 0, "end": 120}], "refMentions": []},
        },
        "score": 0.561970777028496,
        "paper": {
            "corpusId": "211096588",
            "title": "Gates in small networks",
            "authors": ["A. Researcher"],
            "openAccessInfo": {"license": "CCBY", "status": "GREEN", "disclaimer": "Notice: …"},
        },
    }


def atom(*entries: str) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom" '
        'xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/" '
        'xmlns:arxiv="http://arxiv.org/schemas/atom">'
        "<title>ArXiv Query</title><id>http://arxiv.org/api/x</id>"
        f"<opensearch:totalResults>{len(entries)}</opensearch:totalResults>"
        f"{''.join(entries)}</feed>"
    )


def entry(
    number: str = "2002.05202v1",
    title: str = "Gates in\n  small networks",
    summary: str = "We gate.",
) -> str:
    return (
        f"<entry><id>http://arxiv.org/abs/{number}</id><updated>2020-02-12T19:57:13Z</updated>"
        f"<published>2020-02-12T19:57:13Z</published><title>{title}</title>"
        f"<summary>{summary}</summary><author><name>A. Researcher</name></author>"
        f'<link href="http://arxiv.org/abs/{number}" rel="alternate" type="text/html"/>'
        f'<link title="pdf" href="http://arxiv.org/pdf/{number}" rel="related"/>'
        '<category term="cs.LG" scheme="http://arxiv.org/schemas/atom"/></entry>'
    )


def work(**changes: Any) -> dict[str, Any]:
    """One work as OpenAlex gives it."""
    return {
        "id": "https://openalex.org/W3005700362",
        "doi": "https://doi.org/10.48550/arxiv.2002.05202",
        "title": "Gates in small networks",
        "display_name": "Gates in small networks",
        "publication_year": 2020,
        "authorships": [{"author": {"display_name": "A. Researcher"}}],
        "cited_by_count": 512,
        "primary_location": {"source": {"display_name": "arXiv (Cornell University)"}},
        "best_oa_location": {"pdf_url": "https://arxiv.org/pdf/2002.05202"},
        "abstract_inverted_index": {"networks.": [2], "We": [0], "gate": [1]},
        **changes,
    }  # fmt: skip


def works(*found: Mapping[str, Any]) -> dict[str, Any]:
    return {"meta": {"count": len(found), "page": 1, "per_page": 25}, "results": list(found)}


@dataclass(frozen=True)
class Reply:
    """What the server says once; one that `stalls` says nothing at all until the server ends.

    One that `trickles` sends a byte now and then, and would for days.
    """

    body: Any = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    stalls: bool = False
    trickles: bool = False

    @property
    def data(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        text = self.body if isinstance(self.body, str) else json.dumps(self.body)
        return text.encode()


class Catalogues:
    """The server's side: replies by path, the last of them for ever, and what it was asked."""

    def __init__(self) -> None:
        self.replies: dict[str, list[Reply]] = {}
        self.asked: list[tuple[str, dict[str, str], dict[str, str]]] = []
        self.over = threading.Event()
        self.url = ""

    def says(self, path: str, *replies: Any) -> None:
        self.replies[path] = [
            reply if isinstance(reply, Reply) else Reply(reply) for reply in replies
        ]

    def paths(self) -> list[str]:
        return [path for path, _, _ in self.asked]

    def answer(self, target: str, headers: Mapping[str, str]) -> Reply:
        parts = urlsplit(target)
        self.asked.append((parts.path, dict(parse_qsl(parts.query)), dict(headers)))
        left = self.replies.get(parts.path, [Reply({"error": "not found"}, 404)])
        return left.pop(0) if len(left) > 1 else left[0]


@contextlib.contextmanager
def serving() -> Iterator[Catalogues]:
    """Serves for the block."""
    catalogues = Catalogues()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            reply = catalogues.answer(self.path, self.headers)  # type: ignore[arg-type]
            if reply.stalls:
                catalogues.over.wait()
                return
            with contextlib.suppress(OSError):  # who asked may have had enough
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                length = 1 << 20 if reply.trickles else len(reply.data)
                self.send_header("Content-Length", str(length))
                self.end_headers()
                self.wfile.write(reply.data)
                while reply.trickles and not catalogues.over.wait(0.01):
                    self.wfile.write(b" ")

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    catalogues.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield catalogues
    finally:
        catalogues.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
