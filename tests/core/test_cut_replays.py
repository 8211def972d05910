"""A connection is lost in the middle of a replay of another log, and the client comes back to the same edge.

A client of a stream presents the id that it saw last; a client of the SDK presents its room's cursor.
"""

import pytest
from msgspec import structs

from core.test_moves import OLD, START_MS, at, filled
from support.core_edge import CoreClient, CoreEdge, LogRecord
from support.event_source import EventSourceParser
from support.moving_client import Site
from touchline.session.items import Event, Item, Joined
from touchline.session.room import Input, Phase, Room
from touchline_protocol import messages
from touchline_protocol.codecs import JSON, Codec
from touchline_protocol.cursor import Cursor
from touchline_protocol.server_codecs import EVENT_STREAM

ROOM = "score:1"


class Connection(CoreClient):
    """A connection whose messages a test takes one by one, each with the id of its block."""

    def __init__(self, edge: CoreEdge, codec: Codec) -> None:
        self.sent: list[tuple[messages.ServerMessage, str | None]] = []
        self._parser = EventSourceParser()
        super().__init__(edge, codec)
        self.greet()

    def write(self, data: bytes) -> None:
        if self.codec is not EVENT_STREAM:
            super().write(data)
            self.sent += [(message, None) for message in self.take()]
            return
        self.sent += [(JSON.decode_server(block.data.encode()), block.id) for block in self._parser.feed(data)]


class Viewer:
    """One client in one room, which follows the specification by means of the SDK's room."""

    def __init__(self, codec: Codec) -> None:
        self.room = Room(ROOM, after=None, last=0, deliver="all", occupancy=False, members=False)
        self.items: list[Item] = []
        self.connection: Connection | None = None
        self.last_id = ""
        self._codec = codec

    def connect(self, site: Site) -> None:
        self.connection = Connection(site.edge, self._codec)
        request = self.room.request()
        if self._codec is EVENT_STREAM and self.last_id:
            cursor = Cursor.parse(self.last_id)
            request = structs.replace(request, epoch=cursor.epoch, after=cursor.offset, ts=cursor.ts)
        self.connection.send(messages.Subscribe(rooms=[request], id=1))
        self.room.request_sent(1)
        site.settle()

    def take(self, count: int | None = None) -> None:
        """Take some of the messages that were written, or all."""
        assert self.connection is not None
        sent = [each for each in self.connection.sent if not isinstance(each[0], messages.Welcome)]
        self.connection.sent.clear()
        for message, block_id in sent[:count]:
            self.last_id = block_id or self.last_id
            self._follow(message)

    def lose(self) -> None:
        assert self.connection is not None
        self.connection.leave()
        self.room.move(Input.LOST)

    def _follow(self, message: messages.ServerMessage) -> None:
        match message:
            case messages.Subscribed():
                self.items += self.room.subscribed(message)
            case messages.Event():
                self.items += self.room.event(message)
            case messages.Replayed():
                self.items += self.room.replayed(message)
        assert self.room.phase is Phase.JOINED

    @property
    def events(self) -> list[object]:
        return [item.data for item in self.items if isinstance(item, Event)]


def copies(first: int, end: int, offset: int) -> list[LogRecord]:
    """Records with their numbers, of which every fourth is a state."""
    return [at(offset + n, START_MS + n, str(n), "score" if n % 4 == 0 else None) for n in range(first, end)]


@pytest.mark.parametrize("codec", [JSON, EVENT_STREAM], ids=repr)
@pytest.mark.parametrize("copied", [8, 5], ids=["whole", "behind"])
@pytest.mark.parametrize("window_bytes_max", [1_000_000, 1_300], ids=["window", "log"])
def test_a_replay_that_is_cut_off_anywhere_is_sent_again(codec: Codec, copied: int, window_bytes_max: int) -> None:
    for cut in range(13):
        source, viewer = filled("source", []), Viewer(codec)
        viewer.connect(source)
        source.append(copies(0, 8, 0))
        viewer.take()
        viewer.lose()
        mirror = Site("mirror", window_bytes_max=window_bytes_max)
        mirror.append([OLD, *copies(0, copied, 701), *copies(10, 12, 701)])
        viewer.connect(mirror)
        viewer.take(cut)
        viewer.lose()
        viewer.connect(mirror)
        viewer.take()
        mirror.append(copies(12, 13, 701))
        viewer.take()
        assert viewer.events == [*range(8), 10, 11, 12]
        assert not any(item.restarted for item in viewer.items if isinstance(item, Joined))


def test_after_a_replay_a_stream_goes_on_from_its_end() -> None:
    source, viewer = filled("source", []), Viewer(EVENT_STREAM)
    viewer.connect(source)
    source.append(copies(0, 8, 0))
    viewer.take()
    viewer.lose()
    mirror = filled("mirror", [OLD, *copies(0, 5, 701)])
    viewer.connect(mirror)
    viewer.take()
    assert viewer.last_id == f"mirror-0-0.705.{START_MS + 4}"
    assert str(viewer.room.cursor) == viewer.last_id
