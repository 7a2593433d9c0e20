"""The campaign's findings: which of them may be tried, what became of them, and their table; pure.

Takes the agent's word for what a paper says; checks what follows from it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from agent_loops import decide, display, events
from agent_loops.experiments import Experiment
from agent_loops.state import Campaign

WEB = "web"
"""The source of what the agent says it opened itself."""
LEVELS = ("folklore", "theory", "empirical", "replicated")
VERDICTS = ("supported", "mixed", "contradicted", "untested")
RELEVANCES = ("high", "medium", "low")
DIMENSIONS = ("data", "model", "budget")
FITS = ("yes", "partly", "no")
COLUMNS = (
    "id source paper url title claim level scope relevance applies verdict files implemented "
    "result retired"
).split()
# What is worth a run: folklore never is, and theory that nobody tested is an idea, not evidence.
_STRONG = frozenset((
    ("theory", "supported"), ("empirical", "supported"), ("replicated", "supported"),
    ("replicated", "mixed"),
))  # fmt: skip
_RESULT_CHARACTERS = 200


class Condition(NamedTuple):
    """One condition of the gate; `why` says what was found."""

    name: str
    holds: bool
    why: str


def gate(
    campaign: Campaign, finding: events.FindingNoted, *, editable: Callable[[str], bool]
) -> list[Condition]:
    """Whether a finding may be the basis of an experiment: all conditions hold."""
    return [
        _strength(finding), _applicability(finding), _files(finding, editable),
        _untried(campaign, finding), _current(campaign, finding),
    ]  # fmt: skip


def _strength(finding: events.FindingNoted) -> Condition:
    holds = (finding.level, finding.verdict) in _STRONG
    page = "; a web page: no catalogue showed it" if finding.source == WEB else ""
    return Condition("strength", holds, f"{finding.level}, {finding.verdict}{page}")


def _applicability(finding: events.FindingNoted) -> Condition:
    fits = [finding.applies.get(name, "no") for name in DIMENSIONS]
    told = ", ".join(f"{name} {fit}" for name, fit in zip(DIMENSIONS, fits, strict=True))
    holds = "no" not in fits and fits.count("partly") <= 1 and finding.relevance != "low"
    return Condition("applicability", holds, f"relevance {finding.relevance}; {told}")


def _files(finding: events.FindingNoted, editable: Callable[[str], bool]) -> Condition:
    outside = [path for path in finding.files if not editable(path)]
    if not finding.files:
        return Condition("files", holds=False, why="it names none")
    why = f"not editable: {', '.join(outside)}" if outside else ", ".join(finding.files)
    return Condition("files", not outside, why)


def _untried(campaign: Campaign, finding: events.FindingNoted) -> Condition:
    """A crash says nothing of a finding: its code may be mended and tried again."""
    tried = [
        number
        for number in campaign.implemented.get(finding.name, ())
        if campaign.experiments[number].verdict != decide.CRASH
    ]
    why = f"tried in #{tried[-1]}" if tried else "not tried"
    return Condition("not tried", not tried, why)


def _current(campaign: Campaign, finding: events.FindingNoted) -> Condition:
    family = campaign.retired.get(finding.name)
    why = f"retired: the architecture is {family} now" if family else "not retired"
    return Condition("current", not family, why)


def to_retire(campaign: Campaign, keep: frozenset[str]) -> tuple[str, ...]:
    """What a new family makes stale: findings that were never measured, but for those to keep."""
    return tuple(
        finding.name
        for finding in campaign.corpus
        if finding.name not in keep
        and finding.name not in campaign.retired
        and _untried(campaign, finding).holds
    )


def result_of(campaign: Campaign, experiment: Experiment) -> str:
    """What became of a finding, as the verdict on its experiment has it; "" before there is one."""
    decided = experiment.decided
    if not experiment.verdict or decided is None:
        return ""
    figures = ""
    if experiment.verdict != decide.CRASH and decided.metric_text:
        figures = f", {campaign.metric_name(experiment)} {decided.metric_text}"
        if decided.delta:
            figures += f", {abs(decided.delta):.4g} {'better' if decided.delta > 0 else 'worse'}"
    compared = decided.kind in ("better", "worse", "equal")  # the figures say it all
    reason = experiment.override_why or ("" if compared and figures else decided.reason)
    told = f"#{experiment.number} {experiment.verdict}{figures}; {reason}"
    return display.clean(told.rstrip("; "), _RESULT_CHARACTERS)


def row(campaign: Campaign, finding: events.FindingNoted) -> list[str]:
    """One finding's cells."""
    tried = campaign.implemented.get(finding.name, [])
    result = result_of(campaign, campaign.experiments[tried[-1]]) if tried else ""
    applies = ", ".join(f"{name}={fit}" for name, fit in finding.applies.items())
    cells = [
        finding.name, finding.source, finding.paper, finding.url, finding.title, finding.claim,
        finding.level, finding.scope, finding.relevance, applies, finding.verdict,
        ", ".join(finding.files), ", ".join(map(str, tried)), result,
        campaign.retired.get(finding.name, ""),
    ]  # fmt: skip
    return [display.one_line(cell) for cell in cells]


def render(campaign: Campaign) -> str:
    """The whole table, a line a finding, in the order in which they were found."""
    lines = [COLUMNS, *(row(campaign, finding) for finding in campaign.corpus)]
    return "".join("\t".join(cells) + "\n" for cells in lines)
