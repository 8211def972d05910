"""Names of services: a DNS server as Docker has one at 127.0.0.11, and the same names for the tests' own process.

Each service has an address of the loopback interface. A service's own 0.0.0.0 and 127.0.0.1 are that address too, since
a container is alone with its network and a process is not.
"""

import asyncio
import contextlib
import re
import socket
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

TYPE_A = 1
NAME_ERROR = 3
OWN = re.compile(r"(?<![\d.])(?:0\.0\.0\.0|127\.0\.0\.1)(?![\d.])|\blocalhost\b")
"""How a container's configuration names itself."""


def own(text: str, address: str) -> str:
    """A configuration, command or value with a service's own address in place of what it calls itself."""
    return OWN.sub(address, text)


class NameServer(asyncio.DatagramProtocol):
    """Answers questions about services, and none about anything else."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names
        self._transport: Any = None

    @contextlib.asynccontextmanager
    async def running(self, address: str) -> Any:
        """Serve at port 53 of an address until the end of the block."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(address, 53))
        try:
            yield
        finally:
            transport.close()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._transport.sendto(answer(data, self._names), addr)


def answer(question: bytes, names: Mapping[str, str]) -> bytes:
    """The response to a DNS message with one question: an address, no address of that type, or no such name."""
    labels, at = [], 12
    while length := question[at]:
        labels.append(question[at + 1 : at + 1 + length].decode("ascii"))
        at += length + 1
    (kind,) = struct.unpack_from("!H", question, at + 1)
    address = names.get(".".join(labels).lower())
    records = b""
    if address is not None and kind == TYPE_A:
        # A pointer to the question's name; internet; one second; four bytes.
        records = struct.pack("!HHHIH", 0xC00C, TYPE_A, 1, 1, 4) + socket.inet_aton(address)
    flags = 0x8180 | (NAME_ERROR if address is None else 0)
    head = question[:2] + struct.pack("!HHHHH", flags, 1, bool(records), 0, 0)
    return head + question[12 : at + 5] + records


@contextlib.contextmanager
def known_here(names: Mapping[str, str]) -> Iterator[None]:
    """Let this process know the names too: Kafka's brokers tell clients the names that they have among themselves."""
    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        return resolve(names.get(host, host), *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", getaddrinfo)
        yield
