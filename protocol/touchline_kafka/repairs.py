"""aiokafka's clients with their faults repaired, each on the object itself: no class of aiokafka is changed.

Rules:

1. All our clients, producers, consumers and admin clients are made from these classes (see `cluster.Cluster`).
2. Code that uses aiokafka's internals is here, in `wire`, `fetch`, `decoding` and `salvage`, and pyproject.toml bounds
   aiokafka to 0.14.

The repairs, all needed with aiokafka 0.14. Go through them when the bound moves:

- `Connection.send`: uvloop raises RuntimeError where asyncio raises OSError, and aiokafka's own tasks end by it (its
  issue 1038, open since 0.11; a test fails once it is fixed).
- `Client.compare_leaders`: aiokafka takes whatever leaders one random broker names, and keeps them for minutes. A
  broker that is cut off from its peers names itself, and answers that there is nothing new.
- `Client.close`: aiokafka takes the cancellation of a task that closes a client for that of its own task, and drops it.
- `Consumer.stop_within`: its ``stop`` waits for requests without a limit. It ends half-way, with a CancelledError that
  nobody asked for, if a fetch is about to be retried.
- `Consumer.committed_with_metadata`: its ``committed`` takes a coordinator that is starting for one without commits.
- `_FetchClient` and `_FetchResults`: a consumer stops for ever at a record that aiokafka cannot decode, and drops the
  leader epochs of batches.
"""

import asyncio
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.cluster import ClusterMetadata
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import (
    CorruptRecordException,
    GroupLoadInProgressError,
    KafkaConnectionError,
    KafkaError,
    NotCoordinatorForGroupError,
    for_code,
)
from aiokafka.protocol.commit import OffsetFetchRequest
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from touchline_protocol.records import Record

from .decoding import CommittedRecords, check_whole, epochs_in
from .leader_epochs import LeaderEpochs

COORDINATOR_RETRY_S = 0.1
"""How soon to ask a group's coordinator again that is starting."""
RELEASE_S = 1.0
"""How long the shutdown of a connection may take that nobody needs any more."""


class Connection(AIOKafkaConnection):  # type: ignore[misc]  # aiokafka has no types
    """A connection that is lost the same way under uvloop as under asyncio."""

    def send(self, request: Any, expect_response: bool = True) -> Any:
        try:
            return super().send(request, expect_response)
        except KafkaError:
            raise
        except RuntimeError as error:
            self.close(reason=CloseReason.CONNECTION_BROKEN)
            raise KafkaConnectionError(f"the connection is lost: {error}") from error


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

    connections_lost = 0
    """How many connections broke. The broker on the next one may have lost records that it had confirmed."""

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
        """Close all connections. The cancellation of a task that waits for this is not lost."""
        task = asyncio.current_task()
        cancelled_before = 0 if task is None else task.cancelling()
        await super().close()
        if task is not None and task.cancelling() > cancelled_before:
            raise asyncio.CancelledError

    async def bootstrap(self) -> None:
        try:
            await super().bootstrap()
        except KafkaError:
            raise
        except RuntimeError as error:  # on the connection that only asks who is there
            raise KafkaConnectionError(f"the connection is lost: {error}") from error

    async def _get_conn(self, node_id: Any, **options: Any) -> AIOKafkaConnection | None:
        try:
            connection = await super()._get_conn(node_id, **options)
        except KafkaError:
            raise
        except RuntimeError:  # lost while it was being opened: what aiokafka does after an OSError there
            self.force_metadata_update()
            return None
        if connection is not None:
            # aiokafka's function that makes connections cannot be told another class.
            connection.__class__ = Connection
        return connection


class _FetchClient:
    """The client of a consumer's fetcher: keeps what it fetched until it is queued, and lets no damage through to it.

    aiokafka's fetcher ends by an answer whose batches have no sense, and skips a record if there is no whole one.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self.data: dict[TopicPartition, bytes] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def send(self, node_id: Any, request: Any) -> Any:
        response = await self._client.send(node_id, request)
        if isinstance(request, FetchRequest):
            try:
                self._keep(response)
            except CorruptRecordException as error:
                # aiokafka's fetcher logs it, pauses, and fetches the same again.
                raise KafkaConnectionError(f"what was fetched is damaged: {error}") from error
        return response

    def _keep(self, response: Any) -> None:
        for topic, partitions in response.topics:
            for partition, *_, data in partitions:
                if data:
                    check_whole(data)
                    self.data[TopicPartition(topic, partition)] = data


class _RecordsBeforeDamage(CommittedRecords):
    """What a consumer's fetcher queues: aiokafka would drop the records before damage that the same answer holds."""

    def _go_on(self, error: Exception) -> Iterator[Record]:
        try:
            return super()._go_on(error)
        except CorruptRecordException:
            if self.next_fetch_offset == self.offset:
                raise
            return iter(())  # the next fetch begins at the damage, and reports it


class _FetchResults(OrderedDict[Any, Any]):
    """What a consumer's fetcher has queued, by partition: each result has its records from `CommittedRecords`."""

    def __init__(self, fetched: dict[TopicPartition, bytes], epochs: defaultdict[TopicPartition, LeaderEpochs]) -> None:
        super().__init__()
        self._fetched = fetched
        self._epochs = epochs

    def __setitem__(self, partition: TopicPartition, result: Any) -> None:
        given = getattr(result, "_partition_records", None)  # an error has none
        data = self._fetched.pop(partition, None)
        if given is not None and data is not None:
            aborted = given._aborted_transactions
            result._partition_records = _RecordsBeforeDamage(partition, data, aborted, given.next_fetch_offset)
            for entry in epochs_in(data, given.next_fetch_offset):
                self._epochs[partition].add(entry)
        super().__setitem__(partition, result)


class Consumer(AIOKafkaConsumer):  # type: ignore[misc]
    """A consumer that survives a lost connection and every record, and that stops in bounded time.

    Its records are as they were decoded (`touchline_protocol.records.Record`), not aiokafka's `ConsumerRecord`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._client.__class__ = Client
        self.epochs: defaultdict[TopicPartition, LeaderEpochs] = defaultdict(LeaderEpochs)
        """The leader epochs of what was fetched. aiokafka drops them with the batches' headers."""

    async def start(self) -> None:
        """Find the brokers; see `AIOKafkaConsumer.start`."""
        await super().start()
        client = self._fetcher._client = _FetchClient(self._client)
        self._fetcher._records = _FetchResults(client.data, self.epochs)

    @property
    def client(self) -> Client:
        """Its client: for questions that a consumer has no method for."""
        client: Client = self._client
        return client

    @property
    def is_member(self) -> bool:
        """Whether the group counts it as a member: its commits are then refused once the group has gone on."""
        return bool(self._coordinator.generation >= 0)

    async def committed_with_metadata(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, Any]:
        """What its group committed, if anything: offset and metadata. Waits for a coordinator that is starting.

        aiokafka's `committed` drops the metadata. It also overlooks an error of the whole group, so a coordinator that
        still loads its groups would seem to have no commits, and the reader would begin at the topic's end.

        Raises:
            KafkaError, OSError, TimeoutError: Kafka did not say.
        """
        topics: defaultdict[str, list[int]] = defaultdict(list)
        for tp in partitions:
            topics[tp.topic].append(tp.partition)
        coordinator = self._coordinator
        while topics:
            await coordinator.ensure_coordinator_known()
            response = await coordinator._send_req(OffsetFetchRequest(coordinator.group_id, list(topics.items())))
            answers = [(TopicPartition(topic, one[0]), one) for topic, found in response.topics for one in found]
            code = getattr(response, "error_code", 0) or next((one[3] for _, one in answers if one[3]), 0)
            if not code:
                return {tp: OffsetAndMetadata(one[1], one[2]) for tp, one in answers if one[1] >= 0}
            if code == NotCoordinatorForGroupError.errno:
                coordinator.coordinator_dead()
            elif code != GroupLoadInProgressError.errno:
                error: KafkaError = for_code(code)()
                raise error
            await asyncio.sleep(COORDINATOR_RETRY_S)
        return {}

    async def release(self) -> None:
        """Stop a consumer that has nothing to finish, such as one that could not be started."""
        await self.stop_within(RELEASE_S)

    async def stop_within(self, timeout_s: float) -> bool:
        """Stop; returns whether everything that belongs to it could be done, such as leaving the group."""
        stopping = asyncio.ensure_future(self.stop())
        done, _ = await asyncio.wait([stopping], timeout=timeout_s)
        if not done:
            await self._client.close()  # which ends whatever it is waiting for
        await asyncio.gather(stopping, return_exceptions=True)
        await self._client.close()
        return bool(done)


class Admin(AIOKafkaAdminClient):  # type: ignore[misc]
    """An admin client that survives a lost connection."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._client.__class__ = Client


def retrieve(future: asyncio.Future[Any]) -> None:
    """Look at a failure that nobody waits for any more, or asyncio would log it. A callback for futures."""
    if not future.cancelled():
        future.exception()
