#!/usr/bin/env python3
"""Shuffle the lines of a file in place, from a seed."""
import random, sys
random.seed(sys.argv[1])
rows = sorted(open(sys.argv[2]).readlines())
random.shuffle(rows)
open(sys.argv[2], "w").writelines(rows)
