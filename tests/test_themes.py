"""What a change is about, by the names in its lines."""

from __future__ import annotations

from difflib import unified_diff

import pytest

from agent_loops import themes
from agent_loops.themes import ALL, LOSS, OUTPUT, SCHEDULE

BEFORE = """\
LR = 0.01
WARMDOWN_RATIO = 0.2
x = F.relu(x).square()
loss = F.cross_entropy(logits, targets)
if step % 10 == 0:
    print(f"step {step}")
BETAS = (
    0.9,
    0.95,
)
"""


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("LR = 0.01", "LR = 0.02", {SCHEDULE}),
        ("WARMDOWN_RATIO = 0.2", "WARMDOWN_RATIO = 0.5", {SCHEDULE}),
        ("LR = 0.01", "LR = 0.01\nmaxLrSteps = 3", {SCHEDULE, OUTPUT}),
        ("LR = 0.01", "LR = 0.01\nself.scheduler = OneCycleLR(opt)", {SCHEDULE}),
        ("LR = 0.01", "LR = 0.01\nDEVICE_BATCH_SIZE = 64", {SCHEDULE}),
        ("LR = 0.01", "LR = 0.01\nDEPTH = 12", {SCHEDULE}),
        ("LR = 0.01", "LR = 0.01\nmodel = torch.compile(model)", {SCHEDULE, OUTPUT}),
        ("F.relu(x).square()", "F.gelu(x)", set()),
        ("LR = 0.01", "LR = 0.01\nnn.init.orthogonal_(self.weight)", set()),
        ("F.cross_entropy(logits, targets)", "F.cross_entropy(logits, targets, 0.1)", {LOSS}),
        ("F.relu(x).square()", "F.dropout(F.relu(x).square(), 0.1)", {LOSS}),
        ('print(f"step', 'print(f"at step', {SCHEDULE, OUTPUT}),
        ("    0.95,", "    0.99,", ALL),
        ("LR = 0.01", "LR = 0.01\n", set()),
    ],
)
def test_a_change_is_about(old: str, new: str, expected: set[str]) -> None:
    assert BEFORE.count(old) == 1
    after = BEFORE.replace(old, new)
    diff = unified_diff(BEFORE.splitlines(), after.splitlines(), "a/t.py", "b/t.py", lineterm="")
    assert themes.of_change(diff) == expected


def test_no_change_is_about_nothing() -> None:
    assert themes.of_change([]) == frozenset()
