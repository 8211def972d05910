"""What a load test runs against: Kafka, topics, edges, feeds, and faults; and the run itself, from start to verdict."""
