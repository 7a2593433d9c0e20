"""Text from outside made short, clean and masked, so that it can be shown to a person or a model.

Does not judge what the text says; a secret of an unknown shape in no variable is not recognised.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

MASKED = "[masked]"
_CUT = "…"

_MIN_SECRET_CHARS = 6

TERMINAL_CODES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-~]"
)
# Letters that show as nothing, and the variation selectors in which hidden text is carried.
_INVISIBLE = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5") | {
    chr(c) for c in (*range(0xFE00, 0xFE0F), *range(0xE0100, 0xE01F0))
}
_ZWJ = "\u200d"


def clean(text: str, limit: int) -> str:
    """One line of at most `limit` characters that can neither move a cursor nor hide anything."""
    return cut(one_line(text), limit)


def one_line(text: str) -> str:
    """`clean` without a limit."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    text = TERMINAL_CODES.sub("", text)
    kept: list[str] = []
    for at, char in enumerate(text):
        if char.isspace():
            kept.append(" ")
        elif char == _ZWJ:
            kept += char if kept and _joins(kept[-1], text[at + 1 : at + 2]) else ""
        elif char.isprintable() and char not in _INVISIBLE:
            kept.append(char)
    return " ".join("".join(kept).split())


def _joins(before: str, after: str) -> bool:
    """Whether a zero-width joiner between the two is part of an emoji."""
    return (before == "\ufe0f" or unicodedata.category(before) in ("So", "Sk")) and (
        after != "" and unicodedata.category(after) == "So"
    )


def counted(count: int, noun: str = "experiment") -> str:
    """So many of them: "1 experiment", "2 experiments"."""
    return f"{count} {noun}" + ("" if count == 1 else "s")


def cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    if limit < 1:
        return ""
    at = limit - 1
    while at > 0 and (_continues(text[at]) or text[at - 1] == _ZWJ):
        at -= 1
    flags = len(text[:at]) - len(text[:at].rstrip("".join(map(chr, range(0x1F1E6, 0x1F200)))))
    if flags % 2 and "\U0001f1e6" <= text[at] <= "\U0001f1ff":
        at -= 1
    return text[:at].rstrip() + _CUT


def cut_bytes(text: str, limit: int) -> str:
    """`cut` to at most `limit` bytes of UTF-8."""
    data = text.encode("utf-8", "replace")
    if len(data) <= limit:
        return text
    kept = data[: max(0, limit - len(_CUT.encode()))].decode("utf-8", "ignore")
    return cut(text, len(kept) + 1)


def _continues(char: str) -> bool:
    """Whether `char` belongs to the one before it."""
    return (
        char == _ZWJ
        or unicodedata.category(char).startswith("M")
        or "\U0001f3fb" <= char <= "\U0001f3ff"
    )


# --- secrets ------------------------------------------------------------------------------------

_SECRET_NAME = re.compile(
    r"SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|APIKEY|PRIVATE|(?:^|_)(?:PASS|PAT|PWD|DSN|COOKIE)$"
    r"|(?:KEY|TOKEN|AUTH)$|(?:^|_)(?:KEY|TOKEN)(?:_|\d|$)",
    re.IGNORECASE,
)
_NOT_SECRET_NAME = re.compile(
    r"^(?:OLD)?PWD$|_(?:FILE|PATH|DIR|SOCK|URL|HOST|NAME)$|^SSH_AUTH_SOCK$"
)
# What a text must hold, without case, for the shape to be looked for: looking takes far longer.
_SHAPES = (
    (("sk-",), r"\bsk-(?=[\w-]*\d)[\w-]{16,}"),
    (
        (
            "gho_",
            "ghp_",
            "ghu_",
            "ghs_",
            "ghr_",
            "github_pat_",
            "glpat-",
            "hf_",
            "npm_",
            "pypi-",
            "dckr_pat_",
            "r8_",
            "xox",
            "shp",
        ),
        r"\b(?:gh[opusr]_|github_pat_|glpat-|hf_|npm_|pypi-|dckr_pat_|r8_|xox[abeprs]-|shp(?:at|ss)_)[\w-]{16,}",
    ),
    (("akia", "asia"), r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    (("aiza",), r"\bAIza[\w-]{30,}"),
    (("eyj",), r"\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?"),
    (("://",), r"(?<=://)[^\s:/@]{0,200}:[^\s/@]{1,200}(?=@)"),
    (("bearer ", "basic "), r"(?i:(?<=\bbearer )|(?<=\bbasic ))[\w.~+/=-]{8,}"),
)
_NAMING = ("key", "token", "secret", "passw", "passphrase")
_ASSIGNED = (
    r"((?i:(?:api|access|auth|hf|secret|private|bot)[_-]?(?:key|token)|secret|passw(?:or)?d|passphrase)"
    r"[\"']?\s?[:=]\s?[\"']?)(?!\[masked\])[^\s\"',;&]{6,}"
)


def secret_values(environ: Mapping[str, str]) -> list[str]:
    """Values of variables whose names look secret, longest first; of multi-line ones each line.

    Numbers, switches and the paths of files (`…_FILE`) are no secrets: masking 100000 because of
    MAX_TOKEN would hide results.
    """
    found: set[str] = set()
    for name, value in environ.items():
        if not _SECRET_NAME.search(name) or _NOT_SECRET_NAME.search(name):
            continue
        if name.upper().endswith("CREDENTIALS") and value.startswith(("/", "~")):
            continue
        for part in {value, *value.splitlines()}:
            part = part.strip()
            dull = part.replace(".", "").isdigit() and len(part) < 12
            if len(part) >= _MIN_SECRET_CHARS and not dull:
                found.add(part)
    return sorted(found, key=lambda value: (-len(value), value))


def mask(text: str, secrets: Sequence[str]) -> str:
    """`text` with the `secrets` and everything of a token's shape replaced by `[masked]`.

    What is left of a secret where a line was cut goes too.
    """
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _MIN_SECRET_CHARS:
            text = text.replace(secret, MASKED)
            shown = range(len(secret) - 1, _MIN_SECRET_CHARS - 1, -1) if _CUT in text else ()
            for length in shown:
                text = text.replace(secret[:length] + _CUT, MASKED + _CUT)
    folded = text.casefold()
    for marks, shape in _SHAPES:
        if any(mark in folded for mark in marks):
            text = re.sub(shape, MASKED, text)
    if not any(name in folded for name in _NAMING):
        return text
    return re.sub(_ASSIGNED, rf"\1{MASKED}", text)
