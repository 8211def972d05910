"""The table ``[redis]``: where an edge, and a keeper, find the Redis that they share."""

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from pydantic import Field, field_validator, model_validator

from .tables import Table, option_error
from .values import Strings, Wait

SCHEMES = ("redis", "rediss", "unix")
"""What redis-py understands: TCP, TLS, and a socket on the same machine."""


OPTIONS = frozenset(("db", "username", "password", "client_name", "health_check_interval", "socket_keepalive"))
TLS_OPTIONS = frozenset(
    ("ssl_ca_path", "ssl_cert_reqs", "ssl_check_hostname", "ssl_ciphers", "ssl_min_version", "ssl_password")
)
"""redis-py's options that the query may have. Others would change what answers look like, or take the place of settings
of ours, such as deadlines and files."""

SENTINEL = re.compile(r".+:([0-9]{1,5})")
"""A host, which may be an IPv6 address in brackets, and a port."""
PORT_MAX = 65535
PREFIX = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RedisSettings(Table):
    """Redis, which processes share what the log does not hold in: room state by the keeper, presence, players.

    Without a ``url``, each process knows what it sees itself.
    """

    url: str | None = Field(default=None, repr=False)
    """``redis://user:password@host:6379/0``, ``rediss://`` for TLS, or ``unix:///path``. The query may have `OPTIONS`
    of redis-py, and with TLS `TLS_OPTIONS`. The user is one of Redis's ACL; without a user, the password is the
    server's."""
    cluster: bool = False
    """``url`` names one node of a Redis Cluster, and the others are learnt from it."""
    sentinels: Strings = Field(default=[])
    """Addresses of Redis Sentinels, ``host:26379``. The host in ``url`` is then the name of the primary that they
    watch, such as ``redis://user:password@mymaster/0``."""
    sentinel_user: str | None = None
    sentinel_password: str | None = Field(default=None, repr=False)
    """What the Sentinels themselves ask for, if anything."""
    ca_file: Path | None = None
    """Certificates to trust instead of the system's, with ``rediss://``."""
    cert_file: Path | None = None
    key_file: Path | None = None
    """A client certificate and its key, if Redis asks for one (``tls-auth-clients``)."""
    prefix: str = Field(default="touchline")
    """How all keys begin, so that several servers can share one Redis. Processes with one prefix are one fleet."""
    timeout_s: Wait = Field(default=1.0, ge=0.05)
    """How long one answer may take. Redis answers in less than a millisecond; a client that waits for a room's state
    waits this long at most."""

    @field_validator("url")
    @classmethod
    def _known_scheme(cls, url: str | None) -> str | None:
        if url is None:
            return url
        parts = urlsplit(url)
        if parts.scheme not in SCHEMES:
            raise ValueError(
                "not the address of a Redis: write redis://host:port/0, rediss:// for TLS, or unix:///path"
            )
        known = OPTIONS | TLS_OPTIONS if parts.scheme == "rediss" else OPTIONS
        unknown = sorted(set(parse_qs(parts.query, keep_blank_values=True)) - known)
        if unknown:
            raise ValueError(f"{unknown[0]} is not an option that it may have: there are {', '.join(sorted(known))}")
        return url

    @field_validator("sentinels")
    @classmethod
    def _sentinel_addresses(cls, sentinels: list[str]) -> list[str]:
        for address in sentinels:
            found = SENTINEL.fullmatch(address)
            if found is None:
                raise ValueError(f"{address!r} is not the address of a Sentinel: write host:26379")
            if not 1 <= int(found[1]) <= PORT_MAX:
                raise ValueError(f"{address!r} has no valid port: ports are 1 to {PORT_MAX}")
        return sentinels

    @field_validator("prefix")
    @classmethod
    def _prefix_of_keys(cls, prefix: str) -> str:
        if not PREFIX.fullmatch(prefix):
            raise ValueError(f"must be 1 to 64 letters (A to Z), digits, dots, underscores or hyphens, not {prefix!r}")
        return prefix

    @model_validator(mode="after")
    def _one_kind_of_server(self) -> "RedisSettings":
        if self.cluster and self.sentinels:
            raise option_error("cluster", "a Redis Cluster has no Sentinels: set cluster or sentinels, not both")
        if (self.cert_file is None) != (self.key_file is None):
            raise option_error("cert_file", "a client certificate needs its key: set cert_file and key_file")
        uses_tls = self.url is not None and urlsplit(self.url).scheme == "rediss"
        if (self.ca_file or self.cert_file) and not uses_tls:
            raise option_error("ca_file", "certificates are of use with TLS only: write rediss:// in redis.url")
        return self
