"""Byte pair encoder."""
