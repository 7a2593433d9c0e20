"""Seeds: found where they stand, refused where nothing else changed, given by the harness."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from agent_loops import reseeding, seeds
from support import PYTHON, Project, edit_block

STATED = """\
torch.manual_seed(1337)                          # torch.manual_seed(1337)
torch.cuda.manual_seed_all(1337)                 # torch.cuda.manual_seed_all(1337)
random.seed(0)                                   # random.seed(0)
np.random.seed(7)                                # np.random.seed(7)
seed(3)                                          # seed(3)
rng = np.random.default_rng(5)                   # np.random.default_rng(5)
rng = np.random.RandomState(5)                   # np.random.RandomState(5)
key = jax.random.PRNGKey(0)                      # jax.random.PRNGKey(0)
key = jax.random.key(0)                          # jax.random.key(0)
rngs = nnx.Rngs(params=1)                        # nnx.Rngs(params=1)
tf.random.set_seed(9)                            # tf.random.set_seed(9)
mx.random.seed(9)                                # mx.random.seed(9)
pl.seed_everything(42, workers=True)             # pl.seed_everything(42, workers=True)
set_seed(11)                                     # set_seed(11)
init_seeds(11)                                   # init_seeds(11)
SEED = 42                                        # SEED = 42
RANDOM_STATE = 42                                # RANDOM_STATE = 42
cfg.seed = 2**31 - 1                             # cfg.seed = 2 ** 31 - 1
cfg["seed"] = 4                                  # cfg['seed'] = 4
os.environ["PYTHONHASHSEED"] = "0"               # os.environ['PYTHONHASHSEED'] = '0'
seed, lr = 42, 1e-3                              # seed = 42
seeds = [1, 2]                                   # seeds = [1, 2]
p.add_argument("--seed", type=int, default=1)    # p.add_argument('--seed', type=int, default=1)
seed = int(os.environ.get("SEED", 5))            # seed = int(os.environ.get('SEED', 5))
forest = Forest(random_state=8)                  # Forest(random_state=8)
def build(seed=6): ...                           # seed=6
g = torch.Generator().manual_seed(2)             # torch.Generator().manual_seed(2)
cfg = {"seed": 4, "lr": 1e-3}                    # 'seed': 4
"""


@pytest.mark.parametrize("line", STATED.splitlines())
def test_a_stated_seed_is_found(line: str) -> None:
    code, _, expected = line.rpartition("  # ")
    found = [seed.text for seed in reseeding.seeds_in("train.py", code.encode())]
    assert found == [expected.strip()]


@pytest.mark.parametrize(
    "code",
    [
        "num_seeds = 5",
        "seeds = 5",
        "seed_text = 'Once upon a time'",
        "seed = 'Once upon a time'",
        "seed_length = 16",
        "seedling = 3",
        "apply(5)",
        "call(7)",
        "hidden = Linear(64)",
        "x = torch.randn(3)",
        "d.key(0)",
        "Generator(3)",
        "import random",
        "deterministic = True",
        "seed = True",
    ],
)
def test_what_is_no_seed_is_not_taken_for_one(code: str) -> None:
    assert reseeding.seeds_in("train.py", code.encode()) == []


TRAIN = """\
import os
import torch
from model import Net

SEED = 1337
LR = 0.01

def main(width=8):
    torch.manual_seed(SEED)
    net = Net(width, seed=3)
    for step in range(10):
        net.step(LR)
    print(net.loss)
"""


def only_seed(before: str, after: str, path: str = "train.py") -> bool:
    return reseeding.is_seed_only({path: before.encode()}, {path: after.encode()})


def changed(*pairs: tuple[str, str]) -> str:
    text = TRAIN
    for old, new in pairs:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


SEED_ONLY = {
    "another constant": [("SEED = 1337", "SEED = 42")],
    "another keyword": [("seed=3", "seed=4")],
    "a keyword dropped": [(", seed=3", "")],
    "several at once": [("SEED = 1337", "SEED = 42"), ("seed=3", "seed=4")],
    "stated where it was named": [("manual_seed(SEED)", "manual_seed(7)")],
    "with a comment and other lines": [("SEED = 1337", "# lucky\n\nSEED = (\n    42\n)")],
    "one more seed": [("    net =", "    torch.cuda.manual_seed_all(7)\n    net =")],
    "one more under a condition": [
        (
            "    net =",
            "    if torch.cuda.is_available():\n        torch.cuda.manual_seed(7)\n    net =",
        )
    ],
    "one more with its import": [
        ("import os\n", "import os\nimport random\n"),
        ("LR = 0.01", "LR = 0.01\nrandom.seed(5)"),
    ],
    "a helper that seeds, and its call": [
        (
            "def main",
            "def seed_all(s):\n    torch.manual_seed(s)\n    random.seed(s)\n\ndef main",
        ),
        ("    net =", "    seed_all(5)\n    net ="),
    ],
    "none at all": [("    torch.manual_seed(SEED)\n", "")],
    "from the clock": [("SEED = 1337", "SEED = int(time.time())")],
    "moved by a rank": [("manual_seed(SEED)", "manual_seed(SEED + rank)")],
}
REAL = {
    "a rate": [("LR = 0.01", "LR = 0.02")],
    "a rate and a seed": [("LR = 0.01", "LR = 0.02"), ("SEED = 1337", "SEED = 42")],
    "another model": [("from model import Net", "from model2 import Net")],
    "another model and a seed": [("from model import", "from m2 import"), ("seed=3", "seed=4")],
    "a width and a seed": [("Net(width, seed=3)", "Net(16, seed=4)")],
    "a default and a seed": [("width=8", "width=16"), ("seed=3", "seed=4")],
    "more steps and a seed": [("range(10)", "range(12)"), ("seed=3", "seed=4")],
    "seeding at every step": [
        ("        net.step(LR)", "        torch.manual_seed(7)\n        net.step(LR)")
    ],
    "determinism and a seed": [
        ("    net =", "    torch.use_deterministic_algorithms(True)\n    net ="),
        ("seed=3", "seed=4"),
    ],
    "a seed that is trained for": [("SEED = 1337", "SEED = best_of(range(10))")],
    "comments alone": [("LR = 0.01", "LR = 0.01  # small")],
    "an import alone": [("import os\n", "import os\nimport random\n")],
    "the seed of the run": [
        ("SEED = 1337", 'SEED = int(os.environ.get("AGENT_LOOPS_SEED", 1337))')
    ],
}


@pytest.mark.parametrize("name", SEED_ONLY)
def test_a_change_of_nothing_but_seeds_is_recognised_both_ways(name: str) -> None:
    after = changed(*SEED_ONLY[name])
    assert only_seed(TRAIN, after)
    assert only_seed(after, TRAIN)


@pytest.mark.parametrize("name", REAL)
def test_a_real_change_is_not_mistaken_for_one_of_seeds(name: str) -> None:
    assert not only_seed(TRAIN, changed(*REAL[name]))


def test_pinning_what_took_the_seed_of_the_run_is_a_change_of_seed() -> None:
    given = changed(("SEED = 1337", 'SEED = int(os.environ.get("AGENT_LOOPS_SEED", 1337))'))
    assert only_seed(given, TRAIN)
    assert only_seed(given, given.replace("1337", "42"))


def test_how_many_seeds_there_are_is_a_real_change() -> None:
    assert only_seed("seeds = [1, 2]\n", "seeds = [3, 4]\n")
    assert not only_seed("seeds = [1, 2]\n", "seeds = [1, 2, 3]\n")


def test_a_helper_of_the_project_that_does_more_than_seed_is_no_seed() -> None:
    helper = (
        "def set_seed(s):\n    torch.manual_seed(s)\n    torch.use_deterministic_algorithms(True)\n"
    )
    assert not only_seed(helper + "train()\n", helper + "set_seed(1)\ntrain()\n")
    assert only_seed(helper + "set_seed(1)\ntrain()\n", helper + "set_seed(2)\ntrain()\n")


@pytest.mark.parametrize(
    ("path", "before", "after", "expected"),
    [
        ("c.yaml", "seed: 1\nlr: 0.1\n", "seed: 2  # lucky\nlr: 0.1\n", True),
        ("c.yaml", "lr: 0.1\n", "# new\nlr: 0.1\nseed: 2\n", True),
        ("c.yaml", "train: {seed: 1, lr: 0.1}\n", "train: {seed: 2, lr: 0.1}\n", True),
        ("c.yaml", "seed: 1\nlr: 0.1\n", "seed: 2\nlr: 0.2\n", False),
        ("c.yaml", "seed: 1\na:\n  b: 1\n", "seed: 2\na:\nb: 1\n", False),
        ("c.yaml", "num_seeds: 1\n", "num_seeds: 2\n", False),
        ("c.yaml", "seed: 0.1\n", "seed: 0.2\n", False),
        ("c.toml", "[run]\nrandom_seed = 1\n", "[run]\nrandom_seed = 2\n", True),
        ("c.ini", "[run]\nseed=1\n; note\n", "[run]\nseed=3\n", True),
        ("c.json", '{\n"lr": 1,\n"seed": 1\n}', '{\n"lr": 1,\n"seed": 2\n}', True),
        ("c.json", '{\n"lr": 1\n}', '{\n"lr": 1,\n"seed": 2\n}', True),
        ("c.json", '{"lr": 1, "seed": 1}', '{"lr": 2, "seed": 1}', False),
        ("run.sh", "python t.py --seed 1 --lr 2\n", "python t.py --seed 5 --lr 2\n", True),
        ("run.sh", "python t.py --seed 1 --lr 2\n", "python t.py --seed 1 --lr 3\n", False),
        ("run.sh", "export SEED=1\npython t.py\n", "export SEED=2\npython t.py\n", True),
        ("t.cc", "srand(42); n = 3;\n", "srand(43); n = 3;\n", True),
        ("t.cc", "srand(42); n = 3;\n", "srand(43); n = 4;\n", False),
        ("t.bin", "\udcff", "\udcfe", False),
        ("broken.py", "SEED = 1\n(", "SEED = 2\n(", False),
    ],
)
def test_other_files_are_read_line_by_line(
    path: str, before: str, after: str, *, expected: bool
) -> None:
    old, new = (text.encode("utf-8", "surrogateescape") for text in (before, after))
    assert reseeding.is_seed_only({path: old}, {path: new}) is expected


def test_several_files_change_nothing_but_seeds_together_or_not_at_all() -> None:
    before = {"a.py": b"SEED = 1\n", "c.yaml": b"seed: 1\nlr: 1\n"}
    assert reseeding.is_seed_only(before, {"a.py": b"SEED = 2\n", "c.yaml": b"seed: 2\nlr: 1\n"})
    assert not reseeding.is_seed_only(
        before, {"a.py": b"SEED = 2\n", "c.yaml": b"seed: 1\nlr: 2\n"}
    )
    assert not reseeding.is_seed_only(before, {**before, "a.py": b"SEED = 2\n", "new.py": b""})
    assert not reseeding.is_seed_only(before, before)


@pytest.mark.parametrize("name", [*SEED_ONLY, "the seed of the run"])
def test_the_cheap_look_misses_no_change_of_a_seed(name: str) -> None:
    after = changed(*(SEED_ONLY | REAL)[name])
    assert seeds.may_concern({"t.py": TRAIN.encode()}, {"t.py": after.encode()})


def test_the_cheap_look_spares_most_ideas_the_parser() -> None:
    after = changed(("LR = 0.01", "LR = 0.02"))
    assert not seeds.may_concern({"t.py": TRAIN.encode()}, {"t.py": after.encode()})


def test_advice_names_three_places_and_leaves_the_split_alone() -> None:
    code = (
        "x, y = train_test_split(data, random_state=42)\nSEED = 5\nrandom.seed(0)\n"
        "np.random.seed(1)\ntorch.manual_seed(2)\n"
    )
    said, mend = reseeding.advice({"train.py": code.encode()}, given=False) or ("", "")
    assert "train.py:3 random.seed(0); train.py:4" in said
    assert "and 1 more" in said
    assert "split" not in said
    assert 'int(os.environ.get("AGENT_LOOPS_SEED", 0))' in mend


@pytest.mark.parametrize(
    "default",
    [
        "time.time_ns() % 2**31",
        "int.from_bytes(os.urandom(4), 'big')",
        "base + 1",
        "random.randint(0, 9)",
    ],
)
def test_a_seed_that_differs_unless_it_is_set_is_not_called_hard_coded(default: str) -> None:
    code = f"random.seed(int(os.environ.get('SEED', {default})))\n"
    assert reseeding.advice({"train.py": code.encode()}, given=False) is None
    assert reseeding.advice({"train.py": code.replace(default, "5").encode()}, given=False)


def test_with_the_seed_of_the_run_only_what_calls_state_outright_is_named() -> None:
    code = b'p.add_argument("--seed", default=1)\nSEED = 5\nnp.random.seed(1)\n'
    assert [seed.text for _, seed in reseeding.hard_coded({"t.py": code}, given=True)] == [
        "np.random.seed(1)"
    ]
    assert reseeding.advice({"t.py": b"SEED = 5\n"}, given=True) is None
    assert "hard-coded" in (reseeding.advice({"t.py": code}, given=True) or ("",))[0]
    data = b"rng = np.random.default_rng(0)\n"
    said, mend = reseeding.advice({"t.py": data}, given=True) or ("", "")
    assert said == "fixed in every run (t.py:1 np.random.default_rng(0))"
    assert "right for what makes the data" in mend


@pytest.mark.parametrize(
    ("command", "expected"),
    [("t.py --seed {seed}", True), ("t.py ${seed}", False), ("t.py $AGENT_LOOPS_SEED", True),
     ("python t.py", False)],
)  # fmt: skip
def test_a_command_takes_the_seed_or_not(command: str, *, expected: bool) -> None:
    assert seeds.is_given(command) is expected


def readings(rho: float, groups: int, each: int, seed: int) -> list[list[tuple[float, float]]]:
    """Pairs of that correlation, each experiment on a level far from the others."""
    draw = random.Random(seed)
    found = []
    for group in range(groups):
        pairs = []
        for _ in range(each):
            shared, own = draw.gauss(0, 1), draw.gauss(0, 1)
            pairs.append((100 * group + shared, rho * shared + (1 - rho * rho) ** 0.5 * own))
        found.append(pairs)
    return found


def test_seeds_are_shared_until_it_is_shown_to_harm() -> None:
    assert seeds.sharing_helps([])
    assert seeds.sharing_helps(readings(-0.99, groups=1, each=7, seed=1))
    assert not seeds.sharing_helps(readings(-0.99, groups=1, each=8, seed=1))
    assert not seeds.sharing_helps(readings(-0.8, groups=6, each=3, seed=1))
    assert seeds.sharing_helps(readings(0.8, groups=6, each=3, seed=1))
    assert seeds.sharing_helps(readings(-0.99, groups=20, each=1, seed=1))  # nothing within
    assert seeds.sharing_helps([[(1.0, 1.0)] * 10])


def test_without_any_correlation_sharing_is_hardly_ever_given_up() -> None:
    given_up = sum(not seeds.sharing_helps(readings(0.0, 4, 5, seed)) for seed in range(400))
    assert given_up / 400 == pytest.approx(0.05, abs=0.03)


def test_levels_of_different_experiments_do_not_count() -> None:
    """Ever better experiments against one reference: across them the correlation would be -1."""
    pairs = [
        [(100.0 - n + a, 50.0 + n + a), (100.0 - n - a, 50.0 + n - a)]
        for n, a in enumerate((0.1, 0.2, 0.3, 0.4, 0.5))
    ]
    assert seeds.sharing_helps(pairs)


SEEDED = """\
import os
import random

random.seed({seed})
LR = 0.5
print("seed", os.environ["AGENT_LOOPS_SEED"])
print(f"val_loss: {{1 + LR + random.random() / 1000:.6f}}")
"""


def campaign(root: Path, seed: str = "1337", **changes: object) -> Project:
    project = Project(root, train=SEEDED.format(seed=seed))
    project.bind(metric="val_loss", **changes)
    return project


def test_a_lucky_seed_is_refused_and_recorded(tmp_path: Path) -> None:
    project = campaign(tmp_path / "p")
    project.baseline()
    edit = edit_block("train.py", "random.seed(1337)", "random.seed(7)")
    answer = project.ask("try", "another initialisation", "--edit", "-", stdin=edit)
    assert (answer.code, answer["kind"]) == (3, "seed only")
    assert "lucky" in answer["reason"]
    assert "--repeat" in answer["next"]
    refused = project.events("refused")
    assert [item["kind"] for item in refused] == ["seed only"]
    assert refused[0]["description"] == "another initialisation"
    again = project.ask("try", "x", "--repeat", "2", "--edit", "-", stdin=edit)
    assert (again.code, again["kind"]) == (3, "seed only")
    assert project.read("train.py") == SEEDED.format(seed="1337")


def test_a_discarded_idea_is_not_tried_again_on_another_seed(tmp_path: Path) -> None:
    project = campaign(tmp_path / "p")
    project.baseline()
    project.edit("LR = 0.5", "LR = 0.6")
    assert project.ask("try", "larger rate")["status"] == "discard"
    project.edit("LR = 0.5", "LR = 0.6")
    project.edit("seed(1337)", "seed(8)")
    answer = project.ask("try", "larger rate, tuned")
    assert (answer.code, answer["kind"]) == (3, "seed only")
    assert "#2" in answer["reason"]
    assert "stays edited until `agent-loops checkout 1`" in answer["next"]


def test_a_real_change_that_touches_a_seed_runs_and_says_so(tmp_path: Path) -> None:
    project = campaign(tmp_path / "p")
    project.baseline()
    project.edit("LR = 0.5", "LR = 0.4")
    project.edit("seed(1337)", "seed(8)")
    answer = project.ask("try", "smaller rate")
    assert answer["status"] == "keep"
    assert any("also changes a seed" in note for note in answer["notes"])


def test_the_seed_of_the_run_may_be_taken_up_within_a_campaign(tmp_path: Path) -> None:
    project = campaign(tmp_path / "p")
    project.baseline()
    project.edit("seed(1337)", 'seed(int(os.environ.get("AGENT_LOOPS_SEED", 1337)))')
    answer = project.ask("try", "take the seed of the run")
    assert answer["status"] in ("keep", "discard")


def test_setup_points_at_hard_coded_seeds(tmp_path: Path) -> None:
    project = campaign(tmp_path / "p")
    answer = project.setup()
    note = next(note for note in answer["notes"] if "hard-coded" in note)
    assert "train.py:4 random.seed(1337)" in note
    assert 'int(os.environ.get("AGENT_LOOPS_SEED", 1337))' in note
    doctor = project.ask("doctor")
    assert "train.py:4 random.seed(1337)" in doctor.out


def test_setup_is_silent_where_the_run_gives_the_seed(tmp_path: Path) -> None:
    read = campaign(tmp_path / "a", 'int(os.environ.get("AGENT_LOOPS_SEED", 1))')
    assert not any("hard-coded" in note for note in read.setup()["notes"])
    given = campaign(tmp_path / "b", "int(sys.argv[1])", run_cmd=f"{PYTHON} train.py {{seed}}")
    assert not any("hard-coded" in note for note in given.setup()["notes"])


def test_by_the_plain_rule_ideas_share_a_seed_and_repeats_do_not(tmp_path: Path) -> None:
    project = campaign(tmp_path / "p", keep_rule="plain")
    project.baseline()
    project.edit("LR = 0.5", "LR = 0.6")
    project.ask("try", "larger rate", "--repeat", "2")
    project.edit("LR = 0.5", "LR = 0.7")
    project.ask("try", "larger still")
    assert [item["seed"] for item in project.events("run_started")] == [1, 1, 2, 1]


def test_noise_aware_every_run_is_a_fresh_draw(tmp_path: Path) -> None:
    project = campaign(tmp_path / "p", keep_rule="noise-aware", compare="single", baseline_runs=1)
    project.baseline()
    project.edit("LR = 0.5", "LR = 0.6")
    project.ask("try", "larger rate", "--repeat", "2")
    project.edit("LR = 0.5", "LR = 0.7")
    project.ask("try", "larger still")
    drawn = [item["seed"] for item in project.events("run_started")]
    assert len(drawn) >= 4
    assert drawn == list(range(1, len(drawn) + 1))
    logs = sorted((project.sandbox / "iter2").glob("run*.log"))
    said = {line for log in logs for line in log.read_text().splitlines() if "seed" in line}
    assert said == {f"seed {n}" for n in drawn[1 : 1 + len(logs)]}  # as the journal has it
