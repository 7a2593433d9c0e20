"""Every state file's name, written once.

Only names: nothing here looks at the disk.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

BINDINGS_NAME = "loop.run.yaml"
STATE_DIR_NAME = ".agent-loops"


class ProjectPaths(NamedTuple):
    """What lies in the project itself."""

    root: Path

    @property
    def bindings(self) -> Path:
        return self.root / BINDINGS_NAME

    @property
    def state_dir(self) -> Path:
        return self.root / STATE_DIR_NAME

    @property
    def active(self) -> Path:
        """Derived pointer to the campaign, for the hooks and for finding it again."""
        return self.state_dir / "active.json"

    @property
    def shim(self) -> Path:
        """Derived script for people's shells that do not have the command on PATH."""
        return self.state_dir / "run"

    @property
    def sessions(self) -> Path:
        """What the hooks remember of the host's sessions."""
        return self.state_dir / "sessions"

    @property
    def watch_lock(self) -> Path:
        return self.state_dir / "watch.lock"

    @property
    def setup_lock(self) -> Path:
        return self.state_dir / "setup.lock"


class CampaignPaths(NamedTuple):
    """What lies in one campaign's folder (`sandbox_root`)."""

    root: Path

    @property
    def journal(self) -> Path:
        return self.root / "journal.jsonl"

    @property
    def torn(self) -> Path:
        """Tails of appends that a kill or a full disk cut off."""
        return self.root / "journal.torn"

    @property
    def belief_cache(self) -> Path:
        return self.root / "belief.cache.json"

    @property
    def fold_cache(self) -> Path:
        """Disposable: the fold of the journal's beginning."""
        return self.root / "fold.cache.json"

    @property
    def lock(self) -> Path:
        """Held for milliseconds around fold-and-append, never across a run."""
        return self.root / "lock"

    @property
    def run_lock(self) -> Path:
        """Held by the supervisor for a run's whole life."""
        return self.root / "run.lock"

    @property
    def results(self) -> Path:
        return self.root / "results.tsv"

    @property
    def papers(self) -> Path:
        """Texts of papers that were read."""
        return self.root / "papers"

    @property
    def corpus(self) -> Path:
        """Derived: what was found in the literature, and what became of it."""
        return self.root / "corpus.tsv"

    @property
    def exports(self) -> Path:
        """Where `export` writes, a folder for each tool, unless the person names another."""
        return self.root / "export"

    @property
    def told(self) -> Path:
        """What the person was notified of already."""
        return self.root / "notified.json"

    @property
    def notify_log(self) -> Path:
        return self.root / "notify.log"

    @property
    def stat_cache(self) -> Path:
        """Disposable: size, times and digest of each harness file when last hashed."""
        return self.root / "harness.cache.json"

    @property
    def device_cache(self) -> Path:
        """Disposable: the GPUs and Pythons of this machine, as last asked for."""
        return self.root / "device.cache.json"

    @property
    def bytecode(self) -> Path:
        """PYTHONPYCACHEPREFIX of the runs."""
        return self.root / "bytecode"

    @property
    def latest(self) -> Path:
        """Empty; its time is the latest that any restored file had."""
        return self.root / "latest"

    @property
    def rescue(self) -> Path:
        return self.root / "rescue"

    def harness(self, epoch: int) -> Path:
        """The frozen harness: paths and digests; a new one with each rebaseline."""
        return self.root / ("harness.json" if epoch == 0 else f"harness-{epoch + 1}.json")

    def experiment(self, number: int) -> Path:
        return self.root / f"iter{number}"

    def snapshot(self, number: int) -> Path:
        return self.experiment(number) / "code_snapshot"

    def manifest(self, number: int) -> Path:
        return self.experiment(number) / "manifest.json"

    def log(self, number: int, run: int) -> Path:
        return self.experiment(number) / _numbered("run", run, ".log")

    def script_log(self, number: int, script: str) -> Path:
        """What a script of the analysis printed."""
        return self.experiment(number) / f"{script.removesuffix('.py')}.log"

    def log_of(self, number: int, run: int, script: str) -> Path:
        """A run's log; `script` names what an analysis ran, "" where it was another run."""
        return self.script_log(number, script) if script else self.log(number, run)

    def eval_log(self, number: int, run: int) -> Path:
        return self.experiment(number) / _numbered("eval", run, ".log")

    def receipt(self, number: int, run: int) -> Path:
        return self.experiment(number) / _numbered("run", run, ".json")

    def prelude_report(self, number: int, run: int) -> Path:
        """Where the prelude's end leaves what it chose, until the receipt holds it."""
        return self.experiment(number) / _numbered("prelude", run, ".txt")

    def analysis(self, number: int) -> Path:
        """The analysis plan, the agent's scripts, and what they write."""
        return self.experiment(number) / "analysis"

    @property
    def analysis_bytecode(self) -> Path:
        """PYTHONPYCACHEPREFIX of analysis scripts: what they compile is not what runs."""
        return self.root / "bytecode-analysis"

    @property
    def approaches(self) -> Path:
        """What was tried by approach, derived: for the step that merges the best of them."""
        return self.root / "approaches.md"

    def curve(self, number: int, run: int) -> Path:
        """What the run printed of its progress, by elapsed seconds."""
        return self.experiment(number) / _numbered("curve", run, ".json")

    @property
    def report(self) -> Path:
        """What the campaign amounts to, for people: derived, and made anew on request."""
        return self.root / "report"

    def table_report(self, table: str) -> Path:
        """The report of another tool's table of that name: beside the campaign's own."""
        return self.report / "tables" / table

    @property
    def pull_request(self) -> Path:
        """The text for a review of what was kept."""
        return self.report / "pull-request.md"

    @property
    def holdout(self) -> Path:
        """What `holdout_cmd` printed, and the figures of it: for the person, not for an agent."""
        return self.root / "holdout"

    def holdout_log(self, number: int, run: int) -> Path:
        return self.holdout / f"iter{number}-run-{run}.log"

    def holdout_claim(self, first_seed: int) -> Path:
        """The whole of a claim on a holdout."""
        return self.holdout / f"claim-{first_seed}.json"

    def results_of(self, number: int) -> Path:
        """What was seen of the run that the analysis rests on, and what was made of it."""
        return self.experiment(number) / "results"

    def run_results(self, number: int, run: int) -> Path:
        """What the probe saw of another run: a warmup, a repeat, one that gave no reading."""
        return self.experiment(number) / f"results-{run}"

    def outputs(self, number: int, run: int) -> Path:
        """`{run_dir}`: a fresh folder for what the run writes."""
        return self.experiment(number) / _numbered("out", run, "")


class ReportPaths(NamedTuple):
    """What lies in a report's folder."""

    root: Path

    @property
    def picture(self) -> Path:
        return self.root / "progress.png"

    @property
    def page(self) -> Path:
        return self.root / "report.html"

    @property
    def analysis(self) -> Path:
        return self.root / "analysis.md"

    @property
    def summary(self) -> Path:
        return self.root / "summary.json"

    @property
    def all(self) -> tuple[Path, ...]:
        return self.page, self.picture, self.analysis, self.summary

    @property
    def lock(self) -> Path:
        """Held while a report is written; holds the digests of what was written."""
        return self.root / ".agent-loops.lock"


def _numbered(stem: str, run: int, suffix: str) -> str:
    return f"{stem}{suffix}" if run == 1 else f"{stem}-{run}{suffix}"
