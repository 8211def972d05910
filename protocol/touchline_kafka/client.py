"""The client that all requests go through: aiokafka's, with connections of our own, which are replaced in time.

aiokafka's client knows the brokers and waits for answers. This one opens the connections (`access.connection`), keeps
why there is none, and counts those that broke.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from aiokafka.client import AIOKafkaClient, ConnectionGroup
from aiokafka.cluster import ClusterMetadata
from aiokafka.conn import CloseReason
from aiokafka.errors import KafkaConnectionError, NodeNotReadyError, StaleMetadata
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.structs import TopicPartition

from .access.connection import RENEW_RETRY_S, Connection
from .errors import REQUEST_ERRORS, describe

RELEASE_S = 1.0
"""How long the shutdown of a connection may take that nobody needs any more."""
CLOSED = "this client is closed"
CONNECTION_OPTIONS = frozenset(
    (
        "client_id",
        "request_timeout_ms",
        "security_protocol",
        "ssl_context",
        "sasl_mechanism",
        "sasl_plain_username",
        "sasl_plain_password",
        "sasl_kerberos_service_name",
        "sasl_kerberos_domain_name",
        "sasl_oauth_token_provider",
    )
)
"""The options of a client that are those of a single connection too."""

_log = logging.getLogger("touchline.kafka")
_aiokafka_log = logging.getLogger("aiokafka")
"""What aiokafka's client would log is logged under its name."""


class _ComparedMetadata(ClusterMetadata):  # type: ignore[misc]
    """A client's metadata. ``described`` has the leaders of a topic as others know them, and since when.

    Of two answers that differ, the newer one counts: a broker that is cut off may have given aiokafka's.
    """

    described: Callable[[str], tuple[float, Mapping[int, int]]]
    refreshed_at = 0.0

    def update_metadata(self, metadata: Any) -> None:
        super().update_metadata(metadata)
        self.refreshed_at = time.monotonic()

    def leader_for_partition(self, partition: TopicPartition) -> int | None:
        leader: int | None = super().leader_for_partition(partition)
        at, leaders = self.described(partition.topic)
        return leaders.get(partition.partition, leader) if at > self.refreshed_at else leader


class Client(AIOKafkaClient):  # type: ignore[misc]
    """A client whose connections are `Connection`s. It has the lifecycle of the others: `start` and `release`."""

    _sync_task: asyncio.Task[None] | None
    connections_lost = 0
    """How many connections broke. The broker on the next one may have lost records that it had confirmed."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.prepare()

    def prepare(self) -> None:
        """Set up what aiokafka's own client lacks."""
        self._locks: defaultdict[Any, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._problems: dict[Any, BaseException] = {}
        """Why there is no connection to a broker."""
        self._renewals: dict[Any, asyncio.Task[None]] = {}
        self._is_closed = False

    def _on_connection_closed(self, connection: Any, reason: Any) -> None:
        if reason is not CloseReason.IDLE_DROP:
            self.connections_lost += 1
        super()._on_connection_closed(connection, reason)

    def compare_leaders(self, described: Callable[[str], tuple[float, Mapping[int, int]]]) -> None:
        """Follow the leaders of a topic that ``described`` returns, with their time (`time.monotonic`), if it is newer
        than what aiokafka was told."""
        self.cluster.__class__ = _ComparedMetadata
        self.cluster.described = described

    async def start(self) -> None:
        """Find the brokers of the cluster."""
        await self.bootstrap()

    async def release(self) -> None:
        """Close all connections."""
        await self.close()

    async def close(self) -> None:
        """Close all connections, also those that are being opened. The cancellation of a task that waits for this is
        not lost."""
        self._is_closed = True
        task = asyncio.current_task()
        cancelled_before = 0 if task is None else task.cancelling()
        await self._stop_renewals()
        await super().close()
        if task is not None and task.cancelling() > cancelled_before:
            raise asyncio.CancelledError

    async def send(self, node_id: Any, request: Any, **options: Any) -> Any:
        """See `AIOKafkaClient.send`. If the broker cannot be reached, the error's cause says why."""
        try:
            return await super().send(node_id, request, **options)
        except NodeNotReadyError as error:
            raise error from self._problems.get((node_id, options.get("group", ConnectionGroup.DEFAULT)))

    async def bootstrap(self) -> None:
        """Find the brokers of the cluster at the addresses that were given."""
        problem: BaseException | None = None
        for host, port, _ in self.hosts:
            connection = None
            try:
                connection = await self._opened(host, port)
                self.cluster.update_metadata(await connection.send(MetadataRequest([])))
            except REQUEST_ERRORS as error:
                _aiokafka_log.warning('Unable to bootstrap from "%s:%s": %s', host, port, describe(error))
                problem = error
                if connection is not None:
                    await asyncio.wait([connection.close()], timeout=RELEASE_S)
            except BaseException:  # a cancellation: nobody else has the connection
                if connection is not None:
                    connection.close()
                raise
            else:
                break
        else:
            raise KafkaConnectionError(f"Unable to bootstrap from {self.hosts}") from problem
        if self.cluster.brokers():
            await asyncio.wait([connection.close()], timeout=RELEASE_S)
        else:  # there is nobody else yet to ask for them
            self._conns["bootstrap", ConnectionGroup.DEFAULT] = connection
        if self._sync_task is None:
            self._sync_task = asyncio.create_task(self._md_synchronizer(), name="kafka-metadata")

    async def _opened(self, host: str, port: int, on_close: Any = None) -> Connection:
        """A new connection."""
        options = {name: getattr(self, f"_{name}") for name in CONNECTION_OPTIONS}
        connection = Connection(
            host,
            port,
            max_idle_ms=self._connections_max_idle_ms,
            on_close=on_close,
            **options,
        )
        if self._is_closed:
            raise KafkaConnectionError(CLOSED)
        try:
            await connection.connect()
        except RuntimeError as error:
            raise KafkaConnectionError(f"the connection is lost: {error}") from error
        if self._is_closed:  # by another task, which did not know of this connection yet
            connection.close(reason=CloseReason.SHUTDOWN)
            raise KafkaConnectionError(CLOSED)
        return connection

    async def _get_conn(self, node_id: Any, *, group: Any = ConnectionGroup.DEFAULT, **_: Any) -> Connection | None:
        key = (node_id, group)
        connection = self._usable(key)
        if connection is None:
            async with self._locks[key]:
                connection = self._usable(key) or await self._connected(key)
        if connection is not None and not self._is_closed and connection.is_due and key not in self._renewals:
            self._renewals[key] = asyncio.create_task(self._renew(key, connection), name=f"kafka-login-{node_id}")
        return connection

    def _usable(self, key: Any) -> Connection | None:
        connection: Connection | None = self._conns.get(key)
        if connection is None or connection.is_usable:
            return connection
        del self._conns[key]
        connection.close(reason=CloseReason.IDLE_DROP)  # the broker would close it, and has lost nothing
        return None

    async def _connected(self, key: Any) -> Connection | None:
        try:
            connection = self._conns[key] = await self._opened(*self._place(key), self._on_connection_closed)
        except REQUEST_ERRORS as error:
            self._problems[key] = error
            if not self._is_closed:
                _aiokafka_log.error("Unable connect to node with id %s: %s", key[0], describe(error))
                self.force_metadata_update()  # the broker may have moved
            return None
        self._problems.pop(key, None)
        return connection

    def _place(self, key: Any) -> tuple[str, int]:
        broker = self.cluster.broker_metadata(key[0])
        if broker is None:
            raise StaleMetadata(f"Broker id {key[0]} not in current metadata")
        return broker.host, broker.port

    async def _renew(self, key: Any, old: Connection) -> None:
        """Replace a connection that the broker will not accept for much longer."""
        try:
            while self._conns.get(key) is old and old.is_usable:
                try:
                    connection = await self._opened(*self._place(key), self._on_connection_closed)
                except REQUEST_ERRORS as error:
                    _log.warning("cannot log in to Kafka again before the session ends: %s", describe(error))
                    await asyncio.sleep(RENEW_RETRY_S)
                    continue
                if self._conns.get(key) is old:
                    self._conns[key] = connection
                    await old.finish()
                else:
                    connection.close(reason=CloseReason.IDLE_DROP)
        finally:
            del self._renewals[key]

    async def _stop_renewals(self) -> None:
        tasks = list(self._renewals.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
