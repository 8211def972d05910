"""The pure core: feeds, streams, rooms, the hub and sessions.

Rules: it is handed bytes, batches and times, and hands back what to write; it never waits, opens or looks at a clock.
Import-linter holds it to that.
"""
