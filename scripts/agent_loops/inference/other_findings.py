"""Findings for projects that train nothing: benchmarks, Makefiles, suites of tests, notebooks.

Which figure is the goal only a person can say here: most of these end in a question.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from agent_loops.inference import benches, cautions, makefiles
from agent_loops.inference.benches import Bench
from agent_loops.inference.cautions import Caution
from agent_loops.inference.entrypoints import Entry
from agent_loops.inference.findings import Confidence, Finding, Value
from agent_loops.inference.recipes import Command
from agent_loops.inference.survey import Survey


def of_makefile(survey: Survey, target: makefiles.Target) -> Finding:
    finding = Finding(
        "question",
        question="which data or model should the target be run with, and is this figure the goal?",
    )
    put = finding.bindings
    if target.metric and target.judged.direction is not None:
        put["metric"] = Value(
            target.metric, f"{target.metric_place} searches the log for it", "low"
        )
        put["metric_direction"] = Value(target.judged.direction.value, "by its name", "low")
        finding.metric_source = "log"
    put["run_cmd"] = Value(
        target.run_cmd, f"{target.place} is a target that trains or measures", "low"
    )
    put["editable_files"] = Value(["Makefile"], "the settings stand in it", "low")
    put["budget"] = Value("none", target.setting or "nothing that bounds a run was found", "low")
    put["timeout_minutes"] = Value(60, "a guess: measure one run", "low")
    finding.budget, finding.seed = target.setting or "none", target.seed
    text = survey.text("Makefile")
    finding.outputs = list(
        dict.fromkeys(
            f"{name}/"
            for name in re.findall(
                r"(?m)^\w*(?:OUTPUT|DATA|OUT)\w*_?DIR\s*[:?]?=\s*(\w[\w-]*)", text
            )
        )
    )
    where = dict.fromkeys(finding.outputs, "Makefile")
    finding.warnings += cautions.about_outputs(
        where, text, pinned=False, saved="Makefile" if cautions.SAVES.search(text) else ""
    )
    finding.warnings += cautions.about_command(target.run_cmd, [], survey, text)
    if re.search(r"(?i)checkpoint", text):
        finding.warnings.append(
            Caution(
                "resumes",
                "a second `make` resumes from the checkpoint of the first, or does "
                "nothing: documented command is wrong for a loop; clean first, or "
                "name each run's output",
            )
        )
    if re.search(r"tee -a|>>", text):
        finding.warnings.append(Caution("appends", "a log file is appended to across runs"))
    if re.search(r"\|\s*tee\b", text):
        finding.warnings.append(Caution("tee", "`| tee` hides the exit code of the run"))
    finding.warnings.append(Caution("data first", "data must be there first: see the README"))
    return finding


def of_bench(survey: Survey, bench: Bench, commands: Sequence[Command]) -> Finding:
    several = len(bench.names) > 1
    finding = Finding("question" if several else "bindings")
    level: Confidence = "low" if several else "medium"
    if several:
        finding.question = (
            f"which of the benchmarks is the goal, one of them or a mean over all? ({bench.tool})"
        )
        finding.choices = list(bench.names[:12])
    put = finding.bindings
    put["metric"] = Value(bench.metric, bench.evidence, level)
    put["metric_direction"] = Value(
        bench.direction.value,
        f"{bench.tool} prints "
        f"{'time: lower' if bench.direction.value == 'minimize' else 'a rate: higher'}"
        f" is better",
        "medium",
    )
    put["run_cmd"] = Value(bench.run_cmd, bench.evidence, level)
    put["editable_files"] = Value(
        list(bench.editable), "the code that the benchmark measures", "medium"
    )
    harness = [p for p in bench.harness if p in survey][:12]
    if harness:
        put["readonly_files"] = Value(harness, f"{harness[0]} is the measurement", "high")
    if bench.reduce:
        why = (
            f"over all benchmarks, the slowest weigh most; `{bench.one}` in run_cmd chooses one"
            if bench.one
            else f"the name is printed several times a run: {bench.evidence}"
        )
        put["metric_reduce"] = Value(bench.reduce, why, "medium")
    if bench.guards:
        put["guards"] = Value(
            dict(bench.guards), f"a shorter run by doing less is no gain ({bench.tool})", "medium"
        )
    for key, value in (
        ("metric_pattern", bench.pattern),
        ("metric_file", bench.file),
        ("metric_key", bench.key),
    ):
        if value:
            put[key] = Value(value, f"{bench.tool}'s own format", "medium")
    if bench.checks:
        why = "runs after every idea that would be kept: choose a fast part of the tests"
        put["checks_cmd"] = Value(bench.checks, why, "medium")
    put["budget"] = Value("none", "a benchmark ends by itself", "medium")
    paced = next(
        (
            m
            for p in bench.harness[:6]
            if (
                m := re.search(
                    r"(?:duration|repeat|iterations|warmups?)\s*[:=]\s*['\"]?(\d+\w*)",
                    survey.text(p),
                )
            )
        ),
        None,
    )
    finding.budget = f"{paced[0]} in {bench.harness[0]}" if paced else "none"
    put["timeout_minutes"] = Value(60, "a guess: measure one run", "low")
    finding.metric_source, finding.example = bench.source, bench.example
    finding.outputs = list(bench.writes)
    finding.warnings += [Caution("benchmark", text) for text in bench.warnings]
    kept = [name for name in bench.writes if not name.startswith(("build", "target", "."))]
    finding.warnings += cautions.about_outputs(
        dict.fromkeys(kept, bench.evidence.split()[0]), "", pinned=False
    )
    finding.warnings += cautions.about_command(bench.run_cmd, commands, survey, "")
    if several:
        measured = "all are measured" if bench.one else f"{bench.names[0]} was picked"
        text = f"several benchmarks ({len(bench.names)}): {measured}"
        finding.warnings.append(Caution("several benchmarks", text))
    return finding


def of_nothing(survey: Survey, entries: Sequence[Entry], commands: Sequence[Command]) -> Finding:
    notebooks = survey.with_suffix(".ipynb")
    scripts = [p for p in survey.with_suffix(".py") if "/" not in p]
    suite = benches.test_suite(survey) if not notebooks else None
    if (
        suite
        and re.search(
            r"(?i)pytest",
            "".join(
                survey.text(p)
                for p in (
                    "pyproject.toml",
                    "Makefile",
                    "tox.ini",
                    "setup.cfg",
                    "requirements-dev.txt",
                    "README.md",
                )
            ),
        )
        and len(survey.with_suffix(".rs", ".go")) == 0
    ):
        finding = of_bench(survey, suite, commands)
        finding.answer = "question"
        finding.question = (
            "nothing prints a metric; is the goal a faster test suite (wall_s, measured for you)?"
        )
        finding.bindings["metric"] = Value("wall_s", suite.evidence, "low")
        finding.bindings["metric_direction"] = Value("minimize", "time: lower is better", "low")
        return finding
    finding = Finding("nothing")
    if notebooks and not entries:
        finding.notes.append(
            f"notebooks only ({len(notebooks)}): convert one to a script first, "
            f"`jupyter nbconvert --to script {notebooks[0]}`"
        )
        finding.warnings.append(
            Caution(
                "notebooks only",
                f"notebooks only: convert one to a script first, e.g. {notebooks[0]}",
            )
        )
        finding.choices = notebooks[:5]
    elif not survey.files:
        finding.notes.append("the folder is empty")
    else:
        finding.notes.append("nothing here trains, and nothing prints a number to improve")
        finding.warnings.append(Caution("nothing", "nothing here prints a number to improve"))
    finding.missing.append("metric, run_cmd and editable_files: name them in loop.run.yaml by hand")
    if scripts and not notebooks:
        finding.notes.append(
            "scripts at the top: " + ", ".join(PurePosixPath(s).name for s in scripts[:6])
        )
    return finding
