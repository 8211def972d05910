"""An edge whose window holds next to nothing, so that catch-ups need the log: the test answers for it, and counts."""

import itertools
from collections.abc import Sequence

from support.core_edge import CLIENT, HUB, TOPIC, CoreClient, CoreEdge, LogRecord, record
from touchline_protocol.messages import RoomRequest, Subscribe
from touchline_server.core.effects import AskLogEnd, FindOffset, LoadRoom, ReadLog, Unreachable
from touchline_server.core.log import CaughtUp, Chunk, Records, TermBegan, TopicOpened

OLDER_TERM, TERM = 2, 3
"""The terms of the records that the edge has not read, and of those that it has. It knows the newer one alone."""


class OldEvents:
    """An edge that has read ``records``, and holds the last of them only. The log has them all, from ``starts_at`` on.

    It was opened just before its last records, with or without an older part that it never read.
    """

    def __init__(
        self, records: Sequence[LogRecord], *, unread: int = 0, starts_at: int = 0, concurrency: int = 4
    ) -> None:
        client = CLIENT._replace(replay_records_max=1_000_000, rooms_max=200)
        self.edge = CoreEdge(hub=HUB._replace(window_bytes_max=500), client=client, replay_concurrency=concurrency)
        self.records = records
        self.starts_at = starts_at
        self.answered: list[ReadLog | AskLogEnd | FindOffset] = []
        self.records_read = 0
        self.first_read = first = records[unread].offset
        self.edge.apply(TopicOpened(TOPIC, "e1", {0: first}))
        self.edge.apply(TermBegan(TOPIC, 0, first, TERM))
        self.edge.apply(Records(TOPIC, 0, records[unread:], records[-1].offset + 1))
        self.edge.apply(CaughtUp(TOPIC))
        self.edge.flush()

    @property
    def end(self) -> int:
        return self.records[-1].offset + 1

    def client(
        self, rooms: Sequence[str], after: int | Sequence[int], *, term: int | Sequence[int] = TERM
    ) -> CoreClient:
        """A client that comes back to rooms with a cursor, or one of each room."""
        client = self.edge.client()
        client.take()
        cursors = [after] * len(rooms) if isinstance(after, int) else after
        terms = [term] * len(rooms) if isinstance(term, int) else term
        requests = [
            RoomRequest(room=f"score:{room}", epoch=f"e1-0-{known}", after=cursor)
            for room, cursor, known in zip(rooms, cursors, terms, strict=True)
        ]
        client.send(Subscribe(rooms=requests))
        self.edge.run()
        return client

    def answer(self, index: int = 0, *, records_max: int = 1_000_000, unreachable: bool = False) -> None:
        """Answer one of the requests that are under way."""
        request = self.edge.requests.pop(index)
        assert not isinstance(request, LoadRoom | FindOffset)
        self.answered.append(request)
        edge = self.edge
        if isinstance(request, AskLogEnd):
            effects = edge.core.log_end(request.number, None if unreachable else self.end_of(request.term), edge.now)
        elif unreachable:
            effects = edge.core.log_read(request.number, Unreachable("away"), edge.now)
        else:
            effects = edge.core.log_read(request.number, self.read(request, records_max), edge.now)
        edge.perform(effects)
        edge.run()

    def answer_all(self, *, records_max: int = 1_000_000) -> None:
        """Answer everything, oldest first, until nothing is asked any more."""
        while self.edge.requests:
            self.answer(records_max=records_max)

    def end_of(self, term: int) -> int:
        """Where a term ends; 0 for those that never were."""
        return {OLDER_TERM: self.first_read, TERM: self.end}.get(term, 0)

    def read(self, request: ReadLog, records_max: int = 1_000_000) -> Chunk | None:
        _, after, up_to, term, is_proven = request.range
        if after + 1 < self.starts_at or not (is_proven or after < self.end_of(term)):
            return None
        count = min(records_max, request.records_max)
        found = list(itertools.islice((r for r in self.records if after < r.offset <= up_to), count))
        self.records_read += len(found)
        terms = [(each.offset, OLDER_TERM if each.offset < self.first_read else TERM) for each in found]
        return Chunk(found, found[-1].offset if len(found) == count else up_to, terms)


def in_turn(rooms: Sequence[str], count: int) -> list[LogRecord]:
    """Records of rooms that have one event after the other."""
    return [record(offset, value=b"%d" % offset, room=rooms[offset % len(rooms)]) for offset in range(count)]
