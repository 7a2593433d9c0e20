"""The whole campaign in 4 KB: what was tried is found again in it."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from agent_loops.reporting import compact, line_changes, parameters, tried
from agent_loops.reporting.ledger import Row
from agent_loops.reporting.parameters import Setting
from agent_loops.reporting.telling_words import words_of
from agent_loops.reporting.tried import Idea
from agent_loops.snapshots import FileState
from long_records import realistic


def rows_of(count: int) -> list[Row]:
    return [
        Row(
            number, idea.verdict, idea.description, gain=idea.gain, metric=1.0,
            reason=idea.crash if idea.verdict == "crash" else "",
        )
        for number, idea in enumerate(realistic(count), start=1)
    ]  # fmt: skip


def ideas_of(count: int) -> list[Idea]:
    rows = rows_of(count)
    diffs, before = {}, ""
    for number, idea in enumerate(realistic(count), start=1):
        diffs[number] = line_changes.between(tree(before), tree(idea.train)) if before else ()
        before = idea.train if idea.verdict == "keep" or not before else before
    return tried.ideas_of(rows, rows, diffs.__getitem__)


def tree(text: str) -> dict[str, FileState]:
    return {"train.py": FileState(text.encode(), 0o644)}


def lost(text: str, ideas: Sequence[Idea]) -> list[Idea]:
    """The ideas whose parameter and value, or a word of theirs, the text does not have."""
    values = {
        line.partition(" ")[0].lower(): re.findall(r"[^\s+~x-][^\s]*", line.partition(" ")[2])
        for line in text.splitlines()
    }
    words = set(re.split(r"[\s;:]+", text.lower()))

    def is_there(idea: Idea) -> bool:
        if idea.settings:
            value = idea.value
            shown = {item.split("(")[0] for item in values.get(idea.key, ())}
            return bool({value, value.replace("0.", ".", 1)} & shown)
        return bool(set(idea.words) & words)

    return [idea for idea in ideas if not is_there(idea)]


def test_five_hundred_experiments_fit_four_kilobytes_and_none_is_lost() -> None:
    ideas = ideas_of(500)
    assert sum(bool(idea.settings) for idea in ideas) >= 299
    made = compact.render(ideas, ["500 experiments"])
    assert len(made.text.encode()) <= 4096
    assert made.left_out == 0
    assert lost(made.text, ideas) == []


def test_ideas_without_a_diff_are_found_by_their_words_alone() -> None:
    rows = rows_of(300)
    ideas = tried.ideas_of(rows, rows, lambda _: ())
    made = compact.render(ideas, [])
    assert (made.left_out, lost(made.text, ideas)) == (0, [])


def test_ten_thousand_fit_too_and_what_is_left_out_is_counted_the_oldest_failures_first() -> None:
    ideas = [
        Idea(Row(n, "keep" if n % 100 == 0 else "discard", f"w{n}"), "+" if n % 100 == 0 else "-",
             (), (f"w{n}",), "")
        for n in range(1, 10_001)
    ]  # fmt: skip
    made = compact.render(ideas, [])
    assert 3900 < len(made.text.encode()) <= 4096
    left = [idea for idea in ideas if idea.words[0] in re.split(r"[\s;]", made.text)]
    assert len(left) == 10_000 - made.left_out
    assert f"left out {made.left_out} older: `agent-loops history" in made.text
    assert {idea.row.number for idea in left} >= set(range(100, 10_001, 100))
    failed = [idea.row.number for idea in left if idea.mark == "-"]
    assert failed == [n for n in range(failed[0], 10_001) if n % 100]


def test_few_are_told_in_many_words_with_their_causes() -> None:
    rows = [
        Row(1, "keep", "baseline", is_baseline=True, metric=1.0),
        Row(2, "keep", "rotary embeddings in every layer", metric=0.9, gain=0.1),
        Row(3, "discard", "LR 0.1 to 0.2", metric=0.91, gain=-0.01),
        Row(4, "discard", "LR 0.2 to 0.4", metric=2.0, gain=-1.0),
        Row(5, "crash", "LR 0.4 to 0.8", reason="metric is nan; nothing else"),
        Row(6, "crash", "no dropout", reason="torch.OutOfMemoryError: CUDA out of memory"),
        Row(7, "discard", "", metric=2.0, gain=-1.0),
    ]
    text = compact.render(tried.ideas_of(rows, rows, lambda _: ()), []).text
    assert text.splitlines()[1:] == [
        "LR ~0.2 -0.4 x0.8(metric is nan)", "kept: #2 rotary embeddings layer", "worse: #7",
        "crashed, OutOfMemoryError: no dropout",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("description", "settings"),
    [
        ("softcap 15 to 17", [("softcap", "17")]),
        ("embedding LR 0.6->0.8 (re-test)", [("embedding_LR", "0.8")]),
        ("TOTAL_BATCH_SIZE 2^16→2^17", [("TOTAL_BATCH_SIZE", "2^17")]),
        ("increase n_layer from 8 to 12", [("n_layer", "12")]),
        ("DEPTH=12 ASPECT_RATIO=75", [("DEPTH", "12"), ("ASPECT_RATIO", "75")]),
        ("lower weight decay to 0.1", [("weight_decay", "0.1")]),
        ("batch 262K, twice the steps", [("batch", "262K")]),
        ("cosine schedule — val_bpb 1.2 to 1.3", []),
        ("a learned gate in each of 12 layers", []),
    ],
)
def test_parameters_in_a_persons_words(description: str, settings: list[tuple[str, str]]) -> None:
    assert parameters.of_description(description) == tuple(Setting(*item) for item in settings)


@pytest.mark.parametrize(
    ("diff", "settings"),
    [
        (["-LR = 0.1", "+LR = 0.2  # faster"], [("LR", "0.2")]),
        (["-    lr: float = 1e-3", "+    lr: float = 3e-4"], [("lr", "3e-4")]),
        (["-m = Net(depth=4, width=8)", "+m = Net(depth=6, width=8)"], [("depth", "6")]),
        (["--- a/x", "+++ b/x", "-betas = (0.9, 0.95)", "+betas = (0.9, 0.99)"],
         [("betas", "(0.9, 0.99)")]),
        (["-lr: 0.1", "-wd: 0.0", "+lr: 0.2", "+wd: 0.1"], [("lr", "0.2"), ("wd", "0.1")]),
        (["+x = f(x)", "+y = g(x)", "+return x + y", "-a = 1", "+a = 2"], []),
        (["-x = f(x)"], []),
    ],
)  # fmt: skip
def test_parameters_in_changed_lines(diff: list[str], settings: list[tuple[str, str]]) -> None:
    assert parameters.of_diff(diff) == tuple(Setting(*item) for item in settings)


def test_what_is_taken_out_stays_taken_out() -> None:
    assert words_of("remove the value embeddings, they are slow") == [
        "no", "value", "embeddings", "they", "are", "slow",
    ]  # fmt: skip
    assert words_of("日本語の説明") == ["日本語の説明"]


def test_dead_ends_are_what_failed_three_times_since_it_last_helped() -> None:
    said = (
        *("keep LR 0.1", "discard LR 0.2", "crash LR 0.3", "discard LR 0.4", "discard DEPTH 3"),
        *("discard tied gate", "discard gate for values", "crash bounded gate", "keep softcap"),
        *("discard softcap again", "discard softcap in front", "discard softcap behind"),
    )
    rows = [
        Row(n, text.split()[0], text.partition(" ")[2], gain=-1.0, metric=1.0)
        for n, text in enumerate(said, start=1)
    ]
    found = tried.dead_ends(tried.ideas_of(rows, rows, lambda _: ()))
    assert [(item.name, item.values, item.numbers, item.since) for item in found] == [
        ("LR", ("0.2", "0.3", "0.4"), (2, 3, 4), 1), ("gate", (), (6, 7, 8), 0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("description", "words"),
    [
        ("skip to the logits", "skip logits"),
        ("drop path 0.1", "drop path 0.1"),
        ("drop last batch", "drop batch"),
        ("adam instead of sgd", "adam instead sgd"),
        ("increase warmup", "increase warmup"),
        ("decrease warmup", "decrease warmup"),
        ("remove the skip connections", "no skip connections"),
    ],
)
def test_words_do_not_turn_an_idea_round(description: str, words: str) -> None:
    assert " ".join(words_of(description)) == words
