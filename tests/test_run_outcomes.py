"""One row for each way a run can end: verdict, kind, reason, record; and nothing is left behind."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import pytest

from copies import copied
from support import PREPARE, PYTHON, TRAIN, Project, processes_with

KEYS = (
    "schema experiment status kind reason metric source incumbent best delta gain wall_s elapsed_s "
    "timeout_s memory_gb memory_kind commit lines_added lines_removed description log notes next"
).split()
LIMIT_S = 3.0
COMMON = {"timeout_minutes": 1, "cleanup_cmd": "echo {n} >> ../cleaned"}
SOON = {"timeout_minutes": LIMIT_S / 60}

HANG = "import time\nprint('val_bpb: 0.5', flush=True)\ntime.sleep(600)\n"
# Its name stands in its command line, since the environment is cleared.
DAEMON = """\
import os, sys, time

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        code = (
            "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid()));"
            "time.sleep(600)"
        )
        os.execve(sys.executable, [sys.executable, "-c", code, os.path.abspath("../started")], {})
    os._exit(0)
while not os.path.exists("../started"):
    time.sleep(0.01)
"""
STUBBORN = """\
import os, signal, time
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
open("../started", "w").write(str(os.getpid()))
print("val_bpb: 0.5", flush=True)
while True:
    time.sleep(1)
"""
SURVIVOR = """\
import subprocess
for _ in range(2):
    subprocess.Popen(["sleep", "600"])
print("val_bpb: 1.1")
"""
FLOOD = """\
import sys, time
while True:
    sys.stdout.write("x" * 9999 + "\\n")
    time.sleep(0.001)
"""
# Written to the descriptor: 200 MB need no 200 MB of memory.
LONG_LINE = """\
import os
os.write(1, b"step ")
for _ in range(200):
    os.write(1, b"x" * 1_000_000)
os.write(1, b"\\nval_bpb: 1.1\\n")
"""
BINARY = """\
import os
noise = bytes(range(256)) * 4096
os.write(1, noise + b"\\nval_bpb: 1.1\\n")
"""
TRACEBACK = """\
def step(x):
    return [1, 2][x]

print("val_bpb: 0.5")
step(7)
"""


@dataclass(frozen=True)
class Row:
    """What train.py becomes, the bindings beside the common ones, and the answer.

    `more` are other files of the project; `status` "crash" needs no metric.
    """

    train: str
    status: str
    kind: str
    reason: str
    metric: float | None = None
    source: str = "self-reported"
    notes: str = ""
    bindings: dict[str, Any] = field(default_factory=dict)
    more: dict[str, str] = field(default_factory=dict)
    base: str = TRAIN
    survives: bool = False


def crash(train: str, reason: str, *, kind: str = "idea", **more: Any) -> Row:
    return Row(train, "crash", kind, reason, **more)


EVAL = """\
import sys
print("val_bpb: %.4f" % (2.0 - float(open("model.bin").read())))
"""
MODEL = "open('model.bin', 'w').write('{}')\nprint('val_bpb: {}')\n"
EVALUATED: dict[str, Any] = {
    "bindings": {"eval_cmd": f"{PYTHON} evaluate.py"},
    "base": MODEL.format(0.5, 1.5),
    "more": {"evaluate.py": EVAL},
    "source": "evaluated",
}
IN_RUN_DIR = "import json, os, sys\nout = sys.argv[1]\n"
TO_RUN_DIR = f"{PYTHON} train.py {{run_dir}}"


def from_file(name: str, key: str | None, base: str, **row: Any) -> Row:
    """The metric is in a file of the run's folder; `base` writes 1.5 there."""
    bindings = {"run_cmd": TO_RUN_DIR, "metric_file": f"{{run_dir}}/{name}", "metric_key": key}
    return Row(base=IN_RUN_DIR + base, bindings=bindings, **row)


def json_file(value: str) -> str:
    return (
        f"json.dump({{'eval': {{'loss': {value}}}, 'step': 3}}, open(out + '/metrics.json', 'w'))\n"
    )


def jsonl_file(*values: float) -> str:
    lines = "".join(f'{{"step": {n}, "val_bpb": {v}}}\\n' for n, v in enumerate(values))
    return f"open(out + '/log.jsonl', 'w').write('''{lines}''')\n"


def csv_file(*values: float) -> str:
    lines = "".join(f"{n},{v}\\n" for n, v in enumerate(values))
    return f"open(out + '/log.csv', 'w').write('step,val_bpb\\n{lines}')\n"


ROWS: dict[str, Row] = {
    # ---- crashes of the idea
    "traceback": crash(TRACEBACK, "IndexError: list index out of range (train.py:2)"),
    "exit code": crash("print('val_bpb: 0.5')\nraise SystemExit(3)\n", "exit code 3"),
    "syntax error": crash("def (\n", "SyntaxError"),
    "no metric": crash("print('loss: 0.5')\n", "no metric: no line matches `val_bpb:`"),
    "silent": crash("", "no metric: the log is empty"),
    "not a number": crash("print('val_bpb: 0.5')\nprint('val_bpb: nan')\n", "NaN"),
    "infinite": crash("print('val_bpb:', -float('inf'))\n", "not finite: val_bpb is -inf"),
    "hang": crash(HANG, "timed out after 3 s", bindings=SOON),
    "killed": crash(
        "import os\nprint('val_bpb: 0.5', flush=True)\nos.kill(os.getpid(), 9)\n",
        "killed by signal 9 (memory?)",
    ),
    "a memory limit": crash(
        "x = bytearray(3 << 30)\nprint('val_bpb: 0.5')\n", "out of memory",
        bindings={"prelude": "ulimit -v 2000000"},
    ),
    "fills the log": crash(FLOOD, "log grew past 1 MB", bindings={"log_limit_mb": 1}),
    "edits itself": crash(
        TRAIN + "    open('train.py', 'a').write('# more')\n",
        "edited train.py while the run went on", kind="idea",
    ),
    "deletes itself": crash(
        TRAIN.replace("import prepare", "import prepare, os") + "    os.unlink('train.py')\n",
        "edited train.py while the run went on", kind="idea",
    ),
    "edits the harness": crash(
        TRAIN + "    open('prepare.py', 'a').write('# more')\n",
        "the run changed the harness: changed: prepare.py",
    ),
    "writes a source file": crash(
        TRAIN + "    open('sitecustomize.py', 'w').write('')\n",
        "the run changed the harness: new: sitecustomize.py",
    ),
    # ---- crashes of the machine
    "disk full": crash(
        "raise OSError(28, 'No space left on device')\n", "disk full", kind="machine"
    ),
    # ---- processes
    "ignores SIGTERM": crash(STUBBORN, "timed out after 3 s", bindings=SOON, survives=True),
    "forks a daemon and hangs": crash(
        DAEMON + HANG, "timed out after 3 s", bindings=SOON, survives=True
    ),
    "forks a daemon": Row(
        DAEMON + "print('val_bpb: 1.1')\n", "keep", "better", "better than the incumbent", 1.1,
        notes="ended 1 process that outlived the run", survives=True,
    ),
    "leaves survivors": Row(
        SURVIVOR, "keep", "better", "better than the incumbent", 1.1,
        notes="ended 2 processes that outlived the run",
    ),
    # ---- logs
    "one line of 200 MB": Row(LONG_LINE, "keep", "better", "better than the incumbent", 1.1),
    "binary": Row(BINARY, "keep", "better", "better than the incumbent", 1.1),
    "binary without a metric": crash(
        "import os\nos.write(1, bytes(range(256)) * 999)\n", "no metric: no line matches"
    ),
    # ---- time
    "over budget": Row(
        "import time\ntime.sleep(2)\nprint('val_bpb: 0.5')\n",
        "discard", "over budget", "s where the baseline took", 0.5,
        bindings={"budget_slack": "1 s"},
    ),
    # ---- evaluation
    "evaluated": Row(
        MODEL.format(0.75, 1.5), "keep", "better", "better than the incumbent", 1.25, **EVALUATED
    ),
    "evaluated, with a better metric forged": Row(
        MODEL.format(0.25, 0.01) + "print('val_bpb: 0.001')\n",
        "discard", "worse", "worse than the incumbent", 1.75, **EVALUATED,
    ),
    "evaluation fails": crash(
        MODEL.format("no model", 0.1),
        "eval: ValueError: could not convert string to float: 'no model'", **EVALUATED,
    ),
    "evaluation prints nothing": crash(
        MODEL.format(0.7, 0.1), "eval: no metric: the log is empty",
        **EVALUATED | {"more": {"evaluate.py": EVAL.replace(
            "print", "if open('model.bin').read() != '0.7': print"
        )}},
    ),
    "evaluation hangs": crash(
        MODEL.format(0.7, 0.1), "eval: timed out after 3 s",
        **EVALUATED | {"bindings": EVALUATED["bindings"] | SOON, "more": {
            "evaluate.py": EVAL.replace(
                "print", "while open('model.bin').read() == '0.7': pass\nprint"
            )
        }},
    ),
    "run to be evaluated fails": crash(
        MODEL.format(0.75, 0.1) + "raise SystemExit(2)\n", "exit code 2", **EVALUATED
    ),
    # ---- files
    "JSON": from_file(
        "metrics.json", "eval.loss", json_file("1.5"), train=IN_RUN_DIR + json_file("1.25"),
        status="keep", kind="better", reason="better than the incumbent", metric=1.25,
    ),
    "JSON with NaN": from_file(
        "metrics.json", "eval.loss", json_file("1.5"), train=IN_RUN_DIR + json_file("float('nan')"),
        status="crash", kind="idea", reason="NaN",
    ),
    "JSONL": from_file(
        "*.jsonl", None, jsonl_file(3.0, 1.5), train=IN_RUN_DIR + jsonl_file(3.0, 1.0, 1.25),
        status="keep", kind="better", reason="better than the incumbent", metric=1.25,
    ),
    "CSV": from_file(
        "log.csv", None, csv_file(3.0, 1.5), train=IN_RUN_DIR + csv_file(3.0, 1.75),
        status="discard", kind="worse", reason="worse than the incumbent", metric=1.75,
    ),
    "no file": from_file(
        "log.csv", None, csv_file(3.0, 1.5), train="print('val_bpb: 0.1')\n",
        status="crash", kind="idea", reason="no metric: no file matches `metric_file`",
    ),
    "a stale file": Row(
        "print('val_bpb: 0.1')\n", "crash", "idea",
        "no metric: metrics.json was not written by this run",
        base="import json\njson.dump({'val_bpb': 1.5}, open('metrics.json', 'w'))\n",
        bindings={"metric_file": "metrics.json"},
    ),
    # ---- built-in metrics, direction
    "wall_s": Row(
        "pass\n", "keep", "better", "better than the incumbent", source="measured",
        bindings={"metric": "wall_s"}, base="import time\ntime.sleep(0.7)\n",
    ),
    "memory_gb": Row(
        "import time\nx = b'x' * (200 << 20)\ntime.sleep(0.4)\n",
        "discard", "worse", "worse than the incumbent", source="measured",
        bindings={"metric": "memory_gb"}, base="import time\ntime.sleep(0.4)\n",
    ),
    "maximize": Row(
        "print('val_bpb: 1.1')\n", "discard", "worse", "worse than the incumbent", 1.1,
        bindings={"metric_direction": "maximize"},
    ),
    "maximize better": Row(
        "print('val_bpb: 1.2')\n", "keep", "better", "better than the incumbent", 1.2,
        bindings={"metric_direction": "maximize"},
    ),
}  # fmt: skip


def measured(row: Row, target: Path, factory: pytest.TempPathFactory) -> Project:
    """A project with its baseline, made once for each sort of bindings and then copied."""

    def make(root: Path) -> Project:
        project = Project(root, train=row.base)
        for path, text in row.more.items():
            project.write(path, text)
        project.bind(**{**COMMON, **row.bindings})
        project.baseline()
        return project

    return copied(target, factory, json.dumps([row.bindings, row.more, row.base]), make)


def _no_constant(name: str) -> NoReturn:
    raise AssertionError(f"{name} is no strict JSON")


def strict(text: str) -> dict[str, Any]:
    """The one object in `text`, which holds no NaN and no infinity."""
    assert text.count("\n") == 1
    value = json.loads(text, parse_constant=_no_constant)
    assert isinstance(value, dict)
    return value


def short(text: str) -> str:
    """The text, if it is one that an agent can afford."""
    lines = text.splitlines()
    assert 1 <= len(lines) <= 5, text
    assert len(text) <= 600, f"{len(text)} characters: {text}"
    assert text.isprintable() or set(text) - {"\n"} == {c for c in text if c.isprintable()}
    return text


@pytest.fixture
def tidy(tmp_path: Path) -> Iterator[None]:
    """Removes what is large."""
    yield
    for log in tmp_path.rglob("run*.log"):
        if log.stat().st_size > 10 << 20:
            log.unlink()


@pytest.mark.usefixtures("tidy")
@pytest.mark.parametrize("name", ROWS)
def test_a_run_ends(name: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    row = ROWS[name]
    project = measured(row, tmp_path / "project", tmp_path_factory)
    [baseline] = project.events("run_finished")
    project.write("train.py", row.train)

    plain = project.call("try", "an idea")

    assert (plain.code, plain.err) == (0, "")
    assert processes_with(str(tmp_path)) == []
    if row.survives:
        pid = int((tmp_path / "started").read_text())
        assert not _alive(pid)
    answer = strict(project.call("wait", "--json").out)
    _check_answer(answer, row, baseline["value"])
    _check_text(short(plain.out), answer)
    _check_files(project, row)
    _check_record(project, row, answer)


def _alive(pid: int) -> bool:
    try:
        return b"Z" not in Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[:1]
    except OSError:
        return False


def _check_answer(answer: dict[str, Any], row: Row, first: float) -> None:
    assert list(answer) == KEYS
    assert (answer["status"], answer["kind"]) == (row.status, row.kind), answer
    assert row.reason in answer["reason"], answer
    assert (answer["experiment"], answer["description"]) == (2, "an idea")
    assert row.notes in "; ".join(answer["notes"]), answer
    limit_s = LIMIT_S if "timeout_minutes" in row.bindings else 60
    assert answer["timeout_s"] == pytest.approx(limit_s)
    assert 0 <= answer["wall_s"] <= answer["elapsed_s"]
    if row.status == "crash":
        assert answer["metric"] is answer["delta"] is None
        assert answer["source"] == ""
        assert answer["next"]
    else:
        better = 1 if row.bindings.get("metric_direction") == "maximize" else -1
        assert answer["source"] == row.source
        assert answer["metric"] == (row.metric if row.metric is not None else answer["metric"])
        assert answer["delta"] == pytest.approx(better * (answer["metric"] - first))
        if row.kind != "over budget":
            assert (answer["delta"] > 0) == (row.status == "keep")
        assert answer["next"] == ""
    kept = {"experiment": 2, "metric": answer["metric"]}
    known = {"experiment": 1, "metric": first}
    assert answer["incumbent"] == (kept if row.status == "keep" else known)
    assert answer["best"] == answer["incumbent"]


def _check_text(text: str, answer: dict[str, Any]) -> None:
    head = text.splitlines()[0]
    assert head.startswith(f"#2 {answer['status']}")
    if answer["status"] == "crash":
        assert f"({answer['kind']}) {answer['reason']}" in head
        assert f"log: {answer['log']}\n" in text
    assert f"next: {answer['next']}" in text or not answer["next"]
    assert ("is the incumbent now" in text) == (answer["status"] == "keep")


def _check_files(project: Project, row: Row) -> None:
    assert project.read("train.py") == (row.train if row.status == "keep" else row.base)
    snapshot = project.sandbox / "iter2/code_snapshot/train.py"
    assert snapshot.read_text() == row.train
    assert project.read("../cleaned") == "2\n" * len(project.events("run_finished")[1:])


def _check_record(project: Project, row: Row, answer: dict[str, Any]) -> None:
    _, cells = project.rows()
    assert cells[0] == "2"
    assert cells[3:] == [row.status, "an idea"]
    if row.status == "crash":
        assert cells[1:3] == ["0.000000", "0.0"]
    else:
        assert float(cells[1]) == pytest.approx(answer["metric"], abs=1e-3)
        memory_gb = answer["memory_gb"]
        assert cells[2] == (f"{memory_gb:.1f}" if memory_gb >= 0.1 else f"{memory_gb:.3f}")
        assert float(cells[2]) > 0
    runs = project.events("run_finished")[1:]
    assert len(runs) == (2 if row.kind == "machine" else 1)
    receipt = strict((project.sandbox / "iter2/run.json").read_text())
    assert receipt["marker"] == project.events("run_started")[1]["marker"]


# ---- what a row above cannot say ---------------------------------------------------------------


def test_a_harness_that_a_run_changed_stays_as_it_is_and_blocks_the_next(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    row = ROWS["edits the harness"]
    project = measured(row, tmp_path / "project", tmp_path_factory)
    project.write("train.py", row.train)
    assert project.ask("try", "cheat")["status"] == "crash"
    assert project.read("prepare.py") == PREPARE + "# more"  # not ours to write
    project.edit("LR = 0.01", "LR = 0.03")
    answer = project.ask("try", "honest")
    assert (answer.code, answer["kind"], answer["files"]) == (3, "harness", ["prepare.py"])
    project.write("prepare.py", PREPARE)
    assert project.ask("try", "honest")["status"] == "keep"


def test_the_edits_of_a_run_to_its_own_code_are_kept_aside(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    row = ROWS["edits itself"]
    project = measured(row, tmp_path / "project", tmp_path_factory)
    project.write("train.py", row.train)
    answer = project.ask("try", "x")
    [rescued] = project.events("rescued")
    assert (project.root / rescued["folder"] / "train.py").read_text() == row.train + "# more"
    assert rescued["folder"] in str(answer["notes"])


def test_a_prelude_that_fails_runs_nothing(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    project.bind(**COMMON, prelude="source no-such-environment/activate")
    project.setup()
    answer = project.ask("try", "baseline")
    assert (answer.code, answer["status"]) == (0, "crash")
    assert "No such file or directory" in answer["reason"]
    assert (answer["incumbent"], answer["best"]) == (None, None)
    assert project.read("../cleaned") == "1\n"
    assert project.read("train.py") == TRAIN
    assert project.rows() == [["1", "0.000000", "0.0", "crash", "baseline"]]


def test_a_prelude_reaches_run_and_evaluation(tmp_path: Path) -> None:
    project = Project(tmp_path / "project", train="import os\nprint('v: ' + os.environ['LOSS'])\n")
    project.bind(prelude="export LOSS=1.5", metric="v", eval_cmd=f"{PYTHON} train.py")
    assert project.baseline()["metric"] == 1.5


def test_a_metric_file_is_no_source_beside_an_evaluation(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    project.bind(eval_cmd="cat score", metric_file="metrics.json")
    answer = project.call("setup")
    assert answer.code == 2
    assert "metric_file" in answer.err
    assert "eval_cmd" in answer.err


@pytest.mark.parametrize("command", ["exit 5", "sleep 600 & exit 0", "kill -9 $$"])
def test_whatever_becomes_of_the_cleanup_the_verdict_stands(tmp_path: Path, command: str) -> None:
    project = Project(tmp_path / "project")
    project.bind(cleanup_cmd=f"echo cleaning; {command}")
    project.baseline()
    assert processes_with(str(tmp_path)) == []
    assert "cleaning" in (project.sandbox / "iter1/cleanup.log").read_text()


def test_no_word_of_an_answer_is_cut_from_its_json(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """All that can be said at once: the text stays short, the object holds everything."""
    project = measured(ROWS["traceback"], tmp_path / "project", tmp_path_factory)
    project.write("train.py", f"raise ValueError('{'long ' * 200}')\n")
    notes = [f"{word} " * 40 for word in ("first", "second", "third")]
    for note in notes:
        project.call("note", note)
    plain = project.call("try", "x" * 3000, "--why", "y" * 3000)
    short(plain.out)
    for word in ("#2 crash", "log: ", "next: "):
        assert word in plain.out
    assert project.call("wait").out == plain.out
    answer = strict(project.call("wait", "--json").out)
    for note in notes:
        assert f"the person says: {note.strip()}" in answer["notes"]
    assert os.path.exists(project.root / answer["log"])
