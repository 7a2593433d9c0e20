"""Runs the command line with a fault at a chosen step: a kill, or a disk that is full.

A step is whatever leaves a trace outside the process: a file opened for writing, a write, an fsync,
a rename, a removal, a lock, a signal, a new process. Steps are counted in one role alone: the
client that was called, the supervisor that it forks twice for, or the run before its exec.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from support import SCRIPTS, Answer, Project

FULL = os.environ.get("AGENT_LOOPS_TEST_FULL") == "1"
CLIENT, LAUNCHER, SUPERVISOR, RUN = range(4)  # how often the process was forked

# Forks for each command, so that a walk over a hundred steps imports the library once.
_SERVER = """\
import errno, fcntl, json, os, signal, stat, sys, time
sys.path.insert(0, sys.argv[1])
from agent_loops import cli, candidates, gates, rewinding, runs, settling, setup, switches, trying
from agent_loops import journal, loop, verdicts
import ctypes, difflib, pathspec  # what the library imports only where it is needed

REAL_WRITE, REAL_FSYNC, REAL_OPEN = os.write, os.fsync, os.open
FOR_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
FILLING = {"open", "write", "fsync", "os.rename", "os.mkdir", "os.link", "os.symlink"}
EFFECTS = FILLING | {
    "os.remove", "os.rmdir", "os.truncate", "os.utime", "os.chmod", "os.chown", "os.fork",
    "os.exec", "os.kill", "os.killpg", "fcntl.flock", "subprocess.Popen", "shutil.rmtree",
}


class Fault:
    def __init__(self, kind, role, step, mark, quiet, at):
        self.kind, self.role, self.step, self.mark, self.at = kind, role, step, mark, at
        self.depth = self.count = 0
        self.busy = self.full = False
        self.quiet = quiet

    def forked(self):
        self.depth += 1
        self.count = 0

    def reached(self, what):
        # Whether the fault is due now. Only once: what is done again is not hit again.
        if self.busy or self.depth != self.role or self.at not in what:
            return False
        self.count += 1
        if self.count < self.step:
            return False
        self.busy = True
        try:
            fd = REAL_OPEN(self.mark, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            REAL_WRITE(fd, f"{self.count} {what}"[:300].encode())
            os.close(fd)
            return True
        except FileExistsError:
            return False
        finally:
            self.busy = False

    def die(self):
        self.busy = True
        if self.kind == "power cut":
            # Everything of ours at once; the run is ended by the test, as its own power cut.
            os.kill(CLIENT, signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)

    def strike(self, event, what, path=None):
        if self.kind in ("kill", "power cut"):
            if self.reached(f"{event} {what}"):
                self.die()
        elif event in FILLING:
            if self.full and self.depth == self.role or self.reached(f"{event} {what}"):
                self.full = self.kind == "full for good"
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    def hook(self, event, args):
        if self.busy or event not in EFFECTS:
            return
        if event == "open":
            path, _, flags = args
            if not flags or not flags & FOR_WRITING or path == os.devnull:
                return
            if isinstance(path, int):
                return
            self.strike(event, path, path)
        elif event == "fcntl.flock":
            if args[1] & fcntl.LOCK_EX:  # a shared lock only asks
                self.strike(event, args)
        elif event == "os.fork" and self.quiet:
            return
        else:
            self.strike(event, args, args[0] if isinstance(args[0] if args else 0, str) else None)

    def write(self, fd, data):
        regular = stat.S_ISREG(os.fstat(fd).st_mode)
        if self.kind in ("kill", "power cut"):
            self.strike("write", f"{fd} {bytes(data[:60])!r}")
            if len(data) > 1 and self.reached(f"half a write {fd} {bytes(data[:60])!r}"):
                REAL_WRITE(fd, bytes(data)[: len(data) // 2])
                self.die()
        elif regular:
            try:
                self.strike("write", f"{fd} {bytes(data[:60])!r}")
            except OSError:
                REAL_WRITE(fd, bytes(data)[: len(data) // 2])
                raise
        return REAL_WRITE(fd, data)

    def fsync(self, fd):
        self.strike("fsync", os.readlink(f"/proc/self/fd/{fd}"))
        return REAL_FSYNC(fd)


def serve(request):
    global CLIENT
    CLIENT = os.getpid()
    signal.alarm(request["limit_s"])
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environ"])
    for name, fd, flags in (
        ("in", 0, os.O_RDONLY), ("out", 1, os.O_WRONLY | os.O_TRUNC),
        ("err", 2, os.O_WRONLY | os.O_TRUNC),
    ):
        source = os.open(request[name], flags)
        os.dup2(source, fd)
        os.close(source)
    sys.stdin = open(0, closefd=False)
    if request["clock_s"]:
        real_time, real_now = time.time, journal.utc_now
        from datetime import timedelta
        now = lambda: real_now() + timedelta(seconds=request["clock_s"])
        for module in (journal, gates, trying, rewinding, setup):
            module.utc_now = now
        journal.Journal.__init__.__kwdefaults__["now"] = now
        time.time = lambda: real_time() + request["clock_s"]
    fault = request["fault"]
    if fault:
        names = ("kind", "role", "step", "quiet", "at")
        hit = Fault(**{name: fault[name] for name in names}, mark=request["mark"])
        os.register_at_fork(after_in_child=hit.forked)
        os.write, os.fsync = hit.write, hit.fsync
        sys.addaudithook(hit.hook)
    code = cli.main(request["words"])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        try:
            serve(json.loads(line))
        except BaseException:
            import traceback
            traceback.print_exc()
        os._exit(99)
    status = os.waitpid(pid, 0)[1]
    print(os.waitstatus_to_exitcode(status), flush=True)
"""


@dataclass(frozen=True)
class Fault:
    """`kill`, `power cut` (client and supervisor at once), `full` (once) or `full for good`.

    `quiet` leaves forks alone; only steps that name `at` are counted.
    """

    kind: str
    role: int
    step: int
    quiet: bool = False
    at: str = ""


class Commands:
    """Calls the command line in processes of their own, each with a fault or without."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="faults-"))
        self._server = subprocess.Popen(
            [sys.executable, "-E", "-s", "-c", _SERVER, str(SCRIPTS)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def close(self) -> None:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.close()
        self._server.stdout.close()
        self._server.wait(30)
        shutil.rmtree(self._folder)

    def __call__(
        self,
        project: Project,
        *words: str,
        fault: Fault | None = None,
        stdin: str = "",
        clock_s: float = 0.0,
        environ: Mapping[str, str] | None = None,
    ) -> Answer:
        """One call with --json; a code of -9 is a kill, 99 an exception that nobody handled."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        paths = {name: self._folder / name for name in ("in", "out", "err", "mark")}
        paths["in"].write_text(stdin)
        paths["out"].write_text("")
        paths["err"].write_text("")
        paths["mark"].unlink(missing_ok=True)
        request = {
            "words": [*words, "--json"],
            "folder": str(project.root),
            "environ": {**os.environ, **(environ or {})},
            "fault": asdict(fault) if fault else None,
            "clock_s": clock_s,
            "limit_s": 100,
            **{name: str(path) for name, path in paths.items()},
        }
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        code = int(self._server.stdout.readline())
        out = paths["out"].read_text()
        values: dict[str, Any] = json.loads(out) if out.endswith("\n") and code != 99 else {}
        return Answer(code, out, paths["err"].read_text(), values)

    @property
    def struck(self) -> str:
        """The step at which the last fault happened; empty where it was not reached."""
        mark = self._folder / "mark"
        return mark.read_text() if mark.exists() else ""


def strides(stride: int) -> int:
    return 1 if FULL else stride
