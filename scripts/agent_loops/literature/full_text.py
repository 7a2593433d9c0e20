"""The words of a paper's HTML page: headings and paragraphs, cleaned, each on a line of its own.

Leaves out formulas' markup, figures, references and everything that a browser would run.
"""

from __future__ import annotations

from html.parser import HTMLParser

from agent_loops.literature import records

_MOST_CHARACTERS = 400_000
_PARAGRAPH_CHARACTERS = 6000
_SKIPPED = frozenset("script style head nav footer template svg annotation annotation-xml".split())
_BLOCKS = frozenset("p h1 h2 h3 h4 h5 h6 li tr figcaption div section blockquote dd dt".split())
_HEADINGS = {f"h{level}": "#" * level + " " for level in range(1, 7)}


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: list[str] = []
        self._words: list[str] = []
        self._skipped = 0
        self._mark = ""
        self._size = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        classes = dict(attrs).get("class") or ""
        if self._skipped or tag in _SKIPPED or "ltx_bibliography" in classes:
            self._skipped += tag in _SKIPPED or "ltx_bibliography" in classes or tag == "section"
        elif tag in _BLOCKS:
            self._end_line()
            self._mark = _HEADINGS.get(tag, "")

    def handle_endtag(self, tag: str) -> None:
        if self._skipped:
            self._skipped -= tag in _SKIPPED or tag == "section"
        elif tag in _BLOCKS:
            self._end_line()

    def handle_data(self, data: str) -> None:
        if not self._skipped:
            self._words.append(data)

    def _end_line(self) -> None:
        text = records.quoted("".join(self._words), _PARAGRAPH_CHARACTERS)
        self._words = []
        if text and self._size < _MOST_CHARACTERS:
            self.lines.append(self._mark + text)
            self._size += len(text)
        self._mark = ""


def read(data: bytes) -> list[str]:
    """The text, as a list of one; empty where the page holds no paper.

    Raises:
        ValueError: it is no page with words on it.
    """
    page = _Words()
    page.feed(data.decode("utf-8", "replace"))
    page.close()
    page.handle_endtag("p")
    if len(page.lines) < 3:
        raise ValueError("no text")
    return ["\n".join(page.lines)]
