"""The log: the interface (`base`), and its two implementations, Kafka and SQLite."""
