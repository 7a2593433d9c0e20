"""Makes the command of one run: runner, folder, pins for budget, seed and outputs.

Adds only switches that the program declares; what a reader must fill in stays as it was documented.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from agent_loops.inference import entrypoints, limits, options
from agent_loops.inference.cautions import Caution
from agent_loops.inference.entrypoints import Entry
from agent_loops.inference.limits import Bound, Seed
from agent_loops.inference.options import Option
from agent_loops.inference.recipes import Command
from agent_loops.inference.survey import Survey


@dataclass(frozen=True, slots=True)
class RunCommand:
    """`pinned` where the budget stands in the command; `epochs` where it is the placeholder."""

    text: str
    evidence: str
    documented: bool
    pinned: bool = False
    epochs: float = 0.0


@dataclass(frozen=True, slots=True)
class _Settings:
    """What a command is pinned by."""

    bound: Bound
    seed: Seed
    configs: Sequence[str]
    hydra: bool
    documented: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """What the command of one program needs, and what it does besides."""

    run: RunCommand
    bound: Bound
    seed: Seed
    written: Mapping[str, str]
    prelude: tuple[str, str] | None
    timeout_minutes: int
    timeout_why: str
    configs: str = ""  # the texts of the run's configurations
    warnings: list[Caution] = field(default_factory=list)


_BY_SWITCH = re.compile(r"f[\"'](?:\{[^{}]*\}/)?([\w/]+)/\{[\w.]*?(\w+)\}(\.ya?ml)[\"']")


def settings_files(survey: Survey, script: str, files: Sequence[str]) -> list[str]:
    """YAML files that a program opens by the value of a switch: `f"hyper/{args.algo}.yml"`."""
    switches = options.options_of(survey, script, files)
    found = []
    for path in files[:40]:
        for folder, name, ending in _BY_SWITCH.findall(survey.text(path)):
            chosen = f"{folder}/{switches[name].default}{ending}" if name in switches else ""
            found += [
                p for p in survey.files if chosen and (p == chosen or p.endswith(f"/{chosen}"))
            ]
    return list(dict.fromkeys(found))


def gather(
    survey: Survey, entry: Entry, files: Sequence[str], commands: Sequence[Command]
) -> Facts:
    """Everything about how `entry` is run."""
    command = entrypoints.best_command(entry)
    switches = (
        options.options_of(survey, entry.script, files) if entry.script.endswith(".py") else {}
    )
    configs = _configs(survey, entry, command)
    configs += settings_files(survey, entry.script, files)
    bound = limits.bound_of(survey, files, switches, configs)
    chosen = {str(option.default) for option in switches.values() if option.default}
    bound = limits.within(survey, bound, configs, chosen)
    seed = limits.seed_of(survey, files, switches, configs)
    written = limits.written(survey, [*files, *configs], switches)
    base, evidence = _base(survey, entry, command, commands)
    hydra = bool(re.search(r"hydra\.main|@hydra", survey.text(entry.script)))
    settings = _Settings(bound, seed, configs, hydra, command is not None)
    run = _pinned(base, evidence, settings, switches, survey)
    minutes, why = _timeout(survey)
    texts = "\n".join(survey.text(path) for path in configs if not path.endswith(".py"))
    return Facts(run, bound, seed, written, _prelude(survey, base), minutes, why, texts)


def given_configs(survey: Survey, entry: Entry) -> tuple[list[str], bool]:
    """The YAML files that the documented command names, and whether another names others."""
    command = entrypoints.best_command(entry)
    if command is None:
        return [], False
    given = {c.text: _yaml_words(survey, c) for c in (command, *entry.commands)}
    own = given[command.text]
    return own, any(other and other != own for other in given.values())


def _yaml_words(survey: Survey, command: Command) -> list[str]:
    words = [word.split("=", 1)[-1] for word in command.words]
    return [name for name in words if name.endswith((".yaml", ".yml")) and name in survey]


def _configs(survey: Survey, entry: Entry, command: Command | None) -> list[str]:
    """Configurations of the run: those the command names first, then the defaults of Hydra."""
    found: list[str] = []
    for word in command.words if command else ():
        name = word.split("=", 1)[-1]
        if (
            name.endswith((".yaml", ".yml", ".py", ".json", ".toml", ".gin"))
            and name in survey
            and name != entry.script
        ):
            found.append(name)
    text = survey.text(entry.script)
    if re.search(r"hydra", text):
        match = re.search(r"config_path\s*=\s*[\"']([^\"']+)[\"']", text)
        folder = PurePosixPath(match[1]).name if match else "configs"
        inside = [p for p in survey.with_suffix(".yaml", ".yml") if f"{folder}/" in p]
        found += sorted(
            inside,
            key=lambda p: (
                not p.endswith(("train.yaml", "config.yaml")),
                "trainer/default" not in p,
                p.count("/"),
                p,
            ),
        )[:30]
    for name in re.findall(r"[\"']([\w./-]+\.(?:ya?ml|toml|json))[\"']", text):
        if name in survey:
            found.append(name)
    if re.search(r"config_flags|DEFINE_config_file", text):
        found += [
            p
            for p in survey.with_suffix(".py")
            if f"{PurePosixPath(entry.script).parent}/configs/default" in p
            or p == "configs/default.py"
        ]
    return list(dict.fromkeys(found))


def as_shown(survey: Survey, command: Command) -> str:
    """A documented command as it is given from the project's root."""
    text = _without_shell(_exported(command.text, survey, command.path))
    return _moved(text, command) if command.folder else text


def _base(
    survey: Survey, entry: Entry, command: Command | None, commands: Sequence[Command]
) -> tuple[str, str]:
    """The command without pins, and where it comes from."""
    script = entry.script
    if not script.endswith(".py"):
        return _compiled(survey, script)
    if command is not None:
        return as_shown(survey, command), f"{command.place} shows it"
    shell = next(
        (
            c
            for c in commands
            if c.script.endswith(".sh")
            and survey.text(c.script).count(PurePosixPath(script).name)
            and c.path.lower().endswith((".md", ".rst"))
            and len(survey.text(c.script)) < 1500
        ),
        None,
    )
    inner = [c for c in entry.commands if shell and c.path == shell.script]
    if (
        shell is not None
        and inner
        and not re.search(r"while |nproc=\$|for ", survey.text(shell.script))
    ):
        return shell.text, f"{shell.place} shows it; it runs {script}"
    runner = "uv run" if "uv.lock" in survey else "python"
    folder = str(PurePosixPath(script).parent)
    own = any(
        p.startswith(f"{folder}/") and p.lower().endswith(("readme.md", "requirements.txt"))
        for p in survey.files
    )
    if folder != "." and own and "/" not in folder:
        return (
            f"cd {shlex.quote(folder)} && {runner} {shlex.quote(PurePosixPath(script).name)}",
            f"{script} is a script; no paper shows its command",
        )
    return f"{runner} {shlex.quote(script)}", f"{script} is a script; no paper shows its command"


def _exported(text: str, survey: Survey, path: str) -> str:
    """The command with the variables that its own paper exports filled in."""
    given = dict(re.findall(r"(?m)^\s*(?:export )?([A-Z_]{2,})=([\w./-]+)\s*$", survey.text(path)))
    return re.sub(r"\$\{?([A-Z_]{2,})\}?", lambda match: given.get(match[1], match[0]), text)


def open_places(text: str) -> list[str]:
    """What a command leaves to the reader: `<folder>`, `$DATA`, `/path/to/data`, `N`."""
    found = re.findall(
        r"<[A-Za-z][\w /-]*>|(?<!\\)\$\{?[A-Z]\w+\}?|\S*/path/to/\S*|\bpath/to/\S+"
        r"|\[[a-z][\w ,/-]+\]"
        r"|(?<==)N\b|\"\$@\"|\b(?:algo_name|env_id|your_\w+|\w+_here)\b|\.\.\.",
        text.split("&& ", 1)[-1],
    )
    return list(dict.fromkeys(found))


def _without_shell(text: str) -> str:
    text = re.sub(r"^(?:!|%)", "", text).strip()
    return re.sub(r"\s*\\?\s*$", "", text)


def _moved(text: str, command: Command) -> str:
    """A command meant for another folder, given from the root."""
    folder = shlex.quote(command.folder)
    return f"cd {folder} && {text}"


def _compiled(survey: Survey, script: str) -> tuple[str, str]:
    """A program that has to be built first, else the edit is not what runs."""
    stem = PurePosixPath(script).stem
    makefile = survey.text("Makefile")
    target = next(
        (
            t
            for t in (f"{stem}cu", stem)
            if re.search(
                rf"(?m)^{re.escape(t)}\s*:[^\n]*{re.escape(PurePosixPath(script).name)}", makefile
            )
        ),
        "",
    )
    if target:
        return (
            f"make {target} && ./{target}",
            (
                f"Makefile:{survey.line_of('Makefile', target + ':')} builds it; "
                f"building is part of the run"
            ),
        )
    if "Cargo.toml" in survey:
        return "cargo run --release", "Cargo.toml builds it"
    if script.endswith(".jl"):
        return f"julia {script}", f"{script} is a script"
    return (
        f"cc -O2 -o {stem} {script} -lm && ./{stem}",
        f"{script} has a main function and no rule builds it",
    )


@dataclass(slots=True)
class _Pins:
    """A command while it is pinned: what it is now, and by what the budget is out of reach."""

    text: str
    pinned: bool = False
    epochs: float = 0.0
    places: list[str] = field(default_factory=list)

    def add(self, flag: str, value: str) -> None:
        self.text = f"{self.text} {flag}{value}"

    def budget(self, flag: str, number: float, place: str, *, epochs: bool) -> None:
        """Pins a budget that the command does not give yet."""
        if number > 0:
            self.add(
                flag, "{budget}" if epochs else f"{number:g}" if number < 1e6 else str(int(number))
            )
            self.epochs = number if epochs else 0.0
        self.pinned = True
        self.places.append(place)


def _pinned(
    base: str, evidence: str, settings: _Settings, switches: Mapping[str, Option], survey: Survey
) -> RunCommand:
    """The command with budget, seed and output folder out of the agent's hands."""
    pins = _Pins(base, pinned=settings.bound.kind == "time")
    _pin_budget(pins, settings, switches, survey)
    seed = settings.seed
    if seed.option is not None and seed.option.flag not in base:
        if not isinstance(seed.option.default, bool):
            pins.add(f"{seed.option.flag}{seed.option.style}", "{seed}")
    elif settings.hydra and seed.kind == "config" and "seed=" not in base:
        pins.add("seed=", "{seed}")
    if settings.hydra:
        pins.add("hydra.run.dir=", "{run_dir}")
    text = _outputs(pins.text, switches)
    shown = f"{evidence}; pins: {', '.join(pins.places)}" if pins.places else evidence
    return RunCommand(text, shown, settings.documented, pins.pinned, pins.epochs)


def _pin_budget(
    pins: _Pins, settings: _Settings, switches: Mapping[str, Option], survey: Survey
) -> None:
    bound = settings.bound
    epochs = bound.kind == "epochs"
    if bound.kind in ("epochs", "steps") and bound.option is not None:
        option = bound.option
        text, given = _replaced(pins.text, option, "{budget}" if epochs else "")
        place = f"{option.flag} {option.place}"
        if given:
            pins.text, pins.pinned, pins.epochs = text, True, given if epochs else 0.0
            pins.places.append(f"{place}, given as {given:g}")
        else:
            pins.budget(f"{option.flag}{option.style}", bound.amount, place, epochs=epochs)
    elif (
        bound.kind in ("epochs", "steps")
        and settings.hydra
        and bound.place.startswith(tuple(settings.configs))
    ):
        key = _hydra_key(bound)
        if f"{key}=" not in pins.text:
            pins.budget(f"{key}=", bound.amount, f"{key} {bound.place}", epochs=epochs)
    elif bound.kind == "none" and (endless := _endless(survey, switches)):
        pins.add("", endless)
        pins.pinned = True
        pins.places.append("nothing else ends it")


def _endless(survey: Survey, switches: Mapping[str, Option]) -> str:
    """A switch for the number of steps that has no end, with the number that the README gives."""
    readme = survey.text(survey.first("README.md", "readme.md"))
    for name, option in switches.items():
        endless = option.default is None or str(option.default).startswith("-")
        if endless and re.fullmatch(r"(?:max|num|n)_(?:iters|steps|iterations)", name):
            shown = re.search(rf"\b{name}\s*=\s*(\d+)", readme)
            return f"{option.flag}{option.style}{int(shown[1]) + 1 if shown else 1001}"
    return ""


def _hydra_key(bound: Bound) -> str:
    group = PurePosixPath(bound.place.rsplit(":", 1)[0]).parent.name
    return (
        f"{group}.{bound.name}"
        if group not in ("configs", "config", "conf", ".", "")
        else f"trainer.{bound.name}"
        if "max_" in bound.name
        else bound.name
    )


def _replaced(text: str, option: Option, by: str) -> tuple[str, float]:
    """`text` with the switch's value replaced, and the number that stood there."""
    pattern = re.compile(rf"({option.spelled})([\d.e_]+)(?!\S)")
    match = pattern.search(text)
    if match is None:
        return text, 0.0
    try:
        number = float(match[2].replace("_", ""))
    except ValueError:
        return text, 0.0
    return (f"{text[: match.start(2)]}{by}{text[match.end(2) :]}" if by else text), number


def _outputs(text: str, switches: Mapping[str, Option]) -> str:
    """Output switches point into the run's own folder."""
    for option in limits.output_options(switches)[:2]:
        default = str(option.default or "")
        name = default.rsplit("/", 1)[-1]
        value = f"{{run_dir}}/{name}" if re.search(r"\.\w{1,5}$", name) else "{run_dir}"
        match = re.search(rf"{option.spelled}(\S+)", text)
        if match:
            text = text[: match.start(1)] + value + text[match.end(1) :]
        elif option.name not in ("save", "output", "project") or default:
            text = f"{text} {option.flag}{option.style}{value}"
    return text


def _prelude(survey: Survey, base: str) -> tuple[str, str] | None:
    for path in ("environment.yml", "environment.yaml", "env.yml", "conda.yaml"):
        match = re.search(r"(?m)^name:\s*([\w.-]+)", survey.text(path))
        if match and not base.startswith(("uv ", "poetry ", "pixi ", "conda ")):
            return (
                (
                    f'source "$(conda info --base)/etc/profile.d/conda.sh" && conda '
                    f"activate {match[1]}"
                ),
                f"{path} names the environment {match[1]}",
            )
    readme = survey.text(survey.first("README.md", "readme.md"))
    match = re.search(r"(?m)^\s*\$?\s*conda activate ([\w.-]+)\s*$", readme)
    if match and not base.startswith(("uv ", "poetry ")):
        return (
            f'source "$(conda info --base)/etc/profile.d/conda.sh" && conda activate {match[1]}',
            f"README activates the conda environment {match[1]}",
        )
    for folder in (".venv", "venv"):
        if (survey.root / folder / "bin" / "activate").is_file() and not base.startswith(
            ("uv ", "poetry ", "pixi ")
        ):
            return f"source {folder}/bin/activate", f"{folder}/ is a virtual environment"
    return None


def _timeout(survey: Survey) -> tuple[int, str]:
    """Minutes after which the project's own papers give a run up."""
    for path in ("program.md", "README.md"):
        for number, line in enumerate(survey.text(path).splitlines(), 1):
            match = re.search(
                r"(?i)(?:exceeds|over|more than|longer than|past)\s+(\d{1,3})\s*min", line
            )
            if match and re.search(r"(?i)kill|timeout|time-out|abort", line):
                return int(match[1]), f"{path}:{number} gives a run up after {match[1]} minutes"
    return 0, ""
