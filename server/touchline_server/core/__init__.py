"""The pure core of an edge: it decides everything that an edge does, and does nothing itself.

Start reading at `edge`. Below it, from top to bottom: catch-ups (`replays/`, `catch_up`), time
(`liveness`), clients (`client`, `subscriber`, `subscription`), turns (`write_scheduler`), `players/` and `rooms/`. Its
ports to the outside are `log` and `room_store`.

Rules: the core is handed log events, messages and times, and hands back effects. It never waits, opens anything or
looks at a clock, and nothing in it imports from the layer above. Contracts in pyproject.toml hold it to that.
"""
