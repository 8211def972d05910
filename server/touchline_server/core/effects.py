"""What the core asks its shell to do. The shell performs effects in order, at once, and decides nothing.

`Delivery` is the only effect on the hot path. The others name a client's connection by its ``owner``, which is whatever
the shell finds the connection by.
"""

from collections.abc import Sequence
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from touchline_protocol.codes import CloseCode
from touchline_protocol.messages import Error, Nack, Verdict, Welcome

from .room_store import RoomKey
from .rooms.old_records import Skip
from .rooms.partition_window import PartitionWindow
from .rooms.room import Delivery, FlushTrace

Owner = TypeVar("Owner")
"""The shell's connection of a client: hashable, and opaque to the core."""


class Close(NamedTuple, Generic[Owner]):
    """Close a connection with a code; what was written before still goes out."""

    owner: Owner
    code: CloseCode


class Abort(NamedTuple, Generic[Owner]):
    """Cut a connection: it was closed and did not end in time, or its peer is gone, as ``why`` then says."""

    owner: Owner
    why: str = ""


class AskLastAck(NamedTuple, Generic[Owner]):
    """Ask the kernel when a peer that owes an acknowledgement last sent one, and answer with `EdgeCore.last_ack`."""

    owner: Owner


class ServeInput(NamedTuple, Generic[Owner]):
    """Serve what a connection has sent, as far as `EdgeCore.input` allows, and read from it again."""

    owner: Owner


Notable: TypeAlias = Welcome | Error | Nack | Verdict
"""Messages that also concern an operator: a client is let in, is refused something, or is judged."""


NOTICES_MAX = 8
"""Notices about one client at a time: a message with a thousand wrong rooms must not cost the others more than its
answers do."""


class Notice(NamedTuple, Generic[Owner]):
    """What a client is told that concerns an operator. ``agent`` comes with a welcome: what the client calls itself."""

    owner: Owner
    message: Notable
    player: str | None
    agent: str | None


class LogRange(NamedTuple):
    """A range of a partition: records with ``after < offset <= up_to``.

    ``term`` is the newest that the client knows. Unless ``is_proven``, the log has to check the cursor.
    """

    window: PartitionWindow
    after: int
    up_to: int
    term: int
    is_proven: bool


class ReadLog(NamedTuple):
    """Read at most ``records_max`` old records, and answer with `EdgeCore.log_read` under the same ``number``."""

    number: int
    range: LogRange
    records_max: int


class AskLogEnd(NamedTuple):
    """Ask where a term of a partition ends in the log, and answer with `EdgeCore.log_end` under the same ``number``."""

    number: int
    window: PartitionWindow
    term: int


class FindOffset(NamedTuple):
    """Ask for the first record of a partition that is of ``since_ms`` (Unix milliseconds) or later, and answer with
    `EdgeCore.offset_found` under the same ``number``."""

    number: int
    window: PartitionWindow
    since_ms: int


class LoadRoom(NamedTuple):
    """Ask the store for a room as of ``before``, and answer with `EdgeCore.room_loaded` under the same ``number``."""

    number: int
    key: RoomKey
    before: int


class Unreachable(NamedTuple):
    """The answer to any of these from a log or a store that does not answer, and why."""

    why: str


Effect: TypeAlias = (
    Delivery
    | FlushTrace
    | Close[Owner]
    | Abort[Owner]
    | AskLastAck[Owner]
    | ServeInput[Owner]
    | Notice[Owner]
    | ReadLog
    | AskLogEnd
    | FindOffset
    | LoadRoom
)


class LogOutcome(NamedTuple, Generic[Owner]):
    """What came of a log event: the records that were skipped, and what is to be done."""

    skips: Sequence[Skip] = ()
    effects: Sequence[Effect[Owner]] = ()
