"""Judges names of numbers: is it a metric, which way is better, on which data was it taken.

Knows words, not programs: `score` may be anything, and is said to be unsure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from agent_loops.objective import Direction

Split = Literal["val", "test", "train", ""]

_LOWER = (
    "loss bpb bpc bpd nll ppl perplexity mse rmse mae rmsle wer cer bcer bwer err "
    "error errors fid kid logloss "
    "xent crossentropy entropy regret eer brier mape smape wape lpips mrae nrmse nmse crps chamfer "
    "hausdorff epe abs_rel deviation residual gap cost divergence makespan distortion cross_entropy"
).split()
_HIGHER = (
    "acc accuracy acc1 acc5 top1 top5 prec1 prec5 f1 f1score auc auroc roc_auc "
    "auprc ap map map50 map75 r2 bleu chrf rouge "
    "rougel meteor iou iu miou dice psnr ssim recall precision reward return returns rewards "
    "kappa qwk ndcg mrr mcc matthews pearson spearman pearsonr spearmanr correlation corr elo "
    "winrate core chatcore hits solved success success_rate em exact_match pass1 "
    "cider spice fitness "
    "accuracies specificity sensitivity silhouette modularity"
).split()
# Worth less than a measure of quality proper: what they mean differs from project to project.
_UNSURE = (
    "score metric objective value mean result gap cost entropy reward map core return "
    "em deviation value"
).split()
# Measures that a task is judged by: among numbers of one line they come before its loss.
_TASK = frozenset(
    "auc auroc roc_auc f1 map50 miou dice bleu wer cer rmse mae fid psnr bpb bpc "
    "bpd mcc matthews qwk kappa ndcg mrr iou rmsle".split()
)
_SPEED_HIGHER = (
    "throughput fps tps qps rps ops ips gflops gbps mbps samples_per_sec tok_per_sec bandwidth "
    "samples_per_second tokens_per_second ops_per_sec requests_per_second images_per_sec speedup"
).split()
_SPEED_LOWER = (
    "latency p50 p95 p99 wall_time elapsed runtime walltime time_seconds total_time "
    "train_time training_time duration http_req_duration ms_per_iter time seconds"
).split()
# A number of this name tells how the run goes, not how good it is.
_NO_METRIC = frozenset(
    "lr epoch epochs step steps iter iters iteration iterations batch batches mem "
    "memory vram dt eta "
    "grad norm gradnorm params parameters seed size len length num number count n "
    "mfu flops remaining lrm wd momentum "
    "temperature rank world gpu device shape dim dims vocab tokens samples progress "
    "port pid version learning rate decay warmup weight weights scale patience threshold beta "
    "sigma gamma alpha ratio year fold folds kimg tick timestep timesteps depth width layers ch "
    "channels std var stddev min max id idx index total_tokens bytes bits tflops vocab_size".split()
)
_VAL = frozenset("val valid validation dev eval evaluation heldout va oof cv evaluator".split())
_TEST = frozenset("test testing holdout te tests private".split())
_TRAIN = frozenset(
    "train training trn tr tra fit batch minibatch running pretrain trainer smooth".split()
)


_SPLITS = _VAL | _TEST | _TRAIN
# What may follow the word for the metric without changing what the number is.
_AFTER = frozenset(
    "avg mean average final best ema percent pct macro micro weighted score value "
    "rate full per byte token "
    "class sum total raw db k reached is was of at on the rank swa tta global last "
    "overall s epoch ent ratio x "
    "point estimate 5k 50k full images set data ms ns us sec seconds".split()
)


# A label that ends so goes on behind the number: "accuracy of the network on the 10000 images".
_CUT = frozenset("the a an with from by and than for on over every per after".split())


@dataclass(frozen=True, slots=True)
class Sense:
    """What a name says. `weight` is 0 for no metric, 10 for the plainest ones."""

    direction: Direction | None
    weight: float
    word: str
    speed: bool = False

    @property
    def sure(self) -> bool:
        """Whether the word leaves no doubt about what is better."""
        return self.direction is not None and self.weight >= 5


NOTHING = Sense(None, 0.0, "")


def words(name: str) -> list[str]:
    """The lower-case words of `valLoss`, `val_loss`, `Acc@1` and `val/acc`."""
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])", " ", name)
    name = re.sub(r"(?i)\bcross[- _]entropy\b", "crossentropy", name)
    name = re.sub(
        r"(?i)\b(acc|prec|top|pass|recall|hits?|precision|map|ap|ndcg)(?:uracy)?[@-](\d+)",
        r"\1 \2",
        name,
    )
    return [part for part in re.split(r"[^A-Za-z0-9]+", name.lower()) if part]


def sense(name: str) -> Sense:
    """What a number of this name measures."""
    parts = words(name)
    if not parts or len(name) > 120 or parts[-1] in _CUT:
        return NOTHING
    if re.search(r"(?<![a-z])mAP(?![a-z])", name):
        return Sense(Direction.MAXIMIZE, 8.4, "map")
    joined = "_".join(parts)
    speed = _speed(name, parts, joined)
    best = NOTHING
    for at, part in enumerate(parts):
        after = parts[at + 1 :]
        after = after[
            : next(
                (i for i, w in enumerate(after) if w in ("of", "on", "for", "over", "per")),
                len(after),
            )
        ]
        qualified = all(w.isdigit() or w in _AFTER or w in _SPLITS for w in after[:4])
        if not qualified and not any(_word(rest).weight for rest in parts[at + 1 :]):
            continue
        stem = re.sub(r"(?<=[a-z])\d+$", "", part) if part not in _HIGHER else part
        for word in (part, stem, re.sub(r"(?:loss|acc|err)$", "", part) and _tail(part)):
            found = _word(word)
            if found.weight > best.weight or (found.weight == best.weight and found.weight and at):
                best = found
    if best.weight and any(
        part
        in (
            "lr",
            "grad",
            "norm",
            "weight",
            "weights",
            "scale",
            "scaling",
            "coef",
            "fn",
            "ratio",
            "gradnorm",
            "lambda",
            "spike",
            "skip",
            "accumulation",
            "accum",
            "budget",
            "every",
            "zscore",
        )
        for part in parts
    ):
        return NOTHING
    if re.search(r"(?:^|_)(?:time|ms|sec|seconds)$", joined) and not best.weight:
        return speed
    return best if best.weight >= speed.weight else speed


def _tail(part: str) -> str:
    """`valloss` and `rloss` end in a metric's word; `accs` are several, `fid50k` one of a sort."""
    if sort := re.match(r"(fid|kid|psnr|ssim|map|ndcg|recall|acc|top|pr)\d+k?$", part):
        return sort[1]
    if (
        part.endswith("s") and part[:-1] in ("acc", "auc", "score", "f1", "reward", "return")
    ) or part in ("losses", "accuracies"):
        return {"losses": "loss", "accuracies": "accuracy"}.get(part, part[:-1])
    match = re.fullmatch(r"[a-z]{1,6}(loss|acc|accuracy|error|ppl|bpb|auc|mse|psnr|nll)", part)
    return match[1] if match else part


def _word(word: str) -> Sense:
    if word in _NO_METRIC:
        return NOTHING
    unsure = word in _UNSURE
    if word in _LOWER and word not in _TASK:
        return Sense(Direction.MINIMIZE, 4.0 if unsure else 8.0, word)
    if word in _TASK:
        return Sense(Direction.MINIMIZE if word in _LOWER else Direction.MAXIMIZE, 8.4, word)
    if word in _HIGHER:
        return Sense(
            Direction.MAXIMIZE,
            5.0 if word in ("reward", "map", "return", "core") else 4.0 if unsure else 8.2,
            word,
        )
    if word in ("score", "scores", "points"):
        return Sense(Direction.MAXIMIZE, 4.0, word)
    return NOTHING


def _speed(name: str, parts: list[str], joined: str) -> Sense:
    text = f"_{joined}_"
    if any(f"_{word}_" in text for word in _SPEED_HIGHER) or re.search(
        r"_(?:tok|tokens?|samples?|steps?|images?|imgs?|ops|iters?|it|requests|mb|gb"
        r"|m?float)_(?:per_)?(?:s|sec|second)_",
        text,
    ):
        return Sense(Direction.MAXIMIZE, 3.0, "speed", speed=True)
    if any(f"_{word}_" in text for word in _SPEED_LOWER) or (
        len(parts) > 1 and parts[-1] in ("ms", "ns", "us", "s") and "*" not in name
    ):
        return Sense(Direction.MINIMIZE, 2.0, "time", speed=True)
    return NOTHING


def split_of(text: str) -> Split:
    """Which data a name, a function or a line speaks of; validation wins over test and train."""
    parts = set(words(text))
    if text.startswith("metrics/"):
        return "val"
    parts |= {
        match[1]
        for part in parts
        if (match := re.match(r"(val|valid|test|train)(?:loss|acc|set|ing)", part))
    }
    if re.search(r"(?i)\b(?:out[- ]of[- ]fold|held[- ]out)\b", text):
        return "val"
    if parts & _VAL:
        return "val"
    if parts & _TEST:
        return "test"
    return "train" if parts & _TRAIN else ""
