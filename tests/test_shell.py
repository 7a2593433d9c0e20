"""The guard reads shell as bash does: compared with bash itself, word by word."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support import ROOT

sys.path.insert(0, str(ROOT / "hooks"))
from expand import UNKNOWN, Expander, Scope
from shell import Unparsable, parse
from syntax import Simple
from walk import Feed, Walker

WORDS = r"""
a b  c
'a b' "c d"
a'b'"c"\d
''
"" ''
$'\x41\102\n\u00e9\t'
$'it\'s'
"a\"b\$c\\d\e"
'a\b'
\ x
a\
b
x$X y"$X"z
$X
"$X"
$X'quoted'$X
${X}
${X}y
$EMPTY
"$EMPTY"
$EMPTY"$EMPTY"
${NONE:-a b}
"${NONE:-a b}"
${NONE-x}
${EMPTY:-x}
${EMPTY-x}
${X:+y}
${X#a}
${X##* }
${X%b}
${P%.*}
${P%%.*}
${P##*/}
${P#*/}
${P:2}
${P:2:3}
${P/a/X}
${P//a/X}
${P^^}
{a,b}
x{a,b}y
{a,b}{1,2}
{1..4}
{c..a}
{a,{b,c}}
a{b
{a}
'{a,b}'
"{a,b}"
\{a,b}
~
~/x
"~"
x~
*.txt
*.TXT
?.txt
[ab].txt
[!a].txt
"*.txt"
\*.txt
sub/*
*/c.md
nothing*here
$STAR
"$STAR"
$(echo a b)
"$(echo a b)"
`echo a b`
"`echo \"a b\"`"
$(echo $(echo deep))
x$(echo a)y
$(printf '%s.py' x)
$(printf 'a\nb\n')
$(echo 'a)b')
$(basename a/b/c) $(dirname a/b/c)
#comment
a#b
a #comment
$'a'$"b"
"$'a'"
a=b
"a
b"
'$X' "\$X" \$X
!a
"""
ENVIRONMENT = {"X": "a b", "EMPTY": "", "P": "sub/a.tar.gz", "STAR": "*.txt"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("a.txt", "b.txt", "sub/c.md", "sub/d.md", ".hidden.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    return tmp_path


def fields_of(command: str, folder: Path) -> list[str]:
    """The fields that the guard sees behind the first word."""
    walker = Walker()
    walker.script(parse(command), Scope(str(folder)), Feed())
    return walker.calls[-1].argv[1:]


def fields_of_bash(words: str, folder: Path) -> list[str]:
    script = f"set -- {words}\nfor word; do printf '%s\\0' \"$word\"; done"
    environ = {
        **ENVIRONMENT,
        "PATH": os.environ["PATH"],
        "HOME": os.environ["HOME"],
        "LC_ALL": "C.UTF-8",
    }
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        cwd=folder, env=environ, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.split("\0")[:-1]


def cases() -> list[str]:
    """The rows above; those of two lines hold together by their quoting."""
    rows, open_row = [], ""
    for line in WORDS.strip("\n").split("\n"):
        open_row += line
        if (open_row.endswith("\\") and not open_row.endswith("\\ ")) or open_row == '"a':
            open_row += "\n"
            continue
        rows.append(open_row)
        open_row = ""
    return rows


@pytest.mark.parametrize("words", cases())
def test_words_become_the_fields_that_bash_makes(words: str, folder: Path) -> None:
    assert fields_of(f"cmd {words}", folder) == fields_of_bash(words, folder)


@pytest.mark.parametrize("words", ["${NONE}", "$((1 + 2))", "$(date)", "${RANDOM}", "$!"])
def test_what_only_running_tells_is_unknown(words: str, folder: Path) -> None:
    assert fields_of(f"cmd x{words}y", folder) == [f"x{UNKNOWN}y"]


VALID = [
    "a",
    "a;",
    "a; b",
    "a & b &",
    "a && b || c",
    "a | b |& c",
    "! a | b",
    "(a; b)",
    "{ a; b; }",
    "if a; then b; fi",
    "if a; then b; elif c; then d; else e; fi",
    "while a; do b; done",
    "until a\ndo\nb\ndone",
    "for x in a b; do c; done",
    "for x; do c; done",
    "for x\ndo c; done",
    "for ((i = 0; i < 3; i++)); do a; done",
    "case x in a) b;; esac",
    "case x in (a|b) c;; *) d; esac",
    "case x in esac",
    "case $x in\n a )\n b\n ;;\nesac",
    "f() { a; }",
    "f () ( a )",
    "function f { a; }",
    "f() { a; } > x",
    "[[ a == b && -f c ]]",
    "[[ $a =~ ^(a|b)$ ]]",
    "((a = 1 + (2 * 3)))",
    "a <<E\nx\nE",
    "a <<'E' | b\n$(x\nE\nc",
    "a <<-E\n\tx\n\tE",
    "a <<E <<F\n1\nE\n2\nF",
    "a <<< b",
    "a > b < c 2>&1 3>&- &> d",
    "a 2>/dev/null",
    "x=1",
    "x=1 y=2 a",
    "x=(a b c)",
    "x+=a",
    "x[1]=2",
    "a $(b) `c` $((1 + 2)) ${d:-e}",
    'a "$(b "c")"',
    "a <(b) >(c)",
    "a # b",
    "# a",
    "\n\na\n\n",
    "time a",
    "a \\\n b",
    "a;# b",
    "echo }",
    "echo if then fi",
    "a=b c=d",
    "$(a)",
    '"$x"',
    "coproc a",
    "a && \\\n b",
    "a &&\n\n b",
    "a |\n b",
    "{ a\n}",
    "(\na\n)",
    "select x in a; do b; done",
    "echo ${x[0]} ${x[@]} ${#x} ${!x}",
    "echo $'a\\'b'",
    'a <<E\n$(b "c")\n`d`\nE',
    "echo {a,b",
    "trap 'a' EXIT",
    "if ! a; then b; fi",
    "a(){ b;};a",
    'echo "a`b`c"',
    "echo a\\",
    "echo $",
]
INVALID = [
    "'a",
    '"a',
    "a `b",
    "a $(b",
    "(a",
    "{ a;",
    "if a; then b",
    "while a; do b",
    "for x in a; b; done",
    "case x in a) b",
    "a )",
    "a |",
    "a &&",
    "| a",
    "&& a",
    "a ;; b",
    "fi",
    "a > ",
    "${a",
    "if a; fi",
    "done",
    "a $(( 1",
    "[[ a",
    "f() ",
    "a & & b",
    "; a",
]


@pytest.mark.parametrize("text", VALID)
def test_what_bash_reads_is_read(text: str) -> None:
    subprocess.run(["bash", "-n", "-c", text], check=True)
    parse(text)


@pytest.mark.parametrize("text", INVALID)
def test_what_bash_refuses_is_refused(text: str) -> None:
    done = subprocess.run(["bash", "-n", "-c", text], capture_output=True, check=False)
    assert done.returncode or b"unexpected" in done.stderr or b"syntax" in done.stderr, text
    with pytest.raises(Unparsable):
        parse(text)


def test_a_here_document_belongs_to_its_command_alone() -> None:
    script = parse("a <<'E'; b\nrm x\nE\nc")
    nodes = [node for node, _ in script.items]
    assert [node.words[0].plain for node in nodes if isinstance(node, Simple)] == ["a", "b", "c"]
    assert isinstance(nodes[0], Simple)
    assert nodes[0].redirects[0].target.plain == "rm x\n"
    assert nodes[0].redirects[0].quoted


def calls_of(command: str, folder: Path) -> list[list[str]]:
    walker = Walker()
    walker.script(parse(command), Scope(str(folder)), Feed())
    return [call.argv for call in walker.calls if call.argv]


def test_every_branch_is_followed(folder: Path) -> None:
    command = "if a; then b; else c; fi; case x in y) d;; esac; while e; do f; done; g || h"
    assert [argv[0] for argv in calls_of(command, folder)] == list("abcdefgh")


def test_a_subshells_folder_and_variables_stay_in_it(folder: Path) -> None:
    scope = Scope(str(folder))
    Walker().script(parse("(cd sub; x=1); y=2"), scope, Feed())
    assert scope.cwds == [str(folder)]
    assert (scope.vars.get("x"), scope.vars["y"]) == (None, ["2"])


def test_what_may_not_happen_leaves_both_possible(folder: Path) -> None:
    scope = Scope(str(folder))
    Walker().script(parse("x=1; a && x=2; b || x=3; if c; then x=4; fi"), scope, Feed())
    assert set(scope.vars["x"]) == {"1", "2", "3", "4"}


def test_a_function_that_calls_itself_ends(folder: Path) -> None:
    assert ["rm", "x"] in calls_of("f() { rm x; f; f; }; f", folder)


def test_wrapped_programs_are_found(folder: Path) -> None:
    for command in (
        "env A=1 -u B nice -n 3 timeout -k 1 5 nohup rm x",
        "sudo -u me -- stdbuf -oL rm x",
        "find . -name a.txt -exec env rm x {} +",
        "echo x | xargs -n 1 -P 2 rm",
        "bash -c 'sh -c \"rm x\"'",
        "uv run --with numpy --no-sync rm x",
    ):
        found = [argv for argv in calls_of(command, folder) if argv[0] == "rm"]
        assert found, command
        assert found[0][1] == "x"


def test_expansions_do_not_explode(folder: Path) -> None:
    """Braces and variables of many values are cut, not multiplied without end."""
    expander = Expander(Scope(str(folder)), lambda _: None)
    node = parse("a " + "{a,b,c,d}" * 12).items[0][0]
    assert isinstance(node, Simple)
    assert len(expander.fields(node.words[1])) < 10_000
