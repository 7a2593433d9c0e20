"""Exports: a campaign in other people's tools, read back by each of them."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from agent_loops import campaigns
from agent_loops.exporting.gathering import Gathered
from agent_loops.exporting.targets import TARGETS
from agent_loops.loop import Loop
from small_campaign import copied
from support import PYTHON, ROOT, Answer, Project, edit_block

SECRET = "hush-4f7d1c90b2"
TRAIN = """\
import os, time
LR = 0.0
MODE = "plain"
print("token is", os.environ.get("MY_API_TOKEN"))
for step in range(4):
    print(f"step {step} loss: {3.0 - LR - step / 10:.4f}", flush=True)
    time.sleep(0.12)
assert LR < 9, "far too high"
print(f"val_bpb: {2.0 - LR:.6f}")
print("peak_vram_mb: 512.0")
"""
HOSTILE = (
    "=cmd|' /C calc'!A1 \x1b[31m<script>alert(1)</script> \u202eright to left 'a/b' % ` "
    + "x" * 400
)
TOOLS = ["mlflow", "wandb", "tensorboard"]


def required(to: str) -> None:
    """Skips where the tool's library is not there."""
    library = TARGETS[to].library
    if importlib.util.find_spec(library) is None:
        assert os.environ.get("AGENT_LOOPS_EXPORTS") != "required", f"no {library}"
        pytest.skip(f"no {library}: pip install '.[{to}]'")


_MADE: list[Project] = []


@pytest.fixture
def campaign(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Baseline, a keep, a discard and a crash, made once and copied for each test."""
    if not _MADE:
        project = Project(tmp_path_factory.mktemp("made") / "my project", train=TRAIN)
        project.bind(run_cmd=f"{PYTHON} train.py")
        os.environ["MY_API_TOKEN"] = SECRET
        try:
            project.baseline()
            tried(project, "LR = 0.0", "LR = 0.5", HOSTILE)
            tried(project, "LR = 0.5", "LR = 0.2", "a lower rate")
            tried(project, "LR = 0.5", "LR = 9.5", "far too high")
        finally:
            del os.environ["MY_API_TOKEN"]
        _MADE.append(project)
    return copied(_MADE[0], tmp_path / "my project")


def tried(project: Project, old: str, new: str, text: str) -> None:
    answer = project.ask("try", text, "--edit", "-", stdin=edit_block("train.py", old, new))
    assert answer.code == 0, answer


def exported(project: Project, to: str, *words: str, env: dict[str, str] | None = None) -> Answer:
    answer = project.ask("export", "--to", to, *words, env={"MY_API_TOKEN": SECRET, **(env or {})})
    assert (answer.code, answer.values.get("status")) == (0, "exported"), answer
    return answer


def read_back(script: str, *words: str) -> Any:
    """What a script of the tool's own reader prints as JSON, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, *words], capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def of_mlflow(answer: Answer) -> Any:
    return read_back(
        "import json, sys\n"
        "from mlflow import MlflowClient\n"
        "client = MlflowClient(tracking_uri=sys.argv[1])\n"
        "found = {}\n"
        "for place in client.search_experiments():\n"
        "    for run in client.search_runs([place.experiment_id]):\n"
        "        number = run.info.run_id\n"
        "        curve = client.get_metric_history(number, 'curve/loss')\n"
        "        log = client.download_artifacts(number, 'run.log')\n"
        "        found[run.data.tags['agent_loops.experiment'].rpartition('-')[2]] = {\n"
        "            'name': run.info.run_name, 'status': run.info.status,\n"
        "            'began_ms': run.info.start_time, 'ended_ms': run.info.end_time,\n"
        "            'params': run.data.params, 'metrics': run.data.metrics,\n"
        "            'tags': run.data.tags, 'log': open(log).read(),\n"
        "            'curve': [[item.step, item.value, item.timestamp] for item in curve],\n"
        "            'files': [item.path for item in client.list_artifacts(number)],\n"
        "            'code': [item.path for item in client.list_artifacts(number, 'code')],\n"
        "        }\n"
        "print(json.dumps(found))\n",
        answer["place"],
    )


# The format that wandb's own packages are kept in: LevelDB's log, behind seven bytes of a header.
WANDB_READER = """
import json, struct, sys
from pathlib import Path
from wandb.proto import wandb_internal_pb2

def records(data):
    at, parts = 7, []
    while at + 7 <= len(data):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        parts.append(data[at + 7 : at + 7 + length])
        at += 7 + length
        if kind in (1, 4):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(b"".join(parts))
            parts = []
            yield record

found = []
for path in sorted(Path(sys.argv[1]).glob("offline-run-*/*.wandb")):
    told = {"folder": str(path.parent), "history": [], "config": {}, "summary": {}}
    data = path.read_bytes()
    assert data[:4] == b":W&B"
    for record in records(data):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            run = record.run
            told |= {"id": run.run_id, "name": run.display_name, "tags": list(run.tags),
                     "group": run.run_group, "project": run.project}
            told["config"] |= {item.key: json.loads(item.value_json) for item in run.config.update}
        elif kind == "history":
            items = record.history.item
            told["history"].append(
                {item.key or "/".join(item.nested_key): json.loads(item.value_json)
                 for item in items})
        elif kind == "summary":
            told["summary"] |= {item.key or "/".join(item.nested_key): json.loads(item.value_json)
                                for item in record.summary.update}
        elif kind == "exit":
            told["exit"] = record.exit.exit_code
    told["files"] = sorted(
        str(item.relative_to(path.parent / "files"))
        for item in (path.parent / "files").rglob("*") if item.is_file()
    )
    found.append(told)
print(json.dumps({item["id"].rpartition("-")[2]: item for item in found}))
"""


def of_wandb(answer: Answer) -> Any:
    found = read_back(WANDB_READER, answer["place"])
    assert len(found) == len(list(Path(answer["place"]).glob("offline-run-*")))
    return found


def of_tensorboard(answer: Answer) -> Any:
    return read_back(
        "import json, sys\n"
        "from pathlib import Path\n"
        "from tensorboard.backend.event_processing.event_accumulator import EventAccumulator\n"
        "found = {}\n"
        "for folder in [Path(sys.argv[1]), *sorted(Path(sys.argv[1]).glob('*/'))]:\n"
        "    events = EventAccumulator(str(folder)).Reload()\n"
        "    scalars = {tag: [[e.step, e.value, e.wall_time] for e in events.Scalars(tag)]\n"
        "               for tag in events.Tags()['scalars']}\n"
        "    texts = {tag: events.Tensors(tag)[0].tensor_proto.string_val[0].decode()\n"
        "             for tag in events.Tags()['tensors'] if tag.endswith('/text_summary')}\n"
        "    name = '0' if folder == Path(sys.argv[1]) else str(int(folder.name[:4]))\n"
        "    assert name not in found, folder\n"
        "    found[name] = {'scalars': scalars, 'texts': texts, 'folder': folder.name,\n"
        "                   'files': len(list(folder.glob('events.*')))}\n"
        "print(json.dumps(found))\n",
        answer["place"],
    )


READERS: dict[str, Callable[[Answer], Any]] = {
    "mlflow": of_mlflow,
    "wandb": of_wandb,
    "tensorboard": of_tensorboard,
}


def test_mlflow_reads_back_every_experiment(campaign: Project) -> None:
    required("mlflow")
    answer = exported(campaign, "mlflow")
    assert (answer["experiments"], answer["added"], answer["unchanged"]) == (4, 4, 0)
    assert answer["parameters"] == ["LR"]
    runs = of_mlflow(answer)
    assert sorted(runs) == ["1", "2", "3", "4"]
    first, higher, lower, crashed = (runs[str(number)] for number in range(1, 5))
    assert first["name"] == "#1 baseline"
    assert higher["name"].startswith(
        "#2 =cmd|' /C calc'!A1 <script>alert(1)</script> right to left"
    )
    assert len(higher["name"]) <= 250
    parameters = [run["params"] for run in (first, higher, lower, crashed)]
    assert parameters == [{"LR": "0.0"}, {"LR": "0.5"}, {"LR": "0.2"}, {"LR": "9.5"}]
    assert [run["status"] for run in (first, lower, crashed)] == ["FINISHED", "FINISHED", "FAILED"]
    assert higher["metrics"]["val_bpb"] == 1.5
    assert higher["metrics"]["gain"] == 0.5
    assert higher["metrics"]["memory_gb"] == 0.5
    assert "val_bpb" not in crashed["metrics"]
    assert lower["tags"]["base"] == "#2"
    assert lower["tags"]["status"] == "discard"
    assert "far too high" in crashed["tags"]["reason"]
    curve = higher["curve"]
    assert [value for _, value, _ in curve] == sorted((v for _, v, _ in curve), reverse=True)
    assert len(curve) >= 2
    assert all(higher["began_ms"] <= at <= higher["ended_ms"] + 1000 for _, _, at in curve)
    assert curve[0][0] < curve[-1][0]
    assert {"diff.patch", "run.log", "verdict.json", "code"} == set(higher["files"])
    assert higher["code"] == ["code/train.py"]
    assert SECRET not in higher["log"]
    assert "token is [masked]" in higher["log"]


def test_wandb_reads_back_every_experiment(campaign: Project) -> None:
    required("wandb")
    answer = exported(campaign, "wandb")
    runs = of_wandb(answer)
    assert sorted(runs) == ["1", "2", "3", "4"]
    higher, crashed = runs["2"], runs["4"]
    assert [runs[number]["config"]["LR"] for number in sorted(runs)] == [0.0, 0.5, 0.2, 9.5]
    assert higher["config"]["agent_loops"]["base"] == "#1"
    assert higher["name"].startswith("#2 =cmd|")
    assert len(higher["name"]) <= 128
    assert higher["tags"] == ["idea", "keep", "better"]
    assert higher["project"] == "my_project-" + higher["project"][-6:]
    assert (higher["exit"], crashed["exit"]) == (0, 1)
    assert higher["summary"]["val_bpb"] == 1.5
    losses = [row for row in higher["history"] if "curve/loss" in row]
    assert len(losses) >= 2
    assert [row["elapsed_s"] for row in losses] == sorted(row["elapsed_s"] for row in losses)
    began, ended = (higher["config"]["agent_loops"][f"{word}_utc"] for word in ("began", "ended"))
    began_s, ended_s = (datetime.fromisoformat(text).timestamp() for text in (began, ended))
    assert all(began_s <= row["_timestamp"] <= ended_s + 1 for row in higher["history"])
    assert [row["reading/val_bpb"] for row in higher["history"] if "reading_number" in row] == [1.5]
    assert {"code/train.py", "diff.patch", "run.log", "verdict.json"} <= set(higher["files"])
    folders = [run["folder"] for run in runs.values()]
    done = subprocess.run(
        [sys.executable, "-m", "wandb", "sync", "--dry-run", *folders],
        cwd=campaign.root, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "Would sync 4 run(s)" in done.stdout + done.stderr


def test_tensorboard_reads_back_every_experiment(campaign: Project) -> None:
    required("tensorboard")
    answer = exported(campaign, "tensorboard")
    runs = of_tensorboard(answer)
    assert sorted(runs) == ["0", "1", "2", "3", "4"]
    whole, higher, crashed = runs["0"], runs["2"], runs["4"]
    assert [step for step, _, _ in whole["scalars"]["campaign/val_bpb"]] == [1, 2, 3]
    assert [value for _, value, _ in whole["scalars"]["campaign/estimated_best"]][1:3] == [1.5, 1.5]
    assert higher["scalars"]["val_bpb"][0][:2] == [2, 1.5]
    assert "val_bpb" not in crashed["scalars"]
    curve = higher["scalars"]["curve/loss"]
    assert len(curve) >= 2
    assert curve[-1][2] - curve[0][2] == pytest.approx(
        (curve[-1][0] - curve[0][0]) / 1000, abs=1e-3
    )
    assert "    +LR = 0.5" in higher["texts"]["diff.patch/text_summary"]
    assert "    token is [masked]" in higher["texts"]["run.log/text_summary"]
    assert higher["folder"].startswith("0002-cmd-C-calc-A1-script-alert-1-script")
    parameters = read_back(
        "import json, sys\n"
        "from tensorboard import context\n"
        "from tensorboard.backend.event_processing import data_provider\n"
        "from tensorboard.backend.event_processing.plugin_event_multiplexer import (\n"
        "    EventMultiplexer)\n"
        "from tensorboard.plugins import base_plugin\n"
        "from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups\n"
        "events = EventMultiplexer().AddRunsFromDirectory(sys.argv[1])\n"
        "events.Reload()\n"
        "provider = data_provider.MultiplexerDataProvider(events, sys.argv[1])\n"
        "backend = backend_context.Context(base_plugin.TBContext(data_provider=provider))\n"
        "request = api_pb2.ListSessionGroupsRequest(\n"
        "    slice_size=9, allowed_statuses=[api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE])\n"
        "asked = list_session_groups.Handler(context.RequestContext(), backend, '', request)\n"
        "print(json.dumps({group.name.rpartition('-')[2]: group.hparams['LR'].number_value\n"
        "                  for group in asked.run().session_groups}))\n",
        answer["place"],
    )
    assert parameters == {"1": 0.0, "2": 0.5, "3": 0.2, "4": 9.5}


def cells(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_csv_is_one_row_an_experiment_and_every_column_is_documented(campaign: Project) -> None:
    answer = exported(campaign, "csv", "--out", str(campaign.root.parent / "out of it"))
    folder = campaign.root.parent / "out of it"
    assert Path(answer["place"]) == folder
    rows = cells(folder / "experiments.csv")
    assert [row["experiment"] for row in rows] == ["1", "2", "3", "4"]
    assert [row["val_bpb"] for row in rows] == ["2.0", "1.5", "1.8", ""]
    assert [row["param.LR"] for row in rows] == ["0.0", "0.5", "0.2", "9.5"]
    assert [row["lines_added"] for row in rows] == ["0", "1", "1", "1"]
    assert rows[1]["description"].startswith("'=cmd|")
    assert "\u202e" not in rows[1]["description"]
    documented = [row["column"] for row in cells(folder / "columns.csv")
                  if row["table"] == "experiments"]  # fmt: skip
    assert documented == list(rows[0])
    curves = cells(folder / "curves.csv")
    assert {row["quantity"] for row in curves} == {"loss", "val_bpb"}
    assert {row["experiment"] for row in curves} == {"1", "2", "3", "4"}
    assert [row["value"] for row in cells(folder / "readings.csv")] == ["2.0", "1.5", "1.8"]


def by_two_metrics(root: Path) -> Project:
    """A baseline and a keep by one metric, then a baseline by another."""
    project = Project(root, train=TRAIN + 'print(f"acc: {LR:.2f}")\n')
    project.bind(run_cmd=f"{PYTHON} train.py")
    project.baseline()
    tried(project, "LR = 0.0", "LR = 0.5", "a higher rate")
    project.bind(run_cmd=f"{PYTHON} train.py", metric="acc", metric_direction="maximize")
    assert project.ask("rebaseline", "--why", "acc it is")["status"] == "keep"
    return project


def test_readings_are_told_by_the_metric_that_was_measured(tmp_path: Path) -> None:
    project = by_two_metrics(tmp_path / "p")
    place = Path(exported(project, "csv")["place"])
    rows = cells(place / "experiments.csv")
    assert [row["epoch"] for row in rows] == ["0", "0", "1"]
    assert [row["acc"] for row in rows] == ["", "", "0.5"]
    assert "epoch" in [row["column"] for row in cells(place / "columns.csv")]
    readings = [(row["metric"], row["value"]) for row in cells(place / "readings.csv")]
    assert readings == [("val_bpb", "2.0"), ("val_bpb", "1.5"), ("acc", "0.5")]
    found = campaigns.find_project(project.root)
    run = Loop(campaigns.find_store(found), found.root, dict(os.environ))
    gathered = Gathered(run, datetime.now(timezone.utc))
    runs = list(gathered.runs_with_files(tmp_path / "files"))
    assert [told.metric for told in runs] == ["val_bpb", "val_bpb", "acc"]
    verdicts = [json.loads((Path(told.folder) / "verdict.json").read_text()) for told in runs]
    assert [verdict["metric_name"] for verdict in verdicts] == ["val_bpb", "val_bpb", "acc"]


@pytest.mark.parametrize("to", TOOLS)
def test_tools_are_told_readings_by_the_metric_that_was_measured(tmp_path: Path, to: str) -> None:
    required(to)
    answer = exported(by_two_metrics(tmp_path / "p"), to)
    runs = READERS[to](answer)
    told = {"mlflow": "metrics", "tensorboard": "scalars", "wandb": "history"}[to]
    for number, name, other in (("2", "val_bpb", "acc"), ("3", "acc", "val_bpb")):
        found = json.dumps(runs[number][told])
        assert f'"reading/{name}"' in found
        assert f'"reading/{other}"' not in found


def test_parquet_reads_back_with_types_and_units(campaign: Project) -> None:
    required("parquet")
    answer = exported(campaign, "parquet")
    found = read_back(
        "import json, sys\n"
        "from pyarrow import parquet\n"
        "table = parquet.read_table(sys.argv[1] + '/experiments.parquet')\n"
        "field = table.schema.field('wall_s')\n"
        "print(json.dumps({'unit': field.metadata[b'unit'].decode(), 'type': str(field.type),\n"
        "    'status': table['status'].to_pylist(), 'lr': table['param.LR'].to_pylist(),\n"
        "    'metric': table['val_bpb'].to_pylist(), 'lines': str(table['lines_added'].type),\n"
        "    'curves': parquet.read_table(sys.argv[1] + '/curves.parquet').num_rows}))\n",
        answer["place"],
    )
    curves = found.pop("curves")
    assert found == {
        "unit": "s", "type": "double", "status": ["keep", "keep", "discard", "crash"],
        "lr": [0.0, 0.5, 0.2, 9.5], "metric": [2.0, 1.5, 1.8, None], "lines": "int64",
    }  # fmt: skip
    assert curves >= 8


@pytest.mark.timeout(900)  # starting MLflow takes seconds, on a busy machine half a minute
@pytest.mark.parametrize("to", TOOLS)
def test_exporting_again_adds_what_is_new_and_changes_what_changed(
    campaign: Project, to: str
) -> None:
    required(to)
    counts = ("added", "updated", "unchanged")
    first = exported(campaign, to)
    assert [first[word] for word in counts] == [4, 0, 0]
    before = READERS[to](first)
    again = exported(campaign, to)
    assert [again[word] for word in counts] == [0, 0, 4]
    assert READERS[to](again) == before
    # A constant that was the same up to now becomes a parameter of every run.
    tried(campaign, 'MODE = "plain"', 'MODE = "odd"', "another mode")
    more = exported(campaign, to)
    assert [more[word] for word in counts] == [1, 4, 0]
    after = READERS[to](more)
    assert len(after) == len(before) + 1
    modes = ["plain"] * 4 + ["odd"]
    if to == "mlflow":
        assert [after[number]["params"]["MODE"] for number in sorted(after)] == modes
        assert all(after[number]["curve"] == before[number]["curve"] for number in before)
    elif to == "wandb":
        assert [after[number]["config"]["MODE"] for number in sorted(after)] == modes
    else:
        assert {item["files"] for item in after.values()} == {1}
    assert [exported(campaign, to)[word] for word in counts] == [0, 0, 5]


@pytest.mark.parametrize("to", TOOLS)
def test_two_campaigns_share_a_place_without_mixing(
    campaign: Project, tmp_path: Path, to: str
) -> None:
    required(to)
    other = Project(tmp_path / "other" / "my project", train=TRAIN)
    other.baseline()
    place = str(tmp_path / "one place")
    exported(campaign, to, "--out", place)
    added = exported(other, to, "--out", place)
    assert (added["added"], added["unchanged"]) == (1, 0)
    again = exported(campaign, to, "--out", place)
    assert (again["added"], again["unchanged"]) == (0, 4)


def bare_python(folder: Path) -> Path:
    """A Python without any packages."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return folder / "bin" / "python"


def test_a_missing_library_is_refused_with_the_command_that_installs_it(tmp_path: Path) -> None:
    python = bare_python(tmp_path / "a bare one")
    project = Project(tmp_path / "p", train=TRAIN)
    project.bind(run_cmd=f"'{python}' train.py")
    project.baseline()
    refused = project.ask("export", "--to", "wandb", "--python", str(python))
    assert (refused.code, refused["kind"]) == (3, "missing library")
    assert refused["reason"] == f"{python} has no wandb"
    assert f"'{python}'" in refused["next"]
    assert refused["next"].endswith("'wandb>=0.22'")
    # The one that trains is named where it has the library.
    packages = next((tmp_path / "a bare one").glob("lib/python3*/site-packages"))
    (packages / "wandb").mkdir()
    other = bare_python(tmp_path / "other")
    refused = project.ask("export", "--to", "wandb", "--python", str(other))
    assert refused["next"] == f"agent-loops export --to wandb --python '{python}'"


def test_another_python_that_has_the_library_writes(campaign: Project, tmp_path: Path) -> None:
    required("tensorboard")
    python = bare_python(tmp_path / "theirs")
    packages = next((tmp_path / "theirs").glob("lib/python3*/site-packages"))
    here = [path for path in sys.path if path.endswith("-packages")]
    (packages / "ours.pth").write_text("\n".join(here))
    # Their environment may hold another agent-loops, and modules of any name.
    (packages / "agent_loops.py").write_text("raise ImportError('another one')")
    answer = exported(campaign, "tensorboard", "--python", str(python))
    assert answer["added"] == 4
    assert len(of_tensorboard(answer)) == 5


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "--to"),
        (["--to", "excel"], "invalid choice"),
        (["--to", "csv", "--python", sys.executable], "csv needs none"),
        (["--to", "mlflow", "--python", "no-such-python"], "no such program"),
    ],
)
def test_wrong_words_are_a_usage_error(campaign: Project, words: list[str], said: str) -> None:
    answer = campaign.call("export", *words)
    assert answer.code == 2
    assert said in answer.err


def test_a_place_among_the_code_is_refused(campaign: Project) -> None:
    for place in ("out", ".", str(campaign.root / "sandbox")):
        answer = campaign.ask("export", "--to", "csv", "--out", place)
        assert (answer["status"], answer["kind"]) == ("refused", "inside the project"), answer
        assert "sandbox/t1/export/csv" in answer["next"]
    assert not (campaign.root / "out").exists()
    exported(campaign, "csv", "--out", str(campaign.sandbox / "mine"))


def test_a_program_that_is_no_python_is_said(campaign: Project) -> None:
    answer = campaign.call("export", "--to", "wandb", "--python", shutil.which("true") or "true")
    assert answer.code == 1
    assert "is it a Python?" in answer.err


def test_what_a_library_cannot_write_is_said_in_its_words(campaign: Project) -> None:
    required("mlflow")
    env = {"MLFLOW_TRACKING_URI": "nonsense://nowhere"}
    answer = campaign.call("export", "--to", "mlflow", env=env)
    assert answer.code == 1
    assert "nonsense" in answer.err
    assert "then export again" in answer.err


def test_nothing_decided_is_refused(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.setup()
    answer = project.ask("export", "--to", "csv")
    assert (answer.code, answer["kind"]) == (3, "nothing to export")
    assert answer["next"] == "agent-loops try baseline"


def test_an_experiment_under_way_is_left_out_until_it_is_decided(campaign: Project) -> None:
    campaign.edit("LR = 0.5", "LR = 0.6")
    assert campaign.ask("try", "a little more", "--wait-s", "0")["status"] == "running"
    answer = exported(campaign, "csv")
    assert answer["experiments"] == 4
    assert "#5 is under way" in answer["notes"][0]
    campaign.ask("wait")
    assert exported(campaign, "csv")["experiments"] == 5


def test_damaged_code_is_left_out_and_the_rest_is_there(campaign: Project) -> None:
    (campaign.sandbox / "iter3/code_snapshot/train.py").write_text("something else\n")
    exported(campaign, "csv", "--out", str(campaign.root.parent / "out"))
    rows = cells(campaign.root.parent / "out/experiments.csv")
    assert [row["param.LR"] for row in rows] == ["0.0", "0.5", "", "9.5"]
    assert rows[2]["val_bpb"] == "1.8"


def test_a_holdout_is_in_no_export_though_the_person_asks(tmp_path: Path) -> None:
    project = Project(tmp_path / "p", train=TRAIN.replace("time.sleep(0.12)", "pass"))
    project.write("holdout.py", 'import train\nprint(f"val_bpb: {7.654321 - train.LR:.6f}")\n')
    project.bind(holdout_cmd=f"{PYTHON} holdout.py", keep_rule="plain")
    project.baseline()
    tried(project, "LR = 0.0", "LR = 0.5", "a higher rate")
    confirmed = project.ask("confirm")
    assert "7.154321" in confirmed["sentence"]
    targets = [to for to in TARGETS if not TARGETS[to].library
               or importlib.util.find_spec(TARGETS[to].library)]  # fmt: skip
    for to in targets:
        exported(project, to)
    written = [path for path in (project.sandbox / "export").rglob("*") if path.is_file()]
    assert len(written) >= 4
    for path in written:
        assert b"7.154321" not in path.read_bytes(), path
        assert b"7.654321" not in path.read_bytes(), path


def test_the_extras_are_what_the_message_installs() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    for name, target in TARGETS.items():
        if target.needs:
            inside = "".join(f'    "{need}",\n' for need in target.needs)
            assert f"\n{name} = [\n{inside}]\n" in text
