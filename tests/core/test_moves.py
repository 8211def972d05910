"""A client moves from one log to a mirror of it.

The mirror has the records of the source at other offsets, in their order, and may lack the newest. Producers' clocks
differ by less than the margin. Whatever the history, a client that does not start over has each event of the mirror
that follows the last one that it had, once and in order, and its state is the mirror's.
"""

from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from support.core_edge import MOVE_MARGIN_MS, LogRecord, record
from support.moving_client import MovingClient, Site
from support.thoroughness import examples
from touchline_protocol.messages import Deliver

START_MS = 1_000_000
STEP_MS = 100
KEYS = (None, "score", "clock")


class Made(NamedTuple):
    """An event that a producer makes: in which room, with which key, how far its clock is behind, and the offsets that
    the mirror leaves out before it."""

    room: str
    key: str | None
    behind_ms: int
    hole: int


MADE = st.builds(
    Made,
    room=st.sampled_from(("1", "1", "1", "2")),
    key=st.sampled_from(KEYS),
    behind_ms=st.integers(0, MOVE_MARGIN_MS - 1),
    hole=st.integers(0, 2),
)


def made_record(number: int, made: Made, offset: int, *, time: int | None = None) -> LogRecord:
    timestamp = START_MS + STEP_MS * (number if time is None else time) - made.behind_ms
    return record(offset, made.key, value=str(number).encode(), room=made.room)._replace(timestamp=timestamp)


def copies(made: list[Made], first: int, offset: int, *, time: int = 0) -> list[LogRecord]:
    """Records for a mirror: at offsets from ``offset`` on, with holes. The first is made at a ``time``, in steps."""
    records = []
    for number, each in enumerate(made):
        offset += each.hole
        records.append(made_record(first + number, each, offset, time=time + number))
        offset += 1
    return records


OLD = record(700, value=b"-1", room="2")
"""What shows that the mirror reaches back far enough."""


@settings(max_examples=examples(6))
@given(
    made=st.lists(MADE, min_size=1, max_size=30),
    later=st.lists(MADE, max_size=8),
    coming=st.lists(MADE, max_size=6),
    live=st.lists(MADE, max_size=3),
    deliver=st.sampled_from(("all", "latest")),
    window_bytes_max=st.sampled_from((1_000_000, 1_300)),
    data=st.data(),
)
def test_a_client_that_moves_has_all_events_of_the_mirror_once(
    made: list[Made],
    later: list[Made],
    coming: list[Made],
    live: list[Made],
    deliver: Deliver,
    window_bytes_max: int,
    data: st.DataObject,
) -> None:
    joins_at = data.draw(st.integers(0, len(made)))
    away_from = data.draw(st.integers(joins_at, len(made)))
    leaves_at = data.draw(st.integers(away_from, len(made)))
    copied = data.draw(st.integers(0, len(made)))
    source, mirror = Site("source"), Site("mirror", window_bytes_max=window_bytes_max)
    client = MovingClient(deliver=deliver)
    records = [made_record(number, each, number) for number, each in enumerate(made)]
    source.append(records[:joins_at])
    client.go_to(source)
    source.append(records[joins_at:away_from])
    client.run(source)
    client.leave()
    source.append(records[away_from:leaves_at])
    client.go_to(source)
    client.leave()
    mirror.append([OLD])
    mirror.append(copies(made[:copied], 0, 701))
    now = len(made)
    mirror.append(copies(later, 1_000, mirror.records[-1].offset + 1, time=now))
    mirror.coming = copies(coming, 2_000, mirror.records[-1].offset + 1, time=now + len(later))
    had, known, restarts = len(client.events), {int(str(value)) for value in client.known}, client.view.restarts

    client.go_to(mirror)
    mirror.append([mirror.coming.pop(0) for _ in list(mirror.coming)])
    mirror.append(copies(live, 3_000, mirror.records[-1].offset + 1, time=now + len(later) + len(coming)))
    client.run(mirror)

    in_room = [int(each.value or b"0") for each in mirror.records if each.key == b"1"]
    got = [int(str(event.data)) for event in client.events[had:]]
    assert client.view.state.keys() == {str(each.headers[0][1], "utf8") for each in mirror.records if has_key(each)}
    newest = {key: [each for each in mirror.records if has_key(each, key)][-1] for key in client.view.state}
    assert {key: str(event.data) for key, event in client.view.state.items()} == {
        key: (each.value or b"").decode() for key, each in newest.items()
    }
    if client.view.restarts > restarts or not known:
        newest_known = max(known, default=-1)
        assert newest_known not in in_room, "it started over, although the mirror has its newest event"
        assert got == in_room[len(in_room) - len(got) :]
        return
    assert client.view.moves == 1
    place = max((in_room.index(each) for each in known if each in in_room), default=-1)
    assert got == in_room[len(in_room) - len(got) :]
    assert not known.intersection(got)
    left_out = in_room[place + 1 : len(in_room) - len(got)]
    assert all(number < joins_at for number in left_out), "an event from after it joined is missing"


def has_key(each: LogRecord, key: str | None = None) -> bool:
    return each.key == b"1" and bool(each.headers) and (key is None or each.headers[0][1] == key.encode())
