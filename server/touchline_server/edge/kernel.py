"""What the kernel knows of a connection: when its peer last acknowledged something, and the names of errors.

TCP_USER_TIMEOUT is not used. Linux also counts the time during which a peer acknowledges and takes nothing, so it would
cut clients that read slowly: only those that acknowledge nothing are gone.
"""

import asyncio
import errno
import socket
import struct

_TCP_INFO = struct.Struct("=3xB20xI16xI8xI8xII")
"""``struct tcp_info`` in Linux's ``linux/tcp.h``: ``tcpi_probes``, ``tcpi_unacked``, ``tcpi_last_data_sent``,
``tcpi_last_ack_recv``, ``tcpi_rtt``, ``tcpi_rttvar``. Times are in milliseconds, the last two in microseconds."""

UNANSWERED_PROBES = 2
"""Probes of its closed window that a peer who is gone leaves unanswered. One may also be lost, under way, or within the
half second in which Linux answers only once."""

DELAYED_ACK_MS = 200
"""How long a peer may wait before it acknowledges, beside the time on the way."""


def last_ack_ms(transport: asyncio.Transport) -> int | None:
    """How long ago the peer acknowledged something, if it owes an answer; None if it does not.

    It does if it left probes of its closed window unanswered, or the last segment that was sent, be it for the first
    time or again. A peer that is there, but takes nothing, answers to each of them. They come ever more rarely, up to
    two minutes apart, so the time since its last answer alone would say nothing.
    """
    sock = transport.get_extra_info("socket")
    if sock is None:
        return None
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
    except OSError:
        return None  # it was closed just now
    probes, unacked, sent_ms, ack_ms, rtt_us, rtt_var_us = _TCP_INFO.unpack(info)
    answer_ms = DELAYED_ACK_MS + (rtt_us + 4 * rtt_var_us) // 1000
    is_owed = probes >= UNANSWERED_PROBES or (unacked and ack_ms > sent_ms > answer_ms)
    return ack_ms if is_owed else None


def error_name(error: Exception) -> str:
    """The name of a socket's error, such as ``ECONNRESET``."""
    number = error.errno if isinstance(error, OSError) else None
    return errno.errorcode.get(number or 0, type(error).__name__)
