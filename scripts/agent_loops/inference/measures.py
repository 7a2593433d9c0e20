"""Tells what defines the measurement from what may be edited, in the files under a training script.

A guess from names, words and imports; a person's program.md or "do not modify" outweighs it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from agent_loops.inference import dependencies, limits
from agent_loops.inference.survey import Survey

_HARNESS_NAME = re.compile(
    r"(?i)(?:^|[_/.-])(?:data|datas|dataset|datasets|dataloader|dataloaders"
    r"|datamodule|datamodules|loader|loaders|eval|evals|evaluate|evaluation"
    r"|evaluator|"
    r"metric|metrics|prepare|preprocess|preprocessing|tokenizer|tokenize"
    r"|tokenization|download|test|tests|conftest|benchmark|benchmarks|bench|"
    r"score|scoring|scorer|judge|validate|validation|predict|inference|infer"
    r"|ensemble|plot|viz|logger|loggers|logging|callbacks|"
    r"submitit|config|configs|configurator|setup|vocab|env|envs|environment"
    r"|environments|wrappers|wrapper|sampling|sample|"
    r"generate|export|convert|lpips|inception|fid|bpe|corpus|text|transforms"
    r"|augmentations?|misc|util|utils|helpers?|common|dist|distributed|"
    r"general|checkpoint|registry|version|types|constants|hub|stats|visualizer"
    r"|legacy|dnnlib)(?:$|[_./-])"
)
_MODEL_NAME = re.compile(
    r"(?i)(?:^|[_/.-])(?:model|models|net|nets|network|networks|gpt|optim|optimizer"
    r"|optimizers|layers?|modules?|loss|losses|arch|architecture|"
    r"backbone|encoder|decoder|attention|transformer|unet|vqgan|policy|agent|trainer"
    r"|training|engine_\w+|train|schedule|scheduler|lr_\w+|"
    r"kernels?|features?|solver|algorithm|diffusion|noise|augment|muon|vae|resnet"
    r"|vit|mlp|rnn|quantize)(?:$|[_./-])"
)
_FORBIDDEN = re.compile(
    r"(?i)(?:do not|don't|never|must not|should not)\s+(?:modify|change|edit|touch)"
    r"|not modified|read[- ]only|nobody edits|treat as fixed"
    r"|\bfixed\b[^.\n]{0,30}\b(?:harness|evaluation)"
)
_ONLY = re.compile(
    r"(?i)(?:only|single|one) (?:file|thing)[^.\n]{0,40}(?:edit|modif|change|touch)"
    r"|file you (?:edit|modify|change)|agent (?:modifies|edits|changes)|(?:change"
    r"|edit|modify) only|this file is edited|you (?:can|may) (?:edit|modify)|fair "
    r"game"
)
_MOST_EDITABLE = 8


@dataclass(frozen=True, slots=True)
class Division:
    """`editable` and `harness` with a reason each; `sure` where a person said so."""

    editable: dict[str, str]
    harness: dict[str, str]
    sure: bool


def divide(survey: Survey, script: str, files: Sequence[str]) -> Division:
    """Divides the script and what it imports."""
    told = _told(survey)
    harness: dict[str, str] = {path: why for path, (ok, why) in told.items() if not ok}
    editable: dict[str, str] = {path: why for path, (ok, why) in told.items() if ok}
    if editable:
        for path in files:
            if path not in editable:
                harness.setdefault(path, f"{script} imports it")
        return Division(editable, harness, sure=True)
    if script not in harness:
        editable[script] = "it is the script that is run"
    taken = dependencies.imported(survey, script)
    for path in files:
        if path not in harness and path != script:
            why = _why_harness(survey, path, taken.get(path, set()))
            if not why and _is_model(survey, path):
                editable[path] = f"{script} builds on it, and it measures nothing"
            else:
                harness[path] = why or f"{script} imports it"
    text = survey.text(script)
    starts = not _TRAINS.search(text) or ("instantiate(" in text and ".backward(" not in text)
    if len(editable) > 1 and script in editable and starts:
        del editable[script]
        harness[script] = "it only starts what other files define"
    if len(editable) > _MOST_EDITABLE:
        kept = _nearest(script, editable, taken)
        harness.update({path: f"{script} imports it" for path in editable if path not in kept})
        editable = {path: why for path, why in editable.items() if path in kept}
    return Division(editable, harness, sure=False)


def by_settings(division: Division, settings: Sequence[str], script: str) -> Division:
    """A program that builds nothing itself: what it is told by a file of settings is edited."""
    if not settings:
        return division
    started = dict.fromkeys(division.editable, f"{script} only starts what a library defines")
    why = f"{script} opens it; it holds the settings"
    return Division(dict.fromkeys(settings[:2], why), {**division.harness, **started}, sure=False)


_TRAINS = re.compile(
    r"\.backward\(|optimi[sz]er\s*=|\boptim\.|nn\.Module|class \w+\([^)]*Model\b"
    r"|Sequential\(|value_and_grad|GradientTape|\.compile\(|optax|nn\.Linear|def "
    r"train|def fit|for epoch in|\bTrainer\(|\benv\.step\("
)
_LOSS = re.compile(r"(?m)^\s*def (?:training_losses|loss_fn|compute_loss|losses)\b")


def builds(survey: Survey, path: str) -> bool:
    """Whether a file defines a model or trains one, as far as its words tell."""
    return not path.endswith(".py") or bool(_LEARNS.search(survey.text(path)))


def _nearest(script: str, editable: dict[str, str], taken: dict[str, set[str]]) -> set[str]:
    direct = [path for path in editable if path in taken]
    own = {script} & set(editable)
    return (
        own | set(direct[: _MOST_EDITABLE - 1])
        if direct
        else own or set(list(editable)[:_MOST_EDITABLE])
    )


def _told(survey: Survey) -> dict[str, tuple[bool, str]]:
    """Files that prose or their own words say may, or may not, be changed."""
    found: dict[str, tuple[bool, str]] = {}
    for paper in ("program.md", "AGENTS.md", survey.first("README.md", "readme.md", "README.rst")):
        text = survey.text(paper) if paper else ""
        for number, line in enumerate(text.splitlines(), 1):
            no, yes = bool(_FORBIDDEN.search(line)), bool(_ONLY.search(line))
            if not no and not yes:
                continue
            for clause in re.split(r"(?<=[.;])\s", line):
                no, yes = bool(_FORBIDDEN.search(clause)), bool(_ONLY.search(clause))
                context = clause if no or yes else ""
                for name in re.findall(
                    r"[\w./-]+\.(?:py|cu|c|cpp|rs|go|js|ts|jl|cuh|h)\b", context
                ):
                    if name in survey and no != yes:
                        found.setdefault(name, (yes, f"{paper}:{number} says so"))
            names = [
                n for n in re.findall(r"[\w./-]+\.(?:py|cu|c|cpp|rs|go)\b", line) if n in survey
            ]
            no, yes = bool(_FORBIDDEN.search(line)), bool(_ONLY.search(line))
            if len(set(names)) == 1 and no != yes:
                found.setdefault(names[0], (yes, f"{paper}:{number} says so"))
    for path in survey.with_suffix(".py")[:300]:
        head = survey.text(path)[:3000]
        match = re.search(
            r"(?im)^(?:#.*|\s*\"{3}.*)?\b(?:do not|don't) (?:modify|change|edit)\b", head
        )
        if match and path not in found:
            found[path] = (
                False,
                f'{path}:{head.count(chr(10), 0, match.start()) + 1} says "do not modify"',
            )
    return found


def _why_harness(survey: Survey, path: str, names: set[str]) -> str:
    pure = PurePosixPath(path)
    stem = str(pure.with_suffix(""))
    if pure.name == "__init__.py":
        return "it holds a package together"
    if _HARNESS_NAME.search(pure.stem) and not re.search(r"(?i)^(?:train|model)", pure.stem):
        return "by its name it is data, evaluation or plumbing"
    parts = [part for part in PurePosixPath(stem).parent.parts if part not in ("src", "lib")]
    if any(
        re.fullmatch(
            r"(?i)data|datasets?|dataloaders?|datamodules?|evals?|evaluation"
            r"|metrics?|tests?|benchmarks?|utils?|loggers?|callbacks?|configs?"
            r"|scripts?_data|dnnlib|torch_utils",
            part,
        )
        for part in parts
    ) and not re.search(r"(?i)^lr_|model|optim", pure.stem):
        return "it stands in a folder of data, evaluation or plumbing"
    if (
        _LOSS.search(survey.text(path))
        and not pure.stem.startswith("train")
        and not re.search(r"(?i)(?:^|[_/])models?(?:$|[_/.])", stem)
    ):
        return "it defines the loss that is reported"
    if any(
        re.search(r"(?i)evaluat|metric|dataloader|dataset|tokenizer", name) for name in names
    ) and not _MODEL_NAME.search(stem):
        return "it is imported for data or evaluation"
    return ""


def _is_model(survey: Survey, path: str) -> bool:
    text = survey.text(path)
    if _MODEL_NAME.search(str(PurePosixPath(path).with_suffix(""))):
        return bool(_BUILDS.search(text)) or len(text) < 400
    return bool(
        re.search(
            r"\((?:torch\.)?(?:nn|keras|eqx|hk|flax|linen|nnx)[.\w]*\.Module\)|class "
            r"\w+\(.*(?:Module|Model|Optimizer|Layer)\)",
            survey.text(path),
        )
    )


_BUILDS = re.compile(
    r"\.Module\b|\.backward\(|[Oo]ptimizer|\boptim\b|nn\.(?!functional)|jax|flax|haiku|keras"
    r"|layers\.|@triton|sklearn|lightgbm|xgboost|def (?:adjust_)?l(?:ea)?r"
    r"|param_groups|self\.(?:fc|net|model)|Sequential"
)
_LEARNS = re.compile(
    r"\.backward\(|\.fit\(|\.Module\b|value_and_grad|jax\.grad|GradientTape"
    r"|\boptim\.|optax|Trainer\("
    r"|\b(?:lgb|xgb)\.(?:train|cv)|keras|haiku|Sequential|nn\.Linear|optimizer\.step"
    r"|cross_val_score"
)
_MEASURING = re.compile(
    r"(?i)^_?(?:evaluate|evaluation|eval|validate|validation|test|valid"
    r"|val)(?:_\w+)?$|^\w+_(?:evaluate|validate|eval)$|^(?:estimate_loss|val_epoch"
    r"|validation_step|test_step|eval_step|"
    r"compute_metrics|calc_metrics?|get_score|score|compute_accuracy|accuracy"
    r"|get_accuracy|eval_epoch|eval_split|run_eval\w*|compute_bpb|test_model"
    r"|check_accuracy|test_one_epoch|evaluate_\w+)$"
)
_MEASURING_CONSTANT = re.compile(
    r"^(?:\w+_)?(?:EVAL|VAL|TEST)(?:_\w+)?$|^eval_iters$|^val_tokens$"
    r"|^STARTUP_EXCLUDE\w*$|^(?:N|NUM|K)_?FOLDS$|^n_?folds$"
)
_ONLY_SPEED = re.compile(r"(?i)batch_?size|workers|interval|every|freq")


def locked_in(survey: Survey, editable: Sequence[str]) -> list[tuple[str, str]]:
    """(`file::name`, why) for each part of editable Python that is the measurement itself."""
    found: dict[str, str] = {}
    for path in editable:
        tree = survey.tree(path) if path.endswith(".py") else None
        if tree is None:
            continue
        for name, number in _functions(tree):
            leaf = name.rsplit(".", 1)[-1]
            if (
                _MEASURING.match(leaf)
                and "train" not in leaf
                and leaf
                not in (
                    "test_dataloader",
                    "val_dataloader",
                    "eval_mode",
                    "evaluating",
                    "eval_with_timeout",
                )
            ):
                found.setdefault(
                    f"{path}::{name}", f"{path}:{number} measures, in a file that is edited"
                )
        for name, number in limits.constants_of(tree).items():
            if _MEASURING_CONSTANT.match(name) and not _ONLY_SPEED.search(name):
                found.setdefault(f"{path}::{name}", f"{path}:{number} decides how much is measured")
    if not found:
        found = {
            f"{path}::{name}": f"{path}:{number} decides on which data is measured"
            for path in editable
            if path.endswith(".py") and (tree := survey.tree(path))
            for name, number in _data_parts(tree)
        }
    return list(found.items())[:8]


_DATA_PART = re.compile(
    r"(?:get|load|make|build|prepare)_(?:batch|batches|data|dataset|datasets"
    r"|dataloaders?|loaders?|env|envs)$|_data_generator$|^\w+Dataset$|DataLoader$"
)


def _data_parts(tree: ast.Module) -> list[tuple[str, int]]:
    """Functions and classes that choose the data."""
    classes = [(n.name, n.lineno) for n in tree.body if isinstance(n, ast.ClassDef)]
    return [
        (name, number) for name, number in [*_functions(tree), *classes] if _DATA_PART.search(name)
    ][:4]


def _functions(tree: ast.Module) -> list[tuple[str, int]]:
    """Functions, those nested in others too, as `Class.method`."""
    found: list[tuple[str, int]] = []

    def look(node: ast.AST, prefix: str, *, inside_function: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                name = child.name if inside_function else prefix + child.name
                found.append((name, child.lineno))
                look(child, prefix, inside_function=True)
            elif isinstance(child, ast.ClassDef):
                look(child, f"{prefix}{child.name}.", inside_function=False)
            else:
                look(child, prefix, inside_function=inside_function)

    look(tree, "", inside_function=False)
    return found
