"""What is missing or in the way on this machine: programs, disk, locks, memory, GPUs, clock.

Changes nothing: the one file that it makes, to try a lock on, is gone again.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import itertools
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

from agent_loops import __version__, files, processes
from agent_loops.diagnosis.checks import Check, CheckMaker, ask, missing, ok, warn
from agent_loops.diagnosis.subjects import Subject
from agent_loops.git_commands import Git, GitMissing
from agent_loops.state import Campaign

_GIB = 1 << 30
_LEAST_DISK_BYTES = 100 << 20
_LITTLE_DISK_BYTES = 2 * _GIB
_RUNS_OF_ROOM = 10
_LITTLE_MEMORY_BYTES = _GIB
# A driver keeps some hundred MiB of an idle GPU.
_GPU_IDLE_MIB = 1024
_CLOCK_SLACK = timedelta(minutes=2)
_PACKAGES = {"yaml": "pyyaml", "pathspec": "pathspec", "psutil": "psutil", "git": "gitpython"}
_LOOKED_AT_FOLDERS = 12
_LOOKED_AT_FILES = 20_000


def python(_: Subject) -> Iterator[Check]:
    """The interpreter that agent-loops itself runs on, and its packages."""
    lost = [name for module, name in _PACKAGES.items() if not importlib.util.find_spec(module)]
    here = f"Python {platform.python_version()} for agent-loops {__version__}, {sys.executable}"
    if lost:
        install = f"{sys.executable} -m pip install {' '.join(lost)}"
        yield missing("python", f"{here}: without {', '.join(lost)}", install)
    else:
        yield ok("python", here)


def bash(subject: Subject) -> Iterator[Check]:
    """Every command of the bindings is run by it."""
    found = shutil.which("bash", path=subject.environ.get("PATH"))
    if found:
        yield ok("bash", found)
    else:
        yield missing("bash", "not on PATH, and every run is started by it", "install bash")


def uv(subject: Subject) -> Iterator[Check]:
    found = shutil.which("uv", path=subject.environ.get("PATH"))
    yield ok("uv", found or "not on PATH: needed only where a command calls it")


def git(subject: Subject) -> Iterator[Check]:
    """The program; the repository's state is the project's."""
    needed = subject.bindings is not None and subject.bindings.iter_strategy == "branches"
    try:
        version = Git(subject.root).run("--version").line
    except GitMissing:
        if needed:
            step = "install git, or set `iter_strategy: snapshots`"
            yield missing("git", "not on PATH, and iter_strategy: branches needs it", step)
        else:
            yield ok("git", "not on PATH: snapshots do without")
        return
    name = Git(subject.root).run("config", "--get", "user.name", expected=(0, 1)).line
    yield ok("git", f"{version}; commits by {name or 'agent-loops (no user.name is set)'}")


def disk(subject: Subject) -> Iterator[Check]:
    """Room for what runs leave, by what earlier runs have left."""
    folder = _there(subject.sandbox or subject.root)
    free = shutil.disk_usage(folder).free
    largest = _largest_run(subject.sandbox) if subject.sandbox else 0
    line = f"{size_in_words(free)} free in {folder}"
    if largest:
        line += f"; a run leaves up to {size_in_words(largest)}"
    step = "free some room, or give another `sandbox_root`"
    if free < max(_LEAST_DISK_BYTES, largest):
        yield missing("disk", line, step)
    elif free < max(_LITTLE_DISK_BYTES, _RUNS_OF_ROOM * largest):
        yield warn("disk", line, step)
    else:
        yield ok("disk", line)


def _there(folder: Path) -> Path:
    """The folder, or the nearest above it that exists."""
    return next(path for path in (folder, *folder.parents) if path.is_dir())


def _largest_run(sandbox: Path) -> int:
    """Bytes that the largest of the last experiments holds, as far as a quick look tells."""
    folders = sorted(sandbox.glob("iter*"), key=os.path.getmtime)[-_LOOKED_AT_FOLDERS:]
    return max(map(bytes_in, folders), default=0)


def bytes_in(folder: Path) -> int:
    """What lies in a folder, as far as a quick look tells."""
    total = 0
    for path in itertools.islice(folder.rglob("*"), _LOOKED_AT_FILES):
        with contextlib.suppress(OSError):
            total += path.lstat().st_size
    return total


def locks(subject: Subject) -> Iterator[Check]:
    """Tries a lock on the file system that will hold the campaign, and that it excludes."""
    folder = _there(subject.sandbox or subject.root)
    name = f"locks in {folder}"
    try:
        # Named as the temporary files are that nothing looks at and that are swept.
        fd, path = tempfile.mkstemp(prefix=".agent-loops.", suffix=".tmp", dir=folder)
    except OSError as error:
        step = f"make {folder} writable, or give another `sandbox_root`"
        yield missing("writable", f"{folder}: {error.strerror}", step)
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        works = files.is_locked(Path(path))
        said = "" if works else "two processes get the same lock"
    except OSError as error:
        works, said = False, error.strerror or "refused"
    finally:
        os.close(fd)
        os.unlink(path)
    kind = _file_system(folder)
    yield ok("writable", str(folder))
    if works:
        yield ok("locks", f"{name} work{kind}")
    else:
        step = "put `sandbox_root` on a local disk"
        yield missing("locks", f"{name} do not work: {said}{kind}", step)


def _file_system(folder: Path) -> str:
    """` (its type)`, where the system tells."""
    found, kind = "", ""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/mounts").read_text("utf-8", "replace").splitlines():
            _, mount, name, *_ = line.split(" ")
            mount = mount.replace("\\040", " ")
            if len(mount) >= len(found) and (
                folder == Path(mount) or Path(mount) in folder.parents
            ):
                found, kind = mount, f" ({name})"
    return kind


def ending_processes(_: Subject) -> Iterator[Check]:
    """Whether all that a run starts can be found and ended."""
    name = "ending runs"
    if not sys.platform.startswith("linux"):
        processes.system()
        yield ok(name, "by group and environment; what hides from both outlives its run here")
        return
    if not Path("/proc/self/environ").is_file():
        step = "mount it: mount -t proc proc /proc"
        yield missing(name, "no /proc: a run's processes cannot be found", step)
    elif not processes.can_adopt_orphans():
        yield warn(name, "this kernel adopts no orphans: a process that hides may outlive its run")
    else:
        yield ok(name, "by /proc and as their subreaper")


def memory(_: Subject) -> Iterator[Check]:
    total, available = _memory_bytes()
    line = f"{size_in_words(available)} of {size_in_words(total)} available, {_cpus()} CPUs"
    if available < _LITTLE_MEMORY_BYTES:
        yield warn("memory", line, "end what else uses memory")
    else:
        yield ok("memory", line)


def _memory_bytes() -> tuple[int, int]:
    """RAM of the machine, or of the container, and what of it is free to use."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    available = total
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                available = int(line.split()[1]) * 1024
    with contextlib.suppress(OSError, ValueError):
        group = Path("/sys/fs/cgroup")
        limit = int((group / "memory.max").read_text())
        used = int((group / "memory.current").read_text())
        total, available = min(total, limit), min(available, limit - used)
    return total, available


def _cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def gpu(subject: Subject) -> Iterator[Check]:
    """Each GPU, and who else is on it; the campaign's own run does not count."""
    program = shutil.which("nvidia-smi", path=subject.environ.get("PATH"))
    if not program:
        yield ok(
            "gpu", "no nvidia-smi: runs are on the CPU, or on a GPU that nobody is asked about"
        )
        return
    rows = _nvidia(subject, program, "--query-gpu=index,uuid,name,memory.total,memory.used")
    if isinstance(rows, str):
        step = "see what `nvidia-smi` says; a restart mends a driver that was updated"
        yield warn("gpu", f"nvidia-smi fails: {rows}", step)
        return
    apps = _nvidia(subject, program, "--query-compute-apps=gpu_uuid,pid,used_memory,process_name")
    held = [row for row in apps if len(row) == 4] if not isinstance(apps, str) else []
    own = _own_pids(subject)
    step = "end them, or choose another GPU by CUDA_VISIBLE_DEVICES"
    for index, uuid, name, total, used in (row for row in rows if len(row) == 5):
        label = f"GPU {index} {name}, {_mib(total)}"
        others = [row for row in held if row[0] == uuid and row[1] not in own]
        ours = any(row[0] == uuid and row[1] in own for row in held)
        if others:
            who = ", ".join(f"{row[3].rpartition('/')[2]} (pid {row[1]}, {_mib(row[2])})"
                            for row in others[:3])  # fmt: skip
            yield warn("gpu", f"{label}: held by {who}", step)
        elif used.isdigit() and int(used) > _GPU_IDLE_MIB and not ours:
            seen = f"{_mib(used)} are in use by processes that cannot be seen from here"
            yield warn("gpu", f"{label}: {seen}", step)
        else:
            yield ok("gpu", label)
    if not rows:
        yield ok("gpu", "nvidia-smi lists none: runs are on the CPU")


def _nvidia(subject: Subject, program: str, query: str) -> list[list[str]] | str:
    """The rows of an answer, or what was said instead."""
    words = [program, query, "--format=csv,noheader,nounits"]
    reply = ask(words, environ=subject.environ, folder=subject.root)
    if reply.code != 0:
        return reply.said
    fields = query.count(",")  # a program's name, asked for last, may hold more of them
    lines = [line for line in reply.out.splitlines() if line.strip()]
    return [[cell.strip() for cell in line.split(",", fields)] for line in lines]


def _own_pids(subject: Subject) -> set[str]:
    campaign = subject.store.campaign if subject.store else None
    if campaign is None or campaign.open_run is None:
        return set()
    number, run = campaign.open_run
    marker = campaign.experiments[number].runs[run - 1].started.marker
    return {str(process.pid) for process in processes.find(marker)}


def clock(subject: Subject) -> Iterator[Check]:
    now = datetime.now(timezone.utc)
    local = now.astimezone()
    line = f"{local:%Y-%m-%d %H:%M} {time.tzname[local.timetuple().tm_isdst > 0]}"
    behind = _behind(subject.store.campaign, now) if subject.store else timedelta()
    if behind > _CLOCK_SLACK:
        minutes = behind.total_seconds() / 60
        said = f"{line}: {minutes:.0f} min behind the campaign's last record"
        yield warn("clock", said, "set the clock; stop_at and stop_after follow it")
        return
    if subject.bindings and subject.bindings.stop_at:
        line += f"; stop_at {subject.bindings.stop_at} is by this clock"
    yield ok("clock", line)


def _behind(campaign: Campaign, now: datetime) -> timedelta:
    return datetime.fromisoformat(campaign.last_time) - now if campaign.last_time else timedelta()


def sleep(_: Subject) -> Iterator[Check]:
    """A battery that is the machine's own: a laptop sleeps where nobody tells it not to."""
    for supply in Path("/sys/class/power_supply").glob("*"):
        if _word(supply / "type") == "Battery" and _word(supply / "scope") != "Device":
            step = "keep it plugged in and open; `systemd-inhibit --what=idle:sleep sleep infinity`"
            yield warn("sleep", "this machine has a battery and may go to sleep", step)
            return
    yield ok("sleep", "no battery seen")


def _word(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def user(_: Subject) -> Iterator[Check]:
    if os.geteuid() != 0:
        yield ok("user", "not root")
    elif any(Path(mark).exists() for mark in ("/.dockerenv", "/run/.containerenv")):
        yield ok("user", "root, in a container")
    else:
        step = "work as another user, or in a container"
        yield warn("user", "root: what an agent's code does wrong, it does to the machine", step)


def size_in_words(count: float) -> str:
    """Bytes in GB or MB."""
    return f"{count / _GIB:.1f} GB" if count >= _GIB else f"{count / (1 << 20):.0f} MB"


def _mib(text: str) -> str:
    return size_in_words(int(text) << 20) if text.isdigit() else "memory unknown"


MAKERS: tuple[CheckMaker, ...] = (
    python, bash, uv, git, disk, locks, ending_processes, memory, gpu, clock, sleep, user,
)  # fmt: skip
