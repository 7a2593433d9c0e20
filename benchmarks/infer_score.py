"""How well `agent-loops infer` does on projects whose right bindings were written down first.

    python benchmarks/infer_score.py tests/corpus [--real DIR] [--only NAME …] [--details]

CORPUS holds expected/<name>.yaml (for each key a list of acceptable values) and mini/<name>/, small
projects with the same facts; with --real the projects themselves, checked out as DIR/<name>. Prints
a Markdown table: per key right, wrong with low confidence, wrong with confidence, missing.
`locked`, `warnings` and the like are matched by what they name, not word by word.
"""

from __future__ import annotations

import argparse
import io
import re
import shlex
import shutil
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))  # the library lies beside this script

from agent_loops import metric, scan  # noqa: E402
from agent_loops.inference.findings import Finding  # noqa: E402
from agent_loops.inference.infer import infer  # noqa: E402
from agent_loops.inference.metric_names import words  # noqa: E402
from agent_loops.objective import Direction, MetricSpec  # noqa: E402

KEYS = (
    "answer metric metric_direction metric_source reads metric_file metric_key run_cmd prelude "
    "editable_files harness locked budget seed outputs iter_strategy program warnings"
).split()
RIGHT, UNSURE, WRONG, MISSING = "right", "wrong, low confidence", "confident wrong", "missing"
# What a warning is about, in the words of either side.
CAUTIONS = {
    "hard-coded seed": r"hard-?coded (?:seed|list)|seed default fixed|default is fixed|fixed seed",
    "no seed": r"\bno seed|unseeded",
    "self-reported": r"computed in|printed in editable|self-reported",
    "fixed output": r"fixed (?:output|place|name)|overwrit|fixed output folder",
    "resumes": r"resum|continues? (?:an|from)",
    "appends": r"append",
    "few digits": r"few digits",
    "not printed": r"progress bar|only in (?:wandb|the logger|tensorboard)|TensorBoard",
    "queue": r"sbatch|srun|submitit|queue|slurm",
    "container": r"container|docker rm",
    "terminal": r"terminal|-it\b|prompt",
    "disk": r"disk",
    "wrong for a loop": r"wrong for a loop|loops forever|git clone|documented (?:script|command)",
    "data first": r"(?:data|checkpoint)\S* (?:and \S+ )*(?:must|first|have to)|must be "
    r"(?:downloaded|prepared|given|made)|prepared first|downloaded",
    "several GPUs": r"\b(?:8|several) GPUs|nproc",
    "no bound": r"no (?:bound|budget)|never ends|nothing bounds|unbounded",
    "budget in code": r"(?:budget|max_iters|steps\)?)\b.* in (?:the |an )?editable|number of steps"
    r"|pin it on the command",
    "notebooks only": r"notebooks only",
    "several benchmarks": r"several benchmarks",
    "wall_s": r"wall_s is no measure",
    "nightly": r"nightly",
    "separators": r"thousands separators?",
    "build": r"build must be part|compiled",
    "unit": r"unit .*chang|unit .*changes",
    "wandb": r"wandb",
    "unknown flags": r"unknown flags",
    "server": r"server must be running",
    "tee": r"\btee\b",
    "test data": r"test set|test data",
    "training metric": r"only a training|training loss is printed",
    "guard": r"guard on|guard the number",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--real", type=Path)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--details", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as outside:
        _score(options, Path(outside))
    return 0


def _score(options: argparse.Namespace, outside: Path) -> None:
    """Prints the table. The miniatures are read `outside` of this repository: they have no git."""
    if options.real is None:
        shutil.copytree(options.corpus / "mini", outside / "mini")
    tally: dict[str, Counter[str]] = defaultdict(Counter)
    slowest = (0.0, "")
    count = 0
    for path in sorted((options.corpus / "expected").glob("*.yaml")):
        if options.only and path.stem not in options.only:
            continue
        expected = yaml.safe_load(path.read_text(encoding="utf-8"))
        root = _folder(outside, options.real, path.stem, expected)
        if root is None or not root.is_dir():
            continue
        begun = time.monotonic()
        finding = infer(root)
        slowest = max(slowest, (time.monotonic() - begun, path.stem))
        count += 1
        for key, (mark, shown) in judge(expected, finding, root, mini=options.real is None).items():
            tally[key][mark] += 1
            if options.details and mark != RIGHT:
                print(f"{path.stem:38} {key:18} {mark:22} {shown}")
    print(f"\n{count} projects; the slowest took {slowest[0]:.1f} s ({slowest[1]}).\n")
    print("| key | right | wrong, low confidence | confident wrong | missing | share right |")
    print("|---|---|---|---|---|---|")
    for key in KEYS:
        row = tally[key]
        total = sum(row.values())
        if total:
            cells = " | ".join(str(row[mark]) for mark in (RIGHT, UNSURE, WRONG, MISSING))
            print(f"| `{key}` | {cells} | {row[RIGHT] / total:.0%} |")


def _folder(corpus: Path, real: Path | None, name: str, expected: dict[str, Any]) -> Path | None:
    if real is None:
        return corpus / "mini" / name
    for stem in (expected.get("folder"), name, str(expected.get("repo", "")).rsplit("/", 1)[-1]):
        if stem and (real / stem).is_dir():
            return real / stem / str(expected.get("root") or "")
    return None


def _of_mini(expected: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The wanted bindings, and the whole answer, with what is different in the miniature."""
    wanted = dict(expected.get("bindings") or {})
    differs = expected.get("mini_differs")
    for key, value in differs.items() if isinstance(differs, dict) else ():
        if key in wanted:  # a sentence: its command or its list beside the original's
            wanted[key] = [*wanted[key], *_list(value)]
    overrides = expected.get("mini_overrides") or {}
    wanted.update({k: v for k, v in overrides.items() if k in wanted})
    return wanted, {**expected, **{k: v for k, v in overrides.items() if k in expected}}


def judge(
    expected: dict[str, Any], finding: Finding, root: Path, *, mini: bool
) -> dict[str, tuple[str, str]]:
    """{key: (mark, what was answered)} for every key that the hand-written answer speaks of."""
    wanted, expected = (
        _of_mini(expected) if mini else (dict(expected.get("bindings") or {}), expected)
    )
    result: dict[str, tuple[str, str]] = {}
    kinds = [
        expected["answer"],
        *_list(expected.get("also_acceptable")),
        *_list(expected.get("answer_acceptable")),
    ]
    result["answer"] = (
        RIGHT
        if finding.answer in kinds
        else UNSURE
        if finding.answer in ("which", "question")
        else WRONG,
        f"{finding.answer}, wanted {kinds}",
    )
    if "nothing" in kinds and finding.answer == "nothing":
        return result
    position = _metric(result, wanted, finding)
    _direction(result, wanted, finding, position)
    _source(result, wanted, finding)
    if "run_cmd" in wanted:
        good = _runs(finding.value("run_cmd"), expected, wanted)
        result["run_cmd"] = _mark(
            finding,
            "run_cmd",
            finding.value("run_cmd"),
            good=bool(good),
            missing=bool(finding.value("run_cmd") is None),
        )
    if "prelude" in wanted:
        good = any(_same_prelude(finding.value("prelude"), w) for w in wanted["prelude"])
        result["prelude"] = _mark(
            finding,
            "prelude",
            finding.value("prelude"),
            good=bool(good),
            missing=bool(finding.value("prelude") is None),
        )
    _files(result, wanted, finding, root)
    _rest(result, wanted, finding, expected)
    return result


def _source(result: dict[str, tuple[str, str]], wanted: dict[str, Any], finding: Finding) -> None:
    """Where the metric is read, and whether it is read right there."""
    source = finding.metric_source
    if "metric_source" in wanted:
        good = source in wanted["metric_source"] or (not source and None in wanted["metric_source"])
        result["metric_source"] = _mark(
            finding, "metric", source, good=good, missing=finding.value("metric") is None
        )
    if source == "log" and result.get("metric", ("",))[0] == RIGHT:
        reads = _reads(wanted, finding)
        if reads is not None:
            shown = f"{finding.value('metric')!r} {finding.value('metric_pattern')!r}"
            result["reads"] = _mark(finding, "metric", shown, good=reads)
    for key in ("metric_file", "metric_key"):
        if key in wanted and source == "file":
            found = finding.value(key)
            good = any(_same_file(found, w) for w in wanted[key])
            result[key] = _mark(finding, key, found, good=good, missing=found is None)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _mark(
    finding: Finding, key: str, shown: object, *, good: bool, missing: bool = False
) -> tuple[str, str]:
    if good:
        return RIGHT, str(shown)
    if missing:
        return MISSING, str(shown)
    value = finding.bindings.get(key)
    low = value is None or value.confidence == "low"
    return (UNSURE if low else WRONG), f"{shown} [{value.confidence if value else '-'}]"


def _squash(name: object) -> str:
    return " ".join(words(str(name)))


def _metric(result: dict[str, tuple[str, str]], wanted: dict[str, Any], finding: Finding) -> int:
    names = wanted.get("metric") or [None]
    found = finding.value("metric")
    position = next(
        (
            i
            for i, n in enumerate(names)
            if (n is None) == (found is None) and (n is None or _squash(n) == _squash(found))
        ),
        -1,
    )
    if position < 0 and found is not None and finding.value("metric_key"):
        keys = [_squash(k) for k in wanted.get("metric_key") or []]
        if _squash(finding.value("metric_key")) in keys:
            position = 0
    if position < 0 and found is not None:
        position = next(
            (
                i
                for i, n in enumerate(names)
                if n
                and (
                    _squash(n).endswith(" " + _squash(found))
                    or _squash(found).endswith(" " + _squash(n))
                )
            ),
            -1,
        )
    result["metric"] = _mark(
        finding,
        "metric",
        f"{found!r}, wanted {names}",
        good=bool(position >= 0),
        missing=bool(found is None),
    )
    return position


def _direction(
    result: dict[str, tuple[str, str]], wanted: dict[str, Any], finding: Finding, position: int
) -> None:
    ways = wanted.get("metric_direction") or [None]
    found = finding.value("metric_direction")
    want = (
        ways[position]
        if 0 <= position < len(ways) and len(ways) == len(wanted.get("metric") or [])
        else None
    )
    good = found == want if want else found in ways
    result["metric_direction"] = _mark(
        finding,
        "metric_direction",
        f"{found}, wanted {want or ways}",
        good=bool(good),
        missing=bool(found is None),
    )


def _reads(wanted: dict[str, Any], finding: Finding) -> bool | None:
    """Whether name and pattern read one of the example lines, as the library reads them."""
    name = str(finding.value("metric"))
    spec = MetricSpec(
        name,
        Direction(finding.value("metric_direction") or "minimize"),
        finding.value("metric_pattern"),
    )
    tried = False
    for example in _list(wanted.get("pattern_must_match")):
        line, arrow, values = str(example).rpartition(" -> ")
        if not arrow or "must NOT" in line:
            continue
        tried = True
        if "tr -d ," in str(finding.value("run_cmd")):
            line = line.replace(",", "")
        reading = metric.read_log(io.BytesIO(line.encode() + b"\n"), spec).reading
        numbers = [
            float(n) for n in re.findall(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?:e-?\d+)?(?![\w])", values)
        ]
        if reading is not None and reading.value in numbers:
            return True
    return False if tried else None


def _same_file(found: object, want: object) -> bool:
    if found is None or want is None:
        return found == want
    return str(found) == str(want) or str(found).rsplit("/", 1)[-1] == str(want).rsplit("/", 1)[-1]


def _same_prelude(found: object, want: object) -> bool:
    if found is None or want is None:
        return found == want
    last = str(found).split("&&")[-1].split()
    return bool(last) and last[-1] in str(want)


def _bare(command: str) -> list[str]:
    """A command's own words: no values, no flags that only pin."""
    try:
        parts = shlex.split(command)
    except ValueError:
        parts = command.split()
    return [p.removeprefix("./") for p in parts]


def _program(command: str) -> str:
    text = command.replace("'", "").replace('"', "").removeprefix("set -o pipefail; ")
    match = re.search(r"-m\s+([\w.]+)", text)
    if match and match[1] not in (
        "torch.distributed.launch",
        "torch.distributed.run",
        "pytest",
        "accelerate.commands.launch",
    ):
        return match[1].replace(".", "/") + ".py"
    for part in _bare(command):
        if part.endswith((".py", ".sh", ".js")):
            folder = re.match(r"cd\s+(\S+)\s*&&", text)
            return f"{folder[1]}/{part}" if folder else part
    parts = [
        p
        for p in _bare(text)
        if not p.startswith("-") and "=" not in p and p not in ("uv", "run", "python", "-m")
    ]
    return " ".join(parts[:2])


def _runs(found: object, expected: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether the command runs the right program with the arguments that matter."""
    if found is None:
        return None in wanted["run_cmd"]
    text = str(found)
    never = [
        str(w)
        for w in _list(expected.get("run_cmd_must_not_be"))
        + _list(wanted.get("run_cmd_must_not_be"))
    ]
    if text in never:
        return False
    must = expected.get("run_cmd_must_match") or wanted.get("run_cmd_must_match")
    if must and not re.search(str(_list(must)[0]), text):
        return False
    for want in filter(None, wanted["run_cmd"]):
        want = str(want)
        if text == want:
            return True
        if _program(want) == _program(text) and _positional(want) <= _positional(text):
            return True
    return False


def _positional(command: str) -> set[str]:
    """Configs and subcommands: what is neither flag, value of a flag, nor a placeholder."""
    parts = _bare(command)
    found = set()
    for before, part in zip(["", *parts], parts, strict=False):
        if before.startswith("-") or part.startswith("-") or re.search(r"[{}<>…$=|]", part):
            continue
        if (part.endswith((".py", ".yaml", ".sh", ".js")) and before == "") or "config" in part:
            found.add(part)
    return found


def _files(
    result: dict[str, tuple[str, str]], wanted: dict[str, Any], finding: Finding, root: Path
) -> None:
    found = finding.value("editable_files")
    listed = [path for path, _ in scan.walk(root)]
    editable = set(_expanded(found or [], listed))
    if "editable_files" in wanted:
        sets = [set(_expanded(_list(s), listed)) for s in wanted["editable_files"]]
        everything = set().union(*sets) if sets else set()
        good = (not editable and any(not s for s in sets)) or (
            bool(editable)
            and editable <= everything
            and any(len(editable & s) >= 0.3 * len(s) for s in sets if s)
        )
        extra = sorted(editable - everything)[:4]
        result["editable_files"] = _mark(
            finding,
            "editable_files",
            f"{found}, extra {extra}",
            good=bool(good),
            missing=bool(found is None),
        )
    forbidden = set(
        _expanded(
            _list(wanted.get("editable_must_not_include"))
            + _list(wanted.get("readonly_must_include")),
            listed,
        )
    )
    if (forbidden or wanted.get("readonly_must_include") == []) and found is not None:
        inside = sorted(editable & forbidden)
        mark = (
            RIGHT
            if not inside
            else UNSURE
            if finding.bindings["editable_files"].confidence == "low"
            else WRONG
        )
        result["harness"] = (mark, f"editable: {inside}")


def _expanded(patterns: list[Any], listed: list[str]) -> list[str]:
    found: list[str] = []
    for pattern in map(str, patterns):
        base, _, less = pattern.partition(" less ")
        base = re.sub(r" \(.*\)$", "", base.strip())
        matches = scan.matcher([base])
        without = scan.matcher([less.strip()]) if less else None
        hits = [p for p in listed if matches(p) or p == base]
        found += [
            p for p in hits if without is None or not (without(p) or p.endswith("/" + less.strip()))
        ]
    return found


def _rest(
    result: dict[str, tuple[str, str]],
    wanted: dict[str, Any],
    finding: Finding,
    expected: dict[str, Any],
) -> None:
    if "locked" in wanted:
        options = [set(map(str, _list(s))) for s in wanted["locked"]]
        found = set(finding.value("locked") or [])
        leafs = {re.split(r"::|\.", f)[-1] for f in found}
        good = any(
            (not s and not found)
            or (s and leafs & {re.split(r"::|\.", x)[-1].split(" ")[0] for x in s})
            for s in options
        )
        result["locked"] = _mark(
            finding,
            "locked",
            f"{sorted(found)}, wanted {[sorted(o) for o in options][:2]}",
            good=bool(good),
            missing=bool(not found),
        )
    if "budget" in wanted:
        found = f"{finding.value('budget')} {finding.budget}"
        texts = [str(w) for w in wanted["budget"]]
        numbers = {
            n.replace("_", "")
            for t in texts
            for n in re.findall(r"\d[\d_]*(?:\.\d+)?", re.sub(r"\S+:\d+\S*", "", t))
        }
        mine = set(
            re.findall(r"\d+(?:\.\d+)?", re.sub(r"\S+:\d+", "", found).replace("e+06", "000000"))
        )
        good = bool(numbers & mine) or (
            any("none" in t.lower() for t in texts) and finding.value("budget") in (None, "none")
        )
        result["budget"] = _mark(
            finding,
            "budget",
            f"{found}, wanted {texts[:2]}",
            good=bool(good),
            missing=bool(finding.value("budget") is None),
        )
    if "seed" in wanted:
        texts = " ".join(map(str, wanted["seed"])).lower()
        kind = finding.seed.split(" ")[0]
        good = (
            kind in texts
            or (kind == "argument" and "config" in texts)
            or (kind == "config" and "argument" in texts)
        )
        result["seed"] = (RIGHT if good else WRONG, f"{finding.seed}, wanted {wanted['seed']}")
    if "outputs" in wanted:
        wants = [re.sub(r"[^\w./~-].*$", "", str(w)).strip("/") for w in wanted["outputs"]]
        wants = [
            w
            for w in wants
            if "/" in w
            or "." in w
            or w.startswith("--")
            or w in ("none", "")
            or (len(w.split()) == 1 and w not in ("resume", "second"))
        ]
        mine = [o.strip("/") for o in finding.outputs]
        pinned = str(finding.value("run_cmd"))
        outside = all(
            w.startswith("~") or w in ("none", "") or (w.startswith("--") and w in pinned)
            for w in wants
        )
        good = outside or any(
            m == w
            or m.startswith(w + "/")
            or w.startswith(m + "/")
            or m.split("/")[-1] == w.split("/")[-1]
            for m in mine
            for w in wants
        )
        good = good or all(
            w.split("/")[0] in ("build", "target", ".benchmarks", ".pytest_cache") for w in wants
        )
        result["outputs"] = (
            RIGHT if good else MISSING if not mine else UNSURE,
            f"{mine[:5]}, wanted {wants}",
        )
    if "iter_strategy" in wanted and "snapshots" in wanted["iter_strategy"]:
        found = finding.value("iter_strategy")
        good = found in wanted["iter_strategy"]
        result["iter_strategy"] = _mark(
            finding, "iter_strategy", found, good=bool(good), missing=bool(found is None)
        )
    if "program" in wanted:
        result["program"] = _mark(
            finding,
            "program",
            finding.value("program"),
            good=bool(finding.value("program") in wanted["program"]),
            missing=bool(finding.value("program") is None),
        )
    _warnings(result, expected, finding)


def _warnings(
    result: dict[str, tuple[str, str]], expected: dict[str, Any], finding: Finding
) -> None:
    """Right where at least three quarters of the kinds of warning that were wanted are there."""
    mine = "\n".join(f"{w.kind}: {w.text}" for w in finding.warnings)
    want = "\n".join(str(w) for w in _list(expected.get("warnings")))
    kinds = [name for name, pattern in CAUTIONS.items() if re.search(pattern, want, re.IGNORECASE)]
    if kinds:
        absent = [name for name in kinds if not re.search(CAUTIONS[name], mine, re.IGNORECASE)]
        good = len(absent) <= len(kinds) * 0.25
        result["warnings"] = (RIGHT if good else MISSING, f"lacks {absent} of {kinds}")


if __name__ == "__main__":
    sys.exit(main())
