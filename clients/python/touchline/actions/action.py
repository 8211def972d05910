"""An action as it is handed to a reader, and how a record becomes one.

Pure: knows no Kafka and no loop, so it serves whatever log the record is from.
"""

from typing import Any, NamedTuple

from touchline_protocol.actions import decode_action, read_data
from touchline_protocol.errors import BadRecord
from touchline_protocol.records import Record


class Action(NamedTuple):
    """What a player did.

    ``data`` is any JSON value. ``session`` and ``id`` name the action among the player's; ids rise in a session, with
    holes where an edge refused one. ``received_ms`` is when ``edge`` had it, in Unix milliseconds. ``partition`` and
    ``offset`` are where it is in the log.
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


def action_of(record: Record, partition: int) -> Action:
    """The action that a record of ``player-actions`` tells of.

    Raises:
        BadRecord: it tells of none. The record may be left out; its producer is no edge, or a broken one.
    """
    said = decode_action(record.value)
    if record.key != said.player.encode():
        raise BadRecord("wrong_key", f"the record's key is not its player, {said.player!r:.80}")
    return Action(
        said.player,
        said.room,
        said.kind,
        read_data(said),
        said.session,
        said.id,
        said.received_ms,
        said.edge,
        partition,
        record.offset,
    )
