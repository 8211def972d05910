"""Ask Kafka, Redis and the machine, and return facts. Nothing is changed, but for a key in Redis that is removed."""
