"""What experiments took of an agent's context, by the conversations that its host keeps."""

from __future__ import annotations

import json
from pathlib import Path

from agent_loops.reporting import contexts


def turn(number: int, tokens: int, command: str, answer: str) -> list[dict[str, object]]:
    call = {"type": "tool_use", "id": f"t{number}", "name": "Bash", "input": {"command": command}}
    result = {"type": "tool_result", "tool_use_id": f"t{number}", "content": answer}
    return [
        {"type": "assistant", "message": {
            "id": f"m{number}", "content": [call], "usage": {"input_tokens": tokens}}},
        {"type": "user", "message": {"content": [result]}},
    ]  # fmt: skip


def conversation(home: Path, session: str, *entries: dict[str, object]) -> None:
    folder = home / "projects" / "-work-a project"
    folder.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(entry) + "\n" for entry in entries)
    (folder / f"{session}.jsonl").write_text(text)


def test_characters_and_tokens_of_each_experiment_are_told(tmp_path: Path) -> None:
    command = "agent-loops try 'an idea'"
    entries = [
        entry
        for n in range(1, 4)
        for entry in turn(n, 1000 * n, command, "a" * (100 - len(command)))
    ]
    conversation(tmp_path, "one-1", *entries)
    said = contexts.in_words({"CLAUDE_CONFIG_DIR": str(tmp_path)}, ["", "one-1", "one-1", "gone"])
    assert said == "100 characters an experiment in 3 of them, the context grew by 666 tokens each"


def test_a_conversation_that_was_compacted_tells_no_tokens(tmp_path: Path) -> None:
    entries = [*turn(1, 9000, "agent-loops try a", "x"), *turn(2, 100, "agent-loops try b", "y")]
    conversation(tmp_path, "one", *entries)
    said = contexts.in_words({"CLAUDE_CONFIG_DIR": str(tmp_path)}, ["one"])
    assert said == "18 characters an experiment in 2 of them"


def test_what_is_gone_or_was_never_there_is_not_known(tmp_path: Path) -> None:
    conversation(tmp_path, "one", {"type": "user", "message": {"content": "hello"}})
    environ = {"CLAUDE_CONFIG_DIR": str(tmp_path)}
    for sessions in ([], [""], ["gone"], ["../one"], ["one"], ["*"]):
        assert contexts.in_words(environ, sessions) == ""
