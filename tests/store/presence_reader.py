"""A reader of the records of presence that checks their order: what a back end knows of the rooms."""

from collections.abc import Iterable

from touchline_protocol.presence.records import PresenceRecord


class RoomSeen:
    """What a reader knows of a room. It is ``sure`` of it unless the store was emptied since, and knows the players
    unless there were too many."""

    def __init__(self) -> None:
        self.seq = 0
        self.occupied = False
        self.players: set[str] = set()
        self.sure = True
        self.knows_players = True


class Reader:
    """Reads records, each perhaps more than once. Fails if they do not alternate."""

    def __init__(self) -> None:
        self.rooms: dict[str, RoomSeen] = {}

    def read(self, records: Iterable[PresenceRecord]) -> None:
        for record in records:
            room = self.rooms.setdefault(record.room, RoomSeen())
            if record.seq > room.seq:
                room.seq = record.seq
                _take(room, record)

    def store_was_emptied(self) -> None:
        """Records may have been lost: no room counts until it is named again."""
        for room in self.rooms.values():
            room.sure = False

    def occupied(self) -> dict[str, set[str] | None]:
        """The players of the rooms that are occupied, as far as they are known. Rooms that nothing was heard of since
        the store was emptied are empty."""
        return {
            name: room.players if room.knows_players else None
            for name, room in self.rooms.items()
            if room.occupied and room.sure
        }


def _take(room: RoomSeen, record: PresenceRecord) -> None:
    match record.kind:
        case "room_state":
            room.occupied, room.players, room.sure = bool(record.viewers), set(record.players or ()), True
            room.knows_players = record.players is not None
            assert room.occupied or not room.players
        case "room_occupied":
            assert not (room.sure and room.occupied)
            room.occupied, room.players, room.sure, room.knows_players = True, set(), True, True
        case "room_empty":
            assert room.occupied or not room.sure
            assert not (room.sure and room.knows_players and room.players)
            room.occupied, room.players, room.sure, room.knows_players = False, set(), True, True
        case "player_joined":
            assert record.player is not None
            assert room.occupied or not room.sure
            assert not (room.sure and room.knows_players and record.player in room.players)
            room.players.add(record.player)
        case "player_left":
            assert record.player is not None
            assert not (room.sure and room.knows_players) or record.player in room.players
            room.players.discard(record.player)
