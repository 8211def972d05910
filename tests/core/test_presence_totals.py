"""Totals of rooms where the store lacks what this worker has reported."""

from touchline_server.core.presence.room_presence import Own, RoomPresence, Viewers


def test_a_total_is_never_below_what_the_worker_has_itself() -> None:
    room: RoomPresence[object] = RoomPresence("score:1")
    room.own = Own(10, frozenset())
    room.total = 0  # somebody has removed the key of the room
    assert room.viewers(10, complete=True) == Viewers(10, complete=True)
