"""The library's layers: imports point downward only, and each outside force has one importer."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from agent_loops.bindings import Bindings

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "scripts" / "agent_loops"

# Lowest first. A module imports from rows above its own in this table, and from no other: not from
# its own row, not from a later one.
LEVELS: dict[str, list[str]] = {
    "0": [
        "__init__ errors machine",
        "files",
    ],
    "1, pure": [
        "paths objective printed log_lines display environment commands events edits locks seeds",
        "figures ablation",
        "client_words client_command seed_syntax stamps anchors predictions plans",
        "unseeding",
        "reseeding",
        "metric tails crashes metric_names templates themes",
        "bindings scopes patience effects rounding quantiles summaries",
        "bank",
        "renewal",
        "information claims",
        "rule",
        "decide",
        "calibration evidence curves",
        "pruning",
        "experiments",
        "state succession",
        "fold steps exploring",
        "confirmation approaches",
        "rounds sentences corpus",
        "attaching finding",
        "records paper_ids papers_arguments merging",
        "ledger constants exported targets printed_progress widths parameters categories",
        "flat_tables varying diff_html page_parts",
        "near_misses pace fitting gains telling_words chart chart_labels",
        "tried drawing",
        "compact loss_svg",
        "semantic_scholar arxiv openalex full_text",
    ],
    "2, effects": [
        "scan metric_files processes git_commands desktop devices result_files",
        "memory git_trees bytecode closure",
        "watch",
        "supervisor notifier transcripts open_clients watch_lock client_process",
        "surroundings",
        "journal results supervise snapshots branches integrity",
        "restoring review_branch",
        "credentials pacing answer_cache",
        "fetching",
        "page_server growing_log",
    ],
    "3, a campaign": [
        "fold_cache belief_cache measure answers shim",
        "pointer",
        "verdict_notes",
        "campaigns verdicts",
        "samples",
        "layers learning machine_time written canvas",
        "page pictures",
        "workspace",
        "progress launching",
        "insights",
        "setup candidates runs settling notices claimed pairings",
        "confirming analyses grounding",
        "gates loop basis",
        "trying switches obstacles under_way line_changes selecting",
        "own_ledger changes foreign_table contexts",
        "foreign_ledger showing",
        "patterns reviews trends",
        "proposals markdown",
        "lessons readings details",
        "progress_picture report_page",
        "analysis_page summary_file report_folder",
        "reported",
        "sighting",
        "dashboard_values",
        "dashboard",
        "listing",
        "screen keyboard",
        "live",
        "live_page",
        "serving",
        "rewinding confirm reanalysis ancestry wording",
        "commits removals",
        "messages pull_request minimizing",
        "review",
        "finalize",
        "lookout",
        "watchdog",
    ],
    "3, other people's tools": [
        "csv_files parquet_files mlflow_runs wandb_runs event_files",
        "gathering elsewhere",
        "exporter",
        "export_command",
    ],
    "3, a project that has no bindings yet": [
        "survey",
        "dependencies options recipes selections makefiles benches papers printing reading",
        "limits foreign_prints frameworks tables",
        "measures contenders",
        "entrypoints cautions",
        "commanding findings",
        "evaluations other_findings withheld",
        "infer",
        "proposal",
    ],
    "3, what papers say": [
        "library",
        "quoting",
        "shelf",
        "papers_command",
    ],
    "3, what is in the way": [
        "subjects sessions",
        "checks host_settings",
        "interpreters",
        "machine_checks host_checks hook_checks project_checks campaign_checks",
        "doctor",
    ],
    "3, a night": [
        "json_edits outlook rehearsal bystanders",
        "grants",
        "prompts",
        "sights",
        "readiness",
    ],
    "4, what people and programs call": [
        "entry demo",
        "cli",
        "__main__",
    ],
}
# The effects and their parts: none knows of another.
EFFECTS = (
    {"journal"},
    {"results"},
    {"supervise", "supervisor", "watch", "memory", "processes", "notifier"},
    {"snapshots", "restoring"},
    {"branches", "git_trees", "git_commands", "review_branch"},
    {"integrity"},
)
# Imported inside functions alone: they take long to import, and most commands need none of them.
THIRD_PARTY = {
    "yaml": "bindings",
    "git": "branches",
    "psutil": "processes",
    "pathspec": "scan",
    "scipy": "confirmation",
    "numpy": "written",
    "matplotlib": "canvas",
    "jinja2": "report_page",
    "markupsafe": "report_page",
    "pygments": "diff_html",
    "requests": "fetching",
    "stamina": "fetching",
    "urllib3": "fetching",
    "defusedxml": "arxiv",
    "rich": "screen",
    "mlflow": "mlflow_runs",
    "wandb": "wandb_runs",
    "tensorboard": "event_files",
    "pyarrow": "parquet_files",
}
# Who starts processes at all, and which.
STARTERS = {
    "git_commands": "git",
    "devices": "nvidia-smi and the run's Python, to name themselves",
    "checks": "programs that only answer, for the doctor",
    "machine": "sysctl, for the boot's name",
    "demo": "git, for its own folder",
    "client_process": "the coding client that is watched",
    "processes": "the run",
    "supervise": "the supervisor, by a fork",
    "exporter": "the Python that has the tool to export to",
    "wandb_runs": "wandb, to upload",
    "rehearsal": "what begins the run and is killed, by a fork",
}
STARTING = {
    ("subprocess", "run"), ("subprocess", "Popen"), ("subprocess", "check_output"),
    ("os", "fork"), ("os", "popen"), ("os", "system"), ("os", "posix_spawn"),
}  # fmt: skip
IMPURE = set(
    "os sys time io glob shutil tempfile subprocess socket random secrets fcntl platform".split()
)
ROWS = [row.split() for rows in LEVELS.values() for row in rows]
RANK = {name: number for number, row in enumerate(ROWS) for name in row}
PURE = [name for row in LEVELS["1, pure"] for name in row.split()]
# By their own names, which no two share; those of the packages below are no modules of ours.
FILES = {path.stem: path for path in [*PACKAGE.glob("*/[!_]*.py"), *PACKAGE.glob("*.py")]}
PACKAGES = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
MODULES = sorted(FILES)


@dataclass(frozen=True)
class Import:
    """`module` is a module of the library by its own name, else the first word of an outside one.

    `late` imports are made inside a function; those `for_types` alone never happen.
    """

    module: str
    outside: bool
    line: int
    late: bool
    for_types: bool


@cache
def tree_of(name: str) -> ast.Module:
    return ast.parse(FILES[name].read_text(encoding="utf-8"))


@cache
def imports_of(name: str) -> tuple[Import, ...]:
    return tuple(_imports(tree_of(name), late=False, for_types=False))


def _imports(node: ast.AST, *, late: bool, for_types: bool) -> Iterator[Import]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        for module, outside in _named(node):
            yield Import(module, outside, node.lineno, late, for_types)
        return
    late = late or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    guarded = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
    for child in ast.iter_child_nodes(node):
        yield from _imports(child, late=late, for_types=for_types or guarded)


def _named(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, bool]]:
    if isinstance(node, ast.Import):
        names = [alias.name.split(".") for alias in node.names]
    else:
        assert node.level == 0, f"line {node.lineno}: a relative import"
        base = (node.module or "").split(".")
        whole = base[0] == "agent_loops" and base[-1] in {"agent_loops", *PACKAGES}
        names = [[*base, alias.name] for alias in node.names] if whole else [base]
    for parts in names:
        if parts[0] != "agent_loops":
            yield parts[0], True
        else:
            # A name such as __version__ is the package's own.
            yield parts[-1] if parts[-1] in MODULES else "__init__", False


def test_no_two_modules_share_a_name() -> None:
    paths = [path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py"]
    paths = [path for path in paths if "site" not in path.parts]  # runs in the user's own Python
    assert len(paths) == len(MODULES) - 1  # __init__ itself


def test_every_module_has_its_place() -> None:
    placed = sorted(name for row in ROWS for name in row)
    assert placed == MODULES, "put new modules into LEVELS, and take old ones out"


@pytest.mark.parametrize("name", MODULES)
def test_imports_point_downward(name: str) -> None:
    upward = [
        f"{name}.py:{found.line} imports {found.module}"
        for found in imports_of(name)
        if not found.outside and not RANK[found.module] < RANK[name]
    ]
    assert upward == []


def test_effects_never_import_each_other() -> None:
    crossing = [
        f"{name}.py:{found.line} imports {found.module}"
        for group in EFFECTS
        for name in group
        for found in imports_of(name)
        if any(found.module in other for other in EFFECTS if other is not group)
    ]
    assert crossing == []


@pytest.mark.parametrize("name", MODULES)
def test_each_outside_force_has_one_importer(name: str) -> None:
    for found in imports_of(name):
        if not found.outside or found.module in sys.stdlib_module_names:
            continue
        place = f"{name}.py:{found.line} imports {found.module}"
        assert THIRD_PARTY.get(found.module) == name, place
        assert found.late or found.for_types, f"{place} outside a function"


@pytest.mark.parametrize("name", MODULES)
def test_processes_are_started_where_the_table_says(name: str) -> None:
    started = {
        f"{node.func.value.id}.{node.func.attr}"
        for node in ast.walk(tree_of(name))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and (node.func.value.id, node.func.attr) in STARTING
    }
    assert bool(started) == (name in STARTERS), f"{name}: {started}"


@pytest.mark.parametrize("name", PURE)
def test_what_is_pure_asks_neither_machine_nor_clock(name: str) -> None:
    impure = [
        f"{name}.py:{found.line} imports {found.module}"
        for found in imports_of(name)
        if found.outside and found.module in IMPURE
    ]
    for node in ast.walk(tree_of(name)):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in ("open", "datetime.now", "date.today") or called.endswith(
                (".read_text", ".read_bytes", ".write_text", ".write_bytes", ".exists", ".stat")
            ):
                impure.append(f"{name}.py:{node.lineno} calls {called}")
    assert impure == []


@pytest.mark.parametrize("name", [name for name in MODULES if not name.startswith("__")])
def test_a_module_says_what_it_promises_and_what_it_does_not(name: str) -> None:
    text = ast.get_docstring(tree_of(name)) or ""
    promise, *rest = text.split("\n\n")
    assert promise.endswith("."), f"{name}: {promise!r}"
    assert promise[0].isupper() or promise[0] == "`", f"{name}: {promise!r}"
    assert rest, f"{name}: a second paragraph is missing: what the module does not do"
    assert len(promise.splitlines()) <= 2


def test_docstrings_name_modules_that_exist() -> None:
    """A word in backticks is a module, a name in the file, a command, or a binding."""
    known = {*MODULES, "try", "wait", *Bindings._fields}
    unknown = {}
    for name in MODULES:
        text = FILES[name].read_text(encoding="utf-8")
        body = text.replace(ast.get_docstring(tree_of(name), clean=False) or "", "", 1)
        words = (ast.get_docstring(tree_of(name)) or "").split("`")[1::2]
        lost = [
            word
            for word in words
            if word.isidentifier()
            and word not in known
            and not re.search(rf"\b{word}\b", body, re.IGNORECASE)
        ]
        if lost:
            unknown[name] = lost
    assert unknown == {}


def test_starting_up_imports_nothing_of_others() -> None:
    """What `try` needs before it looks at a project, but for the two that a glob or git ask for."""
    code = (
        f"import sys; sys.path.insert(0, {str(PACKAGE.parent)!r})\n"
        "from agent_loops import cli, loop, trying, switches\n"
        "from agent_loops.reporting import dashboard, listing\n"
        "print(*{name.partition('.')[0] for name in sys.modules})\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    )
    outside = set(done.stdout.split()) - set(sys.stdlib_module_names) - {"agent_loops", "__main__"}
    assert outside == set()
