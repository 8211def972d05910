"""The errors that Touchline raises on purpose, by whose fault they are.

    TouchlineError
    ├── OperatorError        the configuration, the machine or an outside system: the operator can fix it
    │   ├── LogUnavailable   the log cannot be reached right now; it may come back by itself
    │   ├── RecordsRefused   the log refuses records for what they are; it takes others
    │   ├── TopicRefused     the log refuses all records of a topic until an operator acts
    │   ├── StoreUnavailable Redis cannot be reached right now; it may come back by itself
    │   └── StoreRefused     Redis refuses until an operator acts
    ├── PeerError            the other side of a connection violated the protocol
    │   ├── BadMessage       bytes that are not a valid message
    │   └── BadRoom          an invalid room name
    └── BadRecord            a record that does not belong in its topic: the producer's fault

Our own bugs are not TouchlineErrors: they surface as AssertionError, TypeError and the like, with a traceback. The
message of every error is a sentence for a person that says what was wrong and what to do about it.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from .printable import without_credentials


class TouchlineError(Exception):
    """The base class of all errors that Touchline raises on purpose.

    Its message has no credentials, whatever URL it quotes: it ends up in logs, in responses and on screens.
    """

    def __init__(self, *args: object) -> None:
        super().__init__(*(without_credentials(each) if isinstance(each, str) else each for each in args))


class OperatorError(TouchlineError):
    """Something that the operator can fix: an option, a port, a file, an address."""


class LogUnavailable(OperatorError):
    """The log cannot be reached or did not answer in time. Trying again later may succeed."""


class RecordRefusal(NamedTuple):
    """Why a log refuses a record: the same record would be refused again. ``why`` is a phrase for a person."""

    is_too_large: bool
    why: str


class RecordsRefused(OperatorError):
    """The log refused records of an append. ``refused`` has the reason for each, by its index in the append.

    The first ``written`` records are in the log, in order, except those that were refused. No later one of the same
    key is.
    """

    def __init__(self, topic: str, refused: Mapping[int, RecordRefusal], written: int) -> None:
        first = min(refused)
        super().__init__(f"the log refused record {first} of this append to {topic}: {refused[first].why}")
        self.refused = refused
        self.written = written

    @property
    def is_too_large(self) -> bool:
        """Whether the first refused record was refused for its size."""
        return self.refused[min(self.refused)].is_too_large


class TopicRefused(OperatorError):
    """The log refuses to read or append the records of a topic until an operator has changed something.

    The first ``written`` records of an append are in the log, in order, except those in ``refused``.
    """

    def __init__(
        self, message: str, written: int = 0, refused: Mapping[int, RecordRefusal] = MappingProxyType({})
    ) -> None:
        super().__init__(message)
        self.written = written
        self.refused = refused


class StoreUnavailable(OperatorError):
    """Redis cannot be reached or did not answer in time. Trying again later may succeed."""


class StoreRefused(OperatorError):
    """Redis refuses what it is asked for until an operator has changed something."""


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
