"""Says of what kind an idea is, architecture, optimizer, data and so on, by a rule people can see.

Reads words, not programs: an idea that names nothing known is `other`, and one that is of two kinds
is put under one of them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from agent_loops import exploring, themes

SIMPLIFICATION, OTHER = "simplification", "other"
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
    SIMPLIFICATION,
    OTHER,
)
RULE = (
    "The first of these that names something known decides: the word before a colon (`arch: …`); "
    "the names of the settings, where the change sets only numbers and words anew, or the "
    "longer name by which the description calls one of them (weight decay, for DECAY); what the "
    "description says before the first bracket, dash, comma or semicolon; the rest of it; the "
    "names in the changed lines. Names of knobs (learning rate, weight decay, init) count three, "
    "names of parts that have such knobs (embedding, layer, Muon) one; where two categories are "
    "named as much, the changed lines decide, then the first named. What only takes lines "
    "away, or begins with remove, drop or simplify, is a simplification; what names nothing known "
    "is other."
)
# Words that stand together are one name, which counts instead of its words.
_KNOBS = {
    "hyperparameters": (
        "lr|lrs|learning rate|learning rates|batch|batches|batch size|bs|grad accum|accumulation|"
        "n estimators|n est|estimators|max depth|num leaves|max leaves|max bin|hyperparameters|"
        "hparams|hp"
    ),
    "optimizer": (
        "optimizer|opt|beta|betas|eps|momentum|momentum warmup|nesterov|clip|clipping|grad clip|"
        "gradient clip|gradient clipping|ema|swa|average the weights|weight averaging|averaging|"
        "lookahead|ns steps|newton schulz"
    ),
    "schedule": (
        "schedule|schedules|scheduler|sched|warmup|warmdown|cooldown|cosine|anneal|annealing|wsd|"
        "final lr|final lr frac|lr floor|lr decay|lr schedule|lr warmup|min lr|one cycle|onecycle|"
        "restarts|cosine decay|linear decay|learning rate schedule|learning rate decay|"
        "learning rate warmup|warmup steps|warmup ratio|warmdown ratio"
    ),
    "initialization": (
        "init|inits|init std|init scale|zero init|initial|initialization|initialisation|"
        "initialize|xavier|kaiming|orthogonal"
    ),
    "regularization": (
        "wd|weight decay|wd schedule|weight decay schedule|dropout|drop path|droppath|"
        "stochastic depth|label smoothing|regularization|regularizer|reg|penalty|reg alpha|"
        "reg lambda|alpha|min child weight|mcw|subsample|colsample|early stopping"
    ),
    "loss": (
        "loss|losses|z loss|cross entropy|objective|auxiliary loss|distillation|focal|mtp|"
        "multi token prediction|contrastive"
    ),
    "data": (
        "data|dataset|datasets|shuffle|shuffling|augment|augmentation|augmentations|tokenizer|"
        "vocab|vocabulary|sequence length|seq len|curriculum|sampler|packing|feature|features|"
        "encode|encoder|encoding|one hot|categorical|categoricals|shards|documents|crop|flip|"
        "mixup|cutmix|bins|preprocessing|train tokens"
    ),
    "systems": (
        "compile|eager|bf|fp|tf|amp|mxfp|int4|int6|int8|dtype|precision|fused|flash|cuda|"
        "workers|throughput|checkpointing|quant|quantization|autotune|fullgraph|jit|cache|prefetch|"
        "precompute|vectorize|numba|speed|memory|progress every|log every|print every"
    ),
}
_PARTS = {
    "hyperparameters": "rate|rates|tune|tuning",
    "architecture": (
        "arch|architecture|depth|width|wide|wider|deep|deeper|dim|dims|hidden|layer|layers|block|"
        "blocks|head|heads|kv|qk|attention|attn|mqa|gqa|mlp|ffn|activation|relu|gelu|silu|swiglu|"
        "swish|tanh|sigmoid|glu|norm|norms|rmsnorm|layernorm|batchnorm|batch norm|layer norm|"
        "embed|embd|embedding|embeddings|sdpa|ve|residual|residuals|resid|resid lambda|skip|window|"
        "windows|context|rope|rotary|position|positional|conv|convolution|conv kernel|pool|"
        "pooling|gate|gates|"
        "gated|gating|channel|channels|aspect|aspect ratio|lm head|moe|expert|experts|router|"
        "tying|tied|softcap|logit cap|cap|parallel|expansion|unet|net|lstm|gru|mamba|transformer|"
        "bigram|table|capacity|network|value"
    ),
    "optimizer": (
        "adam|adamw|sgd|muon|lion|sophia|shampoo|soap|rmsprop|adagrad|gradient|gradients|velocity"
    ),
    "schedule": "decay|linear|epochs|iters|steps",
    "initialization": "std|zeros",
    "regularization": "smoothing|noise|mask|lambda|gamma",
    "loss": "label|labels|target|targets|entropy",
    "data": "tokens|sample|samples|text|images",
    "systems": "faster|float|kernel|device|gpu|cpu",
}
_KNOB, _PART = 3, 1


class _Name(NamedTuple):
    category: str
    weight: int


_NAMES = {
    tuple(name.split()): _Name(category, weight)
    for names, weight in ((_PARTS, _PART), (_KNOBS, _KNOB))
    for category, listed in names.items()
    for name in listed.split("|")
}
_LONGEST = max(map(len, _NAMES))
_KNOWN = frozenset(word for name in _NAMES for word in name)
_TOKEN = re.compile(r"[A-Za-z]+(?:'[a-z]+|[0-9]+)?")
_TAG = re.compile(r"\s*(?:\[[^]]*\]|exp\w*\s*\d*:)\s*", re.IGNORECASE)
_REMARK = re.compile(r"[(;,\u2013\u2014]|\s-\s|:\s")
_SIMPLER = re.compile(
    r"(?:simplif|remov|delet|drop(?:s|ping)? (?!out)|strip|clean ?up)", re.IGNORECASE
)
_VALUE = re.compile(r"\"[^\"]*\"|'[^']*'|\b(?:True|False|None|true|false)\b|-?\d[\w.+*/^-]*")
_COMMENT = re.compile(r"\s(?:#|//).*")
_TARGET = re.compile(r"^[^=:(]*[=:]")
_MOST_LINES = 400  # of a diff: a longer one names everything


def category_of(description: str, diff: Sequence[str]) -> str:
    """The category of an idea by `RULE`; `diff` is a unified diff, or empty."""
    gone, new = _changed(diff)
    kind, idea = _idea(description)
    settings = _settings(gone, new)
    named = set(_categories(kind)) or set(_categories(settings))
    if len(named) == 1:
        said_of = set() if kind else _longer(idea, settings)
        return said_of.pop() if len(said_of) == 1 else named.pop()
    if _SIMPLER.match(idea.strip()) or _only_takes_away(gone, new):
        return SIMPLIFICATION
    said, *rest = _REMARK.split(f"{kind} {idea}" if kind else idea, maxsplit=1)
    lines = " ".join((*gone, *new))
    for text in (said, " ".join(rest), lines):
        if scores := _scores(text):
            return _best(scores, lines)
    return OTHER


def _idea(description: str) -> tuple[str, str]:
    """The kind before a colon, "" without one, and what comes behind it and behind tags."""
    kind, idea = exploring.kind_of(description), description
    if kind:
        idea = description.partition(":")[2]
    while tag := _TAG.match(idea):
        idea = idea[tag.end() :]
    return kind, idea


def _best(scores: Counter[str], lines: str) -> str:
    """The category that is named most; of several the one that the changed lines name more."""
    most = max(scores.values())
    tied = [category for category, score in scores.items() if score == most]
    if len(tied) == 1:
        return tied[0]
    in_lines = _scores(lines)
    return max(tied, key=lambda category: in_lines[category])


def _longer(idea: str, settings: str) -> set[str]:
    """The categories of the knobs by whose longer names the idea calls what is set anew.

    A constant DECAY may be the weights' or the learning rate's: "weight decay 0.01" says which.
    """
    short = {name for name in _named(_words(settings)) if len(name) == 1}
    return {
        _NAMES[name].category
        for name in _named(_words(_REMARK.split(idea, maxsplit=1)[0]))
        if len(name) > 1 and any((word,) in short for word in name)
    }


def _changed(diff: Sequence[str]) -> tuple[list[str], list[str]]:
    """The lines that went and those that came, without comments; blank ones left out."""
    sides: dict[str, list[str]] = {"-": [], "+": []}
    for line in diff[:_MOST_LINES]:
        if line[:1] in sides and not line.startswith(("+++", "---")):
            text = _COMMENT.sub("", line[1:]).strip()
            if text and not text.startswith(("#", "//")):
                sides[line[0]].append(text)
    return sides["-"], sides["+"]


def _settings(gone: Sequence[str], new: Sequence[str]) -> str:
    """What is set anew, where nothing but values differs; "" otherwise."""
    if not gone or Counter(map(_form, gone)) != Counter(map(_form, new)):
        return ""
    targets = [found[0] for line in new if (found := _TARGET.match(line))]
    said = " ".join(targets)
    return said if _scores(said) else " ".join(new)


def _form(line: str) -> str:
    return _VALUE.sub("0", line)


def _only_takes_away(gone: Sequence[str], new: Sequence[str]) -> bool:
    """Whether the change is shorter and names nothing that was not there before."""
    if len(new) >= len(gone):
        return False
    return {*_words(" ".join(new))} <= {*_words(" ".join(gone))}


def _scores(text: str) -> Counter[str]:
    """How much each category is named; each name counts once."""
    scores: Counter[str] = Counter()
    for name in dict.fromkeys(_named(_words(text))):
        scores[_NAMES[name].category] += _NAMES[name].weight
    return scores


def _categories(text: str) -> list[str]:
    """What is named most in a few words; empty where nothing is."""
    words = _words(text)
    if len(words) == 1 and words[0] in CATEGORIES:
        return words
    scores = _scores(text)
    most = max(scores.values(), default=0)
    return [category for category, score in scores.items() if score == most]


def _words(text: str) -> list[str]:
    """Lower case; a name in camel case is one word where it is known as one (`SwiGLU`)."""
    words: list[str] = []
    for token in _TOKEN.findall(text):
        word = token.lower()
        if word in _KNOWN:
            words.append(word)
        elif "'" not in token:
            bare = word.rstrip("0123456789")
            words += [bare] if bare in _KNOWN else themes.words(token)
    return words


def _named(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The names in it; of those that overlap the longest."""
    at = 0
    while at < len(words):
        for length in range(min(_LONGEST, len(words) - at), 0, -1):
            name = tuple(words[at : at + length])
            if name in _NAMES:
                yield name
                break
        else:
            length = 1
        at += length
