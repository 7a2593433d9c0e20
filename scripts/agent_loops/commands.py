"""Fills `{budget} {seed} {run_dir} {n} {tag}` into a shell command, quoted for where they stand.

Knows quotes, not the whole shell: a placeholder inside `$( )` or a heredoc counts as unquoted.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping


def fill(command: str, values: Mapping[str, str]) -> str:
    """Replaces each `{name}` of `values`; `${name}` and unknown names are the shell's own.

    >>> fill("train --out={run_dir} '{n}'", {"run_dir": "/a b", "n": "3"})
    "train --out='/a b' '3'"
    """
    names = "|".join(re.escape(name) for name in values)
    token = re.compile(rf"\\.|['\"]|(?<!\$)\{{({names})\}}", re.DOTALL)
    quote = ""
    pieces: list[str] = []
    end = 0
    for match in token.finditer(command):
        text = match.group()
        pieces.append(command[end : match.start()])
        end = match.end()
        if match[1] is not None:
            text = _quoted(values[match[1]], quote)
        elif text in ("'", '"') and quote in ("", text):
            quote = "" if quote else text
        elif text.startswith("\\") and quote == "'":
            # A backslash is itself inside single quotes: look again at what follows it.
            text, end = "\\", match.start() + 1
            if command[end] == "'":
                quote, text, end = "", "\\'", end + 1
        pieces.append(text)
    pieces.append(command[end:])
    return "".join(pieces)


def _quoted(value: str, quote: str) -> str:
    if quote == "'":
        return value.replace("'", "'\\''")
    if quote == '"':
        return re.sub(r'([\\$"`])', r"\\\1", value)
    return shlex.quote(value)
