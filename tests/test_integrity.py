"""What defines the measurement is frozen, and every change of it is named."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import pytest

from agent_loops import closure, integrity, scan
from agent_loops.errors import AgentLoopsError, BindingsError
from agent_loops.integrity import Changes, Harness, Scope
from support import PYTHON, Project, commit_all, git

RAW = os.fsdecode(b"caf\xe9.yaml")  # a name that is no UTF-8


class Place:
    """A project's folder, its editable patterns, and its campaign's folder."""

    def __init__(self, root: Path, *editable: str) -> None:
        self.root = root
        self.editable = editable or ("train.py",)
        self.outputs: tuple[str, ...] = ()
        self.cache = root / "sandbox" / "t1" / "harness.cache.json"
        self.cache.parent.mkdir(parents=True)

    @property
    def scope(self) -> Scope:
        skip = (self.root / "sandbox" / "t1",)
        return Scope(self.root, skip, scan.matcher(self.editable), self.outputs)

    def write(self, path: str, data: str | bytes = "x = 1\n") -> Path:
        full = self.root / path
        full.parent.mkdir(parents=True, exist_ok=True)
        full.write_bytes(data if isinstance(data, bytes) else data.encode())
        return full

    def freeze(
        self,
        *commands: str,
        tracked: Collection[str] | None = None,
        readonly: Sequence[str] = (),
    ) -> Harness:
        return integrity.freeze(self.scope, tracked=tracked, readonly=readonly, commands=commands)

    def frozen(self, *commands: str, tracked: Collection[str] | None = None) -> list[str]:
        return sorted(self.freeze(*commands, tracked=tracked).files)

    def check(self, harness: Harness) -> Changes:
        stamps = integrity.Stamps(self.cache)
        changes = integrity.check(harness, self.scope, stamps)
        stamps.save()
        return changes


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "a project\nhere")


# ---- what is harness ---------------------------------------------------------------------------


def test_without_git_all_source_configuration_and_small_data_is_harness(place: Place) -> None:
    harness = [
        "prepare.py", "conf/base.yaml", "data/val.csv", "setup.sh", "native.so", "Makefile",
        "tokens.bin", "a b.py", "naïve.py", "new\nline.py", RAW, "no_suffix",
    ]  # fmt: skip
    for path in [
        *harness, "train.py", "README.md", "LICENSE", "notes.ipynb", "plot.png", "paper.pdf",
        "old.log", "results.tsv", "loop.run.yaml", ".gitignore", ".gitattributes",
        ".github/workflows/ci.yaml", "node_modules/x.js", "__pycache__/prepare.pyc",
        "sandbox/t1/iter1/out/x.py", "docs/index.html",
    ]:  # fmt: skip
        place.write(path)
    assert place.frozen() == sorted(harness)


def test_large_data_is_left_out_and_large_source_is_not(place: Place) -> None:
    large = b"\0" * (integrity.MAX_DATA_BYTES + 1)
    for path in ("corpus.bin", "tables.py", "small.bin"):
        place.write(path, large if path != "small.bin" else large[1:])
    assert place.frozen() == ["small.bin", "tables.py"]


def test_with_git_only_what_is_tracked_or_imported_is_harness(place: Place) -> None:
    for path in ("train.py", "prepare.py", "conf.yaml", "scratch.py", "cache.json"):
        place.write(path)
    place.write("train.py", "import prepare, imported\n")
    place.write("imported.py")
    tracked = ["train.py", "conf.yaml", "README.md", "gone.py"]
    assert place.frozen("python train.py", tracked=tracked) == [
        "conf.yaml", "imported.py", "prepare.py",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("command", "files", "names"),
    [
        pytest.param(
            "python train.py",
            {
                "train.py": "import a\nfrom b.c import d\n",
                "a.py": "",
                "b/__init__.py": "from . import hidden\n",
                "b/c.py": "",
                "b/hidden.py": "",
                "b/other.py": "",
            },
            "train.py a.py b/__init__.py b/c.py b/hidden.py",
            id="imports",
        ),
        pytest.param(
            "uv run ./train.py --x=1 && python evaluate.py",
            {
                "train.py": "",
                "evaluate.py": "import late\n",
                "late.py": "",
            },
            "train.py evaluate.py late.py",
            id="two-commands",
        ),
        pytest.param(
            "python -m pkg.train",
            {
                "pkg/__init__.py": "",
                "pkg/train.py": "from .model import Net\nfrom ..outside import x\n",
                "pkg/model.py": "import top\n",
                "top.py": "",
                "pkg/unused.py": "",
            },
            "pkg/__init__.py pkg/train.py pkg/model.py top.py",
            id="module",
        ),
        pytest.param(
            "python -m pkg",
            {
                "pkg/__init__.py": "",
                "pkg/__main__.py": "import pkg.core\n",
                "pkg/core.py": "",
            },
            "pkg/__init__.py pkg/__main__.py pkg/core.py",
            id="package",
        ),
        pytest.param(
            "PYTHONPATH=src python -m app.run",
            {
                "src/app/__init__.py": "",
                "src/app/run.py": "import app.data, lib\n",
                "src/app/data.py": "",
                "src/lib/__init__.py": "",
                "tests/app/data.py": "",
            },
            "src/app/__init__.py src/app/run.py src/app/data.py src/lib/__init__.py",
            id="src-layout",
        ),
        pytest.param(
            "python src/main.py",
            {
                "src/main.py": "import beside\n",
                "src/beside.py": "",
                "beside.py": "",
            },
            "src/main.py src/beside.py",
            id="beside-the-script",
        ),
        pytest.param(
            "sh run.sh",
            {
                "run.sh": "python train.py\n",
                "train.py": "",
            },
            "run.sh",
            id="shell",
        ),
        pytest.param(
            "python train.py",
            {
                "train.py": "if 1:\n  def f():\n    import lazy\n",
                "lazy.py": "import train, lazy\n",
            },
            "train.py lazy.py",
            id="lazy-and-circular",
        ),
        pytest.param(
            "python train.py",
            {
                "train.py": "import broken, numpy, os\n",
                "broken.py": "def (\n",
            },
            "train.py broken.py",
            id="syntax-error",
        ),
        pytest.param(
            "python 'a b.py' 'open quote",
            {
                "a b.py": "",
            },
            "",
            id="unclosed-quote",
        ),
        pytest.param(
            "python 'a b.py'",
            {
                "a b.py": "import c\n",
                "c.py": "",
            },
            "a b.py c.py",
            id="quoted",
        ),
        pytest.param(
            "python /elsewhere/x.py ../y.py nowhere.py",
            {
                "x.py": "",
            },
            "",
            id="not-ours",
        ),
        pytest.param(
            "cd tools/eval && python score.py; cd ..;python ./more.py",
            {
                "tools/eval/score.py": "import beside\n",
                "tools/eval/beside.py": "",
                "tools/more.py": "",
                "score.py": "",
            },
            "tools/eval/score.py tools/eval/beside.py tools/more.py",
            id="another-folder",
        ),
        pytest.param(
            "bash -lc \"cd tools; exec sh -c 'python score.py'\"",
            {
                "tools/score.py": "",
            },
            "tools/score.py",
            id="a-shell-in-a-shell",
        ),
        pytest.param(
            "python train.py",
            {
                "train.py": "from ns.sub import *\n",
                "ns/sub/__init__.py": "",
                "ns/sub/x.py": "",
            },
            "train.py ns/sub/__init__.py",
            id="namespace-package",
        ),
    ],
)
def test_what_the_commands_import_is_found(
    place: Place, command: str, files: dict[str, str], names: str
) -> None:
    for path, text in files.items():
        place.write(path, text)
    found = closure.import_closure(place.root, [command, ""])
    expected = names.split(" ") if "a b" not in names else ["a b.py", "c.py"]
    assert found == {path for path in expected if path}


@pytest.mark.parametrize("command", ["python score.py", "python now/score.py", "sh -c ./bin"])
def test_links_that_a_command_names_are_frozen_with_what_they_lead_to(
    place: Place, command: str
) -> None:
    place.write("v1/score.py", "import beside\n")
    place.write("v1/beside.py")
    place.write("v2/score.py")
    (place.root / "v1/score.py").chmod(0o755)
    name = "now" if "now" in command else command.split("/")[-1].split(" ")[-1]
    (place.root / name).symlink_to("v1" if name == "now" else "v1/score.py")
    harness = place.freeze(command, tracked=["train.py"])
    if name != "bin":
        assert sorted(harness.files) == sorted([name, "v1/score.py", "v1/beside.py"])
    assert not place.check(harness)
    (place.root / name).unlink()
    (place.root / name).symlink_to("v2" if name == "now" else "v2/score.py")
    assert place.check(harness).changed == (name,)


def test_what_was_not_frozen_is_told(place: Place) -> None:
    for path in ("train.py", "eval.py", "wip.py", "scratch.json"):
        place.write(path)
    harness = place.freeze("python eval.py", tracked=["train.py"])

    def told(eval_cmd: str) -> str:
        return " ".join(integrity.gaps(harness, place.root, ["train.py"], eval_cmd))

    assert "track them: wip.py;" in told("python eval.py")
    assert "eval_cmd" not in told("python eval.py {run_dir}") + told("")
    assert "eval_cmd does not name {run_dir}" in told("python eval.py")
    assert "eval_cmd names no file" in told("python -m lm_eval")
    assert "eval_cmd names no file" in told("python train.py")
    assert integrity.gaps(place.freeze(), place.root, ["train.py"], "") == []


def test_editable_files_are_never_harness(place: Place) -> None:
    place.editable = ("src/**",)
    for path in ("src/a.py", "src/deep/b.yaml", "prepare.py"):
        place.write(path)
    harness = place.freeze("python src/a.py")
    assert sorted(harness.files) == ["prepare.py"]
    place.write("src/new.py")
    assert not place.check(harness)


def test_readonly_files_join_whatever_they_are(place: Place) -> None:
    place.write("README.md")
    place.write("data/corpus.bin", b"\0" * (integrity.MAX_DATA_BYTES + 1))
    place.write("data/more/labels.md")
    place.write("secret.md")
    harness = place.freeze(tracked=[], readonly=["README.md", "data/**"])
    assert sorted(harness.files) == ["README.md", "data/corpus.bin", "data/more/labels.md"]
    for pattern, says in (
        ("nowhere.md", "no such file"), ("none/**", "no such file"), ("train.py", "editable"),
    ):  # fmt: skip
        place.write("train.py")
        with pytest.raises(BindingsError, match=says):
            place.freeze(readonly=[pattern])


def test_links_are_not_followed(place: Place) -> None:
    outside = place.root.parent / "outside"
    outside.mkdir()
    (outside / "deep.py").write_text("x")
    (place.root / "folder").symlink_to(outside)
    (place.root / "link.py").symlink_to(outside / "deep.py")
    (place.root / "loop").symlink_to(place.root)
    harness = place.freeze()
    assert sorted(harness.files) == []
    assert not place.check(harness)


# ---- changed, missing, appeared ----------------------------------------------------------------


def _rewrite(full: Path) -> None:
    full.write_text("x = 2\n")


def _append(full: Path) -> None:
    full.write_text(full.read_text() + "y = 1\n")


def _same_size_and_times(full: Path) -> None:
    before = full.stat()
    full.write_text("x = 2\n")
    os.utime(full, ns=(before.st_atime_ns, before.st_mtime_ns))


def _same_size_and_times_renamed(full: Path) -> None:
    before = full.stat()
    twin = full.with_name("twin.md")
    twin.write_text("x = 2\n")
    os.utime(twin, ns=(before.st_atime_ns, before.st_mtime_ns))
    os.replace(twin, full)


def _link(full: Path) -> None:
    full.rename(full.with_name("same.md"))
    full.symlink_to("same.md")


def _settled(place: Place, harness: Harness) -> None:
    """Checks once its files are older than a tick of the file system's clock."""
    probe = place.root / "probe.md"
    newest = max((place.root / path).lstat().st_ctime_ns for path in harness.files)
    deadline = time.monotonic() + 10
    while True:
        probe.write_text("x")
        if probe.stat().st_ctime_ns > newest:
            break
        assert time.monotonic() < deadline
    assert not place.check(harness)


@pytest.mark.parametrize(
    "change", [_rewrite, _append, _same_size_and_times, _same_size_and_times_renamed, _link]
)
@pytest.mark.parametrize("cached", [True, False])
def test_a_change_is_named(place: Place, change: Callable[[Path], None], *, cached: bool) -> None:
    full = place.write("sub/prepare.py", "x = 1\n")
    place.write("other.py")
    harness = place.freeze()
    if cached:
        _settled(place, harness)
    change(full)
    assert place.check(harness) == Changes(changed=("sub/prepare.py",))
    assert place.check(harness) == Changes(changed=("sub/prepare.py",))


def test_what_is_put_back_is_no_change(place: Place) -> None:
    full = place.write("prepare.py", "x = 1\n")
    harness = place.freeze()
    full.write_text("x = 2\n")
    assert place.check(harness)
    full.unlink()
    assert place.check(harness) == Changes(missing=("prepare.py",))
    full.write_text("x = 1\n")
    assert not place.check(harness)
    os.utime(full)
    assert not place.check(harness)


def test_a_folder_in_place_of_a_file_is_missing_or_changed(place: Place) -> None:
    full = place.write("prepare.py")
    harness = place.freeze()
    full.unlink()
    full.mkdir()
    assert "prepare.py" in place.check(harness).files


def test_a_folder_replaced_by_a_link_to_a_changed_copy_is_noticed(place: Place) -> None:
    place.write("lib/m.py", "x = 1\n")
    harness = place.freeze()
    (place.root / "lib").rename(place.root.parent / "aside")
    other = place.root.parent / "other"
    other.mkdir()
    (other / "m.py").write_text("x = 2\n")
    (place.root / "lib").symlink_to(other)
    assert place.check(harness) == Changes(changed=("lib/m.py",), appeared=("lib",))


@pytest.mark.parametrize(
    "path",
    [
        "helper.py",
        "sub/sitecustomize.py",
        "x.pth",
        "fast.so",
        "run.sh",
        "new.yaml",
        "pyproject.toml",
        "Makefile",
        ".env",
        "k.cu",
        "deep/er/kernel.cpp",
        "lib.pyc",
        "a b.json",
        "new\nline.py",
        RAW,
    ],
)
def test_new_source_and_configuration_appears(place: Place, path: str) -> None:
    place.write("prepare.py")
    harness = place.freeze()
    place.write(path)
    assert place.check(harness) == Changes(appeared=(path,))


@pytest.mark.parametrize(
    "path",
    ["notes.md", "model.pt", "out/plot.png", "loss.csv", "train.log", "sandbox/t1/iter2/out/gen.py",
     ".agent-loops/run", "__pycache__/train.cpython-312.pyc", ".git/hooks/x.py", "loop.run.yaml",
     "train.py", ".claude/settings.json"],
)  # fmt: skip
def test_what_cannot_change_the_measurement_may_appear(place: Place, path: str) -> None:
    place.write("prepare.py")
    harness = place.freeze()
    place.write(path)
    assert not place.check(harness)


def test_bystanders_may_change_and_go_but_not_be_joined(place: Place) -> None:
    scratch = place.write("scratch.py")
    place.write("prepare.py")
    harness = place.freeze(tracked=["prepare.py"])
    scratch.write_text("changed")
    assert not place.check(harness)
    scratch.unlink()
    assert not place.check(harness)
    place.write("scratch2.py")
    assert place.check(harness) == Changes(appeared=("scratch2.py",))


def test_an_environment_that_appears_is_named_once(place: Place) -> None:
    place.write("prepare.py")
    place.write("old env/pyvenv.cfg")
    place.write("old env/lib/x.py")
    harness = place.freeze()
    assert sorted(harness.files) == ["prepare.py"]
    place.write("old env/lib/y.py")
    assert not place.check(harness)
    place.write("tools/env/pyvenv.cfg")
    place.write("tools/env/lib/m.py")
    (place.root / "conda" / "conda-meta").mkdir(parents=True)
    assert place.check(harness) == Changes(appeared=("conda/", "tools/env/"))


@pytest.mark.parametrize("path", ["site-packages/", "lib/site-packages/", "node_modules/"])
def test_a_folder_of_packages_that_appears_is_named_once(place: Place, path: str) -> None:
    place.write("prepare.py")
    harness = place.freeze()
    place.write(f"{path}x.py")
    place.write(f"{path}y/z.py")
    assert place.check(harness) == Changes(appeared=(path,))
    assert not place.check(place.freeze())


def test_a_folder_of_harness_made_to_look_like_an_environment_is_noticed(place: Place) -> None:
    place.write("lib/m.py")
    harness = place.freeze()
    place.write("lib/pyvenv.cfg")
    place.write("lib/hidden.py")
    assert place.check(harness).appeared == ("lib/",)


@pytest.mark.parametrize("target", ["../elsewhere", "prepare.py", "nowhere", "/"])
@pytest.mark.parametrize("name", ["lib", "data.bin", "sub/x.txt"])
def test_a_link_that_appears_is_named(place: Place, target: str, name: str) -> None:
    place.write("prepare.py")
    place.write("sub/y.md")
    harness = place.freeze()
    (place.root / name).symlink_to(target)
    assert place.check(harness) == Changes(appeared=(name,))


# ---- outputs -----------------------------------------------------------------------------------


def test_outputs_of_the_baseline_are_files_and_whole_folders(place: Place) -> None:
    place.write("prepare.py")
    place.write("conf/base.yaml")
    place.write("state.json", "{}")
    place.write("gone.json", "{}")
    harness = place.freeze()
    place.write("state.json", '{"step": 1}')
    (place.root / "gone.json").unlink()
    place.write("runs/1/config.yaml")
    place.write("conf/resolved.yaml")
    place.write("metrics.json")
    changes = place.check(harness)
    outputs, sources = integrity.outputs_of(changes, harness, place.scope)
    assert outputs == ("conf/resolved.yaml", "gone.json", "metrics.json", "runs/", "state.json")
    assert sources == ()
    place.outputs = outputs
    assert not place.check(harness)
    place.write("runs/2/config.yaml")
    place.write("metrics.json", "changed")
    place.write("state.json", "changed")
    assert not place.check(harness)
    place.write("conf/other.yaml")
    place.write("runs.py")
    place.write("metrics.jsonl.py")
    assert place.check(harness).appeared == ("conf/other.yaml", "metrics.jsonl.py", "runs.py")
    place.write("prepare.py", "changed")
    assert place.check(harness).changed == ("prepare.py",)
    assert "state.json" not in place.freeze().files


@pytest.mark.parametrize("tracked", [None, {"train.py", "conf/model/base.yaml"}])
def test_where_earlier_runs_wrote_the_next_may_write_too(
    place: Place, tracked: set[str] | None
) -> None:
    place.write("conf/model/base.yaml")
    place.write("train.py")
    place.write("wandb/run-1/files/config.yaml")
    place.write("outputs/friday/09-00/.hydra/config.yaml")
    harness = place.freeze(tracked=tracked)
    place.write("wandb/run-2/files/config.yaml")
    place.write("outputs/saturday/10-00/.hydra/config.yaml")
    place.write("conf/model/resolved.yaml")
    outputs, _ = integrity.outputs_of(place.check(harness), harness, place.scope)
    assert outputs == ("conf/model/resolved.yaml", "outputs/", "wandb/")
    place.outputs = outputs
    place.write("wandb/run-3/files/config.yaml")
    assert not place.check(harness)
    place.write("conf/model/large.yaml")
    assert place.check(harness).appeared == ("conf/model/large.yaml",)


def test_a_source_file_is_no_output_where_others_are(place: Place) -> None:
    place.write("prepare.py")
    place.write("table.json")
    harness = place.freeze()
    place.write("prepare.py", "changed")
    place.write("table.json", "changed")
    place.write("made.py")
    place.write("model.pth")
    place.write("code/made.py")
    outputs, sources = integrity.outputs_of(place.check(harness), harness, place.scope)
    assert outputs == ("code/", "model.pth", "table.json")
    assert sources == ("made.py", "prepare.py")


def test_a_folder_with_editable_files_is_not_an_output(place: Place) -> None:
    place.editable = ("src/**/*.py",)
    place.write("src/model/net.py")
    harness = place.freeze()
    place.write("src/model/resolved.yaml")
    assert integrity.outputs_of(place.check(harness), harness, place.scope) == (
        ("src/model/resolved.yaml",), (),
    )  # fmt: skip


# ---- records -----------------------------------------------------------------------------------


def test_the_frozen_harness_comes_back_or_is_refused(place: Place) -> None:
    for path in ("prepare.py", RAW, "new\nline.py", "naïve.py"):
        place.write(path)
    (place.root / os.fsdecode(b"li\xffnk")).symlink_to("prepare.py")
    harness = place.freeze()
    saved = place.cache.parent / "harness.json"
    integrity.save(harness, saved)
    assert integrity.load(saved, digest=harness.digest) == harness
    assert not place.check(harness)
    assert not place.check(harness)
    with pytest.raises(AgentLoopsError, match="rebaseline"):
        integrity.load(saved, digest="0" * 64)
    for damage in (b"", b"{", b"[]", b'{"files": 3, "bystanders": []}', b"\xff"):
        saved.write_bytes(damage)
        with pytest.raises(AgentLoopsError, match=r"harness\.json"):
            integrity.load(saved, digest=harness.digest)


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{", b"\xff\xfe", b'{"prepare.py": 3}', b'{"prepare.py": [1]}'],
)
def test_the_cache_is_disposable(place: Place, content: bytes) -> None:
    full = place.write("prepare.py")
    harness = place.freeze()
    assert not place.check(harness)
    place.cache.write_bytes(content)
    assert not place.check(harness)
    full.write_text("changed")
    place.cache.write_bytes(content)
    assert place.check(harness).changed == ("prepare.py",)


def test_changes_are_told_in_one_short_line() -> None:
    changes = Changes(changed=tuple(f"f{n}.py" for n in range(8)), missing=("m.py",))
    assert changes.describe().startswith("changed: f0.py, f1.py, f2.py, f3.py, f4.py and 3 more;")
    assert changes.describe().endswith("; missing: m.py")
    assert "\n" not in Changes(appeared=("new\nline.py",)).describe()


def test_the_lines_that_name_the_metric() -> None:
    tree = {
        "a.py": b"x = 1\nprint(f'val_bpb: {v}')\nval_bpb_old = 2\nmy.val_bpb\n  val_bpb = 1\r\n",
        "b.py": b"\xff val_bpb\n",
    }
    found = integrity.metric_lines(tree, "val_bpb")
    assert sorted((path, number) for (path, _), number in found.items()) == [
        ("a.py", 2), ("a.py", 5), ("b.py", 1),
    ]  # fmt: skip


def test_twenty_thousand_files_are_checked_quickly(place: Place) -> None:
    for folder in range(200):
        (place.root / f"d{folder}").mkdir()
        for number in range(100):
            suffix = ("py", "json", "txt", "png")[number % 4]
            (place.root / f"d{folder}" / f"f{number}.{suffix}").write_bytes(b"%d" % number)
    begin = time.perf_counter()
    harness = place.freeze()
    frozen = time.perf_counter()
    place.check(harness)
    first = time.perf_counter()
    assert not place.check(harness)
    again = time.perf_counter()
    print(
        f"{len(harness.files)} of 20,000 files: frozen {frozen - begin:.2f} s, checked first "
        f"{first - frozen:.2f} s, again {again - first:.2f} s"
    )
    place.write("d150/f0.py", "changed")
    place.write("d150/new.py")
    assert place.check(harness) == Changes(changed=("d150/f0.py",), appeared=("d150/new.py",))


# ---- through the command line ------------------------------------------------------------------

WRITES = """\
import json, os, pathlib
pathlib.Path("runs/last").mkdir(parents=True, exist_ok=True)
pathlib.Path("runs/last/config.yaml").write_text(str(os.getpid()))
pathlib.Path("state.json").write_text(json.dumps({"pid": os.getpid()}))
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "project")
    made.bind(run_cmd="sh train.sh", editable_files=["train.sh"], readonly_files=["prepare.py"])
    (made.root / "train.py").unlink()
    made.write("train.sh", "echo val_bpb: 1.5\n")
    return made


def test_outputs_of_the_baseline_may_change_later(project: Project) -> None:
    project.write("state.json", "{}")
    project.write("write.py", WRITES)
    project.write("train.sh", f"{PYTHON} write.py && echo val_bpb: 1.5\n")
    commit_all(project.root)
    project.baseline()
    assert project.events("run_finished")[0]["outputs"] == ["runs/", "state.json"]
    notes = project.ask("wait")["notes"]
    assert "written by the run, so not frozen: runs/, state.json" in notes
    project.edit("1.5", "1.25", "train.sh")
    assert project.ask("try", "better")["status"] == "keep"


def test_source_among_the_outputs_is_the_runs_own(project: Project) -> None:
    project.write("train.sh", "mkdir -p o/$$; echo x > o/$$/copy.py; echo val_bpb: 1.5\n")
    project.baseline()
    for value in ("1.25", "1.125"):
        project.write("train.sh", project.read("train.sh").replace("1.5", value))
        assert project.ask("try", value)["status"] == "keep"
        project.edit(value, "1.5", "train.sh")
    project.edit("1.5", "1.0", "train.sh")
    project.write("o/mine.json", "{}")
    project.write("o/mine.py", "x = 1\n")
    changed = next((project.root / "o").glob("*/copy.py"))
    changed.write_text("y")
    answer = project.ask("try", "smuggle")
    found = {"o/mine.py", changed.relative_to(project.root).as_posix()}
    assert (answer.code, answer["kind"], set(answer["files"])) == (3, "scope", found)


def test_a_baseline_that_changes_source_is_a_crash_that_names_it(project: Project) -> None:
    project.write("train.sh", "echo '# more' >> prepare.py; echo val_bpb: 1.5\n")
    project.setup()
    answer = project.ask("try", "baseline")
    assert answer["status"] == "crash", answer
    assert "prepare.py" in answer["reason"]


def test_a_baseline_that_writes_source_among_others_is_a_crash_that_names_it(
    project: Project,
) -> None:
    project.write("train.sh", "echo x=1 > made.py; echo val_bpb: 1.5\n")
    project.setup()
    answer = project.ask("try", "baseline")
    assert (answer["status"], "source files among others: made.py" in answer["reason"]) == (
        "crash", True,
    )  # fmt: skip
    assert project.ask("try", "baseline")["files"] == ["made.py"]
    assert project.ask("rebaseline", "--why", "it makes that")["status"] == "keep"


def test_a_mended_baseline_may_not_unfreeze_what_the_first_left_alone(project: Project) -> None:
    project.write("conf.yaml", "steps: 10\n")
    project.write("train.sh", "exit 1\n")
    project.setup()
    assert project.ask("try", "baseline")["status"] == "crash"
    project.write("train.sh", "echo steps: 1 > conf.yaml; echo x > o.json; echo val_bpb: 1.5\n")
    answer = project.ask("try", "baseline")
    assert answer["status"] == "crash"
    assert "conf.yaml" in answer["reason"]
    project.write("conf.yaml", "steps: 10\n")
    project.write("train.sh", "echo x > o.json; echo val_bpb: 1.5\n")
    (project.root / "o.json").unlink()
    assert project.ask("try", "baseline")["status"] == "keep"


def test_a_run_that_brings_source_with_it_does_not_count(project: Project) -> None:
    project.baseline()
    project.write("train.sh", "echo x > sitecustomize.py; echo val_bpb: 1.25\n")
    answer = project.ask("try", "smuggle")
    assert answer["status"] == "crash", answer
    assert "sitecustomize.py" in answer["reason"]


def test_what_git_ignores_is_noticed_and_what_it_does_not_track_is_free(project: Project) -> None:
    project.write(".gitignore", "*.py\n!prepare.py\n")
    commit_all(project.root)
    project.write("scratch.json", "{}")
    project.baseline()
    project.write("scratch.json", "changed")
    project.edit("1.5", "1.25", "train.sh")
    assert project.ask("try", "better")["status"] == "keep"
    project.write("ignored.py", "x")
    project.edit("1.25", "1.125", "train.sh")
    answer = project.ask("try", "more")
    assert (answer.code, answer["kind"], answer["files"]) == (3, "scope", ["ignored.py"])
    assert git(project.root, "status", "--porcelain") == "M train.sh\n?? scratch.json"


def test_setup_tells_what_it_did_not_freeze(project: Project) -> None:
    commit_all(project.root)
    assert project.setup()["notes"] == []
    project.ask("stop")
    project.write("wip.py", "x = 1\n")
    project.bind(run_cmd="sh train.sh", editable_files=["train.sh"], run_tag="t2", eval_cmd="true")
    text = project.call("setup").out
    assert "note: eval_cmd names no file of the project that is frozen" in text
    assert "not frozen, since git does not track them: wip.py;" in text


def test_data_too_large_to_freeze_is_named(place: Place) -> None:
    place.write("train.py")
    place.write("data/small.txt", "1\n")
    place.write("data/large.txt", "1\n" * (1 << 20))
    place.write("data/film.mp4", "1\n" * (1 << 20))
    harness = place.freeze()
    assert "data/large.txt" not in harness.files
    told = integrity.gaps(harness, place.root, ["train.py"], "")
    assert told == [
        "not frozen, since they are larger than 1 MiB: data/large.txt; readonly_files freezes them"
    ]
    assert "data/large.txt" in place.freeze(readonly=["data/large.txt"]).files
