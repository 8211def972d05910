"""Several workers of one edge: they share a port, are one server to an operator, and clients outlive each of them."""

import asyncio
import contextlib
import json
import os
import shlex
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

import touchline
from e2e.worker_server import ROOM, WorkerServer, worker_server
from project.test_readme import ROOT, commands_in
from support.kafka_broker import KafkaBroker
from support.waiting import DEADLINE_S, eventually
from touchline_server.node.cpus import cpu_count

FLEET = (ROOT / "docs" / "fleet.md").read_text("utf-8")


def is_alive(pid: int) -> bool:
    """Whether a process runs. One that has ended and that nobody has waited for does not."""
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False


@contextlib.asynccontextmanager
async def watching(server: WorkerServer, count: int) -> AsyncIterator[list[ClientConnection]]:
    """Clients in the room, more than enough for each worker to have some."""
    async with contextlib.AsyncExitStack() as stack:
        clients = []
        for _ in range(count):
            client = await stack.enter_async_context(connect(server.url))
            await client.send('{"type":"hello"}')
            await client.send(json.dumps({"type": "subscribe", "rooms": [{"room": ROOM}]}))
            assert [json.loads(await client.recv())["type"] for _ in range(2)] == ["welcome", "subscribed"]
            clients.append(client)
        yield clients


async def received(client: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(DEADLINE_S):
        message: dict[str, Any] = json.loads(await client.recv())
    return message


class Reader:
    """A client of the SDK, which comes back by itself."""

    def __init__(self, client: touchline.Client) -> None:
        self.room = client.subscribe(ROOM)
        self.values: list[Any] = []

    async def run(self) -> None:
        async for event in self.room:
            self.values.append(event.data)


@contextlib.asynccontextmanager
async def reading(server: WorkerServer) -> AsyncIterator[list[Reader]]:
    """Readers, at least one at each worker: the kernel decides where a connection goes."""
    async with contextlib.AsyncExitStack() as stack:
        readers: list[Reader] = []
        while {line["worker"] for line in server.lines("connection_opened")} != server.pids().keys():
            client = touchline.connect(server.url, random=lambda: 0.0)  # it comes back at once
            readers.append(Reader(await stack.enter_async_context(client)))
            await readers[-1].room.joined()
            assert len(readers) < 100
        tasks = [asyncio.create_task(reader.run()) for reader in readers]
        try:
            yield readers
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def test_workers_are_one_server_and_clients_of_one_that_is_killed_go_on_with_the_other(
    kafka: KafkaBroker, tmp_path: Path
) -> None:
    async with worker_server(kafka, tmp_path) as server:
        async with reading(server) as readers:
            server.publish(1, 2, key="score")
            room = server.get(f"/v1/rooms/{ROOM}").json()
            assert (room["viewers"], [each["data"] for each in room["state"]]) == (len(readers), [2])
            os.kill(server.pids()["edge/1"], signal.SIGKILL)
            server.publish(3, 4)
            await eventually(lambda: all(reader.values == [1, 2, 3, 4] for reader in readers))
        assert await server.stop() == 0
        assert not any(is_alive(pid) for pid in server.pids().values())


@pytest.mark.long
async def test_a_worker_that_is_killed_is_named_until_it_is_replaced(kafka: KafkaBroker, tmp_path: Path) -> None:
    async with worker_server(kafka, tmp_path) as server:
        before = server.pids()
        os.kill(before["edge/2"], signal.SIGKILL)
        await eventually(lambda: server.lines("worker_ended"))
        status, body = server.readiness()
        assert (status, list(body["degraded"])) == (200, ["edge/2"])
        assert server.get("/readyz/strict").status_code == 503
        await server.until_ready()
        assert server.pids()["edge/2"] != before["edge/2"]
        assert server.pids()["edge/1"] == before["edge/1"]
    (ended,) = server.lines("worker_ended")
    assert (ended["worker"], ended["signal"], ended["pid"]) == ("edge/2", "SIGKILL", before["edge/2"])


@pytest.mark.long
async def test_a_worker_that_hangs_is_named_says_where_it_was_if_it_can_and_is_replaced(
    kafka: KafkaBroker, tmp_path: Path
) -> None:
    async with worker_server(kafka, tmp_path, TOUCHLINE_WORKER_HANG_S="6") as server:
        before = server.pids()
        for pid in before.values():
            os.kill(pid, signal.SIGSTOP)
        await eventually(lambda: server.readiness()[0] == 503)
        assert not server.lines("worker_hung")
        await eventually(lambda: len(server.lines("worker_hung")) == 2)
        os.kill(before["edge/2"], signal.SIGCONT)
        await eventually(lambda: len(server.lines("worker_ended")) == 2)
        await server.until_ready()
        assert not any(is_alive(pid) for pid in before.values())
        assert not set(before.values()) & set(server.pids().values())
    ended = {line["worker"]: line for line in server.lines("worker_ended")[:2]}
    assert {name: line["signal"] for name, line in ended.items()} == {"edge/1": "SIGKILL", "edge/2": "SIGUSR2"}
    assert "exception" not in ended["edge/1"]
    assert "touchline_server/cli/worker.py" in ended["edge/2"]["exception"]


@pytest.mark.long
async def test_the_command_for_a_worker_per_cpu_starts_one_for_each(kafka: KafkaBroker, tmp_path: Path) -> None:
    (command,) = [each for each in commands_in(FLEET) if each.endswith("--workers auto")]
    program, verb, *args = shlex.split(command.replace("127.0.0.1:9092", kafka.address))
    assert (program, verb) == ("touchline", "serve")
    assert f"kafka://{kafka.address}" in args
    async with worker_server(kafka, tmp_path, *args) as server:
        cpus = cpu_count()
        assert len(server.pids()) == (cpus if cpus > 1 else 0)  # one process needs no supervisor
        async with watching(server, 4) as clients:
            server.publish(1)
            assert {(await received(client))["type"] for client in clients} == {"event"}


@pytest.mark.long
async def test_sigterm_drains_all_workers_at_once(kafka: KafkaBroker, tmp_path: Path) -> None:
    async with worker_server(kafka, tmp_path, TOUCHLINE_DRAIN_S="2") as server:
        async with watching(server, 12) as clients:
            server.process.send_signal(signal.SIGTERM)
            goaways = await asyncio.gather(*(received(client) for client in clients))
            assert {message["type"] for message in goaways} == {"goaway"}
            status, body = server.readiness()
            assert (status, "edge" in body["problems"]) == (503, True)
            server.publish(1)  # the control plane goes on meanwhile
            assert {(await received(client))["type"] for client in clients} == {"event"}
        assert await server.stop() in (0, -signal.SIGTERM)
    assert {line["worker"] for line in server.lines("drain_started")} == {"edge/1", "edge/2"}


@pytest.mark.long
async def test_a_second_sigterm_ends_all_workers_at_once(kafka: KafkaBroker, tmp_path: Path) -> None:
    async with worker_server(kafka, tmp_path, TOUCHLINE_DRAIN_S="60") as server:
        pids = server.pids().values()
        async with watching(server, 4) as clients:
            server.process.send_signal(signal.SIGTERM)
            assert (await received(clients[0]))["type"] == "goaway"
            assert await server.stop() == -signal.SIGTERM
            await eventually(lambda: not any(is_alive(pid) for pid in pids))


@pytest.mark.long
async def test_workers_drain_and_end_without_their_supervisor(kafka: KafkaBroker, tmp_path: Path) -> None:
    async with worker_server(kafka, tmp_path) as server:
        pids = server.pids().values()
        async with watching(server, 8) as clients:
            server.process.kill()
            assert {(await received(client))["type"] for client in clients} == {"goaway"}
            for client in clients:
                with pytest.raises(ConnectionClosed):
                    await received(client)
        await eventually(lambda: not any(is_alive(pid) for pid in pids))
    assert {line["worker"] for line in server.lines("supervisor_lost")} == {"edge/1", "edge/2"}


@pytest.mark.long
async def test_a_reload_reaches_every_worker_and_those_that_start_later(kafka: KafkaBroker, tmp_path: Path) -> None:
    file = tmp_path / "touchline.toml"
    file.write_text("rooms_max = 10\n")
    async with worker_server(kafka, tmp_path, "--config", str(file)) as server:
        async with watching(server, 8) as clients:
            file.write_text("rooms_max = 20\nwindow_s = 60\n")
            server.process.send_signal(signal.SIGHUP)
            await eventually(lambda: len(server.lines("settings_reloaded")) == 3)
            server.publish(1)
            assert {(await received(client))["type"] for client in clients} == {"event"}
        assert all(line["changed"] == ["rooms_max"] for line in server.lines("settings_reloaded"))
        assert all(line["settings"] == ["window_s"] for line in server.lines("restart_needed"))
        os.kill(server.pids()["edge/1"], signal.SIGKILL)
        await eventually(lambda: server.lines("worker_ended"))
        await server.until_ready()
        for _ in range(12):
            async with connect(server.url) as client:
                await client.send('{"type":"hello"}')
                assert (await received(client))["limits"]["rooms_max"] == 20
        file.write_text("rooms_max = -1\n")
        server.process.send_signal(signal.SIGHUP)
        await eventually(lambda: server.lines("reload_refused"))
        assert server.readiness() == (200, {"ready": True})


@pytest.mark.long
async def test_another_server_does_not_share_the_port(kafka: KafkaBroker, tmp_path: Path) -> None:
    async with worker_server(kafka, tmp_path) as server:
        port = str(urlsplit(server.url).port)
        for workers in ("1", "2"):
            with pytest.raises(AssertionError) as refused:
                async with worker_server(kafka, tmp_path, "--port", port, "--workers", workers):
                    pass
            assert port in str(refused.value)
        with socket.create_connection(("127.0.0.1", int(port))):
            pass
