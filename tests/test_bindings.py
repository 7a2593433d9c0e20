"""loop.run.yaml: every key, what it may be, and the one line that says so."""

from __future__ import annotations

import os
import sys
from datetime import date
from pathlib import Path

import pytest

from agent_loops.bindings import (
    Bindings,
    Budget,
    Explore,
    Guard,
    Slack,
    Tolerance,
    parse,
    tag_of_day,
)
from agent_loops.errors import UsageError
from support import Project, words
from terminal import Terminal, changes, ordinary_user, picture

BASE = "metric: val_bpb\nrun_cmd: python train.py\neditable_files: [train.py]\n"


def read(more: str = "", base: str = BASE) -> Bindings:
    return parse(base + more, default_tag="mar5")


def problem(more: str, base: str = BASE) -> str:
    """What the reader says about it: always one short line that begins with the file's name."""
    with pytest.raises(UsageError) as caught:
        read(more, base)
    message = str(caught.value)
    assert message.startswith("loop.run.yaml")
    assert message.isprintable()
    assert len(message) < 800  # an unknown key is told all that there are
    return message


# ---- what is allowed ---------------------------------------------------------------------------


def test_three_keys_are_enough_and_the_rest_has_the_documented_defaults() -> None:
    bindings = read()
    assert bindings.loop == "karpathy"
    assert bindings.metric_direction == "minimize"
    assert (bindings.metric_pick, bindings.metric_reduce) == ("last", "none")
    assert (bindings.run_tag, bindings.sandbox_root) == ("mar5", "./sandbox/mar5")
    assert bindings.iter_strategy == "snapshots"
    assert bindings.budget == Budget("time", 300.0)
    assert bindings.budget_slack == Slack(0.3, 30.0)
    assert bindings.timeout_s is None
    assert bindings.max_experiments is None
    assert bindings.stop_after_s is None
    assert (bindings.stop_at, bindings.target) == (None, None)
    assert bindings.memory_limit_gb is None
    assert bindings.log_limit_mb == 1024
    assert (bindings.keep_outputs, bindings.keep_rule, bindings.literature) == (
        "best", "noise-aware", "off",
    )  # fmt: skip


GOOD: list[tuple[str, str, object]] = [
    ("loop: karpathy", "loop", "karpathy"),
    ("metric_direction: maximize", "metric_direction", "maximize"),
    ("metric_pattern: 'bpb is ([0-9.]+)'", "metric_pattern", "bpb is ([0-9.]+)"),
    ("metric_file: '{run_dir}/*.json'", "metric_file", "{run_dir}/*.json"),
    ("metric_pick: best", "metric_pick", "best"),
    ("metric_reduce: median", "metric_reduce", "median"),
    ("eval_cmd: python evaluate.py", "eval_cmd", "python evaluate.py"),
    ("prelude: source env.sh && activate", "prelude", "source env.sh && activate"),
    ("cleanup_cmd: docker compose down", "cleanup_cmd", "docker compose down"),
    ("notify_cmd: jq -r .text | mail me", "notify_cmd", "jq -r .text | mail me"),
    ("checks_cmd: make check", "checks_cmd", "make check"),
    ("readonly_files: data/", "readonly_files", ("data/",)),
    ("locked: a.py::f", "locked", ("a.py::f",)),
    ("guards: {passed: {min: 3}}", "guards", (Guard("passed", None, 3.0, None),)),
    (
        "guards: {ok: {max: baseline, pattern: 'ok (.)'}}",
        "guards",
        (Guard("ok", "ok (.)", None, "baseline"),),
    ),
    ("readonly_files: [a.bin, b.bin]", "readonly_files", ("a.bin", "b.bin")),
    ("program: program.md", "program", "program.md"),
    ("sandbox_root: runs/<run_tag>", "sandbox_root", "runs/mar5"),
    ("iter_strategy: branches", "iter_strategy", "branches"),
    ("run_tag: mar5-2", "run_tag", "mar5-2"),
    ("run_tag: 20240305", "run_tag", "20240305"),
    ("run_tag: 2024-03-05", "run_tag", "2024-03-05"),
    ("run_tag: 08", "run_tag", "08"),
    ("run_tag: 010", "run_tag", "010"),
    ("run_tag: off", "run_tag", "off"),
    ("budget: 10 s", "budget", Budget("time", 10.0)),
    ("budget: 5min", "budget", Budget("time", 300.0)),
    ("budget: 1h30m", "budget", Budget("time", 5400.0)),
    ("budget: 2 hours", "budget", Budget("time", 7200.0)),
    ("budget: 0.5 min", "budget", Budget("time", 30.0)),
    ("budget: 30 epochs\ntimeout_minutes: 5", "budget", Budget("epochs", 30.0)),
    ("budget: 1 epoch\ntimeout_minutes: 5", "budget", Budget("epochs", 1.0)),
    ("budget: none\ntimeout_minutes: 5", "budget", Budget("none")),
    ("budget_slack: 50%", "budget_slack", Slack(0.5, 30.0)),
    ("budget_slack: 10 s", "budget_slack", Slack(0.0, 10.0)),
    ("budget_slack: none", "budget_slack", None),
    ("timeout_minutes: 0.5", "timeout_s", 30.0),
    ("max_experiments: 12", "max_experiments", 12),
    ("max_experiments: 0", "max_experiments", None),
    ("stop_after: 8h", "stop_after_s", 28800.0),
    ("stop_at: 07:30", "stop_at", "07:30"),
    ("stop_at: 7:30", "stop_at", "07:30"),
    ("stop_at: 22:30", "stop_at", "22:30"),
    ("target: 1e-3", "target", 0.001),
    ("target: -2", "target", -2.0),
    ("target: +1.5E+2", "target", 150.0),
    ("target: .5", "target", 0.5),
    ("memory_limit_gb: 40", "memory_limit_gb", 40.0),
    ("log_limit_mb: 16", "log_limit_mb", 16.0),
    ("keep_outputs: kept", "keep_outputs", "kept"),
    ("keep_rule: plain", "keep_rule", "plain"),
    ("keep_rule: noise-aware", "keep_rule", "noise-aware"),
    ("baseline_runs: 3", "baseline_runs", 3),
    ("warmup_runs: 1", "warmup_runs", 1),
    ("warmup_runs: 0", "warmup_runs", 0),
    ("runs: 3", "runs", 3),
    ("compare: paired", "compare", "paired"),
    ("prune: off", "prune", "off"),
    ("probe: auto", "probe", "auto"),
    ("holdout_cmd: python holdout.py {run_dir}", "holdout_cmd", "python holdout.py {run_dir}"),
    ("confirm_time: 1h", "confirm_s", 3600.0),
    ("literature: off", "literature", "off"),
    ("literature: on", "literature", "on"),
    ("loop: ml-autoresearch", "loop", "ml-autoresearch"),
    ("analysis_timeout: 2 min", "analysis_timeout_s", 120.0),
    (
        "loop: ml-autoresearch\nexplore: swings=4, stagnation=2",
        "explore",
        Explore(swings=4, stagnation=2),
    ),
    ("loop: ml-autoresearch\nexplore: stagnation=2", "explore", Explore(3, 2)),
    ("explore: off", "explore", None),
    ("override_tolerance: 0.5%", "override_tolerance", Tolerance(0.005, relative=True)),
    ("override_tolerance: 0.01", "override_tolerance", Tolerance(0.01, relative=False)),
    ("ledger_columns: [duration_s]", "ledger_columns", ("duration_s",)),
    ("stop_at: null", "stop_at", None),
    ("target:", "target", None),
]


@pytest.mark.parametrize(("more", "name", "value"), GOOD, ids=[row[0] for row in GOOD])
def test_a_good_value_is_taken(more: str, name: str, value: object) -> None:
    assert getattr(read(more + "\n"), name) == value


def test_every_key_of_the_table_has_a_good_value_above() -> None:
    from agent_loops.bindings import _FIELDS

    tried = {line.split(":")[0] for row in GOOD for line in row[0].splitlines()}
    assert set(_FIELDS) - tried == {"metric", "run_cmd", "editable_files", "metric_key"}


def test_what_was_frozen_reads_back_equal() -> None:
    full = read(
        "budget: 30 epochs\ntimeout_minutes: 5\nbudget_slack: none\nreadonly_files: [a]\n"
        "override_tolerance: 0.01\nledger_columns: [duration_s]\ntarget: 1.5\n"
    )
    for bindings in (read(), full):
        assert Bindings.from_json(bindings.to_json()) == bindings


@pytest.mark.parametrize(
    ("given", "read_as"),
    [
        ("train.py", ("train.py",)),
        ("[./train.py, 'models/*.py']", ("train.py", "models/*.py")),
        ("['src/./a.py', src//b.py]", ("src/a.py", "src/b.py")),
        ("['src/']", ("src/",)),
        ("['a b.py', 'é.py']", ("a b.py", "é.py")),
        ("[a.py, b.py, ./a.py]", ("b.py", "a.py")),
        ("['*.py', '!a.py', '*.py']", ("!a.py", "*.py")),
    ],
)
def test_editable_files_are_one_name_or_a_list(given: str, read_as: tuple[str, ...]) -> None:
    base = f"metric: m\nrun_cmd: python train.py\neditable_files: {given}\n"
    assert read(base=base).editable_files == read_as


def test_tag_of_day_is_english() -> None:
    assert [tag_of_day(date(2026, month, 5)) for month in (3, 5, 12)] == ["mar5", "may5", "dec5"]


# ---- what is not -------------------------------------------------------------------------------

BAD: list[tuple[str, str, str, str]] = [
    ("loop: fast", "loop", "'fast'", "karpathy, ml-autoresearch"),
    ("metric: 5", "metric", "5", "text"),
    ("metric: [a]", "metric", "['a']", "text"),
    ('metric: "a\\tb"', "metric", r"'a\tb'", "name"),
    ('metric: "a\\x1bb"', "metric", r"'a\x1bb'", "name"),
    (f"metric: {'m' * 101}", "metric", "mmm", "100"),
    ("metric: status", "metric", "'status'", "column"),
    ("metric_direction: lower", "metric_direction", "'lower'", "minimize, maximize"),
    ("metric_pattern: '('", "metric_pattern", "'('", "expression"),
    ("metric_pattern: 'no group'", "metric_pattern", "'no group'", "group"),
    ("metric_pattern: '(a)(b)'", "metric_pattern", "'(a)(b)'", "group"),
    ("metric_file: /tmp/a.json", "metric_file", "'/tmp/a.json'", "{run_dir}"),
    ("metric_file: ../a.json", "metric_file", "'../a.json'", "{run_dir}"),
    ("metric_key: loss", "metric_key", "'loss'", "metric_file"),
    ("metric_file: a.json\nmetric_key: a.*.b", "metric_key", "'a.*.b'", "metric_reduce: mean"),
    ("metric: wall_s\nmetric_file: a.json", "metric_file", "'a.json'", "built-in"),
    ("eval_cmd: cat x\nmetric_file: a.json", "metric_file", "'a.json'", "eval_cmd"),
    ("metric_pick: first", "metric_pick", "'first'", "last, best"),
    ("metric_reduce: sum", "metric_reduce", "'sum'", "none, mean, median"),
    ("run_cmd: [python, train.py]", "run_cmd", "['python', 'train.py']", "text"),
    ("run_cmd: '  '", "run_cmd", "'  '", "text"),
    ("eval_cmd: true", "eval_cmd", "True", "text"),
    ("prelude: 1", "prelude", "1", "text"),
    ("cleanup_cmd: {a: b}", "cleanup_cmd", "{'a': 'b'}", "text"),
    ("notify_cmd: [mail, me]", "notify_cmd", "['mail', 'me']", "text"),
    ("checks_cmd: 3", "checks_cmd", "3", "text"),
    ("editable_files: []", "editable_files", "[]", "list of files"),
    ("editable_files: 3", "editable_files", "3", "list of files"),
    ("editable_files: [3]", "editable_files", "3", "text"),
    ("editable_files: {a: b}", "editable_files", "{'a': 'b'}", "list of files"),
    ("editable_files: [../train.py]", "editable_files", "'../train.py'", "inside the project"),
    ("editable_files: [a/../../b.py]", "editable_files", "'a/../../b.py'", "inside the project"),
    ("editable_files: [/etc/passwd]", "editable_files", "'/etc/passwd'", "inside the project"),
    ("editable_files: [loop.run.yaml]", "editable_files", "'loop.run.yaml'", "bindings"),
    ("locked: [a.py]", "locked", "'a.py'", "a file and a name"),
    ("guards: {passed: 3}", "guards.passed", "3", "`min` or `max`"),
    ("guards: [passed]", "guards", "['passed']", "names with `min`"),
    ("readonly_files: [../data]", "readonly_files", "'../data'", "inside the project"),
    ("program: [a.md, b.md]", "program", "['a.md', 'b.md']", "one file"),
    ("program: ../a.md", "program", "'../a.md'", "inside the project"),
    ("sandbox_root: ../out", "sandbox_root", "'../out'", "folder"),
    ("sandbox_root: .", "sandbox_root", "'.'", "folder"),
    ("sandbox_root: ~/runs", "sandbox_root", "'~/runs'", "~"),
    ("iter_strategy: git", "iter_strategy", "'git'", "snapshots, branches"),
    ("run_tag: a b", "run_tag", "'a b'", "letters"),
    ("run_tag: -x", "run_tag", "'-x'", "letters"),
    ("run_tag: a..b", "run_tag", "'a..b'", "git"),
    ("run_tag: a.lock", "run_tag", "'a.lock'", "git"),
    ("run_tag: true", "run_tag", "True", "letters"),
    ("run_tag: märz", "run_tag", "'märz'", "letters"),
    ("budget: 5", "budget", "5", "5 min"),
    ("budget: 0 min", "budget", "'0 min'", "5 min"),
    ("budget: 0 epochs", "budget", "'0 epochs'", "30 epochs"),
    ("budget: five minutes", "budget", "'five minutes'", "5 min"),
    ("budget: 500 ms", "budget", "'500 ms'", "5 min"),
    (f"budget: {'9' * 400} s", "budget", "'999", "5 min"),
    ("budget_slack: 30", "budget_slack", "30", "30%"),
    ("budget_slack: -5%", "budget_slack", "'-5%'", "30%"),
    (f"budget_slack: {'9' * 400}%", "budget_slack", "'999", "30%"),
    ("timeout_minutes: 10 min", "timeout_minutes", "'10 min'", "number"),
    ("timeout_minutes: 0", "timeout_minutes", "0", "greater than 0"),
    ("timeout_minutes: true", "timeout_minutes", "True", "number"),
    ("timeout_minutes: 1e308", "timeout_minutes", "1e+308", "number"),
    (f"timeout_minutes: {'9' * 400}", "timeout_minutes", "999", "number"),
    ("max_experiments: -1", "max_experiments", "-1", "whole number"),
    ("max_experiments: 2.5", "max_experiments", "2.5", "whole number"),
    ("max_experiments: yes", "max_experiments", "'yes'", "whole number"),
    ("max_experiments: false", "max_experiments", "False", "whole number"),
    ("max_experiments: 010", "max_experiments", "'010'", "whole number"),
    ("stop_after: 8", "stop_after", "8", "8h"),
    ("stop_after: 8 weeks", "stop_after", "'8 weeks'", "8h"),
    ("stop_at: 24:00", "stop_at", "'24:00'", "07:30"),
    ("stop_at: 7.30", "stop_at", "7.3", "07:30"),
    ("target: low", "target", "'low'", "number"),
    ("target: .nan", "target", "'.nan'", "number"),
    ("target: 1e999", "target", "inf", "number"),
    ("target: on", "target", "'on'", "number"),
    ("memory_limit_gb: 0", "memory_limit_gb", "0", "greater than 0"),
    ("log_limit_mb: none", "log_limit_mb", "'none'", "number"),
    ("keep_outputs: some", "keep_outputs", "'some'", "best, kept, all, none"),
    ("keep_rule: greedy", "keep_rule", "'greedy'", "plain"),
    ("baseline_runs: 0", "baseline_runs", "0", "from 1 to 100"),
    ("warmup_runs: -1", "warmup_runs", "-1", "from 1 to 100"),
    ("runs: 101", "runs", "101", "from 1 to 100"),
    ("compare: both", "compare", "'both'", "single, paired"),
    ("prune: always", "prune", "'always'", "safe, off"),
    ("probe: always", "probe", "'always'", "auto, off"),
    ("holdout_cmd: 5", "holdout_cmd", "5", "text"),
    ("confirm_time: 60", "confirm_time", "60", "duration"),
    ("literature: true", "literature", "True", "off"),
    ("analysis_timeout: 120", "analysis_timeout", "120", "duration"),
    ("explore: swings=0", "explore", "'swings=0'", "swings=3, stagnation=3"),
    ("explore: 3", "explore", "3", "swings=3, stagnation=3"),
    ("explore: swings=1, swings=2", "explore", "'swings=1, swings=2'", "swings=3"),
    ("explore: swings=3", "explore", "'swings=3'", "only with `loop: ml-autoresearch`"),
    ("override_tolerance: -1", "override_tolerance", "-1", "0.1%"),
    ("override_tolerance: 1e999", "override_tolerance", "inf", "0.1%"),
    ("ledger_columns: [notes]", "ledger_columns", "'notes'", "duration_s"),
    ("ledger_columns: []", "ledger_columns", "[]", "duration_s"),
    ("gate: steps", "gate", "'steps'", "`time` or `epochs`"),
    ("gate: epochs", "gate", "'epochs'", "budget"),
    ("gate: time\nbudget: 30 epochs\ntimeout_minutes: 5", "gate", "'time'", "budget"),
    ("budget_minutes: 0", "budget_minutes", "0", "greater than 0"),
    ("budget_minutes: soon", "budget_minutes", "'soon'", "number"),
    ("budget_epochs: true", "budget_epochs", "True", "number"),
    ("budget_minutes: 5\nbudget: 5 min", "budget_minutes", "5", "another name of budget"),
    ('prelude: "\\ud800"', "prelude", "'\\ud800'", "half of a character"),
    ('editable_files: ["a.py", "\\udce9.py"]', "editable_files", "'\\udce9.py'", "half of a"),
    ('metric_pattern: "loss (\\udfff)"', "metric_pattern", "'loss (\\udfff)'", "half of a"),
    ("entrypoint: python other.py", "entrypoint", "'python other.py'", "another name of run_cmd"),
]  # fmt: skip


@pytest.mark.parametrize(("more", "key", "value", "allowed"), BAD, ids=[row[0][:60] for row in BAD])
def test_a_bad_value_is_refused_with_key_value_and_what_is_allowed(
    more: str, key: str, value: str, allowed: str
) -> None:
    keys = {line.split(":")[0] for line in more.splitlines()}
    base = "".join(line + "\n" for line in BASE.splitlines() if line.split(":")[0] not in keys)
    said = problem(more + "\n", base)
    assert said.startswith(f"loop.run.yaml: {key}: ")
    assert value in said
    assert allowed in said.split(value, 1)[1]


def test_every_key_has_a_bad_value_above() -> None:
    from agent_loops.bindings import _FIELDS

    assert set(_FIELDS) <= {row[1] for row in BAD}


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("metrik", "metric"), ("run_comand", "run_cmd"), ("editable_file", "editable_files"),
        ("max_experiment", "max_experiments"), ("timeout_minute", "timeout_minutes"),
        ("Budget", "budget"), ("stop-at", "stop_at"),
    ],
)  # fmt: skip
def test_an_unknown_key_is_refused_with_the_nearest(key: str, near: str) -> None:
    said = problem(f"{key}: 3\n")
    assert f"{key}: 3: unknown key; did you mean `{near}`?" in said


def test_an_unknown_key_like_no_other_is_refused_with_all_of_them() -> None:
    said = problem("zzz: 3\n")
    assert "zzz: 3: unknown key" in said
    assert "metric_direction" in said
    assert "keep_outputs" in said


@pytest.mark.parametrize("key", ["metric", "run_cmd", "editable_files"])
@pytest.mark.parametrize("left", ["", ":", ": null"])
def test_a_missing_required_key_is_named_with_an_example(key: str, left: str) -> None:
    rest = "".join(line + "\n" for line in BASE.splitlines() if not line.startswith(key + ":"))
    said = problem(f"{key}{left}\n" if left else "", rest)
    assert f"{key}: missing; required, e.g. `{key}: " in said


@pytest.mark.parametrize("budget", ["30 epochs", "none"])
def test_a_budget_without_minutes_asks_for_the_timeout(budget: str) -> None:
    said = problem(f"budget: {budget}\n")
    assert said.startswith("loop.run.yaml: timeout_minutes: ")
    assert budget in said


# ---- older names -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "budget"),
    [
        ("budget_minutes: 10\n", Budget("time", 600.0)),
        ("budget_minutes: 0.5\n", Budget("time", 30.0)),
        ("budget_minutes: 1e-3\n", Budget("time", 0.06)),
        ("budget_epochs: 30\ntimeout_minutes: 9\n", Budget("epochs", 30.0)),
        ("gate: time\nbudget: 10\n", Budget("time", 600.0)),
        ("gate: time\nbudget_minutes: 10\n", Budget("time", 600.0)),
        ("gate: time\n", Budget("time", 300.0)),
        ("gate: epochs\nbudget: 30\ntimeout_minutes: 9\n", Budget("epochs", 30.0)),
        ("gate: epochs\nbudget: 30 epochs\ntimeout_minutes: 9\n", Budget("epochs", 30.0)),
        ("gate: epochs\nbudget_epochs: 30\ntimeout_minutes: 9\n", Budget("epochs", 30.0)),
    ],
)
def test_older_names_of_the_budget_are_read(more: str, budget: Budget) -> None:
    found = read(more).budget
    assert found.kind == budget.kind
    assert found.amount == pytest.approx(budget.amount)


def test_entrypoint_is_another_name_of_run_cmd() -> None:
    base = "metric: m\neditable_files: a.py\n"
    assert read("entrypoint: python a.py\n", base).run_cmd == "python a.py"
    both = "entrypoint: python a.py\nrun_cmd: python a.py\n"
    assert read(both, base).run_cmd == "python a.py"


# ---- YAML's surprises --------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["on", "off", "yes", "no", "22:30", "1:30:00", "0x1f", "1_000"])
def test_words_stay_words(word: str) -> None:
    assert read(f"prelude: {word}\n").prelude == word


def test_a_key_given_twice_is_refused_with_its_line() -> None:
    said = problem("target: 1\ntarget: 2\n")
    assert "loop.run.yaml:5" in said
    assert "`target` is given twice" in said


def test_anchors_are_read() -> None:
    base = "metric: m\nrun_cmd: &run python a.py\neval_cmd: *run\neditable_files: a.py\n"
    assert read(base=base).eval_cmd == "python a.py"


@pytest.mark.parametrize(
    "text",
    [
        "", "# nothing\n", "- a\n- b\n", "just words\n", "a: b: c\n", "a: [1, 2\n", "\tmetric: m\n",
        "metric: m\n---\nmetric: n\n", "a: !!python/object/apply:os.system [ls]\n", "a: !own b\n",
        "metric: \0\n", "? [a, b]\n: c\n", "? {a: b}\n: c\n", "<<: {metric: m}\n", "a: *b\n",
        f"max_experiments: {'9' * 5000}\n", "editable_files: &a [*a]\n", "target: 1\n" * 2,
    ],
)  # fmt: skip
def test_what_is_no_plain_mapping_is_refused_in_one_line(text: str) -> None:
    problem("", text)


def test_an_alias_that_multiplies_is_refused_in_no_time() -> None:
    tens = (f"- &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, 30))
    lines = ["metric:", "- &a0 [x, x, x, x, x, x, x, x, x, x]", *tens]
    problem("run_cmd: r\neditable_files: a.py\n", "\n".join(lines) + "\n")


# ---- through the command line ------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project")


@pytest.fixture
def terminal(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Terminal:
    return Terminal(project.root, monkeypatch, capsys)


def refused_setup(terminal: Terminal, *expected: str) -> str:
    """`setup` exits with 2, says why in one line, and makes nothing but our own folder."""
    before = picture(terminal.folder)
    answer = terminal.call("setup")
    assert answer.code == 2, answer
    assert answer.out == ""
    assert answer.err.count("\n") == 1
    assert not words(answer, *expected), answer
    made = changes(before, picture(terminal.folder))
    assert all(path.startswith(".agent-loops") for path in made), made
    return answer.err


@pytest.mark.parametrize(
    "command", [["setup"], ["try", "x"], ["status"], ["wait"], ["stop"], ["checkout", "1"]]
)
def test_without_bindings_every_command_says_what_to_write(
    project: Project, terminal: Terminal, command: list[str]
) -> None:
    (project.root / "loop.run.yaml").unlink()
    before = picture(project.root)
    answer = terminal.call(*command)
    assert answer.code == 2
    assert not words(answer, "no loop.run.yaml", "metric, run_cmd, editable_files", "setup")
    assert not changes(before, picture(project.root))


def test_a_mistake_is_told_in_json_as_well(project: Project, terminal: Terminal) -> None:
    project.bind(metrik="x")
    answer = terminal.ask("setup")
    assert answer.code == 2
    assert answer["status"] == "usage"
    assert "metrik: 'x'" in answer["reason"]
    assert "did you mean `metric`?" in answer["reason"]


def test_bindings_that_are_not_text_are_refused(project: Project, terminal: Terminal) -> None:
    project.write("loop.run.yaml", b"metric: \xff\n")
    refused_setup(terminal, "loop.run.yaml", "cannot be read")


def test_a_missing_editable_file(project: Project, terminal: Terminal) -> None:
    project.bind(editable_files=["train.py", "model.py"])
    refused_setup(terminal, "editable_files: 'model.py'", "no such file", "regular files")


def test_a_pattern_that_matches_nothing(project: Project, terminal: Terminal) -> None:
    project.bind(editable_files=["train.py", "models/*.py"])
    refused_setup(terminal, "editable_files: 'models/*.py'", "no such file")


@pytest.mark.parametrize("path", ["../outside.py", "/etc/hostname"])
def test_an_editable_file_outside(project: Project, terminal: Terminal, path: str) -> None:
    project.write("../outside.py", "")
    project.bind(editable_files=[path])
    refused_setup(terminal, f"editable_files: '{path}'", "inside the project")


@pytest.mark.parametrize("pattern", ["model.py", "*.py"])
def test_a_symlink_is_not_editable(project: Project, terminal: Terminal, pattern: str) -> None:
    (project.root / "model.py").symlink_to("prepare.py")
    project.bind(editable_files=[pattern])
    refused_setup(terminal, "editable_files: 'model.py'", "is a symlink", "no symlinks")


def test_a_file_behind_a_symlinked_folder(project: Project, terminal: Terminal) -> None:
    project.write("../elsewhere/model.py", "")
    (project.root / "models").symlink_to("../elsewhere")
    project.bind(editable_files=["models/model.py"])
    refused_setup(terminal, "editable_files: 'models/model.py'", "behind a symlink")


@pytest.mark.parametrize("pattern", ["model.py", "mod*.py"])
def test_a_file_that_is_too_large(project: Project, terminal: Terminal, pattern: str) -> None:
    project.bind(editable_files=[pattern])
    project.write("model.py", b"#" * (1 << 20))
    assert terminal.call("setup").code == 0
    project.bind(editable_files=[pattern], run_tag="t2")
    assert terminal.call("stop").code == 0
    project.write("model.py", b"#" * ((1 << 20) + 1))
    answer = terminal.call("setup")
    assert answer.code == 2
    assert not words(answer, "editable_files: 'model.py'", "too large (1.0 MiB)", "at most 1 MiB")


def test_a_folder_is_no_editable_file(project: Project, terminal: Terminal) -> None:
    project.write("models/a.py", "")
    project.bind(editable_files=["models"])
    refused_setup(terminal, "editable_files: 'models'", "regular file")


def test_a_pipe_is_no_editable_file_and_is_not_waited_for(
    project: Project, terminal: Terminal
) -> None:
    os.mkfifo(project.root / "model.py")
    project.bind(editable_files=["model.py"])
    refused_setup(terminal, "editable_files: 'model.py'", "not a regular file")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="drops a capability")
def test_an_unreadable_file(project: Project) -> None:
    (project.root / "train.py").chmod(0)
    with ordinary_user(project):
        answer = project.call("setup")
    assert answer.code == 2
    assert answer.err.count("\n") == 1
    assert not words(answer, "editable_files: 'train.py'", "Permission denied")


@pytest.mark.parametrize(
    ("name", "value"), [("program", "program.md"), ("readonly_files", "data.bin")]
)
def test_other_files_that_are_named_must_be_there(
    project: Project, terminal: Terminal, name: str, value: str
) -> None:
    project.bind(**{name: value})
    refused_setup(terminal, f"{name}: '{value}'", "no such file")


def test_a_file_cannot_be_both_editable_and_the_harness(
    project: Project, terminal: Terminal
) -> None:
    project.bind(readonly_files=["train.py"])
    refused_setup(terminal, "readonly_files: 'train.py'", "editable_files")


@pytest.mark.parametrize("root", ["sandbox", "results"])
def test_a_sandbox_that_is_somebodys_folder(
    project: Project, terminal: Terminal, root: str
) -> None:
    project.write(f"{root}/thesis.txt", "mine")
    project.bind(sandbox_root=root)
    refused_setup(terminal, "sandbox_root", "thesis.txt", "new or empty")


def test_a_sandbox_that_is_a_file(project: Project, terminal: Terminal) -> None:
    project.bind(sandbox_root="prepare.py")
    refused_setup(terminal, "sandbox_root", "prepare.py", "a folder of its own")
