"""Presence: how many clients watch a room, and which players are in it. `port` has the way to the rest of the fleet."""
