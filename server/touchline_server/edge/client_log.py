"""The server's log lines about clients: who was let in, what was refused, which verdict was enforced, who is gone.

Rules:

1. A line names a connection by its number, and its client by ``address``, which has a port. It never has a token or a
   payload, nor a message that may quote one.
2. A refusal that would be the same again is ``info``, and so is one for asking too often. Others that a later try may
   get past are ``debug``.
"""

import structlog
from websockets.datastructures import Headers
from websockets.frames import CloseCode
from websockets.server import ServerProtocol

from touchline_protocol import codes
from touchline_protocol.messages import Error, Nack, Verdict, Welcome
from touchline_server.core.admission.limits import Excess
from touchline_server.core.counters.edge import BY_CLIENT, BY_NETWORK, BY_SERVER
from touchline_server.core.effects import Notice
from touchline_server.web.proxy_protocol import Fault

from .driver import Peer
from .requests.handshake import reason_of

logger = structlog.get_logger("touchline.edge")

_RATES = (codes.TOO_MANY_SUBSCRIBES, codes.TOO_MANY_REFRESHES, codes.RATE_LIMITED)
"""A client asks too often."""

_ENTRY_CHARS_MAX = 80

_PROXY_CURES = {
    Fault.MISSING: "let the proxy send the header (HAProxy: send-proxy-v2), or set admission.proxy_protocol = false",
    Fault.VERSION_1: "let the proxy send version 2 (HAProxy: send-proxy-v2 in place of send-proxy)",
    Fault.INVALID: "the header is invalid or incomplete: let the proxy send PROXY protocol 2 for TCP",
    Fault.UNEXPECTED: "none is expected here: list the proxy in admission.trusted_proxies and set "
    "admission.proxy_protocol = true, or let the proxy send none, or one",
    Fault.TIMEOUT: "no header came within handshake_timeout_s: let the proxy send it at once (HAProxy: send-proxy-v2)",
}

_TLS_CURE = "this port has no TLS: set tls.cert_file and tls.key_file, or use ws://, or let a proxy end the TLS"


NO_CLOSE_FRAME = "no_close_frame"
"""The connection was shut down in order, and without a word."""

_CLIENTS: dict[int, str] = {
    CloseCode.NORMAL_CLOSURE: "normal",
    CloseCode.GOING_AWAY: "going_away",
    CloseCode.NO_STATUS_RCVD: "no_code",
}
_OTHER = "other"


def told(connection: int, notice: Notice[Peer], address: str | None) -> None:
    """A client was told something."""
    message, player = notice.message, notice.player
    match message:
        case Welcome():
            logger.info(
                "connection_opened",
                connection=connection,
                session=message.session,
                player=player,
                agent=notice.agent,
                peer=address,
            )
        case Verdict():
            logger.info(
                "verdict_enforced", connection=connection, player=player, kind=message.kind, until=message.until
            )
        case Error():
            # A name that is not a room's could be anything, a token too.
            room = None if message.code == codes.BAD_ROOM.code else message.room
            _refused(codes.ERRORS[message.code], connection=connection, player=player, room=room)
        case Nack():
            _refused(codes.NACKS[message.code], connection=connection, player=player, action=message.id)


def stream_opened(connection: int, player: str | None, room: str, address: str | None) -> None:
    """A client reads a room as an event stream."""
    logger.info("stream_opened", connection=connection, player=player, room=room, peer=address)


def handshake_refused(connection: int, status: int, code: str, address: str | None) -> None:
    """A request got neither a WebSocket nor an event stream. Without a ``code`` of ours, it is the status's name."""
    logger.info("handshake_refused", connection=connection, status=status, code=reason_of(status, code), peer=address)


def page_refused(headers: Headers, code: str) -> None:
    """An operator sees only here why pages cannot connect: browsers tell a page nothing about it."""
    shown = {name: ", ".join(headers.get_all(name)) for name in ("Origin", "Host")}
    logger.warning("page_refused", code=code, origin=shown["Origin"], host=shown["Host"])


def full(connection: int, code: str, connections: int, connections_max: int) -> None:
    """The edge has its most connections, so one gets 503 (``unavailable``) or no answer at all (``cut``)."""
    logger.warning(
        "connections_full",
        connection=connection,
        code=code,
        connections=connections,
        connections_max=connections_max,
    )


def limited(connection: int, code: str, excess: Excess, address: str | None) -> None:
    """A connection is over a limit other than ``connections_max``: it gets 503, 429, or no answer (``cut``)."""
    logger.warning(
        "connection_limited",
        connection=connection,
        code=code,
        limit=excess.limit.value,
        address=excess.address,
        peer=address,
    )


def proxy_header_refused(connection: int, fault: Fault, address: str | None) -> None:
    """A connection does not begin with the header that ``admission.proxy_protocol`` expects, or it has one."""
    logger.warning(
        "proxy_header_refused", connection=connection, code=fault.value, cure=_PROXY_CURES[fault], peer=address
    )


def client_address_invalid(connection: int, header: str, entry: str, address: str | None) -> None:
    """A trusted proxy names a client in a way that is not an address."""
    logger.warning(
        "client_address_invalid", connection=connection, header=header, entry=entry[:_ENTRY_CHARS_MAX], peer=address
    )


def tls_refused(connection: int, address: str | None) -> None:
    """A client or a proxy speaks TLS to the port, which has none."""
    logger.info("tls_refused", connection=connection, cure=_TLS_CURE, peer=address)


def tls_failed(connection: int, reason: str, address: str | None) -> None:
    """A TLS handshake failed. ``reason`` is OpenSSL's, such as ``SSLV3_ALERT_CERTIFICATE_UNKNOWN``."""
    logger.info("tls_failed", connection=connection, reason=reason.lower(), peer=address)


def closed(connection: int, code: codes.CloseCode) -> None:
    """We close a connection."""
    logger.info("connection_closed", connection=connection, code=code.name, close_code=code.code)


def gone(connection: int, protocol: ServerProtocol | None, error: str | None) -> None:
    """A connection ended that `closed` does not know: its client or websockets closed it, or it was cut off.

    ``error`` is the socket's, such as ``ECONNRESET``, or why we cut it.
    """
    sent = None if protocol is None or protocol.close_rcvd_then_sent else protocol.close_sent
    received = None if protocol is None else protocol.close_rcvd
    if sent is not None and sent.code in codes.CLOSES:
        closed(connection, codes.CLOSES[sent.code])
    else:
        logger.info("connection_gone", connection=connection, close_code=received and received.code, error=error)


def _refused(code: codes.ErrorCode, **fields: object) -> None:
    log = logger.info if code.recovery is codes.Recovery.GIVE_UP or code in _RATES else logger.debug
    log("message_refused", code=code.code, **fields)


def ending_of(protocol: ServerProtocol | None, error: str | None) -> tuple[str, str]:
    """How a connection ended that we did not close: the party that ended it, and a name of ours for the code.

    A client may send any code, so that never becomes the name. ``error`` is the socket's, or why we cut it.
    """
    sent = None if protocol is None or protocol.close_rcvd_then_sent else protocol.close_sent
    if sent is not None and sent.code in codes.CLOSES:
        return BY_SERVER, codes.CLOSES[sent.code].name
    received = None if protocol is None else protocol.close_rcvd
    if received is not None:
        return BY_CLIENT, _CLIENTS.get(received.code, _OTHER)
    return BY_NETWORK, NO_CLOSE_FRAME if error is None else error.lower()
