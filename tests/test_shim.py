"""`.agent-loops/run` calls the installation that wrote it, wherever both lie and whatever moves."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from support import PYTHON, SCRIPTS, Project

NAMES = ["plain", "two words", 'it\'s "quoted"', "new\nline\n", "$HOME `x` *", "Größe→∞", "-dash"]
LAUNCHER = f"""\
#!/bin/sh
exec {PYTHON} -E -s "${{0%/*}}/../scripts/agent-loops.py" "$@"
"""


class Installation:
    """The library with a launcher that needs no environment built."""

    def __init__(self, root: Path, *, launcher: bool = True) -> None:
        self.root = root
        shutil.copytree(
            SCRIPTS, root / "scripts", ignore=shutil.ignore_patterns("__pycache__"), symlinks=True
        )
        if launcher:
            (root / "bin").mkdir()
            (root / "bin/agent-loops").write_text(LAUNCHER)
            (root / "bin/agent-loops").chmod(0o755)

    def __call__(self, project: Project, *words: str) -> subprocess.CompletedProcess[str]:
        return call(self.root / "bin/agent-loops", *words, cwd=project.root)


def call(program: Path | str, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program, *words], cwd=cwd, capture_output=True, text=True, check=False)


def shim_of(project: Project) -> Path:
    return project.root / ".agent-loops/run"


@pytest.mark.parametrize("name", NAMES)
def test_setup_writes_a_shim_that_works_from_any_subfolder(tmp_path: Path, name: str) -> None:
    installation = Installation(tmp_path / f"plugin {name}")
    project = Project(tmp_path / f"project {name}")
    done = installation(project, "setup")
    assert done.returncode == 0, done
    below = project.root / "below" / name
    below.mkdir(parents=True)
    for program, folder in ((".agent-loops/run", project.root), (shim_of(project), below)):
        done = call(program, "note", "a 'b'  $c\n*", cwd=folder)
        assert (done.returncode, done.stderr) == (0, ""), done
    assert [item["text"] for item in project.events("note")] == 2 * ["the person says: a 'b' $c *"]


def test_a_moved_installation_is_told_of_and_mended_by_its_next_command(tmp_path: Path) -> None:
    old = Installation(tmp_path / "1.0")
    project = Project(tmp_path / "p")
    assert old(project, "setup").returncode == 0
    old.root.rename(tmp_path / "1.1")
    old.root = tmp_path / "1.1"
    done = call(shim_of(project), "status", cwd=project.root)
    assert done.returncode == 1
    assert f"{tmp_path}/1.0/bin/agent-loops is gone" in done.stderr
    assert old(project, "pause").returncode == 0
    assert call(shim_of(project), "status", cwd=project.root).returncode == 0


def test_a_shim_that_is_as_it_should_be_is_left_alone(tmp_path: Path) -> None:
    installation = Installation(tmp_path / "plugin")
    project = Project(tmp_path / "p")
    assert installation(project, "setup").returncode == 0
    before = shim_of(project).stat().st_ino
    assert installation(project, "pause").returncode == 0
    assert shim_of(project).stat().st_ino == before
    shim_of(project).chmod(0o644)
    assert installation(project, "resume").returncode == 0
    assert os.access(shim_of(project), os.X_OK)


def test_no_command_fails_for_a_shim_that_cannot_be_written(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.write(".agent-loops/run/of mine.txt", "mine")
    project.baseline()
    assert project.read(".agent-loops/run/of mine.txt") == "mine"


def test_a_package_without_a_launcher_is_called_past_modules_of_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = Installation(tmp_path / "site", launcher=False).root / "scripts"
    project = Project(tmp_path / "p")
    monkeypatch.setenv("PYTHONPATH", str(installed))
    start = f"exec {PYTHON} -c 'from agent_loops.cli import main; main()' setup"
    done = call("/bin/sh", "-c", start, cwd=project.root)
    assert shim_of(project).exists(), done
    for name in ("argparse", "agent_loops", "yaml"):
        project.write(f"{name}.py", "raise SystemExit('the wrong module')\n")
    done = call(shim_of(project), "status", cwd=project.root)
    assert (done.returncode, done.stderr) == (0, ""), done


def test_a_file_of_the_persons_is_no_shim(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.write(".agent-loops/run", "my own\n")
    project.setup()
    assert shim_of(project).read_text() == "my own\n"


def test_a_link_of_the_persons_is_no_shim(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    shim_of(project).parent.mkdir()
    shim_of(project).symlink_to(tmp_path / "absent")
    project.setup()
    assert os.readlink(shim_of(project)) == str(tmp_path / "absent")


def test_nothing_is_written_through_a_link_to_a_folder(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (project.root / ".agent-loops").symlink_to(theirs)
    answer = project.ask("setup")
    assert (answer.code, answer["kind"], answer["files"]) == (3, "state folder", [".agent-loops"])
    assert "move .agent-loops away" in answer["next"]
    assert list(theirs.iterdir()) == []
