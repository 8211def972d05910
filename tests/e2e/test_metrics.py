"""Metrics of real processes, read with Prometheus' own parser: of one worker, of two, and of one that is killed."""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from websockets.asyncio.client import connect

from e2e.worker_server import ROOM, WorkerServer, worker_server
from support.kafka_broker import KafkaBroker
from support.node_fixture import RawClient, RunningNode, running_node
from support.waiting import eventually
from touchline_protocol import codes
from touchline_protocol.messages import RoomRequest, Subscribe
from touchline_server.metrics.metric import Kind
from touchline_server.metrics.server_table import SERVER_METRICS
from touchline_server.node.supervisor.messages import Metrics, encode, reports

Values = dict[tuple[str, frozenset[tuple[str, str]]], float]


def values_in(text: str) -> Values:
    """The samples of an answer, by name and labels. No sample is there twice, and each has a type and a meaning."""
    found: Values = {}
    for family in text_string_to_metric_families(text):
        assert family.type in {kind.value for kind in Kind}
        assert family.documentation
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found
            found[key] = sample.value
    return found


def value(values: Values, name: str, **labels: str) -> float:
    """The value of one sample."""
    return values[name, frozenset(labels.items())]


def total(values: Values, name: str, **labels: str) -> float:
    """The sum of the samples of a name that have these labels, among others."""
    return sum(each for (found, has), each in values.items() if found == name and labels.items() <= dict(has).items())


async def scraped(node: RunningNode, path: str = "/metrics") -> Values:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{node.node.control_port}") as http:
        response = await http.get(path)
    assert response.status_code == 200
    return values_in(response.text)


async def test_a_server_counts_what_its_clients_get() -> None:
    async with running_node() as node, node.client() as one, node.client() as other:
        for client in (one, other):
            await client.join("match:1")
        await node.publish("match:1", "a", "b", "c")
        await one.events(3)
        await other.events(3)
        values = await scraped(node)
        assert value(values, "touchline_deliveries_total") == 6
        assert value(values, "touchline_connections") == value(values, "touchline_clients", state="live") == 2
        assert value(values, "touchline_joins_total") == value(values, "touchline_subscriptions") == 2
        assert value(values, "touchline_records_read_total", topic="match-events") == 3
        assert value(values, "touchline_event_latency_seconds_count", stage="read") == 3
        assert value(values, "touchline_memory_bytes", part="windows") > 0
        assert value(values, "touchline_ready") == value(values, "touchline_log_up") == 1
        assert value(values, "process_resident_memory_bytes") > 1e6
    assert {name for name, _ in values} >= {"touchline_build_info", "process_cpu_seconds_total"}


async def test_a_supervisor_can_read_what_a_worker_sends_it() -> None:
    async with running_node() as node:
        snapshot = node.node.snapshot()
    assert snapshot
    (received,) = reports().feed(encode(Metrics(1, snapshot)))
    assert received == Metrics(1, snapshot)


async def test_ends_of_connections_and_refusals_at_the_door_have_their_reasons() -> None:
    async with running_node(connections_max=2) as node:
        async with node.client() as leaving, node.client(greeted=False) as rude:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{node.port}") as http:
                assert (await http.get("/v1/rooms/match:1/events")).status_code == 503
            await leaving.websocket.close()
            await rude.send_bytes(b'{"type":"subscribe","rooms":[]}')
            assert (await rude.closed())[0] == codes.HELLO_EXPECTED.code
        await eventually(lambda: not node.connections)
        values = await scraped(node)
    assert value(values, "touchline_connections_refused_total", reason="connections_max") == 1
    assert value(values, "touchline_connections_closed_total", by="client", code="normal") == 1
    assert value(values, "touchline_connections_closed_total", by="server", code="hello_expected") == 1
    assert value(values, "touchline_connections_accepted_total") == 3


@contextlib.asynccontextmanager
async def beside_a_slow_client() -> AsyncIterator[tuple[RunningNode, RawClient]]:
    """A node with two clients in a room: one has all of its events, and the other takes next to none of them."""
    async with running_node() as node, node.raw(receive_bytes=4096) as slow, node.client() as other:
        await slow.open()
        await other.join("match:1")
        await slow.send(Subscribe(rooms=[RoomRequest(room="match:1")]))
        await eventually(lambda: node.node.viewers("match:1") == 2)
        for _ in range(40):
            await node.publish("match:1", "x" * 100_000)
        await other.events(40)
        yield node, slow


async def test_a_slow_client_lags() -> None:
    async with beside_a_slow_client() as (node, _):
        values = await scraped(node)
        assert value(values, "touchline_clients", state="lagging") == 1
        assert value(values, "touchline_memory_bytes", part="clients") > 0


def test_a_server_has_a_metric_of_each_name_without_its_own_kafka_redis_and_workers() -> None:
    elsewhere = (
        "touchline_log_lag",
        "touchline_log_answer",
        "touchline_redis",
        "touchline_worker",
        "touchline_problem",
    )
    only_then = {one.name for one in SERVER_METRICS if one.name.startswith(elsewhere)}

    async def names() -> set[str]:
        async with running_node() as node:
            return {name for name, _ in await scraped(node)}

    shown = asyncio.run(names())
    missing = {one.name for one in SERVER_METRICS if not any(name.startswith(one.name) for name in shown)}
    by_label = {"touchline_records_read_total", "touchline_records_skipped_total", "touchline_errors_total"}
    assert missing == only_then | by_label


class Scrapes:
    """Scrapes of one server. No counter of its sum may ever go down."""

    def __init__(self, server: WorkerServer) -> None:
        self._server = server
        self._last: Values = {}

    def take(self, query: str = "") -> Values:
        response = self._server.get(f"/metrics{query}")
        response.raise_for_status()
        values = values_in(response.text)
        if not query:
            fallen = {key for key, each in self._last.items() if _is_counter(key[0]) and values.get(key, 0) < each}
            assert not fallen
            self._last = values
        return values


def _is_counter(name: str) -> bool:
    return name.endswith(("_total", "_count", "_sum", "_bucket"))


def by_worker(values: Values, name: str) -> Mapping[str, float]:
    return {dict(labels)["worker"]: each for (found, labels), each in values.items() if found == name}


async def test_the_sum_over_workers_survives_one_that_is_killed(kafka: KafkaBroker, tmp_path: Path) -> None:
    async with worker_server(kafka, tmp_path) as server:
        scrapes, clients = Scrapes(server), []
        while {line["worker"] for line in server.lines("connection_opened")} != server.pids().keys():
            clients.append(client := await connect(server.url))
            await client.send('{"type":"hello"}')
            await client.send(json.dumps({"type": "subscribe", "rooms": [{"room": ROOM}]}))
            assert [json.loads(await client.recv())["type"] for _ in range(2)] == ["welcome", "subscribed"]
        server.publish(1, 2)
        for client in clients:
            assert [json.loads(await client.recv())["data"] for _ in range(2)] == [1, 2]
        await eventually(lambda: total(scrapes.take(), "touchline_deliveries_total") == 2 * len(clients))
        before = scrapes.take()
        assert (
            value(before, "touchline_connections") == value(before, "touchline_clients", state="live") == len(clients)
        )
        workers = scrapes.take("?by=worker")
        assert by_worker(workers, "touchline_connections").keys() == {"edge/1", "edge/2"}
        assert sum(by_worker(workers, "touchline_deliveries_total").values()) == 2 * len(clients)
        assert by_worker(workers, "process_resident_memory_bytes").keys() == {"edge/1", "edge/2", "control"}
        lag = {key for key in before if key[0] == "touchline_log_lag_records"}
        assert lag
        assert all(before[key] == 0 for key in lag)
        os.kill(server.pids()["edge/1"], signal.SIGKILL)
        await eventually(lambda: total(scrapes.take(), "touchline_worker_up") == 1)
        await eventually(lambda: total(scrapes.take(), "touchline_worker_up") == 2)
        after = scrapes.take()
        assert value(after, "touchline_deliveries_total") == 2 * len(clients)
        assert value(after, "touchline_worker_ends_total", worker="edge/1", reason="crash") == 1
        assert value(after, "touchline_worker_starts_total", worker="edge/1") == 2
        assert value(after, "touchline_connections") < len(clients)
        for client in clients:
            await client.close()


@pytest.mark.parametrize("accept", ["text/plain", "application/openmetrics-text; version=1.0.0"])
async def test_both_formats_are_served(accept: str) -> None:
    async with running_node() as node, httpx.AsyncClient() as http:
        url = f"http://127.0.0.1:{node.node.control_port}/metrics"
        response = await http.get(url, headers={"Accept": accept})
    assert response.headers["content-type"].partition(";")[0] == accept.partition(";")[0]
    assert response.text.endswith("# EOF\n") == accept.startswith("application/openmetrics-text")


async def test_the_status_has_what_an_operator_looks_for() -> None:
    async with beside_a_slow_client() as (node, slow):
        async with node.client() as third:
            await third.websocket.close()
        await eventually(lambda: len(node.connections) == 2)
        address = f"127.0.0.1:{slow.port}"
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{node.node.control_port}") as http:
            status = (await http.get("/v1/status")).json()
    assert (status["connections"], status["lagging"], status["ready"]) == (2, 1, True)
    assert [(room["room"], room["clients"]) for room in status["rooms"]] == [("match:1", 2)]
    (lagging,) = status["slow_clients"]
    assert lagging["room"] == "match:1"
    assert lagging["behind_offsets"] > 0
    assert lagging["address"] == address
    assert [(close["by"], close["code"]) for close in status["closes"]] == [("client", "normal")]
    assert status["closes_by_code"] == {"client/normal": 1}
    assert [(worker["worker"], worker["up"], worker["connections"]) for worker in status["workers"]] == [
        ("edge-1", True, 2)
    ]


async def test_only_a_key_for_publishing_reads_the_status() -> None:
    async with running_node(api_keys=["publish"], metrics_keys=["scrape"]) as node, httpx.AsyncClient() as http:
        url = f"http://127.0.0.1:{node.node.control_port}"
        for path, key, status in (
            ("/v1/status", "publish", 200),
            ("/v1/status", "scrape", 403),
            ("/metrics", "scrape", 200),
            ("/metrics", "publish", 200),
            ("/metrics", "", 401),
        ):
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            assert (await http.get(f"{url}{path}", headers=headers)).status_code == status
