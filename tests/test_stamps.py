"""Stamps: on what a figure was measured, and no comparison of figures across machines."""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path

import pytest

from agent_loops import devices, stamps
from agent_loops.stamps import Gpu
from support import Project, edit_block

LISTED = """\
GPU 0: NVIDIA GeForce RTX 3090 (UUID: GPU-aaaa-1)
GPU 1: NVIDIA GeForce RTX 4090 (UUID: GPU-bbbb-2)
GPU 2: NVIDIA T400 4GB (UUID: GPU-cccc-3)
"""
CUT = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-dddd)
  MIG 1g.5gb      Device  0: (UUID: MIG-1111)
  MIG 2g.10gb     Device  1: (UUID: MIG-2222)
"""
THREE = stamps.listing(LISTED)
EIGHT = [Gpu(f"GPU-{n}", "NVIDIA H200") for n in range(8)]
MIXED = "NVIDIA GeForce RTX 3090 + NVIDIA GeForce RTX 4090 + NVIDIA T400 4GB"


@pytest.mark.parametrize(
    ("gpus", "chosen", "order", "expected"),
    [
        ([], None, "", ""),
        (EIGHT, None, "", "8 x NVIDIA H200"),
        (EIGHT, "3", "", "NVIDIA H200"),
        (EIGHT, "3, 5", "", "2 x NVIDIA H200"),
        (EIGHT, "0,99,1", "", "NVIDIA H200"),  # CUDA stops at the first that is not there
        (EIGHT, "", "", ""),
        (EIGHT, "-1", "", ""),
        (THREE, None, "", MIXED),
        (THREE, "1", "PCI_BUS_ID", "NVIDIA GeForce RTX 4090"),
        (THREE, "1", "", f"GPU 1, fastest first, of {MIXED}"),
        (THREE, "GPU-cccc", "", "NVIDIA T400 4GB"),
        (THREE, "GPU-cccc-3,GPU-aaaa-1", "", "NVIDIA T400 4GB + NVIDIA GeForce RTX 3090"),
        (stamps.listing(CUT), None, "", "NVIDIA A100-SXM4-40GB (MIG 1g.5gb, MIG 2g.10gb)"),
        (stamps.listing(CUT), "MIG-2222", "", "NVIDIA A100-SXM4-40GB MIG 2g.10gb"),
    ],
)
def test_a_run_sees_what_cuda_lets_it_see(
    gpus: list[Gpu], chosen: str | None, order: str, expected: str
) -> None:
    assert stamps.visible(gpus, chosen, order=order) == expected


@pytest.mark.parametrize(
    ("command", "program", "chosen"),
    [
        ("python train.py", "python", None),
        ("CUDA_VISIBLE_DEVICES=1 python3 train.py", "python3", "1"),
        ("export CUDA_VISIBLE_DEVICES='0,1'; .venv/bin/python t.py", ".venv/bin/python", "0,1"),
        ("timeout 300 python3.12 t.py", "python3.12", None),
        ("cd src && python t.py", "python", None),
        ("uv run train.py", "uv", None),
        ("uv run --with torch train.py", "", None),
        ("torchrun --nproc 2 t.py", "torchrun", None),
        ("sh train.sh", "sh", None),
        ("cd x && make train", "sh", None),
        ("conda run -n x python t.py", "", None),
        ("docker run image python t.py", "", None),
    ],
)
def test_a_command_says_which_python_and_which_gpus(
    command: str, program: str, chosen: str | None
) -> None:
    told = stamps.read_command(command)
    assert (told.program, told.chosen, told.is_plain) == (program, chosen, True)


def test_what_only_the_shell_knows_is_not_guessed() -> None:
    assert not stamps.read_command("CUDA_VISIBLE_DEVICES=$GPU python t.py").is_plain
    assert not stamps.read_command('CUDA_VISIBLE_DEVICES="$(free)" python t.py').is_plain
    assert stamps.read_command("srun --gres=gpu:1 python t.py").is_remote


STAMP = {"device": "NVIDIA H200", "driver": "550.54.15", "python": "3.11.7", "torch": "2.5.1+cu124"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, ()),
        ({"device": "2 x NVIDIA H200"}, ("device",)),
        ({"driver": "550.90.07"}, ()),
        ({"driver": "570.86.10"}, ("driver",)),
        ({"python": "3.11.9"}, ()),
        ({"python": "3.12.1"}, ("python",)),
        ({"torch": "2.5.1+cu121"}, ("torch",)),
        ({"jax": "0.4.30"}, ()),  # joined, and nothing of before uses it
    ],
)
def test_what_changes_harmlessly_is_no_difference(
    change: dict[str, str], expected: tuple[str, ...]
) -> None:
    assert stamps.differing(STAMP, {**STAMP, **change}) == expected


def test_what_is_not_known_is_not_compared() -> None:
    assert stamps.differing({}, STAMP) == ()
    assert stamps.differing(STAMP, {}) == ()
    assert (
        stamps.in_words(STAMP) == "NVIDIA H200, driver 550.54.15, Python 3.11.7, torch 2.5.1+cu124"
    )


def test_packages_are_known_by_their_metadata() -> None:
    names = [
        "torch-2.5.1+cu124.dist-info", "torch", "scikit_learn-1.5.0.dist-info", "x-1.dist-info",
        "numpy-1.26.4-py3.11.egg-info", "jax-0.4.30.dist-info", "requests-2.0.dist-info",
    ]  # fmt: skip
    assert stamps.packages_in(names) == {
        "torch": "2.5.1+cu124", "scikit-learn": "1.5.0", "numpy": "1.26.4", "jax": "0.4.30",
    }  # fmt: skip


def test_gpus_that_cannot_be_named_are_not_taken_for_none(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = {"/dev": ["null", "nvidia0", "nvidiactl"]}
    monkeypatch.setattr(devices, "_names", lambda folder: nodes.get(folder, []))
    monkeypatch.setattr(devices, "_smi", lambda _: None)
    assert devices.gpus_here({}, {}) is None
    monkeypatch.setattr(devices, "_smi", lambda _: "/bin/false")
    assert devices.gpus_here({}, {}) is None
    nodes.clear()
    assert devices.gpus_here({}, {}) == []


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"gpus": 3}', '{"gpus": [["a", 1]], "gpus_key": []}', '{"pythons": {"p": {}}}'],
)
def test_a_cache_of_no_use_is_learnt_anew(tmp_path: Path, content: str) -> None:
    path = tmp_path / "cache"
    path.write_text(content)
    assert devices.load(path) == {}


def machine(folder: Path, listing: str) -> dict[str, str]:
    """The variables of a shell on a machine with these GPUs."""
    program = folder / "bin/nvidia-smi"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\n[ $1 = -L ] || exit 1\ncat <<'END'\n{listing}END\n")
    program.chmod(0o755)
    return {"PATH": f"{program.parent}:{os.environ['PATH']}"}


def gpus(*names: str) -> str:
    return "".join(f"GPU {n}: {name} (UUID: GPU-{n})\n" for n, name in enumerate(names))


def virtual(folder: Path, **versions: str) -> Path:
    """The Python of an environment with these packages."""
    (folder / "bin").mkdir(parents=True)
    (folder / "bin/python").symlink_to(os.path.realpath(sys.executable))
    home = os.path.dirname(os.path.realpath(sys.executable))
    (folder / "pyvenv.cfg").write_text(f"home = {home}\ninclude-system-site-packages = false\n")
    for name, version in versions.items():
        (site(folder) / f"{name}-{version}.dist-info").mkdir(parents=True)
    return folder / "bin/python"


def site(folder: Path) -> Path:
    return folder / f"lib/python3.{sys.version_info.minor}/site-packages"


def test_another_device_is_refused_until_the_incumbent_is_measured_on_it(tmp_path: Path) -> None:
    desk = machine(tmp_path / "desk", gpus("NVIDIA RTX 4090"))
    laptop = machine(tmp_path / "laptop", gpus("NVIDIA RTX 4060 Laptop"))
    project = Project(tmp_path / "p")
    project.setup()
    assert project.ask("try", "baseline", env=desk)["status"] == "keep"
    project.edit("LR = 0.01", "LR = 0.02")
    answer = project.ask("try", "rate", env=laptop)
    assert (answer.code, answer["kind"]) == (3, "elsewhere")
    assert "measured on NVIDIA RTX 4090; here it is NVIDIA RTX 4060 Laptop" in answer["reason"]
    assert "rebaseline --why" in answer["next"]
    assert len(project.events("run_started")) == 1
    assert project.events("refused")[-1]["kind"] == "elsewhere"
    assert "NVIDIA RTX 4060 Laptop" in project.ask("status", env=laptop)["in_the_way"][0]

    assert project.ask("try", "rate", env=desk)["status"] == "keep"
    assert project.ask("rebaseline", "--why", "on the road", env=laptop)["status"] == "keep"
    project.edit("LR = 0.02", "LR = 0.03")
    assert project.ask("try", "rate", env=desk).code == 3
    assert project.ask("try", "rate", env=laptop)["status"] == "keep"
    assert project.events("run_finished")[-1]["stamp"]["device"] == "NVIDIA RTX 4060 Laptop"


def test_a_node_of_the_same_kind_goes_on_and_a_gpu_less_one_does_not(tmp_path: Path) -> None:
    first = machine(tmp_path / "n1", gpus(*["NVIDIA H100"] * 8)) | {"CUDA_VISIBLE_DEVICES": "5"}
    other = machine(tmp_path / "n2", gpus(*["NVIDIA H100"] * 4)) | {"CUDA_VISIBLE_DEVICES": "0"}
    login = machine(tmp_path / "login", "")
    project = Project(tmp_path / "p")
    project.setup()
    project.ask("try", "baseline", env=first)
    project.edit("LR = 0.01", "LR = 0.02")
    assert "CPU" in project.ask("try", "rate", env=login)["reason"]
    answer = project.ask("try", "rate", env={**other, "CUDA_VISIBLE_DEVICES": "0,1"})
    assert "measured on NVIDIA H100; here it is 2 x NVIDIA H100" in answer["reason"]
    assert project.ask("try", "rate", env=other)["status"] == "keep"


def test_of_three_gpus_of_different_kinds_the_same_one_is_used(tmp_path: Path) -> None:
    env = machine(tmp_path / "m", LISTED)
    project = Project(tmp_path / "p")
    project.setup()
    project.ask("try", "baseline", env=env | {"CUDA_VISIBLE_DEVICES": "0"})
    project.edit("LR = 0.01", "LR = 0.02")
    assert project.ask("try", "rate", env=env | {"CUDA_VISIBLE_DEVICES": "1"}).code == 3
    assert project.ask("try", "rate", env=env | {"CUDA_VISIBLE_DEVICES": "0"})["status"] == "keep"


def test_a_package_that_moves_figures_is_refused_when_it_changes(tmp_path: Path) -> None:
    python = virtual(tmp_path / "venv", torch="2.4.0", numpy="1.26.4")
    project = Project(tmp_path / "p")
    project.bind(run_cmd=f"{shlex.quote(str(python))} train.py")
    project.baseline()
    stamp = project.events("run_finished")[0]["stamp"]
    assert (stamp["torch"], stamp["numpy"]) == ("2.4.0", "1.26.4")
    assert stamp["python"].startswith(f"3.{sys.version_info.minor}.")
    assert "torch 2.4.0" in project.call("show", "1").out
    assert "\ndevice    " in project.call("status").out

    (site(tmp_path / "venv") / "jax-0.4.30.dist-info").mkdir()
    project.edit("LR = 0.01", "LR = 0.02")
    assert project.ask("try", "rate")["status"] == "keep"
    (site(tmp_path / "venv") / "torch-2.4.0.dist-info").rename(
        site(tmp_path / "venv") / "torch-2.5.0.dist-info"
    )
    project.edit("LR = 0.02", "LR = 0.03")
    answer = project.ask("try", "rate")
    assert (answer.code, answer["kind"]) == (3, "elsewhere")
    assert "torch 2.4.0; here it is torch 2.5.0" in answer["reason"]


def test_what_only_the_prelude_chooses_is_learnt_from_the_run_and_never_kept(
    tmp_path: Path,
) -> None:
    env = machine(tmp_path / "m", LISTED)
    choice = tmp_path / "choice"
    choice.write_text("GPU-aaaa-1")
    project = Project(tmp_path / "p")
    project.bind(prelude=f"export CUDA_VISIBLE_DEVICES=$(cat {shlex.quote(str(choice))})")
    project.setup()
    assert project.ask("try", "baseline", env=env)["status"] == "keep"
    assert project.events("run_finished")[0]["stamp"]["device"] == "NVIDIA GeForce RTX 3090"

    choice.write_text("GPU-cccc-3")
    edit = edit_block("train.py", "LR = 0.01", "LR = 0.02")
    answer = project.ask("try", "rate", "--edit", "-", stdin=edit, env=env)
    assert (answer["status"], answer["kind"]) == ("crash", "machine")
    assert "does not count: measured on NVIDIA T400 4GB" in answer["reason"]
    assert "rebaseline" in answer["next"]
    assert answer["incumbent"]["experiment"] == 1
    assert len(project.events("run_started")) == 2  # it is not tried again by itself

    choice.write_text("GPU-aaaa-1")
    again = project.ask("try", "rate", "--edit", "-", stdin=edit, env=env)
    assert again["status"] == "keep"
    assert not list((project.sandbox / "iter1").glob("prelude*"))


def test_an_activated_environment_is_that_of_a_script(tmp_path: Path) -> None:
    python = virtual(tmp_path / "venv", numpy="2.1.0")
    project = Project(tmp_path / "p")
    project.write("run.sh", "python train.py\n")
    activate = f"export VIRTUAL_ENV={python.parent.parent}; PATH={python.parent}:$PATH"
    project.bind(run_cmd="sh run.sh", prelude=activate)
    project.baseline()
    assert project.events("run_finished")[0]["stamp"]["numpy"] == "2.1.0"


@pytest.mark.parametrize(("prelude", "code"), [("false", 1), ("(exit 7)", 7), ("exit 9", 9)])
def test_a_prelude_that_fails_still_fails_the_run(tmp_path: Path, prelude: str, code: int) -> None:
    project = Project(tmp_path / "p")
    project.bind(prelude=prelude)
    project.setup()
    assert project.ask("try", "baseline")["status"] == "crash"
    assert project.events("run_finished")[0]["exit_code"] == code


def test_a_campaign_from_before_there_were_stamps_goes_on(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.baseline()
    (project.sandbox / "fold.cache.json").unlink(missing_ok=True)
    journal = project.sandbox / "journal.jsonl"
    records = [json.loads(line) for line in journal.read_text().splitlines()]
    for record in records:
        record.pop("stamp", None)
    journal.write_text("".join(json.dumps(record) + "\n" for record in records))
    project.edit("LR = 0.01", "LR = 0.02")
    other = machine(tmp_path / "m", gpus("NVIDIA H200"))
    assert project.ask("try", "rate", env=other)["status"] == "keep"
    assert project.ask("show", "1")["runs"][0]["stamp"] == {}
