"""Attaches the probe to a Python that imports torch; leaves every other one as it is.

Python runs this file at start-up, before the program, because its folder stands on PYTHONPATH. The
project's own `sitecustomize`, which it hides, runs right after it. Must work on Python 3.8 and must
never make a program fail.
"""

import importlib.machinery
import importlib.util
import os
import sys
from importlib.machinery import ModuleSpec
from typing import Any, Optional

_HERE = os.path.dirname(os.path.abspath(__file__))
_FOLDER_VARIABLE = "AGENT_LOOPS_PROBE"


class _Finder:
    """Finds torch as the others do, and has the probe attached when it is loaded."""

    def __init__(self) -> None:
        self._asking = False

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Optional[ModuleSpec]:  # noqa: ARG002, UP045
        if name != "torch" or self._asking:
            return None
        self._asking = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self._asking = False
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, self)  # type: ignore[assignment]
        return spec


class _Loader:
    def __init__(self, loader: Any, finder: _Finder) -> None:
        self._loader, self._finder = loader, finder

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> Any:
        return self._loader.create_module(spec)

    def exec_module(self, module: Any) -> None:
        module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        try:
            sys.meta_path[:] = [item for item in sys.meta_path if item is not self._finder]
            _probe().attach(module, os.environ[_FOLDER_VARIABLE])
        except Exception as error:  # noqa: BLE001  (a training never fails by its probe)
            _tell(error)


def _probe() -> Any:
    name = "agent_loops_probe"
    place = os.path.join(_HERE, name)
    spec = importlib.util.spec_from_file_location(
        name, os.path.join(place, "__init__.py"), submodule_search_locations=[place]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _tell(error: Exception) -> None:
    try:
        folder = os.environ[_FOLDER_VARIABLE]
        with open(os.path.join(folder, "notes.txt"), "a") as stream:
            stream.write("the probe could not attach: %s: %s\n" % (type(error).__name__, error))
    except Exception:  # noqa: BLE001  (nobody is left to tell)
        pass


def _go_on_with_the_projects_own() -> None:
    """Runs the `sitecustomize` that would have run without this one."""
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != _HERE]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", sys.path)
    if spec is not None and spec.loader is not None:
        module = importlib.util.module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)


if os.environ.get(_FOLDER_VARIABLE):
    sys.meta_path.insert(0, _Finder())
_go_on_with_the_projects_own()
