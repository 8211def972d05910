"""The opening handshake of a client (RFC 6455, section 4). It accepts any 101 without checking the server's key."""

from .frames import BadReply

HEAD_BYTES_MAX = 16 * 1024
"""The longest response head that is read: real ones have a few hundred bytes."""


def upgrade_request(host: str, port: int, path: str = "/ws") -> bytes:
    """The HTTP request that opens a WebSocket."""
    fields = [
        f"GET {path} HTTP/1.1",
        f"Host: {host}:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
    ]
    return ("\r\n".join(fields) + "\r\n\r\n").encode()


def after_upgrade(received: bytes) -> bytes | None:
    """The bytes that followed the response to the handshake; None until that response is complete.

    Raises:
        BadReply: the server refused the upgrade, or sent something other than HTTP.
    """
    head, end, rest = received.partition(b"\r\n\r\n")
    if not end and len(received) < HEAD_BYTES_MAX:
        return None
    if not end or not head.startswith(b"HTTP/1.1 101 "):
        raise BadReply(f"the server answered the handshake with {head[:100]!r}")
    return rest
