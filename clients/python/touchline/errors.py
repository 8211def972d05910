"""What can go wrong for a user of the SDK.

    TouchlineError                  (touchline_protocol.errors)
    ├── ConnectionFailed            the client is at its end: every iterator raises this
    │   ├── BadUrl                  the address is no ws:// or wss:// address
    │   ├── Unreachable             the first connection could not be made; it may work later
    │   ├── ConnectionRefused       the server refused, and would again: an HTTP status, or a close code that says so
    │   └── ProtocolViolated        the server sent what the protocol does not allow
    ├── RoomRefused                 one room was refused; the others go on
    ├── AlreadySubscribed           this client has a subscription of that room already
    ├── ClientClosed                the client is not open: not entered with `async with` yet, or closed
    ├── PeerError                   (touchline_protocol.errors)
    │   └── BadRoom                 the room's name does not read <feed>:<id>
    └── OperatorError               (touchline_protocol.errors) from `touchline.actions`: an argument, a topic, a right
        └── LogUnavailable          Kafka does not answer; it may work later

A text that is no cursor is a PeerError itself. A connection that is lost later is no error: the client makes a new one.
"""

from touchline_protocol.errors import BadRoom, LogUnavailable, OperatorError, PeerError, TouchlineError

__all__ = [
    "AlreadySubscribed",
    "BadRoom",
    "BadUrl",
    "ClientClosed",
    "ConnectionFailed",
    "ConnectionRefused",
    "LogUnavailable",
    "OperatorError",
    "PeerError",
    "ProtocolViolated",
    "RoomRefused",
    "TouchlineError",
    "Unreachable",
]


class ConnectionFailed(TouchlineError):
    """The connection is given up, or was never made."""


class BadUrl(ConnectionFailed):
    """The address cannot be that of a Touchline server."""


class Unreachable(ConnectionFailed):
    """The first connection could not be made: nobody listens there, no such host, no answer in time."""


class ConnectionRefused(ConnectionFailed):
    """The server does not want this client, and would say the same again.

    ``code`` is an HTTP status (below 1000), a WebSocket close code (`touchline_protocol.codes.CLOSES`), or the code of
    an error that concerns no room (`touchline_protocol.codes.ERRORS`).
    """

    def __init__(self, code: int | str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ProtocolViolated(ConnectionFailed):
    """The server sent what cannot be read. To go on would be to lose it in silence."""


class RoomRefused(TouchlineError):
    """The server refused ``room``; ``code`` is one of `touchline_protocol.codes.ERRORS`."""

    def __init__(self, room: str, code: str, message: str) -> None:
        super().__init__(f"{room}: {message} ({code})")
        self.room = room
        self.code = code


class AlreadySubscribed(TouchlineError):
    """One client has one subscription of a room; close that first, or use a second client."""


class ClientClosed(TouchlineError):
    """There is no connection to subscribe on."""
