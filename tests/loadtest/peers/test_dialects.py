"""What clients of each peer send and understand, without a server."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchline_loadtest.peers.peer import PeerFailed, Received, RoomStart
from touchline_loadtest.peers.servers.anycable import AnyCableDialect
from touchline_loadtest.peers.servers.c_send_loop import SendLoopDialect
from touchline_loadtest.peers.servers.centrifugo import CentrifugoDialect
from touchline_loadtest.peers.servers.nats import NatsDialect
from touchline_loadtest.peers.servers.nats_jetstream import JetStreamDialect
from touchline_loadtest.peers.servers.nchan import NchanDialect
from touchline_loadtest.peers.servers.python_websockets import BroadcastDialect
from touchline_loadtest.peers.servers.socketio import SocketIoDialect
from touchline_loadtest.peers.servers.touchline import TouchlineDialect
from touchline_loadtest.wire.event_values import event_value, scan, stamps
from touchline_loadtest.wire.frames import masked
from touchline_loadtest.wire.opening import Progress, Step

ROOM = "match:1"
START = [RoomStart(ROOM)]
VALUE = event_value(7, 60, 3)
EVENT = Received(ROOM, 3, 7)


def test_a_client_takes_one_step_after_the_other_however_the_answers_are_cut() -> None:
    progress = Progress([Step(b"upgrade", b"\r\n\r\n"), Step(b"join two", b"joined", 2)])
    assert progress.to_send == b"upgrade"
    assert not progress.receive(b"HTTP/1.1 101\r\n\r")
    assert progress.receive(b"\njoi")
    assert progress.to_send == b"join two"
    assert not progress.receive(b"ned a, ")
    assert progress.receive(b"joined b, event")
    assert progress.done
    assert progress.unread == b" b, event"


def test_the_stamps_of_all_values_are_found_in_any_format() -> None:
    assert list(stamps(b"MSG 1" + VALUE + b"\r\nMSG 1" + event_value(8, 50, 4))) == [(7, 3), (8, 4)]


@given(cuts=st.lists(st.integers(0, 400)))
def test_stamps_are_found_however_a_stream_is_cut(cuts: list[int]) -> None:
    stream = b"".join(b"MSG %d " % due + event_value(due, 90) + b"\r\n" for due in range(4))
    found: list[int] = []
    rest = b""
    for begin, end in pairwise([0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]):
        stamped, rest = scan(rest + stream[begin:end])
        found += [due for due, _ in stamped]
    assert found == [0, 1, 2, 3]


def test_touchline() -> None:
    dialect = TouchlineDialect()
    upgrade, subscribe = dialect.opening(80, [RoomStart(ROOM, "e-1 4"), RoomStart("match:2")])
    assert upgrade.send.startswith(b"GET /ws ")
    assert b'{"room":"match:1","epoch":"e-1","after":4}' in subscribe.send
    assert subscribe.times == 2
    reader = dialect.reader(START)
    assert reader.read(b'{"type":"subscribed","room":"match:1","epoch":"e-1","head":9,"recovered":true}') == []
    assert reader.recovered == {ROOM: True}
    assert reader.positions == {}  # what it missed is yet to come
    assert reader.read(b'{"type":"event","room":"match:1","offset":5,"prev":4,"ts":0,"data":%s}' % VALUE) == [EVENT]
    assert reader.positions == {ROOM: "e-1 5"}
    with pytest.raises(PeerFailed, match="unknown_feed"):
        reader.read(b'{"type":"error","code":"unknown_feed","message":""}')


def test_centrifugo() -> None:
    dialect = CentrifugoDialect()
    upgrade, subscribe = dialect.opening(80, [RoomStart(ROOM, "e 4"), RoomStart("match:2")])
    assert upgrade.send.startswith(b"GET /connection/websocket ")
    assert b'{"id":2,"subscribe":{"channel":"match:1","recover":true,"epoch":"e","offset":4}}' in subscribe.send
    assert b'{"id":3,"subscribe":{"channel":"match:2"}}' in subscribe.send
    reader = dialect.reader(START)
    missed = b'{"id":2,"subscribe":{"recovered":true,"epoch":"e","offset":5,"publications":[{"data":%s,"offset":5}]}}'
    assert reader.read(b'{"id":1,"connect":{"client":"c"}}\n' + missed % VALUE) == [EVENT]
    assert reader.recovered == {ROOM: True}
    assert reader.positions == {ROOM: "e 5"}
    push = b'{"push":{"channel":"match:1","pub":{"data":%s,"offset":%d}}}'
    assert reader.read(push % (VALUE, 6) + b"\n" + push % (VALUE, 7)) == [EVENT, EVENT]
    assert reader.positions == {ROOM: "e 7"}
    assert not reader.replies
    assert reader.read(b"{}") == []
    assert reader.replies == [b"\x81\x82\x00\x00\x00\x00{}"]
    with pytest.raises(PeerFailed, match="permission denied"):
        reader.read(b'{"id":2,"error":{"code":103,"message":"permission denied"}}')


def test_nchan() -> None:
    (upgrade,) = NchanDialect(meta=True).opening(80, [RoomStart(ROOM, "1796042814:2")])
    assert upgrade.send.startswith(b"GET /subscribe?room=match%3A1&last_event_id=1796042814%3A2 ")
    assert upgrade.send.endswith(b"\r\nSec-WebSocket-Protocol: ws+meta.nchan\r\n\r\n")
    with_head = NchanDialect(meta=True).reader(START)
    assert with_head.read(b"id: 1796042814:3\ncontent-type: application/json\n\n" + VALUE) == [EVENT]
    assert with_head.positions == {ROOM: "1796042814:3"}
    bare = NchanDialect(meta=False).reader(START)
    assert bare.read(VALUE) == [EVENT]
    assert bare.positions == {}


def test_nats_messages_are_found_however_frames_cut_them() -> None:
    dialect = NatsDialect()
    _, subscribe = dialect.opening(80, [RoomStart(ROOM), RoomStart("match:2")])
    assert b"\r\nSUB match:1 1\r\nSUB match:2 2\r\nPING\r\n" in subscribe.send
    stream = b"INFO {}\r\nPONG\r\nMSG match:1 1 60\r\n%s\r\nPING\r\nMSG match:1 1 reply 60\r\n%s\r\n" % (VALUE, VALUE)
    for size in (1, 7, len(stream)):
        reader = dialect.reader(START)
        frames = [stream[begin : begin + size] for begin in range(0, len(stream), size)]
        assert [event for frame in frames for event in reader.read(frame)] == [EVENT, EVENT]
        assert reader.replies == [masked(b"PONG\r\n")]
    with pytest.raises(PeerFailed, match="Slow Consumer"):
        dialect.reader(START).read(b"-ERR 'Slow Consumer'\r\n")


def test_socket_io_sends_what_was_missed_before_it_confirms_the_session() -> None:
    dialect = SocketIoDialect()
    upgrade, connect, join = dialect.opening(80, [RoomStart(ROOM, "pid o1"), RoomStart("match:2", "pid o1")])
    assert upgrade.send.startswith(b"GET /socket.io/?EIO=4&transport=websocket ")
    assert b'40{"pid": "pid", "offset": "o1"}' in connect.send
    assert b'420["join", ["match:1", "match:2"]]' in join.send
    for session, offset in (("pid", "o2"), ("other", "o2")):
        reader = dialect.reader([RoomStart(ROOM, "pid o1")])
        assert reader.read(b'0{"sid":"s"}') == []
        assert reader.read(b'42["event","match:1",%s,"%s"]' % (VALUE, offset.encode())) == [EVENT]
        reader.read(b'40{"sid":"s","pid":"%s"}' % session.encode())
        assert reader.recovered == {ROOM: session == "pid"}
        assert reader.positions == {ROOM: f"{session} o2"}
    assert reader.read(b"2") == []
    assert reader.replies == [masked(b"3")]


def test_bare_values() -> None:
    assert SendLoopDialect().opening(80, START) == []
    assert SendLoopDialect().reader(START).read(VALUE) == [EVENT]
    (upgrade,) = BroadcastDialect().opening(80, START)
    assert upgrade.until == b"\r\n\r\n"


def test_anycable() -> None:
    dialect = AnyCableDialect(extended=True)
    upgrade, _, subscribe = dialect.opening(80, [RoomStart(ROOM, "e 4"), RoomStart("match:2")])
    assert b"\r\nSec-WebSocket-Protocol: actioncable-v1-ext-json\r\n" in upgrade.send
    assert b'"history": {"streams": {"match:1": {"epoch": "e", "offset": 4}}}' in subscribe.send
    assert subscribe.times == 2
    identifier = json.dumps(json.dumps({"channel": "$pubsub", "stream_name": ROOM})).encode()
    reader = dialect.reader(START)
    assert reader.read(b'{"type":"welcome","sid":"s"}') == []
    event = b'{"identifier":%s,"message":%s,"stream_id":"match:1","epoch":"e","offset":5}' % (identifier, VALUE)
    assert reader.read(event) == [EVENT]
    assert reader.positions == {ROOM: "e 5"}
    for answer, recovered in (("confirm_history", True), ("reject_history", False)):
        assert reader.read(b'{"type":"%s","identifier":%s}' % (answer.encode(), identifier)) == []
        assert reader.recovered == {ROOM: recovered}
    with pytest.raises(PeerFailed, match="unauthorized"):
        reader.read(b'{"type":"disconnect","reason":"unauthorized"}')


def _message(subject: bytes, reply_to: bytes, content: bytes) -> bytes:
    fields = [subject, b"1", *([reply_to] if reply_to else []), b"%d" % len(content)]
    return b"MSG %s\r\n%s\r\n" % (b" ".join(fields), content)


@pytest.mark.parametrize(("first", "recovered"), [(4, True), (3, True), (5, False)])
def test_jetstream_knows_by_where_its_consumer_begins_whether_it_recovers(first: int, recovered: bool) -> None:
    start = [RoomStart(ROOM, "4 old")]
    _, create = JetStreamDialect().opening(80, start)
    assert b'"opt_start_seq":5' in create.send
    assert b"PUB $JS.API.CONSUMER.DELETE.events.old 0\r\n\r\n" in create.send
    reader = JetStreamDialect().reader(start)
    created = (
        b'{"type":"io.nats.jetstream.api.v1.consumer_create_response","name":"new","delivered":{"stream_seq":%d}}'
        % first
    )
    assert reader.read(_message(b"_INBOX.created.1", b"", created)) == []
    assert reader.recovered == {ROOM: recovered}
    delivery = _message(ROOM.encode(), b"$JS.ACK.events.new.1.7.1.123.0", VALUE)
    assert reader.read(delivery[:20]) == []
    assert reader.read(delivery[20:]) == [EVENT]
    assert reader.positions == {ROOM: "7 new"}
    newer = _message(ROOM.encode(), b"$JS.ACK._.hash.events.new.1.9.2.123.0.token", VALUE)
    assert reader.read(newer) == [EVENT]
    assert reader.positions == {ROOM: "9 new"}
    reader.read(_message(b"_INBOX.created.1", b"", created))  # the answer may be later than the first events
    assert reader.positions == {ROOM: "9 new"}


def test_jetstream_that_creates_no_consumer_is_an_error() -> None:
    refused = _message(b"_INBOX.created.1", b"", b'{"error":{"code":404,"description":"stream not found"}}')
    with pytest.raises(PeerFailed, match="stream not found"):
        JetStreamDialect().reader(START).read(refused)
