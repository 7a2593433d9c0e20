"""What an idea rests on in the analysis-first loop, checked before anything runs.

An anchor is in the results, a prediction can be checked, a plan measures something new. Whether the
idea follows from them is for the agent to say, and for the run to show.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from agent_loops import (
    ablation,
    anchors,
    display,
    edits,
    exploring,
    figures,
    files,
    plans,
    predictions,
    result_files,
    scan,
    snapshots,
)
from agent_loops.candidates import Candidate
from agent_loops.errors import Refused, UsageError
from agent_loops.plans import Row
from agent_loops.predictions import Prediction
from agent_loops.result_files import NoResult
from agent_loops.state import Campaign
from agent_loops.workspace import Workspace

FOLDER = "analysis/"
PLAN = f"{FOLDER}{plans.NAME}"
SIMPLIFY = "simplify:"
_MOST_SCRIPT_BYTES = 256 << 10
_MOST_CLAIMS = 10
_LOOKED_THROUGH = 200  # experiments, back from the last
_Parsed = TypeVar("_Parsed")


class Claims(NamedTuple):
    """What is said beside an idea, as it was typed."""

    anchors: tuple[str, ...] = ()
    predictions: tuple[str, ...] = ()
    plan: str | None = None
    move: str = ""


class Draft(NamedTuple):
    """The claims, the files of the analysis in the edit, and what of the edit is the idea's."""

    claims: Claims
    files: Mapping[str, bytes]
    edit: tuple[edits.Block, ...] | None


class Grounds(NamedTuple):
    """What was checked, in the record's words, and the files that go into iter<N>/."""

    anchors: tuple[str, ...]
    predictions: tuple[str, ...]
    plan: tuple[str, ...]
    move: str
    axes: int
    files: Mapping[str, bytes]


def mend(number: int) -> str:
    """How an analysis that lacks a file is completed."""
    return (
        f"mend the script or the plan: `agent-loops analyze --run {number} --edit -` with "
        "analysis/NAME.py or analysis/plan.md"
    )


def draft(
    workspace: Workspace, campaign: Campaign, edit: str | None, claims: Claims | None
) -> Draft:
    """Sorts what was given.

    Raises:
        Refused: an earlier analysis lacks a file, or what is given cannot be one.
        UsageError: something is given twice, or to a campaign that does not explore.
    """
    refuse_unanalysed(workspace, campaign)
    claims = claims or Claims()
    if claims.move and campaign.bindings.explore is None:
        raise UsageError("--move is for campaigns with `explore` in loop.run.yaml: leave it out")
    blocks = edits.parse(edit) if edit is not None else ()
    editable = scan.matcher(campaign.bindings.editable_files)
    own = [item for item in blocks if item.path.startswith(FOLDER) and not editable(item.path)]
    files = written(own, {}) if own else {}
    if claims.plan is not None:
        if PLAN in files:
            raise UsageError(f"--plan and {PLAN} in the edit: give the plan once")
        files[PLAN] = claims.plan.encode("utf-8", "surrogateescape")
    others = tuple(item for item in blocks if item not in own)
    return Draft(claims, files, others or None)


def written(blocks: Sequence[edits.Block], present: Mapping[str, bytes]) -> dict[str, bytes]:
    """The plan and the scripts that blocks make or change.

    Raises:
        Refused: another file, one that is too large, or a block that fits nowhere.
    """
    for block in blocks:
        if block.path != PLAN and not plans.is_script(block.path):
            raise Refused(
                "plan", f"{display.clean(block.path, 80)!r} is neither {PLAN} nor "
                f"{FOLDER}NAME.py", next_step="give the file such a name, then try again",
            )  # fmt: skip
    made = edits.apply(blocks, present, allowed=lambda path: path.startswith(FOLDER))
    for path, data in made.items():
        if len(data) > _MOST_SCRIPT_BYTES:
            raise Refused(
                "plan", f"{path} is larger than {_MOST_SCRIPT_BYTES >> 10} KB",
                next_step="write a shorter script; data belongs in files that it reads",
            )  # fmt: skip
    return made


def check(
    workspace: Workspace, candidate: Candidate, draft: Draft, *, description: str, why: str
) -> Grounds:
    """What the idea rests on.

    A baseline and the incumbent's own code need nothing, a simplification neither; what they give
    is checked all the same.

    Raises:
        Refused: something is missing or does not hold; the next step says what would.
    """
    campaign, claims = workspace.campaign, draft.claims
    no_idea = campaign.wants_baseline or _is_incumbents(campaign, candidate)
    free = no_idea or _is_simpler(candidate, description)
    if campaign.bindings.explore is not None and not no_idea and (claims.move or not free):
        _refuse_move(workspace, claims.move, description, why)
    if max(len(claims.anchors), len(claims.predictions)) > _MOST_CLAIMS:
        raise UsageError(f"at most {_MOST_CLAIMS} anchors and predictions: the telling ones")
    found = [_held(workspace, text) for text in claims.anchors]
    if not found and not free:
        raise Refused(
            "anchor", "a change follows from a number that was seen in the results so far: "
            f"{anchors.example(*_most_telling(workspace))}"
            f"{_also_missing(draft, PLAN, '--predict')}",
            next_step=_look(workspace),
        )  # fmt: skip
    rows, files = _plan(workspace, draft, description, free=free)
    predicted = _predictions(workspace, claims, rows, free=free)
    before, after = ({path: item.data for path, item in tree.items()}
                     for tree in (candidate.base, candidate.tree))  # fmt: skip
    return Grounds(
        anchors=tuple(found), predictions=predicted, plan=tuple(map(str, rows)), move=claims.move,
        axes=0 if no_idea else ablation.axes(before, after), files=files,
    )  # fmt: skip


def save(grounds: Grounds, folder: Path) -> dict[str, Any]:
    """Writes the plan and its scripts into an experiment's folder; what the record says of them."""
    write(grounds.files, folder)
    values = grounds._asdict()
    del values["files"]
    return values


def write(files: Mapping[str, bytes], folder: Path) -> None:
    """Writes a plan and its scripts into an experiment's folder."""
    for path, data in files.items():
        try:
            result_files.write(folder, path, data)
        except NoResult as problem:
            raise Refused(
                "analysis", f"{folder.name}/{path} {problem}",
                next_step="move it away, then try again",
            ) from None  # fmt: skip


def _also_missing(draft: Draft, *asked: str) -> str:
    """What else is not given at all: one refusal is to tell of everything."""
    given = {PLAN: PLAN in draft.files, "--predict": bool(draft.claims.predictions)}
    names = [name for name in asked if not given[name]]
    return f"; also missing: {' and '.join(names)}" if names else ""


def _is_incumbents(campaign: Campaign, candidate: Candidate) -> bool:
    incumbent = campaign.incumbent
    return incumbent is not None and candidate.code == incumbent.started.code


def _is_simpler(candidate: Candidate, description: str) -> bool:
    """Whether it says so and has fewer lines: then it need not follow from a finding."""
    if not _says_simpler(description):
        return False
    added, removed = snapshots.changed_lines(candidate.base, candidate.tree)
    return removed > added


def refuse_unanalysed(workspace: Workspace, campaign: Campaign) -> None:
    number = campaign.unanalysed
    if number is None or campaign.wants_baseline:
        return
    analysed = campaign.experiments[number].analysed
    assert analysed is not None
    folder = workspace.shown(workspace.store.paths.analysis(number))
    raise Refused(
        "analysis", f"the analysis of #{number} lacks "
        f"{plans.lacking(analysed.missing, len(campaign.experiments[number].plan))} "
        f"(its logs are in {folder})", next_step=mend(number),
    )  # fmt: skip


def _refuse_move(workspace: Workspace, move: str, description: str, why: str) -> None:
    campaign = workspace.campaign
    problem = exploring.problem(campaign, move, description, why)
    if problem:
        page = workspace.shown(workspace.store.paths.approaches)
        raise Refused(
            "exploration", problem,
            next_step=f"{exploring.command(exploring.due(campaign) or move or exploring.EXPLOIT)} "
            f"with the rest; what was tried by approach: {page}",
        )  # fmt: skip


# --- anchors ------------------------------------------------------------------------------------


def _held(workspace: Workspace, text: str) -> str:
    """The anchor with the experiment that holds it."""
    anchor = _parsed(
        anchors.parse, text, "anchor", anchors.example(*_most_telling(workspace))
    )  # fmt: skip
    place, said = anchor.place, ""
    for number in _looked_in(workspace, place.experiment):
        folder = workspace.store.paths.experiment(number)
        try:
            if place.path.startswith(FOLDER) and not _is_output(workspace, number, place.path):
                raise NoResult("was written by no plan's script")
            data = result_files.read(folder, place.path)
        except NoResult as problem:
            there = ", ".join(display.clean(name, 60) for name in result_files.names(folder)[:6])
            said = said or f"iter{number}/{place.path} {problem}" + (
                f"; there are {there}" if there else ""
            )
            continue
        if anchors.holds(anchor, data):
            return str(anchor._replace(place=place._replace(experiment=number)))
        said = said or f"iter{number}/{place.path} {anchors.held_instead(anchor, data)}"
    if next(_with_results(workspace), None) is None:
        said = ""
    raise Refused("anchor", said or "no experiment has results yet", next_step=_look(workspace))


def _looked_in(workspace: Workspace, named: int | None) -> list[int]:
    """The experiment that is named, else the last one with results, and the incumbent."""
    campaign = workspace.campaign
    if named is not None:
        return [named] if named in campaign.experiments else []
    incumbent = campaign.incumbent_number
    found = next(_with_results(workspace), None)
    return list(dict.fromkeys(item for item in (found, incumbent) if item is not None))


def _with_results(workspace: Workspace) -> Iterator[int]:
    campaign, paths = workspace.campaign, workspace.store.paths
    for number in itertools.islice(reversed(campaign.experiments), _LOOKED_THROUGH):
        if result_files.has_results(paths.experiment(number)):
            yield number


def _is_output(workspace: Workspace, number: int, path: str) -> bool:
    """Whether a row of the experiment's plan was found in this file."""
    analysed = workspace.campaign.experiments[number].analysed
    outputs = (item.partition(" → ")[2] for item in (analysed.measured if analysed else ()))
    return any(output.partition(":")[0] == path for output in outputs)


def _look(workspace: Workspace) -> str:
    """Where numbers are to be found."""
    number = next(_with_results(workspace), None)
    if number is None and workspace.campaign.wants_baseline:
        return "`agent-loops try baseline` first: its run leaves the first results"
    if number is None:
        return "`agent-loops try again --repeat` runs the incumbent once more, with results"
    folder = workspace.shown(workspace.store.paths.experiment(number))
    return f"take a number from {folder}/results/ (`agent-loops analyze {number}` shows them)"


# --- predictions --------------------------------------------------------------------------------


def _predictions(
    workspace: Workspace, claims: Claims, rows: Sequence[Row], *, free: bool
) -> tuple[str, ...]:
    example = predictions.example(*_most_telling(workspace))
    if not claims.predictions and not free:
        raise Refused(
            "prediction", "say what the results will show if it helps", next_step=f"add {example}"
        )
    outputs = {row.output.partition(":")[0] for row in rows}
    parsed = [_parsed(predictions.parse, text, "prediction", example)
              for text in claims.predictions]  # fmt: skip
    for item in parsed:
        if item.place.path.startswith(FOLDER) and item.place.path not in outputs:
            raise Refused(
                "prediction", f"no row of the plan writes {item.place.path}",
                next_step=f"add the row, or predict what results/ will have: {example}",
            )  # fmt: skip
    for item in parsed:
        _refuse_unknown_key(workspace, item, rows, example)
    return tuple(map(str, parsed))


def _refuse_unknown_key(
    workspace: Workspace, item: Prediction, rows: Sequence[Row], example: str
) -> None:
    """A key that the same file of the incumbent lacks is mistyped, unless the plan names it."""
    place, number = item.place, workspace.campaign.incumbent_number
    if number is None or str(place) in {row.output for row in rows}:
        return
    try:
        data = result_files.read(workspace.store.paths.experiment(number), place.path)
    except NoResult:
        return
    if not place.path.startswith(FOLDER) and not figures.at(data, place.path, place.key):
        raise Refused(
            "prediction", f"iter{number}/{place.path} has no {place.key!r}"
            f"{anchors.nearest(place.key, figures.keys(data, place.path))}",
            next_step=f"{example}; where your change adds the key, a row of the plan says so: "
            f"| {plans.BUILT_IN} | {place} | … |",
        )  # fmt: skip


def _most_telling(workspace: Workspace) -> tuple[str, float]:
    """A key of the last results and its value: what was most unusual, else any; "" without one."""
    number = next(_with_results(workspace), None)
    if number is None:
        return "", 0.0
    folder, path = workspace.store.paths.experiment(number), "results/summary.json"
    try:
        data = result_files.read(folder, path)
    except NoResult:
        return "", 0.0
    first = ""
    with contextlib.suppress(
        NoResult, ValueError, LookupError, TypeError, AttributeError, RecursionError
    ):
        found = files.load_json(result_files.read(folder, "results/findings.json"))
        first = str(found[0].get("key", ""))
    for key in (first, *figures.keys(data, path)):
        values = [value for value in figures.at(data, path, key) if math.isfinite(value)]
        if key and values:
            return key, values[0]
    return "", 0.0


def _parsed(parse: Callable[[str], _Parsed], text: str, kind: str, example: str) -> _Parsed:
    try:
        return parse(text)
    except ValueError as error:
        raise Refused(kind, str(error), next_step=f"write it so: {example}") from None


# --- the plan -----------------------------------------------------------------------------------


def _plan(
    workspace: Workspace, draft: Draft, description: str, *, free: bool
) -> tuple[tuple[Row, ...], dict[str, bytes]]:
    """The rows, and every file that they need: a script may be an earlier experiment's."""
    files = dict(draft.files)
    if PLAN not in files:
        if files:
            raise Refused(
                "plan", f"{', '.join(sorted(files))}: no plan says what they answer",
                next_step=f"add {PLAN}: {plans.EXAMPLE}",
            )  # fmt: skip
        if free:
            return (), {}
        fewer = " (`simplify:` without one takes fewer lines)" if _says_simpler(description) else ""
        raise Refused(
            "plan",
            f"an experiment has an analysis plan{fewer}{_also_missing(draft, '--predict')}",
            next_step=f"add {PLAN} to the edit: {plans.EXAMPLE}",
        )  # fmt: skip
    rows = rows_of(files[PLAN])
    if not free and not plans.has_news(rows, workspace.campaign.measured):
        raise Refused(
            "plan", "every row of the plan was measured before: "
            f"{display.clean(', '.join(row.dimension for row in rows), 200)}",
            next_step="add a row with a question that no earlier plan asked",
        )  # fmt: skip
    for script in plans.scripts(rows):
        if script not in files:
            files[script] = _earlier_script(workspace, script)
    return rows, files


def _says_simpler(description: str) -> bool:
    return description.lower().startswith(SIMPLIFY)


def rows_of(plan: bytes) -> tuple[Row, ...]:
    """The rows of a plan as it was given.

    Raises:
        Refused: it is no plan, and why.
    """
    try:
        return plans.parse(plan.decode("utf-8", "replace"))
    except ValueError as error:
        raise Refused("plan", str(error), next_step="mend the table, then try again") from None


def _earlier_script(workspace: Workspace, script: str) -> bytes:
    """A script that an earlier experiment had: it need not be given again."""
    paths = workspace.store.paths
    for number in itertools.islice(reversed(workspace.campaign.experiments), _LOOKED_THROUGH):
        try:
            return result_files.read(paths.experiment(number), script)
        except NoResult:
            continue
    raise lacks(script)


def lacks(script: str) -> Refused:
    """Why a plan whose script is nowhere is refused."""
    return Refused(
        "plan", f"the plan names {script}, which is not there",
        next_step=f"add it to the edit: a line `{script}`, an empty SEARCH, the script",
    )  # fmt: skip
