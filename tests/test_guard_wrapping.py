"""What is refused stays refused in any wrapping, and nothing makes the guard approve or fail."""

from __future__ import annotations

import resource
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guarded import SESSION, placed, remember, shared
from support import ROOT, Project

sys.path.insert(0, str(ROOT / "hooks"))
import bash
import limits
from campaign import Campaign, Session

TABLE = yaml.safe_load((Path(__file__).parent / "guard_bypasses.yaml").read_text())
# Wrapped, what takes too long to check may be another command, or none; it takes long all the same.
_TOO_MUCH = "too long to check"
DENIED = [
    row
    for group in TABLE
    if group["stopped_by"] == "guard" and not ({"alive", "run_cmd"} & set(group))
    if group.get("says") != _TOO_MUCH
    for row in group["rows"]
    if isinstance(row, str)
]
WRAPPERS: dict[str, Callable[[str], str]] = {
    "( … )": lambda core: f"({core}\n)",
    "{ …; }": lambda core: f"{{ {core}\n}}",
    "env X=1 bash -c '…'": lambda core: f"env X=1 bash -c {shlex.quote(core)}",
    "bash -c '…'": lambda core: f"bash -c {shlex.quote(core)}",
    "/bin/sh -ec \"…\"": lambda core: f"/bin/sh -ec {shlex.quote(core)}",
    "true && …": lambda core: f"true && {core}",
    "false || { … }": lambda core: f"false || {{ {core}\n}}",
    "…; echo": lambda core: f"{core}\necho done",
    "{ … } | cat": lambda core: f"{{ {core}\n}} | sort -u | cat",
    "echo $( … )": lambda core: f"echo $({core}\n)",
    'x="$( … )"': lambda core: f'x="$({core}\n)"',
    "if true; then …": lambda core: f"if true; then\n{core}\nfi",
    "for …": lambda core: f"for i in 1 2; do\n{core}\ndone",
    "while …": lambda core: f"while true; do\n{core}\nbreak; done",
    "case …": lambda core: f"case a in a)\n{core}\n;; esac",
    "f() { … }; f": lambda core: f"f() {{ {core}\n}}; f",
    "eval '…'": lambda core: f"eval {shlex.quote(core)}",
    "nohup bash -c '…' &": lambda core: f"nohup bash -c {shlex.quote(core)} > /dev/null 2>&1 &",
    "timeout 5 sh <<": lambda core: f"timeout 5 bash <<'EOF_OF_IT'\n{core}\nEOF_OF_IT",
    "agent-loops status; …": lambda core: f"agent-loops status\n{core}",
}  # fmt: skip
# Printing into a file, a variable or a filter puts nothing into the context.
_OF_OUTPUT = ("of a log", "never ends")
SHORTENED = {row for group in TABLE if group.get("says") in _OF_OUTPUT for row in group["rows"]
             if isinstance(row, str)}  # fmt: skip


@pytest.fixture
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = shared(tmp_path_factory, "wrapped")
    remember(project, loops=True)
    return project


def decided(project: Project, command: str) -> tuple[str, str]:
    """The decision in this process, as thousands are asked for."""
    here = Campaign(str(project.root))
    return bash.decided(command, here, Session(here, {"session_id": SESSION}), here.root)


@pytest.mark.parametrize("name", WRAPPERS)
def test_a_refused_command_is_refused_in_every_wrapping(name: str, project: Project) -> None:
    passed = []
    for row in DENIED:
        command = WRAPPERS[name](placed(row, project))
        kind, _ = decided(project, command)
        assert kind != "allow", command
        if kind != "deny" and not (row in SHORTENED and "/dev/null" in command):
            passed.append(command)
    assert not passed


PIECES = st.sampled_from(
    [*r"""agent-loops try status 'x' "y" --edit - <<'EDIT' rm prepare.py sandbox/t1/journal.jsonl
    > >> | || && & ; ( ) { } $( ` $x ${x:-y} $'\x41' if then fi for in do done case esac x=1 cd /tmp
    python -c "open('prepare.py','w')" git reset --hard stop resume env -u CLAUDE_CODE_SESSION_ID
    xargs find . -exec {} \; sudo <( <<< 2>&1 * ~ \ # [[ ]] (( )) ! eval""".split(),
    "\n", "\nEDIT\n"]
)  # fmt: skip


@settings(
    max_examples=400, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(pieces=st.lists(PIECES, max_size=14), between=st.sampled_from([" ", " ", ""]))
def test_no_made_up_command_fails_or_is_wrongly_approved(
    project: Project, pieces: list[str], between: str
) -> None:
    command = between.join(pieces)
    kind, _ = decided(project, command)
    if kind == "allow":
        assert not any(char in command for char in "`$<>|&;(){}*") or "<<'EDIT'" in command, command
        head = command.split("<<'EDIT'")[0]
        assert head.split()[0].strip("'\"") == "agent-loops", command
        assert not {"rm", "stop", "resume", "python", "git"} & set(head.split()[1:2]), command


@settings(
    max_examples=300, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(text=st.text(max_size=60))
def test_any_text_is_decided(project: Project, text: str) -> None:
    assert decided(project, text)[0] in ("", "deny", "allow")
    assert decided(project, f"agent-loops {text} $(rm prepare.py)")[0] != "allow"


def test_an_idea_of_any_words_in_single_quotes_is_approved(project: Project) -> None:
    words: Any = st.text(max_size=80).filter(lambda text: "'" not in text and "\0" not in text)

    @settings(max_examples=200, deadline=None)
    @given(idea=words)
    def approved(idea: str) -> None:
        if not any("\ud800" <= char <= "\udfff" or "\ue000" <= char <= "\ue0ff" for char in idea):
            assert decided(project, f"agent-loops try '{idea}'")[0] == "allow"

    approved()


def test_a_check_gives_back_the_memory_that_it_may_not_have() -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    with limits.bounded():
        soft, _ = resource.getrlimit(resource.RLIMIT_AS)
        assert 0 < soft <= 1 << 30
    assert resource.getrlimit(resource.RLIMIT_AS) == before
