"""The real Claude Code client, installed once from the npm registry, run in a home of its own.

Reaches nothing but the scripted model: its environment is empty but for what stands here. What it
is told to do, and what of it is right, is the tests' business.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from model import Model
from network import Network
from support import ROOT

# The client that all scenarios are run with, and the oldest one that they were tried with: there
# all pass but the three that README.md names.
VERSION = "2.1.329"
OLDEST = "2.1.197"

_CACHE = ROOT / ".cache"
_LIMIT_S = 120.0
KEY = "dummy-key-of-the-tests-0123456789"


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process at a time: the tests run side by side."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def install(version: str) -> Path:
    """The client's program; downloaded where the cache lacks it.

    Raises:
        RuntimeError: npm is not there, or could not install it.
    """
    folder = _CACHE / "claude-code" / version
    program = folder / "node_modules" / ".bin" / "claude"
    with locked(_CACHE / "claude-code.lock"):
        if program.exists():
            return program
        npm = shutil.which("npm")
        if npm is None:
            raise RuntimeError("npm is not there")
        draft = folder.with_name(f"{version}.draft")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        words = ["install", "--prefix", str(draft), "--no-fund", "--no-audit", "--no-save"]
        done = subprocess.run(
            [npm, *words, f"@anthropic-ai/claude-code@{version}"],
            capture_output=True, text=True, timeout=280, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        if done.returncode != 0:
            raise RuntimeError(f"npm install: {done.stderr.strip()[-600:]}")
        draft.rename(folder)
    return program


def build_engine(plugin: Path) -> Path:
    """The cache folder with the engine's Python environment, which the launcher itself builds."""
    cache = _CACHE / "xdg"
    with locked(_CACHE / "xdg.lock"):
        done = subprocess.run(
            [str(plugin / "bin" / "agent-loops"), "--version"],
            env={**os.environ, "XDG_CACHE_HOME": str(cache)},
            capture_output=True, text=True, timeout=280, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        if done.returncode != 0:
            raise RuntimeError(f"bin/agent-loops: {done.stderr.strip()[-600:]}")
    return cache


def copy_tracked(target: Path) -> Path:
    """The plugin as a person gets it: the files that git tracks, as they are now."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file() and not name.startswith("tests/"):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


@dataclass
class Ended:
    """One `claude -p` that ended: its events as it printed them, the last one its result."""

    code: int
    out: str
    err: str

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        lines = [line for line in self.out.splitlines() if line.startswith("{")]
        return [json.loads(line) for line in lines]

    @property
    def result(self) -> dict[str, Any]:
        (result,) = [event for event in self.events if event["type"] == "result"][-1:] or [{}]
        return result

    @property
    def session(self) -> str:
        return str(self.result["session_id"])  # the first events of --continue have another

    @property
    def denied(self) -> list[dict[str, Any]]:
        """What the client did not let the agent do, for want of a person to ask."""
        return list(self.result.get("permission_denials", ()))


class Running:
    """One `claude -p` under way; as a context, it does not outlive the test."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_: object) -> None:
        if self.is_alive:
            self.kill(signal.SIGKILL)
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def kill(self, number: signal.Signals) -> None:
        """Ends the client as a terminal that is closed, or a machine that runs out of memory."""
        self._process.send_signal(number)
        self._process.communicate(timeout=30)

    def ended(self, *, timeout_s: float = _LIMIT_S) -> Ended:
        out, err = self._process.communicate(timeout=timeout_s)
        return Ended(self._process.returncode, out, err)


@dataclass
class Host:
    """One person's machine: a home, the client, and what else stands in its environment."""

    program: Path
    network: Network
    home: Path
    cache: Path
    plugin: Path
    extra: dict[str, str] = field(default_factory=dict)

    def environ(self, model: Model | None = None, **more: str) -> dict[str, str]:
        python = "/usr/local/bin:/usr/bin:/bin"
        return {
            "HOME": str(self.home),
            "PATH": f"{self.program.parent}:{python}",
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
            "XDG_CACHE_HOME": str(self.cache),
            "GIT_CONFIG_NOSYSTEM": "1",
            "ANTHROPIC_BASE_URL": model.url if model else "http://127.0.0.1:9",
            "ANTHROPIC_API_KEY": KEY,
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_TELEMETRY": "1",
            "DISABLE_AUTOUPDATER": "1",
            **self.extra,
            **more,
        }

    def claude(self, *words: str, cwd: Path | None = None) -> str:
        """A command of the client's own that asks no model; what it prints."""
        done = subprocess.run(
            self.network.within([str(self.program), *words]),
            env=self.environ(), cwd=cwd or self.home, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=_LIMIT_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    def install_plugin(self, folder: Path, name: str = "agent-loops@agent-loops") -> None:
        """By the README's commands, from a folder in the repository's place."""
        self.claude("plugin", "marketplace", "add", str(folder))
        self.claude("plugin", "install", name)

    def start(
        self, project: Path, model: Model, prompt: str, *words: str, **environ: str
    ) -> Running:
        """`claude -p` in the default permission mode, unless `words` say otherwise."""
        spoken = ["-p", "--output-format", "stream-json", "--verbose", *words, "--", prompt]
        process = subprocess.Popen(
            self.network.within([str(self.program), *spoken]),
            env=self.environ(model, **environ), cwd=project, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        return Running(process)

    def run(
        self,
        project: Path,
        model: Model,
        prompt: str,
        *words: str,
        timeout_s: float = _LIMIT_S,
        **environ: str,
    ) -> Ended:
        with self.start(project, model, prompt, *words, **environ) as running:
            ended = running.ended(timeout_s=timeout_s)
        if model.failures:
            raise model.failures[0]
        return ended

    def agent_loops(self, project: Path, *words: str, ok: bool = True) -> str:
        """The command as a person calls it, in another terminal."""
        done = subprocess.run(
            [str(self.plugin / "bin" / "agent-loops"), *words],
            env=self.environ(), cwd=project, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=_LIMIT_S, check=False,
        )  # fmt: skip
        assert (done.returncode == 0) == ok, (words, done.stdout, done.stderr)
        return done.stdout

    def seed(self, *projects: Path) -> None:
        """Answers what the interactive client asks a new person: theme, trust, the key."""
        path = self.home / ".claude.json"
        known = json.loads(path.read_text()) if path.exists() else {}
        trust = {"hasTrustDialogAccepted": True, "hasCompletedProjectOnboarding": True}
        places = known.setdefault("projects", {})
        for project in projects:
            places[str(project.resolve())] = {**places.get(str(project.resolve()), {}), **trust}
        known |= {
            "hasCompletedOnboarding": True,
            "theme": "dark",
            "lastOnboardingVersion": VERSION,
            "customApiKeyResponses": {"approved": [KEY[-20:]], "rejected": []},
        }
        path.write_text(json.dumps(known))


def moved_home(made: Path, home: Path) -> Path:
    """A copy of a home; the client writes whole names into its lists of plugins."""
    shutil.copytree(made, home, symlinks=True)
    for path in [home / ".claude.json", *home.glob(".claude/**/*.json")]:
        if path.is_file() and str(made) in (text := path.read_text()):
            path.write_text(text.replace(str(made), str(home)))
    return home


def write_settings(folder: Path, values: Mapping[str, object]) -> None:
    """A project's or a person's settings."""
    path = folder / ".claude" / "settings.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values))


def hooks_on(events: Sequence[str], command: str) -> dict[str, object]:
    """Settings that run `command` at each of the events."""
    return {
        "hooks": {event: [{"hooks": [{"type": "command", "command": command}]}] for event in events}
    }
