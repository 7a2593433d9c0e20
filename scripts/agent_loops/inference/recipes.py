"""Commands that a project's own papers show: README, program.md, Makefile, scripts, packaging.

They are data: quoted and compared with what is there, never run.
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from agent_loops.inference import survey as surveys
from agent_loops.inference.survey import Survey

_MOST_COMMANDS = 400
_RUNNERS = (
    r"(?:\w+=\S+\s+)*(?:python[\d.]*|uv|torchrun|accelerate|deepspeed|bash|sh|make"
    r"|just|cargo|go|npm|npx|pnpm|yarn|bun|"
    r"poetry|pdm|hatch|pixi|conda|mamba|\./[\w./-]+|docker|podman|srun|sbatch|ssh"
    r"|kubectl|julia|Rscript|node|k6|"
    r"mpirun|mpiexec|ctest|cmake|pytest|tox|nox|asv|CUDA_VISIBLE_DEVICES=\S+|time"
    r"|nohup|horovodrun|xvfb-run|sudo|cd|export|"
    r"dotnet|mvn|gradle|\./gradlew|swift|zig|ninja|bazel|lua|ruby|perl|php|wandb|hydra)"
)
_COMMAND = re.compile(rf"^(?:{_RUNNERS})(?:\s|$)")
_FENCE = re.compile(r"^\s*(?:```+|~~~+)\s*([\w+-]*)")


@dataclass(frozen=True, slots=True)
class Command:
    """One command as a paper shows it. `folder` is where it is meant to be run."""

    text: str
    path: str
    line: int
    folder: str = ""
    script: str = ""  # the project's file that it runs
    # python, module, shell, binary, make, cargo, go, pytest, k6, queue, container or other
    kind: str = "other"
    words: tuple[str, ...] = field(default=())
    heading: str = ""

    @property
    def place(self) -> str:
        return f"{self.path}:{self.line}"

    @property
    def target(self) -> str:
        """What tells two commands apart: the script, else the first words."""
        return self.script or " ".join(self.words[:3])


def documented(survey: Survey) -> list[Command]:
    """Every command of the papers, in the order of reading, scripts resolved to files."""
    found: list[Command] = []
    for path in ["program.md", *surveys.readmes(survey)]:
        if path in survey and len(found) < _MOST_COMMANDS:
            found += _in_prose(survey.text(path), path)
    for path in survey.with_suffix(".sh", ".slurm", ".sbatch")[:60]:
        found += _in_shell(survey.text(path), path)
    for path in survey.named("Makefile", "makefile", "Justfile", "justfile")[:6]:
        found += _in_makefile(survey.text(path), path)
    for path in survey.with_suffix(".py")[:300]:
        found += _in_docstring(survey, path)
    return [resolved(survey, command) for command in found[:_MOST_COMMANDS]]


def _in_docstring(survey: Survey, path: str) -> list[Command]:
    head = survey.text(path)[:3000]
    match = re.match(r'(?:#[^\n]*\n|\s)*[rR]?("""|\'\'\')(.*?)\1', head, re.DOTALL)
    text = match[2] if match else "\n".join(re.findall(r"(?m)^#\s?(.*)", head[:800]))
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        line = re.sub(
            r"^.*?(?:usage|run|launch|example|e\.g\.)[^:]{0,60}:\s*",
            "",
            line.strip(),
            flags=re.IGNORECASE,
        )
        line = line.lstrip("$> ").strip("`")
        if _COMMAND.match(line) and PurePosixPath(path).stem in line:
            found.append(Command(_bare(line), path, number))
    return found


@dataclass(slots=True)
class _Prose:
    """Where a reader of Markdown stands: in a code block, below a heading, in a folder."""

    path: str
    fenced: bool = False
    heading: str = ""
    inside: str = ""
    found: list[Command] = field(default_factory=list)

    def command(self, text: str, number: int) -> None:
        folder = _folder(self.path)
        folder = _into(folder, self.inside) if self.inside else folder
        self.found.append(Command(_bare(text), self.path, number, folder, heading=self.heading))

    def inline(self, raw: str, number: int) -> None:
        for text in re.findall(r"`([^`\n]{4,300})`", raw):
            if _COMMAND.match(text) and " " in text:
                self.command(text, number)

    def block(self, line: str, number: int) -> None:
        for part in _parts(line):
            if match := re.fullmatch(r"cd\s+(\S+)", part):
                self.inside = _into(self.inside, match[1])
            elif _COMMAND.match(part):
                self.command(part, number)


def _in_prose(text: str, path: str) -> list[Command]:
    reader = _Prose(path)
    for number, raw in _whole_lines(text):
        if _FENCE.match(raw):
            reader.fenced, reader.inside = not reader.fenced, ""
            continue
        if not reader.fenced and re.match(r"#+ ", raw):
            reader.heading = raw.lstrip("# ").strip()[:80]
        line = raw.strip()
        code = reader.fenced or raw.startswith(("    ", "\t")) or path.endswith(".rst")
        if code or _COMMAND.match(re.sub(r"^[$>%#]+\s*", "", line)):
            reader.block(line, number)
        else:
            reader.inline(raw, number)
    return reader.found


def _whole_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with their numbers; those that end in a backslash are joined with the next."""
    pending, began = "", 0
    for number, raw in enumerate(text.splitlines(), 1):
        if pending and _FENCE.match(raw):
            yield began, pending
            pending = ""
        line = f"{pending} {raw.strip()}" if pending else raw
        if line.rstrip().endswith("\\"):
            pending, began = line.rstrip()[:-1].rstrip(), began if pending else number
            continue
        yield (began if pending else number), line
        pending = ""


def _bare(text: str) -> str:
    """A command without prompt, comment, redirection and pipes to tee."""
    text = re.sub(r"^(?:\$|>|%|>>>|\(\w+\))\s+", "", text.strip())
    text = re.sub(r"\s+#\s.*$", "", text)
    text = re.sub(
        r"\s*(?:2>&1\s*)?\|\s*tee\b.*$|\s*\d?>>?\s*(?:&\d"
        r"|[\w./$-]+)(?:\s+2>&1)?\s*&?$|\s*2>&1\s*$|\s+&\s*$",
        "",
        text,
    )
    return re.sub(r"^(?:nohup|time|sudo)\s+", "", text).strip()


def _parts(line: str) -> list[str]:
    line = re.sub(r"^(?:\$|>|%|\(\w+\)\s?\$?|[-*]\s+`?)\s*(?=\S)", "", line)
    if re.match(r"(?:wget|curl|git|pip|apt)", line):
        line = re.sub(r"^.*?&&\s*", "", line) if "&&" in line else ""
    if "`" in line:
        line = line.split("`")[0]
    parts = [part.strip() for part in re.split(r"\s+&&\s+|;\s+", line)]
    if len(parts) > 1 and parts[0].startswith(
        ("make", "cmake", "cargo build", "go build", "mkdir")
    ):
        return [" && ".join(parts)]
    return parts


def _in_shell(text: str, path: str) -> list[Command]:
    """The commands of a script, with the variables filled in that it sets to plain texts."""
    found = []
    given = dict(re.findall(r"(?m)^(\w+)=[\"']?([^\"'$`\n]*)[\"']?\s*$", text))
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        line = line.strip()
        if _COMMAND.match(line) and not line.startswith(("cd ", "export ", "conda", "make")):
            filled = re.sub(r"\$\{?(\w+)\}?", lambda match: given.get(match[1], match[0]), line)
            number = _line_number(text, line[:50])
            found.append(Command(_bare(filled), path, number, _folder(path)))
    return found[:20]


def _line_number(text: str, head: str) -> int:
    at = text.find(head[:25])
    return text.count("\n", 0, at) + 1 if at >= 0 else 1


def _in_makefile(text: str, path: str) -> list[Command]:
    found = []
    target = ""
    just = PurePosixPath(path).name.lower() == "justfile"
    for number, line in enumerate(text.splitlines(), 1):
        if match := re.match(r"([\w.-]+)(?:\s+[\w*=\"'+-]+)*\s*:(?!=)", line):
            target = match[1]
        elif target and line[:1] in "\t " and _COMMAND.match(line.strip().lstrip("@-")):
            found.append(
                Command(
                    _bare(line.strip().lstrip("@-")),
                    path,
                    number,
                    _folder(path),
                    heading=f"{'just' if just else 'make'} {target}",
                )
            )
    return found


def _folder(path: str) -> str:
    return "" if "/" not in path else path.rsplit("/", 1)[0]


def _into(folder: str, step: str) -> str:
    step = step.strip("\"'").rstrip("/")
    joined = f"{folder}/{step}" if folder else step
    return joined.removeprefix("./")


def split(text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError:
        return tuple(text.split())


def resolved(survey: Survey, command: Command) -> Command:
    """The command with its script looked up, its kind told, and its folder made sure of."""
    words = split(command.text)
    kind = _kind(words)
    script, folder = "", command.folder
    for at, word in enumerate(words):
        if word.endswith(
            (".py", ".sh", ".js", ".jl", ".R", ".slurm", ".sbatch")
        ) or word.startswith("./"):
            name = word.removeprefix("./")
            script, folder = _look_up(survey, name, command.folder)
        elif at and words[at - 1] == "-m" and not word.startswith("-"):
            script, folder = _module(survey, word, command.folder)
            kind = "module" if script else "pytest" if word == "pytest" else kind
        if not script and word.startswith("./"):
            script = _source_of(survey, word.removeprefix("./"))
        if script:
            break
    if script and kind in ("other", "binary"):
        kind = "python" if script.endswith(".py") else "shell"
    return replace(
        command, words=words, kind=kind, script=script, folder=folder if script else command.folder
    )


def _source_of(survey: Survey, binary: str) -> str:
    """The source file from which a rule of the Makefile builds a program."""
    match = re.search(
        rf"(?m)^{re.escape(binary)}\s*:\s*([\w./-]+\.(?:c|cc|cpp|cu|rs|go))\b",
        survey.text("Makefile"),
    )
    return match[1] if match and match[1] in survey else ""


def _look_up(survey: Survey, name: str, folder: str) -> tuple[str, str]:
    """The file, and the folder from which its name is right."""
    folder = folder if not folder or any(f.startswith(folder + "/") for f in survey.files) else ""
    for base in dict.fromkeys((folder, "")):
        path = f"{base}/{name}" if base else name
        if path in survey:
            return path, base
    if "/" in name or "." in name:
        alike = [path for path in survey.files if path.endswith("/" + name)]
        if len(alike) == 1 and alike[0].split("/")[0] in ("src", "scripts", "code", "tools"):
            return alike[0], ""
    return "", folder


def _module(survey: Survey, name: str, folder: str) -> tuple[str, str]:
    stem = name.replace(".", "/")
    for base in dict.fromkeys((folder, "")):
        for path in (
            f"{stem}.py",
            f"{stem}/__main__.py",
            f"src/{stem}.py",
            f"src/{stem}/__main__.py",
        ):
            full = f"{base}/{path}" if base else path
            if full in survey:
                return full, base
    return "", folder


def _kind(words: tuple[str, ...]) -> str:
    names = [PurePosixPath(word).name for word in words[:12]]
    for name, kind in (
        ("sbatch", "queue"),
        ("srun", "queue"),
        ("qsub", "queue"),
        ("bsub", "queue"),
        ("kubectl", "queue"),
        ("docker", "container"),
        ("podman", "container"),
        ("singularity", "container"),
        ("apptainer", "container"),
        ("ssh", "ssh"),
        ("cargo", "cargo"),
        ("go", "go"),
        ("k6", "k6"),
        ("pytest", "pytest"),
        ("make", "make"),
        ("just", "make"),
    ):
        if name in names[:4]:
            return kind
    if any(re.match(r"python|torchrun|accelerate|deepspeed|uv$", name) for name in names):
        return "python"
    if names and names[0] in ("bash", "sh"):
        return "shell"
    return "binary" if words and words[0].startswith("./") else "other"


def console_scripts(survey: Survey) -> dict[str, str]:
    """`[project.scripts]` of pyproject.toml: the name on the command line, and its file."""
    text = survey.text("pyproject.toml")
    match = re.search(
        r"(?ms)^\[(?:project\.scripts|tool\.poetry\.scripts)\]\n(.*?)(?=^\[|\Z)", text
    )
    found = {}
    for name, module in re.findall(
        r'(?m)^["\']?([\w.-]+)["\']?\s*=\s*["\']([\w.]+):', match[1] if match else ""
    ):
        path, _ = _module(survey, module, "")
        if path:
            found[name] = path
    return found


def is_script(tree: ast.Module) -> bool:
    """Whether a Python file does something when it is run."""
    for node in tree.body:
        if isinstance(node, ast.If) and "__name__" in ast.unparse(node.test):
            return True
    return any(
        isinstance(node, ast.For | ast.While | ast.With | ast.Try)
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call))
        for node in tree.body
    )
