"""``feed`` and ``profile``, as a user runs them, with a real server and a real broker."""

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import httpx
import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from matches.known import MADE_UP
from support.kafka_broker import KafkaBroker
from touchline_kafka.partitioner import partition_of
from touchline_loadtest.cli.app import run
from touchline_loadtest.feeds.choice import Destination, FeedChoice, FeedName
from touchline_loadtest.feeds.moments import play
from touchline_loadtest.feeds.profile import load
from touchline_loadtest.feeds.tracking import Position
from touchline_loadtest.free_ports import free_ports
from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.measure.machine import Cores
from touchline_loadtest.measure.touchline import serve
from touchline_loadtest.publish.batches import Batch, KeyedValue, kafka_batches
from touchline_loadtest.publish.broker import SERVER_FEEDS, default_topic, missing_topics
from touchline_protocol.errors import OperatorError
from touchline_server.config.settings import Settings

DEADLINE_S = 60.0
OUTPUT_CHARS_MAX = 2_000
"""The line of the error, and a few of progress."""


def loadtest(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "touchline_loadtest", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False, cwd=cwd)


async def records_of(address: str, topic: str, partitions: int) -> list[ConsumerRecord]:
    """All records of a topic, in order within each partition."""
    places = [TopicPartition(topic, number) for number in range(partitions)]
    async with AIOKafkaConsumer(bootstrap_servers=address) as consumer:
        consumer.assign(places)
        await consumer.seek_to_beginning()
        ends = await consumer.end_offsets(places)
        records: list[ConsumerRecord] = []
        while len(records) < sum(ends.values()):
            found = await consumer.getmany(timeout_ms=1000)
            records += [record for part in found.values() for record in part]
    return records


async def test_a_tracking_feed_reaches_kafka_in_order_with_keys_and_the_times_at_which_it_was_due(
    kafka: KafkaBroker,
) -> None:
    await kafka.create("positions", 3)
    choice = FeedChoice(FeedName.TRACKING, matches=4)
    began_ms = time.time() * 1000
    async with Destination(kafka=kafka.address, topics={"tracking": "positions"}).open(choice.feeds()) as publish:
        played = await play(choice.moments(), publish, speed=10, seconds=0.5)
    records = await records_of(kafka.address, "positions", 3)
    assert len(records) == played.events == 4 * 23 * 25 * 5
    assert sum(len(record.value) for record in records) == played.bytes
    for room_id in (b"1", b"2", b"3", b"4"):
        found = [record for record in records if record.key == room_id]
        assert {record.partition for record in found} == {partition_of(room_id, 3)}
        positions = [msgspec.json.decode(record.value, type=Position) for record in found]
        assert [dict(record.headers)["key"].decode() for record in found] == [position.id for position in positions]
        assert [position.frame for position in positions] == [frame for frame in range(125) for _ in range(23)]
        ticks_ms = [record.timestamp for record in found[::23]]
        assert began_ms - 1 <= ticks_ms[0]
        assert ticks_ms[-1] - ticks_ms[0] == pytest.approx(124 * 40 / 10, abs=1)
        assert all(before <= after for before, after in pairwise(ticks_ms))


@pytest.mark.long
async def test_an_evening_is_published_over_http() -> None:
    async with serve(Bench(Cores(None, None))) as server:
        url = f"http://127.0.0.1:{server.control_port}"
        done = await asyncio.to_thread(
            loadtest, "feed", "evening", "--url", url, "--matches", "2", "--speed", "300", "--seconds", "1"
        )
        assert done.returncode == 0, done.stderr
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            states = [(await client.get(f"/v1/rooms/score:{number}")).json()["state"] for number in (1, 2)]
    for state in states:
        newest = {event["key"]: event["data"] for event in state}
        assert newest["period"]["name"] == "First half"
        assert newest["clock"]["minute"] >= 2


def test_a_feed_needs_one_destination_that_can_be_reached(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, code, named in (
        (["evening"], 2, "destination"),
        (["tracking", "--kafka", "127.0.0.1:1", "--url", "http://127.0.0.1:1"], 2, "destination"),
        (["tracking", "--url", "http://127.0.0.1:1"], 1, "127.0.0.1:1"),
        (["tracking", "--url", "http://127.0.0.1:1", "--match", str(MADE_UP.path)], 2, "--match"),
        (["evening", "--url", "http://127.0.0.1:1", "--topic", "match"], 2, "--topic"),
    ):
        assert run(["feed", *arguments, "--matches", "1", "--seconds", "1"]) == code
        [line] = capsys.readouterr().err.splitlines()
        assert named in line


async def test_topics_that_are_missing_are_named_with_their_cure_at_once(kafka: KafkaBroker) -> None:
    await kafka.create("half-an-evening", 1)
    log = f"kafka://{kafka.address}"
    for topics, missing, cure in (
        ({"match": "absent-match", "score": "absent-score"}, ["absent-match", "absent-score"], "FEEDS__MATCH__TOPIC"),
        ({"match": "half-an-evening", "score": "absent-score"}, ["absent-score"], "FEEDS__SCORE__TOPIC=absent-score"),
    ):
        with pytest.raises(OperatorError) as failed:
            async with kafka_batches(kafka.address, topics):
                pass
        line = str(failed.value)
        assert [topic for topic in topics.values() if topic in line] == missing
        assert kafka.address in line
        assert f"`touchline topics --create --log {log}`" in line
        assert cure in line


async def test_topics_that_every_server_has_take_no_configuration(kafka: KafkaBroker) -> None:
    assert {feed: default_topic(feed) for feed in SERVER_FEEDS} == {
        name: feed.topic for name, feed in Settings().feeds.items()
    }
    assert "TOUCHLINE_FEEDS" not in missing_topics(kafka.address, {"match": "match-events"})


@pytest.mark.long
@pytest.mark.parametrize(
    ("command", "listening"),
    [
        (("feed", "evening"), False),
        (("feed", "evening"), True),
        (("run",), False),
        (("swarm", "--start-edges", "1", "--publish", "evening"), False),
        (("bench", "kafka-latency"), False),
        (("many-rooms", "touchline-kafka"), False),
    ],
    ids=["feed", "feed, not a broker", "run", "swarm", "bench", "peers"],
)
async def test_every_command_names_a_broker_that_it_cannot_use(
    command: tuple[str, ...], listening: bool, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    address = f"127.0.0.1:{port}"
    async with contextlib.AsyncExitStack() as stack:
        if listening:
            server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", port)
            await stack.enter_async_context(server)
        folder = ("--folder", str(tmp_path / "run")) if command[0] == "run" else ()
        done = await asyncio.to_thread(loadtest, *command, "--kafka", address, *folder, cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert len(done.stderr) < OUTPUT_CHARS_MAX
    last = done.stderr.splitlines()[-1]
    assert 1 <= last.count(address) <= 1 + listening  # the reason may name it again
    assert "sasl_mechanism" not in last  # a setting of the server's


@pytest.mark.long
async def test_a_topic_that_vanishes_is_named(kafka: KafkaBroker) -> None:
    await kafka.create("vanishing", 1)
    batches = [Batch(0, "tracking:1", [KeyedValue(None, b"1")])]

    async def publish_after_the_end() -> None:
        async with kafka_batches(kafka.address, {"tracking": "vanishing"}) as publish:
            await kafka.delete("vanishing")
            await publish(batches)

    with pytest.raises(OperatorError) as failed:
        await publish_after_the_end()
    assert "vanishing" in str(failed.value)


@pytest.mark.long
def test_a_feed_waits_for_a_broker_for_some_seconds() -> None:
    done = loadtest("feed", "tracking", "--kafka", "127.0.0.1:1")
    assert done.returncode == 2
    assert "127.0.0.1:1" in done.stderr.splitlines()[-1]


def test_profile_prints_the_statistics_of_a_match() -> None:
    done = loadtest("profile", str(MADE_UP.path))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["events_per_match"] == MADE_UP.events
    assert load().source.startswith("StatsBomb Open Data")
