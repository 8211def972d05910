"""A cold edge: how soon it is ready with ten thousand rooms in Redis, and how soon a first subscription is answered."""

import asyncio
import contextlib
import random
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import httpx
import msgspec

from touchline_kafka.partitioner import partition_of
from touchline_loadtest.clients.connection import ClientConnection
from touchline_loadtest.clients.errors import ClientsFailed
from touchline_loadtest.free_ports import free_ports
from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.measure.findings import percentile_ms
from touchline_loadtest.measure.kafka_topics import new_topic
from touchline_loadtest.measure.processes import ChildProcess, ProcessFailed, module_process
from touchline_loadtest.measure.results import Bound, Result, Row
from touchline_loadtest.measure.server_under_test import feed_variables
from touchline_loadtest.measure.touchline import serve
from touchline_loadtest.publish.older import OlderRecord, write_older
from touchline_loadtest.publish.publisher import FEED
from touchline_loadtest.redis_server import running_redis
from touchline_loadtest.wire.event_values import event_value
from touchline_loadtest.wire.greeting import greeting
from touchline_protocol.codecs import JSON
from touchline_protocol.messages import RoomRequest, Subscribed

NAME = "cold-edge"
PARTITIONS = 4
AGE_MS = 3_600_000
"""Events are an hour old: in Redis, and far before the edge's window."""
KEPT_TIMEOUT_S = 300.0
LOOK_S = 0.2
PAUSE_S = 0.01
"""Between two clients: somebody comes every 10 ms."""


class Sizes(msgspec.Struct, frozen=True):
    """10,000 rooms with 20 keys of 200 bytes each; 2,000 people come, each to a room that nobody has asked for."""

    rooms: int = 10_000
    keys: int = 20
    event_bytes: int = 200
    clients: int = 2_000


class _Visitor(ClientConnection):
    """Joins one room, and keeps the server's answer and its time."""

    def __init__(self, port: int, room: str) -> None:
        super().__init__(port, greeting(RoomRequest(room=room)))
        self.subscribed: Subscribed | None = None
        self.answered_ns = 0

    def message_received(self, payload: bytes, now_ns: int) -> None:
        """Wait for `subscribed`."""
        message = JSON.decode_server(payload)
        if isinstance(message, Subscribed):
            self.subscribed, self.answered_ns = message, now_ns

    def read_finished(self) -> None:
        """Whether the answer is there."""
        if self.subscribed is not None:
            self.ready.set()


async def run(bench: Bench, sizes: Sizes) -> Result:
    """Run it."""
    assert bench.kafka is not None  # noqa: S101 - the registry says that it needs one
    url = f"kafka://{bench.kafka}"
    async with contextlib.AsyncExitStack() as stack:
        topic = await stack.enter_async_context(new_topic(bench.kafka, PARTITIONS))
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="touchline-redis-"))
        redis = stack.enter_context(running_redis(Path(folder)))
        variables = {**feed_variables(topic), "TOUCHLINE_REDIS__URL": redis.url}
        bench.say(f"{NAME}: filling the topic")
        for partition in range(PARTITIONS):
            await write_older(bench.kafka, topic, partition, _records(sizes, partition))
        bench.say(f"{NAME}: a keeper reads it")
        async with _keeper(url, variables) as health_port:
            kept_s = await _until_kept(health_port, sizes.rooms * sizes.keys)
            bench.say(f"{NAME}: starting")
            began_s = time.monotonic()
            async with serve(bench, log=url, variables=variables) as (process, port, _):
                ready_s = time.monotonic() - began_s
                latencies_ns, wrong = await _visit(process, port, sizes)
    return Result(
        scenario=NAME,
        rows=[
            Row("time to ready", ready_s, "s", Bound("<=", 3)),
            Row("first subscription, p50", percentile_ms(latencies_ns, 50), "ms"),
            Row("first subscription, p99", percentile_ms(latencies_ns, 99), "ms", Bound("<=", 10)),
            Row("rooms with a wrong state", wrong, "", Bound("=", 0)),
            Row("keeper", sizes.rooms * sizes.keys / kept_s, "records/s"),
        ],
        sizes=msgspec.to_builtins(sizes),
        notes=[
            "ready: from starting the process until it accepts clients",
            "a first subscription: from sending hello and subscribe until the answer is read",
            "the keeper's time is from its start as a process until Redis has all records",
        ],
    )


def _records(sizes: Sizes, partition: int) -> Iterator[OlderRecord]:
    """A partition's share of all rooms."""
    at_ms = time.time_ns() // 1_000_000 - AGE_MS
    rooms = [b"%d" % number for number in range(sizes.rooms)]
    mine = [room for room in rooms if partition_of(room, PARTITIONS) == partition]
    for key in range(sizes.keys):
        for room in mine:
            yield OlderRecord(at_ms, room, b"key-%d" % key, event_value(key, sizes.event_bytes))


async def _visit(process: ChildProcess, port: int, sizes: Sizes) -> tuple[list[int], int]:
    """Let clients come; returns how long each waited, and how many did not get the whole state."""
    chance = random.Random(1)  # noqa: S311 - it only has to be the same each time
    latencies_ns, wrong = [], 0
    for number in chance.sample(range(sizes.rooms), min(sizes.clients, sizes.rooms)):
        visitor = _Visitor(port, f"{FEED}:{number}")
        await visitor.open()
        async with asyncio.timeout(KEPT_TIMEOUT_S):
            await visitor.ready.wait()
        if visitor.subscribed is None or process.exit_code is not None:
            raise ClientsFailed(f"a client got no answer: {visitor.lost}")
        wrong += len(visitor.subscribed.state) != sizes.keys or not visitor.subscribed.state_complete
        latencies_ns.append(visitor.answered_ns - visitor.greeted_ns)
        visitor.transport.abort()
        await asyncio.sleep(PAUSE_S)
    return latencies_ns, wrong


@contextlib.asynccontextmanager
async def _keeper(url: str, variables: Mapping[str, str]) -> AsyncIterator[int]:
    """Run a keeper; yields the port of its health."""
    (port,) = free_ports(1)
    settings = {**variables, "TOUCHLINE_KEEPER__PORT": str(port)}
    async with module_process(["touchline_server", "keeper", "--log", url], None, settings):
        yield port


async def _until_kept(port: int, records: int) -> float:
    """Wait until the keeper has all records in Redis; returns how long that took."""
    began_s = time.monotonic()
    async with httpx.AsyncClient() as http:
        while time.monotonic() < began_s + KEPT_TIMEOUT_S:
            with contextlib.suppress(httpx.HTTPError):
                partitions = (await http.get(f"http://127.0.0.1:{port}/readyz")).json()["partitions"]
                if sum(each["next_offset"] for each in partitions.values()) >= records:
                    return time.monotonic() - began_s
            await asyncio.sleep(LOOK_S)
    raise ProcessFailed(f"the keeper did not read {records} records in {KEPT_TIMEOUT_S:g} s")
