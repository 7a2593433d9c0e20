"""Says what a change is about, by the names in its lines: the schedule, the loss, the output.

Reads words, not programs: where it errs, it should name a theme too many. What a line does that
names nothing, such as a number in a list, nobody knows: it is about everything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

SCHEDULE = "schedule"
"""How far a training has come after so many seconds: its rates, its length, its speed."""
LOSS = "loss"
"""What the printed loss means: the function, the data, what is made harder on purpose."""
OUTPUT = "output"
"""When something is printed: prints, and what pauses between them."""
ALL = frozenset((SCHEDULE, LOSS, OUTPUT))

_WORDS = {
    SCHEDULE: (
        "lr lrs rate rates learning eta schedule schedules scheduler schedulers sched warmup warm "
        "warmdown decay cooldown cool anneal annealing annealed cosine cos cycle cycles cyclic "
        "onecycle restart restarts plateau polynomial step steps iter iters iteration "
        "iterations epoch epochs budget minutes seconds time timer deadline duration until horizon "
        "phase phases stage stages progressive curriculum freeze unfreeze frozen grow growing swa "
        "ema lookahead averaging average "
        # speed
        "batch batches bs minibatch accum accumulate accumulation micro seq sequence block context "
        "ctx window length size sizes dim dims hidden embd embed embedding width depth layer "
        "layers head heads channel channels resolution resize compile compiled jit dtype precision "
        "amp autocast bf bfloat fp half tf workers prefetch checkpointing device devices ddp "
        "world rank ratio expansion experts mult multiplier"
    ),
    LOSS: (
        "loss losses criterion entropy ce nll mse smoothing smoothed label labels target targets "
        "reduction dropout drop droppath augment augmentation augmentations aug mixup cutmix crop "
        "flip noise noisy mask masked masking penalty regularize regularizer regularization reg "
        "aux auxiliary logit logits temperature softcap distill teacher data dataset datasets "
        "loader loaders dataloader sampler sample samples shuffle seed tokenizer vocab transform "
        "transforms reward rewards"
    ),
    OUTPUT: (
        "print prints printing log logs logger logging tqdm progress bar verbose verbosity flush "
        "stdout stderr write echo eval evals evaluate evaluation val valid validate validation "
        "test save saves saving checkpoint checkpoints ckpt sample samples generate compile "
        "compiled jit sleep every interval freq frequency period data dataset loader loaders "
        "dataloader preprocess cache download tokenizer step steps epoch epochs report"
    ),
}
_THEMES = {
    word: frozenset(theme for theme, words in _WORDS.items() if word in words.split())
    for words in _WORDS.values()
    for word in words.split()
}
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def of_change(diff: Iterable[str]) -> frozenset[str]:
    """The themes of a unified diff's changed lines."""
    found: set[str] = set()
    for line in diff:
        if is_changed(line):
            found |= _of_line(line[1:])
    return frozenset(found)


def words(text: str) -> list[str]:
    """The words of a text or of the names in a line of code, in lower case: `nEmbd` are two."""
    return [word.lower() for word in _PART.findall(text)]


def is_changed(line: str) -> bool:
    """Whether a line of a unified diff is one that was put in or taken out."""
    return line.startswith(("+", "-")) and not line.startswith(("+++", "---"))


def _of_line(line: str) -> frozenset[str]:
    named = words(line)
    if not named:
        return ALL if any(char.isdigit() for char in line) else frozenset()
    return frozenset().union(*(_THEMES.get(word, frozenset()) for word in named))
