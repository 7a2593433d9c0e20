"""A scripted model on loopback: answers the client's main requests as a script says, and keeps all.

Speaks as much of the Messages API as the client uses. It judges nothing: whether the client's
request is a good one is for the test to say.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from network import Network

# What the client says where it wants a conversation summed up, in the words of 2.1.329.
_COMPACTION = "Your task is to create a detailed summary"
# A conversation has at least one of these tools; titles and classifiers have none.
_MAIN_TOOLS = {"Bash", "Skill"}
# Never the same twice: a conversation may be resumed with another model.
_ids = itertools.count(1)


@dataclass(frozen=True)
class Call:
    """One tool call."""

    tool: str
    input: Mapping[str, Any]


@dataclass(frozen=True)
class Turn:
    """What the model answers: words, then tool calls; without a call its turn ends.

    `tokens` is what it says the request was long: the client compacts by that.
    """

    text: str = ""
    calls: tuple[Call, ...] = ()
    tokens: int = 1000


@dataclass(frozen=True)
class Fault:
    """An error of the service's in place of an answer."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> dict[str, Any]:
        kinds = {429: "rate_limit_error", 529: "overloaded_error", 400: "invalid_request_error"}
        kind = kinds.get(self.status, "api_error")
        return {"type": "error", "error": {"type": kind, "message": f"scripted {self.status}"}}


Answer = Turn | Fault


def say(text: str, *, tokens: int = 1000) -> Turn:
    return Turn(text, tokens=tokens)


def bash(command: str, *, tokens: int = 1000, **more: object) -> Turn:
    values = {"command": command, "description": "next step", **more}
    return Turn(calls=(Call("Bash", values),), tokens=tokens)


def use(tool: str, *, tokens: int = 1000, **values: object) -> Turn:
    return Turn(calls=(Call(tool, values),), tokens=tokens)


@dataclass(frozen=True)
class Request:
    """One request as it reached the model; `kind` is main, compaction or side."""

    kind: str
    body: Mapping[str, Any]
    headers: Mapping[str, str]

    @property
    def messages(self) -> list[dict[str, Any]]:
        return list(self.body["messages"])

    @property
    def tools(self) -> set[str]:
        return {str(tool.get("name")) for tool in self.body.get("tools") or ()}

    @property
    def last(self) -> str:
        """All text of what came since the model's last answer, tool results included."""
        fresh = itertools.takewhile(
            lambda message: message["role"] != "assistant", reversed(self.messages)
        )
        return "\n".join(reversed([_text(message["content"]) for message in fresh]))

    @property
    def text(self) -> str:
        """All text of the conversation, the system prompt included."""
        parts = [_text(self.body.get("system") or "")]
        return "\n".join([*parts, *(_text(message["content"]) for message in self.messages)])


def _text(content: Any) -> str:
    return "\n".join(text for _, text in pieces(content))


def pieces(content: Any) -> Iterator[tuple[str, str]]:
    """Each piece of a message's content: its type, and its text as the model reads it."""
    if isinstance(content, str):
        yield "text", content
        return
    for block in content:
        kind = str(block.get("type"))
        if kind == "tool_use":
            yield kind, json.dumps(block["input"], ensure_ascii=False)
        elif kind == "tool_result":
            yield kind, "\n".join(text for _, text in pieces(block.get("content") or ""))
        else:
            yield kind, str(block.get("text", ""))


Play = Generator[Answer, Request, None]
Script = Callable[[Request], Play] | Iterable[Answer]


class Model:
    """Serves one script; use as a context. A script that is over says "done" for ever.

    A script is a row of answers, or a generator that is called with the first request and gets
    each further one for the answer before it. It runs in the server's thread, one request at a
    time, and may wait in there for what the test does.
    """

    def __init__(self, network: Network, script: Script = ()) -> None:
        self.requests: list[Request] = []
        self.failures: list[Exception] = []
        self._script = script
        self._play: Play | None = None
        self._turn = threading.Lock()
        listening = network.listen()
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        self._server = _Server(("127.0.0.1", 0), _Handler, bind_and_activate=False)
        self._server.socket.close()
        self._server.socket = listening
        self._server.model = self  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.05], daemon=True)

    def __enter__(self) -> Model:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def main(self) -> list[Request]:
        """The requests of the conversation itself, in order."""
        return [request for request in self.requests if request.kind == "main"]

    @property
    def heard(self) -> str:
        """All that was ever new to the model."""
        return "\n".join(request.last for request in self.main)

    def answer(self, request: Request) -> Answer:
        self.requests.append(request)
        if request.kind != "main":
            return say(
                "<summary>It went on as before.</summary>" if request.kind == "compaction" else "ok"
            )
        with self._turn:
            try:
                return self._next(request)
            except Exception as fault:  # noqa: BLE001 - the test raises it again, where it is seen
                self.failures.append(fault)
                return Fault(400)

    def _next(self, request: Request) -> Answer:
        try:
            if self._play is not None:
                return self._play.send(request)
            script = self._script
            self._play = script(request) if callable(script) else _in_order(script)
            return next(self._play)
        except StopIteration:
            return say("done")

    def message(self, turn: Turn, asked: Request) -> dict[str, Any]:
        blocks: list[dict[str, Any]] = [{"type": "text", "text": turn.text}] if turn.text else []
        blocks += [
            {
                "type": "tool_use",
                "id": f"toolu_{next(_ids):06}",
                "name": call.tool,
                "input": call.input,
            }
            for call in turn.calls
        ]
        return {
            "id": f"msg_{next(_ids):06}",
            "type": "message",
            "role": "assistant",
            "model": asked.body.get("model", "scripted"),
            "content": blocks,
            "stop_reason": "tool_use" if turn.calls else "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": turn.tokens, "output_tokens": 50},
        }


def _in_order(answers: Iterable[Answer]) -> Play:
    for answer in answers:  # noqa: UP028 - a plain iterator takes no request
        yield answer


def _kind(body: Mapping[str, Any]) -> str:
    tools = {tool.get("name") for tool in body.get("tools") or ()}
    messages = body.get("messages") or [{"content": ""}]
    if _COMPACTION in _text(messages[-1]["content"]):
        return "compaction"
    return "main" if tools & _MAIN_TOOLS else "side"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Says nothing: a client that is killed hears no more."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def do_HEAD(self) -> None:
        self._send({})

    def do_GET(self) -> None:
        self._send({})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])) or b"{}")
        if "count_tokens" in self.path:
            self._send({"input_tokens": 1000})
        elif "/messages" in self.path:
            self._messages(body)
        else:
            self._send({})

    def _messages(self, body: dict[str, Any]) -> None:
        model: Model = self.server.model  # type: ignore[attr-defined]
        request = Request(_kind(body), body, dict(self.headers))
        answer = model.answer(request)
        if isinstance(answer, Fault):
            self._send(answer.body, status=answer.status, headers=answer.headers)
        elif body.get("stream"):
            self._send(_events(model.message(answer, request)), kind="text/event-stream")
        else:
            self._send(model.message(answer, request))

    def _send(
        self,
        value: dict[str, Any] | bytes,
        *,
        status: int = 200,
        kind: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        known = {"content-type": kind, "content-length": str(len(data)), **(headers or {})}
        for name, text in known.items():
            self.send_header(name, text)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


def _events(message: dict[str, Any]) -> bytes:
    """The message as the stream of events that the client asks for."""
    lines: list[str] = []

    def event(kind: str, **values: object) -> None:
        lines.append(f"event: {kind}\ndata: {json.dumps({'type': kind, **values})}\n\n")

    event("message_start", message={**message, "content": [], "stop_reason": None})
    for index, block in enumerate(message["content"]):
        if block["type"] == "text":
            empty, delta = {**block, "text": ""}, {"type": "text_delta", "text": block["text"]}
        else:
            empty = {**block, "input": {}}
            delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        event("content_block_start", index=index, content_block=empty)
        event("content_block_delta", index=index, delta=delta)
        event("content_block_stop", index=index)
    ending = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    event("message_delta", delta=ending, usage=message["usage"])
    event("message_stop")
    return "".join(lines).encode()
