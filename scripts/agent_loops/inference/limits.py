"""What bounds a run today, what seeds it, and what it writes: each with the place that says so.

Reads constants, switches and configurations; the time that a run takes is nowhere to be read.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from agent_loops import seeds
from agent_loops.inference.options import Option, number_in
from agent_loops.inference.survey import Survey


@dataclass(frozen=True, slots=True)
class Bound:
    """What ends a run. `amount` is seconds, epochs or steps."""

    kind: Literal["time", "epochs", "steps", "none"]
    amount: float = 0.0
    name: str = ""
    place: str = ""
    option: Option | None = None

    @property
    def evidence(self) -> str:
        if self.kind == "none":
            return "nothing that bounds a run was found"
        unit = "s" if self.kind == "time" else self.kind
        return f"{self.place} {self.name} = {self.amount:g} {unit}"


@dataclass(frozen=True, slots=True)
class Seed:
    """`kind`: "hard-coded", "argument", "config", "given" (by the harness) or "none"."""

    kind: str
    value: str = ""
    place: str = ""
    option: Option | None = None

    def describe(self) -> str:
        if self.kind == "none":
            return "none"
        return f"{self.kind} {self.value} ({self.place})"


_TIME = re.compile(
    r"(?i)^(?:time_?budget|budget_?(?:s|sec|seconds|minutes|min)"
    r"|max_?(?:train(?:ing)?_?)?(?:time|seconds|minutes|runtime|wall_?time)"
    r"|train(?:ing)?_?(?:time|seconds|minutes)(?:_?(?:budget|limit|s|sec))?"
    r"|time_?limit(?:_?\w+)?|wall_?(?:clock|time)_?(?:budget|limit)?"
    r"|time_?budget_?\w*)$"
)
_EPOCHS = re.compile(
    r"(?i)^(?:n_|num_|max_|nb_|total_|train_|number_of_)*epochs$|^(?:n|num|max|nb"
    r"|total)_epoch$|^n?epochs$|^num_train_epochs$|^num_epochs$|^n_?epoch$|^max_epoch$"
    r"|^training_epochs$"
)
_STEPS = re.compile(
    r"(?i)^(?:n_|num_|max_|total_|train_|nb_)*(?:iters?|iterations|steps|timesteps"
    r"|updates|kimg|train_steps|scheduled_iterations|rounds|boost_round|estimators"
    r"|episodes)$|^total_timesteps$|^train_steps$|^niters?$|^n_steps$"
)
_ASSIGNED = re.compile(
    r"(?m)^[ \t]*(?:self\.|args\.|cfg\.|config\.|hp\."
    r"|hyp\.)?([A-Za-z_]\w*)(?:\s*:\s*\w+)?\s*=\s*([\d_.* ]+?)\s*(?:#\s*(.*))?$"
)


def bound_of(
    survey: Survey, files: Sequence[str], options: Mapping[str, Option], configs: Sequence[str]
) -> Bound:
    """What bounds a run: a time before epochs before steps, a switch before a constant."""
    set_in = {bound.name: bound for bound in _from_configs(survey, configs)}
    found = [
        *(_overridden(bound, set_in) for bound in _from_options(options)),
        *_from_constants(survey, [*files, *(p for p in configs if p.endswith(".py"))]),
        *set_in.values(),
    ]
    order = {"time": 0, "epochs": 1, "steps": 2}
    first_file = files[0] if files else ""
    found.sort(
        key=lambda b: (
            # Where timesteps are counted, epochs are those of an update.
            0.5 if "timesteps" in b.name else order[b.kind],
            b.name in ("steps", "iters", "iterations", "updates", "rounds"),
            b.option is None,
            not b.place.startswith(first_file),
        )
    )
    return found[0] if found else Bound("none")


def within(survey: Survey, bound: Bound, configs: Sequence[str], chosen: Collection[str]) -> Bound:
    """The bound of the section that a switch's default names, in a file of many sections."""
    path, _, _line = bound.place.rpartition(":")
    if path not in configs:
        return bound
    sections = {
        match[1]: survey.text(path).count("\n", 0, match.start()) + 1
        for match in re.finditer(r"(?m)^([\w.-]+):\s*(?:#.*)?$", survey.text(path))
    }
    begins = next((sections[name] for name in sections if name in chosen), None)
    if begins is None:
        return bound
    ends = min((n for n in sections.values() if n > begins), default=1 << 30)
    own = [
        b
        for b in _from_configs(survey, [path])
        if b.name == bound.name and begins < int(b.place.rpartition(":")[2]) < ends
    ]
    return own[0] if own else bound


def _overridden(bound: Bound, set_in: Mapping[str, Bound]) -> Bound:
    """A switch whose default a configuration of the run replaces."""
    given = set_in.get(bound.option.name) if bound.option else None
    return replace(bound, amount=given.amount, place=given.place) if given else bound


def _from_options(options: Mapping[str, Option]) -> Iterator[Bound]:
    for name, option in options.items():
        if re.search(
            r"(?i)warm|decay|eval|log|save|patience|start|cool|every|interval|freq|per_", name
        ):
            continue
        value = option.default
        amount = (
            float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0
        )
        kind = "epochs" if name == "epoch" else _kind(name)
        if (kind == "time" and amount <= 0) or (kind == "steps" and amount <= 0):
            continue
        if kind:
            yield Bound(
                kind,
                amount * _unit_s(name, "") if kind == "time" else amount,
                option.flag,
                option.place,
                option,
            )


def _kind(name: str) -> Literal["time", "epochs", "steps"] | None:
    if _TIME.match(name):
        return "time"
    if _EPOCHS.match(name):
        return "epochs"
    return "steps" if _STEPS.match(name) else None


def _unit_s(name: str, comment: str) -> float:
    text = f"{name} {comment}".lower()
    if re.search(r"seconds|\bsec\b|\bs\b|_s$|_sec$", text):
        return 1.0
    if re.search(r"hour|_h$", text):
        return 3600.0
    return 60.0 if re.search(r"minute|_min\b|_mins?$|_m$", text) else 1.0


_FROM_ENVIRONMENT = re.compile(
    r"(?m)^([A-Z_]+)\s*=\s*(?:float|int)\(os\.(?:environ\.get|getenv)\([^,\n]+,\s*[\"']?(\d[\d.]*)"
)


def _from_constants(survey: Survey, files: Sequence[str]) -> Iterator[Bound]:
    for path in files[:40]:
        text = survey.text(path)
        for match in _ASSIGNED.finditer(text):
            kind = _kind(match[1])
            if kind is None or re.search(r"(?i)warm|decay|eval", match[1]):
                continue
            if kind == "time" and path != files[0] and match[0][:1].isspace():
                continue  # some function's own patience, not the run's
            amount = number_in(match[2].strip())
            if amount and amount > 0:
                place = f"{path}:{text.count(chr(10), 0, match.start()) + 1}"
                seconds = _unit_s(match[1], match[3] or "") if kind == "time" else 1.0
                yield Bound(kind, amount * seconds, match[1], place)
        for match in _FROM_ENVIRONMENT.finditer(text):
            if _kind(match[1]) == "time":
                place = f"{path}:{text.count(chr(10), 0, match.start()) + 1}"
                seconds = float(match[2]) * _unit_s(match[1], "")
                yield Bound("time", seconds, match[1], place)
        for match in re.finditer(
            r"\b(\w*epochs|n_estimators|num_boost_round|max_iter"
            r"|total_timesteps)\s*=\s*(\d[\d_]*)\b",
            text,
        ):
            kind = _kind(match[1])
            if kind:
                yield Bound(
                    kind,
                    float(match[2].replace("_", "")),
                    match[1],
                    f"{path}:{text.count(chr(10), 0, match.start()) + 1}",
                )


def _from_configs(survey: Survey, configs: Sequence[str]) -> Iterator[Bound]:
    for path in configs:
        for number, line in enumerate(survey.text(path).splitlines(), 1):
            match = re.match(
                r"\s*[\"']?(?:\w+\.)?(\w+)[\"']?\s*[:=]\s*(?:!!\w+\s+)?([\d_.e+]+)\s*,?\s*(?:#.*)?$",
                line,
            )
            if (
                match
                and (kind := _kind(match[1]))
                and not re.search(r"(?i)warm|decay|eval|log|save", match[1])
            ):
                try:
                    amount = float(match[2].replace("_", ""))
                except ValueError:
                    continue
                yield Bound(kind, amount, match[1], f"{path}:{number}")


_SEEDING = (
    r"(?:torch\.(?:cuda\.)?manual_seed(?:_all)?|np\.random\.seed|numpy\.random\.seed"
    r"|random\.seed|seed_everything|set_seed|"
    r"set_random_seed|init_seeds|seed_all|fix_seed|mx\.random\.seed"
    r"|tf\.random\.set_seed|PRNGKey|jax\.random\.key|random\.key|"
    r"default_rng|RandomState|manual_seed|Random\.seed!|srand|nnx\.Rngs|seed_torch)"
)
_SEED_CALL = re.compile(rf"{_SEEDING}\(\s*(?:seed\s*=\s*|params\s*=\s*)?([^(),\n]*)")


_C_SEED = re.compile(r"\bs?rand\w*\(\s*(\d+)|seed\w*\([^;\n]{0,40}?(\d{2,})\s*\)")


def seed_of(
    survey: Survey, files: Sequence[str], options: Mapping[str, Option], configs: Sequence[str]
) -> Seed:
    """Where the run's randomness comes from."""
    for name in ("seed", "random_seed", "rng_seed", "manual_seed", "global_seed", "manualSeed"):
        option = options.get(name)
        if option is not None:
            kind = "config" if "." in option.flag else "argument"
            return Seed(kind, f"{option.flag} default {option.default}", option.place, option)
    for path in files:
        text = survey.text(path)
        if seeds.is_read([text.encode("utf-8", "replace")]):
            above = text.count("\n", 0, text.index(seeds.VARIABLE))
            return Seed("given", seeds.VARIABLE, f"{path}:{above + 1}")
    for path in configs:
        for number, line in enumerate(survey.text(path).splitlines(), 1):
            if match := re.match(
                r"\s*[\"']?(?:random_)?seed[\"']?\s*[:=]\s*(\d+|null|None|True)\b", line
            ):
                return Seed("config", f"seed: {match[1]}", f"{path}:{number}")
    found = list(_seedings(survey, files))
    return found[0] if found else Seed("none")


def _seedings(survey: Survey, files: Sequence[str]) -> Iterator[Seed]:
    for path in files[:60]:
        text = survey.text(path)
        if not path.endswith(".py") and (match := _C_SEED.search(text)):
            value = match[1] or match[2]
            yield Seed("hard-coded", value, f"{path}:{text.count(chr(10), 0, match.start()) + 1}")
        for match in _SEED_CALL.finditer(text):
            value = match[1].strip()
            line = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
            if "generator" in line.lower() and "=" in line.split("(")[0] and "Generator" in line:
                continue
            number = text.count("\n", 0, match.start()) + 1
            plain = re.match(r"\d+", value)
            if plain:
                yield Seed("hard-coded", plain[0], f"{path}:{number}")
            elif re.fullmatch(r"[A-Za-z_]\w*", value):
                known = re.search(
                    rf"(?m)^\s*{value}\s*(?::\s*int)?\s*=\s*(\d+)"
                    rf"|\b{value}(?::\s*int)?\s*=\s*(\d+)",
                    text,
                )
                if known:
                    yield Seed("hard-coded", known[1] or known[2], f"{path}:{number}")


_OUT_OPTIONS = re.compile(
    r"(?i)^(?:output_?(?:dir|directory|path|folder)|out_?(?:dir|folder)|outdir"
    r"|save_?(?:dir|path|folder)|log_?(?:dir|folder)|logdir|model_dir|work_?dir|workdir|run_dir"
    r"|results?_?dir|results_path|checkpoint_?dir|ckpt_?dir|exp_?dir|project|output"
    r"|save|default_root_dir|logging_dir|log_path|artifact_dir|train_dir)$"
)


def output_options(options: Mapping[str, Option]) -> list[Option]:
    """Switches that say where a run writes."""
    return [
        o
        for name, o in options.items()
        if _OUT_OPTIONS.match(name) and not isinstance(o.default, bool | int | float)
    ]


_MADE = re.compile(
    r"(?:makedirs|mkdir|Path)\(\s*[rf]?[\"']([\w./-]+)[\"']|(?:torch\.save|np\.save"
    r"|joblib\.dump|save_weights|to_csv|savefig|\.save|save_image|SummaryWriter"
    r"|save_model|FileHandler|CSVLogger|dump)\([^\n]*?[\"']([\w./-]+(?:/[\w{}.-]*"
    r"|\.(?:pt|pth|tar|ckpt|h5|keras|pkl|npy|csv|json|png|safetensors|bin|txt|log"
    r"|model)))[\"']"
    r"|^\s*(?:out_dir|output_dir|save_dir|log_dir|logdir|work_dir|outdir|OUT_DIR"
    r"|OUTPUT_DIR|SAVE_DIR|LOG_DIR|CHECKPOINT_DIR|results_dir"
    r"|ckpt_dir)\s*(?::\s*str)?\s*=\s*[rf]?[\"']([\w./-]+)[\"']"
    r"|[\"']\.?/?((?:outputs?|logs|runs|results|checkpoints)(?:/[\w-]+)+)/?[\"']"
    r"|os\.path\.join\(\s*[\"'](\w[\w-]*)[\"']\s*,[^\n]*(?:uuid|run|exp|name|time)",
    re.MULTILINE,
)
_OPENED = re.compile(r"open\(\s*f?[\"']([\w./{}-]+)[\"']\s*,\s*[\"'][wa]b?[\"']")


_BY_TOOL = (  # what a tracker writes where nothing tells it another place
    (r"\bmlflow\.(?:start_run|log_\w+|autolog)\(", r"set_tracking_uri", "mlruns/"),
    (r"\bSummaryWriter\(\s*\)", r"(?!)", "runs/"),
    (r"\b(?:pl|L|lightning)\.Trainer\(", r"default_root_dir|logger\s*=", "lightning_logs/"),
)


def _by_tools(survey: Survey, files: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in (p for p in files[:30] if p.endswith(".py")):
        text = survey.text(path)
        for used, placed, folder in _BY_TOOL:
            match = re.search(used, text)
            if match and not re.search(placed, text):
                found.setdefault(folder, f"{path}:{text.count(chr(10), 0, match.start()) + 1}")
    return found


_CONFIG_FOLDER = re.compile(
    r"(?mi)^\s*[\"']?(?:(?:save|output|out|log|checkpoint|ckpt|work)_?(?:dir|path)|dir)[\"']?"
    r"\s*[:=]\s*[\"']?(?:\$\{[^}]*\}/)?((?:\./)?(?!(?:null|none|true|false)\b)\w[\w./-]*)"
)


def _configured(survey: Survey, files: Sequence[str]) -> dict[str, str]:
    """Folders that configurations name, and Hydra's own."""
    found: dict[str, str] = {}
    configs = [path for path in files if path.endswith((".yaml", ".yml", ".json", ".toml"))]
    for path in configs:
        text = survey.text(path)
        for match in _CONFIG_FOLDER.finditer(text):
            number = text.count("\n", 0, match.start(1)) + 1
            found.setdefault(f"{match[1].removeprefix('./').rstrip('/')}/", f"{path}:{number}")
    if not found and files and "hydra" in survey.text(files[0]):
        named = re.search(r"/(logs|outputs|runs|results)\b", " ".join(map(survey.text, configs)))
        found[f"{named[1] if named else 'outputs'}/"] = f"{files[0]}:1"
    return found


def _inside(survey: Survey, name: str) -> bool:
    """Whether a name is one that a run may write in the project."""
    elsewhere = name.startswith(("/", "~", "..")) or "data" in name.lower()
    return not elsewhere and name not in survey


def written(survey: Survey, files: Sequence[str], options: Mapping[str, Option]) -> dict[str, str]:
    """Folders and files in the project that a run writes, with the place that says so."""
    found: dict[str, str] = {}
    for option in output_options(options):
        text = str(option.default or "").removeprefix("./")
        if re.fullmatch(r"\w[\w./-]*", text) and text != "None":
            found.setdefault(
                text if "." in text.split("/")[-1] else f"{text.rstrip('/')}/", option.place
            )
    found.update(_configured(survey, files))
    found.update(_by_tools(survey, files))
    for path in files[:30]:
        text = survey.text(path)
        for match in [*_MADE.finditer(text), *_OPENED.finditer(text)]:
            name = next(filter(None, match.groups()), "").removeprefix("./")
            if not name or not _inside(survey, name):
                continue
            name = name.split("{")[0]
            if "." not in name.split("/")[-1]:
                name = f"{name.rstrip('/')}/"
            if len(name) > 2 and not name.endswith((".py", "./")):
                found.setdefault(name, f"{path}:{text.count(chr(10), 0, match.start()) + 1}")
    return found


def constants_of(tree: ast.Module) -> dict[str, int]:
    """Names that are given a plain value at the top of a file, with their line."""
    found = {}
    for node in tree.body:
        target = (
            node.targets[0]
            if isinstance(node, ast.Assign)
            else node.target
            if isinstance(node, ast.AnnAssign)
            else None
        )
        if isinstance(target, ast.Name):
            found[target.id] = node.lineno
    return found
