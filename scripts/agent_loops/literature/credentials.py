"""Keys and addresses of the sources: from the environment, else from `.agent-loops/keys`.

Shows none of them, and takes none from a file that others can read.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from agent_loops import files
from agent_loops.errors import UsageError

KEYS_NAME = "keys"
_NAMES = ("SEMANTIC_SCHOLAR_API_KEY", "OPENALEX_API_KEY", "OPENALEX_MAILTO")
_MOST_CHARACTERS = 200


class Credentials(NamedTuple):
    """What a source is told of who asks; "" where nothing is given."""

    semantic_scholar_key: str = ""
    openalex_key: str = ""
    openalex_mailto: str = ""

    def __repr__(self) -> str:
        return "Credentials(…)"  # a traceback or a log is no place for them


def find(environ: Mapping[str, str], state_dir: Path | None) -> Credentials:
    """The environment's, and what it lacks from the file.

    Raises:
        UsageError: the file can be read by others, or a value is no key.
    """
    given = _of_file(state_dir / KEYS_NAME) if state_dir is not None else {}
    given |= {name: environ[name].strip() for name in _NAMES if environ.get(name, "").strip()}
    for name, value in given.items():
        if not (value.isascii() and value.isprintable()) or len(value) > _MOST_CHARACTERS:
            raise UsageError(f"{name}: no key: one line of at most {_MOST_CHARACTERS} characters")
    return Credentials(*(given.get(name, "") for name in _NAMES))


def _of_file(path: Path) -> dict[str, str]:
    try:
        with files.open_regular(path) as stream:
            status = os.fstat(stream.fileno())
            text = stream.read(1 << 16).decode("utf-8-sig", "replace")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise UsageError(f"{path}: others can read it; `chmod 600 {path}`, then try again")
    if status.st_uid != os.geteuid():
        raise UsageError(f"{path}: it is another user's file; write one of your own")
    ignore = path.with_name(".gitignore")
    if not ignore.exists():  # a folder that somebody made by hand, before any setup
        files.write_atomic(ignore, b"*\n")
    lines = [line.strip().removeprefix("export ").partition("=") for line in text.splitlines()]
    return {
        name.strip(): value.strip().strip("\"'")
        for name, _, value in lines
        if name.strip() in _NAMES and value.strip()
    }
