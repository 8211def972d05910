"""Scenarios in which some clients take what they can: how the others fare beside them."""
