"""aiokafka's clients with their faults repaired, each on the object itself: no class of aiokafka is changed.

Rules:

1. All our clients, producers, consumers and admin clients are made from these classes (see `cluster.Cluster`).
2. Code that uses aiokafka's internals is here, in `access`, `client`, `wire`, `fetch`, `decoding` and `salvage`, and
   pyproject.toml bounds aiokafka to 0.14.

The repairs, all needed with aiokafka 0.14. Go through them when the bound moves:

- `access.connection.Connection`: uvloop raises RuntimeError where asyncio raises OSError, and aiokafka's own tasks end
  by it (its issue 1038, open since 0.11; a test fails once it is fixed). Sessions that end, refused tokens and TLS
  files that are renewed are unknown to aiokafka. So `client.Client` opens its connections itself.
- `client.Client.compare_leaders`: aiokafka takes whatever leaders one random broker names, and keeps them for minutes.
  A broker that is cut off from its peers names itself, and answers that there is nothing new.
- `client.Client.close`: aiokafka takes the cancellation of a task that closes a client for that of its own task, and
  drops it.
- `Consumer.stop_within`: its ``stop`` waits for requests without a limit. It ends half-way, with a CancelledError that
  nobody asked for, if a fetch is about to be retried.
- `Consumer.committed_with_metadata`: its ``committed`` takes a coordinator that is starting for one without commits.
- `_FetchClient` and `_FetchResults`: a consumer stops for ever at a record that aiokafka cannot decode, and drops the
  leader epochs of batches.
"""

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Collection, Iterator
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
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

from .client import RELEASE_S, Client
from .decoding import CommittedRecords, check_whole, epochs_in
from .leader_epochs import LeaderEpochs

COORDINATOR_RETRY_S = 0.1
"""How soon to ask a group's coordinator again that is starting."""


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
        self._client.prepare()
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

    def end_seen(self, tp: TopicPartition) -> int | None:
        """The end of a partition in its newest answer; None if there is none, or the partition was given back."""
        end: int | None = self.highwater(tp) if self._is_assigned(tp) else None
        return end

    def answered_ms(self, tp: TopicPartition) -> int | None:
        """When a partition's newest answer came, by the computer's clock (Unix); None as for `end_seen`."""
        at_ms: int | None = self.last_poll_timestamp(tp) if self._is_assigned(tp) else None
        return at_ms

    def _is_assigned(self, tp: TopicPartition) -> bool:
        return bool(self._subscription.subscription is not None and self._subscription.is_assigned(tp))

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
        self._client.prepare()
