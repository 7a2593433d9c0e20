"""The interactive client in a terminal of tmux's: keys go in, the screen is read.

Waits for what is to be seen, with a deadline; a screen that never comes is shown in the failure.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from client import Host
from model import Model

_LIMIT_S = 30.0
# How the client asks for a permission: no scenario of ours may lead there.
PROMPT = re.compile(r"Do you want to|needs your permission")


class Terminal:
    """One client in one terminal; use as a context, which ends both."""

    def __init__(
        self, host: Host, project: Path, model: Model, *words: str, **environ: str
    ) -> None:
        host.seed(project)
        self._model = model
        self.socket = host.home.parent / f"tmux-{time.monotonic_ns()}"
        values = [f"{name}={text}" for name, text in host.environ(model, **environ).items()]
        command = host.network.within(["env", "-i", *values, str(host.program), *words])
        # The client's last words stay to be read when it ends.
        self._tmux(
            "-f", "/dev/null", "new-session", "-d", "-x", "160", "-y", "60", "-c", str(project),
            f"{shlex.join(command)}; echo ended with $?; exec cat",
        )  # fmt: skip

    def _tmux(self, *words: str) -> str:
        done = subprocess.run(
            ["tmux", "-S", str(self.socket), *words],
            capture_output=True, text=True, timeout=20, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (words, done.stderr)
        return done.stdout

    def __enter__(self) -> Terminal:
        self.until(lambda: "\u276f" in self.screen, "its first screen")
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["tmux", "-S", str(self.socket), "kill-server"], check=False)

    @property
    def screen(self) -> str:
        return self._tmux("capture-pane", "-p")

    @property
    def history(self) -> str:
        """The screen and all that has moved out of it."""
        return self._tmux("capture-pane", "-p", "-S", "-")

    @property
    def pid(self) -> int:
        """The client's process."""
        shell = self._tmux("list-panes", "-F", "#{pane_pid}").strip()
        found = subprocess.run(
            ["pgrep", "-P", shell], capture_output=True, text=True, check=True
        ).stdout.split()
        return int(found[0])

    def keys(self, *names: str) -> None:
        """Presses keys by tmux's names: Enter, Escape, Down, C-c."""
        self._tmux("send-keys", *names)

    def type(self, text: str) -> None:
        """Types a line, sends it once it stands in the box, and waits until it is taken."""
        word = text.split()[-1]
        self._tmux("send-keys", "-l", text)
        self.until(lambda: word in self._box, f"{text!r} in the box")
        self.keys("Enter")
        self.until(lambda: word not in self._box, f"{text!r} to leave the box")

    @property
    def _box(self) -> str:
        """What stands between the last two lines that are drawn: what the person has typed."""
        parts = re.split("\u2500{20,}", self.screen)
        return parts[-2] if len(parts) > 2 else self.screen

    def choose(self, shown: str) -> None:
        """Takes the marked option of a dialog: one that has just opened overlooks a key."""
        self.sees(shown)
        presses = iter(range(10_000))

        def closed() -> bool:
            if next(presses) % 10 == 0:
                self.keys("Enter")
            return shown not in self.screen

        self.until(closed, f"the end of the dialog {shown!r}")

    def until(
        self, condition: Callable[[], object], what: str, *, timeout_s: float = _LIMIT_S
    ) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            if self._model.failures:
                raise self._model.failures[0]
            assert time.monotonic() < deadline, f"waited in vain for {what}:\n{self.screen}"
            time.sleep(0.05)

    def is_soon(self, condition: Callable[[], object]) -> bool:
        """Whether it comes about within two seconds, for what not every client does."""
        deadline = time.monotonic() + 2
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.05)
        return bool(condition())

    def sees(self, text: str, *, timeout_s: float = _LIMIT_S) -> None:
        self.until(lambda: text in self.history, f"{text!r}", timeout_s=timeout_s)

    def is_idle(self) -> None:
        """Waits until the client does nothing but wait for the person."""
        self.until(lambda: "esc to interrupt" not in self.screen, "an idle client")

    def is_prompted(self) -> bool:
        """Whether the client ever asked for a permission."""
        return bool(PROMPT.search(self.history))
