"""The `agent-loops` command line: one handler for every failure, text or one JSON object.

Holds no rule: what a command does lies in `trying`, `rewinding`, `switches`, `setup` and others.
"""

from __future__ import annotations

import argparse
import functools
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agent_loops import __version__, answers, display
from agent_loops.answers import Answer
from agent_loops.entry import Parser
from agent_loops.errors import (
    EXIT_FAILED,
    EXIT_OK,
    EXIT_REFUSED,
    EXIT_USAGE,
    AgentLoopsError,
    Refused,
    UsageError,
)

if TYPE_CHECKING:
    from agent_loops.bindings import Budget
    from agent_loops.grounding import Claims
    from agent_loops.loop import Loop
    from agent_loops.setup import Begun

# Below the host's default limit of 120 s for one command.
_WAIT_IN_HOST_S = 110.0
_WAIT_LESS_THAN_LIMIT_S = 15.0
_EXIT_INTERRUPTED = 130


def _parser(only: str) -> argparse.ArgumentParser:
    """The parser; where `only` is a command, with that command alone, which is faster to make."""
    parser = Parser(
        prog="agent-loops",
        description="Runs, measures, decides, reverts and records experiments on a project.",
        epilog="Exit codes: 0 answered, whatever the verdict; 1 failed; 2 usage or bindings; "
        "3 refused, with the reason and the next command.",
    )
    parser.add_argument("--version", action="version", version=f"agent-loops {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    for name in [only] if only in _COMMANDS else _COMMANDS:
        text, add_arguments = _COMMANDS[name]
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--json", action="store_true", help="answer with one JSON object")
        if add_arguments is not None:
            add_arguments(command)
    return parser


def _try_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("idea", nargs="?", metavar="IDEA", help="what is tried, in a line")
    command.add_argument("--idea-file", metavar="F", help="read IDEA from a file (- for stdin)")
    command.add_argument("--edit", metavar="F", help="search/replace blocks: a file (- for stdin)")
    command.add_argument("--why", default="", help="why it should help")
    command.add_argument("--risk", default="", help="what could go wrong")
    command.add_argument(
        "--basis", default="", metavar="F", help="the finding that it tries: see `papers list`"
    )
    command.add_argument(
        "--repeat", nargs="?", type=_repeats, const=1, metavar="N",
        help="run it N times (once), even if the same code ran before",
    )  # fmt: skip
    _add_wait(command)
    analysis = command.add_argument_group("in `loop: ml-autoresearch`")
    analysis.add_argument(
        "--anchor", action="append", metavar="A",
        help="FILE:KEY=VALUE, a number of the results so far that the idea rests on",
    )  # fmt: skip
    analysis.add_argument(
        "--predict", action="append", metavar="P",
        help="'FILE:KEY < NUMBER', what its results will show if it helps",
    )  # fmt: skip
    analysis.add_argument(
        "--plan", metavar="F", help="the analysis plan, where --edit has no analysis/plan.md"
    )
    analysis.add_argument(
        "--move", choices=("swing", "merge", "exploit"), help="the kind of idea, with `explore`"
    )


def _setup_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--from", dest="from_tag", default="", metavar="TAG",
        help="begin with the code of an earlier campaign's incumbent",
    )  # fmt: skip
    command.add_argument(
        "--allow", action="store_true",
        help="begin nothing: propose what only the person may grant in Claude Code's settings of "
        "this project; written where they type yes in a terminal",
    )  # fmt: skip


def _override_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("number", type=_count, metavar="N", help="the last settled experiment")
    command.add_argument(
        "verdict", choices=("keep", "discard"),
        help="never keeps a crash; keeps a worse one only within override_tolerance of the best "
        "and with fewer lines",
    )  # fmt: skip
    command.add_argument("--why", required=True, help="the reason, which is recorded")


def _rebaseline_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("--why", required=True)
    _add_wait(command)


def _stop_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("--kill", action="store_true", help="end the run under way")
    command.add_argument("--why", default="")


def _infer_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--write", action="store_true", help="write loop.run.yaml, if there is none"
    )


def _resume_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--take-over", action="store_true", help="make the campaign this session's"
    )
    command.add_argument("--until", default="", metavar="T", help="a new end: 07:30, or 8h")


def _demo_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("--keep", metavar="DIR", help="work in DIR instead of a temporary folder")


def _watch_arguments(command: argparse.ArgumentParser) -> None:
    command.usage = "agent-loops watch [--json] -- CLIENT …"
    command.epilog = "Everything after -- is the client's: `agent-loops watch -- claude`."


def _confirm_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--runs", type=_confirming_runs, default=5, metavar="N",
        help="runs of each, on fresh seeds (5, which is the fewest)",
    )  # fmt: skip
    command.add_argument(
        "--top",
        type=_count,
        default=1,
        metavar="K",
        help="compare the K best with the baseline, not only the best",
    )
    _add_wait(command)


def _finalize_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("--squash", action="store_true", help="one commit for all of it")
    command.add_argument(
        "--minimal", action="store_true",
        help="first measure without each kept change, and leave out what does not matter",
    )  # fmt: skip
    command.add_argument(
        "--budget", type=_duration, metavar="T", help="with --minimal: at most so much time (2h)"
    )
    command.add_argument(
        "--runs", type=_count, metavar="N", help="with --minimal: begin nothing past N runs"
    )
    _add_wait(command)


def _papers_arguments(command: argparse.ArgumentParser) -> None:
    from agent_loops.literature import papers_arguments

    papers_arguments.add_to(command, count=_count)


def _status_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--watch", action="store_true", help="stay, and draw it anew as things happen; q ends it"
    )


def _history_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "range", nargs="?", default="", metavar="A..B", help="only these numbers: 10..20, 10.., 10"
    )
    command.add_argument(
        "--status", default="", metavar="S", help="only these: keep,discard,crash,open"
    )
    command.add_argument("--text", default="", metavar="WORDS", help="with all of these words")
    command.add_argument(
        "--file", default="", metavar="PATH", help="those that changed it; may be a glob"
    )
    views = command.add_mutually_exclusive_group()
    for view, text in (
        ("near-misses", "discarded, but nearly better: the nearest first"),
        ("dead-ends", "what was tried three times or more and never kept"),
        ("compact", "all of it in 4 KB, for an agent: what not to try again"),
    ):
        views.add_argument(
            f"--{view}", dest="view", action="store_const", const=view, default="", help=text
        )


def _number_argument(command: argparse.ArgumentParser) -> None:
    command.add_argument("number", type=_count, metavar="N")


def _text_argument(command: argparse.ArgumentParser) -> None:
    command.add_argument("text", metavar="TEXT")


def _why_argument(command: argparse.ArgumentParser) -> None:
    command.add_argument("--why", default="")


def _analyze_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("number", nargs="?", type=_count, metavar="N", help="the last one's")
    command.add_argument(
        "--run", action="store_true", help="run the scripts of its analysis plan once more"
    )
    command.add_argument(
        "--edit", metavar="F", help="with --run: mend these scripts or the plan (- for stdin)"
    )
    _add_wait(command)


def _report_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "table",
        nargs="?",
        metavar="RESULTS.tsv",
        help="another tool's table of results, reported in ./report or the campaign's folder "
        "(default: the campaign)",
    )
    command.add_argument(
        "--metric", metavar="NAME", help="that table's column to go by, where two could be it"
    )
    command.add_argument(
        "--direction", choices=("minimize", "maximize"),
        help="which way that table's metric is better, where its name does not say",
    )  # fmt: skip
    command.add_argument(
        "--reading", metavar="F",
        help="the agent's reading of it, put into analysis.md (- for stdin)",
    )  # fmt: skip


def _serve_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--port", type=_port, metavar="N", help="the same one each time (default: any free one)"
    )


def _export_arguments(command: argparse.ArgumentParser) -> None:
    from agent_loops.exporting.targets import TARGETS

    command.add_argument("--to", required=True, choices=TARGETS, help="the tool or the format")
    command.add_argument(
        "--out", metavar="DIR", help="where to write (default: export/ in the campaign's folder)"
    )
    command.add_argument(
        "--python", metavar="P", help="the Python that has the tool's library (default: our own)"
    )


def _add_wait(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--wait-s", type=_seconds, metavar="S",
        help="answer after S seconds even if the run goes on (default: no limit for a person)",
    )  # fmt: skip


_COMMANDS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None] | None]] = {
    "infer": ("propose every binding of this project, with its evidence", _infer_arguments),
    "setup": ("check the bindings and begin a campaign", _setup_arguments),
    "try": ("run one experiment: measure, decide, keep or restore, record", _try_arguments),
    "wait": ("wait for the run under way; with none, repeat the last verdict", _add_wait),
    "analyze": ("what happened inside a run, the most unusual first", _analyze_arguments),
    "override": ("turn the last verdict: equal and simpler is a keep", _override_arguments),
    "checkout": ("put experiment N's code into the editable files", _number_argument),
    "status": ("where the campaign stands", _status_arguments),
    "history": ("what was tried", _history_arguments),
    "show": ("one experiment", _number_argument),
    "diff": ("one experiment's change", _number_argument),
    "note": ("a word that the next verdict shows", _text_argument),
    "rebaseline": (
        "freeze changed bindings or a mended harness, measure anew", _rebaseline_arguments,
    ),
    "pause": ("finish the run under way, then refuse `try`", _why_argument),
    "stop": ("end the campaign, until `resume`", _stop_arguments),
    "resume": ("go on after pause or stop", _resume_arguments),
    "watch": ("start a coding client, and again whenever it ends too early", _watch_arguments),
    "ready": ("the check at bedtime: rehearse once, then say whether to leave it", _add_wait),
    "confirm": (
        "the morning claim: best and baseline on fresh seeds, and one plain sentence",
        _confirm_arguments,
    ),
    "finalize": (
        "a clean branch of what was kept, a commit an idea, with the text of a pull request",
        _finalize_arguments,
    ),
    "papers": ("look things up in the literature; quoted, never invented", _papers_arguments),
    "report": ("picture, page and analysis of the campaign, for people", _report_arguments),
    "serve": ("the report's page, live in a browser of this machine", _serve_arguments),
    "export": ("the campaign into MLflow, W&B, TensorBoard, CSV or Parquet", _export_arguments),
    "doctor": ("what is missing or in the way on this machine and in this project", None),
    "demo": ("watch a whole campaign on a small real training script", _demo_arguments),
}  # fmt: skip


def _no_such_command(word: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(word, _COMMANDS, n=1)
    hint = f"did you mean `agent-loops {near[0]}`?" if near else "`agent-loops --help` lists them"
    return f"no command {word[:40]!r}; {hint}"


def _unexpected(parsed: argparse.Namespace, rest: Sequence[str]) -> str:
    if parsed.command == "watch":
        return f"put -- before the client: `agent-loops watch -- {' '.join(rest)}`"
    text = parsed.idea if parsed.command == "try" else getattr(parsed, "text", None)
    if text is not None and not any(word.startswith("-") for word in rest):
        import shlex

        quoted = shlex.quote(" ".join([text, *rest]))
        return f"put quotes around the text: `agent-loops {parsed.command} {quoted}`"
    return f"unrecognized arguments: {' '.join(rest)}"


_MOST_REPEATS = 100
_FEWEST_TO_CONFIRM = 5


def _count(text: str) -> int:
    value = int(text) if text.isascii() and text.isdigit() else 0
    if not 1 <= value < 10**9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return value


def _repeats(text: str) -> int:
    value = _count(text)
    if value > _MOST_REPEATS:
        raise argparse.ArgumentTypeError(f"{text} is more than {_MOST_REPEATS} runs")
    return value


def _confirming_runs(text: str) -> int:
    value = _repeats(text)
    if value < _FEWEST_TO_CONFIRM:
        raise argparse.ArgumentTypeError(f"{text} runs of each say too little: at least 5")
    return value


def _port(text: str) -> int:
    value = _count(text)
    if value >= 1 << 16:
        raise argparse.ArgumentTypeError(f"{text} is no port: 1 to 65535")
    return value


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return value


def _duration(text: str) -> float:
    from agent_loops.bindings import duration_s

    value = duration_s(text)
    if value is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration with its unit, 2h or 90 min")
    return value


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    client: list[str] = []
    if arguments[:1] == ["watch"] and "--" in arguments:
        split = arguments.index("--")
        arguments, client = arguments[:split], arguments[split + 1 :]
    as_json = "--json" in arguments
    try:
        first = arguments[0] if arguments else ""
        if first and first not in _COMMANDS and not first.startswith("-"):
            raise UsageError(_no_such_command(first))
        parser = _parser(first)
        parsed, rest = parser.parse_known_args(arguments)
        if rest:
            parser.error(_unexpected(parsed, rest))
        if parsed.command is None:
            raise UsageError("no command; `agent-loops --help` lists them")
        parsed.client = client
        _print(_run(parsed), as_json=as_json)
    except Refused as error:
        answer = answers.refused(
            error.kind, error.reason, next_step=error.next_step, files=error.files
        )
        _print(answer, as_json=as_json)
        return EXIT_REFUSED
    except AgentLoopsError as error:
        _print_failure(str(error), error.exit_code, as_json=as_json)
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write(
            "interrupted; a run under way goes on: `agent-loops wait` shows its verdict, "
            "`agent-loops stop --kill` ends it\n"
        )
        return _EXIT_INTERRUPTED
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            return EXIT_OK
        _print_failure(f"{error}; nothing was recorded; try again", EXIT_FAILED, as_json=as_json)
        return EXIT_FAILED
    return EXIT_OK


def _print(answer: Answer, *, as_json: bool) -> None:
    from agent_loops.files import dump_json

    text = dump_json(answer.values) if as_json else answer.text()
    sys.stdout.buffer.write(text.encode("utf-8", "replace") + b"\n")
    sys.stdout.flush()


def _print_failure(message: str, code: int, *, as_json: bool) -> None:
    word = "usage" if code == EXIT_USAGE else "failed"
    if as_json:
        _print(answers.failed(word, message), as_json=True)
    line = "agent-loops: " + message.replace("\n", "\\n")  # the name of a folder may hold one
    if sys.stderr.isatty():
        import shutil
        import textwrap

        line = textwrap.fill(
            line, shutil.get_terminal_size().columns, subsequent_indent="  ",
            break_long_words=False, break_on_hyphens=False,
        )  # fmt: skip
    sys.stderr.write(f"{line}\n")


def _run(parsed: argparse.Namespace) -> Answer:
    if parsed.command == "demo":
        from agent_loops import demo

        stream = sys.stderr if parsed.json else sys.stdout
        folder = Path(parsed.keep) if parsed.keep else None
        return demo.run(folder, say=lambda text: print(text, file=stream, flush=True))
    if parsed.command == "infer":
        from agent_loops.inference import proposal

        return proposal.run(Path.cwd(), write=parsed.write)
    if parsed.command == "doctor":
        from agent_loops.diagnosis import doctor

        return doctor.run(Path.cwd(), os.environ)
    if parsed.command == "papers":
        from agent_loops.literature import papers_command

        return papers_command.run(parsed, os.environ)
    if parsed.command == "report" and parsed.table is not None:
        from agent_loops.reporting import reported

        reading = _read(parsed.reading) if parsed.reading else None
        return reported.of_table(
            Path(parsed.table), metric=parsed.metric, direction=parsed.direction,
            reading=reading, environ=os.environ,
        )  # fmt: skip
    if parsed.command == "setup" and parsed.allow:
        return _allow(parsed)
    if parsed.command == "watch":
        from agent_loops import watchdog

        return watchdog.run(Path.cwd(), parsed.client, os.environ)
    from agent_loops import campaigns
    from agent_loops.loop import Loop

    project = campaigns.find_project(Path.cwd())
    if parsed.command == "setup":
        from agent_loops import setup
        from agent_loops.diagnosis import project_checks

        begun = setup.begin(project, os.environ, from_tag=parsed.from_tag)
        return _begun(begun, project_checks.notes(begun.store))
    find = campaigns.named_store if parsed.command == "resume" else campaigns.find_store
    run = Loop(find(project), project.root, dict(os.environ))
    return _HANDLERS[parsed.command](run, parsed)


def _allow(parsed: argparse.Namespace) -> Answer:
    """A person is asked where one sits at both ends, and no agent calls."""
    from agent_loops.readiness import grants

    if parsed.from_tag:
        raise UsageError("--allow begins no campaign; give --from without it")
    in_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    asks = in_terminal and not parsed.json and not os.environ.get("CLAUDECODE")
    return grants.run(_folder_of_settings(), os.environ, ask=_typed if asks else None)


def _folder_of_settings() -> Path:
    """Where a session on this project is started: beside loop.run.yaml, or in its root."""
    from agent_loops import campaigns

    try:
        return campaigns.find_project(Path.cwd()).root
    except UsageError:
        from agent_loops.inference.survey import find_root

        return find_root(Path.cwd())


def _typed(lines: Sequence[str]) -> str:
    print(*lines, sep="\n")
    try:
        return input("Write this? Type yes: ")
    except EOFError:
        print()
        return ""


def _report(run: Loop, parsed: argparse.Namespace) -> Answer:
    from agent_loops.reporting import showing

    if parsed.command == "show":
        return showing.show(run, parsed.number)
    return showing.diff(run, parsed.number)


def _history(run: Loop, parsed: argparse.Namespace) -> Answer:
    from agent_loops.reporting import listing, selecting

    wish = selecting.wanted(
        statuses=parsed.status, text=parsed.text, path=parsed.file, numbers=parsed.range
    )
    return listing.history(run, wish, view=parsed.view)


def _status(run: Loop, parsed: argparse.Namespace) -> Answer:
    from agent_loops.reporting import dashboard

    if parsed.watch:
        if not (_draws(parsed) and sys.stdin.isatty()):
            raise UsageError(
                "--watch draws in a terminal, and this is none: `agent-loops status` answers once"
            )
        from agent_loops.reporting import live

        run = live.watch(run)
    if not _draws(parsed):
        return dashboard.status(run)
    from agent_loops.reporting import screen

    answer = dashboard.status(run, columns=screen.columns(at_most=dashboard.COLUMNS))
    return answer._replace(lines=screen.coloured(answer.lines))


def _draws(parsed: argparse.Namespace) -> bool:
    """Whether the answer goes to a terminal that understands codes."""
    return sys.stdout.isatty() and not parsed.json and os.environ.get("TERM") != "dumb"


def _write_report(run: Loop, parsed: argparse.Namespace) -> Answer:
    from agent_loops.reporting import reported

    if parsed.direction or parsed.metric:
        option = "--direction" if parsed.direction else "--metric"
        raise UsageError(f"{option} is for a table: `agent-loops report RESULTS.tsv`")
    return reported.of_campaign(run, _read(parsed.reading) if parsed.reading else None)


def _serve(run: Loop, parsed: argparse.Namespace) -> Answer:
    from agent_loops.reporting import serving

    stream = sys.stderr if parsed.json else sys.stdout
    say = functools.partial(print, file=stream, flush=True)
    return serving.run(run, port=parsed.port, say=say)


def _wait(run: Loop, parsed: argparse.Namespace) -> Answer:
    from agent_loops import trying

    return trying.wait(run, wait_s=_wait_s(parsed))


def _ready(run: Loop, parsed: argparse.Namespace) -> Answer:
    from agent_loops.readiness import readiness

    return readiness.run(run, wait_s=_wait_s(parsed))


def _confirm(run: Loop, parsed: argparse.Namespace) -> Answer:
    from agent_loops import confirm

    return confirm.run(
        run, runs=parsed.runs, top=parsed.top, wait_s=_wait_s(parsed),
        say=lambda text: print(text, file=sys.stderr, flush=True),
    )  # fmt: skip


def _finalize(run: Loop, parsed: argparse.Namespace) -> Answer:
    from agent_loops.finalizing import finalize, removals

    bounded = parsed.budget is not None or parsed.runs is not None
    if bounded and not parsed.minimal:
        raise UsageError("--budget and --runs bound what --minimal measures: add --minimal")
    return finalize.run(
        run, squash=parsed.squash, wait_s=_wait_s(parsed),
        minimal=removals.Bound(parsed.budget, parsed.runs) if parsed.minimal else None,
        say=lambda text: print(text, file=sys.stderr, flush=True),
    )  # fmt: skip


def _rewind(run: Loop, parsed: argparse.Namespace) -> Answer:
    from agent_loops import rewinding

    match parsed.command:
        case "override":
            return rewinding.override(run, parsed.number, parsed.verdict, parsed.why)
        case "checkout":
            return rewinding.checkout(run, parsed.number)
        case _:
            return rewinding.rebaseline(run, parsed.why, wait_s=_wait_s(parsed))


def _switch(run: Loop, parsed: argparse.Namespace) -> Answer:
    from agent_loops import switches

    match parsed.command:
        case "pause":
            return switches.pause(run, parsed.why)
        case "stop":
            return switches.stop(run, parsed.why, kill=parsed.kill)
        case "resume":
            return switches.resume(run, take_over=parsed.take_over, until=parsed.until)
        case _:
            return switches.note(run, parsed.text)


def _try(run: Loop, parsed: argparse.Namespace) -> Answer:
    from agent_loops import trying

    if parsed.edit == "-" and parsed.idea_file == "-":
        raise UsageError("--edit - and --idea-file -: only one can come on standard input")
    if parsed.idea is not None and parsed.idea_file is not None:
        raise UsageError("give IDEA or --idea-file, not both")
    idea = _read(parsed.idea_file) if parsed.idea_file is not None else parsed.idea
    if not display.clean(idea or "", 1):
        if not run.campaign.wants_baseline:
            raise UsageError("say what is tried: `agent-loops try 'increase LR to 0.04'`")
        idea = "baseline"
    return trying.try_idea(
        run,
        trying.Idea(idea, parsed.why, parsed.risk, parsed.basis),
        edit=_read(parsed.edit) if parsed.edit is not None else None,
        repeat=parsed.repeat,
        wait_s=_wait_s(parsed),
        claims=_claims(parsed),
    )


def _claims(parsed: argparse.Namespace) -> Claims | None:
    """What the idea is said to rest on; None where nothing is said."""
    if not (parsed.anchor or parsed.predict or parsed.plan or parsed.move):
        return None
    from agent_loops.grounding import Claims

    if parsed.plan == "-" and "-" in (parsed.edit, parsed.idea_file):
        raise UsageError("--plan - and another -: only one can come on standard input")
    plan = _read(parsed.plan) if parsed.plan else None
    return Claims(tuple(parsed.anchor or ()), tuple(parsed.predict or ()), plan, parsed.move or "")


def _analyze(run: Loop, parsed: argparse.Namespace) -> Answer:
    from agent_loops import reanalysis

    if not parsed.run:
        if parsed.edit is not None:
            raise UsageError("--edit mends scripts that are to run: add --run")
        return reanalysis.look(run, parsed.number)
    edit = _read(parsed.edit) if parsed.edit is not None else None
    return reanalysis.run_again(run, parsed.number, edit=edit, wait_s=_wait_s(parsed))


def _export(run: Loop, parsed: argparse.Namespace) -> Answer:
    from agent_loops.exporting import export_command

    return export_command.run(run, parsed.to, parsed.out, parsed.python)


# Each imports what it needs when it is called: starting up is most of what a `try` costs.
_HANDLERS: dict[str, Callable[[Loop, argparse.Namespace], Answer]] = {
    "try": _try,
    "wait": _wait,
    "ready": _ready,
    "confirm": _confirm,
    "finalize": _finalize,
    "analyze": _analyze,
    "report": _write_report,
    "serve": _serve,
    "status": _status,
    "history": _history,
    "export": _export,
    **dict.fromkeys(("show", "diff"), _report),
    **dict.fromkeys(("override", "checkout", "rebaseline"), _rewind),
    **dict.fromkeys(("pause", "stop", "resume", "note"), _switch),
}


def _wait_s(parsed: argparse.Namespace) -> float | None:
    if parsed.wait_s is not None:
        return float(parsed.wait_s)
    return _wait_in_host_s(os.environ) if os.environ.get("CLAUDECODE") else None


def _wait_in_host_s(environ: Mapping[str, str]) -> float:
    """A little less than the host lets one command take: the answer comes before its end."""
    limit_ms = environ.get("BASH_DEFAULT_TIMEOUT_MS", "")
    if not (limit_ms.isascii() and limit_ms.isdigit() and int(limit_ms)):
        return _WAIT_IN_HOST_S
    limit_s = int(limit_ms) / 1000
    return max(limit_s - _WAIT_LESS_THAN_LIMIT_S, limit_s / 2)


def _read(name: str) -> str:
    """A text argument's content; bytes that are no UTF-8 survive as they are."""
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise UsageError(f"{name}: cannot be read: {error.strerror}") from error
    return data.decode("utf-8", "surrogateescape")


def _begun(begun: Begun, found: Sequence[str]) -> Answer:
    from agent_loops import calibration, rounds, runs

    store, campaign = begun.store, begun.store.campaign
    bindings, branch = campaign.bindings, campaign.started.branch
    folder = os.path.relpath(store.paths.root, store.project.root)
    frozen, timeout_s = sorted(begun.harness.files), runs.timeout_s(campaign)
    until = "" if bindings.timeout_s is not None else ", or twice the baseline's time if longer"
    killed = f"a run is killed after {answers.duration(timeout_s)}{until}"
    lines = [
        f"campaign {bindings.run_tag}  ({bindings.iter_strategy}, files in {folder})",
        f"begins    with {begun.origin}" if begun.origin else "",
        f"branch    {branch} is checked out now; `git switch -` goes back" if branch else "",
        f"metric    {bindings.metric} ({bindings.metric_direction}), "
        + _SOURCES[bindings.metric_source],
        f"time      budget {_budget(bindings.budget)}; {killed}",
        f"baseline  {cost}" if (cost := calibration.cost(bindings)) else "",
        f"editable  {_listed(begun.editable)}",
        f"locked    {display.clean(', '.join(bindings.locked), 300)}" if bindings.locked else "",
        f"frozen    {_listed(frozen)}",
    ]
    if begun.metric_lines:
        places = ", ".join(begun.metric_lines[:5])
        lines.append(
            f"{bindings.metric} is named in editable code ({places}): changes there are flagged"
        )
    notes = [*begun.notes, *found, *filter(None, [rounds.shortage(bindings)])]
    lines += [f"note: {note}" for note in notes]
    next_step = "agent-loops try baseline"
    values = {
        "schema": answers.SCHEMA, "status": "set up", "tag": bindings.run_tag,
        "from": begun.origin or None, "strategy": bindings.iter_strategy, "sandbox": folder,
        "branch": branch, "editable": list(begun.editable), "locked": list(bindings.locked),
        "harness_files": len(frozen), "timeout_s": timeout_s,
        "metric_lines": list(begun.metric_lines), "program": begun.program,
        "notes": notes, "next": next_step,
    }  # fmt: skip
    return Answer(values, [*lines, f"next: {next_step}"])


_SOURCES = {
    "measured": "measured by agent-loops",
    "evaluated": "as eval_cmd measures it",
    "self-reported": "as the training script reports it",
}


def _budget(budget: Budget) -> str:
    if budget.kind == "time":
        return answers.duration(budget.amount)
    return f"{budget.amount:g} epochs" if budget.kind == "epochs" else "none"


def _listed(paths: Sequence[str]) -> str:
    """The first few of the files, and how many there are."""
    if not paths:
        return "nothing"
    first = ", ".join(display.clean(path, 80) for path in paths[:4])
    more = ", …" if len(paths) > 4 else ""
    return f"{len(paths)} {'file' if len(paths) == 1 else 'files'}: {first}{more}"
