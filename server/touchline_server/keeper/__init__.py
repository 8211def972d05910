"""The keeper: reads the log as a member of a consumer group, and writes the state of rooms to Redis.

Parts, from top to bottom: `keeper` (the process), `session` (one assignment of partitions), `partition_keeper` (one
partition's records into its rooms), `room_cache` and `kept_contents` (rooms in memory). The port,
`touchline_server.core.room_keeping`, describes what lies in Redis, and which writes it refuses.
"""
