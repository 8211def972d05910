"""Whether a port has TLS, so that a client that gets no answer learns why."""

import asyncio
import contextlib
import ssl
from collections.abc import Sequence

ANSWER_S = 3.0
"""How long a port may take to answer. One without TLS may never."""
NOT_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "UNEXPECTED_EOF_WHILE_READING")
"""How handshakes fail with something that does not speak TLS. Other failures are a TLS server's refusals."""


async def port_has_tls(servers: Sequence[str]) -> bool | None:
    """Whether the first of these ``host:port`` that takes connections has TLS; None if none does."""
    for server in servers:
        host, _, port = server.rpartition(":")
        host = host.strip("[]")
        if await _connects(host, int(port), None):
            return await _connects(host, int(port), _any_certificate())
    return None


def _any_certificate() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def _connects(host: str, port: int, tls: ssl.SSLContext | None) -> bool:
    try:
        async with asyncio.timeout(ANSWER_S):
            _, writer = await asyncio.open_connection(host, port, ssl=tls)
    except ssl.SSLError as error:
        return error.reason is not None and error.reason not in NOT_TLS
    except (OSError, TimeoutError):
        return False
    writer.close()
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(ANSWER_S):
            await writer.wait_closed()
    return True
