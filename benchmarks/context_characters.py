"""How many characters one experiment puts into an agent's context, beside the plain protocol.

    python benchmarks/context_characters.py [--ideas 20]

The same scripted ideas on the same training script of about 26 KB, in real repositories, by real
commands; half are discarded, some crash. An idea changes two lines at one place. Counted, in
characters, is what the agent sends (a command with its arguments, an edit with its old and new
text) and what comes back into its context (a command's output, the host's answer to an edit). The
first reading of the script, thinking, and the host's own framing of a message are the same for
all and not counted.

Ours is `agent-loops try … --edit -`, one command. The plain protocol is its own list of steps, each
a request of its own, as agents call them: edit, commit, run into a log, grep, after a crash the
log's tail, append a row, and for what is not kept `git reset --hard`. The edit is made

- by the host's Edit tool, as the protocol's agents do. Its answer is one line. A file changed by
  it that changes on disk again, as by the reset, is shown anew by the host: about 8,500 characters,
  measured on Claude Code 2.1.197; this constant and the wording of that one line are all that is
  not measured here. Or
- by a heredoc to `python3 -` in the shell, which causes no such note.

Prints a Markdown table: characters and requests, mean over the ideas. "Beyond the edit" leaves out
the old and the new text of the edit, which every way has to send; the ratio is of that column.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from try_overhead import COMMAND, commit_all

HOST_NOTE = 8_500
EDIT_ANSWER = "The file {path} has been updated successfully."
SCRIPT = "train.py"
BINDINGS = """\
metric: val_bpb
run_cmd: python3 train.py
editable_files: [train.py]
run_tag: bench
"""
RUN = "python3 train.py > run.log 2>&1"
READ = 'grep "^val_bpb:\\|^peak_vram_mb:" run.log'
TAIL = "tail -n 50 run.log"
RECORD = (
    "printf '%s\\t%s\\t%s\\t%s\\t%s\\n' {commit} {metric} {memory} {status} '{idea}' >> results.tsv"
)
COMMIT = "git commit -am '{idea}'"
RESET = "git reset --hard HEAD~1"
BY_SHELL = """\
python3 - <<'EOF'
from pathlib import Path
p = Path('train.py'); s = p.read_text(); old = '''{old}'''
assert s.count(old) == 1
p.write_text(s.replace(old, '''{new}'''))
EOF"""
TRY = "agent-loops try '{idea}' --why '{why}' --wait-s 580 --edit - <<'EDIT'\n{edit}EDIT"
BLOCK = "{path}\n<<<<<<< SEARCH\n{old}\n=======\n{new}\n>>>>>>> REPLACE\n"

HEAD = '''\
"""A training script of the usual size; what it prints depends on two constants."""

import sys

LEARNING_RATE = {rate}  # the step size at the peak of the schedule
WARMDOWN = {warmdown}  # share of the budget in which the rate falls to zero
'''
LAYER = '''

class Block{n}:
    """A layer: attention and a perceptron, with a residual path around each of the two."""

    def __init__(self, width, heads, dropout=0.0):
        self.width, self.heads, self.dropout = width, heads, dropout
        self.scale = (width // max(heads, 1)) ** -0.5

    def forward(self, x):
        x = x + self.attention(self.norm(x)) * self.scale
        return x + self.perceptron(self.norm(x))
'''
TAIL_OF_SCRIPT = """

if __name__ == "__main__":
    for step in range(200):
        print(f"step {step:05d} loss: {3.0 - step / 100:.6f} dt: 12.3ms", end="\\r")
    if LEARNING_RATE < 0:
        raise ValueError(f"learning rate {LEARNING_RATE} is negative")
    print("\\n---")
    print(f"val_bpb:          {1.0 + abs(LEARNING_RATE - 1.0) + WARMDOWN / 100:.6f}")
    print("peak_vram_mb:     45060.2")
"""


@dataclass(frozen=True)
class Idea:
    """One idea; `status` is what comes of it."""

    text: str
    why: str
    status: str
    rate: float
    warmdown: float


@dataclass
class Spent:
    """What one experiment has cost so far, in characters and requests."""

    edit: int = 0
    sent: int = 0
    answered: int = 0
    requests: int = 0

    @property
    def beyond_edit(self) -> int:
        return self.sent + self.answered - self.edit


def ideas(count: int) -> Iterator[Idea]:
    """Half discarded, one in ten a crash, the rest kept; each kept one is better by a little."""
    kept = 0
    for n in range(count):
        status = "crash" if n % 10 == 7 else "keep" if n % 2 == 0 else "discard"
        kept += status == "keep"
        rate = {"keep": 0.02 + kept * 1e-3, "discard": 0.01, "crash": -0.01}[status]
        text = f"schedule: peak rate {rate:.4f}, a longer warmdown, number {n}"
        yield Idea(text, "the loss is still falling at the end", status, rate, 0.5 + n / 1000)


def constants(rate: float, warmdown: float) -> str:
    """The two lines that an idea changes."""
    lines = HEAD.format(rate=f"{rate:.4f}", warmdown=f"{warmdown:.3f}").splitlines()
    return "\n".join(line for line in lines if line.startswith(("LEARNING", "WARMDOWN")))


def make(folder: Path) -> None:
    """The project, committed."""
    folder.mkdir(parents=True)
    layers = "".join(LAYER.format(n=n) for n in range(61))
    head = HEAD.format(rate="0.0100", warmdown="0.400")
    (folder / SCRIPT).write_text(head + layers + TAIL_OF_SCRIPT)
    (folder / ".gitignore").write_text("results.tsv\nrun.log\n")
    (folder / "loop.run.yaml").write_text(BINDINGS)
    commit_all(folder)


def call(folder: Path, command: str, spent: Spent) -> str:
    """One command of the agent's, with everything that it answers."""
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, check=False,
    )  # fmt: skip
    spent.requests += 1
    spent.sent += len(command)
    spent.answered += len(done.stdout)
    return done.stdout


def by_agent_loops(folder: Path, count: int) -> Iterator[Spent]:
    program = subprocess.list2cmdline(COMMAND)
    for words in ("setup", "try baseline"):
        call(folder, f"{program} {words}", Spent())
    old = constants(0.01, 0.4)
    for idea in ideas(count):
        new, spent = constants(idea.rate, idea.warmdown), Spent()
        edit = BLOCK.format(path=SCRIPT, old=old, new=new)
        typed = TRY.format(idea=idea.text, why=idea.why, edit=edit)
        said = call(folder, typed.replace("agent-loops", program, 1), spent)
        assert f" {idea.status} " in said.splitlines()[0], said
        spent.sent += len("agent-loops") - len(program)  # the agent types its name
        spent.edit = len(old) + len(new)
        old = new if idea.status == "keep" else old
        yield spent


def by_protocol(folder: Path, count: int, *, edit_tool: bool) -> Iterator[Spent]:
    old = constants(0.01, 0.4)
    for idea in ideas(count):
        new, spent = constants(idea.rate, idea.warmdown), Spent()
        spent.edit = len(old) + len(new)
        if edit_tool:
            path = folder / SCRIPT
            path.write_text(path.read_text().replace(old, new))
            spent.requests += 1
            spent.sent += len(str(path)) + spent.edit
            spent.answered += len(EDIT_ANSWER.format(path=path))
        else:
            call(folder, BY_SHELL.format(old=old, new=new), spent)
        call(folder, COMMIT.format(idea=idea.text), spent)
        call(folder, RUN, spent)
        printed = dict(line.split(":") for line in call(folder, READ, spent).splitlines())
        if not printed:
            call(folder, TAIL, spent)
        kept = idea.status == "keep"
        metric, memory = printed.get("val_bpb", "0.000000"), printed.get("peak_vram_mb", "0.0")
        record = RECORD.format(
            commit="a1b2c3d", metric=metric.strip(), memory=memory.strip(), status=idea.status,
            idea=idea.text,
        )  # fmt: skip
        call(folder, record, spent)
        if kept:
            old = new
        else:
            call(folder, RESET, spent)
            spent.answered += HOST_NOTE if edit_tool else 0
        yield spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ideas", type=int, default=20)
    count = parser.parse_args().ideas
    with tempfile.TemporaryDirectory() as temporary:
        folders = [Path(temporary, name) for name in ("ours", "tool", "shell")]
        for folder in folders:
            make(folder)
        size = (folders[0] / SCRIPT).stat().st_size
        found = {
            "`agent-loops try --edit -`": list(by_agent_loops(folders[0], count)),
            "plain protocol, Edit tool": list(by_protocol(folders[1], count, edit_tool=True)),
            "plain protocol, shell alone": list(by_protocol(folders[2], count, edit_tool=False)),
        }
    print(f"| characters an experiment ({count} ideas, {size} bytes) | requests | sent ", end="")
    print("| answered | of these the edit | beyond the edit | ratio |")
    print("|---|---|---|---|---|---|---|")
    reference = _mean(next(iter(found.values())), "beyond_edit")
    for name, all_spent in found.items():
        names = ("sent", "answered", "edit", "beyond_edit")
        cells = [f"{_mean(all_spent, 'requests'):.1f}"]
        cells += [f"{_mean(all_spent, field):.0f}" for field in names]
        cells.append(f"{_mean(all_spent, 'beyond_edit') / reference:.1f}")
        print(f"| {name} | {' | '.join(cells)} |")


def _mean(all_spent: list[Spent], name: str) -> float:
    return statistics.fmean(getattr(spent, name) for spent in all_spent)


if __name__ == "__main__":
    main()
