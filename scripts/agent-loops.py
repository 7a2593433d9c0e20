"""The command line, as bin/agent-loops starts it: from its own folder, on the environment's Python.

Its name cannot be imported, so that it never stands in for the package `agent_loops` beside it.
"""

import os
import sys

# In the C locale Python sets LC_CTYPE in its own environment; a run must get the caller's.
_caller_lc_ctype = sys._xoptions.get("agent_loops_lc_ctype")  # True: the caller has none
if _caller_lc_ctype is True:
    os.environ.pop("LC_CTYPE", None)
elif isinstance(_caller_lc_ctype, str):
    os.environ["LC_CTYPE"] = _caller_lc_ctype

from agent_loops.cli import main  # noqa: E402 - not before the environment is right

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
