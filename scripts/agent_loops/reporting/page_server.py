"""Serves one page on 127.0.0.1 to who has its address, and tells nobody else that it is there.

Knows nothing of campaigns: what is answered is worked out by the caller. Keeps no log of requests,
for their addresses hold the token.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import secrets
import socket
import socketserver
import sys
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from threading import Lock
from typing import Any, NamedTuple

HOST = "127.0.0.1"
_METHODS = ("GET", "HEAD")
_HEAD_BYTES = 16 << 10
_HEAD_S = 5.0
_SEND_S = 20.0
_MOST_CONNECTIONS = 64
_WORTH_PACKING = 1400
_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
# The page has a stricter policy of its own in its head; only this part cannot stand there.
_PAGE_POLICY = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Connection": "close",
}


class Reply(NamedTuple):
    """What is sent. `kind` is its media type; without a body it says that nothing is new."""

    body: bytes
    kind: str


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Answers at `address` until it is closed: one request a connection, in a thread of its own.

    `answer` is given the path behind the token ("" for the page) and the query, and returns None
    for what there is not. It is called from several threads at once.

    Raises:
        OSError: the port cannot be had.
    """

    allow_reuse_address = True
    daemon_threads = True  # none writes anything: one that still works something out may be left
    request_queue_size = _MOST_CONNECTIONS

    def __init__(self, port: int, answer: Callable[[str, str], Reply | None]) -> None:
        self._answer = answer
        self._token = secrets.token_urlsafe(32)
        self._open: set[socket.socket] = set()
        self._lock = Lock()
        super().__init__((HOST, port), _Handler)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}/{self._token}"

    def is_addressed(self, hosts: list[str]) -> bool:
        """Whether a request's Host is this machine itself: a name that leads here is not."""
        return len(hosts) == 1 and hosts[0].strip().lower() in (
            f"{HOST}:{self.port}", f"localhost:{self.port}",
        )  # fmt: skip

    def answer(self, path: str, query: str) -> Reply | None:
        """The answer to a path with the token in it; None for every other one."""
        begin, token, rest = (*path.split("/", 2), "", "")[:3]
        is_ours = secrets.compare_digest(token.encode("utf-8", "replace"), self._token.encode())
        if begin or not is_ours:
            return None
        return self._answer(rest, query)

    def verify_request(self, request: Any, _client: Any) -> bool:
        with self._lock:
            if len(self._open) >= _MOST_CONNECTIONS:
                return False
            self._open.add(request)
            return True

    def close_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().close_request(request)

    def handle_error(self, _request: Any, _client: Any) -> None:
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):  # else the browser went away
            sys.stderr.write(f"agent-loops: serve: {type(error).__name__}: {error}\n")

    def close(self) -> None:
        """Ends every connection, and answers no more."""
        self.shutdown()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    """One request. Its head is read as a whole first, within a limit of size and of time."""

    server: Server
    command = ""
    default_request_version = "HTTP/1.0"  # what is no request is answered with a status too

    def handle(self) -> None:
        head = _head_of(self.connection)
        self.connection.settimeout(_SEND_S)
        self.close_connection = True
        if head is None:
            return
        if len(head) > _HEAD_BYTES:
            self.request_version = self.default_request_version
            self.send_error(431)
            return
        self.rfile = io.BufferedReader(io.BytesIO(head))
        self.raw_requestline = self.rfile.readline()
        if self.parse_request():
            self._reply()

    def _reply(self) -> None:
        if not self.server.is_addressed(self.headers.get_all("Host") or []):
            self.send_error(421)
        elif self.command not in _METHODS:
            self.send_error(405)
        else:
            path, _, query = self.path.partition("?")
            found = self.server.answer(path, query)
            if found is None:
                self.send_error(404)
            else:
                self._send(200 if found.body else 204, found.body, found.kind)

    def send_error(self, code: int, *_: object) -> None:
        """The code's name alone: nothing of the request comes back."""
        name = self.responses[code][0] if code in self.responses else "Error"
        self._send(code, f"{code} {name}\n".encode(), "text/plain; charset=utf-8")

    def _send(self, code: int, body: bytes, kind: str) -> None:
        self.send_response_only(code)
        self.send_header("Date", self.date_time_string())
        is_page = code == 200 and kind.startswith("text/html")
        self.send_header("Content-Security-Policy", _PAGE_POLICY if is_page else _POLICY)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        if code == 405:
            self.send_header("Allow", ", ".join(_METHODS))
        if body:
            if len(body) > _WORTH_PACKING and self._takes_gzip():
                self.send_header("Content-Encoding", "gzip")
                body = gzip.compress(body, compresslevel=5, mtime=0)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _takes_gzip(self) -> bool:
        return "gzip" in self.headers.get("Accept-Encoding", "")

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def _head_of(connection: socket.socket) -> bytes | None:
    """A request up to its empty line, or too long a piece of one; None where none came in time."""
    head = bytearray()
    ends_at = time.monotonic() + _HEAD_S
    try:
        while b"\r\n\r\n" not in head and b"\n\n" not in head and len(head) <= _HEAD_BYTES:
            left_s = ends_at - time.monotonic()
            if left_s <= 0:
                return None
            connection.settimeout(left_s)
            piece = connection.recv(4096)
            if not piece:
                return None
            head += piece
    except OSError:
        return None
    return bytes(head)
