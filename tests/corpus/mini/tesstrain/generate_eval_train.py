#!/usr/bin/env python3
"""Cut a list into list.train and list.eval beside it."""
import pathlib, sys

ratio = 0.95
if len(sys.argv) > 2:
    ratio = float(sys.argv[2])
src = pathlib.Path(sys.argv[1])
rows = src.read_text().splitlines()
cut = int(ratio * len(rows))
(src.parent / "list.train").write_text("\n".join(rows[:cut]))
(src.parent / "list.eval").write_text("\n".join(rows[cut:]))
