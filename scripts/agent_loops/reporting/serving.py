"""`agent-loops serve`: the campaign's page in a browser of this machine, live, until it is ended.

Writes nothing and holds no lock: a run, a `try` and other readers go on as if it were not there.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from threading import Thread

from agent_loops import answers, claimed
from agent_loops.answers import Answer
from agent_loops.errors import Refused, UsageError
from agent_loops.loop import Loop
from agent_loops.reporting.live_page import LivePage
from agent_loops.reporting.page_server import HOST, Server

_ENDS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


def run(run: Loop, *, port: int | None, say: Callable[[str], None]) -> Answer:
    """Serves until Ctrl-C, a SIGTERM or the terminal's end.

    Raises:
        Refused: an agent asks: it would wait for ever, and read nothing.
        UsageError: the port cannot be had.
    """
    if claimed.is_for_agent(run.workspace.environ):
        raise Refused(
            "for a person", "the live page runs until a person ends it",
            next_step="`agent-loops status` for you; the person types `agent-loops serve` in a "
            "terminal of their own",
        )  # fmt: skip
    # Blocked before there are threads, which inherit it: none of them is interrupted. It stays so,
    # lest a second Ctrl-C tears what the first one ends.
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)
    page = LivePage(run)
    server = _server(port, page)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.2})
    thread.start()
    try:
        say("\n".join(_lines(run, server)))
        # A long campaign's takes seconds: by the time that the person has the address open.
        Thread(target=page.reply, args=("", ""), daemon=True).start()
        ended = signal.sigwait(_ENDS)
    finally:
        server.close()
        thread.join()
    if ended == signal.SIGHUP:
        _let_go_of_terminal()
    values = {"schema": answers.SCHEMA, "status": "closed", "signal": signal.Signals(ended).name}
    return Answer(values, ["closed; whatever runs goes on"])


def _server(port: int | None, page: LivePage) -> Server:
    try:
        return Server(port or 0, page.reply)
    except OSError as error:
        raise UsageError(
            f"port {port} cannot be had: {error.strerror}; leave out --port for a free one"
        ) from error


def _lines(run: Loop, server: Server) -> list[str]:
    live = f"{run.campaign.tag} live at {server.address}"
    who = "for this machine alone; whoever has the address can read along. Ctrl-C ends it"
    return [live, who, *_over_ssh(run.workspace.environ, server.port)]


def _over_ssh(environ: Mapping[str, str], port: int) -> list[str]:
    """How the page is reached from the machine at which the person sits."""
    connection = environ.get("SSH_CONNECTION", "").split()
    if len(connection) != 4:
        return []
    host = f"{environ.get('USER', 'you')}@{connection[2]}"
    return [f"from your own machine first: ssh -N -L {port}:{HOST}:{port} {host}"]


def _let_go_of_terminal() -> None:
    """What is printed to a terminal that was closed would be an error."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
