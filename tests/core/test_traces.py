"""What the core does with the ``traceparent`` of records and of actions."""

import pytest

from support.core_edge import CoreEdge, LogRecord, record
from touchline_protocol.codecs import CODECS, Codec
from touchline_protocol.messages import Event, Message, Unsubscribe
from touchline_protocol.tracing.traceparent import Traceparents
from touchline_server.core.rooms.feed import Feed
from touchline_server.core.write_scheduler import Budget

SAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
OTHER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b8-01"
UNSAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
INVALID = SAMPLED.upper()


def traced(offset: int, traceparent: str | None = SAMPLED, key: str | None = None, room: str = "1") -> LogRecord:
    plain = record(offset, key, room=room)
    headers = [] if traceparent is None else [("traceparent", traceparent.encode())]
    return plain._replace(headers=[*headers, *plain.headers])


def traceparents(messages: list[Message]) -> list[str | None]:
    return [message.traceparent for message in messages if isinstance(message, Event)]


def spans(edge: CoreEdge) -> list[tuple[int, list[tuple[str, int]]]]:
    """What flushes reported: their clients, and the traces with the events' offsets."""
    return [
        (flush.clients, [(each.traceparent, each.event.offset) for each in flush.traced]) for flush in edge.flush_traces
    ]


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_an_event_has_the_traceparent_of_its_record(codec: Codec) -> None:
    edge = CoreEdge()
    client = edge.client(codec)
    client.join()
    edge.ingest(traced(0), traced(1, None), traced(2, INVALID), traced(3, UNSAMPLED, "score"))
    edge.run()
    assert traceparents([*client.take()]) == [SAMPLED, None, None, UNSAMPLED]


def test_the_state_and_missed_events_have_it_too() -> None:
    edge = CoreEdge()
    edge.client().join()
    edge.ingest(traced(0, key="score"), traced(1, OTHER))
    edge.run()
    newcomer = edge.client().join(last=2)
    assert [(event.offset, event.traceparent) for event in newcomer.state] == [(0, SAMPLED)]
    assert [event.traceparent for event in newcomer.recent] == [SAMPLED, OTHER]
    late = edge.client()
    late.subscribe(epoch=newcomer.epoch, after=0)
    assert traceparents([*late.take()]) == [OTHER]


@pytest.mark.parametrize(
    ("shown", "expected"),
    [("all", [SAMPLED, UNSAMPLED]), ("sampled", [SAMPLED, None]), ("none", [None, None])],
)
def test_a_feed_limits_what_its_clients_receive_and_not_what_is_traced(
    shown: Traceparents, expected: list[str | None]
) -> None:
    edge = CoreEdge(feed=Feed("score", "score-events", traceparents=shown), traces=True)
    client = edge.client()
    client.join()
    edge.ingest(traced(0), traced(1, UNSAMPLED))
    edge.run()
    assert traceparents([*client.take()]) == expected
    assert spans(edge) == [(1, [(SAMPLED, 0)])]


def test_a_flush_reports_its_sampled_traces_once_it_is_written_to_all() -> None:
    edge = CoreEdge(traces=True)
    clients = [edge.client() for _ in range(3)]
    for client in clients:
        client.join()
    one_write = Budget(small_writes=1, slice_min=1, slice_max=1, catch_up_steps=0)
    edge.ingest(traced(0), traced(1, None), traced(2, OTHER), traced(3, UNSAMPLED))
    edge.turn(one_write)
    edge.turn(one_write)
    assert spans(edge) == []
    edge.turn(one_write)
    assert spans(edge) == [(3, [(SAMPLED, 0), (OTHER, 2)])]
    edge.ingest(traced(4, None))
    edge.run()
    assert len(spans(edge)) == 1


def test_small_flushes_report_theirs() -> None:
    edge = CoreEdge(traces=True)
    edge.client().join("score:1")
    edge.client().join("score:2")
    edge.ingest(traced(0, room="1"), traced(1, OTHER, room="2"))
    edge.run()
    assert sorted(spans(edge)) == [(1, [(SAMPLED, 0)]), (1, [(OTHER, 1)])]


def test_nothing_is_reported_where_nobody_watches_or_nothing_is_traced() -> None:
    edge = CoreEdge(traces=True)
    edge.ingest(traced(0))
    edge.run()
    client = edge.client()
    client.join()
    edge.ingest(traced(1, None))
    edge.run()
    assert spans(edge) == []
    client.send(Unsubscribe(rooms=["score:1"]))
    edge.ingest(traced(2))
    edge.run()
    assert spans(edge) == []
    off = CoreEdge()
    off.client().join()
    off.ingest(traced(0))
    off.run()
    assert spans(off) == []


def test_what_a_restart_drops_is_not_reported_with_the_next_flush() -> None:
    edge = CoreEdge(traces=True)
    edge.client().join()
    edge.ingest(traced(0))
    edge.open("e2")
    edge.ingest(traced(0, None))
    edge.run()
    assert spans(edge) == []
    edge.ingest(traced(1))
    edge.run()
    assert spans(edge) == [(1, [(SAMPLED, 1)])]
