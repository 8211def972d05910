"""Kafka for load tests and all others: brokers as processes on the loopback interface, one or a cluster of three."""
