"""Scenarios in which clients act: actions, their acknowledgements, and verdicts on players."""
