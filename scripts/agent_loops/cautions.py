"""Warns of what misleads a loop: each caution names its place and, where there is one, the remedy.

Judges what it sees in code and commands; a caution that is missing is no promise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent_loops.contenders import Contender
from agent_loops.limits import Bound, Seed
from agent_loops.recipes import Command
from agent_loops.survey import Survey


@dataclass(frozen=True, slots=True)
class Caution:
    """`kind` is one stable word or two for programs, `text` one line for people."""

    kind: str
    text: str
    cleanup: str = ""


def about_metric(
    contender: Contender, editable: Sequence[str], locked: Sequence[str]
) -> list[Caution]:
    """Cautions about where and how the metric is printed."""
    found = []
    if contender.source == "none-yet":
        found.append(
            Caution(
                "not printed",
                f"{contender.name} is only in a progress bar or a logger (TensorBoard, wandb): {contender.place}; print it once at the end",
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
    if contender.digits is not None and contender.digits <= 4:
        found.append(
            Caution(
                "few digits",
                f"few digits: {contender.name} is printed with {contender.digits} after the point ({contender.place}); small gains cannot be seen",
            )
        )
    if contender.split == "train":
        found.append(
            Caution(
                "training metric",
                f"only a training figure ({contender.name}) was found: it rewards overfitting; nothing held out is printed",
            )
        )
    if contender.split == "test":
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
                f"other lines of the script are read as {contender.name} too: the last one in the log counts",
            )
        )
    return found


def about_seed(seed: Seed, *, given: bool) -> list[Caution]:
    if seed.kind == "hard-coded":
        return [
            Caution(
                "hard-coded seed",
                f"hard-coded seed {seed.value} ({seed.place}): repeats do not measure the noise between seeds; read AGENT_LOOPS_SEED or add a switch",
            )
        ]
    if seed.kind == "none":
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


def about_outputs(written: Mapping[str, str], text: str, pinned: bool) -> list[Caution]:  # noqa: FBT001 - one fact
    found = []
    resumes = re.search(
        r"(?i)get_last_checkpoint|resume_from_checkpoint|auto_?resume|latest_checkpoint|if os\.path\.(?:exists|isfile)\([^)]*(?:ckpt|checkpoint|resume|weights)|restore_checkpoint|CheckpointManager|resume_from_ckpt|restore_or_initialize",
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
                f"fixed output folder or file {', '.join(folders[:3])} ({written[folders[0]]}){remedy}",
            )
        )
    if resumes:
        found.append(
            Caution(
                "resumes",
                "a run resumes from a checkpoint that it finds in its output folder: give each run its own ({run_dir})",
            )
        )
    if re.search(r"open\([^\n]*[\"']a[b+t]*[\"']", text):
        found.append(
            Caution(
                "appends",
                "a results file is appended to across runs: only a new line is this run's",
            )
        )
    if re.search(
        r"torch\.save|save_checkpoint|ModelCheckpoint|save_pretrained|save_model|save_weights|\.save\(|pickle\.dump|orbax|save_state",
        text,
    ):
        found.append(
            Caution(
                "disk",
                "each run saves checkpoints: mind the disk (keep_outputs), write them below {run_dir}",
            )
        )
    return found


def about_command(
    text: str, commands: Sequence[Command], survey: Survey, script_text: str
) -> list[Caution]:
    """Queues, containers, terminals, several devices, and documented commands that a loop must not use."""
    found: list[Caution] = []
    shown = "\n".join(c.text for c in commands)
    shells = "\n".join(survey.text(p) for p in survey.with_suffix(".sh", ".slurm", ".sbatch")[:30])
    everything = f"{text}\n{shown}\n{shells[:40000]}"
    found += _queues(everything, script_text)
    if re.search(
        r"\b(?:docker|podman) run\b|\b(?:singularity|apptainer) exec\b|docker[- ]compose up",
        everything,
    ):
        found.append(
            Caution(
                "container",
                "container: it outlives a killed client; run it with --name and without -it, and end it in cleanup_cmd",
                "docker rm -f agent-loops-{tag}-{n}",
            )
        )
    if re.search(r"(?:^|\n)\s*ssh\s+\S+@?\S+\s", shown):
        found.append(
            Caution(
                "ssh",
                "ssh: a killed client leaves the remote process running; end it in cleanup_cmd",
                "ssh HOST pkill -f MARKER",
            )
        )
    if re.search(r"docker run [^\n]*-(?:it|ti)\b|--pty\b", everything) or re.search(
        r"\binput\(|Prompt\.ask|getpass\(|pdb\.set_trace|breakpoint\(\)|inquirer|click\.(?:confirm|prompt)",
        script_text,
    ):
        found.append(
            Caution(
                "terminal",
                "needs a terminal: docker -it, a prompt or a debugger waits for input, which a loop cannot give (stdin is /dev/null)",
            )
        )
    if re.search(
        r"nproc[_-]per[_-]node[= ](?!1\b)\d|mpirun -np (?!1\b)|--gpus[= ](?!1\b)\d|--num_processes[= ](?!1\b)\d|torch\.distributed\.launch",
        text,
    ):
        found.append(
            Caution(
                "several GPUs",
                "the documented command is for several GPUs: fit --nproc_per_node to this machine",
            )
        )
    if re.search(r"wandb", script_text):
        found.append(
            Caution("wandb", "wandb may ask for a login: set WANDB_MODE=offline or switch it off")
        )
    for command in commands:
        if re.search(
            r"(?i)(?:git clone|--resume\b|resume_from|-y 1\b)", command.text
        ) and command.path.endswith((".md", ".sh", ".rst")):
            found.append(
                Caution(
                    "wrong for a loop",
                    f"documented command is wrong for a loop (it clones or resumes): {command.place}",
                )
            )
            break
    readme = survey.text(survey.first("README.md", "readme.md", "README.rst"))
    if re.search(r"git clone[^\n]*", readme) and re.search(r"(?m)^\s*cd \w", readme):
        found.append(
            Caution(
                "wrong for a loop",
                "the README's block clones the original first: documented command is wrong for a loop as a whole",
            )
        )
    if re.search(r"(?s)while (?:true|:)\s*;?\s*do", shells):
        found.append(
            Caution(
                "endless script",
                "a shell script of the project loops forever and starts runs again: not a run_cmd",
            )
        )
    if re.search(r"\btee\b", shells + shown):
        found.append(Caution("tee", "`| tee` hides the exit code of the run"))
    if re.search(r"parse_known_args", script_text):
        found.append(
            Caution(
                "unknown flags",
                "unknown flags are ignored (parse_known_args): a mistyped switch does nothing",
            )
        )
    return found


def _queues(text: str, script_text: str) -> list[Caution]:
    if re.search(r"\bsbatch\b|#SBATCH", text):
        return [
            Caution(
                "queue",
                "queue: sbatch returns at once; use `sbatch --wait` (or srun), read the job's own log, and scancel in cleanup_cmd",
                "scancel --name agent-loops-{tag}-{n}",
            )
        ]
    if re.search(r"\bsrun\b", text):
        return [
            Caution(
                "queue",
                "queue: srun needs an allocation; scancel in cleanup_cmd",
                "scancel --name agent-loops-{tag}-{n}",
            )
        ]
    if re.search(r"\b(?:qsub|bsub|kubectl apply)\b", text):
        return [
            Caution(
                "queue",
                "queue: the command returns before the run ends; wait for the job and cancel it in cleanup_cmd",
            )
        ]
    if re.search(r"\bsubmitit\b", text + script_text):
        return [
            Caution(
                "queue",
                "queue: submitit returns at once and logs elsewhere; run the script itself, or scancel in cleanup_cmd",
                "scancel --name agent-loops-{tag}-{n}",
            )
        ]
    return []


def about_bound(bound: Bound, pinned: bool) -> list[Caution]:  # noqa: FBT001 - one fact
    if bound.kind == "none":
        return [
            Caution(
                "no bound",
                "nothing bounds a run: set timeout_minutes, and a number of steps where there is a switch",
            )
        ]
    if bound.kind != "time":
        how = (
            "pinned on the command line, so that an edit cannot change it"
            if pinned
            else "lock it, or pin it on the command line"
        )
        return [
            Caution(
                "budget in code",
                f"the budget ({bound.name}, {bound.place}) stands in editable code or a config: {how}",
            )
        ]
    return []


def about_data(commands: Sequence[Command], script: str, text: str) -> list[Caution]:
    """Data that must be there before the first run."""
    found = []
    for command in commands:
        about = f"{command.script} {' '.join(command.words[:4])}"
        if (
            command.script != script
            and re.search(
                r"(?i)prepare|download|preprocess|tokeniz|(?:^|[/._ ])data(?:set)?s?[/._ ]|fetch|dataset",
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
        r"download\s*=\s*True|load_dataset\(|fetch_openml|hf_hub_download|snapshot_download|load_data\(\)|tfds\.load",
        text,
    ):
        found.append(
            Caution(
                "downloads",
                "the first run downloads data or weights (needs the network); later runs are faster",
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
