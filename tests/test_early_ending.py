"""Hopeless runs that are ended early, in real campaigns; and those that only look so."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from agent_loops.progress import lets_go_on
from copies import copied
from support import ENTRY, Project, processes_with, words

SECONDS = 3.0
# Its loss by the share of its time; each test changes one line that tells nothing of the schedule.
TRAIN = f"""\
import math, time

LR = 0.01

def value(x):
    return 1 + 3 * math.exp(-6 * x)

def rest(x):
    return 0.02

begun = time.monotonic()
n = 0
while (x := (time.monotonic() - begun) / {SECONDS}) < 1:
    n += 1
    print(f"step {{n}} | loss {{value(x):.4f}}", flush=True)
    rest(x) and time.sleep(rest(x))
print("---")
print(f"val_bpb: {{value(1):.6f}}")
"""
VALUE = "return 1 + 3 * math.exp(-6 * x)"
REST = "return 0.02"
HOPELESS = "return 4 - x / 9"
NAN = "return 1 + 3 * math.exp(-6 * x) if x < 0.2 else math.nan"
STUCK = "return 0.02 if x < 0.3 else 600"


def with_markers(*, lets_go: bool) -> list[str]:
    """The words that call the command line, with markers of which it is known what they mean.

    Their beginning is drawn: by its marker a run of another test's would be found, and ended.
    """
    drawn = os.urandom(14)
    markers = (drawn + number.to_bytes(2, "big") for number in range(10_000))
    found = next(raw for raw in markers if lets_go_on(raw.hex()) == lets_go)
    patched = (
        "import os; given = os.urandom\n"
        f"os.urandom = lambda n: {found!r} if n == 16 else given(n)\n" + ENTRY
    )
    return [sys.executable, "-E", "-s", "-c", patched]


class Early(Project):
    """A project whose runs are never the one that is let go on, unless it is asked for."""

    lets_go = False

    def __init__(self, root: Path) -> None:
        self.root = root

    def command(self, *words: str) -> list[str]:
        return [*with_markers(lets_go=self.lets_go), *words]


@pytest.fixture
def project(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Early:
    def make(root: Path) -> Project:
        made = Project(root, train=TRAIN)
        made.bind(budget=f"{SECONDS:g} s", timeout_minutes=1, cleanup_cmd="echo {n} >> ../cleaned")
        made.setup()
        assert made.ask("try", "baseline", "--repeat", "3")["status"] == "keep"
        return made

    copied(tmp_path / "project", tmp_path_factory, "early ending", make)
    return Early(tmp_path / "project")


def tried(project: Project, old: str, new: str) -> dict[str, object]:
    project.edit(old, new)
    answer = project.ask("try", f"idea: {new[:30]}")
    assert answer.code == 0, answer
    return dict(answer.values)


def last_run(project: Project) -> dict[str, object]:
    found: dict[str, object] = project.events("run_finished")[-1]
    return found


# ---- ended early -------------------------------------------------------------------------------


def test_what_is_far_behind_is_ended_discarded_and_may_be_tried_again(project: Early) -> None:
    answer = tried(project, VALUE, HOPELESS)

    assert (answer["status"], answer["kind"]) == ("discard", "pruned")
    assert str(answer["reason"]).startswith("pruned at ")
    assert " s: loss 3." in str(answer["reason"])
    assert " where every kept run had at most 1." in str(answer["reason"])
    assert (answer["metric"], answer["delta"], answer["source"]) == (None, None, "")
    run = last_run(project)
    assert (run["outcome"], run["crash_kind"], run["value"]) == ("pruned", "", None)
    assert 0.4 * SECONDS < float(str(run["wall_s"])) < SECONDS
    assert float(str(run["saved_s"])) > 0
    assert processes_with(str(project.root)) == []
    assert project.read("train.py") == TRAIN
    assert project.read("../cleaned") == "2\n"
    assert project.rows()[-1][1] == "nan"
    assert project.rows()[-1][3] == "discard"

    text = project.call("wait").out
    assert text.startswith("#2 discard  pruned at ")
    assert "incumbent stays #1" in text
    status = project.call("status")
    assert words(status, "pruned    1 run, ", " s saved\n", "1 keep, 1 discard") == []
    assert project.ask("status")["pruned"]["runs"] == 1
    assert "pruned at" in project.call("show", "2").out
    assert "#2 discard - idea: " in " ".join(project.call("history").out.split())
    refused = project.ask("override", "2", "keep", "--why", "hope")
    assert (refused.code, refused["kind"]) == (3, "override")
    assert "no reading that could be kept" in refused["reason"]

    again = tried(project, VALUE, HOPELESS)
    assert (again["experiment"], again["kind"]) == (3, "pruned")


def test_a_loss_that_is_lost_ends_the_run_at_once_as_a_crash(project: Early) -> None:
    answer = tried(project, VALUE, NAN)
    assert (answer["status"], answer["kind"]) == ("crash", "idea")
    reason = str(answer["reason"])
    assert reason.startswith("diverged: loss is nan since step ")
    assert reason.endswith(" (ended early)")
    run = last_run(project)
    assert run["outcome"] == "pruned"
    assert float(str(run["wall_s"])) < 0.7 * SECONDS
    assert project.rows()[-1][1] == "0.000000"


def test_a_loss_that_explodes_ends_the_run_though_its_rate_was_changed(project: Early) -> None:
    project.edit("return 1 + 3 * math.exp(-6 * x)", "return 2 * math.exp(500 * LR * x)")
    project.edit("LR = 0.01", "LR = 0.02")
    answer = dict(project.ask("try", "a far higher rate").values)
    assert (answer["status"], answer["kind"]) == ("discard", "pruned")
    assert "and rising, where it began with " in str(answer["reason"])


def test_a_stall_ends_the_run_as_a_crash(project: Early) -> None:
    answer = tried(project, REST, STUCK)
    assert (answer["status"], answer["kind"]) == ("crash", "idea")
    assert str(answer["reason"]).startswith("stalled: no output for 5 s, where no kept run paused")
    assert float(str(last_run(project)["wall_s"])) < 20


def test_one_in_twenty_goes_on_and_is_counted(project: Early) -> None:
    project.lets_go = True
    project.edit(VALUE, "return 4 - x / 9 if x < 0.97 else 0.5")
    plain = project.call("try", "wrongly condemned")
    assert plain.out.startswith("#2 keep"), plain
    assert "looked hopeless at " in plain.out
    assert "let go on for the count: loss 3." in plain.out
    run = last_run(project)
    assert (run["outcome"], run["saved_s"]) == ("exited", 0.0)
    assert 0.4 * SECONDS < float(str(run["hopeless_at_s"])) < SECONDS
    status = project.call("status")
    assert "pruned    0 runs, 0.0 s saved; 1 let go on, 1 of them kept" in status.out
    assert project.ask("status")["pruned"]["of_these_kept"] == 1


# ---- and what is not ---------------------------------------------------------------------------

INNOCENT = {
    "slow to start": ("n = 0\n", f"n = 0\ntime.sleep({SECONDS * 0.4})\n"),
    "silent": ("    print(", "    0 and print("),
    "compiling in the midst": (REST, "return 0.02 if n != 20 else 1"),
    "evaluating": (REST, "return 0.02 if n % 25 else 0.5"),
    "noisy": (VALUE, VALUE + " * (1 + n % 7 / 9)"),
    "another schedule": (VALUE, "return 4 - x / 9 if x < 1 else LR"),
    "another loss": ("{value(x):.4f}", "{7 * value(x):.4f}"),
    "nothing but the metric": (" | loss {value(x):.4f}", ""),
    "one lost value": (VALUE, VALUE + " if n != 30 else math.nan"),
}


@pytest.mark.parametrize("name", INNOCENT)
def test_the_innocent_go_on(project: Early, name: str) -> None:
    answer = tried(project, *INNOCENT[name])
    assert answer["kind"] not in ("pruned", "idea"), answer
    run = last_run(project)
    assert (run["outcome"], run["hopeless"]) == ("exited", "")
    assert run["value"] is not None


def test_where_it_is_switched_off_nothing_is_ended(project: Early) -> None:
    bindings = project.read("loop.run.yaml")
    project.write("loop.run.yaml", bindings + "prune: off\n")
    assert project.call("rebaseline", "--why", "to see them all").code == 0
    answer = tried(project, VALUE, HOPELESS)
    assert (answer["status"], answer["kind"]) == ("discard", "worse")
    assert last_run(project)["hopeless"] == ""


def test_a_baseline_and_a_second_reading_are_not_ended(project: Early) -> None:
    project.edit(VALUE, HOPELESS)
    project.lets_go = True
    assert project.ask("try", "hopeless")["kind"] == "worse"
    project.lets_go = False
    project.edit(VALUE, HOPELESS)
    assert project.ask("try", "hopeless", "--repeat")["kind"] == "worse"
    assert last_run(project)["outcome"] == "exited"


# ---- the curve ---------------------------------------------------------------------------------


def test_every_run_leaves_its_curve_and_the_receipt_vouches_for_it(project: Early) -> None:
    folder = project.sandbox / "iter1"
    for name, receipt in (("curve", "run"), ("curve-2", "run-2"), ("curve-3", "run-3")):
        data = (folder / f"{name}.json").read_bytes()
        progress = json.loads(data)
        points = progress["curves"]["loss"]["points"]
        assert 5 <= len(points) <= 300
        assert points[0][1] > 2 > points[-1][1]
        assert 0 < points[0][0] < points[-1][0] <= progress["wall_s"]
        assert progress["longest_silence_s"] < 1
        measured = json.loads((folder / f"{receipt}.json").read_bytes())["measured"]
        assert len(measured["curve_sha256"]) == 64


def test_curves_that_somebody_wrote_over_do_not_count(project: Early) -> None:
    for path in (project.sandbox / "iter1").glob("curve*.json"):
        progress = json.loads(path.read_bytes())
        progress["curves"]["loss"]["points"] = [[at, 0.5] for at, _ in
                                                progress["curves"]["loss"]["points"]]  # fmt: skip
        path.write_text(json.dumps(progress))
    assert tried(project, VALUE, HOPELESS)["kind"] == "worse"
