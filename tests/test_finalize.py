"""A campaign becomes a branch for review: what is on it, and that nothing else changed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support import Answer, Project, commit_all, edit_block, git, words

BRANCH = "autoresearch/t1-review"
STRATEGIES = pytest.mark.parametrize("strategy", ["snapshots", "branches"])


def tried(project: Project, idea: str, old: str, new: str, *more: str) -> Answer:
    """One experiment by blocks."""
    answer = project.ask("try", idea, "--edit", "-", *more, stdin=edit_block("train.py", old, new))
    assert answer.code == 0, answer
    return answer


def begun(root: Path, strategy: str = "snapshots", **bindings: object) -> Project:
    """A campaign in a repository with its baseline."""
    project = Project(root)
    project.bind(iter_strategy=strategy, **bindings)
    project.write(".gitignore", "__pycache__\n")
    commit_all(root)
    project.baseline()
    return project


def three_ideas(project: Project) -> None:
    """Two are kept, the one in between is not."""
    assert tried(project, "a higher rate", "LR = 0.01", "LR = 0.02")["status"] == "keep"
    assert tried(project, "far too high", "LR = 0.02", "LR = 0.9")["status"] == "discard"
    wider = tried(project, "wider", "WIDTH = 8", "WIDTH = 16", "--why", "more room")
    assert wider["status"] == "keep"


def finalized(project: Project, *words: str, **more: Any) -> Answer:
    answer = project.ask("finalize", *words, **more)
    assert answer.code == 0, answer
    return answer


def refused(project: Project, *words: str) -> Answer:
    answer = project.ask("finalize", *words)
    assert (answer.code, answer["status"]) == (3, "refused"), answer
    assert answer["next"]
    return answer


def everything(top: Path) -> dict[str, object]:
    """All files with mode and time but git's objects, and all refs but the one that is made."""
    found: dict[str, object] = {}
    for folder, names, leaves in os.walk(top):
        if Path(folder).name == ".git" or ".git" in Path(folder).parts:
            names[:] = [name for name in names if name != "objects"]
        names[:] = [name for name in names if name != "report"]
        for leaf in leaves:
            path = Path(folder, leaf)
            if path.name.endswith(BRANCH.rpartition("/")[2]) or path.name == "lock":
                continue
            seen = path.lstat()
            data = path.read_bytes() if path.is_file() else b""
            found[str(path.relative_to(top))] = (data, seen.st_mode, seen.st_mtime_ns)
    refs = git(top, "for-each-ref", "--format=%(refname) %(objectname)").splitlines()
    found["refs"] = [ref for ref in refs if BRANCH not in ref]
    return found


def blob(root: Path, commit: str, path: str) -> bytes:
    done = subprocess.run(
        ["git", "cat-file", "blob", f"{commit}:{path}"], cwd=root, capture_output=True, check=True
    )
    return done.stdout


def subjects(root: Path, base: str, branch: str = BRANCH) -> list[str]:
    """Oldest first."""
    return git(root, "log", "--reverse", "--format=%s", f"{base}..{branch}").splitlines()


def text_of(project: Project) -> str:
    return (project.sandbox / "report" / "pull-request.md").read_text()


# ---- what is on the branch ----------------------------------------------------------------------


@STRATEGIES
def test_one_commit_for_each_kept_idea_and_nothing_else_is_touched(
    tmp_path: Path, strategy: str
) -> None:
    project = begun(tmp_path / "my\nproject ü", strategy)
    base = git(project.root, "rev-parse", "main")
    three_ideas(project)
    project.write("notes of mine.txt", "not yours\n")
    project.write("prepared.txt", "staged\n")
    git(project.root, "add", "prepared.txt")
    before = everything(project.root)
    answer = finalized(project)
    assert everything(project.root) == before
    assert subjects(project.root, base) == ["a higher rate", "wider"]
    assert git(project.root, "diff", "--name-only", base, BRANCH) == "train.py"
    assert blob(project.root, BRANCH, "train.py") == project.read("train.py").encode()
    assert [commit["experiments"] for commit in answer["commits"]] == [[2], [4]]
    assert answer["commit"] == git(project.root, "rev-parse", BRANCH)
    git(project.root, "fsck", "--strict", "--no-dangling")


def test_a_message_tells_the_figures_of_its_idea(tmp_path: Path) -> None:
    project = begun(tmp_path / "p")
    three_ideas(project)
    finalized(project)
    message = git(project.root, "log", "-1", "--format=%B", BRANCH)
    assert message.splitlines()[0] == "wider"
    flat = " ".join(message.split())
    for told in (
        "Why: more room", "val_bpb 1.155000 -> 1.092500 (lower is better)", "gain 0.0625",
        "1 run", "+1 -1 lines", "Experiment: 4 Campaign: t1",
    ):  # fmt: skip
        assert told in flat, message


def test_a_message_tells_the_interval_where_noise_is_known(tmp_path: Path) -> None:
    noisy = (
        "import pathlib\nLR = 0.01\nruns = pathlib.Path('runs.json')\n"
        "n = int(runs.read_text()) if runs.exists() else 0\nruns.write_text(str(n + 1))\n"
        "noise = 0.002 * [0.0, 0.9, -0.7, 0.4, -1.1, 0.3, 1.0, -0.2, -0.9, 0.6][n % 10]\n"
        "print(f'val_bpb: {1.0 + abs(LR - 0.05) + noise:.6f}')\n"
    )
    project = Project(tmp_path / "p", train=noisy)
    project.bind(keep_rule="noise-aware", compare="single")
    commit_all(project.root)
    project.baseline()
    assert tried(project, "higher", "LR = 0.01", "LR = 0.045")["status"] == "keep"
    finalized(project)
    flat = " ".join(git(project.root, "log", "-1", "--format=%B", BRANCH).split())
    assert "90% interval 0.0" in flat
    assert "to be better" in flat


@STRATEGIES
def test_squash_makes_one_commit_of_the_same_tree(tmp_path: Path, strategy: str) -> None:
    project = begun(tmp_path / "p", strategy)
    base = git(project.root, "rev-parse", "main")
    three_ideas(project)
    finalized(project)
    tree = git(project.root, "rev-parse", f"{BRANCH}^{{tree}}")
    git(project.root, "branch", "-m", BRANCH, "by-idea")
    finalized(project, "--squash")
    assert subjects(project.root, base) == [
        "val_bpb 1.165000 -> 1.092500 (not confirmed): 2 ideas kept in t1"
    ]
    assert git(project.root, "rev-parse", f"{BRANCH}^{{tree}}") == tree
    message = git(project.root, "log", "-1", "--format=%B", BRANCH)
    assert "- Experiment 2: a higher rate." in message
    assert "3 ideas tried: 2 kept, 1 discarded, 0 crashed" in " ".join(message.split())


def test_uncommitted_code_of_the_beginning_is_a_commit_of_its_own(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    base = commit_all(project.root)
    project.edit("WIDTH = 8", "WIDTH = 9")
    project.baseline()
    assert tried(project, "a higher rate", "LR = 0.01", "LR = 0.02")["status"] == "keep"
    finalized(project)
    assert subjects(project.root, base) == [
        "The code that the campaign began with", "a higher rate",
    ]  # fmt: skip
    assert git(project.root, "diff", "--stat", f"{BRANCH}^", BRANCH).endswith(
        "1 insertion(+), 1 deletion(-)"
    )


@STRATEGIES
def test_files_that_came_went_or_may_be_executed(tmp_path: Path, strategy: str) -> None:
    """Ignored ones too: what ran is what is reviewed."""
    project = Project(tmp_path / "p")
    (project.root / "train.py").unlink()
    project.write("parts/a.txt", b"val_bpb: 2.0\r\n")
    project.write("parts/b.txt", "depth 1\n")
    project.write("run.sh", "cat parts/*.txt\n")
    project.write(".gitignore", "parts/secret*\n")
    project.write(".gitattributes", "*.txt -text\n")
    project.bind(
        iter_strategy=strategy, run_cmd="sh run.sh", editable_files=["run.sh", "parts/*.txt"]
    )
    base = commit_all(project.root)
    project.baseline()
    project.write("parts/a.txt", b"val_bpb: 1.5\r\n")
    project.write("parts/secret.txt", "new\n")
    (project.root / "parts/b.txt").unlink()
    (project.root / "run.sh").chmod(0o755)
    assert project.ask("try", "all at once")["status"] == "keep"
    finalized(project)
    told = git(project.root, "diff", "--raw", "--no-renames", base, BRANCH).splitlines()
    assert [line.split(" ", 1)[0] + line[line.rindex(" ") :] for line in told] == [
        ":100644 M\tparts/a.txt", ":100644 D\tparts/b.txt", ":000000 A\tparts/secret.txt",
        ":100644 M\trun.sh",
    ]  # fmt: skip
    assert blob(project.root, BRANCH, "parts/a.txt") == b"val_bpb: 1.5\r\n"


# ---- which ideas are in it -----------------------------------------------------------------------


@STRATEGIES
def test_an_overridden_keep_is_not_on_the_branch(tmp_path: Path, strategy: str) -> None:
    project = begun(tmp_path / "p", strategy)
    assert tried(project, "a hack", "LR = 0.01", "LR = 0.02")["status"] == "keep"
    assert project.call("override", "2", "discard", "--why", "a hack").code == 0
    assert tried(project, "wider", "WIDTH = 8", "WIDTH = 16")["status"] == "keep"
    answer = finalized(project)
    assert [commit["subject"] for commit in answer["commits"]] == ["wider"]
    assert blob(project.root, BRANCH, "train.py") == project.read("train.py").encode()


@STRATEGIES
def test_code_that_a_checkout_brought_back_comes_along_and_is_named(
    tmp_path: Path, strategy: str
) -> None:
    project = begun(tmp_path / "p", strategy)
    near = tried(project, "a near miss", "LR = 0.01", "LR = 0.0099")
    assert near["status"] == "discard"
    assert project.call("checkout", "2").code == 0
    kept = tried(project, "with more width", "WIDTH = 8", "WIDTH = 16")
    assert kept["status"] == "keep"
    answer = finalized(project)
    assert [commit["experiments"] for commit in answer["commits"]] == [[3]]
    message = " ".join(git(project.root, "log", "-1", "--format=%B", BRANCH).split())
    assert "Holds what experiment 2 tried as well" in message
    assert blob(project.root, BRANCH, "train.py") == project.read("train.py").encode()


def test_a_mended_harness_is_not_on_the_branch_and_that_is_said(tmp_path: Path) -> None:
    project = begun(tmp_path / "p")
    assert tried(project, "a higher rate", "LR = 0.01", "LR = 0.02")["status"] == "keep"
    project.edit("1.0 + abs", "1.1 + abs", "prepare.py")
    assert project.ask("rebaseline", "--why", "the loss was wrong").code == 0
    assert tried(project, "wider", "WIDTH = 8", "WIDTH = 16")["status"] == "keep"
    answer = finalized(project)
    assert [commit["experiments"] for commit in answer["commits"]] == [[2], [4]]
    assert git(project.root, "diff", "--name-only", "main", BRANCH) == "train.py"
    assert any("prepare.py" in note for note in answer["notes"]), answer
    told = text_of(project)
    assert "does not hold these files" in told
    assert "the loss was wrong" in told
    first = " ".join(git(project.root, "log", "-1", "--format=%B", f"{BRANCH}^").split())
    assert "Measured before a rebaseline" in first


def test_figures_are_told_by_the_metric_that_was_measured(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.write("train.py", project.read("train.py") + 'print(f"acc: {LR:.3f}")\n')
    project.bind()
    commit_all(project.root)
    project.baseline()
    assert tried(project, "a higher rate", "LR = 0.01", "LR = 0.02")["status"] == "keep"
    project.bind(metric="acc", metric_direction="maximize")
    assert project.ask("rebaseline", "--why", "acc it is")["status"] == "keep"
    assert tried(project, "higher still", "LR = 0.02", "LR = 0.03")["status"] == "keep"
    finalized(project)
    text = text_of(project)
    assert "# acc 0.020 -> 0.030 (not confirmed), higher is better" in text
    assert "`a higher rate`: val_bpb 1.165000 -> 1.155000, " in text
    assert "`higher still`: acc 0.020 -> 0.030, " in text
    messages = git(project.root, "log", "--format=%B", BRANCH)
    assert "val_bpb 1.165000 -> 1.155000" in messages
    assert "val_bpb val_bpb" not in messages


def test_files_that_are_no_longer_editable_stay_as_they_were_measured(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.bind(editable_files=["train.py", "extra.py"])
    project.write("extra.py", "A = 1\n")
    base = commit_all(project.root)
    project.baseline()
    edit = edit_block("extra.py", "A = 1", "A = 2") + edit_block(
        "train.py", "LR = 0.01", "LR = 0.02"
    )
    assert project.ask("try", "both", "--edit", "-", stdin=edit)["status"] == "keep"
    project.bind(editable_files=["train.py"])
    assert project.ask("rebaseline", "--why", "extra is settled").code == 0
    assert tried(project, "wider", "WIDTH = 8", "WIDTH = 16")["status"] == "keep"
    finalized(project)
    assert subjects(project.root, base) == ["both", "wider"]
    assert blob(project.root, BRANCH, "extra.py") == b"A = 2\n"
    assert blob(project.root, BRANCH, "train.py") == project.read("train.py").encode()


# ---- where it is called --------------------------------------------------------------------------


def test_a_project_in_a_subfolder_of_a_worktree_with_head_detached(tmp_path: Path) -> None:
    top = tmp_path / "whole"
    Project(top / "deep" / "p").write("../../README.md", "about\n")
    commit_all(top)
    git(top, "worktree", "add", "-q", "--detach", str(tmp_path / "linked"))
    project = Project.__new__(Project)
    project.root = tmp_path / "linked" / "deep" / "p"
    project.baseline()
    three_ideas(project)
    before = everything(top), everything(tmp_path / "linked")
    finalized(project)
    assert (everything(top), everything(tmp_path / "linked")) == before
    assert git(top, "diff", "--name-only", "main", BRANCH) == "deep/p/train.py"
    assert git(top, "symbolic-ref", "HEAD") == "refs/heads/main"


def test_hooks_signing_and_a_missing_name(tmp_path: Path) -> None:
    project = begun(tmp_path / "p")
    three_ideas(project)
    hooks = project.root / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("reference-transaction", "pre-commit", "post-commit", "commit-msg"):
        (hooks / name).write_text("#!/bin/sh\ntouch ../hook-ran; exit 1\n")
        (hooks / name).chmod(0o755)
    git(project.root, "config", "commit.gpgSign", "true")
    git(project.root, "config", "gpg.program", "/nowhere/gpg")
    answer = finalized(project)
    assert not (tmp_path / "hook-ran").exists()
    notes = " ".join(answer["notes"])
    assert "not signed" in notes
    assert "git knows no name" in notes
    assert git(project.root, "log", "-1", "--format=%an", BRANCH) == "agent-loops"


def test_a_repository_with_sha256(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    git(project.root, "init", "-q", "-b", "main", "--object-format=sha256")
    base = commit_all(project.root)
    assert len(base) == 64
    project.baseline()
    three_ideas(project)
    finalized(project)
    assert subjects(project.root, base) == ["a higher rate", "wider"]


def test_a_submodule_beside_it_stays_and_one_that_holds_editable_files_is_refused(
    tmp_path: Path,
) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "model.py").write_text("LR = 0.01\n")
    commit_all(inner)
    project = Project(tmp_path / "p")
    project.bind(editable_files=["train.py"])
    commit_all(project.root)
    allow = ("-c", "protocol.file.allow=always")
    git(project.root, *allow, "submodule", "add", "-q", str(inner), "lib")
    base = commit_all(project.root, "with a submodule")
    project.baseline()
    three_ideas(project)
    finalized(project)
    assert git(project.root, "ls-tree", BRANCH, "lib") == git(project.root, "ls-tree", base, "lib")
    assert project.call("stop").code == 0
    project.bind(editable_files=["train.py", "lib/model.py"], run_tag="t2")
    project.baseline()
    assert tried(project, "higher", "LR = 0.02", "LR = 0.03")["status"] == "keep"
    answer = refused(project)
    assert "a git repository of its own" in answer["reason"]


def test_an_agent_may_call_it_while_the_campaign_runs(tmp_path: Path) -> None:
    project = begun(tmp_path / "p", "branches")
    three_ideas(project)
    answer = finalized(project, env={"CLAUDECODE": "1", "CLAUDE_CODE_SESSION_ID": "s1"})
    assert answer["branch"] == BRANCH
    assert tried(project, "wider still", "WIDTH = 16", "WIDTH = 32")["status"] == "keep"
    assert git(project.root, "symbolic-ref", "HEAD") == "refs/heads/autoresearch/t1"


def test_it_answers_while_a_campaign_is_stopped(tmp_path: Path) -> None:
    project = begun(tmp_path / "p")
    three_ideas(project)
    assert project.call("stop").code == 0
    finalized(project)


# ---- what is refused -----------------------------------------------------------------------------


def test_a_branch_of_that_name_is_never_moved(tmp_path: Path) -> None:
    project = begun(tmp_path / "p")
    three_ideas(project)
    git(project.root, "branch", BRANCH, "main")
    answer = refused(project)
    assert answer["kind"] == "branch exists"
    assert f"git branch -m {BRANCH} NEW-NAME" in answer["next"]
    assert git(project.root, "rev-parse", BRANCH) == git(project.root, "rev-parse", "main")
    git(project.root, "branch", "-m", BRANCH, f"{BRANCH}/mine")
    assert refused(project)["kind"] == "branch exists"


def test_the_same_again_changes_nothing_and_more_that_was_kept_is_refused(tmp_path: Path) -> None:
    project = begun(tmp_path / "p")
    three_ideas(project)
    first = finalized(project)
    again = finalized(project)
    assert (first["is_new"], again["is_new"]) == (True, False)
    assert again["commit"] == first["commit"]
    assert tried(project, "wider still", "WIDTH = 16", "WIDTH = 32")["status"] == "keep"
    assert refused(project)["kind"] == "branch exists"
    assert git(project.root, "rev-parse", BRANCH) == first["commit"]


def test_without_git_or_a_commit_the_way_by_hand_is_told(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.baseline()
    three_ideas(project)
    answer = refused(project)
    assert "no git repository" in answer["reason"]
    assert "agent-loops checkout 4" in answer["next"]
    commit_all(project.root)
    answer = refused(project)
    assert "nothing was committed" in answer["reason"]
    assert "agent-loops checkout 4" in answer["next"]
    assert "git add train.py" in answer["next"]


def test_where_nothing_was_committed_yet(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    git(project.root, "init", "-q")
    project.baseline()
    three_ideas(project)
    assert "nothing was committed" in refused(project)["reason"]


def test_a_first_commit_that_was_collected(tmp_path: Path) -> None:
    project = begun(tmp_path / "p")
    three_ideas(project)
    base = git(project.root, "rev-parse", "HEAD")
    git(project.root, "commit", "-q", "--amend", "-m", "another")
    git(project.root, "reflog", "expire", "--expire=now", "--all")
    git(project.root, "gc", "-q", "--prune=now")
    answer = refused(project)
    assert base in answer["reason"]
    assert f"git fetch REMOTE {base}" in answer["next"]


def test_where_nothing_was_kept(tmp_path: Path) -> None:
    project = begun(tmp_path / "p")
    assert refused(project)["kind"] == "nothing kept"
    tried(project, "far too high", "LR = 0.01", "LR = 0.9")
    assert refused(project)["kind"] == "nothing kept"
    assert git(project.root, "branch", "--list", "autoresearch/*") == ""


def test_bounds_without_anything_to_bound_are_an_error(tmp_path: Path) -> None:
    project = begun(tmp_path / "p")
    answer = project.call("finalize", "--budget", "2h")
    assert answer.code == 2
    assert "--minimal" in answer.err
    assert project.call("finalize", "--minimal", "--budget", "soon").code == 2


# ---- the text of a pull request -----------------------------------------------------------------


def test_the_text_tells_what_how_on_what_and_what_failed(tmp_path: Path) -> None:
    project = begun(tmp_path / "p")
    three_ideas(project)
    answer = finalized(project)
    assert answer["text"] == os.path.join("sandbox", "t1", "report", "pull-request.md")
    text = text_of(project)
    for part in (
        "# val_bpb 1.165000 -> 1.092500 (not confirmed), lower is better",
        "## What", "experiment 4: `wider`", "## Measured how",
        "train.py", "## On what", "- device: ", "## What was tried and did not help",
        "experiment 3: `far too high`: discard", "## How to reproduce", f"git switch {BRANCH}",
        "Nothing was confirmed",
    ):  # fmt: skip
        assert part in text, text


def test_later_readings_of_the_same_code_do_not_blur_what_decided(tmp_path: Path) -> None:
    noisy = (
        "import pathlib\nLR = 0.01\nruns = pathlib.Path('runs.json')\n"
        "n = int(runs.read_text()) if runs.exists() else 0\nruns.write_text(str(n + 1))\n"
        "print(f'val_bpb: {1.0 + abs(LR - 0.05) - 0.004 * (n > 1):.6f}')\n"
    )
    project = Project(tmp_path / "p", train=noisy)
    commit_all(project.root)
    project.baseline()
    assert tried(project, "higher", "LR = 0.01", "LR = 0.02")["status"] == "keep"
    assert project.ask("try", "again", "--repeat", "2").code == 0
    finalized(project)
    text = text_of(project)
    assert "`higher`: val_bpb 1.040000 -> 1.030000, gain 0.01, 1 run" in text
    assert text.startswith("# val_bpb 1.040000 -> 1.027333 (not confirmed), ")


def test_the_claim_stands_there_word_for_word(tmp_path: Path) -> None:
    project = begun(tmp_path / "p")
    three_ideas(project)
    claim = project.ask("confirm")["sentence"]
    finalized(project)
    assert f"```text\n{claim}\n```" in text_of(project)
    assert text_of(project).startswith("# val_bpb 1.165000 -> 1.092500, lower is better\n")
    assert "not confirmed" not in text_of(project)
    git(project.root, "branch", "-D", BRANCH)
    assert tried(project, "wider still", "WIDTH = 16", "WIDTH = 32")["status"] == "keep"
    finalized(project)
    text = text_of(project)
    assert claim in text
    assert "This was confirmed for experiment 4" in text
    assert "experiment 5, which was not confirmed" in text


def test_a_holdouts_figures_are_in_no_file(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    project.bind(holdout_cmd="echo val_bpb: 86753.09", max_experiments=2)
    commit_all(project.root)
    project.baseline()
    assert tried(project, "a higher rate", "LR = 0.01", "LR = 0.02")["status"] == "keep"
    assert "86753" in project.ask("confirm")["sentence"]
    finalized(project)
    assert "## The claim\n\n```text\n" in text_of(project)
    assert "86753" not in text_of(project)
    assert "86753" not in git(project.root, "log", "--format=%B", BRANCH)


def test_what_an_agent_wrote_is_shown_as_text_and_closes_no_issue(tmp_path: Path) -> None:
    project = begun(tmp_path / "p")
    idea = "# fixes #7: <script>`x`</script> @somebody **bold** \x1b[31m"
    kept = tried(project, idea, "LR = 0.01", "LR = 0.02", "--why", "token ghp_" + "a1B2" * 9)
    assert kept["status"] == "keep"
    finalized(project, env={"MY_API_KEY": "somebody"})
    message = git(project.root, "log", "-1", "--format=%B", BRANCH)
    assert message.startswith("fixes no. 7: <script>")
    assert "ghp_" not in message
    assert "\x1b" not in message
    text = text_of(project)
    assert "``# fixes #7: <script>`x`</script> @[masked] **bold**``" in text
    assert words(Answer(0, text, ""), "ghp_") == ["ghp_"]
