"""Commands that install or remove packages: they change what every later run measures.

Knows the usual managers by name; a build of one's own is not seen, and the engine stamps the
environment only coarsely.
"""

from __future__ import annotations

import re

REASON = (
    "No packages are installed in a campaign, as they change what is measured: use what is there, "
    "or ask the person to install it."
)
_CHANGING = {
    "pip": "install uninstall",
    "pipx": "install inject upgrade",
    "easy_install": "",
    "uv": "add remove sync",
    "poetry": "add install update remove",
    "pdm": "add install update remove sync",
    "pipenv": "install update uninstall sync",
    "hatch": "dep",
    "rye": "add install sync remove",
    "conda": "install create update remove",
    "pixi": "add install remove",
    "npm": "install i ci add update uninstall",
    "pnpm": "install i add update remove",
    "yarn": "add install remove up upgrade",
    "bun": "install add",
    "corepack": "use",
    "cargo": "add install remove uninstall",
    "go": "get install",
    "gem": "install update",
    "bundle": "install add update",
    "composer": "require install",
    "luarocks": "install",
    "opam": "install",
    "cpan": "",
    "cpanm": "",
    "apt": "install remove upgrade full-upgrade purge",
    "apk": "add del",
    "dnf": "install remove upgrade",
    "zypper": "install in",
    "pacman": "-S -Sy -Syu -R",
    "dpkg": "-i --install",
    "rpm": "-i -U -Uvh",
    "brew": "install upgrade",
    "port": "install",
    "snap": "install",
    "flatpak": "install",
    "nix-env": "-i -iA",
    "guix": "install",
    "choco": "install",
}
_SAME = {
    "mamba": "conda", "micromamba": "conda", "apt-get": "apt", "aptitude": "apt", "yum": "dnf",
    "microdnf": "dnf", "yay": "pacman", "paru": "pacman",
}  # fmt: skip


def refusal(argv: list[str]) -> str:
    """REASON where the command installs something."""
    name, words = argv[0].split("/")[-1], argv[1:]
    if re.match(r"(python|pypy)[\d.]*\Z", name):
        name, words = _module(words)
    name = re.sub(r"(?<=pip)[\d.]+\Z", "", name)
    name = _SAME.get(name, name)
    if name == "ensurepip":
        return REASON
    if name == "setup.py":
        return REASON if {"install", "develop"} & set(words) else ""
    if name not in _CHANGING or {"--dry-run", "--help", "-h", "--version"} & set(words):
        return ""
    plain = [
        word for word in words if not word.startswith("-") or name in ("pacman", "dpkg", "rpm")
    ]
    return REASON if _installs(name, plain, words) else ""


def _module(words: list[str]) -> tuple[str, list[str]]:
    """`python -m pip …`, `python setup.py …`."""
    while words and words[0] in ("-I", "-s", "-S", "-E", "-u", "-B"):
        words = words[1:]
    if words[:1] == ["-m"] and len(words) > 1:
        return words[1], words[2:]
    if words[:1] and words[0].startswith("-m") and len(words[0]) > 2:
        return words[0][2:], words[1:]
    if words[:1] and words[0].split("/")[-1] == "setup.py":
        return "setup.py", words[1:]
    return "", words


def _installs(name: str, plain: list[str], words: list[str]) -> bool:
    if name == "yarn" and not words:
        return True
    if name == "uv" and plain[:1] in (["pip"], ["tool"], ["python"]):
        return bool({"install", "uninstall", "sync", "upgrade"} & set(plain[1:2]))
    if name == "uv" and plain[:1] == ["lock"]:
        return "--upgrade" in words or "-U" in words
    if name == "conda" and plain[:1] == ["env"]:
        return bool({"create", "update", "remove"} & set(plain[1:2]))
    changing = _CHANGING[name].split()
    if not changing:
        return bool(plain)
    # Options with a value may stand before the subcommand: two words are looked at.
    return bool(set(changing) & set(plain[:2]))
