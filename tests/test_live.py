"""`agent-loops status --watch` in a terminal of tmux's: what is to be seen, and how it ends."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from long_records import begun
from support import Project, until

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="draws in tmux's terminal")
HELD = (
    "import os, time\nLR = 0.01\nprint('step 25/100', flush=True)\n"
    "while os.path.exists('../hold'): time.sleep(0.01)\nprint('val_bpb:', 1 + LR)\n"
)


class Screen:
    """The view in a terminal of its own."""

    def __init__(self, project: Project, socket: Path) -> None:
        self._socket = socket
        words = shlex.join(project.command("status", "--watch"))
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24",
                   "-c", str(project.root), f"{words}; echo ended with $?; exec cat")  # fmt: skip

    def _tmux(self, *words: str) -> str:
        done = subprocess.run(
            ["tmux", "-S", str(self._socket), *words], capture_output=True, text=True, check=True,
            env={**os.environ, "LC_ALL": "C.UTF-8", "TERM": "xterm-256color",
                 "COLUMNS": "80", "LINES": "24"}, timeout=60,
        )  # fmt: skip
        return done.stdout

    @property
    def text(self) -> str:
        return self._tmux("capture-pane", "-p")

    def sees(self, *words: str) -> str:
        try:
            until(lambda: all(word in self.text for word in words), timeout_s=60)
        except AssertionError:
            raise AssertionError(f"waited in vain for {words}:\n{self.text}") from None
        return self.text

    def press(self, key: str) -> None:
        self._tmux("send-keys", key)

    def resize(self, columns: int, lines: int) -> None:
        self._tmux("resize-window", "-x", str(columns), "-y", str(lines))

    def close(self) -> None:
        self._tmux("kill-server")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "p", train=HELD)


@pytest.fixture
def screen(project: Project, tmp_path: Path) -> Iterator[Screen]:
    begun(project)
    shown = Screen(project, tmp_path / "tmux")
    try:
        yield shown
    finally:
        shown.close()


def test_a_run_appears_with_its_bar_and_goes_as_it_ends(
    project: Project, screen: Screen, tmp_path: Path
) -> None:
    screen.sees("experiments 2: 2 keep", "q ends")
    (tmp_path / "hold").touch()
    project.edit("LR = 0.009", "LR = 0.001")
    project.ask("try", "slower steps", "--wait-s", "0")
    text = screen.sees("running   #3 for", "━", "25%", "step 25/100")
    assert "next: agent-loops wait" in text
    screen.resize(50, 16)
    screen.sees("━", "q ends")
    until(lambda: max(map(len, screen.text.splitlines())) <= 50)
    assert "next: agent-loops wait" in screen.sees("q ends")
    screen.resize(80, 24)
    (tmp_path / "hold").unlink()
    screen.sees("#3 has ended, which is not recorded yet")
    project.ask("wait")
    text = screen.sees("experiments 3: 3 keep", "slower steps", "next: agent-loops try")
    assert "running" not in text


@pytest.mark.parametrize("key", ["q", "C-c"])
def test_it_ends_cleanly_and_leaves_the_last_state(screen: Screen, key: str) -> None:
    screen.sees("q ends")
    screen.press(key)
    text = screen.sees("ended with 0")
    assert "q ends" not in text
    assert text.index("campaign t1  active") < text.index("ended with 0")
    screen.press("x")  # and what is typed is shown again
    screen.sees("\nx")


def test_a_campaign_that_stops_and_one_that_follows_are_shown(
    project: Project, screen: Screen
) -> None:
    screen.sees("campaign t1  active")
    project.call("stop", "--why", "enough")
    screen.sees("campaign t1  stopped", "stopped: enough", "next: agent-loops resume")
    project.bind(run_tag="t2")
    assert project.call("setup").code == 0
    screen.sees("campaign t2  active", "next: agent-loops try baseline")
    shutil.rmtree(project.root / "sandbox")
    screen.sees("as it was before:", "campaign t2  active")
    screen.press("q")
    screen.sees("ended with")
