"""What is read from logs: real shapes, odd bytes, any size, and no number that was not printed."""

from __future__ import annotations

import io
import re
import tracemalloc
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_loops import log_lines, printed
from agent_loops.metric import (
    Direction,
    LogFacts,
    MetricSpec,
    Reading,
    compile_pattern,
    read_log,
    required_text,
)


def read(log: str | bytes, name: str = "val_loss", **spec: Any) -> LogFacts:
    data = log.encode() if isinstance(log, str) else log
    spec.setdefault("direction", Direction.MINIMIZE)
    return read_log(io.BytesIO(data), MetricSpec(name, **spec))


def reading(log: str | bytes, name: str = "val_loss", **spec: Any) -> Reading:
    facts = read(log, name, **spec)
    assert facts.reading is not None, facts.problem
    assert facts.problem == ""
    return facts.reading


KARPATHY = (
    "step 00000 (0.0%) | loss: 9.01 | lrm: 1.00 | dt: 900ms | tok/sec: 52,011 | epoch: 1\r"
    "step 00953 (100.0%) | loss: 2.99 | lrm: 0.00 | dt: 300ms | tok/sec: 1,600,000 | epoch: 1\n"
    "---\n"
    "val_bpb:          0.997900\n"
    "training_seconds: 300.1\n"
    "total_seconds:    325.9\n"
    "peak_vram_mb:     45060.2\n"
    "mfu_percent:      39.80\n"
    "total_tokens_M:   499.6\n"
    "num_steps:        953\n"
    "num_params_M:     50.3\n"
    "depth:            8\n"
)


def test_the_summary_after_a_progress_line_gives_metric_memory_and_scalars() -> None:
    facts = read(KARPATHY, "val_bpb")
    assert facts.reading == Reading(0.9979, "0.997900", "", 1, "val_bpb: 0.997900", ())
    assert facts.reading.decimals == 6
    assert (facts.peak_memory_mb, facts.memory_kind) == (45060.2, "vram")
    assert facts.scalars["training_seconds"] == 300.1
    assert facts.scalars["depth"] == 8
    assert facts.scalars["loss"] == 2.99
    assert "val_bpb" not in facts.scalars
    assert "tok/sec" not in facts.scalars  # 1,600,000 is neither 1 nor read at all


SHAPES = [
    ("keras", "loss: 0.3 - val_loss: 0.4\n", "val_loss", 0.4, "0.4"),
    (
        "keras, backspaces",
        "1/2 - loss: 3.1\b\b\b\b2/2 - loss: 0.3 - val_loss: 0.4",
        "val_loss",
        0.4,
        "0.4",
    ),
    ("transformers", "{'eval_loss': 0.51, 'epoch': 1.0}\n", "eval_loss", 0.51, "0.51"),
    ("transformers, strings", "{'eval_loss': '0.51', 'epoch': '1.0'}\n", "eval_loss", 0.51, "0.51"),
    (
        "transformers, table",
        "  eval_loss               =     0.5123\n",
        "eval_loss",
        0.5123,
        "0.5123",
    ),
    ("json", '{"val_loss": 0.25, "n": 3}\n', "val_loss", 0.25, "0.25"),
    (
        "lightning, rich",
        "│         val_loss          │    0.3212345838546753     │\n",
        "val_loss",
        0.3212345838546753,
        "0.3212345838546753",
    ),
    ("lightning, heavy rule", "┃val_loss┃0.32┃\n", "val_loss", 0.32, "0.32"),
    ("lightning, plain", "        val_loss            0.3212\n", "val_loss", 0.3212, "0.3212"),
    ("markdown table", "| val_loss | 0.32 |\n", "val_loss", 0.32, "0.32"),
    ("markdown bold", "**val_loss**: **0.32**\n", "val_loss", 0.32, "0.32"),
    (
        "tqdm",
        "Epoch 0: 100%|██████| 10/10 [00:00<00:00, 200it/s, v_num=0, val_loss=0.400]\n",
        "val_loss",
        0.4,
        "0.400",
    ),
    ("nanoGPT", "step 250: train loss 1.9, val loss 2.0\n", "val loss", 2.0, "2.0"),
    ("xgboost", "[99]\ttrain-rmse:0.1\tvalid-rmse:0.25\n", "valid-rmse", 0.25, "0.25"),
    ("wandb", "wandb: val_loss 0.31\n", "val_loss", 0.31, "0.31"),
    ("logging", "2024-01-05 12:30:05,123 INFO val_loss = 1.5e-3\n", "val_loss", 0.0015, "1.5e-3"),
    (
        "tensor",
        "val_loss: tensor(0.3200, device='cuda:0', grad_fn=<MeanBackward0>)\n",
        "val_loss",
        0.32,
        "0.3200",
    ),
    ("one-element tensor", "val_loss: tensor([0.32])\n", "val_loss", 0.32, "0.32"),
    ("numpy 2", "{'val_loss': np.float64(0.32)}\n", "val_loss", 0.32, "0.32"),
    ("jax", "val_loss Array(0.32, dtype=float32)\n", "val_loss", 0.32, "0.32"),
    (
        "tensorflow",
        "val_loss=<tf.Tensor: shape=(), dtype=float32, numpy=0.32>\n",
        "val_loss",
        0.32,
        "0.32",
    ),
    ("list of one", "val_loss: [0.32]\n", "val_loss", 0.32, "0.32"),
    ("no final newline", "val_loss: 0.32", "val_loss", 0.32, "0.32"),
    ("carriage returns only", "val_loss: 0.5\rval_loss: 0.32\r", "val_loss", 0.32, "0.32"),
    ("windows line ends", "val_loss: 0.32\r\nbye\r\n", "val_loss", 0.32, "0.32"),
    ("colours", "\x1b[1mval_loss\x1b[0m: \x1b[32m0.3\x1b[0m2\n", "val_loss", 0.32, "0.32"),
    ("cursor column", "Epoch 1\x1b[1Gval_loss: 0.32\x1b[A", "val_loss", 0.32, "0.32"),
    ("terminal title", "\x1b]0;training\x07val_loss: 0.32\n", "val_loss", 0.32, "0.32"),
    ("signs", "val_loss: -0.32\n", "val_loss", -0.32, "-0.32"),
    ("plus", "val_loss=+.5\n", "val_loss", 0.5, "+.5"),
    ("end of a sentence", "Final val_loss: 0.32.\n", "val_loss", 0.32, "0.32"),
    ("undecodable", b"\xff\xfe\x00val_loss: 0.32\xff\n", "val_loss", 0.32, "0.32"),
    ("two in a line", "val_loss: 0.5 val_loss: 0.32\n", "val_loss", 0.32, "0.32"),
    ("out of", "correct: 95/100\n", "correct", 95.0, "95"),
    ("name with a slash", "eval/loss: 0.5\n", "eval/loss", 0.5, "0.5"),
    ("name with an at", "mAP@50: 0.5\n", "mAP@50", 0.5, "0.5"),
    ("name that is not ASCII", "Fehlermaß: 0.5\n", "Fehlermaß", 0.5, "0.5"),
]


@pytest.mark.parametrize(
    ("log", "name", "value", "text"), [s[1:] for s in SHAPES], ids=[s[0] for s in SHAPES]
)
def test_a_real_log_shape_is_read(log: str | bytes, name: str, value: float, text: str) -> None:
    found = reading(log, name)
    assert (found.value, found.text) == (value, text)


@pytest.mark.parametrize(
    "line",
    [
        "best_val_loss: 0.1",
        "val_loss_ema: 0.1",
        "eval/val_loss: 0.1",
        "val_loss.avg: 0.1",
        "metrics.val_loss: 0.1",
        "--val_loss 0.1",
        "xval_loss=0.1",
        "val_loss2: 0.1",
        "Saved epoch=3-val_loss=0.10.ckpt",
        "Saved val_loss=0.10.ckpt",
        "val_loss: 1_000",
        "val_loss: 1,234.5",
        "val_loss: 0,32",
        "val_loss: [0.1, 0.2]",
        "val_loss: 1.2.3",
        "val_loss: 12:30:05",
        "val_loss: 3e5_2",
        "val_loss: info",
        "val_loss: nano",
        "val_loss: None",
        "val_loss improved from 0.2 to 0.1",
        "val_loss:",
        "val_loss\n: 0.1",
        "VAL_LOSS: 0.1",
    ],
)
def test_what_is_not_this_number_is_not_read(line: str) -> None:
    assert read(line + "\n").reading is None
    assert reading(f"val_loss: 0.5\n{line}\n").value == 0.5


@pytest.mark.parametrize(
    ("log", "unit"),
    [
        ("val_loss: 12%", "%"),
        ("val_loss: 12 %", "%"),
        ("val_loss: 12ms", "ms"),
        ("val_loss: 12 ms, n: 3", "ms"),
        ("val_loss: 1.5GB", "GB"),
        ("val_loss: 3µs", "µs"),
        ("val_loss: 30 tokens/s", "tokens/s"),
        ("val_loss: 0.3 after 3 epochs", ""),
        ("val_loss: 0.3 sheep", ""),
        ("val_loss: 0.3", ""),
    ],
)
def test_the_unit_is_what_follows_the_number(log: str, unit: str) -> None:
    assert reading(log).unit == unit


@pytest.mark.parametrize(
    ("text", "decimals"),
    [
        ("0.997900", 6),
        ("3", 0),
        ("3.", 0),
        (".5", 1),
        ("-1.50", 2),
        ("1.5e-3", 4),
        ("1.25e2", 0),
        ("2E-5", 5),
    ],
)
def test_decimals_respect_the_exponent(text: str, decimals: int) -> None:
    assert reading(f"val_loss: {text}").decimals == decimals


@pytest.mark.parametrize(
    "text", ["nan", "NaN", "-nan", "inf", "-inf", "Infinity", "1e999", "tensor(nan)"]
)
def test_a_value_that_is_not_finite_is_a_problem_of_its_own(text: str) -> None:
    facts = read(f"val_loss: 0.5\nval_loss: {text}\n")
    assert facts.reading is None
    assert re.fullmatch(r"val_loss is (nan|-?inf)", facts.problem)


def test_best_is_by_direction_and_passes_over_what_is_not_finite() -> None:
    log = "acc: 0.5\nacc: 0.9\nacc: nan\nacc: 0.7\n"
    best = reading(log, "acc", direction=Direction.MAXIMIZE, pick="best")
    assert (best.value, best.matches) == (0.9, 4)
    assert best.notes == ("1 of 4 values of acc are not finite",)
    assert reading(log, "acc", pick="best").value == 0.5
    assert read("acc: nan", "acc", pick="best").problem == "acc is nan"


def test_mean_and_median_are_over_the_whole_log() -> None:
    log = "".join(f"fold {n} acc: {v}\n" for n, v in enumerate(("0.5", "0.9", "0.8", "0.7")))
    mean = reading(log, "acc", reduce="mean")
    assert (mean.value, mean.text, mean.matches) == (pytest.approx(0.725), "0.72", 4)
    assert mean.notes == ("mean of 4 values, 0.5 to 0.9",)
    assert reading(log, "acc", reduce="median").value == pytest.approx(0.75)
    assert reading("acc: 1\nacc: 5\nacc: 3\n", "acc", reduce="median").value == 3
    bad = read(log + "acc: nan\n", "acc", reduce="mean")
    assert bad.reading is None
    assert "1 of 5" in bad.problem


def test_several_values_near_the_end_are_noted() -> None:
    log = "".join(f"val_loss: 0.{n}\n" for n in range(1, 6))
    (note,) = reading(log).notes
    assert note.startswith("5 different values of val_loss in the last 40 lines (…, 0.3, 0.4, 0.5)")
    assert reading(log + "epoch done\n" * 60).notes == ()
    assert reading("val_loss: 0.30\nval_loss: 0.3\n").notes == ()


def test_a_later_line_without_a_readable_number_is_noted() -> None:
    log = "val_loss: 0.3\nval_loss: n/a\n"
    assert reading(log).notes == (
        "after the line that was read: `val_loss: n/a` has no readable number",
    )
    assert "comma" in reading("val_loss 0.3\nval_loss 1,234.5\n").notes[0]
    assert reading("val_loss: n/a\nval_loss: 0.3\n").notes == ()
    assert "n/a" in reading(log, pick="best").notes[0]
    far = log + "x" * 300 + ("\n" + "y" * 99) * 20_000
    assert "n/a" in reading(far).notes[0]


@pytest.mark.parametrize(
    ("log", "problem"),
    [
        ("", "the log is empty"),
        ("a\nb\n", "no line matches `val_loss:` (2 lines)"),
        ("a\nb", "no line matches `val_loss:` (2 lines)"),
        ("a\r\nb\r\n", "no line matches `val_loss:` (2 lines)"),
        ("Val-Loss: 3\n", "no line matches `val_loss:` (1 lines); printed instead: `Val-Loss`"),
        ("val_loss: 1,234.5\n", "`val_loss: 1,234.5` has a comma in its number; print it without"),
        ("val_loss: None\n", "`val_loss: None` has no readable number"),
    ],
)
def test_the_problem_says_why_there_is_no_reading(log: str, problem: str) -> None:
    assert read(log).problem == problem


# --- patterns of one's own ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "log", "value", "unit"),
    [
        (r"(\d+) passed", "12 passed in 3.4s\n", 12, ""),
        (r"^score (\S+)$", "my score 3\nscore 4\nthe score 5\n", 4, ""),
        (r"^score (\S+)$", "score 4\r\nend\r\n", 4, ""),
        (r"score=(.*)", "score=12 ms\n", 12, "ms"),
        (r"score=([\d.]+)", "score=12%\n", 12, "%"),
        (r"score\s+(?:is|was)\s+(\S+)", "score is 1\nscore was tensor(2.5)\n", 2.5, ""),
        (r"score│(\d+)", "score│7│\n", 7, ""),
        (r"(?i)SCORE (\d+)", "score 7\n", 7, ""),
        (r"score: (\d*)", "score: 7\nscore: \n", 7, ""),
    ],
)
def test_an_own_pattern_is_applied_to_each_line(
    pattern: str, log: str, value: float, unit: str
) -> None:
    found = reading(log, "score", pattern=pattern)
    assert (found.value, found.unit) == (value, unit)


def test_an_own_pattern_that_finds_no_number_says_so() -> None:
    assert (
        read("score: 1,234\n", "score", pattern="score: (.*)").problem == "`1,234` is not a number"
    )
    assert "1_000" in read("score: 1_000\n", "score", pattern="score: (.*)").problem
    assert (
        read("x\n", "score", pattern="score: (.*)").problem
        == "no line matches `score: (.*)` (1 lines)"
    )


@pytest.mark.parametrize(
    ("pattern", "says"),
    [("(", "not a regular expression"), ("abc", "0 groups"), (r"(\d+) of (\d+)", "2 groups")],
)
def test_a_pattern_that_cannot_serve_is_a_plain_value_error(pattern: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        compile_pattern(MetricSpec("m", Direction.MINIMIZE, pattern))


def test_a_metric_without_a_name_is_refused() -> None:
    with pytest.raises(ValueError, match="no name"):
        compile_pattern(MetricSpec(" ", Direction.MINIMIZE))


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"(\d+) passed", b" passed"),
        (r"^val_loss:\s+([\d.]+)", b"val_loss:"),
        (r"a|bcd (\d)", b""),
        (r"(?i)abc (\d)", b""),
        (r"abcd{0,2} (\d)", b"abc"),
        (r"abcd* (\d)", b"abc"),
        (r"[abcdef](x) y", b" y"),
        (r"[]abc](\d)", b""),
        (r"\(abc\) (\d)", b"abc"),
    ],
)
def test_required_text_is_in_every_match(pattern: str, text: bytes) -> None:
    assert required_text(pattern) == text


# --- memory -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "mb", "kind"),
    [
        ("peak_vram_mb:     45060.2", 45060.2, "vram"),
        ("peak_memory_mb: 512", 512, "ram"),
        ("'peak_mem_mb': 512.5,", 512.5, "ram"),
        ("max_memory_allocated_mb=512", 512, "vram"),
        ("max_memory_allocated: 1073741824", 1024, "vram"),
        ("peak_vram_gb 1.5", 1536, "vram"),
        ("peak_memory_gb: 2", 2048, "ram"),
        ("peak memory: 1234 MB", 1234, "ram"),
        ("Peak memory usage: 12345.67MiB", 12345.67, "ram"),
        ("Peak GPU memory: 3 GiB", 3072, "vram"),
        ("cuda max memory: 5 GB", 5120, "vram"),
        ("Epoch: [0]  [10/20]  eta: 0:00:01  loss: 6.9  max mem: 10464", 10464, "vram"),
        ("iter: 19  total_loss: 1.2  lr: 0.1  max_mem: 2841M", 2841, "vram"),
        ("\tMaximum resident set size (kbytes): 204800", 200, "ram"),
        ("peak_rss_bytes: 1048576", 1, "ram"),
        ("peak_vram_mb: 0.0", None, ""),
        ("peak_memory_mb: nan", None, ""),
        ("peak_memory_mb: 1,234.5", None, ""),
        ("max_params: 50 M", None, ""),
        ("peak_lr: 3", None, ""),
        ("memory: 5000", None, ""),
    ],
)
def test_printed_peaks_of_memory_have_unit_and_kind(line: str, mb: float | None, kind: str) -> None:
    facts = read(f"val_loss: 1\n{line}\n")
    assert facts.peak_memory_mb == (None if mb is None else pytest.approx(mb))
    assert facts.memory_kind == kind


def test_scalars_are_bounded_finite_and_near_the_end() -> None:
    log = "".join(f"s{n}: {n}\n" for n in range(90)) + "x: nan\ny: 5%\nval_loss: 1\n"
    scalars = read(log).scalars
    assert len(scalars) == 40
    assert scalars["y"] == 5
    assert scalars["s89"] == 89
    assert "x" not in scalars
    assert list(scalars)[-2:] == ["s89", "y"]


# --- sizes and chunks ---------------------------------------------------------------------------


def test_a_line_of_200_mb_is_read_in_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "run.log"
    with path.open("wb") as stream:
        stream.truncate(200 << 20)
        stream.seek(0, 2)
        stream.write(b" val_loss: 0.5")
    tracemalloc.start()
    with path.open("rb") as stream:
        facts = read_log(stream, MetricSpec("val_loss", Direction.MINIMIZE))
        assert read_log(stream, MetricSpec("other", Direction.MINIMIZE)).reading is None
        best = read_log(stream, MetricSpec("val_loss", Direction.MINIMIZE, pick="best"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert facts.reading is not None
    assert facts.reading.value == 0.5
    assert len(facts.reading.line) <= 200
    assert best.reading is not None
    assert peak < 8 << 20


def test_of_a_long_line_only_the_end_counts() -> None:
    log = "val_loss: 1\n" + "val_loss: 2 " + "x" * 70_000
    assert reading(log).value == 1
    assert reading(log, pick="best").value == 1
    assert reading("x" * 70_000 + " val_loss: 2").value == 2


def test_a_value_far_from_the_end_is_found() -> None:
    log = b"val_loss: 0.5\n" + b"step 1 | loss: 2\n" * 60_000
    found = reading(log)
    assert (found.value, found.matches, found.notes) == (0.5, 1, ())


def test_binary_garbage_is_harmless() -> None:
    garbage = bytes(range(256)) * 4000
    assert read(garbage).reading is None
    assert reading(garbage + b"\nval_loss: 0.5\n" + garbage).value == 0.5


def test_the_shown_line_is_clean_short_and_holds_the_match() -> None:
    line = reading("a\u202eb\x00 " * 300 + "val_loss: 0.5 " + "z" * 300).line
    assert len(line) <= 200
    assert line.isprintable()
    assert "val_loss: 0.5" in line


PIECES = [
    b"val_loss",
    b"val_loss: 0.5",
    b"val_loss=3",
    b"val_loss nan",
    b"best_",
    b": ",
    b"=",
    b" ",
    b"0.25",
    b"1e-3",
    b"7",
    b"\n",
    b"\r",
    b"\b",
    b"\r\n",
    b"\x1b[1m",
    b"\x1b[2G",
    b"\x1b",
    b"[",
    b"\xff",
    b"\xe2\x94\x82",
    b"%",
    b",",
    b"'",
    b"(",
    b"x",
]


def naive(log: bytes, spec: MetricSpec) -> tuple[float, int] | None:
    """The whole file at once, every line searched: what the bounded reader must agree with."""
    plain = re.sub(rb"\r\n|\r|\x08", b"\n", log)
    plain = re.sub(rb"\x1b\[\d*[ABDEFGHf]", b"\n", plain)
    codes = rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|[()*+][0-9A-Z]|[@-Z\\^_=>78c])"
    plain = re.sub(codes, b"", plain)
    pattern = compile_pattern(spec)
    values = [float(m[1]) for line in plain.split(b"\n") for m in pattern.finditer(line)]
    if not values:
        return None
    if spec.pick == "last":
        return values[-1], len(values)
    finite = [v for v in values if abs(v) < float("inf")] or values[-1:]
    return (min if spec.direction is Direction.MINIMIZE else max)(finite), len(values)


@settings(max_examples=300, deadline=None)
@given(
    pieces=st.lists(st.sampled_from(PIECES), max_size=60),
    chunk=st.integers(1, 40),
    window=st.integers(1, 60),
    pick=st.sampled_from(["last", "best"]),
    direction=st.sampled_from(list(Direction)),
    pattern=st.sampled_from([None, r"val_loss\D{1,3}([\d.]+)", r"^val_loss\W*(\d.*)$"]),
)
def test_chunks_never_change_what_is_read(
    pieces: list[bytes],
    chunk: int,
    window: int,
    pick: Any,
    direction: Direction,
    pattern: str | None,
) -> None:
    log = b"".join(pieces)
    spec = MetricSpec("val_loss", direction, pattern, pick)
    with (
        mock.patch.object(log_lines, "_CHUNK_BYTES", chunk),
        mock.patch.object(log_lines, "_WINDOW_BYTES", window),
    ):
        facts = read_log(io.BytesIO(log), spec)
    whole = read_log(io.BytesIO(log), spec)
    assert (facts.reading and facts.reading.value) == (whole.reading and whole.reading.value)
    # A chunk may part a CR LF and count one line more; and the window alone gives similar names.
    aside = r" \(\d+ lines\)(?:; printed instead: .*)?"
    assert re.sub(aside, "", facts.problem) == re.sub(aside, "", whole.problem)
    if pattern is None:
        expected = naive(log, spec)
        if expected is None:
            assert whole.reading is None
            assert "finite" not in whole.problem
        elif abs(expected[0]) < float("inf"):
            assert whole.reading is not None
            assert (whole.reading.value, whole.reading.matches) == expected
        else:
            assert re.search(r" is (nan|-?inf)$| is not finite in ", whole.problem)


@given(st.binary(max_size=400))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    for pick in ("last", "best"):
        facts = read(data + b"\nval_loss: 1\n", pick=pick)
        assert facts.reading is not None
        facts = read(b"val_loss: 2" + data, pick=pick)
        assert (facts.reading is None) == bool(facts.problem)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_that_python_prints_is_read_back(value: float) -> None:
    for shown in (repr(value), f"{value:.6e}", str(value)):
        found = reading(f"val_loss: {shown}\n")
        assert found.value == float(shown)
        assert found.text == shown


def test_direction_compares_and_gains() -> None:
    assert Direction.MINIMIZE.better(1, 2)
    assert not Direction.MINIMIZE.better(2, 2)
    assert Direction.MAXIMIZE.better(2, 1)
    assert not Direction.MAXIMIZE.better(float("nan"), 1)
    assert Direction.MINIMIZE.gain(1, 3) == 2
    assert Direction.MAXIMIZE.gain(1, 3) == -2


def test_memory_names_are_whole_words() -> None:
    assert printed.memory_mb("max_params", 3, "M") is None
    assert printed.memory_mb("peak_memory_gb", 1) == 1024
