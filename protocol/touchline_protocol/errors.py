"""The errors that Touchline raises on purpose, by whose fault they are.

    TouchlineError
    ├── OperatorError        the configuration, the machine or an outside system: the operator can fix it
    │   └── LogUnavailable   the log cannot be reached right now; it may come back by itself
    ├── PeerError            the other side of a connection violated the protocol
    │   ├── BadMessage       bytes that are not a valid message
    │   └── BadRoom          an invalid room name
    └── BadRecord            a record that does not belong in its topic: the producer's fault

Our own bugs are not TouchlineErrors: they surface as AssertionError, TypeError and the like, with a traceback. The
message of every error is a sentence for a person that says what was wrong and what to do about it.
"""


class TouchlineError(Exception):
    """The base class of all errors that Touchline raises on purpose."""


class OperatorError(TouchlineError):
    """Something that the operator can fix: an option, a port, a file, an address."""


class LogUnavailable(OperatorError):
    """The log cannot be reached or did not answer in time. Trying again later may succeed."""


class PeerError(TouchlineError):
    """The peer violated the protocol."""


class BadMessage(PeerError):
    """Bytes that are not a valid message, or a message of an unknown type.

    ``code`` is the code in `touchline_protocol.codes` to answer with. If the message is an action whose id is readable,
    ``action_id`` is that id, and ``action_prev`` is its ``prev`` if that is readable too.
    """

    def __init__(self, code: str, message: str, action_id: int | None = None, action_prev: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.action_id = action_id
        self.action_prev = action_prev


class BadRoom(PeerError):
    """A room name that does not have the form ``<feed>:<id>``."""


class BadRecord(TouchlineError):
    """A record that is not a valid event, action or verdict, or data that none of them could hold.

    ``reason`` is one word for metrics and logs: one of `touchline_protocol.records.REASONS`, ``bad_action``,
    ``bad_verdict`` or ``bad_player``.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
