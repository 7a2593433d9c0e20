"""Search/replace blocks: exact, all or none, and a refusal that can be acted on."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from agent_loops.edits import Block, apply, parse
from agent_loops.errors import Refused

OPEN, MIDDLE, CLOSE = "<" * 7 + " SEARCH", "=" * 7, ">" * 7 + " REPLACE"


def block(search: str, replace: str) -> str:
    return f"{OPEN}\n{search}{MIDDLE}\n{replace}{CLOSE}\n"


def edited(text: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    return apply(parse(text), files, allowed=lambda path: path.endswith((".py", ".txt")))


def refusal(text: str, files: Mapping[str, bytes]) -> Refused:
    with pytest.raises(Refused) as caught:
        edited(text, files)
    assert caught.value.kind == "edit"
    assert caught.value.next_step == "correct the block and call `agent-loops try` again"
    return caught.value


TRAIN = b"import os\n\nLR = 0.1\nDEPTH = 8\n\n\ndef step(x):\n    return x\n"


# --- parsing ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "train.py",
        "`train.py`",
        "### train.py",
        "## `train.py`",
        "**train.py**",
        "./train.py",
        "train.py:",
        "train.py  ",
    ],
)
def test_a_file_name_may_be_dressed(name: str) -> None:
    assert parse(f"{name}\n" + block("a\n", "b\n")) == (Block("train.py", "a\n", "b\n", 2),)


def test_blocks_share_the_last_file_name_and_fences_are_ignored() -> None:
    text = f"a.py\n```python\n{block('1', '2')}```\n".replace("1", "1\n").replace("2", "2\n")
    text += "\n" + block("3\n", "") + "\nsub/b c.py\n\n" + block("", "new\n")
    assert parse(text) == (
        Block("a.py", "1\n", "2\n", 3),
        Block("a.py", "3\n", "", 10),
        Block("sub/b c.py", "", "new\n", 17),
    )


def test_markers_may_have_trailing_blanks() -> None:
    text = f"a.py\n{OPEN} \na\n{MIDDLE}\t\nb\n{CLOSE}\r\n"
    assert parse(text) == (Block("a.py", "a\n", "b\n", 2),)


def test_the_first_divider_ends_the_search_and_later_ones_are_content() -> None:
    heading = f"Title\n{MIDDLE}\ntext\n"
    (only,) = parse("a.py\n" + block("x\n", heading))
    assert only.replace == heading


@pytest.mark.parametrize(
    "line",
    [
        "======",
        "========",
        "<<<<<<<",
        ">>>>>>>",
        "  =======",
        "<<<<<<< HEAD",
        ">>>>>>> main",
        "```",
        "# a.py",
    ],
)
def test_lines_that_only_look_like_markers_are_content(line: str) -> None:
    (only,) = parse("a.py\n" + block(f"{line}\n", f"{line}\nx\n"))
    assert only.search == f"{line}\n"
    assert only.replace == f"{line}\nx\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        (" \n\n", "empty"),
        ("a.py\n", "line 1 is neither a file name before a block"),
        ("Here is my change:\na.py\n" + block("a\n", "b\n"), "`Here is my change:`"),
        ("a.py\n" + block("a\n", "b\n") + "That should help.\n", "line 7 is neither"),
        ("a.py\nb.py\n" + block("a\n", "b\n"), "line 1 is neither"),
        (f"a.py\n{OPEN}\na\n{MIDDLE}\nb\n", "block 1 (line 2 of the edit) is cut off"),
        (
            f"a.py\n{OPEN}\na\n{MIDDLE}\nb\n" + block("c\n", "d\n"),
            "block 1 (line 2 of the edit) is cut off",
        ),
        (f"a.py\n{OPEN}\na\n{CLOSE}\n", "no `=======` line"),
        (f"a.py\n{OPEN} a.py\na\n{MIDDLE}\nb\n{CLOSE}\n", "each alone on its line"),
        (f"a.py\n{MIDDLE}\n", "is no marker in its place"),
        ("--- a/train.py\n+++ b/train.py\n@@ -1 +1 @@\n-a\n+b\n", "unified diff"),
    ],
)
def test_what_is_not_blocks_is_refused(text: str, says: str) -> None:
    with pytest.raises(Refused) as caught:
        parse(text)
    assert caught.value.kind == "edit"
    assert says in caught.value.reason


# --- applying -----------------------------------------------------------------------------------


def test_blocks_change_only_their_lines_and_only_changed_files_come_back() -> None:
    files = {"train.py": TRAIN, "other.py": b"x\n"}
    text = (
        "train.py\n"
        + block("LR = 0.1\n", "LR = 0.2\n")
        + block("    return x\n", "    return 2 * x\n")
    )
    assert edited(text, files) == {
        "train.py": TRAIN.replace(b"0.1", b"0.2").replace(b"return x", b"return 2 * x")
    }
    assert files["train.py"] == TRAIN


def test_blocks_match_the_original_and_not_each_other() -> None:
    text = (
        "train.py\n"
        + block("LR = 0.1\n", "DEPTH = 8\nLR = 1\n")
        + block("DEPTH = 8\n", "DEPTH = 9\n")
    )
    assert edited(text, {"train.py": TRAIN})["train.py"] == TRAIN.replace(
        b"LR = 0.1\nDEPTH = 8\n", b"DEPTH = 8\nLR = 1\nDEPTH = 9\n"
    )


def test_without_a_name_the_only_file_is_meant() -> None:
    assert edited(block("LR = 0.1\n", ""), {"train.py": TRAIN})["train.py"] == TRAIN.replace(
        b"LR = 0.1\n", b""
    )
    said = refusal(block("LR = 0.1\n", ""), {"train.py": TRAIN, "b.py": b""}).reason
    assert "names no file" in said
    assert "b.py, train.py" in said


def test_an_empty_search_makes_a_file() -> None:
    assert edited("new/a.py\n" + block("", "x = 1\n"), {"train.py": TRAIN}) == {
        "new/a.py": b"x = 1\n"
    }
    assert edited("a.py\n" + block("", ""), {}) == {"a.py": b""}
    assert edited("a.py\n" + block("", "x\n"), {"a.py": b""}) == {"a.py": b"x\n"}
    assert "exists" in refusal("train.py\n" + block("", "x\n"), {"train.py": TRAIN}).reason
    assert "twice" in refusal("a.py\n" + block("", "x\n") + block("", "y\n"), {}).reason


@pytest.mark.parametrize(
    ("before", "search", "replace", "after"),
    [
        (b"a\nb\n", "b\n", "c\n", b"a\nc\n"),
        (b"a\nb", "b\n", "c\n", b"a\nc"),
        (b"a\nb", "a\n", "c\n", b"c\nb"),
        (b"a\nb", "b\n", "", b"a\n"),
        (b"a\nb", "a\nb\n", "", b""),
        (b"a", "a\n", "b\nc\n", b"b\nc"),
        (b"a\r\nb\r\n", "b\n", "c\nd\n", b"a\r\nc\r\nd\r\n"),
        (b"a\r\nb\r\n", "b\r\n", "c\n", b"a\r\nc\r\n"),
        (b"a\r\nb", "b\n", "c\nd\n", b"a\r\nc\r\nd"),
        (b"a\r\nb\nc\n", "b\n", "d\n", b"a\r\nd\nc\n"),
        (b"\xef\xbb\xbfa\nb\n", "a\n", "c\n", b"\xef\xbb\xbfc\nb\n"),
        (b"\xff\xfe\nb\n", "b\n", "c\n", b"\xff\xfe\nc\n"),
        (b"\xff\nb\n", "\udcff\n", "c\n", b"c\nb\n"),
        ("é\n".encode(), "é\n", "ü\n", "ü\n".encode()),
        (b"a\n\nb\n", "\n", "c\n", b"a\nc\nb\n"),
        (b"xa\na\nax\n", "a\n", "b\n", b"xa\nb\nax\n"),
    ],
)
def test_line_ends_and_other_bytes_survive(
    before: bytes, search: str, replace: str, after: bytes
) -> None:
    assert edited("f.txt\n" + block(search, replace), {"f.txt": before}) == {"f.txt": after}


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/etc/passwd.py", "outside the project"),
        ("../train.py", "outside the project"),
        ("a/../../train.py", "outside the project"),
        ("~/train.py", "outside the project"),
        ("a\\train.py", "not a plain relative path"),
        ("a//train.py", "not a plain relative path"),
        ("prepare.sh", "prepare.sh is not editable, so it stays as it is; editable: train.py"),
        ("trian.py", "does not exist; an empty search makes it; did you mean train.py?"),
    ],
)
def test_other_files_are_refused(path: str, says: str) -> None:
    error = refusal(f"{path}\n" + block("LR = 0.1\n", "LR = 1\n"), {"train.py": TRAIN})
    assert says in error.reason
    assert error.files == (path,)


def test_a_search_that_is_there_twice_names_every_place() -> None:
    error = refusal("a.py\n" + block("x\n", "y\n"), {"a.py": b"x\nb\nx\nx"})
    assert "3 times, at lines 1, 3, 4" in error.reason
    assert error.files == ("a.py",)


def test_a_search_that_is_nowhere_shows_the_nearest_lines() -> None:
    error = refusal("train.py\n" + block("LR = 0.3\nDEPTH = 8\n", "LR = 1\n"), {"train.py": TRAIN})
    assert error.reason == (
        "block 1 (line 2 of the edit): train.py: its search is nowhere in the file. Nearest:\n"
        "     2: \n>    3: LR = 0.1\n     4: DEPTH = 8\n     5: \n     6: "
    )


@pytest.mark.parametrize("search", ["= 0.1\n", "LR =\n", "\n\nLR =\n", "8\n\nx = 1\n"])
def test_a_search_for_a_part_of_a_line_says_so_and_shows_the_line(search: str) -> None:
    have = b"# begin\n\nLR = 0.1\nDEPTH = 8\n\nx = 1\n"
    said = refusal("f.py\n" + block(search, "y\n"), {"f.py": have}).reason
    line = "4: DEPTH = 8" if search.startswith("8") else "3: LR = 0.1"
    assert "SEARCH must be whole lines" in said
    assert said.endswith(f">    {line}")


@pytest.mark.parametrize(
    ("have", "search", "hint"),
    [
        (b"def f():\n    x = 1  \n", "    x = 1\n", "only blanks at the ends of lines differ"),
        (
            b"def f():\n\tx = 1\n",
            "    x = 1\n",
            "only the indentation differs: tabs against spaces",
        ),
        (b"def f():\n    x = 1\n", "  x = 1\n", "(only the indentation differs)"),
        (b"a = 1\nb = 2\n", "b = 2\r\n", "the block's lines end in CR LF, the file's do not"),
        (
            b"a = 1\r\nb = 2\nc = 3\n",
            "a = 1\n",
            "some lines of the file end in CR LF, others do not",
        ),
        (b"learning_rate = 0.1\n", "learning_rate = 0.25\n", ">    1: learning_rate = 0.1"),
        (b"alpha\n", "zzzzzz\n", "no line is like it"),
        (b"", "zzzzzz\n", "no line is like it"),
    ],
)
def test_the_refusal_hints_at_the_difference(have: bytes, search: str, hint: str) -> None:
    assert hint in refusal("f.txt\n" + block(search, "x\n"), {"f.txt": have}).reason


def test_the_nearest_lines_are_few_and_short() -> None:
    have = b"\n".join(b"value_%d = %s" % (n, b"9" * 500) for n in range(5000))
    began = time.monotonic()
    reason = refusal(
        "f.txt\n" + block("value_2500 = 8\nnothing\x07\n", "x\n"), {"f.txt": have}
    ).reason
    assert len(reason) < 800
    assert reason.count("\n") <= 5
    assert time.monotonic() - began < 20


def test_overlap_sameness_and_no_change_are_refused() -> None:
    files = {"train.py": TRAIN}
    overlap = block("LR = 0.1\nDEPTH = 8\n", "a\n") + block("DEPTH = 8\n\n", "b\n")
    assert "blocks 1 and 2 overlap" in refusal("train.py\n" + overlap, files).reason
    again = block("LR = 0.1\n", "a\n") + block("LR = 0.1\n", "b\n")
    assert "blocks 1 and 2 overlap" in refusal("train.py\n" + again, files).reason
    assert "are the same" in refusal("train.py\n" + block("LR = 0.1\n", "LR = 0.1\n"), files).reason
    same = block("a\n", "a\r\n")
    assert "changes nothing" in refusal("f.txt\n" + same, {"f.txt": b"a\r\n"}).reason


def test_one_bad_block_stops_all_and_every_bad_one_is_named() -> None:
    files = {"train.py": TRAIN, "b.py": b"b\n"}
    good = "train.py\n" + block("LR = 0.1\n", "LR = 1\n")
    bad = "b.py\n" + block("nope\n", "x\n") + block("nor this\n", "x\n")
    error = refusal(good + bad, files)
    assert "block 2 (line 8" in error.reason
    assert "block 3 (line 13" in error.reason
    assert error.files == ("b.py",)
    assert "and 1 more" in refusal(bad + block("z\n", "") + block("y\n", ""), files).reason


LINES = st.lists(st.sampled_from(["a", "b", "  c", "", "=", "é", "a\t", "x" * 9]), max_size=8)


@given(
    before=LINES,
    middle=LINES,
    after=LINES,
    replacement=LINES,
    crlf=st.booleans(),
    ended=st.booleans(),
)
def test_bytes_outside_the_match_never_change(
    *,
    before: list[str],
    middle: list[str],
    after: list[str],
    replacement: list[str],
    crlf: bool,
    ended: bool,
) -> None:
    end = "\r\n" if crlf else "\n"
    middle = ["<unique>", *middle]
    lines = [*before, *middle, *after]
    assume(ended or lines[-1])  # an empty last line without its end is no line
    assume(not crlf or ended or len(lines) > 1)  # else nothing shows which line ends are meant
    data = (end.join(lines) + (end if ended else "")).encode()
    search = "".join(f"{line}\n" for line in middle)
    replace = "".join(f"{line}\n" for line in replacement)
    head = "".join(line + end for line in before).encode()
    rest = data[len(head) :]
    tail = rest[len("".join(line + end for line in middle).encode()) :]
    made = edited("f.txt\n" + block(search, replace), {"f.txt": data, "other.py": b"z"})
    assert list(made) == ["f.txt"]
    assert made["f.txt"].startswith(head)
    assert made["f.txt"].endswith(tail)
    expected = "".join(line + end for line in replacement).encode()
    got = made["f.txt"][len(head) : len(made["f.txt"]) - len(tail)]
    assert got == expected or got + end.encode() == expected


@given(
    data=st.lists(st.sampled_from(["a", "b", "c"]), max_size=6),
    text=st.lists(st.tuples(LINES, LINES), min_size=1, max_size=3),
)
def test_an_edit_is_made_whole_or_refused(
    data: list[str], text: list[tuple[list[str], list[str]]]
) -> None:
    files = {"f.txt": "".join(f"{line}\n" for line in data).encode()}
    kept = dict(files)
    pairs = [("".join(f"{x}\n" for x in s), "".join(f"{x}\n" for x in r)) for s, r in text]
    try:
        made = edited("f.txt\n" + "".join(block(s, r) for s, r in pairs), files)
    except Refused:
        made = {}
    assert files == kept
    if made:
        removed = sum(len(s.encode()) for s, _ in pairs)
        added = sum(len(r.encode()) for _, r in pairs)
        assert len(made["f.txt"]) == len(files["f.txt"]) - removed + added


@given(st.text(max_size=300))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    for candidate in (text, f"a.py\n{OPEN}\n{text}\n{MIDDLE}\nx\n{CLOSE}\n"):
        with contextlib.suppress(Refused):
            edited(candidate, {"a.py": b"a\nb\n"})
