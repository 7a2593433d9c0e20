"""Notes findings in the campaign's record, and answers what the corpus holds.

Notes only papers that a source showed, or pages that the agent says it opened, marked as such.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from agent_loops import answers, display, events, scan
from agent_loops.answers import Answer
from agent_loops.campaigns import Store
from agent_loops.errors import Refused, UsageError
from agent_loops.literature import basis, corpus, paper_ids, quoting, records
from agent_loops.literature.papers_arguments import USES
from agent_loops.literature.records import Paper
from agent_loops.state import Campaign

_REQUIRED = ("claim", "level", "scope", "relevance", "applies", "verdict", "files")
_TEXT_CHARACTERS = 500
_MOST_FILES = 10


def add(
    store: Store, name: str, parsed: argparse.Namespace, look_up: Callable[[str], Paper]
) -> Answer:
    """Notes what a paper is read to say; `look_up` finds the paper.

    Raises:
        UsageError: a part of it is missing or no such thing.
        Refused: it was tried already, or a file is neither there nor editable.
    """
    missing = [f"--{key}" for key in _REQUIRED if not (getattr(parsed, key) or "").strip()]
    if missing:
        raise UsageError(f"{', '.join(missing)} missing: `agent-loops papers {USES['add']}`")
    applies = _applies(parsed.applies)
    paths = [display.clean(path, 200) for path in parsed.files.split(",") if path.strip()]
    paper = _web_page(name, parsed.title) or look_up(name)
    claim = display.clean(parsed.claim, _TEXT_CHARACTERS)
    with store.locked() as campaign:
        _refuse_unknown_files(store, paths)
        name = _name_of(campaign, paper, claim)
        finding = events.FindingNoted(
            name=name, source=paper.source, paper=paper.id,
            url=paper.url, title=paper.title, claim=claim, level=parsed.level,
            scope=display.clean(parsed.scope, _TEXT_CHARACTERS), relevance=parsed.relevance,
            verdict=parsed.verdict, applies=applies,
            files=tuple(path.removeprefix("./") for path in paths[:_MOST_FILES]),
        )  # fmt: skip
        store.append(finding)
        store.write_derived()
        return _checked(campaign, finding, "noted")


def check(store: Store, name: str) -> Answer:
    """Whether a finding may be tried, condition by condition."""
    store.refresh()
    return _checked(store.campaign, basis.named(store.campaign, name), "checked")


def listed(store: Store) -> Answer:
    """The findings, those first that may be tried now."""
    store.refresh()
    campaign = store.campaign
    fails = {item.name: basis.failed(basis.conditions(campaign, item)) for item in campaign.corpus}
    order = sorted(campaign.corpus, key=lambda item: len(fails[item.name]) > 0)
    ready = [item.name for item in order if not fails[item.name]]
    entries = [
        (
            f"{item.name}  {_state(campaign, item, fails[item.name])}  {item.paper}",
            display.one_line(item.claim),
        )
        for item in order
    ]
    next_step = "`agent-loops papers search 'QUERY'`, then `agent-loops papers add ID`"
    if ready:
        next_step = f"`agent-loops try '…' --basis {ready[0]}`"
    family = f", family {campaign.family}" if campaign.family else ""
    head = f"{len(order)} findings, {len(ready)} may be tried{family}; {quoting.QUOTED}"
    values = {
        "schema": answers.SCHEMA, "status": "listed", "family": campaign.family or None,
        "findings": [_record(campaign, item) for item in order], "ready": ready,
        "file": str(store.paths.corpus), "notes": [], "next": next_step,
    }  # fmt: skip
    return Answer(values, quoting.fitted([head], entries, [f"next: {next_step}"]))


def change_family(store: Store, name: str, keep: str) -> Answer:
    """Records that the architecture is of another family, and retires what was about the last."""
    names = frozenset(item.strip().upper() for item in keep.split(",") if item.strip())
    family = display.clean(name, 80)
    with store.locked() as campaign:
        for kept in sorted(names):
            basis.named(campaign, kept)
        if family == campaign.family:
            raise Refused(
                "same family", f"the architecture is {family} already",
                next_step="`agent-loops papers list`",
            )  # fmt: skip
        retired = corpus.to_retire(campaign, names)
        store.append(events.FamilyChanged(family, retired))
        store.write_derived()
    told = f"retired: {', '.join(retired)}" if retired else "nothing to retire"
    next_step = f"`agent-loops papers search` for what is known of {family}"
    values = {
        "schema": answers.SCHEMA, "status": "family", "family": family,
        "retired": list(retired), "notes": [], "next": next_step,
    }  # fmt: skip
    lines = [display.cut(f"family {family}; {told}", 600), f"next: {next_step}"]
    return Answer(values, lines)


def _web_page(name: str, title: str | None) -> Paper | None:
    """A page that the agent opened itself, where the word is no paper's name but a URL."""
    if paper_ids.find(name) is not None or not name.startswith(("http://", "https://")):
        return None
    if not records.url_of(name) or not (title or "").strip():
        raise UsageError("a web page is noted by its URL and --title '…', once you opened it")
    return Paper(corpus.WEB, name, name, records.title_of(title))


def _applies(text: str) -> dict[str, str]:
    parts = [item.partition("=") for item in text.split(",")]
    given = {key.strip(): fit.strip() for key, _, fit in parts}
    if set(given) != set(corpus.DIMENSIONS) or not set(given.values()) <= set(corpus.FITS):
        raise UsageError(
            f"--applies {text[:80]!r}: e.g. `data=yes,model=partly,budget=no`, each of them "
            "yes, partly or no"
        )
    return {name: given[name] for name in corpus.DIMENSIONS}


def _refuse_unknown_files(store: Store, paths: list[str]) -> None:
    """A file that is neither editable nor there is mistyped; a new one matches the patterns."""
    patterns = store.campaign.bindings.editable_files
    editable, root = scan.matcher(patterns), store.project.root
    own = [path.removeprefix("./") for path in paths]
    unknown = [path for path in own if not editable(path) and not (root / path).is_file()]
    if unknown:
        raise Refused(
            "files", f"there is no {', '.join(unknown)}",
            next_step=f"--files with editable ones: {', '.join(patterns)}",
        )  # fmt: skip


def _name_of(campaign: Campaign, paper: Paper, claim: str) -> str:
    """A new name; that of the same claim where nothing was tried by it yet: it is corrected."""
    for item in campaign.corpus:
        if (item.paper, item.claim.casefold()) == (paper.id, claim.casefold()):
            if item.name not in campaign.implemented:
                return item.name
            raise Refused(
                "duplicate", f"{item.name} is this claim of {paper.id}",
                next_step=f"`agent-loops papers check {item.name}`",
            )  # fmt: skip
    return f"F{len(campaign.corpus) + 1}"


def _state(campaign: Campaign, finding: events.FindingNoted, fails: list[Any]) -> str:
    tried = campaign.implemented.get(finding.name)
    if tried:
        told = corpus.result_of(campaign, campaign.experiments[tried[-1]])
        return display.cut(told or f"#{tried[-1]} under way", 60)
    if finding.name in campaign.retired:
        return "retired"
    return f"no: {fails[0].name}" if fails else "ready"


def _record(campaign: Campaign, finding: events.FindingNoted) -> dict[str, Any]:
    return dict(zip(corpus.COLUMNS, corpus.row(campaign, finding), strict=True))


def _checked(campaign: Campaign, finding: events.FindingNoted, status: str) -> Answer:
    found = basis.conditions(campaign, finding)
    fails = basis.failed(found)
    next_step = f"`agent-loops try '…' --basis {finding.name}`"
    if fails:
        next_step = basis.way_on(fails[0])
    values = {
        "schema": answers.SCHEMA, "status": status, "passes": not fails,
        "finding": _record(campaign, finding),
        "gate": [condition._asdict() for condition in found], "notes": [], "next": next_step,
    }  # fmt: skip
    passes = "fails the evidence gate" if fails else "passes the evidence gate"
    lines = [
        f"{finding.name} {status}, {passes}: {finding.paper} {display.cut(finding.title, 120)}"
    ]
    lines += [
        f"  {'yes' if one.holds else 'NO '}  {one.name}: {display.cut(one.why, 150)}"
        for one in found
    ]
    return Answer(values, [*lines, f"next: {next_step}"])
