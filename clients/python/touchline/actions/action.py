"""An action as it is handed to a reader, and how a record becomes one.

Pure: knows no Kafka and no loop, so it works for any log that the record is from.
"""

from typing import Any, NamedTuple

from touchline_protocol.actions import decode_action, read_data
from touchline_protocol.errors import BadRecord
from touchline_protocol.records import Record
from touchline_protocol.tracing.traceparent import header_traceparent


class Action(NamedTuple):
    """What a player did.

    ``data`` is any JSON value. ``session`` and ``id`` identify the action among the player's; ids rise within a
    session, with gaps where an edge refused one. ``received_ms`` is when ``edge`` received it, in Unix milliseconds.
    Only times by the same ``clock`` can be subtracted: they never go back. An edge has another clock after a restart,
    and after its computer's clock was set. ``partition`` and ``offset`` are its place in the log.
    ``traceparent`` (W3C Trace Context) is the span to continue: the edge's if it exports spans, otherwise the client's.
    """

    player: str
    room: str
    kind: str
    data: Any
    session: str
    id: int
    received_ms: int
    edge: str
    partition: int
    offset: int
    clock: str = ""
    traceparent: str | None = None


def action_of(record: Record, partition: int) -> Action:
    """The action in a record of ``player-actions``.

    Raises:
        BadRecord: the record does not hold an action. It may be skipped: no working edge wrote it.
    """
    decoded = decode_action(record.value)
    if record.key != decoded.player.encode():
        raise BadRecord("wrong_key", f"the record's key is not its player, {decoded.player!r:.80}")
    return Action(
        decoded.player,
        decoded.room,
        decoded.kind,
        read_data(decoded),
        decoded.session,
        decoded.id,
        decoded.received_ms,
        decoded.edge,
        partition,
        record.offset,
        decoded.clock,
        header_traceparent(record.headers),
    )
