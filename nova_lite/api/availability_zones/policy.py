"""Rules."""

RULES = []
