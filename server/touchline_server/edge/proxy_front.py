"""Takes the header of the PROXY protocol off a connection from a trusted proxy, and then steps out of the way.

A connection from anywhere else has no header: its other end is the client.
"""

import asyncio
from typing import cast

from touchline_server.web.proxy_protocol import BadHeader, Fault, ProxyHeader, parse_header

from . import client_log
from .connection import Connection
from .entrance import Entrance


class ProxyFront(asyncio.Protocol):
    """The beginning of a connection. ``behind`` is what comes after the header: ``connection``, or its TLS."""

    __slots__ = ("_behind", "_connection", "_data", "_entrance", "_transport")

    _transport: asyncio.Transport

    def __init__(self, entrance: Entrance, connection: Connection, behind: asyncio.Protocol) -> None:
        self._entrance = entrance
        self._connection = connection
        self._behind = behind
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the header, if the other end is trusted to send one."""
        self._transport = cast(asyncio.Transport, transport)
        self._behind.connection_made(transport)
        if not self._entrance.is_trusted(self._connection.endpoint):
            self._transport.set_protocol(self._behind)

    def data_received(self, data: bytes) -> None:
        """Take bytes of the header, and pass on those that follow it."""
        self._data += data
        try:
            header = parse_header(self._data)
        except BadHeader as error:
            self._refuse(error.fault)
            return
        if header is not None:
            self._pass_on(header)

    def eof_received(self) -> bool:
        """The other end sends nothing more."""
        if self._data and not self._connection.has_ended:
            self._refuse(Fault.INVALID)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone. Without a byte, it was only a check whether the port is open."""
        if self._connection.has_ended:
            client_log.proxy_header_refused(self._connection.number, Fault.TIMEOUT, self._connection.address)
            self._connection.count_refusal(Fault.TIMEOUT.value)
        self._behind.connection_lost(exc)

    def _pass_on(self, header: ProxyHeader) -> None:
        rest, self._data = self._data[header.size_bytes :], b""
        self._transport.set_protocol(self._behind)
        self._connection.set_endpoint(header.client)
        self._connection.speaks_for_itself = header.client is None
        if self._entrance.located(self._connection) and rest:
            self._behind.data_received(rest)

    def _refuse(self, fault: Fault) -> None:
        client_log.proxy_header_refused(self._connection.number, fault, self._connection.address)
        self._connection.count_refusal(fault.value)
        self._transport.set_protocol(self._behind)
        self._transport.abort()
