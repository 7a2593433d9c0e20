"""What the plugin's hooks cost, as whole processes, beside the least that any hook costs.

    python benchmarks/hook_latency.py [--rounds 40]

Idle is a project without a campaign; active is one with a campaign that this session leads. The
guard judges a plain `agent-loops try` with an edit of 10 KB, and a pipeline of six commands; the
others get what the host sends. Beside them `sh -c :` and `python3 -c pass`: no hook is faster than
its interpreter. All in turn, in one run. Prints a Markdown table: median and longest milliseconds,
and the median's ratio to `sh -c :`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from try_overhead import COMMAND, ROOT, make

SESSION = "bench"
EDIT = (
    "train.sh\n<<<<<<< SEARCH\nold\n=======\n" + "a line of new code\n" * 540 + ">>>>>>> REPLACE\n"
)
TRY = f"agent-loops try 'lr: an idea' --why 'because' --edit - <<'EDIT'\n{EDIT}EDIT"
PIPELINE = (
    "cd src 2>/dev/null; env X=1 grep -rn 'lr' . | sort | uniq -c | tail -n 5 && git log | head -5"
)


def event(name: str, **more: object) -> bytes:
    return json.dumps({"session_id": SESSION, "hook_event_name": name, **more}).encode()


def bash(command: str) -> bytes:
    return event("PreToolUse", tool_name="Bash", tool_input={"command": command})


def taken(command: Sequence[str], folder: Path, sent: bytes, environ: Mapping[str, str]) -> float:
    """Seconds of one process."""
    began = time.perf_counter()
    subprocess.run(
        command, input=sent, cwd=folder, env=environ, check=True, stdout=subprocess.DEVNULL
    )
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as temporary:
        idle, active = Path(temporary, "idle"), Path(temporary, "active")
        idle.mkdir()
        make(active, "snapshots")
        environ = {**os.environ, "CLAUDE_CODE_SESSION_ID": SESSION}
        environ.pop("CLAUDE_PROJECT_DIR", None)
        for words in (["setup"], ["try", "baseline"]):
            subprocess.run(
                [*COMMAND, *words], cwd=active, env=environ, check=True, stdout=subprocess.DEVNULL
            )
        hook = str(ROOT / "hooks/hook")
        began = event("UserPromptSubmit", prompt="/agent-loops:karpathy")
        cases = {
            "`sh -c :`": (["sh", "-c", ":"], idle, b""),
            "`python3 -c pass`": ([sys.executable, "-c", "pass"], idle, b""),
            "idle, any hook": ([hook, "guard"], idle, bash("git log")),
            "guard, `try` with an edit of 10 KB": ([hook, "guard"], active, bash(TRY)),
            "guard, six commands": ([hook, "guard"], active, bash(PIPELINE)),
            "the person's word": ([hook, "person"], active, began),
            "keep going": ([hook, "keep_going"], active, event("Stop")),
            "reorient": ([hook, "reorient"], active, event("SessionStart", source="compact")),
        }
        found: dict[str, list[float]] = {name: [] for name in cases}
        for n in range(rounds + 1):  # the first does not count: files are cached then
            for name, (command, folder, sent) in cases.items():
                seconds = taken(command, folder, sent, environ)
                if n:
                    found[name].append(seconds)
    reference = statistics.median(found["`sh -c :`"])
    print("| hook | median | longest | ratio |")
    print("|---|---|---|---|")
    for name, times in found.items():
        median = statistics.median(times)
        row = f"{median * 1000:.1f} ms | {max(times) * 1000:.0f} ms | {median / reference:.1f}"
        print(f"| {name} | {row} |")


if __name__ == "__main__":
    main()
