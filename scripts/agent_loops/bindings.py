"""Reads loop.run.yaml into checked, resolved bindings; the only importer of yaml.

Looks at no other file: whether an editable file exists is for `snapshots` to say.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from datetime import date, datetime, timedelta, timezone
from typing import Any, Literal, NamedTuple, cast

from agent_loops.errors import BindingsError, UsageError
from agent_loops.objective import Direction, MetricSpec
from agent_loops.paths import BINDINGS_NAME

BUILT_IN_METRICS = ("wall_s", "memory_gb")
EXTRA_COLUMNS = ("duration_s", "analysis_summary", "literature_basis")
_COLUMNS = ("commit", "iter", "status", "description", *EXTRA_COLUMNS)

_UNIT_SECONDS = {
    "s": 1.0, "sec": 1.0, "second": 1.0,
    "m": 60.0, "min": 60.0, "minute": 60.0,
    "h": 3600.0, "hour": 3600.0,
    "d": 86400.0, "day": 86400.0,
}  # fmt: skip
_MOST_RUNS = 100
_CLOCK = re.compile(r"(?:[01]?\d|2[0-3]):[0-5]\d")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


ANALYSIS_FIRST = "ml-autoresearch"
"""The loop in which an idea rests on what was seen inside the model."""


class Budget(NamedTuple):
    """What one training run may use: `amount` is seconds for "time", a count for "epochs"."""

    kind: Literal["time", "epochs", "none"]
    amount: float = 0.0

    @property
    def placeholder(self) -> str:
        """The text of `{budget}`: seconds or epochs, without a unit; empty without a budget."""
        return f"{self.amount:g}" if self.kind != "none" else ""


class Slack(NamedTuple):
    """How much longer than the baseline a run may take before it is over budget."""

    share: float
    at_least_s: float

    def limit_s(self, baseline_wall_s: float) -> float:
        """The longest wall time, in seconds, that still counts as within budget."""
        return baseline_wall_s + max(self.share * baseline_wall_s, self.at_least_s)


class Tolerance(NamedTuple):
    """How much worse than the best an overridden keep may be: of |best|, or in metric units."""

    amount: float
    relative: bool

    def of(self, best: float) -> float:
        return abs(best) * self.amount if self.relative else self.amount


class Explore(NamedTuple):
    """How widely is searched: so many swings after the baseline, and no more exploits in a row."""

    swings: int = 3
    stagnation: int = 3


class Guard(NamedTuple):
    """A printed number that must hold for a keep; a bound may be `baseline`, its own number there.

    `pattern` is as for the metric; without one the guard's name is looked for.
    """

    name: str
    pattern: str | None = None
    minimum: float | Literal["baseline"] | None = None
    maximum: float | Literal["baseline"] | None = None

    def broken(self, value: float | None, baseline: float | None) -> str:
        """Why the value does not hold; empty where it does."""
        if value is None:
            return f"{self.name}: not printed"
        for bound, word in ((self.minimum, "under"), (self.maximum, "over")):
            limit = baseline if bound == "baseline" else bound
            if limit is None:
                continue
            if (value < limit) if word == "under" else (value > limit):
                return f"{self.name} {value:g} is {word} {limit:g}"
        return ""


class Bindings(NamedTuple):
    """One campaign's resolved bindings. Durations in seconds, sizes as named.

    `baseline_runs` is None where the length of a run decides; `confirm_s` is the time that is set
    aside before `stop_at` for `agent-loops confirm`, None where it does not run by itself.
    """

    metric: str
    run_cmd: str
    editable_files: tuple[str, ...]
    run_tag: str
    sandbox_root: str
    loop: str = "karpathy"
    metric_direction: str = "minimize"
    metric_pattern: str | None = None
    metric_file: str | None = None
    metric_key: str | None = None
    metric_pick: Literal["last", "best"] = "last"
    metric_reduce: Literal["none", "mean", "median"] = "none"
    eval_cmd: str = ""
    prelude: str = ""
    cleanup_cmd: str = ""
    checks_cmd: str = ""
    notify_cmd: str = ""
    readonly_files: tuple[str, ...] = ()
    locked: tuple[str, ...] = ()
    guards: tuple[Guard, ...] = ()
    program: str | None = None
    iter_strategy: Literal["snapshots", "branches"] = "snapshots"
    budget: Budget = Budget("time", 300.0)
    budget_slack: Slack | None = Slack(0.3, 30.0)
    timeout_s: float | None = None
    max_experiments: int | None = None
    stop_after_s: float | None = None
    stop_at: str | None = None
    target: float | None = None
    memory_limit_gb: float | None = None
    log_limit_mb: float = 1024.0
    keep_outputs: Literal["best", "kept", "all", "none"] = "best"
    keep_rule: Literal["plain", "noise-aware"] = "noise-aware"
    baseline_runs: int | None = None
    warmup_runs: int = 0
    runs: int = 1
    compare: Literal["single", "paired"] = "single"
    prune: Literal["safe", "off"] = "safe"
    probe: Literal["", "auto", "off"] = ""
    holdout_cmd: str = ""
    confirm_s: float | None = None
    literature: str = "off"
    analysis_timeout_s: float = 120.0
    explore: Explore | None = None
    override_tolerance: Tolerance = Tolerance(0.001, relative=True)
    ledger_columns: tuple[str, ...] = ()

    @property
    def direction(self) -> Direction:
        return Direction(self.metric_direction)

    @property
    def is_probed(self) -> bool:
        """Whether runs are looked into: asked for, or the loop reasons about what happened."""
        return self.probe == "auto" or (not self.probe and self.loop == ANALYSIS_FIRST)

    @property
    def metric_source(self) -> str:
        """Who says what the metric is: the supervisor, `eval_cmd`, or the code that is edited."""
        if self.metric in ("wall_s", "memory_gb"):
            return "measured"
        return "evaluated" if self.eval_cmd else "self-reported"

    @property
    def metric_spec(self) -> MetricSpec:
        return MetricSpec(
            name=self.metric,
            direction=self.direction,
            pattern=self.metric_pattern,
            pick=self.metric_pick,
            reduce=self.metric_reduce,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values, as frozen in `campaign_started`."""
        return cast("dict[str, Any]", _plain(self))

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Bindings:
        """The inverse of `to_json`; fields added since then take their defaults."""
        known = set(cls._fields)
        fields = {key: item for key, item in value.items() if key in known}
        for key in ("editable_files", "readonly_files", "locked", "ledger_columns"):
            fields[key] = tuple(fields.get(key, ()))
        fields["guards"] = tuple(Guard(**guard) for guard in fields.get("guards", ()))
        fields["budget"] = Budget(**fields["budget"])
        if fields.get("budget_slack"):
            fields["budget_slack"] = Slack(**fields["budget_slack"])
        if fields.get("explore"):
            fields["explore"] = Explore(**fields["explore"])
        fields["override_tolerance"] = Tolerance(**fields["override_tolerance"])
        return cls(**fields)


# What no reading depends on: limits, bookkeeping, rules that judge readings, words to the person.
UNMEASURED = frozenset(
    "max_experiments stop_after_s stop_at target timeout_s log_limit_mb memory_limit_gb "
    "budget_slack keep_outputs override_tolerance ledger_columns program literature "
    "notify_cmd prune holdout_cmd confirm_s loop explore analysis_timeout_s".split()
)


def differing(before: Bindings, after: Bindings) -> set[str]:
    """The fields in which the two differ."""
    return {name for name in Bindings._fields if getattr(before, name) != getattr(after, name)}


def fixed_keys_in(changed: Collection[str], after: Bindings) -> list[str]:
    """Those of the changed fields that name the campaign itself; a default that follows is none."""
    fixed = [name for name in ("run_tag", "sandbox_root", "iter_strategy") if name in changed]
    if "run_tag" in fixed and after.sandbox_root == f"./sandbox/{after.run_tag}":
        return [name for name in fixed if name != "sandbox_root"]
    return fixed


def _plain(value: object) -> object:
    if isinstance(value, (Bindings, Budget, Explore, Guard, Slack, Tolerance)):
        value = value._asdict()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def tag_of_day(day: date) -> str:
    """The default run tag, e.g. `mar5`: English months whatever the locale."""
    return f"{_MONTHS[day.month - 1]}{day.day}"


def parse(text: str, *, default_tag: str, default_rule: str = "noise-aware") -> Bindings:
    """Checks and resolves the bindings.

    Args:
        text: the content of loop.run.yaml.
        default_tag: the run tag where the file names none.
        default_rule: the keep rule where the file names none: a campaign goes on by its own.

    Raises:
        UsageError: not YAML, or not a mapping.
        BindingsError: one key is unknown, missing, or has a wrong value.
    """
    raw = _load_yaml(text)
    _rename_aliases(raw)
    for key, value in raw.items():
        given = "" if value is None else value
        if key not in _FIELDS:
            from difflib import get_close_matches

            near = get_close_matches(key, _FIELDS, n=1)
            hint = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(_FIELDS)}"
            raise BindingsError(key, given, f"unknown key; {hint}")
    for key in ("metric", "run_cmd", "editable_files"):
        if raw.get(key) is None:
            raise BindingsError(key, None, "required, e.g. `" + _EXAMPLES[key] + "`")
    fields: dict[str, Any] = {}
    for key, value in raw.items():
        if value is not None:
            name, convert = _FIELDS[key]
            fields[name] = convert(key, value)
    fields.setdefault("run_tag", default_tag)
    fields.setdefault("keep_rule", default_rule)
    root = fields.setdefault("sandbox_root", "./sandbox/<run_tag>")
    fields["sandbox_root"] = root.replace("<run_tag>", fields["run_tag"])
    bindings = Bindings(**fields)
    _check_together(bindings, raw)
    return bindings


def _check_together(bindings: Bindings, raw: Mapping[str, Any]) -> None:
    if bindings.budget.kind != "time" and bindings.timeout_s is None:
        raise BindingsError(
            "timeout_minutes", None, f"required with budget {raw.get('budget')!r}: when is it hung?"
        )
    from agent_loops.metric import compile_pattern

    try:
        compile_pattern(bindings.metric_spec)
    except ValueError as error:
        raise BindingsError("metric_pattern", bindings.metric_pattern, str(error)) from error
    if bindings.explore is not None and bindings.loop == "karpathy":
        raise BindingsError("explore", raw["explore"], "only with `loop: ml-autoresearch`")
    if bindings.metric_key is not None and bindings.metric_file is None:
        raise BindingsError("metric_key", bindings.metric_key, "only together with metric_file")
    reads_one = bindings.metric_reduce == "none" and bindings.metric_pick == "last"
    if reads_one and "*" in (bindings.metric_key or "").split("."):
        raise BindingsError(
            "metric_key", bindings.metric_key,
            "one value, or several by `*` with `metric_reduce: mean` or `median`",
        )  # fmt: skip
    if bindings.metric_file is not None and bindings.eval_cmd:
        raise BindingsError(
            "metric_file", bindings.metric_file,
            "not with eval_cmd, whose log is the only source (it may end in `&& cat scores.json`)",
        )  # fmt: skip
    if bindings.metric in BUILT_IN_METRICS and bindings.metric_file is not None:
        raise BindingsError("metric_file", bindings.metric_file, "not with a built-in metric")


def _load_yaml(text: str) -> dict[str, Any]:
    import yaml

    try:
        value = yaml.load(text, Loader=_loader())
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{BINDINGS_NAME}:{mark.line + 1}" if mark else BINDINGS_NAME
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise UsageError(f"{place}: not YAML: {problem}") from error
    if not isinstance(value, dict):
        raise UsageError(f"{BINDINGS_NAME}: must be `key: value` lines, e.g. `metric: val_bpb`")
    return {str(key): item for key, item in value.items()}


def _loader() -> type[Any]:
    """A safe loader without YAML 1.1's surprises.

    `off` and `no` stay words, `22:30` and `010` stay text instead of base sixty and eight, `1e-3`
    is a number, and a key given twice is an error.
    """
    import yaml

    class Loader(yaml.SafeLoader):
        yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - yaml's own interface

        def construct_mapping(  # the boolean is yaml's interface
            self,
            node: Any,
            deep: bool = False,  # noqa: FBT001, FBT002
        ) -> dict[Any, Any]:
            seen: set[str] = set()
            for key, _ in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    raise yaml.constructor.ConstructorError(
                        None, None, "a key is one word", key.start_mark
                    )
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"`{key.value}` is given twice", key.start_mark
                    )
                seen.add(key.value)
            return cast("dict[Any, Any]", super().construct_mapping(node, deep=deep))

    for tag, pattern, first in (
        ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
        ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
        ("int", r"^[-+]?(?:0|[1-9][0-9]{0,99})$", list("-+0123456789")),
        ("float", r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$",
         list("-+.0123456789")),
    ):  # fmt: skip
        Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), first)
    return Loader


def _rename_aliases(raw: dict[str, Any]) -> None:
    """Reads the older names that the protocol documents use."""
    if "entrypoint" in raw:
        value = raw.pop("entrypoint")
        if raw.setdefault("run_cmd", value) != value:
            raise BindingsError("entrypoint", value, "another name of run_cmd; give one of them")
    gate = raw.pop("gate", None)
    if gate is not None:
        if gate not in ("time", "epochs"):
            raise BindingsError("gate", gate, "`time` or `epochs`")
        if isinstance(raw.get("budget"), (int, float)):
            raw["budget"] = f"{raw['budget']} {'min' if gate == 'time' else 'epochs'}"
    _rename_budgets(raw)
    if gate is not None:
        budget = raw.get("budget")
        if gate != ("time" if budget is None else _budget("budget", budget).kind):
            allowed = f"not what the budget is ({budget}); give only `budget: 5 min` or `30 epochs`"
            raise BindingsError("gate", gate, allowed)


def _rename_budgets(raw: dict[str, Any]) -> None:
    for key, unit in (("budget_minutes", "min"), ("budget_epochs", "epochs")):
        value = raw.pop(key, None)
        if value is None:
            continue
        if "budget" in raw:
            raise BindingsError(key, value, "another name of budget; give one of them")
        raw["budget"] = f"{_positive(key, value):.6f}".rstrip("0").rstrip(".") + f" {unit}"


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _text(key: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise BindingsError(key, value, "text")
    if any("\ud800" <= char <= "\udfff" for char in value):
        raise BindingsError(key, value, "text that can be written: no half of a character")
    return value.strip()


def _one_of(*allowed: str) -> Callable[[str, object], str]:
    def convert(key: str, value: object) -> str:
        if value not in allowed:
            raise BindingsError(key, value, "one of " + ", ".join(allowed))
        return str(value)

    return convert


def _texts(key: str, value: object) -> tuple[str, ...]:
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list) or not items:
        raise BindingsError(key, value, "a file, or a list of files")
    return tuple(_text(key, item) for item in items)


def _inside(key: str, value: object) -> tuple[str, ...]:
    paths = []
    for item in _texts(key, value):
        *folders, name = item.split("/")
        if item.startswith("/") or ".." in (*folders, name):
            raise BindingsError(key, item, "inside the project, given relative to it")
        paths.append("/".join([*(part for part in folders if part not in ("", ".")), name]))
    # Each once; of two the later one, for the last pattern that fits decides.
    return tuple(reversed(dict.fromkeys(reversed(paths))))


def _editable(key: str, value: object) -> tuple[str, ...]:
    paths = _inside(key, value)
    if BINDINGS_NAME in paths:
        raise BindingsError(key, BINDINGS_NAME, "not the bindings themselves: they are frozen")
    return paths


def _one_inside(key: str, value: object) -> str:
    if not isinstance(value, str):
        raise BindingsError(key, value, "one file")
    return _inside(key, value)[0]


def _locked(key: str, value: object) -> tuple[str, ...]:
    from agent_loops.locks import Lock

    items = _texts(key, value)
    for item in items:
        try:
            Lock.parse(item)
        except ValueError as error:
            raise BindingsError(key, item, str(error)) from error
    return items


def _guards(key: str, value: object) -> tuple[Guard, ...]:
    allowed = "names with `min`, `max` (a number or `baseline`) and `pattern`"
    if not isinstance(value, dict) or not value:
        raise BindingsError(key, value, allowed)
    return tuple(_guard(f"{key}.{name}", str(name), item) for name, item in value.items())


def _guard(key: str, name: str, value: object) -> Guard:
    allowed = "`min` or `max` (a number or `baseline`), and `pattern`"
    if not isinstance(value, dict) or not value.keys() <= {"min", "max", "pattern"}:
        raise BindingsError(key, value, allowed)
    bounds = []
    for bound in (value.get("min"), value.get("max")):
        if bound is not None and bound != "baseline":
            bound = _number(key, bound)
        bounds.append(bound)
    if bounds == [None, None]:
        raise BindingsError(key, value, allowed)
    pattern = _text(key, value["pattern"]) if value.get("pattern") is not None else None
    from agent_loops.metric import compile_pattern

    try:
        compile_pattern(MetricSpec(name, Direction.MINIMIZE, pattern))
    except ValueError as error:
        raise BindingsError(key, pattern, str(error)) from error
    return Guard(name, pattern, *bounds)


def _columns(key: str, value: object) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not names:
        raise BindingsError(key, value, "any of " + ", ".join(EXTRA_COLUMNS))
    for name in names:
        if name not in EXTRA_COLUMNS:
            raise BindingsError(key, name, "any of " + ", ".join(EXTRA_COLUMNS))
    return tuple(names)


def _metric_name(key: str, value: object) -> str:
    name = _text(key, value)
    if len(name) > 100 or not name.isprintable():
        raise BindingsError(key, value, "a name of at most 100 characters, as the run prints it")
    if name in _COLUMNS:
        raise BindingsError(key, value, "another name: results.tsv has a column of this one")
    return name


def _positive(key: str, value: object) -> float:
    if not _is_number(value) or not 0 < cast("float", value) < float("inf"):
        raise BindingsError(key, value, "a number greater than 0")
    return float(cast("float", value))


def _count(key: str, value: object) -> int | None:
    if value == 0 and not isinstance(value, bool):
        return None  # the protocol's "0 = unlimited"
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise BindingsError(key, value, "a whole number; leave it out for no limit")
    return value


def _runs(key: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _MOST_RUNS:
        raise BindingsError(key, value, f"a whole number from 1 to {_MOST_RUNS}")
    return value


def _runs_or_none(key: str, value: object) -> int:
    return 0 if value == 0 and not isinstance(value, bool) else _runs(key, value)


def _number(key: str, value: object) -> float:
    if not _is_number(value) or not math.isfinite(cast("float", value)):
        raise BindingsError(key, value, "a number")
    return float(cast("float", value))


def duration_s(text: str) -> float | None:
    """Seconds in `5 min`, `8h` or `1h30m`; None where it is no positive duration."""
    total = 0.0
    rest = text.strip().lower()
    while rest:
        match = re.match(r"(\d+(?:\.\d+)?)\s*([a-z]+)\s*", rest)
        if match is None:
            return None
        unit = match[2].removesuffix("s") if len(match[2]) > 2 else match[2]
        if unit not in _UNIT_SECONDS:
            return None
        total += float(match[1]) * _UNIT_SECONDS[unit]
        rest = rest[match.end() :]
    return total if 0 < total < math.inf else None


def next_clock_time(text: str, now: datetime) -> str:
    """The next time that a local clock shows `07:30`, as UTC; "" where it is no clock time."""
    if not _CLOCK.fullmatch(text):
        return ""
    hour, minute = map(int, text.split(":"))
    local = now.astimezone()
    then = local.replace(hour=hour, minute=minute, second=0, microsecond=0)
    if then <= local:
        then += timedelta(days=1)
    return then.astimezone(timezone.utc).isoformat(timespec="seconds")


def _duration(key: str, value: object) -> float:
    seconds = duration_s(value) if isinstance(value, str) else None
    if seconds is None:
        raise BindingsError(key, value, "a duration with its unit, e.g. `8h` or `90 min`")
    return seconds


def _budget(key: str, value: object) -> Budget:
    allowed = "`5 min` (or s, h), `30 epochs` or `none`"
    if not isinstance(value, str):
        raise BindingsError(key, value, allowed)
    if value.strip() == "none":
        return Budget("none")
    epochs = re.fullmatch(r"(\d+(?:\.\d+)?)\s*epochs?", value.strip())
    if epochs and 0 < float(epochs[1]) < math.inf:
        return Budget("epochs", float(epochs[1]))
    seconds = duration_s(value)
    if seconds is None:
        raise BindingsError(key, value, allowed)
    return Budget("time", seconds)


def _slack(key: str, value: object) -> Slack | None:
    if value == "none":
        return None
    if isinstance(value, str):
        percent = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", value.strip())
        if percent and float(percent[1]) < math.inf:
            return Slack(float(percent[1]) / 100, 30.0)
        seconds = duration_s(value)
        if seconds is not None:
            return Slack(0.0, seconds)
    raise BindingsError(key, value, "`30%` (at least 30 s), a duration such as `10 s`, or `none`")


def _tolerance(key: str, value: object) -> Tolerance:
    if _is_number(value) and 0 <= cast("float", value) < math.inf:
        return Tolerance(float(cast("float", value)), relative=False)
    if isinstance(value, str):
        percent = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", value.strip())
        if percent and float(percent[1]) < math.inf:
            return Tolerance(float(percent[1]) / 100, relative=True)
    raise BindingsError(key, value, "`0.1%` of the best, or an amount in units of the metric")


def _explore(key: str, value: object) -> Explore | None:
    """`swings=3, stagnation=3`, either of them left out, or `off`."""
    if value in ("off", "on"):
        return Explore() if value == "on" else None
    found: dict[str, int] = {}
    for part in value.split(",") if isinstance(value, str) else [""]:
        match = re.fullmatch(r"\s*(swings|stagnation)\s*=\s*([1-9]\d?)\s*", part)
        if match is None or match[1] in found:
            raise BindingsError(key, value, "`swings=3, stagnation=3` (1 to 99 each), or `off`")
        found[match[1]] = int(match[2])
    return Explore(**found)


def _minutes(key: str, value: object) -> float:
    seconds = _positive(key, value) * 60.0
    if seconds == math.inf:
        raise BindingsError(key, value, "a number of minutes that a clock can count")
    return seconds


def _clock(key: str, value: object) -> str:
    if isinstance(value, str) and _CLOCK.fullmatch(value):
        return value.zfill(5)
    raise BindingsError(key, value, "a clock time, e.g. `07:30`")


def _tag(key: str, value: object) -> str:
    tag = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(tag, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", tag):
        raise BindingsError(key, value, "letters, digits, `.`, `_` and `-`, e.g. `mar5`")
    if ".." in tag or tag.endswith((".", ".lock")):
        raise BindingsError(key, value, "a name that git accepts for a branch")
    return tag


def _sandbox(key: str, value: object) -> str:
    root = _text(key, value)
    if ".." in root.split("/") or root.strip("./") == "" or root.startswith("~"):
        raise BindingsError(key, value, "a folder of its own, without `..` or `~`")
    return root


def _metric_file(key: str, value: object) -> str:
    path = _text(key, value)
    if path.startswith("/") or ".." in path.split("/"):
        raise BindingsError(key, value, "below {run_dir} or the project, e.g. `{run_dir}/*.json`")
    return path


_Convert = Callable[[str, object], object]
_FIELDS: dict[str, tuple[str, _Convert]] = {
    "loop": ("loop", _one_of("karpathy", ANALYSIS_FIRST)),
    "metric": ("metric", _metric_name),
    "metric_direction": ("metric_direction", _one_of("minimize", "maximize")),
    "metric_pattern": ("metric_pattern", _text),
    "metric_file": ("metric_file", _metric_file),
    "metric_key": ("metric_key", _text),
    "metric_pick": ("metric_pick", _one_of("last", "best")),
    "metric_reduce": ("metric_reduce", _one_of("none", "mean", "median")),
    "run_cmd": ("run_cmd", _text),
    "eval_cmd": ("eval_cmd", _text),
    "prelude": ("prelude", _text),
    "cleanup_cmd": ("cleanup_cmd", _text),
    "checks_cmd": ("checks_cmd", _text),
    "notify_cmd": ("notify_cmd", _text),
    "editable_files": ("editable_files", _editable),
    "readonly_files": ("readonly_files", _inside),
    "locked": ("locked", _locked),
    "guards": ("guards", _guards),
    "program": ("program", _one_inside),
    "sandbox_root": ("sandbox_root", _sandbox),
    "iter_strategy": ("iter_strategy", _one_of("snapshots", "branches")),
    "run_tag": ("run_tag", _tag),
    "budget": ("budget", _budget),
    "budget_slack": ("budget_slack", _slack),
    "timeout_minutes": ("timeout_s", _minutes),
    "max_experiments": ("max_experiments", _count),
    "stop_after": ("stop_after_s", _duration),
    "stop_at": ("stop_at", _clock),
    "target": ("target", _number),
    "memory_limit_gb": ("memory_limit_gb", _positive),
    "log_limit_mb": ("log_limit_mb", _positive),
    "keep_outputs": ("keep_outputs", _one_of("best", "kept", "all", "none")),
    "keep_rule": ("keep_rule", _one_of("plain", "noise-aware")),
    "baseline_runs": ("baseline_runs", _runs),
    "warmup_runs": ("warmup_runs", _runs_or_none),
    "runs": ("runs", _runs),
    "compare": ("compare", _one_of("single", "paired")),
    "prune": ("prune", _one_of("safe", "off")),
    "probe": ("probe", _one_of("auto", "off")),
    "holdout_cmd": ("holdout_cmd", _text),
    "confirm_time": ("confirm_s", _duration),
    "literature": ("literature", _one_of("off", "on")),
    "analysis_timeout": ("analysis_timeout_s", _duration),
    "explore": ("explore", _explore),
    "override_tolerance": ("override_tolerance", _tolerance),
    "ledger_columns": ("ledger_columns", _columns),
}
KEY_OF_FIELD = {field: key for key, (field, _) in _FIELDS.items()}
_EXAMPLES = {
    "metric": "metric: val_bpb",
    "run_cmd": "run_cmd: uv run train.py",
    "editable_files": "editable_files: [train.py]",
}
