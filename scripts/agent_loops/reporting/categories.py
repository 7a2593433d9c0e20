"""Says of what kind an idea is, architecture, optimizer, data and so on, by a rule people can see.

Reads words, not programs: an idea that names nothing known is `other`, and one of two kinds is put
under the one that it names more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agent_loops import exploring, themes

CATEGORIES = (
    "hyperparameters",
    "architecture",
    "optimizer",
    "schedule",
    "initialization",
    "regularization",
    "loss",
    "data",
    "systems",
    "simplification",
    "other",
)
RULE = (
    "An idea's category is the one whose words its description names most; each counts three, the "
    "names in its changed lines one. A word before a colon that names a category decides. What "
    "only removes lines, or says so, is a simplification; what names nothing known is other."
)
_PHRASES = {
    "hyperparameters": "lr|lrs|learning rate|learning rates|batch|batch size|accumulation",
    "architecture": (
        "depth|width|layer|layers|head|heads|attention|attn|mlp|activation|gelu|relu|swiglu|norm|"
        "rmsnorm|layernorm|embedding|embeddings|residual|skip|window|rope|hidden|kernel|model dim|"
        "conv|gated|gate|gating|aspect ratio|n layer|n head|n embd"
    ),
    "optimizer": (
        "optimizer|adam|adamw|sgd|muon|lion|momentum|nesterov|beta|beta1|beta2|betas|eps|clip|"
        "clipping|ema|swa|weight averaging"
    ),
    "schedule": (
        "schedule|scheduler|warmup|warmdown|cooldown|cosine|decay|linear decay|anneal|final lr"
    ),
    "initialization": "init|initial|initialization|xavier|kaiming|orthogonal|zero init",
    "regularization": "dropout|weight decay|wd|label smoothing|regularization|noise|stochastic",
    "loss": "loss|cross entropy|z loss|auxiliary|distillation",
    "data": "data|dataset|augmentation|shuffle|tokens|tokenizer|vocab|sequence length|seq len",
    "systems": "compile|bf16|fp16|dtype|precision|fused|flash|cuda|workers|throughput|speed",
    "simplification": "simplify|simplification|remove|drop|delete|without|cleanup",
}
_MEANS = {
    tuple(phrase.split()): category
    for category, phrases in _PHRASES.items()
    for phrase in phrases.split("|")
}
_LONGEST = max(map(len, _MEANS))


def category_of(description: str, diff: Sequence[str]) -> str:
    """The category of an idea by `RULE`; `diff` is a unified diff, or empty."""
    kind = tuple(themes.words(exploring.kind_of(description)))
    if kind in _MEANS or (len(kind) == 1 and kind[0] in CATEGORIES):
        return _MEANS.get(kind) or kind[0]
    scores = dict.fromkeys(CATEGORIES, 0)
    for category in _named(themes.words(description)):
        scores[category] += 3
    for category in _named_in(diff):
        scores[category] += 1
    best = max(CATEGORIES, key=lambda category: scores[category])
    return best if scores[best] else "other"


def _named_in(diff: Sequence[str]) -> Iterator[str]:
    for line in diff:
        if line.startswith(("+", "-")) and not line.startswith(("+++", "---")):
            yield from _named(themes.words(line[1:]))


def _named(words: Sequence[str]) -> Iterator[str]:
    """The categories of the phrases in it; of those that overlap the longest."""
    at = 0
    while at < len(words):
        for length in range(min(_LONGEST, len(words) - at), 0, -1):
            category = _MEANS.get(tuple(words[at : at + length]))
            if category:
                yield category
                break
        else:
            length = 1
        at += length
