"""Exit 3: the reason, the files, the next command; nothing is run and nothing is lost."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from agent_loops import campaigns, files
from support import Answer, Project, commit_all, edit_block, processes_with, until, unwrapped
from terminal import Terminal, changes, measured, picture

Files = dict[str, str]

SLOW = 'import os, time\nwhile not os.path.exists("../go"):\n    time.sleep(0.01)\n'


@pytest.fixture
def project(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose campaign t1 has its baseline, 1.165."""
    return measured(tmp_path / "project", tmp_path_factory)


@pytest.fixture
def terminal(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Terminal:
    return Terminal(project.root, monkeypatch, capsys)


@pytest.fixture
def fresh(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[Project, Terminal]:
    """A project without a campaign."""
    project = Project(tmp_path / "fresh")
    return project, Terminal(project.root, monkeypatch, capsys)


def refused(
    terminal: Terminal,
    kind: str,
    *words: str,
    next_step: str,
    files: list[str] | None = None,
    stdin: str = "",
    env: dict[str, str] | None = None,
) -> Answer:
    """Asks twice, in text and in JSON, and looks at every byte of the project before and after."""
    before = picture(terminal.folder)
    plain = terminal.call(*words, stdin=stdin, env=env)
    answer = terminal.ask(*words, stdin=stdin, env=env)
    assert (plain.code, answer.code) == (3, 3), answer
    assert answer["status"] == "refused"
    assert answer["kind"] == kind
    assert answer["reason"]
    assert next_step in answer["next"]
    assert answer["next"] in plain.out
    assert plain.out.count("\n") <= 5 or kind == "edit"
    assert len(plain.out) <= 600
    if files is not None:
        assert answer["files"] == files
        for path in files[:5]:
            assert path in plain.out
    assert not changes(before, picture(terminal.folder))
    return answer


# ---- setup -------------------------------------------------------------------------------------


def test_setup_on_a_tag_that_exists(project: Project, terminal: Terminal) -> None:
    answer = refused(terminal, "campaign exists", "setup", next_step="`agent-loops try`")
    assert "t1" in answer["reason"]
    project.bind(run_tag="t2")
    answer = refused(terminal, "campaign exists", "setup", next_step="`agent-loops stop`")
    assert "t1" in answer["reason"]
    assert not (project.root / "sandbox/t2").exists()


def test_setup_on_the_tag_of_a_stopped_or_an_older_campaign(
    project: Project, terminal: Terminal
) -> None:
    terminal.call("stop")
    refused(terminal, "campaign exists", "setup", next_step="`agent-loops resume`")
    project.bind(run_tag="t2")
    assert terminal.call("setup").code == 0
    terminal.call("stop")
    project.bind(run_tag="t1")
    answer = refused(terminal, "campaign exists", "setup", next_step="run_tag")
    assert "t1" in answer["reason"]


def test_a_stopped_campaign_is_settled_before_another_begins(
    running: Project, terminal: Terminal
) -> None:
    """Its candidate lies in the files until then, and would be the other one's baseline."""
    terminal.call("stop")
    running.bind(run_tag="t2")
    answer = refused(terminal, "campaign exists", "setup", next_step="`agent-loops wait`")
    assert "experiment 2" in answer["reason"]
    running.write("../go", "")
    assert running.ask("wait")["status"] == "keep"
    assert terminal.call("setup").code == 0
    terminal.call("stop")

    running.bind()
    assert (terminal.ask("resume")["tag"], terminal.ask("resume")["status"]) == ("t1", "active")
    running.bind(run_tag="t2")
    refused(terminal, "campaign exists", "resume", next_step="`agent-loops stop`")


def test_an_experiment_that_waits_for_its_next_run_holds_up_another_campaign(
    running: Project, terminal: Terminal
) -> None:
    terminal.call("stop")
    [*_, started] = running.events("run_started")
    for pid in (started["pid"], *processes_with(started["marker"])):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    status = running.ask("status")
    assert (status["running"], status["unrecorded"]) == (None, 2)
    assert status["next"] == "agent-loops wait"
    assert "#2 has ended" in running.call("status").out
    held = running.ask("wait", "--wait-s", "0")  # lost: it is to be run again
    assert (held["status"], held["next"]) == ("running", "agent-loops resume")
    assert "held: the campaign is stopped" in "; ".join(held["notes"])
    assert "#2 waits for its next run" in running.call("wait").out
    assert running.ask("status")["next"] == "agent-loops resume"
    assert "#2 waits for its next run" in running.call("status").out
    running.bind(run_tag="t2")
    refused(terminal, "campaign exists", "setup", next_step="set `run_tag: t1`")
    running.bind()
    running.write("../go", "")
    assert terminal.call("resume").code == 0
    assert running.ask("wait")["status"] == "keep"


def test_campaigns_take_turns_on_one_project(project: Project, terminal: Terminal) -> None:
    """Another campaign's folder, made since, is nothing that could change what is measured."""
    terminal.call("stop")
    project.bind(run_tag="t2")
    assert terminal.call("setup").code == 0
    project.edit("LR = 0.01", "LR = 0.03")
    terminal.call("stop")
    project.bind()
    answer = terminal.ask("resume")
    assert (answer["tag"], answer["next"].partition(",")[0]) == ("t1", "agent-loops checkout 1")
    assert terminal.ask("checkout", "1").code == 0
    [rescued] = project.events("rescued")
    assert "LR = 0.03" in (project.root / rescued["folder"] / "train.py").read_text()
    refused(terminal, "nothing edited", "try", "x", next_step="--edit")
    (project.root / "sandbox/t2").rename(project.root / "hidden")
    refused(terminal, "scope", "try", "x", next_step="move them out", files=["hidden/"])


def test_setup_without_a_tag_takes_the_next_free_one_of_the_day(
    fresh: tuple[Project, Terminal],
) -> None:
    project, terminal = fresh
    project.bind(run_tag=None)
    first = terminal.ask("setup")["tag"]
    refused(terminal, "campaign exists", "setup", next_step="`agent-loops stop`")
    terminal.call("stop")
    assert terminal.ask("setup")["tag"] == f"{first}-2"


def test_a_command_without_a_campaign_says_to_set_one_up(
    fresh: tuple[Project, Terminal],
) -> None:
    _, terminal = fresh
    for words in (
        ["try", "x"],
        ["wait"],
        ["status"],
        ["stop"],
        ["override", "1", "keep", "--why", "x"],
    ):
        refused(terminal, "no campaign", *words, next_step="`agent-loops setup`")


# ---- what was frozen ---------------------------------------------------------------------------


def test_changed_bindings_are_refused_by_key(project: Project, terminal: Terminal) -> None:
    project.edit("LR = 0.01", "LR = 0.03")
    project.bind(metric_direction="maximize", timeout_minutes=3, stop_after="8h")
    answer = refused(
        terminal, "bindings", "try", "x", next_step="rebaseline", files=["loop.run.yaml"]
    )
    for key in ("metric_direction", "timeout_minutes", "stop_after"):
        assert key in answer["reason"].replace(",", "").split()
    assert "LR = 0.03" in project.read("train.py")


def test_bindings_that_say_the_same_otherwise_are_no_change(
    project: Project, terminal: Terminal
) -> None:
    lines = project.read("loop.run.yaml").splitlines()
    project.write("loop.run.yaml", "# mine\n" + "\n".join(reversed(lines)) + "\nloop: karpathy\n")
    refused(terminal, "nothing edited", "try", "x", next_step="--edit")


def test_bindings_that_became_wrong_are_a_mistake_and_lose_nothing(
    project: Project, terminal: Terminal
) -> None:
    project.write("loop.run.yaml", project.read("loop.run.yaml") + "bugdet: 5 min\n")
    before = picture(project.root)
    answer = terminal.call("try", "x")
    assert answer.code == 2
    assert "did you mean `budget`" in answer.err
    assert terminal.call("status").code == 0
    assert not changes(before, picture(project.root))


def _append(root: Path) -> None:
    path = root / "prepare.py"
    path.write_text(path.read_text() + "# more\n")


def _delete(root: Path) -> None:
    (root / "prepare.py").unlink()


def _same_size_and_times(root: Path) -> None:
    path = root / "prepare.py"
    status = path.stat()
    path.write_text(path.read_text().replace("1.0 / width", "0.5 / width"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_size == status.st_size
    assert path.stat().st_mtime_ns == status.st_mtime_ns


def _link(root: Path) -> None:
    content = (root / "prepare.py").read_bytes()
    (root.parent / "elsewhere.py").write_bytes(content)
    (root / "prepare.py").unlink()
    (root / "prepare.py").symlink_to("../elsewhere.py")


def _folder(root: Path) -> None:
    (root / "prepare.py").unlink()
    (root / "prepare.py").mkdir()


@pytest.mark.parametrize("change", [_append, _delete, _same_size_and_times, _link, _folder])
def test_a_changed_harness(
    project: Project, terminal: Terminal, change: Callable[[Path], None]
) -> None:
    refused(terminal, "nothing edited", "try", "x", next_step="--edit")  # the harness is cached
    project.edit("LR = 0.01", "LR = 0.03")
    change(project.root)
    refused(terminal, "harness", "try", "x", next_step="rebaseline --why", files=["prepare.py"])
    assert "LR = 0.03" in project.read("train.py")


def test_the_harness_is_looked_at_before_an_edit_is_written(
    project: Project, terminal: Terminal
) -> None:
    _append(project.root)
    block = edit_block("train.py", "LR = 0.01", "LR = 0.03")
    refused(
        terminal, "harness", "try", "x", "--edit", "-", stdin=block,
        next_step="rebaseline", files=["prepare.py"],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("made", "named"),
    [
        ({"helper.py": ""}, "helper.py"),
        ({"sitecustomize.py": ""}, "sitecustomize.py"),
        ({"usercustomize.py": ""}, "usercustomize.py"),
        ({"conftest.py": ""}, "conftest.py"),
        ({"numpy/__init__.py": ""}, "numpy/__init__.py"),
        ({"prepare/__init__.py": ""}, "prepare/__init__.py"),
        ({"a.pth": "import x"}, "a.pth"),
        (
            {"prepare.cpython-311-x86_64-linux-gnu.so": ""},
            "prepare.cpython-311-x86_64-linux-gnu.so",
        ),
        ({"prepare.abi3.so": ""}, "prepare.abi3.so"),
        ({"run.sh": ""}, "run.sh"),
        ({"setup.cfg": ""}, "setup.cfg"),
        ({"config/lr.yaml": "lr: 1"}, "config/lr.yaml"),
        ({".env": "A=1"}, ".env"),
        ({"prepare.pyc": ""}, "prepare.pyc"),
        ({"ignored/helper.py": ""}, "ignored/helper.py"),
        ({"hidden/pyvenv.cfg": "", "hidden/helper.py": ""}, "hidden/"),
        ({"hidden/conda-meta": "", "hidden/deep/helper.py": ""}, "hidden/"),
        ({"hidden/journal.jsonl": "", "hidden/helper.py": ""}, "hidden/"),
        ({"hidden/pkg/pyvenv.cfg": "", "hidden/pkg/helper.py": ""}, "hidden/pkg/"),
        ({"sandbox/t1x/helper.py": ""}, "sandbox/t1x/helper.py"),
        ({"naïve 'name'.py": ""}, "naïve 'name'.py"),
    ],
)
def test_a_new_source_file_out_of_scope(
    project: Project, terminal: Terminal, made: Files, named: str
) -> None:
    project.edit("LR = 0.01", "LR = 0.03")
    for path, text in made.items():
        project.write(path, text)
    refused(terminal, "scope", "try", "x", next_step="move them out", files=[named])
    assert "LR = 0.03" in project.read("train.py")


def test_a_file_that_git_ignores_is_noticed_too(fresh: tuple[Project, Terminal]) -> None:
    project, terminal = fresh
    project.write(".gitignore", "ignored/\nsandbox/\n.agent-loops/\n")
    commit_all(project.root)
    project.baseline()
    project.edit("LR = 0.01", "LR = 0.03")
    project.write("ignored/helper.py", "")
    refused(terminal, "scope", "try", "x", next_step="move them out", files=["ignored/helper.py"])


@pytest.mark.parametrize("target", ["../elsewhere", "../elsewhere/helper.py", "nowhere"])
def test_a_new_symlink_out_of_scope(project: Project, terminal: Terminal, target: str) -> None:
    project.write("../elsewhere/helper.py", "")
    project.edit("LR = 0.01", "LR = 0.03")
    (project.root / "link").symlink_to(target)
    refused(terminal, "scope", "try", "x", next_step="move them out", files=["link"])


def test_many_new_files_are_counted_not_all_named(project: Project, terminal: Terminal) -> None:
    for number in range(20):
        project.write(f"new{number:02}.py", "")
    project.edit("LR = 0.01", "LR = 0.03")
    answer = refused(terminal, "scope", "try", "x", next_step="move them out")
    assert "new00.py" in answer["reason"]
    assert "15 more" in answer["reason"]
    assert len(answer["files"]) == 20


@pytest.mark.parametrize("path", ["notes.md", "plot.png", "data.bin", "out/model.pt"])
def test_prose_pictures_and_data_may_appear(
    project: Project, terminal: Terminal, path: str
) -> None:
    project.write(path, "x")
    refused(terminal, "nothing edited", "try", "x", next_step="--edit")


def test_long_and_odd_names_of_files_make_no_long_answer(
    project: Project, terminal: Terminal
) -> None:
    names = [f"{letter * 180}\n.py" for letter in "abcdefg"]
    for name in names:
        project.write(name, "")
    refused(terminal, "scope", "try", "x", next_step="move them out")
    project.write("loop.run.yaml", project.read("loop.run.yaml") + f"{'k' * 400}: 1\n")
    for words in (["try", "x"], ["no-such-command"], ["override", "1"]):
        answer = terminal.ask(*words)
        assert (answer.code, answer["status"]) == (2, "usage")
        assert answer["next"]
        assert {"schema", "experiment", "metric", "incumbent", "notes"} <= answer.values.keys()


def test_a_lock_that_somebody_holds_is_a_refusal(
    project: Project, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaigns, "_LOCK_WAIT_S", 0.05)
    project.edit("LR = 0.01", "LR = 0.03")
    with files.locked(project.sandbox / "lock", wait_s=1):
        refused(terminal, "busy", "try", "x", next_step="again in a moment")


# ---- what was tried ----------------------------------------------------------------------------


def test_nothing_edited(project: Project, terminal: Terminal) -> None:
    (project.root / "train.py").touch()
    answer = refused(
        terminal, "nothing edited", "try", "x", next_step="`--repeat`", files=["train.py"]
    )
    assert "#1" in answer["reason"]


def test_identical_to_an_earlier_experiment_until_repeat(
    project: Project, terminal: Terminal
) -> None:
    project.edit("LR = 0.01", "LR = 0.001")
    assert project.ask("try", "smaller steps")["status"] == "discard"
    assert "LR = 0.01\n" in project.read("train.py")
    project.edit("LR = 0.01", "LR = 0.001")
    answer = refused(terminal, "duplicate", "try", "tiny", next_step="`--repeat` runs it again")
    assert answer["next"].endswith("train.py stays edited until `agent-loops checkout 1`")
    assert terminal.ask("status")["edited"] == "train.py: the code of #2"
    for figure in ("#2", "smaller steps", "discard", "1.174000"):
        assert figure in answer["reason"]
    assert "LR = 0.001" in project.read("train.py")
    again = project.ask("try", "tiny", "--repeat")
    assert (again.code, again["experiment"], again["status"]) == (0, 3, "discard")
    assert len(project.events("run_finished")) == 3


def test_a_crash_is_no_reading_and_may_be_tried_again(project: Project) -> None:
    block = edit_block("train.py", "import prepare", "import os\nos._exit(3)")
    first = project.ask("try", "crash", "--edit", "-", stdin=block)
    assert first["status"] == "crash"
    assert project.ask("try", "crash", "--edit", "-", stdin=block)["experiment"] == 3
    assert len(project.rows()) == 3


def test_more_repeats_than_anybody_wants_are_a_slip(project: Project) -> None:
    answer = project.call("try", "how noisy", "--repeat", "1000000")
    assert answer.code == 2
    assert "more than 100 runs" in answer.err


def test_repeat_measures_the_incumbent_again(project: Project) -> None:
    answer = project.ask("try", "how noisy", "--repeat", "2")
    assert answer.code == 0
    assert (answer["status"], answer["kind"]) == ("discard", "repeat")
    assert "3 readings" in answer["reason"]
    assert answer["incumbent"] == {"experiment": 1, "metric": 1.165}


# ---- the baseline comes first ------------------------------------------------------------------


def test_the_baseline_comes_first(fresh: tuple[Project, Terminal]) -> None:
    project, terminal = fresh
    project.setup()
    block = edit_block("train.py", "LR = 0.01", "LR = 0.03")
    refused(
        terminal, "baseline first", "try", "x", "--edit", "-", stdin=block,
        next_step="agent-loops try baseline",
    )  # fmt: skip
    project.edit("LR = 0.01", "LR = 0.03")
    refused(
        terminal, "baseline first", "try", "x", next_step="`agent-loops checkout 1`",
        files=["train.py"],
    )  # fmt: skip
    refused(terminal, "no experiment", "wait", next_step="try baseline")
    answer = terminal.ask("checkout", "1")
    assert answer.code == 0
    assert "train.py" in str(answer["notes"])
    assert project.ask("try", "baseline")["metric"] == 1.165
    [rescued] = project.events("rescued")
    assert "LR = 0.03" in (project.root / rescued["folder"] / "train.py").read_text()


# ---- while a run goes on -----------------------------------------------------------------------


@pytest.fixture
def running(project: Project) -> Project:
    """Experiment 2 goes on until the file `go` appears beside the project."""
    project.edit("import prepare", "import prepare\n" + SLOW + "# slow")
    project.edit("LR = 0.01", "LR = 0.03")
    answer = project.ask("try", "slow", "--wait-s", "0")
    assert (answer.code, answer["status"]) == (0, "running")
    return project


def test_while_a_run_goes_on_nothing_else_starts(running: Project, terminal: Terminal) -> None:
    answer = refused(terminal, "running", "try", "y", next_step="`agent-loops wait`")
    assert "2" in answer["reason"]
    block = edit_block("train.py", "LR = 0.01", "LR = 0.02")
    refused(
        terminal, "running", "try", "y", "--edit", "-", stdin=block, next_step="`agent-loops wait`"
    )
    refused(terminal, "running", "try", "y", "--repeat", next_step="`agent-loops wait`")
    refused(terminal, "running", "checkout", "1", next_step="`agent-loops wait`")
    refused(
        terminal, "running", "override", "1", "discard", "--why", "x",
        next_step="`agent-loops wait`",
    )  # fmt: skip
    refused(terminal, "running", "rebaseline", "--why", "x", next_step="`agent-loops wait`")
    refused(terminal, "campaign exists", "setup", next_step="`agent-loops try`")
    before = picture(running.root)
    for words in (["status"], ["history"], ["show", "2"], ["diff", "2"], ["wait", "--wait-s", "0"]):
        assert terminal.call(*words).code == 0
    assert not changes(before, picture(running.root))
    assert terminal.call("show", "1").out.startswith("#1 keep")
    assert terminal.ask("show", "2")["status"] == "running"
    running.write("../go", "")
    answer = running.ask("wait")
    assert (answer["status"], answer["metric"]) == ("keep", 1.145)


def test_pause_lets_the_run_end_and_then_refuses(running: Project, terminal: Terminal) -> None:
    answer = terminal.ask("pause", "--why", "the machine is needed")
    assert (answer.code, answer["running"]) == (0, True)
    refused(terminal, "paused", "try", "y", next_step="`agent-loops resume`")
    running.write("../go", "")
    answer = running.ask("wait")
    assert (answer["status"], answer["experiment"]) == ("keep", 2)
    assert "resume" in answer["next"]
    answer = refused(terminal, "paused", "try", "y", next_step="`agent-loops resume`")
    assert "the machine is needed" in answer["reason"]
    assert len(running.rows()) == 2


def test_the_run_of_a_caller_that_went_away_is_taken_up_by_the_next(
    running: Project, terminal: Terminal
) -> None:
    running.write("../go", "")
    receipt = running.sandbox / "iter2" / "run.json"
    until(receipt.exists)
    until(lambda: terminal.call("wait", "--wait-s", "0").out.startswith("#2 keep"))
    refused(terminal, "nothing edited", "try", "y", next_step="--edit")


def test_a_record_that_goes_away_during_a_run_says_what_to_do(project: Project) -> None:
    project.edit("import prepare", "import prepare\n" + SLOW + "# slow")
    trying = subprocess.Popen(
        project.command("try", "slow", "--json"), cwd=project.root, stdout=subprocess.PIPE
    )
    log = project.sandbox / "iter2/run.log"
    until(log.exists)
    marker = project.events("run_started")[-1]["marker"]
    away = project.sandbox.rename(project.sandbox.with_name("away"))
    project.write("../go", "")
    said = json.loads(trying.communicate(timeout=30)[0])
    assert (trying.returncode, said["status"]) == (1, "failed")
    assert "put the folder back" in said["reason"]
    assert not project.sandbox.exists()
    until(lambda: not processes_with(marker))
    away.rename(project.sandbox)
    assert project.ask("wait", "--wait-s", "0")["experiment"] == 2
    assert project.call("stop", "--kill").code == 0


# ---- paused, stopped, finished -----------------------------------------------------------------


@pytest.mark.parametrize(("word", "kind"), [("pause", "paused"), ("stop", "stopped")])
def test_the_persons_switch(project: Project, terminal: Terminal, word: str, kind: str) -> None:
    project.edit("LR = 0.01", "LR = 0.03")
    assert terminal.ask(word)["status"] == kind
    refused(terminal, kind, "try", "x", next_step="`agent-loops resume`")
    refused(terminal, kind, "try", "x", "--repeat", next_step="`agent-loops resume`")
    refused(terminal, kind, "rebaseline", "--why", "x", next_step="`agent-loops resume`")
    assert terminal.ask("status")["status"] == kind
    assert terminal.ask("resume")["status"] == "active"
    assert project.ask("try", "x")["status"] == "keep"


@pytest.mark.parametrize(
    ("binding", "value", "figure", "way_on"),
    [
        ("max_experiments", 1, "1 done", "rebaseline --why"),
        ("target", 1.2, "1.165", "rebaseline --why"),
        ("stop_after", "0.02 s", "h", "resume --until T"),
    ],
)
def test_a_finished_campaign(
    fresh: tuple[Project, Terminal], binding: str, value: object, figure: str, way_on: str
) -> None:
    project, terminal = fresh
    project.bind(**{binding: value})
    project.setup()
    answer = project.ask("try", "baseline")
    assert "finished" in answer["next"]
    assert terminal.ask("status")["status"] == "finished"
    project.edit("LR = 0.01", "LR = 0.03")
    answer = refused(terminal, "finished", "try", "x", next_step=way_on)
    assert f"{binding}: " in answer["reason"]
    assert figure in answer["reason"]


def test_a_raised_limit_goes_on_through_rebaseline_alone_and_nothing_is_measured(
    fresh: tuple[Project, Terminal],
) -> None:
    project, terminal = fresh
    project.bind(max_experiments=1)
    project.baseline()
    terminal.call("stop")
    answer = terminal.ask("resume")
    assert (answer["status"], answer["next"].partition(":")[0]) == ("finished", "max_experiments")
    assert "raise the limit" in answer["next"]
    refused(terminal, "finished", "rebaseline", "--why", "x", next_step="loop.run.yaml")
    project.bind(max_experiments=1, timeout_minutes=5)
    refused(terminal, "finished", "rebaseline", "--why", "x", next_step="loop.run.yaml")
    project.edit("LR = 0.01", "LR = 0.03")  # an edit under way is in nobody's way
    project.bind(max_experiments=2, timeout_minutes=5, keep_outputs="none")
    refused(terminal, "bindings", "try", "x", next_step="rebaseline")
    answer = terminal.ask("rebaseline", "--why", "there is time")
    assert (answer.code, answer["status"]) == (0, "rebaselined")
    assert answer["changed"] == ["keep_outputs", "max_experiments", "timeout_minutes"]
    assert answer["incumbent"] == {"experiment": 1, "metric": 1.165}
    answer = project.ask("try", "x")
    assert (answer["experiment"], answer["status"], answer["timeout_s"]) == (2, "keep", 300)
    assert answer["delta"] == pytest.approx(0.02)
    refused(terminal, "finished", "try", "y", next_step="rebaseline")


@pytest.mark.parametrize("path", ["prepare.py", "sandbox/t1/harness.json"])
def test_a_limit_changed_beside_the_harness_is_measured_anew(project: Project, path: str) -> None:
    project.bind(max_experiments=9)
    project.write(path, project.read(path) + "# more\n")
    answer = project.ask("rebaseline", "--why", "both")
    assert (answer["experiment"], answer["kind"]) == (2, "baseline")


def test_bindings_are_mended_before_there_is_a_reading(fresh: tuple[Project, Terminal]) -> None:
    project, terminal = fresh
    project.bind(run_cmd="pyhton train.py")
    project.setup()
    project.bind(run_cmd="python4 train.py")
    refused(terminal, "bindings", "try", "baseline", next_step="rebaseline --why")
    assert project.ask("rebaseline", "--why", "a typo")["status"] == "crash"
    project.bind()
    refused(terminal, "bindings", "try", "baseline", next_step="rebaseline --why")
    answer = project.ask("rebaseline", "--why", "another")
    assert (answer["status"], answer["metric"]) == ("keep", 1.165)


# ---- one session at a time ---------------------------------------------------------------------


def test_another_sessions_campaign(project: Project, terminal: Terminal) -> None:
    first, second = {"CLAUDE_CODE_SESSION_ID": "one"}, {"CLAUDE_CODE_SESSION_ID": "two"}
    project.edit("LR = 0.01", "LR = 0.03")
    assert project.ask("try", "x", env=first)["status"] == "keep"
    project.edit("LR = 0.03", "LR = 0.04")
    for words in (
        ["try", "y"], ["checkout", "1"], ["override", "2", "discard", "--why", "x"],
        ["rebaseline", "--why", "x"], ["resume"],
    ):  # fmt: skip
        answer = refused(
            terminal, "another session", *words, env=second, next_step="resume --take-over"
        )
        assert "one" in answer["reason"]
    assert terminal.call("status", env=second).code == 0
    assert terminal.ask("resume", "--take-over", env=second)["status"] == "active"
    refused(terminal, "another session", "try", "y", env=first, next_step="resume --take-over")
    assert project.ask("try", "y", env=second)["status"] == "keep"
    refused(terminal, "nothing edited", "try", "z", next_step="--edit")  # a person always may
    assert terminal.ask("resume")["status"] == "active"
    refused(terminal, "another session", "try", "z", env=first, next_step="resume --take-over")
    assert terminal.ask("resume", "--take-over")["status"] == "active"  # nobody's now
    refused(terminal, "nothing edited", "try", "z", env=first, next_step="--edit")


# ---- override ----------------------------------------------------------------------------------


def test_override_is_for_the_last_settled_idea_only(project: Project, terminal: Terminal) -> None:
    why = ["--why", "simpler"]
    refused(terminal, "override", "override", "1", "discard", *why, next_step="next idea")
    refused(terminal, "override", "override", "7", "keep", *why, next_step="next idea")
    block = edit_block("train.py", "import prepare", "import nothing_like_it")
    assert project.ask("try", "crash", "--edit", "-", stdin=block)["status"] == "crash"
    answer = refused(terminal, "override", "override", "2", "keep", *why, next_step="next idea")
    assert "crash" in answer["reason"]
    answer = refused(terminal, "override", "override", "1", "discard", *why, next_step="next idea")
    assert "(2)" in answer["reason"]
    assert terminal.call("override", "2", "keep").code == 2  # without a reason
    assert terminal.call("override", "2", "crash", *why).code == 2


def test_a_worse_one_is_kept_only_within_the_tolerance_and_with_fewer_lines(
    project: Project, terminal: Terminal
) -> None:
    project.edit("LR = 0.01", "LR = 0.0095")
    assert project.ask("try", "barely worse, no shorter")["status"] == "discard"
    answer = refused(
        terminal, "override", "override", "2", "keep", "--why", "nicer", next_step="next idea"
    )
    assert "fewer lines" in answer["reason"]

    project.edit("LR = 0.01", "LR = 0.001")
    project.edit('    print("---")\n', "")
    assert project.ask("try", "shorter, much worse")["status"] == "discard"
    answer = refused(
        terminal, "override", "override", "3", "keep", "--why", "nicer", next_step="next idea"
    )
    assert "0.009" in answer["reason"]
    assert "override_tolerance 0.001165" in answer["reason"]

    project.edit("LR = 0.01", "LR = 0.0095")
    project.edit('    print("---")\n', "")
    tried = project.read("train.py")
    answer = project.ask("try", "shorter, barely worse")
    assert (answer["status"], answer["delta"]) == ("discard", pytest.approx(-0.0005))
    assert project.read("train.py") != tried
    answer = terminal.ask("override", "4", "keep", "--why", "a line less")
    assert (answer.code, answer["status"], answer["kind"]) == (0, "keep", "override")
    assert answer["reason"] == "a line less"
    assert answer["incumbent"]["experiment"] == 4
    assert answer["best"]["experiment"] == 1
    assert project.read("train.py") == tried
    assert [row[3] for row in project.rows()] == ["keep", "discard", "discard", "keep"]


def test_discard_after_keep_and_back_again(project: Project, terminal: Terminal) -> None:
    before = project.read("train.py")
    project.edit("LR = 0.01", "LR = 0.03")
    after = project.read("train.py")
    assert project.ask("try", "more")["status"] == "keep"
    refused(terminal, "override", "override", "2", "keep", "--why", "x", next_step="next idea")
    answer = terminal.ask("override", "2", "discard", "--why", "ugly")
    assert (answer["status"], answer["reason"]) == ("discard", "ugly")
    assert answer["incumbent"]["experiment"] == 1
    assert project.read("train.py") == before
    assert project.rows()[1][3] == "discard"
    answer = terminal.ask("override", "2", "keep", "--why", "not so ugly")
    assert (answer.code, answer["status"]) == (0, "keep")
    assert project.read("train.py") == after
    assert project.rows()[1][3] == "keep"
    assert len(project.rows()) == 2


def test_override_rescues_an_edit_that_was_begun(project: Project, terminal: Terminal) -> None:
    project.edit("LR = 0.01", "LR = 0.03")
    project.ask("try", "more")
    project.edit("WIDTH = 8", "WIDTH = 9")
    answer = terminal.ask("override", "2", "discard", "--why", "ugly")
    assert answer.code == 0
    [rescued] = project.events("rescued")
    assert rescued["folder"] in str(answer["notes"])
    kept = (project.root / rescued["folder"] / "train.py").read_text()
    assert "WIDTH = 9" in kept
    assert "LR = 0.03" in kept
    assert "LR = 0.01\nWIDTH = 8" in project.read("train.py")


# ---- checkout ----------------------------------------------------------------------------------


def test_checkout_of_what_was_never_tried(project: Project, terminal: Terminal) -> None:
    project.edit("LR = 0.01", "LR = 0.03")
    for words in (["checkout", "2"], ["show", "2"], ["diff", "99"]):
        refused(terminal, "no experiment", *words, next_step="`agent-loops history`")
    for number in ("0", "-1", "one", "1.5"):
        assert terminal.call("checkout", number).code == 2


def test_before_the_baseline_there_is_only_what_setup_found(
    fresh: tuple[Project, Terminal],
) -> None:
    project, terminal = fresh
    assert terminal.call("setup").code == 0
    for words in (["show", "1"], ["diff", "1"], ["checkout", "2"], ["wait"]):
        refused(terminal, "no experiment", *words, next_step="`agent-loops try baseline`")
    before = project.read("train.py")
    project.edit("LR = 0.01", "LR = 0.03")
    answer = terminal.ask("checkout", "1")
    assert (answer.code, answer["next"]) == (0, "agent-loops try baseline")
    assert project.read("train.py") == before


def test_checkout_rescues_edits_but_not_what_is_saved_already(
    project: Project, terminal: Terminal
) -> None:
    tried = {}
    for number, rate in ((2, "0.001"), (3, "0.002")):
        project.edit("LR = 0.01", f"LR = {rate}")
        tried[number] = project.read("train.py")
        assert project.ask("try", rate)["status"] == "discard"
    for number in (2, 3, 1, 2):
        answer = terminal.ask("checkout", str(number))
        assert (answer.code, answer["notes"]) == (0, []), answer
        assert project.read("train.py") == tried.get(number, project.read("train.py"))
    assert not project.events("rescued")
    project.edit("WIDTH = 8", "WIDTH = 9")
    answer = terminal.ask("checkout", "1")
    [rescued] = project.events("rescued")
    assert rescued["folder"] in str(answer["notes"])
    assert "WIDTH = 9" in (project.root / rescued["folder"] / "train.py").read_text()


def test_checkout_of_what_builds_on_an_older_one_says_so(
    project: Project, terminal: Terminal
) -> None:
    for rate, verdict in (("0.001", "discard"), ("0.03", "keep"), ("0.002", "discard")):
        project.edit("LR = " + re.findall("LR = (.*)", project.read("train.py"))[0], f"LR = {rate}")
        assert project.ask("try", rate)["status"] == verdict
    notes = {number: terminal.ask("checkout", str(number))["notes"] for number in (2, 3, 4)}
    compared = "the next try is still compared with the incumbent #3"
    assert notes == {2: [f"it builds on #1; {compared}"], 3: [], 4: []}


# ---- rebaseline --------------------------------------------------------------------------------


def test_a_mended_harness_is_measured_anew_and_never_compared_with_before(
    project: Project, terminal: Terminal
) -> None:
    project.edit("LR = 0.01", "LR = 0.03")
    assert project.ask("try", "more")["metric"] == 1.145
    project.edit("return 1.0 +", "return 2.0 +", "prepare.py")
    refused(terminal, "harness", "try", "x", next_step="rebaseline", files=["prepare.py"])
    answer = project.ask("rebaseline", "--why", "the loss was wrong")
    assert answer.code == 0, answer
    assert (answer["experiment"], answer["status"], answer["kind"]) == (3, "keep", "baseline")
    assert (answer["metric"], answer["delta"]) == (2.145, None)
    assert answer["incumbent"] == answer["best"] == {"experiment": 3, "metric": 2.145}
    status = terminal.ask("status")
    assert status["baseline"]["experiment"] == 3
    assert status["gain"] == 0

    project.edit("LR = 0.03", "LR = 0.01")  # the code of experiment 1, measured anew
    answer = project.ask("try", "less")
    assert (answer["experiment"], answer["status"], answer["metric"]) == (4, "discard", 2.165)
    project.edit("LR = 0.03", "LR = 0.04")
    answer = project.ask("try", "more still")
    assert (answer["status"], answer["delta"]) == ("keep", pytest.approx(0.01))
    assert answer["best"]["experiment"] == 5
    assert terminal.ask("status")["gain"] == pytest.approx(0.01)
    assert terminal.ask("checkout", "1").code == 0
    assert "LR = 0.01" in project.read("train.py")


def test_changed_bindings_pass_through_rebaseline_alone(
    project: Project, terminal: Terminal
) -> None:
    project.bind(metric_direction="maximize")
    refused(terminal, "bindings", "try", "x", next_step="rebaseline", files=["loop.run.yaml"])
    assert terminal.call("rebaseline").code == 2  # without a reason
    answer = project.ask("rebaseline", "--why", "more is better")
    assert (answer.code, answer["status"]) == (0, "keep")
    project.edit("LR = 0.01", "LR = 0.001")
    assert project.ask("try", "less")["status"] == "keep"


def test_another_metric_is_never_shown_beside_the_first(
    project: Project, terminal: Terminal
) -> None:
    project.edit("LR = 0.01", "LR = 0.03")
    assert project.ask("try", "larger steps")["status"] == "keep"
    assert terminal.ask("status")["gain"] == pytest.approx(0.02)
    project.edit("return 1.0 +", "return 1.0  +", "prepare.py")
    answer = project.ask("rebaseline", "--why", "a space")
    assert answer["description"] == "larger steps (rebaseline: a space)"
    status = terminal.ask("status")
    assert (status["gain"], status["gain_before_rebaseline"]) == (0, pytest.approx(0.02))
    assert "0.02 before the rebaseline" in unwrapped(terminal.call("status"))
    assert [row[0] for row in project.rows()] == ["1", "2", "3"]

    project.bind(metric="peak_vram_mb")
    answer = project.ask("rebaseline", "--why", "memory counts")
    assert answer["description"] == "larger steps (rebaseline: memory counts)"
    assert (answer["metric"], answer["status"]) == (512.0, "keep")
    table = (project.sandbox / "results.tsv").read_text().splitlines()
    assert [line.split("\t")[1] for line in table] == ["peak_vram_mb", "512.0"]
    assert "val_bpb 1.145000" in terminal.call("show", "2").out
    assert [line.split()[2:4] for line in terminal.call("history").out.splitlines()[1:]] == [
        ["val_bpb", "1.145000"], ["val_bpb", "1.145000"], ["512.0", "larger"],
    ]  # fmt: skip
    assert [row["metric_name"] for row in terminal.ask("history")["experiments"]] == [
        *["val_bpb"] * 3, "peak_vram_mb",
    ]  # fmt: skip
    assert terminal.ask("status")["gain_before_rebaseline"] == 0
    project.edit("512.0", "256.0")
    assert project.ask("try", "less memory")["status"] == "keep"
    assert len(project.rows()) == 2


def test_what_was_measured_before_a_rebaseline_is_not_overridden(
    project: Project, terminal: Terminal
) -> None:
    project.edit("LR = 0.01", "LR = 0.001")
    assert project.ask("try", "smaller")["status"] == "discard"
    project.bind(metric_direction="maximize")
    terminal.call("rebaseline", "--why", "x", "--wait-s", "0")
    journal = project.sandbox / "journal.jsonl"
    kept = journal.read_bytes().split(b"experiment_started")
    project.ask("wait")
    # As a kill between the two records of a rebaseline leaves it.
    journal.write_bytes(b"experiment_started".join(kept[:-1]).rpartition(b"\n")[0] + b"\n")
    terminal.call("wait")
    answer = refused(
        terminal, "override", "override", "2", "keep", "--why", "x", next_step="next idea"
    )
    assert "before the rebaseline" in answer["reason"]


@pytest.mark.parametrize("key", ["run_tag", "sandbox_root", "iter_strategy"])
def test_what_names_a_campaign_cannot_change_in_it(
    project: Project, terminal: Terminal, key: str
) -> None:
    other = {"run_tag": "t2", "sandbox_root": "elsewhere", "iter_strategy": "branches"}
    project.bind(**{key: other[key]})
    answer = refused(terminal, "bindings", "rebaseline", "--why", "x", next_step=f"put {key} back")
    assert key in answer["reason"]
    said = refused(terminal, "bindings", "try", "x", next_step="`agent-loops setup`")
    assert key in said["reason"]
    assert "rebaseline" not in said["next"]
    assert said["reason"].startswith(key), "what follows from the tag is nothing that was written"
    assert key in terminal.ask("status")["in_the_way"][0]


def test_rebaseline_refuses_an_edited_incumbent(project: Project, terminal: Terminal) -> None:
    project.edit("LR = 0.01", "LR = 0.03")
    refused(
        terminal, "edits", "rebaseline", "--why", "x", next_step="`agent-loops checkout 1`",
        files=["train.py"],
    )  # fmt: skip
    (project.root / "train.py").unlink()
    answer = terminal.ask("rebaseline", "--why", "x")
    assert answer.code in (2, 3)
    assert "train.py" in answer["reason"]
    assert len(project.events("rebaselined")) == 0


def test_rebaseline_refuses_a_new_editable_file_but_takes_newly_editable_ones(
    fresh: tuple[Project, Terminal],
) -> None:
    project, terminal = fresh
    project.write("models/one.py", "")
    project.bind(editable_files=["train.py", "models/*.py"])
    project.baseline()
    project.write("models/two.py", "")
    refused(
        terminal, "edits", "rebaseline", "--why", "x", next_step="`agent-loops checkout 1`",
        files=["models/two.py"],
    )  # fmt: skip
    (project.root / "models/two.py").unlink()
    project.write("layers/one.py", "")
    project.bind(editable_files=["train.py", "models/*.py", "layers/*.py"])
    answer = project.ask("rebaseline", "--why", "layers too")
    assert (answer.code, answer["status"]) == (0, "keep")
    project.write("layers/one.py", "x = 1\n")
    project.edit("LR = 0.01", "LR = 0.03")
    assert project.ask("try", "x")["status"] == "keep"


# ---- what status says of it beforehand ---------------------------------------------------------


def test_status_says_what_is_in_the_way_and_writes_nothing(
    project: Project, terminal: Terminal
) -> None:
    assert terminal.ask("status")["in_the_way"] == []
    project.write("prepare.py", project.read("prepare.py") + "# changed\n")
    project.edit("LR = 0.01", "LR = 0.02")
    before = picture(terminal.folder)
    answer = terminal.ask("status")
    assert "prepare.py" in answer["in_the_way"][0]
    assert answer["edited"] == "train.py, not tried yet"
    assert "in the way: the harness is not as it was frozen" in terminal.call("status").out
    assert not changes(before, picture(terminal.folder))


@pytest.mark.parametrize("word", ["pause", "stop"])
def test_why_it_is_held_is_told(terminal: Terminal, word: str) -> None:
    terminal.call("note", "look at the warmup")
    terminal.call(word, "--why", "the desk is on fire")
    kind = {"pause": "paused", "stop": "stopped"}[word]
    answer = refused(terminal, kind, "try", "x", next_step="`agent-loops resume`")
    assert answer["reason"].endswith(f"{kind} by the person: the desk is on fire")
    out = terminal.call("status").out
    assert f"{kind}: the desk is on fire" in out
    assert "the person says: look at the warmup" in out
