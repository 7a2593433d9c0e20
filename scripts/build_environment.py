"""Builds the private Python environment that bin/agent-loops runs in, and prints its folder.

Chooses no Python (the launcher does: this runs on it) and removes no environment that works. One
appears under its name complete or not at all. Standard library only.

Arguments: the cache folder (empty: there is none), the stamp that the environment must bear, and
the lines of `dependencies` in pyproject.toml.
"""

import fcntl
import hashlib
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

STEP_LIMIT_S = 900
HAS_ALL = "import importlib.metadata as m, sys; [m.version(name) for name in sys.argv[1:]]"


class BuildError(Exception):
    """Carries the one line that tells the person what to do."""


def find_ready(cache: Path, stamp: str) -> Path | None:
    """The environment that the launcher would take from `cache`, by the same test."""
    for folder in sorted(cache.glob("env-*")):
        try:
            fits = (folder / "stamp").read_bytes() == os.fsencode(stamp)
        except OSError:
            continue
        if fits and os.access(folder / "bin" / "python", os.X_OK):
            return folder
    return None


def usable_folder(cache: str) -> Path:
    """The cache folder where it is writable, else one in the temporary folder, ours alone."""
    if cache and _can_write(Path(cache)):
        return Path(cache)
    fallback = Path(os.environ.get("TMPDIR") or "/tmp") / f"agent-loops-{os.geteuid()}"
    try:
        fallback.mkdir(mode=0o700, exist_ok=True)
        found = fallback.lstat()
    except OSError:
        found = None
    # Who can write to the folder decides what runs: no link, nobody else's, not open to others.
    if (
        found is None
        or not stat.S_ISDIR(found.st_mode)
        or found.st_uid != os.geteuid()
        or found.st_mode & 0o077
        or not _can_write(fallback)
    ):
        first = f"{cache} cannot be written to" if cache else "there is no home folder"
        raise BuildError(
            f"no place for its Python environment: {first}, and {fallback} is not writable and "
            "yours alone; set XDG_CACHE_HOME to a folder of yours, then run agent-loops again"
        )
    return fallback


def _can_write(folder: Path) -> bool:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


@contextmanager
def locked(cache: Path) -> Iterator[bool]:
    """Holds the build lock, which the kernel frees for a dead builder; false: no locks here."""
    with (cache / "build.lock").open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:
            yield False
        else:
            yield True


def build(cache: Path, stamp: str, requirements: Sequence[str]) -> Path:
    """Builds the environment unless another start just did; raises BuildError."""
    # The real interpreter: when it is upgraded the link to it dangles, and a new one is built.
    python = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
    identity = "\0".join([stamp, python, sys.version])
    final = cache / f"env-{hashlib.sha256(os.fsencode(identity)).hexdigest()[:16]}"
    with locked(cache) as is_alone:
        if ready := find_ready(cache, stamp):
            return ready
        if is_alone:
            for left_over in cache.glob("building-*"):
                shutil.rmtree(left_over, ignore_errors=True)
        draft = Path(tempfile.mkdtemp(prefix="building-", dir=cache))
        try:
            _tell(f"first start: building a Python environment in {cache} (once, half a minute)")
            with (cache / "build.log").open("wb", buffering=0) as log:
                Builder(python, draft, log.fileno()).fill(requirements, f"log: {log.name}")
            (draft / "stamp").write_bytes(os.fsencode(stamp))
            return _put_in_place(draft, final, stamp)
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def _put_in_place(draft: Path, final: Path, stamp: str) -> Path:
    try:
        if final.exists():  # damaged, else the launcher had taken it: out of the way
            aside = final.rename(tempfile.mkdtemp(prefix="building-", dir=final.parent))
            shutil.rmtree(aside, ignore_errors=True)
        draft.rename(final)
    except OSError:
        if ready := find_ready(final.parent, stamp):  # without locks another start may be faster
            return ready
        raise
    return final


class Builder:
    """Fills one draft folder; everything its commands say goes to the log."""

    def __init__(self, python: str, draft: Path, log: int) -> None:
        self.python = python
        self.draft = draft
        self.log = log
        self.inside = str(draft / "bin" / "python")
        self.environ = build_environ()

    def fill(self, requirements: Sequence[str], where: str) -> None:
        """Makes the environment and installs `requirements`, with the first means that works."""
        make_venv = ["-I", "-m", "venv", "--without-pip", "--symlinks", str(self.draft)]
        if not self._run(self.python, *make_venv):
            raise BuildError(
                f"{self.python} cannot make a virtual environment ({where}): install its venv "
                "module (Debian, Ubuntu: apt-get install python3-venv), then run agent-loops again"
            )
        if not requirements:
            return
        always = [requirement for requirement in requirements if ";" not in requirement]
        names = [re.split(r"[^\w.-]", requirement)[0] for requirement in always]
        check = [self.inside, "-I", "-c", HAS_ALL, *names]
        has_means = False
        for probe, install in self._means():
            if self._run(*probe):
                has_means = True
                if self._run(*install, *requirements) and self._run(*check):
                    return
        if not has_means:
            raise BuildError(
                f"{self.python} has no pip, and there is no uv ({where}): install one of them "
                "(Debian, Ubuntu: apt-get install python3-venv), then run agent-loops again"
            )
        raise BuildError(
            f"its Python packages could not be installed ({where}): "
            "check the network, the proxy and the free space, then run agent-loops again"
        )

    def _means(self) -> Iterator[tuple[list[str], list[str]]]:
        """Pairs: a command that tells whether this means is there, and one that installs by it."""
        if uv := shutil.which("uv"):
            install = [uv, "pip", "install", "--compile-bytecode", "--python", self.inside]
            yield [uv, "--version"], install
        pip = ["-I", "-m", "pip"]
        yield [self.inside, "-I", "-m", "ensurepip"], [self.inside, *pip, "install"]
        target = next(iter(self.draft.glob("lib/python3*/site-packages")), self.draft)
        install = [self.python, *pip, "install", "--target", str(target)]
        yield [self.python, *pip, "--version"], install

    def _run(self, *command: str) -> bool:
        os.write(self.log, b"$ " + os.fsencode(" ".join(command)) + b"\n")
        try:
            done = subprocess.run(
                command,
                cwd=self.draft,  # the caller's folder may hold a venv.py or a uv.toml of its own
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=self.log,
                stderr=self.log,
                timeout=STEP_LIMIT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            os.write(self.log, os.fsencode(f"{error}\n"))
            return False
        return done.returncode == 0


def build_environ() -> dict[str, str]:
    """The caller's environment (proxies, indexes, certificates) less what installs elsewhere."""
    elsewhere = re.compile(
        r"PYTHON.*|VIRTUAL_ENV|CONDA_PREFIX|__PYVENV_LAUNCHER__"
        r"|PIP_(TARGET|PREFIX|ROOT|PYTHON|REQUIREMENT|EDITABLE|DRY_RUN|NO_DEPS)"
        r"|UV_(PYTHON|SYSTEM_PYTHON|TARGET|PREFIX|NO_DEPS)"
    )
    kept = {name: value for name, value in os.environ.items() if not elsewhere.fullmatch(name)}
    # These two also stand in people's pip.conf; a variable overrides it.
    return kept | {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"}


def _tell(message: str) -> None:
    """On stderr, terminal or not: who waits half a minute wants to know why."""
    print(f"agent-loops: {message}".replace("\n", " "), file=sys.stderr, flush=True)


def _end(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)  # so that the draft is removed and the running step is killed


def main(arguments: Sequence[str]) -> int:
    """Prints the environment's folder, without a newline; on failure 1, the reason on stderr."""
    cache, stamp, dependencies = arguments
    requirements = re.findall(r'"([^"]+)"', dependencies)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    try:
        folder = usable_folder(cache)
        environment = find_ready(folder, stamp) or build(folder, stamp, requirements)
    except (BuildError, OSError) as error:
        _tell(str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    sys.stdout.buffer.write(os.fsencode(environment))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
