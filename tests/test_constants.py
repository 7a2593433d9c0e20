"""The constants of code: found by name in what a training is written in, and which were changed."""

from __future__ import annotations

import pytest

from agent_loops.exporting import constants, varying

PYTHON = b'''
"""LR = 7"""
LR: float = 1e-3
DEPTH, WIDTH = 2, 2**10
ACTIVATION = nn.GELU
TOGGLED = 1
TOGGLED = 2
config = {"lr": 0.1, "data": {"path": "x/y"}}
config["warmup"] = 5
class Model:
    heads = 4
    def __init__(self):
        self.bias = False
def main(batch=3, *, mode="s"):
    scale = -0.5
    parser.add_argument("--weight-decay", type=float, default=0.3)
    return Adam(p, lr=3e-4)
'''


@pytest.mark.parametrize(
    ("path", "data", "expected"),
    [
        (
            "train.py",
            PYTHON,
            {
                "LR": "0.001", "DEPTH": "2", "WIDTH": "1024", "ACTIVATION": "nn.GELU",
                "config.lr": "0.1", "config.data.path": "x/y", "config.warmup": "5",
                "Model.heads": "4", "Model.bias": "False", "main.batch": "3", "main.mode": "s",
                "main.scale": "-0.5", "weight_decay": "0.3", "Adam.lr": "0.0003",
            },
        ),
        (
            "conf.yaml",
            b"model:\n  depth: 4 # c\n  act: 'ge#lu'\nlr: 1e-3\r\nlayers:\n  - a\n",
            {"model.depth": "4", "model.act": "ge#lu", "lr": "1e-3"},
        ),
        ("conf.toml", b'[optimizer]\nlr = 0.1\n"name" = "sgd"\n',
         {"optimizer.lr": "0.1", "optimizer.name": "sgd"}),
        ("conf.json", b'{"a": {"b": [1, 2], "c": true}}', {"a.b": "[1, 2]", "a.c": "true"}),
        (
            "run.sh",
            b"LR=4 python train.py --lr 0.1 --wd=0.2 --flag --x -3 --name 'a b'\n# --z 3\n",
            {"LR": "4", "lr": "0.1", "wd": "0.2", "x": "-3", "name": "a b"},
        ),
        ("notes.md", b"LR = 3\n", {}),
        ("broken.py", b"LR = (\n", None),
        ("broken.json", b"{", None),
        ("deep.json", b"[" * 100_000, None),
        ("huge.py", b"X = 9**9**9\nY = 1 / 0\nZ = 3\n", {"Z": "3"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_constants_are_found_by_name(
    path: str, data: bytes, expected: dict[str, str] | None
) -> None:
    found = constants.of_file(path, data)
    assert (found and {name: item.text for name, item in found.items()}) == expected


def test_what_changed_in_any_experiment_is_told_of_every_one() -> None:
    experiments = {
        1: {"train.py": b"LR = 0.1\nDEPTH = 2\nWIDTH = 8\n"},
        2: {"train.py": b"LR = 0.2\nDEPTH = 2\nWIDTH = 8\n"},
        3: {"train.py": b"LR = ("},
        4: {"train.py": b"LR = 0.2\nDEPTH = 2\nWIDTH = 8\nWARMUP = 5\nf(a=1)\n"},
    }
    assert varying.of(experiments) == {
        1: {"LR": "0.1"},
        2: {"LR": "0.2"},
        3: {},
        4: {"LR": "0.2", "WARMUP": "5"},
    }


def test_a_later_experiment_renames_no_parameter() -> None:
    first = {1: {"b.py": b"LR = 1\n"}, 2: {"b.py": b"LR = 2\n"}}
    later = {**first, 3: {"a.py": b"LR = 3\n", "b.py": b"LR = 2\n"}}
    assert varying.of(first) == {1: {"LR": "1"}, 2: {"LR": "2"}}
    assert varying.of(later) == {
        1: {"LR": "1"},
        2: {"LR": "2"},
        3: {"LR": "2", "a.py/LR": "3"},
    }
