"""Categories: what kind of idea it is, by words of the description and names in the change."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest

from agent_loops import edits
from agent_loops.reporting import categories
from agent_loops.reporting.categories import CATEGORIES, category_of

IDEAS = Path(__file__).resolve().parent.parent / "examples" / "tiny_lm" / "ideas"

# Kinds of ideas that campaigns of others tried, labelled by hand; the words are ours.
LABELLED = {
    "hyperparameters": [
        "batch 512K -> 256K (twice the steps)", "embedding LR 0.5 -> 0.7", "raise the scalar lr",
        "MATRIX_LR=0.05 (worse than 0.04)", "halve the value embedding LR",
        "n_estimators=900 lr=0.03",
        "device batch 16, total batch halved", "LR of the residual scalars times 2", "max_depth=7",
    ],
    "architecture": [
        "depth 9, aspect ratio 57", "RoPE base 10K -> 100K", "softcap 15 -> 20",
        "SwiGLU, not ReLU^2",
        "window pattern SSSL -> SSSSL", "multi-query attention, one KV head", "HEAD_DIM 128 -> 64",
        "parallel attention and MLP", "weight tying (broken)", "conv kernel 15 -> 7",
        "MLP 4x -> 3.5x",
        "value embeddings only in the last layers", "gate channels of the VE 32 -> 16",
    ],
    "optimizer": [
        "Adam beta1 0.8 -> 0.85", "Muon beta2 0.9", "gradient clipping at 1.0",
        "EMA of weights 0.99",
        "Muon momentum warmup 300 -> 200 steps", "ns_steps 5 -> 4", "adam eps 1e-10 -> 1e-8",
        "average the weights of the last steps", "Lion instead of AdamW",
    ],
    "schedule": [
        "5% warmup", "warmdown 0.5 -> 0.7", "FINAL_LR_FRAC 0.0 -> 0.05", "cosine instead of linear",
        "raise the lr floor to 0.1", "WSD schedule: stable for 80%",
    ],
    "initialization": [
        "embedding init std 1.0 -> 0.7", "init scale 0.8x", "small random init for the projections",
        "init that depends on depth", "zero init of the output layer",
    ],
    "regularization": [
        "weight decay 0.2 -> 0.15", "WD 0.01 on the lm_head", "dropout 0.1", "tiny embedding WD",
        "stochastic depth (breaks compile)", "label smoothing 0.1", "colsample_bytree=0.6",
        "reg_lambda=3",
    ],
    "loss": ["z-loss 1e-4", "MTP: predict two tokens ahead", "focal loss"],
    "data": [
        "shuffle documents within shards", "curriculum of sequence lengths",
        "seq_len 2048 (fewer steps)",
        "one-hot encoding instead of ordinal", "10 shards, not 5", "target encode the categoricals",
    ],
    "systems": [
        "torch.compile max-autotune", "FP8 matmuls", "full bf16",
        "activation checkpointing in the MLP",
        "int8 quantization of the weights", "eager mode",
    ],
    "simplification": ["remove the logit cap", "drop the dead value embedding", "simplify the MLP"],
    "other": ["random seed 42 -> 137", "something else entirely", ""],
}  # fmt: skip
CASES = [(text, category) for category, texts in LABELLED.items() for text in texts]


@pytest.mark.parametrize(("description", "category"), CASES)
def test_a_description_says_its_category(description: str, category: str) -> None:
    assert category_of(description, ()) == category


# By the change alone, or with words that do not name it.
CHANGES = {
    "help-02-warmdown": ("let the learning rate fall to zero", "schedule"),
    "help-05-longer-context": ("see further back", "architecture"),
    "help-06-richer-embedding": ("", "architecture"),
    "help-07-no-dropout": ("three seconds are too short for it", "regularization"),
    "help-10-tighter-gradient-clip": ("", "optimizer"),
    "hurt-10-tiny-batch": ("more steps", "hyperparameters"),
    "hurt-12-start-at-zero": ("start at zero", "initialization"),
    "help-11-adam-instead-of-sgd": ("adam instead of sgd", "optimizer"),
    "help-03-average-the-weights": ("average the weights", "optimizer"),
    "flat-02-skip-to-the-logits": ("straight from input to output", "architecture"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_says_its_category(name: str) -> None:
    diff: list[str] = []
    for block in edits.parse((IDEAS / f"{name}.edit").read_text()):
        diff += difflib.unified_diff(
            block.search.splitlines(), block.replace.splitlines(), "a/train.py", "b/train.py"
        )
    description, category = CHANGES[name]
    assert category_of(description, diff) == category


def diff_of(*lines: str) -> list[str]:
    return ["--- a/train.py", "+++ b/train.py", "@@ -1,3 +1,3 @@", " x = 1", *lines]


def test_settings_decide_even_where_the_description_speaks_of_something_else() -> None:
    diff = diff_of("-DROPOUT = 0.1  # of hidden units", "+DROPOUT = 0.0  # of hidden units")
    assert category_of("a faster learning rate schedule", diff) == "regularization"
    diff = diff_of(
        '-  optimizer: {name: "adamw", lr: 0.1}', '+  optimizer: {name: "lion", lr: 0.1}'
    )
    assert category_of("", diff) == "optimizer"


def test_a_longer_name_in_the_description_says_which_setting_it_is() -> None:
    diff = diff_of("-DECAY = 0.0", "+DECAY = 0.01")
    assert category_of("weight decay 0.01", diff) == "regularization"
    assert category_of("a decay of 0.01", diff) == "schedule"
    assert category_of("less (weight decay was too high)", diff) == "schedule"


def test_what_only_takes_lines_away_is_a_simplification() -> None:
    diff = diff_of("-x = norm(x)", "-x = block(x)", "+x = block(x)")
    assert category_of("plain blocks", diff) == "simplification"
    diff = diff_of("-x = norm(x)", "-x = block(x)", "+x = attention(x)")
    assert category_of("attention", diff) == "architecture"


def test_a_word_before_the_colon_decides() -> None:
    assert category_of("sched: a higher peak of the learning rate", ()) == "schedule"
    assert category_of("systems: depth 9", ()) == "systems"
    assert category_of("exp12: SwiGLU", ()) == "architecture"
    assert category_of("[radical] exp8: batch 16K", ()) == "hyperparameters"
    assert category_of("next: dropout 0.2: heavier", ()) == "regularization"


def test_remarks_weigh_less_than_the_idea() -> None:
    assert category_of("depth 10 (the learning rate was too high for it)", ()) == "architecture"
    assert category_of("a try - with more dropout", ()) == "regularization"


def test_the_same_rule_for_hostile_and_endless_texts() -> None:
    assert category_of("\x1b[31m\u202e" + "(" * 5000, ()) == "other"
    assert category_of("we've tried, didn't we", diff_of("+" + "a" * 100_000)) == "other"
    assert category_of(":", ()) == category_of("]:[", ()) == "other"


def test_every_category_is_in_the_list_once_and_the_rule_is_told() -> None:
    assert set(LABELLED) == set(CATEGORIES)
    assert len(set(CATEGORIES)) == len(CATEGORIES)
    assert "description" in categories.RULE
