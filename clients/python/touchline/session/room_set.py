"""All rooms that a client follows: what to ask a server for, and which room a message is about.

`room` knows what a message means for its room. This module creates the subscribes and unsubscribes, passes messages on,
and knows when to ask again for a room that was refused.

Rules:

1. Unsubscribes go before subscribes, so that a room that was left and is wanted again ends up joined.
2. A subscribe is split if the server would not take it whole.
3. A room that is refused for now is asked for again when the server says so, or else with backoff.
4. No event loop, socket or clock: times are passed in, in seconds on any clock that never goes back.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from touchline.errors import AlreadySubscribed
from touchline_protocol import messages
from touchline_protocol.codecs import Codec
from touchline_protocol.codes import ERRORS, Recovery
from touchline_protocol.cursor import Cursor
from touchline_protocol.limits import ROOMS_PER_SUBSCRIBE_MAX
from touchline_protocol.messages import Deliver, RoomRequest, Subscribe, Unsubscribe

from .items import Item
from .room import Input, Phase, Room

RETRY_S_MAX = 60.0
"""The longest wait that a server can ask for: a mistake there must not keep a client out for long."""

Element = TypeVar("Element")


class RoomSet:
    """The rooms of one client, by name in ``by_name``.

    ``ids`` numbers the requests. ``delay_s`` is how long to wait after this many refusals of a room in a row.
    """

    def __init__(self, codec: Codec, ids: Iterator[int], delay_s: Callable[[int], float]) -> None:
        self.by_name: dict[str, Room] = {}
        self._codec = codec
        self._ids = ids
        self._delay_s = delay_s
        self._to_leave: list[str] = []
        self._items: list[tuple[Room, Item]] = []

    def subscribe(
        self, name: str, *, after: Cursor | None, last: int, deliver: Deliver, occupancy: bool, members: bool
    ) -> Room:
        """Follow a room.

        Raises:
            AlreadySubscribed: the client follows it already.
        """
        if name in self.by_name:
            raise AlreadySubscribed(f"there is a subscription to {name} already: close that one first")
        room = self.by_name[name] = Room(
            name, after=after, last=last, deliver=deliver, occupancy=occupancy, members=members
        )
        return room

    def unsubscribe(self, room: Room) -> None:
        """Leave a room. If it is closed already, this does nothing."""
        if self.by_name.get(room.name) is room:
            del self.by_name[room.name]
            if room.on_server:
                self._to_leave.append(room.name)
            room.move(Input.LEFT)

    def deliver(self, name: str, apply: Callable[[Room], list[Item]]) -> bool:
        """Apply a message to its room. Returns whether there is something to send afterwards."""
        room = self.by_name.get(name)
        if room is None:
            return False
        was_on_server = room.on_server
        self._items.extend((room, item) for item in apply(room))
        if not was_on_server or room.phase is not Phase.WANTED:
            return False
        self._to_leave.append(name)  # after a gap
        return True

    def refused(self, error: messages.Error, now_s: float) -> None:
        """An error answers the rooms that were requested under its id; without one, the server removed the client."""
        known = ERRORS.get(error.code)
        gives_up = known is None or known.recovery is Recovery.GIVE_UP
        for room in list(self.by_name.values()):
            is_answer = room.phase is Phase.JOINED if error.id is None else room.request_id == error.id
            if not room.on_server or not is_answer or error.room not in (None, room.name):
                continue
            retry_at = None if gives_up else now_s + self._retry_s(error, room)
            self._items.extend((room, item) for item in room.refused(error, retry_at=retry_at))
            if room.phase is Phase.CLOSED:
                del self.by_name[room.name]

    def connection_lost(self) -> None:
        """Every room has to be requested again."""
        self._to_leave.clear()
        for room in self.by_name.values():
            room.move(Input.LOST)

    @property
    def deadlines(self) -> list[float]:
        """When to call `tick`."""
        return [room.retry_at for room in self.by_name.values() if room.phase is Phase.WAITING]

    def tick(self, now_s: float) -> None:
        """Ask again for the rooms whose wait is over."""
        for room in self.by_name.values():
            if room.phase is Phase.WAITING and now_s >= room.retry_at:
                room.move(Input.DUE)

    def take_output(self, message_bytes_max: int) -> list[bytes]:
        """The payloads to send now. Each has at most ``message_bytes_max`` bytes, unless one room alone takes more."""
        output: list[bytes] = []
        to_leave, self._to_leave = self._to_leave, []
        for names in _slices(to_leave):
            self._send_unsubscribe(names, message_bytes_max, output)
        wanted = [room for room in self.by_name.values() if room.phase is Phase.WANTED]
        for rooms in _slices(wanted):
            self._send_subscribe(rooms, message_bytes_max, output)
        return output

    def take_items(self) -> list[tuple[Room, Item]]:
        """What happened to the rooms, in order."""
        items, self._items = self._items, []
        return items

    def _retry_s(self, error: messages.Error, room: Room) -> float:
        if error.retry_ms is None:
            return self._delay_s(room.retries)
        return min(max(error.retry_ms, 0) / 1000, RETRY_S_MAX)

    def _send_subscribe(self, rooms: Sequence[Room], bytes_max: int, output: list[bytes]) -> None:
        request_id = next(self._ids)
        requests: list[RoomRequest] = [room.request() for room in rooms]
        payload = self._codec.encode(Subscribe(rooms=requests, id=request_id))
        if len(payload) > bytes_max and len(rooms) > 1:
            self._send_subscribe(rooms[: len(rooms) // 2], bytes_max, output)
            self._send_subscribe(rooms[len(rooms) // 2 :], bytes_max, output)
            return
        for room in rooms:
            room.request_sent(request_id)
        output.append(payload)

    def _send_unsubscribe(self, names: Sequence[str], bytes_max: int, output: list[bytes]) -> None:
        payload = self._codec.encode(Unsubscribe(rooms=list(names)))
        if len(payload) > bytes_max and len(names) > 1:
            self._send_unsubscribe(names[: len(names) // 2], bytes_max, output)
            self._send_unsubscribe(names[len(names) // 2 :], bytes_max, output)
            return
        output.append(payload)


def _slices(elements: Sequence[Element]) -> list[Sequence[Element]]:
    return [
        elements[start : start + ROOMS_PER_SUBSCRIBE_MAX] for start in range(0, len(elements), ROOMS_PER_SUBSCRIBE_MAX)
    ]
