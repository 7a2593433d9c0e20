"""Warns of what misleads a loop: each caution names its place and, where there is one, the remedy.

Judges what it sees in code and commands; a caution that is missing is no promise.
"""

from __future__ import annotations

import ast
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent_loops import seeds
from agent_loops.inference.contenders import Contender
from agent_loops.inference.limits import Bound, Seed
from agent_loops.inference.recipes import Command
from agent_loops.inference.survey import Survey
from agent_loops.locks import Lock


@dataclass(frozen=True, slots=True)
class Caution:
    """`kind` is one stable word or two for programs, `text` one line for people."""

    kind: str
    text: str
    cleanup: str = ""


_ON_TEST = re.compile(
    r"(?:score|error|accuracy|metrics?|auc|predict|evaluate|loss)\w*\("
    r"[^()\n]{0,40}\b(?:(?:[xXyY]|X|features|labels|images|data)_?)?test(?:_?[xXyY]\w*|_\w+|set)?\b"
)


def about_metric(
    contender: Contender,
    others: Sequence[Contender],
    editable: Sequence[str],
    locked: Sequence[str],
    code: str,
) -> list[Caution]:
    """Cautions about where and how the metric is printed. `code` is that of the script."""
    found = []
    if contender.source == "none-yet":
        found.append(
            Caution(
                "not printed",
                f"{contender.name} is only in a progress bar or a logger "
                f"(TensorBoard, wandb): {contender.place}; print it once at the end",
            )
        )
    hidden = next((c for c in others if c.split == "val" and c.source == "none-yet"), None)
    if contender.split == "test" and hidden is not None:
        found.append(
            Caution(
                "not printed",
                f"{hidden.name}, on validation data, is only in a progress bar or a logger "
                f"({hidden.place}): print it, and choose by it",
            )
        )
    if contender.output.path in editable or locked:
        place = f"; lock {', '.join(locked[:3])}" if locked else ""
        found.append(
            Caution(
                "self-reported",
                f"metric computed or printed in editable code ({contender.place}){place}",
            )
        )
    if contender.output.via == "progress" and contender.digits is None:
        found.append(Caution("few digits", "few digits: a progress bar shows three or four"))
    if contender.digits is not None and contender.digits <= 4:
        found.append(
            Caution(
                "few digits",
                f"few digits: {contender.name} is printed with {contender.digits} "
                f"after the point ({contender.place}); small gains cannot be seen",
            )
        )
    if contender.split == "train":
        found.append(
            Caution(
                "training metric",
                f"only a training figure ({contender.name}) was found: it rewards "
                f"overfitting; nothing held out is printed",
            )
        )
    if contender.split == "test" or (not contender.split and _ON_TEST.search(code)):
        found.append(
            Caution(
                "test data",
                f"{contender.name} is measured on test data: choosing by it spends the test set",
            )
        )
    if not contender.unique:
        found.append(
            Caution(
                "one format",
                f"other lines of the script are read as {contender.name} too: the "
                f"last one in the log counts",
            )
        )
    return found


def about_seed(seed: Seed, *, given: bool) -> list[Caution]:
    if seed.kind == "given":
        return []
    if seed.kind == "hard-coded":
        return [
            Caution(
                "hard-coded seed",
                f"hard-coded seed {seed.value} ({seed.place}): {seeds.mend(seed.value)}; "
                f"{seeds.SAME_DRAW}",
            )
        ]
    if seed.kind == "none" or re.search(r"null|None", seed.value):
        return [
            Caution(
                "no seed", "no seed is set: runs of the same code differ; measure that noise first"
            )
        ]
    if not given and seed.option is not None:
        return [
            Caution(
                "fixed seed",
                f"the seed's default is fixed ({seed.place}): add {seed.option.flag} {{seed}}",
            )
        ]
    return []


SAVES = re.compile(
    r"torch\.save|save_checkpoint|ModelCheckpoint|save_pretrained|save_model"
    r"|save_weights|\.save\(|pickle\.dump|orbax|save_state"
)


def where_it_saves(survey: Survey, script: str, files: Sequence[str]) -> str:
    """Where a run of the script saves checkpoints, as file:line; empty where nothing it runs does.

    Of what the script imports that is the code outside functions, and the functions whose names
    stand in code that is run; a module's own `if __name__ == "__main__"` is not.
    """
    run = [(script, 1, survey.text(script))]
    waiting: list[tuple[str, int, str, str]] = []
    for path in files:
        lines, tree = survey.text(path).splitlines(), survey.tree(path)
        if path == script:
            continue
        if tree is None:
            run.append((path, 1, survey.text(path)))
            continue
        for node in tree.body:
            source = "\n".join(lines[node.lineno - 1 : node.end_lineno])
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                waiting.append((path, node.lineno, source, node.name))
            elif not (isinstance(node, ast.If) and "__name__" in ast.dump(node.test)):
                run.append((path, node.lineno, source))
    for path, first, source in run:  # which grows as functions are reached
        if found := SAVES.search(source):
            return f"{path}:{first + source.count(chr(10), 0, found.start())}"
        words = set(re.findall(r"\w+", source))
        run += [item[:3] for item in waiting if item[3] in words]
        waiting = [item for item in waiting if item[3] not in words]
    return ""


def about_outputs(
    written: Mapping[str, str], text: str, *, pinned: bool, configs: str = "", saved: str = ""
) -> list[Caution]:
    """Cautions about what a run leaves behind.

    `configs` are the texts of its configurations, `saved` is where the run saves checkpoints.
    """
    found = []
    resumes = re.search(
        r"(?i)get_last_checkpoint|resume_from_checkpoint|auto_?resume"
        r"|latest_checkpoint|if os\.path\.(?:exists|isfile)\([^)]*(?:ckpt|checkpoint"
        r"|resume|weights)|restore_checkpoint|CheckpointManager|resume_from_ckpt"
        r"|restore_or_initialize",
        text,
    )
    folders = [name for name in written if name]
    if folders:
        remedy = (
            "; run_cmd points it at {run_dir}"
            if pinned
            else ": runs overwrite each other; point it at {run_dir}"
        )
        found.append(
            Caution(
                "fixed output",
                f"fixed output folder or file {', '.join(folders[:3])} "
                f"({written[folders[0]]}){remedy}",
            )
        )
    if resumes:
        found.append(
            Caution(
                "resumes",
                "a run resumes from a checkpoint that it finds in its output "
                "folder: give each run its own ({run_dir})",
            )
        )
    if re.search(r"open\([^\n]*[\"']a[b+t]*[\"']", text):
        found.append(
            Caution(
                "appends",
                "a results file is appended to across runs: only a new line is this run's",
            )
        )
    if saved or re.search(r"ModelCheckpoint|save_top_k|save_last\b", configs):
        found.append(
            Caution(
                "disk",
                f"each run saves checkpoints ({saved or 'configuration'}): mind the disk "
                "(keep_outputs), write them below {run_dir}",
            )
        )
    return found


_SCANCEL = "scancel --name agent-loops-{tag}-{n}"
# Where to look ("run" the command of the run, "shown" all commands and shell scripts, "code" the
# program's own source), for what, and the caution.
_IN_COMMANDS: tuple[tuple[str, str, Caution], ...] = (
    (
        "shown",
        r"\b(?:docker|podman) run\b|\b(?:singularity|apptainer) exec\b|docker[- ]compose up",
        Caution(
            "container",
            "container: it outlives a killed client; run it with --name and without -it, "
            "and end it in cleanup_cmd",
            "docker rm -f agent-loops-{tag}-{n}",
        ),
    ),
    (
        "shown",
        r"(?:^|\n)\s*ssh\s+\S+@?\S+\s",
        Caution(
            "ssh",
            "ssh: a killed client leaves the remote process running; end it in cleanup_cmd",
            "ssh HOST pkill -f MARKER",
        ),
    ),
    (
        "shown",
        r"docker run [^\n]*-(?:it|ti)\b|--pty\b",
        Caution(
            "terminal", "needs a terminal (-it, --pty), which a loop cannot give: leave that out"
        ),
    ),
    (
        "code",
        (
            r"\binput\(|Prompt\.ask|getpass\(|set_trace|breakpoint\(\)|inquirer"
            r"|click\.(?:confirm|prompt)"
        ),
        Caution(
            "terminal",
            "needs a terminal: a prompt or a debugger in the code waits for input "
            "(stdin is /dev/null)",
        ),
    ),
    (
        "run",
        (
            r"(?:nproc[_-]per[_-]node|--num_processes|--gpus)[= ](?!1\b)\S|mpirun -np "
            r"(?!1\b)|torch\.distributed\.launch"
        ),
        Caution(
            "several GPUs",
            "the documented command is for several GPUs: fit --nproc_per_node to this machine",
        ),
    ),
    (
        "code",
        r"wandb",
        Caution("wandb", "wandb may ask for a login: set WANDB_MODE=offline or switch it off"),
    ),
    (
        "shown",
        r"while (?:true|:)\s*;?\s*do",
        Caution(
            "endless script",
            "a shell script of the project loops forever and starts runs again: not a run_cmd",
        ),
    ),
    ("shown", r"\|\s*tee\b", Caution("tee", "`| tee` hides the exit code of the run")),
    (
        "code",
        r"parse_known_args",
        Caution(
            "unknown flags",
            "unknown flags are ignored (parse_known_args): a mistyped switch does nothing",
        ),
    ),
)
_QUEUES: tuple[tuple[str, Caution], ...] = (
    (
        r"\bsbatch\b|#SBATCH",
        Caution(
            "queue",
            "queue: sbatch returns at once; use `sbatch --wait` (or srun), read the job's own log, "
            "and scancel in cleanup_cmd",
            _SCANCEL,
        ),
    ),
    (
        r"\bsrun\b",
        Caution("queue", "queue: srun needs an allocation; scancel in cleanup_cmd", _SCANCEL),
    ),
    (
        r"\b(?:qsub|bsub|kubectl apply)\b",
        Caution(
            "queue",
            "queue: the command returns before the run ends; wait for the job, and "
            "cancel it in cleanup_cmd",
        ),
    ),
    (
        r"(?:\b|_)submitit\b",
        Caution(
            "queue",
            "queue: submitit returns at once and logs elsewhere; run the script "
            "itself, or scancel in cleanup_cmd",
            _SCANCEL,
        ),
    ),
)


def about_command(
    run: str, commands: Sequence[Command], survey: Survey, code: str
) -> list[Caution]:
    """Queues, containers, terminals, several devices, and commands that a loop must not use."""
    shells = "\n".join(survey.text(p) for p in survey.with_suffix(".sh", ".slurm", ".sbatch")[:30])
    shown = "\n".join([run, *(c.text for c in commands), shells[:40_000]])
    texts = {"run": run, "shown": shown, "code": code}
    launchers = " ".join(p for p in survey.with_suffix(".py")[:500] if "submitit" in p)
    found = [c for pattern, c in _QUEUES if re.search(pattern, f"{shown}\n{code}\n{launchers}")][:1]
    found += [c for where, pattern, c in _IN_COMMANDS if re.search(pattern, texts[where])]
    return [*found, *_wrong_commands(commands, survey)]


def _wrong_commands(commands: Sequence[Command], survey: Survey) -> list[Caution]:
    """Documented commands that clone the original, or go on where another run stopped."""
    for command in commands:
        resumes = re.search(r"(?i)git clone|--resume\b|resume_from|-y 1\b", command.text)
        if resumes and command.path.endswith((".md", ".sh", ".rst")):
            text = (
                f"a documented command is wrong for a loop, it clones or resumes: {command.place}"
            )
            return [Caution("wrong for a loop", text)]
    readme = survey.text(survey.first("README.md", "readme.md", "README.rst"))
    if "git clone" in readme and re.search(r"(?m)^\s*cd \w|&& cd \w", readme):
        text = (
            "the README's block clones the original first: documented command is wrong for a loop"
        )
        return [Caution("wrong for a loop", text)]
    return []


def about_bound(bound: Bound, survey: Survey, *, pinned: bool) -> list[Caution]:
    if bound.kind == "none":
        return [
            Caution(
                "no bound",
                "nothing bounds a run: set timeout_minutes, and a number of steps "
                "where there is a switch",
            )
        ]
    if bound.kind != "time":
        how = "pin it on the command line"
        path = bound.place.partition(":")[0]
        if pinned:
            how = "pinned on the command line, so that an edit cannot change it"
        elif survey.tree(path) is not None:
            held = Lock(path, bound.name).find(survey.text(path).encode())
            how = f"{'lock it' if held else 'make it a constant and lock that'}, or {how}"
        return [
            Caution(
                "budget in code",
                f"the budget ({bound.name}, {bound.place}) stands in editable code "
                f"or a config: {how}",
            )
        ]
    return []


_PROGRAM = re.compile(r"(?:^|&&|;)\s*(?:\w+=\S*\s+)*([A-Za-z][\w.+-]*)(?=\s|$)")


def about_programs(run: str, *, prelude: bool) -> list[Caution]:
    """Programs that the command starts and that this machine's PATH does not have."""
    if prelude:
        return []  # the environment that it activates brings them
    named = (name for name in _PROGRAM.findall(run) if name not in ("cd", "set", "export"))
    absent = [name for name in dict.fromkeys(named) if shutil.which(name) is None]
    return [
        Caution(
            "missing program",
            f"{name} is not on the PATH here: name the environment in `prelude`, or install it",
        )
        for name in absent[:3]
    ]


def about_data(commands: Sequence[Command], script: str, text: str) -> list[Caution]:
    """Data that must be there before the first run."""
    found = []
    for command in commands:
        about = f"{command.script} {' '.join(command.words[:4])}"
        if (
            command.script != script
            and re.search(
                r"(?i)prepare|download|preprocess|tokeniz|(?:^|[/._ "
                r"])data(?:set)?s?[/._ ]|fetch|dataset",
                about,
            )
            and command.path.lower().endswith((".md", ".rst"))
        ):
            found.append(
                Caution(
                    "data first",
                    f"data must be prepared first: {command.text[:80]} ({command.place})",
                )
            )
            break
    if re.search(
        r"download\s*=\s*True|load_dataset\(|fetch_openml|hf_hub_download"
        r"|snapshot_download|load_data\(\)|tfds\.load",
        text,
    ):
        found.append(
            Caution(
                "downloads",
                "the first run downloads data or weights (needs the network); later "
                "runs are faster",
            )
        )
    if any(
        re.search(
            r"(?i)--?(?:data|input|finetune|pretrained|checkpoint)[\w_-]*[= ]\s*(?:\$|<|/path|\{)",
            c.text,
        )
        for c in commands
        if c.script == script
    ):
        found.append(
            Caution(
                "data first",
                "data and checkpoint paths must be given: the documented command has placeholders",
            )
        )
    if re.search(r"kaggle", text):
        found.append(Caution("data first", "data must be downloaded from Kaggle first"))
    return found
