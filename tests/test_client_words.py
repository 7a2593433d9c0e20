"""What a client's last words mean, and the words that start it again."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, timezone

import pytest

from agent_loops.client_command import PROMPT, ClientCommand
from agent_loops.client_words import understood
from agent_loops.errors import UsageError

NOW = datetime(2026, 11, 21, 1, 30, tzinfo=timezone.utc)


@pytest.fixture(autouse=True)
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """It is 02:30 on the person's clock."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Claude AI usage limit reached|1795300000", "limit"),
        ("Claude usage limit reached. Your limit will reset at 3am (Europe/Berlin).", "limit"),
        ("You've hit your session limit · resets 3am", "limit"),
        ("You've hit your monthly spend limit.", "limit"),
        ("5-hour limit reached ∙ resets 3am", "limit"),
        ("Opus weekly limit reached", "limit"),
        ('API Error: 429 {"type":"error","error":{"type":"rate_limit_error"}}', "limit"),
        ('API Error: 529 {"error":{"type":"overloaded_error"}}', "server"),
        ("API Error: Repeated 529 Overloaded errors · check status.claude.com", "server"),
        ("API Error (Connection error.)", "server"),
        ("Unable to connect to API (ECONNRESET)", "server"),
        ("Not logged in · Please run /login", "login"),
        ('API Error: 401 {"type":"authentication_error"} · Please run /login', "login"),
        ("Invalid API key · Fix external API key", "login"),
        ("OAuth token revoked · Please run /login", "login"),
        ("Credit balance is too low", "login"),
        ("No conversation found with session ID: 1-2", "no session"),
        ("API Error: Request rejected (429) · This request would exceed your limit", "limit"),
        ('{"type":"rate_limit_event","rate_limit_info":{"status":"allowed"}}', "nothing"),
        ('{"type":"result","is_error":false,"duration_ms":429,"result":"rate limit"}', "nothing"),
        ("took 429 s", "nothing"),
        ("", "nothing"),
        ("Segmentation fault", "nothing"),
        ("context limit reached, compacting", "nothing"),
        ("#5 keep  val_bpb 0.5003 (0.0503 better)", "nothing"),
        ("I read in the docs: usage limit reached\n\nAll done.\nNot logged in", "login"),
        ("usage limit reached" + "\nand then something else" * 400, "nothing"),
        ('{"result":"x"}\n{"is_error":true,"result":"You\'ve hit your weekly limit"}\n', "limit"),
    ],
)
def test_words_have_a_meaning(text: str, kind: str) -> None:
    assert understood(text, NOW).kind == kind


@pytest.mark.parametrize(
    ("text", "until"),
    [
        (f"Claude AI usage limit reached|{int(NOW.timestamp()) + 4000}", NOW + timedelta(0, 4000)),
        (
            f"Claude AI usage limit reached|{int(NOW.timestamp()) + 4000}000",
            NOW + timedelta(0, 4000),
        ),
        ("You've hit your session limit · resets 3am", "02:00"),
        ("You've hit your session limit · resets at 3:45 AM", "02:45"),
        ("You've hit your session limit · resets 3am (America/New_York)", "08:00"),
        ("You've hit your session limit · resets 3am (Nowhere/At_All)", "02:00"),
        ("5-hour limit reached ∙ resets 2:20am", NOW),  # just past: now, not tomorrow
        ("weekly limit reached ∙ resets Nov 23, 3pm", "2026-11-23T14:00"),
        ("weekly limit reached ∙ resets Nov 23 at 3:30pm (UTC)", "2026-11-23T15:30"),
        ("You've hit your fast limit · resets in 1h 20m", NOW + timedelta(hours=1, minutes=20)),
        ("You've hit your session limit · resets in 45 min", NOW + timedelta(minutes=45)),
        ("weekly limit reached ∙ resets Dec 23, 3pm", None),  # too far to be believed
        ("weekly limit reached ∙ resets Feb 31, 3pm", None),
        ("limit reached · resets 99:99am: usage limit reached", None),
        ("usage limit reached|17", None),
        (f"usage limit reached|{int(NOW.timestamp()) - 4000}", None),
        ("usage limit reached|9999999999", None),
        ("You've hit your session limit", None),
        ("API Error: 500, resets 3am", None),
    ],
)
def test_a_limit_may_name_its_end(text: str, until: datetime | str | None) -> None:
    if isinstance(until, str):
        text_of = until if "T" in until else f"2026-11-21T{until}"
        until = datetime.fromisoformat(text_of).replace(tzinfo=timezone.utc)
    assert understood(text, NOW).until == until


OPTIONS = [
    (["-p"], ["-p"]),
    (["-p", "do it"], ["-p"]),
    (["do it", "--model", "opus"], ["--model", "opus"]),
    (["--model=opus", "do it"], ["--model=opus"]),
    (["--allowedTools", "Bash(git *)", "Edit", "--verbose", "do it"],
     ["--allowedTools", "Bash(git *)", "Edit", "--verbose"]),
    (["--add-dir", "a", "b", "-p", "do it"], ["--add-dir", "a", "b", "-p"]),
    (["-c"], []),
    (["--continue", "--dangerously-skip-permissions"], ["--dangerously-skip-permissions"]),
    (["--resume"], []),
    (["-r", "1-2-3", "do it", "-p"], ["-p"]),
    (["--session-id", "1-2-3", "--fork-session", "--verbose"], ["--verbose"]),
    (["-pc", "do it"], ["-p"]),
    (["--input-format", "stream-json", "-p"], ["-p"]),
    (["--debug", "api", "do it"], ["--debug", "api"]),
    (["--permission-mode", "acceptEdits", "--", "--not-an-option"],
     ["--permission-mode", "acceptEdits"]),
    (["--from-tomorrow", "word", "do it"], ["--from-tomorrow", "word"]),
    (["--from-tomorrow", "do it all"], ["--from-tomorrow"]),
    (["--from-tomorrow", PROMPT], ["--from-tomorrow"]),
    (["--system-prompt", "be brief and kind", "do it"], ["--system-prompt", "be brief and kind"]),
    (["-"], []),
]  # fmt: skip


@pytest.mark.parametrize(("words", "kept"), OPTIONS, ids=lambda words: " ".join(words))
def test_the_persons_options_are_kept_and_the_prompt_is_not(
    words: Sequence[str], kept: Sequence[str]
) -> None:
    command = ClientCommand.parse(["claude", *words])
    assert command.words == ("claude", *words)
    assert command.afresh() == ("claude", PROMPT, *kept)
    assert command.resuming("1-2") == ("claude", PROMPT, "--resume", "1-2", *kept)
    assert command.prints == ("-p" in kept)


@pytest.mark.parametrize(
    "head",
    [
        ["claude"], ["/usr/local/bin/claude"], ["env", "A=1", "claude"], ["my-agent"],
        ["npx", "@anthropic-ai/claude-code"], ["docker", "exec", "-it", "box", "claude"],
        ["claude.exe"],
    ],
)  # fmt: skip
def test_what_stands_before_the_program_stays(head: Sequence[str]) -> None:
    command = ClientCommand.parse([*head, "do it", "--verbose"])
    assert command.afresh() == (*head, PROMPT, "--verbose")


@pytest.mark.parametrize("words", [[], ["claude", "--bg"], ["claude", "-p", "--cloud", "x"]])
def test_what_cannot_be_watched_is_told(words: Sequence[str]) -> None:
    with pytest.raises(UsageError):
        ClientCommand.parse(words)
