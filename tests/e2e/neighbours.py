"""Plugins of others that ours lives beside: small stand-ins, each a marketplace of one plugin.

They behave as the known ones do where it matters to ours; nothing of theirs is in here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

# Denies what reads logs or resets: what log hygiene and git safety plugins do.
STRICT = """\
import json, re, sys
event = json.load(sys.stdin)
words = json.dumps(event["tool_input"])
if re.search(r"\\.log\\b|git reset", words):
    print(json.dumps({"hookSpecificOutput": {"hookEventName": "PreToolUse",
        "permissionDecision": "deny", "permissionDecisionReason": "STRICT: no logs, no resets"}}))
"""
# Denies every command that holds a here-document: the way our experiments are made.
DEAF = """\
import json, sys
event = json.load(sys.stdin)
if "<<" in event["tool_input"].get("command", ""):
    print(json.dumps({"hookSpecificOutput": {"hookEventName": "PreToolUse",
        "permissionDecision": "deny", "permissionDecisionReason": "DEAF: no here-documents"}}))
"""
# Says the same at the end of each turn, a number of times, while its file is there: the way of
# the official loop plugin, whose file is .claude/ralph-loop.local.md.
LOOPING = """\
import json, pathlib, sys
state = pathlib.Path(".claude/looping.local.md")
if state.exists():
    turn, most, prompt = state.read_text().split("\\n", 2)
    if int(turn) >= int(most):
        state.unlink()
        sys.exit("LOOPING: the end")
    state.write_text(f"{int(turn) + 1}\\n{most}\\n{prompt}")
    print(json.dumps({"decision": "block", "reason": prompt, "systemMessage": f"LOOPING {turn}"}))
"""


def make(folder: Path, name: str, event: str, program: str) -> str:
    """A plugin with one hook; answers what `plugin install` takes."""
    _write(folder / ".claude-plugin/plugin.json", {"name": name, "version": "1.0.0"})
    listed = {"name": name, "source": "./", "version": "1.0.0"}
    owner = {"name": "a neighbour"}
    place = folder / ".claude-plugin/marketplace.json"
    _write(place, {"name": f"{name}-market", "owner": owner, "plugins": [listed]})
    call = {"type": "command", "command": 'python3 "${CLAUDE_PLUGIN_ROOT}/hooks/it.py"'}
    group = {"hooks": [call], **({"matcher": "Bash|Read"} if event == "PreToolUse" else {})}
    _write(folder / "hooks/hooks.json", {"hooks": {event: [group]}})
    (folder / "hooks/it.py").write_text(program)
    return f"{name}@{name}-market"


def _write(path: Path, values: Mapping[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values))
