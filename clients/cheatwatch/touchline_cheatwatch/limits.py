"""Limits that the rule set and the command line share."""

VERDICT_S_MAX = 10 * 365 * 86_400
"""The longest verdict, in seconds: ten years. One that should last longer can last forever."""
