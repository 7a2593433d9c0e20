"""Runs, measures, decides, reverts and records experiments, so that an agent only has ideas."""

__version__ = "0.1.0"
