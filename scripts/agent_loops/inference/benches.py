"""Knows benchmark harnesses: criterion, libtest, Go, pytest-benchmark, k6, suites of tests.

Names what could be measured and how; which of several is the goal only a person can say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from agent_loops.inference.survey import Survey
from agent_loops.objective import Direction

_NUMBER = r"([\d.]+)"


@dataclass(frozen=True, slots=True)
class Bench:
    """One harness with the measures it offers, the likeliest first."""

    tool: str
    run_cmd: str
    metric: str
    direction: Direction
    names: tuple[str, ...]
    evidence: str
    editable: tuple[str, ...]
    harness: tuple[str, ...]
    pattern: str | None = None
    file: str | None = None
    key: str | None = None
    example: str = ""
    checks: str = ""
    warnings: tuple[str, ...] = ()
    source: str = "log"
    reduce: str = ""
    one: str = ""  # what chooses one of the benchmarks, where all are measured
    guards: Mapping[str, object] = field(default_factory=dict)
    writes: tuple[str, ...] = ()


_CALIBRATED = (
    "wall_s is no measure here: the benchmark runs for a fixed time, however fast the code is"
)


def find(survey: Survey) -> Bench | None:
    """The benchmark harness of the project, if it has one."""
    for look in (_rust, _go, _pytest_benchmark, _k6, _google_benchmark, _cpp):
        found = look(survey)
        if found:
            return found
    return None


def _rust(survey: Survey) -> Bench | None:
    cargo = survey.text("Cargo.toml")
    declared = _cargo_benches(survey, cargo)
    beside = [p for p in survey.with_suffix(".rs") if re.search(r"(?:^|/)benches/", p)]
    files = list(dict.fromkeys([*declared, *beside]))
    if not files or not cargo:
        return None
    path = files[0]
    text = survey.text(path)
    stem = declared.get(path) or PurePosixPath(path).stem
    folders = {p.split("src/")[0] for p in survey.with_suffix(".rs") if "src/" in p}
    used = [f for f in sorted(folders) if not f or f'path = "{f.rstrip("/")}"' in cargo]
    editable = tuple(f"{folder}src/**/*.rs" for folder in used)[:3]
    harness = (*files, "Cargo.toml")
    nightly = "feature(test)" in text
    if nightly:
        names = tuple(
            dict.fromkeys(
                [
                    *re.findall(r"#\[bench\]\s*(?:pub )?fn (\w+)", text),
                    *re.findall(r"\bbench\w*!\(\s*(\w+)", text),
                ]
            )
        )
        name = names[0] if names else stem
        pattern = rf"^test {name}\s+\.\.\. bench:\s+{_NUMBER} ns/iter"
        return Bench(
            "cargo bench",
            f"set -o pipefail; cargo +nightly bench --bench {stem} {name} | tr -d ,",
            name,
            Direction.MINIMIZE,
            names,
            f"{path} has #[bench]",
            editable,
            harness,
            pattern=pattern,
            example=f"test {name} ... bench:     1234 ns/iter (+/- 12)",
            checks="cargo test",
            writes=("target/",),
            warnings=(
                f"{path} needs the nightly toolchain (feature test)",
                (
                    "the number has thousands separators: `tr -d ,` takes them out "
                    "(pipefail keeps the exit code)"
                ),
                _CALIBRATED,
            ),
        )
    groups = re.findall(
        r"(?:bench_function|benchmark_group|BenchmarkId::new)\(\s*(?:format!\()?\"([^\"]+)\"", text
    )
    cases = tuple(dict.fromkeys(groups)) or (stem,)
    name = cases[0]
    return Bench(
        "criterion",
        f"cargo bench --bench {stem}",
        name,
        Direction.MINIMIZE,
        cases,
        f"{path} is a criterion benchmark",
        editable,
        harness,
        file="target/criterion/**/new/estimates.json",
        key="mean.point_estimate",
        source="file",
        checks="cargo test",
        writes=("target/",),
        warnings=(
            _CALIBRATED,
            "the printed unit may change between ps, ns and µs: the file is always in ns",
            (
                "lines with `change:` compare with the previous run of the machine; a "
                "rival implementation may be printed in the same format"
            ),
        ),
    )


def _cargo_benches(survey: Survey, cargo: str) -> dict[str, str]:
    """Files that `[[bench]]` tables of Cargo.toml name in a place of their own, with the name."""
    found = {}
    for table in re.findall(r"(?ms)^\[\[bench\]\]\n(.*?)(?=^\[|\Z)", cargo):
        name, path = (re.search(rf'(?m)^{key}\s*=\s*"([^"]+)"', table) for key in ("name", "path"))
        if name and path and path[1] in survey:
            found[path[1]] = name[1]
    return found


def _go(survey: Survey) -> Bench | None:
    files = [
        p for p in survey.files if p.endswith("_test.go") and "func Benchmark" in survey.text(p)
    ]
    if not files or not survey.text("go.mod"):
        return None
    names = tuple(
        dict.fromkeys(
            n
            for p in files
            for n in re.findall(r"func (Benchmark\w+)\(b \*testing\.B", survey.text(p))
        )
    )
    if not names:
        return None
    name = names[0]
    code = [
        p for p in survey.with_suffix(".go") if not p.endswith("_test.go") and "vendor/" not in p
    ]
    folder = PurePosixPath(files[0]).parent
    beside = [p for p in code if PurePosixPath(p).parent == folder][:8] or code[:8]
    package = "." if str(folder) == "." else f"./{folder}"
    return Bench(
        "go test",
        f"go test -run '^$' -bench '^{name}$' -benchmem {package}",
        name,
        Direction.MINIMIZE,
        names,
        f"{files[0]} has func {name}",
        tuple(beside),
        (*files, "go.mod"),
        pattern=rf"^{name}(?:-\d+)?\s+\d+\s+{_NUMBER} ns/op",
        example=f"{name}-8   \t     932\t   1274021 ns/op",
        checks="go test ./...",
        warnings=(
            _CALIBRATED,
            (
                "the printed name carries the number of CPUs (-8), and the number after "
                "it is the count of iterations, not the result"
            ),
            "benchmarks are noisy without -count",
        ),
    )


def _pytest_benchmark(survey: Survey) -> Bench | None:
    papers = "".join(
        survey.text(p)
        for p in (
            "pyproject.toml",
            "setup.cfg",
            "requirements-dev.txt",
            "requirements.txt",
            "tox.ini",
        )
    )
    files = [
        p
        for p in survey.with_suffix(".py")
        if re.search(r"(?i)(?:^|/)(?:bench|perf|tests?(?:$|_|/))|_test\.py$", p)
        and re.search(r"def (?:test|bench)\w*\([^)]*\bbenchmark\b", survey.text(p))
    ]
    if "pytest-benchmark" not in papers or not files:
        return None
    files.sort(key=lambda p: not re.search(r"(?i)(?:^|[/_])(?:bench|perf)", p))
    folder = files[0].split("/")[0]
    if any(p.startswith(f"{folder}/") and p not in files for p in _tests(survey)):
        folder = " ".join(files[:4])  # beside tests that measure nothing
    runner = "uv run pytest" if "uv.lock" in survey else "python -m pytest"
    names = tuple(
        n
        for p in files
        for n in re.findall(r"def ((?:test|bench)\w*)\([^)]*\bbenchmark\b", survey.text(p))
    )[:12]
    packages = [
        p.rsplit("/", 1)[0]
        for p in survey.files
        if p.startswith("src/") and p.endswith("__init__.py") and p.count("/") == 2
    ]
    package = max(
        packages,
        key=lambda folder: sum(p.startswith(f"{folder}/") for p in survey.files),
        default="",
    )
    editable = (
        (f"{package}/**/*.py",)
        if package
        else tuple(
            f"{p.split('/')[0]}/**/*.py"
            for p in survey.files
            if p.endswith("/__init__.py")
            and p.count("/") == 1
            and "test" not in p
            and "bench" not in p
        )[:2]
    )
    if not editable:
        return None
    several = (
        "uv run --group test pytest"
        if "uv.lock" in survey and re.search(r"(?m)^test = \[", papers)
        else runner
    )
    return Bench(
        "pytest-benchmark",
        f"{several} {folder} --benchmark-storage={{run_dir}} --benchmark-save=bench",
        "median",
        Direction.MINIMIZE,
        names,
        f"{files[0]} uses the benchmark fixture",
        editable,
        (*files[:20], *survey.named("conftest.py"), "pyproject.toml"),
        file="{run_dir}/**/*_bench.json",
        key="benchmarks.*.stats.median",
        source="file",
        reduce="mean",
        one="-k NAME",
        checks=_pytest_checks(survey, files, several),
        warnings=(
            _CALIBRATED,
            (
                "the unit of the printed table changes (ns, us, ms) and stands in its "
                "header only, with thousands separators: the JSON is always in seconds"
            ),
            "--benchmark-json would hold every single timing, and may grow past what is read",
        ),
    )


def _pytest_checks(survey: Survey, benches: Sequence[str], runner: str) -> str:
    """The tests beside the benchmarks, if there are some."""
    folders = {p.split("/")[0] for p in _tests(survey) if p not in benches and "/" in p}
    if not folders:
        return ""
    folder = min(folders, key=lambda f: (f != "tests", f))
    skip = " --benchmark-skip" if any(p.startswith(f"{folder}/") for p in benches) else ""
    return f"{runner} -x {folder}{skip}"


def _ctest(survey: Survey) -> str:
    """The tests of a CMake project, if it has some."""
    rules = "".join(survey.text(p) for p in survey.named("CMakeLists.txt"))
    return "ctest --test-dir build" if re.search(r"\badd_test\(|\benable_testing\(", rules) else ""


def _k6(survey: Survey) -> Bench | None:
    files = [
        p
        for p in survey.with_suffix(".js", ".ts")
        if re.search(r"from ['\"]k6/http['\"]", survey.text(p))
    ][:40]
    if not files:
        return None
    readme = survey.text(survey.first("README.md", "readme.md"))
    files.sort(
        key=lambda p: (PurePosixPath(p).name not in readme, "handleSummary" in survey.text(p), p)
    )
    path = files[0]
    code = survey.with_suffix(".go", ".rs", ".py")
    folders = tuple(
        dict.fromkeys(
            f"{p.split('/')[0]}/**/*{PurePosixPath(p).suffix}"
            for p in code
            if "/" in p and not p.startswith(("k6", "vendor", "test"))
        )
    )[:2]
    return Bench(
        "k6",
        f"k6 run --summary-export={{run_dir}}/summary.json {path}",
        "http_req_duration",
        Direction.MINIMIZE,
        tuple(files),
        f"{path} imports k6/http",
        folders,
        tuple(files),
        file="{run_dir}/summary.json",
        key="metrics.http_req_duration.p(95)",
        source="file",
        writes=_summaries(survey, files),
        warnings=(
            (
                "a server must be running, rebuilt from the edited code for each run: "
                "start it in run_cmd, end it in cleanup_cmd"
            ),
            "never aim it at a public server",
            "the printed unit changes (µs, ms, s): the JSON is always in ms",
            _CALIBRATED,
            "thresholds make k6 exit with 99",
        ),
    )


def _summaries(survey: Survey, scripts: Sequence[str]) -> tuple[str, ...]:
    """Files that `handleSummary` of a k6 script writes: into the folder that k6 is run in."""
    found = []
    for path in scripts:
        _, there, body = survey.text(path).partition("function handleSummary")
        found += re.findall(
            r"['\"]([\w./-]+\.(?:json|txt|html|xml|csv))['\"]\s*:", body if there else ""
        )
    return tuple(dict.fromkeys(found))


def _google_benchmark(survey: Survey) -> Bench | None:
    """Google Benchmark: `BENCHMARK(name)` in a file that a CMake target is built from."""
    readme = survey.text(survey.first("README.md", "readme.md", "README.rst"))
    found = []
    for path in survey.with_suffix(".cc", ".cpp", ".cxx")[:400]:
        text = survey.text(path)
        names = tuple(dict.fromkeys(re.findall(r"(?m)^\s*BENCHMARK\((\w+)", text)))
        if "benchmark/benchmark.h" in text and names and (binary := _built_from(survey, path)):
            shown = f"/{PurePosixPath(binary).name}" in readme
            found.append((not shown, path, names, binary))
    return _of_google(survey, *min(found)[1:]) if found else None


def _built_from(survey: Survey, source: str) -> str:
    """The program that CMake builds from a source file, in its folder; empty where none is."""
    for listing in survey.named("CMakeLists.txt"):
        folder = str(PurePosixPath(listing).parent)
        place = "" if folder == "." else f"{folder}/"
        inner = re.escape(source.removeprefix(place))
        rule = rf"add_executable\(\s*([\w-]+)[^)]*\b{inner}\b"
        if target := re.search(rule, survey.text(listing)):
            return f"{place}{target[1]}"
    return ""


def _of_google(survey: Survey, path: str, names: tuple[str, ...], binary: str) -> Bench:
    target = PurePosixPath(binary).name
    headers = [p for p in survey.with_suffix(".h", ".hpp", ".hh") if "include/" in p]
    code = [
        p
        for p in survey.with_suffix(".h", ".hpp", ".cc", ".cpp", ".c")
        if p.startswith("src/") and not re.search(r"(?i)bench|test", p)
    ]
    return Bench(
        "Google Benchmark",
        f"cmake -B build -D CMAKE_BUILD_TYPE=Release && cmake --build build -j --target {target}"
        f" && ./build/{binary} --benchmark_out={{run_dir}}/bench.json --benchmark_out_format=json",
        names[0],
        Direction.MINIMIZE,
        names,
        f"{path} has BENCHMARK({names[0]})",
        ("include/**",) if headers else tuple(code[:12]),
        (path, *survey.named("CMakeLists.txt")),
        file="{run_dir}/bench.json",
        key="benchmarks.0.real_time",
        source="file",
        checks=_ctest(survey),
        writes=("build/",),
        warnings=(
            "the build must be part of run_cmd, else the old binary is what runs",
            f"`benchmarks.0` is the first that runs: choose one by --benchmark_filter=^{names[0]}$",
            _CALIBRATED,
        ),
    )


def _cpp(survey: Survey) -> Bench | None:
    files = [
        p for p in survey.with_suffix(".cpp", ".cc", ".c") if re.search(r"(?i)(?:^|/)bench\w*/", p)
    ]
    text = survey.text("CMakeLists.txt")
    if not files or not text:
        return None
    listing = "".join(survey.text(p) for p in survey.named("CMakeLists.txt") if "bench" in p)
    targets = {
        PurePosixPath(source).name: target
        for target, source in re.findall(r"add_executable\(\s*([\w-]+)\s+([\w./-]+)", listing)
    }
    readme = survey.text(survey.first("README.md", "readme.md", "README.rst"))
    files.sort(key=lambda p: f"/{targets.get(PurePosixPath(p).name, '?')}" not in readme)
    path = files[0]
    label = re.search(
        r"(?:printf|pretty_print)\([^\n]*?\"([^\"%]*?)\s*:?\s*%[^\"]*?(MB/s|GB/s|ns/\w+|ops/s)",
        survey.text(path),
    )
    calls = re.findall(
        r"\b(?!printf|fprintf|include|throw"
        r"|assert|\w*(?:error|exception|fail))\w+(?:<[^<>]*>)?\([^;{}\"]*\"([^\"\\%/#]{3,40})\"",
        survey.text(path),
    )
    names = tuple(
        name
        for name in dict.fromkeys(calls)
        if re.search(r"[a-z]{3}", name) and not re.search(r"\.\w{2,4}$", name)
    )
    binary = targets.get(PurePosixPath(path).name) or PurePosixPath(path).stem
    option = re.search(r"option\(\s*(\w*BENCH\w*)", text)
    folder = path.rsplit("/", 1)[0]
    run = (
        f"cmake -B build{f' -D {option[1]}=ON' if option else ''} && cmake --build build "
        f"-j && ./build/{folder}/{binary}"
    )
    headers = tuple(
        dict.fromkeys(
            f"{p.split('/')[0]}/**"
            for p in survey.with_suffix(".h", ".hpp")
            if p.startswith("include/")
        )
    ) or ("src/**",)
    own = [
        re.sub(r"\W|_", "", p.split("/")[1]).lower()
        for p in survey.files
        if p.startswith("include/") and p.count("/") > 1
    ]
    names = tuple(
        sorted(names, key=lambda n: not any(o and o in re.sub(r"\W|_", "", n).lower() for o in own))
    )
    name = names[0] if names else (label[1].strip() if label else "")
    speed = (
        not re.search(r"ns/op|seconds|\bms\b", survey.text(path))
        or label is None
        or "/s" in label[2]
        or "MB/s" in survey.text(path)
    )
    if not name:
        return None
    return Bench(
        "C++ benchmark",
        run,
        name,
        Direction.MAXIMIZE if speed else Direction.MINIMIZE,
        names or (name,),
        f"{path} prints it",
        headers,
        (path, "CMakeLists.txt", *[p for p in survey.named("CMakeLists.txt") if "bench" in p]),
        example=f"{name} : 1042.38 MB/s (+/- 9.9 %)",
        checks=_ctest(survey),
        reduce="mean" if calls.count(name) > 1 else "",
        warnings=(
            "the build must be part of run_cmd, else the old binary is what runs",
            "the first configure may download data and dependencies (needs the network)",
            "one name may be printed several times a run: several distinct values",
            "check correctness beside speed",
        ),
    )


def _tests(survey: Survey) -> list[str]:
    return [
        p for p in survey.with_suffix(".py") if re.search(r"(?:^|/)test_\w+\.py$|_test\.py$", p)
    ]


def test_suite(survey: Survey) -> Bench | None:
    """A suite of tests whose time could be the goal."""
    tests = _tests(survey)
    if len(tests) < 3 and sum(survey.sizes.get(p, 0) for p in tests) < 1200:
        return None
    slow = any(re.search(r"sleep\(|timeout|httpbin|server", survey.text(p)) for p in tests[:40])
    if len(tests) < 3 and not slow:
        return None
    folder = tests[0].split("/")[0] if "/" in tests[0] else "."
    return Bench(
        "pytest",
        f"python -m pytest {folder}",
        "wall_s",
        Direction.MINIMIZE,
        (),
        f"{tests[0]} and {len(tests) - 1} more are tests",
        (f"{folder}/**/*.py",) if folder != "." else ("conftest.py",),
        (),
        source="none-yet",
        guards={"passed": {"pattern": r"(\d+) passed", "min": "baseline"}},
        writes=(".pytest_cache/",),
        warnings=(
            (
                "the time of the tests can be had by skipping them: guard the number of "
                "passed tests (guards: passed)"
            ),
            "tests that wait on time-outs or the network make wall time noisy",
        ),
    )
