"""Fills `{budget} {seed} {run_dir} {n} {tag}` into a shell command, quoted for where they stand.

Knows quotes, not the whole shell: a placeholder inside `$( )` or a heredoc counts as unquoted, and
programs that stand there are not seen.
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


# A word behind which another program's name follows, and what may stand before it.
_TRANSPARENT = frozenset(
    "env exec nohup time command builtin ! { do then else elif if while until sudo".split()
)
# What they bring is found only by running them.
_CHANGE_PATH = frozenset("source . eval conda mamba micromamba module".split())
_REDIRECTIONS = ("<", ">", ">>", ">|", "<>", ">&", "<&", "&>", "&>>", "<<<")


def programs(command: str) -> list[str]:
    """The programs that a shell command names, in its order and once each.

    Names that only the shell can work out (`$PYTHON`) are left out, and so are relative paths
    behind a `cd`, and all behind what changes PATH (`source venv/bin/activate`).
    """
    lexer = shlex.shlex(command.replace("\\\n", " "), posix=True, punctuation_chars="();<>|&\n")
    lexer.whitespace = " \t\r"
    lexer.whitespace_split = True
    found: dict[str, None] = {}
    is_name, is_file, moved = True, False, False
    try:
        for word in lexer:
            if is_file:
                is_file = False
            elif word in _REDIRECTIONS:
                is_file = True
            elif word.startswith(("<<", "PATH=")):
                break  # what follows is a text, or found elsewhere
            elif word and not word.strip("();<>|&\n"):
                is_name = True
            elif is_name and word not in _TRANSPARENT and not re.match(r"[A-Za-z_]\w*=", word):
                is_name = False
                moved |= word in ("cd", "pushd")
                if not re.search(r"[$`{*?]", word) and not (moved and re.match(r"[^/].*/", word)):
                    found[word] = None
                if word in _CHANGE_PATH:
                    break
    except ValueError:  # a quote that is not closed: the shell says it better
        return []
    return list(found)
