"""Draws docs/demo.svg, the README's picture, from a real run of the demo.

    python docs/picture.py        (needs `pip install rich`; takes as long as the demo)

Shows whole steps of the transcript as they were printed, some left out: `⋮` stands for those.
"""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
COLUMNS = 124
# The steps that are shown, by how their comment begins.
SHOWN = (
    "# First the baseline",
    "# An idea that should help",
    "# One that should hurt",
    "# A good idea with a bug",
    "# The same, mended",
    "# A clever one",
    "# One that never ends",
    "# In the morning",
)
STYLES = {"#": "bright_black", "$": "bold cyan"}
VERDICTS = {" keep ": "green", " discard ": "yellow", " crash ": "red", "refused": "magenta"}


def styled(line: str) -> Text:
    """One line in the colours of a terminal: comments, commands, verdicts."""
    style = STYLES.get(line[:1], "")
    if not style:
        head = line[:24]
        style = next((VERDICTS[word] for word in VERDICTS if word in head), "")
    return Text(line, style=style, overflow="ellipsis", no_wrap=True)


def main() -> None:
    """Plays the demo and writes the picture."""
    demo = subprocess.run(
        [ROOT / "bin" / "agent-loops", "demo"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True,
    )  # fmt: skip
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    left_out = False
    for step in demo.stdout.split("\n\n"):
        if not step.startswith(SHOWN):
            left_out = True
            continue
        if left_out:
            console.print(Text("⋮", style="bright_black"))
        left_out = False
        for line in step.splitlines():
            console.print(styled(line))
        console.print()
    (ROOT / "docs" / "demo.svg").write_text(console.export_svg(title="bin/agent-loops demo"))


if __name__ == "__main__":
    main()
