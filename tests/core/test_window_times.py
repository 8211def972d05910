"""Records with times in the future: the log finds them for every earlier time, and the window does not."""

from core.test_moves import OLD, START_MS, at, filled
from support.core_edge import TOPIC
from support.moving_client import MovingClient, Site
from touchline_server.core.replays.window_times import OLDER_RECORDS_MIN, WindowTimes
from touchline_server.core.rooms.contents import Contents
from touchline_server.core.rooms.partition_window import PartitionWindow, room_event


def test_one_record_of_the_future_does_not_make_clients_start_over() -> None:
    for first in ([OLD, at(701, START_MS + 60_000_000, '"future"', room="2")], [at(701, START_MS + 60_000_000, "0")]):
        source, client = filled("source", []), MovingClient()
        client.go_to(source)
        made = [at(n, START_MS + 10 * n, str(n)) for n in range(600)]
        source.append(made)
        client.run(source)
        mirror = Site("mirror", window_bytes_max=500 * 420, replay_records_max=50)
        mirror.edge.unix_ms = START_MS + 600_000
        mirror.append([*first, *(each._replace(offset=702 + each.offset) for each in made)])
        mirror.append([at(1_400, START_MS + 10_000, '"new"')])
        client.go_to(mirror)
        assert [event.data for event in client.events[600:]] == ["new"]
        assert (client.view.restarts, client.view.moves) == (0, 1)


def test_a_window_that_may_begin_too_late_is_not_believed() -> None:
    window = PartitionWindow(TOPIC, "e", 0, 0)
    room = Contents("score:1", window, 1_000, loaded=True)
    times = [5, *range(1_000, 1_000 + 2 * OLDER_RECORDS_MIN)]
    for offset, ts in enumerate(times):
        window.add(room_event(room, window, offset, None, ts, b"0"))
    known = WindowTimes(window, until_ms=5_000)
    begin = 1_000 + OLDER_RECORDS_MIN
    assert known.first_since(begin + 50, 50) == times.index(begin + 50)
    assert known.first_since(begin + 49, 50) == times.index(begin + 49)
    assert known.first_since(begin + 48, 50) is None, "one before the window may be of that time"
    assert known.first_since(times[-1] + 1, 50) is None
    assert known.first_since(6, 0) is None, "a record that is too old by itself proves nothing"
    assert WindowTimes(window, until_ms=10).first_since(begin + 50, 50) is None
