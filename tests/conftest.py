"""What all tests share: Kafka brokers, the order of tests, their thoroughness, and the rule that CI skips nothing."""

pytest_plugins = [
    "support.no_skips",
    "support.short_ids",
    "support.order",
    "support.thoroughness",
    "support.kafka_broker",
    "support.kafka_split",
]
