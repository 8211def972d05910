"""Three brokers of which one can be cut off from its peers, while clients still reach all of them.

Each broker advertises a listener for its peers under a host name that every JVM resolves for itself
(``jdk.net.hosts.file``), to a loopback address of this pair of brokers. A relay listens there. So a test can cut single
brokers off, which a relay in front of a listener could not: all peers come from 127.0.0.1.
"""

import asyncio
import contextlib
import threading
from collections.abc import Coroutine, Iterator
from pathlib import Path

import pytest

from support.kafka_broker import CLUSTER_SIZE, KafkaBroker, KafkaCluster, demand_kafka
from touchline_loadtest.free_ports import free_ports
from touchline_loadtest.rig.kafka.broker import join

CHUNK_BYTES = 64 * 1024
CLIENTS = 9
"""In place of a broker's number: all clients."""


class SplitBroker(KafkaBroker):
    """A broker that reaches its peers by relays. ``node_id`` is part of the addresses of those.

    One that ``can_hide`` is reached by its clients through a relay too.
    """

    def __init__(self, folder: Path, *, node_id: int, can_hide: bool) -> None:
        super().__init__(folder, node_id=node_id)
        self.can_hide = can_hide
        (self.peer_port,) = free_ports(1)
        self._hosts = folder / "hosts"
        self.flags = [f"-Djdk.net.hosts.file={self._hosts}"]

    @property
    def address(self) -> str:
        return f"{_address(CLIENTS, self.node_id)}:{self._port}" if self.can_hide else super().address

    @property
    def client_port(self) -> int:
        """The port that its clients connect to."""
        return self._port

    @property
    def relayed_ports(self) -> tuple[int, int]:
        """The ports that its peers connect to."""
        return self.peer_port, self._controller_port

    def launch(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        lines = [f"{_address(self.node_id, peer.node_id)} {_name(peer.node_id)}\n" for peer in self.voters]
        self._hosts.write_text("".join(lines))
        super().launch()

    def _settings(self) -> dict[str, object]:
        settings = super()._settings()
        voters = [f"{each.node_id}@{_name(each.node_id)}:{each._controller_port}" for each in self.voters]
        return {
            **settings,
            "controller.quorum.voters": ",".join(voters),
            "listeners": (
                f"PLAINTEXT://127.0.0.1:{self._port},CONTROLLER://127.0.0.1:{self._controller_port}"
                f",PEERS://127.0.0.1:{self.peer_port}"
            ),
            "advertised.listeners": (
                f"{settings['advertised.listeners']},PEERS://{_name(self.node_id)}:{self.peer_port}"
                f",CONTROLLER://{_name(self.node_id)}:{self._controller_port}"
            ),
            "listener.security.protocol.map": f"{settings['listener.security.protocol.map']},PEERS:PLAINTEXT",
            "inter.broker.listener.name": "PEERS",
        }


class SplitCluster(KafkaCluster):
    """Three brokers; `cut_off` takes one away from the others, and `hide` takes the third one away from its clients."""

    def __init__(self, folder: Path, *, can_hide: bool = False) -> None:
        super().__init__(folder)
        self.brokers = [
            SplitBroker(folder / f"broker{number}", node_id=number, can_hide=can_hide and number == CLUSTER_SIZE)
            for number in range(1, CLUSTER_SIZE + 1)
        ]
        self._relays: dict[tuple[int, int], list[_PairRelay]] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relays between brokers", daemon=True)
        join(self.brokers)

    def start(self) -> None:
        self._thread.start()
        for broker in self.brokers:
            assert isinstance(broker, SplitBroker)
            for peer in self.brokers:
                self._relays[peer.node_id, broker.node_id] = [
                    _PairRelay(_address(peer.node_id, broker.node_id), port) for port in broker.relayed_ports
                ]
            if broker.can_hide:
                relay = _PairRelay(_address(CLIENTS, broker.node_id), broker.client_port)
                self._relays[CLIENTS, broker.node_id] = [relay]
        for relay in self._of(None):
            self._run(relay.start())
        super().start()

    def stop(self) -> None:
        super().stop()
        for relay in self._of(None):
            self._run(relay.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut_off(self, broker: KafkaBroker) -> None:
        """Cut a broker off from its peers, until `join`."""
        for relay in self._of(broker):
            self._run(relay.cut())

    def join(self, broker: KafkaBroker) -> None:
        """Undo `cut_off`."""
        for relay in self._of(broker):
            relay.is_cut = False

    @contextlib.contextmanager
    def hidden(self) -> Iterator[KafkaBroker]:
        """Cut the third broker off from its clients, but not from its peers, until the end of the block."""
        broker = self.brokers[-1]
        (relay,) = self._relays[CLIENTS, broker.node_id]
        self._run(relay.cut())
        try:
            yield broker
        finally:
            relay.is_cut = False

    def _of(self, broker: KafkaBroker | None) -> Iterator["_PairRelay"]:
        for pair, relays in self._relays.items():
            if broker is None or (broker.node_id in pair and CLIENTS not in pair and len(set(pair)) > 1):
                yield from relays

    def _run(self, coroutine: Coroutine[None, None, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()


class _PairRelay:
    """What one broker reaches of a port of another one, at an address that only this pair uses."""

    def __init__(self, host: str, port: int) -> None:
        self.is_cut = False
        self._host = host
        self._port = port
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, self._host, self._port)

    async def cut(self) -> None:
        self.is_cut = True
        for writer in self._writers:
            writer.transport.abort()

    async def stop(self) -> None:
        await self.cut()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            if not self.is_cut:
                to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._port)
                self._writers.add(to_writer)
                await asyncio.gather(self._pass_on(reader, to_writer), self._pass_on(to_reader, writer))
        except OSError:
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while not self.is_cut and (data := await reader.read(CHUNK_BYTES)):
                writer.write(data)
                await writer.drain()
        self._writers.discard(writer)
        writer.close()


def _address(from_node: int, to_node: int) -> str:
    return f"127.0.{from_node}.{to_node}"


def _name(node: int) -> str:
    return f"broker{node}.test"


@pytest.fixture(scope="module")
def split_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SplitCluster]:
    """Three brokers for the tests of a module; each of them joins again what it cut off."""
    demand_kafka()
    cluster = SplitCluster(tmp_path_factory.mktemp("split"), can_hide=True)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
