"""What frameworks print for a script that never prints itself: Keras, Trainer, Lightning.

Only what their default output shows; a callback or a verbosity set elsewhere is not followed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent_loops.inference.printing import Output
from agent_loops.inference.survey import Survey
from agent_loops.inference.templates import Hole, Line

_KERAS_NAMES = {"acc": "accuracy", "mean_squared_error": "mse", "mean_absolute_error": "mae"}


def outputs_of(survey: Survey, files: Sequence[str]) -> list[Output]:
    """The lines that the frameworks of these files print of themselves."""
    found: list[Output] = []
    texts = {path: survey.text(path) for path in files if path.endswith(".py")}
    whole = "\n".join(texts.values())
    for path, text in texts.items():
        if re.search(r"\bkeras\b", text) and ".fit(" in text:
            found += _keras(path, text)
        if re.search(r"compute_metrics|eval_dataset", text) and re.search(r"Trainer\(", text):
            found += _trainer(path, text)
        if re.search(r"\b(?:trainer|self\.trainer)\.(?:test|validate)\(", text):
            found += _lightning(survey, path, text, files)
        if (
            re.search(r"\bstable_baselines3\b|\.learn\(\s*(?:total_timesteps|\d)", text)
            and "EvalCallback" in whole
        ):
            found.append(
                _line(
                    path,
                    text,
                    "EvalCallback" if "EvalCallback" in text else ".learn(",
                    "Eval num_timesteps=",
                    "episode_reward",
                    "stable-baselines3",
                )
            )
    return found


def _number(text: str, needle: str) -> int:
    at = text.find(needle)
    return text.count("\n", 0, at) + 1 if at >= 0 else 1


def _line(path: str, text: str, needle: str, head: str, name: str, tool: str) -> Output:
    line: Line = (
        (head, Hole("n"), f", {name}=", Hole(name, ".2f"))
        if head
        else (f"{name}: ", Hole(name, ".4f"))
    )
    return Output(path, _number(text, needle), line, via="framework", tool=tool, depth=1)


def _keras(path: str, text: str) -> list[Output]:
    """`loss: 0.1 - accuracy: 0.9 - val_loss: 0.2 - val_accuracy: 0.8`, once an epoch."""
    if re.search(r"\.fit\([^)]*verbose\s*=\s*(?:0|False)", text, re.DOTALL):
        return []
    match = re.search(r"\.compile\([^)]*?metrics\s*=\s*\[([^\]]*)\]", text, re.DOTALL)
    names = ["loss"]
    for word in re.findall(r"[\"']([\w]+)[\"']|metrics\.(\w+)\(", match[1] if match else ""):
        name = word[0] or re.sub(r"(?<=[a-z])(?=[A-Z])", "_", word[1]).lower()
        names.append(_KERAS_NAMES.get(name, name))
    if re.search(r"validation_(?:data|split)", text):
        names += [f"val_{name}" for name in names]
    pieces: list[str | Hole] = ["938/938 - 3s 2ms/step"]
    for name in names:
        pieces += [f" - {name}: ", Hole(name, ".4f")]
    return [
        Output(path, _number(text, ".fit("), tuple(pieces), via="framework", tool="Keras", depth=1)
    ]


def _trainer(path: str, text: str) -> list[Output]:
    """`***** eval metrics *****` and below it `eval_accuracy = 0.86`, as all_results.json too.

    Where the script does not ask for that, the evaluations' own `{'eval_loss': 0.83, …}`.
    """
    names = ["loss"]
    for body in re.findall(r"(?s)def compute_metrics\(.*?\n(?=\S|    def |\Z)", text):
        names += re.findall(r"[\"'](\w+)[\"']\s*:", body) + re.findall(
            r"\[[\"'](\w+)[\"']\]\s*=", body
        )
    if re.search(r"(?:evaluate\.)?load(?:_metric)?\(\s*[\"'](?:accuracy|glue|xnli)", text):
        names.append("accuracy")
    for name in re.findall(
        r"evaluate\.load\(\s*[\"'](f1|wer|cer|rouge|sacrebleu|bleu|seqeval|squad|mse|perplexity)",
        text,
    ):
        names.append(
            {"sacrebleu": "bleu", "seqeval": "f1", "squad": "f1", "rouge": "rougeL"}.get(name, name)
        )
    if re.search(r"[\"']perplexity[\"']\]\s*=", text):
        names.append("perplexity")
    at = (
        _number(text, "trainer.evaluate(")
        if "trainer.evaluate(" in text
        else _number(text, "Trainer(")
    )
    return [
        Output(
            path,
            at,
            (f"  {prefix}_{name} {' ' * 8}= ", Hole(name, ".4f"))
            if "log_metrics(" in text
            else ("{", f"'{prefix}_{name}': ", Hole(name), ", 'epoch': ", Hole("epoch"), "}"),
            via="framework",
            where="evaluate",
            tool="Trainer",
            depth=0,
        )
        for name in dict.fromkeys(names)
        for prefix in ("eval",)
    ]


def _lightning(survey: Survey, path: str, text: str, files: Sequence[str]) -> list[Output]:
    """The table that `trainer.test` and `trainer.validate` print at the end."""
    stage = "test" if re.search(r"trainer\.test\(", text) else "val"
    names: dict[str, None] = {}
    for file in files:
        for literal in re.findall(r"self\.log\(\s*f?[\"']([^\"']+)[\"']", survey.text(file)):
            name = re.sub(r"\{[^}]*\}", stage, literal)
            if stage in name:
                names.setdefault(name)
    return [
        Output(
            path,
            _number(text, f"trainer.{'test' if stage == 'test' else 'validate'}("),
            (f"│  {name}  │  ", Hole(name), "  │"),
            via="framework",
            tool="Lightning",
            depth=0,
        )
        for name in names
    ]
