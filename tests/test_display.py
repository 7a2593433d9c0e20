"""What is shown of text from outside: short, on one line, without tricks or secrets."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_loops.display import clean, mask, secret_values
from agent_loops.tails import tail


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\tb\r\n c  d ", "a b c d"),
        ("\x1b[31mred\x1b[0m \x1b]0;title\x07on", "red on"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b31mred\x9d0;title\x9c", "red"),
        ("a\x1bPq#0\x1b\\b\x1bcc", "abc"),
        ("a\x00b\x07\x7f\x85c\x9fd", "ab cd"),
        ("evil\u202egnp.exe\u2066x\u2069", "evilgnp.exex"),
        ("zero\u200bwidth\ufeff\u00ad\u2060", "zerowidth"),
        ("tag\U000e0041\U000e0042 vs\U000e0101\ufe01", "tag vs"),
        ("blank\u3164\u2800\u115f", "blank"),
        ("a\u2028b\u00a0c\u3000d", "a b c d"),
        ("\ud800x", "x"),
        ("👩\u200d💻 ok a\u200db", "👩\u200d💻 ok ab"),
        ("é e\u0301", "é e\u0301"),
        ("", ""),
    ],
)
def test_clean_leaves_one_plain_line(text: str, shown: str) -> None:
    assert clean(text, 100) == shown


@pytest.mark.parametrize(
    ("text", "limit", "shown"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdef", 5, "abcd…"),
        ("abc def", 5, "abc…"),
        ("abcdef", 1, "…"),
        ("abcdef", 0, ""),
        ("abe\u0301fg", 4, "ab…"),
        ("ab👩\u200d💻cd", 5, "ab…"),
        ("ab👍🏽cd", 4, "ab…"),
        ("a🇩🇪🇫🇷b", 3, "a…"),
        ("a🇩🇪🇫🇷b", 5, "a🇩🇪…"),
    ],
)
def test_clean_cuts_between_characters_as_they_are_seen(text: str, limit: int, shown: str) -> None:
    assert clean(text, limit) == shown


@given(st.text(max_size=80), st.integers(0, 40))
def test_clean_is_short_printable_and_stable(text: str, limit: int) -> None:
    shown = clean(text, limit)
    assert len(shown) <= limit
    assert shown.replace("\u200d", "").isprintable()
    assert clean(shown, limit) == shown


# --- secrets ------------------------------------------------------------------------------------


def test_values_of_secret_looking_variables_are_found() -> None:
    environ = {
        "OPENAI_API_KEY": "value-one",
        "HF_TOKEN": "value-two",
        "DB_PASSWORD": "value-three",
        "aws_secret_access_key": "value-four",
        "WANDB_KEY": "value-five",
        "SSH_KEY": "line number one\nline number two",
        "SHORT_TOKEN": "12345",
        "MAX_TOKEN": "100000",
        "PWD": "/home/someone",
        "MONKEY_PATH": "/usr/lib",
        "TOKENIZERS_PARALLELISM": "falsefalse",
        "GOOGLE_APPLICATION_CREDENTIALS": "/home/someone/key.json",
        "HOME": "/home/someone",
    }
    assert set(secret_values(environ)) == {
        "value-one",
        "value-two",
        "value-three",
        "value-four",
        "value-five",
        "line number one\nline number two",
        "line number one",
        "line number two",
    }


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("key sk-proj-" + "a1B2" * 8 + " end", "key [masked] end"),
        ("ghp_" + "a1B2" * 9, "[masked]"),
        ("github_pat_" + "a1B2" * 9, "[masked]"),
        ("login hf_" + "abCD" * 8 + "!", "login [masked]!"),
        ("AKIA" + "ABCD" * 4, "[masked]"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc-def_1", "[masked]"),
        ("Authorization: Bearer abcdef123456", "Authorization: Bearer [masked]"),
        ("https://user:hunter22@host/x", "https://[masked]@host/x"),
        ("password = 'hunter22'", "password = '[masked]'"),
        ("api_key=abcdef123", "api_key=[masked]"),
        ("it is value-one-more", "it is [masked]-more"),
        ("tokens: 123456789 loss 0.3", "tokens: 123456789 loss 0.3"),
        (
            "commit 0123456789abcdef0123456789abcdef01234567",
            "commit 0123456789abcdef0123456789abcdef01234567",
        ),
        ("disk-and-task-scheduler-configuration", "disk-and-task-scheduler-configuration"),
        ("see https://host:8080/x", "see https://host:8080/x"),
    ],
)
def test_secrets_and_token_shapes_are_masked(text: str, shown: str) -> None:
    assert mask(text, ["value-one", "abc"]) == shown


def test_the_longest_secret_is_masked_first() -> None:
    assert mask("abcdefgh abcdef", ["abcdef", "abcdefgh"]) == "[masked] [masked]"


def test_what_is_left_of_a_secret_where_a_line_was_cut_is_masked() -> None:
    assert mask("`key my-secret-v…` is no number", ["my-secret-value"]) == (
        "`key [masked]…` is no number"
    )
    assert mask("my-secret-v", ["my-secret-value"]) == "my-secret-v"


# --- tails --------------------------------------------------------------------------------------


def shown(log: str, limit: int = 600, secrets: tuple[str, ...] = ()) -> str:
    return tail(io.BytesIO(log.encode("utf-8", "surrogateescape")), limit=limit, secrets=secrets)


TRACEBACK = """step 1
Traceback (most recent call last):
  File "/home/me/proj/train.py", line 80, in <module>
    main()
  File "/home/me/proj/model/net.py", line 57, in forward
    x = self.fc(x)
        ^^^^^^^^^^
  File "/venv/lib/python3.11/site-packages/torch/nn/modules/linear.py", line 114, in forward
    return F.linear(input, self.weight, self.bias)
RuntimeError: mat1 and mat2 shapes cannot be multiplied (8x16 and 32x8)
"""
SHOWN = (
    "RuntimeError: mat1 and mat2 shapes cannot be multiplied (8x16 and 32x8)\n"
    "net.py:57 in forward: x = self.fc(x)"
)


def test_of_a_traceback_the_error_and_the_deepest_own_line_are_shown() -> None:
    assert shown(TRACEBACK) == SHOWN
    assert shown(TRACEBACK + "wandb: You can sync this run\nwandb: Find logs at: ./x\n") == SHOWN
    assert shown(TRACEBACK.replace("\n", "\r\n")) == SHOWN


def test_ranks_and_wrappers_do_not_hide_the_root_cause() -> None:
    ranked = "".join(f"[rank0]: {line}\n" for line in TRACEBACK.splitlines()[1:])
    launcher = (
        "Traceback (most recent call last):\n"
        '  File "/usr/bin/torchrun", line 8, in <module>\n    sys.exit(main())\n'
        "torch.distributed.elastic.multiprocessing.errors.ChildFailedError: \n"
        "=====\ntrain.py FAILED\n"
    )
    assert shown(ranked + launcher) == SHOWN
    assert shown(launcher).startswith(
        "torch.distributed.elastic.multiprocessing.errors.ChildFailed"
    )


def test_of_chained_tracebacks_the_last_is_shown() -> None:
    first = TRACEBACK.replace("RuntimeError: mat1", "KeyError: mat1")
    log = (
        first
        + "\nDuring handling of the above exception, another exception occurred:\n\n"
        + TRACEBACK
    )
    assert shown(log) == SHOWN


def test_a_syntax_error_has_no_traceback_header() -> None:
    log = '  File "/x/train.py", line 3\n    x = = 1\n        ^\nSyntaxError: invalid syntax\n'
    assert shown(log) == "SyntaxError: invalid syntax\ntrain.py:3: x = = 1"


def test_a_message_on_the_next_line_is_joined() -> None:
    log = TRACEBACK.rpartition("RuntimeError")[0] + (
        "RuntimeError: Error(s) in loading state_dict for GPT:\n\tsize mismatch for wte\n"
    )
    assert shown(log).startswith(
        "RuntimeError: Error(s) in loading state_dict for GPT: size mismatch"
    )


def test_what_killed_the_run_after_a_traceback_is_shown() -> None:
    assert shown(TRACEBACK + "bash: line 1: 77 Killed  python train.py\n") == (
        SHOWN + "\nbash: line 1: 77 Killed python train.py"
    )


def test_a_traceback_long_before_the_end_is_not_the_end() -> None:
    log = TRACEBACK + "".join(f"step {n}\n" for n in range(200))
    assert shown(log).splitlines()[-1] == "step 199"
    assert "RuntimeError" not in shown(log)


def test_without_a_traceback_the_last_lines_are_shown() -> None:
    log = "".join(f"line {n}\n" for n in range(50)) + "\n\nsame\nsame\nFAIL\n"
    assert shown(log).splitlines() == [
        "line 44",
        "line 45",
        "line 46",
        "line 47",
        "line 48",
        "line 49",
        "same",
        "FAIL",
    ]
    assert shown(log, limit=20) == "line 49\nsame\nFAIL"
    assert shown("") == ""


def test_progress_shows_its_last_state() -> None:
    assert shown("10%\r50%\r100% done\nbye\n") == "100% done\nbye"
    assert shown("1/2 \b\b\b\b2/2\n") == "2/2"
    huge = "".join(f"step {n} | loss 3.1\r" for n in range(40_000)) + "step 40000\n"
    assert shown(huge) == "step 40000"
    assert len(shown("x" * 500_000, limit=300)) == 200


def test_a_tail_is_clean_masked_and_within_its_limit() -> None:
    log = "token is my-secret-value\n\x1b[31mmy-sec\x1b[0mret-value \u202e\nend \x00\udcff\n"
    assert shown(log, secrets=("my-secret-value",)) == "token is [masked]\n[masked]\nend \ufffd"
    long = "ValueError: " + "x" * 390 + " my-secret-value my-secret-value\n"
    for limit in range(0, 440, 7):
        text = shown(TRACEBACK.rpartition("RuntimeError")[0] + long, limit, ("my-secret-value",))
        assert len(text) <= limit
        assert "my-sec" not in text


@given(st.binary(max_size=300), st.integers(0, 60))
def test_any_bytes_have_a_tail(data: bytes, limit: int) -> None:
    text = tail(io.BytesIO(data), limit=limit)
    assert len(text) <= limit
    assert all(line.replace("\u200d", "").isprintable() for line in text.split("\n"))
