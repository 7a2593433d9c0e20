"""`try --edit`: one action that is applied whole, or refused with the nearest lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import TRAIN, Answer, Project, edit_block
from terminal import Terminal, changes, measured, picture

FASTER = edit_block("train.py", "LR = 0.01", "LR = 0.03")


def new_file(path: str, content: str) -> str:
    """A block whose search is empty."""
    return f"{path}\n<<<<<<< SEARCH\n=======\n{content}\n>>>>>>> REPLACE\n"


@pytest.fixture
def project(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return measured(tmp_path / "project", tmp_path_factory)


@pytest.fixture
def terminal(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Terminal:
    return Terminal(project.root, monkeypatch, capsys)


def refused(terminal: Terminal, blocks: str | bytes, *expected: str) -> Answer:
    """No file changed, no experiment recorded, and the answer says what to correct."""
    before = picture(terminal.folder)
    plain = terminal.call("try", "x", "--edit", "-", stdin=blocks)
    answer = terminal.ask("try", "x", "--edit", "-", stdin=blocks)
    assert (plain.code, answer.code) == (3, 3), answer
    assert (answer["status"], answer["kind"]) == ("refused", "edit")
    assert answer["next"]
    for text in expected:
        assert text in answer["reason"]
        assert text in plain.out
    assert len(plain.out) < 1500
    assert not changes(before, picture(terminal.folder))
    return answer


def attempt(project: Project, blocks: str | bytes, *words: str) -> Answer:
    answer = project.ask("try", "an idea", "--edit", "-", *words, stdin=blocks)
    assert answer.code == 0, answer
    return answer


# ---- refused -----------------------------------------------------------------------------------


def test_a_search_that_matches_nowhere_shows_the_nearest_lines_with_their_numbers(
    terminal: Terminal,
) -> None:
    block = edit_block("train.py", "LR = 0.02\nWIDTH = 8", "LR = 0.03\nWIDTH = 8")
    answer = refused(terminal, block, "train.py", "nowhere", "3: LR = 0.01", "4: WIDTH = 8")
    assert answer["files"] == ["train.py"]


def test_a_search_that_matches_twice_names_both_lines(project: Project, terminal: Terminal) -> None:
    project.edit('print("---")', 'print("---")\n    print("---")')
    assert project.ask("try", "twice")["status"] == "discard"
    project.call("override", "2", "keep", "--why", "for the test")
    terminal.call("checkout", "2")
    block = edit_block("train.py", '    print("---")', "")
    refused(terminal, block, "2 times", "8, 9")


def test_blocks_that_overlap(terminal: Terminal) -> None:
    both = edit_block("train.py", "LR = 0.01\nWIDTH = 8", "LR = 0.02\nWIDTH = 8") + edit_block(
        "train.py", "WIDTH = 8", "WIDTH = 9"
    )
    refused(terminal, both, "blocks 1 and 2 overlap")


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("prepare.py", "not editable"),
        ("loop.run.yaml", "not editable"),
        ("new.py", "not editable"),
        ("../train.py", "outside the project"),
        ("/etc/passwd", "outside the project"),
        ("sub/../train.py", "outside the project"),
        ("sandbox/t1/journal.jsonl", "not editable"),
        (".git/config", "not editable"),
        ("trian.py", "did you mean train.py?"),
    ],
)
def test_a_file_out_of_scope(terminal: Terminal, path: str, why: str) -> None:
    refused(terminal, new_file(path, "x = 1"), path, why)
    refused(terminal, edit_block(path, "a = 1", "x = 1"), path, why)


def test_trailing_blanks_are_named_as_the_only_difference(terminal: Terminal) -> None:
    refused(terminal, edit_block("train.py", "LR = 0.01  ", "LR = 0.03"), "only blanks at the ends")


def test_blocks_with_other_line_ends_than_the_file(terminal: Terminal) -> None:
    refused(
        terminal, FASTER.replace("\n", "\r\n"), "the block's lines end in CR LF", "3: LR = 0.01"
    )


def test_indentation_is_named_as_the_only_difference(terminal: Terminal) -> None:
    block = edit_block("train.py", 'print("---")', "pass")
    refused(terminal, block, "only the indentation differs", '8:     print("---")')


@pytest.mark.parametrize(
    "cut",
    [
        FASTER.rsplit(">>>>>>>", 1)[0],
        FASTER.split("=======", 1)[0],
        "train.py\n<<<<<<< SEARCH\n",
        FASTER.replace("=======\n", ""),
        FASTER + "train.py\n",
    ],
)
def test_an_edit_that_is_cut_off(terminal: Terminal, cut: str) -> None:
    refused(terminal, cut)


@pytest.mark.parametrize(
    "empty", ["", "\n", " \n\t\n", b"\xef\xbb\xbf", "```\n```\n", "train.py\n"]
)
def test_an_edit_that_is_empty(terminal: Terminal, empty: str | bytes) -> None:
    refused(terminal, empty)


@pytest.mark.parametrize(
    "text",
    [
        "please make the learning rate larger\n",
        "--- a/train.py\n+++ b/train.py\n@@ -1 +1 @@\n-LR = 0.01\n+LR = 0.03\n",
        FASTER.replace("<<<<<<< SEARCH", "<<<<<<<"),
        edit_block("train.py", "LR = 0.01", "LR = 0.01"),
        edit_block("train.py", "", "").replace("\n\n", "\n"),
        "train.py\n<<<<<<< SEARCH\n=======\nx = 1\n>>>>>>> REPLACE\n",
        bytes(range(256)),
    ],
)
def test_what_is_no_edit_at_all(terminal: Terminal, text: str | bytes) -> None:
    refused(terminal, text)


def test_all_blocks_or_none(terminal: Terminal) -> None:
    refused(terminal, FASTER + edit_block("train.py", "DEPTH = 3", "DEPTH = 4"), "block 2")


def test_every_problem_is_told_at_once_but_only_so_many(terminal: Terminal) -> None:
    blocks = "".join(edit_block("train.py", f"NAME_{n} = 3", "x") for n in range(30))
    answer = refused(terminal, blocks, "block 1", "block 2")
    assert "27 more" in answer["reason"]


def test_a_result_that_is_too_large(terminal: Terminal) -> None:
    refused(terminal, edit_block("train.py", "LR = 0.01", "#" * (1 << 20)), "1 MiB")


def test_a_file_of_blocks_that_is_not_there(terminal: Terminal) -> None:
    before = picture(terminal.folder)
    answer = terminal.call("try", "x", "--edit", "nowhere.edit")
    assert answer.code == 2
    assert "nowhere.edit" in answer.err
    assert answer.err.count("\n") == 1
    assert not changes(before, picture(terminal.folder))


# ---- done --------------------------------------------------------------------------------------


def test_a_good_edit_is_one_action(project: Project) -> None:
    answer = attempt(project, FASTER)
    assert (answer["status"], answer["metric"]) == ("keep", 1.145)
    assert (answer["lines_added"], answer["lines_removed"]) == (1, 1)
    assert project.read("train.py") == TRAIN.replace("LR = 0.01", "LR = 0.03")
    assert answer["notes"] == [] or "environment" in answer["notes"][0]
    answer = attempt(project, edit_block("train.py", "LR = 0.03", "LR = 0.02"))
    assert (answer["status"], answer["metric"]) == ("discard", 1.155)
    assert project.read("train.py") == TRAIN.replace("LR = 0.01", "LR = 0.03")


def test_blocks_from_a_file_without_a_name_and_in_a_fence(project: Project) -> None:
    block = FASTER.split("\n", 1)[1]
    project.write("idea.edit", f"```python\n{block}```\n")
    answer = project.ask("try", "more", "--edit", "idea.edit")
    assert (answer.code, answer["status"]) == (0, "keep")


def test_a_file_with_crlf_keeps_it(tmp_path: Path) -> None:
    project = Project(tmp_path / "crlf")
    old = TRAIN.replace("\n", "\r\n").encode()
    project.write("train.py", old)
    project.baseline()
    attempt(project, edit_block("train.py", "LR = 0.01\nWIDTH = 8", "LR = 0.03\nWIDTH = 16"))
    expected = old.replace(b"0.01", b"0.03").replace(b"WIDTH = 8", b"WIDTH = 16")
    assert (project.root / "train.py").read_bytes() == expected


def test_a_file_that_is_no_utf8_keeps_its_other_bytes(tmp_path: Path) -> None:
    project = Project(tmp_path / "latin")
    old = b"# -*- coding: latin-1 -*-\n# caf\xe9\n" + TRAIN.encode()
    project.write("train.py", old)
    project.baseline()
    attempt(project, FASTER)
    assert (project.root / "train.py").read_bytes() == old.replace(b"0.01", b"0.03")


def test_an_edit_on_top_of_a_checked_out_experiment(project: Project) -> None:
    attempt(project, edit_block("train.py", "WIDTH = 8", "WIDTH = 4"))
    crash = edit_block("train.py", "WIDTH = 8", "WIDTH = sixteen")
    assert attempt(project, crash)["status"] == "crash"
    assert project.ask("checkout", "3").code == 0
    assert "WIDTH = sixteen" in project.read("train.py")
    mended = attempt(project, edit_block("train.py", "WIDTH = sixteen", "WIDTH = 16"))
    assert (mended["experiment"], mended["status"]) == (4, "keep")
    assert mended["metric"] == pytest.approx(1.1025)
    assert not project.events("rescued")
    assert not any("set aside" in note for note in mended["notes"])
    diff = project.call("diff", "4").out
    assert "-WIDTH = sixteen" in diff
    assert "+WIDTH = 16" in diff
    assert project.read("train.py") == TRAIN.replace("WIDTH = 8", "WIDTH = 16")


def test_combining_near_misses(project: Project) -> None:
    attempt(project, edit_block("train.py", "WIDTH = 8", "WIDTH = 4"))
    assert project.ask("checkout", "2").code == 0
    answer = attempt(project, FASTER)
    text = (project.sandbox / "iter3/code_snapshot/train.py").read_text()
    assert "WIDTH = 4" in text
    assert "LR = 0.03" in text
    assert answer["status"] == "discard"
    assert project.read("train.py") == TRAIN


def test_a_new_file_is_made_kept_and_removed_with_its_idea(tmp_path: Path) -> None:
    project = Project(tmp_path / "globs")
    project.write("models/base.py", "scale = 1.0\n")
    project.bind(editable_files=["train.py", "models/**/*.py"])
    project.baseline()
    new = new_file("models/wide/layer.py", "WIDTH = 16")
    use = edit_block("train.py", "WIDTH = 8", "from models.wide.layer import WIDTH")
    worse = new_file("models/wide/layer.py", "WIDTH = 2")
    assert attempt(project, worse + use)["status"] == "discard"
    assert not (project.root / "models/wide/layer.py").exists()
    assert project.read("train.py") == TRAIN
    answer = attempt(project, new + use)
    assert (answer["status"], answer["lines_added"], answer["lines_removed"]) == ("keep", 2, 1)
    assert project.read("models/wide/layer.py") == "WIDTH = 16\n"
    twice = project.ask("try", "again", "--edit", "-", stdin=new)
    assert (twice.code, twice["kind"]) == (3, "edit")
    assert "exists" in twice["reason"]


def test_the_same_edit_twice_is_a_duplicate(project: Project, terminal: Terminal) -> None:
    block = edit_block("train.py", "LR = 0.01", "LR = 0.001")
    attempt(project, block)
    before = picture(project.root)
    answer = terminal.ask("try", "again", "--edit", "-", stdin=block)
    assert (answer.code, answer["kind"]) == (3, "duplicate")
    assert "#2" in answer["reason"]
    assert not changes(before, picture(project.root))
    assert attempt(project, block, "--repeat")["experiment"] == 3
