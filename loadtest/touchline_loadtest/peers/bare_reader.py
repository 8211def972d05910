"""Reads events of servers that send nothing but the values that were published. A client is in one room."""

from collections.abc import Sequence

from touchline_loadtest.wire.event_values import stamps

from .peer import Received, RoomStart


class BareReader:
    """Finds the stamp of each value."""

    def __init__(self, rooms: Sequence[RoomStart]) -> None:
        self.positions: dict[str, str] = {}
        self.recovered: dict[str, bool] = {}
        self.replies: list[bytes] = []
        self._room = rooms[0].room

    def read(self, payload: bytes) -> list[Received]:
        """The event in a frame."""
        return [Received(self._room, number, due) for due, number in stamps(payload)]
