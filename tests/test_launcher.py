"""bin/agent-loops as processes: where it starts from, what it builds, what it leaves alone."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
PYTHON = os.path.realpath(sys.executable)
SHELLS_OWN = {"PWD", "OLDPWD", "SHLVL", "_"}
LIMIT_S = 120

# Stands in for the command line, and tells what it was given.
CLI = """
import json, os, sys
def main(argv):
    print(json.dumps({"argv": argv, "environ": dict(os.environ), "cwd": os.getcwd(),
                      "path": sys.path, "stdin": sys.stdin.read(), "python": sys.executable}))
    return 7 if argv == ["fail"] else 0
"""

# Stands in for uv: notes each call; installs by writing metadata; can be held up.
UV = """#!/bin/sh
printf '%s\\n' "$*" >>"$NOTES/calls"
[ "$1" = pip ] || exit 0
while [ -e "$NOTES/hold" ]; do sleep 0.02; done
for word; do
    case $word in
        */bin/python) site=$(echo "${word%/bin/python}"/lib/python3*/site-packages) ;;
        *'>='*)
            mkdir "$site/${word%%>=*}-1.0.dist-info"
            printf 'Metadata-Version: 2.1\\nName: %s\\nVersion: 1.0\\n' "${word%%>=*}" \\
                >"$site/${word%%>=*}-1.0.dist-info/METADATA" ;;
    esac
done
"""


@dataclass
class Plugin:
    """A copy of the plugin with a command line that answers with what it sees."""

    root: Path
    home: Path
    tools: Path
    notes: Path
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def launcher(self) -> Path:
        return self.root / "bin" / "agent-loops"

    @property
    def cache(self) -> Path:
        return self.home / ".cache" / "agent-loops"

    @property
    def environ(self) -> dict[str, str]:
        path = f"{self.tools}:/usr/bin:/bin"
        return {"HOME": str(self.home), "PATH": path, "NOTES": str(self.notes), **self.extra}

    def depend_on(self, *requirements: str) -> None:
        lines = "".join(f'    "{requirement}",\n' for requirement in requirements)
        text = f'[project]\nname = "stub"\ndependencies = [\n{lines}]\n[tool.x]\ny = [\n]\n'
        (self.root / "pyproject.toml").write_text(text)

    def fake_uv(self) -> None:
        program(self.tools / "uv", UV)

    def installs(self) -> list[str]:
        calls = self.notes / "calls"
        lines = calls.read_text().splitlines() if calls.exists() else []
        return [line for line in lines if line.startswith("pip install")]

    def popen(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        command = options.pop("command", [str(self.launcher)])
        options.setdefault("env", self.environ)
        options.setdefault("stdin", subprocess.PIPE)
        return subprocess.Popen(
            [*command, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def run(self, *arguments: str, text: str = "", **options: Any) -> Answer:
        process = self.popen(*arguments, **options)
        return finish(process, text)

    def environments(self) -> list[Path]:
        return sorted(self.cache.glob("env-*"))


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str  # but for the line that announces a build
    announced: bool = False

    @property
    def seen(self) -> dict[str, Any]:
        assert self.code in {0, 7}, self.err
        assert self.err == ""
        seen: dict[str, Any] = json.loads(self.out)
        return seen

    @property
    def one_line(self) -> str:
        """The failure, which is one line on stderr and nothing else."""
        assert (self.code, self.out) == (1, "")
        assert self.err.count("\n") == 1
        assert self.err.startswith("agent-loops: ")
        return self.err


def finish(process: subprocess.Popen[str], text: str = "") -> Answer:
    out, err = process.communicate(text, timeout=LIMIT_S)
    first, end, rest = err.partition("\n")
    announced = first.startswith("agent-loops: first start: ")
    return Answer(process.returncode, out, rest if announced and end else err, announced)


def program(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)  # never write through a link to the real program
    path.write_text(text)
    path.chmod(0o755)


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def without_shells_own(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name not in SHELLS_OWN}


def make_plugin(folder: Path) -> Plugin:
    root, home, tools, notes = (folder / name for name in ("plug in", "home", "tools", "notes"))
    for part in (root / "bin", root / "scripts" / "agent_loops", home, tools, notes):
        part.mkdir(parents=True)
    for name in ("bin/agent-loops", "scripts/agent-loops.py", "scripts/build_environment.py"):
        shutil.copy2(ROOT / name, root / name)
    (root / "scripts" / "agent_loops" / "__init__.py").touch()
    (root / "scripts" / "agent_loops" / "cli.py").write_text(CLI)
    (tools / "python3").symlink_to(PYTHON)
    plugin = Plugin(root, home, tools, notes)
    plugin.depend_on()
    return plugin


@pytest.fixture
def plugin(tmp_path: Path) -> Plugin:
    return make_plugin(tmp_path)


# Where it starts from


@pytest.mark.parametrize(
    "name",
    [
        "two words",
        'it\'s "quoted"',
        "new\nline",
        "ends in newline\n",
        "Größe→∞",
        "-dash",
        "$HOME `x` *",
    ],
)
def test_starts_from_any_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    plugin = make_plugin(tmp_path / name)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for _start in ("cold", "warm"):
        seen = plugin.run("a b", "", "c\nd", "*", cwd=elsewhere, text="from stdin").seen
        assert seen["argv"] == ["a b", "", "c\nd", "*"]
        assert seen["cwd"] == str(elsewhere)
        assert seen["stdin"] == "from stdin"
        assert seen["path"][0] == str(plugin.root / "scripts")
        assert seen["python"] == str(plugin.environments()[0] / "bin" / "python")
    assert len(plugin.environments()) == 1


def test_starts_by_a_relative_name(plugin: Plugin) -> None:
    for folder, name in ((plugin.root, "bin/agent-loops"), (plugin.root / "bin", "./agent-loops")):
        seen = plugin.run(command=[name], cwd=folder).seen
        assert seen["path"][0] == str(plugin.root / "scripts")
    seen = plugin.run(command=["/bin/sh", "agent-loops"], cwd=plugin.root / "bin").seen
    assert seen["path"][0] == str(plugin.root / "scripts")


def test_starts_through_a_chain_of_links(plugin: Plugin, tmp_path: Path) -> None:
    first, second = tmp_path / "on path", tmp_path / "links\n"
    first.mkdir()
    second.mkdir()
    (first / "agent-loops").symlink_to("../links\n/loops\n")
    (second / "loops\n").symlink_to(plugin.launcher)
    environ = plugin.environ | {"PATH": f"{first}:{plugin.environ['PATH']}"}
    seen = plugin.run("x", command=["/usr/bin/env", "agent-loops"], env=environ, cwd="/").seen
    assert seen["argv"] == ["x"]
    assert seen["path"][0] == str(plugin.root / "scripts")


@pytest.mark.parametrize("shell", ["dash", "bash", "ksh", "busybox"])
def test_starts_in_every_shell(plugin: Plugin, shell: str) -> None:
    found = shutil.which(shell)
    if not found:
        pytest.skip(f"{shell} is not installed")
    options = {"bash": ["--posix"], "busybox": ["sh"]}.get(shell, [])
    for _start in ("cold", "warm"):
        seen = plugin.run("x", command=[found, *options, str(plugin.launcher)]).seen
        assert seen["argv"] == ["x"]


def test_exit_code_is_the_command_lines(plugin: Plugin) -> None:
    assert [plugin.run("fail").code, plugin.run("fail").code, plugin.run().code] == [7, 7, 0]


def test_only_a_start_that_builds_says_that_it_does(plugin: Plugin) -> None:
    assert [plugin.run().announced for _ in range(2)] == [True, False]


def test_a_warm_start_needs_no_python_on_path_and_no_builder(plugin: Plugin) -> None:
    assert plugin.run().seen
    (plugin.root / "scripts" / "build_environment.py").unlink()
    (plugin.tools / "python3").unlink()
    assert plugin.run().seen


# What it leaves alone


@pytest.mark.parametrize("locale", [{}, {"LC_CTYPE": ""}, {"LC_CTYPE": "C"}, {"LANG": "C.UTF-8"}])
def test_environment_is_the_callers(plugin: Plugin, locale: dict[str, str]) -> None:
    plugin.extra |= locale
    plugin.extra |= {
        "root": "1", "env": "2", "python": "3", "cache": "4", "stamp": "5", "line": "6",
        "PYTHONPATH": "/nowhere", "PYTHONDONTWRITEBYTECODE": "1", "VIRTUAL_ENV": "/some/venv",
    }  # fmt: skip
    given = plugin.environ
    for _start in ("cold", "warm"):
        assert without_shells_own(plugin.run().seen["environ"]) == given


def test_python_ignores_the_callers_settings_and_user_site(plugin: Plugin, tmp_path: Path) -> None:
    for name in ("json.py", "venv.py", "agent_loops.py", "sitecustomize.py"):
        (tmp_path / name).write_text("raise SystemExit('taken from the wrong folder')")
    plugin.extra |= {"PYTHONPATH": str(tmp_path), "PYTHONHOME": "/nowhere"}
    for _start in ("cold", "warm"):
        seen = plugin.run(cwd=tmp_path).seen
        assert str(tmp_path) not in seen["path"]


def test_a_first_start_writes_only_in_the_cache_folder(plugin: Plugin) -> None:
    plugin.run()
    assert [path.name for path in plugin.home.iterdir()] == [".cache"]
    assert [path.name for path in (plugin.home / ".cache").iterdir()] == ["agent-loops"]
    assert plugin.cache.stat().st_mode & 0o777 == 0o700


# What it builds


def test_one_build_for_two_first_starts_at_once(plugin: Plugin) -> None:
    plugin.fake_uv()
    plugin.depend_on("stubone>=1")
    (plugin.notes / "hold").touch()
    starts = [plugin.popen(str(number)) for number in range(3)]
    until(plugin.installs)
    time.sleep(0.3)  # the others reach the lock
    (plugin.notes / "hold").unlink()
    answers = [finish(start) for start in starts]
    assert [answer.seen["argv"] for answer in answers] == [["0"], ["1"], ["2"]]
    assert len(plugin.installs()) == 1
    assert len(plugin.environments()) == 1


@pytest.mark.parametrize("which", ["all", "builder"])
def test_a_start_after_a_build_was_killed(plugin: Plugin, which: str) -> None:
    plugin.fake_uv()
    plugin.depend_on("stubone>=1")
    (plugin.notes / "hold").touch()
    start = plugin.popen(start_new_session=True)
    until(plugin.installs)
    assert plugin.environments() == []
    if which == "all":
        os.killpg(start.pid, signal.SIGKILL)
    else:
        for child in psutil.Process(start.pid).children(recursive=True):
            if "building-" not in str(child.cmdline()):  # all but the installer
                child.kill()
    start.communicate(timeout=LIMIT_S)
    assert start.returncode != 0
    assert plugin.environments() == []
    if which == "all":
        (plugin.notes / "hold").unlink()
    else:  # the installer outlived its builder, and must not hold the next one up
        program(plugin.tools / "uv", UV.replace("$NOTES/hold", "$NOTES/never"))
    assert plugin.run("again").seen["argv"] == ["again"]
    assert [path.name for path in plugin.cache.glob("building-*")] == []
    (plugin.notes / "hold").unlink(missing_ok=True)


def test_a_terminated_build_clears_up(plugin: Plugin) -> None:
    plugin.fake_uv()
    plugin.depend_on("stubone>=1")
    (plugin.notes / "hold").touch()
    start = plugin.popen(start_new_session=True)
    until(plugin.installs)
    os.killpg(start.pid, signal.SIGTERM)
    start.communicate(timeout=LIMIT_S)
    until(lambda: not list(plugin.cache.glob("building-*")))
    assert plugin.environments() == []


def test_changed_dependencies_get_an_environment_of_their_own(plugin: Plugin) -> None:
    plugin.fake_uv()
    pythons = []
    for requirement in ("stubone>=1", "stubone>=2", "stubone>=1"):
        plugin.depend_on(requirement)
        pythons.append(plugin.run().seen["python"])
    assert pythons[0] == pythons[2] != pythons[1]
    assert len(plugin.installs()) == 2


def test_an_upgraded_interpreter_gets_a_new_environment(plugin: Plugin) -> None:
    plugin.run()
    (old,) = plugin.environments()
    link = old / "bin" / "python"
    link.unlink()
    link.symlink_to("/nowhere/python3.10")
    assert plugin.run().seen
    assert plugin.run().seen["python"] == str(plugin.environments()[0] / "bin" / "python")


def test_another_python_asked_for_gets_an_environment_of_its_own(plugin: Plugin) -> None:
    plugin.run()
    other = plugin.tools / "other python"
    other.symlink_to(PYTHON)
    plugin.extra["AGENT_LOOPS_PYTHON"] = str(other)
    assert [plugin.run().code, plugin.run().code] == [0, 0]
    assert len(plugin.environments()) == 2


def test_installs_what_pyproject_lists(plugin: Plugin) -> None:
    shutil.copy2(ROOT / "pyproject.toml", plugin.root)
    plugin.fake_uv()
    plugin.run()
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert len(listed) >= 4
    (install,) = plugin.installs()
    assert install.endswith(" ".join(listed))


def test_a_later_newer_python_is_found_where_python3_is_old(plugin: Plugin) -> None:
    program(plugin.tools / "python3", "#!/bin/sh\nexit 1\n")
    (plugin.tools / "python3.12").symlink_to(PYTHON)
    assert plugin.run().seen


# Where it can put the environment


def test_cache_folder_follows_xdg(plugin: Plugin, tmp_path: Path) -> None:
    plugin.extra["XDG_CACHE_HOME"] = str(tmp_path / "xdg")
    assert plugin.run().seen["python"].startswith(str(tmp_path / "xdg" / "agent-loops" / "env-"))
    plugin.extra["XDG_CACHE_HOME"] = "relative, so to be ignored"
    assert plugin.run().seen["python"].startswith(str(plugin.cache))


@pytest.mark.parametrize("home", ["unwritable", "missing", "unset"])
def test_without_a_usable_home_the_temporary_folder_serves(
    plugin: Plugin, tmp_path: Path, home: str
) -> None:
    temporary = tmp_path / "tmp dir"
    temporary.mkdir()
    environ = plugin.environ | {"TMPDIR": str(temporary)}
    if home == "unwritable":
        (plugin.home / ".cache").touch()  # root may write anywhere but into a file
    elif home == "missing":
        environ["HOME"] = str(tmp_path / "nobody")
    else:
        del environ["HOME"]
    private = temporary / f"agent-loops-{os.geteuid()}"
    for _start in ("cold", "warm"):
        assert plugin.run(env=environ).seen["python"].startswith(str(private / "env-"))
    assert private.stat().st_mode & 0o777 == 0o700
    assert not (tmp_path / "nobody").exists()


@pytest.mark.parametrize("planted", ["open to others", "a link"])
def test_a_planted_temporary_folder_is_refused(
    plugin: Plugin, tmp_path: Path, planted: str
) -> None:
    private = tmp_path / f"agent-loops-{os.geteuid()}"
    if planted == "a link":
        (tmp_path / "theirs").mkdir(mode=0o700)
        private.symlink_to(tmp_path / "theirs")
    else:
        private.mkdir()
        private.chmod(0o777)
    environ = plugin.environ | {"TMPDIR": str(tmp_path)}
    del environ["HOME"]
    assert "set XDG_CACHE_HOME" in plugin.run(env=environ).one_line


# How it fails


def test_an_old_python_is_refused_in_one_line(plugin: Plugin, tmp_path: Path) -> None:
    tools = tmp_path / "only old"
    tools.mkdir()
    for name in ("sh", "uname", "readlink"):
        (tools / name).symlink_to(shutil.which(name) or pytest.fail(name))
    program(tools / "python3", "#!/bin/sh\necho 'SyntaxError' >&2\nexit 1\n")
    environ = plugin.environ | {"PATH": str(tools)}
    line = plugin.run(env=environ).one_line
    assert "Python 3.10 or newer" in line
    assert "AGENT_LOOPS_PYTHON" in line
    environ["AGENT_LOOPS_PYTHON"] = str(tools / "python3")
    assert f"AGENT_LOOPS_PYTHON={tools}/python3" in plugin.run(env=environ).one_line


def test_a_failed_install_is_one_line_that_names_its_log(plugin: Plugin) -> None:
    plugin.fake_uv()
    plugin.depend_on("stubone>=1", "stubtwo==1")  # the stand-in leaves the second one out
    plugin.extra["PIP_NO_INDEX"] = "1"
    line = plugin.run().one_line
    log = plugin.cache / "build.log"
    assert f"log: {log}" in line
    assert "run agent-loops again" in line
    assert "PackageNotFoundError" in log.read_text()
    assert "No matching distribution" in log.read_text().splitlines()[-1]
    assert plugin.environments() == []
    assert list(plugin.cache.glob("building-*")) == []
    plugin.depend_on("stubone>=1")
    assert plugin.run().seen


def test_a_damaged_plugin_is_one_line(plugin: Plugin) -> None:
    (plugin.root / "pyproject.toml").write_text("[project]\n")
    assert "install agent-loops again" in plugin.run().one_line
    (plugin.root / "pyproject.toml").unlink()
    assert "install agent-loops again" in plugin.run().one_line


def test_a_damaged_environment_is_replaced(plugin: Plugin) -> None:
    plugin.run()
    (plugin.environments()[0] / "stamp").unlink()
    assert plugin.run().seen
    assert len(plugin.environments()) == 1
    assert list(plugin.cache.glob("building-*")) == []


# The real thing


@pytest.mark.network
@pytest.mark.parametrize("means", ["uv", "pip"])
def test_real_environment(plugin: Plugin, means: str) -> None:
    shutil.copy2(ROOT / "pyproject.toml", plugin.root)
    imports = "import git, numpy, pathspec, psutil, yaml"
    (plugin.root / "scripts" / "agent_loops" / "cli.py").write_text(f"{imports}\n{CLI}")
    folders = [str(plugin.tools), *os.environ["PATH"].split(":")]
    if means == "uv":
        found = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
        if not found:
            pytest.skip("uv is not installed")
        (plugin.tools / "uv").symlink_to(str(found))
    else:
        folders = [folder for folder in folders if not (Path(folder) / "uv").exists()]
    environ = {**os.environ, "HOME": str(plugin.home), "PATH": ":".join(folders)}
    for _start in ("cold", "warm"):
        seen = plugin.run(env=environ).seen
        assert without_shells_own(seen["environ"]) == without_shells_own(environ)
    log = (plugin.cache / "build.log").read_text()
    assert ("/uv pip install" in log) == (means == "uv")
