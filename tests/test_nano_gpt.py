"""Faults planted in a real training: the page names each, and none where there is none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agent_loops import edits
from agent_loops.insight import page, samples
from agent_loops.probing import attaching

if os.environ.get("AGENT_LOOPS_TORCH") != "required":
    pytest.importorskip("torch")

NANO_GPT = Path(__file__).resolve().parent.parent / "examples" / "nano_gpt"
STEPS = 300
# By planted fault: the finding that names it, and a word of its text that says where or what.
NAMED = {
    "dead-layer": ("dead_share_max", "blocks.2.mlp"),
    "learning-rate-ten-times": ("update_to_weight_median", "one step changes"),
    "data-in-order": ("batch_likeness", "of one kind"),
    "labels-partly-wrong": ("label_contradictions", "contradicts"),
    "slow-loader": ("data_share", "input-bound"),
    "exploding-initialisation": ("first_loss_to_chance", "first loss"),
    "dropout-at-evaluation": ("dropout_without_gradient", "dropout is active"),
    "frozen-block": ("parameters_not_trained", "blocks.1"),
}


def analysed(folder: Path, edit: str | None) -> page.Page:
    """The page of one training, with a fault or without."""
    text = (NANO_GPT / "train.py").read_bytes()
    if edit is not None:
        blocks = edits.parse((NANO_GPT / "faults" / f"{edit}.edit").read_text())
        files = edits.apply(blocks, {"train.py": text}, allowed=lambda path: path == "train.py")
        text = files["train.py"]
    (folder / "train.py").write_bytes(text)
    (folder / "prepare.py").write_bytes((NANO_GPT / "prepare.py").read_bytes())
    results = folder / "results"
    results.mkdir()
    command = attaching.with_probe(f"{sys.executable} train.py", results)
    limits = {"NANO_GPT_STEPS": str(STEPS), "NANO_GPT_BUDGET_S": "999", "AGENT_LOOPS_SEED": "1"}
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env={**os.environ, **limits, "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=600, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = page.analyse(samples.read(results), progress=None, metric="val_bpb", outputs=None)
    assert found.notes == []
    return found


def test_every_fault_that_lies_there_is_tested() -> None:
    assert {path.stem for path in (NANO_GPT / "faults").iterdir()} == set(NAMED)


@pytest.mark.parametrize("fault", NAMED)
def test_a_planted_fault_is_named_first_or_second(fault: str, tmp_path: Path) -> None:
    found = analysed(tmp_path, fault)
    key, said = NAMED[fault]
    first = found.findings[:2]
    assert key in [finding.key for finding in first], [finding.text for finding in found.findings]
    named = next(finding for finding in first if finding.key == key)
    assert named.is_fault
    assert said in named.text


def test_a_healthy_training_has_no_fault(tmp_path: Path) -> None:
    found = analysed(tmp_path, None)
    assert [finding.text for finding in found.faults] == []
    assert found.summary["headroom"] > 0
    assert len("\n".join(page.shown(found, {}, "results"))) <= 1500
