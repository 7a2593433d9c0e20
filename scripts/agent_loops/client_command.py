"""The words that start a coding client, and those that start it again where it left off.

Knows Claude Code's options. Starts nothing, and does not look whether there is such a program.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from agent_loops.errors import UsageError

PROMPT = "/agent-loops:karpathy"
_PROGRAM = re.compile(r"claude(?:-code)?(?:\.\w+)?")
# How many words follow an option: one, all that follow, or one at the client's discretion.
_ONE = frozenset(
    "--agent --agents --append-system-prompt --append-system-prompt-file --autocompact "
    "--debug-file --effort --environment --fallback-model --input-format --json-schema "
    "--max-budget-usd --max-turns --model --name -n --output-format --permission-mode "
    "--permission-prompt-tool --permission-prompts --plugin-dir --plugin-url "
    "--remote-control-session-name-prefix --session-id --setting-sources --settings "
    "--system-prompt --system-prompt-file --system-prompt-snapshot".split()
)
_ALL = frozenset(
    "--add-dir --allowedTools --allowed-tools --betas --disallowedTools --disallowed-tools --file "
    "--mcp-config --tools".split()
)
_PERHAPS = frozenset(
    "--debug -d --from-pr --prompt-suggestions --remote-control --resume -r --worktree -w "
    "--teleport --cloud".split()
)
_NONE = frozenset(
    "--allow-dangerously-skip-permissions --ax-screen-reader --bare --brief --chrome --continue -c "
    "--dangerously-skip-permissions --disable-slash-commands --fork-session --help -h --ide "
    "--exclude-dynamic-system-prompt-sections --forward-subagent-text --include-hook-events "
    "--include-partial-messages --no-chrome --no-session-persistence --print -p "
    "--replay-user-messages --restricted --safe-mode --strict-mcp-config --verbose --version "
    "-v --tmux --bg --background --desktop".split()
)
# They say which conversation, or how the first words come in: the next time that is ours to say.
_OF_THE_FIRST_START = frozenset(
    "--continue -c --resume -r --session-id --fork-session --from-pr --teleport --input-format "
    "--replay-user-messages".split()
)
_LEAVING = frozenset("--bg --background --cloud --desktop".split())


class ClientCommand(NamedTuple):
    """`words` as the person gave them: `head` up to the program, then `options` of theirs.

    `options` are without the prompt, and without what belongs to the first start alone. `prints`
    is whether it answers and ends (`-p`), without a person.
    """

    words: tuple[str, ...]
    head: tuple[str, ...]
    options: tuple[str, ...]
    prints: bool

    @classmethod
    def parse(cls, words: Sequence[str]) -> ClientCommand:
        """Takes the command apart.

        Raises:
            UsageError: there is none, or the client would leave the terminal.
        """
        if not words:
            raise UsageError("say what to watch: `agent-loops watch -- claude`")
        names = [bool(_PROGRAM.fullmatch(word.rpartition("/")[2])) for word in words]
        end = names.index(True) + 1 if any(names) else 1
        options = _options(words[end:])
        leaving = [option[0] for option in options if _name(option[0]) in _LEAVING]
        if leaving:
            raise UsageError(f"{leaving[0]}: watch needs a client that stays in this terminal")
        kept = [option for option in options if _name(option[0]) not in _OF_THE_FIRST_START]
        return cls(
            words=tuple(words),
            head=tuple(words[:end]),
            options=tuple(word for option in kept for word in option),
            prints=any(option[0] in ("-p", "--print") for option in options),
        )

    def resuming(self, session: str) -> tuple[str, ...]:
        """Goes on in that session, with the loop's own prompt."""
        # The prompt comes first: an option that takes many words would swallow it.
        return (*self.head, PROMPT, "--resume", session, *self.options)

    def afresh(self) -> tuple[str, ...]:
        """A new session, with the loop's own prompt."""
        return (*self.head, PROMPT, *self.options)


def _name(word: str) -> str:
    return word.partition("=")[0]


def _options(words: Sequence[str]) -> list[tuple[str, ...]]:
    """Each option with its words; what is none of those, the prompt, is left out."""
    found: list[tuple[str, ...]] = []
    at = 0
    while at < len(words) and words[at] != "--":
        word = words[at]
        at += 1
        if not word.startswith("-") or word == "-":
            continue
        if re.fullmatch(r"-[cdhpv]{2,}", word):
            found += [(f"-{letter}",) for letter in word[1:]]
            continue
        values = () if "=" in word else _values(word, words[at:])
        found.append((word, *values))
        at += len(values)
    return found


def _values(option: str, following: Sequence[str]) -> tuple[str, ...]:
    if option in _NONE:
        return ()
    if option in _ONE:
        return tuple(following[:1])
    until = next((n for n, word in enumerate(following) if word.startswith("-")), len(following))
    if option in _ALL:
        return tuple(following[:until])
    first = tuple(following[: min(until, 1)])
    # Of an option that we do not know a sentence or a slash command is rather the prompt.
    is_prompt = bool(first) and (" " in first[0] or first[0].startswith("/agent-loops:"))
    return () if is_prompt and option not in _PERHAPS else first
