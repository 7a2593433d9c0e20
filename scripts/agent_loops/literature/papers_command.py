"""`agent-loops papers`: which action is meant, in which campaign, and what is answered.

Asks nobody and keeps nothing itself: `library` asks, `shelf` keeps.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Mapping
from pathlib import Path

from agent_loops import campaigns, display, files
from agent_loops.answers import Answer
from agent_loops.campaigns import Store
from agent_loops.errors import Refused, UsageError
from agent_loops.literature import answer_cache, paper_ids, quoting, shelf
from agent_loops.literature.library import SOURCES, Library
from agent_loops.literature.paper_ids import PaperId
from agent_loops.literature.papers_arguments import USES
from agent_loops.literature.records import Paper
from agent_loops.paths import STATE_DIR_NAME

_MOST_WORD_CHARACTERS = 400
_MOST_LIMIT = 50
_HEADINGS_SHOWN = 8
_OF_CAMPAIGN = ("add", "check", "list", "family")


def run(parsed: argparse.Namespace, environ: Mapping[str, str]) -> Answer:
    """Answers one `papers` command.

    Raises:
        Refused: the campaign here is one without literature.
        AgentLoopsError: no source answered.
    """
    store = _campaign_here()
    if store is not None:
        refuse_without_literature(store)
    if parsed.action in _OF_CAMPAIGN:
        return _of_campaign(_needed(store), parsed, environ)
    library = Library(environ, _state_dir())
    match parsed.action:
        case "search":
            (text,) = _words(parsed, 1)
            return _search(library, text, parsed)
        case "snippets":
            name, text = _words(parsed, 2)
            return _snippets(library, paper_ids.parse(name), text, parsed)
        case "citations":
            (name,) = _words(parsed, 1)
            return _citations(library, paper_ids.parse(name), parsed)
        case _:
            (name,) = _words(parsed, 1)
            return _read(library, paper_ids.parse(name), store, environ)


def _of_campaign(store: Store, parsed: argparse.Namespace, environ: Mapping[str, str]) -> Answer:
    if parsed.action == "list":
        _words(parsed, 0)
        return shelf.listed(store)
    (name,) = _words(parsed, 1)
    if parsed.action == "check":
        return shelf.check(store, name)
    if parsed.action == "family":
        return shelf.change_family(store, name, parsed.keep or "")

    def look_up(text: str) -> Paper:
        return Library(environ, _state_dir()).one(paper_ids.parse(text)).papers[0]

    return shelf.add(store, name, parsed, look_up)


def _needed(store: Store | None) -> Store:
    if store is None:
        raise Refused(
            "no campaign", "findings are kept in a campaign, and there is none here",
            next_step="`agent-loops setup`; search and read work without one",
        )  # fmt: skip
    return store


def refuse_without_literature(store: Store) -> None:
    """The person decides whether a campaign looks things up."""
    campaign = store.campaign
    if campaign.bindings.literature != "on" and campaign.stopped is None:
        raise Refused(
            "literature off", f"campaign {campaign.tag} goes on without literature",
            next_step="another idea of your own; the person may set `literature: on` in "
            "loop.run.yaml, then `agent-loops rebaseline --why …`, which runs nothing",
        )  # fmt: skip


def _campaign_here() -> Store | None:
    """The campaign of the folder; None outside of any."""
    try:
        return campaigns.find_store(campaigns.find_project(Path.cwd()))
    except UsageError:
        return None
    except Refused as refusal:
        if refusal.kind == "no campaign":
            return None
        raise


def _state_dir() -> Path | None:
    """Where a file of keys may lie."""
    try:
        return campaigns.find_project(Path.cwd()).state_dir
    except UsageError:
        folder = Path.cwd() / STATE_DIR_NAME
        return folder if folder.is_dir() else None


def _words(parsed: argparse.Namespace, wanted: int) -> list[str]:
    clean = [display.clean(word, _MOST_WORD_CHARACTERS) for word in parsed.words]
    if len(clean) != wanted or not all(clean):
        raise UsageError(f"it is `agent-loops papers {USES[parsed.action]}`")
    return clean


def _limit(parsed: argparse.Namespace, usual: int) -> int:
    return min(parsed.limit or usual, _MOST_LIMIT)


def _search(library: Library, text: str, parsed: argparse.Namespace) -> Answer:
    if not re.search(r"\w", text):
        raise UsageError("a query has words: `agent-loops papers search 'warmdown schedule'`")
    source = SOURCES[parsed.source] if parsed.source else ""
    found = library.search(text, limit=_limit(parsed, 6), source=source)
    next_step = "`agent-loops papers read ID`, or `agent-loops papers snippets ID 'QUESTION'`"
    if not found.items:
        next_step = "fewer or other words" + ("; or without --source" if source else "")
    count = len(found.items)
    what = f"{count} paper{'s' if count > 1 else ''}" if count else "papers"
    return quoting.found(what, found, next_step=next_step, more={"query": text})


def _snippets(library: Library, paper: PaperId, text: str, parsed: argparse.Namespace) -> Answer:
    found = library.snippets(paper, text, limit=_limit(parsed, 3))
    next_step = f"`agent-loops papers read {paper}` for the whole"
    return quoting.found(
        f"passages of {paper}", found, next_step=next_step,
        more={"paper": str(paper), "query": text},
    )  # fmt: skip


def _citations(library: Library, paper: PaperId, parsed: argparse.Namespace) -> Answer:
    found = library.citations(paper, limit=_limit(parsed, 8))
    next_step = "`agent-loops papers read ID`"
    if not found.items:
        next_step = "go on: nobody is known to have confirmed or contradicted it"
    return quoting.found(
        f"papers that cite {paper}", found, next_step=next_step, more={"paper": str(paper)}
    )


def _read(
    library: Library, paper: PaperId, store: Store | None, environ: Mapping[str, str]
) -> Answer:
    found = library.one(paper)
    record = found.papers[0]
    named = paper_ids.find(record.id) or paper
    text = library.text_of(named)
    more: dict[str, object] = {"paper": record.id, "text_file": None, "headings": []}
    next_step = f"no full text here; open {record.pdf or record.url or record.id} by other means"
    if text:
        root = store.paths.papers if store is not None else answer_cache.folder(environ)
        path = root / f"{re.sub(r'[^A-Za-z0-9.]+', '-', str(named))}.txt"
        _write_text(path, text, heading=quoting.heading(record))
        shown = os.path.relpath(path) if store is not None else str(path)
        more |= {"text_file": shown, "headings": _outline(text)}
        places = "; ".join(_outline(text)[:_HEADINGS_SHOWN])
        next_step = f"grep or read {shown} ({places})"
    return quoting.found("paper", found, next_step=next_step, more=more, in_brief=False)


def _write_text(path: Path, text: str, *, heading: str) -> None:
    files.make_dir(path.parent)
    files.write_atomic(
        path, f"{heading}\n({quoting.QUOTED})\n{text}\n".encode("utf-8", "replace"), durable=False
    )


def _outline(text: str) -> list[str]:
    """The headings, with the lines of the file on which they stand."""
    return [
        f"line {number}: {display.cut(line.lstrip('# '), 40)}"
        for number, line in enumerate(text.splitlines(), start=3)
        if line.startswith("#")
    ][:40]
