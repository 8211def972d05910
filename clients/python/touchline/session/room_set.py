"""The rooms that a client follows: what to ask a server for, and which room a message is about.

`room` knows what a message means for its room. This knows all of a client's rooms: it makes the subscribes
and unsubscribes, hands messages on, and says when a room that was refused is to be asked for again.

Rules:

1. Leaving goes before asking, so that a room that was left and is wanted again is joined in the end.
2. A subscribe is cut where the server would not take it whole.
3. No loop, no socket, no clock: times are handed in, seconds on any clock that never goes back.
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

Thing = TypeVar("Thing")


class RoomSet:
    """All rooms of a client, by name in ``rooms``.

    ``ids`` numbers the requests; ``delay_s`` is how long to wait after so many refusals of a room in a row.
    """

    def __init__(self, codec: Codec, ids: Iterator[int], delay_s: Callable[[int], float]) -> None:
        self.rooms: dict[str, Room] = {}
        self._codec = codec
        self._ids = ids
        self._delay_s = delay_s
        self._left: list[str] = []
        self._items: list[tuple[Room, Item]] = []

    def subscribe(self, name: str, *, after: Cursor | None, last: int, deliver: Deliver) -> Room:
        """Follow a room.

        Raises:
            AlreadySubscribed: it is followed already.
        """
        if name in self.rooms:
            raise AlreadySubscribed(f"{name} is subscribed to already: close that subscription first")
        room = self.rooms[name] = Room(name, after=after, last=last, deliver=deliver)
        return room

    def unsubscribe(self, room: Room) -> None:
        """Leave a room; one that is over already is left in peace."""
        if self.rooms.get(room.name) is room:
            del self.rooms[room.name]
            if room.on_server:
                self._left.append(room.name)
            room.move(Input.LEFT)

    def deliver(self, name: str, said: Callable[[Room], list[Item]]) -> bool:
        """A message about a room; whether there is something to send after it."""
        room = self.rooms.get(name)
        if room is None:
            return False
        was_on_server = room.on_server
        self._items.extend((room, item) for item in said(room))
        if not was_on_server or room.phase is not Phase.WANTED:
            return False
        self._left.append(name)  # after a gap
        return True

    def refused(self, error: messages.Error, now_s: float) -> None:
        """An error answers the rooms that were asked for under its id."""
        known = ERRORS.get(error.code)
        gives_up = known is None or known.recovery is Recovery.GIVE_UP
        for room in list(self.rooms.values()):
            if not room.on_server or room.request_id != error.id or error.room not in (None, room.name):
                continue
            retry_at = None if gives_up else now_s + self._delay_s(room.retries)
            self._items.extend((room, item) for item in room.refused(error, retry_at=retry_at))
            if room.phase is Phase.CLOSED:
                del self.rooms[room.name]

    def lost(self) -> None:
        """The connection is no more: all is to be asked for again."""
        self._left.clear()
        for room in self.rooms.values():
            room.move(Input.LOST)

    @property
    def deadlines(self) -> list[float]:
        """When to call `tick`."""
        return [room.retry_at for room in self.rooms.values() if room.phase is Phase.WAITING]

    def tick(self, now_s: float) -> None:
        """Want again what has rested."""
        for room in self.rooms.values():
            if room.phase is Phase.WAITING and now_s >= room.retry_at:
                room.move(Input.DUE)

    def take_output(self, message_bytes_max: int) -> list[bytes]:
        """The payloads to send now, each of at most so many bytes where that can be had."""
        output: list[bytes] = []
        left, self._left = self._left, []
        for names in _slices(left):
            self._leave(names, message_bytes_max, output)
        wanted = [room for room in self.rooms.values() if room.phase is Phase.WANTED]
        for rooms in _slices(wanted):
            self._ask(rooms, message_bytes_max, output)
        return output

    def take_items(self) -> list[tuple[Room, Item]]:
        """What happened to the rooms, in order."""
        items, self._items = self._items, []
        return items

    def _ask(self, rooms: Sequence[Room], bytes_max: int, output: list[bytes]) -> None:
        request_id = next(self._ids)
        requests: list[RoomRequest] = [room.request() for room in rooms]
        payload = self._codec.encode(Subscribe(rooms=requests, id=request_id))
        if len(payload) > bytes_max and len(rooms) > 1:
            self._ask(rooms[: len(rooms) // 2], bytes_max, output)
            self._ask(rooms[len(rooms) // 2 :], bytes_max, output)
            return
        for room in rooms:
            room.sent(request_id)
        output.append(payload)

    def _leave(self, names: Sequence[str], bytes_max: int, output: list[bytes]) -> None:
        payload = self._codec.encode(Unsubscribe(rooms=list(names)))
        if len(payload) > bytes_max and len(names) > 1:
            self._leave(names[: len(names) // 2], bytes_max, output)
            self._leave(names[len(names) // 2 :], bytes_max, output)
            return
        output.append(payload)


def _slices(things: Sequence[Thing]) -> list[Sequence[Thing]]:
    return [things[start : start + ROOMS_PER_SUBSCRIBE_MAX] for start in range(0, len(things), ROOMS_PER_SUBSCRIBE_MAX)]
