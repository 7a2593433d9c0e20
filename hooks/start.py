"""Starts the hook that is named first: a module is compiled once, a script at every start."""

import sys

del sys.argv[0]
__import__(sys.argv[0]).main()
