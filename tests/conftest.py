"""What all tests share: the real Kafka broker, the groups that tests run in, and the rule that CI skips nothing."""

pytest_plugins = ["support.no_skips", "support.short_ids", "support.order", "support.kafka_broker"]
