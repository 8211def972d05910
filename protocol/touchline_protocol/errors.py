"""What can go wrong, and whose fault it is.

    TouchlineError
    ├── OperatorError        the configuration, the machine or an outside system: the operator can mend it
    │   └── LogUnavailable   the log cannot be reached now; it may come back by itself
    ├── PeerError            the other side of a connection sent something that the protocol does not allow
    │   ├── BadMessage       a message that is no message of the protocol
    │   └── BadRoom          a room name that is no room name
    └── BadRecord            a record in the log that is not what its topic is for: its producer's fault

Our own mistakes are no TouchlineError: they are AssertionError, TypeError and the like, and end in a traceback.
The message of each is one sentence for a person, saying what was wrong and what to do about it.
"""


class TouchlineError(Exception):
    """The root of all errors that Touchline raises on purpose."""


class OperatorError(TouchlineError):
    """Something that the person who runs Touchline can mend: an option, a port, a file, an address."""


class LogUnavailable(OperatorError):
    """The log cannot be reached or did not answer in time. Trying again later can succeed."""


class PeerError(TouchlineError):
    """The peer broke the protocol."""


class BadMessage(PeerError):
    """Bytes that are no message of the protocol, or a message of an unknown type.

    ``code`` is the code of `touchline_protocol.codes` to answer with. ``action_id`` is that of an action whose other
    fields are wrong, and ``action_prev`` its ``prev`` if that can be read.
    """

    def __init__(self, code: str, message: str, action_id: int | None = None, action_prev: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.action_id = action_id
        self.action_prev = action_prev


class BadRoom(PeerError):
    """A room name that does not read ``<feed>:<id>``."""


class BadRecord(TouchlineError):
    """A record that cannot be made into an event, an action or a verdict, or data that can be in none.

    ``reason`` is one word for metrics and logs: see `touchline_protocol.records.REASONS`; for other records it is
    ``bad_action``, ``bad_verdict`` or ``bad_player``.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
