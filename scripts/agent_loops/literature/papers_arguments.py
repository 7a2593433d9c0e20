"""The words that `agent-loops papers` takes.

Checks what a word may be, not whether a finding holds.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from agent_loops.literature import corpus

USES = {
    "search": "search 'QUERY'",
    "snippets": "snippets ID 'QUERY'",
    "citations": "citations ID",
    "read": "read ID",
    "add": "add ID --claim '…' --level L --scope '…' --relevance R --applies "
    "data=yes,model=yes,budget=partly --verdict V --files train.py",
    "check": "check F1",
    "list": "list",
    "family": "family NAME [--keep F1,F2]",
}


def add_to(command: argparse.ArgumentParser, *, count: Callable[[str], int]) -> None:
    """Gives the parser its arguments; `count` reads a whole number."""
    command.usage = "agent-loops papers ACTION … [--json]"
    command.epilog = "; ".join(USES.values())
    command.add_argument("action", choices=tuple(USES))
    command.add_argument("words", nargs="*", metavar="WORD", help="what the action is about")
    command.add_argument("--limit", type=count, metavar="N", help="at most N records, up to 50")
    command.add_argument(
        "--source", choices=("s2", "arxiv", "openalex"), help="search this one only"
    )
    command.add_argument("--claim", metavar="TEXT", help="what the paper says, in your words")
    command.add_argument("--level", choices=corpus.LEVELS, help="what the claim rests on")
    command.add_argument(
        "--scope", metavar="TEXT", help="data, model and scale that the evidence is from"
    )
    command.add_argument("--relevance", choices=corpus.RELEVANCES)
    command.add_argument(
        "--applies", metavar="D", help="data=…,model=…,budget=…: yes, partly or no for here"
    )
    command.add_argument("--verdict", choices=corpus.VERDICTS, help="what its evidence shows")
    command.add_argument("--files", metavar="F", help="editable files that it concerns, by commas")
    command.add_argument("--title", metavar="TEXT", help="with a web page's URL in place of an ID")
    command.add_argument("--keep", metavar="F", help="findings that hold for the new family too")
