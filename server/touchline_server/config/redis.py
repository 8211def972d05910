"""The table ``[redis]``: where an edge, and a keeper, find the Redis that they share."""

from urllib.parse import urlsplit

from pydantic import Field, field_validator

from .tables import Table
from .values import Wait

SCHEMES = ("redis", "rediss", "unix")
"""What redis-py understands: TCP, TLS, and a socket on the same machine."""


class RedisSettings(Table):
    """Redis, which processes share what the log does not hold in: room state by the keeper, presence, players.

    Without a ``url``, each process knows what it sees itself.
    """

    url: str | None = Field(default=None, repr=False)
    """``redis://user:password@host:6379/0``, ``rediss://`` for TLS, or ``unix:///path``; with redis-py's options in the
    query, such as ``?ssl_ca_certs=ca.pem``."""
    prefix: str = Field(default="touchline", pattern=r"^[A-Za-z0-9._-]{1,64}$")
    """How all keys begin, so that several servers can share one Redis. Processes with one prefix are one fleet."""
    timeout_s: Wait = Field(default=1.0, ge=0.05)
    """How long one answer may take. Redis answers in less than a millisecond; a client that waits for a room's state
    waits this long at most."""

    @field_validator("url")
    @classmethod
    def _known_scheme(cls, url: str | None) -> str | None:
        if url is not None and urlsplit(url).scheme not in SCHEMES:
            raise ValueError(
                "not the address of a Redis: write redis://host:port/0, rediss:// for TLS, or unix:///path"
            )
        return url
