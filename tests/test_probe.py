"""The probe in real trainings: it changes no result, fails none, and steps aside where it must."""

from __future__ import annotations

import csv
import importlib
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path

import pytest

from agent_loops.insight import page, samples
from agent_loops.probing import attaching

if os.environ.get("AGENT_LOOPS_TORCH") != "required":
    pytest.importorskip("torch")

ROOT = Path(__file__).resolve().parent.parent
NANO_GPT = ROOT / "examples" / "nano_gpt"
PLAIN = f"unset AGENT_LOOPS_PROBE; {sys.executable} train.py"

TRAINING = """\
import torch
from torch import nn
torch.manual_seed(1)
torch.set_num_threads(1)
model = nn.Sequential(nn.Linear(8, 16), nn.Dropout(0.1), nn.ReLU(), nn.Linear(16, 4))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
def batch(k):
    x = torch.randn(32, 8)
    return x, (x.sum(1) > 0).long()
def steps(count=20, forward=None):
    for k in range(count):
        x, y = batch(k)
        loss = nn.functional.cross_entropy((forward or model)(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()
"""


class Probed:
    """Runs a script under the probe; what it printed, and what lies in the results' folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.results = folder / "results with a space"
        self.results.mkdir()

    def run(
        self, script: str, *, command: str = "", environ: Mapping[str, str] | None = None
    ) -> str:
        (self.folder / "train.py").write_text(textwrap.dedent(script))
        command = command or f"{sys.executable} train.py"
        done = subprocess.run(
            ["bash", "-c", attaching.with_probe(command, self.results)], cwd=self.folder,
            env={**os.environ, **(environ or {})}, capture_output=True, text=True, timeout=120,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def rows(self, name: str) -> list[dict[str, str]]:
        with (self.results / f"{name}.csv").open(newline="") as stream:
            return list(csv.DictReader(stream))

    @property
    def notes(self) -> str:
        path = self.results / "notes.txt"
        return path.read_text() if path.exists() else ""

    @property
    def facts(self) -> dict[str, object]:
        return dict(json.loads((self.results / "probe.json").read_text()))

    def analysed(self) -> page.Page:
        return page.analyse(samples.read(self.results), progress=None, metric="loss", outputs=None)


@pytest.fixture
def probed(tmp_path: Path) -> Probed:
    return Probed(tmp_path)


def test_the_result_is_the_same_to_the_last_digit(probed: Probed) -> None:
    environ = {**os.environ, "NANO_GPT_STEPS": "12", "NANO_GPT_BUDGET_S": "999"}
    environ |= {"AGENT_LOOPS_SEED": "5", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, str(NANO_GPT / "train.py")]
    without = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    beside = probed.run("", command=" ".join(command), environ=environ)
    value = [line for line in without.stdout.splitlines() if line.startswith("val_bpb")]
    assert value == [line for line in beside.splitlines() if line.startswith("val_bpb")]
    assert len(value) == 1
    assert len(probed.rows("steps")) == 12


def test_steps_layers_gradients_phases_and_losses_are_written(probed: Probed) -> None:
    probed.run(TRAINING + "print(steps())\n")
    steps = probed.rows("steps")
    assert [int(row["step"]) for row in steps] == list(range(20))
    assert float(steps[-1]["loss"]) < float(steps[0]["loss"])
    assert {float(row["learning_rate"]) for row in steps} == {0.1}
    assert {row["layer"] for row in probed.rows("activations")} >= {"0", "2", "3"}
    names = {row["parameter"] for row in probed.rows("gradients")}
    assert names == {"0.weight", "0.bias", "3.weight", "3.bias"}
    first = next(row for row in probed.rows("gradients") if row["parameter"] == "0.weight")
    # Plain momentum's first step is the rate times the gradient.
    assert float(first["update_rms"]) == pytest.approx(0.1 * float(first["gradient_rms"]), rel=1e-3)
    assert float(probed.rows("losses")[0]["loss"]) == pytest.approx(
        float(steps[0]["loss"]), rel=1e-4
    )
    assert all(float(row["backward_s"]) > 0 for row in probed.rows("phases"))
    assert [row["name"] for row in json.loads((probed.results / "parameters.json").read_text())]


def test_what_a_kill_leaves_is_read(probed: Probed) -> None:
    probed.run(TRAINING + "steps()\nimport time; time.sleep(2.1); steps(5)\nimport os; os._exit(0)")
    assert len(probed.rows("steps")) >= 20
    whole = (probed.results / "steps.csv").read_text()
    (probed.results / "steps.csv").write_text(whole[:-7] + "\0,x")
    assert probed.analysed().summary["train_loss_first"] > 0


def test_the_projects_own_start_up_file_still_runs(probed: Probed) -> None:
    own = probed.folder / "own"
    own.mkdir()
    (own / "sitecustomize.py").write_text("import os; os.environ['OWN'] = 'ran'\n")
    said = probed.run(
        "import os, sitecustomize; print(os.environ['OWN'], sitecustomize.__file__)",
        environ={"PYTHONPATH": str(own)},
    )
    assert said.split(maxsplit=1) == ["ran", f"{own}/sitecustomize.py\n"]


def test_workers_and_forks_write_nothing(probed: Probed) -> None:
    probed.run(
        TRAINING
        + """
import os
from torch.utils.data import DataLoader, Dataset
class Rows(Dataset):
    def __len__(self): return 64
    def __getitem__(self, k): return torch.ones(8), 1
for x, y in DataLoader(Rows(), batch_size=16, num_workers=2): pass
steps(3)
if os.fork() == 0:
    steps(50)
    os._exit(0)
os.wait()
steps(2)
"""
    )
    assert [int(row["step"]) for row in probed.rows("steps")] == list(range(5))


def test_a_script_that_becomes_another_program_is_followed(probed: Probed) -> None:
    probed.run(
        "import os, sys\nif len(sys.argv) < 2:\n"
        "    os.execv(sys.executable, [sys.executable, 'train.py', 'again'])\n"
        + TRAINING + "steps(4)\n"
    )  # fmt: skip
    assert len(probed.rows("steps")) == 4


def test_one_rank_writes(probed: Probed) -> None:
    probed.run(
        TRAINING + "import os, torch.distributed as d\nd.init_process_group('gloo')\n"
        "steps(6, nn.parallel.DistributedDataParallel(model))\nd.destroy_process_group()\n",
        command=f"{sys.executable} -m torch.distributed.run --nproc-per-node 2 --master-port 0 "
        "--rdzv-backend c10d --rdzv-endpoint localhost:0 train.py",
    )
    assert len(probed.rows("steps")) == 6
    assert "3.weight" in {row["parameter"] for row in probed.rows("gradients")}


def test_a_compiled_model_keeps_its_layers_to_itself(probed: Probed) -> None:
    probed.run(
        TRAINING + "compiled = torch.compile(model, backend='eager', fullgraph=True)\n"
        "steps(6, compiled)\nassert torch._dynamo.utils.counters['stats']['unique_graphs'] == 1\n"
    )
    assert "torch.compile" in probed.notes
    assert not (probed.results / "activations.csv").exists()
    assert {row["parameter"] for row in probed.rows("gradients")} >= {"0.weight", "3.bias"}


def test_a_scripted_model_is_compiled_from_its_own_source(probed: Probed) -> None:
    """TorchScript would not find its way in functions that the probe had put in their place."""
    said = probed.run(
        TRAINING
        + """
class Whole(nn.Module):
    def __init__(self):
        super().__init__()
        self.model = model
    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return nn.functional.cross_entropy(self.model(x), y)
def local():
    class Point:
        x: int
        def __init__(self, x: int):
            self.x = x
    torch.jit.script(Point)
    @torch.jit.script
    def twice(x: int) -> int:
        return 2 * Point(x).x
    return twice(4)
print(local(), torch.jit.script(Whole())(*batch(0)).item() > 0)
steps(3, torch.jit.script(model))
"""
    )
    assert said == "8 True\n"
    assert len(probed.rows("steps")) == 3
    assert probed.notes == ""


RECORDED = """
x, y = batch(0)
class Loss(nn.Module):
    def __init__(self):
        super().__init__()
        self.loss, self.model = cross_entropy, model
    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return self.loss(self.model(x), y) + nn.functional.cross_entropy(x, y)
class Method(torch.jit.ScriptModule):
    def __init__(self):
        super().__init__()
        self.drop = nn.Dropout(0.5)
    @torch.jit.script_method
    def forward(self, x: torch.Tensor, y: torch.Tensor):
        return nn.functional.cross_entropy(self.drop(x), y)
@torch.jit.script_if_tracing
def traced(x: torch.Tensor, y: torch.Tensor):
    return nn.functional.cross_entropy(x, y)
scripted = torch.jit.script(Loss())(x, y).item() > 0, Method()(x, y).item() > 0
model.eval()
whole = torch.jit.trace(nn.Sequential(model, nn.Softmax(1)), x)
torch.jit.trace(lambda x: traced(x, y), x)
exported = torch.export.export(nn.Sequential(model, nn.BatchNorm1d(4)), (x,))
print(scripted, len(list(whole.graph.nodes())), len(exported.graph.nodes))
"""


def test_what_torch_records_holds_nothing_of_the_probes(probed: Probed) -> None:
    """Scripted, traced and exported in the probe's first look."""
    script = f"from torch.nn.functional import cross_entropy\n{TRAINING}{RECORDED}"
    said = probed.run(script + "steps(3)\n")
    assert said == probed.run(script, command=PLAIN)
    assert len(probed.rows("steps")) == 3
    assert probed.notes == ""


def test_a_model_that_holds_a_loss_is_pickled_wherever_the_probe_is(probed: Probed) -> None:
    said = probed.run(
        TRAINING + "import pickle\nmodel.loss = nn.functional.cross_entropy\nsteps(2)\n"
        "print(pickle.loads(pickle.dumps(model)).loss is nn.functional.cross_entropy)\n",
        environ={"RANK": "1"},
    )
    assert said == "True\n"
    assert list(probed.results.iterdir()) == []


@pytest.mark.parametrize(
    ("script", "said", "steps"),
    [
        # another model is another training
        (
            ("steps(5)\nfirst = weakref.ref(model), weakref.ref(optimizer)\n"
            "model = nn.Linear(8, 4)\noptimizer = torch.optim.Adam(model.parameters())\n"
            "steps(30)\nprint(first[0]() is first[1]() is None, probe()._off)\n"),
            "True True", 5,
        ),
        # a second stage goes on where the first optimizer is gone, or is kept but rests
        (
            ("steps(5)\noptimizer = torch.optim.Adam(model.parameters())\nsteps(30)\n"
            "print(probe()._looking != 'full', probe()._off)\n"),
            "True False", 35,
        ),
        (
            ("steps(5)\nkept = optimizer\noptimizer = torch.optim.Adam(model.parameters())\n"
            "steps(99)\nprint(probe()._looking != 'full', probe()._off)\n"),
            "True False", 5 + 99 - 63,
        ),
        # no backward and no optimizer of torch's
        (
            ("w = list(model.parameters())\nfor k in range(200):\n"
            "    torch.autograd.grad(nn.functional.cross_entropy(model(batch(0)[0]),"
            " batch(0)[1]), w)\n"
            "p = probe()\nprint(p._looking, len(p._stamps), len(p._activations._seen))\n"),
            " 0 0", None,
        ),
        # words that torch allows
        (
            ("steps(1)\nloss = model(batch(0)[0]).sum()\ntorch.Tensor.backward(self=loss)\n"
            "optimizer.step()\nscaler = torch.amp.GradScaler('cpu')\n"
            "print(len(scaler.scale([loss, loss])))\nsteps(2)\n"),
            "2", 4,
        ),
    ],
    ids=["another model", "second stage", "first rests", "by hand", "words"],
)  # fmt: skip
def test_looks_end_and_nothing_is_kept_alive(
    probed: Probed, script: str, said: str, steps: int | None
) -> None:
    assert probed.run(TRAINING + PROBE + script) == f"{said}\n"
    if steps is not None:
        assert len(probed.rows("steps")) == steps
    assert "stopped" not in probed.notes


PROBE = """
import gc, weakref
def probe():
    return next(thing for thing in gc.get_objects() if type(thing).__name__ == "Probe")
"""


def test_an_alarm_of_the_trainings_is_never_swallowed(probed: Probed) -> None:
    said = probed.run(
        TRAINING + PROBE + "import signal\n"
        "class Stop(Exception): pass\n"
        "def stop(*_): raise Stop\n"
        "signal.signal(signal.SIGALRM, stop)\n"
        "def alarmed(*_): signal.raise_signal(signal.SIGALRM)\n"
        "probe()._activations.look = alarmed\n"
        "try: steps(1)\nexcept Stop: print('stopped', probe()._off)\n"
    )
    assert said == "stopped False\n"


def test_a_question_whether_torch_is_there_hides_it_not(probed: Probed) -> None:
    probed.run(
        f"import importlib.util\nassert importlib.util.find_spec('torch')\n{TRAINING}steps(2)\n"
    )
    assert len(probed.rows("steps")) == 2


def test_what_a_second_optimizer_trains_is_no_idle_weight(probed: Probed) -> None:
    probed.run(
        TRAINING + "optimizer = torch.optim.SGD(model[0].parameters(), lr=0.1)\n"
        "other = torch.optim.Adam(model[3].parameters())\n"
        "for k in range(3): steps(1); other.step()\n"
    )
    assert probed.analysed().summary["parameters_not_trained"] == 0


def test_a_training_without_an_optimizer_of_torchs_is_not_looked_at_for_ever(
    probed: Probed,
) -> None:
    said = probed.run(
        TRAINING
        + """
import gc
for k in range(2000):
    x, y = batch(k)
    nn.functional.cross_entropy(model(x), y).backward()
found = [thing for thing in gc.get_objects() if type(thing).__name__ == "Probe"]
print(len(found), found[0]._looking == "", len(found[0]._stamps), len(found[0]._backwards))
"""
    )
    assert said == "1 True 0 1024\n"


def test_what_a_probe_writes_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(attaching.SITE))
    files = importlib.import_module("agent_loops_probe.files")
    monkeypatch.setattr(files, "_LARGEST", 1000)
    written = files.Files(str(tmp_path))
    for step in range(100):
        for _ in range(10):
            written.row("steps", (step, 0.5, 1.25, 0.1, 1))
        written.flush()
    assert 1000 <= (tmp_path / "steps.csv").stat().st_size < 1400


def test_mixed_precision_is_told_unscaled(probed: Probed) -> None:
    probed.run(
        TRAINING
        + """
scaler = torch.amp.GradScaler("cpu")
for k in range(4):
    x, y = batch(k)
    with torch.autocast("cpu", torch.bfloat16):
        loss = nn.functional.cross_entropy(model(x), y)
    optimizer.zero_grad()
    scaler.scale(loss).backward()
    scaler.step(optimizer)
    scaler.update()
"""
    )
    losses = [float(row["loss"]) for row in probed.rows("steps")]
    assert len(losses) == 4
    assert all(0.2 < loss < 3 for loss in losses)
    sizes = [float(row["gradient_rms"]) for row in probed.rows("gradients")]
    assert all(0 < size < 10 for size in sizes)


def test_the_first_value_that_is_not_finite_is_found(probed: Probed) -> None:
    probed.run(
        TRAINING
        + """
steps(1)
with torch.no_grad():
    model[0].weight[3, 2] = float("inf")
steps(3)
"""
    )
    worst = probed.analysed().findings[0]
    assert worst.key == "first_non_finite_step"
    assert worst.value == 1
    assert "what 0 gives" in worst.text


def test_a_folder_that_is_gone_fails_no_training(probed: Probed) -> None:
    said = probed.run(
        "import os, shutil; shutil.rmtree(os.environ['AGENT_LOOPS_PROBE'])\n"
        + TRAINING
        + "print('loss', steps())\n"
    )
    assert said.startswith("loss 0.")


def test_a_torch_that_is_too_old_is_left_alone(probed: Probed) -> None:
    fake = probed.folder / "fake" / "torch"
    fake.mkdir(parents=True)
    (fake / "__init__.py").write_text("__version__ = '1.13.1+cu117'\n")
    said = probed.run(
        "import torch; print(torch.__version__)", environ={"PYTHONPATH": str(fake.parent)}
    )
    assert said == "1.13.1+cu117\n"
    assert "older than 2.1" in probed.notes


def test_what_is_no_python_or_has_no_torch_runs_as_it_is(probed: Probed) -> None:
    assert probed.run("", command="echo 'val_loss: 1'") == "val_loss: 1\n"
    assert probed.run("print('no torch')") == "no torch\n"
    assert probed.run("", command=f"{sys.executable} -I -c 'import torch'") == ""
    assert list(probed.results.iterdir()) == []
    assert "the probe saw no training step" in probed.analysed().notes[0]


def test_a_checkpointed_pass_is_no_evaluation(probed: Probed) -> None:
    probed.run(
        TRAINING + "from torch.utils.checkpoint import checkpoint\n"
        "steps(6, lambda x: checkpoint(model, x.requires_grad_(), use_reentrant=True))\n"
    )
    assert probed.facts["dropout_without_gradient"] == 0


def test_dropout_in_a_pass_without_gradients_is_counted(probed: Probed) -> None:
    probed.run(
        TRAINING + "steps(2)\nwith torch.no_grad(): model(batch(0)[0])\n"
        "model.eval()\nwith torch.no_grad(): model(batch(0)[0])\n"
    )
    assert probed.facts["dropout_without_gradient"] == 1
    assert probed.analysed().findings[0].key == "dropout_without_gradient"
