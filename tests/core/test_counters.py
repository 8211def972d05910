"""What an edge's core counts: flushes, latencies, catch-ups, actions. Each number is compared with what clients got."""

import pytest

from support.core_edge import TOPIC, VERDICTS, CoreEdge, record
from touchline_server.core.counters.edge import EdgeCounters
from touchline_server.core.counters.histogram import UNSORTED_MAX, Histogram
from touchline_server.core.effects import NOTICES_MAX
from touchline_server.core.log import CaughtUp
from touchline_server.core.write_scheduler import Budget


def test_a_value_is_in_the_first_bucket_whose_bound_it_does_not_exceed() -> None:
    histogram = Histogram([1, 10])
    for value in (-5, 0, 0.5, 1, 1.1, 10, 11):
        histogram.observe(value)
    assert histogram.counts == [4, 2, 1]
    assert histogram.total == pytest.approx(23.6)  # a clock that is behind takes nothing away


def sorted_counters(edge: CoreEdge) -> EdgeCounters:
    edge.core.counters.sort()
    return edge.core.counters


def caught_up() -> CoreEdge:
    """An edge that has read what was there at its start, of verdicts too."""
    edge = CoreEdge()
    edge.apply(CaughtUp(VERDICTS))
    edge.loop_ms = edge.unix_ms = 1_000
    return edge


def test_a_delivery_is_an_event_for_a_client() -> None:
    edge = caught_up()
    clients = [edge.client() for _ in range(3)]
    for client in clients:
        client.join()
        client.take()
    edge.ingest(record(0), record(1))
    edge.run()
    flushes = sorted_counters(edge).flushes
    assert flushes.deliveries == sum(len(client.take()) for client in clients) == 6
    assert (flushes.clients.total, flushes.events.total) == (3, 2)
    assert flushes.written_bytes > 0


def test_deliveries_of_large_rooms_that_are_written_in_slices_are_counted_too() -> None:
    edge = CoreEdge(budget=Budget.with_slices(2))
    for _ in range(7):
        edge.client().join()
    edge.ingest(record(0))
    edge.run()
    assert sorted_counters(edge).flushes.deliveries == 7
    assert sum(sorted_counters(edge).flushes.own_last_ms.counts) == 1


def test_latencies_run_from_the_record_and_from_when_it_was_read() -> None:
    edge = caught_up()
    edge.client().join()
    edge.ingest(record(0)._replace(timestamp=900))
    edge.loop_ms += 30
    edge.unix_ms += 30
    edge.run()
    counters = sorted_counters(edge)
    assert counters.records.read_ms.total == 100
    assert counters.flushes.own_first_ms.total == counters.flushes.own_last_ms.total == 30
    assert counters.flushes.first_ms.total == counters.flushes.last_ms.total == 130


def test_records_that_were_there_at_the_start_are_not_late() -> None:
    edge = CoreEdge()
    edge.unix_ms = 100_000
    edge.ingest(record(0))
    assert sorted_counters(edge).records.read_ms.total == 0
    assert not edge.core.counters.records.read


def test_records_that_make_no_event_are_counted_by_reason() -> None:
    edge = caught_up()
    edge.ingest(record(0, value=b"{"), record(1))
    assert edge.core.counters.records.skipped == {"not_json": 1}
    assert edge.core.counters.records.read == {TOPIC: 2}


def test_catch_ups_are_counted_by_what_they_took() -> None:
    edge = caught_up()
    edge.ingest(record(0), record(1))
    edge.run()
    new, back = edge.client(), edge.client()
    epoch = new.join().epoch
    back.join(after=0, epoch=epoch)
    counters = edge.core.counters.clients
    assert (counters.joins, counters.caught_up) == (2, {"state": 1, "window": 1})
    back.pause()
    back.resume()
    edge.run()
    assert counters.caught_up.total() == 2, "it had missed nothing"
    back.pause()
    edge.ingest(record(2))
    edge.run()
    back.resume()
    edge.run()
    assert counters.caught_up == {"state": 1, "window": 2}


def test_a_client_lags_from_when_it_takes_nothing_until_it_is_live_again() -> None:
    edge = caught_up()
    slow, other, gone = edge.client(), edge.client(), edge.client()
    for client in (slow, other, gone):
        client.join()
    assert edge.core.lagging == []
    slow.pause()
    gone.pause()
    assert edge.core.lagging == [slow.client, gone.client]
    gone.leave()
    edge.ingest(record(0))
    edge.run()
    assert edge.core.lagging == [slow.client]
    slow.resume()
    assert edge.core.lagging == [slow.client], "it still has to catch up"
    edge.run()
    assert edge.core.lagging == []


def test_errors_are_counted_by_code_even_if_nobody_logs_them() -> None:
    edge = caught_up()
    client = edge.client()
    for _ in range(2 * NOTICES_MAX):
        client.subscribe("nowhere:1")
    assert edge.core.counters.clients.errors == {"unknown_feed": 2 * NOTICES_MAX}
    assert edge.core.counters.clients.welcomed == 1


def test_what_is_not_sorted_yet_is_bounded_even_if_nobody_asks() -> None:
    edge = caught_up()
    for offset in range(2 * UNSORTED_MAX):
        edge.ingest(record(offset)._replace(timestamp=-offset))
        if offset % 1_000 == 0:
            edge.tick()
    edge.tick()
    records = edge.core.counters.records
    assert len(records.ages) <= UNSORTED_MAX
    records.sort()
    assert sum(records.read_ms.counts) == 2 * UNSORTED_MAX
