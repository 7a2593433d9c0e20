"""What a campaign took of its agents' context, by the conversations that the host keeps.

Estimates nothing: where they are gone, or written otherwise, there is no answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from agent_loops import open_clients
from agent_loops.readiness import transcripts

_MOST_SESSIONS = 8  # the newest: each may take a second to read


def in_words(environ: Mapping[str, str], sessions: Iterable[str]) -> str:
    """`340 characters an experiment in 120 of them, 2,100 tokens`; "" where nothing is known.

    `sessions` are those of the experiments, oldest first. Tokens are what the context grew by
    from the first experiment of a session to its last, where it was never compacted between.
    """
    names = list(dict.fromkeys(session for session in sessions if session))[-_MOST_SESSIONS:]
    paths = [path for name in names if (path := open_clients.transcript(environ, name))]
    seen = [found for path in paths if (found := transcripts.read(Path(path))) and found.tries]
    if not seen:
        return ""
    tries = sum(item.tries for item in seen)
    each = sum(item.written + item.answered for item in seen) // tries
    said = f"{each:,} characters an experiment in {tries} of them"
    grown = [item for item in seen if item.tokens > 0]
    if not grown:
        return said
    tokens_each = sum(item.tokens for item in grown) // sum(item.tries for item in grown)
    return f"{said}, the context grew by {tokens_each:,} tokens each"
