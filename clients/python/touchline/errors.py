"""What can go wrong for a user of the SDK.

    TouchlineError                  (touchline_protocol.errors)
    ├── ConnectionFailed            the client is at its end: every iterator raises this
    │   ├── BadUrl                  the address is no ws:// or wss:// address
    │   ├── Unreachable             the first connection could not be made; it may work later
    │   │   └── TokenUnavailable    the function that should return a token did not
    │   ├── ConnectionRefused       the server refused, and would again: an HTTP status, or a close code that says so
    │   └── ProtocolViolated        the server sent what the protocol does not allow
    ├── RoomRefused                 one room was refused; the others go on
    ├── AlreadySubscribed           this client has a subscription of that room already
    ├── ClientClosed                the client is not open: not entered with `async with` yet, or closed
    ├── ActionRefused               the action was not done: it is not in the log
    ├── ActionInDoubt               the action may have been done, or not: no answer came in time
    ├── ActionsFull                 the action was not taken: too many others wait for their answers
    ├── PeerError                   (touchline_protocol.errors)
    │   └── BadRoom                 the room's name does not read <feed>:<id>
    └── OperatorError               (touchline_protocol.errors) from `touchline.actions`: an argument, a topic, a right
        └── LogUnavailable          Kafka does not answer; it may work later

An action's kind or data that cannot be sent is a ValueError or a TypeError. A text that is no cursor is a PeerError
itself. A connection that is lost later is no error: the client makes a new one.
"""

from touchline_protocol.errors import BadRoom, LogUnavailable, OperatorError, PeerError, TouchlineError

__all__ = [
    "ActionInDoubt",
    "ActionRefused",
    "ActionsFull",
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
    "TokenUnavailable",
    "TouchlineError",
    "Unreachable",
]


class ConnectionFailed(TouchlineError):
    """The connection is given up, or was never made."""


class BadUrl(ConnectionFailed):
    """The address cannot be that of a Touchline server."""


class Unreachable(ConnectionFailed):
    """The first connection could not be made: nobody listens there, no such host, no answer in time."""


class TokenUnavailable(Unreachable):
    """What was given to `touchline.connect` as ``token`` raised, took too long or returned no token.

    ``__cause__`` is what it raised. After the first connection the client tries again by itself.
    """


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
    """There is no connection to subscribe or to act on."""


class ActionRefused(TouchlineError):
    """The action is not in the log, and the client does not send it again.

    ``code`` is one of `touchline_protocol.codes.NACKS`, or ``actions_not_taken``: this server takes none.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ActionInDoubt(TouchlineError):
    """Nobody knows whether the action was done: it was sent, and its answer never came. It is not sent again.

    To do it once more is to risk that it is done twice.
    """


class ActionsFull(TouchlineError):
    """The action was not taken, since as many as are allowed wait for their answers."""
