"""What all tests share: the real Kafka broker, and the rule that nothing is skipped in CI."""

pytest_plugins = ["support.no_skips", "support.kafka_broker"]
