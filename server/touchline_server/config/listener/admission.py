"""The table ``[admission]``: how many connections an edge takes from whom, and which proxies it believes.

docs/limits.md has all limits of an edge in one place.
"""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, field_validator, model_validator

from touchline_server.config.tables import Table, option_error
from touchline_server.config.values import COUNT_MAX, Strings, Wait
from touchline_server.web.addresses import Networks

NoneOr: TypeAlias = Annotated[int, Field(ge=0, le=COUNT_MAX)]
"""A limit; 0 for none."""
Rate: TypeAlias = Annotated[float, Field(ge=0, le=COUNT_MAX, allow_inf_nan=False)]
"""Per second in the long run; 0 for no limit."""
Burst: TypeAlias = Annotated[int, Field(ge=1, le=COUNT_MAX)]


class AdmissionSettings(Table):
    """Connections: from one address, per second, and through proxies. ``connections_max`` limits all of them.

    An *address* is an IPv4 address or an IPv6 network of 64 bits. Each process counts for itself.
    """

    trusted_proxies: Strings = Field(default=[])
    """Addresses and networks of proxies in front of this server, such as ``10.0.0.0/8``. Only they may say which client
    a connection is from. Without any, the client is the other end of the socket."""
    client_address_header: Literal["x-forwarded-for", "forwarded"] = "x-forwarded-for"
    """The header in which trusted proxies name the client. Exactly one is read: a proxy that sets one of them passes on
    the other as the client wrote it."""
    proxy_protocol: bool = False
    """Connections from ``trusted_proxies`` begin with a header of the PROXY protocol, version 2."""

    connections_per_address_max: NoneOr = 0
    """Connections from one address; 0 for no limit. There is none by default, since a stadium's or a mobile network's
    whole audience can have one address, and so have all clients behind a proxy that is not in ``trusted_proxies``."""
    connects_per_second_max: Rate = 5_000.0
    """New connections per second, of all clients; 0 for no limit. An edge lets in about 3,000 clients per second on one
    core. Others receive 503 with a time to wait, which is cheaper than a ``hello_timeout``."""
    connects_burst: Burst = 25_000
    """New connections at once: as many as are let in within ``handshake_timeout_s``."""
    connects_per_address_per_second_max: Rate = 0.0
    """New connections per second from one address; 0 for no limit, for the same reason as above."""
    connects_per_address_burst: Burst = 100
    """New connections at once from one address, if there is a limit."""
    ack_timeout_s: Wait = Field(default=60.0, ge=1)
    """A client whose kernel has acknowledged nothing for this long, though something was sent to it, is gone: a phone
    that lost its network. A slow client acknowledges, and is judged by ``lag_s_max`` alone."""

    @field_validator("trusted_proxies")
    @classmethod
    def _addresses_or_networks(cls, trusted_proxies: list[str]) -> list[str]:
        Networks(trusted_proxies)
        return trusted_proxies

    @model_validator(mode="after")
    def _headers_come_from_somebody(self) -> "AdmissionSettings":
        if self.proxy_protocol and not self.trusted_proxies:
            raise option_error("proxy_protocol", "proxy_protocol needs trusted_proxies: only they may send the header")
        if "client_address_header" in self.model_fields_set and "trusted_proxies" not in self.model_fields_set:
            text = "client_address_header needs trusted_proxies: it is believed from nobody else"
            raise option_error("client_address_header", text)
        return self
