"""A campaign in the tools that people already use: one module for each of them.

Nothing here is imported by what runs experiments.
"""
