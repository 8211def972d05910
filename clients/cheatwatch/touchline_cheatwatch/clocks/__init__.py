"""Clocks: how those of others compare with ours, and how a player's own time follows from them."""
