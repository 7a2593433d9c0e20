"""`agent-loops confirm`: the morning claim of real campaigns, whatever happens to it on the way."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from copies import copied
from support import PYTHON, Answer, Project, commit_all, git, processes_with, until, unwrapped

# The reading depends on the seed and on the code; SPREAD is the deviation between runs.
TRAIN = """\
import os, random, sys, time

GAIN = 0.0
SPREAD = 0.01
SHARED = False
noise = random.Random(f"{os.environ['AGENT_LOOPS_SEED']}{'' if SHARED else GAIN}").gauss(0, 1)
print(f"val_bpb: {2.0 - GAIN + SPREAD * noise:.6f}")
"""
AGENT = {"CLAUDECODE": "1", "CLAUDE_CODE_SESSION_ID": "11111111-aaaa-4bbb-8ccc-222222222222"}


def begun(root: Path, train: str = TRAIN, **bindings: object) -> Project:
    """A campaign with its baseline."""
    project = Project(root, train=train)
    project.bind(**bindings)
    if bindings.get("iter_strategy") == "branches":
        commit_all(project.root)
    project.baseline()
    return project


def tried(project: Project, old: str, new: str, *, expected: str = "keep") -> Answer:
    project.edit(old, new)
    answer = project.ask("try", f"{old} becomes {new}")
    assert (answer.code, answer["status"]) == (0, expected), answer
    return answer


def gained(root: Path, gain: float = 0.2, train: str = TRAIN, **bindings: object) -> Project:
    """A campaign with a baseline and one kept idea."""
    project = begun(root, train, **bindings)
    tried(project, "GAIN = 0.0", f"GAIN = {gain}")
    return project


@pytest.fixture
def project(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return copied(tmp_path / "a 'project'", tmp_path_factory, "gained", gained)


def confirming_runs(project: Project) -> list[dict[str, Any]]:
    return [item for item in project.events("run_started") if item["purpose"] == "confirm"]


def test_a_real_gain_is_improved_by_pairs_on_fresh_seeds_in_alternation(project: Project) -> None:
    before = project.read("train.py")
    answer = project.ask("confirm")
    assert (answer.code, answer["status"], answer["verdict"]) == (0, "confirmed", "improved")
    assert answer["sentence"].startswith("improved: #2 val_bpb 2.0")
    assert "in 5 fresh runs each" in answer["sentence"]
    assert "paired t p < 0.0001, Wilcoxon p = 0.062" in answer["sentence"]
    assert "10 runs, about" in answer.err
    runs = confirming_runs(project)
    assert [item["experiment"] for item in runs] == [2, 1, 1, 2, 2, 1, 1, 2, 2, 1]
    seeds = [item["seed"] for item in runs]
    assert seeds == [2, 2, 3, 3, 4, 4, 5, 5, 6, 6]
    claim = answer["claims"][0]
    assert claim["seeds"] == [2, 3, 4, 5, 6]
    low, high = claim["interval_95"]
    assert low < 0.2 < high
    assert claim["hedges_g_z"] > 1
    assert project.read("train.py") == before
    assert answer["runs"] == 10
    # It counts for no verdict and no pooled reading.
    status = project.ask("status")
    assert status["experiments"] == 2
    assert project.rows() == [row for row in project.rows() if len(row) == 5]
    assert project.ask("history")["experiments"][0]["metric"] == pytest.approx(
        project.events("decided")[0]["metric"]
    )
    assert status["confirmed"]["sentence"] == answer["sentence"]
    assert answer["sentence"] in unwrapped(project.call("status"))
    assert project.ask("wait")["sentence"] == answer["sentence"]


def test_nothing_gained_is_said_and_nothing_is_run(tmp_path: Path) -> None:
    project = begun(tmp_path / "p")
    answer = project.ask("confirm")
    assert (answer.code, answer["status"]) == (0, "nothing gained")
    assert answer["sentence"].startswith("nothing was gained yet: the best is the baseline #1")
    assert confirming_runs(project) == []


def test_without_a_baseline_it_is_refused(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.setup()
    answer = project.ask("confirm")
    assert (answer.code, answer["kind"]) == (3, "no baseline")
    assert "agent-loops try baseline" in answer["next"]


@pytest.mark.parametrize("words", [["--runs", "4"], ["--runs", "x"], ["--top", "0"]])
def test_too_few_runs_are_a_matter_of_usage(project: Project, words: Sequence[str]) -> None:
    assert project.call("confirm", *words).code == 2


def test_while_an_experiment_goes_on_it_is_refused(project: Project) -> None:
    project.edit("GAIN = 0.2", "GAIN = 0.3; time.sleep(60)")
    assert project.ask("try", "slow", "--wait-s", "0")["status"] == "running"
    answer = project.ask("confirm")
    assert (answer.code, answer["kind"]) == (3, "running")
    assert project.call("stop", "--kill").code == 0


def test_a_lucky_reading_is_not_claimed(tmp_path: Path) -> None:
    """Other noise, nothing else: the campaign kept it, the fresh runs tell."""
    train = TRAIN.replace("SPREAD * noise", "SPREAD * noise + LUCK * (seed == '1')").replace(
        "noise = ", "LUCK = 0.0\nseed = os.environ['AGENT_LOOPS_SEED']\nnoise = "
    )
    project = begun(tmp_path / "p", train)
    tried(project, "LUCK = 0.0", "LUCK = -0.5")
    answer = project.ask("confirm")
    assert answer["verdict"] == "not improved"
    assert answer["claims"][0]["recorded_gain"] == pytest.approx(0.5)
    assert "the same in every pair" in answer["sentence"]


def test_a_small_gain_in_much_noise_is_inconclusive(tmp_path: Path) -> None:
    train = TRAIN.replace("SPREAD = 0.01", "SPREAD = 1.0")
    project = gained(tmp_path / "p", 1.1, train.replace("2.0 - GAIN", "2.0 - GAIN / 10"))
    answer = project.ask("confirm")
    assert answer["verdict"] == "inconclusive"
    assert "5 runs each could tell a difference of" in answer["sentence"]


def test_a_deterministic_metric_is_told_from_a_noisy_one(tmp_path: Path) -> None:
    project = gained(tmp_path / "p", 0.2, TRAIN.replace("SPREAD = 0.01", "SPREAD = 0.0"))
    assert project.ask("confirm")["sentence"].startswith(
        "improved: #2 val_bpb 2 → 1.8 in 5 fresh runs each (gain 0.2, the same in every run"
    )


def test_a_metric_to_maximize_is_read_the_other_way(tmp_path: Path) -> None:
    train = TRAIN.replace("2.0 - GAIN", "2.0 + GAIN")
    project = gained(tmp_path / "p", 0.2, train, metric_direction="maximize")
    answer = project.ask("confirm")
    assert answer["verdict"] == "improved"
    assert answer["claims"][0]["gain"] == pytest.approx(0.2, abs=0.05)


def test_several_are_compared_with_the_baseline_at_once(project: Project) -> None:
    tried(project, "GAIN = 0.2", "GAIN = 0.4")
    tried(project, "GAIN = 0.4", "GAIN = 0.1", expected="discard")
    tried(project, "GAIN = 0.4", "GAIN = -0.5", expected="discard")
    answer = project.ask("confirm", "--top", "5")
    assert answer["verdict"] == "improved"
    assert [claim["experiment"] for claim in answer["claims"]] == [3, 2, 4]
    assert "corrected for 3 comparisons" in answer["sentence"]
    assert answer["notes"] == ["3 of 5 read better than the baseline"]
    order = [item["experiment"] for item in confirming_runs(project)]
    assert order[:8] == [3, 2, 4, 1, 1, 4, 2, 3]
    assert len(order) == 20


def crashing_on(seed: int) -> str:
    return f"if os.environ['AGENT_LOOPS_SEED'] == '{seed}': raise ValueError('shapes')\n"


def test_code_that_crashes_on_a_fresh_seed_has_not_improved(tmp_path: Path) -> None:
    project = begun(tmp_path / "p")
    tried(project, "GAIN = 0.0\n", f"GAIN = 0.2\n{crashing_on(3)}")
    answer = project.ask("confirm")
    assert answer["verdict"] == "inconclusive"
    assert "1 of 5 runs of #2 crashed (ValueError: shapes" in answer["sentence"]
    assert answer["pairs"] == 4
    assert len(confirming_runs(project)) == 10


def test_a_guard_that_does_not_hold_is_no_improvement(tmp_path: Path) -> None:
    train = TRAIN + "print('passed:', 9 if GAIN and os.environ['AGENT_LOOPS_SEED'] == '4' else 10)"
    guards = {"passed": {"pattern": r"passed: (\d+)", "min": "baseline"}}
    answer = gained(tmp_path / "p", 0.2, train, guards=guards).ask("confirm")
    assert answer["verdict"] == "inconclusive"
    assert "1 of 5 runs of #2 broke a guard (passed 9 is under 10)" in answer["sentence"]


def test_what_the_machine_broke_is_run_again_once(tmp_path: Path) -> None:
    """The disk is full at one run, and at one other twice."""
    faulty = (
        "echo x >> ../runs-$AGENT_LOOPS_SEED; n=$(wc -l < ../runs-$AGENT_LOOPS_SEED)\n"
        "if [ $AGENT_LOOPS_SEED$n = 21 ] || [ $AGENT_LOOPS_SEED$n = 41 ] "
        "|| [ $AGENT_LOOPS_SEED$n = 42 ]; then "
        'echo "OSError: [Errno 28] No space left on device"; exit 1; fi\n'
    )
    (tmp_path / "faulty.sh").write_text(faulty)
    project = gained(tmp_path / "p", run_cmd=f"sh ../faulty.sh && {PYTHON} train.py")
    answer = project.ask("confirm")
    assert answer["pairs"] == 4
    assert answer["runs"] == 12
    assert answer["verdict"] == "inconclusive"
    assert "1 of 5 runs of #2 did not count (disk full: OSError" in answer["sentence"]


# ---- what happens on the way ---------------------------------------------------------------------

# A run waits for the file `go` where `slow` is there, so that a test decides when it ends.
WAITING = f"while [ -e ../slow ] && ! [ -e ../go ]; do sleep 0.02; done; {PYTHON} train.py"


@pytest.fixture
def slow(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Gained, and a confirmation's first run goes on until `go` is written."""
    project = copied(
        tmp_path / "a 'project'", tmp_path_factory, "slow",
        lambda root: gained(root, run_cmd=WAITING, timeout_minutes=2),
    )  # fmt: skip
    (tmp_path / "slow").touch()
    assert project.ask("confirm", "--wait-s", "0")["status"] == "running"
    return project


def go(project: Project) -> None:
    (project.root.parent / "go").touch()


def test_it_answers_while_it_runs_and_wait_goes_on(slow: Project) -> None:
    status = slow.ask("status")
    assert status["confirming"] == [2]
    assert status["next"] == "agent-loops wait"
    out = slow.call("status").out
    assert "confirms  #2 against the baseline #1: run 1 of 10" in out
    answer = slow.ask("wait", "--wait-s", "0")
    assert (answer["status"], answer["runs_done"], answer["runs"]) == ("running", 0, 10)
    assert slow.ask("try", "meanwhile")["kind"] == "confirming"
    go(slow)
    assert slow.ask("wait")["verdict"] == "improved"
    assert slow.ask("try", "meanwhile")["kind"] == "nothing edited"


def test_a_kill_of_everything_loses_no_finished_run(slow: Project) -> None:
    started = confirming_runs(slow)[-1]
    os.kill(started["pid"], signal.SIGKILL)
    for pid in processes_with(f"AGENT_LOOPS_RUN={started['marker']}"):
        with contextlib.suppress(ProcessLookupError):  # the supervisor's end may have been its own
            os.kill(pid, signal.SIGKILL)
    go(slow)
    answer = slow.ask("confirm")
    assert (answer["verdict"], answer["runs"], answer["pairs"]) == ("improved", 11, 5)
    outcomes = [item["outcome"] for item in slow.events("run_finished") if item["experiment"] == 2]
    assert outcomes[1:3] == ["lost", "exited"]


def test_pause_holds_it_between_runs_and_the_incumbent_lies_in_the_files(slow: Project) -> None:
    incumbent = slow.read("train.py")
    go(slow)
    until(lambda: len(confirming_runs(slow)) >= 1)
    assert slow.call("pause").code == 0
    answer = slow.ask("wait")
    assert (answer["status"], answer["held"], answer["next"]) == (
        "running", True, "agent-loops resume",
    )  # fmt: skip
    assert slow.read("train.py") == incumbent
    made = len(confirming_runs(slow))
    assert made < 10
    assert slow.ask("wait")["held"]
    assert len(confirming_runs(slow)) == made
    assert slow.call("resume").code == 0
    assert slow.ask("confirm")["verdict"] == "improved"
    assert len(confirming_runs(slow)) == 10


def test_stop_kill_ends_it_with_what_it_has(slow: Project) -> None:
    go(slow)
    until(lambda: slow.ask("wait", "--wait-s", "0").values.get("runs_done", 10) >= 2)
    answer = slow.ask("stop", "--kill")
    assert answer["status"] == "stopped"
    assert answer["verdict"] == "inconclusive"
    assert "of 5 pairs: ended by the person" in answer["sentence"]
    assert "GAIN = 0.2" in slow.read("train.py")
    assert slow.ask("status")["confirming"] is None


def test_edits_in_the_files_are_set_aside(slow: Project) -> None:
    """Before the first run, and while one goes on, whose reading does not count then."""
    slow.write("train.py", "print('a thought')\n")
    go(slow)
    answer = slow.ask("wait")
    assert answer["verdict"] == "improved"
    assert answer["runs"] == 11
    (rescued,) = slow.events("rescued")
    saved = slow.root / rescued["folder"] / "train.py"
    assert saved.read_text() == "print('a thought')\n"
    slow.edit("GAIN = 0.2", "GAIN = 0.2; print('more')")
    edited = slow.read("train.py")
    assert slow.ask("confirm")["verdict"] == "improved"
    last = slow.events("rescued")[-1]
    assert (slow.root / last["folder"] / "train.py").read_text() == edited
    assert slow.read("train.py") != edited


def test_with_branches_nothing_moves(tmp_path: Path) -> None:
    project = begun(tmp_path / "p", iter_strategy="branches")
    tried(project, "GAIN = 0.0", "GAIN = 0.2")
    before = [git(project.root, *words) for words in _SEEN]
    assert project.ask("confirm")["verdict"] == "improved"
    assert [git(project.root, *words) for words in _SEEN] == before
    tried(project, "GAIN = 0.2", "GAIN = 0.5")


_SEEN = (["rev-parse", "HEAD"], ["status", "--porcelain"], ["for-each-ref"], ["log", "--oneline"])


def test_after_a_rebaseline_only_what_came_since_is_compared(project: Project) -> None:
    assert project.ask("confirm")["verdict"] == "improved"
    project.write("prepare.py", "x = 1\n")
    assert project.ask("rebaseline", "--why", "another harness").code == 0
    status = project.ask("status")
    assert status["confirmed"] is None
    assert project.ask("confirm")["status"] == "nothing gained"
    tried(project, "GAIN = 0.2", "GAIN = 0.5")
    answer = project.ask("confirm")
    assert answer["sentence"].startswith("improved since the rebaseline: #4 ")
    assert answer["baseline"] == 3


def test_a_claim_is_about_the_best_that_it_measured(project: Project) -> None:
    assert project.ask("confirm", env=AGENT)["verdict"] == "improved"
    again = project.ask("confirm", env=AGENT)
    assert again["verdict"] == "improved"
    assert "claimed before" in again["notes"][0]
    assert len(confirming_runs(project)) == 10
    second = project.ask("confirm")
    assert second["sentence"].endswith("; claim 2 on this code")
    tried(project, "GAIN = 0.2", "GAIN = 0.5")
    assert "the best is #3 now, which is not confirmed" in unwrapped(project.call("status"))
    assert project.ask("status")["confirmed"]["is_best"] is False


# ---- a holdout -----------------------------------------------------------------------------------

HOLDOUT = """\
import os, train_value
print(f"val_bpb: {train_value.read() + 5:.6f}")
"""
VALUE = """\
def read():
    return 3.0 if "GAIN = 0.0" in open("train.py").read() else 2.128906
"""


def held_out(root: Path, holdout: str = HOLDOUT, **bindings: object) -> Project:
    project = Project(root, train=TRAIN)
    project.write("holdout.py", holdout)
    project.write("score.py", HOLDOUT.replace("+ 5", "+ 1"))
    project.write("train_value.py", VALUE)
    project.bind(holdout_cmd=f"{PYTHON} holdout.py", **bindings)
    project.baseline()
    tried(project, "GAIN = 0.0", "GAIN = 0.2")
    return project


def test_the_holdout_is_claimed_and_its_values_are_the_persons_alone(tmp_path: Path) -> None:
    project = held_out(tmp_path / "p")
    refused = project.ask("confirm", env=AGENT)
    assert (refused.code, refused["kind"]) == (3, "holdout")
    assert confirming_runs(project) == []
    answer = project.ask("confirm")
    assert answer["sentence"].startswith(
        "improved: #2 val_bpb on the holdout 8 → 7.128906 in 5 fresh runs each (gain 0.871094, "
    )
    assert "; in training val_bpb 2.0" in answer["sentence"]
    assert "7.128906" in project.call("status").out
    for words in (["confirm"], ["status"], ["wait"], ["show", "2"], ["history"], ["report"]):
        for said in (project.call(*words, env=AGENT), project.ask(*words, env=AGENT)):
            assert "7.128906" not in said.out + said.err, words
            assert "0.871094" not in said.out
    shown = project.ask("status", env=AGENT)["confirmed"]
    assert shown["verdict"] == "improved"
    assert "its figures are for the person" in shown["sentence"]
    assert "7.128906" in project.call("report").out
    told = {
        path.relative_to(project.sandbox).parts[0]
        for path in [*project.sandbox.rglob("*"), project.root / ".agent-loops/active.json"]
        if path.is_relative_to(project.sandbox)
        and path.is_file()
        and b"7.128906" in path.read_bytes()
    }
    assert told == {"holdout"}


def test_a_holdout_that_fails_is_said_without_what_it_printed(tmp_path: Path) -> None:
    project = held_out(tmp_path / "p", HOLDOUT + "raise SystemExit(3)\n")
    answer = project.ask("confirm")
    assert answer["sentence"] == (
        "inconclusive at this scale: #2; 5 of 5 runs of #2 crashed (holdout_cmd: exit code 3); "
        "5 of 5 runs of #1 crashed (holdout_cmd: exit code 3); in training no pair of runs is "
        "complete"
    )
    assert "7.128906" not in (project.sandbox / "journal.jsonl").read_text()


def test_the_metric_comes_from_eval_cmd_and_the_holdout_stands_beside_it(tmp_path: Path) -> None:
    project = held_out(tmp_path / "p", eval_cmd=f"{PYTHON} score.py")
    answer = project.ask("confirm")
    assert "on the holdout 8 → 7.128906 in 5 fresh" in answer["sentence"]
    assert "; in training val_bpb 4 → 3.128906 in 5 fresh runs each" in answer["sentence"]


def test_a_changed_log_of_the_holdout_does_not_count(tmp_path: Path) -> None:
    project = held_out(
        tmp_path / "p", run_cmd=f"{PYTHON} train.py; rm -f ../p/sandbox/t1/holdout/*"
    )
    answer = project.ask("confirm")
    assert answer["verdict"] == "inconclusive"
    assert "runs of #2 ended without a value on the holdout" in answer["sentence"]
    (project.sandbox / "holdout" / f"claim-{confirming_runs(project)[0]['seed']}.json").unlink()
    assert "the holdout's file is gone or changed" in unwrapped(project.call("status"))


# ---- time set aside ------------------------------------------------------------------------------


@pytest.fixture
def ended(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Finished but for its claim: all the time left is set aside, now that something was gained."""
    return copied(
        tmp_path / "a 'project'", tmp_path_factory, "ended",
        lambda root: gained(root, stop_after="2 h", confirm_time="2 h"),
    )  # fmt: skip


def test_nothing_is_tried_in_the_time_set_aside_and_the_claim_ends_it(ended: Project) -> None:
    status = ended.ask("status")
    assert status["status"] == "finished"
    assert "set aside for `agent-loops confirm`" in status["stop_reason"]
    assert status["next"].startswith("`agent-loops confirm`, then report its sentence")
    ended.edit("GAIN = 0.2", "GAIN = 0.3")
    refused = ended.ask("try", "one more")
    assert (refused.code, refused["kind"]) == (3, "finished")
    assert "`agent-loops confirm`" in refused["next"]
    assert ended.call("checkout", "2").code == 0
    answer = ended.ask("confirm", env=AGENT)
    assert answer["verdict"] == "improved"
    assert answer["next"] == "report this sentence as it stands, and claim nothing else"
    assert ended.ask("status")["status"] == "finished"
    assert ended.ask("try", "one more")["kind"] == "finished"


def test_without_a_gain_no_time_is_set_aside(tmp_path: Path) -> None:
    project = begun(tmp_path / "p", stop_after="2 h", confirm_time="2 h")
    assert project.ask("status")["status"] == "active"
    tried(project, "GAIN = 0.0", "GAIN = -0.5", expected="discard")
    assert project.ask("status")["status"] == "active"


def test_a_new_end_has_its_time_set_aside_too(ended: Project) -> None:
    assert ended.ask("resume", "--until", "5 h")["status"] == "active"
    answer = ended.ask("resume", "--until", "90 min")
    assert answer["status"] == "finished"
    assert "set aside for `agent-loops confirm`" in answer["next"]


def test_no_pair_is_begun_that_would_not_be_over_in_time(tmp_path: Path) -> None:
    project = gained(tmp_path / "p", 0.2, TRAIN.replace("GAIN = 0.0", "GAIN = 0.0; time.sleep(1)"))
    assert project.ask("resume", "--until", "2 s").code == 0
    refused = project.ask("confirm")
    assert (refused.code, refused["kind"]) == (3, "no time")
    assert "agent-loops resume --until" in refused["next"]
    assert project.ask("resume", "--until", "9 s").code == 0
    began = time.monotonic()
    answer = project.ask("confirm")
    assert time.monotonic() - began < 20
    assert answer["verdict"] == "inconclusive"
    assert 1 <= answer["pairs"] <= 4
    assert "a claim needs at least 5 complete pairs" in answer["sentence"]
    assert any("of 5 pairs fit before the campaign's end" in note for note in answer["notes"])


def test_past_the_end_only_the_person_may_still_confirm(project: Project) -> None:
    assert project.ask("resume", "--until", "1 s").code == 0
    until(lambda: project.ask("status")["status"] == "finished")
    assert "not confirmed: `agent-loops confirm` is the person's" in project.ask("status")["next"]
    refused = project.ask("confirm", env=AGENT)
    assert (refused.code, refused["kind"]) == (3, "no time")
    assert confirming_runs(project) == []
    assert project.ask("confirm")["verdict"] == "improved"


def test_setup_says_where_the_time_set_aside_is_too_short(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.bind(budget="5 min", confirm_time="30 min")
    notes = project.setup()["notes"]
    assert "confirm_time has room for 3 pairs of runs, and a claim needs 5" in notes
