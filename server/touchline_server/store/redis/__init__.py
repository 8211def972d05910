"""The ports in Redis, over redis-py."""
