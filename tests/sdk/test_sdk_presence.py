"""Presence in the client's session: what is asked for, and what messages about a room mean."""

import itertools

from touchline.session.items import Members, Occupancy
from touchline.session.room import Room
from touchline.session.room_set import RoomSet
from touchline_protocol import messages
from touchline_protocol.codecs import JSON
from touchline_protocol.cursor import Cursor

ROOM = "score:1"


def joined_room(rooms: RoomSet) -> Room:
    room = rooms.subscribe(ROOM, after=None, last=0, deliver="all", occupancy=True, members=True)
    rejoin(rooms, room)
    return room


def rejoin(rooms: RoomSet, room: Room) -> messages.RoomRequest:
    """Send the subscribe, and let the server answer it. Returns what was asked for."""
    [payload] = rooms.take_output(10_000)
    subscribe = JSON.decode_client(payload)
    assert isinstance(subscribe, messages.Subscribe)
    answer = messages.Subscribed(room=ROOM, epoch="e", head=3, recovered=room.cursor is not None, id=subscribe.id)
    rooms.deliver(ROOM, lambda room: room.subscribed(answer))
    rooms.take_items()
    return subscribe.rooms[0]


def make_rooms() -> RoomSet:
    return RoomSet(JSON, itertools.count(1), lambda _retries: 1.0)


def items(rooms: RoomSet, *said: messages.Occupancy | messages.Members | messages.MembersChanged) -> list[object]:
    for message in said:
        rooms.deliver(ROOM, lambda room, message=message: room.present(message))  # type: ignore[misc]
    return [item for _, item in rooms.take_items()]


def some(*players: str) -> frozenset[str]:
    return frozenset(players)


def test_each_subscribe_asks_again_also_after_a_lost_connection() -> None:
    rooms = make_rooms()
    room = joined_room(rooms)
    rooms.connection_lost()
    request = rejoin(rooms, room)
    assert (request.occupancy, request.members, request.after) == (True, True, 3)
    plain = rooms.subscribe("score:2", after=Cursor("e", 1), last=0, deliver="all", occupancy=False, members=False)
    assert (plain.request().occupancy, plain.request().members) == (False, False)


def test_numbers_and_lists_are_kept_and_handed_out() -> None:
    rooms = make_rooms()
    room = joined_room(rooms)
    assert items(
        rooms,
        messages.Occupancy(room=ROOM, viewers=7),
        messages.Members(room=ROOM, players=["ann", "bob"]),
        messages.MembersChanged(room=ROOM, joined=["cid"], left=["ann"]),
        messages.MembersChanged(room=ROOM, complete=False),
    ) == [
        Occupancy(ROOM, 7, complete=True),
        Members(ROOM, some("ann", "bob"), some("ann", "bob"), some(), complete=True),
        Members(ROOM, some("bob", "cid"), some("cid"), some("ann"), complete=True),
        Members(ROOM, some("bob", "cid"), some(), some(), complete=False),
    ]
    assert room.presence.occupancy == Occupancy(ROOM, 7, complete=True)


def test_a_full_list_says_what_is_different_from_the_one_before() -> None:
    rooms = make_rooms()
    joined_room(rooms)
    assert items(
        rooms,
        messages.Members(room=ROOM, players=["ann", "bob"]),
        messages.Members(room=ROOM, players=["bob", "cid"]),
        messages.Members(room=ROOM, too_many=True),
        messages.MembersChanged(room=ROOM, joined=["dan"]),
        messages.Members(room=ROOM, players=["dan"]),
    )[1:] == [
        Members(ROOM, some("bob", "cid"), some("cid"), some("ann"), complete=True),
        Members(ROOM, None, some(), some(), complete=True),
        Members(ROOM, some("dan"), some("dan"), some(), complete=True),
    ]


def test_messages_of_an_earlier_subscription_are_ignored() -> None:
    rooms = make_rooms()
    room = joined_room(rooms)
    rooms.connection_lost()
    rooms.take_output(10_000)
    assert items(rooms, messages.Occupancy(room=ROOM, viewers=7)) == []
    rooms.unsubscribe(room)
    assert items(rooms, messages.Occupancy(room=ROOM, viewers=7)) == []
