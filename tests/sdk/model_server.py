"""A small pure model of a server, and of the network to it, for testing the client's session.

It speaks like an edge, but may also lose an event or send one twice: the client has to notice the former and ignore the
latter. It remembers which events it reported as skipped, to check that nothing else is missing.
"""

from collections import deque
from typing import NamedTuple

from touchline_protocol.codecs import Codec
from touchline_protocol.messages import (
    Error,
    Event,
    Goaway,
    Hello,
    Limits,
    RoomRequest,
    ServerMessage,
    Skipped,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Unsubscribed,
    Welcome,
)

HEARTBEAT_MS = 1000


class Entry(NamedTuple):
    """An event in a room's log."""

    offset: int
    prev: int | None
    key: str | None
    data: int | None

    def message(self, room: str) -> Event:
        return Event(room=room, offset=self.offset, prev=self.prev, ts=self.offset, data=self.data, key=self.key)


class RoomLog:
    """A room's complete log, for the checks. The server honours cursors from ``floor`` on."""

    def __init__(self, room: str, number: int) -> None:
        self.room = room
        self.epoch = f"epoch{number}"
        self.entries: list[Entry] = []
        self.floor = -1

    @property
    def head(self) -> int:
        return self.entries[-1].offset if self.entries else -1

    def append(self, hole: int, key: str | None, data: int | None) -> None:
        prev = self.head if self.entries else None
        self.entries.append(Entry(self.head + 1 + hole, prev, key, data))

    def after(self, offset: int) -> list[Entry]:
        return [entry for entry in self.entries if entry.offset > offset]

    def state(self, up_to: int) -> dict[str, Entry]:
        """The newest entry of each key, as of an offset."""
        newest: dict[str, Entry] = {}
        for entry in self.entries:
            if entry.offset <= up_to and entry.key is not None:
                newest[entry.key] = entry
                if entry.data is None:
                    del newest[entry.key]
        return newest

    def is_obsolete(self, entry: Entry) -> bool:
        return any(later.key == entry.key and entry.key is not None for later in self.after(entry.offset))


class Joined:
    """A client in a room: it has everything up to the offset ``at``."""

    def __init__(self, request: RoomRequest, at: int) -> None:
        self.request = request
        self.at = at


class ModelServer:
    """The server's side of one connection at a time. ``to_client`` and ``to_server`` hold what is on its way."""

    def __init__(self, codec: Codec, rooms: list[str]) -> None:
        self.codec = codec
        self.epochs = 0
        self.history: dict[str, RoomLog] = {}
        self.logs = {room: self._new_log(room) for room in rooms}
        self.joined: dict[str, Joined] = {}
        self.to_client: deque[bytes] = deque()
        self.to_server: deque[bytes] = deque()
        self.reported_skipped: set[tuple[str, int]] = set()
        self.unavailable = 0
        self.lost = 0

    def disconnect(self) -> None:
        self.joined.clear()
        self.to_client.clear()
        self.to_server.clear()

    def read(self) -> None:
        """Handle the client's next message."""
        message = self.codec.decode_client(self.to_server.popleft())
        match message:
            case Hello():
                limits = Limits(message_bytes_max=400, rooms_max=100)
                self._say(Welcome(session="s", edge="e", heartbeat_ms=HEARTBEAT_MS, limits=limits, time=0))
            case Subscribe():
                for request in message.rooms:
                    self._subscribe(request, message.id)
            case Unsubscribe():
                for room in message.rooms:
                    if self.joined.pop(room, None) is None:  # it was refused in the meantime
                        self._say(Error(code="not_subscribed", message="not here", room=room))
                    else:
                        self._say(Unsubscribed(room=room))

    def bring(self, room: str, count: int) -> None:
        """Send a room's client its next events, or report that they are skipped."""
        joined, log = self.joined[room], self.logs[room]
        entries = log.after(joined.at)[:count]
        if not entries:
            return
        skipped = [entry for entry in entries if joined.request.deliver == "latest" and log.is_obsolete(entry)]
        if skipped:
            self.reported_skipped.update((log.epoch, entry.offset) for entry in skipped)
            self._say(Skipped(room=room, from_=skipped[0].offset, to=skipped[-1].offset, count=len(skipped)))
        for entry in entries:
            if entry not in skipped:
                self._say(entry.message(room))
        joined.at = entries[-1].offset

    def send_again(self, room: str, count: int) -> None:
        """Send events again that were sent before."""
        sent = [entry for entry in self.logs[room].entries if entry.offset <= self.joined[room].at]
        for entry in sent[max(0, len(sent) - count) :]:
            self._say(entry.message(room))

    def lose_next(self, room: str) -> None:
        """Leave out an event that should be sent."""
        joined, log = self.joined[room], self.logs[room]
        entries = log.after(joined.at)
        # The first event of a log has none before it, so its loss cannot be noticed. And there must be an event after
        # the lost one, to notice it by.
        if len(entries) > 1 and joined.request.deliver != "latest":
            joined.at = entries[0].offset
            self.lost += 1

    def restart(self, room: str) -> None:
        """The room's topic is recreated; its client starts over."""
        self.logs[room] = self._new_log(room)
        if room in self.joined:
            self._start_over(room, None)

    def goaway(self, reconnect_ms: int) -> None:
        self._say(Goaway(reconnect_ms=reconnect_ms, reason="drain"))

    def _new_log(self, room: str) -> RoomLog:
        self.epochs += 1
        log = RoomLog(room, self.epochs)
        self.history[log.epoch] = log
        return log

    def _say(self, message: ServerMessage) -> None:
        self.to_client.append(self.codec.encode(message))

    def _subscribe(self, request: RoomRequest, request_id: int | None) -> None:
        room = request.room
        assert room not in self.joined, "the client asked for a room twice"
        assert (request.epoch is None) == (request.after is None)
        if self.unavailable:
            self.unavailable -= 1
            self._say(Error(code="unavailable", message="later", room=room, id=request_id))
            return
        log = self.logs[room]
        after = -1 if request.after is None else request.after
        self.joined[room] = Joined(request, after)
        if request.epoch == log.epoch and log.floor <= after <= log.head:
            self._say(Subscribed(room=room, epoch=log.epoch, head=log.head, recovered=True, id=request_id))
        else:
            self._start_over(room, request_id)

    def _start_over(self, room: str, request_id: int | None) -> None:
        log, joined = self.logs[room], self.joined[room]
        joined.at = log.head
        last = (joined.request.last or 0) if request_id is not None else 0
        self._say(
            Subscribed(
                room=room,
                epoch=log.epoch,
                head=log.head,
                recovered=False,
                state=[entry.message(room) for entry in log.state(log.head).values()],
                recent=[entry.message(room) for entry in log.entries[-last:] if last],
                id=request_id,
            )
        )
