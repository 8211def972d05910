"""Reading actions from Kafka, as a member of a consumer group: `source.ActionSource` over aiokafka.

aiokafka's consumer fetches and keeps the membership; `handout` decides what is handed out and committed, `placing`
where a partition begins. Its rules:

1. Partitions that are assigned are paused until they are placed. That is done by the task that asks for actions, so
   that heartbeats go on meanwhile.
2. Before partitions are given away, what waits to be handed out is dropped, what is in hand is waited for, and what is
   processed is committed. Those that come back at once go on with what they remember.
3. One commit is under way at a time, so a later one is never undone by an earlier one.
4. A poll that failed may have lost what it had fetched: every partition is placed anew, at what is processed.
5. A Kafka that is away is waited for. What only an operator can mend is raised.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from types import TracebackType
from typing import Any, Literal, Self

from aiokafka import AIOKafkaConsumer
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import CommitFailedError, IllegalStateError, OffsetOutOfRangeError
from aiokafka.structs import TopicPartition

from touchline.errors import ClientClosed, LogUnavailable, OperatorError

from .action import Action
from .handout import Bad, HandOut, Partition
from .kafka_connect import (
    CONNECT_TIMEOUT_S,
    OUTAGES,
    REFUSALS,
    consumer_options,
    in_words,
    started_consumer,
    stop_consumer,
)
from .kafka_scout import Scout
from .placing import start_of
from .seen import Seen

POLL_MS = 100
"""How long a poll waits for records, so how late an assignment can be noticed."""
POLL_RECORDS_MAX = 1000
"""Of one poll: some 10 ms of work, after which the loop serves others."""
RELEASE_SHARE = 2 / 3
"""Of the time that the group waits for a reader in a rebalance: how long we wait for what is in hand."""
COMMIT_TIMEOUT_S = 5.0
CLOSE_TIMEOUT_S = 5.0
"""For leaving the group, where Kafka does not answer, or a rebalance waits for another reader."""
RETRY_S = 1.0
FAILURES_MAX = 20
"""Polls or placings that fail one after the other, until it is given up. At `RETRY_S` each that is longer than Kafka
takes to choose another leader or coordinator."""
TOPIC_CHECK_S = 10.0
"""How long without a record until we look whether there still is a topic: nothing else tells."""
LOG_EVERY_S = 10.0
"""Between two warnings of the same kind."""

_log = logging.getLogger(__name__)


class KafkaActions:
    """See `touchline.actions.read`, which makes it, and `source.ActionSource`."""

    def __init__(
        self,
        url: str,
        *,
        group: str,
        topic: str,
        start: Literal["end", "beginning"],
        commit_s: float,
        look_back_ms: int,
        sessions_max: int,
        options: Mapping[str, Any],
    ) -> None:
        if start not in ("end", "beginning"):
            raise OperatorError(f'start is {start!r}: it must be "end" or "beginning"')
        self._options = consumer_options(url, group, options)
        self._group, self._topic, self._first_start = group, topic, start
        self._commit_s, self._look_back_ms, self._sessions_max = commit_s, look_back_ms, sessions_max
        self._consumer: AIOKafkaConsumer | None = None
        self._handout = HandOut(self._tell_bad)
        self._partitions: dict[TopicPartition, Partition] = {}
        self._unplaced: set[TopicPartition] = set()
        """Assigned, and paused."""
        self._kept: dict[TopicPartition, Partition] = {}
        """Read until the newest rebalance or failure, and perhaps to be gone on with."""
        self._rebalances = 0
        self._failures = 0
        self._free = asyncio.Event()
        """Nothing is in hand, or nobody will ask any more."""
        self._free.set()
        self._commit_lock = asyncio.Lock()
        self._keeper: asyncio.Task[None] | None = None
        self._record_at = 0.0
        self._warned_at: dict[str, float] = {}
        self._forgotten_told = 0

    @property
    def skipped(self) -> int:
        """See `source.ActionSource`."""
        return self._handout.skipped

    @property
    def copies(self) -> int:
        """See `source.ActionSource`."""
        return self._handout.copies

    @property
    def _reader(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            raise ClientClosed("actions are read inside the `async with` that they were opened with")
        return self._consumer

    # Starting and stopping.

    async def __aenter__(self) -> Self:
        try:
            async with asyncio.timeout(2 * CONNECT_TIMEOUT_S), Scout(self._options) as scout:
                if await scout.begin_group(self._topic, self._first_start):
                    _log.info("the group %s reads %s for the first time, from its %s on", *self._names())
            self._consumer = await started_consumer(self._options)
            await self._join()
        except BaseException as error:
            await self._stop()
            if isinstance(error, OUTAGES):
                raise self._given_up(error) from error
            raise
        self._record_at = time.monotonic()
        self._keeper = asyncio.create_task(self._keep(), name="touchline-actions-keeper")
        return self

    def _names(self) -> tuple[str, str, str]:
        return self._group, self._topic, self._first_start

    async def _join(self) -> None:
        """Become a member of the group, and place the partitions."""
        self._reader.subscribe([self._topic], listener=_Listener(self))
        # The others of the group may keep us waiting for as long as they may finish what is in hand.
        async with asyncio.timeout(self._options["rebalance_timeout_ms"] / 1000 + CONNECT_TIMEOUT_S):
            await self._reader.getmany(timeout_ms=1)
            while self._unplaced:
                await self._place()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    async def _stop(self) -> None:
        self._free.set()
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
            self._keeper = None
        if self._consumer is None:
            return
        await self._commit()
        self._partitions.clear()
        consumer, self._consumer = self._consumer, None
        if not await stop_consumer(consumer, CLOSE_TIMEOUT_S):
            _log.warning("the group %s was left without a word: Kafka or another reader is busy", self._group)

    # Handing out.

    def __aiter__(self) -> AsyncIterator[Action]:
        return self

    async def __anext__(self) -> Action:
        return (await self.batch(1))[0]

    async def batch(self, actions_max: int = 1000) -> list[Action]:
        """See `source.ActionSource`."""
        self.processed()
        while not (actions := self._handout.take(actions_max)):
            await self._fetch()
        self._free.clear()
        return actions

    def processed(self) -> None:
        """See `source.ActionSource`."""
        self._handout.processed()
        self._free.set()

    async def _fetch(self) -> None:
        """Let records wait to be handed out, if some come soon."""
        if self._keeper is not None and self._keeper.done():
            self._keeper.result()
        if self._unplaced:
            await self._place()
        try:
            fetched = await self._reader.getmany(timeout_ms=POLL_MS, max_records=POLL_RECORDS_MAX)
        except OffsetOutOfRangeError as error:
            self._place_anew(error.args[0])
        except OUTAGES as error:
            self._place_anew(list(self._partitions))
            await self._failed("reading", error)
        else:
            for tp, records in fetched.items():
                self._handout.add(self._partitions[tp], records)
            if fetched:
                self._failures = 0
                self._record_at = time.monotonic()
                await asyncio.sleep(0)  # a poll that finds records does not wait, and there can be many

    async def _failed(self, doing: str, error: BaseException) -> None:
        """Wait before the next try, unless trying is useless."""
        self._failures += 1
        if isinstance(error, REFUSALS) or self._failures >= FAILURES_MAX:
            raise self._given_up(error) from error
        self._warn(doing, "%s %s failed, trying again: %s", doing, self._topic, in_words(error))
        await asyncio.sleep(RETRY_S)

    def _given_up(self, error: BaseException) -> OperatorError:
        message = f"{self._topic} cannot be read in the group {self._group}: {in_words(error)}"
        return OperatorError(message) if isinstance(error, REFUSALS) else LogUnavailable(message)

    # Which partitions, and from where.

    def assigned(self, partitions: Collection[TopicPartition]) -> None:
        """The group gave us these partitions, and no others."""
        self._unplaced = set(partitions)
        self._hold(partitions)

    async def revoked(self) -> None:
        """The group wants all partitions back. It waits until this returns."""
        self._handout.drop()
        release_s = self._options["rebalance_timeout_ms"] / 1000 * RELEASE_SHARE
        try:
            async with asyncio.timeout(release_s):
                await self._free.wait()
        except TimeoutError:
            _log.warning(
                "what was handed out %g s ago is not processed, and its partition moves: it may be handed out twice",
                release_s,
            )
        await self._commit()
        self._rebalances += 1
        self._kept.update(self._partitions)
        self._partitions, self._unplaced = {}, set()

    def _place_anew(self, partitions: Iterable[TopicPartition]) -> None:
        """Go on with partitions from what is processed."""
        anew = [tp for tp in partitions if tp in self._partitions]
        self._kept.update({tp: self._partitions.pop(tp) for tp in anew})
        self._unplaced.update(anew)
        self._hold(anew)

    def _hold(self, partitions: Collection[TopicPartition]) -> None:
        """Fetch nothing of partitions. They get some offset, or aiokafka would look for one, and raise without."""
        for tp in partitions:
            self._reader.pause(tp)
            self._reader.seek(tp, 0)

    async def _place(self) -> None:
        """Begin to read what is not placed yet."""
        partitions, rebalances = list(self._unplaced), self._rebalances
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S), Scout(self._options) as scout:
                bounds = await scout.bounds(partitions)
                starts = {tp: start_of(bounds[tp], self._kept.get(tp)) for tp in partitions}
                unknown = {tp: (start.offset, bounds[tp].begin) for tp, start in starts.items() if not start.remembered}
                offsets = await scout.look_back(unknown, self._look_back_ms)
        except (*OUTAGES, LogUnavailable) as error:
            await self._failed("placing", error)
            return
        if rebalances != self._rebalances:
            return  # they are not ours any more, or other ones are too
        for tp, start in starts.items():
            if start.problem:
                _log.warning("%s, partition %d: %s", tp.topic, tp.partition, start.problem)
            seen = self._kept[tp].seen if start.remembered else Seen(self._look_back_ms, self._sessions_max)
            read_from = offsets.get(tp, start.offset)
            partition = Partition(tp.partition, read_from=read_from, hand_from=start.offset, seen=seen)
            partition.committed = bounds[tp].committed
            self._partitions[tp] = partition
            self._reader.seek(tp, read_from)
            self._reader.resume(tp)
        self._unplaced.clear()
        self._kept.clear()

    # What goes on beside.

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self._commit_s)
            await self._commit()
            self._tell_forgotten()
            if time.monotonic() - self._record_at >= TOPIC_CHECK_S:
                await self._look_for_topic()

    async def _commit(self) -> None:
        """Commit what is processed. What could not be committed is tried again with the next."""
        async with self._commit_lock:
            changed = {tp: one for tp, one in self._partitions.items() if one.done != one.committed}
            if not changed:
                return
            offsets = {tp: partition.done for tp, partition in changed.items()}
            try:
                async with asyncio.timeout(COMMIT_TIMEOUT_S):
                    await self._reader.commit(await self._forwards(offsets))
            except (CommitFailedError, IllegalStateError):
                _log.info("the group %s has gone on without us: what was processed last is not committed", self._group)
            except OUTAGES as error:
                self._warn("commit", "what is processed cannot be committed now: %s", in_words(error))
            else:
                for tp, partition in changed.items():
                    partition.committed = offsets[tp]

    async def _forwards(self, offsets: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, int]:
        """Those of ``offsets`` that take nothing back.

        A reader that was thrown out has no generation. Kafka takes a commit of such a one where the group is empty, and
        others may have been there and gone since.
        """
        if self._reader._coordinator.generation >= 0:
            return offsets
        return {tp: offset for tp, offset in offsets.items() if (await self._reader.committed(tp) or 0) <= offset}

    async def _look_for_topic(self) -> None:
        self._record_at = time.monotonic()
        with contextlib.suppress(*OUTAGES):
            async with asyncio.timeout(COMMIT_TIMEOUT_S):
                topics = await self._reader.topics()
            if self._topic not in topics:
                raise OperatorError(f"the topic {self._topic} was deleted while it was read")

    def _tell_bad(self, bad: Bad) -> None:
        self._warn(
            "bad",
            "%s, partition %d, offset %d is no action and is passed over (%d so far): %s",
            self._topic,
            bad.partition,
            bad.offset,
            self._handout.skipped,
            bad.error,
        )

    def _tell_forgotten(self) -> None:
        forgotten = sum(partition.seen.forgotten for partition in self._partitions.values())
        if forgotten > self._forgotten_told:
            self._warn("forgotten", "%s: more sessions act than sessions_max, so a copy may be handed out", self._topic)
        self._forgotten_told = forgotten

    def _warn(self, kind: str, message: str, *values: object) -> None:
        """Log, but each kind only once in `LOG_EVERY_S`."""
        now = time.monotonic()
        if now - self._warned_at.get(kind, -LOG_EVERY_S) >= LOG_EVERY_S:
            self._warned_at[kind] = now
            _log.warning(message, *values)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Passes on what aiokafka says of the group."""

    def __init__(self, actions: KafkaActions) -> None:
        self._actions = actions

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        await self._actions.revoked()

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        self._actions.assigned(assigned)
