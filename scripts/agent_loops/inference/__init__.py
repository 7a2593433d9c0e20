"""Reads a project that has no bindings yet, and proposes them.

Nothing of the project is run or written.
"""
