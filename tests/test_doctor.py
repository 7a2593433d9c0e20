"""`agent-loops doctor` in real situations: what is in the way is named, and nothing is changed."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from agent_loops import commands, processes
from agent_loops.diagnosis import (
    checks,
    doctor,
    hook_checks,
    host_checks,
    host_settings,
    subjects,
)
from agent_loops.files import dump_json
from support import PYTHON, TRAIN, Answer, Project, commit_all, git, until

MOST_LINES = 25


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "p")


def ask(project: Project, **environ: str) -> dict[str, Any]:
    answer = project.ask("doctor", env=environ)
    assert (answer.code, answer.err) == (0, "")
    return dict(answer.values)


def told(answer: Mapping[str, Any], *states: str) -> list[str]:
    """`state name: line -> next` of each check, of these states alone."""
    return [
        f"{item['state']} {item['name']}: {item['line']} -> {item['next']}"
        for item in answer["checks"]
        if not states or item["state"] in states
    ]


def of_area(answer: Mapping[str, Any], area: str, *states: str) -> list[str]:
    return told({"checks": [one for one in answer["checks"] if one["area"] == area]}, *states)


def about(answer: Mapping[str, Any], name: str) -> str:
    """Everything said under one name."""
    return "\n".join(line for line in told(answer) if line.split(":")[0].endswith(f" {name}"))


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def tools(folder: Path, *names: str) -> str:
    """A PATH that holds just these programs."""
    folder.mkdir()
    for name in names:
        found = shutil.which(name)
        assert found is not None
        (folder / name).symlink_to(found)
    return str(folder)


def state_of(root: Path) -> dict[str, tuple[int, int]]:
    found = {}
    for path in [root, *root.rglob("*")]:
        status = path.lstat()
        found[str(path)] = (status.st_mtime_ns if path != root else 0, status.st_size)
    return found


# --- in general ---------------------------------------------------------------------------------


def test_a_project_that_is_ready_has_nothing_in_the_way(project: Project) -> None:
    answer = ask(project)
    assert of_area(answer, "project", "missing", "warn") == []
    assert answer["missing"] == 0
    assert answer["missing"] + answer["warnings"] + answer["fine"] == len(answer["checks"])
    project.baseline()
    assert of_area(ask(project), "project", "missing", "warn") == []


def test_nothing_is_changed(project: Project) -> None:
    project.bind(iter_strategy="branches", prelude=f"{PYTHON} -c 'import prepare'")
    commit_all(project.root)
    project.baseline()
    (project.sandbox / "harness.cache.json").unlink()  # would be written where it is stale
    before = state_of(project.root)
    ask(project)
    after = state_of(project.root)
    folders = {str(project.sandbox)}  # a lock was tried in it
    assert {path for path in before | after if before.get(path) != after.get(path)} <= folders


def test_what_matters_comes_first_and_the_text_stays_short(project: Project) -> None:
    project.bind(
        run_cmd=" && ".join(f"no-such-{number}" for number in range(40)),
        editable_files=["gone.py"],
        program="gone.md",
        budget="3 epochs",
        timeout_minutes=1,
    )
    answer = project.call("doctor")
    lines = answer.out.splitlines()
    assert answer.code == 0
    assert len(lines) <= MOST_LINES
    assert lines[0].startswith("missing  editable files: ")
    assert lines[1].lstrip().startswith("next: ")
    assert "more: `agent-loops doctor --json`" in lines[-2]
    assert " fine: " in lines[-1]
    everything = told(ask(project), "missing", "warn")
    assert [line.split()[0] for line in everything if "no-such" in line] == ["missing"] * 40
    assert any(line.startswith("warn budget") for line in everything)


def test_without_bindings_it_is_about_what_infer_proposes(project: Project) -> None:
    (project.root / "loop.run.yaml").unlink()
    project.write("README.md", "```sh\npython9 train.py\n```\n")
    answer = ask(project)
    assert "-> agent-loops infer --write" in about(answer, "bindings")
    assert "train.py" in about(answer, "editable files")
    assert not (project.root / "loop.run.yaml").exists()


def test_an_empty_folder_is_answered_too(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    shutil.rmtree(project.root)
    project.root.mkdir()
    answer = ask(project)
    assert answer["status"] == "missing"
    assert "write loop.run.yaml" in answer["next"]


def test_a_check_that_fails_keeps_none_of_the_others(project: Project) -> None:
    config = project.root.parent / "config"
    (config / "plugins").mkdir(parents=True)
    (config / "plugins/installed_plugins.json").write_text('{"plugins": ["odd"]}')
    answer = ask(project, CLAUDE_CONFIG_DIR=str(config))
    assert len({item["area"] for item in answer["checks"]}) == 3


def test_a_program_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    script = program(tmp_path / "hangs", "#!/bin/sh\nsleep 321 & echo $! >pid; sleep 321\n")
    began = time.monotonic()
    reply = checks.ask([str(script)], environ=os.environ, folder=tmp_path, limit_s=0.5)
    assert time.monotonic() - began < 10
    assert (reply.code, reply.said) == (None, "no answer after 0.5 s")
    until(lambda: not _lives(int((tmp_path / "pid").read_text())))


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


# --- the project --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bindings", "name", "words"),
    [
        ({"metric": None}, "bindings", ["metric", "required"]),
        ({"metrics": "x"}, "bindings", ["unknown key", "did you mean `metric`"]),
        ({"sandbox_root": "."}, "bindings", ["sandbox_root"]),
        ({"editable_files": ["gone.py"]}, "editable files", ["gone.py", "no such file"]),
        ({"locked": ["train.py::test"]}, "editable files", ["train.py has no test"]),
        ({"readonly_files": ["data/*"]}, "harness", ["data/*", "no such file"]),
        ({"sandbox_root": "mine"}, "harness", ["mine", "my own"]),
        ({"program": "p.md"}, "program", ["p.md: no such file"]),
        ({"run_cmd": "python9 train.py"}, "programs", ["run_cmd: python9 is not on PATH"]),
        ({"eval_cmd": "CUDA=1 uvw run e.py"}, "programs", ["eval_cmd: uvw is not on PATH"]),
        ({"run_cmd": "./train.py"}, "programs", ["not executable", "chmod +x ./train.py"]),
        ({"run_cmd": "./gone.sh"}, "programs", ["./gone.sh is not there"]),
        ({"run_cmd": "echo 'open"}, "programs", ["run_cmd", "matching `''"]),
        ({"prelude": "source gone/activate"}, "prelude", ["gone/activate", "mend `prelude`"]),
        ({"iter_strategy": "branches"}, "repository", ["git init"]),
    ],
)  # fmt: skip
def test_broken_bindings(
    project: Project, bindings: dict[str, object], name: str, words: list[str]
) -> None:
    project.write("mine/my own.txt", "x")
    project.bind(**bindings)
    if name == "prelude":
        project.setup()
    said = about(ask(project), name)
    assert said.startswith("missing "), said
    assert [word for word in words if word not in said] == []


def test_a_program_that_the_prelude_brings_is_found(project: Project) -> None:
    program(project.root / "env/bin/mine", "#!/bin/sh\n")
    project.bind(prelude="echo hello; export PATH=$PWD/env/bin:$PATH", run_cmd="mine train.py")
    project.setup()
    assert about(ask(project), "programs") == "ok programs: mine -> "


def test_nothing_of_the_project_is_run_before_a_person_has_set_it_up(project: Project) -> None:
    ran = project.root / "ran"
    project.write("prepare.py", "import no_such_package\n")
    python = program(project.root / "tools/bin/python", f"#!/bin/sh\necho x >> '{ran}'\n")
    project.bind(prelude=f"touch '{ran}'")
    assert "not tried: the prelude" in about(ask(project), "programs")
    project.bind(run_cmd="tools/bin/python train.py")
    assert "not tried: tools/bin/python" in about(ask(project), "packages")
    project.bind(run_cmd="python train.py")
    path = f"{python.parent}:{os.environ['PATH']}"
    assert "not tried: python" in about(ask(project, PATH=path), "packages")
    commit_all(project.root)
    program(project.root / "tools/pyvenv.cfg", "")
    assert "not tried: python" in about(ask(project, PATH=path), "packages")
    project.bind()
    assert "has no no_such_package" in about(ask(project), "packages")
    assert not ran.exists()
    project.bind(run_cmd="tools/bin/python train.py", prelude=f"touch '{ran}'")
    project.setup()
    ask(project)
    assert ran.read_text() == "x\n"


def test_an_environment_of_the_persons_in_the_project_is_asked(project: Project) -> None:
    project.write("prepare.py", "import no_such_package\n")
    project.write(".gitignore", ".venv\n")
    commit_all(project.root)
    project.write(".venv/pyvenv.cfg", "")
    program(project.root / ".venv/bin/python", f'#!/bin/sh\nexec {PYTHON} "$@"\n')
    project.bind(run_cmd=".venv/bin/python train.py")
    assert "has no no_such_package" in about(ask(project), "packages")


def test_a_package_that_the_interpreter_has_not_is_named(project: Project) -> None:
    project.write("prepare.py", "import os, no_such_package.part\nfrom also_none import x\n")
    project.write("train.py", TRAIN + "try:\n    import optional\nexcept ImportError:\n    pass\n")
    said = about(ask(project), "packages")
    assert said.startswith("missing ")
    assert "has no also_none, no_such_package ->" in said


@pytest.mark.parametrize(
    ("command", "kept", "ours"),
    [
        (f"{PYTHON} train.py", {}, False),
        (f"{PYTHON} -u src/train.py", {}, True),
        (f"PYTHONPATH=src {PYTHON} -m train", {}, True),
        (f"export PYTHONPATH='src' && {PYTHON} train.py", {}, True),
        (f"cd src && {PYTHON} -m mine", {}, True),
        (f"{PYTHON} -m pytest", {"pyproject.toml": "pythonpath = ['src']\n"}, True),
        (f"{PYTHON} train.py", {"train.py": "import sys\nsys.path[:0] = ['src']\n"}, True),
    ],
)
def test_code_that_is_imported_from_elsewhere_is_told_of(
    project: Project, command: str, kept: dict[str, str], *, ours: bool
) -> None:
    for folder in ("src", "../elsewhere"):
        project.write(f"{folder}/mine/__init__.py", "raise SystemExit('imported')\n")
    project.write("src/mine/deep/code.py", "")
    project.write("src/train.py", "import mine\n")
    for path, text in kept.items():
        project.write(path, text)
    elsewhere = (project.root / "../elsewhere").resolve()
    project.bind(run_cmd=command, editable_files=["src/mine/**/*.py", "train.py"])
    environ = {"PYTHONPATH": str(elsewhere)}
    said = about(ask(project, **environ), "packages")
    imported = f"imports mine from {elsewhere}/mine, not from this project"
    assert (imported in said, "missing" in said) == (not ours, not ours)
    setup = project.ask("setup", env=environ)
    assert setup.code == 0
    assert any(imported in note for note in setup["notes"]) == (not ours)


@pytest.mark.parametrize("prelude", [None, "echo hello"])
def test_setup_tells_of_a_program_that_is_not_there(project: Project, prelude: str | None) -> None:
    project.bind(run_cmd="no-such-program train.py", prelude=prelude)
    notes = project.setup()["notes"]
    told = any(note.startswith("run_cmd: no-such-program is not on PATH; ") for note in notes)
    assert told == (not prelude)


def test_a_shell_that_does_not_answer_in_time_is_no_note_of_setup(project: Project) -> None:
    slow = program(project.root.parent / "bin/bash", "#!/bin/sh\nsleep 60\n").parent
    project.bind(run_cmd="no-such-program train.py")
    answer = project.ask("setup", env={"PATH": f"{slow}:{os.environ['PATH']}"}, timeout_s=20)
    assert (answer.code, answer["notes"]) == (0, [])


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("python train.py", ["python"]),
        ("A=1 B='x y' python3 -u train.py > log 2>&1 | tee x", ["python3", "tee"]),
        ("cd sub && ./run.sh; /bin/ls", ["cd", "/bin/ls"]),
        ("env CUDA=0 time uv run train.py --out={run_dir}", ["uv"]),
        ("for i in 1 2; do python x.py; done", ["for", "python", "done"]),
        ("torchrun \\\n --n 2 train.py\nmake eval", ["torchrun", "make"]),
        ("source venv/bin/activate && mytool", ["source"]),
        ("PATH=venv/bin:$PATH mytool", []),
        ("$PYTHON train.py && echo `mine`", ["echo"]),
        ("(python a.py) || true", ["python", "true"]),
        ("cat <<E\nnone here\nE", ["cat"]),
        ("echo 'open", []),
    ],
)  # fmt: skip
def test_programs_of_a_command(command: str, expected: list[str]) -> None:
    assert commands.programs(command) == expected


def test_epochs_that_an_edit_could_change_are_warned_of(project: Project) -> None:
    project.bind(budget="3 epochs", timeout_minutes=1)
    assert about(ask(project), "budget").startswith("warn ")
    project.bind(budget="3 epochs", timeout_minutes=1, run_cmd=f"{PYTHON} train.py {{budget}}")
    assert about(ask(project), "budget") == "ok budget: 3 epochs a run -> "


def test_a_fixed_output_is_told_of_until_a_baseline_has_run(project: Project) -> None:
    text = 'open("model.txt", "w").write("x")\n'
    project.write("train.py", TRAIN + text)
    project.bind(run_cmd="python3 train.py")
    assert "model.txt" in about(ask(project), "fixed output")
    project.bind()
    project.baseline()
    assert about(ask(project), "fixed output") == ""


# --- git ----------------------------------------------------------------------------------------


def _merge(project: Project) -> None:
    git(project.root, "switch", "-q", "-c", "other")
    project.write("prepare.py", "# theirs\n")
    commit_all(project.root, "theirs")
    git(project.root, "switch", "-q", "main")
    project.write("prepare.py", "# ours\n")
    commit_all(project.root, "ours")
    with pytest.raises(subprocess.CalledProcessError):
        git(project.root, "merge", "other")


def _dirty(project: Project) -> None:
    project.write("prepare.py", "# uncommitted\n")


def _damage(project: Project) -> None:
    (project.root / ".git/HEAD").unlink()


@pytest.mark.parametrize(
    ("strategy", "harm", "state", "words"),
    [
        ("branches", lambda _: None, "ok", ["on main"]),
        ("branches", _merge, "missing", ["a merge is under way", "git merge --abort"]),
        ("branches", _dirty, "missing", ["not as committed: prepare.py"]),
        ("branches", _damage, "missing", ["damaged"]),
        ("snapshots", _merge, "ok", ["a merge under way"]),
        ("snapshots", _damage, "missing", ["damaged"]),
        ("snapshots", lambda p: git(p.root, "switch", "-q", "--detach"), "ok", ["detached"]),
    ],
)  # fmt: skip
def test_git_in_a_bad_state(
    project: Project, strategy: str, harm: Any, state: str, words: list[str]
) -> None:
    project.bind(iter_strategy=strategy)
    commit_all(project.root)
    harm(project)
    said = about(ask(project), "repository")
    assert said.startswith(f"{state} "), said
    assert [word for word in words if word not in said] == []


def test_another_branch_than_the_campaigns_is_in_the_way(project: Project) -> None:
    project.bind(iter_strategy="branches")
    commit_all(project.root)
    project.setup()
    assert about(ask(project), "repository").startswith("ok ")
    git(project.root, "switch", "-q", "main")
    assert "-> git switch autoresearch/t1" in about(ask(project), "repository")


@pytest.mark.parametrize(("strategy", "state"), [("snapshots", "ok"), ("branches", "missing")])
def test_a_machine_without_git(tmp_path: Path, strategy: str, state: str) -> None:
    project = Project(tmp_path / "p")
    project.bind(iter_strategy=strategy)
    answer = ask(project, PATH=tools(tmp_path / "bin", "bash", "sh"))
    assert about(answer, "git").startswith(f"{state} "), answer
    assert about(answer, "repository").startswith(f"{state} ")


# --- the campaign -------------------------------------------------------------------------------


def _line(project: Project, number: int, text: bytes) -> None:
    journal = project.sandbox / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[number] = text
    journal.write_bytes(b"".join(lines))
    (project.sandbox / "fold.cache.json").unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("harm", "name", "state", "words"),
    [
        (lambda p: _line(p, 2, b"{]\n"), "journal", "missing", ["journal.jsonl:3"]),
        (lambda p: _line(p, -1, b'{"v":1,"se'), "journal", "ok", ["the last cut off"]),
        (lambda p: p.call("pause", "--why", "the fans"), "campaign", "warn",
         ["paused", "the fans", "-> agent-loops resume"]),
        (lambda p: p.call("stop"), "campaign", "ok", ["t1 is stopped"]),
        (lambda p: p.bind(budget="30 s"), "frozen bindings", "missing", ["budget", "rebaseline"]),
        (lambda p: p.write("prepare.py", "x = 1\n"), "frozen harness", "missing", ["prepare.py"]),
        (lambda p: (p.sandbox / ".gitignore").unlink(), "sandbox", "warn", ["not ignored"]),
    ],
)  # fmt: skip
def test_a_campaign_in_a_bad_state(
    project: Project, harm: Any, name: str, state: str, words: list[str]
) -> None:
    project.baseline()
    harm(project)
    said = about(ask(project), name)
    assert said.startswith(f"{state} "), said
    assert [word for word in words if word not in said] == []


def test_another_sessions_campaign_is_told_of(project: Project) -> None:
    first, second = ({"CLAUDECODE": "1", "CLAUDE_CODE_SESSION_ID": name} for name in "ab")
    assert project.call("setup", env=first).code == 0
    assert about(ask(project, **second), "session") == "", "it was only set up there"
    assert project.call("try", "baseline", env=first).code == 0
    assert about(ask(project, **first), "session") == ""
    assert "--take-over" in about(ask(project, **second), "session")


def test_a_run_that_was_lost_is_told_of_and_left_to_the_next_command(project: Project) -> None:
    project.bind(run_cmd="sleep 600")
    project.setup()
    assert project.ask("try", "baseline", "--wait-s", "0")["status"] == "running"
    assert about(ask(project), "run") == "ok run: experiment 1 is running -> "
    os.kill(project.events("run_started")[0]["pid"], signal.SIGKILL)
    before = project.journal()
    until(lambda: about(ask(project), "run").startswith("warn "))
    assert about(ask(project), "run").endswith("-> agent-loops wait")
    assert project.journal() == before
    assert project.ask("stop", "--kill").code == 0


# --- the machine --------------------------------------------------------------------------------

GPUS = "0, GPU-a, NVIDIA H100, 81559, {used}\n1, GPU-b, NVIDIA H100, 81559, 4\n"
NVIDIA = """\
#!/bin/sh
case $1 in
--query-gpu=*) printf '%s' '{gpus}' ;;
--query-compute-apps=*) printf '%s' '{apps}' ;;
*) echo "what is $1?"; exit 9 ;;
esac
"""


@pytest.mark.parametrize(
    ("gpus", "apps", "expected"),
    [
        (GPUS.format(used=4), "", ["ok gpu: GPU 0 NVIDIA H100, 79.6 GB", "ok gpu: GPU 1"]),
        (GPUS.format(used=30000), "GPU-a, 4711, 20480, /usr/bin/my, python\n",
         ["warn gpu: GPU 0 NVIDIA H100, 79.6 GB: held by my, python (pid 4711, 20.0 GB)", "ok"]),
        (GPUS.format(used=30000), "GPU-a, 4711, [N/A], x\n",
         ["warn gpu: GPU 0 NVIDIA H100, 79.6 GB: held by x (pid 4711, memory unknown)", "ok"]),
        (GPUS.format(used=30000), "",
         ["warn gpu: GPU 0 NVIDIA H100, 79.6 GB: 29.3 GB are in use by processes", "ok"]),
        ("", "", ["ok gpu: nvidia-smi lists none"]),
    ],
)  # fmt: skip
def test_gpus_and_who_holds_them(
    project: Project, tmp_path: Path, gpus: str, apps: str, expected: list[str]
) -> None:
    program(tmp_path / "bin/nvidia-smi", NVIDIA.format(gpus=gpus, apps=apps))
    answer = ask(project, PATH=f"{tmp_path}/bin:{os.environ['PATH']}")
    lines = [line for line in told(answer) if line.split(":")[0].endswith(" gpu")]
    assert len(lines) == len(expected)
    assert [line for line, start in zip(lines, expected, strict=True) if start not in line] == []


def test_code_that_names_cuda_where_there_is_no_gpu_is_told(
    project: Project, tmp_path: Path
) -> None:
    path = tools(tmp_path / "bin", "git", "bash")
    assert about(ask(project, PATH=path), "cuda") == ""
    project.edit("WIDTH = 8", 'WIDTH = 8\nDEVICE = "cuda"')
    assert about(ask(project, PATH=path), "cuda").startswith("warn cuda: train.py:5 names cuda")
    program(tmp_path / "bin/nvidia-smi", NVIDIA.format(gpus=GPUS.format(used=4), apps=""))
    assert about(ask(project, PATH=path), "cuda") == ""


def test_data_to_prepare_is_a_reminder_and_what_matters_is_said_in_words(
    project: Project, tmp_path: Path
) -> None:
    project.write("README.md", "```\npython prepare.py\npython train.py\n```\n")
    answer = ask(project)
    assert about(answer, "data first").startswith("ok data first: a reminder, nothing was looked")
    text = project.call("doctor", env={"PATH": tools(tmp_path / "bin", "git", "bash")}).out
    assert "\nfine     gpu: no nvidia-smi" in text


def test_a_driver_that_fails_says_what_it_said(project: Project, tmp_path: Path) -> None:
    text = "#!/bin/sh\necho 'Failed to initialize NVML: Driver/library version mismatch'; exit 18\n"
    program(tmp_path / "bin/nvidia-smi", text)
    said = about(ask(project, PATH=f"{tmp_path}/bin:{os.environ['PATH']}"), "gpu")
    assert said.startswith("warn gpu: nvidia-smi fails: Failed to initialize NVML")


def test_the_campaigns_own_run_holds_no_gpu_against_it(project: Project, tmp_path: Path) -> None:
    project.bind(run_cmd="sleep 600")
    project.setup()
    assert project.ask("try", "baseline", "--wait-s", "0")["status"] == "running"
    supervisor = psutil.Process(project.events("run_started")[0]["pid"])
    until(lambda: supervisor.children())
    pids = [child.pid for child in supervisor.children(recursive=True)]
    apps = "".join(f"GPU-a, {pid}, 20480, sleep\n" for pid in pids)
    program(tmp_path / "bin/nvidia-smi", NVIDIA.format(gpus=GPUS.format(used=30000), apps=apps))
    answer = ask(project, PATH=f"{tmp_path}/bin:{os.environ['PATH']}")
    assert "warn" not in about(answer, "gpu")
    assert project.ask("stop", "--kill").code == 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux's own")
def test_looking_makes_nobody_a_parent_of_orphans(project: Project) -> None:
    doctor.run(project.root, os.environ)
    pr_get_child_subreaper, is_one = 37, bytearray(8)
    assert processes._prctl(pr_get_child_subreaper, is_one)
    assert not any(is_one)


def test_a_machine_without_bash(project: Project, tmp_path: Path) -> None:
    answer = ask(project, PATH=tools(tmp_path / "bin", "git"))
    assert "install bash" in about(answer, "bash")


@pytest.mark.parametrize("fault", [errno.ENOLCK, errno.EOPNOTSUPP, 0])
def test_locks_that_do_not_work_are_found_by_trying(
    project: Project, monkeypatch: pytest.MonkeyPatch, fault: int
) -> None:
    def flock(_fd: int, _operation: int) -> None:
        if fault:
            raise OSError(fault, os.strerror(fault))

    before = state_of(project.root)
    monkeypatch.setattr(fcntl, "flock", flock)
    answer = doctor.run(project.root, os.environ)
    said = about(answer.values, "locks")
    assert said.startswith("missing locks: ")
    assert (os.strerror(fault) if fault else "two processes get the same lock") in said
    assert state_of(project.root) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_to(project: Project) -> None:
    project.root.chmod(0o555)
    try:
        assert about(ask(project), "writable").startswith("missing ")
    finally:
        project.root.chmod(0o755)


def test_room_is_measured_by_what_runs_left(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.bind(run_cmd="head -c 3000000 /dev/zero > {run_dir}/model; echo val_bpb: 1.0")
    project.baseline()
    usage = shutil.disk_usage(project.root)

    def said(free_mib: int) -> str:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=free_mib << 20))
        return about(doctor.run(project.root, os.environ).values, "disk")

    assert "a run leaves up to 3 MB" in said(5000)
    assert [said(size).split()[0] for size in (5000, 500, 50)] == ["ok", "warn", "missing"]


def test_a_clock_behind_the_record_is_told_of(project: Project) -> None:
    project.baseline()
    journal = project.sandbox / "journal.jsonl"
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    lines[-1]["time"] = "2999-01-01T00:00:00.000+00:00"
    journal.write_text("".join(dump_json(line) + "\n" for line in lines))
    assert "behind the campaign's last record" in about(ask(project), "clock")


# --- the host -----------------------------------------------------------------------------------


def hook(event: str, matcher: str | None, command: str) -> dict[str, Any]:
    group: dict[str, Any] = {"hooks": [{"type": "command", "command": command}]}
    return {event: [group if matcher is None else {**group, "matcher": matcher}]}


@pytest.mark.parametrize(
    ("settings", "name", "state", "words"),
    [
        ({}, "bash limits", "ok", ["120 s, 600 s"]),
        ({"env": {"BASH_MAX_TIMEOUT_MS": "300000"}}, "bash limits", "warn",
         ["BASH_MAX_TIMEOUT_MS=300000", ".claude/settings.json", "--wait-s 280"]),
        ({"env": {"BASH_DEFAULT_TIMEOUT_MS": "30000"}}, "bash limits", "warn",
         ["=30000", "setup --allow"]),
        ({"env": {"BASH_DEFAULT_TIMEOUT_MS": "x"}}, "bash limits", "ok", ["120 s"]),
        # The host takes the larger of the two for the maximum.
        ({"env": {"BASH_DEFAULT_TIMEOUT_MS": "700000", "BASH_MAX_TIMEOUT_MS": "300000"}},
         "bash limits", "ok", ["700 s, 700 s"]),
        ({}, "permissions", "ok", ["by its skills"]),
        ({"permissions": {"allow": ["Bash(agent-loops:*)"]}}, "permissions", "ok",
         ["allowed by", "settings.json"]),
        ({"permissions": {"deny": ["Bash(agent-loops try:*)"]}}, "permissions", "missing",
         ["Bash(agent-loops try:*) is denied"]),
        ({"permissions": {"deny": ["Bash(agent:*)", "Bash(rm *)", "Read", 3]}}, "permissions",
         "ok", []),
        ({"permissions": {"ask": ["Bash"]}}, "permissions", "warn", ["a prompt for each"]),
        ({"permissions": {"ask": ["Bash(* --edit *)"]}}, "permissions", "warn", ["asked about"]),
        ({"permissions": {"defaultMode": "plan"}}, "permissions", "warn", ["plan"]),
        ({"permissions": {"defaultMode": "dontAsk"}}, "permissions", "warn", ["dontAsk"]),
        ({"permissions": {"defaultMode": "dontAsk", "allow": ["Bash(agent-loops *)"]}},
         "permissions", "ok", []),
        ({"sandbox": {"enabled": True}}, "permissions", "warn", ["excludedCommands"]),
        ({"sandbox": {"enabled": True, "excludedCommands": ["agent-loops"]}}, "permissions",
         "ok", []),
        ({"disableAllHooks": True}, "hooks", "warn", ["disableAllHooks in"]),
        ({"hooks": hook("PreToolUse", "Bash", "guard --token=sk-aaaabbbbccccdddd1111")}, "hooks",
         "warn", ["may refuse", "guard", "[masked]"]),
        ({"hooks": hook("PreToolUse", None, "all.sh")}, "hooks", "warn", ["on Bash", "all.sh"]),
        ({"hooks": hook("PostToolUse", "Edit|Write", "black .")}, "hooks", "warn",
         ["may change an edit", "black ."]),
        ({"hooks": hook("PostToolUse", "Bash", "log.sh")}, "hooks", "ok", []),
        ({"hooks": hook("PreToolUse", "BashOutput|Grep", "x")}, "hooks", "ok", []),
        ({"hooks": hook("PreToolUse", "Read|Grep", "no-logs.sh")}, "hooks", "warn",
         ["Read may refuse", "no-logs.sh"]),
        ({"hooks": hook("Stop", None, "again.sh")}, "hooks", "warn",
         ["Stop on the turn's end", "again.sh"]),
        ({"hooks": hook("Stop", "Bash", "again.sh")}, "hooks", "warn", ["again.sh"]),
        ({"hooks": hook("PreToolUse", "Read, Bash", "x")}, "hooks", "warn", ["on Bash"]),
        ({"hooks": hook("PreToolUse", "^(Ba|Wr)", "x")}, "hooks", "warn", ["on Bash"]),
        ({"hooks": hook("PreToolUse", "(", "x")}, "hooks", "ok", []),
        ({"hooks": {"PreToolUse": ["odd", {"hooks": "odd"}], "PostToolUse": 3}}, "hooks", "ok", []),
        ([], "settings", "warn", ["not a JSON object"]),
        ("not JSON", "settings", "warn", ["not JSON"]),
        ({"permissions": [], "env": 3, "sandbox": "x", "hooks": []}, "permissions", "ok", []),
    ],
)  # fmt: skip
def test_settings_of_the_host(
    project: Project, settings: object, name: str, state: str, words: list[str]
) -> None:
    text = settings if isinstance(settings, str) else json.dumps(settings)
    project.write(".claude/settings.json", text)
    said = about(ask(project), name)
    assert f"{state} {name}: " in said, said
    assert [word for word in words if word not in said] == []


def test_the_nearest_settings_count(project: Project, throwaway_home: Path) -> None:
    for path, limit in (
        (throwaway_home / ".claude/settings.json", "200000"),
        (project.root / ".claude/settings.local.json", "900000"),
        (project.root / ".claude/settings.json", "400000"),
    ):
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"env": {"BASH_MAX_TIMEOUT_MS": limit}}))
    assert "900 s" in about(ask(project, BASH_MAX_TIMEOUT_MS="1000"), "bash limits")


@pytest.mark.skipif(os.geteuid() != 0, reason="what is refused to root alone")
def test_what_is_refused_to_root(project: Project) -> None:
    project.write(".claude/settings.json", '{"permissions": {"defaultMode": "bypassPermissions"}}')
    assert "refused to root" in about(ask(project, IS_SANDBOX=""), "permissions")
    assert "refused to root" not in about(ask(project, IS_SANDBOX="1"), "permissions")


def test_an_organization_that_lets_only_its_own_hooks_run(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    managed = tmp_path / "managed-settings.json"
    managed.write_text('{"allowManagedHooksOnly": true}')
    monkeypatch.setitem(host_settings.MANAGED, sys.platform, managed)
    found = list(hook_checks.hooks(subjects.look_at(project.root, os.environ)))
    assert found[0].state == "warn"
    assert f"allowManagedHooksOnly in {managed}" in found[0].line


def test_a_folder_of_the_project_that_is_read_only(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may write everywhere but on a disk that is mounted so: the system's answer counts."""
    subject = subjects.look_at(project.root, os.environ)
    [fine] = host_checks.folder(subject)
    monkeypatch.setattr(os, "access", lambda *_: False)
    [check] = host_checks.folder(subject)
    assert (fine.state, check.state) == ("ok", "missing")


@pytest.fixture
def installed(throwaway_home: Path) -> Path:
    """A home in which two plugins are installed, as the client writes it."""
    config = throwaway_home / ".claude"
    names = ("agent-loops@agent-loops", "guard@market")
    plugins = {}
    for name in names:
        folder = config / "plugins/cache" / name
        (folder / "hooks").mkdir(parents=True)
        hooks = {"hooks": hook("PreToolUse", "Bash", f"hook of {name}")}
        (folder / "hooks/hooks.json").write_text(json.dumps(hooks))
        plugins[name] = [{"scope": "user", "installPath": str(folder), "version": "0.1.0"}]
    record = config / "plugins/installed_plugins.json"
    record.write_text(json.dumps({"version": 2, "plugins": plugins}))
    switch(config, **dict.fromkeys(names, True))
    return config


def switch(config: Path, **enabled: bool) -> None:
    (config / "settings.json").write_text(json.dumps({"enabledPlugins": enabled}))


def test_other_plugins_hooks_are_named_and_ours_are_not(project: Project, installed: Path) -> None:
    answer = ask(project)
    assert about(answer, "plugin").startswith("ok plugin: agent-loops@agent-loops is installed")
    assert "hook of guard@market" in about(answer, "hooks")
    assert "hook of agent-loops" not in about(answer, "hooks")
    switch(installed, **{"agent-loops@agent-loops": False, "guard@market": False})
    answer = ask(project)
    assert "/plugin enable agent-loops@agent-loops" in about(answer, "plugin")
    assert about(answer, "hooks").startswith("ok ")


def test_the_client_and_the_plugin_of_a_session_are_found(project: Project, tmp_path: Path) -> None:
    program(tmp_path / "bin/claude", "#!/bin/sh\necho '2.1.197 (Claude Code)'\n")
    program(tmp_path / "plugin/bin/agent-loops", "#!/bin/sh\n")
    program(tmp_path / "plugin/hooks/hook", "#!/bin/sh\n")
    (tmp_path / "plugin/.claude-plugin").mkdir()
    (tmp_path / "plugin/.claude-plugin/plugin.json").write_text('{"name": "agent-loops"}')
    others = [
        folder for folder in os.environ["PATH"].split(os.pathsep)
        if not Path(folder, "agent-loops").exists()
    ]  # fmt: skip
    path = os.pathsep.join([f"{tmp_path}/bin", *others])
    answer = ask(project, PATH=path, CLAUDECODE="1")
    assert "2.1.197 (Claude Code), called from a session" in about(answer, "claude code")
    assert about(answer, "plugin").startswith("warn plugin: not installed")
    answer = ask(project, PATH=f"{path}:{tmp_path}/plugin/bin", CLAUDECODE="1")
    assert f"loaded for this session from {tmp_path}/plugin" in about(answer, "plugin")
    assert f"{tmp_path}/plugin/bin/agent-loops" in about(answer, "agent-loops")
    assert about(answer, "own hooks").startswith("ok ")
    (tmp_path / "plugin/hooks/hook").chmod(0o644)
    said = about(ask(project, PATH=f"{path}:{tmp_path}/plugin/bin"), "own hooks")
    assert f"chmod +x {tmp_path}/plugin/hooks/hook" in said


@pytest.mark.parametrize(
    ("version", "state"), [("2.1.90", "warn"), ("2.1.145", "ok"), ("2.2.0", "ok"), ("3.0", "ok")]
)
def test_an_old_client_is_told_of(
    project: Project, tmp_path: Path, version: str, state: str
) -> None:
    program(tmp_path / "bin/claude", f"#!/bin/sh\necho '{version} (Claude Code)'\n")
    said = about(ask(project, PATH=f"{tmp_path}/bin:{os.environ['PATH']}"), "claude code")
    assert said.startswith(f"{state} ")
    assert ("claude update" in said) == (state == "warn")


def test_hooks_that_were_seen_at_work(project: Project) -> None:
    assert "no session has been" in about(ask(project), "own hooks")
    project.baseline()
    project.edit("0.01", "0.02")
    env = {"CLAUDE_CODE_SESSION_ID": "s-1"}
    assert project.call("try", "lr: more", env=env).code == 0
    assert about(ask(project, **env), "own hooks").startswith("warn ")
    remembered = {"seen": time.time(), "mode": "default"}
    project.write(".agent-loops/sessions/s-1.json", json.dumps(remembered))
    said = about(ask(project), "own hooks")
    assert "seen at work" in said
    assert "default mode" in said


def test_a_shell_without_the_command_is_shown_the_shim(project: Project) -> None:
    environ = {"PATH": "/usr/bin:/bin"}
    project.setup()
    assert f"{project.root}/.agent-loops/run calls it" in about(
        ask(project, **environ), "agent-loops"
    )


def test_text_and_json_never_fail_on_odd_names(tmp_path: Path) -> None:
    project = Project(tmp_path / os.fsdecode(b"odd \xff\n'name'"))
    answer: Answer = project.call("doctor", env={"PATH": os.environ["PATH"]})
    assert (answer.code, answer.err) == (0, "")
    assert project.ask("doctor")["missing"] == 0
