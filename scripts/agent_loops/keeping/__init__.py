"""Decides what is kept where readings are noisy, and says how much was gained.

No clock, file or environment, and nothing beyond the standard library's arithmetic.
"""
