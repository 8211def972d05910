"""The commands that this package adds to ``touchline``: demo, replay and simulate."""
