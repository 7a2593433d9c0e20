"""What is read as progress, from logs as programs print them, and what is not."""

from __future__ import annotations

import itertools
import json
import math
from typing import Any

import pytest

from agent_loops.curves import Curve, Progress, Reader, Track
from agent_loops.objective import Direction, MetricSpec

SPEC = MetricSpec("val_bpb", Direction.MINIMIZE)


def read(*pieces: str, spec: MetricSpec = SPEC) -> dict[str, list[float]]:
    """The values by name, each piece printed a second after the one before."""
    reader = Reader(spec)
    for second, piece in enumerate(pieces, 1):
        reader.feed(piece.encode(), float(second))
    done = reader.finish(len(pieces) + 1.0)
    return {name: [value for _, value in curve.points] for name, curve in done.curves.items()}


LOGS: dict[str, tuple[str, dict[str, float]]] = {
    "autoresearch": (
        ("\rstep 00120 (12.3%) | loss: 4.123456 | lrm: 1.00 | dt: 312ms | tok/sec: 420,000 | "
        "mfu: 40.12 | epoch: 1 | remaining: 263s    \r"), {"loss": 4.123456},
    ),
    "nanochat": (
        "step 00240/21400 (1.12%) | loss: 6.53 | grad norm: 0.4 | lrm: 1.00 | dt: 511.82ms\n",
        {"loss": 6.53},
    ),
    "nanoGPT, training": ("iter 2980: loss 3.8993, time 1099.18ms, mfu 15.34%\n", {"loss": 3.8993}),
    "nanoGPT, evaluating": (
        "step 3000: train loss 4.0390, val loss 4.0427\n",
        {"train_loss": 4.0390, "val_loss": 4.0427},
    ),
    "modded-nanogpt": (
        "step:125/1390 val_loss:4.5012 train_time:41234ms step_avg:330ms\n", {"val_loss": 4.5012},
    ),
    "llm.c": (
        "step   74/74 | loss 3.391 (+0.1z)| norm 1.2 (-0.9z)| lr 3.00e-04 | 123.4 ms | 5% bf16\n",
        {"loss": 3.391},
    ),
    "HF Trainer": (
        ("{'loss': 2.1034, 'grad_norm': 1.25, 'learning_rate': 5e-05, 'epoch': 0.5}\n"
        "{'eval_loss': 2.0, 'eval_runtime': 3.1, 'eval_samples_per_second': 33.0, 'epoch': 1.0}\n"),
        {"loss": 2.1034, "eval_loss": 2.0},
    ),
    "HF Trainer, numbers as text": ("{'loss': '2.103', 'epoch': '0.5'}\n", {"loss": 2.103}),
    "JSON": ('{"epoch": 3, "train_loss": 0.25, "lr": 0.1}\n', {"train_loss": 0.25}),
    "Lightning": (
        "Epoch 3: 100%|██████████| 938/938 [00:05<00:00, 170.1it/s, v_num=0, train_loss=0.125]\r",
        {"train_loss": 0.125},
    ),
    "tqdm": (
        ("\r 45%|████▌     | 45/100 [00:10<00:12,  4.3it/s, loss=2.31]"
        "\r 46%|████▌     | 46/100 [00:10<00:12,  4.3it/s, loss=2.31]\r"), {"loss": 2.31},
    ),
    "Keras": (
        ("\r10/100 [==>...........] - ETA: 9s - loss: 0.5012 - accuracy: 0.9123"
        "\b\b\b\b\b\b"), {"loss": 0.5012},
    ),
    "Keras 3": (
        ("\x1b[1m10/100\x1b[0m \x1b[32m━\x1b[0m\x1b[37m━━━━\x1b[0m \x1b[1m9s\x1b[0m 91ms/step"
        " - accuracy: 0.91 - loss: 0.5012 - val_loss: 0.61\n"), {"loss": 0.5012, "val_loss": 0.61},
    ),
    "the MNIST example": (
        ("Train Epoch: 1 [640/60000 (1%)]\tLoss: 2.310000\n"
        "Test set: Average loss: 0.0512, Accuracy: 9835/10000 (98%)\n"),
        {"loss": 2.31, "average_loss": 0.0512},
    ),
    "the ImageNet example": (
        ("Epoch: [0][ 10/5005]\tTime  0.3 ( 0.5)\tData  0.0 ( 0.1)\tLoss 6.9500e+00 (7.0e+00)\t"
        "Acc@1   0.00 (  0.1)\n"), {"loss": 6.95},
    ),
    "Megatron": (
        (" iteration     3384/    8000 | consumed samples:  216576 | learning rate: 6.678E-06 | "
        "lm loss: 7.072597E-01 | loss scale: 1.0 | grad norm: 0.741 |\n"), {"lm_loss": 0.7072597},
    ),
    "mmdetection": (
        ("2020-05-21 04:01:58,873 - mmdet - INFO - Epoch [1][33/678]\tlr: 0.00020, eta: 1 day, "
        "loss_rpn_cls: 0.6939, s0.loss_cls: 0.2105, s0.acc: 97.1680, loss: 2.6963\n"),
        {"loss": 2.6963},
    ),
    "detectron2": (
        ("[05/21 04:01:58 d2.utils.events]:  eta: 0:12:10  iter: 19  total_loss: 5.21  "
        "loss_cls: 1.2  loss_box_reg: 0.7  time: 0.24  lr: 0.0005\n"), {"total_loss": 5.21},
    ),
    "timm": (
        "Train: 0 [  50/1251 (  4%)]  Loss: 6.94 (6.93)  Time: 0.3s,  800.1/s  LR: 1.0e-06\n",
        {"loss": 6.94},
    ),
    "fairseq": (
        ("2021-01-01 10:00:00 | INFO | train_inner | epoch 001:    100 / 1000 loss=9.81, "
        "nll_loss=9.52, ppl=733.1, wps=12000\n"), {"loss": 9.81, "nll_loss": 9.52, "ppl": 733.1},
    ),
    "torchtitan": (
        "[rank0]:\x1b[31mstep: 10  \x1b[32mloss:  7.9123  \x1b[33mgrad_norm:  2.1\x1b[0m\n",
        {"loss": 7.9123},
    ),
    "a table": ("| train/                 |             |\n|    loss                 | 0.0123 |\n",
                {"loss": 0.0123}),
    "scikit-learn": ("Iteration 1, loss = 0.51200000\n", {"loss": 0.512}),
    "XGBoost": ("[10]\ttrain-rmse:0.51234\teval-rmse:0.61\n",
                {"train_rmse": 0.51234, "eval_rmse": 0.61}),
    "a tensor": ("step 3 loss: tensor(2.25, device='cuda:0', grad_fn=<NllLossBackward0>)\n",
                 {"loss": 2.25}),
    "training loss, in words": ("Epoch 4 done. Training loss: 0.75, took 3 s\n",
                                {"training_loss": 0.75}),
    "a logger": ("2024-01-01 10:00:00,123 INFO loss 3.5\n", {"loss": 3.5}),
    "the metric itself": ("step 10 val_bpb: 1.25\n", {"val_bpb": 1.25}),
    # ---- what is no progress
    "the best so far": ("best loss: 2.1, best_val_loss=2.0, min loss 1.9\n", {}),
    "parts": ("policy loss 0.1, value_loss=3, d_loss: 0.2, aux loss: 0.3, box_loss 1\n", {}),
    "others": ("loss scale: 1024, loss_weight: 0.5, lossless 3, weight_loss: 3, loss fn: 3\n", {}),
    "a header": (("epoch     train_loss  valid_loss  accuracy  time\n"
                 "0         0.512       0.41        0.91      00:03\n"), {}),
}  # fmt: skip


@pytest.mark.parametrize("name", LOGS)
def test_a_log_is_read(name: str) -> None:
    text, expected = LOGS[name]
    assert read(text) == {key: [value] for key, value in expected.items()}


@pytest.mark.parametrize("name", LOGS)
def test_wherever_it_is_cut_the_values_are_the_same(name: str) -> None:
    """A line counts once it is whole; a number cut in half would be another one."""
    text, expected = LOGS[name]
    for at in range(1, len(text), 7):
        reader = Reader(SPEC)
        raw = text.encode()
        reader.feed(raw[:at], 0.05)
        reader.feed(raw[at:], 0.06)
        found = reader.finish(1).curves
        assert {key: curve.points[-1][1] for key, curve in found.items()} == expected


@pytest.mark.parametrize(
    ("spec", "text", "expected"),
    [
        (MetricSpec("acc", Direction.MAXIMIZE), "acc: 81.5%\n", {"acc": [81.5]}),
        (
            MetricSpec("m", Direction.MAXIMIZE, r"^score of (\S+)"),
            "score of 0.5\nno score of 3\n",
            {"m": [0.5]},
        ),
        (MetricSpec("m", Direction.MINIMIZE, r"error is (.*)"), "error is unknown\n", {}),
        (MetricSpec("loss", Direction.MINIMIZE), "loss: 2.5\n", {"loss": [2.5]}),
    ],
)
def test_the_metric_is_read_by_its_own_pattern(
    spec: MetricSpec, text: str, expected: dict[str, list[float]]
) -> None:
    assert read(text, spec=spec) == expected


def test_a_value_that_is_not_finite_is_counted_and_named() -> None:
    reader = Reader(SPEC)
    reader.feed(b"step 39 loss 2.0\nstep 40 loss nan\n", 4)
    reader.feed(b"step 41 loss nan\n", 5)
    [broken] = reader.broken()
    assert (broken.name, broken.times, broken.step) == ("loss", 2, "step 40")
    assert (broken.since_s, broken.last_s, broken.was_finite) == (4, 5, True)
    assert math.isnan(broken.value)
    reader.feed(b"step 42 loss 2.1\n", 6)
    assert reader.broken() == []
    assert reader.finish(7).curves["loss"] == Curve([(4, 2.0), (6, 2.1)], 2)


def test_silence_is_measured_from_the_start_to_the_end() -> None:
    reader = Reader(SPEC)
    reader.feed(b"begin\n", 3)
    reader.feed(b"more\n", 5)
    assert reader.finish(6).longest_silence_s == 3
    reader.feed(b"more\n", 6)
    assert reader.finish(16).longest_silence_s == 10


def test_a_long_run_leaves_a_few_hundred_points_that_mean_the_same() -> None:
    reader = Reader(SPEC)
    for step in range(20_000):
        reader.feed(f"loss {step}\n".encode(), step / 4)
    points = reader.finish(5000).curves["loss"].points
    assert 140 <= len(points) <= 300
    assert all(earlier < later for (earlier, _), (later, _) in itertools.pairwise(points))
    for at, value in points:
        assert value == pytest.approx(4 * at, abs=80)


def test_what_was_skipped_leaves_no_half_number() -> None:
    reader = Reader(SPEC)
    reader.feed(b"loss 2.5\nloss 1", 1)
    reader.feed(b"9.5\nloss 3.5\nlo", 2, skipped=True)
    reader.feed(b"ss 4.5\n", 3)
    assert [value for _, value in reader.finish(4).curves["loss"].points] == [2.5, 3.5, 4.5]


@pytest.mark.parametrize(
    "piece",
    [
        b"loss " * 3300,
        b" " * 16384,
        b"train " * 2700,
        bytes(range(256)) * 64,
        b"loss 1" + b"0" * 16384,
    ],
)
def test_what_is_no_log_costs_little(piece: bytes) -> None:
    reader = Reader(SPEC)
    reader.feed(piece + b"\n", 1)
    assert reader.finish(2).curves == {}


def test_the_file_holds_what_was_read() -> None:
    reader = Reader(SPEC)
    for step in range(50):
        reader.feed(f"loss {1 / (step + 1)}\n".encode(), step / 3)
    reader.feed(b"loss inf\nloss 1e308\nloss 1e308\n", 20)
    progress = reader.finish(21.23456)
    text = json.dumps(progress.to_json(), allow_nan=False)
    again = Progress.from_json(json.loads(text))
    assert again.to_json() == progress.to_json()
    assert again.curves["loss"].non_finite == 1


@pytest.mark.parametrize("value", [{}, {"wall_s": 1}, [], {"curves": []}])
def test_another_file_is_no_curve(value: Any) -> None:
    with pytest.raises((KeyError, TypeError, ValueError, AttributeError)):
        Progress.from_json(value)


def test_a_track_is_smoothed_by_the_median_of_a_while() -> None:
    track = Track(Curve([(1, 1), (2, 9), (3, 2), (4, 3), (5, 4)]), sign=1, window_s=1.5)
    assert track.at(0.5) is None
    assert track.at(1) == 1
    assert track.at(3) == 2
    assert track.at(99) == track.last == 3
    assert track.first == 2
    assert Track(Curve([(1, 1)]), sign=-1, window_s=1).last == -1


def test_noise_is_the_deviation_of_single_points() -> None:
    import random

    rng = random.Random(1)
    points = [(float(t), 5 - t / 100 + rng.gauss(0, 0.3)) for t in range(300)]
    assert Track(Curve(points), sign=1, window_s=1).noise() == pytest.approx(0.3, rel=0.15)
    line = [(float(t), 5 - t / 8) for t in range(300)]
    assert Track(Curve(line), sign=1, window_s=1).noise() == 0
