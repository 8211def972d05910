"""A client that moves between edges of different logs: the real cores, and the SDK's real room and view."""

import itertools
from collections.abc import Sequence

from support.core_edge import CLIENT, HUB, CoreClient, CoreEdge, LogRecord
from touchline.session.items import Event, Item, Joined
from touchline.session.room import Input, Phase, Room
from touchline.session.view import View
from touchline_protocol import messages
from touchline_protocol.cursor import Cursor
from touchline_protocol.messages import Deliver, ServerMessage, Subscribe, Unsubscribe
from touchline_server.core.effects import AskLogEnd, FindOffset, ReadLog
from touchline_server.core.log import Chunk

ROOM = "score:1"
RECORDS_OF_A_READ = 5


class Site:
    """One log of one partition, and an edge that reads it. ``lookups`` counts the questions for a time.

    ``coming`` are records that are appended and read one by one, each before the log answers its next question.
    """

    def __init__(self, epoch: str, *, window_bytes_max: int = 1_000_000, replay_records_max: int = 1_000) -> None:
        self.edge = CoreEdge(
            hub=HUB._replace(window_bytes_max=window_bytes_max),
            client=CLIENT._replace(replay_records_max=replay_records_max),
        )
        self.edge.open(epoch)
        self.records: list[LogRecord] = []
        self.lookups = 0
        self.coming: list[LogRecord] = []
        self.start = 0

    def append(self, records: Sequence[LogRecord]) -> None:
        """Append records, which the edge reads at once."""
        self.records += records
        if records:
            self.edge.ingest(*records)
        self.settle()

    def settle(self) -> None:
        """Take turns, and answer, until there is nothing left to do."""
        self.edge.run()
        while self.edge.requests:
            if self.coming:
                self.records.append(self.coming.pop(0))
                self.edge.ingest(self.records[-1])
            self._answer()
            self.edge.run()

    def _answer(self) -> None:
        request = self.edge.requests.pop(0)
        core, now = self.edge.core, self.edge.now
        match request:
            case ReadLog(number, (_, after, up_to, _, _), _):
                self.edge.perform(core.log_read(number, self._read(after, up_to), now))
            case FindOffset(number, _, since_ms):
                self.lookups += 1
                self.edge.perform(core.offset_found(number, self._find(since_ms), now))
            case AskLogEnd(number):
                self.edge.perform(core.log_end(number, self._end, now))
            case _:
                raise AssertionError(request)

    @property
    def _end(self) -> int:
        return self.records[-1].offset + 1 if self.records else 0

    @property
    def _kept(self) -> list[LogRecord]:
        return [each for each in self.records if each.offset >= self.start]

    def _read(self, after: int, up_to: int) -> Chunk | None:
        if after + 1 < self.start:
            return None
        found = [each for each in self._kept if after < each.offset <= up_to][:RECORDS_OF_A_READ]
        return Chunk(found, found[-1].offset if len(found) == RECORDS_OF_A_READ else up_to)

    def _find(self, since_ms: int) -> int | None:
        first = next((each.offset for each in self._kept if each.timestamp >= since_ms), self._end)
        return first if self._kept and self._kept[0].offset < first else None


class MovingClient:
    """One client in one room. ``events`` are those that its reader got, ``known`` the data of all that it received."""

    def __init__(self, *, after: Cursor | None = None, deliver: Deliver = "all") -> None:
        self.room = Room(ROOM, after=after, last=0, deliver=deliver, occupancy=False, members=False)
        self.view = View(after)
        self.events: list[Event] = []
        self.joins: list[Joined] = []
        self.known: list[object] = []
        self.received: list[ServerMessage] = []
        self._ids = itertools.count(1)
        self._connection: CoreClient | None = None

    def go_to(self, site: Site) -> None:
        """Connect, ask for the room, and take what comes until the edge rests."""
        self.leave()
        self._connection = connection = site.edge.client()
        self._ask(connection)
        self.run(site)

    def leave(self) -> None:
        """Lose the connection."""
        if self._connection is not None:
            self._connection.leave()
            self._connection = None
            self.room.move(Input.LOST)

    def run(self, site: Site) -> None:
        """Take what comes until the edge rests."""
        connection = self._connection
        assert connection is not None
        site.settle()
        while received := connection.take():
            for message in received:
                self._take(message)
            if self.room.phase is Phase.WANTED:
                connection.send(Unsubscribe(rooms=[ROOM]))
                self._ask(connection)
            site.settle()

    def _ask(self, connection: CoreClient) -> None:
        number = next(self._ids)
        connection.send(Subscribe(rooms=[self.room.request()], id=number))
        self.room.request_sent(number)

    def _take(self, message: ServerMessage) -> None:
        self.received.append(message)
        for item in self._items(message):
            self.view.apply(item)
            if isinstance(item, Event):
                self.events.append(item)
            elif isinstance(item, Joined):
                self.joins.append(item)
                self.known += [event.data for event in item.state]

    def _items(self, message: ServerMessage) -> list[Item]:
        match message:
            case messages.Subscribed():
                return self.room.subscribed(message)
            case messages.Event():
                items = self.room.event(message)
                self.known += [item.data for item in items if isinstance(item, Event)]
                return items
            case messages.Skipped():
                return self.room.skipped(message)
            case messages.Replayed():
                return self.room.replayed(message)
            case messages.Error():
                raise AssertionError(message)
        return []
