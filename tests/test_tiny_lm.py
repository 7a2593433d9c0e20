"""The example: its gradients are right, its output is as promised, its idea files apply."""

from __future__ import annotations

import hashlib
import importlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

TINY_LM = Path(__file__).resolve().parent.parent / "examples" / "tiny_lm"
IDEAS = sorted((TINY_LM / "ideas").glob("*.edit"))
_MODULES = ("prepare", "train", "measure")


@pytest.fixture(scope="module")
def tiny_lm() -> Iterator[dict[str, ModuleType]]:
    """The example's modules, imported once (that writes the text) and forgotten afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(TINY_LM))
        patch.setattr(sys, "dont_write_bytecode", True)
        patch.setattr(os, "environ", os.environ.copy())  # train.py sets its thread counts
        for name in _MODULES:
            patch.delitem(sys.modules, name, raising=False)
        modules = {name: importlib.import_module(name) for name in _MODULES}
    yield modules
    for name in _MODULES:
        sys.modules.pop(name, None)


def copy_with_edits(modules: dict[str, ModuleType], folder: Path, *edits: Path) -> None:
    for name in ("prepare.py", "train.py"):
        (folder / name).write_bytes((TINY_LM / name).read_bytes())
    for edit in edits:
        modules["measure"].apply_edit(folder, edit)


def run(folder: Path, *, seed: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "train.py"],
        cwd=folder,
        env={**os.environ, "TINY_LM_BUDGET_S": "0.3", "AGENT_LOOPS_SEED": seed},
        capture_output=True,
        timeout=60,
        check=False,
        encoding="utf-8",
        errors="strict",
    )


@pytest.mark.parametrize("depth", [0, 1, 2])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_gradients_agree_with_finite_differences(
    tiny_lm: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch, depth: int, dropout: float
) -> None:
    train, prepare = tiny_lm["train"], tiny_lm["prepare"]
    for name, value in {"DTYPE": np.float64, "DEPTH": depth, "DROPOUT": dropout}.items():
        monkeypatch.setattr(train, name, value)
    flat = train.new_weights(np.random.default_rng(1))
    gradient, ignored = np.zeros_like(flat), np.zeros_like(flat)
    contexts, targets = prepare.sample_batch(np.random.default_rng(2), 16, train.CONTEXT)

    def loss(into: np.ndarray) -> float:
        weights, rng = train.named_views(flat), np.random.default_rng(3)  # the same masks each time
        value: float = train.loss_and_gradient(
            weights, train.named_views(into), contexts, targets, rng
        )
        return value

    loss(gradient)
    step = 1e-6
    for direction in np.random.default_rng(4).standard_normal((10, flat.size)):
        flat += step * direction
        above = loss(ignored)
        flat -= 2 * step * direction
        below = loss(ignored)
        flat += step * direction
        assert (above - below) / (2 * step) == pytest.approx(gradient @ direction, rel=1e-5)


def test_every_weight_has_its_own_gradient(
    tiny_lm: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    train, prepare = tiny_lm["train"], tiny_lm["prepare"]
    monkeypatch.setattr(train, "DTYPE", np.float64)
    flat = train.new_weights(np.random.default_rng(1))
    gradient, ignored = np.zeros_like(flat), np.zeros_like(flat)
    contexts, targets = prepare.sample_batch(np.random.default_rng(2), 8, train.CONTEXT)
    weights = train.named_views(flat)
    train.loss_and_gradient(weights, train.named_views(gradient), contexts, targets, None)
    for name, weight in weights.items():
        expected = train.named_views(gradient)[name].ravel()
        for index in (0, weight.size // 2, weight.size - 1):
            losses = []
            for shift in (1e-6, -2e-6):
                weight.reshape(-1)[index] += shift
                losses.append(
                    train.loss_and_gradient(
                        weights, train.named_views(ignored), contexts, targets, None
                    )
                )
            weight.reshape(-1)[index] += 1e-6
            measured = (losses[0] - losses[1]) / 2e-6
            assert measured == pytest.approx(expected[index], rel=1e-4, abs=1e-8), name


def test_the_text_is_the_same_everywhere(tiny_lm: dict[str, ModuleType]) -> None:
    prepare = tiny_lm["prepare"]
    text = prepare.make_text()
    assert text == prepare.make_text()
    assert len(text) == prepare.TEXT_BYTES
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "9dcb5b4418229993"
    assert prepare.decode(prepare.encode(text[:5000])) == text[:5000]


def test_no_training_window_reaches_into_the_held_out_text(
    tiny_lm: dict[str, ModuleType],
) -> None:
    prepare = tiny_lm["prepare"]
    text = prepare.make_text()
    assert prepare.decode(prepare.TRAIN_TOKENS) == text[: -prepare.VAL_BYTES]
    assert prepare.EVAL_BYTES + prepare.MAX_CONTEXT <= prepare.VAL_BYTES


def test_a_model_that_knows_nothing_scores_the_bits_of_the_alphabet(
    tiny_lm: dict[str, ModuleType],
) -> None:
    prepare = tiny_lm["prepare"]
    bpb = prepare.evaluate_bpb(lambda seen: np.zeros((len(seen), prepare.VOCAB_SIZE)))
    assert bpb == pytest.approx(np.log2(prepare.VOCAB_SIZE))


def test_a_run_prints_what_it_promises(tiny_lm: dict[str, ModuleType], tmp_path: Path) -> None:
    copy_with_edits(tiny_lm, tmp_path)
    done = subprocess.run(
        [sys.executable, "train.py"],
        cwd=tmp_path,
        env={**os.environ, "TINY_LM_BUDGET_S": "0.3"},
        capture_output=True,
        timeout=60,
        check=True,
    )
    progress, summary = done.stdout.decode().split("\n---\n")
    assert "\n" not in progress
    assert re.match(r"\rstep \d{5} \(\d+\.\d%\) \| loss: \d+\.\d+ \| ", progress)
    assert [line.partition(":")[0] for line in summary.splitlines()] == [
        "val_bpb",
        "training_seconds",
        "total_seconds",
        "peak_memory_mb",
        "num_steps",
        "num_params_M",
        "depth",
    ]
    assert re.search(r"^val_bpb:          \d\.\d{6}$", summary, re.MULTILINE)
    assert done.stderr == b""


def test_a_diverging_loss_says_fail_and_exits_1(
    tiny_lm: dict[str, ModuleType], tmp_path: Path
) -> None:
    (edit,) = (TINY_LM / "ideas").glob("nan-*.edit")
    copy_with_edits(tiny_lm, tmp_path, edit)
    done = run(tmp_path)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "FAIL"
    assert "val_bpb" not in done.stdout
    assert "Traceback" not in done.stderr


def test_the_buggy_idea_crashes_and_the_mended_one_runs(
    tiny_lm: dict[str, ModuleType], tmp_path: Path
) -> None:
    buggy, mended = sorted((TINY_LM / "ideas").glob("crash-*.edit"), key=lambda p: len(p.name))
    copy_with_edits(tiny_lm, tmp_path, buggy)
    crashed = run(tmp_path)
    assert crashed.returncode == 1
    assert "ValueError" in crashed.stderr
    copy_with_edits(tiny_lm, tmp_path, mended)
    assert run(tmp_path).returncode == 0


@pytest.mark.parametrize("edit", IDEAS, ids=lambda path: path.stem)
def test_every_idea_applies_to_the_baseline(
    tiny_lm: dict[str, ModuleType], tmp_path: Path, edit: Path
) -> None:
    copy_with_edits(tiny_lm, tmp_path, edit)  # raises unless each search text occurs exactly once
    target = "prepare.py" if edit.stem.startswith("cheat-") else "train.py"
    changed = [
        name
        for name in ("prepare.py", "train.py")
        if (tmp_path / name).read_bytes() != (TINY_LM / name).read_bytes()
    ]
    assert changed == [target]
    compile((tmp_path / target).read_bytes(), target, "exec")


@pytest.mark.parametrize("order", [1, -1], ids=["forwards", "backwards"])
def test_all_harmless_ideas_apply_on_one_another(
    tiny_lm: dict[str, ModuleType], tmp_path: Path, order: int
) -> None:
    harmless = [edit for edit in IDEAS if edit.stem.startswith(("help-", "later-", "flat-"))]
    copy_with_edits(tiny_lm, tmp_path, *harmless[::order])
    assert run(tmp_path).returncode == 0
