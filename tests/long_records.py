"""A campaign with as many experiments as a test wants, in a second: real records, made longer.

The first two experiments are real ones; the others are copies of the second with words, verdicts,
figures and saved files of their own, as the program itself would have written them.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from agent_loops import snapshots
from agent_loops.paths import CampaignPaths
from agent_loops.snapshots import FileState
from support import Project, edit_block


class Tried(NamedTuple):
    """One experiment: its words, what became of it, and the train.py that it was."""

    description: str
    verdict: str = "discard"
    gain: float = -0.5
    train: str = ""
    crash: str = "ValueError: no such shape"


def begun(project: Project) -> Project:
    """A campaign with its baseline and one discard."""
    project.baseline()
    block = edit_block("train.py", "LR = 0.01", "LR = 0.009")
    assert project.ask("try", "LR 0.01 to 0.009", "--edit", "-", stdin=block).code == 0
    return project


def lengthen(project: Project, ideas: Sequence[Tried]) -> None:
    """Appends the experiments to the record, with their snapshots."""
    records = project.journal()
    first = next(at for at, item in enumerate(records) if item.get("experiment") == 2)
    pattern, seq, base = records[first:], records[-1]["seq"], 1
    paths = CampaignPaths(project.sandbox)
    incumbent = {"train.py": FileState(project.read("train.py").encode(), 0o644)}
    lines = []
    for number, idea in enumerate(ideas, start=3):
        text = idea.train or f"{project.read('train.py')}# {number}\n"
        tree = {"train.py": FileState(text.encode(), 0o644)}
        code = snapshots.save(
            tree, code=paths.snapshot(number), manifest=paths.manifest(number), before=incumbent
        )
        for record in pattern:
            seq += 1
            changes = _changes(record, idea, number, base, code)
            lines.append(json.dumps({**record, "seq": seq, "experiment": number, **changes}))
        if idea.verdict == "keep":
            base, incumbent = number, tree
    with (project.sandbox / "journal.jsonl").open("a") as stream:
        stream.write("".join(f"{line}\n" for line in lines))


def _changes(
    record: dict[str, Any], idea: Tried, number: int, base: int, code: str
) -> dict[str, Any]:
    crashed = idea.verdict == "crash"
    value = 1.0 + number / 1000
    match record["event"]:
        case "experiment_started":
            return {"description": idea.description, "base": base, "code": code, "idea": ""}
        case "run_finished" if crashed:
            crash = {"crash_kind": "idea", "crash_reason": idea.crash}
            return {"value": None, "value_text": "", "exit_code": 1, **crash}
        case "run_finished":
            return {"value": value, "value_text": f"{value:.6f}"}
        case "decided" if crashed:
            gone = {"metric": None, "metric_text": "", "delta": None}
            return {"verdict": "crash", "kind": "idea", "reason": idea.crash, **gone}
        case "decided":
            kind = "better" if idea.verdict == "keep" else "worse"
            return {
                "verdict": idea.verdict, "kind": kind, "reason": f"{abs(idea.gain):g} {kind}",
                "metric": value, "metric_text": f"{value:.6f}", "delta": idea.gain,
            }  # fmt: skip
    return {}


# --- ideas as agents have them -------------------------------------------------------------------

_PARAMETERS = (
    "LEARNING_RATE WEIGHT_DECAY WARMUP WARMDOWN DEPTH WIDTH HEADS BATCH DROPOUT BETA1 BETA2 EPS "
    "CLIP SOFTCAP MOMENTUM INIT_SCALE EMBED_LR HEAD_LR WINDOW EMA"
).split()
_PARTS = (
    "attention rotary embedding residual gate activation normalization loss tokenizer sampler "
    "optimizer scheduler head projection"
).split()
_TWISTS = (
    "shared tied per-layer learned low-rank sparse grouped doubled sinusoidal stochastic "
    "orthogonal cached bounded mirrored frozen"
).split()
_REASONS = ("", " - the curve still falls at the end", " (hypothesis: less noise in each step)")


def realistic(count: int) -> Iterator[Tried]:
    """Ideas as a long night has them: six of ten set a parameter, one of nine is kept."""
    changed = itertools.cycle(itertools.product(_TWISTS, _PARTS))
    incumbent: tuple[dict[str, float], list[str]] = (dict.fromkeys(_PARAMETERS, 0.5), [])
    for n in range(count):
        values, layers = dict(incumbent[0]), list(incumbent[1])
        verdict = "keep" if n % 9 == 4 else "crash" if n % 23 == 7 else "discard"
        gain = 0.02 if verdict == "keep" else (-0.001 if n % 11 == 0 else -0.3)
        reason = _REASONS[n % len(_REASONS)]
        crash = ("ValueError: shapes differ", "out of memory", "timed out after 5 min")[n % 3]
        if n % 10 < 6:
            name = _PARAMETERS[n * 7 % len(_PARAMETERS)]
            values[name] = round(0.001 * (1 + n * 37 % 499), 3)
            words = f"another {name.lower().replace('_', ' ')}{reason}"
        else:
            twist, part = next(changed)
            words = f"{twist} {part}, another way{reason}"
            layers += [f"model = build({twist!r})", f"x = {part}(model)"]
        train = "\n".join([*(f"{name} = {value}" for name, value in values.items()), *layers, ""])
        yield Tried(words, verdict, gain, train, crash)
        if verdict == "keep":
            incumbent = (values, layers)
