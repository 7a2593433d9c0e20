"""What happened inside a run, told from what the probe and the log left of it.

Reads files and writes files beside them; runs nothing and decides nothing.
"""
