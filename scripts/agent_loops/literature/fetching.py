"""Asks a source over HTTP: bounded in bytes and time, with retries; the only one that goes online.

Reads no answer, and never repeats what a server or the library said of a fault: a URL may hold a
key.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from agent_loops import __version__
from agent_loops.errors import AgentLoopsError, UsageError
from agent_loops.files import LockBusy
from agent_loops.literature import pacing, records
from agent_loops.literature.credentials import Credentials
from agent_loops.literature.records import Query

if TYPE_CHECKING:
    import requests

_BASES = {
    records.SEMANTIC_SCHOLAR: (
        "AGENT_LOOPS_SEMANTIC_SCHOLAR_URL", "https://api.semanticscholar.org",
    ),
    records.ARXIV: ("AGENT_LOOPS_ARXIV_URL", "https://export.arxiv.org"),
    records.OPENALEX: ("AGENT_LOOPS_OPENALEX_URL", "https://api.openalex.org"),
}  # fmt: skip
# Three sources that all hang are to be through within what a host gives one command, 120 s.
CONNECT_S = 5.0
SILENCE_S = 12.0
_WHOLE_S = 20.0  # one answer
_ALL_ATTEMPTS_S = 20.0
_ATTEMPTS = 3
_LONGEST_RETRY_AFTER_S = 10.0
_MOST_BYTES = 8 << 20
_MOST_REDIRECTS = 3
_PASSING = frozenset((429, 500, 502, 503, 504))
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Unanswered(AgentLoopsError):
    """The source gave no answer; `str()` says why, in a few words of ours.

    `passing` faults are worth another try, after `after_s` where the source said when.
    """

    def __init__(self, why: str, *, passing: bool = False, after_s: float | None = None) -> None:
        super().__init__(why)
        self.passing = passing
        self.after_s = after_s


class Unknown(AgentLoopsError):
    """The source answered that it has no such paper."""


def base_of(source: str, environ: Mapping[str, str]) -> str:
    """The address of a source, or what the environment puts in its place.

    Raises:
        UsageError: that is no address to send a key to.
    """
    variable, usual = _BASES[source]
    base = environ.get(variable, "") or usual
    parts = urlsplit(base)
    if parts.scheme == "https" and parts.hostname:
        return base.rstrip("/")
    if parts.scheme == "http" and parts.hostname in _LOOPBACK:
        return base.rstrip("/")
    raise UsageError(f"{variable}: not an https:// address (http:// only on this machine)")


def fetch(base: str, query: Query, credentials: Credentials, pace: Path) -> bytes:
    """The answer's bytes, in its source's turn; faults that pass are tried again.

    Raises:
        Unanswered: there was none.
        Unknown: the source has no such thing.
    """
    import requests
    import stamina.instrumentation

    stamina.instrumentation.set_on_retry_hooks([])  # else each retry is a line on stderr
    attempts = stamina.retry_context(
        on=_backoff, attempts=_ATTEMPTS, timeout=_ALL_ATTEMPTS_S, wait_initial=1.0
    )
    for attempt in attempts:
        with attempt, requests.Session() as session:
            return _ask_in_turn(session, base, query, credentials, pace)
    raise AssertionError  # the last attempt raises


def _ask_in_turn(
    session: requests.Session, base: str, query: Query, credentials: Credentials, pace: Path
) -> bytes:
    try:
        with pacing.turn(pace, query.source):
            return _get(session, base, query, credentials)
    except LockBusy:
        raise Unanswered("other processes ask it all the time") from None


def _backoff(error: Exception) -> bool | float:
    """Whether to ask again, or after how many seconds."""
    if not isinstance(error, Unanswered) or not error.passing:
        return False
    if error.after_s is None:
        return True
    return error.after_s if error.after_s <= _LONGEST_RETRY_AFTER_S else False


def _get(session: requests.Session, base: str, query: Query, credentials: Credentials) -> bytes:
    import requests
    import urllib3.exceptions

    headers, secret = _identity(query.source, credentials)
    url, parameters = base + query.path, {**query.parameters, **secret}
    deadline = time.monotonic() + _WHOLE_S
    try:
        for _ in range(_MOST_REDIRECTS + 1):
            with session.get(
                url, params=parameters, headers=headers, stream=True, allow_redirects=False,
                timeout=(CONNECT_S, SILENCE_S),
            ) as response:  # fmt: skip
                if not response.is_redirect:
                    _refuse_failure(response)
                    return _body(response, deadline)
                url, parameters = _moved(url, response.headers["location"]), secret
    except (requests.Timeout, urllib3.exceptions.TimeoutError):
        raise Unanswered("no answer in time", passing=True) from None
    except (requests.RequestException, urllib3.exceptions.HTTPError):
        raise Unanswered("not to be reached", passing=True) from None
    raise Unanswered("it only redirects")


def _identity(source: str, credentials: Credentials) -> tuple[dict[str, str], dict[str, str]]:
    """The headers, and the parameters that are nobody else's to see."""
    headers = {"User-Agent": f"agent-loops/{__version__} (literature search; +https://github.com/"
               "agent-loops/agent-loops)"}  # fmt: skip
    if source == records.SEMANTIC_SCHOLAR and credentials.semantic_scholar_key:
        headers["x-api-key"] = credentials.semantic_scholar_key
    if source != records.OPENALEX:
        return headers, {}
    own = {"api_key": credentials.openalex_key, "mailto": credentials.openalex_mailto}
    return headers, {name: value for name, value in own.items() if value}


def _moved(url: str, location: str) -> str:
    """Where the same server sends us: a key goes to no other."""
    target = urljoin(url, location)
    if urlsplit(target)[:2] != urlsplit(url)[:2]:
        raise Unanswered("it redirects to another server")
    return target


def _refuse_failure(response: requests.Response) -> None:
    status = response.status_code
    if status == 404:
        raise Unknown("no such paper")
    if status in _PASSING:
        after_s = _retry_after_s(response.headers.get("Retry-After", ""))
        why = "too many questions (HTTP 429)" if status == 429 else f"HTTP {status}"
        if after_s is not None and after_s > _LONGEST_RETRY_AFTER_S:
            why += f", again in {after_s:.0f} s"
        raise Unanswered(why, passing=True, after_s=after_s)
    if status in (401, 403):
        raise Unanswered(f"HTTP {status}: it does not take the key, or wants one")
    if status != 200:
        raise Unanswered(f"HTTP {status}")


def _retry_after_s(value: str) -> float | None:
    """Seconds, given as such or as a date."""
    from email.utils import parsedate_to_datetime

    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def _body(response: requests.Response, deadline: float) -> bytes:
    """What came, unpacked; never more than is taken, however small it was packed."""
    chunks: list[bytes] = []
    size = 0
    # read1: what is there, so that a trickle cannot hold us past the deadline.
    while chunk := response.raw.read1(1 << 16, decode_content=True):
        size += len(chunk)
        if size > _MOST_BYTES:
            raise Unanswered(f"an answer of more than {_MOST_BYTES >> 20} MB")
        if time.monotonic() > deadline:
            raise Unanswered("its answer took too long", passing=True)
        chunks.append(chunk)
    return b"".join(chunks)
