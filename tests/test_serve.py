"""The live page: who gets it, what it costs a campaign, what is seen of it in a real browser."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from agent_loops.curves import Curve
from agent_loops.objective import Direction, MetricSpec
from agent_loops.reporting import loss_svg, page_parts, page_server
from agent_loops.reporting.growing_log import GrowingLog
from agent_loops.reporting.page_server import Reply, Server
from browser import complaints, opened, size
from support import Project, edit_block, until

if TYPE_CHECKING:
    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

HOSTILE = "<img src=x onerror=\"document.title='owned'\"></script><script>document.title='owned'"
# Goes on until it is let go, so that a test can look at it for as long as it needs.
TRAIN = """\
import pathlib
import time

import prepare

LR = 0.01
WIDTH = 8

step = 0
while step < 3 or not (pathlib.Path(__file__).parent.parent / "go").exists():
    step += 1
    print(f"step {step} loss: {1.0 + 1.0 / step:.4f} <b onclick='1'>&amp;</b>", flush=True)
    time.sleep(0.05)
print(f"val_bpb: {prepare.loss(LR, WIDTH):.6f}")
"""


class Served:
    """A server of a project's campaign, in a process of its own."""

    def __init__(self, project: Project, *words: str, **env: str) -> None:
        self.process = subprocess.Popen(
            project.command("serve", *words), cwd=project.root, env={**os.environ, **env},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        self.first = self.process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)/([\w-]+)", self.first)
        assert found, self.first + self.process.communicate()[1]
        self.url, self.port, self.token = found[0], int(found[1]), found[2]

    def get(self, path: str = "", **headers: str) -> tuple[int, dict[str, str], bytes]:
        return request(self.port, "GET", f"/{self.token}{path}", **headers)

    def updates(self, seen: str = "") -> dict[str, Any]:
        code, _, body = self.get(f"/updates?seen={seen}")
        assert code in (200, 204), code
        return dict(json.loads(body)) if body else {}

    def new(self, seen: str) -> dict[str, Any]:
        """What is new, as soon as there is anything."""
        until(lambda: self.updates(seen))
        return self.updates(seen)

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str, str]:
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=20)
        return self.process.returncode, out, err


def request(port: int, method: str, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, dict(answer.getheaders()), body


@contextmanager
def served(project: Project, *words: str, **env: str) -> Iterator[Served]:
    server = Served(project, *words, **env)
    try:
        yield server
    finally:
        server.process.kill()
        server.process.communicate()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "a project", train=TRAIN)
    (tmp_path / "go").touch()
    return made


def attempt(project: Project, lr: str, text: str) -> None:
    old = re.search(r"^LR = .*$", project.read("train.py"), re.MULTILINE)
    assert old
    done = project.ask("try", text, "--edit", "-",
                       stdin=edit_block("train.py", old[0], f"LR = {lr}"))  # fmt: skip
    assert done.code == 0, done


def folder_of(project: Project) -> dict[str, tuple[int, int]]:
    return {
        str(path): (path.stat().st_mtime_ns, path.stat().st_size)
        for path in project.root.rglob("*")
        if "__pycache__" not in path.parts
    }


# ---- who gets it -------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[Server]:
    """A server without a campaign, in this process."""
    from threading import Thread

    page = Reply(b"<p>the page</p>" + b"x" * 5000, "text/html; charset=utf-8")
    made = Server(0, lambda path, query: page if (path, query) == ("", "") else None)
    thread = Thread(target=made.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield made
    made.close()
    thread.join(timeout=10)
    assert not thread.is_alive()


def path_of(server: Server) -> str:
    return server.address.partition(str(server.port))[2]


def test_only_the_token_opens_it(server: Server) -> None:
    assert request(server.port, "GET", path_of(server))[0] == 200
    token = path_of(server)[1:]
    assert len(token) >= 40
    for path in (
        "/", "/index.html", f"/{token[:-1]}", f"/{token}x", f"/x/{token}",
        f"/{token}/updates", f"/{token}/../../etc/passwd", f"/{token}/%2e%2e/", f"/%00{token}",
        f"/{token.swapcase()}", f"http://evil/{token}", f"/?{token}", "*", "/" + "é" * 20,
    ):  # fmt: skip
        code, headers, body = raw(server, f"GET {path} HTTP/1.1\r\nHost: HOST\r\n\r\n".encode())
        assert (code, body) == (404, b"404 Not Found\n"), path
        assert headers["content-type"].startswith("text/plain")


def raw(server: Server, data: bytes) -> tuple[int, dict[str, str], bytes]:
    """The answer to these very bytes; HOST in them is the server's own."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(data.replace(b"HOST", f"127.0.0.1:{server.port}".encode()))
        answer = b""
        while piece := connection.recv(1 << 16):
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    return int(first.split()[1]) if first else 0, headers, body


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:PORT", "127.0.0.1", "localhost:1", "127.0.0.1.evil:PORT",
     "127.0.0.1:PORT@evil", "[::1]:PORT", "", "0.0.0.0:PORT"],
)  # fmt: skip
def test_another_name_that_leads_here_is_refused(server: Server, host: str) -> None:
    """A page of somebody else's whose name resolves to this machine learns nothing."""
    line = f"Host: {host}".replace("PORT", str(server.port))
    code, _, body = raw(server, f"GET {path_of(server)} HTTP/1.1\r\n{line}\r\n\r\n".encode())
    assert (code, body) == (421, b"421 Misdirected Request\n")


def test_two_hosts_or_none_are_refused(server: Server) -> None:
    begin = f"GET {path_of(server)} HTTP/1.1\r\n"
    assert raw(server, f"{begin}Host: HOST\r\nHost: evil\r\n\r\n".encode())[0] == 421
    assert raw(server, f"{begin}\r\n".encode())[0] == 421


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"])
def test_nothing_but_reading(server: Server, method: str) -> None:
    code, headers, _ = request(server.port, method, path_of(server))
    assert (code, headers["Allow"]) == (405, "GET, HEAD")
    assert not [name for name in headers if name.lower().startswith("access-control")]


def test_a_browser_is_told_to_keep_it_to_itself(server: Server) -> None:
    code, headers, body = request(server.port, "HEAD", path_of(server))
    assert (code, body) == (200, b"")
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "Server" not in headers
    packed = request(server.port, "GET", path_of(server), **{"Accept-Encoding": "gzip"})
    assert packed[1]["Content-Encoding"] == "gzip"
    assert len(packed[2]) < 500


@pytest.mark.parametrize(
    "data",
    [
        b"GET /" + b"x" * 60_000,
        b"GET / HTTP/1.1\r\nHost: HOST\r\nX: " + b"y" * 60_000,
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 5_000,
    ],
)
def test_a_request_without_end_is_cut(server: Server, data: bytes) -> None:
    with contextlib.suppress(ConnectionError):  # cut while it was still being sent
        assert raw(server, data)[0] in (0, 431)
    assert request(server.port, "GET", path_of(server))[0] == 200


@pytest.mark.parametrize(
    "data",
    [b"\r\n\r\n", b"\0\xff\xfe\r\n\r\n", b"GET\r\n\r\n", b"G / H/9\n\n",
     b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 300 + b"\r\n"],
)  # fmt: skip
def test_what_is_no_request_gets_no_page(server: Server, data: bytes) -> None:
    assert raw(server, data)[0] in (0, 400, 404, 405, 421, 431, 505)
    assert request(server.port, "GET", path_of(server))[0] == 200


def test_slow_readers_hold_up_nobody(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as there may be send a letter now and then; they are let go, and others get in."""
    monkeypatch.setattr(page_server, "_HEAD_S", 1.5)
    slow = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(40)]
    try:
        for connection in slow:
            connection.sendall(b"G")
        began = time.monotonic()
        assert request(server.port, "GET", path_of(server))[0] == 200
        assert time.monotonic() - began < 1.4
        more = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(60)]

        def drips_and_gets_in() -> bool:
            for connection in (*slow, *more):
                try:
                    connection.send(b"E")
                except OSError:
                    continue
            try:
                return request(server.port, "GET", path_of(server))[0] == 200
            except OSError:
                return False

        until(drips_and_gets_in, timeout_s=20)
        slow += more
    finally:
        for connection in slow:
            connection.close()


def test_it_listens_on_this_machine_alone(server: Server) -> None:
    own = socket.gethostbyname(socket.gethostname())
    for host in ("::1", *([] if own.startswith("127.") else [own])):
        with contextlib.suppress(OSError):
            socket.create_connection((host, server.port), timeout=5)
            pytest.fail(f"it answers at {host}")


# ---- the command -------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_ends_cleanly_and_at_once(project: Project, number: signal.Signals) -> None:
    project.baseline()
    with served(project) as server, socket.create_connection(("127.0.0.1", server.port)) as idle:
        assert server.get()[0] == 200
        idle.sendall(b"GET /")
        began = time.monotonic()
        code, out, err = server.end(number)
    assert (code, err) == (0, "")
    assert time.monotonic() - began < 4
    assert out.splitlines()[-1:] == (
        [] if number == signal.SIGHUP else ["closed; whatever runs goes on"]
    )
    assert server.token not in out  # it was told once


def test_a_closed_terminal_ends_it(project: Project) -> None:
    project.baseline()
    main, terminal = os.openpty()
    process = subprocess.Popen(
        project.command("serve"), cwd=project.root, stdin=terminal, stdout=terminal,
        stderr=terminal, start_new_session=True,
        preexec_fn=lambda: __import__("fcntl").ioctl(0, __import__("termios").TIOCSCTTY, 0),
    )  # fmt: skip
    os.close(terminal)
    told = b""
    while b"Ctrl-C ends it\r\n" not in told:
        told += os.read(main, 4096)
    os.close(main)
    assert process.wait(timeout=20) == 0


def test_a_port_that_is_taken_is_said(project: Project) -> None:
    project.baseline()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        answer = project.call("serve", "--port", str(port))
    assert answer.code == 2
    assert f"port {port} cannot be had: Address already in use; leave out --port" in answer.err
    for wrong in ("0", "65536", "http"):
        assert project.call("serve", "--port", wrong).code == 2


def test_the_same_port_each_time_and_how_to_reach_it_over_ssh(project: Project) -> None:
    project.baseline()
    with served(project) as first:
        port = str(first.port)
    with served(project, "--port", port, SSH_CONNECTION="10.0.0.2 5 10.0.0.1 22", USER="me") as now:
        assert str(now.port) == port
        assert now.token != first.token
        assert now.process.stdout is not None
        out = now.process.stdout.readline() + now.process.stdout.readline()
        assert f"ssh -N -L {port}:127.0.0.1:{port} me@10.0.0.1" in out


def test_an_agent_is_sent_to_status(project: Project) -> None:
    project.baseline()
    answer = project.ask("serve", env={"CLAUDECODE": "1"})
    assert (answer.code, answer["kind"]) == (3, "for a person")
    assert "agent-loops status" in answer["next"]


def test_without_a_campaign_it_says_what_to_do(project: Project) -> None:
    answer = project.call("serve")
    assert answer.code == 3
    assert "agent-loops setup" in answer.out


def test_nothing_is_written_and_no_lock_is_held(project: Project) -> None:
    project.baseline()
    attempt(project, "0.03", "a better rate")
    before = folder_of(project)
    with served(project) as server:
        assert server.get()[0] == 200
        assert server.updates()
        held = [os.readlink(path) for path in Path(f"/proc/{server.process.pid}/fd").iterdir()]
        assert not [place for place in held if place.startswith(str(project.root))]
    assert folder_of(project) == before


# ---- what is new -------------------------------------------------------------------------------


def test_an_update_holds_only_what_changed(project: Project) -> None:
    project.baseline()
    for at in range(3):
        attempt(project, f"0.0{2 + at}", f"idea {at}")
    with served(project) as server:
        whole = len(server.get()[2])
        first = server.updates()
        assert (first["now"], first["idle"]["experiment"]) == (None, 4)
        assert server.updates(first["seen"]) == {}
        attempt(project, "0.05", "the fifth")
        new = server.new(first["seen"])
        assert list(new["rows"]) == ["e5"]
        assert "the fifth" in new["rows"]["e5"]
        assert {"header", "figures", "picture"} <= set(new["parts"])
        assert "experiments" not in new["parts"]
        assert len(json.dumps(new["rows"])) < whole / 10
        assert server.updates("junk.x")["rows"].keys() == {f"e{n}" for n in range(1, 6)}


def test_a_damaged_record_is_said_and_the_page_stays(project: Project) -> None:
    project.baseline()
    journal = project.sandbox / "journal.jsonl"
    with served(project) as server:
        server.get()
        whole = journal.read_bytes()
        (project.root / "other").write_bytes(b"{}\n" + whole)
        os.replace(project.root / "other", journal)
        until(lambda: "journal.jsonl" in server.updates()["problem"])
        journal.unlink()
        until(lambda: "No such file" in server.updates()["problem"])
        assert b"All experiments" in server.get()[2]
        journal.write_bytes(whole)
        until(lambda: server.updates()["problem"] == "")


def test_parts_put_together_are_the_page() -> None:
    html = (
        '<main>\n<header>\n<h1>a</h1></header>\n<section id="now">x</section>'
        '<dl class="figures">f</dl><section aria-labelledby="picture">p</section>'
        '<section aria-labelledby="experiments"><table><thead></thead>\n'
        '<tbody id="e1" data-status="keep"><tr></tr></tbody>\n'
        '<tbody id="e2"><tr><td>&lt;/tbody&gt;</td></tr></tbody>\n</table></section></main>'
    )
    parts = page_parts.split(html)
    assert list(parts.outline) == ["header", "figures", "picture", "experiments"]
    assert list(parts.rows) == ["e1", "e2"]
    assert "&lt;/tbody&gt;" in parts.rows["e2"]
    assert "tbody" not in parts.outline["experiments"]


def test_versions_tell_what_changed_since() -> None:
    versions = page_parts.Versions()
    versions.take(page_parts.Parts({"header": "a", "how": "b"}, {"e1": "1"}))
    versions.take(page_parts.Parts({"header": "A", "how": "b"}, {"e1": "one", "e2": "2"}),
                  unchanged={"e1", "e2"})  # fmt: skip
    assert versions.after(1) == ({"header": "A"}, {"e2": "2"})
    assert versions.after(0).rows == {"e1": "1", "e2": "2"}
    assert versions.after(2) == ({}, {})


# ---- the curve ---------------------------------------------------------------------------------

SPEC = MetricSpec("val_bpb", Direction.MINIMIZE)


def test_a_log_is_read_further_as_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "run.log"
    log = GrowingLog(path, SPEC)
    assert log.look(1.0) == {}
    path.write_text("".join(f"step {n} loss: {100 - n}\n" for n in range(100)))
    points = log.look(10.0)["loss"].points
    assert len(points) > 5
    assert 0 < points[0][0] < 2
    assert points[-1][0] == pytest.approx(10.0)
    assert [value for _, value in points] == sorted((v for _, v in points), reverse=True)
    with path.open("a") as stream:
        stream.write("step 100 loss: 0.5\nstep 101 lo")
    assert log.look(12.0)["loss"].points[-1] == (12.0, 0.5)
    with path.open("a") as stream:
        stream.write("ss: 0.25\n")
    assert log.look(13.0)["loss"].points[-1] == (13.0, 0.25)
    path.write_text("loss: 7\nloss: 7\n")
    assert [value for _, value in log.look(14.0)["loss"].points] == [7.0]


def test_of_a_huge_log_a_little_is_read(tmp_path: Path) -> None:
    path = tmp_path / "run.log"
    path.write_bytes(b"loss: 2.0\n" * 10_000_000)
    began = time.process_time()
    points = GrowingLog(path, SPEC).look(100.0)["loss"].points
    assert len(points) > 50
    assert time.process_time() - began < 10


@pytest.mark.parametrize("values", [[1.0] * 30, [1e300, -1e300], [0.0, 0.0], [5e-324, 1.0]])
def test_any_curve_can_be_drawn(values: list[float]) -> None:
    curve = Curve([(float(at), value) for at, value in enumerate(values)])
    name, svg = loss_svg.draw({"a<b": curve}, {"a<b": curve})
    assert name == "a<b"
    assert "a&lt;b of the run under way" in svg
    assert "nan" not in svg
    assert "inf" not in svg


def test_a_quantity_that_both_runs_printed_is_drawn() -> None:
    few, many = Curve([(0.0, 1.0), (1.0, 2.0)]), Curve([(float(n), 1.0) for n in range(9)])
    assert loss_svg.draw({"loss": few, "other": many}, {"loss": few})[0] == "loss"
    assert loss_svg.draw({"loss": few, "other": many}, {})[0] == "other"
    assert loss_svg.draw({"loss": Curve([(0.0, 1.0)])}, {}) == ("", "")


# ---- in a browser ------------------------------------------------------------------------------


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chrome]:
    with opened(tmp_path / "profile") as found:
        size(found, 1280, 900)
        yield found


def element(browser: Chrome, selector: str) -> WebElement:
    return browser.find_element("css selector", selector)


def text(browser: Chrome, selector: str) -> str:
    """What is read there, asked for in one go: the element may be replaced at any moment."""
    script = "return document.querySelector(arguments[0])?.innerText ?? ''"
    return str(browser.execute_script(script, selector)).strip()


def shown(browser: Chrome) -> list[str]:
    """The rows that are there to be seen, in their order."""
    script = "return [...document.querySelectorAll('#table tbody:not([hidden])')].map((b) => b.id)"
    return list(browser.execute_script(script))


def press(browser: Chrome, key: str) -> None:
    from selenium.webdriver import ActionChains

    ActionChains(browser).send_keys(key).perform()


def test_a_page_that_is_read_goes_on_living(project: Project, browser: Chrome) -> None:
    """What was opened, sorted, searched, scrolled to and focused stays so as new rows come."""
    from selenium.webdriver.common.keys import Keys

    project.baseline()
    for at in range(4):
        attempt(project, f"0.0{20 + 5 * at}", f"rate {at}")
    with served(project) as server:
        browser.get(server.url)
        until(lambda: text(browser, "#now-line").startswith("Nothing is running. The last was #5"))
        browser.execute_script("window.here = true")

        element(browser, "th.number .sort").send_keys(Keys.ENTER)
        assert shown(browser) == ["e5", "e4", "e3", "e2", "e1"]
        element(browser, "#search").send_keys("rate")
        assert shown(browser) == ["e5", "e4", "e3", "e2"]
        element(browser, "#search").send_keys(Keys.TAB)
        opener = element(browser, "#e3 .open")
        browser.execute_script("arguments[0].focus()", opener)
        press(browser, Keys.ENTER)
        assert "+LR = 0.025" in text(browser, "#e3 pre.diff")
        browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", opener)
        at = element(browser, "#e3").rect["y"] - browser.execute_script("return scrollY")

        attempt(project, "0.05", "rate 9")
        until(lambda: shown(browser)[:1] == ["e6"])
        assert browser.execute_script("return window.here")
        assert shown(browser) == ["e6", "e5", "e4", "e3", "e2"]
        assert text(browser, "#shown") == "5 of 6"
        assert element(browser, "#search").get_attribute("value") == "rate"
        assert "+LR = 0.025" in text(browser, "#e3 pre.diff")
        focused = "return document.activeElement.closest('tbody').id"
        assert browser.execute_script(focused) == "e3"
        now = element(browser, "#e3").rect["y"] - browser.execute_script("return scrollY")
        assert abs(now - at) < 3
        spoken = element(browser, "#said")
        until(lambda: spoken.get_attribute("textContent") == "Experiment 6: keep")
        assert "#e6" in element(browser, "figure svg").get_attribute("innerHTML")
        assert complaints(browser) == []


def test_keys_alone_reach_everything(project: Project, browser: Chrome) -> None:
    from selenium.webdriver.common.keys import Keys

    project.baseline()
    attempt(project, "0.03", "by hand")
    with served(project) as server:
        browser.get(server.url)
        reached = []
        for _ in range(40):
            press(browser, Keys.TAB)
            reached.append(browser.execute_script(
                "const e = document.activeElement; return e.id || e.className || e.tagName"
            ))  # fmt: skip
            if reached[-1] == "open":
                break
        assert reached[0] == "skip"
        assert {"search", "filter", "sort"} <= set(reached), reached
        press(browser, Keys.ENTER)
        opened_row = element(browser, "tbody.shown")
        assert (
            opened_row.find_element("css selector", ".open").get_attribute("aria-expanded")
            == "true"
        )
        press(browser, Keys.ENTER)
        assert not browser.find_elements("css selector", "tbody.shown")


def test_a_run_under_way_is_followed_to_its_end(project: Project, browser: Chrome) -> None:
    project.baseline()
    go = project.root.parent / "go"
    go.unlink()
    with served(project) as server:
        browser.get(server.url)
        words = project.command(
            "try", HOSTILE, "--edit", "-"
        )  # fmt: skip
        with subprocess.Popen(
            words, cwd=project.root, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
        ) as running:
            assert running.stdin is not None
            running.stdin.write(edit_block("train.py", "LR = 0.01", "LR = 0.04").encode())
            running.stdin.close()
            until(lambda: "running for" in text(browser, "#now-line"))
            assert text(browser, "#now-line").startswith(f"#2 {HOSTILE}: running for")
            until(lambda: "<b onclick='1'>&amp;</b>" in text(browser, "#now-printed code"))
            until(lambda: browser.find_elements("css selector", "#now-curve svg.wide path.best"))
            line = "return document.querySelector('#now-curve .best').getAttribute('d')"
            before = browser.execute_script(line)
            until(lambda: browser.execute_script(line) != before)
            assert text(browser, "#now-curve b") == "loss of this run"
            assert browser.find_elements("css selector", "#e2[data-status=open]")
            assert "1 kept, 0 discarded, 0 crashed, 1 open" in text(browser, "dl.figures")
            until(lambda: "longer than earlier runs (" in text(browser, "#now-line"))
            assert not element(browser, "#now-done").is_displayed()
            for width in (1280, 390):
                size(browser, width, 900)
                wide = browser.execute_script("return document.documentElement.scrollWidth")
                assert wide <= width
            go.touch()
            assert running.wait(timeout=60) == 0
        until(lambda: browser.find_elements("css selector", "#e2[data-status=keep]"))
        until(lambda: text(browser, "#now-line").startswith("Nothing is running. The last was #2"))
        assert HOSTILE in text(browser, "#e2 .open")
        browser.execute_script("document.querySelector('#e2 .open').click()")
        until(lambda: browser.find_elements("css selector", "#e2 pre.log"))
        assert "<b onclick='1'>&amp;</b>" in text(browser, "#e2 pre.log")
        assert "owned" not in browser.title
        assert complaints(browser) == []


def test_a_server_that_is_gone_is_said(project: Project, browser: Chrome) -> None:
    project.baseline()
    with served(project) as server:
        browser.get(server.url)
        until(lambda: "Nothing is running" in text(browser, "#now-line"))
        assert complaints(browser) == []
        assert server.end()[0] == 0
        until(lambda: text(browser, "#link").startswith("The server is gone."))
        assert "`" not in text(browser, "#link")
        assert text(browser, "#link code") == "agent-loops serve"
        assert "goes on, and this page" not in text(browser, "header .state")
        first = "return document.querySelector('main').firstElementChild.id"
        assert browser.execute_script(first) == "link"
        with served(project, "--port", str(server.port)):
            until(lambda: "Another server was started" in text(browser, "#link"))


def test_a_page_opened_before_anything_was_tried_fills(project: Project, browser: Chrome) -> None:
    project.setup()
    with served(project) as server:
        browser.get(server.url)
        until(lambda: text(browser, "#now-line") == "Nothing has run yet.")
        browser.execute_script("window.here = true")
        assert project.ask("try", "baseline").code == 0
        until(lambda: browser.find_elements("css selector", "#e1[data-status=keep]"))
        until(lambda: text(browser, "#shown") == "1 of 1")
        assert browser.execute_script("return window.here")
        chips = [chip.text for chip in browser.find_elements("css selector", ".filter")]
        assert [chip for chip in chips if chip] == ["all 1", "keep 1"]
        element(browser, "#search").send_keys("no such idea")
        assert shown(browser) == []
        assert text(browser, "#nothing") == "Nothing matches."
        assert complaints(browser) == []
