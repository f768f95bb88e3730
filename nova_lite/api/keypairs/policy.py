"""Rules."""
RULES = []
