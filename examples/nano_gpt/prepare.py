"""The harness of nano_gpt: its text, its budget and its score. DO NOT MODIFY.

The text is made here, the same on every machine: eight sources, laid one behind the other as they
would be collected. What makes two runs comparable lives in this file; what may be improved lives in
train.py. `python3 prepare.py` shows a piece of each source.
"""

import math
import os
import random
from collections.abc import Callable

import torch
from torch.nn import functional as F

# Seconds of training by the wall clock; start-up and evaluation come on top.
TIME_BUDGET = float(os.environ.get("NANO_GPT_BUDGET_S", "20"))
# Ends training after so many steps, for comparisons to the last digit. 0: only the time does.
MAX_STEPS = int(os.environ.get("NANO_GPT_STEPS", "0"))
MAX_SEQ_LEN = 64
VOCAB_SIZE = 128
TEXT_BYTES = 480_000
VAL_SHARE = 0.1  # the end of each source
EVAL_ROWS = 320

_NAMES = "anna boris carla dmitri elena felix greta hugo irina jonas katja leon".split()
_THINGS = "lamp river garden engine letter window bridge mirror violin harbour".split()
_DEEDS = "found lost painted carried sold mended watched forgot drew hid".split()
_PLACES = "kitchen station market tower valley museum cellar forest".split()


def _sums(draw: random.Random) -> str:
    a, b = draw.randrange(100), draw.randrange(100)
    return f"{a}+{b}={a + b}\n"


def _series(draw: random.Random) -> str:
    start, step = draw.randrange(50), draw.randrange(1, 9)
    return " ".join(str(start + step * k) for k in range(8)) + "\n"


def _stories(draw: random.Random) -> str:
    who, other = draw.sample(_NAMES, 2)
    thing, place = draw.choice(_THINGS), draw.choice(_PLACES)
    return (
        f"{who.capitalize()} {draw.choice(_DEEDS)} the {thing} in the {place}. {other.capitalize()}"
        f" asked {who.capitalize()} about the {thing}.\n"
    )


def _records(draw: random.Random) -> str:
    return f'{{"name": "{draw.choice(_NAMES)}", "age": {draw.randrange(18, 80)}}}\n'


def _brackets(draw: random.Random) -> str:
    text, open_ = "", []
    for _ in range(24):
        if open_ and draw.random() < 0.5:
            text += open_.pop()
        else:
            kind = draw.choice(("()", "[]", "<>"))
            text += kind[0]
            open_.append(kind[1])
    return text + "".join(reversed(open_)) + "\n"


def _dates(draw: random.Random) -> str:
    day, month = draw.randrange(1, 29), draw.randrange(1, 13)
    year = draw.randrange(1900, 2030)
    return f"{day:02d}.{month:02d}.{year} is {year}-{month:02d}-{day:02d}\n"


def _mirrors(draw: random.Random) -> str:
    word = "".join(draw.choice("abcdefgh") for _ in range(draw.randrange(4, 9)))
    return f"{word}|{word[::-1]}\n"


def _code(draw: random.Random) -> str:
    a, b, c = draw.sample("xyzuvw", 3)
    return f"def {a}({b}):\n    {c} = {b} * {draw.randrange(10)}\n    return {c}\n"


_SOURCES = (_sums, _series, _stories, _records, _brackets, _dates, _mirrors, _code)


def _text_of(source: Callable[[random.Random], str]) -> bytes:
    draw, parts, length = random.Random(source.__name__), [], 0
    while length < TEXT_BYTES // len(_SOURCES):
        parts.append(source(draw))
        length += len(parts[-1])
    return "".join(parts).encode("ascii")


def load() -> tuple[torch.Tensor, torch.Tensor]:
    """Training and validation bytes, each one long tensor of the sources in their order."""
    train, val = bytearray(), bytearray()
    for source in _SOURCES:
        text = _text_of(source)
        split = int(len(text) * (1 - VAL_SHARE))
        train += text[:split]
        val += text[split:]
    return (
        torch.frombuffer(train, dtype=torch.uint8).long(),
        torch.frombuffer(val, dtype=torch.uint8).long(),
    )


def evaluate_bpb(logits_of: Callable[[torch.Tensor], torch.Tensor], val: torch.Tensor) -> float:
    """Bits per byte on rows spread evenly over the held-out text: lower is better.

    `logits_of` takes bytes (rows, MAX_SEQ_LEN) to logits (rows, MAX_SEQ_LEN, VOCAB_SIZE).
    """
    starts = torch.linspace(0, len(val) - MAX_SEQ_LEN - 2, EVAL_ROWS).long()
    rows = torch.stack([val[start : start + MAX_SEQ_LEN + 1] for start in starts.tolist()])
    total = 0.0
    with torch.no_grad():
        for part in rows.split(64):
            logits = logits_of(part[:, :-1])
            loss = F.cross_entropy(logits.flatten(0, 1), part[:, 1:].flatten(), reduction="sum")
            total += float(loss)
    return total / rows[:, 1:].numel() / math.log(2)


if __name__ == "__main__":
    for one in _SOURCES:
        print(f"{one.__name__[1:]}:", _text_of(one)[:60])
