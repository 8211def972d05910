"""How long clients wait: less than users would, so that they come back in the middle of a fault."""

REST_S = (0.0, 2.0)
"""How long a client stays away after a lost connection."""
WELCOME_S = 10.0
SILENCE_S = 10.0
"""More than two heartbeats of the edges (`rig.py`), on a busy machine."""
