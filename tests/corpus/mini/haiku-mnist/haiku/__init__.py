"""The library itself (left out)."""
