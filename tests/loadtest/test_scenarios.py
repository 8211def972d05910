"""Every scenario at a tiny size, with real servers: its numbers are there and plausible."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from matches.known import MADE_UP
from support.kafka_broker import KafkaBroker
from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.measure.machine import Cores
from touchline_loadtest.measure.results import Result
from touchline_loadtest.scenarios import (
    compression,
    cpu_per_delivery,
    joins,
    many_rooms,
    memory,
    small_beside_large,
    spread,
    state,
    throughput,
    unwatched,
)
from touchline_loadtest.scenarios.hostile import (
    flood,
    flood_half_open,
    flood_idle,
    flood_oversized,
    flood_pings,
    flood_refresh,
    flood_refused_actions,
    flood_slow_handshakes,
    flood_subscribe,
    replays_hogged,
)

UNPINNED = Cores(None, None)
BENCH = Bench(UNPINNED)


def assert_nothing_lost(result: Result) -> None:
    assert result.row("breaches").value == 0
    assert result.row("clients that lack events").value == 0


def notes_of(result: Result) -> str:
    return "\n".join(result.notes)


async def test_cpu_per_delivery_compares_with_both_baselines() -> None:
    sizes = cpu_per_delivery.Sizes(clients=10, rate_hz=50, seconds=0.5, runs=1)
    result = await cpu_per_delivery.run(BENCH, sizes)
    ours, bare, broadcast = (
        result.row(what).value for what in ("CPU per delivery", "bare send loop", "websockets broadcast()")
    )
    assert min(ours, bare, broadcast) > 0
    assert result.row("ours / bare send loop").value == ours / bare
    assert result.row("ours / broadcast()").value == ours / broadcast
    assert result.row("breaches").met
    assert 280 <= result.row("bytes of a frame").value < 290  # 200 bytes of value, and the message around it


async def test_hogged_replays_are_timed_with_and_without_hogs() -> None:
    result = await replays_hogged.run(BENCH, replays_hogged.Sizes(records=1_500, clients=2, hogs=2))
    assert result.row("breaches").value == 0
    alone, hogged = (result.row(f"catch-up {when}, p99").value for when in ("alone", "beside hogs"))
    assert min(alone, hogged) > 0


@pytest.mark.parametrize(
    "module",
    [
        flood_pings,
        *(
            pytest.param(module, marks=pytest.mark.long)
            for module in (
                flood_subscribe,
                flood_refused_actions,
                flood_refresh,
                flood_oversized,
                flood_idle,
                flood_half_open,
                flood_slow_handshakes,
            )
        ),
    ],
    ids=lambda module: module.NAME,
)
async def test_others_miss_nothing_beside_a_flood(module: Any) -> None:
    result = await module.run(BENCH, flood.Sizes(clients=5, rate_hz=50, seconds=0.3, flooders=3))
    assert result.row("others that lack events").value == 0
    assert result.row("breaches").value == 0
    for who in ("1 flooder", "3 flooders"):
        quiet, flooded = (result.row(f"others' p99, {which}").value for which in ("quiet", who))
        assert result.row(f"p99, {who} / quiet").value == flooded / quiet > 0


@pytest.mark.long
async def test_throughput_delivers_everything() -> None:
    result = await throughput.run(BENCH, throughput.Sizes(clients=30, rate_hz=200, seconds=1))
    assert_nothing_lost(result)
    assert 0 < result.row("p50").value <= result.row("p99").value
    assert 30 * 200 * 0.5 < result.row("deliveries/s").value <= 30 * 200 * 1.1


async def test_many_rooms_are_compared_with_one(kafka: KafkaBroker) -> None:
    sizes = many_rooms.Sizes(rooms=10, per_room=2, rate_hz=10, seconds=1, runs=1)
    result = await many_rooms.run(BENCH._replace(kafka=kafka.address), sizes)
    assert_nothing_lost(result)
    many, one = (result.row(f"CPU per delivery, {rooms}").value for rooms in ("many rooms", "one room"))
    assert result.row("many rooms / one room").value == many / one > 0


@pytest.mark.long
async def test_memory_is_that_of_the_connections() -> None:
    result = await memory.run(BENCH, memory.Sizes(clients=300))
    assert 1 < result.row("memory per connection").value < 50


async def test_joins_bring_all_clients_what_they_missed() -> None:
    result = await joins.run(BENCH, joins.Sizes(clients=50))
    assert_nothing_lost(result)
    assert result.row("joins/s").value > 0


@pytest.mark.long
async def test_a_small_room_is_measured_beside_a_large_one() -> None:
    sizes = small_beside_large.Sizes(clients_small=2, clients_large=40, rate_hz=20, seconds=1)
    result = await small_beside_large.run(BENCH, sizes)
    assert_nothing_lost(result)
    assert 0 < result.row("small room's p50").value <= result.row("small room's p99").value
    assert "HTTP" in notes_of(result)


@pytest.mark.long
async def test_a_small_room_is_measured_with_events_from_kafka(kafka: KafkaBroker) -> None:
    sizes = small_beside_large.Sizes(clients_small=2, clients_large=40, rate_hz=20, seconds=1)
    result = await small_beside_large.run(BENCH._replace(kafka=kafka.address), sizes)
    assert_nothing_lost(result)
    assert "HTTP" not in notes_of(result)


@pytest.mark.long
async def test_the_spread_is_from_the_first_to_the_last_of_all_clients() -> None:
    result = await spread.run(BENCH, spread.Sizes(clients=50, rate_hz=20, seconds=1))
    assert_nothing_lost(result)
    assert result.row("deliveries lost").value == 0
    p99, sends = result.row("first to last client, p99").value, result.row("bare send loop, all its sends").value
    assert 0 < result.row("first to last client, p50").value <= p99
    assert result.row("p99 / bare send loop").value == p99 / sends
    assert result.row("events").value == 20


@pytest.mark.long
async def test_compression_is_measured_without_a_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TOUCHLINE_MATCH_DATA", raising=False)
    generated = await compression.run(BENCH, compression.Sizes(runs=1))
    assert f"{compression.GENERATED_EVENTS:,}" in notes_of(generated)
    shutil.copy(MADE_UP.path, tmp_path / "match-1.events.json")
    monkeypatch.setenv("TOUCHLINE_MATCH_DATA", str(tmp_path))
    read = await compression.run(BENCH, compression.Sizes(runs=1))
    assert f"{MADE_UP.events:,}" in notes_of(read)
    assert "match-1.events.json" in notes_of(read)
    for result in (generated, read):
        for codec in ("json", "msgpack"):
            plain, compressed = (
                result.row(f"{codec}: {what}").value for what in ("bytes of an event", "bytes when compressed")
            )
            assert result.row(f"{codec}: compressed / plain").value == pytest.approx(compressed / plain)
            assert 0 < compressed < plain


@pytest.mark.long
async def test_unwatched_records_are_read_from_sqlite() -> None:
    result = await unwatched.run(BENCH, unwatched.Sizes(records=30_000, rooms=5, runs=1))
    assert result.row("start with an empty log").value > 0
    assert result.row("records/s").bound is None


@pytest.mark.long
async def test_unwatched_records_are_read_from_kafka(kafka: KafkaBroker) -> None:
    sizes = unwatched.Sizes(records=30_000, rooms=5, runs=1)
    result = await unwatched.run(BENCH._replace(kafka=kafka.address), sizes)
    assert result.row("start with an empty log").value > 0
    assert result.row("records/s").bound is not None


@pytest.mark.long
async def test_a_day_of_matches_is_read_back_for_their_state(kafka: KafkaBroker) -> None:
    result = await state.run(BENCH._replace(kafka=kafka.address), state.Sizes(records=20_000, matches=5))
    assert result.row("time to ready").value > 0
    assert result.row("memory with its state").value > 0
