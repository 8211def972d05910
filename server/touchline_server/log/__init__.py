"""The two logs behind the core's port (`touchline_server.core.log`): Kafka, and one SQLite file. `open` chooses."""
