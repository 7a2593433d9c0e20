"""Figures as Markdown and JSON. Decides nothing."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence

from campaigns import picture
from campaigns.cells import CURVE, USUAL
from campaigns.figures import FIGURES, Figure, Sheet, average, mean, of_cell, share
from campaigns.goals import goals
from campaigns.noise import NORMAL
from campaigns.rules import ORACLE, OURS, RULES
from campaigns.worlds import PURE_NOISE

Groups = dict[str, list[Sheet]]


def by_noise(sheets: Sequence[Sheet], runs: int) -> Groups:
    """The sheets at that number of runs, by noise, sigma and baselines; the A/A world left out."""
    groups: Groups = {}
    for sheet in sheets:
        cell = sheet.cell
        if sheet.runs == runs and cell.world is not PURE_NOISE:
            name = f"{cell.sigma:g}" if cell.noise.name == "normal" else ""
            name = name or f"{cell.noise.name} {cell.sigma:g}"
            if cell.baselines != 2:
                name += f", {cell.baselines} baselines"
            groups.setdefault(name, []).append(sheet)
    return dict(sorted(groups.items(), key=lambda item: _order(item[1][0])))


def _order(sheet: Sheet) -> tuple[bool, bool, float]:
    """Normal noise and two baselines first, by sigma; the other kinds as they were played."""
    cell = sheet.cell
    usual = cell.noise == NORMAL
    return not usual, cell.baselines != 2, cell.sigma if usual else 0.0


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def matrix(
    groups: Groups, cell: Callable[[list[Sheet], str], str], rules: Sequence[str] = tuple(RULES)
) -> str:
    """One row a rule, one column a group; empty where a rule was not played."""
    lines = [_row(["rule", *groups]), _row(["---"] * (len(groups) + 1)).replace(" ", "")]
    for rule in rules:
        found = [
            cell(group, rule) if all(rule in sheet.rules for sheet in group) else ""
            for group in groups.values()
        ]
        if any(found):
            name = f"**{rule}**" if rule == OURS else rule
            lines.append(_row([name, *found]))
    return "\n".join(lines)


def _short(figure: Figure) -> str:
    if math.isnan(figure.mean):
        return ""
    return f"{figure.mean:.2f}±{figure.error:.2f}"


def _averaged(of: Callable[[Sheet, str], Figure]) -> Callable[[list[Sheet], str], str]:
    return lambda group, rule: _short(average([of(sheet, rule) for sheet in group]))


def _coverage(group: list[Sheet], rule: str) -> str:
    if not RULES[rule].has_interval:
        return ""
    return _short(average([mean(sheet.covered(rule)) for sheet in group]))


def markdown(sheets: Sequence[Sheet]) -> str:
    """The tables of a report, each under a heading."""
    parts = []
    others = [rule for rule in RULES if rule != ORACLE]
    for runs in sorted({sheet.runs for sheet in sheets}):
        groups = by_noise(sheets, runs)
        parts += [
            f"### {runs} runs: true gain as a share of the oracle's",
            matrix(groups, lambda group, rule: _short(share(group, rule)), others),
            f"### {runs} runs: reported minus true gain, in sigmas",
            matrix(groups, _averaged(lambda sheet, rule: mean(sheet.over(rule)))),
            f"### {runs} runs: how often the 90% interval holds the truth",
            matrix(groups, _coverage),
            f"### {runs} runs: share of runs spent on repeats",
            matrix(groups, _averaged(lambda sheet, rule: mean(sheet.repeated(rule)))),
            f"### {runs} runs: lines added by kept changes that are not better",
            matrix(
                groups,
                _averaged(lambda sheet, rule: mean(sheet.columns[rule]["for_nothing"])),
            ),
        ]
    parts += ["### Pure noise: how often an improvement is claimed", false_claims(sheets)]
    return "\n\n".join(parts)


def false_claims(sheets: Sequence[Sheet]) -> str:
    """The A/A world at every number of runs."""
    groups = {
        f"{sheet.cell.noise.name}, {sheet.runs} runs": [sheet]
        for sheet in sheets
        if sheet.cell.world is PURE_NOISE
    }
    return matrix(groups, _averaged(lambda sheet, rule: mean(sheet.columns[rule]["claims"])))


def missing(sheets: Sequence[Sheet]) -> str:
    """What knowledge of the truth would add: shares of the oracle's gain."""
    return matrix(by_noise(sheets, sheets[0].runs), lambda group, rule: _short(share(group, rule)))


def by_cell(sheets: Sequence[Sheet]) -> str:
    """One row a cell and number of runs: what every rule truly gained, ours in full."""
    head = ["cell", "runs", *(rule for rule in RULES if rule != ORACLE)]
    head += ["over-claim", "coverage", "repeats", "lines for nothing"]
    lines = [_row(head), _row(["---"] * len(head)).replace(" ", "")]
    for sheet in sheets:
        shares = [
            _short(share([sheet], rule)) if rule in sheet.rules else ""
            for rule in RULES
            if rule != ORACLE
        ]
        own = [sheet.over(OURS), sheet.covered(OURS), sheet.repeated(OURS)]
        own.append(sheet.columns[OURS]["for_nothing"])
        lines.append(
            _row([sheet.cell.name, str(sheet.runs), *shares, *map(_short, map(mean, own))])
        )
    return "\n".join(lines)


def as_json(sheets: Sequence[Sheet], everything: Sequence[Sheet], *, replicates: int) -> str:
    """Every figure of every rule in every cell with its standard error, and the goals, which are
    about `sheets` alone; of `everything` only the curves of the picture are told."""
    cells = [
        {
            "world": sheet.cell.world.name,
            "noise": sheet.cell.noise.name,
            "sigma": sheet.cell.sigma,
            "baselines": sheet.cell.baselines,
            "runs": sheet.runs,
            "rules": of_cell(sheet),
        }
        for sheet in sheets
    ]
    found = [goal._asdict() for goal in goals(sheets)]
    whole = {
        "replicates": replicates,
        "goals": found,
        "curves": {
            f"{sigma:g}": {rule: curve(everything, rule, sigma) for rule in USUAL}
            for sigma in picture.PANELS
        },
        "figures": [*FIGURES, "share of the oracle"],
        "cells": cells,
    }
    return json.dumps(_rounded(whole), allow_nan=False, separators=(",", ":")) + "\n"


def curve(sheets: Sequence[Sheet], rule: str, sigma: float) -> dict[str, list[float]]:
    """True and claimed gain by runs, in typical gains: the mean of all worlds."""
    found: dict[str, list[float]] = {"runs": [], "true": [], "claimed": []}
    for runs in CURVE:
        chosen = [
            sheet
            for sheet in sheets
            if (sheet.cell.noise, sheet.cell.sigma, sheet.runs) == (NORMAL, sigma, runs)
            and sheet.cell.baselines == 2
            and sheet.cell.world is not PURE_NOISE
        ]
        found["runs"].append(runs)
        for name, figure in (("true", "gain"), ("claimed", "claimed")):
            means = [s.columns[rule][figure].mean() / s.cell.world.gain for s in chosen]
            found[name].append(float(sum(means) / len(means)))
    return found


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(item) for item in value]
    return value.item() if hasattr(value, "item") else value
