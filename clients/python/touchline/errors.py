"""What can go wrong for a user of the SDK.

    TouchlineError                  (touchline_protocol.errors)
    ├── ConnectionFailed            the client has given up: every iterator raises this
    │   ├── BadUrl                  the address does not start with ws:// or wss://, or cannot be used
    │   ├── Unreachable             the first connection could not be made; it may work later
    │   │   └── TokenUnavailable    the function that should return a token did not
    │   ├── ConnectionRefused       the server refused, and would again: an HTTP status, or a close code that says so
    │   └── ProtocolViolated        the server sent something that the protocol does not allow
    ├── RoomRefused                 the server refused one room; the other rooms go on
    ├── AlreadySubscribed           this client has a subscription to that room already
    ├── ClientClosed                the client is not open: not yet entered with `async with`, or closed
    ├── ActionRefused               the action was not done: it is not in the log
    ├── ActionInDoubt               the action may have been done or not: no answer arrived in time
    ├── ActionsFull                 the action was not taken: too many others are waiting for their answers
    ├── PeerError                   (touchline_protocol.errors)
    │   └── BadRoom                 the room name does not have the form <feed>:<id>
    └── OperatorError               (touchline_protocol.errors) from `touchline.actions`: an argument, a topic, a right
        └── LogUnavailable          Kafka does not answer; it may work later

An action's kind or data that cannot be sent is a ValueError or a TypeError. A string that is not a cursor is a plain
PeerError. Losing a connection later is not an error: the client makes a new one.
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
    """The client gave up the connection, or never had one."""


class BadUrl(ConnectionFailed):
    """This cannot be the address of a Touchline server."""


class Unreachable(ConnectionFailed):
    """The first connection could not be made: nothing listens there, no such host, or no answer in time.

    ``retry_after_s``: how long the server asks to wait before the next attempt.
    """

    def __init__(self, message: str, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class TokenUnavailable(Unreachable):
    """The function given to `touchline.connect` as ``token`` raised, took too long, or returned no valid token.

    ``__cause__`` is what it raised. After the first connection the client tries again by itself.
    """


class ConnectionRefused(ConnectionFailed):
    """The server does not accept this client, and would say the same again.

    ``code`` is an HTTP status (below 1000), a WebSocket close code (`touchline_protocol.codes.CLOSES`), or the code of
    an error that is not about one room (`touchline_protocol.codes.ERRORS`).
    """

    def __init__(self, code: int | str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ProtocolViolated(ConnectionFailed):
    """The server sent something that cannot be read. To carry on would be to lose it silently."""


class RoomRefused(TouchlineError):
    """The server refused ``room``; ``code`` is one of `touchline_protocol.codes.ERRORS`."""

    def __init__(self, room: str, code: str, message: str) -> None:
        super().__init__(f"{room}: {message} ({code})")
        self.room = room
        self.code = code


class AlreadySubscribed(TouchlineError):
    """A client has one subscription to a room. Close that first, or use a second client."""


class ClientClosed(TouchlineError):
    """There is no open client to subscribe or act with."""


class ActionRefused(TouchlineError):
    """The action is not in the log, and the client will not send it again.

    ``code`` is one of `touchline_protocol.codes.NACKS`, or ``actions_disabled``: this server takes no actions.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ActionInDoubt(TouchlineError):
    """The action was sent, and its answer never came, so it may have been done or not. It is not sent again.

    Doing it once more risks doing it twice.
    """


class ActionsFull(TouchlineError):
    """The action was not taken, because as many as the client allows are waiting for their answers."""
