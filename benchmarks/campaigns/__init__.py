"""Campaigns with known truth: worlds, noise, rules, and the play that brings them together."""
