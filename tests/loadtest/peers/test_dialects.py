"""What clients of each peer send and understand, without a server."""

import pytest

from touchline_loadtest.peers.peer import PeerFailed, Received, RoomStart
from touchline_loadtest.peers.servers.centrifugo import CentrifugoDialect
from touchline_loadtest.peers.servers.touchline import TouchlineDialect
from touchline_loadtest.wire.event_values import event_value, stamps
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
