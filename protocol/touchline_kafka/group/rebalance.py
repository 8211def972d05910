"""What every member of a group does in a rebalance, and how long it may take."""

from collections.abc import Awaitable, Callable, Collection

from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.structs import TopicPartition

from touchline_kafka.repairs import Consumer

RELEASE_SHARE = 2 / 3
"""How long a member may take to give partitions back, as a share of the time that the group waits for it."""
CLOSE_TIMEOUT_S = 5.0
"""For leaving the group, if Kafka does not answer, or a rebalance waits for another member."""


def hold(consumer: Consumer, partitions: Collection[TopicPartition]) -> None:
    """Fetch nothing of partitions. They get some offset, or aiokafka would look for one, and raise without."""
    for tp in partitions:
        consumer.pause(tp)
        consumer.seek(tp, 0)


class Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Passes on what aiokafka says of the group."""

    def __init__(
        self, on_assigned: Callable[[Collection[TopicPartition]], None], on_revoked: Callable[[], Awaitable[None]]
    ) -> None:
        self._on_assigned = on_assigned
        self._on_revoked = on_revoked

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        await self._on_revoked()

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        self._on_assigned(assigned)
