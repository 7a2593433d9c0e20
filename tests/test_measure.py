"""What is measured is measured by the frozen harness, whatever the run does to fool it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from agent_loops import cli, files, switches
from support import PYTHON, Answer, Project, processes_with

EVAL = "print('val_bpb:', open('model.txt').read())\n"
TRAIN = "open('model.txt', 'w').write('2.0')\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with a baseline of 2.0, told by eval.py of what train.py wrote."""
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    made = Project(tmp_path / "a project", train=TRAIN)
    made.write("eval.py", EVAL)
    made.bind(eval_cmd=f"{PYTHON} eval.py", timeout_minutes=1)
    return made


def tried(project: Project, train: str) -> Answer:
    """The answer to a train.py of which the metric is still 2.0, if nobody cheats."""
    project.write("train.py", f"{train}\n{TRAIN}")
    answer = project.ask("try", "cheat", timeout_s=60)
    assert answer.code == 0, answer
    return answer


# ---- between the run and its evaluation --------------------------------------------------------


@pytest.mark.parametrize("path", ["eval.py", "train.py"])
def test_what_the_run_changed_is_not_evaluated(project: Project, path: str) -> None:
    project.baseline()
    was = EVAL if path == "eval.py" else ""
    back = f"open({path!r}, 'w').write({was!r}); print('val_bpb:', 0.001)\n"
    answer = tried(project, f"open({path!r}, 'w').write({back!r})")
    assert (answer["status"], answer["metric"]) == ("crash", None)
    assert ("the run changed the harness" if was else "edited train.py") in answer["reason"]
    assert not (project.sandbox / "iter2/eval.log").exists()


def test_what_the_baseline_writes_and_its_evaluation_removes_is_an_output(project: Project) -> None:
    project.write("eval.py", f"import os; os.remove('part.json')\n{EVAL}")
    project.write("train.py", f"open('part.json', 'w')\n{TRAIN}")
    project.baseline()
    assert tried(project, "open('part.json', 'w').close()")["metric"] == 2.0


# ---- compiled modules --------------------------------------------------------------------------

USES = "import colorsys\nprint('val_bpb:', getattr(colorsys, 'FORGED', 2.0))\n"
FORGES = """\
import colorsys, importlib._bootstrap_external as b, importlib.util, os
source = colorsys.__file__
about = os.stat(source)
code = compile(open(source).read() + "\\nFORGED = 0.001\\n", source, "exec")
target = importlib.util.cache_from_source(source)
os.makedirs(os.path.dirname(target), exist_ok=True)
open(target, "wb").write(b._code_to_timestamp_pyc(code, int(about.st_mtime), about.st_size))
open(os.path.join(os.path.dirname(target), "pyvenv.cfg"), "w")
"""


@pytest.mark.parametrize("ending", ["", "raise SystemExit(1)"], ids=["at once", "the next"])
def test_forged_modules_of_others_are_not_what_evaluates(project: Project, ending: str) -> None:
    project.write("eval.py", USES)
    project.baseline()
    answer = tried(project, f"{FORGES}\n{ending}")
    assert answer["metric"] == (None if ending else 2.0)
    assert tried(project, "honest = 1")["metric"] == 2.0


def test_modules_that_the_baseline_compiled_need_not_be_compiled_again(project: Project) -> None:
    project.write("train.py", f"import colorsys\n{TRAIN}")
    project.baseline()
    folder = Path(f"{project.sandbox}/bytecode")
    (compiled,) = folder.rglob("colorsys.*.pyc")
    before = compiled.stat().st_ino, compiled.stat().st_mtime_ns
    assert tried(project, "import colorsys as another")["metric"] == 2.0
    assert (compiled.stat().st_ino, compiled.stat().st_mtime_ns) == before


# ---- records -----------------------------------------------------------------------------------

WRITES_ITS_RECEIPT = """\
import json, os, signal, sys
name = "run.json" if not os.path.exists("{sandbox}/iter2/run.json") else "run-2.json"
receipt = json.load(open("{sandbox}/iter1/run.json"))
receipt["marker"] = os.environ["AGENT_LOOPS_RUN"]
receipt["measured"]["value"] = 0.001
json.dump(receipt, open("{sandbox}/iter2/" + name, "w"))
os.kill(os.getppid(), signal.SIGKILL)
"""


def test_a_receipt_that_the_run_wrote_is_none(project: Project) -> None:
    project.baseline()
    answer = tried(project, WRITES_ITS_RECEIPT.replace("{sandbox}", str(project.sandbox)))
    assert (answer["status"], answer["reason"]) == ("crash", "run lost")
    assert [item["value"] for item in project.events("run_finished")] == [2.0, None, None]


HIDES_A_CHANGE = """\
import json, os
with open("eval.py", "a") as stream:
    stream.write("# better\\n")
about = os.lstat("eval.py")
cache = "{sandbox}/harness.cache.json"
known = json.load(open(cache))
known["eval.py"][0] = [about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino]
json.dump(known, open(cache, "w"))
"""


def test_a_supervisor_that_does_not_answer_is_killed_at_last(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.setup()
    project.write("train.py", "import time; time.sleep(1000)\n")
    project.bind(run_cmd="echo $$ > ../pid; sleep 1000; :")
    assert project.ask("rebaseline", "--why", "w", "--wait-s", "0.2")["status"] == "running"
    (started,) = project.events("run_started")
    os.kill(started["pid"], signal.SIGSTOP)
    monkeypatch.setattr(switches, "_LONGEST_END_S", 0.5)
    monkeypatch.chdir(project.root)
    assert cli.main(["stop", "--kill"]) == 0
    assert project.events("run_finished")[0]["outcome"] == "lost"
    assert not processes_with(started["marker"])


@pytest.mark.parametrize("killed", [False, True])
def test_a_cache_that_the_run_wrote_hides_nothing(project: Project, *, killed: bool) -> None:
    project.baseline()
    code = HIDES_A_CHANGE.replace("{sandbox}", str(project.sandbox))
    if killed:
        code += "import signal; os.kill(os.getppid(), signal.SIGKILL)\n"
    assert tried(project, code)["status"] == "crash"
    project.write("train.py", f"another = 1\n{TRAIN}")
    answer = project.ask("try", "the next")
    assert (answer.code, answer["kind"], answer["files"]) == (3, "harness", ["eval.py"])


# ---- pipes -------------------------------------------------------------------------------------


def test_a_harness_file_that_is_a_pipe_now_blocks_nothing(project: Project) -> None:
    project.baseline()
    project.write("train.py", f"another = 1\n{TRAIN}")
    (project.root / "eval.py").unlink()
    os.mkfifo(project.root / "eval.py")
    answer = project.ask("try", "idea", timeout_s=20)
    assert (answer.code, answer["kind"], answer["files"]) == (3, "harness", ["eval.py"])


@pytest.mark.parametrize("name", ["run{run}.log", "eval{run}.log", "cleanup.log"])
def test_a_pipe_in_place_of_a_log_blocks_nothing(project: Project, name: str) -> None:
    project.bind(eval_cmd=f"{PYTHON} eval.py", cleanup_cmd="true")
    project.baseline()
    answer = tried(
        project,
        "import os, pathlib\n"
        f"folder = pathlib.Path({str(project.sandbox)!r}, 'iter2')\n"
        "run = '-2' if (folder / 'run-2.log').exists() else ''\n"
        f"path = folder / {name!r}.replace('{{run}}', run)\n"
        "path.unlink(missing_ok=True)\n"
        "os.mkfifo(path)\n",
    )
    assert answer["status"] == ("crash" if name.startswith("eval") else "discard")
    assert project.ask("wait", timeout_s=20)["status"] == answer["status"]
    assert not files.is_locked(project.sandbox / "run.lock")


# ---- values and words --------------------------------------------------------------------------


@pytest.mark.parametrize("reduce", ["none", "mean", "median"])
def test_values_near_the_largest_number_are_values(project: Project, reduce: str) -> None:
    project.write("eval.py", "print('val_bpb: 1.7e308\\n' * 2 + 'val_bpb: 1.7e308')\n")
    project.bind(eval_cmd=f"{PYTHON} eval.py", metric_reduce=reduce)
    project.baseline()
    answer = project.ask("try", "again", "--repeat", "3")
    assert (answer.code, answer["metric"]) == (0, pytest.approx(1.7e308))
    assert project.call("status").code == 0


@pytest.mark.parametrize("wide", [0, 30])
def test_secrets_are_masked_in_reasons_notes_and_progress(project: Project, wide: int) -> None:
    project.write("eval.py", "import os; print('val_bpb:', os.environ['MY_TOKEN'])\n")
    project.bind(
        eval_cmd=f"{PYTHON} eval.py; echo val_bpb: 1.0; {PYTHON} eval.py; "
        'while [ ! -e ../go ]; do sleep 0.01; done',
        run_cmd=f"{PYTHON} train.py; echo $MY_TOKEN; while [ ! -e ../go ]; do sleep 0.01; done",
    )  # fmt: skip
    secret = f"swordfish-{'x' * 2 * wide}"
    project.setup()
    env = {"MY_TOKEN": secret}
    assert project.ask("try", "baseline", "--wait-s", "0.3", env=env)["status"] == "running"
    status = project.ask("status", env=env)
    assert status["running"]["progress"] == "[masked]"
    project.write("../go", "")
    shown = project.ask("wait", env=env)
    assert "[masked]" in " ".join(shown["notes"])
    project.write("eval.py", "import os; print('val_bpb: =', os.environ['MY_TOKEN'])\n")
    project.bind(eval_cmd=f"{PYTHON} eval.py")
    again = project.ask("rebaseline", "--why", "w", env=env)
    assert (again["status"], "[masked]" in again["reason"]) == ("crash", True)
    record = (project.sandbox / "journal.jsonl").read_text() + shown.out + again.out + status.out
    assert secret[:10] not in record
