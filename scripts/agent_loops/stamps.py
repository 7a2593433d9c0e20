"""What a figure was measured on, in a few words, and whether two such stamps may be compared.

Says nothing of how they are learnt, which is for `devices`. What changes harmlessly is no part of a
comparison: a host's name, its load, a patch of the driver or of Python, a package that joined.
"""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from agent_loops import commands

Stamp = Mapping[str, str]
"""`device`, `driver`, `python`, and packages by name; what is not known is not in it."""
BACK_OR_ANEW = (
    "go back to what it was; or `agent-loops rebaseline --why …` measures the incumbent anew here"
)
PACKAGES = (
    "torch triton jax jaxlib tensorflow keras numpy scipy scikit-learn xgboost lightgbm mlx cupy "
    "flash-attn transformers lightning".split()
)
_COMPARED_PARTS = {"driver": 1, "python": 2}
_PREFIXES = {"device": "", "driver": "driver ", "python": "Python "}
# Compiled where they are used: a `try` needs few of them, and each takes long.
_INFO = r"(?P<name>[\w.]+?)-(?P<version>\d[^-]*)(?:-py[\d.]+)?\.(?:dist|egg)-info"
_GPU = r"GPU \d+: (?P<name>.+) \(UUID: (?P<uuid>[^)]+)\)"
_SLICE = r"\s+(?P<name>MIG \S+).*\(UUID: (?P<uuid>[^)]+)\)"
_CHOOSES = r"\bCUDA_VISIBLE_DEVICES=('[^']*'|\"[^\"$`]*\"|[\w,:.-]*)(?=$|[\s;&|)])"
_PYTHON = r"(?:^|/)python[\d.]*$"
# They run on another machine, or with a Python and packages that only they know.
_REMOTE = frozenset("ssh srun sbatch salloc ray modal sky kubectl dstack".split())
_OWN_ENVIRONMENT = frozenset(
    "conda mamba micromamba poetry pipenv pixi hatch rye pdm docker podman singularity apptainer "
    "nix nix-shell uvx".split()
)
_SHELLS = frozenset("sh bash zsh make just".split())
_BUILTINS = frozenset("cd export ulimit set unset source . true pushd umask".split())
_UV_OWN = frozenset("--with --isolated --project --directory --python -p --script -s".split())


class Gpu(NamedTuple):
    """One GPU, or a slice of one, as `nvidia-smi -L` lists them."""

    uuid: str
    name: str


class Command(NamedTuple):
    """What a command says of where it runs.

    `program` is, or is started by, the Python that matters, "" where nobody knows; `uv` stands for
    the project's own environment, `sh` for the one that is active. `script` is the Python file, ""
    where none is named. `chosen` is the CUDA_VISIBLE_DEVICES that it sets, None where it
    sets none; `is_plain` is false where it sets one that only the shell knows.
    """

    program: str
    script: str = ""
    chosen: str | None = None
    is_plain: bool = True
    is_remote: bool = False


def read_command(command: str) -> Command:
    """What can be told of a run's command without a shell."""
    programs = commands.programs(command)
    try:
        words = shlex.split(command, comments=True)
    except ValueError:
        words = command.split()
    mentions = command.count("CUDA_VISIBLE_DEVICES")
    found: list[str] = re.findall(_CHOOSES, command) if mentions else []
    return Command(
        program=_program(programs, words),
        script=next((word for word in words if word.endswith(".py")), ""),
        chosen=found[-1].strip("'\"") if found else None,
        is_plain=mentions == len(found),
        is_remote=not _REMOTE.isdisjoint(programs),
    )


def _program(programs: Sequence[str], words: Sequence[str]) -> str:
    if not (_REMOTE | _OWN_ENVIRONMENT).isdisjoint(word.rpartition("/")[2] for word in words):
        return ""
    if "uv" in programs:
        return "uv" if _UV_OWN.isdisjoint(words) and "run" in words else ""
    python = next((word for word in words if re.search(_PYTHON, word)), "")
    started = [name for name in programs if name not in _BUILTINS]
    if python or not started:
        return python
    return "sh" if started[-1] in _SHELLS else started[-1]


def listing(text: str) -> list[Gpu]:
    """Reads what `nvidia-smi -L` prints; a GPU that is cut into slices names them."""
    found: list[Gpu] = []
    parent = 0
    for line in text.splitlines():
        if match := re.match(_GPU, line):
            parent = len(found)
            found.append(Gpu(match["uuid"], match["name"]))
        elif found and (match := re.match(_SLICE, line)):
            whole = found[parent]
            found.append(Gpu(match["uuid"], f"{whole.name.partition(' (')[0]} {match['name']}"))
            cut = f"{whole.name.rstrip(')')}, " if "(" in whole.name else f"{whole.name} ("
            found[parent] = Gpu(whole.uuid, f"{cut}{match['name']})")
    return found


def visible(gpus: Sequence[Gpu], chosen: str | None, *, order: str = "") -> str:
    """The GPUs that a run sees, with their count, in CUDA's reading of its variables.

    Args:
        gpus: all of the machine, as `listing` has them.
        chosen: CUDA_VISIBLE_DEVICES; None where it is not set.
        order: CUDA_DEVICE_ORDER. Unless it is PCI_BUS_ID an index counts the fastest first, so
            that among GPUs of several kinds nobody but CUDA knows which it is.

    Returns:
        "" where it sees none.
    """
    whole = [gpu for gpu in gpus if not gpu.uuid.startswith("MIG")]
    if chosen is None:
        return _counted(gpu.name for gpu in whole)
    seen: list[str] = []
    indices: list[str] = []
    for word in (part.strip() for part in chosen.split(",")):
        if word.isdigit() and int(word) < len(whole):
            seen.append(whole[int(word)].name)
            indices.append(word)
        elif found := [gpu for gpu in gpus if word and gpu.uuid.startswith(word)]:
            seen.append(found[0].name)
        else:
            break  # CUDA sees none of those behind one that is not there
    if indices and len({gpu.name for gpu in whole}) > 1 and order != "PCI_BUS_ID":
        return f"GPU {','.join(indices)}, fastest first, of {_counted(gpu.name for gpu in whole)}"
    return _counted(seen)


def _counted(names: Iterable[str]) -> str:
    runs = [(name, len(list(group))) for name, group in itertools.groupby(names)]
    return " + ".join(name if count == 1 else f"{count} x {name}" for name, count in runs)


def could_be_among(device: str, gpus: Sequence[Gpu]) -> bool:
    """Whether a device was, or may have been, chosen from these GPUs."""
    return any(gpu.name.partition(" (")[0] in device for gpu in gpus)


def packages_in(names: Iterable[str]) -> dict[str, str]:
    """The packages that move figures, by the names of the metadata folders beside them."""
    found: dict[str, str] = {}
    for name in sorted(names):
        if match := re.fullmatch(_INFO, name):
            package = re.sub(r"[_.]", "-", match["name"]).lower()
            if package in PACKAGES:
                found[package] = match["version"]
    return found


def differing(before: Stamp, now: Stamp) -> tuple[str, ...]:
    """What of both is known, and differs so that figures cannot be compared."""
    return tuple(
        key for key in before if key in now and _part(key, before[key]) != _part(key, now[key])
    )


def _part(key: str, value: str) -> str:
    """A driver counts by its branch, a Python by its minor version."""
    return ".".join(value.split(".")[: _COMPARED_PARTS[key]]) if key in _COMPARED_PARTS else value


def in_words(stamp: Stamp, keys: Iterable[str] | None = None) -> str:
    """`NVIDIA H200, driver 550.54, Python 3.12.4, torch 2.5.1+cu124`, or only those of `keys`."""
    shown = stamp if keys is None else [key for key in keys if key in stamp]
    return ", ".join(f"{_PREFIXES.get(key, f'{key} ')}{stamp[key]}" for key in shown)
