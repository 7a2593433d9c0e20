"""How many characters one experiment puts into an agent's context, beside the plain protocol.

    python benchmarks/context_characters.py [--ideas 20] [--client 2.1.329]

The same scripted ideas on the same training script of about 26 KB, in real repositories, played
by a scripted model in the real Claude Code client, which is installed from the npm registry where
it is missing; half are discarded, some crash. An idea changes two lines at one place. Counted is
what reaches the model, in characters, from the first idea to the last: what the agent writes (the
arguments of its calls), what is answered (their results), and what the client and hooks add of
their own. The first reading of the script, thinking, and the skill's text are not counted.

Ours is `agent-loops try … --edit -`, one command, with the plugin and its hooks. The plain
protocol is its own list of steps, each a request of its own, as agents call them: edit, commit,
run into a log, grep, after a crash the log's tail, append a row, and for what is not kept `git
reset --hard`. Its edit is made by the client's Edit tool, or by a heredoc to `python3 -` in the
shell.

Prints a Markdown table: means over the ideas. "Beyond the edit" leaves out the old and the new
text of the edit, which every way has to send; the ratio is of that column. A second table has the
size of each skill as it is loaded.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import re
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from try_overhead import ROOT, commit_all

sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/e2e")]

import client
from client import Host
from model import Model, Request, Turn, bash, pieces, say, use
from network import Network

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
    """What the ideas have cost together, in characters and requests."""

    edit: int = 0
    sent: int = 0
    answered: int = 0
    added: int = 0
    requests: int = 0

    @property
    def beyond_edit(self) -> int:
        return self.sent + self.answered + self.added - self.edit

    def count(self, request: Request) -> None:
        """What came since the model's last answer."""
        self.requests += 1
        fresh = itertools.takewhile(
            lambda message: message["role"] != "assistant", reversed(request.messages)
        )
        for message in fresh:
            for kind, text in pieces(message["content"]):
                if kind == "tool_result":
                    self.answered += len(text)
                else:
                    self.added += len(text)


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


Play = Generator[Turn, Request, None]


def by_agent_loops(folder: Path, count: int, spent: Spent) -> Play:
    yield bash("agent-loops setup")
    yield use("Read", file_path=str(folder / SCRIPT))
    request = yield bash("agent-loops try baseline --wait-s 60")
    old = constants(0.01, 0.4)
    for idea in ideas(count):
        new = constants(idea.rate, idea.warmdown)
        edit = BLOCK.format(path=SCRIPT, old=old, new=new)
        spent.edit += len(old) + len(new)
        command = TRY.format(idea=idea.text, why=idea.why, edit=edit)
        request = yield from _counted(bash(command), spent)
        assert f" {idea.status} " in request.last, request.last
        old = new if idea.status == "keep" else old


def by_protocol(folder: Path, count: int, spent: Spent, *, edit_tool: bool) -> Play:
    yield use("Read", file_path=str(folder / SCRIPT))
    old = constants(0.01, 0.4)
    for idea in ideas(count):
        new = constants(idea.rate, idea.warmdown)
        spent.edit += len(old) + len(new)
        edit = bash(BY_SHELL.format(old=old, new=new))
        if edit_tool:
            path = str(folder / SCRIPT)
            edit = use("Edit", file_path=path, old_string=old, new_string=new)
        for step in (edit, bash(COMMIT.format(idea=idea.text)), bash(RUN)):
            yield from _counted(step, spent)
        request = yield from _counted(bash(READ), spent)
        found = re.findall(r"^(val_bpb|peak_vram_mb): +(\S+)", request.last, re.MULTILINE)
        printed = dict(found)
        if not printed:
            yield from _counted(bash(TAIL), spent)
        record = RECORD.format(
            commit="a1b2c3d", metric=printed.get("val_bpb", "0.000000"),
            memory=printed.get("peak_vram_mb", "0.0"), status=idea.status, idea=idea.text,
        )  # fmt: skip
        yield from _counted(bash(record), spent)
        if idea.status == "keep":
            old = new
        else:
            yield from _counted(bash(RESET), spent)


def _counted(turn: Turn, spent: Spent) -> Generator[Turn, Request, Request]:
    (call,) = turn.calls
    spent.sent += sum(len(str(value)) for value in call.input.values())
    request = yield turn
    spent.count(request)
    return request


def play(host: Host, folder: Path, script: Callable[[Spent], Play], prompt: str) -> Spent:
    spent = Spent()
    with Model(host.network, lambda _: script(spent)) as model:
        # The plain protocol has no hook that allows its commands.
        host.run(folder, model, prompt, "--allowedTools", "Bash", "Edit", "Read")
    return spent


def sizes(host: Host, folder: Path) -> Iterator[tuple[str, int]]:
    """Each skill and the characters that it puts into the context as it is loaded."""
    for path in sorted((ROOT / "skills").glob("*/SKILL.md")):
        prompt = f"/agent-loops:{path.parent.name}"
        with Model(host.network, [say("seen")]) as model:
            host.run(folder, model, prompt)
        message = next(item for item in model.main[0].messages if prompt in str(item["content"]))
        texts = [text for _, text in pieces(message["content"])]
        yield path.parent.name, max(map(len, texts))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ideas", type=int, default=20)
    parser.add_argument("--client", default=client.VERSION, help="version of Claude Code")
    arguments = parser.parse_args()
    count = arguments.ideas
    with tempfile.TemporaryDirectory() as temporary, contextlib.closing(Network()) as network:
        home, bare = Path(temporary, "home"), Path(temporary, "bare home")
        plugin = client.copy_tracked(Path(temporary, "plugin"))
        program, cache = client.install(arguments.client), client.build_engine(plugin)
        for folder in (home, bare):
            folder.mkdir()
        ours, plain = (Host(program, network, folder, cache, plugin) for folder in (home, bare))
        ours.install_plugin(plugin)
        ways: dict[str, tuple[Host, Callable[[Path, Spent], Play], str]] = {
            "`agent-loops try --edit -`": (
                ours, lambda at, spent: by_agent_loops(at, count, spent), "/agent-loops:karpathy",
            ),
            "plain protocol, Edit tool": (
                plain, lambda at, spent: by_protocol(at, count, spent, edit_tool=True), "go on",
            ),
            "plain protocol, shell alone": (
                plain, lambda at, spent: by_protocol(at, count, spent, edit_tool=False), "go on",
            ),
        }  # fmt: skip
        found: dict[str, Spent] = {}
        for n, (name, (host, script, prompt)) in enumerate(ways.items()):
            folder = Path(temporary, f"project {n}")
            make(folder)
            size = (folder / SCRIPT).stat().st_size
            found[name] = play(host, folder, partial(script, folder), prompt)
        loaded = list(sizes(ours, Path(temporary, "project 0")))
    print(f"| characters an experiment ({count} ideas, {size} bytes) | requests | written ", end="")
    print("| answered | added | of these the edit | beyond the edit | ratio |")
    print("|---|---|---|---|---|---|---|---|")
    reference = next(iter(found.values())).beyond_edit
    for name, spent in found.items():
        fields = (spent.sent, spent.answered, spent.added, spent.edit, spent.beyond_edit)
        cells = [f"{spent.requests / count:.1f}", *(f"{field / count:.0f}" for field in fields)]
        print(f"| {name} | {' | '.join(cells)} | {spent.beyond_edit / reference:.1f} |")
    print("\n| skill | characters as loaded |\n|---|---|")
    for name, length in loaded:
        print(f"| {name} | {length} |")


if __name__ == "__main__":
    main()
