"""A change is carried over to other content, or the collision is said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_loops.finalizing.merging import merge

BASE = b"import prepare\nLR = 1\nWD = 2\nSTEPS = 3\nprint(LR)\n"
content = st.lists(st.sampled_from([b"a\n", b"b\n", b"c\r\n", b"d\n", b"\n", b"e"])).map(b"".join)


def test_changes_of_lines_that_touch_do_not_collide() -> None:
    ours, theirs = BASE.replace(b"LR = 1", b"LR = 5"), BASE.replace(b"WD = 2", b"WD = 6")
    assert merge(ours, BASE, theirs) == BASE.replace(b"1", b"5").replace(b"WD = 2", b"WD = 6")


def test_a_line_that_came_and_one_that_went() -> None:
    ours = BASE.replace(b"LR = 1\n", b"LR = 1\nNEW = 4\n")
    theirs = BASE.replace(b"STEPS = 3\n", b"")
    both = BASE.replace(b"LR = 1\n", b"LR = 1\nNEW = 4\n").replace(b"STEPS = 3\n", b"")
    assert merge(ours, BASE, theirs) == merge(theirs, BASE, ours) == both


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (b"LR = 5", b"LR = 6"),
        (b"LR = 1\nNEW = 1", b"LR = 1\nNEW = 2"),  # two lines in one place: in which order?
        (b"", b"LR = 7"),
    ],
)
def test_two_changes_of_one_place_collide(ours: bytes, theirs: bytes) -> None:
    one, another = BASE.replace(b"LR = 1", ours), BASE.replace(b"LR = 1", theirs)
    assert merge(one, BASE, another) is None
    assert merge(another, BASE, one) is None


def test_what_is_no_text_is_not_taken_apart() -> None:
    assert merge(b"a\0\nb\n", b"c\0\nb\n", b"c\0\nd\n") is None


@given(content, content)
def test_what_only_one_side_changed_is_taken_whole(base: bytes, other: bytes) -> None:
    assert merge(base, base, other) == other
    assert merge(other, base, base) == other
    assert merge(other, base, other) == other


@given(content, content, content)
def test_it_does_not_matter_which_side_is_which(base: bytes, one: bytes, other: bytes) -> None:
    assert merge(one, base, other) == merge(other, base, one)


@given(content, content, content)
def test_no_line_comes_from_nowhere(base: bytes, one: bytes, other: bytes) -> None:
    merged = merge(one, base, other)
    if merged is not None:
        known = {line for text in (base, one, other) for line in text.splitlines()}
        known |= {left + right for left in known for right in known}  # a last line without its end
        assert set(merged.splitlines()) <= known
