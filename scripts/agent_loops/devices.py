"""Learns what a run is measured on: its GPUs or CPU, its Python, the packages that move figures.

Sees what can be seen before code runs: a device that the code picks, or packages that it installs,
are its own affair. GPUs of other makers than NVIDIA are not told apart.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent_loops import files, machine, stamps
from agent_loops.errors import AgentLoopsError
from agent_loops.stamps import Command, Gpu

Known = dict[str, Any]
"""What was asked before, with what tells that the answer still holds."""

_LIMIT_S = 10.0
_SMI_FOLDERS = "/usr/bin:/usr/local/bin:/usr/local/nvidia/bin:/usr/lib/wsl/lib"
_DRIVER = Path("/proc/driver/nvidia/version")
# Together they change when a GPU comes, goes or is cut.
_GPU_FOLDERS = ("/proc/driver/nvidia/gpus", "/dev/nvidia-caps")
_HEAD_BYTES = 4096
# Imports nothing of a library that could be shadowed.
_ASK = (
    "import sys; print(sys.version.split()[0], "
    "*[p for p in sys.path if p.endswith(('site-packages', 'dist-packages'))], sep='\\n')"
)
# What moves a Python's search path without touching the interpreter.
_PYTHON_VARIABLES = ("PYTHONPATH", "PYTHONHOME", "PYTHONNOUSERSITE", "PYTHONUSERBASE", "HOME")
_SCRIPT_METADATA = rb"(?m)^# /// script\s*$"
_PRELUDE_VARIABLES = (
    "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "PATH", "VIRTUAL_ENV", "CONDA_PREFIX",
)  # fmt: skip
_EXEC = rb"'''exec' \"?([^\"\n]+?)\"? "


def load(path: Path) -> Known:
    """What was learnt before; empty where that is gone or of no use."""
    try:
        value = files.load_json(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return value if _is_sound(value) else {}


def _is_sound(value: object) -> bool:
    """Whether it has the form that `save` gave it: a run may write any file."""
    if not isinstance(value, dict) or value.keys() - {"gpus", "gpus_key", "pythons"}:
        return False
    gpus, pythons = value.get("gpus", []), value.get("pythons", {})
    return (
        isinstance(gpus, list)
        and all(isinstance(gpu, list) and list(map(type, gpu)) == [str, str] for gpu in gpus)
        and ("gpus" in value) == ("gpus_key" in value)
        and isinstance(pythons, dict)
        and all(map(_is_python, pythons.values()))
    )


def _is_python(entry: object) -> bool:
    return (
        isinstance(entry, dict)
        and entry.keys() == {"key", "version", "folders", "times", "packages"}
        and isinstance(entry["version"], str)
        and isinstance(entry["folders"], list)
        and all(isinstance(folder, str) for folder in entry["folders"])
        and isinstance(entry["packages"], dict)
        and all(isinstance(version, str) for version in entry["packages"].values())
    )


def save(path: Path, known: Known) -> None:
    """Keeps it for the next time; on a full disk it is learnt anew."""
    try:
        files.write_atomic(path, files.dump_json(known).encode(), mode=0o600, durable=False)
    except (AgentLoopsError, ValueError):
        return


def stamp(
    command: str,
    environ: Mapping[str, str],
    *,
    folder: Path,
    known: Known,
    prelude: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """What a run of `command` is measured on, as far as it can be known.

    Args:
        command: the run's, placeholders filled or not.
        environ: the environment that it is started in.
        folder: where it is started.
        known: what was learnt before; changed in place.
        prelude: what `read_report` read, where the run had a prelude.
    """
    told = stamps.read_command(command)
    environ = {**environ, **(prelude or {})}
    program = "" if told.is_remote else _path_of(told, environ, folder)
    found = seen(command, environ, known)
    return found | (_python(program, environ, known) if program else {})


def seen(command: str, environ: Mapping[str, str], known: Known) -> dict[str, str]:
    """The device alone, with its driver; `known` is changed in place."""
    told = stamps.read_command(command)
    if told.is_remote:
        return {}
    gpus = gpus_here(environ, known) if told.is_plain else None
    if gpus is None:
        return {}
    chosen = environ.get("CUDA_VISIBLE_DEVICES") if told.chosen is None else told.chosen
    device = stamps.visible(gpus, chosen, order=environ.get("CUDA_DEVICE_ORDER", ""))
    if not device:
        return {"device": cpu()}
    driver = re.search(rb"  (\d+\.[\d.]+) ", _head(_DRIVER))
    return {"device": device} | ({"driver": driver[1].decode()} if driver else {})


def gpus_here(environ: Mapping[str, str], known: Known) -> list[Gpu] | None:
    """Every NVIDIA GPU of this machine; None where there may be some and they cannot be named."""
    nodes = [name for name in _names("/dev") if re.fullmatch(r"nvidia\d+", name)]
    smi = _smi(environ)
    if smi is None:
        return None if nodes else []
    key = [machine.host(), machine.boot_id(), smi, nodes, *map(_names, _GPU_FOLDERS)]
    if known.get("gpus_key") != key or not machine.boot_id():
        text = _said([smi, "-L"], environ)
        gpus = stamps.listing(text or "")
        if not gpus and nodes:
            return None
        known["gpus_key"], known["gpus"] = key, [list(gpu) for gpu in gpus]
    return [Gpu(*item) for item in known["gpus"]]


def _smi(environ: Mapping[str, str]) -> str | None:
    """A PATH may lack it, where a hook or a timer set that; the GPU is there all the same."""
    found = shutil.which("nvidia-smi", path=environ.get("PATH", os.defpath))
    return found or shutil.which("nvidia-smi", path=_SMI_FOLDERS)


def cpu() -> str:
    """The processor's name, and how many of it this process may use."""
    model = re.search(rb"(?m)^model name\s*:\s*(.+)$", _head(Path("/proc/cpuinfo")))
    name = model[1].decode(errors="replace").strip() if model else os.uname().machine
    if os.uname().sysname == "Darwin":
        name = (_said(["sysctl", "-n", "machdep.cpu.brand_string"], os.environ) or name).strip()
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    return f"{' '.join(name.split())}, {count} {'CPU' if count == 1 else 'CPUs'}"


def describe(environ: Mapping[str, str]) -> dict[str, object]:
    """The machine for the campaign's record: names only, nothing that identifies a person."""
    return {
        "host": machine.host(),
        "system": f"{os.uname().sysname} {os.uname().machine}",
        "cpus": os.cpu_count() or 0,
        "gpus": [gpu.name for gpu in gpus_here(environ, {}) or [] if "MIG" not in gpu.uuid],
    }


def with_report(prelude: str, report: Path) -> str:
    """The prelude, and behind it what leaves in `report` the variables that decide on the stamp.

    Where there is none, the caller's variables are the run's, and nothing is to be told.
    """
    if not prelude.strip():
        return prelude
    import shlex

    told = "; ".join(
        f'printf "%s\\n" "{name}=${{{name}-}}${{{name}+.}}"' for name in _PRELUDE_VARIABLES
    )
    return (
        f"{prelude}\n__agent_loops_status=$?\n"
        f"{{ {told}; }} 2>/dev/null > {shlex.quote(str(report))}\n"
        '( exit "$__agent_loops_status" )'
    )


def read_report(report: Path) -> dict[str, str]:
    """What the prelude left there, each set variable with its value; the report is removed."""
    try:
        lines = files.read_regular(report).decode(errors="replace").splitlines()
        report.unlink()
    except OSError:
        return {}
    pairs = (line.partition("=") for line in lines)
    return {name: value[:-1] for name, _, value in pairs if value.endswith(".")}


def _path_of(told: Command, environ: Mapping[str, str], folder: Path) -> str:
    """Where the program lies; a shell's script means the environment that is active, if any."""
    program = told.program
    if program == "uv":
        if re.search(_SCRIPT_METADATA, _head(folder / told.script)):
            return ""  # has packages of its own
        own = environ.get("UV_PROJECT_ENVIRONMENT", ".venv")
        return str(folder / own / "bin" / "python")
    if program == "sh" and (environ.get("VIRTUAL_ENV") or environ.get("CONDA_PREFIX")):
        program = "python"
    if program in ("", "sh"):
        return ""
    if "/" in program:
        return str(folder / program)
    return shutil.which(program, path=environ.get("PATH", os.defpath)) or ""


def _python(program: str, environ: Mapping[str, str], known: Known) -> dict[str, str]:
    """The version and packages of the Python that `program` is, or is a script of."""
    interpreter = _interpreter(Path(program), environ)
    try:
        status = os.stat(interpreter) if interpreter else None
    except OSError:
        status = None
    if status is None or not stat.S_ISREG(status.st_mode):
        return {}
    key = [os.path.realpath(interpreter), status.st_mtime_ns, status.st_size]
    key += [_mtime(Path(interpreter).parent.parent / "pyvenv.cfg")]
    key += [environ.get(name) for name in _PYTHON_VARIABLES]
    pythons: Known = known.setdefault("pythons", {})
    entry = pythons.get(interpreter)
    if not isinstance(entry, dict) or entry.get("key") != key:
        quiet = {**environ, "PYTHONDONTWRITEBYTECODE": "1"}
        version, *folders = (_said([interpreter, "-c", _ASK], quiet) or "").splitlines() or [""]
        if not re.match(r"\d+\.\d+", version):
            return {}
        entry = pythons[interpreter] = {"key": key, "version": version, "folders": folders}
    times = [_mtime(Path(folder)) for folder in entry["folders"]]
    if entry.get("times") != times:
        entry["packages"] = {}
        for folder in reversed(entry["folders"]):  # the first on the path counts
            entry["packages"] |= stamps.packages_in(_names(folder))
        entry["times"] = times
    packages = entry["packages"]
    return {"python": entry["version"], **{key: packages[key] for key in sorted(packages)}}


def _interpreter(program: Path, environ: Mapping[str, str]) -> str:
    """Itself, or what a script names in its first lines; "" where that is another language's."""
    head = _head(program)
    if not head.startswith(b"#!"):
        return str(program) if head and re.search(r"python[\d.]*$", program.name) else ""
    first, *_ = head[2:].splitlines() or [b""]
    if found := re.search(_EXEC, head):
        return os.fsdecode(found[1])
    words = os.fsdecode(first).split()
    if words and words[0].endswith("/env"):
        words = words[1:]
    if not words or not re.search(r"python[\d.]*$", words[0]):
        return ""
    return shutil.which(words[0], path=environ.get("PATH", os.defpath)) or ""


def _said(words: list[str], environ: Mapping[str, str]) -> str | None:
    import subprocess  # takes long to import, and most stamps are known

    try:
        done = subprocess.run(
            words, env=dict(environ), cwd="/", stdin=subprocess.DEVNULL, capture_output=True,
            text=True, errors="replace", timeout=_LIMIT_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _head(path: Path) -> bytes:
    """The first bytes: of many processors' descriptions one is enough, and all take long."""
    try:
        with path.open("rb", buffering=0) as stream:
            return stream.read(_HEAD_BYTES) or b""
    except OSError:
        return b""


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _mtime(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
