"""What processes share outside the log: room state from before the window, presence, and players.

Each port of the core has a twin in memory, for one process alone, and one in Redis. One contract suite runs against
both.
"""
