"""Presence in Redis: what each worker has in which room, and what back ends have to be told about it."""

from .outbox import RedisOutbox
from .store import RedisPresenceStore

__all__ = ["RedisOutbox", "RedisPresenceStore"]
