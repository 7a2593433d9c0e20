"""Tokenizes FineWeb from the source (slow; use the cached files)."""
