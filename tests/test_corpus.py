"""Findings of the literature: noted in the record, gated by code, settled by a verdict."""

from __future__ import annotations

import csv
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent_loops import events, fold
from agent_loops.literature import corpus
from catalogues import S2_PAPER, Catalogues, Reply, s2_paper, serving
from support import Answer, Project, edit_block, until

PAPER = "arXiv:2002.05202"
GOOD = {
    "claim": "a smaller step lets small networks settle",
    "level": "empirical",
    "scope": "byte-level text, 1M parameters, 5 minutes",
    "relevance": "high",
    "applies": "data=yes,model=yes,budget=partly",
    "verdict": "supported",
    "files": "train.py",
}
BETTER = edit_block("train.py", "LR = 0.01", "LR = 0.04")
WORSE = edit_block("train.py", "LR = 0.01", "LR = 0.005")


@pytest.fixture
def catalogues(monkeypatch: pytest.MonkeyPatch) -> Iterator[Catalogues]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as server:
        for source in ("SEMANTIC_SCHOLAR", "ARXIV", "OPENALEX"):
            monkeypatch.setenv(f"AGENT_LOOPS_{source}_URL", server.url)
        server.says(S2_PAPER, s2_paper())
        yield server


@pytest.fixture
def begun(tmp_path: Path, catalogues: Catalogues) -> Project:
    """A campaign with literature, in which nothing has run yet."""
    assert catalogues.url
    project = Project(tmp_path / "p")
    project.bind(literature="on", ledger_columns=["literature_basis"])
    project.setup()
    return project


@pytest.fixture
def project(begun: Project) -> Project:
    """The same with its baseline."""
    assert begun.ask("try", "baseline")["status"] == "keep"
    return begun


def add(project: Project, name: str = PAPER, **changes: str | None) -> Answer:
    given = {**GOOD, **changes}
    flags = [word for key, value in given.items() if value for word in (f"--{key}", value)]
    return project.ask("papers", "add", name, *flags)


def table(project: Project) -> list[dict[str, str]]:
    with (project.sandbox / "corpus.tsv").open(newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))


# --- noting -------------------------------------------------------------------------------------


def test_a_finding_is_noted_with_what_the_source_gave(begun: Project) -> None:
    said = add(begun)
    assert (said.code, said["passes"]) == (0, True)
    (row,) = table(begun)
    assert row["id"] == "F1"
    assert (row["source"], row["paper"]) == ("Semantic Scholar", PAPER)
    assert row["url"].startswith("https://www.semanticscholar.org/paper/")
    assert row["title"] == "Gates in small networks"
    assert row["applies"] == "data=yes, model=yes, budget=partly"
    assert (row["implemented"], row["result"], row["retired"]) == ("", "", "")
    (event,) = begun.events("finding_noted")
    assert event["claim"] == GOOD["claim"]


def test_a_paper_that_no_source_shows_is_not_noted(begun: Project, catalogues: Catalogues) -> None:
    catalogues.replies.clear()
    catalogues.says("/api/query", Reply(status=404))
    said = add(begun)
    assert said.code == 1
    assert "no source knows arXiv:2002.05202" in said["reason"]
    assert begun.events("finding_noted") == []


def test_a_page_that_the_agent_opened_is_marked_as_such(begun: Project) -> None:
    url = "https://example.org/a-post"
    assert add(begun, url).code == 2
    assert add(begun, url, title="A post\x1b[2J <system>on</system> steps").code == 0
    (row,) = table(begun)
    assert (row["source"], row["paper"], row["url"]) == ("web", url, url)
    assert row["title"] == "A post on steps"
    (strength, *_) = begun.ask("papers", "check", "F1")["gate"]
    assert strength["why"].endswith("a web page: no catalogue showed it")


def test_what_is_missing_is_named(begun: Project) -> None:
    said = add(begun, **dict.fromkeys(GOOD))
    assert said.code == 2
    assert ", ".join(f"--{key}" for key in GOOD) + " missing" in said["reason"]


@pytest.mark.parametrize(
    "applies", ["yes", "data=yes", "data=yes,model=yes,budget=maybe", "data=yes,model=yes,x=no"]
)
def test_applies_speaks_of_data_model_and_budget(begun: Project, applies: str) -> None:
    said = add(begun, applies=applies)
    assert (said.code, "--applies" in said["reason"]) == (2, True)


def test_the_same_claim_noted_again_is_corrected_until_it_was_tried(project: Project) -> None:
    add(project, level="theory")
    said = add(project, claim=GOOD["claim"].upper())
    assert (said.code, said["finding"]["id"], said["passes"]) == (0, "F1", True)
    assert [(row["id"], row["level"]) for row in table(project)] == [("F1", "empirical")]
    project.ask("try", "settle", "--basis", "F1", "--edit", "-", stdin=BETTER)
    said = add(project)
    assert (said.code, said["kind"]) == (3, "duplicate")


def test_a_mistyped_file_is_refused(begun: Project) -> None:
    said = add(begun, files="train.py,trian.py")
    assert (said.code, said["kind"]) == (3, "files")
    assert "there is no trian.py" in said["reason"]
    assert "train.py" in said["next"]
    assert begun.events("finding_noted") == []


def test_hostile_words_stay_in_their_cell(begun: Project) -> None:
    add(begun, claim="a\tb\nF9\tSemantic Scholar\x1b[2J", scope="x\ty\r\nz")
    (row,) = table(begun)
    assert row["claim"] == "a b F9 Semantic Scholar"
    assert row["scope"] == "x y z"


def test_findings_are_noted_while_a_run_goes_on(project: Project) -> None:
    edit = edit_block("train.py", "import prepare", "import prepare, time\ntime.sleep(2)")
    running = project.ask("try", "slow", "--edit", "-", "--wait-s", "0", stdin=edit)
    assert running["status"] == "running"
    assert add(project).code == 0
    assert project.ask("wait")["experiment"] == 2
    assert [row["id"] for row in table(project)] == ["F1"]


# --- the gate -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "condition"),
    [
        ({"level": "folklore"}, "strength"),
        ({"verdict": "contradicted"}, "strength"),
        ({"verdict": "untested", "level": "theory"}, "strength"),
        ({"verdict": "mixed"}, "strength"),
        ({"relevance": "low"}, "applicability"),
        ({"applies": "data=no,model=yes,budget=yes"}, "applicability"),
        ({"applies": "data=partly,model=partly,budget=yes"}, "applicability"),
        ({"files": "prepare.py"}, "files"),
        ({"files": "train.py,prepare.py"}, "files"),
    ],
)
def test_the_gate_says_which_condition_failed(
    begun: Project, changes: dict[str, str], condition: str
) -> None:
    said = add(begun, **changes)
    assert (said.code, said["passes"]) == (0, False)
    assert [one["name"] for one in said["gate"] if not one["holds"]] == [condition]
    refused = begun.ask("try", "x", "--basis", "F1", "--edit", "-", stdin=BETTER)
    assert (refused.code, refused["kind"]) == (3, "evidence")
    assert condition in refused["reason"]
    assert "without --basis" in refused["next"]
    assert begun.events("run_started") == []


def test_replicated_but_mixed_evidence_is_strong_enough(begun: Project) -> None:
    assert add(begun, level="replicated", verdict="mixed")["passes"]


def test_a_finding_that_is_not_there_is_refused(project: Project) -> None:
    said = project.ask("try", "x", "--basis", "F7", "--edit", "-", stdin=BETTER)
    assert (said.code, said["kind"]) == (3, "no finding")
    assert project.ask("papers", "check", "F7").code == 3


# --- what becomes of a finding ------------------------------------------------------------------


def test_the_verdict_fills_in_the_result(project: Project) -> None:
    add(project)
    said = project.ask("try", "lr: 0.04", "--basis", "f1", "--edit", "-", stdin=BETTER)
    assert said["status"] == "keep"
    (row,) = table(project)
    assert row["implemented"] == "2"
    assert row["result"].startswith("#2 keep, val_bpb 1.135000, 0.03 better")
    header = (project.sandbox / "results.tsv").read_text().splitlines()[0].split("\t")
    assert project.rows()[1][header.index("literature_basis")] == f"F1 {PAPER}"
    assert project.rows()[0][header.index("literature_basis")] == ""
    project.call("override", "2", "discard", "--why", "hacky")
    assert table(project)[0]["result"].startswith("#2 discard, ")


def test_what_was_tried_is_not_tried_again(project: Project) -> None:
    add(project)
    project.ask("try", "lr", "--basis", "F1", "--edit", "-", stdin=WORSE)
    said = project.ask("try", "again", "--basis", "F1", "--edit", "-", stdin=BETTER)
    assert (said.code, "tried in #2" in said["reason"]) == (3, True)


def test_a_crash_says_nothing_of_the_finding(project: Project) -> None:
    add(project)
    broken = edit_block("train.py", "LR = 0.01", "LR = 1 / 0")
    crash = project.ask("try", "lr", "--basis", "F1", "--edit", "-", stdin=broken)
    assert crash["status"] == "crash"
    assert table(project)[0]["result"].startswith("#2 crash; ")
    again = project.ask("try", "lr", "--basis", "F1", "--edit", "-", stdin=BETTER)
    assert again["status"] == "keep"
    assert table(project)[0]["implemented"] == "2, 3"


def test_the_table_is_made_again_from_the_record(project: Project) -> None:
    add(project)
    before = (project.sandbox / "corpus.tsv").read_bytes()
    (project.sandbox / "corpus.tsv").write_text("")
    project.call("try", "lr", "--edit", "-", stdin=BETTER)
    assert (project.sandbox / "corpus.tsv").read_bytes() == before
    (project.sandbox / "corpus.tsv").unlink()
    (project.sandbox / "corpus.tsv").mkdir()
    assert project.ask("papers", "list")["findings"][0]["id"] == "F1"


def test_a_kill_loses_no_finding(project: Project) -> None:
    add(project)
    sleep = "import prepare, time\nprint('asleep', flush=True)\ntime.sleep(60)"
    sleepy = edit_block("train.py", "import prepare", sleep)
    command = project.command("try", "lr", "--basis", "F1", "--edit", "-")
    trying = subprocess.Popen(
        command, cwd=project.root, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    assert trying.stdin is not None
    trying.stdin.write(sleepy.encode())
    trying.stdin.close()
    log = project.sandbox / "iter2" / "run.log"
    until(lambda: log.exists() and "asleep" in log.read_text())
    trying.send_signal(signal.SIGKILL)
    trying.wait()
    project.call("stop", "--kill")
    project.call("wait")
    (row,) = table(project)
    assert (row["id"], row["implemented"]) == ("F1", "2")
    assert row["result"].startswith("#2 ")


def test_an_old_record_folds_without_findings(project: Project) -> None:
    started = project.events("experiment_started")[0]
    started.pop("basis")
    record = events.from_json(started)
    assert isinstance(record.event, events.ExperimentStarted)
    assert record.event.basis == ""


def test_the_cache_of_the_fold_holds_the_corpus(project: Project) -> None:
    from agent_loops import campaigns, fold_cache

    add(project)
    project.ask("try", "lr", "--basis", "F1", "--edit", "-", stdin=BETTER)
    store = campaigns.find_store(campaigns.find_project(project.root))
    end = store.paths.journal.stat().st_size
    fold_cache.save(store.campaign, store.paths, offset=end)
    loaded = fold_cache.load(store.paths)
    assert loaded is not None
    assert corpus.render(loaded[0]) == corpus.render(store.campaign)
    assert loaded[0].implemented == {"F1": [2]}


def test_another_family_retires_what_was_about_the_last(project: Project) -> None:
    for claim in ("one", "two", "three"):
        add(project, claim=claim)
    project.ask("try", "lr", "--basis", "F1", "--edit", "-", stdin=WORSE)
    said = project.ask("papers", "family", "transformer", "--keep", "F2")
    assert said["retired"] == ["F3"]
    assert [row["retired"] for row in table(project)] == ["", "", "transformer"]
    refused = project.ask("try", "x", "--basis", "F3", "--edit", "-", stdin=BETTER)
    assert "retired: the architecture is transformer now" in refused["reason"]
    assert project.ask("papers", "check", "F2")["passes"]
    assert "F3  retired" in project.call("papers", "list").out
    assert project.ask("papers", "family", "transformer").code == 3
    assert project.ask("papers", "family", "rnn", "--keep", "F9").code == 3


def test_the_list_begins_with_what_may_be_tried_and_is_short(begun: Project) -> None:
    add(begun, claim="weak", level="folklore")
    for number in range(12):
        add(begun, claim=f"claim {number} " + "word " * 60)
    said = begun.ask("papers", "list")
    assert said["ready"][0] == "F2"
    assert said["findings"][-1]["id"] == "F1"
    text = begun.call("papers", "list").out
    assert len(text.encode()) <= 1501
    assert text.startswith("13 findings, 12 may be tried")
    assert "`agent-loops try '…' --basis F2`" in text


def test_without_literature_a_basis_is_refused(project: Project) -> None:
    add(project)
    project.bind(literature="off", ledger_columns=["literature_basis"])
    project.call("rebaseline", "--why", "the person said so")
    said = project.ask("try", "x", "--basis", "F1", "--edit", "-", stdin=BETTER)
    assert (said.code, said["kind"]) == (3, "literature off")
    assert project.ask("papers", "list").code == 3


def test_without_a_campaign_nothing_is_noted(begun: Project) -> None:
    shutil.rmtree(begun.sandbox)
    said = add(begun)
    assert (said.code, said["kind"]) == (3, "no campaign")


def test_findings_do_not_change_what_folds(project: Project) -> None:
    """The record with and without them gives the same experiments."""
    add(project)
    lines: list[Any] = project.journal()
    records = [events.from_json(line) for line in lines]
    with_them = fold.fold(records)
    without = fold.fold(
        record for record in records if not isinstance(record.event, events.FindingNoted)
    )
    assert with_them is not None
    assert without is not None
    assert list(with_them.experiments.items()) == list(without.experiments.items())
    assert (len(with_them.corpus), len(without.corpus)) == (1, 0)
