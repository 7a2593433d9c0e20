"""`python -m agent_loops`: the command line, where the package is installed."""

import sys

from agent_loops.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
