"""What was tried: filters, near misses, dead ends, and all of it in brief, on real records."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from long_records import Tried, begun, lengthen, realistic
from support import Answer, Project
from terminal import Terminal

BASE = "LR = 0.01\nWIDTH = 8\n"
IDEAS = [
    Tried("LR to 0.02", "keep", 0.1, BASE.replace("0.01", "0.02")),
    Tried("LR to 0.03: too much", "discard", -0.02, BASE.replace("0.01", "0.03")),
    Tried("LR to 0.04", "crash", train=BASE.replace("0.01", "0.04")),
    Tried("LR to 0.05", "discard", -0.6, BASE.replace("0.01", "0.05")),
    Tried("Tied Embeddings", "discard", -0.4, BASE.replace("0.01", "0.02") + "tie()\n"),
]


@pytest.fixture
def campaign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[Project, Terminal]:  # fmt: skip
    project = begun(Project(tmp_path / "p"))
    lengthen(project, IDEAS)
    return project, Terminal(project.root, monkeypatch, capsys)


def numbers(answer: Answer) -> list[int]:
    assert answer.code == 0, answer
    return [row["experiment"] for row in answer["experiments"]]


def test_filters_choose_and_can_be_combined(campaign: tuple[Project, Terminal]) -> None:
    _, terminal = campaign
    for words, expected in (
        ([], [1, 2, 3, 4, 5, 6, 7]),
        (["--status", "keep"], [1, 3]),
        (["--status", "Discard, crash"], [2, 4, 5, 6, 7]),
        (["--text", "lr TO"], [2, 3, 4, 5, 6]),
        (["--text", "embeddings tied"], [7]),
        (["3..5"], [3, 4, 5]),
        (["..2"], [1, 2]),
        (["6.."], [6, 7]),
        (["4"], [4]),
        (["100.."], []),
        (["3..", "--status", "discard", "--text", "lr"], [4, 6]),
    ):
        assert numbers(terminal.ask("history", *words)) == expected, words
    assert terminal.call("history", "100..").out == (
        "none of the 7 fits these filters: `agent-loops history` lists all\n"
    )


def test_a_wish_that_is_none_is_told_with_what_there_is(
    campaign: tuple[Project, Terminal],
) -> None:
    _, terminal = campaign
    for words, says in (
        (["--status", "kept"], "there are keep, discard, crash, open"),
        (["5..3"], "give 3..5"),
        (["last"], "10..20, 10.., ..20 or 10"),
        ([".."], "10..20"),
        (["--compact", "--dead-ends"], "not allowed with"),
    ):
        answer = terminal.call("history", *words)
        assert (answer.code, says in answer.err) == (2, True), answer


def test_a_file_chooses_who_changed_it_by_the_manifests_alone(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.bind(editable_files=["train.py", "layers/*.py"])
    project.write("layers/one.py", "x = 1\n")
    project.baseline()
    project.write("layers/one.py", "x = 2\n")
    project.ask("try", "another layer")
    project.edit("LR = 0.01", "LR = 0.001")
    project.ask("try", "a rate")
    assert numbers(project.ask("history", "--file", "layers/*.py")) == [2]
    assert numbers(project.ask("history", "--file", "train.py")) == [3]
    assert numbers(project.ask("history", "--file", "*.py")) == [2, 3]
    (project.sandbox / "iter2/code_snapshot/layers/one.py").write_text("damaged")
    assert numbers(project.ask("history", "--file", "layers/one.py")) == [2]
    (project.sandbox / "iter2/manifest.json").write_text("{")
    assert project.ask("history", "--file", "*.py")["notes"] == ["no manifest of #2"]
    assert "note: no manifest of #2" in project.call("history", "--file", "*.py").out


def test_near_misses_are_what_lost_little_by_what_kept_ideas_gain(
    campaign: tuple[Project, Terminal],
) -> None:
    _, terminal = campaign
    answer = terminal.ask("history", "--near-misses")
    assert numbers(answer) == [2, 4]  # 0.001 and 0.02, where what was kept gained 0.1
    assert "a quarter" in answer["rule"]
    assert [row["near_miss"] for row in terminal.ask("history")["experiments"]] == [
        False, True, False, True, False, False, False,
    ]  # fmt: skip
    lines = terminal.call("history", "--near-misses").out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[-1].split() == ["#4", "1.004000", "-0.02", "LR", "to", "0.03:", "too", "much"]
    assert terminal.call("history", "1", "--near-misses").out == "no near misses\n"


def test_dead_ends_name_the_parameter_its_values_and_what_was_kept_before(
    campaign: tuple[Project, Terminal],
) -> None:
    _, terminal = campaign
    (found,) = terminal.ask("history", "--dead-ends")["dead_ends"]
    assert found == {
        "name": "LR", "values": ["0.03", "0.04", "0.05"], "since": 3, "experiments": [4, 5, 6],
    }  # fmt: skip
    assert terminal.call("history", "--dead-ends").out == (
        "LR: 3 tried, none kept since #3 was kept, 1 crashed (0.03, 0.04, 0.05): #4 #5 #6\n"
    )
    none = "no dead ends: nothing failed three times over\n"
    assert terminal.call("history", "1..3", "--dead-ends").out == none


def test_the_brief_form_has_values_by_what_became_of_them(
    campaign: tuple[Project, Terminal],
) -> None:
    project, terminal = campaign
    answer = terminal.ask("history", "--compact")
    assert answer["compact"].splitlines()[0] == (
        "7 experiments (2 keep, 4 discard, 1 crash); val_bpb, lower is better; best #3 1.003000"
    )
    assert "LR +0.02 ~0.009 0.03 -0.05 x0.04(ValueError)" in answer["compact"].splitlines()
    assert "worse: tied embeddings" in answer["compact"]
    assert terminal.call("history", "--compact").out == answer["compact"] + "\n"
    for number in (4, 6):  # where the code is damaged the words have to do
        (project.sandbox / f"iter{number}/code_snapshot/train.py").write_text("damaged")
    again = terminal.call("history", "--compact").out
    assert "LR +0.02 ~0.009 0.03 -0.05 x0.04(ValueError)" in again


def test_hundreds_are_brief_and_hostile_words_are_clean(tmp_path: Path) -> None:
    project = begun(Project(tmp_path / "p"))
    hostile = ["\x1b[31mred\x07 \u202etxt", "<b>&amp; `rm -rf`", "a\nb\tc" * 40, "日本語 " * 60]
    lengthen(project, [*realistic(500), *map(Tried, hostile)])
    out = project.call("history", "--compact").out
    assert len(out.encode()) <= 4097
    assert "left out" not in out
    assert all(line.isprintable() for line in out.splitlines())
    listed = project.call("history").out.splitlines()
    assert len(listed) == 506
    assert all(line.isprintable() for line in listed)
    assert len(json.dumps(project.ask("history", "..3").values)) < 3000


def test_nothing_tried_yet_is_said_in_every_view(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.setup()
    for view in ([], ["--near-misses"], ["--dead-ends"], ["--compact"]):
        assert project.call("history", *view).out == "nothing tried yet\n", view
