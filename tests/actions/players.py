"""A topic of player actions in a real Kafka: writing to it as edges do, and reading it in a group of its own."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import TopicPartition

from actions.records import Written, action_record, written
from support.kafka_broker import KafkaBroker
from support.waiting import DEADLINE_S
from touchline.actions import Action, ActionSource, read

QUICK: Mapping[str, Any] = {"heartbeat_interval_ms": 100, "session_timeout_ms": 6_000, "metadata_max_age_ms": 300}
"""Readers that notice each other, lost members and new partitions sooner than in service, so that tests are quick."""


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Players:
    """A topic, and a group that reads it."""

    def __init__(self, broker: KafkaBroker) -> None:
        self.broker = broker
        self.topic = f"actions-{uuid.uuid4().hex[:12]}"
        self.group = f"group-{uuid.uuid4().hex[:12]}"

    def read(self, **options: Any) -> ActionSource:
        """A reader of the group. ``kafka_options`` are added to `QUICK`."""
        kafka_options = {**QUICK, **options.pop("kafka_options", {})}
        url = f"kafka://{self.broker.address}"
        return read(url, group=self.group, topic=self.topic, kafka_options=kafka_options, **options)

    @asynccontextmanager
    async def producer(self) -> AsyncIterator[AIOKafkaProducer]:
        async with AIOKafkaProducer(bootstrap_servers=self.broker.address, acks="all", linger_ms=5) as producer:
            yield producer

    async def act(self, player: str, *ids: int, partition: int | None = None, **fields: Any) -> None:
        """Write actions of a player, one after the other. ``fields`` are `action_record`'s."""
        at_ms = fields.pop("received_ms", now_ms())
        records = [written(0, action_record(player, one, received_ms=at_ms, **fields)) for one in ids]
        await self.write(records, partition=partition)

    async def write(self, records: Iterable[Written], *, partition: int | None = None) -> None:
        async with self.producer() as producer:
            sent = [
                await producer.send(
                    self.topic,
                    record.value,
                    record.key,
                    partition,
                    timestamp_ms=record.timestamp or None,
                    headers=list(record.headers),
                )
                for record in records
            ]
            await asyncio.gather(*sent)

    async def committed(self, partition: int = 0) -> int | None:
        """What the group has committed."""
        async with AIOKafkaConsumer(
            bootstrap_servers=self.broker.address, group_id=self.group, enable_auto_commit=False
        ) as consumer:
            offset: int | None = await consumer.committed(TopicPartition(self.topic, partition))
            return offset


async def players_of(broker: KafkaBroker, partitions: int = 1, **configs: str) -> Players:
    """A new topic, and a new group."""
    players = Players(broker)
    await broker.create(players.topic, partitions, configs)
    return players


async def take(actions: ActionSource, count: int) -> list[Action]:
    """The next actions, and not one too many. The last of them is in hand."""
    taken: list[Action] = []
    async with asyncio.timeout(DEADLINE_S):
        while len(taken) < count:
            taken += await actions.batch(count - len(taken))
    return taken


def ids(actions: Iterable[Action]) -> list[int]:
    return [action.id for action in actions]
