"""Samples of a run that are taken from outside, of any process and any server."""
