"""Finds by which number a project itself picks its best model, and which way it compares.

Reads comparisons with a best so far, checkpoint monitors and sweep targets; believes the code only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from agent_loops.inference.survey import Survey
from agent_loops.objective import Direction

_BEST = (
    r"(?:self\.|state\.)?(?:best_?\w*|\w+_best|\w+_max|max_\w+|top_\w+|\w+_min|min_\w+"
    r"|prev_\w+)(?:\[[^\]]*\])?"
)
_THING = r"([A-Za-z_][\w.]*(?:\[[^\]]*\])*(?:\(\))?)"
_AFTER = re.compile(rf"(?:if|elif|=|and|or|\()\s*{_THING}\s*([<>])=?\s*({_BEST})")
_BEFORE = re.compile(rf"(?:if|elif|=|and|or)\s*({_BEST})\s*([<>])=?\s*{_THING}")
_EXTREME = re.compile(
    rf"best\w*\s*=\s*(max|min)\(\s*(?:{_BEST}\s*,\s*{_THING}|{_THING}\s*,\s*{_BEST})"
)
_MONITOR = re.compile(
    r"(?:monitor|optimized_metric|metric_for_best_model|early_stopping_metric"
    r"|eval_metric|objective_metric)[\"']?\s*[:=]\s*[\"'](?:(min|max)\s+)?([\w/@.:-]+)[\"']"
)
_DEFAULT = re.compile(
    r"[\"']--(?:eval[-_])?metrics?[\"'][^\n]*default\s*=\s*[\[(]?[\"']([\w@./-]+)"
)
_MODE = re.compile(r"(?:mode|direction)[\"']?\s*[:=]\s*[\"']?(min|max)")
_GREATER = re.compile(r"greater_is_better[\"']?\s*=\s*(True|False)")


@dataclass(frozen=True, slots=True)
class Selection:
    """`expr` is what is compared, as written; `name` a logged name. One of them is empty."""

    expr: str
    name: str
    direction: Direction | None
    place: str


def selections(survey: Survey, files: Sequence[str], configs: Sequence[str]) -> list[Selection]:
    """Every choice of a best model in the files and in YAML configurations."""
    found: list[Selection] = []
    for path in files[:60]:
        text = survey.text(path)
        if "best" in text or "max" in text or "min" in text:
            found += _comparisons(path, text)
        found += _monitors(path, text)
    for path in configs[:60]:
        found += _monitors(
            path,
            survey.text(path)
            if path.endswith(".json")
            else re.sub(
                r"(:\s*)([\w/@.-]+)[ \t]*(?:#.*)?$",
                r'\1"\2"',
                survey.text(path),
                flags=re.MULTILINE,
            ),
        )
    return found


def _comparisons(path: str, text: str) -> list[Selection]:
    found = []
    for match in _AFTER.finditer(text):
        way = Direction.MINIMIZE if match[2] == "<" else Direction.MAXIMIZE
        found.append(_selection(path, text, match.start(), match[1], way))
    for match in _BEFORE.finditer(text):
        way = Direction.MAXIMIZE if match[2] == "<" else Direction.MINIMIZE
        found.append(_selection(path, text, match.start(), match[3], way))
    for match in _EXTREME.finditer(text):
        way = Direction.MAXIMIZE if match[1] == "max" else Direction.MINIMIZE
        found.append(_selection(path, text, match.start(), match[2] or match[3], way))
    return [
        s
        for s in found
        if not re.search(
            r"(?i)best|step|epoch|iter|time|len\(|count|\bnorm|grad|lr$|size|^\d", s.expr
        )
    ]


def _selection(path: str, text: str, at: int, expr: str, way: Direction) -> Selection:
    return Selection(
        re.sub(r"\.item\(\)|\.avg$", "", expr), "", way, f"{path}:{text.count(chr(10), 0, at) + 1}"
    )


def _monitors(path: str, text: str) -> list[Selection]:
    found = [
        Selection("", match[1], None, f"{path}:{text.count(chr(10), 0, match.start()) + 1}")
        for match in _DEFAULT.finditer(text)
    ]
    for match in _MONITOR.finditer(text):
        if re.search(r"sched", text[max(0, match.start() - 160) : match.start()]):
            continue  # the learning rate follows it, nothing is chosen by it
        near = text[max(0, match.start() - 200) : match.end() + 250]
        mode = (
            re.match(r"(min|max)$", match[1] or "")
            or _MODE.search(text[match.end() : match.end() + 250])
            or _MODE.search(near)
        )
        greater = _GREATER.search(near)
        way = None
        if mode:
            way = Direction.MINIMIZE if mode[1] == "min" else Direction.MAXIMIZE
        elif greater:
            way = Direction.MAXIMIZE if greater[1] == "True" else Direction.MINIMIZE
        found.append(
            Selection("", match[2], way, f"{path}:{text.count(chr(10), 0, match.start()) + 1}")
        )
    return found


def matching(found: Sequence[Selection], *, name: str, expr: str) -> Selection | None:
    """The selection that speaks of this number."""
    bare = re.sub(r"\.item\(\)|\.avg$|\s*\*\s*100\.?\d*|100\.?\d*\s*\*\s*", "", expr).strip("() ")
    for one in found:
        if one.name and (
            one.name == name or name.endswith(f"_{one.name}") or one.name.endswith(f"_{name}")
        ):
            return one
        if one.expr and one.expr == bare:
            return one
    return None
