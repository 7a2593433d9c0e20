"""The client, a home with the plugin in it, and small projects; made once for each process."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import client
from client import Host
from network import Network
from projects import Campaign

# The tests' own fixture scrubs it before a test begins.
_REQUIRED = os.environ.get("AGENT_LOOPS_E2E") == "required"


def _lacking(reason: str) -> None:
    """What a clean checkout may lack, CI may not."""
    if _REQUIRED:
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def program() -> Path:
    if not shutil.which("npm") and not _REQUIRED:
        pytest.skip("npm is not there")
    try:
        return client.install(os.environ.get("AGENT_LOOPS_E2E_CLIENT", client.VERSION))
    except RuntimeError as problem:
        _lacking(str(problem))
        raise


@pytest.fixture(scope="session")
def tmux() -> None:
    if not shutil.which("tmux"):
        _lacking("tmux is not there")


@pytest.fixture(scope="session")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plugin's folder as it is cloned."""
    return client.copy_tracked(tmp_path_factory.mktemp("clone") / "agent-loops")


@pytest.fixture(scope="session")
def bare_host(program: Path, plugin: Path) -> Iterator[Callable[[Path], Host]]:
    """Makes a machine whose client has nothing installed."""
    network, cache = Network(), client.build_engine(plugin)
    yield lambda home: Host(program, network, home, cache, plugin)
    network.close()


@pytest.fixture(scope="session")
def made_home(
    bare_host: Callable[[Path], Host], plugin: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A home in which the plugin was installed."""
    home = tmp_path_factory.mktemp("made-home")
    bare_host(home).install_plugin(plugin)
    return home


@pytest.fixture
def host(bare_host: Callable[[Path], Host], made_home: Path, tmp_path: Path) -> Host:
    """A machine with the plugin."""
    return bare_host(client.moved_home(made_home, tmp_path / "home"))


@pytest.fixture
def project(tmp_path: Path) -> Campaign:
    """A repository with a training script that takes a tenth of a second, and its bindings."""
    return Campaign(tmp_path / "a project")
