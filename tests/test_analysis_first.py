"""The analysis-first loop: an idea rests on a number, predicts one, and its analysis is run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from agent_loops import campaigns, fold_cache, predictions
from agent_loops.paths import CampaignPaths, ProjectPaths
from grounded import (
    ANCHOR,
    HEAD,
    PREDICTION,
    SCRIPT,
    attempt,
    bind,
    lr,
    new_file,
    plan,
    project_in,
    row,
)
from support import PYTHON, SCRIPTS, Project, edit_block


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return project_in(tmp_path / "a project")


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """One with a baseline, for what is refused: that changes nothing."""
    project = project_in(tmp_path_factory.mktemp("begun") / "a project")
    project.baseline()
    return project


def refusal(answer: object) -> tuple[str, str]:
    assert answer.code == 3, answer  # type: ignore[attr-defined]
    return answer["kind"], f"{answer['reason']} | {answer['next']}"  # type: ignore[index]


# --- the happy path -----------------------------------------------------------------------------


def test_from_the_baseline_through_two_experiments(project: Project) -> None:
    project.baseline()
    first = attempt(
        project,
        lr("0.03") + plan(row(), row("analysis/dead.py", "analysis/dead.csv"))
        + new_file("analysis/dead.py", SCRIPT),
    )  # fmt: skip
    assert (first.code, first["status"]) == (0, "keep"), first
    assert any(note.startswith("held: dead_share_max < 0.5 (0.31)") for note in first["notes"])
    folder = project.sandbox / "iter2" / "analysis"
    assert (folder / "dead.csv").read_text() == "lr,dead\n0.03,0.31\n"  # the code as it was run
    assert "written" in (folder / "dead.log").read_text()
    assert "dead.py" in project.read("sandbox/t1/iter2/analysis/plan.md")
    assert "analysis/" not in project.read("train.py")
    header = (project.sandbox / "results.tsv").read_text().splitlines()[0].split("\t")
    assert header[-2:] == ["analysis_summary", "description"]
    summary = project.rows()[1][-2]
    assert summary == "dead_share_max 0.31: most units never fire; 1 of 1 predictions held"

    second = attempt(
        project,
        lr("0.04", "0.03") + plan(row(output="results/layers.csv:dead_share")),
        anchor="results/summary.json:headroom=0.04",
        predict="results/summary.json:dead_share_max < 0.1",
    )
    assert second["status"] == "keep", second
    assert any(note.startswith("did not hold: dead_share_max") for note in second["notes"])
    started = project.events("experiment_started")[-1]
    assert started["anchors"] == ["iter2/results/summary.json:headroom=0.04"]
    shown = project.ask("analyze", "2")
    assert [item["answered"] for item in shown["plan"]] == [True, True]
    assert shown["held"] == 1
    assert "analysis/dead.csv" in shown["files"]


def test_the_answer_of_a_try_stays_within_five_lines(project: Project) -> None:
    project.baseline()
    flags = ("--anchor", ANCHOR, "--predict", "results/summary.json:dead_share_max < 0.5")
    answer = project.call(
        "try", "act: more", *flags, "--edit", "-", stdin=lr("0.03") + plan()
    )  # fmt: skip
    lines = answer.out.splitlines()
    assert len(lines) <= 5
    assert len(answer.out) <= 600
    assert "note: held: dead_share_max < 0.5 (0.31)" in lines[2]


def test_a_script_of_an_earlier_experiment_need_not_be_given_again(project: Project) -> None:
    project.baseline()
    rows = (row("dead.py", "dead.csv"),)
    attempt(project, lr("0.03") + plan(*rows) + new_file("analysis/dead.py", SCRIPT))
    again = attempt(
        project, lr("0.04", "0.03") + plan(*rows, row()),
        anchor="iter1/results/summary.json:dead_share_max=0.97",
    )  # fmt: skip
    assert again["status"] == "keep", again
    assert (project.sandbox / "iter3" / "analysis" / "dead.csv").read_text().startswith("lr")


def test_the_plan_may_come_from_a_file(project: Project, tmp_path: Path) -> None:
    project.baseline()
    (tmp_path / "plan.md").write_text(HEAD + row())
    answer = attempt(project, lr("0.03"), "--plan", str(tmp_path / "plan.md"))
    assert answer["status"] == "keep", answer
    assert (project.sandbox / "iter2" / "analysis" / "plan.md").is_file()


def test_a_script_runs_in_the_environment_of_the_training(project: Project) -> None:
    bind(project, prelude="export FROM_PRELUDE=here")
    project.baseline()
    script = (
        "import os, pathlib, prepare\n"
        "run = pathlib.Path(os.environ['AGENT_LOOPS_RUN_DIR']).is_dir()\n"
        "before = pathlib.Path(os.environ['AGENT_LOOPS_BEFORE'], 'results').is_dir()\n"
        "open('analysis/env.txt', 'w').write("
        "f\"{os.environ['FROM_PRELUDE']} {run} {before} {'CLAUDECODE' in os.environ}\")\n"
    )
    rows = plan(row("env.py", "env.txt"))
    attempt(
        project, lr("0.03") + rows + new_file("analysis/env.py", script), env={"CLAUDECODE": "1"}
    )
    text = (project.sandbox / "iter2" / "analysis" / "env.txt").read_text()
    assert text == "here True True False"


# --- anchors ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("anchor", "said"),
    [
        ("results/summary.json:dead_share_max=0.31", "holds dead_share_max=0.97"),
        ("results/summary.json:dead_share_mx=0.97", "it has dead_share_max"),
        ("results/summary.json:dead=0.97", "has no 'dead'; it has dead_share_max"),
        ("results/summary.json:dead_share_max=1", "give at least two digits"),
        ("results/summary.json:dead_share_max=0.5", "holds dead_share_max=0.97 |"),
        ("results/summary.json:headroom=4e-2", "give at least two digits"),
        ("results/layers.csv:layer=0", "give at least two digits"),
        ("results/layers.csv:0", "give at least two digits"),
        ("results/layers.csv:٩٧", "'٩٧' is no number"),
        ("results/nothing.json:x=0.97", "is not there; there are results/findings.json"),
        ("results/layers.csv:0.55", "the nearest number in it is 0.97"),
        ("results/layers.csv:dead_share=0.55", "goes from 0.02 to 0.97"),
        ("iter9/results/summary.json:headroom=0.04", "no experiment has results"),
        ("iter0/results/summary.json:headroom=0.04", "is no file in results/ or analysis/"),
        ("../train.py:LR=0.01", "leads out of the experiment's folder"),
        ("results/../../x.json:a=0.1", "leads out of the experiment's folder"),
        ("run.log:a=0.1", "is no file in results/ or analysis/"),
        ("results/summary.json:dead_share_max=nan", "'nan' is no number"),
        ("dead units", "is not FILE:KEY=VALUE"),
    ],
)
def test_an_anchor_that_does_not_hold_is_refused_with_what_is_there(
    begun: Project, anchor: str, said: str
) -> None:
    kind, reason = refusal(attempt(begun, lr("0.03") + plan(), anchor=anchor))
    assert kind == "anchor"
    assert said in reason
    assert len(begun.events("experiment_started")) == 1


@pytest.mark.parametrize(
    "anchor",
    [
        "results/layers.csv:0.97",
        "results/layers.csv:dead_share=0.02",
        "iter1/results/summary.json:headroom=0.040",
        "results/findings.json:0.value=0.97",
        "summary.json:headroom=0.04",  # as `analyze` prints it
    ],
)
def test_an_anchor_may_be_in_json_a_table_or_any_text(project: Project, anchor: str) -> None:
    project.baseline()
    assert attempt(project, lr("0.03") + plan(), anchor=anchor)["status"] == "keep"


def test_without_an_anchor_nothing_runs(begun: Project) -> None:
    kind, reason = refusal(attempt(begun, lr("0.03") + plan(), anchor=None))
    assert kind == "anchor"
    assert "--anchor results/summary.json:dead_share_max=0.970" in reason  # which would hold
    assert "agent-loops analyze 1" in reason
    bare = begun.ask("try", "act: x", "--edit", "-", stdin=lr("0.03"))
    assert "also missing: analysis/plan.md and --predict" in bare["reason"]


def test_a_link_in_the_results_is_not_followed(begun: Project, tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text('{"a": 0.25}')
    (begun.sandbox / "iter1" / "results" / "mine.json").symlink_to(tmp_path / "mine.json")
    kind, reason = refusal(attempt(begun, lr("0.03") + plan(), anchor="results/mine.json:a=0.25"))
    assert kind == "anchor"
    assert "is a link" in reason


def test_before_the_baseline_there_is_no_anchor_yet(project: Project) -> None:
    project.setup()
    kind, reason = refusal(project.ask("try", "baseline", "--anchor", ANCHOR))
    assert kind == "anchor"
    assert "no experiment has results yet | `agent-loops try baseline`" in reason
    baseline = project.ask("try", "baseline")
    assert baseline["next"] == "`agent-loops analyze 1`"


def test_what_was_repeated_stays_the_incumbents_code(project: Project) -> None:
    project.baseline()
    attempt(project, lr("0.03") + plan())
    assert project.ask("try", "again", "--repeat")["kind"] == "repeat"
    rows = plan(row(output="results/layers.csv:dead_share"))
    attempt(project, lr("0.04", "0.03") + rows, anchor="results/summary.json:headroom=0.04")
    assert project.events("experiment_started")[-1]["base"] == 2


def test_numbers_that_the_agent_noted_itself_are_no_anchor(begun: Project) -> None:
    begun.write("sandbox/t1/iter1/analysis/mine.json", '{"a": 0.25}')
    kind, reason = refusal(attempt(begun, lr("0.03") + plan(), anchor="analysis/mine.json:a=0.25"))
    assert kind == "anchor"
    assert "was written by no plan's script" in reason


def test_what_is_not_finite_or_not_json_is_no_number(begun: Project) -> None:
    folder = begun.sandbox / "iter1" / "results"
    (folder / "a.json").write_text('{"a": NaN, "b": 1e999, "c": true}')
    (folder / "b.json").write_text("[" * 100_000)
    for key in ("a=0.5", "b=0.5", "c=1"):
        assert refusal(attempt(begun, lr("0.03") + plan(), anchor=f"results/a.json:{key}"))
    assert refusal(attempt(begun, lr("0.03") + plan(), anchor="results/b.json:a=0.5"))


# --- predictions --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("predict", "said"),
    [
        (None, "say what the results will show if it helps"),
        ("the loss will fall", "no comparison that can be checked"),
        ("results/summary.json < 0.5", "names no key"),
        ("results/summary.json:` ` < 0.5", "names no key"),
        ("results/summary.json:headroom < ٣", "'٣' is no number"),
        ("results/summary.json:headroom < much", "'much' is no number"),
        ("/etc/passwd:x < 1", "leads out"),
        ("analysis/x.json:a < 1", "no row of the plan writes analysis/x.json"),
        ("results/summary.json:headrom < 1", "has no 'headrom'; it has headroom"),
        (f"{PREDICTION}; results/summary.json:headroom > 0.1", "give --predict twice"),
    ],
)
def test_a_prediction_that_nobody_can_check_is_refused_with_one_that_can_be(
    begun: Project, predict: str | None, said: str
) -> None:
    kind, reason = refusal(attempt(begun, lr("0.03") + plan(), predict=predict))
    assert kind == "prediction"
    assert said in reason
    assert "--predict 'results/summary.json:dead_share_max < 0.97; " in reason  # the top finding


@pytest.mark.parametrize(
    "text",
    [
        "`results/summary.json:`a` `` < .5", "results/a b :` a `< 1e3;so `it` is",
        "results/x.csv: `` a\x1f\tb >= -1 ; ; ", "results/summary.json :a\u2003` ≤ 0.5",
    ],
)  # fmt: skip
def test_a_prediction_is_read_back_from_the_record_as_it_was_written(text: str) -> None:
    parsed = predictions.parse(text)
    assert predictions.parse(str(parsed)) == parsed
    assert "`" not in str(parsed.place)


def test_a_prediction_that_cannot_be_read_back_is_unknown(project: Project) -> None:
    project.baseline()
    attempt(project, lr("0.03") + plan())
    journal = project.sandbox / "journal.jsonl"
    unreadable = b"results/summary.json:` < 0.5"
    journal.write_bytes(journal.read_bytes().replace(PREDICTION.encode(), unreadable))
    (project.sandbox / "fold.cache.json").unlink(missing_ok=True)
    again = project.ask("analyze", "--run", "2", "--edit", "-", stdin=plan())
    assert (again.code, again["predictions"]) == (0, f"unknown: {unreadable.decode()}"), again


def test_what_was_not_measured_is_neither_held_nor_not(project: Project) -> None:
    project.baseline()
    rows = plan(row(output="results/summary.json:gone"))
    answer = attempt(project, lr("0.03") + rows, predict="results/summary.json:gone < 0.5")
    assert "unknown: gone < 0.5 (not measured)" in answer["notes"]
    assert "predictions held" not in project.rows()[1][-2]


# --- the plan -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no table with the columns"),
        ("look at the gradients\n", "no table with the columns"),
        (HEAD, "the plan's table has no row"),
        (HEAD + "| analyze | results/summary.json | why? | less |\n", "lacks expected if not"),
        (HEAD + "| analyze | results/summary.json | | less | more |\n", "lacks question"),
        (HEAD + row() + row(), "a second time"),
        (HEAD + row("analyze", "../x.json"), "leads out"),
        (HEAD + row("analysis/a.py", "results/x.json"), "writes in analysis/"),
        (HEAD + row("/bin/sh", "analysis/x"), "neither `analyze` nor analysis/NAME.py"),
        (HEAD + row("analysis/gone.py", "analysis/x.csv"), "names analysis/gone.py, which is not"),
        (HEAD + "".join(row(output=f"results/{n}.csv") for n in range(21)), "at most 20"),
        ("x" * (65 << 10), "larger than 64 KB"),
    ],
)
def test_a_plan_that_is_none_is_refused(begun: Project, text: str, said: str) -> None:
    edit = lr("0.03") + new_file("analysis/plan.md", text + "\n")
    kind, reason = refusal(attempt(begun, edit))
    assert kind == "plan"
    assert said in reason


def test_without_a_plan_nothing_runs(begun: Project) -> None:
    kind, reason = refusal(attempt(begun, lr("0.03")))
    assert kind == "plan"
    assert "add analysis/plan.md to the edit" in reason


def test_a_plan_that_measures_nothing_new_is_refused(project: Project) -> None:
    project.baseline()
    attempt(project, lr("0.03") + plan())
    kind, reason = refusal(
        attempt(project, lr("0.04", "0.03") + plan(), anchor="results/summary.json:headroom=0.04")
    )
    assert kind == "plan"
    assert "every row of the plan was measured before" in reason


def test_other_files_of_the_analysis_have_one_form(begun: Project) -> None:
    for path in ("analysis/run.sh", "analysis/../x.py", "analysis/deep/a.py"):
        assert attempt(begun, lr("0.03") + plan() + new_file(path, "1\n")).code == 3
    big = new_file("analysis/a.py", "x = 1\n" * 50_000)
    kind, reason = refusal(attempt(begun, lr("0.03") + plan() + big))
    assert kind == "plan"
    assert "larger than 256 KB" in reason


# --- what needs none of it ----------------------------------------------------------------------


def test_a_simplification_needs_neither_anchor_nor_plan(project: Project) -> None:
    project.baseline()
    less = edit_block("train.py", "EXTRA = 0\n", "").replace("=======\n\n", "=======\n")
    answer = project.ask("try", "simplify: no extra", "--edit", "-", stdin=less)
    assert answer.code == 0, answer
    more = edit_block("train.py", "WIDTH = 8", "WIDTH = 8\nDEPTH = 2")
    kind, _ = refusal(project.ask("try", "simplify: not at all", "--edit", "-", stdin=more))
    assert kind == "anchor"


def test_the_incumbent_itself_needs_nothing(project: Project) -> None:
    project.baseline()
    assert project.ask("try", "again", "--repeat").code == 0


def test_the_karpathy_loop_says_whose_flags_these_are(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.baseline()
    for flags in (("--anchor", "a:b=1"), ("--predict", "a"), ("--plan", "x"), ("--move", "swing")):
        if flags[0] == "--plan":
            project.write("x", "plan")
        answer = project.call("try", "lr", *flags, "--edit", "-", stdin=lr("0.02"))
        assert answer.code == 2
        assert "belong to `loop: ml-autoresearch`" in answer.err
    assert "belongs to `loop: ml-autoresearch`" in project.call("analyze", "--run").err
    assert project.ask("try", "lr", "--edit", "-", stdin=lr("0.02"))["status"] == "keep"
    header = (project.sandbox / "results.tsv").read_text().splitlines()[0].split("\t")
    assert header == ["iter", "val_bpb", "memory_gb", "status", "description"]
    started = project.events("experiment_started")[-1]
    assert (started["anchors"], started["plan"]) == ([], [])


def test_a_kept_change_in_several_places_is_followed_by_an_ablation(project: Project) -> None:
    filler = "".join(f"A{n} = {n}\n" for n in range(60))
    project.edit("EXTRA = 0\n", f"EXTRA = 0\n{filler}FAR = 0\n")
    project.edit("import json\n", f"import json\n{filler.replace('A', 'B')}")
    project.baseline()
    edit = lr("0.03") + edit_block("train.py", "FAR = 0", "FAR = 1")
    edit += edit_block("train.py", "B3 = 3", "B3 = 4")
    answer = attempt(project, edit + plan())
    assert answer["status"] == "keep"
    assert "3 distant places: an ablation next" in answer["next"]


def test_where_nothing_left_results_the_next_step_makes_some(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.baseline()
    project.bind(loop="ml-autoresearch")
    assert project.ask("rebaseline", "--why", "the other loop").code == 0
    kind, reason = refusal(attempt(project, lr("0.02") + plan()))
    assert kind == "anchor"
    assert "no experiment has results yet | `agent-loops try again --repeat`" in reason
    assert project.ask("try", "again", "--repeat").code == 0


def test_claims_are_short_and_few(begun: Project) -> None:
    long = f"results/summary.json:{'a' * 300}=0.97"
    assert refusal(attempt(begun, lr("0.03") + plan(), anchor=long))[0] == "anchor"
    odd = ("results/summary.json:headroom=0e99999", f"results/summary.json:headroom={'9' * 99}")
    for anchor in odd:
        assert refusal(attempt(begun, lr("0.03") + plan(), anchor=anchor))[0] == "anchor"
    many = ("--anchor", ANCHOR) * 11
    assert attempt(begun, lr("0.03") + plan(), *many).code == 2
    text = " " * 100_000 + "x"
    assert refusal(attempt(begun, lr("0.03") + plan(), predict=text))[0] == "prediction"


def test_what_is_due_is_shown_and_kept_by_the_cache(project: Project) -> None:
    project.baseline()
    attempt(project, lr("0.03") + plan())
    shown = project.call("show", "2").out
    assert f"anchor: iter1/{ANCHOR}" in shown
    assert "predicted: results/summary.json:dead_share_max < 0.5; units come alive" in shown
    paths = CampaignPaths(project.sandbox)
    store = campaigns.open_store(ProjectPaths(project.root), paths)
    fold_cache.save(store.campaign, paths, offset=paths.journal.stat().st_size)
    found = fold_cache.load(paths)
    assert found is not None
    again = found[0]
    assert again.experiments[2] == store.campaign.experiments[2]
    assert again.measured == ["analyze → results/summary.json:dead_share_max"]
    assert (again.analysing, again.unanalysed) == (None, None)


def test_an_earlier_rows_summary_follows_its_analysis(project: Project) -> None:
    project.baseline()
    attempt(project, lr("0.03") + plan())
    results = project.sandbox / "iter1" / "results" / "findings.json"
    results.write_text('[{"key": "headroom", "value": 0.04, "means": "still falling"}]')
    assert project.ask("analyze", "--run", "1", "--edit", "-", stdin=plan()).code == 0
    assert project.rows()[0][-2] == "headroom 0.04: still falling"


def test_the_karpathy_loop_imports_nothing_of_this(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.baseline()
    code = (
        f"import sys; sys.path.insert(0, {str(SCRIPTS)!r})\n"
        "from agent_loops.cli import main\n"
        "assert main(['try', 'lr', '--edit', '-']) == 0\n"
        "print(*sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=lr("0.02"), cwd=project.root, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    own = "figures plans anchors predictions grounding analyses result_files ablation exploring"
    loaded = {name.rpartition(".")[2] for name in done.stdout.split() if "agent_loops" in name}
    assert not loaded & set(own.split())


def test_an_old_record_folds_and_goes_on(project: Project) -> None:
    """Of a campaign that began before there were anchors, plans and analyses."""
    project.baseline()
    journal = project.sandbox / "journal.jsonl"
    new = {
        "experiment_started": ("anchors", "predictions", "plan", "move", "axes"),
        "run_started": ("script",),
    }
    lines = []
    for record in project.journal():
        if record["event"] == "campaign_started":
            for key in ("loop", "explore", "analysis_timeout_s", "probe"):
                del record["bindings"][key]
        for key in new.get(record["event"], ()):
            del record[key]
        if record["event"] != "analysed":
            record["seq"] = len(lines) + 1
            lines.append(json.dumps(record, separators=(",", ":")) + "\n")
    journal.write_text("".join(lines))
    (project.sandbox / "fold.cache.json").unlink(missing_ok=True)
    project.bind(run_cmd=f"{PYTHON} train.py {{run_dir}}")
    (project.sandbox / "results.tsv").unlink()
    status = project.ask("status")
    assert status["baseline"]["experiment"] == 1
    assert not status["in_the_way"]
    answer = project.ask("try", "lr", "--edit", "-", stdin=lr("0.03"))
    assert answer["status"] == "keep", answer
