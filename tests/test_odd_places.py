"""Odd folders, odd words, two terminals, callers that go away."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import PYTHON, SCRIPTS, Project, commit_all, edit_block, git, until
from terminal import Terminal, changes, measured, ordinary_user, picture

linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")
FASTER = edit_block("train.py", "LR = 0.01", "LR = 0.03")
WAITING = """\
import os, sys, time
import prepare

LR = 0.01
WIDTH = 8

if __name__ == "__main__":
    while not os.path.exists("../go" + sys.argv[1]):
        time.sleep(0.005)
    print(f"val_bpb:          {prepare.loss(LR, WIDTH):.6f}")
"""


@pytest.fixture
def project(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return measured(tmp_path / "project", tmp_path_factory)


@pytest.fixture
def terminal(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Terminal:
    return Terminal(project.root, monkeypatch, capsys)


# ---- folders -----------------------------------------------------------------------------------

NAMES = [
    'with space/it\'s "quoted"/new\nline',
    "naïve-Ω-日本/-dash/*[a]?",
    "$HOME `id` ;exit \\x/{n} %s {run_dir}",
    os.fsdecode(b"latin-\xe9"),
]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_campaign_in_an_oddly_named_folder(tmp_path: Path, name: str) -> None:
    try:
        project = Project(tmp_path / name)
    except OSError:
        pytest.skip("this file system has no such names")
    project.bind(
        run_cmd=f"{PYTHON} train.py && printf '%s|' {{run_dir}} \"{{run_dir}}\" '{{run_dir}}' "
        '{seed} {n} {tag} {budget} > {run_dir}/"said {n}"'
    )
    project.baseline()
    said = (project.sandbox / "iter1/out/said 1").read_bytes().split(b"|")
    out = os.fsencode(project.sandbox / "iter1/out")
    assert said == [out, out, out, b"1", b"1", b"t1", b"20", b""]
    project.edit("WIDTH = 8", "WIDTH = 4")
    assert project.ask("checkout", "1").code == 0
    answer = project.ask("try", "more", "--edit", "-", stdin=FASTER)
    assert (answer.code, answer["status"]) == (0, "keep")
    [rescued] = project.events("rescued")
    assert (project.root / rescued["folder"] / "train.py").exists()
    assert project.call("status").code == 0
    assert "+LR = 0.03" in project.call("diff", "2").out


@pytest.mark.parametrize("name", ["new\nline 'and' more", "naïve-日本"], ids=ascii)
def test_branches_in_an_oddly_named_folder(tmp_path: Path, name: str) -> None:
    project = Project(tmp_path / name)
    project.bind(iter_strategy="branches")
    commit_all(project.root)
    project.baseline()
    answer = project.ask("try", "more", "--edit", "-", stdin=FASTER)
    assert (answer.code, answer["status"]) == (0, "keep")
    assert git(project.root, "rev-parse", "autoresearch/t1") == answer["commit"]
    assert "LR = 0.03" in git(project.root, "show", "HEAD:train.py")


def test_oddly_named_editable_files(tmp_path: Path) -> None:
    names = ["a b.py", "it's.py", "naïve.py", "new\nline.py", "-x.py", "{n}.py", "\\back.py"]
    project = Project(tmp_path / "p")
    for name in names:
        project.write(f"models/{name}", "x = 1\n")
    project.bind(editable_files=["train.py", "models/"])
    project.baseline()
    for name in names:
        project.write(f"models/{name}", "x = 2\n")
    before = picture(project.root / "models")
    assert project.ask("try", "two")["status"] == "discard"
    assert project.ask("checkout", "2").code == 0
    restored = {path: item[:2] for path, item in picture(project.root / "models").items()}
    assert restored == {path: item[:2] for path, item in before.items()}
    assert project.read("models/a b.py") == "x = 2\n"


def test_a_call_from_a_subfolder(project: Project) -> None:
    below = project.root / "notebooks/deep"
    below.mkdir(parents=True)
    (below / "mine.edit").write_text(FASTER)
    answer = project.ask("try", "more", "--edit", "mine.edit", cwd=below)
    assert (answer.code, answer["status"]) == (0, "keep")
    assert "LR = 0.03" in project.read("train.py")
    assert answer["log"] == "sandbox/t1/iter2/run.log"
    assert sorted(path.name for path in below.iterdir()) == ["mine.edit"]


def test_a_call_through_a_symlinked_folder(project: Project, tmp_path: Path) -> None:
    link = tmp_path / "a link"
    link.symlink_to(project.root)
    (tmp_path / "into").symlink_to(project.root / "sandbox")
    answer = project.ask(
        "try", "more", "--edit", "-", stdin=FASTER, cwd=link, env={"PWD": str(link)}
    )
    assert (answer.code, answer["status"]) == (0, "keep")
    assert project.ask("wait", cwd=tmp_path / "into")["experiment"] == 2
    assert project.ask("wait")["experiment"] == 2


def test_a_sandbox_on_another_disk(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    (tmp_path / "scratch").mkdir()
    (project.root / "sandbox").symlink_to("../scratch")
    project.baseline()
    answer = project.ask("try", "more", "--edit", "-", stdin=FASTER)
    assert (answer.code, answer["status"]) == (0, "keep")
    assert (tmp_path / "scratch/t1/journal.jsonl").exists()
    shutil.rmtree(project.root / ".agent-loops")
    assert project.ask("wait")["experiment"] == 2


def test_a_copy_does_not_lead_the_campaign_of_the_original(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    project.bind(sandbox_root=str(tmp_path / "scratch/t1"))
    project.baseline()
    shutil.copytree(project.root, tmp_path / "copy")
    original, project.root = project.root, tmp_path / "copy"
    for words in (["try", "more", "--edit", "-"], ["status"], ["wait"]):
        answer = project.ask(*words, stdin=FASTER)
        assert (answer.code, answer["kind"]) == (3, "another project")
        assert str(original) in answer["reason"]
    project.bind(sandbox_root=str(tmp_path / "scratch/t2"))
    project.baseline()
    shutil.rmtree(original)
    project.bind(sandbox_root=str(tmp_path / "scratch/t1"))
    shutil.rmtree(project.root / ".agent-loops")
    assert project.ask("wait")["experiment"] == 1  # moved, as it seems


def test_a_project_that_was_moved(project: Project, tmp_path: Path) -> None:
    project.root.rename(tmp_path / "moved away")
    project.root = tmp_path / "moved away"
    answer = project.ask("try", "more", "--edit", "-", stdin=FASTER)
    assert (answer.code, answer["status"]) == (0, "keep")


def test_setup_says_that_a_file_has_other_names(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    os.link(project.root / "train.py", tmp_path / "twin.py")
    answer = project.call("setup")
    assert answer.code == 0
    assert "train.py: a hard link" in answer.out
    assert project.call("try", "baseline").code == 0
    assert project.call("try", "more", "--edit", "-", stdin=FASTER).code == 0
    assert "LR = 0.01" in (tmp_path / "twin.py").read_text()


# ---- something else in a file's place ----------------------------------------------------------

ODD = [
    "ln -s /dev/null train.py",
    "mkfifo train.py",
    "mkdir train.py; touch train.py/theirs",
    "head -c 1048577 /dev/zero > train.py",
]


@pytest.mark.parametrize("command", ODD)
def test_what_a_run_leaves_in_a_files_place_is_set_aside(project: Project, command: str) -> None:
    before = project.read("train.py")
    leaving = f'WIDTH = 9\nimport os; os.unlink("train.py"); os.system("{command}")'
    block = edit_block("train.py", "WIDTH = 8", leaving)
    answer = project.ask("try", "odd", "--edit", "-", stdin=block)
    assert (answer.code, answer["status"]) == (0, "crash"), answer
    assert "train.py" in answer["reason"]
    assert any("train.py" in note and "/rescue/" in note for note in answer["notes"])
    assert project.read("train.py") == before
    assert len(list(project.sandbox.glob("rescue/*/train.py"))) == 1
    assert project.ask("try", "more", "--edit", "-", stdin=FASTER)["status"] == "keep"


@pytest.mark.parametrize("command", ODD)
def test_what_lies_in_a_files_place_is_refused_until_a_checkout_sets_it_aside(
    project: Project, terminal: Terminal, command: str
) -> None:
    (project.root / "train.py").unlink()
    subprocess.run(command, shell=True, cwd=project.root, check=True)
    answer = terminal.ask("try", "more", "--edit", "-", stdin=FASTER)
    assert (answer.code, answer["kind"], answer["files"]) == (3, "odd file", ["train.py"])
    assert "`agent-loops checkout 1`" in answer["next"]
    assert terminal.call("checkout", "1").code == 0
    assert "LR = 0.01" in project.read("train.py")
    assert len(list(project.sandbox.glob("rescue/*/train.py"))) == 1


def test_code_that_lies_here_counts_as_saved_only_while_it_can_be_read_back(
    project: Project, terminal: Terminal
) -> None:
    """What a checkout replaces is an experiment's code, but its snapshot was damaged since."""
    project.edit("LR = 0.01", "LR = 0.005")
    assert project.ask("try", "worse")["status"] == "discard"
    assert terminal.call("checkout", "2").code == 0
    (project.sandbox / "iter2/code_snapshot/train.py").write_text("damaged")
    assert terminal.call("checkout", "1").code == 0
    [rescued] = project.sandbox.glob("rescue/*/train.py")
    assert "LR = 0.005" in rescued.read_text()


# ---- a project that cannot be written ----------------------------------------------------------


@contextlib.contextmanager
def mounted_read_only(project: Project) -> Iterator[None]:
    """The project's calls see its folder on a read-only mount; skips where that is not allowed."""
    plain = project.command
    script = (
        'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" "$1" && cd "$1" && shift && '
        'exec "$@"'
    )
    wrapper = ["unshare", "-m", "sh", "-c", script, "sh", str(project.root)]
    if (
        not shutil.which("unshare")
        or subprocess.run([*wrapper, "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("no mount of one's own here")
    vars(project)["command"] = lambda *words: [*wrapper, *plain(*words)]
    try:
        yield
    finally:
        del vars(project)["command"]


@contextlib.contextmanager
def folders_without_write(project: Project) -> Iterator[None]:
    folders = [path for path in [project.root, *project.root.rglob("*")] if path.is_dir()]
    modes = [stat.S_IMODE(path.stat().st_mode) for path in folders]
    for path in folders:
        path.chmod(0o555)
    try:
        with ordinary_user(project):
            yield
    finally:
        for path, mode in zip(folders, modes, strict=True):
            path.chmod(mode)


@linux_only
@pytest.mark.parametrize("locked", [mounted_read_only, folders_without_write])
def test_setup_in_a_read_only_project_says_why_not(tmp_path: Path, locked: object) -> None:
    project = Project(tmp_path / "p")
    before = picture(project.root)
    assert callable(locked)
    with locked(project):
        answer = project.call("setup")
    assert answer.code == 1, answer
    assert answer.err.count("\n") == 1
    assert "not writable" in answer.err
    assert not changes(before, picture(project.root))


@linux_only
@pytest.mark.parametrize("locked", [mounted_read_only, folders_without_write])
def test_a_campaign_that_became_read_only_can_be_read_and_loses_nothing(
    project: Project, locked: object
) -> None:
    before = picture(project.root)
    assert callable(locked)
    with locked(project):
        for words in (["status"], ["history"], ["show", "1"], ["diff", "1"]):
            assert project.call(*words).code == 0, words
        answer = project.call("try", "more", "--edit", "-", stdin=FASTER)
        assert answer.code == 1, answer
        assert answer.err.count("\n") == 1
        assert "not writable" in answer.err
    assert not changes(before, picture(project.root))
    assert project.ask("try", "more", "--edit", "-", stdin=FASTER)["status"] == "keep"


@linux_only
@pytest.mark.parametrize("by_hand", ["by hand", "by blocks"])
@pytest.mark.parametrize("lock", ["folder", "file"])
def test_nothing_begins_while_an_editable_file_cannot_be_written(
    project: Project, lock: str, by_hand: str
) -> None:
    if by_hand == "by hand":
        project.edit("LR = 0.01", "LR = 0.03")
        words, stdin = ["try", "more"], ""
    else:
        words, stdin = ["try", "more", "--edit", "-"], FASTER
    before = project.read("train.py")
    with frozen(project.root / "train.py") if lock == "file" else read_only(project):
        answer = project.ask(*words, stdin=stdin)
    assert (answer.code, answer["kind"], answer["files"]) == (3, "not writable", ["train.py"]), (
        answer
    )
    assert project.read("train.py") == before
    assert len(project.events("experiment_started")) == 1
    answer = project.ask(*words, stdin=stdin)
    assert (answer.code, answer["status"], answer["metric"]) == (0, "keep", 1.145)


@contextlib.contextmanager
def read_only(project: Project) -> Iterator[None]:
    project.root.chmod(0o555)
    try:
        with ordinary_user(project):
            yield
    finally:
        project.root.chmod(0o755)


@contextlib.contextmanager
def frozen(path: Path) -> Iterator[None]:
    if subprocess.run(["chattr", "+i", path], capture_output=True, check=False).returncode:
        pytest.skip("this disk freezes no files")
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", path], check=True)


# ---- descriptions ------------------------------------------------------------------------------

IDEAS = {
    "tabs\tand\tmore\ttabs": "tabs and more tabs",
    "two\nlines\r\nthree\vfour\ffive\u2028six\x85seven": "two lines three four five six seven",
    "\"double\" 'single' `back` $(id) \\n": "\"double\" 'single' `back` $(id) \\n",
    "\x1b[31mred\x1b[0m \x1b]0;title\x07and \x9b1mbold": "red and bold",
    "x" * 10_000: "x" * 199 + "…",
    "faster 🚀 👩‍🔬 é": "faster 🚀 👩‍🔬 é",
    "safe \u202etxt.exe\u202c \u2066hidden\u2069\u200b": "safe txt.exe hidden",
    "bell\a back\b\b null-free \x7f": "bell back null-free",
    "-1 --json is no option": "-1 --json is no option",
    os.fsdecode(b"caf\xe9 is no UTF-8"): "caf is no UTF-8",
}


def test_any_description_is_one_clean_row(project: Project, terminal: Terminal) -> None:
    for number, (idea, shown) in enumerate(IDEAS.items(), start=2):
        block = edit_block("train.py", "LR = 0.01", f"LR = 0.000{number:02}")
        answer = project.call(
            "try", "--json", "--edit", "-", "--why", idea, "--", idea, stdin=block
        )
        assert (answer.code, answer["status"]) == (0, "discard"), (idea, answer)
        assert answer["description"] == shown
    text = (project.sandbox / "results.tsv").read_bytes().decode("utf-8")
    assert text.count("\n") == 2 + len(IDEAS)
    header, *lines = text.splitlines()
    assert header.split("\t") == ["iter", "val_bpb", "memory_gb", "status", "description"]
    for line, shown in zip(lines[1:], IDEAS.values(), strict=True):
        cells = line.split("\t")
        assert len(cells) == 5
        assert cells[4] == shown
        assert cells[3] == "discard"
    for event, idea in zip(project.events("experiment_started")[1:], IDEAS, strict=True):
        assert idea in (event["idea"], event["description"])
    for words in (["status"], ["history"], ["show", "5"]):
        printed = terminal.call(*words).out
        assert all(line.isprintable() or "👩" in line for line in printed.splitlines())


def test_an_idea_from_a_file_or_from_standard_input(project: Project) -> None:
    project.write("../idea.txt", "use a\nlarger rate\n")
    project.edit("LR = 0.01", "LR = 0.03")
    answer = project.ask("try", "--idea-file", "../idea.txt")
    assert (answer.code, answer["description"]) == (0, "use a larger rate")
    project.edit("LR = 0.03", "LR = 0.04")
    answer = project.ask("try", "--idea-file", "-", stdin=b"caf\xe9\tau lait")
    assert (answer.code, answer["description"]) == (0, "caf au lait")


@pytest.mark.parametrize(
    "words",
    [
        ["try"], ["try", ""], ["try", " \n"], ["try", "\x1b[0m\u200b"],
        ["try", "x", "--idea-file", "i"], ["try", "--idea-file", "missing.txt"],
        ["try", "--idea-file", "-", "--edit", "-"], ["try", "x", "--repeat", "0"],
        ["try", "x", "--repeat", "-3"], ["try", "x", "--wait-s", "-1"],
        ["try", "x", "--wait-s", "nan"], ["try", "x", "y"], ["try", "x", "--edti", "-"],
        ["tri", "x"], [], ["wait", "--wait-s", "soon"], ["note"], ["note", " "],
    ],
    ids=ascii,
)  # fmt: skip
def test_a_mistyped_call_is_told_in_one_line(terminal: Terminal, words: list[str]) -> None:
    before = picture(terminal.folder)
    answer = terminal.call(*words)
    assert answer.code == 2, answer
    assert answer.out == ""
    assert answer.err.count("\n") == 1
    assert not changes(before, picture(terminal.folder))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["try", "increase", "LR", "to", "0.04"], "`agent-loops try 'increase LR to 0.04'`"),
        (["try", "don't", "stop"], """`agent-loops try 'don'"'"'t stop'`"""),
        (["note", "mind", "the", "gap"], "`agent-loops note 'mind the gap'`"),
    ],
)
def test_a_text_without_quotes_is_told_with_them(
    terminal: Terminal, words: list[str], says: str
) -> None:
    answer = terminal.call(*words)
    assert (answer.code, answer.out) == (2, "")
    assert says in answer.err


def test_a_long_error_is_broken_between_words_on_a_terminal(project: Project) -> None:
    project.write("loop.run.yaml", project.read("loop.run.yaml") + "bugdet: 5 min\nxyzzy: 1\n")
    ours, theirs = os.openpty()
    command = project.command("setup")
    done = subprocess.run(
        command, cwd=project.root, stderr=theirs, env={**os.environ, "COLUMNS": "60"}, check=False
    )
    os.close(theirs)
    said = os.read(ours, 4096).decode().replace("\r", "")
    os.close(ours)
    assert done.returncode == 2
    assert max(map(len, said.splitlines())) <= 60
    assert " ".join(said.split()).startswith("agent-loops: loop.run.yaml: bugdet: '5 min': unknown")


def test_a_note_is_clean_and_shown_with_the_next_verdict(
    project: Project, terminal: Terminal
) -> None:
    assert terminal.call("note", "try\ta \x1b[31mcosine\x1b[0m\nschedule").code == 0
    answer = project.ask("try", "more", "--edit", "-", stdin=FASTER)
    assert any("try a cosine schedule" in note for note in answer["notes"])


# ---- two terminals -----------------------------------------------------------------------------

WORKER = f"""\
import sys
sys.path.insert(0, {str(SCRIPTS)!r})
from agent_loops import cli

for line in sys.stdin:
    sys.stdout.flush()
    sys.stdout.write(str(cli.main(["try", "race", "--json", "--edit", line.strip()])) + "\\n")
    sys.stdout.flush()
"""


def test_two_terminals_at_once_one_runs_and_the_other_is_refused(tmp_path: Path) -> None:
    project = Project(tmp_path / "project", train=WAITING)
    project.bind(run_cmd=f"{PYTHON} train.py {{n}}")
    project.write("../go1", "")
    project.baseline()
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER], cwd=project.root, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )
        for _ in range(2)
    ]  # fmt: skip
    try:
        for number in range(2, 12):
            _race(project, workers, number)
    finally:
        for worker in workers:
            worker.communicate(timeout=60)
    assert [row[0] for row in project.rows()] == [str(number) for number in range(1, 12)]
    assert len(project.events("run_started")) == 11


def _race(project: Project, workers: list[subprocess.Popen[str]], number: int) -> None:
    """Both call `try` with an edit of their own; experiment `number` waits for its file."""
    for side, worker in enumerate(workers):
        block = edit_block("train.py", "LR = 0.01", f"LR = 0.00{number:02}{side}")
        path = project.write(f"../{number}-{side}.edit", block)
        assert worker.stdin is not None
        worker.stdin.write(f"{path}\n")
    order = workers if number % 2 else workers[::-1]
    for worker in order:
        assert worker.stdin is not None
        worker.stdin.flush()
    until(lambda: len(project.events("run_started")) == number)
    streams = [worker.stdout for worker in workers if worker.stdout is not None]
    answered, _, _ = select.select(streams, [], [], 30)
    assert len(answered) == 1, "both were answered while the run goes on, or none was"
    refusal, code = answered[0].readline(), answered[0].readline()
    assert (json.loads(refusal)["kind"], code) == ("running", "3\n")
    project.write(f"../go{number}", "")
    [winner] = [stream for stream in streams if stream is not answered[0]]
    verdict, code = winner.readline(), winner.readline()
    assert (json.loads(verdict)["experiment"], code) == (number, "0\n")


# ---- callers that do not wait ------------------------------------------------------------------


@pytest.fixture
def waiting(tmp_path: Path) -> Project:
    """A project whose experiment N ends when the file goN appears beside it."""
    project = Project(tmp_path / "project", train=WAITING)
    project.bind(run_cmd=f"{PYTHON} train.py {{n}}")
    project.write("../go1", "")
    project.baseline()
    return project


def test_wait_s_answers_running_and_wait_gives_the_verdict(waiting: Project) -> None:
    answer = waiting.ask("try", "more", "--edit", "-", "--wait-s", "0.05", stdin=FASTER)
    assert (answer.code, answer["status"], answer["experiment"]) == (0, "running", 2)
    assert answer["next"] == "agent-loops wait"
    assert answer["metric"] is None
    assert answer["timeout_s"] == 40
    answer = waiting.ask("wait", "--wait-s", "0")
    assert (answer.code, answer["status"]) == (0, "running")
    text = waiting.call("wait", "--wait-s", "0").out
    assert text.startswith("#2 running")
    assert "at most 40.0 s" in text
    waiting.write("../go2", "")
    answer = waiting.ask("wait")
    assert (answer.code, answer["status"], answer["metric"]) == (0, "keep", 1.145)
    again = waiting.ask("wait")
    assert {**again.values, "notes": []} == {**answer.values, "notes": []}


def _looked_up(pid: int) -> bool:
    """Whether the process has looked and slept and looked again: it waits for the run's end."""
    fields = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    return int(fields["voluntary_ctxt_switches"]) >= 30 and fields["State"][0] == "S"


@linux_only
@pytest.mark.parametrize("words", [["try", "more", "--edit", "idea.edit"], ["wait"]])
def test_ctrl_c_leaves_the_run_alive(waiting: Project, words: list[str]) -> None:
    waiting.write("idea.edit", FASTER)
    if words == ["wait"]:
        waiting.ask("try", "more", "--edit", "idea.edit", "--wait-s", "0")
    client = subprocess.Popen(
        waiting.command(*words), cwd=waiting.root, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    until((waiting.sandbox / "iter2/run.log").exists)
    until(lambda: _looked_up(client.pid))
    os.killpg(client.pid, signal.SIGINT)
    out, err = client.communicate(timeout=30)
    assert client.returncode == 130, (out, err)
    assert "a run under way goes on" in err
    assert err.count("\n") == 1
    assert waiting.ask("wait", "--wait-s", "0")["status"] == "running"
    waiting.write("../go2", "")
    assert waiting.ask("wait")["metric"] == 1.145


def test_stop_kill_ends_the_run_and_keeps_the_record(waiting: Project) -> None:
    waiting.ask("try", "more", "--edit", "-", "--wait-s", "0", stdin=FASTER)
    answer = waiting.ask("stop", "--kill")
    assert (answer.code, answer["status"], answer["running"]) == (0, "stopped", False)
    assert (answer["ended"]["experiment"], answer["ended"]["status"]) == (2, "crash")
    assert "LR = 0.01" in waiting.read("train.py")
    answer = waiting.ask("wait")
    assert (answer["status"], answer["kind"]) == ("crash", "machine")
    assert "stopped by the person" in answer["reason"]
    assert waiting.ask("resume").code == 0
    waiting.write("../go3", "")
    answer = waiting.ask("try", "more", "--edit", "-", stdin=FASTER)
    assert (answer["experiment"], answer["status"]) == (3, "keep")
