"""What is made of a run's figures: each finding where it belongs, none where all is well."""

from __future__ import annotations

import json
import math
import random
import re
import runpy
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import grounded
from agent_loops import campaigns, insights, result_files
from agent_loops.curves import Curve, Progress
from agent_loops.errors import Refused
from agent_loops.insight import layers, learning, machine_time, page, pictures, samples, written
from agent_loops.insight.finding import Finding
from agent_loops.insight.samples import (
    Batch,
    Change,
    Fit,
    Layer,
    Parameter,
    Phases,
    Samples,
    Step,
)
from agent_loops.objective import median
from agent_loops.paths import CampaignPaths, ProjectPaths
from agent_loops.result_files import NoResult
from agent_loops.workspace import Workspace
from support import Project

SITE = Path(page.__file__).parent.parent / "probing" / "site"
COLUMNS = runpy.run_path(str(SITE / "agent_loops_probe" / "files.py"))["COLUMNS"]


def found(source: object, run: Samples) -> dict[str, Finding]:
    return {finding.key: finding for finding in source.findings(run)}  # type: ignore[attr-defined]


def falling(count: int, noise: float, seed: int = 1, power: float = 0.5) -> list[Step]:
    """A loss that falls as a power of the time."""
    draw = random.Random(seed)
    return [
        Step(k, 10.0 + 0.02 * (k + 1), 1 + 3 * (k + 1) ** -power + draw.gauss(0, noise), 1e-3)
        for k in range(count)
    ]


def layer(name: str, **figures: float) -> Layer:
    fixed = {"deviation": 1.0, "largest": 4.0, "dead_share": 0.0, "saturated_share": 0.0}
    known = fixed | {"cosine": 0.0, "non_finite": 0.0} | figures
    return Layer(9, int(known.pop("order", 0)), name, "Block", "out", **known)


def change(name: str, *, step: int = 5, gradient: float = 1e-3, ratio: float = 2e-3) -> Change:
    return Change(step, name, gradient, 0.1, 0.1 * ratio, ratio, 0.0)


# ---- learning -----------------------------------------------------------------------------------


def test_headroom_is_what_more_time_would_have_brought() -> None:
    steps = falling(900, noise=0.0)
    expected = 3 * (900**-0.5 - 990**-0.5)
    headroom = learning.extrapolated(steps)
    assert headroom is not None
    assert headroom.gain == pytest.approx(expected, rel=0.2)


def test_the_error_of_the_headroom_holds_what_it_says() -> None:
    """Within two standard errors in most of the trainings, whatever their noise."""
    expected = 3 * (900**-0.5 - 990**-0.5)
    inside = 0
    for seed in range(100):
        headroom = learning.extrapolated(falling(900, noise=0.05, seed=seed))
        assert headroom is not None
        inside += abs(headroom.gain - expected) < 2.3 * headroom.error  # 10 degrees of freedom
    assert 88 <= inside <= 100


@pytest.mark.parametrize("steps", [[], falling(5, 0.0), [Step(0, 0.0, math.nan, 0.1)] * 100])
def test_too_little_tells_no_headroom(steps: Sequence[Step]) -> None:
    assert learning.extrapolated(steps) is None


def test_a_loss_that_jumps_and_rises_is_unstable() -> None:
    steps = falling(400, noise=0.01)
    calm = found(learning, Samples(steps=steps))
    assert "spike_share" not in calm
    jumping = [s._replace(loss=s.loss * (3 if s.step % 20 == 0 else 1)) for s in steps]
    assert found(learning, Samples(steps=jumping))["spike_share"].is_fault
    rising = [s._replace(loss=s.loss + max(0, s.step - 200) * 0.01) for s in steps]
    assert found(learning, Samples(steps=rising))["rise_share"].is_fault


def batches(kinds: int, *, seed: int) -> list[Batch]:
    """Twelve batches of 16 rows; with more than one kind each batch is of one of them."""
    draw = random.Random(seed)
    made = []
    for k in range(12):
        centre = 3.0 * (k % kinds)
        rows = [draw.gauss(centre, 1) for _ in range(16)]
        mean = sum(rows) / 16
        variance = sum((row - mean) ** 2 for row in rows) / 15
        made.append(Batch(k, "inputs", 16, mean, variance))
    return made


def test_batches_of_one_kind_are_told_from_batches_at_random() -> None:
    assert found(learning, Samples(batches=batches(4, seed=1)))["batch_likeness"].is_fault
    flagged = sum(
        any(f.is_fault for f in learning.findings(Samples(batches=batches(1, seed=seed))))
        for seed in range(200)
    )
    assert flagged == 0


def fits(*, train: tuple[float, float], held_out: tuple[float, float]) -> list[Fit]:
    """Errors and expected errors among the surest, in training and evaluation."""
    made = [Fit(step, "train", 1000, 1.0, 0.7, 250, *train, 10) for step in range(10)]
    return made + [Fit(10, "eval", 1000, 1.0, 0.7, 250, *held_out, 10) for _ in range(5)]


@pytest.mark.parametrize(
    ("train", "held_out", "wrong"),
    [
        ((0.02, 0.02), (0.02, 0.02), False),
        ((0.17, 0.17), (0.03, 0.16), True),  # calibrated on labels that are partly wrong
        ((0.02, 0.10), (0.02, 0.10), False),  # smoothed labels: less sure than it could be
        ((0.01, 0.02), (0.10, 0.02), False),  # overfitting
    ],
)
def test_wrong_labels_are_told_from_smoothed_ones(
    train: tuple[float, float], held_out: tuple[float, float], *, wrong: bool
) -> None:
    findings = found(learning, Samples(fits=fits(train=train, held_out=held_out)))
    assert ("label_contradictions" in findings) == wrong


# ---- layers -------------------------------------------------------------------------------------


def test_dead_saturated_and_collapsed_layers_are_named() -> None:
    run = Samples(
        layers=[
            layer("blocks.0", dead_share=0.1),
            layer("blocks.1", dead_share=0.95),
            layer("gate", saturated_share=0.8),
            layer("head", cosine=0.9999),
        ]
    )
    findings = found(layers, run)
    assert "blocks.1" in findings["dead_share_max"].text
    assert "gate" in findings["saturated_share_max"].text
    assert "head" in findings["cosine_max"].text
    assert all(finding.is_fault for finding in findings.values())


def test_the_scale_over_the_depth_is_told_from_the_first_step() -> None:
    first = [layer(f"blocks.{k}", deviation=10.0**k, order=k)._replace(step=0) for k in range(4)]
    later = [layer(f"blocks.{k}", order=k) for k in range(4)]
    assert found(layers, Samples(layers=first + later))["activation_growth"].value == 1000
    assert "activation_growth" not in found(layers, Samples(layers=later))


@pytest.mark.parametrize(
    ("ratio", "fault"), [(1e-3, False), (6e-3, False), (1.5e-2, False), (5e-2, True), (1e-7, True)]
)
def test_the_update_to_weight_ratio_has_a_healthy_range(ratio: float, *, fault: bool) -> None:
    changes = [change(f"l{k}.weight", ratio=ratio, step=k) for k in range(6)]
    assert any(f.is_fault for f in layers.findings(Samples(changes=changes))) == fault


def test_a_parameter_without_gradient_and_one_that_is_frozen_are_named() -> None:
    changes = [change(f"l{k}.weight") for k in range(6)] + [change("lost.weight", gradient=0.0)]
    parameters = [Parameter("a.0.weight", 900, is_trained=True)]
    parameters += [Parameter(f"a.1.{name}", 10, is_trained=False) for name in ("weight", "bias")]
    findings = found(layers, Samples(changes=changes, parameters=parameters))
    assert "lost.weight" in findings["gradient_rms_min"].text
    assert findings["parameters_not_trained"].text.startswith("a.1: 20 of 920")


def test_what_may_be_found_is_always_told_so_that_a_cure_can_be_predicted() -> None:
    """A figure that is named only while it is bad could not be seen to have become good."""
    well = Samples(
        steps=falling(400, noise=0.01), batches=batches(1, seed=1),
        fits=fits(train=(0.02, 0.02), held_out=(0.02, 0.02)),
        layers=[layer("blocks.0"), layer("blocks.1", order=1)],
        changes=[change("a.weight"), change("a.weight", step=6)],
        phases=[Phases(k, 0.001, 0.01, 0.02, 0.005, 0.0) for k in range(5)],
        parameters=[Parameter("a.weight", 9, is_trained=True)],
        facts={"dropout_without_gradient": 0, "batchnorm_without_gradient": 0},
    )  # fmt: skip
    told = {**layers.summary(well), **learning.summary(well), **machine_time.summary(well)}
    named = set()
    for path in ("layers", "learning", "machine_time"):
        text = (Path(layers.__file__).parent / f"{path}.py").read_text()
        named |= set(re.findall(r'Finding\(\s+f?"([a-z_]+)"', text))
    assert len(named) > 12
    # The first is of a GPU, the second of a table of classes.
    assert named - {"memory_used_share", "class_error_max"} <= set(told)


def test_the_class_that_is_wrong_most_often_is_named() -> None:
    counts = [{"class": 0, "rows": 90, "errors": 9}, {"class": 1, "rows": 30, "errors": 24}]
    counts.append({"class": 2, "rows": 5, "errors": 5})
    classes = {"classes": counts, "confused": [{"is": 1, "taken_for": 0, "rows": 20}]}
    finding = found(learning, Samples(classes=classes))["class_error_max"]
    assert "class 1 is wrong in 80% of 30 rows (all: 30%); most often 1 is taken" in finding.text
    assert not found(learning, Samples(classes={"classes": [3], "confused": "x"}))


# ---- time, and what was written -----------------------------------------------------------------


@pytest.mark.parametrize(("data_s", "fault"), [(0.001, False), (0.02, True)])
def test_a_loader_that_is_waited_for_is_the_bottleneck(data_s: float, *, fault: bool) -> None:
    phases = [Phases(k, data_s, 0.01, 0.02, 0.005, 0.0) for k in range(5)]
    assert found(machine_time, Samples(phases=phases))["data_share"].is_fault == fault


def test_predictions_name_the_worst_class_and_slice(tmp_path: Path) -> None:
    rows = ["label,prediction,source,id"]
    rows += [f"cat,{'dog' if k % 2 else 'cat'},{'web' if k % 2 else 'own'},{k}" for k in range(60)]
    rows += [f"dog,dog,own,{k}" for k in range(60)]
    (tmp_path / "predictions.csv").write_text("\n".join(rows))
    findings = {finding.key: finding for finding in written.findings(tmp_path)}
    assert "class cat is wrong in 50%" in findings["class_error_max"].text
    assert "cat is taken for dog (30 times)" in findings["class_error_max"].text
    assert "source=web 100% of 30 rows" in findings["slice_error_max"].text


def test_embeddings_that_collapsed_or_are_alike_are_told(tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    good = draw.standard_normal((200, 16)).astype(np.float32)
    turned = good @ np.linalg.qr(draw.standard_normal((16, 16)))[0].astype(np.float32)
    other = draw.standard_normal((200, 16)).astype(np.float32)
    flat = np.ones((200, 16), np.float32) + 1e-3 * good
    np.savez(tmp_path / "embeddings.npz", a=good, b=turned, c=other, d=flat)
    findings = {finding.key: finding for finding in written.findings(tmp_path)}
    assert findings["cka[a,b]"].value == pytest.approx(1)
    assert findings["cka[b,c]"].value < 0.3
    assert findings["embedding_cosine[d]"].is_fault
    assert not findings["embedding_cosine[a]"].is_fault


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("predictions.csv", b"\0\xff\x1b[31m,\n" * 50),
        ("predictions.csv", b"label,prediction\n"),
        ("embeddings.npy", b"\x93NUMPY\x01\x00garbage"),
        ("embeddings.npz", b"PK\x03\x04"),
    ],
)
def test_garbage_that_a_training_wrote_is_left_out(
    tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    assert list(written.findings(tmp_path)) == []


@pytest.mark.parametrize("content", ["", "step\n1\n", "[" * 9999, "step,time_s\n1,x\n\0\0", "null"])
def test_garbage_of_a_probe_is_left_out(tmp_path: Path, content: str) -> None:
    for name in ("steps.csv", "gradients.csv", "parameters.json", "probe.json", "classes.json"):
        (tmp_path / name).write_text(content)
    run = samples.read(tmp_path)
    assert (run.steps, run.changes, run.parameters, run.facts) == ([], [], [], {})


def test_a_table_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "_MOST_ROWS", 50)
    rows = ["step,time_s,loss,learning_rate", *["x"] * 10, *["1,1,1,1"] * 90]
    (tmp_path / "steps.csv").write_text("\n".join(rows))
    assert len(samples.read(tmp_path).steps) == 40


GIGANTIC = "1" + "0" * 400
HOSTILE = [GIGANTIC, "1e999", "-1e999", "1e308", "-1e308", "nan", "-1", "0", "5e-324", ""]


def hostile_folder(folder: Path, seed: int) -> Path:
    """Tables and facts of a probe in which any number may be one of HOSTILE."""
    folder.mkdir()
    draw = random.Random(seed)
    share = draw.choice([0.02, 0.3, 1.0])  # a row with one bad count is left out
    words = {"mode": ["train", "eval"], "side": ["in", "out"], "what": ["inputs", "targets"]}
    for name, columns in COLUMNS.items():
        rows = [
            [
                draw.choice(words.get(column, HOSTILE)) if draw.random() < share
                else f"blocks.{k % 3}" if column in ("layer", "parameter", "kind")
                else words[column][k % 2] if column in words else str(k * 97)
                for column in columns
            ]
            for k in range(60)
        ]  # fmt: skip
        lines = [",".join(row) for row in [columns, *rows]]
        (folder / f"{name}.csv").write_text("\n".join(lines)[:-3])  # the last one is torn
    facts = "peak_allocated_mib", "total_memory_mib", "first_non_finite_loss_step"
    counted = [{"class": 1, "rows": 50, "errors": "?"}, {"class": 2, "rows": "?", "errors": 30}]
    for name, value in {
        "probe.json": dict.fromkeys((*facts, "dropout_without_gradient"), "?"),
        "parameters.json": [{"name": "a", "count": "?"}, {"name": "b", "count": 9}, 5],
        "classes.json": {"classes": counted, "confused": [{"is": 1, "taken_for": 2}]},
        page.SUMMARY: {"headroom": "?", "steps": 3},
    }.items():
        parts = json.dumps(value).split('"?"')
        odd = [draw.choice([GIGANTIC, "1e999", "-5", "NaN", "1e308", '"x"', "[]"]) for _ in parts]
        text = "".join(map("".join, zip(parts, odd, strict=True)))
        (folder / name).write_text(text.removesuffix(odd[-1]))
    return folder


@pytest.mark.parametrize("seed", range(20))
def test_no_number_that_was_written_is_too_large(tmp_path: Path, seed: int) -> None:
    run = samples.read(hostile_folder(tmp_path / "results", seed))
    before = page.read_summary(tmp_path / "results")
    made = page.analyse(run, progress=None, metric="m", outputs=tmp_path)
    page.write(tmp_path / "results", made, before)
    assert page.shown(made, before, "x")
    assert all(map(math.isfinite, made.summary.values()))
    if seed < 4:  # slow
        pictures.draw(run, tmp_path / "x.png", title="x", before=run)


def test_embeddings_that_are_no_numbers_are_left_out(tmp_path: Path) -> None:
    rows = np.random.default_rng(1).normal(size=(20, 4))
    bad = {"nan": rows * np.nan, "huge": rows * 1e200, "none": rows[:, :0]}
    np.savez(tmp_path / "embeddings.npz", **bad, fine=rows)
    (tmp_path / "predictions.csv").write_text("label," + "x" * 200_000 + "\n")
    assert [f.key for f in written.findings(tmp_path)] == ["embedding_cosine[fine]"]


def test_names_in_the_files_are_data(tmp_path: Path) -> None:
    (tmp_path / "parameters.json").write_text(
        json.dumps([{"name": "\x1b[31mrm -rf\n|x|" + "y" * 500, "count": 5}])
    )
    made = page.analyse(samples.read(tmp_path), progress=None, metric="m", outputs=None)
    page.write(tmp_path, made, {})
    text = (tmp_path / page.PAGE).read_text()
    assert "\x1b" not in text
    assert "y" * 100 not in text


# ---- the page -----------------------------------------------------------------------------------


def test_what_was_printed_tells_of_a_training_without_a_probe() -> None:
    points = [(0.1 * k, 1 + 3 * k**-0.5) for k in range(1, 200)]
    progress = Progress(20.0, 0.1, {"train_loss": Curve(points), "val_bpb": Curve([(1.0, 2.0)])})
    made = page.analyse(Samples(), progress=progress, metric="val_bpb", outputs=None)
    assert made.summary["headroom"] == pytest.approx(3 * (199**-0.5 - 219**-0.5), rel=0.15)
    assert "the probe saw no training step" in made.notes[0]


def test_the_incumbents_figure_stands_beside_the_runs(tmp_path: Path) -> None:
    made = page.analyse(
        Samples(), metric="m", outputs=None,
        progress=Progress(9.0, 0.1, {"loss": Curve([(0.1 * k, 2.0 / k) for k in range(1, 90)])}),
    )  # fmt: skip
    page.write(tmp_path, made, {"headroom": 0.125})
    item = json.loads((tmp_path / page.FINDINGS).read_text())[0]
    assert (item["key"], item["incumbent"]) == ("headroom", 0.125)
    assert page.read_summary(tmp_path)["headroom"] == pytest.approx(
        made.summary["headroom"], rel=1e-5
    )
    assert "(incumbent 0.125)" in page.shown(made, {"headroom": 0.125}, "x")[1]


# ---- the command --------------------------------------------------------------------------------

TRAIN = """\
LR = 0.01
if __name__ == "__main__":
    import time
    for k in range(1, 60):
        print(f"step {k} loss: {1 + 2 / k:.4f}", flush=True)
        time.sleep(0.06)
    print(f"val_bpb: {1.0 + LR:.6f}")
"""


def test_analyze_answers_short_and_draws_a_picture(tmp_path: Path) -> None:
    project = Project(tmp_path / "a project", train=TRAIN)
    project.bind(probe="auto")
    project.baseline()
    answer = project.ask("analyze", "1")
    assert answer["summary"]["headroom"] > 0
    picture = project.root / answer["picture"]
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert (picture.parent / page.PAGE).read_text().startswith("# Findings")
    text = project.call("analyze", "1").out
    assert len(text.encode()) <= 1536
    assert "a tenth more time would bring" in text


def test_the_answer_of_an_analysis_is_short_in_any_script(tmp_path: Path) -> None:
    """With all there is to say: six findings, each long, and how a plan stands."""
    project = grounded.project_in(tmp_path / "p", probe="auto")
    project.baseline()
    seen = json.loads((project.sandbox / "iter1" / "results" / page.SUMMARY).read_text())
    place = f"results/{page.SUMMARY}:val_bpb"
    tried = grounded.attempt(
        project, grounded.lr("0.02") + grounded.plan(grounded.row(output=place)),
        anchor=f"{place}={seen['val_bpb']}", predict=f"{place} < 0.5; it falls",
        text="学习率提高一倍🚀" * 50,
    )  # fmt: skip
    assert tried["experiment"] == 2, tried
    folder = project.sandbox / "iter2" / "results"
    table = [
        "step,order,layer,kind,side,deviation,largest,dead_share,saturated_share,cosine,non_finite"
    ]
    table += [
        f"1,0,{'层' * 90},块,out,0,1,1,0,0.9,0.9,0.999,1",
        f"1,1,{'块' * 90},块,in,0,1,1,0,0.9,0,0,0",
    ]
    (folder / "activations.csv").write_text("\n".join(table))
    for name in ("学", "é" * 60, "🚀" * 40):
        (folder.parent / "analysis" / f"{name}.csv").write_text("1")
    text = project.call("analyze", "2").out
    assert 1000 < len(text.encode()) <= 1536
    head, *_, last = text.splitlines()
    assert head.startswith("#2: 学习率")
    assert "FAULT" in text
    assert last.startswith("files in ")


@pytest.mark.parametrize("loss", [math.nan, 1.0])
def test_odd_names_and_losses_are_drawn(tmp_path: Path, loss: float) -> None:
    run = Samples(steps=[Step(0, 0.0, loss, 0.1)] * 9, layers=[layer("a$x^")._replace(side="in")])
    pictures.draw(run, tmp_path / "x.png", title="lr: $\\foo{ for $5")
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "title", ["学习率提高一倍", "warmup 🚀👩‍🔬", "קצב הלמידה", "a\x1b[31m\x00\x07\nb", "é" * 5000]
)
def test_a_title_of_any_letters_is_drawn_without_a_word(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], title: str
) -> None:
    pictures.draw(Samples(steps=falling(9, 0.0)), tmp_path / "x.png", title=title)
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("values", "middle"),
    [
        ([3, math.nan, 1], 2),
        ([2, 9, 1], 2),
        ([1e308, 1.5e308], 1.25e308),
        ([-math.inf, 1], -math.inf),
    ],
)
def test_the_median_is_that_of_the_numbers(values: Sequence[float], middle: float) -> None:
    assert median(values) == pytest.approx(middle)


@pytest.mark.parametrize("values", [[], [math.nan], [-math.inf, math.inf]])
def test_where_there_is_no_middle_the_median_is_no_number(values: Sequence[float]) -> None:
    assert math.isnan(median(values))


def test_a_clock_that_stands_still_tells_no_headroom() -> None:
    assert learning.extrapolated([Step(k, 5.0, 1.0, 0.1) for k in range(90)]) is None


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / page.SUMMARY).write_text("the user's")
    (tmp_path / "results").symlink_to("mine")
    made = page.analyse(Samples(), progress=None, metric="m", outputs=None)
    with pytest.raises(NoResult, match="link"):
        page.write(tmp_path / "results", made, {})
    assert (tmp_path / "mine" / page.SUMMARY).read_text() == "the user's"


def test_the_analysis_of_a_run_after_a_warmup_is_where_ideas_look_for_it(tmp_path: Path) -> None:
    project = Project(tmp_path / "p", train=TRAIN)
    project.bind(loop="ml-autoresearch", warmup_runs=1)
    project.baseline()
    folder = project.sandbox / "iter1"
    assert b"val_bpb" in result_files.read(folder, f"results/{page.SUMMARY}")


def test_results_that_are_no_folder_change_no_verdict_and_are_named(tmp_path: Path) -> None:
    train = grounded.TRAIN.replace('    print(f"val_bpb', """\
    import shutil
    shutil.rmtree(results)
    results.write_text("mine")
    print(f"val_bpb""")  # fmt: skip
    project = Project(tmp_path / "p", train=train)
    grounded.bind(project, probe="auto")
    baseline = project.baseline()
    assert "File exists" in " ".join(baseline["notes"])
    refused = project.ask("analyze", "1")
    assert (refused.code, refused["kind"]) == (3, "results")
    assert "File exists" in refused["reason"]
    assert "sandbox/t1/iter1/results" in refused["next"]


def test_a_fault_of_the_analysis_itself_leaves_the_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What no check of what was written has thought of."""
    project = grounded.project_in(tmp_path / "p", probe="auto")
    project.baseline()
    monkeypatch.setattr(learning, "findings", lambda _: iter([1 / 0]))
    store = campaigns.open_store(ProjectPaths(project.root), CampaignPaths(project.sandbox))
    workspace = Workspace(store, project.root, {})
    insights.keep(workspace, store.campaign.experiments[1])
    assert workspace.told == ["the results of #1: ZeroDivisionError: division by zero"]
    with pytest.raises(Refused, match="ZeroDivisionError"):
        insights.analyze(workspace, 1)


def test_a_loss_that_diverges_in_double_precision_is_told() -> None:
    steps = [Step(k, float(k + 1), min(1e4**k, 1e305), 0.1) for k in range(70)]
    findings = found(learning, Samples(steps=steps))
    assert findings["rise_share"].is_fault
    assert "nan" not in " ".join(finding.text for finding in findings.values())
    lost = [Step(k, k + 1.0, math.inf, 0.1) for k in range(9)]
    assert "100.0% of the steps" in found(learning, Samples(steps=lost))["spike_share"].text


def test_analyze_of_what_is_not_there_is_refused(tmp_path: Path) -> None:
    project = Project(tmp_path / "p", train=TRAIN)
    project.baseline()
    assert project.ask("analyze", "7").code == 3
    assert "probe: auto" in project.call("analyze", "1").out
