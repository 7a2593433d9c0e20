"""Locked parts of editable files, and guards: what may not change, and what must hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_loops.locks import Lock
from support import Project, edit_block

TRAIN = """\
import prepare

LR = 0.01
TIME_BUDGET = 300


class Model:
    def score(self):
        return LR


def evaluate(lr):
    # what counts
    return prepare.loss(lr, 8)


if __name__ == "__main__":
    print(f"val_bpb: {evaluate(LR):.6f}")
    print("12 passed, 0 failed")
"""

# What a change to the file is, which lock it is for, and whether it touches it.
CHANGES = [
    ("LR = 0.01", "LR = 0.02", "evaluate", False),
    ("    # what counts\n", "    # what matters\n\n", "evaluate", False),
    ("prepare.loss(lr, 8)", "prepare.loss(lr, 9)", "evaluate", True),
    ("def evaluate(lr):", "@cached\ndef evaluate(lr):", "evaluate", True),
    ('if __name__ == "__main__":', "evaluate = float\nif True:", "evaluate", True),
    ('if __name__ == "__main__":', "prepare.evaluate = float\nif True:", "evaluate", True),
    ('if __name__ == "__main__":', "def evaluate(lr):\n    return 0\nif True:", "evaluate", True),
    ('if __name__ == "__main__":', "from math import exp as evaluate\nif True:", "evaluate", True),
    ("TIME_BUDGET = 300", "TIME_BUDGET = 600", "TIME_BUDGET", True),
    ("LR = 0.01\n", "LR = 0.01\nTIME_BUDGET += 1\n", "TIME_BUDGET", True),
    ("LR = 0.01", "LR = 0.02", "TIME_BUDGET", False),
    ("        return LR", "        return 0", "Model.score", True),
    ("        return LR", "        return 0", "Model", True),
    ("LR = 0.01", "LR = 0.02", "Model.score", False),
]


@pytest.mark.parametrize(("old", "new", "name", "touches"), CHANGES)
def test_a_lock_sees_what_changes_its_meaning(
    old: str, new: str, name: str, *, touches: bool
) -> None:
    lock = Lock.parse(f"train.py::{name}")
    assert TRAIN.count(old) == 1
    before, after = lock.find(TRAIN.encode()), lock.find(TRAIN.replace(old, new).encode())
    assert before
    assert (before != after) is touches


# What hides or replaces a locked name in its own file.
REPLACED = [
    "(evaluate := lambda lr: 0.0001)",
    "if (evaluate := float):\n    pass",
    "while (evaluate := None):\n    pass",
    "match float:\n    case evaluate:\n        pass",
    "match [float]:\n    case [*evaluate]:\n        pass",
    "match {}:\n    case {**evaluate}:\n        pass",
    "try:\n    pass\nexcept OSError as evaluate:\n    pass",
    "from fx import *",
    "def report(evaluate=float):\n    print(evaluate(LR))",
    "def report(*, evaluate=float):\n    print(evaluate(LR))",
    "def report(**evaluate):\n    pass",
    "report = lambda evaluate: evaluate(LR)",
    "del evaluate",
    "for evaluate in [float]:\n    pass",
    "for (_, [evaluate]) in []:\n    pass",
    "with open(__file__) as evaluate:\n    pass",
    "print([evaluate(LR) for evaluate in [float]])",
    "def change():\n    global evaluate\n    evaluate = float",
    "evaluate: object = float",
    "import prepare as evaluate",
]


@pytest.mark.parametrize("code", REPLACED)
@pytest.mark.parametrize("name", ["evaluate", "LR", "Model.score"])
def test_a_lock_sees_its_name_bound_anew(code: str, name: str) -> None:
    lock = Lock.parse(f"train.py::{name}")
    added = code.replace("LR", "0.01").replace("evaluate", name.partition(".")[0])
    changed = TRAIN.replace("if __name__", f"{added}\n\nif __name__")
    assert lock.find(TRAIN.encode()) != lock.find(changed.encode())


def test_a_lock_sees_a_method_replaced_from_outside_its_class() -> None:
    lock = Lock.parse("train.py::Model.score")
    changed = f"{TRAIN}\nModel.score = lambda self: 0\n"
    assert lock.find(TRAIN.encode()) != lock.find(changed.encode())


def test_what_stands_beside_a_name_that_is_bound_may_change() -> None:
    code = "def train(lr=1, LR=2):\n    for LR in range(3):\n        step()\n\nLR = 3\n"
    lock = Lock.parse("train.py::LR")
    for old, new in [("step", "leap"), ("lr=1", "lr=2")]:
        assert lock.find(code.encode()) == lock.find(code.replace(old, new).encode())
    for old, new in [("LR=2", "LR=5"), ("range(3)", "range(9)"), ("LR = 3", "LR = 4")]:
        assert lock.find(code.encode()) != lock.find(code.replace(old, new).encode())


@pytest.mark.parametrize("sign", ["//", "#", "--", "/*", "<!--"])
def test_other_languages_have_named_regions(sign: str) -> None:
    text = f"fast();\n{sign} #region bench\nmeasure();\n{sign} #endregion\nslow();\n"
    lock = Lock.parse("src/main.rs::bench")
    assert lock.find(text.encode()) == ("measure();\n",)
    assert lock.find(text.replace("measure", "cheat").encode()) != lock.find(text.encode())
    assert lock.find(text.replace("fast", "faster").encode()) == lock.find(text.encode())
    assert Lock.parse("src/main.rs::other").find(text.encode()) == ()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "p", train=TRAIN)
    made.bind(
        locked=["train.py::evaluate", "train.py::TIME_BUDGET"],
        guards={"passed": {"pattern": r"(\d+) passed", "min": "baseline"}, "failed": {
            "pattern": r"(\d+) failed", "max": 0}},
    )  # fmt: skip
    return made


def test_a_change_to_a_locked_part_is_refused_before_the_run(project: Project) -> None:
    project.baseline()
    edit = edit_block("train.py", "TIME_BUDGET = 300", "TIME_BUDGET = 600")
    answer = project.ask("try", "longer", "--edit", "-", stdin=edit)
    assert (answer.code, answer["status"], answer["kind"]) == (3, "refused", "locked")
    assert "train.py::TIME_BUDGET" in answer["reason"]
    assert len(project.rows()) == 1
    assert project.read("train.py") == TRAIN


def test_setup_says_what_is_locked(project: Project) -> None:
    answer = project.call("setup")
    assert "locked    train.py::evaluate, train.py::TIME_BUDGET" in answer.out


def test_other_changes_run(project: Project) -> None:
    project.baseline()
    edit = edit_block("train.py", "LR = 0.01", "LR = 0.04")
    assert project.ask("try", "lr", "--edit", "-", stdin=edit)["status"] == "keep"


@pytest.mark.parametrize(
    ("printed", "reason"),
    [
        ("11 passed, 0 failed", "passed 11 is under 12"),
        ("13 passed, 1 failed", "failed 1 is over 0"),
        ("all well", "passed: not printed"),
    ],
)
def test_a_better_metric_with_a_broken_guard_is_a_discard(
    project: Project, printed: str, reason: str
) -> None:
    project.baseline()
    project.edit("LR = 0.01", "LR = 0.04")
    project.edit("12 passed, 0 failed", printed)
    answer = project.ask("try", "faster and looser")
    assert (answer["status"], answer["kind"], answer["reason"]) == ("discard", "guard", reason)
    assert answer["delta"] > 0
    assert project.ask("override", "2", "keep", "--why", "x").code == 3


def test_a_baseline_that_breaks_a_guard_is_no_baseline(project: Project) -> None:
    project.edit("12 passed, 0 failed", "12 passed, 3 failed")
    project.setup()
    answer = project.ask("try", "baseline")
    assert answer["status"] == "crash"
    assert "failed 3 is over 0" in answer["reason"]


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("locked", ["train.py"], "a file and a name"),
        ("locked", ["train.py::nothing"], "train.py has no nothing"),
        ("locked", ["train.py::lr"], "an argument of that name: write `LR = …` and lock LR"),
        ("locked", ["prepare.py::loss"], "a part of an editable file"),
        ("guards", {"passed": {}}, "`min` or `max`"),
        ("guards", {"passed": {"min": "high"}}, "a number"),
        ("guards", {"passed": {"min": 1, "pattern": "("}}, "guards.passed"),
    ],
)
def test_wrong_locks_and_guards_are_told(
    project: Project, key: str, value: object, says: str
) -> None:
    project.bind(**{key: value})
    answer = project.call("setup")
    assert answer.code == 2
    assert says in answer.err
    assert answer.err.count("\n") == 1
