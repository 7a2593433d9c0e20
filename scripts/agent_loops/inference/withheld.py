"""Keeps secrets that stand in a project's papers out of what is proposed and shown.

Takes none from the environment: a command names the variable, and the person sets it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

from agent_loops import display
from agent_loops.inference.cautions import Caution
from agent_loops.inference.findings import Finding

_COMMANDS = ("run_cmd", "eval_cmd", "prelude", "cleanup_cmd", "checks_cmd")
_NAMED = re.compile(
    r"(?<![\w$-])(?P<name>(?P<switch>--?)?[A-Za-z][\w-]*)(?P<between>=|(?(switch)[ \t]+|=))"
    r"(?P<quote>[\"']?)(?P<value>\[masked\]|[^\s\"'$`]{6,})(?P=quote)"
)
_PASSWORD = re.compile(r"PASS|SECRET")


def from_finding(finding: Finding) -> None:
    """Puts a variable's name for each secret in a command, and masks it everywhere else."""
    secrets: set[str] = set()
    variables: dict[str, None] = {}

    def in_command(text: str) -> str:
        def named(match: re.Match[str]) -> str:
            variable = match["name"].lstrip("-").replace("-", "_").upper()
            if not _is_secret(variable, match["value"]):
                return match[0]
            secrets.add(match["value"])
            variables[variable] = None
            return f'{match["name"]}{match["between"]}"${variable}"'

        text = _NAMED.sub(named, display.mask(text, ()))
        if display.MASKED in text:
            variables["SECRET"] = None
        return text.replace(display.MASKED, "$SECRET")

    for key in _COMMANDS:
        if value := finding.bindings.get(key):
            finding.bindings[key] = replace(value, value=in_command(value.value))
    finding.choices = [in_command(choice) for choice in finding.choices]
    told = tuple(secrets - {display.MASKED})
    for field in fields(finding):
        if field.name != "choices":
            said = getattr(finding, field.name)
            setattr(finding, field.name, _masked(said, lambda text: display.mask(text, told)))
    if variables:
        names = ", ".join(f"${name}" for name in variables)
        finding.warnings.insert(
            0,
            Caution("secret", f"a secret stood in the command: set {names} in the environment"),
        )


def _is_secret(variable: str, value: str) -> bool:
    """By its name, where the value is no plain word such as another option's."""
    if value == display.MASKED:
        return bool(display.secret_values({variable: "x" * 9}))
    telling = any(char.isdigit() for char in value) or _PASSWORD.search(variable)
    return bool(telling and display.secret_values({variable: value}))


def _masked(said: Any, mask: Callable[[str], str]) -> Any:
    if isinstance(said, str):
        return mask(said)
    if isinstance(said, list):
        return [_masked(item, mask) for item in said]
    if isinstance(said, Caution):
        return replace(said, text=mask(said.text), cleanup=mask(said.cleanup))
    if isinstance(said, dict):
        return {key: replace(value, evidence=mask(value.evidence)) for key, value in said.items()}
    return said
