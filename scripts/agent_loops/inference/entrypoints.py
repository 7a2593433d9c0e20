"""Ranks the programs of a project that could be the run: what trains, is documented, and is scored.

Names nothing that is not a file of the project; runs nothing.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from agent_loops.inference import contenders, dependencies, recipes
from agent_loops.inference.contenders import Contender, Papers
from agent_loops.inference.recipes import Command
from agent_loops.inference.survey import Survey

_MOST_SECONDS = 6.0  # of looking at what programs print; the likeliest come first
_TRAINS = re.compile(
    r"\.backward\(|optimizer\.step\(|\bopt\w*\.step\(|\.fit\(|trainer\.(?:train"
    r"|fit)\(|\.learn\(|value_and_grad|jax\.grad|GradientTape|train_on_batch|"
    r"\b(?:xgb|lgb|lightgbm|xgboost)\.(?:train|cv)\(|apply_gradients"
    r"|nn\.value_and_grad|cross_val_score|\.minimize\(|optax\.|train_one_epoch\("
    r"|\btrain\(|run_training|training_loop\(|\bTrainer\("
)
_GOOD_STEM = re.compile(
    r"(?i)^(?:train|main|run|fit|finetune|fine_tune|pretrain|experiment)(?:$|[_\d-])"
    r"|[_-](?:train|training|pretrain|finetune)(?:$|[_\d-])|^ppo|^dqn|^sac|^airbench"
)
_BAD_STEM = re.compile(
    r"(?i)(?:^|[_.-])(?:prepare|preprocess|preprocessing|download|tokenize|tok"
    r"|dataset|datasets|data|convert|export|sample|sampling|generate|gen|infer"
    r"|inference|"
    r"predict|demo|plot|plots|visuali[sz]e|vis|analy[sz]e|analysis|test|tests|setup"
    r"|utils?|config|eval|evaluate|evaluation|val|validate|scores?|calc|submit"
    r"|submitit|launch|launcher|"
    r"serve|server|app|chat|cli|web|interactive|bench|benchmark|profile|upload|merge"
    r"|blend|ensemble|install|check|conftest|hubconf|detect|export|"
    r"extract|summary|legacy|old|deprecated|compare|report|average|clean|make|build"
    r"|bump|release|docs?|notebook|rigor|sweep|hyperparam|hp|search|tune|optuna"
    r"|reproduce|slurm|cluster|enjoy|push|resume|backup|distill)(?:$|[_.-])"
)
_BAD_FOLDER = re.compile(
    r"(?i)(?:^|/)(?:legacy|old|archive|archived|records|deprecated|tests?|testing"
    r"|docs?|tools?|utils?|notebooks?|dev|data|datasets|baselines|\.github|\.ci|ci"
    r"|docker|third_party|colab|contrib|misc|research|demo|demos|tutorials?"
    r"|templates?|submodules|assets|sweeps?)/"
)
_NOT_A_RUN = re.compile(
    r"(?:^|\s)--?(?:eval|evaluate|test|resume|dry[-_]run|help|h|version|predict"
    r"|infer|inference|dummy|demo|export|validate|eval[-_]only|only[-_]eval"
    r"|eval_only=True|smoke[-_]test|test[-_]only)(?:[=\s]|$)|mode=(?!train)\w*eval"
    r"|\b(?:curl|wget|rm|sudo|eval)\s|hparams_search|ckpt_path=|\s-m\s+\w+=|pip install|--multirun"
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One program, what is said for it, and what it puts out."""

    script: str
    score: float
    commands: tuple[Command, ...]
    found: tuple[Contender, ...]
    reasons: tuple[str, ...]

    @property
    def best(self) -> Contender | None:
        return self.found[0] if self.found else None


def ranked(survey: Survey, commands: Sequence[Command], papers: Papers) -> list[Entry]:
    """Every program that could be the run, the likeliest first."""
    by_script: dict[str, list[Command]] = {}
    for command in commands:
        if command.script and command.script.endswith((".py", ".c", ".cu", ".cpp", ".cc")):
            by_script.setdefault(command.script, []).append(command)
    wrapped = _wrapped(commands)
    shown = [
        c.script
        for c in commands
        if re.search(r"(?i)^readme", c.path)
        and not _NOT_A_RUN.search(c.text)
        and _TRAINS.search(survey.text(c.script))
    ]
    for script in wrapped:
        by_script.setdefault(script, [])
    names = dict.fromkeys(
        [
            *by_script,
            *recipes.console_scripts(survey).values(),
            *_scripts(survey),
            *_sources(survey),
        ]
    )
    before = sorted(
        ((_promise(survey, s, by_script.get(s, [])), s) for s in names),
        key=lambda pair: -pair[0][0],
    )
    entries: list[Entry] = []
    begun = time.monotonic()
    for (promise, reasons), script in before[:24]:
        if (promise < 0 and len(entries) > 6) or (
            len(entries) > 2 and time.monotonic() - begun > _MOST_SECONDS
        ):
            break
        found = contenders.of_script(survey, script, papers)
        best = found[0].score if found else -2.0
        worth = min(max(best, -2.0), 15.0) * 0.6 + (2.0 if script in shown[:1] else 0.0)
        entries.append(
            Entry(
                script,
                promise + worth,
                tuple(by_script.get(script, ())),
                tuple(found),
                tuple(reasons),
            )
        )
    return sorted(entries, key=lambda entry: -entry.score)


def _wrapped(commands: Sequence[Command]) -> list[str]:
    """Python files that documented shell scripts run."""
    shells = {
        c.script
        for c in commands
        if c.script.endswith((".sh", ".slurm")) and not c.path.endswith(".sh")
    }
    return [c.script for c in commands if c.path in shells and c.script.endswith(".py")]


def _scripts(survey: Survey) -> list[str]:
    found: list[str] = []
    for path in survey.with_suffix(".py")[:2000]:
        stem = PurePosixPath(path).stem
        if len(found) >= 120:
            break
        if stem.startswith("__") and stem != "__main__":
            continue
        if path.count("/") > 3 and not _GOOD_STEM.search(stem):
            continue
        text = survey.text(path)
        if not (_TRAINS.search(text) or _GOOD_STEM.search(stem)):
            continue
        tree = survey.tree(path)
        if tree is not None and recipes.is_script(tree):
            found.append(path)
    return found


def _sources(survey: Survey) -> list[str]:
    """Programs in other languages that train and say so."""
    found = []
    for path in survey.with_suffix(".c", ".cu", ".cpp", ".cc", ".rs", ".jl")[:300]:
        stem = PurePosixPath(path).stem
        text = survey.text(path) if re.search(r"(?i)train|main", stem) else ""
        if (
            text
            and re.search(r"\bmain\s*\(", text)
            and re.search(r"(?i)loss|accuracy|error", text)
            and "test" not in stem
        ):
            found.append(path)
    return found


def _promise(survey: Survey, script: str, commands: Sequence[Command]) -> tuple[float, list[str]]:
    """What speaks for a script before its outputs are looked at."""
    pure = PurePosixPath(script)
    reasons: list[str] = []
    score = 0.0
    good = [c for c in commands if not _NOT_A_RUN.search(c.text)]
    score += _documented(script, good, reasons)
    mentioned = _mentioned(survey, script)
    score += mentioned
    if mentioned:
        reasons.append("the README names it")
    if _GOOD_STEM.search(pure.stem):
        score += 3.0
    if _BAD_STEM.search(pure.stem) and not re.match(r"(?i)train|finetune|main_", pure.stem):
        score -= 8.0
    score -= _remote(script)
    text = survey.text(script)
    if _TRAINS.search(text):
        score += 4.0
        reasons.append("trains")
    elif script.endswith(".py") and any(
        _TRAINS.search(survey.text(p)) for p in dependencies.closure(survey, script)[1:25]
    ):
        score += 3.0
        reasons.append("trains")
    if script.endswith((".c", ".cu", ".cpp", ".cc")):
        score += 3.0 if _built(survey, pure.stem) else 0.0
        score += 7.0 if script.endswith(".cu") else 0.0  # what a machine with a GPU runs
    if re.search(r"(?m)^\s*(?:import|from) (?:matplotlib|seaborn)", text) and "show()" in text:
        score -= 3.0
    if re.search(
        r"while True:.{0,400}subprocess|subprocess\.(?:run|Popen|call"
        r"|check_call)\([^)]{0,200}train",
        text,
        re.DOTALL,
    ):
        score -= 6.0
    return score, reasons


def _remote(script: str) -> float:
    """How far out of the way a file lies: archives, tools, deep folders."""
    folder = f"{PurePosixPath(script).parent}/"
    points = 5.0 if _BAD_FOLDER.search(folder) else 0.0
    if re.search(r"(?i)(?:^|/)(?:records|archived?|legacy|old|deprecated|submodules)/", folder):
        points += 5.0
    return points + 0.6 * script.count("/") + 1.0 * max(0, script.count("/") - 2)


def _documented(script: str, commands: Sequence[Command], reasons: list[str]) -> float:
    best = 0.0
    for command in commands:
        if command.path == "program.md":
            worth = 6.0
        elif re.search(r"(?i)readme", command.path) and "/" not in command.path:
            worth = 5.0
        elif PurePosixPath(command.path).parent == PurePosixPath(
            script
        ).parent and command.path.endswith((".md", ".rst")):
            worth = 4.0
        else:
            worth = (
                3.0 if command.path.endswith((".md", ".rst")) or "akefile" in command.path else 2.0
            )
        if worth > best:
            best = worth
            reasons.append(f"{command.place} runs it")
    return best


def _mentioned(survey: Survey, script: str) -> float:
    """Up to two points for standing early in the README: that is how its author ranks them."""
    text = survey.text(survey.first("README.md", "readme.md", "README.rst"))
    folder = str(PurePosixPath(script).parent)
    places = [text.find(script)] + (
        [text.find(f"{folder}/"), text.find(f"({folder})")] if folder != "." else []
    )
    places = [at for at in places if at >= 0]
    return 2.0 * (1 - min(places) / len(text)) if places and text else 0.0


def _built(survey: Survey, stem: str) -> bool:
    return bool(re.search(rf"(?m)^{re.escape(stem)}(?:cu)?\s*:", survey.text("Makefile")))


def best_command(entry: Entry) -> Command | None:
    """The documented command that is nearest to what a loop needs."""
    choices = [
        c
        for c in entry.commands
        if not _NOT_A_RUN.search(c.text) and c.kind in ("python", "module", "other", "binary")
    ]
    if not choices:
        return None

    def worth(indexed: tuple[int, Command]) -> tuple[float, int]:
        at, command = indexed
        points = 0.0
        if command.path == "program.md":
            points += 3
        if re.search(r"(?i)readme", command.path):
            points += (
                2
                if "/" not in command.path
                or PurePosixPath(command.path).parent == PurePosixPath(entry.script).parent
                else 1
            )
        elif command.path.endswith(".md"):
            points += 1
        if re.search(
            r"(?i)<[\w ]+>|\[[\w -]+\]|/path/to|\.\.\.|…|\$\{?\w*(?:PATH|DIR|CKPT)", command.text
        ):
            points -= 1
        if re.search(r"nproc[_-]per[_-]node|mpirun|--nnodes|multi", command.text):
            points -= 0.5
        if len(command.words) <= 2 and any(len(c.words) > 3 for c in choices):
            points += 0.0
        if re.search(r"--epochs[= ]1\b|device[= ]cpu|--max_steps[= ]1\b", command.text):
            points -= 1.0
        return (-points, at)

    return min(enumerate(choices), key=worth)[1]


def _early(entry: Entry) -> bool:
    """Whether the README speaks of the program, although no command of it is shown."""
    return "the README names it" in entry.reasons


def alike(survey: Survey, first: Entry, second: Entry) -> bool:
    """Whether a second program is a rival of the first, and not a step before or after it."""
    if second.script in dependencies.closure(survey, first.script):
        return False
    if first.script in dependencies.closure(survey, second.script):
        return False
    if PurePosixPath(first.script).with_suffix("") == PurePosixPath(second.script).with_suffix(""):
        return second.best is not None  # one program in two languages
    if first.commands and not second.commands and not _early(second):
        return False
    return second.best is not None and second.best.score > 4 and first.score - second.score < 3.0


def variables(text: str) -> Mapping[str, str]:
    """What a command leaves to the reader: `<folder>`, `$DATA`."""
    return {m: m for m in re.findall(r"<[\w /-]+>|\$\{?[A-Z_]{3,}\}?|/path/to/[\w/]*", text)}
