"""The scripts of an analysis plan: limits, what they leave out, kills, running them again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from faults import CLIENT, SUPERVISOR, Commands, strides
from grounded import SCRIPT, attempt, bind, lr, new_file, plan, project_in, row
from small_campaign import NAME, NAME_ITSELF, Call, copied, quick_folder, small
from support import Answer, Project, edit_block, processes_with, until
from test_kills import walk

ROW = row("analysis/a.py", "analysis/a.csv")
WRITES = "open('analysis/a.csv', 'w').write('x\\n1.5\\n')\n"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A campaign with its baseline."""
    project = project_in(tmp_path_factory.mktemp("begun") / "p")
    project.baseline()
    return project


@pytest.fixture
def project(template: Project, tmp_path: Path) -> Project:
    """A campaign of its own with its baseline, made quickly: its record says where it began."""
    project = copied(template, tmp_path / "p")
    journal = project.sandbox / "journal.jsonl"
    old, new = str(template.root).encode(), str(project.root).encode()
    journal.write_bytes(journal.read_bytes().replace(old, new))
    for name in ("fold.cache.json", "belief.cache.json"):
        (project.sandbox / name).unlink(missing_ok=True)
    return project


def with_script(script: str, *rows: str) -> str:
    return lr("0.03") + plan(*(rows or (ROW,))) + new_file("analysis/a.py", script)


def next_one(project: Project) -> Answer:
    """Another idea that would be in order."""
    return attempt(
        project, lr("0.04", "0.03") + plan(row()), anchor="results/summary.json:headroom=0.04"
    )


FAULTS = [
    ("import json\n1 / 0\n", "exit code 1: ZeroDivisionError: division by zero"),
    ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n", "ended by signal 9"),
    ("print('thought about it')\n", "the file is not there; a script writes it from iter<N>/"),
    ("open('analysis/a.csv', 'w')\n", "the file is empty"),
    ("import os\nos.mkdir('analysis/a.csv')\n", "the file is no regular file"),
    ("import os\nos.mkfifo('analysis/a.csv')\n", "the file is no regular file"),
    ("import os\nos.symlink('/etc/passwd', 'analysis/a.csv')\n", "the file is a link"),
    ("import no_such_library\n", "ModuleNotFoundError"),
    ("if:\n", "SyntaxError"),
]


@pytest.mark.parametrize(("script", "said"), FAULTS, ids=[row[1][:30] for row in FAULTS])
def test_a_row_without_its_file_stops_the_next_idea_but_not_this_ones_verdict(
    project: Project, script: str, said: str
) -> None:
    answer = attempt(project, with_script(script))
    assert answer["status"] == "keep"
    assert "agent-loops analyze --run 2 --edit -" in answer["next"]
    refused = next_one(project)
    assert (refused.code, refused["kind"]) == (3, "analysis")
    assert "analysis/a.py → analysis/a.csv" in refused["reason"]
    assert said in refused["reason"]
    assert "agent-loops analyze --run 2 --edit -" in refused["next"]
    assert project.ask("status")["in_the_way"]
    mended = project.ask(
        "analyze", "--run", "--edit", "-", stdin=new_file("analysis/a.py", clear_away() + WRITES)
    )
    assert (mended.code, mended["missing"]) == (0, []), mended
    assert not project.ask("status")["in_the_way"]
    assert next_one(project)["status"] == "keep"


def clear_away() -> str:
    """The folder that one of the faults leaves in the file's place."""
    return (
        "import os\nif os.path.isdir('analysis/a.csv'):\n    os.rmdir('analysis/a.csv')\n"
    )  # fmt: skip


def test_a_script_that_hangs_is_ended_with_all_that_it_started(project: Project) -> None:
    bind(project, keep_rule="plain")
    config = project.read("loop.run.yaml").replace('"20 s"', '"1 s"')
    project.write("loop.run.yaml", config)
    assert project.ask("rebaseline", "--why", "a shorter limit").code == 0
    script = (
        "import subprocess, sys, time\n"
        "code = 'import time; time.sleep(600) # agent-loops-child'\n"
        "subprocess.Popen([sys.executable, '-c', code])\n"
        "time.sleep(600)\n"
    )
    answer = attempt(project, with_script(script))
    assert answer["status"] == "keep"
    assert "ran past 1 s (`analysis_timeout`) and was ended" in " ".join(answer["notes"])
    assert processes_with("agent-loops-child") == []


def test_a_script_gets_no_input_and_its_log_is_kept(project: Project) -> None:
    script = "import sys\nprint('read', repr(sys.stdin.read()))\n" + WRITES
    assert attempt(project, with_script(script))["status"] == "keep"
    assert "read ''" in (project.sandbox / "iter2/analysis/a.log").read_text()


def test_what_a_script_writes_elsewhere_is_told_of_and_its_edits_are_put_back(
    project: Project,
) -> None:
    outside = "import os\nroot = os.environ['PYTHONPATH'].split(os.pathsep)[1]\n"
    script = outside + (
        "open(f'{root}/train.py', 'a').write('# mine\\n')\nopen(f'{root}/helper.py', 'w')\n"
    )
    answer = attempt(project, with_script(script + WRITES))
    assert answer["status"] == "keep"
    notes = " ".join(answer["notes"])
    assert "written outside iter2/ meanwhile" in notes
    assert "helper.py" in notes
    assert "# mine" not in project.read("train.py")
    refused = next_one(project)
    assert (refused.code, refused["kind"]) == (3, "scope")
    assert "helper.py" in refused["reason"]


def test_the_log_is_not_written_through_a_link(project: Project, tmp_path: Path) -> None:
    target = tmp_path / "mine.txt"
    target.write_text("mine")
    folder = project.sandbox / "iter2" / "analysis"
    folder.mkdir(parents=True)
    (folder / "a.log").symlink_to(target)
    (folder / "a.py").symlink_to(target)
    assert attempt(project, with_script(WRITES))["status"] == "keep"
    assert target.read_text() == "mine"
    shutil.rmtree(folder)
    folder.symlink_to(tmp_path)
    again = project.ask(
        "analyze", "2", "--run", "--edit", "-", stdin=new_file("analysis/a.py", WRITES)
    )
    assert (again.code, again["kind"]) == (3, "analysis")
    assert "behind a link" in again["reason"]
    assert list(tmp_path.glob("*.py")) == []


def test_a_script_cannot_lead_the_next_ones_log_elsewhere(project: Project, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "b.log").write_text("mine")
    away = "import os\nos.rename('analysis', 'old')\n"
    away += f"os.symlink({str(tmp_path / 'mine')!r}, 'analysis')\n"
    edit = with_script(away, ROW, row("analysis/b.py", "analysis/b.csv"))
    answer = attempt(project, edit + new_file("analysis/b.py", "print('b')\n"))
    assert (answer.code, answer["status"]) == (0, "keep"), answer
    assert (tmp_path / "mine" / "b.log").read_text() == "mine"
    assert len(project.ask("analyze", "2")["missing"]) == 2


def test_a_folder_of_links_is_refused_before_the_run(project: Project, tmp_path: Path) -> None:
    (project.sandbox / "iter2").mkdir()
    (project.sandbox / "iter2" / "analysis").symlink_to(tmp_path)
    refused = attempt(project, with_script(WRITES))
    assert (refused.code, refused["kind"]) == (3, "analysis")
    assert "behind a link" in refused["reason"]


def test_a_large_file_answers_its_row_and_is_named(project: Project) -> None:
    script = "with open('analysis/a.csv', 'wb') as out:\n    out.truncate(65 << 20)\n"
    answer = attempt(project, with_script(script))
    assert answer["status"] == "keep"
    assert "analysis/a.csv is 65 MiB" in " ".join(answer["notes"])
    assert next_one(project)["status"] == "keep"


def test_a_script_cannot_forge_the_record(project: Project) -> None:
    script = "open('../journal.jsonl', 'a').write('{}\\n')\n" + WRITES
    answer = attempt(project, with_script(script))
    assert answer["status"] == "keep"
    assert "the run changed the record" in " ".join(answer["notes"])
    assert project.ask("status").code == 0


def test_a_script_cannot_make_a_prediction_hold(project: Project) -> None:
    forged = "open('results/summary.json', 'w').write('{\"dead_share_max\": 0.1}')\n"
    rows = (ROW, row(output="results/layers.csv:layer"))
    answer = attempt(
        project, lr("0.015") + plan(*rows) + new_file("analysis/a.py", forged + WRITES)
    )
    notes = " ".join(answer["notes"])
    assert "results/ was changed since the verdict" in notes
    assert "unknown: dead_share_max < 0.5" in notes
    assert "held:" not in notes


@pytest.mark.parametrize("rate", ["0.03", "0.005"])
def test_a_script_that_damages_the_saved_code_leaves_the_verdict_and_a_way_on(
    project: Project, rate: str
) -> None:
    script = "import os, train\nopen(train.__file__, 'a').write('# mine\\n')\n" + WRITES
    answer = attempt(project, lr(rate) + plan(ROW) + new_file("analysis/a.py", script))
    assert answer.code == 0, answer
    assert "the saved code of #2 is damaged" in " ".join(answer["notes"])
    following = attempt(project, lr("0.04", "0.01" if rate == "0.005" else "0.03") + plan(row()))
    if answer["status"] == "keep":
        assert (following.code, following["kind"]) == (3, "damaged")
        assert "`agent-loops checkout 1`" in following["next"]
    else:
        assert following["status"] == "keep"


def test_text_of_the_agents_is_shown_clean_and_short(project: Project) -> None:
    script = "raise SystemExit('\\x1b[2J' + 'x' * 5000)\n"
    answer = attempt(project, with_script(script), predict="analysis/a.csv:a\x1b[2J < 1")
    text = project.call("wait").out
    assert "\x1b" not in text
    assert len(text) <= 600
    assert answer["status"] == "keep"
    assert "\x1b" not in project.call("analyze", "2").out


# --- once more ----------------------------------------------------------------------------------


def test_the_plan_may_be_mended_too(project: Project) -> None:
    attempt(project, with_script("1 / 0\n"))
    mended = project.ask("analyze", "--run", "--edit", "-", stdin=plan(row()))
    assert (mended.code, mended["missing"]) == (0, []), mended
    assert [item["script"] for item in mended["plan"]] == ["analyze"]


def test_a_block_that_fits_nowhere_is_corrected_by_the_same_command(project: Project) -> None:
    attempt(project, with_script("1 / 0\n"))
    wrong = edit_block("analysis/a.py", "2 / 0", WRITES)
    refused = project.ask("analyze", "--run", "--edit", "-", stdin=wrong)
    assert (refused.code, refused["kind"]) == (3, "edit")
    assert "call `agent-loops analyze --run 2 --edit -`" in refused["next"]


def test_show_names_each_scripts_own_log(project: Project) -> None:
    attempt(project, with_script(WRITES))
    shown = project.call("show", "2").out
    assert "run 2 (analysis/a.py): passed  sandbox/t1/iter2/analysis/a.log" in shown


def test_what_several_scripts_left_out_is_told_in_brief_after_the_predictions(
    project: Project,
) -> None:
    names = ("one", "two", "three")
    rows = [row(f"{name}.py", f"{name}.csv") for name in names]
    scripts = "".join(new_file(f"analysis/{name}.py", "1 / 0\n") for name in names)
    told = attempt(project, lr("0.03") + plan(*rows, row()) + scripts)["notes"]
    assert told[0].startswith("held: dead_share_max < 0.5")
    assert told[1].startswith("analysis lacks 3 of 4 rows: one.py ZeroDivisionError: division by")
    assert "; three.py ZeroDivisionError" in told[1]
    assert "3 of 4 rows: one.py" in project.ask("status")["in_the_way"][0]


def test_what_the_plans_own_scripts_found_is_shown(project: Project) -> None:
    edit = with_script(WRITES, row("analysis/a.py", "analysis/a.csv:x"))
    attempt(project, edit)
    shown = project.call("analyze", "2").out
    assert "analysis/a.csv:x = 1.5\n" in shown


def test_a_limit_that_was_changed_later_is_said_not_to_hold(project: Project) -> None:
    attempt(project, with_script("1 / 0\n"))
    config = project.read("loop.run.yaml").replace('"20 s"', '"1 s"')
    project.write("loop.run.yaml", config)
    mended = project.ask("analyze", "--run", "--edit", "-", stdin=new_file("analysis/a.py", WRITES))
    assert mended["notes"][0].startswith("analysis_timeout was 20 s, as frozen")


def test_a_baseline_may_be_analysed_later(project: Project) -> None:
    bare = project.ask("analyze", "--run")
    assert (bare.code, bare["kind"]) == (3, "plan")
    assert "agent-loops analyze --run 1 --edit -" in bare["next"]
    edit = plan(row("analysis/dead.py", "analysis/dead.csv"))
    edit += new_file("analysis/dead.py", SCRIPT)
    answer = project.ask("analyze", "--run", "1", "--edit", "-", stdin=edit)
    assert (answer.code, answer["missing"]) == (0, []), answer
    assert (project.sandbox / "iter1/analysis/dead.csv").read_text() == "lr,dead\n0.01,0.97\n"
    kept = attempt(project, lr("0.03") + plan(), anchor="analysis/dead.csv:dead=0.97")
    assert kept["status"] == "keep", kept


def test_what_cannot_be_analysed_says_so(project: Project) -> None:
    gone = project.ask("analyze", "--run", "9")
    assert (gone.code, gone["kind"]) == (3, "no experiment")
    crash = edit_block("train.py", "EXTRA = 0", "EXTRA = 1 / 0")
    assert attempt(project, crash + plan())["status"] == "crash"
    crashed = project.ask("analyze", "--run", "2")
    assert (crashed.code, crashed["kind"]) == (3, "no reading")
    assert "agent-loops show 2" in crashed["next"]
    assert "agent-loops checkout 2" in crashed["next"]
    assert (
        attempt(project, lr("0.03") + plan())["status"] == "keep"
    )  # what crashed measured nothing
    assert project.call("analyze", "--edit", "-").code == 2


# --- kills --------------------------------------------------------------------------------------


def hanging(project: Project) -> subprocess.Popen[bytes]:
    """A `try` whose script waits for a file beside it."""
    script = (
        "import os, time\nwhile not os.path.exists('analysis/go'):\n    time.sleep(0.01)\n" + WRITES
    )
    words = ("try", "act: more", "--anchor", "results/summary.json:dead_share_max=0.97",
             "--predict", "results/summary.json:dead_share_max < 0.5", "--edit", "-")  # fmt: skip
    process = subprocess.Popen(
        project.command(*words), cwd=project.root, stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(with_script(script).encode())
    process.stdin.close()
    until(lambda: any(item.get("script") for item in project.events("run_started")))
    return process


def test_a_script_outlives_its_caller_and_is_taken_up(project: Project) -> None:
    process = hanging(project)
    process.send_signal(signal.SIGKILL)
    process.wait()
    status = project.ask("wait", "--wait-s", "0")
    assert status["status"] == "running"
    assert "#2 is a keep; analysis/a.py is running" in " ".join(status["notes"])
    refused = next_one(project)
    assert (refused.code, refused["kind"]) == (3, "running")
    (project.sandbox / "iter2/analysis/go").touch()
    answer = project.ask("wait")
    assert answer["status"] == "keep"
    assert project.ask("analyze", "2")["missing"] == []


def test_a_script_that_was_lost_runs_again_once(project: Project) -> None:
    process = hanging(project)
    started = project.events("run_started")[-1]
    process.send_signal(signal.SIGKILL)
    process.wait()
    os.kill(started["pid"], signal.SIGKILL)
    (project.sandbox / "iter2/analysis/go").touch()
    answer = project.ask("wait")
    assert answer["status"] == "keep"
    assert project.ask("analyze", "2")["missing"] == []
    assert [item.get("script") for item in project.events("run_started")][-2:] == [
        "analysis/a.py", "analysis/a.py",
    ]  # fmt: skip


def test_stopping_ends_the_script_and_settles_the_verdict(project: Project) -> None:
    process = hanging(project)
    assert project.ask("stop", "--kill").code == 0
    process.wait(30)
    assert project.rows()[1][3] == "keep"
    assert project.ask("resume").code == 0
    refused = next_one(project)
    assert (refused.code, refused["kind"]) == (3, "analysis")
    assert "stopped by the person" in refused["reason"]
    (project.sandbox / "iter2/analysis/go").touch()
    assert project.ask("analyze", "--run")["missing"] == []


@pytest.fixture(scope="module")
def commands() -> Iterator[Commands]:
    served = Commands()
    yield served
    served.close()


def test_a_kill_at_every_step_loses_neither_verdict_nor_analysis(
    commands: Commands, tmp_path: Path
) -> None:
    folder = quick_folder(tmp_path)
    try:
        results = "{run_dir}/../results"
        summary = f"""mkdir -p {results}; echo '{{"dead": 0.97}}' > {results}/summary.json"""
        bindings: dict[str, Any] = {
            "loop": "ml-autoresearch", "probe": "off",
            "run_cmd": f"{NAME_ITSELF}; {summary}; sh run.sh",
        }  # fmt: skip
        template = small(folder / NAME, **bindings)
        assert commands(template, "setup").code == 0
        assert commands(template, "try", "baseline")["status"] == "keep"
        call = Call(
            ["try", "act: rested", "--anchor", "results/summary.json:dead=0.97",
             "--predict", "analysis/a.csv:x > 1", "--edit", "-"],
            stdin=edit_block("parts/a.txt", "val_bpb: 2.0", "val_bpb: 1.25")
            + plan(ROW) + new_file("analysis/a.py", WRITES),
        )  # fmt: skip
        assert walk(commands, template, call, role=CLIENT, stride=strides(7)) > 10
        assert walk(commands, template, call, role=SUPERVISOR, stride=strides(7)) > 2
    finally:
        if folder != tmp_path:
            shutil.rmtree(folder)
