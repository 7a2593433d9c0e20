"""Older copy, inference only."""
import sys
print("loading", sys.argv[1])
