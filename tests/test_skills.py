"""What the skills tell an agent is true: commands, flags, bindings, links, sizes, examples."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from agent_loops import anchors, bindings, cli, edits, plans, predictions
from agent_loops.errors import BindingsError

ROOT = Path(__file__).resolve().parent.parent
SKILLS = ROOT / "skills"
NAMES = sorted(path.parent.name for path in SKILLS.glob("*/SKILL.md"))
ROLES = ROOT / "roles"
PAGES = sorted([*SKILLS.rglob("*.md"), *ROLES.glob("*.md"), ROOT / "README.md"])
TRIGGERS: dict[str, Any] = yaml.safe_load((ROOT / "tests" / "triggers.yaml").read_text("utf-8"))

_FRONTMATTER_KEYS = {"name", "description", "argument-hint", "allowed-tools"}
_NEVER = (
    "reset --hard",
    "git clean",
    "git stash",
    "git restore",
    "checkout -f",
    "--force",
    "dangerously",
)


def text_of(path: Path) -> str:
    return path.read_text("utf-8")


def frontmatter(name: str) -> dict[str, Any]:
    head = re.match(r"---\n(.*?\n)---\n", text_of(SKILLS / name / "SKILL.md"), re.DOTALL)
    assert head, f"{name}: no frontmatter"
    value: dict[str, Any] = yaml.safe_load(head[1])
    return value


def page_id(path: Path) -> str:
    return str(path.relative_to(ROOT))


# --- frontmatter and size -----------------------------------------------------------------------


def test_the_skills_are_there() -> None:
    assert {"karpathy", "setup", "status", "literature-search"} <= set(NAMES)
    assert not [path for path in SKILLS.iterdir() if not (path / "SKILL.md").is_file()]


@pytest.mark.parametrize("name", NAMES)
def test_frontmatter_is_what_hosts_accept(name: str) -> None:
    head = frontmatter(name)
    assert set(head) <= _FRONTMATTER_KEYS
    assert head["name"] == name
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)
    description = head["description"]
    assert 100 <= len(description) <= 1024
    assert "<" not in description
    assert "\n" not in description.strip()
    assert not re.match(r"(I|You|This skill)\b", description), "third person, the use first"
    assert re.search(r"\bUse it when(ever)?\b", description)
    assert "Not for" in description


@pytest.mark.parametrize("name", NAMES)
def test_skill_fits_what_survives_a_compaction(name: str) -> None:
    text = text_of(SKILLS / name / "SKILL.md")
    assert len(text.splitlines()) <= 500
    assert len(text) / 4 <= 5000  # tokens, roughly


@pytest.mark.parametrize("name", ["karpathy", "ml-autoresearch"])
def test_standing_rules_come_first(name: str) -> None:
    text = text_of(SKILLS / name / "SKILL.md")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings[0] == "Standing rules"
    assert text.index("## Begin") / 4 < 1500


@pytest.mark.parametrize("name", NAMES)
def test_what_a_skill_runs_while_loading_cannot_abort_it(name: str) -> None:
    """Where it fails, is not pre-approved or holds a variable, nothing at all is loaded."""
    allowed = frontmatter(name)["allowed-tools"]
    commands = re.findall(r"(?:^|\s)!`([^`]+)`", text_of(SKILLS / name / "SKILL.md"), re.MULTILINE)
    assert commands
    for command in commands:
        assert command.endswith("|| true")
        assert "$" not in command
        assert command.startswith("agent-loops status")
    assert re.search(r"Bash\(agent-loops( status)?:\*\)", allowed)


@pytest.mark.parametrize("name", NAMES)
def test_no_tool_is_approved_without_a_limit(name: str) -> None:
    rules = re.split(r",\s*(?![^(]*\))", frontmatter(name)["allowed-tools"])
    assert all(re.fullmatch(r"(Bash|Read|Edit|Skill)\(.+\)", rule) for rule in rules), rules


# --- triggers -----------------------------------------------------------------------------------


def test_every_skill_has_its_triggers() -> None:
    assert sorted(TRIGGERS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_description_says_what_people_say(name: str) -> None:
    description = frontmatter(name)["description"].lower()
    for words in TRIGGERS[name]["says"]:
        assert words.lower() in description, words
    assert len(TRIGGERS[name]["positive"]) >= 5


@pytest.mark.parametrize("name", NAMES)
def test_description_keeps_near_misses_away(name: str) -> None:
    excluded = frontmatter(name)["description"].partition("Not for")[2]
    for miss in TRIGGERS[name]["near_misses"]:
        assert miss["because"] in excluded, miss
        goes_to = miss.get("goes_to")
        assert goes_to is None or (goes_to in NAMES and goes_to in excluded), miss


def test_no_phrase_belongs_to_two_skills() -> None:
    positive = [phrase for skill in TRIGGERS.values() for phrase in skill["positive"]]
    assert len(positive) == len(set(positive))
    for name, skill in TRIGGERS.items():
        for miss in skill["near_misses"]:
            assert miss["phrase"] not in skill["positive"]
            if "goes_to" in miss:
                assert miss["goes_to"] != name


# --- commands, flags, bindings, links -----------------------------------------------------------


def subparsers() -> dict[str, argparse.ArgumentParser]:
    parser = cli._parser("")
    (action,) = (item for item in parser._actions if isinstance(item, argparse._SubParsersAction))
    return dict(action.choices)


def code(path: Path) -> Iterator[tuple[str, bool]]:
    """Each code span and each line of a code block, and whether it is of a block."""
    text = text_of(path)
    blocks = re.compile(r"^```.*?\n(.*?)^```\s*$", re.DOTALL | re.MULTILINE)
    for block in blocks.findall(text):
        for line in block.splitlines():
            yield line, True
    for span in re.findall(r"`([^`]+)`", blocks.sub("", text)):
        yield " ".join(span.split()), False


def calls(path: Path) -> Iterator[tuple[list[str], bool]]:
    """The words after `agent-loops` wherever code calls it, and whether the call is whole."""
    for line, in_block in code(path):
        for match in re.finditer(r"(?<![\w/@.-])(?:bin/)?agent-loops ([a-z-].*)", line):
            words = re.split(r" (?:\|\|?|&&|;|2>&1|<<|#)( |'|$)", match[1])[0]
            yield shlex.split(words, comments=True), in_block


@pytest.mark.parametrize("path", PAGES, ids=page_id)
def test_every_command_and_flag_exists(path: Path) -> None:
    known = subparsers()
    for words, whole in calls(path):
        own = words[: words.index("--")] if "--" in words else words  # behind it another program's
        command, flags = words[0], [word for word in own[1:] if word.startswith("--")]
        if command.startswith("--"):
            assert command in ("--help", "--version", "--json"), words
            continue
        assert command in known, words
        assert set(flags) <= set(known[command]._option_string_actions), words
        if whole:
            cli._parser(command).parse_args(["1" if word == "N" else word for word in own])


@pytest.mark.parametrize("path", PAGES, ids=page_id)
def test_flags_named_alone_exist(path: Path) -> None:
    flags = {flag for parser in subparsers().values() for flag in parser._option_string_actions}
    for span, in_block in code(path):
        if not in_block and span.startswith("--"):
            assert span.split()[0] in flags, span


def test_the_readme_lists_commands_that_exist() -> None:
    table = text_of(ROOT / "README.md").partition("## Commands")[2].partition("\n## ")[0]
    rows = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
    named = {span.split()[0] for row in rows for span in re.findall(r"`([^`]+)`", row)}
    assert named - {"--why"} <= set(subparsers())


def test_the_yaml_of_the_setup_skill_is_valid() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", text_of(SKILLS / "setup" / "SKILL.md"), re.DOTALL)
    assert bindings.parse(block, default_tag="mar5").budget.amount == 300


@pytest.mark.parametrize("path", sorted(SKILLS.rglob("*.md")), ids=page_id)
def test_every_binding_shown_with_a_value_is_valid(path: Path) -> None:
    needed = {"metric": "val_bpb", "run_cmd": "python train.py", "editable_files": ["train.py"]}
    for span, in_block in code(path):
        match = re.fullmatch(r"([a-z]+(?:_[a-z]+)+): (.+)", span)
        if in_block or match is None or match[1] == "val_bpb":
            continue
        value = yaml.safe_load(match[2])
        try:
            bindings.parse(yaml.safe_dump({**needed, match[1]: value}), default_tag="mar5")
        except BindingsError as error:
            pytest.fail(f"{span}: {error}")


@pytest.mark.parametrize("path", PAGES, ids=page_id)
def test_every_link_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", text_of(path)):
        name, _, anchor = target.partition("#")
        linked = path.parent / name if name else path
        assert linked.is_file() or linked.is_dir(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", text_of(linked), re.MULTILINE)
            slugs = {
                re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings
            }
            assert anchor in slugs, target


@pytest.mark.parametrize("path", sorted(SKILLS.rglob("*.md")), ids=page_id)
def test_nothing_that_loses_work_is_recommended(path: Path) -> None:
    for words in _NEVER:
        assert words not in text_of(path), words


# --- the example --------------------------------------------------------------------------------


HEREDOC = re.compile(r"^agent-loops ([^\n]*) <<'EDIT'\n(.*?)^EDIT$", re.DOTALL | re.MULTILINE)


def test_the_edits_of_the_analysis_first_skill_apply_to_the_example() -> None:
    text = text_of(SKILLS / "ml-autoresearch" / "SKILL.md")
    (first, edit), (second, mending) = HEREDOC.findall(text)
    parsed = cli._parser("try").parse_args(shlex.split(first))
    assert [anchors.parse(anchor) for anchor in parsed.anchor]
    assert [predictions.parse(prediction) for prediction in parsed.predict]
    train = (ROOT / "examples" / "tiny_lm" / "train.py").read_bytes()
    made = edits.apply(edits.parse(edit), {"train.py": train}, allowed=lambda _: True)
    rows = plans.parse(made["analysis/plan.md"].decode())
    assert plans.scripts(rows) == ("analysis/jitter.py",)
    assert cli._parser("analyze").parse_args(shlex.split(second)).run
    made |= edits.apply(edits.parse(mending), made, allowed=lambda _: True)
    for path in ("train.py", "analysis/jitter.py"):
        compile(made[path], path, "exec")


def test_the_edit_of_the_karpathy_skill_applies_to_the_example() -> None:
    text = text_of(SKILLS / "karpathy" / "SKILL.md")
    heredoc = re.compile(
        r"^agent-loops (try [^\n]*) <<'EDIT'\n(.*?)^EDIT$", re.DOTALL | re.MULTILINE
    )
    ((command, edit),) = heredoc.findall(text)
    parsed = cli._parser("try").parse_args(shlex.split(command))
    assert parsed.idea
    assert parsed.why
    assert parsed.risk
    assert parsed.wait_s == 580
    train = (ROOT / "examples" / "tiny_lm" / "train.py").read_bytes()
    blocks = edits.parse(edit)
    assert len(blocks) > 1
    changed = edits.apply(blocks, {"train.py": train}, allowed=lambda path: path == "train.py")
    compile(changed["train.py"], "train.py", "exec")


def test_the_research_role_has_the_depths_that_the_skill_names() -> None:
    role = text_of(ROLES / "research-subagent.md")
    depths = re.findall(r"^\| (low|medium|high|x-high) \|", role, re.MULTILINE)
    assert depths == ["low", "medium", "high", "x-high"]
    skill = text_of(SKILLS / "literature-search" / "SKILL.md")
    assert all(f"| {depth} |" in skill for depth in depths)
    limits = [[int(digits) for digits in re.findall(r"\d+", row)][:2] for row in role.splitlines()
              if row.startswith(tuple(f"| {depth} |" for depth in depths))]  # fmt: skip
    assert limits == sorted(limits)


def test_the_finding_of_the_literature_skill_is_one_that_may_be_noted() -> None:
    from agent_loops.literature import corpus

    skill = text_of(SKILLS / "literature-search" / "SKILL.md")
    (command,) = re.findall(r"^agent-loops (papers add .*)$", skill, re.MULTILINE)
    parsed = cli._parser("papers").parse_args(shlex.split(command))
    fits = dict(item.split("=") for item in parsed.applies.split(","))
    assert tuple(fits) == corpus.DIMENSIONS
    assert set(fits.values()) <= set(corpus.FITS)
