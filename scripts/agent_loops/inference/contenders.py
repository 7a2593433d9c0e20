"""Ranks the numbers that a script puts out: which of them says how good the run was.

Ranks words and places, not values; two goals in one line are two contenders of equal right.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Literal

from agent_loops.inference import (
    foreign_prints,
    frameworks,
    metric_names,
    printing,
    reading,
    selections,
    tables,
    templates,
)
from agent_loops.inference.dependencies import closure
from agent_loops.inference.metric_names import Sense, Split
from agent_loops.inference.papers import Papers as Papers
from agent_loops.inference.printing import Output
from agent_loops.inference.survey import Survey
from agent_loops.objective import Direction

Source = Literal["log", "file", "none-yet"]
MONITOR = "a checkpoint's monitor"
_SPLIT_WORTH = {"val": 6.0, "test": 4.0, "": 0.0, "train": -7.0}
# A file without one of these beside a measure's name need not be parsed.
_PUTS = re.compile(
    r"(?:print|log|write|dump|Meter|postfix|scalar|echo|info|description"
    r"|format)\w*\(|[\"']\w+/\w+[\"'],|%\s*\(|f[\"']"
)
_MEASURES = re.compile(
    r"(?i)loss|acc|err|auc|f1|bpb|ppl|perplex|score|reward|return|mse|mae|psnr|ssim"
    r"|iou|dice|bleu|rouge|\b[wc]er\b|fid|map|recall|precision|"
    r"r2\b|corr|kappa|ndcg|mrr|/s\b|latency|throughput|fps|nll|bpd|\bmean|result|\bvalue\b"
)
_MOST_FILES = 50
# A loss of one of these is a part of another.
_COMPONENTS = frozenset(
    "box obj cls dfl kl disc gen g d aux reg commit commitment codebook vq smoothness "
    "adv policy actor critic entropy mask giou l1 ce quant".split()
)
_READ = (
    ".py",
    ".c",
    ".cc",
    ".cpp",
    ".cu",
    ".cuh",
    ".h",
    ".hpp",
    ".rs",
    ".go",
    ".jl",
    ".js",
    ".ts",
    ".mjs",
    ".java",
    ".R",
)


@dataclass(frozen=True, slots=True)
class Contender:
    """One number that could be the metric."""

    name: str
    direction: Direction
    sure_direction: bool
    score: float
    split: Split
    source: Source
    output: Output
    at: int
    pattern: str | None = None
    example: str = ""
    unique: bool = True
    file: str = ""
    key: str = ""
    speed: bool = False
    digits: int | None = None
    picked: bool = False  # the project itself chooses its best model by it

    @property
    def place(self) -> str:
        return f"{self.output.path}:{self.output.number}"

    @property
    def evidence(self) -> str:
        verb = {
            "print": "prints",
            "progress": "shows in a progress bar",
            "logger": f"logs to {self.output.tool}",
            "file": f"writes {self.file or 'a file'} with",
            "framework": f"({self.output.tool}) prints",
        }[self.output.via]
        return (
            f"{self.place} {verb} "
            f'"{self.key or self.name}{":" if self.output.via == "print" else ""}"'
        )


def of_script(survey: Survey, script: str, papers: Papers) -> list[Contender]:
    """The contenders of one script and of what it imports, the best first."""
    files = closure(survey, script) if script.endswith(".py") else [script]
    outputs = [
        output
        for path in files[:_MOST_FILES]
        for output in outputs_in(survey, path)
        if path == script or output.where.split(".")[0] not in (printing.MAIN, "main")
    ]
    outputs = _with_files(survey, outputs, files)
    outputs += frameworks.outputs_of(survey, files[:40])
    chosen = selections.selections(survey, files, _configs(survey, script))
    found = [_chosen(c, chosen) for output in outputs for c in _of_output(output, script, papers)]
    found += _monitored(found, chosen, outputs)
    found += _in_tables(outputs, script, papers)
    watched = {_without_split(c.name) for c in found if c.output.tool == MONITOR or c.picked}
    found = [replace(c, score=c.score - 6.0) if _unwatched(c, watched) else c for c in found]
    found.sort(key=lambda c: -c.score)
    ranked = readable(found[:12], outputs)
    quality = any(not c.speed and c.score > 0 for c in ranked)
    return sorted(ranked, key=lambda c: c.speed) if quality else ranked


def _with_files(survey: Survey, outputs: Sequence[Output], files: Sequence[str]) -> list[Output]:
    """Columns whose table another file names: the one that most often tells of results."""
    if not any(output.tool == "csv" and not output.file for output in outputs):
        return list(outputs)
    names = [name for path in files[:_MOST_FILES] for name in tables.csv_files(survey.text(path))]
    file = Counter(names).most_common(1)[0][0] if names else ""
    return [replace(o, file=o.file or file) if o.tool == "csv" else o for o in outputs]


def _configs(survey: Survey, script: str) -> list[str]:
    text = survey.text(script)
    if re.search(r"hydra|OmegaConf|yaml", text):
        return survey.with_suffix(".yaml", ".yml")[:60]
    return [p for p in survey.with_suffix(".json")[:60] if "onfig" in p and "onfig" in text]


def _chosen(contender: Contender, chosen: Sequence[selections.Selection]) -> Contender:
    """Worth more where the project itself picks its best model by it."""
    hole = contender.output.line[contender.at]
    expr = hole.expr if isinstance(hole, templates.Hole) else ""
    one = selections.matching(chosen, name=contender.key or contender.name, expr=expr)
    if one is None:
        return contender
    way = one.direction or contender.direction
    return replace(
        contender,
        score=contender.score + 2.0,
        direction=way,
        picked=True,
        sure_direction=contender.sure_direction or one.direction is not None,
    )


def _without_split(name: str) -> str:
    """`val/acc` and `test_acc` are one measure."""
    return " ".join(word for word in metric_names.words(name) if not metric_names.split_of(word))


def _unwatched(contender: Contender, watched: Collection[str]) -> bool:
    """A number of Lightning's last table, where the project picks its best model by another."""
    table = contender.output.tool == "Lightning" and contender.output.via == "framework"
    return table and bool(watched) and _without_split(contender.name) not in watched


def _pairs(outputs: Sequence[Output]) -> Output | None:
    """A line that prints whatever name it is given, with its value: `{key}: {value}`."""
    for output in outputs:
        at = next((i for i, p in enumerate(output.line) if isinstance(p, templates.Hole)), -1)
        rest = output.line[at : at + 3]
        if output.via == "print" and len(rest) == 3 and at == len(output.line) - 3:
            key, between, value = rest
            plain = isinstance(between, str) and between.strip() in (":", "=")
            named = isinstance(key, templates.Hole) and key.text
            if plain and named and isinstance(value, templates.Hole) and not value.text:
                return output
    return None


def _monitored(
    found: Sequence[Contender], chosen: Sequence[selections.Selection], outputs: Sequence[Output]
) -> list[Contender]:
    """Names that a checkpoint monitors, and nothing is seen to print under that very name."""
    names = {c.key or c.name for c in found}
    pairs = _pairs(outputs)
    more = []
    for one in chosen:
        judged = metric_names.sense(one.name)
        if (
            not one.name
            or one.name in names
            or not judged.weight
            or judged.direction is None
            or re.fullmatch(r"auto|loss", one.name)
        ):
            continue
        names.add(one.name)
        path, _, number = one.place.rpartition(":")
        output = Output(
            path,
            int(number),
            (f"{one.name}=", templates.Hole(one.name)),
            via="logger",
            tool=MONITOR,
            key=one.name,
        )
        if pairs is not None:
            output = replace(pairs, line=(f"{one.name} : ", templates.Hole(one.name)), key=one.name)
        split = metric_names.split_of(one.name)
        more.append(
            Contender(
                name=one.name,
                direction=one.direction or judged.direction,
                sure_direction=one.direction is not None or judged.sure,
                score=judged.weight
                + _SPLIT_WORTH[split]
                - (0.0 if pairs else 4.5 if path.endswith((".yaml", ".yml")) else 5.5),
                split=split,
                source="log" if pairs else "none-yet",
                output=output,
                at=1,
                key=one.name,
            )
        )
    return more


def _in_tables(outputs: Sequence[Output], script: str, papers: Papers) -> list[Contender]:
    found = []
    for cell in tables.cells([o for o in outputs if o.path == script]):
        judged = metric_names.sense(cell.name)
        one = _contender(cell.output, cell.at, cell.name, judged, script, papers)
        found.append(
            replace(
                one,
                pattern=cell.pattern,
                example=templates.render(cell.output.line).strip(),
                score=one.score - 1.0,
            )
        )
    return found


def outputs_in(survey: Survey, path: str) -> list[Output]:
    """What one file puts out, in any language that is known."""
    if path.endswith(".py"):
        if ("outputs", path) not in survey.memory:
            text = survey.text(path)
            tree = (
                survey.tree(path)
                if any(_MEASURES.search(text, m.end(), m.end() + 300) for m in _PUTS.finditer(text))
                else None
            )
            survey.memory["outputs", path] = (
                [*printing.outputs_of(path, tree), *tables.csv_columns(path, tree, text)]
                if tree
                else []
            )
        known: list[Output] = survey.memory["outputs", path]
        return known
    return foreign_prints.other_outputs(path, survey.text(path)) if path.endswith(_READ) else []


def _of_output(output: Output, script: str, papers: Papers) -> list[Contender]:
    found = []
    for at, hole, label in templates.holes_of(output.line):
        if hole.text:
            continue
        name = output.key or metric_words(label)
        judged = metric_names.sense(name)
        if not judged.weight:
            judged = _by_variable(output, at, label, hole.expr)
        if not judged.weight or judged.direction is None:
            continue
        found.append(_contender(output, at, name or hole.expr, judged, script, papers))
    return found


def metric_words(label: str) -> str:
    """The last words of a label, from at most three before the metric's own word on."""
    parts = label.split()
    for at in range(len(parts) - 1, -1, -1):
        if metric_names.sense(parts[at]).weight:
            return " ".join(parts[max(0, at - 3) :])
    return label


def _by_variable(output: Output, at: int, label: str, expr: str) -> Sense:
    """A number without a telling name is what its variable is called."""
    if output.via == "print" and re.search(
        r"(?i)^(?:mean|average|avg|result|final|value|final result|metric)$", label
    ):
        judged = metric_names.sense(re.sub(r"\.(?:mean|item|avg)\(\)|\.avg", "", expr))
        return replace(judged, weight=max(0.0, judged.weight - 2))
    if label:
        return metric_names.NOTHING
    texts = "".join(p for p in output.line if isinstance(p, str)).strip()
    if (
        len(output.line) <= 2
        and not re.search(r"[A-Za-z]", texts)
        and output.via == "print"
        and at == 0
    ):
        judged = metric_names.sense(expr)
        return replace(judged, weight=max(0.0, judged.weight - 3))
    return metric_names.NOTHING


def _contender(
    output: Output, at: int, name: str, judged: Sense, script: str, papers: Papers
) -> Contender:
    split = _split(output, at, name)
    score = judged.weight + papers.worth(name)
    score += _SPLIT_WORTH[split] if not judged.speed else 0.0
    text = "".join(p for p in output.line if isinstance(p, str)).lower()
    score += 1.0 if output.depth == 0 else 0.0
    telling = re.search(r"(?i)\b(?:final|overall|mean|average|avg|total|cv|oof)\b", name)
    score += 1.5 if not judged.speed and (telling or re.search(r"\bfinal\b", text)) else 0.0
    score -= 2.5 if re.search(r"\bbest\b", text) else 0.0
    score -= 1.5 if set(metric_names.words(name)) & _COMPONENTS else 0.0
    score -= (
        5.0
        if re.search(
            r"(?i)(?:^|[._])(?:generate|sample|predict|infer|export|demo|plot"
            r"|benchmark|profile|warmup)",
            output.where,
        )
        else 0.0
    )
    score -= (
        3.0
        if re.search(r"\b(?:saving|saved|improved|load|expected|target|baseline|paper)\b", text)
        else 0.0
    )
    beside = PurePosixPath(output.path).parent == PurePosixPath(script).parent
    score += 0.5 if output.path == script else -1.0 if beside or output.via != "print" else -3.0
    score -= {"print": 0.0, "framework": 1.5, "file": 1.5, "progress": 6.5, "logger": 7.0}[
        output.via
    ]
    hole = output.line[at]
    score -= 0.5 if _of_total(output, at) else 0.0
    digits = hole.digits if isinstance(hole, templates.Hole) else None
    score -= (
        1.0
        if digits is not None and digits < 2
        else 0.3
        if digits is not None and digits < 3
        else 0.0
    )
    score += 0.5 if re.search(r"0?\.?50?[:-]0?\.?95", name) else 0.0  # COCO's own mean
    said = papers.direction(name)
    source: Source = (
        "file"
        if output.via == "file"
        else "none-yet"
        if output.via in ("progress", "logger")
        else "log"
    )
    assert judged.direction is not None
    return Contender(
        name=name,
        direction=said or judged.direction,
        score=score,
        split=split,
        source=source,
        sure_direction=judged.sure or (judged.speed and judged.weight > 2) or said is not None,
        output=output,
        at=at,
        file=output.file,
        key=output.key,
        speed=judged.speed,
        digits=digits,
    )


def told_as_best(best: Contender, found: Sequence[Contender]) -> bool:
    """Whether the program prints the best of the figures that it prints in a loop."""
    told = re.compile(r"(?i)\b(?:best|max(?:imum)?)\b|\bbest_|\bmax_")
    same = (c for c in found if _measure(c.name) == _measure(best.name) and c is not best)
    return (
        best.source == "log"
        and best.output.depth > 0
        and any(told.search(templates.render(c.output.line)) for c in same)
    )


def _measure(name: str) -> str:
    return metric_names.sense(name).word


def printed_for_each(best: Contender) -> str:
    """What the figure is printed once for each of: folds or ranks; empty where it is not so."""
    line = best.output.line
    said = " ".join(p if isinstance(p, str) else p.expr for p in line).lower()
    several = re.search(r"\b(fold|rank)s?\b|\b(fold|rank)_", said)
    again = re.search(r"\b(?:epoch|step|iter\w*|it|batch)\b", said)
    if best.source != "log" or best.output.depth != 1 or several is None or again:
        return ""
    return several[1] or several[2]


def _of_total(output: Output, at: int) -> bool:
    """Whether a number is a count, of so many: `9913/10000`."""
    after = output.line[at + 1 : at + 3]
    return len(after) == 2 and after[0] == "/" and isinstance(after[1], templates.Hole)


def _split(output: Output, at: int, name: str) -> Split:
    """On which data the number was taken: by its name, line, variable, function."""
    hole = output.line[at]
    before = "".join(p for p in output.line[:at] if isinstance(p, str)).rsplit("\n", 1)[-1]
    for text in (
        name,
        before,
        hole.expr if isinstance(hole, templates.Hole) else "",
        output.where.rsplit(".", 1)[-1],
    ):
        if found := metric_names.split_of(text):
            return found
    inner = [part for part in output.where.split(".") if metric_names.split_of(part)]
    return metric_names.split_of(inner[-1]) if inner else ""


def readable(found: Sequence[Contender], outputs: Sequence[Output]) -> list[Contender]:
    """The contenders with the name or the pattern that really reads them."""
    shown = [o for o in outputs if o.via in ("print", "progress", "framework")]
    lines = {id(output): templates.render(output.line) for output in shown}
    result = []
    for contender in found:
        if contender.source != "log" or contender.pattern:
            result.append(contender)
            continue
        others = [
            lines[id(o)] for o in shown if o is not contender.output and not _twin(o, contender)
        ]
        how = reading.how_to_read(
            contender.output.line, contender.at, others, fallback=_identifier(contender)
        )
        penalty = 0.0 if how.unique else 1.0
        result.append(
            replace(
                contender,
                name=how.name,
                pattern=how.pattern,
                example=how.example,
                unique=how.unique,
                score=contender.score - penalty,
            )
        )
    return sorted(result, key=lambda c: -c.score)


def _twin(other: Output, contender: Contender) -> bool:
    """Whether another output prints the same figure again, such as before and after the loop."""
    return [p for p in other.line if isinstance(p, str)] == [
        p for p in contender.output.line if isinstance(p, str)
    ] and other.via == contender.output.via


def _identifier(contender: Contender) -> str:
    told = [
        word
        for word in re.findall(r"[A-Za-z_][\w@.-]*", contender.name)
        if metric_names.sense(word).weight
    ]
    plain = re.search(r"[A-Za-z_]\w*", contender.name)
    return told[-1] if told else plain[0] if plain else "metric"
