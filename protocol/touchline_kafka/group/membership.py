"""A member of a consumer group that only shares partitions: it fetches nothing, and commits what it is told to.

For readers that know better than the group from where to read, and that read by other means. aiokafka's consumer keeps
the membership. Rules:

1. All partitions that the group gives are paused, so that nothing of them is fetched.
2. Before partitions are given away, ``on_revoked`` is awaited, for a share of the time that the group waits.
3. Only topics that exist, and that this user may read, are subscribed to: asking for others could create them.
4. The member waits for a Kafka that is away. It raises an error that only an operator can fix.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from types import TracebackType
from typing import NamedTuple, Self

from aiokafka.errors import CommitFailedError, IllegalStateError
from aiokafka.structs import TopicPartition

from touchline_kafka.cluster import Cluster
from touchline_kafka.errors import REQUEST_ERRORS, describe, is_refusal, operator_error
from touchline_kafka.repairs import Consumer
from touchline_kafka.retry import OncePerInterval
from touchline_kafka.topics import Topics

from .commits import COMMIT_TIMEOUT_S
from .consumer_options import consumer_options
from .rebalance import CLOSE_TIMEOUT_S, RELEASE_SHARE, Listener, hold

POLL_MS = 500
"""How long a poll waits. A member that does not poll is thrown out of its group."""
LOOK_EVERY_S = 2.0
"""How often to look for topics that were created or deleted."""
RETRY_S = 1.0

_log = logging.getLogger("touchline.kafka")


class Share(NamedTuple):
    """A partition that the group gave to this member, and how many partitions its topic has."""

    topic: str
    partition: int
    partitions: int


class Membership:
    """One member of ``group``. ``topics`` are those that may exist.

    ``on_revoked`` is called before partitions are given away: when it returns, nobody reads them here any more.
    """

    def __init__(
        self, cluster: Cluster, group: str, topics: Sequence[str], on_revoked: Callable[[], Awaitable[None]]
    ) -> None:
        self._cluster = cluster
        self._group = group
        self._names = topics
        self._on_revoked = on_revoked
        self._options = consumer_options(group, {})
        self._consumer: Consumer | None = None
        self._subscribed: frozenset[str] = frozenset()
        self._counts: dict[str, int] = {}
        self._polling: asyncio.Task[None] | None = None
        self._throttle = OncePerInterval()
        self.shares: frozenset[Share] = frozenset()
        """The partitions that this member has now."""
        self.generation = 0
        """Rises with every assignment, and whenever partitions are taken back."""
        self.changed = asyncio.Event()
        """Set when ``shares`` changed, or the member failed. The waiting task clears it."""
        self.problem: str | None = None
        """What keeps it from being a member, for an operator."""
        self.unreadable: Mapping[str, str] | None = None
        """The topics that cannot be shared, and why; None until Kafka was asked."""

    async def __aenter__(self) -> Self:
        """Find the cluster; the group is joined in the background.

        Raises:
            OperatorError, LogUnavailable: see `Cluster.consumer`.
        """
        self._consumer = await self._cluster.consumer(**self._options)
        self._polling = asyncio.create_task(self._poll_forever(self._consumer), name="kafka-membership")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the group, so that others take over at once."""
        if self._polling is not None:
            self._polling.cancel()
            await asyncio.gather(self._polling, return_exceptions=True)
        consumer, self._consumer = self._consumer, None
        if consumer is not None and not await consumer.stop_within(CLOSE_TIMEOUT_S):
            _log.warning("left the group %s without telling it: Kafka or another reader is busy", self._group)

    def check(self) -> None:
        """Raise what ended the membership, if anything did.

        Raises:
            OperatorError: Kafka refuses.
        """
        if self._polling is not None and self._polling.done():
            self._polling.result()

    async def commit(self, offsets: Mapping[tuple[str, int], int]) -> bool:
        """Tell the group how far partitions are processed; returns whether it took that.

        It is for operators, and for tools that watch lag. So one that fails is not repeated: the next one is newer.
        """
        consumer = self._consumer
        if consumer is None or not offsets or not consumer.is_member:
            return False
        try:
            async with asyncio.timeout(COMMIT_TIMEOUT_S):
                await consumer.commit({TopicPartition(*where): offset for where, offset in offsets.items()})
        except (CommitFailedError, IllegalStateError):
            return False  # the group went on without us
        except REQUEST_ERRORS as error:
            if self._throttle.allows("commit"):
                _log.warning("what is processed cannot be committed now: %s", describe(error))
            return False
        return True

    async def _poll_forever(self, consumer: Consumer) -> None:
        topics = Topics(consumer.client)
        listener = Listener(self._assigned, self._revoked)
        looked_at_s = -LOOK_EVERY_S
        loop = asyncio.get_running_loop()
        try:
            while True:
                try:
                    if loop.time() - looked_at_s >= LOOK_EVERY_S:
                        looked_at_s = loop.time()
                        await self._subscribe(consumer, topics, listener)
                    if self._subscribed:
                        await consumer.getmany(timeout_ms=POLL_MS)
                    else:
                        await asyncio.sleep(POLL_MS / 1000)
                except REQUEST_ERRORS as error:
                    if is_refusal(error):
                        raise operator_error(f"{', '.join(self._names)} cannot be read", error) from error
                    self.problem = f"the group {self._group} cannot be joined now, trying again: {describe(error)}"
                    await asyncio.sleep(RETRY_S)
                else:
                    self.problem = None
        finally:
            self.changed.set()

    async def _subscribe(self, consumer: Consumer, topics: Topics, listener: Listener) -> None:
        found = await topics.describe(self._names)
        self.unreadable = {name: why for name, topic in found.items() if (why := topic.unreadable) is not None}
        counts = {
            name: len(topic.leaders) for name, topic in found.items() if topic.leaders and name not in self.unreadable
        }
        existing = frozenset(counts)
        if existing == self._subscribed:
            if counts != self._counts:  # the group learns of added partitions by aiokafka's metadata alone
                self._counts = counts
                await consumer.client.force_metadata_update()
            return
        self._counts = counts
        self._subscribed = existing
        if existing:
            consumer.subscribe(sorted(existing), listener=listener)
        else:
            await self._revoked()
            consumer.unsubscribe()

    def _assigned(self, assigned: Collection[TopicPartition]) -> None:
        consumer = self._consumer
        if consumer is None:
            return
        hold(consumer, assigned)
        counts = {tp.topic: len(consumer.partitions_for_topic(tp.topic) or ()) for tp in assigned}
        self.shares = frozenset(Share(tp.topic, tp.partition, counts[tp.topic]) for tp in assigned)
        self.generation += 1
        self.changed.set()

    async def _revoked(self) -> None:
        if not self.shares:
            return
        self.shares = frozenset()
        self.generation += 1
        self.changed.set()
        release_s = float(self._options["rebalance_timeout_ms"]) / 1000 * RELEASE_SHARE
        try:
            async with asyncio.timeout(release_s):
                await self._on_revoked()
        except TimeoutError:
            _log.warning("what was read %g s ago is not processed, and its partition moves", release_s)
