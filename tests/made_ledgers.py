"""Ledgers of any length as campaigns could have left them, and texts that try to be more.

Made by rule: the same arguments give the same ledger.
"""

from __future__ import annotations

import random

from agent_loops.objective import Direction
from agent_loops.reporting.changes import Change
from agent_loops.reporting.details import Detail
from agent_loops.reporting.ledger import Claim, Ledger, Row

IDEAS = (
    "warm up the learning rate for 200 steps", "no weight decay on embeddings", "GELU, not ReLU",
    "a wider MLP", "label smoothing 0.1", "RoPE in place of learned positions", "batch size 64",
    "remove the second dropout", "cosine schedule to zero", "Muon for the matrices",
    "shuffle by document", "compile the model", "clip gradients at 0.5", "tie the embeddings",
)  # fmt: skip
HOSTILE = (
    "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">",
    "</script></style></textarea><!-- --><b>bold</b>",
    "{{ 7 * 7 }} {% raw %} ${7*7} #{7*7}",
    "$\\frac{1}{ $x_$ \\foo{",
    "\u202egnp.exe\u202c \u2066isolated\u2069 \u200fmarks",
    "\x1b[31mred\x1b[0m \x00 \x07 \x9b31m bell",
    "学習率を上げる 🚀🔥 تجربة שלום",
    "javascript:alert(1) ' \" ` & &amp; &#x3c;",
    "x" * 100_000,
)


def long(
    count: int, *, direction: Direction = Direction.MINIMIZE, seed: int = 7, epochs: int = 1
) -> Ledger:
    """A campaign that gains much at first and ever less, with all kinds of verdicts in it."""
    dice = random.Random(seed)
    sign, rows = direction.sign, []
    level = truth = 1.2 if direction is Direction.MINIMIZE else 0.6
    base, best, epoch = None, None, 0
    for number in range(1, count + 1):
        anew = number > 1 and number in {count * k // epochs + 1 for k in range(1, epochs)}
        epoch += anew
        if number == 1 or anew:
            row = _row(number, "keep", "baseline", level, epoch)._replace(is_baseline=True)
            base = best = number
        else:
            row = _tried(number, dice, level, sign, base, epoch, count)
        if row.status == "keep" and row.gain is not None:
            truth, best, base = truth - sign * row.gain, number, number
            level -= sign * row.gain
        wide = 0.012 / (1 + number / 60)
        rows.append(row._replace(best=level, best_low=level - wide, best_high=level + wide))
    gain = sign * ((rows[0].metric or 0.0) - level)
    return Ledger(
        tag="mar5", metric="val_bpb" if sign > 0 else "accuracy", direction=direction,
        rows=tuple(rows), source="sandbox/mar5", baseline=1, incumbent=best, best=best,
        state="finished", state_reason=f"{count} experiments are done",
        claim=Claim(gain, gain - 0.01, gain + 0.01, 0.998) if count > 1 else None, gain=gain,
        standing="confirmed nothing yet: `agent-loops confirm` (10 runs, about 50.0 min)",
        refused=3, active_s=300.0 * count, began_utc="2026-03-05T22:00:00+00:00",
        ended_utc="2026-03-06T07:00:00+00:00",
        machine={"device": "NVIDIA H100 80GB HBM3", "python": "3.12.4", "torch": "2.6.0"},
        settings={"loop": "karpathy", "run_cmd": "uv run train.py", "keep_rule": "noise-aware"},
    )  # fmt: skip


def _row(number: int, status: str, description: str, metric: float | None, epoch: int) -> Row:
    return Row(
        number, status, description, kind=status, metric=metric, epoch=epoch,
        text="" if metric is None else f"{metric:.6f}",
        readings=() if metric is None else (metric,),
        source="" if metric is None else "evaluated", base=None, runs=1, wall_s=300.0,
        machine_s=300.0, memory_gb=41.2, memory_kind="reported vram", code=f"{number:064x}",
        commit=f"{number:040x}", began_utc="2026-03-05T22:00:00+00:00",
    )  # fmt: skip


def _tried(
    number: int, dice: random.Random, level: float, sign: float, base: int | None, epoch: int,
    count: int,
) -> Row:  # fmt: skip
    luck = dice.random()
    idea = f"{dice.choice(IDEAS)}, variant {number}"
    far = 0.04 / (1 + 12 * number / count)
    if luck < 0.1:
        row = _row(number, "crash", idea, None, epoch)
        reason = dice.choice(("CUDA out of memory (train.py:211)", "exit code 1: loss is NaN"))
        return row._replace(base=base, reason=reason, lines_added=4, lines_removed=1)
    if luck < 0.14:
        row = _row(number, "discard", idea, None, epoch)
        return row._replace(base=base, kind="pruned", reason="hopeless after 120 s", lines_added=2)
    gain = far * dice.random() if luck < 0.14 + 0.3 / (1 + number / 40) else -abs(
        dice.gauss(0, 0.03)) * (60 if luck > 0.985 else 1)  # fmt: skip
    metric = level - sign * (gain + dice.gauss(0, 0.002))
    low, high = gain - 0.004, gain + 0.004
    status = "keep" if gain > 0 else "discard"
    return _row(number, status, idea, metric, epoch)._replace(
        base=base, gain=gain, gain_low=low, gain_high=high, probability=0.93 if gain > 0 else 0.02,
        kind="better" if gain > 0 else "worse", lines_added=6, lines_removed=3, noise=0.002,
        reason=f"gain {gain:.4g}, 90%: {low:.2g} to {high:.2g}",
        why="the loss is still falling when the budget ends", risk="slower steps",
    )  # fmt: skip


def hostile() -> Ledger:
    """Every free text of a ledger is one that tries to be more than text."""
    whole = long(60)
    texts = [*HOSTILE] * 7
    rows = tuple(
        row._replace(
            description=text[:300], why=text[:400], risk=text[:400], reason=text[:400],
            notes=(text[:300],), findings=text[:400], predictions=text[:400], basis=text[:40],
            override_why=text[:400], by_name=text[:40], kind=text[:20],
        )
        for row, text in zip(whole.rows, texts, strict=False)
    )  # fmt: skip
    return whole._replace(
        rows=rows, tag=HOSTILE[0], metric=HOSTILE[2], source=HOSTILE[1], state_reason=HOSTILE[4],
        standing=HOSTILE[0] + " `" + HOSTILE[1] + "`", machine={HOSTILE[0]: HOSTILE[1]},
        settings={"run_cmd": HOSTILE[0]},
    )  # fmt: skip


def detail(number: int) -> Detail:
    """A change of the usual length, and the end of a log."""
    lines = [
        "--- a/train.py", "+++ b/train.py", "@@ -40,12 +40,15 @@ class Block(nn.Module):",
        "     def forward(self, x: torch.Tensor) -> torch.Tensor:",
        *(f"-        x = x + self.attention(self.norm_{k}(x), scale={number})" for k in range(3)),
        *(f"+        x = x + self.gate * self.attention(self.norm_{k}(x), 'n')" for k in range(6)),
        *(f"         y = self.unchanged_{k}(x)  # as it was before" for k in range(6)),
    ]  # fmt: skip
    log = "\n".join(f"step {k * 100} loss {3.2 - k / 9:.4f} | 412 ms" for k in range(8))
    return Detail(Change(tuple(lines), ("train.py",)), log, f"sandbox/mar5/iter{number}/run.log")


def hostile_detail(number: int) -> Detail:
    """A change and a log that try to be more than text."""
    text = HOSTILE[number % len(HOSTILE)]
    lines = ("--- a/train.py", "+++ b/train.py", "@@ -1 +1 @@", f"-{text}", f"+{text}", "+'''")
    return Detail(Change(lines, (text[:50],)), text[:600], text[:60])
