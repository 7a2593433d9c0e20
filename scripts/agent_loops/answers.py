"""What `try`, `wait` and the person's commands answer: a JSON object, or at most five lines.

Only words things: every figure comes from the campaign.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from agent_loops import decide, display, events
from agent_loops.experiments import Experiment
from agent_loops.state import Campaign, local_clock

SCHEMA = 1
_LONGEST_TEXT = 590  # characters: what one experiment may put into an agent's context
_LONGEST_HEAD = 300
_SHORTEST_HEAD = 80
_LONGEST_FILES = 200
_SHORTEST_NOTES = 60
_SHORTEST_LINE = 80
_FEWEST_DIGITS = 4  # a microsecond benchmark's 0.000003 would say nothing
_VERDICT_KEYS = (
    "schema experiment status kind reason metric source incumbent best delta gain wall_s "
    "elapsed_s timeout_s memory_gb memory_kind commit lines_added lines_removed description log "
    "notes next"
).split()
_COMPARED = ("better", "worse", "equal")  # the figures say it all


MOST_BYTES = 1536
"""What is printed of an analysis, with the line's end."""


class Answer(NamedTuple):
    """One answer. `values` is the JSON object, `lines` the short text."""

    values: Mapping[str, Any]
    lines: Sequence[str]
    notes: tuple[str, ...] = ()

    def text(self) -> str:
        return "\n".join(line for line in self.lines if line)


def size(lines: Sequence[str]) -> int:
    """Bytes of the lines as they are printed."""
    return sum(len(line.encode("utf-8", "replace")) + 1 for line in lines if line)


def fitting(lines: Sequence[str], most_bytes: int) -> list[str]:
    """The lines, the longest of them cut so far that all have room."""
    widest = max((size([line]) for line in lines), default=0)
    while size(lines) > most_bytes and widest > _SHORTEST_LINE:
        widest -= _SHORTEST_LINE // 4
        lines = [display.cut_bytes(line, widest) for line in lines]
    return list(lines)


def verdict(
    campaign: Campaign,
    experiment: Experiment,
    *,
    log: str,
    next_step: str,
    status: str = "",
    elapsed_s: float | None = None,
    timeout_s: float | None = None,
    notes: Sequence[str] = (),
) -> Answer:
    """The answer about one experiment, decided or still running."""
    decided = experiment.decided
    status = status or experiment.verdict
    reading = experiment.last_reading if status != decide.CRASH else None
    finished = reading or experiment.last_finished
    kind = decided.kind if decided else ""
    reason = decided.reason if decided else ""
    if experiment.override_why and decided and experiment.verdict != decided.verdict:
        kind, reason = "override", experiment.override_why
    if status == "running":
        kind, reason = "", ""
    told = _unique([*_of_analysis(experiment), *experiment.notes, *notes])
    values: dict[str, Any] = {
        "schema": SCHEMA,
        "experiment": experiment.number,
        "status": status,
        "kind": kind,
        "reason": reason,
        "metric": decided.metric if decided and status != "running" else None,
        "source": reading.source if reading else "",
        "incumbent": place(campaign, campaign.incumbent),
        "best": place(campaign, campaign.best),
        "delta": decided.delta if decided and status != "running" else None,
        "gain": _gain_of(decided) if decided and status != "running" else None,
        "wall_s": _rounded(finished.wall_s if finished else None),
        "elapsed_s": _rounded(elapsed_s if elapsed_s is not None
                              else finished.elapsed_s if finished else None),
        "timeout_s": timeout_s,
        "memory_gb": _rounded(finished.memory_gb if finished else None),
        "memory_kind": finished.memory_kind if finished else "",
        "commit": experiment.commit or experiment.started.commit,
        "lines_added": experiment.started.lines_added,
        "lines_removed": experiment.started.lines_removed,
        "description": experiment.started.description,
        "log": log,
        "notes": told,
        "next": next_step,
    }  # fmt: skip
    return Answer(values, _verdict_lines(campaign, experiment, values))


def _of_analysis(experiment: Experiment) -> list[str]:
    """What became of the predictions, and what the plan lacks."""
    analysed = experiment.analysed
    if analysed is None:
        return []
    lacks = []
    if analysed.missing:
        from agent_loops import plans  # of the analysis-first loop alone

        lacks = [f"analysis lacks {plans.lacking(analysed.missing, len(experiment.plan))}"]
    return [analysed.predictions, *lacks, *analysed.notes]


def _compared(values: Mapping[str, Any]) -> str:
    compared = f"{_gain(values['delta'])} than the incumbent had"
    return compared if values["kind"] in _COMPARED else f"{compared}; {values['reason']}"


def _gain_of(decided: events.Decided) -> dict[str, float | int | None] | None:
    """What the noise-aware rule makes of the readings; None under the plain rule."""
    if decided.gain is None:
        return None
    return {
        "gain": decided.gain, "low": decided.gain_low, "high": decided.gain_high,
        "probability": decided.probability, "worse": decided.worse, "noise": decided.noise,
        "readings": decided.readings,
    }  # fmt: skip


def _verdict_lines(
    campaign: Campaign, experiment: Experiment, values: Mapping[str, Any]
) -> list[str]:
    head = [f"#{experiment.number} {values['status']}"]
    if values["status"] == "running" and values["timeout_s"] is None:
        head = [f"#{experiment.number} waits for its next run"]
    elif values["status"] == "running":
        head.append(
            f"for {duration(values['elapsed_s'])} of at most {duration(values['timeout_s'])}"
        )
    elif values["status"] == decide.CRASH:
        head.append(f"({values['kind']}) {values['reason']}")
    elif experiment.decided is not None:
        head.append(_figures(campaign, experiment, values))
    if values["status"] not in ("running", decide.CRASH):
        if values["memory_gb"] is not None:
            head.append(memory(values["memory_gb"]))
        if values["wall_s"] is not None:
            head.append(duration(values["wall_s"]))
        head.append(f"+{values['lines_added']} -{values['lines_removed']} lines")
    lines = [
        display.cut("  ".join(head), _LONGEST_HEAD),
        _standing(campaign, experiment) if values["status"] != "running" else "",
        "",
        f"log: {values['log']}" if values["status"] == decide.CRASH and values["log"] else "",
        f"next: {values['next']}" if values["next"] else "",
    ]
    if values["notes"]:
        # The notes get what the others leave.
        room = _LONGEST_TEXT - sum(len(line) + 1 for line in lines)
        lines[2] = display.cut("note: " + "; ".join(values["notes"]), max(room, _SHORTEST_NOTES))
    return _fitted(lines)


def _figures(campaign: Campaign, experiment: Experiment, values: Mapping[str, Any]) -> str:
    """The metric and how it compares; the reason alone where there is none."""
    decided, said = experiment.decided, str(values["reason"])
    if decided is None or values["metric"] is None:
        return said
    if values["delta"] is not None and decided.gain is None:
        said = _compared(values)  # by the plain rule; the other's reason tells the gain
    text = decided.metric_text
    text += f", mean of {decided.readings}" if decided.readings > 1 else ""
    return f"{campaign.metric_name(experiment)} {text} ({said})"


def _standing(campaign: Campaign, experiment: Experiment) -> str:
    """What the verdict means for the incumbent, in one line."""
    incumbent, best = campaign.incumbent, campaign.best
    if incumbent is None:
        return "no baseline yet"
    if incumbent.number == experiment.number:
        line = "is the incumbent now"
    else:
        stays = "stays" if experiment.number == len(campaign.experiments) else "is now"
        line = f"incumbent {stays} {_placed(campaign, incumbent)}"
    if best is not None and best.number != incumbent.number:
        line += f"; best is {_placed(campaign, best)}"
    return line


def _placed(campaign: Campaign, experiment: Experiment) -> str:
    text = figures(campaign, experiment)
    return f"#{experiment.number} " + (f"({text})" if ", " in text else text)


def figures(campaign: Campaign, experiment: Experiment) -> str:
    """Its metric; what was read beside what it is taken to be, where these differ."""
    read, taken = read_text(campaign, experiment), metric_text(campaign, experiment)
    return taken if read == taken else f"read {read}, estimated {taken}"


def place(campaign: Campaign, experiment: Experiment | None) -> dict[str, Any] | None:
    """An experiment's number and estimated metric; None where that was another metric."""
    if experiment is None:
        return None
    same = campaign.metric_name(experiment) == campaign.bindings.metric
    return {
        "experiment": experiment.number,
        "metric": campaign.estimate_of(experiment) if same else None,
    }


def refused(kind: str, reason: str, *, next_step: str, files: Sequence[str] = ()) -> Answer:
    """The answer where nothing was run; it has every key that a verdict has."""
    values = {
        **dict.fromkeys(_VERDICT_KEYS), "schema": SCHEMA, "status": "refused", "kind": kind,
        "reason": reason, "files": list(files), "notes": [], "next": next_step,
    }  # fmt: skip
    shown = [display.clean(path, 200) for path in files]
    unnamed = [path for path in shown if path not in reason][:5]
    listed = display.cut(f"files: {', '.join(unnamed)}", _LONGEST_FILES) if unnamed else ""
    if kind != "edit":  # which shows lines of a file
        reason = display.one_line(reason)
    lines = [f"refused ({kind}): {reason}", listed, f"next: {next_step}"]
    return Answer(values, _fitted(lines))


def failed(status: str, reason: str) -> Answer:
    """The answer where a command failed (`usage` or `failed`), with every key of a verdict."""
    values: dict[str, Any] = {
        **dict.fromkeys(_VERDICT_KEYS), "schema": SCHEMA, "status": status, "kind": status,
        "reason": reason, "notes": [],
        "next": "do what the reason names, then run the same command again",
    }  # fmt: skip
    return Answer(values, ())


def _fitted(lines: list[str]) -> list[str]:
    """The lines with the first one cut, so that all of them are no longer than they may be."""
    first, *others = lines
    room = _LONGEST_TEXT - sum(len(line) + 1 for line in others if line)
    return [display.cut(first, max(room, _SHORTEST_HEAD)), *others]


def metric_text(campaign: Campaign, experiment: Experiment) -> str:
    """The estimated metric in words, with its name where that is not the present one."""
    return _metric_text(campaign, experiment, campaign.estimate_of(experiment))


def read_text(campaign: Campaign, experiment: Experiment) -> str:
    """The same for the metric as it was read, the mean of all readings."""
    return _metric_text(campaign, experiment, campaign.metric_of(experiment))


def figure(campaign: Campaign, experiment: Experiment) -> str:
    """`read_text` without a name, whatever the metric was."""
    return _figure(experiment, campaign.metric_of(experiment))


def _metric_text(campaign: Campaign, experiment: Experiment, metric: float | None) -> str:
    text, name = _figure(experiment, metric), campaign.metric_name(experiment)
    return text if not text or name == campaign.bindings.metric else f"{name} {text}"


def _figure(experiment: Experiment, metric: float | None) -> str:
    reading = experiment.last_reading
    if metric is None:
        return ""
    return format_metric(metric, [reading.value_text] if reading else [])


def format_metric(value: float, texts: Sequence[str]) -> str:
    """A value at the precision of the readings it stands for."""
    if len(texts) == 1 and _is_value(texts[0], value):
        return texts[0]
    digits = max(
        (len(text.rpartition(".")[2]) for text in texts if _has_plain_digits(text)), default=6
    )
    shown = f"{value:.{min(digits, 12)}f}"
    significant = len(shown.strip("-0.").replace(".", ""))
    return shown if significant >= _FEWEST_DIGITS or not value else f"{value:.7g}"


def _is_value(text: str, value: float) -> bool:
    try:
        return float(text) == value
    except ValueError:
        return False


def _has_plain_digits(text: str) -> bool:
    return "." in text and text.rpartition(".")[2].isdigit()


def _gain(gain: float) -> str:
    return f"{abs(gain):.4g} {'better' if gain > 0 else 'worse'}" if gain else "no better"


def memory(gb: float) -> str:
    """Gigabytes in the unit that reads best."""
    return f"{gb:.1f} GB" if gb >= 1 else f"{gb * 1024:.0f} MB"


def end_in_words(campaign: Campaign, now: datetime) -> str:
    """When the clock ends the campaign, `07:30 tomorrow, in 9.5 h`; empty where it does not."""
    if not campaign.end_utc:
        return ""
    left = (datetime.fromisoformat(campaign.end_utc) - now).total_seconds()
    return f"{local_clock(campaign.end_utc, now)}, in {duration(left)}" if left > 0 else ""


def duration(seconds: float | None) -> str:
    """Seconds in the unit that reads best."""
    if seconds is None:
        return "?"
    if seconds < 90:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _unique(items: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(item for item in items if item))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
